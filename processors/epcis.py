"""What an EPCIS event means here: facts of the supply topics, or that it took back what it said.

One event gives one fact for each thing that it says (a lot, a sensor report), at least one: what no
event type of ours can say becomes `shipment.noted`, which moves nothing. The first fact has the
whole event as its `original`, so nothing is lost. The table for people: docs/feeds.md.

An event of EPCIS never changes, so its facts have one revision for ever, its eventTime. An
errorDeclaration is a RETRACT of each of its facts, whichever comes first, and is never lifted.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from supplytwin.processors.epcis_about import (
    CONSIGNED,
    EQUIPMENT,
    KEPT,
    Payload,
    bearers_of,
    chain_of,
    consignments_of,
    epcs_of,
    known_of,
    named,
    place_of,
    things_of,
    transactions_of,
    trip_of,
)
from supplytwin.processors.epcis_sensors import readings, unsaid
from supplytwin.processors.feeds import Check, Given, Read, Refused, encoded
from supplytwin.schemas import epcis as reader
from supplytwin.schemas.epcis import EpcisEvent
from supplytwin.schemas.epcis_words import MEDIA_TYPE
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import (
    Event,
    ShipmentArrived,
    ShipmentAvailable,
    ShipmentDelivered,
    ShipmentDeparted,
    ShipmentException,
    ShipmentNoted,
    ShipmentStripped,
    ShipmentUnavailable,
    WarehouseCounted,
    WarehouseDispatched,
    WarehouseInspected,
    WarehousePacked,
    WarehousePicked,
    WarehousePutAway,
    WarehouseReceived,
)
from supplytwin.schemas.ids import SECOND_US, Micros

SOURCE = "epcis"
"""The source of facts where the feed is given no other."""
_REF = {"po": "PO", "desadv": "ASN", "bol": "BL", "inv": "INVOICE"}
_CONSIGNMENT = "CONSIGNMENT:"
_REASONS = {"did_not_occur": "DID_NOT_OCCUR", "incorrect_data": "INCORRECT_DATA"}
_GONE = frozenset(("destroyed", "stolen"))
"""What is so was neither received nor delivered, whatever the step is called."""
_HARM = {"damaged": "DAMAGED", "destroyed": "DAMAGED", "stolen": "LOST"}
_LEFT_OUT = "errorDeclaration that leaves content of its event out"
_SAID = KEPT | frozenset(
    ("action", "bizStep", "disposition", "epcList", "quantityList", "childEPCs", "parentID",
     "childQuantityList", "readPoint", "bizLocation", "bizTransactionList", "sensorElementList")
)  # fmt: skip


class Mapped(Struct, frozen=True, kw_only=True):
    """What one EPCIS event became."""

    facts: tuple[Event, ...]
    unmapped: str | None
    """Why no event type of ours says it; None = one does."""
    body_only: tuple[str, ...]
    """Fields that stand in the first fact's `original` alone."""


# ---- what it says, by business step


def _dispositions(fields: Mapping[str, Any]) -> set[str]:
    """Of the event, and those that it sets for good."""
    lasting = fields.get("persistentDisposition", {}).get("set", ())
    return {*lasting, *((fields["disposition"],) if "disposition" in fields else ())}


def _received(fields: Mapping[str, Any]) -> Iterator[Payload]:
    if _dispositions(fields) & _GONE:
        return
    advices = transactions_of(fields, "desadv")
    advice = advices[0] if len(advices) == 1 else None
    condition = named(fields["disposition"]) if "disposition" in fields else None
    for thing in things_of(fields):
        if thing.qty is not None:
            said = {"sku": thing.sku, "qty": thing.qty, "uom": thing.uom, "asn": advice}
            own = {"lot_id": thing.lot_id, "condition": condition}
            yield WarehouseReceived, "LOT", thing.lot_id, {**said, **own}
    meant = fields.get("destinationList", ())
    places = {named(one["destination"]) for one in meant if one["type"] == "location"}
    at = {named(fields[name]["id"]) for name in ("bizLocation", "readPoint") if name in fields}
    owners = [named(one["destination"]) for one in meant if one["type"] == "owning_party"]
    for consignment in consignments_of(fields) if places & at else ():
        receiver = next(iter((*owners, *sorted(places & at))))
        said = {"consignment_id": consignment, "receiver": receiver, "condition": condition}
        yield ShipmentDelivered, "CONSIGNMENT", consignment, said


def _stored(fields: Mapping[str, Any]) -> Iterator[Payload]:
    place = place_of(fields)
    for thing in things_of(fields) if place is not None else ():
        yield WarehousePutAway, "LOT", thing.lot_id, {"lot_id": thing.lot_id, "bin": place}


def _picked(fields: Mapping[str, Any]) -> Iterator[Payload]:
    for thing in things_of(fields):
        if thing.qty is not None:
            said = {"lot_id": thing.lot_id, "qty": thing.qty}
            yield WarehousePicked, "LOT", thing.lot_id, said


def _counted(fields: Mapping[str, Any]) -> Iterator[Payload]:
    for thing in things_of(fields):
        if thing.qty is not None:
            said = {"lot_id": thing.lot_id, "counted": thing.qty}
            yield WarehouseCounted, "LOT", thing.lot_id, said


def _inspected(fields: Mapping[str, Any]) -> Iterator[Payload]:
    found = _dispositions(fields)
    if "non_conformant" in found:
        result = "FAIL"
    elif "conformant" in found:
        result = "PASS"
    else:
        return
    for thing in things_of(fields):
        said = {"lot_id": thing.lot_id, "result": result}
        yield WarehouseInspected, "LOT", thing.lot_id, said


def _packed(fields: Mapping[str, Any]) -> Iterator[Payload]:
    if fields["type"] == "AggregationEvent" and "parentID" in fields:
        parent = named(fields["parentID"])
        classes = [named(one["epcClass"]) for one in fields.get("childQuantityList", ())]
        children = (*epcs_of(fields), *classes)
        yield WarehousePacked, "HANDLING_UNIT", parent, {"hu_id": parent, "children": children}


def _unpacked(fields: Mapping[str, Any]) -> Iterator[Payload]:
    parent = named(fields.get("parentID", ""))
    if fields["type"] == "AggregationEvent" and parent.startswith(EQUIPMENT):
        trip = trip_of(parent, fields)
        said = {"trip_id": trip, "children": tuple(epcs_of(fields))}
        yield ShipmentStripped, "EQUIPMENT_TRIP", trip, said


def _dispatched(fields: Mapping[str, Any]) -> Iterator[Payload]:
    """The lots count once, on the first consignment: which of them is in which is not said."""
    lots = [thing for thing in things_of(fields) if thing.qty is not None]
    units = tuple(epc for epc in epcs_of(fields) if not epc.startswith(CONSIGNED))
    for at, consignment in enumerate(consignments_of(fields)):
        said: dict[str, Any] = {"hu_ids": units, "consignment_id": consignment}
        for thing in lots if at == 0 else ():
            own = {"lot_id": thing.lot_id, "qty": thing.qty}
            yield WarehouseDispatched, "LOT", thing.lot_id, {**said, **own}
        if at or not lots:
            yield WarehouseDispatched, "CONSIGNMENT", consignment, said


def _moved(kind: type[Event]) -> Callable[[Mapping[str, Any]], Iterator[Payload]]:
    def said(fields: Mapping[str, Any]) -> Iterator[Payload]:
        for consignment in consignments_of(fields):
            yield kind, "CONSIGNMENT", consignment, {}

    return said


_STEPS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Payload]]] = {
    "receiving": _received, "storing": _stored, "stocking": _stored, "picking": _picked,
    "cycle_counting": _counted, "stock_taking": _counted, "inspecting": _inspected,
    "packing": _packed, "shipping": _dispatched, "departing": _moved(ShipmentDeparted),
    "arriving": _moved(ShipmentArrived),
}  # fmt: skip
"""What a step says when its action is not DELETE."""
_UNDONE: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Payload]]] = {"unpacking": _unpacked}
"""What a step says when its action is DELETE."""


def _conditions(fields: Mapping[str, Any]) -> Iterator[Payload]:
    harm = {_HARM[one]: one for one in sorted(_dispositions(fields)) if one in _HARM}
    for code, disposition in harm.items():
        for kind, one in bearers_of(fields):
            said = {"exception_code": code, "text": f"disposition {disposition}"}
            yield ShipmentException, kind, one, said
    now = fields.get("disposition")
    if now in ("available", "unavailable"):
        made = ShipmentAvailable if now == "available" else ShipmentUnavailable
        for epc in epcs_of(fields):
            if epc.startswith(EQUIPMENT):
                trip = trip_of(epc, fields)
                yield made, "EQUIPMENT_TRIP", trip, {"trip_id": trip}


# ---- facts


def document(data: bytes, given: Given | None = None, check: Check = encoded) -> Read:
    """What a document becomes: each of its events is taken or refused by itself."""
    told = given or Given()
    found = reader.read(data)
    refused = [
        _refused(one.body, RecordError(one.code, one.field, one.reason), one.fields, told)
        for one in found.refused
    ]
    accepted = 0
    facts: list[Event] = []
    noted, body_only = Counter[str](), Counter[str]()
    for event in found.events:
        made = mapped(event, source=told.source or SOURCE, chain=told.chain)
        try:
            for fact in made.facts:
                check(fact)
        except RecordError as error:
            wrong = RecordError(error.code, event.place or error.field, error.reason)
            refused.append(_refused(event.original, wrong, event.fields, told))
            continue
        accepted += 1
        facts += made.facts
        body_only.update(made.body_only)
        if made.unmapped is not None:
            noted[made.unmapped] += 1
    noted.update(_standing(facts))
    return Read(
        accepted=accepted,
        events=tuple(facts),
        noted=noted,
        body_only=body_only,
        refused=tuple(refused),
    )


def _refused(body: bytes, error: RecordError, fields: Mapping[str, Any], given: Given) -> Refused:
    return Refused(body, error, given.chain or chain_of(fields, "") or None)


def mapped(event: EpcisEvent, *, source: str = SOURCE, chain: str | None = None) -> Mapped:
    """The facts of an event, for `source`, on `chain` or the one that it names itself."""
    fields = known_of(event)
    step = fields.get("bizStep", "")
    steps = _UNDONE if fields.get("action") == "DELETE" else _STEPS
    payloads = [*(steps[step](fields) if step in steps else ()),
                *_conditions(fields), *readings(fields)]  # fmt: skip
    unmapped = None
    if not payloads:
        about = f"{fields.get('action', '')} {step}".strip() or "without a business step"
        unmapped = f"{event.fields['type']} {about}"[:200]
        kind, one = bearers_of(fields)[0]
        payloads = [(ShipmentNoted, kind, one, {"text": unmapped})]
    return Mapped(
        facts=tuple(_facts(event, payloads, source, chain or chain_of(fields, event.event_id))),
        unmapped=unmapped if event.declared is None or unmapped is None else _no_effect(unmapped),
        body_only=tuple(dict.fromkeys(_unsaid(event, noted=unmapped is not None))),
    )


def _no_effect(unmapped: str) -> str:
    return f"errorDeclaration that names no effect to take back: {unmapped}"


def _unsaid(event: EpcisEvent, *, noted: bool) -> Iterator[str]:
    """Names of what stands in the original alone; of a noted event nothing is said elsewhere."""
    fields = known_of(event)
    said = KEPT if noted else _SAID
    yield from (name for name in event.fields if name not in said)
    if noted:
        return
    yield from unsaid(fields)
    consignments = consignments_of(fields)
    if len(consignments) > 1 and things_of(fields):  # which of them is of which is not said
        yield "epcList" if consignments[0].startswith(CONSIGNED) else "bizTransactionList"


def _standing(facts: Iterable[Event]) -> Counter[str]:
    """What an error declaration of the same document does not take back of its event, because it
    leaves the words for it out: by type.
    """
    every = list(facts)
    aims = {one.correction_event_id or "" for one in every}
    wrong = {aim.rpartition("#")[0] for aim in aims if aim}
    left = {
        (one.event_id, one.event_type)
        for one in every
        if one.correction_action is None
        and one.event_id.rpartition("#")[0] in wrong
        and one.event_id not in aims
    }
    return Counter(f"{_LEFT_OUT}: {kind} stands" for _, kind in left)


def _facts(
    event: EpcisEvent, payloads: Iterable[Payload], source: str, chain: str
) -> Iterator[Event]:
    error = event.fields.get("errorDeclaration")
    declared = hashlib.sha256(event.original).hexdigest()[:16]
    common = _envelope(event, source, chain)
    numbers: dict[str, int] = {}
    for at, (kind, subject_type, subject_id, payload) in enumerate(payloads):
        number = numbers.get(kind.TYPE, 0)
        numbers[kind.TYPE] = number + 1
        name = f"{event.event_id}#{kind.TYPE}{f':{number}' if number else ''}"
        correction: dict[str, Any] = {"event_id": name}
        if error is not None:
            correction = {
                # what differs in any way is another retraction: no two of them can conflict
                "event_id": f"error:{declared}:{name}",
                "correction_action": "RETRACT",
                "correction_source": source,
                "correction_event_id": name,
                "correction_reason": _REASONS.get(error.get("reason", "")),
            }
        body: dict[str, Any] = (
            {"original_media_type": MEDIA_TYPE, "original": event.original} if at == 0 else {}
        )
        own = {**common, **_timed(event, payload, common), **correction, **body, **payload}
        if subject_type == "CONSIGNMENT":
            own["refs"] = _of_consignment(subject_id, common["refs"])
        yield kind(
            **own, event_type=kind.TYPE, subject_type=subject_type, subject_id=subject_id,
        )  # fmt: skip


def _of_consignment(consignment: str, refs: Iterable[str]) -> tuple[str, ...]:
    """What one consignment goes through is not told of another of the same event."""
    own = f"{_CONSIGNMENT}{consignment}"
    return tuple(ref for ref in refs if ref == own or not ref.startswith(_CONSIGNMENT))


def _timed(
    event: EpcisEvent, payload: Mapping[str, Any], common: Mapping[str, Any]
) -> dict[str, Any]:
    """Precision and record time of a fact that has a time of its own."""
    at = payload.get("event_time", event.event_time)
    recorded = common["recorded_time"]
    return {
        "time_precision": "MS" if at % SECOND_US else "S",
        "recorded_time": max(recorded, at) if event.record_time is None else recorded,
    }


def _envelope(event: EpcisEvent, source: str, chain: str) -> dict[str, Any]:
    fields = known_of(event)
    refs = {
        f"{_REF[one['type']]}:{named(one['bizTransaction'])}"
        for one in fields.get("bizTransactionList", ())
        if one.get("type") in _REF
    }
    refs |= {_CONSIGNMENT + one for one in consignments_of(fields)}
    happened, declared = event.event_time, event.declared
    recorded = max(event.record_time or happened, declared or happened)
    return {
        "source": source,
        "revision": happened if declared is None else Micros(max(happened, declared)),
        "classifier": "ACTUAL",
        "event_time": happened,
        "event_tz": fields["eventTimeZoneOffset"],
        "recorded_time": recorded,
        "chain_id": chain,
        "refs": tuple(sorted(refs)),
        "facility": place_of(fields),
    }
