"""JSON Schema of what `schemas.strict` reads."""

from collections.abc import Iterator
from typing import Any

import msgspec

_PATTERN = r"^[0-9]+(\.[0-9]+)?$"


def json_schema(kind: type[Any], title: str, address: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of a Struct, decimals as `schemas.strict` reads them."""
    (made,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for part in _parts(parts):
        if isinstance(part.get("description"), str):
            part["description"] = " ".join(part["description"].split())
        if part.pop("format", None) == "decimal":
            part["type"] = ["string", "number"]
            part["pattern"] = _PATTERN
            part["minimum"] = 0
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        "title": title,
        **made,
        "$defs": parts,
    }


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _parts(one)
