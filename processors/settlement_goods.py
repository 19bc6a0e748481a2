"""Which goods are whose: what counts of a PER_UNIT's line for one claim, each unit in one claim.

A claim pays for its own goods alone. What was fixed before stays what it was: goods that come of a
paid claim later, or are corrected upward, are paid by no other claim of its tranche, only by the
RESIDUAL, which is what is owed of the whole contract.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.condition_counting import Value
from supplytwin.processors.condition_eval import true_paths
from supplytwin.processors.condition_facts_gone import LOST
from supplytwin.processors.condition_facts_goods import in_unit
from supplytwin.processors.condition_leaves import quantity
from supplytwin.processors.condition_view import Fact, Statement
from supplytwin.processors.facts import Identity
from supplytwin.processors.lots import lot_named
from supplytwin.processors.quantities import Delivery, Taken
from supplytwin.processors.settlement_asked import FIXED, Desk, asked, tranche_of
from supplytwin.processors.settlement_state import Claim
from supplytwin.processors.settlement_wakes import wakes
from supplytwin.processors.standing import EXACT
from supplytwin.schemas.amounts import AmountTerms, PerUnit
from supplytwin.schemas.condition import AnyOf, AtLeast, Condition, Quantity, children
from supplytwin.schemas.contract import Tranche

Measure = Literal["SHIPPED", "RECEIVED", "ACCEPTED"]
_ORDER: tuple[Measure, ...] = ("RECEIVED", "ACCEPTED", "SHIPPED")
"""Of two measures of as much goods the first one counts."""
_JOINED = "+"
MOVED = ("SHIPPED", "RECEIVED")
"""Measures of goods that were moved, not of what the buyer says of them."""
_ZERO = Decimal(0)


class Goods(Struct, frozen=True, kw_only=True):
    """What counts of a line for one claim."""

    tranche_id: str = ""
    group: str = ""
    """The line and the consignment: goods of another group are other goods."""
    deliveries: tuple[Delivery, ...] = ()
    """One for each report that counts, less what was taken back of it."""
    told: tuple[Statement, ...] = ()
    """What those reports say, of goods that carriers and warehouses tell of."""
    value: Value = "TRUE"
    """Whether any counts; FALSE = none ever will."""
    until: int | None = None
    """The first later tick at which time alone may make more count."""
    measure: str | None = None
    """By which they were counted; several are joined by `+`, the least of them counts."""


NO_GOODS = Goods()
"""Of a tranche that pays for no quantity."""


def goods(on: Desk, claim: Claim, *, fixed: bool = False) -> Goods:
    """What counts of a PER_UNIT's line for one claim: by the measure that its condition names, else
    as the buyer accepted it; of several measures by the one by which it is least. Of a claim that
    is `fixed` stock that was lost is not missing: what the buyer keeps badly lowers no other claim;
    and it counts by the measures by which it was decided.
    """
    tranche = tranche_of(on.full, claim)
    amount = tranche.amount
    if not isinstance(amount, PerUnit):
        return NO_GOODS
    measures, changes = _kept(claim) if fixed or claim.state in FIXED else [], None
    if not measures:
        measures, changes = _measures(on, claim, tranche, amount)
    found = [_measured(on, claim, amount, measure, fixed=fixed) for measure in measures]
    least = min(found, key=lambda one: _sum(on, one))
    moved = next((one.told for one in (least, *found) if one.told), ())
    moments = {changes, *(one.until for one in found)} - {None}
    until = min(filter(None, moments), default=None)
    return replace(least, told=moved, until=until, measure=_JOINED.join(measures))


def _kept(claim: Claim) -> list[Measure]:
    """The measures by which its goods were counted when its amount was found; [] = none was."""
    known = claim.ordered_measure if claim.gross_minor is None else claim.measure
    names = (known or "").split(_JOINED)
    return [one for one in _ORDER if one in names]


def _measures(
    on: Desk, claim: Claim, tranche: Tranche, amount: PerUnit
) -> tuple[list[Measure], int | None]:
    """Those of the quantities of its line that its condition names, in a fixed order; a branch of
    an `any` that is not TRUE takes nothing away where another one is. An approval that is needed is
    taken as given: the amount is what is to be approved. And the first later tick at which time
    alone may change that.
    """
    every, changes = _named(tranche.condition, amount.line, "$", frozenset()), None
    if len(every) > 1:
        question = asked(on, claim, tranche.condition)
        made = on.answers.built(question)
        found = on.answers.evaluated(question, made)
        true = true_paths(tranche.condition, found)
        every = _named(tranche.condition, amount.line, "$", true) or every
        changes = wakes(tranche, question.scope, {made.until}, made, found)
    return sorted(every, key=_ORDER.index) or ["ACCEPTED"], changes


def _named(node: Condition, line: str, path: str, true: Set[str]) -> set[Measure]:
    """The measures of a line that a condition names, without branches that it can do without."""
    if isinstance(node, Quantity):
        return {node.measure} if node.line == line else set()
    below = list(children(node, path))
    if isinstance(node, AnyOf | AtLeast):
        below = [one for one in below if one[0] in true] or below
    return {measure for where, one in below for measure in _named(one, line, where, true)}


def _sum(on: Desk, one: Goods) -> Decimal:
    """Of all goods in the unit of their line; of what cannot be converted nothing is known."""
    total = _ZERO
    for each in one.deliveries:
        line = next(known for known in on.full.lines if known.line == each.line)
        qty, unit = in_unit(each.qty, each.unit, line.unit)
        if unit != line.unit:
            return Decimal(-1)
        total = EXACT.add(total, qty)
    return total


def _measured(on: Desk, claim: Claim, amount: PerUnit, measure: Measure, *, fixed: bool) -> Goods:
    """What counts for one claim by one measure."""
    tranche = tranche_of(on.full, claim)
    leaf = Quantity(line=amount.line, measure=measure, op=">", value=_ZERO)
    question = asked(on, claim, leaf)
    if amount.lot is not None:
        question = replace(question, lots=(amount.lot,))
    made = on.answers.built(question)
    found = quantity(leaf, made.evidence, question.scope)
    more, less = list[_Part](), list[_Part]()
    for one in found.witnesses:
        if one.counts and one.present is not None:
            more.append(_part(on, one.fact, one.present))
        elif one.how in ("contrary", "in doubt") and not (fixed and LOST in one.fact.about):
            less.append(_part(on, one.fact, min(one.may, key=_value)))
    elsewhere = _lots_of_others(tranche, claim) if not question.lots else frozenset()
    left = [one for one in _without(more, less) if one.qty > 0 and one.lot not in elsewhere]
    return Goods(
        tranche_id=tranche.tranche_id,
        group=f"{amount.line}|{question.consignment_id or ''}",
        deliveries=tuple(
            [
                Delivery(id=one.name, line=amount.line, lot=one.lot, qty=one.qty, unit=one.unit)
                for one in left
            ]
        ),
        told=tuple([one.said for one in left if leaf.measure in MOVED]),
        value=found.value,
        until=made.until,
    )


def _lots_of_others(tranche: Tranche, claim: Claim) -> frozenset[str]:
    """The lots that other claims of the tranche name: a claim of no lot is of what is left."""
    own = next(one for one in tranche.claims if one.claim_id == claim.claim_id)
    return frozenset(
        one.lot
        for one in tranche.claims
        if one.lot is not None and one.consignment_id == own.consignment_id
    )


def taken(
    terms: AmountTerms, claims: Iterable[tuple[Desk, Claim]], moments: set[int]
) -> tuple[Taken, ...]:
    """Up to where the buyer has accepted what came for these claims, of each line or, where its
    tolerance is of lots, of each lot: more than was ordered is payable as far as that. By the lines
    of these terms: what cannot be told in their units is left out. To `moments` the later ticks are
    added at which time alone may change it.
    """
    lines = {one.line: one for one in terms.lines}
    once: dict[str, Delivery] = {}
    sums: dict[tuple[str, str | None], Decimal] = {}
    for on, claim in claims:
        amount = tranche_of(on.full, claim).amount
        line = lines.get(amount.line) if isinstance(amount, PerUnit) else None
        if not isinstance(amount, PerUnit) or line is None:
            continue
        found = _measured(on, claim, amount, "ACCEPTED", fixed=False)
        moments.update(one for one in [found.until] if one is not None)
        for one in found.deliveries:
            qty, unit = in_unit(one.qty, one.unit, line.unit)
            if unit == line.unit and once.setdefault(one.id, one) is one:
                key = line.line, one.lot if line.tolerance.basis == "LOT" else None
                sums[key] = EXACT.add(sums.get(key, _ZERO), qty)
    return tuple(
        [
            Taken(line=line, lot=lot, up_to=total)
            for (line, lot), total in sorted(
                sums.items(), key=lambda one: (one[0][0], one[0][1] or "")
            )
        ]
    )


# ---- what was taken back


class _Part(Struct, frozen=True, kw_only=True):
    """What one fact brings or takes."""

    name: str
    lot: str | None
    qty: Decimal
    """Not negative."""
    unit: str
    said: Statement


def _part(on: Desk, fact: Fact, said: Statement) -> _Part:
    return _Part(
        name=f"{fact.name} {fact.about}",
        lot=_lot(on, fact),
        qty=abs(_value(said)),
        unit=said.unit or "",
        said=said,
    )


def _value(one: Statement) -> Decimal:
    return one.value or _ZERO


def _lot(on: Desk, fact: Fact) -> str | None:
    """The lot that all versions of a fact name."""
    slot = on.twin.facts.slots.get(Identity(*fact.identity))
    if slot is None:
        return None
    if slot.effective is not None:
        return lot_named(slot.effective.event)
    lots = {lot_named(one) for each in slot.disputed for one in each.contents}
    return lots.pop() if len(lots) == 1 else None


def _without(more: list[_Part], less: list[_Part]) -> list[_Part]:
    """What is left of each: what is taken back is taken from its own lot first."""
    left, rests = [one.qty for one in more], [one.qty for one in less]
    for is_own in (True, False):
        for number, gone in enumerate(less):
            for at, one in enumerate(more):
                if (one.lot == gone.lot) is is_own:
                    off = min(rests[number], left[at])
                    left[at] = EXACT.subtract(left[at], off)
                    rests[number] = EXACT.subtract(rests[number], off)
    return [replace(one, qty=qty) for one, qty in zip(more, left, strict=True)]


# ---- together


def each_once(counted: Iterable[Goods]) -> tuple[Delivery, ...]:
    """The goods of several claims, each once; those that several tranches pay a share of as the one
    counts them that counts least.
    """
    by_tranche = _by_tranche(counted)
    if len(by_tranche) == 1:
        return tuple([delivery for known in by_tranche.values() for _, delivery in known.values()])
    return _chosen(by_tranche, lambda one, other: one.qty < other.qty)


def at_most(counted: Iterable[Goods]) -> tuple[Delivery, ...]:
    """The same as the tranche counts them that counts most."""
    return _chosen(_by_tranche(counted), lambda one, other: one.qty > other.qty)


def as_counted(counted: Sequence[Goods]) -> list[Goods]:
    """Each with its goods as all together count them once."""
    once = {one.id: one for one in each_once(counted)}
    told = [(one.group, each) for one in counted for each in one.deliveries]
    whole = {group for group, one in told if one.lot is None}
    found = list[Goods]()
    for one in counted:
        names = [each.id for each in one.deliveries]
        sums = _summed([(one.group, each) for each in one.deliveries], whole)
        names += [each.id for each in sums]
        own = tuple([once[name] for name in names if name in once])
        found.append(replace(one, deliveries=own))
    return found


_Known = dict[str, tuple[str, Delivery]]
"""Report -> (its group, what it brings)."""


def _by_tranche(counted: Iterable[Goods]) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    for one in counted:
        known = found.setdefault(one.tranche_id, {})
        for delivery in one.deliveries:
            known.setdefault(delivery.id, (one.group, delivery))
    return found


def _chosen(
    by_tranche: dict[str, _Known], better: Callable[[Delivery, Delivery], bool]
) -> tuple[Delivery, ...]:
    chosen: dict[str, Delivery] = {}
    told = [pair for known in by_tranche.values() for pair in known.values()]
    whole = {group for group, one in told if one.lot is None}
    for known in by_tranche.values():
        for summed in _summed(known.values(), whole):
            before = chosen.get(summed.id)
            if before is None or better(summed, before):
                chosen[summed.id] = summed
    return tuple(chosen.values())


def _summed(known: Iterable[tuple[str, Delivery]], whole: Set[str]) -> Iterable[Delivery]:
    """What a tranche counts, by consignment and lot; of a `whole` group, which any tranche counts
    without lots, as one: its goods are those of the lots.
    """
    sums: dict[str, Delivery] = {}
    for group, one in known:
        lot = None if group in whole else one.lot
        name = f"{group}|{lot or ''}|{one.unit}"
        before = sums.get(name)
        qty = one.qty if before is None else EXACT.add(before.qty, one.qty)
        sums[name] = replace(one, id=name, lot=lot, qty=qty)
    return sums.values()
