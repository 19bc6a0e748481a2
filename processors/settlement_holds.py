"""The effects of the state table on a claim's hold: asked for, taken, lost, moved, released."""

from msgspec.structs import replace

from supplytwin.processors.settlement_agreement import hold_fits
from supplytwin.processors.settlement_draft import Act, Draft, again, alarm, change, move, order
from supplytwin.processors.settlement_state import Release


def ask_hold(draft: Draft, act: Act) -> Draft:
    """RESERVE goes out; not where only the buyer's word is asked for."""
    if act.committed_only:
        return draft
    return order(draft, act, "RESERVE", draft.claim.reserve_minor)[0]


def ask_next_hold(draft: Draft, act: Act) -> Draft:
    """RESERVE of another hold goes out; it has time until the close."""
    claim = draft.claim
    draft = change(draft, hold_no=claim.hold_no + 1, hold_answered=False, hold_live=False)
    return ask_hold(change(draft, funding_due=None, hold_expires=None, held_minor=0), act)


def ask_hold_while_due(draft: Draft, act: Act) -> Draft:
    """The same with the time that is left; afterwards nothing."""
    due = draft.claim.funding_due
    if act.at > (act.close if due is None else due):
        return draft
    return change(ask_next_hold(draft, act), funding_due=due)


def confirm_hold(draft: Draft, act: Act) -> Draft:
    """The hold is live."""
    return change(
        draft,
        hold_answered=True,
        hold_live=True,
        hold_expires=act.receipt.hold_expires,
        held_minor=act.amount_minor,
    )


def commit(draft: Draft, act: Act) -> Draft:
    """Only the mirror reserves: nothing is held at the rail."""
    return change(draft, hold_answered=True, hold_live=True, hold_expires=None)


def take_undertaking(draft: Draft, act: Act) -> Draft:
    """A bank's word counts as a hold until it is released."""
    return change(commit(draft, act), held_minor=draft.claim.reserve_minor)


def renew_hold(draft: Draft, act: Act) -> Draft:
    """The hold stands until then."""
    return change(draft, hold_expires=act.receipt.hold_expires)


def mark_hold_lost(draft: Draft, act: Act) -> Draft:
    """Nothing is held any more; the mirror stays as it is."""
    return change(draft, hold_live=False, hold_lost_no=draft.claim.hold_no, held_minor=0)


def lose_hold(draft: Draft, act: Act) -> Draft:
    """Nothing is held any more, nor reserved, and the buyer is told."""
    says = f"hold {draft.claim.hold_no} is lost: the buyer has to fund another one"
    return alarm(unreserve(mark_hold_lost(draft, act), act), "HOLD_LOST", says)


def shrink_hold(draft: Draft, act: Act) -> Draft:
    """A hold that is not enough any more counts as lost; what is left of it is released."""
    claim, left = draft.claim, act.amount_minor
    draft = unreserve(mark_hold_lost(draft, act), act)
    if left:
        draft = _release_amount(draft, act, left)
    says = f"hold {claim.hold_no} is of {left} now, in minor units of {claim.currency}, of which"
    says += f" {claim.reserve_minor} are needed: the buyer has to fund another one"
    return alarm(draft, "HOLD_LOST", says)


def end_hold(draft: Draft, act: Act) -> Draft:
    """A hold that has run out counts as lost; the rail has freed it, so nothing is released."""
    says = f"hold {draft.claim.hold_no} has run out: the buyer has to fund another one"
    return alarm(unreserve(mark_hold_lost(draft, act), act), "HOLD_LOST", says)


def reject_hold(draft: Draft, act: Act) -> Draft:
    """A hold that does not do is released."""
    amount = act.receipt.amount_minor
    fits = act.receipt.currency == draft.claim.currency and amount is not None and amount > 0
    held = amount if fits and amount is not None else draft.claim.reserve_minor
    draft = _release_amount(change(draft, hold_answered=True), act, held)
    return alarm(
        draft, "HOLD_UNFIT", "the hold is too small, too short, lost or in another currency"
    )


def take_or_reject_hold(draft: Draft, act: Act) -> Draft:
    """While the claim is stopped: the hold is taken, or another one is asked for."""
    if hold_fits(act, draft.claim, act.receipt, act.at):
        return reserve(confirm_hold(draft, act), act)
    return ask_next_hold(reject_hold(draft, act), act)


def await_hold_if_created(draft: Draft, act: Act) -> Draft:
    """Without a hold it waits for the one that is asked for, until the close."""
    return change(draft, funding_due=None) if act.to_state == "CREATED" else draft


def reserve(draft: Draft, act: Act) -> Draft:
    """What may be paid is reserved."""
    return move(draft, "buyer", "reserved", draft.claim.reserve_minor)


def unreserve(draft: Draft, act: Act) -> Draft:
    """All that is reserved is the buyer's again."""
    return move(draft, "reserved", "buyer", draft.claim.accounts.reserved)


# ---- released


def _release_amount(draft: Draft, act: Act, amount_minor: int) -> Draft:
    draft, sent = order(draft, act, "RELEASE", amount_minor)
    release = Release(order=sent, open=True, at=act.at)
    releases = draft.claim.releases.set(draft.claim.hold_no, release)
    return change(draft, hold_live=False, held_minor=0, releases=releases)


def release(draft: Draft, act: Act) -> Draft:
    """The hold, confirmed or asked for, is released."""
    claim = draft.claim
    if act.committed_only and not claim.held_minor:
        return change(draft, hold_live=False)
    if claim.hold_no in claim.releases:  # sent already, and repeated until it is confirmed
        return change(draft, hold_live=False)
    return _release_amount(draft, act, claim.held_minor or claim.reserve_minor)


def release_if_unanswered(draft: Draft, act: Act) -> Draft:
    """A hold that was asked for is released, whether or not it comes."""
    return draft if draft.claim.hold_answered else release(draft, act)


def release_late_hold(draft: Draft, act: Act) -> Draft:
    """A hold that came too late is released."""
    draft = change(draft, hold_answered=True)
    if draft.claim.hold_no in draft.claim.releases:
        return _again(draft, act, draft.claim.hold_no)
    return release(draft, act)


def release_rest(draft: Draft, act: Act, held_minor: int, used_minor: int) -> Draft:
    """What the rail holds beyond what was paid out of it is released."""
    rest = held_minor - used_minor
    if not draft.claim.hold_live or rest <= 0:
        return draft
    return _release_amount(draft, act, rest)


def free_rest(draft: Draft, act: Act) -> Draft:
    """What was reserved beyond the payment is the buyer's again."""
    claim = draft.claim
    return release_rest(unreserve(draft, act), act, claim.held_minor, claim.accounts.seller)


def release_if_earlier(draft: Draft, act: Act) -> Draft:
    """When an earlier attempt was booked, nobody knows out of which hold: the one that the running
    attempt could still use is released.
    """
    earlier = act.receipt.attempt < draft.claim.attempt
    return release(draft, act) if earlier and draft.claim.hold_live else draft


def _again(draft: Draft, act: Act, hold_no: int) -> Draft:
    found = draft.claim.releases[hold_no]
    renewed = replace(found, open=True, at=act.at)
    draft = change(draft, releases=draft.claim.releases.set(hold_no, renewed))
    return again(draft, found.order)


def release_again(draft: Draft, act: Act) -> Draft:
    """The release that failed is sent again."""
    return _again(draft, act, act.receipt.hold_no)


def release_overdue_again(draft: Draft, act: Act) -> Draft:
    """Every release that the rail is silent about is sent again."""
    for hold_no, found in sorted(draft.claim.releases.items()):
        if found.open and act.at > found.at + act.status_sla_us:
            draft = _again(draft, act, hold_no)
    return draft


def close_release(draft: Draft, act: Act) -> Draft:
    """The rail has confirmed it."""
    releases, hold_no = draft.claim.releases, act.receipt.hold_no
    return change(draft, releases=releases.set(hold_no, replace(releases[hold_no], open=False)))


# ---- moved to the claim that an amendment puts in this one's place


def pass_hold_on(draft: Draft, act: Act) -> Draft:
    """A hold that stands waits for the successor; without one, and while it is still asked for, it
    is released.
    """
    claim = draft.claim
    if act.succeeded and claim.hold_live:
        return draft
    draft = unreserve(draft, act)
    return release(draft, act) if claim.hold_live or not claim.hold_answered else draft


def take_hold_over(draft: Draft, act: Act) -> Draft:
    """What the hold is too large by is the buyer's; a hold that does not do is released, and
    another one asked for.
    """
    claim = draft.claim
    if act.to_state == "RESERVED":
        held, wanted = claim.accounts.reserved, claim.amount_minor
        if held >= wanted:
            return move(draft, "reserved", "buyer", held - wanted)
        return move(draft, "buyer", "reserved", wanted - held)
    due = claim.funding_due
    return change(ask_next_hold(give_hold_up(draft, act), act), funding_due=due)


def give_hold_up(draft: Draft, act: Act) -> Draft:
    """Nothing is reserved, and a hold that stands is released."""
    live, held = draft.claim.hold_live, draft.claim.held_minor
    draft = unreserve(draft, act)
    return _release_amount(draft, act, held) if live and held else change(draft, hold_live=False)
