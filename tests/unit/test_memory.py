"""The broker in memory beyond the common contract: compaction, time-outs, groups, threads."""

import threading
from collections.abc import Sequence

import pytest

from supplytwin.schemas.errors import AbortError, FatalError
from supplytwin.schemas.flow import Record
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.memory_log import batch_bytes
from supplytwin.streams.ports import Consumer, Eof, Isolation, TopicPartition, TopicSpec

AT = TopicPartition("t", 0)


@pytest.fixture
def broker() -> MemoryBroker:
    """With the topic `t`, and a clock that stands at 5 s."""
    broker = MemoryBroker(clock=lambda: 5_000_000)
    create(broker, "t")
    return broker


def create(broker: MemoryBroker, name: str, partitions: int = 1, **config: str) -> None:
    dotted = {key.replace("__", "."): value for key, value in config.items()}
    spec = TopicSpec(name=name, partitions=partitions, replication=1, config=dotted)
    broker.admin().create([spec])


def read(
    broker: MemoryBroker, at: TopicPartition, isolation: Isolation = "read_committed"
) -> list[Record | Eof]:
    consumer = broker.consumer(None, isolation=isolation)
    consumer.assign({at: 0})
    return consumer.consume(1000, 0.0)


def pairs(items: Sequence[Record | Eof]) -> list[tuple[int, bytes | None, bytes | None]]:
    return [(item.offset, item.key, item.value) for item in items if isinstance(item, Record)]


def test_compaction_keeps_the_latest_of_each_key(broker: MemoryBroker) -> None:
    """Offsets stay, aborted and superseded records go, tombstones go when asked."""
    create(broker, "s", cleanup__policy="compact")
    at = TopicPartition("s", 0)
    producer = broker.producer("p")
    producer.init(0.0)
    for commit, records in (
        (True, [(b"a", b"1"), (b"b", b"1"), (b"a", b"2")]),
        (False, [(b"b", b"aborted")]),
        (True, [(b"b", None), (b"c", b"1")]),
    ):
        producer.begin()
        for key, value in records:
            producer.produce("s", key, value)
        (producer.commit if commit else producer.abort)()
    producer.begin()
    producer.produce("s", b"c", b"open")
    broker.compact("s")
    kept = [(2, b"a", b"2"), (6, b"b", None), (7, b"c", b"1")]
    assert pairs(read(broker, at)) == kept
    assert pairs(read(broker, at, "read_uncommitted")) == [*kept, (9, b"c", b"open")]
    producer.commit()
    broker.compact("s", drop_tombstones=True)
    items = read(broker, at)
    assert pairs(items) == [(2, b"a", b"2"), (9, b"c", b"open")]
    assert items[-1] == Eof("s", 0, 11)


def test_a_topic_that_is_not_compacted_keeps_everything(broker: MemoryBroker) -> None:
    """compact() honours the cleanup policy."""
    producer = broker.producer(None)
    producer.produce("t", b"k", b"1")
    producer.produce("t", b"k", b"2")
    broker.compact("t")
    assert len(pairs(read(broker, AT))) == 2


def test_a_transaction_that_times_out_is_aborted_and_its_owner_fenced(broker: MemoryBroker) -> None:
    """time_out does what Kafka does by itself after transaction.timeout.ms."""
    producer = broker.producer("p")
    producer.init(0.0)
    producer.begin()
    producer.produce("t", b"k", b"v")
    broker.time_out("p")
    broker.time_out("nobody")
    assert read(broker, AT) == [Eof("t", 0, 2)]
    with pytest.raises(FatalError):
        producer.commit()


def test_the_clock_stamps_what_the_topic_or_the_producer_leaves_open(broker: MemoryBroker) -> None:
    """LogAppendTime always, CreateTime when the producer gives none."""
    create(broker, "l", message__timestamp__type="LogAppendTime")
    producer = broker.producer(None)
    for topic in ("t", "l"):
        producer.produce(topic, b"k", b"v")
        producer.produce(topic, b"k", b"v", timestamp_us=1_234_567)
    times = {
        topic: [i.arrival for i in read(broker, TopicPartition(topic, 0)) if isinstance(i, Record)]
        for topic in ("t", "l")
    }
    assert times == {"t": [5_000_000, 1_234_000], "l": [5_000_000, 5_000_000]}


def test_nothing_is_placed_where_there_is_no_partition(broker: MemoryBroker) -> None:
    """Unknown topics and partitions are fatal, for writing and reading."""
    producer = broker.producer(None)
    with pytest.raises(FatalError):
        producer.produce("u", b"k", b"v")
    with pytest.raises(FatalError):
        producer.produce("t", b"k", b"v", partition=1)
    with pytest.raises(FatalError):
        broker.consumer(None).assign({TopicPartition("t", 1): 0})


def test_no_producer_sends_more_than_its_own_limit(broker: MemoryBroker) -> None:
    """Above 1.25 MiB `produce` itself refuses, whatever the topic takes."""
    create(broker, "large", max__message__bytes="9000000")
    producer = broker.producer(None)
    producer.produce("large", b"k", bytes(1_310_000))
    with pytest.raises(FatalError):
        producer.produce("large", b"k", bytes(1_310_720))


@pytest.mark.parametrize(
    ("key", "value", "headers", "size"),
    [
        (None, None, (), 68),
        (b"k", b"v", (), 70),
        (b"k", bytes(63), (), 61 + 2 + 3 + 2 + 64 + 1),
        (b"k", bytes(64), (("h", b"x"), ("n", None)), 61 + 2 + 3 + 2 + 66 + 1 + 4 + 3),
    ],
)
def test_sizes_are_those_of_a_record_batch(
    key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes | None], ...], size: int
) -> None:
    """61 bytes of batch header, then lengths as zig-zag varints (Kafka's record format 2)."""
    assert batch_bytes(key, value, headers) == size


# ---- groups


class Member:
    """A member of the group `g` that writes down what it is told."""

    def __init__(self, broker: MemoryBroker, *topics: str) -> None:
        self.consumer: Consumer = broker.consumer("g")
        self.told: list[tuple[str, list[int]]] = []
        self.consumer.subscribe(
            topics,
            lambda partitions: self.told.append(("assign", [at.partition for at in partitions])),
            lambda partitions: self.told.append(("revoke", [at.partition for at in partitions])),
            lambda partitions: self.told.append(("lost", [at.partition for at in partitions])),
        )

    def poll(self) -> None:
        self.consumer.consume(10, 0.0)


def test_partitions_are_shared_by_range(broker: MemoryBroker) -> None:
    """Seven partitions over three members: three, two, two, in order."""
    create(broker, "r", partitions=7)
    broker.admin().commit("g", {TopicPartition("r", n): 0 for n in range(7)})
    members = [Member(broker, "r") for _ in range(3)]
    for _ in range(2):
        for member in members:
            member.poll()
    assert [member.told[-1] for member in members] == [
        ("assign", [0, 1, 2]),
        ("assign", [3, 4]),
        ("assign", [5, 6]),
    ]


def test_a_rebalance_waits_until_everybody_has_given_back(broker: MemoryBroker) -> None:
    """A newcomer gets nothing, and the former keeps the right to commit, until it polls."""
    broker.admin().commit("g", {AT: 0})
    first = Member(broker, "t")
    first.poll()
    second = Member(broker, "t")
    second.poll()
    assert second.told == []
    first.consumer.commit({AT: 1})
    first.poll()
    second.poll()
    assert first.told == [("assign", [0]), ("revoke", [0]), ("assign", [0])]
    assert second.told == [("assign", [])]


def test_a_member_that_stays_away_is_put_out(broker: MemoryBroker) -> None:
    """Its partitions go to the others; it cannot commit, and hears that it lost them."""
    broker = MemoryBroker(max_poll_s=0.0)
    create(broker, "t")
    broker.admin().commit("g", {AT: 0})
    first = Member(broker, "t")
    first.poll()
    second = Member(broker, "t")
    second.poll()
    second.poll()
    assert second.told == [("assign", [0])]
    with pytest.raises(AbortError):
        first.consumer.commit({AT: 9})
    first.poll()
    assert first.told[:2] == [("assign", [0]), ("lost", [0])]


def test_only_members_commit_while_there_are_members(broker: MemoryBroker) -> None:
    """A stranger's commit into a live group is refused."""
    broker.admin().commit("g", {AT: 0})
    member = Member(broker, "t")
    member.poll()
    with pytest.raises(AbortError):
        broker.consumer("g").commit({AT: 3})
    member.consumer.close()
    broker.consumer("g").commit({AT: 3})
    assert broker.admin().committed("g", [AT]) == {AT: 3}


# ---- threads


def test_four_writers_and_a_reader_at_once(broker: MemoryBroker) -> None:
    """Nothing is lost, doubled or out of order; a waiting reader is woken."""
    create(broker, "m", partitions=2)
    number = 500

    def write(name: int) -> None:
        producer = broker.producer(f"p{name}")
        producer.init(0.0)
        for start in range(0, number, 50):
            producer.begin()
            for index in range(start, start + 50):
                producer.produce("m", b"%d" % name, b"%d" % index, partition=name % 2)
            producer.commit()

    consumer = broker.consumer(None)
    consumer.assign({TopicPartition("m", 0): 0, TopicPartition("m", 1): 0})
    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    found: dict[bytes | None, list[int]] = {}
    while sum(map(len, found.values())) < 4 * number:
        items = consumer.consume(100, 5.0)
        assert items
        for item in items:
            if isinstance(item, Record):
                found.setdefault(item.key, []).append(int(item.value or b"-1"))
    for thread in threads:
        thread.join()
    assert found == {b"%d" % name: list(range(number)) for name in range(4)}


def test_nothing_comes_after_the_time_that_one_waits(broker: MemoryBroker) -> None:
    """consume returns empty when nothing arrives in time, and at once when something is there."""
    consumer = broker.consumer(None)
    consumer.assign({AT: 0})
    assert consumer.consume(10, 0.0) == [Eof("t", 0, 0)]
    assert consumer.consume(10, 0.01) == []
    timer = threading.Timer(0.02, lambda: broker.producer(None).produce("t", b"k", b"v"))
    timer.start()
    assert pairs(consumer.consume(10, 10.0)) == [(0, b"k", b"v")]
    timer.join()
