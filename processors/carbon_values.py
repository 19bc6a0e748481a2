"""Numbers of a document as an auditor compares them: what was stated, what it should be, how much
of the difference rounding explains.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from supplytwin.processors.carbon_parts import CONTEXT
from supplytwin.schemas.decimal_text import plain, spelling, unusual
from supplytwin.schemas.findings import Finding, below
from supplytwin.schemas.rfc3339 import moment

_HALF = Decimal("0.5")
_COARSE = Decimal("0.01")
"""Rounding explains at most 1 % of a number, however few digits it has."""
_ARITHMETIC = Decimal("1e-12")
"""Relative: what computing with fewer digits than we do may leave behind."""
Object = dict[str, Any]


def decimal(holder: Any, name: str) -> Decimal | None:
    """The decimal in a field, with the digits that were stated; None = not there or not readable,
    which the strict reader has said.
    """
    value = text(holder, name)
    right = value is not None and spelling(value, "", plus=True) is None
    return Decimal(value) if value is not None and right else None


def percent(holder: Any, name: str) -> Decimal | None:
    """A share in percent: a decimal as text, or a JSON number as version 2 has it."""
    value = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        found = Decimal(value)
        return None if unusual(found) else found
    return decimal(holder, name)


def text(holder: Any, name: str) -> str | None:
    """The text in a field; None = none is there."""
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else None


def objects(holder: Any, name: str, path: str) -> Iterator[tuple[str, Object]]:
    """(path, object) of the elements of a list."""
    value = holder.get(name) if isinstance(holder, dict) else None
    for at, one in enumerate(value if isinstance(value, list) else ()):
        if isinstance(one, dict):
            yield below(below(path, name), at), one


def micros(holder: Any, name: str) -> int | None:
    """The instant in a field; None = none that can be read is there."""
    try:
        return moment(text(holder, name) or "").micros
    except ValueError:
        return None


def half_digit(value: Decimal) -> Decimal:
    """Half of the last digit that was written: what rounding to it may have changed."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return CONTEXT.multiply(_HALF, Decimal(1).scaleb(min(exponent, 0)))


def off(stated: Decimal, expected: Decimal, slack: Decimal = Decimal(0)) -> bool:
    """Whether rounding `stated` (and `slack`) does not explain its difference from `expected`."""
    size = CONTEXT.abs(expected)
    allowed = min(CONTEXT.add(half_digit(stated), slack), CONTEXT.multiply(size, _COARSE))
    arithmetic = CONTEXT.multiply(size, _ARITHMETIC)
    return gap(stated, expected) > CONTEXT.add(allowed, arithmetic)


def gap(one: Decimal, other: Decimal) -> Decimal:
    """How far apart two numbers are."""
    return CONTEXT.abs(CONTEXT.subtract(one, other))


def differs(
    code: str, path: str, stated: Decimal, expected: Decimal, said: str, do: str
) -> Finding:
    """A number that should be another; `said` = what was expected, with where it comes from."""
    delta = plain(CONTEXT.subtract(stated, expected))
    return Finding(code=code, path=path, stated=plain(stated), expected=said, delta=delta, says=do)


def wrong(code: str, path: str, stated: str, expected: str, do: str) -> Finding:
    """Something that is no difference of numbers."""
    return Finding(code=code, path=path, stated=stated, expected=expected, says=do)
