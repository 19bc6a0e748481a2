"""`twin_span` in the DuckDB file: what SQL answers of two times is what the oracle says."""

import datetime as dt
import random
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import fold_world as world
import pytest
import sink_world as sinks
import times_oracle as oracle
from structlog.testing import capture_logs

from supplytwin.processors import simulate
from supplytwin.processors.chain import ChainFold
from supplytwin.processors.spans import of_entries
from supplytwin.schemas import codec
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.flow import Message, Record
from supplytwin.schemas.ids import DAY_US, HOUR_US
from supplytwin.schemas.records import JOURNAL, STATE
from supplytwin.sinks.duck import DuckSink
from supplytwin.sinks.spans import SpanWriter
from supplytwin.streams import deployment, topics
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Kafka, Settings, Time

T0 = oracle.T0
EPOCH = dt.datetime(1970, 1, 1)


class Folded:
    """Folds messages as a worker does, and keeps what it writes as records."""

    def __init__(self) -> None:
        self.log, self.fold = sinks.Log(), ChainFold("test")
        self.states: dict[str, Any] = {}

    def take(self, messages: Sequence[Any]) -> dict[str, list[Record]]:
        """The records that these messages cause: journal entries and latest states."""
        before, found = dict(self.states), []
        for at, message in enumerate(messages):
            state = self.states.get(message.key) or self.fold.new(message.key)
            step = self.fold.step(state, world.decoded(message, at), message.arrival)
            self.states[message.key] = step.state
            found += step.entries
        for chain, state in self.states.items():
            found += self.fold.publish(before.get(chain) or self.fold.new(chain), state)
        records = [self.log.put(one.topic, one.key.encode(), one.value) for one in found]
        return {topic: [one for one in records if one.topic == topic] for topic in (JOURNAL, STATE)}


def told(seed: int, count: int = 10) -> list[Any]:
    """A chain's messages; no content of a conflict comes twice (see test_timetravel.streams)."""
    draw = random.Random(seed)
    found: dict[Any, Any] = {}
    for _ in range(count):
        one = oracle.draw(lambda choices: draw.choice(list(choices)))
        found[one.content] = one
    return list(found.values())


def delivery(line: str, happened: int, arrived: int, event_id: str = "f0s") -> Any:
    """A delivery of a line."""
    return oracle.Told("delivered", "s", event_id, 1, "ACTUAL", line, happened, "+00:00", "S",
                       arrived)  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "twin.duckdb"


@pytest.fixture
def sink(path: Path) -> Iterator[DuckSink]:
    found = DuckSink(path, lambda: b"12345678")
    yield found
    found.close()


@pytest.fixture
def ask(sink: DuckSink) -> Callable[[str], list[tuple[Any, ...]]]:
    return lambda text: sink.connection.execute(text).fetchall()


def writer(sink: DuckSink, **options: Any) -> SpanWriter:
    return SpanWriter(sink, options.pop("fold", of_entries), options.pop("version", "1"), **options)


def literal(moment: int) -> str:
    return f"TIMESTAMP '{EPOCH + dt.timedelta(microseconds=moment)}'"


def micros(value: Any) -> int | None:
    return None if value is None else (value - EPOCH) // dt.timedelta(microseconds=1)


def answer(ask: Any, as_of: int, known_at: int) -> dict[str, dict[str, Any]]:
    """Every line of every chain, as the macro tells it."""
    found: dict[str, dict[str, Any]] = {}
    for chain, line, *values in ask(
        f"SELECT chain_id, subject_id, {', '.join(oracle.Row._fields)} "
        f"FROM twin_at({literal(as_of)}, {literal(known_at)}) WHERE subject_type = 'ORDER_LINE'"
    ):
        row = oracle.Row(*values)
        assert line not in found.setdefault(chain, {})
        found[chain][line] = row._replace(
            milestones=tuple(row.milestones), flags=tuple(row.flags),
            planned_time=micros(row.planned_time), eta=micros(row.eta),
            actual_time=micros(row.actual_time),
        )  # fmt: skip
    return found


def test_sql_answers_what_the_oracle_says(sink: DuckSink, ask: Any) -> None:
    """60 random chains at 60 random pairs of times, late and corrected messages among them."""
    chains = {f"C{seed}": told(seed) for seed in range(60)}
    work = Folded()
    for chain, messages in chains.items():
        sink.write(work.take([oracle.message(one, chain) for one in messages]), {})
    spanned = writer(sink)
    assert next(spanned.complete()) == 60
    list(spanned.complete())
    draw = random.Random(1)
    for _ in range(60):
        as_of = T0 + draw.randrange(-10, 70) * HOUR_US + draw.choice((-1, 0, 1))
        known_at = T0 + draw.randrange(-30, 160) * HOUR_US + draw.choice((-1, 0, 1))
        wanted = {chain: oracle.rows(all_, as_of, known_at) for chain, all_ in chains.items()}
        assert answer(ask, as_of, known_at) == {c: rows for c, rows in wanted.items() if rows}


def test_without_bounds_it_is_the_latest_state(sink: DuckSink, ask: Any) -> None:
    """The same rows as `twin_state`, to the hash of the whole state of each subject."""
    work = Folded()
    messages = [oracle.message(one, f"C{seed}") for seed in range(20) for one in told(seed)]
    sink.write(work.take(messages), {})
    list(writer(sink).complete())
    columns = (
        "chain_key, chain_id, subject_type, subject_id, lifecycle, milestones, flags, holds_open, "
        "state_hash, planned_time, eta, actual_time, delay_days, qty_ordered, qty_received"
    )
    latest = ask(f"SELECT {columns} FROM twin_state ORDER BY ALL")
    assert len(latest) > 20
    assert ask(f"SELECT {columns} FROM twin_at(NULL, NULL) ORDER BY ALL") == latest
    assert ask(f"SELECT {columns} FROM twin_as_of(NULL) ORDER BY ALL") == latest
    assert ask(f"SELECT {columns} FROM twin_known_at('infinity') ORDER BY ALL") == latest


def test_where_only_an_exception_tells_nothing_was_true(sink: DuckSink, ask: Any) -> None:
    """A retraction without authority leaves its subject in twin_state, with neither state nor
    milestones, and nowhere in the spans.
    """
    strange = sinks.delivered(
        "C", "r", correction_action="RETRACT", correction_event_id="q", correction_source="yy",
        correction_reason="DID_NOT_OCCUR",
    )  # fmt: skip
    message = Message(topic=strange.TOPIC, key="C", arrival=T0, body=strange)
    sink.write(Folded().take([message]), {})
    list(writer(sink).complete())
    left = "SELECT DISTINCT lifecycle, milestones FROM twin_state WHERE subject_type = 'ORDER_LINE'"
    assert ask(left) == [(None, [])]
    assert ask("FROM twin_at(NULL, NULL)") == []


def test_a_running_sink_fills_it_by_itself(path: Path) -> None:
    """Simulated chains with all that may go wrong: what the worker says of every subject last is
    what the spans say, once the sink has had time.
    """
    broker = MemoryBroker()
    settings = Settings(kafka=Kafka(partitions=2), time=Time(simulated=True, timeline="t"))
    topics.init(broker, settings)
    meta = topics.require_meta(broker)
    worker = deployment.worker(broker, settings, meta)
    producer = broker.producer(None)
    made = simulate.chains(6, 5, late=0.3, duplicates=0.2, corrections=0.4, revocations=0.3)
    for one in made.messages:
        value = codec.encode(one.topic, one.body)
        producer.produce(one.topic, one.key.encode(), value, timestamp_us=one.arrival)
    producer.flush()
    for _ in range(50):
        worker.turn(0.0)
    worker.close()
    subscriber, sink = deployment.duck(broker, path, meta)
    own, stop, left = subscriber._idle, threading.Event(), iter(range(2000))

    def idle() -> None:
        own()
        behind = sink.connection.execute("SELECT count(*) FROM twin_span_behind").fetchall()
        if (sink.rows and behind == [(0,)]) or next(left, None) is None:
            stop.set()

    subscriber._idle = idle
    subscriber.run(stop)
    columns = "chain_id, subject_type, subject_id, lifecycle, flags, state_hash"
    with duckdb.connect(str(path), read_only=True) as file:
        latest = file.execute(f"SELECT {columns} FROM twin_state ORDER BY ALL").fetchall()
        found = file.execute(f"SELECT {columns} FROM twin_as_of(NULL) ORDER BY ALL").fetchall()
    assert len(latest) > 20
    assert found == latest


# ---- how a moment is written


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("DATE '2014-11-05'", "2014-11-05 23:59:59.999999"),
        ("'2014-11-05'", "2014-11-05 23:59:59.999999"),
        ("'2014-11-05T10:00:00Z'", "2014-11-05 10:00:00"),
        ("'2014-11-05T10:00:00.5-0130'", "2014-11-05 11:30:00.5"),
        ("'2014-11-05 10:00:00+08'", "2014-11-05 02:00:00"),
        ("'2014-11-05 10:00'", "2014-11-05 10:00:00"),
        ("TIMESTAMP '2014-11-05 00:00:00'", "2014-11-05 00:00:00"),
        ("TIMESTAMPTZ '2014-11-05 10:00:00+05:30'", "2014-11-05 04:30:00"),
        ("NULL", "infinity"),
        ("'infinity'", "infinity"),
        ("TIMESTAMP '2014-11-05 10:00:00.25'", "2014-11-05 10:00:00.25"),
        ("TIMESTAMP_NS '2014-11-05 10:00:00.25'", "2014-11-05 10:00:00.25"),
    ],
)
def test_a_moment_is_what_is_written(sink: DuckSink, ask: Any, written: str, meant: str) -> None:
    """A date is its end; an offset counts, whatever the type and the zone of the session."""
    writer(sink)
    assert ask(f"SELECT twin_moment({written}) = TIMESTAMP '{meant}'") == [(True,)]


@pytest.mark.parametrize(
    "written",
    ["2014-11-05 10:00:00 Asia/Shanghai", "2014-11-5", "2014-11-05 1:00", "14-11-05", "today", "",
     " 2014-11-05", "2014-11-05T10:00:00+8", "2014-11-05T10:00:00 +08:00", "20141105", "2014-02-30",
     "2014-11-05T25:00:00Z", "2014-11-05T10:00:00+0800Z", "12014-11-05", "2014-11-05\n"],
)  # fmt: skip
def test_what_is_no_moment_is_refused(sink: DuckSink, ask: Any, written: str) -> None:
    """No zone is dropped and no date is guessed; the error shows what was written."""
    work = Folded()
    sink.write(work.take([oracle.message(delivery("1", T0, T0), "C")]), {})
    list(writer(sink).complete())
    for query in ("SELECT twin_moment('{}')", "FROM twin_as_of('{}')", "FROM twin_known_at('{}')"):
        with pytest.raises(
            duckdb.Error, match=f'"{re.escape(written)}" is no moment: write a date'
        ):
            ask(query.format(written))


def test_another_session_zone_changes_no_answer(path: Path) -> None:
    """A command line in Tokyo reads the same file the same way."""
    sink = DuckSink(path, lambda: b"12345678")
    work = Folded()
    sink.write(work.take([oracle.message(delivery("1", T0, T0 + 9 * HOUR_US), "C")]), {})
    list(writer(sink).complete())
    sink.close()
    with duckdb.connect(str(path), read_only=True) as other:
        other.execute("SET TimeZone = 'Asia/Tokyo'")
        for written, rows in (
            ("TIMESTAMPTZ '2024-10-04 09:00:00+00'", 1),
            ("'2024-10-04T08:59:59Z'", 0),
            ("'2024-10-04T18:00:00+09:00'", 1),
        ):
            found = other.execute(f"SELECT count(*) FROM twin_known_at({written})").fetchall()
            assert found == [(rows,)]


# ---- never behind in silence


def test_no_answer_rests_on_facts_that_are_not_folded_yet(sink: DuckSink, ask: Any) -> None:
    """What arrived later than the horizon is refused by name; everything before it is answered."""
    work = Folded()
    sink.write(work.take([oracle.message(delivery("1", T0, T0 + HOUR_US), "C")]), {})
    spanned = writer(sink)
    list(spanned.complete())
    late = [delivery("2", T0, T0 + 9 * HOUR_US, "f1s"), delivery("3", T0, T0 + 8 * HOUR_US, "f2s")]
    sink.write(work.take([oracle.message(one, "C") for one in late]), {})
    horizon = T0 + 8 * HOUR_US - 1
    assert ask("SELECT chain_id, facts FROM twin_span_behind") == [("C", 2)]
    assert ask(f"SELECT twin_horizon() = {literal(horizon)}") == [(True,)]
    assert set(answer(ask, T0, horizon)["C"]) == {"1"}
    lines = "SELECT subject_id FROM {} WHERE subject_type = 'ORDER_LINE' ORDER BY 1"
    assert ask(lines.format("twin_as_of(NULL)")) == [("1",)]
    with pytest.raises(duckdb.Error, match=r"by then of C: .*supplytwin twin spans"):
        answer(ask, T0, horizon + 1)
    with pytest.raises(duckdb.Error, match="does not hold all facts"):
        ask("FROM twin_known_at('infinity')")
    list(spanned.complete())
    assert ask(lines.format("twin_known_at(NULL)")) == [("1",), ("2",), ("3",)]
    assert ask("FROM twin_span_behind") == []


def test_a_running_sink_folds_in_a_share_of_its_time(sink: DuckSink, ask: Any) -> None:
    """After one turn the next waits nine times as long as that took; nothing new, nothing done."""
    work, now, folded = Folded(), [0.0], []

    def fold(chain: str, entries: Any, schemas: Any) -> Any:
        folded.append(chain)
        now[0] += 1.0
        return of_entries(chain, entries, schemas)

    spanned = writer(sink, fold=fold, clock=lambda: now[0])
    messages = [oracle.message(delivery("1", T0, T0), chain) for chain in ("A", "B")]
    sink.write(work.take(messages), {})
    spanned.idle()
    spanned.idle()
    assert folded == ["A"]
    now[0] = 9.9
    spanned.idle()
    assert folded == ["A"]
    now[0] = 10.0
    spanned.idle()
    assert folded == ["A", "B"]
    now[0] = 100.0
    spanned.idle()
    assert folded == ["A", "B"]
    assert spanned.counts() == (2, 2, 0)


def test_a_very_long_chain_is_left_to_the_command(sink: DuckSink, monkeypatch: Any) -> None:
    """It would hold up the sink; `complete` takes it."""
    monkeypatch.setattr("supplytwin.sinks.spans._FACTS_MAX", 1)
    work = Folded()
    two = [delivery("1", T0, T0), delivery("1", T0 + 1, T0, "f1s")]
    sink.write(work.take([oracle.message(one, "LONG") for one in two]), {})
    sink.write(work.take([oracle.message(two[0], "SHORT")]), {})
    spanned = writer(sink)
    spanned.idle()
    assert spanned.counts() == (1, 1, 1)
    list(spanned.complete())
    assert spanned.counts()[2] == 0


def test_a_chain_that_cannot_be_read_stays_behind_and_is_told(sink: DuckSink, ask: Any) -> None:
    """The others are folded; the log names it, and no answer reaches into what it has."""
    work = Folded()
    messages = [oracle.message(delivery("1", T0, T0), chain) for chain in ("BAD", "GOOD")]
    sink.write(work.take(messages), {})

    def fold(chain: str, entries: Any, schemas: Any) -> Any:
        if chain == "BAD":
            raise FatalError("cannot be read")
        return of_entries(chain, entries, schemas)

    spanned = writer(sink, fold=fold)
    with capture_logs() as logs:
        list(spanned.complete())
    assert [(one["event"], one["chain"]) for one in logs] == [("no spans of a chain", "BAD")]
    assert ask("SELECT chain_id FROM twin_span_behind") == [("BAD",)]
    with pytest.raises(duckdb.Error, match="does not hold all facts"):
        ask("FROM twin_known_at(NULL)")


# ---- the file over time


def test_what_another_fold_has_said_is_thrown_away(sink: DuckSink, ask: Any) -> None:
    """After an upgrade every chain is behind, until the new fold has told it."""
    work = Folded()
    sink.write(work.take([oracle.message(delivery("1", T0, T0), "C")]), {})
    list(writer(sink, version="1").complete())
    assert writer(sink, version="1").counts() == (1, 1, 0)
    newer = writer(sink, version="2")
    assert newer.counts() == (0, 0, 1)
    list(newer.complete())
    assert ask("SELECT chain_id, seq, fold_version FROM twin_span_head") == [("C", 1, "2")]


def test_a_table_of_other_columns_is_made_anew(sink: DuckSink, ask: Any) -> None:
    """A file of an older version is filled again, not guessed at."""
    work = Folded()
    sink.write(work.take([oracle.message(delivery("1", T0, T0), "C")]), {})
    list(writer(sink).complete())
    ask("ALTER TABLE twin_span DROP COLUMN flags")
    again = writer(sink)
    assert again.counts() == (0, 0, 1)
    list(again.complete())
    assert ask("SELECT flags FROM twin_span LIMIT 1") == [(["inferred"],)]


def test_a_chain_is_told_anew_as_a_whole(sink: DuckSink, ask: Any) -> None:
    """A fact that came late closes what was said, in the time of knowing; nothing is twice."""
    work = Folded()
    spanned = writer(sink)
    for one in (delivery("1", T0, T0 + DAY_US), delivery("1", T0 - DAY_US, T0 + 2 * DAY_US, "f1s")):
        sink.write(work.take([oracle.message(one, "C")]), {})
        list(spanned.complete())
    found = ask(
        "SELECT epoch_us(valid_from) - epoch_us(min(valid_from) OVER ()), "
        "epoch_us(known_from), epoch_us(known_to) FROM twin_span "
        "WHERE subject_type = 'ORDER_LINE' ORDER BY valid_from, known_from"
    )
    assert found == [
        (0, T0 + 2 * DAY_US, None),
        (DAY_US, T0 + DAY_US, T0 + 2 * DAY_US),
        (DAY_US, T0 + 2 * DAY_US, None),
    ]
