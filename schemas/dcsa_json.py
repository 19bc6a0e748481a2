"""JSON text as DCSA documents need it: a key that stands twice in one object is no answer to what
it says, and what cannot be written again is refused where it is read.
"""

import json
import math
from collections import Counter
from typing import Any

import msgspec

from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.json_text import malformed, refused


class Doubled(dict[str, Any]):
    """An object in which a key stands twice."""

    twice: str
    """That key, the first of several."""


def parsed(raw: bytes) -> Any:
    """The value of a JSON text; a byte order mark is left out. Raises RecordError."""
    try:
        with refused():
            value = json.loads(
                raw.decode("utf-8-sig"),
                object_pairs_hook=_object,
                parse_float=_float,
                parse_constant=_float,
            )
            if b"\\u" in raw:
                msgspec.json.encode(value)  # half of a surrogate pair cannot be written
    except RecordError:
        raise
    except ValueError:
        raise malformed("is not JSON: a number has too many digits") from None
    except RecursionError:
        raise malformed("is nested too deeply") from None
    return value


def doubled(value: Any, path: str) -> str | None:
    """The path of the first key that stands twice in `value` or within it, which is at `path`."""
    if isinstance(value, Doubled):
        return f"{path}.{value.twice}"
    within: Any = ()
    if isinstance(value, dict):
        within = ((one, f"{path}.{name}") for name, one in value.items())
    elif isinstance(value, list):
        within = ((one, f"{path}[{at}]") for at, one in enumerate(value))
    return next(filter(None, (doubled(*one) for one in within)), None)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    made = Doubled(found)
    times = Counter(name for name, _ in pairs)
    made.twice = next(name for name, count in times.items() if count > 1)
    return made


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise malformed(f"is not JSON: {text[:40]} is no number of it")
    return value
