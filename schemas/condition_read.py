"""Reads a condition from JSON: every finding at once, each with its JSON path."""

from typing import Any, Literal

from supplytwin.schemas import strict
from supplytwin.schemas.condition import (
    BP,
    DEPTH_MAX,
    LEAVES,
    NODES_MAX,
    OPERATORS,
    Absent,
    All,
    AnyOf,
    Approval,
    AtLeast,
    Condition,
    Document,
    Form,
    Milestone,
    Name,
    Quantity,
    Telemetry,
    Time,
    When,
    spelled,
)
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.findings import Finding, below, in_order, shown
from supplytwin.schemas.json_exact import parsed
from supplytwin.schemas.json_text import Twice

_LOOKED_AT_MAX = 4 * NODES_MAX
"""Whatever stands behind so many is not looked at: the work for one text must have a bound."""


class _AtLeastHead(Form, frozen=True, kw_only=True):
    k: int
    of: tuple[str, ...]


class _AbsentChallenge(Form, frozen=True, kw_only=True):
    type: Name
    during: Literal["CHALLENGE"]


class _AbsentWithin(Form, frozen=True, kw_only=True):
    type: Name
    during: tuple[When, ...]


def _without_conditions(value: dict[str, Any]) -> dict[str, Any]:
    """The head of an `at_least`; names that stand twice still do."""
    if not isinstance(value, Twice):
        return {**value, "of": []}
    made = Twice({**value, "of": []})
    made.names = value.names
    return made


def read(raw: bytes) -> strict.Read[Condition]:
    """One condition of a JSON text, in its one spelling; `value` is None unless it has no finding.
    Never raises for what stands in `raw`.
    """
    if len(raw) > strict.MAX_BYTES:
        says = f"is larger than {strict.MAX_BYTES} bytes: split it"
        return strict.Read(value=None, findings=(Finding(path="$", code="MALFORMED", says=says),))
    try:
        value = parsed(raw, odd=True)
    except RecordError as error:
        return strict.Read(value=None, findings=(strict.not_read(error),))
    node, findings = checked(value, "$")
    return strict.Read(value=node, findings=in_order(findings))


def checked(value: Any, path: str) -> tuple[Condition | None, list[Finding]]:
    """A value of `json_exact.parsed` at `path` as a condition, None when anything in it is wrong;
    and what is.
    """
    reader = _Reader()
    node = reader.node(value, path, 1)
    if reader.nodes > NODES_MAX:
        says = f"has more than {NODES_MAX} conditions: leave some out"
        reader.findings.insert(0, Finding(path=path, code="RANGE", says=says))
    return (None if reader.findings else node), reader.findings


class _Reader:
    """Goes down a condition, collects what is wrong and counts."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.nodes = 0

    def _found(self, path: str, code: str, value: Any, expected: str, says: str) -> None:
        self.findings.append(
            Finding(path=path, code=code, stated=shown(value), expected=expected, says=says)
        )

    def node(self, value: Any, path: str, depth: int) -> Condition | None:
        """None where something in it is wrong; what is deeper than DEPTH_MAX is not read."""
        self.nodes += 1
        if self.nodes > _LOOKED_AT_MAX:
            return None
        if depth > DEPTH_MAX:
            says = f"lies deeper than {DEPTH_MAX} conditions: flatten it"
            self.findings.append(Finding(path=path, code="RANGE", says=says))
            return None
        if not isinstance(value, dict) or len(value) != 1 or hasattr(value, "names"):
            expected = "an object with one member"
            self._found(path, "TYPE", value, expected, "write one operator and what it is about")
            return None
        (name, body), where = next(iter(value.items())), below(path, next(iter(value)))
        if name in ("all", "any"):
            of = self._list(body, where, depth)
            return None if of is None else All(of=of) if name == "all" else AnyOf(of=of)
        if name == "at_least":
            return self._at_least(body, where, depth)
        if name not in LEAVES:
            self._found(where, "WORD", name, " | ".join(OPERATORS), "there is no such operator")
            return None
        return self._leaf(name, body, where)

    def _list(self, value: Any, path: str, depth: int) -> tuple[Condition, ...] | None:
        if not isinstance(value, list):
            self._found(path, "TYPE", value, "a list", "write a list of conditions")
            return None
        if not value:
            self._found(path, "EMPTY", value, "at least one condition", "fill it")
            return None
        made = [self.node(one, below(path, at), depth + 1) for at, one in enumerate(value)]
        found = tuple([one for one in made if one is not None])
        return found if len(found) == len(made) else None

    def _at_least(self, value: Any, path: str, depth: int) -> AtLeast | None:
        of = None
        if isinstance(value, dict) and "of" in value:
            of = self._list(value["of"], below(path, "of"), depth)
            value = _without_conditions(value)
        head, findings = strict.checked(value, _AtLeastHead, path)
        self.findings += findings
        if head is None or not self._positive(head.k, below(path, "k")) or of is None:
            return None
        return AtLeast(k=head.k, of=of)

    def _leaf(self, name: str, body: Any, path: str) -> Condition | None:
        kind: type[Any] = LEAVES[name]
        if kind is Absent:
            is_list = isinstance(body, dict) and isinstance(body.get("during"), list)
            kind = _AbsentWithin if is_list else _AbsentChallenge
        made, findings = strict.checked(body, kind, path)
        self.findings += findings
        if made is None:
            return None
        before = len(self.findings)
        self._together(made, path)
        if len(self.findings) > before:
            return None
        if isinstance(made, _AbsentChallenge):
            return Absent(type=made.type, during="CHALLENGE")
        if isinstance(made, _AbsentWithin):
            first, last = made.during
            made = Absent(type=made.type, during=(first, last))
        node: Condition = spelled(made)
        return node

    def _positive(self, value: int, path: str, most: int | None = None) -> bool:
        if value >= 1 and (most is None or value <= most):
            return True
        expected = "at least 1" if most is None else f"1 to {most}"
        self._found(path, "RANGE", value, expected, "correct it")
        return False

    def _together(self, made: Any, path: str) -> None:
        """What a leaf's types cannot say."""
        match made:
            case Milestone():
                self._positive(made.by.k, f"{path}.by.k")
                self._only_true(made.by.distinct_orgs, f"{path}.by.distinct_orgs")
            case Document():
                self._only_true(made.unique, f"{path}.unique")
            case Approval():
                self._positive(made.k, f"{path}.k")
            case Telemetry():
                self._positive(made.min_coverage_bp, f"{path}.min_coverage_bp", BP)
            case Quantity():
                if (made.value is None) == (made.pct_of_ordered_bp is None):
                    expected = "value or pct_of_ordered_bp, one of them"
                    self._found(path, "EXCLUSIVE", made.measure, expected, "write one of them")
                elif made.pct_of_ordered_bp is not None:
                    self._positive(made.pct_of_ordered_bp, f"{path}.pct_of_ordered_bp")
            case Time():
                if made.not_before is None and made.not_after is None:
                    says = "says nothing: write not_before, not_after or both"
                    self.findings.append(Finding(path=path, code="EMPTY", says=says))
            case _AbsentWithin():
                if len(made.during) != 2:
                    stated, where = len(made.during), f"{path}.during"
                    self._found(where, "TYPE", stated, "two times", "write from and to")

    def _only_true(self, value: bool, path: str) -> None:
        if not value:
            self._found(path, "WORD", value, "true", "nothing else is safe: write true")
