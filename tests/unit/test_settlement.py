"""A claim's way through the table: what each input and each cut does, and what the rail is told."""

import msgspec
import pytest
import settlement_world as w

from supplytwin.processors import settlement
from supplytwin.processors.conditions import evaluate
from supplytwin.processors.settlement_state import Book
from supplytwin.schemas.errors import FatalError, RecordError
from supplytwin.schemas.records import QUARANTINE_DESK

day, Chain = w.day, w.Chain


def test_a_claim_is_paid_once_its_two_proofs_are_in():
    """Hold, release, receipt: one cut matches, approves and instructs, one booking settles."""
    chain = Chain()
    assert [t.row for t in chain.agree().transitions] == [1]
    assert chain.last("RESERVE").amount_minor == 100_000
    chain.answer(chain.last("RESERVE"), "CONFIRMED", hold_expires=day(300))
    assert chain.cut(day(20)) == []
    chain.facts(*w.proofs())
    assert chain.cut(day(31)) == [7, 11, 21]
    pay = chain.last("PAY")
    assert (pay.attempt, pay.amount_minor, pay.currency) == (1, 100_000, "USD")
    assert (pay.end_to_end_id, pay.creditor, pay.exponent) == (pay.settlement_id, "S-1", 2)
    chain.answer(pay, "ACSP")
    assert chain.state() == "ACCEPTED"
    chain.answer(pay, "BOOKED", entry_id="E1")
    assert chain.state() == "SETTLED"
    assert chain.book.contract_state == "COMPLETED"
    assert chain.claim().accounts.seller == 100_000
    assert chain.rows == [1, 2, 7, 11, 21, 22, 23]


def test_facts_move_nothing_between_cuts():
    """With every proof in hand a claim still waits for the cut."""
    chain = Chain().reserved().facts(*w.proofs())
    assert chain.state() == "RESERVED"


def test_a_claim_of_nothing_is_closed_without_an_instruction():
    """Amount 0: row 37 from nothing, no RESERVE, no other instruction."""
    chain = Chain(w.contract_terms((w.claim_terms(amount_minor=0), w.claim_terms(2))))
    chain.agree()
    assert [chain.state(0), chain.state(1)] == ["CLOSED", "CREATED"]
    assert {order.settlement_id for order in chain.sent} == {chain.ids[1]}
    assert chain.rows == [37, 1]


def test_the_same_input_twice_is_a_duplicate():
    """Same id and content: the book is the very same, nothing is written."""
    chain = Chain()
    chain.agree()
    order = chain.last("RESERVE")
    chain.answer(order, "CONFIRMED", input_id="one", hold_expires=day(300))
    before = chain.book
    outcome = chain.answer(order, "CONFIRMED", input_id="one", hold_expires=day(300))
    assert outcome.verdict == "DUPLICATE"
    assert chain.book is before
    assert chain.agree().verdict == "DUPLICATE"


def test_one_id_with_two_contents_breaks_reconciliation():
    """Same id, other content: alarmed, the claim is held; the second content does nothing else."""
    chain = Chain().reserved()
    order = chain.last("RESERVE")
    chain.answer(order, "REFUSED", input_id="two")
    outcome = chain.answer(order, "BOOKED", input_id="two", amount_minor=7, currency="USD")
    assert outcome.verdict == "CONFLICT"
    assert [alarm.code for alarm in outcome.alarms] == ["RECON_BREAK"]
    assert chain.state() == "HELD"
    assert not chain.claim().bookings
    again = chain.answer(order, "BOOKED", input_id="two", amount_minor=7, currency="USD")
    assert again.verdict == "DUPLICATE"


def test_a_second_contract_is_illegal():
    """A chain has one contract; another one is recorded and changes no claim."""
    chain = Chain().reserved()
    other = msgspec.structs.replace(w.contract(chain.terms), input_id="contract-2")
    before = chain.book.claims
    outcome = chain._ordered(other, settlement.agree(chain.book, other, b"x" * 32, chain.now))
    assert outcome.verdict == "ILLEGAL"
    assert chain.book.claims == before


@pytest.mark.parametrize("field", ["contract_id", "version", "chain_id", "terms_hash"])
def test_a_contract_that_is_not_what_it_says_is_refused(field):
    """The wrapper must agree with the terms that it carries."""
    message = w.contract(w.contract_terms())
    value = 2 if field == "version" else "other"
    with pytest.raises(RecordError):
        settlement.check_contract(msgspec.structs.replace(message, **{field: value}))


def test_a_retryable_rejection_is_tried_again_with_a_new_attempt():
    """AM04 goes back to APPROVED; the next cut sends attempt 2 with its own UETR, same end-to-end
    id."""
    chain = Chain().instructed()
    first = chain.last("PAY")
    chain.answer(first, "RJCT", rail_reason="AM04")
    assert chain.state() == "APPROVED"
    assert chain.cut(day(32)) == [21]
    second = chain.last("PAY")
    assert (second.attempt, second.end_to_end_id) == (2, first.end_to_end_id)
    assert second.uetr != first.uetr
    assert chain.answer(first, "RJCT", rail_reason="AM04").verdict == "STALE"


def test_a_final_rejection_or_the_last_attempt_holds_the_claim():
    """AC04 is final at once, AM04 after the third attempt; then people decide."""
    chain = Chain().instructed()
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AC04")
    assert (chain.state(), chain.claim().origin) == ("HELD", "REJECTED")
    chain = Chain().instructed()
    for at in (32, 33, 34):
        chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
        chain.cut(day(at))
    assert chain.state() == "HELD"
    assert [pay.attempt for pay in chain.pays()] == [1, 2, 3]


def test_a_rejection_past_the_long_stop_voids():
    """Then nothing can be instructed any more: the money goes back and the hold is released."""
    chain = Chain().instructed()
    chain.now = day(271)
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.state() == "VOIDED"
    assert chain.last("RELEASE") is not None
    assert chain.claim().accounts == msgspec.structs.replace(chain.claim().accounts, buyer=0)


def test_a_silent_rail_is_asked_and_an_unknown_payment_is_repeated_identically():
    """After the SLA IN_DOUBT and QUERY; NOT_FOUND sends the identical PAY, never a new attempt."""
    chain = Chain().instructed()
    pay = chain.last("PAY")
    assert chain.cut(day(31) + w.SLA) == []
    assert chain.cut(day(31) + w.SLA + 1) == [26]
    assert chain.state() == "IN_DOUBT"
    assert chain.cut(day(31) + 2 * w.SLA + 2) == [46]
    query = chain.last("QUERY")
    assert query.query_no == 2
    chain.answer(query, "NOT_FOUND")
    assert chain.state() == "INSTRUCTED"
    assert chain.pays() == [pay, pay]


def test_contrary_evidence_after_the_instruction_recalls():
    """A hold after INSTRUCTED asks for the money back; CNCL voids and releases."""
    chain = Chain().instructed()
    chain.facts((w.customs("hold_placed", day(32)), day(32)))
    assert chain.cut(day(33)) == [28]
    recall = chain.last("RECALL")
    assert (chain.state(), recall.recall_no) == ("CANCEL_PENDING", 1)
    chain.answer(recall, "CNCL")
    assert chain.state() == "VOIDED"
    assert chain.last("RELEASE") is not None


def test_a_refused_recall_is_not_repeated_but_an_unknown_payment_is_recalled_again():
    """RJCR asks; NOT_FOUND after that sends another RECALL, never the PAY."""
    chain = Chain().instructed()
    chain.facts((w.customs("release_revoked", day(32)), day(32)))
    chain.cut(day(33))
    chain.answer(chain.last("RECALL"), "RJCR")
    assert chain.state() == "IN_DOUBT"
    assert chain.cut(day(34)) == []
    chain.answer(chain.last("QUERY"), "NOT_FOUND")
    assert chain.state() == "CANCEL_PENDING"
    assert chain.last("RECALL").recall_no == 2
    assert len(chain.pays()) == 1


def test_contrary_evidence_after_the_payment_is_a_claim_and_freezes_the_others():
    """Money is final: the paid claim stays, a claim is recorded once, the other claim is held."""
    chain = Chain(w.contract_terms((w.claim_terms(1), w.claim_terms(2))))
    chain.agree()
    chain.reserved(1)
    chain.reserved(0)
    chain.facts(*w.proofs(1))
    chain.cut(day(31))
    chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1")
    chain.facts(*w.proofs(2, at=31), (w.customs("hold_placed", day(32)), day(32)))
    assert chain.cut(day(33)) == [32, 12]
    assert [chain.state(0), chain.state(1)] == ["SETTLED", "HELD"]
    assert [a.code for a in chain.alarms].count("CLAIM_RECORD") == 1
    assert chain.cut(day(34)) == []


def test_a_frozen_claim_that_was_not_funded_yet_is_held_once_it_is():
    """The freeze is noted on CREATED and takes effect by row 12 after the hold is confirmed."""
    chain = Chain(w.contract_terms((w.claim_terms(1), w.claim_terms(2))))
    chain.agree()
    chain.reserved(0)
    chain.facts(*w.proofs(1, at=10))
    chain.cut(day(11))
    chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1")
    chain.facts((w.customs("hold_placed", day(12)), day(12)))
    assert chain.cut(day(13)) == [32, 54]
    chain.reserved(1)
    assert chain.cut(day(14)) == [12]
    assert chain.state(1) == "HELD"


def test_a_review_releases_only_what_it_has_seen():
    """Wrong evidence hash or the raiser's own hand: refused; the right one clears the named ids."""
    chain = Chain().reserved()
    chain.facts(*w.proofs())
    chain.review("HOLD", reviewer="hal")
    assert chain.state() == "HELD"
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    seen = {"evidence_hash": told.evidence_hash, "cleared_ids": told.adverse_ids}
    assert told.adverse_ids == ("desk/review-2",)
    chain.cut(day(31))
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    seen["evidence_hash"] = told.evidence_hash
    assert chain.review("RELEASE", evidence_hash="other").verdict == "ILLEGAL"
    assert chain.review("RELEASE", reviewer="hal", **seen).verdict == "ILLEGAL"
    assert chain.state() == "HELD"
    chain.review("RELEASE", **seen)
    assert chain.state() == "MATCHED"
    assert chain.cut(day(32)) == [11, 21]


def test_an_adverse_fact_after_the_review_voids_it():
    """What was cleared is cleared by name: a new conflict holds the claim again."""
    chain = Chain().reserved()
    chain.facts(*w.proofs(), (w.customs("hold_placed", day(29), hold_id="X"), day(29)))
    chain.facts((w.customs("hold_placed", day(29), hold_id="Y"), day(29)))
    assert chain.cut(day(31)) == [12]
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    chain.review("RELEASE", evidence_hash=told.evidence_hash, cleared_ids=told.adverse_ids)
    assert chain.state() == "MATCHED"
    chain.facts((w.received(day(30, 2_000_000), qty=39), day(31)))
    assert chain.cut(day(32)) == [12]


def test_a_mutual_cancel_needs_both_parties_and_two_persons():
    """One half waits; the same person cannot be the other; then unpaid claims are voided."""
    chain = Chain(w.contract_terms((w.claim_terms(1), w.claim_terms(2))))
    chain.agree()
    chain.reserved(1)
    chain.instructed(0)
    assert chain.review("CANCEL", role="BUYER", reviewer="bo").verdict == "NOTED"
    assert chain.review("CANCEL", role="SELLER", reviewer="bo").verdict == "ILLEGAL"
    assert chain.review("CANCEL", role="OPERATOR", reviewer="op").verdict == "ILLEGAL"
    assert chain.book.contract_state == "ACTIVE"
    outcome = chain.review("CANCEL", role="SELLER", reviewer="sue")
    assert [t.row for t in outcome.transitions] == [28, 34]
    assert [chain.state(0), chain.state(1)] == ["CANCEL_PENDING", "VOIDED"]
    assert chain.book.contract_state == "TERMINATED"
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")
    assert chain.state(0) == "VOIDED"


def test_a_return_takes_the_payment_back():
    """Part of it leaves the claim paid, the rest makes it RETURNED; the mirror follows."""
    chain = Chain().instructed()
    pay = chain.last("PAY")
    chain.answer(pay, "ACSC")
    money = {"currency": "USD"}
    chain.answer(pay, "RETURNED", return_id="R1", amount_minor=30_000, **money)
    assert (chain.state(), chain.claim().accounts.seller) == ("SETTLED", 70_000)
    too_much = chain.answer(pay, "RETURNED", return_id="R9", amount_minor=70_001, **money)
    assert too_much.verdict == "ILLEGAL"
    chain.answer(pay, "RETURNED", return_id="R2", amount_minor=70_000, **money)
    assert (chain.state(), chain.claim().accounts.seller) == ("RETURNED", 0)


def test_a_return_before_its_booking_is_no_second_payment():
    """Row 47 accounts for both; the booking that comes late is stale, and known from then on."""
    chain = Chain().instructed()
    pay = chain.last("PAY")
    chain.answer(pay, "RETURNED", return_id="R1", amount_minor=100_000, currency="USD")
    assert chain.state() == "RETURNED"
    assert chain.answer(pay, "BOOKED", entry_id="E1").verdict == "STALE"
    assert list(chain.claim().bookings) == ["E1"]
    assert chain.claim().accounts.seller == 0


def test_the_entry_of_a_status_is_the_same_booking():
    """ACSC without an entry id and the entry that follows are one booking, in either order."""
    chain, other = Chain().instructed(), Chain().instructed()
    chain.answer(chain.last("PAY"), "ACSC")
    assert chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1").verdict == "STALE"
    other.answer(other.last("PAY"), "BOOKED", entry_id="E1")
    assert other.answer(other.last("PAY"), "ACSC").verdict == "STALE"
    assert settlement.canonical(chain.book) == settlement.canonical(other.book)


def test_another_amount_stops_everything():
    """Row 50: IN_DOUBT; no retry, recall or refund moves it, queries go on."""
    chain = Chain().instructed()
    pay = chain.last("PAY")
    chain.answer(pay, "BOOKED", entry_id="E1", amount_minor=99_999)
    assert chain.state() == "IN_DOUBT"
    chain.facts((w.customs("hold_placed", day(32)), day(32)))
    assert chain.cut(day(33)) == []
    assert chain.answer(pay, "RJCT", rail_reason="AM04").verdict == "ILLEGAL"
    assert chain.cut(day(60)) == [46]
    assert chain.state() == "IN_DOUBT"


def test_a_payment_of_an_ended_claim_is_mirrored_and_alarmed():
    """Row 49: the seller has what was booked less what was returned, in either order."""
    for order in (("BOOKED", "RETURNED"), ("RETURNED", "BOOKED")):
        chain = Chain().instructed()
        pay = chain.last("PAY")
        chain.answer(pay, "RJCT", rail_reason="AC04")
        chain.review("REJECT")
        assert chain.state() == "VOIDED"
        for status in order:
            ids = {"entry_id": "E1"} if status == "BOOKED" else {"return_id": "R1"}
            amount = 100_000 if status == "BOOKED" else 40_000
            chain.answer(pay, status, amount_minor=amount, currency="USD", **ids)
        assert chain.state() == "VOIDED"
        assert chain.claim().accounts.seller == 60_000
        assert {"RECON_BREAK", "CLAIM_RECORD"} <= {alarm.code for alarm in chain.alarms}


def test_a_booking_that_nobody_ordered_is_taken_as_paid():
    """Row 48: a booking of a rejected attempt settles the claim, out of the reservation."""
    chain = Chain().instructed()
    pay = chain.last("PAY")
    chain.answer(pay, "RJCT", rail_reason="AC04")
    chain.answer(pay, "BOOKED", entry_id="E1")
    assert chain.state() == "SETTLED"
    assert chain.claim().accounts.seller == 100_000
    assert "RECON_BREAK" in {alarm.code for alarm in chain.alarms}
    assert len(chain.pays()) == 1


def test_a_second_booking_is_an_overpayment():
    """Row 53: the claim stays paid, the mirror shows twice the amount, a claim is recorded."""
    chain = Chain().instructed()
    pay = chain.last("PAY")
    chain.answer(pay, "BOOKED", entry_id="E1")
    chain.answer(pay, "BOOKED", entry_id="E2")
    assert chain.state() == "SETTLED"
    assert chain.claim().accounts.seller == 200_000
    assert "CLAIM_RECORD" in {alarm.code for alarm in chain.alarms}


def test_unfunded_claims_expire_after_the_funding_deadline():
    """At the deadline itself they still wait; one tick later they expire and release."""
    chain = Chain()
    chain.agree()
    assert chain.cut(day(28)) == []
    assert chain.cut(day(28) + 1) == [4]
    late = chain.answer(chain.last("RESERVE"), "CONFIRMED", hold_expires=day(300))
    assert [t.row for t in late.transitions] == [39]
    assert chain.state() == "EXPIRED"


@pytest.mark.parametrize(
    "hold",
    [
        {"amount_minor": 99_999},
        {"currency": "EUR"},
        {"hold_expires": day(90)},
        {"amount_minor": None},
    ],
    ids=str,
)
def test_an_insufficient_hold_reserves_nothing(hold):
    """Too little, another currency, over at the close: it is released and another is asked for."""
    chain = Chain()
    chain.agree()
    fields = {"hold_expires": day(300), **hold}
    outcome = chain.answer(chain.last("RESERVE"), "CONFIRMED", **fields)
    assert [(t.row, t.to_state) for t in outcome.transitions] == [(38, "CREATED")]
    assert [(o.kind, o.hold_no) for o in chain.sent[1:]] == [("RELEASE", 1), ("RESERVE", 2)]
    assert chain.claim().accounts.reserved == 0


def test_a_hold_of_another_number_reserves_nothing():
    """Only the hold that was asked for counts."""
    chain = Chain()
    chain.agree()
    fields = {"hold_expires": day(300), "hold_no": 2}
    assert chain.answer(chain.last("RESERVE"), "CONFIRMED", **fields).verdict == "ILLEGAL"
    assert chain.state() == "CREATED"


def test_a_claim_without_its_proofs_expires_after_the_close():
    """FALSE is declared at the first cut later than the close, never at it."""
    chain = Chain().reserved()
    assert chain.cut(day(90)) == []
    assert chain.cut(day(90) + 1) == [8]
    assert chain.claim().accounts.reserved == 0


def test_a_withdrawn_proof_after_the_close_is_for_people():
    """Row 9: a retracted proof may be revived, so the claim is held; the long stop ends it."""
    chain = Chain().reserved()
    release, received = w.proofs()[1:]
    retraction = w.with_(
        release[0], event_id="undo", revision=2, correction_action="RETRACT",
        correction_source="customs", correction_event_id=release[0].event_id,
    )  # fmt: skip
    chain.facts(w.proofs()[0], release, received, (retraction, day(31)))
    assert chain.cut(day(40)) == []
    assert chain.cut(day(91)) == [9]
    assert (chain.state(), chain.claim().origin) == ("HELD", "REVIVABLE")
    assert chain.cut(day(270)) == []
    assert chain.cut(day(270) + 1) == [34]


def test_a_silent_release_is_sent_again():
    """Row 42: the identical RELEASE after the SLA, and when it failed, until it is answered."""
    chain = Chain()
    chain.agree()
    chain.cut(day(29))
    release = chain.last("RELEASE")
    assert chain.cut(day(29) + w.SLA + 1) == [42]
    assert chain.sent.count(release) == 2
    chain.answer(release, "FAILED")
    assert chain.sent.count(release) == 3
    chain.answer(release, "RELEASED")
    assert chain.cut(day(200)) == []
    assert settlement.due(chain.book) is None
    assert chain.answer(release, "RELEASED").verdict == "STALE"


def test_due_names_the_moments_at_which_time_alone_can_act():
    """After a quiet cut: funding, close, SLA; NEXT after every input; never once all is over."""
    chain = Chain()
    assert settlement.due(chain.book) is None
    chain.agree()
    assert settlement.due(chain.book) == "NEXT"
    chain.cut(day(1))
    assert settlement.due(chain.book) == day(28) + 1
    chain.reserved()
    assert settlement.due(chain.book) == "NEXT"
    chain.cut(day(2))
    assert settlement.due(chain.book) == day(90) + 1
    chain.facts(*((fact, day(29)) for fact, _ in w.proofs(at=30)))
    chain.cut(day(29))
    assert settlement.due(chain.book) == day(30)
    chain.cut(day(31))
    assert settlement.due(chain.book) == "NEXT"
    chain.cut(day(32))
    assert settlement.due(chain.book) == day(31) + w.SLA + 1


def test_instructions_are_numbered_without_gaps():
    """Per settlement 1, 2, 3...; a repeat carries its own old number and id."""
    chain = Chain().instructed()
    chain.cut(day(60))
    chain.answer(chain.last("QUERY"), "NOT_FOUND")
    assert [order.instruction_no for order in chain.sent] == [1, 2, 3, 2]
    assert len({order.instruction_id for order in chain.sent}) == 3
    assert all(len(order.instruction_id) <= 35 for order in chain.sent)


def test_a_restore_refuses_a_record_that_does_not_fit():
    """A DECISION out of order, with another state or other postings: the journal is not this
    chain's."""
    chain = Chain().reserved()
    good = next(entry for entry in chain.journal if entry[0] == "DECISION" and entry[1].row == 2)
    with pytest.raises(FatalError):
        settlement.apply(chain.book, good[1], good[2])
    chain.journal.remove(good)
    start = chain.restored()
    for change in ({"from_state": "HELD"}, {"contract_seq": 9}, {"postings": ()}, {"row": 7}):
        with pytest.raises(FatalError):
            settlement.apply(start, msgspec.structs.replace(good[1], **change), good[2])
    assert settlement.apply(start, good[1], good[2]).claims == chain.book.claims


def test_the_explanation_names_what_is_missing():
    """`explain` says in words which release and which quantity a claim waits for."""
    chain = Chain().reserved()
    chain.facts(w.proofs()[0], (w.received(day(30), qty=30), day(30)))
    told = settlement.explain(chain.book, chain.twin, day(31))[0]
    assert told.waits_for == (
        "customs release of ASN-1 (D1 is FILED); "
        "40 of line L1 to be in the buyer's warehouse by 2025-03-02 (received 30 of 40)"
    )
    assert msgspec.json.encode(told)
    assert settlement.explain(Book(), chain.twin, 0) == ()


def test_the_canonical_state_has_nothing_of_the_history():
    """Two chains that came to one end by different ways have one canonical state."""
    straight = Chain().instructed()
    straight.answer(straight.last("PAY"), "BOOKED", entry_id="E1")
    winding = Chain().instructed()
    winding.answer(winding.last("PAY"), "RJCT", rail_reason="AM04")
    winding.cut(day(50))
    winding.cut(day(70))
    winding.answer(winding.last("QUERY"), "ACSP")
    winding.answer(winding.last("PAY"), "BOOKED", entry_id="E1")
    assert settlement.canonical(straight.book) == settlement.canonical(winding.book)
    assert settlement.canonical(straight.book)[straight.ids[0]] == {
        "state": "SETTLED", "amount_minor": 100_000, "currency": "USD", "basis": "CONDITION",
        "bookings": [["E1", 100_000, "USD"]], "returns": [], "terms_version": 1,
    }  # fmt: skip


def test_a_chain_without_a_contract_is_not_cut_again_and_again():
    """A stray receipt is an input like any other: after one cut nothing is due."""
    other = Chain()
    other.agree()
    chain = Chain()
    chain.answer(other.last("RESERVE"), "CONFIRMED")
    assert settlement.due(chain.book) == "NEXT"
    assert chain.cut(day(1)) == []
    assert settlement.due(chain.book) is None


def test_a_review_that_clears_a_refused_record_lets_the_deadline_go_on():
    """Released past the record that held it, a claim has its deadline plus the time lost: an act
    on the record itself, later, finds nothing that stands, and the deadline where it was."""
    chain = Chain().reserved()
    place = "supply.customs/0/7"
    every = {"contract_id": "*", "settlement_id": "*"}
    chain.now = day(10)
    chain.review("QUARANTINE", source=QUARANTINE_DESK, input_id=place, reviewer="", **every)
    assert chain.claim().origin == "QUARANTINED"
    chain.now = day(13)
    promise = chain.book.promises[chain.ids[0]]
    seen = evaluate(chain.terms, promise, chain.twin, chain.now).evidence_hash
    cleared = (f"{QUARANTINE_DESK}/{place}",)
    chain.review("RELEASE", evidence_hash=seen, cleared_ids=cleared)
    in_force = chain.book.promises[chain.ids[0]].deadline
    chain.now = day(20)
    chain.review("DROP_RECORD", source="supplytwin:operator", cleared_ids=cleared, **every)
    assert chain.state() == "RESERVED"
    assert in_force == chain.book.promises[chain.ids[0]].deadline == day(63)
    assert w.history(chain.restored()) == w.history(chain.book)
