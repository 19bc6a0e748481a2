"""JSON texts of others: parsed, and what is wrong with them, alike for every kind of document."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from supplytwin.schemas.errors import Code, RecordError


def malformed(reason: str) -> RecordError:
    """The refusal of a whole text."""
    return RecordError(Code.MALFORMED, "", reason)


@contextmanager
def refused() -> Iterator[None]:
    """What decoding, parsing and writing again raise inside, as RecordError."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise malformed(f"is not UTF-8 at byte {error.start}") from None
    except UnicodeEncodeError:
        raise malformed("has half of a surrogate pair, which is no character") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise malformed(f"is not JSON at {place}: {error.msg}") from None


class Twice(dict[str, Any]):
    """An object in which names stand twice: `names`."""

    names: tuple[str, ...]


def parsed(
    raw: bytes,
    *,
    whole: Callable[[str], Any] = int,
    real: Callable[[str], Any],
    constant: Callable[[str], Any],
    halves: bool = False,
) -> Any:
    """The value of a JSON text; objects in which a name stands twice as Twice. A byte order mark is
    left out. Raises RecordError.

    Numbers are what `whole` and `real` make of them, NaN and Infinity what `constant` does.
    `halves`: half of a surrogate pair comes through; else it is refused where it is read, because
    nobody can write it again.
    """
    try:
        with refused():
            value = json.loads(
                raw.decode("utf-8-sig"),
                object_pairs_hook=_object,
                parse_int=whole,
                parse_float=real,
                parse_constant=constant,
            )
            if not halves and b"\\u" in raw:
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
