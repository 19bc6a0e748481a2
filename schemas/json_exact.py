"""JSON text with its numbers as they stand there, and every name that stands twice."""

import json
from collections import Counter
from decimal import Decimal
from typing import Any

import msgspec

from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.json_text import malformed, refused
from supplytwin.schemas.document_reader import Twice


def parsed(raw: bytes) -> Any:
    """The value of a JSON text: whole numbers as int, others as Decimal, objects in which a name
    stands twice as Twice. A byte order mark is left out. Raises RecordError.
    """
    try:
        with refused():
            value = json.loads(
                raw.decode("utf-8-sig"),
                object_pairs_hook=_object,
                parse_float=Decimal,
                parse_constant=_constant,
            )
            if b"\\u" in raw:
                msgspec.json.encode(value)  # half of a surrogate pair is no character
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
