"""What a document of a foreign standard becomes: events of ours, and what was refused, and why."""

from collections import Counter
from typing import NamedTuple

from msgspec import Struct, field

from supplytwin.schemas import codec
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import Micros

BYTES_MAX = 1_000_000
"""Of one event: what an input topic takes, less what a record adds."""


class Given(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said by hand about a document; it is read with it again out of the quarantine."""

    chain: str | None = None
    """The chain of everything in it."""
    source: str | None = None
    """Who it is from, where it does not say so itself."""
    currency: str = "USD"
    """Of prices without one. The Korean declarations have none: per kilogram they are those of
    dollars, not of won.
    """
    recorded: Micros | None = None
    """When it was made, us, where it does not say so itself."""


class Refused(NamedTuple):
    """A part of a document that can be corrected and read again by itself."""

    body: bytes
    error: RecordError


class Read(Struct, frozen=True, kw_only=True):
    """What became of one document. `noted` counts those of `events` that have no place in our
    model, by what they say.
    """

    events: tuple[Event, ...] = ()
    noted: Counter[str] = field(default_factory=Counter)
    refused: tuple[Refused, ...] = ()


def encoded(event: Event) -> bytes:
    """Its record. Raises RecordError when the worker would refuse it: that is told where the
    document came in, and not behind it.
    """
    value = codec.encode(event.TOPIC, event)
    codec.strict(event.TOPIC, value)
    if len(value) > BYTES_MAX:
        reason = f"has {len(value)} bytes, an event may have {BYTES_MAX}: leave out what is long"
        raise RecordError(Code.TOO_LARGE, "", reason)
    return value
