"""Records to bytes and back: Avro single-object encoding, and Confluent's wire format for reading.

Wire value = C3 01 + 8 bytes fingerprint (CRC-64-AVRO, little endian) + Avro body. Decoding is strict:
every byte is used, every value is of its list, and each refusal names the field.
"""

import datetime as dt
import hashlib
import io
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

import fastavro
from msgspec import Struct
from msgspec.structs import fields as struct_fields

from supplytwin.schemas import avro, validate
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import (
    ENVELOPE,
    EVENT_TYPES,
    SUPPLY_TOPICS,
    DeclarationLine,
    Event,
    OrderLine,
)
from supplytwin.schemas.flow import Header
from supplytwin.schemas.records import SCHEMAS, Signature

MAGIC = b"\xc3\x01"
HEADER_LEN = 10
CONFLUENT_LEN = 5
SchemaOfId = Callable[[int], "avro.Schema | None"]
"""Looks up a writer's schema by the id of a registry; None = unknown."""
_EPOCH = dt.date(1970, 1, 1).toordinal()


class Decoded(Struct, frozen=True, kw_only=True, gc=False):
    """A message, its writer's fingerprint, and the SHA-256 of its content under the newest schema."""

    message: Struct
    fingerprint: int
    content_hash: bytes


def no_registry(schema_id: int) -> "avro.Schema | None":
    """Without a registry no id is known."""
    return None


@cache
def header(topic: str) -> bytes:
    """The wire header of records that we write to `topic`."""
    return MAGIC + avro.fingerprint_of(topic).to_bytes(8, "little")


@cache
def _newest(topic: str) -> Any:
    return avro.parsed(avro.schema(topic))


@cache
def _known_writer(topic: str, fingerprint: int) -> Any:
    found = avro.known().get((topic, fingerprint))
    return None if found is None else avro.parsed(found)


# ---- Struct -> Avro row


def _plain(value: Any) -> Any:
    """A field's value as fastavro takes it."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.date):
        return value.toordinal() - _EPOCH
    if isinstance(value, Struct):
        return row(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value


_SIMPLE = (str, int, float, bool, bytes, type(None))


def row(message: Struct) -> dict[str, Any]:
    """A Struct as the dict that Avro encodes."""
    values: dict[str, Any] = {}
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if name == "headers":
            values[name] = [{"k": k, "v": v} for k, v in value]
        else:
            values[name] = value if isinstance(value, _SIMPLE) else _plain(value)
    return values


def body(topic: str, message: Struct) -> bytes:
    """The Avro body of a message under the topic's newest schema, without wire header."""
    buffer = io.BytesIO()
    try:
        fastavro.schemaless_writer(buffer, _newest(topic), row(message))
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise RecordError(Code.BAD_VALUE, "", f"cannot be written to {topic}: {error}") from None
    return buffer.getvalue()


def encode(topic: str, message: Struct) -> bytes:
    """The wire value of a message. Raises RecordError for a value that its schema cannot hold."""
    return header(topic) + body(topic, message)


# ---- Avro row -> Struct


def _decimal(value: Any, field: str) -> Decimal:
    try:
        return validate.decimal(value, field)
    except InvalidOperation:
        raise RecordError(Code.BAD_VALUE, field, f"{value!r} is not a decimal") from None


def _date(value: Any, field: str) -> dt.date:
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromordinal(value + _EPOCH)
    except (ValueError, OverflowError):
        raise RecordError(Code.BAD_VALUE, field, f"day {value} is not a date") from None


def _strings(value: Any, field: str) -> tuple[str, ...]:
    return tuple(value)


def _headers(value: Any, field: str) -> tuple[Header, ...]:
    return tuple((one["k"], one["v"]) for one in value)


def _records(kind: type[Struct]) -> Callable[[Any, str], tuple[Struct, ...]]:
    def read(value: Any, field: str) -> tuple[Struct, ...]:
        return tuple(_struct(kind, one, f"{field}[{at}].") for at, one in enumerate(value))

    return read


Reader = Callable[[Any, str], Any]


def _reader(hint: Any) -> Reader | None:
    """What turns an Avro value into the field's type; None = it is that already."""
    args = [arg for arg in typing.get_args(hint) if arg is not type(None)]
    if typing.get_origin(hint) is tuple:
        item = args[0]
        if item == Header:
            return _headers
        if item in {OrderLine, DeclarationLine, Signature}:
            return _records(item)
        return _strings
    if len(args) == 1:
        return _reader(args[0])
    return {Decimal: _decimal, dt.date: _date}.get(hint)


@cache
def _readers(kind: type[Struct]) -> dict[str, Reader]:
    hints = typing.get_type_hints(kind)
    found = {one.name: _reader(hints[one.name]) for one in struct_fields(kind)}
    return {name: reader for name, reader in found.items() if reader is not None}


def _struct(kind: type[Struct], values: Mapping[str, Any], path: str = "") -> Struct:
    readers = _readers(kind)
    made: dict[str, Any] = {}
    for name in kind.__struct_fields__:
        value = values[name]
        reader = readers.get(name)
        made[name] = value if reader is None or value is None else reader(value, path + name)
    return kind(**made)


@cache
def _shape(event_type: str) -> tuple[type[Event], tuple[str, ...], frozenset[str], frozenset[str]]:
    """(Struct, its fields, required payload, envelope and payload) of an event type."""
    kind = EVENT_TYPES[event_type]
    payload = [one for one in struct_fields(kind) if one.name not in ENVELOPE]
    required = frozenset(one.name for one in payload if one.required)
    return kind, kind.__struct_fields__, required, frozenset(kind.__struct_fields__)


def event(topic: str, values: Mapping[str, Any]) -> Event:
    """The event that a row of the topic's flat schema says. Raises RecordError naming the field."""
    event_type = values["event_type"]
    if event_type not in EVENT_TYPES or EVENT_TYPES[event_type].TOPIC != topic:
        reason = f"{event_type!r} is not an event type of {topic}"
        raise RecordError(Code.BAD_VALUE, "event_type", reason)
    kind, names, required, own = _shape(event_type)
    readers = _readers(kind)
    made: dict[str, Any] = {}
    for name, value in values.items():
        if name in own:
            if value is None:
                if name in required:
                    raise RecordError(Code.MISSING_FIELD, name, f"{event_type} requires it")
                continue
            reader = readers.get(name)
            made[name] = value if reader is None else reader(value, name)
        elif value is not None:
            raise RecordError(Code.FOREIGN_FIELD, name, f"{event_type} has no such field")
    found = kind(**made)
    validate.event(found)
    return found


def message(topic: str, values: Mapping[str, Any]) -> Struct:
    """The Struct that a row of `topic` says. Raises RecordError naming the field."""
    if topic in SUPPLY_TOPICS:
        return event(topic, values)
    found = _struct(SCHEMAS[topic], values)
    validate.record(found)
    return found


# ---- bytes -> row


def split(value: bytes, topic: str, schema_of_id: SchemaOfId = no_registry) -> tuple[Any, int, int]:
    """(writer's schema, its fingerprint, where the body starts). Raises RecordError(UNKNOWN_SCHEMA)."""
    if value[:2] == MAGIC and len(value) >= HEADER_LEN:
        fingerprint = int.from_bytes(value[2:HEADER_LEN], "little")
        writer = _known_writer(topic, fingerprint)
        if writer is not None:
            return writer, fingerprint, HEADER_LEN
        reason = f"no schema of {topic} has the fingerprint {fingerprint:016x}"
        raise RecordError(Code.UNKNOWN_SCHEMA, "", reason)
    if value[:1] == b"\0" and len(value) >= CONFLUENT_LEN:
        schema_id = int.from_bytes(value[1:CONFLUENT_LEN], "big")
        found = schema_of_id(schema_id)
        if found is not None:
            return avro.parsed(found), avro.fingerprint_of_schema(found), CONFLUENT_LEN
        raise RecordError(Code.UNKNOWN_SCHEMA, "", f"schema id {schema_id} is in no registry")
    reason = "starts with neither the single-object header (C3 01) nor a registry id (00)"
    raise RecordError(Code.UNKNOWN_SCHEMA, "", reason)


def strict_row(topic: str, value: bytes, schema_of_id: SchemaOfId = no_registry) -> dict[str, Any]:
    """The row of one wire value, resolved to our newest schema; every byte must be used."""
    writer, fingerprint, start = split(value, topic, schema_of_id)
    buffer = io.BytesIO(value)
    buffer.seek(start)
    reader = None if fingerprint == avro.fingerprint_of(topic) else _newest(topic)
    try:
        values = fastavro.schemaless_reader(buffer, writer, reader)
    except (
        Exception
    ) as error:  # whatever a decoder makes of foreign bytes, it is the record's fault
        reason = f"does not fit its schema: {type(error).__name__} {error}".rstrip()
        raise RecordError(Code.MALFORMED, "", reason) from None
    if buffer.tell() != len(value):
        reason = f"{len(value) - buffer.tell()} bytes stand behind its end"
        raise RecordError(Code.MALFORMED, "", reason)
    if not isinstance(values, dict):
        raise RecordError(Code.MALFORMED, "", "is not a record")
    return values


def content_hash(topic: str, found: Struct) -> bytes:
    """SHA-256 of the message re-encoded under the newest schema, without wire header."""
    return hashlib.sha256(body(topic, found)).digest()


def decode(topic: str, value: bytes, schema_of_id: SchemaOfId = no_registry) -> Decoded:
    """One wire value as a message. Raises RecordError: what is wrong, and where."""
    values = strict_row(topic, value, schema_of_id)
    _, fingerprint, _ = split(value, topic, schema_of_id)
    found = message(topic, values)
    return Decoded(message=found, fingerprint=fingerprint, content_hash=content_hash(topic, found))
