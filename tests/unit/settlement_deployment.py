"""The contract of docs/settlement-simulate.md in a deployment in memory: worker, gateway, rail."""

import json
from pathlib import Path
from typing import Any

from supplytwin.processors import settlement_lines
from supplytwin.schemas import codec
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import CONTRACTS, REVIEWS, Review
from supplytwin.streams import deployment, topics
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time
from supplytwin.streams.summary import read_all

DOC = (Path(__file__).parents[2] / "docs" / "settlement-simulate.md").read_text()
CONTRACT = DOC.split("```json\n")[1].split("```")[0]
CASES = [one.split("```")[0] for one in DOC.split("```jsonl\n")[1:]]
QUIET = ("refuse_hold", "reject_once", "reject", "give_back", "silent", "lose")


class Pumped:
    """A broker whose readers let the worker turn while they wait."""

    def __init__(self, broker: MemoryBroker, world: "World") -> None:
        self._broker, self._world = broker, world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def consumer(self, *args: Any, **options: Any) -> Any:
        inner, world = self._broker.consumer(*args, **options), self._world

        class Consumer:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            def consume(self, count: int, timeout_s: float) -> Any:
                if not world.still:
                    world.pump()
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
        self.still = False
        self.broker = MemoryBroker()
        topics.init(self.broker, self.settings)
        self.meta = topics.require_meta(self.broker)
        self.worker = deployment.worker(self.broker, self.settings, self.meta)
        self.gateway = deployment.gateway(self.broker, self.settings, self.meta)
        self.conductor = Conductor(self.broker, partitions=2, timeline="t", pump=self.pump)
        self.ticks = self.broker.producer(topics.TICK_ID)
        self.ticks.init(5.0)
        self.records = self.broker.producer(None)
        self.contract, _ = settlement_lines.read_contract(CONTRACT.encode())
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

    def events(self, case: int, until: str = "") -> None:
        """The events of a case of the page, up to one of a type, each in its time; then a day."""
        lines, wrong = settlement_lines.read(CASES[case].encode())
        assert not wrong
        for line in lines:
            if line.kind == "event":
                event: Any = line.body
                while self.now < event.recorded_time:
                    self.days(1)
                self.send(event.TOPIC, event, event.recorded_time)
                if until == event.TYPE:
                    break
        self.days(1)

    def told(self) -> list[Review]:
        found = [codec.decode(REVIEWS, r.value or b"").message
                 for r in read_all(self.broker, REVIEWS, 2)]  # fmt: skip
        return [one for one in found if isinstance(one, Review)]
