"""Batches in columns: one Avro block of many records, decoded by polars at once.

A random guard of 8 bytes stands before each record. Without it a truncated record silently takes bytes
of its neighbour; with it the batch is refused, and each record is decoded strictly by itself: the bad
ones are named, the others are what they would have been anyway.
"""

import io
import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import polars as pl
from msgspec import Struct

from supplytwin.schemas import avro, codec
from supplytwin.schemas.errors import Code, RecordError

Guard = Callable[[], bytes]
"""Gives 8 random bytes."""
_GUARD = "_guard"
_SYNC = b"supplytwin-block"
"""16 bytes that end a block. Not a secret: the block is ours, only its records are foreign."""


class Events(Struct, frozen=True, kw_only=True):
    """One result for each value, in order; `fallbacks` = groups that had to be decoded one by one."""

    results: list[codec.Decoded | RecordError]
    fallbacks: int


class Columns(Struct, frozen=True, kw_only=True, eq=False):
    """A frame of the good values in order, `places` = which of the values they are; `bad` = the others."""

    frame: pl.DataFrame
    places: list[int]
    bad: dict[int, RecordError]
    fallbacks: int


def _long(number: int) -> bytes:
    number, out = number << 1, bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


@cache
def _container_head(topic: str, fingerprint: int) -> bytes:
    """Header of an Avro container file for bodies of one writer, with the guard as first field."""
    writer = avro.known()[(topic, fingerprint)]
    guard = {"name": _GUARD, "type": {"type": "fixed", "name": "Guard", "size": 8}}
    guarded = {**writer, "fields": [guard, *writer["fields"]]}
    text = json.dumps(guarded).encode()
    return b"".join(
        (b"Obj\x01", _long(2), _long(11), b"avro.schema", _long(len(text)), text,
         _long(10), b"avro.codec", _long(4), b"null", b"\0", _SYNC)
    )  # fmt: skip


def block(topic: str, fingerprint: int, bodies: Sequence[bytes], guard: bytes) -> pl.DataFrame:
    """Decode bodies of one writer as one block. Raises ValueError when any does not fit the schema."""
    data = guard + guard.join(bodies)
    parts = (
        _container_head(topic, fingerprint), _long(len(bodies)), _long(len(data)), data, _SYNC,
    )  # fmt: skip
    try:
        frame = pl.read_avro(io.BytesIO(b"".join(parts)))
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # polars' PanicException is a BaseException
        raise ValueError(f"batch refused: {type(error).__name__}") from None
    whole = frame.height == len(bodies)
    if not whole or not frame.select((pl.col(_GUARD) == pl.lit(guard)).all()).item():
        raise ValueError("a record does not fit its schema")
    return frame.drop(_GUARD)


def _physical(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as longs: what Structs hold."""
    times = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime)]
    return frame.with_columns(pl.col(times).cast(pl.Int64)) if times else frame


def _groups(topic: str, values: Sequence[bytes]) -> tuple[dict[int, list[int]], list[int]]:
    """Places by known fingerprint, and those that only the strict path can judge."""
    groups: dict[int, list[int]] = {}
    others: list[int] = []
    for at, value in enumerate(values):
        fingerprint = int.from_bytes(value[2 : codec.HEADER_LEN], "little")
        good = value[:2] == codec.MAGIC and (topic, fingerprint) in avro.known()
        (groups.setdefault(fingerprint, []) if good else others).append(at)
    return groups, others


def decode_events(
    topic: str,
    values: Sequence[bytes],
    guard: Guard,
    schema_of_id: codec.SchemaOfId = codec.no_registry,
) -> Events:
    """Decode values of a supply topic into events; each refusal is that record's own."""
    results: list[codec.Decoded | RecordError | None] = [None] * len(values)
    groups, strict = _groups(topic, values)
    fallbacks = 0
    for fingerprint, places in groups.items():
        bodies = [values[at][codec.HEADER_LEN :] for at in places]
        try:
            frame = _physical(block(topic, fingerprint, bodies, guard()))
        except ValueError:
            fallbacks += 1
            strict = [*strict, *places]
            continue
        for at, values_of_row in zip(places, frame.iter_rows(named=True), strict=True):
            results[at] = _event(topic, fingerprint, values_of_row)
    for at in strict:
        try:
            results[at] = codec.decode(topic, values[at], schema_of_id)
        except RecordError as error:
            results[at] = error
    return Events(results=[one for one in results if one is not None], fallbacks=fallbacks)


def _event(topic: str, fingerprint: int, row: dict[str, Any]) -> codec.Decoded | RecordError:
    try:
        found = codec.event(topic, row)
        return codec.Decoded(
            message=found, fingerprint=fingerprint, content_hash=codec.content_hash(topic, found)
        )
    except RecordError as error:
        return error


def columns(topic: str, values: Sequence[bytes], guard: Guard) -> Columns:
    """Values of any topic as one frame of the newest schema's columns, for sinks."""
    groups, strict = _groups(topic, values)
    frames: list[pl.DataFrame] = []
    places: list[int] = []
    bad: dict[int, RecordError] = {}
    fallbacks = 0
    for fingerprint, members in groups.items():
        bodies = [values[at][codec.HEADER_LEN :] for at in members]
        try:
            frames.append(block(topic, fingerprint, bodies, guard()))
            places += members
        except ValueError:
            fallbacks += 1
            strict = [*strict, *members]
    for at in strict:
        try:
            codec.strict_row(topic, values[at])
            fingerprint = int.from_bytes(values[at][2 : codec.HEADER_LEN], "little")
            frames.append(block(topic, fingerprint, [values[at][codec.HEADER_LEN :]], guard()))
            places.append(at)
        except RecordError as error:
            bad[at] = error
        except ValueError as error:
            bad[at] = RecordError(Code.MALFORMED, "", str(error))
    frame = pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
    return Columns(frame=frame, places=places, bad=bad, fallbacks=fallbacks)
