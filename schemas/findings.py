"""What is wrong in a JSON document: each thing with its JSON path, in one order."""

import json
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from msgspec import Struct

_MOST_FINDINGS = 1000
_SHOWN = 80
_NAME = re.compile(r"[A-Za-z_]\w*")


class Finding(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One thing that is wrong: where (JSON path), which kind of thing, and what to do (`says`).

    Of a value: what is `stated` and what was `expected`; `delta` = stated - expected, of numbers.
    """

    path: str
    code: str
    says: str
    stated: str | None = None
    expected: str | None = None
    delta: str | None = None

    @property
    def line(self) -> str:
        """All of it but path and code."""
        if self.stated is None:
            return self.says
        return f"is {self.stated}, expected {self.expected}: {self.says}"


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once, in the order of the document: place 2 before place 10."""
    return tuple(sorted(set(findings), key=lambda one: (place(one.path), one.code, one.says)))


def shortened(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """At most 1,000 of them, and then how many more there are."""
    if len(findings) <= _MOST_FINDINGS:
        return tuple(findings)
    says = f"and {len(findings) - _MOST_FINDINGS} more findings: deal with these first"
    return (*findings[:_MOST_FINDINGS], Finding(path="$", code="MORE", says=says))


def place(path: str) -> list[tuple[int, str]]:
    """Sorts paths: [2] before [10]."""
    steps = re.split(r"[.\[\]]+", path)
    return [(int(step), "") if step.isdecimal() else (-1, step) for step in steps]


def below(path: str, name: str | int) -> str:
    """The JSON path of a member of what is at `path`."""
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if _NAME.fullmatch(name) else f"{path}[{_quoted(name[:_SHOWN])}]"


def shown(value: Any) -> str:
    """A JSON value as its own text, shortened; what is no character of a line is escaped."""
    if isinstance(value, Decimal):
        return str(value)[:_SHOWN]
    try:
        text = _quoted(value)
    except RecursionError:
        return "something that is nested too deeply"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _quoted(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    if text.isprintable():
        return text
    return json.dumps(value, separators=(",", ":"), default=str)
