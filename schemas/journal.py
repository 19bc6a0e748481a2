"""Journal entries as bytes: an encoder written by hand, because every accepted record passes it.

hash = SHA-256 of the entry's Avro body before the hash field, without wire header. A verifier hashes
the stored bytes, never a re-encoding. Tests hold the encoder equal to fastavro.
"""

import hashlib
from collections.abc import Sequence

from supplytwin.schemas import codec
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.flow import Header
from supplytwin.schemas.records import JOURNAL, JournalEntry

HASH_LEN = 32
GENESIS = bytes(HASH_LEN)
"""prev_hash of a chain's first entry."""
_HASH_FIELD_LEN = 1 + HASH_LEN
_NULL = b"\0"


def _long(number: int) -> bytes:
    """Avro's zig-zag variable-length integer (64 bit)."""
    number = (number << 1) ^ (number >> 63)
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _bytes(value: bytes) -> bytes:
    return _long(len(value)) + value


def _headers(headers: Sequence[Header]) -> bytes:
    if not headers:
        return _NULL
    parts = [_long(len(headers))]
    for key, value in headers:
        parts.append(_bytes(key.encode()))
        parts.append(_NULL if value is None else b"\x02" + _bytes(value))
    parts.append(_NULL)
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
    """(wire value, hash) of an entry. `source` = (topic, partition, offset, arrival us), None for a DECISION."""
    if source is None:
        origin = _NULL * 4
    else:
        topic, partition, offset, arrival = source
        origin = b"".join(
            (b"\x02", _bytes(topic.encode()), b"\x02", _long(partition), b"\x02", _long(offset),
             b"\x02", _long(arrival))
        )  # fmt: skip
    signed = b"".join(
        (
            _bytes(chain_id.encode()),
            _long(seq),
            _bytes(kind.encode()),
            origin,
            _long(taken_at),
            _bytes(fold_version.encode()),
            _bytes(timeline.encode()),
            _bytes(body_fingerprint),
            _headers(headers),
            _bytes(body),
            _bytes(prev_hash),
        )
    )
    digest = hashlib.sha256(signed).digest()
    return codec.header(JOURNAL) + signed + _bytes(digest), digest


def read(value: bytes) -> JournalEntry:
    """The entry that a wire value holds; its hash is not checked. Raises RecordError when malformed."""
    found = codec.message(JOURNAL, codec.strict_row(JOURNAL, value))
    if not isinstance(found, JournalEntry):
        raise RecordError(Code.MALFORMED, "", "is not a journal entry")
    return found


def computed_hash(value: bytes) -> bytes:
    """SHA-256 of the stored bytes before the hash field."""
    return hashlib.sha256(value[codec.HEADER_LEN : -_HASH_FIELD_LEN]).digest()


def verify(value: bytes) -> bool:
    """Whether the entry's own hash is that of its stored bytes."""
    return value[-_HASH_FIELD_LEN:] == _bytes(computed_hash(value))
