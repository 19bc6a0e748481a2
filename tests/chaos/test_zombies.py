"""Workers that come back when another has taken over, that are started twice, and that are told to
go: whatever they had in their hands, it is done once.
"""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checks import never_committed, sound, start
from conftest import Make
from harness import Attacks, Deployment, Open, patience, until
from loads import conduct, of_events, truth, undisturbed
from msgspec.structs import replace

from supplytwin.streams import children
from supplytwin.streams.children import RESTART, Child
from supplytwin.streams.settings import WorkerSection

pytestmark = pytest.mark.kafka

PARTITIONS = 4
SESSION_MS, TRANSACTION_MS = 6_000, 8_000
"""A peer takes over after the one, Kafka aborts after the other."""
WORKER = WorkerSection(
    batch=400, session_timeout_ms=SESSION_MS, transaction_timeout_ms=TRANSACTION_MS
)


class Zombie:
    """SIGSTOP of worker 0 until worker 1 has its partitions, then SIGCONT."""

    def __init__(self, deployed: Deployment) -> None:
        self.deployed = deployed
        self.held: list[list[Open]] = []
        self.ends: list[tuple[str, str]] = []
        """(how it was stopped, how it ended)."""

    def at_work(self) -> bool:
        """Stopped with a transaction open, for longer than Kafka leaves it open."""
        held = self.deployed.freeze_at_work(0, patience_s=0.3)
        if held:
            self._while_away()
            self.held.append(held)
            self._back("at work", held)
        return bool(held)

    def at_rest(self) -> bool:
        """Stopped between two transactions."""
        process = self.deployed.children["worker-0"].process
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        if self.deployed.open():
            process.send_signal(signal.SIGCONT)
            return False
        self._while_away()
        self._back("at rest", [])
        return True

    def with_time(self) -> bool:
        """Stopped with a transaction open that outlives it: the peer must not begin before its end.

        When it comes back its commit may rightly succeed.
        """
        self.restart(transaction_timeout_ms=60_000)
        held: list[Open] = []
        deadline = time.monotonic() + 10.0
        while not held and time.monotonic() < deadline and self.deployed.behind():
            held = self.deployed.freeze_at_work(0, patience_s=0.3)
        if not held:
            return False
        until(lambda: self.deployed.assigned(1), "the peer has all partitions", 60.0)
        time.sleep(2.0)
        still = [one for one in self.deployed.open() if one in held]
        assert still == held, "the peer has not begun: nothing was written behind it"
        self._back("with time", held)
        return True

    def _while_away(self) -> None:
        """The peer takes over and commits all there is, what was in flight included."""
        until(lambda: self.deployed.assigned(1), "the peer has all partitions", 60.0)
        until(lambda: not self.deployed.behind() and not self.deployed.open(), "the peer commits")

    def _back(self, how: str, held: list[Open]) -> None:
        """It exits 75, or is a member again, within five seconds."""
        child = self.deployed.children["worker-0"]
        before = len(self.deployed.said("worker-0"))
        limit = patience(5.0)
        child.process.send_signal(signal.SIGCONT)
        took = until(
            lambda: child.process.poll() is not None or self.deployed.assigned(0, 1),
            f"{how}: it exits or is back", limit + 20.0,
        )  # fmt: skip
        said = self.deployed.said("worker-0")[before:]
        events = [line["event"] for line in said]
        if child.process.poll() is None:
            assert "cannot go on" not in events, said
            self.ends.append((how, "rejoined"))
        else:
            assert child.process.returncode == RESTART
            assert {"cannot go on", "stuck, leaving"} & set(events), said
            self.ends.append((how, "exit 75"))
            self.deployed.worker(0)
            until(lambda: self.deployed.up(0, 1), "it is back")
        assert took < limit, f"{how}: {took:.1f} s until {self.ends[-1][1]}"

    def restart(self, **worker: Any) -> None:
        assert self.deployed.stop("worker-0") == {"worker-0": 0}
        self.deployed.worker(0, **worker)
        until(lambda: self.deployed.up(0, 1), "it is back")


def test_a_zombie_commits_nothing_stale(
    make: Make, folder: Path, required: Callable[[str], Any]
) -> None:
    """Stopped beyond session and transaction timeout, at work and at rest, and with a transaction
    that outlives the stop: it exits 75 or rejoins within 5 s, and everything is there once.
    """
    rounds = required("chaos_zombies")
    load = of_events(4000 * rounds, seed=7)
    wanted = undisturbed(load, folder / "reference", PARTITIONS)
    deployed = make(worker=WORKER, partitions=PARTITIONS)
    start(deployed)
    zombie = Zombie(deployed)
    kinds = [zombie.at_work, zombie.at_rest, zombie.with_time] * rounds
    attacks = Attacks(deployed, wanted.hashes.entries, kinds)
    conduct(deployed, load, attacks.pump)
    assert set(deployed.stop().values()) == {0}
    assert not attacks.left
    assert ("at work", "exit 75") in zombie.ends, "a transaction that Kafka has aborted is fatal"
    never_committed(deployed, zombie.held)
    assert truth(deployed.broker, PARTITIONS, sound(deployed, load)).says() == wanted.says()
    required("chaos_zombies").done(len(zombie.ends) // 3)


# ---- the same slot twice


class Seconds:
    """A second process of slot 0 is started: one of the two ends, and says why."""

    def __init__(self, deployed: Deployment) -> None:
        self.deployed = deployed
        self.why: list[str] = []
        self._both: list[Child] = []

    def start(self) -> bool:
        """The load waits until the second is a member: it must not be over before."""
        first = self.deployed.children.pop("worker-0")
        place = f"second-{len(self.why)}"
        self._both = [first, self.deployed.worker(0, name=place)]
        self.deployed.children.pop(place)
        until(
            lambda: "assigned" in self.deployed.log(place) or first.process.poll() is not None,
            "a second process of the slot works",
        )
        return True

    def close(self) -> None:
        """None of the two runs any more."""
        for one in self._both:
            if one.process.poll() is None:
                one.process.kill()
            one.process.wait()

    def one_ends(self) -> bool:
        """The load goes on until the loser meets a transaction of its own."""
        ended = [one for one in self._both if one.process.poll() is not None]
        if not ended:
            time.sleep(0.02)
            return False
        (loser,) = ended
        assert loser.process.returncode == RESTART
        said = loser.log.read_bytes()
        assert children.ended(RESTART, said) == "fenced", said[-3000:]
        self.why.append(json.loads(said.splitlines()[-1])["why"])
        (winner,) = (one for one in self._both if one is not loser)
        self.deployed.children["worker-0"] = winner
        return True


@pytest.mark.full
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_slot_that_is_started_twice(make: Make, folder: Path, protocol: str) -> None:
    """One of the two exits with 75 and says that it was fenced; the data do not notice."""
    load = of_events(1500, seed=8)
    wanted = undisturbed(load, folder / "reference", PARTITIONS)
    worker = replace(WORKER, group_protocol=protocol)
    deployed = make(worker=worker, partitions=PARTITIONS)
    start(deployed)
    seconds = Seconds(deployed)
    attacks = Attacks(deployed, wanted.hashes.entries, [seconds.start, seconds.one_ends] * 2)
    try:
        conduct(deployed, load, attacks.pump)
        assert not attacks.left
        assert set(deployed.stop().values()) == {0}
    finally:
        seconds.close()
    assert all("fenced" in why for why in seconds.why), seconds.why
    assert truth(deployed.broker, PARTITIONS, sound(deployed, load)).says() == wanted.says()


# ---- SIGTERM


class Terminations:
    """SIGTERM of worker 0 while it has a transaction open."""

    def __init__(self, deployed: Deployment) -> None:
        self.deployed = deployed
        self.drained: list[float] = []
        self.at_once: list[float] = []

    def _at_work(self) -> bool:
        """Whether a transaction of it is open at this moment, not one that its predecessor left."""
        if not self.deployed.up(0, 1):
            return False
        mine = {number for number, slot in self.deployed.owners().items() if slot == 0}
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            if any(one.where.partition in mine for one in self.deployed.open()):
                return True
        return False

    def once(self) -> bool:
        """It finishes what it has in hand, and leaves nothing open."""
        if not self._at_work():
            return False
        child = self.deployed.children["worker-0"]
        mine = {number for number, slot in self.deployed.owners().items() if slot == 0}
        began = time.monotonic()
        child.process.terminate()
        assert child.process.wait(60.0) == 0
        self.drained.append(time.monotonic() - began)
        time.sleep(0.1)
        left = [one for one in self.deployed.open() if one.where.partition in mine]
        assert not left, f"half done: {left}"
        self.deployed.worker(0)
        return True

    def twice(self) -> bool:
        """The second one ends it at once; what it had begun is aborted by its successor."""
        if not self._at_work():
            return False
        child = self.deployed.children["worker-0"]
        child.process.terminate()
        time.sleep(0.003)  # both sent at one moment may arrive as one
        began = time.monotonic()
        child.process.terminate()
        code = child.process.wait(60.0)
        self.deployed.worker(0)
        if code == RESTART:
            self.at_once.append(time.monotonic() - began)
        return code == RESTART


@pytest.mark.full
def test_sigterm_under_load(make: Make, folder: Path) -> None:
    """One SIGTERM: exit 0 in less than 10 s, nothing half done. A second one: exit at once."""
    load = of_events(6000, seed=9)
    wanted = undisturbed(load, folder / "reference", PARTITIONS)
    deployed = make(worker=WORKER, partitions=PARTITIONS)
    start(deployed)
    terminations = Terminations(deployed)
    attacks = Attacks(deployed, wanted.hashes.entries, [terminations.once, terminations.twice] * 2)
    conduct(deployed, load, attacks.pump)
    deployed.stop()
    assert not attacks.left
    assert max(terminations.drained) < patience(10.0)
    assert max(terminations.at_once) < patience(1.0)
    assert truth(deployed.broker, PARTITIONS, sound(deployed, load)).says() == wanted.says()
