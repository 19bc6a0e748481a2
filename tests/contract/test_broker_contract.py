"""What every Broker does, whoever implements it: run against the one in memory and a real Kafka.

What only the real one can show (other processes, rebalances by time) is in tests/integration.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import pytest

from supplytwin.schemas.errors import (
    AbortError,
    FatalError,
    FencedError,
    SupplytwinError,
    TransientError,
)
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import partition_of
from supplytwin.streams.framed import FramedBroker
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.kafka_group import GroupProtocol
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import (
    Broker,
    Consumer,
    Eof,
    Isolation,
    Producer,
    TopicPartition,
    TopicSpec,
)
from supplytwin.streams.registry import Registry
from supplytwin.streams.settings import SchemaRegistry

Item = Record | Eof
PATIENCE_S = 15.0
PROTOCOLS: tuple[GroupProtocol, ...] = ("classic", "consumer")
QUIET_S = 0.4
"""Longer than a fetch that finds nothing, with room for a busy machine."""


class Bench:
    """A broker, and everything that a test opens on it, closed at the end."""

    def __init__(self, broker: Broker, prefix: str) -> None:
        self.broker, self.prefix = broker, prefix
        self.admin = broker.admin()
        self.real = broker.kind == "kafka"
        self._opened: list[Consumer | Producer] = []

    def topic(self, name: str = "topic", *, partitions: int = 1, **config: str) -> TopicPartition:
        """A new topic; its partition 0."""
        spec = TopicSpec(
            name=self.prefix + name,
            partitions=partitions,
            replication=1,
            config={key.replace("__", "."): value for key, value in config.items()},
        )
        self.admin.create([spec])
        return TopicPartition(spec.name, 0)

    def consumer(self, group: str | None = None, **options: object) -> Consumer:
        name = None if group is None else self.prefix + group
        consumer = self.broker.consumer(name, **options)  # type: ignore[arg-type]
        self._opened.append(consumer)
        return consumer

    def reader(self, at: TopicPartition, isolation: Isolation = "read_committed") -> Consumer:
        consumer = self.consumer(isolation=isolation)
        consumer.assign({at: 0})
        return consumer

    def producer(self, name: str | None = None) -> Producer:
        producer = self.broker.producer(None if name is None else self.prefix + name)
        if name is not None:
            producer.init(PATIENCE_S)
        self._opened.append(producer)
        return producer

    def close(self) -> None:
        for one in reversed(self._opened):
            with suppress(SupplytwinError):
                one.close()
        self.admin.close()


@pytest.fixture(params=["memory", "framed", pytest.param("kafka", marks=pytest.mark.kafka)])
def bench(request: pytest.FixtureRequest, fresh_prefix: str) -> Iterator[Bench]:
    """Each implementation in turn."""
    if request.param == "memory":
        broker: Broker = MemoryBroker()
    elif request.param == "framed":  # what is no record of ours goes through as it is
        registry = Registry(SchemaRegistry(url="http://127.0.0.1:1"), patience_s=0.0)
        broker = FramedBroker(MemoryBroker(), registry, as_it_came="nobody")
    else:
        broker = KafkaBroker(request.getfixturevalue("kafka_address"), session_timeout_ms=6_000)
    bench = Bench(broker, fresh_prefix)
    yield bench
    bench.close()


@pytest.fixture(params=["memory", *(pytest.param(p, marks=pytest.mark.kafka) for p in PROTOCOLS)])
def group(request: pytest.FixtureRequest, fresh_prefix: str) -> Iterator[Bench]:
    """Each implementation of groups in turn: the real one has two."""
    broker: Broker = MemoryBroker()
    if request.param != "memory":
        address = request.getfixturevalue("kafka_address")
        broker = KafkaBroker(address, session_timeout_ms=6_000, group_protocol=request.param)
    bench = Bench(broker, fresh_prefix)
    yield bench
    bench.close()


def until(consumer: Consumer, enough: Callable[[list[Item]], bool]) -> list[Item]:
    """Everything consumed until there is enough."""
    found: list[Item] = []
    deadline = time.monotonic() + PATIENCE_S
    while not enough(found):
        assert time.monotonic() < deadline, f"only {found}"
        found += consumer.consume(1000, 0.05)
    return found


def read(consumer: Consumer, number: int) -> list[Record]:
    """The next `number` records."""
    found = until(consumer, lambda items: len(records(items)) >= number)
    return records(found)


def records(items: Sequence[Item]) -> list[Record]:
    return [item for item in items if isinstance(item, Record)]


def quiet(consumer: Consumer) -> list[Item]:
    """Whatever still comes within a while."""
    found: list[Item] = []
    deadline = time.monotonic() + QUIET_S
    while time.monotonic() < deadline:
        found += consumer.consume(1000, 0.05)
    return found


def values(items: Sequence[Item]) -> list[bytes | None]:
    return [record.value for record in records(items)]


def write(producer: Producer, at: TopicPartition, *contents: bytes) -> None:
    """One record for each, acknowledged."""
    for content in contents:
        producer.produce(at.topic, b"k", content, partition=at.partition)
    producer.flush()


# ---- records


def test_records_come_in_order_with_all_that_they_carry(bench: Bench) -> None:
    """Key, value, headers, time in ms, offset: as produced, in the order in which they were."""
    at = bench.topic()
    producer = bench.producer()
    headers = (("a", b"1"), ("a", b"2"), ("none", None))
    producer.produce(at.topic, b"k0", b"v0", headers=headers, timestamp_us=1_700_000_000_123_456)
    producer.produce(at.topic, None, b"", timestamp_us=1_700_000_000_000_000)
    producer.produce(at.topic, b"k2", None, timestamp_us=1_100_000_000_000_000)
    producer.flush()
    first, second, third = read(bench.reader(at), 3)
    assert first == Record(
        topic=at.topic,
        partition=0,
        offset=0,
        arrival=1_700_000_000_123_000,
        key=b"k0",
        value=b"v0",
        headers=headers,
    )
    assert (second.key, second.value, second.offset, second.headers) == (None, b"", 1, ())
    assert (third.key, third.value, third.arrival) == (b"k2", None, 1_100_000_000_000_000)


def test_many_records_keep_their_order(bench: Bench) -> None:
    """5,000 records of one partition come complete and in order, at most `count` at a time."""
    at = bench.topic()
    sent = [str(number).encode() for number in range(5000)]
    write(bench.producer(), at, *sent)
    reader = bench.reader(at)
    found: list[Item] = []
    while len(records(found)) < 5000:
        items = reader.consume(700, 1.0)
        assert 0 < len(items) <= 700
        found += items
    assert values(found) == sent
    assert [record.offset for record in records(found)] == list(range(5000))


@pytest.mark.parametrize("partitions", [1, 7, 12])
def test_keys_are_placed_by_murmur2(bench: Bench, partitions: int) -> None:
    """A record without explicit partition lies where the placement check expects its key."""
    at = bench.topic(partitions=partitions)
    chance = random.Random(partitions)
    keys = {chance.randbytes(chance.randrange(1, 40)) for _ in range(300)}
    producer = bench.producer()
    for key in keys:
        producer.produce(at.topic, key, b"")
    producer.flush()
    consumer = bench.consumer()
    consumer.assign({TopicPartition(at.topic, n): 0 for n in range(partitions)})
    found = read(consumer, len(keys))
    assert {record.key for record in found} == keys
    for record in found:
        assert record.partition == partition_of(record.key or b"", partitions)


def test_append_time_is_the_brokers(bench: Bench) -> None:
    """With LogAppendTime the time that the producer wrote does not matter."""
    at = bench.topic(message__timestamp__type="LogAppendTime")
    producer = bench.producer()
    before = time.time()
    producer.produce(at.topic, b"k", b"v", timestamp_us=1_000_000)
    producer.flush()
    (record,) = read(bench.reader(at), 1)
    assert before - 1 <= record.arrival / 1e6 <= time.time() + 1


def test_a_record_above_the_topics_limit_is_not_delivered(bench: Bench) -> None:
    """Outside a transaction flush raises FatalError; inside, commit raises AbortError."""
    at = bench.topic(max__message__bytes="20000")
    large = random.Random(1).randbytes(20_001)
    plain = bench.producer()
    plain.produce(at.topic, b"k", large)
    with pytest.raises(FatalError):
        plain.flush()
    write(plain, at, b"small")
    producer = bench.producer("t")
    producer.begin()
    producer.produce(at.topic, b"k", large)
    with pytest.raises(AbortError):
        producer.commit()
    producer.abort()
    for attempt in range(3):  # librdkafka may need a second abort, to get a new epoch
        producer.begin()
        producer.produce(at.topic, b"k", b"after")
        try:
            producer.commit()
            break
        except AbortError:
            assert attempt < 2
            producer.abort()
    assert values(read(bench.reader(at), 2)) == [b"small", b"after"]


def test_a_record_of_exactly_the_limit_is_delivered(bench: Bench) -> None:
    """The limit counts the record with its batch header, and is inclusive."""
    at = bench.topic(max__message__bytes="20000")
    fits = random.Random(1).randbytes(20_000 - 61 - 3 - 2 - 3 - 3)
    producer = bench.producer()
    producer.produce(at.topic, b"k", fits[:-1])
    producer.flush()
    assert read(bench.reader(at), 1)[0].value == fits[:-1]


def test_a_time_too_far_ahead_is_refused(bench: Bench) -> None:
    """CreateTime two hours ahead: a failed delivery, unless the topic allows it."""
    later = int((time.time() + 7200) * 1_000_000)
    strict = bench.topic("strict")
    producer = bench.producer()
    producer.produce(strict.topic, b"k", b"v", timestamp_us=later)
    with pytest.raises(FatalError):
        producer.flush()
    free = bench.topic("free", message__timestamp__after__max__ms=str(2**63 - 1))
    producer.produce(free.topic, b"k", b"v", timestamp_us=later)
    producer.flush()
    assert read(bench.reader(free), 1)[0].arrival == later // 1000 * 1000


# ---- transactions


def test_committed_records_are_seen_by_both_isolations(bench: Bench) -> None:
    """A commit makes all records of a transaction readable on every partition."""
    at = bench.topic(partitions=2)
    other = TopicPartition(at.topic, 1)
    producer = bench.producer("t")
    producer.begin()
    producer.produce(at.topic, b"k", b"a", partition=0)
    producer.produce(at.topic, b"k", b"b", partition=1)
    producer.commit()
    for isolation in ("read_committed", "read_uncommitted"):
        assert values(read(bench.reader(at, isolation), 1)) == [b"a"]
        assert values(read(bench.reader(other, isolation), 1)) == [b"b"]


def test_aborted_records_are_seen_by_read_uncommitted_only(bench: Bench) -> None:
    """An abort leaves records in the log that read_committed never delivers."""
    at = bench.topic()
    producer = bench.producer("t")
    producer.begin()
    producer.produce(at.topic, b"k", b"gone")
    producer.flush()
    producer.abort()
    producer.begin()
    producer.produce(at.topic, b"k", b"kept")
    producer.commit()
    kept = read(bench.reader(at), 1)
    assert [(record.value, record.offset) for record in kept] == [(b"kept", 2)]
    assert values(read(bench.reader(at, "read_uncommitted"), 2)) == [b"gone", b"kept"]


def test_an_open_transaction_holds_up_everything_behind_it(bench: Bench) -> None:
    """Other producers' records behind it wait for read_committed readers, not for the others."""
    at = bench.topic()
    reader = bench.reader(at)
    write(bench.producer(), at, b"before")
    stranger = bench.producer("stranger")
    stranger.begin()
    stranger.produce(at.topic, b"k", b"open")
    stranger.flush()
    write(bench.producer(), at, b"behind")
    assert values(read(bench.reader(at, "read_uncommitted"), 3)) == [b"before", b"open", b"behind"]
    assert values(read(reader, 1)) == [b"before"]
    assert records(quiet(reader)) == []
    stranger.commit()
    assert values(read(reader, 2)) == [b"open", b"behind"]


def test_offsets_travel_with_the_transaction(bench: Bench) -> None:
    """Committed with a commit, not with an abort."""
    at = bench.topic()
    consumer = bench.consumer("g")
    producer = bench.producer("t")
    producer.begin()
    producer.produce(at.topic, b"k", b"v")
    producer.send_offsets({at: 7}, consumer)
    producer.abort()
    assert consumer.committed([at], PATIENCE_S) == {at: None}
    producer.begin()
    producer.send_offsets({at: 8}, consumer)
    producer.commit()
    assert consumer.committed([at], PATIENCE_S) == {at: 8}
    assert bench.admin.committed(bench.prefix + "g", [at]) == {at: 8}


def test_committed_offsets_wait_for_a_pending_transaction(bench: Bench) -> None:
    """A consumer gets no committed offset while a transaction holds one; an admin gets the last."""
    at = bench.topic()
    consumer = bench.consumer("g")
    consumer.commit({at: 3})
    producer = bench.producer("t")
    producer.begin()
    producer.produce(at.topic, b"k", b"v")
    producer.send_offsets({at: 9}, consumer)
    with pytest.raises(TransientError):
        consumer.committed([at], 1.0)
    assert bench.admin.committed(bench.prefix + "g", [at]) == {at: 3}
    producer.commit()
    assert consumer.committed([at], PATIENCE_S) == {at: 9}


def test_init_with_the_same_id_aborts_and_fences_the_former(bench: Bench) -> None:
    """What the former had open is aborted; whatever it does next is fatal."""
    at = bench.topic()
    former = bench.producer("t")
    former.begin()
    former.produce(at.topic, b"k", b"former")
    former.flush()
    newer = bench.producer("t")
    with pytest.raises(FencedError):
        former.produce(at.topic, b"k", b"zombie")
        former.commit()
    newer.begin()
    newer.produce(at.topic, b"k", b"newer")
    newer.commit()
    reader = bench.reader(at)
    assert values(read(reader, 1)) == [b"newer"]
    assert records(quiet(reader)) == []


def test_a_producer_closed_with_an_open_transaction_aborts_it(bench: Bench) -> None:
    """Nothing stays open behind a closed producer."""
    at = bench.topic()
    producer = bench.producer("t")
    producer.begin()
    producer.produce(at.topic, b"k", b"v")
    producer.flush()
    producer.close()
    write(bench.producer(), at, b"after")
    assert values(read(bench.reader(at), 1)) == [b"after"]


# ---- ends


def test_ends_of_the_log_count_an_open_transaction(bench: Bench) -> None:
    """read_uncommitted = everything appended; read_committed = the last stable offset."""
    at = bench.topic()
    write(bench.producer(), at, b"a", b"b")
    reader = bench.reader(at)
    assert bench.admin.ends([at], "read_uncommitted") == {at: 2}
    producer = bench.producer("t")
    producer.begin()
    producer.produce(at.topic, b"k", b"open")
    producer.flush()
    assert bench.admin.ends([at], "read_uncommitted") == {at: 3}
    assert bench.admin.ends([at], "read_committed") == {at: 2}
    assert reader.ends(at) == (0, 2)
    producer.commit()
    deadline = time.monotonic() + PATIENCE_S
    while bench.admin.ends([at], "read_committed") != {at: 4}:  # markers follow the commit
        assert time.monotonic() < deadline
    assert bench.admin.ends([at], "read_uncommitted") == {at: 4}
    assert reader.ends(at) == (0, 4)
    assert bench.admin.begins([at]) == {at: 0}
    assert bench.admin.ends([], "read_committed") == {} == bench.admin.begins([])


def eofs(items: Sequence[Item]) -> list[int]:
    return [item.offset for item in items if isinstance(item, Eof)]


def test_the_end_is_told_once_for_each_end(bench: Bench) -> None:
    """After data, after commit and abort markers, after a seek: the offset behind all of it."""
    at = bench.topic()
    reader = bench.reader(at)

    def ended(items: list[Item]) -> bool:
        return bool(eofs(items))

    assert eofs(until(reader, ended)) == [0]
    assert quiet(reader) == []
    write(bench.producer(), at, b"a")
    found = until(reader, ended)
    assert values(found) == [b"a"]
    assert eofs(found) == [1]
    assert quiet(reader) == []
    producer = bench.producer("t")
    producer.begin()
    producer.produce(at.topic, b"k", b"b")
    producer.commit()
    found = until(reader, lambda items: eofs(items)[-1:] == [3])
    assert values(found) == [b"b"]
    producer.begin()
    producer.produce(at.topic, b"k", b"c")
    producer.flush()
    assert quiet(reader) == []
    producer.abort()
    found = until(reader, lambda items: eofs(items)[-1:] == [5])
    assert records(found) == []
    assert quiet(reader) == []
    reader.seek({at: 5})
    assert eofs(until(reader, ended)) == [5]


def test_an_end_is_told_where_an_open_transaction_begins(bench: Bench) -> None:
    """An end says that nothing more can be read, not that nothing more was appended."""
    at = bench.topic()
    write(bench.producer(), at, b"a")
    producer = bench.producer("t")
    producer.begin()
    producer.produce(at.topic, b"k", b"open")
    producer.flush()
    reader = bench.reader(at)
    found = until(reader, lambda items: bool(eofs(items)))
    assert (values(found), eofs(found)) == ([b"a"], [1])
    assert quiet(reader) == []
    uncommitted = bench.reader(at, "read_uncommitted")
    found = until(uncommitted, lambda items: bool(eofs(items)))
    assert (values(found), eofs(found)) == ([b"a", b"open"], [2])
    producer.commit()
    found = until(reader, lambda items: eofs(items)[-1:] == [3])
    assert values(found) == [b"open"]


def test_reading_goes_on_from_an_explicit_offset(bench: Bench) -> None:
    """assign and seek set the next offset; an assignment replaces the one before."""
    at = bench.topic(partitions=2)
    other = TopicPartition(at.topic, 1)
    producer = bench.producer()
    write(producer, at, b"0", b"1", b"2", b"3")
    write(producer, other, b"x")
    consumer = bench.consumer()
    consumer.assign({at: 2})
    assert values(read(consumer, 2)) == [b"2", b"3"]
    consumer.seek({at: 1})
    assert values(read(consumer, 3)) == [b"1", b"2", b"3"]
    consumer.assign({other: 0})
    assert values(read(consumer, 1)) == [b"x"]
    consumer.assign({at: 0})
    consumer.seek({at: 3})
    assert values(read(consumer, 1)) == [b"3"]
    consumer.unassign()
    write(producer, at, b"4")
    assert quiet(consumer) == []


def test_a_missing_offset_is_an_error(bench: Bench) -> None:
    """An offset that the log does not have stops the reader, unless it may start from the begin."""
    at = bench.topic()
    write(bench.producer(), at, b"a")
    consumer = bench.consumer()
    consumer.assign({at: 99})
    with pytest.raises(FatalError):
        until(consumer, lambda items: False)
    willing = bench.consumer(from_start=True)
    willing.assign({at: 99})
    assert values(read(willing, 1)) == [b"a"]


# ---- topics


def test_topics_tell_what_they_are(bench: Bench) -> None:
    """Partition count, replication and the effective configuration, defaults included."""
    at = bench.topic(partitions=3, cleanup__policy="compact", max__message__bytes="12345")
    spec = bench.admin.topics()[at.topic]
    assert (spec.partitions, spec.replication) == (3, 1)
    assert spec.config["cleanup.policy"] == "compact"
    assert spec.config["max.message.bytes"] == "12345"
    assert spec.config["message.timestamp.type"] == "CreateTime"
    assert spec.config["min.insync.replicas"] == "1"
    assert spec.config["message.timestamp.after.max.ms"] == "3600000"
    with pytest.raises(FatalError):
        bench.admin.create([spec])


def test_order_of_use_is_checked(bench: Bench) -> None:
    """A transactional producer outside a transaction, and two transactions at once, are fatal."""
    at = bench.topic()
    producer = bench.producer("t")
    with pytest.raises(FatalError):
        producer.produce(at.topic, b"k", b"v")
    with pytest.raises(FatalError):
        producer.commit()
    producer.begin()
    with pytest.raises(FatalError):
        producer.begin()


# ---- groups


class Calls:
    """Records the callbacks of a consumer; assigns what it is given from the start."""

    def __init__(self, consumer: Consumer, topics: Sequence[str]) -> None:
        self.consumer = consumer
        self.log: list[tuple[str, int]] = []
        self.held: tuple[TopicPartition, ...] = ()
        consumer.subscribe(topics, self.assign, self.revoke, self.lost)

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        self.log.append(("assign", len(partitions)))
        self.held = tuple(partitions)
        self.consumer.assign(dict.fromkeys(partitions, 0))

    def revoke(self, partitions: Sequence[TopicPartition]) -> None:
        self.log.append(("revoke", len(partitions)))
        self.held = ()
        self.consumer.unassign()

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        self.log.append(("lost", len(partitions)))
        self.held = ()
        self.consumer.unassign()


def settle(members: Sequence[Calls], enough: Callable[[], bool]) -> list[Item]:
    """Poll all members in turn until the group looks as wanted."""
    found: list[Item] = []
    deadline = time.monotonic() + PATIENCE_S
    while not enough():
        assert time.monotonic() < deadline, [member.log for member in members]
        for member in members:
            found += member.consumer.consume(100, 0.05)
    return found


def test_a_group_shares_its_partitions_by_range(group: Bench) -> None:
    """One member has all; a second takes the same numbers of every topic; a leaver gives back."""
    topics = [group.topic(name, partitions=4).topic for name in ("a", "b")]
    first = Calls(group.consumer("g"), topics)
    settle([first], lambda: len(first.held) == 8)
    second = Calls(group.consumer("g"), topics)
    settle([first, second], lambda: len(first.held) == 4 == len(second.held))
    assert ("revoke", 8) in first.log
    for member in (first, second):
        numbers = [{at.partition for at in member.held if at.topic == topic} for topic in topics]
        assert numbers[0] == numbers[1]
        assert numbers[0] in ({0, 1}, {2, 3})
    assert not set(first.held) & set(second.held)
    second.consumer.close()
    settle([first], lambda: len(first.held) == 8)


def test_an_instance_that_was_replaced_cannot_commit(bench: Bench) -> None:
    """A second consumer of one instance id: the first's offsets abort, and reading is fatal."""
    at = bench.topic()
    first = Calls(bench.consumer("g", instance_id="i"), [at.topic])
    settle([first], lambda: len(first.held) == 1)
    producer = bench.producer("t")
    producer.begin()
    producer.send_offsets({at: 1}, first.consumer)
    producer.commit()
    second = Calls(bench.consumer("g", instance_id="i"), [at.topic])
    settle([second], lambda: len(second.held) == 1)
    producer.begin()
    with pytest.raises(AbortError):
        producer.send_offsets({at: 2}, first.consumer)
    producer.abort()
    with pytest.raises(FencedError):
        until(first.consumer, lambda items: False)
    assert second.consumer.committed([at], PATIENCE_S) == {at: 1}
    producer.begin()
    producer.send_offsets({at: 3}, second.consumer)
    producer.commit()
    assert second.consumer.committed([at], PATIENCE_S) == {at: 3}


def test_what_a_callback_does_not_assign_is_read_from_the_committed_offset(group: Bench) -> None:
    """Callbacks that only listen: reading starts where the group stands."""
    at = group.topic()
    write(group.producer(), at, b"0", b"1", b"2")
    group.admin.commit(group.prefix + "g", {at: 2})
    consumer = group.consumer("g")
    told: list[str] = []
    consumer.subscribe(
        [at.topic],
        lambda partitions: told.append(f"assign {len(partitions)}"),
        lambda partitions: told.append(f"revoke {len(partitions)}"),
        lambda partitions: told.append("lost"),
    )
    assert values(read(consumer, 1)) == [b"2"]
    consumer.close()
    assert told == ["assign 1", "revoke 1"]


def test_a_callbacks_error_comes_out_of_consume(group: Bench) -> None:
    """What a rebalance callback raises is not swallowed."""
    at = group.topic()
    consumer = group.consumer("g")

    def refuse(partitions: Sequence[TopicPartition]) -> None:
        raise FatalError("not like this")

    consumer.subscribe([at.topic], refuse, lambda _: None, lambda _: None)
    with pytest.raises(FatalError, match="not like this"):
        until(consumer, lambda items: False)


def test_offsets_of_a_group_without_members_can_be_set(bench: Bench) -> None:
    """That is how the first offsets come to be; with a live member it is refused."""
    at = bench.topic()
    group = bench.prefix + "g"
    assert bench.admin.committed(group, [at]) == {at: None}
    bench.admin.commit(group, {at: 0})
    assert bench.admin.committed(group, [at]) == {at: 0}
    member = Calls(bench.consumer("g"), [at.topic])
    settle([member], lambda: len(member.held) == 1)
    with pytest.raises(FatalError):
        bench.admin.commit(group, {at: 5})
    member.consumer.commit({at: 4})
    assert member.consumer.committed([at], PATIENCE_S) == {at: 4}
