"""Journal entries as bytes: an encoder written by hand, because every accepted record passes it.

hash = SHA-256 of the entry's Avro body before the hash field, without wire header. A verifier
hashes the stored bytes, never a re-encoding. Tests hold the encoder equal to fastavro.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from supplytwin.schemas import avro, codec
from supplytwin.schemas.binary import NULL, PRESENT, blob, long, moment, text
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.flow import Header
from supplytwin.schemas.records import JOURNAL, REVIEWS, JournalEntry

HASH_LEN = 32
GENESIS = bytes(HASH_LEN)
"""prev_hash of a chain's first entry."""
_HASH_FIELD_LEN = 1 + HASH_LEN
_OF_HASH = long(HASH_LEN)


@lru_cache(maxsize=1 << 10, typed=True)
def _from(topic: str, partition: int) -> bytes:
    return PRESENT + text(topic) + PRESENT + long(partition) + PRESENT


@lru_cache(maxsize=1 << 4, typed=True)
def _kind(kind: str) -> bytes:
    return text(kind)


@lru_cache(maxsize=1 << 8, typed=True)
def _under(taken_at: int, fold_version: str, timeline: str, body_fingerprint: bytes) -> bytes:
    """What the entries of one batch share."""
    return long(taken_at) + text(fold_version) + text(timeline) + blob(body_fingerprint)


def _headers(headers: Sequence[Header]) -> bytes:
    parts = [long(len(headers))]
    for key, value in headers:
        parts.append(text(key))
        parts.append(NULL if value is None else PRESENT + blob(value))
    parts.append(NULL)
    return b"".join(parts)


def encode(
    *,
    chain_id: str,
    seq: int,
    kind: str,
    source: tuple[str, int, int, int] | None,
    taken_at: int,
    fold_version: str,
    timeline: str,
    body_fingerprint: bytes,
    headers: Sequence[Header],
    body: bytes,
    prev_hash: bytes,
) -> tuple[bytes, bytes]:
    """(wire value, hash) of an entry.

    `source` = (topic, partition, offset, arrival us), None for a DECISION.
    """
    if source is None:
        origin = NULL * 4
    else:
        topic, partition, offset, arrival = source
        origin = _from(topic, partition) + long(offset) + PRESENT + moment(arrival)
    signed = b"".join(
        (text(chain_id), long(seq), _kind(kind), origin,
         _under(taken_at, fold_version, timeline, body_fingerprint),
         _headers(headers) if headers else NULL, blob(body), blob(prev_hash))
    )  # fmt: skip
    digest = hashlib.sha256(signed).digest()
    return b"".join((codec.header(JOURNAL), signed, _OF_HASH, digest)), digest


def read(value: bytes) -> JournalEntry:
    """The entry of a wire value; its hash is not checked. Raises RecordError when malformed."""
    found = codec.read(JOURNAL, value)
    if not isinstance(found, JournalEntry):
        raise RecordError(Code.MALFORMED, "", "is not a journal entry")
    return found


def topic_of(entry: JournalEntry) -> str:
    """The topic whose schema an input's body has.

    That is the topic it came from, but for what a worker itself writes about a record that it has
    refused: a review, under the place of that record.
    """
    written = int.from_bytes(entry.body_fingerprint, "little")
    if entry.kind == "INPUT" and (REVIEWS, written) in avro.known():
        return REVIEWS
    return entry.source_topic or ""


def computed_hash(value: bytes) -> bytes:
    """SHA-256 of the stored bytes before the hash field."""
    return hashlib.sha256(value[codec.HEADER_LEN : -_HASH_FIELD_LEN]).digest()


def verify(value: bytes) -> bool:
    """Whether the entry's own hash is that of its stored bytes."""
    return value[-_HASH_FIELD_LEN:] == _OF_HASH + computed_hash(value)
