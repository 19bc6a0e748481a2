"""A contract under full terms whose worker has lost everything: its journal gives the same state
and the same decisions, and not one instruction reaches the rail again.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from failure_world import ARRIVAL_MINOR, EXPORT_MINOR, Failures
from settlement_full_world import day, electronics

from supplytwin.processors.chain import canonical_hash
from supplytwin.schemas import codec, journal
from supplytwin.schemas.events import SUPPLY_TOPICS
from supplytwin.schemas.ids import partition_of
from supplytwin.schemas.records import (
    CONTRACTS,
    CONTROL,
    INSTRUCTIONS,
    JOURNAL,
    SETTLEMENT_EVENTS,
    Instruction,
)
from supplytwin.sinks.rail import Answer
from supplytwin.sinks.simulated_rail import booked
from supplytwin.streams import audit_run, deployment, topics
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.gateway import Gateway as Instructed
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time
from supplytwin.streams.summary import read_all

PARTITIONS = 2
QUIET = ("refuse_hold", "reject_once", "reject", "give_back", "silent", "lose")
TIMELINE = "test"


class Live:
    """A rail that would pay: it keeps what reaches it."""

    name = "live"
    keeps = False

    def __init__(self) -> None:
        self.taken: list[Instruction] = []

    def submit(self, instruction: Instruction) -> None:
        """It would be paid."""
        self.taken.append(instruction)

    reserve = release = status = recall = submit

    def draft(self, order: Instruction) -> None:
        """It keeps no messages."""

    def findings(self) -> Sequence[str]:
        return ()

    def statements(self) -> int:
        return 0

    def answers(self, until: int) -> list[Answer]:
        return []

    def told(self, settlements: Collection[str], until: int) -> list[Answer]:
        return []

    def acknowledge(self, receipt_ids: Sequence[str]) -> None:
        """There is nothing to acknowledge."""

    def close(self) -> None:
        """Nothing is open."""


def told() -> list[Any]:
    """The keys, then what parties and companies say of the electronics, as it arrives."""
    world = Failures()
    world.export()
    world.cleared()
    world.received()
    found = [one for topic in (CONTROL, CONTRACTS, *SUPPLY_TOPICS)
             for one in world.driver.read(topic)]  # fmt: skip
    return sorted(found, key=lambda one: 0 if one.topic == CONTROL else one.arrival)


class Deployed:
    """A worker, a gateway, a rail, a day at a time."""

    def __init__(self, folder: Path, until: int) -> None:
        self.ledger = folder / "rail.sqlite"
        self.settings = Settings(
            kafka=Kafka(partitions=PARTITIONS),
            time=Time(simulated=True, timeline=TIMELINE),
            gateway=Gateway(ledger=str(self.ledger), behaviour=dict.fromkeys(QUIET, 0)),
        )
        self.broker = MemoryBroker()
        topics.init(self.broker, self.settings)
        self.meta = topics.require_meta(self.broker)
        self.worker = deployment.worker(self.broker, self.settings, self.meta)
        self.gateway = deployment.gateway(self.broker, self.settings, self.meta)
        self.conductor = Conductor(
            self.broker, partitions=PARTITIONS, timeline=TIMELINE, pump=self.pump
        )
        self.ticks = self.broker.producer(topics.TICK_ID)
        self.ticks.init(5.0)
        self.chain, self.number = electronics().chain_id, 0
        keys, *self.waiting = told()
        producer = self.broker.producer(None)
        for partition in range(PARTITIONS):
            producer.produce(CONTROL, f"@p{partition}".encode(), keys.value, partition=partition,
                             timestamp_us=day(0))  # fmt: skip
        producer.flush()
        for _ in range(20):
            self.pump()
        self.play(until)

    def pump(self) -> None:
        self.worker.turn(0.0)
        self.gateway.turn(0.0)

    def play(self, until: int) -> None:
        """The story goes on to a day: exported, paid, cleared, in the buyer's warehouse, paid."""
        records = self.broker.producer(None)
        while self.number < until:
            self.number += 1
            now = day(self.number)
            while self.waiting and self.waiting[0].arrival < now:
                one = self.waiting.pop(0)
                records.produce(one.topic, one.key, one.value, headers=one.headers,
                                timestamp_us=one.arrival)  # fmt: skip
            records.flush()
            self.conductor.quiet()
            self.conductor._round(records, self.ticks, now)
        self.conductor.quiet()

    def read(self, topic: str) -> list[Any]:
        return list(read_all(self.broker, topic, PARTITIONS))

    def orders(self) -> list[Instruction]:
        found = [codec.decode(INSTRUCTIONS, one.value or b"").message
                 for one in self.read(INSTRUCTIONS)]  # fmt: skip
        return [one for one in found if isinstance(one, Instruction)]

    def hash(self) -> str:
        """Of the canonical state of the chain."""
        states: Any = self.worker.stores[partition_of(self.chain.encode(), PARTITIONS)].states
        return canonical_hash(states[self.chain])

    def lose_all(self) -> Live:
        """Worker and gateway are gone with all that they had; new ones come, with a live rail."""
        self.worker.close()
        self.gateway.close()
        live: Any = Live()
        self.worker = deployment.worker(self.broker, self.settings, self.meta)
        self.gateway = Instructed(self.broker, live, partitions=PARTITIONS, simulated=True)
        for _ in range(200):
            self.pump()
        found: Live = live
        return found


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    """The story has been played; two shares are paid."""
    found = Deployed(tmp_path, 69)
    assert not found.waiting
    paid = [minor for entries in booked(found.ledger).values() for minor, _ in entries]
    assert sorted(paid) == [EXPORT_MINOR, ARRIVAL_MINOR]
    yield found
    found.broker.close()


def test_a_replay_sends_nothing_and_gives_the_same_state(deployed: Deployed) -> None:
    """All state is deleted; the journal alone gives the same canonical hash; a live rail is handed
    nothing, and no topic has a record more.
    """
    before = {topic: len(deployed.read(topic)) for topic in topics.ALL}
    state = deployed.hash()
    live = deployed.lose_all()
    assert live.taken == []
    assert deployed.hash() == state
    assert {topic: len(deployed.read(topic)) for topic in topics.ALL} == before


def test_an_audit_computes_every_decision_again(deployed: Deployed) -> None:
    """Of each DECISION of the contract's journal the same one follows, with each event and each
    instruction.
    """
    entries = [journal.read(one.value or b"") for one in deployed.read(JOURNAL)]
    decisions = sum(one.kind == "DECISION" for one in entries)
    found = audit_run.run(deployed.broker, deployed.meta, lambda *_: None)
    assert found.differences == []
    assert found.decisions == decisions == len(deployed.read(SETTLEMENT_EVENTS)) > 10
    assert found.derived[INSTRUCTIONS] == len(deployed.orders()) > 4


def test_a_replay_in_the_middle_pays_the_rest_and_nothing_twice(tmp_path: Path) -> None:
    """All is lost in the challenge window: the new processes hand the rail the one payment that is
    still to come, under the number that follows.
    """
    found = Deployed(tmp_path, 64)
    before = found.orders()
    assert [one.amount_minor for one in before if one.kind == "PAY"] == [EXPORT_MINOR]
    live = found.lose_all()
    assert live.taken == []
    found.play(65)
    assert [(one.kind, one.amount_minor) for one in live.taken] == [("PAY", ARRIVAL_MINOR)]
    assert found.orders() == [*before, *live.taken]
    assert live.taken[0].instruction_no == 2
    assert audit_run.run(found.broker, found.meta, lambda *_: None).differences == []
    found.broker.close()
