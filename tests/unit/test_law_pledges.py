"""A pledged lot cannot be dispatched: whatever comes first, in contradiction, and with all that the
dispatch would have moved besides.
"""

import itertools
from decimal import Decimal
from random import Random
from typing import Any

import law_world as w
import pytest
from msgspec.structs import replace

from supplytwin.processors import twin
from supplytwin.processors.chain import ChainFold, ChainState, canonical
from supplytwin.schemas import codec
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Output, Record
from supplytwin.schemas.ids import HOUR_US, Micros
from supplytwin.schemas.records import EXCEPTIONS, JOURNAL, ExceptionRecord


def at(hours: int, kind: str, subject: str, *refs: str, **given: Any) -> Event:
    """An event so many hours after T, with an id of its own."""
    when = w.T + hours * HOUR_US
    made: Event = w.make(
        kind, subject, *refs, **{"event_id": f"{kind} {hours}", "event_time": when, **given}
    )
    return made


def receipt(hours: int, action: str, *refs: str, **given: Any) -> Event:
    about = "WAREHOUSE_RECEIPT:R"
    return at(hours, "wh.warehouse_receipt", about, *refs, wr_id="R", action=action, **given)


RECEIVED = at(0, "wh.received", "LOT:1", qty=Decimal(10), lot_id="1")
ISSUED = receipt(1, "ISSUE", "LOT:1")
PLEDGED = receipt(5, "PLEDGE")
OUT = at(10, "wh.dispatched", "LOT:1", "ORDER_LINE:1", lot_id="1", qty=Decimal(4), hu_ids=("P",))
PLACED = at(-9, "order.placed", "ORDER_LINE:1")


def take(*events: Event) -> twin.Twin:
    found = twin.EMPTY
    for event in events:
        found = twin.take(found, w.item(event)).twin
    return found


def any_order(*events: Event) -> twin.Twin:
    """The twin of these events, after checking that orders of them, up to 720, give it."""
    found = take(*events)
    for order in itertools.islice(itertools.permutations(events), 720):
        assert twin.canonical(take(*order)) == twin.canonical(found)
    return found


def one(found: twin.Twin, subject: str) -> Any:
    return twin.subject(found, *subject.split(":"))


def codes(found: twin.Twin, subject: str) -> list[str]:
    return [problem.code for problem in one(found, subject).value.exceptions]


def stays(found: twin.Twin, lot: str = "LOT:1") -> bool:
    """Whether the lot is where it was, with one exception that says why."""
    value = one(found, lot).value
    here = (value.state, value.on_hand, codes(found, lot))
    assert here in (("RECEIVED", 10, ["LOT_PLEDGED"]), ("DISPATCHED", 6, []))
    return here[0] == "RECEIVED"


# ---- what goes with the lot


def test_a_refused_dispatch_ships_no_line_and_no_unit() -> None:
    """What the dispatch says of the order line and of the handling unit holds no more than what it
    says of the lot: there is one exception, on the lot.
    """
    found = any_order(PLACED, RECEIVED, ISSUED, PLEDGED, OUT)
    assert stays(found)
    line, unit = one(found, "ORDER_LINE:1"), one(found, "HANDLING_UNIT:P")
    assert (line.state, line.codes, codes(found, "ORDER_LINE:1")) == (
        "PLACED", ("ORDER_PLACED",), [],
    )  # fmt: skip
    assert "DISPATCHED" not in unit.codes


@pytest.mark.parametrize(
    "freed",
    [
        receipt(7, "UNPLEDGE"),
        at(20, "wh.warehouse_receipt", "WAREHOUSE_RECEIPT:R", wr_id="R", action="PLEDGE",
           revision=2, correction_action="RETRACT",
           correction_event_id="wh.warehouse_receipt 5"),
    ],
    ids=["released before", "never pledged"],
)  # fmt: skip
def test_the_line_ships_when_the_lot_may_leave_after_all(freed: Event) -> None:
    """The pledge was released before the dispatch, or did not occur, whenever that is told."""
    found = any_order(PLACED, RECEIVED, ISSUED, PLEDGED, OUT, freed)
    assert not stays(found)
    assert one(found, "ORDER_LINE:1").state == "SHIPPED"
    assert "DISPATCHED" in one(found, "HANDLING_UNIT:P").codes


def test_a_pledge_told_after_the_dispatch_takes_the_shipment_back() -> None:
    """It happened before, so the line is no longer shipped, and listeners hear of it."""
    told: list[Output] = []
    fold = ChainFold("t")
    state = fold.new("C")
    for event in (PLACED, RECEIVED, ISSUED, OUT, PLEDGED):
        step = fold.step(state, w.item(event), 0)
        state = step.state
        told += step.outputs
    milestones = [codec.decode(out.topic, out.value or b"").message for out in told
                  if out.topic == "twin.milestones"]  # fmt: skip
    lost = {(m.subject_type, m.code) for m in milestones if not m.reached}  # type: ignore[attr-defined]
    assert lost == {(kind, "DISPATCHED") for kind in ("LOT", "ORDER_LINE", "HANDLING_UNIT")}
    opened = [
        codec.decode(EXCEPTIONS, o.value or b"").message for o in told if o.topic == EXCEPTIONS
    ]
    assert [(e.subject_type, e.code, e.open) for e in opened if isinstance(e, ExceptionRecord)] == [
        ("LOT", "LOT_PLEDGED", True)
    ]
    assert one(state.twin, "ORDER_LINE:1").state == "PLACED"


def test_a_dispatch_of_two_lots_ships_nothing_when_one_is_pledged() -> None:
    """A line is shipped by a dispatch that no lot refuses; the free lot itself leaves."""
    both = replace(OUT, refs=("LOT:2", "ORDER_LINE:1"))
    second = replace(RECEIVED, event_id="two", subject_id="2", lot_id="2")
    found = any_order(PLACED, RECEIVED, second, ISSUED, PLEDGED, both)
    assert stays(found)
    assert one(found, "LOT:2").state == "DISPATCHED"
    assert one(found, "ORDER_LINE:1").state == "PLACED"
    free = any_order(PLACED, RECEIVED, second, ISSUED, PLEDGED, both, receipt(6, "UNPLEDGE"))
    assert one(free, "ORDER_LINE:1").state == "SHIPPED"


def test_another_revision_of_a_refused_dispatch_ships_what_it_names() -> None:
    """A revision that happened before the pledge ships its own line, and only that."""
    before = replace(OUT, revision=2, event_time=w.T + 3 * HOUR_US, refs=("ORDER_LINE:2",))
    found = any_order(PLACED, RECEIVED, ISSUED, PLEDGED, OUT, before)
    assert not stays(found)
    assert one(found, "ORDER_LINE:1").state == "PLACED"
    assert one(found, "ORDER_LINE:2").state == "SHIPPED"
    still = replace(OUT, revision=2, refs=("ORDER_LINE:2",))
    found = any_order(PLACED, RECEIVED, ISSUED, PLEDGED, OUT, still)
    assert stays(found)
    assert one(found, "ORDER_LINE:2").state is None


def test_a_dispatch_about_a_unit_reaches_the_lot_that_it_names() -> None:
    """The payload names the lot: no pledge is got round by telling of the unit instead."""
    unit = at(10, "wh.dispatched", "HANDLING_UNIT:P", "ORDER_LINE:1", lot_id="1", qty=Decimal(4))
    assert stays(any_order(RECEIVED, ISSUED, PLEDGED, unit))
    assert not stays(any_order(RECEIVED, ISSUED, unit))


def test_a_restored_chain_knows_what_was_refused() -> None:
    """The journal, folded again, gives the same: pledged, refused, freed and shipped."""
    fold = ChainFold("t")
    for events in (
        (PLACED, OUT, ISSUED, PLEDGED, RECEIVED),
        (PLACED, OUT, ISSUED, PLEDGED, RECEIVED, receipt(7, "UNPLEDGE")),
    ):
        state, restored = fold.new("C"), fold.new("C")
        for event in events:
            item = w.item(event)
            value = codec.encode(event.TOPIC, event)
            step = fold.step(state, replace(item, record=replace(item.record, value=value)), 0)
            state, restored = step.state, _restored(fold, restored, step.entries)
        assert canonical(state) == canonical(restored)


def _restored(fold: ChainFold, state: ChainState, entries: Any) -> ChainState:
    for entry in entries:
        record = Record(topic=JOURNAL, partition=0, offset=0, arrival=0, key=b"C",
                        value=entry.value)  # fmt: skip
        state = fold.restore(state, record)
    return state


# ---- when

DAY = {"time_precision": "DAY"}


@pytest.mark.parametrize(
    ("pledge", "out", "blocked"),
    [
        (receipt(-10, "PLEDGE"), replace(OUT, event_time=w.T - 8 * HOUR_US), True),
        (receipt(5, "PLEDGE"), replace(OUT, event_time=Micros(w.T + 4 * HOUR_US)), False),
        (receipt(5, "PLEDGE", **DAY), replace(OUT, event_time=Micros(w.T + 6 * HOUR_US)), True),
        (receipt(5, "PLEDGE"), replace(OUT, event_time=Micros(w.T + 6 * HOUR_US), **DAY), True),
        (receipt(5, "PLEDGE"), replace(OUT, event_time=Micros(w.T + 4 * HOUR_US), **DAY), True),
        (receipt(5, "PLEDGE", **DAY), replace(OUT, event_time=Micros(w.T + 4 * HOUR_US)), True),
        (receipt(5, "PLEDGE", **DAY), replace(OUT, event_time=Micros(w.T + HOUR_US), **DAY), True),
        (receipt(19, "PLEDGE", **DAY), replace(OUT, **DAY), False),
    ],
)
def test_within_a_date_whose_order_nobody_knows_the_pledge_holds(
    pledge: Event, out: Event, blocked: bool
) -> None:
    """With exact times the earlier one counts; where one has DAY precision, a pledge of the same
    date is taken for the earlier, as any contrary evidence.
    """
    there = (replace(RECEIVED, event_time=w.T - 50 * HOUR_US), receipt(-40, "ISSUE", "LOT:1"))
    assert stays(any_order(*there, pledge, out)) == blocked


def test_a_pledge_and_a_dispatch_of_one_instant() -> None:
    """Nobody knows which came first: the pledge holds."""
    same = replace(OUT, event_time=PLEDGED.event_time)
    assert stays(any_order(RECEIVED, ISSUED, PLEDGED, same))


# ---- in contradiction


@pytest.mark.parametrize(
    "changes",
    [{"holder": "other"}, {"action": "ISSUE"}, {"action": "TRANSFER"}, {"refs": ("LOT:1",)},
     {"classifier": "PLANNED"}, {"event_time": Micros(w.T + 30 * HOUR_US)}],
    ids=str,
)  # fmt: skip
def test_a_contradictory_pledge_holds_the_lot_until_it_is_resolved(changes: dict[str, Any]) -> None:
    """One of two contents of one revision pledges: the lot stays, and the line with it, until a
    higher revision says which is true.
    """
    other = replace(PLEDGED, **changes)
    facts = (PLACED, RECEIVED, ISSUED, PLEDGED, other)
    found = any_order(*facts, OUT)
    assert stays(found)
    assert one(found, "ORDER_LINE:1").state == "PLACED"
    assert "conflict" in one(found, "WAREHOUSE_RECEIPT:R").flags
    assert one(found, "WAREHOUSE_RECEIPT:R").state == "ISSUED"
    pledged = take(*facts, OUT, replace(PLEDGED, revision=2))
    assert stays(pledged)
    void = at(20, "wh.warehouse_receipt", "WAREHOUSE_RECEIPT:R", wr_id="R", action="PLEDGE",
              revision=2, correction_action="RETRACT",
              correction_event_id=PLEDGED.event_id)  # fmt: skip
    for healed in (replace(PLEDGED, revision=2, action="ISSUE"), void):
        free = any_order(*facts[1:], OUT, healed)
        assert not stays(free)
        assert twin.canonical(take(OUT, healed, *facts)) == twin.canonical(
            take(*facts, OUT, healed)
        )


def test_contradictory_lots_of_a_receipt_are_all_held() -> None:
    """Which of two lots a receipt is over is in conflict: its pledge holds both."""
    other = replace(ISSUED, refs=("LOT:2",))
    second = replace(RECEIVED, event_id="two", subject_id="2", lot_id="2")
    out = replace(OUT, event_id="out two", subject_id="2", lot_id="2", refs=())
    found = any_order(RECEIVED, second, ISSUED, other, PLEDGED, OUT)
    assert stays(found)
    assert stays(take(RECEIVED, second, ISSUED, other, PLEDGED, out), "LOT:2")
    healed = take(RECEIVED, second, ISSUED, other, PLEDGED, OUT, out, replace(other, revision=2))
    assert not stays(healed)
    assert stays(healed, "LOT:2")


def test_a_contradictory_release_of_a_pledge_releases_nothing() -> None:
    """Two contents under one release: the pledge stands until it is known which is true."""
    release = receipt(7, "UNPLEDGE")
    assert not stays(any_order(RECEIVED, ISSUED, PLEDGED, OUT, release))
    assert stays(any_order(RECEIVED, ISSUED, PLEDGED, OUT, release, replace(release, holder="x")))


def test_a_contradicted_retraction_of_a_release_frees_no_lot() -> None:
    """The release of a pledge was taken back; in contradiction it may have been: the lot stays."""
    release = receipt(7, "UNPLEDGE")
    back = at(20, "wh.warehouse_receipt", "WAREHOUSE_RECEIPT:Z", wr_id="Z", action="ISSUE",
              revision=2, correction_action="RETRACT",
              correction_event_id=release.event_id)  # fmt: skip
    facts = (RECEIVED, ISSUED, PLEDGED, release, OUT)
    assert not stays(take(*facts))
    assert stays(any_order(*facts[1:], RECEIVED, back))
    assert stays(any_order(*facts[:4], back, replace(back, holder="x"), OUT))


@pytest.mark.parametrize(
    "plan",
    [
        replace(PLEDGED, revision=2, classifier="PLANNED"),
        replace(PLEDGED, revision=2, classifier="ESTIMATED", action="ISSUE", event_id="x",
                correction_action="SUPERSEDE", correction_event_id=PLEDGED.event_id),
        replace(PLEDGED, revision=2, classifier="PLANNED", event_id="x",
                correction_action="RETRACT", correction_event_id=PLEDGED.event_id),
    ],
    ids=["restated", "replaced", "retracted"],
)  # fmt: skip
def test_a_plan_frees_no_pledged_lot(plan: Event) -> None:
    """A pledge that a plan would take back is in conflict, and holds until a higher revision."""
    assert stays(any_order(RECEIVED, ISSUED, PLEDGED, plan, OUT))
    assert not stays(
        take(RECEIVED, ISSUED, PLEDGED, plan, OUT, replace(PLEDGED, revision=3, action="ISSUE"))
    )


@pytest.mark.parametrize("classifier", ["PLANNED", "ESTIMATED"])
def test_a_planned_pledge_holds_nothing(classifier: str) -> None:
    """Neither alone nor in contradiction with another plan."""
    planned = replace(PLEDGED, classifier=classifier)
    assert not stays(any_order(RECEIVED, ISSUED, planned, OUT))
    assert not stays(any_order(RECEIVED, ISSUED, planned, replace(planned, holder="x"), OUT))


def test_a_contradiction_about_a_receipt_links_nothing_else() -> None:
    """What it says of the lot and a handling unit counts as little as any other contradiction."""
    told = at(5, "wh.warehouse_receipt", "LOT:1", "HANDLING_UNIT:P", wr_id="R", action="PLEDGE")
    packed = at(2, "wh.packed", "LOT:1", hu_id="P", children=())
    gone = at(9, "wh.packed", "LOT:1", hu_id="P", children=(), revision=2,
              correction_action="RETRACT", correction_event_id=packed.event_id)  # fmt: skip
    out = replace(OUT, hu_ids=())
    found = any_order(RECEIVED, told, replace(told, holder="x"), packed, gone, out)
    assert stays(found)
    assert set(one(found, "LOT:1").links) == {("WAREHOUSE_RECEIPT", "R")}


# ---- always


@pytest.mark.parametrize("seed", range(60))
def test_nothing_that_reaches_a_pledged_lot_moves_it_or_its_lines(seed: int) -> None:
    """In random streams no lot becomes DISPATCHED and no line SHIPPED by a dispatch that a pledged
    lot refused; no quantity on hand is ever below zero.
    """
    random = Random(seed)
    found = twin.EMPTY
    for told in next(w.orders(random, w.stream(random, "C"))):
        found = twin.take(found, w.item(told.event, told.arrival)).twin
        for key, subject in found.subjects.items():
            assert (
                min(subject.value.on_hand, subject.value.net_received, subject.value.pledges) >= 0
            )
            refused = {p.event_id for p in subject.value.exceptions if p.code == "LOT_PLEDGED"}
            assert not refused or key.subject_type in ("LOT", "HANDLING_UNIT")
            reached = subject.value.milestones.get("DISPATCHED")
            if reached is not None:
                is_goods = key.subject_type in ("LOT", "HANDLING_UNIT")
                kinds = ("LOT",) if is_goods else ("LOT", "HANDLING_UNIT")
                lots = [s for k, s in found.subjects.items() if k.subject_type in kinds]
                assert not any(
                    (p.source, p.event_id) == (reached.source, reached.event_id)
                    for lot in lots for p in lot.value.exceptions if p.code == "LOT_PLEDGED"
                )  # fmt: skip


# ---- one number for two things


@pytest.mark.parametrize("revision", [0, 1, 2])
@pytest.mark.parametrize("about", ["CONSIGNMENT:1", "ORDER_LINE:1", "LOT:1", "HANDLING_UNIT:P"])
@pytest.mark.parametrize(
    ("kind", "given"),
    [("shipment.sensor", {}), ("shipment.sensor", {"alert": "HOT"}), ("shipment.departed", {})],
    ids=["plain reading", "alert", "departure"],
)
def test_a_dispatch_may_share_its_number_with_something_else(
    kind: str, given: dict[str, Any], about: str, revision: int
) -> None:
    """A source that numbers its readings and its dispatches from 1 contradicts the one with the
    other, as they stand on two topics: the fold takes them in every order, a pledge among them.
    """
    alike = at(
        11, kind, about, event_id=OUT.event_id, source=OUT.source, revision=revision, **given
    )
    pledged = receipt(5, "PLEDGE", "LOT:1")
    found = any_order(RECEIVED, pledged, OUT, alike)
    assert one(found, "LOT:1").value.on_hand == 10, "what is in conflict ships nothing"
    assert "LOT_PLEDGED" not in codes(found, "LOT:1")
