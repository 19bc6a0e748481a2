"""Wall-clock time: chains of now that are payable as soon as their last receipt is in, a feed, and
strangers whose transactions stand on the inputs.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import count
from typing import Any

from confluent_kafka import Producer
from harness import Deployment, until
from msgspec import Struct
from verifier import Raw, Schema, kafka

from supplytwin.processors import simulate_events as tell
from supplytwin.schemas import codec
from supplytwin.schemas.events import CUSTOMS, CustomsHoldPlaced, Event, ShipmentArrived
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, SECOND_US, Micros, partition_of
from supplytwin.schemas.records import CONTROL
from supplytwin.streams.kafka_errors import client_log
from supplytwin.streams.ticker import wall_clock_us

PARTITIONS, TICK_MS = 4, 50
_PLANNED_US = 9 * DAY_US // 2
"""Planned so long ago, all of it has happened by now, and the deadline is half a day away."""


numbers = count(1)
"""No two chains of a deployment have the same."""


class Payable(Struct, frozen=True, kw_only=True):
    """One chain with one claim: everything but the last receipts, those, and a hold."""

    chain_id: str
    before: tuple[Message, ...]
    receipts: tuple[Message, ...]
    hold: Message

    @property
    def messages(self) -> int:
        """Facts of it, the contract and the hold not counted."""
        return len(self.before) - 1 + len(self.receipts)


def payable(number: int, name: str, *, exact: bool = False) -> Payable:
    """Chain `number`, called `name`-number, or `exact`ly `name`; all of it has just happened."""
    chain_id = name if exact else f"{name}-{number:06d}"
    planned = (wall_clock_us() - _PLANNED_US) // 1000 * 1000
    parcel = tell.Consignment(
        claim_id="A1",
        consignment_id=f"{chain_id}-A1",
        lines=(
            tell.Line(
                line_id=f"{chain_id}-L1", qty=Decimal(10), price_minor=100 + number,
                mass_kg=Decimal(5),
            ),
        ),
        etas=0,
        mode="SEA",
        site="GSK Ware (UK)",
        country="Kenya",
        planned=planned,
        late=None,
        revoked=None,
        corrected=None,
        draw=tell.Draw(1, number),
    )  # fmt: skip
    begins = planned - 10 * DAY_US
    told = list(tell.consignment(chain_id, begins, "EUR", parcel))
    receipts = tuple(message for message in told if message.topic == "supply.warehouse")
    before = (
        tell.contract(chain_id, begins, "EUR", [parcel]),
        *(message for message in told if message not in receipts),
    )
    return Payable(
        chain_id=chain_id, before=before, receipts=receipts, hold=_hold(before, chain_id)
    )


def _hold(told: Sequence[Message], chain_id: str) -> Message:
    """A customs hold on the declaration of this chain, of a second ago."""
    some: Any = next(message.body for message in told if message.topic == CUSTOMS)
    envelope = {name: getattr(some, name) for name in Event.__struct_fields__}
    now = Micros((wall_clock_us() - SECOND_US) // 1000 * 1000)
    envelope |= {"event_id": f"hold:{chain_id}", "event_type": CustomsHoldPlaced.TYPE,
                 "event_time": now, "revision": now, "recorded_time": now}  # fmt: skip
    hold = CustomsHoldPlaced(**envelope, hold_id=f"H-{chain_id}", authority="simulated:customs")
    return Message(topic=CUSTOMS, key=chain_id, arrival=now, body=hold)


def eta(chain_id: str, number: int) -> Message:
    """One of many estimates for a chain: a fact that decides nothing."""
    now = Micros(wall_clock_us() // 1000 * 1000)
    body = ShipmentArrived(
        event_id=f"eta:{chain_id}:{number}", source="simulated:carrier", revision=now,
        event_type=ShipmentArrived.TYPE, classifier="ESTIMATED", event_time=now,
        event_tz="+00:00", time_precision="MS", recorded_time=now, chain_id=chain_id,
        subject_type="ORDER_LINE", subject_id=f"{chain_id}-L1",
    )  # fmt: skip
    return Message(topic=ShipmentArrived.TOPIC, key=chain_id, arrival=now, body=body)


def chain_on(partition: int, partitions: int, name: str = "NOISE") -> str:
    """The first chain id of a name that belongs to a partition number."""
    number = 0
    while partition_of(f"{name}-{number}".encode(), partitions) != partition:
        number += 1
    return f"{name}-{number}"


@contextmanager
def beside(*loops: Callable[[threading.Event], None]) -> Iterator[None]:
    """Runs each in a thread until the end; what one raises fails the test."""
    stop, failed = threading.Event(), []

    def run(loop: Callable[[threading.Event], None]) -> None:
        try:
            loop(stop)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(loop,)) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60.0)
    assert not failed, failed


class Feed:
    """Sends messages; all of them are acknowledged when `send` returns. With a `name` it is a
    stranger: what it sends stands in its transaction until `commit` or `abort`.
    """

    def __init__(self, bootstrap: str, name: str = "") -> None:
        config: dict[str, Any] = {
            "bootstrap.servers": bootstrap,
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "linger.ms": 1,
            "retry.backoff.ms": 10,
        }
        if name:
            config |= {"transactional.id": name, "transaction.timeout.ms": 300_000}
        self._native = Producer(config, logger=client_log)
        if name:
            self._native.init_transactions(60.0)

    def begin(self) -> None:
        self._native.begin_transaction()

    def send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            value = codec.encode(message.topic, message.body)
            self._native.produce(message.topic, value, message.key.encode())
            self._native.poll(0)
        assert self._native.flush(60.0) == 0

    def raw(self, topic: str, key: bytes, value: bytes, partitions: Iterable[int]) -> None:
        """One record that is none of ours on each of some partitions."""
        for number in partitions:
            self._native.produce(topic, value, key, partition=number)
        assert self._native.flush(60.0) == 0

    def commit(self) -> None:
        self._native.commit_transaction(60.0)

    def abort(self) -> None:
        self._native.abort_transaction(60.0)

    def close(self) -> None:
        self._native.close()


class Outcome:
    """What has come of chains so far, as anybody can read it."""

    def __init__(self, deployed: Deployment) -> None:
        self.raw = kafka(deployed.settings.kafka.bootstrap)
        self._deployed = deployed

    def records(self, topic: str) -> Iterable[tuple[Raw, dict[str, Any]]]:
        schema = Schema(topic)
        for raw in self.raw(topic):
            yield raw, schema.decode(raw.value or b"")

    def pays(self) -> dict[str, list[int]]:
        """chain -> when a PAY was written for it, ms since 1970."""
        found: dict[str, list[int]] = defaultdict(list)
        for raw, record in self.records("settlement.instructions"):
            if record["kind"] == "PAY":
                found[record["chain_id"]].append(raw.timestamp)
        return found

    def states(self) -> dict[str, str]:
        """chain -> the state of its claim."""
        return {
            record["chain_id"]: record["to_state"]
            for _, record in self.records("settlement.events")
        }

    def arrivals(self, topic: str) -> dict[str, int]:
        """chain -> the time that Kafka gave its last record of an input, ms since 1970."""
        return {(raw.key or b"").decode(): raw.timestamp for raw in self.raw(topic)}

    def await_states(self, chains: Sequence[Payable], state: str, patience_s: float) -> float:
        """Until the claim of each chain is in `state`; how long it took, s."""

        def reached() -> bool:
            found = self.states()
            return all(found.get(one.chain_id) == state for one in chains)

        return until(reached, f"every claim is {state}", patience_s, every_s=0.25)

    def await_calm(self, ticks: int = 3) -> None:
        """Until the workers have read everything, and some more ticks were handled."""
        for _ in range(ticks):
            until(lambda: not self._behind(), "the workers read everything")
            time.sleep(0.2)

    def _behind(self) -> bool:
        """Ticks go on all the time: of the control topic nobody is at the end for long."""
        return any(at.topic != "control" for at in self._deployed.behind())


class World:
    """A deployment with gateway and ticker, without a worker."""

    def __init__(self, deployed: Deployment) -> None:
        self.deployed = deployed
        self.bootstrap = deployed.settings.kafka.bootstrap
        self.feed = Feed(self.bootstrap)
        self.outcome = Outcome(deployed)

    @contextmanager
    def engine(self, variant: str = "", *words: str) -> Iterator[None]:
        """Worker 0, right or wrong, and the ticker, for a while."""
        before = self.deployed.written((CONTROL,))
        self.deployed.worker(0, *words, variant=variant)
        self.deployed.ticker()
        until(lambda: self.deployed.up(0), "the worker is up")
        until(lambda: self.deployed.written((CONTROL,)) > before, "the ticker ticks")
        yield
        codes = self.deployed.stop("worker-0", *{"ticker"} & self.deployed.children.keys())
        assert set(codes.values()) == {0}, codes

    def reserved(self, chains: int, name: str) -> list[Payable]:
        """New chains whose money is reserved and who lack only their receipts."""
        made = [payable(next(numbers), name) for _ in range(chains)]
        self.feed.send(message for one in made for message in one.before)
        self.outcome.await_states(made, "RESERVED", 120.0)
        return made

    def partition(self, chain: Payable) -> int:
        return partition_of(chain.chain_id.encode(), PARTITIONS)

    def stranger(self, number: int = 0) -> Feed:
        return Feed(self.bootstrap, f"stranger-{number}")

    def paid(self, chains: Sequence[Payable]) -> set[str]:
        """Which of them were told to be paid, each of them once."""
        told = self.outcome.pays()
        found = {one.chain_id for one in chains if one.chain_id in told}
        assert all(len(told[chain]) == 1 for chain in found)
        return found
