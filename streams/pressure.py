"""The memory of this process against its limit: an alarm, then back-pressure, never a surprise.

From 80 % of the limit on there is an alarm; from 90 % on chains that are finished are closed at
once instead of after days, and the others are packed until they are in work again; at 100 % nothing
more is read until less than 90 % is used. What is used is the resident memory; Python gives little
of that back, so it is also reckoned from how many objects are left of the most that there ever
were.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Generic

import structlog

from supplytwin.streams.observe_upkeep import UpkeepMetrics
from supplytwin.streams.ports import State
from supplytwin.streams.rousing import is_heard
from supplytwin.streams.states import Packed
from supplytwin.streams.store import Overlay

log = structlog.get_logger("supplytwin.engine")

ALARM, RELIEF, FULL = 0.8, 0.9, 1.0
EVERY_S, REPEAT_S, SLICE_S, PASS_S = 1.0, 60.0, 0.005, 10.0
_STATM, _CGROUP = Path("/proc/self/statm"), Path("/sys/fs/cgroup/memory.max")


def resident_bytes() -> int:
    """The resident memory of this process."""
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def available_bytes() -> int:
    """The memory of this machine, or of the container if that is less."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGESIZE")
    try:
        return min(machine, int(_CGROUP.read_text()))
    except (OSError, ValueError):  # none, or "max"
        return machine


class Pressure(Generic[State]):
    """Watches `limit_bytes`. `paused`: inputs are not read."""

    def __init__(
        self,
        limit_bytes: int,
        metrics: UpkeepMetrics,
        clock: Callable[[], float],
        *,
        resident: Callable[[], int] = resident_bytes,
        objects: Callable[[], int] = sys.getallocatedblocks,
    ) -> None:
        self.paused = False
        self.share = 0.0
        self._limit, self._metrics, self._clock = limit_bytes, metrics, clock
        self._resident, self._objects = resident, objects
        self._fullest = (0, 1)
        """Resident bytes when there were most objects, and how many."""
        self._looked = self._told = float("-inf")
        self._queues: dict[int, Iterator[str]] = {}
        self._passed: dict[int, float] = {}
        if limit_bytes > available_bytes():
            log.warning(
                "[worker] memory_max_mb is more than there is: it protects nothing",
                limit_mb=limit_bytes >> 20,
                available_mb=available_bytes() >> 20,
            )

    def look(self) -> bool:
        """Look at most once a second; true when `paused` has changed."""
        now = self._clock()
        if now - self._looked < EVERY_S:
            return False
        self._looked = now
        was_high, was_paused = self.share >= ALARM, self.paused
        resident = self._resident()
        self.share = self._used(resident) / self._limit
        self.paused = self.share >= (RELIEF if was_paused else FULL)
        self._metrics.memory(resident, self._limit, (self.share >= ALARM) + self.paused)
        if self.paused != was_paused or (self.share >= ALARM) != was_high:
            self._told = float("-inf")
        if self.share >= ALARM and now - self._told >= REPEAT_S:
            self._told = now
            self._tell()
        if was_paused and not self.paused:
            log.info("memory: inputs are read again", share=round(self.share, 3))
        return self.paused != was_paused

    def _used(self, resident: int) -> int:
        if resident < ALARM * self._limit:
            return resident
        objects = self._objects()
        if objects > self._fullest[1]:
            self._fullest = (resident, objects)
        then, most = self._fullest
        return min(resident, then * objects // most + max(0, resident - then))

    def _tell(self) -> None:
        numbers = {"share": round(self.share, 3), "limit_mb": self._limit >> 20}
        if self.paused:
            log.error("memory is at its limit: no input is read", **numbers)
        else:
            log.error("memory is near its limit", **numbers)

    def relieve(
        self, overlays: Mapping[int, Overlay[State]], waiting: Callable[[int], Collection[str]]
    ) -> None:
        """From RELIEF on: close finished chains and pack the others, for about SLICE_S in a turn.

        Not those that have a record `waiting`: it would find them gone.
        """
        if self.share < RELIEF:
            self._queues.clear()
            return
        now = self._clock()
        for number, overlay in overlays.items():
            if now - self._passed.get(number, float("-inf")) < PASS_S:
                continue
            queue = self._queues.setdefault(number, iter(list(overlay.store.states)))
            held = waiting(number)
            for key in queue:
                if key not in held:
                    _relieved(overlay, key)
                if self._clock() - now >= SLICE_S:
                    return
            del self._queues[number]
            self._passed[number] = self._clock()


def _relieved(overlay: Overlay[State], key: str) -> None:
    """Close a chain if it is finished, else pack it if this batch does not have it in hand."""
    states = overlay.store.states
    found = states.raw.get(key)
    if found is None or isinstance(found, Packed):
        return
    step = None
    if is_heard(overlay, key):
        control = overlay.state(overlay.store.control)
        step = overlay.fold.close(overlay.changed.get(key, found), overlay.now, control)
    if step is not None:
        overlay.apply(key, step)
    elif overlay.fold.form and key not in overlay.changed:
        try:
            states.load(key, states.frozen(found))
        except ValueError as error:
            log.error("a state cannot be packed", chain=key, why=str(error))
