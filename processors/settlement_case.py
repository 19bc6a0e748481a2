"""What the guards of the state table see of a claim, and what speaks against it."""

from supplytwin.processors.conditions import Verdict
from supplytwin.processors.settlement_agreement import Agreement
from supplytwin.processors.settlement_state import Book, Cause, Claim
from supplytwin.processors.twin import EMPTY, Twin
from supplytwin.schemas.records import QUARANTINE_DESK, Receipt, Review


class Case(Agreement, frozen=True, kw_only=True, gc=False):
    """What a guard sees. `at` = the tick of the cut, or the last tick handled when an input is
    taken; the book is the one before its cause."""

    book: Book
    claim: Claim
    at: int
    cause: Cause | None = None
    verdict: Verdict | None = None
    twin: Twin = EMPTY
    """What is known, at a cut."""

    @property
    def receipt(self) -> Receipt:
        """The cause, which is a receipt for every event of the rail."""
        assert isinstance(self.cause, Receipt)
        return self.cause

    @property
    def review(self) -> Review:
        """The cause, which is a review for every act of a person."""
        assert isinstance(self.cause, Review)
        return self.cause

    @property
    def awarded(self) -> bool:
        """An arbiter has decided: the condition does not matter any more."""
        return self.claim.basis == "AWARD"

    @property
    def waits(self) -> bool:
        """Whether nothing but time that is not over keeps its condition UNKNOWN."""
        return self.verdict is not None and self.verdict.waits

    @property
    def funding_due(self) -> int:
        """Until when a hold has to be confirmed."""
        due = self.claim.funding_due
        return self.close if due is None else due

    @property
    def due_minor(self) -> int:
        """What is to be paid, never more than is reserved; the whole where the verdict names no
        amount, and without one. In a dispute, an adjustment that nobody knows takes off nothing:
        who is right by silence is paid by what is known."""
        verdict, whole = self.verdict, self.claim.amount_minor
        if verdict is None or verdict.due_minor is None:
            return whole
        due = verdict.due_minor
        if self.claim.state == "DISPUTED":
            due = due or verdict.unadjusted_minor
        return max(0, min(due, whole))

    @property
    def gross_minor(self) -> int | None:
        """What is due before adjustments, where the terms have them."""
        return None if self.verdict is None else self.verdict.gross_minor

    @property
    def adjusted_bp(self) -> int | None:
        """What adjustments change it by, where the terms have them."""
        verdict = self.verdict
        return None if verdict is None or verdict.gross_minor is None else verdict.adjusted_bp

    @property
    def measure(self) -> str | None:
        """By which its goods are counted, where it pays for a quantity."""
        return None if self.verdict is None else self.verdict.measure

    def voters(self) -> frozenset[str]:
        """The persons who ask for the very thing that the cause asks for, itself included."""
        ballot = ballot_of(self.review)
        votes = self.book.votes.get(self.claim.settlement_id)
        before = votes.get(ballot) if votes is not None and ballot is not None else None
        return (before or frozenset()) | {self.review.reviewer}


ARBITER = "ARBITER"
_OF_ARBITERS = frozenset(("RESOLVE_SELLER", "RESOLVE_BUYER", "DISMISS"))
_OF_AMOUNTS = frozenset(("RESOLVE_SELLER", "RECON_SETTLED"))
_COUNTED = frozenset(("RELEASE", "RECON_SETTLED", "RECON_HELD")) | _OF_ARBITERS


def ballot_of(review: Review) -> str | None:
    """What a review asks for, when more than one person may have to; None = it is not counted."""
    arbiters = review.verdict in _OF_ARBITERS
    if review.verdict not in _COUNTED or not review.reviewer:
        return None
    if arbiters and review.role != ARBITER:
        return None
    if review.verdict in _OF_AMOUNTS:
        return f"{review.verdict}\0{review.amount_minor}"
    if review.verdict != "RELEASE":
        return review.verdict
    cleared = sorted(review.cleared_ids)
    return "\0".join(("RELEASE", review.evidence_hash or "", str(review.attempts), *cleared))


def conflicts(case: Case) -> frozenset[str]:
    """Adverse ids of conflicted facts that reach the claim and are not cleared."""
    if case.verdict is None:
        return frozenset()
    return frozenset(case.verdict.adverse_ids) - case.claim.cleared


def frozen_by(book: Book, claim: Claim) -> frozenset[str]:
    """Ids of the freezes that other claims' contradicted payments put on this one."""
    own = claim.settlement_id
    return frozenset(f"settlement/{other}" for other in book.freezes if other != own)


def uncleared(case: Case) -> frozenset[str]:
    """Every adverse id that stands against the claim: conflicts, holds by people, breaks, freezes;
    less what a review has cleared."""
    standing = frozenset(case.claim.standing) | frozen_by(case.book, case.claim)
    return conflicts(case) | (standing - case.claim.cleared)


def contrary(case: Case) -> frozenset[str]:
    """``source/event_id`` of what speaks against a payment that is under way or made."""
    if case.verdict is None:
        return frozenset()
    if case.awarded:
        return plain(case, conflicts(case))
    against = frozenset("/".join(identity) for identity in case.verdict.against)
    return plain(case, conflicts(case)) | against


def plain(case: Case, ids: frozenset[str]) -> frozenset[str]:
    """The ids as a record names them: a conflicted fact by its ``source/event_id`` alone."""
    if case.verdict is None:
        return ids
    named = zip(case.verdict.adverse_ids, case.verdict.adverse, strict=True)
    names = {full: "/".join(identity) for full, identity in named}
    return frozenset(names.get(one, one) for one in ids)


def to_note(case: Case) -> frozenset[str]:
    """What stands against the claim and is not recorded yet, nor, while it is held for refused
    records alone, whatever else stands: that it was recorded once does not say that it is dealt
    with."""
    known = case.book.refused if case.claim.origin == "QUARANTINED" else case.claim.noted
    return plain(case, uncleared(case)) - known


def booking_key(receipt: Receipt) -> str:
    """The rail's entry id; a final status without one stands for the entry of its attempt."""
    return receipt.entry_id or f"attempt:{receipt.attempt}"


def records_of(review: Review) -> frozenset[str]:
    """The refused records among what a review names: what a desk for records may clear."""
    return frozenset(one for one in review.cleared_ids if one.startswith(f"{QUARANTINE_DESK}/"))
