"""Takes snapshots while the worker works: a few milliseconds of each turn, one file at a time.

States are values that nobody changes, so a snapshot is the states of one moment between two
batches, however long it takes to write them down. That moment is told by the journal's end, asked
when all that is committed is in memory and nothing else was written.
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
from supplytwin.streams.store import Store

log = structlog.get_logger("supplytwin.engine")

SLICE_S = 0.003
ENTRIES = 100
"""Journal entries of the chains in one frame: about 2 ms of work. A larger chain is one frame."""
BACKLOG = 64
"""Frames that may wait for the disk."""
FIRST_S, RETRY_S = 30.0, 5.0
"""A partition number that was read whole is not left without a snapshot for long."""


class _Running(Generic[State]):
    """One snapshot being written."""

    def __init__(self, store: Store[State], header: Header, path: Path, at: float) -> None:
        self.header, self.began = header, at
        self.pause_max = 0.0
        self.all_added = False
        self.writer = Writer(path, header)
        self._fold = store.fold
        self._states = list(store.states.items())
        self._places = dict(store.places.of)
        self.frames = self._frames()

    def _frames(self) -> Iterator[Frame]:
        keys: list[str] = []
        states: list[State] = []
        entries = 0
        for key, state in self._states:
            keys.append(key)
            states.append(state)
            entries += len(self._places.get(key, b"")) // WIDTH
            if entries >= ENTRIES:
                yield self._frame(keys, states)
                keys, states, entries = [], [], 0
        if keys:
            yield self._frame(keys, states)

    def _frame(self, keys: list[str], states: list[State]) -> Frame:
        return Frame(
            keys=tuple(keys),
            places=tuple(self._places.get(key, b"") for key in keys),
            states=self._fold.freeze(states),
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
        self._running: _Running[State] | None = None

    # ---- restoring

    def loading(self, store: Store[State], history: History, end: int) -> Loading[State] | None:
        """What loads the snapshot for `store`, new, of a journal partition that ends at `end`."""
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
        return Loading(path, expected, store, history)

    def loaded(self, header: Header) -> None:
        """The file of this header is good: the next one is due in `every_s`."""
        self._newest[header.partition] = header.last_hash
        self._due[header.partition] = self._clock() + self._every_s

    # ---- writing

    def turn(self, stores: Mapping[int, Store[State]]) -> None:
        """Go on for at most about SLICE_S. To be called between two batches."""
        if self._running is not None:
            self._go_on(self._running)
            return
        now = self._clock()
        for number, store in stores.items():
            first = now + min(FIRST_S, self._every_s)
            if self._due.setdefault(number, first) <= now and store.fold.form:
                self._begin(store, now)
                return

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
        places.next = max(places.next, end)
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
        )
        running = _Running(store, header, file_of(self._folder, number), now)
        self._running = running
        self._paused(running, now)

    def _go_on(self, running: _Running[State]) -> None:
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
                if self._clock() - began >= SLICE_S:
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
