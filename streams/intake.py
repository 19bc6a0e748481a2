"""From Kafka records to understood inputs: placement, decoding, the record's own arrival."""

import secrets
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.twin import check_arrival
from supplytwin.schemas import avro, codec
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import UNREADABLE, Input, Record
from supplytwin.schemas.foreign import schema_input
from supplytwin.schemas.ids import CHAIN_ID_BYTES, control_key, partition_of
from supplytwin.schemas.localtime import check_time
from supplytwin.schemas.records import CONTROL
from supplytwin.streams.refused import check_sender
from supplytwin.streams.registry import Registry

Understood = Input | RecordError


def guard() -> bytes:
    """8 random bytes before each record of a block, so that none can pose as its neighbour."""
    return secrets.token_bytes(8)


class Intake:
    """Decodes batches for the worker: one result for each record, in order.

    `strict` counts the records that only the strict decoder could judge: bad ones, and such as no
    encoder of ours writes now; `fallbacks` the batches that held one. With a `registry` its ids are
    understood, too; records keep the bytes that they came with.
    """

    def __init__(self, registry: Registry | None = None) -> None:
        self._registry = registry
        self._schema_of = codec.no_registry if registry is None else registry.of_id
        self.fallbacks = self.strict = 0

    def __call__(self, records: Sequence[Record], partitions: int) -> list[Understood]:
        """Input or RecordError for each record; every input topic has `partitions`."""
        before = self.strict
        results = [self._understand(record, partitions) for record in records]
        self.fallbacks += self.strict > before
        return results

    def _understand(self, record: Record, partitions: int) -> Understood:
        try:
            key = check_placement(record, partitions)
            check_sender(record)
            value = record.value or b""
            if self._registry is not None:
                value = self._registry.own(record.topic, value)
            decoded = self._decode(record.topic, value)
            check_together(record, key, decoded.message)
            before = self._before(record, value, decoded.fingerprint)
        except RecordError as error:
            return error
        return Input(
            record=record,
            key=key,
            message=decoded.message,
            fingerprint=decoded.fingerprint,
            content_hash=decoded.content_hash,
            before=before,
        )

    def _decode(self, topic: str, value: bytes) -> codec.Decoded:
        decoded = codec.canonically(topic, value)
        if decoded is None:
            self.strict += 1
            decoded = codec.strict(topic, value, self._schema_of)
        return decoded

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


def check_placement(record: Record, partitions: int) -> str:
    """The record's key. Raises RecordError unless key and partition are the partitioner's
    (MISPLACED), and time and headers can be written down.
    """
    if record.headers == UNREADABLE:
        raise RecordError(Code.MALFORMED, "headers", "have a name that is not UTF-8")
    check_time(record.arrival, "arrival")
    if record.topic == CONTROL:
        own = control_key(record.partition)
        if record.key != own.encode():
            raise RecordError(Code.MISPLACED, "key", f"must be {own}")
        return own
    if record.key is None:
        raise RecordError(Code.MISPLACED, "key", "is missing: produce with the chain_id as key")
    if len(record.key) > CHAIN_ID_BYTES:
        reason = f"has {len(record.key)} bytes, a chain_id has at most {CHAIN_ID_BYTES}"
        raise RecordError(Code.MISPLACED, "key", reason)
    right = partition_of(record.key, partitions)
    if record.partition != right:
        reason = f"belongs into partition {right}: produce with partitioner=murmur2_random"
        raise RecordError(Code.MISPLACED, "partition", reason)
    return record.chain


def check_together(record: Record, key: str, message: Struct) -> None:
    """Raise RecordError for what only record and message together show to be wrong."""
    # as bytes: other keys that are no UTF-8 look the same as text, and lie elsewhere
    if record.topic != CONTROL and getattr(message, "chain_id", "").encode() != record.key:
        raise RecordError(Code.MISPLACED, "chain_id", f"differs from the record's key {key!r}")
    if isinstance(message, Event):
        check_arrival(message, record.arrival)
