"""`supplytwin settlement`: claims are found, shown and explained from topics, file and export; acts
are records, and the worker's answer is what is told."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from supplytwin.processors import settlement_case
from supplytwin.processors.settlement_state import PUBLIC
from supplytwin.schemas import codec
from supplytwin.schemas.errors import TransientError, UsageError
from supplytwin.schemas.ids import DAY_US, SECOND_US
from supplytwin.schemas.records import CONTRACTS, JOURNAL, REVIEWS, Review
from supplytwin.sinks.duck import DuckSink
from supplytwin.streams import cli, cli_settlement, deployment, topics
from supplytwin.streams import settlement_read as read
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.journal_file import write
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time
from supplytwin.streams.summary import read_all

DOC = (Path(__file__).parents[2] / "docs" / "settlement-simulate.md").read_text()
CONTRACT = DOC.split("```json\n")[1].split("```")[0]
CASES = [one.split("```")[0] for one in DOC.split("```jsonl\n")[1:]]
QUIET = ("refuse_hold", "reject_once", "reject", "give_back", "silent", "lose")
WHO = ("--as", "olga", "--reason", "looked at it")


class Pumped:
    """A broker whose readers let the worker turn while they wait."""

    def __init__(self, broker: MemoryBroker, pump: Any) -> None:
        self._broker, self.pump = broker, pump

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def consumer(self, *args: Any, **options: Any) -> Any:
        inner, pump = self._broker.consumer(*args, **options), self.pump

        class Consumer:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            def consume(self, count: int, timeout_s: float) -> Any:
                pump()
                return inner.consume(count, 0.0)

        return Consumer()


class World:
    """The contract of the page in a deployment: its worker, its rail, a day at a time."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            kafka=Kafka(partitions=2),
            time=Time(simulated=True, timeline="t"),
            gateway=Gateway(ledger=str(folder / "rail"), behaviour=dict.fromkeys(QUIET, 0)),
        )
        self.broker = MemoryBroker()
        topics.init(self.broker, self.settings)
        self.meta = topics.require_meta(self.broker)
        self.worker = deployment.worker(self.broker, self.settings, self.meta)
        self.gateway = deployment.gateway(self.broker, self.settings, self.meta)
        self.conductor = Conductor(self.broker, partitions=2, timeline="t", pump=self.pump)
        self.ticks = self.broker.producer(topics.TICK_ID)
        self.ticks.init(5.0)
        self.records = self.broker.producer(None)
        self.contract, _ = settlement_case.read_contract(CONTRACT.encode())
        assert self.contract is not None
        self.now = json.loads(codec.decode(CONTRACTS, codec.encode(CONTRACTS, self.contract))
                              .message.terms)["agreed_at"]  # fmt: skip
        self.send(CONTRACTS, self.contract, self.now)
        self.days(1)

    def pump(self) -> None:
        self.worker.turn(0.0)
        self.gateway.turn(0.0)

    def send(self, topic: str, message: Any, at: int) -> None:
        producer = self.broker.producer(None)
        value = codec.encode(topic, message)
        producer.produce(topic, message.chain_id.encode(), value, timestamp_us=at)
        producer.flush()

    def days(self, count: int) -> None:
        for _ in range(count):
            self.now += DAY_US
            self.conductor.quiet()
            self.conductor._round(self.records, self.ticks, self.now)
            self.conductor.quiet()

    def events(self, case: int, until: int = 10**18) -> None:
        """The events of a case of the page, each day after those that it brings."""
        lines, wrong = settlement_case.read(CASES[case].encode())
        assert not wrong
        for line in lines:
            if line.kind == "event":
                event: Any = line.body
                while self.now < event.recorded_time:
                    self.days(1)
                self.send(event.TOPIC, event, event.recorded_time)
        self.days(1)

    def told(self) -> list[Review]:
        found = [codec.decode(REVIEWS, r.value or b"").message
                 for r in read_all(self.broker, REVIEWS, 2)]  # fmt: skip
        return [one for one in found if isinstance(one, Review)]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A claim whose money is reserved, and the commands over it."""
    made = World(tmp_path)
    broker: Any = Pumped(made.broker, made.pump)
    chosen = Chosen(broker=broker, how="in memory", close=lambda: None)
    monkeypatch.setattr(cli_settlement, "connect", lambda context: (made.settings, chosen))
    yield made


def run(*words: str, code: int = 0, answer: str | None = None) -> str:
    done = CliRunner().invoke(cli.app, ["settlement", *words], input=answer)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stdout


def test_smoke(world: World) -> None:
    print(run("list"))
    print(run("show", "A-1"))
    print(run("explain", "C-1"))
    print(run("hold", "A-1", *WHO))
    print(run("hold", "A-1", *WHO))
    print(run("release", "A-1", *WHO, code=1, answer="y\n"))
    print(run("release", "A-1", "--as", "rosa", "--reason", "fine", answer="y\n"))
    print(run("recall", "A-1", *WHO, code=1))
    print(run("show", "A-1"))
    assert 0
