"""What is known of a consignment as freight: mass, deliveries, measured energy, temperature.

Nothing is estimated: what cannot be had is named in `missing`, as ``CODE`` and what.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.carbon_parts import CONTEXT
from supplytwin.processors.consignment import CANCELLED
from supplytwin.processors.sensed import OPEN, Sensed, totals
from supplytwin.processors.singly import spelt
from supplytwin.processors.slots import Identity
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.processors.twin import Twin, subject
from supplytwin.schemas.calculation import Missing
from supplytwin.schemas.events import (
    ShipmentDelivered,
    ShipmentStuffed,
)
from supplytwin.schemas.machines import CONSIGNMENT, LINE, TRIP

NAMED_MOST = 20
"""So many lines without mass are named: a record has to stay small."""
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


def mode_of(found: Sequence[ShipmentDelivered]) -> tuple[str | None, list[Missing]]:
    """The one mode that all deliveries name."""
    modes = sorted({event.mode or "" for event in found})
    if len(modes) == 1 and modes[0]:
        return modes[0], []
    said = ", ".join(mode or "none" for mode in modes)
    return None, [Missing(code="MODE_UNKNOWN", says=said)]


# ---- mass


def mass_of(twin: Twin, here: Subject) -> Weight:
    """By its deliveries, once every line is delivered and has a mass; until then, and where they do
    not say it, by what was stuffed for it alone.
    """
    stuffed = stuffed_mass(twin, here, [key for key in here.links if key.subject_type == TRIP])
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
        named = [f"{what} {name}" for name in unknown[:NAMED_MOST]]
        if len(unknown) > NAMED_MOST:
            named.append(f"and of {len(unknown) - NAMED_MOST} more")
        return Weight(missing=tuple(Missing(code="MASS_UNKNOWN", says=one) for one in named))
    return Weight(kg=_sum(mass for _, mass in sorted(masses.items())), how="as delivered")


def stuffed_mass(twin: Twin, here: Subject, trips: Iterable[SubjectKey]) -> Weight:
    """Gross mass of the goods by what was stuffed into these containers. One that other
    consignments are in, too, is not divided.
    """
    masses: list[Decimal] = []
    for key in sorted(trips):
        trip = subject(twin, *key)
        gross = None if trip is None else _gross_kg(twin, trip)
        if trip is not None and is_shared(twin, here, trip):
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


def is_shared(twin: Twin, here: Subject, trip: Subject) -> bool:
    """Whether a container has goods of another consignment in it, too, or lines of one."""
    found = 0
    for key in trip.links:
        if key.subject_type == CONSIGNMENT:
            found += 1
        elif key.subject_type == LINE and key not in here.links:
            line = subject(twin, *key)
            found += line is not None and any(one.subject_type == CONSIGNMENT for one in line.links)
    return found > 1


def consignments(one: Subject) -> int:
    """How many consignments a leg or container is of."""
    return sum(key.subject_type == CONSIGNMENT for key in one.links)


def _sum(masses: Iterable[Decimal]) -> Decimal:
    total = Decimal(0)
    for mass in masses:
        total = CONTEXT.add(total, mass)
    return total


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
    """Whether it, or a leg or container that is of it alone, has to stay within a range."""
    booked = any(spelt(limit.partition(";")[0]) == _TEMPERATURE for limit in here.value.limits)
    return booked or any(
        is_chilled(one.sensed) for one in (here, *parts) if one is here or consignments(one) < 2
    )
