"""Leaves that a window decides: telemetry, absence, time; each at one tick, with why, what would
make it TRUE and by when.
"""

from collections.abc import Iterator

from supplytwin.processors.condition_counting import (
    Cause,
    Outcome,
    Value,
    Witness,
    heaviest,
    settled,
)
from supplytwin.processors.condition_view import (
    Asked,
    Evidence,
    Exposure,
    Resolved,
    Scope,
    Statement,
    resolve,
    said,
    shown_time,
)
from supplytwin.schemas.condition import (
    BP,
    Absent,
    Anchor,
    Condition,
    Telemetry,
    Time,
    When,
    walked,
)
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.durations import duration_text, duration_us

_FOREVER = 2**63
Named = tuple[tuple[str, bytes], ...]


def _anchors(evidence: Evidence, *times: When | None) -> Named:
    """The anchors that times rest on, as evidence."""
    found = {}
    for when in times:
        if isinstance(when, Anchor):
            anchored = evidence.anchored(when.anchor)
            if anchored is not None:
                found[when.anchor] = said(anchored)
    return tuple(sorted(found.items()))


def _shown(when: When) -> str:
    if not isinstance(when, Anchor):
        return when
    later = "" if when.plus == "PT0S" else f" + {when.plus}"
    return when.anchor + later


def _told(when: When, evidence: Evidence, scope: Scope) -> str:
    """With the time that an anchor stands for, where that is known."""
    at = resolve(when, evidence).at if isinstance(when, Anchor) else None
    return _shown(when) if at is None else f"{shown_time(at, scope)}, {_shown(when)}"


# ---- series


def asked(leaf: Telemetry, evidence: Evidence, scope: Scope) -> Asked | None:
    """What a telemetry leaf asks of its series; None = its window is not known, is empty, or ends
    later than its readings may arrive.
    """
    first, last = resolve(leaf.from_, evidence).at, resolve(leaf.to, evidence).at
    if first is None or last is None or not first < last <= scope.close:
        return None
    return Asked(
        metric=leaf.metric,
        unit=leaf.unit,
        low=leaf.min,
        high=leaf.max,
        first=first,
        last=last,
        close=scope.close,
    )


def asked_of_series(node: Condition, evidence: Evidence, scope: Scope) -> Iterator[Asked]:
    """All that a condition asks of series, as far as its windows are known: whoever has the
    readings answers it.
    """
    for _, leaf in walked(node):
        if isinstance(leaf, Telemetry):
            question = asked(leaf, evidence, scope)
            if question is not None:
                yield question


def telemetry(leaf: Telemetry, evidence: Evidence, scope: Scope) -> Outcome:
    """TRUE when its window is over, covered, and what was outside is within what is allowed."""
    ends = (resolve(leaf.from_, evidence), resolve(leaf.to, evidence))
    question = asked(leaf, evidence, scope)
    window = f"{_shown(leaf.from_)} to {_shown(leaf.to)}"
    bounds = f"{leaf.metric} {plain(leaf.min)} to {plain(leaf.max)} {leaf.unit} from {window}"
    needs = (
        f"{bounds}: at least {leaf.min_coverage_bp} bp covered, outside at most "
        f"{leaf.max_excursion} in all and {leaf.max_single} at once"
    )
    named = _anchors(evidence, leaf.from_, leaf.to)
    if question is None:
        known = all(one.at is not None for one in ends)
        possible = not known and all(one.at is not None or one.may_return for one in ends)
        why = f"the window {window} " + ("cannot be measured" if known else "is not known")
        return settled(
            scope, scope.close, true=False, possible=possible, witnesses=(), why=why, needs=needs,
            others=named,
        )  # fmt: skip
    answer = evidence.answer(question)
    now, best = (Exposure(), Exposure()) if answer is None else (answer.current, answer.best)
    if answer is not None:
        named = (*named, *((name, said(answer)) for name in answer.evidence or (leaf.metric,)))
    length = question.last - question.first
    why = (
        f"{bounds}: {now.covered_us * BP // length} bp covered, outside "
        f"{_rounded(now.outside_us)} in all and {_rounded(now.longest_us)} at once"
    )
    return settled(
        scope,
        scope.close,
        true=scope.tick >= question.last and _holds(leaf, now, length),
        possible=_holds(leaf, best, length),
        witnesses=(),
        why=why,
        needs=needs,
        others=named,
    )


def _holds(leaf: Telemetry, one: Exposure, length: int) -> bool:
    return (
        one.covered_us * BP >= length * leaf.min_coverage_bp
        and one.outside_us <= duration_us(leaf.max_excursion)
        and one.longest_us <= duration_us(leaf.max_single)
    )


def _rounded(us: int) -> str:
    """Up to whole seconds: what is too much must not look allowed."""
    return duration_text(-(-us // 1_000_000) * 1_000_000)


# ---- absence


def absent(leaf: Absent, evidence: Evidence, scope: Scope) -> Outcome:
    """Decided when its window has closed: TRUE when nothing in it stands or may stand. What stands
    makes it FALSE, once the tranche has closed, too; never before.
    """
    end, named = _window_end(leaf, evidence, scope)
    found = tuple(_in_window(leaf, evidence, scope, end))
    stands = [one for one in found if one.how == "contrary"]
    is_over = end is not None and end[1] <= scope.long_stop and end[2] and not scope.tolling
    too_late = scope.passed(scope.long_stop) and not is_over
    value: Value = "UNKNOWN"
    cause: Cause | None = heaviest(found, "WINDOW")
    if is_over and not found:
        value, cause = "TRUE", None
    elif too_late or (is_over and stands and scope.passed(scope.close)):
        value, cause = "FALSE", None
    when = "the challenge window" if leaf.during == "CHALLENGE" else _between(leaf.during)
    seen = ", ".join(sorted(one.fact.name for one in found))
    why = f"{leaf.type} during {when}: " + (seen or ("none" if is_over else "none so far"))
    waits = f"no {leaf.type} during {when}, decided when it has closed"
    return Outcome(
        value=value,
        cause=cause,
        why=why,
        needs=None if value != "UNKNOWN" else f"{seen} to be retracted" if is_over else waits,
        until=None if value != "UNKNOWN" or end is None or is_over else end[1],
        witnesses=found,
        others=named,
    )


def _between(during: tuple[When, When]) -> str:
    return f"{_shown(during[0])} to {_shown(during[1])}"


End = tuple[tuple[int, int] | None, int, bool]
"""(first and last instant at which it has to have happened; None = whenever, the last instant at
which it has to have arrived, whether the window is over)."""


def _window_end(leaf: Absent, evidence: Evidence, scope: Scope) -> tuple[End | None, Named]:
    """None = it is not open, or nobody knows when it ends."""
    if leaf.during == "CHALLENGE":
        end = scope.challenge_end
        return None if end is None else (None, end, scope.tick >= end), ()
    named = _anchors(evidence, *leaf.during)
    first, last = (resolve(one, evidence).at for one in leaf.during)
    if first is None or last is None or last < first:
        return None, named
    close = last + scope.grace_us
    return ((first, last), close, scope.tick > close), named


def _in_window(
    leaf: Absent, evidence: Evidence, scope: Scope, end: End | None
) -> Iterator[Witness]:
    """What stands or may stand against the leaf. Before the window is known nothing is left out."""
    span, close = (None, _FOREVER) if end is None else end[:2]

    def is_in(one: Statement) -> bool:
        latest = one.last + one.grain_us
        overlaps = span is None or (one.first <= span[1] and latest >= span[0])
        return one.type == leaf.type and overlaps

    for fact in evidence.of_type(leaf.type):
        in_time = tuple([one for one in fact.statements if is_in(one) and one.arrival <= close])
        if not in_time:
            continue
        if fact.current is not None and is_in(fact.current):
            yield Witness(fact=fact, how="contrary", may=(fact.current,))
        elif fact.standing in ("CONFLICTED", "VOID"):
            yield Witness(fact=fact, how="in doubt", may=in_time)


# ---- time


def time(leaf: Time, evidence: Evidence, scope: Scope) -> Outcome:
    """TRUE while the tick lies within. A `not_after` that has passed is final at once, unless the
    claim is fixed; a `not_before` later than the close of the tranche never comes.
    """
    first = _end(leaf.not_before, evidence)
    last = None if scope.fixed else _end(leaf.not_after, evidence)
    begun = first is None or (first.at is not None and first.at <= min(scope.tick, scope.close))
    not_over = last is None or (last.at is not None and scope.tick <= last.at)
    is_past = last is not None and last.at is not None and scope.passed(last.at)
    unknown = [one for one in (first, last) if one is not None and one.at is None]
    can_begin = first is None or first.at is None or first.at <= scope.close
    possible = bool(unknown) and can_begin and all(one.may_return for one in unknown)
    ends = [
        f"{name} {_told(when, evidence, scope)}"
        for name, when in (("from", leaf.not_before), ("to", leaf.not_after))
        if when is not None
    ]
    return settled(
        scope,
        last.at if is_past and last is not None and last.at is not None else scope.close,
        true=begun and not_over,
        possible=possible and not is_past,
        witnesses=(),
        why=f"it is {shown_time(scope.tick, scope)}",
        needs=f"a tick {' '.join(ends)}",
        others=_anchors(evidence, leaf.not_before, leaf.not_after),
    )


def _end(when: When | None, evidence: Evidence) -> Resolved | None:
    return None if when is None else resolve(when, evidence)
