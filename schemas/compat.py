"""Whether one schema can read what another wrote: the rule BACKWARD_TRANSITIVE.

Stricter than Avro's schema resolution in two ways: what can fail for some values is refused as a
whole, and a change of meaning (a timestamp in other units, a long that becomes a time) is a change
of type.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from supplytwin.schemas.binary import PROMOTIONS

Schema = dict[str, Any]
_MEANINGLESS = frozenset((None, "uuid"))
"""Logical types that say nothing about how a value is understood here."""


class Problem(Struct, frozen=True, kw_only=True):
    """`path` = dotted field path ("" = the record itself)."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path or 'record'}: {self.reason}"


def incompatibilities(reader: Schema, writers: Iterable[Schema]) -> list[Problem]:
    """Why `reader` cannot read what any of `writers` wrote; empty = it can."""
    return [problem for writer in writers for problem in problems(reader, writer)]


def problems(
    reader: Schema, writer: Any, names: Mapping[str, Schema] | None = None
) -> list[Problem]:
    """Why `reader` (one of ours: no unions beyond null) cannot read what `writer` wrote.

    `names` are the writer's named types by full name, for a writer that refers to them.
    """
    return list(_types(reader, writer, "", names or {}))


def _types(reader: Any, writer: Any, path: str, names: Mapping[str, Schema]) -> Iterable[Problem]:
    if isinstance(writer, str):
        writer = names.get(writer, writer)
    if isinstance(writer, list):
        for branch in writer:
            yield from _types(reader, branch, path, names)
        return
    wrote = _kind(writer)
    if isinstance(reader, list):
        if wrote == "null":
            return
        (reader,) = (branch for branch in reader if branch != "null")
    read = _kind(reader)
    if read == wrote == "record":
        yield from _records(reader, writer, path, names)
    elif read == wrote == "array":
        yield from _types(reader["items"], writer["items"], f"{path}[]", names)
    elif _meaning(reader) != _meaning(writer):
        was, now = _meaning(writer) or wrote, _meaning(reader) or read
        yield Problem(path=path, reason=f"was {was}, is {now}")
    elif read != wrote and (wrote, read) not in PROMOTIONS:
        yield Problem(path=path, reason=f"was {wrote}, is {read}")


def _records(
    reader: Schema, writer: Schema, path: str, names: Mapping[str, Schema]
) -> Iterable[Problem]:
    was, now = (one["name"].rpartition(".")[2] for one in (writer, reader))
    if was != now:
        yield Problem(path=path, reason=f"was named {was}, is named {now}")
    written = {one["name"]: one for one in writer["fields"]}
    for field in reader["fields"]:
        at = f"{path}.{field['name']}" if path else field["name"]
        if field["name"] in written:
            yield from _types(field["type"], written[field["name"]]["type"], at, names)
        elif "default" not in field:
            yield Problem(path=at, reason="is new and has no default")


def _kind(node: Any) -> str:
    while isinstance(node, dict) and isinstance(node["type"], dict):
        node = node["type"]
    return str(node["type"] if isinstance(node, dict) else node)


def _meaning(node: Any) -> str | None:
    found = node.get("logicalType") if isinstance(node, dict) else None
    return None if found in _MEANINGLESS else found
