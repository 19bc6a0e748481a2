"""A chain's subjects and exceptions as people want to see them: sorted, JSON-able."""

from typing import Any

from supplytwin.processors import across, derived, excursions
from supplytwin.processors.chain import ChainState
from supplytwin.processors.gathered import parts_of
from supplytwin.processors.snapshots import exposure
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.machines import CONSIGNMENT


def subjects(state: ChainState, now: int) -> list[dict[str, Any]]:
    """The subjects as people want to see them, sorted; ages and open visits are up to `now`, us."""
    return [
        {
            "subject_type": key.subject_type,
            "subject_id": key.subject_id,
            "state": subject.state,
            "milestones": list(subject.codes),
            "flags": list(subject.flags),
            "holds": sorted(subject.value.holds),
            "delay_days": subject.delay_days,
            **derived.told(key, subject, now, parts_of(state.twin.subjects, key)),
            **_exposure(state, key),
            "sensors": excursions.described(subject.sensed),
        }
        for key, subject in sorted(state.twin.subjects.items(), key=lambda item: item[0])
        if subject.effective or subject.conflicts
    ]


def _exposure(state: ChainState, key: SubjectKey) -> dict[str, Any]:
    owed = None if key.subject_type != CONSIGNMENT else exposure(state, key.subject_id)
    minor, currency = (None, None) if owed is None else owed
    return {"exposure_minor": minor, "currency": currency}


def exceptions(state: ChainState) -> list[dict[str, Any]]:
    """What is wrong now with the facts of this chain, sorted."""
    found = [
        (key, problem)
        for key, subject in state.twin.subjects.items()
        for problem in (*subject.value.exceptions, *excursions.problems(subject.sensed))
    ]
    twin = state.twin
    found += across.standing(twin.facts, twin.documents, twin.subjects)
    return [
        {
            "subject": f"{key.subject_type} {key.subject_id}",
            "code": problem.code,
            "reason": problem.reason,
            "source": problem.source,
            "event_id": problem.event_id,
            "since": derived.since(problem),
        }
        for key, problem in sorted(found, key=lambda one: (one[0], one[1].code, one[1].event_id))
    ]
