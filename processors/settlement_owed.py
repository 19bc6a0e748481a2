"""What a claim of full contract terms pays now, and what is known for it: quantities, delays,
excursions, and what other claims of the contract have taken.
"""

from collections.abc import Iterator
from decimal import Decimal

from supplytwin.processors.adjustments import Seen, days_late
from supplytwin.processors.amounts import ENDED, Claimed, Due, Money, Situation, due
from supplytwin.processors.condition_eval import Evaluation, evaluate
from supplytwin.processors.condition_facts import built
from supplytwin.processors.condition_view import Evidence
from supplytwin.processors.quantities import Delivery
from supplytwin.processors.settlement_asked import Desk, asked, tranche_of
from supplytwin.processors.settlement_state import ABSORBING, Claim
from supplytwin.schemas.amounts import PerUnit, Residual
from supplytwin.schemas.condition import Quantity, walked
from supplytwin.schemas.contract import Tranche


def owed(on: Desk, claim: Claim, evidence: Evidence, found: Evaluation) -> Due:
    """What is due of the claim by its terms, never more than is reserved for it."""
    others = [one for one in on.book.claims.values() if one.settlement_id != claim.settlement_id]
    return due(
        on.full.amounts,
        claim.tranche_id,
        Situation(
            reserved=Money(currency=claim.currency, minor=claim.amount_minor),
            deliveries=tuple(_deliveries(on, claim)),
            claimed=tuple([_claimed(one) for one in others if one.gross_minor is not None]),
            seen=_seen(on, tranche_of(on.full, claim), evidence, found),
            ended=_ended(on, claim),
        ),
    )


def _claimed(one: Claim) -> Claimed:
    assert one.gross_minor is not None
    ended = one.state in ABSORBING
    paid = one.state in ("SETTLED", "RETURNED")
    award = one.basis == "AWARD"
    return Claimed(
        claim_id=one.claim_id,
        tranche_id=one.tranche_id,
        currency=one.currency,
        gross_minor=one.gross_minor,
        bp=one.adjusted_bp,
        amount_minor=one.instructed_minor if paid or not ended else 0,
        owed_minor=one.owed_minor if award else 0 if ended and not paid else None,
    )


def _ended(on: Desk, claim: Claim) -> dict[str, str]:
    """How the other tranches have ended, once all their claims have: of several the worst end."""
    states: dict[str, list[str]] = {}
    for one in on.book.claims.values():
        if one.tranche_id != claim.tranche_id:
            states.setdefault(one.tranche_id, []).append(one.state)
    worst = ("RETURNED", "VOIDED", "EXPIRED", "SUPERSEDED", "SETTLED", "CLOSED")
    return {
        name: min(found, key=worst.index)
        for name, found in states.items()
        if ENDED.issuperset(found)
    }


# ---- quantities


def _deliveries(on: Desk, claim: Claim) -> Iterator[Delivery]:
    """The goods of the claim, and those of the claims that count before it."""
    tranche = tranche_of(on.full, claim)
    told = set[str]()
    for one in on.book.claims.values():
        theirs = tranche_of(on.full, one) if _is_listed(on, one) else None
        if theirs is None or not isinstance(theirs.amount, PerUnit):
            continue
        own = one.settlement_id == claim.settlement_id
        before = one.gross_minor is not None and one.tranche_id == claim.tranche_id
        if own or before or isinstance(tranche.amount, Residual):
            for delivery in _goods(on, one, theirs, theirs.amount):
                if delivery.id not in told:
                    told.add(delivery.id)
                    yield delivery


def _is_listed(on: Desk, claim: Claim) -> bool:
    """Whether the terms name the claim: a former version may have named others."""
    return any(
        one.tranche_id == claim.tranche_id and any(c.claim_id == claim.claim_id for c in one.claims)
        for one in on.full.tranches
    )


def _goods(on: Desk, claim: Claim, tranche: Tranche, amount: PerUnit) -> Iterator[Delivery]:
    """What counts of a PER_UNIT's line for one claim: by the measure that its condition names, else
    as the buyer accepted it.
    """
    measures = [
        leaf.measure
        for _, leaf in walked(tranche.condition)
        if isinstance(leaf, Quantity) and leaf.line == amount.line
    ]
    leaf = Quantity(
        line=amount.line,
        measure=measures[0] if measures else "ACCEPTED",
        op=">",
        value=Decimal(0),
    )
    question = asked(on, claim, leaf)
    evidence = built(on.twin, question).evidence
    seen = evaluate(leaf, evidence, question.scope).leaves[0].evidence
    counting = {name for name, how in seen if how == "counts"}
    sums: dict[str, Decimal] = {}
    for fact in evidence.of_type(leaf.measure):
        now = fact.current
        if fact.name in counting and now is not None and now.value is not None:
            sums[now.unit or ""] = sums.get(now.unit or "", Decimal(0)) + now.value
    of = f"{amount.line}|{amount.lot or ''}|{question.consignment_id or ''}|{question.lots}"
    for unit, total in sorted(sums.items()):
        if total > 0:
            yield Delivery(
                id=f"{of}|{unit}", line=amount.line, lot=amount.lot, qty=total, unit=unit
            )


# ---- what changes the amount


def _seen(on: Desk, tranche: Tranche, evidence: Evidence, found: Evaluation) -> Seen:
    """How late the last proof happened, and how long the goods were outside of their bounds; None =
    nobody knows.
    """
    late, rules = None, tranche.adjustments
    if rules.late is not None and found.matches == "TRUE":
        counting = {n for leaf in found.leaves for n, how in leaf.evidence if how == "counts"}
        times = [
            fact.current.last
            for fact in evidence.every
            if fact.name in counting and fact.current is not None
        ]
        late = days_late(rules.late.due, max(times), on.zone) if times else None
    outside = [one.current.outside_us for one in evidence.series]
    return Seen(days_late=late, excursion_us=max(outside, default=None))
