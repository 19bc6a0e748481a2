"""What follows from changed subjects for all that hangs on them, and what is said of it: one road
for a fact that comes and for facts that are left out.
"""

from collections.abc import Sequence

from msgspec import Struct

from supplytwin.processors import across, crossing, documents, lots, ranges
from supplytwin.processors.documents import Documents
from supplytwin.processors.facts import FactSet, Slot
from supplytwin.processors.linking import recount, recount_trips
from supplytwin.processors.milestones import (
    ExceptionChange,
    MilestoneChange,
    Moved,
    Several,
    beside_changes,
    in_order,
    mark,
    milestone_changes,
    own_changes,
)
from supplytwin.processors.refusals import withhold
from supplytwin.processors.subjects import NOBODY, Subject, SubjectKey, Subjects, Work
from supplytwin.processors.titles import carry


class Followed(Struct, frozen=True, kw_only=True, gc=False):
    """The chain after a change, and what came of it."""

    subjects: Subjects
    documents: Documents
    moved: Moved
    milestones: tuple[MilestoneChange, ...]
    exceptions: tuple[ExceptionChange, ...]


def follow(
    was: Subjects,
    work: Work,
    index: Documents,
    facts: FactSet,
    slots: Sequence[tuple[Slot | None, Slot]],
    *,
    wide: bool,
    trips: bool,
) -> Followed:
    """Carry what changed in `work` over to the subjects that hang on others (`wide` = some may) and
    to the documents of the chain; say which subjects moved, and what opened or closed with the
    `slots` that did. `trips`: see `Twin`. All that moved is in `work` afterwards.
    """
    if wide:
        carry(was, work)
        recount_trips(was, work)
    lots.carry(was, work)
    withhold(was, work, facts.slots, slots)
    recount(was, work)
    ranges.carry(was, work)
    subjects = was.update(work)
    moved = _moved(was, work)
    milestones = milestone_changes(was, subjects, moved)
    known, touched = documents.follow(index, slots)
    several: Several = None
    if trips or touched:
        lines = crossing.touched(moved, milestones, linked=wide)
        several = across.changing((index, was), (known, subjects), touched, lines)
    own, beside = own_changes(moved), beside_changes(moved, slots, several)
    if beside:
        mark(was, work, beside)
        subjects = was.update(work)
        moved = _moved(was, work)
    return Followed(
        subjects=subjects,
        documents=known,
        moved=moved,
        milestones=milestones,
        exceptions=in_order(own, beside),
    )


def _moved(subjects: Subjects, work: Work) -> list[tuple[SubjectKey, Subject, Subject]]:
    found = [(key, subjects.get(key, NOBODY), now) for key, now in work.items()]
    found.sort(key=_key)
    return found


def _key(moved: tuple[SubjectKey, Subject, Subject]) -> SubjectKey:
    return moved[0]
