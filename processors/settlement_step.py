"""One step of a claim: the first row that fits is enacted, and its record is written."""

from supplytwin.processors.conditions import Verdict
from supplytwin.processors.settlement_apply import enact
from supplytwin.processors.settlement_case import Case, contrary, plain, uncleared
from supplytwin.processors.settlement_guards import holds
from supplytwin.processors.settlement_refused import not_again, still_stands
from supplytwin.processors.settlement_state import NONE, Book, Cause, Claim, Transition, public
from supplytwin.processors.settlement_table import SAME, Row
from supplytwin.processors.twin import EMPTY, Twin
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.money import from_minor
from supplytwin.schemas.records import Receipt, Review


def case_of(
    book: Book,
    claim: Claim,
    at: int,
    *,
    cause: Cause | None = None,
    verdict: Verdict | None = None,
    twin: Twin = EMPTY,
) -> Case:
    """What the guards see of a claim of `book` at tick time `at`; `twin` = what is known, where it
    is a cut.
    """
    promise = book.promises[claim.settlement_id]
    return Case(
        book=book,
        terms=book.terms_of(claim),
        promise=promise,
        claim=claim,
        at=at,
        cause=cause,
        verdict=verdict,
        twin=twin,
    )


def first(case: Case, candidates: tuple[Row, ...]) -> Row | None:
    """The first row whose guards all hold."""
    return next((row for row in candidates if holds(case, row.guards)), None)


def _target(case: Case, row: Row) -> str:
    state = next(state for state, guard in row.targets if guard is None or holds(case, (guard,)))
    return case.claim.state if state == SAME else state


def _evidence(case: Case, row: Row) -> tuple[str, ...]:
    match row.evidence:
        case "VERDICT" if case.verdict is not None:
            return case.verdict.evidence
        case "ADVERSE":
            return tuple(sorted(plain(case, uncleared(case))))
        case "CONTRARY":
            return tuple(sorted(contrary(case)))
        case _:
            return ()


def _reason(case: Case, row: Row, ids: tuple[str, ...]) -> str:
    """Why, in words: what the row stands for, then what is particular to this case."""
    detail = ""
    match case.cause:
        case Receipt() as answer:
            said = (answer.rail_reason, not_again(case, row))
            detail = "; ".join(one for one in said if one)
        case Review() as act:
            detail = f"{act.reviewer} ({act.role}): {act.reason}{still_stands(case, row)}"
        case None if case.awarded and row.evidence == "VERDICT":
            detail = (
                f"{from_minor(case.claim.owed_minor, case.claim.currency):f} {case.claim.currency}"
            )
        case None if case.verdict is not None and row.evidence == "VERDICT":
            matches = any(state == "MATCHED" for state, _ in row.targets)
            value = (matches and case.verdict.matches) or case.verdict.value
            leaves = (
                leaf for leaf in case.verdict.leaves if (leaf.value == "TRUE") == (value == "TRUE")
            )
            detail = "; ".join(leaf.why for leaf in leaves)
        case None if row.evidence is not None:
            detail = ", ".join(ids)
    return f"{row.why}: {detail}" if detail else row.why


def take(book: Book, case: Case, row: Row) -> tuple[Book, Transition]:
    """Enact `row` on the claim as `book` (with the cause noted) has it, and write its record."""
    claim = case.claim
    to_state = _target(case, row)
    ids = _evidence(case, row)
    current = claim if claim.state == NONE else book.claims[claim.settlement_id]
    verdict = case.verdict if row.evidence is not None else None
    value = None if verdict is None else verdict.value
    book, draft = enact(
        book,
        row,
        current,
        to_state,
        at=case.at,
        evidence_ids=ids,
        verdict=value,
        due_minor=case.due_minor,
        gross_minor=case.gross_minor,
        adjusted_bp=case.adjusted_bp,
        measure=case.measure,
        cause=case.cause,
        twin=case.twin,
    )
    return book, Transition(
        contract_id=case.contract_id,
        contract_seq=book.contract_seq,
        settlement_id=claim.settlement_id,
        tranche_id=claim.tranche_id,
        claim_id=claim.claim_id,
        row=row.number,
        from_state=claim.state,
        to_state=to_state,
        public_state=public(to_state, case.funding_mode),
        tick_time=Micros(case.at),
        rule_version=case.rule_version,
        verdict=value,
        evidence_ids=ids,
        amount_minor=draft.claim.owed_minor,
        gross_minor=case.gross_minor,
        adjusted_bp=case.adjusted_bp,
        measure=case.measure,
        currency=claim.currency,
        postings=draft.postings,
        reason=_reason(case, row, ids),
        evidence_hash=None if verdict is None else verdict.evidence_hash,
        instructions=draft.orders,
        alarms=draft.alarms,
    )
