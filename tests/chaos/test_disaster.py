"""A failover that lost a tail: the log is shorter than what the rail has done, offsets are gone.

The broker is stopped, the partitions of some topics become what they were earlier, and it starts
again: the rail has then paid what the log does not know.
"""

import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from checks import sound, start
from cluster import Cluster, forget_groups
from conftest import in_memory
from harness import TIMELINE, Deployment, until
from loads import TICK_US, Load, ledgers, played_in_memory
from verifier import Schema, kafka

from supplytwin.schemas.records import JOURNAL, RECEIPTS
from supplytwin.streams import deployment, topics
from supplytwin.streams.children import command
from supplytwin.streams.conductor import Conductor, intervals, send
from supplytwin.streams.ports import Admin, TopicPartition
from supplytwin.streams.settings import Kafka, Settings, Time
from supplytwin.streams.summary import fold_journal
from supplytwin.streams.topics import ALL, DERIVED, GATEWAY_GROUP, INPUTS, WORKER_GROUP, places

pytestmark = pytest.mark.kafka

PARTITIONS = 4
LOAD = Load(chains=24, seed=31, spacing_s=7_200)
OURS = (*DERIVED, RECEIPTS)
"""What our processes write; what companies have sent is there."""
LONG_AGO = "2000-01-01T00:00:00Z"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Cluster]:
    """A broker for one test: its files are changed under it."""
    folder = in_memory(tmp_path)
    found = Cluster(folder)
    yield found
    found.close()
    shutil.rmtree(folder)


class Disaster:
    """Plays the load round by round, so that the log can be put back in between."""

    def __init__(self, cluster: Cluster, deployed: Deployment, folder: Path) -> None:
        self.cluster, self.deployed, self.kept = cluster, deployed, folder / "kept"
        self.rounds = intervals(LOAD.messages, TICK_US)
        self.tick = 0

    def play(self, rounds: int) -> None:
        """So many rounds more; when everything has been sent, ticks alone."""
        deployed = self.deployed
        conductor = Conductor(
            deployed.broker, partitions=PARTITIONS, timeline=TIMELINE, pump=deployed.assert_alive
        )
        records = deployed.broker.producer(None)
        ticks = deployed.broker.producer(topics.TICK_ID)
        ticks.init(30.0)
        for _ in range(rounds):
            self.tick, batch = next(self.rounds, (self.tick + TICK_US, []))
            for message in batch:
                send(records, message)
            conductor._round(records, ticks, self.tick)
        records.close()
        ticks.close()

    def booked(self) -> list[str]:
        """Settlement ids of all that the rail has booked, as often as it has."""
        with sqlite3.connect(
            f"file:{self.deployed.settings.gateway.ledger}?mode=ro", uri=True
        ) as db:
            return sorted(one for (one,) in db.execute("SELECT settlement_id FROM entry"))

    def answered(self) -> set[str]:
        """Settlement ids of the payments of which the log has the rail's word."""
        schema = Schema(RECEIPTS)
        values = (raw.value or b"" for raw in kafka(self.cluster.bootstrap)(RECEIPTS))
        return {
            one["settlement_id"]
            for one in map(schema.decode, values)
            if (one["kind"], one["rail_status"]) == ("PAY", "ACSC")
        }

    def _partitions(self, names: Sequence[str]) -> list[Path]:
        data = self.cluster.data()
        return [data / f"{name}-{number}" for name in names for number in range(PARTITIONS)]

    def keep(self) -> None:
        """Remember how the log is now."""
        self.deployed.stop()
        self.cluster.stop()
        for one in self._partitions(OURS):
            shutil.copytree(one, self.kept / one.name)
        self.cluster.launch()
        self.cluster.wait()
        start(self.deployed)

    def strike(self, names: Sequence[str]) -> None:
        """These topics are again as they were kept, and no group has an offset."""
        for name in list(self.deployed.children):
            self.deployed.kill(name)
        self.deployed.children.clear()
        self.cluster.kill()
        for one in self._partitions(names):
            shutil.rmtree(one)
            shutil.copytree(self.kept / one.name, one)
        self.cluster.launch()
        self.cluster.wait()
        forget_groups(self.cluster.bootstrap, (WORKER_GROUP, GATEWAY_GROUP))

    def recover(self) -> None:
        """What docs/operations.md says, by the commands."""
        deployed = self.deployed
        done = subprocess.run(
            command("offsets", "restore", "--from-journal"),
            env=deployed.environment("operator"),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "offsets given back" in done.stdout
        for slot in (0, 1):
            deployed.worker(slot)
        deployed.start("gateway", "gateway", "--recover-since", LONG_AGO)
        until(lambda: deployed.up(0, 1), "the workers share the partitions")
        until(lambda: self.told("recovered") != [], "the gateway has recovered")

    def told(self, event: str) -> list[dict[str, object]]:
        """Lines of the gateway's log."""
        return [one for one in self.deployed.said("gateway") if one["event"] == event]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(OURS, id="all that we write"),
        pytest.param((JOURNAL,), id="the journal", marks=pytest.mark.full),
    ],
)
def test_a_lost_tail_pays_nobody_twice(alone: Cluster, folder: Path, names: Sequence[str]) -> None:
    """The tail is lost after the gateway has sent: every claim is paid once, and the operator is
    told what was queried and what was found.
    """
    deployed = Deployment(alone.bootstrap, folder / "run", partitions=PARTITIONS)
    try:
        start(deployed)
        disaster = Disaster(alone, deployed, folder)
        disaster.play(7)
        disaster.keep()
        before, answered = disaster.booked(), disaster.answered()
        disaster.play(5)
        answered_later = disaster.answered()
        assert len(disaster.booked()) > len(before) and len(answered_later) > len(answered), (
            "the rail must have paid, and said so, in the tail that is lost"
        )
        disaster.strike(names)
        forgotten = set(disaster.booked()) - set(before)
        disaster.recover()
        disaster.play(60)
        claims = [one for ledger in ledgers(LOAD) for one in ledger.settlements]
        due = sorted(one.settlement_id for one in claims if one.outcome == "PAY")
        assert disaster.booked() == due, "every claim that is due is paid once, no other"
        (found,) = disaster.told("recovered")
        assert found["queried"] and found["answers"]
        if RECEIPTS in names:
            lost = {
                str(one["settlement_id"])
                for one in disaster.told("the rail had answered what the log has lost")
            }
            assert lost == answered_later - answered, "the operator is told of each payment"
            deployed.stop()
            sound(deployed, LOAD, forgotten)
        else:
            deployed.stop()
            assert finals(deployed) == {
                one.settlement_id: "SETTLED" if one.outcome == "PAY" else "EXPIRED"
                for one in claims
            }
    finally:
        deployed.close()


def finals(deployed: Deployment) -> dict[str, str]:
    """What became of each claim by the decisions of the journal: in the topics that were not put
    back stand those of the lost tail, too.
    """
    entries, events = Schema(JOURNAL), Schema("settlement.events")
    found: dict[str, str] = {}
    for raw in kafka(deployed.settings.kafka.bootstrap)(JOURNAL):
        entry = entries.decode(raw.value or b"")
        if entry["kind"] == "DECISION":
            event = events.decode(entry["body"])
            found[event["settlement_id"]] = event["to_state"]
    return found


@pytest.mark.parametrize("left", [0.0, 0.5, 0.9])
def test_inputs_that_are_read_again_change_nothing(tmp_path: Path, left: float) -> None:
    """Offsets that are older than the journal, as after an abort of `__consumer_offsets` alone:
    no record is written, and what follows from the journal stays what it is.
    """
    broker = played_in_memory(LOAD, tmp_path, PARTITIONS)
    wanted = places(INPUTS, PARTITIONS)
    admin = broker.admin()
    ends, done = admin.ends(places(ALL, PARTITIONS), "read_uncommitted"), reached(admin, wanted)
    said = fold_journal(broker, PARTITIONS)
    admin.commit(WORKER_GROUP, {at: int(left * offset) for at, offset in done.items()})
    settings = Settings(
        kafka=Kafka(partitions=PARTITIONS), time=Time(simulated=True, timeline=TIMELINE)
    )
    worker = deployment.worker(broker, settings, topics.require_meta(broker))
    try:
        until(lambda: not worker.turn(0.0) and reached(admin, wanted) == done, "all is read again")
    finally:
        worker.close()
    assert admin.ends(places(ALL, PARTITIONS), "read_uncommitted") == ends
    assert fold_journal(broker, PARTITIONS) == said


def reached(admin: Admin, wanted: list[TopicPartition]) -> dict[TopicPartition, int]:
    """The worker's offsets, each known."""
    return {at: offset or 0 for at, offset in admin.committed(WORKER_GROUP, wanted).items()}
