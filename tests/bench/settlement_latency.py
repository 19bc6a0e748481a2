"""How soon a payment under full terms is instructed: from the append of the last fact that a claim
waits for to the commit of its instruction, as a read_committed reader sees it; ticks of 200 ms.

First chains come slowly, which says what an event costs the worker; then at half of the rate at
which that would fill one core. The gateway, the feed and the broker share the machine.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import full_terms
from canonical import PARTITIONS
from kafka_tools import patiently
from measure import say
from pipeline import Sent, settings
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
TAKES_S = 6
"""A chain, from its contract to its last fact, at any rate."""
SLOW = 50.0
"""Events per second at first."""
SPACING_US = 100 * SECOND_US
"""Between two messages in the time that they tell of: the rail takes an hour to confirm a hold."""
P99_MS = 1_000
QUIET_S = 4.0
"""Until worker and gateway have started."""


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
    time.sleep(QUIET_S)
    send_all(address, sent, rate, seconds)


def bench(on_a_broker: Callable[[Callable[[str, Path], Any]], dict[str, Any]]) -> dict[str, Any]:
    """Both rates, each on a broker of its own."""
    slow = on_a_broker(partial(_run, SLOW))
    rate = slow["events_per_cpu_s"] / 2
    say(f"full terms: {slow['events_per_cpu_s']:,} events per CPU-s, latency at half of that")
    half = on_a_broker(partial(_run, rate))
    orders = half["last_fact_to_instruction"]
    rows = [
        (f"{found['rate']:,} events/s", found["last_fact_to_instruction"]["samples"],
         *(found["last_fact_to_instruction"].get(f"p{n}_ms") for n in (50, 95, 99)),
         f"{found['worker_cpu_share']:.0%}")
        for found in (slow, half)
    ]  # fmt: skip
    table(
        f"Full terms, last fact -> instruction, ticks of {TICK_S * 1000:.0f} ms",
        ("", "samples", "p50 ms", "p95 ms", "p99 ms", "worker's CPU"),
        rows,
    )
    if half["taken_share"] < 1.0:
        say(f"  too slow: only {half['taken_share']:.0%} of what was sent had been taken in time")
    aims = [
        Aim("full terms, half load: last fact -> instruction, p99 ms", orders.get("p99_ms"), P99_MS,
            smaller=True),
    ]  # fmt: skip
    return {"aims": aims, "tick_ms": TICK_S * 1000, "slow": slow, "half_load": half}


def _run(rate: float, address: str, folder: Path) -> dict[str, Any]:
    say(f"full terms, latency at {rate:,.0f} events/s")
    patiently(lambda: topics.init(KafkaBroker(address), settings(address, "")))
    return run(address, rate, "feed_full_terms")
