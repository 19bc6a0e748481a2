"""The hash chain over one chain's journal: every entry names the hash of the one before it.

It shows that a stored journal was changed, and where; it does not show that a whole tail was left
out or that the journal was written anew from some entry on. Signed checkpoints would.
"""

from collections.abc import Iterable

from msgspec import Struct

from supplytwin.schemas import journal
from supplytwin.schemas.errors import FatalError, RecordError
from supplytwin.schemas.flow import Record
from supplytwin.schemas.records import JournalEntry


class Head(Struct, frozen=True, kw_only=True, gc=False):
    """The last entry of a chain: its number, and its hash."""

    seq: int
    hash: bytes


START = Head(seq=0, hash=journal.GENESIS)
"""Before the first entry."""


def append(
    head: Head,
    *,
    chain_id: str,
    kind: str,
    record: Record | None,
    fingerprint: int,
    taken_at: int,
    fold_version: str,
    timeline: str,
    body: bytes,
) -> tuple[Head, bytes]:
    """The next entry after `head` as wire value, and the head that it makes.

    `record` is the input that it takes, None for a decision; `fingerprint` the CRC-64-AVRO of the
    schema that `body` was written with.
    """
    seq = head.seq + 1
    source = None
    if record is not None:
        source = (record.topic, record.partition, record.offset, record.arrival)
    value, digest = journal.encode(
        chain_id=chain_id,
        seq=seq,
        kind=kind,
        source=source,
        taken_at=taken_at,
        fold_version=fold_version,
        timeline=timeline,
        body_fingerprint=fingerprint.to_bytes(8, "little"),
        headers=() if record is None else record.headers,
        body=body,
        prev_hash=head.hash,
    )
    return Head(seq=seq, hash=digest), value


class Broken(Struct, frozen=True, kw_only=True, gc=False):
    """The first entry that does not belong where it stands. `position` counts from 0."""

    position: int
    seq: int
    reason: str

    def __str__(self) -> str:
        return f"entry {self.seq}: {self.reason}"


def _fault(head: Head, chain_id: str, entry: JournalEntry, value: bytes) -> str | None:
    """Why `entry` cannot be the one after `head`."""
    if not journal.verify(value):
        return "its bytes do not have the hash that it carries"
    if entry.chain_id != chain_id:
        return f"belongs to chain {entry.chain_id!r}"
    if entry.seq != head.seq + 1:
        return f"is numbered {entry.seq} where {head.seq + 1} is due"
    if entry.prev_hash != head.hash:
        return "does not carry the hash of the entry before it"
    return None


def follow(head: Head, chain_id: str, entry: JournalEntry, value: bytes) -> Head:
    """The head after a stored entry (`value` = its wire value). FatalError when it does not fit."""
    fault = _fault(head, chain_id, entry, value)
    if fault is not None:
        raise FatalError(f"journal of {chain_id!r}: entry {head.seq + 1} {fault}")
    return Head(seq=entry.seq, hash=entry.hash)


def verify(chain_id: str, values: Iterable[bytes]) -> Broken | None:
    """The first bad entry among the wire values of one chain, from its start; None = all sound."""
    head = START
    for position, value in enumerate(values):
        due = head.seq + 1
        try:
            entry = journal.read(value)
        except RecordError as error:
            return Broken(position=position, seq=due, reason=f"cannot be read: {error.reason}")
        fault = _fault(head, chain_id, entry, value)
        if fault is not None:
            return Broken(position=position, seq=due, reason=fault)
        head = Head(seq=entry.seq, hash=entry.hash)
    return None
