"""JSON objects that people write, read strictly by the types of our Structs: every finding with its
path. Times may be texts with an offset.
"""

import difflib
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from supplytwin.schemas import json_exact, terms
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.json_text import Twice
from supplytwin.schemas.localtime import check_time
from supplytwin.schemas.records import Contract, Receipt, Review, Signature
from supplytwin.schemas.rfc3339 import moment


class Wrong(Struct, frozen=True, kw_only=True, gc=False):
    """What cannot be read, where, and what to do. Line 0 is the contract's file."""

    line: int
    field: str
    says: str


@cache
def hints_of(kind: type[Struct]) -> dict[str, Any]:
    """The types of a Struct's fields by name."""
    return typing.get_type_hints(kind)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """(the type, whether null may stand for it)."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    kinds = [one for one in typing.get_args(hint) if one is not type(None)]
    return (kinds[0] if len(kinds) == 1 else hint), len(kinds) < len(typing.get_args(hint))


class Reader:
    """Reads one JSON object by types; collects what is wrong. Lives for that object."""

    def __init__(self, number: int, raw: bytes) -> None:
        self.number = number
        self.wrong: list[Wrong] = []
        try:
            self._twice(json_exact.parsed(raw), "")
        except RecordError as error:
            reason = error.reason.replace("at line 1, ", "at ") if number else error.reason
            self.found("", f"{reason}: write one JSON object{' a line' if number else ''}")
        self.members: dict[str, msgspec.Raw] = {} if self.wrong else self.object(raw, "") or {}

    def found(self, field: str, says: str) -> None:
        self.wrong.append(Wrong(line=self.number, field=field, says=says))

    def _twice(self, value: Any, path: str) -> None:
        if isinstance(value, Twice):
            for name in value.names:
                self.found(below(path, name), "stands there twice: leave one out")
        if isinstance(value, dict):
            for name, one in value.items():
                self._twice(one, below(path, name))
        elif isinstance(value, list):
            for at, one in enumerate(value):
                self._twice(one, f"{path}[{at}]")

    def object(self, raw: bytes, path: str) -> dict[str, msgspec.Raw] | None:
        try:
            return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        except msgspec.DecodeError:
            self.found(path, f"must be an object, not {short(raw)}")
            return None

    # ---- by type

    def value(self, raw: bytes, hint: Any, path: str) -> Any:
        """The value, or None when it is wrong: then that is among the findings."""
        inner, _ = _without_none(hint)
        if inner is Micros:
            return self.moment(raw, path)
        if inner is Decimal and raw[:1] in b"-0123456789":
            self.found(path, f'a decimal is a text: write "{short(raw)}", not {short(raw)}')
            return None
        if isinstance(inner, type) and issubclass(inner, Struct):
            given = self.given(raw, inner, path)
            return None if given is None else self.made(inner, given, path)
        item = typing.get_args(inner)[0] if typing.get_origin(inner) is tuple else None
        if isinstance(item, type) and issubclass(item, Struct):
            return self._list(raw, item, path)
        try:
            return msgspec.json.decode(raw, type=hint)
        except msgspec.DecodeError as error:
            says = str(error).replace("`", "").partition(" - at ")[0]
            self.found(path, f"{says[:1].lower()}{says[1:]}: it is {short(raw)}")
            return None

    def _list(self, raw: bytes, item: type[Struct], path: str) -> Any:
        try:
            parts = msgspec.json.decode(raw, type=list[msgspec.Raw])
        except msgspec.DecodeError:
            self.found(path, f"must be a list, not {short(raw)}")
            return None
        return tuple(
            [self.value(bytes(one), item, f"{path}[{at}]") for at, one in enumerate(parts)]
        )

    def moment(self, raw: bytes, path: str) -> Micros | None:
        """A time with its offset, or us UTC as records have it."""
        try:
            if raw.startswith(b'"'):
                micros = moment(msgspec.json.decode(raw, type=str)).micros
            else:
                micros = Micros(msgspec.json.decode(raw, type=int))
            check_time(micros)
            return micros
        except RecordError as error:
            self.found(path, error.reason)
            return None
        except msgspec.DecodeError:
            says = f"{short(raw)} is no time"
        except ValueError as error:
            says = str(error)
        self.found(path, f"{says}: write 2027-01-31T23:59:59Z, or us since 1970 as a whole number")
        return None

    def word(self, kind: type[Struct], name: str, raw: bytes) -> str | None:
        """A word that may stand for the value of this field; None = there is none."""
        return None

    def given(
        self, raw: bytes, kind: type[Struct], path: str, more: tuple[str, ...] = ()
    ) -> dict[str, Any] | None:
        """The fields of a Struct that stand there, read by their types; null is as if absent."""
        members = self.object(raw, path)
        if members is None:
            return None
        hints, made = hints_of(kind), dict[str, Any]()
        known = [*(one.name for one in fields(kind)), *more]
        for name, one in members.items():
            where = below(path, name)
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                self.found(where, f"is no field of {called(kind)}: {hint}")
            elif bytes(one) == b"null" and (name in more or _without_none(hints[name])[1]):
                continue
            elif (word := self.word(kind, name, bytes(one))) is not None:
                made[name] = word
            else:
                made[name] = self.value(bytes(one), hints.get(name, str), where)
        return made

    def made(self, kind: type[Struct], given: Mapping[str, Any], path: str) -> Any:
        """The Struct of these fields; None when one is wrong or missing."""
        for one in fields(kind):
            if one.required and one.name not in given:
                self.found(below(path, one.name), f"is missing: {called(kind)} must have it")
        return None if self.wrong else kind(**given)


def called(kind: type[Struct]) -> str:
    """A Struct's name as people know it."""
    if issubclass(kind, Event):
        return kind.TYPE
    names = {Receipt: "a receipt", Review: "a review", Contract: "a contract",
             terms.Terms: "a contract's terms", Signature: "a signature"}  # fmt: skip
    return names.get(kind, kind.__name__)


def below(path: str, name: str) -> str:
    """The path of a member."""
    return f"{path}.{name}" if path and name else path or name


def short(raw: bytes) -> str:
    """A JSON text, shortened."""
    text = raw.decode(errors="replace")
    return text if len(text) <= 60 else text[:59] + "…"
