"""Records to bytes and back: Avro single-object encoding, and Confluent's wire format for reading.

Wire value = C3 01 + 8 bytes fingerprint (CRC-64-AVRO, little endian) + Avro body. Decoding is
strict: every byte is used, every value is of its list, and each refusal names the field.
"""

import hashlib
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

from msgspec import Struct

from supplytwin.schemas import avro, binary, canonical, compat, members, validate
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import EVENT_TYPES, SUPPLY_TOPICS, Event
from supplytwin.schemas.records import SCHEMAS
from supplytwin.schemas.shapes import shape

MAGIC = b"\xc3\x01"
HEADER_LEN = 10
CONFLUENT = b"\0"
CONFLUENT_LEN = 5
SchemaOfId = Callable[[int], "avro.Schema | None"]
"""A writer's schema by its id in a registry; None = unknown. One id, one schema for ever."""


class Decoded(Struct, frozen=True, kw_only=True, gc=False):
    """A message, its writer's fingerprint, the SHA-256 of its content under the newest schema."""

    message: Struct
    fingerprint: int
    content_hash: bytes


def no_registry(schema_id: int) -> "avro.Schema | None":
    """Without a registry no id is known."""
    return None


# ---- message -> bytes


@cache
def header(topic: str) -> bytes:
    """The wire header of records that we write to `topic`."""
    return MAGIC + avro.fingerprint_of(topic).to_bytes(8, "little")


@cache
def _encoder(topic: str, kind: type[Struct]) -> members.Encode:
    return members.wire_encoder(topic, kind, header(topic))


def encode(topic: str, message: Struct) -> bytes:
    """The wire value of a message under the topic's newest schema.

    Raises RecordError for a message of another topic, and for a value that its field cannot hold.
    """
    return _encoder(topic, type(message))(message)


def body(topic: str, message: Struct) -> bytes:
    """The Avro body of a message, without wire header. Raises RecordError as `encode` does."""
    return encode(topic, message)[HEADER_LEN:]


def content_hash(topic: str, found: Struct) -> bytes:
    """SHA-256 of the message re-encoded under the newest schema, without wire header."""
    return hashlib.sha256(body(topic, found)).digest()


# ---- row -> message


class Plan(Struct, frozen=True, kw_only=True, eq=False):
    """How rows of an event type become events."""

    topic: str
    kind: type[Event]
    members: dict[str, members.Member]
    required: frozenset[str]
    names: frozenset[str]


@cache
def _plans() -> Mapping[str, Plan]:
    return {
        name: Plan(
            topic=kind.TOPIC,
            kind=kind,
            members=members.members(kind),
            required=frozenset(shape(name).required),
            names=frozenset(kind.__struct_fields__),
        )
        for name, kind in EVENT_TYPES.items()
    }


def plan_of(topic: str, event_type: str) -> Plan:
    """The plan of an event type. Raises RecordError when it is none of this topic's."""
    plan = _plans().get(event_type)
    if plan is None or plan.topic != topic:
        own = ", ".join(name for name, one in _plans().items() if one.topic == topic)
        reason = f"{event_type[:40]!r} is not an event type of {topic}: {own}"
        raise RecordError(Code.BAD_VALUE, "event_type", reason)
    return plan


def event(topic: str, row: Mapping[str, Any]) -> Event:
    """The event that a row (without nulls) says. Raises RecordError naming the field."""
    plan = plan_of(topic, row["event_type"])
    if not plan.required <= row.keys():
        name = next(name for name in plan.members if name in plan.required and name not in row)
        raise RecordError(Code.MISSING_FIELD, name, f"{plan.kind.TYPE} requires it")
    own = plan.members
    made: dict[str, Any] = {}
    for name, wire in row.items():
        member = own.get(name)
        if member is None:
            raise RecordError(Code.FOREIGN_FIELD, name, f"{plan.kind.TYPE} has no such field")
        value = wire if member.convert is None else member.convert(wire, name)
        if member.check is not None:
            member.check(value, name)
        made[name] = value
    found = plan.kind(**made)
    validate.together(found)
    return found


def message(topic: str, row: Mapping[str, Any]) -> Struct:
    """The Struct that a row of `topic` says. Raises RecordError naming the field."""
    if topic in SUPPLY_TOPICS:
        return event(topic, row)
    return members.made(SCHEMAS[topic], row)


# ---- bytes -> row


@cache
def _known() -> Mapping[tuple[str, int], binary.Read]:
    found = {}
    for (topic, fingerprint), writer in avro.known().items():
        node, names = avro.parsed(writer)
        found[topic, fingerprint] = binary.row_reader(node, names, avro.schema(topic))
    return found


Foreign = tuple[binary.Read, int] | RecordError


@lru_cache(maxsize=1024)
def _foreign(topic: str, schema_of_id: SchemaOfId, schema_id: int) -> Foreign:
    """(reader, fingerprint) of a schema in a registry, or why it is of no use.

    Raises LookupError when the registry does not know the id: it may later, so that is not kept.
    """
    writer = schema_of_id(schema_id)
    if writer is None:
        raise LookupError(schema_id)
    if topic not in avro.topics():
        return RecordError(Code.UNKNOWN_SCHEMA, "", f"{topic} is no topic of ours")
    name = f"schema {schema_id}"
    try:
        node, names = avro.parsed(writer)
        problems = compat.problems(avro.schema(topic), node, names)
        if problems:
            return RecordError(
                Code.UNKNOWN_SCHEMA, problems[0].path, f"{name}: {problems[0].reason}"
            )
        read = binary.row_reader(node, names, avro.schema(topic))
        return read, avro.fingerprint_of_schema(writer)
    except Exception as error:  # a foreign schema may be wrong in any way: that is not our failure
        reason = f"{name} cannot be used: {type(error).__name__} {error}"
        return RecordError(Code.UNKNOWN_SCHEMA, "", reason)


def _wire(topic: str, value: bytes, schema_of_id: SchemaOfId) -> tuple[binary.Read, int, int]:
    """(reader of the body, writer's fingerprint, where the body starts)."""
    if value[:2] == MAGIC:
        if len(value) < HEADER_LEN:
            raise RecordError(Code.MALFORMED, "", "ends inside its wire header")
        fingerprint = int.from_bytes(value[2:HEADER_LEN], "little")
        read = _known().get((topic, fingerprint))
        if read is None:
            reason = f"no schema of {topic} has the fingerprint {fingerprint:016x}"
            raise RecordError(Code.UNKNOWN_SCHEMA, "", reason)
        return read, fingerprint, HEADER_LEN
    if value[:1] == CONFLUENT:
        if len(value) < CONFLUENT_LEN:
            raise RecordError(Code.MALFORMED, "", "ends inside its wire header")
        schema_id = int.from_bytes(value[1:CONFLUENT_LEN], "big")
        try:
            found = _foreign(topic, schema_of_id, schema_id)
        except LookupError:
            reason = f"schema {schema_id} is in no registry that we have"
            raise RecordError(Code.UNKNOWN_SCHEMA, "", reason) from None
        if isinstance(found, RecordError):
            raise RecordError(found.code, found.field, found.reason)
        return *found, CONFLUENT_LEN
    if not value:
        raise RecordError(Code.UNKNOWN_SCHEMA, "", "is empty: nothing is deleted by a null value")
    reason = "starts with neither C3 01 (Avro single object) nor 00 (a registry's id)"
    raise RecordError(Code.UNKNOWN_SCHEMA, "", reason)


def strict_row(topic: str, value: bytes, schema_of_id: SchemaOfId = no_registry) -> dict[str, Any]:
    """The row of one wire value under our newest schema, without nulls. Raises RecordError."""
    read, _, start = _wire(topic, value, schema_of_id)
    return binary.read_whole(read, value, start)


def strict(topic: str, value: bytes, schema_of_id: SchemaOfId = no_registry) -> Decoded:
    """One wire value as a message, whoever wrote it. Raises RecordError: what is wrong, where."""
    read, fingerprint, start = _wire(topic, value, schema_of_id)
    found = message(topic, binary.read_whole(read, value, start))
    return Decoded(message=found, fingerprint=fingerprint, content_hash=content_hash(topic, found))


@cache
def _own(topic: str) -> tuple[bytes, canonical.ReadWhole, int] | None:
    """(header, reader, fingerprint) of what we write to a topic."""
    if topic not in avro.topics():
        return None
    return header(topic), canonical.reader(topic), avro.fingerprint_of(topic)


def _canonical(topic: str, value: bytes) -> tuple[Struct, int] | None:
    """(message, fingerprint) of what is spelled as we would; None = only `strict` can tell."""
    own = _own(topic)
    if own is None or not value.startswith(own[0]):
        return None
    try:
        return own[1](value, HEADER_LEN), own[2]
    except canonical.OTHER:
        return None


def canonically(topic: str, value: bytes) -> Decoded | None:
    """One wire value as a message if it is spelled as we would; None = only `strict` can tell."""
    found = _canonical(topic, value)
    if found is None:
        return None
    digest = hashlib.sha256(value[HEADER_LEN:]).digest()
    return Decoded(message=found[0], fingerprint=found[1], content_hash=digest)


def decode(topic: str, value: bytes, schema_of_id: SchemaOfId = no_registry) -> Decoded:
    """One wire value as a message. Raises RecordError: what is wrong, and where."""
    return canonically(topic, value) or strict(topic, value, schema_of_id)


def read(topic: str, value: bytes) -> Struct:
    """`decode` where only the message is wanted, without a registry."""
    found = _canonical(topic, value)
    return message(topic, strict_row(topic, value)) if found is None else found[0]
