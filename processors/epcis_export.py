"""A chain's facts as an EPCIS 2.0 document that the published JSON schema accepts.

What came as EPCIS goes out as it came, in one spelling: read again it gives the same facts. Facts
of other sources become the event that says most of them (the table of `processors.epcis`,
backwards), with all of their fields in an extension for people. EPCIS knows only what has
happened: plans and estimates are left out, and counted. Of each identity the latest revision goes
out; what a correction takes back has an errorDeclaration.
"""

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from supplytwin.processors.epcis_about import EACH
from supplytwin.processors.facts import FactSet, Identity, target_of
from supplytwin.processors.feeds import Exported
from supplytwin.schemas.epcis import PREFIXED_DISPOSITION
from supplytwin.schemas.epcis_check import NAME_CHARS
from supplytwin.schemas.epcis_words import (
    ALERT,
    CONTEXT,
    MEASUREMENT,
    MEDIA_TYPE,
    NO_TYPE,
    OWN,
    is_uri,
    number_text,
    time_text,
)
from supplytwin.schemas.events import Event
from supplytwin.schemas.gs1 import canonical
from supplytwin.schemas.localtime import zone
from supplytwin.schemas.units import code_of

PREFIX, NAMESPACE = "supplytwin", f"{OWN}ns:"
_LASTING = frozenset(("ObjectEvent", "TransformationEvent"))
"""Event types for which the published schema has persistentDisposition under its bare name."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NONE = dt.timedelta(0)
_FLOAT_MIN = 1e-300
_MINUTE_US = 60_000_000
_OFFSET_MAX_MIN = 14 * 60
_encode = msgspec.json.Encoder(decimal_format="number").encode

Written = dict[str, Any]


def exported(facts: FactSet) -> Exported:
    """The document of a chain's facts, with every version of each."""
    return export(
        one for slot in facts.every() for version in slot.versions for one in version.contents
    )


def export(facts: Iterable[Event]) -> Exported:
    """The document of these facts (those of one chain), whatever their order. Its creationDate is
    the latest record time among them: the same facts give the same bytes.
    """
    latest: dict[Identity, Event] = {}
    originals: set[bytes] = set()
    carrying: set[tuple[str, str]] = set()
    for fact in facts:
        if fact.original_media_type == MEDIA_TYPE and fact.original is not None:
            originals.add(fact.original)
            carrying.add(_event_of(fact))
        identity = Identity(fact.source, fact.event_id)
        known = latest.get(identity)
        if known is None or _rank(fact) > _rank(known):
            latest[identity] = fact
    left_out = Counter[str]()
    units = _units(latest.values())
    own = {one: fact for one, fact in latest.items() if _event_of(fact) not in carrying}
    found = [(_key(one), one) for one in map(_as_schema_wants, sorted(originals))]
    for identity, fact in own.items():
        if fact.classifier != "ACTUAL":
            left_out[f"{fact.classifier.lower()}: EPCIS says only what has happened"] += 1
            continue
        written = _corrected(identity, fact, own, left_out)
        found += [(_key(one), one) for one in (_in_units(one, units, left_out) for one in written)]
    found.sort(key=lambda pair: pair[0])
    recorded = max((fact.recorded_time for fact in latest.values()), default=0)
    document = {
        "@context": [CONTEXT, {PREFIX: NAMESPACE}],
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": time_text(recorded),
        "epcisBody": {"eventList": [one for _, one in found]},
    }
    return Exported(document=_encode(document), events=len(found), left_out=left_out)


def _units(facts: Iterable[Any]) -> Mapping[str, str | None]:
    """Lot -> the unit in which it was received; None = it was in several."""
    found: dict[str, str | None] = {}
    for fact in facts:
        if fact.event_type == "wh.received":
            lot = uri_of("lot", fact.lot_id)
            found[lot] = fact.uom if found.get(lot, fact.uom) == fact.uom else None
    return found


def _in_units(written: Written, units: Mapping[str, str | None], left_out: Counter[str]) -> Written:
    """With codes of UN/ECE Rec 20, of the lot's own unit where the fact has none. A quantity whose
    unit has no code is left out: without one it would be so many pieces.
    """
    quantities = []
    for one in written.get("quantityList", ()):
        unit = one.get("uom") if "uom" in one else units.get(one["epcClass"], EACH)
        code = None if unit is None else code_of(unit)
        if "quantity" not in one:
            quantities.append({"epcClass": one["epcClass"]})
        elif code is not None:
            quantities.append(one if code == EACH and "uom" not in one else {**one, "uom": code})
        else:
            quantities.append({"epcClass": one["epcClass"]})
            left_out["a quantity in several units, or in one without a code of UN/ECE Rec 20"] += 1
    return {**written, "quantityList": quantities} if quantities else written


def _rank(fact: Event) -> tuple[int, str]:
    return fact.revision, repr(fact)  # two of one revision: the same one, whatever came first


def _event_of(fact: Event) -> tuple[str, str]:
    """(source, EPCIS event) that a fact may be part of: the first one has the original."""
    event_id, _, part = fact.event_id.rpartition("#")
    ours = part.partition(":")[0] == fact.event_type
    return fact.source, event_id if ours else fact.event_id


def _key(written: Written) -> tuple[str, str, bytes]:
    return written["eventTime"], written["eventID"], _encode(written)


def _as_schema_wants(original: bytes) -> Written:
    """An original, where the published schema is narrower than the standard in its words."""
    found: Written = json.loads(original, parse_float=Decimal, parse_int=Decimal)
    if found["type"] not in _LASTING and "persistentDisposition" in found:
        found[PREFIXED_DISPOSITION] = found.pop("persistentDisposition")
    for element in found.get("sensorElementList", ()) if ":" not in found["type"] else ():
        for report in element["sensorReport"]:
            report.setdefault("type", NO_TYPE)
    return found


# ---- facts that did not come as EPCIS


def uri_of(kind: str, name: str) -> str:
    """`name` if it is a URI in its one spelling, else one of ours that reads as `name` again."""
    whole = is_uri(name) and canonical(name) == name and not name.startswith(OWN)
    found = name if whole else f"{OWN}{kind}:{quote(name, safe='')}"
    if len(found) <= NAME_CHARS:
        return found
    return f"{OWN}{kind}:sha256-{hashlib.sha256(name.encode()).hexdigest()}"


def _corrected(
    identity: Identity, fact: Event, own: Mapping[Identity, Event], left_out: Counter[str]
) -> list[Written]:
    """The event of a fact; of a correction the declaration that its target was an error."""
    target = target_of(fact)
    if fact.correction_action == "RETRACT" and target is None:
        return []
    plain = [] if fact.correction_action == "RETRACT" else [_written(identity, fact)]
    if target is None:
        return plain
    wrong = own.get(target)
    if wrong is None or target.source != fact.source:
        left_out["a correction of what this chain does not have"] += 1
        return plain
    declaration: Written = {"declarationTime": time_text(fact.revision)}
    if fact.correction_reason is not None:
        declaration["reason"] = fact.correction_reason.lower()
    if plain:
        declaration["correctiveEventIDs"] = [plain[0]["eventID"]]
    return [{**_written(target, wrong), "errorDeclaration": declaration}, *plain]


def _written(identity: Identity, fact: Event) -> Written:
    kind, said = _SAID.get(fact.event_type, _observed)(fact)
    transactions = [{"type": "po", "bizTransaction": uri_of("po", fact.chain_id)}]
    for ref in fact.refs:
        name, _, value = ref.partition(":")
        if name in _TRANSACTIONS:
            other = {"type": _TRANSACTIONS[name], "bizTransaction": uri_of(name.lower(), value)}
            transactions += [] if other in transactions else [other]
    found: Written = {
        "type": kind,
        "eventID": uri_of("event", f"{identity.source}/{identity.event_id}"),
        "eventTime": time_text(fact.event_time),
        "eventTimeZoneOffset": _offset(fact),
        "recordTime": time_text(fact.recorded_time),
        "bizTransactionList": [*said.pop("bizTransactionList", ()), *transactions],
        **({"readPoint": {"id": uri_of("place", fact.facility)}} if fact.facility else {}),
        **said,
        f"{PREFIX}:fact": _plain(fact),
    }
    unique = {_encode(one): one for one in found["bizTransactionList"]}
    found["bizTransactionList"] = list(unique.values())
    return found


_TRANSACTIONS = {"CONSIGNMENT": "desadv", "INVOICE": "inv", "BL": "bol"}


def _plain(fact: Event) -> Written:
    """All that a fact says, for people: what is not empty, decimals as texts."""
    fields = msgspec.to_builtins(fact)
    return {
        f"{PREFIX}:{name}": str(one) if isinstance(one, float) and not _writable(one) else one
        for name, one in fields.items()
        if one not in (None, [])
    }


def _writable(value: float) -> bool:
    """Whether it is a number in JSON, and one that our own reader takes."""
    return value == 0 or _FLOAT_MIN <= abs(value) <= 1 / _FLOAT_MIN


def _offset(fact: Event) -> str:
    """The zone as EPCIS has it: an offset of at most 14 h; +00:00 where it is unknown."""
    rules = zone(fact.event_tz)
    if isinstance(rules, int):
        minutes = rules // _MINUTE_US
    else:
        moment = _EPOCH + dt.timedelta(microseconds=fact.event_time)
        minutes = (moment.astimezone(rules).utcoffset() or _NONE) // dt.timedelta(minutes=1)
    minutes = max(1 - _OFFSET_MAX_MIN, min(minutes, _OFFSET_MAX_MIN))
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}"


# ---- what a fact says in the words of EPCIS


Said = tuple[str, Written]
"""(event type, fields)"""


def _quantity(lot: str, qty: Decimal | None, uom: str | None = None) -> Written:
    found: Written = {"epcClass": uri_of("lot", lot)}
    if qty is not None:
        found["quantity"] = Decimal(number_text(qty))
    if uom is not None:
        found["uom"] = uom
    return found


_RESULTS: Mapping[str, Written] = {
    "PASS": {"disposition": "conformant"},
    "FAIL": {"disposition": "non_conformant"},
}


def _stock(step: str) -> Callable[[Any], Said]:
    """An event about a quantity of one lot."""

    def said(fact: Any) -> Said:
        qty = getattr(fact, "qty", None)
        qty = getattr(fact, "counted", None) if qty is None else qty
        lot = _quantity(fact.lot_id, qty, getattr(fact, "uom", None))
        found: Written = {"action": "OBSERVE", "bizStep": step, "quantityList": [lot]}
        if getattr(fact, "asn", None) is not None:
            found["bizTransactionList"] = [_advice(fact.asn)]
        if getattr(fact, "bin", None) is not None:
            found["bizLocation"] = {"id": uri_of("place", fact.bin)}
        result = getattr(fact, "result", None)
        if result is not None:
            found |= _RESULTS.get(result, {})
        return "ObjectEvent", found

    return said


def _advice(consignment: str) -> Written:
    return {"type": "desadv", "bizTransaction": uri_of("consignment", consignment)}


def _packed(fact: Any) -> Said:
    children = sorted({uri_of("hu", child) for child in fact.children})
    found = {"action": "ADD", "bizStep": "packing", "parentID": uri_of("hu", fact.hu_id)}
    return ("AggregationEvent", {**found, "childEPCs": children}) if children else _observed(fact)


def _dispatched(fact: Any) -> Said:
    found: Written = {
        "action": "OBSERVE",
        "bizStep": "shipping",
        "disposition": "in_transit",
        "epcList": sorted({uri_of("hu", unit) for unit in fact.hu_ids}),
        "bizTransactionList": [_advice(fact.consignment_id)],
    }
    if fact.lot_id is not None and fact.qty is not None:
        found["quantityList"] = [_quantity(fact.lot_id, fact.qty)]
    return "ObjectEvent", found


def _moved(step: str) -> Callable[[Any], Said]:
    def said(fact: Any) -> Said:
        if fact.subject_type != "CONSIGNMENT":
            return _observed(fact)
        found: Written = {"action": "OBSERVE", "bizStep": step, "epcList": []}
        return "ObjectEvent", {**found, "bizTransactionList": [_advice(fact.subject_id)]}

    return said


def _delivered(fact: Any) -> Said:
    place = uri_of("place", fact.facility or fact.to_place or fact.receiver)
    found: Written = {
        "action": "OBSERVE",
        "bizStep": "receiving",
        "epcList": [],
        "bizLocation": {"id": place},
        "destinationList": [
            {"type": "location", "destination": place},
            {"type": "owning_party", "destination": uri_of("party", fact.receiver)},
        ],
        "bizTransactionList": [_advice(fact.consignment_id)],
    }
    return "ObjectEvent", found


def _sensed(fact: Any) -> Said:
    known = fact.metric in MEASUREMENT.words
    report: Written = {"type": fact.metric if known else uri_of("metric", fact.metric)}
    if fact.alert is not None:
        known = fact.alert in ALERT.words
        report["exception"] = fact.alert if known else uri_of("alert", fact.alert)
    number = {"value": fact.value} if _writable(fact.value) else {"stringValue": str(fact.value)}
    report |= {**number, "uom": fact.unit}
    meta = {"deviceID": uri_of("device", fact.device_id)}
    found = {"sensorElementList": [{"sensorMetadata": meta, "sensorReport": [report]}]}
    return "ObjectEvent", {**_observed(fact)[1], **found}


def _observed(fact: Any) -> Said:
    """What EPCIS has no word of its own for: that it was seen."""
    subject = uri_of(fact.subject_type.lower(), fact.subject_id)
    return "ObjectEvent", {"action": "OBSERVE", "epcList": [subject]}


_SAID: Mapping[str, Callable[[Any], Said]] = {
    "wh.received": _stock("receiving"),
    "wh.put_away": _stock("storing"),
    "wh.picked": _stock("picking"),
    "wh.counted": _stock("cycle_counting"),
    "wh.inspected": _stock("inspecting"),
    "wh.packed": _packed,
    "wh.dispatched": _dispatched,
    "shipment.departed": _moved("departing"),
    "shipment.arrived": _moved("arriving"),
    "shipment.delivered": _delivered,
    "shipment.sensor": _sensed,
}
