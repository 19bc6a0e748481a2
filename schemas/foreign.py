"""Schemas that are not ours: how a journal keeps them, and how what they wrote is read again.

A journal entry's body is the input as it came. If a registry's id stands before it, the entry's
`body_fingerprint` says which schema wrote it, so that no registry is needed to read a journal: ours
are in the package, and one of somebody else stands in an earlier entry of the same partition
number, once (kind CONTROL, body = the schema as canonical JSON, source = the first record that was
written with it, which is how it differs from a control record's entry).
"""

import hashlib
import json

from msgspec import Struct

from supplytwin.schemas import avro, journal
from supplytwin.schemas.codec import CONFLUENT, CONFLUENT_LEN, MAGIC
from supplytwin.schemas.errors import Code, FatalError, RecordError
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.records import CONTROL, JournalEntry

_NOBODY = 2**32 - 1
"""A number that no schema has here."""
_OF_NOBODY = CONFLUENT + _NOBODY.to_bytes(4, "big")


class WriterSchema(Struct, frozen=True, kw_only=True, gc=False):
    """A schema that is not ours. `text` = canonical JSON, `fingerprint` = its CRC-64-AVRO."""

    fingerprint: int
    text: bytes


def writer_schema(schema: avro.Schema) -> WriterSchema:
    """A schema as it is journalled."""
    text = json.dumps(schema, sort_keys=True, separators=(",", ":")).encode()
    return WriterSchema(fingerprint=avro.fingerprint_of_schema(schema), text=text)


def schema_in(entry: JournalEntry) -> WriterSchema | None:
    """The schema that an entry keeps; None = it is another entry."""
    if entry.kind != "CONTROL" or entry.source_topic in (None, CONTROL):
        return None  # a restatement has no source, a control record that topic
    return WriterSchema(fingerprint=_fingerprint(entry), text=entry.body)


def _fingerprint(entry: JournalEntry) -> int:
    return int.from_bytes(entry.body_fingerprint, "little")


def single(fingerprint: int, value: bytes) -> bytes:
    """A registry's wire value as an Avro single object of the schema with this fingerprint."""
    return MAGIC + fingerprint.to_bytes(8, "little") + value[CONFLUENT_LEN:]


class Foreign:
    """What the journals that were read so far say about schemas that are not ours.

    By partition number: its own journal alone decides what an entry means.
    """

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}
        self._schemas: list[avro.Schema] = []

    def learn(self, partition: int, found: WriterSchema) -> None:
        """Entries of this partition number may be of this schema from now on.

        Raises FatalError when the text has another fingerprint: it is not what was journalled.
        """
        if (partition, found.fingerprint) in self._numbers:
            return
        schema = json.loads(found.text)
        if avro.fingerprint_of_schema(schema) != found.fingerprint:
            raise FatalError(f"a journalled schema is not the one {found.fingerprint:016x}")
        self._numbers[partition, found.fingerprint] = len(self._schemas)
        self._schemas.append(schema)

    def schema_of(self, number: int) -> avro.Schema | None:
        """For `codec`: the schema of a number that `value` has put before a body."""
        return self._schemas[number] if number < len(self._schemas) else None

    def value(self, partition: int, topic: str, fingerprint: int, body: bytes) -> bytes:
        """A journalled body as `codec` reads it with `schema_of`."""
        if body[:1] != CONFLUENT or len(body) < CONFLUENT_LEN:
            return body
        if (topic, fingerprint) in avro.known():
            return single(fingerprint, body)
        number = self._numbers.get((partition, fingerprint), _NOBODY)
        return CONFLUENT + number.to_bytes(4, "big") + body[CONFLUENT_LEN:]

    def body(self, partition: int, entry: JournalEntry) -> bytes:
        """The body of an entry as `codec` reads it with `schema_of`.

        Raises RecordError when no entry before it has its schema.
        """
        if entry.body[:1] != CONFLUENT:
            return entry.body
        fingerprint = _fingerprint(entry)
        value = self.value(partition, journal.topic_of(entry), fingerprint, entry.body)
        if value.startswith(_OF_NOBODY):
            reason = f"its schema {fingerprint:016x} stands in no journal entry before it"
            raise RecordError(Code.UNKNOWN_SCHEMA, "", reason)
        return value


def schema_input(source: Record, key: str, found: WriterSchema) -> Input:
    """A schema as an input of the control chain `key`: `source` is the record that it came with."""
    return Input(
        record=source,
        key=key,
        message=found,
        fingerprint=found.fingerprint,
        content_hash=hashlib.sha256(found.text).digest(),
    )
