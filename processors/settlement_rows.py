"""The rows of the state table, as data; `settlement_table` says how they are read.

The numbers are those of the settlement reference. A claim is whatever the signed terms list and has
a hold of its own, so there are no parents: row 35, and what rows 5, 6, 14 and 34 say about parents,
cannot occur. Row 36 is STALE; row 27 ("in doubt: as 22 to 25, 29, 44, 47") is how those rows name
IN_DOUBT. An award stays one: where row 6 would lead to CREATED and row 13 asks for the condition, a
claim with an award goes to DISPUTED, and row 43 pays it.
"""

from msgspec import Struct

from supplytwin.processors.settlement_state import LIVE, NONE, PRE, STATES

CUT = "Cut"
STALE = 36
"""The row of what is already applied, or older: recorded as an input, no transition."""
SAME = "="
"""A target: the claim stays in the state that it is in."""

PAID = ("SETTLED", "RETURNED")
OVER = ("EXPIRED", "VOIDED", "SUPERSEDED")
OPEN = ("CREATED", *PRE, "HELD", "DISPUTED")
"""Before INSTRUCTED: no payment is under way."""
FLYING = (*LIVE, "CANCEL_PENDING")
STOPPED = ("HELD", "DISPUTED")
WAITING = ("CREATED", *STOPPED)
WATCHED = (*WAITING, "CANCEL_PENDING")
SENT = ("INSTRUCTED", "IN_DOUBT")
REPLACEABLE = ("CREATED", "RESERVED", "MATCHED", *STOPPED)

Target = tuple[str, str | None]
"""(state or SAME, the guard under which it is the target; None = else)."""


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """One line of the table.

    `evidence` says which ids its record names: those that the VERDICT rests on, the ADVERSE ones
    that are not cleared, the CONTRARY ones (adverse, or speaking against the verdict), or none.
    """

    number: int
    origins: tuple[str, ...]
    event: str
    guards: tuple[str, ...]
    effects: tuple[str, ...]
    targets: tuple[Target, ...]
    evidence: str | None
    why: str


def _row(  # reads as the columns of the table
    number: int,
    origins: str | tuple[str, ...],
    event: str,
    guards: str = "",
    effects: str = "",
    to: str = SAME,
    evidence: str | None = None,
    *,
    why: str = "",
) -> Row:
    """`to` is a state, SAME, or "STATE if guard else STATE if guard else STATE"."""
    cases = [case.partition(" if ") for case in to.split(" else ")]
    return Row(
        number=number,
        origins=(origins,) if isinstance(origins, str) else origins,
        event=event,
        guards=tuple(guards.split()),
        effects=tuple(effects.split()),
        targets=tuple((target, guard or None) for target, _, guard in cases),
        evidence=evidence,
        why=why,
    )


_STALE_ROWS = tuple(
    _row(STALE, STATES, event, guard, why="already applied, or older")
    for event, guard in (
        ("HoldConfirmed", "hold_answered_before"),
        ("HoldRefused", "hold_answered_before"),
        ("HoldRefused", "hold_given_up"),
        ("HoldRenewed", "hold_over"),
        ("HoldLost", "hold_over"),
        ("Pending", "attempt_older"),
        ("Pending", "status_outranked"),
        ("Booked", "booking_known"),
        ("Rejected", "attempt_older"),
        ("Rejected", "attempt_cancelled"),
        ("NotFound", "attempt_older"),
        ("NotFound", "attempt_over"),
        ("Returned", "return_known"),
        ("Released", "release_closed_before"),
        ("ReleaseFailed", "release_closed_before"),
        ("RecallDone", "attempt_older"),
        ("RecallDone", "attempt_cancelled"),
        ("RecallRefused", "recall_older"),
        ("NoOriginal", "recall_older"),
    )
)

_FUNDING_ROWS = (
    _row(37, NONE, "ContractAgreed", "nothing_due", "", "CLOSED",
         why="nothing is due: closed without an instruction"),
    _row(1, NONE, "ContractAgreed", "", "ask_hold stand_refused", "CREATED",
         why="terms agreed: the buyer's funds are to be reserved"),
    _row(2, "CREATED", "ContractAgreed", "committed_only hold_unanswered", "commit reserve",
         "RESERVED", why="only the buyer's word funds it: the seller bears the credit risk"),
    _row(2, "CREATED", "HoldConfirmed", "hold_current hold_fit",
         "confirm_hold reserve", "RESERVED", why="the rail confirmed the hold"),
    _row(2, "CREATED", "UndertakingRecorded", "undertaken undertaking_covers hold_unanswered",
         "take_undertaking reserve", "RESERVED", why="a bank undertakes to pay"),
    _row(38, "CREATED", "HoldConfirmed", "hold_current", "reject_hold ask_hold_while_due",
         why="the confirmed hold does not do: released"),
    _row(3, "CREATED", "HoldRefused", "hold_current", "", "VOIDED",
         why="the rail refused the hold"),
    _row(3, "CREATED", "Terminated", "contract_terminated", "release_if_unanswered", "VOIDED",
         why="the contract is terminated"),
    _row(4, "CREATED", CUT, "funding_overdue before_long_stop",
         "release_if_unanswered notify_unfunded", "EXPIRED", why="not funded in time"),
    _row(5, (*PRE, *FLYING, *STOPPED), "HoldRenewed", "hold_stands renewal_sufficient",
         "renew_hold", why="the rail renewed the hold"),
    _row(6, PRE, "HoldLost", "hold_stands", "lose_hold close_window ask_next_hold",
         "DISPUTED if on_award else CREATED", why="the hold is lost: another one is asked for"),
    _row(6, PRE, "HoldRenewed", "hold_stands renewal_shrinks",
         "shrink_hold close_window ask_next_hold", "DISPUTED if on_award else CREATED",
         why="the hold has shrunk: released, and another one is asked for"),
    _row(6, PRE, CUT, "hold_run_out", "end_hold close_window ask_next_hold",
         "DISPUTED if on_award else CREATED",
         why="the hold has run out: another one is asked for"),
    _row(40, FLYING, "HoldLost", "hold_stands", "mark_hold_lost",
         why="the hold is lost while the payment is under way: noted"),
    _row(40, FLYING, "HoldRenewed", "hold_stands renewal_shrinks", "mark_hold_lost",
         why="the hold has shrunk while the payment is under way: noted"),
    _row(41, STOPPED, "HoldLost", "hold_stands_or_asked", "lose_hold ask_next_hold",
         why="the hold is lost: another one is asked for"),
    _row(41, STOPPED, "HoldRenewed", "hold_stands renewal_shrinks", "shrink_hold ask_next_hold",
         why="the hold has shrunk: released, and another one is asked for"),
    _row(41, STOPPED, CUT, "hold_run_out", "end_hold ask_next_hold",
         why="the hold has run out: another one is asked for"),
    _row(41, STOPPED, "HoldConfirmed", "hold_current", "take_or_reject_hold",
         why="the rail confirmed the hold"),
    _row(37, ("CREATED", "RESERVED"), CUT, "nothing_due on_condition", "unreserve release",
         "CLOSED", why="nothing is due: closed without payment"),
    _row(39, (*OVER, "CLOSED", *PAID), "HoldConfirmed", "hold_current", "release_late_hold",
         why="the hold came too late: released again"),
)  # fmt: skip

_PAYABLE = "nothing_adverse granted contract_active before_long_stop"

_DECISION_ROWS = (
    _row(34, OPEN, CUT, "past_long_stop", "unreserve release", "VOIDED",
         why="the long stop has passed"),
    _row(34, OPEN, "MutualCancel", "contract_terminated", "unreserve release", "VOIDED",
         why="buyer and seller cancelled the contract"),
    _row(34, OPEN, "CourtOrder", "is_court", "unreserve release", "VOIDED",
         why="a court ordered it"),
    _row(34, (*PRE, *STOPPED), "Terminated", "contract_terminated", "unreserve release", "VOIDED",
         why="the contract is terminated"),
    _row(8, "RESERVED", CUT, "condition_false expires_on_false", "unreserve release", "EXPIRED",
         "VERDICT", why="the condition can no longer become true"),
    _row(9, "RESERVED", CUT, "past_close undecided_or_held_on_false", "hold_as_found", "HELD",
         "VERDICT", why="the condition is not true after the close: for review"),
    _row(15, "HELD", CUT, "past_close deadlines_go_on condition_false held_by_risk",
         "unreserve release", "EXPIRED", "VERDICT",
         why="held, and the condition can no longer become true"),
    _row(10, ("MATCHED", "APPROVED"), CUT,
         "condition_lapsed on_condition nothing_adverse not_restated",
         "close_window hold_as_revivable", "HELD if past_close else RESERVED", "VERDICT",
         why="the condition is no longer true"),
    _row(12, PRE, CUT, "something_adverse", "close_window note_adverse hold_by_what_stands",
         "HELD", "ADVERSE", why="adverse evidence stands: for review"),
    _row(12, PRE, "RiskHold", "", "close_window stand hold_as_risk", "HELD",
         why="held by a person"),
    _row(12, PRE, "ReconBreak", "", "close_window stand hold_as_risk", "HELD",
         why="one input id came with two contents: for review"),
    _row(12, PRE, "ReconFound", "reviewer_named", "close_window stand hold_as_risk", "HELD",
         why="the books do not agree: for review"),
    _row(12, PRE, "RecordRefused", "", "close_window stand hold_by_what_stands", "HELD",
         why="a record of the chain is in the quarantine"),
    _row(7, "RESERVED", CUT,
         "something_due condition_matches on_condition nothing_adverse before_long_stop",
         "open_window set_amount", "MATCHED", "VERDICT", why="the condition is true"),
    _row(11, "MATCHED", CUT,
         f"window_over condition_true something_due {_PAYABLE} hold_outlives_sla", "set_amount",
         "APPROVED", "VERDICT", why="the amount is now unconditional"),
    _row(20, "APPROVED", CUT, "not_granted_or_hold_too_short", "",
         "DISPUTED if on_award else MATCHED",
         why="not granted any more, or the hold runs out too soon"),
    _row(43, "DISPUTED", CUT,
         "on_award granted contract_active before_long_stop hold_outlives_sla", "", "APPROVED",
         why="the award is to be paid"),
    _row(21, "APPROVED", CUT,
         f"on_condition condition_true {_PAYABLE} hold_live earlier_attempts_rejected"
         " execution_day_known",
         "fly pay", "INSTRUCTED", "VERDICT", why="the payment is instructed"),
    _row(21, "APPROVED", CUT, f"on_award {_PAYABLE} hold_live earlier_attempts_rejected"
         " execution_day_known",
         "fly pay", "INSTRUCTED", "VERDICT", why="the payment of the award is instructed"),
)  # fmt: skip

_REVIEW_ROWS = (
    _row(13, "HELD", "ReviewReleased",
         "on_condition reviewer_is_another evidence_as_seen clears_what_stands condition_not_false"
         " not_undecided_after_close before_long_stop reviewers_enough",
         "clear_named forget_origin allow_attempts open_window_if_matched await_hold_if_created",
         "CREATED if without_hold else MATCHED if condition_matches else RESERVED", "VERDICT",
         why="released by review"),
    _row(13, "HELD", "ReviewReleased",
         "on_award reviewer_is_another evidence_as_seen clears_what_stands before_long_stop"
         " reviewers_enough",
         "clear_named forget_origin allow_attempts", "DISPUTED", "VERDICT",
         why="released by review: the award stands"),
    _row(13, "HELD", "RecordResolved",
         "reviewer_is_another held_for_a_record clears_all_that_stands before_long_stop",
         "clear_records forget_origin await_hold_if_created",
         "DISPUTED if on_award else CREATED if without_hold else RESERVED",
         why="the refused record is dealt with"),
    _row(14, "HELD", "ReviewRejected", "reviewer_is_another on_condition", "unreserve release",
         "VOIDED", why="rejected by review"),
    _row(16, (*PRE, "HELD"), "DisputeRaised", "may_dispute never_instructed on_condition",
         "close_window forget_origin dispute", "DISPUTED", why="disputed"),
    _row(17, "DISPUTED", "DisputeWithdrawn", "on_condition raised_the_dispute",
         "end_dispute await_hold_if_created", "CREATED if without_hold else RESERVED",
         why="the dispute is withdrawn"),
    _row(17, "DISPUTED", "DisputeDismissed", "on_condition is_arbiter arbiters_enough",
         "end_dispute await_hold_if_created", "CREATED if without_hold else RESERVED",
         why="the dispute is dismissed"),
    _row(18, "DISPUTED", "ResolvedForSeller", "is_arbiter award_fits arbiters_enough", "award",
         why="awarded to the seller"),
    _row(18, "DISPUTED", CUT,
         "on_condition dispute_over_for_seller something_reserved something_due", "award",
         why="nobody decided the dispute in time: for the seller"),
    _row(19, "DISPUTED", "ResolvedForBuyer", "on_condition is_arbiter arbiters_enough",
         "unreserve release", "VOIDED", why="awarded to the buyer"),
    _row(19, "DISPUTED", CUT, "on_condition dispute_over_for_buyer", "unreserve release", "VOIDED",
         why="nobody decided the dispute in time: for the buyer"),
    _row(28, LIVE, "RecallOrdered", "no_recall_refused reconciled", "recall", "CANCEL_PENDING",
         why="a person ordered the recall"),
    _row(28, LIVE, "MutualCancel", "contract_terminated no_recall_refused reconciled", "recall",
         "CANCEL_PENDING", why="buyer and seller cancelled the contract"),
    _row(28, LIVE, "CourtOrder", "is_court no_recall_refused reconciled", "recall",
         "CANCEL_PENDING", why="a court ordered it"),
    _row(28, LIVE, CUT, "contradicted no_recall_refused reconciled not_restated",
         "note_adverse recall", "CANCEL_PENDING", "CONTRARY",
         why="contrary evidence after the instruction: recalled"),
    _row(32, "SETTLED", CUT, "contradicted contradiction_new not_restated",
         "claim_back", SAME, "CONTRARY",
         why="contrary evidence after the payment: claim recorded, the other claims frozen"),
    _row(54, WATCHED, CUT, "adverse_to_note", "note_adverse hold_by_what_comes", SAME, "ADVERSE",
         why="adverse evidence noted"),
    _row(54, WATCHED, "RiskHold", "", "stand hold_by_what_comes", why="a person's hold noted"),
    _row(54, WATCHED, "ReconBreak", "", "stand hold_by_what_comes",
         why="one input id came with two contents: noted"),
    _row(54, WATCHED, "ReconFound", "reviewer_named", "stand hold_by_what_comes",
         why="the books do not agree: noted"),
    _row(54, WATCHED, "RecordRefused", "", "stand",
         why="a record of the chain is in the quarantine: noted"),
    _row(54, (*OPEN, "CANCEL_PENDING"), "RecordResolved", "clears_a_record", "clear_records",
         why="the refused record is dealt with: noted"),
)  # fmt: skip

_AMENDMENT_ROWS = (
    _row(33, REPLACEABLE, "AmendmentAccepted", "never_instructed on_condition", "pass_hold_on",
         "SUPERSEDED", why="an amendment replaces it"),
    _row(52, NONE, "AmendmentAccepted", "succeeds_another something_due",
         "take_hold_over stand_refused", "RESERVED if moved_hold_fits else CREATED",
         why="takes the place of the one before"),
    _row(37, NONE, "AmendmentAccepted", "nothing_due", "give_hold_up", "CLOSED",
         why="nothing is due: closed without an instruction"),
    _row(1, NONE, "AmendmentAccepted", "", "ask_hold stand_refused", "CREATED",
         why="terms agreed: the buyer's funds are to be reserved"),
    _row(2, "CREATED", "AmendmentAccepted", "committed_only hold_unanswered", "commit reserve",
         "RESERVED", why="only the buyer's word funds it: the seller bears the credit risk"),
)  # fmt: skip

_VOID_OR_HELD = "VOIDED if terminated_or_past_long_stop else HELD"

_RAIL_ROWS = (
    _row(22, SENT, "Pending", "attempt_current reconciled", "alive", "ACCEPTED",
         why="the rail accepted the payment"),
    _row(23, FLYING, "Booked", "booked_as_instructed reconciled",
         "settle release_if_earlier free_rest apply_known_returns",
         "RETURNED if returns_cover else SETTLED", why="the rail booked the payment"),
    _row(50, FLYING, "Booked", "", "break_reconciliation", "IN_DOUBT",
         why="the rail booked another amount or currency"),
    _row(51, "IN_DOUBT", "ReconSettled", "reconciliation_broken amount_positive two_persons",
         "settle_as_resolved free_rest", "SETTLED", why="people found what was paid"),
    _row(51, "IN_DOUBT", "ReconHeld", "reconciliation_broken no_amount two_persons",
         "land next_attempt mend hold_as_recon", "HELD", why="people found that nothing was paid"),
    _row(24, LIVE, "Rejected",
         "attempt_current reconciled no_recall_refused rejection_retryable attempts_left hold_live"
         " contract_active before_long_stop",
         "land next_attempt", "APPROVED", why="rejected, to be tried again"),
    _row(25, LIVE, "Rejected", "attempt_current reconciled",
         "land next_attempt hold_as_rejected void_if_voided", _VOID_OR_HELD,
         why="rejected, not to be tried again"),
    _row(45, "CANCEL_PENDING", "Rejected", "attempt_current reconciled",
         "land next_attempt hold_as_rejected void_if_voided", _VOID_OR_HELD,
         why="rejected while being recalled"),
    _row(26, ("INSTRUCTED", "ACCEPTED"), CUT, "status_overdue", "query", "IN_DOUBT",
         why="the rail is silent: asked"),
    _row(46, ("IN_DOUBT", "CANCEL_PENDING"), CUT, "status_overdue",
         "query recall_again alarm_silence", why="the rail is still silent: asked again"),
    _row(44, SENT, "NotFound", "attempt_current reconciled recall_was_refused", "recall",
         "CANCEL_PENDING", why="unknown to the rail, which had refused its recall: recalled again"),
    _row(44, SENT, "NotFound", "attempt_current reconciled", "pay_again", "INSTRUCTED",
         why="unknown to the rail: the identical payment is sent again"),
    _row(29, FLYING, "RecallDone", "attempt_current reconciled", "refund release", "VOIDED",
         why="the payment was recalled"),
    _row(30, "CANCEL_PENDING", "RecallRefused", "recall_current", "mark_refused query", "IN_DOUBT",
         why="the recall was refused: asked"),
    _row(30, "CANCEL_PENDING", "NoOriginal", "recall_current", "query",
         why="the rail has not received what is recalled: asked"),
    _row(47, FLYING, "Returned", "return_fits_amount reconciled",
         "settle_unbooked free_rest give_back", "RETURNED if return_is_whole else SETTLED",
         why="returned before it was booked"),
    _row(50, FLYING, "Returned", "return_named", "break_reconciliation", "IN_DOUBT",
         why="the rail returned more than was sent, or another currency"),
    _row(31, "SETTLED", "Returned", "return_fits_paid", "give_back",
         "RETURNED if return_takes_all else SETTLED", why="the payment was returned"),
    _row(31, "RETURNED", "Returned", "return_fits_paid", "give_back",
         why="what was booked twice was returned"),
    _row(48, OPEN, "Booked", "booking_in_currency", "book_unordered apply_known_returns",
         "RETURNED if returns_cover_booking else SETTLED",
         why="booked without a payment under way"),
    _row(48, OPEN, "Returned", "return_in_currency", "return_unordered",
         "RETURNED if return_is_whole else SETTLED", why="returned without a payment under way"),
    _row(12, PRE, "Booked", "", "close_window stand hold_as_risk alarm_break", "HELD",
         why="booked without a payment under way, and not as we would pay: for review"),
    _row(54, WAITING, "Booked", "", "stand hold_by_what_comes alarm_break",
         why="booked without a payment under way, and not as we would pay: noted"),
    _row(12, PRE, "Returned", "return_named", "close_window stand hold_as_risk alarm_break", "HELD",
         why="more or something else returned than we would pay: for review"),
    _row(54, WAITING, "Returned", "return_named", "stand hold_by_what_comes alarm_break",
         why="more or something else returned than we would pay: noted"),
    _row(49, OVER, "Booked", "booking_in_currency", "mirror_after_end", why="booked after the end"),
    _row(49, OVER, "Returned", "return_in_currency", "mirror_after_end",
         why="returned after the end"),
    _row(50, PAID, "Booked", "booked_otherwise", "alarm_break",
         why="the entry of the payment is for another amount or currency than its status"),
    _row(53, PAID, "Booked", "", "overpay", why="booked twice"),
    _row(53, PAID, "Rejected", "", "alarm_break", why="rejected after the booking"),
    _row(53, PAID, "RecallDone", "", "alarm_break", why="recalled after the booking"),
    _row(53, PAID, "RecallRefused", "", "alarm_break", why="answer to a recall after the booking"),
    _row(53, PAID, "NoOriginal", "", "alarm_break", why="answer to a recall after the booking"),
    _row(42, STATES, "Released", "release_open", "close_release", why="the hold is released"),
    _row(42, STATES, "ReleaseFailed", "release_open", "release_again alarm_release",
         why="the release failed: sent again"),
    _row(42, STATES, CUT, "release_overdue", "release_overdue_again alarm_release",
         why="no answer to the release: sent again"),
)  # fmt: skip

ROWS = (
    *_STALE_ROWS, *_FUNDING_ROWS, *_DECISION_ROWS, *_REVIEW_ROWS, *_AMENDMENT_ROWS, *_RAIL_ROWS,
)  # fmt: skip
