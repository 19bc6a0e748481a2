"""JSON Schema of contract terms, for authors: made from the Structs that the reader reads."""

import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import msgspec

from supplytwin.schemas.contract import LATER, ContractTerms
from supplytwin.schemas.money import MINOR_MAX

ADDRESS = "urn:supplytwin:contract:1"
_CONDITION = "condition.schema.json"
_INSTANTS = frozenset(("funding_deadline", "long_stop", "not_before", "deadline"))
_DURATIONS = frozenset(("hold_len", "grace", "challenge", "max_len", "status_sla"))


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12); its conditions are those of `condition.schema.json`."""
    (made,), parts = msgspec.json.schema_components([ContractTerms], ref_template="#/$defs/{name}")
    for part in _parts(parts):
        _corrected(part)
    raw = resources.files("supplytwin.schemas").joinpath(_CONDITION).read_bytes()
    for name in ("ContractTerms", "Tranche"):
        properties = parts[name]["properties"]
        for refused, says in LATER.items():
            properties[refused] = {"not": {}, "description": f"Refused by this version: {says}"}
    parts["Tranche"]["properties"]["condition"] = {"$ref": "#/$defs/condition"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ADDRESS,
        "title": "supplytwin contract terms",
        **made,
        "$defs": parts | json.loads(raw)["$defs"],
    }


def _corrected(part: dict[str, Any]) -> None:
    """What msgspec does not know: decimals are texts, integers have 64 bits, times and durations
    have their forms.
    """
    if isinstance(part.get("description"), str):
        part["description"] = " ".join(part["description"].split())
    if part.get("format") == "decimal":
        del part["format"]
        part["$ref"] = "#/$defs/decimal"
        del part["type"]
    if part.get("type") == "integer":
        part.setdefault("maximum", MINOR_MAX)
    for name, one in part.get("properties", {}).items():
        if isinstance(one, dict):
            _as(one, "instant", name in _INSTANTS)
            _as(one, "duration", name in _DURATIONS)


def _as(part: dict[str, Any], form: str, fits: bool) -> None:
    """A text of that form, also where null may stand beside it."""
    for one in part.get("anyOf", (part,)) if fits else ():
        if one.get("type") == "string":
            del one["type"]
            one["$ref"] = f"#/$defs/{form}"


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _parts(one)
