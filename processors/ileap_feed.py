"""Operators' footprints as facts: each transport of an iLEAP ShipmentFootprint, alone or in a PACT
product footprint, is a `shipment.footprint`; the table is in `docs/feeds.md`.

Numbers are rounded to the nine decimals of an event, the whole element stays in `original`.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Context, Decimal
from typing import Any

from supplytwin.processors import carbon_check
from supplytwin.processors.carbon_exchange import Document, extensions, kind_of, parts, read
from supplytwin.processors.carbon_parts import CONTEXT, over
from supplytwin.processors.carbon_primary import Origin, PrimaryElement, origin, primary
from supplytwin.processors.feeds import Check, Given, Read, Refused, encoded
from supplytwin.schemas import ileap, json_exact, pact
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import Event, ShipmentFootprint, ShipmentNoted
from supplytwin.schemas.findings import below
from supplytwin.schemas.ids import check_chain_id
from supplytwin.schemas.rfc3339 import Moment, moment

SOURCE = "ileap"
"""Of documents that name no company; others have its first id behind a colon."""
BODY = "application/json; ileap=1.0"
_LEG = re.compile(r"(.+)/(\d{1,9})", re.ASCII | re.DOTALL)
_EVENT_DECIMALS = Decimal("1e-9")
_PLACED = frozenset(
    ("tceId", "shipmentId", "consignmentId", "co2eWTW", "co2eTTW", "transportActivity")
)
"""Fields for which our event has one; a time has the first that is there."""
_TIMES = ("arrivalAt", "departureAt")


def document(data: bytes, given: Given | None = None, check: Check = encoded) -> Read:
    """What a file becomes. It is refused as a whole when the checker of `supplytwin carbon
    validate` finds something, or one of its elements cannot be a fact; under no chain, whose claims
    that would hold: a footprint decides about no payment.
    """
    told = given or Given()
    accepted, events = 0, list[Event]()
    noted, body_only = Counter[str](), Counter[str]()
    try:
        _whole(data)
        bodies = dict(_bodies(data))
        for one in read(data).documents:
            inner = one.inner
            if not isinstance(inner, ileap.ShipmentFootprint):
                noted[_says(one)] += 1
                accepted += 1
                continue
            for event, body in _events(one, inner, bodies[one.inner_path]["tces"], told):
                check(event)
                events.append(event)
                accepted += 1
                if isinstance(event, ShipmentNoted):
                    noted["hub operation"] += 1
                body_only.update(_without_place(body))
        if not events:
            reason = (
                "has no ShipmentFootprint, so nothing that was emitted: intensities are for "
                "`supplytwin carbon calculate --supplier`"
            )
            raise RecordError(Code.MISSING_FIELD, "$", reason)
    except RecordError as error:
        return Read(refused=(Refused(data, error),))
    return Read(accepted=accepted, events=tuple(events), noted=noted, body_only=body_only)


def _whole(data: bytes) -> None:
    """Raise RecordError for what the checker finds."""
    found = carbon_check.check(data).findings
    if found:
        first, more = found[0], f", and {len(found) - 1} more" if len(found) > 1 else ""
        code = Code.MALFORMED if first.code == "MALFORMED" else Code.BAD_VALUE
        reason = f"{first.code}: {first.line}{more}: see `supplytwin carbon validate`"
        raise RecordError(code, first.path, reason)


def _bodies(data: bytes) -> Iterator[tuple[str, Any]]:
    """(path, JSON) of each iLEAP object of a file."""
    for path, value in parts(json_exact.parsed(data)):
        if kind_of(value) in ("pact2", "pact3"):
            yield from ((where, inside) for where, _, inside in extensions(value, path))
        else:
            yield path, value


def _says(one: Document) -> str:
    return "nothing of iLEAP" if one.inner is None else type(one.inner).__name__


def _events(
    one: Document, inner: ileap.ShipmentFootprint, bodies: list[Any], given: Given
) -> Iterator[tuple[Event, Mapping[str, Any]]]:
    """(event, JSON) of each element. Raises RecordError naming the path."""
    by = origin(one, source_id=inner.shipment_id, share_percent=given.share_percent)
    recorded = _recorded(one, given)
    chain_id = given.chain or inner.shipment_id
    check_chain_id(chain_id)
    elements = primary(one, by)
    for at, (tce, element) in enumerate(zip(inner.tces, elements, strict=True)):
        path = below(below(one.inner_path, "tces"), at)
        happened = _happened(tce, path, recorded)
        consignment = tce.consignment_id or inner.shipment_id
        body = bodies[at]
        common: dict[str, Any] = {
            "event_id": f"{inner.shipment_id}/{tce.tce_id}",
            "source": _source(one, given),
            "revision": recorded.micros,
            "classifier": "ACTUAL",
            "event_time": happened.micros,
            "event_tz": happened.tz,
            "time_precision": happened.precision,
            "recorded_time": recorded.micros,
            "chain_id": chain_id,
            "subject_type": "CONSIGNMENT",
            "subject_id": consignment,
            "original_media_type": BODY,
            "original": json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
        }
        if tce.hoc_id is not None:
            text = f"hub operation {tce.tce_id}: {plain(tce.co2e_wtw)} kg CO2e WTW"
            made: Event = ShipmentNoted(event_type=ShipmentNoted.TYPE, **common, text=text)
        else:
            numbers = _stated(element, by)
            leg_no = _leg_no(tce.tce_id, consignment)
            made = ShipmentFootprint(
                event_type=ShipmentFootprint.TYPE, **common, **numbers, leg_no=leg_no
            )
        yield made, body


def _source(one: Document, given: Given) -> str:
    """`ileap`, and who states it."""
    value, who = one.value, given.source
    if isinstance(value, pact.ProductFootprint2 | pact.ProductFootprint3):
        who = value.company_ids[0]
    return SOURCE if who is None else f"{SOURCE}:{who}"


def _recorded(one: Document, given: Given) -> Moment:
    """When it was stated."""
    value = one.value
    if isinstance(value, pact.ProductFootprint2 | pact.ProductFootprint3):
        return moment(value.created)
    if given.recorded is None:
        reason = "iLEAP alone does not say when it was made: give --recorded"
        raise RecordError(Code.MISSING_FIELD, "--recorded", reason)
    return Moment(given.recorded, "+00:00", "MS")


def _happened(tce: ileap.TCE, path: str, recorded: Moment) -> Moment:
    """When it arrived, else when it left, else when that was stated."""
    for name, text in zip(_TIMES, (tce.arrival_at, tce.departure_at), strict=True):
        if text is None:
            continue
        found = moment(text)
        if found.micros > recorded.micros:
            reason = f"is after {recorded.text}, when it was stated: feed it when it has happened"
            raise RecordError(Code.BAD_VALUE, below(path, name), reason)
        return found
    return recorded


def _leg_no(tce_id: str, consignment: str) -> int | None:
    """The number of a leg of the consignment, where the element is called as we call legs."""
    found = _LEG.fullmatch(tce_id)
    return int(found[2]) if found is not None and found[1] == consignment else None


def _stated(element: PrimaryElement, by: Origin) -> dict[str, Any]:
    """The payload. The share of a document counts for each of its elements."""
    share = over(by.primary_share_percent, Decimal(100))
    assert share is not None
    return {
        "co2e_wtw_kg": _short(element.co2e_wtw_kg),
        "co2e_ttw_kg": _short(element.co2e_ttw_kg),
        "primary_share": _short(share),
        "activity_tkm": _short(element.transport_activity_tkm),
        "source_id": by.source_id,
        "spec": by.spec,
    }


def _short(value: Decimal) -> Decimal:
    """With at most the decimals that an event may have, in one spelling."""
    wide = max(CONTEXT.prec, value.adjusted() + CONTEXT.prec)
    return Decimal(plain(value.quantize(_EVENT_DECIMALS, context=Context(prec=wide))))


def _without_place(body: Mapping[str, Any]) -> Iterator[str]:
    """The fields that stand in the original alone."""
    time = next((name for name in _TIMES if body.get(name) is not None), None)
    for name, value in body.items():
        if value is not None and name not in _PLACED and name != time:
            yield name
