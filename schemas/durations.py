"""Durations as ISO 8601 writes them, of units that always are as long: weeks to whole seconds.

A day is 24 hours, whatever clocks do. Years and months have no length of their own and are refused,
as are fractions and signs.
"""

import re

from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US

_FORM = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)
_UNITS_US = (7 * DAY_US, DAY_US, HOUR_US, 60 * SECOND_US, SECOND_US)
_LENGTH_MAX = 32
DURATION_MAX_US = 36_525 * DAY_US
"""A hundred years."""


def duration_us(text: str) -> int:
    """The length of `text`, e.g. P2D or PT45M, in us. Raises ValueError that says what is
    expected.
    """
    found = _FORM.fullmatch(text) if len(text) <= _LENGTH_MAX else None
    parts = found.groups() if found is not None else ()
    if not any(parts) or text.endswith("T"):
        raise ValueError(f"{text[:40]!r} is no duration in weeks, days, hours, minutes and seconds")
    total = sum(int(part or 0) * unit for part, unit in zip(parts, _UNITS_US, strict=True))
    if total > DURATION_MAX_US:
        raise ValueError(f"{text[:40]!r} is longer than a hundred years")
    return total


def duration_text(us: int) -> str:
    """The one spelling of a length of whole seconds: days, then hours, minutes and seconds, without
    those that are 0; nothing at all is PT0S.
    """
    days, rest = divmod(us, DAY_US)
    clock = ""
    for letter, unit in (("H", HOUR_US), ("M", 60 * SECOND_US), ("S", SECOND_US)):
        count, rest = divmod(rest, unit)
        clock += f"{count}{letter}" if count else ""
    shown = (f"{days}D" if days else "") + (f"T{clock}" if clock else "")
    return f"P{shown or 'T0S'}"
