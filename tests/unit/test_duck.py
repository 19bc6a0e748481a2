"""The DuckDB file: rows and offsets together or not at all, nothing twice, nothing stops it."""

import datetime as dt
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
import sink_world as w

from supplytwin.schemas import codec
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import key63
from supplytwin.schemas.records import (
    FOOTPRINTS,
    JOURNAL,
    MILESTONES,
    QUARANTINE,
    SETTLEMENT_EVENTS,
    STATE,
    Quarantined,
)
from supplytwin.sinks.duck import DuckSink

Ask = Callable[[str], list[tuple[Any, ...]]]


class Stop(Exception):
    """Raised where a process might be killed."""


def open_sink(path: Path, at: Callable[[str], None] = lambda _: None) -> DuckSink:
    return DuckSink(path, lambda: b"12345678", at)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the file will be."""
    return tmp_path / "twin.duckdb"


@pytest.fixture
def sink(path: Path) -> Iterator[DuckSink]:
    """An empty file."""
    made = open_sink(path)
    yield made
    made.close()


@pytest.fixture
def ask(sink: DuckSink) -> Ask:
    """Rows of a statement."""
    return lambda text: sink.connection.execute(text).fetchall()


def counts(sink: DuckSink) -> dict[str, int]:
    names = ("journal", "event", "twin_state", "milestone", "settlement_event", "quarantine")
    return {
        name: sink.connection.execute(f"SELECT count(*) FROM {name}").fetchall()[0][0]
        for name in names
    }


# ---- what a row holds


def test_an_entry_is_kept_in_columns_and_as_its_own_bytes(sink: DuckSink, ask: Ask) -> None:
    """`journal` has every field of the entry, its raw bytes, its place and its integer key."""
    record = w.Chain(w.Log(), "SCMS-1").fact(w.placed("SCMS-1"))
    sink.write({JOURNAL: [record]}, {})
    found = ask(
        "SELECT chain_key, chain_id, seq, kind, source_topic, source_offset, arrival, headers, "
        "raw, octet_length(hash), kafka_partition, kafka_offset FROM journal"
    )
    noon = dt.datetime(2014, 5, 13, 16, 53, 20)
    headers = [{"k": "trace", "v": b"x"}, {"k": "empty", "v": None}]
    assert found == [
        (key63("SCMS-1"), "SCMS-1", 1, "FACT", "supply.orders", 101, noon, headers,
         record.value, 32, record.partition, 0)
    ]  # fmt: skip


def test_a_fact_becomes_an_event_with_typed_columns(sink: DuckSink, ask: Ask) -> None:
    """Decimals are decimals, times are UTC, lines are structs, what a type lacks is null."""
    chain = w.Chain(w.Log(), "SCMS-1")
    records = [chain.fact(w.placed("SCMS-1")), chain.fact(w.delivered("SCMS-1"))]
    sink.write({JOURNAL: [*records, chain.entry("DECISION", None, b"no event")]}, {})
    columns = "seq, event_type, mass_kg, mode_detail, order_id"
    assert ask(f"SELECT {columns} FROM event ORDER BY seq") == [
        (1, "order.placed", None, None, "SCMS-1"),
        (2, "shipment.delivered", Decimal("12.345000000"), "Air", None),
    ]
    line = ask("SELECT unnest(order_lines, recursive := true) FROM event WHERE seq = 1")
    assert line == [("1", "kit", Decimal(3), "PACK", Decimal("1.25"), None)]
    assert ask("SELECT chain_key, source_topic, refs, kafka_offset FROM event WHERE seq = 2") == [
        (key63("SCMS-1"), "supply.shipments", ["CONSIGNMENT:ASN-1"], 1)
    ]


def test_amounts_stay_whole_numbers_and_decimals_add_up(sink: DuckSink, ask: Ask) -> None:
    """Money is BIGINT minor units; kilograms can be summed without floats."""
    chain = w.Chain(w.Log(), "SCMS-1")
    prints = [chain.footprint(1, "0.1"), chain.footprint(2, "0.2")]
    sink.write({FOOTPRINTS: prints, SETTLEMENT_EVENTS: [chain.settle("K", 1, "CREATED")]}, {})
    assert ask("SELECT sum(co2e_wtw_kg) = 0.3::DECIMAL(38,9) FROM footprint") == [(True,)]
    assert ask("SELECT typeof(amount_minor), currency, postings FROM settlement_event") == [
        ("BIGINT", "USD", ["buyer;-1234", "seller;1234"])
    ]


def test_a_good_batch_is_decoded_in_columns(sink: DuckSink, ask: Ask) -> None:
    """Thousands of good records need no fallback, and all of them land."""
    log = w.Log()
    records = w.history(log, 500, facts=3)
    sink.write(w.grouped(records), w.offsets_of(log))
    assert sink.fallbacks == sink.refused == 0
    assert counts(sink) == {
        "journal": 2000, "event": 1500, "twin_state": 500, "milestone": 500,
        "settlement_event": 1000, "quarantine": 0,
    }  # fmt: skip
    assert sink.rows == 5500
    assert sink.offsets() == w.offsets_of(log)
    assert ask("SELECT count(DISTINCT (kafka_partition, kafka_offset)) FROM journal") == [(2000,)]


# ---- the latest state


def test_the_latest_state_of_a_key_replaces_the_older(sink: DuckSink, ask: Ask) -> None:
    """One row a subject, the newest, whether it came in the same batch or in a later one."""
    log = w.Log()
    chain, other = w.Chain(log, "A"), w.Chain(log, "B")
    first = [chain.state("LOT", "1", holds_open=1), chain.state("LOT", "1", holds_open=2),
             other.state("LOT", "1", holds_open=9)]  # fmt: skip
    sink.write({STATE: first}, {})
    assert ask("SELECT chain_id, holds_open FROM twin_state ORDER BY 1") == [("A", 2), ("B", 9)]
    sink.write({STATE: [chain.state("LOT", "1", holds_open=3)]}, {})
    assert ask("SELECT chain_id, holds_open FROM twin_state ORDER BY 1") == [("A", 3), ("B", 9)]
    assert ask("SELECT record_key, row_key FROM twin_state WHERE chain_id = 'A'") == [
        ("A|LOT|1", key63("A|LOT|1"))
    ]


def test_a_tombstone_removes_the_row(sink: DuckSink, ask: Ask) -> None:
    """A subject without facts is gone; written again it is there again."""
    chain = w.Chain(w.Log(), "A")
    sink.write({STATE: [chain.state("LOT", "1"), chain.state("LOT", "2")]}, {})
    sink.write({STATE: [chain.forget("LOT", "1")]}, {})
    assert ask("SELECT subject_id FROM twin_state") == [("2",)]
    sink.write({STATE: [chain.state("LOT", "1"), chain.forget("LOT", "2")]}, {})
    assert ask("SELECT subject_id FROM twin_state") == [("1",)]
    sink.write({STATE: [chain.forget("LOT", "1"), chain.state("LOT", "1", holds_open=7)]}, {})
    assert ask("SELECT holds_open FROM twin_state") == [(7,)]


def test_an_unreadable_state_replaces_nothing(sink: DuckSink, ask: Ask) -> None:
    """What cannot be read leaves the last readable state where it is, and is quarantined."""
    log = w.Log()
    chain = w.Chain(log, "A")
    sink.write({STATE: [chain.state("LOT", "1", holds_open=1)]}, {})
    sink.write({STATE: [log.put(STATE, b"A|LOT|1", b"garbage")]}, {})
    assert ask("SELECT holds_open FROM twin_state") == [(1,)]
    assert counts(sink)["quarantine"] == 1


# ---- together or not at all, and nothing twice


def test_a_stop_before_the_commit_leaves_nothing(path: Path) -> None:
    """Neither rows nor offsets of a batch that did not commit are in the file."""

    def at(point: str) -> None:
        if point == "before_commit":
            raise Stop

    log = w.Log()
    records = w.history(log, 5)
    stopped = open_sink(path, at)
    with pytest.raises(Stop):
        stopped.write(w.grouped(records), w.offsets_of(log))
    assert set(counts(stopped).values()) == {0}
    assert stopped.offsets() == {}
    assert stopped.rows == 0
    stopped.connection.close()
    again = open_sink(path)
    assert again.offsets() == {}
    again.write(w.grouped(records), w.offsets_of(log))
    assert counts(again)["journal"] == 15
    again.close()


def test_records_handed_over_again_change_nothing(path: Path) -> None:
    """A stop between the two commits makes Kafka give everything again: no row is there twice."""

    def at(point: str) -> None:
        if point == "after_commit":
            raise Stop

    log = w.Log()
    records = w.history(log, 5)
    stopped = open_sink(path, at)
    with pytest.raises(Stop):
        stopped.write(w.grouped(records), w.offsets_of(log))
    stopped.connection.close()
    again = open_sink(path)
    assert again.offsets() == w.offsets_of(log)
    before = counts(again)
    more = w.Chain(log, "NEW").fact(w.placed("NEW"))
    again.write(w.grouped([*records, more]), w.offsets_of(log))
    assert counts(again) == {**before, "journal": 16, "event": 11}
    again.close()


def test_offsets_never_go_back(sink: DuckSink) -> None:
    """An older offset handed over later does not make the file forget what it holds."""
    sink.write({}, {(JOURNAL, 0): 10, (JOURNAL, 1): 4})
    sink.write({}, {(JOURNAL, 0): 7, (JOURNAL, 1): 5})
    assert sink.offsets() == {(JOURNAL, 0): 10, (JOURNAL, 1): 5}


def test_readers_see_whole_batches_only(sink: DuckSink) -> None:
    """Another cursor sees the rows and the offsets of a batch at the same moment."""
    log = w.Log()
    records = w.history(log, 3)
    seen = []

    def look(point: str) -> None:
        cursor = sink.connection.cursor()
        rows = cursor.execute("SELECT count(*) FROM journal").fetchall()[0][0]
        offsets = cursor.execute("SELECT count(*) FROM sink_offset").fetchall()[0][0]
        seen.append((point, rows, offsets > 0))
        cursor.close()

    sink._at = look
    sink.write(w.grouped(records), w.offsets_of(log))
    assert seen == [("before_commit", 0, False), ("after_commit", 9, True)]


# ---- what cannot be decoded


def test_an_undecodable_record_is_quarantined_and_the_others_land(sink: DuckSink, ask: Ask) -> None:
    """Garbage, a truncated record, one with trailing bytes and an empty one stop nobody."""
    log = w.Log()
    chain = w.Chain(log, "A")
    good = [chain.milestone("ONE"), chain.milestone("TWO")]
    value = good[0].value
    assert value is not None
    bad = [log.put(MILESTONES, b"A", one) for one in (b"", b"garbage", value[:-3], value + b"x")]
    sink.write({MILESTONES: [good[0], *bad, good[1]]}, {})
    assert ask("SELECT code FROM milestone ORDER BY code") == [("ONE",), ("TWO",)]
    found = ask(
        "SELECT source_topic, source_offset, code, body, record_key, size FROM quarantine "
        "ORDER BY source_offset"
    )
    assert found == [
        (MILESTONES, one.offset, "SINK_UNDECODABLE", one.value, b"A", len(one.value or b""))
        for one in bad
    ]
    assert sink.refused == 4


def test_a_tombstone_in_a_history_is_no_row(sink: DuckSink) -> None:
    """A record without value in an append topic is quarantined like any other unreadable one."""
    sink.write({MILESTONES: [w.Log().put(MILESTONES, b"A", None)]}, {})
    assert counts(sink)["milestone"] == 0
    assert counts(sink)["quarantine"] == 1


def test_a_fact_that_cannot_be_decoded_is_named_and_its_entry_kept(
    sink: DuckSink, ask: Ask
) -> None:
    """The journal keeps the entry, `event` lacks it, and quarantine says which one it was."""
    chain = w.Chain(w.Log(), "A")
    entries = [
        chain.fact(w.placed("A")),
        chain.entry("FACT", "supply.orders", b"\x00\x00\x00\x00\x07registry"),
        chain.entry("FACT", "supply.shipments", b"garbage"),
        chain.fact(w.delivered("A")),
    ]
    sink.write({JOURNAL: entries}, {})
    assert ask("SELECT seq FROM event ORDER BY seq") == [(1,), (4,)]
    assert ask("SELECT count(*) FROM journal") == [(4,)]
    assert ask("SELECT source_topic, source_offset, body FROM quarantine ORDER BY 2") == [
        (JOURNAL, one.offset, one.value) for one in entries[1:3]
    ]


def test_a_state_without_a_text_key_is_quarantined(sink: DuckSink, ask: Ask) -> None:
    """A latest-value record without key, or with one that is no text, has no row to be."""
    log = w.Log()
    value = w.Chain(log, "A").state("LOT", "1").value
    records = [log.put(STATE, key, value) for key in (None, b"", b"\xff\xfe")]
    sink.write({STATE: records}, {})
    assert counts(sink)["twin_state"] == 0
    assert ask("SELECT DISTINCT code FROM quarantine") == [("SINK_UNDECODABLE",)]
    assert counts(sink)["quarantine"] == 3


def test_a_number_that_is_none_is_quarantined_not_nulled(sink: DuckSink, ask: Ask) -> None:
    """A decimal that its column cannot hold is refused by name, not silently made unknown."""
    chain = w.Chain(w.Log(), "A")
    prints = [chain.footprint(1, "1.5"), chain.footprint(2, "many"), chain.footprint(3, None)]
    sink.write({FOOTPRINTS: prints}, {})
    assert ask("SELECT version, co2e_wtw_kg FROM footprint ORDER BY 1") == [
        (1, Decimal("1.5")), (3, None),
    ]  # fmt: skip
    assert ask("SELECT field, source_offset FROM quarantine") == [("co2e_wtw_kg", 1)]


def test_the_workers_own_refusals_land_beside_the_sinks(sink: DuckSink, ask: Ask) -> None:
    """A record of topic quarantine is a row that names the record which was refused."""
    refused = Quarantined(
        topic="supply.orders", partition=2, offset=7, arrival=w.NOON, key=b"\xff", code="MALFORMED",
        field="", reason="is cut off", headers=(("h", None),), body=None, body_sha256="ab", size=9,
    )  # fmt: skip
    record = w.Log().put(QUARANTINE, b"\xff", codec.encode(QUARANTINE, refused))
    sink.write({QUARANTINE: [record]}, {})
    assert ask(
        "SELECT source_topic, source_partition, source_offset, record_key, code, body, size "
        "FROM quarantine"
    ) == [("supply.orders", 2, 7, b"\xff", "MALFORMED", None, 9)]


# ---- the file


def test_a_file_in_use_elsewhere_or_no_file_at_all_is_said_plainly(path: Path) -> None:
    """What is not a DuckDB file is refused in one line with its name."""
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(UsageError, match=path.name) as refused:
        open_sink(path)
    assert "\n" not in str(refused.value)


def test_the_folder_of_the_file_is_made(tmp_path: Path) -> None:
    """A new file may stand in a folder that is not there yet."""
    sink = open_sink(tmp_path / "new" / "twin.duckdb")
    sink.close()
    assert (tmp_path / "new" / "twin.duckdb").is_file()


def test_a_column_that_is_new_is_added(path: Path) -> None:
    """A file of an older version gets the columns that have been added since, as null."""
    open_sink(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP VIEW settlement")
        connection.execute("ALTER TABLE settlement_event DROP COLUMN reason")
        connection.execute("INSERT INTO settlement_event (claim_id) VALUES ('old')")
    again = open_sink(path)
    again.write({SETTLEMENT_EVENTS: [w.Chain(w.Log(), "A").settle("K", 1, "CREATED")]}, {})
    found = again.connection.execute(
        "SELECT claim_id, reason FROM settlement_event ORDER BY claim_id"
    ).fetchall()
    assert found == [("K", "to CREATED"), ("old", None)]
    again.close()


def test_a_column_of_another_type_is_not_guessed_at(path: Path) -> None:
    """A file whose columns differ is refused with the name of the column and the way out."""
    open_sink(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("DROP TABLE footprint CASCADE")
        connection.execute("CREATE TABLE footprint (version VARCHAR)")
    with pytest.raises(UsageError, match=r"footprint\.version is VARCHAR and must be BIGINT"):
        open_sink(path)


def test_older_command_lines_can_open_the_file(path: Path, sink: DuckSink) -> None:
    """The file is written in the storage version of DuckDB 1.5."""
    tags = sink.connection.execute("SELECT tags FROM duckdb_databases() WHERE path IS NOT NULL")
    assert [one["storage_version"] for (one,) in tags.fetchall()] == ["v1.5.0+"]


def test_nothing_but_the_file_can_be_reached(sink: DuckSink, tmp_path: Path) -> None:
    """Not even the writer's own connection reads or writes another file, or changes that."""
    for text in (
        f"COPY journal TO '{tmp_path}/out.csv'", f"ATTACH '{tmp_path}/other.db'",
        "SELECT * FROM read_text('/etc/hostname')", "SET enable_external_access = true",
        "INSTALL httpfs",
    ):  # fmt: skip
        with pytest.raises(duckdb.Error):
            sink.connection.execute(text)
    frame = pl.DataFrame({"a": [1]})
    with pytest.raises(duckdb.CatalogException):
        sink.connection.execute("FROM frame")
    assert frame.height == 1
    assert [one.name for one in tmp_path.iterdir() if not one.name.startswith("twin")] == []


def test_a_large_record_lands_whole(sink: DuckSink, ask: Ask) -> None:
    """An entry of more than a megabyte keeps every byte."""
    record: Record = w.Chain(w.Log(), "A").entry("INPUT", "settlement.contracts", b"z" * 1_200_000)
    sink.write({JOURNAL: [record]}, {})
    assert ask("SELECT raw FROM journal") == [(record.value,)]
