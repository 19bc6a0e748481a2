"""Cuts: what facts and time cause, claim by claim, over the whole set of facts."""

from msgspec.structs import replace

from supplytwin.processors.conditions import Verdict
from supplytwin.processors.settlement_guards import Case
from supplytwin.processors.settlement_memory import Recollection
from supplytwin.processors.settlement_state import (
    ABSORBING,
    NEXT,
    Agenda,
    Book,
    Transition,
)
from supplytwin.processors.settlement_step import case_of, first, take
from supplytwin.processors.settlement_table import CUT, CUT_FIRST, CUT_FOLLOWS, rows
from supplytwin.processors.twin import Twin


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
        wakes = _wakes(case_of(book, book.claims[settlement], tick, verdict=verdict))
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
        case = case_of(book, book.claims[settlement], tick, verdict=verdict)
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
