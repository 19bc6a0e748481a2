"""JSON read against our Structs without mercy: every finding at once, each with its JSON path.

Numbers are read from their own text, as Decimal: no float on the way. What msgspec would take
silently (exponents, a name said twice, NaN) is refused, and says what to write instead.
"""

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct, inspect

T = TypeVar("T")
MAX_BYTES = 10_000_000
_MAX_DIGITS = 34
_MOST_FINDINGS = 1000
_ANY_DATE = "2000-01-01"
_MOST = Decimal(10) ** 15
_PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_EXPONENT = re.compile(r"[+-]?[0-9.]+[eE][+-]?[0-9]+")
_NOT_FINITE = frozenset(("nan", "inf", "infinity", "snan"))


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that is wrong: where (JSON path), which kind of thing, and what to do."""

    path: str
    code: str
    says: str


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once, in the order of the document: place 2 before place 10."""
    return tuple(sorted(set(findings), key=lambda one: (_steps(one.path), one.code, one.says)))


def shortened(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """At most 1,000 of them, and then how many more there are."""
    if len(findings) <= _MOST_FINDINGS:
        return tuple(findings)
    says = f"and {len(findings) - _MOST_FINDINGS} more findings: deal with these first"
    return (*findings[:_MOST_FINDINGS], Finding(path="$", code="MORE", says=says))


def _steps(path: str) -> list[tuple[int, str]]:
    steps = re.split(r"[.\[\]]+", path)
    return [(int(step), "") if step.isdecimal() else (-1, step) for step in steps]


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


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class _Object(dict[str, Any]):
    """A JSON object that remembers which names came twice."""

    __slots__ = ("twice",)
    twice: tuple[str, ...]


def read(raw: bytes, kind: type[T], root: str = "$") -> Read[T]:
    """One JSON document as a Struct. Never raises for what stands in `raw`."""
    found: list[Finding] = []
    if len(raw) > MAX_BYTES:
        return _malformed(root, f"is larger than {MAX_BYTES} bytes: split it")
    try:
        value = json.loads(
            raw.decode(),
            object_pairs_hook=_object,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
    except UnicodeDecodeError as error:
        return _malformed(root, f"is not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        return _malformed(root, f"is not JSON at {place}: {error.msg}")
    except RecursionError:
        return _malformed(root, "is nested too deeply")
    if not isinstance(value, _Object):
        return _malformed(root, f"is {_called(value)}: write an object")
    walker = _Walker(found)
    known: Any = kind
    made = walker.walk(value, _form_of(known), root)
    return Read(
        value=msgspec.convert(made, kind),
        findings=in_order(found),
        doubtful=frozenset(walker.doubtful),
    )


@cache
def _form_of(kind: type[Any]) -> inspect.Type:
    return inspect.type_info(kind)


def _malformed(root: str, says: str) -> Read[Any]:
    return Read(value=None, findings=(Finding(path=root, code="MALFORMED", says=says),))


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    counted = Counter(name for name, _ in pairs)
    made.twice = tuple(sorted(name for name, times in counted.items() if times > 1))
    return made


class _Walker:
    """Compares a value with a type, down to its leaves."""

    def __init__(self, found: list[Finding]) -> None:
        self._found = found
        self.doubtful: set[str] = set()

    def walk(self, value: Any, kind: inspect.Type, path: str) -> Any:
        """The value in the form that msgspec.convert takes."""
        match kind:
            case inspect.Metadata():
                return self._leaf(value, kind.type, path, kind.extra or {})
            case inspect.StructType():
                return self._struct(value, kind, path)
            case inspect.VarTupleType():
                return self._list(value, kind, path)
            case inspect.UnionType():
                return self._union(value, kind, path)
            case _:
                return self._leaf(value, kind, path, {})

    def _wrong(self, path: str, says: str, code: str = "BAD_VALUE") -> None:
        self._found.append(Finding(path=path, code=code, says=says))

    def _instead(self, kind: inspect.Type, path: str, says: str, code: str = "BAD_VALUE") -> Any:
        """What stands in for a value that is wrong."""
        self._wrong(path, says, code)
        if not isinstance(kind, inspect.StrType):
            self.doubtful.add(path)
        return _stand_in(kind, path)

    def _struct(self, value: Any, kind: inspect.StructType, path: str) -> Any:
        if not isinstance(value, _Object):
            return self._instead(kind, path, f"is {_called(value)}: write an object")
        known = {field.encode_name: field for field in kind.fields}
        for name in value.twice:
            self._wrong(f"{path}.{_spelt(name)}", "stands there twice: leave one", "TWICE")
        for name in sorted(value.keys() - known.keys()):
            says = f"is not known here: one of {', '.join(sorted(known))}"
            self._wrong(f"{path}.{_spelt(name)}", says, "FOREIGN_FIELD")
        made = {}
        for name, field in known.items():
            if name in value:
                made[name] = self.walk(value[name], field.type, f"{path}.{name}")
            elif field.required:
                where = f"{path}.{name}"
                made[name] = self._instead(
                    field.type, where, "is missing: give it", "MISSING_FIELD"
                )
        return made

    def _list(self, value: Any, kind: inspect.VarTupleType, path: str) -> Any:
        if not isinstance(value, list):
            return self._instead(kind, path, f"is {_called(value)}: write a list")
        return [self.walk(one, kind.item_type, f"{path}[{at}]") for at, one in enumerate(value)]

    def _union(self, value: Any, kind: inspect.UnionType, path: str) -> Any:
        choices = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        if value is None and len(choices) < len(kind.types):
            return None
        for one in choices:
            if isinstance(one, inspect.StructType) == isinstance(value, dict):
                return self.walk(value, one, path)
        return self.walk(value, choices[0], path)

    def _leaf(self, value: Any, kind: inspect.Type, path: str, extra: dict[str, Any]) -> Any:
        match kind:
            case inspect.DecimalType():
                return self._decimal(value, path, extra)
            case inspect.StrType():
                return self._text(value, kind, path, extra)
            case inspect.LiteralType():
                if value not in kind.values or isinstance(value, _Number):
                    listed = ", ".join(map(str, kind.values))
                    return self._instead(kind, path, f"is {_shown(value)}: one of {listed}")
                return value
            case inspect.IntType():
                if not isinstance(value, _Number) or not re.fullmatch(r"[0-9]{1,9}", value):
                    return self._instead(kind, path, f"is {_shown(value)}: write a whole number")
                return int(value)
            case inspect.BoolType():
                if not isinstance(value, bool):
                    return self._instead(kind, path, f"is {_shown(value)}: true or false")
                return value
            case _:
                raise TypeError(f"{kind} has no strict reader")

    def _text(self, value: Any, kind: inspect.StrType, path: str, extra: dict[str, Any]) -> Any:
        if type(value) is not str:
            return self._instead(kind, path, f"is {_called(value)}: write a text in quotes")
        if not value.strip():
            return self._instead(kind, path, "is empty: fill it in", "MISSING_FIELD")
        if kind.max_length is not None and len(value) > kind.max_length:
            return self._instead(kind, path, f"is longer than {kind.max_length} characters")
        if not value.isprintable():
            return self._instead(kind, path, "has control characters: leave them out")
        if "date" in extra and not _is_date(value):
            self._wrong(path, f"is {_shown(value)}: write a date, YYYY-MM-DD")
            self.doubtful.add(path)
            return _ANY_DATE
        return value

    def _decimal(self, value: Any, path: str, extra: dict[str, Any]) -> Any:
        says = _wrong_number(value)
        if says is None:
            made = Decimal(value)
            least, most = Decimal(extra.get("least", 0)), Decimal(extra.get("most", _MOST))
            above = extra.get("above")
            if above is not None and made <= Decimal(above):
                says = f"is {value}: it must be more than {above}"
            elif made < least or made > most:
                says = f"is {value}: it must be from {least:f} to {most:f}"
            elif "below" in extra and made >= Decimal(extra["below"]):
                says = f"is {value}: it must be less than {extra['below']}"
            else:
                return made
        return self._instead(inspect.DecimalType(), path, says)


def _stand_in(kind: inspect.Type, path: str) -> Any:
    match kind:
        case inspect.Metadata():
            return _ANY_DATE if "date" in (kind.extra or {}) else _stand_in(kind.type, path)
        case inspect.UnionType():
            return _stand_in(kind.types[0], path)
        case inspect.StructType():
            needed = (field for field in kind.fields if field.required)
            return {one.encode_name: _stand_in(one.type, path) for one in needed}
        case inspect.StrType():
            return f"? {path}"  # no other path has it, so no two of them are one id
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.VarTupleType():
            return []
        case _:
            return 1


def _wrong_number(value: Any) -> str | None:
    """Why a value is no number that is read here, and what to write; None when it is one."""
    if not isinstance(value, str):
        return f"is {_called(value)}: write a number"
    text = str(value)
    if text.strip("+-").lower() in _NOT_FINITE:
        return f"is {text}: only finite numbers"
    if _COMMA.fullmatch(text):
        return f"is {_shown(text)}, with a comma: write {text.replace(',', '.')}"
    if _EXPONENT.fullmatch(text):
        return f"is {_shown(text)}: write its digits without an exponent"
    if text.startswith("-") and _PLAIN.fullmatch(text[1:]):
        return f"is {_shown(text)}: negative numbers have no meaning here"
    if not _PLAIN.fullmatch(text):
        return f"is {_shown(text)}: write a number in plain digits, like 12.5"
    if len(text) > _MAX_DIGITS + 1:
        return f"has more than {_MAX_DIGITS} digits: nothing is computed beyond them"
    return None


def _is_date(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", text)) and bool(dt.date.fromisoformat(text))
    except ValueError:
        return False


def _called(value: Any) -> str:
    if isinstance(value, _Number):
        return "a number"
    kinds = {bool: "true or false", str: "a text", list: "a list", _Object: "an object"}
    return kinds.get(type(value), "null")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f'"{_spelt(value)}"' if type(value) is str else _spelt(value)
    return _called(value)


def _spelt(text: str) -> str:
    """A stranger's text, short, with what is no character of a line escaped."""
    return json.dumps(text[:40])[1:-1] if not text.isprintable() else text[:40]


def json_schema(kind: type[Any], title: str, address: str) -> dict[str, Any]:
    """JSON Schema (2020-12) of a Struct, decimals as this module reads them."""
    (made,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    for part in _parts(parts):
        if isinstance(part.get("description"), str):
            part["description"] = " ".join(part["description"].split())
        if part.pop("format", None) == "decimal":
            part["type"] = ["string", "number"]
            part["pattern"] = f"^{_PLAIN.pattern}$"
            part["minimum"] = 0
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": address,
        "title": title,
        **made,
        "$defs": parts,
    }


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _parts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _parts(one)
