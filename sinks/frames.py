"""From decoded columns to rows of a declared table: where they stand, their keys, what fits."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import key63
from supplytwin.schemas.records import JOURNAL
from supplytwin.sinks.tables import CHAIN_KEY, KEY, OFFSET, PARTITION, RECORD_KEY

UNDECODABLE = "SINK_UNDECODABLE"
"""Code in `quarantine` of a record that this sink could not read."""
Refusals = list[tuple[Record, RecordError]]


def placed(frame: pl.DataFrame, records: Sequence[Record]) -> pl.DataFrame:
    """With the partition and offset of each row's record."""
    return frame.with_columns(
        pl.Series(PARTITION, [one.partition for one in records], pl.Int32),
        pl.Series(OFFSET, [one.offset for one in records], pl.Int64),
    )


def chain_keyed(frame: pl.DataFrame) -> pl.DataFrame:
    """With chain_key; each distinct chain id is hashed once."""
    chains = frame["chain_id"].unique().to_list()
    keys = pl.DataFrame(
        {"chain_id": chains, CHAIN_KEY: [key63(chain) for chain in chains]},
        schema={"chain_id": pl.String, CHAIN_KEY: pl.Int64},
    )
    return frame.join(keys, on="chain_id", how="left", maintain_order="left")


def row_keys(keys: Sequence[str], integer: str = KEY, text: str = RECORD_KEY) -> pl.DataFrame:
    """Text keys beside the integers by which they are found."""
    return pl.DataFrame(
        {integer: [key63(key) for key in keys], text: list(keys)},
        schema={integer: pl.Int64, text: pl.String},
    )


def text_key(record: Record) -> str:
    """The key of a record of a latest table. Raises RecordError when there is none, or no text."""
    try:
        if record.key:
            return record.key.decode()
    except UnicodeDecodeError:
        pass
    raise RecordError(Code.MISPLACED, "", "has no key, or one that is not text")


def as_declared(frame: pl.DataFrame, columns: Mapping[str, Any]) -> pl.DataFrame:
    """The frame with exactly these columns: times without zone, decimals as decimals.

    A value that its column cannot hold becomes null.
    """
    made = []
    for name, kind in columns.items():
        if name not in frame.columns:
            made.append(pl.lit(None, dtype=kind).alias(name))
            continue
        column = pl.col(name)
        if isinstance(frame.schema[name], pl.Datetime):
            column = column.dt.replace_time_zone(None)
        made.append(column.cast(kind, strict=False).alias(name))
    return frame.select(made)


def fitting(
    frame: pl.DataFrame,
    columns: Mapping[str, Any],
    record_of: Callable[[int], Record],
    refused: Refusals,
) -> tuple[pl.DataFrame, list[int] | None]:
    """(the rows whose values fit the columns, which they are; None = all of them).

    The others are added to `refused`; `record_of` gives the record of a row.
    """
    cast = as_declared(frame, columns)
    lost: dict[int, str] = {}
    for name, kind in frame.schema.items():
        if name in columns and kind != columns[name]:
            gone = frame[name].is_not_null() & cast[name].is_null()
            for row in gone.arg_true().to_list():
                lost.setdefault(row, name)
    if not lost:
        return cast, None
    for row, name in sorted(lost.items()):
        refused.append(
            (record_of(row), RecordError(Code.BAD_VALUE, name, "does not fit its column"))
        )
    kept = [row for row in range(cast.height) if row not in lost]
    return cast[kept], kept


def entry_record(entries: pl.DataFrame, row: int) -> Record:
    """The journal record that a row of `journal` was, for a refusal to name."""
    one = entries.row(row, named=True)
    return Record(
        topic=JOURNAL,
        partition=one[PARTITION],
        offset=one[OFFSET],
        arrival=entries["taken_at"].cast(pl.Int64)[row],
        key=one["chain_id"].encode(),
        value=one["raw"],
    )


def refusals(refused: Refusals) -> pl.DataFrame:
    """Rows of `quarantine`."""
    return pl.DataFrame(
        [_refusal(record, error) for record, error in refused], infer_schema_length=None
    )


def _refusal(record: Record, error: RecordError) -> dict[str, Any]:
    value = record.value or b""
    return {
        "source_topic": record.topic,
        "source_partition": record.partition,
        "source_offset": record.offset,
        "arrival": record.arrival,
        RECORD_KEY: record.key,
        "code": UNDECODABLE,
        "field": error.field,
        "reason": f"{error.code}: {error.reason}",
        "headers": [{"k": key, "v": given} for key, given in record.headers],
        "body": record.value,
        "body_sha256": hashlib.sha256(value).hexdigest(),
        "size": len(value),
        PARTITION: record.partition,
        OFFSET: record.offset,
    }
