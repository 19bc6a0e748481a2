"""What the comparison of the state table with its second reading has changed in the table."""

import pytest
import settlement_world as w
from msgspec.structs import replace
from settlement_walker import Told

from supplytwin.schemas import terms
from supplytwin.schemas.ids import DAY_US

day, Chain = w.day, w.Chain
AMOUNT = 100_000


def chain_of(*claims, **changes):
    """A chain under a contract of these claims, one when none is given."""
    chain = Chain(w.contract_terms(claims or None, **changes))
    chain.agree()
    return chain


def rows_of(outcome):
    return [(t.row, t.from_state, t.to_state) for t in outcome.transitions]


def test_a_hold_that_is_larger_than_the_payment_is_released():
    """Row 23: what the rail holds counts as it was confirmed, so that nothing of it stays."""
    chain = chain_of()
    chain.answer(chain.last("RESERVE"), "CONFIRMED", amount_minor=AMOUNT + 3, hold_expires=day(300))
    chain.facts(*w.proofs())
    chain.cut(day(31))
    chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1")
    assert (chain.sent[-1].kind, chain.sent[-1].amount_minor) == ("RELEASE", 3)


def test_a_payment_without_an_order_leaves_no_hold():
    """Row 48: whether or not the rail took the money out of the hold, that is released."""
    chain = chain_of().reserved()
    order = replace(chain.last("RESERVE"), kind="PAY")
    assert rows_of(chain.answer(order, "BOOKED", entry_id="E1")) == [(48, "RESERVED", "SETTLED")]
    assert chain.sent[-1].kind == "RELEASE"


@pytest.mark.parametrize("status", ["BOOKED", "RETURNED"])
def test_money_in_another_currency_holds_a_claim_that_is_not_paid(status):
    """Row 12: nobody can post it, and nothing is paid before somebody has looked."""
    chain = chain_of().reserved()
    order = replace(chain.last("RESERVE"), kind="PAY")
    strange = {"currency": "EUR", "amount_minor": AMOUNT, "entry_id": "E1", "return_id": "R1"}
    assert rows_of(chain.answer(order, status, **strange)) == [(12, "RESERVED", "HELD")]
    chain.facts(*w.proofs())
    assert chain.cut(day(31)) == []


def test_silence_awards_what_is_due(monkeypatch):
    """Row 18 by time: not more than the terms would pay; nothing due, nothing awarded."""
    told = Told(monkeypatch)
    rule = terms.Disputes(
        who=("BUYER",), arbiters=("ann",), k=1, max_len_us=30 * DAY_US, on_timeout="SELLER"
    )
    for due, rows, reserved in ((40_000, [18], 40_000), (0, [], AMOUNT)):
        chain = chain_of(disputes=rule).reserved()
        told.of = {"A-1": ("UNKNOWN", None, due, ())}
        chain.review("DISPUTE", role="BUYER")
        assert chain.cut(day(40)) == rows
        assert chain.claim().accounts.reserved == reserved


def test_the_last_word_of_an_arbiter_counts():
    """Two of three decide: a word that was taken back is none."""
    rule = terms.Disputes(
        who=("BUYER",), arbiters=("ann", "bob", "cas"), k=2, max_len_us=30 * DAY_US,
        on_timeout="BUYER",
    )  # fmt: skip
    chain = chain_of(disputes=rule).reserved()
    chain.review("DISPUTE", role="BUYER")
    for person, verdict in (("ann", "RESOLVE_SELLER"), ("ann", "RESOLVE_BUYER")):
        chain.review(verdict, role="ARBITER", reviewer=person, amount_minor=AMOUNT)
    said = {"role": "ARBITER", "reviewer": "bob", "amount_minor": AMOUNT}
    assert chain.review("RESOLVE_SELLER", **said).verdict == "NOTED"


def test_a_hold_of_a_person_stands_when_the_payment_comes_back():
    """No row takes it while the payment is under way; row 12 does before another one is sent."""
    chain = chain_of().instructed()
    assert chain.review("HOLD", reviewer="hal").verdict == "ILLEGAL"
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.state() == "APPROVED"
    assert chain.cut(day(32)) == [12]
    assert len(chain.pays()) == 1


def test_what_was_to_be_recalled_is_not_tried_again():
    """Row 24 gives way to row 25 once the recall of that attempt was refused."""
    chain = chain_of().instructed()
    chain.review("RECALL")
    chain.answer(chain.last("RECALL"), "RJCR")
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.state() == "HELD"


def test_another_attempt_can_be_recalled_again():
    """Row 28: what the rail has refused was another payment."""
    chain = chain_of().instructed()
    chain.review("RECALL")
    chain.answer(chain.last("RECALL"), "RJCR")
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AC04")
    told = chain.review("HOLD", reviewer="hal")
    assert rows_of(told) == [(54, "HELD", "HELD")]
    name = chain.ids[0]
    back = replace(chain.claim(), state="INSTRUCTED", issued=2)
    chain.book = replace(chain.book, claims=chain.book.claims.set(name, back))
    assert rows_of(chain.review("RECALL")) == [(28, "INSTRUCTED", "CANCEL_PENDING")]


def test_a_hold_that_ends_with_the_sla_is_too_short():
    """Failure 26: it has to stand after it."""
    chain = chain_of(auto_renew=True)
    chain.answer(chain.last("RESERVE"), "CONFIRMED", hold_expires=day(31) + w.SLA)
    chain.facts(*w.proofs())
    assert chain.cut(day(31)) == [7]


def test_a_hold_that_is_lost_before_it_is_confirmed_is_asked_for_again():
    """Row 41: a claim that is stopped does not wait for it."""
    chain = chain_of().reserved()
    chain.review("HOLD", reviewer="hal")
    order = chain.last("RESERVE")
    chain.answer(order, "LOST")
    lost = chain.answer(replace(order, hold_no=2), "LOST")
    assert rows_of(lost) == [(41, "HELD", "HELD")]
    assert (chain.sent[-1].kind, chain.sent[-1].hold_no) == ("RESERVE", 3)
