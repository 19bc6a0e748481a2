"""Leaves that facts and people make true: milestones, quantities, measured values, documents,
titles, approvals; each at one tick, with why, what would make it TRUE and by when.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from supplytwin.processors.condition_counting import (
    Outcome,
    Witness,
    against,
    attested,
    least,
    settled,
    supporting,
    whether,
)
from supplytwin.processors.condition_view import (
    Assent,
    Evidence,
    Fact,
    Ordered,
    Scope,
    Statement,
    Told,
    due,
    said,
)
from supplytwin.schemas.condition import (
    BP,
    CARBON_ASSURANCE,
    EVIDENCE_ASSURANCE,
    Approval,
    Asset,
    Carbon,
    Document,
    Milestone,
    Quality,
    Quantity,
    micros,
)
from supplytwin.schemas.decimal_text import plain

Stated = Quality | Carbon | Document | Asset
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
}
_EXACT = Context(prec=400)
"""Sums of the numbers of documents have no more digits; it only serves to show them."""


def _reaches(scale: tuple[str, ...], has: str | None, wanted: str) -> bool:
    """Whether an assurance is at least another one; one that is not known is none."""
    return has in scale and scale.index(has) >= scale.index(wanted)


def _whom(roles: tuple[str, ...], k: int) -> str:
    """Who has to say it, in words."""
    if k == 1:
        return " or ".join(roles)
    return f"{k} organisations, each in another role of {', '.join(roles)}"


# ---- what was reached, and who agrees


def milestone(leaf: Milestone, evidence: Evidence, scope: Scope) -> Outcome:
    """TRUE when k organisations, each in another role, tell it of one subject."""

    def fits(fact: Fact, one: Statement) -> Told:
        return whether(
            one.kind == "MILESTONE"
            and one.type == leaf.type
            and not set(fact.roles).isdisjoint(leaf.by.roles)
            and leaf.subject in (None, one.subject)
            and leaf.place in (None, one.place)
            and (
                leaf.min_assurance is None
                or _reaches(EVIDENCE_ASSURANCE, one.assurance, leaf.min_assurance)
            )
        )

    limits = due(scope, leaf.before)
    found = tuple(supporting(evidence.of_type(leaf.type), fits, limits, scope))
    counted = [
        (one.present.subject, one.fact) for one in found if one.counts and one.present is not None
    ]
    possible = [(one.subject, witness.fact) for witness in found for one in witness.ever]
    most = _most(counted, leaf.by.roles)
    what = leaf.type + (f" of {leaf.subject}" if leaf.subject else "")
    what += f" at {leaf.place}" if leaf.place else ""
    return settled(
        scope,
        limits.close,
        true=most >= leaf.by.k,
        possible=_most(possible, leaf.by.roles) >= leaf.by.k,
        witnesses=found,
        why=f"{what} is told by {most} of {leaf.by.k}",
        needs=f"{what} from {_whom(leaf.by.roles, leaf.by.k)}",
    )


def _most(told: Iterable[tuple[str, Fact]], roles: tuple[str, ...]) -> int:
    """How many organisations tell it at most of one subject, each in another of the roles."""
    by_subject: dict[str, set[tuple[str, str]]] = {}
    for subject, fact in told:
        pairs = {(fact.organisation, role) for role in fact.roles if role in roles}
        by_subject.setdefault(subject, set()).update(pairs)
    return max((attested(pairs) for pairs in by_subject.values()), default=0)


def approval(leaf: Approval, evidence: Evidence, scope: Scope) -> Outcome:
    """TRUE when k organisations agreed, each in another role. An act has no grace: it happens when
    it arrives.
    """
    close = scope.long_stop
    if leaf.deadline is not None:
        close = min(close, micros(leaf.deadline))
    found: list[Assent] = [
        one for one in evidence.agreed if one.role in leaf.roles and one.at <= close
    ]
    most = attested((one.organisation, one.role) for one in found)
    return settled(
        scope,
        close,
        true=most >= leaf.k,
        possible=False,
        witnesses=(),
        why=f"{most} of {leaf.k} approve",
        needs=f"approval of {_whom(leaf.roles, leaf.k)}",
        others=tuple((one.review_id, said(one)) for one in found),
    )


# ---- how much


def quantity(leaf: Quantity, evidence: Evidence, scope: Scope) -> Outcome:
    """TRUE when what counts, less all that was taken back, is enough. What was taken back has no
    deadline.
    """
    ordered = next((one for one in scope.lines if one.line == leaf.line), None)
    wanted = None if ordered is None else _goal(leaf, ordered)

    def about(one: Statement) -> bool:
        same = one.kind == "QUANTITY" and one.type == leaf.measure and one.subject == leaf.line
        return same and one.value is not None

    def in_unit(one: Statement) -> bool:
        return ordered is not None and one.unit == ordered.unit

    def fits(_: Fact, one: Statement) -> Told:
        return whether(about(one) and in_unit(one) and (one.value or 0) > 0)

    def takes_back(_: Fact, one: Statement) -> Told:
        return whether(about(one) and (one.value or 0) < 0)

    limits = due(scope)
    known = evidence.of_type(leaf.measure)
    found = tuple(supporting(known, fits, limits, scope))
    taken = tuple(against(known, takes_back))
    is_clear = all(in_unit(one) for each in taken for one in each.may)
    stands = [one for each in taken if each.how == "contrary" for one in each.may]
    net = _total(one.present for one in found if one.counts)
    net += _total(min(each.may, key=_value) for each in taken)
    possible = _total(max(each.ever, key=_value) for each in found)
    possible += _total(one for one in stands if in_unit(one))
    enough = _COMPARE[leaf.op]
    unit = ordered.unit if ordered is not None else "units (the terms have no such line)"
    goal = "what was ordered" if wanted is None else _shown(wanted)
    return settled(
        scope,
        limits.close,
        true=wanted is not None and is_clear and enough(net, wanted),
        possible=wanted is None or enough(possible, wanted),
        witnesses=(*found, *taken),
        why=f"{_shown(net)} {unit} of line {leaf.line} are {leaf.measure}",
        needs=f"{leaf.op} {goal} {unit} of line {leaf.line} {leaf.measure}",
        otherwise="REVIVABLE" if wanted is not None and is_clear else "UNSURE",
    )


def _goal(leaf: Quantity, ordered: Ordered) -> Fraction:
    if leaf.value is not None:
        return Fraction(leaf.value)
    return Fraction(ordered.qty) * (leaf.pct_of_ordered_bp or 0) / BP


def _total(statements: Iterable[Statement | None]) -> Fraction:
    return sum(map(_value, statements), Fraction(0))


def _value(one: Statement | None) -> Fraction:
    return Fraction(0) if one is None or one.value is None else Fraction(one.value)


def _shown(number: Fraction) -> str:
    """Digits where it has an end; sums and basis points of decimals have one."""
    top, bottom = Decimal(number.numerator), Decimal(number.denominator)
    return plain(_EXACT.divide(top, bottom))


# ---- what was said last


def last_word(leaf: Stated, evidence: Evidence, scope: Scope) -> Outcome:
    """TRUE when what was said in time of some one thing is what is wanted, and nothing that is not
    surely earlier says otherwise of the same thing. What says otherwise has no deadline.

    A footprint is asked for until the claim is fixed; from then on it is enough that one was
    verified: another one is of later payments.
    """
    now = _last_word(leaf, evidence, scope)
    if not scope.fixed or not isinstance(leaf, Carbon) or now.value == "TRUE":
        return now
    return _last_word(leaf, evidence, scope, once=leaf.assurance)


def _last_word(leaf: Stated, evidence: Evidence, scope: Scope, once: str | None = None) -> Outcome:
    def fits(fact: Fact, one: Statement) -> Told:
        if once is not None and one.kind == "VERIFIED" and one.type == _type(leaf):
            return whether(_reaches(CARBON_ASSURANCE, one.assurance, once))
        return _wanted(leaf, one) if _is_about(leaf, fact, one) else "NO"

    def speaks(fact: Fact, one: Statement) -> Told:
        if once is not None:
            return "NO"
        return whether(_is_about(leaf, fact, one) and _wanted(leaf, one) == "NO")

    limits = due(scope)
    known = evidence.of_type(_type(leaf))
    found = tuple(supporting(known, fits, limits, scope))
    wishes = [one for each in found for one in each.ever]
    contrary = tuple(
        each for each in against(known, speaks) if any(_overrules(each, one) for one in wishes)
    )
    standing = [
        one.present
        for one in found
        if one.counts and one.present is not None
        if not any(_overrules(each, one.present) for each in contrary)
    ]
    what, wanted = _words(leaf)
    seen = sorted({one.subject or "-" for one in standing})
    why = f"{what} is {wanted}: {', '.join(seen)}" if standing else f"no {what} is {wanted}"
    if found and not standing:
        why = f"{what} was {wanted}, which does not stand now"
    return settled(
        scope,
        limits.close,
        true=bool(standing),
        possible=bool(found),
        witnesses=(*found, *contrary),
        why=why,
        needs=f"{what} {wanted}",
    )


def _type(leaf: Stated) -> str:
    """The type of the facts that it is about."""
    match leaf:
        case Quality():
            return leaf.test
        case Document():
            return leaf.type
        case Asset():
            return leaf.kind
        case Carbon():
            return leaf.measure


def _is_about(leaf: Stated, fact: Fact, one: Statement) -> bool:
    if one.type != _type(leaf):
        return False
    match leaf:
        case Quality():
            return one.kind == "QUALITY" and leaf.certificate_role in fact.roles
        case Document():
            return one.kind == "DOCUMENT" and leaf.issuer_role in fact.roles
        case Asset():
            return one.kind == "ASSET"
        case Carbon():
            is_kind = one.kind == "CARBON"
            return is_kind and _reaches(CARBON_ASSURANCE, one.assurance, leaf.assurance)


def _wanted(leaf: Stated, one: Statement) -> Told:
    """Whether a statement about the leaf's thing is what it wants. Another unit is not."""
    match leaf:
        case Document():
            unique: Told = "PERHAPS" if one.unique is None else whether(one.unique)
            return least(whether(one.state == leaf.state), unique)
        case Asset():
            return whether(one.state == leaf.state and one.controller == leaf.controller_role)
        case Quality() | Carbon():
            if one.value is None or one.unit != leaf.unit:
                return "NO"
            return whether(_COMPARE[leaf.op](one.value, leaf.value))


def _overrules(contrary: Witness, one: Statement) -> bool:
    """Whether it says otherwise of the same thing and is not surely earlier."""
    return any(
        each.subject == one.subject and each.last + each.grain_us >= one.first
        for each in contrary.may
    )


def _words(leaf: Stated) -> tuple[str, str]:
    """(what it is about, what is wanted)."""
    match leaf:
        case Quality():
            test = f"{leaf.test} by {leaf.certificate_role}"
            return test, f"{leaf.op} {plain(leaf.value)} {leaf.unit}"
        case Carbon():
            return f"{leaf.assurance} {leaf.measure}", f"{leaf.op} {plain(leaf.value)} {leaf.unit}"
        case Document():
            return f"{leaf.type} by {leaf.issuer_role}", f"{leaf.state} and on no other contract"
        case Asset():
            return leaf.kind, f"{leaf.state} under {leaf.controller_role}"
