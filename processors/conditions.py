"""The condition of a claim, three-valued: TRUE pays, UNKNOWN waits, FALSE can no longer become
true.

The template "release-and-receipt": a live declaration that refers to the claim's consignment is
released or cleared, none that does has an open hold or a revoked release, and of every line the
quantity is in the buyer's warehouse. What counts as proof: `evidence`.

Each leaf is TRUE, or else UNKNOWN up to the close, and after it FALSE unless an identity that bears
on the leaf had a qualifying version in time and counts no longer, or for less (retracted,
superseded, conflicted): that may be revived, so UNKNOWN. Leaves combine by Kleene's `all`: one
FALSE leaf makes the claim FALSE, for nothing that is revived could make it true. An open hold or a
revoked release after the close is such a FALSE, by the same rule: it becomes UNKNOWN only when the
removal of the hold (the release after the revocation) was in time and counts no longer. A conflict
beside leaves that are all TRUE does not change the value: it is adverse, and row 12 holds the
claim.
"""

from decimal import Decimal
from typing import Any

from msgspec import Struct

from supplytwin.processors.evidence import Leaf, Scope, Verdict, contents, quantity
from supplytwin.processors.facts import Slot
from supplytwin.processors.standing import EXACT, Accumulator
from supplytwin.processors.twin import Twin, fold, reaching
from supplytwin.schemas.events import CUSTOMS, Event
from supplytwin.schemas.localtime import happened_by, local_date
from supplytwin.schemas.terms import ClaimLine, ClaimTerms, Terms

__all__ = ["Leaf", "Verdict", "evaluate"]

RELEASED_STATES = ("RELEASED", "CLEARED")
DEAD_STATES = ("CANCELLED", "REJECTED")
"""A declaration in one of these counts neither way."""
_RELEASES = ("customs.released", "customs.cleared")
_REMOVAL = "customs.hold_removed"
_SUPPORT = (*_RELEASES, _REMOVAL)
_CONTRARY = ("customs.hold_placed", "customs.release_revoked")
_ENDS = ("customs.cancelled", "customs.rejected")
_RECEIVED, _REVERSED = "wh.received", "wh.receipt_reversed"


def evaluate(terms: Terms, claim: ClaimTerms, twin: Twin, tick: int) -> Verdict:
    """The condition of `claim` over all facts of the chain at tick time `tick`. Pure."""
    scope = Scope(terms, claim, tick)
    leaves = _customs(scope, twin)
    return scope.verdict((*leaves, *(_received(scope, twin, line) for line in claim.lines)))


# ---- customs


class _Declaration(Struct, frozen=True, kw_only=True):
    subject_id: str
    slots: tuple[Slot, ...]
    value: Accumulator


def _is_of(event: Event, subject_id: str) -> bool:
    """Whether `event` is a customs fact of this declaration."""
    return (event.TOPIC, event.subject_type, event.subject_id) == (
        CUSTOMS, "DECLARATION", subject_id,
    )  # fmt: skip


def _customs(scope: Scope, twin: Twin) -> tuple[Leaf, Leaf, Leaf]:
    """Released, no open hold, not revoked: over the declarations that refer to the claim."""
    consignment = scope.claim.consignment_id
    reference = f"CONSIGNMENT:{consignment}"
    ids = {
        event.subject_id
        for slot in reaching(twin, "CONSIGNMENT", consignment)
        for event in contents(slot)
        if _is_of(event, event.subject_id) and reference in event.refs
    }
    live: list[_Declaration] = []
    released: list[str] = []
    release_may_return = removal_may_return = False
    for subject_id in sorted(ids):
        found = _declaration(scope, twin, subject_id)
        for slot in found.slots:
            release_may_return |= scope.revivable(slot, lambda e: e.event_type in _RELEASES)
            release_may_return |= scope.revivable(slot, lambda e: reference in e.refs)
            removal_may_return |= scope.revivable(slot, lambda e: e.event_type == _REMOVAL)
        if found.value.state in DEAD_STATES or not _refers(found, reference):
            continue
        live.append(found)
        linked = _refers(found, reference, at=scope.tick)
        if linked and found.value.state in RELEASED_STATES and not found.value.revoked:
            released.append(subject_id)
    held = [one.subject_id for one in live if one.value.holds]
    revoked = [one.subject_id for one in live if one.value.revoked]
    return (
        scope.leaf(
            "release",
            _why_release(consignment, released, live),
            true=bool(released),
            revivable=release_may_return,
        ),
        scope.leaf(
            "holds",
            f"customs to lift the hold on {', '.join(held)}"
            if held
            else f"no customs hold is open on {consignment}",
            true=not held,
            revivable=removal_may_return,
        ),
        scope.leaf(
            "revocation",
            f"customs to release {', '.join(revoked)} again: its release was revoked"
            if revoked
            else f"no release of {consignment} is revoked",
            true=not revoked,
            revivable=release_may_return,
        ),
    )


def _declaration(scope: Scope, twin: Twin, subject_id: str) -> _Declaration:
    """A declaration as the claim sees it: supporting facts only when in time and not ahead."""
    slots = tuple(
        slot
        for slot in reaching(twin, "DECLARATION", subject_id)
        if any(_is_of(event, subject_id) for event in contents(slot))
    )
    counted = []
    for slot in slots:
        scope.look_for_conflict(slot)
        version = slot.effective
        if version is None or not _is_of(version.event, subject_id):
            continue
        kind = version.event.event_type
        if kind in _SUPPORT:
            counts = scope.supports(slot, lambda event: event.event_type in _SUPPORT) is not None
        elif kind in _CONTRARY:
            counts = scope.contradicts(slot) is not None
        else:
            counts = scope.plain(slot, contrary=kind in _ENDS)
        if counts:
            counted.append(slot)
    value = fold("DECLARATION", subject_id, counted)
    return _Declaration(subject_id=subject_id, slots=slots, value=value)


def _refers(declaration: _Declaration, reference: str, at: int | None = None) -> bool:
    """Whether an effective ACTUAL fact of it carries the reference (with `at`: one not ahead)."""
    for slot in declaration.slots:
        version = slot.effective
        if version is None or not _is_of(version.event, declaration.subject_id):
            continue
        event = version.event
        if event.classifier != "ACTUAL" or reference not in event.refs:
            continue
        if at is None or happened_by(event, at):
            return True
    return False


def _why_release(consignment: str, released: list[str], live: list[_Declaration]) -> str:
    if released:
        return f"declaration {', '.join(released)} of {consignment} is released"
    if not live:
        return f"customs release of {consignment} (no declaration refers to it)"
    states = ", ".join(f"{one.subject_id} is {one.value.state or 'not filed'}" for one in live)
    return f"customs release of {consignment} ({states})"


# ---- the buyer's warehouse


def _received(scope: Scope, twin: Twin, line: ClaimLine) -> Leaf:
    """Received minus reversed >= quantity, in the buyer's warehouses."""
    line_id, net, may_return = line.line_id, Decimal(0), False
    warehouses = scope.terms.warehouses

    def received(event: Event) -> bool:
        at_buyer = event.event_type == _RECEIVED and event.facility in warehouses
        return at_buyer and _names(event, line_id)

    def reversed_(event: Event) -> bool:
        """A reversal that names no facility is taken for the buyer's."""
        at_buyer = event.facility is None or event.facility in warehouses
        return event.event_type == _REVERSED and at_buyer and _reaches(event, line_id)

    for slot in reaching(twin, "ORDER_LINE", line_id):
        if not any(_moves(event, line_id) for event in contents(slot)):
            continue
        scope.look_for_conflict(slot)
        may_return |= scope.revivable(slot, received)
        if slot.effective is not None and reversed_(slot.effective.event):
            version = scope.contradicts(slot)
            if version is not None:
                net = EXACT.subtract(net, quantity(version.event))
            continue
        version = scope.supports(slot, received)
        if version is not None:
            net = EXACT.add(net, quantity(version.event))
            may_return |= scope.most(slot, received) > quantity(version.event)
    true = net >= line.qty
    by = local_date(scope.claim.deadline, scope.terms.zone)
    where = "is in" if true else "to be in"
    why = (
        f"{line.qty} of line {line_id} {where} the buyer's warehouse by {by}"
        f" (received {net} of {line.qty})"
    )
    return scope.leaf(f"received:{line_id}", why, true=true, revivable=may_return)


def _reaches(event: Event, line_id: str) -> bool:
    own = (event.subject_type, event.subject_id) == ("ORDER_LINE", line_id)
    return own or f"ORDER_LINE:{line_id}" in event.refs


def _moves(event: Event, line_id: str) -> bool:
    return event.event_type in (_RECEIVED, _REVERSED) and _reaches(event, line_id)


def _names(event: Any, line_id: str) -> bool:
    """The receipt is this line's: one quantity may not pay for two lines that it refers to."""
    if not _reaches(event, line_id):
        return False
    if event.line_id is not None:
        return bool(event.line_id == line_id)
    own = f"ORDER_LINE:{line_id}"
    return all(ref == own or not ref.startswith("ORDER_LINE:") for ref in event.refs)
