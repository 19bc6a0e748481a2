"""Journal entries: written by hand as fastavro writes them; a hash is of stored bytes."""

import hashlib
from typing import Any

import codec_world as w
import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.records import JOURNAL, STATE, JournalEntry, StateRecord


def encoded(entry: JournalEntry) -> tuple[bytes, bytes]:
    """The entry as the engine writes it; its own hash is left aside."""
    source = None
    if entry.source_topic is not None:
        source = (entry.source_topic, entry.source_partition, entry.source_offset, entry.arrival)
    return journal.encode(
        chain_id=entry.chain_id, seq=entry.seq, kind=entry.kind, source=source,
        taken_at=entry.taken_at, fold_version=entry.fold_version, timeline=entry.timeline,
        body_fingerprint=entry.body_fingerprint, headers=entry.headers, body=entry.body,
        prev_hash=entry.prev_hash,
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(w.anything(JournalEntry))
def test_an_entry_is_written_as_fastavro_writes_it(entry: Any) -> None:
    """Whatever its source, headers and body are; the hash is that of all bytes before it."""
    source = (entry.source_topic, entry.source_partition, entry.source_offset, entry.arrival)
    if None in source:
        entry = replace(
            entry, source_topic=None, source_partition=None, source_offset=None, arrival=None
        )
    value, digest = encoded(entry)
    entry = replace(entry, hash=digest)
    assert value == codec.header(JOURNAL) + w.witness(JOURNAL, entry)
    assert digest == hashlib.sha256(value[codec.HEADER_LEN : -33]).digest()
    assert journal.read(value) == entry
    assert journal.verify(value)


def test_what_entries_share_is_kept_apart() -> None:
    """What is kept of one entry's time, version and source never appears in another's."""
    one = w.sample(JournalEntry)
    for change in (
        {"taken_at": w.NOON + 1}, {"fold_version": "2"}, {"timeline": "other"},
        {"body_fingerprint": b"87654321"}, {"source_topic": "supply.customs"},
        {"source_partition": 4}, {"source_offset": 9}, {"arrival": 5},
    ):  # fmt: skip
        for entry in (one, replace(one, **change), one):
            value, digest = encoded(entry)
            assert journal.read(value) == replace(entry, hash=digest)


def test_a_changed_byte_breaks_the_hash() -> None:
    """Of body or hash."""
    value, _ = encoded(w.sample(JournalEntry))
    assert journal.verify(value)
    for at in (codec.HEADER_LEN, len(value) // 2, -1):
        changed = bytearray(value)
        changed[at] ^= 1
        assert not journal.verify(bytes(changed))


def test_only_an_entry_is_read_as_one() -> None:
    """Another record, half an entry and nothing are refused."""
    value, _ = encoded(w.sample(JournalEntry))
    for wrong in (codec.encode(STATE, w.sample(StateRecord)), value[:-1], value + b"\0", b""):
        with pytest.raises(RecordError):
            journal.read(wrong)
