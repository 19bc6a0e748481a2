"""A dispatch that a pledged lot refuses, as it reaches others: it ships no line and no unit.

There is one exception, on the lot. The line and the handling unit keep the fact, without its
effect, for as long as any lot that it reaches refuses it.
"""

from collections.abc import Iterable

from immutables import Map
from msgspec.structs import replace

from supplytwin.processors import sequence
from supplytwin.processors.effects import PLEDGED
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.reach import reach
from supplytwin.processors.standing import Accumulator, make_fact
from supplytwin.processors.subjects import NOBODY, Subject, SubjectKey, Subjects, Work
from supplytwin.schemas.events import WarehouseDispatched
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.machines import LOT

Identities = frozenset[Identity]
_NONE: Identities = frozenset()


def refused(lot: Accumulator) -> Identities:
    """The dispatches that this lot refuses because it is pledged."""
    if not lot.exceptions:
        return _NONE
    found = (p for p in lot.exceptions if p.code == PLEDGED)
    return frozenset(Identity(problem.source, problem.event_id) for problem in found)


def withhold(
    subjects: Subjects,
    work: Work,
    slots: Map[Identity, Slot],
    moved: Iterable[tuple[Slot | None, Slot]],
) -> None:
    """Make what the dispatches reach besides the lots in `work` follow these, when a lot refuses
    another one than before or one of the `moved` is refused.
    """
    affected = set[Identity]()
    for key in [key for key in work if key.subject_type == LOT]:
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
    event = version.event
    keys = reach(event).keys
    lots = (_now(subjects, work, key).value for key in keys if key.subject_type == LOT)
    is_refused = any(slot.identity in refused(lot) for lot in lots)
    for key in keys:
        effect = effect_on(event, key.subject_type, is_subject=key is keys[0])
        if key.subject_type == LOT or effect is None:
            continue
        subject = _now(subjects, work, key)
        fact = make_fact(event, version.arrival, None if is_refused else effect, key.subject_id)
        rest = sequence.remove(key.subject_type, subject.ordered, fact)
        ordered = sequence.insert(key.subject_type, rest, fact)
        work[key] = replace(subject, ordered=ordered)


def _now(subjects: Subjects, work: Work, key: SubjectKey) -> Subject:
    return work[key] if key in work else subjects.get(key, NOBODY)
