"""The worker's loop over a broker in memory: exactly once, cuts, aborts, kills, restore."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, ClassVar

import pytest

from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import AbortError, FatalError, TransientError, UsageError
from supplytwin.schemas.ids import partition_of
from supplytwin.schemas.records import CONTROL, JOURNAL, QUARANTINE, STATE
from supplytwin.streams.checkpoint import POINTS
from supplytwin.streams.cut import Cut
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Admin, Consumer, Isolation, Producer, TopicPartition, TopicSpec
from supplytwin.streams.testing import Driver, Gate, GateState
from supplytwin.streams.worker import Worker, WorkerSettings

PAPERS, PARCELS = TopicPartition("papers", 0), TopicPartition("parcels", 0)
TICKS = TopicPartition(CONTROL, 0)


class Killed(BaseException):
    """The process is gone at this point."""


class Around:
    """A broker whose admin or producer is wrapped by the test."""

    def __init__(
        self,
        inner: MemoryBroker,
        *,
        admin: Callable[[Admin], object] = lambda admin: admin,
        producer: Callable[[Producer], object] = lambda producer: producer,
        consumer: Callable[[Consumer], object] = lambda consumer: consumer,
    ) -> None:
        self._inner, self._admin, self._producer = inner, admin, producer
        self._consumer = consumer

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def admin(self) -> object:
        return self._admin(self._inner.admin())

    def consumer(self, group: str | None, **options: Any) -> object:
        consumer = self._inner.consumer(group, **options)
        return consumer if group is None else self._consumer(consumer)

    def producer(self, transactional_id: str | None) -> object:
        producer = self._inner.producer(transactional_id)
        ours = transactional_id is not None and transactional_id.startswith("supplytwin.worker")
        return self._producer(producer) if ours else producer


class Wrapped:
    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


def driver_of(**options: object) -> Driver[GateState]:
    return Driver(Gate(), **options)  # type: ignore[arg-type]


@pytest.fixture
def driver() -> Driver[GateState]:
    return driver_of()


def stranger(driver: Driver[GateState], name: str = "stranger") -> Producer:
    producer = driver.broker.producer(name)
    producer.init(5.0)
    producer.begin()
    return producer


def payments(driver: Driver[GateState]) -> list[tuple[str, bytes]]:
    return driver.values("payments")


def released_and_received(driver: Driver[GateState], key: str = "k") -> None:
    driver.fact("papers", key, "p", "released")
    driver.fact("parcels", key, "w", "received")


# ---- the plain road


def test_facts_a_tick_and_a_payment(driver: Driver[GateState]) -> None:
    """Two facts and a tick give three entries (and the tick's), one payment, and all offsets."""
    released_and_received(driver)
    driver.tick(60)
    driver.settle()
    assert payments(driver) == [("k", b"pay")]
    entries = [journal.read(r.value or b"") for r in driver.read(JOURNAL)]
    assert [(e.chain_id, e.seq, e.kind, e.taken_at) for e in entries] == [
        ("k", 1, "FACT", 0),
        ("k", 2, "FACT", 0),
        ("@p0", 1, "CONTROL", 60),
        ("k", 3, "DECISION", 60),
    ]
    admin = driver.broker.admin()
    assert driver.committed() == admin.ends(driver.inputs(), "read_uncommitted")


def test_the_view_follows_the_state(driver: Driver[GateState]) -> None:
    """publish() is asked once for each changed chain and batch, in the same transaction."""
    released_and_received(driver)
    driver.settle()
    assert [key for key, _ in driver.values(STATE)] == ["k"]


def test_a_duplicate_is_counted_and_writes_nothing(driver: Driver[GateState]) -> None:
    """The same fact twice: one entry, one count."""
    for _ in range(2):
        driver.fact("papers", "k", "p", "released")
    driver.settle()
    assert len(driver.read(JOURNAL)) == 1
    assert driver.worker.metrics.value("supplytwin_folded_total", what="duplicates") == 1


def test_bad_records_are_quarantined_and_the_others_go_on(driver: Driver[GateState]) -> None:
    """Garbage, a refusal, a defect, a fact that is too large: each once, with its place."""
    driver.send("papers", "k", b"\xffgarbage")
    driver.fact("papers", "k", "a", "refuse")
    driver.fact("papers", "k", "b", "boom")
    driver.fact("papers", "k", "c", "large:1400000")
    driver.fact("papers", "k", "d", "released")
    driver.settle()
    assert [(q.topic, q.partition, q.offset, q.code) for q in driver.quarantine()] == [
        ("papers", 0, 0, "MALFORMED"),
        ("papers", 0, 1, "BAD_VALUE"),
        ("papers", 0, 2, "FOLD_ERROR"),
        ("papers", 0, 3, "TOO_LARGE"),
    ]
    state = driver.state("k")
    assert state is not None
    assert state.said == (("d", "released"),)
    assert driver.committed()[PAPERS] == 5


def test_everything_stays_in_its_partition_number() -> None:
    """Entries, outputs, views and quarantine are written to the partition of their input."""
    driver = driver_of(partitions=3)
    keys = [f"order-{n}" for n in range(12)]
    for key in keys:
        released_and_received(driver, key)
        driver.fact("papers", key, "bad", "boom")
    driver.tick(60)
    driver.settle()
    assert sorted(key for key, _ in payments(driver)) == sorted(keys)
    for topic in (JOURNAL, STATE, QUARANTINE, "payments"):
        for record in driver.read(topic):
            key = (record.key or b"").decode()
            own = int(key[2:]) if key.startswith("@p") else partition_of(key.encode(), 3)
            assert record.partition == own


# ---- offsets


def test_offsets_without_a_transaction_are_committed_every_five_seconds() -> None:
    """In wall-clock time nothing written = no transaction; the offsets follow within 5 s."""
    driver = driver_of(settings=WorkerSettings(poll_s=0.0))
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    before = driver.committed()[PAPERS]
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    assert driver.committed()[PAPERS] == before
    driver.seconds += 5.0
    driver.turn()
    assert (driver.committed()[PAPERS] or 0) > (before or 0)


def test_in_simulated_time_they_are_committed_at_once(driver: Driver[GateState]) -> None:
    """Whenever an own next offset has moved, by a record or by an end of partition."""
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    assert driver.committed()[PAPERS] == 2
    other = stranger(driver)
    other.produce("papers", b"k", b"never", partition=0)
    other.abort()
    driver.settle()
    ends = driver.broker.admin().ends([PAPERS], "read_uncommitted")
    assert driver.committed()[PAPERS] == ends[PAPERS] > 3


def test_control_is_committed_up_to_the_first_unhandled_tick(driver: Driver[GateState]) -> None:
    """A tick whose cut is held up by a stranger's transaction keeps its offset, and returns."""
    released_and_received(driver)
    driver.settle()
    first = driver.committed()[TICKS]
    other = stranger(driver)
    other.produce("papers", b"k", b"{}", partition=0)
    driver.tick(60)
    driver.settle()
    assert driver.committed()[TICKS] == first
    other.abort()
    driver.settle()
    assert (driver.committed()[TICKS] or 0) > (first or 0)
    assert payments(driver) == [("k", b"pay")]


def test_a_stale_tick_is_committed_and_counted(driver: Driver[GateState]) -> None:
    """A tick not later than the last one handled has no effect."""
    driver.tick(60)
    driver.settle()
    released_and_received(driver)
    driver.tick(60)
    driver.tick(59)
    driver.settle()
    assert payments(driver) == []
    assert driver.worker.metrics.value("supplytwin_folded_total", what="stale_ticks") == 2
    ends = driver.broker.admin().ends([TICKS], "read_uncommitted")
    assert driver.committed()[TICKS] == ends[TICKS]


# ---- cuts over a broker


def hold_behind_a_receipt(driver: Driver[GateState]) -> bytes:
    """A stranger's open transaction holds the hold; the receipt came after it and is visible."""
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    other = stranger(driver)
    other.produce("papers", b"k", b'{"id":"h","says":"hold"}')
    driver.fact("parcels", "k", "w", "received")
    driver.tick(60)
    driver.settle()
    in_between = b"".join(value for _, value in payments(driver))
    other.commit()
    driver.settle()
    return in_between + b"".join(value for _, value in payments(driver))


def test_a_hold_that_is_appended_but_not_readable_is_waited_for(driver: Driver[GateState]) -> None:
    """Nothing is paid before the hold is read, and then nothing is paid."""
    assert hold_behind_a_receipt(driver) == b""
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


def test_a_variant_that_trusts_the_end_of_partition_pays_in_the_same_case() -> None:
    """The test of the open transaction can fail."""
    assert b"pay" in hold_behind_a_receipt(driver_of(worker=worker_with(TrustsEof)))


def receipt_after_the_answers(driver: Driver[GateState]) -> list[tuple[str, bytes]]:
    """During a cut that a stranger holds up, hold and receipt come; the hold stays unreadable."""
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    slow = stranger(driver, "slow")
    slow.produce("parcels", b"other", b'{"id":"s","says":"note"}', partition=0)
    driver.tick(60)
    driver.turn(5)
    holder = stranger(driver, "holder")
    holder.produce("papers", b"k", b'{"id":"h","says":"hold"}')
    driver.fact("parcels", "k", "w", "received")
    slow.commit()
    driver.settle()
    found = payments(driver)
    holder.commit()
    driver.settle()
    return found


def test_what_lies_beyond_the_answers_waits(driver: Driver[GateState]) -> None:
    """The receipt was appended after the answers: it must not be decided on at this cut."""
    assert receipt_after_the_answers(driver) == []
    driver.tick(70)
    driver.settle()
    assert payments(driver) == []


def test_a_variant_that_folds_what_lies_beyond_pays_in_the_same_case() -> None:
    """The test of the answers can fail."""
    variant = driver_of(worker=worker_with(FoldsBeyond))
    assert receipt_after_the_answers(variant) == [("k", b"pay")]


class Apart(Wrapped):
    """Leaders that do not answer at one instant: between two of them something is appended."""

    between: Callable[[], None] = staticmethod(lambda: None)

    def ends(
        self, places: Sequence[TopicPartition], isolation: Isolation
    ) -> Mapping[TopicPartition, int]:
        found = {}
        for where in sorted(places, key=lambda where: where.topic != "papers"):
            found.update(self._inner.ends([where], isolation))  # type: ignore[attr-defined]
            if where.topic == "papers":
                between, Apart.between = Apart.between, staticmethod(lambda: None)
                between()
        return found


@pytest.fixture
def apart() -> Iterator[Driver[GateState]]:
    broker = Around(MemoryBroker(), admin=Apart)
    yield driver_of(broker=broker)
    Apart.between = staticmethod(lambda: None)


def answers_apart(driver: Driver[GateState]) -> Producer:
    """papers answers, then a hold and the receipt are appended, then parcels answers."""
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    other = stranger(driver)

    def between() -> None:
        other.produce("papers", b"k", b'{"id":"h","says":"hold"}')
        other.flush()
        driver.fact("parcels", "k", "w", "received")

    Apart.between = between
    driver.tick(60)
    return other


def test_two_answers_see_what_fell_between_the_leaders(apart: Driver[GateState]) -> None:
    """The hold lies beyond papers' first answer, the receipt below parcels': nothing is paid."""
    other = answers_apart(apart)
    apart.settle()
    assert payments(apart) == []
    other.commit()
    apart.settle()
    assert payments(apart) == []


def test_one_answer_does_not(apart: Driver[GateState]) -> None:
    """With the first answers alone the same chain is paid: the second question is needed."""

    class AsksOnce(Cut):
        def answered(self, first, second):  # type: ignore[no-untyped-def]
            super().answered(first, first)

    apart.worker_type = worker_with(AsksOnce)
    apart.restart()
    answers_apart(apart)
    apart.settle()
    assert payments(apart) == [("k", b"pay")]


def test_cuts_do_not_starve_under_overlapping_transactions(driver: Driver[GateState]) -> None:
    """Strangers' transactions always overlap; every chain that is complete is paid nevertheless."""
    open_ones = [stranger(driver, "s0")]
    open_ones[0].produce("papers", b"other", b'{"id":"o0","says":"note"}')
    for round_ in range(1, 13):
        key = f"k{round_}"
        released_and_received(driver, key)
        driver.tick(60 * round_)
        driver.turn(4)
        newer = stranger(driver, f"s{round_}")
        newer.produce("papers", b"other", f'{{"id":"o{round_}","says":"note"}}'.encode())
        open_ones.pop().commit()
        open_ones.append(newer)
        driver.seconds += 1.1
        driver.turn(6)
    paid = {key for key, value in payments(driver) if value == b"pay"}
    assert len(paid) >= 9, paid


def test_an_aborted_tail_completes_the_cut(driver: Driver[GateState]) -> None:
    """Nothing is delivered from an aborted transaction at the end; the end of partition says so."""
    released_and_received(driver)
    driver.settle()
    other = stranger(driver)
    other.produce("papers", b"k", b'{"id":"h","says":"hold"}')
    driver.tick(60)
    driver.settle()
    assert payments(driver) == []
    other.abort()
    driver.settle()
    assert payments(driver) == [("k", b"pay")]


class Listening(Wrapped):
    """Notes what was asked."""

    isolations: ClassVar[list[Isolation]] = []

    def ends(
        self, places: Sequence[TopicPartition], isolation: Isolation
    ) -> Mapping[TopicPartition, int]:
        if {where.topic for where in places} == {"papers", "parcels", CONTROL}:
            Listening.isolations.append(isolation)
        return self._inner.ends(places, isolation)  # type: ignore[attr-defined, no-any-return]


def test_a_cut_asks_for_everything_appended_of_every_input() -> None:
    """Both questions are about the ends of the log: all inputs, control, uncommitted too."""
    Listening.isolations.clear()
    driver = driver_of(broker=Around(MemoryBroker(), admin=Listening))
    driver.tick(60)
    driver.settle()
    assert Listening.isolations == ["read_uncommitted", "read_uncommitted"]


class Flaky(Wrapped):
    """Questions about one partition number fail while told to."""

    bad: int | None = None
    asked = 0

    def ends(
        self, places: Sequence[TopicPartition], isolation: Isolation
    ) -> Mapping[TopicPartition, int]:
        if any(where.partition == Flaky.bad and where.topic == "papers" for where in places):
            Flaky.asked += 1
            raise TransientError("the leader does not answer")
        return self._inner.ends(places, isolation)  # type: ignore[attr-defined, no-any-return]


def test_a_failed_question_is_asked_again_and_holds_up_its_own_number_only() -> None:
    """Partition numbers that are answered are decided; the other one follows when it can."""
    driver = driver_of(broker=Around(MemoryBroker(), admin=Flaky), partitions=2)
    keys = {partition_of(f"k{n}".encode(), 2): f"k{n}" for n in range(20)}
    for key in keys.values():
        released_and_received(driver, key)
    driver.settle()
    Flaky.bad, Flaky.asked = 1, 0
    driver.tick(60)
    driver.settle()
    for _ in range(3):
        driver.seconds += 0.25
        driver.turn(3)
    assert payments(driver) == [(keys[0], b"pay")]
    assert Flaky.asked > 2
    Flaky.bad = None
    driver.seconds += 0.25
    driver.settle()
    assert len(payments(driver)) == 2


def test_an_input_that_cannot_be_read_stops_approvals_and_expiry(
    driver: Driver[GateState],
) -> None:
    """Fail closed: no payment and no expiry while it lasts, and the alarm is on."""
    released_and_received(driver, "k")
    driver.fact("papers", "late", "d", "by:50")
    driver.settle()
    other = stranger(driver)
    other.produce("papers", b"x", b'{"id":"x","says":"note"}')
    driver.tick(60)
    for _ in range(8):
        driver.seconds += 5.0
        driver.turn(3)
    assert payments(driver) == []
    assert driver.worker.metrics.value("supplytwin_cut_stalled") == 1
    other.abort()
    driver.settle()
    assert sorted(payments(driver)) == [("k", b"pay"), ("late", b"expire")]
    assert driver.worker.metrics.value("supplytwin_cut_stalled") == 0


# ---- failures


class Failing(Wrapped):
    """A producer whose named call fails with the given errors first."""

    plan: ClassVar[dict[str, list[Exception]]] = {}
    calls: ClassVar[list[str]] = []

    def _fail(self, name: str) -> None:
        Failing.calls.append(name)
        if Failing.plan.get(name):
            raise Failing.plan[name].pop(0)

    def begin(self) -> None:
        self._fail("begin")
        self._inner.begin()  # type: ignore[attr-defined]

    def produce(self, *args: object, **options: object) -> None:
        self._fail("produce")
        self._inner.produce(*args, **options)  # type: ignore[attr-defined]

    def send_offsets(self, *args: object) -> None:
        self._fail("send_offsets")
        self._inner.send_offsets(*args)  # type: ignore[attr-defined]

    def commit(self) -> None:
        self._fail("commit")
        self._inner.commit()  # type: ignore[attr-defined]


@pytest.fixture
def failing() -> Driver[GateState]:
    Failing.plan, Failing.calls = {}, []
    return driver_of(broker=Around(MemoryBroker(), producer=Failing))


STEPS = ["begin", "produce", "send_offsets", "commit"]


@pytest.mark.parametrize("step", STEPS)
def test_a_transient_failure_repeats_the_same_call(failing: Driver[GateState], step: str) -> None:
    """Nothing is aborted; the call is made again and everything is there once."""
    Failing.plan = {step: [TransientError("again"), TransientError("again")]}
    released_and_received(failing)
    failing.tick(60)
    failing.settle()
    assert payments(failing) == [("k", b"pay")]
    assert len(failing.read(JOURNAL)) == 4
    assert failing.worker.metrics.value("supplytwin_aborts_total", error="AbortError") == 0


@pytest.mark.parametrize("step", STEPS)
def test_an_abort_rewinds_and_everything_is_there_once(
    failing: Driver[GateState], step: str
) -> None:
    """Two aborts at any step: overlay dropped, input read again, no entry twice."""
    Failing.plan = {step: [AbortError("abort"), AbortError("abort")]}
    released_and_received(failing)
    failing.fact("papers", "k", "b", "boom")
    failing.tick(60)
    failing.settle()
    assert payments(failing) == [("k", b"pay")]
    assert len(failing.read(JOURNAL)) == 4
    assert len(failing.quarantine()) == 1
    assert failing.worker.metrics.value("supplytwin_aborts_total", error="AbortError") == 2
    state = failing.state("k")
    assert state is not None
    assert state.seq == 3


def test_three_aborts_in_a_row_end_the_process(failing: Driver[GateState]) -> None:
    """The third raises FatalError, for exit code 75."""
    Failing.plan = {"commit": [AbortError("abort")] * 3}
    released_and_received(failing)
    with pytest.raises(FatalError, match="3 aborts in a row"):
        failing.settle()


def test_aborts_that_are_not_in_a_row_end_nothing(failing: Driver[GateState]) -> None:
    """A batch that commits starts the count again."""
    for key in ("a", "b"):
        Failing.plan = {"commit": [AbortError("abort"), AbortError("abort")]}
        released_and_received(failing, key)
        failing.settle()
    assert len(failing.read(JOURNAL)) == 4


def test_a_transient_failure_has_one_deadline(failing: Driver[GateState]) -> None:
    """What fails for longer than the transaction timeout is fatal."""

    class Endless(list[Exception]):
        def pop(self, index: int = 0) -> Exception:  # type: ignore[override]
            failing.seconds += 1.0
            return TransientError("again")

    Failing.plan = {"send_offsets": Endless([TransientError("again")])}
    released_and_received(failing)
    with pytest.raises(FatalError, match="deadline"):
        failing.settle()


def test_a_fatal_failure_passes(failing: Driver[GateState]) -> None:
    """Nothing is tried again after a fatal error."""
    Failing.plan = {"commit": [FatalError("fenced")]}
    released_and_received(failing)
    with pytest.raises(FatalError, match="fenced"):
        failing.settle()
    assert Failing.calls.count("commit") == 1


@pytest.mark.parametrize(
    ("point", "nth"),
    [(point, nth) for point in POINTS for nth in (1, 2) if (point, nth) != ("restoring", 2)],
)  # in memory one turn restores all
def test_killed_at_any_point_everything_is_there_once(point: str, nth: int) -> None:
    """The process dies at a named point; its successor finishes, and the ledger is the same."""
    left = [nth]

    def at(name: str) -> None:
        if name == point and left[0] > 0:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

    driver = driver_of(at=at)
    killed = 0
    for round_ in (1, 2):
        released_and_received(driver, f"a{round_}")
        driver.fact("papers", f"a{round_}", "bad", "boom")
        driver.fact("papers", f"late{round_}", "d", f"by:{60 * round_}")
        driver.tick(60 * round_)
        try:
            driver.settle()
        except Killed:
            killed += 1
            driver.restart()
            driver.settle()
    assert killed == 1, "the test must kill"
    assert sorted(payments(driver)) == [
        ("a1", b"pay"),
        ("a2", b"pay"),
        ("late1", b"expire"),
        ("late2", b"expire"),
    ]
    assert [q.offset for q in driver.quarantine()] == [1, 4]
    entries = [journal.read(r.value or b"") for r in driver.read(JOURNAL)]
    sources = [(e.source_topic, e.source_offset) for e in entries if e.source_topic]
    assert len(sources) == len(set(sources))
    assert {e.chain_id: e.seq for e in entries} == {
        "a1": 3, "a2": 3, "late1": 2, "late2": 2, "@p0": 2,
    }  # fmt: skip


def test_a_fenced_worker_ends(driver: Driver[GateState]) -> None:
    """A second worker of the same slot: the first one ends, and nothing is there twice."""
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    first = driver.worker
    driver.restart()
    driver.settle()
    driver.fact("parcels", "k", "w", "received")
    driver.tick(60)
    with pytest.raises(FatalError):
        for _ in range(20):
            first.turn(0.0)
            driver.worker.turn(0.0)
        raise FatalError("the first one read nothing any more: its place in the group is gone")
    driver.settle()
    assert payments(driver) == [("k", b"pay")]


# ---- start and restore


def test_a_worker_that_was_never_initialised_says_what_to_do(driver: Driver[GateState]) -> None:
    """No committed offset: FatalError with the command."""
    driver.settings = WorkerSettings(group="new", simulated=True, poll_s=0.0)
    driver.restart()
    with pytest.raises(FatalError, match="supplytwin init"):
        driver.settle()


def test_topics_that_are_missing_are_named() -> None:
    """A missing topic stops the worker with the command."""
    driver = driver_of()
    driver.broker = MemoryBroker()
    driver.restart()
    with pytest.raises(UsageError, match="supplytwin init"):
        driver.turn()


def test_different_partition_counts_stop_the_worker() -> None:
    """It says which topics differ and how to rescale."""
    broker = MemoryBroker()
    broker.admin().create([TopicSpec(name="parcels", partitions=2, replication=1, config={})])
    driver = driver_of(broker=broker)
    with pytest.raises(UsageError, match=r"parcels 2.*rescale"):
        driver.turn()


def test_another_count_than_init_wrote_stops_the_worker(driver: Driver[GateState]) -> None:
    """All topics agree, but on another count than the one that was written down."""
    driver.settings = WorkerSettings(simulated=True, poll_s=0.0, partitions=2)
    driver.restart()
    with pytest.raises(UsageError, match=r"must have 2 partitions.*rescale"):
        driver.turn()


def test_a_restart_restores_states_ticks_and_due_times(driver: Driver[GateState]) -> None:
    """Everything comes from the journal: facts, decisions, the tick time, and who is due."""
    released_and_received(driver, "paid")
    driver.fact("papers", "late", "d", "by:90")
    driver.tick(60)
    driver.settle()
    before = {key: driver.state(key) for key in ("paid", "late")}
    driver.worker.close()
    driver.restart()
    driver.settle()
    after = {key: driver.state(key) for key in ("paid", "late")}
    assert [(s.seq, s.hash, s.decided) for s in after.values() if s] == [
        (s.seq, s.hash, s.decided) for s in before.values() if s
    ]
    assert driver.worker.stores[0].now == 60
    driver.tick(100)
    driver.settle()
    assert payments(driver) == [("paid", b"pay"), ("late", b"expire")]


def test_restore_waits_for_a_strangers_transaction_on_the_journal(
    driver: Driver[GateState],
) -> None:
    """The end is of everything appended: the last committed entries may not be readable yet."""
    other = stranger(driver)
    other.produce(JOURNAL, b"zzz", b"never", partition=0)
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    driver.worker.close()
    driver.restart()
    driver.turn(30)
    assert driver.worker.stores == {}
    other.abort()
    driver.settle()
    assert driver.state("k") is not None


def test_what_is_open_goes_on_while_another_number_is_restored() -> None:
    """Nobody waits for a number that cannot be restored yet, and nothing is read twice."""
    driver = driver_of(partitions=2)
    keys = {partition_of(f"k{n}".encode(), 2): f"k{n}" for n in range(20)}
    other = stranger(driver)
    other.produce(JOURNAL, b"zzz", b"never", partition=1)
    for key in keys.values():
        driver.fact("papers", key, "p", "released")
    driver.turn(10)
    assert sorted(driver.worker.stores) == [0]
    assert driver.state(keys[0]) is not None
    driver.fact("papers", keys[0], "b", "boom")
    other.abort()
    driver.settle()
    assert driver.state(keys[1]) is not None
    assert [q.code for q in driver.quarantine()] == ["FOLD_ERROR"]


def unreliable(consumer: Any) -> Consumer:
    """A consumer of which every other call fails, after it has consumed or rebalanced."""
    inner, turns = consumer.consume, count()

    def consume(number: int, timeout_s: float) -> object:
        found = inner(number, timeout_s)
        if next(turns) % 2 == 0:
            raise TransientError("the connection broke, what came is gone")
        return found

    consumer.consume = consume
    return consumer  # type: ignore[no-any-return]


def test_a_fault_while_reading_loses_nothing() -> None:
    """What came with the fault is read again, also when a rebalance came with it."""
    driver = driver_of(broker=Around(MemoryBroker(), consumer=unreliable))
    for n in range(5):
        released_and_received(driver, f"k{n}")
        driver.turn()
    driver.tick(60)
    driver.turn(20)
    assert len(payments(driver)) == 5
    assert len(driver.read(JOURNAL)) == 16


def test_a_consumer_that_stays_unreadable_ends_the_process() -> None:
    """After the transaction timeout it is fatal."""

    class Dead(Wrapped):
        def consume(self, count: int, timeout_s: float) -> object:
            raise TransientError("no broker")

    driver = driver_of(broker=Around(MemoryBroker(), consumer=Dead))
    driver.turn(3)
    driver.seconds += 10.1
    with pytest.raises(FatalError, match="no broker"):
        driver.turn()


def test_a_broken_journal_is_not_restored(driver: Driver[GateState]) -> None:
    """One entry changed: the fold's check of the hash chain ends the process."""
    released_and_received(driver)
    driver.settle()
    entry = bytearray(driver.read(JOURNAL)[-1].value or b"")
    entry[-40] ^= 1
    forger = driver.broker.producer(None)
    forger.produce(JOURNAL, b"k", bytes(entry), partition=0)
    forger.flush()
    driver.worker.close()
    driver.restart()
    with pytest.raises(FatalError):
        driver.settle()


def test_control_records_behind_an_unhandled_tick_are_folded_once(
    driver: Driver[GateState],
) -> None:
    """They are read again after a restart, because the tick is; the journal knows them."""
    other = stranger(driver)
    other.produce("papers", b"k", b"{}", partition=0)
    driver.tick(60)
    driver.tick(0, kind="BREAKER")
    driver.settle()
    assert [key for key, _ in driver.values(JOURNAL)] == ["@p0"]
    driver.worker.close()
    driver.restart()
    driver.settle()
    other.abort()
    driver.settle()
    assert [key for key, _ in driver.values(JOURNAL)] == ["@p0"]


def test_a_drained_worker_leaves_nothing_open(driver: Driver[GateState]) -> None:
    """close() commits what moved; the successor folds nothing twice and goes on."""
    driver.settings = WorkerSettings(poll_s=0.0)
    driver.restart()
    released_and_received(driver)
    driver.settle()
    driver.fact("papers", "k", "p", "released")
    driver.settle()
    assert driver.committed()[PAPERS] == 1
    driver.worker.close()
    assert driver.committed()[PAPERS] == 2
    driver.restart()
    driver.tick(60)
    driver.settle()
    assert payments(driver) == [("k", b"pay")]


def test_control_values_are_those_of_the_schema(driver: Driver[GateState]) -> None:
    """The kit writes ticks as the ticker does."""
    driver.tick(60)
    (record,) = driver.read(CONTROL)
    message = codec.decode(CONTROL, record.value or b"").message
    assert getattr(message, "tick_time", None) == 60
