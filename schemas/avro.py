"""Avro schemas derived from the Structs: one per topic, committed as `<topic>.avsc`.

Flat on purpose: no enums, no maps, no unions beyond null, so that a topic decodes in columns. A supply
topic's schema is the envelope, then every payload field of its event types, nullable.

`python -m supplytwin.schemas.avro` writes the files.
"""

import datetime as dt
import json
import types
import typing
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form
from msgspec import NODEFAULT, Struct
from msgspec.structs import fields as struct_fields

from supplytwin.schemas.events import ENVELOPE, EVENT_TYPES, SUPPLY_TOPICS, Event
from supplytwin.schemas.flow import Header
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import SCHEMAS

Schema = dict[str, Any]
NAMESPACE = "supplytwin"
FOLDER = Path(__file__).parent
_PRIMITIVE: dict[Any, Any] = {
    str: "string",
    int: "long",
    bool: "boolean",
    float: "double",
    bytes: "bytes",
    Decimal: "string",
    Micros: {"type": "long", "logicalType": "timestamp-micros"},
    dt.date: {"type": "int", "logicalType": "date"},
}


def topics() -> tuple[str, ...]:
    """Every topic that has a schema."""
    return (*SUPPLY_TOPICS, *SCHEMAS)


def name_of(topic: str) -> str:
    """`supply.orders` -> `SupplyOrders`."""
    return "".join(part.capitalize() for part in topic.split("."))


@cache
def schema(topic: str) -> Schema:
    """The newest schema of a topic, with logical types. Raises KeyError for an unknown topic."""
    if topic in SUPPLY_TOPICS:
        members = _supply_fields(topic)
    else:
        members = _fields(SCHEMAS[topic])
    return {"type": "record", "name": name_of(topic), "namespace": NAMESPACE, "fields": members}


def _fields(struct: type[Struct]) -> list[Schema]:
    hints = typing.get_type_hints(struct)
    return [_field(one.name, hints[one.name], one.default) for one in struct_fields(struct)]


def _supply_fields(topic: str) -> list[Schema]:
    members = {one["name"]: one for one in _fields(Event)}
    for kind in EVENT_TYPES.values():
        if kind.TOPIC != topic:
            continue
        hints = typing.get_type_hints(kind)
        for one in struct_fields(kind):
            if one.name in ENVELOPE:
                continue
            field = _field(one.name, _nullable(hints[one.name]), None)
            if members.setdefault(one.name, field) != field:
                raise TypeError(f"{topic}: {one.name} has two types")
    return list(members.values())


def _nullable(hint: Any) -> Any:
    return (
        hint if _is_optional(hint) else hint | None if not _is_new_type(hint) else _Optional(hint)
    )


class _Optional:
    """A nullable NewType, which `|` does not take everywhere."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


def _is_new_type(hint: Any) -> bool:
    return isinstance(hint, typing.NewType)


def _is_optional(hint: Any) -> bool:
    if isinstance(hint, _Optional):
        return True
    return typing.get_origin(hint) in {types.UnionType, typing.Union}


def _field(name: str, hint: Any, default: Any) -> Schema:
    if _is_optional(hint):
        inner = hint.inner if isinstance(hint, _Optional) else _inner(hint)
        return {"name": name, "type": ["null", _type(inner)], "default": None}
    field: Schema = {"name": name, "type": _type(hint)}
    if default is not NODEFAULT:
        plain = list(default) if isinstance(default, tuple) else default
        field["default"] = plain.decode("latin-1") if isinstance(plain, bytes) else plain
    return field


def _inner(hint: Any) -> Any:
    (inner,) = (arg for arg in typing.get_args(hint) if arg is not types.NoneType)
    return inner


def _type(hint: Any) -> Any:
    if hint in _PRIMITIVE:
        return _PRIMITIVE[hint]
    if typing.get_origin(hint) is tuple:
        return {"type": "array", "items": _item(typing.get_args(hint)[0])}
    raise TypeError(f"no Avro type for {hint}")


def _item(hint: Any) -> Any:
    if hint == Header:
        value = {"name": "v", "type": ["null", "bytes"], "default": None}
        members = [{"name": "k", "type": "string"}, value]
        return {"type": "record", "name": "Header", "namespace": NAMESPACE, "fields": members}
    if isinstance(hint, type) and issubclass(hint, Struct):
        return {
            "type": "record",
            "name": hint.__name__,
            "namespace": NAMESPACE,
            "fields": _fields(hint),
        }
    return _type(hint)


def physical(node: Any) -> Any:
    """The schema without logical types: what the codec works with, longs and days."""
    if isinstance(node, list):
        return [physical(one) for one in node]
    if not isinstance(node, dict):
        return node
    if "logicalType" in node:
        return node["type"]
    return {key: physical(one) if key in {"type", "items", "fields"} else one
            for key, one in node.items()}  # fmt: skip


def parsed(node: Schema) -> Any:
    """A physical schema as fastavro wants it."""
    return fastavro.parse_schema(physical(node))


def fingerprint_of_schema(node: Schema) -> int:
    """CRC-64-AVRO of the parsing canonical form, as the integer that little-endian bytes spell."""
    hexed = fingerprint(to_parsing_canonical_form(node), "CRC-64-AVRO")
    return int.from_bytes(bytes.fromhex(hexed), "little")


@cache
def fingerprint_of(topic: str) -> int:
    """The fingerprint of the topic's newest schema."""
    return fingerprint_of_schema(schema(topic))


@cache
def known() -> Mapping[tuple[str, int], Schema]:
    """Every writer's schema that we have, by (topic, fingerprint): the newest, and all shipped before."""
    return {(topic, fingerprint_of(topic)): schema(topic) for topic in topics()}


def incompatibilities(reader: Schema, writers: Iterable[Schema]) -> list[str]:
    """Why `reader` cannot read what any of `writers` wrote (BACKWARD_TRANSITIVE); empty = it can."""
    return [
        problem
        for writer in writers
        for problem in _record_problems(reader, writer, reader["name"])
    ]


_PROMOTIONS = {
    ("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"),
    ("float", "double"), ("string", "bytes"), ("bytes", "string"),
}  # fmt: skip


def _record_problems(reader: Schema, writer: Schema, path: str) -> list[str]:
    problems = []
    if reader["name"] != writer["name"]:
        problems.append(f"{path}: was named {writer['name']}")
    written = {one["name"]: one for one in writer["fields"]}
    for field in reader["fields"]:
        at = f"{path}.{field['name']}"
        if field["name"] in written:
            problems += _type_problems(field["type"], written[field["name"]]["type"], at)
        elif "default" not in field:
            problems.append(f"{at}: is new and has no default")
    return problems


def _type_problems(reader: Any, writer: Any, path: str) -> list[str]:
    if isinstance(writer, list):
        return [p for branch in writer for p in _type_problems(reader, branch, path)]
    if isinstance(reader, list):
        found = [_type_problems(branch, writer, path) for branch in reader]
        return (
            [] if any(not problems for problems in found) else [f"{path}: {writer} has no branch"]
        )
    read, wrote = _kind(reader), _kind(writer)
    if read == wrote == "record":
        return _record_problems(reader, writer, path)
    if read == wrote == "array":
        return _type_problems(reader["items"], writer["items"], f"{path}[]")
    if _logical(reader) != _logical(writer):
        return [f"{path}: was {_logical(writer) or wrote}, is {_logical(reader) or read}"]
    good = read == wrote or (wrote, read) in _PROMOTIONS
    return [] if good else [f"{path}: was {wrote}, is {read}"]


def _kind(node: Any) -> str:
    return str(node["type"] if isinstance(node, dict) else node)


def _logical(node: Any) -> str | None:
    return node.get("logicalType") if isinstance(node, dict) else None


def text(topic: str) -> str:
    """The content of `<topic>.avsc`."""
    return json.dumps(schema(topic), indent=1) + "\n"


def main() -> None:
    """Write all `.avsc` files."""
    for topic in topics():
        (FOLDER / f"{topic}.avsc").write_text(text(topic))


if __name__ == "__main__":
    main()
