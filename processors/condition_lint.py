"""What is wrong with a condition that reads well: leaves that can never be TRUE, conditions that
exclude each other, and what is hardly meant. In words, each with its JSON path.

NEVER_TRUE and CONTRADICTION are faults; DUPLICATE and DOUBTFUL ask whether it is meant.
"""

from collections.abc import Iterator, Mapping

from supplytwin.processors.condition_view import Ordered, Scope, shown_time
from supplytwin.schemas.condition import (
    BP,
    Absent,
    All,
    Anchor,
    AnyOf,
    Approval,
    AtLeast,
    Condition,
    Instant,
    Milestone,
    Quantity,
    Telemetry,
    Time,
    When,
    children,
    encode,
    micros,
    walked,
)
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.durations import duration_us
from supplytwin.schemas.findings import Finding, in_order

NEVER, EXCLUDES, TWICE, DOUBTFUL = "NEVER_TRUE", "CONTRADICTION", "DUPLICATE", "DOUBTFUL"
FAULTS = (NEVER, EXCLUDES)


def lint(node: Condition, scope: Scope | None = None) -> tuple[Finding, ...]:
    """Everything there is to say of a condition, in its order. Without `scope` nothing is said
    about the tranche's window, the long stop and the lines; its tick does not matter.
    """
    found = [*_duplicates(node), *_excluded(node)]
    for path, one in walked(node):
        found += _alone(one, path)
        if scope is not None:
            found += _within(one, path, scope)
    never = {one.path for one in found if one.code in FAULTS}
    if not _can_be_true(node, "$", never):
        says = "as a whole it can never be TRUE: nothing would ever be paid on it"
        found.append(Finding(path="$", code=NEVER, says=says))
    return in_order(found)


def _found(path: str, code: str, says: str) -> Finding:
    return Finding(path=path, code=code, says=says)


# ---- one condition by itself


def _alone(node: Condition, path: str) -> Iterator[Finding]:
    """What can be said without knowing the tranche."""
    match node:
        case AtLeast() if node.k > len(node.of):
            says = f"asks for {node.k} of {len(node.of)} conditions: lower k, or add some"
            yield _found(f"{path}.at_least.k", NEVER, says)
        case Milestone() if node.by.k > len(node.by.roles):
            yield _found(f"{path}.milestone.by.k", NEVER, _too_many(node.by.k, node.by.roles))
        case Approval() if node.k > len(node.roles):
            yield _found(f"{path}.approval.k", NEVER, _too_many(node.k, node.roles))
        case Telemetry():
            yield from _telemetry(node, f"{path}.telemetry")
        case Absent() if node.during != "CHALLENGE" and _is_before(node.during[1], node.during[0]):
            says = "ends before it begins, so it never closes: swap its ends"
            yield _found(f"{path}.absent.during", NEVER, says)
        case Time(not_before=first, not_after=last) if first is not None and last is not None:
            if _is_before(last, first):
                says = "is before not_before: no tick is within"
                yield _found(f"{path}.time.not_after", NEVER, says)


def _too_many(k: int, roles: tuple[str, ...]) -> str:
    return (
        f"asks for {k} organisations, each in another of {len(roles)} roles "
        f"({', '.join(roles)}): lower k, or name more roles"
    )


def _telemetry(leaf: Telemetry, path: str) -> Iterator[Finding]:
    if leaf.min > leaf.max:
        says = f"is more than max ({plain(leaf.max)}): every reading would be outside"
        yield _found(f"{path}.min", NEVER, says)
    if _is_before(leaf.to, leaf.from_) or leaf.to == leaf.from_:
        yield _found(f"{path}.to", NEVER, "is not after from: nothing can be measured")
    if duration_us(leaf.max_single) > duration_us(leaf.max_excursion):
        says = f"is longer than max_excursion ({leaf.max_excursion}), which is reached first"
        yield _found(f"{path}.max_single", DOUBTFUL, says)


def _is_before(one: When, other: When) -> bool:
    """Whether it surely is: two instants, or two times after one anchor."""
    if isinstance(one, Anchor) and isinstance(other, Anchor):
        same = one.anchor == other.anchor
        return same and duration_us(one.plus) < duration_us(other.plus)
    if isinstance(one, Anchor) or isinstance(other, Anchor):
        return False
    return micros(one) < micros(other)


# ---- one condition in the window of its tranche


def _within(node: Condition, path: str, scope: Scope) -> Iterator[Finding]:
    """What the deadline, the grace, the long stop and the lines have to do with it."""
    match node:
        case Milestone(before=str(before)) if micros(before) > scope.deadline:
            says = f"is after the deadline ({_at(scope.deadline, scope)}), which counts anyway"
            yield _found(f"{path}.milestone.before", DOUBTFUL, says)
        case Quantity():
            yield from _quantity(node, f"{path}.quantity", scope)
        case Telemetry(to=str(last)) if micros(last) > scope.close:
            says = f"is after the close ({_at(scope.close, scope)}): no reading of then counts"
            yield _found(f"{path}.telemetry.to", NEVER, says)
        case Absent(during=(_, str(last))):
            yield from _absent(last, f"{path}.absent.during[1]", scope)
        case Approval(deadline=str(deadline)) if micros(deadline) > scope.long_stop:
            says = f"is after the long stop ({_at(scope.long_stop, scope)}), which counts anyway"
            yield _found(f"{path}.approval.deadline", DOUBTFUL, says)
        case Time(not_before=str(first)) if micros(first) > scope.close:
            says = f"is after the close ({_at(scope.close, scope)}): it is FALSE by then"
            yield _found(f"{path}.time.not_before", NEVER, says)


def _at(moment: int, scope: Scope) -> str:
    return shown_time(moment, scope)


def _quantity(leaf: Quantity, path: str, scope: Scope) -> Iterator[Finding]:
    ordered = next((one for one in scope.lines if one.line == leaf.line), None)
    if ordered is None:
        known = ", ".join(one.line for one in scope.lines) or "none"
        says = f"is no line of the terms ({known}): nothing would ever count"
        yield _found(f"{path}.line", NEVER, says)
    elif _is_more(leaf, ordered):
        says = f"is more than the {plain(ordered.qty)} {ordered.unit} that are ordered"
        name = "value" if leaf.value is not None else "pct_of_ordered_bp"
        yield _found(f"{path}.{name}", DOUBTFUL, says)


def _is_more(leaf: Quantity, ordered: Ordered) -> bool:
    if leaf.value is not None:
        return leaf.value > ordered.qty
    return (leaf.pct_of_ordered_bp or 0) > BP


def _absent(last: Instant, path: str, scope: Scope) -> Iterator[Finding]:
    close = micros(last) + scope.grace_us
    if close > scope.long_stop:
        stop = _at(scope.long_stop, scope)
        says = f"and the grace are after the long stop ({stop}): the window never closes"
        yield _found(path, NEVER, says)
    elif close > scope.close:
        says = f"and the grace are after the close ({_at(scope.close, scope)}): it is decided later"
        yield _found(path, DOUBTFUL, says)


# ---- conditions beside each other


def _duplicates(node: Condition, path: str = "$") -> Iterator[Finding]:
    """Two that are the same in one group; in an `at_least` one proof would count twice."""
    seen: dict[bytes, str] = {}
    for where, child in children(node, path):
        first = seen.setdefault(encode(child), where)
        if first != where:
            yield _found(where, TWICE, f"is the same as {first}: leave one out")
        else:
            yield from _duplicates(child, where)


def _excluded(node: Condition, path: str = "$") -> Iterator[Finding]:
    """What cannot be TRUE together, in every `all` with those directly inside of it."""
    if isinstance(node, All):
        together = dict(_together(node, path))
        yield from _times(together)
        yield from _against(together)
    for where, child in children(node, path):
        if not (isinstance(node, All) and isinstance(child, All)):
            yield from _excluded(child, where)
        else:
            for below, inner in children(child, where):
                yield from _excluded(inner, below)


def _together(node: Condition, path: str) -> Iterator[tuple[str, Condition]]:
    """All conditions that an `all` asks for, those of an `all` inside of it, too."""
    for where, child in children(node, path):
        if isinstance(child, All):
            yield from _together(child, where)
        else:
            yield where, child


def _times(together: Mapping[str, Condition]) -> Iterator[Finding]:
    """No tick is within all of them; or what has to be before lies before what may not be yet."""
    firsts = {
        path: micros(leaf.not_before)
        for path, leaf in together.items()
        if isinstance(leaf, Time) and isinstance(leaf.not_before, str)
    }
    if not firsts:
        return
    latest = max(firsts, key=lambda path: firsts[path])
    for path, leaf in together.items():
        match leaf:
            case Time(not_after=str(last)) if micros(last) < firsts[latest] and path != latest:
                says = f"is before not_before at {latest}: no tick is within both"
                yield _found(f"{path}.time.not_after", EXCLUDES, says)
            case Milestone(before=str(before)) if micros(before) < firsts[latest]:
                says = f"is before not_before at {latest}: proven by then, and paid only later?"
                yield _found(f"{path}.milestone.before", DOUBTFUL, says)


def _against(together: Mapping[str, Condition]) -> Iterator[Finding]:
    """A milestone that must be told, and that nobody may tell in the challenge window: there every
    fact of the type counts, whenever it happened.
    """
    told = {leaf.type: path for path, leaf in together.items() if isinstance(leaf, Milestone)}
    for path, leaf in together.items():
        if isinstance(leaf, Absent) and leaf.during == "CHALLENGE" and leaf.type in told:
            says = f"is asked for at {told[leaf.type]}: both are never TRUE"
            yield _found(f"{path}.absent.type", EXCLUDES, says)


# ---- what follows


def _can_be_true(node: Condition, path: str, never: set[str]) -> bool:
    """Whether a condition can, when what is at or in `never` cannot. Of two that exclude each other
    one is in it.
    """
    inner = [_can_be_true(child, where, never) for where, child in children(node, path)]
    match node:
        case All():
            return all(inner)
        case AnyOf():
            return any(inner)
        case AtLeast():
            return sum(inner) >= node.k
    return not any(one == path or one.startswith(f"{path}.") for one in never)
