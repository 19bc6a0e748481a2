"""Local dates: what day it was where something happened.

Zones are `±hh:mm`, an IANA name, or `unknown` (read as UTC).
"""

import datetime as dt
import re
from functools import lru_cache
from zoneinfo import ZoneInfo

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, Micros

UNKNOWN_ZONE = "unknown"
_OFFSET = re.compile(r"([+-])(\d\d):([0-5]\d)")
_SPELLINGS = re.compile(r"([+-])(\d\d)(?::?([0-5]\d))?", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()
_OFFSET_MAX_MIN = 18 * 60
TIME_MIN = -62_000_000_000 * SECOND_US
"""Year 5: earlier and later times have no local date in every zone."""
TIME_MAX = 253_000_000_000 * SECOND_US
"""Year 9987."""
_EAST_MAX_US, _WEST_MAX_US = 14 * HOUR_US, 12 * HOUR_US
"""How far clocks on Earth are ahead of UTC and behind it."""
_GRAIN_US = {"MS": 1_000, "S": SECOND_US, "MIN": 60 * SECOND_US}


@lru_cache(maxsize=4096)
def spelled(tz: str) -> str:
    """One spelling of an offset that ISO 8601 and RFC 3339 write in several: `Z`, `+0000`, `+00`
    and `-00:00` are `+00:00`, `+0800` is `+08:00`. Everything else stays as it is.
    """
    if tz in ("Z", "z"):
        return "+00:00"
    match = _SPELLINGS.fullmatch(tz)
    if match is None:
        return tz
    offset = f"{match[2]}:{match[3] or '00'}"
    return f"+{offset}" if offset == "00:00" else match[1] + offset


@lru_cache(maxsize=4096)
def zone(tz: str) -> int | ZoneInfo:
    """A fixed offset in us, or the rules of a named zone. Raises RecordError for any other."""
    if tz == UNKNOWN_ZONE:
        return 0
    match = _OFFSET.fullmatch(tz)
    if match is not None and tz != "-00:00":
        minutes = int(match[2]) * 60 + int(match[3])
        if minutes <= _OFFSET_MAX_MIN:
            return (-minutes if match[1] == "-" else minutes) * 60 * SECOND_US
    else:
        try:
            return ZoneInfo(tz)
        except (KeyError, ValueError, OSError):
            pass
    raise RecordError(
        Code.BAD_VALUE, "event_tz", f"{tz[:40]!r} is no ±hh:mm, no IANA zone and not 'unknown'"
    )


def check_time(micros: int, field: str = "event_time") -> None:
    """Raise RecordError unless `micros` has a date in every zone."""
    if not TIME_MIN <= micros <= TIME_MAX:
        raise RecordError(Code.BAD_VALUE, field, f"{micros} us is outside the years 5 to 9987")


def local_day(micros: int, tz: str) -> int:
    """The local date at `micros`, in days since 1970-01-01. Raises RecordError for a bad zone."""
    rules = zone(tz)
    if isinstance(rules, int):
        return (micros + rules) // DAY_US
    check_time(micros)
    moment = (_EPOCH + dt.timedelta(microseconds=micros)).astimezone(rules)
    return moment.toordinal() - _EPOCH_ORDINAL


def local_date(micros: int, tz: str) -> dt.date:
    """The local date at `micros`. Raises RecordError for a bad zone or time."""
    check_time(micros)
    return date_of(local_day(micros, tz))


def days_since_epoch(date: dt.date) -> int:
    """A date as a day number, in days since 1970-01-01."""
    return date.toordinal() - _EPOCH_ORDINAL


@lru_cache(maxsize=4096)
def date_of(day: int) -> dt.date:
    """The date of a day number."""
    return dt.date.fromordinal(day + _EPOCH_ORDINAL)


def day_start(day: int, tz: str) -> Micros:
    """The instant at which local day number `day` begins, us UTC."""
    rules = zone(tz)
    if isinstance(rules, int):
        return Micros(day * DAY_US - rules)
    date = date_of(day)
    start = dt.datetime(date.year, date.month, date.day, tzinfo=rules)
    return Micros((start - _EPOCH) // dt.timedelta(microseconds=1))


def day_place(day: int, tz: str) -> int:
    """Where what happened at some time of local day number `day` stands among the rest, us.

    At 00:00 of that date taken as UTC, or where the date begins if that is later: west of
    Greenwich it would else come before what happened in the evening before.
    """
    return max(day * DAY_US, day_start(day, tz))


def floor(event: Event) -> int:
    """event_time floored to its precision, us; DAY: see `day_place`."""
    if event.time_precision == "DAY":
        return day_place(local_day(event.event_time, event.event_tz), event.event_tz)
    return event.event_time // _GRAIN_US[event.time_precision] * _GRAIN_US[event.time_precision]


def happened_by(event: Event, moment: int) -> bool:
    """Whether `event` is not ahead of `moment`, us; a DAY event only by a later local date."""
    if event.time_precision == "DAY":
        return local_day(event.event_time, event.event_tz) <= local_day(moment, event.event_tz)
    return event.event_time <= moment


def earliest_start(day: int, tz: str) -> int:
    """The first instant at which local day number `day` may have begun, us."""
    start = day_start(day, tz)
    return start - _EAST_MAX_US if tz == UNKNOWN_ZONE else start


def latest_place(day: int, tz: str) -> int:
    """`day_place`, but where the zone is unknown the last instant at which the day may have begun,
    us.
    """
    place = day_place(day, tz)
    return place + _WEST_MAX_US if tz == UNKNOWN_ZONE else place


def latest_end(day: int, tz: str) -> int:
    """The last instant at which local day number `day` may have ended, us."""
    end = day_start(day + 1, tz)
    return end + _WEST_MAX_US if tz == UNKNOWN_ZONE else end


def latest_start(event: Event) -> int:
    """The last instant at which `event`, or its date, may have begun, us."""
    first = span_as_read(event)[0]
    return first + _WEST_MAX_US if event.event_tz == UNKNOWN_ZONE else first


def span_as_read(event: Event) -> tuple[int, int]:
    """From when and until when `event` may have happened, us; an unknown zone is read as UTC.

    A DAY event may have on its whole local date.
    """
    if event.time_precision == "DAY":
        day = local_day(event.event_time, event.event_tz)
        return day_start(day, event.event_tz), day_start(day + 1, event.event_tz)
    return floor(event), event.event_time + _GRAIN_US[event.time_precision]


def span(event: Event) -> tuple[int, int]:
    """The earliest and the latest instant at which `event` may have happened, us.

    Where the zone is unknown it may have been any.
    """
    first, last = span_as_read(event)
    if event.event_tz == UNKNOWN_ZONE:
        return first - _EAST_MAX_US, last + _WEST_MAX_US
    return first, last
