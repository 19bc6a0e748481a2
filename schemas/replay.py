"""Journal records read again, many at once: their entries, and the inputs that these wrap."""

from collections.abc import Sequence

from supplytwin.schemas import batch, codec, journal
from supplytwin.schemas.errors import FatalError, RecordError
from supplytwin.schemas.events import SUPPLY_TOPICS
from supplytwin.schemas.flow import Input, Record
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


def replay(records: Sequence[Record], guard: batch.Guard | None = None) -> list[Replayed]:
    """The records with their entries and inputs, in order; no hash is checked.

    With a `guard` (8 random bytes before each body) facts are decoded in blocks. Raises FatalError
    naming the record that cannot be read: it was written by somebody else.
    """
    entries = [_entry(record) for record in records]
    bodies: dict[str, list[int]] = {}
    for at, entry in enumerate(entries):
        if entry.kind in WRAPPING:
            if entry.source_topic is None or entry.arrival is None:
                raise FatalError(f"{entry.chain_id} seq {entry.seq}: {entry.kind} without a source")
            bodies.setdefault(entry.source_topic, []).append(at)
    items: dict[int, Input] = {}
    for topic, places in bodies.items():
        values = [entries[at].body for at in places]
        for at, decoded in zip(places, _decoded(topic, values, guard), strict=True):
            if isinstance(decoded, RecordError):
                raise _unreadable(records[at], decoded)
            items[at] = _input(records[at], entries[at], decoded)
    return [_replayed(record, entries[at], items.get(at)) for at, record in enumerate(records)]


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


def _decoded(
    topic: str, values: Sequence[bytes], guard: batch.Guard | None
) -> list[codec.Decoded | RecordError]:
    if guard is not None and topic in SUPPLY_TOPICS and len(values) > 1:
        return batch.decode_events(topic, values, guard).results
    found: list[codec.Decoded | RecordError] = []
    for value in values:
        try:
            found.append(codec.decode(topic, value))
        except RecordError as error:
            found.append(error)
    return found


def _input(record: Record, entry: JournalEntry, decoded: codec.Decoded) -> Input:
    source = Record(
        topic=entry.source_topic or "",
        partition=entry.source_partition or 0,
        offset=entry.source_offset or 0,
        arrival=entry.arrival or 0,
        key=record.key,
        value=entry.body,
        headers=entry.headers,
    )
    return Input(
        record=source,
        key=entry.chain_id,
        message=decoded.message,
        fingerprint=decoded.fingerprint,
        content_hash=decoded.content_hash,
    )
