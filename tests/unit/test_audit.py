"""The audit: sound data are equal, and whatever is changed, added or left out is named."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pytest
from msgspec import Struct

from supplytwin.processors import simulate
from supplytwin.processors.custody import Head, append
from supplytwin.schemas import avro, codec, journal
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import (
    INSTRUCTIONS,
    JOURNAL,
    MILESTONES,
    SETTLEMENT_EVENTS,
    STATE,
    Instruction,
    JournalEntry,
    SettlementEvent,
)
from supplytwin.streams import audit_run, deployment, offsets, topics
from supplytwin.streams.audit import Audited
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.memory_log import Log
from supplytwin.streams.ports import TopicPartition
from supplytwin.streams.settings import Kafka, Settings, Time, WorkerSection
from supplytwin.streams.summary import fold_journal, read_all
from supplytwin.streams.topics import Meta

SETTINGS = Settings(
    kafka=Kafka(partitions=2),
    time=Time(simulated=True, timeline="t"),
    worker=WorkerSection(close_after_days=3),
)


class Played(Struct, frozen=True, kw_only=True):
    """A deployment in memory that has come to rest."""

    broker: MemoryBroker
    meta: Meta
    database: Path

    def audit(self, **options: object) -> Audited:
        return audit_run.run(self.broker, self.meta, lambda *_: None, **options)  # type: ignore[arg-type]

    def log(self, topic: str, number: int) -> Log:
        return self.broker._memory.log(TopicPartition(topic, number))

    def find(self, topic: str, kind: type[Struct]) -> tuple[Log, int, Record]:
        """The last record of a topic with a value, and where the log has it."""
        for number in range(self.meta.partitions):
            log = self.log(topic, number)
            for at in range(len(log._records) - 1, -1, -1):
                record = log._records[at]
                if record.value and isinstance(codec.decode(topic, record.value).message, kind):
                    return log, at, record
        raise AssertionError(f"nothing in {topic}")


def play(folder: Path) -> Played:
    """Twelve simulated chains with all that can go wrong, until every claim has ended."""
    broker = MemoryBroker()
    topics.init(broker, SETTINGS)
    meta = topics.require_meta(broker)
    settings = msgspec.structs.replace(
        SETTINGS, gateway=msgspec.structs.replace(SETTINGS.gateway, ledger=str(folder / "rail"))
    )
    worker = deployment.worker(broker, settings, meta)
    gateway = deployment.gateway(broker, settings, meta)
    subscriber, _ = deployment.duck(broker, folder / "twin.duckdb", meta)

    def pump() -> None:
        for part in (worker, gateway, subscriber):
            part.turn(0.0)

    made = simulate.chains(
        12, 5, late=0.2, duplicates=0.2, corrections=0.3, revocations=0.3, spacing_us=DAY_US
    )
    conductor = Conductor(broker, partitions=2, timeline="t", pump=pump)
    assert conductor.play(made.messages, 2 * DAY_US).open_claims == ()
    admin = broker.admin()
    while not subscriber.caught_up(admin):
        pump()
    admin.close()
    for part in (worker, gateway, subscriber):
        part.close()
    return Played(broker=broker, meta=meta, database=folder / "twin.duckdb")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A sound deployment."""
    return play(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def played(sound: Played) -> Iterator[Played]:
    """A sound deployment that the test may damage: it is mended afterwards."""
    logs = [log for topic in sound.broker._memory.topics.values() for log in topic.logs]
    kept = [(log, list(log._records), list(log._offsets), log.end) for log in logs]
    yield sound
    for log, records, places, end in kept:
        log._records[:], log._offsets[:], log.end = records, places, end


def told(found: Audited) -> str:
    """All differences in one text."""
    return "\n".join(f"{one.place}: {one.says}" for one in found.differences)


def test_what_keeps_a_file_from_being_read_is_told_first(played: Played, tmp_path: Path) -> None:
    """Not after the hours that a journal takes."""
    with pytest.raises(UsageError, match="there is no database"):
        audit_run.run(
            played.broker,
            played.meta,
            lambda *_: pytest.fail("the journal was read"),
            database=tmp_path / "none.duckdb",
        )


def test_sound_data_are_equal(played: Played) -> None:
    """Every entry, every decision, every derived record and every table row, and no difference."""
    found = played.audit(database=played.database)
    assert told(found) == ""
    assert found.chains == 12
    assert found.decisions > 60
    assert found.other_versions == {}
    assert set(found.derived) >= {SETTLEMENT_EVENTS, INSTRUCTIONS, STATE, MILESTONES}
    assert found.tables["journal"] == found.entries
    assert found.tables["settlement_event"] == found.derived[SETTLEMENT_EVENTS]
    kinds = [journal.read(r.value or b"").kind for r in read_all(played.broker, JOURNAL, 2)]
    assert kinds.count("CLOSED") > 5, "closing is recomputed too"


def test_one_chain_and_a_span_can_be_audited(played: Played) -> None:
    """--chain looks at one chain; --since recomputes only what was taken since."""
    chain_id = "SIM-5-00000003"
    one = played.audit(only=chain_id)
    assert (told(one), one.chains) == ("", 1)
    half = simulate.START + 20 * DAY_US
    part = played.audit(since=half)
    assert told(part) == ""
    assert 0 < part.decisions < played.audit().decisions


def test_a_changed_entry_is_named(played: Played) -> None:
    """One byte of a stored entry: the first difference is that entry, with its offset."""
    log, at, record = played.find(JOURNAL, JournalEntry)
    value = bytearray(record.value or b"")
    value[-1] ^= 1
    log._records[at] = msgspec.structs.replace(record, value=bytes(value))
    found = played.audit()
    assert len(found.differences) == 1
    assert f"offset {record.offset}" in found.differences[0].place


def test_a_decision_that_the_facts_do_not_give_is_named(played: Played) -> None:
    """A payment to another amount, journalled with sound hashes, is not what the fold decides."""
    log, at, record = played.find(JOURNAL, JournalEntry)
    for at in range(len(log._records)):
        record = log._records[at]
        if not record.value:
            continue
        entry = journal.read(record.value)
        if entry.kind == "DECISION":
            break
    event = codec.decode(SETTLEMENT_EVENTS, entry.body).message
    assert isinstance(event, SettlementEvent)
    forged = msgspec.structs.replace(event, amount_minor=event.amount_minor + 1)
    _, value = append(
        Head(seq=entry.seq - 1, hash=entry.prev_hash),
        chain_id=entry.chain_id,
        kind="DECISION",
        record=None,
        fingerprint=avro.fingerprint_of(SETTLEMENT_EVENTS),
        taken_at=entry.taken_at,
        fold_version=entry.fold_version,
        timeline=entry.timeline,
        body=codec.encode(SETTLEMENT_EVENTS, forged),
    )
    log._records[at] = msgspec.structs.replace(record, value=value)
    found = played.audit()
    assert "decided otherwise now: amount_minor" in told(found)


def test_an_instruction_that_follows_from_nothing_is_named(played: Played) -> None:
    """A forged PAY of a known chain, and one of a chain that was never heard of."""
    _, _, record = played.find(INSTRUCTIONS, Instruction)
    message = codec.decode(INSTRUCTIONS, record.value or b"").message
    producer = played.broker.producer(None)
    for chain_id in (message.chain_id, "nobody"):
        forged = msgspec.structs.replace(message, chain_id=chain_id, amount_minor=1)
        producer.produce(INSTRUCTIONS, chain_id.encode(), codec.encode(INSTRUCTIONS, forged))
    producer.flush()
    found = played.audit()
    assert {one.says for one in found.differences} == {
        f"{chain_id}: follows from no entry of the journal"
        for chain_id in (message.chain_id, "nobody")
    }


def test_a_record_that_is_missing_is_named(played: Played) -> None:
    """An instruction that was lost, and an entry cut off at the end of a chain."""
    log, at, record = played.find(INSTRUCTIONS, Instruction)
    del log._records[at], log._offsets[at]
    assert "is missing" in told(played.audit())
    assert (record.key or b"").decode() in told(played.audit())


def test_a_state_that_is_not_what_the_journal_says_is_named(played: Played) -> None:
    """The latest record of a subject is compared field by field."""
    log, at, record = played.find(STATE, Struct)
    message = codec.decode(STATE, record.value or b"").message
    changed = msgspec.structs.replace(message, holds_open=7)
    log._records[at] = msgspec.structs.replace(record, value=codec.encode(STATE, changed))
    assert "holds_open is 7, and must be 0" in told(played.audit())


def test_a_changed_table_row_is_named(played: Played, tmp_path: Path) -> None:
    """One amount in a copy of the file: the table and the row's place in Kafka."""
    copy = tmp_path / "copy.duckdb"
    shutil.copy(played.database, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute(
            "UPDATE settlement_event SET amount_minor = amount_minor + 1 WHERE "
            "(kafka_partition, kafka_offset) = (SELECT (kafka_partition, kafka_offset) "
            "FROM settlement_event LIMIT 1)"
        )
    found = played.audit(database=copy)
    assert {one.place for one in found.differences} == {"table settlement_event"}
    assert len(found.differences) == 2


def test_lost_offsets_come_back_from_the_journal(played: Played) -> None:
    """A worker that goes on behind the restored offsets takes nothing twice and loses nothing."""
    before = fold_journal(played.broker, 2)
    groups = played.broker._memory.groups
    had = dict(groups[topics.WORKER_GROUP].offsets)
    groups[topics.WORKER_GROUP].offsets.clear()
    given = offsets.restore(played.broker, played.meta, lambda *_: None)
    assert {one.group for one in given} == {topics.WORKER_GROUP}
    for one in given:
        assert one.offset <= had[TopicPartition(one.topic, one.partition)]
    assert sum(one.offset for one in given) > 0
    worker = deployment.worker(played.broker, SETTINGS, played.meta)
    for _ in range(200):
        worker.turn(0.0)
    worker.close()
    assert fold_journal(played.broker, 2) == before
    assert offsets.restore(played.broker, played.meta, lambda *_: None) == []
