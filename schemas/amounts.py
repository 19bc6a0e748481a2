"""The amount part of contract terms: lines with prices, and what each tranche pays.

Money is integer minor units, quantities and prices are decimals of at most 18 digits and 9
decimals, shares are basis points (bp, 10,000 = all). `amount_terms.schema.json` says the same.
Every tranche's maximum and their sum: `processors.amounts.maxima`.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import TERM_ID
from supplytwin.schemas.money import MINOR_MAX, exponent
from supplytwin.schemas.validate import decimal

ALL_BP = 10_000
QTY_DECIMALS = 9
"""Of a quantity and of a price."""
_POWER_MAX = 60
"""What has a larger exponent, up or down, is not even spelled out."""
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,35}$")]
Unit = Annotated[str, Meta(pattern=r"^[A-Z0-9]{2,3}$")]
Date = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
Minor = Annotated[int, Meta(ge=0)]
Share = Annotated[int, Meta(ge=0, le=ALL_BP)]
Part = Annotated[int, Meta(ge=1, le=ALL_BP)]
Rounding = Literal["largest-earliest", "cumulative"]


class Fixed(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="FIXED", tag_field="rule"
):
    """This much."""

    amount_minor: Minor


class OfTotal(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="SHARE", tag_field="rule"
):
    """This share of `AmountTerms.total_minor`, rounded by `AmountTerms.rounding`."""

    bp: Part


class PerUnit(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="PER_UNIT", tag_field="rule"
):
    """Payable quantity of a line, or of one of its lots, times the line's price, in one claim per
    delivery; never more than `cap_minor` over all of them.
    """

    line: Id
    lot: Id | None = None
    cap_minor: Minor
    bp: Part = ALL_BP
    """The share of the price that this tranche pays; the rest may be retained for a RESIDUAL."""


class Residual(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="RESIDUAL", tag_field="rule"
):
    """What is owed of the whole contract and not instructed by any other tranche."""

    of: tuple[Id, ...]
    """The tranches that have to end first: all others."""


Amount = Fixed | OfTotal | PerUnit | Residual


class Late(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For each local date after `due`, up to `max_bp`. On the date itself nothing is late."""

    due: Date
    bp_per_day: Part
    max_bp: Part


class Band(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an excursion of more than `over_min` minutes takes off, up to and including the next
    band's `over_min`.
    """

    over_min: Annotated[int, Meta(ge=0, le=10**9)]
    off_bp: Share | Literal["HOLD"]


class Carbon(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`bp` on the price (negative: a discount) when a VERIFIED footprint is at most `at_most`.

    A missing or unverified footprint, or one in another measure or unit, changes nothing.
    """

    measure: Annotated[str, Meta(min_length=1, max_length=100)]
    at_most: Decimal
    unit: Annotated[str, Meta(min_length=1, max_length=100)]
    assurance: Literal["VERIFIED"] = "VERIFIED"
    bp: Annotated[int, Meta(ge=-ALL_BP, le=ALL_BP)]


class Adjustments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes an amount. Their basis points are added up, not applied one after the other."""

    late: Late | None = None
    excursion: tuple[Band, ...] = ()
    carbon: Carbon | None = None


class Tranche(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tranche's amount."""

    tranche_id: Id
    amount: Amount
    adjustments: Adjustments = Adjustments()


class Tolerance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a quantity may be off, of the line as a whole or of each lot. Default: exact."""

    minus_bp: Share = 0
    plus_bp: Share = 0
    basis: Literal["LINE", "LOT"] = "LINE"


class Lot(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a line that is delivered by itself; `qty` in the line's unit."""

    lot: Id
    qty: Decimal


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the order. `unit`: UN/ECE Recommendation 20; `unit_price` in the terms' currency
    (major units, e.g. 3150.00 CNY).
    """

    line: Id
    sku: Annotated[str, Meta(min_length=1, max_length=100)]
    qty: Decimal
    unit: Unit
    unit_price: Decimal
    tolerance: Tolerance = Tolerance()
    lots: tuple[Lot, ...] = ()
    """All of the line, exactly when the tolerance is one of LOT."""


class AmountTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a contract pays at most and how. `total_minor` is what SHARE divides: with lines, the
    floor of all ordered quantities times their prices.
    """

    currency: str
    cap_minor: Minor
    total_minor: Minor
    rounding: Rounding
    lines: tuple[Line, ...] = ()
    tranches: tuple[Tranche, ...]

    def line(self, name: str) -> Line:
        """The line of that name. Raises StopIteration for one that is not there."""
        return next(one for one in self.lines if one.line == name)

    def tranche(self, name: str) -> Tranche:
        """The tranche of that name. Raises StopIteration for one that is not there."""
        return next(one for one in self.tranches if one.tranche_id == name)


def encode(terms: AmountTerms) -> bytes:
    """Canonical JSON: members sorted by name, no white space, decimals as strings, UTF-8."""
    return msgspec.json.encode(terms, order="sorted")


_decoder = msgspec.json.Decoder(AmountTerms)


def decode(raw: bytes) -> AmountTerms:
    """Terms from JSON, checked. Raises RecordError(BAD_TERMS) that names the field."""
    try:
        terms = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad("amounts", str(error)) from None
    check(terms)
    return terms


def _bad(field: str, reason: str) -> RecordError:
    return RecordError(Code.BAD_TERMS, field, reason)


def _need(good: bool, field: str, reason: str) -> None:
    if not good:
        raise _bad(field, reason)


def _once(names: Sequence[str], field: str) -> None:
    for at, name in enumerate(names):
        _need(TERM_ID.fullmatch(name) is not None, f"{field}[{at}]", "is no id")
        _need(name not in names[:at], f"{field}[{at}]", f"{name} stands there twice")


def _number(value: Decimal, field: str, *, positive: bool = False) -> None:
    said = "must be 0 or at least 0.000001, without exponent: choose another unit"
    _need("E" not in str(value), field, said)  # it has one spelling in canonical terms
    try:
        check_number(value, field)
    except RecordError as error:
        raise _bad(field, error.reason) from None
    _need(value > 0 if positive else value >= 0, field, "must be positive")


def check(terms: AmountTerms) -> None:
    """Raise RecordError(BAD_TERMS) unless the amounts can be computed from these terms alone and
    no unit of goods is paid twice.
    """
    try:
        digits = exponent(terms.currency)
    except RecordError as error:
        raise _bad("currency", error.reason) from None
    _need(terms.cap_minor <= MINOR_MAX, "cap_minor", "is more than 64 bits hold")
    _need(terms.total_minor <= terms.cap_minor, "total_minor", "is more than cap_minor")
    _once([one.line for one in terms.lines], "lines")
    _once([one.tranche_id for one in terms.tranches], "tranches")
    _need(bool(terms.tranches), "tranches", "must not be empty")
    for at, line in enumerate(terms.lines):
        _check_line(line, f"lines[{at}]")
    if terms.lines:
        total = sum(billionths(one.qty) * billionths(one.unit_price) for one in terms.lines)
        owed = total * 10**digits // 10 ** (2 * QTY_DECIMALS)
        said = f"is {terms.total_minor}, quantities times prices are {owed}"
        _need(owed == terms.total_minor, "total_minor", said)
    for at, tranche in enumerate(terms.tranches):
        _check_tranche(terms, tranche, f"tranches[{at}]")
        _check_adjustments(tranche.adjustments, f"tranches[{at}].adjustments")
    _check_together(terms)


def check_number(value: Decimal, field: str) -> None:
    """Raise RecordError(BAD_VALUE) unless `value` has at most 18 digits and 9 decimals."""
    exponent_of = value.as_tuple().exponent
    usual = isinstance(exponent_of, int) and -_POWER_MAX <= exponent_of <= _POWER_MAX
    decimal(format(value, "f") if usual else str(value), field)


def billionths(value: Decimal) -> int:
    """A checked quantity or price (27 digits, 9 of them decimals) in billionths, exactly."""
    return int(value.scaleb(QTY_DECIMALS))


def _check_line(line: Line, field: str) -> None:
    _number(line.qty, f"{field}.qty", positive=True)
    _number(line.unit_price, f"{field}.unit_price")
    _need(not line.unit.endswith("\n"), f"{field}.unit", "is no unit")
    by_lot = line.tolerance.basis == "LOT"
    said = "must be there for a tolerance of LOT, and only for one"
    _need(bool(line.lots) == by_lot, f"{field}.lots", said)
    _once([one.lot for one in line.lots], f"{field}.lots")
    for at, lot in enumerate(line.lots):
        _number(lot.qty, f"{field}.lots[{at}].qty", positive=True)
    if by_lot:
        whole = sum(billionths(one.qty) for one in line.lots)
        _need(whole == billionths(line.qty), f"{field}.lots", "do not add up to the line")


def _check_tranche(terms: AmountTerms, tranche: Tranche, field: str) -> None:
    amount = tranche.amount
    if isinstance(amount, PerUnit):
        line = next((one for one in terms.lines if one.line == amount.line), None)
        if line is None:
            raise _bad(f"{field}.amount.line", f"{amount.line} is no line of these terms")
        lots = [one.lot for one in line.lots]
        known = amount.lot is None or amount.lot in lots
        _need(known, f"{field}.amount.lot", f"{amount.lot} is no lot of line {line.line}")
    if isinstance(amount, Residual):
        others = {one.tranche_id for one in terms.tranches} - {tranche.tranche_id}
        said = "must name every other tranche, each once: what is left is known when all have ended"
        whole = set(amount.of) == others and len(amount.of) == len(others) and bool(others)
        _need(whole, f"{field}.amount.of", said)


def _check_adjustments(adjustments: Adjustments, field: str) -> None:
    late, bands, carbon = adjustments.late, adjustments.excursion, adjustments.carbon
    if late is not None:
        _need(late.max_bp >= late.bp_per_day, f"{field}.late.max_bp", "is less than one day")
        try:
            dt.date.fromisoformat(late.due)
        except ValueError:
            raise _bad(f"{field}.late.due", "is no date YYYY-MM-DD") from None
        _need(len(late.due) == len("2027-02-10"), f"{field}.late.due", "is no date YYYY-MM-DD")
    offs = [ALL_BP + 1 if one.off_bp == "HOLD" else one.off_bp for one in bands]
    starts = [one.over_min for one in bands]
    _need(_ascend(starts), f"{field}.excursion", "its over_min do not ascend")
    said = "a longer excursion must take off more, HOLD most of all"
    _need(_ascend(offs), f"{field}.excursion", said)
    if carbon is not None:
        _number(carbon.at_most, f"{field}.carbon.at_most")
        _need(carbon.bp != 0, f"{field}.carbon.bp", "must not be 0")


def _ascend(numbers: Iterable[int]) -> bool:
    return all(one < other for one, other in pairwise(numbers))


def _check_together(terms: AmountTerms) -> None:
    """SHAREs within the total, one RESIDUAL, and no unit of goods paid for more than once."""
    amounts = [one.amount for one in terms.tranches]
    shares = sum(one.bp for one in amounts if isinstance(one, OfTotal))
    _need(shares <= ALL_BP, "tranches", f"the SHAREs add up to {shares} bp")
    residuals = sum(isinstance(one, Residual) for one in amounts)
    _need(residuals <= 1, "tranches", "have more than one RESIDUAL")
    per_unit = [one for one in amounts if isinstance(one, PerUnit)]
    for line in terms.lines:
        lots: list[str | None] = [one.lot for one in line.lots]
        for lot in lots or [None]:
            paid = sum(
                one.bp for one in per_unit if one.line == line.line and one.lot in (None, lot)
            )
            said = f"pay {paid} bp of the price of line {line.line}{f', lot {lot}' if lot else ''}"
            _need(paid <= ALL_BP, "tranches", said)
