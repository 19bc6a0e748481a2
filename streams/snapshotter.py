"""Takes snapshots while the worker works: a few milliseconds of each turn, one file at a time.

States are values that nobody changes, so a snapshot is the states of one moment between two
batches, however long it takes to write them down. That moment is told by the journal's end, asked
when all that is committed is in memory and nothing else was written. Chains without an entry since
the snapshot before are packed on the way: their bytes are there anyway, and so the next snapshot
costs what has changed.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic

import structlog

from supplytwin.schemas.errors import TransientError
from supplytwin.streams.history import History
from supplytwin.streams.observe import trace
from supplytwin.streams.observe_upkeep import UpkeepMetrics
from supplytwin.streams.places import WIDTH
from supplytwin.streams.ports import Admin, State, TopicPartition
from supplytwin.streams.snapshot import Expected, Frame, Header, Loading, Writer, file_of
from supplytwin.streams.states import Packed
from supplytwin.streams.store import Store

log = structlog.get_logger("supplytwin.engine")

BUSY_S, IDLE_S = 0.002, 0.01
"""How long a turn may be held up, with and without records at hand."""
ENTRIES = 50
"""Journal entries of the chains in one frame: about 1 ms of work. A larger chain is one frame."""
BACKLOG = 64
"""Frames that may wait for the disk."""
FIRST_S, RETRY_S = 30.0, 5.0
"""A partition number that was read whole is not left without a snapshot for long."""


class _Running(Generic[State]):
    """One snapshot being written."""

    def __init__(
        self,
        store: Store[State],
        header: Header,
        path: Path,
        at: float,
        before: Mapping[str, bytes],
    ) -> None:
        self.header, self.began = header, at
        self.pause_max = 0.0
        self.all_added = False
        self.writer = Writer(path, header)
        self.places = dict(store.places.of)
        self._before = before
        self._store = store
        self._states = list(store.states.raw.items())
        self._due = dict(store.due_times)
        self._resting, self._dozing = set(store.resting), set(store.dozing)
        self.frames = self._frames()

    def _frames(self) -> Iterator[Frame]:
        keys: list[str] = []
        packed: list[bytes] = []
        work = 0
        for key, state in self._states:
            keys.append(key)
            packed.append(self._packed(key, state))
            work += 1 if isinstance(state, Packed) else len(self.places.get(key, b""))
            if work >= ENTRIES * WIDTH:
                yield self._frame(keys, packed)
                keys, packed, work = [], [], 0
        if keys:
            yield self._frame(keys, packed)

    def _packed(self, key: str, state: State | Packed) -> bytes:
        """The packed state, which stays in memory in place of the state if that is quiet."""
        states = self._store.states
        data = states.frozen(state)
        quiet = key in self._before and self._before[key] is self.places.get(key)
        if quiet and states.raw.get(key) is state and not isinstance(state, Packed):
            states.load(key, data)
        return data

    def _frame(self, keys: list[str], packed: list[bytes]) -> Frame:
        return Frame(
            keys=tuple(keys),
            due=tuple(map(self._due.get, keys)),
            places=tuple(self.places.get(key, b"") for key in keys),
            states=tuple(packed),
            resting=tuple(key in self._resting for key in keys),
            dozing=tuple(key in self._dozing for key in keys),
        )


class Snapshotter(Generic[State]):
    """Snapshots in `folder`, each partition number's every `every_s` seconds if it has changed."""

    def __init__(
        self,
        folder: Path,
        every_s: float,
        timeline: str,
        *,
        admin: Admin,
        journal: str,
        metrics: UpkeepMetrics,
        clock: Callable[[], float],
    ) -> None:
        self._folder, self._every_s, self._timeline = folder, every_s, timeline
        self._admin, self._journal = admin, journal
        self._metrics, self._clock = metrics, clock
        self._due: dict[int, float] = {}
        self._newest: dict[int, str] = {}
        """The last hash of the newest file of each partition number."""
        self._places: dict[int, Mapping[str, bytes]] = {}
        """As they were when the newest snapshot of a partition number was begun."""
        self._running: _Running[State] | None = None

    # ---- restoring

    def loading(
        self, new: Callable[[], Store[State]], history: History, end: int
    ) -> Loading[State] | None:
        """What loads the snapshot of a `new` store, whose journal partition ends at `end`."""
        store = new()
        path = file_of(self._folder, store.number)
        if not store.fold.form or not path.exists():
            return None
        expected = Expected(
            fold=store.fold.version,
            form=store.fold.form,
            timeline=self._timeline,
            journal=self._journal,
            partition=store.number,
            end=end,
        )
        return Loading(path, expected, new, history)

    def loaded(self, header: Header) -> None:
        """The file of this header is good: the next one is due in `every_s`."""
        self._newest[header.partition] = header.last_hash
        self._due[header.partition] = self._clock() + self._every_s

    # ---- writing

    def turn(self, stores: Mapping[int, Store[State]], *, busy: bool) -> None:
        """Go on for at most about BUSY_S, or IDLE_S. To be called between two batches."""
        if self._running is not None:
            self._go_on(self._running, BUSY_S if busy else IDLE_S)
            return
        now = self._clock()
        first = now + min(FIRST_S, self._every_s)
        due = {number: self._due.setdefault(number, first) for number in stores}
        number = min(due, key=due.__getitem__, default=-1)
        if stores and due[number] <= now and stores[number].fold.form:
            self._begin(stores[number], now)

    def _begin(self, store: Store[State], now: float) -> None:
        number, places = store.number, store.places
        self._due[number] = now + self._every_s
        newest = places.last_hash.hex()
        if not newest or newest == self._newest.get(number):
            return
        where = TopicPartition(self._journal, number)
        try:
            end = self._admin.ends([where], "read_uncommitted")[where]
        except TransientError:
            self._due[number] = now + RETRY_S
            return
        header = Header(
            fold=store.fold.version,
            form=store.fold.form,
            timeline=self._timeline,
            journal=self._journal,
            partition=number,
            offset=end,
            last=places.last,
            last_hash=newest,
            now=store.now,
            control_next=store.control_next,
            chains=len(store.states),
            asleep=store.asleep,
        )
        before = self._places.get(number, {})
        running = _Running(store, header, file_of(self._folder, number), now, before)
        self._running = running
        self._places[number] = running.places
        self._paused(running, now)

    def _go_on(self, running: _Running[State], slice_s: float) -> None:
        began = self._clock()
        writer = running.writer
        if writer.finished.is_set():
            self._end(running)
            return
        try:
            while not running.all_added and writer.backlog < BACKLOG:
                frame = next(running.frames, None)
                if frame is None:
                    running.all_added = True
                    writer.finish()
                else:
                    writer.add(frame)
                if self._clock() - began >= slice_s:
                    break
        except Exception as error:
            log.error("the snapshot was not written", partition=running.header.partition,
                      why=repr(error), trace=trace(error))  # fmt: skip
            self.close()
        self._paused(running, began)

    def _paused(self, running: _Running[State], began: float) -> None:
        pause = self._clock() - began
        running.pause_max = max(running.pause_max, pause)
        self._metrics.snapshot_pause(pause)

    def _end(self, running: _Running[State]) -> None:
        self._running = None
        header, writer = running.header, running.writer
        if writer.error is not None:
            log.error("the snapshot was not written", partition=header.partition,
                      why=str(writer.error))  # fmt: skip
            return
        self._newest[header.partition] = header.last_hash
        self._metrics.snapshot_written()
        log.info(
            "snapshot",
            partition=header.partition,
            chains=header.chains,
            journal_offset=header.offset,
            bytes=writer.size,
            seconds=round(self._clock() - running.began, 3),
            longest_pause_ms=round(1000 * running.pause_max, 1),
        )

    def close(self) -> None:
        """What is being written is given up; the file before it stays."""
        running, self._running = self._running, None
        if running is not None:
            running.writer.abandon()
