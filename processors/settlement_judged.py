"""The condition and the amount of a claim of full contract terms, over the facts of its chain.

The condition language says whether (`condition_eval`, over what `condition_facts` finds in the
twin), `amounts` how much. What neither knows is added: nothing is paid before the window of its
tranche opens, nor an amount that nobody can fix.
"""

import hashlib
from collections.abc import Iterable, Iterator

from supplytwin.processors.adjustments import FOR_PEOPLE
from supplytwin.processors.condition_eval import Evaluation, Explained
from supplytwin.processors.condition_facts import Built
from supplytwin.processors.condition_facts_asked import WHATEVER
from supplytwin.processors.condition_facts_look import Ignored
from supplytwin.processors.condition_view import Scope, said, shown_time
from supplytwin.processors.evidence import Leaf, Value, Verdict
from supplytwin.processors.facts import Identity
from supplytwin.processors.settlement_answers import Answers
from supplytwin.processors.settlement_asked import (
    FIXED,
    NOTHING_KNOWN,
    Desk,
    Known,
    asked,
    desk,
    tranche_of,
)
from supplytwin.processors.settlement_owed import Owed, owed
from supplytwin.processors.settlement_state import Book, Claim
from supplytwin.processors.settlement_wakes import wakes
from supplytwin.processors.twin import Twin
from supplytwin.schemas.amounts import PerUnit
from supplytwin.schemas.condition import (
    Absent,
    Approval,
    micros,
    walked,
)
from supplytwin.schemas.contract import Tranche

_AGAINST = frozenset(("contrary", "withdrawn", "in doubt"))
_MATCHED_ONCE = ("MATCHED", "HELD", "DISPUTED")
"""A window that was opened may have been closed in the last two."""


class Judged(Verdict, frozen=True, kw_only=True, gc=False):
    """A verdict by the condition language."""

    names: tuple[str, ...]
    sealed: str
    """Hex SHA-256 over all the evidence that bears on it but approvals, what is due by it before
    adjustments, the points of a verified footprint, and the version of the terms.
    """
    explained: tuple[Explained, ...]

    @property
    def evidence(self) -> tuple[str, ...]:
        """``source/event_id`` of every fact that it rests on, sorted."""
        return self.names

    @property
    def evidence_hash(self) -> str:
        """What a review that releases the claim must name."""
        return self.sealed


def judged(
    book: Book,
    claim: Claim,
    twin: Twin,
    at: int,
    known: Known = NOTHING_KNOWN,
    answers: Answers | None = None,
) -> Judged:
    """The verdict on a claim over all facts of the chain at tick time `at`, us UTC; pure. `answers`
    over the same twin spare the work of finding the same again.
    """
    answers = Answers(twin) if answers is None else answers
    on = desk(book, claim, twin, at, known, answers)
    tranche = tranche_of(on.full, claim)
    question = asked(on, claim, tranche.condition)
    made = answers.built(question)
    found = answers.evaluated(question, made)
    pays = owed(on, claim, made.evidence, found)
    sealed = _seal(found, pays, claim)
    if any(isinstance(leaf, Approval) for _, leaf in walked(tranche.condition)):
        # who approves sees it without; what comes once it is approved asks nobody again
        approves = WHATEVER if claim.state in FIXED else sealed
        question = asked(on, claim, tranche.condition, approves)
        made = answers.built(question)
        found = answers.evaluated(question, made)
        pays = owed(on, claim, made.evidence, found)
    due = pays.due
    more = [*_opening(on, tranche), *_amount(tranche, pays)]
    late = dict(_after_window(tranche, claim, question.scope, made))
    adverse = {**dict(zip(made.adverse, made.adverse_ids, strict=True)), **late}
    names = {
        name
        for leaf in found.leaves
        for name, how in leaf.evidence
        if how == "counts" or leaf.value != "TRUE"  # what was withdrawn makes nothing TRUE
    }
    return Judged(
        value=_all(found.value, more),
        matches=_all(found.matches, more),
        waits=_waits(tranche, pays, found),
        rests_on=(),
        adverse=tuple(sorted(adverse)),
        adverse_ids=tuple([adverse[one] for one in sorted(adverse)]),
        against=tuple(sorted(_against(found))),
        leaves=(*(_leaf(one, question.scope) for one in found.leaves), *more),
        wakes_at=wakes(tranche, question.scope, {made.until, pays.until}, made, found),
        due_minor=due.amount_minor,
        gross_minor=due.gross_minor,
        adjusted_bp=due.bp,
        measure=pays.measure,
        unadjusted_minor=due.unadjusted_minor,
        ignored=tuple(map(_ignored, made.ignored)),
        names=tuple(sorted(names)),
        sealed=sealed,
        explained=found.leaves,
    )


def _seal(found: Evaluation, pays: Owed, claim: Claim) -> str:
    """What the amount follows from and is no evidence of a leaf: the amount before adjustments, and
    the points of a footprint. All other adjustments follow from the evidence.
    """
    seen = f"{found.evidence_hash} {pays.due.gross_minor} {pays.points} {claim.version}"
    return hashlib.sha256(seen.encode()).hexdigest()


def _all(value: Value, more: Iterable[Leaf]) -> Value:
    values = {value, *(leaf.value for leaf in more)}
    return "FALSE" if "FALSE" in values else "UNKNOWN" if "UNKNOWN" in values else "TRUE"


def _ignored(one: Ignored) -> str:
    by = f" by {one.by}" if one.by else ""
    return f"{one.source}/{one.event_id}: {one.reason}{by}"


def _leaf(one: Explained, scope: Scope) -> Leaf:
    until = "" if one.until is None else f", until {shown_time(one.until, scope)}"
    return Leaf(name=f"{one.path} {one.operator}", value=one.value, why=said_of(one) + until)


def said_of(one: Explained) -> str:
    """What makes a leaf what it is, or what it waits for; not until when."""
    waits = one.value == "UNKNOWN" and one.needs is not None
    return f"waits for {one.needs} ({one.why})" if waits else one.why


def _opening(on: Desk, tranche: Tranche) -> Iterator[Leaf]:
    """Nothing is paid before the window opens."""
    opens = tranche.window.not_before
    if opens is not None:
        is_open = on.at >= micros(opens)
        why = f"the window is open since {opens}" if is_open else f"waits for {opens}"
        yield Leaf(name="window", value="TRUE" if is_open else "UNKNOWN", why=why)


def _amount(tranche: Tranche, pays: Owed) -> Iterator[Leaf]:
    """An amount that cannot be fixed holds the payment; one of a quantity needs a quantity of its
    own goods.
    """
    due = pays.due
    says = "; ".join(one.says for one in due.reasons)
    value: Value = "TRUE"
    if due.verdict == "ON_FALSE":
        value = "FALSE"
    elif due.verdict != "DUE":
        value = "UNKNOWN"
    if value != "FALSE" and pays.goods == "FALSE":
        value, says = "FALSE", f"no quantity can be paid any more ({says})"
    elif value == "TRUE" and isinstance(tranche.amount, PerUnit) and _lacks_goods(pays):
        value, says = "UNKNOWN", f"waits for a quantity to be paid ({says})"
    yield Leaf(name="amount", value=value, why=says)


def _waits(tranche: Tranche, pays: Owed, found: Evaluation) -> bool:
    """Whether nothing but time that is not over keeps it UNKNOWN. An amount waits with its
    condition while all that nobody knows of it is a delay, which is asked for once that is TRUE.
    """
    if not found.waits or pays.due.verdict not in ("DUE", "HOLD"):
        return False
    if isinstance(tranche.amount, PerUnit) and _lacks_goods(pays):
        return False
    asks = {one.rule for one in pays.due.reasons} & {"EXCURSION_UNKNOWN", FOR_PEOPLE}
    return pays.due.verdict == "DUE" or (found.matches == "UNKNOWN" and not asks)


def _lacks_goods(pays: Owed) -> bool:
    return pays.due.gross_minor == 0 or pays.goods != "TRUE"


def _against(found: Evaluation) -> Iterator[Identity]:
    for leaf in found.leaves:
        for name, how in leaf.evidence:
            if how in _AGAINST:
                source, _, event_id = name.partition("/")
                yield Identity(source, event_id)


def _after_window(
    tranche: Tranche, claim: Claim, scope: Scope, made: Built
) -> Iterator[tuple[Identity, str]]:
    """What must be absent during CHALLENGE and came to be known after the window: it is adverse to
    a claim that was matched, also while people look at it.
    """
    end = scope.challenge_end
    if end is None or scope.tick < end or claim.state not in (*_MATCHED_ONCE, *FIXED):
        return
    for _, leaf in walked(tranche.condition):
        if isinstance(leaf, Absent) and leaf.during == "CHALLENGE":
            for fact in made.evidence.of_type(leaf.type):
                first = min(one.arrival for one in fact.statements)
                if fact.current is not None and first > end:
                    content = hashlib.sha256(said(fact.current)).hexdigest()
                    yield Identity(*fact.identity), f"{fact.name}~{content[:8]}"
