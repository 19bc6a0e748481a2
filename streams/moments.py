"""Moments as people write them on the command line."""

import datetime as dt
import re
from typing import Literal

from supplytwin.schemas import rfc3339
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.localtime import TIME_MAX, TIME_MIN

_EPOCH = dt.date(1970, 1, 1)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def moment(option: str, text: str, of_date: Literal["start", "end"] = "end") -> int:
    """A date (its last moment or its first, UTC) or an RFC 3339 time, in us UTC.

    Raises UsageError that names `option` and says what to write.
    """
    why = "is outside the years 5 to 9987"
    try:
        if _DATE.fullmatch(text):
            micros = (dt.date.fromisoformat(text) - _EPOCH).days * DAY_US
            micros += DAY_US - 1 if of_date == "end" else 0
        else:
            micros = rfc3339.moment(text.replace(" ", "T", 1)).micros
        if TIME_MIN <= micros <= TIME_MAX:
            return micros
    except ValueError:
        why = "is no date and no time with its offset"
    raise UsageError(
        f"{option} {text[:40]!r} {why}: write a date like 2014-11-05 (its {of_date}, UTC) or a "
        "time like 2014-11-05T18:30:00Z or 2014-11-05T18:30:00+08:00"
    )
