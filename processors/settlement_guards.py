"""The guards of the state table: pure predicates over one case, by name.

A guard that reads the verdict is FALSE without one: only a cut and a review evaluate the condition.
"""

from collections.abc import Callable

from msgspec import Struct

from supplytwin.processors.conditions import Verdict
from supplytwin.processors.settlement_state import ABSORBING, Book, Cause, Claim
from supplytwin.schemas.records import Receipt, Review
from supplytwin.schemas.terms import ClaimTerms, Terms

RETRYABLE = frozenset(("AB05", "AB06", "AB07", "AB08", "AM04", "AM21", "ED05", "TM01"))
"""ISO 20022 reasons that may go away by themselves: time-outs and unavailable agents or creditors
(AB05-AB08), no funds at that moment (AM04), a limit of the day (AM21), settlement failed (ED05),
after the cut-off time (TM01). Every other reason is final."""


class Case(Struct, frozen=True, kw_only=True, gc=False):
    """What a guard sees. `at` = the tick of the cut, or the last tick handled when an input is
    taken."""

    book: Book
    terms: Terms
    promise: ClaimTerms
    claim: Claim
    at: int
    cause: Cause | None = None
    verdict: Verdict | None = None

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
    def close(self) -> int:
        """The last instant at which evidence for the claim may arrive."""
        return self.terms.close(self.promise)


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
    against = frozenset("/".join(identity) for identity in case.verdict.against)
    return plain(case, conflicts(case)) | against


def plain(case: Case, ids: frozenset[str]) -> frozenset[str]:
    """The ids as a record names them: a conflicted fact by its ``source/event_id`` alone."""
    if case.verdict is None:
        return ids
    named = zip(case.verdict.adverse_ids, case.verdict.adverse, strict=True)
    names = {full: "/".join(identity) for full, identity in named}
    return frozenset(names.get(one, one) for one in ids)


def booking_key(receipt: Receipt) -> str:
    """The rail's entry id; a final status without one stands for the entry of its attempt."""
    return receipt.entry_id or f"attempt:{receipt.attempt}"


def _is(case: Case, *values: str) -> bool:
    return case.verdict is not None and case.verdict.value in values


def _in_currency(case: Case) -> bool:
    receipt = case.receipt
    amount = receipt.amount_minor
    return amount is not None and amount > 0 and receipt.currency == case.claim.currency


def _returned(case: Case) -> int:
    assert case.receipt.amount_minor is not None
    return case.receipt.amount_minor


def _return_complete(case: Case) -> bool:
    return case.receipt.return_id is not None and _in_currency(case)


def _hold_answered_before(case: Case) -> bool:
    hold_no = case.receipt.hold_no
    return hold_no < case.claim.hold_no or (
        hold_no == case.claim.hold_no and case.claim.hold_answered
    )


def _hold_sufficient(case: Case) -> bool:
    return _in_currency(case) and (case.receipt.amount_minor or 0) >= case.claim.amount_minor


def _hold_outlives_close(case: Case) -> bool:
    expires = case.receipt.hold_expires
    return expires is None or expires > case.close


def _hold_live(case: Case) -> bool:
    claim = case.claim
    return claim.hold_live and (claim.hold_expires is None or case.at <= claim.hold_expires)


def _attempt_known(case: Case) -> bool:
    return 1 <= case.receipt.attempt <= case.claim.issued


def _booking_known(case: Case) -> bool:
    """Its entry is known, or it is the other notice of a booking of the same attempt, or that of a
    return."""
    receipt, claim = case.receipt, case.claim
    if booking_key(receipt) in claim.bookings:
        return True
    same = [key for key, booking in claim.bookings.items() if booking.attempt == receipt.attempt]
    if same and (receipt.entry_id is None or same == [f"attempt:{receipt.attempt}"]):
        return True
    return claim.unbooked and _in_currency(case) and receipt.amount_minor == claim.amount_minor


def _recall_older(case: Case) -> bool:
    receipt, claim = case.receipt, case.claim
    if receipt.recall_no < 1 or receipt.recall_no > claim.recall_no:
        return False
    ended = claim.state not in ("CANCEL_PENDING", "SETTLED", "RETURNED")
    return receipt.recall_no < claim.recall_no or receipt.recall_no <= claim.refused_no or ended


def _reviewer_is_another(case: Case) -> bool:
    raisers = {who for key, who in case.claim.standing.items() if key not in case.claim.cleared}
    return bool(case.review.reviewer) and case.review.reviewer not in raisers


def _evidence_as_seen(case: Case) -> bool:
    return case.verdict is not None and case.review.evidence_hash == case.verdict.evidence_hash


def _silent_since(case: Case, moment: int) -> bool:
    return case.at > moment + case.terms.status_sla_us


def _named(case: Case) -> frozenset[str]:
    """What a review clears of what stands against the claim."""
    return uncleared(case) & frozenset(case.review.cleared_ids)


Guard = Callable[[Case], bool]

_TIME: dict[str, Guard] = {
    "funding_overdue": lambda case: case.at > case.claim.funding_due,
    "past_close": lambda case: case.at > case.close,
    "before_long_stop": lambda case: case.at <= case.terms.long_stop,
    "past_long_stop": lambda case: case.at > case.terms.long_stop,
    "window_over": lambda c: c.claim.window_end is not None and c.at >= c.claim.window_end,
    "status_overdue": lambda case: _silent_since(case, case.claim.status_at),
    "release_overdue": lambda c: c.claim.release_open and _silent_since(c, c.claim.release_at),
}
_EVIDENCE: dict[str, Guard] = {
    "condition_true": lambda case: _is(case, "TRUE"),
    "condition_false": lambda case: _is(case, "FALSE"),
    "condition_not_true": lambda case: _is(case, "FALSE", "UNKNOWN"),
    "condition_not_false": lambda case: _is(case, "TRUE", "UNKNOWN"),
    "expires_on_false": lambda case: case.terms.on_false == "EXPIRE",
    "undecided_or_held_on_false": lambda case: (
        _is(case, "UNKNOWN") or (_is(case, "FALSE") and case.terms.on_false == "HOLD")
    ),
    "not_undecided_after_close": lambda c: not (_is(c, "UNKNOWN") and c.at > c.close),
    "nothing_adverse": lambda case: not uncleared(case),
    "something_adverse": lambda case: bool(uncleared(case)),
    "adverse_unnoted": lambda case: bool(plain(case, uncleared(case)) - case.claim.noted),
    "not_restated": lambda c: (
        c.claim.restated is None
        or (c.verdict is not None and c.verdict.evidence_hash != c.claim.restated)
    ),
    "contradicted": lambda case: _is(case, "FALSE", "UNKNOWN") or bool(conflicts(case)),
    "contradiction_new": lambda c: not c.claim.claimed or bool(contrary(c) - c.claim.claimed),
}
_CONTRACT: dict[str, Guard] = {
    "nothing_due": lambda case: case.claim.amount_minor == 0,
    "something_due": lambda case: case.claim.amount_minor > 0,
    "contract_active": lambda case: case.book.contract_state == "ACTIVE",
    "contract_terminated": lambda case: case.book.terminated,
    "terminated_or_past_long_stop": lambda c: c.book.terminated or c.at > c.terms.long_stop,
    "held_by_risk": lambda case: case.claim.origin == "RISK" and case.claim.basis == "CONDITION",
    "reconciled": lambda case: not case.claim.recon_break,
    "no_recall_refused": lambda case: case.claim.refused_no == 0,
    "recall_was_refused": lambda case: case.claim.refused_no > 0,
    "earlier_attempts_rejected": lambda case: case.claim.issued == case.claim.attempt - 1,
    "attempts_left": lambda case: case.claim.attempt < case.terms.attempts_max,
    "reviewer_is_another": _reviewer_is_another,
    "evidence_as_seen": _evidence_as_seen,
    "held_for_a_record": lambda case: case.claim.origin in ("QUARANTINED", "RISK"),
    "clears_a_record": lambda case: bool(_named(case)),
    "clears_all_that_stands": lambda c: bool(_named(c)) and _named(c) == uncleared(c),
    "clears_what_stands": lambda case: uncleared(case).issuperset(case.review.cleared_ids),
}
_RAIL: dict[str, Guard] = {
    "hold_current": lambda c: c.receipt.hold_no == c.claim.hold_no and not c.claim.hold_answered,
    "hold_sufficient": _hold_sufficient,
    "hold_outlives_close": _hold_outlives_close,
    "hold_live": _hold_live,
    "hold_answered_before": _hold_answered_before,
    "hold_given_up": lambda c: c.claim.state in ABSORBING and c.receipt.hold_no == c.claim.hold_no,
    "attempt_current": lambda c: c.receipt.attempt == c.claim.attempt == c.claim.issued,
    "attempt_older": lambda case: 1 <= case.receipt.attempt < case.claim.attempt,
    "attempt_cancelled": lambda c: c.claim.state in ("VOIDED", "EXPIRED") and _attempt_known(c),
    "attempt_over": lambda case: case.claim.state in ABSORBING and _attempt_known(case),
    "status_outranked": lambda c: c.claim.state not in ("INSTRUCTED", "IN_DOUBT")
    and _attempt_known(c),
    "rejection_retryable": lambda case: case.receipt.rail_reason in RETRYABLE,
    "booking_known": _booking_known,
    "booking_in_currency": _in_currency,
    "booked_as_instructed": lambda case: _in_currency(case)
    and case.receipt.amount_minor == case.claim.amount_minor,
    "return_known": lambda case: case.receipt.return_id in case.claim.returns,
    "return_in_currency": _return_complete,
    "return_fits_amount": lambda c: _return_complete(c) and _returned(c) <= c.claim.amount_minor,
    "return_is_whole": lambda case: _returned(case) == case.claim.amount_minor,
    "return_fits_paid": lambda c: _return_complete(c) and _returned(c) <= c.claim.accounts.seller,
    "return_takes_all": lambda case: _returned(case) == case.claim.accounts.seller,
    "returns_cover": lambda case: sum(case.claim.returns.values()) >= case.claim.amount_minor,
    "release_open": lambda c: c.claim.release_open and c.receipt.hold_no == c.claim.hold_no,
    "release_closed_before": lambda c: c.claim.release is not None
    and not c.claim.release_open and c.receipt.hold_no <= c.claim.hold_no,
    "recall_current": lambda case: 1 <= case.receipt.recall_no == case.claim.recall_no,
    "recall_older": _recall_older,
}  # fmt: skip

GUARDS: dict[str, Guard] = {**_TIME, **_EVIDENCE, **_CONTRACT, **_RAIL}


def holds(case: Case, guards: tuple[str, ...]) -> bool:
    """Whether every named guard is true of `case`."""
    return all(GUARDS[name](case) for name in guards)


def failing(case: Case, guards: tuple[str, ...]) -> tuple[str, ...]:
    """The named guards that are not true of `case`, for the reason of a refusal."""
    return tuple(name for name in guards if not GUARDS[name](case))
