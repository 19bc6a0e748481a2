"""The engine on a real Apache Kafka: kills, strangers' transactions, fencing, rebalances."""

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from supplytwin.schemas import journal
from supplytwin.schemas.errors import AbortError, FencedError
from supplytwin.schemas.records import CONTROL, JOURNAL
from supplytwin.streams.cut import Cut
from supplytwin.streams.kafka import KafkaBroker, KafkaProducer
from supplytwin.streams.ports import Eof, Producer, TopicPartition
from supplytwin.streams.testing import Driver, Gate, GateState
from supplytwin.streams.worker import Worker, WorkerSettings

pytestmark = pytest.mark.kafka

CHILD = """
import sys
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.process import killer, serve
from supplytwin.streams.testing import Gate, decode_facts, topics_of
from supplytwin.streams.worker import Worker, WorkerSettings

address, prefix, point = sys.argv[1:]
settings = WorkerSettings(
    group=prefix + "worker", transactional_id=prefix + "worker", simulated=True, batch=40
)
worker = Worker(
    KafkaBroker(address), Gate(prefix), decode_facts, topics_of(prefix=prefix),
    settings=settings, at=killer(point),
)
sys.exit(serve(worker.run, beat=lambda: worker.beat))
"""


@pytest.fixture
def broker(kafka_address: str) -> KafkaBroker:
    """Clients of the session's Kafka, with a session timeout that a test can wait for."""
    return KafkaBroker(kafka_address, session_timeout_ms=6_000)


Make = Callable[..., Driver[GateState]]


@pytest.fixture
def make(broker: KafkaBroker) -> Iterator[Make]:
    """Builds drivers on topics and groups of their own; closes their workers."""
    made: list[Driver[GateState]] = []

    def build(**options: Any) -> Driver[GateState]:
        prefix = f"e{uuid.uuid4().hex[:8]}."
        settings = WorkerSettings(
            group=prefix + "worker", transactional_id=prefix + "worker", simulated=True
        )
        driver = Driver(
            Gate(prefix),
            broker=broker,
            prefix=prefix,
            settings=settings,
            clock=time.monotonic,
            idle=12,
            **options,
        )
        made.append(driver)
        return driver

    yield build
    for driver in made:
        driver.worker.close()


class Children:
    """Workers in processes of their own."""

    def __init__(self, driver: Driver[GateState]) -> None:
        self.driver = driver
        self.all: list[subprocess.Popen[bytes]] = []

    def start(self, point: str = "") -> subprocess.Popen[bytes]:
        prefix = self.driver.topics.control.removesuffix(CONTROL)
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, self.driver.broker.address, prefix, point]
        )
        self.all.append(child)
        return child

    def quiet(self, patience_s: float = 60.0) -> None:
        """Wait until the group has committed up to every end, twice."""
        admin = self.driver.broker.admin()
        places = self.driver.inputs()
        deadline = time.monotonic() + patience_s
        seen = 0
        while seen < 2:
            assert time.monotonic() < deadline, self.driver.committed()
            ends = admin.ends(places, "read_uncommitted")
            seen = seen + 1 if self.driver.committed() == ends else 0
            time.sleep(0.05)

    def stop(self) -> None:
        for child in self.all:
            if child.poll() is None:
                child.kill()
            child.wait()


@pytest.fixture
def driver(make: Make) -> Driver[GateState]:
    return make()


@pytest.fixture
def children(make: Make) -> Iterator[Children]:
    found = Children(make(partitions=2))
    yield found
    found.stop()


def stranger(driver: Driver[GateState], name: str = "stranger") -> Producer:
    producer = driver.broker.producer(f"{driver.topics.control}.{name}")
    producer.init(10.0)
    producer.begin()
    return producer


def appended(driver: Driver[GateState], where: TopicPartition, at_least: int) -> None:
    """Wait until the log has grown to `at_least` (it is sent in the background)."""
    admin = driver.broker.admin()
    deadline = time.monotonic() + 10.0
    while admin.ends([where], "read_uncommitted")[where] < at_least:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def uncommitted(driver: Driver[GateState], topic: str) -> int:
    """How many records were ever written to `topic`, aborted ones included."""
    name = driver.topics.journal if topic == JOURNAL else topic
    places = [TopicPartition(name, n) for n in range(driver.partitions)]
    consumer = driver.broker.consumer(None, isolation="read_uncommitted", from_start=True)
    consumer.assign(dict.fromkeys(places, 0))
    count, ended = 0, set()
    while len(ended) < len(places):
        for event in consumer.consume(1000, 0.2):
            if isinstance(event, Eof):
                ended.add(event.partition)
            else:
                count += 1
    consumer.close()
    return count


def released_and_received(driver: Driver[GateState], key: str = "k") -> None:
    driver.fact("papers", key, "p", "released")
    driver.fact("parcels", key, "w", "received")


def assert_once(driver: Driver[GateState], keys: list[str], bad: int) -> None:
    """The ledger: every key paid once, every record taken or quarantined once."""
    assert sorted(driver.values("payments")) == sorted((key, b"pay") for key in keys)
    entries = [journal.read(record.value or b"") for record in driver.read(JOURNAL)]
    sources = [
        (e.source_topic, e.source_partition, e.source_offset) for e in entries if e.source_topic
    ]
    assert len(sources) == len(set(sources))
    for key in keys:
        assert [e.seq for e in entries if e.chain_id == key] == [1, 2, 3]
    assert len(driver.quarantine()) == bad


# ---- the plain road, and kills


def test_facts_ticks_and_payments(driver: Driver[GateState]) -> None:
    """The same as in memory: facts, a tick, one payment, bad records aside, all offsets."""
    released_and_received(driver)
    driver.fact("papers", "k", "b", "boom")
    driver.tick(60)
    driver.settle()
    assert_once(driver, ["k"], bad=1)
    assert driver.committed() == driver.broker.admin().ends(driver.inputs(), "read_uncommitted")


@pytest.mark.parametrize(
    "point",
    [
        "after_produce",
        "between_send_offsets_and_commit",
        "between_commit_and_merge",
        "cut_complete",
    ],
)
def test_killed_with_work_in_flight_everything_is_there_once(
    children: Children, point: str
) -> None:
    """kill -9 in the second transaction or cut; the successor finishes and the ledger is right."""
    driver = children.driver
    keys = [f"order-{n}" for n in range(60)]
    for key in keys:
        released_and_received(driver, key)
    driver.fact("papers", keys[0], "bad", "boom")
    driver.tick(60)
    killed = children.start(f"{point}:2")
    assert killed.wait(60) == -signal.SIGKILL
    open_now = uncommitted_beyond(driver)
    children.start()
    children.quiet()
    driver.tick(70)
    children.quiet()
    assert_once(driver, keys, bad=1)
    if point in {"after_produce", "between_send_offsets_and_commit"}:
        assert open_now, "the test must kill an open transaction"
        assert uncommitted(driver, JOURNAL) > len(driver.read(JOURNAL)), "it was aborted"
    drained = children.all[-1]
    drained.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert drained.wait(20) == 0
    assert time.monotonic() - began < 10.0


def uncommitted_beyond(driver: Driver[GateState]) -> bool:
    """True when a transaction is open on an output: more is appended than can be read."""
    admin = driver.broker.admin()
    topics = (driver.topics.journal, driver.topics.quarantine, *driver.topics.derived)
    places = [TopicPartition(name, n) for name in topics for n in range(driver.partitions)]
    ends = admin.ends(places, "read_uncommitted")
    return ends != admin.ends(places, "read_committed")


def test_an_abort_reads_again_from_the_committed_offsets(
    driver: Driver[GateState], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commits in a row abort: what was written is invisible, and everything is there once."""
    driver.settle()
    left = [AbortError("not this time"), AbortError("nor this time")]
    commit = KafkaProducer.commit

    def flaky(producer: KafkaProducer) -> None:
        if left and driver.worker.cuts[0].next[TopicPartition(driver.topics.control, 0)] > 0:
            producer.flush()
            raise left.pop()
        commit(producer)

    released_and_received(driver)
    driver.fact("papers", "k", "b", "boom")
    driver.tick(60)
    monkeypatch.setattr(KafkaProducer, "commit", flaky)
    driver.settle()
    assert not left
    assert driver.worker.metrics.value("supplytwin_aborts_total", error="AbortError") == 2
    assert uncommitted(driver, JOURNAL) > len(driver.read(JOURNAL))
    assert_once(driver, ["k"], bad=1)
    state = driver.state("k")
    assert state is not None
    assert state.decided == "pay"


# ---- cuts


def hold_behind_a_receipt(driver: Driver[GateState]) -> list[tuple[str, bytes]]:
    """A stranger's open transaction holds the hold; the receipt came after it and is visible."""
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    other = stranger(driver)
    papers = TopicPartition(driver.topics.inputs[0], 0)
    other.produce(papers.topic, b"k", b'{"id":"h","says":"hold"}', partition=0)
    appended(driver, papers, 2)
    driver.fact("parcels", "k", "w", "received")
    driver.tick(60)
    driver.settle()
    meanwhile = driver.values("payments")
    other.commit()
    driver.settle()
    driver.tick(70)
    driver.settle()
    return [*meanwhile, *driver.values("payments")]


def test_a_hold_that_is_appended_but_not_readable_is_waited_for(driver: Driver[GateState]) -> None:
    """Nothing is paid before the hold is read, and then nothing is paid."""
    assert hold_behind_a_receipt(driver) == []
    state = driver.state("k")
    assert state is not None
    assert state.standing == {"released", "received", "hold"}


class TrustsEof(Cut):
    """Wrong on purpose: everything that was delivered is everything there is."""

    @property
    def complete(self) -> bool:
        return self.asked is not None


class FoldsBeyond(Cut):
    """Wrong on purpose: folds what lies at or beyond the answers."""

    def sort(self, items):  # type: ignore[no-untyped-def]
        return list(items)


def worker_with(kind: type[Cut]) -> type[Worker[GateState]]:
    return type("Variant", (Worker,), {"cut_type": kind})


def test_a_variant_that_trusts_the_end_of_partition_pays_in_the_same_case(make: Make) -> None:
    """The test of the open transaction can fail."""
    assert ("k", b"pay") in hold_behind_a_receipt(make(worker=worker_with(TrustsEof)))


def receipt_after_the_answers(driver: Driver[GateState]) -> list[tuple[str, bytes]]:
    """During a cut that a stranger holds up, hold and receipt come; the hold stays unreadable."""
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    papers, parcels = (TopicPartition(name, 0) for name in driver.topics.inputs)
    slow = stranger(driver, "slow")
    slow.produce(parcels.topic, b"other", b'{"id":"s","says":"note"}', partition=0)
    appended(driver, parcels, 1)
    driver.tick(60)
    driver.settle()
    holder = stranger(driver, "holder")
    holder.produce(papers.topic, b"k", b'{"id":"h","says":"hold"}', partition=0)
    appended(driver, papers, 2)
    driver.fact("parcels", "k", "w", "received")
    slow.commit()
    driver.settle()
    found = driver.values("payments")
    holder.commit()
    driver.settle()
    return found


def test_what_lies_beyond_the_answers_waits(driver: Driver[GateState]) -> None:
    """The receipt was appended after the answers: it must not be decided on at this cut."""
    assert receipt_after_the_answers(driver) == []
    driver.tick(70)
    driver.settle()
    assert driver.values("payments") == []


def test_a_variant_that_folds_what_lies_beyond_pays_in_the_same_case(make: Make) -> None:
    """The test of the answers can fail."""
    assert receipt_after_the_answers(make(worker=worker_with(FoldsBeyond))) == [("k", b"pay")]


def test_an_aborted_tail_completes_the_cut(driver: Driver[GateState]) -> None:
    """Nothing is delivered from an aborted transaction at the end; the end of partition says so."""
    released_and_received(driver)
    driver.settle()
    other = stranger(driver)
    papers = TopicPartition(driver.topics.inputs[0], 0)
    other.produce(papers.topic, b"k", b'{"id":"h","says":"hold"}', partition=0)
    appended(driver, papers, 2)
    driver.tick(60)
    driver.settle()
    assert driver.values("payments") == []
    other.abort()
    driver.settle()
    assert driver.values("payments") == [("k", b"pay")]


# ---- restore, fencing, rebalances


def test_restore_waits_for_a_strangers_transaction_on_the_journal(
    driver: Driver[GateState],
) -> None:
    """The end is of everything appended: the last committed entries may not be readable yet."""
    where = TopicPartition(driver.topics.journal, 0)
    other = stranger(driver)
    other.produce(where.topic, b"zzz", b"never", partition=0)
    appended(driver, where, 1)
    released_and_received(driver)
    driver.tick(60)
    driver.settle()
    driver.worker.close()
    driver.restart()
    driver.turn(60)
    assert driver.worker.stores == {}
    other.abort()
    driver.settle()
    assert driver.worker.stores[0].now == 60
    state = driver.state("k")
    assert state is not None
    assert (state.seq, state.decided) == (3, "pay")


def test_a_fenced_worker_ends(driver: Driver[GateState]) -> None:
    """A second worker of the same slot: the first one ends, and nothing is there twice."""
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    first = driver.worker
    driver.restart()
    driver.settle()
    driver.fact("parcels", "k", "w", "received")
    driver.tick(60)
    deadline = time.monotonic() + 20.0
    with pytest.raises(FencedError):
        while time.monotonic() < deadline:
            first.turn()
    driver.settle()
    assert_once(driver, ["k"], bad=0)


def test_a_process_whose_slot_is_taken_exits_75(children: Children) -> None:
    """A second process of the same slot: the first one leaves by itself, the work goes on once."""
    driver = children.driver
    released_and_received(driver, "a")
    first = children.start()
    children.quiet()
    second = children.start()
    assert first.wait(30) == 75
    released_and_received(driver, "b")
    driver.tick(60)
    children.quiet()
    assert_once(driver, ["a", "b"], bad=0)
    second.send_signal(signal.SIGTERM)
    assert second.wait(20) == 0


def test_a_process_that_sleeps_through_its_transaction_comes_back_harmless(
    children: Children,
) -> None:
    """SIGSTOP, a successor on the same slot, SIGCONT: the zombie writes nothing and exits 75."""
    driver = children.driver
    keys = [f"order-{n}" for n in range(30)]
    zombie = children.start()
    for key in keys[:10]:
        released_and_received(driver, key)
    children.quiet()
    zombie.send_signal(signal.SIGSTOP)
    for key in keys[10:]:
        released_and_received(driver, key)
    driver.tick(60)
    children.start()
    children.quiet()
    zombie.send_signal(signal.SIGCONT)
    assert zombie.wait(30) == 75
    driver.tick(70)
    children.quiet()
    assert_once(driver, keys, bad=0)


def test_partition_numbers_move_and_come_back(make: Make) -> None:
    """A second worker joins while records come, and leaves: every chain is paid once."""
    driver = make(partitions=4)
    keys = [f"order-{n}" for n in range(24)]
    workers = {0: driver.worker}

    def turn_until(done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 40.0
        while not done():
            assert time.monotonic() < deadline, {n: sorted(w.stores) for n, w in workers.items()}
            for worker in workers.values():
                worker.turn(0.02)

    for key in keys:
        driver.fact("papers", key, "p", "released")
    turn_until(lambda: len(driver.worker.stores) == 4)
    workers[1] = driver.start(1)
    for key in keys[:12]:
        driver.fact("parcels", key, "w", "received")
    turn_until(lambda: len(workers[1].stores) == 2 and len(driver.worker.stores) == 2)
    for key in keys[12:]:
        driver.fact("parcels", key, "w", "received")
    driver.tick(60)
    turn_until(lambda: len(driver.values("payments")) == len(keys))
    gone = workers.pop(1)
    gone.close()
    turn_until(lambda: len(driver.worker.stores) == 4)
    driver.tick(70)
    driver.settle()
    assert_once(driver, keys, bad=0)
    assert all(store.now >= 60 for store in driver.worker.stores.values())
