"""Whose clock told a time, and what is surely later than something that others told.

Clocks whose zone is known are one. Where it is unknown each source has a clock of its own: its
times are compared as read among themselves, and against any other clock as what they may have been
anywhere on Earth.
"""

from immutables import Map

from supplytwin.schemas.events import Event
from supplytwin.schemas.localtime import UNKNOWN_ZONE, latest_start, span, span_as_read

Bounds = Map[str, tuple[int, int]]
"""Clock -> up to when what it told reaches, us: as it reads, and at the latest."""
NOTHING: Bounds = Map()
_KNOWN = ""


def clock(event: Event) -> str:
    """The clock on which `event` was told: its source where the zone is unknown, else ""."""
    return event.source if event.event_tz == UNKNOWN_ZONE else _KNOWN


def over(bounds: Bounds, event: Event) -> Bounds:
    """`bounds` and all the time within which `event` may have happened."""
    return _reach(bounds, event, span_as_read(event)[1], span(event)[1])


def begun(bounds: Bounds, event: Event) -> Bounds:
    """`bounds` and the time at which `event` may have begun."""
    return _reach(bounds, event, span_as_read(event)[0], latest_start(event))


def _reach(bounds: Bounds, event: Event, read: int, latest: int) -> Bounds:
    own = clock(event)
    known_read, known_latest = bounds.get(own, (read, latest))
    return bounds.set(own, (max(known_read, read), max(known_latest, latest)))


def is_after(event: Event, bounds: Bounds) -> bool:
    """Whether `event` surely happened after `bounds`."""
    own = bounds.get(clock(event))
    is_after_own = own is None or span_as_read(event)[0] >= own[0]
    return is_after_own and is_after_others(event, bounds)


def is_after_others(event: Event, bounds: Bounds) -> bool:
    """Whether `event` surely happened after what other clocks than its own have told."""
    own, earliest = clock(event), span(event)[0]
    return all(earliest >= latest for name, (_, latest) in bounds.items() if name != own)
