"""Trips, legs, handling units, warehouse receipts: what their facts make of them, in any order."""

import itertools
from decimal import Decimal
from typing import Any

import pytest
import test_twin as w
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin.processors import sequence, titles, twin
from supplytwin.processors.chain import ChainFold
from supplytwin.processors.lifecycle import accumulate
from supplytwin.processors.standing import EMPTY
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import HOUR_US
from supplytwin.schemas.trips import is_bare_container, leg_id, trip_id

item, load, T = w.item, w.load, w.T
TRIP = trip_id("MSCU 123456-6", "BKG-7")


def make(kind: str, subject: str, *refs: str, **given: Any) -> Event:
    made: Event = w.make(kind, subject, *refs, **given)
    return made


def at(hours: int, kind: str, subject: str, *refs: str, **given: Any) -> Event:
    """An event so many hours after T, with an id of its own."""
    when = T + hours * HOUR_US
    return make(kind, subject, *refs, id=f"{kind} {hours}", event_time=when, **given)


def trip(hours: int, kind: str, **given: Any) -> Event:
    return at(hours, f"shipment.{kind}", f"EQUIPMENT_TRIP:{TRIP}", trip_id=TRIP, **given)


def one(found: twin.Twin, subject: str) -> Any:
    subject_type, _, subject_id = subject.partition(":")
    return twin.subject(found, subject_type, subject_id)


def codes(found: twin.Twin, subject: str) -> list[str]:
    return [problem.code for problem in one(found, subject).value.exceptions]


def any_order(*events: Event) -> twin.Twin:
    """The twin of these events, after checking that every order of them gives it."""
    found = load(*events)
    for order in itertools.islice(itertools.permutations(events), 720):
        assert twin.canonical(load(*order)) == twin.canonical(found)
    return found


# ---- trips


def test_a_container_travels_with_a_transshipment() -> None:
    """Out empty, stuffed, in, on board, off, on board again, off, available, out, stripped, back:
    no exception, every state told by a fact.
    """
    steps = (
        ("gate_out", {"empty": True}, "EMPTY_OUT"),
        ("stuffed", {}, "STUFFED"),
        ("sealed", {}, "STUFFED"),
        ("gate_in", {"empty": False}, "GATED_IN"),
        ("loaded", {}, "ON_BOARD"),
        ("discharged", {}, "DISCHARGED"),
        ("loaded", {}, "ON_BOARD"),
        ("discharged", {}, "DISCHARGED"),
        ("available", {}, "AVAILABLE"),
        ("unavailable", {}, "UNAVAILABLE"),
        ("available", {}, "AVAILABLE"),
        ("gate_out", {"empty": False}, "GATED_OUT"),
        ("stripped", {}, "STRIPPED"),
        ("gate_in", {"empty": True}, "EMPTY_RETURNED"),
    )
    found = twin.EMPTY
    for hour, (kind, said, state) in enumerate(steps):
        found = twin.take(found, item(trip(hour, kind, **said))).twin
        assert one(found, f"EQUIPMENT_TRIP:{TRIP}").state == state
    ended = one(found, f"EQUIPMENT_TRIP:{TRIP}")
    assert not ended.value.inferred
    assert not ended.value.exceptions
    assert ended.codes == (
        "AVAILABLE", "DISCHARGED", "EMPTY_OUT", "GATED_IN", "GATED_OUT", "ON_BOARD", "STUFFED",
        "TRIP_CLOSED", "UNPACKED",
    )  # fmt: skip


def test_a_feed_that_skips_is_believed_and_marked() -> None:
    """From on board straight to available: discharged is inferred, until its fact arrives late."""
    sparse = (trip(1, "loaded"), trip(9, "available"))
    value = one(load(*sparse), f"EQUIPMENT_TRIP:{TRIP}").value
    assert value.state == "AVAILABLE"
    assert value.inferred == {"EMPTY_OUT", "STUFFED", "GATED_IN", "DISCHARGED"}
    late = any_order(*sparse, trip(5, "discharged"))
    assert "DISCHARGED" not in one(late, f"EQUIPMENT_TRIP:{TRIP}").value.inferred


def test_unavailable_takes_the_milestone_back() -> None:
    """A container that is no longer available has not reached AVAILABLE."""
    found = any_order(trip(1, "discharged"), trip(2, "available"), trip(3, "unavailable"))
    assert "AVAILABLE" not in one(found, f"EQUIPMENT_TRIP:{TRIP}").codes


def test_what_comes_after_the_empty_return_is_an_exception() -> None:
    """A trip that has ended does not begin again under its id."""
    found = load(trip(1, "empty_returned"), trip(2, "loaded"))
    assert one(found, f"EQUIPMENT_TRIP:{TRIP}").state == "EMPTY_RETURNED"
    assert codes(found, f"EQUIPMENT_TRIP:{TRIP}") == ["AFTER_CLOSE"]


@pytest.mark.parametrize("bare", ["MSCU1234566", "MSCU 123456-6", "mscu1234566", " TCNU 1234565 "])
def test_a_container_number_alone_names_no_trip(bare: str) -> None:
    """Its facts are one exception each and move nothing: they may be of two trips years apart."""
    events = [
        at(hours, f"shipment.{kind}", f"EQUIPMENT_TRIP:{bare}", trip_id=bare)
        for hours, kind in ((1, "loaded"), (5000, "stuffed"))
    ]
    found = any_order(*events)
    assert codes(found, f"EQUIPMENT_TRIP:{bare}") == ["CONTAINER_WITHOUT_DOCUMENT"] * 2
    assert one(found, f"EQUIPMENT_TRIP:{bare}").state is None


def test_a_trip_id_is_a_container_and_its_document() -> None:
    """Spellings of a container are one, its document keeps trips apart, and neither may lack."""
    assert TRIP == "MSCU1234566/BKG-7"
    assert not is_bare_container(TRIP)
    assert not is_bare_container("MSCU123456")
    for container, document in (("", "BKG-7"), ("MSCU1234566", "")):
        with pytest.raises(ValueError, match="booking"):
            trip_id(container, document)


def test_a_trip_is_reached_by_its_payload() -> None:
    """An event about a consignment moves the trip that its payload names, and links the two."""
    stuffed = at(1, "shipment.stuffed", "CONSIGNMENT:A", trip_id=TRIP)
    found = load(stuffed)
    assert one(found, f"EQUIPMENT_TRIP:{TRIP}").state == "STUFFED"
    assert ("EQUIPMENT_TRIP", TRIP) in one(found, "CONSIGNMENT:A").links
    gone = make("shipment.stuffed", "CONSIGNMENT:A", id="r", trip_id=TRIP, revision=2,
                correction_action="RETRACT", correction_event_id="shipment.stuffed 1")  # fmt: skip
    parted = any_order(stuffed, gone)
    assert not one(parted, "CONSIGNMENT:A").links
    assert one(parted, f"EQUIPMENT_TRIP:{TRIP}").state is None


def test_a_seal_is_replaced_only_by_one_that_names_it() -> None:
    """Another seal than the known one, without saying so, is an exception; the newest is known."""
    first = trip(1, "sealed", seal_no="S1")
    fair = trip(2, "sealed", seal_no="S2", old_seal="S1")
    broken = trip(3, "sealed", seal_no="S3")
    assert not codes(any_order(first, fair), f"EQUIPMENT_TRIP:{TRIP}")
    found = any_order(first, fair, broken)
    assert codes(found, f"EQUIPMENT_TRIP:{TRIP}") == ["SEAL_BROKEN"]
    assert one(found, f"EQUIPMENT_TRIP:{TRIP}").value.bound == "S3"


def test_a_consignment_without_lines_stands_where_its_trips_stand() -> None:
    """At the least of them, PARTIAL while they differ; with lines, these alone say it."""
    other = trip_id("TCNU7654321", "BKG-7")
    first = trip(1, "loaded", refs=("CONSIGNMENT:A",))
    second = at(2, "shipment.stripped", f"EQUIPMENT_TRIP:{other}", "CONSIGNMENT:A", trip_id=other)
    found = one(any_order(first, second), "CONSIGNMENT:A")
    assert (found.state, "partial" in found.flags) == ("SHIPPED", True)
    line = make("order.accepted", "ORDER_LINE:1", "CONSIGNMENT:A")
    with_line = one(any_order(first, second, line), "CONSIGNMENT:A")
    assert (with_line.state, "partial" in with_line.flags) == ("ACCEPTED", False)


def test_refs_have_other_names_for_trips_units_and_receipts() -> None:
    """TRIP, SSCC and WR in refs are these subjects."""
    event = make("wh.received", "LOT:1", f"TRIP:{TRIP}", "SSCC:P", "WR:R")
    assert {("EQUIPMENT_TRIP", TRIP), ("HANDLING_UNIT", "P"), ("WAREHOUSE_RECEIPT", "R")} < {
        *twin.reached_by(event)
    }


# ---- legs


BOOKED = at(0, "shipment.booked", "CONSIGNMENT:A", legs=("1;SEA;CNSHA;DEHAM", "2;ROAD;DEHAM;DEMUC"))
LEG = f"LEG:{leg_id('A', 1)}"


def leg(hours: int, kind: str, vehicle: str | None = "V1", **given: Any) -> Event:
    more = {} if kind == "exception" else {"leg_no": 1, "vehicle_id": vehicle}
    about = LEG if kind == "exception" else "CONSIGNMENT:A"
    return at(hours, f"shipment.{kind}", about, **more, **given)


def test_a_booking_plans_the_legs_that_later_facts_move() -> None:
    """Legs are known by consignment and number; what a vehicle does moves its leg alone."""
    found = any_order(BOOKED, leg(1, "loaded"), leg(2, "departed"), leg(9, "arrived"))
    first = one(found, LEG)
    assert (first.state, first.value.bound, first.value.inferred) == ("ARRIVED", "V1", frozenset())
    assert one(found, f"LEG:{leg_id('A', 2)}").state == "PLANNED"
    assert not first.orphan
    assert first.value.route == "SEA;CNSHA;DEHAM"
    assert {("LEG", "A/1"), ("LEG", "A/2")} <= {*one(found, "CONSIGNMENT:A").links}


def test_an_event_that_names_a_leg_moves_no_other() -> None:
    """A leg that stands in the refs is meant, whatever number the payload has."""
    found = load(at(1, "shipment.departed", "CONSIGNMENT:A", "LEG:L9", leg_no=1))
    assert one(found, "LEG:L9").state == "DEPARTED"
    assert one(found, LEG) is None


@pytest.mark.parametrize("told", [True, False], ids=["by an exception", "by the new vehicle"])
def test_a_rolled_leg_is_bound_to_another_vehicle(told: bool) -> None:
    """Rolled cargo waits for the next vessel: the leg stays where it is and gets that vehicle."""
    events = [BOOKED, leg(1, "loaded", "V1"), leg(5, "departed", "V2")]
    if told:
        events.append(leg(3, "exception", exception_code="ROLLED"))
    found = one(any_order(*events), LEG)
    assert (found.state, found.value.bound) == ("DEPARTED", "V2")
    assert "rolled" in found.flags
    assert [problem.code for problem in found.value.exceptions] == ["SHIPMENT_ROLLED"] * told


def test_a_vehicle_does_not_change_under_way() -> None:
    """Another vehicle after the departure is a conflict of data: the first one stays."""
    found = one(any_order(leg(1, "departed", "V1"), leg(9, "arrived", "V2")), LEG)
    assert (found.state, found.value.bound) == ("ARRIVED", "V1")
    assert "vehicle_conflict" in found.flags


def test_a_rerouted_leg_is_omitted_only_before_it_began() -> None:
    """REROUTED omits a planned leg; under way it is told and changes nothing."""
    rerouted = leg(3, "exception", exception_code="REROUTED")
    assert one(any_order(BOOKED, rerouted), LEG).state == "OMITTED"
    found = any_order(BOOKED, leg(1, "departed"), rerouted)
    assert one(found, LEG).state == "DEPARTED"
    assert codes(found, LEG) == ["SHIPMENT_REROUTED"]


# ---- handling units


def test_units_nest_and_leave_again() -> None:
    """A carton is in a pallet, the pallet in a trip's container, until that is stripped; packing
    it anew moves it, and what is inside the pallet stays there.
    """
    packed = at(1, "wh.packed", "HANDLING_UNIT:P", hu_id="P", children=("C1", "ORDER_LINE:7"))
    stuffed = trip(5, "stuffed", children=("P",))
    found = any_order(packed, stuffed)
    where = {name: one(found, f"HANDLING_UNIT:{name}").value.bound for name in ("C1", "P")}
    assert where == {"C1": "HANDLING_UNIT:P", "P": f"EQUIPMENT_TRIP:{TRIP}"}
    assert ("ORDER_LINE", "7") in one(found, "HANDLING_UNIT:P").links
    assert ("HANDLING_UNIT", "P") in one(found, f"EQUIPMENT_TRIP:{TRIP}").links
    stripped = any_order(packed, stuffed, trip(9, "stripped", children=("P", "C1")))
    assert one(stripped, "HANDLING_UNIT:P").value.bound is None
    assert one(stripped, "HANDLING_UNIT:C1").value.bound == "HANDLING_UNIT:P"
    again = at(20, "wh.packed", "HANDLING_UNIT:Q", hu_id="Q", children=("C1",))
    moved = any_order(packed, stuffed, again)
    assert one(moved, "HANDLING_UNIT:C1").value.bound == "HANDLING_UNIT:Q"


# ---- placeholders


def test_a_placeholder_is_counted_until_its_own_fact_arrives() -> None:
    """A line that others name is an orphan and counted; its order repairs it, in any order."""
    delivered = make("shipment.delivered", "CONSIGNMENT:A", "ORDER_LINE:7")
    placed = make("order.placed", "ORDER:O", "ORDER_LINE:7")
    taken = twin.take(twin.EMPTY, item(delivered))
    assert one(taken.twin, "ORDER_LINE:7").orphan
    assert "orphan" in one(taken.twin, "ORDER_LINE:7").flags
    assert not one(taken.twin, "CONSIGNMENT:A").orphan
    assert taken.counts == ["facts", "orphans_found"]
    fold = ChainFold("t")
    assert list(fold.step(fold.new("C"), item(delivered), 0).counts) == taken.counts
    repaired = twin.take(taken.twin, item(placed))
    assert repaired.counts == ["facts", "orphans_gone"]
    assert not one(repaired.twin, "ORDER_LINE:7").orphan
    any_order(delivered, placed)


def test_a_declaration_alone_does_not_tell_of_its_consignment() -> None:
    """A consignment is known by a fact of its own or by its lines, which it consists of."""
    declared = make("customs.declared", "DECLARATION:D", "CONSIGNMENT:A")
    line = make("order.placed", "ORDER_LINE:1", "CONSIGNMENT:A")
    booked = make("shipment.booked", "CONSIGNMENT:A")
    assert one(load(declared), "CONSIGNMENT:A").orphan
    assert not one(any_order(declared, line), "CONSIGNMENT:A").orphan
    assert not one(any_order(declared, booked), "CONSIGNMENT:A").orphan


def test_an_order_is_known_by_its_placing() -> None:
    """An order that its line's placing names is no orphan; one that only a change names is."""
    placed = make("order.placed", "ORDER_LINE:1", "ORDER:O")
    changed = make("order.line_changed", "ORDER_LINE:1", "ORDER:O", field="QTY", new="1")
    assert not one(any_order(placed, changed), "ORDER:O").orphan
    assert one(load(changed), "ORDER:O").orphan


def test_a_retracted_order_leaves_an_orphan_behind() -> None:
    """When the fact that told of a line did not occur, what others said of it hangs in the air."""
    placed = make("order.placed", "ORDER_LINE:7")
    delivered = make("shipment.delivered", "CONSIGNMENT:A", "ORDER_LINE:7")
    gone = make("order.placed", "ORDER_LINE:7", id="r", revision=2, correction_action="RETRACT",
                correction_event_id="order.placed")  # fmt: skip
    assert one(any_order(placed, delivered, gone), "ORDER_LINE:7").orphan


# ---- lots and the receipts over them


def receipt(hours: int, action: str, *refs: str) -> Event:
    return at(hours, "wh.warehouse_receipt", "WAREHOUSE_RECEIPT:R", *refs, wr_id="R", action=action,
              holder=action)  # fmt: skip


RECEIVED = at(0, "wh.received", "LOT:1", qty=Decimal(10))
ISSUED = receipt(1, "ISSUE", "LOT:1")
DISPATCHED = at(10, "wh.dispatched", "LOT:1", lot_id="1", qty=Decimal(4))


def test_a_pledged_lot_cannot_be_dispatched() -> None:
    """The pledge names only the receipt, the issue names the lot: the dispatch is one exception
    and changes nothing, in every order of arrival.
    """
    pledged = any_order(RECEIVED, ISSUED, receipt(5, "PLEDGE"), DISPATCHED)
    lot = one(pledged, "LOT:1")
    assert (lot.state, lot.value.on_hand) == ("RECEIVED", Decimal(10))
    assert codes(pledged, "LOT:1") == ["LOT_PLEDGED"]
    assert "DISPATCHED" not in lot.codes
    assert not codes(pledged, "WAREHOUSE_RECEIPT:R")


def test_a_lot_is_free_before_its_pledge_and_after_its_release() -> None:
    """What counts is when it happened: dispatched before the pledge, or after the pledge ended."""
    before = any_order(RECEIVED, ISSUED, receipt(12, "PLEDGE"), DISPATCHED)
    after = any_order(RECEIVED, ISSUED, receipt(5, "PLEDGE"), receipt(7, "UNPLEDGE"), DISPATCHED)
    for found in (before, after):
        assert one(found, "LOT:1").state == "DISPATCHED"
        assert one(found, "LOT:1").value.on_hand == Decimal(6)
        assert not codes(found, "LOT:1")


@pytest.mark.parametrize("target", ["PLEDGE", "ISSUE"])
def test_a_retracted_pledge_or_link_frees_the_lot(target: str) -> None:
    """Retracting the pledge, or the only fact that linked receipt and lot, frees it again."""
    facts = (RECEIVED, ISSUED, receipt(5, "PLEDGE"), DISPATCHED)
    gone = make("wh.warehouse_receipt", "WAREHOUSE_RECEIPT:R", id="r", revision=2, wr_id="R",
                action="ISSUE", correction_action="RETRACT",
                correction_event_id=f"wh.warehouse_receipt {5 if target == 'PLEDGE' else 1}",
                )  # fmt: skip
    assert one(any_order(*facts, gone), "LOT:1").state == "DISPATCHED"


def test_a_refused_step_of_a_receipt_pledges_nothing() -> None:
    """A receipt that was cancelled cannot be pledged: its exception, and the lot stays free."""
    found = any_order(RECEIVED, ISSUED, receipt(2, "CANCEL"), receipt(5, "PLEDGE"), DISPATCHED)
    assert codes(found, "WAREHOUSE_RECEIPT:R") == ["AFTER_CLOSE"]
    assert one(found, "LOT:1").state == "DISPATCHED"


def test_an_unpledge_of_the_same_day_lets_a_dispatch_without_a_time_go() -> None:
    """With DAY precision the dispatch may have come after the unpledge of that date."""
    day = at(10, "wh.dispatched", "LOT:1", lot_id="1", qty=Decimal(4), time_precision="DAY")
    there = at(-60, "wh.received", "LOT:1", qty=Decimal(10))
    pledged = (there, receipt(-50, "ISSUE", "LOT:1"), receipt(-40, "PLEDGE"))
    same = any_order(*pledged, receipt(12, "UNPLEDGE"), day)
    assert one(same, "LOT:1").state == "DISPATCHED"
    assert not codes(same, "LOT:1")
    other = any_order(*pledged, receipt(12 + 24, "UNPLEDGE"), day)
    assert codes(other, "LOT:1") == ["LOT_PLEDGED"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 47), min_size=80, max_size=140), st.data())
def test_a_receipt_with_a_long_history_says_the_same_to_its_lot(
    hours: list[int], data: st.DataObject
) -> None:
    """Pledges and releases inserted and retracted anywhere give the lot what all of them give."""
    actions = ("PLEDGE", "UNPLEDGE", "TRANSFER")
    found = load(ISSUED)
    for number, hour in enumerate(hours):
        event = make("wh.warehouse_receipt", "WAREHOUSE_RECEIPT:R", id=str(number), wr_id="R",
                     action=actions[number % 3], event_time=T + hour * HOUR_US)  # fmt: skip
        found = twin.take(found, item(event, T)).twin
    for gone in sorted(data.draw(st.sets(st.sampled_from(range(len(hours))), max_size=30))):
        event = make("wh.warehouse_receipt", "WAREHOUSE_RECEIPT:R", id=f"r{gone}", wr_id="R",
                     action="ISSUE", correction_action="RETRACT",
                     correction_event_id=str(gone))  # fmt: skip
        found = twin.take(found, item(event, T)).twin
    told = one(found, "WAREHOUSE_RECEIPT:R")
    turned = titles.turns(SubjectKey("WAREHOUSE_RECEIPT", "R"), told.ordered)
    lot = one(found, "LOT:1")
    assert [fact.order for fact in lot.ordered.facts if "\0" in fact.order[4]] == sorted(turned)
    assert lot.value == sequence.fold("LOT", lot.ordered.facts)
    assert lot.value.pledges == (told.state == "PLEDGED")


LOT_KINDS = ("wh.received", "wh.receipt_reversed", "wh.adjusted", "wh.reserved", "wh.unreserved",
             "wh.dispatched", "wh.dispatched", "wh.counted", "wh.picked")  # fmt: skip
amounts = st.sampled_from([Decimal(n) for n in ("0", "1", "2.5", "4", "10")])


@st.composite
def lot_events(draw: st.DrawFn) -> Event:
    names = st.integers(0, 39).map(str)
    shape: dict[str, Any] = {
        "id": draw(names),
        "event_time": T + draw(st.integers(0, 47)) * HOUR_US,
        "revision": draw(st.integers(1, 2)),
        "time_precision": draw(st.sampled_from(("S", "S", "DAY"))),
    }
    if draw(st.integers(0, 5)) == 0:
        shape |= {"correction_action": "RETRACT", "correction_event_id": draw(names)}
    if draw(st.integers(0, 2)) == 0:
        action = draw(st.sampled_from(("ISSUE", "PLEDGE", "PLEDGE", "UNPLEDGE", "CANCEL")))
        refs = draw(st.sampled_from(((), ("LOT:1",))))
        number = draw(st.sampled_from("RS"))
        about = f"WAREHOUSE_RECEIPT:{number}"
        return make("wh.warehouse_receipt", about, *refs, wr_id=number, action=action, **shape)
    kind = draw(st.sampled_from(LOT_KINDS))
    if kind == "wh.adjusted":
        shape["delta"] = draw(amounts) - 3
    elif kind == "wh.counted":
        shape["counted"] = draw(amounts)
    else:
        shape["qty"] = draw(amounts)
    return make(kind, "LOT:1", lot_id="1", **shape)


@settings(max_examples=150, deadline=None)
@given(st.lists(lot_events(), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_no_lot_is_negative_or_leaves_under_a_pledge(events: list[Event], random: Any) -> None:
    """Whatever is told, in whatever order: after no fact is a quantity below zero, and no dispatch
    moves a lot while a receipt over it is pledged.
    """
    shuffled = [*events, *events[::3]]
    random.shuffle(shuffled)
    found, other = twin.EMPTY, twin.EMPTY
    for one_of, into in ((events, 0), (shuffled, 1)):
        for event in one_of:
            taken = twin.take(other if into else found, item(event, T)).twin
            found, other = (found, taken) if into else (taken, other)
    assert twin.canonical(found) == twin.canonical(other)
    lot = one(found, "LOT:1")
    value = EMPTY
    for fact in (lot.ordered if lot is not None else sequence.NOTHING).facts:
        was, value = value, accumulate("LOT", value, fact)
        assert min(value.on_hand, value.reserved, Decimal(value.pledges)) >= 0
        if was.pledges and value.state == "DISPATCHED" != was.state:
            assert fact.effect is not None
            assert fact.effect.kind == "FREE"
            assert not value.pledges
