"""Snapshot files: the states of one partition number as they were at one offset of its journal.

    MAGIC, length + header (JSON), (length + frame)*, length 0, SHA-256 of everything before

A frame is msgpack: chain ids, when they are due, the places of their journal entries, and the
packed states, which stay packed until somebody asks for them. Nothing of a file is believed before
its hash is checked, the header fits this deployment, fold and journal, and the journal has the very
entry that the header names as the last one: so a file of another cluster, timeline or version is
told apart, and so is a journal that lost its end and grew another.
"""

import hashlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from itertools import compress
from pathlib import Path
from typing import BinaryIO, Generic

import msgspec
from msgspec import Struct

from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.journal import HASH_LEN
from supplytwin.streams.history import History
from supplytwin.streams.ports import State
from supplytwin.streams.store import Store

MAGIC = b"supplytwin snapshot 1\n"
"""Another number is another format: refused."""
DIGEST_LEN = 32
CHUNK = 1 << 22
GIVE_UP_S = 2.0
_LENGTH = 4
_NEW, _OURS_ONLY = os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of what, and up to where, a snapshot is."""

    fold: str
    form: str
    timeline: str
    journal: str
    partition: int
    offset: int
    """The states hold every journal entry below it, and none at or behind it."""
    last: int
    """Where the last of these entries stands, or a little before."""
    last_hash: str
    """Its hash, hex."""
    now: int
    control_next: int
    chains: int
    asleep: int


class Frame(Struct, frozen=True, kw_only=True, array_like=True):
    """Some chains: `keys[n]` is due at `due[n]`, has its entries at `places[n]`, and so on."""

    keys: tuple[str, ...]
    due: tuple[int | None, ...]
    places: tuple[bytes, ...]
    states: tuple[bytes, ...]
    resting: tuple[bool, ...]
    """See `Store.resting`."""
    dozing: tuple[bool, ...]
    """See `Store.dozing`."""


def file_of(folder: Path, number: int) -> Path:
    """Where the snapshot of a partition number is."""
    return folder / f"partition-{number:05}.snapshot"


# ---- writing


class Writer:
    """Writes one snapshot in a thread of its own; the file appears whole, or not at all.

    `finished` is set when the thread has ended; then `error` says why there is no new file, and
    `size` is its length.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self._path, self._header = path, header
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._abandoned = False
        self.finished = threading.Event()
        self.error: OSError | None = None
        self.size = 0
        self._thread = threading.Thread(target=self._run, name="snapshot", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        """Frames that are not written yet."""
        return self._frames.qsize()

    def add(self, frame: Frame) -> None:
        self._frames.put(frame)

    def finish(self) -> None:
        """All frames were added: the file takes its place when they are on disk."""
        self._frames.put(None)

    def abandon(self) -> None:
        """No file is wanted any more. The thread ends, unless the disk holds it up."""
        self._abandoned = True
        self._frames.put(None)
        self._thread.join(GIVE_UP_S)

    def _run(self) -> None:
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            for left in self._path.parent.glob(f"{self._path.name}.*.tmp"):
                left.unlink(missing_ok=True)  # of a process that was killed
            with os.fdopen(os.open(temporary, _NEW, _OURS_ONLY), "wb") as file:
                self._write(file)
                file.flush()
                os.fsync(file.fileno())
            if self._abandoned:
                temporary.unlink()
            else:
                temporary.replace(self._path)
                _sync_folder(self._path.parent)
        except OSError as error:
            self.error = error
        finally:
            self.finished.set()

    def _write(self, file: BinaryIO) -> None:
        digest = hashlib.sha256()

        def put(data: bytes) -> None:
            digest.update(data)
            self.size += file.write(data)

        put(MAGIC)
        head = msgspec.json.encode(self._header)
        put(len(head).to_bytes(_LENGTH, "little") + head)
        while (frame := self._frames.get()) is not None and not self._abandoned:
            packed = msgspec.msgpack.encode(frame)
            put(len(packed).to_bytes(_LENGTH, "little") + packed)
        put(bytes(_LENGTH))
        self.size += file.write(digest.digest())


def _sync_folder(folder: Path) -> None:
    """The rename is on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---- reading


class Expected(Struct, frozen=True, kw_only=True):
    """What a header must say, and where the journal ends."""

    fold: str
    form: str
    timeline: str
    journal: str
    partition: int
    end: int

    def refusal(self, header: Header) -> str | None:
        """Why a snapshot with this header is none of ours; None = it may be."""
        for name in ("fold", "form", "timeline", "journal", "partition"):
            is_, must = getattr(header, name), getattr(self, name)
            if is_ != must:
                return f"it is of another {name}: {is_!r:.60}, not {must!r:.60}"
        if not 0 <= header.last < header.offset <= self.end:
            return f"it is of offset {header.offset}, and the journal ends at {self.end}"
        return None


class Loading(Generic[State]):
    """Reads a snapshot into a store, in pieces of a few ms, so that the worker's loop goes on."""

    def __init__(
        self,
        path: Path,
        expected: Expected,
        new: Callable[[], Store[State]],
        history: History,
    ) -> None:
        self._path, self._expected = path, expected
        self._new, self._history = new, history
        self._begin()

    def _begin(self) -> None:
        self.header: Header | None = None
        self.store = self._new()
        self.loaded = False
        self._steps = self._run()

    def turn(self) -> bool:
        """Do the next piece; true when `store` is what `header` says.

        Raises ValueError saying why the file is refused, and TransientError when the journal cannot
        be asked: then the next call begins anew.
        """
        try:
            next(self._steps, None)
        except TransientError:
            self._begin()
            raise
        except (OSError, msgspec.DecodeError, EOFError) as error:
            raise ValueError(f"it cannot be read: {error}") from error
        return self.loaded

    def _run(self) -> Iterator[None]:
        with self._path.open("rb") as file:
            header = self.header = _header(file)
            why = self._expected.refusal(header)
            if why is not None:
                raise ValueError(why)
            start = file.tell()
            yield from _checked(file)
            self._check_last(header)
            file.seek(start)
            while length := int.from_bytes(_exactly(file, _LENGTH), "little"):
                self._put(_exactly(file, length))
                yield
        store = self.store
        if len(store.states) != header.chains:
            raise ValueError(f"it has {len(store.states)} chains instead of {header.chains}")
        store.now, store.control_next = header.now, header.control_next
        store.asleep = header.asleep
        store.places.next = header.offset
        store.places.last, store.places.last_hash = header.last, bytes.fromhex(header.last_hash)
        self.loaded = True

    def _check_last(self, header: Header) -> None:
        found = self._history.last_before(header.partition, header.last, header.offset)
        value = b"" if found is None else found.value or b""
        if value[-HASH_LEN:].hex() != header.last_hash:
            raise ValueError("the journal has another last entry before its offset")

    def _put(self, data: bytes) -> None:
        frame = msgspec.msgpack.decode(data, type=Frame)
        store = self.store
        columns = (frame.keys, frame.due, frame.places, frame.states)
        store.resting.update(compress(frame.keys, frame.resting))
        store.dozing.update(compress(frame.keys, frame.dozing))
        for key, due, places, state in zip(*columns, strict=True):
            store.states.load(key, state)
            store.places.of[key] = places
            store.set_due(key, due)


def _header(file: BinaryIO) -> Header:
    if file.read(len(MAGIC)) != MAGIC:
        raise ValueError("it is no snapshot of this format")
    length = int.from_bytes(_exactly(file, _LENGTH), "little")
    return msgspec.json.decode(_exactly(file, min(length, CHUNK)), type=Header)


def _exactly(file: BinaryIO, length: int) -> bytes:
    data = file.read(length)
    if len(data) != length:
        raise EOFError("it ends too early")
    return data


def _checked(file: BinaryIO) -> Iterator[None]:
    """Go through the whole file. Raises ValueError when its hash is not that of its bytes."""
    left = file.seek(0, os.SEEK_END) - DIGEST_LEN
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0:
        data = _exactly(file, min(left, CHUNK))
        digest.update(data)
        left -= len(data)
        yield
    if file.read() != digest.digest():
        raise ValueError("its hash is not that of its bytes: it is damaged")
