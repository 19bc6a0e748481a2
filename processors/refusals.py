"""A dispatch that a pledged lot refuses, as it reaches others: it ships no line and no unit.

There is one exception, on the lot. The line and the handling unit keep the fact, without its
effect, for as long as any lot that it reaches refuses it. A dispatch that names only units is
refused by those that were packed from a pledged lot: the exceptions are theirs.
"""

from collections.abc import Iterable

from immutables import Map
from msgspec.structs import replace

from supplytwin.processors import sequence
from supplytwin.processors.effects import PLEDGED
from supplytwin.processors.facts import Identity, Slot, Version
from supplytwin.processors.reach import reach
from supplytwin.processors.standing import Accumulator, make_fact
from supplytwin.processors.subjects import NOBODY, Subject, SubjectKey, Subjects, Work
from supplytwin.schemas.events import WarehouseDispatched
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.machines import LOT, UNIT

Identities = frozenset[Identity]
_NONE: Identities = frozenset()


def refused(value: Accumulator) -> Identities:
    """The dispatches that this lot or unit refuses because of a pledge."""
    if not value.exceptions:
        return _NONE
    found = (p for p in value.exceptions if p.code == PLEDGED)
    return frozenset(Identity(problem.source, problem.event_id) for problem in found)


def withhold(
    subjects: Subjects,
    work: Work,
    slots: Map[Identity, Slot],
    moved: Iterable[tuple[Slot | None, Slot]],
) -> None:
    """Make what the dispatches reach besides the lots and units in `work` follow these, when one of
    them refuses another one than before or one of the `moved` is refused.
    """
    affected = set[Identity]()
    for key in [key for key in work if key.subject_type in (LOT, UNIT)]:
        was = refused(subjects.get(key, NOBODY).value)
        now = refused(work[key].value)
        affected |= was ^ now
        if now:
            affected |= now.intersection(slot.identity for _, slot in moved)
    for identity in affected:
        _exchange(subjects, work, slots[identity])


def _exchange(subjects: Subjects, work: Work, slot: Slot) -> None:
    """Put the dispatch with its effects, or without them, in the place where it stands."""
    version = slot.effective
    if version is None or not isinstance(version.event, WarehouseDispatched):
        return  # what counts of it now ships nothing, and stands already where it is to stand
    keys = reach(version.event).keys
    lots, units = ([key for key in keys if key.subject_type == kind] for kind in (LOT, UNIT))
    is_refused = any(slot.identity in refused(_now(subjects, work, key).value) for key in lots)
    for key in units:
        _put(subjects, work, version, key, counts=not is_refused)
    is_refused |= any(slot.identity in refused(_now(subjects, work, key).value) for key in units)
    for key in keys:
        if key.subject_type not in (LOT, UNIT):
            _put(subjects, work, version, key, counts=not is_refused)


def _put(
    subjects: Subjects, work: Work, version: Version, key: SubjectKey, *, counts: bool
) -> None:
    """Put the dispatch as it reaches this subject, without its effect unless it `counts`."""
    event = version.event
    effect = effect_on(event, key.subject_type, is_subject=key == reach(event).keys[0])
    if effect is None:
        return
    subject = _now(subjects, work, key)
    fact = make_fact(event, version.arrival, effect, key.subject_id)
    rest = sequence.remove(key.subject_type, subject.ordered, fact)
    if not counts:
        fact = replace(make_fact(event, version.arrival, None, key.subject_id), order=fact.order)
    ordered = sequence.insert(key.subject_type, rest, fact)
    work[key] = replace(subject, ordered=ordered)


def _now(subjects: Subjects, work: Work, key: SubjectKey) -> Subject:
    return work[key] if key in work else subjects.get(key, NOBODY)
