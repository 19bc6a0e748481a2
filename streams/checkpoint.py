"""One batch = one transaction: its numbered steps, and what each kind of failure leads to."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from supplytwin.schemas.errors import AbortError, FatalError, TransientError
from supplytwin.streams.ports import Consumer, Offsets, Producer, State
from supplytwin.streams.store import Overlay

T = TypeVar("T")
PAUSE_S = 0.02

POINTS = (
    "restoring",
    "after_read",
    "after_begin",
    "after_produce",
    "before_send_offsets",
    "between_send_offsets_and_commit",
    "between_commit_and_merge",
    "after_merge",
    "cut_complete",
)
At = Callable[[str], None]
"""Called at each of POINTS, so that a test can stop the loop exactly there."""


def nowhere(point: str) -> None:
    """The default of every `At`: nothing happens at any point."""


def insist(call: Callable[[], T], deadline: float, clock: Callable[[], float]) -> T:
    """The result of `call`, made again while it fails transiently. FatalError after `deadline`."""
    while True:
        try:
            return call()
        except AbortError:
            raise
        except TransientError as error:
            if clock() >= deadline:
                raise FatalError(f"still failing at its deadline: {error}") from error
            time.sleep(PAUSE_S)


def abort(producer: Producer, timeout_s: float, clock: Callable[[], float]) -> None:
    """Nothing of the open transaction is true. FatalError when that cannot be known."""
    try:
        insist(producer.abort, clock() + timeout_s, clock)
    except AbortError as error:
        raise FatalError(f"the abort failed: {error}") from error


class Checkpoint(Generic[State]):
    """Commits batches. `timeout_s` (the transaction timeout) bounds the retries of one batch."""

    def __init__(
        self,
        producer: Producer,
        consumer: Consumer,
        *,
        timeout_s: float,
        clock: Callable[[], float],
        at: At = nowhere,
    ) -> None:
        self._producer, self._consumer = producer, consumer
        self._timeout_s, self._clock, self._at = timeout_s, clock, at

    def commit(self, overlays: Sequence[Overlay[State]], offsets: Offsets) -> None:
        """Everything in `overlays` is written and true, and `offsets` are committed.

        Raises AbortError when nothing of it is: the transaction is aborted, the overlays are to be
        dropped and the input read again. Raises FatalError when that cannot be known.
        """
        deadline = self._clock() + self._timeout_s
        # 1. begin
        insist(self._producer.begin, deadline, self._clock)
        try:
            self._write(overlays, offsets, deadline)
        except AbortError:
            abort(self._producer, self._timeout_s, self._clock)
            raise
        # 5. merge: what the log says is what memory says.
        self._at("between_commit_and_merge")
        for overlay in overlays:
            overlay.merge()

    def _write(self, overlays: Sequence[Overlay[State]], offsets: Offsets, deadline: float) -> None:
        clock, producer = self._clock, self._producer
        self._at("after_begin")
        # 2. produce: journal entries, outputs, quarantine, in the order in which they were caused
        for overlay in overlays:
            produce = partial(producer.produce, partition=overlay.store.number)
            for topic, key, value, headers in overlay.writes:
                try:
                    produce(topic, key, value, headers=headers)
                except AbortError:
                    raise
                except TransientError:
                    insist(partial(produce, topic, key, value, headers=headers), deadline, clock)
        self._at("after_produce")
        # 3. send offsets, with the group's metadata of this moment: it fences a former owner
        self._at("before_send_offsets")
        insist(lambda: producer.send_offsets(offsets, self._consumer), deadline, clock)
        self._at("between_send_offsets_and_commit")
        # 4. commit
        insist(producer.commit, deadline, clock)
