"""kill -9 of workers with work in flight: at random points, and exactly at the edges of a commit.

The load is conducted, so that the end is known to the byte: the ledger, and a run without faults.
"""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from checks import never_committed, offsets, sound, start
from conftest import Make
from harness import Deployment, Open, until
from loads import conduct, of_events, truth, undisturbed

from supplytwin.schemas.records import JOURNAL
from supplytwin.sinks import tables
from supplytwin.streams.settings import WorkerSection
from supplytwin.streams.topics import DERIVED, SINK_GROUP, places

pytestmark = pytest.mark.kafka

PARTITIONS, SLOTS = 12, (0, 1)
RUN_EVENTS = 100_000
"""A run has at most so many: a worker that comes back reads its whole journal."""
BATCH = 400
WORKER = WorkerSection(batch=BATCH, transaction_timeout_ms=60_000)
"""Kafka itself aborts nothing in that time: the restart must."""


class RandomKills:
    """Kills a worker in mid-transaction each time the journal has grown past a random point."""

    def __init__(self, deployed: Deployment, kills: int, entries: int, seed: int) -> None:
        self.deployed = deployed
        self.random = random.Random(seed)
        self.left = sorted(self.random.uniform(0.03, 0.9) * entries for _ in range(kills))
        self.hit: list[list[Open]] = []
        """What was uncommitted at each kill."""

    def pump(self) -> None:
        self.deployed.assert_alive()
        if not self.left or self.deployed.written() < self.left[0]:
            time.sleep(0.005)
            return
        slot = self.random.choice(SLOTS)
        found = self.deployed.freeze_at_work(slot, patience_s=0.3)
        if found:
            self.deployed.kill(f"worker-{slot}")
            self.hit.append(found)
            self.left.pop(0)
            self.deployed.worker(slot)


def test_killed_at_random_points_with_work_in_flight(
    make: Make, folder: Path, required: Callable[[str], Any]
) -> None:
    """Two workers, twelve partitions: after every kill the ledger is right to the last amount, and
    twins, payments and transitions are those of a run without faults.
    """
    kills, events = required("chaos_random_kills"), required("chaos_events")
    runs = -(-events // RUN_EVENTS)
    done = sent = 0
    for run in range(runs):
        load = of_events(-(-events // runs), seed=run + 1)
        wanted = undisturbed(load, folder / f"reference-{run}", PARTITIONS)
        deployed = make(worker=WORKER, partitions=PARTITIONS)
        start(deployed)
        killer = RandomKills(deployed, -(-kills // runs), wanted.hashes.entries, seed=run)
        sent += conduct(deployed, load, killer.pump).records
        assert set(deployed.stop().values()) == {0}
        assert not killer.left, f"{len(killer.left)} kills found nothing in flight"
        never_committed(deployed, killer.hit)
        found = truth(deployed.broker, PARTITIONS, sound(deployed, load))
        assert found.says() == wanted.says()
        done += len(killer.hit)
    required("chaos_random_kills").done(done)
    required("chaos_events").done(sent)


class KillsAt:
    """Each worker dies by itself at the nth passage of a point, and is examined while dead."""

    def __init__(self, deployed: Deployment, points: dict[str, int], seed: int) -> None:
        self.deployed = deployed
        self.random = random.Random(seed)
        self.left = [point for point, kills in points.items() for _ in range(kills)]
        self.random.shuffle(self.left)
        self.armed: dict[int, str] = {}
        self.began: dict[int, dict[int, int]] = {}
        self.dead: list[tuple[str, list[Open]]] = []
        for slot in SLOTS:
            self.start(slot)

    def start(self, slot: int) -> None:
        self.armed[slot] = self.left.pop() if self.left else ""
        nth = self.random.randint(1, 4)
        self.began[slot] = self.stable()
        self.deployed.worker(slot, fail_at=f"{self.armed[slot]}:{nth}" if self.armed[slot] else "")

    def stable(self) -> dict[int, int]:
        ends = self.deployed.admin.ends(places((JOURNAL,), PARTITIONS), "read_committed")
        return {at.partition: end for at, end in ends.items()}

    def pump(self) -> None:
        for slot in SLOTS:
            name = f"worker-{slot}"
            code = self.deployed.children[name].process.poll()
            if code is not None:
                assert code == -9 and self.armed[slot], f"{code}: {self.deployed.log(name)[-2000:]}"
                self.dead.append((self.armed[slot], self.examine(slot, self.armed[slot])))
                self.start(slot)
        time.sleep(0.005)

    def examine(self, slot: int, point: str) -> list[Open]:
        """What the dead has left open, or has committed since its start, on the journal."""
        mine = {number for number, owner in self.deployed.owners().items() if owner == slot}
        if point == "between_send_offsets_and_commit":
            return [one for one in self.deployed.open() if one.where.partition in mine]
        until(
            lambda: not [one for one in self.deployed.open() if one.where.partition in mine],
            "the markers of a commit follow its answer", 5.0,
        )  # fmt: skip
        began, now = self.began[slot], self.stable()
        return [
            Open(at, began[at.partition], now[at.partition])
            for at in places((JOURNAL,), PARTITIONS)
            if at.partition in mine and began[at.partition] < now[at.partition]
        ]


def test_killed_at_the_edges_of_a_commit(
    make: Make, folder: Path, required: Callable[[str], Any]
) -> None:
    """Between sending offsets and commit nothing was done, between commit and merge everything was:
    either way all is there once, and the DuckDB file never shows what was aborted.
    """
    kills = required("chaos_kills_at_commit")
    load = of_events(1500 + 900 * kills, seed=99)
    wanted = undisturbed(load, folder / "reference", PARTITIONS)
    deployed = make(worker=WORKER, partitions=PARTITIONS)
    points = {"between_send_offsets_and_commit": kills, "between_commit_and_merge": kills}
    killer = KillsAt(deployed, points, seed=3)
    deployed.gateway()
    deployed.start("sink", "sink", "duck")
    conduct(deployed, load, killer.pump)
    in_file(deployed)
    assert set(deployed.stop().values()) == {0}
    assert not killer.left and not any(killer.armed.values())
    assert all(found for _, found in killer.dead), "each kill met work in flight, or just done"
    open_at = "between_send_offsets_and_commit"
    never_committed(deployed, [found for point, found in killer.dead if point == open_at])
    visible = offsets(deployed, "read_committed")
    for point, found in killer.dead:
        if point != open_at:  # what it committed last stands before the last marker
            assert any((at.partition, end - 2) in visible for at, _, end in found)
    assert truth(deployed.broker, PARTITIONS, sound(deployed, load)).says() == wanted.says()
    the_file_shows_only_what_is_committed(deployed)
    done = [sum(1 for at, _ in killer.dead if at == point) for point in points]
    required("chaos_kills_at_commit").done(min(done))


def in_file(deployed: Deployment) -> None:
    """Wait until the sink has told Kafka the ends of everything that it reads."""
    wanted = places(DERIVED, PARTITIONS)
    ends = deployed.admin.ends(wanted, "read_committed")

    def reached() -> bool:
        done = deployed.admin.committed(SINK_GROUP, wanted)
        return all((done[at] or 0) >= ends[at] for at in wanted)

    until(reached, "the sink reads everything")


def the_file_shows_only_what_is_committed(deployed: Deployment) -> None:
    """Each table has the committed records of its topic; an uncommitted reader is given others."""
    aborted = 0
    with duckdb.connect(deployed.settings.duck.path, read_only=True) as connection:
        for spec in tables.TABLES:
            visible = offsets(deployed, "read_committed", spec.topic)
            aborted += len(offsets(deployed, "read_uncommitted", spec.topic) - visible)
            rows = connection.sql(f"SELECT kafka_partition, kafka_offset FROM {spec.table}")
            held = rows.fetchall()
            assert set(held) <= visible, spec.table
            assert len(held) == len(set(held)), spec.table
            if spec.mode == "append":
                assert set(held) == visible, spec.table
    assert aborted, "nothing was aborted: this test could not fail"
