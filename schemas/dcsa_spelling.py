"""One text for one event, whichever way it was written down.

Feeds repeat their events: what was re-sent in the other spelling of 3.0.0, with other white space,
with a UUID in another case or with `Z` for `+00:00` must be a duplicate of what we have, and not
another content of the same revision. Every field stays; names and codes of 3.0.0 are in the later
spelling, keys sorted.

When a message was made is an instant and no more, so that is written in UTC. When something
happened has a place, and its offset says on which day that was there: terms of payment count local
days. So `14:15+08:00` and `06:15Z` are one identity (that is the eventID, or a hash of the instant)
but not one content: they contradict each other about the local time, and a later revision settles
it.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from supplytwin.schemas import dcsa_words as words
from supplytwin.schemas.errors import Code, RecordError
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
_TIME = "DateTime"
_MADE = frozenset(("eventCreatedDateTime", "eventUpdatedDateTime"))
_UUIDS = frozenset(("eventID", "retractedEventID"))


def respelled(event: Mapping[str, Any], path: str = "") -> bytes:
    """Canonical JSON of an event of 3.0.0, which stands at `path`, in the later spelling.

    Raises RecordError when a field stands in both spellings and they say different things.
    """
    found = _respelled(event, path)
    kinds, details = found.get("eventClassification"), found.get("iotDetails")
    if isinstance(kinds, dict) and isinstance(details, dict):
        code = details.get("iotEventCode")
        word = None if not isinstance(code, str) else words.IOT_DETECTED.get(code)
        said = kinds.get("iotEventType")
        if word is not None and said in ("DETECTED", word):
            kinds["iotEventType"] = word
            del details["iotEventCode"]
            if not details:
                del found["iotDetails"]
        elif word is not None and said in words.IOT_DETECTED.values():
            raise _differs(f"{path}.iotDetails.iotEventCode", f"iotEventType is {said}")
    return msgspec.json.encode(found, order="sorted")


def respelled_two(event: Mapping[str, Any]) -> bytes:
    """Canonical JSON of an event of 2.2, flat or in metadata and payload: its times and UUIDs in
    one spelling.
    """
    return msgspec.json.encode(_respelled_two(event, ""), order="sorted")


def later_name(name: str, within: Mapping[str, Any]) -> str:
    """What a field of `within` is called in the later spelling."""
    if name == "typeCode" and "reference" in within:
        return "type"
    return _NAMES.get(name, name)


def _respelled(value: Any, path: str) -> Any:
    if isinstance(value, list):
        return [_respelled(one, f"{path}[{at}]") for at, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for name, one in value.items():
        key = later_name(name, value)
        found = _respelled(one, f"{path}.{name}")
        if isinstance(found, str):
            codes = words.DOCUMENTS if key == "type" and "reference" in value else _VALUES.get(key)
            found = (codes or {}).get(found, found)
            found = _time(key, found) if key.endswith(_TIME) else found
        if made.get(key) is None:
            made[key] = found
        elif found is not None and found != made[key]:
            raise _differs(f"{path}.{name}", "its other spelling says something else")
    return made


def _respelled_two(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_respelled_two(one, "") for one in value]
    if isinstance(value, dict):
        return {key: _respelled_two(one, key) for key, one in value.items()}
    if isinstance(value, str) and name in _UUIDS:
        return value.lower()
    return _time(name, value) if isinstance(value, str) and name.endswith(_TIME) else value


def _differs(path: str, reason: str) -> RecordError:
    return RecordError(Code.BAD_VALUE, path.removeprefix("."), f"{reason}: leave one out")


def _time(name: str, text: str) -> str:
    """The date-time in our spelling; what is none stays as it is."""
    try:
        found = moment(text)
    except ValueError:
        return text
    if name in _MADE:
        found = found._replace(tz="+00:00", precision="MS")
    return found.text
