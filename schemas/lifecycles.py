"""What each event type does, as data: machine, transition, and which subject or ref it reaches.

An event reaches its own subject and every subject that its `refs` name as ``TYPE:value``, or its
payload (`schemas.named`). On each of them it has the effect that stands here for that subject type,
if any; a ref without an effect only links. An event moves its machine forward along the path, and
states that it skips are marked inferred; backward go only the reversals, which name the states that
they leave. Everything else is an exception and changes nothing. Source: DESIGN §5.
"""

from typing import Any

from msgspec.structs import replace

from supplytwin.schemas.effect import NONE, Effect, Kind, said
from supplytwin.schemas.events import Event
from supplytwin.schemas.machines import CONSIGNMENT, DECLARATION, LEG, LINE, LOT, TITLE, TRIP, UNIT

_EMPTY = {state: said("empty", state) for state in (True, False)}

_ORDERS: dict[str, tuple[Effect, ...]] = {
    "order.placed": (
        Effect(machine=LINE, to="PLACED", kind="ORDER", milestone="ORDER_PLACED", introduces=True),
    ),
    "order.confirmed": (
        Effect(
            machine=LINE,
            to="CONFIRMED",
            repeats=True,
            kind="PROMISE",
            milestone="ORDER_CONFIRMED",
        ),
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
        Effect(
            machine=LEG,
            to="CANCELLED",
            leaves=(NONE, "PLANNED"),
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
    "customs.declared": (
        Effect(machine=DECLARATION, to="FILED", milestone="CUSTOMS_FILED", introduces=True),
    ),
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
    milestone: str | None, *, line: str | None, leg: str, kind: Kind | None = None
) -> tuple[Effect, ...]:
    """A transport event: moves a line and a leg; a milestone of the consignment itself."""
    effects = [
        Effect(machine=CONSIGNMENT, reaches="subject", milestone=milestone),
        Effect(machine=LEG, to=leg, repeats=True, kind=kind, milestone=milestone),
    ]
    if line is not None:
        effects.append(Effect(machine=LINE, to=line, repeats=True, milestone=milestone))
    return tuple(effects)


def _trip(to: str, milestone: str, **more: Any) -> Effect:
    """A step of a container. Carrier and terminal tell the same step: it may come again."""
    return Effect(machine=TRIP, to=to, repeats=True, milestone=milestone, **more)


_LOADED = _trip(
    "ON_BOARD", "ON_BOARD", leaves=(NONE, "EMPTY_OUT", "STUFFED", "GATED_IN", "DISCHARGED")
)
"""From DISCHARGED: a transshipment."""
_RETURNED = Effect(machine=TRIP, to="EMPTY_RETURNED", milestone="TRIP_CLOSED")


def _alerted(*machines: str, when: tuple[str, frozenset[object]] | None = None) -> list[Effect]:
    return [
        Effect(machine=name, reaches="subject", kind="ALERT", always=True, adverse=True, when=when)
        for name in machines
    ]


_WRONG = said("exception_code", "DAMAGED", "LOST", "DELAY")

_SHIPMENTS: dict[str, tuple[Effect, ...]] = {
    "shipment.booked": (
        Effect(machine=CONSIGNMENT, reaches="subject", kind="LIMIT", milestone="BOOKED"),
        Effect(machine=LINE, milestone="BOOKED"),
        Effect(
            machine=LEG,
            to="PLANNED",
            repeats=True,
            kind="ROUTE",
            milestone="BOOKED",
            introduces=True,
        ),
    ),
    "shipment.stuffed": (
        _trip("STUFFED", "STUFFED", introduces=True),
        Effect(machine=LINE, milestone="STUFFED"),
        Effect(machine=UNIT, kind="NEST", milestone="STUFFED"),
    ),
    "shipment.sealed": (Effect(machine=TRIP, kind="SEAL"),),
    "shipment.gate_in": (
        _trip("GATED_IN", "GATED_IN", when=_EMPTY[False]),
        replace(_RETURNED, when=_EMPTY[True]),
    ),
    "shipment.gate_out": (
        _trip("GATED_OUT", "GATED_OUT", when=_EMPTY[False]),
        _trip("EMPTY_OUT", "EMPTY_OUT", introduces=True, when=_EMPTY[True]),
    ),
    "shipment.loaded": (
        *_carried("ON_BOARD", line="SHIPPED", leg="LOADING", kind="BIND"),
        _LOADED,
    ),
    "shipment.departed": _carried("DEPARTED", line="SHIPPED", leg="DEPARTED", kind="BIND"),
    "shipment.arrived": _carried("ARRIVED", line="SHIPPED", leg="ARRIVED", kind="BIND"),
    "shipment.discharged": (
        *_carried("DISCHARGED", line=None, leg="DISCHARGED"),
        _trip("DISCHARGED", "DISCHARGED"),
    ),
    "shipment.available": (_trip("AVAILABLE", "AVAILABLE"),),
    "shipment.unavailable": (
        Effect(
            machine=TRIP,
            to="UNAVAILABLE",
            leaves=(
                NONE, "EMPTY_OUT", "STUFFED", "GATED_IN", "ON_BOARD", "DISCHARGED", "AVAILABLE",
            ),
            repeats=True,
            undoes=("AVAILABLE",),
            reverses=True,
        ),
    ),
    "shipment.delivered": (
        Effect(machine=LINE, to="DELIVERED", repeats=True, kind="DELIVER", milestone="DELIVERED"),
        Effect(machine=CONSIGNMENT, reaches="subject", kind="DELIVER", milestone="DELIVERED"),
        Effect(machine=LEG, to="CLOSED", milestone="DELIVERED"),
    ),
    "shipment.stripped": (
        _trip("STRIPPED", "UNPACKED"),
        Effect(machine=UNIT, kind="UNNEST", milestone="UNPACKED"),
    ),
    "shipment.empty_returned": (_RETURNED,),
    "shipment.sensor": tuple(_alerted(LINE, LOT, CONSIGNMENT, LEG, TRIP, UNIT)),
    "shipment.exception": (
        *_alerted(LINE, LOT, CONSIGNMENT, TRIP, UNIT),
        *_alerted(LEG, when=_WRONG),
        Effect(machine=LEG, kind="ROLL", always=True, when=said("exception_code", "ROLLED")),
        Effect(
            machine=LEG,
            to="OMITTED",
            leaves=(NONE, "PLANNED"),
            kind="ALERT",
            when=said("exception_code", "REROUTED"),
        ),
    ),
    "shipment.noted": (),
    "shipment.energy": (Effect(machine=LEG), Effect(machine=CONSIGNMENT, reaches="subject")),
    "shipment.footprint": (Effect(machine=LEG), Effect(machine=CONSIGNMENT, reaches="subject")),
}  # fmt: skip

_WAREHOUSE: dict[str, tuple[Effect, ...]] = {
    "wh.received": (
        Effect(
            machine=LOT,
            to="RECEIVED",
            repeats=True,
            kind="RECEIVE",
            milestone="RECEIVED_WH",
            introduces=True,
        ),
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
            when=said("result", "PASS"),
        ),
        Effect(
            machine=LOT,
            to="QC_HOLD",
            repeats=True,
            milestone="QC_HOLD",
            adverse=True,
            when=said("result", "FAIL", "PARTIAL"),
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
    "wh.packed": (
        Effect(machine=LOT, milestone="PACKED"),
        Effect(machine=UNIT, kind="NEST", milestone="PACKED"),
    ),
    "wh.dispatched": (
        Effect(machine=LOT, to="DISPATCHED", repeats=True, kind="DISPATCH", milestone="DISPATCHED"),
        Effect(machine=LINE, to="SHIPPED", repeats=True, milestone="DISPATCHED"),
        Effect(machine=UNIT, kind="DEPART", milestone="DISPATCHED"),
    ),
    "wh.warehouse_receipt": (
        Effect(
            machine=TITLE,
            to="ISSUED",
            kind="HOLDER",
            introduces=True,
            when=said("action", "ISSUE"),
        ),
        Effect(
            machine=TITLE,
            to="PLEDGED",
            leaves=(NONE, "ISSUED", "TRANSFERRED"),
            kind="PAWN",
            pledges=True,
            when=said("action", "PLEDGE"),
        ),
        Effect(
            machine=TITLE,
            to="ISSUED",
            leaves=("PLEDGED",),
            kind="REDEEM",
            last=True,
            reverses=True,
            when=said("action", "UNPLEDGE"),
        ),
        Effect(
            machine=TITLE,
            to="TRANSFERRED",
            leaves=(NONE, "ISSUED"),
            repeats=True,
            kind="HOLDER",
            when=said("action", "TRANSFER"),
        ),
        Effect(
            machine=TITLE,
            to="CANCELLED",
            leaves=(NONE, "ISSUED", "TRANSFERRED"),
            when=said("action", "CANCEL"),
        ),
    ),
}

EFFECTS: dict[str, tuple[Effect, ...]] = {**_ORDERS, **_CUSTOMS, **_SHIPMENTS, **_WAREHOUSE}
"""Event type -> its effects, at most one per machine once `when` is looked at."""

LOT_PLEDGED = Effect(machine=LOT, kind="PLEDGE", always=True)
LOT_FREED = Effect(machine=LOT, kind="FREE", always=True)
"""What a receipt that is pledged, or no longer is, does to the lots that it is linked with."""
UNIT_BOUND = Effect(machine=UNIT, kind="PLEDGE", always=True)
UNIT_FREED = Effect(machine=UNIT, kind="FREE", always=True)
"""What that does to the handling units that are linked with these lots."""
TITLE_DOUBTED = Effect(machine=TITLE, kind="PLEDGE", pledges=True, always=True)
"""What a pledge in contradiction does to its receipt: it counts as pledged, its state stays."""
LINK_DOUBTED = Effect(machine=LOT, always=True)
"""What else in contradiction links a lot and a receipt does to them: nothing."""

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
