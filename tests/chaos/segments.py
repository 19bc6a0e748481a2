"""What stands in Kafka's own files: who wrote each transaction of a partition, and how it ended.

Producers are told apart by the id that Kafka gives to a transactional id, so this is a witness of
who owned a partition number that neither the engine nor any client can talk over. Read from the
headers of the record batches (message format 2); nothing needs to be decompressed.
"""

import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct(">qiibIhiqqqhii")
"""base offset, length, leader epoch, magic, crc, attributes, last offset delta, first and last
timestamp, producer id, epoch, first sequence, records."""
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
_COMMIT = 1


class Transaction(NamedTuple):
    """One transaction on one partition. Offsets: of its first record, and of its marker."""

    producer: int
    epoch: int
    first: int
    marker: int
    committed: bool
    began_ms: int
    ended_ms: int
    """Times of its first and of its last record, by the clock of the producer's machine."""


def transactions(folder: Path) -> list[Transaction]:
    """The finished transactions of the partition whose files are in `folder`, by their markers."""
    begun: dict[int, list[int]] = {}
    found = []
    for base, attributes, first_ms, last_ms, producer, epoch, body in _batches(folder):
        if not attributes & _TRANSACTIONAL:
            continue
        if not attributes & _CONTROL:
            one = begun.setdefault(producer, [base, first_ms, last_ms])
            one[2] = last_ms
        elif producer in begun:
            first, began_ms, ended_ms = begun.pop(producer)
            committed = _marker(body) == _COMMIT
            found.append(Transaction(producer, epoch, first, base, committed, began_ms, ended_ms))
    return found


def _batches(folder: Path) -> Iterator[tuple[int, int, int, int, int, int, bytes]]:
    for segment in sorted(folder.glob("*.log")):
        data = segment.read_bytes()
        at = 0
        while at + _HEADER.size <= len(data):
            (base, length, _, magic, _, attributes, _, first_ms, last_ms, producer, epoch, _,
             _) = _HEADER.unpack_from(data, at)  # fmt: skip
            if not length:
                break  # preallocated
            assert magic == 2, f"{segment}: message format {magic}"
            body = data[at + _HEADER.size : at + 12 + length]
            yield base, attributes, first_ms, last_ms, producer, epoch, body
            at += 12 + length


def _marker(body: bytes) -> int:
    """The type in the key of a control record: 0 abort, 1 commit."""
    at = _skip(body, 0) + 1  # the record's length, its attributes
    for _ in range(3):  # timestamp delta, offset delta, length of the key
        at = _skip(body, at)
    version, kind = struct.unpack_from(">hh", body, at)
    assert version == 0
    return int(kind)


def _skip(body: bytes, at: int) -> int:
    """Behind the variable-length number at `at`."""
    while body[at] & 0x80:
        at += 1
    return at + 1


class Handover(NamedTuple):
    """From the last commit of one owner to the first of the next."""

    partition: int
    before: int
    after: int
    pause_s: float


def handovers(data: Path, topic: str, partitions: int) -> list[Handover]:
    """Every change of the committing producer of each partition of a topic.

    Raises AssertionError when two of them have committed at one time: a transaction of one began
    before that of the other had ended.
    """
    found = []
    for number in range(partitions):
        done = [one for one in transactions(data / f"{topic}-{number}") if one.committed]
        done.sort(key=lambda one: one.first)
        for one, then in pairwise(done):
            assert one.marker < then.first, f"{topic} {number}: {one} and {then} overlap"
            if one.producer != then.producer:
                pause_s = (then.began_ms - one.ended_ms) / 1000
                found.append(Handover(number, one.producer, then.producer, pause_s))
    return found
