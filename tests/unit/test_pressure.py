"""The memory limit: an alarm, early closing, back-pressure, and on again."""

from pathlib import Path
from typing import Any

import chain_world as c
import pytest
from structlog.testing import capture_logs

from supplytwin.processors.closing import Closed
from supplytwin.streams import pressure as pressure_module
from supplytwin.streams.observe import Metrics
from supplytwin.streams.pressure import Pressure, available_bytes, resident_bytes
from supplytwin.streams.testing import Driver, Gate, GateState
from supplytwin.streams.upkeep import UpkeepSettings
from supplytwin.streams.worker import WorkerSettings

LIMIT = 1000 << 20


class Machine:
    """A process whose memory the test sets, in MiB and in objects."""

    def __init__(self) -> None:
        self.seconds, self.mb, self.objects = 0.0, 100.0, 1_000_000
        self.metrics = Metrics()
        self.pressure: Pressure[GateState] = Pressure(
            LIMIT,
            self.metrics.upkeep,
            lambda: self.seconds,
            resident=lambda: int(self.mb * (1 << 20)),
            objects=lambda: self.objects,
        )

    def look(self, mb: float, objects: int = 1_000_000) -> bool:
        self.mb, self.objects = mb, objects
        self.seconds += 1.0
        return self.pressure.look()

    @property
    def alarm(self) -> float:
        return self.metrics.value("supplytwin_memory_alarm")


def test_the_alarm_rises_at_80_and_the_inputs_stop_at_100_percent() -> None:
    """Each step has its line and its metric; below 90 % of the limit the inputs are read again."""
    machine = Machine()
    with capture_logs() as logs:
        assert not machine.look(799)
        assert (machine.alarm, machine.pressure.paused) == (0, False)
        assert not machine.look(800)
        assert (machine.alarm, machine.pressure.paused) == (1, False)
        assert machine.look(1000)
        assert (machine.alarm, machine.pressure.paused) == (2, True)
        assert not machine.look(900)
        assert machine.pressure.paused
        assert machine.look(899)
        assert (machine.alarm, machine.pressure.paused) == (1, False)
        assert not machine.look(700)
        assert machine.alarm == 0
    assert [line["event"] for line in logs if line["log_level"] == "error"] == [
        "memory is near its limit",
        "memory is at its limit: no input is read",
        "memory is near its limit",
    ]
    assert machine.metrics.value("supplytwin_memory_limit_bytes") == LIMIT
    assert machine.metrics.value("supplytwin_memory_bytes") == 700 << 20


def test_the_alarm_is_repeated_while_it_lasts() -> None:
    """Once a minute, not once a second."""
    machine = Machine()
    with capture_logs() as logs:
        for _ in range(180):
            machine.look(1200)
    assert len(logs) == 3


def test_memory_that_python_does_not_give_back_counts_as_free() -> None:
    """The process stays large after its objects are gone: new ones go where the old ones were."""
    machine = Machine()
    assert machine.look(1000, objects=10_000_000)
    assert not machine.look(1000, objects=9_100_000)
    assert machine.look(1000, objects=8_900_000)
    assert not machine.pressure.paused
    assert machine.look(1100, objects=12_000_000)
    assert machine.pressure.paused


def test_the_memory_of_this_process_is_measured() -> None:
    """Resident bytes grow with what is allocated."""
    before = resident_bytes()
    kept = bytearray(64 << 20)
    kept[::4096] = b"x" * len(kept[::4096])
    assert 50 << 20 < resident_bytes() - before < 200 << 20


def test_a_limit_above_what_there_is_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The container counts when it has less than the machine."""
    group = tmp_path / "memory.max"
    monkeypatch.setattr(pressure_module, "_CGROUP", group)
    machine = available_bytes()
    group.write_text("max\n")
    assert available_bytes() == machine
    group.write_text(f"{LIMIT - 1}\n")
    assert available_bytes() == LIMIT - 1
    with capture_logs() as logs:
        Machine()
    assert [line["log_level"] for line in logs] == ["warning"]
    group.write_text(f"{LIMIT}\n")
    with capture_logs() as logs:
        Machine()
    assert logs == []


# ---- in a worker


def limited(driver: Any, mb: float) -> None:
    """The worker of `driver` uses `mb` from now on."""
    pressure = driver.worker._clients.upkeep.pressure
    pressure._resident = lambda: int(mb * (1 << 20))
    pressure._objects = lambda: 1_000_000 if mb >= 900 else 1
    driver.seconds += 1.0
    driver.settle()


@pytest.fixture
def gates() -> Driver[GateState]:
    upkeep = UpkeepSettings(memory_max_bytes=LIMIT)
    driver = Driver(Gate(), settings=WorkerSettings(simulated=True, poll_s=0.0, upkeep=upkeep))
    driver.settle()
    return driver


def test_at_the_limit_nothing_more_is_read_and_nothing_is_lost(gates: Driver[GateState]) -> None:
    """Facts and ticks wait in Kafka; when there is room they are taken, each once."""
    gates.fact("papers", "k", "p", "released")
    gates.settle()
    limited(gates, 1001)
    gates.fact("parcels", "k", "w", "received")
    gates.tick(60)
    gates.settle()
    state = gates.state("k")
    assert state is not None
    assert state.standing == {"released"}
    assert gates.values("payments") == []
    assert gates.worker.stores, "the partition number is still owned"
    assert gates.worker.waits_for == "memory is at its limit: no input is read"
    limited(gates, 500)
    gates.settle()
    assert gates.values("payments") == [("k", b"pay")]


def test_an_abort_at_the_limit_does_not_open_the_inputs(gates: Driver[GateState]) -> None:
    """What reads anew after an abort or a rebalance respects the limit."""
    limited(gates, 1001)
    clients = gates.worker._clients
    assert clients is not None
    gates.worker._resume(clients)
    gates.fact("papers", "k", "p", "released")
    gates.settle()
    assert gates.state("k") is None


def test_a_restore_stops_at_the_limit(gates: Driver[GateState]) -> None:
    """Rather an alarm than a process that is killed: it goes on when there is room."""
    gates.fact("papers", "k", "p", "released")
    gates.settle()
    gates.restart()
    gates.turn()
    clients = gates.worker._clients
    assert clients is not None
    pressure: Any = clients.upkeep.pressure
    pressure.paused, pressure._resident = True, lambda: LIMIT
    gates.turn(20)
    assert gates.worker.stores == {}
    limited(gates, 500)
    assert gates.state("k") is not None


def test_finished_chains_are_closed_early_when_memory_is_short() -> None:
    """From 90 % on the days are not waited for; what is closed is what would be closed later."""
    chain = c.ChainDriver(upkeep=UpkeepSettings(memory_max_bytes=LIMIT)).paid()
    before = chain.hashes()
    limited(chain.driver, 899)
    assert not isinstance(chain.state, Closed)
    limited(chain.driver, 950)
    assert isinstance(chain.state, Closed)
    assert chain.kinds()[-1] == "CLOSED"
    assert chain.counted("closed") == 1
    after = chain.hashes()
    assert (after.states, after.settlements) == (before.states, before.settlements)
    chain.fact(c.w.customs("release_revoked", c.day(40)))
    assert chain.counted("reopened") == 1


def test_a_chain_with_a_waiting_record_is_not_closed_early() -> None:
    """What waits for a cut must find its chain."""
    chain = c.ChainDriver(upkeep=UpkeepSettings(memory_max_bytes=LIMIT)).paid()
    driver = chain.driver
    stranger = driver.broker.producer("stranger")
    stranger.init(5.0)
    stranger.begin()
    stranger.produce("supply.orders", b"other", b"never", partition=0)
    driver.tick(c.day(34))
    driver.turn(5)
    revoked = c.w.customs("release_revoked", c.day(33))
    driver.send(revoked.TOPIC, revoked.chain_id, c.codec.encode(revoked.TOPIC, revoked),
                timestamp_us=c.day(33))  # fmt: skip
    driver.turn(5)
    assert driver.worker.cuts[0].waiting
    pressure = driver.worker._clients.upkeep.pressure
    pressure.share = 0.95
    driver.turn(5)
    assert "CLOSED" not in chain.kinds()
    stranger.abort()
    driver.settle()
    assert chain.kinds()[-1] in ("FACT", "DECISION")


def test_early_closing_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few milliseconds of each turn, then a rest: the loop goes on."""
    monkeypatch.setattr(pressure_module, "SLICE_S", -1.0)
    asked: list[str] = []

    class Asked(Gate):
        def close(self, state: GateState, now: int, control: GateState | None = None) -> None:
            asked.append(state.key)

    upkeep = UpkeepSettings(memory_max_bytes=LIMIT)
    driver = Driver(Asked(), settings=WorkerSettings(simulated=True, poll_s=0.0, upkeep=upkeep))
    for key in "abcdef":
        driver.fact("papers", key, "p", "released")
    driver.settle()
    clients = driver.worker._clients
    assert clients is not None
    clients.upkeep.pressure.share = 0.95  # type: ignore[union-attr]
    driver.turn()
    assert len(asked) == 1, "one key in a turn, for this test"
    driver.turn(20)
    assert sorted(asked) == list("abcdef"), "a pass, and no second one at once"
