"""Date-times as standards write them, with the offset that they carry (RFC 3339, ISO 8601)."""

import datetime as dt
import re
from typing import NamedTuple

from supplytwin.schemas.ids import DAY_US, SECOND_US, Micros
from supplytwin.schemas.localtime import check_time, day_start, local_day, zone

_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(?:([Zz])|([+-])(\d\d)(?::?([0-5]\d))?)",
    re.ASCII,
)
_EPOCH = dt.date(1970, 1, 1).toordinal()
_OFFSET_MAX_MIN = 18 * 60
_MINUTE_US = 60 * SECOND_US


class Moment(NamedTuple):
    """An instant, the offset that was written with it (`±hh:mm`) and its precision."""

    micros: Micros
    tz: str
    precision: str
    """MIN | S | MS"""

    @property
    def text(self) -> str:
        """One spelling for every way to write it; the offset stays."""
        local = self.micros + offset_us(self.tz)
        day, rest = divmod(local, DAY_US)
        minutes, micros = divmod(rest, _MINUTE_US)
        seconds, fraction = divmod(micros, SECOND_US)
        shown = f"{dt.date.fromordinal(day + _EPOCH)}T{minutes // 60:02}:{minutes % 60:02}"
        if self.precision != "MIN":
            shown += f":{seconds:02}"
        if self.precision == "MS":
            shown += f".{fraction:06}".rstrip("0").removesuffix(".")
        return shown + self.tz


def offset_us(tz: str) -> int:
    """`±hh:mm` in us."""
    size = (int(tz[1:3]) * 60 + int(tz[4:6])) * _MINUTE_US
    return -size if tz[0] == "-" else size


def moment(text: str) -> Moment:
    """What `text` says: `Z`, `+00:00`, `+0000`, `+00` and `-00:00` are one offset.

    A fraction is cut to whole us. Raises ValueError that says what is expected.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a date-time with an offset: 2026-01-31T23:59:59Z")
    year, month, day, hour, minute, second, fraction, utc, sign, hours, minutes = found.groups()
    try:
        date = dt.date(int(year), int(month), int(day)).toordinal() - _EPOCH
        clock = dt.time(int(hour), int(minute), int(second or 0))
    except ValueError as error:
        raise ValueError(f"{text[:40]!r} is not a date-time: {error}") from None
    ahead = 0 if utc else int(hours) * 60 + int(minutes or 0)
    if ahead > _OFFSET_MAX_MIN:
        raise ValueError(f"{text[:40]!r} has an offset of more than 18 hours")
    tz = f"{'-' if sign == '-' and ahead else '+'}{ahead // 60:02}:{ahead % 60:02}"
    whole = (clock.hour * 60 + clock.minute) * _MINUTE_US + clock.second * SECOND_US
    whole += int((fraction or "0").ljust(6, "0")[:6])
    precision = "MIN" if second is None else "S" if fraction is None else "MS"
    return Moment(Micros(date * DAY_US + whole - offset_us(tz)), tz, precision)


def moment_in(micros: Micros, tz: str, precision: str) -> Moment:
    """An instant with the offset that a zone has then (see `localtime.zone`), in whole minutes; a
    day is its local midnight. Raises RecordError for a bad zone or time.
    """
    if precision == "DAY":
        micros, precision = day_start(local_day(micros, tz), tz), "S"
    rules = zone(tz)
    if isinstance(rules, int):
        ahead = rules // _MINUTE_US
    else:
        check_time(micros)
        at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=micros)
        offset = at.astimezone(rules).utcoffset() or dt.timedelta()
        ahead = offset // dt.timedelta(minutes=1)
    sign = "-" if ahead < 0 else "+"
    return Moment(micros, f"{sign}{abs(ahead) // 60:02}:{abs(ahead) % 60:02}", precision)
