"""Subjects that an event names in its payload: trips, legs, lots, handling units, warehouse
receipts.

They are reached as if they stood in its `refs`. A leg is named by its number and the consignment
that the event is about, unless the event names a leg itself; so it is with the lot of a receipt, of
its reversal and of a dispatch. A child is a handling unit unless it says another type
(``ORDER_LINE:7``).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from supplytwin.schemas.events import SUBJECT_TYPES, Event
from supplytwin.schemas.machines import CONSIGNMENT, LEG, LOT, TITLE, TRIP, UNIT
from supplytwin.schemas.trips import leg_id

Named = tuple[str, ...]
_OF_CONSIGNMENT, _OF_LEG, _OF_LOT = f"{CONSIGNMENT}:", f"{LEG}:", f"{LOT}:"


def _trip(event: Any) -> Named:
    return () if event.trip_id is None else (f"{TRIP}:{event.trip_id}",)


def _units(children: Iterable[str]) -> Iterator[str]:
    for child in children:
        typed = child.partition(":")[0] in SUBJECT_TYPES
        yield child if typed else f"{UNIT}:{child}"


def _filled(event: Any) -> Named:
    return (*_trip(event), *_units(event.children))


def _packed(event: Any) -> Named:
    return (f"{UNIT}:{event.hu_id}", *_units(event.children))


def _lot(event: Any) -> Named:
    if event.lot_id is None or event.subject_type == LOT:
        return ()
    told = any(ref.startswith(_OF_LOT) for ref in event.refs)
    return () if told else (f"{_OF_LOT}{event.lot_id}",)


def _dispatched(event: Any) -> Named:
    return (*_units(event.hu_ids), *_lot(event))


def _receipt(event: Any) -> Named:
    return (f"{TITLE}:{event.wr_id}",)


def _travelling(event: Event) -> list[str]:
    """The consignments whose legs the event names by their numbers."""
    if event.subject_type == LEG or any(ref.startswith(_OF_LEG) for ref in event.refs):
        return []
    found = [ref[len(_OF_CONSIGNMENT) :] for ref in event.refs if ref.startswith(_OF_CONSIGNMENT)]
    if event.subject_type == CONSIGNMENT:
        found.append(event.subject_id)
    return found


def booked_legs(event: Event) -> int:
    """How many legs a booking names: each of its legs for each of its consignments."""
    legs: tuple[str, ...] = getattr(event, "legs", ())
    return len(legs) and len(legs) * len(_travelling(event))


def _legs(event: Event, numbers: Iterable[int]) -> Named:
    found = _travelling(event)
    return tuple(f"{LEG}:{leg_id(name, number)}" for name in found for number in numbers)


def _leg(event: Any) -> Named:
    return () if event.leg_no is None else _legs(event, (event.leg_no,))


def _booked(event: Any) -> Named:
    return _legs(event, [int(leg.partition(";")[0]) for leg in event.legs])


def _moved(event: Any) -> Named:
    return (*_trip(event), *_leg(event))


NAMED: dict[str, Callable[[Any], Named]] = {
    "shipment.booked": _booked,
    "shipment.stuffed": _filled,
    "shipment.sealed": _trip,
    "shipment.gate_in": _trip,
    "shipment.gate_out": _trip,
    "shipment.loaded": _moved,
    "shipment.departed": _leg,
    "shipment.arrived": _leg,
    "shipment.discharged": _moved,
    "shipment.available": _trip,
    "shipment.unavailable": _trip,
    "shipment.stripped": _filled,
    "shipment.empty_returned": _trip,
    "shipment.energy": _leg,
    "shipment.footprint": _leg,
    "wh.received": _lot,
    "wh.receipt_reversed": _lot,
    "wh.packed": _packed,
    "wh.dispatched": _dispatched,
    "wh.warehouse_receipt": _receipt,
}
"""Event type -> the subjects that its payload names, as refs."""
