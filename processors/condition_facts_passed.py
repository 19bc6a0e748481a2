"""Milestones that a subject had passed when they were told.

A lifecycle refuses a step back: a delivery that is told to have happened after the receipt of the
goods, a receipt after their acceptance, a release after the clearance. For the twin that is an
exception and its state stays. It contradicts nothing, though: who has the goods was delivered them.
So for a condition such a step was taken just before the one that led past it, as if clocks or
customs' numbering had not turned them round. What was undone since, or comes after the end of
something, tells nothing, as before.
"""

from collections.abc import Mapping, Sequence

from supplytwin.processors.facts import Slot
from supplytwin.processors.lifecycle import AFTER_CLOSE, ILLEGAL, accumulate
from supplytwin.processors.standing import EMPTY, Accumulator, Fact
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import facts_of
from supplytwin.schemas.effect import NONE
from supplytwin.schemas.machines import DECLARATION, LINE, LOT, MACHINES, Machine

MACHINES_PASSED = (LINE, LOT, DECLARATION)
"""Containers, legs and titles are used again: there a step back may be one of another trip."""
_REFUSED = (ILLEGAL, AFTER_CLOSE)


def passed(
    key: SubjectKey, slots: Sequence[Slot], value: Accumulator
) -> Mapping[str, frozenset[str]]:
    """Milestone -> the sources that told it of a subject that had passed it and still has; `value`
    is what the facts that count add up to.
    """
    if key.subject_type not in MACHINES_PASSED:
        return {}
    if not any(one.code in _REFUSED for one in value.exceptions):
        return {}
    rules = MACHINES[key.subject_type]
    facts = sorted(facts_of(*key, slots), key=lambda one: one.order)
    moved: list[Fact] = []
    for _ in facts:
        turn = _first_turn(rules, facts, moved)
        if turn is None:
            break
        before, at = turn
        moved.append(facts[at])
        facts.insert(before, facts.pop(at))
    after = EMPTY
    for fact in facts:
        after = accumulate(rules.name, after, fact)
    found: dict[str, frozenset[str]] = {}
    for fact in moved:
        code = fact.effect.milestone if fact.effect is not None else None
        if code is not None and code in after.milestones:
            found[code] = found.get(code, frozenset()) | {fact.event.source}
    return found


def _first_turn(
    rules: Machine, facts: Sequence[Fact], moved: Sequence[Fact]
) -> tuple[int, int] | None:
    """The first fact that is refused as a step back and was not moved yet, and before which one it
    was taken: the last that led past it. None = there is none.
    """
    states, value = [NONE], EMPTY
    for at, fact in enumerate(facts):
        after = accumulate(rules.name, value, fact)
        to = _step(rules, fact)
        if to is not None and fact not in moved and _is_refused(value, after, fact):
            place = rules.places[to]
            past = [rules.places[one] > place and one in rules.path for one in states]
            if past[-1]:
                return max(where for where, is_past in enumerate(past) if not is_past), at
        states.append(after.state or NONE)
        value = after
    return None


def _step(rules: Machine, fact: Fact) -> str | None:
    """Where a fact leads on the path, if it speaks for anything."""
    effect = fact.effect
    if effect is None or effect.adverse or effect.milestone is None:
        return None
    return effect.to if effect.to in rules.path and fact.event.classifier == "ACTUAL" else None


def _is_refused(before: Accumulator, after: Accumulator, fact: Fact) -> bool:
    known = set(before.exceptions)
    own = fact.event.source, fact.event.event_id
    return any(
        one.code in _REFUSED and (one.source, one.event_id) == own
        for one in after.exceptions
        if one not in known
    )
