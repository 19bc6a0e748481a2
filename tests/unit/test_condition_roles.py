"""Whose word counts, and which revision: what the evidence says of a fact besides its content."""

import random

from condition_world import DAY, condition, scope_of
from msgspec.structs import replace

from supplytwin.processors.condition_eval import evaluate
from supplytwin.processors.condition_view import Evidence, Fact, Scope, Statement
from supplytwin.schemas.condition import Condition

SCOPE: Scope = replace(scope_of(random.Random(1)), tolling=False)
SCOPE = replace(SCOPE, tick=SCOPE.deadline, challenge_end=SCOPE.deadline)
EARLY = SCOPE.deadline - 30 * DAY
CLEARED = {"type": "CLEARED", "by": {"roles": ["CUSTOMS", "IOT"], "k": 1}}


def told(revision: int = 1, **more: object) -> Statement:
    """A milestone that was told early."""
    base = {"kind": "MILESTONE", "type": "CLEARED", "first": EARLY, "last": EARLY}
    fields = {"revision": revision, "arrival": EARLY, "subject": "CONSIGNMENT:A", **base, **more}
    return Statement(**fields)  # type: ignore[arg-type]


def fact(current: Statement | None = None, **more: object) -> Fact:
    """A fact of customs."""
    fields = {"source": "s", "event_id": "e", "organisation": "o", "role": "CUSTOMS", **more}
    return Fact(current=current, **fields)  # type: ignore[arg-type]


def value(leaf: dict[str, object], *facts: Fact, tick: int | None = None) -> str:
    """TRUE, FALSE or UNKNOWN."""
    scope = SCOPE if tick is None else replace(SCOPE, tick=tick)
    node: Condition = condition(leaf)
    return evaluate(node, Evidence(facts=facts), scope).value


def test_a_fact_without_a_role_counts_for_nothing_and_against() -> None:
    """It makes no milestone, and it is what must be absent."""
    nobody = fact(told(), role="")
    assert value({"milestone": CLEARED}, fact(told())) == "TRUE"
    assert value({"milestone": CLEARED}, nobody) == "UNKNOWN"
    absent: dict[str, object] = {"absent": {"type": "CLEARED", "during": "CHALLENGE"}}
    assert value(absent) == "TRUE"
    assert value(absent, nobody) == "UNKNOWN"


def test_any_role_of_a_source_may_be_the_one_that_is_asked_for() -> None:
    """Further roles count like the first one; in several an organisation still is one."""
    tracker = fact(told(), role="CARRIER", also=("IOT",))
    assert value({"milestone": CLEARED}, tracker) == "TRUE"
    two = {**CLEARED, "by": {"roles": ["CUSTOMS", "IOT"], "k": 2}}
    both = fact(told(), also=("IOT",))
    assert value({"milestone": two}, both) == "UNKNOWN"
    assert value({"milestone": two}, both, replace(both, event_id="f", organisation="p")) == "TRUE"


def test_a_void_revision_brings_no_other_in_time_and_may_come_back() -> None:
    """The good revision was late: with a void one in time it is UNKNOWN after the close, not TRUE
    and not FALSE.
    """
    late = told(2, arrival=SCOPE.close + 1)
    after = SCOPE.close + 2
    asked: dict[str, object] = {"milestone": CLEARED}
    assert value(asked, fact(late, others=(told(),)), tick=after) == "TRUE"
    assert value(asked, fact(late, others=(told(void=True),)), tick=after) == "UNKNOWN"
    assert value(asked, fact(late), tick=after) == "FALSE"
    gone = fact(standing="VOID", others=(told(void=True),))
    assert value(asked, gone, tick=after) == "UNKNOWN"


def test_what_may_have_begun_later_is_ahead_until_it_surely_has() -> None:
    """`begins` is the last instant at which it may have begun."""
    soon = told(begins=SCOPE.tick + 1)
    assert value({"milestone": CLEARED}, fact(soon)) == "UNKNOWN"
    assert value({"milestone": CLEARED}, fact(soon), tick=SCOPE.tick + 1) == "TRUE"


def test_one_identity_may_say_several_things() -> None:
    """A receipt is a milestone and a quantity: facts of one identity about two things."""
    goods = Statement(
        revision=1, arrival=EARLY, kind="OTHER", type="SEIZED", first=EARLY, last=EARLY
    )  # fmt: skip
    both = (fact(told(), about="a"), fact(goods, about="b"))
    assert value({"milestone": CLEARED}, *both) == "TRUE"
    assert value({"absent": {"type": "SEIZED", "during": "CHALLENGE"}}, *both) == "UNKNOWN"
