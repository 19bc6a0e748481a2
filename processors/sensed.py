"""What the sensors of one subject measured: for each (device, metric, unit) hours that merge.

The definitions, with their reasons, are in docs/sensors.md. In short: readings stand in the order
of (time, value, bounds); a value holds until the next reading; two readings further apart than
GAP_MAX_US leave what is between them uncovered; a value is outside when it is below the lower or
above the upper bound that came with it. An excursion is a run of readings outside with no uncovered
gap between them, from the first of them to what ends it.

Each UTC hour that has readings keeps them as packed samples and what they add up to (a `Block`);
two blocks merge to what one pass over both would give, so a late reading, a correction or a
retraction folds its own hour again and merges those that follow.
"""

import math
import struct
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from immutables import Map
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.singly import spelt
from supplytwin.schemas.events import ShipmentSensor
from supplytwin.schemas.ids import DAY_US, HOUR_US

GAP_MAX_US = 2 * HOUR_US
"""Two readings further apart say nothing of the time between them."""


Range = tuple[float, float]
"""Lower and upper bound; -inf and inf where there is none."""
OPEN: Range = (-math.inf, math.inf)


class Sample(NamedTuple):
    """One reading. Samples sort by what they say, never by who says it."""

    time: int
    """us UTC."""
    value: float
    lower: float
    upper: float

    @property
    def outside(self) -> bool:
        return not self.lower <= self.value <= self.upper


class Block(Struct, frozen=True, kw_only=True, gc=False):
    """What consecutive readings (at least one) add up to. Times and durations in us."""

    count: int
    least: float
    most: float
    first: Sample
    last: Sample
    covered: int
    """Time between readings that are not too far apart."""
    outside: int
    """How much of it was outside the bounds."""
    longest: int
    """The longest excursion."""
    head_until: int | None
    """When the excursion that the first reading is in ends; None: with the last reading, or later.
    Where the first reading is inside: its own time."""
    since: Sample | None
    """The first reading of the excursion that the last one is in; None: the last is inside."""
    still: int
    """How many of the last readings have the value of the last one, without another, or an
    uncovered time, between."""
    still_since: int
    """When the first of them was taken."""


class Hour(Struct, frozen=True, kw_only=True, gc=False):
    """The readings of one UTC hour, packed: a long trip has many hours."""

    hour: int
    """Since 1970."""
    samples: bytes
    """Sorted, each with the bounds that it came with itself."""
    block: bytes
    until: bytes
    """The block of this and all earlier hours."""


class SeriesKey(NamedTuple):
    device_id: str
    metric: str
    unit: str


class Sensed(Struct, frozen=True, kw_only=True, gc=False):
    """All readings that count of one subject."""

    series: Map[SeriesKey, tuple[Hour, ...]] = Map()
    """Hours with readings, sorted."""
    named: Map[tuple[str, str], int] = Map()
    """Other subjects that plain readings of this one name -> how many do."""
    limits: Map[tuple[str, str], Range] = Map()
    """By metric, as policies spell it, and unit: the bounds of readings that came without any."""
    implausible: int = 0
    """How many plain readings came before they happened."""
    ahead: Map[tuple[SeriesKey, int], int] = Map()
    """By UTC day, in days since 1970: how many readings are by a clock that is ahead."""


NOTHING_SENSED = Sensed()

# ---- adding up


def alone(sample: Sample) -> Block:
    """What one reading comes to: no time at all."""
    outside = sample.outside
    return Block(
        count=1, least=sample.value, most=sample.value, first=sample, last=sample, covered=0,
        outside=0, longest=0, head_until=None if outside else sample.time,
        since=sample if outside else None, still=1, still_since=sample.time,
    )  # fmt: skip


def merge(one: Block, other: Block) -> Block:
    """What the readings of both come to; those of `other` are the later ones."""
    gap = other.first.time - one.last.time
    covered = gap <= GAP_MAX_US
    covering = one.covered + other.covered
    outside, longest = one.outside + other.outside, max(one.longest, other.longest)
    head, since = one.head_until, other.since
    if covered:
        covering += gap
    if one.since is not None:
        if not covered:
            end = one.last.time
        else:
            outside += gap
            end = other.last.time if other.head_until is None else other.head_until
            longest = max(longest, end - one.since.time)
            if other.head_until is None:
                since = one.since
        if head is None and (not covered or other.head_until is not None):
            head = end
    still, still_since = other.still, other.still_since
    if covered and other.still == other.count and one.last.value == other.last.value:
        still, still_since = one.still + still, one.still_since
    return Block(
        count=one.count + other.count, least=min(one.least, other.least),
        most=max(one.most, other.most), first=one.first, last=other.last, covered=covering,
        outside=outside, longest=longest, head_until=head, since=since,
        still=still, still_since=still_since,
    )  # fmt: skip


def _within(sample: Sample, limits: Range) -> Sample:
    """`sample` with the bounds that hold for it."""
    return sample._replace(lower=limits[0], upper=limits[1]) if sample[2:] == OPEN else sample


def _block(samples: Sequence[Sample], limits: Range) -> Block:
    """What sorted readings come to, in one pass."""
    found = alone(_within(samples[0], limits))
    for sample in samples[1:]:
        found = merge(found, alone(_within(sample, limits)))
    return found


# ---- hours

_SAMPLE = struct.Struct(">qddd")
_BLOCK = struct.Struct(">qdd qddd qddd qqq q qddd qq")
_LAST, _STILL = struct.Struct(">qd"), struct.Struct(">qq")
_LAST_AT, _STILL_AT = 56, _BLOCK.size - _STILL.size
"""Where time and value of the last reading, and the last two fields, stand in a block."""
_NONE = -(2**63)
"""Stands for None: no time is so early."""
_NO_SAMPLE = (_NONE, 0.0, 0.0, 0.0)


def _pack(block: Block) -> bytes:
    return _BLOCK.pack(
        block.count, block.least, block.most, *block.first, *block.last,
        block.covered, block.outside, block.longest,
        _NONE if block.head_until is None else block.head_until, *(block.since or _NO_SAMPLE),
        block.still, block.still_since,
    )  # fmt: skip


def _unpack(data: bytes) -> Block:
    found = _BLOCK.unpack(data)
    covered, outside, longest, head = found[11:15]
    return Block(
        count=found[0], least=found[1], most=found[2], first=Sample._make(found[3:7]),
        last=Sample._make(found[7:11]), covered=covered, outside=outside, longest=longest,
        head_until=None if head == _NONE else head,
        since=None if found[15] == _NONE else Sample._make(found[15:19]),
        still=found[19], still_since=found[20],
    )  # fmt: skip


def _samples(data: bytes) -> list[Sample]:
    return list(map(Sample._make, _SAMPLE.iter_unpack(data)))


def _put(hours: tuple[Hour, ...], sample: Sample, limits: Range) -> tuple[Hour, ...]:
    number = sample.time // HOUR_US
    last = hours[-1] if hours else None
    if last is None or number > last.hour:
        block = alone(_within(sample, limits))
        until = block if last is None else merge(_unpack(last.until), block)
        return (*hours, _hour(number, _SAMPLE.pack(*sample), block, until))
    if number == last.hour and _SAMPLE.unpack(last.samples[-_SAMPLE.size :]) <= sample:
        block = alone(_within(sample, limits))
        until = merge(_unpack(last.until), block)
        block = merge(_unpack(last.block), block)
        return (*hours[:-1], _hour(number, last.samples + _SAMPLE.pack(*sample), block, until))
    at = _place(hours, number)
    known = hours[at].hour == number
    samples = _samples(hours[at].samples) if known else []
    samples.insert(bisect_left(samples, sample), sample)
    return _again(hours[:at], samples, hours[at + known :], limits)


def _take(hours: tuple[Hour, ...], sample: Sample, limits: Range) -> tuple[Hour, ...]:
    at = _place(hours, sample.time // HOUR_US)
    samples = _samples(hours[at].samples)
    samples.remove(sample)
    return _again(hours[:at], samples, hours[at + 1 :], limits)


def _place(hours: tuple[Hour, ...], number: int) -> int:
    """The first hour that is not before `number`, searched from the end: late ones are late."""
    at = len(hours)
    while at and hours[at - 1].hour >= number:
        at -= 1
    return at


def _hour(number: int, samples: bytes, block: Block, until: Block) -> Hour:
    return Hour(hour=number, samples=samples, block=_pack(block), until=_pack(until))


def _again(
    before: tuple[Hour, ...], samples: Sequence[Sample], after: tuple[Hour, ...], limits: Range
) -> tuple[Hour, ...]:
    """`before`, the hour of `samples` (none = it is gone), and `after` merged behind them."""
    hours = list(before)
    until = _unpack(before[-1].until) if before else None
    if samples:
        block = _block(samples, limits)
        until = block if until is None else merge(until, block)
        packed = b"".join([_SAMPLE.pack(*sample) for sample in samples])
        hours.append(_hour(samples[0].time // HOUR_US, packed, block, until))
    for hour in after:
        block = _unpack(hour.block)
        until = block if until is None else merge(until, block)
        hours.append(replace(hour, until=_pack(until)))
    return tuple(hours)


def _anew(hours: tuple[Hour, ...], limits: Range) -> tuple[Hour, ...]:
    """All hours, folded again."""
    found: tuple[Hour, ...] = ()
    for hour in hours:
        found = _again(found, _samples(hour.samples), (), limits)
    return found


# ---- readings


def sample_of(event: ShipmentSensor) -> Sample | None:
    """The event as a sample; None when it is no measurement at a known time: planned, or known to
    the day only.
    """
    if event.classifier != "ACTUAL" or event.time_precision == "DAY":
        return None
    lower, upper = event.lower, event.upper
    return Sample(
        event.event_time,
        event.value + 0.0,  # no minus zero: equal samples are the same
        -math.inf if lower is None else lower + 0.0,
        math.inf if upper is None else upper + 0.0,
    )


def measured(sensed: Sensed, event: ShipmentSensor, count: int) -> Sensed:
    """`sensed` with one more (`count` 1) or one less (-1) reading that counts."""
    sample = sample_of(event)
    if sample is None:
        return sensed
    key = SeriesKey(event.device_id, event.metric, event.unit)
    hours = sensed.series.get(key, ())
    limits = sensed.limits.get((spelt(event.metric), event.unit), OPEN)
    hours = (_put if count > 0 else _take)(hours, sample, limits)
    series = sensed.series.set(key, hours) if hours else sensed.series.delete(key)
    return replace(sensed, series=series)


def told(
    sensed: Sensed, others: Iterable[tuple[str, str]], count: int, *, implausible: bool
) -> Sensed:
    """`sensed` with one more (`count` 1) or one less (-1) plain reading that names `others`."""
    named = sensed.named
    for other in others:
        left = named.get(other, 0) + count
        named = named.set(other, left) if left else named.delete(other)
    if implausible:
        return replace(sensed, named=named, implausible=sensed.implausible + count)
    return sensed if named is sensed.named else replace(sensed, named=named)


def hasty(sensed: Sensed, event: ShipmentSensor, count: int) -> Sensed:
    """`sensed` with one more (`count` 1) or one less (-1) reading by a clock that is ahead."""
    series = SeriesKey(event.device_id, event.metric, event.unit)
    name = series, event.event_time // DAY_US
    left = sensed.ahead.get(name, 0) + count
    ahead = sensed.ahead.set(name, left) if left else sensed.ahead.delete(name)
    return replace(sensed, ahead=ahead)


def limited(sensed: Sensed, limits: Map[tuple[str, str], Range]) -> Sensed:
    """`sensed` with other bounds for readings without any."""
    series = sensed.series
    for key, hours in series.items():
        name = spelt(key.metric), key.unit
        old, new = (one.get(name, OPEN) for one in (sensed.limits, limits))
        if old != new:
            series = series.set(key, _anew(hours, new))
    return replace(sensed, series=series, limits=limits)


# ---- asking


def totals(sensed: Sensed) -> list[tuple[SeriesKey, Block]]:
    """What all readings of each series come to, sorted."""
    return [(key, _unpack(hours[-1].until)) for key, hours in sorted(sensed.series.items())]


def changed(before: Sensed, after: Sensed) -> list[tuple[SeriesKey, Block | None, Block | None]]:
    """The series that differ, sorted, as they were and as they are."""
    if before.series is after.series:
        return []
    was, now = before.series, after.series
    keys = {key for key in now if now[key] is not was.get(key)}
    keys.update(key for key in was if key not in now)
    return [(key, _total(was.get(key)), _total(now.get(key))) for key in sorted(keys)]


class Trail(NamedTuple):
    """The last readings of one value at the end of some hour."""

    value: float
    since: int
    until: int
    readings: int


def trail(hour: Hour) -> Trail:
    """Those of this and all earlier hours."""
    time, value = _LAST.unpack_from(hour.until, _LAST_AT)
    readings, since = _STILL.unpack_from(hour.until, _STILL_AT)
    return Trail(value, since, time, readings)


def prolonged(found: Trail, hour: Hour) -> tuple[Trail, bool]:
    """`found` with the readings of the hour that follows, and whether all of these belong to it."""
    if bounds(hour)[0] - found.until > GAP_MAX_US:
        return found, False
    last, value = _LAST.unpack_from(hour.block, _LAST_AT)
    readings, _ = _STILL.unpack_from(hour.block, _STILL_AT)
    if value == found.value and readings * _SAMPLE.size == len(hour.samples):
        return found._replace(until=last, readings=found.readings + readings), True
    if _LAST.unpack_from(hour.samples)[1] != found.value:
        return found, False
    for sample in _samples(hour.samples):
        if sample.value != found.value:
            break
        found = found._replace(until=sample.time, readings=found.readings + 1)
    return found, False


def bounds(hour: Hour) -> tuple[int, int]:
    """When the first and the last reading of an hour were taken."""
    first = int.from_bytes(hour.samples[:8], signed=True)
    at = len(hour.samples) - _SAMPLE.size
    return first, int.from_bytes(hour.samples[at : at + 8], signed=True)


def _total(hours: tuple[Hour, ...] | None) -> Block | None:
    return None if hours is None else _unpack(hours[-1].until)
