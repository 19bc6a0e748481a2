"""Reading the SCMS file: every date format, every way in which a weight is not a number."""

import csv
import datetime as dt
import importlib.resources
import io
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from supplytwin.schemas import scms
from supplytwin.schemas.errors import UsageError

SHIPPED = importlib.resources.files("supplytwin.schemas").joinpath(scms.SHIPPED).read_bytes()
HEADER, FIRST = (line.decode() for line in SHIPPED.split(b"\n")[:2])


@pytest.fixture(scope="module")
def rows() -> list[scms.Row]:
    """The shipped file."""
    return scms.read()


def with_row(path: Path, **changes: str) -> Path:
    """A file with the first row of the shipped one, some columns changed."""
    ((names, values),) = zip(*[csv.reader(io.StringIO(f"{HEADER}\n{FIRST}\n"))] * 2, strict=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, [*map(changes.get, names, values)]])
    return path


def test_the_shipped_file_has_every_line(rows: list[scms.Row]) -> None:
    """10,324 lines in 6,233 orders and 7,030 consignments, each id once."""
    assert len(rows) == len({row.row_id for row in rows}) == 10_324
    assert len({row.order for row in rows}) == len(dict(scms.by_order(rows))) == 6_233
    assert len({row.consignment for row in rows}) == 7_030


def test_the_first_row_is_read_as_it_stands(rows: list[scms.Row]) -> None:
    """Every field of one row, compared with the file by eye."""
    assert rows[0] == scms.Row(
        row_id="1",
        order="SCMS-4",
        consignment="ASN-8",
        country="Côte d'Ivoire",
        incoterm="EXW",
        mode="Air",
        ordered=None,
        scheduled=dt.date(2006, 6, 2),
        delivered=dt.date(2006, 6, 2),
        recorded=dt.date(2006, 6, 2),
        vendor="RANBAXY Fine Chemicals LTD.",
        item="HIV, Reveal G3 Rapid HIV-1 Antibody Test, 30 Tests",
        quantity=Decimal(19),
        value=Decimal("551"),
        pack_price=Decimal("29"),
        site="Ranbaxy Fine Chemicals LTD",
        mass_kg=Decimal(13),
        mass_with=None,
    )


def test_order_dates_are_american_and_often_missing(rows: list[scms.Row]) -> None:
    """5,732 rows have no PO date; two- and four-digit years mean the same; month comes first."""
    assert sum(row.ordered is None for row in rows) == 5_732
    dated = {row.row_id: row.ordered for row in rows}
    assert dated["4190"] == dt.date(2007, 11, 12)
    assert min(row.ordered for row in rows if row.ordered) > dt.date(2005, 1, 1)
    assert max(row.ordered for row in rows if row.ordered) < dt.date(2016, 1, 1)


@pytest.mark.parametrize("written", ["6/2/06", "06/02/2006"])
def test_both_ways_of_writing_an_order_date(tmp_path: Path, written: str) -> None:
    """M/D/YY and MM/DD/YYYY are the 2nd of June."""
    path = with_row(tmp_path / "one.csv", **{"po sent to vendor date": written})
    assert scms.read(path)[0].ordered == dt.date(2006, 6, 2)


def test_weights_are_numbers_references_or_unknown(rows: list[scms.Row]) -> None:
    """Of 6,372 numbers one is zero and counts as unknown; of 2,445 references 126 lead nowhere."""
    said = Counter(
        "own" if row.mass_kg is not None else "with" if row.mass_with else "unknown" for row in rows
    )
    assert said == {"own": 6_371, "with": 2_445 - 126, "unknown": 1_507 + 126 + 1}
    assert all(row.mass_kg is None or row.mass_kg > 0 for row in rows)
    assert not [row for row in rows if row.mass_kg is not None and row.mass_with is not None]


def test_a_reference_leads_to_a_weighed_row_of_the_same_consignment(rows: list[scms.Row]) -> None:
    """Whatever includes a line's mass has one, and travels with it."""
    by_id = {row.row_id: row for row in rows}
    for row in rows:
        if row.mass_with is not None:
            other = by_id[row.mass_with]
            assert other.mass_kg is not None
            assert other.consignment == row.consignment


def test_modes_and_incoterms(rows: list[scms.Row]) -> None:
    """Four modes and 360 lines without; goods from stock have no Incoterm."""
    assert Counter(row.mode for row in rows) == {
        "Air": 6_113, "Truck": 2_830, "Air Charter": 650, "Ocean": 371, None: 360,
    }  # fmt: skip
    assert sum(row.incoterm is None for row in rows) == 5_404


def test_mojibake_stays_as_it_is(rows: list[scms.Row]) -> None:
    """The file's damaged names are names: nobody repairs what a source wrote."""
    assert any("Gr\u00c3\u00b8nland" in row.site for row in rows)


def test_line_breaks_and_odd_characters_within_fields(tmp_path: Path) -> None:
    """A field may hold a line break, and characters that are line breaks elsewhere."""
    path = with_row(tmp_path / "one.csv", vendor="A\nB\u2028C\x0bD")
    assert scms.read(path)[0].vendor == "A\nB\u2028C\x0bD"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scheduled delivery date": "2-Juin-06"}, "2-Juin-06"),
        ({"scheduled delivery date": "31-Feb-06"}, "day is out of range"),
        ({"shipment mode": "Rocket"}, "Rocket"),
        ({"line item value": "much"}, "line 2"),
    ],
)
def test_a_bad_value_is_named_with_its_line(
    tmp_path: Path, changes: dict[str, str], says: str
) -> None:
    """A file that cannot be read is one clear error, with the line."""
    with pytest.raises(UsageError, match=says) as error:
        scms.read(with_row(tmp_path / "one.csv", **changes))
    assert "line 2" in str(error.value)


def test_files_that_are_no_scms_files(tmp_path: Path) -> None:
    """No file, no UTF-8, a missing column and a short row are told apart."""
    with pytest.raises(UsageError, match="cannot read"):
        scms.read(tmp_path / "none.csv")
    path = tmp_path / "bad.csv"
    path.write_bytes(b"id\n\xff\n")
    with pytest.raises(UsageError, match="not UTF-8 at byte 3"):
        scms.read(path)
    path.write_text("id,country\n1,Kenya\n")
    with pytest.raises(UsageError, match="is missing"):
        scms.read(path)
    path.write_text(f"{HEADER}\n1,2,3\n")
    with pytest.raises(UsageError, match="line 2"):
        scms.read(path)
