"""EPCIS for tests: the collection of documents, and the published schema as a judge."""

import json
import re
from datetime import datetime
from pathlib import Path

import jsonschema

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
