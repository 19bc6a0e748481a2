"""One look at a twin for one claim: who may tell what, which facts count, and what they become.

What speaks for a claim needs a listed source, a signature that holds and, where the row names
sites, one of them. What speaks against it needs nothing. A fact of an identity is made for each
thing that any revision of it says, so that another revision may say another thing.
"""

from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate
from functools import lru_cache
from re import Pattern, compile
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.condition_facts_asked import Attester, ClaimAsked
from supplytwin.processors.condition_facts_sight import Sight
from supplytwin.processors.condition_view import Due, Fact, Kind, Standing, Statement, due
from supplytwin.processors.facts import Identity, Slot, Version
from supplytwin.processors.reversing import teller
from supplytwin.processors.signed import Counts, Nothing, Reason
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.condition import EVIDENCE_ASSURANCE
from supplytwin.schemas.events import Event
from supplytwin.schemas.machines import LOT

NEVER = 2**63
"""Later than every tick, us."""
Test = Callable[[Event], bool]
Roles = tuple[str, ...]
Tell = Callable[[Event], Iterable[dict[str, Any]]]
"""What an event says of the things that are asked: each the fields of a Statement."""


class Voice(Struct, frozen=True, kw_only=True, gc=False):
    """In whose name something is told."""

    organisation: str = ""
    roles: tuple[str, ...] = ()
    assurance: str = EVIDENCE_ASSURANCE[0]
    void: bool = False
    """Its key was compromised."""
    reason: str = ""
    """Why it counts for nothing; "" = it counts."""


class Ignored(Struct, frozen=True, kw_only=True, gc=False, order=True):
    """A fact that counts for nothing, at least by one of its revisions, and why."""

    source: str
    event_id: str
    reason: str
    by: str = ""
    """Of UNDONE: what undoes it."""


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """One statement of one revision, by whom."""

    version: Version
    statement: Statement
    voice: Voice


Rows = Mapping[str, list[Row]]
"""What it is about -> all that was said of it."""


@lru_cache(maxsize=4096)
def _pattern(source: str) -> Pattern[str]:
    return compile(translate(source))


def target_key(identity: Identity) -> SubjectKey:
    """Stands for all that aims at an identity."""
    return SubjectKey("IDENTITY", "/".join(identity))


def begun(one: Statement) -> int:
    """The tick from which on a statement is not ahead."""
    return one.first if one.begins is None else one.begins


def about_of(one: Statement) -> str:
    """What a statement is about, as a fact names it."""
    words = (one.kind, one.type, one.subject, one.place or "")
    return " ".join(word for word in words if word)


class Look:
    """Lives for one call. `facts` and the rest are what it has found."""

    def __init__(self, sight: Sight, asked: ClaimAsked) -> None:
        self._sight, self.twin, self.asked = sight, sight.twin, asked
        self.tick = asked.scope.tick
        self.due: Due = due(asked.scope)
        self.facts: list[Fact] = []
        self.ignored: set[Ignored] = set()
        self.adverse: dict[Identity, str] = {}
        self.concerns: set[SubjectKey] = set()
        self.until = NEVER
        self._rows_of: dict[str, list[Attester]] = {}
        self._voices: dict[tuple[str, str, bytes], Voice] = {}
        self._in_time: dict[int, bool] = {}

    # -- what there is

    def slots(self, key: SubjectKey) -> list[Slot]:
        """All that ever reached a subject, by identity; the claim is concerned by it."""
        self.concerns.add(key)
        return self._sight.slots(key)

    def reached_by(self, event: Event) -> tuple[SubjectKey, ...]:
        """The subjects of an event of the twin."""
        return self._sight.seen(event).keys

    def is_of_others(self, event: Event) -> bool:
        """Whether it names lots, and none of those that the claim is of."""
        lots = self.asked.lots
        named = [
            key.subject_id for key in self.reached_by(event) if lots and key.subject_type == LOT
        ]
        return bool(named) and not any(one in lots for one in named)

    def passes(self, moment: int) -> bool:
        """Whether the tick has reached a moment; one that is still to come is looked for again."""
        if moment > self.tick:
            self.until = min(self.until, moment)
        return moment <= self.tick

    def ignore(self, event: Event, reason: str) -> None:
        """It counts for nothing."""
        one = Ignored(source=event.source, event_id=event.event_id, reason=reason)
        self.ignored.add(one)

    def leave(self, fact: Fact, reason: str, by: str = "") -> None:
        """A fact counts for nothing."""
        one = Ignored(source=fact.source, event_id=fact.event_id, reason=reason, by=by)
        self.ignored.add(one)

    # -- who tells it

    def voice(self, event: Event, content_hash: bytes, roles: Roles = ()) -> Voice:
        """In whose name an event speaks for the claim; of `roles`, unless none is named."""
        key = event.source, event.event_id, content_hash
        found = self._voices.get(key)
        if found is None:
            found = self._voices[key] = self._voice(event, content_hash)
        if roles and not found.reason and set(roles).isdisjoint(found.roles):
            return Voice(reason="OTHER_ROLE")
        return found

    def _voice(self, event: Event, content_hash: bytes) -> Voice:
        rows = self._attesters(teller(event))
        if not rows:
            return Voice(reason="NOT_LISTED")
        if len({one.organisation for one in rows}) > 1:
            return Voice(reason="LISTED_TWICE")
        here = [one for one in rows if not one.sites or self._is_at(event, one.sites)]
        if not here:
            return Voice(reason=str(Reason.OTHER_SITE))
        roles = tuple(sorted({role for one in here for role in one.roles}))
        said = self.asked.signatures.get(content_hash)
        found = _signed(Voice(organisation=here[0].organisation, roles=roles), said)
        sites = {site for one in here for site in one.sites}
        if isinstance(said, Counts) and said.site and sites and said.site not in sites:
            return Voice(reason=str(Reason.OTHER_SITE))
        weak = EVIDENCE_ASSURANCE.index(found.assurance)
        if not found.reason and weak < EVIDENCE_ASSURANCE.index(self.asked.min_assurance):
            return Voice(reason=f"LESS_THAN_{self.asked.min_assurance}")
        return found if found.roles or found.reason else Voice(reason="NO_ROLE")

    def _attesters(self, name: str) -> list[Attester]:
        found = self._rows_of.get(name)
        if found is None:
            rows = (one for one in self.asked.attesters if _pattern(one.source).match(name))
            found = self._rows_of[name] = list(rows)
        return found

    def has_role(self, name: str, roles: Roles) -> bool:
        """Whether a source is listed in one of these roles."""
        return any(not set(roles).isdisjoint(one.roles) for one in self._attesters(name))

    def _is_at(self, event: Event, sites: tuple[str, ...]) -> bool:
        return event.facility in sites or event.unlocode in sites

    def is_heard(self, slot: Slot, roles: Roles = ()) -> bool:
        """Whether what counts of an identity speaks in a name that counts."""
        now = slot.effective
        return now is not None and self._is_good(now.event, now.hashes[0], roles)

    # -- what counts

    def counts(self, slot: Slot, test: Test, roles: Roles = (), *, any_lot: bool = False) -> bool:
        """Whether what is effective of an identity supports the claim at the tick: told by whom it
        has to be, it passes the test, happened and arrived in time and is not ahead. `any_lot`: or
        a claim of other lots.
        """
        now = slot.effective
        if now is None or not self.is_heard(slot, roles):
            return False
        if not self._fits(now.event, test, any_lot=any_lot):
            return False
        is_here = self.passes(begun(self.stated(now.event, kind="OTHER", type="")))
        return is_here and self.was_in_time(slot, test, roles, any_lot=any_lot)

    def was_in_time(
        self, slot: Slot, test: Test, roles: Roles = (), *, any_lot: bool = False
    ) -> bool:
        """Whether any revision of it that passes the test was told in time by whom it has to be."""
        return any(
            version.arrival <= self.due.close
            and version.revision not in slot.powerless
            and any(
                self._fits(event, test, any_lot=any_lot)
                and self._is_good(event, content_hash, roles)
                for content_hash, event in zip(version.hashes, version.contents, strict=True)
            )
            for version in slot.versions
        )

    def _is_good(self, event: Event, content_hash: bytes, roles: Roles) -> bool:
        voice = self.voice(event, content_hash, roles)
        return not voice.reason and not voice.void

    def _fits(self, event: Event, test: Test, *, any_lot: bool = False) -> bool:
        if event.classifier != "ACTUAL" or event.correction_action == "RETRACT" or not test(event):
            return False
        if not any_lot and self.is_of_others(event):
            return False
        found = self._in_time.get(id(event))
        if found is None:
            one = self.stated(event, kind="OTHER", type="")  # in sight, so no other has its id
            found = all(limit.met(one) == "YES" for limit in self.due.limits)
            self._in_time[id(event)] = found
        return found

    def stated(
        self, event: Event, *, kind: Kind, type: str, arrival: int = 0, **more: Any
    ) -> Statement:
        """What an event says; without when it arrived, unless that is told."""
        fields = {**self._sight.seen(event).times, **more}
        return Statement(revision=event.revision, arrival=arrival, kind=kind, type=type, **fields)

    # -- facts

    def _rows(self, slot: Slot, tell: Tell, versions: Iterable[Version], roles: Roles = ()) -> Rows:
        """All that versions of an identity say, by what it is about."""
        found: dict[str, list[Row]] = {}
        for version in versions:
            if version.revision in slot.powerless:
                continue
            for content_hash, event in zip(version.hashes, version.contents, strict=True):
                if event.classifier != "ACTUAL" or event.correction_action == "RETRACT":
                    continue
                for fields in tell(event):
                    one = self.stated(event, arrival=version.arrival, **fields)
                    voice = self.voice(event, content_hash, roles)
                    row = Row(version=version, statement=one, voice=voice)
                    found.setdefault(about_of(one), []).append(row)
        return found

    def support(
        self, slot: Slot, tell: Tell, roles: Roles = (), *, may_deny: bool = False
    ) -> Iterable[Fact]:
        """What an identity says for the claim. `may_deny`: said by anybody else, it is a fact
        without a role, that only speaks against a leaf.
        """

        def of_it(event: Event) -> Iterable[dict[str, Any]]:
            return () if self.is_of_others(event) else tell(event)

        for about, rows in self._rows(slot, of_it, slot.versions, roles).items():
            good = [row for row in rows if not row.voice.reason]
            for row in rows:
                if row.voice.reason:
                    self.ignored.add(Ignored(**_name(slot), reason=row.voice.reason))
            if good:
                yield self._fact(slot, about, good)
            elif may_deny:
                yield from self._contrary(slot, f"{about}, against", rows)

    def against(self, slot: Slot, tell: Tell, label: str = "against") -> Iterable[Fact]:
        """What an identity says against the claim, whoever tells it: as far as it may stand.
        `label` tells apart what it says of one thing in several ways.
        """
        versions = slot.disputed or ((slot.effective,) if slot.effective is not None else ())
        for about, rows in self._rows(slot, tell, versions).items():
            yield from self._contrary(slot, f"{about}, {label}", rows)

    def _contrary(self, slot: Slot, about: str, rows: list[Row]) -> Iterable[Fact]:
        told = tuple([row.statement for row in rows])
        voice = rows[-1].voice
        now = [row for row in rows if row.version is slot.effective]
        base: dict[str, Any] = {"role": "", "about": about, **_name(slot)}
        base["organisation"] = voice.organisation
        if now and now[0].voice.void:
            yield Fact(standing="VOID", others=told, **base)
        elif now:
            current = now[0].statement
            others = tuple([one for one in told if one is not current])
            yield Fact(current=current, others=others, **base)
        elif slot.conflicted:
            yield Fact(standing="CONFLICTED", others=told, **base)

    def _fact(self, slot: Slot, about: str, good: list[Row]) -> Fact:
        """A fact of what was said in a name that counts."""
        effective = slot.effective
        now = next((row for row in good if row.version is effective), None)
        voice = (now or good[-1]).voice
        own = [row for row in good if row.voice.organisation == voice.organisation]
        told = [_spoken(row) for row in own]
        role, *also = voice.roles
        base: dict[str, Any] = {
            "organisation": voice.organisation, "role": role, "also": tuple(also), "about": about,
            **_name(slot),
        }  # fmt: skip
        if now is not None and not now.voice.void:
            current = _spoken(now)
            self.passes(begun(current))
            others = tuple([one for one in told if one != current])
            return Fact(current=current, others=others, **base)
        if now is None and effective is not None:
            return Fact(current=self._silent(effective), others=tuple(told), **base)
        return Fact(standing=self.standing(slot), others=tuple(told), **base)

    def _silent(self, version: Version) -> Statement:
        """What counts of an identity, when it says nothing of what is asked."""
        one = self.stated(version.event, kind="OTHER", type="")
        return replace(one, arrival=version.arrival)

    def standing(self, slot: Slot) -> Standing:
        """How an identity stands of which nothing counts."""
        if slot.effective is not None:
            return "VOID"
        if slot.conflicted:
            return "CONFLICTED"
        self.concerns.add(target_key(slot.identity))
        actions = set[str | None]()
        for name in self.twin.facts.aims.get(slot.identity, ()):
            by = self.twin.facts.slots[name]
            is_so = by.current.revision >= slot.current.revision
            if is_so and by.current.revision not in by.powerless and not by.retracted:
                actions.add(by.current.event.correction_action)
        if "SUPERSEDE" in actions and "RETRACT" not in actions:
            return "SUPERSEDED"
        return "RETRACTED"

    def note_conflict(self, slot: Slot) -> None:
        """A conflict about anything that has happened is adverse, whatever it says of the claim."""
        if slot.conflicted and any(
            event.classifier == "ACTUAL" for one in slot.versions for event in one.contents
        ):
            name = "/".join(slot.identity)
            self.adverse[slot.identity] = f"{name}~{slot.dispute.hex()[:8]}"


def silenced(one: Statement) -> Statement:
    """A statement that says nothing of what is asked."""
    return Statement(
        revision=one.revision, arrival=one.arrival, kind="OTHER", type="", first=one.first,
        last=one.last, begins=one.begins, grain_us=one.grain_us, day=one.day,
    )  # fmt: skip


def demoted(fact: Fact, silent: Statement) -> Fact:
    """A fact that does not count now, by all that it says, and may."""
    if fact.current is None:
        return fact
    return replace(fact, current=silent, others=fact.statements)


def _name(slot: Slot) -> dict[str, str]:
    return {"source": slot.identity.source, "event_id": slot.identity.event_id}


def _spoken(row: Row) -> Statement:
    """With what is known of its signature."""
    one, voice = row.statement, row.voice
    assurance = one.assurance if one.kind in ("CARBON", "VERIFIED") else voice.assurance
    return replace(one, assurance=assurance, void=voice.void)


def _signed(voice: Voice, said: Counts | Nothing | None) -> Voice:
    """The voice as far as the signature carries it."""
    if said is None or (isinstance(said, Nothing) and said.reason == Reason.NO_SIGNATURE):
        return voice
    if isinstance(said, Nothing):
        if said.reason == Reason.COMPROMISED:
            return replace(voice, void=True, assurance=EVIDENCE_ASSURANCE[-1])
        return Voice(reason=str(said.reason))
    if said.organisation != voice.organisation or said.role not in voice.roles:
        return Voice(reason=str(Reason.FOREIGN_KEY))
    assurance = EVIDENCE_ASSURANCE[2 if said.non_repudiable else 1]
    return replace(voice, roles=(said.role,), assurance=assurance)
