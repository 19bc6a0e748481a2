"""What a broker in memory holds: topics, groups, open transactions, and one lock over all of it."""

import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Protocol

from supplytwin.schemas.errors import FatalError
from supplytwin.streams.memory_group import Group
from supplytwin.streams.memory_log import Log
from supplytwin.streams.ports import Offsets, TopicPartition, TopicSpec

LARGEST = str(2**63 - 1)
DEFAULTS = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "message.timestamp.after.max.ms": "3600000",
    "message.timestamp.before.max.ms": LARGEST,
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "1",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.ms": "604800000",
}
"""What Apache Kafka sets for a topic when nobody says otherwise; retention is never carried out."""


def wall_clock() -> int:
    """Now, in us."""
    return time.time_ns() // 1000


class Topic:
    """A topic: what it must be, and its partitions."""

    def __init__(self, spec: TopicSpec) -> None:
        config = {**DEFAULTS, **spec.config}
        self.spec = TopicSpec(
            name=spec.name,
            partitions=spec.partitions,
            replication=spec.replication,
            config=config,
        )
        self.logs = [Log(spec.name, number) for number in range(spec.partitions)]
        self.max_bytes = int(config["max.message.bytes"])
        self.append_time = config["message.timestamp.type"] == "LogAppendTime"
        self.ahead_us = int(config["message.timestamp.after.max.ms"]) * 1000
        self.behind_us = int(config["message.timestamp.before.max.ms"]) * 1000


class Transaction:
    """What one open transaction has written, and the offsets that it will commit."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.written: dict[Log, list[int]] = {}
        self.offsets: list[tuple[Group, Offsets]] = []
        self.failed = ""


class Owner(Protocol):
    """Who holds a transactional id."""

    def fence(self) -> None:
        """Somebody else took the id: what is open is aborted, every further call is fatal."""


class Memory:
    """The state of one broker. Everything is read and changed under `changed`."""

    def __init__(self, clock: Callable[[], int], max_poll_s: float) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self.owners: dict[str, Owner] = {}
        """The last that called `init`, by transactional id."""
        self.clock = clock
        self.numbers = count(1)
        self._max_poll_s = max_poll_s

    def log(self, at: TopicPartition) -> Log:
        """Raises FatalError when there is no such partition."""
        topic = self.topics.get(at.topic)
        if topic is None or not 0 <= at.partition < len(topic.logs):
            raise FatalError(f"there is no {at.topic} partition {at.partition}")
        return topic.logs[at.partition]

    def group(self, name: str) -> Group:
        """The group, new if nobody has named it before."""
        return self.groups.setdefault(name, Group(name, self._max_poll_s))

    def finish(self, transaction: Transaction, *, commit: bool) -> None:
        """End a transaction: one marker on every partition, and its offsets."""
        for log, offsets in transaction.written.items():
            log.finish(transaction.number, () if commit else offsets)
        for group, offsets_of in transaction.offsets:
            for at, offset in offsets_of.items():
                group.pending[at] -= 1
                if commit:
                    group.offsets[at] = offset
        self.changed.notify_all()
