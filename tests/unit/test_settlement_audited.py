"""What reading the state table row by row against the reference has changed in it."""

import pytest
import settlement_world as w
from msgspec.structs import replace

from supplytwin.processors import settlement
from supplytwin.schemas import terms
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import EVERY, QUARANTINE_DESK, Review

day, Chain = w.day, w.Chain
AMOUNT = 100_000
PLACE = f"{QUARANTINE_DESK}/topic/0/7"


def chain_of(*claims, **changes):
    """A chain under a contract of these claims, one when none is given."""
    chain = Chain(w.contract_terms(claims or None, **changes))
    chain.agree()
    return chain


def rows_of(outcome):
    return [(t.row, t.from_state, t.to_state) for t in outcome.transitions]


def codes_of(outcome):
    found = [*outcome.alarms, *(one for t in outcome.transitions for one in t.alarms)]
    return {one.code for one in found}


def refused_record(chain):
    """The worker tells the chain of a record that went to the quarantine."""
    return chain.act(Review(
        input_id="topic/0/7", source=QUARANTINE_DESK, chain_id=w.CHAIN, contract_id=EVERY,
        settlement_id=EVERY, verdict="QUARANTINE", reviewer="", role="SYSTEM", reason="refused",
    ))  # fmt: skip


def drop_record(chain, *cleared):
    """An operator has dealt with what he names."""
    return chain.review(
        "DROP_RECORD", contract_id=EVERY, settlement_id=EVERY, cleared_ids=cleared, reviewer="olga"
    )


def told_hash(chain, number=0):
    return settlement.explain(chain.book, chain.twin, chain.now)[number].evidence_hash


# ---- rows 12, 13 and 54: what stands against a claim, and who may clear it


def test_dealing_with_a_record_clears_no_hold_of_a_person():
    """Row 13: what a person holds is cleared by a review of its evidence alone."""
    chain = chain_of()
    chain.review("HOLD", reviewer="hal", input_id="h-1")
    refused_record(chain)
    assert drop_record(chain, "desk/h-1", PLACE).verdict == "TAKEN"
    chain.reserved().facts(*w.proofs())
    assert chain.cut(day(31)) == [12]
    assert chain.claim().cleared == {PLACE}


def test_dealing_with_a_record_lets_go_no_claim_that_a_person_holds_too():
    """Row 13 by RecordResolved: only a claim that nothing but records holds."""
    chain = chain_of().reserved()
    refused_record(chain)
    chain.review("HOLD", reviewer="hal", input_id="h-1")
    drop_record(chain, PLACE, "desk/h-1")
    assert chain.state() == "HELD"
    assert chain.restored() == replace(chain.book, agenda="NEXT")


def test_dealing_with_a_record_does_not_end_a_freeze():
    """Row 32: the freeze is another claim's contradicted payment, not a record."""
    chain = chain_of(w.claim_terms(1), w.claim_terms(2)).reserved(1).instructed(0)
    chain.answer(chain.last("PAY", 0), "BOOKED", entry_id="E1")
    chain.facts((w.customs("cancelled", day(33)), day(33)))
    assert chain.cut(day(34)) == [32, 12]
    assert drop_record(chain, f"settlement/{chain.ids[0]}").verdict == "NOTED"
    assert chain.state(1) == "HELD"


def test_an_input_with_two_contents_holds_the_claim_when_its_payment_comes_back():
    """Row 12: nothing more is sent while nobody knows what the rail meant."""
    chain = chain_of().instructed()
    order = chain.last("PAY")
    chain.answer(order, "ACSP", input_id="r-1")
    again = chain.answer(order, "BOOKED", input_id="r-1", entry_id="E1")
    assert again.verdict == "CONFLICT"
    chain.answer(order, "RJCT", rail_reason="AM04")
    assert chain.state() == "APPROVED"
    assert chain.restored() == replace(chain.book, agenda="NEXT")
    assert chain.cut(day(32)) == [12]
    assert len(chain.pays()) == 1


def test_a_refused_record_holds_the_claim_when_its_payment_comes_back():
    """Row 12: it may have been the booking; no second payment goes out before it is looked at."""
    chain = chain_of().instructed()
    assert settlement.live(chain.book)
    assert refused_record(chain).verdict == "NOTED"
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.restored() == replace(chain.book, agenda="NEXT")
    assert chain.cut(day(32)) == [12]
    assert len(chain.pays()) == 1
    assert rows_of(drop_record(chain, PLACE)) == [(13, "HELD", "RESERVED")]
    chain.cut(day(33))
    assert [order.attempt for order in chain.pays()] == [1, 2]


def test_a_refused_record_that_is_dealt_with_while_a_payment_is_under_way_holds_nothing():
    """Row 54 has no row for it there, so it is only known."""
    chain = chain_of().instructed()
    refused_record(chain)
    drop_record(chain, PLACE)
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.restored() == replace(chain.book, agenda="NEXT")
    assert chain.cut(day(32)) == [21]


def test_a_refused_record_is_noted_while_a_recall_is_under_way():
    """Row 54 names CANCEL_PENDING."""
    chain = chain_of().instructed()
    chain.review("RECALL")
    assert rows_of(refused_record(chain)) == [(54, "CANCEL_PENDING", "CANCEL_PENDING")]


# ---- rows 36, 48 and 50: bookings that are told twice


def _settled_by_status():
    chain = chain_of().instructed()
    chain.answer(chain.last("PAY"), "ACSC")
    assert chain.state() == "SETTLED"
    return chain


def test_the_entry_of_a_status_is_known():
    """Row 36: the status and the entry of one payment are one booking."""
    chain = _settled_by_status()
    assert chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1").verdict == "STALE"
    assert chain.answer(chain.last("PAY"), "ACSC").verdict == "STALE"


@pytest.mark.parametrize("fields", [{"amount_minor": 90_000}, {"currency": "EUR"}])
def test_an_entry_for_something_else_than_the_status_said_is_a_break(fields):
    """Failure 28: the mirror stays, and people are told; the same entry again is known."""
    chain = _settled_by_status()
    before = chain.claim().accounts
    told = chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1", **fields)
    assert rows_of(told) == [(50, "SETTLED", "SETTLED")]
    assert codes_of(told) == {"RECON_BREAK"}
    assert chain.claim().accounts == before
    assert chain.restored() == replace(chain.book, agenda="NEXT")
    again = chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1", **fields)
    assert again.verdict == "STALE"


def test_the_entry_of_a_status_that_people_did_not_believe_is_a_booking():
    """Row 48: they said that nothing was paid, and the bank books it all the same; no attempt
    follows."""
    chain = chain_of().instructed()
    order = chain.last("PAY")
    chain.answer(order, "ACSC", amount_minor=90_000)
    for who in ("rosa", "hal"):
        chain.review("RECON_HELD", reviewer=who)
    assert chain.state() == "HELD"
    told = chain.answer(order, "BOOKED", entry_id="E1", amount_minor=90_000)
    assert rows_of(told) == [(48, "HELD", "SETTLED")]
    assert chain.claim().accounts.seller == 90_000


# ---- row 51


def test_a_claim_of_which_something_was_paid_is_not_held_as_unpaid():
    """Row 51: HELD means that nothing was paid; with an amount it would be paid a second time."""
    chain = chain_of().instructed()
    chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1", amount_minor=90_000)
    for who in ("rosa", "hal"):
        told = chain.review("RECON_HELD", reviewer=who, amount_minor=90_000)
    assert told.verdict == "ILLEGAL"
    assert chain.state() == "IN_DOUBT"


# ---- row 23


def test_an_earlier_attempt_that_is_booked_gives_the_hold_back():
    """Nobody knows whether the rail took it out of the hold, which the running attempt could still
    use: nothing of it may stay."""
    chain = chain_of().instructed()
    first = chain.last("PAY")
    chain.answer(first, "RJCT", rail_reason="AM04")
    chain.cut(day(32))
    assert [order.attempt for order in chain.pays()] == [1, 2]
    told = chain.answer(first, "BOOKED", entry_id="E1")
    assert rows_of(told) == [(23, "INSTRUCTED", "SETTLED")]
    assert (chain.sent[-1].kind, chain.sent[-1].amount_minor) == ("RELEASE", AMOUNT)


# ---- row 19


def test_arbiters_who_find_for_the_buyer_need_not_name_the_same_amount():
    """Row 19: all of it is the buyer's, whatever amount they write; a refund is never trapped."""
    rule = terms.Disputes(
        who=("BUYER",), arbiters=("ann", "bob"), k=2, max_len_us=90 * DAY_US, on_timeout="SELLER"
    )
    chain = chain_of(disputes=rule).reserved()
    chain.review("DISPUTE", role="BUYER")
    chain.review("RESOLVE_BUYER", role="ARBITER", reviewer="ann")
    told = chain.review("RESOLVE_BUYER", role="ARBITER", reviewer="bob", amount_minor=AMOUNT)
    assert rows_of(told) == [(19, "DISPUTED", "VOIDED")]


# ---- residuals


def _residual(on_timeout="SELLER"):
    """Claim 2 is the rest of tranche T1, whose claim 1 is not over; 2 is disputed."""
    rule = terms.Disputes(
        who=("BUYER",), arbiters=("ann",), k=1, max_len_us=10 * DAY_US, on_timeout=on_timeout
    )
    rest = w.claim_terms(2, tranche_id="T2", residual_of=("T1",))
    chain = chain_of(w.claim_terms(1), rest, disputes=rule).reserved(0).reserved(1)
    chain.review("DISPUTE", claim=1, role="BUYER")
    return chain


def test_silence_awards_no_rest_before_it_is_known():
    """Row 18 by time: a residual is computed when the tranches that it names are over."""
    chain = _residual()
    assert chain.cut(day(20)) == []
    assert chain.state(1) == "DISPUTED"
    assert chain.claim(1).basis == "CONDITION"


def test_silence_awards_the_rest_once_it_is_known():
    """Row 18 by time: what the other tranche has left."""
    chain = _residual()
    chain.facts(*w.proofs())
    chain.cut(day(31))
    chain.answer(chain.last("PAY", 0), "BOOKED", entry_id="E1")
    assert chain.cut(day(32)) == [18]
    assert chain.claim(1).due_minor == AMOUNT
