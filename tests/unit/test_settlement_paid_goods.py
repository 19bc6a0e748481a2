"""What claims of a line that were decided before leave for the others: after an amendment of the
line, an award, a void; by which measure they count, and when time alone changes that.
"""

from decimal import Decimal
from typing import Any

import pytest
from goods_world import Till, claim, contract, day, rest, tranche
from hypothesis import given, settings
from hypothesis import strategies as st
from immutables import Map
from msgspec.structs import replace

from supplytwin.processors import settlement_cut
from supplytwin.processors.fixing import Fixing
from supplytwin.processors.settlement_apply import apply, enact
from supplytwin.processors.settlement_memory import Memory
from supplytwin.processors.settlement_state import Assented, Booking
from supplytwin.processors.settlement_table import CUT, row_of
from supplytwin.processors.settlement_versions import amendment_refused
from supplytwin.schemas import terms_read
from supplytwin.schemas.contract import encode, terms_hash

RECEIVED = {"quantity": {"line": "1", "measure": "RECEIVED", "op": ">=", "value": "1"}}
ACCEPTED = {"quantity": {"line": "1", "measure": "ACCEPTED", "op": ">=", "value": "1"}}


def accept(till: Till, id: str, qty: Any, on: float, of: str | None = None, **more: Any) -> None:
    """The buyer accepts so much of the line, or of a consignment of it, or of a lot."""
    refs = () if of is None else (f"CONSIGNMENT:{of}",)
    refs += tuple(f"LOT:{one}" for one in [more.pop("lot", None)] if one)
    till.tell("order.accepted", "ORDER_LINE:1", id, on, source="erp-buyer", line_ids=("1",),
              accepted_qty=Decimal(qty), rejected_qty=Decimal(0), refs=refs, **more)  # fmt: skip


def capped(name: str, *claims: Any, **changes: Any) -> dict[str, Any]:
    """A tranche that may pay what its claims hold together."""
    made = tranche(name, *claims, **changes)
    made["amount"]["cap_minor"] = sum(one["max_minor"] for one in claims)
    return made


def of(name: str, consignment: str, most: int = 50_000) -> dict[str, Any]:
    """A claim of one consignment."""
    return claim(name, consignment_id=consignment, max_minor=most)


# ---- the line is amended


def recounted() -> Till:
    """Ten were accepted and paid as EA; the line is stated in C62 now. The report has no unit."""
    till = Till(contract(tranche("T1", claim("A"), condition=ACCEPTED), unit="EA"))
    accept(till, "a1", 10, 5)
    assert till.fix("A", 6) == 3330
    till.amend(contract(tranche("T1", claim("B"), condition=ACCEPTED), version=2, unit="C62"))
    return till


def test_goods_of_a_unit_that_the_amended_line_cannot_be_read_in_are_refused() -> None:
    """What was paid for cannot be told in the new unit: nothing is paid, and it is said why."""
    till = recounted()
    seen = till.look("B", 8)
    assert (seen.value, seen.due_minor) == ("UNKNOWN", 0)
    assert "'EA' is not 'C62'" in till.amount("B", 8).why
    assert till.cut(8) == []


def test_the_rest_of_a_line_in_another_unit_is_not_known() -> None:
    """A residual over it pays nothing, nor does a share in another tranche."""
    share = tranche("T1", claim("A"), bp=6000, condition=ACCEPTED)
    till = Till(contract(share, rest("T1"), unit="EA"))
    accept(till, "a1", 10, 5)
    till.fix("A", 6)
    other = tranche("T2", claim("B"), bp=4000, condition=ACCEPTED)
    till.amend(contract(other, rest("T2"), version=2, unit="C62"))
    assert not till.look("B", 8).due_minor
    till.change("B", state="CLOSED")
    assert (till.look("rest", 110).value, till.look("rest", 110).due_minor) == ("UNKNOWN", 0)


@pytest.mark.parametrize(("unit", "says"), [("TNE", None), ("EA", "line 1"), ("LTR", "line 1")])
def test_an_amendment_states_a_line_in_a_unit_that_converts(unit: str, says: str | None) -> None:
    """Else nobody could say what was paid of it already."""
    first = tranche("T1", claim("A"))
    before = contract(first, unit="KGM")
    after = replace(contract(first, unit=unit, version=2), amends=terms_hash(encode(before)))
    refused = amendment_refused(Till(before).book, terms_read.of_contract(after))
    assert (refused is None) == (says is None)
    assert (says or "") in (refused or "")


@pytest.mark.parametrize(("price", "second"), [("10", 40_000), ("12", 48_000), ("20", 80_000)])
def test_what_was_paid_at_a_lower_price_takes_no_more_of_the_cap_than_it_claimed(
    price: str, second: int
) -> None:
    """50 at 10.00 and 40 at the price of now are the sum of the holds."""
    line = {"unit_price": "10", "qty": "90"}
    till = Till(contract(capped("T1", of("A", "K1"), of("B", "K2", 40_000)), **line))
    till.receive("r1", 50, 5, "L1", "CONSIGNMENT:K1")
    assert till.fix("A", 6) == 50_000
    line |= {"unit_price": price}
    till.amend(contract(capped("T1", of("A", "K1"), of("B", "K2", second)), version=2, **line))
    till.receive("r2", 40, 9, "L2", "CONSIGNMENT:K2")
    assert till.look("B", 10).due_minor == second


@pytest.mark.parametrize(("unit", "line"), [
    ("KGM", {"qty": "1000", "unit": "KGM", "unit_price": "1"}),
    ("TNE", {"qty": "1", "unit": "TNE", "unit_price": "1000"}),
])  # fmt: skip
def test_what_was_accepted_is_read_in_the_unit_of_the_amended_line(
    unit: str, line: dict[str, Any]
) -> None:
    """1,000 kg were accepted: of half a tonne more than was ordered nobody has said anything."""
    first = tranche("T1", of("A", "K1", 10**9), of("B", "K2", 10**9))
    till = Till(contract(first, qty="1000", unit="KGM", unit_price="1"))
    till.receive("r1", 1000, 5, "L1", "CONSIGNMENT:K1", uom="KGM")
    accept(till, "a1", 1000, 5, "K1")
    assert till.fix("A", 6) == 100_000
    till.amend(contract(first, version=2, **line))
    till.receive("r2", 500, 9, "L2", "CONSIGNMENT:K2", uom="KGM")
    assert till.look("B", 10).due_minor == 0
    accept(till, "a2", 500, 11, "K2")
    assert till.look("B", 12).due_minor == 50_000, unit


# ---- what is left over


def test_an_award_is_of_all_goods_also_of_those_beyond_the_order() -> None:
    """The arbiters have said what is owed for them: the rest pays nothing on top."""
    till = Till(contract(tranche("T1", claim("A")), rest("T1"), unit_price="10", qty="100"))
    till.receive("r1", 110, 5)
    accept(till, "a1", 110, 5)
    till.change("A", state="SETTLED", basis="AWARD", due_minor=60_000)
    assert till.look("rest", 110).due_minor == 0


def test_an_award_is_of_all_goods_also_of_those_beyond_its_hold() -> None:
    """60 came where 50 were held, and 300.00 were awarded for them."""
    first = capped("T1", of("A", "K1"), of("B", "K2"))
    till = Till(contract(first, rest("T1"), unit_price="10", qty="100"))
    till.receive("r1", 60, 5, "L1", "CONSIGNMENT:K1")
    till.receive("r2", 40, 5, "L2", "CONSIGNMENT:K2")
    assert till.fix("B", 6) == 40_000
    till.change("A", state="SETTLED", basis="AWARD", due_minor=30_000)
    assert till.look("rest", 110).due_minor == 0


@pytest.mark.parametrize("state", ["VOIDED", "EXPIRED"])
@pytest.mark.parametrize(("came", "gross"), [(50, None), (60, None), (60, 50_000)])
def test_goods_of_a_claim_that_ended_unpaid_are_not_left_over(
    state: str, came: int, gross: int | None
) -> None:
    """Nor what came of them beyond its hold, which is the cap of its tranche; also where the claim
    was matched before.
    """
    first, second = capped("T1", of("A", "K1")), capped("T2", of("B", "K2"))
    till = Till(contract(first, second, rest("T1", "T2"), unit_price="10", qty="100"))
    till.receive("r1", came, 5, "L1", "CONSIGNMENT:K1")
    till.receive("r2", 40, 5, "L2", "CONSIGNMENT:K2")
    assert till.fix("B", 6) == 40_000
    till.change("A", state=state, gross_minor=gross)
    till.amend(contract(second, rest("T2"), unit_price="10", qty="100", version=2))
    seen = till.look("rest", 110)
    assert (seen.value, seen.due_minor) == ("TRUE", 0)


AFTER = {"time": {"not_before": {"anchor": "TRANCHE:T1", "plus": "P100D"}}}


def listed_again(
    basis: str = "CONDITION", bp: int = 9000, condition: Any = None, **ended: Any
) -> Till:
    """The first of two consignments was not paid, and is listed again under another id; what else
    an amendment leaves to the rest depends on `bp`.
    """
    left = rest("T1")
    left["condition"] = condition or left["condition"]
    first = tranche("T1", of("A", "K1"), of("B", "K2"), bp=9000)
    till = Till(contract(first, left, unit_price="10", qty="100"))
    till.receive("r1", 50, 5, "L1", "CONSIGNMENT:K1")
    till.receive("r2", 50, 5, "L2", "CONSIGNMENT:K2")
    assert till.fix("B", 6) == 45_000
    till.change("A", basis=basis, **ended)
    second = tranche("T1", of("A2", "K1"), of("B", "K2"), bp=bp)
    till.amend(contract(second, left, unit_price="10", qty="100", version=2))
    return till


@pytest.mark.parametrize("gross", [None, 45_000])
@pytest.mark.parametrize("state", ["VOIDED", "EXPIRED"])
def test_what_is_listed_again_is_counted_instead(state: str, gross: int | None) -> None:
    """Also where it had been approved, and recalled: what was never paid takes nothing from the
    claim in its place, nor from the rest.
    """
    till = listed_again(state=state, gross_minor=gross)
    assert till.fix("A2", 8) == 45_000
    seen = till.look("rest", 110)
    assert (seen.value, seen.due_minor) == ("TRUE", 10_000)


@pytest.mark.parametrize("changes", [
    {"state": "VOIDED", "basis": "AWARD", "due_minor": 10_000},
    {"state": "VOIDED", "bookings": Map({"e": Booking(attempt=1, amount_minor=1, currency="CNY")})},
    {"state": "VOIDED", "returns": Map({"e": 1})},
    {"state": "RETURNED", "gross_minor": 45_000, "due_minor": 45_000},
    {"state": "EXPIRED", "bp": 8000},
])  # fmt: skip
def test_what_more_than_a_time_has_ended_is_not_left_over(changes: dict[str, Any]) -> None:
    """An award, money at the bank, money that came back, and a part of the price that the
    amendment leaves to the rest: it is for people, as without the other claim.
    """
    till = listed_again(**changes)
    till.fix("A2", 8)
    assert till.look("rest", 110).due_minor in (0, None)


def test_a_time_after_a_tranche_runs_from_the_claim_that_was_paid_instead() -> None:
    """The claim that expired will never be settled."""
    till = listed_again(state="EXPIRED", condition=AFTER)
    till.change("B", settled_at=day(6))
    till.fix("A2", 8)
    till.change("A2", settled_at=day(8))
    assert [till.look("rest", on).value for on in (107, 109)] == ["UNKNOWN", "TRUE"]


def test_an_award_for_a_part_of_a_lot_is_of_that_part() -> None:
    """Alone it would be a lot that is short; with the other part, which was paid, it is whole."""
    lots = {"tolerance": {"basis": "LOT", "minus_bp": 500}, "lots": [{"lot": "1", "qty": "100"}]}
    claims = claim("A", consignment_id="K1"), claim("B", consignment_id="K2")
    till = Till(contract(tranche("T1", *claims), rest("T1"), unit_price="10", **lots))
    till.receive("r1", 40, 5, "1", "CONSIGNMENT:K1")
    till.receive("r2", 60, 5, "1", "CONSIGNMENT:K2")
    assert till.fix("B", 6) == 60_000
    till.change("A", state="SETTLED", basis="AWARD", due_minor=10_000)
    seen = till.look("rest", 110)
    assert (seen.value, seen.due_minor) == ("TRUE", 0)


# ---- when time alone changes it


def cuts(
    till: Till, seen: float, days: list[float], *, forget: bool
) -> list[tuple[str, list[str]]]:
    """What cuts come to over what is known on a day, with what the last one found or without."""
    known, told = till.twin(seen), list[tuple[str, list[str]]]()
    till.twin = lambda on: known  # type: ignore[method-assign]
    for on in days:
        if forget:
            till.book = replace(till.book, memory=Memory())
        moved = till.cut(on)
        told.append((till.claim("B").state, moved))
    return told


def ahead() -> Till:
    """Ten more than was ordered came; on day 10.5 it was told that they are accepted on day 12."""
    till = Till(contract(tranche("T1", claim("A", consignment_id="K1"),
                                 claim("B", consignment_id="K2"))))  # fmt: skip
    till.receive("r1", 100, 5, "L1", "CONSIGNMENT:K1")
    accept(till, "a1", 100, 5, "K1")
    assert till.fix("A", 6)
    till.change("A", fixing=Fixing(at=day(6)), settled_at=day(6))
    till.receive("r2", 10, 9, "L2", "CONSIGNMENT:K2")
    accept(till, "a2", 10, 12, "K2", arrives=10.5)
    return till


def test_an_acceptance_that_is_ahead_is_waited_for() -> None:
    """The cut looks again when it begins to count, also with what the last one has found."""
    seen = ahead().look("B", 10.6)
    assert seen.due_minor == 0
    assert seen.wakes_at is not None
    assert seen.wakes_at <= day(12.5)
    days = [10.6, 11, 12.5, 14, 20, 60]
    live = cuts(ahead(), 10.6, days, forget=False)
    assert live == cuts(ahead(), 10.6, days, forget=True)
    assert live[2] == ("APPROVED", ["MATCHED", "APPROVED"])


def switching() -> Till:
    """Until ten days after the receipt a claim without a payment may be TRUE by what was accepted;
    lots make the claims of one tranche look at each other's goods.
    """
    until = {"time": {"not_after": {"anchor": "MILESTONE:RECEIVED", "plus": "P10D"}}}
    either = {"any": [RECEIVED, {"all": [ACCEPTED, until]}]}
    lots = {"tolerance": {"basis": "LOT", "minus_bp": 1000}, "lots": [{"lot": "L", "qty": "100"}]}
    claims = claim("A", consignment_id="K1"), claim("B", consignment_id="K2")
    till = Till(contract(tranche("T1", *claims, condition=either), **lots))
    till.receive("r1", 60, 5, "L", "CONSIGNMENT:K1")
    accept(till, "a1", 20, 5, "K1", lot="L")
    till.receive("r2", 40, 9, "L", "CONSIGNMENT:K2")
    accept(till, "a2", 40, 9, "K2", lot="L")
    till.change("A", state="EXPIRED")  # it moves no more: only its goods may
    return till


def test_another_claim_is_looked_at_again_when_its_measure_changes() -> None:
    """The lot is short by what was accepted of it, whole by what was received."""
    days = [10.0, 14, 15.5, 17, 18, 19.5, 21]
    live = cuts(switching(), 10, days, forget=False)
    assert live == cuts(switching(), 10, days, forget=True)
    assert [state for state, _ in live][1:3] == ["RESERVED", "APPROVED"]


# ---- by which measure what is decided counts


@pytest.mark.parametrize("later", ["time", "fact"])
def test_what_was_paid_counts_by_the_measure_that_it_was_paid_by(later: str) -> None:
    """100 were received and paid; another branch that becomes TRUE later, by which it would have
    been less, leaves the goods of the next claim to that one.
    """
    date = {"time": {"not_before": "2027-02-01T00:00:00+08:00"}}
    either = {"any": [RECEIVED, {"all": [ACCEPTED, date]} if later == "time" else ACCEPTED]}
    claims = claim("A", consignment_id="K1"), claim("B", consignment_id="K2")
    till = Till(contract(tranche("T1", *claims, condition=either), rest("T1"), qty="200"))
    till.receive("r1", 100, 5, "L1", "CONSIGNMENT:K1")
    if later == "time":
        accept(till, "a1", 40, 5, "K1")
    assert till.fix("A", 6) == 33_300
    if later == "fact":
        accept(till, "a1", 40, 7, "K1")
    till.receive("r2", 100, 40, "L2", "CONSIGNMENT:K2")
    accept(till, "a2", 100, 40, "K2")
    assert till.fix("B", 41) == 33_300
    assert (till.look("rest", 110).value, till.look("rest", 110).due_minor) == ("TRUE", 0)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.integers(1, 90)] * 3),
    st.lists(st.tuples(st.sampled_from(("accept", "fix")), st.integers(0, 2), st.integers(1, 90)),
             max_size=10),
)  # fmt: skip
def test_claims_in_any_order_are_paid_by_the_measures_of_their_own_time(
    received: tuple[int, ...], steps: list[tuple[str, int, int]]
) -> None:
    """At 10.00: what was received where nothing is accepted yet, else the lesser of both; whatever
    is accepted later leaves it, and only what came later by all of its measures is left over.
    """
    claims = [claim(name, consignment_id=f"K{at}") for at, name in enumerate("ABC")]
    either = {"any": [RECEIVED, ACCEPTED]}
    made = tranche("T1", *claims, condition=either), rest("T1")
    till = Till(contract(*made, qty="3000", unit_price="10"))
    for at, qty in enumerate(received):
        till.receive(f"r{at}", qty, 5, f"L{at}", f"CONSIGNMENT:K{at}")
    accepted, paid, by_receipt = [0, 0, 0], dict[int, int](), set[int]()
    for number, (kind, at, qty) in enumerate([*steps, *[("fix", each, 0) for each in range(3)]]):
        on = 6 + number
        if kind == "accept":
            accepted[at] += qty
            accept(till, f"a{number}", qty, on, f"K{at}")
        elif at not in paid:
            paid[at] = 1000 * min(received[at], accepted[at] or received[at])
            by_receipt |= set() if accepted[at] else {at}
            assert till.fix("ABC"[at], on + 0.5) == paid[at]
    both = [min(one) for one in zip(received, accepted, strict=True)]
    owed = sum(1000 * (received if at in by_receipt else both)[at] for at in paid)
    seen = till.look("rest", 110)
    assert (seen.value, seen.due_minor) == ("TRUE", owed - sum(paid.values()))


def test_a_decision_records_its_measure_and_a_restart_has_the_same() -> None:
    """The record of the match and of the approval names it; what is restored from them is alike,
    and a match that is taken back leaves none.
    """
    till = Till(contract(tranche("T1", claim("A"), condition={"any": [RECEIVED, ACCEPTED]})))
    till.receive("r1", 100, 5)
    before = till.book
    till.book, moved = settlement_cut.cut(before, till.twin(6), day(6))
    assert [(one.to_state, one.measure) for one in moved] == [
        ("MATCHED", "RECEIVED"), ("APPROVED", "RECEIVED"),
    ]  # fmt: skip
    assert till.claim("A").measure == "RECEIVED"
    restored = before
    for one in moved:
        restored = apply(restored, one, None)
    assert restored.claims == till.book.claims
    row = row_of(12, "APPROVED", "HELD", CUT)
    assert row is not None
    held, _ = enact(restored, row, till.claim("A"), "HELD", at=day(7), evidence_ids=(),
                    verdict=None, due_minor=0, gross_minor=None, adjusted_bp=None, measure=None,
                    cause=None, twin=till.twin(7))  # fmt: skip
    assert [one.measure for one in held.claims.values()] == [None]


def test_a_payment_that_was_ordered_keeps_its_measure_while_it_is_held() -> None:
    """Booked after all, it counts as it was ordered."""
    either = {"any": [RECEIVED, ACCEPTED]}
    claims = claim("A", consignment_id="K1"), claim("B", consignment_id="K2")
    till = Till(contract(tranche("T1", *claims, condition=either), qty="200"))
    till.receive("r1", 100, 5, "L1", "CONSIGNMENT:K1")
    assert till.fix("A", 6) == 33_300
    till.change("A", gross_minor=None, due_minor=None, measure=None, ordered_gross_minor=33_300,
                ordered_measure="RECEIVED")  # fmt: skip
    accept(till, "a1", 40, 7, "K1")
    till.receive("r2", 100, 8, "L2", "CONSIGNMENT:K2")
    assert till.fix("B", 9) == 33_300


def test_a_branch_that_waits_for_an_approval_counts_for_the_measure() -> None:
    """100 were received and 40 accepted: the branch of the approval is the one that pays, the other
    cannot yet. Who approves has seen the amount, and it stays the same by his approval.
    """
    approved = {"approval": {"roles": ["INSPECTOR"], "k": 1}}
    date = {"time": {"not_before": "2027-03-01T00:00:00+08:00"}}
    either = {"any": [{"all": [RECEIVED, approved]}, {"all": [ACCEPTED, date]}]}
    till = Till(contract(tranche("T1", claim("A"), condition=either)))
    till.receive("r1", 100, 5)
    accept(till, "a1", 40, 5)
    before = till.look("A", 6)
    assert (before.value, before.due_minor) == ("UNKNOWN", 33_300)
    said = Assented(review_id="x/1", source="inspector", role="INSPECTOR", at=day(6),
                    of=before.evidence_hash)  # fmt: skip
    name = till.claim("A").settlement_id
    till.book = replace(till.book, approvals=Map({name: (said,)}))
    after = till.look("A", 7)
    assert (after.value, after.due_minor) == ("TRUE", 33_300)
    assert after.evidence_hash == before.evidence_hash
    # once both branches can be TRUE, the lesser number pays, and is to be approved anew
    assert till.look("A", 70).due_minor == 13_320


def test_a_branch_that_waits_for_an_approval_takes_nothing_from_one_that_is_true() -> None:
    """40 were received and 100 accepted, and the acceptance alone pays."""
    approved = {"approval": {"roles": ["INSPECTOR"], "k": 1}}
    either = {"any": [{"all": [RECEIVED, approved]}, ACCEPTED]}
    till = Till(contract(tranche("T1", claim("A"), condition=either)))
    till.receive("r1", 40, 5)
    accept(till, "a1", 100, 5)
    assert (till.look("A", 6).value, till.look("A", 6).due_minor) == ("TRUE", 33_300)
