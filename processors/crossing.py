"""Plausibility between a line and the trips that it is linked with: in the warehouse before the
gate.
"""

from collections.abc import Sequence
from typing import Any

from supplytwin.processors.documents import Problems
from supplytwin.processors.facts import Identity
from supplytwin.processors.milestones import MilestoneChange, Moved
from supplytwin.processors.plausibility import in_before_gate
from supplytwin.processors.standing import Problem
from supplytwin.processors.subjects import Subject, SubjectKey, Subjects
from supplytwin.schemas.machines import LINE, TRIP
from supplytwin.schemas.plausibility import shipped

_SAYS = {LINE: "RECEIVED_WH", TRIP: "GATED_IN"}
_CODES = frozenset(_SAYS.values())


def touched(
    moved: Moved, milestones: Sequence[MilestoneChange], *, linked: bool
) -> set[SubjectKey]:
    """Lines of which it may have changed whether they came too early, as subjects moved.

    `linked`: links with trips may have changed.
    """
    keys, found = set[SubjectKey](), set[SubjectKey]()
    for one in milestones:
        if one.code in _CODES and _SAYS.get(one.subject_type) == one.code:
            keys.add(SubjectKey(one.subject_type, one.subject_id))
    if not keys and not linked:
        return found
    for key, old, new in moved:
        if key.subject_type not in _SAYS:
            continue
        if key in keys or old.links is not new.links:
            linked_with = {**old.links, **new.links}
            if key.subject_type == TRIP:
                found.update(one for one in linked_with if one.subject_type == LINE)
            elif any(one.subject_type == TRIP for one in linked_with):
                found.add(key)
    return found


def problems(subjects: Subjects, line: SubjectKey) -> Problems:
    """At most one: the line came before the first gate-in of its trips. While one of them has none,
    the goods may have come with that.
    """
    subject = subjects.get(line)
    received = None if subject is None else _reached(subject, "RECEIVED_WH")
    if subject is None or received is None:
        return
    gates = []
    for trip in subject.links:
        if trip.subject_type == TRIP:
            gated = _reached(subjects[trip], "GATED_IN")
            if gated is None:
                return
            gates.append((gated.event_time, trip.subject_id, gated))
    if not gates:
        return
    at, trip_id, gated = min(gates, key=lambda one: one[:2])
    facts = (Identity(gated.source, gated.event_id), Identity(received.source, received.event_id))
    policy = shipped().at(received.event_time)
    found = in_before_gate(received.event_time, at, trip_id, facts, policy)
    if found.verdict != "PASS":
        yield (
            line,
            Problem(
                code=found.rule,
                reason=f"{found.verdict}: {found.reason}",
                source=received.source,
                event_id=received.event_id,
                event_time=received.event_time,
                arrival=received.arrival,
            ),
        )


def _reached(subject: Subject, code: str) -> Any:
    return subject.ordered.value.milestones.get(code)
