"""Brokers that stop, die and come back under load: workers and gateway go on or are restarted by
their supervisor, nobody has to intervene, and everything is there once.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from checks import sound, start
from cluster import Cluster
from conftest import in_memory
from harness import Attacks, Deployment, until
from loads import conduct, of_events, truth, undisturbed

from supplytwin.streams.checkpoint import insist
from supplytwin.streams.ports import TopicPartition, TopicSpec
from supplytwin.streams.settings import WorkerSection

pytestmark = pytest.mark.kafka

PARTITIONS = 4
AWAY_S = 3.0
WORKER = WorkerSection(batch=400, transaction_timeout_ms=40_000)
"""Longer than a broker is away on a loaded machine: one that finds a transaction timed out when it
starts may abort it before it knows who leads a partition, and leaves it open there for good. Not
much longer: the client may wait for a coordinator for ever (librdkafka's issue 5456), and a worker
that is stuck leaves after twice as long.
"""


def tended(deployed: Deployment, entries: int, attacks: Sequence[Callable[[], bool]]) -> Attacks:
    """A supervisor starts again who asked for it; whatever else ends fails the test."""
    found = Attacks(deployed, entries, attacks)
    found.guard = deployed.tend
    return found


class Broker:
    """The only broker goes while records are being processed, and comes back."""

    def __init__(self, deployed: Deployment, cluster: Cluster) -> None:
        self.deployed, self.cluster = deployed, cluster
        self.met: list[str] = []

    def _at_work(self) -> bool:
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            if self.deployed.open():
                return True
        return False

    def _away(self, how: str, leave: Callable[[], None]) -> bool:
        if not self._at_work():
            return False
        leave()
        time.sleep(AWAY_S)
        self.cluster.launch()
        self.cluster.wait()
        self.met.append(how)
        return True

    def stopped(self) -> bool:
        return self._away("stopped", self.cluster.stop)

    def killed(self) -> bool:
        return self._away("killed", self.cluster.kill)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A broker that may be stopped and killed."""
    folder = in_memory(tmp_path_factory.getbasetemp())
    found = Cluster(folder)
    yield found
    found.close()
    shutil.rmtree(folder)


def test_the_broker_stops_and_dies_under_load(
    one: Cluster, folder: Path, required: Callable[[str], Any], measured: Callable[[str], None]
) -> None:
    """Stopped, and killed, while transactions are open: nobody intervenes, the ledger is right."""
    times = required("chaos_broker_restarts")
    load = of_events(1000 * times, seed=12)
    wanted = undisturbed(load, folder / "reference", PARTITIONS)
    one.wipe()
    deployed = Deployment(one.bootstrap, folder / "run", worker=WORKER, partitions=PARTITIONS)
    try:
        start(deployed)
        broker = Broker(deployed, one)
        kinds = ([broker.stopped, broker.killed] * times)[:times]
        attacks = tended(deployed, wanted.hashes.entries, kinds)
        conduct(deployed, load, attacks.pump)
        times.done(len(broker.met))
        until(lambda: deployed.up(0, 1), "both work")
        deployed.stop()
        restarts = len(deployed.restarts)
        measured(f"broker {' and '.join(broker.met)}: {restarts} restarts by the supervisor")
        assert truth(deployed.broker, PARTITIONS, sound(deployed, load)).says() == wanted.says()
    finally:
        deployed.close()


def test_the_ends_are_known_again_after_a_restart(one: Cluster, fresh_prefix: str) -> None:
    """A client that knew the leaders before the broker went asks the new ones soon after; without
    that no cut would be complete until the client looks for leaders by itself, minutes later.
    """
    name = fresh_prefix + "ends"
    admin = one.broker.admin()
    admin.create([TopicSpec(name=name, partitions=4, replication=1, config={})])
    wanted = [TopicPartition(name, number) for number in range(4)]
    before = admin.ends(wanted, "read_uncommitted")
    for leave in (one.stop, one.kill):
        leave()
        one.launch()
        one.wait()
        deadline = time.monotonic() + 20.0
        found = insist(lambda: admin.ends(wanted, "read_uncommitted"), deadline, time.monotonic)
        assert found == before
    admin.close()


# ---- three brokers


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of three brokers, everything replicated."""
    folder = in_memory(tmp_path)
    found = Cluster(folder, brokers=3)
    yield found
    found.close()
    shutil.rmtree(folder)


class Turns:
    """Each broker in turn is stopped and started; the next one when all replicas are in sync."""

    def __init__(self, deployed: Deployment, cluster: Cluster) -> None:
        self.deployed, self.cluster = deployed, cluster
        self.next = 0
        self.moved: list[int] = []
        """For each stop: how many partitions had to change their leader."""

    def restart(self) -> bool:
        leaders = self.deployed.leaders()
        mine = [at for at, leader in leaders.items() if leader == self.next + 1]
        if not mine or not self.deployed.open():
            return False
        self.cluster.stop(self.next)
        time.sleep(AWAY_S)
        self.cluster.launch(self.next)
        self.cluster.wait(self.next)
        until(self.deployed.in_sync, "all replicas are in sync")
        self.moved.append(len(mine))
        self.next += 1
        return True


@pytest.mark.full
def test_three_brokers_are_restarted_in_turn(
    three: Cluster, folder: Path, required: Callable[[str], Any], measured: Callable[[str], None]
) -> None:
    """Every broker of three is restarted under load: nobody has to intervene, the ledger is right,
    nothing that was acknowledged is lost.
    """
    load = of_events(required("chaos_three_broker_events"), seed=13)
    wanted = undisturbed(load, folder / "reference", PARTITIONS)
    deployed = Deployment(
        three.bootstrap, folder / "run", worker=WORKER, partitions=PARTITIONS, replication=3
    )
    try:
        start(deployed)
        turns = Turns(deployed, three)
        attacks = tended(deployed, wanted.hashes.entries, [turns.restart] * 3)
        required("chaos_three_broker_events").done(conduct(deployed, load, attacks.pump).records)
        assert len(turns.moved) == 3
        until(lambda: deployed.up(0, 1), "both work")
        deployed.stop()
        measured(
            f"three brokers restarted in turn: leaders moved {turns.moved}, "
            f"{len(deployed.restarts)} restarts by the supervisor"
        )
        assert truth(deployed.broker, PARTITIONS, sound(deployed, load)).says() == wanted.says()
    finally:
        deployed.close()
