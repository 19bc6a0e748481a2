"""Journal records read again, many at once: their entries, and the inputs that these wrap."""

from collections.abc import Sequence

from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import FatalError, RecordError
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.foreign import Foreign, schema_in, schema_input
from supplytwin.schemas.records import JournalEntry

WRAPPING = ("FACT", "INPUT", "CONTROL")
"""Kinds of entries whose body is an input that a fold takes again."""


class Replayed(Record, frozen=True, kw_only=True, gc=False):
    """A journal record that was read. `item` is the input that its entry wraps, as it came."""

    entry: JournalEntry
    item: Input | None = None


def read(records: Sequence[Record]) -> list[Replayed]:
    """The records with their entries only. FatalError names the record that cannot be read."""
    return [_replayed(record, _entry(record), None) for record in records]


def replay(records: Sequence[Record], foreign: Foreign | None = None) -> list[Replayed]:
    """The records with their entries and inputs, in order; no hash is checked.

    `foreign` knows the schemas of others that came before, and learns those that come here. Raises
    FatalError naming the record that cannot be read: it was written by somebody else.
    """
    foreign = Foreign() if foreign is None else foreign
    entries = ((record, _entry(record)) for record in records)
    return [_replayed(record, entry, _item(record, entry, foreign)) for record, entry in entries]


def _item(record: Record, entry: JournalEntry, foreign: Foreign) -> Input | None:
    """The input that an entry wraps; a restatement is a CONTROL entry that wraps none."""
    if entry.kind not in WRAPPING or (entry.kind == "CONTROL" and entry.source_topic is None):
        return None
    if entry.source_topic is None or entry.arrival is None:
        raise FatalError(f"{entry.chain_id} seq {entry.seq}: {entry.kind} without a source")
    schema = schema_in(entry)
    if schema is not None:
        foreign.learn(record.partition, schema)
        return schema_input(_source(record, entry), entry.chain_id, schema)
    try:
        value = foreign.body(record.partition, entry)
        decoded = codec.decode(journal.topic_of(entry), value, foreign.schema_of)
        return _input(record, entry, decoded)
    except RecordError as error:
        raise _unreadable(record, error) from error


def _replayed(record: Record, entry: JournalEntry, item: Input | None) -> Replayed:
    return Replayed(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        arrival=record.arrival,
        key=record.key,
        value=record.value,
        headers=record.headers,
        entry=entry,
        item=item,
    )


def _entry(record: Record) -> JournalEntry:
    try:
        return journal.read(record.value or b"")
    except RecordError as error:
        raise _unreadable(record, error) from error


def _unreadable(record: Record, error: RecordError) -> FatalError:
    where = f"{record.topic} partition {record.partition} offset {record.offset}"
    return FatalError(f"{where} cannot be read: {error}")


def _source(record: Record, entry: JournalEntry) -> Record:
    """The record that an entry takes, as it came."""
    return Record(
        topic=entry.source_topic or "",
        partition=entry.source_partition or 0,
        offset=entry.source_offset or 0,
        arrival=entry.arrival or 0,
        key=record.key,
        value=entry.body,
        headers=entry.headers,
    )


def _input(record: Record, entry: JournalEntry, decoded: codec.Decoded) -> Input:
    return Input(
        record=_source(record, entry),
        key=entry.chain_id,
        message=decoded.message,
        fingerprint=decoded.fingerprint,
        content_hash=decoded.content_hash,
    )
