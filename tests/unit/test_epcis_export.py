"""A chain's history as an EPCIS document: valid, complete, and the same when it is read again."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import epcis_world as w
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from supplytwin.processors import epcis, epcis_export, twin
from supplytwin.schemas import codec
from supplytwin.schemas import epcis as reader
from supplytwin.schemas.epcis_words import instant
from supplytwin.schemas.events import EVENT_TYPES, VALUES, Event
from supplytwin.schemas.flow import Input, Message, Record
from supplytwin.schemas.ids import Micros
from supplytwin.streams import cli, deployment, journal_file, topics
from supplytwin.streams.conductor import send
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time
from supplytwin.streams.summary import read_all

FILES = [*w.DOCUMENTS, *w.SINGLE]
READ = [event for path in FILES for event in reader.read(path.read_bytes()).events]
SAMPLES = [fact for event in READ for fact in epcis.mapped(event).facts]
T = instant("2026-07-22T04:45:00Z")
NOW = instant("2031-01-01T00:00:00Z")
FILL: dict[Any, Any] = {
    str: "x y/ü", int: 1, bool: False, float: 1.5, Micros: T, Decimal: Decimal("2.50"),
    dt.date: dt.date(2026, 1, 1), tuple[str, ...]: ("a:b", "c"),
}  # fmt: skip


def fact(kind: str, **given: Any) -> Event:
    """A native fact of a kind."""
    made = EVENT_TYPES[kind]
    fields: dict[str, Any] = {
        one.name: FILL.get(one.type, ()) for one in msgspec.structs.fields(made) if one.required
    }
    fields |= {name: sorted(VALUES[name])[0] for name in VALUES.keys() & fields.keys()}
    fields |= {
        "event_id": "e1", "source": "wms", "revision": T, "event_type": kind,
        "classifier": "ACTUAL", "event_time": T, "event_tz": "+02:00", "time_precision": "S",
        "recorded_time": T, "chain_id": "SCMS-4", "subject_type": "CONSIGNMENT",
        "subject_id": "ASN 8",
    }  # fmt: skip
    own = set(made.__struct_fields__)
    return made(**{name: one for name, one in (fields | given).items() if name in own})


def exported(*facts: Event) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """(events of the document, which the published schema accepts, what is left out)."""
    made = epcis_export.export(facts)
    document = json.loads(made.document)
    errors = [f"{list(e.path)}: {e.message[:200]}" for e in w.PUBLISHED.iter_errors(document)]
    assert not errors
    events: list[dict[str, Any]] = document["epcisBody"]["eventList"]
    assert len(events) == made.events
    return events, made.left_out


def again(*facts: Event, source: str = epcis.SOURCE) -> list[Event]:
    """The facts that the exported document gives."""
    reading = reader.read(epcis_export.export(facts).document)
    assert not reading.refused
    return [one for event in reading.events for one in epcis.mapped(event, source=source).facts]


def subjects(*facts: Event) -> Any:
    """The subjects of the canonical state after these facts."""
    made = twin.EMPTY
    for one in facts:
        value = codec.encode(one.TOPIC, one)
        found = codec.decode(one.TOPIC, value)
        record = Record(topic=one.TOPIC, partition=0, offset=0, arrival=NOW, key=b"C", value=value)
        taken = Input(record=record, key="C", message=one, fingerprint=0,
                      content_hash=found.content_hash)  # fmt: skip
        made = twin.take(made, taken).twin
    whole: Any = twin.canonical(made)
    return whole["subjects"]


def test_what_came_as_epcis_goes_out_and_comes_back_the_same() -> None:
    """All 73 events of the collection: a valid document, and exactly the same facts."""
    events, left_out = exported(*SAMPLES)
    assert not left_out
    assert len(events) == len({event.original for event in READ})
    assert set(again(*SAMPLES)) == set(SAMPLES)


@given(st.data(), st.sampled_from(w.DOCUMENTS))
def test_what_is_left_of_a_damaged_document_comes_back_the_same(
    data: st.DataObject, path: Path
) -> None:
    """Whatever is wrong with one field: what was accepted is the same after export and import."""
    document = json.loads(path.read_text())
    w.damage(data, document)
    events = reader.read(json.dumps(document).encode()).events
    facts = {one for event in events for one in epcis.mapped(event).facts}
    assert set(again(*facts)) == facts


@given(st.permutations(SAMPLES[:12]))
def test_the_order_of_the_facts_does_not_matter(facts: list[Event]) -> None:
    """The same facts give the same bytes."""
    assert epcis_export.export(facts) == epcis_export.export(SAMPLES[:12])


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_kind_of_fact_has_a_valid_event(kind: str) -> None:
    """Whatever it says, all of it is in the extension; read again it is on the same chain."""
    ((event,), left_out) = exported(fact(kind, uom="KGM"))
    assert not left_out
    assert event["supplytwin:fact"]["supplytwin:event_type"] == kind
    assert event["eventTime"] == "2026-07-22T04:45:00.000Z"
    for one in again(fact(kind)):
        assert (one.chain_id, one.event_time, one.event_tz) == ("SCMS-4", T, "+02:00")


@pytest.mark.parametrize(
    ("kind", "given", "same"),
    [
        ("wh.received", {"lot_id": "L 1", "uom": "KGM", "asn": "ASN-8"},
         ("lot_id", "qty", "uom", "asn")),
        ("wh.put_away", {}, ("lot_id", "bin")),
        ("wh.picked", {}, ("lot_id", "qty")),
        ("wh.counted", {}, ("lot_id", "counted")),
        ("wh.inspected", {"result": "PASS"}, ("lot_id", "result")),
        ("wh.inspected", {"result": "FAIL"}, ("lot_id", "result")),
        ("wh.packed", {"children": ("a:b", "c d")}, ("hu_id", "children")),
        ("wh.dispatched", {"hu_ids": ("h/1",)}, ("hu_ids", "consignment_id")),
        ("wh.dispatched", {"lot_id": "L", "qty": Decimal(3)}, ("lot_id", "qty")),
        ("shipment.departed", {}, ("subject_id",)),
        ("shipment.arrived", {}, ("subject_id",)),
        ("shipment.delivered", {"facility": "DC 4"}, ("consignment_id", "receiver")),
        ("shipment.sensor", {"alert": "HOT"}, ("device_id", "metric", "value", "unit", "alert")),
    ],
)  # fmt: skip
def test_what_epcis_can_say_comes_back(kind: str, given: dict[str, Any], same: tuple[str]) -> None:
    """A native fact, out and in: its type and these fields are the same."""
    sent = fact(kind, **given)
    found = [one for one in again(sent) if one.event_type == kind]
    assert len(found) == 1
    for name in same:
        assert getattr(found[0], name) == getattr(sent, name), name


@pytest.mark.parametrize(
    ("uom", "code"),
    [("kilogram", "KGM"), ("kg", "KGM"), ("KG", "KGM"), ("KGM", "KGM"), ("Metric Ton", "TNE"),
     ("pcs.", "H87"), ("EA", "EA"), ("PACK", "XPK"), ("C62", "C62")],
)  # fmt: skip
def test_units_are_codes(uom: str, code: str) -> None:
    """5 kilogram are not 5 pieces; read again they are in the code."""
    sent = fact("wh.received", subject_type="LOT", subject_id="L", lot_id="L", uom=uom)
    ((event,), left_out) = exported(sent)
    assert event["quantityList"][0]["uom"] == code
    assert not left_out
    assert [getattr(one, "uom", None) for one in again(sent)] == [code]


def test_a_quantity_without_a_unit_that_others_know_is_left_out() -> None:
    """Counted; what follows of the lot is in the lot's own unit."""
    given: Any = {"subject_type": "LOT", "subject_id": "L", "lot_id": "L"}
    picked, strange = fact("wh.picked", event_id="e2", **given), fact("wh.received", uom="BOX4",
                                                                     **given)  # fmt: skip
    events, left_out = exported(strange, picked)
    assert [event["quantityList"] for event in events] == [
        [{"epcClass": "urn:x-supplytwin:lot:L"}]
    ] * 2
    why = "a quantity in several units, or in one without a code of UN/ECE Rec 20"
    assert left_out == {why: 2}
    events, left_out = exported(fact("wh.received", uom="kg", **given), picked)
    assert {event["quantityList"][0]["uom"] for event in events} == {"KGM"}
    other = fact("wh.received", uom="EA", event_id="e3", **given)
    _, left_out = exported(fact("wh.received", uom="kg", **given), other, picked)
    assert left_out == {why: 1}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e308, 5e-324])
def test_a_reading_that_is_no_number_elsewhere_is_a_text(value: float) -> None:
    """The document is valid and read again without a refusal."""
    ((event,), _) = exported(fact("shipment.sensor", metric="Temperature", value=value))
    report = event["sensorElementList"][0]["sensorReport"][0]
    assert report["stringValue"] == str(value)
    assert "value" not in report
    again(fact("shipment.sensor", metric="Temperature", value=value))


def test_an_inspection_without_a_verdict_has_no_disposition() -> None:
    """PARTIAL is not a failure."""
    ((event,), _) = exported(fact("wh.inspected", result="PARTIAL"))
    assert "disposition" not in event


def test_a_native_fact_with_a_strange_id_is_not_taken_for_epcis() -> None:
    """Only the facts of an event whose original is there go out as that event."""
    first = SAMPLES[0]
    strange = fact("wh.picked", source=first.source, event_id=first.event_id + "#x")
    alone = fact("wh.picked", source=first.source, event_id="urn:uuid:1#wh.picked")
    events, _ = exported(first, strange, alone)
    assert len(events) == 3


def test_plans_are_left_out_and_counted() -> None:
    """EPCIS says what happened, nothing else."""
    plan = fact("shipment.arrived", classifier="PLANNED")
    events, left_out = exported(plan, fact("shipment.arrived", event_id="e2"))
    assert len(events) == 1
    assert left_out == {"planned: EPCIS says only what has happened": 1}


def test_a_retraction_is_an_error_declaration() -> None:
    """Of the event, which stands there, too: read again, it has never happened."""
    wrong = fact("wh.received", subject_type="LOT", subject_id="L", lot_id="L")
    back = replace(
        wrong, event_id="e2", revision=Micros(T + 1_000_000), correction_action="RETRACT",
        correction_source="wms", correction_event_id="e1", correction_reason="DID_NOT_OCCUR",
    )  # fmt: skip
    events, _ = exported(wrong, back)
    declared, plain = sorted(events, key=lambda event: "errorDeclaration" not in event)
    assert declared.pop("errorDeclaration") == {
        "declarationTime": "2026-07-22T04:45:01.000Z", "reason": "did_not_occur",
    }  # fmt: skip
    assert declared == plain
    assert subjects(*again(wrong)) != []
    assert subjects(*again(wrong, back)) == []


def test_a_superseding_fact_is_named_as_the_correcting_one() -> None:
    """The old event is declared an error that the new one corrects."""
    wrong = fact("wh.received", uom="KGM")
    new = replace(wrong, event_id="e2", correction_action="SUPERSEDE", correction_event_id="e1")
    events, _ = exported(wrong, new)
    (declared,) = [event for event in events if "errorDeclaration" in event]
    old, right = sorted(event["eventID"] for event in events if "errorDeclaration" not in event)
    assert (declared["eventID"], old, right) == (old, *(epcis_export.uri_of("event", f"wms/{name}")
                                                       for name in ("e1", "e2")))  # fmt: skip
    assert declared["errorDeclaration"]["correctiveEventIDs"] == [right]
    _, left_out = exported(new)
    assert left_out == {"a correction of what this chain does not have": 1}


def test_of_an_identity_the_latest_revision_goes_out() -> None:
    """An older one is history of the journal, not of the chain."""
    old, new = fact("wh.picked"), fact("wh.picked", revision=Micros(T + 1), qty=Decimal(7))
    for facts in ((old, new), (new, old)):
        ((event,), _) = exported(*facts)
        assert event["quantityList"][0]["quantity"] == 7


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("Asia/Shanghai", "+08:00"), ("America/New_York", "-04:00"), ("unknown", "+00:00"),
     ("-03:30", "-03:30"), ("+18:00", "+14:00"), ("-18:00", "-13:59")],
)  # fmt: skip
def test_zones_are_offsets(zone: str, offset: str) -> None:
    """Of the moment itself; those that EPCIS does not have become the nearest."""
    ((event,), _) = exported(fact("wh.picked", event_tz=zone))
    assert event["eventTimeZoneOffset"] == offset


@given(st.text(min_size=1, max_size=500))
def test_any_name_is_a_uri_and_reads_as_itself(name: str) -> None:
    """Also one that looks like a URI, or is very long (then it is its hash)."""
    uri = epcis_export.uri_of("lot", name)
    assert len(uri) <= 400
    assert w.is_uri(uri)
    if ":sha256-" not in uri:
        assert epcis.named(uri) == name


def test_the_command_writes_the_document_of_a_chain(tmp_path: Path) -> None:
    """`supplytwin twin export` from an exported journal; a damaged one is refused."""
    broker = MemoryBroker()
    settings = Settings(
        kafka=Kafka(partitions=2),
        time=Time(simulated=True, timeline="t"),
        gateway=Gateway(ledger=str(tmp_path / "rail")),
    )
    topics.init(broker, settings)
    worker = deployment.worker(broker, settings, topics.require_meta(broker))
    producer = broker.producer(None)
    for one in (fact("wh.received", lot_id="L"), fact("wh.picked", classifier="PLANNED")):
        send(producer, Message(topic=one.TOPIC, key=one.chain_id, arrival=T, body=one))
    producer.flush()
    for _ in range(50):
        worker.turn(0.0)
    journal, out = tmp_path / "journal.jsonl", tmp_path / "chain.json"
    entries = [record.value or b"" for record in read_all(broker, "twin.journal", 2)]
    journal_file.write(journal, entries)
    words = ["twin", "export", "SCMS-4", "--format", "epcis", "--journal", str(journal)]
    done = CliRunner().invoke(cli.app, [*words, "--output", str(out)])
    assert done.exit_code == 0, done.output
    document = json.loads(out.read_text())
    assert w.PUBLISHED.is_valid(document)
    assert len(document["epcisBody"]["eventList"]) == 1
    shown = CliRunner().invoke(cli.app, words)
    assert json.loads(shown.stdout) == document
    wrong = CliRunner().invoke(cli.app, [*words, "--format", "x"]).exception
    assert "must be one of dcsa, epcis" in str(wrong)
    text = journal.read_text().splitlines()
    journal.write_text("\n".join(line for line in text if '"seq":1,' not in line) + "\n")
    assert "not exported" in str(CliRunner().invoke(cli.app, words).exception)
    broker.close()
