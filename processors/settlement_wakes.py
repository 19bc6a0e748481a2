"""When time alone may change what a condition of full contract terms comes to."""

from collections.abc import Iterator, Set

from supplytwin.processors.condition_eval import Evaluation, Explained
from supplytwin.processors.condition_facts import Built
from supplytwin.processors.condition_facts_look import NEVER
from supplytwin.processors.condition_view import Scope, resolve
from supplytwin.schemas.condition import (
    Absent,
    Approval,
    Condition,
    Milestone,
    Telemetry,
    Time,
    When,
    micros,
    walked,
)
from supplytwin.schemas.contract import Tranche


def wakes(
    tranche: Tranche, scope: Scope, known: Set[int | None], made: Built, found: Evaluation
) -> int | None:
    """The first later tick at which the same facts may come to another verdict on a tranche's
    condition, or at which anything else that is `known` may.
    """
    moments = {one for one in known if one is not None and one < NEVER} | {scope.close + 1}
    for _, leaf in walked(tranche.condition):
        for end in _ends(leaf):
            at = resolve(end, made.evidence).at
            if at is not None:
                moments |= {at, at + 1, at + scope.grace_us + 1}
    moments |= {leaf.until + 1 for leaf in found.leaves if leaf.until is not None}
    if not scope.fixed and any(_is_open_absence(leaf) for leaf in found.leaves):
        moments.add(scope.long_stop + 1)
    if tranche.window.not_before is not None:
        moments.add(micros(tranche.window.not_before))
    if scope.challenge_end is not None:
        moments |= {scope.challenge_end, scope.challenge_end + 1}
    return min((one for one in moments if one > scope.tick), default=None)


def _is_open_absence(leaf: Explained) -> bool:
    """Whether it waits for a window that may never be: then it does until the long stop."""
    return leaf.operator == "absent" and leaf.value == "UNKNOWN"


def _ends(leaf: Condition) -> Iterator[When]:
    """Every time that a leaf names."""
    times: tuple[When | None, ...] = ()
    match leaf:
        case Milestone():
            times = (leaf.before,)
        case Telemetry():
            times = (leaf.from_, leaf.to)
        case Absent() if leaf.during != "CHALLENGE":
            times = leaf.during
        case Approval():
            times = (leaf.deadline,)
        case Time():
            times = (leaf.not_before, leaf.not_after)
    yield from (one for one in times if one is not None)
