"""The declaration of the analysts' tables, and what the views over them answer."""

import polars as pl
import pytest
import sink_world as w
from msgspec.structs import replace

from supplytwin.schemas.events import EVENT_TYPES
from supplytwin.schemas.ids import key63
from supplytwin.schemas.records import QUARANTINE, STATE
from supplytwin.sinks import tables, views
from supplytwin.sinks.duck import DuckSink
from supplytwin.streams.topics import DERIVED, TOPICS


def test_every_derived_topic_has_one_table() -> None:
    """All that the worker writes lands, each topic in a table of its own."""
    topics = [spec.topic for spec in tables.TABLES]
    assert sorted(topics) == sorted(DERIVED)
    assert len({spec.table for spec in tables.TABLES}) == len(topics)


def test_the_latest_table_is_the_compacted_topic() -> None:
    """A table keeps only the newest record of each key exactly where its topic does."""
    compacted = {topic.name for topic in TOPICS if topic.compacted}
    assert {spec.topic for spec in tables.TABLES if spec.mode == "latest"} == compacted == {STATE}


@pytest.mark.parametrize("spec", tables.TABLES, ids=lambda spec: spec.table)
def test_every_row_says_where_it_comes_from(spec: tables.TableSpec) -> None:
    """Each table has the record's place in Kafka, its own key, and a chain's integer key."""
    columns = tables.table_columns(spec)
    assert {*tables.PLACED, *spec.key} <= columns.keys()
    assert (tables.CHAIN_KEY in columns) == (spec.topic != QUARANTINE)
    assert spec.decimals <= columns.keys()
    assert set(spec.renamed.values()) <= columns.keys()


def test_event_has_every_field_of_every_event_type() -> None:
    """Envelope and payload of all four supply topics stand in one wide table, typed."""
    columns = tables.event_columns()
    for kind in EVENT_TYPES.values():
        assert set(kind.__struct_fields__) <= columns.keys()
    assert columns["qty"] == columns["mass_kg"] == pl.Decimal(38, 9)
    assert columns["event_time"] == pl.Datetime("us")
    assert columns["requested_date"] == pl.Date
    lines = dict(columns["order_lines"].inner.to_schema())
    assert lines["unit_price"] == pl.Decimal(38, 9)
    assert lines["sku"] == pl.String


def test_the_file_explains_itself(ask: w.Ask) -> None:
    """Every table and view carries a comment that says what it holds."""
    found = ask(
        "SELECT table_name, comment FROM duckdb_tables() UNION ALL "
        "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
    )
    names = {spec.table for spec in tables.TABLES} | {view.name for view in views.VIEWS}
    assert {name for name, _ in found} == names | {tables.EVENT_TABLE, tables.OFFSET_TABLE}
    assert all(comment for _, comment in found)


def test_no_index_and_no_key_slows_the_writer(ask: w.Ask) -> None:
    """No table has an index or a constraint."""
    assert ask("SELECT * FROM duckdb_indexes()") == []
    assert ask("SELECT * FROM duckdb_constraints()") == []


def test_late_lines_are_one_simple_select(sink: DuckSink, ask: w.Ask) -> None:
    """Late = delivered on a later date than scheduled; a consignment is late by any line."""
    chain = w.Chain(w.Log(), "SCMS-1")
    rows = [
        ("1", "Air", "ASN-1", 3), ("2", "Air", "ASN-1", 0), ("3", "Truck", "ASN-2", -4),
        ("4", "Air Charter", "ASN-3", 1), ("5", None, "ASN-4", 0),
    ]  # fmt: skip
    lines = [chain.line(i, mode=m, asn=a, late_days=d) for i, m, a, d in rows]
    open_line = chain.state("ORDER_LINE", "6", planned_time=w.NOON)
    sink.write({STATE: [*lines, open_line]}, {})
    assert ask("SELECT count(*) FILTER (late), count(*) FROM late_line") == [(2, 5)]
    assert ask(
        "SELECT mode, count(*) FILTER (late), count(*) FROM late_line GROUP BY mode ORDER BY mode"
    ) == [("Air", 1, 2), ("Air Charter", 1, 1), ("Truck", 0, 1), (None, 0, 1)]
    assert ask(
        "SELECT count(DISTINCT consignment_id) FILTER (late), count(DISTINCT consignment_id) "
        "FROM late_line"
    ) == [(2, 4)]
    assert ask("SELECT DISTINCT destination FROM late_line") == [("Haiti",)]


def test_a_settlement_stands_where_its_last_transition_left_it(sink: DuckSink, ask: w.Ask) -> None:
    """One row a claim, with the state, reason and time of its newest transition."""
    chain = w.Chain(w.Log(), "SCMS-1")
    moves = [("K1", 1, "CREATED"), ("K2", 2, "CREATED"), ("K1", 3, "SETTLED")]
    sink.write(w.grouped(chain.settle(*move) for move in moves), {})
    assert ask("SELECT claim_id, state, reason, amount_minor FROM settlement ORDER BY 1") == [
        ("K1", "SETTLED", "to SETTLED", 1234),
        ("K2", "CREATED", "to CREATED", 1234),
    ]


def test_the_newest_footprint_counts_even_when_it_is_unknown(sink: DuckSink, ask: w.Ask) -> None:
    """A newer version that could not be computed replaces the amount of the older one."""
    chain = w.Chain(w.Log(), "SCMS-1")
    sink.write(w.grouped([chain.footprint(1, "10.5"), chain.footprint(2, None)]), {})
    found = ask("SELECT version, complete, co2e_wtw_kg, missing FROM current_footprint")
    assert found == [(2, False, None, ["MASS_UNKNOWN:1"])]


def test_an_exception_is_open_until_its_last_record_closes_it(sink: DuckSink, ask: w.Ask) -> None:
    """open_exception shows what is wrong now."""
    chain = w.Chain(w.Log(), "SCMS-1")
    moves = [("A", True), ("B", True), ("A", False), ("C", True), ("C", False), ("C", True)]
    sink.write(w.grouped(chain.exception(code, open=is_open) for code, is_open in moves), {})
    assert ask("SELECT code FROM open_exception ORDER BY code") == [("B",), ("C",)]


def test_exceptions_of_one_code_close_one_by_one(sink: DuckSink, ask: w.Ask) -> None:
    """Two events of one subject are wrong in the same way: closing one leaves the other open."""
    chain = w.Chain(w.Log(), "SCMS-1")
    moves = [("e1", True), ("e2", True), ("e1", False)]
    sink.write(
        w.grouped(chain.exception("A", open=is_open, event_id=e) for e, is_open in moves), {}
    )
    assert ask("SELECT code, event_id FROM open_exception") == [("A", "e2")]


def test_an_exception_is_open_since_it_was_opened(sink: DuckSink, ask: w.Ask) -> None:
    """Told again with another reason it is no younger; closed and opened again it is."""
    chain = w.Chain(w.Log(), "SCMS-1")
    found = []
    for code in ("A", "B", "C"):  # each fact of the chain is taken 1 us after the one before it
        moves = {"A": (True, True), "B": (True, False, True, True), "C": (True, False)}[code]
        for at, is_open in enumerate(moves):
            found.append(chain.fact(w.placed(chain.chain_id, f"{code}{at}")))
            found.append(chain.exception(code, open=is_open, reason=f"reason {at}"))
    sink.write(w.grouped(found), {})
    assert ask("SELECT code, epoch_us(since), reason FROM open_exception ORDER BY code") == [
        ("A", w.NOON + 1, "reason 1"), ("B", w.NOON + 5, "reason 3")
    ]  # fmt: skip


def test_trips_legs_receipts_and_units_have_views(sink: DuckSink, ask: w.Ask) -> None:
    """Each has its state in words of its own; orphans of every type stand in one view."""
    chain = w.Chain(w.Log(), "C")
    states = [
        chain.state("EQUIPMENT_TRIP", "MSCU1234566/BKG-7", lifecycle="ON_BOARD",
                    attributes=("consignment=A", "consignment=B", "seal=S1")),
        chain.state("EQUIPMENT_TRIP", "https://id.gs1.org/8003/095212345600001"),
        chain.state("LEG", "A/1", lifecycle="DEPARTED", flags=("rolled",),
                    attributes=("consignment=A", "vehicle=V1")),
        chain.state("WAREHOUSE_RECEIPT", "R", lifecycle="PLEDGED",
                    attributes=("holder=bank", "lot=L1")),
        chain.state("HANDLING_UNIT", "P", flags=("orphan",),
                    attributes=("inside=EQUIPMENT_TRIP:MSCU1234566/BKG-7", "order_line=7")),
        chain.state("ORDER_LINE", "7", flags=("late", "orphan"),
                    attributes=("consignment=A", "mode=SEA")),
        chain.state("CONSIGNMENT", "A", lifecycle="SHIPPED"),
        chain.state("DECLARATION", "D", lifecycle="RELEASED"),
        chain.state("LOT", "L1", lifecycle="RECEIVED", attributes=("pledged=2",)),
        chain.state("LOT", "L2", lifecycle="RECEIVED"),
    ]  # fmt: skip
    sink.write({STATE: states}, {})
    assert ask(
        "SELECT container_no, document, seal_no, state, consignment_ids FROM twin_trip ORDER BY 1"
    ) == [
        ("MSCU1234566", "BKG-7", "S1", "ON_BOARD", ["A", "B"]),
        (None, None, None, "DELIVERED", []),
    ]
    assert ask("SELECT leg_id, vehicle_id, state, flags FROM twin_leg") == [
        ("A/1", "V1", "DEPARTED", ["rolled"])
    ]
    assert ask("SELECT wr_id, holder, lot_ids, state FROM twin_title") == [
        ("R", "bank", ["L1"], "PLEDGED")
    ]
    assert ask("SELECT hu_id, inside, line_ids, lot_ids FROM twin_handling_unit") == [
        ("P", "EQUIPMENT_TRIP:MSCU1234566/BKG-7", ["7"], [])
    ]
    assert ask("SELECT line_id, consignment_ids, mode FROM twin_order_line") == [
        ("7", ["A"], "SEA")
    ]
    assert ask("SELECT consignment_id, state FROM twin_consignment") == [("A", "SHIPPED")]
    assert ask("SELECT declaration_id, state FROM twin_declaration") == [("D", "RELEASED")]
    assert ask("SELECT lot_id, pledged FROM twin_lot ORDER BY 1") == [("L1", 2), ("L2", 0)]
    assert ask("SELECT subject_type, subject_id FROM orphan ORDER BY 1") == [
        ("HANDLING_UNIT", "P"), ("ORDER_LINE", "7"),
    ]  # fmt: skip


def test_parties_and_places_are_what_standing_facts_name(sink: DuckSink, ask: w.Ask) -> None:
    """Roles and places come from facts; those that their own source revised or retracted go, and a
    stranger's retraction takes nothing away.
    """
    chain = w.Chain(w.Log(), "C")
    first = w.placed("C")
    gone, kept = (w.delivered("C", name, receiver=name, unlocode="HTPAP") for name in ("x", "y"))
    retract = {"correction_action": "RETRACT", "correction_reason": "DID_NOT_OCCUR"}
    events = [
        first,
        replace(first, revision=first.revision + 1, buyer="Kenya"),
        gone,
        kept,
        replace(gone, event_id="r1", correction_event_id="x", **retract),
        replace(gone, event_id="r2", source="other", correction_event_id="y",
                correction_source=kept.source, **retract),
    ]  # fmt: skip
    sink.write(w.grouped(chain.fact(event) for event in events), {})
    assert ask("SELECT role, party_id, event_id FROM party ORDER BY 1, 2") == [
        ("BUYER", "Kenya", "e1"), ("RECEIVER", "y", "y"), ("SELLER", "maker", "e1"),
    ]  # fmt: skip
    assert ask("SELECT place_id, event_id, event_type FROM place") == [
        ("HTPAP", "y", "shipment.delivered")
    ]


def test_one_document_in_two_chains_is_found(sink: DuckSink, ask: w.Ask) -> None:
    """One number of one issuer, in whatever spelling, lists its chains; another issuer's does not,
    nor does one that its source has retracted, or that comes again in its own chain.
    """
    log = w.Log()
    rows = [
        ("C1", "e1", "erp", "INV-77"), ("C1", "e2", "erp", "INV-77"), ("C2", "e3", "erp", "inv 77"),
        ("C3", "e4", "other", "INV-77"), ("C1", "e5", "erp", "Y"), ("C2", "e6", "erp", "Y"),
        ("C1", "e7", "erp", "Z"), ("C1", "e8", "erp", "Z"),
    ]  # fmt: skip
    chains = {name: w.Chain(log, name) for name in ("C1", "C2", "C3")}
    events = [w.invoiced(chain, e, source=source, invoice_id=no) for chain, e, source, no in rows]
    events.append(
        replace(events[5], event_id="r", correction_action="RETRACT", correction_event_id="e6",
                correction_reason="DID_NOT_OCCUR")
    )  # fmt: skip
    sink.write(w.grouped(chains[event.chain_id].fact(event) for event in events), {})
    assert ask("SELECT * FROM duplicate_document") == [("invoice", "INV77", "ERP", ["C1", "C2"])]


def test_a_chain_is_summed_up_in_one_row(sink: DuckSink, ask: w.Ask) -> None:
    """Entries, decisions and subjects of a chain; control chains are none."""
    log = w.Log()
    chain = w.Chain(log, "SCMS-1")
    records = [
        chain.fact(w.placed("SCMS-1")), chain.entry("DECISION", None, b"x"),
        chain.line("1", mode="Air", asn="ASN-1", late_days=2),
        chain.state("CONSIGNMENT", "ASN-1", holds_open=2),
        w.Chain(log, "@p1").entry("CONTROL", "control", b"x"),
    ]  # fmt: skip
    sink.write(w.grouped(records), {})
    found = ask(
        "SELECT chain_key, chain_id, entries, decisions, consignments, lines, late_lines, "
        "holds_open FROM chain"
    )
    assert found == [(key63("SCMS-1"), "SCMS-1", 2, 1, 1, 1, 1, 2)]
