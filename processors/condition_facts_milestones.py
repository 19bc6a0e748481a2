"""Milestones of a claim, from the facts of its subjects.

A fact tells a milestone as long as it stands in the twin by the word of its source: what was undone
(a revoked release, a reversed receipt, a cancelled line) tells nothing. Of the claim as a whole is
what its consignment itself reached; what one of its declarations reached; and what every line,
every lot, every container of it reached, as told by one organisation.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.condition_counting import supporting, whether
from supplytwin.processors.condition_facts_asked import ClaimAsked
from supplytwin.processors.condition_facts_customs import (
    Declarations,
    Declared,
    Sources,
    both,
    is_about,
    is_of,
    is_partial,
    sources_of,
)
from supplytwin.processors.condition_facts_look import Look, demoted, silenced
from supplytwin.processors.condition_facts_passed import passed
from supplytwin.processors.condition_facts_words import (
    CODES,
    FREE,
    RELEASES,
    Word,
    machines_of,
    words_of,
)
from supplytwin.processors.condition_view import Due, Fact, Statement, Told, due
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.lots import line_of
from supplytwin.processors.reach import reached_by
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import fold
from supplytwin.schemas.condition import EVIDENCE_ASSURANCE, Anchor, Milestone, walked
from supplytwin.schemas.events import CustomsReleased, Event, WarehouseReceived
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.machines import CONSIGNMENT, DECLARATION, LINE, LOT

Covers = Callable[[SubjectKey, str, str], bool]
"""Whether what an organisation has released by a declaration, so that a milestone stands, is all of
the claim (`condition_facts_releases`).
"""


class Claim(Struct, frozen=True, kw_only=True, gc=False):
    """The subjects of a claim, as they are linked now and ever were."""

    home: str
    """How a condition names the claim as a whole."""
    roots: tuple[SubjectKey, ...]
    lines: tuple[SubjectKey, ...]
    lots: tuple[SubjectKey, ...]
    trips: tuple[SubjectKey, ...]
    once: frozenset[SubjectKey]
    """Lots and trips that are not the claim's any more."""

    @property
    def every(self) -> tuple[SubjectKey, ...]:
        """All of them but its declarations."""
        found = {*self.roots, *self.lines, *self.lots, *self.trips, *self.once}
        return tuple(sorted(found))


class _Stand(Struct, frozen=True, kw_only=True, gc=False):
    sources: Sources
    doubted: frozenset[str] = frozenset()
    """Milestones that are undone, if what is in conflict or by a stolen key stands."""
    may_return: bool = False
    """What is undone may yet stand again."""
    over: frozenset[Identity] = frozenset()
    """Releases that were taken back: a later one of a source makes no earlier one stand again."""


def types_in(asked: ClaimAsked) -> dict[str, tuple[Word, ...]]:
    """The milestones that a condition names, in a leaf or as an anchor, as far as there are any."""
    names = set[str]()
    for _, leaf in walked(asked.condition):
        if isinstance(leaf, Milestone):
            names.add(leaf.type)
        for name in ("from_", "to", "not_before", "not_after"):
            names |= _anchored(getattr(leaf, name, None))
        for when in getattr(leaf, "during", ()):
            names |= _anchored(when)
    return {name: words_of(name) for name in sorted(names) if words_of(name)}


def _anchored(when: Any) -> set[str]:
    if not isinstance(when, Anchor) or not when.anchor.startswith("MILESTONE:"):
        return set()
    return {when.anchor.partition(":")[2]}


def is_the_claims(asked: ClaimAsked, event: Any, line: str) -> bool:
    """Whether a fact about a line is the claim's, where other deliveries share the line."""
    rivals = {one for each in asked.lines if each.line == line for one in each.rivals}
    if not rivals:
        return True
    named = {key.subject_id for key in reached_by(event) if key.subject_type == CONSIGNMENT}
    named |= {getattr(event, "asn", None) or "", getattr(event, "consignment_id", None) or ""}
    return asked.consignment_id in named and rivals.isdisjoint(named)


class Milestones:
    """The milestone facts of one claim. Lives for one call."""

    def __init__(
        self, look: Look, claim: Claim, declarations: Declarations, covers: Covers
    ) -> None:
        self._look, self._claim, self._declarations = look, claim, declarations
        self._covers = covers
        leaves = (leaf for _, leaf in walked(look.asked.condition) if isinstance(leaf, Milestone))
        self._named, self._places = set[str](), set[str]()
        self._dues: dict[str, list[Due]] = {}
        for leaf in leaves:
            self._dues.setdefault(leaf.type, []).append(due(look.asked.scope, leaf.before))
            self._named |= {leaf.subject} if leaf.subject else set()
            self._places |= {leaf.place} if leaf.place else set()
        self._stands: dict[SubjectKey, _Stand] = {}

    def of_type(self, type_: str, words: Iterable[Word]) -> Iterator[Fact]:
        """All facts of one type that a condition names."""
        for word in words:
            for fact in self._by(type_, word):
                yield replace(fact, about=f"{fact.about} by {word.code}")

    def _by(self, type_: str, word: Word) -> Iterator[Fact]:
        for key in self._claim.roots:
            if key.subject_type == CONSIGNMENT:
                for fact in self._of(key, type_, word):
                    yield from self._both(fact, key, whole=True)
        for one in self._declarations.every:
            for fact in self._of_declaration(one, type_, word):
                yield from self._both(fact, one.key, whole=True)
        for keys in (self._claim.lines, self._claim.lots, self._claim.trips):
            yield from self._of_group(keys, type_, word)
        for key in self._claim.once:
            for fact in self._of(key, type_, word):
                yield from self._both(demoted(fact, silenced(fact.statements[0])), key, whole=True)

    # -- the claim as a whole

    def _both(self, fact: Fact, key: SubjectKey, *, whole: bool) -> Iterator[Fact]:
        """A fact of a subject, if a leaf asks for that; and of the claim."""
        name = ":".join(key)
        if name in self._named or name == self._claim.home:
            yield fact
        if whole and name != self._claim.home:
            yield _renamed(fact, self._claim.home)

    def _of_group(self, keys: tuple[SubjectKey, ...], type_: str, word: Word) -> Iterator[Fact]:
        """Facts of lines, lots or containers; of the claim as far as one organisation has told it
        of every one of them, and perhaps if what it has told may come back.
        """
        found = {key: tuple(self._of(key, type_, word)) for key in keys}
        hows = {id(fact): self._how(fact, type_) for facts in found.values() for fact in facts}
        counted = [[one for one in facts if hows[id(one)] == "YES"] for facts in found.values()]
        for key, facts in found.items():
            for fact in facts:
                yield from self._both(fact, key, whole=False)
                if ":".join(key) == self._claim.home or not self._is_group(key, word.code):
                    continue
                if all(any(self._is_as_good(one, fact) for one in each) for each in counted):
                    yield _renamed(fact, self._claim.home)
                elif all(
                    any(
                        one.organisation == fact.organisation and hows[id(one)] != "NO"
                        for one in each
                    )
                    for each in found.values()
                ):
                    doubtful = demoted(fact, silenced(fact.statements[0]))
                    yield _renamed(doubtful, self._claim.home)

    def _how(self, fact: Fact, type_: str) -> Told:
        """Whether a fact counts for every leaf of the type, or may, as far as times decide."""
        scope = self._look.asked.scope

        def fits(_: Fact, one: Statement) -> Told:
            return whether(one.kind == "MILESTONE" and one.type == type_)

        found = [
            next(iter(supporting((fact,), fits, limits, scope)), None)
            for limits in self._dues.get(type_, [self._look.due])
        ]
        if None in found:
            return "NO"
        return "YES" if all(one is not None and one.counts for one in found) else "PERHAPS"

    def _is_as_good(self, one: Fact, other: Fact) -> bool:
        """Whether a fact says of its own subject what another one does, for whatever leaf."""
        now, then = one.current, other.current
        if one.organisation != other.organisation or now is None or then is None:
            return False
        same = not self._places or now.place == then.place
        level = EVIDENCE_ASSURANCE.index
        return (
            same
            and set(other.roles) <= set(one.roles)
            and level(now.assurance or "UNSIGNED") >= level(then.assurance or "UNSIGNED")
        )

    def _is_group(self, key: SubjectKey, code: str) -> bool:
        """Lots speak for the claim when it is of lots, or where no line could."""
        machines = machines_of(code)
        by_lots = LOT in machines and (bool(self._look.asked.lots) or LINE not in machines)
        if key.subject_type == LOT:
            return by_lots
        return not (key.subject_type == LINE and by_lots)

    # -- one subject

    def _of(self, key: SubjectKey, type_: str, word: Word) -> Iterator[Fact]:
        if word.regime is not None or key.subject_type not in machines_of(word.code):
            return
        stand = self._stand(key)
        for slot in self._look.slots(key):
            tell = self._telling(key, type_, word)
            for fact in self._look.support(slot, tell):
                yield from self._standing(fact, slot, key, type_, word.code, stand)

    def _of_declaration(self, one: Declared, type_: str, word: Word) -> Iterator[Fact]:
        if word.regime is not None and word.regime not in one.regimes:
            return
        doubted = {word.code} if one.doubted or (word.code == FREE and one.hold_doubted) else set()
        stand = _Stand(
            sources=one.sources,
            doubted=frozenset(doubted),
            may_return=one.link_doubted,
            over=one.over,
        )
        is_its = one.linked and (word.regime is None or word.regime == one.regime)
        is_free = word.code in (*RELEASES, FREE)
        for slot in self._look.slots(one.key):
            tell = self._telling(one.key, type_, word)
            for fact in self._look.support(slot, tell):
                may = one.link_doubted if not one.linked else word.regime != one.regime
                is_held = word.code == FREE and self._declarations.is_held
                if is_its and is_free and (self._declarations.is_revoked or is_held):
                    is_its_now, may = False, not self._declarations.is_stopped_surely
                else:
                    is_its_now = is_its
                if not is_its_now:
                    if not _tells(fact, type_):
                        yield fact
                    elif may:
                        yield demoted(fact, silenced(fact.statements[0]))
                    elif is_its:
                        self._look.leave(fact, "UNDONE", self._undone_by(one.key, word.code))
                    else:
                        self._look.leave(fact, "NOT_OF_THIS_CLAIM")
                    continue
                yield from self._standing(fact, slot, one.key, type_, word.code, stand)

    def _standing(
        self, fact: Fact, slot: Slot, key: SubjectKey, type_: str, code: str, stand: _Stand
    ) -> Iterator[Fact]:
        """The fact; without what it says now when that is undone or not enough."""
        if not _tells(fact, type_):
            yield fact
            return
        codes = RELEASES if code == FREE else (code,)
        sources = frozenset[str]().union(*(stand.sources.get(one, ()) for one in codes))
        if code == FREE and FREE not in stand.sources:
            sources = frozenset()
        counts = self._look.counts(slot, lambda event: self._is_told(event, key, codes))
        event = None if slot.effective is None else slot.effective.event
        is_over = isinstance(event, CustomsReleased) and slot.identity in stand.over
        if counts and (code in stand.doubted or (fact.source not in sources and stand.may_return)):
            yield demoted(fact, silenced(fact.statements[0]))
        elif counts and (fact.source not in sources or is_over):
            self._look.leave(fact, "UNDONE", self._undone_by(key, code))
        elif (
            event is not None
            and is_partial(event)
            and not self._covers(key, fact.organisation, code)
        ):
            self._look.leave(fact, "PARTIAL_RELEASE")
        else:
            yield fact

    def _telling(
        self, key: SubjectKey, type_: str, word: Word
    ) -> Callable[[Event], Iterable[dict[str, Any]]]:
        codes = RELEASES if word.code == FREE else (word.code,)

        def tell(event: Event) -> Iterable[dict[str, Any]]:
            if not self._is_told(event, key, codes):
                return
            if word.at_buyers and event.facility not in self._look.asked.warehouses:
                return
            here = [one for one in (event.facility, event.unlocode) if one in self._places]
            for place in here or (event.facility or event.unlocode,):
                yield {"kind": "MILESTONE", "type": type_, "subject": ":".join(key), "place": place}

        return tell

    def _is_told(self, event: Event, key: SubjectKey, codes: tuple[str, ...]) -> bool:
        """Whether an event reaches one of the milestones of a subject, for this claim."""
        if key not in self._look.reached_by(event):
            return False
        effect = effect_on(event, key.subject_type, is_subject=is_about(event, key))
        if effect is None or effect.milestone not in codes:
            return False
        if key.subject_type == DECLARATION:
            return is_of(event, key) and is_about(event, key)
        if isinstance(event, WarehouseReceived):
            is_here = event.facility in self._look.asked.warehouses
            if not is_here:
                self._look.ignore(event, "NOT_AT_THE_BUYERS")
            if not is_here or (key.subject_type == LINE and line_of(event) != key):
                return False
        if key.subject_type in (LINE, LOT):
            keys = self._look.reached_by(event)
            lines = [one.subject_id for one in keys if one.subject_type == LINE]
            return all(is_the_claims(self._look.asked, event, one) for one in lines)
        return True

    # -- what stands

    def _stand(self, key: SubjectKey) -> _Stand:
        """What the facts that count add up to, and all that speaks against it."""
        found = self._stands.get(key)
        if found is not None:
            return found
        counted, doubted = list[Slot](), set[str]()
        for slot in self._look.slots(key):
            self._look.note_conflict(slot)
            events = [one for version in slot.disputed for one in version.contents]
            doubted |= {code for one in events for code in self._undone(one, key)}
            now = slot.effective
            if now is None:
                continue
            if self._is_contrary(now.event, key):
                if self._look.voice(now.event, now.hashes[0]).void:
                    doubted |= self._undone(now.event, key)
                counted.append(slot)
            elif self._look.counts(slot, lambda event: self._is_support(event, key)):
                counted.append(slot)
        value = fold(*key, counted)
        sources = both(sources_of(value), passed(key, counted, value))
        found = self._stands[key] = _Stand(sources=sources, doubted=frozenset(doubted))
        return found

    def _undone_by(self, key: SubjectKey, code: str) -> str:
        if key.subject_type == DECLARATION:
            return self._declarations.undone_by(key, free=code == FREE)
        return ", ".join(
            "/".join(slot.identity)
            for slot in self._look.slots(key)
            if slot.effective is not None and code in self._undone(slot.effective.event, key)
        )

    def _is_support(self, event: Event, key: SubjectKey) -> bool:
        if not isinstance(event, WarehouseReceived):
            return True
        return self._is_told(event, key, ("RECEIVED_WH",))

    def _is_contrary(self, event: Event, key: SubjectKey) -> bool:
        if event.classifier != "ACTUAL" or key not in self._look.reached_by(event):
            return False
        effect = effect_on(event, key.subject_type, is_subject=is_about(event, key))
        if effect is None:
            return False
        return effect.adverse or (bool(effect.undoes) and effect.kind != "REINSTATE")

    def _undone(self, event: Event, key: SubjectKey) -> set[str]:
        """The milestones of a subject that an event takes away."""
        if not self._is_contrary(event, key):
            return set()
        effect = effect_on(event, key.subject_type, is_subject=is_about(event, key))
        ends = effect is not None and effect.to == "CANCELLED"
        return set(CODES) if ends else set(effect.undoes) if effect is not None else set()


def _tells(fact: Fact, type_: str) -> bool:
    return fact.current is not None and fact.current.type == type_


def _renamed(fact: Fact, home: str) -> Fact:
    """A fact of a subject as one of the claim."""

    def of(one: Statement) -> Statement:
        return replace(one, subject=home) if one.type else one

    current = None if fact.current is None else of(fact.current)
    return replace(
        fact,
        current=current,
        others=tuple(map(of, fact.others)),
        about=f"{fact.about} of {home}",
    )
