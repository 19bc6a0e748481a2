"""What a worker does beside its batches: snapshots, chains that wake, and its memory."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic

import structlog
from msgspec import Struct

from supplytwin.schemas.errors import AbortError, TransientError
from supplytwin.schemas.flow import Asleep
from supplytwin.streams import heap
from supplytwin.streams.consume import Item
from supplytwin.streams.cut import Cut
from supplytwin.streams.history import History
from supplytwin.streams.observe import Metrics
from supplytwin.streams.ports import Admin, Broker, State
from supplytwin.streams.pressure import Pressure
from supplytwin.streams.progress import Progress
from supplytwin.streams.replay import wake
from supplytwin.streams.rousing import outdated_by
from supplytwin.streams.snapshotter import Snapshotter
from supplytwin.streams.store import Overlay, Store

log = structlog.get_logger("supplytwin.engine")


class UpkeepSettings(Struct, frozen=True, kw_only=True):
    """`snapshots`: their folder; None = there are none. `memory_max_bytes` 0 = no limit."""

    snapshots: Path | None = None
    every_s: float = 300.0
    timeline: str = ""
    memory_max_bytes: int = 0


class Upkeep(Generic[State]):
    """Of one worker, from its first turn to its end. `alive` is called during long work."""

    def __init__(
        self,
        settings: UpkeepSettings,
        *,
        broker: Broker,
        admin: Admin,
        journal: str,
        metrics: Metrics,
        clock: Callable[[], float],
        alive: Callable[[], None],
    ) -> None:
        self._metrics = metrics
        self.history = History(broker, journal, clock=clock, alive=alive)
        self.progress = Progress(metrics.upkeep, clock)
        self.pressure = (
            Pressure[State](settings.memory_max_bytes, metrics.upkeep, clock)
            if settings.memory_max_bytes
            else None
        )
        self.snapshots: Snapshotter[State] | None = None
        if settings.snapshots is not None:
            self.snapshots = Snapshotter(
                settings.snapshots,
                settings.every_s,
                settings.timeline,
                admin=admin,
                journal=journal,
                metrics=metrics.upkeep,
                clock=clock,
            )

    @property
    def paused(self) -> bool:
        """Memory is at its limit: no input may be read."""
        return self.pressure is not None and self.pressure.paused

    def turn(self, stores: Mapping[int, Store[State]], *, busy: bool) -> bool:
        """Between two batches, for some ms; true when `paused` has changed."""
        if busy:
            heap.settle()
        if self.snapshots is not None:
            self.snapshots.turn(stores, busy=busy)
        closed = sum(store.asleep for store in stores.values())
        self._metrics.upkeep.chains(closed, sum(s.states.packed for s in stores.values()))
        return self.pressure is not None and self.pressure.look()

    def wake(self, stores: Mapping[int, Store[State]], items: Mapping[int, Sequence[Item]]) -> None:
        """Open the chains that `items` have something new for, before anything is folded.

        What they were is read from the journal, so this changes memory and nothing else. Raises
        AbortError when it cannot be read now: the batch is to be read again.
        """
        for number, found in items.items():
            store = stores[number]
            if not store.asleep:
                continue
            keys = dict.fromkeys(outdated_by(store, found))
            for item in found:
                if not isinstance(item.result, Exception):
                    state = store.states.find(item.result.key)
                    if isinstance(state, Asleep) and store.fold.late(state, item.result):
                        keys[item.result.key] = None
            try:
                store.put(wake(store, self.history, list(keys)))
            except TransientError as error:
                raise AbortError(f"{len(keys)} closed chains cannot be read: {error}") from error
            if keys:
                self._metrics.count("reopened", len(keys))
                log.info("chains opened again", partition=number, chains=len(keys))

    def relieve(self, overlays: Mapping[int, Overlay[State]], cuts: Mapping[int, Cut]) -> None:
        """Close finished chains early when memory is short; part of the batch of `overlays`."""
        if self.pressure is not None:
            self.pressure.relieve(overlays, lambda number: cuts[number].waiting_of())

    def refused(self) -> None:
        """A snapshot was not trusted."""
        self._metrics.upkeep.snapshot_refused()

    def close(self) -> None:
        """What is being written is given up."""
        if self.snapshots is not None:
            self.snapshots.close()
