"""A failover that lost a tail: the log is shorter than what the rail has already done."""

from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from supplytwin.processors import simulate
from supplytwin.schemas import codec
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import CONTRACTS, RECEIPTS, Contract
from supplytwin.sinks.rail import Answer
from supplytwin.sinks.simulated_rail import booked
from supplytwin.streams import deployment, offsets, recovery, topics
from supplytwin.streams.conductor import Conductor, intervals, send
from supplytwin.streams.gateway import Gateway as Instructed
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time, WorkerSection

CHAINS = 15
LOST = (*topics.DERIVED, RECEIPTS)
"""What our processes write; the companies' own inputs are there."""


class Cluster:
    """A deployment that can lose the tail of what it wrote, while the rail keeps its ledger."""

    def __init__(self, folder: Path) -> None:
        self.ledger = folder / "rail.sqlite"
        self.settings = Settings(
            kafka=Kafka(partitions=2),
            time=Time(simulated=True, timeline="t"),
            worker=WorkerSection(close_after_days=0),
            gateway=Gateway(ledger=str(self.ledger)),
        )
        self.broker = MemoryBroker()
        topics.init(self.broker, self.settings)
        self.meta = topics.require_meta(self.broker)
        made = simulate.chains(CHAINS, 4, revocations=0.2, spacing_us=DAY_US // 4)
        self.ledger_of = made.ledger
        self.rounds = intervals(made.messages, 2 * DAY_US)
        self.records = self.broker.producer(None)
        self.now = 0
        self.start()

    def start(self) -> None:
        """New processes over what the log and the rail have."""
        self.worker = deployment.worker(self.broker, self.settings, self.meta)
        self.gateway: Instructed | None = None
        self.conductor = Conductor(self.broker, partitions=2, timeline="t", pump=self.pump)
        self.ticks = self.broker.producer(topics.TICK_ID)
        self.ticks.init(5.0)

    def open_gateway(self) -> None:
        self.gateway = deployment.gateway(self.broker, self.settings, self.meta)

    def close_gateway(self) -> None:
        if self.gateway is not None:
            self.gateway.close()
            self.gateway = None

    def pump(self) -> None:
        self.worker.turn(0.0)
        if self.gateway is not None:
            self.gateway.turn(0.0)

    def play(self, number: int) -> None:
        for _ in range(number):
            self.now, batch = next(self.rounds, (self.now + 2 * DAY_US, list[Message]()))
            for message in batch:
                send(self.records, message)
            self.conductor._round(self.records, self.ticks, self.now)

    def ends(self) -> dict[str, list[int]]:
        return {name: [log.end for log in self.broker._memory.topics[name].logs] for name in LOST}

    def fail_over(self, ends: dict[str, list[int]]) -> None:
        """Only what stood before `ends` is left, and no group has an offset."""
        self.worker.close()
        self.close_gateway()
        for name, numbers in ends.items():
            for log, end in zip(self.broker._memory.topics[name].logs, numbers, strict=True):
                keep = sum(at < end for at in log._offsets)
                del log._records[keep:], log._offsets[keep:]
                log.end = end
        for group in self.broker._memory.groups.values():
            group.offsets.clear()
        offsets.restore(self.broker, self.meta, lambda *_: None)
        self.start()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster whose rail has paid claims of which the log then knows nothing."""
    found = Cluster(tmp_path)
    found.open_gateway()
    found.play(7)
    kept, before = found.ends(), len(booked(found.ledger))
    found.play(4)
    assert len(booked(found.ledger)) > before, "the rail must have paid in the lost tail"
    found.fail_over(kept)
    yield found
    found.broker.close()


def recover(cluster: Cluster) -> recovery.Recovered:
    rail = deployment.simulated_rail(cluster.settings, cluster.meta)
    try:
        return recovery.recover(
            cluster.broker, rail, cluster.meta, 0, lambda *_: None, cluster.pump
        )
    finally:
        rail.close()


def test_no_claim_is_paid_twice_and_the_operator_hears_of_each(cluster: Cluster) -> None:
    """What the rail did in the lost tail is found and told; at the end one booking per claim."""
    paid = booked(cluster.ledger)
    found = recover(cluster)
    assert found.queried == CHAINS
    told = {one.settlement_id for one in found.lost if one.rail_status == "ACSC"}
    assert told and told <= paid.keys()
    assert sum(found.found.values()) == found.answers >= len(found.lost) > 0
    cluster.open_gateway()
    cluster.play(60)
    ledger = booked(cluster.ledger)
    assert all(len(entries) == 1 for entries in ledger.values())
    states = {
        claim.settlement_id: claim.state
        for store in cluster.worker.stores.values()
        for _, state in store.states.items()
        for claim in state.book.claims.values()
    }
    settled = {one for one, state in states.items() if state in ("SETTLED", "RETURNED")}
    assert settled == ledger.keys()


def test_a_second_recovery_finds_nothing_new(cluster: Cluster) -> None:
    """The receipts are in the log now, under the ids that they had."""
    first = recover(cluster)
    second = recover(cluster)
    assert first.lost != ()
    assert second.lost == ()
    assert second.answers == first.answers


def test_another_content_under_an_id_that_the_log_has_is_lost(cluster: Cluster) -> None:
    """A break has the id of what was told before: the id alone says nothing about it."""
    recover(cluster)
    rail = deployment.simulated_rail(cluster.settings, cluster.meta)
    answers = rail.told

    def told(settlements: Collection[str], until: int) -> list[Answer]:
        """As before, and one break."""
        found = answers(settlements, until)
        why = "NOT_UNDERSTOOD: attempt 1: a debit"
        return [*found, replace(found[0], receipt=replace(found[0].receipt, rail_reason=why))]

    rail.told = told  # type: ignore[method-assign]
    again = [
        recovery.recover(cluster.broker, rail, cluster.meta, 0, lambda *_: None, cluster.pump)
        for _ in range(2)
    ]
    rail.close()
    assert [len(one.lost) for one in again] == [1, 0]


def test_only_what_is_newer_or_not_over_is_queried(cluster: Cluster) -> None:
    """Settlements that ended before the recovery point are left alone."""
    cluster.open_gateway()
    cluster.play(60)
    cluster.close_gateway()
    rail = deployment.simulated_rail(cluster.settings, cluster.meta)
    found = recovery.recover(
        cluster.broker, rail, cluster.meta, cluster.now + 1, lambda *_: None, cluster.pump
    )
    rail.close()
    assert found.queried == 0


def test_an_ordinary_start_over_a_shorter_log_is_refused(tmp_path: Path) -> None:
    """A gateway whose offsets lie behind the end of the log says which way to start."""
    cluster = Cluster(tmp_path)
    cluster.open_gateway()
    cluster.play(3)
    group = cluster.broker._memory.groups[topics.GATEWAY_GROUP]
    for at in list(group.offsets):
        group.offsets[at] += 100
    cluster.open_gateway()
    with pytest.raises(UsageError, match="--recover-since"):
        for _ in range(50):
            cluster.pump()


def test_contracts_are_the_inputs_that_name_the_settlements(cluster: Cluster) -> None:
    """A claim whose every transition is lost is queried, too: its contract names it."""
    for name in ("settlement.events",):
        for log in cluster.broker._memory.topics[name].logs:
            log._records.clear()
            log._offsets.clear()
    assert CONTRACTS not in LOST
    found = recover(cluster)
    assert found.queried == CHAINS
    assert "" in {one.state for one in found.lost}


def test_what_was_refused_holds_up_no_recovery(cluster: Cluster) -> None:
    """Contracts and receipts that nobody can read are in the quarantine, and moved nothing."""
    stranger = cluster.broker.producer(None)
    for topic in (CONTRACTS, RECEIPTS, topics.CONTROL):
        stranger.produce(topic, b"@p0", b"\x01 not ours", partition=0, timestamp_us=cluster.now)
    contract = Contract(
        input_id="bad", source="desk", chain_id="C", contract_id="K", version=1, terms=b"{",
        terms_hash="",
    )  # fmt: skip
    stranger.produce(CONTRACTS, b"C", codec.encode(CONTRACTS, contract), timestamp_us=cluster.now)
    stranger.flush()
    assert recover(cluster).queried == CHAINS
