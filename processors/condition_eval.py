"""A condition over evidence at a tick, three-valued: TRUE releases, UNKNOWN waits, FALSE can no
longer become true.

Groups combine by Kleene's logic. As nothing is negated, that is exact: a group is FALSE iff no
completion of its open leaves makes it TRUE.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import condition_leaves as leaves
from supplytwin.processors import condition_windows as windows
from supplytwin.processors.condition_counting import Cause, Outcome, Value
from supplytwin.processors.condition_view import Evidence, Scope, said, shown_time
from supplytwin.schemas.condition import (
    Absent,
    All,
    AnyOf,
    Approval,
    Asset,
    AtLeast,
    Carbon,
    Condition,
    Document,
    Leaf,
    Milestone,
    Quality,
    Quantity,
    Telemetry,
    Time,
    children,
    operator,
    walked,
)


class Node(Struct, frozen=True, kw_only=True, gc=False):
    """One condition of the tree and what it comes to."""

    path: str
    operator: str
    value: Value


class Explained(Struct, frozen=True, kw_only=True, gc=False):
    """One leaf and why."""

    path: str
    operator: str
    value: Value
    cause: Cause | None
    """Of UNKNOWN."""
    why: str
    needs: str | None
    """What would make it TRUE; None = it is, or nothing can any more."""
    until: int | None
    """By when that has to have arrived, us UTC."""
    evidence: tuple[tuple[str, str], ...]
    """(``source/event_id``, how it bears on the leaf), sorted."""


class Evaluation(Struct, frozen=True, kw_only=True, gc=False):
    """A condition at a tick."""

    value: Value
    matches: Value
    """The value when every `absent` during CHALLENGE that nothing speaks against yet is taken as
    TRUE: it opens the window."""
    nodes: tuple[Node, ...]
    """Every condition of the tree, in the order of the document."""
    leaves: tuple[Explained, ...]
    evidence_hash: str
    """Hex SHA-256 over all the evidence that bears on a leaf, whatever the tick."""
    waits: bool
    """Of `matches` UNKNOWN: everything that keeps it so is a leaf whose own time is not over yet;
    nothing that is withdrawn, contradicted or unsure has to do with it."""


def evaluate(node: Condition, evidence: Evidence, scope: Scope) -> Evaluation:
    """A condition at the tick of `scope`. Pure. Raises ValueError for evidence that says two things
    under one identity.
    """
    found = {
        path: _outcome(leaf, evidence, scope)
        for path, leaf in walked(node)
        if not isinstance(leaf, All | AnyOf | AtLeast)
    }
    values: dict[str, Value] = {path: one.value for path, one in found.items()}
    nodes: list[Node] = []
    value = _value(node, "$", values, nodes)
    open_leaves: dict[str, Value] = {
        path: _as_open(leaf, values[path], evidence, scope)
        for path, leaf in walked(node)
        if isinstance(leaf, Absent) and leaf.during == "CHALLENGE"
    }
    matched: list[Node] = []
    matches = _value(node, "$", {**values, **open_leaves}, matched)
    waiting = {path for path, one in found.items() if _is_open(one, scope)} - open_leaves.keys()
    return Evaluation(
        value=value,
        matches=matches,
        nodes=tuple(nodes),
        leaves=tuple(
            _explained(path, operator(leaf), found[path])
            for path, leaf in walked(node)
            if path in found
        ),
        evidence_hash=_hash(found.values()),
        waits=not _doubted(node, "$", {one.path: one.value for one in matched}, waiting),
    )


def true_paths(node: Condition, found: Evaluation) -> frozenset[str]:
    """Which conditions of the tree are TRUE; where the whole is not, as if every approval was."""
    values: dict[str, Value] = {one.path: one.value for one in found.leaves}
    for path, leaf in walked(node):
        if isinstance(leaf, Approval) and found.matches != "TRUE":
            values[path] = "TRUE"
    nodes: list[Node] = []
    _value(node, "$", values, nodes)
    return frozenset(one.path for one in nodes if one.value == "TRUE")


def _as_open(leaf: Absent, value: Value, evidence: Evidence, scope: Scope) -> Value:
    """What an `absent` during CHALLENGE is to a match: open, unless something speaks against it
    already, whenever that arrived. Nothing is matched on goods that are seized.
    """
    now = windows.absent(leaf, evidence, replace(scope, challenge_end=None))
    if not now.witnesses and value != "FALSE":
        return "TRUE"
    return "UNKNOWN" if value == "TRUE" else value


def _outcome(leaf: Leaf, evidence: Evidence, scope: Scope) -> Outcome:
    match leaf:
        case Milestone():
            return leaves.milestone(leaf, evidence, scope)
        case Quantity():
            return leaves.quantity(leaf, evidence, scope)
        case Quality() | Carbon() | Document() | Asset():
            return leaves.last_word(leaf, evidence, scope)
        case Approval():
            return leaves.approval(leaf, evidence, scope)
        case Telemetry():
            return windows.telemetry(leaf, evidence, scope)
        case Absent():
            return windows.absent(leaf, evidence, scope)
        case Time():
            return windows.time(leaf, evidence, scope)


def _is_open(one: Outcome, scope: Scope) -> bool:
    """Whether a leaf waits for nothing but its own time, of which the end is known."""
    known = one.until is not None and one.until <= scope.long_stop
    return known and one.cause in ("OPEN", "WINDOW")


# ---- the tree


def at_least(k: int, values: Sequence[Value]) -> Value:
    """TRUE when k of them are, FALSE when fewer than k still can be."""
    if values.count("TRUE") >= k:
        return "TRUE"
    return "FALSE" if len(values) - values.count("FALSE") < k else "UNKNOWN"


def _value(node: Condition, path: str, values: Mapping[str, Value], nodes: list[Node]) -> Value:
    """The value of a condition by those of its leaves; it and all inside of it go to `nodes`."""
    place = len(nodes)
    inner: list[Value] = [
        _value(child, where, values, nodes) for where, child in children(node, path)
    ]
    match node:
        case All():
            found = at_least(len(inner), inner)
        case AnyOf():
            found = at_least(1, inner)
        case AtLeast():
            found = at_least(node.k, inner)
        case _:
            found = values[path]
    nodes.insert(place, Node(path=path, operator=operator(node), value=found))
    return found


def _doubted(node: Condition, path: str, values: Mapping[str, Value], waiting: Set[str]) -> bool:
    """Whether anything that keeps a condition UNKNOWN is a leaf that is not among the waiting.
    What lies in a group that is decided keeps nothing.
    """
    if values[path] != "UNKNOWN":
        return False
    inner = list(children(node, path))
    if not inner:
        return path not in waiting
    return any(_doubted(child, where, values, waiting) for where, child in inner)


# ---- what it rests on


def _explained(path: str, name: str, one: Outcome) -> Explained:
    seen = {(witness.fact.name, str(witness.how)) for witness in one.witnesses}
    seen |= {(other, "counts") for other, _ in one.others}
    return Explained(
        path=path,
        operator=name,
        value=one.value,
        cause=one.cause,
        why=one.why,
        needs=one.needs,
        until=one.until,
        evidence=tuple(sorted(seen)),
    )


def _hash(outcomes: Iterable[Outcome]) -> str:
    """Over each piece of evidence once, sorted: neither its order nor its number counts."""
    lines = set[bytes]()
    for one in outcomes:
        lines |= {b"fact\0" + said(witness.fact.spelled) for witness in one.witnesses}
        lines |= {b"other\0" + name.encode() + b"\0" + content for name, content in one.others}
    digest = hashlib.sha256()
    for line in sorted(lines):
        digest.update(len(line).to_bytes(8, "big") + line)
    return digest.hexdigest()


def explain(found: Evaluation, scope: Scope) -> tuple[str, ...]:
    """One line for each leaf: where it is, its value, why, on what, what it waits for and until
    when.
    """
    return tuple(_line(leaf, scope) for leaf in found.leaves)


def _line(leaf: Explained, scope: Scope) -> str:
    cause = f" ({leaf.cause})" if leaf.cause is not None else ""
    line = f"{leaf.path} {leaf.operator} {leaf.value}{cause}: {leaf.why}"
    if leaf.evidence:
        line += f" [{', '.join(f'{name} {how}' for name, how in leaf.evidence)}]"
    if leaf.needs is not None:
        line += f"; waits for {leaf.needs}"
    if leaf.until is not None:
        line += f", until {shown_time(leaf.until, scope)}"
    return line
