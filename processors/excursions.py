"""What the sensors of a subject say, for people, analysts and listeners (docs/sensors.md)."""

import datetime as dt
import math
from typing import Any

from supplytwin.processors.sensed import Block, Sample, Sensed, SeriesKey, changed, totals
from supplytwin.processors.standing import Problem
from supplytwin.schemas.ids import SECOND_US

EXCURSION = "EXCURSION"
_MINUTE_US = 60 * SECOND_US
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


# ---- as text


def lines(sensed: Sensed) -> tuple[str, ...]:
    """One line for each series, sorted: what the canonical state and the analysts' view hold.

    ``device;metric;unit;count;min;max;last;first time;last time;outside;longest;covered;since;
    lower;upper`` with times and durations in us, `since` = when the excursion began that is still
    open, and the bounds of the last reading; what is not known is empty. ``;`` and ``%`` in a name
    are written ``%3B`` and ``%25``.
    """
    return tuple([_line(key, block) for key, block in totals(sensed)])


def _line(key: SeriesKey, block: Block) -> str:
    last, since = block.last, block.since
    fields = (
        *map(escaped, key), block.count, _text(block.least), _text(block.most), _text(last.value),
        block.first.time, last.time, block.outside, block.longest, block.covered,
        "" if since is None else since.time, _text(last.lower), _text(last.upper),
    )  # fmt: skip
    return ";".join(map(str, fields))


def escaped(name: str) -> str:
    """A name that can stand between semicolons."""
    return name.replace("%", "%25").replace(";", "%3B")


def _text(number: float) -> str:
    """The shortest text that gives the number back; no bound is empty."""
    return repr(number) if math.isfinite(number) else ""


# ---- for people


def described(sensed: Sensed) -> list[dict[str, Any]]:
    """The series as people want to see them, sorted. Durations in minutes, times ISO 8601."""
    return [
        {
            **key._asdict(),
            "readings": block.count,
            "min": block.least,
            "max": block.most,
            "last": block.last.value,
            "last_time": _iso(block.last.time),
            "excursion_min": round(block.outside / _MINUTE_US, 3),
            "longest_excursion_min": round(block.longest / _MINUTE_US, 3),
            "outside_since": None if block.since is None else _iso(block.since.time),
            "coverage": coverage(block),
        }
        for key, block in totals(sensed)
    ]


def coverage(block: Block) -> float | None:
    """The share of the time from the first to the last reading that is covered; None: no time."""
    whole = block.last.time - block.first.time
    return round(block.covered / whole, 4) if whole else None


def _iso(micros: int) -> str:
    moment = _EPOCH + dt.timedelta(microseconds=micros)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


# ---- for listeners


def problems(sensed: Sensed) -> list[Problem]:
    """The excursions that are open, sorted by series."""
    found = [_problem(key, block) for key, block in totals(sensed)]
    return [one for one in found if one is not None]


def problem_changes(before: Sensed, after: Sensed) -> tuple[list[Problem], list[Problem]]:
    """The open excursions of the series that differ: as they were, and as they are."""
    pairs = [(_problem(key, was), _problem(key, now)) for key, was, now in changed(before, after)]
    was_open = [was for was, _ in pairs if was is not None]
    return was_open, [now for _, now in pairs if now is not None]


def _problem(key: SeriesKey, block: Block | None) -> Problem | None:
    """The last reading is outside. All words are of the first one outside, so that they stay while
    the excursion lasts.
    """
    if block is None or block.since is None:
        return None
    since = block.since
    return Problem(
        code=EXCURSION,
        reason=f"{key.metric} {_text(since.value)} {key.unit} is {_where(since)}",
        source=f"device:{key.device_id}",
        event_id=f"{key.metric};{key.unit}",
        event_time=since.time,
        arrival=None,
    )


def _where(sample: Sample) -> str:
    if sample.value < sample.lower:
        return f"below {_text(sample.lower)}"
    return f"above {_text(sample.upper)}"
