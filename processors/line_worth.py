"""What quantities of an order line are worth, and how much of that a claim may still take.

Minor units of the terms' currency; fractions stay exact until they are floored once.
"""

from collections.abc import Collection, Iterable, Sequence
from fractions import Fraction
from math import floor

from msgspec import Struct

from supplytwin.processors.explained import Refused
from supplytwin.processors.quantities import SCALE, Delivery, Taken, part_of, payable
from supplytwin.schemas.amounts import (
    ALL_BP,
    QTY_DECIMALS,
    AmountTerms,
    Line,
    PerUnit,
    billionths,
)
from supplytwin.schemas.money import exponent

_PRICE: int = 10**QTY_DECIMALS


class Otherwise(Struct, frozen=True, kw_only=True):
    """What claims of one tranche have under another version of the terms, which prices it
    otherwise: they keep their price, whatever an amendment says.
    """

    terms: AmountTerms
    """That version."""
    amount: PerUnit
    deliveries: tuple[Delivery, ...]
    """Their goods as they are known now."""
    gross_minor: int
    """What they have claimed for them."""
    taken: tuple[Taken, ...] = ()
    """What the buyer has accepted beyond what was ordered."""

    @property
    def price(self) -> Fraction:
        """What the goods come to by their own version, minor units, not floored."""
        line = self.terms.line(self.amount.line)
        found = payable(line, self.deliveries, self.taken, self.amount.lot)
        if isinstance(found, Refused):
            return Fraction(0)
        return valued(self.terms, line, Fraction(found.qty_e18), self.amount.bp)

    @property
    def worth(self) -> Fraction:
        """The same, at most what the tranche pays."""
        return min(self.price, Fraction(self.amount.cap_minor))

    @property
    def paid_for(self) -> Fraction:
        """What of that they have claimed; the rest is late, or beyond what is held for it."""
        worth = self.worth
        return worth if self.gross_minor >= int(worth) else Fraction(self.gross_minor)

    @property
    def over_minor(self) -> int:
        """What they have claimed for goods that did not come."""
        return max(0, self.gross_minor - int(self.worth))

    def part(
        self,
        line: Line,
        deliveries: Sequence[Delivery],
        taken: Sequence[Taken] = (),
        lot: str | None = None,
    ) -> Fraction | Refused:
        """How much of what is payable of `deliveries`, all of which must be, they have claimed, in
        10^-18 of the unit of `line`, which is that of the terms that ask; refused when their goods
        cannot be told in it.
        """
        mine = payable(line, self.deliveries)
        if isinstance(mine, Refused):
            return mine
        price = self.price
        if not price:
            return Fraction(0)
        part = part_of(line, self.deliveries, deliveries, taken, lot)
        return part * self.paid_for / price

    @property
    def full(self) -> Fraction:
        """The whole price of what was paid for, also of the share that the tranche does not pay."""
        return self.paid_for * ALL_BP / self.amount.bp

    @property
    def weight(self) -> Fraction:
        """Its part of the shares that its version pays of these goods in tranches of their own:
        what is retained follows these.
        """
        lots = [self.amount.lot] if self.amount.lot else None
        return Fraction(self.amount.bp, _share(self.terms, self.amount.line, lots))


def valued(terms: AmountTerms, line: Line, qty_e18: Fraction, bp: int = ALL_BP) -> Fraction:
    """The same as `priced`, of a quantity that is no whole number."""
    return qty_e18 * Fraction(*priced(terms.currency, line, 1, bp))


def tranche_worth(
    terms: AmountTerms,
    amount: PerUnit,
    own: Sequence[Delivery],
    deliveries: Sequence[Delivery],
    taken: Sequence[Taken],
) -> int:
    """What a tranche would pay without a cap for its own ones of `deliveries`, minor units; 0 =
    nobody knows.
    """
    line = terms.line(amount.line)
    if isinstance(payable(line, deliveries, taken), Refused):
        return 0
    part = part_of(line, own, deliveries, taken, amount.lot)
    return floor(valued(terms, line, Fraction(part), amount.bp))


def tranche_left(
    terms: AmountTerms,
    amount: PerUnit,
    worth: Fraction,
    deliveries: Sequence[Delivery],
    taken: Sequence[Taken],
    otherwise: Iterable[Otherwise],
) -> int | Refused:
    """What claims under other versions leave of a tranche's goods, which are worth so much, minor
    units: of the goods they have theirs at the price of these terms, of the cap what they claimed.
    All `deliveries` must be payable.
    """
    line, cap_minor = terms.line(amount.line), amount.cap_minor
    for one in otherwise:
        part = one.part(line, deliveries, taken, amount.lot)
        if isinstance(part, Refused):
            return part
        worth -= valued(terms, line, part, amount.bp)
        cap_minor -= one.gross_minor - one.over_minor
    return max(0, min(floor(worth), cap_minor))


def total_owed(
    terms: AmountTerms,
    deliveries: Sequence[Delivery],
    taken: Sequence[Taken],
    otherwise: Iterable[Otherwise],
) -> int | Refused:
    """What is owed before adjustments: of lines that a PER_UNIT pays, what is payable; of others,
    what was ordered. What was paid for under another version keeps its price, also a line that
    these terms have no more. Floored once.
    """
    measured = {one.amount.line for one in terms.tranches if isinstance(one.amount, PerUnit)}
    total = Fraction(0)
    for line in terms.lines:
        qty = billionths(line.qty) * _PRICE
        if line.line in measured:
            found = payable(line, deliveries, taken)
            if isinstance(found, Refused):
                return found
            qty = found.qty_e18
        total += valued(terms, line, Fraction(qty))
    known = {one.line: one for one in terms.lines}
    more = Fraction(0) if measured else terms.total_minor - total
    for one in otherwise:
        line_now = known.get(one.amount.line)
        if line_now is None:
            more += one.full * one.weight
        elif line_now.line in measured:
            part = one.part(line_now, deliveries, taken)
            if isinstance(part, Refused):
                return part
            more += (one.full - valued(terms, line_now, part)) * one.weight
    return floor(total + more)


def priced(currency: str, line: Line, qty_e18: int, bp: int = ALL_BP) -> tuple[int, int]:
    """A quantity times its price, in minor units as (numerator, denominator)."""
    minor = qty_e18 * billionths(line.unit_price) * bp * 10 ** exponent(currency)
    return minor, SCALE * _PRICE * ALL_BP


def own_most(
    terms: AmountTerms,
    amount: PerUnit,
    own: Sequence[Delivery],
    deliveries: Sequence[Delivery],
    taken: Sequence[Taken],
    before: int,
    others: Collection[str] = (),
) -> int:
    """The most that a claim's own goods come to, with the fraction of a minor unit that the claims
    before it have left (`before`, minor units in all). What came of those since they were fixed is
    left to the RESIDUAL. `others` = ids of goods that are neither its own nor theirs. All
    `deliveries` together must be payable.
    """
    line, not_theirs = terms.line(amount.line), {*others, *(one.id for one in own)}
    theirs = [one for one in deliveries if one.id not in not_theirs]
    up, down = priced(
        terms.currency, line, part_of(line, own, deliveries, taken, amount.lot), amount.bp
    )
    whole = part_of(line, theirs, deliveries, taken, amount.lot)
    left = priced(terms.currency, line, whole, amount.bp)[0] - before * down
    return (up + (left if 0 <= left < down else 0)) // down


def line_left(
    terms: AmountTerms,
    name: str,
    deliveries: Sequence[Delivery],
    gross_minor: int,
    otherwise: Iterable[Otherwise] = (),
    taken: Sequence[Taken] = (),
) -> int:
    """What a line is worth by these deliveries, all shares of its price together, less what claims
    of any tranche have of it; never less than nothing.
    """
    line = terms.line(name)
    found = payable(line, deliveries, taken)
    if isinstance(found, Refused):
        return 0  # what others have of it is not known
    whole = valued(terms, line, Fraction(found.qty_e18), _share(terms, name))
    for one in otherwise:
        part = one.part(line, deliveries, taken)
        if isinstance(part, Refused):
            return 0
        whole -= valued(terms, line, part, one.amount.bp) + one.over_minor
    return max(0, floor(whole) - gross_minor)


def _share(terms: AmountTerms, name: str, of: Sequence[str | None] | None = None) -> int:
    """The largest share of its price that tranches pay of any lot of a line, or of these, bp."""
    paying = [
        one.amount
        for one in terms.tranches
        if isinstance(one.amount, PerUnit) and one.amount.line == name
    ]
    lots = [one.lot for one in terms.line(name).lots] if of is None else of
    return max(sum(one.bp for one in paying if one.lot in (None, lot)) for lot in lots or [None])
