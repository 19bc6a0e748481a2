"""Reader of the SCMS delivery history (USAID, 2006-2015): one row is one line of one delivery.

Origin, licence and quirks of the file: `schemas/DATA.md`.
"""

import csv
import datetime as dt
import importlib.resources
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from msgspec import Struct

from supplytwin.schemas.errors import UsageError

SHIPPED = "scms_shipments.csv"
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
    """Air, Air Charter, Ocean, Truck; None = not captured."""
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
    """None = not captured, or captured on the row `mass_with`."""
    mass_with: str | None
    """The row whose mass includes this one's."""


def read(path: Path | None = None) -> list[Row]:
    """All rows of a file, or of the one that is shipped. Raises UsageError naming row and column."""
    if path is None:
        text = importlib.resources.files("supplytwin.schemas").joinpath(SHIPPED).read_text("utf-8")
    else:
        try:
            text = path.read_text("utf-8")
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}") from None
    rows = []
    for number, values in enumerate(csv.DictReader(text.splitlines()), start=2):
        try:
            rows.append(_row(values))
        except KeyError as error:
            raise UsageError(f"{path or SHIPPED}: column {error} is missing") from None
        except (ValueError, ArithmeticError) as error:
            raise UsageError(f"{path or SHIPPED} line {number}: {error}") from None
    return rows


def _row(values: dict[str, str]) -> Row:
    weight = values["weight (kilograms)"]
    reference = _REFERENCE.fullmatch(weight)
    incoterm = values["vendor inco term"]
    return Row(
        row_id=values["id"],
        order=values["po / so #"],
        consignment=values["asn/dn #"],
        country=values["country"],
        incoterm=None if incoterm.startswith("N/A") else incoterm,
        mode=values["shipment mode"] or None,
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
        mass_kg=Decimal(weight) if re.fullmatch(r"\d+(\.\d+)?", weight) else None,
        mass_with=None if reference is None else reference[1],
    )


def _named_month(text: str) -> dt.date:
    """`2-Jun-06`."""
    day, month, year = text.split("-")
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
