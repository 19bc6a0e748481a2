"""Every topic, declared once: what it must be on the cluster, how it is created and checked."""

import time
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError, TransientError, UsageError
from supplytwin.schemas.events import SUPPLY_TOPICS
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import Micros, control_key
from supplytwin.schemas.records import (
    CONTROL,
    INSTRUCTIONS,
    JOURNAL,
    ORDERED_INPUTS,
    QUARANTINE,
    SCHEMAS,
    SENT,
    STATE,
    Control,
)
from supplytwin.streams import framed
from supplytwin.streams.ports import Admin, Broker, Eof, TopicPartition, TopicSpec
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
DERIVED: tuple[str, ...] = tuple(t for t in SCHEMAS if t not in (*ORDERED_INPUTS, CONTROL, SENT))
"""What the worker writes: the journal, what follows from it, and the quarantine."""
ALL: tuple[str, ...] = (*INPUTS, *DERIVED, SENT)

INPUT_BYTES = 1_048_576
ENTRY_BYTES = 1_310_720
"""A journal entry wraps its input: a quarter more."""
_FOREVER = "-1"
_LARGEST = str(2**63 - 1)
PARTITIONER = "murmur2"
_EPOCH_US = 1000
"""The smallest time that Kafka's clients write (zero means now)."""
_META_SEARCH = 1000
"""META is the first control record of every partition, unless strangers wrote there before."""


class Topic(Struct, frozen=True, kw_only=True):
    """What a topic is in every deployment. Its values have its own schema, `schemas/NAME.avsc`."""

    name: str
    key: str
    """Of what the key consists, and how that places a record."""
    role: str
    """input (the worker reads it) | derived (the worker writes it) | sent (the gateway's own)"""
    compacted: bool = False
    """Only the newest record of each key is kept. Nothing else is ever thrown away."""
    max_bytes: int = INPUT_BYTES


_CHAIN = "chain_id, murmur2"
_LIKE_ITS_INPUT = "the partition number of the input"
_KEYS = {
    CONTROL: "@p<partition>, explicit partition",
    JOURNAL: f"chain_id or @p<partition>, {_LIKE_ITS_INPUT}",
    STATE: f"chain_id|subject_type|subject_id, {_LIKE_ITS_INPUT}",
    QUARANTINE: f"of the refused record, {_LIKE_ITS_INPUT}",
}

TOPICS: tuple[Topic, ...] = tuple(
    Topic(
        name=name,
        key=_KEYS.get(name, _CHAIN),
        role="input" if name in INPUTS else "sent" if name == SENT else "derived",
        compacted=name == STATE,
        max_bytes=ENTRY_BYTES if name in (JOURNAL, QUARANTINE, STATE) else INPUT_BYTES,
    )
    for name in ALL
)
"""The one declaration."""


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
            name=topic.name,
            partitions=kafka.partitions,
            replication=kafka.replication,
            config=_config(topic, settings),
        )
        for topic in TOPICS
    ]


def describe(settings: Settings) -> list[dict[str, str]]:
    """One row of plain text for each topic: the declaration and what it must be on the cluster."""
    return [
        {
            "topic": topic.name,
            "role": topic.role,
            "key": topic.key,
            "schema": f"schemas/{topic.name}.avsc",
            "partitions": str(spec.partitions),
            "replication": str(spec.replication),
            **spec.config,
        }
        for topic, spec in zip(TOPICS, specs(settings), strict=True)
    ]


def _config(topic: Topic, settings: Settings) -> dict[str, str]:
    simulated = settings.time.simulated
    appended = topic.role == "input" and not simulated
    config = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        "max.message.bytes": str(topic.max_bytes),
        "message.timestamp.type": "LogAppendTime" if appended else "CreateTime",
        "min.insync.replicas": str(settings.kafka.min_insync_replicas),
        "retention.ms": _FOREVER,
        "retention.bytes": _FOREVER,
    }
    if simulated:
        # Kafka rolls and expires segments by record time, and refuses stamps ahead of its clock.
        config["segment.ms"] = _LARGEST
        config["message.timestamp.after.max.ms"] = _LARGEST
        config["message.timestamp.before.max.ms"] = _LARGEST
    return config


def places(topics: Sequence[str], partitions: int) -> list[TopicPartition]:
    """Every partition of some topics."""
    return [TopicPartition(topic, number) for topic in topics for number in range(partitions)]


def init(broker: Broker, settings: Settings) -> list[str]:
    """Create the topics, commit the first offsets, write the META record; once.

    Returns the names created. Raises UsageError when this deployment has been initialised before.
    With a schema registry every topic's schema is there before its first record.
    """
    framed.require(broker, ALL)
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
        _commit_first(admin, WORKER_GROUP, places(INPUTS, count))
        _commit_first(admin, GATEWAY_GROUP, places((INSTRUCTIONS, CONTROL, SENT), count))
        _write_meta(broker, settings)
        return [spec.name for spec in missing]
    finally:
        admin.close()


def _commit_first(admin: Admin, group: str, wanted: Sequence[TopicPartition]) -> None:
    """What an init that broke off did not commit; never over a position that was reached."""
    begun = admin.committed(group, wanted)
    admin.commit(group, {at: 0 for at in wanted if begun[at] is None})


def _write_meta(broker: Broker, settings: Settings) -> None:
    meta = Meta(
        simulated=settings.time.simulated,
        timeline=settings.time.timeline,
        partitions=settings.kafka.partitions,
    )
    control = Control(
        input_id=f"meta:{meta.timeline}",
        kind="META",
        tick_time=Micros(0),
        timeline=meta.timeline,
        body=msgspec.json.encode(meta, order="sorted"),
    )
    value = codec.encode(CONTROL, control)
    producer = broker.producer(INIT_ID)
    try:
        producer.init(30.0)
        producer.begin()
        for number in range(meta.partitions):
            producer.produce(
                CONTROL,
                control_key(number).encode(),
                value,
                partition=number,
                timestamp_us=_EPOCH_US,  # no clock: the same record on every timeline
            )
        producer.commit()
    finally:
        producer.close()


def read_meta(broker: Broker, timeout_s: float = 10.0) -> Meta | None:
    """What `init` wrote to control partition 0, or None when it has not run.

    A record whose transaction is not over yet, or whose commit the partition has not heard of, may
    be it: it is waited for, and TransientError says that it stayed so for the whole timeout.
    """
    at = TopicPartition(CONTROL, 0)
    deadline = time.monotonic() + timeout_s
    admin = broker.admin()
    try:
        begin, written = admin.begins([at])[at], admin.ends([at], "read_uncommitted")[at]
        while True:
            over = admin.ends([at], "read_committed")[at]
            meta = _search_meta(broker, at, begin, deadline) if begin < over else None
            if meta is not None or over >= min(written, begin + _META_SEARCH):
                return meta
            if time.monotonic() > deadline:
                raise TransientError(f"a transaction on {CONTROL} is not over: try again")
            time.sleep(0.05)
    finally:
        admin.close()


def _search_meta(broker: Broker, at: TopicPartition, begin: int, deadline: float) -> Meta | None:
    consumer = broker.consumer(None, from_start=True)
    try:
        consumer.assign({at: begin})
        while time.monotonic() < deadline:
            for item in consumer.consume(100, 0.1):
                if isinstance(item, Eof) or item.offset > begin + _META_SEARCH:
                    return None
                meta = _meta_of(item)
                if meta is not None:
                    return meta
        raise TransientError(f"{CONTROL} cannot be read")
    finally:
        consumer.close()


def _meta_of(record: Record) -> Meta | None:
    try:
        message = codec.decode(CONTROL, record.value or b"").message
        if isinstance(message, Control) and message.kind == "META":
            return msgspec.json.decode(message.body, type=Meta)
    except (RecordError, msgspec.DecodeError):
        return None  # the worker's quarantine says what is wrong with it
    return None


def require_meta(broker: Broker) -> Meta:
    """The deployment's META. Raises UsageError when `init` has not run."""
    admin = broker.admin()
    try:
        present = CONTROL in admin.names()
    finally:
        admin.close()
    meta = read_meta(broker) if present else None
    if meta is None:
        raise UsageError(
            "this cluster is not initialised: run `supplytwin init` (or this principal may not "
            f"read {CONTROL}: see `supplytwin topics acl`)"
        )
    return meta


def disagreements(meta: Meta, settings: Settings) -> list[str]:
    """How these settings differ from what `init` wrote, one line each."""
    pairs = (
        ("[time] simulated", settings.time.simulated, meta.simulated),
        ("[time] timeline", settings.time.timeline, meta.timeline),
        ("[kafka] partitions", settings.kafka.partitions, meta.partitions),
    )
    return [
        f"{name} is {said!r} here, but this deployment was initialised with {was!r}"
        for name, said, was in pairs
        if said != was
    ]


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
