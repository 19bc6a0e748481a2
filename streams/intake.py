"""From Kafka records to understood inputs: placement, decoding, the record's own arrival."""

import secrets
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.twin import check_arrival
from supplytwin.schemas import avro, batch, codec
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import SUPPLY_TOPICS, Event
from supplytwin.schemas.flow import UNREADABLE, Input, Record
from supplytwin.schemas.foreign import schema_input
from supplytwin.schemas.ids import CHAIN_ID_BYTES, control_key, partition_of
from supplytwin.schemas.localtime import check_time
from supplytwin.schemas.records import CONTROL
from supplytwin.streams.registry import Registry

Understood = Input | RecordError


def guard() -> bytes:
    """8 random bytes before each record of a batch, so that none can pose as its neighbour."""
    return secrets.token_bytes(8)


class Intake:
    """Decodes batches for the worker: one result for each record, in order.

    `fallbacks` counts the batches that the columnar decoder gave up: each held a bad record. With a
    `registry` its ids are understood, too; records keep the bytes that they came with.
    """

    def __init__(
        self, guard: Callable[[], bytes] = guard, registry: Registry | None = None
    ) -> None:
        self._guard = guard
        self._registry = registry
        self._schema_of = codec.no_registry if registry is None else registry.of_id
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
        if self._registry is not None:
            values = [self._registry.own(topic, value) for value in values]
        if topic in SUPPLY_TOPICS:
            decoded = batch.decode_events(topic, values, self._guard, self._schema_of)
            self.fallbacks += decoded.fallbacks
            found = decoded.results
        else:
            found = [_decode_one(topic, value, self._schema_of) for value in values]
        return [
            self._finish(records[at], value, result)
            for at, value, result in zip(places, values, found, strict=True)
        ]

    def _finish(
        self, record: Record, value: bytes, decoded: codec.Decoded | RecordError
    ) -> Understood:
        """Check what only record and message together show; `value` is what was decoded."""
        if isinstance(decoded, RecordError):
            return decoded
        try:
            check_together(record, decoded.message)
            before = self._before(record, value, decoded.fingerprint)
        except RecordError as error:
            return error
        return Input(
            record=record,
            key=(record.key or b"").decode(errors="backslashreplace"),
            message=decoded.message,
            fingerprint=decoded.fingerprint,
            content_hash=decoded.content_hash,
            before=before,
        )

    def _before(self, record: Record, value: bytes, fingerprint: int) -> Input | None:
        """The schema that a record was written with, if it is not ours: the journal keeps it."""
        if self._registry is None or value[:1] != codec.CONFLUENT:
            return None
        number = int.from_bytes(value[1 : codec.CONFLUENT_LEN], "big")
        if (record.topic, fingerprint) in avro.known():
            reason = f"schema {number} has the fingerprint of one of ours, and is another"
            raise RecordError(Code.UNKNOWN_SCHEMA, "", reason)
        found = self._registry.written_with(number)
        source = replace(record, value=found.text, headers=())
        return schema_input(source, control_key(record.partition), found)


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


def _decode_one(
    topic: str, value: bytes, schema_of_id: codec.SchemaOfId
) -> codec.Decoded | RecordError:
    try:
        return codec.decode(topic, value, schema_of_id)
    except RecordError as error:
        return error


def check_together(record: Record, message: Struct) -> None:
    """Raise RecordError for what only record and message together show to be wrong."""
    raw = record.key or b""
    # as bytes: other keys that are no UTF-8 look the same as text, and lie elsewhere
    if record.topic != CONTROL and getattr(message, "chain_id", "").encode() != raw:
        key = raw.decode(errors="backslashreplace")
        raise RecordError(Code.MISPLACED, "chain_id", f"differs from the record's key {key!r}")
    if isinstance(message, Event):
        check_arrival(message, record.arrival)
