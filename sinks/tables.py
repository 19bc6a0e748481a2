"""Every analyst table, declared once: topic -> table, mode, key, columns; and the views over them.

Columns come from the topic's schema: times are TIMESTAMP in UTC, decimals DECIMAL(38,9), money is
minor units (BIGINT) and a currency. Every row says where its record stands in Kafka
(kafka_partition, kafka_offset). Every row of a chain has chain_key, the integer to join and filter
by: `schemas.ids.key63(chain_id)`. No primary keys and no indexes: that a row is there once is kept
by the stored offsets, and the file can always be built again from Kafka.
"""

import typing
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Literal

import polars as pl
from msgspec import Struct

from supplytwin.schemas import avro
from supplytwin.schemas.events import EVENT_TYPES, SUPPLY_TOPICS, DeclarationLine, OrderLine
from supplytwin.schemas.records import (
    CONTROL,
    EXCEPTIONS,
    FOOTPRINTS,
    INSTRUCTIONS,
    JOURNAL,
    LEGS,
    MILESTONES,
    QUARANTINE,
    SETTLEMENT_EVENTS,
    STATE,
)
from supplytwin.sinks import sensor_view
from supplytwin.sinks.derived_views import DERIVED_VIEWS
from supplytwin.sinks.documents import DUPLICATES, STANDING

DECIMAL = pl.Decimal(38, 9)
CHAIN_KEY = "chain_key"
RECORD_KEY, KEY = "record_key", "row_key"
PARTITION, OFFSET = "kafka_partition", "kafka_offset"
PLACED: dict[str, Any] = {PARTITION: pl.Int32, OFFSET: pl.Int64}
CHANGE = (PARTITION, OFFSET)
FOREIGN_SCHEMAS = f"journal WHERE kind = 'CONTROL' AND source_topic <> '{CONTROL}'"
"""Journal entries that are schemas of others, see `schemas.foreign`."""


class TableSpec(Struct, frozen=True, kw_only=True):
    """`append`: every record is a row. `latest`: one row for each key, replaced by newer records
    and removed by a tombstone.
    """

    topic: str
    table: str
    about: str
    mode: Literal["append", "latest"] = "append"
    key: tuple[str, ...] = CHANGE
    """What a row is known by. A latest table has its text key also as an integer, row_key."""
    renamed: Mapping[str, str] = {}
    """Columns that would be ambiguous under their own name."""
    decimals: frozenset[str] = frozenset()
    """Columns that hold a decimal as text on the wire."""


_CO2E = frozenset(("co2e_wtw_kg", "co2e_wtt_kg", "co2e_ttw_kg", "activity_tkm"))

TABLES: tuple[TableSpec, ...] = (
    TableSpec(
        topic=JOURNAL,
        table="journal",
        about="Every accepted input and every decision, hash-chained per chain; raw = the whole "
        "entry as it stands in Kafka, which is what the hashes are checked on",
    ),
    TableSpec(
        topic=STATE,
        table="twin_state",
        about="The latest state of every subject (line, consignment, leg, trip, handling unit, "
        "declaration, lot, warehouse receipt) of a chain; flag orphan = others refer to it, "
        "nothing tells of it",
        mode="latest",
        key=(RECORD_KEY,),
        decimals=frozenset(("qty_ordered", "qty_received", "co2e_kg", "spread_hours")),
    ),
    TableSpec(
        topic=MILESTONES,
        table="milestone",
        about="A milestone of a subject was reached, or (reached = false) is no longer; told again "
        "when another fact is reported or sources come to differ (spread_hours)",
        decimals=frozenset(("spread_hours",)),
    ),
    TableSpec(
        topic=EXCEPTIONS,
        table="exception",
        about="Something is wrong with a subject, or (open = false) no longer is",
    ),
    TableSpec(
        topic=FOOTPRINTS,
        table="footprint",
        about="Footprints of consignments, one row a version; missing says what could not be had",
        decimals=_CO2E | {"intensity_kg_per_tkm"},
    ),
    TableSpec(
        topic=LEGS,
        table="leg",
        about="The transport chain elements of a footprint version",
        decimals=_CO2E | {"mass_kg", "distance_km", "daf"},
    ),
    TableSpec(
        topic=SETTLEMENT_EVENTS,
        table="settlement_event",
        about="Every transition of every claim, with its verdict, evidence and postings",
    ),
    TableSpec(
        topic=INSTRUCTIONS,
        table="settlement_instruction",
        about="What the rail was told, gap-free per settlement by instruction_no",
    ),
    TableSpec(
        topic=QUARANTINE,
        table="quarantine",
        about="Records that were not taken, and why; code SINK_UNDECODABLE = taken by the worker, "
        "but not readable for this sink",
        renamed={
            "topic": "source_topic",
            "partition": "source_partition",
            "offset": "source_offset",
            "key": RECORD_KEY,
        },
    ),
)

EVENT_TABLE = "event"
EVENT_ABOUT = (
    "Decoded facts: the FACT entries of the journal with envelope and payload of all four supply "
    "topics; (chain_id, seq) is the journal entry, source_* the record in its supply topic"
)
OFFSET_TABLE = "sink_offset"
OFFSET_ABOUT = "The next offset to read: the file holds exactly what stands before it"

_BY_TYPE: dict[str, Any] = {
    "string": pl.String,
    "long": pl.Int64,
    "int": pl.Int32,
    "boolean": pl.Boolean,
    "double": pl.Float64,
    "bytes": pl.Binary,
}
_BY_LOGICAL: dict[str, Any] = {"timestamp-micros": pl.Datetime("us"), "date": pl.Date}


def _dtype(node: Any, decimals: frozenset[str] = frozenset()) -> Any:
    if isinstance(node, list):
        return _dtype(next(one for one in node if one != "null"), decimals)
    if isinstance(node, str):
        return _BY_TYPE[node]
    if "logicalType" in node:
        return _BY_LOGICAL[node["logicalType"]]
    if node["type"] == "array":
        return pl.List(_dtype(node["items"], decimals))
    return pl.Struct(_members(node["fields"], decimals))


def _members(fields: list[Any], decimals: frozenset[str]) -> dict[str, Any]:
    return {
        one["name"]: DECIMAL if one["name"] in decimals else _dtype(one["type"], decimals)
        for one in fields
    }


@cache
def event_decimals() -> frozenset[str]:
    """Fields of events, and of their lines, whose Avro string is a decimal."""
    found = set[str]()
    for kind in (*EVENT_TYPES.values(), OrderLine, DeclarationLine):
        for name, hint in typing.get_type_hints(kind).items():
            if hint is Decimal or Decimal in typing.get_args(hint):
                found.add(name)
    return frozenset(found)


@cache
def event_columns() -> Mapping[str, Any]:
    """Columns of `event`: its place in the chain and at its source, then everything it says."""
    found: dict[str, Any] = {
        "seq": pl.Int64,
        "source_topic": pl.String,
        "source_partition": pl.Int64,
        "source_offset": pl.Int64,
        "arrival": pl.Datetime("us"),
        "taken_at": pl.Datetime("us"),
    }
    for topic in SUPPLY_TOPICS:
        for name, kind in _members(avro.schema(topic)["fields"], event_decimals()).items():
            if found.setdefault(name, kind) != kind:
                raise TypeError(f"{topic}: {name} is {kind}, elsewhere it is {found[name]}")
    place = {name: found[name] for name in ("chain_id", "seq")}
    return {**place, CHAIN_KEY: pl.Int64, **found, **PLACED}


def table_columns(spec: TableSpec) -> Mapping[str, Any]:
    """Column name -> polars type of a declared table."""
    members = _members(avro.schema(spec.topic)["fields"], spec.decimals)
    found = {spec.renamed.get(name, name): kind for name, kind in members.items()}
    if spec.topic == JOURNAL:
        found["raw"] = pl.Binary
    if spec.mode == "latest":
        found |= {RECORD_KEY: pl.String, KEY: pl.Int64}
    if spec.topic != QUARANTINE:
        found[CHAIN_KEY] = pl.Int64
    return {**found, **PLACED}


class ViewSpec(Struct, frozen=True, kw_only=True):
    """A view that answers a common question."""

    name: str
    about: str
    sql: str


def _attribute(name: str) -> str:
    """SQL for the value of a `name=value` attribute; null when there is none."""
    found = f"[a FOR a IN attributes IF starts_with(a, '{name}=')][1]"
    return f"substr({found}, {len(name) + 2})"


def _attributes(name: str) -> str:
    """SQL for the list of all values of a `name=value` attribute."""
    return f"[substr(a, {len(name) + 2}) FOR a IN attributes IF starts_with(a, '{name}=')]"


_OF_TRIP = "^([A-Z0-9]+)/(.+)$"
"""Container and document in a trip's id; an identifier of others is neither."""


def _twins(view: str, about: str, subject_type: str, columns: str) -> ViewSpec:
    """The latest state of the subjects of one type."""
    return ViewSpec(
        name=view,
        about=about,
        sql=f"""
        SELECT chain_key, chain_id, {columns},
               lifecycle AS state, milestones, flags, planned_time, eta, taken_at AS since
        FROM twin_state WHERE subject_type = '{subject_type}'""",
    )


_ROLES = {
    "buyer": "BUYER", "seller": "SELLER", "carrier": "CARRIER", "declarant": "DECLARANT",
    "office": "CUSTOMS_OFFICE", "authority": "AUTHORITY", "receiver": "RECEIVER",
    "holder": "HOLDER",
}  # fmt: skip
_PARTIES = ", ".join(f"{{'role': '{role}', 'id': {name}}}" for name, role in _ROLES.items())

VIEWS: tuple[ViewSpec, ...] = (
    ViewSpec(
        name="party",
        about="Who has which role at which subject, by which fact and since when; facts that their "
        "own source has revised or retracted are left out",
        sql=f"""{STANDING}
        SELECT chain_key, chain_id, named.id AS party_id, named.role, subject_type, subject_id,
               source, event_id, event_type, event_time AS since
        FROM (SELECT *, unnest([{_PARTIES}]) AS named FROM standing)
        WHERE named.id IS NOT NULL""",
    ),
    ViewSpec(
        name="place",
        about="Where something is said to happen to a subject: UN/LOCODE, facility or position; "
        "facts that their own source has revised or retracted are left out",
        sql=f"""{STANDING}
        SELECT chain_key, chain_id, coalesce(unlocode, facility, lat || ',' || lon) AS place_id,
               unlocode, facility, lat, lon, subject_type, subject_id, source, event_id,
               event_type, classifier, event_time
        FROM standing WHERE coalesce(unlocode, facility) IS NOT NULL OR lat IS NOT NULL""",
    ),
    _twins(
        "twin_trip",
        "One row a trip of a container under a booking or bill of lading",
        "EQUIPMENT_TRIP",
        f"""subject_id AS trip_id,
               nullif(regexp_extract(subject_id, '{_OF_TRIP}', 1), '') AS container_no,
               nullif(regexp_extract(subject_id, '{_OF_TRIP}', 2), '') AS document,
               {_attribute("seal")} AS seal_no,
               {_attributes("consignment")} AS consignment_ids""",
    ),
    _twins(
        "twin_leg",
        "One row a leg of a consignment; flag rolled = it was bound to another vehicle before",
        "LEG",
        f"""subject_id AS leg_id, {_attribute("mode")} AS mode,
               {_attribute("from")} AS from_place, {_attribute("to")} AS to_place,
               {_attribute("vehicle")} AS vehicle_id,
               {_attributes("consignment")} AS consignment_ids""",
    ),
    _twins(
        "twin_title",
        "One row a warehouse receipt; while it is PLEDGED its lots cannot be dispatched",
        "WAREHOUSE_RECEIPT",
        f"""subject_id AS wr_id, {_attribute("holder")} AS holder,
               {_attributes("lot")} AS lot_ids""",
    ),
    _twins(
        "twin_handling_unit",
        "One row a handling unit, and the unit or trip (TYPE:id) that it is in",
        "HANDLING_UNIT",
        f"""subject_id AS hu_id, {_attribute("inside")} AS inside,
               {_attributes("order_line")} AS line_ids, {_attributes("lot")} AS lot_ids""",
    ),
    ViewSpec(
        name="twin_sensor",
        about="One row a device, metric and unit of a subject: what was measured, and how long it "
        "was outside the bounds that came with the readings (docs/sensors.md)",
        sql=sensor_view.SQL,
    ),
    ViewSpec(
        name="orphan",
        about="Placeholders: subjects that others refer to and that nothing tells of (yet)",
        sql="""
        SELECT chain_key, chain_id, subject_type, subject_id, taken_at AS since
        FROM twin_state WHERE list_contains(flags, 'orphan')""",
    ),
    ViewSpec(
        name="chain",
        about="One row a chain: how long its journal is, when it was touched, what it consists of",
        sql="""
        SELECT j.chain_key, j.chain_id, j.entries, j.decisions, j.first_taken_at, j.last_taken_at,
               coalesce(s.consignments, 0) AS consignments, coalesce(s.lines, 0) AS lines,
               coalesce(s.late_lines, 0) AS late_lines, coalesce(s.holds_open, 0) AS holds_open
        FROM (SELECT chain_key, chain_id, max(seq) AS entries,
                     count(*) FILTER (kind = 'DECISION') AS decisions,
                     min(taken_at) AS first_taken_at, max(taken_at) AS last_taken_at
              FROM journal WHERE NOT starts_with(chain_id, '@') GROUP BY ALL) AS j
        LEFT JOIN (SELECT chain_key, chain_id,
                          count(*) FILTER (subject_type = 'CONSIGNMENT') AS consignments,
                          count(*) FILTER (subject_type = 'ORDER_LINE') AS lines,
                          count(*) FILTER (subject_type = 'ORDER_LINE' AND delay_days > 0)
                              AS late_lines,
                          sum(holds_open)::BIGINT AS holds_open
                   FROM twin_state GROUP BY ALL) AS s USING (chain_key, chain_id)""",
    ),
    ViewSpec(
        name="late_line",
        about="Order lines scheduled and delivered; late = on a later date than scheduled",
        sql=f"""
        SELECT chain_key, chain_id, subject_id AS line_id,
               {_attribute("mode_detail")} AS mode,
               {_attribute("consignment")} AS consignment_id,
               {_attribute("to")} AS destination,
               planned_time, actual_time, delay_days, delay_days > 0 AS late,
               list_contains(attributes, 'order_date=inferred') AS order_date_inferred
        FROM twin_state WHERE subject_type = 'ORDER_LINE' AND delay_days IS NOT NULL""",
    ),
    ViewSpec(
        name="settlement",
        about="Where each claim stands now: the last of its recorded transitions",
        sql="""
        SELECT chain_key, chain_id, contract_id, claim_id, settlement_id,
               arg_max(to_state, contract_seq) AS state,
               arg_max(public_state, contract_seq) AS public_state,
               arg_max(reason, contract_seq) AS reason,
               arg_max(amount_minor, contract_seq) AS amount_minor,
               arg_max(currency, contract_seq) AS currency,
               arg_max(tick_time, contract_seq) AS since
        FROM settlement_event GROUP BY ALL""",
    ),
    ViewSpec(
        name="current_footprint",
        about="The newest footprint of each consignment",
        sql="""
        SELECT chain_key, chain_id, consignment_id, max(version) AS version,
               arg_max(complete, version) AS complete,
               arg_max_null(co2e_wtw_kg, version) AS co2e_wtw_kg,
               arg_max(missing, version) AS missing
        FROM footprint GROUP BY ALL""",
    ),
    ViewSpec(
        name="duplicate_document",
        about="Numbers of one issuer, spelling aside, that stand in several chains",
        sql=DUPLICATES,
    ),
    ViewSpec(
        name="open_exception",
        about="What is wrong now: exceptions whose last record is open",
        sql="""
        SELECT chain_key, chain_id, subject_type, subject_id, code, source, event_id,
               arg_max(reason, (seq, index)) AS reason,
               arg_max(taken_at, (seq, index)) AS since
        FROM exception GROUP BY ALL HAVING arg_max(open, (seq, index))""",
    ),
    *(ViewSpec(name=name, about=about, sql=sql) for name, about, sql in DERIVED_VIEWS),
)
