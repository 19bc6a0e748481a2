"""Decimal arithmetic of carbon: 34 digits, sums that no order can change, unknown stays unknown."""

import hashlib
from collections.abc import Iterable
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from supplytwin.schemas.decimal_text import plain

CONTEXT = Context(prec=34)
"""34 significant digits (IEEE 754 decimal128): the same on every machine."""
_EXACT = Context(prec=400)
"""Wide enough to add what CONTEXT computes without rounding, so that sums have no order."""
ZERO, ONE, KG_PER_T = Decimal(0), Decimal(1), Decimal(1000)
Number = Decimal | None


def times(*values: Number) -> Number:
    """The product; unknown when a factor is."""
    known = [value for value in values if value is not None]
    return product(*known) if len(known) == len(values) else None


def product(*values: Decimal) -> Decimal:
    """The product of numbers that are all known, with 34 digits."""
    made = ONE
    for value in values:
        made = CONTEXT.multiply(made, value)
    return made


def over(value: Number, by: Number) -> Number:
    """The quotient; unknown when one of the two is, or `by` is zero."""
    return None if value is None or not by else CONTEXT.divide(value, by)


def total(values: Iterable[Number]) -> Number:
    """The sum; unknown when one of them is."""
    made = ZERO
    for value in values:
        if value is None:
            return None
        made = _EXACT.add(made, value)
    return CONTEXT.plus(made)


def summed(values: Iterable[Decimal]) -> Decimal:
    """The sum of numbers that are all known."""
    made = ZERO
    for value in values:
        made = _EXACT.add(made, value)
    return CONTEXT.plus(made)


def minus(value: Number, less: Number) -> Number:
    """The difference; unknown when one of the two is."""
    return None if value is None or less is None else CONTEXT.subtract(value, less)


def relative_change(wtw: Number, intensity_before: Number, tkm: Number) -> Number:
    """G_now - g_before x T_now (GLEC v3 pp. 61-62): negative is an improvement, even where
    emissions rise.
    """
    return minus(wtw, times(intensity_before, tkm))


class Parts(Struct, frozen=True, kw_only=True, gc=False):
    """WTT, TTW and WTW of something; None = not known."""

    wtt: Number
    ttw: Number
    wtw: Number

    def times(self, by: Number) -> "Parts":
        """All three times a number."""
        return Parts(wtt=times(self.wtt, by), ttw=times(self.ttw, by), wtw=times(self.wtw, by))

    def over(self, by: Number) -> "Parts":
        """All three divided by a number."""
        return Parts(wtt=over(self.wtt, by), ttw=over(self.ttw, by), wtw=over(self.wtw, by))


UNKNOWN = Parts(wtt=None, ttw=None, wtw=None)
NOTHING = Parts(wtt=ZERO, ttw=ZERO, wtw=ZERO)


def together(many: Iterable[Parts]) -> Parts:
    """The sum, part by part."""
    parts = tuple(many)
    return Parts(
        wtt=total(one.wtt for one in parts),
        ttw=total(one.ttw for one in parts),
        wtw=total(one.wtw for one in parts),
    )


def completed(parts: Parts) -> Parts:
    """With the third one where two are known: WTW = WTT + TTW."""
    wtt, ttw, wtw = parts.wtt, parts.ttw, parts.wtw
    if wtw is None:
        return Parts(wtt=wtt, ttw=ttw, wtw=total((wtt, ttw)))
    if wtt is None:
        wtt = minus(wtw, ttw)
    elif ttw is None:
        ttw = minus(wtw, wtt)
    return Parts(wtt=wtt, ttw=ttw, wtw=wtw)


def canonical(value: Any) -> Any:
    """The one spelling of anything that was given: no order among the parts of a list, nothing of
    what is not said, numbers as in `plain`.
    """
    if isinstance(value, Struct):
        value = {name: getattr(value, name) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {
            name: canonical(one) for name, one in value.items() if one is not None and one != ()
        }
    if isinstance(value, tuple):
        made = [canonical(one) for one in value]
        return sorted(made, key=lambda one: msgspec.json.encode(one, order="sorted"))
    return plain(value) if isinstance(value, Decimal) else value


@lru_cache(maxsize=8192)
def digest_of(value: Struct) -> str:
    """`digest` of something that comes again and again: an element, a factor."""
    return digest(value)


def digest(value: Any) -> str:
    """Hex SHA-256 of what `canonical` makes of a value."""
    text = msgspec.json.encode(canonical(value), order="sorted")
    return hashlib.sha256(text).hexdigest()
