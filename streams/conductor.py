"""Simulated time, conducted: the records of an interval, quiet, the tick, quiet.

Quiet = worker and gateway have committed up to the ends of everything that they read, and a
second look finds the same ends. So a history of ten years replays in minutes and decides the
same every time.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count

from msgspec import Struct

from supplytwin.processors.settlement_state import ABSORBING
from supplytwin.schemas import codec
from supplytwin.schemas.errors import AbortError, FatalError, TransientError
from supplytwin.schemas.events import SUPPLY_TOPICS
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import (
    CONTRACTS,
    CONTROL,
    INSTRUCTIONS,
    SETTLEMENT_EVENTS,
    Contract,
    Control,
    SettlementEvent,
)
from supplytwin.schemas.terms_read import decode as decode_terms
from supplytwin.streams import framed
from supplytwin.streams.checkpoint import insist
from supplytwin.streams.ports import Broker, Eof, Producer, TopicPartition
from supplytwin.streams.ticker import write
from supplytwin.streams.topics import GATEWAY_GROUP, INPUTS, TICK_ID, WORKER_GROUP

TICK_S = 60.0
Pump = Callable[[], None]
"""Called while waiting: sleeps a little, or turns components that live in this process."""
Progress = Callable[[int, int], None]
"""(records sent, tick time)"""


class OpenClaim(Struct, frozen=True, kw_only=True):
    """A claim that is not absorbing at the end, and why."""

    chain_id: str
    claim_id: str
    state: str
    reason: str


class Played(Struct, frozen=True, kw_only=True):
    """What a conducted feed did. Times in us."""

    records: int
    rounds: int
    first_tick: int
    last_tick: int
    claims: int
    open_claims: tuple[OpenClaim, ...]


class Ledger:
    """Follows settlement.events to know which claims are not absorbing yet."""

    def __init__(self, broker: Broker, partitions: int) -> None:
        self._consumer = broker.consumer(None, from_start=True)
        self._consumer.assign(
            {TopicPartition(SETTLEMENT_EVENTS, number): 0 for number in range(partitions)}
        )
        self._latest: dict[str, SettlementEvent] = {}

    def read(self) -> None:
        """Take everything that is readable now."""
        idle = 0
        while idle < 2:
            got = self._consumer.consume(5000, 0.05)
            records = [item for item in got if not isinstance(item, Eof)]
            idle = idle + 1 if not records else 0
            for record in records:
                event = codec.decode(SETTLEMENT_EVENTS, record.value or b"").message
                if isinstance(event, SettlementEvent):
                    self._latest[event.settlement_id] = event

    def known(self) -> int:
        return len(self._latest)

    def open(self) -> tuple[OpenClaim, ...]:
        return tuple(
            OpenClaim(
                chain_id=event.chain_id,
                claim_id=event.claim_id,
                state=event.to_state,
                reason=event.reason,
            )
            for _, event in sorted(self._latest.items())
            if event.to_state not in ABSORBING
        )

    def close(self) -> None:
        self._consumer.close()


class Conductor:
    """Plays messages on their own timeline against a running worker and gateway."""

    def __init__(
        self,
        broker: Broker,
        *,
        partitions: int,
        timeline: str,
        pump: Pump = lambda: time.sleep(0.004),
        patience_s: float = 120.0,
    ) -> None:
        self._broker = broker
        self._partitions = partitions
        self._timeline = timeline
        self._pump = pump
        self._patience_s = patience_s
        self._admin = broker.admin()
        numbers = range(partitions)
        self._inputs = [TopicPartition(topic, number) for topic in INPUTS for number in numbers]
        self._paid = [
            TopicPartition(topic, number) for topic in (INSTRUCTIONS, CONTROL) for number in numbers
        ]

    def play(
        self, messages: Iterable[Message], interval_us: int, progress: Progress | None = None
    ) -> Played:
        """Send everything, tick by tick, then tick on until every claim is absorbing.

        Ends at the latest two ticks after the largest long stop. Raises FatalError naming
        group, topic and partition when the worker or the gateway stays behind for longer than
        the patience.
        """
        framed.require(self._broker, (*SUPPLY_TOPICS, CONTRACTS, CONTROL))
        records = self._broker.producer(None)
        ticks = self._broker.producer(TICK_ID)
        ticks.init(30.0)
        ledger = Ledger(self._broker, self._partitions)
        claims: set[tuple[str, str, str]] = set()
        sent = rounds = first = tick = long_stop = 0
        try:
            for tick, batch in intervals(messages, interval_us):
                first = first or tick
                for message in batch:
                    if isinstance(message.body, Contract):
                        terms = decode_terms(message.body.terms)
                        claims |= {
                            (terms.contract_id, one.tranche_id, one.claim_id)
                            for one in terms.claims
                        }
                        long_stop = max(long_stop, terms.long_stop)
                    send(records, message)
                sent += len(batch)
                rounds += 1
                self._round(records, ticks, tick)
                if progress is not None:
                    progress(sent, tick)
            for extra in count(1):
                ledger.read()
                over = tick > long_stop + 2 * interval_us
                if over or (ledger.known() >= len(claims) and not ledger.open()):
                    break
                tick += interval_us
                rounds += 1
                self._round(records, ticks, tick)
                if progress is not None and extra % 4 == 0:
                    progress(sent, tick)
            return Played(
                records=sent,
                rounds=rounds,
                first_tick=first,
                last_tick=tick,
                claims=len(claims),
                open_claims=ledger.open(),
            )
        finally:
            ledger.close()
            records.close()
            ticks.close()
            self._admin.close()

    def _round(self, records: Producer, ticks: Producer, tick: int) -> None:
        records.flush()
        self.quiet()
        write_tick(ticks, tick, self._partitions, self._timeline)
        self.quiet()

    def quiet(self) -> None:
        """Wait until nobody is behind, twice with the same ends."""
        deadline = time.monotonic() + self._patience_s
        before: dict[TopicPartition, int] | None = None
        while True:
            ends, behind = self._look()
            if behind is None:
                if before == ends:
                    return
                before = ends
                continue
            before = None
            if time.monotonic() > deadline:
                raise FatalError(f"simulated time stands still: {behind}")
            self._pump()

    def _look(self) -> tuple[dict[TopicPartition, int], str | None]:
        """The ends of everything, and who is behind; a broker that restarts is asked again."""
        try:
            ends = self._admin.ends([*self._inputs, *self._paid], "read_uncommitted")
            behind = self._behind(WORKER_GROUP, self._inputs, ends)
            return ends, behind or self._behind(GATEWAY_GROUP, self._paid, ends)
        except TransientError as error:
            return {}, str(error)

    def _behind(
        self, group: str, partitions: Sequence[TopicPartition], ends: dict[TopicPartition, int]
    ) -> str | None:
        committed = self._admin.committed(group, partitions)
        for at in partitions:
            done = committed[at] or 0
            if done < ends[at]:
                place = f"{at.topic} partition {at.partition}"
                return f"{group} is at {done} of {ends[at]} in {place} after {self._patience_s} s"
        return None


def intervals(messages: Iterable[Message], interval_us: int) -> Iterator[tuple[int, list[Message]]]:
    """(tick, messages with previous tick < arrival <= tick), one for each interval, empty or
    not.
    """
    batch: list[Message] = []
    tick = 0
    for message in messages:
        if not tick:
            tick = -(-message.arrival // interval_us) * interval_us
        while message.arrival > tick:
            yield tick, batch
            batch = []
            tick += interval_us
        batch.append(message)
    if tick:
        yield tick, batch


def send(producer: Producer, message: Message) -> None:
    """Queue one message with its recorded arrival as the record's time."""
    producer.produce(
        message.topic,
        message.key.encode(),
        codec.encode(message.topic, message.body),
        timestamp_us=message.arrival,
    )


def write_tick(producer: Producer, tick: int, partitions: int, timeline: str) -> None:
    """One TICK on every control partition, in one transaction; written again when it aborts.

    Raises FatalError when that has not succeeded within a minute.
    """
    control = Control(
        input_id=f"tick:{timeline}:{tick}", kind="TICK", tick_time=Micros(tick), timeline=timeline
    )
    value = codec.encode(CONTROL, control)
    deadline = time.monotonic() + TICK_S
    while True:
        try:
            write(producer, value, partitions, deadline, tick)
            return
        except AbortError:
            insist(producer.abort, deadline, time.monotonic)
            if time.monotonic() > deadline:
                raise
