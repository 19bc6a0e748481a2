"""What holds of every condition, every evidence and every tick."""

import random
from collections.abc import Callable
from typing import Any

from condition_oracle import Oracle
from condition_world import (
    DAY,
    MS,
    ORGANISATIONS,
    as_json,
    condition,
    evidence_for,
    leaves,
    scope_of,
    support,
    tree,
    withdrawn,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from supplytwin.processors.condition_eval import Evaluation, at_least, evaluate
from supplytwin.processors.condition_lint import FAULTS, lint
from supplytwin.processors.condition_view import (
    Assent,
    Evidence,
    Exposure,
    Fact,
    Scope,
    Series,
)
from supplytwin.processors.condition_windows import asked_of_series
from supplytwin.schemas.condition import (
    Absent,
    Approval,
    Condition,
    Milestone,
    Telemetry,
    Time,
    micros,
    walked,
)

seeds = st.integers(0, 2**32).map(random.Random)
laws = settings(max_examples=120, deadline=None)
LAST_WORDS = {"QUALITY": "quality", "CARBON": "carbon", "DOCUMENT": "document", "ASSET": "asset"}


def world(rng: random.Random, number: int = 6) -> tuple[Condition, Evidence, Scope]:
    """A tree of up to `number` leaves, its window and what is known."""
    node = tree(rng, leaves(rng, rng.randint(1, number)))
    scope = scope_of(rng)
    return node, evidence_for(rng, node, scope), scope


def test_random_trees_against_a_brute_force_evaluator(required: Callable[[str], Any]) -> None:
    """Up to 10 distinct leaves: TRUE, FALSE and UNKNOWN are what an enumeration of all completions
    of the open leaves says, of the whole and of the whole with the challenge window open; and both
    say alike whether that waits for nothing but the time of its leaves.
    """
    number = required("condition_trees")
    seen = dict.fromkeys(("TRUE", "FALSE", "UNKNOWN"), 0)
    for seed in range(number):
        node, evidence, scope = world(random.Random(seed), 10)
        found, oracle = evaluate(node, evidence, scope), Oracle(as_json(node), evidence, scope)
        assert (found.value, found.matches) == (oracle.value, oracle.matches), seed
        assert found.matches != "UNKNOWN" or found.waits == oracle.waits, seed
        seen[found.value] += 1
    number.done(number)
    assert min(seen.values()) > number // 20


@laws
@given(seeds)
def test_every_leaf_is_what_the_enumeration_says(rng: random.Random) -> None:
    """Not only the tree: each leaf by itself agrees with all that may become of its evidence."""
    node, evidence, scope = world(rng, 1)
    leaf = next(one for _, one in walked(node) if not list(_inner(one)))
    oracle = Oracle(as_json(leaf), evidence, scope)
    assert evaluate(leaf, evidence, scope).value == oracle.value


def _inner(node: Condition) -> Any:
    return getattr(node, "of", ())


def _speaks_against(one: Fact, node: Condition) -> bool:
    """Whether what supports one leaf may speak against another."""
    told = one.current
    assert told is not None
    kind = LAST_WORDS.get(told.kind)
    rivals = [leaf for _, leaf in walked(node) if kind in as_json(leaf)]
    forbidden = any(isinstance(leaf, Absent) and leaf.type == told.type for _, leaf in walked(node))
    return forbidden or len({repr(leaf) for leaf in rivals}) > 1


def _more(
    rng: random.Random, leaf: Any, node: Condition, evidence: Evidence, scope: Scope, at: int
) -> Evidence:
    """The evidence with more of what a leaf asks for."""
    if isinstance(leaf, Approval):
        role, who = rng.choice(leaf.roles), rng.choice(ORGANISATIONS)
        act = Assent(review_id=f"s{at}", organisation=who, role=role, at=scope.deadline - 30 * DAY)
        return replace(evidence, assents=(*evidence.assents, act))
    if isinstance(leaf, Telemetry):
        asked = list(asked_of_series(leaf, evidence, scope))
        whole = Exposure(covered_us=max((one.last - one.first for one in asked), default=0))
        series = [one for one in evidence.series if one.asked not in asked]
        series += [Series(asked=one, current=whole, best=whole) for one in asked]
        return replace(evidence, series=tuple(series))
    one = None if list(_inner(leaf)) else support(rng, leaf, scope, at)
    if one is None or _speaks_against(one, node):
        return evidence
    return replace(evidence, facts=(*evidence.facts, one))


def test_supporting_evidence_never_takes_back_what_is_true(required: Callable[[str], Any]) -> None:
    """More of what a leaf asks for moves a tree up or leaves it: FALSE to UNKNOWN to TRUE."""
    number, rank = required("condition_support"), ("FALSE", "UNKNOWN", "TRUE")
    risen = dict.fromkeys(rank, 0)
    for seed in range(number):
        rng = random.Random(-1 - seed)
        node, evidence, scope = world(rng, 10)
        before = evaluate(node, evidence, scope).value
        for at in range(2):
            _, leaf = rng.choice(list(walked(node)))
            evidence = _more(rng, leaf, node, evidence, scope, at)
        after = evaluate(node, evidence, scope).value
        assert rank.index(after) >= rank.index(before), seed
        risen[after] += after != before
    number.done(number)
    assert risen["TRUE"] > 0


@laws
@given(seeds)
def test_support_makes_a_leaf_of_its_kind_true(rng: random.Random) -> None:
    """The law above is not empty: a leaf that asks for one fact is TRUE with it, unless something
    speaks against it.
    """
    (leaf,) = leaves(rng, 1)
    scope = replace(scope_of(rng), tolling=False)
    one = support(rng, leaf, scope, 0)
    if one is None or (isinstance(leaf, Milestone) and (leaf.by.k > 1 or leaf.before)):
        return
    facts = [replace(one, event_id=f"s{at}") for at in range(30)]
    assert evaluate(leaf, Evidence(facts=tuple(facts)), scope).value == "TRUE"


@laws
@given(seeds)
def test_order_and_duplicates_change_nothing(rng: random.Random) -> None:
    """The same facts in another order, some of them twice, their old revisions in another order:
    the same values, reasons, evidence and hash.
    """
    node, evidence, scope = world(rng)
    found = evaluate(node, evidence, scope)

    def mixed(values: tuple[Any, ...]) -> tuple[Any, ...]:
        twice = [*values, *(one for one in values if rng.random() < 0.5)]
        return tuple(rng.sample(twice, len(twice)))

    other = Evidence(
        facts=mixed(tuple(replace(one, others=mixed(one.others)) for one in evidence.facts)),
        assents=mixed(evidence.assents),
        series=mixed(evidence.series),
        anchors=mixed(evidence.anchors),
    )
    assert evaluate(node, other, scope) == found


@laws
@given(seeds)
def test_other_evidence_has_another_hash(rng: random.Random) -> None:
    """A reviewer who saw one hash saw that evidence: another standing of a fact that bears on a
    leaf is another hash; the tick alone is none.
    """
    node, evidence, scope = world(rng)
    found = evaluate(node, evidence, scope)
    later = evaluate(node, evidence, replace(scope, tick=scope.tick + MS))
    assert later.evidence_hash == found.evidence_hash
    named = {name for leaf in found.leaves for name, _ in leaf.evidence}
    for one in evidence.facts:
        if one.name in named and one.standing == "LIVE":
            facts = tuple(
                withdrawn(rng, one) if other is one else other for other in evidence.facts
            )
            changed = evaluate(node, replace(evidence, facts=facts), scope)
            assert changed.evidence_hash != found.evidence_hash


def _own_close(leaf: Any, scope: Scope) -> int:
    """By when a leaf's evidence has to have arrived, written out once more."""
    if isinstance(leaf, Milestone) and leaf.before is not None:
        return min(scope.deadline, micros(leaf.before)) + scope.grace_us
    if hasattr(leaf, "deadline"):
        end = scope.long_stop if leaf.deadline is None else micros(leaf.deadline)
        return min(end, scope.long_stop)
    return scope.close


@laws
@given(seeds)
def test_before_the_close_nothing_is_false_but_a_time_that_has_passed(rng: random.Random) -> None:
    """A leaf is FALSE only after its own close, and while time stands still not even then."""
    node, evidence, scope = world(rng)
    found = {one.path: one.value for one in evaluate(node, evidence, scope).leaves}
    for path, leaf in walked(node):
        if found.get(path) == "FALSE" and not (isinstance(leaf, Time) and leaf.not_after):
            assert scope.tick > _own_close(leaf, scope) and not scope.tolling


@laws
@given(seeds)
def test_what_is_false_stays_false(rng: random.Random) -> None:
    """At every later tick the same evidence is FALSE again, of the whole and of every leaf."""
    node, evidence, scope = world(rng)
    scope = replace(scope, tolling=False)
    found = evaluate(node, evidence, scope)
    for later in (MS, 60_000_000, 10**12):
        again = evaluate(node, evidence, replace(scope, tick=scope.tick + later))
        for before, after in zip(found.nodes, again.nodes, strict=True):
            assert before.value != "FALSE" or after.value == "FALSE", before


@laws
@given(seeds)
def test_no_withdrawal_after_the_close_makes_false_what_was_true(rng: random.Random) -> None:
    """Retracted, superseded, in conflict or void: what was in time may come back, so UNKNOWN."""
    node, evidence, scope = world(rng)
    scope = replace(scope, tick=scope.close + MS)
    if evaluate(node, evidence, scope).value != "TRUE":
        return
    for at, one in enumerate(evidence.facts):
        if one.standing == "LIVE":
            facts = list(evidence.facts)
            facts[at] = withdrawn(rng, one)
            less = evaluate(node, replace(evidence, facts=tuple(facts)), scope)
            assert less.value != "FALSE", one


@laws
@given(seeds)
def test_signatures_of_one_organisation_count_once(rng: random.Random) -> None:
    """However many facts one organisation tells, in however many roles: it is one of k."""
    scope = replace(scope_of(rng), tolling=False)
    roles = ["CUSTOMS", "IOT", "WAREHOUSE"]
    leaf = condition({"milestone": {"type": "CLEARED", "by": {"roles": roles, "k": 2}}})
    facts = [support(rng, leaf, scope, at) for at in range(rng.randint(2, 9))]
    alone = [replace(one, organisation="org-a") for one in facts if one is not None]
    found = evaluate(leaf, Evidence(facts=tuple(alone)), scope)
    assert found.value == ("UNKNOWN" if scope.tick <= scope.close else "FALSE")


@laws
@given(seeds)
def test_what_the_lint_says_can_never_be_true_never_is(rng: random.Random) -> None:
    """A leaf or a whole of which the lint says NEVER_TRUE is not TRUE over any evidence."""
    node, evidence, scope = world(rng)
    found = evaluate(node, evidence, scope)
    faults = [one for one in lint(node, scope) if one.code == FAULTS[0]]
    for fault in faults:
        below = fault.path == "$"
        for one in found.leaves:
            if fault.path.startswith(f"{one.path}.{one.operator}"):
                assert one.value != "TRUE", fault
        if below and not any(one.code == FAULTS[1] for one in lint(node, scope)):
            assert found.value != "TRUE", fault


@settings(deadline=None)
@given(st.integers(1, 5), st.lists(st.sampled_from(("TRUE", "FALSE", "UNKNOWN")), max_size=5))
def test_at_least_is_what_every_completion_says(k: int, values: list[Any]) -> None:
    """The rule for groups against both ends of what the open children may become."""
    least = sum(value == "TRUE" for value in values) >= k
    most = sum(value != "FALSE" for value in values) >= k
    assert at_least(k, values) == ("TRUE" if least else "UNKNOWN" if most else "FALSE")


@laws
@given(seeds)
def test_every_leaf_is_explained(rng: random.Random) -> None:
    """TRUE and FALSE wait for nothing; UNKNOWN has a cause and says what would make it TRUE."""
    node, evidence, scope = world(rng)
    found: Evaluation = evaluate(node, evidence, scope)
    known = {one.name for one in evidence.facts}
    for leaf in found.leaves:
        is_open = leaf.value == "UNKNOWN"
        assert leaf.why and (leaf.cause is not None) == is_open == (leaf.needs is not None)
        assert leaf.until is None or (is_open and leaf.until + MS > scope.tick) or scope.tolling
        assert {name for name, how in leaf.evidence if "/e" in name} <= known
