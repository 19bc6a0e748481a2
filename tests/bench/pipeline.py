"""The world of the pipeline benches: simulated chains of a given length, 15 % of their facts late.

A stretch is complete chains of one length: rounds of messages, each with a tick behind it, and a
few more ticks at the end. `simulate` gives the facts; here a share of them is delayed by up to a
week more (in real feeds 15.6 % arrive behind stream time, p90 seven days).
"""

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from canonical import PARTITIONS

from supplytwin.processors import simulate
from supplytwin.schemas import codec
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros, control_key
from supplytwin.schemas.records import CONTROL, Control
from supplytwin.streams.ports import Producer
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time
from supplytwin.streams.topics import Meta

LATE, LATE_US = 0.15, 7 * DAY_US
ROUND = 2_000
"""Messages between two ticks: what 200 ms are at the wanted 10,000 events/s."""
LENGTHS = {20: 300, 200: 30, 5_000: 2}
"""Facts per chain -> chains of one stretch."""
TIMELINE = "bench"
_AFTERWARDS = (2 * HOUR_US, DAY_US, 3 * DAY_US, 30 * DAY_US, 100 * DAY_US)
"""Ticks after the last message: bookings come, and what never became payable expires."""
META = Meta(simulated=True, timeline=TIMELINE, partitions=PARTITIONS)


class Sent(NamedTuple):
    """One message, encoded; `facts` are what is counted."""

    topic: str
    key: bytes
    value: bytes
    arrival: int
    is_fact: bool


class Round(NamedTuple):
    messages: list[Sent]
    tick: int


class Stretch(NamedTuple):
    """Complete chains of one length."""

    facts_per_chain: int
    chains: int
    events: int
    """Messages: facts and contracts. Receipts and ticks are not counted as events."""
    facts: int
    rounds: list[Round]


def settings(address: str, ledger: str) -> Settings:
    """A deployment on simulated time whose rail accepts and books everything."""
    nothing = dict.fromkeys(
        ("refuse_hold", "reject_once", "reject", "give_back", "silent", "lose"), 0
    )
    return Settings(
        kafka=Kafka(bootstrap=address, partitions=PARTITIONS),
        time=Time(simulated=True, timeline=TIMELINE),
        gateway=Gateway(ledger=ledger, behaviour=nothing),
    )


def messages(
    facts_per_chain: int, chains: int, seed: int, start: int, spacing_us: int = 0
) -> list[Sent]:
    """Everything that is sent about these chains, in the order of arrival."""
    made = simulate.chains(
        chains,
        seed,
        facts_per_chain=facts_per_chain,
        start=Micros(start),
        spacing_us=spacing_us or simulate.SPACING_US,
    )
    found = []
    for number, message in enumerate(made.messages):
        arrival, is_fact = message.arrival, isinstance(message.body, Event)
        digest = hashlib.sha256(f"{seed}\0{number}".encode()).digest()
        if is_fact and int.from_bytes(digest[:8], "big") < LATE * 2**64:
            arrival += int.from_bytes(digest[8:16], "big") % (LATE_US // 1000) * 1000
        value = codec.encode(message.topic, message.body)
        found.append(Sent(message.topic, message.key.encode(), value, arrival, is_fact))
    found.sort(key=lambda sent: sent.arrival)
    return found


def stretch(facts_per_chain: int, chains: int, seed: int, start: int) -> Stretch:
    """Complete chains that begin at `start`."""
    sent = messages(facts_per_chain, chains, seed, start)
    rounds = []
    for at in range(0, len(sent), ROUND):
        batch = sent[at : at + ROUND]
        rounds.append(Round(batch, batch[-1].arrival))
    last = rounds[-1].tick
    rounds += [Round([], last + after) for after in _AFTERWARDS]
    facts = sum(one.is_fact for one in sent)
    return Stretch(facts_per_chain, chains, len(sent), facts, rounds)


def stretches(turns: int, lengths: dict[int, int] | None = None) -> Iterator[Stretch]:
    """Stretches of each length, `turns` times, one after the other on one timeline."""
    start: int = simulate.START
    seed = 0
    for _ in range(turns):
        for facts_per_chain, chains in (lengths or LENGTHS).items():
            seed += 1
            made = stretch(facts_per_chain, chains, seed, start)
            start = (made.rounds[-1].tick // DAY_US + 1) * DAY_US
            yield made


def write(producer: Producer, sent: list[Sent]) -> None:
    """Append messages at their arrivals."""
    for topic, key, value, arrival, _ in sent:
        producer.produce(topic, key, value, timestamp_us=arrival)
    producer.flush()


def tick_value(tick: int) -> bytes:
    """A tick as record value."""
    control = Control(
        input_id=f"tick:{TIMELINE}:{tick}", kind="TICK", tick_time=Micros(tick), timeline=TIMELINE
    )
    return codec.encode(CONTROL, control)


def write_tick(producer: Producer, tick: int) -> None:
    """One tick on every partition, in one transaction."""
    value = tick_value(tick)
    producer.begin()
    for number in range(PARTITIONS):
        key = control_key(number).encode()
        producer.produce(CONTROL, key, value, partition=number, timestamp_us=tick)
    producer.commit()


class Tally(msgspec.Struct, frozen=True):
    """What a worker has counted; what a stretch must have added to it."""

    facts: int
    quarantined: int
    chains: int


def check(found: Tally, facts: int, chains: int) -> None:
    """Raise AssertionError unless everything was taken."""
    assert found == Tally(facts=facts, quarantined=0, chains=chains), (found, facts, chains)
