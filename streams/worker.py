"""The worker: one process, one thread, one consumer, one transactional producer, one loop.

A turn: consume, decode, fold each record in an overlay of its own, handle the ticks whose cut is
complete, commit everything as one transaction, merge. An abort drops the overlays, all cuts and all
that waits, catches up with the journal and reads again from the committed offsets.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic

import structlog
from msgspec import Struct

from supplytwin.schemas.errors import AbortError, FatalError, TransientError
from supplytwin.schemas.flow import Record
from supplytwin.streams.checkpoint import At, Checkpoint, insist, nowhere
from supplytwin.streams.consume import Ends, Item, Reader, Wanted, decoded, examined
from supplytwin.streams.cut import Cut, Gist, handle, shape, take
from supplytwin.streams.observe import Metrics
from supplytwin.streams.ports import (
    Admin,
    Broker,
    Consumer,
    Decode,
    Eof,
    Fold,
    Producer,
    State,
    TopicPartition,
)
from supplytwin.streams.quarantine import Limits, Policy
from supplytwin.streams.restore import Restore
from supplytwin.streams.store import Overlay, Store
from supplytwin.streams.upkeep import Upkeep
from supplytwin.streams.worker_settings import WorkerSettings, WorkerTopics

__all__ = ["Worker", "WorkerSettings", "WorkerTopics"]

log = structlog.get_logger("supplytwin.engine")

ABORTS_IN_A_ROW = 3


class _Clients(Struct, Generic[State], frozen=True, kw_only=True, eq=False):
    """What the first turn opens."""

    admin: Admin
    consumer: Consumer
    producer: Producer
    reader: Reader
    ends: Ends
    restore: Restore[State]
    checkpoint: Checkpoint[State]
    upkeep: Upkeep[State]
    partitions: int
    limits: Limits


class Worker(Generic[State]):
    """Runs `fold` over the inputs of the partition numbers that the group assigns to `slot`."""

    cut_type = Cut

    def __init__(
        self,
        broker: Broker,
        fold: Fold[State],
        decode: Decode,
        topics: WorkerTopics,
        *,
        settings: WorkerSettings | None = None,
        slot: int = 0,
        gist: Gist[State] = shape,
        metrics: Metrics | None = None,
        policy: Policy | None = None,
        clock: Callable[[], float] = time.monotonic,
        at: At = nowhere,
    ) -> None:
        self._broker, self._fold, self._decode, self._topics = broker, fold, decode, topics
        self._settings = settings or WorkerSettings()
        self._slot, self._gist, self._clock, self._at = slot, gist, clock, at
        self.metrics, self._policy = metrics or Metrics(), policy or Policy()
        self.stores: dict[int, Store[State]] = {}
        self.cuts: dict[int, Cut] = {}
        self.beat = clock()
        """When the loop last came round."""
        self._clients: _Clients[State] | None = None
        self._committed: dict[TopicPartition, int] = {}
        self._committed_at = clock()
        self._aborts = 0
        self._readable_at = clock()
        self._alarmed: dict[int, float] = {}

    @property
    def waits_for(self) -> str:
        """Why it does not work yet; "" = everything that is assigned to it is open."""
        clients = self._clients
        if clients is None or not self.metrics.value("supplytwin_rebalances_total"):
            return "no partition number has been assigned yet"
        if clients.upkeep.paused:
            return "memory is at its limit: no input is read"
        return "the journal is being read" if clients.restore.pending else ""

    # ---- the loop

    def turn(self, timeout_s: float | None = None) -> bool:
        """Once round; true when there was something to do. Waits at most about `timeout_s` for it.

        Raises FatalError when this process cannot go on, UsageError when no process could.
        """
        self.beat = self._clock()
        clients = self._open()
        wait = self._settings.poll_s if timeout_s is None else timeout_s
        events = self._consume(clients, min(wait, 0.01) if clients.restore.pending else wait)
        if events is None:
            self._begin_restore(clients)
            return True
        try:
            worked = self._batch(clients, events)
        except AbortError as error:
            self._rewind(clients, error)
            return True
        # after the batch: what opens is read from now on, and so is everything else, anew
        opened = clients.restore.pending and self._restored(clients, min(wait, 0.05))
        if clients.upkeep.turn(self.stores, busy=bool(events)):
            self._resume(clients)
        return worked or opened or bool(events)

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop` is set, then drain: what was folded is committed, all is closed."""
        while not stop.is_set():
            self.turn()
        self.close()

    def close(self) -> None:
        """Commit the offsets that are due and leave. What still waits is read again by the next."""
        if self._clients is None:
            return
        clients, self._clients = self._clients, None
        moved = self._moved()
        if moved:
            try:
                clients.consumer.commit(moved)
            except TransientError as error:
                log.info("last offsets are not committed", why=str(error))
        clients.restore.close()
        clients.upkeep.close()
        clients.consumer.close()
        clients.producer.close()
        clients.admin.close()
        self.stores.clear()
        self.cuts.clear()

    def _consume(self, clients: "_Clients[State]", wait: float) -> list[Record | Eof] | None:
        try:
            events = clients.reader.read(self._settings.batch, wait)
        except TransientError as error:
            if self._clock() - self._readable_at > self._settings.transaction_timeout_s:
                raise FatalError(f"nothing can be consumed: {error}") from error
            log.info("reading again", why=str(error))
            time.sleep(min(wait, 0.05))
            if self.cuts:
                self._resume(clients)  # what came with the error may be gone
            return []
        self._readable_at = self._clock()
        return events

    def _open(self) -> "_Clients[State]":
        if self._clients is None:
            self._clients = self._connect()
        return self._clients

    def _connect(self) -> "_Clients[State]":
        settings, topics, broker = self._settings, self._topics, self._broker
        admin = broker.admin()
        needed = (*topics.inputs, topics.control, topics.journal, topics.state, topics.quarantine)
        partitions, sizes = examined(admin, (*needed, *topics.derived), settings.partitions)
        producer = broker.producer(f"{settings.transactional_id}.{self._slot}")
        deadline = self._clock() + settings.transaction_timeout_s
        insist(lambda: producer.init(settings.transaction_timeout_s), deadline, self._clock)
        consumer = broker.consumer(settings.group, instance_id=f"{settings.group}-{self._slot}")
        upkeep = Upkeep[State](
            settings.upkeep,
            broker=broker,
            admin=admin,
            journal=topics.journal,
            metrics=self.metrics,
            clock=self._clock,
            alive=self._alive,
        )
        restore = Restore(
            broker,
            consumer,
            admin,
            new=lambda number: Store(number, self._fold),
            journal_topic=topics.journal,
            control_topic=topics.control,
            clock=self._clock,
            upkeep=upkeep,
        )
        inputs = (*topics.inputs, topics.control)
        return _Clients(
            admin=admin,
            consumer=consumer,
            producer=producer,
            reader=Reader(consumer, inputs, self._drop),
            ends=Ends(admin, self._clock),
            restore=restore,
            checkpoint=Checkpoint(
                producer,
                consumer,
                timeout_s=settings.transaction_timeout_s,
                clock=self._clock,
                at=self._at,
            ),
            upkeep=upkeep,
            partitions=partitions,
            limits=Limits(sizes),
        )

    def _alive(self) -> None:
        self.beat = self._clock()

    # ---- assignment

    def _drop(self) -> None:
        if self._clients is not None:
            self._clients.restore.keep(self.stores.values())
        self.stores.clear()
        self.cuts.clear()
        self._committed.clear()

    def _begin_restore(self, clients: "_Clients[State]") -> None:
        reader = clients.reader
        log.info("assigned", slot=self._slot, partitions=reader.numbers)
        self.metrics.rebalanced()
        clients.restore.begin({number: reader.places(number) for number in reader.numbers})

    def _restored(self, clients: "_Clients[State]", timeout_s: float) -> bool:
        if clients.upkeep.paused:
            return False
        self._at("restoring")
        try:
            opened = clients.restore.turn(timeout_s)
        except TransientError as error:
            log.warning("the journal cannot be read, trying again", why=str(error))
            return False
        for store, offsets in opened:
            self.stores[store.number] = store
            self.cuts[store.number] = self._cut(store.number, offsets)
            self._committed.update(offsets)
        if opened:
            self._resume(clients)
        return bool(opened)

    def _cut(self, number: int, offsets: dict[TopicPartition, int]) -> Cut:
        control = TopicPartition(self._topics.control, number)
        return self.cut_type(offsets, control, wait_s=self._settings.wait_s)

    def _resume(self, clients: "_Clients[State]") -> None:
        cuts = () if clients.upkeep.paused else self.cuts.values()
        clients.reader.resume({w: o for cut in cuts for w, o in cut.next.items()})

    def _rewind(self, clients: "_Clients[State]", error: AbortError) -> None:
        """Nothing of the batch is true. Others may have written, that may be why: the states catch
        up with the journal, and the inputs are read from what is committed. Nothing waits.
        """
        self._aborts += 1
        self.metrics.aborted(error)
        log.warning("aborted", in_a_row=self._aborts, why=str(error))
        if self._aborts >= ABORTS_IN_A_ROW:
            raise FatalError(f"{self._aborts} aborts in a row: {error}") from error
        self._drop()
        clients.reader.resume({})
        clients.restore.begin({n: clients.reader.places(n) for n in clients.reader.numbers})

    # ---- one batch

    def _batch(self, clients: "_Clients[State]", events: Iterable[Record | Eof]) -> bool:
        at = self._clock()
        items = self._take(clients, events, at)
        clients.upkeep.wake(self.stores, items)
        overlays = {
            number: Overlay(store, clients.limits, self._topics.quarantine, self._policy)
            for number, store in sorted(self.stores.items())
        }
        for number, overlay in overlays.items():
            take(overlay, self.cuts[number], items.get(number, ()), at)
        self._handle(overlays, at)
        self._ask(clients)
        self._handle(overlays, at)
        clients.upkeep.relieve(overlays, self.cuts)
        for overlay in overlays.values():
            overlay.publish()
        self._watch_stalls(at)
        return self._commit(clients, list(overlays.values()), at)

    def _take(
        self, clients: "_Clients[State]", events: Iterable[Record | Eof], at: float
    ) -> dict[int, list[Item]]:
        """Note how far was read; the records decoded, by partition number, in order."""
        cuts = self.cuts
        known = [event for event in events if event.partition in cuts]
        for event in {(event.topic, event.partition): event for event in known}.values():
            cuts[event.partition].passed(event, at)
        records = [event for event in known if isinstance(event, Record)]
        found: dict[int, list[Item]] = {}
        if records:
            self._at("after_read")
            self.metrics.batch(len(records))
            self._policy.seen(len(records), at)
            for item in decoded(records, self._decode, clients.partitions, at):
                found.setdefault(item.record.partition, []).append(item)
        return found

    def _handle(self, overlays: dict[int, Overlay[State]], at: float) -> None:
        """Handle the ticks whose cuts are complete."""
        for number, overlay in overlays.items():
            cut = self.cuts[number]
            if cut.complete:
                self.metrics.cut(at - cut.since)
                if cut.asked is not None and not self._settings.simulated:
                    self.metrics.ticked(cut.asked.time)
                handle(overlay, cut, self._gist, at)
                self._at("cut_complete")

    def _ask(self, clients: "_Clients[State]") -> None:
        """Ask for the ends of the inputs of every partition number that has a new tick."""
        wanted: Wanted = {n: list(cut.next) for n, cut in self.cuts.items() if cut.wants_answers}
        for number, (first, second) in clients.ends.ask(wanted).items():
            self.cuts[number].answered(first, second)

    def _watch_stalls(self, at: float) -> None:
        """Alarm for each partition number whose ticks are held up by an input that stands."""
        limit = 2 * self._settings.transaction_timeout_s + 10.0
        stalled = 0
        for number, cut in self.cuts.items():
            behind = cut.stalled(at, limit, ticks_expected=not self._settings.simulated)
            stalled += bool(behind)
            if not behind:
                self._alarmed.pop(number, None)
            elif at - self._alarmed.get(number, at - limit - 1) > limit:
                self._alarmed[number] = at
                log.error(
                    "no approvals and no expiry: an input cannot be read to its end",
                    partition=number,
                    inputs=[f"{where.topic}@{cut.next[where]}" for where in behind],
                )
        self.metrics.stalled(stalled)

    # ---- commit

    def _moved(self) -> dict[TopicPartition, int]:
        offsets = [cut.offsets() for cut in self.cuts.values()]
        return {w: o for found in offsets for w, o in found.items() if o != self._committed[w]}

    def _commit(
        self, clients: "_Clients[State]", overlays: list[Overlay[State]], at: float
    ) -> bool:
        writing = any(overlay.writes for overlay in overlays)
        moved = self._moved()
        if writing:
            started = self._clock()
            clients.checkpoint.commit(overlays, moved)
            self._at("after_merge")
            self.metrics.committed(self._clock() - started)
        else:
            for overlay in overlays:
                overlay.merge()
            due = self._settings.simulated or at - self._committed_at >= self._settings.commit_s
            if not moved or not due:
                moved = {}
            else:
                deadline = self._clock() + self._settings.transaction_timeout_s
                insist(lambda: clients.consumer.commit(moved), deadline, self._clock)
        if moved:
            self._aborts = 0
            self._committed.update(moved)
            self._committed_at = at
        self._report(overlays)
        return writing or bool(moved)

    def _report(self, overlays: Iterable[Overlay[State]]) -> None:
        for overlay in overlays:
            for what, times in overlay.counts.items():
                self.metrics.count(what, times)
            for code, times in overlay.refusals.items():
                self.metrics.quarantined(code, times)
        self.metrics.decode_fallbacks(getattr(self._decode, "fallbacks", 0))
        self.metrics.chains(sum(len(store.states) for store in self.stores.values()))
