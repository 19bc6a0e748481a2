"""The guards of the state table: pure predicates over one case, by name.

A guard that reads the verdict is FALSE without one: only a cut and a review evaluate the condition.
"""

from collections.abc import Callable

from supplytwin.processors import settlement_grants
from supplytwin.processors.settlement_agreement import hold_fits, lasts
from supplytwin.processors.settlement_case import (
    ARBITER,
    Case,
    booking_key,
    conflicts,
    contrary,
    records_of,
    to_note,
    uncleared,
)
from supplytwin.processors.settlement_rows import OPEN
from supplytwin.processors.settlement_state import ABSORBING, Booking
from supplytwin.processors.settlement_verdict import awaits_others

COURT = "COURT"
"""The role of whoever brings a court's order."""
RETRYABLE = frozenset(("AB05", "AB06", "AB07", "AB08", "AM04", "AM21", "ED05", "TM01"))
"""ISO 20022 reasons that may go away by themselves: time-outs and unavailable agents or creditors
(AB05-AB08), no funds at that moment (AM04), a limit of the day (AM21), settlement failed (ED05),
after the cut-off time (TM01). Every other reason is final."""


def _is(case: Case, *values: str) -> bool:
    return case.verdict is not None and case.verdict.value in values


def _matches(case: Case, *values: str) -> bool:
    """The condition, with nothing missing yet that the challenge window is there for."""
    verdict = case.verdict
    return verdict is not None and (verdict.matches or verdict.value) in values


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


def _granted(case: Case) -> bool:
    return settlement_grants.granted(case)


def _hold_covers(case: Case, until: int) -> bool:
    claim = case.claim
    return claim.hold_live and (claim.hold_expires is None or until < claim.hold_expires)


def _hold_over(case: Case) -> bool:
    """The hold is an older one, lost, released or used up."""
    hold_no, claim = case.receipt.hold_no, case.claim
    if not 1 <= hold_no <= claim.hold_no:
        return hold_no < 1
    ended = claim.state in ABSORBING or hold_no <= claim.hold_lost_no or hold_no in claim.releases
    return hold_no < claim.hold_no or ended


def _renewal_sufficient(case: Case) -> bool:
    amount = case.receipt.amount_minor
    return amount is None or (_in_currency(case) and amount >= case.claim.reserve_minor)


def _renewal_shrinks(case: Case) -> bool:
    receipt, claim = case.receipt, case.claim
    less = receipt.amount_minor is not None and 0 <= receipt.amount_minor < claim.reserve_minor
    return less and receipt.currency == claim.currency


def _moved_hold_fits(case: Case) -> bool:
    """The hold of the claim that this one replaces stands, is of the way of funding that is agreed
    now, is enough, and for long enough.
    """
    claim, before = case.claim, case.book.claims[case.claim.settlement_id]
    if case.committed_only or not claim.hold_live or claim.held_minor < claim.amount_minor:
        return False
    is_such = case.book.terms_of(before).funding_mode == case.funding_mode
    return is_such and lasts(case, claim, claim.hold_expires, case.at)


def _release_known(case: Case) -> bool:
    found = case.claim.releases.get(case.receipt.hold_no)
    return found is not None and found.open


def _attempt_known(case: Case) -> bool:
    return 1 <= case.receipt.attempt <= case.claim.issued


def _other_notice(case: Case) -> tuple[Booking, ...]:
    """What is known of the booking of which this is another notice: a status has no entry id."""
    receipt, claim = case.receipt, case.claim
    same = {key: one for key, one in claim.bookings.items() if one.attempt == receipt.attempt}
    if receipt.entry_id is None or set(same) == {f"attempt:{receipt.attempt}"}:
        return tuple(same.values())
    return ()


def _says_the_same(case: Case, known: Booking) -> bool:
    receipt, paid = case.receipt, (case.claim.paid_minor, case.claim.currency)
    said = (receipt.amount_minor, receipt.currency)
    return receipt.amount_minor is None or said in (paid, (known.amount_minor, known.currency))


def _booking_known(case: Case) -> bool:
    """Its entry is known, or it is the other notice of a booking of the same attempt, or that of a
    return. An entry is news where people did not believe the status.
    """
    receipt, claim = case.receipt, case.claim
    if booking_key(receipt) in claim.bookings:
        return True
    believed = receipt.entry_id is None or claim.state not in OPEN
    if believed and any(_says_the_same(case, one) for one in _other_notice(case)):
        return True
    return claim.unbooked and _in_currency(case) and receipt.amount_minor == claim.paid_minor


def _release_closed_before(case: Case) -> bool:
    hold_no, claim = case.receipt.hold_no, case.claim
    found = claim.releases.get(hold_no)
    return hold_no < claim.hold_no if found is None else not found.open


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
    return case.at > moment + case.status_sla_us


def _release_overdue(case: Case) -> bool:
    releases = case.claim.releases.values()
    return any(one.open and _silent_since(case, one.at) for one in releases)


def _named(case: Case) -> frozenset[str]:
    """The refused records that a review deals with and that stand against the claim."""
    return uncleared(case) & records_of(case.review)


def _window_over(case: Case) -> bool:
    end = case.claim.window_end
    return end is not None and case.at >= end


def _lapsed(case: Case) -> bool:
    """The condition of a match is no longer true, or nothing is due by it any more; while its
    window is open, what the window is there for is not missed yet."""
    if case.claim.state == "MATCHED":
        open_ = case.claim.window_end is not None and not _window_over(case)
        false = _is(case, "FALSE") or (not open_ and _is(case, "UNKNOWN"))
        nothing = case.verdict is not None and case.due_minor == 0
        return _matches(case, "FALSE", "UNKNOWN") or false or nothing
    return _is(case, "FALSE", "UNKNOWN")


def _may_dispute(case: Case) -> bool:
    rule, review = case.disputes, case.review
    return rule is not None and review.role in rule.who and bool(review.reviewer)


def _is_arbiter(case: Case) -> bool:
    rule, review = case.disputes, case.review
    return rule is not None and review.role == ARBITER and review.reviewer in rule.arbiters


def _arbiters_enough(case: Case) -> bool:
    rule = case.disputes
    return rule is not None and len(case.voters() & frozenset(rule.arbiters)) >= rule.k


def _dispute_over(case: Case, winner: str) -> bool:
    rule = case.disputes
    if rule is None or rule.on_timeout != winner:
        return False
    return case.at > case.claim.disputed_at + rule.max_len_us


def _reviewers_enough(case: Case) -> bool:
    claim = case.claim
    raisers = {who for key, who in claim.standing.items() if key not in claim.cleared}
    return len(case.voters() - raisers - {""}) >= case.release_reviewers


def _award_fits(case: Case) -> bool:
    return 0 < (case.review.amount_minor or 0) <= case.claim.accounts.reserved


Guard = Callable[[Case], bool]

_TIME: dict[str, Guard] = {
    "funding_overdue": lambda case: case.at > case.funding_due,
    "past_close": lambda case: case.at > case.close,
    "before_long_stop": lambda case: case.at <= case.long_stop,
    "past_long_stop": lambda case: case.at > case.long_stop,
    "window_over": _window_over,
    "dispute_over_for_buyer": lambda case: _dispute_over(case, "BUYER"),
    "dispute_over_for_seller": lambda case: _dispute_over(case, "SELLER"),
    "deadlines_go_on": lambda case: not case.tolls,
    "status_overdue": lambda case: _silent_since(case, case.claim.status_at),
    "release_overdue": _release_overdue,
}
_EVIDENCE: dict[str, Guard] = {
    "condition_true": lambda case: _is(case, "TRUE"),
    "condition_matches": lambda case: _matches(case, "TRUE"),
    "condition_false": lambda case: _is(case, "FALSE"),
    "condition_lapsed": _lapsed,
    "condition_not_false": lambda case: _matches(case, "TRUE", "UNKNOWN"),
    "expires_on_false": lambda case: case.on_false == "EXPIRE",
    "undecided_or_held_on_false": lambda case: (
        (_matches(case, "UNKNOWN") and not (case.waits or awaits_others(case.book, case.claim)))
        or (_is(case, "FALSE") and case.on_false == "HOLD")
    ),
    "not_undecided_after_close": lambda c: not (_matches(c, "UNKNOWN") and c.at > c.close),
    "nothing_adverse": lambda case: not uncleared(case),
    "something_adverse": lambda case: bool(uncleared(case)),
    "adverse_to_note": lambda case: bool(to_note(case)),
    "not_restated": lambda c: (
        c.claim.restated is None
        or (c.verdict is not None and c.verdict.evidence_hash != c.claim.restated)
    ),
    "contradicted": lambda case: (
        bool(conflicts(case)) or (_is(case, "FALSE", "UNKNOWN") and not case.awarded)
    ),
    "contradiction_new": lambda c: not c.claim.claimed or bool(contrary(c) - c.claim.claimed),
}
_CONTRACT: dict[str, Guard] = {
    "nothing_due": lambda case: (
        case.claim.amount_minor == 0 or (_matches(case, "TRUE") and case.due_minor == 0)
    ),
    "execution_day_known": lambda case: (
        case.terms.full is None or case.execution(case.at) is not None
    ),
    "something_due": lambda case: case.due_minor > 0,
    "granted": _granted,
    "not_granted_or_hold_too_short": lambda case: (
        not (_granted(case) and _hold_covers(case, case.at + case.status_sla_us))
    ),
    "contract_active": lambda case: (
        case.book.contract_state == "ACTIVE" and not case.claim.cancelled
    ),
    "contract_terminated": lambda case: case.book.terminated,
    "terminated_or_past_long_stop": lambda case: (
        case.book.terminated or case.claim.cancelled or case.at > case.long_stop
    ),
    "committed_only": lambda case: case.committed_only,
    "undertaken": lambda case: case.undertaken and case.review.role == "FINANCIER",
    "undertaking_covers": lambda case: (
        bool(case.review.reviewer) and (case.review.amount_minor or 0) >= case.claim.reserve_minor
    ),
    "hold_unanswered": lambda case: not case.claim.hold_answered,
    "on_condition": lambda case: not case.awarded,
    "on_award": lambda case: case.awarded,
    "held_by_risk": lambda case: case.claim.origin == "RISK" and not case.awarded,
    "without_hold": lambda case: not case.claim.hold_live,
    "never_instructed": lambda case: case.claim.issued == 0,
    "succeeds_another": lambda case: case.claim.settlement_id in case.book.claims,
    "moved_hold_fits": _moved_hold_fits,
    "reconciled": lambda case: not case.claim.recon_break,
    "reconciliation_broken": lambda case: case.claim.recon_break,
    "no_recall_refused": lambda c: c.claim.refused_attempt != c.claim.attempt,
    "recall_was_refused": lambda c: c.claim.refused_attempt == c.claim.attempt,
    "earlier_attempts_rejected": lambda case: case.claim.issued == case.claim.attempt - 1,
    "attempts_left": lambda case: (
        case.claim.attempt < case.attempts_max + case.claim.attempts_added
    ),
}
_PEOPLE: dict[str, Guard] = {
    "reviewer_is_another": _reviewer_is_another,
    "reviewers_enough": _reviewers_enough,
    "evidence_as_seen": _evidence_as_seen,
    "held_for_a_record": lambda case: case.claim.origin == "QUARANTINED",
    "clears_a_record": lambda case: bool(_named(case)),
    "clears_all_that_stands": lambda c: bool(_named(c)) and _named(c) == uncleared(c),
    "clears_what_stands": lambda case: uncleared(case).issuperset(case.review.cleared_ids),
    "may_dispute": _may_dispute,
    "raised_the_dispute": lambda case: (
        bool(case.review.reviewer) and case.review.role == case.claim.disputed_by
    ),
    "is_arbiter": _is_arbiter,
    "arbiters_enough": _arbiters_enough,
    "award_fits": _award_fits,
    "something_reserved": lambda case: case.claim.accounts.reserved > 0,
    "reviewer_named": lambda case: bool(case.review.reviewer),
    "two_persons": lambda case: len(case.voters() - {""}) >= 2,
    "no_amount": lambda case: (case.review.amount_minor or 0) == 0,
    "amount_positive": lambda case: (case.review.amount_minor or 0) > 0,
    "is_court": lambda case: case.review.role == COURT and bool(case.review.reviewer),
}
_RAIL: dict[str, Guard] = {
    "hold_current": lambda c: (
        c.receipt.hold_no == c.claim.hold_no
        and not c.claim.hold_answered
        and not c.committed_only  # which asks for none
    ),
    "hold_fit": lambda case: hold_fits(case, case.claim, case.receipt, case.at),
    "hold_stands": lambda c: (
        c.receipt.hold_no == c.claim.hold_no and c.claim.hold_live and not c.committed_only
    ),
    "hold_stands_or_asked": lambda c: (
        c.receipt.hold_no == c.claim.hold_no
        and (c.claim.hold_live or not c.claim.hold_answered)
        and not c.committed_only
    ),
    "hold_live": lambda case: _hold_covers(case, case.at),
    "hold_run_out": lambda c: c.claim.hold_live and not _hold_covers(c, c.at),
    "hold_outlives_sla": lambda case: _hold_covers(case, case.at + case.status_sla_us),
    "hold_answered_before": _hold_answered_before,
    "hold_given_up": lambda c: c.claim.state in ABSORBING and c.receipt.hold_no == c.claim.hold_no,
    "hold_over": _hold_over,
    "renewal_sufficient": _renewal_sufficient,
    "renewal_shrinks": _renewal_shrinks,
    "attempt_current": lambda c: c.receipt.attempt == c.claim.attempt == c.claim.issued,
    "attempt_older": lambda case: 1 <= case.receipt.attempt < case.claim.attempt,
    "attempt_cancelled": lambda c: c.claim.state in ("VOIDED", "EXPIRED") and _attempt_known(c),
    "attempt_over": lambda case: case.claim.state in ABSORBING and _attempt_known(case),
    "status_outranked": lambda c: (
        c.claim.state not in ("INSTRUCTED", "IN_DOUBT") and _attempt_known(c)
    ),
    "rejection_retryable": lambda case: case.receipt.rail_reason in RETRYABLE,
    "booking_known": _booking_known,
    "booked_otherwise": lambda case: bool(_other_notice(case)),
    "booking_in_currency": _in_currency,
    "booked_as_instructed": lambda case: (
        _in_currency(case) and case.receipt.amount_minor == case.claim.instructed_minor
    ),
    "return_named": lambda case: (
        case.receipt.return_id is not None and (case.receipt.amount_minor or 0) > 0
    ),
    "return_known": lambda case: case.receipt.return_id in case.claim.returns,
    "return_in_currency": _return_complete,
    "return_fits_amount": lambda c: (
        _return_complete(c) and _returned(c) <= c.claim.instructed_minor
    ),
    "return_is_whole": lambda case: (
        case.claim.pay is None or _returned(case) >= case.claim.pay.amount_minor
    ),
    "return_fits_paid": lambda c: _return_complete(c) and _returned(c) <= c.claim.accounts.seller,
    "return_takes_all": lambda case: _returned(case) == case.claim.accounts.seller,
    "returns_cover": lambda c: sum(c.claim.returns.values()) >= c.claim.instructed_minor,
    "returns_cover_booking": lambda case: (
        sum(case.claim.returns.values()) >= (case.receipt.amount_minor or 0)
    ),
    "release_open": _release_known,
    "release_closed_before": _release_closed_before,
    "recall_current": lambda case: 1 <= case.receipt.recall_no == case.claim.recall_no,
    "recall_older": _recall_older,
}

GUARDS: dict[str, Guard] = {**_TIME, **_EVIDENCE, **_CONTRACT, **_PEOPLE, **_RAIL}


def holds(case: Case, guards: tuple[str, ...]) -> bool:
    """Whether every named guard is true of `case`."""
    return all(GUARDS[name](case) for name in guards)


def failing(case: Case, guards: tuple[str, ...]) -> tuple[str, ...]:
    """The named guards that are not true of `case`, for the reason of a refusal."""
    return tuple(name for name in guards if not GUARDS[name](case))
