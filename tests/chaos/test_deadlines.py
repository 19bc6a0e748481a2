"""A year of deadlines, back-filled in minutes: each fires once, at the tick that must fire it, on
the right side of every evidence, whatever becomes of a worker meanwhile.

The outcome of every claim is known beforehand (`deadlines_world`), no gateway answers.
"""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from checks import never_committed
from conftest import Make
from deadlines_check import Check, Cuts, Instructions, Outage
from deadlines_run import Found, Player, look
from deadlines_told import IDLE, made
from deadlines_world import KINDS, PAID, Plan, World
from harness import TIMELINE, Deployment, Open, until
from loads import in_memory
from verifier import kafka

from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, partition_of
from supplytwin.schemas.records import CONTROL
from supplytwin.streams import deployment, topics
from supplytwin.streams.children import command
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import TopicPartition
from supplytwin.streams.settings import Kafka, Settings, Time, WorkerSection

pytestmark = pytest.mark.kafka

PARTITIONS = 4
MANY = 5000
"""From so many on there is a tick every two days, else every ten."""
WORKER = WorkerSection(batch=1000, transaction_timeout_ms=60_000)
"""Kafka itself aborts nothing in that time: the restart must."""
AWAY_FROM, AWAY_ROUNDS = 0.6, 4
"""Where in the year a worker is killed, and for how many rounds it stays away."""


def world_of(deadlines: int) -> World:
    """Beside its own, some claims have a long stop, or the silence of the rail, to wait for."""
    claims = deadlines * 3 // 4
    return World(claims=claims, tick_us=2 * DAY_US if deadlines >= MANY else 10 * DAY_US)


def number_of(chain_id: str) -> int:
    return partition_of(chain_id.encode(), PARTITIONS)


class Struck:
    """Worker 1 dies in the commit of the first thing that it does in a round, and stays away."""

    def __init__(self, deployed: Deployment) -> None:
        self.deployed = deployed
        self.armed = False
        self.held: list[Open] = []
        self.numbers: frozenset[int] = frozenset()

    def rest(self) -> None:
        """For who waits for the workers."""
        if not self.armed:
            self.deployed.assert_alive()
        time.sleep(0.004)

    def arm(self) -> None:
        """It is stopped, and started again to die."""
        assert self.deployed.stop("worker-1") == {"worker-1": 0}
        self.armed = True
        self.deployed.worker(1, fail_at="between_send_offsets_and_commit")
        until(lambda: self.deployed.up(0, 1), "the workers share the partitions")
        owners = self.deployed.owners()
        self.numbers = frozenset(number for number, slot in owners.items() if slot == 1)

    def examine(self) -> None:
        """It is dead, and what it was about to commit is open."""
        process = self.deployed.children["worker-1"].process
        until(lambda: process.poll() is not None, "the armed worker dies")
        assert process.returncode == -9
        self.held = [one for one in self.deployed.open() if one.where.partition in self.numbers]
        assert self.held, "the kill met nothing in flight"

    def still_away(self, ticks: int) -> None:
        """At least so many ticks are appended and not handled on each of its partition numbers."""

        def behind() -> dict[TopicPartition, int]:
            return {at: end - done for at, (done, end) in self.deployed.behind().items()}

        # the marker that ends a transaction takes an offset after what was waited for
        until(lambda: {at.partition for at in behind()} <= self.numbers, "the other worker is done")
        ticking = {at.partition: count for at, count in behind().items() if at.topic == CONTROL}
        assert ticking.keys() == self.numbers
        assert min(ticking.values()) >= ticks

    def back(self) -> None:
        self.deployed.worker(1)
        self.armed = False
        until(lambda: self.deployed.up(0, 1), "the worker is back")


def play(
    deployed: Deployment, world: World, rounds: Sequence[Sequence[Message]]
) -> tuple[Outage, list[Open]]:
    """The whole year under two workers, of which one is killed and away for some rounds."""
    for slot in (0, 1):
        deployed.worker(slot)
    until(lambda: deployed.up(0, 1), "the workers share the partitions")
    struck = Struck(deployed)
    player = Player(deployed.broker, world, PARTITIONS, TIMELINE, struck.rest)
    every = frozenset(range(PARTITIONS))
    begin = int(len(rounds) * AWAY_FROM) // 3 * 3  # one of those that are held open
    away = range(begin, begin + AWAY_ROUNDS)
    try:
        for number, messages in enumerate(rounds):
            if number == begin:
                struck.arm()
            player.append(number, messages)
            if number == begin:
                struck.examine()
            player.await_handled(every - struck.numbers if number in away else every)
            if number == away[-1]:
                struck.still_away(AWAY_ROUNDS)
                struck.back()
                player.await_handled(every)
    finally:
        player.close()
    ticks = tuple(world.tick(number) for number in away)
    return Outage(numbers=struck.numbers, ticks=ticks), struck.held


def audit(deployed: Deployment) -> "subprocess.Popen[bytes]":
    """`supplytwin audit`: every entry is taken once more, and must be the same bytes."""
    return subprocess.Popen(
        command("audit", "--json"),
        env={**deployed.environment("audit"), "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
    )


def test_a_year_of_deadlines(
    make: Make, required: Callable[[str], Any], measured: Callable[[str], None]
) -> None:
    """Out-of-order input, an idle topic, evidence that is appended in time and readable only after
    its tick, a worker that is killed and away: each deadline fires once, at its tick, on the right
    side of every evidence; the outage moves none; the journal, replayed, gives the same bytes.
    """
    count = required("chaos_deadlines")
    world = world_of(count)
    plans, rounds, repeated = made(world)
    assert {plan.kind for plan in plans} == set(KINDS)
    deployed = make(worker=WORKER, partitions=PARTITIONS)
    outage, held = play(deployed, world, rounds)
    assert set(deployed.stop().values()) == {0}
    replayed = audit(deployed)
    found = look(kafka(deployed.settings.kafka.bootstrap), PARTITIONS)
    check = Check(world, number_of, found.handled, outage)
    check.compare(plans, found.cuts, found.instructions)
    assert not check.problems, "\n".join(check.problems[:20])
    assert check.moved, "the outage must have met deadlines"
    assert not found.witness.quarantined
    assert sum(chain.untaken for chain in found.witness.chains.values()) == repeated
    assert IDLE not in found.witness.counts
    never_committed(deployed, [held])
    said, _ = replayed.communicate()
    again = json.loads(said)
    assert replayed.returncode == 0 and again["differences"] == []
    assert again["decisions"] > len(plans)
    count.done(check.fired)
    measured(
        f"deadlines: {len(plans)} claims, {sum(map(len, rounds))} records, {len(rounds)} ticks, "
        f"{check.moved} decided later for the outage, {again['entries']} entries replayed"
    )


def test_an_engine_that_does_not_wait_for_its_cut_expires_what_was_in_time(make: Make) -> None:
    """The test above can fail: evidence that stands in the log before the tick is passed over."""
    world = world_of(200)
    plans, rounds, _ = made(world)
    deployed = make(worker=WORKER, partitions=PARTITIONS)
    deployed.start("worker-0", "work", "--slot", "0", variant="does_not_wait")
    until(lambda: deployed.up(0), "the worker is up")
    player = Player(deployed.broker, world, PARTITIONS, TIMELINE, Struck(deployed).rest)
    for number, messages in enumerate(rounds):
        player.append(number, messages)
        player.await_handled(range(PARTITIONS))
    player.close()
    deployed.stop()
    found = look(kafka(deployed.settings.kafka.bootstrap), PARTITIONS)
    check = Check(world, number_of, found.handled)
    check.compare(plans, found.cuts, found.instructions)
    in_time = {plan.settlement_id for plan in plans if plan.kind in PAID}
    assert any(found.cuts[one][0][1] == "EXPIRED" for one in in_time)
    assert check.problems


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, list[Plan], Found]:
    """A small world without Kafka, and what a right engine makes of it."""
    world = world_of(200)
    plans, rounds, _ = made(world)
    settings = Settings(
        kafka=Kafka(partitions=PARTITIONS), time=Time(simulated=True, timeline=TIMELINE)
    )
    broker = MemoryBroker()
    topics.init(broker, settings)
    worker = deployment.worker(broker, settings, topics.require_meta(broker))
    player = Player(broker, world, PARTITIONS, TIMELINE, lambda: worker.turn(0.0))
    for number, messages in enumerate(rounds):
        player.append(number, messages)
        player.await_handled(range(PARTITIONS))
    player.close()
    worker.close()
    return world, plans, look(in_memory(broker, PARTITIONS), PARTITIONS)


def dropped(cuts: Cuts, told: Instructions, one: str) -> None:
    cuts[one] = cuts[one][:-1]


def doubled(cuts: Cuts, told: Instructions, one: str) -> None:
    cuts[one] = [*cuts[one], cuts[one][-1]]


def a_tick_late(cuts: Cuts, told: Instructions, one: str) -> None:
    row, state, tick, verdict = cuts[one][-1]
    cuts[one] = [*cuts[one][:-1], (row, state, tick + 10 * DAY_US, verdict)]


def a_tick_early(cuts: Cuts, told: Instructions, one: str) -> None:
    row, state, tick, verdict = cuts[one][-1]
    cuts[one] = [*cuts[one][:-1], (row, state, tick - 10 * DAY_US, verdict)]


def told_twice(cuts: Cuts, told: Instructions, one: str) -> None:
    told[one] = [*told[one], told[one][-1]]


def not_told(cuts: Cuts, told: Instructions, one: str) -> None:
    told[one] = told[one][:-1]


@pytest.mark.parametrize(
    "wrong", [dropped, doubled, a_tick_late, a_tick_early, told_twice, not_told]
)
def test_the_check_sees_one_deadline_that_is_wrong(
    right: tuple[World, list[Plan], Found], wrong: Callable[[Cuts, Instructions, str], None]
) -> None:
    """Of each kind: one claim whose record is otherwise than it must be, and no other, is named."""
    world, plans, found = right
    assert {plan.kind for plan in plans} == set(KINDS)
    for kind in KINDS:
        plan = next(plan for plan in plans if plan.kind == kind)
        cuts, told = dict(found.cuts), dict(found.instructions)
        wrong(cuts, told, plan.settlement_id)
        check = Check(world, number_of, found.handled)
        check.compare(plans, cuts, told)
        (problem,) = check.problems
        assert problem.startswith(f"{plan.chain_id} {plan.claim_id} ({kind},")
