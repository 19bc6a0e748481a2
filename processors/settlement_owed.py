"""What a claim of full contract terms pays now, and what is known for it: quantities, delays,
excursions, and what other claims of the contract have taken.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.adjustments import Seen, adjust
from supplytwin.processors.amounts import ENDED, Claimed, Due, Money, Situation, due
from supplytwin.processors.condition_counting import Value
from supplytwin.processors.condition_eval import Evaluation
from supplytwin.processors.condition_view import Evidence
from supplytwin.processors.explained import why
from supplytwin.processors.line_worth import line_left, tranche_worth
from supplytwin.processors.quantities import Delivery, Taken
from supplytwin.processors.settlement_asked import FIXED, Desk, asked, desk, tranche_of
from supplytwin.processors.settlement_footprints import footprint
from supplytwin.processors.settlement_goods import (
    Goods,
    as_counted,
    at_most,
    each_once,
    goods,
)
from supplytwin.processors.settlement_otherwise import (
    Stake,
    accepted,
    another_price,
    another_share,
    otherwise,
)
from supplytwin.processors.settlement_performance import Question, seen
from supplytwin.processors.settlement_replaced import replaced
from supplytwin.processors.settlement_state import ABSORBING, Claim
from supplytwin.schemas.amounts import Adjustments, AmountTerms, PerUnit, Residual
from supplytwin.schemas.money import MINOR_MAX, from_minor

_NONE = Adjustments()
_PAID = ("SETTLED", "RETURNED")


class Owed(Struct, frozen=True, kw_only=True):
    """What a claim pays, and what that rests on."""

    due: Due
    goods: Value
    """Of a PER_UNIT: whether goods of its own count, or still may; else TRUE."""
    until: int | None
    """The first later tick at which time alone may make more goods count."""
    measure: str | None = None
    """By which its goods count, of a PER_UNIT."""
    points: int = 0
    """Basis points by which the verified footprint of now changes it, until it is fixed."""


def owed(on: Desk, claim: Claim, evidence: Evidence, found: Evaluation) -> Owed:
    """What is due of the claim by its terms, never more than is reserved for it."""
    own = goods(on, claim)
    if claim.state in FIXED and claim.gross_minor is not None:
        fixed = _fixed(on, claim, claim.gross_minor, own)
        return Owed(due=fixed, goods=own.value, until=own.until, measure=own.measure)
    others = _others(on, claim)
    tranche = tranche_of(on.full, claim)
    is_rest = isinstance(tranche.amount, Residual)
    splits = _splits_lots(on, claim)
    beside = [
        one
        for one in others
        if is_rest or (one.tranche_id == claim.tranche_id and (splits or _counts_before(one)))
    ]
    theirs = [goods(_desk_of(on, one), one, fixed=_counts_before(one)) for one in beside]
    moments = set[int]()
    claimed = {_name(one): one for one in _claimed(on, others, moments, rest=is_rest)}
    elsewhere = _elsewhere(on, claim, others)
    more = [goods(_desk_of(on, one), one, fixed=True) for one in elsewhere]
    terms, shown = on.full.amounts, as_counted([own, *theirs])[1:] if is_rest else theirs
    stakes = _stakes(on, beside, shown, claimed)
    apart, alike = otherwise(terms, stakes, another_price if is_rest else another_share, moments)
    kept = {_name(one.claim) for one in alike}
    gone = {_name(one.claim) for one in stakes if not is_rest} - kept
    left: int | None = None
    line = _line_of(on, claim)
    if line is not None and elsewhere:
        of_line = [one for one in stakes if one.amount is None or one.amount.line == line]
        of_line += _stakes(on, elsewhere, more, claimed)
        most = at_most([own, *theirs, *more])
        beyond = _accepted(on, [claim, *beside, *elsewhere], most, moments)
        left = _line_left(terms, line, most, of_line, beyond, moments)
    deliveries = each_once([own, *theirs])
    found_due = due(
        terms,
        claim.tranche_id,
        Situation(
            reserved=Money(currency=claim.currency, minor=claim.amount_minor),
            deliveries=deliveries,
            taken=_accepted(on, [claim, *beside], deliveries, moments),
            own=None if is_rest else own.deliveries,
            waiting=_waiting(beside, theirs),
            line_left_minor=left,
            claimed=tuple([one for name, one in claimed.items() if name not in gone]),
            otherwise=apart,
            seen=_seen(on, claim, evidence, found, own),
            ended=_ended(others, claim),
        ),
    )
    moments.update(one.until for one in [own, *theirs, *more] if one.until is not None)
    until, points = min(moments, default=None), _points(on, claim, evidence, own)
    return Owed(due=found_due, goods=own.value, until=until, measure=own.measure, points=points)


def _accepted(
    on: Desk, claims: Sequence[Claim], deliveries: Sequence[Delivery], moments: set[int]
) -> tuple[Taken, ...]:
    desks = [(_desk_of(on, one), one) for one in claims]
    return accepted(on.full.amounts, desks, deliveries, moments)


def _waiting(claims: list[Claim], owned: list[Goods]) -> frozenset[str]:
    """The goods of claims that have claimed nothing yet."""
    pairs = list(zip(claims, owned, strict=True))
    counted = {each.id for one, own in pairs if _counts_before(one) for each in own.deliveries}
    return frozenset(each.id for _, own in pairs for each in own.deliveries) - counted


def _name(one: Claim | Claimed) -> tuple[str, str]:
    return one.tranche_id, one.claim_id


def _stakes(
    on: Desk, claims: list[Claim], owned: list[Goods], claimed: Mapping[tuple[str, str], Claimed]
) -> list[Stake]:
    """Of claims that have claimed something, each with its goods."""
    return [
        Stake(
            on=_desk_of(on, one),
            claim=one,
            own=own,
            gross_minor=claimed[_name(one)].gross_minor,
        )
        for one, own in zip(claims, owned, strict=True)
        if _name(one) in claimed
    ]


def _line_left(
    terms: AmountTerms,
    line: str,
    deliveries: Sequence[Delivery],
    stakes: list[Stake],
    accepted: Sequence[Taken],
    moments: set[int],
) -> int:
    apart, alike = otherwise(terms, stakes, another_price, moments)
    gross = sum(one.gross_minor for one in alike)
    return line_left(terms, line, deliveries, gross, apart, accepted)


def _elsewhere(on: Desk, claim: Claim, others: list[Claim]) -> list[Claim]:
    """Claims of other tranches, former ones too, that have something of the line that a PER_UNIT
    pays for.
    """
    line = _line_of(on, claim)
    return [
        one
        for one in others
        if line is not None
        and one.tranche_id != claim.tranche_id
        and _counts_before(one)
        and _line_of(_desk_of(on, one), one) == line
    ]


def _splits_lots(on: Desk, claim: Claim) -> bool:
    """Whether lots that are tested each for itself may come in deliveries of several claims: then
    a lot is whole by the goods of all of them, each of which pays for its own.
    """
    line = _line_of(on, claim)
    if line is None or on.full.amounts.line(line).tolerance.basis != "LOT":
        return False
    claims = tranche_of(on.full, claim).claims
    return next(one for one in claims if one.claim_id == claim.claim_id).lot is None


def _line_of(on: Desk, claim: Claim) -> str | None:
    amount = tranche_of(on.full, claim).amount
    return amount.line if isinstance(amount, PerUnit) else None


def _fixed(on: Desk, claim: Claim, gross_minor: int, own: Goods) -> Due:
    amount = from_minor(claim.owed_minor, claim.currency)
    says = f"{amount} {claim.currency}, unconditional since the approval"
    reasons = [why("APPROVED", says, amount_minor=claim.owed_minor)]
    more = _alone(on, claim, own, MINOR_MAX) - gross_minor if own.deliveries else 0
    if more > 1:  # one may be what the floor of a claim before it had left
        late = f"{from_minor(more, claim.currency)} {claim.currency}"
        says = f"goods of {late} more came since, or beyond its hold: no claim of others pays them"
        reasons.append(why("CAME_SINCE", says, gross_minor=gross_minor, more_minor=more))
    return Due(
        verdict="DUE",
        currency=claim.currency,
        amount_minor=claim.owed_minor,
        gross_minor=gross_minor,
        bp=claim.adjusted_bp,
        reasons=tuple(reasons),
    )


def _others(on: Desk, claim: Claim) -> list[Claim]:
    """The other claims in the order of the terms, but those that an amendment has taken out, or
    put another one in the place of after they had ended.
    """
    claims = (on.book.claims[one] for one in on.book.order if one in on.book.claims)
    return [
        one
        for one in claims
        if one.settlement_id != claim.settlement_id
        and one.state != "SUPERSEDED"
        and not replaced(on.full, on.book, one)
    ]


def _desk_of(on: Desk, claim: Claim) -> Desk:
    """By the terms that a claim is under, which may be a former version."""
    return desk(on.book, claim, on.twin, on.at, on.known, on.answers)


def _counts_before(one: Claim) -> bool:
    return one.gross_minor is not None or one.basis == "AWARD" or one.state in _PAID


def _claimed(on: Desk, others: list[Claim], moments: set[int], *, rest: bool) -> Iterator[Claimed]:
    """What others have claimed. Of an award, of money that nobody had ordered, and for a residual
    of what was never paid, it is asked what it would have been: there all its goods, also those
    beyond its hold, which the residual would pay else.
    """
    for one in others:
        ended = one.state in ABSORBING
        paid = one.state in _PAID
        award = one.basis == "AWARD"
        if paid and not award:
            yield _paid(on, one, moments, rest=rest)
            continue
        gross = one.gross_minor
        if rest and (award or one.state in ("EXPIRED", "VOIDED")):
            gross = max(gross or 0, _would_be(_desk_of(on, one), one, moments, rest=True))
        elif gross is None and award:
            gross = _would_be(_desk_of(on, one), one, moments, rest=False)
        if gross is None:
            continue
        yield Claimed(
            claim_id=one.claim_id,
            tranche_id=one.tranche_id,
            currency=one.currency,
            gross_minor=gross,
            bp=one.adjusted_bp,
            amount_minor=one.instructed_minor if paid or not ended else 0,
            owed_minor=one.owed_minor if award else 0 if ended else None,
        )


def _paid(on: Desk, one: Claim, moments: set[int], *, rest: bool) -> Claimed:
    """What a paid claim has claimed: as it was when the payment was ordered, though a person held
    it since; at least what the seller got. Of money that nobody had ordered no more is owed.
    """
    found = Claimed(
        claim_id=one.claim_id,
        tranche_id=one.tranche_id,
        currency=one.currency,
        gross_minor=0,
        amount_minor=max(one.instructed_minor, one.paid_minor),
    )
    if one.gross_minor is not None:
        return replace(found, gross_minor=one.gross_minor, bp=one.adjusted_bp)
    if one.ordered_gross_minor is not None:
        return replace(found, gross_minor=one.ordered_gross_minor, bp=one.ordered_bp)
    gross = _would_be(_desk_of(on, one), one, moments, rest=rest)
    paid = one.paid_minor
    return replace(found, gross_minor=gross, amount_minor=paid, owed_minor=min(paid, gross))


def _would_be(on: Desk, claim: Claim, moments: set[int], *, rest: bool) -> int:
    """What a claim alone comes to before adjustments, minor units; for a residual without a limit
    of its hold or its tranche.
    """
    own, amount = goods(on, claim, fixed=_counts_before(claim)), tranche_of(on.full, claim).amount
    moments.update(one for one in [own.until] if one is not None)
    if rest and isinstance(amount, PerUnit):
        others = _others(on, claim) if _splits_lots(on, claim) else []
        same = [one for one in others if one.tranche_id == claim.tranche_id]
        theirs = [goods(_desk_of(on, one), one, fixed=_counts_before(one)) for one in same]
        every = each_once([own, *theirs])
        beyond = _accepted(on, [claim, *same], every, moments)
        return tranche_worth(on.full.amounts, amount, own.deliveries, every, beyond)
    beyond = _accepted(on, [claim], own.deliveries, moments)
    return _alone(on, claim, own, MINOR_MAX if rest else claim.amount_minor, beyond)


def _alone(on: Desk, claim: Claim, own: Goods, most: int, beyond: tuple[Taken, ...] = ()) -> int:
    alone = Situation(
        reserved=Money(currency=claim.currency, minor=most),
        deliveries=own.deliveries,
        taken=beyond,
    )
    return due(on.full.amounts, claim.tranche_id, alone).gross_minor


def _ended(others: list[Claim], claim: Claim) -> dict[str, str]:
    """How the other tranches have ended, once all their claims have: of several the worst end."""
    states: dict[str, list[str]] = {}
    for one in others:
        if one.tranche_id != claim.tranche_id:
            states.setdefault(one.tranche_id, []).append(one.state)
    worst = ("RETURNED", "VOIDED", "EXPIRED", "SETTLED", "CLOSED")
    return {
        name: min(found, key=worst.index)
        for name, found in states.items()
        if ENDED.issuperset(found)
    }


# ---- what changes the amount


def _points(on: Desk, claim: Claim, evidence: Evidence, own: Goods) -> int:
    """Of its footprint alone."""
    tranche = tranche_of(on.full, claim)
    if tranche.adjustments.carbon is None:
        return 0
    scope = asked(on, claim, tranche.condition).scope
    verified = footprint(tranche, evidence, own.deliveries, scope)
    return adjust(replace(_NONE, carbon=tranche.adjustments.carbon), Seen(footprint=verified)).bp


def _seen(on: Desk, claim: Claim, evidence: Evidence, found: Evaluation, own: Goods) -> Seen:
    """What the adjustments of its terms rest on."""
    tranche = tranche_of(on.full, claim)
    if tranche.adjustments == _NONE:
        return Seen()
    scope = asked(on, claim, tranche.condition).scope
    verified = footprint(tranche, evidence, own.deliveries, scope)
    if tranche.adjustments.late is None and not tranche.adjustments.excursion:
        return Seen(footprint=verified)
    asking = Question(tranche=tranche, evidence=evidence, scope=scope, found=found, own=own)
    return replace(seen(asking), footprint=verified)
