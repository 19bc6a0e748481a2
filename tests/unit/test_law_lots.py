"""What binds a lot: every pledge needs a release of its own, and what is bound is not made less of
in silence.
"""

from decimal import Decimal
from itertools import islice, permutations
from random import Random
from typing import Any

import law_world as w
import pytest

from supplytwin.processors import twin
from supplytwin.schemas.events import Event, WarehousePacked
from supplytwin.schemas.ids import HOUR_US, Micros


def at(hours: float, kind: str, subject: str, *refs: str, **given: Any) -> Event:
    """An event so many hours after T."""
    when = Micros(w.T + round(hours * HOUR_US))
    made: Event = w.make(
        kind, subject, *refs, **{"event_id": f"{kind} {hours}", "event_time": when, **given}
    )
    return made


def receipt(hours: float, action: str, *refs: str, **given: Any) -> Event:
    about = "WAREHOUSE_RECEIPT:R"
    name = {"event_id": f"{action} {hours}", **given}
    return at(hours, "wh.warehouse_receipt", about, *refs, wr_id="R", action=action, **name)


def out(hours: float, **given: Any) -> Event:
    return at(hours, "wh.dispatched", "LOT:1", lot_id="1", qty=Decimal(4), **given)


RECEIVED = at(0, "wh.received", "LOT:1", qty=Decimal(10), lot_id="1")
ISSUED = receipt(1, "ISSUE", "LOT:1")
PLEDGED = receipt(5, "PLEDGE")
THERE = (RECEIVED, ISSUED)


def any_order(*events: Event) -> twin.Twin:
    """The twin of these events, the same in up to 120 orders."""
    found, known = twin.EMPTY, set[str]()
    for order in islice(permutations(events), 120):
        found = twin.EMPTY
        for event in order:
            found = twin.take(found, w.item(event, event.event_time + 100 * HOUR_US)).twin
        known.add(str(twin.canonical(found)))
    assert len(known) == 1
    return found


def one(found: twin.Twin, subject: str) -> Any:
    return twin.subject(found, *subject.split(":"))


def codes(found: twin.Twin, subject: str = "LOT:1") -> list[str]:
    return [problem.code for problem in one(found, subject).value.exceptions]


# ---- pledges are counted


@pytest.mark.parametrize(
    ("told", "leaves"),
    [
        ((PLEDGED, receipt(7, "UNPLEDGE")), True),
        ((PLEDGED, receipt(6, "PLEDGE"), receipt(7, "UNPLEDGE")), False),
        ((PLEDGED, receipt(6, "PLEDGE"), receipt(7, "UNPLEDGE"), receipt(8, "UNPLEDGE")), True),
        ((PLEDGED, receipt(6, "PLEDGE", source="bank"), receipt(7, "UNPLEDGE")), True),
        ((PLEDGED, receipt(6, "PLEDGE"), receipt(7, "UNPLEDGE"),
          receipt(7, "UNPLEDGE", event_id="again", source="bank")), False),
        ((PLEDGED, receipt(7, "UNPLEDGE", event_id="a"),
          receipt(7, "PLEDGE", event_id="b")), False),
        ((PLEDGED, receipt(7, "UNPLEDGE", event_id="b"),
          receipt(7, "PLEDGE", event_id="a")), False),
        ((receipt(7, "UNPLEDGE", event_id="a"), receipt(7, "PLEDGE", event_id="b")), True),
        ((receipt(7, "UNPLEDGE", event_id="b"), receipt(7, "PLEDGE", event_id="a")), True),
        ((PLEDGED, receipt(7, "UNPLEDGE", time_precision="DAY"),
          receipt(7, "PLEDGE", time_precision="DAY")), False),
    ],
    ids=range(10),
)  # fmt: skip
def test_every_pledge_needs_a_release_of_its_own(told: tuple[Event, ...], leaves: bool) -> None:
    """Two sources that tell of one pledge, or of one release, do not make it two; which of two
    event ids is the smaller decides nothing.
    """
    found = any_order(*THERE, *told, out(10))
    assert (one(found, "LOT:1").state == "DISPATCHED") == leaves
    assert codes(found) == ([] if leaves else ["LOT_PLEDGED"])
    assert one(found, "WAREHOUSE_RECEIPT:R").state == ("ISSUED" if leaves else "PLEDGED")


def test_a_second_pledge_is_one_exception_that_counts() -> None:
    """The receipt is pledged already: an exception, the state stays, and so does the pledge."""
    found = any_order(*THERE, PLEDGED, receipt(6, "PLEDGE"))
    assert codes(found, "WAREHOUSE_RECEIPT:R") == ["ILLEGAL_TRANSITION"]
    assert one(found, "WAREHOUSE_RECEIPT:R").state == "PLEDGED"


# ---- what makes a pledged lot less

LESS = [
    at(9, "wh.receipt_reversed", "LOT:1", lot_id="1", qty=Decimal(10), reason="r"),
    at(9, "wh.receipt_reversed", "LOT:1", lot_id="1", qty=Decimal(1), reason="r"),
    at(9, "wh.adjusted", "LOT:1", lot_id="1", delta=Decimal(-10)),
]


@pytest.mark.parametrize("less", LESS, ids=range(3))
def test_what_makes_a_pledged_lot_less_is_an_exception(less: Event) -> None:
    """It counts, as contrary evidence does, but not in silence; of a free lot it is none. More is
    never one, and nothing of it ships or holds back a line.
    """
    free = any_order(*THERE, less)
    pledged = any_order(*THERE, PLEDGED, less)
    assert (codes(free), codes(pledged)) == ([], ["PLEDGED_LOT_REDUCED"])
    for name in ("state", "on_hand", "reversed", "milestones"):
        assert getattr(one(free, "LOT:1").value, name) == getattr(one(pledged, "LOT:1").value, name)
    more = at(9, "wh.adjusted", "LOT:1", lot_id="1", delta=Decimal(3))
    assert codes(any_order(*THERE, PLEDGED, more)) == []


@pytest.mark.parametrize("less", LESS, ids=range(3))
def test_no_more_is_reserved_than_there_is(less: Event) -> None:
    """What is taken back or lost is no longer reserved."""
    reserved = at(3, "wh.reserved", "LOT:1", lot_id="1", qty=Decimal(10), order_line="1")
    value = one(any_order(RECEIVED, reserved, less), "LOT:1").value
    assert value.reserved == value.on_hand < 10


# ---- what goes in units

PLACED = at(-9, "order.placed", "ORDER_LINE:1")
PACKED = at(3, "wh.packed", "LOT:1", hu_id="P", children=())
SHIPPED = at(10, "wh.dispatched", "HANDLING_UNIT:P", "ORDER_LINE:1", hu_ids=("P",))
"""It names units only, as EPCIS events do."""


def is_shipped(found: twin.Twin, unit: str = "P") -> bool:
    """Whether line and unit left, or neither and there is one exception, on the unit."""
    line, box = one(found, "ORDER_LINE:1"), one(found, f"HANDLING_UNIT:{unit}")
    told = [problem.code for problem in box.value.exceptions]
    here = (line.state, "DISPATCHED" in box.codes, told)
    assert here in (("SHIPPED", True, []), ("PLACED", False, ["LOT_PLEDGED"]))
    return here[0] == "SHIPPED"


def test_units_of_a_pledged_lot_stay() -> None:
    """A dispatch that names a unit packed from the lot ships no line and no unit while the lot is
    pledged, whatever comes first; it is one exception.
    """
    free = (PLACED, RECEIVED, ISSUED, PACKED, SHIPPED)
    assert is_shipped(any_order(*free))
    assert not is_shipped(any_order(*free, PLEDGED))
    assert is_shipped(any_order(*free, PLEDGED, receipt(7, "UNPLEDGE")))
    assert is_shipped(any_order(*free, receipt(11, "PLEDGE")))
    assert not is_shipped(any_order(*free, receipt(12, "PLEDGE", time_precision="DAY")))
    assert codes(any_order(*free, PLEDGED)) == []


def test_units_stay_on_a_date_without_a_time() -> None:
    """The dispatch of a date comes after a pledge of that date."""
    shipped = at(2, "wh.dispatched", "HANDLING_UNIT:P", "ORDER_LINE:1", hu_ids=("P",),
                 time_precision="DAY")  # fmt: skip
    assert not is_shipped(any_order(PLACED, RECEIVED, ISSUED, PACKED, shipped, PLEDGED))


def test_a_lot_and_its_unit_are_refused_once() -> None:
    """A dispatch of the lot that names its unit, too, is one exception, on the lot; when the lot
    was not pledged after all, both leave.
    """
    both = out(10, hu_ids=("P",), refs=("ORDER_LINE:1",))
    facts = (PLACED, RECEIVED, ISSUED, PACKED, both)
    held = any_order(*facts, PLEDGED)
    assert (codes(held), codes(held, "HANDLING_UNIT:P")) == (["LOT_PLEDGED"], [])
    assert one(held, "ORDER_LINE:1").state == "PLACED"
    assert is_shipped(any_order(*facts, PLEDGED, receipt(7, "UNPLEDGE")))


@pytest.mark.parametrize("gone", [PACKED, ISSUED, PLEDGED], ids=["packed", "issued", "pledged"])
def test_units_leave_when_what_bound_them_is_taken_back(gone: Event) -> None:
    """Retracted, the packing, the link of the receipt or the pledge binds nothing."""
    lot = (PLACED, RECEIVED, ISSUED, PACKED, PLEDGED, SHIPPED)
    back = w.make(
        gone.event_type, f"{gone.subject_type}:{gone.subject_id}", event_id="back", revision=2,
        event_time=gone.event_time, correction_action="RETRACT", correction_event_id=gone.event_id,
        **({"hu_id": "P"} if gone is PACKED else {"wr_id": "R"}),
    )  # fmt: skip
    assert is_shipped(any_order(*lot, back))


def test_a_unit_in_a_unit_of_a_pledged_lot_stays() -> None:
    """Packed from the lot as P, P into Q and Q into a third: none leaves, whatever is told first;
    what was packed from elsewhere into Q is free.
    """
    nested = at(4, "wh.packed", "HANDLING_UNIT:Q", hu_id="Q", children=("P", "R"))
    outer = at(4, "wh.packed", "HANDLING_UNIT:Q", hu_id="Z", children=(), event_id="outer")
    facts = (PLACED, RECEIVED, ISSUED, PACKED, nested, outer)
    for unit in "QZR":
        shipped = at(10, "wh.dispatched", f"HANDLING_UNIT:{unit}", "ORDER_LINE:1", hu_ids=(unit,))
        assert is_shipped(any_order(*facts, shipped), unit)
        assert is_shipped(any_order(*facts, PLEDGED, shipped), unit) == (unit == "R")
    shipped = at(10, "wh.dispatched", "HANDLING_UNIT:Q", "ORDER_LINE:1", hu_ids=("Q",))
    back = at(20, "wh.packed", "HANDLING_UNIT:Q", hu_id="Q", children=("P", "R"), revision=2,
              correction_action="RETRACT", correction_event_id=nested.event_id)  # fmt: skip
    assert is_shipped(any_order(*facts, PLEDGED, shipped, back), "Q")


def test_units_that_are_packed_in_a_circle_stay_too() -> None:
    """P in Q and Q in P, which nobody can have packed: both are kept, and the fold ends."""
    one_way = at(4, "wh.packed", "HANDLING_UNIT:Q", hu_id="Q", children=("P",))
    other = at(5, "wh.packed", "HANDLING_UNIT:P", hu_id="P", children=("Q",))
    shipped = at(10, "wh.dispatched", "HANDLING_UNIT:Q", "ORDER_LINE:1", hu_ids=("Q",))
    facts = (PLACED, RECEIVED, ISSUED, PACKED, one_way, other, shipped)
    assert not is_shipped(any_order(*facts, PLEDGED), "Q")


def kept_by_hand(found: twin.Twin) -> dict[str, int]:
    """Unit -> how many pledges keep it: of lots that it, or what was packed into it, is linked
    with.
    """
    into = dict[str, set[str]]()
    for slot in found.facts.slots.values():
        event = None if slot.effective is None else slot.effective.event
        if isinstance(event, WarehousePacked) and event.classifier == "ACTUAL":
            inner = into.setdefault(event.hu_id, set())
            inner |= {key.subject_id for key in twin.reached_by(event) if "UNIT" in key[0]}
    kept = dict[str, int]()
    for unit in (key.subject_id for key in found.subjects if "UNIT" in key[0]):
        inside = {unit}
        for _ in into:
            inside |= {one for outer in inside for one in into.get(outer, ())}
        linked = {
            key for one in inside if (box := twin.subject(found, "HANDLING_UNIT", one)) is not None
            for key in box.links if key.subject_type == "LOT"
        }  # fmt: skip
        kept[unit] = sum(found.subjects[key].value.pledges for key in linked)
    return kept


@pytest.mark.parametrize("seed", range(80))
def test_a_unit_is_kept_by_every_pledge_of_its_goods(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In random streams, late, corrected and in contradiction, as counted by hand."""
    often = ("wh.packed", "wh.dispatched", "wh.warehouse_receipt", "wh.warehouse_receipt")
    monkeypatch.setattr(w, "OFTEN", often)
    kinds = {*often, "shipment.sensor"}
    monkeypatch.setattr(w, "EVENT_TYPES", {kind: w.EVENT_TYPES[kind] for kind in sorted(kinds)})
    random, found = Random(seed), twin.EMPTY
    for told in next(w.orders(random, w.stream(random, "C"))):
        found = twin.take(found, w.item(told.event, told.arrival)).twin
    known = {
        key.subject_id: subject.value.pledges
        for key, subject in found.subjects.items() if "UNIT" in key.subject_type
    }  # fmt: skip
    assert known == kept_by_hand(found)
