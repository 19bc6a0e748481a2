"""What one claim of a contract pays beside others: each is counted once, in the order of the terms,
by the terms that it is under; what was approved or decided by people stands.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import contract_world
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from settlement_full_world import LINE, FullWorld, day
from test_settlement_full_review import amend, arrived, is_sound, later

from supplytwin.processors import contract_check
from supplytwin.processors.settlement_judged import Judged, judged
from supplytwin.processors.settlement_state import Accounts
from supplytwin.schemas.contract import ContractTerms
from supplytwin.schemas.contract_read import read

FIRST, SECOND, REST = 0, 1, 2
Changes = Mapping[str, Any]


@pytest.fixture(autouse=True)
def free_conditions(monkeypatch: pytest.MonkeyPatch) -> None:
    """These terms are of no template."""
    sense = contract_check.sense

    def permitted(terms: ContractTerms, **_: bool) -> Any:
        return sense(terms, free_conditions=True)

    monkeypatch.setattr(contract_check, "sense", permitted)


def claim(name: str, consignment: str | None, most: int) -> dict[str, Any]:
    lines = [] if consignment is None else ["1"]
    return {"claim_id": name, "consignment_id": consignment, "lot": None, "lines": lines,
            "max_minor": most}  # fmt: skip


def units(bp: int, cap_minor: int) -> dict[str, Any]:
    return {"rule": "PER_UNIT", "line": "1", "lot": None, "cap_minor": cap_minor, "bp": bp}


def measured(measure: str) -> dict[str, Any]:
    return {"quantity": {"line": "1", "measure": measure, "op": ">=", "value": "1"}}


def pieces(tranches: Mapping[str, Changes] | None = None, **changes: Any) -> ContractTerms:
    """120 pieces at 10.00: nine tenths for each of two consignments, the tenth when they are paid.
    `tranches`: what is otherwise in one of them, or another one.
    """
    made = json.loads(
        json.dumps(contract_world.free()).replace("2026-", "2025-").replace("2027-", "2026-")
    )
    share, arrival, rest = made["tranches"]
    plain = arrival | {"challenge": None, "adjustments": share["adjustments"]}
    found = {
        "T1": plain | {
            "tranche_id": "T1", "amount": units(9_000, 108_000), "condition": measured("RECEIVED"),
            "claims": [claim("K1", "ASN-1", 72_000), claim("K2", "ASN-2", 36_000)],
        },
        "T2": rest | {
            "tranche_id": "T2", "amount": {"rule": "RESIDUAL", "of": ["T1"]},
            "condition": {"time": {"not_before": "2026-03-20T00:00:00+08:00"}},
            "claims": [claim("rest", None, 12_000)],
        },
    }  # fmt: skip
    for name, fields in (tranches or {}).items():
        found[name] = found.get(name, plain | {"tranche_id": name}) | fields
    made |= {
        "cap_minor": 120_000, "total_minor": 120_000,
        "tranches": [found[name] for name in sorted(found)],
        "lines": [made["lines"][0] | {"qty": "120", "unit_price": "10"}],
    }  # fmt: skip
    read_ = read(json.dumps(made | changes).encode())
    assert read_.value is not None, read_.findings
    return read_.value


def funded(terms: ContractTerms | None = None) -> FullWorld:
    """Every claim has its hold."""
    world = FullWorld(pieces() if terms is None else terms)
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    return world


def receive(world: FullWorld, consignment: int, qty: int, on: float, **fields: Any) -> None:
    """In the warehouse of the buyer, each consignment a lot of its own."""
    world.fact("wh.received", f"LOT:L{consignment}", f"received {consignment}", on, "wms-jafza",
               **{"lot_id": f"L{consignment}", "sku": "ROUTER-AX", "qty": Decimal(qty), "uom": "EA",
                  "facility": "JAFZA-7",
                  "refs": (f"CONSIGNMENT:ASN-{consignment}", LINE), **fields})  # fmt: skip


def accept(world: FullWorld, consignment: int, qty: int, on: float, **fields: Any) -> None:
    """The buyer accepts some of a consignment."""
    world.fact("order.accepted", LINE, f"accepted {consignment}", on, "erp-buyer",
               **{"line_ids": ("1",), "accepted_qty": Decimal(qty), "rejected_qty": Decimal(0),
                  "refs": (f"CONSIGNMENT:ASN-{consignment}",), **fields})  # fmt: skip


def delivered(*quantities: int, terms: ContractTerms | None = None) -> FullWorld:
    """Consignments that have come, one after the other, in a contract that is funded."""
    world = funded(terms)
    for number, qty in enumerate(quantities, 1):
        receive(world, number, qty, 4 + number)
    return world


def look(world: FullWorld, number: int, at: float, **changes: Changes) -> Judged:
    """The verdict on a claim, where others have changed: ``K1={"state": ...}``."""
    state = world.state(world.chain)
    book = state.book
    for name, fields in changes.items():
        one = next(each for each in book.claims.values() if each.claim_id == name)
        book = replace(book, claims=book.claims.set(one.settlement_id, replace(one, **fields)))
    return judged(book, book.claims[book.order[number]], state.twin, day(at))


def amount(found: Judged) -> str:
    return next(leaf.value for leaf in found.leaves if leaf.name == "amount")


# ---- what was approved stands


def test_the_amount_of_an_approval_is_unconditional() -> None:
    """A later count of the same goods changes nothing of what was approved."""
    world = delivered(70)
    world.tick(day(6))
    assert world.paid() == [63_000]
    receive(world, 1, 10, 5, revision=2)
    found = look(world, FIRST, 6)
    assert (found.due_minor, found.gross_minor) == (63_000, 63_000)
    assert look(world, FIRST, 6, K1={"state": "RESERVED"}).due_minor == 9_000


def test_an_approval_of_people_outlasts_the_deduction_that_it_made_known() -> None:
    """What is off for lateness is known once the condition is met, and that is met by the approval:
    the hash that was approved is the same before and after, and a payment that the rail rejected
    for now goes out again.
    """
    late = {"due": "2025-12-04", "bp_per_day": 100, "max_bp": 500}
    asks = {"all": [measured("RECEIVED"), {"approval": {"roles": ["BUYER"], "k": 1}}]}
    none = {"excursion": [], "carbon": None}
    world = delivered(
        70, terms=pieces({"T1": {"condition": asks, "adjustments": {"late": late} | none}})
    )
    world.tick(day(6))
    seen = look(world, FIRST, 6).evidence_hash
    assert world.states()[FIRST] == "RESERVED"
    world.review("APPROVE", FIRST, 6.1, role="BUYER", source="erp-buyer", evidence_hash=seen)
    world.tick(day(7))
    assert world.paid() == [63_000 * 9_800 // 10_000]
    assert look(world, FIRST, 7).evidence_hash == seen
    world.answer("PAY", "RJCT", 7.1, rail_reason="AM04")
    assert world.states()[FIRST] == "APPROVED"
    world.tick(day(7.2))
    assert world.states()[FIRST] == "INSTRUCTED"
    assert world.paid() == [61_740, 61_740]


def test_who_approves_a_payment_has_seen_its_amount() -> None:
    """Other goods of which no leaf of the condition speaks are another amount: the hash is another
    one, and what was approved before is not approved any more.
    """
    asks = {"all": [{"milestone": {"type": "IMPORT_CLEARED", "by": {"roles": ["CUSTOMS"], "k": 1}}},
                    {"approval": {"roles": ["BUYER"], "k": 1}}]}  # fmt: skip
    world = funded(pieces({"T1": {"condition": asks}}))
    accept(world, 1, 70, 5)
    world.tick(day(6))
    seen = look(world, FIRST, 6).evidence_hash
    world.review("APPROVE", FIRST, 6.1, role="BUYER", source="erp-buyer", evidence_hash=seen)
    assert _approved(look(world, FIRST, 6.2)) == "TRUE"
    accept(world, 1, 10, 5, revision=2)
    assert look(world, FIRST, 6.2).evidence_hash != seen
    assert _approved(look(world, FIRST, 6.2)) == "UNKNOWN"


def _approved(found: Judged) -> str:
    return next(leaf.value for leaf in found.leaves if leaf.name.endswith("approval"))


# ---- beside other claims


def test_consignments_are_paid_once_each_and_the_rest_with_the_last() -> None:
    """Each for its own goods; the tenth that is left over when both are paid."""
    world = delivered(70)
    world.tick(day(6))
    receive(world, 2, 40, 7)
    world.tick(day(8))
    assert world.paid() == [63_000, 36_000]
    world.answer("PAY", "ACSC", 9)
    world.tick(day(111))
    assert world.paid() == [63_000, 36_000, 11_000]


def test_goods_of_another_consignment_are_not_paid_by_this_one() -> None:
    """More was counted of the first after its approval: what that is worth is nobody's but its own,
    and the second, of which nothing has come, waits for its goods.
    """
    world = delivered(50)
    world.tick(day(6))
    receive(world, 1, 70, 5, revision=2)
    assert amount(look(world, SECOND, 7)) == "UNKNOWN"


def test_what_an_amendment_took_out_claims_nothing() -> None:
    """Its goods and its money are its successor's."""
    world = delivered(70, 40)
    gone = {"state": "SUPERSEDED", "gross_minor": 10_000}
    assert look(world, SECOND, 8, K1=gone).gross_minor == 36_000


def test_a_claim_that_never_was_paid_takes_nothing_of_the_next_one() -> None:
    """The first has expired without a match: the second is paid for its own goods."""
    world = delivered(70, 40)
    assert look(world, SECOND, 8, K1={"state": "EXPIRED"}).due_minor == 36_000


def test_goods_that_were_awarded_are_not_paid_again() -> None:
    """An arbiter has decided about the first before it was matched: its goods are taken."""
    world = delivered(70, 40)
    award = {"state": "SETTLED", "basis": "AWARD", "due_minor": 30_000}
    found = look(world, SECOND, 8, K1=award)
    assert (found.gross_minor, found.due_minor) == (36_000, 36_000)


def test_another_tranche_does_not_take_the_goods_of_this_one() -> None:
    """Half of the price on receipt, four tenths on acceptance: each counts its own claims."""
    world = delivered(70, terms=_in_two())
    accept(world, 1, 60, 6)
    world.tick(day(7))
    assert world.paid() == [35_000, 24_000]


def test_goods_of_another_tranche_are_not_paid_by_this_one() -> None:
    """Half of the price of the first consignment, four tenths of that of the second."""
    terms = _in_two()
    export, more, rest = terms.tranches
    own = replace(more.claims[0], consignment_id="ASN-2")
    world = delivered(
        70, terms=replace(terms, tranches=(export, replace(more, claims=(own,)), rest))
    )
    world.tick(day(6))
    accept(world, 2, 40, 7)
    world.tick(day(8))
    assert world.paid() == [35_000, 16_000]


def _in_two() -> ContractTerms:
    """One consignment that two tranches pay for: what was received, and what was accepted of it."""
    one = {"amount": units(5_000, 60_000), "claims": [claim("K1", "ASN-1", 60_000)]}
    more = {"amount": units(4_000, 48_000), "condition": measured("ACCEPTED"),
            "claims": [claim("K1-accepted", "ASN-1", 48_000)]}  # fmt: skip
    rest = {"amount": {"rule": "RESIDUAL", "of": ["T1", "T1-B"]}}
    return pieces({"T1": one, "T1-B": more, "T2": rest})


def test_goods_that_two_tranches_pay_for_count_once_and_as_the_smaller_number() -> None:
    """70 received and 60 accepted are 60: what is left is their price less what was paid."""
    world = delivered(70, terms=_in_two())
    accept(world, 1, 60, 6)
    world.tick(day(7))
    world.answer("PAY", "ACSC", 8)
    assert look(world, REST, 111).due_minor == 60_000 - 35_000 - 24_000


# ---- what is left over at the end


def test_an_award_leaves_what_it_denied_to_the_buyer() -> None:
    """63,000 would have been due, 30,000 were awarded: the difference is not left over."""
    world = delivered(70, 40)
    world.tick(day(8))
    world.answer("PAY", "ACSC", 9)
    assert look(world, REST, 111).due_minor == 11_000
    for gross in (63_000, None):
        award = {"basis": "AWARD", "due_minor": 30_000, "gross_minor": gross, "pay": None}
        assert look(world, REST, 111, K1=award).due_minor == 11_000


def test_a_residual_is_looked_at_when_goods_that_are_ahead_begin_to_count() -> None:
    """Of every claim that it counts, not only of its own."""
    world = delivered(70)
    world.tick(day(6))
    world.send(
        replace(
            _received_fact(world), event_id="received 2", subject_id="L2", lot_id="L2",
            refs=("CONSIGNMENT:ASN-2", LINE), event_time=day(7) + 60_000_000,
        ),
        at=day(7),
    )  # fmt: skip
    assert look(world, REST, 7).wakes_at == day(7) + 60_000_000


def _received_fact(world: FullWorld) -> Any:
    """The receipt of the first consignment once more."""
    return world.fact("wh.received", "LOT:L1", "received 1", 5, "wms-jafza", lot_id="L1",
                      sku="ROUTER-AX", qty=Decimal(70), uom="EA", facility="JAFZA-7",
                      refs=("CONSIGNMENT:ASN-1", LINE))  # fmt: skip


def test_a_claim_is_counted_by_the_terms_that_it_is_under() -> None:
    """An amendment pays for what is accepted, no longer for what is received: what was paid before
    it is counted as it was.
    """
    world = delivered(70)
    world.tick(day(6))
    world.answer("PAY", "ACSC", 6.1)
    first, rest = world.terms.tranches
    asks = pieces({"T1": {"condition": measured("ACCEPTED")}}).tranches[0].condition
    amend(world, later(world, tranches=(replace(first, condition=asks), rest)), 6.2)
    world.tick(day(6.3))
    world.answer("RESERVE", "CONFIRMED", 6.4)
    accept(world, 2, 40, 7)
    book = world.state(world.chain).book
    versions = {one.claim_id: one.version for one in book.claims.values()}
    assert versions == {"K1": 1, "K2": 2, "rest": 2}
    second = [book.claims[one].claim_id for one in book.order].index("K2")
    assert look(world, second, 8).gross_minor == 36_000


@pytest.mark.parametrize(
    ("price", "total", "paid"),
    [("10", 120_000, [63_000, 36_000, 11_000]), ("8", 96_000, [63_000, 28_800, 10_200])],
)
def test_an_amended_price_is_of_what_is_still_to_come(
    price: str, total: int, paid: list[int]
) -> None:
    """70 pieces were paid at 10.00, 40 come at what the amendment says; of each the tenth that was
    retained is left over, by its own price.
    """
    world = delivered(70)
    world.tick(day(6))
    world.answer("PAY", "ACSC", 6.1)
    line = replace(world.terms.lines[0], unit_price=Decimal(price))
    amend(world, later(world, lines=(line,), total_minor=total), 6.2)
    world.tick(day(6.3))
    world.answer("RESERVE", "CONFIRMED", 6.4)
    receive(world, 2, 40, 7)
    world.tick(day(8))
    world.answer("PAY", "ACSC", 9)
    world.tick(day(111))
    assert world.paid() == paid
    assert is_sound(world)


# ---- what the bank booked after all


def _booked_after_all(world: FullWorld) -> None:
    """Both payments rejected for now, the claims held by a person, then booked all the same."""
    world.answer("PAY", "RJCT", 7.1, rail_reason="AB05")
    for number in (FIRST, SECOND):
        world.review("HOLD", number, 7.15, role="RISK", reason="look")
    assert world.states() == ["HELD", "HELD", "RESERVED"]
    world.answer("PAY", "ACSC", 7.2)
    assert world.states() == ["SETTLED", "SETTLED", "RESERVED"]


def test_a_payment_that_was_booked_while_its_claim_was_held_is_not_left_over() -> None:
    """90 pieces at 10.00 are owed, whichever way the payments took."""
    world = delivered(70, 20)
    world.tick(day(7))
    assert world.paid() == [63_000, 18_000]
    _booked_after_all(world)
    world.tick(day(111))
    assert world.paid() == [63_000, 18_000, 9_000]
    assert is_sound(world)


def test_a_deduction_of_such_a_payment_does_not_come_back() -> None:
    """What was off when it was ordered stays off: the tenth that is left over is all there is."""
    late = {"due": "2025-12-04", "bp_per_day": 100, "max_bp": 200}
    off = {"late": late, "excursion": [], "carbon": None}
    world = delivered(70, 20, terms=pieces({"T1": {"adjustments": off}}))
    world.tick(day(7))
    assert world.paid() == [61_740, 17_640]
    _booked_after_all(world)
    assert look(world, REST, 111).due_minor == 9_000


@settings(
    deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.tuples(st.integers(1, 90), st.integers(1, 50)), st.integers(0, 6),
       st.sets(st.sampled_from((FIRST, SECOND))))  # fmt: skip
def test_the_rest_is_the_same_whichever_way_the_payments_took(
    came: tuple[int, int], late: int, held: set[int]
) -> None:
    """Booked at once, or after a rejection and while a person held it: left over is 10.00 for each
    piece that is payable, less deductions, less what was paid.
    """
    rule = {"due": f"2025-12-{7 - late:02}", "bp_per_day": 100, "max_bp": 500}
    off = {"late": rule, "excursion": [], "carbon": None}
    world = delivered(*came, terms=pieces({"T1": {"adjustments": off}}))
    world.tick(day(7))
    world.answer("PAY", "RJCT", 7.1, rail_reason="AB05")
    for number in held:
        world.review("HOLD", number, 7.15, role="RISK", reason="look")
    world.answer("PAY", "ACSC", 7.2)
    assert world.states()[:2] == ["SETTLED", "SETTLED"]
    gross = sum(min(qty, hold) * 900 for qty, hold in zip(came, (80, 40), strict=True))
    paid = sum(world.paid())
    owed = min(120, sum(came)) * 1000 - (gross - paid)
    assert look(world, REST, 111).due_minor == min(owed - paid, 12_000)


@pytest.mark.parametrize(("booked", "left"), [(63_000, 11_000), (60_000, 11_000), (65_000, 9_000)])
def test_money_that_was_booked_without_any_order_is_not_left_over(booked: int, left: int) -> None:
    """What the seller has counts, not what was reserved for him: more than was due is taken off,
    less is not made up for out of what was retained.
    """
    world = delivered(70, 40)
    world.tick(day(8))
    world.answer("PAY", "ACSC", 9)
    paid = {"pay": None, "gross_minor": None, "due_minor": None, "ordered_gross_minor": None,
            "accounts": Accounts(buyer=-booked, seller=booked)}  # fmt: skip
    assert look(world, REST, 111, K1=paid).due_minor == left


def test_goods_of_such_a_payment_are_not_paid_again_by_another_tranche() -> None:
    """Half of the price of 70 pieces was booked while it was held; then they were 30: what all
    shares of these come to is paid already.
    """
    world = delivered(70, terms=_in_two())
    world.tick(day(6))
    world.answer("PAY", "RJCT", 6.1, rail_reason="AB05")
    world.review("HOLD", FIRST, 6.15, role="RISK", reason="look")
    world.answer("PAY", "ACSC", 6.2)
    assert world.states()[FIRST] == "SETTLED"
    receive(world, 1, 30, 5, revision=2)
    accept(world, 1, 30, 7)
    assert look(world, SECOND, 8).due_minor == 0


# ---- what is told after the challenge window


def test_what_must_be_absent_is_adverse_once_the_window_is_over() -> None:
    """Told after its end: it stands against a claim that was matched, wherever that has come, also
    to the people who look at it. Told at its end, or to a claim that is not matched any more, the
    condition itself sees it.
    """
    world = arrived()
    arrival = 1
    end = world.state(world.chain).book.claims[world.state(world.chain).book.order[arrival]]
    assert end.challenge_end == day(65)
    world.fact("customs.hold_placed", "DECLARATION:I-1", "seized", 65.5, "customs-ae", hold_id="H",
               authority="A", refs=("CONSIGNMENT:ASN-1",))  # fmt: skip
    for state in ("MATCHED", "HELD", "DISPUTED", "APPROVED", "INSTRUCTED", "ACCEPTED", "IN_DOUBT",
                  "CANCEL_PENDING", "SETTLED"):  # fmt: skip
        (told,) = look(world, arrival, 66, arrival={"state": state}).adverse_ids
        assert told.startswith("customs-ae/seized~")
    assert look(world, arrival, 64.9, arrival={"state": "MATCHED"}).adverse_ids == ()
    found = look(world, arrival, 66, arrival={"state": "RESERVED"})
    assert found.adverse_ids == ()
    assert found.matches != "TRUE"


def test_told_at_the_last_moment_of_the_window_it_is_in_the_window() -> None:
    """Then it makes the condition untrue, and is not adverse beside that."""
    world = arrived()
    name = world.state(world.chain).book.order[1]
    end = world.state(world.chain).book.claims[name].challenge_end
    world.seized(65 - 1 / 86_400)
    found = look(world, 1, 66, arrival={"state": "MATCHED"})
    assert end == day(65)
    assert (found.adverse_ids, found.value != "TRUE") == ((), True)


def test_a_seizure_that_was_withdrawn_is_not_adverse_any_more() -> None:
    """What is told and taken back by its own source has not happened."""
    world = arrived()
    world.seized(65.5)
    world.fact("customs.hold_placed", "DECLARATION:I-1", "no seizure", 65.6, "customs-ae",
               hold_id="H", authority="A", refs=("CONSIGNMENT:ASN-1",), revision=2,
               correction_action="RETRACT", correction_source="customs-ae",
               correction_event_id="seized")  # fmt: skip
    assert look(world, 1, 66).adverse_ids == ()


# ---- what counts as settled


@pytest.mark.parametrize("ended", ["SUPERSEDED", "CLOSED"])
def test_a_time_after_a_tranche_runs_from_its_paid_claims(ended: str) -> None:
    """One that an amendment took out, or of which nothing was due, was never settled and is not
    waited for.
    """
    world = arrived()
    world.answer("PAY", "ACSC", 66)
    state = world.state(world.chain)
    book, (_, name, warranty) = state.book, state.book.order
    gone = replace(book.claims[name], settlement_id="gone", claim_id="gone", state=ended,
                   settled_at=None, gross_minor=None, pay=None, due_minor=0)  # fmt: skip
    more = replace(book, claims=book.claims.set("gone", gone), order=(*book.order, "gone"),
                   promises=book.promises.set("gone", book.promises[name]))  # fmt: skip
    found = judged(more, more.claims[warranty], state.twin, day(120))
    assert [leaf.value for leaf in found.leaves if leaf.name.endswith(" time")] == ["TRUE"]
