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
    bearer_of,
    chain_of,
    consignment_of,
    epcs_of,
    known_of,
    named,
    place_of,
    things_of,
    transactions_of,
    trip_of,
)
from supplytwin.processors.feeds import Given, Read, Refused, encoded
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
    ShipmentSensor,
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
_REASONS = {"did_not_occur": "DID_NOT_OCCUR", "incorrect_data": "INCORRECT_DATA"}
_HARM = {"damaged": "DAMAGED", "destroyed": "DAMAGED", "stolen": "LOST"}
_SAID = KEPT | frozenset(
    ("action", "bizStep", "disposition", "epcList", "quantityList", "childEPCs", "parentID",
     "childQuantityList", "readPoint", "bizLocation", "bizTransactionList", "sensorElementList")
)  # fmt: skip

Payload = tuple[type[Event], str, str, dict[str, Any]]
"""(event type, subject type, subject id, payload)"""


class Mapped(Struct, frozen=True, kw_only=True):
    """What one EPCIS event became."""

    facts: tuple[Event, ...]
    unmapped: str | None
    """Why no event type of ours says it; None = one does."""
    body_only: tuple[str, ...]
    """Fields that stand in the first fact's `original` alone."""


# ---- what it says, by business step


def _received(fields: Mapping[str, Any]) -> Iterator[Payload]:
    advice = next(iter(transactions_of(fields, "desadv")), None)
    for thing in things_of(fields):
        if thing.qty is not None:
            said = {"sku": thing.sku, "qty": thing.qty, "uom": thing.uom, "asn": advice}
            yield WarehouseReceived, "LOT", thing.lot_id, {"lot_id": thing.lot_id, **said}
    consignment = consignment_of(fields)
    meant = fields.get("destinationList", ())
    places = {named(one["destination"]) for one in meant if one["type"] == "location"}
    at = {named(fields[name]["id"]) for name in ("bizLocation", "readPoint") if name in fields}
    if consignment is not None and places & at:
        owners = [named(one["destination"]) for one in meant if one["type"] == "owning_party"]
        receiver = next(iter((*owners, *sorted(places & at))))
        said = {"consignment_id": consignment, "receiver": receiver}
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
    lasting = fields.get("persistentDisposition", {}).get("set", ())
    found = {fields.get("disposition"), *lasting}
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
    consignment = consignment_of(fields)
    if consignment is None:
        return
    units = tuple(epc for epc in epcs_of(fields) if not epc.startswith(CONSIGNED))
    said: dict[str, Any] = {"hu_ids": units, "consignment_id": consignment}
    lots = [thing for thing in things_of(fields) if thing.qty is not None]
    for thing in lots:
        own = {"lot_id": thing.lot_id, "qty": thing.qty}
        yield WarehouseDispatched, "LOT", thing.lot_id, {**said, **own}
    if not lots:
        yield WarehouseDispatched, "CONSIGNMENT", consignment, said


def _moved(kind: type[Event]) -> Callable[[Mapping[str, Any]], Iterator[Payload]]:
    def said(fields: Mapping[str, Any]) -> Iterator[Payload]:
        consignment = consignment_of(fields)
        if consignment is not None:
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
    disposition = fields.get("disposition")
    if disposition in _HARM:
        kind, one = bearer_of(fields)
        said = {"exception_code": _HARM[disposition], "text": f"disposition {disposition}"}
        yield ShipmentException, kind, one, said
    if disposition in ("available", "unavailable"):
        made = ShipmentAvailable if disposition == "available" else ShipmentUnavailable
        for epc in epcs_of(fields):
            if epc.startswith(EQUIPMENT):
                trip = trip_of(epc, fields)
                yield made, "EQUIPMENT_TRIP", trip, {"trip_id": trip}


_VALUES = {"value": "", "minValue": ".min", "maxValue": ".max", "meanValue": ".mean"}


def _measured(fields: Mapping[str, Any]) -> Iterator[Payload]:
    """Each number of each report; an alarm without a number is the number 1."""
    for element in fields.get("sensorElementList", ()):
        meta = element.get("sensorMetadata", {})
        for report in element["sensorReport"]:
            device = report.get("deviceID") or meta.get("deviceID") or place_of(fields) or "unknown"
            metric, alert = named(report.get("type", "unknown")), report.get("exception")
            found = [(end, report[name]) for name, end in _VALUES.items() if name in report]
            if not found and (alert is not None or "booleanValue" in report):
                found = [("", report.get("booleanValue", True))]
            for end, value in found:
                kind, one = bearer_of(fields)
                yield ShipmentSensor, kind, one, {
                    "device_id": named(device),
                    "metric": metric + end,
                    "value": float(value),
                    "unit": report.get("uom") or "1",
                    "alert": None if alert is None else named(alert),
                }  # fmt: skip


# ---- facts


def document(data: bytes, given: Given | None = None) -> Read:
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
                encoded(fact)
        except RecordError as error:
            wrong = RecordError(error.code, event.place or error.field, error.reason)
            refused.append(_refused(event.original, wrong, event.fields, told))
            continue
        accepted += 1
        facts += made.facts
        body_only.update(made.body_only)
        if made.unmapped is not None:
            noted[made.unmapped] += 1
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
                *_conditions(fields), *_measured(fields)]  # fmt: skip
    unmapped = None
    if not payloads:
        about = f"{fields.get('action', '')} {step}".strip() or "without a business step"
        unmapped = f"{event.fields['type']} {about}"[:200]
        kind, one = bearer_of(fields)
        payloads = [(ShipmentNoted, kind, one, {"text": unmapped})]
    said = KEPT if unmapped else _SAID
    return Mapped(
        facts=tuple(_facts(event, payloads, source, chain or chain_of(fields, event.event_id))),
        unmapped=unmapped,
        body_only=tuple(name for name in event.fields if name not in said),
    )


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
        yield kind(
            **common, **correction, **body, **payload,
            event_type=kind.TYPE, subject_type=subject_type, subject_id=subject_id,
        )  # fmt: skip


def _envelope(event: EpcisEvent, source: str, chain: str) -> dict[str, Any]:
    fields = known_of(event)
    refs = {
        f"{_REF[one['type']]}:{named(one['bizTransaction'])}"
        for one in fields.get("bizTransactionList", ())
        if one.get("type") in _REF
    }
    consignment = consignment_of(fields)
    if consignment is not None:
        refs.add(f"CONSIGNMENT:{consignment}")
    happened, declared = event.event_time, event.declared
    recorded = max(event.record_time or happened, declared or happened)
    return {
        "source": source,
        "revision": happened if declared is None else Micros(max(happened, declared)),
        "classifier": "ACTUAL",
        "event_time": happened,
        "event_tz": fields["eventTimeZoneOffset"],
        "time_precision": "MS" if happened % SECOND_US else "S",
        "recorded_time": recorded,
        "chain_id": chain,
        "refs": tuple(sorted(refs)),
        "facility": place_of(fields),
    }
