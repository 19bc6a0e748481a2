"""JSON documents of foreign standards as Structs: read strictly, with every finding and its JSON
path, and written in one way. The Struct says it all: JSON names, what is required (no default), and
by `extra` of an annotation what a type cannot say: ``words``, ``format``, ``bounds``, ``number``,
``unique``, ``filled``.
"""

import difflib
import re
import uuid
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct, inspect

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.rfc3339 import moment

_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?[\d.]*\d,\d+", re.ASCII)
_EXPONENT = re.compile(r"[+-]?\d+(\.\d+)?[eE][+-]?\d+", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_SHOWN = 80
POWER_MAX = 60
"""The largest power of ten, up or down, that a number of a document may have."""

T = TypeVar("T")


class Finding(Struct, frozen=True, kw_only=True, gc=False):
    """One thing that is wrong in a document. `delta` = stated - expected, where both are numbers;
    `do` = what to do.
    """

    code: str
    path: str
    stated: str
    expected: str
    delta: str | None = None
    do: str


class Twice(dict[str, Any]):
    """An object in which names stand twice: `names`."""

    names: tuple[str, ...]


class _Bad(Struct, frozen=True):
    """What cannot be read."""


_BAD = _Bad()


def below(path: str, name: str | int) -> str:
    """The JSON path of a member of what is at `path`."""
    if isinstance(name, int):
        return f"{path}[{name}]"
    if _NAME.fullmatch(name):
        return f"{path}.{name}"
    return f"{path}[{msgspec.json.encode(name).decode()}]"


def shown(value: Any) -> str:
    """A JSON value as its own text, shortened."""
    if isinstance(value, Decimal):
        return str(value)[:_SHOWN]
    try:
        text = msgspec.json.encode(value).decode()
    except RecursionError:
        return "something that is nested too deeply"
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def unusual(value: Decimal) -> bool:
    """Whether a number is beyond 10^POWER_MAX, up or down, or none at all."""
    return not value.is_finite() or (bool(value) and abs(value.adjusted()) > POWER_MAX)


def plain(value: Decimal) -> str:
    """A number without exponent, without zeros that say nothing: one spelling for one value."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@cache
def _fields(kind: type[Struct]) -> tuple[inspect.Field, ...]:
    return cast(inspect.StructType, inspect.type_info(kind)).fields


def _unwrapped(kind: inspect.Type) -> tuple[inspect.Type, dict[str, Any], bool]:
    """(what it is, what its annotation says, whether it may be absent)."""
    optional = False
    if isinstance(kind, inspect.UnionType):
        kind = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
        optional = True
    if isinstance(kind, inspect.Metadata):
        return kind.type, kind.extra or {}, optional
    return kind, {}, optional


class Reader:
    """Reads values as Structs and gathers what is wrong in `findings`. Null stands for an absent
    field; `plus`: a decimal may have a plus sign.
    """

    def __init__(self, *, plus: bool = False) -> None:
        self.findings: list[Finding] = []
        self._plus = plus

    def read(self, kind: type[T], value: Any, path: str) -> T | None:
        """`value` as `kind`; None when something in it was found wrong."""
        before = len(self.findings)
        made = self._struct(cast(type[Struct], kind), value, path)
        return cast(T, made) if len(self.findings) == before else None

    def _found(self, code: str, path: str, stated: Any, expected: str, do: str) -> _Bad:
        said = stated if isinstance(stated, str) and code == "TWICE" else shown(stated)
        self.findings.append(Finding(code=code, path=path, stated=said, expected=expected, do=do))
        return _BAD

    def _struct(self, kind: type[Struct], value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            return self._found("TYPE", path, value, "an object", "write an object")
        fields = {one.encode_name: one for one in _fields(kind)}
        self._strangers(value, list(fields), path)
        made = {}
        for name, field in fields.items():
            where = below(path, name)
            if name not in value:
                if field.required:
                    self.findings.append(_missing(where))
                continue
            made[field.name] = self._one(field.type, value[name], where)
        if any(one is _BAD for one in made.values()) or any(
            field.required and field.name not in made for field in fields.values()
        ):
            return _BAD
        return kind(**made)

    def _strangers(self, value: dict[str, Any], known: list[str], path: str) -> None:
        if isinstance(value, Twice):
            for name in value.names:
                do = "leave one out: nobody knows which counts"
                self._found("TWICE", below(path, name), name, "one field of this name", do)
        for name in value:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                expected = near[0] if near else "no such field"
                do = "the standard has no such field: readers pass over it"
                self._found("UNKNOWN_FIELD", below(path, name), name, expected, do)

    def _one(self, kind: inspect.Type, value: Any, path: str) -> Any:
        what, extra, optional = _unwrapped(kind)
        if value is None and optional:
            return None
        if isinstance(what, inspect.StructType):
            return self._struct(what.cls, value, path)
        if isinstance(what, inspect.VarTupleType):
            return self._list(what, extra, value, path)
        if isinstance(what, inspect.DecimalType):
            return self._decimal(extra, value, path)
        if isinstance(what, inspect.StrType):
            return self._text(what, extra, value, path)
        if isinstance(what, inspect.IntType):
            right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            return (
                value
                if right
                else self._found(
                    "TYPE", path, value, "a whole number, 0 or more", "write a JSON number"
                )
            )
        if isinstance(what, inspect.BoolType):
            right = isinstance(value, bool)
            return (
                value
                if right
                else self._found(
                    "TYPE", path, value, "true or false", "write true or false without quotes"
                )
            )
        right = isinstance(value, dict)
        return value if right else self._found("TYPE", path, value, "an object", "write an object")

    def _list(
        self, kind: inspect.VarTupleType, extra: dict[str, Any], value: Any, path: str
    ) -> Any:
        if not isinstance(value, list):
            return self._found("TYPE", path, value, "a list", "write a list")
        if extra.get("filled") and not value:
            return self._found("EMPTY", path, value, "at least one element", "fill it")
        made = [self._one(kind.item_type, one, below(path, at)) for at, one in enumerate(value)]
        if any(one is _BAD for one in made):
            return _BAD
        if extra.get("unique"):
            for at, one in enumerate(made):
                if one in made[:at]:
                    do = "leave one out"
                    return self._found("TWICE", below(path, at), shown(value[at]), "no copy", do)
        return tuple(made)

    def _decimal(self, extra: dict[str, Any], value: Any, path: str) -> Any:
        if extra.get("number"):
            if isinstance(value, bool) or not isinstance(value, int | Decimal):
                return self._found("TYPE", path, value, "a JSON number", "write it without quotes")
            number = Decimal(value)
            if unusual(number):
                return self._found("RANGE", path, value, "a usual number", "correct it")
        else:
            wrong = spelling(value, path, plus=self._plus)
            if wrong is not None:
                self.findings.append(wrong)
                return _BAD
            number = Decimal(value)
        bounds = extra.get("bounds")
        if bounds is not None and not bounds.holds(number):
            return self._found("RANGE", path, value, bounds.text, "correct it")
        return number

    def _text(self, kind: inspect.StrType, extra: dict[str, Any], value: Any, path: str) -> Any:
        if not isinstance(value, str):
            return self._found("TYPE", path, value, "a text", "write it with quotes")
        words = extra.get("words")
        if words is not None and value not in words:
            near = difflib.get_close_matches(value, words, 1)
            do = f"write {near[0]}" if near else "readers of this version do not know it"
            return self._found("WORD", path, value, " | ".join(words), do)
        if not value and extra.get("filled"):
            return self._found("EMPTY", path, value, "a text", "fill it")
        if kind.pattern is not None and re.fullmatch(kind.pattern, value, re.ASCII) is None:
            do = "write it in this form"
            return self._found("PATTERN", path, value, kind.pattern, do)
        form = extra.get("format")
        wrong = None if form is None else _FORMATS[form](value)
        return value if wrong is None else self._found("PATTERN", path, value, wrong, "correct it")


class Bounds(Struct, frozen=True, kw_only=True, gc=False):
    """From `low` to `high`, both included unless `above` / `under` says otherwise."""

    low: Decimal | None = None
    high: Decimal | None = None
    above: bool = False
    under: bool = False

    def holds(self, value: Decimal) -> bool:
        """Whether `value` is within."""
        if self.low is not None and (value < self.low or (self.above and value == self.low)):
            return False
        return self.high is None or value < self.high or (not self.under and value == self.high)

    @property
    def text(self) -> str:
        """What may stand there."""
        low = "" if self.low is None else f"{'more than' if self.above else 'at least'} {self.low}"
        high = (
            "" if self.high is None else f"{'less than' if self.under else 'at most'} {self.high}"
        )
        return " and ".join(filter(None, (low, high)))


def spelling(value: Any, path: str, *, plus: bool = False) -> Finding | None:
    """What is wrong with the spelling of a decimal: a text of digits with at most one point."""
    if isinstance(value, str) and _DECIMAL.fullmatch(value):
        if unusual(Decimal(value)):
            code, do = "RANGE", "nothing here is as large or as small: correct it"
        elif plus or value[0] != "+":
            return None
        else:
            code, do = "DECIMAL", f"write {value[1:]}"
    elif not isinstance(value, str):
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        code = "DECIMAL_NUMBER" if number else "TYPE"
        do = f'write "{value}": numbers lose digits on the way' if number else "write a decimal"
    elif _COMMA.fullmatch(value):
        code, do = "DECIMAL_COMMA", f"write {value.replace('.', '').replace(',', '.')}"
    elif _EXPONENT.fullmatch(value):
        code, do = "DECIMAL_EXPONENT", "write it without exponent"
    else:
        code, do = "DECIMAL", "write digits, at most one point, a minus in front if it is negative"
    return Finding(
        code=code, path=path, stated=shown(value), expected='a decimal as text, e.g. "12.5"', do=do
    )


def _missing(path: str) -> Finding:
    return Finding(
        code="MISSING", path=path, stated="nothing", expected="a value", do="the field is required"
    )


def _time_wrong(value: str) -> str | None:
    try:
        found = moment(value) if _TIME.fullmatch(value) else None
    except ValueError:
        found = None
    right = found is not None and found.tz == "+00:00"
    return None if right else "a date-time in UTC, e.g. 2026-01-31T23:59:59Z"


def _uuid_wrong(value: str) -> str | None:
    try:
        right = str(uuid.UUID(value)) == value.lower()
    except ValueError:
        right = False
    return None if right else "a UUID"


def _uri_wrong(value: str) -> str | None:
    return None if _URI.fullmatch(value) else "a URI"


def _urn_wrong(value: str) -> str | None:
    return None if value[:4].lower() == "urn:" else "a URN: urn:…"


_FORMATS = {"date-time": _time_wrong, "uuid": _uuid_wrong, "uri": _uri_wrong, "urn": _urn_wrong}


def written(value: Struct) -> dict[str, Any]:
    """The JSON object of a Struct, fields in the order of the Struct, without those that are None.

    Raises RecordError for a number that has no plain spelling.
    """
    return {
        field.encode_name: _out(field.type, one)
        for field in _fields(type(value))
        if (one := getattr(value, field.name)) is not None
    }


def _out(kind: inspect.Type, value: Any) -> Any:
    what, extra, _ = _unwrapped(kind)
    if isinstance(what, inspect.StructType):
        return written(value)
    if isinstance(what, inspect.VarTupleType):
        return [_out(what.item_type, one) for one in value]
    if isinstance(what, inspect.DecimalType):
        if unusual(value):
            raise RecordError(Code.BAD_VALUE, "", f"{value} cannot be written as a decimal")
        return msgspec.Raw(plain(value).encode()) if extra.get("number") else plain(value)
    return value
