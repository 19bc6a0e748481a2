"""A worker that others have taken over from, and that does not know it: what it holds is old."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from supplytwin.schemas import journal
from supplytwin.schemas.errors import AbortError
from supplytwin.schemas.records import JOURNAL
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Producer
from supplytwin.streams.snapshot import file_of
from supplytwin.streams.testing import Driver, Gate, GateState
from supplytwin.streams.upkeep import UpkeepSettings
from supplytwin.streams.worker import Worker, WorkerSettings

MAX_POLL_S = 0.02
"""Who is silent for so long is put out of the group."""


class Broken:
    """A producer whose next commits fail, as told."""

    def __init__(self, inner: Any, failures: list[Exception]) -> None:
        self._inner, self._failures = inner, failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def commit(self) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self._inner.commit()


class Around:
    """The broker behind them."""

    def __init__(self, *, forgetful: bool) -> None:
        self._inner = MemoryBroker(max_poll_s=MAX_POLL_S)
        self._forgetful = forgetful
        self.failures: list[Exception] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def consumer(self, group: str | None, **options: Any) -> Any:
        """Perhaps of a client that has forgotten that its partitions are lost, and says revoked: a
        call of assign() between the loss and the callback makes librdkafka do that.
        """
        made: Any = self._inner.consumer(group, **options)
        if self._forgetful:
            told = made.subscribe
            made.subscribe = lambda topics, assign, revoke, lost: told(
                topics, assign, revoke, revoke
            )
        return made

    def producer(self, transactional_id: str | None) -> Any:
        made = self._inner.producer(transactional_id)
        ours = transactional_id is not None and transactional_id.startswith("supplytwin.worker.0")
        return Broken(made, self.failures) if ours else made


class World:
    """One worker, and a peer in between."""

    def __init__(self, folder: Path, *, forgetful: bool = False) -> None:
        upkeep = UpkeepSettings(snapshots=folder, every_s=100.0, timeline="t")
        self.folder = folder
        self.broker: Any = Around(forgetful=forgetful)
        self.driver = Driver(
            Gate(),
            broker=self.broker,
            settings=WorkerSettings(simulated=True, poll_s=0.0, upkeep=upkeep),
        )

    def peer(self, says: str) -> None:
        """The worker stands still for too long; another one takes over, takes a fact, and goes."""
        time.sleep(2 * MAX_POLL_S)
        peer: Worker[GateState] = self.driver.start(slot=1)
        self.driver.fact("papers", "k", f"peer {says}", says)
        for _ in range(30):
            peer.turn(0.0)
        assert {one for _, one in self.of(peer).said} >= {says}
        peer.close()

    def stranger(self) -> Producer:
        """Has written the next entry of the chain to the journal; its transaction is open."""
        producer = self.driver.broker.producer("peer")
        producer.init(5.0)
        producer.begin()
        record = self.driver.read("papers")[0]
        (entry,) = Gate()._entry(self.of(self.driver.worker), "FACT", record, 0).entries
        producer.produce(JOURNAL, b"k", entry.value, partition=0)
        return producer

    def snapshot(self) -> None:
        """The worker writes one now."""
        self.driver.seconds += 1000.0
        clients = self.driver.worker._clients
        assert clients is not None
        file_of(self.folder, 0).unlink(missing_ok=True)  # the peer's
        deadline = time.monotonic() + 10.0
        while not file_of(self.folder, 0).exists():
            clients.upkeep.turn(self.driver.worker.stores, busy=False)
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def received(self) -> None:
        """All that is needed for a payment, but for a hold, and a tick."""
        self.driver.fact("parcels", "k", "b", "received")
        self.driver.tick(60)
        self.driver.settle()

    def of(self, worker: Worker[GateState]) -> GateState:
        found = worker.stores[0].states.find("k")
        assert found is not None
        return found

    def sound(self) -> GateState:
        """The worker's state, which is what the journal says, link by link."""
        state = Gate().new("k")
        for record in self.driver.read(JOURNAL):
            if journal.read(record.value or b"").chain_id == "k":
                state = Gate().restore(state, record)
        found = self.of(self.driver.worker)
        assert (found.seq, found.hash, found.said) == (state.seq, state.hash, state.said)
        return found


@pytest.fixture(params=[False, True], ids=["lost", "revoked"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Its client says that the partitions are lost, or, wrongly, that they are revoked."""
    yield World(tmp_path, forgetful=request.param)


def test_what_a_peer_wrote_is_known_when_the_worker_comes_back(world: World) -> None:
    """Its states are caught up with the journal: a hold that came meanwhile stops the payment."""
    driver = world.driver
    driver.fact("papers", "k", "a", "released")
    driver.settle()
    world.peer("hold")
    driver.settle()
    world.received()
    assert {one for _, one in world.sound().said} == {"released", "hold", "received"}
    assert not driver.values("payments")


def test_a_snapshot_of_old_states_does_not_pose_as_a_new_one(world: World) -> None:
    """Written by the worker before it hears of its loss, read by its successor."""
    driver = world.driver
    driver.fact("papers", "k", "a", "released")
    driver.settle()
    world.peer("hold")
    world.snapshot()
    driver.restart()
    driver.settle()
    assert {one for _, one in world.sound().said} == {"released", "hold"}


@pytest.mark.parametrize("aborts", [1, 2])
def test_states_are_right_after_an_abort_and_a_takeover(world: World, aborts: int) -> None:
    """An aborted transaction leaves records behind: nothing is counted twice for them."""
    driver = world.driver
    driver.fact("papers", "k", "a", "released")
    driver.settle()
    world.broker.failures += [AbortError("abort")] * aborts
    driver.fact("papers", "k", "c", "note")
    driver.settle()
    driver.fact("papers", "k", "d", "note")
    driver.settle()
    world.peer("hold")
    driver.settle()
    world.received()
    assert world.sound().seq == 5
    assert not driver.values("payments")


def test_an_abort_catches_up_with_whoever_has_written(world: World) -> None:
    """The abort may be the first sign of a peer: the states are those of the journal from then on,
    before the group has said anything.
    """
    driver = world.driver
    driver.fact("papers", "k", "a", "released")
    driver.settle()
    world.stranger().commit()
    world.broker.failures.append(AbortError("fenced"))
    driver.fact("parcels", "k", "b", "received")
    driver.settle()
    assert world.sound().seq == 3


def test_what_was_kept_and_does_not_fit_is_not_used(world: World) -> None:
    """Somebody's aborted entries move the places of our own: then the journal is read whole."""
    driver = world.driver
    driver.fact("papers", "k", "a", "released")
    driver.settle()
    for _ in range(3):
        world.stranger().abort()
    driver.fact("papers", "k", "c", "note")
    driver.settle()
    world.peer("hold")
    with capture_logs() as logs:
        driver.settle()
    assert any("what was kept is not used" in one["event"] for one in logs)
    assert world.sound().seq == 3
