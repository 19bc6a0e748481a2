"""What a bank's mailbox answers: kept as it came, then gone through one document at a time.

An answer with anything new in it is kept whole before the first document of it is, and removed
behind the last. A process that dies in between leaves it there; the next one goes through it again
before it asks the mailbox, and knows what it has by its bytes.

    kept/mailbox/.answer.tmp    while it is read; when that broke off, as much of it as had come,
                                which is gone through like any other
    kept/mailbox/TIME.json      an answer, some of which may not be kept by itself yet
"""

import mmap
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Struct

from supplytwin.sinks.file_rail import sync
from supplytwin.sinks.iso20022_xml import BYTES_MAX

MAILBOX_MAX = 16 * BYTES_MAX
"""Bytes of one answer; they are on the disk, not in memory."""
_PIECE = 1 << 20
_BEGIN = re.compile(rb"(?:\xef\xbb\xbf)?\s*\[")
_END = re.compile(rb"\s*\Z")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[][{},]', re.DOTALL)
"""A text, perhaps one that broke off, or a sign."""


class _Mail(Struct, frozen=True, kw_only=True):
    body: str


class _Named(Struct, frozen=True, kw_only=True):
    id: str | int


class Mail(Struct, frozen=True, kw_only=True):
    """One document, or, where it is not `good`, what stands in its place."""

    data: bytes
    id: str
    """"" = it has none by which it could be deleted."""
    good: bool


class Body(Protocol):
    """What is read of a response, piece by piece."""

    def read1(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        """b"" at the end."""


class Answers:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._being_read = folder, folder / ".answer.tmp"
        folder.mkdir(parents=True, exist_ok=True)

    def unfinished(self) -> list[Path]:
        """Answers that are not gone through, oldest first. Raises OSError."""
        if self._being_read.exists():
            self.keep(self._being_read)
        return sorted(self._folder.glob("*.json"))

    def take(self, body: Body) -> Path | None:
        """All of it on the disk, not yet for good; None = it is too long. Raises OSError."""
        size = 0
        with self._being_read.open("wb") as file:
            while piece := body.read1(_PIECE):
                size += len(piece)
                if size > MAILBOX_MAX:
                    self._being_read.unlink()
                    return None
                file.write(piece)
        return self._being_read

    def keep(self, answer: Path) -> Path:
        """It is there for good; where it is now."""
        if answer != self._being_read:
            return answer
        with answer.open("rb") as file:
            os.fsync(file.fileno())
        kept = self._folder / f"{time.time_ns():020}.json"
        answer.replace(kept)
        sync(self._folder)
        return kept


def mails(answer: Path) -> Iterator[Mail]:
    """Each by itself, in order. Raises ValueError behind those that could be found when it is no
    list that ends.
    """
    if not answer.stat().st_size:
        return
    with answer.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for item in _items(data):
        if item:
            yield _mail(item)


def _items(data: mmap.mmap) -> Iterator[bytes]:
    """What stands between the commas of a JSON array, whatever it is."""
    begin = _BEGIN.match(data)
    if begin is None:
        raise ValueError("is no list")
    start, depth = begin.end(), 0
    for token in _TOKEN.finditer(data, start):
        sign = data[token.start() : token.start() + 1]
        if sign in b"[{":
            depth += 1
        elif sign in b"]}" and depth:
            depth -= 1
        elif sign in b"]}" or (sign == b"," and not depth):
            yield data[start : token.start()].strip()
            start = token.end()
            if sign != b",":
                if _END.match(data, start) is None:
                    raise ValueError("goes on behind its end")
                return
    last = data[start:].strip()
    if not depth and last.endswith(b"}"):
        yield last
    raise ValueError("has no end")


def _mail(item: bytes) -> Mail:
    try:
        body = msgspec.json.decode(item, type=_Mail).body.encode()
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Mail(data=item, id=_id(item), good=False)
    return Mail(data=body, id=_id(item), good=len(body) <= BYTES_MAX)


def _id(item: bytes) -> str:
    try:
        found = str(msgspec.json.decode(item, type=_Named).id)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return ""
    return "" if found in (".", "..") else found
