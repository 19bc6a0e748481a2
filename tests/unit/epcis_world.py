"""EPCIS for tests: the collection of documents, and the published schema as a judge."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import strategies as st

DATA = Path(__file__).resolve().parents[1] / "data" / "epcis"
DOCUMENTS = sorted((DATA / "Documents").glob("*.json"))
SINGLE = sorted((DATA / "Events").glob("*.json"))
INVALID = sorted((DATA / "Invalid").glob("*.json"))

_formats = jsonschema.FormatChecker(formats=())


@_formats.checks("uri")
def is_uri(text: object) -> bool:
    """RFC 3986, as far as it decides here: a scheme, a colon, no blanks."""
    return not isinstance(text, str) or bool(re.fullmatch(r"[A-Za-z][\w+.-]*:[^\s]+", text))


@_formats.checks("date-time", raises=ValueError)
def is_time(text: object) -> bool:
    """RFC 3339: with a zone."""
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


PUBLISHED = jsonschema.Draft7Validator(
    json.loads((DATA / "EPCIS-JSON-Schema.json").read_text()), format_checker=_formats
)
"""gs1/EPCIS, with the formats that it names."""

WRONG = ("", "nonsense", "urn:a:b", 3, True, [], {}, "2020-13-45T00:00:00Z", "DELETE", -0.5)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a value that is not inside an extension or the context."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in items:
        if isinstance(name, str) and (":" in name or name == "@context"):
            continue
        below = (*path, name)
        found += places(inner, below) if isinstance(inner, dict | list) else [below]
    return found


def damage(data: st.DataObject, document: Any) -> tuple[str | int, ...]:
    """Takes out one field of `document`, or puts another value into it; where that is."""
    place = data.draw(st.sampled_from(places(document)))
    holder = document
    for name in place[:-1]:
        holder = holder[name]
    if data.draw(st.booleans()):
        del holder[place[-1]]
    else:
        holder[place[-1]] = data.draw(st.sampled_from(WRONG))
    return place
