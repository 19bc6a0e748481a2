"""JSON as EPCIS has it: numbers as decimals, no name twice, and a path to whatever is no JSON."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct

from supplytwin.schemas.epcis_check import below
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.json_text import refused

encode = msgspec.json.Encoder(decimal_format="number").encode
_EVENT = re.compile(r"(?:.*?eventList)?\[(\d+)\]")


class _Wrong(Struct, frozen=True):
    """Stands in the parsed value where the text has what JSON does not have."""

    reason: str


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these fields; what stands in it twice is marked as wrong."""
    found = dict(pairs)
    if len(found) < len(pairs):
        counted = Counter(name for name, _ in pairs)
        twice = _Wrong("stands twice in one object: leave one out")
        found |= {name: twice for name, times in counted.items() if times > 1}
    return found


def _number(text: str) -> Decimal | _Wrong:
    try:
        return Decimal(text)
    except ArithmeticError:
        return _Wrong("is a number without bounds")


def _wrong(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, _Wrong):
        yield path, value.reason
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _wrong(one, below(path, name))
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _wrong(one, f"{path}[{at}]")


def refuse_wrong(value: Any, path: str = "") -> None:
    """Raise RecordError with the path of the first thing that is marked as wrong."""
    for place, reason in _wrong(value, path):
        event = _EVENT.match(place)
        which = "" if event is None else f"event {int(event[1]) + 1}: "
        raise RecordError(Code.MALFORMED, place, which + reason)


def parsed(raw: bytes) -> Any:
    """The value of a JSON text. Raises RecordError, and RecursionError when it is nested too
    deep.
    """
    marked = False

    def constant(name: str) -> _Wrong:
        nonlocal marked
        marked = True
        return _Wrong(f"{name} is no number in JSON")

    def named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal marked
        found = once(pairs)
        marked = marked or len(found) < len(pairs)
        return found

    def load(number: Any) -> Any:
        return json.loads(
            raw.decode("utf-8-sig"),
            object_pairs_hook=named,
            parse_float=number,
            parse_int=number,
            parse_constant=constant,
        )

    with refused():
        try:
            value = load(Decimal)
        except ArithmeticError:
            value, marked = load(_number), True
        if marked:
            refuse_wrong(value)
        if b"\\u" in raw:
            encode(value)  # half of a surrogate pair is no character
    return value
