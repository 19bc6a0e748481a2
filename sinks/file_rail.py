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
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from supplytwin.schemas.errors import FatalError, TransientError
from supplytwin.schemas.records import SentMessage
from supplytwin.sinks.bank_rail_carrier import Asked, Document
from supplytwin.sinks.iso20022_xml import BYTES_MAX
from supplytwin.sinks.rail import Alive

log = structlog.get_logger("supplytwin.rail")
_UNFINISHED = (".tmp", ".part", ".filepart", ".writing", ".swp", ".processing")
SETTLE_S = 1
"""A file that is younger may still be written by a bank that does not rename."""
PATIENCE = 60
"""So many times as long is waited for a file that does not end with the end of its first element.
"""
_AHEAD_S = 60
"""A file's time may lie so far ahead of our clock without a word."""
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
"""Of a mount that knows no sync of a folder, or of what is open for reading."""
_S = 1_000_000_000
_FIRST = re.compile(rb"<([A-Za-z_][^\s/>]*)")
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


def sync(path: Path) -> None:
    """Names in a folder, or what is in a file of somebody else, survive a crash of the machine, on
    a file system that can be told so. Raises OSError.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
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
    at = source.stat()
    with source.open("rb") as old, beside.open("wb") as new:
        shutil.copyfileobj(old, new)
        new.flush()
        os.fsync(new.fileno())
    if _state(source.stat()) != _state(at):
        beside.unlink()
        raise BlockingIOError(errno.EAGAIN, "is still being written")
    os.utime(beside, ns=(at.st_atime_ns, at.st_mtime_ns))
    beside.replace(target)
    sync(target.parent)


class _Seen:
    """What is known of a file that cannot be taken yet, while it is there."""

    def __init__(self) -> None:
        self.said = set[str]()
        self.state, self.since = (0, 0), 0
        """What it was when that was seen for the first time."""


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
        self._settle_ns, self._clock = int(settle_s * _S), clock
        self._seen: dict[Path, _Seen] = {}
        for folder in (waiting, self.waiting, self.received, self.refused):
            folder.mkdir(parents=True, exist_ok=True)
        for half in self.waiting.glob(".*.tmp"):
            half.unlink(missing_ok=True)

    def documents(self, known: Collection[str] = ()) -> list[Document]:
        """What waits and is not `known`, oldest first, about as many bytes as one document may
        have. One file that cannot be read hides no other. Raises TransientError when a folder
        cannot be read.
        """
        try:
            if self._bank is not None:
                self._take_from(self._bank)
                self._take_again()
            waiting = self._files(self.waiting)
        except OSError as error:
            raise TransientError(f"{error.filename}: {error.strerror}") from None
        found: list[Document] = []
        size = 0
        for path, at in waiting:
            if path.name not in known and size < BYTES_MAX:
                one = self._document(path, at)
                if one is not None:
                    found.append(one)
                    size += len(one.data)
        return found

    # ---- out of the bank's folder

    def _take_from(self, bank: Path) -> None:
        """Steps 2 and 3 of the module, for everything that is finished and can be read."""
        for path, at in self._files(bank):
            with self._saying(path):
                if self._fits(path, at) and self._is_finished(path, at):
                    sync(path)
                    path.rename(bank / f"{_CLAIMED}{self._own_name(path)}")
                    self._seen.pop(path, None)  # the next of this name is another one
        for path in sorted(bank.glob(f"{_CLAIMED}*")):
            name = path.name.removeprefix(_CLAIMED)
            with self._saying(path):
                if self._has(name):
                    path.unlink()
                elif self._is_finished(path, path.stat()):
                    carry(path, self.waiting / name)

    def _take_again(self) -> None:
        """What was refused and has changed since: somebody had not finished it, or has mended it.
        Its own name says when it was written.
        """
        for path, at in self._files(self.refused):
            written, _, rest = path.name.partition("-")
            if not rest or not written.isdecimal() or int(written) == _written(at):
                continue
            with self._saying(path):
                if self._fits(path, at) and self._is_finished(path, at):
                    carry(path, self.waiting / self._own_name(path, rest.partition("-")[2]))

    def _is_finished(self, path: Path, at: os.stat_result) -> bool:
        """Nothing was written to it for a while, by its time, or, where that lies ahead, by what
        was seen of it; for a longer while where its end is missing.
        """
        now, since = int(self._clock() * _S), at.st_mtime_ns
        if since > now:
            if since > now + _AHEAD_S * _S and not path.name.startswith(_CLAIMED):
                self._say_ahead(path)
            seen = self._seen.setdefault(path, _Seen())
            if seen.state != _state(at):
                seen.state, seen.since = _state(at), now
            since = seen.since
        if now - since < self._settle_ns:
            return False
        return now - since >= PATIENCE * self._settle_ns or _is_whole(path)

    def _own_name(self, path: Path, known_as: str = "") -> str:
        """A name that no document has: its time, its number on the disk, the end of the bank's
        name for it, in letters that every file system and every log takes.
        """
        at, plain = path.stat(), _plain(known_as or path.name)[-_NAME_MAX:]
        name, number = f"{_written(at):020}-{at.st_ino:x}-{plain}", 0
        while self._has(name) or (path.parent / f"{_CLAIMED}{name}").exists():
            number += 1
            name = f"{_written(at):020}-{at.st_ino:x}.{number}-{plain}"
        return name

    def _has(self, name: str) -> bool:
        return any((at / name).exists() for at in (self.waiting, self.received, self.refused))

    # ---- reading

    def _files(self, folder: Path) -> list[tuple[Path, os.stat_result]]:
        """Files by their names, oldest first, those of one moment by name. Raises OSError when the
        folder cannot be read.
        """
        found, there = [], set(folder.iterdir())
        gone = {one for one in self._seen if one.parent == folder and one not in there}
        for path in gone:
            del self._seen[path]
        for path in there:
            if not path.name.startswith(".") and not path.name.endswith(_UNFINISHED):
                with self._saying(path):
                    at = path.stat()
                    if stat.S_ISREG(at.st_mode):
                        found.append((path, at))
        return sorted(found, key=lambda one: (one[1].st_mtime_ns, one[0].name))

    def _document(self, path: Path, at: os.stat_result) -> Document | None:
        """None: it cannot be read now, which is said."""
        with self._saying(path):
            if self._fits(path, at):
                with path.open("rb") as file:
                    return Document(name=path.name, data=file.read(BYTES_MAX + 1))
        return None

    def _fits(self, path: Path, at: os.stat_result) -> bool:
        if at.st_size <= BYTES_MAX:
            return True
        self._say(path, f"has {at.st_size} bytes, at most {BYTES_MAX} are read")
        return False

    @contextmanager
    def _saying(self, path: Path) -> Iterator[None]:
        """What is wrong with one file is said, once, and the others go on."""
        try:
            yield
        except FileNotFoundError:
            return  # somebody has taken it
        except OSError as error:
            self._say(path, error.strerror or type(error).__name__)

    def _say(self, path: Path, why: str) -> None:
        if self._is_new(path, why):
            log.error("a file of the bank cannot be taken", name=_plain(path.name), why=why)

    def _say_ahead(self, path: Path) -> None:
        if self._is_new(path, "ahead"):
            log.warning("a file of the bank has a time ahead of ours", name=_plain(path.name))

    def _is_new(self, path: Path, word: str) -> bool:
        """Whether this is the first time that it would be said."""
        said = self._seen.setdefault(path, _Seen()).said
        fresh = word not in said
        said.add(word)
        return fresh

    # ---- dealt with

    def confirm(self, document: Document) -> None:
        """It waits no longer and is kept."""
        self._lay(document, self.received)

    def refuse(self, document: Document) -> None:
        """It waits no longer and is kept apart."""
        self._lay(document, self.refused)

    def _lay(self, document: Document, folder: Path) -> None:
        path = self.waiting / document.name
        try:
            carry(path, folder / document.name)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not path.exists():
                return  # moved before, and read again by nobody
            raise FatalError(f"{document.name} cannot be moved: {error.strerror}") from None

    def unfinished(self) -> Iterator[Document]:
        """What waits, however young, also what is still on its way out of the bank's folder."""
        yield from self._read(self._files(self.waiting))
        if self._bank is not None:
            claimed = sorted(self._bank.glob(f"{_CLAIMED}*"))
            yield from self._read([(path, path.stat()) for path in claimed])
            yield from self._read(self._files(self._bank))

    def kept(self) -> Iterator[Document]:
        """Everything that was received, understood or not, oldest first; not what waits."""
        yield from self._read(self._files(self.received))
        yield from self._read(self._files(self.refused))

    def _read(self, files: Iterable[tuple[Path, os.stat_result]]) -> Iterator[Document]:
        for path, at in files:
            one = self._document(path, at)
            if one is not None:
                yield one


def _plain(name: str) -> str:
    return _ODD.sub("_", name)


def _state(at: os.stat_result) -> tuple[int, int]:
    """It changes when somebody writes."""
    return at.st_mtime_ns, at.st_size


def _written(at: os.stat_result) -> int:
    return max(0, at.st_mtime_ns)


def _is_whole(path: Path) -> bool:
    """Whether a file ends with the end of its first element."""
    with path.open("rb") as file:
        first = _FIRST.search(file.read(4096))
        file.seek(max(0, os.fstat(file.fileno()).st_size - 512))
        last = file.read(512).rstrip()
    return first is not None and last.endswith(b"</" + first[1] + b">")


class FolderBank:
    """See the module, and `bank_rail_carrier.Carrier`."""

    def __init__(self, to_bank: Path, inbox: Inbox) -> None:
        self._to_bank, self._inbox = to_bank, inbox
        self.alive: Alive = lambda: None
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
