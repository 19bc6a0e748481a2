"""Import declarations: every row of the published test split, each column, and wrong rows."""

import csv
import datetime as dt
import io
import itertools
import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import fold_world as fold
import pytest
from msgspec.structs import replace

from supplytwin.processors import customs as mapping
from supplytwin.processors.chain import ChainFold
from supplytwin.processors.feeds import Given, Read
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas import codec, customs
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import CUSTOMS, Event
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros
from supplytwin.schemas.localtime import local_date

FILE = Path(__file__).resolve().parents[1] / "data" / "customs" / "df_syn_test_eng.csv"
DATA = FILE.read_bytes()
HEADER, FIRST = (line.decode() for line in DATA.splitlines()[:2])


@pytest.fixture(scope="module")
def whole() -> Read:
    """The whole test split."""
    return mapping.document(DATA)


@pytest.fixture(scope="module")
def cells() -> list[dict[str, str]]:
    """The rows as the standard library reads them."""
    return list(csv.DictReader(io.StringIO(DATA.decode(), newline="")))


def with_cells(**changes: str) -> bytes:
    """A file with the first row, some cells changed (spaces of a column as underscores)."""
    row = dict(zip(next(csv.reader([HEADER])), next(csv.reader([FIRST])), strict=True))
    row |= {name.replace("_", " "): value for name, value in changes.items()}
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([row.keys(), row.values()])
    return out.getvalue().encode()


def test_every_row_of_the_test_split_is_a_declaration(
    whole: Read, cells: list[dict[str, str]]
) -> None:
    """8,481 rows, none refused; the 1,835 labelled ones are inspected, no other is."""
    assert not whole.refused
    by_type = Counter(one.event_type for one in whole.events)
    assert by_type == {
        "customs.declared": 8_481,
        "customs.inspection_ordered": 1_835,
        "customs.inspection_completed": 1_835,
    }
    labelled = {row["Declaration ID"] for row in cells if row["Fraud"] == "1"}
    for kind in ("ordered", "completed"):
        inspected = {
            one.subject_id for one in whole.events if one.event_type.endswith(f"inspection_{kind}")
        }
        assert inspected == labelled


def test_the_22_columns_are_one_to_one(cells: list[dict[str, str]], whole: Read) -> None:
    """Each column is a field of the row and a value of the original: nothing is lost or added."""
    assert len(customs.COLUMNS) == len(customs.Row.__struct_fields__) == 22
    assert list(customs.COLUMNS) == next(csv.reader([HEADER]))
    kept = [
        json.loads(one.original or b"{}")
        for one in whole.events
        if one.event_type == "customs.declared"
    ]
    assert kept == cells
    for line, said in zip(customs.read(DATA), cells, strict=True):
        assert isinstance(line.row, customs.Row)
        for column, field in customs.COLUMNS.items():
            value = getattr(line.row, field)
            wanted: Any = said[column] or None
            match value:
                case bool():
                    wanted = said[column] == "1"
                case int():
                    wanted = int(said[column])
                case Decimal():
                    wanted = Decimal(said[column])
                case dt.date():
                    wanted = dt.date.fromisoformat(said[column])
            assert value == wanted, (line.number, column)


def test_the_columns_with_a_place_are_in_it(cells: list[dict[str, str]], whole: Read) -> None:
    """Number, day, office, declarant, HS6, origin, mass and price, rounded to cents."""
    declared: list[Any] = [one for one in whole.events if one.event_type == "customs.declared"]
    for event, said in zip(declared, cells, strict=True):
        (item,) = event.declaration_lines
        assert (event.declaration_id, event.office, event.declarant, item.hs6, item.origin) == (
            said["Declaration ID"], said["Office ID"], said["Declarant ID"], said["HS6 Code"],
            said["Country of Origin"],
        )  # fmt: skip
        assert local_date(event.event_time, event.event_tz).isoformat() == said["Date"]
        assert abs(item.value - Decimal(said["Item Price"])) <= Decimal("0.005")
        assert item.net_mass_kg == Decimal(said["Net Mass"])
        assert event.chain_id == f"KCS:{event.declaration_id}"
        assert event.subject_id == event.declaration_id


def test_times_that_the_file_does_not_have_are_derived(whole: Read) -> None:
    """Everything on the day of the declaration in Korea, DAY precision, known at its end."""
    for one in whole.events:
        assert (one.time_precision, one.event_tz) == ("DAY", "+09:00")
        assert (one.event_time + 9 * HOUR_US) % DAY_US == 0
        assert one.recorded_time == one.revision == one.event_time + DAY_US
    sources = {one.source for one in whole.events if one.event_type == "customs.declared"}
    assert sources == {"customs:kr"}
    derived = {one.source for one in whole.events if one.event_type != "customs.declared"}
    assert derived == {"inferred:customs:kr"}


def test_labelled_declarations_take_the_inspection_path_in_the_twin(
    whole: Read, cells: list[dict[str, str]]
) -> None:
    """Folded: FILED, and EXAMINED for the labelled ones; none released, no exception."""
    chains: dict[str, list[Event]] = {}
    for one in whole.events[-2_000:]:
        chains.setdefault(one.chain_id, []).append(one)
    labels = {row["Declaration ID"]: row["Fraud"] for row in cells}
    seen = Counter[str]()
    for chain_id, events in list(chains.items())[1:]:
        chain = ChainFold("t")
        state = chain.new(chain_id)
        for at, one in enumerate(reversed(events)):
            message = Message(topic=CUSTOMS, key=chain_id, arrival=one.recorded_time, body=one)
            state = chain.step(state, fold.decoded(message, at), 0).state
        number = chain_id.removeprefix("KCS:")
        subject = state.twin.subjects[SubjectKey("DECLARATION", number)]
        assert subject.state == ("EXAMINED" if labels[number] == "1" else "FILED")
        assert "CUSTOMS_RELEASED" not in subject.codes
        seen[labels[number]] += 1
    assert min(seen["0"], seen["1"]) > 200


BAD = [
    ({"Declaration_ID": ""}, "Declaration ID", Code.MISSING_FIELD),
    ({"Declaration_ID": "x" * 101}, "Declaration ID", Code.BAD_VALUE),
    ({"Date": "2021-02-30"}, "Date", Code.BAD_VALUE),
    ({"Date": "01/04/2021"}, "Date", Code.BAD_VALUE),
    ({"HS6_Code": "42023"}, "HS6 Code", Code.BAD_VALUE),
    ({"Country_of_Origin": "Italy"}, "Country of Origin", Code.BAD_VALUE),
    ({"Net_Mass": "-1"}, "Net Mass", Code.BAD_VALUE),
    ({"Item_Price": "1e5"}, "Item Price", Code.BAD_VALUE),
    ({"Item_Price": "nan"}, "Item Price", Code.BAD_VALUE),
    ({"Tax_Rate": ""}, "Tax Rate", Code.MISSING_FIELD),
    ({"Fraud": "2"}, "Fraud", Code.BAD_VALUE),
    ({"Fraud": "1"}, "Critical Fraud", Code.BAD_VALUE),
    ({"Critical_Fraud": "1"}, "Critical Fraud", Code.BAD_VALUE),
]


@pytest.mark.parametrize(("changes", "column", "code"), BAD)
def test_a_wrong_row_is_refused_at_its_column(
    changes: dict[str, str], column: str, code: Code
) -> None:
    """Column, line and what to do; what is refused can be corrected and read by itself."""
    data = with_cells(**changes)
    ((body, error, chain),) = mapping.document(data).refused
    assert (error.field, error.code) == (column, code)
    assert error.reason.startswith("line 2: ") and "correct the row" in error.reason
    assert body == data
    named = changes.get("Declaration_ID", "named")  # as long as it can be a key
    assert (chain is None) == (named == "") and (chain or "KCS:").startswith("KCS:")


def test_wrong_rows_do_not_stop_the_others() -> None:
    """A cut line, a stray quote, a line that is no UTF-8: three refusals, two declarations."""
    lines = DATA.splitlines()
    bad = [lines[1][:40], b'"' + lines[2], b"\xff" + lines[3]]
    found = mapping.document(b"\r\n".join([lines[0], lines[4], *bad, b"", lines[5]]))
    assert len(found.refused) == 3
    declared = [one for one in found.events if one.event_type == "customs.declared"]
    assert [one.subject_id.encode() for one in declared] == [
        line.split(b",")[0] for line in lines[4:6]
    ]


@pytest.mark.parametrize(
    "data", [b"", b"a,b\n1,2\n", HEADER.replace("Date,", "").encode(), f"{HEADER},Date".encode()]
)
def test_another_file_is_refused_whole(data: bytes) -> None:
    """Without the 22 columns nothing is read."""
    ((body, error, chain),) = mapping.document(data).refused
    assert (body, chain) == (data, None) and error.code is Code.MALFORMED
    with pytest.raises(RecordError):
        list(customs.read(data))


def test_more_columns_are_kept_and_the_order_does_not_matter() -> None:
    """What the file has beside the 22 is in the original, too."""
    names, values = next(csv.reader([HEADER])), next(csv.reader([FIRST]))
    text = f"{','.join(['Note', *reversed(names)])}\n{','.join(['hello', *reversed(values)])}\n"
    ((one,), (plain,)) = (mapping.document(data).events for data in
                          (text.encode(), with_cells()))  # fmt: skip
    assert json.loads(one.original or b"")["Note"] == "hello"
    assert (one.event_id, one.event_time) == (plain.event_id, plain.event_time)


def test_a_corrected_file_replaces_what_was_said() -> None:
    """Same identities; the time at which it was made is the higher revision."""
    later = Micros(mapping.document(with_cells()).events[0].revision + 1)
    first = mapping.document(with_cells()).events[0]
    second = mapping.document(with_cells(Office_ID="99"), Given(recorded=later)).events[0]
    assert (first.source, first.event_id) == (second.source, second.event_id)
    assert second.revision > first.revision
    assert mapping.document(with_cells(), Given(chain="PO-7")).events[0].chain_id == "PO-7"


def test_prices_are_rounded_to_the_currency_and_stay_as_written_in_the_original() -> None:
    """The noise of binary fractions is no money; JPY has no decimals."""
    data = with_cells(Item_Price="73.72000000000001", Net_Mass="0.12345678901")
    for currency, value in (("USD", "73.72"), ("JPY", "74"), ("KWD", "73.720")):
        event: Any = mapping.document(data, Given(currency=currency)).events[0]
        assert event.declaration_lines[0].value == Decimal(value)
        assert codec.read(CUSTOMS, codec.encode(CUSTOMS, event)) == event
        assert json.loads(event.original)["Item Price"] == "73.72000000000001"
        assert event.declaration_lines[0].net_mass_kg == Decimal("0.123456789")


def folded(*files: Read) -> dict[str, Any]:
    """What the twin says of the one declaration after these files, by fact and as a state."""
    events = [one for file in files for one in file.events]
    chain = ChainFold("t")
    state = chain.new(events[0].chain_id)
    for at, one in enumerate(events):
        message = Message(topic=CUSTOMS, key=one.chain_id, arrival=one.recorded_time, body=one)
        state = chain.step(state, fold.decoded(message, at), 0).state
    (subject,) = state.twin.subjects.values()
    slots = list(state.twin.facts.every())
    return {
        "state": subject.state,
        "stands": sorted(s.effective.event.event_type for s in slots if s.effective is not None),
        "conflicts": sum(slot.conflicted for slot in slots),
    }


LABELLED, PLAIN = {"Fraud": "1", "Critical_Fraud": "1"}, {"Fraud": "0", "Critical_Fraud": "0"}
RECORDED = Given(recorded=Micros(1_700_000_000_000_000))
LATER = Given(recorded=Micros(1_700_000_000_000_001))
INSPECTED = ["customs.declared", "customs.inspection_completed", "customs.inspection_ordered"]


@pytest.mark.parametrize("again", [1, 2])
def test_a_corrected_row_without_the_label_takes_the_inspection_back(again: int) -> None:
    """In every order of arrival, and sent twice; a later one with the label brings it back."""
    first = mapping.document(with_cells(**LABELLED))
    corrected = mapping.document(with_cells(**PLAIN), RECORDED)
    back = mapping.document(with_cells(**LABELLED), LATER)
    for files in itertools.permutations((first, corrected)):
        assert folded(*files * again) == {
            "state": "FILED", "stands": ["customs.declared"], "conflicts": 0,
        }  # fmt: skip
    for files in itertools.permutations((first, corrected, back)):
        assert folded(*files * again) == {"state": "EXAMINED", "stands": INSPECTED, "conflicts": 0}


def test_only_a_correction_takes_back() -> None:
    """A row without the label in a plain file says nothing of inspections; corrected, before any
    other came, it is filed; two files of one instant that contradict each other are a conflict.
    """
    plain = mapping.document(with_cells(**PLAIN))
    assert [one.correction_action for one in plain.events] == [None]
    corrected = mapping.document(with_cells(**PLAIN), RECORDED)
    assert [one.correction_action for one in corrected.events] == [None, "RETRACT", "RETRACT"]
    assert folded(corrected)["state"] == folded(plain)["state"] == "FILED"
    other = mapping.document(with_cells(**LABELLED), RECORDED)
    assert folded(corrected, other)["conflicts"] == folded(other, corrected)["conflicts"] == 3


def test_a_retraction_is_of_the_same_source(whole: Read) -> None:
    """So it has authority over what that source said before, and no other file's over it."""
    first = mapping.document(with_cells(**LABELLED), Given(source="jp"))
    corrected = mapping.document(with_cells(**PLAIN), replace(RECORDED, source="jp"))
    assert [(one.source, one.event_id) for one in first.events] == [
        (one.source, one.event_id) for one in corrected.events
    ]
    assert not any(one.correction_action for one in whole.events)
    foreign = mapping.document(with_cells(**PLAIN), RECORDED)
    assert folded(first, foreign)["state"] == "EXAMINED"


BODY_ONLY = {
    "Process Type", "Import Type", "Import Use", "Payment Type", "Mode of Transport",
    "Importer ID", "Seller ID", "Courier ID", "Country of Departure", "Tax Rate", "Tax Type",
    "Country of Origin Indicator",
}  # fmt: skip


def test_what_only_the_original_keeps_is_counted(whole: Read, cells: list[dict[str, str]]) -> None:
    """Each column without a field of ours, in how many rows it says something, with the grade of
    the label; columns of others, too; of refused rows nothing.
    """
    wanted = {name: sum(bool(row[name]) for row in cells) for name in BODY_ONLY}
    labelled = sum(row["Critical Fraud"] != "0" for row in cells)
    assert whole.body_only == {**wanted, "Critical Fraud": labelled}
    assert 0 < whole.body_only["Courier ID"] < whole.body_only["Tax Rate"] == 8_481
    more = mapping.document(with_cells(Note="hello", Date="2021-04-01"))
    assert more.body_only["Note"] == 1
    assert not mapping.document(with_cells(Note="hello", Date="yesterday")).body_only


def rows_of(*changes: dict[str, str]) -> bytes:
    """A file of several rows."""
    files = [with_cells(**one).splitlines() for one in changes]
    return b"\n".join([files[0][0], *(file[1] for file in files)])


def test_rows_that_contradict_each_other_are_all_refused() -> None:
    """No date of one file is a revision: each is refused, names the other, and can be released by
    itself; equal rows are duplicates, other declarations are taken.
    """
    later = {"Date": "2021-06-29", "Item_Price": "1"}
    other = {"Declaration_ID": "7"}
    found = mapping.document(rows_of({}, other, later, {}))
    assert [one.subject_id for one in found.events] == ["7"]
    assert [one.error.field for one in found.refused] == ["Declaration ID"] * 3
    for refused, here, there in zip(
        found.refused, (2, 4, 5), ("line 4 says", "line 2 says", "line 4 says"), strict=True
    ):
        assert refused.error.reason.startswith(f"line {here}: {there} something else")
        assert refused.chain == mapping.document(with_cells()).events[0].chain_id
        assert len(mapping.document(refused.body).events) == 1
    same = mapping.document(rows_of({}, other, {}))
    assert (same.accepted, len(set(same.events)), same.refused) == (3, 2, ())


def test_a_wrong_row_contradicts_a_right_one_of_its_declaration() -> None:
    """Corrected it could say anything; it is refused for what is wrong with it."""
    found = mapping.document(rows_of({}, {"Date": "yesterday"}))
    assert [one.error.field for one in found.refused] == ["Declaration ID", "Date"]
    assert not found.events
    nameless = mapping.document(rows_of({"Declaration_ID": ""}, {"Declaration_ID": "", "Date": ""}))
    assert {one.error.code for one in nameless.refused} == {Code.MISSING_FIELD}


def test_many_rows_of_one_declaration_are_compared_in_time() -> None:
    """Linear in their number; a refusal names some of the lines."""
    found = mapping.document(rows_of(*({"Item_Price": str(at)} for at in range(3_000))))
    assert len(found.refused) == 3_000 and not found.events
    assert "lines 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 say" in found.refused[0].error.reason


@pytest.mark.parametrize(
    ("changes", "given", "name"),
    [
        ({"Date": "0001-01-01"}, Given(), "Date"),
        ({"Date": "0005-12-31"}, Given(), "Date"),
        ({"Date": "9999-12-31"}, Given(), "Date"),
        ({"Item_Price": "999999999999999999.99"}, Given(), "Item Price"),
        ({"Declaration_ID": "申" * 90}, Given(), "Declaration ID"),
        ({}, Given(recorded=Micros(253_370_764_800_000_000)), "--recorded"),
        ({}, Given(recorded=Micros(1_600_000_000_000_000)), "--recorded"),
    ],
)
def test_what_no_event_of_ours_can_say_is_refused_at_its_column(
    changes: dict[str, str], given: Given, name: str
) -> None:
    """With the names of the file and of the options, and the line, never a field of our event."""
    ((_, error, _),) = mapping.document(with_cells(**changes), given).refused
    assert (error.field, error.code) == (name, Code.BAD_VALUE)
    assert error.reason.startswith("line 2: ")


@pytest.mark.parametrize("date", ["0006-01-01", "9986-12-31"])
def test_the_first_and_last_dates_are_taken(date: str) -> None:
    """The days around them, too, are days in every zone."""
    assert len(mapping.document(with_cells(Date=date)).events) == 1
