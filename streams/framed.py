"""A broker whose records carry the ids of a schema registry, for code that knows none.

Everything inside writes and reads single objects. Going out, the header of what we write becomes
the registry's; coming in, it becomes ours again. One reader gets what came as it came: the worker,
whose inputs go into the journal as they are (`streams.intake` understands them).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from supplytwin.schemas.flow import Header, Record
from supplytwin.streams.ports import (
    Admin,
    Broker,
    Consumer,
    Eof,
    Isolation,
    Offsets,
    OnRebalance,
    Producer,
    TopicPartition,
)
from supplytwin.streams.registry import Registry


class FramedConsumer:
    """See `ports.Consumer`."""

    def __init__(self, inner: Consumer, registry: Registry) -> None:
        self.inner, self._registry = inner, registry

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: OnRebalance,
        on_revoke: OnRebalance,
        on_lost: OnRebalance,
    ) -> None:
        self.inner.subscribe(topics, on_assign, on_revoke, on_lost)

    def assign(self, offsets: Offsets) -> None:
        self.inner.assign(offsets)

    def unassign(self) -> None:
        self.inner.unassign()

    def consume(self, count: int, timeout_s: float) -> list[Record | Eof]:
        return [self._ours(item) for item in self.inner.consume(count, timeout_s)]

    def _ours(self, item: Record | Eof) -> Record | Eof:
        if isinstance(item, Eof) or item.value is None:
            return item
        value = self._registry.single(item.topic, item.value)
        return item if value is item.value else msgspec.structs.replace(item, value=value)

    def seek(self, offsets: Offsets) -> None:
        self.inner.seek(offsets)

    def committed(
        self, partitions: Sequence[TopicPartition], timeout_s: float
    ) -> dict[TopicPartition, int | None]:
        return self.inner.committed(partitions, timeout_s)

    def commit(self, offsets: Offsets) -> None:
        self.inner.commit(offsets)

    def ends(self, partition: TopicPartition) -> tuple[int, int]:
        return self.inner.ends(partition)

    def close(self) -> None:
        self.inner.close()


class FramedProducer:
    """See `ports.Producer`."""

    def __init__(self, inner: Producer, registry: Registry) -> None:
        self._inner, self._registry = inner, registry

    def init(self, timeout_s: float) -> None:
        self._inner.init(timeout_s)

    def begin(self) -> None:
        self._inner.begin()

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Sequence[Header] = (),
        timestamp_us: int | None = None,
    ) -> None:
        self._inner.produce(
            topic,
            key,
            None if value is None else self._registry.framed(topic, value),
            partition=partition,
            headers=headers,
            timestamp_us=timestamp_us,
        )

    def send_offsets(self, offsets: Offsets, consumer: Consumer) -> None:
        inner = consumer.inner if isinstance(consumer, FramedConsumer) else consumer
        self._inner.send_offsets(offsets, inner)

    def commit(self) -> None:
        self._inner.commit()

    def abort(self) -> None:
        self._inner.abort()

    def flush(self) -> None:
        self._inner.flush()

    def close(self) -> None:
        self._inner.close()


class FramedBroker:
    """See `ports.Broker`. Members of the group `as_it_came` get records as they are."""

    def __init__(self, inner: Broker, registry: Registry, *, as_it_came: str) -> None:
        self.kind, self.address = inner.kind, inner.address
        self.registry = registry
        self._inner, self._as_it_came = inner, as_it_came

    def version(self) -> str:
        return self._inner.version()

    def consumer(
        self,
        group: str | None,
        *,
        isolation: Isolation = "read_committed",
        instance_id: str | None = None,
        from_start: bool = False,
    ) -> Consumer:
        options: dict[str, Any] = {"isolation": isolation, "instance_id": instance_id}
        inner = self._inner.consumer(group, **options, from_start=from_start)
        return inner if group == self._as_it_came else FramedConsumer(inner, self.registry)

    def producer(self, transactional_id: str | None) -> Producer:
        return FramedProducer(self._inner.producer(transactional_id), self.registry)

    def admin(self) -> Admin:
        return self._inner.admin()

    def close(self) -> None:
        self._inner.close()


def registry_of(broker: Broker) -> Registry | None:
    """The registry whose ids the records of a broker carry, if there is one."""
    return broker.registry if isinstance(broker, FramedBroker) else None


def require(broker: Broker, writes: Iterable[str], reads: Iterable[str] = ()) -> None:
    """Whoever is going to write to `writes` has their schemas registered, and knows the ids of ours
    in `reads`: see `Registry`. Nothing is asked where there is no registry.
    """
    registry = registry_of(broker)
    if registry is not None:
        registry.require(writes)
        registry.learn(reads)
