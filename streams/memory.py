"""A broker in this process, with Kafka's semantics: transactions, isolation, groups, compaction.

It holds to the same contract suite as the real one. What it cannot show: fencing by another
process, time-outs of transactions (`time_out` stands in), replication, and data after the end of
the process.
"""

from collections.abc import Callable, Sequence

from supplytwin.schemas.errors import FatalError
from supplytwin.streams.memory_clients import MemoryConsumer, MemoryProducer
from supplytwin.streams.memory_state import Memory, Topic, wall_clock
from supplytwin.streams.ports import (
    Admin,
    Consumer,
    Isolation,
    Offsets,
    Producer,
    TopicPartition,
    TopicSpec,
)


class MemoryBroker:
    """See `ports.Broker`. Thread-safe. `clock` (us) gives LogAppendTime and missing timestamps."""

    kind = "memory"
    address = "in this process"

    def __init__(self, *, clock: Callable[[], int] = wall_clock, max_poll_s: float = 300.0) -> None:
        self._memory = Memory(clock, max_poll_s)

    def version(self) -> str:
        return "in memory"

    def consumer(
        self,
        group: str | None,
        *,
        isolation: Isolation = "read_committed",
        instance_id: str | None = None,
        from_start: bool = False,
    ) -> Consumer:
        return MemoryConsumer(self._memory, group, isolation, instance_id, from_start=from_start)

    def producer(self, transactional_id: str | None) -> Producer:
        return MemoryProducer(self._memory, transactional_id)

    def admin(self) -> Admin:
        return MemoryAdmin(self._memory)

    def close(self) -> None:
        """Forget everything."""
        with self._memory.changed:
            self._memory.topics.clear()
            self._memory.groups.clear()
            self._memory.owners.clear()

    def compact(self, topic: str, *, drop_tombstones: bool = False) -> None:
        """Do now what Kafka's cleaner does some time, if the topic's cleanup policy asks for it."""
        with self._memory.changed:
            found = self._memory.topics[topic]
            if "compact" in found.spec.config["cleanup.policy"]:
                for log in found.logs:
                    log.compact(drop_tombstones=drop_tombstones)

    def time_out(self, transactional_id: str) -> None:
        """Do now what Kafka does with a transaction open for too long: abort, fence the owner."""
        with self._memory.changed:
            owner = self._memory.owners.pop(transactional_id, None)
            if owner is not None:
                owner.fence()


class MemoryAdmin:
    """See `ports.Admin`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def names(self) -> frozenset[str]:
        with self._memory.changed:
            return frozenset(self._memory.topics)

    def topics(self) -> dict[str, TopicSpec]:
        with self._memory.changed:
            return {name: topic.spec for name, topic in sorted(self._memory.topics.items())}

    def create(self, specs: Sequence[TopicSpec]) -> None:
        with self._memory.changed:
            for spec in specs:
                if spec.name in self._memory.topics:
                    raise FatalError(f"create topic {spec.name}: it exists already")
                self._memory.topics[spec.name] = Topic(spec)

    def ends(
        self, partitions: Sequence[TopicPartition], isolation: Isolation
    ) -> dict[TopicPartition, int]:
        with self._memory.changed:
            return {at: self._memory.log(at).readable(isolation) for at in partitions}

    def begins(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        with self._memory.changed:
            return {at: self._memory.log(at).begin for at in partitions}

    def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int | None]:
        with self._memory.changed:
            offsets = self._memory.group(group).offsets
            return {at: offsets.get(at) for at in partitions}

    def commit(self, group: str, offsets: Offsets) -> None:
        with self._memory.changed:
            found = self._memory.group(group)
            if not offsets:
                return
            if found.members:
                raise FatalError(f"set offsets of {group}: it has live members")
            found.offsets.update(offsets)
            self._memory.changed.notify_all()

    def close(self) -> None:
        """Nothing is held."""
