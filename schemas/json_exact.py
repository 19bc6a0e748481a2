"""JSON text with its numbers as they stand there."""

from decimal import Decimal
from typing import Any

from supplytwin.schemas import json_text


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


def parsed(raw: bytes, *, odd: bool = False) -> Any:
    """As `json_text.parsed`, numbers as Number. Raises RecordError.

    `odd`: NaN, Infinity and halves of surrogate pairs come through, for a reader that has a path
    for each; without it they are refused as no JSON.
    """
    constant = Number if odd else _constant
    return json_text.parsed(raw, whole=Number, real=Number, constant=constant, halves=odd)


def _constant(name: str) -> Any:
    raise json_text.malformed(f"is not JSON: {name} is no number of it")
