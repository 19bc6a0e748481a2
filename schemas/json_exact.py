"""JSON text with its numbers as they stand there, and every name that stands twice."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.json_text import malformed, refused


class Number(Decimal):
    """A JSON number; its str() is how it was written."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str) -> "Number":
        """Raises ArithmeticError for an exponent that no Decimal has."""
        made = super().__new__(cls, text)
        made._text = text
        return made

    def __str__(self) -> str:
        return self._text


class Twice(dict[str, Any]):
    """An object in which names stand twice: `names`."""

    names: tuple[str, ...]


def parsed(raw: bytes, *, odd: bool = False) -> Any:
    """The value of a JSON text: numbers as Number, objects in which a name stands twice as Twice.
    A byte order mark is left out. Raises RecordError.

    `odd`: NaN, Infinity and halves of surrogate pairs come through, for a reader that has a path
    for each; without it they are refused as no JSON.
    """
    try:
        with refused():
            value = json.loads(
                raw.decode("utf-8-sig"),
                object_pairs_hook=_object,
                parse_int=Number,
                parse_float=Number,
                parse_constant=Number if odd else _constant,
            )
            if not odd and b"\\u" in raw:
                json.dumps(value, ensure_ascii=False, default=str).encode()
    except RecordError:
        raise
    except (ArithmeticError, ValueError):
        raise malformed("is not JSON: a number has too many digits") from None
    except RecursionError:
        raise malformed("is nested too deeply") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    made = Twice(found)
    times = Counter(name for name, _ in pairs)
    made.names = tuple(name for name, count in times.items() if count > 1)
    return made


def _constant(name: str) -> Any:
    raise malformed(f"is not JSON: {name} is no number of it")
