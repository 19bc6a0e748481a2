"""EPCIS events as facts: what they become, on which chain, and how an error takes them back."""

import json
from collections import Counter
from decimal import Decimal
from itertools import permutations
from typing import Any

import epcis_world as w
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supplytwin.processors import epcis, twin
from supplytwin.processors.epcis_about import chain_of, named
from supplytwin.schemas import codec
from supplytwin.schemas import epcis as reader
from supplytwin.schemas.epcis_words import instant
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.lifecycles import EFFECTS

FILES = [*w.DOCUMENTS, *w.SINGLE]
EVENTS = [event for path in FILES for event in reader.read(path.read_bytes()).events]

SSCC, ITEM = "urn:epc:id:sscc:4012345.0000000333", "urn:epc:id:sgtin:4012345.011111.1"
LOT, ASSET = "urn:epc:class:lgtin:4012345.012345.L7", "urn:epc:id:grai:4012345.55555.987"
GTIN = "https://id.gs1.org/01/04012345111118"
LOT_LINK = "https://id.gs1.org/01/04012345123456/10/L7"
ASSET_LINK = "https://id.gs1.org/8003/04012345555554987"
PLACE = {"id": "urn:epc:id:sgln:4012345.00005.0"}
PLACE_LINK = "https://id.gs1.org/414/4012345000054"
QUANTITIES = [{"epcClass": LOT, "quantity": 2.5, "uom": "KGM"}]
ADVICE = [{"type": "desadv", "bizTransaction": "urn:x:asn-8"}]
NOW = instant("2031-01-01T00:00:00Z")
ERROR = {"declarationTime": "2026-07-23T00:00:00Z", "reason": "did_not_occur"}


def event(**changes: Any) -> reader.EpcisEvent:
    """A small event as it was read; a field set to None is taken out."""
    fields = {
        "@context": ["https://ref.gs1.org/standards/epcis/epcis-context.jsonld"],
        "type": "ObjectEvent",
        "eventTime": "2026-07-22T06:45:00+02:00",
        "eventTimeZoneOffset": "+02:00",
        "action": "OBSERVE",
        "bizStep": "receiving",
        "epcList": [ITEM],
    }
    fields = {name: one for name, one in (fields | changes).items() if one is not None}
    reading = reader.read(json.dumps(fields).encode())
    assert not reading.refused
    return reading.events[0]


def facts(read: reader.EpcisEvent, **given: Any) -> tuple[Event, ...]:
    """The facts of an event."""
    return epcis.mapped(read, **given).facts


def item(fact: Event) -> Input:
    """A fact as it comes out of the intake."""
    value = codec.encode(fact.TOPIC, fact)
    found = codec.decode(fact.TOPIC, value)
    assert found.message == fact
    record = Record(topic=fact.TOPIC, partition=0, offset=0, arrival=NOW,
                    key=fact.chain_id.encode(), value=value)  # fmt: skip
    return Input(record=record, key=fact.chain_id, message=fact, fingerprint=found.fingerprint,
                 content_hash=found.content_hash)  # fmt: skip


def state(*taken: Event) -> tuple[list[Any], list[Any]]:
    """(subjects, exceptions) of the canonical state after these facts in this order."""
    made = twin.EMPTY
    for fact in taken:
        made = twin.take(made, item(fact)).twin
    whole: Any = twin.canonical(made)
    return whole["subjects"], whole["exceptions"]


def test_every_event_of_the_collection_becomes_facts_that_are_right() -> None:
    """73 events: each fact is what the codec takes, and the whole event stands in the first."""
    assert len(EVENTS) == 73
    for read in EVENTS:
        first, *others = facts(read)
        assert first.original == read.original
        assert {fact.original for fact in others} <= {None}
        for fact in (first, *others):
            assert item(fact).message == fact
        assert len({fact.event_id for fact in (first, *others)}) == 1 + len(others)


def test_what_the_collection_becomes() -> None:
    """The counts by type: half say something that we have a word for, the others are kept."""
    found = Counter(fact.event_type for read in EVENTS for fact in facts(read))
    assert found == {
        "shipment.sensor": 139, "shipment.noted": 23, "wh.received": 23, "wh.packed": 2,
    }  # fmt: skip
    assert sum(epcis.mapped(read).unmapped is not None for read in EVENTS) == 23


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"event_type": "wh.received", "lot_id": GTIN, "sku": GTIN, "qty": Decimal(1),
              "uom": "EA", "subject_type": "LOT", "subject_id": GTIN}),
        ({"quantityList": QUANTITIES, "epcList": None, "bizTransactionList": ADVICE},
         {"event_type": "wh.received", "lot_id": LOT_LINK, "qty": Decimal("2.5"), "uom": "KGM",
          "asn": "urn:x:asn-8", "sku": "https://id.gs1.org/01/04012345123456"}),
        ({"bizStep": "storing", "bizLocation": PLACE},
         {"event_type": "wh.put_away", "lot_id": GTIN, "bin": PLACE_LINK, "facility": PLACE_LINK}),
        ({"bizStep": "picking"}, {"event_type": "wh.picked", "qty": Decimal(1)}),
        ({"bizStep": "cycle_counting"}, {"event_type": "wh.counted", "counted": Decimal(1)}),
        ({"bizStep": "inspecting", "disposition": "conformant"},
         {"event_type": "wh.inspected", "result": "PASS"}),
        ({"bizStep": "inspecting", "persistentDisposition": {"set": ["non_conformant"]}},
         {"event_type": "wh.inspected", "result": "FAIL"}),
        ({"bizStep": "shipping", "bizTransactionList": ADVICE},
         {"event_type": "wh.dispatched", "consignment_id": "urn:x:asn-8", "qty": Decimal(1),
          "refs": ("ASN:urn:x:asn-8", "CONSIGNMENT:urn:x:asn-8")}),
        ({"bizStep": "shipping", "bizTransactionList": ADVICE, "epcList": [SSCC]},
         {"event_type": "wh.dispatched", "subject_type": "CONSIGNMENT",
          "hu_ids": ("https://id.gs1.org/00/040123450000003338",)}),
        ({"bizStep": "departing", "epcList": ["urn:epc:id:gsin:4012345.222333444"]},
         {"event_type": "shipment.departed", "subject_type": "CONSIGNMENT",
          "subject_id": "https://id.gs1.org/402/40123452223334442"}),
        ({"bizStep": "arriving", "bizTransactionList": ADVICE}, {"event_type": "shipment.arrived"}),
        ({"bizStep": None, "disposition": "damaged", "bizTransactionList": ADVICE},
         {"event_type": "shipment.exception", "exception_code": "DAMAGED",
          "subject_id": "urn:x:asn-8"}),
        ({"bizStep": None, "disposition": "unavailable", "epcList": [ASSET]},
         {"event_type": "shipment.unavailable", "trip_id": ASSET_LINK}),
        ({"type": "AggregationEvent", "action": "ADD", "bizStep": "packing", "epcList": None,
          "parentID": SSCC, "childEPCs": [ITEM]},
         {"event_type": "wh.packed", "hu_id": "https://id.gs1.org/00/040123450000003338",
          "children": (f"{GTIN}/21/1",)}),
        ({"type": "AggregationEvent", "action": "DELETE", "bizStep": "unpacking", "epcList": None,
          "parentID": ASSET, "childEPCs": [ITEM]},
         {"event_type": "shipment.stripped", "trip_id": ASSET_LINK}),
        ({"bizStep": "shipping"}, {"event_type": "shipment.noted",
                                   "text": "ObjectEvent OBSERVE shipping"}),
        ({"bizStep": "receiving", "action": "DELETE"}, {"event_type": "shipment.noted"}),
        ({"bizStep": "receiving", "epcList": [SSCC]}, {"event_type": "shipment.noted"}),
        ({"type": "example:Own", "epcList": 3, "action": None},
         {"event_type": "shipment.noted"}),
    ],
)  # fmt: skip
def test_the_table_of_steps(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each row of docs/feeds.md: one event, one fact with these fields."""
    (fact,) = facts(event(**changes))
    assert {name: getattr(fact, name) for name in expected} == expected


def test_serialised_items_count_on_the_lot_that_their_links_name() -> None:
    """Each lot by itself, each item once however it is spelled."""
    link = "https://brand.example/01/04012345111118/10/{}/21/{}"
    items = [link.format("L8", 2), link.format("L7", 1), link.format("L8", 3), ITEM]
    seven, eight = facts(event(epcList=items))
    assert (seven.subject_id, getattr(seven, "qty", None)) == (f"{GTIN}/10/L7", 1)
    assert (eight.subject_id, getattr(eight, "qty", None)) == (f"{GTIN}/10/L8", 2)
    assert getattr(eight, "sku", None) == GTIN


def test_documents_of_two_systems_are_two_chains() -> None:
    """Digits below a path of somebody's own are no key of everybody's."""
    chains = {
        facts(event(bizTransactionList=[{"type": "po", "bizTransaction": one}]))[0].chain_id
        for one in ("https://a.example/po/401/45000123", "https://b.example/po/401/45000123")
    }
    assert len(chains) == 2


def test_received_at_its_destination_is_delivered_too() -> None:
    """The consignment is delivered when the place is the one that it was meant for, only then."""
    meant = [
        {"type": "location", "destination": PLACE["id"]},
        {"type": "owning_party", "destination": "urn:epc:id:pgln:4012345.00000"},
    ]
    given = {"bizTransactionList": ADVICE, "destinationList": meant}
    there = facts(event(bizLocation=PLACE, **given))
    assert [fact.event_type for fact in there] == ["wh.received", "shipment.delivered"]
    assert getattr(there[1], "receiver", None) == "https://id.gs1.org/417/4012345000009"
    elsewhere = {"id": "urn:epc:id:sgln:4012345.00006.0"}
    assert len(facts(event(bizLocation=elsewhere, **given))) == 1


def test_every_number_of_a_sensor_is_a_reading_and_an_alarm_needs_none() -> None:
    """value, min, max and mean; an exception without a number is 1, so that it is not lost, and a
    fault of the sensor is no alarm about the goods."""
    reports = [
        {"type": "Temperature", "value": 26, "maxValue": 27.5, "uom": "CEL",
         "exception": "ALARM_CONDITION"},
        {"type": "Dimensionless", "exception": "gs1:ERROR_CONDITION"},
        {"type": "Dimensionless", "stringValue": "text"},
    ]  # fmt: skip
    meta = {"deviceID": "urn:epc:id:giai:4000001.111"}
    sensors = [{"sensorMetadata": meta, "sensorReport": reports}]
    found = facts(event(bizStep=None, sensorElementList=sensors))
    said = [(getattr(f, "metric"), getattr(f, "value"), getattr(f, "alert")) for f in found]  # noqa: B009
    assert said == [
        ("Dimensionless.error", 1.0, None),
        ("Temperature", 26.0, "ALARM_CONDITION"),
        ("Temperature.max", 27.5, "ALARM_CONDITION"),
    ]
    assert {getattr(f, "device_id") for f in found} == {"https://id.gs1.org/8004/4000001111"}  # noqa: B009
    assert found[2].event_id == found[0].event_id + ":2"


def sensed(*elements: Any, **changes: Any) -> list[Any]:
    """The readings of an event with these sensor elements."""
    found = facts(event(bizStep=None, sensorElementList=list(elements), **changes))
    return [fact for fact in found if fact.event_type == "shipment.sensor"]


def test_every_reading_has_its_own_time() -> None:
    """Of its report, else of its element, else of the event; a period's at its end."""
    report = {"type": "Temperature", "value": 1, "uom": "CEL"}
    first, second, third = (f"2026-07-22T0{hour}:00:00Z" for hour in (1, 2, 3))
    period = {"startTime": first, "endTime": second}
    for meta, own, expected in (
        ({"time": first}, {"time": third}, third),
        ({"time": first}, {}, first),
        ({}, {}, "2026-07-22T04:45:00Z"),
        ({**period, "time": third}, {"maxValue": 3, "value": None}, second),
        (period, {}, second),
        ({"startTime": first}, {}, "2026-07-22T04:45:00Z"),
    ):
        whole = {name: one for name, one in (report | own).items() if one is not None}
        (fact,) = sensed({"sensorMetadata": meta, "sensorReport": [whole]})
        assert (fact.event_time, fact.revision) == (
            instant(expected), instant("2026-07-22T04:45:00Z"),
        )  # fmt: skip
    (late,) = sensed({"sensorReport": [{**report, "time": "2026-07-22T05:00:00.500Z"}]})
    assert (late.recorded_time, late.time_precision) == (late.event_time, "MS")


def test_a_series_of_readings_in_one_event_is_one_series_in_time() -> None:
    """The excursion minutes are those of the readings sent one by one."""
    values = [(8, -18), (9, 4), (10, 5), (11, 6), (12, -18)]
    reports = [
        {"type": "Temperature", "value": v, "uom": "CEL", "time": f"2026-07-22T{h:02}:00:00Z"}
        for h, v in values
    ]
    found = sensed({"sensorReport": reports})
    times = sorted((one.event_time, one.value) for one in found)
    assert times == [(instant(f"2026-07-22T{h:02}:00:00Z"), v) for h, v in values]
    assert len({one.event_id for one in found}) == 5


def test_components_are_series_of_their_own() -> None:
    """x, y and z are not three values of one thing."""
    reports = [{"type": "Acceleration", "value": 1, "component": c} for c in ("x", "y")]
    own = {"type": "Acceleration", "minValue": 1, "component": "example:q"}
    found = sensed({"sensorReport": [*reports, own]})
    assert sorted(one.metric for one in found) == [
        "Acceleration.example:q.min", "Acceleration.x", "Acceleration.y",
    ]  # fmt: skip


def test_a_fault_of_a_sensor_is_no_excursion() -> None:
    """Its values stay values, and the fault a metric of its own, in no unit of theirs."""
    report = {"type": "Temperature", "value": 3, "uom": "CEL", "exception": "ERROR_CONDITION"}
    found = sensed({"sensorReport": [report]})
    said = [(one.metric, one.value, one.unit, one.alert) for one in found]
    assert said == [("Temperature", 3, "CEL", None), ("Temperature.error", 1, "1", None)]
    alarm = {"type": "Temperature", "uom": "CEL", "exception": "ALARM_CONDITION"}
    (one,) = sensed({"sensorReport": [alarm]})
    assert (one.value, one.unit, one.alert) == (1, "1", "ALARM_CONDITION")


def test_what_no_reading_says_of_a_sensor_is_counted() -> None:
    """By name, though another report of the event is a reading."""
    meta = {"startTime": "2026-07-22T01:00:00Z", "rawData": "urn:x:raw",
            "endTime": "2026-07-22T02:00:00Z"}  # fmt: skip
    reports = [
        {"type": "Temperature", "value": 3, "booleanValue": True},
        {"type": "Temperature", "stringValue": "HOT", "percRank": 3, "example:f": 1},
        {"type": "Temperature", "booleanValue": True},
    ]
    element = {"sensorMetadata": meta, "sensorReport": reports, "example:g": 1}
    mapped = epcis.mapped(event(bizStep=None, sensorElementList=[element]))
    assert set(mapped.body_only) == {
        "sensorElement.example:g", "sensorMetadata.startTime", "sensorMetadata.rawData",
        "sensorReport.booleanValue", "sensorReport.stringValue", "sensorReport.percRank",
        "sensorReport.example:f",
    }  # fmt: skip
    timed = {"sensorMetadata": meta, "sensorReport": [{**reports[0], "time": meta["endTime"]}]}
    assert "sensorMetadata.endTime" in epcis.mapped(event(sensorElementList=[timed])).body_only


TWO = [{"type": "desadv", "bizTransaction": f"urn:x:A{number}"} for number in (2, 1)]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"bizStep": "departing"}, "shipment.departed"),
        ({"bizStep": "arriving"}, "shipment.arrived"),
        ({"bizStep": "shipping", "epcList": [SSCC]}, "wh.dispatched"),
        ({"bizStep": None, "disposition": "damaged"}, "shipment.exception"),
        ({"bizLocation": PLACE, "destinationList": [
            {"type": "location", "destination": PLACE["id"]}]}, "shipment.delivered"),
        ({"sensorElementList": [{"sensorReport": [{"value": 1}]}]}, "shipment.sensor"),
    ],
)  # fmt: skip
def test_every_consignment_of_an_event_counts(changes: dict[str, Any], kind: str) -> None:
    """Each has its fact, which tells nothing of the other."""
    found = [f for f in facts(event(bizTransactionList=TWO, **changes)) if f.event_type == kind]
    assert [fact.subject_id for fact in found] == ["urn:x:A1", "urn:x:A2"]
    for fact in found:
        named = [ref for ref in fact.refs if ref.startswith("CONSIGNMENT:")]
        assert named == [f"CONSIGNMENT:{fact.subject_id}"]


def test_which_goods_are_of_which_consignment_is_not_guessed() -> None:
    """They count once; that it is not said is counted."""
    shipped = epcis.mapped(event(bizStep="shipping", bizTransactionList=TWO))
    said = [(one.subject_type, getattr(one, "qty", None)) for one in shipped.facts]
    assert said == [("LOT", 1), ("CONSIGNMENT", None)]
    received = epcis.mapped(event(bizTransactionList=TWO))
    assert [getattr(one, "asn", "") for one in received.facts] == [None]
    for mapped in (shipped, received):
        assert "bizTransactionList" in mapped.body_only
    assert "bizTransactionList" not in epcis.mapped(event(bizTransactionList=ADVICE)).body_only
    keys = [f"urn:epc:id:gsin:4012345.22233344{at}" for at in (4, 5)]
    by_key = epcis.mapped(event(bizStep="shipping", epcList=[ITEM, *keys]))
    assert len(by_key.facts) == 2
    assert "epcList" in by_key.body_only


@pytest.mark.parametrize(
    ("disposition", "kinds"),
    [
        ("in_progress", ["wh.received", "shipment.delivered"]),
        ("damaged", ["wh.received", "shipment.delivered", "shipment.exception"]),
        ("destroyed", ["shipment.exception"]),
        ("stolen", ["shipment.exception"]),
    ],
)
def test_what_is_gone_is_not_received(disposition: str, kinds: list[str]) -> None:
    """Stolen or destroyed goods are neither received nor delivered; others bear their condition."""
    at_its_destination: dict[str, Any] = {
        "bizTransactionList": ADVICE, "bizLocation": PLACE,
        "destinationList": [{"type": "location", "destination": PLACE["id"]}],
    }  # fmt: skip
    found = facts(event(disposition=disposition, **at_its_destination))
    assert [fact.event_type for fact in found] == kinds
    assert {getattr(fact, "condition", disposition) for fact in found} == {disposition}
    lasting = facts(event(persistentDisposition={"set": [disposition]}, **at_its_destination))
    assert [fact.event_type for fact in lasting] == kinds


def test_an_error_declaration_that_leaves_content_out_is_told() -> None:
    """Of an event in the same document each fact that stands; else that no effect is named."""
    whole = json.loads(event(eventID="urn:x:1").original)
    less = {**whole, "errorDeclaration": ERROR}
    del less["bizStep"]
    for both in ([whole, less], [less, whole]):
        read = epcis.document(json.dumps(both).encode())
        assert read.noted == {
            "errorDeclaration that names no effect to take back: "
            "ObjectEvent OBSERVE": 1,
            "errorDeclaration that leaves content of its event out: wh.received stands": 1,
        }  # fmt: skip
    right = epcis.document(json.dumps([whole, {**whole, "errorDeclaration": ERROR}]).encode())
    assert not right.noted


def test_fields_that_only_the_body_has_are_named() -> None:
    """Extensions, parties, certificates: counted by name, never dropped silently."""
    own = event(
        **{"example:f": 1}, certificationInfo="https://c.example.org/1", sourceList=[],
    )  # fmt: skip
    assert epcis.mapped(own).body_only == ("certificationInfo", "sourceList", "example:f")
    other = epcis.mapped(event(bizStep="other"))
    assert other.body_only == ("epcList", "action", "bizStep")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"bizTransactionList": [*ADVICE, {"type": "po", "bizTransaction": "urn:x:po-1"}]},
         "urn:x:po-1"),
        ({"bizTransactionList": ADVICE}, "urn:x:asn-8"),
        ({"bizTransactionList": [{"bizTransaction": "urn:x:any"}]}, "urn:x:any"),
        ({"bizTransactionList": [{"type": "po", "bizTransaction": "urn:x-supplytwin:po:SCMS%204"}]},
         "SCMS 4"),
        ({}, f"{GTIN}/21/1"),
        ({"epcList": [SSCC, ITEM]}, "https://id.gs1.org/00/040123450000003338"),
        ({"quantityList": QUANTITIES, "epcList": None}, LOT_LINK),
        ({"epcList": [], "readPoint": PLACE}, PLACE_LINK),
    ],
)  # fmt: skip
def test_the_chain_that_an_event_names(changes: dict[str, Any], expected: str) -> None:
    """The order, else another transaction, else the first thing, else the place."""
    assert chain_of(event(**changes).fields, "") == expected
    assert facts(event(**changes))[0].chain_id == expected
    assert facts(event(**changes), chain="C", source="wms")[0].chain_id == "C"


def test_a_chain_id_always_fits() -> None:
    """One with more than 255 bytes becomes its hash; an event about nothing has its event id."""
    (long,) = facts(event(parentID=None, epcList=["urn:x:" + "a" * 300]))
    assert long.chain_id.startswith("sha256:")
    (nothing,) = facts(event(epcList=[]))
    assert nothing.chain_id.startswith("ni:///sha-256;")


def test_a_name_of_ours_comes_back() -> None:
    """What an export made a URI of is the identifier again; a broken one stays as it is."""
    assert named("urn:x-supplytwin:lot:A%2F1%3A2") == "A/1:2"
    assert named("urn:x-supplytwin:lot") == "urn:x-supplytwin:lot"


# ---- corrections


def declared(read: reader.EpcisEvent, **changes: Any) -> reader.EpcisEvent:
    """The error declaration of an event."""
    fields = json.loads(read.original) | {"errorDeclaration": {**ERROR, **changes}}
    return reader.read(json.dumps(fields).encode()).events[0]


@pytest.mark.parametrize("read", EVENTS, ids=lambda read: read.fields["type"])
def test_an_error_declaration_undoes_an_event_in_both_orders(read: reader.EpcisEvent) -> None:
    """Event and declaration leave the state of a chain that never had either."""
    if read.declared is not None:
        return
    error = declared(read, declarationTime="2030-01-01T00:00:00Z")
    assert state(*facts(read), *facts(error)) == state(*facts(error), *facts(read)) == ([], [])


def test_an_error_declaration_undoes_its_event_among_others() -> None:
    """In every order: what is left is what the other events say, and the correcting one."""
    wrong = event(epcList=None, quantityList=QUANTITIES, bizTransactionList=ADVICE)
    right = event(
        epcList=None,
        quantityList=[{**QUANTITIES[0], "quantity": 2}],
        bizTransactionList=ADVICE,
        eventID="urn:uuid:right",
    )
    error = declared(wrong, reason="incorrect_data", correctiveEventIDs=["urn:uuid:right"])
    (taken_back,) = facts(error)
    assert taken_back.correction_reason == "INCORRECT_DATA"
    left = state(*facts(right))
    (lot,) = (subject for subject in left[0] if subject["subject"][0] == "LOT")
    assert lot["quantities"][3] == "2"  # on hand
    for order in permutations((wrong, right, error, wrong)):
        assert state(*(fact for read in order for fact in facts(read))) == left


def test_without_an_event_id_the_hash_finds_the_event() -> None:
    """The declaration names no id and spells the time otherwise: it is the same event."""
    wrong = event()
    error = event(eventTime="2026-07-22T04:45:00Z", errorDeclaration=ERROR)
    assert error.event_id == wrong.event_id
    assert state(*facts(error), *facts(wrong)) == ([], [])


def test_two_declarations_of_one_event_do_not_get_into_each_others_way() -> None:
    """Both retract it, with one declaration time and different words."""
    wrong = event()
    both = (declared(wrong), declared(wrong, correctiveEventIDs=["urn:uuid:1"]))
    for order in permutations((wrong, *both)):
        assert state(*(fact for read in order for fact in facts(read))) == ([], [])


def test_a_declaration_by_another_source_has_no_effect() -> None:
    """A feed takes back only what it said itself."""
    wrong = event()
    assert state(*facts(wrong), *facts(declared(wrong), source="other")) == state(*facts(wrong))
    assert state(*facts(wrong)) != ([], [])


def test_one_event_in_two_spellings_is_one_fact() -> None:
    """The second is a duplicate, not a conflict."""
    first, second = facts(event()), facts(event(eventTime="2026-07-22T04:45:00.000Z"))
    assert first == second
    made = twin.take(twin.EMPTY, item(first[0])).twin
    assert twin.take(made, item(second[0])).twin == made


def test_what_no_lifecycle_knows_moves_nothing() -> None:
    """shipment.noted has no effect on any machine."""
    assert EFFECTS["shipment.noted"] == ()


STEPS = ("receiving", "storing", "picking", "inspecting", "packing", "unpacking", "shipping",
         "departing", "arriving", "cycle_counting", "other")  # fmt: skip
NAMES = st.sampled_from((SSCC, ITEM, ASSET, LOT, "urn:x:u", "urn:x-supplytwin:hu:a%20b"))


@given(
    kind=st.sampled_from(("ObjectEvent", "AggregationEvent", "TransactionEvent")),
    step=st.sampled_from(STEPS),
    action=st.sampled_from(("OBSERVE", "ADD", "DELETE")),
    disposition=st.sampled_from(("damaged", "conformant", "available", "in_transit")),
    names=st.lists(NAMES, unique=True),
    quantity=st.decimals(0, 10**17, places=3) | st.none(),
    transactions=st.lists(st.sampled_from(("po", "desadv", "inv", "cert")), min_size=1),
    wrong=st.booleans(),
)
def test_whatever_an_event_says_its_facts_are_right(
    kind: str, step: str, action: str, disposition: str, names: list[str],
    quantity: Decimal | None, transactions: list[str], *, wrong: bool,
) -> None:  # fmt: skip
    """Every event that the reader takes becomes facts that the worker takes."""
    whole = kind == "AggregationEvent"
    one: dict[str, Any] = {"epcClass": LOT}
    if quantity is not None:
        one["quantity"] = float(quantity)
    read = event(
        type=kind,
        bizStep=step,
        action=action,
        disposition=disposition,
        epcList=None if whole else names,
        childEPCs=names if whole else None,
        parentID=SSCC if whole else None,
        bizTransactionList=[{"type": t, "bizTransaction": f"urn:x:{t}"} for t in transactions],
        errorDeclaration=ERROR if wrong else None,
        **{"childQuantityList" if whole else "quantityList": [one]},
    )
    for fact in facts(read):
        assert item(fact).message == fact
        assert (fact.correction_action == "RETRACT") is wrong
