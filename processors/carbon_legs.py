"""The legs of a consignment and its hubs as elements of its transport chain."""

import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import passages
from supplytwin.processors.carbon_consignment import (
    Weight,
    all_delivered,
    deliveries,
    is_shared,
    is_temperature_controlled,
    mass_of,
    stuffed_mass,
)
from supplytwin.processors.carbon_factors import Shelf
from supplytwin.processors.carbon_hubs import Side, Stop, hub_element, hubs_at, passed, stops
from supplytwin.processors.carbon_own import Element, Masses, Own, homeless, names_a_leg, own
from supplytwin.processors.carbon_places import (
    Spot,
    Way,
    country_of,
    is_same,
    spot_of,
    told_spot,
    way,
)
from supplytwin.processors.slots import Identity
from supplytwin.processors.standing import Reached
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.processors.twin import Twin, subject
from supplytwin.schemas import places
from supplytwin.schemas.calculation import Missing, Tce
from supplytwin.schemas.events import Measurement
from supplytwin.schemas.machines import CONSIGNMENT, LEG, TRIP
from supplytwin.schemas.trips import leg_id

_GONE = frozenset(("CANCELLED", "OMITTED"))
"""Legs in these states carried nothing."""
_LAST = 2**62
_LOCODE = re.compile(r"[A-Z]{2}[A-Z2-9]{3}", re.ASCII)
_IMO = re.compile(r"(?:IMO:? ?)?(\d{7})", re.ASCII)
LEGS_MOST = 100
"""A record of more would not fit; no consignment travels so."""


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
    def is_told(self) -> bool:
        """Whether it is booked, or a departure or arrival tells of it."""
        return self.subject.value.route is not None or bool(self.left or self.came)

    @property
    def trips(self) -> frozenset[SubjectKey]:
        """The containers that it is linked with."""
        return frozenset(key for key in self.subject.links if key.subject_type == TRIP)


class Chain(Struct, frozen=True, kw_only=True, gc=False):
    """The elements of a consignment by its legs, and what is missing for them."""

    tces: tuple[Tce, ...]
    missing: tuple[Missing, ...]
    assumptions: tuple[str, ...]
    days: tuple[int, ...]
    """Local dates of departures and arrivals, in days since 1970."""


# ---- which legs there are


def legs_of(twin: Twin, here: Subject, consignment_id: str) -> list[Leg]:
    """Those that carried it or are to, in order: by number, then by the time of their facts.

    One that was only loaded, or whose booking came to nothing, is a leg beside others: that the
    way is not known whole. By itself it says less than a delivery.
    """
    found = []
    for key in here.links:
        leg = subject(twin, *key) if key.subject_type == LEG else None
        if leg is None or leg.value.state in (None, *_GONE):
            continue
        if not _is_of_another(key, leg, consignment_id):
            found.append(_leg(twin, key, leg))
    if not any(leg.is_told for leg in found):
        return []
    return sorted(found, key=lambda one: _order(one, consignment_id))


def _is_of_another(key: SubjectKey, leg: Subject, consignment_id: str) -> bool:
    """Whether it is a numbered leg of another consignment, which a fact about both has named."""
    name, _, number = key.subject_id.rpartition("/")
    other = SubjectKey(CONSIGNMENT, name)
    return number.isdecimal() and name != consignment_id and other in leg.links


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
    leaves, comes = _spot(twin, left, start), _spot(twin, came, end)
    booked = (leaves, spot_of(start)), (comes, spot_of(end))
    as_booked = all(told is None or plan is None or is_same(told, plan) for told, plan in booked)
    return Leg(
        key=key,
        subject=leg,
        mode=mode or None,
        start=leaves,
        end=comes,
        left=left,
        came=came,
        booked_km=Decimal(distance[0]) if distance and as_booked else None,
        booked_basis=distance[1] if distance else None,  # type: ignore[arg-type]
        assumptions=tuple(said),
    )


def _is_imo(vehicle: str) -> bool:
    """Whether it is the number of a ship, with its check digit."""
    found = _IMO.fullmatch(vehicle.strip().upper())
    if found is None:
        return False
    digits = [int(digit) for digit in found[1]]
    return (
        digits[0] > 0
        and sum(digit * (7 - at) for at, digit in enumerate(digits[:6])) % 10 == digits[6]
    )


def _spot(twin: Twin, told: Reached | None, booked: str) -> Spot | None:
    """Where it left or came to, by the fact; by the booking where there is none, or it names no
    place.
    """
    if told is not None:
        found = told_spot(told.unlocode, told.facility, None)
        if found is None or found.position is None:
            found = told_spot(told.unlocode, told.facility, _position(twin, told))
        if found is not None:
            return found
    return spot_of(booked)


def _position(twin: Twin, told: Reached) -> places.Position | None:
    """That a report tells itself."""
    slot = twin.facts.slots.get(Identity(told.source, told.event_id))
    event = None if slot is None or slot.effective is None else slot.effective.contents[0]
    return None if event is None else passages.position_of(event)


# ---- elements


def chain_of(
    twin: Twin,
    here: Subject,
    consignment_id: str,
    legs: Sequence[Leg],
    shelf: Shelf,
    masses: Masses,
) -> Chain:
    """An element for each leg, and the hubs that the goods entered and left."""
    if len(legs) > LEGS_MOST:
        says = f"{len(legs)} legs are told, at most {LEGS_MOST} are computed"
        too_many = (Missing(code="TOO_MANY_LEGS", says=says),)
        return Chain(tces=(), missing=too_many, assumptions=(), days=())
    whole = mass_of(twin, here)
    all_trips = frozenset(key for key in here.links if key.subject_type == TRIP)
    alone, kept = kept_with(twin, here, legs, all_trips)
    known = {(one.source, one.event_id) for leg in legs for one in leg.subject.measured}
    loose = [one for one in here.measured if (one.source, one.event_id) not in known]
    placed, unplaced = _placed(loose, legs)
    done = all_delivered(twin, here, deliveries(here))
    own_key = SubjectKey(CONSIGNMENT, consignment_id)
    inner = [(before.end, after.start) for before, after in pairwise(legs)]
    points = [(legs[0].start,), *inner, (legs[-1].end,)]
    halts, missing = stops(points, passed(twin, here))
    tces: list[Tce] = []
    weights = [_weight(twin, here, leg, whole, all_trips) for leg in legs]
    for at, (leg, weight) in enumerate(zip(legs, weights, strict=True)):
        before = legs[at - 1] if at else None
        missing += _gap(before, leg)
        tces += _hubs(halts[at], before, leg, weight, all_trips, alone=alone)
        if leg.mode is None:
            missing.append(Missing(code="MODE_UNKNOWN", says=f"leg {leg.name}"))
            continue
        element = Element(key=own_key, leg=leg.subject, kg=weight.kg, country=country_of(leg.start))
        told = own(masses, element, [*leg.subject.measured, *placed.get(leg.name, ())], shelf)
        way = _way(leg)
        missing += way.missing
        tces.append(_carried(leg, weight, way, told))
    tces += _hubs(halts[-1], legs[-1], None, weights[-1], all_trips, alone=alone)
    missing += {one: None for weight in weights for one in weight.missing}
    moved = (one.day for leg in legs for one in (leg.left, leg.came) if one is not None)
    return Chain(
        tces=in_a_row(tces, consignment_id, kept, is_done=done),
        missing=tuple(missing),
        assumptions=unplaced,
        days=tuple({*moved, *(day for halt in halts for day in halt.days)}),
    )


def in_a_row(
    tces: Iterable[Tce],
    consignment_id: str,
    kept: Literal["refrigerated"] | None,
    *,
    is_done: bool,
) -> tuple[Tce, ...]:
    """The elements of one consignment, each behind the one before; none is a plan once all that is
    to be delivered is (`is_done`).
    """
    made: list[Tce] = []
    for one in tces:
        made.append(
            replace(
                one,
                prev_tce_ids=(made[-1].tce_id,) if made else (),
                consignment_id=consignment_id,
                temperature_control=kept,
                planned=one.planned and not is_done,
            )
        )
    return tuple(made)


def _carried(leg: Leg, weight: Weight, way: Way, told: Own) -> Tce:
    return Tce(
        tce_id=leg.name,
        mode=leg.mode,  # type: ignore[arg-type]
        mass_kg=weight.kg,
        distance_km=way.km,
        distance_basis=way.basis,
        energy=told.energy,
        supplied=told.supplied,
        planned=leg.left is None and leg.came is None,
        assumptions=(*leg.assumptions, *_how(weight, way), *told.assumptions),
        from_place=None if leg.start is None else leg.start.name,
        to_place=None if leg.end is None else leg.end.name,
    )


def kept_with(
    twin: Twin, here: Subject, legs: Sequence[Leg], trips: Iterable[SubjectKey]
) -> tuple[bool, Literal["refrigerated"] | None]:
    """(whether nobody else's goods are in its containers, its temperature control)."""
    known = [one for one in (subject(twin, *key) for key in trips) if one is not None]
    alone = not any(is_shared(twin, here, trip) for trip in known)
    parts = [*(leg.subject for leg in legs), *known]
    return alone, "refrigerated" if is_temperature_controlled(here, parts) else None


def _how(weight: Weight, way: Way) -> Iterator[str]:
    if way.how is not None:
        yield f"DISTANCE: {way.how}"
    if weight.how is not None and weight.how != "as delivered":
        yield f"MASS: {weight.how}"


def _weight(
    twin: Twin, here: Subject, leg: Leg, whole: Weight, all_trips: frozenset[SubjectKey]
) -> Weight:
    """What a leg carries: all of it, or what is in those of its containers that the leg names."""
    trips = leg.trips & all_trips
    return stuffed_mass(twin, here, trips) if trips and trips != all_trips else whole


def _way(leg: Leg) -> Way:
    """As it was booked, where it went as booked; else see `carbon_places.way`."""
    if leg.booked_km is not None:
        return Way(km=leg.booked_km, basis=leg.booked_basis, how="as booked")
    nowhere = Spot(name="", position=None)
    return way(leg.mode, leg.start or nowhere, leg.end or nowhere, f"leg {leg.name}: ")


def _gap(before: Leg | None, leg: Leg) -> Iterator[Missing]:
    """A leg that begins elsewhere than the one before it ended."""
    if before is None or before.end is None or leg.start is None:
        return
    if not is_same(before.end, leg.start):
        says = f"{before.name} ends in {before.end.name}, {leg.name} begins in {leg.start.name}"
        yield Missing(code="GAP", says=says)


def _hubs(
    halt: Stop,
    before: Leg | None,
    after: Leg | None,
    weight: Weight,
    trips: frozenset[SubjectKey],
    *,
    alone: bool,
) -> Iterator[Tce]:
    """The hubs between two legs, or at an end of the way. Containers count where no other
    consignment is in them (`alone`).
    """
    if not halt.makes and (before is None or after is None):
        return
    where = (before and before.end) or (after and after.start)
    happened = halt.told or (before and before.came) or (after and after.left)
    for hub in hubs_at(halt, _side(before, trips), _side(after, trips)):
        place = where.name if where else None
        yield hub_element(hub, weight, place, planned=not happened, alone=alone)


def _side(leg: Leg | None, trips: frozenset[SubjectKey]) -> Side | None:
    if leg is None:
        return None
    return Side(name=leg.name, mode=leg.mode, containers=len(leg.trips & trips) or len(trips))


# ---- what was measured


def _placed(
    loose: Sequence[Measurement], legs: Sequence[Leg]
) -> tuple[dict[str, list[Measurement]], tuple[str, ...]]:
    """(what names no leg, by the leg that it is of: the only one, or the only one of the vehicle;
    what is said of the rest).
    """
    by_vehicle: dict[str | None, list[Leg]] = {}
    for leg in legs:
        by_vehicle.setdefault(leg.subject.value.bound, []).append(leg)
    placed: dict[str, list[Measurement]] = {}
    rest = []
    for event in loose:
        found = legs if event.vehicle_id is None else by_vehicle.get(event.vehicle_id, ())
        if len(found) == 1 and not names_a_leg(event):
            placed.setdefault(found[0].name, []).append(event)
        else:
            rest.append(event)
    return placed, homeless(rest)
