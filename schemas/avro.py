"""Avro schemas derived from the Structs: one per topic, committed as `<topic>.avsc`.

Flat on purpose: no enums, no maps, no unions beyond null, so that a topic decodes in columns. A
supply topic's schema is the envelope, then every payload field of its event types, nullable.

`python -m supplytwin.schemas.avro` writes the files. Before a schema changes, its file is kept
under a name of its own, `<topic>@<n>.avsc`: what was written with it must stay readable for ever.
"""

import datetime as dt
import json
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form
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


def unwrap(hint: Any) -> tuple[Any, bool]:
    """(the type of a field's value, whether it may be null)."""
    if typing.get_origin(hint) in {types.UnionType, typing.Union}:
        (inner,) = (arg for arg in typing.get_args(hint) if arg is not types.NoneType)
        return inner, True
    return hint, False


@cache
def schema(topic: str) -> Schema:
    """The newest schema of a topic, with logical types. Raises KeyError for an unknown topic."""
    if topic in SUPPLY_TOPICS:
        kinds = [kind for kind in EVENT_TYPES.values() if topic == kind.TOPIC]
        return record(name_of(topic), flat(kinds))
    return record(name_of(topic), fields_of(SCHEMAS[topic]))


def record(name: str, fields: list[Schema]) -> Schema:
    """A record schema in our namespace."""
    return {"type": "record", "name": name, "namespace": NAMESPACE, "fields": fields}


def fields_of(struct: type[Struct]) -> list[Schema]:
    """The fields of a Struct in wire order."""
    hints = typing.get_type_hints(struct)
    return [_field(one.name, hints[one.name], one.default) for one in struct_fields(struct)]


def flat(kinds: list[type[Event]]) -> list[Schema]:
    """The envelope, then each payload field of any of `kinds`, nullable.

    Raises TypeError when one name has two types: a column can have only one.
    """
    members = {one["name"]: one for one in fields_of(Event)}
    for kind in kinds:
        hints = typing.get_type_hints(kind)
        for one in struct_fields(kind):
            if one.name in ENVELOPE:
                continue
            field = _field(one.name, unwrap(hints[one.name])[0] | None, None)
            if members.setdefault(one.name, field) != field:
                raise TypeError(f"{kind.__name__}.{one.name} has another type elsewhere")
    return list(members.values())


def _field(name: str, hint: Any, default: Any) -> Schema:
    inner, nullable = unwrap(hint)
    if nullable:
        return {"name": name, "type": ["null", _type(inner)], "default": None}
    field: Schema = {"name": name, "type": _type(hint)}
    if default is not NODEFAULT:
        plain = list(default) if isinstance(default, tuple) else default
        field["default"] = plain.decode("latin-1") if isinstance(plain, bytes) else plain
    return field


def _type(hint: Any) -> Any:
    if hint in _PRIMITIVE:
        return _PRIMITIVE[hint]
    if typing.get_origin(hint) is tuple:
        return {"type": "array", "items": _item(typing.get_args(hint)[0])}
    raise TypeError(f"no Avro type for {hint}")


def _item(hint: Any) -> Any:
    if hint == Header:
        value = {"name": "v", "type": ["null", "bytes"], "default": None}
        return record("Header", [{"name": "k", "type": "string"}, value])
    if isinstance(hint, type) and issubclass(hint, Struct):
        return record(hint.__name__, fields_of(hint))
    return _type(hint)


def parsed(node: Any) -> tuple[Any, Mapping[str, Schema]]:
    """(a schema with full names, its named types). Raises what fastavro raises if invalid."""
    names: dict[str, Schema] = {}
    return parse_schema(node, named_schemas=names), names


def fingerprint_of_schema(node: Any) -> int:
    """CRC-64-AVRO of the parsing canonical form, as the integer that little-endian bytes spell."""
    hexed = fingerprint(to_parsing_canonical_form(node), "CRC-64-AVRO")
    return int.from_bytes(bytes.fromhex(hexed), "little")


@cache
def fingerprint_of(topic: str) -> int:
    """The fingerprint of the topic's newest schema."""
    return fingerprint_of_schema(schema(topic))


@cache
def known() -> Mapping[tuple[str, int], Schema]:
    """Every writer's schema that we ever shipped, by (topic, fingerprint)."""
    found = {}
    for topic in topics():
        for node in (*earlier(topic), schema(topic)):
            found[topic, fingerprint_of_schema(node)] = node
    return found


def earlier(topic: str) -> list[Schema]:
    """The topic's former schemas, oldest first: the files `<topic>@<n>.avsc`."""
    paths = FOLDER.glob(f"{topic}@*.avsc")
    by_number = sorted(paths, key=lambda path: int(path.stem.rpartition("@")[2]))
    return [json.loads(path.read_text()) for path in by_number]


def text(topic: str) -> str:
    """The content of `<topic>.avsc`."""
    return json.dumps(schema(topic), indent=1) + "\n"


def main() -> None:
    """Write all `.avsc` files."""
    for topic in topics():
        (FOLDER / f"{topic}.avsc").write_text(text(topic))


if __name__ == "__main__":
    main()
