"""Why an input moves no claim, and what people can do with a claim that is held, in words."""

from supplytwin.processors.settlement_agreement import Agreement
from supplytwin.processors.settlement_case import Case, uncleared
from supplytwin.processors.settlement_draft import Act, Draft
from supplytwin.processors.settlement_guards import failing
from supplytwin.processors.settlement_table import STALE, VOTES, Row, row_of

_VARIANTS = frozenset(("on_condition", "on_award"))
"""Guards that tell the variants of one row apart: a claim is one of the two."""
_SAYS = {
    "on_condition": "an award has been made, and it stands",
    "reviewer_is_another": (
        "the reviewer must be named, and be another person than who raised what stands"
    ),
    "reviewer_named": "the reviewer must be named",
    "evidence_as_seen": "the evidence hash is not that of the evidence as it is now: look again",
    "clears_what_stands": "it clears what does not stand against the claim",
    "held_for_a_record": "the claim is not held because of a refused record",
    "clears_a_record": "it names no refused record that stands against the claim",
    "clears_all_that_stands": "it must name refused records, and all that stands against the claim",
    "before_long_stop": "the long stop has passed",
    "may_dispute": "the role must be one that may dispute by the terms, and the reviewer be named",
    "never_instructed": "a payment was instructed once: it is disputed no more",
    "raised_the_dispute": "the role must be the one that raised the dispute, the reviewer be named",
    "is_arbiter": "the role must be ARBITER, and the reviewer the org_id of one in the terms",
    "is_court": "the role must be COURT, and the reviewer be named",
    "award_fits": "the amount must be more than 0, and at most what is reserved",
    "undertaken": "the role must be FINANCIER, and the terms be funded by a bank's undertaking",
    "undertaking_covers": "the amount must cover what is to be reserved, and the reviewer be named",
    "reconciled": "people must say first what the rail has paid (RECON_SETTLED or RECON_HELD)",
    "reconciliation_broken": "the rail has booked nothing else than was instructed",
    "no_amount": "who says that nothing was paid must name no amount",
    "amount_positive": "who says what was paid must name the amount",
    "no_recall_refused": "the rail has refused to recall this payment",
}
"""Guard -> how an act of a person fails it, and what it takes."""


def why_refused(case: Case, event: str, candidates: tuple[Row, ...]) -> str:
    """Why none of the rows fits. Of a row's variants the claim's own is looked at; that more
    persons have to ask for it is no reason.
    """
    found = [set(failing(case, one.guards)) - VOTES for one in candidates if one.number != STALE]
    own = [one for one in found if _VARIANTS.isdisjoint(one)] or found
    names = sorted(set().union(*own))
    said = [words for words in (_words(case, name) for name in names) if words]
    rest = [name.replace("_", " ") for name in names if not _words(case, name)]
    because = f": {'; '.join(said)}" if said else ""
    because += f" (not {', '.join(rest)})" if rest else ""
    return f"{event} in {case.claim.state}{because}"


def _words(case: Case, name: str) -> str:
    others = _others(case, case.claim.issued)
    match name:
        case "condition_not_false":
            return f"the condition is FALSE: {others}"
        case "not_undecided_after_close":
            undecided = "the condition is undecided after the close"
            return f"{undecided}: wait for what it lacks, or {others}"
    return _SAYS.get(name, "")


def not_again(case: Case, row: Row) -> str:
    """Of a payment that was rejected for good: why it is not tried again."""
    again = row_of(24, case.claim.state, "APPROVED", row.event) if row.number == 25 else None
    if again is None:
        return ""
    says = {
        "rejection_retryable": "this reason is final",
        "attempts_left": f"all {case.claim.attempt} attempts are used up",
        "hold_live": "the hold does not stand any more",
        "no_recall_refused": "its recall was refused",
        "contract_active": "the contract has been ended",
        "before_long_stop": "the long stop has passed",
    }
    return ", ".join(says[name] for name in failing(case, again.guards) if name in says)


def still_stands(case: Case, row: Row) -> str:
    """Of a release: what it has not cleared."""
    left = uncleared(case).difference(case.review.cleared_ids) if row.number == 13 else ()
    return (
        f"; not cleared, so that it will be held again: {', '.join(sorted(left))}" if left else ""
    )


def way_out(draft: Draft, act: Act) -> str:
    """What people can do with a claim as it is held, by what its record knows of the condition."""
    if draft.claim.basis == "AWARD":
        return "an award has been made: release it by a review"
    others = _others(act, draft.claim.issued)
    if act.verdict == "FALSE":
        return f"the condition is FALSE, no review can release it: {others}"
    if act.verdict == "UNKNOWN" and act.at > act.close:
        return (
            "the condition is undecided after the close, no review can release it until what it "
            f"waits for has come: wait for that, or {others}"
        )
    return "release or reject it by a review"


def _others(agreed: Agreement, issued: int) -> str:
    """What people can do with it but release it; `issued` = the attempts to pay it so far."""
    if issued:
        return "reject it"
    return "reject, dispute or amend it" if agreed.disputes is not None else "reject or amend it"
