"""What facts do besides moving a state: quantities, holds, invoices, duty. One function per kind.

Each fills `changes` (fields of the accumulator) and returns None, or the code of the exception that
the fact is; then nothing of what it filled in counts.
"""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from supplytwin.processors import accounts, clocks
from supplytwin.processors.standing import EXACT, ZERO, Accumulator, Fact, Happened, is_bounded
from supplytwin.schemas.localtime import days_since_epoch
from supplytwin.schemas.machines import LINE, TRIP, UNIT

NEGATIVE, NOT_OPEN = "NEGATIVE_QUANTITY", "HOLD_NOT_OPEN"
NO_INVOICE, MISMATCH, AMBIGUOUS = "INVOICE_NOT_OPEN", "QTY_MISMATCH", "AMBIGUOUS_LINE"
PLEDGED = "LOT_PLEDGED"
PAWNED = "PLEDGED"
"""The account of a receipt's pledges."""
REDUCED = "PLEDGED_LOT_REDUCED"
"""What it says counts all the same: of a pledged lot it is not believed in silence."""
BAD_QUANTITY, EXCURSION = "BAD_QUANTITY", "EXCURSION"
SEAL_BROKEN = "SEAL_BROKEN"

Changes = dict[str, Any]


def quantity(fact: Fact) -> Decimal:
    """The event's `qty`, in the unit of its lot or line."""
    qty: Decimal = fact.event.qty  # type: ignore[attr-defined]
    return qty


def _order(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    for line in fact.event.order_lines:  # type: ignore[attr-defined]
        if line.line_id == fact.subject_id:
            changes["ordered"] = line.qty
    return None


def _promise(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    promised: dt.date = fact.event.promised_date  # type: ignore[attr-defined]
    changes["promised_day"] = days_since_epoch(promised)
    return None


def _change(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    event: Any = fact.event
    if event.field != "QTY":
        return None
    try:
        ordered = Decimal(event.new)
    except InvalidOperation:
        return BAD_QUANTITY
    if not is_bounded(ordered) or ordered < 0:
        return BAD_QUANTITY
    changes["ordered"] = ordered
    return None


def _deliver(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    changes["delivered"] = Happened(fact.event.event_time, fact.day)
    changes["pieces"] = acc.pieces + (fact.event.pieces or 0)  # type: ignore[attr-defined]
    return None


def _receive(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    event: Any = fact.event
    if fact.effect is not None and fact.effect.machine == LINE:
        lines = {ref for ref in event.refs if ref.startswith("ORDER_LINE:")}
        if event.subject_type == LINE:
            lines.add(f"ORDER_LINE:{event.subject_id}")
        named = event.line_id
        if named != fact.subject_id and (named is not None or len(lines) > 1):
            return AMBIGUOUS
    changes["received"] = EXACT.add(acc.received, event.qty)
    changes["on_hand"] = EXACT.add(acc.on_hand, event.qty)
    return None


def _reverse(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    qty = quantity(fact)
    left = EXACT.subtract(acc.on_hand, qty)
    if left < 0 or qty > acc.net_received:
        return NEGATIVE
    changes["reversed"] = EXACT.add(acc.reversed, qty)
    return _leave(acc, left, changes)


def _adjust(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    left = EXACT.add(acc.on_hand, fact.event.delta)  # type: ignore[attr-defined]
    return NEGATIVE if left < 0 else _leave(acc, left, changes)


def _depart(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    """A handling unit leaves, if no lot that it was packed from is pledged."""
    return PLEDGED if acc.pledges else None


def _leave(acc: Accumulator, left: Decimal, changes: Changes) -> str | None:
    """So much is on hand now, and no more is reserved."""
    changes["on_hand"] = left
    changes["reserved"] = min(acc.reserved, left)
    return REDUCED if acc.pledges and left < acc.on_hand else None


def _count(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    counted: Decimal = fact.event.counted  # type: ignore[attr-defined]
    return None if counted == acc.on_hand else MISMATCH


def _reserve(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    reserved = EXACT.add(acc.reserved, quantity(fact))
    if reserved > acc.on_hand:
        return NEGATIVE
    changes["reserved"] = reserved
    return None


def _unreserve(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    reserved = EXACT.subtract(acc.reserved, quantity(fact))
    if reserved < 0:
        return NEGATIVE
    changes["reserved"] = reserved
    return None


def _dispatch(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    if acc.pledges:
        return PLEDGED
    qty: Decimal | None = fact.event.qty  # type: ignore[attr-defined]
    left = ZERO if qty is None else EXACT.subtract(acc.on_hand, qty)
    if left < 0:
        return NEGATIVE
    return _leave(acc, left, changes)


def _hold_id(event: Any) -> str:
    """By what a hold is told apart from others."""
    if event.event_type.startswith("order."):
        return f"{event.scope}:{event.hold_code}"
    return f"{event.authority}:{event.hold_id}"


def _hold(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    hold = _hold_id(fact.event)
    rows = accounts.opened(acc.accounts.get(hold, accounts.NOBODY), fact.event.source)
    changes["accounts"] = acc.accounts.set(hold, rows)
    changes["holds"] = acc.holds | {hold}
    placed = clocks.begun(acc.placed.get(hold, clocks.NOTHING), fact.event)
    changes["placed"] = acc.placed.set(hold, placed)
    return None


def _unhold(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    hold = _hold_id(fact.event)
    placed = acc.placed.get(hold, clocks.NOTHING)
    if hold not in acc.holds or not clocks.is_after_others(fact.event, placed):
        return NOT_OPEN
    rows = accounts.settled(acc.accounts.get(hold, accounts.NOBODY), fact.event.source)
    changes["accounts"] = accounts.put(acc.accounts, hold, rows)
    if not rows:
        changes["holds"] = acc.holds - {hold}
        changes["placed"] = acc.placed.delete(hold) if placed else acc.placed
    return None


def _invoice(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    changes["invoices"] = acc.invoices | {fact.event.invoice_id}  # type: ignore[attr-defined]
    return None


def _uninvoice(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    invoice: str = fact.event.invoice_id  # type: ignore[attr-defined]
    if invoice not in acc.invoices:
        return NO_INVOICE
    changes["invoices"] = acc.invoices - {invoice}
    return None


def _assess(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    event: Any = fact.event
    if event.basis == "BOND":
        return None
    due = EXACT.add(acc.assessed.get(event.currency, ZERO), event.amount)
    changes["assessed"] = acc.assessed.set(event.currency, due)
    return None


def _pay(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    event: Any = fact.event
    if event.basis == "BOND":
        changes["bonded"] = True
        return None
    paid = EXACT.add(acc.paid.get(event.currency, ZERO), event.amount)
    changes["paid"] = acc.paid.set(event.currency, paid)
    return None


def _revoke(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    changes["revoked"] = True
    if changes.get("state") != "REJECTED":  # which only a release can have followed
        changes["contrary"] = clocks.over(acc.contrary, fact.event)
    return None


def _release(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    """Also one that moves nothing: what was said against the release is over, if surely earlier."""
    stands = "state" in changes or acc.state in ("RELEASED", "CLEARED")
    if acc.revoked and stands and clocks.is_after(fact.event, acc.contrary):
        changes["revoked"] = False
        changes["contrary"] = clocks.NOTHING
    return None


def _cancel(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    changes["previous"] = acc.state
    return None


def _reinstate(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    changes["previous"] = None
    return None


def _alert(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    event: Any = fact.event
    if event.event_type == "shipment.exception":
        return f"SHIPMENT_{event.exception_code}"
    return None if event.alert is None else EXCURSION


def _seal(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    """A container's seal. Who replaces the one that is known must say so."""
    event: Any = fact.event
    changes["bound"] = event.seal_no
    replaced = acc.bound is not None and acc.bound not in (event.seal_no, event.old_seal)
    return SEAL_BROKEN if replaced else None


def _route(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    """Where a leg goes: its own part of the booking, or the only one that there is."""
    legs: tuple[str, ...] = fact.event.legs  # type: ignore[attr-defined]
    for leg in legs:
        number, _, route = leg.partition(";")
        if len(legs) == 1 or fact.subject_id.endswith(f"/{int(number)}"):
            changes["route"] = route
    return None


def _bind(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    """A leg's vehicle. Before it has left it may be another one: then the leg was rolled."""
    vehicle: str | None = fact.event.vehicle_id  # type: ignore[attr-defined]
    if vehicle is None or vehicle == acc.bound:
        return None
    if acc.bound is not None:
        left = acc.state not in (None, "PLANNED", "LOADING")
        changes["flags"] = acc.flags | {"vehicle_conflict" if left else "rolled"}
        if left:
            return None
    changes["bound"] = vehicle
    return None


def _roll(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    changes["bound"] = None
    changes["flags"] = acc.flags | {"rolled"}
    return _alert(acc, fact, changes)


def _holder(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    changes["bound"] = fact.event.holder  # type: ignore[attr-defined]
    return None


def _nest(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    """A handling unit is in another one, or in a trip's container; the outer one stays."""
    event: Any = fact.event
    packed = event.event_type == "wh.packed"
    outer = f"{UNIT}:{event.hu_id}" if packed else f"{TRIP}:{event.trip_id}"
    if outer != f"{UNIT}:{fact.subject_id}":
        changes["bound"] = outer
    return None


def _unnest(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    if acc.bound == f"{TRIP}:{fact.event.trip_id}":  # type: ignore[attr-defined]
        changes["bound"] = None
    return None


def _limit(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    """The ranges of the last booking that has any."""
    limits: tuple[str, ...] = fact.event.limits  # type: ignore[attr-defined]
    if limits:
        changes["limits"] = limits
    return None


def _pledge(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    changes["pledges"] = acc.pledges + 1
    return None


def _free(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    changes["pledges"] = acc.pledges - 1
    return None


def _pawn(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    """A receipt is pledged, or once more."""
    if "state" in changes or acc.state == "PLEDGED":
        rows = accounts.opened(acc.accounts.get(PAWNED, accounts.NOBODY), fact.event.source)
        changes["accounts"] = acc.accounts.set(PAWNED, rows)
    return None


def redeemed(acc: Accumulator, source: str) -> accounts.Rows:
    """The pledges of a receipt that are left when `source` tells of the end of one."""
    return accounts.settled(acc.accounts.get(PAWNED, accounts.NOBODY), source)


def _redeem(acc: Accumulator, fact: Fact, changes: Changes) -> str | None:
    changes["accounts"] = accounts.put(acc.accounts, PAWNED, redeemed(acc, fact.event.source))
    return None


KINDS: dict[str, Callable[[Accumulator, Fact, Changes], str | None]] = {
    "ORDER": _order,
    "PROMISE": _promise,
    "CHANGE": _change,
    "DELIVER": _deliver,
    "RECEIVE": _receive,
    "REVERSE": _reverse,
    "ADJUST": _adjust,
    "COUNT": _count,
    "RESERVE": _reserve,
    "UNRESERVE": _unreserve,
    "DISPATCH": _dispatch,
    "DEPART": _depart,
    "HOLD": _hold,
    "UNHOLD": _unhold,
    "INVOICE": _invoice,
    "UNINVOICE": _uninvoice,
    "ASSESS": _assess,
    "PAY": _pay,
    "REVOKE": _revoke,
    "RELEASE": _release,
    "CANCEL": _cancel,
    "REINSTATE": _reinstate,
    "ALERT": _alert,
    "SEAL": _seal,
    "ROUTE": _route,
    "BIND": _bind,
    "ROLL": _roll,
    "HOLDER": _holder,
    "NEST": _nest,
    "UNNEST": _unnest,
    "PLEDGE": _pledge,
    "FREE": _free,
    "PAWN": _pawn,
    "REDEEM": _redeem,
    "LIMIT": _limit,
}
