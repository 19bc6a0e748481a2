"""What an input and a transition do to the book: one way, live and at restore.

`noted` registers an ordered input (its id, what it tells about bookings and returns, a contract's
terms, a half of a mutual cancel); `enact` runs the effects of a row that was chosen; `apply` does
the same for a row that was recorded.
"""

from immutables import Map
from msgspec.structs import replace

from supplytwin.processors import remembered
from supplytwin.processors.settlement_draft import Act, Draft
from supplytwin.processors.settlement_effects import EFFECTS
from supplytwin.processors.settlement_guards import booking_key
from supplytwin.processors.settlement_state import (
    NEXT,
    NONE,
    Book,
    Booking,
    Cause,
    Claim,
    Recorded,
)
from supplytwin.processors.settlement_table import CUT, Row, row_of
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.ids import Micros, settlement_id
from supplytwin.schemas.records import Contract, Receipt, Review
from supplytwin.schemas.terms import ClaimTerms, Terms, decode

CANCEL = "CANCEL"
CANCEL_ROLES = ("BUYER", "SELLER")
BOOKED = "Booked"

_PAYMENT = {
    "ACTC": "Pending",
    "ACCP": "Pending",
    "ACSP": "Pending",
    "ACWC": "Pending",
    "PDNG": "Pending",
    "ACSC": BOOKED,
    "BOOKED": BOOKED,
    "RJCT": "Rejected",
    "NOT_FOUND": "NotFound",
    "RETURNED": "Returned",
}
_STATUSES: dict[str, dict[str, str]] = {
    "RESERVE": {"CONFIRMED": "HoldConfirmed", "REFUSED": "HoldRefused"},
    "PAY": _PAYMENT,
    "QUERY": _PAYMENT,
    "RELEASE": {"RELEASED": "Released", "FAILED": "ReleaseFailed"},
    "RECALL": {"CNCL": "RecallDone", "RJCR": "RecallRefused", "NOOR": "NoOriginal"},
}
_VERDICTS = {
    "RELEASE": "ReviewReleased",
    "REJECT": "ReviewRejected",
    "HOLD": "RiskHold",
    "RECALL": "RecallOrdered",
    "QUARANTINE": "RecordRefused",
    "RELEASE_RECORD": "RecordResolved",
    "DROP_RECORD": "RecordResolved",
    CANCEL: "MutualCancel",
}


def event_of(cause: Cause) -> str | None:
    """The table's event for an input; None for a status or a verdict that is none."""
    match cause:
        case Contract():
            return "ContractAgreed"
        case Review():
            return _VERDICTS.get(cause.verdict)
        case Receipt():
            return _STATUSES.get(cause.kind, {}).get(cause.rail_status)


def input_key(message: Cause) -> str:
    """Ordered inputs of the three kinds have ids of their own."""
    return f"{type(message).__name__.lower()}:{message.input_id}"


def seen_before(book: Book, message: Cause, content_hash: bytes) -> str:
    """NEW, DUPLICATE (same id, same content) or CONFLICT (same id, another content)."""
    known = book.inputs.get(input_key(message))
    if known is None:
        return "NEW"
    return "DUPLICATE" if content_hash in known else "CONFLICT"


# ---- an input is registered


def noted(book: Book, message: Cause, content_hash: bytes) -> Book:
    """The book after an INPUT entry, before the transitions that it causes.

    What an input tells is registered whether or not a row takes it: bookings and returns are facts
    of the rail. A second content under a known id registers nothing but itself.
    """
    verdict = seen_before(book, message, content_hash)
    if verdict == "DUPLICATE":
        return book
    key = input_key(message)
    hashes = tuple(sorted((*book.inputs.get(key, ()), content_hash)))
    book = replace(book, inputs=book.inputs.set(key, hashes), agenda=NEXT)
    if verdict == "CONFLICT":
        return book
    match message:
        case Contract():
            return _with_terms(book, decode(message.terms)) if book.terms is None else book
        case Receipt():
            claim = claim_of(book, message)
            return book if claim is None else _with_claim(book, _told(claim, message))
        case Review():
            if message.verdict == CANCEL and cancel_refused(book, message) is None:
                return replace(book, cancels=book.cancels.set(message.role, message.reviewer))
            return _without_contract(book, message) if book.terms is None else book


def _without_contract(book: Book, review: Review) -> Book:
    match event_of(review):
        case "RecordRefused":
            return remembered.refused(book, review)
        case "RecordResolved":
            return remembered.resolved(book, review)
        case _:
            return book


def _with_terms(book: Book, terms: Terms) -> Book:
    promises = {
        settlement_id(terms.contract_id, claim.tranche_id, claim.claim_id): claim
        for claim in terms.claims
    }
    return replace(book, terms=terms, promises=Map(promises), order=tuple(promises))


def _with_claim(book: Book, claim: Claim) -> Book:
    return replace(book, claims=book.claims.set(claim.settlement_id, claim))


def claim_of(book: Book, message: Receipt | Review) -> Claim | None:
    """The claim that a receipt or a review names, when it is one of this contract."""
    if book.terms is None or message.contract_id != book.terms.contract_id:
        return None
    return book.claims.get(message.settlement_id)


def cancel_refused(book: Book, review: Review) -> str | None:  # one reason each
    """Why a CANCEL does not count as a half of a mutual cancel; None = it counts."""
    if book.terms is None or review.contract_id != book.terms.contract_id:
        return "names no contract of this chain"
    if review.role not in CANCEL_ROLES:
        return "only the BUYER and the SELLER together cancel a contract"
    if not review.reviewer:
        return "names no reviewer"
    if book.contract_state != "ACTIVE":
        return f"the contract is {book.contract_state}"
    if review.role in book.cancels:
        return f"the {review.role} has cancelled already"
    if review.reviewer in book.cancels.values():
        return "one person cannot cancel for both parties"
    return None


def _told(claim: Claim, receipt: Receipt) -> Claim:
    """Register a booking or a return. A status without an entry id and the entry of its attempt are
    one booking."""
    amount, currency = receipt.amount_minor, receipt.currency
    if amount is None or currency is None:
        return claim
    match event_of(receipt):
        case "Booked":
            booking = Booking(attempt=receipt.attempt, amount_minor=amount, currency=currency)
            bookings, nameless = claim.bookings, f"attempt:{receipt.attempt}"
            if receipt.entry_id is not None:
                bookings = bookings.delete(nameless) if nameless in bookings else bookings
                bookings = bookings.set(receipt.entry_id, booking)
            elif all(known.attempt != receipt.attempt for known in bookings.values()):
                bookings = bookings.set(booking_key(receipt), booking)
            fits = (amount, currency) == (claim.amount_minor, claim.currency)
            return replace(claim, bookings=bookings, unbooked=claim.unbooked and not fits)
        case "Returned" if receipt.return_id is not None and currency == claim.currency:
            return replace(claim, returns=claim.returns.set(receipt.return_id, amount))
        case _:
            return claim


# ---- a transition is enacted


def new_claim(book: Book, settlement: str) -> Claim:
    """The claim as it is before row 1: nothing asked, nothing held."""
    assert book.terms is not None
    promise: ClaimTerms = book.promises[settlement]
    return Claim(
        settlement_id=settlement,
        claim_id=promise.claim_id,
        tranche_id=promise.tranche_id,
        state=NONE,
        amount_minor=promise.amount_minor,
        currency=book.terms.currency,
        funding_due=book.terms.funding_deadline,
    )


def enact(
    book: Book,
    row: Row,
    claim: Claim,
    to_state: str,
    *,
    at: int,
    evidence_ids: tuple[str, ...],
    cause: Cause | None,
) -> tuple[Book, Draft]:
    """Run a row's effects on `claim` and put the result into the book."""
    assert book.terms is not None
    act = Act(
        terms=book.terms,
        to_state=to_state,
        at=at,
        evidence_ids=evidence_ids,
        cause=cause,
        refused=book.refused,
    )
    draft = Draft(claim=claim)
    for name in row.effects:
        draft = EFFECTS[name](draft, act)
    draft = replace(draft, claim=replace(draft.claim, state=to_state))
    freezes = book.freezes | {claim.settlement_id} if row.number == 32 else book.freezes
    tolling = (claim.tolls_since, claim.tolled_us)
    if (draft.claim.tolls_since, draft.claim.tolled_us) != tolling:
        promise = _in_force(book.terms, draft.claim)
        book = replace(book, promises=book.promises.set(claim.settlement_id, promise))
    book = replace(
        _with_claim(book, draft.claim),
        freezes=freezes,
        contract_seq=book.contract_seq + 1,
        agenda=NEXT,
    )
    return book, draft


def _in_force(terms: Terms, claim: Claim) -> ClaimTerms:
    """The terms of a claim with its effective deadline; while that stands still, the last possible.

    Nothing is extended beyond the long stop.
    """
    own = (claim.tranche_id, claim.claim_id)
    agreed = next(one for one in terms.claims if (one.tranche_id, one.claim_id) == own)
    last = terms.long_stop - agreed.grace_us
    tolled = last if claim.tolls_since is not None else agreed.deadline + claim.tolled_us
    return replace(agreed, deadline=Micros(min(tolled, last)))


def apply(book: Book, recorded: Recorded, cause: Cause | None) -> Book:
    """The book after a recorded transition: no condition is evaluated, nothing goes out.

    `cause` is the input that the record names (`noted` before), None at a cut. Raises FatalError
    when the record does not fit the book: then the journal is not the one that this book came from.
    """
    if recorded.settlement_id not in book.promises:
        raise FatalError(f"settlement {recorded.settlement_id} is not one of this chain's contract")
    claim = book.claims.get(recorded.settlement_id) or new_claim(book, recorded.settlement_id)
    events = (CUT,) if cause is None else (event_of(cause), "ReconBreak")
    found = (
        row_of(recorded.row, recorded.from_state, recorded.to_state, event)
        for event in events
        if event
    )
    row = next((one for one in found if one is not None), None)
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
        cause=cause,
    )
    if draft.postings != tuple(recorded.postings):
        raise FatalError(
            f"settlement {recorded.settlement_id}: row {recorded.row} posts otherwise now"
        )
    return book
