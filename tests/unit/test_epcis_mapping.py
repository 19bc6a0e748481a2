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
    """value, min, max and mean; an exception without a number is 1, so that it is not lost."""
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
        ("Dimensionless", 1.0, "ERROR_CONDITION"),
        ("Temperature", 26.0, "ALARM_CONDITION"),
        ("Temperature.max", 27.5, "ALARM_CONDITION"),
    ]
    assert {getattr(f, "device_id") for f in found} == {"https://id.gs1.org/8004/4000001111"}  # noqa: B009
    assert found[2].event_id == found[0].event_id + ":2"


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
