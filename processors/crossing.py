"""Plausibility between a line and the trips that it is linked with: in the warehouse before the
gate.
"""

from typing import Any

from supplytwin.processors.documents import Problems
from supplytwin.processors.facts import Identity
from supplytwin.processors.milestones import Moved
from supplytwin.processors.plausibility import in_before_gate
from supplytwin.processors.standing import Problem
from supplytwin.processors.subjects import Subject, SubjectKey, Subjects
from supplytwin.schemas.machines import LINE, TRIP
from supplytwin.schemas.plausibility import shipped

_SAYS = {LINE: "RECEIVED_WH", TRIP: "GATED_IN"}


def touched(moved: Moved) -> set[SubjectKey]:
    """Lines of which it may have changed whether they came too early, as subjects moved."""
    found = set[SubjectKey]()
    for key, old, new in moved:
        code = _SAYS.get(key.subject_type)
        if code is None or (old.ordered is new.ordered and old.links is new.links):
            continue
        was, now = _reached(old, code), _reached(new, code)
        if was is now and old.links is new.links:
            continue
        if key.subject_type == LINE:
            found.add(key)
        else:
            found.update(one for one in (*old.links, *new.links) if one.subject_type == LINE)
    return found


def problems(subjects: Subjects, line: SubjectKey) -> Problems:
    """At most one: the line came before the latest gate-in of its trips."""
    subject = subjects.get(line)
    received = None if subject is None else _reached(subject, "RECEIVED_WH")
    if subject is None or received is None:
        return
    gates = []
    for trip in subject.links:
        if trip.subject_type == TRIP:
            gated = _reached(subjects[trip], "GATED_IN")
            if gated is not None:
                gates.append((gated.event_time, trip.subject_id, gated))
    if not gates:
        return
    at, trip_id, gated = max(gates, key=lambda one: one[:2])
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
