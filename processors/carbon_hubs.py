"""The hubs of a consignment: what its goods entered and left, between its legs and at both ends.

Told by gates of its containers and by warehouses. The rule stands in docs/carbon.md, "Hubs entered
and left".
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from supplytwin.processors.carbon_consignment import Weight
from supplytwin.processors.carbon_places import Spot, is_same, position_of, told_spot
from supplytwin.processors.subjects import Subject
from supplytwin.processors.twin import Twin, subject
from supplytwin.schemas.calculation import Container, Missing, Tce
from supplytwin.schemas.events import (
    Passage,
    ShipmentGateIn,
    ShipmentGateOut,
    WarehouseDispatched,
    WarehouseReceived,
)
from supplytwin.schemas.localtime import local_day
from supplytwin.schemas.machines import TRIP

TERMINAL, TRANSSHIPMENT = "MaritimeContainerTerminal", "Transshipment"
WAREHOUSE = "Warehouse"
UNPLACED_MOST = 20
"""So many places are named: a record has to stay small."""


class Passed(Struct, frozen=True, kw_only=True, gc=False):
    """A gate or a warehouse that goods passed."""

    spot: Spot
    is_warehouse: bool
    is_entry: bool
    day: int
    """Local date, in days since 1970."""


class Stop(Struct, frozen=True, kw_only=True, gc=False):
    """What is told where a leg begins or ends, as far as it makes hubs there."""

    told: tuple[Passed, ...] = ()

    @property
    def has_gate(self) -> bool:
        return any(not one.is_warehouse for one in self.told)

    @property
    def has_warehouse(self) -> bool:
        return any(one.is_warehouse for one in self.told)


class Side(Struct, frozen=True, kw_only=True, gc=False):
    """The leg on one side of a hub, and in how many containers the goods travel on it."""

    name: str
    mode: str | None
    containers: int


class Hub(NamedTuple):
    hub_id: str
    hub_type: str
    containers: int
    """That a terminal handles; 0 = the goods are in none."""


# ---- what is told


def passed(twin: Twin, here: Subject) -> list[Passed]:
    """The gates of its containers and the warehouses that name it, where they name a place."""
    found = [*here.passages]
    for key in here.links:
        trip = subject(twin, *key) if key.subject_type == TRIP else None
        if trip is not None:
            found += trip.passages
    return [one for one in map(_passed, found) if one is not None]


def _passed(event: Passage) -> Passed | None:
    if isinstance(event, ShipmentGateIn | ShipmentGateOut) and event.empty:
        return None
    spot = told_spot(event.unlocode, event.facility, position_of(event))
    if spot is None:
        return None
    return Passed(
        spot=spot,
        is_warehouse=isinstance(event, WarehouseReceived | WarehouseDispatched),
        is_entry=isinstance(event, ShipmentGateIn | WarehouseReceived),
        day=local_day(event.event_time, event.event_tz),
    )


# ---- where that is


def stops(
    points: Sequence[Sequence[Spot | None]], told: Iterable[Passed]
) -> tuple[list[Stop], list[Missing]]:
    """(a stop for each point of the way, what makes a hub that is at none of them).

    A point is where the way begins, where two legs meet, or where it ends: as its legs name it.
    """
    last = len(points) - 1
    found: list[list[Passed]] = [[] for _ in points]
    elsewhere: list[Passed] = []
    either: list[Passed] = []
    for one in told:
        at = [n for n, spots in enumerate(points) if _is_at(one.spot, spots)]
        if not at:
            elsewhere.append(one)
        elif at == [0, last]:
            either.append(one)
        else:
            for point in at:
                if point not in (0, last) or one.is_entry == (point == 0):
                    found[point].append(one)
    unplaced = [*either, *(one for one in elsewhere if _goes_on(one, elsewhere))]
    places = sorted({one.spot.name for one in unplaced})[:UNPLACED_MOST]
    return (
        [Stop(told=tuple(each)) for each in found],
        [Missing(code="HUB_UNPLACED", says=name) for name in places],
    )


def _is_at(spot: Spot, spots: Iterable[Spot | None]) -> bool:
    return any(other is not None and is_same(spot, other) for other in spots)


def _goes_on(one: Passed, others: Iterable[Passed]) -> bool:
    """Whether goods are told to have both entered and left there, by the same kind of fact."""
    return any(
        other.is_entry != one.is_entry
        and other.is_warehouse == one.is_warehouse
        and is_same(one.spot, other.spot)
        for other in others
    )


# ---- what hubs there are


def hubs_at(stop: Stop, before: Side | None, after: Side | None) -> Iterator[Hub]:
    """The hubs between two legs, or (None = no leg on that side) at an end of the way, in order."""
    side = after or before
    assert side is not None
    by_sea = "SEA" in {one.mode for one in (before, after) if one is not None}
    handled = (before is not None and after is not None) or stop.has_gate
    terminal = handled and by_sea and side.containers > 0
    kinds = [(TERMINAL, "hub")] if terminal else []
    if handled and not terminal and not stop.has_warehouse:
        kinds.append((TRANSSHIPMENT, "hub"))
    if stop.has_warehouse:
        landed = before is not None and before.mode == "SEA"
        kinds.insert(len(kinds) if landed else 0, (WAREHOUSE, "warehouse"))
    for hub_type, word in kinds:
        hub_id = f"{word}+{side.name}" if before is None else f"{before.name}+{word}"
        yield Hub(hub_id, hub_type, side.containers if hub_type == TERMINAL else 0)


def hub_element(hub: Hub, weight: Weight, place: str | None, *, planned: bool, alone: bool) -> Tce:
    """A hub as an element. Its containers count where no other consignment is in them (`alone`)."""
    count = hub.containers if alone else 0
    return Tce(
        tce_id=hub.hub_id,
        hub_type=hub.hub_type,
        mass_kg=weight.kg,
        containers=(Container(count=Decimal(count)),) if count else (),
        planned=planned,
        from_place=place,
        to_place=place,
    )
