"""Contracts that pay by themselves: claims move by the state table, and every move is a recorded
decision.

Between cuts only ordered inputs move a claim (`agree`, `receipt`, `review`); what facts and time
cause happens in `cut`. Live and at restore the same `noted` and `enact` change the book: live with
the row just chosen, at restore (`apply`) with the one that the journal recorded, and then no
condition is evaluated.

A contract is ACTIVE as soon as it is agreed: the terms of this version ask for no signature,
screening or limit, so AGREED and ACTIVE are one. A later version with all that the first one needs
amends it: claims that are not approved yet are replaced, the others keep the terms that they are
under. It is COMPLETED when every claim is in an absorbing state, until a later version adds another
one. A mutual cancel (one review CANCEL of the BUYER and one of the SELLER, by two persons) or a
COURT makes it TERMINATED for good: both act on the whole contract.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import contract_check, settlement_grants
from supplytwin.processors.contract_signing import signed_by_all
from supplytwin.processors.keys import Register
from supplytwin.processors.settlement_apply import apply, new_claim
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, Known
from supplytwin.processors.settlement_case import Case
from supplytwin.processors.settlement_cut import cut, due
from supplytwin.processors.settlement_guards import failing
from supplytwin.processors.settlement_known import register_of
from supplytwin.processors.settlement_noted import (
    AMENDMENT,
    APPROVE,
    approval_refused,
    cancel_refused,
    claim_of,
    ends_contract,
    event_of,
    noted,
    seen_before,
)
from supplytwin.processors.settlement_refused import why_refused
from supplytwin.processors.settlement_report import canonical, event_fields, explain
from supplytwin.processors.settlement_state import (
    ABSORBING,
    Alarm,
    Book,
    Cause,
    Claim,
    Outcome,
    Transition,
)
from supplytwin.processors.settlement_step import case_of, first, take
from supplytwin.processors.settlement_table import AGREED_FOLLOWS, STALE, VOTES, rows
from supplytwin.processors.settlement_verdict import evaluated
from supplytwin.processors.settlement_versions import (
    NOTHING_NEW,
    amendment_refused,
    ended,
    unfollowed,
    waiting_refused,
    waits,
)
from supplytwin.processors.sources import is_permitted
from supplytwin.processors.twin import Twin
from supplytwin.schemas.contract import ContractTerms
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.flow import Input
from supplytwin.schemas.ids import Micros, settlement_id
from supplytwin.schemas.records import EVERY, QUARANTINE_DESK, Contract, Receipt, Review
from supplytwin.schemas.terms import Terms, terms_hash
from supplytwin.schemas.terms_read import decode

__all__ = [
    "Outcome", "Transition", "agree", "apply", "canonical", "check_contract", "cut", "due",
    "event_fields", "explain", "live", "noted", "receipt", "review",
]  # fmt: skip


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
    case = case_of(book, claim, now, cause=message)
    row = first(case, rows(claim.state, "ReconBreak"))
    if row is None:
        return outcome
    book, transition = take(book, case, row)
    return replace(outcome, book=book, transitions=(transition,))


def _move(book: Book, case: Case, event: str) -> Outcome:
    """Let the first row that fits move the claim; `book` has the cause noted, the case sees the
    book before."""
    candidates = rows(case.claim.state, event)
    row = first(case, candidates)
    if row is None:
        if any(VOTES.issuperset(failing(case, one.guards)) for one in candidates):
            return Outcome(book=book, verdict="NOTED")
        return _illegal(book, case.claim.settlement_id, why_refused(case, event, candidates))
    if row.number == STALE:
        return Outcome(book=book, verdict="STALE")
    book, transition = take(book, case, row)
    return Outcome(book=book, verdict="TAKEN", transitions=(transition,))


class Signing(Struct, frozen=True, kw_only=True):
    """By what it is decided whether a contract is agreed."""

    register: Register
    at: int
    """When the contract arrived, us UTC."""
    free_conditions: bool = False
    """The deployment permits terms that no template makes."""


NO_SIGNING = Signing(register=Register(), at=0)


def signing_of(item: Input) -> Signing:
    """Of a contract as it was admitted."""
    return Signing(
        register=register_of(item),
        at=item.record.arrival,
        free_conditions=is_permitted(item.record),
    )


def check_contract(contract: Contract, signing: Signing = NO_SIGNING) -> Terms:
    """The terms of `contract`. Raises RecordError(BAD_TERMS) when they are not valid, are not what
    it says, or ask for a rule that nobody keeps.

    A contract that passes is AGREED: this is the one place where it is asked whether all who have
    to sign have signed. All parties of full terms have to; the older form asks nobody.
    """
    terms = decode(contract.terms)
    for name in ("contract_id", "version", "chain_id"):
        if getattr(contract, name) != getattr(terms, name):
            raise RecordError(
                Code.BAD_TERMS, name, f"differs from the terms: {getattr(terms, name)!r}"
            )
    if contract.terms_hash != terms_hash(contract.terms):
        raise RecordError(Code.BAD_TERMS, "terms_hash", "is not the SHA-256 of the terms")
    settlement_grants.check(terms)
    if terms.full is not None:
        _check_full(terms.full, contract, signing)
    return terms


def _check_full(full: ContractTerms, contract: Contract, signing: Signing) -> None:
    faults, _ = contract_check.sense(full, free_conditions=signing.free_conditions)
    if faults:
        raise RecordError(Code.BAD_TERMS, faults[0].path, faults[0].line)
    wrong = signed_by_all(full, contract.signatures, signing.register, Micros(signing.at))
    if wrong:
        raise RecordError(Code.BAD_TERMS, "signatures", wrong[0])


def agree(
    book: Book, contract: Contract, content_hash: bytes, now: int, signing: Signing = NO_SIGNING
) -> Outcome:
    """Row 1 for every claim of the terms, row 37 for those of amount 0; a later version takes the
    place of what it may amend (rows 33 and 52).

    Raises RecordError(BAD_TERMS) for terms that are not valid. A chain has one contract: a second
    one is illegal, and so is a version that does not follow. One that comes before the version that
    it follows waits for it, and that is told.
    """
    verdict = seen_before(book, contract, content_hash)
    if verdict == "DUPLICATE":
        return Outcome(book=book, verdict="DUPLICATE")
    terms = check_contract(contract, signing)
    before, book = book, noted(book, contract, content_hash)
    if verdict == "CONFLICT":
        return _conflict(book, None, contract.contract_id, contract, now)
    if (waiting := waits(before, terms)) is not None:
        alarm = Alarm(code="EARLY_TERMS", settlement_id=contract.contract_id, reason=waiting)
        return Outcome(book=book, verdict="NOTED", alarms=(alarm,))
    refused = waiting_refused(before, terms) or amendment_refused(before, terms)
    if refused is not None:
        told = _illegal(book, contract.contract_id, refused)
        dead = _not_revived(before, replace(before, terms=terms)) if refused == NOTHING_NEW else ()
        return replace(told, alarms=(*told.alarms, *dead))
    assert book.terms is not None
    transitions, listed = [], book.terms.claims
    for name in book.order if event_of(contract) == AMENDMENT else ():
        if name in book.claims:
            book, moved = _agreed(book, book.claims[name], contract, now)
            transitions.extend(moved)
    for claim in listed:
        name = settlement_id(terms.contract_id, claim.tranche_id, claim.claim_id)
        known = book.claims.get(name)
        if known is None or known.state == "SUPERSEDED":
            book, moved = _agreed(book, new_claim(book, name), contract, now)
            transitions.extend(moved)
    return Outcome(
        book=book,
        verdict="TAKEN" if transitions else "NOTED",
        transitions=tuple(transitions),
        alarms=(*_unfollowed(before, terms), *_not_revived(before, book)),
    )


def _unfollowed(before: Book, terms: Terms) -> Iterator[Alarm]:
    for one in unfollowed(before, terms):
        yield Alarm(code="ILLEGAL_PAIR", settlement_id=terms.contract_id, reason=one)


def _not_revived(before: Book, book: Book) -> Iterator[Alarm]:
    for name, why in ended(before, book):
        yield Alarm(code="ENDED_CLAIM", settlement_id=name, reason=why)


def _agreed(
    book: Book, claim: Claim, contract: Contract, now: int
) -> tuple[Book, list[Transition]]:
    """What the terms do to one claim: it ends, or it begins, and a commitment funds it at once."""
    transitions: list[Transition] = []
    event = event_of(contract)
    assert event is not None
    follows: tuple[int, ...] | None = None
    while follows is None or follows:
        case = case_of(book, claim, now, cause=contract)
        candidates = rows(claim.state, event)
        if follows is not None:
            candidates = tuple(row for row in candidates if row.number in follows)
        row = first(case, candidates)
        if row is None:
            break
        book, transition = take(book, case, row)
        transitions.append(transition)
        claim = book.claims[claim.settlement_id]
        follows = AGREED_FOLLOWS.get(row.number, ())
    return book, transitions


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
    return _move(book, case_of(before, claim, now, cause=item), event)


def review(
    book: Book,
    twin: Twin,
    item: Review,
    content_hash: bytes,
    now: int,
    known: Known = NOTHING_KNOWN,
    arrival: int = 0,
) -> Outcome:
    """Take an act of a person; a RELEASE is checked against the evidence as it stands now."""
    verdict = seen_before(book, item, content_hash)
    if verdict == "DUPLICATE":
        return Outcome(book=book, verdict="DUPLICATE")
    claim, before, book = claim_of(book, item), book, noted(book, item, content_hash, arrival)
    if verdict == "CONFLICT":
        return _conflict(book, claim, item.settlement_id, item, now)
    if ends_contract(item):
        return _ended(before, book, item, now)
    if item.settlement_id == EVERY:
        return _of_records(book, item, now)
    if claim is None:
        return _illegal(book, item.settlement_id, "a review of no claim of this chain's contract")
    if item.verdict == APPROVE:
        why = approval_refused(before, claim, item)
        noted_only = Outcome(book=book, verdict="NOTED")
        return noted_only if why is None else _illegal(book, item.settlement_id, f"APPROVE: {why}")
    event = event_of(item)
    if event is None:
        return _illegal(book, item.settlement_id, f"unknown verdict {item.verdict}")
    seen = None
    if event == "ReviewReleased":
        seen = evaluated(before, claim, twin, now, known)
    return _move(book, case_of(before, claim, now, cause=item, verdict=seen), event)


def _ended(before: Book, book: Book, item: Review, now: int) -> Outcome:
    """One half of a mutual cancel waits for the other; the second, or a court, ends what has not
    been instructed."""
    refused = cancel_refused(before, item)
    if refused is not None:
        reason = f"{item.verdict}: {refused}"
        return _illegal(book, item.settlement_id or item.contract_id, reason)
    if not book.terminated:
        return Outcome(book=book, verdict="NOTED")
    event = event_of(item)
    assert event is not None
    return _move_all(book, item, event, now)


def _move_all(book: Book, item: Review, event: str, now: int) -> Outcome:
    """Every claim that the table moves at `event` moves; the others stay as they are."""
    transitions = []
    for settlement in book.order:
        case = case_of(book, book.claims[settlement], now, cause=item)
        row = first(case, rows(case.claim.state, event))
        if row is not None:
            book, transition = take(book, case, row)
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
    """Whether a claim of the chain can still be held, or come to be."""
    return any(claim.state not in ABSORBING for claim in book.claims.values())
