"""Reader of DCSA Track & Trace: 2.2 (and the event domain 3.2 behind it), and 3.0.0 in both of its
spellings, short codes (`eventTypeCode: EQUIPMENT`, `ACT`, `LOAD`) and words (`eventType`, `ACTUAL`,
`LOADED`).

A document is right as a whole or refused as a whole. What becomes of its events:
`processors/dcsa.py`, `docs/feeds.md`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from supplytwin.schemas import dcsa_words as words
from supplytwin.schemas.dcsa_fields import Node, refuse
from supplytwin.schemas.dcsa_json import doubled, parsed
from supplytwin.schemas.dcsa_spelling import respelled, respelled_two
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.json_text import Twice
from supplytwin.schemas.tracked import Call, Document, Place, Reading, Tracked

SHOWN_MAX = 8
"""So many of its mistakes a refused document names."""
_HOW = "correct the document and send it again"
_ALONE = frozenset(
    ("eventType", "metadata", "retractedEventID", "eventClassification", "eventRouting",
     "isRetracted")
)  # fmt: skip
"""What makes an object one event."""


Named = tuple[Document | None, tuple[Document, ...]]
"""(the document that an event is about, the others)"""


class WrongDocument(RecordError):
    """A document that is refused, with what the first wrong event that names any names."""

    named: Named = (None, ())


def read(data: bytes) -> list[Tracked]:
    """Every event of a document, in its order.

    Takes a list (2.2), an object with `events` (3.0.0), or one event. Raises RecordError: `field`
    is the path of the first mistake, `reason` says which event it is, what is wrong and what to do,
    and names the other mistakes. It is a WrongDocument when some of its events are wrong.
    """
    try:
        found = parsed(data)
        path, events = _events(found)
    except RecordError as error:
        raise RecordError(error.code, error.field, f"{error.reason}; {_HOW}") from None
    tracked: list[Tracked] = []
    wrong: list[RecordError] = []
    named: Named = (None, ())
    for number, value in enumerate(events, start=1):
        node = Node(value, f"{path}[{number - 1}]")
        try:
            tracked.append(_event(node, number))
        except RecursionError:
            wrong.append(RecordError(Code.MALFORMED, node.path, "is nested too deeply"))
        except RecordError as error:
            reason = f"event {number} of {len(events)}: {error.reason}"
            wrong.append(RecordError(error.code, error.field, reason))
            named = named if any(named) else _named(node)
    if wrong:
        first, others = wrong[0], wrong[1:]
        more = "".join(f"; {one.field}: {one.reason}" for one in others[:SHOWN_MAX])
        tail = f"; and {len(others) - SHOWN_MAX} more" if len(others) > SHOWN_MAX else ""
        whole = WrongDocument(first.code, first.field, f"{first.reason}; {_HOW}{more}{tail}")
        whole.named = named
        raise whole
    return tracked


def _named(node: Node) -> Named:
    """The documents that a wrong event names, as far as that much of it is right."""
    try:
        if _is_three(node):
            return _documents_three(node)
        said = node.child("payload") or node
        return _perhaps_own_two(said), _documents_two(said)
    except RecordError:
        return None, ()


def _events(found: Any) -> tuple[str, Sequence[Any]]:
    """(path of the events, the events) of a document."""
    if isinstance(found, list):
        return "", found
    if isinstance(found, dict):
        if isinstance(found.get("events"), list):
            header = {name: one for name, one in found.items() if name != "events"}
            twice = found.names[0] if isinstance(found, Twice) else doubled(header, "")
            _once(twice)
            return "events", found["events"]
        if found.keys() & _ALONE:
            return "", [found]
    reason = "is neither a list of events (2.2) nor an object with a list `events` (3.0.0)"
    raise RecordError(Code.MALFORMED, "events", reason)


def _once(twice: str | None) -> None:
    """Raises RecordError for the path of a key that stands twice: which of the two is meant?"""
    if twice is not None:
        raise refuse(twice, "stands twice in one object: leave one out", Code.MALFORMED)


def _event(node: Node, number: int) -> Tracked:
    _once(doubled(node.value, node.path))
    made = _three(node, number) if _is_three(node) else _two(node, number)
    unread = node.unread()
    if node.child("metadata"):
        unread = tuple(sorted({name.removeprefix("payload.") for name in unread}))
    return replace(made, unread=unread)


def _is_three(node: Node) -> bool:
    return bool(node.need().keys() & {"eventClassification", "eventRouting", "isRetracted"})


# ---- 2.2, flat or as metadata and payload (event domain 3.2)


def _two(node: Node, number: int) -> Tracked:
    meta = node.child("metadata")
    head = meta or node
    said = (node.child("payload") or node) if meta else node
    event_id = head.uuid("eventID")
    party = head.child("publisher")
    common: dict[str, Any] = {
        "number": number,
        "version": "2.2",
        "body": respelled_two(node.need()),
        "party": () if party is None else party.texts("carrierCode", "carrierCodeListProvider"),
        "event_id": event_id,
        "updated": head.moment("eventCreatedDateTime"),
        "documents": _documents_two(said),
    }
    retracts = head.uuid("retractedEventID")
    if retracts is not None:
        return _retraction_two(said, {**common, "retracts": retracts})
    kind = head.one_of("eventType", words.KINDS[:3])
    name = f"{kind.lower()}EventTypeCode"
    common |= {
        "kind": kind,
        "word": words.CODES[kind][said.one_of(name, words.CODES[kind])],
        "classifier": _classifier(said, kind),
        "happened": said.moment("eventDateTime"),
        "reason": said.text("reason") or said.text("changeRemark"),
    }
    call = said.child("transportCall", required=kind == "TRANSPORT")
    common |= {"call": _call_two(call), "place": _place(said.child("eventLocation"), call)}
    if kind == "SHIPMENT":
        common["document"] = _own_document_two(said)
    if kind == "EQUIPMENT":
        seals = said.children("seals")
        common |= {
            "container": _container(said),
            "empty": said.one_of("emptyIndicatorCode", ("EMPTY", "LADEN")) == "EMPTY",
            "movement": "TRANSSHIPMENT" if said.flag("isTransshipmentMove") else None,
            "seal_no": seals[0].text("sealNumber", required=True) if seals else None,
        }
    return Tracked(**common)


def _retraction_two(said: Node, common: dict[str, Any]) -> Tracked:
    """Of what it repeats of its event, only which shipment it is of is of use."""
    return Tracked(**common, document=_perhaps_own_two(said), container=_container(said))


def _perhaps_own_two(said: Node) -> Document | None:
    kind = said.optional_of("documentTypeCode", words.DOCUMENTS)
    return None if kind is None else _own_document_two(said)


def _own_document_two(said: Node) -> Document:
    return Document(
        words.DOCUMENTS[said.one_of("documentTypeCode", words.DOCUMENTS)],
        said.text("documentID", "documentReference", required=True) or "",
    )


def _documents_two(said: Node) -> tuple[Document, ...]:
    found = []
    for one in said.children("documentReferences"):
        kind = words.DOCUMENTS[one.one_of("documentReferenceType", words.DOCUMENTS)]
        found.append(Document(kind, one.text("documentReferenceValue", required=True) or ""))
    for one in said.children("relatedDocumentReferences"):
        kind = words.DOCUMENTS[one.one_of("type", words.DOCUMENTS)]
        found.append(Document(kind, one.text("value", required=True) or ""))
    return tuple(sorted(found))


def _call_two(call: Node | None) -> Call | None:
    if call is None:
        return None
    vessel = call.child("vessel")
    vehicle = vessel and (vessel.text("vesselIMONumber") or vessel.text("vesselName"))
    return Call(
        call.text("transportCallID", "transportCallReference"),
        vehicle,
        call.text("exportVoyageNumber", "carrierExportVoyageNumber"),
        call.text("importVoyageNumber", "carrierImportVoyageNumber"),
    )


# ---- 3.0.0


def _three(node: Node, number: int) -> Tracked:
    routing = node.child("eventRouting")
    party = routing and routing.child("originatingParty")
    common: dict[str, Any] = {
        "number": number,
        "version": "3.0.0",
        "body": respelled(node.need(), node.path),
        "party": party.texts("partyCode", "codeListProvider", "codeListName") if party else (),
        "event_id": node.text("eventID", required=True),
        "updated": node.moment("eventUpdatedDateTime"),
    }
    own, others = _documents_three(node)
    equipment = node.child("equipmentDetails")
    common |= {
        "documents": (own, *others) if own else others,
        "container": equipment and _container(equipment),
    }
    if node.flag("isRetracted"):
        # Anything beside the id is irrelevant then; where it names its shipment, that is of use.
        return Tracked(**{**common, "document": own, "documents": others}, retracted=True)
    said = node.child("eventClassification", required=True)
    assert said is not None
    kind = said.one_of(("eventType", "eventTypeCode"), words.KINDS)
    common |= {
        "kind": kind,
        "word": _word(node, said, kind),
        "classifier": _classifier(said, kind),
        "happened": node.moment("eventDateTime"),
    }
    if kind == "SHIPMENT":
        if not common["documents"]:
            raise refuse(
                f"{node.path}.shipmentDetails.documentReference", "is missing", Code.MISSING_FIELD
            )
        # without an own document it is the status of none of those that it names beside it
        common |= {"document": own, "documents": others}
    transport = node.child("transportDetails", required=kind == "TRANSPORT")
    call = transport and transport.child("transportCall", required=kind == "TRANSPORT")
    common |= {
        "call": _call_three(call or None),
        "place": _place(node.child("eventLocation"), None),
        "reason": transport and transport.text("changeRemark"),
    }
    if kind in ("EQUIPMENT", "IOT", "REEFER"):
        common |= _equipment_three(node.child("equipmentDetails", required=True))
    common["reading"] = _reading(common["word"], node.child("reeferDetails"))
    return Tracked(**common)


def _word(node: Node, said: Node, kind: str) -> str:
    name = f"{kind.lower()}EventType"
    found = said.worded((name, f"{name}Code"), words.CODES[kind], words.WORDS[kind])
    details = node.child("iotDetails")
    if found == "DETECTED" and details is not None:
        return words.IOT_DETECTED.get(details.text("iotEventCode") or "", found)
    return found


def _documents_three(node: Node) -> Named:
    shipment = node.child("shipmentDetails")
    if shipment is None:
        return None, ()
    own = shipment.child("documentReference")
    others = map(_document_three, shipment.children("additionalDocumentReferences"))
    return (None if own is None else _document_three(own)), tuple(sorted(others))


def _document_three(one: Node) -> Document:
    kind = one.worded(("type", "typeCode"), words.DOCUMENTS, words.DOCUMENT_WORDS)
    return Document(kind, one.text("reference", required=True) or "")


def _call_three(call: Node | None) -> Call | None:
    if call is None:
        return None
    vehicle = None
    for name, *ids in (
        ("vesselTransport", "vesselIMONumber", "vesselName"),
        ("bargeTransport", "vesselIMONumber", "vesselName"),
        ("railTransport", "railCarName", "trainNumber"),
        ("truckTransport", "licensePlate", "truckPlate"),
    ):
        one = call.child(name)
        if one is not None and vehicle is None:
            vehicle = next((text for text in map(one.text, ids) if text), None)
    out = call.child("exportVoyageNumberOrReference")
    into = call.child("importVoyageNumberOrReference")
    return Call(
        call.text("transportCallReference"),
        vehicle,
        out and (out.text("carrierVoyageNumber") or out.text("universalVoyageReference")),
        into and (into.text("carrierVoyageNumber") or into.text("universalVoyageReference")),
    )


def _equipment_three(equipment: Node | None) -> Mapping[str, Any]:
    assert equipment is not None
    seals = equipment.children("seals")
    empty = equipment.optional_of(("emptyIndicator", "emptyIndicatorCode"), ("EMPTY", "LADEN"))
    return {
        "container": _container(equipment, required=True),
        "empty": None if empty is None else empty == "EMPTY",
        "movement": equipment.optional_of(("movementType",), ("EXPORT", "IMPORT", "TRANSSHIPMENT")),
        "seal_no": seals[0].text("number", "sealNumber", required=True) if seals else None,
    }


def _reading(word: str, details: Node | None) -> Reading | None:
    """The one reading that our event has a place for, and all of them stay in the body: of what was
    measured the first probe, else the air; of what was set the temperature.
    """
    if details is None:
        return None
    unit = details.text("temperatureUnit") or "CEL"
    if word == "ADJUSTED":
        set_to = details.number("internalSetpointTemperature")
        return None if set_to is None else Reading("temperature_setpoint", set_to, unit)
    for probe in details.children("temperatureProbeMeasurements"):
        measured = probe.number("measuredTemperatureValue")
        if measured is not None:
            return Reading("temperature_probe", measured, unit)
    for name, metric in (
        ("returnAirTemperature", "temperature_return_air"),
        ("supplyAirTemperature", "temperature_supply_air"),
        ("ambientMeasuredTemperature", "temperature_ambient"),
    ):
        value = details.number(name)
        if value is not None:
            return Reading(metric, value, unit)
    parameters = details.child("measuredParameters")
    humidity = parameters and parameters.number("humidityPercentage")
    return None if humidity is None else Reading("humidity", humidity, "P1")


# ---- both


def _classifier(said: Node, kind: str) -> str:
    """Documents and measurements are never planned."""
    names = ("eventClassifier", "eventClassifierCode")
    found = said.worded(names, words.CLASSIFIERS)
    if found != "ACTUAL" and kind not in ("TRANSPORT", "EQUIPMENT"):
        name = next(one for one in names if one in said.need())
        raise refuse(f"{said.path}.{name}", f"{found}: a {kind} event must be actual")
    return found


def _container(said: Node, *, required: bool = False) -> str | None:
    number = said.text("equipmentReference", required=required)
    if number is not None and not number.strip(" -"):
        path = f"{said.path}.equipmentReference"
        raise refuse(path, f"{number!r} has no letter and no digit: give the container's number")
    return number


def _place(location: Node | None, call: Node | None) -> Place:
    """The most exact that is said: the event's own location before that of the call."""
    candidates = (location, call and call.child("location"), call)
    found: dict[str, Any] = {}
    for one in candidates:
        if one is None:
            continue
        point = one.child("geoCoordinate") or one
        said = {
            "unlocode": one.unlocode("UNLocationCode"),
            "facility": _facility(one),
            "lat": point.degrees("latitude", 90),
            "lon": point.degrees("longitude", 180),
        }
        if (said["lat"] is None) != (said["lon"] is None):
            raise refuse(f"{point.path}.latitude", "latitude and longitude go together")
        found = {**said, **{name: value for name, value in found.items() if value is not None}}
    return Place(**found)


def _facility(location: Node) -> str | None:
    code = location.text("facilityCode")
    provider = location.text("facilityCodeListProvider")
    if code is not None:
        return f"{provider}:{code}" if provider else code
    return location.text("locationName")
