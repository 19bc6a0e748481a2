"""What is looked at from beside the loop, every few seconds: lag, open transactions, facts.

On a thread and an admin client of its own: a broker that does not answer never holds up the loop.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from prometheus_client import CollectorRegistry, Gauge

from supplytwin.schemas.errors import TransientError
from supplytwin.streams.ports import Admin, Broker, TopicPartition

log = structlog.get_logger("supplytwin.gauges")
EVERY_S = 5.0


class Gauges:
    """Lag of one consumer group in its topics, for the partition numbers that `numbers` gives."""

    def __init__(
        self,
        broker: Broker,
        registry: CollectorRegistry,
        group: str,
        topics: Sequence[str],
        *,
        numbers: Callable[[], Iterable[int]],
        facts: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admin: Admin = broker.admin()
        self._group, self._topics = group, tuple(topics)
        self._numbers, self._facts, self._clock = numbers, facts, clock
        labels = ("topic", "partition")
        self._to_end = Gauge(
            "supplytwin_lag_records",
            "Records between the committed offset and the end of the log",
            labels,
            registry=registry,
        )
        self._to_stable = Gauge(
            "supplytwin_lag_stable_records",
            "Records between the committed offset and the last stable offset",
            labels,
            registry=registry,
        )
        self._stall = Gauge(
            "supplytwin_stall_seconds",
            "For how long an open transaction has held the last stable offset where it is",
            labels,
            registry=registry,
        )
        self._held = Gauge("supplytwin_facts", "Facts of the chains in work", registry=registry)
        self._since: dict[TopicPartition, tuple[int, float]] = {}

    def look(self) -> None:
        """Set every gauge to what is true now. Raises TransientError when the broker is away."""
        numbers = sorted(self._numbers())
        wanted = [TopicPartition(topic, number) for topic in self._topics for number in numbers]
        if self._facts is not None:
            self._held.set(self._facts())
        if not wanted:
            return
        committed = self._admin.committed(self._group, wanted)
        stable = self._admin.ends(wanted, "read_committed")
        ends = self._admin.ends(wanted, "read_uncommitted")
        now = self._clock()
        for at in wanted:
            labels = (at.topic, str(at.partition))
            done = committed[at] or 0
            self._to_end.labels(*labels).set(max(0, ends[at] - done))
            self._to_stable.labels(*labels).set(max(0, stable[at] - done))
            self._stall.labels(*labels).set(self._stalled(at, stable[at], ends[at], now))

    def _stalled(self, at: TopicPartition, stable: int, end: int, now: float) -> float:
        if stable >= end:
            self._since.pop(at, None)
            return 0.0
        where, since = self._since.get(at, (stable, now))
        if where != stable:
            since = now
        self._since[at] = (stable, since)
        return now - since

    def run(self, stop: threading.Event) -> None:
        """Look every few seconds until `stop`."""
        while not stop.wait(EVERY_S):
            try:
                self.look()
            except TransientError as error:
                log.warning("lag is not known", why=str(error))
        self._admin.close()
