"""Reading DCSA Track & Trace: the published samples, and what must be refused, with its field."""

import datetime as dt
import json
from typing import Any

import dcsa_world as w
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supplytwin.schemas import dcsa, dcsa_words
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.rfc3339 import moment
from supplytwin.schemas.tracked import Call, Document, Place

FIRST = {
    "attribute-values": ("[0].transportCall.location.UNLocationCode", "XY is not a country"),
    "date-times": ("[1].eventCreatedDateTime", "is missing"),
    "event-ids": ("[0].eventID", "must be a text"),
    "structure": ("[0].eventCreatedDateTime", "is missing"),
}


def refusal(document: Any) -> RecordError:
    """Why it is refused."""
    with pytest.raises(RecordError) as caught:
        dcsa.read(w.raw(document))
    return caught.value


def test_every_right_sample_is_read() -> None:
    """Seven events of 2.2, 15 of 3.0.0, of all five kinds."""
    names = ["tnt-220-response.json", *w.THREE]
    found = [one for name in names for one in dcsa.read((w.DATA / name).read_bytes())]
    assert len(found) == 7 + 15
    assert {one.kind for one in found} == set(dcsa_words.KINDS)


@pytest.mark.parametrize("name", w.WRONG)
def test_the_wrong_samples_are_refused_with_the_field(name: str) -> None:
    """The error has the path, which event it is, what is wrong and what to do."""
    error = refusal(w.sample(f"tnt-220-response-wrong-{name}.json"))
    path, says = FIRST[name]
    assert error.field == path
    assert says in error.reason and "send it again" in error.reason
    assert error.reason.startswith(f"event {int(path[1]) + 1} of ")


def test_a_refusal_names_the_other_mistakes_too() -> None:
    """Two wrong identifiers: both paths are said."""
    error = refusal(w.sample("tnt-220-response-wrong-event-ids.json"))
    assert "[1].eventID" in error.reason


def test_one_event_is_read_as_it_stands() -> None:
    """Every field of one event of the w.sample, compared with the file by eye."""
    found = dcsa.read((w.DATA / "tnt-220-response.json").read_bytes())[5]
    assert (found.kind, found.word, found.classifier) == ("EQUIPMENT", "LOADED", "ESTIMATED")
    assert found.event_id == "3cecb101-7a1a-43a4-9d62-e88a131651e7"
    assert found.updated.text == "2021-01-09T14:12:56+00:00"
    assert found.happened is not None and found.happened.text == "2019-11-12T07:41:00+08:30"
    assert found.container == "APZU4812090" and found.empty is True and found.seal_no == "string"
    assert found.documents == (
        Document("BOOKING", "ABC123123123"),
        Document("TRANSPORT_DOCUMENT", "reserved-HHL123"),
    )
    assert found.place == Place("FRPAR", "SMDG:ADT", 48.85855, 2.294492036)
    assert found.call == Call("123e4567-e89b-12d3-a456-426614174000", "9321483", "2103S", "2103N")


@pytest.mark.parametrize("name", w.THREE)
def test_both_spellings_of_3_0_0_are_one(name: str) -> None:
    """Codes or words, in whatever order and layout: the same events, with the same body."""
    first = dcsa.read((w.DATA / name).read_bytes())
    second = dcsa.read(json.dumps(w.in_words(w.sample(name)), indent=3, sort_keys=True).encode())
    assert first == second


def test_metadata_and_payload_are_read_like_a_flat_event() -> None:
    """The event domain 3.2 behind 2.2 wraps the same fields."""
    flat = w.two()
    meta = {name: flat.pop(name) for name in ("eventID", "eventCreatedDateTime", "eventType")}
    (wrapped,) = dcsa.read(w.raw({"metadata": meta, "payload": flat}))
    (plain,) = dcsa.read(w.raw([w.two()]))
    assert [getattr(wrapped, name) for name in wrapped.__struct_fields__ if name != "body"] == [
        getattr(plain, name) for name in plain.__struct_fields__ if name != "body"
    ]


BAD: list[tuple[Any, str, Code]] = [
    ({"things": []}, "events", Code.MALFORMED),
    ("text", "events", Code.MALFORMED),
    ([7], "[0]", Code.BAD_VALUE),
    ([w.two(eventType="REEFER")], "[0].eventType", Code.BAD_VALUE),
    ([w.two(transportEventTypeCode="LOAD")], "[0].transportEventTypeCode", Code.BAD_VALUE),
    ([w.two(eventClassifierCode="REQ")], "[0].eventClassifierCode", Code.BAD_VALUE),
    ([w.two(transportCall=None)], "[0].transportCall", Code.MISSING_FIELD),
    ([w.two(transportCall=[])], "[0].transportCall", Code.BAD_VALUE),
    ([w.two(documentReferences={})], "[0].documentReferences", Code.BAD_VALUE),
    ([w.two(documentReferences=[{"documentReferenceType": "XXX", "documentReferenceValue": "1"}])],
     "[0].documentReferences[0].documentReferenceType", Code.BAD_VALUE),
    ([w.two(eventDateTime="2021-02-30T00:00:00Z")], "[0].eventDateTime", Code.BAD_VALUE),
    ([w.two(eventDateTime="2021-01-09T14:12:56")], "[0].eventDateTime", Code.BAD_VALUE),
    ([w.two(eventDateTime=5)], "[0].eventDateTime", Code.BAD_VALUE),
    ({"events": [w.three(eventID=None)]}, "events[0].eventID", Code.MISSING_FIELD),
    ({"events": [w.three(eventID="x" * 481)]}, "events[0].eventID", Code.BAD_VALUE),
    ({"events": [w.three(isRetracted="yes")]}, "events[0].isRetracted", Code.BAD_VALUE),
    ({"events": [w.three(equipmentDetails=None)]},
     "events[0].equipmentDetails", Code.MISSING_FIELD),
    ({"events": [w.three(equipmentDetails={"equipmentReference": "C", "emptyIndicator": "HALF"})]},
     "events[0].equipmentDetails.emptyIndicator", Code.BAD_VALUE),
    ({"events": [w.three(eventLocation={"geoCoordinate": {"latitude": True, "longitude": "0"}})]},
     "events[0].eventLocation.geoCoordinate.latitude", Code.BAD_VALUE),
    ({"events": [w.three(eventLocation={"geoCoordinate": {"latitude": 1, "longitude": "1_0"}})]},
     "events[0].eventLocation.geoCoordinate.longitude", Code.BAD_VALUE),
    ({"events": [w.three(eventClassification={
        "eventTypeCode": "EQUIPMENT", "eventClassifierCode": "ACT",
        "eventClassifier": "ESTIMATED", "equipmentEventTypeCode": "LOAD"})]},
     "events[0].eventClassification.eventClassifier", Code.BAD_VALUE),
    ({"events": [w.three(equipmentDetails={"equipmentReference": "C", "emptyIndicator": "EMPTY",
                                           "emptyIndicatorCode": "LADEN"})]},
     "events[0].equipmentDetails.emptyIndicatorCode", Code.BAD_VALUE),
    ({"events": [w.three(shipmentDetails={"documentReference": {
        "typeCode": "BKG", "type": "INVOICE", "reference": "B1"}})]},
     "events[0].shipmentDetails.documentReference.type", Code.BAD_VALUE),
    ({"events": [w.three(iotDetails={"iotEventCode": "DRC"}, eventClassification={
        "eventType": "IOT", "eventClassifier": "ACTUAL", "iotEventType": "DOOR_OPENED"})]},
     "events[0].iotDetails.iotEventCode", Code.BAD_VALUE),
    ([w.two(eventClassifier="ESTIMATED")], "[0].eventClassifierCode", Code.BAD_VALUE),
    ({"events": [w.three(equipmentDetails={"equipmentReference": " - "})]},
     "events[0].equipmentDetails.equipmentReference", Code.BAD_VALUE),
    ([w.two(eventType="EQUIPMENT", equipmentEventTypeCode="LOAD", emptyIndicatorCode="LADEN",
            equipmentReference="--")], "[0].equipmentReference", Code.BAD_VALUE),
    ({"events": [w.three(eventLocation={"geoCoordinate": {"latitude": "91", "longitude": "0"}})]},
     "events[0].eventLocation.geoCoordinate.latitude", Code.BAD_VALUE),
    ({"events": [w.three(eventLocation={"geoCoordinate": {"latitude": "1"}})]},
     "events[0].eventLocation.geoCoordinate.latitude", Code.BAD_VALUE),
    ({"events": [w.three(eventLocation={"UNLocationCode": "deham"})]},
     "events[0].eventLocation.UNLocationCode", Code.BAD_VALUE),
    ({"events": [w.three(eventClassification={"eventType": "SHIPMENT", "eventClassifier": "ACTUAL",
                                            "shipmentEventType": "CONFIRMED"},
                       shipmentDetails=None)]},
     "events[0].shipmentDetails.documentReference", Code.MISSING_FIELD),
    ({"events": [w.three(eventClassification={"eventType": "SHIPMENT", "eventClassifier": "PLANNED",
                                            "shipmentEventType": "CONFIRMED"})]},
     "events[0].eventClassification.eventClassifier", Code.BAD_VALUE),
]  # fmt: skip


@pytest.mark.parametrize(("document", "path", "code"), BAD)
def test_what_is_wrong_is_refused_at_its_path(document: Any, path: str, code: Code) -> None:
    """Each kind of mistake, in either version."""
    error = refusal(document)
    assert (error.field, error.code) == (path, code)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b'[{"eventType": NaN}]'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    """Whatever the bytes are, the answer is a refusal."""
    with pytest.raises(RecordError) as caught:
        dcsa.read(data)
    assert caught.value.code is Code.MALFORMED


@pytest.mark.parametrize(
    ("said", "twice", "path"),
    [
        ('"eventClassifierCode": "ACT"', '"eventClassifierCode": "EST"',
         "events[1].eventClassification.eventClassifierCode"),
        ('"isRetracted": true', '"isRetracted": false', "events[1].isRetracted"),
        ('"reference": "B1"', '"reference": "B1"',
         "events[1].shipmentDetails.documentReference.reference"),
        ('"extra": [1, {"x": 1', '"x": 2', "events[1].extra[1].x"),
    ],
)  # fmt: skip
def test_a_key_that_stands_twice_is_refused(said: str, twice: str, path: str) -> None:
    """Whichever of the two were taken, the other was said, too; equal ones are a slip as well."""
    events = [w.three(), w.three(isRetracted=True, extra=[1, {"x": 1}])]
    text = json.dumps({"events": events})
    before, after = text.rsplit(said, 1)
    with pytest.raises(RecordError) as caught:
        dcsa.read(f"{before}{said}, {twice}{after}".encode())
    assert (caught.value.field, caught.value.code) == (path, Code.MALFORMED)
    assert "event 2 of 2: stands twice" in caught.value.reason


def test_a_key_that_stands_twice_beside_the_events_is_refused() -> None:
    """Two lists of events: the first is not lost."""
    for text in ('{"events": [], "events": []}', '{"events": [], "x": {"y": 1, "y": 2}}'):
        with pytest.raises(RecordError, match="stands twice"):
            dcsa.read(text.encode())


def test_the_same_in_both_spellings_is_taken() -> None:
    """Both names with one meaning are one field."""
    both = {"eventTypeCode": "EQUIPMENT", "eventType": "EQUIPMENT", "eventClassifierCode": "ACT",
            "eventClassifier": "ACTUAL", "equipmentEventTypeCode": "LOAD"}  # fmt: skip
    (found,) = dcsa.read(w.raw([w.three(eventClassification=both)]))
    (plain,) = dcsa.read(w.raw([w.three()]))
    assert found.body == plain.body


def test_a_byte_order_mark_is_left_out() -> None:
    """As the other feeds do."""
    data = w.raw([w.two()])
    assert dcsa.read(b"\xef\xbb\xbf" + data) == dcsa.read(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'[{"eventType": "\\ud800"}]', "half of a surrogate pair"),
        (b'[{"eventType": "\xed\xa0\x80"}]', "is not UTF-8 at byte 16"),
        (b'[{"eventType": 1e999}]', "1e999 is no number"),
        (b'[{"eventType": ' + b"1" * 5_000 + b"}]", "too many digits"),
        (b'[{"eventType": }]', "line 1, column 16"),
    ],
)
def test_broken_json_is_called_what_it_is(data: bytes, says: str) -> None:
    """The reason says what to look for, and where."""
    with pytest.raises(RecordError, match=says):
        dcsa.read(data)


def test_a_deeply_nested_field_is_refused_or_kept() -> None:
    """Strangers' depth ends in a refusal, never in another error."""
    deep: Any = 1
    for _ in range(400):
        deep = {"x": deep}
    try:
        dcsa.read(w.raw({"events": [w.three(extra=deep)]}))
    except RecordError as error:
        assert error.code is Code.MALFORMED


@given(
    made=st.sampled_from((w.two, w.three)),
    name=st.sampled_from(
        sorted(w.two().keys() | w.three().keys() | {"isRetracted", "eventLocation"})
    ),
    value=w.JSON_VALUES,
)
def test_any_value_in_any_field_is_read_or_refused(made: Any, name: str, value: Any) -> None:
    """No JSON value anywhere makes the reader fail in another way than by a refusal."""
    try:
        dcsa.read(w.raw([made(**{name: value})]))
    except RecordError as error:
        assert error.reason


@given(
    st.datetimes(min_value=dt.datetime(2000, 1, 2), max_value=dt.datetime(2049, 1, 1)),
    st.integers(min_value=-14 * 60, max_value=14 * 60),
)
def test_a_date_time_is_what_the_standard_library_reads(at: dt.datetime, offset_min: int) -> None:
    """Instant and offset agree with datetime, and our spelling of it reads the same again."""
    aware = at.replace(tzinfo=dt.timezone(dt.timedelta(minutes=offset_min)))
    found = moment(aware.isoformat())
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert found.micros == (aware - epoch) // dt.timedelta(microseconds=1)
    assert moment(found.text) == found


@pytest.mark.parametrize(
    ("text", "tz", "precision"),
    [
        ("2026-01-20T14:15:00Z", "+00:00", "S"),
        ("2026-01-20T14:15:00+0000", "+00:00", "S"),
        ("2026-01-20T14:15:00-00:00", "+00:00", "S"),
        ("2026-01-20T14:15:00+00", "+00:00", "S"),
        ("2026-01-20t14:15z", "+00:00", "MIN"),
        ("2026-01-20T22:15:00.250+08:00", "+08:00", "MS"),
        ("2026-01-20T08:45:00-05:30", "-05:30", "S"),
    ],
)
def test_offsets_are_spelled_in_many_ways(text: str, tz: str, precision: str) -> None:
    """One offset however it is written; what was not written is not precise."""
    found = moment(text)
    assert (found.tz, found.precision) == (tz, precision)
    assert found.micros // 1_000_000 == 1_768_918_500
