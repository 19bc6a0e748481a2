"""Where goods and containers enter and leave places that handle them: gates and warehouses.

Kept by place and day, not by fact: a thousand cartons received at one door are one passage.
"""

from functools import cache
from typing import NamedTuple

from immutables import Map

from supplytwin.processors.consignment import exchange
from supplytwin.schemas.events import (
    WAREHOUSE,
    Event,
    ShipmentGateIn,
    ShipmentGateOut,
    WarehouseDispatched,
    WarehouseReceived,
)
from supplytwin.schemas.localtime import local_day
from supplytwin.schemas.machines import CONSIGNMENT, TRIP

Told = ShipmentGateIn | ShipmentGateOut | WarehouseReceived | WarehouseDispatched


class Passage(NamedTuple):
    """Goods went into a place or out of it."""

    is_warehouse: bool
    is_entry: bool
    unlocode: str | None
    facility: str | None
    position: tuple[float, float] | None
    day: int
    """Local date, in days since 1970."""


Passages = Map[Passage, int]
"""Of a trip its gates, of a consignment the warehouses that name it, with how many facts that count
tell it."""


@cache
def _teller(kind: type[Event]) -> str | None:
    """The type of subjects that remember it."""
    if kind not in Told.__args__:
        return None
    return CONSIGNMENT if kind.TOPIC == WAREHOUSE else TRIP


def remembers(subject_type: str, event: Event) -> bool:
    """Whether subjects of this type remember the event as a passage."""
    return _teller(type(event)) == subject_type


def changed(known: Passages, event: Event, count: int) -> Passages:
    """With a passage, or (`count` -1) without it. Empty containers carry nothing; what names no
    place says nothing.
    """
    one = _passage(event)
    if one is None:
        return known
    return exchange(known, None, one) if count > 0 else exchange(known, one, None)


def position_of(event: Event) -> tuple[float, float] | None:
    """That it tells, in degrees north and east."""
    return None if event.lat is None or event.lon is None else (event.lat, event.lon)


def _passage(event: Event) -> Passage | None:
    if getattr(event, "empty", False):
        return None
    position = position_of(event)
    if not event.unlocode and not event.facility and position is None:
        return None
    return Passage(
        is_warehouse=event.TOPIC == WAREHOUSE,
        is_entry=isinstance(event, ShipmentGateIn | WarehouseReceived),
        unlocode=event.unlocode,
        facility=event.facility,
        position=position,
        day=local_day(event.event_time, event.event_tz),
    )
