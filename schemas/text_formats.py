"""Forms of texts in documents: dates, times, names of packs, countries, UUIDs, URIs, URNs."""

import datetime as dt
import re
import uuid
from collections.abc import Callable, Mapping

from supplytwin.schemas.durations import duration_us
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.localtime import check_time
from supplytwin.schemas.rfc3339 import moment

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PACK_NAME = re.compile(r"[A-Za-z0-9._-]{1,80}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", re.ASCII)


def _is_date(value: str) -> bool:
    try:
        return bool(_DATE.fullmatch(value)) and bool(dt.date.fromisoformat(value))
    except ValueError:
        return False


def _is_time(value: str) -> bool:
    try:
        found = moment(value) if _TIME.fullmatch(value) else None
    except ValueError:
        return False
    return found is not None and found.tz == "+00:00"


def _is_moment(value: str) -> bool:
    try:
        if not _MOMENT.fullmatch(value):
            return False
        check_time(moment(value).micros)
    except (ValueError, RecordError):
        return False
    return True


def _is_duration(value: str) -> bool:
    try:
        return duration_us(value) >= 0
    except ValueError:
        return False


def _is_uuid(value: str) -> bool:
    try:
        return str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


FORMATS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "pack-name": (
        lambda value: bool(_PACK_NAME.fullmatch(value)),
        "up to 80 letters, digits, dots, hyphens and underscores",
    ),
    "country": (lambda value: bool(_COUNTRY.fullmatch(value)), "a country in two capital letters"),
    "date": (_is_date, "a date, YYYY-MM-DD"),
    "date-time": (_is_time, "a date-time in UTC, e.g. 2026-01-31T23:59:59Z"),
    "moment": (_is_moment, "a date-time with its offset, e.g. 2026-01-31T23:59:59+08:00"),
    "duration": (_is_duration, "a duration of weeks to whole seconds, e.g. P2D or PT45M"),
    "uuid": (_is_uuid, "a UUID"),
    "uri": (lambda value: bool(_URI.fullmatch(value)), "a URI"),
    "urn": (lambda value: value[:4].lower() == "urn:", "a URN: urn:…"),
}
"""(whether a text has the form, what is expected) by its name."""
