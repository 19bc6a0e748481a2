"""Reads contract terms from JSON: every finding at once, each with its JSON path."""

import re
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import inspect

from supplytwin.schemas import condition_read, strict
from supplytwin.schemas.condition import AnyOf
from supplytwin.schemas.contract import (
    LATER,
    LATER_RULES,
    ContractTerms,
    Tranche,
    encode,
    spelled,
)
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.findings import Finding, below, in_order
from supplytwin.schemas.json_exact import Number, parsed
from supplytwin.schemas.json_text import Twice
from supplytwin.schemas.money import MINOR_MAX

T = TypeVar("T")
LIST_MAX = 1_000
"""Elements of one list: the work for one contract must have a bound."""
_DEPTH_MAX = 8
"""Of a parameter's value."""
_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_REFUSED = "belong to a later version of these terms: leave them out"


def read(raw: bytes) -> strict.Read[ContractTerms]:
    """The terms of a JSON text, in their one spelling; `value` is None unless there is no finding.
    Never raises for what stands in `raw`.
    """
    if len(raw) > strict.MAX_BYTES:
        says = f"is larger than {strict.MAX_BYTES} bytes: split it"
        return strict.Read(value=None, findings=(Finding(path="$", code="MALFORMED", says=says),))
    try:
        value = parsed(raw, odd=True)
    except RecordError as error:
        return strict.Read(value=None, findings=(strict.not_read(error),))
    return checked(value)


def checked(value: Any) -> strict.Read[ContractTerms]:
    """The same of a value of `json_exact.parsed`."""
    walker = _Walker()
    made = walker.walk(value, _form_of(ContractTerms), "$")
    if walker.findings:
        return strict.Read(value=None, findings=in_order(walker.findings))
    return strict.Read(value=spelled(msgspec.convert(made, ContractTerms)), findings=())


def checked_as(value: Any, kind: type[T], path: str) -> tuple[T | None, list[Finding]]:
    """A value of `parsed` as another Struct of these types, None when something in it is wrong;
    and what is.
    """
    walker, known = _Walker(), cast(Any, kind)
    made = walker.walk(value, _form_of(known), path)
    return None if walker.findings else msgspec.convert(made, kind), walker.findings


def decode(canonical: bytes) -> ContractTerms:
    """Terms from canonical bytes, as the parties signed them. Raises RecordError(BAD_TERMS) with
    the path of the first finding; also when the bytes are right terms in another spelling.
    """
    found = read(canonical)
    if found.value is None:
        first = found.findings[0]
        raise RecordError(Code.BAD_TERMS, first.path, first.line)
    if encode(found.value) != canonical:
        reason = "not in canonical form: sign and send what `contract sign` makes of it"
        raise RecordError(Code.BAD_TERMS, "$", reason)
    return found.value


@cache
def _form_of(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


class _Walker(strict._Walker):
    """The strict reader, with what only these terms have: conditions, choices by a `rule`, money
    of 64 bits, numbers with bounds, and parts that are refused by their names.
    """

    def walk(self, value: Any, kind: inspect.Type, path: str, extra: Any = None) -> Any:
        """See strict; what was read stands for a condition."""
        if isinstance(kind, inspect.AnyType):
            node, findings = condition_read.checked(value, path)
            self.findings += findings
            return AnyOf(of=()) if node is None else node
        return super().walk(value, kind, path, extra)

    def _simple(self, value: Any, kind: inspect.Type, path: str) -> Any:
        match kind:
            case inspect.IntType():
                return self._whole(value, kind, path)
            case inspect.DictType() if isinstance(value, dict):
                wrong = len(self.findings)
                self._foreign(value, path, 1)
                return {} if len(self.findings) > wrong else super()._simple(value, kind, path)
            case _:
                return super()._simple(value, kind, path)

    def _whole(self, value: Any, kind: inspect.IntType, path: str) -> int:
        least = -MINOR_MAX if kind.ge is None else kind.ge
        most = MINOR_MAX if kind.le is None else kind.le
        if not isinstance(value, Number) or not _WHOLE.fullmatch(str(value)):
            expected = f"a whole number, {least} to {most}"
            self._found(path, "TYPE", value, expected, "write a JSON number without a point")
            return 1
        number = int(str(value))
        if not least <= number <= most:
            self._found(path, "RANGE", value, f"{least} to {most}", "correct it")
            return 1
        return number

    def _foreign(self, value: Any, path: str, depth: int) -> None:
        """What cannot be written again in the one spelling, in the value of a parameter."""
        if depth > _DEPTH_MAX:
            says = f"lies deeper than {_DEPTH_MAX} objects and lists: flatten it"
            self.findings.append(Finding(path=path, code="RANGE", says=says))
        elif isinstance(value, dict):
            if isinstance(value, Twice):
                self._strangers(value, list(value), path)
            for name, one in value.items():
                if not name.isprintable():
                    self._found(path, "PATTERN", name, "no control characters", "leave it out")
                self._foreign(one, below(path, name), depth + 1)
        elif isinstance(value, list):
            self._few(value, path)
            for at, one in enumerate(value[:LIST_MAX]):
                self._foreign(one, below(path, at), depth + 1)
        elif isinstance(value, Number) and not _WHOLE.fullmatch(str(value)):
            says = "write a decimal as text: numbers lose digits on the way"
            self._found(path, "DECIMAL_NUMBER", value, "a whole number of 19 digits", says)
        elif isinstance(value, str) and not value.isprintable():
            self._found(path, "PATTERN", value, "no control characters", "leave them out")

    def _few(self, value: list[Any], path: str, most: int = LIST_MAX) -> bool:
        if len(value) <= most:
            return True
        says = "nothing can be decided on so many: split the contract"
        self._found(path, "RANGE", Number(str(len(value))), f"at most {most} elements", says)
        return False

    def _list(
        self, value: Any, kind: inspect.VarTupleType, path: str, extra: dict[str, Any]
    ) -> Any:
        if isinstance(value, list):
            if not self._few(value, path, kind.max_length or LIST_MAX):
                return []
            least = kind.min_length or 0
            if value and len(value) < least:
                expected = f"at least {least} elements"
                self._found(path, "EMPTY", value, expected, "add what is missing")
        return super()._list(value, kind, path, extra)

    def _union(self, value: Any, kind: inspect.UnionType, path: str) -> Any:
        structs = [one for one in kind.types if isinstance(one, inspect.StructType)]
        if len(structs) > 1:
            return self._by_rule(value, structs, path)
        words = [one for one in kind.types if isinstance(one, inspect.LiteralType)]
        if words and isinstance(value, str):
            return self._word(value, words[0], path, words[0].values)
        return super()._union(value, kind, path)

    def _by_rule(self, value: Any, structs: list[inspect.StructType], path: str) -> Any:
        """An amount: its `rule` says which one it is."""
        if not isinstance(value, dict):
            return self._no_object(value, structs[0], path)
        rules = {str(one.tag): one for one in structs}
        if "rule" not in value:
            says = "is missing: the field is required"
            self.findings.append(Finding(path=below(path, "rule"), code="MISSING_FIELD", says=says))
            return {}
        rule = value["rule"]
        if isinstance(rule, str) and rule in LATER_RULES:
            self._found(below(path, "rule"), "LATER", rule, " | ".join(rules), LATER_RULES[rule])
            return {}
        if not isinstance(rule, str) or rule not in rules:
            says = "there is no such rule"
            self._found(below(path, "rule"), "WORD", rule, " | ".join(rules), says)
            return {}
        made = self._struct(_without(value, ("rule",)), rules[rule], path)
        return {**made, "rule": rule}

    def _struct(self, value: Any, kind: inspect.StructType, path: str) -> Any:
        if isinstance(value, dict) and kind.cls in (Tranche, ContractTerms):
            for name in value:
                if name in LATER:
                    says = f"{LATER[name]}; {_REFUSED}"
                    self.findings.append(Finding(path=below(path, name), code="LATER", says=says))
            value = _without(value, tuple(LATER))
        return super()._struct(value, kind, path)

    def _text(self, value: Any, kind: inspect.StrType, path: str, extra: dict[str, Any]) -> Any:
        made = super()._text(value, kind, path, extra)
        if made is not value or extra.get("line") or "words" in extra:
            return made
        least, most = kind.min_length or 0, kind.max_length
        if len(value) < least or (most is not None and len(value) > most):
            expected = f"{least} to {most} characters"
            self._found(path, "PATTERN", value, expected, "correct its length")
        elif not value.isprintable():
            self._found(path, "PATTERN", value, "no control characters", "leave them out")
        return made

    def _decimal(self, value: Any, kind: inspect.Type, path: str, extra: dict[str, Any]) -> Any:
        made = super()._decimal(value, kind, path, extra)
        return Decimal(plain(made)) if isinstance(made, Decimal) else made


def _without(value: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """An object without some members; names that stand twice still do."""
    kept = {name: one for name, one in value.items() if name not in names}
    if not isinstance(value, Twice):
        return kept
    made = Twice(kept)
    made.names = value.names
    return made
