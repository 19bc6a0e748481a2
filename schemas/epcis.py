"""Reader of EPCIS 2.0 (JSON-LD): a document, a query result, a list of events, or one event.

Every event is checked by itself, so that a bad one does not keep the others back. What is right
comes in one spelling (`schemas.epcis_hash`), with its identity: the eventID, or the event hash id
of CBV 2.0 where there is none.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from supplytwin.schemas import epcis_check as check
from supplytwin.schemas.epcis_hash import Spelled, event_hash, expanded, spelled
from supplytwin.schemas.epcis_json import encode, once, parsed, refuse_wrong
from supplytwin.schemas.epcis_words import CONTEXT, PREFIXES, instant
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import Micros

DOCUMENT, QUERY = "EPCISDocument", "EPCISQueryDocument"
_BUILT_IN = {namespace: prefix for prefix, namespace in PREFIXES.items()}
PREFIXED_DISPOSITION = "epcis:persistentDisposition"
_CHAINED_MAX = 3
_ID_LISTS = ("epcList", "inputEPCList", "outputEPCList", "childEPCs")


class EpcisEvent(Struct, frozen=True, kw_only=True):
    """One event. Times in us UTC."""

    place: str
    """Its path in what was read; "" = it is the whole."""
    event_id: str
    fields: Spelled
    """In one spelling, with all that it says (keys: `gs1.kept`); it may be an error declaration,
    with the content of what it cancels.
    """
    original: bytes
    """JSON-LD of `fields`, complete in itself: with eventID and @context. Reading it gives it
    again.
    """
    event_time: Micros
    record_time: Micros | None
    declared: Micros | None
    """When it was declared an error; None = it was not."""


class Refused(Struct, frozen=True, kw_only=True):
    """What was not taken, and why: of a document one event, or all of it."""

    number: int
    """Which event of the document, from 1; 0 = the document itself."""
    code: Code
    field: str
    """Path from the root of what was read."""
    reason: str
    body: bytes
    """JSON that can be corrected and read again: the event with its @context, or the document."""
    fields: Spelled
    """What is right of an event's own fields, in one spelling: it may say which chain it is of."""


class Reading(Struct, frozen=True, kw_only=True):
    """What stood in one document, in its order."""

    events: tuple[EpcisEvent, ...]
    refused: tuple[Refused, ...]


def read(raw: bytes) -> Reading:
    """Everything in one JSON text. Never raises: what is wrong is in `refused`."""
    try:
        return _read(parsed(raw))
    except RecordError as error:
        return Reading(events=(), refused=(_refused(error, 0, raw),))
    except RecursionError:
        deep = RecordError(Code.MALFORMED, "", "is nested too deep to be read")
        return Reading(events=(), refused=(_refused(deep, 0, raw),))


def _refused(
    error: RecordError, number: int, body: bytes, fields: Spelled | None = None
) -> Refused:
    which = f"event {number}: " if number else ""
    return Refused(
        number=number,
        code=error.code,
        field=error.field,
        reason=which + error.reason,
        body=body,
        fields=fields or {},
    )


# ---- documents


def _vocabulary(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise check.bad(path, "must be an object with a type")
    if "type" not in value:
        raise check.missing(f"{path}.type")
    check.uri(value["type"], f"{path}.type")


def _master(value: Any, path: str) -> None:
    """Master data states no event and is not kept: only its outline is looked at."""
    if not isinstance(value, dict):
        raise check.bad(path, "must be an object")
    check.list_of(_vocabulary)(value.get("vocabularyList", []), f"{path}.vocabularyList")


def _anything(value: Any, path: str) -> None:
    """Whatever stands here is checked elsewhere."""


_HEADER = check.object_of({"epcisMasterData": _master}, extensible=True)
_ENVELOPE: check.Fields = {
    "@context": check.context, "id": check.uri, "type": check.text, "creationDate": check.time,
    "schemaVersion": check.version, "instanceIdentifier": check.text, "sender": check.text,
    "receiver": check.text, "epcisHeader": _HEADER, "epcisBody": _anything,
}  # fmt: skip
_QUERY_RESULTS: check.Fields = {
    "queryName": check.text, "subscriptionID": check.text, "resultsBody": _anything,
}  # fmt: skip


def _event_list(document: dict[str, Any]) -> tuple[Any, str]:
    """(the list of events, its path) of a document whose envelope is right."""
    required: tuple[str, ...]
    if document["type"] == DOCUMENT:
        required = ("@context", "type", "schemaVersion", "creationDate", "epcisBody")
        check.entries(document, "", _ENVELOPE, required, extensible=True)
        within, path = document["epcisBody"], "epcisBody"
    else:
        required = ("@context", "type", "epcisBody")
        check.entries(document, "", _ENVELOPE, required, extensible=True)
        body, path = document["epcisBody"], "epcisBody"
        check.entries(body, path, {"queryResults": _anything}, ("queryResults",), extensible=True)
        results, path = body["queryResults"], "epcisBody.queryResults"
        check.entries(results, path, _QUERY_RESULTS, ("queryName", "resultsBody"), extensible=True)
        within, path = results["resultsBody"], f"{path}.resultsBody"
    if not isinstance(within, dict) or "eventList" not in within:
        raise check.missing(f"{path}.eventList")
    events = within["eventList"]
    if not isinstance(events, list):
        raise check.bad(f"{path}.eventList", "must be a list of events")
    return events, f"{path}.eventList"


def _read(value: Any) -> Reading:
    around: Any = None
    path: str | None = None
    found, bare = [value], True
    if isinstance(value, list):
        found, path = value, ""
    elif isinstance(value, dict) and value.get("type") in (DOCUMENT, QUERY):
        found, path = _event_list(value)
        around, bare = value["@context"], False
    events: list[EpcisEvent] = []
    refused: list[Refused] = []
    for number, one in enumerate(found, start=1):
        place = "" if path is None else f"{path}[{number - 1}]"
        try:
            whole = _named(one, place, around)
            check.event(whole, place, bare=bare)
            events.append(_event(whole, place, _declared(around, whole.get("@context"))))
        except RecordError as error:
            which = 0 if path is None else number
            refused.append(_refused(error, which, _alone(one, around), _sound(one, place, around)))
    return Reading(events=tuple(events), refused=tuple(refused))


def _named(event: Any, place: str, around: Any) -> Any:
    """An event whose type and `epcis:persistentDisposition` have their bare names.

    The published schema has the latter for two event types only, the standard for all: so others
    write it with its prefix, which means the same.
    """
    if not isinstance(event, dict):
        return event
    found, kind = event, event.get("type")
    if isinstance(kind, str) and ":" in kind:
        full = expanded(kind, _declared(around, event.get("@context")))
        bare = full.removeprefix(PREFIXES["epcis"])
        found = event | {"type": bare} if bare in check.EVENTS else event
    if PREFIXED_DISPOSITION not in found:
        return found
    bare = PREFIXED_DISPOSITION.partition(":")[2]
    pairs = found.items()
    named = once([(bare if name == PREFIXED_DISPOSITION else name, one) for name, one in pairs])
    refuse_wrong(named, place)
    return named


def _contexts(*contexts: Any) -> Iterator[Any]:
    for one in contexts:
        if isinstance(one, list):
            yield from one
        elif one is not None:
            yield one


def _declared(*contexts: Any) -> Mapping[str, str]:
    """Prefix -> namespace of these contexts, the later ones first."""
    found = dict(PREFIXES)
    for one in _contexts(*contexts):
        if isinstance(one, dict):
            for prefix, target in one.items():
                name = target.get("@id") if isinstance(target, dict) else target
                if isinstance(name, str) and not prefix.startswith("@"):
                    found[prefix] = name
    for _ in range(_CHAINED_MAX):  # a namespace may itself be written with a prefix
        found = {prefix: expanded(namespace, found) for prefix, namespace in found.items()}
    return found


def _alone(event: Any, around: Any) -> bytes:
    """One event as JSON with the @context that it stood in."""
    if not isinstance(event, dict) or around is None:
        return encode(event)
    contexts: list[Any] = []
    for one in _contexts(around, event.get("@context")):
        if one not in contexts:
            contexts.append(one)
    own = {name: value for name, value in event.items() if name != "@context"}
    return encode({"@context": contexts, **own})


def _sound(event: Any, place: str, around: Any) -> Spelled:
    """Those fields of a refused event that are right by themselves."""
    try:
        event = _named(event, place, around)
    except RecordError:
        return {}
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str) or kind not in check.EVENTS:
        return {}
    found: dict[str, Any] = {"type": kind}
    for name, one in event.items():
        try:
            check.EVENTS[kind][name](one, name)
            found[name] = one
        except (RecordError, KeyError):
            continue
    return spelled(found, _declared(around, found.get("@context")))


# ---- events


def _event(event: dict[str, Any], place: str, prefixes: Mapping[str, str]) -> EpcisEvent:
    own = spelled(event, prefixes)
    event_id = own.get("eventID") or event_hash(own)
    fields: Spelled = {"type": own["type"], "eventID": event_id}
    fields.update((name, one) for name, one in own.items() if name not in fields)
    for name in _ID_LISTS:
        if name in fields and isinstance(fields[name], list) and fields["type"] in check.EVENTS:
            fields[name] = sorted(set(fields[name]))
    recorded = fields.get("recordTime")
    error = fields.get("errorDeclaration")
    return EpcisEvent(
        place=place,
        event_id=event_id,
        fields=fields,
        original=_json(fields),
        event_time=instant(fields["eventTime"]),
        record_time=None if recorded is None else instant(recorded),
        declared=None if error is None else instant(error["declarationTime"]),
    )


_CLARK = re.compile(r"\{([^}]*)\}")


def _json(fields: Spelled) -> bytes:
    """JSON-LD of a spelled event: its namespaces get prefixes again, in their order."""
    plain = encode({"@context": [CONTEXT], **fields})
    if b'"{' not in plain:
        return plain
    found = sorted(set(_namespaces(fields)) - _BUILT_IN.keys())
    prefixes = {namespace: f"stx{number}" for number, namespace in enumerate(found, start=1)}
    declared = {prefix: namespace for namespace, prefix in prefixes.items()}
    context: list[Any] = [CONTEXT, declared] if declared else [CONTEXT]
    return encode({"@context": context, **_prefixed(fields, {**_BUILT_IN, **prefixes})})


def _namespaces(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            match = _CLARK.match(name)
            if match is not None:
                yield match[1]
            yield from _namespaces(one)
    elif isinstance(value, list):
        for one in value:
            yield from _namespaces(one)


def _prefixed(value: Any, prefixes: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            _CLARK.sub(lambda match: f"{prefixes[match[1]]}:", name, count=1)
            if name.startswith("{")
            else name: _prefixed(one, prefixes)
            for name, one in value.items()
        }
    return [_prefixed(one, prefixes) for one in value] if isinstance(value, list) else value
