"""From the twin of a chain to the evidence that the condition of one claim is evaluated over.

`evidence_of` is pure and follows from the set of facts, so neither their order nor duplicates
matter. `built` says more: what counts for nothing and why, which conflicts bear on the claim, and
for how long and over which subjects the answer stays the same. docs/conditions.md, "From the twin",
has which event answers which leaf.
"""

from collections.abc import Iterable, Iterator, Set
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.condition_facts_asked import WHATEVER, ClaimAsked
from supplytwin.processors.condition_facts_carbon import footprints, measures_in
from supplytwin.processors.condition_facts_customs import Declarations
from supplytwin.processors.condition_facts_goods import Goods
from supplytwin.processors.condition_facts_look import Ignored, Look, begun, target_key
from supplytwin.processors.condition_facts_members import claim_of, heard_first
from supplytwin.processors.condition_facts_milestones import Claim, Milestones, types_in
from supplytwin.processors.condition_facts_papers import Papers
from supplytwin.processors.condition_facts_papers import types_in as papers_in
from supplytwin.processors.condition_facts_releases import Releases
from supplytwin.processors.condition_facts_series import series
from supplytwin.processors.condition_facts_sight import Sight
from supplytwin.processors.condition_facts_words import (
    HOLD,
    anchors_in,
    events_of,
    is_known,
    words_of,
)
from supplytwin.processors.condition_view import Anchored, Assent, Evidence, Fact, Statement
from supplytwin.processors.documents import document_of
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.reach import reached_by
from supplytwin.processors.slots import target_of
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import Twin
from supplytwin.schemas.condition import Absent, Document, Milestone, Quantity, walked
from supplytwin.schemas.events import CustomsHoldPlaced, Event
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.machines import LINE, LOT

_FOREVER = 2**62
PAPERS = SubjectKey("DOCUMENT", "")
"""Stands for all documents of a chain: one number must not stand for two things."""


class Built(Struct, frozen=True, kw_only=True):
    """The evidence of a claim, and what it depends on."""

    asked: ClaimAsked
    evidence: Evidence
    ignored: tuple[Ignored, ...]
    """Facts about the claim that count for nothing, at least in part, sorted."""
    adverse: tuple[Identity, ...]
    """Conflicted identities, sorted: row 12 of the state table."""
    adverse_ids: tuple[str, ...]
    """As of `evidence.Verdict`: another content under the same identity is another one."""
    at: int
    """The tick at which it was made."""
    until: int
    """The first later tick at which time alone may change it."""
    concerns: frozenset[SubjectKey]
    """It follows from the facts that reach these, the question and the tick."""

    def holds(self, asked: ClaimAsked, stirred: Set[SubjectKey]) -> bool:
        """Whether it answers `asked`, too, when of all facts, and of what their signatures count
        for, only those that reach `stirred` are others (`stirred_by`).
        """
        tick = asked.scope.tick
        if not self.at <= tick < self.until or not stirred.isdisjoint(self.concerns):
            return False
        return asked is self.asked or _timeless(asked) == _timeless(self.asked)


def evidence_of(twin: Twin, asked: ClaimAsked) -> Evidence:
    """What the condition of a claim is evaluated over, at the tick of its scope."""
    return built(twin, asked).evidence


def built(twin: Twin, asked: ClaimAsked, sight: Sight | None = None) -> Built:
    """`evidence_of`, with what it depends on. `sight`: of the same twin."""
    look = Look(Sight(twin) if sight is None else sight, asked)
    claim = claim_of(look)
    declarations = Declarations(look, claim.roots)
    releases = Releases(look, declarations, claim.roots)
    milestones = Milestones(look, claim, declarations, releases.covers)
    told: dict[str, tuple[Fact, ...]] = {}
    for type_, words in types_in(asked).items():
        told[type_] = tuple(milestones.of_type(type_, words))
    facts = [fact for found in told.values() for fact in found]
    for measure, line in _quantities(asked):
        facts += Goods(look, line, measure).facts()
    papers = Papers(look, claim, declarations)
    documents, kinds = papers_in(look)
    facts += [fact for type_ in sorted(documents) for fact in papers.documents(type_)]
    facts += [fact for kind in sorted(kinds) for fact in papers.assets(kind)]
    for measure in sorted(measures_in(look)):
        facts += footprints(look, claim, papers, measure)
    for type_ in sorted(_absent(asked)):
        facts += _contrary(look, claim, declarations, type_)
    anchors = tuple(_anchors(look, claim, told))
    known = Evidence(
        facts=tuple(sorted(set(facts), key=_order)), assents=tuple(_assents(look)), anchors=anchors
    )
    known = replace(known, series=tuple(series(look, claim, known)))
    if any(isinstance(leaf, Document) for _, leaf in walked(asked.condition)):
        look.concerns.add(PAPERS)
    for fact in facts:
        if fact.standing == "CONFLICTED" and fact.identity in twin.facts.slots:
            look.note_conflict(twin.facts.slots[Identity(*fact.identity)])
    return Built(
        asked=asked,
        evidence=known,
        ignored=tuple(sorted(look.ignored)),
        adverse=tuple(sorted(look.adverse)),
        adverse_ids=tuple([look.adverse[one] for one in sorted(look.adverse)]),
        at=look.tick,
        until=look.until,
        concerns=frozenset(look.concerns),
    )


def stirred_by(moved: Iterable[tuple[Slot | None, Slot]]) -> frozenset[SubjectKey]:
    """The subjects that anything under the identities that changed reaches, as they were and as
    they are (`twin.Taken.slots`).
    """
    found = set[SubjectKey]()
    for pair in moved:
        for slot in pair:
            for version in slot.versions if slot is not None else ():
                for event in version.contents:
                    found.update(reached_by(event))
                    lot = getattr(event, "lot_id", None)
                    if lot is not None:
                        found.add(SubjectKey(LOT, lot))
                    if document_of(event) is not None:
                        found.add(PAPERS)
                    target = target_of(event)
                    if target is not None:
                        found.add(target_key(target))
    return frozenset(found)


def _timeless(asked: ClaimAsked) -> ClaimAsked:
    """The question without what only `condition_eval` looks at, and without what stands against
    single facts.
    """
    free = {"challenge_end": None, "tolling": False}
    scope = replace(asked.scope, tick=0, long_stop=0, **free)
    return replace(asked, scope=scope, signatures={})


def _order(fact: Fact) -> tuple[str, str, str]:
    return fact.source, fact.event_id, fact.about


def _quantities(asked: ClaimAsked) -> list[tuple[str, SubjectKey]]:
    known = {one.line for one in asked.lines}
    return sorted(
        {
            (leaf.measure, SubjectKey(LINE, leaf.line))
            for _, leaf in walked(asked.condition)
            if isinstance(leaf, Quantity) and leaf.line in known
        }
    )


# ---- what speaks against it


def _absent(asked: ClaimAsked) -> set[str]:
    return {leaf.type for _, leaf in walked(asked.condition) if isinstance(leaf, Absent)}


def _contrary(look: Look, claim: Claim, declarations: Declarations, type_: str) -> Iterator[Fact]:
    """All that may stand against an `absent` of a type, whoever tells it."""
    if not is_known(type_):
        yield _doubt(look, type_)
        return
    if type_ == HOLD:
        yield from _holds(look, declarations)
        return
    regimes = {word.regime for word in words_of(type_)}
    keys = set(claim.every)
    keys |= {
        one.key
        for one in declarations.every
        if not regimes or None in regimes or not one.regimes.isdisjoint(regimes)
    }
    slots = {slot.identity: slot for key in sorted(keys) for slot in look.slots(key)}
    names, codes = events_of(type_), {word.code for word in words_of(type_)}
    declared = {one.key for one in declarations.every}

    def tell(event: Event) -> Iterable[dict[str, Any]]:
        if event.event_type not in names or not (not codes or _reaches(event, codes)):
            return ()
        if look.is_of_others(event) and declared.isdisjoint(look.reached_by(event)):
            return ()
        return ({"kind": "OTHER", "type": type_, "subject": claim.home},)

    for identity in sorted(slots):
        yield from look.against(slots[identity], tell)


def _reaches(event: Event, codes: set[str]) -> bool:
    """Whether an event reaches one of the milestones, of whatever subject."""
    own, *others = reached_by(event)
    effects = [effect_on(event, own.subject_type, is_subject=True)]
    effects += [effect_on(event, one.subject_type, is_subject=False) for one in others]
    return any(one is not None and one.milestone in codes for one in effects)


def _holds(look: Look, declarations: Declarations) -> Iterator[Fact]:
    """The customs holds that are open. One whose removal was in time and counts no longer is in
    doubt, like one of a declaration that may not be the claim's.
    """
    for one in declarations.every:

        def tell(event: Any, key: SubjectKey = one.key) -> Iterable[dict[str, Any]]:
            if event.event_type != "customs.hold_placed" or key not in reached_by(event):
                return ()
            open_on = {"subject": ":".join(key), "last": _FOREVER, "day": None}
            return ({"kind": "OTHER", "type": HOLD, **open_on},)

        for slot in look.slots(one.key) if one.live or one.link_disputed else ():
            event = None if slot.effective is None else slot.effective.event
            if (
                isinstance(event, CustomsHoldPlaced)
                and f"{event.authority}:{event.hold_id}" not in one.holds
            ):
                continue
            for fact in look.against(slot, tell):
                in_doubt = one.removal_may_return or not one.live
                if fact.current is not None and in_doubt:
                    statements = fact.statements
                    yield replace(fact, standing="CONFLICTED", current=None, others=statements)
                else:
                    yield fact


def _doubt(look: Look, type_: str) -> Fact:
    """Stands against an `absent` that nothing could ever contradict: nobody would know."""
    start = min(0, look.tick)
    one = Statement(
        revision=0, arrival=start, kind="OTHER", type=type_, first=start, last=_FOREVER
    )  # fmt: skip
    return Fact(
        source="vocabulary", event_id=type_, organisation="", role="", about="unknown type",
        standing="CONFLICTED", others=(one,),
    )  # fmt: skip


# ---- times and people


def _anchors(look: Look, claim: Claim, told: dict[str, tuple[Fact, ...]]) -> Iterator[Anchored]:
    """Each anchor that the condition names. Of several times the one that lets go the least; where
    the condition uses it both ways and they differ, nobody can tell. Of a claim that is fixed what
    is first heard of later moves none, unless nothing else stands.
    """
    uses: dict[str, set[str]] = {}
    for anchor, which in anchors_in(look.asked.condition):
        uses.setdefault(anchor, set()).add(which)
    for anchor in sorted(uses):
        kind, _, name = anchor.partition(":")
        if kind == "TRANCHE":
            yield Anchored(anchor=anchor, at=look.asked.settled.get(name))
            continue
        own = [fact for fact in told.get(name, ()) if _is_home(fact, claim.home)]
        roles = _roles_of(look.asked, name)
        counted = [
            fact
            for fact in own
            if _is_told(look, fact, name) and (not roles or not roles.isdisjoint(fact.roles))
        ]
        counted = [fact for fact in counted if heard_first(look, fact)] or counted
        firsts = [fact.current.first for fact in counted if fact.current is not None]
        lasts = [fact.current.last for fact in counted if fact.current is not None]
        ends = {"FIRST": min(firsts, default=None), "LAST": max(lasts, default=None)}
        found = {ends[one] for one in uses[anchor]}
        at = found.pop() if len(found) == 1 else None
        yield Anchored(
            anchor=anchor,
            at=at,
            may_return=at is None and bool(own),
            evidence=tuple(sorted({fact.name for fact in (counted if at is not None else own)})),
        )


def _roles_of(asked: ClaimAsked, type_: str) -> set[str]:
    """Who tells a milestone, where the condition says so in a leaf."""
    leaves = (leaf for _, leaf in walked(asked.condition) if isinstance(leaf, Milestone))
    return {role for leaf in leaves if leaf.type == type_ for role in leaf.by.roles}


def _is_home(fact: Fact, home: str) -> bool:
    return bool(fact.roles) and any(one.subject == home for one in fact.statements)


def _is_told(look: Look, fact: Fact, type_: str) -> bool:
    """Whether it counts at the tick, by a revision that arrived by the close."""
    now = fact.current
    if now is None or now.type != type_ or not look.passes(begun(now)):
        return False
    return any(
        one.type == type_ and one.arrival <= look.due.close and not one.void
        for one in fact.statements
    )


def _assents(look: Look) -> Iterator[Assent]:
    """Those that have not lapsed, by whom the contract lets agree."""
    for one in look.asked.approvals:
        who = one.assent.organisation, one.assent.role
        if look.asked.approves not in (one.of, WHATEVER):
            reason = "LAPSED"
        elif who not in look.asked.approvers:
            reason = "NO_APPROVER"
        else:
            yield one.assent
            continue
        ignored = Ignored(source="review", event_id=one.assent.review_id, reason=reason)
        look.ignored.add(ignored)
