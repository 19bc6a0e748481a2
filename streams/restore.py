"""From the journal to states: what comes before a worker reads the inputs of a partition number.

The order is what makes it right. The committed offsets come first, and stable (a dead worker's
transaction is over when they are known); then the end of the journal, of everything appended, not
only of what is readable (the last committed transaction may not be, yet); then the journal is read,
committed records only, up to that end: a stranger's open transaction is waited for.
"""

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple

import structlog

from supplytwin.schemas import journal
from supplytwin.schemas.errors import FatalError, RecordError, TransientError, UsageError
from supplytwin.schemas.flow import Record
from supplytwin.streams.ports import (
    Admin,
    Broker,
    Consumer,
    Eof,
    State,
    TopicPartition,
)
from supplytwin.streams.store import Store

log = structlog.get_logger("supplytwin.engine")

RECORDS = 10_000
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
    """One partition number on its way."""

    def __init__(self, kept: Kept[State], places: list[TopicPartition], at: float) -> None:
        self.store, self.position = kept
        self.places = places
        self.started = self.retry = at
        self.patience = PATIENCE_S[0]
        self.offsets: dict[TopicPartition, int] | None = None
        self.end = 0
        self.changed: dict[str, State] = {}
        self.version: str | None = None
        """The fold that took the last entry read."""

    @property
    def read(self) -> bool:
        return self.offsets is not None and self.position >= self.end


class Restore(Generic[State]):
    """Restores partition numbers side by side, a little in each `turn`: none waits for another.

    `inputs` is the worker's consumer (its group has the committed offsets). Revoked states are kept
    with their journal offset and only caught up when they come back.
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
    ) -> None:
        self._broker, self._inputs, self._admin = broker, inputs, admin
        self._new, self._clock = new, clock
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
            kept = self._kept.pop(number, None) or Kept(self._new(number), 0)
            self._jobs[number] = _Job(kept, inputs, at)

    def keep(self, stores: Iterable[Store[State]]) -> None:
        """Keep what is revoked, while nobody else can have written to its journal partition."""
        self._kept.update({n: Kept(j.store, j.position) for n, j in self._jobs.items()})
        for job in self._jobs.values():
            job.store.put(job.changed)
        self._jobs.clear()
        held = {TopicPartition(self._journal, store.number): store for store in stores}
        try:
            ends = self._admin.ends(list(held), "read_uncommitted") if held else {}
        except TransientError as error:
            log.warning("revoked states are dropped", error=str(error))
            return
        for where, store in held.items():
            self._kept[where.partition] = Kept(store, ends[where])

    def forget(self) -> None:
        """What was lost may have been changed by others already: nothing of it is kept."""
        self._jobs.clear()
        self._kept.clear()

    def turn(self, timeout_s: float) -> list[Opened[State]]:
        """Go on for at most about `timeout_s`; the partition numbers that are ready now."""
        self._prepare()
        reading = {n: j for n, j in self._jobs.items() if j.offsets is not None and not j.read}
        if reading:
            self._read(reading, timeout_s)
        opened = []
        for number in [number for number, job in self._jobs.items() if job.read]:
            job = self._jobs.pop(number)
            check_version(job.version, job.store.fold.version)
            job.store.put(job.changed)
            opened.append(Opened(job.store, job.offsets or {}))
            log.info(
                "restored",
                partition=number,
                chains=len(job.store.states),
                journal_offset=job.position,
                seconds=round(self._clock() - job.started, 3),
            )
        if not self._jobs:
            self.close()
        return opened

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
            if begin > job.position:
                raise FatalError(
                    f"{self._journal} partition {number} begins at offset {begin}: a part of the "
                    "history is gone, its retention must be unlimited"
                )
            job.offsets = initialised(offsets)

    def _read(self, reading: dict[int, _Job[State]], timeout_s: float) -> None:
        if self._consumer is None:
            self._consumer = self._broker.consumer(None)
        if self._assigned != reading.keys():
            self._assigned = set(reading)
            self._consumer.assign(
                {TopicPartition(self._journal, n): job.position for n, job in reading.items()}
            )
        try:
            events = self._consumer.consume(RECORDS, timeout_s)
        except TransientError:
            self._assigned = set()  # what came with the error may be gone: assigned anew
            raise
        for event in events:
            job = reading.get(event.partition)
            if job is None:
                continue
            if isinstance(event, Eof):
                job.position = max(job.position, event.offset)
            elif event.offset >= job.position:
                self._apply(job, event)
                job.position = event.offset + 1

    def _apply(self, job: _Job[State], record: Record) -> None:
        store = job.store
        try:
            entry = journal.read(record.value or b"")
            key = entry.chain_id
            state = job.changed.get(key)
            if state is None:
                state = store.states.get(key)
            job.changed[key] = store.fold.restore(
                store.fold.new(key) if state is None else state, record
            )
        except RecordError as error:
            where = f"{record.topic} partition {record.partition} offset {record.offset}"
            raise FatalError(f"{where} cannot be read: {error}") from error
        job.version = entry.fold_version
        store.now = max(store.now, entry.taken_at)
        if entry.source_topic == self._control and entry.source_offset is not None:
            store.control_next = max(store.control_next, entry.source_offset + 1)


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
