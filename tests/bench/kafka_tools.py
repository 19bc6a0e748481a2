"""Topics, plain readers and writers on the real broker; only `bare_read` is measured."""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import confluent_kafka as ck
from canonical import PARTITIONS, topics
from measure import PATIENCE_S, Clock, answer, until

from supplytwin.streams.checkpoint import insist
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.ports import TopicPartition, TopicSpec
from supplytwin.streams.worker import WorkerTopics

KEPT = {"retention.ms": "-1", "max.message.bytes": "1310720"}
FETCH = {"fetch.wait.max.ms": 50, "fetch.queue.backoff.ms": 5, "queued.min.messages": 20_000,
         "queued.max.messages.kbytes": 32_768}  # fmt: skip
"""What `streams.kafka` sets, so that the floor reads in the same way."""


def patiently(call: Callable[[], Any]) -> Any:
    """The result of `call`, tried again while a new broker's coordinators come up."""
    return insist(call, time.monotonic() + PATIENCE_S, time.monotonic)


def fresh(name: str) -> str:
    """A prefix that nothing has used."""
    return f"{name}-{uuid.uuid4().hex[:8]}."


def create(address: str, names: Iterable[str], **config: str) -> None:
    """Topics with the partitions of this bench."""
    admin = KafkaBroker(address).admin()
    admin.create(
        [
            TopicSpec(name=name, partitions=PARTITIONS, replication=1, config={**KEPT, **config})
            for name in names
        ]
    )
    admin.close()


def places(*names: str) -> list[TopicPartition]:
    """Every partition of some topics."""
    return [TopicPartition(name, number) for name in names for number in range(PARTITIONS)]


def prepare(address: str, prefix: str, source: str) -> None:
    """What a worker of the canonical work needs: its topics, and offsets to begin at."""
    own: WorkerTopics = topics(prefix, source)
    create(address, (own.control, own.journal, own.state, own.quarantine, *own.derived))
    admin = KafkaBroker(address).admin()
    first = dict.fromkeys((*places(source), *places(own.control)), 0)
    patiently(lambda: admin.commit(prefix + "worker", first))
    admin.close()


def fill(address: str, name: str, records: Sequence[tuple[str, bytes]], repeats: int = 1) -> None:
    """Append `records` in their order, `repeats` times."""
    producer = plain_producer(address, linger_ms=20)
    for _ in range(repeats):
        for key, value in records:
            while True:
                try:
                    producer.produce(name, value, key)
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.flush()


def plain_producer(address: str, *, linger_ms: int = 5) -> Any:
    """A producer without a transaction, partitioned as ours are."""
    return ck.Producer(
        {
            "bootstrap.servers": address,
            "compression.type": "lz4",
            "linger.ms": linger_ms,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
        }
    )


def plain_consumer(address: str, **config: Any) -> Any:
    """A consumer of committed records that is in no group."""
    return ck.Consumer(
        {
            "bootstrap.servers": address,
            "group.id": fresh("bench"),
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            **FETCH,
            **config,
        }
    )


def read_all(consumer: Any, name: str, take: Any) -> int:
    """Give batches of messages of a topic to `take` until every partition has ended."""
    wanted = [ck.TopicPartition(name, number, 0) for number in range(PARTITIONS)]
    consumer.assign(wanted)
    done: set[int] = set()
    count = 0
    while len(done) < len(wanted):
        messages = consumer.consume(10_000, 0.2)
        good = [message for message in messages if message.error() is None]
        done.update(message.partition() for message in messages if message.error() is not None)
        count += len(good)
        take(good)
    consumer.close()
    return count


def digest(records: Iterable[tuple[bytes, bytes]]) -> tuple[int, str]:
    """How many, and a hash that does not depend on their order."""
    total = count = 0
    for key, value in records:
        one = hashlib.blake2b(key + b"\0" + value, digest_size=8).digest()
        total += int.from_bytes(one, "big")
        count += 1
    return count, f"{total % 2**64:016x}"


def digest_of(address: str, name: str) -> tuple[int, str]:
    """`digest` of every committed record of a topic."""
    found: list[tuple[bytes, bytes]] = []
    read_all(
        plain_consumer(address),
        name,
        lambda messages: found.extend((m.key(), m.value()) for m in messages),
    )
    return digest(found)


def bare_read(address: str, topic: str) -> None:
    """Role: read a topic to its end and count; the floor of every restore."""
    size = 0

    def take(messages: list[Any]) -> None:
        nonlocal size
        size += sum(len(message.value()) for message in messages)

    clock = Clock()
    clock.start()
    count = read_all(plain_consumer(address), topic, take)
    answer({**clock.read(count), "bytes": size})


def drop(address: str, prefix: str) -> None:
    """Delete the topics of a run, so that the broker's disk and caches stay as they were."""
    admin = ck.admin.AdminClient({"bootstrap.servers": address})
    names = [name for name in admin.list_topics(timeout=10).topics if name.startswith(prefix)]
    if names:
        for future in admin.delete_topics(names).values():
            until(future.done, f"topics of {prefix} are not deleted")
