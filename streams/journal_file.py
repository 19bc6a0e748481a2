"""An exported journal: JSON lines, one entry each, that anyone can read and check without us.

    {"chain_id": ..., "seq": ..., "kind": ..., "hash": hex, "entry": base64 of the entry's bytes}

The first four are there for people; what counts is `entry`. A line that is not exactly what its
entry makes of it has been tampered with.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from supplytwin.schemas import journal
from supplytwin.schemas.errors import RecordError, UsageError


class Line(Struct, frozen=True, kw_only=True):
    """One line. `damage` says why it cannot be what was exported; None = it is well formed."""

    number: int
    chain_id: str
    seq: int
    entry: bytes
    damage: str | None = None


def line_of(entry: bytes) -> bytes:
    """The line of one journal record, without the line end."""
    read = journal.read(entry)
    return msgspec.json.encode(
        {
            "chain_id": read.chain_id,
            "seq": read.seq,
            "kind": read.kind,
            "hash": read.hash.hex(),
            "entry": base64.b64encode(entry).decode(),
        }
    )


def write(path: Path, entries: Iterable[bytes]) -> int:
    """Write a file of entries; returns how many."""
    count = 0
    with path.open("wb") as file:
        for entry in entries:
            file.write(line_of(entry) + b"\n")
            count += 1
    return count


def read(path: Path) -> Iterator[Line]:
    """Every line in order; damaged ones say so instead of raising."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    with file:
        for number, text in enumerate(file, start=1):
            yield _parse(number, text.removesuffix(b"\n"))


def _parse(number: int, text: bytes) -> Line:
    chain_id, seq, entry = "", 0, b""
    try:
        fields = msgspec.json.decode(text)
        chain_id, seq = str(fields["chain_id"]), int(fields["seq"])
        entry = base64.b64decode(fields["entry"], validate=True)
        good = line_of(entry) == text
        damage = None if good else "the line says something else than the entry in it"
    except (
        msgspec.DecodeError, binascii.Error, RecordError, KeyError, TypeError, ValueError,
    ) as error:  # fmt: skip
        damage = f"not a journal line: {error}"
    return Line(number=number, chain_id=chain_id, seq=seq, entry=entry, damage=damage)
