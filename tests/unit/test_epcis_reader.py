"""Reading EPCIS: what is taken, what is refused with which words, one spelling, one identity."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import epcis_world as w
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supplytwin.schemas import epcis
from supplytwin.schemas.epcis_words import instant

DATA, DOCUMENTS, SINGLE, INVALID = w.DATA, w.DOCUMENTS, w.SINGLE, w.INVALID
PUBLISHED = w.PUBLISHED

REFUSED = {
    "Combination_of_events_with_missing_mandatory_fields": {
        "epcisBody.eventList[0].action", "epcisBody.eventList[1].eventTimeZoneOffset",
    },
    "Combination_of_multiple_invalid_fields": {
        "epcisBody.eventList[0].bizStep", "epcisBody.eventList[1].disposition",
        "epcisBody.eventList[2].sourceList[0].type",
        "epcisBody.eventList[3].ilmd.materialType", "epcisBody.eventList[4].eventTime",
    },
    "Combination_of_non_standard_bizStep_and_disposition": {
        "epcisBody.eventList[0].bizStep", "epcisBody.eventList[1].disposition",
    },
    "EPCISDocument_without_context": {"@context"},
    "ObjectEvent_with_ilmd_field_without_namespace": {"epcisBody.eventList[0].ilmd.materialType"},
    "ObjectEvent_with_invalid_action": {"epcisBody.eventList[0].action"},
    "ObjectEvent_with_invalid_certificationInfo": {"epcisBody.eventList[0].certificationInfo[0]"},
    "ObjectEvent_with_invalid_eventTime_format": {"epcisBody.eventList[0].eventTime"},
    "ObjectEvent_with_non_standard_bizStep": {"epcisBody.eventList[0].bizStep"},
    "ObjectEvent_with_non_standard_bizStep_in_second_event": {"epcisBody.eventList[1].bizStep"},
    "ObjectEvent_with_non_standard_disposition": {"epcisBody.eventList[0].disposition"},
    "ObjectEvent_with_quantity_as_text": {"epcisBody.eventList[0].quantityList[0].quantity"},
    "ObjectEvent_with_unknown_field_in_quantityList": {
        "epcisBody.eventList[0].quantityList[0].weight",
    },
    "ObjectEvent_without_action_and_eventTime": {"epcisBody.eventList[0].eventTime"},
    "ObjectEvent_without_identifier_list": {"epcisBody.eventList[0].epcList"},
}  # fmt: skip
"""Invalid document -> the paths that its refusals name."""
NEWER = {
    "AggregationEvent_with_persistentDisposition",
    "SensorData_with_combined_events",
    "TransactionEvent_with_userExtensions",
}
"""Documents of the collection that the published schema, which is older, does not take."""


def event(**changes: Any) -> dict[str, Any]:
    """A small event; a field set to None is taken out."""
    fields = {
        "@context": ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld"],
        "type": "ObjectEvent",
        "eventTime": "2026-07-22T06:45:00+02:00",
        "eventTimeZoneOffset": "+02:00",
        "action": "ADD",
        "bizStep": "receiving",
        "epcList": ["urn:epc:id:sgtin:4012345.011111.1"],
    }
    return {name: one for name, one in (fields | changes).items() if one is not None}


def read(value: Any) -> epcis.Reading:
    """A value, read from its JSON."""
    return epcis.read(json.dumps(value).encode())


def one(value: Any) -> epcis.EpcisEvent:
    """The only event of a value, which has nothing to refuse."""
    reading = read(value)
    assert not reading.refused
    (found,) = reading.events
    return found


def refusal(value: Any) -> epcis.Refused:
    """The only refusal of a value, which has no event."""
    reading = read(value)
    assert not reading.events
    (found,) = reading.refused
    return found


def test_every_valid_document_is_taken() -> None:
    """38 documents have 68 events and 5 files one each; nothing is refused."""
    readings = [epcis.read(path.read_bytes()) for path in DOCUMENTS]
    assert len(readings) == 38
    assert sum(len(reading.events) for reading in readings) == 68
    single = [epcis.read(path.read_bytes()) for path in SINGLE]
    assert [len(reading.events) for reading in single] == [1] * 5
    assert not [refused for reading in (*readings, *single) for refused in reading.refused]


def test_every_invalid_document_is_refused_at_the_right_place() -> None:
    """Each of the 15 names the path of what is wrong, by event, and says what to do."""
    assert len(INVALID) == 15
    for path in INVALID:
        reading = epcis.read(path.read_bytes())
        assert {refused.field for refused in reading.refused} == REFUSED[path.stem]
        for refused in reading.refused:
            number = re.search(r"\[(\d+)\]", refused.field)
            assert refused.number == (0 if number is None else int(number[1]) + 1)
            assert len(refused.reason) > 15


def test_a_bad_event_does_not_keep_the_others_back() -> None:
    """The first event of a document is taken although the second is refused."""
    name = "ObjectEvent_with_non_standard_bizStep_in_second_event.json"
    reading = epcis.read((DATA / "Invalid" / name).read_bytes())
    assert [found.place for found in reading.events] == ["epcisBody.eventList[0]"]
    assert reading.refused[0].reason.startswith("event 2: 'transforming' is no word")


def test_what_was_refused_can_be_corrected_and_read_again() -> None:
    """The body of a refusal is an event that is complete in itself: corrected, it is taken."""
    name = "ObjectEvent_with_non_standard_bizStep_in_second_event.json"
    (refused,) = epcis.read((DATA / "Invalid" / name).read_bytes()).refused
    corrected = refused.body.replace(b"transforming", b"inspecting")
    (found,) = epcis.read(corrected).events
    assert found.fields["bizStep"] == "inspecting"
    assert [again.field for again in epcis.read(refused.body).refused] == ["bizStep"]


@pytest.mark.parametrize("path", [*DOCUMENTS, *SINGLE, *INVALID], ids=lambda path: path.stem)
def test_the_published_schema_says_the_same(path: Path) -> None:
    """Whole files: the reader refuses something exactly where the schema does."""
    refused = bool(epcis.read(path.read_bytes()).refused)
    accepted = PUBLISHED.is_valid(json.loads(path.read_text()))
    assert accepted == (path.stem in {p.stem for p in (*DOCUMENTS, *SINGLE)} - NEWER)
    assert refused == (not accepted and path.stem not in NEWER)


WHOLE = [
    found
    for path in (*DOCUMENTS, *SINGLE)
    if path.stem not in NEWER
    for found in (json.loads(reading.original) for reading in epcis.read(path.read_bytes()).events)
]


@given(data=st.data(), base=st.sampled_from(WHOLE))
def test_a_damaged_event_is_refused_when_the_schema_refuses_it(
    data: st.DataObject, base: dict[str, Any]
) -> None:
    """One field gone or another value in it: what the schema refuses is never taken, and what it
    takes is taken, but for negative quantities and texts that are no times."""
    damaged = copy.deepcopy(base)
    place = w.damage(data, damaged)
    taken = bool(read(damaged).events)
    accepted = PUBLISHED.is_valid(damaged)
    newer = "sensorReport" in place or "persistentDisposition" in place
    if taken:
        assert accepted or newer, (place, damaged)
    elif accepted:
        assert place[-1] == "quantity", (read(damaged).refused, damaged)


def test_three_spellings_of_a_time_are_one_identity() -> None:
    """Two offsets and Z at one instant: one event id, and one content to the byte."""
    times = ("2019-10-21T14:58:56.000+02:00", "2019-10-21T12:58:56Z", "2019-10-21T15:58:56+03:00")
    found = [one(event(eventTime=text)) for text in times]
    assert len({(each.event_id, each.original) for each in found}) == 1
    assert found[0].event_id.startswith("ni:///sha-256;")


def test_spellings_of_names_words_and_order_are_one_identity() -> None:
    """EPC URI and Digital Link, word and URI and CURIE, order of names, name of a prefix."""
    plain = one(
        event(
            **{"@context": [*event()["@context"], {"a": "https://ns.example.com/"}]},
            epcList=["urn:epc:id:sgtin:4012345.011111.1", "urn:epc:id:sgtin:4012345.011111.2"],
            quantityList=[{"epcClass": "urn:epc:class:lgtin:4012345.012345.L", "quantity": 2.50}],
            **{"a:f": {"a:x": "1", "a:y": ["2", "3"]}},
        )
    )
    other = one(
        event(
            **{"@context": [*event()["@context"], {"b": "https://ns.example.com/"}]},
            epcList=[
                "http://id.gs1.org/01/04012345111118/21/2",
                "https://id.gs1.org/gtin/4012345111118/ser/1",
            ],
            quantityList=[
                {"quantity": 2.5, "epcClass": "https://id.gs1.org/01/04012345123456/10/L"}
            ],
            bizStep="cbv:BizStep-receiving",
            **{"b:f": {"b:y": ["2", "3"], "b:x": "1"}},
        )
    )
    assert (plain.event_id, plain.original) == (other.event_id, other.original)
    assert one(event(bizStep="https://ref.gs1.org/cbv/BizStep-receiving")) == one(event())


TWO = {"@context": [*event()["@context"], {"a": "https://x.example/", "b": "https://x.example/"}]}
LINK = "https://brand.example/01/09506000134352/10/LOT7/21/S1?17=251231&3103=000195"


@pytest.mark.parametrize(
    ("said", "kept", "other"),
    [
        ({"a:f": {"result": "pass", "comment": "3 boxes wet"}}, '"comment":"3 boxes wet"',
         {"a:f": {"result": "pass"}}),
        ({"rdfs:comment": "wet"}, '"rdfs:comment":"wet"', {}),
        ({"a:at": [8.55, 47.37]}, "[8.55,47.37]", {"a:at": [47.37, 8.55]}),
        ({"a:f": {"x": ["SG", "CN"]}}, '["SG","CN"]', {"a:f": {"x": ["CN", "SG"]}}),
        ({"epcList": [LINK]}, LINK, {"epcList": ["https://id.gs1.org/01/09506000134352/21/S1"]}),
        ({"a:t": "broken", "b:t": ["ok"]}, '"stx1:t":["ok","broken"]',
         {"a:t": ["broken", "ok"]}),
    ],
)  # fmt: skip
def test_all_that_an_event_says_is_kept(
    said: dict[str, Any], kept: str, other: dict[str, Any]
) -> None:
    """The hash leaves out what the standard leaves out; the original has it, read again too."""
    found, less = one(event(**TWO, **said)), one(event(**TWO, **other))
    assert kept in found.original.decode()
    assert found.event_id == less.event_id
    assert found.original != less.original
    assert one(json.loads(found.original)).original == found.original


def test_two_prefixes_of_one_namespace_in_any_order() -> None:
    """Which of the two names stands first says nothing."""
    first = one(event(**TWO, **{"a:t": "1", "b:t": "2"}))
    assert first == one(event(**TWO, **{"b:t": "1", "a:t": "2"}))
    declared = {"@context": [{"r": "http://www.w3.org/2000/01/rdf-schema#"}]}
    assert "rdfs:comment" in one(event(**declared, **{"r:comment": "x"})).fields


@pytest.mark.parametrize("kind", ["epcis:ObjectEvent", "https://ref.gs1.org/epcis/ObjectEvent"])
def test_a_standard_type_in_another_spelling(kind: str) -> None:
    """It is not somebody's own: the same event, and checked as one, with what is right of it."""
    assert one(event(type=kind)) == one(event())
    wrong = refusal(event(type=kind, action="MOVE"))
    assert (wrong.field, wrong.fields["type"]) == ("action", "ObjectEvent")


@pytest.mark.parametrize("path", [*DOCUMENTS, *SINGLE], ids=lambda path: path.stem)
def test_what_was_read_is_complete_in_itself(path: Path) -> None:
    """The original of every event, read again, is the same event to the byte."""
    for found in epcis.read(path.read_bytes()).events:
        (again,) = epcis.read(found.original).events
        assert (again.original, again.event_id) == (found.original, found.event_id)


def test_an_event_id_that_is_given_is_the_identity() -> None:
    """The hash is for events without one."""
    assert one(event(eventID="urn:uuid:404d95fc")).event_id == "urn:uuid:404d95fc"


def test_a_list_of_events_is_read_too() -> None:
    """Each must have its own @context; a refusal names the number."""
    reading = read([event(), event(**{"@context": None})])
    assert [found.place for found in reading.events] == ["[0]"]
    assert (reading.refused[0].number, reading.refused[0].field) == (2, "[1].@context")


@pytest.mark.parametrize(
    ("context", "name"),
    [
        ("https://ref.gs1.org/standards/epcis/epcis-context.jsonld", "a:f"),
        ({"a": "https://ns.example.com/"}, "{https://ns.example.com/}f"),
        ([{"a": {"@id": "https://ns.example.com/"}}], "{https://ns.example.com/}f"),
        ([{"a": "b:com/"}, {"b": "https://ns.example."}], "{https://ns.example.com/}f"),
        ([{"a": "https://x.example.com/"}, {"a": "https://ns.example.com/"}],
         "{https://ns.example.com/}f"),
    ],
)  # fmt: skip
def test_every_form_of_a_context(context: Any, name: str) -> None:
    """An address, an object, a list; a prefix that nobody declares stays as it is."""
    assert one(event(**{"@context": context, "a:f": "1"})).fields[name] == "1"


HEADERS: tuple[Any, ...] = (
    {}, {"epcisMasterData": {}}, {"a:b": 1}, {"b": 1}, 3, {"epcisMasterData": 3},
    {"epcisMasterData": {"vocabularyList": [{"type": "urn:a:b", "vocabularyElementList": []}]}},
    {"epcisMasterData": {"vocabularyList": [{"type": "b"}]}},
    {"epcisMasterData": {"vocabularyList": [{}]}},
    {"epcisMasterData": {"vocabularyList": [3]}},
    {"epcisMasterData": {"vocabularyList": 3}},
)  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        *({"epcisHeader": header} for header in HEADERS),
        {"schemaVersion": "x"}, {"schemaVersion": None}, {"creationDate": "x"}, {"id": "x"},
        {"sender": 3}, {"epcisBody": {}}, {"epcisBody": 3}, {"epcisBody": {"eventList": 3}},
        {"epcisBody": {"eventList": []}}, {"own": 1}, {"a:own": 1}, {"@context": []},
        {"@context": None}, {"creationDate": None},
    ],
    ids=str,
)  # fmt: skip
def test_documents_are_judged_as_the_schema_judges(changes: dict[str, Any]) -> None:
    """The envelope, field by field: refused as a whole, or not at all."""
    document = json.loads((DATA / "Documents" / "ObjectEvent.json").read_text()) | changes
    document = {name: value for name, value in document.items() if value is not None}
    reading = read(document)
    assert bool(reading.refused) == (not PUBLISHED.is_valid(document))
    assert not (reading.refused and reading.events)


def test_a_query_result_is_read_like_a_document() -> None:
    """Its events stand deeper, and are the same."""
    document = json.loads((DATA / "Documents" / "ObjectEvent.json").read_text())
    results = {"queryName": "q", "resultsBody": document["epcisBody"]}
    query = {
        "@context": document["@context"],
        "type": "EPCISQueryDocument",
        "epcisBody": {"queryResults": results},
    }
    assert PUBLISHED.is_valid(query)
    plain = [found.original for found in read(document).events]
    assert [found.original for found in read(query).events] == plain
    assert read(query).events[0].place == "epcisBody.queryResults.resultsBody.eventList[0]"


def test_an_event_of_ones_own_type_is_taken() -> None:
    """A type that is a URI: what is not of EPCIS in it stays as it is, and is in its hash."""
    own = event(type="example:Weighed", epcList=[{"example:kg": 3}], action=None)
    assert PUBLISHED.is_valid(own)
    assert one(own).event_id != one(event(type="example:Weighed", action=None)).event_id


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"eventTime": "2026-02-30T00:00:00Z"}, "eventTime", "day is out of range"),
        ({"eventTime": "0001-01-01T00:00:00Z"}, "eventTime", "outside the years"),
        ({"epcList": ["urn:x:" + "a" * 400]}, "epcList[0]", "at most 400"),
        ({"a:b": [[[[]]]]}, None, ""),
        ({"type": 3}, "type", "is not a text"),
        (
            {"type": "Nothing"},
            "type",
            "is none of ObjectEvent, AggregationEvent, AssociationEvent, "
            "TransactionEvent, TransformationEvent",
        ),
        ({"action": ["ADD"]}, "action", "is not a text"),
        ({"@context": [3]}, "@context[0]", "no address"),
        ({"@context": [{"a": "b c"}]}, "@context[0].a", "namespace"),
        ({"@context": [{"a": 3}]}, "@context[0].a", "namespace"),
        ({"@context": [{"@version": 1.1, "a": None}]}, None, ""),
        ({"ilmd": {"a:b": 1}, "action": "OBSERVE"}, "ilmd", "action ADD only"),
    ],
)
def test_what_a_schema_cannot_say_is_refused_too(
    changes: dict[str, Any], field: str | None, words: str
) -> None:
    """No refusal without the field and a reason to act on."""
    reading = read(event(**changes))
    if field is None:
        assert not reading.refused
    else:
        assert reading.refused[0].field == field
        assert words in reading.refused[0].reason


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is not JSON at line 1, column 1"),
        (b"\xff", "not UTF-8 at byte 0"),
        (b'{"type": "a", "type": "b"}', "stands twice"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'["\\ud800"]', "surrogate"),
        (b'{"a": 1e9999999999999999999999}', "number without bounds"),
        (b"[" * 200_000, "nested too deep"),
        (b"null", "is not an event"),
        (b'{"type": "EPCISDocument"}', "is required"),
    ],
)
def test_bytes_that_are_no_document_are_refused_whole(raw: bytes, words: str) -> None:
    """One refusal with the bytes as they came, whatever they are."""
    reading = epcis.read(raw)
    assert not reading.events
    assert words in reading.refused[0].reason
    assert reading.refused[0].body == raw or raw == b"null"


def text(value: str, **changes: Any) -> bytes:
    """The JSON of an event with this text as the value of an extension."""
    return json.dumps(event(**{**changes, "a:b": "?"})).replace('"?"', value).encode()


@pytest.mark.parametrize("kind", ["ObjectEvent", "example:Own"])
@pytest.mark.parametrize(
    ("value", "field", "words"),
    [
        ("1e1000000", "a:b", "out of range"),
        ("1e-9999999", "a:b", "out of range"),
        ("9" * 6000, "a:b", "out of range"),
        ('{"a:c": [1, 1e400]}', "a:b.a:c[1]", "out of range"),
        ('{"#text": {"a": 1}}', "a:b.#text", "an object is no text"),
        ('[{"#text": [1, 2]}]', "a:b[0].#text", "a list is no text"),
        ('{"{y}z": 1}', "a:b.{y}z", "is no name"),
        ('{"a:c": NaN}', "a:b.a:c", "NaN is no number"),
        ("[1, -Infinity]", "a:b[1]", "-Infinity is no number"),
        ("1e9999999999999999999999", "a:b", "number without bounds"),
        ('{"x": [{"y": 1, "y": 2}]}', "a:b.x[0].y", "stands twice"),
    ],
)  # fmt: skip
def test_crafted_values_are_refused_where_they_stand(
    kind: str, value: str, field: str, words: str
) -> None:
    """In an event of EPCIS and in one of somebody's own type: path and reason, no traceback."""
    (refused,) = epcis.read(text(value, type=kind)).refused
    assert (refused.field, words in refused.reason) == (field, True)
    (refused,) = epcis.read(b"[%s,%s]" % (text("1"), text(value, type=kind))).refused
    assert refused.field == f"[1].{field}"
    assert refused.reason.startswith("event 2: ")


def test_a_number_that_is_none_names_its_event_in_a_document() -> None:
    """Also below somebody's own list of that name."""
    document = json.loads((DATA / "Documents" / "ObjectEvent.json").read_text())
    document["epcisBody"]["eventList"][0]["a:b"] = {"eventList": [1, "?"]}
    (refused,) = epcis.read(json.dumps(document).replace('"?"', "NaN").encode()).refused
    assert refused.field == "epcisBody.eventList[0].a:b.eventList[1]"
    assert refused.reason == "event 1: NaN is no number in JSON"


def test_numbers_keep_all_of_their_digits() -> None:
    """Nothing is rounded: neither what is kept nor what is hashed."""
    long = "1." + "0" * 40 + "1"
    (found,) = epcis.read(text(long)).events
    assert long.encode() in found.original
    (other,) = epcis.read(text("1")).events
    assert other.event_id != found.event_id
    assert epcis.read(text(f'"{long}"')).events[0].event_id == found.event_id
    quantity = {"epcClass": "urn:x:c", "quantity": "?"}
    raw = json.dumps(event(quantityList=[quantity])).replace('"?"', "1" * 18 + ".1" + "0" * 9 + "1")
    assert epcis.read(raw.encode()).refused[0].field == "quantityList[0].quantity"


def test_nesting_has_an_end() -> None:
    """An extension of more than 40 levels is refused, one of 30 is kept."""
    deep: Any = "x"
    for _ in range(30):
        deep = {"a:b": deep}
    assert one(event(**{"a:b": deep}))
    for _ in range(20):
        deep = {"a:b": deep}
    assert "nested" in refusal(event(**{"a:b": deep})).reason


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_answered(raw: bytes) -> None:
    """Nothing makes the reader raise, and something is always said."""
    reading = epcis.read(raw)
    assert reading.events or reading.refused or raw.strip() == b"[]"


FIELDS = (
    *event(), "quantityList", "sensorElementList", "readPoint", "errorDeclaration",
    "persistentDisposition", "a:b",
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("type", "@context", "a:b", "id", "x")), inner)
    ),
    max_leaves=8,
)


@given(VALUES, st.sampled_from(FIELDS))
def test_any_value_in_any_field_is_answered(value: Any, name: str) -> None:
    """A field may hold anything: then the event is refused, or read the same again."""
    reading = read({**event(), name: value})
    for found in reading.events:
        assert epcis.read(found.original).events[0].original == found.original


def test_half_a_millisecond_is_rounded_up() -> None:
    """CBV 2.0: the fourth decimal decides."""
    assert instant("1970-01-01T00:00:00.1415Z") == 142_000
    assert instant("1970-01-01T00:00:00.14149Z") == 141_000
    assert instant("1970-01-01T01:00:00.9999+01:00") == 1_000_000
