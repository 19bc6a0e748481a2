"""What passes between the engine and a fold: records in, steps out. The engine knows nothing
else.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Generic, TypeVar

from msgspec import Struct

Header = tuple[str, bytes | None]
UNREADABLE: tuple[Header, ...] = (("unreadable headers", None),)
"""Stands for headers that the Kafka client cannot give: a name among them is not UTF-8."""
DELEGATION = "st-delegation"
"""Header of a journal entry: the delegation under which a correction was taken, as JSON."""
PERMIT = "st-permit"
"""Header of a journal entry: what the policy in force permitted terms that it takes."""
MAC = "st-mac"
"""Header of a journal entry: what the shared secret of its key says of its HMAC."""
S_co = TypeVar("S_co", covariant=True)


class Due(Enum):
    """When a state wants a decision, if it is not a tick time."""

    NEXT = "NEXT"
    """At the next cut, whenever that is."""


class Record(Struct, frozen=True, kw_only=True, gc=False):
    """One Kafka record as it came. `arrival` = its timestamp, us UTC (LogAppendTime, or
    CreateTime when simulated).
    """

    topic: str
    partition: int
    offset: int
    arrival: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()

    @property
    def chain(self) -> str:
        """Its key as text; what is no UTF-8 is spelled out."""
        return (self.key or b"").decode(errors="backslashreplace")


class Asleep(Struct, frozen=True, kw_only=True, gc=False):
    """What is left in memory of a state that has left it; a fold's own kind of it has more fields.

    `resting` false = entries were followed since then: the journal has to be read before anything
    is decided about it.
    """

    resting: bool = True


class Input(Struct, frozen=True, kw_only=True, gc=False):
    """A record that was understood: `message` is the decoded Struct, `key` its chain id.

    `fingerprint` is the CRC-64-AVRO of the writer's schema; `content_hash` the SHA-256 of the
    message re-encoded under the newest schema without wire header (32 bytes): the same content
    in two wire formats has one hash. `before` is an input of the partition's control chain that has
    to be in the journal before this one: the schema that it was written with, if that is not ours.
    """

    record: Record
    key: str
    message: Struct
    fingerprint: int
    content_hash: bytes
    before: "Input | None" = None
    under: Struct | None = None
    """What the control chain says that bears on it, of those that a fold admits with it."""


class Message(Struct, frozen=True, kw_only=True, gc=False):
    """What a feed sends: `body` to `topic` under `key`, recorded at `arrival` (us UTC, whole
    ms).
    """

    topic: str
    key: str
    arrival: int
    body: Struct


class Output(Struct, frozen=True, kw_only=True, gc=False):
    """One record to produce, on the partition number of the task. `value` None = tombstone."""

    topic: str
    key: str
    value: bytes | None
    headers: tuple[Header, ...] = ()


class Step(Struct, Generic[S_co], frozen=True, kw_only=True, gc=False):
    """What one input or one decision did: the new state, journal entries and outputs in order.

    No entries = nothing happened (a duplicate). `counts` names metrics to increment by one
    each.
    """

    state: S_co
    entries: Sequence[Output] = ()
    outputs: Sequence[Output] = ()
    counts: Sequence[str] = ()
