"""What quantities of an order line are worth, and how much of that a claim may still take.

Minor units of the terms' currency; fractions stay exact until they are floored once.
"""

from collections.abc import Iterable, Sequence

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
) -> int:
    """The most that a claim's own goods come to, with the fraction of a minor unit that the claims
    before it have left (`before`, minor units in all). What came of those since they were fixed is
    left to the RESIDUAL. All `deliveries` together must be payable.
    """
    line, mine = terms.line(amount.line), {one.id for one in own}
    rest = [one for one in deliveries if one.id not in mine]
    others = payable(line, rest, taken, amount.lot)
    assert not isinstance(others, Refused)  # all of them together are not
    part = part_of(line, own, deliveries, taken, amount.lot)
    whole = payable(line, deliveries, taken, amount.lot)
    assert not isinstance(whole, Refused)
    theirs = max(others.qty_e18, whole.qty_e18 - part)  # a lot may be short without the claim's
    up, down = priced(terms.currency, line, part, amount.bp)
    left = priced(terms.currency, line, theirs, amount.bp)[0] - before * down
    return (up + (left if 0 <= left < down else 0)) // down


def line_left(
    terms: AmountTerms,
    name: str,
    deliveries: Iterable[Delivery],
    gross_minor: int,
    taken: Sequence[Taken] = (),
) -> int:
    """What a line is worth by these deliveries, all shares of its price together, less what claims
    of any tranche have of it; never less than nothing.
    """
    line = terms.line(name)
    found = payable(line, deliveries, taken)
    if isinstance(found, Refused):
        return 0  # what others have of it is not known
    up, down = priced(terms.currency, line, found.qty_e18, _share(terms, line))
    return max(0, up // down - gross_minor)


def _share(terms: AmountTerms, line: Line) -> int:
    """The largest share of its price that tranches pay of any lot of the line, bp."""
    paying = [
        one.amount
        for one in terms.tranches
        if isinstance(one.amount, PerUnit) and one.amount.line == line.line
    ]
    lots: list[str | None] = [one.lot for one in line.lots]
    return max(sum(one.bp for one in paying if one.lot in (None, lot)) for lot in lots or [None])
