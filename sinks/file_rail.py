"""A bank that is two folders: one into which files for it are put, one into which it puts its own.

A file appears whole or not at all: it is written beside, synced, renamed, and the folder is synced.
Its name and its bytes follow from what is paid, so that after a crash the same file is put again.

    to_bank/M….pain.001.001.09.xml    for the bank, until it takes it
    from_bank/                        from the bank, until all that it says is published
    kept/received/                    what has been published
    kept/refused/                     what could not be read
"""

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from supplytwin.schemas.errors import FatalError, TransientError
from supplytwin.schemas.records import SentMessage
from supplytwin.sinks.bank_rail import Asked, Document

_UNFINISHED = (".tmp", ".part", ".filepart", ".writing", ".swp", ".processing")
SETTLE_S = 1
"""A file that is younger may still be written by a bank that does not rename."""


def put(folder: Path, name: str, data: bytes) -> None:
    """The file is there, whole and synced, whatever happens after the return. Raises OSError."""
    beside = folder / f".{name}.tmp"
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / name)
    sync(folder)


def sync(folder: Path) -> None:
    """Names in the folder survive a crash of the machine."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Inbox:
    """Documents that wait in one folder and go, when they are dealt with, into `kept`."""

    def __init__(
        self, waiting: Path, kept: Path, *, settle_s: float = SETTLE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.waiting = waiting
        self._received, self._refused = kept / "received", kept / "refused"
        self._settle_s, self._clock = settle_s, clock
        for folder in (waiting, self._received, self._refused):
            folder.mkdir(parents=True, exist_ok=True)

    def documents(self, known: Collection[str] = ()) -> list[Document]:
        """What waits and is not `known`, oldest first. Raises TransientError when the folder
        cannot be read.
        """
        try:
            found = _files(self.waiting, self._old_enough)
            return [self._document(path) for path in found if path.name not in known]
        except OSError as error:
            raise TransientError(f"{self.waiting}: {error.strerror}") from None

    def _old_enough(self, modified_ns: int) -> bool:
        return self._clock() * 1_000_000_000 - modified_ns >= self._settle_s * 1_000_000_000

    @staticmethod
    def _document(path: Path) -> Document:
        return Document(name=path.name, data=path.read_bytes())

    def confirm(self, document: Document) -> None:
        """It waits no longer and is kept."""
        self._move(document, self._received)

    def refuse(self, document: Document) -> None:
        """It waits no longer and is kept apart."""
        self._move(document, self._refused)

    def _move(self, document: Document, folder: Path) -> None:
        """A name that a bank gives a second time does not overwrite the first."""
        digest = hashlib.sha256(document.data).hexdigest()[:16]
        try:
            (self.waiting / document.name).rename(folder / f"{digest}-{document.name}")
            sync(folder)
            sync(self.waiting)
        except FileNotFoundError:
            return  # moved before, and read again by nobody
        except OSError as error:
            raise FatalError(f"{document.name} cannot be moved: {error.strerror}") from None

    def unfinished(self) -> Iterator[Document]:
        """What waits, however young."""
        for path in _files(self.waiting, lambda _: True):
            yield self._document(path)

    def kept(self) -> Iterator[Document]:
        """Everything that was received, understood or not, oldest first; not what waits."""
        for path in _files(self._received, lambda _: True):
            yield self._document(path)
        for path in _files(self._refused, lambda _: True):
            yield self._document(path)


def _files(folder: Path, wanted: Callable[[int], bool]) -> list[Path]:
    """Finished files, oldest first, those of one moment by name."""
    found = []
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name.endswith(_UNFINISHED) or not path.is_file():
            continue
        modified = path.stat().st_mtime_ns
        if wanted(modified):
            found.append((modified, path.name, path))
    return [path for _, _, path in sorted(found)]


class FolderBank:
    """See the module, and `bank_rail.Carrier`."""

    def __init__(self, to_bank: Path, inbox: Inbox) -> None:
        self._to_bank, self._inbox = to_bank, inbox
        to_bank.mkdir(parents=True, exist_ok=True)

    def deliver(self, kept: SentMessage) -> None:
        try:
            put(self._to_bank, f"{kept.message_id}.{kept.message}.xml", kept.body)
        except OSError as error:
            raise TransientError(f"{self._to_bank}: {error.strerror}") from None

    def arrivals(self, known: Collection[str]) -> list[Document]:
        return self._inbox.documents(known)

    def confirm(self, document: Document) -> None:
        self._inbox.confirm(document)

    def refuse(self, document: Document) -> None:
        self._inbox.refuse(document)

    def ask(self, kept: SentMessage) -> Asked | None:
        """None: a folder answers no questions."""
        return None

    def received(self) -> Iterator[Document]:
        yield from self._inbox.kept()
        yield from self._inbox.unfinished()

    def close(self) -> None:
        """Nothing is open."""
