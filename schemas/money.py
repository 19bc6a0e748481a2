"""Money: integer minor units with the exponent of ISO 4217. No float anywhere."""

from decimal import Decimal
from functools import cache

from iso4217 import Currency

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import Minor

MINOR_MAX = 2**63 - 1


@cache
def exponent(currency: str) -> int:
    """Number of decimals of `currency` (CNY 2, JPY 0, KWD 3). Raises RecordError for an unknown
    code.
    """
    try:
        digits = Currency(currency).exponent
    except ValueError:
        digits = None
    if digits is None:
        raise RecordError(
            Code.BAD_VALUE, "currency", f"{currency!r} is not an ISO 4217 currency with minor units"
        )
    return int(digits)


def to_minor(amount: Decimal, currency: str, field: str = "amount") -> Minor:
    """`amount` in minor units, exactly. Raises RecordError when it has more decimals than the
    currency, or more minor units than 64 bits hold.
    """
    scaled = amount.scaleb(exponent(currency))
    if scaled != scaled.to_integral_value():
        raise RecordError(
            Code.BAD_VALUE, field, f"{amount} has more decimals than {currency} allows"
        )
    if abs(scaled) > MINOR_MAX:
        raise RecordError(Code.BAD_VALUE, field, f"{amount} {currency} is more than 64 bits hold")
    return Minor(int(scaled))


def from_minor(amount: int, currency: str) -> Decimal:
    """Minor units as a decimal amount, for people."""
    return Decimal(amount).scaleb(-exponent(currency))
