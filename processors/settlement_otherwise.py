"""Claims that other versions of the terms price otherwise than the version that a claim is under.

An amendment changes the price, or a tranche's share of it, for what is still to come: what was
approved keeps its version (`Book.terms_of`), with its goods and with what was claimed for them.
"""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from supplytwin.processors.line_worth import Otherwise
from supplytwin.processors.quantities import Delivery, Taken, is_over
from supplytwin.processors.settlement_asked import Desk
from supplytwin.processors.settlement_goods import Goods, each_once, taken
from supplytwin.processors.settlement_state import Claim
from supplytwin.schemas.amounts import AmountTerms, PerUnit


class Stake(Struct, frozen=True, kw_only=True):
    """What one claim has of the goods, under the version that it is under."""

    on: Desk
    """Its own: that version of the terms."""
    claim: Claim
    own: Goods
    gross_minor: int

    @property
    def terms(self) -> AmountTerms:
        """That version."""
        return self.on.full.amounts

    @property
    def amount(self) -> PerUnit | None:
        """How its tranche pays for goods; None = it pays for none."""
        amount = self.terms.tranche(self.claim.tranche_id).amount
        return amount if isinstance(amount, PerUnit) else None


def accepted(
    terms: AmountTerms,
    claims: Iterable[tuple[Desk, Claim]],
    deliveries: Sequence[Delivery],
    moments: set[int],
) -> tuple[Taken, ...]:
    """What the buyer has accepted, where more came than is payable without that (`moments`: see
    `settlement_goods.taken`).
    """
    if not any(is_over(line, deliveries) for line in terms.lines):
        return ()
    return taken(terms, claims, moments)


Differs = Callable[[AmountTerms, Stake], bool]


def another_price(now: AmountTerms, stake: Stake) -> bool:
    """Whether its goods have another price by these terms, or none."""
    if stake.amount is None:
        return False
    line = next((one for one in now.lines if one.line == stake.amount.line), None)
    then = stake.terms.line(stake.amount.line)
    return line is None or (line.unit, line.unit_price) != (then.unit, then.unit_price)


def another_share(now: AmountTerms, stake: Stake) -> bool:
    """Whether its tranche pays by these terms for other goods, another share, or another price."""
    here = next((one for one in now.tranches if one.tranche_id == stake.claim.tranche_id), None)
    then = stake.amount
    if then is None or here is None or not isinstance(here.amount, PerUnit):
        return False
    paid = here.amount
    same = (paid.line, paid.lot, paid.bp) == (then.line, then.lot, then.bp)
    return not same or another_price(now, stake)


def otherwise(
    now: AmountTerms, stakes: Iterable[Stake], differs: Differs, moments: set[int]
) -> tuple[tuple[Otherwise, ...], list[Stake]]:
    """What is priced otherwise, by tranche and price, and the stakes that are not."""
    apart: dict[tuple[object, ...], list[Stake]] = {}
    alike = list[Stake]()
    for one in stakes:
        amount = one.amount
        if amount is None or not differs(now, one):
            alike.append(one)
            continue
        line = one.terms.line(amount.line)
        price = (line.unit, line.unit_price, amount.line, amount.lot, amount.bp)
        apart.setdefault((one.claim.tranche_id, *price), []).append(one)
    return tuple([_together(each, moments) for each in apart.values()]), alike


def _together(stakes: list[Stake], moments: set[int]) -> Otherwise:
    """Of several versions with one price, by the last of them."""
    last = max(stakes, key=lambda one: one.claim.version)
    assert last.amount is not None
    deliveries = each_once([one.own for one in stakes])
    return Otherwise(
        terms=last.terms,
        amount=last.amount,
        deliveries=deliveries,
        taken=accepted(last.terms, [(one.on, one.claim) for one in stakes], deliveries, moments),
        gross_minor=sum(one.gross_minor for one in stakes),
    )
