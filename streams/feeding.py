"""Documents of others on their way in: what is right goes to its topics, what is not to the
quarantine, from where a corrected one can be released.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import customs, dcsa
from supplytwin.processors.feeds import Given, Read, Refused, encoded
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Header, Record
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import QUARANTINE, Quarantined
from supplytwin.streams import framed
from supplytwin.streams.ports import Broker, Producer
from supplytwin.streams.quarantine import Limits, quarantined
from supplytwin.streams.topics import Meta

Reader = Callable[[bytes, Given], Read]
"""(document, what was said about it by hand) -> what becomes of it."""
DCSA, CUSTOMS = "feed.dcsa", "feed.customs"
READERS: Mapping[str, Reader] = {DCSA: dcsa.document, CUSTOMS: customs.document}
"""What stands in the quarantine as the topic of a refused document -> who reads it."""


GIVEN = "st-feed-given"
"""The header of a refused document: what was said about it by hand, JSON."""


class Place(Struct, frozen=True, kw_only=True):
    """A refused document or row: where the quarantine has it, and what is wrong."""

    topic: str
    partition: int
    offset: int
    """No offset of a log: the start of the body's hash, the same each time it is fed."""
    code: str
    field: str
    reason: str


class Fed(Struct, frozen=True, kw_only=True):
    """What a feed did with a document."""

    accepted: int
    by_type: dict[str, int]
    """Of the accepted: how many of each event type of ours."""
    by_classifier: dict[str, int]
    unmapped: dict[str, int]
    """Of the accepted: those without a place in our model, by what they say."""
    refused: tuple[Place, ...]


def feed(
    broker: Broker,
    meta: Meta,
    name: str,
    found: Read,
    *,
    given: Given,
    now: int,
    moved: Callable[[int], None] = lambda sent: None,
) -> Fed:
    """Send what a document of this kind was read as, with what was given by hand.

    `now` = wall-clock time, us; `moved` hears how many events are on their way.
    Everything is acknowledged when this returns. Sent again it changes nothing: an event's identity
    is its own.
    """
    framed.require(broker, {one.TOPIC for one in found.events} | {QUARANTINE})
    producer = broker.producer(None)
    try:
        for sent, one in enumerate(found.events, start=1):
            send(producer, meta, one)
            moved(sent)
        places = tuple(_refuse(producer, meta, name, one, given, now) for one in found.refused)
        producer.flush()
    finally:
        producer.close()
    return Fed(
        accepted=len(found.events),
        by_type=dict(sorted(Counter(one.event_type for one in found.events).items())),
        by_classifier=dict(sorted(Counter(one.classifier for one in found.events).items())),
        unmapped=dict(sorted(found.noted.items())),
        refused=places,
    )


def send(producer: Producer, meta: Meta, event: Event, headers: tuple[Header, ...] = ()) -> None:
    """Queue one event; in simulated time it arrives when its source recorded it."""
    producer.produce(
        event.TOPIC,
        event.chain_id.encode(),
        encoded(event),
        headers=headers,
        timestamp_us=event.recorded_time if meta.simulated else None,
    )


def place_of(body: bytes, partitions: int) -> tuple[int, int]:
    """(partition, offset) that stand for a refused body in the quarantine."""
    digest = hashlib.sha256(body).digest()
    return digest[-1] % partitions, int.from_bytes(digest[:6], "big")


def _refuse(
    producer: Producer, meta: Meta, name: str, refused: Refused, given: Given, now: int
) -> Place:
    partition, offset = place_of(refused.body, meta.partitions)
    error = refused.error
    record = Record(
        topic=name, partition=partition, offset=offset, arrival=now, key=None, value=refused.body,
        headers=((GIVEN, msgspec.json.encode(given)),),
    )  # fmt: skip
    key, value = quarantined(record, error, Limits())
    arrival = Micros(now) if meta.simulated else None
    producer.produce(QUARANTINE, key, value, partition=partition, timestamp_us=arrival)
    return Place(
        topic=name, partition=partition, offset=offset, code=str(error.code), field=error.field,
        reason=error.reason,
    )  # fmt: skip


def corrected(found: Quarantined, body: bytes, chain: str | None) -> tuple[Event, ...]:
    """The events of a document out of the quarantine, read with what was given when it was fed,
    `chain` before that. Raises UsageError while it is still wrong: nothing of it is sent then.
    """
    said = next((value for name, value in found.headers if name == GIVEN and value), b"{}")
    given = msgspec.json.decode(said, type=Given)
    if chain is not None:
        given = replace(given, chain=chain)
    made = READERS[found.topic](body, given)
    if made.refused:
        more = f", and {len(made.refused) - 1} more" if len(made.refused) > 1 else ""
        raise UsageError(f"still wrong: {made.refused[0].error}{more}")
    return made.events
