"""The state table of a claim, as data: which event moves it from where to where, if what, and with
what effect.

Guards are functions of `settlement_guards`, effects of `settlement_effects`, both by name. For an
input's event the rows are tried from top to bottom, and the first whose guards all hold is taken;
at a cut they are tried in CUT_ORDER. A pair of state and event for which no row fits is illegal: it
is recorded and alarmed, and changes nothing. The numbers are those of the settlement reference.
Those that are missing (parents, disputes, awards, amendments, renewed and lost holds) are no part
of this version; row 27 ("in doubt: as 22 to 25, 29, 44, 47") is how those rows name IN_DOUBT.
"""

from collections.abc import Iterator

from msgspec import Struct

from supplytwin.processors.settlement_state import ABSORBING, LIVE, NONE, PRE, STATES

CUT = "Cut"
INPUT_EVENTS = (
    "ContractAgreed", "HoldConfirmed", "HoldRefused", "Pending", "Booked", "Rejected", "NotFound",
    "Returned", "Released", "ReleaseFailed", "RecallDone", "RecallRefused", "NoOriginal",
    "ReviewReleased", "ReviewRejected", "RiskHold", "RecallOrdered", "MutualCancel", "ReconBreak",
    "RecordRefused", "RecordResolved",
)  # fmt: skip
EVENTS = (*INPUT_EVENTS, CUT)

STALE = 36
"""The row of what is already applied, or older: recorded as an input, no transition."""
SAME = "="
"""A target: the claim stays in the state that it is in."""

PAID = ("SETTLED", "RETURNED")
OVER = ("EXPIRED", "VOIDED")
OPEN = ("CREATED", *PRE, "HELD")
"""Before INSTRUCTED: no payment is under way."""
FLYING = (*LIVE, "CANCEL_PENDING")
WATCHED = ("CREATED", "HELD", "CANCEL_PENDING")
SENT = ("INSTRUCTED", "IN_DOUBT")

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
    """`to` is a state, SAME, or "STATE if guard else STATE"."""
    target, _, rest = to.partition(" if ")
    guard, _, otherwise = rest.partition(" else ")
    return Row(
        number=number,
        origins=(origins,) if isinstance(origins, str) else origins,
        event=event,
        guards=tuple(guards.split()),
        effects=tuple(effects.split()),
        targets=((target, guard), (otherwise, None)) if rest else ((target, None),),
        evidence=evidence,
        why=why,
    )


_STALE_ROWS = tuple(
    _row(STALE, STATES, event, guard, why="already applied, or older")
    for event, guard in (
        ("HoldConfirmed", "hold_answered_before"),
        ("HoldRefused", "hold_answered_before"),
        ("HoldRefused", "hold_given_up"),
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
    _row(2, "CREATED", "HoldConfirmed", "hold_current hold_sufficient hold_outlives_close",
         "confirm_hold reserve", "RESERVED", why="the rail confirmed the hold"),
    _row(3, "CREATED", "HoldRefused", "hold_current", "refuse_hold", "VOIDED",
         why="the rail refused the hold"),
    _row(4, "CREATED", CUT, "funding_overdue before_long_stop", "release notify_unfunded",
         "EXPIRED", why="not funded in time"),
    _row(37, ("CREATED", "RESERVED"), CUT, "nothing_due", "unreserve release", "CLOSED",
         why="nothing is due: closed without payment"),
    _row(39, (*OVER, "CLOSED"), "HoldConfirmed", "hold_current", "release_late_hold",
         why="the hold came too late: released again"),
)  # fmt: skip

_DECISION_ROWS = (
    _row(34, OPEN, CUT, "past_long_stop", "unreserve release", "VOIDED",
         why="the long stop has passed"),
    _row(34, OPEN, "MutualCancel", "contract_terminated", "unreserve release", "VOIDED",
         why="buyer and seller cancelled the contract"),
    _row(8, "RESERVED", CUT, "condition_false expires_on_false", "unreserve release", "EXPIRED",
         "VERDICT", why="the condition can no longer become true"),
    _row(9, "RESERVED", CUT, "past_close undecided_or_held_on_false", "hold_as_revivable", "HELD",
         "VERDICT", why="after the close a proof is withdrawn or contradicted: for review"),
    _row(15, "HELD", CUT, "past_close condition_false held_by_risk", "unreserve release", "EXPIRED",
         "VERDICT", why="held, and the condition can no longer become true"),
    _row(10, ("MATCHED", "APPROVED"), CUT, "condition_not_true nothing_adverse not_restated",
         "close_window hold_as_revivable", "HELD if past_close else RESERVED", "VERDICT",
         why="the condition is no longer true"),
    _row(12, PRE, CUT, "something_adverse", "close_window note_adverse hold_as_risk", "HELD",
         "ADVERSE", why="adverse evidence stands: for review"),
    _row(12, PRE, "RiskHold", "", "close_window stand hold_as_risk", "HELD",
         why="held by a person"),
    _row(12, PRE, "ReconBreak", "", "close_window stand hold_as_risk", "HELD",
         why="one input id came with two contents: for review"),
    _row(12, PRE, "RecordRefused", "", "close_window stand toll hold_as_quarantined", "HELD",
         why="a record of the chain is in the quarantine"),
    _row(7, "RESERVED", CUT, "something_due condition_true nothing_adverse before_long_stop",
         "open_window", "MATCHED", "VERDICT", why="the condition is true"),
    _row(11, "MATCHED", CUT,
         "window_over condition_true nothing_adverse contract_active before_long_stop hold_live",
         "", "APPROVED", "VERDICT", why="the amount is now unconditional"),
    _row(21, "APPROVED", CUT,
         "condition_true nothing_adverse contract_active before_long_stop hold_live"
         " earlier_attempts_rejected",
         "fly pay", "INSTRUCTED", "VERDICT", why="the payment is instructed"),
)  # fmt: skip

_REVIEW_ROWS = (
    _row(13, "HELD", "ReviewReleased",
         "reviewer_is_another evidence_as_seen clears_what_stands condition_not_false"
         " not_undecided_after_close before_long_stop",
         "clear_named untoll forget_origin open_window_if_matched",
         "MATCHED if condition_true else RESERVED", "VERDICT", why="released by review"),
    _row(13, "HELD", "RecordResolved",
         "reviewer_is_another held_for_a_record clears_all_that_stands before_long_stop",
         "clear_named untoll forget_origin", "RESERVED", why="the refused record is dealt with"),
    _row(14, "HELD", "ReviewRejected", "reviewer_is_another", "unreserve release", "VOIDED",
         why="rejected by review"),
    _row(28, LIVE, "RecallOrdered", "no_recall_refused reconciled", "recall", "CANCEL_PENDING",
         why="a person ordered the recall"),
    _row(28, LIVE, "MutualCancel", "contract_terminated no_recall_refused reconciled", "recall",
         "CANCEL_PENDING", why="buyer and seller cancelled the contract"),
    _row(28, LIVE, CUT, "contradicted no_recall_refused reconciled not_restated",
         "note_adverse recall", "CANCEL_PENDING", "CONTRARY",
         why="contrary evidence after the instruction: recalled"),
    _row(32, "SETTLED", CUT, "contradicted contradiction_new not_restated",
         "claim_back", SAME, "CONTRARY",
         why="contrary evidence after the payment: claim recorded, the other claims frozen"),
    _row(54, WATCHED, CUT, "adverse_unnoted", "note_adverse", SAME, "ADVERSE",
         why="adverse evidence noted"),
    _row(54, WATCHED, "RiskHold", "", "stand", why="a person's hold noted"),
    _row(54, WATCHED, "ReconBreak", "", "stand",
         why="one input id came with two contents: noted"),
    _row(54, ("CREATED", "HELD"), "RecordRefused", "", "stand toll",
         why="a record of the chain is in the quarantine: noted"),
    _row(54, (*OPEN, "CANCEL_PENDING"), "RecordResolved", "clears_a_record", "clear_named untoll",
         why="the refused record is dealt with: noted"),
)  # fmt: skip

_VOID_OR_HELD = "VOIDED if terminated_or_past_long_stop else HELD"

_RAIL_ROWS = (
    _row(22, SENT, "Pending", "attempt_current reconciled", "alive", "ACCEPTED",
         why="the rail accepted the payment"),
    _row(23, FLYING, "Booked", "booked_as_instructed reconciled", "settle apply_known_returns",
         "RETURNED if returns_cover else SETTLED", why="the rail booked the payment"),
    _row(50, FLYING, "Booked", "", "break_reconciliation", "IN_DOUBT",
         why="the rail booked another amount or currency"),
    _row(24, LIVE, "Rejected",
         "attempt_current reconciled rejection_retryable attempts_left hold_live contract_active"
         " before_long_stop",
         "land next_attempt", "APPROVED", why="rejected, to be tried again"),
    _row(25, LIVE, "Rejected", "attempt_current reconciled",
         "land next_attempt hold_as_rejected void_if_voided", _VOID_OR_HELD,
         why="rejected for good"),
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
    _row(47, FLYING, "Returned", "return_fits_amount reconciled", "settle_unbooked give_back",
         "RETURNED if return_is_whole else SETTLED", why="returned before it was booked"),
    _row(31, "SETTLED", "Returned", "return_fits_paid", "give_back",
         "RETURNED if return_takes_all else SETTLED", why="the payment was returned"),
    _row(48, OPEN, "Booked", "booking_in_currency", "book_unordered", "SETTLED",
         why="booked without a payment under way"),
    _row(48, OPEN, "Returned", "return_fits_amount", "return_unordered",
         "RETURNED if return_is_whole else SETTLED", why="returned without a payment under way"),
    _row(49, OVER, "Booked", "booking_in_currency", "mirror_after_end", why="booked after the end"),
    _row(49, OVER, "Returned", "return_in_currency", "mirror_after_end",
         why="returned after the end"),
    _row(53, PAID, "Booked", "", "overpay", why="booked twice"),
    _row(53, PAID, "Rejected", "", "alarm_break", why="rejected after the booking"),
    _row(53, PAID, "RecallDone", "", "alarm_break", why="recalled after the booking"),
    _row(53, PAID, "RecallRefused", "", "alarm_break", why="answer to a recall after the booking"),
    _row(53, PAID, "NoOriginal", "", "alarm_break", why="answer to a recall after the booking"),
    _row(42, STATES, "Released", "release_open", "close_release", why="the hold is released"),
    _row(42, STATES, "ReleaseFailed", "release_open", "release_again alarm_release",
         why="the release failed: sent again"),
    _row(42, ABSORBING, CUT, "release_overdue", "release_again alarm_release",
         why="no answer to the release: sent again"),
)  # fmt: skip

ROWS = (*_STALE_ROWS, *_FUNDING_ROWS, *_DECISION_ROWS, *_REVIEW_ROWS, *_RAIL_ROWS)

CUT_ORDER = (34, 4, 8, 9, 15, 28, 32, 54, 10, 12, 37, 7, 11, 21, 26, 46, 42)
"""The first applicable row is taken. Row 10 gives way to row 12: its guard `nothing_adverse`."""
CUT_FOLLOWS: dict[int, tuple[int, ...]] = {7: (11,), 11: (21,)}
"""Rows that may follow a row on the same claim at the same cut."""
CUT_FIRST = ("SETTLED",)
"""Claims in these states go first at a cut: row 32 freezes the others before they are decided."""

AS_IN_DOUBT = {27: (22, 23, 24, 25, 29, 44, 47)}
"""Row 27 stands for these rows when the claim is IN_DOUBT."""


def _index() -> dict[tuple[str, str], tuple[Row, ...]]:
    pairs: dict[tuple[str, str], list[Row]] = {}
    for row in ROWS:
        for origin in row.origins:
            pairs.setdefault((origin, row.event), []).append(row)
    for tried in (tried for (_, event), tried in pairs.items() if event == CUT):
        tried.sort(key=lambda row: CUT_ORDER.index(row.number))
    return {pair: tuple(tried) for pair, tried in pairs.items()}


_BY_PAIR = _index()


def rows(state: str, event: str) -> tuple[Row, ...]:
    """The rows to try for a claim in `state`, in order."""
    return _BY_PAIR.get((state, event), ())


def row_of(number: int, origin: str, target: str, event: str) -> Row | None:
    """The row that a record of (number, from, to) under `event` stands for; None = no such row."""
    for row in rows(origin, event):
        if row.number == number and target in _reachable(row, origin):
            return row
    return None


def _reachable(row: Row, origin: str) -> Iterator[str]:
    for state, _ in row.targets:
        yield origin if state == SAME else state
