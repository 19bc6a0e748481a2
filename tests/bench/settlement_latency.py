"""How soon a payment under full terms is instructed: from the append of the last fact that a claim
waits for to the commit of its instruction, as a read_committed reader sees it; ticks of 200 ms.

First the worker takes a backlog as fast as it can; then chains come at half of that rate.
"""

import time
from typing import Any

import full_terms
from canonical import PARTITIONS
from kafka_tools import patiently
from measure import Child, say, until
from pipeline import Sent, settings, write, write_tick
from pipeline_latency import TICK_S, run, send_all
from report import Aim, table

from supplytwin.schemas import codec
from supplytwin.schemas.ids import DAY_US, SECOND_US, control_key
from supplytwin.schemas.records import CONTROL
from supplytwin.streams import topics
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.topics import TICK_ID

FACTS = 20
"""Of a chain, and its contract."""
TAKES_S = 3
"""A chain, from its contract to its last fact, at any rate."""
BACKLOG = 250
"""Chains."""
SPACING_US = 100 * SECOND_US
"""Between two messages in the time that they tell of: the rail takes an hour to confirm a hold."""
P99_MS = 1_000
BATCH = 100
"""Messages of the backlog between two ticks."""
PATIENCE_S = 60.0


def _messages(chains: int, rate: float, name: str, start: int) -> list[Sent]:
    """Chains that overlap so that each takes its time at this rate."""
    every_us = max(1, round(rate * TAKES_S / (FACTS + 1))) * SPACING_US
    found: list[Sent] = []
    for at in range(chains):
        begins = start + at * (FACTS + 1) * SPACING_US
        found += full_terms.story(f"{name}-{at}", FACTS, begins, every_us)
    return sorted(found, key=lambda one: one.arrival)


def _tell_keys(broker: KafkaBroker) -> None:
    """The keys of the parties, on every partition."""
    producer = broker.producer(TICK_ID)
    producer.init(10.0)
    value = codec.encode(CONTROL, full_terms.key_value(full_terms.terms("PO", 1)))
    producer.begin()
    for number in range(PARTITIONS):
        producer.produce(CONTROL, control_key(number).encode(), value, partition=number,
                         timestamp_us=full_terms.START)  # fmt: skip
    producer.commit()
    producer.close()


def feed(address: str, rate: float, seconds: float) -> None:
    """Role: chains under full terms at a steady rate, and ticks."""
    _tell_keys(KafkaBroker(address))
    chains = int(rate * seconds / (FACTS + 1)) + 1
    sent = _messages(chains, rate, "PO", full_terms.START + 60 * DAY_US)
    send_all(address, sent, rate, seconds)


def capacity(address: str) -> dict[str, Any]:
    """Events per second of the worker alone, over a backlog of chains in one go, gateway aside."""
    broker = KafkaBroker(address)
    patiently(lambda: topics.init(broker, settings(address, "")))
    _tell_keys(broker)
    sent = _messages(BACKLOG, 200.0, "BACKLOG", full_terms.START + SECOND_US)
    records, ticks = broker.producer(None), broker.producer(TICK_ID)
    ticks.init(10.0)
    for at in range(0, len(sent), BATCH):
        write(records, sent[at : at + BATCH])
        write_tick(ticks, sent[at : at + BATCH][-1].arrival)
    ticks.close()
    facts = sum(one.is_fact for one in sent)
    worker = Child("pipeline_worker", address=address, split=False)
    try:
        worker.hear()
        began = time.perf_counter()
        cpu_s = taken = 0.0

        def is_taken() -> bool:
            nonlocal cpu_s, taken
            time.sleep(0.02)
            said = worker.ask("mark")
            cpu_s, taken = cpu_s + said["cpu_s"], said["facts"]
            return bool(taken >= facts)

        until(is_taken, "the backlog is taken", PATIENCE_S)
        wall_s = time.perf_counter() - began
    finally:
        worker.end()
    return {
        "events": len(sent),
        "events_per_s": round(len(sent) / wall_s),
        "events_per_cpu_s": round(len(sent) / cpu_s),
    }


def bench(address: str) -> dict[str, Any]:
    """Both, one after the other, on one broker."""
    most = capacity(address)
    rate = most["events_per_s"] / 2
    say(f"full terms: {most['events_per_s']:,} events/s from a backlog, latency at {rate:,.0f}")
    found = run(address, rate, "feed_full_terms")
    orders = found["last_fact_to_instruction"]
    table(
        f"Decisions under full terms at half load ({found['rate']:,} events/s), ticks of"
        f" {TICK_S * 1000:.0f} ms",
        ("", "samples", "p50 ms", "p95 ms", "p99 ms"),
        [("last fact -> instruction", orders["samples"],
          *(orders.get(f"p{n}_ms") for n in (50, 95, 99)))],
    )  # fmt: skip
    if found["taken_share"] < 1.0:
        say(f"  too slow: only {found['taken_share']:.0%} of what was sent had been taken in time")
    aims = [
        Aim("full terms, half load: last fact -> instruction, p99 ms", orders.get("p99_ms"), P99_MS,
            smaller=True),
    ]  # fmt: skip
    return {"aims": aims, "tick_ms": TICK_S * 1000, "backlog": most, "half_load": found}
