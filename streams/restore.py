"""From the journal to states: what comes before a worker reads the inputs of a partition number.

The order is what makes it right. The committed offsets come first, and stable (a dead worker's
transaction is over when they are known); then the end of the journal, of everything appended, not
only of what is readable (the last committed transaction may not be, yet); then the journal is read,
committed records only, up to that end: a stranger's open transaction is waited for. A snapshot
takes the place of the journal before its offset; what is wrong with it, or with the entries that
follow it, makes it refused and the journal read whole.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Generic, NamedTuple

import structlog

from supplytwin.schemas.errors import FatalError, TransientError, UsageError
from supplytwin.schemas.flow import Record
from supplytwin.streams.ports import (
    Admin,
    Broker,
    Consumer,
    Eof,
    State,
    TopicPartition,
)
from supplytwin.streams.replay import Replay
from supplytwin.streams.snapshot import Loading
from supplytwin.streams.store import Store
from supplytwin.streams.upkeep import Upkeep

log = structlog.get_logger("supplytwin.engine")

RECORDS = 2_000
LOAD_S = 0.02
PATIENCE_S = (0.25, 2.0)
"""How long stable offsets are waited for at first, and at most: it doubles with each failure."""


class Kept(NamedTuple, Generic[State]):
    """The states of a partition number up to a journal offset; others may write behind it."""

    store: Store[State]
    offset: int


class Opened(NamedTuple, Generic[State]):
    """A partition number that is restored: its states, and where its inputs are read from."""

    store: Store[State]
    offsets: dict[TopicPartition, int]


class _Job(Generic[State]):
    """One partition number on its way: offsets, then perhaps a snapshot, then the journal."""

    def __init__(self, places: list[TopicPartition], at: float) -> None:
        self.places = places
        self.started = self.retry = at
        self.patience = PATIENCE_S[0]
        self.offsets: dict[TopicPartition, int] | None = None
        self.end = 0
        self.kept = False
        self.loading: Loading[State] | None = None
        """A snapshot that is read, or whose states are trusted."""
        self.replay: Replay[State] | None = None

    @property
    def read(self) -> bool:
        return (
            self.offsets is not None
            and self.replay is not None
            and self.replay.position >= self.end
        )


class Restore(Generic[State]):
    """Restores partition numbers side by side, a little in each `turn`: none waits for another.

    `inputs` is the worker's consumer (its group has the committed offsets). States that go away are
    kept with their place in the journal, and caught up when they come back: what the client says of
    who else may have written does not matter. The others begin with their snapshot, if there is
    one.
    """

    def __init__(
        self,
        broker: Broker,
        inputs: Consumer,
        admin: Admin,
        *,
        new: Callable[[int], Store[State]],
        journal_topic: str,
        control_topic: str,
        clock: Callable[[], float],
        upkeep: Upkeep[State],
    ) -> None:
        self._broker, self._inputs, self._admin = broker, inputs, admin
        self._new, self._clock, self._upkeep = new, clock, upkeep
        self._journal, self._control = journal_topic, control_topic
        self._jobs: dict[int, _Job[State]] = {}
        self._kept: dict[int, Kept[State]] = {}
        self._consumer: Consumer | None = None
        self._assigned: set[int] = set()

    @property
    def pending(self) -> bool:
        return bool(self._jobs)

    def begin(self, places: dict[int, list[TopicPartition]]) -> None:
        """Restore these partition numbers; `places` are the inputs of each."""
        at = self._clock()
        for number, inputs in sorted(places.items()):
            job = self._jobs[number] = _Job(inputs, at)
            kept = self._kept.pop(number, None)
            job.kept = kept is not None
            if kept is not None:
                job.replay = Replay(kept.store, kept.offset, self._control)

    def keep(self, stores: Iterable[Store[State]]) -> None:
        """Keep what goes away: it is true up to its place in the journal, whoever writes behind."""
        for number, job in self._jobs.items():
            if job.replay is not None:
                job.replay.put()
                self._kept[number] = Kept(job.replay.store, job.replay.position)
        self._end_all()
        for store in stores:
            self._kept[store.number] = Kept(store, store.places.next)

    def _end_all(self) -> None:
        for number in self._jobs:
            self._upkeep.progress.done(number)
        self._jobs.clear()

    def turn(self, timeout_s: float) -> list[Opened[State]]:
        """Go on for at most about `timeout_s`; the partition numbers that are ready now."""
        self._prepare()
        self._load(timeout_s)
        reading = {n: j for n, j in self._jobs.items() if j.replay is not None and not j.read}
        reading = {n: j for n, j in reading.items() if j.offsets is not None}
        if reading:
            self._read(reading, timeout_s)
        opened = []
        for number, job in [(number, job) for number, job in self._jobs.items() if job.read]:
            found = self._open(number, job)
            if found is not None:
                opened.append(found)
        if not self._jobs:
            self.close()
        return opened

    def _open(self, number: int, job: _Job[State]) -> Opened[State] | None:
        """The partition number, all of its journal read; None = not yet."""
        replay = job.replay
        assert replay is not None
        try:
            replay.finish(self._upkeep.history)
        except TransientError as error:
            log.warning("closed chains cannot be read, trying again", why=str(error))
            return None
        except FatalError as error:
            self._refuse(number, job, error)
            return None
        check_version(replay.version, replay.store.fold.version)
        snapshot = None if job.loading is None else job.loading.header
        if snapshot is not None and self._upkeep.snapshots is not None:
            self._upkeep.snapshots.loaded(snapshot)
        del self._jobs[number]
        self._upkeep.progress.done(number)
        log.info(
            "restored",
            partition=number,
            chains=len(replay.store.states),
            snapshot_offset=None if snapshot is None else snapshot.offset,
            entries=replay.entries,
            journal_offset=replay.position,
            seconds=round(self._clock() - job.started, 3),
        )
        return Opened(replay.store, job.offsets or {})

    def close(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None
            self._assigned = set()

    def _prepare(self) -> None:
        """Committed offsets, then the journal's end; who has none yet is asked again later."""
        for number, job in self._jobs.items():
            if job.offsets is not None or self._clock() < job.retry:
                continue
            where = TopicPartition(self._journal, number)
            try:
                offsets = self._inputs.committed(job.places, job.patience)
                begin = self._admin.begins([where])[where]
                job.end = self._admin.ends([where], "read_uncommitted")[where]
            except TransientError as error:
                log.info("committed offsets are not stable yet", partition=number, why=str(error))
                job.retry = self._clock() + 2 * job.patience
                job.patience = min(2 * job.patience, PATIENCE_S[1])
                return
            if begin > 0:
                raise FatalError(
                    f"{self._journal} partition {number} begins at offset {begin}: a part of the "
                    "history is gone, its retention must be unlimited"
                )
            job.offsets = initialised(offsets)
            if job.replay is None and self._upkeep.snapshots is not None:
                job.loading = self._upkeep.snapshots.loading(
                    partial(self._new, number), self._upkeep.history, job.end
                )

    def _load(self, timeout_s: float) -> None:
        """Go on reading snapshots; who has none, or a bad one, begins at the first entry."""
        until = self._clock() + max(timeout_s, LOAD_S)
        for number, job in self._jobs.items():
            while job.offsets is not None and job.replay is None:
                if job.loading is None:
                    job.replay = Replay(self._new(number), 0, self._control)
                    break
                try:
                    if job.loading.turn() and job.loading.header is not None:
                        store, offset = job.loading.store, job.loading.header.offset
                        job.replay = Replay(store, offset, self._control)
                except ValueError as error:
                    self._refuse(number, job, error)
                if self._clock() >= until:
                    break

    def _refuse(self, number: int, job: _Job[State], error: Exception) -> None:
        """What was kept, or came from the snapshot, is dropped. Raises `error` when nothing did."""
        if job.loading is None and not job.kept:
            raise error
        what = "what was kept" if job.kept else "the snapshot"
        log.warning(
            f"{what} is not used, the journal is read whole", partition=number, why=str(error)
        )
        if not job.kept:
            self._upkeep.refused()
        job.kept, job.loading, job.replay = False, None, None
        self._assigned = set()

    def _read(self, reading: dict[int, _Job[State]], timeout_s: float) -> None:
        if self._consumer is None:
            self._consumer = self._broker.consumer(None)
        replays = {n: job.replay for n, job in reading.items() if job.replay is not None}
        if self._assigned != replays.keys():
            self._assigned = set(replays)
            self._consumer.assign(
                {TopicPartition(self._journal, n): one.position for n, one in replays.items()}
            )
        try:
            events = self._consumer.consume(RECORDS, timeout_s)
        except TransientError:
            self._assigned = set()  # what came with the error may be gone: assigned anew
            raise
        for number, replay in replays.items():
            mine = [event for event in events if event.partition == number]
            records = [one for one in mine if isinstance(one, Record)]
            try:
                replay.take([one for one in records if one.offset >= replay.position])
            except FatalError as error:
                self._refuse(number, reading[number], error)
                continue
            ends = [one.offset for one in mine if isinstance(one, Eof)]
            replay.position = max(replay.position, *ends, 0)
            self._upkeep.progress.moved(number, replay.position, reading[number].end, len(records))


def check_version(last: str | None, own: str) -> None:
    """Raise UsageError when another fold wrote last: its facts may mean something else now."""
    if last not in (None, own):
        raise UsageError(
            f"the journal was last written by fold {last}, this is fold {own}: see what changes "
            "with `supplytwin upgrade --plan`, then `supplytwin upgrade --apply`"
        )


def initialised(offsets: dict[TopicPartition, int | None]) -> dict[TopicPartition, int]:
    """`offsets`, all of them known. Raises FatalError when the group never had one."""
    missing = sorted(where for where, offset in offsets.items() if offset is None)
    if missing:
        first = missing[0]
        raise FatalError(
            f"no committed offset for {first.topic} partition {first.partition} and "
            f"{len(missing) - 1} more: run `supplytwin init` once, before the first worker"
        )
    return {where: offset for where, offset in offsets.items() if offset is not None}
