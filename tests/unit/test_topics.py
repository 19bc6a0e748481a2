"""Topics: one declaration, created once, checked against what the cluster has."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from supplytwin.schemas import codec
from supplytwin.schemas.errors import TransientError, UsageError
from supplytwin.schemas.events import SUPPLY_TOPICS
from supplytwin.schemas.flow import Record
from supplytwin.schemas.records import (
    CONTROL,
    INSTRUCTIONS,
    JOURNAL,
    QUARANTINE,
    SCHEMAS,
    STATE,
    Control,
)
from supplytwin.streams import topics
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import TopicPartition, TopicSpec
from supplytwin.streams.settings import Kafka, Settings, Time

WALL = Settings(kafka=Kafka(partitions=3))
SIMULATED = Settings(kafka=Kafka(partitions=3), time=Time(simulated=True, timeline="scms"))
LARGEST = str(2**63 - 1)


def spec_of(name: str, settings: Settings = WALL) -> TopicSpec:
    return next(spec for spec in topics.specs(settings) if spec.name == name)


def test_every_record_has_exactly_one_topic() -> None:
    """All topics of the schemas are declared, and no other; inputs and derived do not overlap."""
    declared = [topic.name for topic in topics.TOPICS]
    assert sorted(declared) == sorted({*SUPPLY_TOPICS, *SCHEMAS})
    assert not set(topics.INPUTS) & set(topics.DERIVED)


def test_twelve_partitions_unless_said_otherwise() -> None:
    """Every topic has the same number of partitions."""
    assert {spec.partitions for spec in topics.specs(Settings())} == {12}
    assert {spec.partitions for spec in topics.specs(WALL)} == {3}


def test_only_the_latest_states_are_compacted() -> None:
    """The journal above all is never rewritten."""
    compacted = [s.name for s in topics.specs(WALL) if s.config["cleanup.policy"] == "compact"]
    assert compacted == [STATE]


def test_nothing_expires() -> None:
    """Neither by age nor by size, in either kind of time."""
    for settings in (WALL, SIMULATED):
        for spec in topics.specs(settings):
            assert (spec.config["retention.ms"], spec.config["retention.bytes"]) == ("-1", "-1")


def test_what_wraps_an_input_takes_a_quarter_more() -> None:
    """Inputs up to 1 MiB, journal, quarantine and states up to 1.25 MiB."""
    sizes = {s.name: int(s.config["max.message.bytes"]) for s in topics.specs(WALL)}
    large = {name for name, size in sizes.items() if size == 1_310_720}
    assert large == {JOURNAL, QUARANTINE, STATE}
    assert {size for name, size in sizes.items() if name not in large} == {1_048_576}


def test_arrival_is_the_brokers_time_unless_simulated() -> None:
    """Inputs: LogAppendTime on the wall clock, recorded times on a feed's own timeline."""
    for name in topics.INPUTS:
        assert spec_of(name).config["message.timestamp.type"] == "LogAppendTime"
        config = spec_of(name, SIMULATED).config
        assert config["message.timestamp.type"] == "CreateTime"
        assert config["message.timestamp.after.max.ms"] == LARGEST
        assert config["message.timestamp.before.max.ms"] == LARGEST
        assert config["segment.ms"] == LARGEST


def test_description_has_a_row_for_each_topic() -> None:
    """Key, schema and configuration, as text."""
    rows = {row["topic"]: row for row in topics.describe(WALL)}
    assert rows.keys() == set(topics.ALL)
    assert rows[CONTROL]["key"].startswith("@p")
    assert rows[STATE]["schema"] == "schemas/twin.state.avsc"
    assert rows[STATE]["cleanup.policy"] == "compact"


# ---- init


def control_records(broker: MemoryBroker, partitions: int) -> list[Record]:
    consumer = broker.consumer(None)
    consumer.assign({TopicPartition(CONTROL, n): 0 for n in range(partitions)})
    return [item for item in consumer.consume(100, 0.0) if isinstance(item, Record)]


def test_init_creates_topics_offsets_and_the_meta_record(memory: MemoryBroker) -> None:
    """Afterwards the cluster is as declared, and says which time it lives in."""
    assert topics.init(memory, SIMULATED) == list(topics.ALL)
    admin = memory.admin()
    assert topics.check(admin, SIMULATED) == []
    inputs = topics.places(topics.INPUTS, 3)
    assert admin.committed(topics.WORKER_GROUP, inputs) == dict.fromkeys(inputs, 0)
    paid = topics.places((INSTRUCTIONS, CONTROL), 3)
    assert admin.committed(topics.GATEWAY_GROUP, paid) == dict.fromkeys(paid, 0)
    meta = topics.Meta(simulated=True, timeline="scms", partitions=3)
    assert topics.read_meta(memory) == meta == topics.require_meta(memory)
    records = control_records(memory, 3)
    assert [(r.partition, r.key) for r in records] == [(0, b"@p0"), (1, b"@p1"), (2, b"@p2")]
    assert len({record.value for record in records}) == 1
    message = codec.decode(CONTROL, records[0].value or b"").message
    assert isinstance(message, Control)
    assert (message.kind, message.timeline) == ("META", "scms")
    assert msgspec.json.decode(message.body)["partitioner"] == "murmur2"


def test_init_runs_once(memory: MemoryBroker) -> None:
    """A second one is refused and changes nothing."""
    topics.init(memory, WALL)
    with pytest.raises(UsageError, match="initialised already"):
        topics.init(memory, WALL)
    assert len(control_records(memory, 3)) == 3


def test_an_init_that_broke_off_is_finished(memory: MemoryBroker) -> None:
    """Topics and offsets that are there stay; a position that was reached is never put back."""
    admin = memory.admin()
    admin.create(topics.specs(WALL)[:4])
    reached = TopicPartition(topics.INPUTS[0], 1)
    admin.commit(topics.WORKER_GROUP, {reached: 5})
    assert topics.init(memory, WALL) == list(topics.ALL)[4:]
    inputs = topics.places(topics.INPUTS, 3)
    assert admin.committed(topics.WORKER_GROUP, inputs) == {**dict.fromkeys(inputs, 0), reached: 5}


def test_init_refuses_topics_that_are_not_as_they_must_be(memory: MemoryBroker) -> None:
    """Nothing is committed and no META is written on a cluster that would go wrong."""
    spec = msgspec.structs.replace(spec_of(JOURNAL), partitions=2)
    memory.admin().create([spec])
    with pytest.raises(UsageError, match=r"twin\.journal has 2 partitions, must have 3"):
        topics.init(memory, WALL)
    assert topics.read_meta(memory) is None


def test_without_init_there_is_no_meta(memory: MemoryBroker) -> None:
    """Whoever needs it is told to run init."""
    with pytest.raises(UsageError, match="supplytwin init"):
        topics.require_meta(memory)
    memory.admin().create(topics.specs(WALL))
    with pytest.raises(UsageError, match="supplytwin init"):
        topics.require_meta(memory)


def test_meta_is_found_behind_what_strangers_wrote(memory: MemoryBroker) -> None:
    """Garbage in the control topic does not hide it."""
    memory.admin().create(topics.specs(WALL))
    producer = memory.producer(None)
    producer.produce(CONTROL, b"x", b"garbage", partition=0)
    producer.produce(CONTROL, b"x", None, partition=0)
    assert topics.read_meta(memory) is None
    topics.init(memory, WALL)
    assert topics.read_meta(memory) == topics.Meta(simulated=False, timeline="wall", partitions=3)


def test_a_meta_whose_transaction_is_not_over_is_waited_for(memory: MemoryBroker) -> None:
    """The end of committed records trails a commit: whoever looks then must not hear "no META"."""
    topics.init(memory, WALL)
    (meta, *_) = control_records(memory, 3)
    late = MemoryBroker()
    late.admin().create(topics.specs(WALL))
    producer = late.producer("supplytwin-init")
    producer.init(1.0)
    producer.begin()
    producer.produce(CONTROL, meta.key, meta.value, partition=0)
    producer.flush()
    with pytest.raises(TransientError, match="not over"):
        topics.read_meta(late, 0.1)
    with ThreadPoolExecutor(1) as other:
        found = other.submit(topics.read_meta, late)
        producer.commit()
        assert found.result() == topics.Meta(simulated=False, timeline="wall", partitions=3)


def test_settings_that_contradict_the_meta_are_named() -> None:
    """Kind of time, timeline and partition count cannot be changed afterwards."""
    meta = topics.Meta(simulated=True, timeline="scms", partitions=3)
    assert topics.disagreements(meta, SIMULATED) == []
    found = topics.disagreements(meta, Settings())
    assert [line.split(" is ")[0] for line in found] == [
        "[time] simulated",
        "[time] timeline",
        "[kafka] partitions",
    ]


# ---- check


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cleanup.policy", "compact"),
        ("max.message.bytes", "1048576"),
        ("message.timestamp.type", "LogAppendTime"),
        ("min.insync.replicas", "2"),
        ("retention.ms", "604800000"),
        ("retention.bytes", "1000"),
        ("segment.ms", "604800000"),
        ("message.timestamp.after.max.ms", "3600000"),
        ("message.timestamp.before.max.ms", "3600000"),
    ],
)
def test_check_names_each_setting_that_differs(memory: MemoryBroker, key: str, value: str) -> None:
    """One line: topic, setting, what it is, what it must be."""
    changed = []
    for spec in topics.specs(SIMULATED):
        config = {**spec.config, key: value} if spec.name == JOURNAL else spec.config
        changed.append(msgspec.structs.replace(spec, config=config))
    memory.admin().create(changed)
    must = spec_of(JOURNAL, SIMULATED).config[key]
    assert topics.check(memory.admin(), SIMULATED) == [
        f"twin.journal: {key} is {value}, must be {must}"
    ]


def test_check_names_counts_and_what_is_missing(memory: MemoryBroker) -> None:
    """Partitions, replicas, absent topics; more replicas than wanted are no fault."""
    three = Settings(kafka=Kafka(partitions=3, replication=3))
    changed = [
        msgspec.structs.replace(spec, partitions=4) if spec.name == CONTROL else spec
        for spec in topics.specs(three)
        if spec.name != QUARANTINE
    ]
    changed[0] = msgspec.structs.replace(changed[0], replication=2)
    changed[1] = msgspec.structs.replace(changed[1], replication=4)
    memory.admin().create(changed)
    assert topics.check(memory.admin(), three) == [
        "supply.orders has 2 replicas, must have 3",
        "control has 4 partitions, must have 3",
        "quarantine is missing: run `supplytwin init`",
    ]
