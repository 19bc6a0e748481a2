"""A bank that is two folders: one into which files for it are put, one into which it puts its own.

A file appears whole or not at all: it is written beside, synced, renamed, and the folder is synced.
Its name and its bytes follow from what is paid, so that after a crash the same file is put again.

    to_bank/M….pain.001.001.09.xml    for the bank, until it takes it
    from_bank/                        from the bank, until it is finished
    kept/waiting/                     taken from there, until all that it says is published
    kept/received/                    what has been published
    kept/refused/                     what could not be read

A document of the bank is always in one of these places, and goes on from there in a new process:

1. `from_bank`/NAME. Nobody has looked at it.
2. `from_bank`/.supplytwin-OWN. Renamed in place: whatever the bank writes under NAME from now on is
   another document. OWN is given here, once, and is the document's name for good.
3. `kept`/waiting/OWN. Renamed, or, from another file system, copied, synced, and then removed from
   2. A process that dies between the copy and the removal leaves both; the next one finds OWN in
   `kept` and only removes 2. Documents are read here, and nowhere else, and told from here.
4. `kept`/received/OWN or `kept`/refused/OWN. Behind the transaction with all that it says. A
   process that dies before this step tells the same again, under the same ids.
"""

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from supplytwin.schemas.errors import FatalError, TransientError
from supplytwin.schemas.records import SentMessage
from supplytwin.sinks.bank_rail import Asked, Document

_UNFINISHED = (".tmp", ".part", ".filepart", ".writing", ".swp", ".processing")
SETTLE_S = 1
"""A file that is younger may still be written by a bank that does not rename."""
_CLAIMED = ".supplytwin-"
_ODD = re.compile(r"[^\w.-]")
_NAME_MAX = 45
"""Characters of the bank's name for a document that are kept, its last ones: with all that is put
before them at most 255 bytes.
"""


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


def carry(source: Path, target: Path) -> None:
    """One file into another folder, under a name that is free there. Raises OSError; then it is
    where it was, or, when it had to be copied, perhaps in both.
    """
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target)
        source.unlink()
    sync(target.parent)
    sync(source.parent)


def _copy(source: Path, target: Path) -> None:
    beside = target.parent / f".{target.name}.tmp"
    with source.open("rb") as old, beside.open("wb") as new:
        shutil.copyfileobj(old, new)
        new.flush()
        os.fsync(new.fileno())
    at = source.stat()
    os.utime(beside, ns=(at.st_atime_ns, at.st_mtime_ns))
    beside.replace(target)
    sync(target.parent)


class Inbox:
    """Documents that wait in one folder and go, when they are dealt with, into `kept`. That folder
    is either a bank's own, or `kept`/waiting, into which somebody else puts whole files.
    """

    def __init__(
        self, waiting: Path, kept: Path, *, settle_s: float = SETTLE_S,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.waiting = kept / "waiting"
        self._bank = None if waiting == self.waiting else waiting
        self.received, self.refused = kept / "received", kept / "refused"
        self._settle_s, self._clock = settle_s, clock
        for folder in (waiting, self.waiting, self.received, self.refused):
            folder.mkdir(parents=True, exist_ok=True)
        for half in self.waiting.glob(".*.tmp"):
            half.unlink(missing_ok=True)

    def documents(self, known: Collection[str] = ()) -> list[Document]:
        """What waits and is not `known`, oldest first. Raises TransientError when the folder
        cannot be read.
        """
        try:
            if self._bank is not None:
                self._take_from(self._bank)
            found = _files(self.waiting, self._old_enough)
            return [self._document(path) for path in found if path.name not in known]
        except OSError as error:
            raise TransientError(f"{self.waiting}: {error.strerror}") from None

    def _take_from(self, bank: Path) -> None:
        """Steps 2 and 3 of the module, for everything that is finished."""
        for path in _files(bank, self._old_enough):
            path.rename(bank / f"{_CLAIMED}{self._own_name(path)}")
        for path in sorted(bank.glob(f"{_CLAIMED}*")):
            name = path.name.removeprefix(_CLAIMED)
            if self._has(name):
                path.unlink()
            else:
                carry(path, self.waiting / name)

    def _own_name(self, path: Path) -> str:
        """A name that no document has: its time, its number on the disk, the end of the bank's
        name for it, in letters that every file system and every log takes.
        """
        at, plain = path.stat(), _ODD.sub("_", path.name)[-_NAME_MAX:]
        name, number = f"{at.st_mtime_ns:020}-{at.st_ino:x}-{plain}", 0
        while self._has(name) or (path.parent / f"{_CLAIMED}{name}").exists():
            number += 1
            name = f"{at.st_mtime_ns:020}-{at.st_ino:x}.{number}-{plain}"
        return name

    def _has(self, name: str) -> bool:
        return any((at / name).exists() for at in (self.waiting, self.received, self.refused))

    def _old_enough(self, modified_ns: int) -> bool:
        return self._clock() * 1_000_000_000 - modified_ns >= self._settle_s * 1_000_000_000

    @staticmethod
    def _document(path: Path) -> Document:
        return Document(name=path.name, data=path.read_bytes())

    def confirm(self, document: Document) -> None:
        """It waits no longer and is kept."""
        self._lay(document, self.received)

    def refuse(self, document: Document) -> None:
        """It waits no longer and is kept apart."""
        self._lay(document, self.refused)

    def _lay(self, document: Document, folder: Path) -> None:
        try:
            carry(self.waiting / document.name, folder / document.name)
        except FileNotFoundError:
            return  # moved before, and read again by nobody
        except OSError as error:
            raise FatalError(f"{document.name} cannot be moved: {error.strerror}") from None

    def unfinished(self) -> Iterator[Document]:
        """What waits, however young, also what is still on its way out of the bank's folder."""
        for path in _files(self.waiting, lambda _: True):
            yield self._document(path)
        if self._bank is not None:
            claimed = sorted(self._bank.glob(f"{_CLAIMED}*"))
            for path in (*claimed, *_files(self._bank, lambda _: True)):
                yield self._document(path)

    def kept(self) -> Iterator[Document]:
        """Everything that was received, understood or not, oldest first; not what waits."""
        for path in _files(self.received, lambda _: True):
            yield self._document(path)
        for path in _files(self.refused, lambda _: True):
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
