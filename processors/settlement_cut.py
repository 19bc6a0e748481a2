"""Cuts: what facts and time cause, claim by claim, over the whole set of facts."""

from msgspec.structs import replace

from supplytwin.processors.conditions import Verdict
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, Known
from supplytwin.processors.settlement_case import Case
from supplytwin.processors.settlement_judged import judged
from supplytwin.processors.settlement_memory import Recollection, is_still
from supplytwin.processors.settlement_state import (
    ABSORBING,
    NEXT,
    Agenda,
    Book,
    Transition,
)
from supplytwin.processors.settlement_step import case_of, first, take
from supplytwin.processors.settlement_table import CUT, CUT_FIRST, CUT_FOLLOWS, FLYING, OPEN, rows
from supplytwin.processors.settlement_verdict import appraised
from supplytwin.processors.twin import Twin


def cut(
    book: Book, twin: Twin, tick: int, known: Known = NOTHING_KNOWN
) -> tuple[Book, tuple[Transition, ...]]:
    """What follows at a cut at `tick` from the whole set of facts: per claim the first row that
    applies.

    The book's agenda may change even when nothing moves. Its memory spares the work of finding the
    same again; with an empty one everything else of the result is the same.
    """
    if book.terms is None:
        return replace(book, agenda=None), ()
    if is_still(book, twin, tick, known):
        return replace(book, agenda=book.memory.wakes_at), ()
    transitions: list[Transition] = []
    past = Recollection(book, book.terms, twin, tick, known)
    for number in _turns(book):
        settlement = book.order[number]
        claim, promise = book.claims[settlement], book.promises[settlement]
        full = book.terms_of(claim).full is not None
        if (full or not promise.residual_of) and past.rests(number, claim, book):
            continue
        verdict: Verdict | None = None
        if claim.state not in ABSORBING or claim.state in CUT_FIRST:
            if full:
                verdict = judged(book, claim, twin, tick, known, past.answers)
                past.answered(number, book)
            else:
                found = past.verdict(number, book.terms_of(claim), promise)
                verdict = appraised(book, claim, found)
        else:
            past.forget(number)
            if not claim.release_open:
                continue
        book, moved = _cut_claim(book, settlement, verdict, tick, twin)
        transitions.extend(moved)
        wakes = _wakes(case_of(book, book.claims[settlement], tick, verdict=verdict))
        past.note(number, book, None if moved else claim, wakes)
    agenda: Agenda = NEXT if transitions else past.wakes_at
    memory = past.memory(book, moved=bool(transitions))
    return replace(book, agenda=agenda, memory=memory), tuple(transitions)


def _turns(book: Book) -> list[int]:
    """Places in the order of the terms: first the claims whose rows may freeze the others, last
    those that are the rest of others."""
    turns = [
        0 if book.claims[one].state in CUT_FIRST else 2 if book.promises[one].residual_of else 1
        for one in book.order
    ]
    return sorted(range(len(turns)), key=turns.__getitem__)


def _cut_claim(
    book: Book, settlement: str, verdict: Verdict | None, tick: int, twin: Twin
) -> tuple[Book, list[Transition]]:
    transitions: list[Transition] = []
    follows: tuple[int, ...] | None = None
    while follows is None or follows:
        case = case_of(book, book.claims[settlement], tick, verdict=verdict, twin=twin)
        candidates = rows(case.claim.state, CUT)
        if follows is not None:
            candidates = tuple(row for row in candidates if row.number in follows)
        row = first(case, candidates)
        if row is None:
            break
        book, transition = take(book, case, row)
        transitions.append(transition)
        follows = CUT_FOLLOWS.get(row.number, ())
    return book, transitions


def _wakes(case: Case) -> list[int]:
    """The tick times after this cut from which on time alone may make a row apply to the claim."""
    claim, sla, state = case.claim, case.status_sla_us, case.claim.state
    moments: list[int | None] = []
    if case.verdict is not None:
        moments.append(case.verdict.wakes_at)
    if state not in ABSORBING:
        moments.append(case.close + 1)
    if state in OPEN:
        moments.append(case.long_stop + 1)
        moments.append(claim.hold_expires if claim.hold_live else None)
    if state == "CREATED":
        moments.append(case.funding_due + 1)
    if state == "MATCHED":
        moments.append(claim.window_end)
    if state == "APPROVED" and claim.hold_expires is not None:
        moments.append(claim.hold_expires - sla)
    if state == "APPROVED" and case.terms.full is not None and case.execution(case.at) is None:
        moments.append(case.at + 1)  # nobody knows from which day on the calendar does
    if state == "DISPUTED" and case.disputes is not None:
        moments.append(claim.disputed_at + case.disputes.max_len_us + 1)
    if state in FLYING:
        moments.append(claim.status_at + sla + 1)
    moments.extend(one.at + sla + 1 for one in claim.releases.values() if one.open)
    return [moment for moment in moments if moment is not None and moment > case.at]


def due(book: Book) -> Agenda:
    """When a cut may change something by time alone: a tick time, "NEXT" (the next cut), or None
    (never).

    A chain that has taken a fact since its last cut must be cut at the next one, whatever this
    says.
    """
    return book.agenda
