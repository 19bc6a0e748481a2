"""Latency of the canonical work: from produce() to visible for a read_committed reader."""

import time
from typing import Any

import confluent_kafka as ck
from canonical import OUT, PARTITIONS, events
from kafka_tools import create, drop, fresh, plain_consumer, plain_producer, prepare
from measure import Child, answer, percentiles

from supplytwin.schemas import binary
from supplytwin.schemas.binary import long

WARM_S, QUIET_S = 3.0, 3.0
_POOL = 20_000


def steadily(rate: float, seconds: float, send: Any, rest: Any) -> float:
    """Call `send(number)` at `rate` per second; `rest` between bursts. Returns the rate reached."""
    began, number, count = time.perf_counter(), 0, int(rate * seconds)
    while number < count:
        due = min(count, int((time.perf_counter() - began) * rate) + 1)
        while number < due:
            send(number)
            number += 1
        rest()
        time.sleep(0.001)
    return count / (time.perf_counter() - began)


def _with_time(value: bytes, kind: str) -> tuple[bytes, bytes]:
    """What stands before and behind the event time (8 bytes, in our century) of an event."""
    classifier = 5 + 17 + 7 + 1 + len(kind)
    at = classifier + 1 + (value[classifier] >> 1)
    return value[:at], value[at + 8 :]


def feed_steady(address: str, source: str, rate: float, seconds: float) -> None:
    """Role: events at a steady rate; their event time is the moment of produce()."""
    pool = [(one.key, *_with_time(one.value, one.event_type)) for one in events(_POOL, seed=3)]
    producer = plain_producer(address, linger_ms=1)

    def send(number: int) -> None:
        key, before, behind = pool[number % _POOL]
        producer.produce(source, before + long(time.time_ns() // 1000) + behind, key)

    answer({"ready": True})
    reached = steadily(rate, seconds, send, lambda: producer.poll(0))
    producer.flush()
    answer({"rate": round(reached)})


class Reader:
    """Reads topics from their ends on; keeps (seen at, topic, value)."""

    def __init__(self, address: str, *names: str) -> None:
        self._consumer = plain_consumer(address, **{"fetch.wait.max.ms": 10})
        wanted = []
        for name in names:
            for number in range(PARTITIONS):
                at = ck.TopicPartition(name, number)
                at.offset = self._consumer.get_watermark_offsets(at, timeout=10)[1]
                wanted.append(at)
        self._consumer.assign(wanted)
        self.seen: list[tuple[float, str, bytes]] = []

    def turn(self) -> None:
        """Take what is there, or wait for 5 ms."""
        first = self._consumer.poll(0.005)
        if first is None:
            return
        messages = [first, *self._consumer.consume(2_000, 0)]
        now = time.time()
        self.seen += [(now, m.topic(), m.value()) for m in messages if m.error() is None]

    def close(self) -> None:
        self._consumer.close()


def follow(reader: Reader, feed: Child, seconds: float) -> dict[str, Any]:
    """Read while the feed runs, and until nothing has come for three seconds. What it says."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        reader.turn()
    said = feed.hear()
    known, last = len(reader.seen), time.monotonic()
    while time.monotonic() - last < QUIET_S:
        reader.turn()
        if len(reader.seen) > known:
            known, last = len(reader.seen), time.monotonic()
    reader.close()
    return said


def canonical(address: str, rate: float, batch: int, seconds: float = 12.0) -> dict[str, Any]:
    """Our engine at a steady rate."""
    prefix = fresh("latency")
    source = prefix + "in"
    create(address, (source,))
    prepare(address, prefix, source)
    engine = Child("serve", address=address, prefix=prefix, source=source, batch=batch)
    feed = Child("feed_steady", address=address, source=source, rate=rate, seconds=seconds)
    try:
        engine.hear()
        reader = Reader(address, prefix + "out")
        feed.hear()
        began = time.time()
        said = follow(reader, feed, seconds)
        worked = engine.ask("done")
    finally:
        feed.end()
        engine.end()
    read = binary.row_reader(OUT, {}, OUT)
    found = []
    for seen, _, value in reader.seen:
        sent = read(value, 5)[0]["event_time"] / 1e6
        if sent > began + WARM_S:
            found.append(seen - sent)
    drop(address, prefix)
    return {
        "rate": said["rate"],
        **percentiles(found),
        "records_per_batch": worked["records_per_batch"],
        "events_per_cpu_s": worked["events_per_cpu_s"],
    }
