"""Every topic, declared once: what it must be on the cluster, how it is created and checked."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from supplytwin.schemas import codec
from supplytwin.schemas.errors import FatalError, UsageError
from supplytwin.schemas.events import SUPPLY_TOPICS
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import control_key
from supplytwin.schemas.records import (
    CONTROL,
    JOURNAL,
    ORDERED_INPUTS,
    QUARANTINE,
    SCHEMAS,
    STATE,
    Control,
)
from supplytwin.streams.ports import Admin, Broker, TopicPartition, TopicSpec
from supplytwin.streams.settings import Settings

WORKER_GROUP = "supplytwin-worker"
GATEWAY_GROUP = "supplytwin-gateway"
SINK_GROUP = "supplytwin-sink"
WATCH_GROUP = "supplytwin-watch"
FEED_ID = "supplytwin.feed"
TICK_ID = "supplytwin.tick"
GATEWAY_ID = "supplytwin.gateway"
INIT_ID = "supplytwin.init"

INPUTS: tuple[str, ...] = (*SUPPLY_TOPICS, *ORDERED_INPUTS, CONTROL)
"""What the worker reads, control included."""
DERIVED: tuple[str, ...] = tuple(t for t in SCHEMAS if t not in (*ORDERED_INPUTS, CONTROL))
"""What the worker writes: the journal, what follows from it, and the quarantine."""
ALL: tuple[str, ...] = (*INPUTS, *DERIVED)

INPUT_BYTES = 1_048_576
ENTRY_BYTES = 1_310_720
"""A journal entry wraps its input: a quarter more."""
_WRAPS = frozenset((JOURNAL, QUARANTINE, STATE))
_FOREVER = "-1"
_LARGEST_SEGMENT_MS = str(2**63 - 1)
PARTITIONER = "murmur2"


class Meta(Struct, frozen=True, kw_only=True):
    """What `init` wrote: the kind of time, its timeline, and how many partitions there are."""

    simulated: bool
    timeline: str
    partitions: int
    partitioner: str = PARTITIONER


def specs(settings: Settings) -> list[TopicSpec]:
    """What each topic must be under these settings."""
    kafka = settings.kafka
    return [
        TopicSpec(
            name=name,
            partitions=kafka.partitions,
            replication=kafka.replication,
            config=_config(name, settings),
        )
        for name in ALL
    ]


def _config(name: str, settings: Settings) -> dict[str, str]:
    simulated = settings.time.simulated
    config = {
        "cleanup.policy": "compact" if name == STATE else "delete",
        "max.message.bytes": str(ENTRY_BYTES if name in _WRAPS else INPUT_BYTES),
        "message.timestamp.type": (
            "LogAppendTime" if name in INPUTS and not simulated else "CreateTime"
        ),
        "min.insync.replicas": str(settings.kafka.min_insync_replicas),
        "retention.ms": _FOREVER,
        "retention.bytes": _FOREVER,
    }
    if simulated:
        # Kafka rolls and expires segments by record time, and refuses stamps ahead of its clock.
        config["segment.ms"] = _LARGEST_SEGMENT_MS
        config["message.timestamp.after.max.ms"] = _LARGEST_SEGMENT_MS
        config["message.timestamp.before.max.ms"] = _LARGEST_SEGMENT_MS
    return config


def places(topics: Sequence[str], partitions: int) -> list[TopicPartition]:
    """Every partition of some topics."""
    return [TopicPartition(topic, number) for topic in topics for number in range(partitions)]


def init(broker: Broker, settings: Settings) -> list[str]:
    """Create the topics, commit the first offsets, write the META record; once.

    Returns the names created. Raises UsageError when this deployment has been initialised before.
    """
    admin = broker.admin()
    try:
        existing = admin.topics()
        if CONTROL in existing and read_meta(broker) is not None:
            raise UsageError("this cluster is initialised already; see `supplytwin topics check`")
        missing = [spec for spec in specs(settings) if spec.name not in existing]
        admin.create(missing)
        problems = check(admin, settings)
        if problems:
            raise UsageError("topics that existed before differ: " + "; ".join(problems))
        count = settings.kafka.partitions
        wanted = places(INPUTS, count)
        begun = admin.committed(WORKER_GROUP, wanted)
        # Never over a position that a worker has reached: what init did not finish, it finishes.
        first = {at: 0 for at in wanted if begun[at] is None}
        if first:
            admin.commit(WORKER_GROUP, first)
        paid = places(("settlement.instructions", CONTROL), count)
        begun = admin.committed(GATEWAY_GROUP, paid)
        first = {at: 0 for at in paid if begun[at] is None}
        if first:
            admin.commit(GATEWAY_GROUP, first)
        _write_meta(broker, settings)
        return [spec.name for spec in missing]
    finally:
        admin.close()


def _write_meta(broker: Broker, settings: Settings) -> None:

    meta = Meta(
        simulated=settings.time.simulated,
        timeline=settings.time.timeline,
        partitions=settings.kafka.partitions,
    )
    control = Control(
        input_id=f"meta:{meta.timeline}",
        kind="META",
        tick_time=0,
        timeline=meta.timeline,
        body=msgspec.json.encode(meta, order="sorted"),
    )
    value = codec.encode(CONTROL, control)
    producer = broker.producer(INIT_ID)
    producer.init(30.0)
    producer.begin()
    for number in range(meta.partitions):
        producer.produce(
            CONTROL, control_key(number).encode(), value, partition=number, timestamp_us=0
        )
    producer.commit()
    producer.close()


def read_meta(broker: Broker, timeout_s: float = 10.0) -> Meta | None:
    """What `init` wrote to control partition 0, or None when it has not run."""

    at = TopicPartition(CONTROL, 0)
    admin = broker.admin()
    consumer = broker.consumer(None, from_start=True)
    try:
        end = admin.ends([at], "read_committed")[at]
        begin = admin.begins([at])[at]
        if begin >= end:
            return None
        consumer.assign({at: begin})
        for _ in range(int(timeout_s / 0.1)):
            for item in consumer.consume(10, 0.1):
                if not isinstance(item, Record):
                    return None
                message = codec.decode(CONTROL, item.value or b"").message
                if isinstance(message, Control) and message.kind == "META":
                    return msgspec.json.decode(message.body, type=Meta)
                return None
        raise FatalError("the control topic cannot be read")
    finally:
        consumer.close()
        admin.close()


def require_meta(broker: Broker) -> Meta:
    """The deployment's META. Raises UsageError when `init` has not run."""
    admin = broker.admin()
    try:
        present = CONTROL in admin.topics()
    finally:
        admin.close()
    meta = read_meta(broker) if present else None
    if meta is None:
        raise UsageError("this cluster is not initialised: run `supplytwin init`")
    return meta


def check(admin: Admin, settings: Settings) -> list[str]:
    """How the cluster differs from the declaration, one line each; empty = it is as it must be."""
    found = admin.topics()
    problems = []
    for spec in specs(settings):
        have = found.get(spec.name)
        if have is None:
            problems.append(f"{spec.name} is missing: run `supplytwin init`")
            continue
        if have.partitions != spec.partitions:
            problems.append(
                f"{spec.name} has {have.partitions} partitions, must have {spec.partitions}"
            )
        if have.replication < spec.replication:
            problems.append(
                f"{spec.name} has {have.replication} replicas, must have {spec.replication}"
            )
        for key, value in spec.config.items():
            actual = have.config.get(key)
            if actual != value:
                problems.append(f"{spec.name}: {key} is {actual}, must be {value}")
    return problems
