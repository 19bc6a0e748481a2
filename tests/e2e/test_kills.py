"""kill -9 of worker, gateway and sink with work in flight, on a real Kafka, and what is true then.

Real deliveries are conducted through a broker of their own. Each process leaves by SIGKILL at the
nth passage of a point of its loop (settings `fail_at`), is examined from outside while it is dead
(Kafka, the rail's SQLite file, the DuckDB file), and is started again, with its next kill.
"""

import signal
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import scms as scms_timeline
from supplytwin.schemas import codec
from supplytwin.schemas import scms as scms_file
from supplytwin.schemas.flow import Message, Record
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import CONTROL, INSTRUCTIONS, JOURNAL, RECEIPTS
from supplytwin.sinks import tables
from supplytwin.sinks.rail import number_of
from supplytwin.sinks.simulated_rail import booked
from supplytwin.streams import demo, local_broker, summary, topics
from supplytwin.streams.children import Child
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.ports import Eof, Isolation, Offsets, TopicPartition
from supplytwin.streams.settings import Gateway, Kafka, Settings, WorkerSection, as_environment
from supplytwin.streams.topics import DERIVED, GATEWAY_GROUP, SINK_GROUP, WORKER_GROUP, places

PARTITIONS = 4
BEHAVIOUR = {
    "refuse_hold": 30, "reject_once": 80, "reject": 30, "give_back": 60, "silent": 100, "lose": 100
}  # fmt: skip
"""Shares of the simulated rail: silence and loss bring queries and repeats, where kills hurt."""
WORDS = {"worker": ("work", "--slot", "0"), "gateway": ("gateway",), "sink": ("sink", "duck")}
WRITES = {"worker": DERIVED, "gateway": (RECEIPTS,)}
KILLS = {
    "worker": {
        "between_send_offsets_and_commit": (1, 3, 20), "cut_complete": (1, 14, 75),
        "after_produce": (1, 9, 23), "between_commit_and_merge": (1, 8, 34),
    },
    "gateway": {"before_commit": (1, 2, 9), "committed": (1, 4, 8), "submitted": (1, 40, 130)},
    "sink": {"before_commit": (1, 3, 40), "after_commit": (1, 12, 60)},
}  # fmt: skip
"""At which passages since its start a process is killed: 1 = the first after it has come back. The
reduced tier takes the second of the three."""
EXTRA = {"worker": "after_produce", "gateway": "submitted"}
"""Kills that are added, each later than the last, until one has met money half done."""
TRANSACTIONAL = ("after_produce", "between_send_offsets_and_commit", "before_commit")
"""Points at which a transaction is open: in Kafka's log, and for the sink in DuckDB."""
_FROM_WEEK, _PATIENCE_S = 150, 60.0


class Death(Struct, frozen=True, kw_only=True):
    """One kill, as it was found before the process was started again."""

    process: str
    point: str
    in_flight: frozenset[Any]
    """What was found half done: for most points (topic, partition, offset)."""


class Run(Struct, frozen=True, kw_only=True):
    """A run under kills, after everything has ended, and the same messages without faults."""

    deaths: list[Death]
    hashes: summary.Hashes
    reference: summary.Summary
    log: list[Record]
    """Everything that stands in the topics of worker and gateway, aborted or not."""
    visible: list[Record]
    """What of it a read_committed consumer is given."""
    settings: Settings


def place(item: Record | Eof) -> TopicPartition:
    return TopicPartition(item.topic, item.partition)


def where(record: Record) -> tuple[str, int, int]:
    return (*place(record), record.offset)


def read(record: Record) -> Any:
    return codec.decode(record.topic, record.value or b"").message


def between(start: Offsets, end: Offsets) -> frozenset[Any]:
    """Each (topic, partition, offset) from `start` (missing: 0) to before `end`."""
    return frozenset((*at, n) for at in end for n in range(start.get(at, 0), end[at]))


def identity(record: Record) -> tuple[Any, ...]:
    """A receipt's id, what the rail knows an instruction by, an entry's place in its chain."""
    one = read(record)
    if record.topic == RECEIPTS:
        return (one.input_id,)
    if record.topic == INSTRUCTIONS:
        return (one.settlement_id, one.kind, number_of(one))
    return (one.chain_id, one.seq)


def rail(ledger: str, text: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as db:
        return db.execute(text).fetchall()


def handed_over(ledger: str) -> Counter[Any]:
    """How often each act was handed over, as the rail says."""
    return Counter({tuple(one): times for *one, times in rail(ledger, "SELECT * FROM seen")})


def scan(broker: KafkaBroker, names: Sequence[str], isolation: Isolation) -> list[Record]:
    """All records of some topics up to their present ends."""
    admin = broker.admin()
    ends = admin.ends(places(names, PARTITIONS), isolation)
    consumer = broker.consumer(None, isolation=isolation, from_start=True)
    found: list[Record] = []
    left = {at for at, end in ends.items() if end > 0}
    deadline = time.monotonic() + _PATIENCE_S
    try:
        consumer.assign(dict.fromkeys(left, 0))
        while left:
            assert time.monotonic() < deadline, f"{left} cannot be read to the end"
            for item in consumer.consume(5000, 0.2):
                at = place(item)
                if isinstance(item, Record) and item.offset < ends[at]:
                    found.append(item)
                if item.offset + isinstance(item, Record) >= ends[at]:
                    left.discard(at)
    finally:
        consumer.close()
        admin.close()
    return found


class Mortals:
    """Worker, gateway, sink. Who was killed is examined, and started again with its next kill."""

    def __init__(self, broker: KafkaBroker, settings: Settings, tries: Sequence[int]) -> None:
        self.broker, self.settings, self.admin = broker, settings, broker.admin()
        self.logs = Path(settings.duck.path).with_name("logs")
        self.logs.mkdir()
        self.deaths: list[Death] = []
        self.left = {
            name: [(point, nths[one]) for one in tries for point, nths in points.items()]
            for name, points in KILLS.items()
        }
        self.armed: dict[str, str] = {}
        self.children = {name: self.start(name) for name in KILLS}

    def start(self, name: str) -> Child:
        mine = [death for death in self.deaths if death.process == name]
        if not self.left[name] and name in EXTRA and not self.met_money(name, mine):
            self.left[name].append((EXTRA[name], 2 * len(mine)))
        self.armed[name], nth = self.left[name].pop(0) if self.left[name] else ("", 0)
        if name == "worker":
            self.journal_at_start = self.ends((JOURNAL,))
        key = {"sink": "duck"}.get(name, name)
        fail_at = f"{self.armed[name]}:{nth}" if nth else ""
        section = replace(getattr(self.settings, key), fail_at=fail_at)
        environment = as_environment(replace(self.settings, **{key: section}))
        return Child(name, WORDS[name], environment, self.logs / f"{name}.log")

    def tend(self) -> None:
        """Nobody may die otherwise than planned."""
        for name, child in self.children.items():
            code, point = child.process.poll(), self.armed[name]
            if code is None:
                continue
            assert (code, bool(point)) == (-signal.SIGKILL, True), f"{name}: {code}, {child.log}"
            found = self.examine(name, point)
            self.deaths.append(Death(process=name, point=point, in_flight=found))
            self.children[name] = self.start(name)
        time.sleep(0.01)

    def met_money(self, name: str, deaths: list[Death]) -> bool:
        """An instruction in an open transaction; a booked PAY that will be handed over again."""
        met = [one for death in deaths for one in death.in_flight]
        if name == "worker":
            return any(INSTRUCTIONS in one for one in met)
        paid = booked(Path(self.settings.gateway.ledger))
        return any((claim, "PAY") == one[:2] for one in met for claim in paid)

    def await_sink(self) -> None:
        """Until the sink has told Kafka the ends of everything that it reads."""
        deadline = time.monotonic() + _PATIENCE_S
        while between(self.committed(SINK_GROUP, DERIVED), self.ends(DERIVED)):
            assert time.monotonic() < deadline, "the sink stays behind; see its log"
            self.tend()

    def stop(self) -> dict[str, int]:
        self.admin.close()
        return {name: child.stop() for name, child in self.children.items()}

    # ---- what is half done

    def ends(self, names: Sequence[str], level: Isolation = "read_committed") -> Offsets:
        return self.admin.ends(places(names, PARTITIONS), level)

    def committed(self, group: str, names: Sequence[str]) -> Offsets:
        found = self.admin.committed(group, places(names, PARTITIONS))
        return {at: offset or 0 for at, offset in found.items()}

    def open(self, names: Sequence[str]) -> frozenset[Any]:
        """The records of open transactions."""
        return between(self.ends(names), self.ends(names, "read_uncommitted"))

    def examine(self, name: str, point: str) -> frozenset[Any]:
        if name == "sink":
            return self.file_against_kafka(point)
        if point in TRANSACTIONAL:
            return self.open(WRITES[name])
        deadline = time.monotonic() + 5.0
        while self.open(WRITES[name]):  # the markers follow the answer to a commit
            assert time.monotonic() < deadline, f"{name} {point} left a transaction open"
            time.sleep(0.05)
        if point == "cut_complete":
            return between(self.committed(WORKER_GROUP, (CONTROL,)), self.ends((CONTROL,)))
        if point == "between_commit_and_merge":
            return between(self.journal_at_start, self.ends((JOURNAL,)))
        return self.submitted() if point == "submitted" else self.unacknowledged()

    def submitted(self) -> frozenset[Any]:
        """Instructions that the rail has recorded and Kafka does not know to be handed over."""
        done = self.committed(GATEWAY_GROUP, (INSTRUCTIONS,))
        told = scan(self.broker, (INSTRUCTIONS,), "read_committed")
        known = Counter(identity(one) for one in told if one.offset < done[place(one)])
        beyond = {identity(one) for one in told if one.offset >= done[place(one)]}
        seen = handed_over(self.settings.gateway.ledger)
        return frozenset(one for one in beyond if seen[one] > known[one])

    def unacknowledged(self) -> frozenset[Any]:
        """Ids of receipts that everybody can read and that the rail still keeps to publish."""
        text = "SELECT receipt_id FROM outbox WHERE NOT acknowledged"
        kept = {one for (one,) in rail(self.settings.gateway.ledger, text)}
        visible = scan(self.broker, (RECEIPTS,), "read_committed")
        return frozenset(kept & {read(one).input_id for one in visible})

    def file_against_kafka(self, point: str) -> frozenset[Any]:
        """Before its commit the file holds just what was told to Kafka, after it more than that."""
        told = self.committed(SINK_GROUP, DERIVED)
        with duckdb.connect(self.settings.duck.path, read_only=True) as connection:
            found = connection.sql("SELECT topic, partition, next_offset FROM sink_offset")
            held = {TopicPartition(topic, number): n for topic, number, n in found.fetchall()}
        assert not between(held, told), "Kafka was told of what is not in the file"
        if point == "after_commit":
            return between(told, held)
        assert not between(told, held), "the file holds what was not committed"
        return between(held, self.ends(DERIVED))


def deliveries(weeks: int, chains: int) -> list[Message]:
    """Real chains that begin and end within some weeks, evenly taken."""
    messages = scms_timeline.timeline(scms_file.read())
    begin = messages[0].arrival + _FROM_WEEK * 7 * DAY_US
    span: dict[str, list[int]] = defaultdict(list)
    for message in messages:
        span[message.key].append(message.arrival)
    fit = [k for k, v in span.items() if begin <= v[0] and v[-1] <= begin + weeks * 7 * DAY_US]
    chosen = set(fit[:: len(fit) // chains][:chains])
    return [message for message in messages if message.key in chosen]


def play(folder: Path, broker: KafkaBroker, messages: list[Message], tries: Sequence[int]) -> Run:
    """The deliveries under kills, then once more in memory without any."""
    base = Settings(
        kafka=Kafka(bootstrap=broker.address, partitions=PARTITIONS),
        worker=WorkerSection(transaction_timeout_ms=60_000),  # the restart must abort, not Kafka
        gateway=Gateway(behaviour=BEHAVIOUR),
    )
    own = demo.settings_for(base, folder)
    topics.init(broker, own)
    mortals = Mortals(broker, own, tries)
    try:
        feed = Conductor(broker, partitions=PARTITIONS, timeline=demo.TIMELINE, pump=mortals.tend)
        feed.play(messages, demo.TICK_US)
        mortals.await_sink()
    finally:
        codes = mortals.stop()
    assert set(codes.values()) == {0} and not any(mortals.armed.values()), (codes, mortals.armed)
    reference = demo.run(
        base, want="memory", chains=1, directory=folder / "reference", keep=False,
        report=lambda *_: None, arrange=lambda _: messages,
    )  # fmt: skip
    return Run(
        deaths=mortals.deaths,
        hashes=summary.fold_journal(broker, PARTITIONS),
        reference=reference,
        log=scan(broker, (*DERIVED, RECEIPTS), "read_uncommitted"),
        visible=scan(broker, (*DERIVED, RECEIPTS), "read_committed"),
        settings=own,
    )


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The run under kills, on a Kafka of its own."""
    full = request.config.getoption("--tier") == "verify"
    messages = deliveries(104, 400) if full else deliveries(12, 60)
    folder = tmp_path_factory.mktemp("kills")
    local_broker.require()
    try:
        started = local_broker.start(folder / "kafka", with_parent=True)
        yield play(folder, KafkaBroker(started.bootstrap), messages, range(3) if full else (1,))
    finally:
        local_broker.stop(folder / "kafka", remove=True)


@pytest.mark.kafka
def test_every_kill_meets_work_in_flight(run: Run, required: Callable[[str], Any]) -> None:
    """Each process dies by SIGKILL at each planned point of its loop, with something half done."""
    points = {(name, point) for name, points in KILLS.items() for point in points}
    assert {(death.process, death.point) for death in run.deaths} == points
    assert [death for death in run.deaths if not death.in_flight] == []
    required("kill_points").done(len(run.deaths))


@pytest.mark.kafka
def test_a_kill_before_the_commit_aborts_the_transaction(run: Run) -> None:
    """What the dead had written stays in the log, nobody is given it, and it was done again."""
    visible = {where(one) for one in run.visible}
    aborted = {where(one): one for one in run.log if where(one) not in visible}
    for death in run.deaths:
        if death.process != "sink" and death.point in TRANSACTIONAL:
            assert death.in_flight
            assert death.in_flight <= aborted.keys()
    for topic in (JOURNAL, INSTRUCTIONS, RECEIPTS):
        undone = {identity(one) for one in aborted.values() if one.topic == topic}
        assert undone
        assert undone <= {identity(one) for one in run.visible if one.topic == topic}


@pytest.mark.kafka
def test_twins_and_payments_are_those_of_a_run_without_faults(run: Run) -> None:
    """The hashes of all states and of all payments equal those of the undisturbed run."""
    assert run.hashes.chains == run.reference.chains
    assert run.hashes.states == run.reference.hash_states
    assert run.hashes.settlements == run.reference.hash_settlements
    assert {"SETTLED", "RETURNED", "VOIDED"} <= {one.state for one in run.reference.settlements}


@pytest.mark.kafka
def test_the_rail_has_booked_each_settled_claim_once(run: Run) -> None:
    """Outside witness: one booking for each SETTLED or RETURNED claim, of its amount, no other."""
    with duckdb.connect(run.settings.duck.path, read_only=True) as connection:
        paid = connection.sql(
            "SELECT settlement_id, amount_minor, currency FROM settlement "
            "WHERE state IN ('SETTLED', 'RETURNED')"
        ).fetchall()
    assert booked(Path(run.settings.gateway.ledger)) == {
        claim: [(amount, currency)] for claim, amount, currency in paid
    }
    assert len(paid) > len(run.deaths)


@pytest.mark.kafka
def test_the_file_holds_each_committed_record_once(run: Run) -> None:
    """Each table's rows are the records of its topic, none lost, none twice; no gap in a chain."""
    with duckdb.connect(run.settings.duck.path, read_only=True) as connection:
        for spec in tables.TABLES:
            mine = sorted((one for one in run.visible if one.topic == spec.topic), key=where)
            if spec.mode == "latest":
                newest = {one.key: one for one in mine}
                mine = sorted((one for one in newest.values() if one.value), key=where)
            held = connection.sql(f"SELECT kafka_partition, kafka_offset FROM {spec.table}")
            assert sorted(held.fetchall()) == [where(one)[1:] for one in mine], spec.table
        chains = connection.sql("SELECT list(seq ORDER BY seq) FROM journal GROUP BY chain_id")
        assert all(seqs == list(range(1, len(seqs) + 1)) for (seqs,) in chains.fetchall())
        assert connection.sql("SELECT count(*) FROM quarantine").fetchall() == [(0,)]


@pytest.mark.kafka
def test_what_a_kill_has_repeated_counts_once(run: Run) -> None:
    """A receipt that is published again is one entry, a PAY handed over again is one booking."""
    published: dict[str, list[bytes | None]] = defaultdict(list)
    for one in run.visible:
        if one.topic == RECEIPTS:
            published[read(one).input_id].append(one.value)
    assert all(len(set(same)) == 1 for same in published.values())
    entries = [read(one) for one in run.visible if one.topic == JOURNAL]
    taken = [one.body for one in entries if one.source_topic == RECEIPTS]
    assert sorted(taken) == sorted(same[0] or b"" for same in published.values())
    told = Counter(identity(one) for one in run.visible if one.topic == INSTRUCTIONS)
    again = handed_over(run.settings.gateway.ledger) - told
    for death in run.deaths:
        if death.point == "committed":
            assert all(len(published[one]) > 1 for one in death.in_flight)
        if death.point == "submitted":
            assert death.in_flight <= again.keys()
    paid = booked(Path(run.settings.gateway.ledger))
    assert [claim for claim, kind, _ in again if kind == "PAY" and len(paid.get(claim, ())) == 1]
