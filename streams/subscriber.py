"""Reads committed records for a sink. The sink's own offsets rule where reading goes on.

Kafka's are written after the sink's, for monitoring and for whoever waits for quiet. Nothing is
lost or doubled when this process ends between the two: the next one reads from the sink's offsets.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from supplytwin.schemas.errors import TransientError, UsageError
from supplytwin.schemas.flow import Record
from supplytwin.streams.observe import SinkMetrics
from supplytwin.streams.ports import Admin, Broker, Eof, TopicPartition
from supplytwin.streams.topics import SINK_GROUP, places

log = structlog.get_logger("supplytwin.subscriber")
_BATCH = 20_000
_BATCH_BYTES = 32 * 1024 * 1024
_RETRY_S = 0.1


class Sink(Protocol):
    """Where records land. `write` is all or nothing, and remembers the offsets with the rows."""

    topics: tuple[str, ...]

    def offsets(self) -> dict[tuple[str, int], int]: ...

    def write(
        self, records: Mapping[str, Sequence[Record]], offsets: Mapping[tuple[str, int], int]
    ) -> None: ...

    def close(self) -> None: ...


class Subscriber:
    """Feeds one sink from all partitions of its topics, from the offsets that the sink holds.

    While it runs `idle` is called between two writes, which it holds up for as long as it takes.
    Raises UsageError when these are not offsets of this cluster's topics.
    """

    def __init__(
        self,
        broker: Broker,
        sink: Sink,
        partitions: int,
        *,
        group: str = SINK_GROUP,
        pause_s: float = 0.2,
        metrics: SinkMetrics | None = None,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        self._sink, self._idle = sink, idle
        self.metrics = metrics or SinkMetrics()
        self._places = places(sink.topics, partitions)
        self._pause_s = pause_s
        self._last_write = 0.0
        self._written = _start(broker, sink, self._places)
        self._next = dict(self._written)
        self._committed: dict[TopicPartition, int] = {}
        self._held: list[Record] = []
        self._held_bytes = 0
        self.beat = time.monotonic()
        self._consumer = broker.consumer(group, from_start=True)
        self._consumer.assign(self._next)

    def turn(self, timeout_s: float = 0.05) -> bool:
        """Read what is there and write it; true when something was written.

        Small batches are gathered for `pause_s`: each write scans the latest-value table once.
        """
        self.beat = time.monotonic()
        try:
            items = self._consumer.consume(_BATCH, timeout_s)
        except TransientError as error:
            log.warning("trying again", why=str(error))
            time.sleep(_RETRY_S)
            items = []
        for item in items:
            self._take(item)
        full = len(self._held) >= _BATCH or self._held_bytes >= _BATCH_BYTES
        if not full and time.monotonic() - self._last_write < self._pause_s:
            return False
        written = self._write()
        self._tell()
        return written

    def _take(self, item: Record | Eof) -> None:
        at = TopicPartition(item.topic, item.partition)
        if isinstance(item, Eof):
            self._next[at] = max(self._next[at], item.offset)
        elif item.offset >= self._next[at]:
            self._next[at] = item.offset + 1
            self._held.append(item)
            self._held_bytes += len(item.value or b"")

    def _write(self) -> bool:
        moved = {at: offset for at, offset in self._next.items() if offset != self._written[at]}
        if not moved:
            return False
        groups: dict[str, list[Record]] = {}
        for record in self._held:
            groups.setdefault(record.topic, []).append(record)
        started = time.monotonic()
        self._sink.write(groups, {(at.topic, at.partition): o for at, o in moved.items()})
        self.metrics.wrote(time.monotonic() - started)
        for topic, written in groups.items():
            self.metrics.written(topic, len(written))
        self._held, self._held_bytes = [], 0
        self._written.update(moved)
        self._last_write = time.monotonic()
        return True

    def _tell(self) -> None:
        """Commit to Kafka what the sink holds; what fails is told at the next turn."""
        behind = {at: o for at, o in self._written.items() if self._committed.get(at) != o}
        if not behind:
            return
        try:
            self._consumer.commit(behind)
        except TransientError as error:
            log.warning("offsets are not committed yet", why=str(error))
            return
        self._committed.update(behind)

    def caught_up(self, admin: Admin) -> bool:
        """Whether the sink holds everything that was readable just now, in all its topics."""
        ends = admin.ends(self._places, "read_committed")
        return all(self._written[at] >= end for at, end in ends.items())

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop`, then write what is held. Lets go of the file in any case."""
        try:
            while not stop.is_set():
                if not self.turn():
                    self._idle()
            self._write()
            self._tell()
        finally:
            self._let_go()

    def close(self) -> None:
        """Write what is held, and let go of the file."""
        try:
            self._write()
            self._tell()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        try:
            self._consumer.close()
        finally:
            self._sink.close()


def _start(
    broker: Broker, sink: Sink, wanted: Sequence[TopicPartition]
) -> dict[TopicPartition, int]:
    """Where to go on: the sink's offsets, which must be of these topics; else the beginning."""
    admin = broker.admin()
    try:
        begins = admin.begins(wanted)
        ends = admin.ends(wanted, "read_uncommitted")
    finally:
        admin.close()
    held = sink.offsets()
    found = {}
    for at in wanted:
        offset = held.get((at.topic, at.partition))
        if offset is not None and not begins[at] <= offset <= ends[at]:
            raise UsageError(
                f"this file ends at offset {offset} of {at.topic} partition {at.partition}, which "
                f"holds {begins[at]} to {ends[at]}: it was filled from another cluster, or this "
                "one has lost records; give a new file, it is filled again from Kafka"
            )
        found[at] = begins[at] if offset is None else offset
    return found
