"""Around the loop: signals, the watchdog, kill points, the ticker, metrics, and who owns what."""

import json
import os
import signal
import threading
import time

import pytest

from supplytwin.schemas import codec
from supplytwin.schemas.errors import AbortError, FatalError, UsageError
from supplytwin.schemas.records import CONTROL, Control
from supplytwin.streams import observe, process, ticker, topics
from supplytwin.streams.children import RESTART
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Eof, TopicPartition
from supplytwin.streams.settings import Kafka, Settings, Time
from supplytwin.streams.testing import Driver, Gate, GateState, decode_facts
from supplytwin.streams.worker import Worker, WorkerSettings

PARTITIONS = 4


def settings_of(*, simulated: bool) -> Settings:
    return Settings(kafka=Kafka(partitions=2), time=Time(simulated=simulated, timeline="t"))


# ---- the process


def test_the_first_signal_drains() -> None:
    """SIGTERM sets the stop event; a loop that then ends gives exit code 0."""
    turns = []

    def run(stop: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        while not stop.is_set():
            turns.append(1)
            time.sleep(0.001)

    assert process.serve(run) == 0
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_the_second_signal_leaves_at_once() -> None:
    """A loop that does not end is left on the second SIGTERM, with 75."""
    left: list[int] = []

    def run(stop: threading.Event) -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.001)

    assert process.serve(run, leave=left.append) == 0
    assert left == [RESTART]


@pytest.mark.parametrize("draining", [True, False])
def test_a_stuck_loop_is_left(draining: bool) -> None:
    """No beat for too long, or a drain that takes too long: the watchdog leaves with 75."""
    left = threading.Event()

    def run(stop: threading.Event) -> None:
        if draining:
            stop.set()
        assert left.wait(5.0)

    born = time.monotonic()
    process.serve(
        run,
        beat=time.monotonic if draining else lambda: born,
        stuck_s=60.0 if draining else 0.05,
        drain_s=0.05 if draining else 60.0,
        leave=lambda code: left.set() if code == 75 else None,
    )
    assert left.is_set()


def test_a_loop_that_beats_is_not_left() -> None:
    """The watchdog lets a live loop go on for longer than its limit."""
    left: list[int] = []
    beat = [time.monotonic()]

    def run(stop: threading.Event) -> None:
        for _ in range(60):
            time.sleep(0.01)
            beat[0] = time.monotonic()

    assert process.serve(run, beat=lambda: beat[0], stuck_s=0.5, leave=left.append) == 0
    assert left == []


@pytest.mark.parametrize("error", [FatalError("fenced"), AbortError("x"), ValueError("unknown")])
def test_what_fails_asks_for_a_restart(error: Exception) -> None:
    """Fatal and unknown errors end with 75."""

    def run(stop: threading.Event) -> None:
        raise error

    assert process.serve(run) == 75


def test_what_no_restart_can_help_passes() -> None:
    """UsageError is the command line's to report, with exit code 2."""

    def run(stop: threading.Event) -> None:
        raise UsageError("topics are missing")

    with pytest.raises(UsageError):
        process.serve(run)


def test_a_kill_point_must_exist() -> None:
    """A misspelt kill point is an error, not a test that kills nobody."""
    process.killer("")("after_begin")
    process.killer("after_produce:2")("after_begin")
    with pytest.raises(UsageError, match="between_send_offsets_and_commit"):
        process.killer("before_lunch")
    with pytest.raises(UsageError):
        process.killer("after_begin:soon")


def test_a_kill_point_kills_the_nth_time() -> None:
    """`NAME:2` survives the first time and dies by SIGKILL the second."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        at = process.killer("after_begin:2")
        at("after_begin")
        at("after_produce")
        at("after_begin")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


# ---- the ticker


def ticks(broker: MemoryBroker, number: int) -> list[int]:
    consumer = broker.consumer(None, from_start=True)
    consumer.assign({TopicPartition(CONTROL, number): 0})
    found = []
    for event in consumer.consume(100, 0.0):
        if not isinstance(event, Eof):
            message = codec.decode(CONTROL, event.value or b"").message
            assert isinstance(message, Control)
            if message.kind == "TICK":
                assert event.key == f"@p{number}".encode()
                found.append(message.tick_time)
    return found


def test_a_tick_reaches_every_partition_number() -> None:
    """One record for each control partition, and time never stands still or goes back."""
    broker = MemoryBroker()
    topics.init(broker, settings_of(simulated=False))
    clock = iter([100, 100, 90])
    source = ticker.Ticker(broker, clock_us=lambda: next(clock))
    assert [source.tick(), source.tick(), source.tick()] == [100, 101, 102]
    assert ticks(broker, 0) == ticks(broker, 1) == [100, 101, 102]


def test_a_second_ticker_fences_the_first() -> None:
    """There is one tick source."""
    broker = MemoryBroker()
    topics.init(broker, settings_of(simulated=False))
    first = ticker.Ticker(broker, clock_us=lambda: 100)
    second = ticker.Ticker(broker, clock_us=lambda: 200)
    second.tick()
    with pytest.raises(FatalError):
        first.tick()
    assert ticks(broker, 0) == [200]


def test_the_ticker_refuses_simulated_time() -> None:
    """Where a feed writes the ticks, and where nothing was initialised, there is no ticker."""
    broker = MemoryBroker()
    with pytest.raises(UsageError, match="supplytwin init"):
        ticker.Ticker(broker)
    topics.init(broker, settings_of(simulated=True))
    with pytest.raises(UsageError, match="simulated"):
        ticker.Ticker(broker)


def test_the_ticker_runs_until_it_is_stopped() -> None:
    """run() ticks at its interval and ends with the event."""
    broker = MemoryBroker()
    topics.init(broker, settings_of(simulated=False))
    source = ticker.Ticker(broker, 0.001)
    stop = threading.Event()
    thread = threading.Thread(target=source.run, args=(stop,))
    thread.start()
    deadline = time.monotonic() + 5.0
    while len(ticks(broker, 0)) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    stop.set()
    thread.join(5.0)
    assert not thread.is_alive()
    assert len(ticks(broker, 0)) >= 3


# ---- metrics and logs


def test_the_counters_of_a_fold_are_metrics() -> None:
    """What a Step counts and what is quarantined can be scraped."""
    driver = Driver(Gate())
    driver.fact("papers", "k", "p", "released")
    driver.fact("parcels", "k", "w", "received")
    driver.fact("papers", "k", "p", "released")
    driver.fact("papers", "k", "b", "boom")
    driver.tick(60)
    driver.settle()
    metrics = driver.worker.metrics
    for what, times in (("facts", 2), ("duplicates", 1), ("pay", 1)):
        assert metrics.value("supplytwin_folded_total", what=what) == times
    assert metrics.value("supplytwin_quarantined_total", code="FOLD_ERROR") == 1
    assert metrics.value("supplytwin_cuts_total") == 1
    assert metrics.value("supplytwin_chains") == 2


def test_log_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object per line on stderr, with level and time."""
    observe.configure_logging("warning")
    log = observe.structlog.get_logger("test")
    log.info("not shown")
    log.warning("shown", partition=3)
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found["partition"]) == ("shown", "warning", 3)


# ---- groups


class Pair:
    """Two workers of one group over one broker."""

    def __init__(self) -> None:
        self.driver = Driver(Gate(), partitions=PARTITIONS)
        self.workers: dict[int, Worker[GateState]] = {0: self.driver.worker}

    def join(self, slot: int) -> None:
        self.workers[slot] = self.driver.start(slot)

    def turn(self, times: int = 30) -> None:
        for _ in range(times):
            for worker in self.workers.values():
                worker.turn(0.0)

    def owned(self) -> dict[int, list[int]]:
        return {slot: sorted(worker.stores) for slot, worker in self.workers.items()}


def test_partition_numbers_move_and_come_back() -> None:
    """A second worker takes half, leaves again, and the first one catches up what it has missed."""
    pair = Pair()
    driver = pair.driver
    keys = [f"order-{n}" for n in range(16)]
    for key in keys:
        driver.fact("papers", key, "p", "released")
    pair.turn()
    assert pair.owned() == {0: [0, 1, 2, 3]}
    pair.join(1)
    pair.turn()
    owned = pair.owned()
    assert sorted(owned[0] + owned[1]) == [0, 1, 2, 3]
    assert owned[0]
    assert owned[1]
    for key in keys:
        driver.fact("parcels", key, "w", "received")
    pair.turn()
    pair.workers.pop(1).close()
    pair.turn()
    assert pair.owned() == {0: [0, 1, 2, 3]}
    driver.tick(60)
    pair.turn()
    assert sorted(driver.values("payments")) == sorted((key, b"pay") for key in keys)


def test_a_revoked_state_is_not_read_again_from_the_start() -> None:
    """Coming back it is caught up from where it was: only the others' entries are folded."""
    restored: list[int] = []

    class Counting(Gate):
        def restore(self, state, entry):  # type: ignore[no-untyped-def]
            restored.append(entry.offset)
            return super().restore(state, entry)

    pair = Pair()
    pair.driver = Driver(Counting(), partitions=PARTITIONS)
    pair.workers = {0: pair.driver.worker}
    for n in range(16):
        pair.driver.fact("papers", f"order-{n}", "p", "released")
    pair.turn()
    assert restored == []
    pair.join(1)
    pair.turn()
    by_other = len(restored)
    assert 0 < by_other < 16, "only the second worker reads the journal"
    pair.workers.pop(1).close()
    pair.turn()
    assert pair.owned() == {0: [0, 1, 2, 3]}
    assert len(restored) == by_other


def test_a_rebalance_drops_what_waits() -> None:
    """Records that waited for a cut, and the tick, are read again by whoever owns them then."""
    pair = Pair()
    driver = pair.driver
    for n in range(8):
        driver.fact("papers", f"order-{n}", "p", "released")
    pair.turn()
    other = driver.broker.producer("stranger")
    other.init(5.0)
    other.begin()
    for number in range(PARTITIONS):
        other.produce("papers", b"x", b"{}", partition=number)
    driver.tick(60)
    pair.turn(5)
    for n in range(8):
        driver.fact("parcels", f"order-{n}", "w", "received")
    pair.turn(5)
    assert any(cut.waiting for cut in pair.workers[0].cuts.values())
    pair.join(1)
    pair.turn()
    other.abort()
    pair.turn()
    driver.tick(70)
    pair.turn()
    expected = sorted((f"order-{n}", b"pay") for n in range(8))
    assert sorted(driver.values("payments")) == expected


def test_workers_of_one_group_must_subscribe_alike() -> None:
    """A partition number that is assigned without one of its inputs stops the worker."""
    driver = Driver(Gate(), partitions=2)
    odd = topics_without_parcels(driver)
    other = Worker(
        driver.broker,
        Gate(),
        decode_facts,
        odd,
        settings=WorkerSettings(simulated=True, poll_s=0.0),
        slot=1,
    )
    with pytest.raises(FatalError, match="same topics"):
        for _ in range(50):
            driver.worker.turn(0.0)
            other.turn(0.0)


def topics_without_parcels(driver: Driver[GateState]):  # type: ignore[no-untyped-def]
    found = driver.topics
    return type(found)(
        inputs=("papers",),
        control=found.control,
        journal=found.journal,
        state=found.state,
        quarantine=found.quarantine,
    )
