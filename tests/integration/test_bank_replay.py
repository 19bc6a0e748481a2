"""All state is deleted and the journal replayed while the rail is alive: nothing is sent, the state
is the same, and an audit recomputes every decision.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bank_world import CLOCK, SETTLEMENT, Bank, Loop, opened, over_http

from supplytwin.processors.chain import canonical_hash
from supplytwin.schemas.records import (
    CONTROL,
    INSTRUCTIONS,
    JOURNAL,
    RECEIPTS,
    SENT,
    SETTLEMENT_EVENTS,
)
from supplytwin.streams.audit import Audited, Recount
from supplytwin.streams.ports import TopicPartition
from supplytwin.streams.topics import GATEWAY_GROUP

TOPICS = (JOURNAL, INSTRUCTIONS, RECEIPTS, SENT)


@pytest.fixture
def bank() -> Iterator[Bank]:
    """A bank at five o'clock of the day on which the claim is proved."""
    with opened(CLOCK) as one:
        yield one


def posts(bank: Bank) -> int:
    """How many payments and recalls the bank has been handed."""
    asked = bank.ask("GET", "/_mock/requests?path=/payments")
    return sum(one["method"] == "POST" for one in asked)


def values(one: Loop) -> dict[str, list[bytes | None]]:
    return {name: [r.value for r in one.chain.driver.read(name)] for name in TOPICS}


def drafted(one: Loop) -> set[tuple[str, bytes]]:
    """Every message that the gateway has kept: its id and its bytes."""
    return {(kept.message_id, kept.body) for kept in one.sent()}


def audited(one: Loop) -> Audited:
    """What an audit of the journal says, its events and instructions compared."""
    found = Audited()
    count = Recount(0, "test", found)
    for record in one.chain.driver.read(JOURNAL):
        count.take(record)
    count.close()
    for topic in (SETTLEMENT_EVENTS, INSTRUCTIONS):
        count.compare(topic, one.chain.driver.read(topic), 1 << 60)
    return found


def lived(bank: Bank, folder: Path, days: int) -> Loop:
    """A claim that is accepted, settled, or settled and reconciled."""
    one = Loop(over_http(bank, folder), bank.party("ACME")).instructed()
    for _ in range(days):
        bank.ask("POST", "/_mock/advance?days=1")
        one.later()
    assert posts(bank) == 1
    return one


ENDS = pytest.mark.parametrize("days", [0, 1, 2], ids=["accepted", "settled", "reconciled"])


@ENDS
def test_a_replay_sends_nothing(bank: Bank, tmp_path: Path, days: int) -> None:
    """Worker and gateway begin with nothing but Kafka: the same hash, the same topics, 0 sends."""
    one = lived(bank, tmp_path, days)
    hashed, told = canonical_hash(one.chain.state), values(one)
    one.gateway.close()
    one.chain.restart()
    one.gateway = one.start()
    one.settle()
    assert posts(bank) == 1
    assert canonical_hash(one.chain.state) == hashed
    assert values(one) == told
    found = audited(one)
    assert found.decisions
    assert not found.differences


@ENDS
def test_without_its_offsets_the_gateway_says_nothing_new(
    bank: Bank, tmp_path: Path, days: int
) -> None:
    """It reads all instructions from the first one on: the bank gets no other message than the one
    that it had, books once; it is asked how that is, and nothing moves.
    """
    one = lived(bank, tmp_path, days)
    hashed, told, heard = canonical_hash(one.chain.state), drafted(one), set(one.receipts())
    one.gateway.close()
    places = [TopicPartition(topic, 0) for topic in (INSTRUCTIONS, CONTROL, SENT)]
    one.broker.admin().commit(GATEWAY_GROUP, dict.fromkeys(places, 0))
    one.chain.restart()
    one.gateway = one.start()
    one.settle()
    paid = bank.ask("GET", f"/_mock/payments/{SETTLEMENT}?all")
    assert len({row["msg_id"] for row in paid}) == 1
    assert sum(bool(row["booked_at"]) for row in paid) == bool(days)
    assert drafted(one) == told
    assert heard <= set(one.receipts()) <= heard | {("PAY", "ACSP")}
    assert canonical_hash(one.chain.state) == hashed
