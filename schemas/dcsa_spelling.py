"""One text for one event of 3.0.0, whichever of its two spellings it came in.

Feeds repeat their events: what was re-sent in the other spelling, with other white space or with
`Z` for `+00:00` must be a duplicate of what we have, and not another content of the same revision.
Every field stays; names and codes are in the later spelling, keys sorted.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from supplytwin.schemas import dcsa_words as words
from supplytwin.schemas.rfc3339 import moment

_NAMES = {
    "eventTypeCode": "eventType",
    "eventClassifierCode": "eventClassifier",
    "emptyIndicatorCode": "emptyIndicator",
    **{f"{kind.lower()}EventTypeCode": f"{kind.lower()}EventType" for kind in words.KINDS},
}
_VALUES: Mapping[str, Mapping[str, str]] = {
    "eventClassifier": words.CLASSIFIERS,
    **{f"{kind.lower()}EventType": words.CODES[kind] for kind in words.KINDS},
}
_TIMES = frozenset(("eventDateTime", "eventUpdatedDateTime"))


def respelled(event: Mapping[str, Any]) -> bytes:
    """Canonical JSON of an event of 3.0.0 in the later spelling."""
    found = _respelled(event)
    kinds, details = found.get("eventClassification"), found.get("iotDetails")
    if isinstance(kinds, dict) and isinstance(details, dict):
        code = details.get("iotEventCode")
        word = None if not isinstance(code, str) else words.IOT_DETECTED.get(code)
        if kinds.get("iotEventType") == "DETECTED" and word is not None:
            kinds["iotEventType"] = word
            del details["iotEventCode"]
            if not details:
                del found["iotDetails"]
    return msgspec.json.encode(found, order="sorted")


def _respelled(value: Any) -> Any:
    if isinstance(value, list):
        return [_respelled(one) for one in value]
    if not isinstance(value, dict):
        return value
    document = "reference" in value
    made: dict[str, Any] = {}
    for name, one in value.items():
        if document and name in ("type", "typeCode"):
            made["type"] = words.DOCUMENTS.get(one, one) if isinstance(one, str) else one
            continue
        key = _NAMES.get(str(name), str(name))
        found = _respelled(one)
        if isinstance(found, str):
            found = _VALUES.get(key, {}).get(found, found)
            found = moment_text(found) if key in _TIMES else found
        made[key] = found
    return made


def moment_text(text: str) -> str:
    """The date-time in our spelling; what is none stays as it is."""
    try:
        return moment(text).text
    except ValueError:
        return text
