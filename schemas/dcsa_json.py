"""JSON text as DCSA documents need it: a key that stands twice in one object is no answer to what
it says, and what cannot be written again is refused where it is read.
"""

import math
from typing import Any

from supplytwin.schemas import json_text
from supplytwin.schemas.json_text import Twice, malformed


def parsed(raw: bytes) -> Any:
    """The value of a JSON text, as `json_text.parsed` has it. Raises RecordError."""
    return json_text.parsed(raw, real=_float, constant=_float)


def doubled(value: Any, path: str) -> str | None:
    """The path of the first key that stands twice in `value` or within it, which is at `path`."""
    if isinstance(value, Twice):
        return f"{path}.{value.names[0]}"
    within: Any = ()
    if isinstance(value, dict):
        within = ((one, f"{path}.{name}") for name, one in value.items())
    elif isinstance(value, list):
        within = ((one, f"{path}[{at}]") for at, one in enumerate(value))
    return next(filter(None, (doubled(*one) for one in within)), None)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise malformed(f"is not JSON: {text[:40]} is no number of it")
    return value
