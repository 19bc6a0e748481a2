"""A millisecond on either side of every limit: deadlines, grace, offsets, clocks that change."""

from typing import Any

import pytest
from condition_world import condition
from msgspec.structs import replace

from supplytwin.processors.condition_eval import evaluate
from supplytwin.processors.condition_view import Assent, Evidence, Fact, Scope, Statement
from supplytwin.schemas.condition import micros
from supplytwin.schemas.durations import duration_us
from supplytwin.schemas.localtime import local_day

MS = 1_000
CLEARED = condition({"milestone": {"type": "CLEARED", "by": {"roles": ["CUSTOMS"]}}})
DEADLINES = (
    ("2027-02-10T23:59:59.999+08:00", "Asia/Shanghai"),
    ("2027-02-10T00:00:00-05:00", "America/New_York"),
    ("2027-02-10T00:00:00+00:00", "+00:00"),
    ("2027-03-28T01:59:59.999+01:00", "Europe/Berlin"),  # then it is 03:00
    ("2027-03-28T03:00:00+02:00", "Europe/Berlin"),
    ("2027-10-31T02:30:00+02:00", "Europe/Berlin"),  # and an hour later again
    ("2027-10-31T02:30:00+01:00", "Europe/Berlin"),
    ("2027-11-07T01:30:00-04:00", "America/New_York"),
)
GRACES = ("PT0S", "PT1H", "P2D")
TABLE = (
    # happened, arrived and tick in ms after deadline, close and close: and what it is then
    (-1, -1, -1, "TRUE"), (-1, -1, 0, "TRUE"), (-1, -1, 1, "TRUE"),
    (-1, 0, 0, "TRUE"), (-1, 0, 1, "TRUE"),
    (-1, 1, 1, "FALSE"),
    (0, -1, -1, "TRUE"), (0, -1, 0, "TRUE"), (0, -1, 1, "TRUE"),
    (0, 0, 0, "TRUE"), (0, 0, 1, "TRUE"),
    (0, 1, 1, "FALSE"),
    (1, -1, -1, "UNKNOWN"), (1, -1, 0, "UNKNOWN"), (1, -1, 1, "FALSE"),
    (1, 0, 0, "UNKNOWN"), (1, 0, 1, "FALSE"),
    (1, 1, 1, "FALSE"),
    (None, None, -1, "UNKNOWN"), (None, None, 0, "UNKNOWN"), (None, None, 1, "FALSE"),
)  # fmt: skip


def window(deadline: str, zone: str, grace: str) -> Scope:
    """A window that ends with its long stop ten days after the close."""
    at, more = micros(deadline), duration_us(grace)
    stop = at + more + 10 * duration_us("P1D")
    return Scope(tick=0, deadline=at, grace_us=more, zone=zone, long_stop=stop)


def told(happened: int, arrival: int, day: int | None = None, **more: Any) -> Evidence:
    """One fact of customs."""
    said = Statement(
        revision=1, arrival=arrival, kind="MILESTONE", type="CLEARED", subject="CONSIGNMENT:A",
        first=happened, last=happened, day=day,
    )  # fmt: skip
    fact = Fact(source="c", event_id="1", organisation="o", role="CUSTOMS", current=said, **more)
    return Evidence(facts=(fact,))


@pytest.mark.parametrize("grace", GRACES)
@pytest.mark.parametrize(("deadline", "zone"), DEADLINES)
def test_a_millisecond_decides(deadline: str, zone: str, grace: str) -> None:
    """Happened by the deadline and arrived by deadline + grace, both inclusive; FALSE from the
    first tick after the close; the same wherever clocks stand, and again when it is done again.
    """
    empty = window(deadline, zone, grace)
    for happened, arrived, tick, value in TABLE:
        scope = replace(empty, tick=empty.close + tick * MS)
        evidence, expected = Evidence(), value
        if happened is not None and arrived is not None:
            at = empty.deadline + happened * MS
            evidence = told(at, empty.close + arrived * MS)
            expected = value if at <= scope.tick else "UNKNOWN"  # what is ahead counts from then on
        found = evaluate(CLEARED, evidence, scope)
        assert found.value == expected, (happened, arrived, tick)
        assert found == evaluate(CLEARED, evidence, scope)


def test_without_grace_the_arrival_has_the_same_limit() -> None:
    """A fact that happened in time and arrived 1 ms late counts with 1 ms of grace only."""
    bare = window("2027-02-10T00:00:00+08:00", "+08:00", "PT0S")
    late = told(bare.deadline - MS, bare.deadline + MS)
    at = replace(bare, tick=bare.deadline + MS)
    assert evaluate(CLEARED, late, at).value == "FALSE"
    assert evaluate(CLEARED, late, replace(at, grace_us=MS)).value == "TRUE"


@pytest.mark.parametrize("grace", GRACES)
@pytest.mark.parametrize(("before", "ends"), [(-1, -1), (0, 0), (1, 0)])
def test_before_closes_at_the_earlier_of_the_two(before: int, ends: int, grace: str) -> None:
    """A leaf with `before` closes at min(before, deadline) + grace."""
    deadline = "2027-10-31T02:30:00+02:00"
    scope = window(deadline, "Europe/Berlin", grace)
    texts = {-1: "2027-10-31T01:30:00+02:00", 0: deadline, 1: "2027-10-31T02:30:00+01:00"}
    leaf = condition(
        {"milestone": {"type": "CLEARED", "by": {"roles": ["CUSTOMS"]}, "before": texts[before]}}
    )
    end = micros(texts[ends])
    for happened, arrived, tick, value in TABLE:
        at = replace(scope, tick=end + scope.grace_us + tick * MS)
        evidence, expected = Evidence(), value
        if happened is not None and arrived is not None:
            evidence = told(end + happened * MS, end + scope.grace_us + arrived * MS)
            expected = value if end + happened * MS <= at.tick else "UNKNOWN"
        assert evaluate(leaf, evidence, at).value == expected, (happened, arrived, tick)


@pytest.mark.parametrize(("tolled", "later"), [(MS, MS), (2 * MS, MS)])
def test_news_of_before_may_be_later_by_what_was_tolled(tolled: int, later: int) -> None:
    """Time that stood still is added to when a leaf with `before` closes, within the close of the
    claim; what it tells of must have happened by `before` all the same.
    """
    scope = replace(window("2027-02-10T00:00:00.001Z", "+00:00", "P2D"), tolled_us=tolled)
    text = "2027-02-10T00:00:00+00:00"
    leaf = condition(
        {"milestone": {"type": "CLEARED", "by": {"roles": ["CUSTOMS"]}, "before": text}}
    )
    close = micros(text) + scope.grace_us + later
    for happened, arrived, value in ((0, 0, "TRUE"), (0, 1, "FALSE"), (1, 0, "FALSE")):
        evidence = told(micros(text) + happened * MS, close + arrived * MS)
        assert evaluate(leaf, evidence, replace(scope, tick=close + MS)).value == value
    assert evaluate(leaf, Evidence(), replace(scope, tick=close)).value == "UNKNOWN"


@pytest.mark.parametrize(
    ("day", "zone", "deadline", "terms", "value"),
    [
        # the date where it happened against the date of the deadline in the zone of the terms
        ("2027-02-10", "Asia/Shanghai", "2027-02-10T00:00:00+08:00", "Asia/Shanghai", "TRUE"),
        ("2027-02-11", "Asia/Shanghai", "2027-02-10T23:59:59+08:00", "Asia/Shanghai", "FALSE"),
        ("2027-02-10", "America/New_York", "2027-02-10T00:00:00+08:00", "Asia/Shanghai", "TRUE"),
        ("2027-02-11", "Asia/Tokyo", "2027-02-10T23:00:00+00:00", "+00:00", "FALSE"),
        ("2027-02-11", "Asia/Tokyo", "2027-02-10T23:00:00+00:00", "Asia/Tokyo", "TRUE"),
        ("2027-03-28", "Europe/Berlin", "2027-03-28T03:00:00+02:00", "Europe/Berlin", "TRUE"),
        ("2027-10-31", "Europe/Berlin", "2027-10-30T23:59:59+02:00", "Europe/Berlin", "FALSE"),
        ("2027-10-31", "Europe/Berlin", "2027-10-31T00:00:00+02:00", "Europe/Berlin", "TRUE"),
    ],
)
def test_dates_are_compared_as_dates(
    day: str, zone: str, deadline: str, terms: str, value: str
) -> None:
    """At DAY precision the local date decides, in whatever zone it was."""
    scope = window(deadline, terms, "P2D")
    number = local_day(micros(f"{day}T12:00:00+00:00"), "+00:00")
    evidence = told(scope.deadline, scope.deadline, number)
    found = evaluate(CLEARED, evidence, replace(scope, tick=scope.close + MS))
    assert found.value == value and local_day(scope.deadline, terms) is not None, zone


@pytest.mark.parametrize(
    ("before", "value"),
    [("2027-02-10T02:00:00+08:00", "TRUE"), ("2027-02-09T18:00:00+00:00", "FALSE")],
)
def test_the_offset_of_before_decides_its_day(before: str, value: str) -> None:
    """One instant is the tenth in Shanghai and the ninth in London; the fact says the tenth."""
    scope = window("2027-02-20T00:00:00+00:00", "+00:00", "P2D")
    leaf = condition(
        {"milestone": {"type": "CLEARED", "by": {"roles": ["CUSTOMS"]}, "before": before}}
    )
    day = local_day(micros("2027-02-10T12:00:00+00:00"), "+00:00")
    evidence = told(micros(before), micros(before), day)
    assert evaluate(leaf, evidence, replace(scope, tick=scope.close + MS)).value == value


TIMES = ("2027-03-28T03:00:00+02:00", "2027-10-31T02:30:00+01:00", "2027-02-10T00:00:00-05:00")


@pytest.mark.parametrize("text", TIMES)
def test_time_has_no_grace_and_includes_its_ends(text: str) -> None:
    """not_before is TRUE from then on, not_after up to then and FALSE 1 ms later, before any
    close; both as windows of one instant.
    """
    far = replace(window("2028-02-10T00:00:00+00:00", "+00:00", "P2D"), tick=micros(text))
    expected = {
        "not_before": ("UNKNOWN", "TRUE", "TRUE"),
        "not_after": ("TRUE", "TRUE", "FALSE"),
        "both": ("UNKNOWN", "TRUE", "FALSE"),
    }
    for name, values in expected.items():
        body = {"not_before": text, "not_after": text} if name == "both" else {name: text}
        leaf = condition({"time": body})
        for late, value in zip((-MS, 0, MS), values, strict=True):
            at = replace(far, tick=far.tick + late)
            assert evaluate(leaf, Evidence(), at).value == value, (name, late)


def test_a_time_after_the_close_never_comes() -> None:
    """not_before up to the close may be TRUE, 1 ms later it is FALSE for ever."""
    scope = window("2027-02-10T00:00:00+00:00", "+00:00", "PT1H")
    for text, values in (
        ("2027-02-10T01:00:00+00:00", ("UNKNOWN", "TRUE", "TRUE", "TRUE")),
        ("2027-02-10T01:00:00.001+00:00", ("UNKNOWN", "UNKNOWN", "FALSE", "FALSE")),
    ):
        leaf = condition({"time": {"not_before": text}})
        for late, value in zip((-1, 0, 1, 9_000), values, strict=True):
            at = replace(scope, tick=scope.close + late * MS)
            assert evaluate(leaf, Evidence(), at).value == value, (text, late)


def test_approvals_close_at_the_long_stop_or_their_deadline() -> None:
    """An act has no grace: it counts up to that instant, and is missed 1 ms later."""
    scope = window("2027-02-10T00:00:00+00:00", "+00:00", "P2D")
    own = "2027-02-11T00:00:00+00:00"
    far = "2027-06-01T00:00:00+00:00"
    ends = (({}, scope.long_stop), ({"deadline": own}, micros(own)), ({"deadline": far}, None))
    for more, given in ends:
        end = scope.long_stop if given is None else given
        leaf = condition({"approval": {"roles": ["BUYER"], "k": 1, **more}})
        for late, value in ((-MS, "TRUE"), (0, "TRUE"), (MS, "FALSE")):
            act = Assent(review_id="r", organisation="o", role="BUYER", at=end + late)
            at = replace(scope, tick=end + MS)
            assert evaluate(leaf, Evidence(assents=(act,)), at).value == value
        for late, value in ((-MS, "UNKNOWN"), (0, "UNKNOWN"), (MS, "FALSE")):
            at = replace(scope, tick=end + late)
            assert evaluate(leaf, Evidence(), at).value == value


def test_absence_is_decided_at_the_end_of_its_window() -> None:
    """In the challenge window at its end; between two times 1 ms after the later one + grace."""
    scope = window("2027-02-10T00:00:00+00:00", "+00:00", "PT1H")
    challenge = condition({"absent": {"type": "CLEARED", "during": "CHALLENGE"}})
    fixed = condition(
        {"absent": {"type": "CLEARED",
                    "during": ["2027-02-09T00:00:00+00:00", "2027-02-10T00:00:00+00:00"]}}
    )  # fmt: skip
    for leaf, values in (
        (challenge, ("UNKNOWN", "TRUE", "TRUE")),
        (fixed, ("UNKNOWN", "UNKNOWN", "TRUE")),
    ):
        for late, value in zip((-MS, 0, MS), values, strict=True):
            at = replace(scope, tick=scope.close + late, challenge_end=scope.close)
            assert evaluate(leaf, Evidence(), at).value == value
        for arrived, value in ((-MS, "FALSE"), (0, "FALSE"), (MS, "TRUE")):
            against = told(scope.deadline, scope.close + arrived)
            at = replace(scope, tick=scope.close + MS, challenge_end=scope.close)
            assert evaluate(leaf, against, at).value == value


def test_happened_in_the_window_includes_both_of_its_ends() -> None:
    """Between two times what happened 1 ms outside does not count against it; in the challenge
    window it counts whenever it happened.
    """
    scope = window("2027-02-10T00:00:00+00:00", "+00:00", "PT1H")
    first, last = "2027-02-09T00:00:00+00:00", "2027-02-10T00:00:00+00:00"
    fixed = condition({"absent": {"type": "CLEARED", "during": [first, last]}})
    challenge = condition({"absent": {"type": "CLEARED", "during": "CHALLENGE"}})
    at = replace(scope, tick=scope.close + MS, challenge_end=scope.close)
    for moment, value in (
        (micros(first) - MS, "TRUE"),
        (micros(first), "FALSE"),
        (micros(last), "FALSE"),
        (micros(last) + MS, "TRUE"),
    ):
        assert evaluate(fixed, told(moment, scope.deadline), at).value == value
        assert evaluate(challenge, told(moment, scope.deadline), at).value == "FALSE"


def test_what_may_have_happened_in_the_window_counts_against_it() -> None:
    """It is not surely outside: half an hour before it, or half an hour later."""
    scope = window("2027-02-10T00:00:00+00:00", "+00:00", "PT1H")
    first, last = "2027-02-09T00:00:00+00:00", "2027-02-10T00:00:00+00:00"
    leaf = condition({"absent": {"type": "CLEARED", "during": [first, last]}})
    at = replace(scope, tick=scope.close + MS)
    half = duration_us("PT30M")
    for edge in (micros(first), micros(last)):
        (fact,) = told(edge - half, scope.deadline).facts
        assert fact.current is not None
        vague = replace(fact, current=replace(fact.current, last=edge + half))
        assert evaluate(leaf, Evidence(facts=(vague,)), at).value == "FALSE"
    (fact,) = told(micros(first) - half, scope.deadline).facts
    assert fact.current is not None
    for grain, value in ((half - MS, "TRUE"), (half, "FALSE")):
        rough = replace(fact, current=replace(fact.current, grain_us=grain))
        assert evaluate(leaf, Evidence(facts=(rough,)), at).value == value
