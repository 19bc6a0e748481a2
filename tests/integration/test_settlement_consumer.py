"""The consumer of docs/settlement-topics.md, as it stands there, against a real Kafka."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from supplytwin.schemas import codec
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import SETTLEMENT_EVENTS, SettlementEvent
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.ports import Producer, TopicSpec

pytestmark = pytest.mark.kafka

CODE = (
    (Path(__file__).parents[2] / "docs" / "settlement-topics.md")
    .read_text().split("```python\n")[1].split("```")[0]
)  # fmt: skip
PATIENCE_S = 60.0


def event(number: int, state: str, contract: str = "C-1") -> bytes:
    return codec.encode(
        SETTLEMENT_EVENTS,
        SettlementEvent(
            chain_id="PO-1", seq=number, index=0, fold_version="1", taken_at=Micros(1),
            timeline="t", contract_id=contract, contract_seq=number, settlement_id="5" * 32,
            tranche_id="T1", claim_id="A-1", row=1, from_state="NONE", to_state="CREATED",
            public_state=state, cause_chain_id=None, cause_seq=None, tick_time=Micros(1),
            rule_version="r/1", verdict=None, evidence_ids=(), amount_minor=100, currency="CNY",
            postings=(), reason="",
        ),
    )  # fmt: skip


def write(producer: Producer, topic: str, values: list[bytes], *, commit: bool = True) -> None:
    """One transaction with these records."""
    producer.begin()
    for value in values:
        producer.produce(topic, b"PO-1", value)
    if commit:
        producer.commit()
    else:
        producer.flush()  # they are in the log
        producer.abort()


class Running:
    """The consumer in a process of its own, and what it has printed."""

    def __init__(self, folder: Path, address: str, prefix: str, topic: str) -> None:
        script = folder / "consumer.py"
        named = '.subscribe(["settlement.events"])'
        assert named in CODE
        script.write_text(CODE.replace(named, f".subscribe([{topic!r}])"))
        words = [sys.executable, "-u", str(script), address, f"{prefix}subscriber"]
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._timer = threading.Timer(PATIENCE_S, self.process.kill)
        self._timer.start()

    def lines(self, count: int) -> list[str]:
        """The next lines; fewer when it has ended, or was killed after PATIENCE_S."""
        assert self.process.stdout is not None
        found = (self.process.stdout.readline().rstrip("\n") for _ in range(count))
        return [line for line in found if line]

    def end(self) -> str:
        """What it said at its end."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        self._timer.cancel()
        return said

    def stop(self) -> None:
        self._timer.cancel()
        self.process.kill()
        self.process.communicate()


def test_it_tells_each_decision_once_and_stops_at_a_gap(
    kafka: KafkaBroker,
    kafka_address: str,
    fresh_prefix: str,
    topic_spec: Callable[..., TopicSpec],
    tmp_path: Path,
) -> None:
    """Aborted decisions are never seen, records that come twice are told once, a hole ends it."""
    spec = topic_spec("settlement.events")
    admin = kafka.admin()
    admin.create([spec])
    producer = kafka.producer(f"{fresh_prefix}writer")
    producer.init(30.0)
    write(producer, spec.name, [event(1, "awaiting funds"), event(2, "funds reserved")])
    write(producer, spec.name, [event(3, "paid")], commit=False)
    write(producer, spec.name, [event(2, "funds reserved"), event(3, "conditions met")])
    running = Running(tmp_path, kafka_address, fresh_prefix, spec.name)
    try:
        assert running.lines(3) == [
            "A-1 awaiting funds 100 CNY",
            "A-1 funds reserved 100 CNY",
            "A-1 conditions met 100 CNY",
        ]
        write(producer, spec.name, [event(5, "paid")])
        assert running.lines(1) == []
        assert running.end() == "gap: C-1 goes from 3 to 5: read again\n"
        assert running.process.returncode == 1
    finally:
        running.stop()
        producer.close()
        admin.close()
