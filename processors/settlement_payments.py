"""The effects of the state table on a claim's payment: sent, recalled, booked, returned."""

from supplytwin.processors import settlement_holds as holds
from supplytwin.processors.settlement_draft import Act, Draft, again, alarm, change, move, order

# ---- the payment


def fly(draft: Draft, act: Act) -> Draft:
    """What is owed is under way."""
    return move(draft, "reserved", "in_flight", draft.claim.owed_minor)


def land(draft: Draft, act: Act) -> Draft:
    """Reserved again; to the buyer when the hold is lost, and a claim that goes on asks for
    another."""
    draft = move(draft, "in_flight", "reserved", draft.claim.accounts.in_flight)
    if draft.claim.hold_live or act.committed_only:
        return draft
    draft = holds.unreserve(draft, act)
    return holds.ask_next_hold(draft, act) if act.to_state == "HELD" else draft


def refund(draft: Draft, act: Act) -> Draft:
    """All that was under way or reserved is the buyer's again."""
    draft = move(draft, "in_flight", "buyer", draft.claim.accounts.in_flight)
    return holds.unreserve(draft, act)


def pay(draft: Draft, act: Act) -> Draft:
    """PAY of what is owed goes out."""
    draft, sent = order(draft, act, "PAY", draft.claim.owed_minor)
    return change(
        draft,
        pay=sent,
        issued=draft.claim.attempt,
        status_at=act.at,
        ordered_gross_minor=draft.claim.gross_minor,
        ordered_bp=draft.claim.adjusted_bp,
        ordered_measure=draft.claim.measure,
    )


def pay_again(draft: Draft, act: Act) -> Draft:
    """The identical PAY goes out once more."""
    return change(again(draft, draft.claim.pay), status_at=act.at)


def next_attempt(draft: Draft, act: Act) -> Draft:
    """The next PAY is another one."""
    return change(draft, attempt=draft.claim.attempt + 1)


def void_if_voided(draft: Draft, act: Act) -> Draft:
    """Where the claim ends, the buyer has all back and the hold is released."""
    return holds.release(holds.unreserve(draft, act), act) if act.to_state == "VOIDED" else draft


def alive(draft: Draft, act: Act) -> Draft:
    """The rail has given a sign of life."""
    return change(draft, status_at=act.at)


def query(draft: Draft, act: Act) -> Draft:
    """The rail is asked what became of the payment."""
    draft = change(draft, query_no=draft.claim.query_no + 1, status_at=act.at)
    return order(draft, act, "QUERY", draft.claim.instructed_minor)[0]


def recall(draft: Draft, act: Act) -> Draft:
    """The payment is recalled."""
    draft = change(draft, recall_no=draft.claim.recall_no + 1, status_at=act.at)
    draft, sent = order(draft, act, "RECALL", draft.claim.instructed_minor)
    return change(draft, recall=sent)


def recall_again(draft: Draft, act: Act) -> Draft:
    """A recall that nobody has answered goes out once more."""
    return again(draft, draft.claim.recall) if act.to_state == "CANCEL_PENDING" else draft


def mark_refused(draft: Draft, act: Act) -> Draft:
    """The rail has refused the recall."""
    claim = draft.claim
    return change(draft, refused_no=claim.recall_no, refused_attempt=claim.attempt)


# ---- bookings and returns


def settle(draft: Draft, act: Act) -> Draft:
    """What was under way is the seller's."""
    return move(draft, "in_flight", "seller", draft.claim.accounts.in_flight)


def settle_unbooked(draft: Draft, act: Act) -> Draft:
    """The same, before the rail has told of its booking."""
    return change(settle(draft, act), unbooked=True)


def apply_known_returns(draft: Draft, act: Act) -> Draft:
    """Returns that came first are taken off."""
    known = sum(draft.claim.returns.values())
    return move(draft, "seller", "buyer", min(known, draft.claim.accounts.seller))


def give_back(draft: Draft, act: Act) -> Draft:
    """What was returned is the buyer's."""
    return move(draft, "seller", "buyer", act.amount_minor)


def settle_as_resolved(draft: Draft, act: Act) -> Draft:
    """The seller has what people found that was paid; more than was under way is the buyer's to
    bear, less goes back to him.
    """
    paid = act.review.amount_minor
    assert paid is not None
    draft = change(draft, recon_break=False)
    for account in ("in_flight", "reserved"):
        part = min(paid, getattr(draft.claim.accounts, account))
        draft = move(draft, account, "seller", part)
        paid -= part
    draft = move(draft, "buyer", "seller", paid)
    return move(draft, "in_flight", "buyer", draft.claim.accounts.in_flight)


def mend(draft: Draft, act: Act) -> Draft:
    """People have resolved what did not fit."""
    return change(draft, recon_break=False)


def _pay_out(draft: Draft, act: Act, amount_minor: int) -> Draft:
    """Money went to the seller without our PAY: in the mirror out of the reservation first. Nobody
    knows whether the rail took it out of the hold, so that is released."""
    held = draft.claim.hold_live or not draft.claim.hold_answered
    reserved = min(draft.claim.accounts.reserved, amount_minor)
    draft = move(draft, "reserved", "seller", reserved)
    draft = holds.unreserve(move(draft, "buyer", "seller", amount_minor - reserved), act)
    return holds.release(draft, act) if held else draft


def book_unordered(draft: Draft, act: Act) -> Draft:
    """The seller has what was booked without an order."""
    return alarm_break(_pay_out(draft, act, act.amount_minor), act)


def return_unordered(draft: Draft, act: Act) -> Draft:
    """The seller had what the last order was for, at least what he has returned now."""
    sent = 0 if draft.claim.pay is None else draft.claim.pay.amount_minor
    draft = give_back(_pay_out(draft, act, max(sent, act.amount_minor)), act)
    return alarm_break(change(draft, unbooked=True), act)


def mirror_after_end(draft: Draft, act: Act) -> Draft:
    """seller = what was booked less what was returned (never below zero: a return may come before
    its booking)."""
    claim = draft.claim
    booked = sum(b.amount_minor for b in claim.bookings.values() if b.currency == claim.currency)
    target = max(0, booked - sum(claim.returns.values()))
    change = target - claim.accounts.seller
    source, sink = ("buyer", "seller") if change > 0 else ("seller", "buyer")
    draft = alarm_break(move(draft, source, sink, abs(change)), act)
    return alarm(
        draft, "CLAIM_RECORD", "the rail moved money after the claim had ended: claim it back"
    )


def overpay(draft: Draft, act: Act) -> Draft:
    """What was booked beyond the payment is the seller's, and is to be claimed back."""
    receipt = act.receipt
    if receipt.currency == draft.claim.currency and (receipt.amount_minor or 0) > 0:
        overpaid = draft.claim.overpaid_minor + act.amount_minor
        draft = change(draft, overpaid_minor=overpaid)
        draft = move(draft, "buyer", "seller", act.amount_minor)
    return alarm(
        alarm_break(draft, act), "CLAIM_RECORD", "the rail booked twice: overpaid, claim it back"
    )


def break_reconciliation(draft: Draft, act: Act) -> Draft:
    """Nothing moves until people have resolved what does not fit."""
    return alarm_break(change(draft, recon_break=True, status_at=act.at), act)


# ---- alarms alone


def alarm_break(draft: Draft, act: Act) -> Draft:
    """An alarm: the rail's answer does not fit."""
    receipt = act.receipt
    said = f"{receipt.kind} attempt {receipt.attempt}: {receipt.rail_status}"
    if receipt.amount_minor is not None:
        said += f" {receipt.amount_minor} {receipt.currency} (minor units)"
    return alarm(draft, "RECON_BREAK", f"the rail's answer does not fit the claim: {said}")


def alarm_silence(draft: Draft, act: Act) -> Draft:
    """An alarm: the rail is silent."""
    return alarm(
        draft, "RAIL_SILENT", f"no answer to query {draft.claim.query_no - 1}: asked again"
    )


def alarm_release(draft: Draft, act: Act) -> Draft:
    """An alarm: a hold is not released."""
    return alarm(
        draft, "RELEASE_FAILED", "the hold is not released yet: the release was sent again"
    )
