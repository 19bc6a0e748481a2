"""Several sources tell one milestone: all are kept, the matrix picks the one that is reported.

A report is the first fact of a source, in the order of facts, that reaches the milestone; one that
the lifecycle refuses as a step back is an exception, and yet a report when another source has told
the milestone before. A milestone that is undone takes its reports along. Reports of other places
are of other occurrences (a transshipment is loaded twice) and do not compete.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from supplytwin.processors.standing import Accumulator, Fact, Reached
from supplytwin.schemas.ids import DAY_US, HOUR_US
from supplytwin.schemas.priorities import WORST, grade, priority


def reached(fact: Fact) -> Reached:
    """A milestone as this fact tells it."""
    event = fact.event
    return Reached(
        source=event.source,
        event_id=event.event_id,
        event_time=event.event_time,
        arrival=fact.arrival,
        day=fact.day,
        coarse=fact.coarse,
        unlocode=event.unlocode,
        facility=event.facility,
    )


def told_again(acc: Accumulator, code: str, fact: Fact, changes: dict[str, object]) -> None:
    """Keep what `fact` tells of a milestone that stands, and pick again, when its source is new."""
    first = acc.milestones[code]
    source = fact.event.source
    if first.source == source:
        return
    known = acc.reports.get(code, (first,))
    if any(one.source == source for one in known):
        return
    new = reached(fact)
    if any(_elsewhere(one, new) for one in known):
        return
    told = (*known, new)
    best = min(told, key=lambda one: preference(code, one))
    changes["reports"] = acc.reports.set(code, told)
    changes["milestones"] = acc.milestones.set(code, replace(best, spread_us=spread_us(told)))


def preference(code: str, one: Reached) -> tuple[int, int, str, str]:
    """The smallest of several reports is the one that is reported."""
    return priority(code, one.source), one.event_time, one.source, one.event_id


def _elsewhere(one: Reached, other: Reached) -> bool:
    if one.unlocode is not None and other.unlocode is not None:
        return one.unlocode != other.unlocode
    return None not in (one.facility, other.facility) and one.facility != other.facility


def spread_us(told: Iterable[Reached]) -> int:
    """The largest difference between two reports; where one has DAY precision, of local dates."""
    known = tuple(told)
    return max(apart_us(one, other) for one in known for other in known)


def apart_us(one: Reached, other: Reached) -> int:
    """How far two reports are apart."""
    if one.coarse or other.coarse:
        return abs(one.day - other.day) * DAY_US
    return abs(one.event_time - other.event_time)


def hours_text(micros: int) -> str:
    """A duration in hours as decimal text, rounded half up to 0.001 h."""
    thousandths = (2 * micros * 1000 + HOUR_US) // (2 * HOUR_US)
    whole, part = divmod(thousandths, 1000)
    return f"{whole}.{part:03}".rstrip("0").rstrip(".")


def weigh(acc: Accumulator, fact: Fact, changes: dict[str, object]) -> None:
    """Note the grade of an actual fact that stands: the worst one is the subject's. Readings of
    sensors say nothing of it: most are packed, and have none.
    """
    if acc.trust == WORST or fact.event.event_type == "shipment.sensor":
        return
    found = grade(fact.event.TOPIC, fact.event.source, fact.flags)
    if found > acc.trust:
        changes["trust"] = found
