"""The condition of a claim, three-valued: TRUE pays, UNKNOWN waits, FALSE can no longer become
true.

The template "release-and-receipt": a live declaration that refers to the claim's consignment is
released or cleared, none that does has an open hold or a revoked release, and of every line the
quantity is in the buyer's warehouse (`receiving`). What counts as proof: `evidence`. What speaks
against a declaration counts wherever it refers to it, what speaks for it only when it is about it.

Each leaf is TRUE, or else UNKNOWN up to the close, and after it FALSE unless an identity that bears
on the leaf had a qualifying version in time and counts no longer, or for less (retracted,
superseded, conflicted): that may be revived, so UNKNOWN. Leaves combine by Kleene's `all`: one
FALSE leaf makes the claim FALSE, for nothing that is revived could make it true. An open hold or a
revoked release after the close is such a FALSE, by the same rule: it becomes UNKNOWN only when the
removal of the hold (the release after the revocation) was in time and counts no longer. A conflict
beside leaves that are all TRUE does not change the value: it is adverse, and row 12 holds the
claim.
"""

from collections.abc import Sequence

from msgspec import Struct

from supplytwin.processors.evidence import (
    Concern,
    Leaf,
    Part,
    Scope,
    Verdict,
    verdict,
)
from supplytwin.processors.facts import Slot
from supplytwin.processors.reach import reached_by
from supplytwin.processors.receiving import in_order, received
from supplytwin.processors.reversing import slots_of
from supplytwin.processors.standing import Accumulator
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import Twin, fold
from supplytwin.schemas.events import CUSTOMS, Event
from supplytwin.schemas.machines import CONSIGNMENT, DECLARATION
from supplytwin.schemas.terms import ClaimTerms, Terms

__all__ = ["Assessment", "Leaf", "Verdict", "assess", "evaluate"]

RELEASED_STATES = ("RELEASED", "CLEARED")
DEAD_STATES = ("CANCELLED", "REJECTED")
"""A declaration in one of these counts neither way."""
_RELEASES = ("customs.released", "customs.cleared")
_REMOVAL = "customs.hold_removed"
_SUPPORT = (*_RELEASES, _REMOVAL)
_CONTRARY = ("customs.hold_placed", "customs.release_revoked")
_ENDS = ("customs.cancelled", "customs.rejected")
_AGAINST = (*_CONTRARY, *_ENDS)


class Assessment(Struct, frozen=True, kw_only=True, gc=False):
    """A verdict, and for how long it needs no second look."""

    verdict: Verdict
    promise: ClaimTerms
    """The claim's terms that it is about: another deadline is another question."""
    parts: tuple[Part, ...]
    """The customs, then each line of the claim."""
    until: int
    """The first later tick time at which time alone may change it."""
    concerns: frozenset[Concern]
    """It follows from these facts, terms and tick."""


def evaluate(terms: Terms, claim: ClaimTerms, twin: Twin, tick: int) -> Verdict:
    """The condition of `claim` over all facts of the chain at tick time `tick`. Pure."""
    return assess(terms, claim, twin, tick).verdict


def assess(
    terms: Terms,
    claim: ClaimTerms,
    twin: Twin,
    tick: int,
    known: Sequence[Part | None] | None = None,
) -> Assessment:
    """`evaluate`, with what its verdict depends on.

    `known`: those parts of another assessment of this claim that are still the same.
    """
    customs, *lines = known or (None,) * (1 + len(claim.lines))
    parts = (
        customs or _customs(Scope(terms, claim, tick), twin),
        *(
            part or received(Scope(terms, claim, tick), twin, line)
            for part, line in zip(lines, claim.lines, strict=True)
        ),
    )
    return Assessment(
        verdict=verdict(parts),
        promise=claim,
        parts=parts,
        until=min([part.until for part in parts]),
        concerns=parts[0].concerns.union(*[part.concerns for part in parts[1:]]),
    )


# ---- customs


class _Declaration(Struct, frozen=True, kw_only=True):
    subject_id: str
    links: list[Event]
    """Effective ACTUAL facts of it that refer to the claim's consignment."""
    named: bool
    """A contrary fact that counts names it together with the consignment."""
    unsettled: list[Slot]
    """Its slots of which anything may come back."""
    value: Accumulator
    state: str | None
    """Its state when what ends it by reference counts, too: that can only delay."""
    revoked: bool
    """Likewise, whether its release is taken back."""
    ending: bool
    """Told to end at a time that is still to come."""


def _is(event: Event, key: SubjectKey) -> bool:
    return event.subject_id == key.subject_id and event.subject_type == key.subject_type


def _is_of(event: Event, key: SubjectKey) -> bool:
    """Whether `event` is a customs fact of this declaration. What speaks against it may be about
    something else and refer to it, as it does in the twin; what speaks for it may not.
    """
    if event.TOPIC != CUSTOMS:
        return False
    return _is(event, key) or (event.event_type in _AGAINST and key in reached_by(event))


def _speaks_of(slot: Slot, key: SubjectKey) -> bool:
    """Whether anything under this identity is a customs fact of the declaration."""
    for version in slot.versions:
        for event in version.contents:
            if _is_of(event, key):
                return True
    return False


def _is_release(event: Event) -> bool:
    return event.event_type in _RELEASES


def _links(event: Event, home: SubjectKey) -> bool:
    """Whether it refers its declarations to the consignment `home`; a contrary fact does so, too,
    when it is about the consignment and refers to the declaration.
    """
    if event.classifier != "ACTUAL":
        return False
    return ":".join(home) in event.refs or (event.event_type in _CONTRARY and _is(event, home))


def _declared(twin: Twin, home: SubjectKey) -> list[SubjectKey]:
    """The declarations that anything ever said but a plan refers to the consignment, sorted."""
    return sorted(
        {
            key
            for slot in slots_of(twin, home)
            for version in slot.versions
            for event in version.contents
            if event.TOPIC == CUSTOMS and _links(event, home)
            for key in reached_by(event)
            if key.subject_type == DECLARATION
            and (_is(event, key) or event.event_type in _CONTRARY)
        }
    )


def _customs(scope: Scope, twin: Twin) -> Part:
    """Released, no open hold, not revoked: over the declarations that refer to the claim."""
    consignment = scope.claim.consignment_id
    home = SubjectKey(CONSIGNMENT, consignment)
    reference = ":".join(home)
    declarations = _declared(twin, home)
    live: list[_Declaration] = []
    released: list[str] = []
    release_may_return = removal_may_return = False
    for key in declarations:
        found = _declaration(scope, twin, key, home)
        for slot in found.unsettled:
            now = slot.effective
            release_may_return |= scope.revivable(slot, now, _is_release)
            release_may_return |= scope.revivable(slot, now, lambda e: reference in e.refs)
            removal_may_return |= scope.revivable(slot, now, lambda e: e.event_type == _REMOVAL)
        if found.value.state in DEAD_STATES or not (found.links or found.named):
            continue
        live.append(found)
        linked = any(scope.happened(event) for event in found.links)
        free = found.state in RELEASED_STATES and not (found.revoked or found.ending)
        if linked and free:
            released.append(found.subject_id)
    held = [one.subject_id for one in live if one.value.holds]
    revoked = [one.subject_id for one in live if one.value.revoked]
    leaves = (
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
    concerns: list[Concern] = [("CUSTOMS", key) for key in (home, *declarations)]
    return scope.part(leaves, frozenset(concerns))


def _declaration(scope: Scope, twin: Twin, key: SubjectKey, home: SubjectKey) -> _Declaration:
    """A declaration as the claim sees it: supporting facts only when in time and not ahead."""
    slots = [one for one in slots_of(twin, key) if _speaks_of(one, key)]
    slots.sort(key=in_order)
    named = ending = False
    counted, ended, unsettled = list[Slot](), list[Slot](), list[Slot]()
    links: list[Event] = []

    def supports(event: Event) -> bool:
        return event.event_type in _SUPPORT and _is(event, key)

    for slot in slots:
        version = slot.effective
        if not scope.is_settled(slot, version):
            unsettled.append(slot)
        if version is None:
            scope.look_for_conflict(slot)
            continue
        event = version.event
        if not _is_of(event, key):
            continue
        own, kind = _is(event, key), event.event_type
        if own and event.classifier == "ACTUAL" and ":".join(home) in event.refs:
            links.append(event)
        if kind in _SUPPORT:
            counts = scope.supports(slot, version, supports)
        elif kind in _CONTRARY:
            counts = scope.contradicts(slot, version)
            named |= _links(event, home)
        else:
            counts = scope.plain(slot, version, contrary=kind in _ENDS)
            ending |= kind in _ENDS and event.classifier == "ACTUAL" and not counts
        if counts:
            (counted if own or kind in _CONTRARY else ended).append(slot)
    value = _value(twin, key, counted)
    whole = fold(*key, [*counted, *ended]) if ended else value
    return _Declaration(
        subject_id=key.subject_id,
        links=links,
        named=named,
        unsettled=unsettled,
        value=value,
        state=whole.state,
        revoked=value.revoked or whole.revoked,
        ending=ending,
    )


def _value(twin: Twin, key: SubjectKey, counted: list[Slot]) -> Accumulator:
    """What the facts that count add up to: what the twin has, when it has these facts alone.

    Each of `counted` is a fact in the declaration's fold, so the twin has it; when the twin has no
    more than these, it has folded the same set.
    """
    subject = twin.subjects.get(key)
    if subject is not None:
        ordered = subject.ordered
        if sum(len(chunk.facts) for chunk in ordered.chunks) == len(counted):
            return ordered.value
    return fold(*key, counted)


def _why_release(consignment: str, released: list[str], live: list[_Declaration]) -> str:
    if released:
        return f"declaration {', '.join(released)} of {consignment} is released"
    if not live:
        return f"customs release of {consignment} (no declaration refers to it)"
    states = ", ".join(f"{one.subject_id} is {one.state or 'not filed'}" for one in live)
    return f"customs release of {consignment} ({states})"
