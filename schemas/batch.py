"""Batches in columns: one Avro block of many records, decoded by polars at once.

A random guard of 8 bytes stands before each record. Without it a truncated record silently takes
bytes of its neighbour; with it the batch is refused, and each record is decoded strictly by itself:
the bad ones are named, the others are what they would have been anyway.

The guard shows where records end, not that polars read them right: it takes a boolean byte 2 for
false and shortens a day of more than 32 bits. So an event from a block counts only if its encoding
is, byte for byte, what came (which its content hash needs anyway); otherwise `schemas.codec` judges
it. What a record means therefore never depends on its company.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from itertools import repeat
from typing import Any

import polars as pl
from msgspec import Struct

from supplytwin.schemas import avro, binary, codec, members, validate
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import Event

Guard = Callable[[], bytes]
"""Gives 8 random bytes."""
_GUARD = "_guard"
_SYNC = b"supplytwin-block"
"""16 bytes that end a block. Not a secret: the block is ours, only its records are foreign."""
_REFUSED = object()
"""Stands for a value that only the strict path may speak about."""


class Events(Struct, frozen=True, kw_only=True):
    """One result for each value, in order.

    `fallbacks` = blocks that polars or the guard refused; `strict` = values decoded by themselves.
    """

    results: list[codec.Decoded | RecordError]
    fallbacks: int
    strict: int


class Columns(Struct, frozen=True, kw_only=True, eq=False):
    """A frame of the good values in order; `places` = which they are; `bad` = the others."""

    frame: pl.DataFrame
    places: list[int]
    bad: dict[int, RecordError]
    fallbacks: int


# ---- blocks


@cache
def _container_head(topic: str, fingerprint: int, logical: bool) -> bytes:
    """Header of an Avro container file for bodies of one writer, with the guard as first field."""
    writer = avro.known()[topic, fingerprint]
    guard = {"name": _GUARD, "type": {"type": "fixed", "name": "Guard", "size": 8}}
    guarded = {**writer, "fields": [guard, *writer["fields"]]}
    schema = json.dumps(guarded if logical else avro.physical(guarded)).encode()
    return b"".join(
        (b"Obj\x01", binary.long(2), binary.text("avro.schema"), binary.blob(schema),
         binary.text("avro.codec"), binary.text("null"), b"\0", _SYNC)
    )  # fmt: skip


def block(
    topic: str, fingerprint: int, bodies: Sequence[bytes], guard: bytes, *, logical: bool = True
) -> pl.DataFrame:
    """Decode bodies of one known writer as one block, times and dates as such if `logical`.

    Raises ValueError when the records do not end where they should, or polars does not take them.
    """
    data = guard + guard.join(bodies)
    parts = (
        _container_head(topic, fingerprint, logical),
        binary.long(len(bodies)), binary.long(len(data)), data, _SYNC,
    )  # fmt: skip
    try:
        frame = pl.read_avro(io.BytesIO(b"".join(parts)))
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # polars' PanicException is a BaseException
        raise ValueError(f"block refused: {type(error).__name__}") from None
    whole = frame.height == len(bodies)
    if not whole or not frame.select((pl.col(_GUARD) == pl.lit(guard)).all()).item():
        raise ValueError("a record does not end where it should")
    return frame.drop(_GUARD)


def _fingerprint(value: bytes) -> int | None:
    if value[:2] != codec.MAGIC or len(value) < codec.HEADER_LEN:
        return None
    return int.from_bytes(value[2 : codec.HEADER_LEN], "little")


# ---- events


def decode_events(
    topic: str,
    values: Sequence[bytes],
    guard: Guard,
    schema_of_id: codec.SchemaOfId = codec.no_registry,
) -> Events:
    """Decode values of a supply topic into events; each refusal is that record's own.

    Only what the newest schema wrote is decoded in a block; the rest goes the strict way.
    """
    results: list[codec.Decoded | RecordError | None] = [None] * len(values)
    newest = avro.fingerprint_of(topic)
    places = [at for at, value in enumerate(values) if _fingerprint(value) == newest]
    fallbacks = 0
    if places:
        bodies = [values[at][codec.HEADER_LEN :] for at in places]
        try:
            frame = block(topic, newest, bodies, guard(), logical=False)
        except ValueError:
            fallbacks = 1
        else:
            for at, decoded in zip(places, _events(topic, frame, bodies), strict=True):
                results[at] = decoded
    strict = [at for at, result in enumerate(results) if result is None]
    for at in strict:
        try:
            results[at] = codec.decode(topic, values[at], schema_of_id)
        except RecordError as error:
            results[at] = error
    return Events(
        results=[one for one in results if one is not None], fallbacks=fallbacks, strict=len(strict)
    )


def _events(topic: str, frame: pl.DataFrame, bodies: Sequence[bytes]) -> list[codec.Decoded | None]:
    """The event of each row; None = let the strict path judge it."""
    found: list[codec.Decoded | None] = [None] * frame.height
    by_type: dict[str, list[int]] = {}
    for row, event_type in enumerate(frame["event_type"].to_list()):
        by_type.setdefault(event_type, []).append(row)
    for event_type, rows in by_type.items():
        try:
            plan = codec.plan_of(topic, event_type)
        except RecordError:
            continue
        part = frame if len(rows) == frame.height else frame[rows]
        own = [bodies[row] for row in rows]
        for row, decoded in zip(rows, _same_type(topic, plan, part, own), strict=True):
            found[row] = decoded
    return found


def _same_type(
    topic: str, plan: codec.Plan, frame: pl.DataFrame, bodies: Sequence[bytes]
) -> Iterable[codec.Decoded | None]:
    """Events of one type, column by column: each distinct value is checked and encoded once."""
    names: list[str] = []
    columns: list[list[Any]] = []
    parts: list[Iterable[bytes]] = []
    refused: set[int] = set()
    nulls = b""
    for name in members.wire_order(topic):
        member = plan.members.get(name)
        series = frame[name]
        if member is None or (series.null_count() == frame.height and member.default is None):
            nulls += binary.NULL  # another type's field: if it is not null, the bytes will differ
            continue
        if nulls:
            parts.append(repeat(nulls))
            nulls = b""
        values, encoded = _column(member, series.to_list())
        names.append(name)
        columns.append(values)
        parts.append(encoded)
        if _REFUSED in values:
            refused.update(row for row, value in enumerate(values) if value is _REFUSED)
    parts.append(repeat(nulls))
    fingerprint = avro.fingerprint_of(topic)
    rows = zip(zip(*columns, strict=True), zip(*parts, strict=False), bodies, strict=False)
    for row, (values_of_row, parts_of_row, body) in enumerate(rows):
        if row in refused or b"".join(parts_of_row) != body:
            yield None
            continue
        found = plan.kind(**dict(zip(names, values_of_row, strict=True)))
        yield _decoded(found, fingerprint, body)


def _decoded(found: Event, fingerprint: int, body: bytes) -> codec.Decoded | None:
    try:
        validate.together(found)
    except RecordError:
        return None
    digest = hashlib.sha256(body).digest()
    return codec.Decoded(message=found, fingerprint=fingerprint, content_hash=digest)


def _column(member: members.Member, wires: list[Any]) -> tuple[list[Any], Iterable[bytes]]:
    """(the values of a column or _REFUSED, their encodings)."""
    if not member.repeats:
        pairs = [_value(member, wire) for wire in wires]
        return [value for value, _ in pairs], [encoded for _, encoded in pairs]
    if isinstance(next((one for one in wires if one is not None), None), list):
        wires = [None if one is None else tuple(one) for one in wires]
    distinct = set(wires)
    name, check, encode = member.name, member.check, member.encode
    if member.convert is None and None not in distinct:
        try:
            if check is not None:
                for wire in distinct:
                    check(wire, name)
            return wires, map({wire: encode(wire) for wire in distinct}.__getitem__, wires)
        except (RecordError, *members.UNWRITABLE):
            pass  # one of them is bad: below it is told from the others
    made = {wire: _value(member, wire) for wire in distinct}
    return [made[wire][0] for wire in wires], [made[wire][1] for wire in wires]


def _value(member: members.Member, wire: Any) -> tuple[Any, bytes]:
    try:
        value = member.value(wire)
        return value, member.encode(value)
    except (RecordError, *members.UNWRITABLE):
        return _REFUSED, b""


# ---- frames


def columns(
    topic: str,
    values: Sequence[bytes],
    guard: Guard,
    schema_of_id: codec.SchemaOfId = codec.no_registry,
) -> Columns:
    """Values of any topic as one frame with the newest schema's columns, whoever wrote them.

    Types and shape are checked, meaning is not: what stands in a supply topic may still be refused
    by `decode_events`.
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
