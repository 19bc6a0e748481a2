"""Workers that come and go under load, and a rolling restart: no partition number has two owners
that commit, and everything is there once.
"""

import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from checks import sound, start
from cluster import SESSION_MS, Cluster
from conftest import Make
from harness import Attacks, Deployment, patience, until
from loads import conduct, of_events, truth, undisturbed
from segments import handovers
from verifier import Witness, kafka
from wall import Feed, Outcome, Payable, beside, chain_on, eta, payable

from supplytwin.schemas.records import JOURNAL
from supplytwin.streams.settings import WorkerSection

pytestmark = pytest.mark.kafka

PARTITIONS = 12
STEPS = (1, 2, 4, 3, 1)
"""How many workers there are, one step after the other."""
CLAIMS = 36
EVERY_S = 0.05


class Stream:
    """Facts for every partition number all the time, and claims that become payable."""

    def __init__(self, deployed: Deployment, claims: list[Payable]) -> None:
        self._bootstrap = deployed.settings.kafka.bootstrap
        self._claims = iter(claims)
        self.chains = [chain_on(number, PARTITIONS) for number in range(PARTITIONS)]
        self.sent = 0
        """Facts to each of `chains`."""

    def run(self, stop: threading.Event) -> None:
        feed = Feed(self._bootstrap)
        for number in count():
            if stop.is_set():
                break
            feed.send(eta(chain, number) for chain in self.chains)
            self.sent += 1
            if number % 10 == 0:
                feed.send(message for one in [next(self._claims, None)] if one is not None
                          for message in one.receipts)  # fmt: skip
            stop.wait(EVERY_S)
        feed.send(message for one in self._claims for message in one.receipts)
        feed.close()


def set_workers(deployed: Deployment, wanted: int) -> None:
    """So many workers run; who goes is told to go."""
    running = [name for name in deployed.children if name.startswith("worker")]
    for slot in range(len(running), wanted):
        deployed.worker(slot)
    for slot in range(wanted, len(running)):
        assert deployed.stop(f"worker-{slot}") == {f"worker-{slot}": 0}


@pytest.mark.full
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_workers_come_and_go_under_load(
    make: Make,
    cluster: Cluster,
    required: Callable[[str], Any],
    measured: Callable[[str], None],
    protocol: str,
) -> None:
    """1-2-4-3-1 workers: every fact once, every claim paid once, never two committing owners of a
    partition number; how long each of them stood still is measured.
    """
    seconds = required("chaos_rebalance_seconds")
    worker = WorkerSection(session_timeout_ms=SESSION_MS, group_protocol=protocol)
    deployed = make(simulated=False, partitions=PARTITIONS, worker=worker)
    deployed.gateway()
    deployed.ticker()
    deployed.worker(0)
    feed, outcome = Feed(deployed.settings.kafka.bootstrap), Outcome(deployed)
    claims = [payable(number, "C") for number in range(CLAIMS)]
    feed.send(message for one in claims for message in one.before)
    outcome.await_states(claims, "RESERVED", 120.0)
    stream = Stream(deployed, claims)
    with beside(stream.run):
        for wanted in STEPS:
            set_workers(deployed, wanted)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                deployed.tend()
                time.sleep(0.2)
            until(partial(deployed.assigned, *range(wanted)), f"{wanted} workers", 60.0)
    outcome.await_calm()
    until(lambda: len(outcome.pays()) == CLAIMS, "all are paid", 60.0, 0.25)
    assert set(deployed.stop().values()) == {0}
    assert deployed.restarts == [], "a rebalance ends nobody"
    witness = Witness(kafka(deployed.settings.kafka.bootstrap))
    witness.assert_sound()
    assert {witness.chains[chain].facts for chain in stream.chains} == {stream.sent}
    assert all(len(told) == 1 for told in outcome.pays().values())
    moves = handovers(cluster.data(), JOURNAL, PARTITIONS)
    pauses = sorted(move.pause_s for move in moves)
    measured(
        f"rebalance under load, {protocol}: {len(moves)} handovers, pause of a partition number "
        f"median {median(pauses):.1f} s, longest {pauses[-1]:.1f} s"
    )
    assert len(moves) >= PARTITIONS, "partition numbers moved"
    assert pauses[-1] < SESSION_MS / 1000 + patience(10.0)
    seconds.done(seconds)


class Rolling:
    """Each worker in turn is told to go, and started again at once."""

    def __init__(self, deployed: Deployment, workers: int) -> None:
        self.deployed = deployed
        self.owners = deployed.owners()
        self.assigned = [self.assignments(slot) for slot in range(workers)]
        self.attacks = [self._restart(slot) for slot in range(workers)]

    def assignments(self, slot: int) -> int:
        """How often this worker, in all its lives, was told what is its."""
        return self.deployed.children[f"worker-{slot}"].log.read_text().count('"assigned"')

    def _restart(self, slot: int) -> Callable[[], bool]:
        name = f"worker-{slot}"

        def attack() -> bool:
            process = self.deployed.children[name].process
            process.send_signal(signal.SIGTERM)
            assert process.wait(20.0) == 0
            self.deployed.worker(slot)
            until(lambda: "assigned" in self.deployed.log(name), f"{name} is back")
            return True

        return attack


@pytest.mark.full
def test_a_rolling_restart_is_no_rebalance(make: Make, folder: Path) -> None:
    """Three workers restarted in turn under load: each keeps its partition numbers, nobody else is
    assigned anything, and the ledger is that of a run without restarts.
    """
    load = of_events(3000, seed=11)
    wanted = undisturbed(load, folder / "reference", PARTITIONS)
    deployed = make(partitions=PARTITIONS)
    start(deployed, (0, 1, 2))
    rolling = Rolling(deployed, 3)
    attacks = Attacks(deployed, wanted.hashes.entries, rolling.attacks)
    conduct(deployed, load, attacks.pump)
    assert not attacks.left
    assert deployed.owners() == rolling.owners
    again = [rolling.assignments(slot) - rolling.assigned[slot] for slot in range(3)]
    assert again == [1, 1, 1], "each was assigned something at its own restart only"
    assert set(deployed.stop().values()) == {0}
    assert truth(deployed.broker, PARTITIONS, sound(deployed, load)).says() == wanted.says()
