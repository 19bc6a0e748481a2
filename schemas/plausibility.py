"""Thresholds of the plausibility rules: dated policy data, shipped as `plausibility.json`.

The entry that counts is the one that is valid at the event's own time. So a verdict follows from
the facts and the package alone: neither the order of arrival nor the start of a process is in it.
"""

import datetime as dt
import importlib.resources
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.events import MODES
from supplytwin.schemas.ids import SECOND_US

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EVER = -(1 << 62)
OLD_MIN_S = 7 * 86_400
"""No policy calls a fact old that was recorded within a week: most are not looked at further."""


class Thresholds(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One entry of the policy: valid from the start of that day, UTC, until the next one."""

    valid_from: dt.date | None
    """None = from ever; the first entry, and only that one."""
    source: str
    speed_max_kmh: Mapping[str, int]
    """By mode of transport."""
    speed_reject_m_per_s: int
    two_places_m: int
    two_places_s: int
    place_radius_m: int
    """How far from the point of the table something at that place may be."""
    geofence_margin_m: int
    weight_tolerance_bp: int
    flat_s: Annotated[int, Meta(ge=3600)]
    """At least an hour: within one nothing is looked for."""
    flat_readings: int
    coverage_min_bp: int
    """Of a whole UTC day."""
    reading_stands_s: Annotated[int, Meta(ge=3600, le=86_400)]
    """How long one reading covers: at least the rest of its hour, at most a day."""
    watched_metrics: frozenset[str]
    """Metrics that vary and are read continuously; lower case, letters and digits only."""
    clock_drift_s: int
    old_s: Annotated[int, Meta(ge=OLD_MIN_S)]
    sequence_slack_s: int


class Policy(Struct, frozen=True, kw_only=True):
    """The entries by ascending date."""

    entries: tuple[Thresholds, ...]
    starts: tuple[int, ...]
    """When each of them begins, us."""

    def at(self, moment: int) -> Thresholds:
        """The entry that is valid at an instant, us."""
        if moment >= self.starts[-1]:
            return self.entries[-1]
        return self.entries[bisect_right(self.starts, moment) - 1]


def parse(raw: bytes, name: str) -> Policy:
    """A policy from its JSON. Raises FatalError when it is not one."""
    try:
        entries = msgspec.json.decode(raw, type=tuple[Thresholds, ...])
    except msgspec.DecodeError as error:
        raise FatalError(f"plausibility policy {name}: {error}") from None
    dates = [one.valid_from for one in entries]
    if not dates or dates[0] is not None or None in dates[1:]:
        raise FatalError(f"plausibility policy {name}: the first entry alone is valid from ever")
    if any(one.speed_max_kmh.keys() != MODES for one in entries):
        raise FatalError(f"plausibility policy {name}: an entry lacks a mode of transport")
    return policy(entries)


def policy(entries: Sequence[Thresholds]) -> Policy:
    """A policy of entries. Raises FatalError unless their dates ascend."""
    starts = tuple(_EVER if one.valid_from is None else _start(one.valid_from) for one in entries)
    if any(one >= other for one, other in pairwise(starts)):
        raise FatalError("plausibility policy: the dates do not ascend")
    return Policy(entries=tuple(entries), starts=starts)


def _start(date: dt.date) -> int:
    days = dt.datetime(date.year, date.month, date.day, tzinfo=dt.UTC) - _EPOCH
    return days // dt.timedelta(seconds=1) * SECOND_US


@cache
def shipped() -> Policy:
    """The policy of this package."""
    name = "plausibility.json"
    return parse(importlib.resources.files("supplytwin.schemas").joinpath(name).read_bytes(), name)
