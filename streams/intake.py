"""From Kafka records to understood inputs: placement, decoding, the record's own arrival."""

import secrets
from collections.abc import Callable, Sequence

from supplytwin.processors.twin import check_arrival
from supplytwin.schemas import batch, codec
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import SUPPLY_TOPICS, Event
from supplytwin.schemas.flow import UNREADABLE, Input, Record
from supplytwin.schemas.ids import CHAIN_ID_BYTES, control_key, partition_of
from supplytwin.schemas.localtime import check_time
from supplytwin.schemas.records import CONTROL

Understood = Input | RecordError


def guard() -> bytes:
    """8 random bytes before each record of a batch, so that none can pose as its neighbour."""
    return secrets.token_bytes(8)


class Intake:
    """Decodes batches for the worker: one result for each record, in order.

    `fallbacks` counts the batches that the columnar decoder gave up: each held a bad record.
    """

    def __init__(self, guard: Callable[[], bytes] = guard) -> None:
        self._guard = guard
        self.fallbacks = 0

    def __call__(self, records: Sequence[Record], partitions: int) -> list[Understood]:
        """Input or RecordError for each record; every input topic has `partitions`."""
        results: list[Understood | None] = [None] * len(records)
        groups: dict[str, list[int]] = {}
        for at, record in enumerate(records):
            try:
                check_placement(record, partitions)
            except RecordError as error:
                results[at] = error
            else:
                groups.setdefault(record.topic, []).append(at)
        for topic, places in groups.items():
            for at, result in zip(places, self._decode(topic, records, places), strict=True):
                results[at] = result
        return [result for result in results if result is not None]

    def _decode(
        self, topic: str, records: Sequence[Record], places: Sequence[int]
    ) -> list[Understood]:
        values = [records[at].value or b"" for at in places]
        if topic in SUPPLY_TOPICS:
            decoded = batch.decode_events(topic, values, self._guard)
            self.fallbacks += decoded.fallbacks
            found = decoded.results
        else:
            found = [_decode_one(topic, value) for value in values]
        return [_finish(records[at], result) for at, result in zip(places, found, strict=True)]


def check_placement(record: Record, partitions: int) -> None:
    """Raise RecordError unless key and partition are the partitioner's (MISPLACED), and time and
    headers can be written down.
    """
    if record.headers == UNREADABLE:
        raise RecordError(Code.MALFORMED, "headers", "have a name that is not UTF-8")
    check_time(record.arrival, "arrival")
    if record.topic == CONTROL:
        if record.key != control_key(record.partition).encode():
            raise RecordError(Code.MISPLACED, "key", f"must be {control_key(record.partition)}")
        return
    if record.key is None:
        raise RecordError(Code.MISPLACED, "key", "is missing: produce with the chain_id as key")
    if len(record.key) > CHAIN_ID_BYTES:
        reason = f"has {len(record.key)} bytes, a chain_id has at most {CHAIN_ID_BYTES}"
        raise RecordError(Code.MISPLACED, "key", reason)
    right = partition_of(record.key, partitions)
    if record.partition != right:
        reason = f"belongs into partition {right}: produce with partitioner=murmur2_random"
        raise RecordError(Code.MISPLACED, "partition", reason)


def _decode_one(topic: str, value: bytes) -> codec.Decoded | RecordError:
    try:
        return codec.decode(topic, value)
    except RecordError as error:
        return error


def _finish(record: Record, decoded: codec.Decoded | RecordError) -> Understood:
    """Check what only record and message together show."""
    if isinstance(decoded, RecordError):
        return decoded
    message = decoded.message
    raw = record.key or b""
    key = raw.decode(errors="backslashreplace")
    try:
        # as bytes: other keys that are no UTF-8 look the same as text, and lie elsewhere
        if record.topic != CONTROL and getattr(message, "chain_id", "").encode() != raw:
            raise RecordError(Code.MISPLACED, "chain_id", f"differs from the record's key {key!r}")
        if isinstance(message, Event):
            check_arrival(message, record.arrival)
    except RecordError as error:
        return error
    return Input(
        record=record,
        key=key,
        message=message,
        fingerprint=decoded.fingerprint,
        content_hash=decoded.content_hash,
    )
