"""What a transition does to the book: one way, live and at restore.

`settlement_noted.noted` has registered its cause; `enact` runs the effects of a row that was
chosen; `apply` does the same for a row that was recorded.
"""

from msgspec.structs import replace

from supplytwin.processors.fixing import fixing
from supplytwin.processors.settlement_agreement import known_deadline, named
from supplytwin.processors.settlement_case import frozen_by
from supplytwin.processors.settlement_draft import Act, Draft
from supplytwin.processors.settlement_effects import EFFECTS
from supplytwin.processors.settlement_noted import event_of, input_key, noted
from supplytwin.processors.settlement_recorded import Recorded
from supplytwin.processors.settlement_state import NEXT, NONE, Book, Cause, Claim
from supplytwin.processors.settlement_table import CUT, OPEN, Row, row_of
from supplytwin.processors.twin import EMPTY, Twin
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import QUARANTINE_DESK
from supplytwin.schemas.terms import ClaimTerms, Terms

__all__ = ["apply", "enact", "event_of", "input_key", "new_claim", "noted"]

_HANDED_ON = (
    "hold_no", "hold_answered", "hold_live", "hold_expires", "held_minor", "hold_lost_no",
    "attempt", "issued", "recall_no", "refused_no", "query_no", "instruction_no", "releases",
    "bookings", "returns", "standing", "cleared", "noted", "accounts", "cancelled",
)  # fmt: skip

_LAPSE = frozenset((10, 12, 16, 33))
"""Rows after which what was approved has to be approved anew."""
_OF_HOLDS = frozenset((5, 40, 41, 42))
"""Rows of the rail and a hold: what people have said until then is about something else."""
_APPROVES = 11
"""The row that approves a claim by its condition."""


def new_claim(book: Book, settlement: str) -> Claim:
    """The claim as it is before row 1: nothing asked, nothing held. The successor of another
    (row 52) has its hold, its numbers, and what people and the rail have said.
    """
    assert book.terms is not None
    promise: ClaimTerms = book.promises[settlement]
    fresh = Claim(
        settlement_id=settlement,
        claim_id=promise.claim_id,
        tranche_id=promise.tranche_id,
        state=NONE,
        amount_minor=promise.amount_minor,
        currency=book.terms.currency,
        funding_due=book.terms.funding_deadline,
        version=book.terms.version,
    )
    before = book.claims.get(settlement)
    if before is None:
        return fresh
    heir = replace(fresh, **{name: getattr(before, name) for name in _HANDED_ON})
    return replace(heir, funding_due=_funded_by(book.terms, promise, before))


def _funded_by(terms: Terms, promise: ClaimTerms, before: Claim) -> int | None:
    """Until when the successor of a claim has its hold: the date of the terms. One that was funded,
    or had until its close, has until its close (None), as after a lost hold (row 6): that date is
    of the first funding, and may be over.
    """
    had_time = before.hold_live or before.funding_due is None
    due = terms.funding_deadline
    return None if had_time and due <= terms.close(promise) else due


def enact(
    book: Book,
    row: Row,
    claim: Claim,
    to_state: str,
    *,
    at: int,
    evidence_ids: tuple[str, ...],
    verdict: str | None,
    due_minor: int,
    gross_minor: int | None,
    adjusted_bp: int | None,
    measure: str | None,
    cause: Cause | None,
    twin: Twin,
) -> tuple[Book, Draft]:
    """Run a row's effects on `claim` and put the result into the book. `due_minor`: see `Act`;
    `twin` = what is known.
    """
    assert book.terms is not None
    terms, name = book.terms_of(claim), claim.settlement_id
    act = Act(
        terms=terms,
        promise=book.promises[name],
        to_state=to_state,
        at=at,
        evidence_ids=evidence_ids,
        verdict=verdict,
        due_minor=due_minor,
        gross_minor=gross_minor,
        adjusted_bp=adjusted_bp,
        measure=measure,
        cause=cause,
        refused=book.refused,
        frozen=frozen_by(book, claim),
        succeeded=named(book.terms, claim) is not None,
    )
    draft = Draft(claim=claim)
    for effect in row.effects:
        draft = EFFECTS[effect](draft, act)
    moved = _clocked(replace(draft.claim, state=to_state), act)
    if to_state in ("SETTLED", "CLOSED") and claim.state != to_state:
        moved = replace(moved, settled_at=at)
    if row.number == _APPROVES:
        moved = replace(moved, fixing=fixing(twin, at))
    draft = replace(draft, claim=moved)
    if row.number == 32:
        book = _frozen_anew(book, name)
    freezes = book.freezes | {name} if row.number == 32 else book.freezes
    tolling = (claim.tolls_since, claim.tolled_us)
    replaced = to_state == "SUPERSEDED"  # the promise is its successor's already
    if (moved.tolls_since, moved.tolled_us) != tolling and not replaced:
        promise = _in_force(terms, moved)
        book = replace(book, promises=book.promises.set(name, promise))
    if row.number in _LAPSE and name in book.approvals:
        book = replace(book, approvals=book.approvals.delete(name))
    if name in book.votes and row.number not in _OF_HOLDS:
        book = replace(book, votes=book.votes.delete(name))
    book = replace(
        book,
        claims=book.claims.set(name, moved),
        freezes=freezes,
        contract_seq=book.contract_seq + 1,
        agenda=NEXT,
    )
    return book, draft


def _frozen_anew(book: Book, paid: str) -> Book:
    """A later contradiction voids what a review has cleared of an earlier one."""
    key, claims = f"settlement/{paid}", book.claims
    for name, other in claims.items():
        if key in other.cleared:
            thawed = {"cleared": other.cleared - {key}, "noted": other.noted - {key}}
            claims = claims.set(name, replace(other, **thawed))
    return replace(book, claims=claims)


def _clocked(claim: Claim, act: Act) -> Claim:
    """Deadlines stand still while the claim is disputed, while it is held if that is agreed, and
    while a record of the chain is in the quarantine, unless a payment is under way; then what was
    lost is added. After the close there is nothing left to lose.
    """
    if claim.tolls_since is None and act.at > act.close:
        return claim
    refused = {key for key in claim.standing if key.startswith(f"{QUARANTINE_DESK}/")}
    still = claim.state == "DISPUTED" or (claim.state == "HELD" and act.tolls)
    begins = claim.state in OPEN or claim.tolls_since is not None
    if still or (begins and refused - claim.cleared):
        since = act.at if claim.tolls_since is None else claim.tolls_since
        return replace(claim, tolls_since=since)
    if claim.tolls_since is None:
        return claim
    tolled = claim.tolled_us + max(0, act.at - claim.tolls_since)
    return replace(claim, tolls_since=None, tolled_us=tolled)


def _in_force(terms: Terms, claim: Claim) -> ClaimTerms:
    """The terms of a claim with its effective deadline; while that stands still, the last possible:
    the long stop.
    """
    agreed = named(terms, claim)
    assert agreed is not None
    last = terms.long_stop - agreed.grace_us
    deadline = known_deadline(terms, claim) if claim.tolls_since is None else last
    return replace(agreed, deadline=Micros(deadline))


def _event(book: Book, cause: Cause) -> str | None:
    """The table's event for an input that was noted: a second content under its id is a break."""
    return "ReconBreak" if len(book.inputs[input_key(cause)]) > 1 else event_of(cause)


def apply(book: Book, recorded: Recorded, cause: Cause | None, twin: Twin = EMPTY) -> Book:
    """The book after a recorded transition: no condition is evaluated, nothing goes out.

    `cause` is the input that the record names (`noted` before), None at a cut; `twin` = what was
    known. Raises FatalError when the record does not fit the book: then the journal is not the one
    that this book came from.
    """
    if recorded.settlement_id not in book.promises:
        raise FatalError(f"settlement {recorded.settlement_id} is not one of this chain's contract")
    claim = book.claims.get(recorded.settlement_id)
    if claim is None or (claim.state, recorded.from_state) == ("SUPERSEDED", NONE):
        claim = new_claim(book, recorded.settlement_id)
    event = CUT if cause is None else _event(book, cause)
    moved = (recorded.row, recorded.from_state, recorded.to_state)
    row = None if event is None else row_of(*moved, event)
    if (
        row is None
        or claim.state != recorded.from_state
        or recorded.contract_seq != book.contract_seq + 1
    ):
        raise FatalError(
            f"settlement {recorded.settlement_id}: row {recorded.row} {recorded.from_state} to "
            f"{recorded.to_state} does not follow {claim.state} at transition {book.contract_seq}"
        )
    book, draft = enact(
        book,
        row,
        claim,
        recorded.to_state,
        at=recorded.tick_time,
        evidence_ids=recorded.evidence_ids,
        verdict=recorded.verdict,
        due_minor=recorded.amount_minor,
        gross_minor=recorded.gross_minor,
        adjusted_bp=recorded.adjusted_bp,
        measure=recorded.measure,
        cause=cause,
        twin=twin,
    )
    if draft.postings != tuple(recorded.postings):
        raise FatalError(
            f"settlement {recorded.settlement_id}: row {recorded.row} posts otherwise now"
        )
    return book
