"""Exceptions of a chain that no lifecycle has: of its facts, sensors, documents and links."""

from collections.abc import Iterable
from itertools import chain

from supplytwin.processors import crossing, documents, health
from supplytwin.processors.documents import Document, Documents, Problems
from supplytwin.processors.facts import FactSet
from supplytwin.processors.milestones import reported
from supplytwin.processors.subjects import SubjectKey, Subjects
from supplytwin.schemas.machines import LINE


def changing(
    before: tuple[Documents, Subjects],
    after: tuple[Documents, Subjects],
    touched: Iterable[Document],
    lines: Iterable[SubjectKey],
) -> tuple[Problems, Problems]:
    """Those of some documents and lines, as they were and as they are."""
    return _of(before, touched, lines), _of(after, touched, lines)


def standing(facts: FactSet, index: Documents, subjects: Subjects) -> Problems:
    """All of them, those that single facts are and those of sensors among them."""
    for slot in facts.every():
        yield from reported(slot)
    for key, subject in subjects.items():
        yield from ((key, problem) for problem in health.problems(subject.sensed))
    yield from of_several(index, subjects)


def of_several(index: Documents, subjects: Subjects) -> Problems:
    """Those that follow from several subjects."""
    return _of((index, subjects), index, (key for key in subjects if key.subject_type == LINE))


def _of(
    state: tuple[Documents, Subjects], touched: Iterable[Document], lines: Iterable[SubjectKey]
) -> Problems:
    index, subjects = state
    return chain(
        chain.from_iterable(documents.problems(index, one) for one in touched),
        chain.from_iterable(crossing.problems(subjects, line) for line in lines),
    )
