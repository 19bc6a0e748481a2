"""How much of a line is payable: accepted deliveries, in one unit, within the tolerance.

Of a line (or of each lot) at most the ordered quantity plus its tolerance is payable; beyond that
only as far as the buyer has accepted it. A lot below its tolerance counts for nothing until the
buyer takes it as it is. The result depends on the set of deliveries, not on their order: one that
is told twice counts once.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.explained import Refused, Why, refused, why
from supplytwin.schemas.amounts import ALL_BP, QTY_DECIMALS, Line, billionths, check_number
from supplytwin.schemas.dimensions import factor
from supplytwin.schemas.errors import RecordError

SCALE: int = 10 ** (2 * QTY_DECIMALS)
"""Quantities are computed in whole numbers of 10^-18 of the line's unit."""
_BILLION: int = 10**QTY_DECIMALS


class Delivery(Struct, frozen=True, kw_only=True, gc=False):
    """What was accepted at once, of one line. `id` is its own: told twice it counts once, told in
    two ways nobody knows what it says, and nothing is payable.
    """

    id: str
    line: str
    lot: str | None = None
    qty: Decimal
    unit: str


class Taken(Struct, frozen=True, kw_only=True, gc=False):
    """The buyer accepts a line, or one lot of it, up to a total quantity (`up_to`, in the line's
    unit), or a lot that is short (`short`). A total, no addition: telling it twice adds nothing.
    """

    line: str
    lot: str | None = None
    up_to: Decimal | None = None
    short: bool = False


class Payable(Struct, frozen=True, kw_only=True, gc=False):
    """A quantity in 10^-18 of the line's unit. `complete`: nothing is missing but what the
    tolerance allows.
    """

    qty_e18: int
    complete: bool
    reasons: tuple[Why, ...]


def shown(qty_e18: int) -> str:
    """A quantity for people."""
    whole, rest = divmod(qty_e18, SCALE)
    tail = f"{rest:018d}".rstrip("0")
    return f"{whole}.{tail}" if tail else str(whole)


def payable(
    line: Line, deliveries: Iterable[Delivery], taken: Sequence[Taken] = (), lot: str | None = None
) -> Payable | Refused:
    """What may be paid of `line`, or of one `lot` of it; refused when a delivery is in a unit that
    cannot be converted exactly, is no number, or is told in two ways.
    """
    bad = _bad(line, taken)
    if bad is not None:
        return bad
    own = _own(line, deliveries)
    if isinstance(own, Refused):
        return own
    if line.tolerance.basis == "LINE":
        accepted = _accepted(taken, line.line, None)
        return _of_line(line, sum(got for _, got in own), accepted)
    return _of_lots(line, own, taken, lot)


def is_over(line: Line, deliveries: Iterable[Delivery]) -> bool:
    """Whether more came of a line, or of a lot of it, than is payable without the buyer's word."""
    found = payable(line, deliveries)
    return isinstance(found, Payable) and any(one.rule == "OVER_DELIVERY" for one in found.reasons)


def part_of(
    line: Line,
    own: Iterable[Delivery],
    deliveries: Sequence[Delivery],
    taken: Sequence[Taken] = (),
    lot: str | None = None,
) -> int:
    """How much of what is payable of `deliveries` is of `own` ones at most, in 10^-18 of the line's
    unit: of a lot no more than what they bring of it. Both must be payable.
    """
    lots: list[str | None] = [one.lot for one in line.lots if lot in (None, one.lot)]
    found = 0
    mine = _own(line, own)
    assert not isinstance(mine, Refused)
    for name in lots or [lot]:
        whole = payable(line, deliveries, taken, name)
        assert not isinstance(whole, Refused)
        brought = sum(got for of, got in mine if not lots or of == name)
        found += min(brought, whole.qty_e18)
    return found


def _own(line: Line, deliveries: Iterable[Delivery]) -> list[tuple[str | None, int]] | Refused:
    """(lot, quantity in 10^-18 of the line's unit) of each delivery of `line`."""
    once: dict[str, Delivery] = {}
    found: list[tuple[str | None, int]] = []
    for one in deliveries:
        if one.id in once:
            if once[one.id] != one:
                says = f"delivery {one.id} is told in two ways: nobody knows which one counts"
                return refused("CONFLICTING_DELIVERY", says, delivery=one.id)
            continue
        once[one.id] = one
    for name in sorted(once):
        one = once[name]
        if one.line != line.line:
            continue
        got = _converted(one, line.unit)
        if isinstance(got, Refused):
            return got
        found.append((one.lot, got))
    return found


def _converted(one: Delivery, unit: str) -> int | Refused:
    try:
        check_number(one.qty, "qty")
        up, down = factor(one.unit, unit)
    except RecordError as error:
        rule = "UNIT_MISMATCH" if error.field == "unit" else "BAD_QUANTITY"
        says = f"delivery {one.id}: {error.reason}"
        return refused(rule, says, delivery=one.id, qty=one.qty, unit=one.unit, wanted=unit)
    if one.qty < 0:
        says = f"delivery {one.id} is negative: a reversal takes its receipt back, it is no receipt"
        return refused("BAD_QUANTITY", says, delivery=one.id, qty=one.qty)
    got, rest = divmod(billionths(one.qty) * _BILLION * up, down)
    if rest:
        says = f"delivery {one.id}: {one.qty} {one.unit} is no decimal number of {unit}"
        return refused("UNIT_INEXACT", says, delivery=one.id, qty=one.qty, unit=one.unit)
    return got


def _bad(line: Line, taken: Sequence[Taken]) -> Refused | None:
    """An acceptance of this line that is no quantity."""
    for one in taken:
        if one.line == line.line and one.up_to is not None:
            try:
                check_number(one.up_to, "up_to")
            except RecordError as error:
                says = f"the buyer's acceptance of line {line.line}: {error.reason}"
                return refused("BAD_QUANTITY", says, up_to=one.up_to)
    return None


def _accepted(taken: Sequence[Taken], line: str, lot: str | None) -> int:
    """Up to where the buyer has accepted more than was ordered; 0 = nowhere."""
    totals = (one.up_to for one in taken if one.line == line and one.lot == lot)
    return max((billionths(up_to) * _BILLION for up_to in totals if up_to is not None), default=0)


def _bounds(line: Line, qty: Decimal) -> tuple[int, int]:
    """The least and the most that is within the tolerance of `qty`."""
    ordered = billionths(qty) * _BILLION
    low = ordered * (ALL_BP - line.tolerance.minus_bp) // ALL_BP
    return low, ordered * (ALL_BP + line.tolerance.plus_bp) // ALL_BP


def _of_line(line: Line, got: int, accepted: int) -> Payable:
    low, high = _bounds(line, line.qty)
    pays, reasons = _within(line, f"line {line.line}", got, high, accepted)
    return Payable(qty_e18=pays, complete=got >= low, reasons=reasons)


def _within(
    line: Line, name: str, got: int, high: int, accepted: int
) -> tuple[int, tuple[Why, ...]]:
    """What is payable of `got`, and why."""
    limit = max(high, accepted)
    pays = min(got, limit)
    unit = line.unit
    if got <= high:
        says = f"{name}: {shown(got)} {unit} are within the {shown(high)} {unit} that may come"
        return pays, (why("QUANTITY", says, accepted=shown(got), most=shown(high), unit=unit),)
    if got <= limit:
        says = f"{name}: {shown(got)} {unit} are more than {shown(high)}; the buyer accepted them"
    else:
        says = (
            f"{name}: {shown(got)} {unit} came, {shown(limit)} are payable: "
            f"the rest needs the buyer's acceptance"
        )
    inputs = {"accepted": shown(got), "most": shown(high), "taken_up_to": shown(accepted)}
    return pays, (why("OVER_DELIVERY", says, unit=unit, **inputs),)


def _of_lots(
    line: Line, own: list[tuple[str | None, int]], taken: Sequence[Taken], only: str | None
) -> Payable:
    sums: dict[str | None, int] = {}
    for lot_name, got in own:
        sums[lot_name] = sums.get(lot_name, 0) + got
    reasons = _strangers(line, sums)
    pays, complete = 0, True
    for lot in line.lots:
        if only not in (None, lot.lot):
            continue
        got = sums.get(lot.lot, 0)
        low, high = _bounds(line, lot.qty)
        name = f"line {line.line}, lot {lot.lot}"
        complete = complete and got >= low
        as_it_is = any(one.short and (one.line, one.lot) == (line.line, lot.lot) for one in taken)
        if got < low and not as_it_is:
            says = (
                f"{name}: {shown(got)} {line.unit} are less than the {shown(low)} that the "
                f"tolerance asks for: nothing is payable until more comes or the buyer takes it"
            )
            reasons.append(why("SHORT_LOT", says, accepted=shown(got), least=shown(low)))
            continue
        part, said = _within(line, name, got, high, _accepted(taken, line.line, lot.lot))
        pays += part
        reasons.extend(said)
    return Payable(qty_e18=pays, complete=complete, reasons=tuple(reasons))


def _strangers(line: Line, sums: Mapping[str | None, int]) -> list[Why]:
    """Deliveries that belong to no lot of the terms count for nothing, and are named."""
    known = {one.lot for one in line.lots}
    strange = sorted((name for name in sums if name not in known), key=lambda one: one or "")
    return [
        why(
            "UNKNOWN_LOT",
            f"line {line.line}: {shown(sums[name])} {line.unit} of lot {name or 'unnamed'} count "
            f"for nothing, the terms have no such lot",
            lot=name or "",
        )
        for name in strange
    ]
