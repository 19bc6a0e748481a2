"""What each event type does, as data: machine, transition, and which subject or ref it reaches.

An event reaches its own subject and every subject that its `refs` name as ``TYPE:value``. On each
of them it has the effect that stands here for that subject type, if any; a ref without an effect
only links. An event moves its machine forward along the path, and states that it skips are marked
inferred; backward go only the reversals, which name the states that they leave. Everything else is
an exception and changes nothing. Source: DESIGN §5.
"""

from typing import Literal

from msgspec import Struct

from supplytwin.schemas.events import Event
from supplytwin.schemas.machines import CONSIGNMENT, DECLARATION, LEG, LINE, LOT, TITLE, TRIP

NONE = ""
"""In `Effect.leaves`: the subject has no state yet."""


Kind = Literal[
    "ORDER", "CHANGE", "DELIVER", "RECEIVE", "REVERSE", "ADJUST", "COUNT", "RESERVE", "UNRESERVE",
    "DISPATCH", "HOLD", "UNHOLD", "INVOICE", "UNINVOICE", "ASSESS", "PAY", "REVOKE", "RELEASE",
    "CANCEL",
    "REINSTATE", "ALERT",
]  # fmt: skip
"""What an effect does besides moving the state: one function each in `processors.lifecycle`."""


class Effect(Struct, frozen=True, kw_only=True):
    """What an event type does to one subject type."""

    machine: str
    reaches: Literal["subject", "ref", "either"] = "either"
    to: str | None = None
    """The state it leads to; None = the state stays."""
    leaves: tuple[str, ...] = ()
    """The only states from which it leads there; () = every state before `to` on the path."""
    repeats: bool = False
    """Allowed again in the state it leads to (partial deliveries, second confirmations)."""
    always: bool = False
    """Allowed in every state, terminal ones too: what it does is beside the lifecycle."""
    reverses: bool = False
    """Takes something back: within one local date it comes after that, whatever the order."""
    adverse: bool = False
    """Contrary evidence: counts even while it is ahead of the clock."""
    kind: Kind | None = None
    milestone: str | None = None
    undoes: tuple[str, ...] = ()
    when: tuple[str, frozenset[object]] | None = None
    """Only when this payload field has one of these values."""


def _is(field: str, *values: object) -> tuple[str, frozenset[object]]:
    return field, frozenset(values)


_EMPTY = {state: _is("empty", state) for state in (True, False)}

_ORDERS: dict[str, tuple[Effect, ...]] = {
    "order.placed": (Effect(machine=LINE, to="PLACED", kind="ORDER", milestone="ORDER_PLACED"),),
    "order.confirmed": (
        Effect(machine=LINE, to="CONFIRMED", repeats=True, milestone="ORDER_CONFIRMED"),
    ),
    "order.line_changed": (Effect(machine=LINE, kind="CHANGE"),),
    "order.held": (Effect(machine=LINE, kind="HOLD", always=True, adverse=True),),
    "order.unheld": (Effect(machine=LINE, kind="UNHOLD", always=True, reverses=True),),
    "order.cancelled": (
        Effect(
            machine=LINE,
            to="CANCELLED",
            leaves=(NONE, "PLACED", "CONFIRMED", "READY"),
            kind="CANCEL",
            milestone="CANCELLED",
            adverse=True,
        ),
    ),
    "order.reinstated": (
        Effect(
            machine=LINE,
            to="PLACED",
            leaves=("CANCELLED",),
            kind="REINSTATE",
            undoes=("CANCELLED",),
            reverses=True,
        ),
    ),
    "order.goods_ready": (Effect(machine=LINE, to="READY", repeats=True, milestone="GOODS_READY"),),
    "order.invoiced": (Effect(machine=LINE, kind="INVOICE", milestone="INVOICED"),),
    "order.invoice_reversed": (Effect(machine=LINE, kind="UNINVOICE", reverses=True),),
    "order.accepted": (Effect(machine=LINE, to="ACCEPTED", repeats=True, milestone="ACCEPTED"),),
    "order.closed": (Effect(machine=LINE, to="CLOSED", milestone="CLOSED"),),
}

_CUSTOMS: dict[str, tuple[Effect, ...]] = {
    "customs.declared": (Effect(machine=DECLARATION, to="FILED", milestone="CUSTOMS_FILED"),),
    "customs.accepted": (Effect(machine=DECLARATION, to="ACCEPTED", milestone="CUSTOMS_ACCEPTED"),),
    "customs.rejected": (
        Effect(
            machine=DECLARATION,
            to="REJECTED",
            leaves=(NONE, "FILED"),
            kind="REVOKE",
            adverse=True,
        ),
    ),
    "customs.inspection_ordered": (
        Effect(machine=DECLARATION, to="SELECTED", milestone="CUSTOMS_SELECTED"),
    ),
    "customs.inspection_completed": (
        Effect(machine=DECLARATION, to="EXAMINED", milestone="CUSTOMS_EXAMINED"),
    ),
    "customs.hold_placed": (Effect(machine=DECLARATION, kind="HOLD", always=True, adverse=True),),
    "customs.hold_removed": (
        Effect(machine=DECLARATION, kind="UNHOLD", always=True, reverses=True),
    ),
    "customs.duty_assessed": (
        Effect(machine=DECLARATION, kind="ASSESS", always=True, adverse=True, milestone="DUTY_DUE"),
    ),
    "customs.duty_paid": (Effect(machine=DECLARATION, kind="PAY", always=True),),
    "customs.released": (
        Effect(
            machine=DECLARATION, to="RELEASED", kind="RELEASE", milestone="CUSTOMS_RELEASED"
        ),
    ),
    "customs.cleared": (
        Effect(machine=DECLARATION, to="CLEARED", kind="RELEASE", milestone="CUSTOMS_CLEARED"),
    ),
    "customs.release_revoked": (
        Effect(
            machine=DECLARATION,
            to="REVOKED",
            leaves=("RELEASED",),
            kind="REVOKE",
            undoes=("CUSTOMS_RELEASED",),
            reverses=True,
            adverse=True,
        ),
    ),
    "customs.cancelled": (
        Effect(
            machine=DECLARATION,
            to="CANCELLED",
            leaves=(
                NONE, "FILED", "ACCEPTED", "SELECTED", "EXAMINED", "RELEASED", "REJECTED",
                "REVOKED",
            ),
            kind="REVOKE",
            milestone="CANCELLED",
            adverse=True,
        ),
    ),
}  # fmt: skip


def _carried(
    milestone: str | None, *, line: str | None, leg: str | None = None, trip: str | None = None
) -> tuple[Effect, ...]:
    """A transport event: moves a line, a leg and a trip; a milestone of the consignment itself."""
    effects = [Effect(machine=CONSIGNMENT, reaches="subject", milestone=milestone)]
    if line is not None:
        effects.append(Effect(machine=LINE, to=line, repeats=True, milestone=milestone))
    if leg is not None:
        effects.append(Effect(machine=LEG, to=leg, milestone=milestone))
    if trip is not None:
        effects.append(Effect(machine=TRIP, to=trip, milestone=milestone))
    return tuple(effects)


_TRANSHIPPED = Effect(
    machine=TRIP,
    to="ON_BOARD",
    leaves=(NONE, "EMPTY_OUT", "STUFFED", "GATED_IN", "DISCHARGED"),
    milestone="ON_BOARD",
)
_ALERTED = tuple(
    Effect(machine=name, reaches="subject", kind="ALERT", always=True, adverse=True)
    for name in (LINE, LOT, CONSIGNMENT, LEG, TRIP)
)

_SHIPMENTS: dict[str, tuple[Effect, ...]] = {
    "shipment.booked": (
        Effect(machine=CONSIGNMENT, reaches="subject", milestone="BOOKED"),
        Effect(machine=LINE, milestone="BOOKED"),
        Effect(machine=LEG, to="PLANNED", repeats=True, milestone="BOOKED"),
    ),
    "shipment.stuffed": (
        Effect(machine=TRIP, to="STUFFED", milestone="STUFFED"),
        Effect(machine=LINE, milestone="STUFFED"),
    ),
    "shipment.sealed": (Effect(machine=TRIP),),
    "shipment.gate_in": (
        Effect(machine=TRIP, to="GATED_IN", milestone="GATED_IN", when=_EMPTY[False]),
        Effect(machine=TRIP, to="EMPTY_RETURNED", milestone="TRIP_CLOSED", when=_EMPTY[True]),
    ),
    "shipment.gate_out": (
        Effect(machine=TRIP, to="GATED_OUT", milestone="GATED_OUT", when=_EMPTY[False]),
        Effect(machine=TRIP, to="EMPTY_OUT", milestone="GATED_OUT", when=_EMPTY[True]),
    ),
    "shipment.loaded": (*_carried("ON_BOARD", line="SHIPPED", leg="LOADING"), _TRANSHIPPED),
    "shipment.departed": _carried("DEPARTED", line="SHIPPED", leg="DEPARTED"),
    "shipment.arrived": _carried("ARRIVED", line="SHIPPED", leg="ARRIVED"),
    "shipment.discharged": _carried("DISCHARGED", line=None, leg="DISCHARGED", trip="DISCHARGED"),
    "shipment.available": (Effect(machine=TRIP, to="AVAILABLE", milestone="AVAILABLE"),),
    "shipment.unavailable": (
        Effect(
            machine=TRIP,
            to="UNAVAILABLE",
            leaves=("DISCHARGED", "AVAILABLE"),
            undoes=("AVAILABLE",),
            reverses=True,
        ),
    ),
    "shipment.delivered": (
        Effect(machine=LINE, to="DELIVERED", repeats=True, kind="DELIVER", milestone="DELIVERED"),
        Effect(machine=CONSIGNMENT, reaches="subject", kind="DELIVER", milestone="DELIVERED"),
        Effect(machine=LEG, to="CLOSED", milestone="DELIVERED"),
    ),
    "shipment.stripped": (Effect(machine=TRIP, to="STRIPPED", milestone="UNPACKED"),),
    "shipment.empty_returned": (
        Effect(machine=TRIP, to="EMPTY_RETURNED", milestone="TRIP_CLOSED"),
    ),
    "shipment.sensor": _ALERTED,
    "shipment.exception": _ALERTED,
    "shipment.observed": (),
    "shipment.energy": (Effect(machine=LEG), Effect(machine=CONSIGNMENT, reaches="subject")),
}

_WAREHOUSE: dict[str, tuple[Effect, ...]] = {
    "wh.received": (
        Effect(machine=LOT, to="RECEIVED", repeats=True, kind="RECEIVE", milestone="RECEIVED_WH"),
        Effect(machine=LINE, to="RECEIVED", repeats=True, kind="RECEIVE", milestone="RECEIVED_WH"),
    ),
    "wh.receipt_reversed": (
        Effect(
            machine=LOT,
            to="EXPECTED",
            leaves=("RECEIVED",),
            kind="REVERSE",
            undoes=("RECEIVED_WH",),
            reverses=True,
            adverse=True,
        ),
        Effect(
            machine=LINE,
            to="SHIPPED",
            leaves=("RECEIVED",),
            kind="REVERSE",
            undoes=("RECEIVED_WH",),
            reverses=True,
            adverse=True,
        ),
    ),
    "wh.inspected": (
        Effect(
            machine=LOT,
            to="AVAILABLE",
            repeats=True,
            milestone="QC_PASSED",
            when=_is("result", "PASS"),
        ),
        Effect(
            machine=LOT,
            to="QC_HOLD",
            repeats=True,
            milestone="QC_HOLD",
            adverse=True,
            when=_is("result", "FAIL", "PARTIAL"),
        ),
    ),
    "wh.put_away": (Effect(machine=LOT, to="AVAILABLE", repeats=True, milestone="STOCKED"),),
    "wh.adjusted": (Effect(machine=LOT, kind="ADJUST"),),
    "wh.counted": (Effect(machine=LOT, kind="COUNT"),),
    "wh.reserved": (
        Effect(machine=LOT, to="RESERVED", repeats=True, kind="RESERVE", milestone="RESERVED"),
    ),
    "wh.unreserved": (
        Effect(
            machine=LOT,
            to="AVAILABLE",
            leaves=("RESERVED",),
            kind="UNRESERVE",
            undoes=("RESERVED",),
            reverses=True,
        ),
    ),
    "wh.picked": (Effect(machine=LOT, to="PICKED", repeats=True, milestone="PICKED"),),
    "wh.packed": (Effect(machine=LOT, milestone="PACKED"),),
    "wh.dispatched": (
        Effect(machine=LOT, to="DISPATCHED", repeats=True, kind="DISPATCH", milestone="DISPATCHED"),
        Effect(machine=LINE, to="SHIPPED", repeats=True, milestone="DISPATCHED"),
    ),
    "wh.warehouse_receipt": (
        Effect(machine=TITLE, to="ISSUED", when=_is("action", "ISSUE")),
        Effect(machine=TITLE, to="PLEDGED", when=_is("action", "PLEDGE")),
        Effect(
            machine=TITLE,
            to="ISSUED",
            leaves=("PLEDGED",),
            reverses=True,
            when=_is("action", "UNPLEDGE"),
        ),
        Effect(machine=TITLE, to="TRANSFERRED", repeats=True, when=_is("action", "TRANSFER")),
        Effect(
            machine=TITLE,
            to="CANCELLED",
            leaves=(NONE, "ISSUED", "TRANSFERRED"),
            when=_is("action", "CANCEL"),
        ),
    ),
}

EFFECTS: dict[str, tuple[Effect, ...]] = {**_ORDERS, **_CUSTOMS, **_SHIPMENTS, **_WAREHOUSE}
"""Event type -> its effects, at most one per machine once `when` is looked at."""

_RANKED = (
    "order.placed", "order.confirmed", "order.line_changed", "order.held", "order.unheld",
    "order.cancelled", "order.reinstated", "order.goods_ready", "shipment.booked",
    "shipment.stuffed", "shipment.sealed", "shipment.gate_in", "shipment.loaded",
    "shipment.departed", "shipment.energy", "shipment.sensor", "shipment.exception",
    "shipment.arrived", "shipment.discharged", "customs.declared", "customs.accepted",
    "customs.rejected", "customs.inspection_ordered", "customs.inspection_completed",
    "customs.duty_assessed", "customs.duty_paid", "customs.hold_placed", "customs.hold_removed",
    "customs.released", "customs.cleared", "customs.release_revoked", "customs.cancelled",
    "shipment.available", "shipment.unavailable", "shipment.gate_out", "shipment.delivered",
    "shipment.stripped", "shipment.empty_returned", "wh.received", "wh.receipt_reversed",
    "wh.inspected", "wh.put_away", "wh.adjusted", "wh.counted", "wh.reserved", "wh.unreserved",
    "wh.picked", "wh.packed", "wh.dispatched", "wh.warehouse_receipt", "order.accepted",
    "order.invoiced", "order.invoice_reversed", "order.closed", "shipment.observed",
)  # fmt: skip

RANK: dict[str, int] = {event_type: rank for rank, event_type in enumerate(_RANKED)}
"""Lifecycle rank: which of two events of one (floored) time comes first."""

_SOURCE_PRIORITY = {"terminal": 0, "aggregator": 2, "manual": 3, "simulated": 4}


def source_priority(source: str) -> int:
    """Which of two sources is read first at one time and rank, by the kind before the colon."""
    return _SOURCE_PRIORITY.get(source.partition(":")[0], 1)


_BY_TYPE: dict[tuple[str, str], tuple[Effect, ...]] = {
    (event_type, machine): tuple(e for e in effects if e.machine == machine)
    for event_type, effects in EFFECTS.items()
    for machine in {e.machine for e in effects}
}


def effect_on(event: Event, subject_type: str, *, is_subject: bool) -> Effect | None:
    """The one effect of `event` on a subject of this type that it reaches; None = it only links."""
    for effect in _BY_TYPE.get((event.event_type, subject_type), ()):
        if effect.reaches != "either" and (effect.reaches == "subject") != is_subject:
            continue
        if effect.when is None or getattr(event, effect.when[0]) in effect.when[1]:
            return effect
    return None
