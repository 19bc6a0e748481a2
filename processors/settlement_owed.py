"""What a claim of full contract terms pays now, and what is known for it: quantities, delays,
excursions, and what other claims of the contract have taken.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.adjustments import Seen, days_late
from supplytwin.processors.amounts import ENDED, Claimed, Due, Money, Situation, due
from supplytwin.processors.condition_counting import Value
from supplytwin.processors.condition_eval import Evaluation
from supplytwin.processors.condition_view import Evidence, Statement
from supplytwin.processors.explained import why
from supplytwin.processors.quantities import Delivery
from supplytwin.processors.settlement_asked import Desk, asked, desk, tranche_of
from supplytwin.processors.settlement_state import ABSORBING, LIVE, Claim
from supplytwin.schemas.amounts import PerUnit, Residual
from supplytwin.schemas.condition import Quantity, walked
from supplytwin.schemas.contract import Tranche
from supplytwin.schemas.localtime import days_since_epoch

FIXED = ("APPROVED", *LIVE, "CANCEL_PENDING", "SETTLED", "RETURNED")
"""Where the amount of a claim is unconditional: what becomes of other claims does not change it."""


class Owed(Struct, frozen=True, kw_only=True):
    """What a claim pays, and what that rests on."""

    due: Due
    goods: Value
    """Of a PER_UNIT: whether goods of its own count, or still may; else TRUE."""
    until: int | None
    """The first later tick at which time alone may make more goods count."""


class _Goods(Struct, frozen=True, kw_only=True):
    """What counts of a line for one claim."""

    deliveries: tuple[Delivery, ...] = ()
    value: Value = "TRUE"
    until: int | None = None


def owed(on: Desk, claim: Claim, evidence: Evidence, found: Evaluation) -> Owed:
    """What is due of the claim by its terms, never more than is reserved for it."""
    own = _goods(on, claim)
    if claim.state in FIXED and claim.gross_minor is not None:
        return Owed(due=_fixed(claim, claim.gross_minor), goods=own.value, until=own.until)
    others = _others(on, claim)
    tranche = tranche_of(on.full, claim)
    is_rest = isinstance(tranche.amount, Residual)
    counted = [
        own,
        *[
            _goods(_desk_of(on, one), one)
            for one in others
            if is_rest or (one.tranche_id == claim.tranche_id and _counts_before(one))
        ],
    ]
    found_due = due(
        on.full.amounts,
        claim.tranche_id,
        Situation(
            reserved=Money(currency=claim.currency, minor=claim.amount_minor),
            deliveries=_each_once(counted),
            claimed=tuple(_claimed(on, others, rest=is_rest)),
            seen=_seen(on, tranche, evidence, found),
            ended=_ended(others, claim),
        ),
    )
    moments = [one.until for one in counted if one.until is not None]
    return Owed(due=found_due, goods=own.value, until=min(moments, default=None))


def _fixed(claim: Claim, gross_minor: int) -> Due:
    says = f"{claim.owed_minor} minor units, unconditional since the approval"
    return Due(
        verdict="DUE",
        currency=claim.currency,
        amount_minor=claim.owed_minor,
        gross_minor=gross_minor,
        bp=claim.adjusted_bp,
        reasons=(why("APPROVED", says, amount_minor=claim.owed_minor),),
    )


def _others(on: Desk, claim: Claim) -> list[Claim]:
    """The other claims in the order of the terms, but those that an amendment has taken out."""
    claims = (on.book.claims[one] for one in on.book.order if one in on.book.claims)
    return [
        one
        for one in claims
        if one.settlement_id != claim.settlement_id and one.state != "SUPERSEDED"
    ]


def _desk_of(on: Desk, claim: Claim) -> Desk:
    """By the terms that a claim is under, which may be a former version."""
    return desk(on.book, claim, on.twin, on.at, on.known, on.answers)


def _counts_before(one: Claim) -> bool:
    return one.gross_minor is not None or one.basis == "AWARD"


def _claimed(on: Desk, others: list[Claim], *, rest: bool) -> Iterator[Claimed]:
    """What others have claimed. Of an award, and for a residual of what was never paid, it is asked
    what it would have been.
    """
    for one in others:
        ended = one.state in ABSORBING
        paid = one.state in ("SETTLED", "RETURNED")
        award = one.basis == "AWARD"
        gross = one.gross_minor
        if gross is None and (award or (rest and one.state in ("EXPIRED", "VOIDED"))):
            gross = _would_be(_desk_of(on, one), one)
        if gross is None:
            continue
        yield Claimed(
            claim_id=one.claim_id,
            tranche_id=one.tranche_id,
            currency=one.currency,
            gross_minor=gross,
            bp=one.adjusted_bp,
            amount_minor=one.instructed_minor if paid or not ended else 0,
            owed_minor=one.owed_minor if award else 0 if ended and not paid else None,
        )


def _would_be(on: Desk, claim: Claim) -> int:
    """What a claim alone comes to before adjustments, minor units."""
    alone = Situation(
        reserved=Money(currency=claim.currency, minor=claim.amount_minor),
        deliveries=_goods(on, claim).deliveries,
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


# ---- quantities


def _each_once(counted: Iterable[_Goods]) -> tuple[Delivery, ...]:
    """Goods that several tranches pay for once: as the tranche counts them that counts least."""
    least: dict[str, Delivery] = {}
    for one in (delivery for goods in counted for delivery in goods.deliveries):
        known = least.get(one.id)
        if known is None or one.qty < known.qty:
            least[one.id] = one
    return tuple(least.values())


def _goods(on: Desk, claim: Claim) -> _Goods:
    """What counts of a PER_UNIT's line for one claim: by the measure that its condition names, else
    as the buyer accepted it.
    """
    tranche = tranche_of(on.full, claim)
    amount = tranche.amount
    if not isinstance(amount, PerUnit):
        return _Goods()
    named = [
        one
        for _, one in walked(tranche.condition)
        if isinstance(one, Quantity) and one.line == amount.line
    ]
    leaf = Quantity(
        line=amount.line,
        measure=named[0].measure if named else "ACCEPTED",
        op=">",
        value=Decimal(0),
    )
    question = asked(on, claim, leaf)
    made = on.answers.built(question)
    evidence = made.evidence
    found = on.answers.evaluated(question, made)
    counting = {name for name, how in found.leaves[0].evidence if how == "counts"}
    sums: dict[str, Decimal] = {}
    for fact in evidence.of_type(leaf.measure):
        now = fact.current
        if fact.name in counting and now is not None and now.value is not None:
            sums[now.unit or ""] = sums.get(now.unit or "", Decimal(0)) + now.value
    of = f"{amount.line}|{amount.lot or ''}|{question.consignment_id or ''}|{question.lots}"
    return _Goods(
        deliveries=tuple(
            [
                Delivery(id=f"{of}|{unit}", line=amount.line, lot=amount.lot, qty=total, unit=unit)
                for unit, total in sorted(sums.items())
                if total > 0
            ]
        ),
        value=found.value,
        until=made.until,
    )


# ---- what changes the amount


def _seen(on: Desk, tranche: Tranche, evidence: Evidence, found: Evaluation) -> Seen:
    """How late the last proof happened, and how long the goods were outside of their bounds; None =
    nobody knows.
    """
    late, rules = None, tranche.adjustments
    if rules.late is not None and found.matches == "TRUE":
        counting = {n for leaf in found.leaves for n, how in leaf.evidence if how == "counts"}
        days = [
            _days_late(rules.late.due, fact.current, on.zone)
            for fact in evidence.every
            if fact.name in counting and fact.current is not None
        ]
        late = max(days, default=None)
    outside = [one.current.outside_us for one in evidence.series]
    return Seen(days_late=late, excursion_us=max(outside, default=None))


def _days_late(due_day: str, one: Statement, zone: str) -> int:
    """Of DAY precision its own date counts, wherever it was told."""
    if one.day is not None:
        return max(0, one.day - days_since_epoch(dt.date.fromisoformat(due_day)))
    return days_late(due_day, one.last, zone)
