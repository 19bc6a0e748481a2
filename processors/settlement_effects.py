"""The effects of the state table: pure functions from one draft to the next, by name.

An effect reads the terms, the cause and the record of its transition, never a condition: the same
effects run live and at restore. `settlement_apply.noted` has registered the cause before they run.
"""

from collections.abc import Callable

from supplytwin.processors.settlement_draft import Act, Draft, again, alarm, change, move, order
from supplytwin.schemas.records import QUARANTINE_DESK, Review

# ---- the hold


def _ask_hold(draft: Draft, act: Act) -> Draft:
    return order(draft, act, "RESERVE", draft.claim.amount_minor)[0]


def _confirm_hold(draft: Draft, act: Act) -> Draft:
    return change(draft, hold_answered=True, hold_live=True, hold_expires=act.receipt.hold_expires)


def _refuse_hold(draft: Draft, act: Act) -> Draft:
    return change(draft, hold_answered=True)


def _reserve(draft: Draft, act: Act) -> Draft:
    return move(draft, "buyer", "reserved", draft.claim.amount_minor)


def _unreserve(draft: Draft, act: Act) -> Draft:
    return move(draft, "reserved", "buyer", draft.claim.accounts.reserved)


def _release_amount(draft: Draft, act: Act, amount_minor: int) -> Draft:
    draft, sent = order(draft, act, "RELEASE", amount_minor)
    return change(draft, hold_live=False, release=sent, release_open=True, release_at=act.at)


def _release(draft: Draft, act: Act) -> Draft:
    return _release_amount(draft, act, draft.claim.amount_minor)


def _release_again(draft: Draft, act: Act) -> Draft:
    return change(again(draft, draft.claim.release), release_open=True, release_at=act.at)


def _release_late_hold(draft: Draft, act: Act) -> Draft:
    draft = change(draft, hold_answered=True)
    return _release(draft, act) if draft.claim.release is None else _release_again(draft, act)


def _close_release(draft: Draft, act: Act) -> Draft:
    return change(draft, release_open=False)


# ---- evidence, holds by people


def _open_window(draft: Draft, act: Act) -> Draft:
    return change(draft, window_end=act.at)


def _open_window_if_matched(draft: Draft, act: Act) -> Draft:
    return _open_window(draft, act) if act.to_state == "MATCHED" else draft


def _close_window(draft: Draft, act: Act) -> Draft:
    return change(draft, window_end=None)


def _note_adverse(draft: Draft, act: Act) -> Draft:
    return change(draft, noted=draft.claim.noted.union(act.evidence_ids))


def _stand(draft: Draft, act: Act) -> Draft:
    assert act.cause is not None
    key = f"{act.cause.source}/{act.cause.input_id}"
    who = act.cause.reviewer if isinstance(act.cause, Review) else ""
    claim = draft.claim
    return change(draft, standing=claim.standing.set(key, who), noted=claim.noted | {key})


def _stand_refused(draft: Draft, act: Act) -> Draft:
    """What was refused before the contract stands against the claim as if it came after it."""
    if not act.refused:
        return draft
    standing = draft.claim.standing.update(dict.fromkeys(act.refused, ""))
    noted = draft.claim.noted.union(act.refused)
    return _toll(change(draft, standing=standing, noted=noted), act)


def _clear_named(draft: Draft, act: Act) -> Draft:
    assert isinstance(act.cause, Review)
    return change(draft, cleared=draft.claim.cleared.union(act.cause.cleared_ids))


def _toll(draft: Draft, act: Act) -> Draft:
    """Deadlines stand still from now on."""
    since = draft.claim.tolls_since
    return change(draft, tolls_since=act.at if since is None else since)


def _untoll(draft: Draft, act: Act) -> Draft:
    """They go on when no refused record is left: what was lost is added."""
    claim = draft.claim
    left = {key for key in claim.standing if key.startswith(f"{QUARANTINE_DESK}/")}
    if claim.tolls_since is None or left - claim.cleared:
        return draft
    tolled = claim.tolled_us + max(0, act.at - claim.tolls_since)
    return change(draft, tolls_since=None, tolled_us=tolled)


def _forget_origin(draft: Draft, act: Act) -> Draft:
    return change(draft, origin=None)


def _hold_as(origin: str) -> "Effect":
    def effect(draft: Draft, act: Act) -> Draft:
        if act.to_state != "HELD":
            return draft
        reason = f"the claim is held ({origin.lower()}): release or reject it by a review"
        return alarm(change(draft, origin=origin), "HELD_FOR_REVIEW", reason)

    return effect


def _claim_back(draft: Draft, act: Act) -> Draft:
    own = f"settlement/{draft.claim.settlement_id}"
    draft = change(draft, claimed=draft.claim.claimed.union(act.evidence_ids, (own,)))
    ids = ", ".join(act.evidence_ids) or "a proof that counts no longer"
    return alarm(
        draft, "CLAIM_RECORD", f"paid, and contradicted since by {ids}: claim the money back"
    )


def _notify_unfunded(draft: Draft, act: Act) -> Draft:
    return alarm(draft, "NOT_FUNDED", "the buyer's hold was not confirmed by the funding deadline")


# ---- the payment


def _fly(draft: Draft, act: Act) -> Draft:
    return move(draft, "reserved", "in_flight", draft.claim.accounts.reserved)


def _land(draft: Draft, act: Act) -> Draft:
    return move(draft, "in_flight", "reserved", draft.claim.accounts.in_flight)


def _refund(draft: Draft, act: Act) -> Draft:
    return move(draft, "in_flight", "buyer", draft.claim.accounts.in_flight)


def _pay(draft: Draft, act: Act) -> Draft:
    draft, sent = order(draft, act, "PAY", draft.claim.amount_minor)
    return change(draft, pay=sent, issued=draft.claim.attempt, status_at=act.at)


def _pay_again(draft: Draft, act: Act) -> Draft:
    return change(again(draft, draft.claim.pay), status_at=act.at)


def _next_attempt(draft: Draft, act: Act) -> Draft:
    return change(draft, attempt=draft.claim.attempt + 1)


def _void_if_voided(draft: Draft, act: Act) -> Draft:
    return _release(_unreserve(draft, act), act) if act.to_state == "VOIDED" else draft


def _alive(draft: Draft, act: Act) -> Draft:
    return change(draft, status_at=act.at)


def _query(draft: Draft, act: Act) -> Draft:
    draft = change(draft, query_no=draft.claim.query_no + 1, status_at=act.at)
    return order(draft, act, "QUERY", draft.claim.amount_minor)[0]


def _recall(draft: Draft, act: Act) -> Draft:
    draft = change(draft, recall_no=draft.claim.recall_no + 1, status_at=act.at)
    draft, sent = order(draft, act, "RECALL", draft.claim.amount_minor)
    return change(draft, recall=sent)


def _recall_again(draft: Draft, act: Act) -> Draft:
    return again(draft, draft.claim.recall) if act.to_state == "CANCEL_PENDING" else draft


def _mark_refused(draft: Draft, act: Act) -> Draft:
    return change(draft, refused_no=draft.claim.recall_no)


# ---- bookings and returns


def _settle(draft: Draft, act: Act) -> Draft:
    return move(draft, "in_flight", "seller", draft.claim.accounts.in_flight)


def _settle_unbooked(draft: Draft, act: Act) -> Draft:
    return change(_settle(draft, act), unbooked=True)


def _apply_known_returns(draft: Draft, act: Act) -> Draft:
    known = sum(draft.claim.returns.values())
    return move(draft, "seller", "buyer", min(known, draft.claim.accounts.seller))


def _give_back(draft: Draft, act: Act) -> Draft:
    return move(draft, "seller", "buyer", act.amount_minor)


def _pay_out(draft: Draft, act: Act, amount_minor: int) -> Draft:
    """Money went to the seller without our PAY: out of the reservation first; what is left of that
    is released."""
    waiting = draft.claim.state == "CREATED" and not draft.claim.hold_answered
    reserved = min(draft.claim.accounts.reserved, amount_minor)
    draft = move(draft, "reserved", "seller", reserved)
    draft = move(draft, "buyer", "seller", amount_minor - reserved)
    rest = draft.claim.accounts.reserved
    draft = move(draft, "reserved", "buyer", rest)
    if waiting or rest:
        return _release_amount(draft, act, draft.claim.amount_minor if waiting else rest)
    return change(draft, hold_live=False)


def _book_unordered(draft: Draft, act: Act) -> Draft:
    return _alarm_break(_pay_out(draft, act, act.amount_minor), act)


def _return_unordered(draft: Draft, act: Act) -> Draft:
    draft = _give_back(_pay_out(draft, act, draft.claim.amount_minor), act)
    return _alarm_break(change(draft, unbooked=True), act)


def _mirror_after_end(draft: Draft, act: Act) -> Draft:
    """seller = what was booked less what was returned (never below zero: a return may come before
    its booking)."""
    claim = draft.claim
    booked = sum(b.amount_minor for b in claim.bookings.values() if b.currency == claim.currency)
    target = max(0, booked - sum(claim.returns.values()))
    change = target - claim.accounts.seller
    source, sink = ("buyer", "seller") if change > 0 else ("seller", "buyer")
    draft = _alarm_break(move(draft, source, sink, abs(change)), act)
    return alarm(
        draft, "CLAIM_RECORD", "the rail moved money after the claim had ended: claim it back"
    )


def _overpay(draft: Draft, act: Act) -> Draft:
    receipt = act.receipt
    if receipt.currency == draft.claim.currency and (receipt.amount_minor or 0) > 0:
        draft = move(draft, "buyer", "seller", act.amount_minor)
    return alarm(
        _alarm_break(draft, act), "CLAIM_RECORD", "the rail booked twice: overpaid, claim it back"
    )


def _break_reconciliation(draft: Draft, act: Act) -> Draft:
    return _alarm_break(change(draft, recon_break=True, status_at=act.at), act)


# ---- alarms alone


def _alarm_break(draft: Draft, act: Act) -> Draft:
    receipt = act.receipt
    said = f"{receipt.kind} attempt {receipt.attempt}: {receipt.rail_status}"
    if receipt.amount_minor is not None:
        said += f" {receipt.amount_minor} {receipt.currency} (minor units)"
    return alarm(draft, "RECON_BREAK", f"the rail's answer does not fit the claim: {said}")


def _alarm_silence(draft: Draft, act: Act) -> Draft:
    return alarm(
        draft, "RAIL_SILENT", f"no answer to query {draft.claim.query_no - 1}: asked again"
    )


def _alarm_release(draft: Draft, act: Act) -> Draft:
    return alarm(
        draft, "RELEASE_FAILED", "the hold is not released yet: the release was sent again"
    )


Effect = Callable[[Draft, Act], Draft]

EFFECTS: dict[str, Effect] = {
    "ask_hold": _ask_hold,
    "confirm_hold": _confirm_hold,
    "refuse_hold": _refuse_hold,
    "reserve": _reserve,
    "unreserve": _unreserve,
    "release": _release,
    "release_again": _release_again,
    "release_late_hold": _release_late_hold,
    "close_release": _close_release,
    "open_window": _open_window,
    "open_window_if_matched": _open_window_if_matched,
    "close_window": _close_window,
    "note_adverse": _note_adverse,
    "stand": _stand,
    "stand_refused": _stand_refused,
    "clear_named": _clear_named,
    "forget_origin": _forget_origin,
    "toll": _toll,
    "untoll": _untoll,
    "hold_as_quarantined": _hold_as("QUARANTINED"),
    "hold_as_risk": _hold_as("RISK"),
    "hold_as_revivable": _hold_as("REVIVABLE"),
    "hold_as_rejected": _hold_as("REJECTED"),
    "claim_back": _claim_back,
    "notify_unfunded": _notify_unfunded,
    "fly": _fly,
    "land": _land,
    "refund": _refund,
    "pay": _pay,
    "pay_again": _pay_again,
    "next_attempt": _next_attempt,
    "void_if_voided": _void_if_voided,
    "alive": _alive,
    "query": _query,
    "recall": _recall,
    "recall_again": _recall_again,
    "mark_refused": _mark_refused,
    "settle": _settle,
    "settle_unbooked": _settle_unbooked,
    "apply_known_returns": _apply_known_returns,
    "give_back": _give_back,
    "book_unordered": _book_unordered,
    "return_unordered": _return_unordered,
    "mirror_after_end": _mirror_after_end,
    "overpay": _overpay,
    "break_reconciliation": _break_reconciliation,
    "alarm_break": _alarm_break,
    "alarm_silence": _alarm_silence,
    "alarm_release": _alarm_release,
}
