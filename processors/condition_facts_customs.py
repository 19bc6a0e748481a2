"""The declarations of a claim: which of their milestones stand, which holds are open.

As it is in the twin, but over the facts that the claim may rest on: a release, the removal of a
hold and a payment of duty count when a listed source tells them in time; a hold, a revocation, a
cancellation or rejection counts whoever tells it, and wherever it refers to the declaration. But a
declaration that has ended takes its holds along only by the word of a listed source.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from supplytwin.processors import clocks
from supplytwin.processors.condition_facts_look import Look
from supplytwin.processors.condition_facts_passed import passed
from supplytwin.processors.condition_facts_words import FREE, RELEASES
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.reach import reached_by
from supplytwin.processors.standing import Accumulator
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import facts_of, fold
from supplytwin.schemas.events import CUSTOMS, CustomsDeclared, CustomsReleased, Event
from supplytwin.schemas.machines import DECLARATION, LOT

_RELEASED, _CLEARED, _REMOVED = "customs.released", "customs.cleared", "customs.hold_removed"
_ASSESSED, _PAID = "customs.duty_assessed", "customs.duty_paid"
SUPPORT = (_RELEASED, _CLEARED, _REMOVED, _PAID)
CONTRARY = ("customs.hold_placed", "customs.release_revoked")
ENDS = ("customs.cancelled", "customs.rejected")
_AGAINST = (*CONTRARY, *ENDS)
_HOLDING, _ENDING = CONTRARY[:1], (*CONTRARY[1:], *ENDS)
_DEAD = ("CANCELLED", "REJECTED")
_GATES = (*RELEASES, FREE)
Sources = Mapping[str, frozenset[str]]
"""Milestone -> the sources by whose word it stands."""


class Declared(Struct, frozen=True, kw_only=True, gc=False):
    """A declaration that anything ever referred to the claim."""

    key: SubjectKey
    linked: bool
    """A listed source refers it to the claim now."""
    live: bool
    """Somebody refers it to the claim, and it has not ended."""
    revoked: bool
    """A release was taken back, or may have been: it is not known closely enough when."""
    holds: frozenset[str]
    """Those that are open."""
    duty_open: bool
    """Duty was assessed and is not settled."""
    doubted: bool
    """What would take a release away, or end it, may stand: it is in conflict, or its key was
    compromised."""
    hold_doubted: bool
    """Likewise a hold."""
    link_doubted: bool
    """What referred it to the claim was withdrawn."""
    link_disputed: bool
    """What refers it to the claim is in conflict, or its key was compromised."""
    removal_may_return: bool
    """What lifted a hold or settled duty was in time, and counts no longer or not yet."""
    regime: str | None
    """None = nobody says so, or in two ways."""
    regimes: frozenset[str]
    """All that were ever told of it."""
    sources: Sources
    releases: tuple[Slot, ...]
    """Those that count and surely came after all that took one back: their quantities add up."""
    over: frozenset[Identity]
    """Those that were surely taken back later: another release makes none of them stand again."""


def is_about(event: Event, key: SubjectKey) -> bool:
    """Whether a subject is the event's own."""
    return event.subject_id == key.subject_id and event.subject_type == key.subject_type


def is_of(event: Event, key: SubjectKey) -> bool:
    """Whether an event is a customs fact of a declaration; what speaks against it may be about
    something else and refer to it.
    """
    if event.TOPIC != CUSTOMS:
        return False
    return is_about(event, key) or (event.event_type in _AGAINST and key in reached_by(event))


def sources_of(value: Accumulator) -> dict[str, frozenset[str]]:
    """By whose word the milestones of a subject stand."""
    return {
        code: frozenset(one.source for one in (first, *value.reports.get(code, ())))
        for code, first in value.milestones.items()
    }


def both(one: Sources, other: Sources) -> dict[str, frozenset[str]]:
    """By whose word milestones stand in either."""
    none = frozenset[str]()
    return {code: one.get(code, none) | other.get(code, none) for code in {*one, *other}}


class Declarations:
    """Those of one claim; `roots` = its consignment, or what else it is of."""

    def __init__(self, look: Look, roots: tuple[SubjectKey, ...]) -> None:
        self._look, self._roots, self._roles = look, roots, look.asked.customs_roles
        self._undone_by: dict[tuple[SubjectKey, bool], str] = {}
        self._references = {":".join(key) for key in roots}
        self.every = tuple(self._declared(key) for key in sorted(set(self._keys())))
        self.is_revoked = any(one.live and one.revoked for one in self.every)
        """A release of any of them was taken back: then none is believed."""
        self.is_held = any(one.live and (one.holds or one.hold_doubted) for one in self.every)
        """A hold is open on any of them: then none is free to deliver."""
        self.is_stopped_surely = not any(
            one.doubted or one.link_doubted or one.hold_doubted or one.removal_may_return
            for one in self.every
        )

    def undone_by(self, key: SubjectKey, *, free: bool) -> str:
        """What takes the releases of a declaration away, by name: its own end, and what was revoked
        of any; of goods that are to be `free`, open holds on any, and its duty.
        """
        found = self._undone_by.get((key, free))
        if found is None:
            named = (
                said
                for one in self.every
                if one.live or one.key == key
                for said in self._stops(one, own=one.key == key, free=free)
            )
            found = self._undone_by[key, free] = ", ".join(sorted(set(named)))
        return found

    def _stops(self, one: Declared, *, own: bool, free: bool) -> Iterator[str]:
        for slot in self._look.slots(one.key):
            event: Any = None if slot.effective is None else slot.effective.event
            if event is None or event.classifier != "ACTUAL" or not is_of(event, one.key):
                continue
            name = "/".join(slot.identity)
            match event.event_type:
                case "customs.hold_placed" if free:
                    if f"{event.authority}:{event.hold_id}" in one.holds:
                        who = " or ".join(self._roles)
                        yield f"hold {event.hold_id} ({name}), until a {who} of the terms lifts it"
                case "customs.release_revoked" if one.revoked or one.over:
                    yield f"the revocation of a release ({name})"
                case "customs.duty_assessed" if own and free and one.duty_open:
                    yield f"duty that is not settled ({name})"
                case "customs.cancelled" | "customs.rejected" if own:
                    yield f"the end of its declaration ({name})"

    def _links(self, event: Event) -> bool:
        """Whether it refers a declaration to the claim; what is contrary does so, too, when it is
        about the claim and refers to the declaration. What names lots is of those lots alone.
        """
        if event.classifier != "ACTUAL" or event.TOPIC != CUSTOMS:
            return False
        if self._look.is_of_others(event):
            return False
        if not self._references.isdisjoint(event.refs):
            return True
        return event.event_type in CONTRARY and any(is_about(event, one) for one in self._roots)

    def _keys(self) -> Iterator[SubjectKey]:
        for root in self._roots:
            for slot in self._look.slots(root):
                for version in slot.versions:
                    for event in version.contents:
                        if self._links(event):
                            for key in self._look.reached_by(event):
                                own = is_about(event, key) or event.event_type in CONTRARY
                                if key.subject_type == DECLARATION and own:
                                    yield key

    def _is_of_other_lots(self, key: SubjectKey) -> bool:
        """Whether anything of a declaration, as it stands or may, names lots, and nothing that a
        listed source tells of it one of the claim's: what else it says of the line is of those.
        """
        look, others = self._look, False
        lots = {SubjectKey(LOT, one) for one in look.asked.lots}
        for slot in look.slots(key) if lots else ():
            now = slot.effective
            versions = slot.disputed or (() if now is None else (now,))
            for event in (one for each in versions for one in each.contents):
                is_its = event.classifier == "ACTUAL" and is_of(event, key) and is_about(event, key)
                if is_its and event.event_type not in CONTRARY:
                    others |= look.is_of_others(event)
                    is_now = now is not None and event is now.event and self._is_here(event)
                    named = not lots.isdisjoint(look.reached_by(event))
                    if is_now and named and look.is_heard(slot, self._roles):
                        return False
        return others

    def _declared(self, key: SubjectKey) -> Declared:
        look = self._look
        counted, ended, begun = list[Slot](), list[Slot](), list[Slot]()
        linked = anybody = ending = removal = False
        doubted = hold_doubted = link_doubted = link_disputed = False
        now, ever = set[str](), set[str]()
        for slot in look.slots(key):
            contents = [one for version in slot.versions for one in version.contents]
            if not any(is_of(one, key) for one in contents):
                continue
            look.note_conflict(slot)
            ever |= {one.regime for one in contents if isinstance(one, CustomsDeclared)}
            doubted |= self._is_doubted(slot, key, _ENDING)
            hold_doubted |= self._is_doubted(slot, key, _HOLDING)
            link_doubted |= self._is_link_doubted(slot, key)
            link_disputed |= self._is_link_disputed(slot, key)
            removal |= self._may_remove(slot, key)
            event = None if slot.effective is None else slot.effective.event
            if event is None or event.classifier != "ACTUAL" or not is_of(event, key):
                continue
            own, kind = is_about(event, key), event.event_type
            is_link = self._links(event) and (own or kind in CONTRARY)
            anybody |= is_link
            is_told = look.is_heard(slot, self._roles) and self._is_here(event)
            linked |= is_link and own and is_told
            if isinstance(event, CustomsDeclared) and own and is_told:
                now.add(event.regime)
            if kind in SUPPORT:
                if own and look.counts(slot, lambda one: self._supports(one, key), self._roles):
                    counted.append(slot)
            elif kind in CONTRARY:
                counted.append(slot)
            elif kind in ENDS and not self._is_here(event):
                ending = True
                if own and look.stated(event, kind="OTHER", type="").first <= look.tick:
                    begun.append(slot)
            elif kind in ENDS and not (own and look.is_heard(slot, self._roles)):
                ended.append(slot)
            elif self._is_here(event) and (
                kind in (*ENDS, _ASSESSED) or look.is_heard(slot, self._roles)
            ):
                (counted if own else ended).append(slot)
        if linked and self._is_of_other_lots(key):
            linked, link_doubted = False, True
        value = fold(*key, counted)
        whole = fold(*key, [*counted, *ended]) if ended else value
        revoked, is_over = value.revoked or whole.revoked or ending, whole.state in _DEAD
        told = {} if is_over else both(sources_of(whole), passed(key, [*counted, *ended], whole))
        standing, over = _releases(key, counted)
        is_open = linked and not revoked and whole.state in ("RELEASED", "CLEARED")
        return Declared(
            key=key,
            linked=linked,
            live=anybody and value.state not in _DEAD,
            revoked=value.revoked or (bool(begun) and fold(*key, [*counted, *begun]).revoked),
            holds=value.holds,
            duty_open=not value.duty_settled,
            doubted=doubted,
            hold_doubted=hold_doubted,
            link_doubted=link_doubted,
            link_disputed=link_disputed,
            removal_may_return=removal or ending,
            regime=next(iter(now)) if len(now) == 1 else None,
            regimes=frozenset(ever),
            sources={code: one for code, one in told.items() if is_open or code not in _GATES},
            releases=standing,
            over=over,
        )

    def _supports(self, event: Event, key: SubjectKey) -> bool:
        return event.event_type in SUPPORT and is_about(event, key)

    def _is_here(self, event: Event) -> bool:
        """Not ahead of the tick."""
        one = self._look.stated(event, kind="OTHER", type="")
        return self._look.passes(one.first if one.begins is None else one.begins)

    def _is_doubted(self, slot: Slot, key: SubjectKey, types: tuple[str, ...]) -> bool:
        """It is of these types and in conflict, or its key was compromised."""
        versions = slot.disputed
        now = slot.effective
        if now is not None and self._look.voice(now.event, now.hashes[0]).void:
            versions = (now,)
        return any(
            is_of(one, key) and one.event_type in types and one.classifier == "ACTUAL"
            for version in versions
            for one in version.contents
        )

    def _is_link_doubted(self, slot: Slot, key: SubjectKey) -> bool:
        """It referred the declaration to the claim in time, and does so no longer, or by a key
        that was compromised.
        """
        look, now = self._look, slot.effective

        def links(one: Event) -> bool:
            return self._links(one) and is_about(one, key)

        if now is not None and links(now.event):
            return look.voice(now.event, now.hashes[0]).void
        return look.was_in_time(slot, links, self._roles)

    def _is_link_disputed(self, slot: Slot, key: SubjectKey) -> bool:
        contents = [one for version in slot.disputed for one in version.contents]
        now = slot.effective
        if now is not None and self._look.voice(now.event, now.hashes[0]).void:
            contents = [now.event]
        return any(self._links(one) and is_of(one, key) for one in contents)

    def _may_remove(self, slot: Slot, key: SubjectKey) -> bool:
        """Whether it removed a hold, or paid duty, in time, and does not now."""

        def removes(one: Event) -> bool:
            return one.event_type in (_REMOVED, _PAID) and is_about(one, key)

        was = self._look.was_in_time(slot, removes, self._roles)
        return was and not self._look.counts(slot, removes, self._roles)


def _releases(key: SubjectKey, counted: list[Slot]) -> tuple[tuple[Slot, ...], frozenset[Identity]]:
    """The releases that surely came after every revocation, and those that surely came before one.
    Of the others nobody knows: they stand as long as the declaration does, and add up to nothing.
    """
    revoked = [
        fact.event
        for fact in facts_of(*key, counted)
        if fact.effect is not None and fact.effect.kind == "REVOKE"
    ]
    against = clocks.NOTHING
    for event in revoked:
        against = clocks.over(against, event)
    stands, over = list[Slot](), set[Identity]()
    for slot in counted:
        told = None if slot.effective is None else slot.effective.event
        if not isinstance(told, CustomsReleased):
            continue
        if clocks.is_after(told, against):
            stands.append(slot)
        end = clocks.over(clocks.NOTHING, told)
        if any(clocks.is_after(event, end) for event in revoked):
            over.add(slot.identity)
    return tuple(stands), frozenset(over)


def is_partial(event: Event) -> bool:
    """Whether a release states how much it is of."""
    return isinstance(event, CustomsReleased) and event.qty is not None
