"""What the adjustments of a claim rest on: how late the goods were, how long they were outside of
their bounds.

Late is a delivery, not what somebody says of it. Of all facts that count for a condition those
decide that tell what happened to the goods: what carriers, containers and warehouses reach, and
quantities shipped or received, by the time at which it happened. What the buyer, an inspector, a
financier or an arbiter tells of it decides only where nobody else has told of any; what customs
have done only where nothing tells of the goods themselves. Acceptances, certificates, documents,
titles, approvals and times never do: a slow buyer makes no seller late. The day is the first one
by which all that the condition asks of the goods had happened, and of a quantity that is paid for
the last one on which any of it came. Nothing here looks at when a fact arrived: that is the
window's matter.

An adjustment is asked of what the condition rests on. Where that is TRUE without any delivery (or
series) it waits as long as one may still count; then it goes by what is known for sure: that none
had come by the close, and that nothing was measured outside.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.adjustments import Seen, days_late
from supplytwin.processors.condition_eval import Evaluation, evaluate
from supplytwin.processors.condition_facts_words import FREE, words_of
from supplytwin.processors.condition_view import Evidence, Exposure, Fact, Scope, Statement
from supplytwin.processors.condition_windows import asked as asked_of
from supplytwin.processors.settlement_goods import MOVED, Goods
from supplytwin.schemas.condition import BP, Condition, Milestone, Quantity, Telemetry, walked
from supplytwin.schemas.contract import Tranche
from supplytwin.schemas.lifecycles import EFFECTS
from supplytwin.schemas.localtime import days_since_epoch, local_day

JUDGES = frozenset(("BUYER", "INSPECTOR", "FINANCIER", "ARBITER"))
"""Roles whose word about a delivery is no part of it."""
_INSPECTED = frozenset(("QC_PASSED", "QC_HOLD"))
_MOVEMENTS = frozenset(
    one.milestone
    for name, effects in EFFECTS.items()
    if name.startswith(("shipment.", "wh.")) or name == "order.goods_ready"
    for one in effects
    if one.milestone is not None and one.milestone not in _INSPECTED
)
_CUSTOMS = frozenset(
    one.milestone
    for name, effects in EFFECTS.items()
    if name.startswith("customs.")
    for one in effects
    if one.milestone is not None
) | {FREE}


class Question(Struct, frozen=True, kw_only=True):
    """The condition of a claim, and what came of it."""

    tranche: Tranche
    evidence: Evidence
    scope: Scope
    found: Evaluation
    own: Goods


def seen(one: Question) -> Seen:
    """What is known for the adjustments of a claim; None of what nobody knows yet, and why."""
    rules = one.tranche.adjustments
    late: tuple[int | None, str] = (None, "")
    outside: tuple[int | None, str] = (None, "")
    if rules.late is not None:
        late = _late(one, rules.late.due)
    if rules.excursion:
        outside = _outside(one)
    return Seen(
        days_late=late[0], late_why=late[1], excursion_us=outside[0], excursion_why=outside[1]
    )


# ---- how late


def _late(one: Question, due: str) -> tuple[int | None, str]:
    """Days after `due` (YYYY-MM-DD), and what they rest on."""
    if one.found.matches != "TRUE":
        return None, ""
    delivered = _delivered(one)
    days = [_day(each, one.scope.zone) for each in one.own.told]
    if delivered is not None:
        days.append(delivered)
    if days:
        return max(0, max(days) - days_since_epoch(dt.date.fromisoformat(due))), ""
    asks = [path for path, leaf in walked(one.tranche.condition) if is_performance(leaf)]
    if not asks:
        return 0, "the condition asks for no delivery, so none is late"
    values = {leaf.path: leaf.value for leaf in one.found.leaves}
    waits = [path for path in asks if values[path] != "FALSE"]
    if waits:
        return None, f"no delivery counts yet, and one may still ({', '.join(waits)})"
    return days_late(due, one.scope.close, one.scope.zone), "no delivery had come by the close"


def is_performance(leaf: Condition) -> bool:
    """Whether a leaf asks for what happens to goods, or at customs."""
    match leaf:
        case Quantity():
            return leaf.measure in MOVED
        case Milestone():
            return any(word.code in _MOVEMENTS | _CUSTOMS for word in words_of(leaf.type))
    return False


def _delivered(one: Question) -> int | None:
    """The first day by which everything that the condition asks of the goods had happened."""
    counting = {n for leaf in one.found.leaves for n, how in leaf.evidence if how == "counts"}
    moved = [
        fact for fact in one.evidence.every if fact.name in counting and _is_of(fact, _MOVEMENTS)
    ]
    parties = [fact for fact in moved if not JUDGES.issuperset(fact.roles)]
    cleared = [
        fact for fact in one.evidence.every if fact.name in counting and _is_of(fact, _CUSTOMS)
    ]
    every = [*moved, *cleared]
    days = {id(fact): _day(fact.current, one.scope.zone) for fact in every if fact.current}
    for ruling in (parties, moved, every):
        if ruling and not _holds(one, {id(fact) for fact in ruling}):
            return next(
                day for day in sorted(set(days.values())) if _by_day(one, ruling, days, day)
            )
    return min(days.values(), default=None)


def _is_of(fact: Fact, codes: frozenset[str]) -> bool:
    now = fact.current
    if now is None:
        return False
    if now.kind == "QUANTITY":
        return codes is _MOVEMENTS and now.type in MOVED and (now.value or 0) > 0
    return now.kind == "MILESTONE" and any(word.code in codes for word in words_of(now.type))


def _by_day(one: Question, ruling: list[Fact], days: Mapping[int, int], day: int) -> bool:
    """Whether the condition holds with those of what rules that had happened by a day."""
    return _holds(one, {id(fact) for fact in ruling if days[id(fact)] > day})


def _holds(one: Question, hidden: set[int]) -> bool:
    facts = tuple([fact for fact in one.evidence.every if id(fact) not in hidden])
    found = evaluate(one.tranche.condition, replace(one.evidence, facts=facts), one.scope)
    return found.matches == "TRUE"


def _day(said: Statement, zone: str) -> int:
    """Of DAY precision its own date counts, wherever it was told."""
    return said.day if said.day is not None else local_day(said.last, zone)


# ---- how long outside


def _outside(one: Question) -> tuple[int | None, str]:
    """The longest that any series that was asked for was outside, us."""
    values = {leaf.path: leaf.value for leaf in one.found.leaves}
    series = [
        (values[path], leaf, path)
        for path, leaf in walked(one.tranche.condition)
        if isinstance(leaf, Telemetry)
    ]
    if not series:
        return 0, "the condition asks for no series, so nothing is outside"
    found = list(_measured(one, series))
    waits = [path for us, path in found if us is None]
    if waits:
        return None, f"no series counts yet, and one may still ({', '.join(waits)})"
    return max((us for us, _ in found if us is not None), default=0), ""


def _measured(
    one: Question, series: Sequence[tuple[str, Telemetry, str]]
) -> Iterator[tuple[int | None, str]]:
    """(how long outside, the path) of each series that counts; None = it may come to count."""
    is_proven = any(value == "TRUE" for value, _, _ in series)
    for value, leaf, path in series:
        question = asked_of(leaf, one.evidence, one.scope)
        answer = None if question is None else one.evidence.answer(question)
        now = Exposure() if answer is None else answer.current
        length = 0 if question is None else question.last - question.first
        is_covered = bool(length) and now.covered_us * BP >= length * leaf.min_coverage_bp
        if is_covered or (value == "FALSE" and not is_proven):
            yield now.outside_us, path
        elif not is_proven:
            yield None, path
