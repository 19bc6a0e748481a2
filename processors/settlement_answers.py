"""What questions of full contract terms were answered by, so that each is put to the facts once.

A question is a condition, or a part of one, of one claim. Its answer is kept with the subjects that
it follows from (`condition_facts.Built`) and is given again while no fact that reaches any of them,
and nothing that their signatures count for, is another, and no time has come that may change it.
Several claims may ask the same. Nothing is decided by what is kept: with nothing kept, every answer
is the same.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from typing import Any, TypeVar

from immutables import Map

from supplytwin.processors import readings
from supplytwin.processors.condition_eval import Evaluation, evaluate
from supplytwin.processors.condition_facts import Built, built, stirred_by
from supplytwin.processors.condition_facts_asked import ClaimAsked
from supplytwin.processors.condition_facts_sight import Sight
from supplytwin.processors.condition_view import Scope
from supplytwin.processors.facts import Slot
from supplytwin.processors.reach import reached_by
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.processors.twin import Twin

T = TypeVar("T")
Question = tuple[object, ...]
"""What two questions mostly differ by; whether they are the same says `Built.holds`."""


class Answers:
    """Answers over one set of facts, found now or kept from before. Lives for one cut.

    `kept` are those that held over the facts before, of which those that reach `stirred` are others
    now.
    """

    def __init__(
        self, twin: Twin, kept: Iterable[Built] = (), stirred: Set[SubjectKey] = frozenset()
    ) -> None:
        self._twin, self._stirred, self._sight = twin, stirred, Sight(twin)
        self._kept = {_question(one.asked): one for one in kept}
        self._found: dict[Question, Built] = {}
        self._evaluated: dict[tuple[Question, Scope], tuple[Built, Evaluation]] = {}
        self._used: dict[int, Built] = {}
        self._made: dict[tuple[object, ...], Any] = {}
        self.spared = 0
        """How many answers were kept from before."""

    def built(self, asked: ClaimAsked) -> Built:
        """The evidence for a question."""
        question = _question(asked)
        found = self._found.get(question)
        if found is None or not found.holds(asked, frozenset()):
            found = self._kept.get(question)
            if found is None or not found.holds(asked, self._stirred):
                found = built(self._twin, asked, self._sight)
            else:
                self.spared += 1
            self._found[question] = found
        self._used[id(found)] = found
        return found

    def evaluated(self, asked: ClaimAsked, made: Built) -> Evaluation:
        """What the condition of a question comes to over the evidence that was built for it."""
        key = _question(asked), asked.scope
        known = self._evaluated.get(key)
        if known is None or known[0] is not made:
            known = made, evaluate(asked.condition, made.evidence, asked.scope)
            self._evaluated[key] = known
        return known[1]

    def once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """What `make` gives; made once for a key. It has to follow from this cut and the key."""
        if key not in self._made:
            self._made[key] = make()
        found: T = self._made[key]
        return found

    def used(self) -> tuple[Built, ...]:
        """What was answered since this was asked last."""
        found = tuple(self._used.values())
        self._used = {}
        return found


def _question(asked: ClaimAsked) -> Question:
    scope = asked.scope
    return (
        asked.condition, asked.consignment_id, asked.lots, asked.lines, scope.deadline,
        scope.grace_us, scope.tolled_us, scope.fixed, asked.fixing, asked.approvals, asked.approves,
    )  # fmt: skip


# ---- what became another


def stirred(
    before: Twin, after: Twin, moved: Iterable[tuple[Slot | None, Slot]]
) -> set[SubjectKey]:
    """The subjects of which anything differs between two twins: what reaches them or follows for
    them. `moved` = the slots that differ.
    """
    found = set(stirred_by(moved))
    found.update(_differing(before.subjects, after.subjects))
    for event in readings.differing(before.facts.readings, after.facts.readings):
        found.update(reached_by(event))
    return found


def _differing(
    before: Map[SubjectKey, Subject], after: Map[SubjectKey, Subject]
) -> Iterator[SubjectKey]:
    if before is not after:
        yield from (key for key, subject in after.items() if before.get(key) is not subject)


def concerns_of(answers: Iterable[Built]) -> frozenset[SubjectKey]:
    """The subjects that answers follow from."""
    found: frozenset[SubjectKey] = frozenset()
    for one in answers:
        found = one.concerns if not found else found | one.concerns
    return found
