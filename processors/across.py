"""Exceptions of a chain that no single subject has: of its facts, documents and links."""

from collections.abc import Iterable
from itertools import chain

from supplytwin.processors import crossing, documents
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
    """All of them, those that single facts are among them."""
    yield from filter(None, map(reported, facts.slots.values()))
    yield from of_several(index, subjects)


def of_several(index: Documents, subjects: Subjects) -> Problems:
    """Those that follow from several facts."""
    return _of((index, subjects), index, (key for key in subjects if key.subject_type == LINE))


def _of(
    state: tuple[Documents, Subjects], touched: Iterable[Document], lines: Iterable[SubjectKey]
) -> Problems:
    index, subjects = state
    return chain(
        chain.from_iterable(documents.problems(index, one) for one in touched),
        chain.from_iterable(crossing.problems(subjects, line) for line in lines),
    )
