"""Reader of import declarations in the form of the Korean set: CSV with 22 columns, a row each.

Every column is a field of `Row`. A row that is wrong is refused by itself, and rows that contradict
each other about one declaration are all refused. What becomes of a row: `processors/customs.py`,
`docs/feeds.md`.
"""

import csv
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from msgspec import Struct

from supplytwin.schemas.errors import Code, RecordError

_NUMBER = re.compile(r"\d{1,18}(\.\d{1,30})?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_HS6 = re.compile(r"\d{6}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}")
_LABELS: Mapping[str, tuple[str, ...]] = {"Fraud": ("0", "1"), "Critical Fraud": ("0", "1", "2")}
DECLARATION_ID = "Declaration ID"
TEXT_MAX = 100
YEAR_MIN, YEAR_MAX = 6, 9986
"""Of dates: the days before and behind them, too, are days in every zone."""
WAY_OUT = "correct the row and send it again"
_NAMED_MAX = 10
"""So many lines are named in a refusal."""


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """One declaration, as the file says it; the fields stand in the order of the columns."""

    declaration_id: str
    date: dt.date
    """When it was filed: a day, the file knows no times."""
    office: str
    process_type: str
    import_type: str
    import_use: str
    payment_type: str
    transport_mode: str
    declarant: str
    importer: str
    seller: str | None
    courier: str | None
    hs6: str
    departure: str
    """Country."""
    origin: str
    """Country."""
    tax_rate_percent: Decimal
    tax_type: str
    origin_indicator: str
    net_mass_kg: Decimal
    item_price: Decimal
    """The file does not name its currency."""
    fraud: bool
    """The label: an inspection was worth it."""
    critical_fraud: int
    """0 | 1 | 2 = a danger to the public."""


COLUMNS: Mapping[str, str] = dict(
    zip(
        (
            DECLARATION_ID, "Date", "Office ID", "Process Type", "Import Type", "Import Use",
            "Payment Type", "Mode of Transport", "Declarant ID", "Importer ID", "Seller ID",
            "Courier ID", "HS6 Code", "Country of Departure", "Country of Origin", "Tax Rate",
            "Tax Type", "Country of Origin Indicator", "Net Mass", "Item Price", "Fraud",
            "Critical Fraud",
        ),
        Row.__struct_fields__,
        strict=True,
    )
)  # fmt: skip
"""Column of the file -> field of `Row`."""


class Line(NamedTuple):
    """One row of a file: what it says, or why it is refused. `body` can be read by itself."""

    number: int
    """Of the line in the file, from 1; the header is line 1."""
    body: bytes
    cells: Mapping[str, str]
    """Column -> what stands there; empty when the line could not be read."""
    row: Row | RecordError


def read(data: bytes) -> Iterator[Line]:
    """Every row of a file, in its order.

    Raises RecordError when the header is not that of such a file: nothing can be read then.
    """
    header, *lines = data.removeprefix(b"\xef\xbb\xbf").splitlines() or [b""]
    names = _cells(header, 1)
    missing = [name for name in COLUMNS if name not in names]
    if missing or len(names) != len(set(names)):
        what = f"column {missing[0]!r} is missing" if missing else "a column stands there twice"
        if len(names) == 1 and ";" in names[0]:
            what = "there is no comma in it, but semicolons: save it with commas"
        reason = f"{what}: the first line must name the {len(COLUMNS)} columns of such a file"
        raise RecordError(Code.MALFORMED, missing[0] if missing else "", reason)
    numbered = enumerate(lines, start=2)
    yield from _once([_line(at, header, names, line) for at, line in numbered if line.strip()])


def located(number: int, error: RecordError, way_out: str = WAY_OUT) -> RecordError:
    """What is wrong, with the line where it is and what to do."""
    reason = f"line {number}: {error.reason}; {way_out}"
    return RecordError(error.code, error.field, reason)


def _once(lines: list[Line]) -> Iterator[Line]:
    """Every line. Those that contradict another about one declaration are refused: which of them is
    right the file does not say, no date in it is a revision. Equal ones are harmless.
    """
    said: dict[str, dict[tuple[str, ...], int]] = {}
    for line in lines:
        said.setdefault(_name(line), {}).setdefault(tuple(line.cells.values()), line.number)
    for line in lines:
        own, name = tuple(line.cells.values()), _name(line)
        others = (number for cells, number in said[name].items() if cells != own)
        found = list(islice(others, _NAMED_MAX)) if name else []
        if not found or isinstance(line.row, RecordError):
            yield line
            continue
        where = f"line {found[0]} says" if len(found) == 1 else f"lines {str(found)[1:-1]} say"
        wrong = RecordError(Code.BAD_VALUE, DECLARATION_ID, f"{where} something else of {name!r}")
        way_out = "find out which row is right, release that one and drop the others"
        yield line._replace(row=located(line.number, wrong, way_out))


def _name(line: Line) -> str:
    """Of its declaration; empty when the line does not say it."""
    return line.cells.get(DECLARATION_ID, "").strip()


def _line(number: int, header: bytes, names: list[str], line: bytes) -> Line:
    body = header + b"\n" + line + b"\n"
    found: dict[str, str] = {}
    try:
        cells = _cells(line, number)
        if len(cells) != len(names):
            reason = f"has {len(cells)} cells, the header {len(names)}"
            raise RecordError(Code.MALFORMED, "", reason)
        found = dict(zip(names, cells, strict=True))
        row = _row(found)
    except RecordError as error:
        return Line(number, body, found, located(number, error))
    return Line(number, body, found, row)


def _cells(line: bytes, number: int) -> list[str]:
    """The cells of one line: no cell of such a file has a line end in it."""
    try:
        return next(csv.reader([line.decode()], strict=True), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordError(Code.MALFORMED, "", f"line {number} is no CSV: {error}") from None


def _row(cells: Mapping[str, str]) -> Row:
    text = {field: cells[column].strip() for column, field in COLUMNS.items()}
    for column, field in COLUMNS.items():
        if not text[field] and field not in ("seller", "courier"):
            raise RecordError(Code.MISSING_FIELD, column, "is empty")
        if len(text[field]) > TEXT_MAX:
            raise RecordError(Code.BAD_VALUE, column, f"has more than {TEXT_MAX} characters")
    _must(_HS6, "HS6 Code", cells, "six digits")
    _must(_COUNTRY, "Country of Departure", cells, "two capital letters")
    _must(_COUNTRY, "Country of Origin", cells, "two capital letters")
    for column, allowed in _LABELS.items():
        if cells[column].strip() not in allowed:
            reason = f"{cells[column][:40]!r} is not one of {', '.join(allowed)}"
            raise RecordError(Code.BAD_VALUE, column, reason)
    if (text["fraud"] == "0") != (text["critical_fraud"] == "0"):
        reason = f"{text['critical_fraud']} contradicts Fraud = {text['fraud']}"
        raise RecordError(Code.BAD_VALUE, "Critical Fraud", reason)
    values: dict[str, Any] = {
        **text,
        "date": _date(cells),
        "seller": text["seller"] or None,
        "courier": text["courier"] or None,
        "tax_rate_percent": _number("Tax Rate", cells),
        "net_mass_kg": _number("Net Mass", cells),
        "item_price": _number("Item Price", cells),
        "fraud": text["fraud"] == "1",
        "critical_fraud": int(text["critical_fraud"]),
    }
    return Row(**values)


def _must(form: re.Pattern[str], column: str, cells: Mapping[str, str], what: str) -> None:
    if form.fullmatch(cells[column].strip()) is None:
        raise RecordError(Code.BAD_VALUE, column, f"{cells[column][:40]!r} must be {what}")


def _number(column: str, cells: Mapping[str, str]) -> Decimal:
    _must(_NUMBER, column, cells, "a number that is not negative, like 1248.7")
    return Decimal(cells[column].strip())


def _date(cells: Mapping[str, str]) -> dt.date:
    _must(_DATE, "Date", cells, "a date like 2021-04-01")
    try:
        found = dt.date.fromisoformat(cells["Date"].strip())
    except ValueError as error:
        raise RecordError(Code.BAD_VALUE, "Date", f"{cells['Date'][:40]!r}: {error}") from None
    if not YEAR_MIN <= found.year <= YEAR_MAX:
        reason = f"{found} is outside the years {YEAR_MIN} to {YEAR_MAX}"
        raise RecordError(Code.BAD_VALUE, "Date", reason)
    return found
