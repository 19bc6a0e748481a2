"""The SCMS deliveries as a timeline of messages: one chain and one contract for each PO/SO number.

Sources say where each event is from: `scms` = the file; `inferred:scms` = an order date that the
file does not have, taken from the earliest other date of the order: no lead time rests on it;
`simulated:…` = the complement (customs, warehouse, contract), which the file does not have at all.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Context, Decimal
from itertools import groupby
from typing import Any

from supplytwin.processors.agreement import agreement
from supplytwin.schemas.events import (
    CustomsAccepted,
    CustomsDeclared,
    CustomsDutyAssessed,
    CustomsDutyPaid,
    CustomsReleased,
    DeclarationLine,
    Event,
    OrderLine,
    OrderPlaced,
    ShipmentArrived,
    ShipmentDelivered,
    WarehouseReceived,
)
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, Micros
from supplytwin.schemas.money import to_minor
from supplytwin.schemas.scms import Row, by_order
from supplytwin.schemas.terms import ClaimLine, ClaimTerms, Party

SOURCE, INFERRED = "scms", "inferred:scms"
CUSTOMS, WMS = "simulated:customs", "simulated:wms"
CURRENCY = "USD"
MODES = {"Air": "AIR", "Air Charter": "AIR", "Ocean": "SEA", "Truck": "ROAD"}
DEADLINE_D, GRACE_D, FUNDING_D, LONG_STOP_D = 30, 30, 28, 180
STATUS_SLA_US = 14 * DAY_US
_DUTY, _CENT, _MONEY = Decimal("0.05"), Decimal("0.01"), Context(prec=34)
_MINUTE_US = 60 * SECOND_US
_EPOCH = dt.date(1970, 1, 1)
# Within a day of recording: the order before the goods, customs before delivery before receipt.
_CONTRACT_AT, _ORDER_AT, _CUSTOMS_AT = 6 * HOUR_US, 7 * HOUR_US, 9 * HOUR_US
_DELIVERED_AT, _RECEIVED_AT = 12 * HOUR_US, 13 * HOUR_US


def midnight(day: dt.date) -> int:
    """00:00 UTC of a date, us."""
    return (day - _EPOCH).days * DAY_US


def timeline(rows: Sequence[Row]) -> list[Message]:
    """All messages in the order of their arrival, each with whole ms.

    The same rows give the same messages. What comes on one day comes in the order contract, order,
    customs, delivery, receipt.
    """
    messages = [
        message for order, lines in by_order(rows) for message in _order_messages(order, lines)
    ]
    messages.sort(key=lambda message: message.arrival)
    return messages


def order_date(lines: Sequence[Row]) -> tuple[dt.date, bool]:
    """(date of the order, whether it had to be inferred) from the rows of one order."""
    known = [line.ordered for line in lines if line.ordered is not None]
    if known:
        return min(known), False
    return min(date for one in lines for date in (one.scheduled, one.delivered, one.recorded)), True


def _order_messages(order: str, lines: Sequence[Row]) -> Iterator[Message]:
    ordered, inferred = order_date(lines)
    yield _contract(order, lines, ordered)
    for line in lines:
        yield _placed(line, ordered, inferred)
        yield _scheduled(line, ordered)
    ranked = sorted(lines, key=lambda line: line.consignment)
    for consignment, members in groupby(ranked, key=lambda line: line.consignment):
        own = list(members)
        yield from _cleared(consignment, own)
        for line in own:
            yield _delivered(line)
            yield _received(line)


def _message(
    kind: type[Event], line: Row, arrival: int, happened: dt.date, **fields: Any
) -> Message:
    """One event of DAY precision; `fields` override the envelope of an order line's event."""
    values: dict[str, Any] = {
        "event_id": f"{kind.TYPE}:{line.row_id}",
        "source": SOURCE,
        "revision": Micros(arrival),
        "event_type": kind.TYPE,
        "classifier": "ACTUAL",
        "event_time": Micros(midnight(happened)),
        "event_tz": "+00:00",
        "time_precision": "DAY",
        "recorded_time": Micros(arrival),
        "chain_id": line.order,
        "subject_type": "ORDER_LINE",
        "subject_id": line.row_id,
        "refs": (f"CONSIGNMENT:{line.consignment}", f"PO:{line.order}"),
    }
    event = kind(**{**values, **fields})
    return Message(topic=kind.TOPIC, key=line.order, arrival=arrival, body=event)


def _placed(line: Row, ordered: dt.date, inferred: bool) -> Message:
    day = line.ordered or ordered
    item = OrderLine(
        line_id=line.row_id,
        sku=line.item,
        qty=line.quantity,
        uom="PACK",
        unit_price=line.pack_price,
    )
    return _message(
        OrderPlaced,
        line,
        midnight(ordered) + _ORDER_AT,
        day,
        source=INFERRED if inferred else SOURCE,
        order_id=line.order,
        buyer=line.country,
        seller=line.vendor,
        currency=CURRENCY,
        order_lines=(item,),
        incoterm=line.incoterm,
    )


def _scheduled(line: Row, ordered: dt.date) -> Message:
    """The schedule comes with the order."""
    arrival = midnight(ordered) + _ORDER_AT + _MINUTE_US
    return _message(ShipmentArrived, line, arrival, line.scheduled, classifier="PLANNED")


def _delivered(line: Row) -> Message:
    return _message(
        ShipmentDelivered,
        line,
        midnight(line.recorded) + _DELIVERED_AT,
        line.delivered,
        consignment_id=line.consignment,
        receiver=line.country,
        mode=None if line.mode is None else MODES[line.mode],
        mode_detail=line.mode,
        from_place=line.site,
        to_place=line.country,
        mass_kg=line.mass_kg,
        mass_included_in=line.mass_with,
    )


def store_of(country: str) -> str:
    """The buyer's warehouse in the complement."""
    return f"simulated:central-store:{country}"


def _received(line: Row) -> Message:
    return _message(
        WarehouseReceived,
        line,
        midnight(line.recorded) + _RECEIVED_AT,
        line.delivered,
        source=WMS,
        subject_type="LOT",
        subject_id=line.row_id,
        refs=(f"CONSIGNMENT:{line.consignment}", f"ORDER_LINE:{line.row_id}"),
        facility=store_of(line.country),
        lot_id=line.row_id,
        sku=line.item,
        qty=line.quantity,
        uom="PACK",
        asn=line.consignment,
        line_id=line.row_id,
    )


def _cleared(consignment: str, lines: Sequence[Row]) -> Iterator[Message]:
    """The simulated path of one consignment through customs, on the day of its delivery."""
    first = min(lines, key=lambda line: (line.recorded, line.delivered))
    declaration = f"simulated:{consignment}"
    value = sum((line.value for line in lines), Decimal(0))
    amount = _MONEY.multiply(value, _DUTY).quantize(_CENT, context=_MONEY)
    duty = {"amount": amount, "currency": CURRENCY, "basis": "PAYMENT"}
    declared = tuple(
        DeclarationLine(line_no=number, value=line.value, currency=CURRENCY)
        for number, line in enumerate(lines, start=1)
    )
    steps: tuple[tuple[type[Event], dict[str, Any]], ...] = (
        (
            CustomsDeclared,
            {
                "declaration_id": declaration,
                "regime": "IMPORT",
                "office": f"simulated:{first.country}",
                "declarant": "simulated:broker",
                "transport_doc": consignment,
                "declaration_lines": declared,
            },
        ),
        (CustomsAccepted, {"mrn": declaration, "accepted_time": Micros(midnight(first.delivered))}),
        (CustomsDutyAssessed, duty),
        (CustomsDutyPaid, duty),
        (CustomsReleased, {"release_kind": "FULL"}),
    )
    for number, (kind, fields) in enumerate(steps):
        yield _message(
            kind,
            first,
            midnight(first.recorded) + _CUSTOMS_AT + number * _MINUTE_US,
            first.delivered,
            event_id=f"{kind.TYPE}:{consignment}",
            source=CUSTOMS,
            subject_type="DECLARATION",
            subject_id=declaration,
            refs=(f"CONSIGNMENT:{consignment}",),
            **fields,
        )


def _contract(order: str, lines: Sequence[Row], ordered: dt.date) -> Message:
    """The simulated contract of an order: a claim for each consignment.

    It comes with the order; of the few orders that are dated after their goods, with the goods.
    """
    first = min(ordered, *(line.recorded for line in lines))
    agreed = midnight(first) + _CONTRACT_AT
    ranked = sorted(lines, key=lambda line: line.consignment)
    claims = tuple(
        _claim(consignment, list(members))
        for consignment, members in groupby(ranked, key=lambda line: line.consignment)
    )
    country, vendor = lines[0].country, lines[0].vendor
    return agreement(
        order,
        agreed,
        buyer=Party(org_id=f"buyer:{country}", name=country, account=f"simulated:{country}"),
        seller=Party(org_id=f"seller:{vendor}", name=vendor, account=f"simulated:{vendor}"),
        currency=CURRENCY,
        claims=claims,
        warehouses=(store_of(line.country) for line in lines),
        funding_us=FUNDING_D * DAY_US,
        long_stop=max(c.deadline + c.grace_us for c in claims) + LONG_STOP_D * DAY_US,
        status_sla_us=STATUS_SLA_US,
    )


def _claim(consignment: str, lines: Sequence[Row]) -> ClaimTerms:
    amount = sum((line.value for line in lines), Decimal(0))
    latest = max(line.scheduled for line in lines) + dt.timedelta(days=DEADLINE_D + 1)
    return ClaimTerms(
        claim_id=consignment,
        tranche_id="T1",
        consignment_id=consignment,
        lines=tuple(ClaimLine(line_id=line.row_id, qty=line.quantity) for line in lines),
        amount_minor=to_minor(amount, CURRENCY),
        deadline=Micros(midnight(latest) - 1),
        grace_us=GRACE_D * DAY_US,
    )
