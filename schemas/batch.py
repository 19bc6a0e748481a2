"""Batches in columns: one Avro block of many records, decoded by polars at once.

A random guard of 8 bytes stands before each record. Without it a truncated record silently takes
bytes of its neighbour; with it the batch is refused, and each record is decoded strictly by itself:
the bad ones are named, the others are what they would have been anyway.

Columns are for tables. The guard shows where records end, not that polars reads them right: it
takes a boolean byte 2 for false and shortens a day of more than 32 bits. What decides about
anything is therefore read record by record (`schemas.codec`), which is as fast.
"""

import io
import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import polars as pl
from msgspec import Struct

from supplytwin.schemas import avro, binary, codec
from supplytwin.schemas.errors import RecordError

Guard = Callable[[], bytes]
"""Gives 8 random bytes."""
_GUARD = "_guard"
_SYNC = b"supplytwin-block"
"""16 bytes that end a block. Not a secret: the block is ours, only its records are foreign."""


class Columns(Struct, frozen=True, kw_only=True, eq=False):
    """A frame of the good values in order; `places` = which they are; `bad` = the others."""

    frame: pl.DataFrame
    places: list[int]
    bad: dict[int, RecordError]
    fallbacks: int


# ---- blocks


@cache
def _container_head(topic: str, fingerprint: int) -> bytes:
    """Header of an Avro container file for bodies of one writer, with the guard as first field."""
    writer = avro.known()[topic, fingerprint]
    guard = {"name": _GUARD, "type": {"type": "fixed", "name": "Guard", "size": 8}}
    guarded = {**writer, "fields": [guard, *writer["fields"]]}
    schema = json.dumps(guarded).encode()
    return b"".join(
        (b"Obj\x01", binary.long(2), binary.text("avro.schema"), binary.blob(schema),
         binary.text("avro.codec"), binary.text("null"), b"\0", _SYNC)
    )  # fmt: skip


def block(topic: str, fingerprint: int, bodies: Sequence[bytes], guard: bytes) -> pl.DataFrame:
    """Decode bodies, at least one, of one known writer as one block.

    Raises ValueError when the records do not end where they should, or polars does not take them.
    The first stands once more at the end: polars says nothing of bytes behind the last.
    """
    data = guard.join((b"", *bodies, bodies[0]))
    count = len(bodies) + 1
    parts = (
        _container_head(topic, fingerprint),
        binary.long(count), binary.long(len(data)), data, _SYNC,
    )  # fmt: skip
    try:
        frame = pl.read_avro(io.BytesIO(b"".join(parts)))
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # polars' PanicException is a BaseException
        raise ValueError(f"block refused: {type(error).__name__}") from None
    whole = frame.height == count
    if not whole or not frame.select((pl.col(_GUARD) == pl.lit(guard)).all()).item():
        raise ValueError("a record does not end where it should")
    return frame.drop(_GUARD).head(len(bodies))


def _fingerprint(value: bytes) -> int | None:
    if value[:2] != codec.MAGIC or len(value) < codec.HEADER_LEN:
        return None
    return int.from_bytes(value[2 : codec.HEADER_LEN], "little")


# ---- frames


def columns(
    topic: str,
    values: Sequence[bytes],
    guard: Guard,
    schema_of_id: codec.SchemaOfId = codec.no_registry,
) -> Columns:
    """Values of any topic as one frame with the newest schema's columns, whoever wrote them.

    Types and shape are checked, meaning is not: `codec.decode` may still refuse what stands here.
    """
    groups: dict[int, list[int]] = {}
    strict: list[int] = []
    for at, value in enumerate(values):
        fingerprint = _fingerprint(value)
        if fingerprint is None or (topic, fingerprint) not in avro.known():
            strict.append(at)
        else:
            groups.setdefault(fingerprint, []).append(at)
    frames: list[pl.DataFrame] = []
    places: list[int] = []
    fallbacks = 0
    for fingerprint, rows in groups.items():
        bodies = [values[at][codec.HEADER_LEN :] for at in rows]
        try:
            frames.append(_newest(topic, block(topic, fingerprint, bodies, guard())))
            places += rows
        except ValueError:
            fallbacks += 1
            strict += rows
    bad: dict[int, RecordError] = {}
    good: dict[int, dict[str, Any]] = {}
    for at in strict:
        try:
            good[at] = codec.strict_row(topic, values[at], schema_of_id)
        except RecordError as error:
            bad[at] = error
    if good or not frames:
        frames.append(_of_rows(topic, list(good.values())))
        places += good
    frame = pl.concat(frames)
    if places != sorted(places):
        frame = frame[sorted(range(len(places)), key=places.__getitem__)]
        places = sorted(places)
    return Columns(frame=frame, places=places, bad=bad, fallbacks=fallbacks)


_DTYPES: dict[str, Any] = {
    "string": pl.String, "bytes": pl.Binary, "long": pl.Int64, "int": pl.Int32,
    "boolean": pl.Boolean, "double": pl.Float64, "date": pl.Date,
    "timestamp-micros": pl.Datetime("us"),
}  # fmt: skip


def _dtype(node: Any) -> Any:
    if isinstance(node, list):
        return _dtype(node[1])
    if not isinstance(node, dict):
        return _DTYPES[node]
    if node["type"] == "array":
        return pl.List(_dtype(node["items"]))
    if node["type"] == "record":
        return pl.Struct({one["name"]: _dtype(one["type"]) for one in node["fields"]})
    return _DTYPES[node.get("logicalType") or node["type"]]


@cache
def dtypes(topic: str) -> dict[str, Any]:
    """The columns of a topic's newest schema; times without zone, they are UTC."""
    return {one["name"]: _dtype(one["type"]) for one in avro.schema(topic)["fields"]}


@cache
def _defaults(topic: str) -> dict[str, Any]:
    return {one["name"]: one.get("default") for one in avro.schema(topic)["fields"]}


def _newest(topic: str, frame: pl.DataFrame) -> pl.DataFrame:
    """A known writer's frame with the columns of the newest schema."""
    made = []
    for name, kind in dtypes(topic).items():
        if name not in frame.columns:
            made.append(_filled(name, [_defaults(topic)[name]] * frame.height, kind))
            continue
        series = frame[name]
        if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is not None:
            series = series.dt.replace_time_zone(None)
        made.append(series if series.dtype == kind else series.cast(kind))
    return pl.DataFrame(made)


def _of_rows(topic: str, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Rows of the strict path as a frame of the newest schema."""
    defaults = _defaults(topic)
    return pl.DataFrame(
        [
            _filled(name, [row.get(name, defaults[name]) for row in rows], kind)
            for name, kind in dtypes(topic).items()
        ]
    )


def _filled(name: str, values: list[Any], kind: Any) -> pl.Series:
    if kind == pl.Binary:
        values = [one.encode("latin-1") if isinstance(one, str) else one for one in values]
    if isinstance(kind, pl.Datetime):
        return pl.Series(name, values, pl.Int64).cast(kind)
    if kind == pl.Date:
        return pl.Series(name, values, pl.Int32).cast(kind)
    return pl.Series(name, values, kind)
