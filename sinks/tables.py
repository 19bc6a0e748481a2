"""Every analyst table, declared once: topic -> table, mode, key, columns. Views: `sinks.views`.

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

DECIMAL = pl.Decimal(38, 9)
CHAIN_KEY = "chain_key"
RECORD_KEY, KEY = "record_key", "row_key"
PARTITION, OFFSET = "kafka_partition", "kafka_offset"
PLACED: dict[str, Any] = {PARTITION: pl.Int32, OFFSET: pl.Int64}
CHANGE = (PARTITION, OFFSET)
FOREIGN_SCHEMAS = f"journal WHERE kind = 'CONTROL' AND source_topic <> '{CONTROL}'"
"""Journal entries that are schemas of others, see `schemas.foreign`."""
COMMON = (
    f"journal WHERE kind = 'CONTROL' AND (source_topic <> '{CONTROL}' "
    "OR source_topic IS NULL AND starts_with(chain_id, '@') OR contains(hex(body), hex('KEY')))"
)
"""Those, the packs of factors in force, and keys (with a few that are none): whoever folds a chain
by itself may need them.
"""


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
        decimals=_CO2E
        | {
            "intensity_kg_per_tkm",
            "computed_wtw_kg",
            "intensity_ttw_kg_per_tkm",
            "hub_activity_t",
            "primary_share",
            "primary_share_by_tkm",
            "modelled_share",
        },
    ),
    TableSpec(
        topic=LEGS,
        table="leg",
        about="The transport chain elements of a footprint version",
        decimals=_CO2E
        | {
            "mass_kg",
            "distance_km",
            "daf",
            "hub_activity_t",
            "primary_share",
            "intensity_wtw",
            "intensity_wtt",
            "intensity_ttw",
        },
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
