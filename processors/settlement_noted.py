"""What an ordered input says is registered before the transitions that it causes: live and at
restore the same.

Its id, what it tells about bookings, returns and lost holds, a contract's terms, whose word ends
the contract, and what people ask for together.
"""

from immutables import Map
from msgspec.structs import replace

from supplytwin.processors import remembered, settlement_versions
from supplytwin.processors.settlement_case import ballot_of, booking_key, records_of
from supplytwin.processors.settlement_rows import OPEN, PAID
from supplytwin.processors.settlement_state import (
    LIVE,
    NEXT,
    Assented,
    Book,
    Booking,
    Cause,
    Claim,
)
from supplytwin.schemas.records import EVERY, QUARANTINE_DESK, Contract, Receipt, Review
from supplytwin.schemas.terms_read import decode

CANCEL = "CANCEL"
APPROVE = "APPROVE"
"""An assent for the condition; it moves nothing by itself."""
CANCEL_ROLES = ("BUYER", "SELLER")
COURT, COURT_ORDER, TERMINATE = "COURT", "COURT_ORDER", "TERMINATE"
BOOKED, HOLD_LOST = "Booked", "HoldLost"
AMENDMENT = "AmendmentAccepted"
_OBJECTIONS = ("RiskHold", "ReconFound")

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
    "RESERVE": {
        "CONFIRMED": "HoldConfirmed",
        "REFUSED": "HoldRefused",
        "RENEWED": "HoldRenewed",
        "LOST": HOLD_LOST,
    },
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
    COURT_ORDER: "CourtOrder",
    TERMINATE: "Terminated",
    "UNDERTAKING": "UndertakingRecorded",
    "DISPUTE": "DisputeRaised",
    "WITHDRAW": "DisputeWithdrawn",
    "DISMISS": "DisputeDismissed",
    "RESOLVE_SELLER": "ResolvedForSeller",
    "RESOLVE_BUYER": "ResolvedForBuyer",
    "RECON_BREAK": "ReconFound",
    "RECON_SETTLED": "ReconSettled",
    "RECON_HELD": "ReconHeld",
}


def event_of(cause: Cause) -> str | None:
    """The table's event for an input; None for a status or a verdict that is none."""
    match cause:
        case Contract():
            return "ContractAgreed" if cause.version == 1 else AMENDMENT
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


def noted(book: Book, message: Cause, content_hash: bytes, arrival: int = 0) -> Book:
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
        return _in_conflict(book, message)
    match message:
        case Contract():
            return settlement_versions.taken(book, decode(message.terms))
        case Receipt():
            claim = claim_of(book, message)
            return book if claim is None else _with_claim(book, _told(claim, message))
        case Review():
            if message.settlement_id == EVERY:
                book = _of_records(book, message)
            return book if book.terms is None else _said(book, message, arrival)


def _said(book: Book, review: Review, arrival: int) -> Book:
    """Whose word ends the contract, or keeps a claim from being paid, and what people ask for."""
    if ends_contract(review):
        if cancel_refused(book, review) is not None:
            return book
        role = review.role if review.verdict == CANCEL else COURT
        return replace(book, cancels=book.cancels.set(role, review.reviewer))
    claim, ballot = claim_of(book, review), ballot_of(review)
    if claim is None:
        return book
    if review.verdict == APPROVE:
        return _approved(book, claim, review, arrival)
    if review.verdict == COURT_ORDER and review.role == COURT and review.reviewer:
        return _with_claim(book, replace(claim, cancelled=True))
    if event_of(review) in _OBJECTIONS and review.reviewer and claim.state in LIVE:
        return _with_claim(book, _objected(claim, review))
    if ballot is None:
        return book
    votes: Map[str, frozenset[str]] = book.votes.get(claim.settlement_id, Map())
    for other, persons in votes.items():  # of one person the last word counts
        votes = votes.set(other, persons - {review.reviewer})
    votes = votes.set(ballot, votes.get(ballot, frozenset()) | {review.reviewer})
    return replace(book, votes=book.votes.set(claim.settlement_id, votes))


def _objected(claim: Claim, said: Receipt | Review) -> Claim:
    """No row takes it while a payment is under way; it holds the claim if it comes back unpaid."""
    key = f"{said.source}/{said.input_id}"
    standing = claim.standing.set(key, said.reviewer if isinstance(said, Review) else "")
    return replace(claim, standing=standing, noted=claim.noted | {key})


def _in_conflict(book: Book, message: Cause) -> Book:
    """An id with two contents tells nothing, but a payment is not tried again over it."""
    claim = None if isinstance(message, Contract) else claim_of(book, message)
    if isinstance(message, Contract) or claim is None or claim.state not in LIVE:
        return book
    return _with_claim(book, _objected(claim, message))


def _of_records(book: Book, review: Review) -> Book:
    """A record of the chain was refused, or is dealt with, for all claims that are to come as well.
    No row takes it while a payment is under way, nor, once it is dealt with, of a claim that an
    amendment has taken out: a later one may list that again.
    """
    desk = review.source == QUARANTINE_DESK
    refused = event_of(review) == "RecordRefused" and desk
    if not refused and (event_of(review) != "RecordResolved" or desk):
        return book
    book = remembered.refused(book, review) if refused else remembered.resolved(book, review)
    for claim in book.claims.values():
        if refused and claim.state in LIVE:
            book = _with_claim(book, _objected(claim, review))
        elif not refused and claim.state in (*LIVE, "SUPERSEDED"):
            cleared = claim.cleared | (records_of(review) & frozenset(claim.standing))
            book = _with_claim(book, replace(claim, cleared=cleared))
    return book


def approval_refused(book: Book, claim: Claim, review: Review) -> str | None:
    """Why an approval counts for nothing; None = it counts as long as what was seen stands."""
    full = book.terms_of(claim).full
    if full is None:
        return "the terms ask for no approval"
    if claim.state not in OPEN:
        return f"the claim is {claim.state}"
    if not review.evidence_hash:
        return "it does not say what it approves: evidence_hash"
    told = (one for one in full.attesters if one.role == review.role)
    sources = {source for one in told for source in one.sources}
    if review.source not in sources:
        return f"{review.source} is no source of a {review.role} that the terms name"
    return None


def _approved(book: Book, claim: Claim, review: Review, arrival: int) -> Book:
    if approval_refused(book, claim, review) is not None:
        return book
    name = claim.settlement_id
    one = Assented(
        review_id=f"{review.source}/{review.input_id}",
        source=review.source,
        role=review.role,
        at=arrival,
        of=review.evidence_hash or "",
    )
    known = book.approvals.get(name, ())
    return replace(book, approvals=book.approvals.set(name, (*known, one)))


def _with_claim(book: Book, claim: Claim) -> Book:
    return replace(book, claims=book.claims.set(claim.settlement_id, claim))


def claim_of(book: Book, message: Receipt | Review) -> Claim | None:
    """The claim that a receipt or a review names, when it is one of this contract."""
    if book.terms is None or message.contract_id != book.terms.contract_id:
        return None
    return book.claims.get(message.settlement_id)


def ends_contract(review: Review) -> bool:
    """Whether it is about the end of the whole contract."""
    if review.verdict == COURT_ORDER:
        return review.settlement_id == EVERY
    return review.verdict in (CANCEL, TERMINATE)


def cancel_refused(book: Book, review: Review) -> str | None:  # one reason each
    """Why a review does not end the contract, nor is a half of what does; None = it counts."""
    if book.terms is None or review.contract_id != book.terms.contract_id:
        return "names no contract of this chain"
    if review.verdict == CANCEL and review.role not in CANCEL_ROLES:
        return "only the BUYER and the SELLER together cancel a contract"
    if review.verdict != CANCEL and review.role != COURT:
        return "only a COURT may"
    if not review.reviewer:
        return "names no reviewer"
    if book.contract_state != "ACTIVE":
        return f"the contract is {book.contract_state}"
    if review.verdict != CANCEL:
        return None
    if review.role in book.cancels:
        return f"the {review.role} has cancelled already"
    if review.reviewer in book.cancels.values():
        return "one person cannot cancel for both parties"
    return None


def _told(claim: Claim, receipt: Receipt) -> Claim:
    """Register a booking or a return. A status without an entry id and the entry of its attempt are
    one booking."""
    amount, currency = receipt.amount_minor, receipt.currency
    if event_of(receipt) == HOLD_LOST and receipt.hold_no == claim.hold_no:
        return claim if claim.hold_answered else replace(claim, hold_lost_no=receipt.hold_no)
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
            fits = (amount, currency) == (claim.paid_minor, claim.currency)
            return replace(claim, bookings=bookings, unbooked=claim.unbooked and not fits)
        case "Returned" if receipt.return_id is not None:
            most = claim.accounts.seller if claim.state in PAID else amount
            fits = currency == claim.currency and amount <= most
            counts = amount if fits else 0  # known, and not to be posted
            return replace(claim, returns=claim.returns.set(receipt.return_id, counts))
        case _:
            return claim
