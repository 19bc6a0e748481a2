"""Which of two facts of one (floored) time comes first: lifecycle rank, then source priority."""

_RANKED = (
    "order.placed", "order.confirmed", "order.line_changed", "order.held", "order.unheld",
    "order.cancelled", "order.reinstated", "order.goods_ready", "shipment.booked",
    "shipment.stuffed", "shipment.sealed", "shipment.gate_in", "shipment.loaded",
    "shipment.departed", "shipment.energy", "shipment.footprint", "shipment.sensor",
    "shipment.exception", "shipment.arrived", "shipment.discharged", "customs.declared",
    "customs.accepted", "customs.rejected", "customs.inspection_ordered",
    "customs.inspection_completed", "customs.duty_assessed", "customs.duty_paid",
    "customs.hold_placed", "customs.hold_removed",
    "customs.released", "customs.cleared", "customs.release_revoked", "customs.cancelled",
    "shipment.available", "shipment.unavailable", "shipment.gate_out", "shipment.delivered",
    "shipment.stripped", "shipment.empty_returned", "wh.received", "wh.receipt_reversed",
    "wh.inspected", "wh.put_away", "wh.adjusted", "wh.counted", "wh.reserved", "wh.unreserved",
    "wh.picked", "wh.packed", "wh.warehouse_receipt", "wh.dispatched", "order.accepted",
    "order.invoiced", "order.invoice_reversed", "order.closed", "shipment.noted",
)  # fmt: skip

RANK: dict[str, int] = {event_type: rank for rank, event_type in enumerate(_RANKED)}
"""Lifecycle rank: which of two events of one (floored) time comes first."""

_SOURCE_PRIORITY = {"terminal": 0, "aggregator": 2, "manual": 3, "simulated": 4}


def source_priority(source: str) -> int:
    """Which of two sources is read first at one time and rank, by the kind before the colon."""
    return _SOURCE_PRIORITY.get(source.partition(":")[0], 1)
