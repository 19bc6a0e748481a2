"""The live twin of one chain: a set of facts, and what follows from it for every subject.

`take` is the one way in. What it reports is the difference between what followed before and what
follows now, so that the reports follow the set and never the order of arrival.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TypeVar

from immutables import Map
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from supplytwin.processors import across, passages, sequence
from supplytwin.processors.documents import Documents
from supplytwin.processors.facts import FactSet, Identity, Slot, Verdict, Version
from supplytwin.processors.facts import insert as insert_fact
from supplytwin.processors.following import follow
from supplytwin.processors.linking import doubt, link
from supplytwin.processors.milestones import ExceptionChange, MilestoneChange, Moved
from supplytwin.processors.reach import packs, reach, reached_by
from supplytwin.processors.readings import is_plain
from supplytwin.processors.sensing import sense
from supplytwin.processors.standing import Accumulator, Fact, make_fact
from supplytwin.processors.subjects import (
    NOBODY,
    Subject,
    SubjectKey,
    Subjects,
    Work,
    canonical_subject,
)
from supplytwin.schemas import localtime
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import (
    Event,
    Measurement,
    OrderPlaced,
    ShipmentDelivered,
)
from supplytwin.schemas.flow import Input
from supplytwin.schemas.ids import HOUR_US
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.machines import MACHINES, ORDER

Kept = TypeVar("Kept", bound=Event)
_KEPT = ShipmentDelivered | Measurement | passages.Told
INFERRED = "inferred:"
"""What the sources begin with that tell what nobody saw."""
FUTURE_US = 48 * HOUR_US
"""An ACTUAL event, or a revision, further ahead of its arrival than this is not taken."""


class Twin(Struct, frozen=True, kw_only=True, gc=False):
    facts: FactSet = FactSet()
    subjects: Subjects = Map()
    documents: Documents = Map()
    trips: bool = False
    """A trip or a warehouse receipt was named at some time."""


EMPTY = Twin()


class Taken(Struct, frozen=True, kw_only=True, gc=False):
    """What taking one event did. `moved`: every subject that it touched, as it was and as it is,
    sorted. `slots`: the same of every identity; None = it is new.
    """

    twin: Twin
    verdict: Verdict
    moved: Moved = ()
    slots: Sequence[tuple[Slot | None, Slot]] = ()
    milestones: tuple[MilestoneChange, ...] = ()
    exceptions: tuple[ExceptionChange, ...] = ()

    @property
    def dirty(self) -> tuple[SubjectKey, ...]:
        """The subjects that it touched, sorted."""
        return tuple(key for key, _, _ in self.moved)

    @property
    def counts(self) -> list[str]:
        """What is counted: the fact, and every placeholder that came or went with it."""
        found = ["facts"]
        for _, old, new in self.moved:
            if not (old.told and new.told) and old.orphan != new.orphan:
                found.append("orphans_found" if new.orphan else "orphans_gone")
        return found


# ---- what is not taken


def check_arrival(event: Event, arrival: int) -> None:
    """Raise RecordError(FUTURE) when an ACTUAL event or a revision is over 48 h ahead of `arrival`.

    A DAY event counts from the start of its local date.
    """
    started, latest = event.event_time, arrival + FUTURE_US
    if started <= latest and event.revision <= latest:
        return
    if event.time_precision == "DAY" and started > latest:
        day = localtime.local_day(event.event_time, event.event_tz)
        started = localtime.day_start(day, event.event_tz)
    if event.classifier == "ACTUAL" and started > latest:
        raise RecordError(Code.FUTURE, "event_time", "is more than 48 h ahead of its arrival")
    if event.revision > latest:
        raise RecordError(Code.FUTURE, "revision", "is more than 48 h ahead of its arrival")


# ---- taking an event


def take(twin: Twin, item: Input) -> Taken:
    """Add one event. Raises RecordError for what `check_arrival` refuses."""
    event = item.message
    assert isinstance(event, Event)
    check_arrival(event, item.record.arrival)
    inserted = insert_fact(twin.facts, item)
    if inserted.verdict == "DUPLICATE":
        return Taken(twin=twin, verdict="DUPLICATE")
    was, found = twin.subjects, reach(event)
    work = {key: was.get(key, NOBODY) for key in found.ordered}
    before, after = inserted.moved[0]
    version = after.effective if before is None else None
    if version is None:
        _enrol(work, event, after.identity)
    else:
        _contribute(work, after.identity, version, 1)
    for before, after in inserted.moved:
        if before is not None:
            _exchange(was, work, before, after)
        elif after.doubts:
            _conflict(work, after, 1)
    wide = found.carries or packs(found) or len(work) > len(found.keys)
    trips = twin.trips or found.carries
    done = follow(was, work, twin.documents, inserted.facts, inserted.moved, wide=wide, trips=trips)
    return Taken(
        twin=Twin(
            facts=inserted.facts, subjects=done.subjects, documents=done.documents, trips=trips
        ),
        verdict=inserted.verdict,
        moved=done.moved,
        slots=inserted.moved,
        milestones=done.milestones,
        exceptions=done.exceptions,
    )


def _exchange(subjects: Subjects, work: Work, before: Slot, after: Slot) -> None:
    """Put what counts of one identity now in the place of what counted before."""
    for key in (*_spoken_of(before), *_spoken_of(after)):
        if key not in work:
            work[key] = subjects.get(key, NOBODY)
    old, new = before.effective, after.effective
    if old is not new:
        if old is not None:
            _contribute(work, after.identity, old, -1)
        if new is not None:
            _contribute(work, after.identity, new, 1)
    _conflict(work, before, -1)
    _conflict(work, after, 1)


def _conflict(work: Work, slot: Slot, count: int) -> None:
    """Add (`count` 1) or take away (-1) on every subject that it speaks of that it is in conflict,
    if it is.
    """
    if not slot.conflicted:
        return
    own = frozenset((slot.identity,))
    for key in _reached(slot.contents):
        subject = work[key]
        conflicts = subject.conflicts | own if count > 0 else subject.conflicts - own
        work[key] = replace(subject, conflicts=conflicts)
    doubt(work, slot, count)


def _spoken_of(slot: Slot) -> Iterable[SubjectKey]:
    told = slot.contents
    return _reached(told if slot.latest is slot.current else (*told, slot.latest.event))


def _reached(events: Iterable[Event]) -> Iterable[SubjectKey]:
    return (key for event in events for key in reached_by(event))


def _contribute(work: Work, identity: Identity, version: Version, count: int) -> None:
    """Add (`count` 1) or take away (-1) a version on every subject that it reaches, which remember
    it from then on.
    """
    event = version.contents[0]
    keys, _, linked, _ = reach(event)
    own = keys[0]
    change = sequence.insert if count > 0 else sequence.remove
    plain = sense(work, keys, linked, version, count)
    for key in () if plain else keys:
        subject = work[key]
        members, ordered = subject.members, subject.ordered
        if identity not in members:
            members = members.set(identity, None)
        fact = _fact_for(version, key, is_subject=key is own)
        if fact is not None:
            ordered = change(key.subject_type, ordered, fact)
        told = subject.told
        if key is own:
            told += count
        elif fact is None:
            told += count * (key.subject_type == ORDER and isinstance(event, OrderPlaced))
        elif fact.effect is not None and fact.effect.introduces:
            told += count
        effective = subject.effective + count
        work[key] = replace(
            subject, members=members, ordered=ordered, effective=effective, told=told
        )
    if event.classifier == "ACTUAL":  # a plan links nothing: states follow links
        for other in linked:
            link(work, own, other, count)
        if isinstance(event, _KEPT):
            _keep(work, keys, event, count)
        if event.source.startswith(INFERRED):
            for key in keys:
                work[key] = replace(work[key], inferred=work[key].inferred + count)


def _fact_for(version: Version, key: SubjectKey, *, is_subject: bool) -> Fact | None:
    """The version as a fact in the fold of this subject; None when it only links."""
    event = version.contents[0]
    effect = effect_on(event, key.subject_type, is_subject=is_subject)
    if (effect is None and not is_subject) or key.subject_type not in MACHINES:
        return None
    return make_fact(event, version.arrival, effect, key.subject_id)


def _keep(work: Work, keys: Iterable[SubjectKey], event: Event, count: int) -> None:
    """What footprints rest on is at hand where it is reached, or (`count` -1) no longer."""
    for key in keys:
        one = work[key]
        if isinstance(event, ShipmentDelivered):
            found = _exchanged(one.deliveries, event, count)
            work[key] = replace(one, deliveries=found, stated=True)
        elif isinstance(event, Measurement):
            work[key] = replace(one, measured=_exchanged(one.measured, event, count))
        elif passages.remembers(key.subject_type, event):
            work[key] = replace(one, passages=passages.changed(one.passages, event, count))


def _exchanged(known: tuple[Kept, ...], event: Kept, count: int) -> tuple[Kept, ...]:
    """With the event, or (`count` -1) without it."""
    at = bisect_left(known, _by_line(event), key=_by_line)
    if count > 0:
        return (*known[:at], event, *known[at:])
    there = at < len(known) and _by_line(known[at]) == _by_line(event)
    return (*known[:at], *known[at + 1 :]) if there else known


def _by_line(event: Event) -> tuple[str, str, str]:
    return event.subject_id, event.source, event.event_id


def _enrol(work: Work, event: Event, identity: Identity) -> None:
    """Remember on the subjects that `event` reaches that this identity does, even if it does not
    count.
    """
    stated = isinstance(event, ShipmentDelivered) and event.classifier == "ACTUAL"
    for key in () if is_plain(event) else reached_by(event):
        subject = work[key]
        if identity not in subject.members:
            subject = replace(subject, members=subject.members.set(identity, None))
        if stated and not subject.stated:
            subject = replace(subject, stated=True)
        work[key] = subject


# ---- leaving out


def without(twin: Twin, hidden: Iterable[Slot]) -> tuple[Twin, Work]:
    """(the twin of the other slots, the subjects that this touched).

    What the hidden ones say of others as corrections still holds: these are marked in the others.
    """
    was, work, facts = twin.subjects, Work(), twin.facts
    slots = [(slot, replace(slot, retracted_to=slot.latest.revision)) for slot in hidden]
    for slot, gone in slots:
        _exchange(was, work, slot, gone)
        _forget(was, work, slot)
    standing = facts.slots.update({gone.identity: gone for _, gone in slots})
    facts_left = replace(facts, slots=standing)
    done = follow(was, work, twin.documents, facts_left, slots, wide=True, trips=twin.trips)
    for slot, _ in slots:
        facts = facts.without(slot.identity)
    left = replace(twin, facts=facts, subjects=done.subjects, documents=done.documents)
    return left, work


def _forget(subjects: Subjects, work: Work, slot: Slot) -> None:
    """No subject has this identity among its members any more."""
    events = (event for version in slot.versions for event in version.contents)
    for key in {key for event in events for key in reached_by(event)}:
        subject = work.get(key) or subjects[key]
        if slot.identity in subject.members:
            work[key] = replace(subject, members=subject.members.delete(slot.identity))


# ---- asking


def subject(twin: Twin, subject_type: str, subject_id: str) -> Subject | None:
    """What is known of one subject; its `.value` is what its own facts add up to."""
    return twin.subjects.get(SubjectKey(subject_type, subject_id))


def reaching(twin: Twin, subject_type: str, subject_id: str) -> tuple[Slot, ...]:
    """Every slot, effective or not, any version of which has this subject or a ref to it; versions
    that are plain readings do not count.
    """
    found = subject(twin, subject_type, subject_id)
    if found is None:
        return ()
    return tuple(twin.facts.slots[identity] for identity in sorted(found.members))


def fold(
    subject_type: str, subject_id: str, slots: Sequence[Slot], tick: int | None = None
) -> Accumulator:
    """What the effective versions of `slots` add up to for a subject, folded from nothing.

    With `tick`, ACTUAL facts ahead of it do not count, except contrary evidence, which is believed
    at once. For a consignment: its own facts, without its lines; for goods and receipts: without
    what one pledge does to another subject, or a contradiction about it.
    """
    return sequence.fold(subject_type, facts_of(subject_type, subject_id, slots, tick))


def facts_of(
    subject_type: str, subject_id: str, slots: Sequence[Slot], tick: int | None = None
) -> list[Fact]:
    """The effective versions of `slots` as they reach a subject, as `fold` takes them."""
    key = SubjectKey(subject_type, subject_id)
    facts = []
    for slot in slots:
        version = slot.effective
        if version is None or key not in (keys := reached_by(version.contents[0])):
            continue
        fact = _fact_for(version, key, is_subject=key == keys[0])
        if fact is not None and (tick is None or _counts_at(fact, tick)):
            facts.append(fact)
    return facts


def _counts_at(fact: Fact, tick: int) -> bool:
    if fact.event.classifier != "ACTUAL" or (fact.effect is not None and fact.effect.adverse):
        return True
    return localtime.happened_by(fact.event, tick)


def canonical(twin: Twin) -> object:
    """The twin without its history: what two twins of one set of facts have in common, as JSON."""
    slots = sorted(twin.facts.every(), key=lambda slot: slot.identity)
    return {
        "facts": [_canonical_slot(slot) for slot in slots],
        "subjects": [
            to_builtins(canonical_subject(key, subject))
            for key, subject in sorted(twin.subjects.items(), key=lambda item: item[0])
            if subject.effective or subject.conflicts
        ],
        "exceptions": sorted(
            [*key, problem.code, problem.source, problem.event_id]
            for key, problem in across.standing(twin.facts, twin.documents, twin.subjects)
        ),
    }


def _canonical_slot(slot: Slot) -> list[object]:
    latest = slot.latest
    known = latest.hashes[0].hex() if len(latest.hashes) == 1 else [h.hex() for h in latest.hashes]
    standing = "CONFLICTED" if slot.conflicted else "RETRACTED" if slot.retracted else "LIVE"
    return [*slot.identity, latest.revision, known, standing]
