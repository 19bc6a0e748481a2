"""Contracts that pay by themselves: claims move by the state table, and every move is a recorded
decision.

Between cuts only ordered inputs move a claim (`agree`, `receipt`, `review`); what facts and time
cause happens in `cut`. Live and at restore the same `noted` and `enact` change the book: live with
the row just chosen, at restore (`apply`) with the one that the journal recorded, and then no
condition is evaluated.

A contract is ACTIVE as soon as it is agreed: the terms of this version ask for no signature,
screening or limit, so AGREED and ACTIVE are one. It is COMPLETED when every claim is in an
absorbing state, TERMINATED by a mutual cancel (one review CANCEL of the BUYER and one of the
SELLER, by two persons; both act on the whole contract).
"""

from msgspec.structs import replace

from supplytwin.processors.conditions import Verdict, evaluate
from supplytwin.processors.settlement_apply import (
    CANCEL,
    apply,
    cancel_refused,
    claim_of,
    enact,
    event_of,
    new_claim,
    noted,
    seen_before,
)
from supplytwin.processors.settlement_guards import Case, contrary, failing, holds, plain, uncleared
from supplytwin.processors.settlement_memory import Recollection
from supplytwin.processors.settlement_report import canonical, event_fields, explain
from supplytwin.processors.settlement_state import (
    ABSORBING,
    NEXT,
    NONE,
    PUBLIC,
    Agenda,
    Alarm,
    Book,
    Cause,
    Claim,
    Outcome,
    Transition,
)
from supplytwin.processors.settlement_table import (
    CUT,
    CUT_FIRST,
    CUT_FOLLOWS,
    OPEN,
    SAME,
    STALE,
    Row,
    rows,
)
from supplytwin.processors.twin import Twin
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import EVERY, QUARANTINE_DESK, Contract, Receipt, Review
from supplytwin.schemas.terms import Terms, decode, terms_hash

__all__ = [
    "Outcome", "Transition", "agree", "apply", "canonical", "check_contract", "cut", "due",
    "event_fields", "explain", "live", "noted", "receipt", "review",
]  # fmt: skip


def _rule_version(terms: Terms) -> str:
    return f"{terms.template}/{terms.template_version}"


def _case(
    book: Book, claim: Claim, at: int, *, cause: Cause | None = None, verdict: Verdict | None = None
) -> Case:
    assert book.terms is not None
    promise = book.promises[claim.settlement_id]
    return Case(
        book=book,
        terms=book.terms,
        promise=promise,
        claim=claim,
        at=at,
        cause=cause,
        verdict=verdict,
    )


def _first(case: Case, candidates: tuple[Row, ...]) -> Row | None:
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
        case Receipt(rail_reason=str(code)):
            detail = code
        case Review() as act:
            detail = f"{act.reviewer} ({act.role}): {act.reason}"
        case None if case.verdict is not None and row.evidence == "VERDICT":
            value = case.verdict.value
            leaves = (
                leaf for leaf in case.verdict.leaves if value == "TRUE" or leaf.value != "TRUE"
            )
            detail = "; ".join(leaf.why for leaf in leaves)
        case None if row.evidence is not None:
            detail = ", ".join(ids)
    return f"{row.why}: {detail}" if detail else row.why


def _take(book: Book, case: Case, row: Row) -> tuple[Book, Transition]:
    """Enact `row` on the claim as `book` (with the cause noted) has it, and write its record."""
    claim, terms = case.claim, case.terms
    to_state = _target(case, row)
    ids = _evidence(case, row)
    current = book.claims.get(claim.settlement_id, claim)
    book, draft = enact(
        book, row, current, to_state, at=case.at, evidence_ids=ids, cause=case.cause
    )
    verdict = case.verdict if row.evidence is not None else None
    return book, Transition(
        contract_id=terms.contract_id,
        contract_seq=book.contract_seq,
        settlement_id=claim.settlement_id,
        tranche_id=claim.tranche_id,
        claim_id=claim.claim_id,
        row=row.number,
        from_state=claim.state,
        to_state=to_state,
        public_state=PUBLIC[to_state],
        tick_time=Micros(case.at),
        rule_version=_rule_version(terms),
        verdict=None if verdict is None else verdict.value,
        evidence_ids=ids,
        amount_minor=claim.amount_minor,
        currency=claim.currency,
        postings=draft.postings,
        reason=_reason(case, row, ids),
        evidence_hash=None if verdict is None else verdict.evidence_hash,
        instructions=draft.orders,
        alarms=draft.alarms,
    )


# ---- ordered inputs


def _illegal(book: Book, subject: str, reason: str) -> Outcome:
    alarm = Alarm(code="ILLEGAL_PAIR", settlement_id=subject, reason=reason)
    return Outcome(book=book, verdict="ILLEGAL", alarms=(alarm,))


def _conflict(book: Book, claim: Claim | None, subject: str, message: Cause, now: int) -> Outcome:
    """One input id with two contents: an alarm, and the claim that it names is held where the table
    says so."""
    reason = f"input {message.input_id} came with two contents: ask its source which one it means"
    alarm = Alarm(code="RECON_BREAK", settlement_id=subject, reason=reason)
    outcome = Outcome(book=book, verdict="CONFLICT", alarms=(alarm,))
    if claim is None:
        return outcome
    case = _case(book, claim, now, cause=message)
    row = _first(case, rows(claim.state, "ReconBreak"))
    if row is None:
        return outcome
    book, transition = _take(book, case, row)
    return replace(outcome, book=book, transitions=(transition,))


def _move(book: Book, case: Case, event: str) -> Outcome:
    """Let the first row that fits move the claim; `book` has the cause noted, the case sees the
    book before."""
    candidates = rows(case.claim.state, event)
    row = _first(case, candidates)
    if row is None:
        refused = {
            name for one in candidates if one.number != STALE for name in failing(case, one.guards)
        }
        because = f" (not {', '.join(sorted(refused))})".replace("_", " ") if refused else ""
        return _illegal(book, case.claim.settlement_id, f"{event} in {case.claim.state}{because}")
    if row.number == STALE:
        return Outcome(book=book, verdict="STALE")
    book, transition = _take(book, case, row)
    return Outcome(book=book, verdict="TAKEN", transitions=(transition,))


def check_contract(contract: Contract) -> Terms:
    """The terms of `contract`. Raises RecordError(BAD_TERMS) when they are not valid or are not
    what it says."""
    terms = decode(contract.terms)
    for name in ("contract_id", "version", "chain_id"):
        if getattr(contract, name) != getattr(terms, name):
            raise RecordError(
                Code.BAD_TERMS, name, f"differs from the terms: {getattr(terms, name)!r}"
            )
    if contract.terms_hash != terms_hash(contract.terms):
        raise RecordError(Code.BAD_TERMS, "terms_hash", "is not the SHA-256 of the terms")
    return terms


def agree(book: Book, contract: Contract, content_hash: bytes, now: int) -> Outcome:
    """Row 1 for every claim of the terms, row 37 for those of amount 0.

    Raises RecordError(BAD_TERMS) for terms that are not valid. A chain has one contract: a second
    one is illegal.
    """
    check_contract(contract)
    verdict = seen_before(book, contract, content_hash)
    if verdict == "DUPLICATE":
        return Outcome(book=book, verdict="DUPLICATE")
    had_contract = book.terms is not None
    book = noted(book, contract, content_hash)
    if verdict == "CONFLICT":
        return _conflict(book, None, contract.contract_id, contract, now)
    if had_contract:
        return _illegal(book, contract.contract_id, "this chain has a contract already")
    transitions = []
    for settlement in book.order:
        case = _case(book, new_claim(book, settlement), now, cause=contract)
        row = _first(case, rows(NONE, "ContractAgreed"))
        assert row is not None
        book, transition = _take(book, case, row)
        transitions.append(transition)
    return Outcome(book=book, verdict="TAKEN", transitions=tuple(transitions))


def receipt(book: Book, item: Receipt, content_hash: bytes, now: int) -> Outcome:
    """Take an answer of the rail. `now` = the last tick handled."""
    verdict = seen_before(book, item, content_hash)
    if verdict == "DUPLICATE":
        return Outcome(book=book, verdict="DUPLICATE")
    claim, before, book = claim_of(book, item), book, noted(book, item, content_hash)
    if verdict == "CONFLICT":
        return _conflict(book, claim, item.settlement_id, item, now)
    if claim is None:
        return _illegal(book, item.settlement_id, "a receipt for no claim of this chain's contract")
    event = event_of(item)
    if event is None:
        return _illegal(
            book, item.settlement_id, f"unknown status {item.rail_status} of {item.kind}"
        )
    return _move(book, _case(before, claim, now, cause=item), event)


def review(book: Book, twin: Twin, item: Review, content_hash: bytes, now: int) -> Outcome:
    """Take an act of a person; a RELEASE is checked against the evidence as it stands now."""
    verdict = seen_before(book, item, content_hash)
    if verdict == "DUPLICATE":
        return Outcome(book=book, verdict="DUPLICATE")
    claim, before, book = claim_of(book, item), book, noted(book, item, content_hash)
    if verdict == "CONFLICT":
        return _conflict(book, claim, item.settlement_id, item, now)
    if item.verdict == CANCEL:
        return _cancel(before, book, item, now)
    if item.settlement_id == EVERY:
        return _of_records(book, item, now)
    if claim is None:
        return _illegal(book, item.settlement_id, "a review of no claim of this chain's contract")
    event = event_of(item)
    if event is None:
        return _illegal(book, item.settlement_id, f"unknown verdict {item.verdict}")
    assert before.terms is not None
    seen = None
    if event == "ReviewReleased":
        seen = evaluate(before.terms, before.promises[claim.settlement_id], twin, now)
    return _move(book, _case(before, claim, now, cause=item, verdict=seen), event)


def _cancel(before: Book, book: Book, item: Review, now: int) -> Outcome:
    """One half of a mutual cancel waits for the other; the second ends what has not been
    instructed."""
    refused = cancel_refused(before, item)
    if refused is not None:
        return _illegal(book, item.settlement_id or item.contract_id, f"CANCEL: {refused}")
    if not book.terminated:
        return Outcome(book=book, verdict="NOTED")
    return _move_all(book, item, "MutualCancel", now)


def _move_all(book: Book, item: Review, event: str, now: int) -> Outcome:
    """Every claim that the table moves at `event` moves; the others stay as they are."""
    transitions = []
    for settlement in book.order:
        case = _case(book, book.claims[settlement], now, cause=item)
        row = _first(case, rows(case.claim.state, event))
        if row is not None:
            book, transition = _take(book, case, row)
            transitions.append(transition)
    return Outcome(
        book=book, verdict="TAKEN" if transitions else "NOTED", transitions=tuple(transitions)
    )


def _of_records(book: Book, item: Review, now: int) -> Outcome:
    """A record of the chain was refused, or is dealt with. Without a contract, too, it is recorded
    who did what, and why.
    """
    event = event_of(item)
    if event not in ("RecordRefused", "RecordResolved"):
        return _illegal(book, item.contract_id, f"{item.verdict} names no claim")
    if (event == "RecordRefused") != (item.source == QUARANTINE_DESK):
        return _illegal(book, item.contract_id, f"{item.verdict} is not for {item.source}")
    return _move_all(book, item, event, now)


def live(book: Book) -> bool:
    """Whether a claim of the chain can still be held."""
    return any(claim.state in OPEN for claim in book.claims.values())


# ---- cuts


def cut(book: Book, twin: Twin, tick: int) -> tuple[Book, tuple[Transition, ...]]:
    """What follows at a cut at `tick` from the whole set of facts: per claim the first row that
    applies.

    The book's agenda may change even when nothing moves. Its memory spares the work of finding the
    same again; with an empty one everything else of the result is the same.
    """
    if book.terms is None:
        return replace(book, agenda=None), ()
    transitions: list[Transition] = []
    past = Recollection(book, book.terms, twin, tick)
    for number in _turns(book):
        settlement = book.order[number]
        claim = book.claims[settlement]
        if past.rests(number, claim):
            continue
        verdict = None
        if claim.state not in ABSORBING or claim.state in CUT_FIRST:
            verdict = past.verdict(number, book.promises[settlement])
        else:
            past.forget(number)
            if not claim.release_open:
                continue
        book, moved = _cut_claim(book, settlement, verdict, tick)
        transitions.extend(moved)
        wakes = _wakes(_case(book, book.claims[settlement], tick, verdict=verdict))
        past.note(number, book, None if moved else claim, wakes)
    agenda: Agenda = NEXT if transitions else past.wakes_at
    return replace(book, agenda=agenda, memory=past.memory), tuple(transitions)


def _turns(book: Book) -> list[int]:
    """Places in the order of the terms: first the claims whose rows may freeze the others."""
    first = [book.claims[one].state in CUT_FIRST for one in book.order]
    return sorted(range(len(first)), key=first.__getitem__, reverse=True)


def _cut_claim(
    book: Book, settlement: str, verdict: Verdict | None, tick: int
) -> tuple[Book, list[Transition]]:
    transitions: list[Transition] = []
    follows: tuple[int, ...] | None = None
    while follows is None or follows:
        case = _case(book, book.claims[settlement], tick, verdict=verdict)
        candidates = rows(case.claim.state, CUT)
        if follows is not None:
            candidates = tuple(row for row in candidates if row.number in follows)
        row = _first(case, candidates)
        if row is None:
            break
        book, transition = _take(book, case, row)
        transitions.append(transition)
        follows = CUT_FOLLOWS.get(row.number, ())
    return book, transitions


def _wakes(case: Case) -> list[int]:
    """The tick times after this cut from which on time alone may make a row apply to the claim."""
    claim, terms, state = case.claim, case.terms, case.claim.state
    moments: list[int | None] = []
    if case.verdict is not None:
        moments.append(case.verdict.wakes_at)
    if state not in ABSORBING:
        moments.append(case.close + 1)
    if state in ("CREATED", "RESERVED", "MATCHED", "APPROVED", "HELD"):
        moments.append(terms.long_stop + 1)
    if state == "CREATED":
        moments.append(claim.funding_due + 1)
    if state == "MATCHED":
        moments.append(claim.window_end)
    if state in ("INSTRUCTED", "ACCEPTED", "IN_DOUBT", "CANCEL_PENDING"):
        moments.append(claim.status_at + terms.status_sla_us + 1)
    if claim.release_open:
        moments.append(claim.release_at + terms.status_sla_us + 1)
    return [moment for moment in moments if moment is not None and moment > case.at]


def due(book: Book) -> Agenda:
    """When a cut may change something by time alone: a tick time, "NEXT" (the next cut), or None
    (never).

    A chain that has taken a fact since its last cut must be cut at the next one, whatever this
    says.
    """
    return book.agenda
