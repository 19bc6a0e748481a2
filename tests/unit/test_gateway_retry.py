"""What fails for a moment is tried again: no instruction is passed over, nobody waits for ever."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest
from settlement_world import CONTRACT

from supplytwin.schemas import codec
from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import INSTRUCTIONS, Instruction
from supplytwin.sinks.rail import Answer
from supplytwin.streams import gateway, topics
from supplytwin.streams.gateway import Gateway
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.memory_clients import MemoryConsumer
from supplytwin.streams.ports import TopicPartition
from supplytwin.streams.settings import Kafka, Settings, Time
from supplytwin.streams.topics import GATEWAY_GROUP

SETTINGS = Settings(kafka=Kafka(partitions=1), time=Time(simulated=True, timeline="test"))


class Rail:
    """It keeps what it is given; `away` says how often it is not to be reached."""

    name = "test"
    keeps = False

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.taken: list[str] = []

    def submit(self, instruction: Instruction) -> None:
        if self.away and instruction.instruction_id == "i-2":
            self.away -= 1
            raise TransientError("the bank does not answer")
        self.taken.append(instruction.instruction_id)

    reserve = release = status = recall = submit

    def draft(self, order: Instruction) -> None: ...

    def statements(self) -> int:
        return 0

    def answers(self, until: int) -> list[Answer]:
        return []

    def told(self, settlements: Collection[str], until: int) -> list[Answer]:
        return []

    def acknowledge(self, receipt_ids: Sequence[str]) -> None: ...

    def close(self) -> None: ...


def instruction(number: int) -> Instruction:
    fields: dict[str, Any] = {
        "chain_id": "PO-1", "seq": number, "index": 0, "fold_version": "1", "taken_at": Micros(1),
        "timeline": "test", "instruction_id": f"i-{number}", "instruction_no": number,
        "settlement_id": "s" * 32, "contract_id": CONTRACT, "tranche_id": "T1", "claim_id": "A-1",
        "kind": "PAY", "attempt": number, "hold_no": 1, "recall_no": 0, "query_no": 0,
        "amount_minor": 100, "currency": "CNY", "exponent": 2, "debtor": "B", "creditor": "S",
        "hold_until": Micros(10), "end_to_end_id": "s" * 32, "uetr": "u",
    }  # fmt: skip
    return Instruction(**fields)


@pytest.fixture
def broker() -> Iterator[MemoryBroker]:
    """Three instructions wait on one partition."""
    made = MemoryBroker()
    topics.init(made, SETTINGS)
    producer = made.producer(None)
    for number in (1, 2, 3):
        value = codec.encode(INSTRUCTIONS, instruction(number))
        producer.produce(INSTRUCTIONS, b"PO-1", value, partition=0, timestamp_us=1)
    producer.flush()
    producer.close()
    yield made
    made.close()


def turned(broker: MemoryBroker, rail: Rail, turns: int = 12) -> Gateway:
    made = Gateway(broker, rail, partitions=1, simulated=True)
    for _ in range(turns):
        made.turn(0.0)
    return made


def test_a_rail_that_is_away_for_a_moment_gets_every_instruction(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing behind the one that failed is passed over, and none is committed before it is taken;
    what is handed over again has its id, by which the rail knows it.
    """
    monkeypatch.setattr(gateway, "_PAUSE_S", 0.0)
    rail = Rail(away=2)
    turned(broker, rail).close()
    assert list(dict.fromkeys(rail.taken)) == ["i-1", "i-2", "i-3"]
    at = TopicPartition(INSTRUCTIONS, 0)
    assert broker.admin().committed(GATEWAY_GROUP, [at])[at] == 3


def test_a_broker_that_is_away_at_the_start_is_asked_again(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that could not ask where it had been does not sit there without a partition."""
    asked, real = [], MemoryConsumer.committed

    def committed(self: MemoryConsumer, *given: Any) -> Any:
        asked.append(given)
        if len(asked) == 1:
            raise TransientError("no coordinator")
        return real(self, *given)

    monkeypatch.setattr(MemoryConsumer, "committed", committed)
    rail = Rail()
    turned(broker, rail).close()
    assert rail.taken == ["i-1", "i-2", "i-3"]
