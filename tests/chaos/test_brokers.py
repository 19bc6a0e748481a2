"""Brokers that stop, die and come back under load: workers and gateway go on or are restarted by
their supervisor, nobody has to intervene, and everything is there once.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from checks import sound, start
from cluster import Cluster
from conftest import in_memory
from harness import PATIENCE_S, Attacks, Deployment, until
from loads import conduct, of_events, truth, undisturbed

from supplytwin.streams.checkpoint import insist
from supplytwin.streams.ports import Isolation, TopicPartition, TopicSpec
from supplytwin.streams.settings import WorkerSection
from supplytwin.streams.topics import places

pytestmark = pytest.mark.kafka

COMMITTERS_PY = Path(__file__).with_name("committers.py")
PARTITIONS = 4
AWAY_S = 3.0
WORKER = WorkerSection(batch=400)


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


COMMITTERS = 8
OTHERS = 1000
"""Partitions that have nothing to do with it: the more there are, the longer it takes a broker that
goes to tell all its parts that it leads none of them any more, and a commit may come in between.
"""
SETTLED_S = 40.0
"""The committers' transaction timeout, the 10 s after which the coordinator looks, and more."""


@contextmanager
def committing(bootstrap: str, topic: str, enough: Callable[[], bool]) -> Iterator[None]:
    """Producers commit as fast as they can, and have done so for a while at the begin."""
    words = [sys.executable, str(COMMITTERS_PY), bootstrap, topic, str(COMMITTERS)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            until(enough, "the producers commit")
            yield
        finally:
            process.kill()


def test_no_commit_is_left_open_by_a_broker_that_goes(
    one: Cluster, required: Callable[[str], Any], fresh_prefix: str
) -> None:
    """What is being committed while the only broker stops or dies is there once it is back, or was
    never there: it does not stay open. Apache Kafka 4.3 and 4.4 fail this test (KAFKA-20734).
    """
    times = required("chaos_commits_at_a_stop")
    one.wipe()
    topic, admin = fresh_prefix + "commits", one.broker.admin()
    others = TopicSpec(name=fresh_prefix + "others", partitions=OTHERS, replication=1, config={})
    admin.create([TopicSpec(name=topic, partitions=COMMITTERS, replication=1, config={}), others])
    wanted = places([topic], COMMITTERS)

    def ends(isolation: Isolation) -> dict[TopicPartition, int]:
        deadline = time.monotonic() + PATIENCE_S
        return insist(lambda: admin.ends(wanted, isolation), deadline, time.monotonic)

    def grown(before: dict[TopicPartition, int]) -> Callable[[], bool]:
        return lambda: all(end > before[at] + 100 for at, end in ends("read_committed").items())

    for number in range(times):
        with committing(one.bootstrap, topic, grown(ends("read_committed"))):
            (one.kill if number % 2 else one.stop)()
        one.launch()
        one.wait()
        until(lambda: ends("read_committed") == ends("read_uncommitted"), "none is open", SETTLED_S)
    times.done(times)
    admin.close()
    one.wipe()


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
