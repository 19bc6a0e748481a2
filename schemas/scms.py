"""Reader of the SCMS delivery history (USAID, 2006-2015): one row is one line of one delivery.

Origin, licence and quirks of the file: `schemas/DATA.md`.
"""

import csv
import datetime as dt
import importlib.resources
import io
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.schemas.errors import UsageError

SHIPPED = "scms_shipments.csv"
MODES = ("Air", "Air Charter", "Ocean", "Truck")
_NUMBER = re.compile(r"\d+(\.\d+)?", re.ASCII)
_REFERENCE = re.compile(r"See \S+ \(ID#:(\d+)\)")
_MONTHS = {name: number for number, name in enumerate(
    ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
)}  # fmt: skip
_CENTURY = 2000


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """One delivery line, as the file says it. Dates are days; the file knows no times."""

    row_id: str
    order: str
    """PO/SO number."""
    consignment: str
    """ASN/DN number."""
    country: str
    incoterm: str | None
    """None = from the programme's own distribution centre."""
    mode: str | None
    """One of MODES; None = not captured."""
    ordered: dt.date | None
    scheduled: dt.date
    delivered: dt.date
    recorded: dt.date
    vendor: str
    item: str
    quantity: Decimal
    """Packs."""
    value: Decimal
    """USD."""
    pack_price: Decimal
    """USD."""
    site: str
    """Where it was made."""
    mass_kg: Decimal | None
    """Positive. None = not captured, or captured on the row `mass_with`."""
    mass_with: str | None
    """The row whose mass includes this one's; None also when the file names one without a mass."""


def read(path: Path | None = None) -> list[Row]:
    """All rows of a file, or of the one that is shipped. Raises UsageError naming the line."""
    name = SHIPPED if path is None else str(path)
    try:
        if path is None:
            raw = importlib.resources.files("supplytwin.schemas").joinpath(SHIPPED).read_bytes()
        else:
            raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 at byte {error.start}") from None
    rows: list[Row] = []
    # Only real line ends count: some fields hold other characters that str.splitlines breaks at.
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    while True:
        try:
            values = next(reader, None)
            if values is None:
                return _resolved(rows)
            rows.append(_row(values))
        except KeyError as error:
            raise UsageError(f"{name}: column {error} is missing") from None
        except (csv.Error, ValueError, ArithmeticError, AttributeError, TypeError) as error:
            raise UsageError(f"{name} line {reader.line_num}: {error}") from None


def _resolved(rows: list[Row]) -> list[Row]:
    """`rows` without the references to rows that have no mass themselves."""
    weighed = {row.row_id for row in rows if row.mass_kg is not None}
    return [
        row if row.mass_with is None or row.mass_with in weighed else replace(row, mass_with=None)
        for row in rows
    ]


def _row(values: dict[str, str]) -> Row:
    weight = values["weight (kilograms)"]
    reference = _REFERENCE.fullmatch(weight)
    # One row of the file weighs 0 kg: nothing that was delivered weighs nothing.
    mass = Decimal(weight) if _NUMBER.fullmatch(weight) else Decimal(0)
    incoterm = values["vendor inco term"]
    mode = values["shipment mode"] or None
    if mode is not None and mode not in MODES:
        raise ValueError(f"shipment mode {mode!r} is not one of {', '.join(MODES)}")
    return Row(
        row_id=values["id"],
        order=values["po / so #"],
        consignment=values["asn/dn #"],
        country=values["country"],
        incoterm=None if incoterm.startswith("N/A") else incoterm,
        mode=mode,
        ordered=_american(values["po sent to vendor date"]),
        scheduled=_named_month(values["scheduled delivery date"]),
        delivered=_named_month(values["delivered to client date"]),
        recorded=_named_month(values["delivery recorded date"]),
        vendor=values["vendor"],
        item=values["item description"],
        quantity=Decimal(values["line item quantity"]),
        value=Decimal(values["line item value"]),
        pack_price=Decimal(values["pack price"]),
        site=values["manufacturing site"],
        mass_kg=mass if mass > 0 else None,
        mass_with=None if reference is None else reference[1],
    )


def _named_month(text: str) -> dt.date:
    """`2-Jun-06`."""
    day, month, year = text.split("-")
    if month not in _MONTHS:
        raise ValueError(f"{text!r} is not a date like 2-Jun-06")
    return dt.date(_CENTURY + int(year), _MONTHS[month], int(day))


def _american(text: str) -> dt.date | None:
    """`6/2/06` or `6/2/2006`; None when the file says that there is no date."""
    parts = text.split("/")
    if len(parts) != 3:
        return None
    month, day, year = (int(part) for part in parts)
    return dt.date(year if year > _CENTURY else _CENTURY + year, month, day)


def by_order(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Rows by PO/SO number, in the order in which the numbers first appear."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.order, []).append(row)
    yield from found.items()
