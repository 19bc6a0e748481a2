"""Fields of a JSON document, each refusal with the path of the field."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from supplytwin.schemas.dcsa_spelling import later_name
from supplytwin.schemas.dcsa_words import COUNTRIES
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import DAY_US, SECOND_US
from supplytwin.schemas.rfc3339 import Moment, moment

TEXT_MAX = 100
"""Characters of a text, as in the standard: identifiers of ours are put together of several."""
EVENT_ID_MAX = 480
_LONGER = {"eventID": EVENT_ID_MAX, "reason": 5_000, "changeRemark": 5_000}
EARLIEST_US, LATEST_US = 10_957 * DAY_US, 29_220 * DAY_US
"""2000-01-01 and 2050-01-01: before and after that no container was tracked, it is a slip."""
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DEGREES = re.compile(r"[+-]?\d{1,3}(\.\d*)?([eE][+-]?\d{1,3})?", re.ASCII)
_LOCODE = re.compile(r"[A-Z]{2}[A-Z0-9]{3}")
Names = str | tuple[str, ...]
"""A field; of several the first that is there (a field that was renamed)."""


def refuse(path: str, reason: str, code: Code = Code.BAD_VALUE) -> RecordError:
    """What is wrong with the field at `path`."""
    return RecordError(code, path.removeprefix("."), reason)


class Node:
    """A JSON object and where it stands."""

    def __init__(self, value: Any, path: str, seen: set[str] | None = None) -> None:
        self.value, self.path = value, path
        self._seen: set[str] = set() if seen is None else seen
        """Paths of the fields that were looked at, in it and in all that it is part of."""

    def __bool__(self) -> Literal[True]:
        return True

    def need(self) -> Mapping[str, Any]:
        """It as an object. Raises RecordError when it is something else."""
        if not isinstance(self.value, dict):
            raise refuse(self.path, f"must be an object, is {_name(self.value)}")
        return self.value

    def _find(self, names: Names, *, required: bool = False) -> tuple[str, Any]:
        """(path, value) of the first of `names` that is there; null is as good as not there."""
        own = self.need()
        every = (names,) if isinstance(names, str) else names
        name = next((one for one in every if own.get(one) is not None), None)
        if name is None:
            path = f"{self.path}.{every[0]}"
            if required:
                raise refuse(path, "is missing: give it", Code.MISSING_FIELD)
            return path, None
        path = f"{self.path}.{name}"
        self._seen.add(path)
        return path, own[name]

    def unread(self) -> tuple[str, ...]:
        """The fields within it that say something and were not looked at, as `seals.source`: their
        paths from here in the later spelling, without places in lists.
        """
        paths = (path for path in _leaves(self.value, self.path, "") if path[0] not in self._seen)
        return tuple(sorted({name for _, name in paths}))

    def text(self, *names: str, required: bool = False) -> str | None:
        path, value = self._find(names, required=required)
        if value is None:
            return None
        if not isinstance(value, str):
            raise refuse(path, f"must be a text, is {_name(value)}")
        longest = _LONGER.get(path.rpartition(".")[2], TEXT_MAX)
        if not 1 <= len(value) <= longest:
            raise refuse(path, f"must have 1 to {longest} characters, has {len(value)}")
        return value

    def texts(self, *names: str) -> tuple[str, ...]:
        """Those of the fields that are there."""
        return tuple(text for text in map(self.text, names) if text is not None)

    def uuid(self, name: str) -> str | None:
        """In lower case: one identity however it is written."""
        value = self.text(name)
        if value is not None and _UUID.fullmatch(value) is None:
            path = f"{self.path}.{name}"
            raise refuse(path, f"{value[:40]!r} is not a UUID (8-4-4-4-12 hex digits)")
        return None if value is None else value.lower()

    def flag(self, name: str) -> bool:
        path, value = self._find(name)
        if value is not None and not isinstance(value, bool):
            raise refuse(path, f"must be true or false, is {_name(value)}")
        return value is True

    def number(self, name: str) -> float | None:
        path, value = self._find(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse(path, f"must be a number, is {_name(value)}")
        try:
            return float(value)
        except OverflowError:
            raise refuse(path, "is too large for a measured value") from None

    def degrees(self, name: str, bound: int) -> float | None:
        """A coordinate, which the standard writes as a text."""
        path, value = self._find(name)
        if value is None:
            return None
        try:
            found = float(value) if _is_number(value) else math.nan
        except OverflowError:
            found = math.nan
        if not -bound <= found <= bound:
            raise refuse(path, f"must be within -{bound} and {bound} degrees")
        return found

    def moment(self, name: str) -> Moment:
        path, value = self._find(name, required=True)
        if not isinstance(value, str):
            raise refuse(path, f"must be a date-time, is {_name(value)}")
        try:
            found = moment(value)
        except ValueError as error:
            raise refuse(path, str(error)) from None
        if found.precision == "MS" and found.micros % SECOND_US == 0:
            found = found._replace(precision="S")  # as its own text is read again
        if not EARLIEST_US <= found.micros < LATEST_US:
            raise refuse(path, f"{value[:40]!r} must be in the years 2000 to 2049")
        return found

    def unlocode(self, name: str) -> str | None:
        value = self.text(name)
        path = f"{self.path}.{name}"
        if value is None:
            return None
        if _LOCODE.fullmatch(value) is None:
            raise refuse(path, f"{value[:40]!r} is not a UN/LOCODE like CNSZX")
        if value[:2] not in COUNTRIES:
            raise refuse(path, f"{value!r}: {value[:2]} is not a country of the UN/LOCODE table")
        return value

    def one_of(self, names: Names, allowed: Collection[str]) -> str:
        path, value = self._find(names, required=True)
        if not isinstance(value, str) or value not in allowed:
            shown = repr(value[:40]) if isinstance(value, str) else _name(value)
            raise refuse(path, f"{shown} is not one of {', '.join(sorted(allowed))}")
        return value

    def optional_of(self, names: Names, allowed: Collection[str]) -> str | None:
        _, value = self._find(names)
        return None if value is None else self.one_of(names, allowed)

    def worded(self, names: Names, codes: Mapping[str, str], words: Collection[str] = ()) -> str:
        """The word, whether the short code or the word itself is written."""
        value = self.one_of(names, {*codes, *codes.values(), *words})
        found = codes.get(value, value)
        every = (names,) if isinstance(names, str) else names
        for name in every:
            other = self.need().get(name)
            if other is not None and (
                not isinstance(other, str) or codes.get(other, other) != found
            ):
                raise refuse(
                    f"{self.path}.{name}", f"says something else than {found}: leave one out"
                )
        return found

    def child(self, name: str, *, required: bool = False) -> "Node | None":
        path, value = self._find(name, required=required)
        if value is None:
            return None
        found = Node(value, path, self._seen)
        found.need()
        return found

    def children(self, name: str) -> list["Node"]:
        path, value = self._find(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise refuse(path, f"must be a list, is {_name(value)}")
        return [Node(one, f"{path}[{at}]", self._seen) for at, one in enumerate(value)]


def _leaves(value: Any, path: str, name: str) -> Iterator[tuple[str, str]]:
    """(path, name) of all that is not null within a value."""
    if isinstance(value, dict):
        for key, one in value.items():
            later = f"{name}.{later_name(key, value)}".removeprefix(".")
            yield from _leaves(one, f"{path}.{key}", later)
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _leaves(one, f"{path}[{at}]", name)
    elif value is not None:
        yield path, name


def _is_number(value: Any) -> bool:
    """A number, or a text that is nothing but one."""
    if isinstance(value, str):
        return _DEGREES.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(value: Any) -> str:
    """What JSON calls it."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return f"the number {str(value)[:40]}"
