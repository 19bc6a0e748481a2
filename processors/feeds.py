"""Documents of foreign standards: what becomes of one that is read, and what one that is written
leaves out.
"""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct, field

from supplytwin.schemas import codec
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import Micros

BYTES_MAX = 900_000
"""Of one event: with its journal entry it must fit 1 MiB."""
Check = Callable[[Event], object]
"""Raises RecordError when the worker would refuse an event: that is told where the document came
in, and not behind it.
"""


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
    share_percent: Decimal | None = None
    """Primary data in the footprints that cannot say it, by emissions: iLEAP alone."""


class Refused(NamedTuple):
    """A part of a document that can be corrected and read again by itself."""

    body: bytes
    error: RecordError
    chain: str | None = None
    """The chain that it seems to be of."""


class Read(Struct, frozen=True, kw_only=True):
    """What became of one document."""

    accepted: int = 0
    """How many events or rows it has itself, without those refused."""
    events: tuple[Event, ...] = ()
    noted: Counter[str] = field(default_factory=Counter)
    """Of the accepted: those without a place in our model, by what they say."""
    body_only: Counter[str] = field(default_factory=Counter)
    """Fields of theirs that stand only in the `original` of ours."""
    refused: tuple[Refused, ...] = ()


class Exported(NamedTuple):
    """A document, how many events it has, and what of the chain is not in it, by why."""

    document: bytes
    events: int
    left_out: Counter[str]


def encoded(event: Event) -> bytes:
    """Its record: a Check of all that it says by itself."""
    value = codec.encode(event.TOPIC, event)
    codec.strict(event.TOPIC, value)
    if len(value) > BYTES_MAX:
        reason = f"has {len(value)} bytes, an event may have {BYTES_MAX}: leave out what is long"
        raise RecordError(Code.TOO_LARGE, "", reason)
    return value
