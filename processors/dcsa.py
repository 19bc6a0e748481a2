"""DCSA Track & Trace events as events of ours, one for one: the tables are in `docs/feeds.md`.

What our model has no place for becomes `shipment.noted`, a fact without effect; every event's
whole content stays in `original`. What a carrier says about customs is noted, too: a release counts
only from customs (DESIGN §2).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from supplytwin.processors.feeds import Check, Given, Read, Refused, encoded
from supplytwin.schemas.dcsa import WrongDocument, read
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import (
    Event,
    ShipmentArrived,
    ShipmentAvailable,
    ShipmentBooked,
    ShipmentDeparted,
    ShipmentDischarged,
    ShipmentGateIn,
    ShipmentGateOut,
    ShipmentLoaded,
    ShipmentNoted,
    ShipmentSealed,
    ShipmentSensor,
    ShipmentStripped,
    ShipmentStuffed,
)
from supplytwin.schemas.ids import check_chain_id
from supplytwin.schemas.tracked import Document, Tracked
from supplytwin.schemas.trips import trip_id

SOURCE = "dcsa"
"""Of events that name no party; others have its code behind a colon."""
BODY_2, BODY_3 = (f"application/json; dcsa-tnt={version}" for version in ("2.2", "3.0.0"))
"""Media types of what is kept of an event."""
RETRACTED = "#gone:"
"""Between the id of an event and a digest, in the id of a fact that takes it back."""
_DIGEST_DIGITS = 14
"""With the longest id of an event it fills the 500 characters of ours."""
_CHAINS = {
    "BOOKING": "BKG",
    "TRANSPORT_DOCUMENT": "BL",
    "CARRIER_BOOKING_REQUEST": "CARRIER_BOOKING_REQUEST",
}
"""Documents that name a chain, the first first, and what stands before their number."""
_OF_CONTAINERS = (None, "EQUIPMENT", "IOT", "REEFER")
"""Kinds of events that happen to a container; of a retraction it is not known."""
_REFERRED = ("BOOKING", "TRANSPORT_DOCUMENT")
"""Documents that our events carry along as references."""
_DOOR = {"DOOR_OPENED": 1.0, "DOOR_CLOSED": 0.0}


class Bound(NamedTuple):
    """What an event is about: its chain, its consignment, and the references to carry along."""

    chain_id: str
    consignment: str | None
    refs: tuple[str, ...]


def document(data: bytes, given: Given | None = None, check: Check = encoded) -> Read:
    """What a document becomes. It is refused as a whole when one of its events is wrong; an event
    that is right but belongs to no chain is refused alone.
    """
    told = given or Given()
    chain = told.chain
    try:
        found = mapped((_from(one, told.source) for one in read(data)), told.chain)
        for one in found.events:
            chain = one.chain_id
            check(one)
    except RecordError as error:
        if chain is None and isinstance(error, WrongDocument):
            chain = _possible(_shipment_of(*error.named)[0])
        return Read(refused=(Refused(data, error, chain),))
    return found


def _possible(chain: str | None) -> str | None:
    """The chain, if there is one and it can be one."""
    try:
        check_chain_id(chain or "")
    except RecordError:
        return None
    return chain


def _from(one: Tracked, source: str | None) -> Tracked:
    """The event, said by `source` if it names no party itself."""
    return one if source is None or one.party else replace(one, party=(source,))


def mapped(tracked: Iterable[Tracked], chain: str | None = None) -> Read:
    """Every event of a document as one of ours, or why it belongs to no chain."""
    items = list(tracked)
    known: dict[tuple[str, str | None], Bound] = {
        (source_of(one), one.event_id): bound
        for one in items
        if one.event_id is not None and one.takes_back is None
        and (bound := _bound(one, chain)) is not None
    }  # fmt: skip
    events: list[Event] = []
    noted: Counter[str] = Counter()
    body_only: Counter[str] = Counter()
    refused: list[Refused] = []
    for one in items:
        target = one.takes_back
        # it may name less than its event: what stands beside it says where that went
        bound = None if target is None else known.get((source_of(one), target))
        bound = bound or _bound(one, chain)
        if bound is None:
            refused.append(Refused(one.body, _unbound(one)))
            continue
        made = event(one, bound)
        if isinstance(made, ShipmentNoted) and made.correction_action is None:
            noted[_says(one)] += 1
        body_only.update({*one.unread, *_unsaid(one, made)})
        events.append(made)
    return Read(
        accepted=len(events), events=tuple(events), noted=noted, body_only=body_only,
        refused=tuple(refused),
    )  # fmt: skip


def _unsaid(one: Tracked, made: Event) -> Iterator[str]:
    """What was read of an event, in the words of 3.0.0, and has no field in ours."""
    if one.reason is not None and (made.correction_action or not isinstance(made, ShipmentNoted)):
        yield "changeRemark"
    if one.seal_no is not None and not isinstance(made, ShipmentSealed):
        yield "seals"
    if one.movement is not None and not isinstance(made, ShipmentLoaded):
        yield "movementType"
    if one.empty is not None and not isinstance(made, ShipmentGateIn | ShipmentGateOut):
        yield "emptyIndicator"
    if one.reading is not None and not isinstance(made, ShipmentSensor):
        yield "reeferDetails"
    if one.call is not None:
        voyages = one.call.voyage_out or one.call.voyage_in
        if one.kind != "TRANSPORT" and (voyages or not isinstance(made, ShipmentLoaded)):
            yield "transportCall"
        elif one.call.call_id is not None and one.call.vehicle_id is not None:
            yield "transportCall.transportCallReference"
    if any(document.type not in _REFERRED for document in one.documents):
        yield "documentReferences"


def source_of(one: Tracked) -> str:
    """`dcsa`, and the code of the party that says it with the list that the code is from."""
    return ":".join((SOURCE, *one.party))


def event_id_of(one: Tracked) -> str:
    """Its own id; without one, a hash of what happened, to what, where, why and when (UTC)."""
    if one.event_id is not None:
        return one.event_id
    happened = None if one.happened is None else one.happened.micros
    said = (one.kind, one.word, one.classifier, happened, one.document, one.documents,
            one.container, one.empty, one.movement, one.place, one.call, one.seal_no,
            one.reading, one.reason)  # fmt: skip
    return f"sha256:{hashlib.sha256(msgspec.json.encode(said)).hexdigest()}"


def _shipment_of(own: Document | None, others: Iterable[Document]) -> tuple[str | None, str | None]:
    """(chain, number) of the booking that is named, else of the transport document, else of the own
    document; None = neither is named. Of several numbers it is the first in the alphabet: that must
    not depend on their order.
    """
    named: dict[str, list[str]] = {}
    for document in sorted({*others, *((own,) if own else ())}):
        named.setdefault(document.type, []).append(document.reference)
    kind = next((kind for kind in _CHAINS if kind in named), own.type if own else None)
    if kind is None:
        return None, None
    return f"{_CHAINS.get(kind, kind)}:{named[kind][0]}", named[kind][0]


def _bound(one: Tracked, chain: str | None) -> Bound | None:
    """Where it belongs; None = it names no shipment, and no chain is given."""
    own = one.document
    said, consignment = _shipment_of(own, one.documents)
    refs = [f"{_CHAINS[each.type]}:{each.reference}"
            for each in sorted({*one.documents, *((own,) if own else ())})
            if each.type in _REFERRED]  # fmt: skip
    if one.container is not None:
        refs.append(f"CONTAINER:{one.container}")
    chain = said if chain is None else chain
    return None if chain is None else Bound(chain, consignment, tuple(refs))


def _unbound(one: Tracked) -> RecordError:
    names = "retractedEventID" if one.retracts else "documentReferences"
    if one.version == "3.0.0":
        names = "shipmentDetails"
    what = _says(one) if one.takes_back is None else f"takes back {one.takes_back}"
    return RecordError(
        Code.MISSING_FIELD,
        names,
        f"event {one.number} ({what}) names no booking and no transport document, a container "
        "number alone is no shipment: send it again with one, or say which chain it belongs to "
        "(--chain; from the quarantine: --key)",
    )


def _says(one: Tracked) -> str:
    """Its kind and what happened, for counting: `SHIPMENT DRAFTED SHIPPING_INSTRUCTIONS`."""
    document = () if one.document is None else (one.document.type,)
    return " ".join((one.kind or "EVENT", one.word, *document)).strip()


def event(one: Tracked, bound: Bound) -> Event:
    """The event of ours. Raises RecordError for a chain id that cannot be one."""
    check_chain_id(bound.chain_id)
    happened = one.happened or one.updated
    common: dict[str, Any] = {
        "source": source_of(one),
        "revision": one.updated.micros,
        "classifier": one.classifier,
        "event_time": happened.micros,
        "event_tz": happened.tz,
        "time_precision": happened.precision,
        "recorded_time": one.updated.micros,
        "chain_id": bound.chain_id,
        "unlocode": one.place.unlocode,
        "facility": one.place.facility,
        "lat": one.place.lat,
        "lon": one.place.lon,
        "original_media_type": BODY_3 if one.version == "3.0.0" else BODY_2,
        "original": one.body,
        **_subject(one, bound),
    }
    if one.takes_back is not None:
        return _retraction(one.takes_back, common)
    kind, fields = _meaning(one, bound, common["subject_id"])
    return kind(event_type=kind.TYPE, event_id=event_id_of(one), **{**common, **fields})


def _retraction(target: str, common: dict[str, Any]) -> Event:
    """It names its target by id, and beats every version of it up to its own revision.

    Its id has a digest of all that it is: what differs in any way, be it a field that is irrelevant
    or the page that it came in, is another retraction. No two of them can conflict, and a
    conflicting one would have no effect: what was taken back would come to life.
    """
    made = ShipmentNoted(
        event_type=ShipmentNoted.TYPE,
        event_id=f"{target}{RETRACTED}",
        **common,
        text=f"takes back {target}",
        correction_action="RETRACT",
        correction_source=common["source"],
        correction_event_id=target,
        correction_reason="DID_NOT_OCCUR",
    )
    digest = hashlib.sha256(msgspec.json.encode(made)).hexdigest()[:_DIGEST_DIGITS]
    return replace(made, event_id=made.event_id + digest)


def _subject(one: Tracked, bound: Bound) -> dict[str, Any]:
    """Containers by trip: number and booking (or B/L, or chain), never by the number alone;
    vehicles by leg; documents by consignment.
    """
    shipment = bound.consignment or f"chain {bound.chain_id}"
    link = () if bound.consignment is None else (f"CONSIGNMENT:{bound.consignment}",)
    if one.container is not None and one.kind in _OF_CONTAINERS:
        found = ("EQUIPMENT_TRIP", trip_id(one.container, shipment))
    elif one.kind == "TRANSPORT":
        found = ("LEG", f"{_leg(one)}/{shipment}")
    else:
        found, link = ("CONSIGNMENT", shipment), ()
    return {
        "subject_type": found[0],
        "subject_id": found[1],
        "refs": tuple(sorted({*bound.refs, *link})),
    }


def _leg(one: Tracked) -> str:
    """Vehicle and voyage, which departure and arrival have in common; else the call."""
    call = one.call
    if call is None or call.vehicle_id is None:
        return (call and call.call_id) or one.place.unlocode or "?"
    voyage = call.voyage_out if one.word == "DEPARTED" else call.voyage_in
    return f"{call.vehicle_id} {voyage or call.voyage_out or call.voyage_in or ''}".strip()


def _meaning(one: Tracked, bound: Bound, subject: str) -> tuple[type[Event], dict[str, Any]]:
    """(event type, payload): what stands in the table for it, or `shipment.noted`."""
    found: tuple[type[Event], dict[str, Any]] | None = None
    if one.kind == "EQUIPMENT" and one.container is not None:
        found = _equipment(one, subject)
    elif one.kind == "TRANSPORT" and one.word in ("ARRIVED", "DEPARTED"):
        vehicle = {"vehicle_id": None if one.call is None else one.call.vehicle_id}
        found = (ShipmentArrived if one.word == "ARRIVED" else ShipmentDeparted), vehicle
    elif one.kind == "SHIPMENT":
        own = one.document
        if own is not None and (own.type, one.word) == ("BOOKING", "CONFIRMED"):
            carrier = one.party[0] if one.party else SOURCE
            found = ShipmentBooked, {"booking_ref": own.reference, "carrier": carrier, "legs": ()}
    elif one.word in _DOOR and one.container is not None:
        door = {"metric": "door_open", "value": _DOOR[one.word], "unit": "1"}
        found = ShipmentSensor, {"device_id": one.container, **door}
    elif one.reading is not None and one.container is not None:
        found = ShipmentSensor, {"device_id": one.container, **one.reading._asdict()}
    if found is not None:
        return found
    said = (_says(one), one.document.reference if one.document else "", one.reason or "")
    return ShipmentNoted, {"text": ": ".join(text for text in said if text)}


def _equipment(one: Tracked, trip: str) -> tuple[type[Event], dict[str, Any]] | None:
    """None = it has no place, or lacks what its place needs."""
    empty = one.empty
    own: dict[str, Any] = {"trip_id": trip}
    match one.word:
        case "LOADED":
            vehicle = None if one.call is None else one.call.vehicle_id
            return ShipmentLoaded, {**own, "vehicle_id": vehicle, "phase": one.movement}
        case "DISCHARGED":
            return ShipmentDischarged, own
        case "GATED_IN" | "DROPPED_OFF" if empty is not None:
            return ShipmentGateIn, {**own, "empty": empty}
        case "GATED_OUT" | "PICKED_UP" if empty is not None:
            return ShipmentGateOut, {**own, "empty": empty}
        case "STUFFED":
            return ShipmentStuffed, {**own, "container_no": one.container, "children": ()}
        case "STRIPPED":
            return ShipmentStripped, {**own, "children": ()}
        case "AVAILABLE_FOR_PICKUP":
            return ShipmentAvailable, own
        case "RESEALED" if one.seal_no is not None:
            return ShipmentSealed, {**own, "seal_no": one.seal_no}
        case _:
            return None
