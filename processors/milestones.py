"""What a change of the facts means to listeners: milestones and exceptions that came or went.

Both are differences between what followed before and what follows now.
"""

from collections.abc import Iterable, Sequence

from immutables import Map
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import excursions, health
from supplytwin.processors.consignment import CANCELLED, only_in
from supplytwin.processors.facts import Slot, Version
from supplytwin.processors.plausibility import age
from supplytwin.processors.reports import hours_text
from supplytwin.processors.standing import Problem, Reached, is_implausible
from supplytwin.processors.subjects import NOBODY, Subject, SubjectKey, Subjects, Work
from supplytwin.schemas import localtime
from supplytwin.schemas.ids import SECOND_US
from supplytwin.schemas.machines import LINE
from supplytwin.schemas.plausibility import OLD_MIN_S, shipped

CONFLICT, UNAUTHORISED = "CONFLICT", "UNAUTHORISED_RETRACTION"
IMPLAUSIBLE = "IMPLAUSIBLE_TIME"
NO_LONGER = "no longer follows from the facts"
_RECENT_US = OLD_MIN_S * SECOND_US


class MilestoneChange(Struct, frozen=True, kw_only=True, gc=False):
    """A milestone was reached, rests on another fact than before, or (not `reached`) is gone."""

    subject_type: str
    subject_id: str
    code: str
    reached: bool
    source: str
    event_id: str
    event_time: int
    arrival: int
    reason: str | None = None
    spread_hours: str | None = None


class ExceptionChange(Struct, frozen=True, kw_only=True, gc=False):
    """An exception was opened, or (`open` false) is gone."""

    subject_type: str
    subject_id: str
    code: str
    open: bool
    reason: str
    source: str
    event_id: str
    event_time: int
    arrival: int | None


Moved = Sequence[tuple[SubjectKey, Subject, Subject]]
"""Subjects as they were and as they are, sorted."""


def milestone_changes(
    before: Subjects, after: Subjects, moved: Moved
) -> tuple[MilestoneChange, ...]:
    """What was reached or lost by the subjects that moved, sorted by subject and code."""
    changes: list[MilestoneChange] = []
    for key, old, new in moved:
        one, other = old.ordered, new.ordered
        had, has = old.tally.complete, new.tally.complete
        if one is other and had is has:
            continue
        was, now = one.value.milestones, other.value.milestones
        if was is now and had is has:
            continue
        for code in _differing(was, now, had, has):
            if code not in now and code not in has:
                changes.append(_change(key, code, _by(before, old, code), reached=False))
            elif code not in was and code not in had:
                changes.append(_change(key, code, _by(after, new, code), reached=True))
            elif code in now and now[code] != was.get(code):
                changes.append(_change(key, code, now[code], reached=True))
    return tuple(changes)


def _differing(
    was: Map[str, Reached], now: Map[str, Reached], had: frozenset[str], has: frozenset[str]
) -> list[str]:
    """Sorted: the codes that came, went or rest on another fact, on the subject or its lines."""
    codes = [code for code in now if now[code] is not was.get(code)]
    if len(was) + len(codes) > len(now):
        codes += only_in(was, now)
    return sorted(codes if had is has else {*codes, *(had ^ has)})


def _by(subjects: Subjects, subject: Subject, code: str) -> Reached:
    """The fact that `code` rests on; of a consignment's lines the last one to reach it."""
    own = subject.value.milestones.get(code)
    if own is not None:
        return own
    lines = (subjects[key].value for key in subject.links if key.subject_type == LINE)
    reached = [
        line.milestones[code]
        for line in lines
        if code in line.milestones and line.state != CANCELLED
    ]
    return max(reached, key=lambda by: (by.event_time, by.source, by.event_id))


def _change(key: SubjectKey, code: str, by: Reached, *, reached: bool) -> MilestoneChange:
    return MilestoneChange(
        subject_type=key.subject_type,
        subject_id=key.subject_id,
        code=code,
        reached=reached,
        source=by.source,
        event_id=by.event_id,
        event_time=by.event_time,
        arrival=by.arrival,
        reason=None if reached else NO_LONGER,
        spread_hours=hours_text(by.spread_us) if reached and by.spread_us else None,
    )


def reported(slot: Slot) -> tuple[tuple[SubjectKey, Problem], ...]:
    """The exceptions that an identity is in itself, whatever its subject makes of it."""
    current, latest = slot.current, slot.latest
    if slot.conflicted and current is latest:
        return (_problem(slot, current, CONFLICT, _contradiction(slot)),)
    found: tuple[tuple[SubjectKey, Problem], ...] = ()
    if slot.unauthorised and (slot.retracted_to is None or slot.retracted_to < latest.revision):
        reason = "corrects an event of another topic, or of a source that has not delegated it"
        found = (_problem(slot, latest, UNAUTHORISED, reason),)
    if slot.conflicted:
        return (*found, _problem(slot, current, CONFLICT, _contradiction(slot)))
    event = current.contents[0]
    more: tuple[tuple[SubjectKey, Problem], ...]
    if is_implausible(event, current.arrival):
        more = (_problem(slot, current, IMPLAUSIBLE, "happened after it arrived"),)
    elif event.recorded_time - event.event_time > _RECENT_US:
        more = _old(slot, current)
    else:
        return found
    return found if slot.effective is None else (*found, *more)


def _contradiction(slot: Slot) -> str:
    """What the conflict of an identity is about, in words."""
    current = slot.current
    if len(current.hashes) > 1:
        return f"revision {current.revision} came with {len(current.hashes)} different contents"
    topics = sorted({event.TOPIC for event in slot.contents})
    if len(topics) > 1:
        return f"came on several topics: {', '.join(topics)}"
    if len(slot.disputed) > 1:
        return f"revision {current.revision} plans what an earlier one says has happened"
    return "a correction would take it back that is a plan, or in conflict itself"


def mark(subjects: Subjects, work: Work, changes: Iterable[ExceptionChange]) -> None:
    """Note on the subjects what `beside_changes` says of them."""
    for one in changes:
        key = SubjectKey(one.subject_type, one.subject_id)
        name = one.code, one.source, one.event_id
        subject = work[key] if key in work else subjects.get(key, NOBODY)
        marked = subject.marked
        since = one.event_time if one.arrival is None else one.arrival
        marked = marked.set(name, since) if one.open else marked.delete(name)
        work[key] = replace(subject, marked=marked)


def _old(slot: Slot, version: Version) -> tuple[tuple[SubjectKey, Problem], ...]:
    """That a fact was recorded long after it happened."""
    event = version.event
    if event.classifier != "ACTUAL":
        return ()
    policy = shipped().at(event.event_time)
    found = age(localtime.span(event)[1], event.recorded_time, slot.identity, policy)
    if found.verdict == "PASS":
        return ()
    return (_problem(slot, version, found.rule, f"{found.verdict}: {found.reason}"),)


def _problem(slot: Slot, version: Version, code: str, reason: str) -> tuple[SubjectKey, Problem]:
    event = version.event
    problem = Problem(
        code=code,
        reason=reason,
        source=slot.identity.source,
        event_id=slot.identity.event_id,
        event_time=event.event_time,
        arrival=version.arrival,
    )
    return SubjectKey(event.subject_type, event.subject_id), problem


Found = dict[tuple[SubjectKey, str, str, str], Problem]
Standing = Iterable[tuple[SubjectKey, Problem]]
Slots = Iterable[tuple[Slot | None, Slot]]
Several = tuple[Standing, Standing] | None


def exception_changes(moved: Moved, slots: Slots, several: Several) -> tuple[ExceptionChange, ...]:
    """All that opened or closed, sorted (`own_changes`, `beside_changes`)."""
    return in_order(own_changes(moved), beside_changes(moved, slots, several))


def in_order(
    own: tuple[ExceptionChange, ...], beside: tuple[ExceptionChange, ...]
) -> tuple[ExceptionChange, ...]:
    """Both in one, sorted."""
    return tuple(sorted((*own, *beside), key=_place)) if own and beside else own or beside


def _place(one: ExceptionChange) -> tuple[str, str, str, str, str]:
    return one.subject_type, one.subject_id, one.code, one.source, one.event_id


def own_changes(moved: Moved) -> tuple[ExceptionChange, ...]:
    """What opened or closed in the lifecycles and excursions of the subjects that moved, sorted."""
    gone: Found = {}
    now: Found = {}
    for key, old, new in moved:
        if old.sensed is not new.sensed:
            ended, open_ = excursions.problem_changes(old.sensed, new.sensed)
            gone |= {_id(key, problem): problem for problem in ended}
            now |= {_id(key, problem): problem for problem in open_}
        if old.ordered is new.ordered:
            continue
        was, has = old.ordered.value.exceptions, new.ordered.value.exceptions
        if was is has:
            continue
        same = _common(was, has)
        was, has = was[same:], has[same:]
        gone |= {_id(key, problem): problem for problem in was}
        now |= {_id(key, problem): problem for problem in has}
    return _differences(gone, now)


def beside_changes(moved: Moved, slots: Slots, several: Several) -> tuple[ExceptionChange, ...]:
    """What opened or closed otherwise, sorted: exceptions that the touched identities are in
    themselves, the health of sensors, and what follows from `several` subjects (as it was, as it
    is). Subjects keep them as marks.
    """
    gone: Found = {}
    now: Found = {}
    if several is not None:
        gone |= {_id(*one): one[1] for one in several[0]}
        now |= {_id(*one): one[1] for one in several[1]}
    for key, old, new in moved:
        if old.sensed is not new.sensed:
            ended, open_ = health.changes(old.sensed, new.sensed)
            gone |= {_id(key, problem): problem for problem in ended}
            now |= {_id(key, problem): problem for problem in open_}
    for before, after in slots:
        gone |= {_id(*one): one[1] for one in (() if before is None else reported(before))}
        now |= {_id(*one): one[1] for one in reported(after)}
    return _differences(gone, now)


def _differences(gone: Found, now: Found) -> tuple[ExceptionChange, ...]:
    if not gone and not now:
        return ()
    changes = []
    for name in sorted(gone.keys() | now.keys()):
        if name not in now:
            changes.append(_exception(name[0], gone[name], is_open=False))
        elif now[name] != gone.get(name):
            changes.append(_exception(name[0], now[name], is_open=True))
    return tuple(changes)


def _common(was: tuple[Problem, ...], has: tuple[Problem, ...]) -> int:
    """How many of the first ones are the same in both."""
    if has[: len(was)] == was:
        return len(was)
    pairs = enumerate(zip(was, has, strict=False))
    return next((at for at, (one, other) in pairs if one is not other), len(has))


def _id(key: SubjectKey, problem: Problem) -> tuple[SubjectKey, str, str, str]:
    return key, problem.code, problem.source, problem.event_id


def _exception(key: SubjectKey, problem: Problem, *, is_open: bool) -> ExceptionChange:
    return ExceptionChange(
        subject_type=key.subject_type,
        subject_id=key.subject_id,
        code=problem.code,
        open=is_open,
        reason=problem.reason if is_open else NO_LONGER,
        source=problem.source,
        event_id=problem.event_id,
        event_time=problem.event_time,
        arrival=problem.arrival,
    )
