"""Events of the four supply topics: the envelope, and one Struct per event type.

A Struct's own fields are its payload: those without a default are required, the others allowed,
and any further payload field of the topic is foreign to it. Amounts and quantities are decimals
exactly as their source wrote them (Avro strings); identifiers are the source's own. References
that make an event reach another subject stand in `refs` as ``TYPE:value`` with a subject type,
e.g. ``CONSIGNMENT:ASN-8`` (see `schemas.lifecycles.EFFECTS`).
"""

import datetime as dt
from decimal import Decimal
from typing import ClassVar

from msgspec import Struct

from supplytwin.schemas.ids import Micros

ORDERS, CUSTOMS = "supply.orders", "supply.customs"
SHIPMENTS, WAREHOUSE = "supply.shipments", "supply.warehouse"
SUPPLY_TOPICS = (ORDERS, CUSTOMS, SHIPMENTS, WAREHOUSE)

CLASSIFIERS = frozenset(("PLANNED", "ESTIMATED", "ACTUAL"))
PRECISIONS = frozenset(("MS", "S", "MIN", "DAY"))
CORRECTIONS = frozenset(("RETRACT", "SUPERSEDE"))
SUBJECT_TYPES = frozenset(
    (
        "ORDER",
        "ORDER_LINE",
        "DECLARATION",
        "CONSIGNMENT",
        "LEG",
        "EQUIPMENT_TRIP",
        "LOT",
        "HANDLING_UNIT",
        "WAREHOUSE_RECEIPT",
    )
)
INCOTERMS = frozenset(
    ("EXW", "FCA", "CPT", "CIP", "DAP", "DPU", "DDP", "FAS", "FOB", "CFR", "CIF", "DAT", "DDU")
)
"""Incoterms 2020 and the two retired ones that real feeds still carry."""
MODES = frozenset(("SEA", "AIR", "ROAD", "RAIL", "BARGE"))

VALUES: dict[str, frozenset[str]] = {
    "classifier": CLASSIFIERS,
    "time_precision": PRECISIONS,
    "correction_action": CORRECTIONS,
    "subject_type": SUBJECT_TYPES,
    "incoterm": INCOTERMS,
    "mode": MODES,
    "field": frozenset(("QTY", "PRICE", "DATE", "CURRENCY", "STORAGE")),
    "scope": frozenset(("GOODS", "PAYMENT")),
    "regime": frozenset(("IMPORT", "EXPORT", "TRANSIT")),
    "inspection_kind": frozenset(("DOC", "SCAN", "PHYSICAL", "QUARANTINE")),
    "result": frozenset(("PASS", "FAIL", "PARTIAL")),
    "basis": frozenset(("PAYMENT", "BOND")),
    "release_kind": frozenset(("FULL", "BOND", "PROVISIONAL")),
    "exception_code": frozenset(("ROLLED", "DAMAGED", "LOST", "DELAY", "REROUTED")),
    "action": frozenset(("ISSUE", "PLEDGE", "UNPLEDGE", "TRANSFER", "CANCEL")),
    "correction_reason": frozenset(("DID_NOT_OCCUR", "INCORRECT_DATA")),
}
"""Closed vocabularies by field name: strings on the wire, checked on decode."""


class OrderLine(Struct, frozen=True, kw_only=True, gc=False):
    line_id: str
    sku: str
    qty: Decimal
    uom: str
    unit_price: Decimal
    hs6: str | None = None


class DeclarationLine(Struct, frozen=True, kw_only=True, gc=False):
    line_no: int
    value: Decimal
    currency: str
    hs6: str | None = None
    origin: str | None = None
    net_mass_kg: Decimal | None = None


class Event(Struct, frozen=True, kw_only=True, gc=False):
    """The envelope. Identity is (source, event_id); for one identity the highest revision wins."""

    TYPE: ClassVar[str] = ""
    TOPIC: ClassVar[str] = ""

    event_id: str
    source: str
    revision: Micros
    event_type: str
    classifier: str
    event_time: Micros
    event_tz: str
    """`±hh:mm`, an IANA zone name, or `unknown` (read as UTC and flagged)."""
    time_precision: str
    """MS | S | MIN | DAY: a DAY event compares by its local date."""
    recorded_time: Micros
    chain_id: str
    subject_type: str
    subject_id: str
    refs: tuple[str, ...] = ()
    unlocode: str | None = None
    facility: str | None = None
    lat: float | None = None
    lon: float | None = None
    correction_action: str | None = None
    correction_source: str | None = None
    correction_event_id: str | None = None
    correction_reason: str | None = None
    evidence: tuple[str, ...] = ()
    """``kind;sha256;uri``"""
    original_media_type: str | None = None
    original: bytes | None = None


# ---- supply.orders


class OrderPlaced(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.placed", ORDERS
    order_id: str
    buyer: str
    seller: str
    currency: str
    order_lines: tuple[OrderLine, ...]
    incoterm: str | None = None
    """Null where the source has none: goods from its own stock."""
    incoterm_place: str | None = None
    requested_date: dt.date | None = None


class OrderConfirmed(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.confirmed", ORDERS
    order_id: str
    line_ids: tuple[str, ...]
    confirmed_qty: Decimal
    promised_date: dt.date


class OrderLineChanged(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.line_changed", ORDERS
    line_id: str
    field: str
    old: str
    new: str


class OrderHeld(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.held", ORDERS
    line_id: str
    hold_code: str
    scope: str


class OrderUnheld(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.unheld", ORDERS
    line_id: str
    hold_code: str
    scope: str


class OrderCancelled(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.cancelled", ORDERS
    line_ids: tuple[str, ...]
    reason: str


class OrderReinstated(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.reinstated", ORDERS
    line_ids: tuple[str, ...]
    reason: str


class OrderGoodsReady(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.goods_ready", ORDERS
    line_id: str
    qty: Decimal


class OrderInvoiced(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.invoiced", ORDERS
    invoice_id: str
    amount: Decimal
    currency: str
    due_date: dt.date


class OrderInvoiceReversed(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.invoice_reversed", ORDERS
    invoice_id: str
    amount: Decimal
    currency: str
    due_date: dt.date | None = None


class OrderAccepted(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.accepted", ORDERS
    line_ids: tuple[str, ...]
    accepted_qty: Decimal
    rejected_qty: Decimal


class OrderClosed(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "order.closed", ORDERS
    order_id: str


# ---- supply.customs


class CustomsDeclared(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.declared", CUSTOMS
    declaration_id: str
    regime: str
    office: str
    declarant: str
    transport_doc: str | None = None
    declaration_lines: tuple[DeclarationLine, ...]


class CustomsAccepted(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.accepted", CUSTOMS
    mrn: str
    accepted_time: Micros


class CustomsRejected(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.rejected", CUSTOMS
    reason_code: str


class CustomsInspectionOrdered(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.inspection_ordered", CUSTOMS
    inspection_kind: str


class CustomsInspectionCompleted(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.inspection_completed", CUSTOMS
    result: str


class CustomsHoldPlaced(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.hold_placed", CUSTOMS
    hold_id: str
    authority: str


class CustomsHoldRemoved(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.hold_removed", CUSTOMS
    hold_id: str
    authority: str


class CustomsDutyAssessed(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.duty_assessed", CUSTOMS
    amount: Decimal
    currency: str
    basis: str


class CustomsDutyPaid(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.duty_paid", CUSTOMS
    amount: Decimal
    currency: str
    basis: str


class CustomsReleased(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.released", CUSTOMS
    release_kind: str
    qty: Decimal | None = None


class CustomsCleared(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.cleared", CUSTOMS
    entry_id: str


class CustomsReleaseRevoked(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.release_revoked", CUSTOMS
    reason: str
    qty: Decimal | None = None


class CustomsCancelled(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "customs.cancelled", CUSTOMS
    reason: str


# ---- supply.shipments


class ShipmentBooked(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.booked", SHIPMENTS
    booking_ref: str
    carrier: str
    legs: tuple[str, ...]
    """``leg_no;mode;from;to``, and where the carrier says how far that is ``;km;basis``: GCD, SFD
    (shortest feasible) or ACTUAL."""
    limits: tuple[str, ...] = ()
    """``metric;unit;lower;upper``: the agreed range of a metric; an empty bound is none."""


class ShipmentStuffed(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.stuffed", SHIPMENTS
    trip_id: str
    container_no: str
    children: tuple[str, ...]
    gross_kg: Decimal | None = None


class ShipmentSealed(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.sealed", SHIPMENTS
    trip_id: str
    seal_no: str
    old_seal: str | None = None


class ShipmentGateIn(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.gate_in", SHIPMENTS
    trip_id: str
    empty: bool


class ShipmentGateOut(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.gate_out", SHIPMENTS
    trip_id: str
    empty: bool


class ShipmentLoaded(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.loaded", SHIPMENTS
    leg_no: int | None = None
    vehicle_id: str | None = None
    trip_id: str | None = None
    consignment_id: str | None = None
    phase: str | None = None


class ShipmentDeparted(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.departed", SHIPMENTS
    leg_no: int | None = None
    vehicle_id: str | None = None


class ShipmentArrived(Event, frozen=True, kw_only=True, gc=False):
    """With classifier ESTIMATED this is the ETA, with PLANNED the schedule."""

    TYPE, TOPIC = "shipment.arrived", SHIPMENTS
    leg_no: int | None = None
    vehicle_id: str | None = None


class ShipmentDischarged(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.discharged", SHIPMENTS
    trip_id: str
    leg_no: int | None = None


class ShipmentAvailable(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.available", SHIPMENTS
    trip_id: str
    hold_codes: tuple[str, ...] = ()


class ShipmentUnavailable(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.unavailable", SHIPMENTS
    trip_id: str
    hold_codes: tuple[str, ...] = ()


class ShipmentDelivered(Event, frozen=True, kw_only=True, gc=False):
    """Proof of delivery. The transport facts that the carrier knows ride along: how, from
    where, how heavy.
    """

    TYPE, TOPIC = "shipment.delivered", SHIPMENTS
    consignment_id: str
    receiver: str
    pieces: int | None = None
    condition: str | None = None
    mode: str | None = None
    mode_detail: str | None = None
    """The source's own word for the mode, e.g. Air Charter."""
    from_place: str | None = None
    to_place: str | None = None
    mass_kg: Decimal | None = None
    mass_included_in: str | None = None
    """The line whose mass_kg already includes this one's."""


class ShipmentStripped(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.stripped", SHIPMENTS
    trip_id: str
    children: tuple[str, ...]


class ShipmentEmptyReturned(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.empty_returned", SHIPMENTS
    trip_id: str


class ShipmentSensor(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.sensor", SHIPMENTS
    device_id: str
    metric: str
    value: float
    unit: str
    alert: str | None = None
    lower: float | None = None
    """Outside = below it, in `unit`, from this reading to the next."""
    upper: float | None = None
    """The same above."""


class ShipmentException(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "shipment.exception", SHIPMENTS
    exception_code: str
    text: str


class ShipmentNoted(Event, frozen=True, kw_only=True, gc=False):
    """What a source says and our model has no place for: kept, counted, without effect. As a
    correction it takes back what it names.
    """

    TYPE, TOPIC = "shipment.noted", SHIPMENTS
    text: str


class ShipmentEnergy(Event, frozen=True, kw_only=True, gc=False):
    """Primary fuel or electricity data of a leg."""

    TYPE, TOPIC = "shipment.energy", SHIPMENTS
    energy_carrier: str
    energy_qty: Decimal
    energy_unit: str
    leg_no: int | None = None
    vehicle_id: str | None = None


class ShipmentFootprint(Event, frozen=True, kw_only=True, gc=False):
    """What the operator of a leg states that it emitted for the consignment, kg CO2e."""

    TYPE, TOPIC = "shipment.footprint", SHIPMENTS
    co2e_wtw_kg: Decimal
    primary_share: Decimal
    """From 0 to 1: how much of the stated footprint rests on primary data, by emissions."""
    source_id: str
    """The document that states it."""
    spec: str
    """What that is written in, e.g. iLEAP 1.0 in PACT 3.0.3."""
    co2e_ttw_kg: Decimal | None = None
    activity_tkm: Decimal | None = None
    leg_no: int | None = None
    vehicle_id: str | None = None


Measurement = ShipmentEnergy | ShipmentFootprint
"""What was measured of a leg, or is stated of it by its operator."""

# ---- supply.warehouse


class WarehouseReceived(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.received", WAREHOUSE
    lot_id: str
    sku: str
    qty: Decimal
    uom: str
    asn: str | None = None
    line_id: str | None = None
    condition: str | None = None


class WarehouseReceiptReversed(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.receipt_reversed", WAREHOUSE
    lot_id: str
    qty: Decimal
    reason: str


class WarehouseInspected(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.inspected", WAREHOUSE
    lot_id: str
    result: str
    sample: int | None = None


class WarehousePutAway(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.put_away", WAREHOUSE
    lot_id: str
    bin: str


class WarehouseAdjusted(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.adjusted", WAREHOUSE
    lot_id: str
    delta: Decimal


class WarehouseCounted(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.counted", WAREHOUSE
    lot_id: str
    counted: Decimal


class WarehouseReserved(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.reserved", WAREHOUSE
    lot_id: str
    qty: Decimal
    order_line: str


class WarehouseUnreserved(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.unreserved", WAREHOUSE
    lot_id: str
    qty: Decimal
    order_line: str


class WarehousePicked(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.picked", WAREHOUSE
    lot_id: str
    qty: Decimal


class WarehousePacked(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.packed", WAREHOUSE
    hu_id: str
    children: tuple[str, ...]


class WarehouseDispatched(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.dispatched", WAREHOUSE
    hu_ids: tuple[str, ...]
    consignment_id: str
    lot_id: str | None = None
    qty: Decimal | None = None


class WarehouseReceipt(Event, frozen=True, kw_only=True, gc=False):
    TYPE, TOPIC = "wh.warehouse_receipt", WAREHOUSE
    wr_id: str
    action: str
    holder: str
    qty: Decimal


EVENT_TYPES: dict[str, type[Event]] = {cls.TYPE: cls for cls in Event.__subclasses__()}
"""Every event type by its name on the wire."""

ENVELOPE: tuple[str, ...] = Event.__struct_fields__


def payload_fields(event_type: type[Event]) -> tuple[str, ...]:
    """The event type's own fields, in the order of their declaration."""
    return tuple(name for name in event_type.__struct_fields__ if name not in ENVELOPE)
