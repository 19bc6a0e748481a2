"""Latency of the whole pipeline at a steady rate, with a tick every 200 ms.

Each message carries the moment of its produce() in a header, which its journal entry keeps. A
derived record names its journal entry, so the two are joined by (chain, seq): fact to milestone,
and the last fact that a claim waits for to its payment instruction.
"""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from kafka_tools import patiently, plain_producer
from latency import Reader, follow, steadily
from measure import Child, answer, percentiles
from pipeline import Sent, messages, settings, write_tick

from supplytwin.processors import simulate
from supplytwin.schemas import codec, journal
from supplytwin.schemas.events import CUSTOMS, WAREHOUSE
from supplytwin.schemas.ids import HOUR_US
from supplytwin.schemas.records import INSTRUCTIONS, JOURNAL, MILESTONES, RECEIPTS
from supplytwin.streams import topics
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.topics import TICK_ID

RATES, TICK_S = (500, 2_000), 0.2
WARM_S, SECONDS = 6.0, 16.0
SPACING_US = 4_000 * HOUR_US
"""Between two chains, by the rate: so a chain takes three seconds from contract to last fact."""
_NEEDED = {"customs.released", "wh.received"}


def feed(address: str, rate: float, seconds: float) -> None:
    """Role: chains of 20 facts at a steady rate, and ticks."""
    chains, spacing_us = int(rate * seconds / 21) + 1, int(SPACING_US / rate)
    send_all(address, messages(20, chains, 77, simulate.START, spacing_us), rate, seconds)


def send_all(address: str, sent: list[Sent], rate: float, seconds: float) -> None:
    """Append messages at a steady rate, each with the moment in a header; a tick every 200 ms."""
    producer = plain_producer(address, linger_ms=1)
    ticks = KafkaBroker(address).producer(TICK_ID)
    ticks.init(10.0)
    reached, over = 0, threading.Event()

    def tick() -> None:
        last = 0
        while not over.wait(TICK_S):
            if reached > last:
                last = reached
                write_tick(ticks, last)

    def send(number: int) -> None:
        nonlocal reached
        topic, key, value, arrival, _ = sent[number]
        now = str(time.time_ns() // 1000).encode()
        producer.produce(topic, value, key, timestamp=arrival // 1000, headers=[("sent", now)])
        reached = arrival

    answer({"ready": True})
    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    achieved = steadily(rate, min(seconds, len(sent) / rate), send, lambda: producer.poll(0))
    producer.flush()
    time.sleep(3 * TICK_S)
    over.set()
    ticker.join()
    ticks.close()
    answer({"rate": round(achieved), "sent": int(rate * min(seconds, len(sent) / rate))})


class Joined:
    """Journal, milestones and instructions of one run, put together."""

    def __init__(self, seen: list[tuple[float, str, bytes]]) -> None:
        self.sent: dict[tuple[str, int], float] = {}
        self.needed: dict[str, list[tuple[int, float]]] = {}
        self.reserved: dict[str, int] = {}
        self.milestones: dict[tuple[str, int], float] = {}
        self.paid: list[tuple[str, int, float]] = []
        for at, topic, value in seen:
            if topic == JOURNAL:
                self._entry(value)
                continue
            record: Any = codec.decode(topic, value).message
            if topic == MILESTONES:
                self.milestones.setdefault((record.chain_id, record.seq), at)
            elif record.kind == "PAY":
                self.paid.append((record.chain_id, record.seq, at))

    def _entry(self, value: bytes) -> None:
        entry = journal.read(value)
        place = (entry.chain_id, entry.seq)
        if entry.source_topic == RECEIPTS:
            self.reserved.setdefault(entry.chain_id, entry.seq)
        for name, said in entry.headers:
            if name == "sent" and said is not None:
                self.sent[place] = int(said) / 1e6
        if entry.source_topic in {CUSTOMS, WAREHOUSE} and place in self.sent:
            event: Any = codec.decode(entry.source_topic, entry.body).message
            if event.event_type in _NEEDED:
                moment = (entry.seq, self.sent[place])
                self.needed.setdefault(entry.chain_id, []).append(moment)

    def facts(self, after: float) -> list[float]:
        """Seconds from each fact to the milestones that it led to."""
        return [
            seen - self.sent[place]
            for place, seen in self.milestones.items()
            if self.sent.get(place, 0.0) > after
        ]

    def instructions(self, after: float) -> list[float]:
        """Seconds from the last needed fact, the money being reserved, to the payment."""
        found = []
        for chain, seq, seen in self.paid:
            before = [one for one in self.needed.get(chain, ()) if one[0] < seq]
            if not before or self.reserved.get(chain, seq) > max(before)[0]:
                continue
            last = max(sent for _, sent in before)
            if last > after:
                found.append(seen - last)
        return found


def bench(address: str, rate: float) -> dict[str, Any]:
    """One run on a broker of its own."""
    patiently(lambda: topics.init(KafkaBroker(address), settings(address, "")))
    return run(address, rate, "feed_pipeline")


def run(address: str, rate: float, feed: str) -> dict[str, Any]:
    """Worker, gateway and a feed (a role) on a deployment that is initialised."""
    children = []
    with tempfile.TemporaryDirectory() as folder:
        ledger = str(Path(folder) / "rail.sqlite")
        try:
            engine = Child("pipeline_worker", address=address, split=False)
            children.append(engine)
            gateway = Child("pipeline_gateway", address=address, ledger=ledger)
            children.append(gateway)
            source = Child(feed, address=address, rate=rate, seconds=SECONDS)
            children.append(source)
            for child in children:
                child.hear()
            reader = Reader(address, JOURNAL, MILESTONES, INSTRUCTIONS)
            engine.ask("mark")
            began = time.time()
            said = follow(reader, source, SECONDS)
            worked = engine.ask("mark")
        finally:
            for child in reversed(children):
                child.end()
    joined = Joined(reader.seen)
    return {
        "rate": said["rate"],
        "taken_share": round(len(joined.sent) / said["sent"], 3),
        "fact_to_milestone": percentiles(joined.facts(began + WARM_S)),
        "last_fact_to_instruction": percentiles(joined.instructions(began + WARM_S)),
        "records_per_batch": round(worked["records"] / max(1, worked["batches"])),
        "events_per_cpu_s": round(rate * SECONDS / worked["cpu_s"]),
        "worker_cpu_share": round(worked["cpu_s"] / SECONDS, 3),
    }
