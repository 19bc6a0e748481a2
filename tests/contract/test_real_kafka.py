"""What only a real Kafka can show about its clients: time-outs, static membership, the topics."""

import time
from collections.abc import Callable

import pytest

from supplytwin.schemas.errors import SupplytwinError, TransientError
from supplytwin.schemas.flow import Record
from supplytwin.streams import topics
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.ports import Consumer, Eof, TopicPartition, TopicSpec
from supplytwin.streams.settings import Kafka, Settings, Time

pytestmark = pytest.mark.kafka


def poll(consumers: list[Consumer], enough: Callable[[], bool], patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not enough():
        assert time.monotonic() < deadline
        for consumer in consumers:
            consumer.consume(100, 0.05)


def test_a_static_member_comes_back_without_a_rebalance(
    kafka_address: str, topic_spec: Callable[..., TopicSpec], fresh_prefix: str
) -> None:
    """A restart within the session time-out: same partitions, and the peer hears nothing of it."""
    broker = KafkaBroker(kafka_address, session_timeout_ms=20_000)
    spec = topic_spec(partitions=4)
    admin = broker.admin()
    admin.create([spec])
    admin.commit(fresh_prefix + "g", topics_at(spec))
    held: dict[str, list[set[int]]] = {"a": [], "b": []}
    consumers = {name: join(broker, fresh_prefix + "g", name, spec, held) for name in held}
    try:
        poll(
            list(consumers.values()), lambda: all(len(h[-1:] and h[-1]) == 2 for h in held.values())
        )
        before = {name: list(told) for name, told in held.items()}
        consumers["a"].close()
        held["a"].clear()
        consumers["a"] = join(broker, fresh_prefix + "g", "a", spec, held)
        poll(list(consumers.values()), lambda: bool(held["a"]))
        poll(list(consumers.values()), sleeper(1.0))
        assert held["a"] == [before["a"][-1]]
        assert held["b"] == before["b"]
    finally:
        for consumer in consumers.values():
            consumer.close()
        admin.close()


def topics_at(spec: TopicSpec) -> dict[TopicPartition, int]:
    return {TopicPartition(spec.name, number): 0 for number in range(spec.partitions)}


def join(
    broker: KafkaBroker, group: str, name: str, spec: TopicSpec, held: dict[str, list[set[int]]]
) -> Consumer:
    consumer = broker.consumer(group, instance_id=name)
    consumer.subscribe(
        [spec.name],
        lambda partitions: held[name].append({at.partition for at in partitions}),
        lambda partitions: None,
        lambda partitions: None,
    )
    return consumer


def sleeper(seconds: float) -> Callable[[], bool]:
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def test_nobody_there_is_transient_and_bounded() -> None:
    """Requests to an address without a broker end within their time as TransientError."""
    broker = KafkaBroker("127.0.0.1:1", transaction_timeout_ms=1000)
    started = time.monotonic()
    consumer = broker.consumer("g")
    assert consumer.consume(10, 0.2) == []
    with pytest.raises(TransientError):
        consumer.committed([TopicPartition("t", 0)], 0.5)
    consumer.close()
    producer = broker.producer("t")
    with pytest.raises(TransientError):
        producer.init(0.5)
    producer.close()
    plain = broker.producer(None)
    plain.produce("t", b"k", b"v")
    plain.close()
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("simulated", [False, True])
def test_the_declared_topics_can_be_had(
    kafka_address: str, fresh_prefix: str, simulated: bool
) -> None:
    """Apache Kafka accepts every setting that the declaration asks for, and reports it so."""
    broker = KafkaBroker(kafka_address)
    settings = Settings(kafka=Kafka(partitions=1), time=Time(simulated=simulated))
    admin = broker.admin()
    specs = [
        TopicSpec(
            name=fresh_prefix + spec.name,
            partitions=spec.partitions,
            replication=spec.replication,
            config=spec.config,
        )
        for spec in topics.specs(settings)
    ]
    try:
        admin.create(specs)
        found = admin.topics()
        for spec in specs:
            assert found[spec.name].config.items() >= spec.config.items()
            assert (found[spec.name].partitions, found[spec.name].replication) == (1, 1)
    finally:
        admin.close()


def test_a_transaction_that_stays_open_too_long_is_over(
    kafka_address: str, topic_spec: Callable[..., TopicSpec], fresh_prefix: str
) -> None:
    """After the transaction time-out nothing of it is readable, and its producer cannot go on."""
    broker = KafkaBroker(kafka_address, transaction_timeout_ms=1000)
    spec = topic_spec()
    at = TopicPartition(spec.name, 0)
    admin = broker.admin()
    admin.create([spec])
    producer = broker.producer(fresh_prefix + "t")
    producer.init(20.0)
    producer.begin()
    producer.produce(spec.name, b"k", b"late")
    producer.flush()
    deadline = time.monotonic() + 30.0  # the broker looks every 10 s
    while admin.ends([at], "read_committed")[at] < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    with pytest.raises(SupplytwinError):
        producer.produce(spec.name, b"k", b"later")
        producer.commit()
    consumer = broker.consumer(None)
    consumer.assign({at: 0})
    found: list[Record | Eof] = []
    while not found:
        found = consumer.consume(10, 1.0)
    assert found == [Eof(spec.name, 0, 2)]
    consumer.close()
    admin.close()
