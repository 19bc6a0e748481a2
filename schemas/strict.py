"""JSON read against our Structs without mercy: every finding at once, each with its JSON path; and
written in one way.

The Struct says it all: JSON names, what is required (no default), and by `extra` of an annotation
what a type cannot say: ``words``, ``format``, ``bounds``, ``spelt``, ``unique``, ``filled``,
``line``. Numbers are read from their own text: no float on the way. Null stands for an absent field
where a type has None.
"""

import difflib
import re
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from typing import Any, Generic, TypeVar, cast

import msgspec
from msgspec import Struct, inspect

from supplytwin.schemas.decimal_text import plain, spelling, unusual
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.findings import Finding, below, in_order, shown
from supplytwin.schemas.json_exact import Number, parsed
from supplytwin.schemas.json_text import Twice
from supplytwin.schemas.text_formats import FORMATS

T = TypeVar("T")
MAX_BYTES = 10_000_000
_ANY_DATE = "2000-01-01"
_MOST_GUESSES = 1000
_WHOLE = re.compile(r"[0-9]{1,10}")


class Read(Struct, Generic[T], frozen=True, kw_only=True):
    """What was read. `value` is None when the text is no JSON object at all.

    Where `findings` is not empty, `value` serves to look for more of them, never to compute:
    something stands in for what is bad or missing, and unknown fields are left out.
    """

    value: T | None
    findings: tuple[Finding, ...]
    doubtful: frozenset[str] = frozenset()
    """Paths where a number, a choice or an object stands in for a bad one."""

    def joined(self, more: Iterable[Finding]) -> "Read[T]":
        """This, with what was found in `value`, except where it follows from what stands in."""
        objects = {_parent(path) for path in self.doubtful}
        kept = (
            one
            for one in more
            if _parent(one.path) not in objects
            and not any(_lies_in(path, one.path) for path in self.doubtful)
        )
        return Read(
            value=self.value,
            findings=in_order((*self.findings, *kept)),
            doubtful=self.doubtful,
        )


def _parent(path: str) -> str:
    return path[: max(path.rfind("."), path.rfind("["))]


def _lies_in(path: str, outer: str) -> bool:
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))


def read(raw: bytes, kind: type[T]) -> Read[T]:
    """One JSON document as a Struct. Never raises for what stands in `raw`."""
    if len(raw) > MAX_BYTES:
        says = f"is larger than {MAX_BYTES} bytes: split it"
        return Read(value=None, findings=(Finding(path="$", code="MALFORMED", says=says),))
    try:
        value = parsed(raw, odd=True)
    except RecordError as error:
        return Read(value=None, findings=(not_read(error),))
    walker, known = _Walker(), cast(Any, kind)
    made = walker.walk(value, _form_of(known), "$")
    return Read(
        value=msgspec.convert(made, kind) if isinstance(value, dict) else None,
        findings=in_order(walker.findings),
        doubtful=frozenset(walker.doubtful),
    )


def not_read(error: RecordError) -> Finding:
    """What is wrong with a text that `parsed` refused."""
    says = f"{error.reason}: write JSON in UTF-8"
    return Finding(path="$", code="MALFORMED", says=says)


def checked(
    value: Any, kind: type[T], path: str, *, plus: bool = False
) -> tuple[T | None, list[Finding]]:
    """A value of `parsed` as a Struct, None when something in it is wrong; and what is.

    `plus`: a decimal may have a plus sign. Findings stand in the order of the Struct.
    """
    walker, known = _Walker(plus=plus), cast(Any, kind)
    made = walker.walk(value, _form_of(known), path)
    return None if walker.findings else msgspec.convert(made, kind), walker.findings


@cache
def _form_of(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


class _Walker:
    """Compares a value with a type, down to its leaves. Something stands in for what is wrong."""

    def __init__(self, *, plus: bool = False) -> None:
        self.findings: list[Finding] = []
        self.doubtful: set[str] = set()
        self._plus = plus

    def walk(self, value: Any, kind: inspect.Type, path: str, extra: Any = None) -> Any:
        """The value in the form that msgspec.convert takes."""
        extra = extra or {}
        match kind:
            case inspect.Metadata():
                return self.walk(value, kind.type, path, kind.extra)
            case inspect.UnionType():
                return self._union(value, kind, path)
            case inspect.StructType():
                return self._struct(value, kind, path)
            case inspect.VarTupleType():
                return self._list(value, kind, path, extra)
            case inspect.DecimalType():
                return self._decimal(value, kind, path, extra)
            case inspect.StrType():
                return self._text(value, kind, path, extra)
            case inspect.LiteralType():
                return self._word(value, kind, path, kind.values)
            case _:
                return self._simple(value, kind, path)

    def _simple(self, value: Any, kind: inspect.Type, path: str) -> Any:
        """What has no annotation that counts."""
        match kind:
            case inspect.IntType():
                if not isinstance(value, Number) or not _WHOLE.fullmatch(str(value)):
                    wanted = "a whole number, 0 or more"
                    return self._instead(kind, path, "TYPE", value, wanted, "write a JSON number")
                return int(str(value))
            case inspect.BoolType():
                if not isinstance(value, bool):
                    says = "write true or false without quotes"
                    return self._instead(kind, path, "TYPE", value, "true or false", says)
                return value
            case inspect.DictType():
                if not isinstance(value, dict):
                    return self._no_object(value, kind, path)
                return _kept(value)
            case _:
                raise TypeError(f"{kind} has no strict reader")

    def _found(self, path: str, code: str, value: Any, expected: str, says: str) -> None:
        self.findings.append(
            Finding(path=path, code=code, stated=shown(value), expected=expected, says=says)
        )

    def _instead(
        self, kind: inspect.Type, path: str, code: str, value: Any, expected: str, says: str
    ) -> Any:
        """What stands in for a value that is wrong."""
        self._found(path, code, value, expected, says)
        return self._stand_in(kind, path)

    def _stand_in(self, kind: inspect.Type, path: str, extra: Any = None) -> Any:
        made = _stand_in(kind, path, extra)
        if not isinstance(made, str) or not made.startswith("? "):
            self.doubtful.add(path)
        return made

    def _no_object(self, value: Any, kind: inspect.Type, path: str) -> Any:
        return self._instead(kind, path, "TYPE", value, "an object", "write an object")

    def _struct(self, value: Any, kind: inspect.StructType, path: str) -> Any:
        if not isinstance(value, dict):
            return self._no_object(value, kind, path)
        known = {field.encode_name: field for field in kind.fields}
        self._strangers(value, list(known), path)
        made = {}
        for name, field in known.items():
            where = below(path, name)
            if name in value:
                made[name] = self.walk(value[name], field.type, where)
            elif field.required:
                says = "is missing: the field is required"
                self.findings.append(Finding(path=where, code="MISSING_FIELD", says=says))
                made[name] = self._stand_in(field.type, where)
        return made

    def _strangers(self, value: dict[str, Any], known: list[str], path: str) -> None:
        if isinstance(value, Twice):
            for name in value.names:
                says = "stands there twice: leave one out, nobody knows which counts"
                self._found(below(path, name), "TWICE", name, "one field of this name", says)
        for name in value:
            if name not in known:
                few = len(self.findings) < _MOST_GUESSES
                near = difflib.get_close_matches(name, known, 1) if few else []
                expected = near[0] if near else "no field of this name"
                says = "it is not known here: leave it out, or write its right name"
                self._found(below(path, name), "FOREIGN_FIELD", name, expected, says)

    def _list(
        self, value: Any, kind: inspect.VarTupleType, path: str, extra: dict[str, Any]
    ) -> Any:
        if not isinstance(value, list):
            return self._instead(kind, path, "TYPE", value, "a list", "write a list")
        if extra.get("filled") and not value:
            return self._instead(kind, path, "EMPTY", value, "at least one element", "fill it")
        before = len(self.findings)
        made = [self.walk(one, kind.item_type, below(path, at)) for at, one in enumerate(value)]
        if extra.get("unique") and len(self.findings) == before:
            seen: dict[str, int] = {}
            for at, one in enumerate(made):
                if seen.setdefault(repr(one), at) != at:
                    where = below(path, at)
                    self._found(where, "TWICE", value[at], "no copy", "leave one out")
                    break
        return made

    def _union(self, value: Any, kind: inspect.UnionType, path: str) -> Any:
        choices = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        if value is None and len(choices) < len(kind.types):
            return None
        for one in choices:
            if isinstance(one, inspect.StructType) == isinstance(value, dict):
                return self.walk(value, one, path)
        return self.walk(value, choices[0], path)

    def _decimal(self, value: Any, kind: inspect.Type, path: str, extra: dict[str, Any]) -> Any:
        wrong = spelling(value, path, spelt=extra.get("spelt", "text"), plus=self._plus)
        if wrong is not None:
            self.findings.append(wrong)
            return self._stand_in(kind, path)
        number, bounds = Decimal(str(value)), extra.get("bounds")
        if bounds is not None and not bounds.holds(number):
            negative = number < 0 and bounds.low == 0
            says = "negative numbers have no meaning here" if negative else "correct it"
            return self._instead(kind, path, "RANGE", value, bounds.text, says)
        return number

    def _word(self, value: Any, kind: inspect.Type, path: str, words: tuple[Any, ...]) -> Any:
        if not isinstance(value, str):
            return self._instead(kind, path, "TYPE", value, "a text", "write a text in quotes")
        if value in words:
            return value
        near = difflib.get_close_matches(value, words, 1)
        says = f"write {near[0]}" if near else "readers of this version do not know it"
        return self._instead(kind, path, "WORD", value, " | ".join(words), says)

    def _text(self, value: Any, kind: inspect.StrType, path: str, extra: dict[str, Any]) -> Any:
        if not isinstance(value, str):
            return self._instead(kind, path, "TYPE", value, "a text", "write a text in quotes")
        if "words" in extra:
            return self._word(value, kind, path, extra["words"])
        wrong = _wrong_text(value, kind, extra)
        if wrong is None:
            return value
        code, expected, says = wrong
        self._found(path, code, value, expected, says)
        return self._stand_in(kind, path, extra)


def _wrong_text(
    value: str, kind: inspect.StrType, extra: dict[str, Any]
) -> tuple[str, str, str] | None:
    """(code, what was expected, what to do); None = nothing is wrong."""
    if extra.get("line"):  # what people write: it is shown in tables and traces
        if not value.strip():
            return "EMPTY", "a text", "fill it in"
        if kind.max_length is not None and len(value) > kind.max_length:
            return "PATTERN", f"at most {kind.max_length} characters", "shorten it"
        if not value.isprintable():
            return "PATTERN", "no control characters", "leave them out"
        return None
    if extra.get("filled") and not value:
        return "EMPTY", "a text", "fill it in"
    if kind.pattern is not None and re.fullmatch(kind.pattern, value, re.ASCII) is None:
        return "PATTERN", kind.pattern, "write it in this form"
    form = extra.get("format")
    if form is None:
        return None
    right, expected = FORMATS[form]
    return None if right(value) else ("PATTERN", expected, "correct it")


def _stand_in(kind: inspect.Type, path: str, extra: Any = None) -> Any:
    match kind:
        case inspect.Metadata():
            return _stand_in(kind.type, path, kind.extra)
        case inspect.UnionType():
            return _stand_in(kind.types[0], path)
        case inspect.StructType():
            needed = (field for field in kind.fields if field.required)
            return {one.encode_name: _stand_in(one.type, path) for one in needed}
        case inspect.StrType():
            if extra and extra.get("format") == "date":
                return _ANY_DATE
            return f"? {path}"  # no other path has it, so no two of them are one id
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.VarTupleType():
            return []
        case inspect.DictType():
            return {}
        case _:
            return 1


def _kept(value: Any) -> Any:
    """A foreign JSON value with its numbers as int and Decimal."""
    if isinstance(value, dict):
        return {name: _kept(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_kept(one) for one in value]
    if not isinstance(value, Number):
        return value
    text = str(value)
    return int(value) if text.removeprefix("-").isdecimal() else Decimal(text)


def written(value: Struct) -> dict[str, Any]:
    """The JSON object of a Struct, fields in the order of the Struct, without those that are None.

    Raises RecordError for a number that has no plain spelling.
    """
    kind: Any = _form_of(type(value))
    return {
        field.encode_name: _out(field.type, one)
        for field in kind.fields
        if (one := getattr(value, field.name)) is not None
    }


def _out(kind: inspect.Type, value: Any, extra: Any = None) -> Any:
    match kind:
        case inspect.Metadata():
            return _out(kind.type, value, kind.extra)
        case inspect.UnionType():
            some = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
            return _out(some, value)
        case inspect.StructType():
            return written(value)
        case inspect.VarTupleType():
            return [_out(kind.item_type, one) for one in value]
        case inspect.DecimalType():
            if unusual(value):
                raise RecordError(Code.BAD_VALUE, "", f"{value} cannot be written as a decimal")
            if extra and extra.get("spelt") == "number":
                return msgspec.Raw(plain(value).encode())
            return plain(value)
        case inspect.DictType():
            return _foreign(value)
        case _:
            return value


def _foreign(value: Any) -> Any:
    """What `_kept` made of a foreign JSON value, as it came: its numbers are no texts."""
    if isinstance(value, dict):
        return {name: _foreign(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_foreign(one) for one in value]
    return msgspec.Raw(str(value).encode()) if isinstance(value, Decimal) else value
