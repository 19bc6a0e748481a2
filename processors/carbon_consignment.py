"""What is known of a consignment as freight: mass, deliveries, measured energy, temperature.

Nothing is estimated: what cannot be had is named in `missing`, as ``CODE`` and what.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct

from supplytwin.processors.carbon_factors import Shelf
from supplytwin.processors.carbon_intensity import default_factors
from supplytwin.processors.carbon_parts import CONTEXT
from supplytwin.processors.consignment import CANCELLED
from supplytwin.processors.sensed import OPEN, Sensed, totals
from supplytwin.processors.singly import spelt
from supplytwin.processors.slots import Identity
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.processors.twin import Twin, subject
from supplytwin.schemas import places
from supplytwin.schemas.calculation import ElementEnergy, EnergyUnit, Missing, Supplied
from supplytwin.schemas.carriers import ELECTRICITY
from supplytwin.schemas.events import (
    SHIPMENTS,
    Event,
    Measurement,
    ShipmentDelivered,
    ShipmentEnergy,
    ShipmentFootprint,
    ShipmentStuffed,
)
from supplytwin.schemas.machines import CONSIGNMENT, LINE, TRIP
from supplytwin.schemas.priorities import grade

_UNITS: Mapping[str, EnergyUnit] = {
    **dict[str, EnergyUnit].fromkeys(("l", "litre", "litres", "liter", "liters"), "l"),
    "kg": "kg",
    "t": "t",
    "kwh": "kWh",
    "mj": "MJ",
}
Kept = TypeVar("Kept", bound=Event)
_TEMPERATURE = "temperature"


class Weight(Struct, frozen=True, kw_only=True, gc=False):
    """A mass and how it is known; None, with what is missing, where it is not."""

    kg: Decimal | None = None
    how: str | None = None
    missing: tuple[Missing, ...] = ()


# ---- deliveries


def deliveries(here: Subject) -> list[ShipmentDelivered]:
    """The deliveries that count, sorted: those of the lines; only when there are none, those of
    the consignment itself.
    """
    of_lines = [event for event in here.deliveries if event.subject_type == LINE]
    return of_lines or [event for event in here.deliveries if event.subject_type == CONSIGNMENT]


def all_delivered(twin: Twin, here: Subject, found: Sequence[ShipmentDelivered]) -> bool:
    """Whether every line that is not cancelled is; one delivery of the consignment is of all."""
    if not found or found[0].subject_type == CONSIGNMENT:
        return bool(found)
    delivered = {event.subject_id for event in found}
    for key in here.links:
        if key.subject_type == LINE and key.subject_id not in delivered:
            line = subject(twin, *key)
            if line is None or line.value.state != CANCELLED:
                return False
    return True


def mode_of(found: Sequence[ShipmentDelivered]) -> tuple[str | None, tuple[Missing, ...]]:
    """The one mode that all deliveries name."""
    modes = sorted({event.mode or "" for event in found})
    if len(modes) == 1 and modes[0]:
        return modes[0], ()
    said = ", ".join(mode or "none" for mode in modes)
    return None, (Missing(code="MODE_UNKNOWN", says=said),)


def ends_of(
    found: Sequence[ShipmentDelivered],
) -> tuple[tuple[places.Place, places.Place] | None, tuple[Missing, ...]]:
    """Where it came from and where it went, when each is one known place."""
    known = places.table()
    ends: list[places.Place | None] = []
    missing: list[Missing] = []
    for names, code in (
        (sorted({event.from_place or "" for event in found}), "MULTI_ORIGIN"),
        (sorted({event.to_place or "" for event in found}), "MULTI_DESTINATION"),
    ):
        unknown = [name for name in names if name not in known]
        spots = {known[name].geonames_id: known[name] for name in names if name in known}
        one = len(names) == 1 or (not unknown and len(spots) == 1)
        if not one:
            missing.append(Missing(code=code, says=f"{len(names)} places"))
        elif unknown:
            missing.append(Missing(code="PLACE_UNKNOWN", says=unknown[0] or "none"))
        ends.append(known[names[0]] if one and not unknown else None)
    start, end = ends
    if start is None or end is None:
        return None, tuple(missing)
    if start.geonames_id == end.geonames_id:
        return None, (Missing(code="DISTANCE_UNKNOWN", says=f"from and to {start.city}"),)
    return (start, end), ()


# ---- mass


def mass_of(twin: Twin, here: Subject) -> Weight:
    """By its deliveries, once every line is delivered and has a mass; until then, and where they do
    not say it, by what was stuffed for it alone.
    """
    stuffed = stuffed_mass(twin, [key for key in here.links if key.subject_type == TRIP])
    found = deliveries(here)
    if not all_delivered(twin, here, found):
        return stuffed
    delivered = delivered_mass(found)
    return delivered if delivered.kg is not None or stuffed.kg is None else stuffed


def delivered_mass(found: Sequence[ShipmentDelivered]) -> Weight:
    """Sum over the lines, once every line has one mass of its own or is included in one that has.

    Several deliveries of one line with a mass each may be parts or repeats: then it is unknown.
    """
    masses: dict[str, Decimal] = {}
    twice = set[str]()
    for event in found:
        if event.mass_kg is None or event.mass_kg <= 0:
            continue
        if event.subject_id in masses:
            twice.add(event.subject_id)
        masses[event.subject_id] = event.mass_kg
    unknown = sorted(
        {
            event.subject_id
            for event in found
            if event.subject_id in twice
            or (event.subject_id not in masses and event.mass_included_in not in masses)
        }
    )
    if unknown:
        what = found[0].subject_type
        return Weight(
            missing=tuple(Missing(code="MASS_UNKNOWN", says=f"{what} {name}") for name in unknown)
        )
    return Weight(kg=_sum(mass for _, mass in sorted(masses.items())), how="as delivered")


def stuffed_mass(twin: Twin, trips: Iterable[SubjectKey]) -> Weight:
    """Gross mass of the goods by what was stuffed into these containers. One that other
    consignments are in, too, is not divided.
    """
    masses: list[Decimal] = []
    for key in sorted(trips):
        trip = subject(twin, *key)
        gross = None if trip is None else _gross_kg(twin, trip)
        if trip is not None and consignments(trip) > 1:
            says = f"container trip {key.subject_id} has other consignments in it, too"
            return Weight(missing=(Missing(code="MASS_UNKNOWN", says=says),))
        if gross is None or gross <= 0:
            says = f"container trip {key.subject_id} was stuffed without a gross mass"
            return Weight(missing=(Missing(code="MASS_UNKNOWN", says=says),))
        masses.append(gross)
    if not masses:
        says = "neither a delivery nor a stuffed container says it"
        return Weight(missing=(Missing(code="MASS_UNKNOWN", says=says),))
    return Weight(kg=_sum(masses), how="gross mass as stuffed")


def _gross_kg(twin: Twin, trip: Subject) -> Decimal | None:
    """As the report of the stuffing says that stands."""
    reached = trip.value.milestones.get("STUFFED")
    if reached is None:
        return None
    slot = twin.facts.slots.get(Identity(reached.source, reached.event_id))
    event = None if slot is None or slot.effective is None else slot.effective.contents[0]
    return event.gross_kg if isinstance(event, ShipmentStuffed) else None


def consignments(one: Subject) -> int:
    """How many consignments a leg or container is of."""
    return sum(key.subject_type == CONSIGNMENT for key in one.links)


def _sum(masses: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for mass in masses:
        total = CONTEXT.add(total, mass)
    return total


# ---- its own emissions


class Own(Struct, frozen=True, kw_only=True, gc=False):
    """What is known of one element's own emissions, and what was taken for granted."""

    energy: tuple[ElementEnergy, ...] = ()
    supplied: Supplied | None = None
    assumptions: tuple[str, ...] = ()


def own(events: Sequence[Measurement], country: str | None, shelf: Shelf) -> Own:
    """Measured energy, and what its operator states; each of the best source that tells it."""
    if not events:
        return Own()
    amounts = [one for one in events if isinstance(one, ShipmentEnergy)]
    energy, said = _energy(amounts, country, shelf)
    stated = [one for one in events if isinstance(one, ShipmentFootprint)]
    supplied, more = _supplied(stated)
    return Own(energy=energy, supplied=supplied, assumptions=(*said, *more))


def _best(events: Sequence[Kept], what: str) -> tuple[list[Kept], list[str]]:
    """(the events of the source that is believed, who else tells it)."""
    ranked = sorted({(grade(SHIPMENTS, one.source, frozenset()), one.source) for one in events})
    if not ranked:
        return [], []
    source, others = ranked[0][1], [other for _, other in ranked[1:]]
    said = [f"{what}_SOURCE: {source} is taken, {other} tells of it, too" for other in others]
    return [one for one in events if one.source == source], said


def _energy(
    events: Sequence[ShipmentEnergy], country: str | None, shelf: Shelf
) -> tuple[tuple[ElementEnergy, ...], list[str]]:
    """All amounts or none: a part of the fuel would be less than was burnt."""
    taken, said = _best(events, "ENERGY")
    found = []
    for event in taken:
        one = _amount(event, country)
        if one is None or not default_factors(one, shelf).refs:
            what = f"{event.energy_qty} {event.energy_unit} of {event.energy_carrier}"
            says = f"no factor for {what} ({event.event_id}) in {shelf.named}"
            return (), [*said, f"ENERGY_UNUSED: {says}"]
        found.append(one)
    found.sort(key=lambda one: (one.carrier, one.unit, one.quantity))
    return tuple(found), said


def _supplied(events: Sequence[ShipmentFootprint]) -> tuple[Supplied | None, list[str]]:
    """The one footprint that its operator states; of several it is not known whose is which."""
    taken, said = _best(events, "FOOTPRINT")
    if not taken:
        return None, said
    if len(taken) > 1:
        names = ", ".join(one.event_id for one in taken)
        return None, [*said, f"FOOTPRINT_UNUSED: {len(taken)} are stated of one leg: {names}"]
    (event,) = taken
    stated = Supplied(
        co2e_wtw_kg=event.co2e_wtw_kg,
        co2e_ttw_kg=event.co2e_ttw_kg,
        primary_share=event.primary_share,
        source_id=event.source_id,
        spec=event.spec,
        transport_activity_tkm=event.activity_tkm,
    )
    return stated, said


def _amount(event: ShipmentEnergy, country: str | None) -> ElementEnergy | None:
    unit = _UNITS.get(event.energy_unit.lower())
    if unit is None or event.energy_qty < 0:
        return None
    electric = event.energy_carrier.lower() == ELECTRICITY
    return ElementEnergy(
        carrier=event.energy_carrier,
        quantity=event.energy_qty,
        unit=unit,
        country=country if electric else None,
    )


# ---- temperature


def is_chilled(sensed: Sensed) -> bool:
    """Whether a range of temperature is agreed for it: by its booking, or with its readings."""
    for key in sensed.limits:
        if spelt(key[0]) == _TEMPERATURE:
            return True
    if not any(spelt(key.metric) == _TEMPERATURE for key in sensed.series):
        return False
    return any(
        spelt(key.metric) == _TEMPERATURE and block.last[2:] != OPEN
        for key, block in totals(sensed)
    )


def is_temperature_controlled(here: Subject, parts: Iterable[Subject]) -> bool:
    """Whether it, or a leg or container of it, has to stay within a range of temperature."""
    booked = any(spelt(limit.partition(";")[0]) == _TEMPERATURE for limit in here.value.limits)
    return booked or any(is_chilled(one.sensed) for one in (here, *parts))
