"""What fails for a moment is tried again: no instruction is passed over, nobody waits for ever."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pytest
from settlement_world import CONTRACT
from structlog.testing import capture_logs

from supplytwin.schemas import codec
from supplytwin.schemas.errors import AbortError, FatalError, TransientError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import (
    CONTROL,
    INSTRUCTIONS,
    RECEIPTS,
    Control,
    Instruction,
    Receipt,
)
from supplytwin.sinks.rail import Answer
from supplytwin.streams import gateway, topics
from supplytwin.streams.audit_run import read
from supplytwin.streams.gateway import Gateway
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.memory_clients import MemoryConsumer, MemoryProducer
from supplytwin.streams.ports import TopicPartition
from supplytwin.streams.settings import Kafka, Settings, Time
from supplytwin.streams.topics import GATEWAY_GROUP, WORKER_GROUP

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

    def findings(self) -> Sequence[str]:
        return ()

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
    with capture_logs() as lines:
        turned(broker, rail).close()
    assert lines[0] == {"event": "hands instructions over", "rail": "test", "log_level": "info"}
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


class Telling(Rail):
    """It has one answer, which it gives until that is acknowledged."""

    def __init__(self) -> None:
        super().__init__()
        self.told_receipt: Receipt | None = receipt()

    def answers(self, until: int) -> list[Answer]:
        return [] if self.told_receipt is None else [Answer(due=0, receipt=self.told_receipt)]

    def acknowledge(self, receipt_ids: Sequence[str]) -> None:
        assert list(receipt_ids) == ["r-1"]
        self.told_receipt = None


def receipt() -> Receipt:
    return Receipt(
        input_id="r-1", source="test", chain_id="PO-1", contract_id=CONTRACT,
        settlement_id="s" * 32, kind="PAY", instruction_no=1, attempt=1, hold_no=1, recall_no=0,
        query_no=0, rail_status="ACCP", rail_time=Micros(1),
    )  # fmt: skip


def ticked(broker: MemoryBroker) -> None:
    """A tick that the worker has committed: what is due may go out."""
    tick = Control(input_id="t", kind="TICK", tick_time=Micros(5), timeline="test")
    producer = broker.producer(None)
    producer.produce(CONTROL, b"@p0", codec.encode(CONTROL, tick), partition=0, timestamp_us=1)
    producer.close()
    admin, at = broker.admin(), TopicPartition(CONTROL, 0)
    admin.commit(WORKER_GROUP, admin.ends([at], "read_uncommitted"))


def told(broker: MemoryBroker) -> list[str]:
    """Receipt ids that a reader of committed records finds."""
    at = TopicPartition(RECEIPTS, 0)
    values = [record.value or b"" for record in read(broker, at, None, lambda *_: None)]
    return [codec.decode(RECEIPTS, value).message.input_id for value in values]  # type: ignore[attr-defined]


@pytest.mark.parametrize("call", ["begin", "produce", "send_offsets", "commit"])
def test_a_moment_without_a_broker_ends_no_transaction(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Each call of a transaction is made again until it succeeds: the answer is told once, and the
    gateway that was disturbed is the one that goes on.
    """
    ticked(broker)
    rail, failures = Telling(), [TransientError("no leader")] * 2
    running = Gateway(broker, rail, partitions=1, simulated=True)
    real = getattr(MemoryProducer, call)

    def disturbed(self: MemoryProducer, *given: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return real(self, *given, **named)

    monkeypatch.setattr(MemoryProducer, call, disturbed)
    for _ in range(12):
        running.turn(0.0)
    running.close()
    assert not failures
    assert told(broker) == ["r-1"]
    assert rail.taken == ["i-1", "i-2", "i-3"]


def test_an_abort_is_insisted_on(broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must be aborted is aborted, though the broker is away for a moment just then."""
    ticked(broker)
    rail = Telling()
    running = Gateway(broker, rail, partitions=1, simulated=True)
    aborts, real = [TransientError("no coordinator")] * 2, MemoryProducer.abort
    commits, commit = [AbortError("a record was not delivered")], MemoryProducer.commit

    def failing(self: MemoryProducer) -> None:
        if commits:
            raise commits.pop()
        commit(self)

    def late(self: MemoryProducer) -> None:
        if aborts:
            raise aborts.pop()
        real(self)

    monkeypatch.setattr(MemoryProducer, "commit", failing)
    monkeypatch.setattr(MemoryProducer, "abort", late)
    for _ in range(12):
        running.turn(0.0)
    running.close()
    assert not aborts
    assert not commits
    assert told(broker) == ["r-1"]


def test_a_rewind_that_fails_after_an_abort_is_made_again(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that is away when the gateway asks where it had been ends no process."""
    ticked(broker)
    running = Gateway(broker, Telling(), partitions=1, simulated=True)
    commits, commit = [AbortError("a record was not delivered")], MemoryProducer.commit
    away, real = [TransientError("no coordinator")], MemoryConsumer.committed

    def failing(self: MemoryProducer) -> None:
        if commits:
            raise commits.pop()
        commit(self)

    def committed(self: MemoryConsumer, *given: Any) -> Any:
        if away and not commits:
            raise away.pop()
        return real(self, *given)

    monkeypatch.setattr(MemoryProducer, "commit", failing)
    monkeypatch.setattr(MemoryConsumer, "committed", committed)
    for _ in range(12):
        running.turn(0.0)
    running.close()
    assert not away
    assert told(broker) == ["r-1"]


def test_an_abort_that_fails_ends_the_process(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then nobody knows what is committed: a new process asks Kafka."""
    ticked(broker)
    running = Gateway(broker, Telling(), partitions=1, simulated=True)

    def failing(self: MemoryProducer) -> None:
        raise AbortError("fenced")

    monkeypatch.setattr(MemoryProducer, "commit", failing)
    monkeypatch.setattr(MemoryProducer, "abort", failing)
    with pytest.raises(FatalError, match="abort"):
        for _ in range(12):
            running.turn(0.0)
    running.close()
