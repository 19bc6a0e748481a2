"""The canonical work on ours and on the bare floor: roles of `child.py`, each a process."""

from typing import Any

import confluent_kafka as ck
from canonical import PARTITIONS, WANTED, Blocks, Decoder, Tally, TallyFold, topics
from kafka_tools import FETCH, plain_producer
from measure import Clock, answer, peak_rss_mb, word

from supplytwin.streams import heap
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.ports import TopicPartition
from supplytwin.streams.worker import Worker, WorkerSettings


def floor(address: str, source: str, out: str, count: int, batch: int) -> None:
    """Role: consume, decode in guarded blocks, produce the bytes of wanted events. No state, no
    transaction, no engine: what one Python consumer can do at best.
    """
    consumer = ck.Consumer(
        {
            "bootstrap.servers": address, "group.id": out, "isolation.level": "read_committed",
            "enable.auto.commit": False, "auto.offset.reset": "earliest", **FETCH,
        }
    )  # fmt: skip
    producer = plain_producer(address)
    decode = Blocks(("chain_id", "event_id", "event_type", "event_time", "mass_kg"))
    clock, done, wanted = Clock(), 0, 0
    consumer.subscribe([source])
    while done < count:
        if not done:
            clock = Clock()
            clock.start()
        messages = consumer.consume(batch, 0.2)
        if not messages:
            continue
        frame = decode([message.value() for message in messages])
        for message, kind in zip(messages, frame["event_type"].to_list(), strict=True):
            if kind in WANTED:
                wanted += 1
                producer.produce(out, message.value(), message.key(), message.partition())
        producer.poll(0)
        done += len(messages)
    producer.flush()
    consumer.commit(asynchronous=False)
    answer({**clock.read(done), "outputs": wanted, "rss_mb": peak_rss_mb()})
    consumer.close()


# ---- ours


def _worker(address: str, prefix: str, source: str, batch: int) -> Worker[Tally]:
    heap.take_over()  # as `supplytwin work` does
    return Worker(
        KafkaBroker(address),
        TallyFold(prefix),
        Decoder(),
        topics(prefix, source),
        settings=WorkerSettings(
            group=prefix + "worker", transactional_id=prefix + "worker", batch=batch
        ),
    )


def _read(worker: Worker[Tally], source: str) -> int:
    """How many records of the input are behind the worker: folded, written and committed."""
    return sum(
        offset
        for number, cut in worker.cuts.items()
        for at, offset in cut.offsets().items()
        if at == TopicPartition(source, number)
    )


def worker(address: str, prefix: str, source: str, count: int, batch: int) -> None:
    """Role: our engine, from the first record read to the last one committed."""
    ours = _worker(address, prefix, source, batch)
    while len(ours.cuts) < PARTITIONS:
        ours.turn()
    clock = Clock()
    done = 0
    while done < count:
        if done == 0:
            clock = Clock()
            clock.start()
        ours.turn()
        done = _read(ours, source)
    found = clock.read(done)
    batches = ours.metrics.value("supplytwin_batch_records_count")
    answer(
        {
            **found,
            "batches": round(batches),
            "records_per_batch": round(done / batches),
            "transactions": round(ours.metrics.value("supplytwin_commit_seconds_count")),
            "fallbacks": round(ours.metrics.value("supplytwin_decode_fallbacks")),
            "chains": sum(len(store.states) for store in ours.stores.values()),
            "rss_mb": peak_rss_mb(),
        }
    )
    ours.close()


def restore(address: str, prefix: str, source: str) -> None:
    """Role: a new process of the same slot, until every partition number is restored."""
    ours = _worker(address, prefix, source, 5000)
    clock = Clock()
    clock.start()
    while len(ours.stores) < PARTITIONS:
        ours.turn()
    entries = sum(state.count for store in ours.stores.values() for state in store.states.values())
    answer({**clock.read(entries), "rss_mb": peak_rss_mb()})
    ours.close()


def serve(address: str, prefix: str, source: str, batch: int) -> None:
    """Role: our engine for the latency runs; ends at a word of the parent."""
    ours = _worker(address, prefix, source, batch)
    while len(ours.cuts) < PARTITIONS:
        ours.turn()
    answer({"ready": True})
    clock = Clock()
    clock.start()
    while word() is None:
        ours.turn()
    done = _read(ours, source)
    batches = ours.metrics.value("supplytwin_batch_records_count")
    found: dict[str, Any] = clock.read(done)
    answer({**found, "records_per_batch": round(done / batches) if batches else 0})
    ours.close()
