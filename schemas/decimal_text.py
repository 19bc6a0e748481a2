"""Decimals as documents spell them: what is a right spelling, and the one that we write."""

import re
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from supplytwin.schemas.findings import Finding, shown
from supplytwin.schemas.json_exact import Number

_DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_COMMA = re.compile(r"[+-]?[\d.]*\d,\d+", re.ASCII)
_EXPONENT = re.compile(r"[+-]?\d+(\.\d+)?[eE][+-]?\d+", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(s?nan|inf(inity)?)", re.IGNORECASE)
POWER_MAX = 60
"""The largest power of ten, up or down, that a number of a document may have."""
DIGITS_MAX = 34
"""What the calculator computes with."""
Spelt = Literal["text", "number", "either"]
"""A JSON text, a JSON number, or what a person writes into a file of ours."""
_EXPECTED = {
    "text": 'a decimal as text, e.g. "12.5"',
    "number": "a JSON number",
    "either": "plain digits, e.g. 12.5",
}


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


def unusual(value: Decimal) -> bool:
    """Whether a number is beyond 10^POWER_MAX, up or down, or none at all."""
    return not value.is_finite() or (bool(value) and abs(value.adjusted()) > POWER_MAX)


def plain(value: Decimal) -> str:
    """A number without exponent, without zeros that say nothing: one spelling for one value."""
    if not value:
        return "0"
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def spelling(value: Any, path: str, *, spelt: Spelt = "text", plus: bool = False) -> Finding | None:
    """What is wrong with a decimal's type, spelling and size; `plus`: a plus sign may stand."""
    wrong = _wrong(value, spelt, plus=plus)
    if wrong is None:
        return None
    code, says = wrong
    expected = _EXPECTED[spelt]
    return Finding(code=code, path=path, stated=shown(value), expected=expected, says=says)


def _wrong(value: Any, spelt: Spelt, *, plus: bool) -> tuple[str, str] | None:
    if spelt == "number":
        if not isinstance(value, Number):
            return "TYPE", "write it without quotes"
        return ("RANGE", "no usual number: correct it") if unusual(value) else None
    if spelt == "text" and isinstance(value, Number):
        return "DECIMAL_NUMBER", f'write "{value!s}": numbers lose digits on the way'
    if not isinstance(value, str | Number):
        return "TYPE", "write a number" if spelt == "either" else "write a decimal"
    return _wrong_text(str(value), plus=plus, whole=spelt == "either")


def _wrong_text(text: str, *, plus: bool, whole: bool) -> tuple[str, str] | None:
    if _DECIMAL.fullmatch(text):
        if unusual(Decimal(text)):
            return "RANGE", "nothing here is as large or as small: correct it"
        if whole and len(text) > DIGITS_MAX + 1:
            return "RANGE", f"more than {DIGITS_MAX} digits: nothing is computed beyond them"
        return None if plus or text[0] != "+" else ("DECIMAL", f"write {text[1:]}")
    if _COMMA.fullmatch(text):
        return "DECIMAL_COMMA", f"write {text.replace('.', '').replace(',', '.')}"
    if _EXPONENT.fullmatch(text):
        return "DECIMAL_EXPONENT", "write it without exponent"
    if _NOT_FINITE.fullmatch(text):
        return "DECIMAL", "only finite numbers count"
    return "DECIMAL", "write digits, at most one point, a minus in front if it is negative"
