"""On which day a bank is asked to pay: calendars as dated data, and one pure function over them.

`calendar_days.json` has the days of each calendar from its first to its last, its version and its
origin (also in DATA.md). A day outside that range is an error: no holiday is ever guessed. A table
that says more or something else has another version, and every date names the version that made it.
"""

import datetime as dt
import re
from functools import cache
from importlib import resources

import msgspec
from msgspec import Struct

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import SECOND_US, Micros
from supplytwin.schemas.localtime import check_time, date_of, local_day, zone
from supplytwin.schemas.rfc3339 import moment_in, offset_us

FILE = "calendar_days.json"
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DAY = dt.timedelta(days=1)


class Calendar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The days on which a payment system is open, from `first` to `last`, both included."""

    id: str
    version: str
    title: str
    origin: str
    first: dt.date
    last: dt.date
    weekend: tuple[int, ...]
    """Closed days of the week, 1 = Monday … 7 = Sunday."""
    closed: dict[dt.date, str]
    """Closed days that are not of the weekend, each with its name."""
    open: tuple[dt.date, ...]
    """Days of the weekend on which it is open all the same."""

    def is_open(self, day: dt.date) -> bool:
        """Whether it is open. Raises RecordError for a day that the calendar does not know."""
        if not self.first <= day <= self.last:
            reason = (
                f"{day} is outside {self.first} to {self.last}, which is all that calendar "
                f"{self.id} version {self.version} knows"
            )
            raise RecordError(Code.BAD_VALUE, "calendar", reason)
        return day in self.open or (day.isoweekday() not in self.weekend and day not in self.closed)


class Calendars(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of calendars."""

    calendars: tuple[Calendar, ...]


class Execution(Struct, frozen=True, kw_only=True, gc=False):
    """The day on which the bank is asked to pay, and the data that it follows from."""

    date: dt.date
    calendar_id: str
    calendar_version: str


@cache
def shipped() -> dict[str, Calendar]:
    """The calendars of this package, by id."""
    raw = resources.files("supplytwin.schemas").joinpath(FILE).read_bytes()
    return {one.id: one for one in msgspec.json.decode(raw, type=Calendars).calendars}


def calendar(calendar_id: str) -> Calendar:
    """The shipped calendar of that id. Raises RecordError that names those there are."""
    found = shipped().get(calendar_id)
    if found is None:
        known = ", ".join(sorted(shipped()))
        raise RecordError(Code.BAD_VALUE, "calendar.id", f"{calendar_id[:40]!r} is none of {known}")
    return found


def clock_us(cut_off: str) -> int:
    """`hh:mm` as us after midnight. Raises RecordError for anything else."""
    found = _CLOCK.fullmatch(cut_off)
    if found is None:
        reason = f"{cut_off[:40]!r} is no time of the day, 00:00 to 23:59"
        raise RecordError(Code.BAD_VALUE, "calendar.cut_off", reason)
    return (int(found[1]) * 60 + int(found[2])) * 60 * SECOND_US


def execution(tick: Micros, days: Calendar, tz: str, cut_off: str) -> Execution:
    """The requested execution date of what is instructed at `tick` (us UTC).

    The local date of the tick in `tz`, if the calendar is open then and its clock shows `cut_off`
    (hh:mm) or earlier; else the next open day. One tick always gives the same date.

    Raises RecordError: a bad zone or clock, or a day on the way that the calendar does not know.
    """
    check_time(tick, "tick")
    zone(tz)
    day = date_of(local_day(tick, tz))
    if _clock_of(tick, tz) > clock_us(cut_off):
        days.is_open(day)  # a date that was made from an unknown day would be a guess
        day += _DAY
    while not days.is_open(day):
        day += _DAY
    return Execution(date=day, calendar_id=days.id, calendar_version=days.version)


def _clock_of(tick: Micros, tz: str) -> int:
    """What a clock in `tz` shows at `tick`, us after midnight."""
    return (tick + offset_us(moment_in(tick, tz, "S").tz)) % (24 * 3600 * SECOND_US)
