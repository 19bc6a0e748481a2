"""Footprints and their elements out of the DuckDB file, as the records that they were.

Decimals come with the nine places that the file keeps; a column that an older record did not have
is what the record's own default says. All answers together are of one moment: rows are never
changed, and only those are read that were there when the first question was asked.
"""

from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import NODEFAULT, Struct

from supplytwin.schemas.footprints import Footprint, Leg
from supplytwin.schemas.records import FOOTPRINTS, LEGS
from supplytwin.sinks.frames import UNDECODABLE
from supplytwin.sinks.query import of_chain, query

_PAGE, _SECONDS = 10_000, 600.0
T = TypeVar("T", bound=Struct)


class CarbonRecords(Struct, frozen=True, kw_only=True):
    """Everything that a report is made of."""

    footprints: tuple[Footprint, ...]
    """Every version. `inputs` is its SHA-256 in hex, where not one chain alone was asked for."""
    legs: tuple[Leg, ...]
    """Of the newest version of each consignment; `trace` is there for one chain alone."""
    without_footprint: int
    """Consignments of the twins of which no footprint was ever written."""
    unreadable: int
    """Records of footprints and elements that the sink could not read."""
    controls: tuple[bytes, ...]
    """Records that the control chains hold and nobody sent: some of them tell of packs."""
    known: bool
    """The file has something of the chain that was asked for."""
    as_of: tuple[str, ...]
    """``topic partition offset`` of the last record read, sorted."""


def read(database: Path, chain_id: str | None) -> CarbonRecords:
    """The records of a chain, None = of all. Raises UsageError when the file cannot be had."""
    mine = "TRUE" if chain_id is None else of_chain(chain_id)
    (ends,) = query(database, _ENDS, 1).rows
    last = dict(zip(_TOPICS, ends, strict=True))
    bound = {table: _before(table, last[table]) for table in _TOPICS}
    held = f"SELECT * FROM footprint WHERE {bound['footprint']} AND {mine}"
    newest = (
        "SELECT chain_key, chain_id, consignment_id, max(version) AS version "
        f"FROM ({held}) GROUP BY ALL"
    )
    legs = (
        f"SELECT leg.* FROM leg JOIN ({newest}) USING (chain_key, chain_id, consignment_id, "
        f"version) WHERE {bound['leg']} QUALIFY row_number() OVER (PARTITION BY chain_key, "
        "chain_id, consignment_id, tce_id ORDER BY seq DESC, index DESC) = 1"
    )
    shortened = {} if chain_id is not None else {"inputs": "sha256(inputs)", "trace": "NULL"}
    (counted,) = query(database, _COUNTS.format(mine=mine), 1).rows
    return CarbonRecords(
        footprints=_records(database, held, Footprint, shortened),
        legs=_records(database, legs, Leg, shortened),
        without_footprint=counted[0],
        unreadable=counted[1],
        controls=tuple(bytes.fromhex(row[0]) for row in query(database, _CONTROLS, _PAGE).rows),
        known=bool(counted[2]),
        as_of=tuple(
            f"{_TOPICS[table]} {part} {offset}"
            for table, parts in last.items()
            for part, offset in parts or ()
        ),
    )


_TOPICS = {"footprint": FOOTPRINTS, "leg": LEGS}
_ENDS = "SELECT " + ", ".join(
    f"(SELECT list([kafka_partition, last] ORDER BY kafka_partition) FROM (SELECT kafka_partition, "
    f"max(kafka_offset) AS last FROM {table} GROUP BY ALL))"
    for table in _TOPICS
)
_CONTROLS = (
    "SELECT DISTINCT body FROM journal WHERE kind = 'CONTROL' AND source_topic IS NULL "
    "AND starts_with(chain_id, '@')"
)
_COUNTS = (
    "SELECT (SELECT count(*) FROM twin_state AS twin WHERE subject_type = 'CONSIGNMENT' AND {mine} "
    "AND NOT EXISTS (FROM footprint WHERE footprint.chain_key = twin.chain_key "
    "AND footprint.chain_id = twin.chain_id AND consignment_id = subject_id)), "
    f"(SELECT count(*) FROM quarantine WHERE code = '{UNDECODABLE}' "
    f"AND source_topic IN ('{FOOTPRINTS}', '{LEGS}')), "
    "EXISTS (FROM footprint WHERE {mine}) OR EXISTS (FROM journal WHERE {mine}) "
    "OR EXISTS (FROM twin_state WHERE {mine})"
)


def _before(table: str, last: list[list[int]] | None) -> str:
    """SQL that is true for the rows of a table up to the last offset of each partition."""
    known = " ".join(f"WHEN {part} THEN {offset}" for part, offset in last or ())
    limit = f"CASE {table}.kafka_partition {known} ELSE -1 END" if known else "-1"
    return f"{table}.kafka_offset <= {limit}"


def _records(database: Path, text: str, kind: type[T], replaced: dict[str, str]) -> tuple[T, ...]:
    """Rows of a statement as records, page by page: an endpoint allows only so many at once."""
    columns = ["kafka_partition", "kafka_offset"]
    for name in kind.__struct_fields__:
        source = replaced.get(name, "epoch_us(taken_at)" if name == "taken_at" else f'"{name}"')
        columns.append(f'{source} AS "{name}"')
    made: list[T] = []
    after = "(-1, -1)"
    while True:
        found = query(
            database,
            f"SELECT {', '.join(columns)} FROM ({text}) WHERE (kafka_partition, kafka_offset) > "
            f"{after} ORDER BY kafka_partition, kafka_offset LIMIT {_PAGE}",
            _PAGE,
            _SECONDS,
        )
        made += [_record(row[2:], kind) for row in found.rows]
        if not found.truncated and len(found.rows) < _PAGE:
            return tuple(made)
        after = f"({found.rows[-1][0]}, {found.rows[-1][1]})"


def _record(row: list[Any], kind: type[T]) -> T:
    given = {
        field.name: value
        for field, value in zip(msgspec.structs.fields(kind), row, strict=True)
        if value is not None or field.default is NODEFAULT
    }
    return msgspec.convert(given, kind)
