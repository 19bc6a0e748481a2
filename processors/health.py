"""Whether the sensors of a subject are well: what their readings say together (SENSOR_HEALTH).

Three questions of each (device, metric, unit): does the value stand still, do the readings cover
whole UTC days, is the clock ahead. Definitions: docs/plausibility.md. All is a function of the
packed hours of `Sensed`, and a change looks again only at the hours and days that it touched, and
at their neighbours: a stretch is named by its beginning, so nothing else can begin or end.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import attrgetter

from supplytwin.processors import plausibility as rules
from supplytwin.processors.excursions import escaped
from supplytwin.processors.plausibility import Finding
from supplytwin.processors.sensed import Hour, Sensed, SeriesKey, bounds, prolonged, trail
from supplytwin.processors.singly import spelt
from supplytwin.processors.standing import Problem, is_implausible
from supplytwin.schemas.events import ShipmentSensor
from supplytwin.schemas.ids import DAY_US, SECOND_US
from supplytwin.schemas.plausibility import Thresholds, shipped

_DAY_HOURS = 24
_number = attrgetter("hour")
Hours = tuple[Hour, ...]
Problems = Iterator[Problem]


def is_ahead(event: ShipmentSensor, arrival: int) -> bool:
    """Whether a reading is by a clock that is ahead. One that is ahead of its arrival, too, is an
    exception of its own already; of a DAY reading no clock is known.
    """
    policy = _policy(event.metric, event.event_time)
    if policy is None or event.classifier != "ACTUAL" or event.time_precision == "DAY":
        return False
    ahead = rules.is_ahead(event.event_time, event.recorded_time, policy)
    return ahead and not is_implausible(event, arrival)


def problems(sensed: Sensed) -> Problems:
    """All that is wrong."""
    for key, hours in sensed.series.items():
        if _is_watched(key.metric):
            days = _from_days(_days(map(_number, hours)))
            yield from _within(sensed, key, hours, range(len(hours)), days, days)


def changes(before: Sensed, after: Sensed) -> tuple[list[Problem], list[Problem]]:
    """What may have changed: as it was, and as it is."""
    was, now = list[Problem](), list[Problem]()
    if before.series is after.series:
        return was, now
    for key in dict.fromkeys((*before.series, *after.series)):
        old, new = before.series.get(key, ()), after.series.get(key, ())
        if old is new or not _is_watched(key.metric):
            continue
        touched = _touched(old, new)
        days, gaps = _from_days(_days(touched)), _gaps_about(old, new, touched)
        was += _within(before, key, old, _about(old, touched), days, gaps)
        now += _within(after, key, new, _about(new, touched), days, gaps)
    return was, now


# ---- where to look


Touched = dict[int, tuple[Hour | None, Hour | None]]
"""By number: hours as they were and as they are."""


def _touched(old: Hours, new: Hours) -> Touched:
    """The hours of which the readings are not those that they were, sorted. Hours before the first
    of them are the same objects, and no later one is.
    """
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high) // 2
        if old[middle] is new[middle]:
            low = middle + 1
        else:
            high = middle
    was = {hour.hour: hour for hour in old[low:]}
    now = {hour.hour: hour for hour in new[low:]}
    pairs = {number: (was.get(number), now.get(number)) for number in sorted({**was, **now})}
    return {
        number: (one, other)
        for number, (one, other) in pairs.items()
        if one is None or other is None or one.samples is not other.samples
    }


def _at(hours: Hours, number: int) -> int:
    """The first hour that is not before `number`; most are asked for at the end."""
    if hours and hours[-1].hour < number:
        return len(hours)
    return bisect_left(hours, number, key=_number)


def _about(hours: Hours, touched: Iterable[int]) -> list[int]:
    """The places of the touched hours, and of those before and after each of them."""
    found = set[int]()
    for number in touched:
        at = _at(hours, number)
        found.update((at - 1, at))
        if at < len(hours) and hours[at].hour == number:
            found.add(at + 1)
    return sorted(at for at in found if 0 <= at < len(hours))


def _days(numbers: Iterable[int]) -> list[int]:
    """The days of some hours, sorted."""
    return list(dict.fromkeys(number // _DAY_HOURS for number in numbers))


def _from_days(days: Iterable[int]) -> list[int]:
    """Where a stretch of days may begin: on one with readings, or on the day after it."""
    return sorted({one for day in days for one in (day, day + 1)})


def _gaps_about(old: Hours, new: Hours, touched: Touched) -> list[int]:
    """Where a stretch of days that are not covered may begin that did not, or no longer. Of the
    last day nothing is known yet, and it ends those before it by whatever reading.
    """
    last = old[-1].hour // _DAY_HOURS if old else None
    if last is not None and new and new[-1].hour // _DAY_HOURS != last:
        last = None
    found = set[int]()
    for day in _days(number for number, pair in touched.items() if _reaches_otherwise(*pair)):
        if day == last:
            continue
        found.add(day)
        for hours in (old, new):
            before, after = _at(hours, day * _DAY_HOURS), _at(hours, (day + 1) * _DAY_HOURS)
            if before:
                found.add(hours[before - 1].hour // _DAY_HOURS)
            if after < len(hours):
                found.add(hours[after].hour // _DAY_HOURS)
    return _from_days(found)


def _reaches_otherwise(old: Hour | None, new: Hour | None) -> bool:
    """Whether an hour begins or ends with another time: within it all is covered."""
    return old is None or new is None or bounds(old) != bounds(new)


# ---- what is wrong there


def _within(
    sensed: Sensed,
    key: SeriesKey,
    hours: Hours,
    places: Iterable[int],
    days: Iterable[int],
    gaps: Iterable[int],
) -> Problems:
    """What is wrong in values that are last in the hours at these places; what begins on these
    days: clocks that are ahead, and gaps.
    """
    yield from _flat(key, hours, places)
    for day in gaps:
        found = _gap(key, hours, day)
        if found is not None and _gap(key, hours, day - 1) is None:
            yield _problem(key, "coverage", day * DAY_US, found)
    for day in days if sensed.ahead else ():
        ahead = sensed.ahead.get((key, day), 0)
        policy = _policy(key.metric, day * DAY_US) if ahead else None
        if policy is not None and not sensed.ahead.get((key, day - 1)):
            yield _problem(key, "clock", day * DAY_US, rules.clock(ahead, day, policy))


def _flat(key: SeriesKey, hours: Hours, places: Iterable[int]) -> Problems:
    """Values that stand still: they last over the end of an hour, being longer than any."""
    seen = set[int]()
    for place in places:
        found = trail(hours[place])
        policy = _policy(key.metric, found.since)
        if found.since in seen or policy is None:
            continue
        seen.add(found.since)
        at, goes_on = place + 1, True
        while True:
            verdict = rules.flat(found.since, found.until, found.readings, found.value, policy)
            if verdict.verdict != "PASS":
                yield _problem(key, "value", found.since, verdict)
                break
            if not goes_on or at == len(hours):
                break
            found, goes_on = prolonged(found, hours[at])
            at += 1


def _gap(key: SeriesKey, hours: Hours, day: int) -> Finding | None:
    """That a day between readings is not covered."""
    policy = _policy(key.metric, day * DAY_US)
    at, end = _at(hours, day * _DAY_HOURS), _at(hours, (day + 1) * _DAY_HOURS)
    if policy is None or not at or end == len(hours):
        return None
    begins, ends = day * DAY_US, (day + 1) * DAY_US
    stands = policy.reading_stands_s * SECOND_US
    covered, last = 0, bounds(hours[at - 1])[1]
    for hour in hours[at:end]:
        first, until = bounds(hour)
        covered += max(0, min(first, last + stands) - max(last, begins)) + until - first
        last = until
    covered += max(0, min(ends, last + stands) - max(last, begins))
    found = rules.coverage(covered, day, policy)
    return None if found.verdict == "PASS" else found


def _problem(key: SeriesKey, name: str, since: int, found: Finding) -> Problem:
    """All is of the beginning, so that it stays the same while the stretch lasts."""
    about = ";".join(map(escaped, (key.metric, key.unit)))
    return Problem(
        code=found.rule,
        reason=f"{found.verdict}: {found.reason}",
        source=f"device:{key.device_id}",
        event_id=f"{about};{name};{since}",
        event_time=since,
        arrival=None,
    )


def _policy(metric: str, moment: int) -> Thresholds | None:
    """The thresholds at a time; None = this metric may stand still or be silent."""
    found = shipped().at(moment)
    return found if spelt(metric) in found.watched_metrics else None


@lru_cache(maxsize=1024)
def _is_watched(metric: str) -> bool:
    return any(spelt(metric) in one.watched_metrics for one in shipped().entries)
