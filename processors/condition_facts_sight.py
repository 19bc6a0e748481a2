"""A twin as conditions look at it: what is asked of its subjects and facts again and again is found
once, for all claims that are judged over it.
"""

from typing import Any

from msgspec import Struct

from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.reach import reached_by
from supplytwin.processors.reversing import slots_of
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import Twin
from supplytwin.schemas.events import Event
from supplytwin.schemas.localtime import (
    UNKNOWN_ZONE,
    latest_start,
    local_day,
    span,
    span_as_read,
)


class Seen(Struct, frozen=True, kw_only=True, gc=False):
    """An event, the subjects that it reaches, and when it happened, as a statement says it."""

    event: Event
    keys: tuple[SubjectKey, ...]
    times: dict[str, Any]


class Sight:
    """Lives for one cut, or one look. What it gives must not be changed."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self._slots: dict[SubjectKey, list[Slot]] = {}
        self._events: dict[int, Seen] = {}

    def slots(self, key: SubjectKey) -> list[Slot]:
        """All that ever reached a subject, by identity."""
        found = self._slots.get(key)
        if found is None:
            found = self._slots[key] = sorted(slots_of(self.twin, key), key=_identity)
        return found

    def seen(self, event: Event) -> Seen:
        """It keeps the event, so that no other one is taken for it."""
        found = self._events.get(id(event))
        if found is None:
            found = Seen(event=event, keys=reached_by(event), times=times_of(event))
            self._events[id(event)] = found
        return found


def _identity(slot: Slot) -> Identity:
    return slot.identity


def times_of(event: Event) -> dict[str, Any]:
    """When an event happened, as a statement says it."""
    if event.time_precision == "DAY":
        first, end = span(event)
        unknown = event.event_tz == UNKNOWN_ZONE
        return {
            "first": first,
            "last": end - 1,
            "begins": latest_start(event) if unknown else None,
            "day": local_day(event.event_time, event.event_tz),
        }
    grain = span_as_read(event)[1] - 1 - event.event_time
    if event.event_tz == UNKNOWN_ZONE:
        first, end = span(event)
        return {"first": first, "last": end, "begins": end}
    return {"first": event.event_time, "last": event.event_time, "grain_us": grain}
