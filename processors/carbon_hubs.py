"""The hubs of a consignment: what its goods entered and left, between its legs and at both ends.

Told by gates of its containers and by warehouses. The rule stands in docs/carbon.md, "Hubs entered
and left".
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from supplytwin.processors.carbon_consignment import Weight
from supplytwin.processors.carbon_places import Spot, is_same, told_spot
from supplytwin.processors.passages import Passage
from supplytwin.processors.subjects import Subject
from supplytwin.processors.twin import Twin, subject
from supplytwin.schemas.calculation import Container, Missing, Tce
from supplytwin.schemas.machines import TRIP

TERMINAL, TRANSSHIPMENT = "MaritimeContainerTerminal", "Transshipment"
WAREHOUSE = "Warehouse"
UNPLACED_MOST = 20
"""So many places are named: a record has to stay small."""


class Stop(Struct, frozen=True, kw_only=True, gc=False):
    """What is told where legs meet, or where the way begins or ends."""

    told: tuple[Passage, ...]
    makes: tuple[Passage, ...]
    """Those that make a hub there: at the beginning goods that came in, at the end that went on."""

    @property
    def has_gate(self) -> bool:
        return any(not one.is_warehouse for one in self.makes)

    @property
    def has_warehouse(self) -> bool:
        return any(one.is_warehouse for one in self.makes)

    @property
    def days(self) -> frozenset[int]:
        """Local dates of what is told at its hubs."""
        return frozenset(one.day for one in self.told) if self.makes else frozenset()


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


def passed(twin: Twin, here: Subject) -> list[Passage]:
    """The gates of its containers and the warehouses that name it, each place once a day."""
    found = {*here.passages}
    for key in here.links:
        trip = subject(twin, *key) if key.subject_type == TRIP else None
        if trip is not None:
            found.update(trip.passages)
    return list(found)


# ---- where that is


def stops(
    points: Sequence[Sequence[Spot | None]], passages: Sequence[Passage]
) -> tuple[list[Stop], list[Missing]]:
    """(a stop for each point of the way, what makes a hub that is at none of them).

    A point is where the way begins, where two legs meet, or where it ends: as its legs name it.
    """
    if not passages:
        return [Stop(told=(), makes=())] * len(points), []
    last = len(points) - 1
    found: list[list[Passage]] = [[] for _ in points]
    elsewhere: list[tuple[Passage, Spot]] = []
    unplaced = set[str]()
    for one in passages:
        spot = told_spot(one.unlocode, one.facility, one.position)
        assert spot is not None
        at = [n for n, spots in enumerate(points) if _is_at(spot, spots)]
        at = [n for n in at if 0 < n < last] or at
        if not at:
            elsewhere.append((one, spot))
        elif at == [0, last]:
            unplaced.add(spot.name)
        else:
            for point in at:
                found[point].append(one)
    unplaced.update(_through(elsewhere))
    return (
        [_stop(told, point, last) for point, told in enumerate(found)],
        [Missing(code="HUB_UNPLACED", says=name) for name in sorted(unplaced)[:UNPLACED_MOST]],
    )


def _stop(told: Sequence[Passage], point: int, last: int) -> Stop:
    inside = 0 < point < last
    makes = [one for one in told if inside or one.is_entry == (point == 0)]
    return Stop(told=tuple(told), makes=tuple(makes))


def _is_at(spot: Spot, spots: Iterable[Spot | None]) -> bool:
    return any(other is not None and is_same(spot, other) for other in spots)


def _through(elsewhere: Iterable[tuple[Passage, Spot]]) -> Iterator[str]:
    """Places that goods are told to have both entered and left, by the same kind of fact."""
    ways: dict[tuple[bool, bool], list[Spot]] = {}
    for one, spot in elsewhere:
        ways.setdefault((one.is_warehouse, one.is_entry), []).append(spot)
    for is_warehouse in (False, True):
        came, went = ways.get((is_warehouse, True), []), ways.get((is_warehouse, False), [])
        by_position = {spot.position for spot in went}
        by_name = {spot.name for spot in went}
        nowhere = {spot.name for spot in went if spot.position is None}
        for spot in came:
            if spot.position is None:
                same = spot.name in by_name
            else:
                same = spot.position in by_position or spot.name in nowhere
            if same:
                yield spot.name


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
