"""What a tranche pays: integer minor units, with the reasons.

Everything is computed exactly in whole numbers and floored once. What was claimed before is
counted before adjustments (`gross`), so that a deduction of one delivery does not come back with
the next one; what is owed of several claims is floored as a whole, so that nothing drifts.
"""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import floor
from typing import Literal

from msgspec import Struct

from supplytwin.processors.adjustments import Adjusted, Seen, adjust
from supplytwin.processors.explained import Refused, Why, refused, why
from supplytwin.processors.line_worth import (
    Otherwise,
    own_most,
    total_owed,
    tranche_left,
    valued,
)
from supplytwin.processors.quantities import Delivery, Taken, payable, shown
from supplytwin.schemas.amounts import (
    ALL_BP,
    AmountTerms,
    Fixed,
    OfTotal,
    PerUnit,
    Residual,
    Rounding,
    Tranche,
)
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.money import MINOR_MAX, from_minor

FINISHED = frozenset(("SETTLED", "CLOSED"))
"""How a tranche has to end for a RESIDUAL to be computed."""
ENDED = FINISHED | {"RETURNED", "VOIDED", "EXPIRED", "SUPERSEDED"}


class Money(Struct, frozen=True, kw_only=True, gc=False):
    """An amount in minor units of its currency."""

    currency: str
    minor: int


class Most(Struct, frozen=True, kw_only=True, gc=False):
    """The most that a tranche can pay, minor units, and why."""

    minor: int
    why: Why


class Claimed(Struct, frozen=True, kw_only=True, gc=False):
    """A claim that was fixed before: what it was before adjustments, their sum, what of it was
    instructed (0 when that was recalled or never sent). `owed_minor`: what is owed of it when a
    decision said another sum: an arbiter's award, 0 for one that was voided or has expired.
    """

    claim_id: str
    """One of its tranche: claims of other tranches may have the same."""
    tranche_id: str
    currency: str
    gross_minor: int
    bp: int = 0
    amount_minor: int
    owed_minor: int | None = None


class Situation(Struct, frozen=True, kw_only=True, gc=False):
    """What an amount is computed from, beside the terms.

    `reserved` is what is still reserved for the tranche, after the claims that it has spawned;
    `ended` the absorbing states of other tranches. `deliveries` are all that count for it.
    """

    reserved: Money
    deliveries: tuple[Delivery, ...] = ()
    own: tuple[Delivery, ...] | None = None
    """Those of the claim itself: it pays for no others. None = all of them."""
    waiting: frozenset[str] = frozenset()
    """Ids of those of claims that have claimed nothing yet."""
    line_left_minor: int | None = None
    """What claims of all tranches have left of the line; None = no other tranche has any of it."""
    taken: tuple[Taken, ...] = ()
    claimed: tuple[Claimed, ...] = ()
    otherwise: tuple[Otherwise, ...] = ()
    """What claims have under versions that price it otherwise: for a PER_UNIT those of its tranche,
    which are then none of `claimed`, for a RESIDUAL all of them."""
    seen: Seen = Seen()
    ended: Mapping[str, str] = {}


class Due(Struct, frozen=True, kw_only=True, gc=False):
    """What is due now. Only DUE pays, and never more than is reserved; every other verdict has the
    amount 0 and its reason: HOLD waits for people, WAIT for other tranches, ON_FALSE is the
    tranche's `on_false`, REFUSED an input that has to be corrected.

    A claim that is made of it keeps `gross_minor` and `bp` for the next one.
    """

    verdict: Literal["DUE", "HOLD", "WAIT", "ON_FALSE", "REFUSED"]
    currency: str
    amount_minor: int
    gross_minor: int
    bp: int
    reasons: tuple[Why, ...]
    unadjusted_minor: int = 0
    """Of a HOLD for what nobody knows: what it would be by what is known."""


def split(total_minor: int, shares_bp: Sequence[int], rounding: Rounding) -> tuple[int, ...]:
    """`total_minor` (not negative) in shares that add up to at most 10,000 bp.

    The parts sum to the floor of all shares together. `largest-earliest`: each part is floored, one
    more minor unit goes to the earliest ones until that sum is reached. `cumulative`: each part is
    the floor of all shares up to it minus those before it.
    """
    if rounding == "cumulative":
        parts, before, bp = [], 0, 0
        for share in shares_bp:
            bp += share
            upto = total_minor * bp // ALL_BP
            parts.append(upto - before)
            before = upto
        return tuple(parts)
    floors = [total_minor * share // ALL_BP for share in shares_bp]
    left = total_minor * sum(shares_bp) // ALL_BP - sum(floors)
    return tuple(part + (at < left) for at, part in enumerate(floors))


def maxima(terms: AmountTerms) -> dict[str, Most]:
    """The most that each tranche can pay: what has to be reserved for it.

    Raises RecordError(BAD_TERMS) when they are more than the cap. A RESIDUAL has what is left of
    the cap.
    """
    others = [one for one in terms.tranches if not isinstance(one.amount, Residual)]
    found = {one.tranche_id: _most(terms, one) for one in others}
    total = sum(one.minor for one in found.values())
    left = terms.cap_minor - total
    if left < 0:
        reason = f"is {terms.cap_minor}, the tranches may pay {total}"
        raise RecordError(Code.BAD_TERMS, "cap_minor", reason)
    says = f"the cap of {_text(terms.cap_minor, terms)} less {_text(total, terms)} of the others"
    rest = Most(minor=left, why=why("RESIDUAL", says, cap_minor=terms.cap_minor, others=total))
    return {one.tranche_id: found.get(one.tranche_id, rest) for one in terms.tranches}


def _most(terms: AmountTerms, tranche: Tranche) -> Most:
    """The most of a tranche that is no RESIDUAL: of its part with a premium, or its own cap."""
    amount, carbon = tranche.amount, tranche.adjustments.carbon
    if isinstance(amount, PerUnit):
        says = f"its own cap, {_text(amount.cap_minor, terms)}"
        return Most(minor=amount.cap_minor, why=why("PER_UNIT", says, line=amount.line))
    part = share_of(terms, tranche)
    premium = max(0, carbon.bp) if carbon else 0
    most = part * (ALL_BP + premium) // ALL_BP
    says = f"{_text(part, terms)}, with a premium of at most {premium} bp {_text(most, terms)}"
    rule = "FIXED" if isinstance(amount, Fixed) else "SHARE"
    return Most(minor=most, why=why(rule, says, part_minor=part, premium_bp=premium))


def share_of(terms: AmountTerms, tranche: Tranche) -> int:
    """What FIXED or SHARE says, before adjustments."""
    if isinstance(tranche.amount, Fixed):
        return tranche.amount.amount_minor
    shares = [
        (one.tranche_id, one.amount.bp) for one in terms.tranches if isinstance(one.amount, OfTotal)
    ]
    parts = split(terms.total_minor, [bp for _, bp in shares], terms.rounding)
    return dict(zip((name for name, _ in shares), parts, strict=True))[tranche.tranche_id]


def due(terms: AmountTerms, tranche_id: str, now: Situation) -> Due:
    """What the tranche pays now, on top of what it has claimed.

    `terms` are checked ones with a tranche of that id. Equal inputs give equal results, whatever
    the order of deliveries, claims and acceptances.
    """
    tranche = terms.tranche(tranche_id)
    bad = _bad(terms, now)
    if bad is not None:
        return _nothing("REFUSED", terms, (bad.why,))
    if isinstance(tranche.amount, Residual):
        waits = _waits(terms, tranche.amount, now)
        if waits is not None:
            return waits
    entitled = _entitled(terms, tranche, now)
    if isinstance(entitled, Refused):
        return _nothing("REFUSED", terms, (entitled.why,))
    whole, reasons = entitled
    own = [one for one in now.claimed if one.tranche_id == tranche_id]
    before = sum(one.gross_minor for one in own)
    if isinstance(tranche.amount, PerUnit):
        before += sum(one.over_minor for one in now.otherwise)
    left = max(0, whole - before)
    if before:
        rule = "CLAIMED_BEFORE" if whole >= before else "OVERCLAIMED"
        says = f"{_text(before, terms)} of it were claimed before, {_text(left, terms)} are left"
        reasons.append(why(rule, says, whole=whole, before=before))
    gross = min(left, _most_left(terms, tranche, now, before))
    if gross < left:
        says = f"{_text(left - gross, terms)} of it are for goods of claims that were fixed before"
        reasons.append(why("OTHER_GOODS", says, own_minor=gross, left_minor=left))
    if isinstance(tranche.amount, PerUnit) and gross > now.reserved.minor:
        # of goods beyond its hold it has none: they are neither paid nor claimed by it
        reasons.append(_more_than_held(terms, gross, now.reserved.minor))
        gross = now.reserved.minor
    adjusted = adjust(tranche.adjustments, now.seen)
    reasons.extend(adjusted.reasons)
    if adjusted.held:
        known = _floored(own, gross, adjusted) if adjusted.unknown else 0
        known = _clamped(terms, tranche, now, known, [])
        return _nothing("HOLD", terms, tuple(reasons), gross, known)
    amount = _clamped(terms, tranche, now, _floored(own, gross, adjusted), reasons)
    return Due(
        verdict="DUE",
        currency=terms.currency,
        amount_minor=amount,
        gross_minor=gross,
        bp=adjusted.bp,
        reasons=tuple(reasons),
    )


def _most_left(terms: AmountTerms, tranche: Tranche, now: Situation, before: int) -> int:
    """The most that a claim may take of a line: what its own goods come to, and no more than the
    line has left.
    """
    most = MINOR_MAX if now.line_left_minor is None else now.line_left_minor
    if not isinstance(tranche.amount, PerUnit) or now.own is None:
        return most
    amount, others = tranche.amount, set(now.waiting)
    others |= {one.id for each in now.otherwise for one in each.deliveries}
    own = own_most(terms, amount, now.own, now.deliveries, now.taken, before, others)
    return min(most, own)


def _text(minor: int, terms: AmountTerms) -> str:
    return f"{from_minor(minor, terms.currency)} {terms.currency}"


def _nothing(
    verdict: Literal["HOLD", "WAIT", "ON_FALSE", "REFUSED"],
    terms: AmountTerms,
    reasons: tuple[Why, ...],
    gross: int = 0,
    unadjusted: int = 0,
) -> Due:
    return Due(
        verdict=verdict,
        currency=terms.currency,
        amount_minor=0,
        gross_minor=gross,
        bp=0,
        reasons=reasons,
        unadjusted_minor=unadjusted,
    )


def _bad(terms: AmountTerms, now: Situation) -> Refused | None:
    """Money that is not in the terms' currency, or is less than nothing."""
    given = [("the reservation", now.reserved.currency, now.reserved.minor)]
    for one in now.claimed:
        least = min(one.gross_minor, one.amount_minor, one.owed_minor or 0)
        given.append((_named(one), one.currency, least))
    for name, currency, minor in given:
        if currency != terms.currency:
            says = f"{name} is in {currency}, the terms are in {terms.currency}: nothing converts"
            return refused("CURRENCY_MISMATCH", says, stated=currency, expected=terms.currency)
        if minor < 0:
            return refused("BAD_AMOUNT", f"{name} is less than nothing", minor=minor)
    names = [_named(one) for one in now.claimed]
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        says = f"{', '.join(twice)} is told twice: what was claimed is not known"
        return refused("CLAIM_TWICE", says)
    return None


def _named(one: Claimed) -> str:
    """By its tranche, too: those of several tranches may have one id."""
    return f"claim {one.tranche_id}/{one.claim_id}"


def _waits(terms: AmountTerms, amount: Residual, now: Situation) -> Due | None:
    """Why a RESIDUAL cannot be computed; None = it can."""
    open_ones = [name for name in amount.of if now.ended.get(name) not in ENDED]
    if open_ones:
        says = f"waits for {', '.join(open_ones)} to end"
        return _nothing("WAIT", terms, (why("RESIDUAL_WAITS", says),))
    others = [name for name in amount.of if now.ended[name] not in FINISHED]
    if others:
        ends = ", ".join(f"{name} as {now.ended[name]}" for name in others)
        says = f"it is the rest of what did not end SETTLED or CLOSED: {ends}; on_false applies"
        return _nothing("ON_FALSE", terms, (why("RESIDUAL_BROKEN", says),))
    return None


def _entitled(
    terms: AmountTerms, tranche: Tranche, now: Situation
) -> tuple[int, list[Why]] | Refused:
    """What the tranche pays in all, with its earlier claims, before adjustments."""
    amount = tranche.amount
    if isinstance(amount, PerUnit):
        return _per_unit(terms, amount, now)
    if isinstance(amount, Residual):
        return _residual(terms, tranche, now)
    part = share_of(terms, tranche)
    if isinstance(amount, Fixed):
        return part, [why("FIXED", f"{_text(part, terms)}", amount_minor=part)]
    says = f"{amount.bp} bp of {_text(terms.total_minor, terms)} are {_text(part, terms)}"
    inputs = {"bp": amount.bp, "total_minor": terms.total_minor, "rounding": terms.rounding}
    return part, [why("SHARE", f"{says} ({terms.rounding})", **inputs)]


def _per_unit(
    terms: AmountTerms, amount: PerUnit, now: Situation
) -> tuple[int, list[Why]] | Refused:
    line = terms.line(amount.line)
    found = payable(line, now.deliveries, now.taken, amount.lot)
    if isinstance(found, Refused):
        return found
    worth = valued(terms, line, Fraction(found.qty_e18), amount.bp)
    whole = min(floor(worth), amount.cap_minor)
    share = "" if amount.bp == ALL_BP else f", {amount.bp} bp of it"
    says = f"{shown(found.qty_e18)} {line.unit} x {line.unit_price}{share}, floored, at most "
    said = why(
        "PER_UNIT",
        f"{says}{_text(amount.cap_minor, terms)}: {_text(whole, terms)}",
        quantity=shown(found.qty_e18),
        unit_price=line.unit_price,
        bp=amount.bp,
        cap_minor=amount.cap_minor,
    )
    if not now.otherwise:
        return whole, [*found.reasons, said]
    left = tranche_left(terms, amount, worth, now.deliveries, now.taken, now.otherwise)
    if isinstance(left, Refused):
        return left
    says = f"{_text(whole - left, terms)} of it are for goods that another version has priced"
    other = why("OTHER_VERSION", says, whole=whole, left_minor=left)
    return left, [*found.reasons, said, other]


def _residual(
    terms: AmountTerms, tranche: Tranche, now: Situation
) -> tuple[int, list[Why]] | Refused:
    """What is owed of the contract, less the deductions and the instructions of the others."""
    total = total_owed(terms, now.deliveries, now.taken, now.otherwise)
    if isinstance(total, Refused):
        return total
    others = [one for one in now.claimed if one.tranche_id != tranche.tranche_id]
    changed = sum(_owed(one) - one.gross_minor * ALL_BP for one in others)
    adjusted = (total * ALL_BP + changed) // ALL_BP
    instructed = sum(one.amount_minor for one in others)
    left = max(0, adjusted - instructed)
    says = (
        f"{_text(total, terms)} in all, {_text(adjusted, terms)} after adjustments, less "
        f"{_text(instructed, terms)} that others instructed: {_text(left, terms)}"
    )
    inputs = {"total_minor": total, "adjusted_minor": adjusted, "instructed_minor": instructed}
    return left, [why("RESIDUAL", says, **inputs)]


def _owed(one: Claimed) -> int:
    """What is owed of an earlier claim, in ten-thousandths of a minor unit."""
    if one.owed_minor is not None:
        return one.owed_minor * ALL_BP
    return one.gross_minor * (ALL_BP + one.bp)


def _floored(own: Iterable[Claimed], gross: int, adjusted: Adjusted) -> int:
    """The new claim after adjustments: all of the tranche's, floored together, less the former."""
    before = sum(one.gross_minor * (ALL_BP + one.bp) for one in own)
    return (before + gross * (ALL_BP + adjusted.bp)) // ALL_BP - before // ALL_BP


def _clamped(
    terms: AmountTerms, tranche: Tranche, now: Situation, amount: int, reasons: list[Why]
) -> int:
    """`amount` between nothing and what is reserved, and within the tranche's own cap."""
    most = min(now.reserved.minor, MINOR_MAX)
    if isinstance(tranche.amount, PerUnit):
        own = (one.amount_minor for one in now.claimed if one.tranche_id == tranche.tranche_id)
        theirs = sum(one.gross_minor for one in now.otherwise)
        most = min(most, max(0, tranche.amount.cap_minor - theirs - sum(own)))
    if amount <= most:
        return amount
    reasons.append(_more_than_held(terms, amount, most))
    return most


def _more_than_held(terms: AmountTerms, amount: int, most: int) -> Why:
    says = f"{_text(amount, terms)} are more than the {_text(most, terms)} that are reserved"
    return why("CLAMPED", says, amount_minor=amount, most_minor=most)
