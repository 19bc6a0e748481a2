"""Whether anything can ever answer what a contract asks: for the goods that each of its claims is
of, by the events that there are and the people whom it names; and whether an amount that depends on
the evidence can always be fixed.

Nothing here looks at a fact. What is found would leave a payment waiting until the long stop.
"""

from collections.abc import Callable, Iterator
from typing import assert_never

from msgspec import Struct

from supplytwin.processors.condition_facts_asked import MEASURED_BY
from supplytwin.processors.condition_facts_papers import INVOICE, LOCKED, PRESENTED
from supplytwin.processors.condition_facts_words import (
    REGIMES,
    TITLE_KIND,
    VERIFIER,
    Word,
    machines_of,
    unanswered,
    words_of,
)
from supplytwin.schemas.amounts import Line, PerUnit
from supplytwin.schemas.condition import (
    BP,
    Absent,
    All,
    Anchor,
    AnyOf,
    Approval,
    Asset,
    AtLeast,
    Carbon,
    Condition,
    Document,
    Milestone,
    Quality,
    Quantity,
    Telemetry,
    Time,
    When,
    operator,
    walked,
)
from supplytwin.schemas.contract import Claim, ContractTerms, Tranche
from supplytwin.schemas.contract_codes import problem
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.findings import Finding
from supplytwin.schemas.lifecycles import EFFECTS
from supplytwin.schemas.machines import CONSIGNMENT, DECLARATION, LINE, LOT, TRIP

_MILESTONE = "MILESTONE:"
_CUSTOMS, _DUTY = "CUSTOMS", "DUTY_DUE"
_CANCELLED = "CANCELLED"
"""Of a declaration it ends all that the declaration has told."""
_TITLES = ("ISSUED", "PLEDGED", "TRANSFERRED", "CANCELLED")
_DECLARED = tuple(
    sorted(
        {
            one.to
            for effects in EFFECTS.values()
            for one in effects
            if one.machine == DECLARATION and one.to is not None
        }
    )
)
"""In which states a title, a declaration can be told."""
_LEFT_OUT = "ask for something else, docs/conditions.md has what events tell"
_DATED = (Milestone, Quantity, Document, Asset)
"""Leaves that are TRUE by facts that happened at a time."""


def problems(terms: ContractTerms) -> Iterator[Finding]:
    """What can never be answered, each at its place once, whichever claims it is of."""
    said = set[tuple[str, str]]()
    for at, tranche in enumerate(terms.tranches):
        path = f"$.tranches[{at}]"
        for claim in tranche.claims:
            for one in _of_claim(_Unit(terms=terms, tranche=tranche, claim=claim), path):
                if (one.path, one.code) not in said:
                    said.add((one.path, one.code))
                    yield one
        yield from _amount(tranche, path)


class _Unit(Struct, frozen=True, kw_only=True):
    """What one claim is of."""

    terms: ContractTerms
    tranche: Tranche
    claim: Claim

    @property
    def name(self) -> str:
        return f"{self.tranche.tranche_id}, claim {self.claim.claim_id}"

    @property
    def lines(self) -> tuple[str, ...]:
        return self.claim.lines or tuple([one.line for one in self.terms.lines])

    @property
    def is_crowded(self) -> bool:
        """Of no consignment, where others are of theirs: what is told of a line is one of those."""
        claims = (claim for one in self.terms.tranches for claim in one.claims)
        return self.claim.consignment_id is None and any(one.consignment_id for one in claims)

    def has(self, *roles: str) -> bool:
        """Whether anybody speaks in one of these roles."""
        return any(one.role in roles for one in self.terms.attesters)

    def never(self, path: str, says: str) -> Finding:
        return problem(path, "NEVER_TRUE", f"{self.name}: {says}")

    def untold(self, path: str, says: str) -> Finding:
        return problem(path, "UNTOLD", f"{self.name}: {says}")


def _of_claim(unit: _Unit, path: str) -> Iterator[Finding]:
    silent = {one.path[1:]: one.says for one in unanswered(unit.tranche.condition)}
    for where, node in walked(unit.tranche.condition):
        at = f"{path}.condition{where[1:]}"
        if where[1:] in silent:
            says = f"{silent[where[1:]]}: {_instead(node)}"
            yield unit.never(f"{at}.{operator(node)}", says)
        else:
            yield from _leaf(unit, node, at)
    amount = unit.tranche.amount
    named = [
        node
        for _, node in walked(unit.tranche.condition)
        if isinstance(node, Quantity) and isinstance(amount, PerUnit) and node.line == amount.line
    ]
    if isinstance(amount, PerUnit) and not named:
        for _, one in _measured(unit, "ACCEPTED", amount.line, f"{path}.amount"):
            yield problem(f"{path}.amount", one.code, one.says)


def _leaf(unit: _Unit, node: Condition, path: str) -> Iterator[Finding]:
    match node:
        case Milestone():
            yield from _milestone(unit, node, f"{path}.milestone")
        case Quantity():
            yield from _quantity(unit, node, f"{path}.quantity")
        case Telemetry():
            if not unit.terms.attesters:
                says = "nobody may tell a reading: add attesters"
                yield unit.untold(f"{path}.telemetry", says)
            yield from _anchor(unit, node.from_, f"{path}.telemetry.from")
            yield from _anchor(unit, node.to, f"{path}.telemetry.to")
        case Document():
            yield from _document(unit, node, f"{path}.document")
        case Asset():
            yield from _asset(unit, node, f"{path}.asset")
        case Carbon():
            yield from _carbon(unit, f"{path}.carbon")
        case Absent():
            for at, when in enumerate(() if node.during == "CHALLENGE" else node.during):
                yield from _anchor(unit, when, f"{path}.absent.during[{at}]")
        case Time():
            yield from _anchor(unit, node.not_before, f"{path}.time.not_before")
            yield from _anchor(unit, node.not_after, f"{path}.time.not_after")
        case Approval() | Quality() | All() | AnyOf() | AtLeast():
            return
        case _:
            assert_never(node)


def _instead(node: Condition) -> str:
    """What to write where no event answers."""
    if isinstance(node, Absent):
        return "write a milestone or an event, as ORDER_HELD or CUSTOMS_SEIZED"
    return _LEFT_OUT


# ---- milestones


def _milestone(unit: _Unit, leaf: Milestone, path: str) -> Iterator[Finding]:
    words = words_of(leaf.type)
    kinds = {kind for word in words for kind in machines_of(word.code)}
    subject = None if leaf.subject is None else leaf.subject.partition(":")[0]
    whys = [_unreached(unit, word, leaf.by.roles) for word in words]
    if subject is not None and subject not in kinds:
        known = ", ".join(sorted(kinds))
        says = f"{leaf.type} is reached by a {known}, not by a {subject}: name another subject"
        yield unit.never(f"{path}.subject", says)
    elif all(whys):
        where, says = next(one for one in whys if one is not None)
        yield unit.never(f"{path}.{where}", f"{leaf.type} {says}")


def _unreached(
    unit: _Unit, word: Word, roles: tuple[str, ...] | None = None
) -> tuple[str, str] | None:
    """(member of the leaf, why) no fact of the claim tells it; None = one can."""
    kinds = machines_of(word.code)
    if DECLARATION in kinds and word.code != _CANCELLED:
        is_theirs = word.regime is not None or kinds == {DECLARATION}
        if roles is None or _CUSTOMS in roles or word.code == _DUTY:
            return None
        if is_theirs:
            return "by.roles", f"counts by the word of {_CUSTOMS} alone: name that role"
    if not kinds.isdisjoint((CONSIGNMENT, TRIP)) and unit.claim.consignment_id is not None:
        return None
    is_of_lots = LOT in kinds and LINE not in kinds and bool(unit.terms.warehouses)
    if unit.is_crowded and word.code == "RESERVED":  # only of stock, and no receipt is the claim's
        is_of_lots = False
    if is_of_lots or (LOT in kinds and unit.claim.lot is not None):
        return None
    is_of_lines = LINE in kinds and not (LOT in kinds and unit.claim.lot is not None)
    if is_of_lines and unit.lines and not unit.is_crowded:
        return None
    if kinds == {LOT} and not unit.terms.warehouses:
        return "type", "is of lots, told by receipts at the buyer's: name the buyer's warehouses"
    if not kinds.isdisjoint((CONSIGNMENT, TRIP, LINE, LOT)):
        return "type", "is told of a consignment, and the claim names none: write consignment_id"
    return "type", f"is reached by a {', '.join(sorted(kinds))}, of which no claim is: {_LEFT_OUT}"


def _anchor(unit: _Unit, when: When | None, path: str) -> Iterator[Finding]:
    """Of a tranche: `contract_windows`."""
    if not isinstance(when, Anchor) or not when.anchor.startswith(_MILESTONE):
        return
    name = when.anchor.removeprefix(_MILESTONE)
    whys = [_unreached(unit, word) for word in words_of(name)]
    if not whys:
        says = f"{name}: no event tells such a milestone: {_LEFT_OUT}"
        yield unit.never(f"{path}.anchor", says)
    elif all(whys):
        _, says = next(one for one in whys if one is not None)
        yield unit.never(f"{path}.anchor", f"{name} {says}")


# ---- quantities


def _quantity(unit: _Unit, leaf: Quantity, path: str) -> Iterator[Finding]:
    for member, one in _measured(unit, leaf.measure, leaf.line, path):
        yield problem(f"{path}{member}", one.code, one.says)
    ordered = next((one for one in unit.terms.lines if one.line == leaf.line), None)
    if ordered is not None and unit.claim.lot is not None:
        yield from _of_lot(unit, leaf, ordered, path)


def _measured(unit: _Unit, measure: str, line: str, path: str) -> Iterator[tuple[str, Finding]]:
    """(member of the leaf, finding) of a quantity that nobody can tell."""
    roles = MEASURED_BY[measure]
    if line not in unit.lines:
        says = f"line {line} is none of the claim: add it to the claim's lines"
        yield ".line", unit.never(path, says)
    elif unit.is_crowded:
        says = (
            f"{measure} of line {line} is counted for the consignments that other claims name: "
            "write this claim's consignment_id"
        )
        yield ".line", unit.never(path, says)
    if not unit.has(*roles):
        says = f"{measure} is told by {' or '.join(roles)}, and nobody is one: add an attester"
        yield "", unit.untold(path, says)


def _of_lot(unit: _Unit, leaf: Quantity, ordered: Line, path: str) -> Iterator[Finding]:
    """More than the lot is: it may be delivered, and is hardly meant."""
    qty = next((one.qty for one in ordered.lots if one.lot == unit.claim.lot), None)
    if qty is None:
        return  # no lot of the line: has its own finding
    value, name = leaf.value, "value"
    if value is None:
        value, name = ordered.qty * (leaf.pct_of_ordered_bp or 0) / BP, "pct_of_ordered_bp"
    if value > qty:
        says = (
            f"{unit.name}: is {plain(value)} of a lot of {plain(qty)} {ordered.unit}: "
            "write a value of the lot"
        )
        yield problem(f"{path}.{name}", "DOUBTFUL", says)


# ---- papers


def _document(unit: _Unit, leaf: Document, path: str) -> Iterator[Finding]:
    states = _states(leaf.type)
    if leaf.state not in states:
        says = f"{leaf.type} is told as {', '.join(states)}, never as {leaf.state}: write one"
        yield unit.never(f"{path}.state", says)


def _states(type_: str) -> tuple[str, ...]:
    """In which states documents of a type are told."""
    regime, _, rest = type_.partition("_")
    if type_ == INVOICE:
        return "ISSUED", "REVERSED"
    if type_ == DECLARATION or (regime in REGIMES and rest == DECLARATION):
        return _DECLARED
    return _TITLES if type_ == TITLE_KIND else (PRESENTED,)


def _asset(unit: _Unit, leaf: Asset, path: str) -> Iterator[Finding]:
    states = (*_TITLES, LOCKED)
    controllers = {one.org_id: one.role for one in unit.terms.parties}
    if leaf.state not in states:
        says = f"a title is told as {', '.join(states)}, never as {leaf.state}: write one"
        yield unit.never(f"{path}.state", says)
    if leaf.controller_role not in controllers.values():
        says = f"no party holds a title as {leaf.controller_role}: add it to the parties"
        yield unit.untold(f"{path}.controller_role", says)
    if not unit.terms.attesters:
        yield unit.untold(path, "nobody may tell of a title: add attesters")


def _carbon(unit: _Unit, path: str) -> Iterator[Finding]:
    if all(one.role != VERIFIER for one in unit.terms.attesters):
        says = f"nobody may verify a footprint: add an attester of role {VERIFIER}"
        yield unit.untold(path, says)


# ---- amounts


def _amount(tranche: Tranche, path: str) -> Iterator[Finding]:
    """Adjustments that need evidence which the condition can do without."""
    rules, name = tranche.adjustments, tranche.tranche_id
    if rules.late is not None and not _rests_on(tranche.condition, _is_dated):
        says = (
            f"{name}: its condition can be TRUE by time, absence or approval alone, and how late "
            "that is nobody can say: ask in every branch for a milestone, a quantity or a "
            "document, or leave this out"
        )
        yield problem(f"{path}.adjustments.late", "UNPAYABLE", says)
    if rules.excursion and not _rests_on(tranche.condition, _is_series):
        says = (
            f"{name}: its condition can be TRUE without the telemetry, and how long the goods were "
            "outside nobody can say then: ask in every branch for a telemetry, or leave this out"
        )
        yield problem(f"{path}.adjustments.excursion", "UNPAYABLE", says)


def _is_dated(node: Condition) -> bool:
    return isinstance(node, _DATED)


def _is_series(node: Condition) -> bool:
    return isinstance(node, Telemetry)


def _rests_on(node: Condition, is_one: Callable[[Condition], bool]) -> bool:
    """Whether a condition cannot be TRUE without one such leaf that is."""
    match node:
        case All():
            return any(_rests_on(child, is_one) for child in node.of)
        case AnyOf():
            return all(_rests_on(child, is_one) for child in node.of)
        case AtLeast():
            return sum(not _rests_on(child, is_one) for child in node.of) < node.k
        case _:
            return is_one(node)
