"""What the cut rule must not cost: decisions go on beside strangers' transactions, lag and busy
chains, and the twin stays live while an input cannot be read.
"""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any
from urllib.request import urlopen

import pytest
from harness import patience, until
from wall import PARTITIONS, Feed, Payable, World, beside, chain_on, eta, numbers, payable

from supplytwin.schemas.events import CUSTOMS, SHIPMENTS, WAREHOUSE
from supplytwin.schemas.records import JOURNAL
from supplytwin.streams.children import command
from supplytwin.streams.local_broker import free_ports

pytestmark = pytest.mark.kafka

ALARM_S = 35.0
"""After that the engine itself alarms: twice the transaction timeout, and 10 s."""
DECIDED_S = 8.0
"""A decision may wait for the strangers that were there before it, not for those that come."""


def overlapping(world: World, number: int, of: int, length_s: float) -> Callable[..., None]:
    """Transactions of a stranger on every partition of two inputs, one after the other."""

    def loop(stop: threading.Event) -> None:
        stranger: Feed = world.stranger(number)
        noise = [chain_on(partition, PARTITIONS) for partition in range(PARTITIONS)]
        stop.wait(number * length_s / of)
        while not stop.is_set():
            stranger.begin()
            stranger.send(eta(chain, next(numbers)) for chain in noise)
            stop.wait(length_s)
            stranger.commit()
        stranger.close()

    return loop


def latencies_s(world: World, chains: Sequence[Payable]) -> list[float]:
    """From Kafka's time of the last receipt to the time of the PAY."""
    told, came = world.outcome.pays(), world.outcome.arrivals(WAREHOUSE)
    return [(told[one.chain_id][0] - came[one.chain_id]) / 1000 for one in chains]


def test_strangers_and_lag_do_not_starve_decisions(
    world: World, required: Callable[[str], Any]
) -> None:
    """Under the overlapping 2 s transactions of five strangers, with a worker that is seconds
    behind, every claim that becomes payable is decided, none of them late.
    """
    chains = required("chaos_decisions_under_strangers")
    strangers = [overlapping(world, number, 5, 2.0) for number in range(5)]
    with world.engine():
        due = world.reserved(chains, "STARVE")
        worker = world.deployed.children["worker-0"].process
        with beside(*strangers):
            time.sleep(2.5)
            for number, one in enumerate(due):
                assert world.deployed.open((SHIPMENTS,)), "a stranger's transaction is open"
                world.feed.send(one.receipts)
                if number % 16 == 8:  # a lag of seconds, and what came meanwhile in one heap
                    worker.send_signal(signal.SIGSTOP)
                    noise = chain_on(number % PARTITIONS, PARTITIONS)
                    world.feed.send(eta(noise, next(numbers)) for _ in range(500))
                    time.sleep(2.0)
                    worker.send_signal(signal.SIGCONT)
                time.sleep(0.1)
            until(lambda: len(world.paid(due)) == len(due), "all are decided", 60.0, 0.25)
        slowest = max(latencies_s(world, due))
    assert slowest < patience(DECIDED_S)
    chains.done(len(due))


@pytest.mark.full
def test_a_busy_chain_is_decided_as_fast_as_a_quiet_one(world: World) -> None:
    """Fifty facts a second to a chain do not delay its decision."""
    each = 8
    with world.engine():
        quiet, busy = world.reserved(each, "QUIET"), world.reserved(each, "BUSY")

        def noise(stop: threading.Event) -> None:
            feed = Feed(world.bootstrap)
            while not stop.wait(0.02):
                feed.send(eta(one.chain_id, next(numbers)) for one in busy)
            feed.close()

        with beside(noise):
            time.sleep(1.0)
            before = facts_of(world, busy)
            began = time.monotonic()
            for pair in zip(quiet, busy, strict=True):
                for one in pair:
                    world.feed.send(one.receipts)
                    time.sleep(0.17)
            both = [*quiet, *busy]
            until(lambda: len(world.paid(both)) == len(both), "all are paid", 60.0, 0.25)
            rate = (facts_of(world, busy) - before) / each / (time.monotonic() - began)
        slow, fast = median(latencies_s(world, busy)), median(latencies_s(world, quiet))
    assert rate > 25, f"{rate:.0f} facts a second: the chains were not busy"
    assert slow < 2 * fast + 0.2, (slow, fast)


def facts_of(world: World, chains: Sequence[Payable]) -> int:
    """How many shipment events of these chains Kafka holds."""
    names = {one.chain_id for one in chains}
    return sum(1 for raw in world.outcome.raw(SHIPMENTS) if (raw.key or b"").decode() in names)


def metric(port: int, name: str, **labels: str) -> float:
    """One sample of the worker's metrics page, 0 when it is not there."""
    text = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    for line in text.splitlines():
        if line.startswith(name) and all(
            f'{key}="{value}"' in line for key, value in labels.items()
        ):
            return float(line.rpartition(" ")[2])
    return 0.0


def doctor(world: World) -> dict[str, str]:
    """What `supplytwin doctor` finds wrong: what -> what it says."""
    done = subprocess.run(
        command("doctor", "--json"),
        env={**world.deployed.environment("doctor"), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    found = json.loads(done.stdout)
    return {one["what"]: one["says"] for one in found if not one["ok"]}


def delays_s(world: World, topic: str) -> list[float]:
    """From Kafka's time of each record of an input to the time of its journal entry; only of those
    that have one.
    """
    came = {(raw.partition, raw.offset): raw.timestamp for raw in world.outcome.raw(topic)}
    found = []
    for raw, entry in world.outcome.records(JOURNAL):
        if entry["source_topic"] == topic:
            arrived = came[entry["source_partition"], entry["source_offset"]]
            found.append((arrived, (raw.timestamp - arrived) / 1000))
    return [delay for _, delay in sorted(found)]


def test_an_input_that_a_stranger_holds(world: World, required: Callable[[str], Any]) -> None:
    """It is seen in a metric and by `doctor`; the twin stays live, other partitions are decided,
    this one waits, and it all goes on by itself when the transaction ends.
    """
    seconds = required("chaos_unreadable_seconds")
    (port,) = free_ports(1)
    live = chain_on(0, PARTITIONS, "LIVE")
    with world.engine("", "--metrics-port", str(port)):
        chains = world.reserved(6 * PARTITIONS, "HELD")
        mine = [one for one in chains if world.partition(one) == 0]
        others = [one for one in chains if world.partition(one) != 0]
        stranger = world.stranger()
        stranger.begin()
        stranger.send([payable(next(numbers), live, exact=True).hold])
        (held,) = world.deployed.open((CUSTOMS,))
        assert held.where.partition == 0
        world.feed.send(message for one in chains for message in one.receipts)
        until(lambda: len(world.paid(others)) == len(others), "other partitions flow", 60.0, 0.25)
        sent, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            world.feed.send([eta(live, next(numbers))])
            sent += 1
            time.sleep(0.25)
        stall = {"topic": CUSTOMS, "partition": "0"}
        until(lambda: metric(port, "supplytwin_stall_seconds", **stall) > 0, "a metric", 20.0)
        if seconds > ALARM_S:
            assert metric(port, "supplytwin_cut_stalled") == 1
        assert f"{CUSTOMS} 0" in doctor(world)["open transactions"]
        assert world.paid(mine) == set(), "final decisions wait"
        assert world.deployed.open((CUSTOMS,)) == [held]
        stranger.commit()
        until(lambda: len(world.paid(mine)) == len(mine), "it recovers", DECIDED_S * 4, 0.25)
        until(lambda: not metric(port, "supplytwin_stall_seconds", **stall), "seen no more", 30.0)
        assert not metric(port, "supplytwin_cut_stalled")
        # a tick may be on its way at that moment
        until(lambda: "open transactions" not in doctor(world), "doctor says so", 30.0)
        taken = delays_s(world, SHIPMENTS)[-sent:]
    assert max(taken) < patience(3.0), "the twin stays live"
    seconds.done(seconds)
