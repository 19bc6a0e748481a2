"""The shipment part of a chain as a DCSA Track & Trace document, 3.0.0 in words.

What came as DCSA goes out as it is kept; our own events as far as DCSA has a place for them, the
others are counted. What was taken back is written as retracted, so whoever read an older document
learns of it. Read again it gives the same facts: each event is read before it goes out, and what
our own reader would refuse or take for another's is left out and counted.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from supplytwin.processors.dcsa import BODY_2, BODY_3, SOURCE, source_of
from supplytwin.processors.facts import FactSet, Identity, Slot, target_of
from supplytwin.processors.feeds import Exported
from supplytwin.schemas.dcsa import read
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import SHIPMENTS, Event
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.rfc3339 import Moment, moment_in
from supplytwin.schemas.tracked import Call, Document, Place, Reading, Tracked

Outgoing = tuple[int, Identity, dict[str, Any] | str]
"""(its place in time, identity, an event of 3.0.0 or why there is none)"""
_EQUIPMENT = {
    "shipment.loaded": "LOADED",
    "shipment.discharged": "DISCHARGED",
    "shipment.gate_in": "GATED_IN",
    "shipment.gate_out": "GATED_OUT",
    "shipment.stuffed": "STUFFED",
    "shipment.stripped": "STRIPPED",
    "shipment.available": "AVAILABLE_FOR_PICKUP",
    "shipment.sealed": "RESEALED",
    "shipment.empty_returned": "GATED_IN",
}
_TRANSPORT = {"shipment.arrived": "ARRIVED", "shipment.departed": "DEPARTED"}
_SENSORS = {
    "temperature_probe": ("REEFER", "MEASURED"),
    "temperature_setpoint": ("REEFER", "ADJUSTED"),
    "door_open": ("IOT", ""),
}
_PROVIDERS = frozenset(("SMDG", "BIC"))
"""Whose facility codes are written as such; other names of places as names."""
_IMO_DIGITS = 7
_PARTY = ("partyCode", "codeListProvider", "codeListName")


def exported(facts: FactSet) -> Exported:
    """The document of a chain's facts, in the order of their time."""
    found: list[tuple[int, str, dict[str, Any]]] = []
    left_out: Counter[str] = Counter()
    for at, identity, made in (*_stated(facts), *_taken_back(facts)):
        checked = _checked(made, identity)
        if isinstance(checked, str):
            left_out[checked] += 1
        else:
            found.append((at, identity.event_id, checked))
    found.sort(key=lambda one: one[:2])
    document = msgspec.json.encode({"events": [one for _, _, one in found]})
    return Exported(msgspec.json.format(document) + b"\n", len(found), left_out)


def _stated(facts: FactSet) -> Iterator[Outgoing]:
    containers = _containers(facts)
    for slot in sorted(facts.every(), key=_identity):
        event = slot.current.event
        if slot.topic != SHIPMENTS or slot.retracted or event.correction_action == "RETRACT":
            continue
        made: dict[str, Any] | str
        if slot.effective is None:
            made = "conflicted" if slot.conflicted else "without authority"
        else:
            made = _event(event, containers)
        yield event.event_time, slot.identity, made


def _taken_back(facts: FactSet) -> Iterator[Outgoing]:
    """Each event that was taken back once, by the latest that does, whether it is known or not."""
    gone: dict[Identity, tuple[int, Event]] = {}
    for slot in sorted(facts.every(), key=_identity):
        event = slot.current.event
        if slot.topic != SHIPMENTS:
            continue
        if event.correction_action == "RETRACT":
            target, at = target_of(event), slot.current.revision
            unknown = target is not None and target not in facts.slots and not slot.unauthorised
            if target is not None and unknown and at > gone.get(target, (-1, event))[0]:
                gone[target] = at, event
        elif slot.retracted:
            gone[slot.identity] = slot.retracted_to or 0, event
    for identity, (at, event) in gone.items():
        yield at, identity, _retracted(identity, event, at)


def _checked(made: dict[str, Any] | str, identity: Identity) -> dict[str, Any] | str:
    """The event, if it is read again under its identity; else why it is left out."""
    if isinstance(made, str):
        return made
    try:
        (one,) = read(msgspec.json.encode([made]))
    except RecordError as error:
        return f"not right in DCSA: {error.field.removeprefix('[0].')}"
    source = source_of(one)
    mine = source in (identity.source, f"{SOURCE}:{identity.source}")
    return made if mine and one.event_id == identity.event_id else "not right in DCSA: its identity"


def _identity(slot: Slot) -> Identity:
    return slot.identity


def _containers(facts: FactSet) -> Mapping[str, str]:
    """Trip -> the container that was stuffed on it."""
    found: dict[str, str] = {}
    for slot in sorted(facts.every(), key=_identity):
        version = slot.effective
        if version is not None and version.event.event_type == "shipment.stuffed":
            event: Any = version.event
            found.setdefault(event.trip_id, event.container_no)
    return found


def _retracted(identity: Identity, event: Event, at: int) -> dict[str, Any]:
    """The one that takes back every version up to `at`, with the shipment that it belongs to."""
    one = _said(event) or Tracked(
        number=1,
        version="3.0.0",
        body=b"",
        party=_party(identity.source),
        event_id=identity.event_id,
        updated=Moment(Micros(at), "+00:00", "MS"),
        documents=_documents(event),
    )
    return {
        "eventRouting": _routing(_party(identity.source)),
        "eventID": identity.event_id,
        "isRetracted": True,
        "eventUpdatedDateTime": Moment(Micros(at), "+00:00", "MS").text,
        **_shipment(one.document, one.documents),
    }


def _said(event: Event) -> Tracked | None:
    """What DCSA said, when the event came from there."""
    if event.original_media_type not in (BODY_2, BODY_3) or event.original is None:
        return None
    try:
        found = read(event.original)
    except RecordError:  # whoever produces to Kafka himself may have written anything
        return None
    return found[0] if len(found) == 1 else None


def _event(event: Event, containers: Mapping[str, str]) -> dict[str, Any] | str:
    """The event, or why it is left out."""
    one = _said(event)
    routing = _routing(_party(event.source))
    if one is not None and one.version == "3.0.0":
        kept: dict[str, Any] = msgspec.json.decode(event.original or b"")
        if routing and not one.party:  # it was said by hand who it is from
            kept["eventRouting"] = {**(kept.get("eventRouting") or {}), **routing}
        return kept
    if one is not None and one.kind is not None:
        return _written(replace(one, party=_party(event.source)), event.event_id)
    if event.time_precision == "DAY" or event.event_tz == "unknown":
        day = event.time_precision == "DAY"
        why = "day precision" if day else "unknown time zone"
        return event.event_type if _meaning(event, containers) is None else why
    try:
        own = _own(event, containers)
    except RecordError as error:
        return f"not right in DCSA: {error.field}"
    return event.event_type if own is None else _written(own, event.event_id)


# ---- events of our own as tracked


def _own(event: Any, containers: Mapping[str, str]) -> Tracked | None:
    """None = DCSA has no place for it, or it lacks what its place needs."""
    said = _meaning(event, containers)
    if said is None or (said["kind"] not in ("EQUIPMENT", "TRANSPORT")
                        and event.classifier != "ACTUAL"):  # fmt: skip
        return None
    fields: dict[str, Any] = {
        "number": 1,
        "version": "3.0.0",
        "body": b"",
        "party": _party(event.source),
        "event_id": event.event_id,
        "updated": Moment(event.revision, "+00:00", "MS"),
        "classifier": event.classifier,
        "happened": moment_in(event.event_time, event.event_tz, event.time_precision),
        "documents": _documents(event),
        "place": Place(event.unlocode, event.facility, event.lat, event.lon),
        **said,
    }
    return Tracked(**fields)


def _meaning(event: Any, containers: Mapping[str, str]) -> dict[str, Any] | None:
    kind = event.event_type
    if kind in _TRANSPORT:
        voyage = Call(event.subject_id, event.vehicle_id, None, None)
        return {"kind": "TRANSPORT", "word": _TRANSPORT[kind], "call": voyage}
    if kind == "shipment.booked":
        own = Document("BOOKING", event.booking_ref)
        return {"kind": "SHIPMENT", "word": "CONFIRMED", "document": own}
    container = _container(event, containers)
    if container is None:
        return None
    if kind in _EQUIPMENT:
        return {
            "kind": "EQUIPMENT",
            "word": _EQUIPMENT[kind],
            "container": container,
            "empty": True if kind == "shipment.empty_returned" else getattr(event, "empty", None),
            "movement": getattr(event, "phase", None),
            "seal_no": getattr(event, "seal_no", None),
            "call": Call(None, event.vehicle_id, None, None)
            if getattr(event, "vehicle_id", None)
            else None,
        }
    if kind == "shipment.sensor" and event.metric in _SENSORS:
        of, word = _SENSORS[event.metric]
        door = "DOOR_OPENED" if event.value else "DOOR_CLOSED"
        reading = Reading(event.metric, event.value, event.unit)
        return {"kind": of, "word": word or door, "container": container, "reading": reading}
    return None


def _container(event: Any, containers: Mapping[str, str]) -> str | None:
    for ref in event.refs:
        if ref.startswith("CONTAINER:"):
            return str(ref.removeprefix("CONTAINER:"))
    own = getattr(event, "container_no", None)
    return own or containers.get(getattr(event, "trip_id", None) or event.subject_id)


def _documents(event: Event) -> tuple[Document, ...]:
    kinds = {"BKG": "BOOKING", "BL": "TRANSPORT_DOCUMENT"}
    pairs = (ref.partition(":") for ref in event.refs)
    return tuple(Document(kinds[kind], value) for kind, _, value in pairs if kind in kinds)


def _party(source: str) -> tuple[str, ...]:
    """The party that the source is made of, else the whole source as its code."""
    head, _, rest = source.partition(":")
    if head != SOURCE:
        return (source,)
    return tuple(rest.split(":", len(_PARTY) - 1)) if rest else ()


# ---- tracked as 3.0.0


def _written(one: Tracked, event_id: str) -> dict[str, Any]:
    """An event of 3.0.0; fields that say nothing are left out."""
    assert one.kind is not None and one.happened is not None
    made = {
        "eventRouting": _routing(one.party),
        "eventID": event_id,
        "eventDateTime": one.happened.text,
        "eventUpdatedDateTime": one.updated.text,
        "eventLocation": _location(one.place),
        "eventClassification": {
            "eventType": one.kind,
            "eventClassifier": one.classifier,
            f"{one.kind.lower()}EventType": one.word,
        },
        **_shipment(one.document, one.documents),
        "transportDetails": _transport(one),
        "equipmentDetails": _equipment(one),
        "reeferDetails": _reefer(one.reading) if one.kind == "REEFER" else None,
    }
    return {name: value for name, value in made.items() if value}


def _full(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, {}, [])}


def _routing(party: tuple[str, ...]) -> dict[str, Any]:
    return {"originatingParty": dict(zip(_PARTY, party, strict=False))} if party else {}


def _shipment(own: Document | None, others: tuple[Document, ...]) -> dict[str, Any]:
    documents = (*((own,) if own else ()), *others)
    every = [{"type": one.type, "reference": one.reference} for one in documents]
    if not every:
        return {}
    return {
        "shipmentDetails": _full(documentReference=every[0], additionalDocumentReferences=every[1:])
    }


def _location(place: Place) -> dict[str, Any]:
    provider, _, code = (place.facility or "").partition(":")
    coded = provider in _PROVIDERS and bool(code)
    point = None
    if place.lat is not None and place.lon is not None:
        point = {"latitude": str(place.lat), "longitude": str(place.lon)}
    return _full(
        UNLocationCode=place.unlocode,
        locationName=None if coded else place.facility,
        facilityCode=code if coded else None,
        facilityCodeListProvider=provider if coded else None,
        geoCoordinate=point,
    )


def _transport(one: Tracked) -> dict[str, Any]:
    call = one.call
    if call is None:
        return _full(changeRemark=one.reason if one.kind == "TRANSPORT" else None)
    vehicle = call.vehicle_id or ""
    is_imo = vehicle.isdecimal() and len(vehicle) == _IMO_DIGITS
    named = "vesselIMONumber" if is_imo else "vesselName"
    return _full(
        transportCall=_full(
            transportCallReference=call.call_id,
            vesselTransport={named: vehicle} if vehicle else None,
            exportVoyageNumberOrReference=_voyage(call.voyage_out),
            importVoyageNumberOrReference=_voyage(call.voyage_in),
        ),
        changeRemark=one.reason,
    )


def _voyage(number: str | None) -> dict[str, str] | None:
    return None if number is None else {"carrierVoyageNumber": number}


def _equipment(one: Tracked) -> dict[str, Any]:
    empty = None if one.empty is None else "EMPTY" if one.empty else "LADEN"
    return _full(
        equipmentReference=one.container,
        emptyIndicator=empty,
        movementType=one.movement,
        seals=[{"number": one.seal_no}] if one.seal_no else None,
    )


def _reefer(reading: Reading | None) -> dict[str, Any]:
    if reading is None:
        return {}
    if reading.metric == "temperature_setpoint":
        return {"temperatureUnit": reading.unit, "internalSetpointTemperature": reading.value}
    measured = {"measuredTemperatureValue": reading.value}
    return {"temperatureUnit": reading.unit, "temperatureProbeMeasurements": [measured]}
