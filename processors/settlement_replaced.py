"""Claims that ended unpaid and have others in their place: an amendment lists them no more.

What is to be paid after all is listed under a new claim id. Then that claim counts, and the former
one nowhere: else its part would be taken off twice, and a RESIDUAL would never be computed.
"""

from fractions import Fraction
from math import floor

from supplytwin.processors.amounts import maxima, share_of
from supplytwin.processors.line_worth import valued
from supplytwin.processors.quantities import SCALE
from supplytwin.processors.settlement_state import Book, Claim
from supplytwin.schemas.amounts import AmountTerms, PerUnit, Residual, Tranche
from supplytwin.schemas.contract import ContractTerms


def replaced(full: ContractTerms, book: Book, claim: Claim) -> bool:
    """Whether a claim ended unpaid and these terms, which are later ones than it is under, have
    something else in its place: they do not list it, and leave a RESIDUAL no more than its own
    terms did, of the whole, of its goods and of the cap. Where they leave more, that may be its
    money, which has to have a claim to be paid after all. An award stands, and so does what a bank
    has booked.
    """
    ended = claim.state in ("EXPIRED", "VOIDED") and claim.basis != "AWARD"
    if not ended or claim.bookings or claim.returns or claim.version >= full.version:
        return False
    listed = next((one for one in full.tranches if one.tranche_id == claim.tranche_id), None)
    if listed and claim.claim_id in [one.claim_id for one in listed.claims]:
        return False
    before = book.terms_of(claim).full
    if before is None:
        return False
    then, now = before.amounts, full.amounts
    if not any(isinstance(one.amount, Residual) for one in now.tranches):
        return True
    amount = then.tranche(claim.tranche_id).amount
    if isinstance(amount, PerUnit) and not _of_goods(then, now, amount):
        return False
    return all(found(now) <= _in_proportion(found(then), then, now) for found in (_rest, _held))


def _in_proportion(minor: int, then: AmountTerms, now: AmountTerms) -> int:
    """What was left then may be as much now, and more where the whole is."""
    scaled = -(-minor * now.total_minor // then.total_minor) if then.total_minor else 0
    return max(0, minor, scaled)


def _held(terms: AmountTerms) -> int:
    """The most that a RESIDUAL can pay."""
    most = maxima(terms)
    rests = [one.tranche_id for one in terms.tranches if isinstance(one.amount, Residual)]
    return sum(most[name].minor for name in rests)


def _rest(terms: AmountTerms) -> int:
    """What the terms leave of the price when all that was ordered has come, minor units."""
    return terms.total_minor - sum(_planned(terms, one) for one in terms.tranches)


def _planned(terms: AmountTerms, tranche: Tranche) -> int:
    amount = tranche.amount
    if isinstance(amount, Residual):
        return 0
    if not isinstance(amount, PerUnit):
        return share_of(terms, tranche)
    line = terms.line(amount.line)
    qty = next((one.qty for one in line.lots if one.lot == amount.lot), line.qty)
    worth = valued(terms, line, Fraction(qty) * SCALE, amount.bp)
    return min(amount.cap_minor, floor(worth))


def _of_goods(then: AmountTerms, now: AmountTerms, amount: PerUnit) -> bool:
    """Whether tranches pay as much of the price of its goods now as then."""
    name = amount.line
    lots: set[str | None] = {one.lot for one in then.line(name).lots} or {None}
    if amount.lot:
        lots = {amount.lot}
    return all(_share(now, name, lot) >= _share(then, name, lot) for lot in lots)


def _share(terms: AmountTerms, line: str, lot: str | None) -> int:
    """Basis points of the price that tranches pay of a line, or of one lot of it."""
    paying = [one.amount for one in terms.tranches if isinstance(one.amount, PerUnit)]
    return sum(one.bp for one in paying if one.line == line and one.lot in (None, lot))
