"""Whether a sensor is well, reading by reading: one state for each device and metric of a subject.

What is kept begins anew with every other value and with every UTC day, so that a late reading
changes what follows it for a day at the most.
"""

from msgspec import Struct

from supplytwin.processors import plausibility as rules
from supplytwin.processors.facts import Identity
from supplytwin.processors.plausibility import Finding
from supplytwin.schemas.events import ShipmentSensor
from supplytwin.schemas.ids import DAY_US, SECOND_US
from supplytwin.schemas.plausibility import Thresholds


class Stream(Struct, frozen=True, kw_only=True, gc=False):
    """The readings of one metric by one device, up to the last one."""

    value: float
    since: int
    """When the first of the last readings with this value was taken, us."""
    first: Identity
    readings: int
    """How many of them there are."""
    flat: bool
    """That they are too many was said."""
    last: int
    day: int
    """UTC, in days since 1970-01-01, of the last reading."""
    covered: int
    """How much of that day the readings cover up to the last one, us."""
    whole: bool
    """There were readings before that day."""
    sparse: bool
    """The day before was not covered, which was said."""
    ahead: bool
    """The clock was ahead, which was said."""


def read(
    was: Stream | None, event: ShipmentSensor, policy: Thresholds, *, implausible: bool
) -> tuple[Stream, list[Finding]]:
    """The stream after one more reading, and what is wrong with it.

    `implausible`: that it is ahead of its arrival is an exception already.
    """
    said, at = Identity(event.source, event.event_id), event.event_time
    found, ahead = list[Finding](), False
    if at > event.recorded_time and not implausible:
        late = rules.clock(at, event.recorded_time, said, policy)
        ahead = late.verdict != "PASS"
        if ahead and not (was is not None and was.ahead):
            found.append(late)
    if was is None:
        return _started(event, said, ahead=ahead), found
    same = event.value == was.value
    readings, since = (was.readings + 1, was.since) if same else (1, at)
    first = was.first if same else said
    flat = same and was.flat
    if same and not flat:
        still = rules.flat(at - since, readings, event.value, (first, said), policy)
        flat = still.verdict != "PASS"
        if flat:
            found.append(still)
    day = at // DAY_US
    covered, sparse = was.covered + _overlap(was, at, was.day, policy), was.sparse
    if day != was.day:
        gap = rules.coverage(covered if was.whole else DAY_US, was.day, said, policy)
        if gap.verdict == "PASS" and day > was.day + 1:
            gap = rules.coverage(_overlap(was, at, was.day + 1, policy), was.day + 1, said, policy)
        if gap.verdict != "PASS" and not sparse:
            found.append(gap)
        sparse = gap.verdict != "PASS"
        covered = _overlap(was, at, day, policy)
    stream = Stream(
        value=event.value,
        since=since,
        first=first,
        readings=readings,
        flat=flat,
        last=at,
        day=day,
        covered=covered,
        whole=was.whole or day != was.day,
        sparse=sparse,
        ahead=ahead,
    )
    return stream, found


def _started(event: ShipmentSensor, said: Identity, *, ahead: bool) -> Stream:
    at = event.event_time
    return Stream(
        value=event.value,
        since=at,
        first=said,
        readings=1,
        flat=False,
        last=at,
        day=at // DAY_US,
        covered=0,
        whole=False,
        sparse=False,
        ahead=ahead,
    )


def _overlap(was: Stream, at: int, day: int, policy: Thresholds) -> int:
    """How much of a UTC day the last reading covers until the next one, us."""
    until = min(at, was.last + policy.reading_stands_s * SECOND_US, (day + 1) * DAY_US)
    return max(0, until - max(was.last, day * DAY_US))
