"""Moments as people write them on the command line."""

import datetime as dt

from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.localtime import TIME_MAX, TIME_MIN

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_DATE_LEN = len("2014-11-05")
_DAY, _US = dt.timedelta(days=1), dt.timedelta(microseconds=1)


def moment(option: str, text: str) -> int:
    """A date (its last moment, UTC) or an RFC 3339 time, in us UTC.

    Raises UsageError that names `option` and says what to write.
    """
    try:
        if len(text) == _DATE_LEN:
            midnight = dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), dt.UTC)
            found = midnight + (_DAY - _US)
        else:
            found = dt.datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise _refused(option, text, "is no date and no time") from None
    if found.tzinfo is None:
        raise _refused(option, text, "does not say in which time zone")
    micros = (found - _EPOCH) // _US
    if not TIME_MIN <= micros <= TIME_MAX:
        raise _refused(option, text, "is outside the years 5 to 9987")
    return micros


def _refused(option: str, text: str, why: str) -> UsageError:
    return UsageError(
        f"{option} {text[:40]!r} {why}: write a date like 2014-11-05 (its end, UTC) or a time like "
        "2014-11-05T18:30:00Z or 2014-11-05T18:30:00+08:00"
    )
