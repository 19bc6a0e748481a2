"""Which payload fields an event type requires and which it allows: read off the Structs."""

from functools import cache

from msgspec import Struct
from msgspec.structs import fields

from supplytwin.schemas.events import ENVELOPE, EVENT_TYPES, Event


class Shape(Struct, frozen=True, kw_only=True):
    """One event type. Any payload field that is neither required nor optional is foreign to it."""

    event_type: str
    topic: str
    kind: type[Event]
    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def allowed(self) -> tuple[str, ...]:
        """Every payload field that it may have."""
        return self.required + self.optional


@cache
def shape(event_type: str) -> Shape:
    """The shape of an event type. Raises KeyError for an unknown one."""
    kind = EVENT_TYPES[event_type]
    payload = [one for one in fields(kind) if one.name not in ENVELOPE]
    return Shape(
        event_type=event_type,
        topic=kind.TOPIC,
        kind=kind,
        required=tuple(one.name for one in payload if one.required),
        optional=tuple(one.name for one in payload if not one.required),
    )


def shapes() -> tuple[Shape, ...]:
    """Every event type, in the order of its declaration."""
    return tuple(shape(event_type) for event_type in EVENT_TYPES)
