"""The legs of a consignment and the hubs between them as elements of its transport chain."""

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.carbon_consignment import (
    Own,
    Weight,
    all_delivered,
    consignments,
    deliveries,
    is_temperature_controlled,
    mass_of,
    own,
    stuffed_mass,
)
from supplytwin.processors.carbon_factors import Shelf
from supplytwin.processors.carbon_parts import summed
from supplytwin.processors.slots import Identity
from supplytwin.processors.standing import Reached
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.processors.twin import Twin, subject
from supplytwin.schemas import places, sea
from supplytwin.schemas.calculation import (
    Allocation,
    Container,
    Missing,
    Tce,
)
from supplytwin.schemas.events import Measurement, ShipmentEnergy
from supplytwin.schemas.machines import CONSIGNMENT, LEG, TRIP
from supplytwin.schemas.trips import leg_id

_GONE = frozenset(("CANCELLED", "OMITTED"))
"""Legs in these states carried nothing."""
_LAST = 2**62
_LOCODE = re.compile(r"[A-Z]{2}[A-Z2-9]{3}", re.ASCII)
_IMO = re.compile(r"(?:IMO:? ?)?(\d{7})", re.ASCII)
TERMINAL, TRANSSHIPMENT = "MaritimeContainerTerminal", "Transshipment"


class Spot(Struct, frozen=True, kw_only=True, gc=False):
    """A place as it is named, and where it is if that is known."""

    name: str
    position: places.Position | None


class Leg(Struct, frozen=True, kw_only=True, gc=False):
    """One leg as its facts, or else its booking, tell it."""

    key: SubjectKey
    subject: Subject
    mode: str | None
    start: Spot | None
    end: Spot | None
    left: Reached | None
    came: Reached | None
    booked_km: Decimal | None
    booked_basis: Literal["GCD", "SFD", "ACTUAL"] | None
    assumptions: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.key.subject_id

    @property
    def trips(self) -> frozenset[SubjectKey]:
        """The containers that it is linked with."""
        return frozenset(key for key in self.subject.links if key.subject_type == TRIP)


class Way(Struct, frozen=True, kw_only=True, gc=False):
    """A distance, its kind and how it is known; or what is missing for it."""

    km: Decimal | None = None
    basis: Literal["GCD", "SFD", "ACTUAL"] | None = None
    how: str | None = None
    missing: tuple[Missing, ...] = ()


class Chain(Struct, frozen=True, kw_only=True, gc=False):
    """The elements of a consignment by its legs, and what is missing for them."""

    tces: tuple[Tce, ...]
    missing: tuple[Missing, ...]
    assumptions: tuple[str, ...]
    days: tuple[int, ...]
    """Local dates of departures and arrivals, in days since 1970."""


# ---- which legs there are


def legs_of(twin: Twin, here: Subject, consignment_id: str) -> list[Leg]:
    """Those that carried it or are to, in order: by number, then by the time of their facts."""
    found = []
    for key in here.links:
        if key.subject_type != LEG:
            continue
        leg = subject(twin, *key)
        if leg is not None and leg.value.state not in (None, *_GONE):
            found.append(_leg(twin, key, leg))
    return sorted(found, key=lambda one: _order(one, consignment_id))


def _order(leg: Leg, consignment_id: str) -> tuple[int, int, SubjectKey]:
    number = leg.name.rpartition("/")[2]
    numbered = number.isdecimal() and leg.name == leg_id(consignment_id, int(number))
    told = [one.event_time for one in (leg.left, leg.came) if one is not None]
    return int(number) if numbered else _LAST, min(told, default=_LAST), leg.key


def _leg(twin: Twin, key: SubjectKey, leg: Subject) -> Leg:
    value = leg.value
    left, came = value.milestones.get("DEPARTED"), value.milestones.get("ARRIVED")
    mode, start, end, *distance = [*(value.route or ";;").split(";")]
    said = []
    if not mode and value.bound is not None and _is_imo(value.bound):
        mode = "SEA"
        said.append(f"MODE_BY_VEHICLE: {value.bound} is the IMO number of a ship")
    return Leg(
        key=key,
        subject=leg,
        mode=mode or None,
        start=_spot(twin, left, start),
        end=_spot(twin, came, end),
        left=left,
        came=came,
        booked_km=Decimal(distance[0]) if distance else None,
        booked_basis=distance[1] if distance else None,  # type: ignore[arg-type]
        assumptions=tuple(said),
    )


def _is_imo(vehicle: str) -> bool:
    """Whether it is the number of a ship, with its check digit."""
    found = _IMO.fullmatch(vehicle.strip().upper())
    if found is None:
        return False
    digits = [int(digit) for digit in found[1]]
    return sum(digit * (7 - at) for at, digit in enumerate(digits[:6])) % 10 == digits[6]


def _spot(twin: Twin, told: Reached | None, booked: str) -> Spot | None:
    """Where it left or came to, by the fact; by the booking where there is none, or it names no
    place.
    """
    if told is not None:
        name = told.unlocode or told.facility
        if name is not None and name in places.positions():
            return Spot(name=name, position=places.positions()[name])
        slot = twin.facts.slots.get(Identity(told.source, told.event_id))
        event = None if slot is None or slot.effective is None else slot.effective.contents[0]
        if event is not None and event.lat is not None and event.lon is not None:
            position = event.lat, event.lon
            return Spot(name=name or f"{event.lat},{event.lon}", position=position)
        if name is not None:
            return Spot(name=name, position=None)
    return Spot(name=booked, position=places.positions().get(booked)) if booked else None


# ---- elements


def chain_of(
    twin: Twin, here: Subject, consignment_id: str, legs: Sequence[Leg], shelf: Shelf
) -> Chain:
    """An element for each leg, and a hub between each two."""
    whole = mass_of(twin, here)
    all_trips = frozenset(key for key in here.links if key.subject_type == TRIP)
    trips = [subject(twin, *key) for key in sorted(all_trips)]
    parts = [*(leg.subject for leg in legs), *(trip for trip in trips if trip is not None)]
    alone = all(trip is not None and consignments(trip) < 2 for trip in trips)
    chilled = is_temperature_controlled(here, parts)
    known = {(one.source, one.event_id) for leg in legs for one in leg.subject.measured}
    loose = [one for one in here.measured if (one.source, one.event_id) not in known]
    done = all_delivered(twin, here, deliveries(here))
    tces: list[Tce] = []
    missing: list[Missing] = []
    weights: list[Weight] = []
    for at, leg in enumerate(legs):
        weight = _weight(twin, leg, whole, all_trips)
        weights.append(weight)
        more = [event for event in loose if _is_of(event, leg, legs)]
        events = [*leg.subject.measured, *more]
        told = _own(twin, leg, consignment_id, events, weight, shelf)
        if at:
            before = legs[at - 1]
            hub, gap = _hub(before, leg, weight, tces, all_trips, consignment_id, alone=alone)
            tces.append(
                replace(
                    hub,
                    temperature_control="refrigerated" if chilled else None,
                    planned=hub.planned and not done,
                )
            )
            missing += gap
        if leg.mode is None:
            missing.append(Missing(code="MODE_UNKNOWN", says=f"leg {leg.name}"))
            continue
        way = _way(leg)
        missing += way.missing
        tces.append(
            Tce(
                tce_id=leg.name,
                prev_tce_ids=(tces[-1].tce_id,) if tces else (),
                consignment_id=consignment_id,
                mode=leg.mode,  # type: ignore[arg-type]
                mass_kg=weight.kg,
                distance_km=way.km,
                distance_basis=way.basis,
                energy=told.energy,
                supplied=told.supplied,
                temperature_control="refrigerated" if chilled else None,
                planned=leg.left is None and leg.came is None and not done,
                assumptions=(*leg.assumptions, *_how(weight, way), *told.assumptions),
                from_place=None if leg.start is None else leg.start.name,
                to_place=None if leg.end is None else leg.end.name,
            )
        )
    missing += {one: None for weight in weights for one in weight.missing}
    moved = (one for leg in legs for one in (leg.left, leg.came) if one is not None)
    return Chain(
        tces=tuple(tces),
        missing=tuple(missing),
        assumptions=tuple(_homeless(loose, legs)),
        days=tuple({one.day for one in moved}),
    )


def _how(weight: Weight, way: Way) -> Iterator[str]:
    if way.how is not None:
        yield f"DISTANCE: {way.how}"
    if weight.how is not None and weight.how != "as delivered":
        yield f"MASS: {weight.how}"


def _weight(twin: Twin, leg: Leg, whole: Weight, all_trips: frozenset[SubjectKey]) -> Weight:
    """What a leg carries: all of it, or what is in those of its containers that the leg names."""
    trips = leg.trips & all_trips
    return stuffed_mass(twin, trips) if trips and trips != all_trips else whole


def _way(leg: Leg) -> Way:
    """As booked, by sea from port to port, else great circle."""
    if leg.booked_km is not None:
        return Way(km=leg.booked_km, basis=leg.booked_basis, how="as booked")
    lacks = []
    for spot, what in ((leg.start, "start"), (leg.end, "end")):
        if spot is None or spot.position is None:
            name = "none" if spot is None else spot.name
            lacks.append(Missing(code="PLACE_UNKNOWN", says=f"leg {leg.name}: {what} {name}"))
    if lacks or leg.start is None or leg.end is None:
        return Way(missing=tuple(lacks))
    if leg.start.position == leg.end.position:
        says = f"leg {leg.name}: from and to {leg.start.name}"
        return Way(missing=(Missing(code="DISTANCE_UNKNOWN", says=says),))
    if leg.mode == "SEA":
        by_sea = sea.sea_km(leg.start.name, leg.end.name)
        if by_sea is not None:
            return Way(km=by_sea, basis="SFD", how=sea.SEA)
    assert leg.start.position is not None
    assert leg.end.position is not None
    km = places.great_circle_km(leg.start.position, leg.end.position)
    return Way(km=km, basis="GCD", how=places.GEODESIC)


def _hub(
    before: Leg,
    leg: Leg,
    weight: Weight,
    tces: Sequence[Tce],
    trips: frozenset[SubjectKey],
    consignment_id: str,
    *,
    alone: bool,
) -> tuple[Tce, list[Missing]]:
    """The hub between two legs, entered by the one and left by the other. Containers count where
    no other consignment is in them (`alone`).
    """
    terminal = bool(trips) and "SEA" in (before.mode, leg.mode)
    inside = len(leg.trips & trips) or len(trips)
    where = before.end or leg.start
    gap = []
    if before.end is not None and leg.start is not None and not _is_same(before.end, leg.start):
        says = f"{before.name} ends in {before.end.name}, {leg.name} begins in {leg.start.name}"
        gap.append(Missing(code="GAP", says=says))
    hub = Tce(
        tce_id=f"{before.name}+hub",
        prev_tce_ids=(tces[-1].tce_id,) if tces else (),
        consignment_id=consignment_id,
        hub_type=TERMINAL if terminal else TRANSSHIPMENT,
        mass_kg=weight.kg,
        containers=(Container(count=Decimal(inside)),) if terminal and alone else (),
        planned=before.came is None and leg.left is None,
        from_place=None if where is None else where.name,
        to_place=None if where is None else where.name,
    )
    return hub, gap


def _is_same(one: Spot, other: Spot) -> bool:
    if one.position is not None and other.position is not None:
        return one.position == other.position
    return one.name == other.name


# ---- energy


def _is_of(event: Measurement, leg: Leg, legs: Sequence[Leg]) -> bool:
    """Whether what names no leg is of this one: it is the only leg, or the only one of the
    vehicle.
    """
    if event.leg_no is not None:
        return False
    if event.vehicle_id is None:
        return len(legs) == 1
    return [one for one in legs if one.subject.value.bound == event.vehicle_id] == [leg]


def _homeless(loose: Iterable[Measurement], legs: Sequence[Leg]) -> Iterator[str]:
    """What somebody measured and that is of no leg that is known."""
    for event in loose:
        if not any(_is_of(event, leg, legs) for leg in legs):
            says = f"{event.source} {event.event_id} names no leg that is known: say leg_no"
            yield f"UNPLACED: {says}"


def _own(
    twin: Twin,
    leg: Leg,
    here: str,
    events: Sequence[Measurement],
    weight: Weight,
    shelf: Shelf,
) -> Own:
    """The consignment's own emissions on a leg. Where it carried several, energy is divided by
    mass, and what is stated has to name the consignment.
    """
    names = [key for key in leg.subject.links if key.subject_type == CONSIGNMENT]
    if len(names) > 1:
        events = [one for one in events if isinstance(one, ShipmentEnergy) or _names(one, here)]
    found = own(events, _country(leg.start), shelf)
    if not found.energy or len(names) < 2:
        return found
    masses = [_kg(twin, key) for key in names]
    known = [mass for mass in masses if mass is not None]
    said = list(found.assumptions)
    if len(known) < len(masses) or weight.kg is None:
        says = f"{leg.name} carried {len(names)} consignments, not all masses are known"
        return replace(found, energy=(), assumptions=(*said, f"ENERGY_UNUSED: {says}"))
    rule = Allocation(total_kg=summed(known))
    energy = tuple(replace(one, allocation=rule) for one in found.energy)
    said.append(f"ENERGY_ALLOCATED: by mass among {len(names)} consignments")
    return replace(found, energy=energy, assumptions=tuple(said))


def _names(event: Measurement, consignment_id: str) -> bool:
    own = event.subject_type == CONSIGNMENT and event.subject_id == consignment_id
    return own or f"{CONSIGNMENT}:{consignment_id}" in event.refs


def _country(spot: Spot | None) -> str | None:
    """Where electricity was drawn: the country of a place of the table, or of a UN/LOCODE."""
    if spot is None:
        return None
    known = places.table().get(spot.name)
    if known is not None:
        return known.country
    return spot.name[:2] if _LOCODE.fullmatch(spot.name) else None


def _kg(twin: Twin, key: SubjectKey) -> Decimal | None:
    one = subject(twin, *key)
    return None if one is None else mass_of(twin, one).kg
