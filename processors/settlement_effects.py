"""The effects of the state table: pure functions from one draft to the next, by name.

An effect reads the terms, the cause and the record of its transition, never a condition: the same
effects run live and at restore. `settlement_noted.noted` has registered the cause before they run.
"""

from collections.abc import Callable

from supplytwin.processors import settlement_holds as holds
from supplytwin.processors import settlement_payments as payments
from supplytwin.processors.settlement_case import records_of
from supplytwin.processors.settlement_draft import Act, Draft, alarm, change, move
from supplytwin.processors.settlement_refused import way_out
from supplytwin.schemas.records import Review

# ---- evidence, holds by people


def _open_window(draft: Draft, act: Act) -> Draft:
    end = act.at + act.challenge_us
    return change(draft, window_end=end, challenge_end=end)


def _open_window_if_matched(draft: Draft, act: Act) -> Draft:
    matched = act.to_state == "MATCHED"
    return _set_amount(_open_window(draft, act), act) if matched else draft


def _close_window(draft: Draft, act: Act) -> Draft:
    """The match does not count any more, nor what was due by it; an award stays."""
    draft = change(draft, window_end=None)
    if draft.claim.basis == "AWARD":
        return draft
    return change(draft, due_minor=None, gross_minor=None, adjusted_bp=0, measure=None)


def _set_amount(draft: Draft, act: Act) -> Draft:
    return change(
        draft,
        due_minor=act.due_minor,
        gross_minor=act.gross_minor,
        adjusted_bp=act.adjusted_bp or 0,
        measure=act.measure,
    )


def _note_adverse(draft: Draft, act: Act) -> Draft:
    return change(draft, noted=draft.claim.noted.union(act.evidence_ids))


def _stand(draft: Draft, act: Act) -> Draft:
    assert act.cause is not None
    key = f"{act.cause.source}/{act.cause.input_id}"
    who = act.cause.reviewer if isinstance(act.cause, Review) else ""
    claim = draft.claim
    return change(draft, standing=claim.standing.set(key, who), noted=claim.noted | {key})


def _stand_refused(draft: Draft, act: Act) -> Draft:
    """What was refused before the claim came, or came again, stands against it as if it were
    refused now; what a review has cleared of the claim before it stays cleared.
    """
    if not act.refused:
        return draft
    standing = draft.claim.standing.update(dict.fromkeys(act.refused, ""))
    noted = draft.claim.noted.union(act.refused)
    return change(draft, standing=standing, noted=noted)


def _clear_named(draft: Draft, act: Act) -> Draft:
    assert isinstance(act.cause, Review)
    return change(draft, cleared=draft.claim.cleared.union(act.cause.cleared_ids))


def _clear_records(draft: Draft, act: Act) -> Draft:
    return change(draft, cleared=draft.claim.cleared | records_of(act.review))


def _forget_origin(draft: Draft, act: Act) -> Draft:
    return change(draft, origin=None)


def _allow_attempts(draft: Draft, act: Act) -> Draft:
    more = max(0, act.review.attempts or 0)
    return change(draft, attempts_added=draft.claim.attempts_added + more)


def _hold_as(origin: str) -> "Effect":
    def effect(draft: Draft, act: Act) -> Draft:
        if act.to_state != "HELD":
            return draft
        reason = f"the claim is held ({origin.lower()}): {way_out(draft, act)}"
        return alarm(change(draft, origin=origin), "HELD_FOR_REVIEW", reason)

    return effect


def _hold_by_what_stands(draft: Draft, act: Act) -> Draft:
    """For refused records alone it is held until the last of them is dealt with; for anything else,
    with or without them, until it is reviewed.
    """
    stands = act.frozen.union(draft.claim.standing) - draft.claim.cleared
    alone = stands.union(act.evidence_ids) <= act.refused
    return _hold_as("QUARANTINED" if alone else "RISK")(draft, act)


def _hold_by_what_comes(draft: Draft, act: Act) -> Draft:
    """A claim that is held for records needs its review as soon as anything else stands."""
    if draft.claim.origin != "QUARANTINED":
        return draft
    held = _hold_by_what_stands(draft, act)
    return draft if held.claim.origin == "QUARANTINED" else held


def _hold_as_found(draft: Draft, act: Act) -> Draft:
    return _hold_as("FALSE" if act.verdict == "FALSE" else "REVIVABLE")(draft, act)


def _dispute(draft: Draft, act: Act) -> Draft:
    draft = change(draft, disputed_by=act.review.role, disputed_at=act.at)
    return alarm(draft, "DISPUTED", "the claim is disputed: nothing is paid until that is decided")


def _end_dispute(draft: Draft, act: Act) -> Draft:
    return change(draft, disputed_by=None)


def _award(draft: Draft, act: Act) -> Draft:
    """The amount is that of the arbiters; when time has decided, what is due."""
    reserved = draft.claim.accounts.reserved
    amount = act.review.amount_minor if act.cause is not None else min(act.due_minor, reserved)
    assert amount is not None
    draft = change(draft, basis="AWARD", due_minor=amount)
    return move(draft, "reserved", "buyer", reserved - amount)


def _claim_back(draft: Draft, act: Act) -> Draft:
    own = f"settlement/{draft.claim.settlement_id}"
    draft = change(draft, claimed=draft.claim.claimed.union(act.evidence_ids, (own,)))
    ids = ", ".join(act.evidence_ids) or "a proof that counts no longer"
    return alarm(
        draft, "CLAIM_RECORD", f"paid, and contradicted since by {ids}: claim the money back"
    )


def _notify_unfunded(draft: Draft, act: Act) -> Draft:
    draft = alarm(draft, "NOT_FUNDED", "the buyer's hold was not confirmed by the funding deadline")
    if not draft.claim.hold_lost_no:
        return draft
    return alarm(draft, "FUNDING_DEFAULT", "a hold was lost and none took its place: a default")


Effect = Callable[[Draft, Act], Draft]

EFFECTS: dict[str, Effect] = {
    "ask_hold": holds.ask_hold,
    "ask_next_hold": holds.ask_next_hold,
    "ask_hold_while_due": holds.ask_hold_while_due,
    "confirm_hold": holds.confirm_hold,
    "commit": holds.commit,
    "take_undertaking": holds.take_undertaking,
    "renew_hold": holds.renew_hold,
    "mark_hold_lost": holds.mark_hold_lost,
    "lose_hold": holds.lose_hold,
    "shrink_hold": holds.shrink_hold,
    "end_hold": holds.end_hold,
    "reject_hold": holds.reject_hold,
    "take_or_reject_hold": holds.take_or_reject_hold,
    "await_hold_if_created": holds.await_hold_if_created,
    "reserve": holds.reserve,
    "unreserve": holds.unreserve,
    "release": holds.release,
    "release_if_unanswered": holds.release_if_unanswered,
    "release_late_hold": holds.release_late_hold,
    "free_rest": holds.free_rest,
    "release_if_earlier": holds.release_if_earlier,
    "release_again": holds.release_again,
    "release_overdue_again": holds.release_overdue_again,
    "close_release": holds.close_release,
    "pass_hold_on": holds.pass_hold_on,
    "take_hold_over": holds.take_hold_over,
    "give_hold_up": holds.give_hold_up,
    "open_window": _open_window,
    "open_window_if_matched": _open_window_if_matched,
    "close_window": _close_window,
    "set_amount": _set_amount,
    "note_adverse": _note_adverse,
    "stand": _stand,
    "stand_refused": _stand_refused,
    "clear_named": _clear_named,
    "clear_records": _clear_records,
    "forget_origin": _forget_origin,
    "allow_attempts": _allow_attempts,
    "hold_as_found": _hold_as_found,
    "dispute": _dispute,
    "end_dispute": _end_dispute,
    "award": _award,
    "claim_back": _claim_back,
    "notify_unfunded": _notify_unfunded,
    "hold_by_what_stands": _hold_by_what_stands,
    "hold_by_what_comes": _hold_by_what_comes,
    "hold_as_risk": _hold_as("RISK"),
    "hold_as_revivable": _hold_as("REVIVABLE"),
    "hold_as_rejected": _hold_as("REJECTED"),
    "hold_as_recon": _hold_as("RECON"),
    "fly": payments.fly,
    "land": payments.land,
    "refund": payments.refund,
    "pay": payments.pay,
    "pay_again": payments.pay_again,
    "next_attempt": payments.next_attempt,
    "void_if_voided": payments.void_if_voided,
    "alive": payments.alive,
    "query": payments.query,
    "recall": payments.recall,
    "recall_again": payments.recall_again,
    "mark_refused": payments.mark_refused,
    "settle": payments.settle,
    "settle_unbooked": payments.settle_unbooked,
    "apply_known_returns": payments.apply_known_returns,
    "give_back": payments.give_back,
    "settle_as_resolved": payments.settle_as_resolved,
    "mend": payments.mend,
    "book_unordered": payments.book_unordered,
    "return_unordered": payments.return_unordered,
    "mirror_after_end": payments.mirror_after_end,
    "overpay": payments.overpay,
    "break_reconciliation": payments.break_reconciliation,
    "alarm_break": payments.alarm_break,
    "alarm_silence": payments.alarm_silence,
    "alarm_release": payments.alarm_release,
}
