"""DCSA events as ours: types, identity, revisions, retractions, chains; and nothing is lost."""

import json
import random
from collections import Counter
from typing import Any

import dcsa_world as w
import fold_world as fold
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supplytwin.processors import dcsa
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.facts import Identity
from supplytwin.processors.feeds import Given, Read
from supplytwin.schemas import codec
from supplytwin.schemas.errors import Code
from supplytwin.schemas.events import SHIPMENTS, Event
from supplytwin.schemas.flow import Message


def read(*events: dict[str, Any], chain: str | None = None) -> Read:
    """What events of one version become."""
    three = any("eventID" in one and "eventCreatedDateTime" not in one for one in events)
    return dcsa.document(
        w.raw({"events": list(events)} if three else list(events)), Given(chain=chain)
    )


def event(*events: dict[str, Any], chain: str | None = None) -> Event:
    """The last of them as ours."""
    found = read(*events, chain=chain)
    assert not found.refused
    return found.events[-1]


def folded(events: list[Event]) -> ChainState:
    """The chain that they are of, in this order."""
    chain = ChainFold("t")
    state = chain.new(events[0].chain_id)
    for at, one in enumerate(events):
        message = Message(
            topic=one.TOPIC,
            key=one.chain_id,
            arrival=max(one.recorded_time, one.event_time),
            body=one,
        )
        state = chain.step(state, fold.decoded(message, at), 0).state
    return state


def test_the_sample_of_2_2_is_five_actual_and_two_estimated() -> None:
    """Seven facts, none dropped: three document statuses have no place, and are counted."""
    found = dcsa.document((w.DATA / "tnt-220-response.json").read_bytes())
    assert Counter(one.classifier for one in found.events) == {"ACTUAL": 5, "ESTIMATED": 2}
    assert Counter(one.event_type for one in found.events) == {
        "shipment.arrived": 2, "shipment.loaded": 2, "shipment.noted": 3,
    }  # fmt: skip
    assert found.noted == {
        "SHIPMENT DRAFTED SHIPPING_INSTRUCTIONS": 1,
        "SHIPMENT DRAFTED BOOKING": 1,
        "SHIPMENT DRAFTED TRANSPORT_DOCUMENT": 1,
    }


SEEMS = dict.fromkeys(("event-ids", "date-times"), "SHIPPING_INSTRUCTIONS:reserved-HHL123")
"""What the first wrong event that names a document is about; in two files none names one."""


@pytest.mark.parametrize("name", w.WRONG)
def test_a_wrong_document_gives_no_event(name: str) -> None:
    """One refusal of the whole, as it came, under the chain that its first wrong event names."""
    data = (w.DATA / f"tnt-220-response-wrong-{name}.json").read_bytes()
    found = dcsa.document(data)
    assert not found.events
    ((body, error, chain),) = found.refused
    assert (body, chain) == (data, SEEMS.get(name)) and error.field.startswith("[")


def test_a_wrong_document_that_names_no_chain_has_none() -> None:
    """No event says it, or not in a way that can be read; a chain given by hand is it anyway."""
    long = {"documentReferenceType": "BKG", "documentReferenceValue": "€" * 100}
    for names in (None, "x", [{"documentReferenceType": "BKG"}], [long]):
        data = w.raw([w.two(eventID="x", documentReferences=names)])
        assert [one.chain for one in dcsa.document(data).refused] == [None]
        assert [one.chain for one in dcsa.document(data, Given(chain="C")).refused] == ["C"]
    three = w.raw([w.three(), w.three(eventDateTime="x")])
    assert [one.chain for one in dcsa.document(three).refused] == ["BKG:B1"]


@pytest.mark.parametrize("name", w.THREE)
def test_both_spellings_of_3_0_0_give_the_same_events(name: str) -> None:
    """Every field of the events, the original with them: the second is a duplicate of the first."""
    first = dcsa.document((w.DATA / name).read_bytes(), Given(chain="C"))
    second = dcsa.document(w.raw(w.in_words(w.sample(name))), Given(chain="C"))
    assert first.events == second.events and first.events
    assert first.noted == second.noted
    assert not first.refused and not second.refused


@pytest.mark.parametrize("name", ["tnt-220-response.json", *w.THREE])
def test_nothing_that_was_said_is_lost(name: str) -> None:
    """Every value of the source is in the original of its event, and that survives the wire."""

    def leaves(value: Any) -> Counter[str]:
        if isinstance(value, dict):
            return sum((leaves(one) for one in value.values()), Counter())
        if isinstance(value, list):
            return sum((leaves(one) for one in value), Counter())
        return Counter([str(value)])

    document = w.sample(name)
    events = document if isinstance(document, list) else document["events"]
    for said, made in zip(
        events, dcsa.document(w.raw(document), Given(chain="C")).events, strict=True
    ):
        kept = codec.read(SHIPMENTS, codec.encode(SHIPMENTS, made))
        assert isinstance(kept, Event) and kept.original is not None
        source = said if name.startswith("tnt-220") else w.in_words(said)
        assert {plain(text) for text in leaves(json.loads(kept.original))} == {
            plain(text) for text in leaves(source)
        }


def plain(text: str) -> str:
    """A date-time with its offset in figures, in small letters."""
    return (text.replace("Z", "+00:00") if text[4:5] == "-" else text).lower()


EQUIPMENT = {
    "LOAD": ("shipment.loaded", {"vehicle_id": None, "phase": None}),
    "DISC": ("shipment.discharged", {"leg_no": None}),
    "GTIN": ("shipment.gate_in", {"empty": False}),
    "GTOT": ("shipment.gate_out", {"empty": False}),
    "PICK": ("shipment.gate_out", {"empty": False}),
    "DROP": ("shipment.gate_in", {"empty": False}),
    "STUF": ("shipment.stuffed", {"container_no": "APZU4812090", "gross_kg": None}),
    "STRP": ("shipment.stripped", {"children": ()}),
    "AVPU": ("shipment.available", {"hold_codes": ()}),
    "AVDO": ("shipment.noted", {}), "INSP": ("shipment.noted", {}),
    "RMVD": ("shipment.noted", {}), "CROS": ("shipment.noted", {}),
    "RSEA": ("shipment.noted", {}), "CUSS": ("shipment.noted", {}),
    "CUSI": ("shipment.noted", {}), "CUSR": ("shipment.noted", {}),
}  # fmt: skip


@pytest.mark.parametrize("code", EQUIPMENT)
def test_every_equipment_code_has_its_event(code: str) -> None:
    """The table; what a carrier says about customs releases nothing, and stays on its topic."""
    kind = {"eventTypeCode": "EQUIPMENT", "eventClassifierCode": "ACT"}
    found = event(w.three(eventClassification={**kind, "equipmentEventTypeCode": code}))
    event_type, fields = EQUIPMENT[code]
    assert found.event_type == event_type
    assert {name: getattr(found, name) for name in fields} == fields
    assert found.TOPIC == SHIPMENTS
    assert (found.subject_type, found.subject_id) == ("EQUIPMENT_TRIP", "APZU4812090/B1")
    assert found.refs == ("BKG:B1", "CONSIGNMENT:B1", "CONTAINER:APZU4812090")


def test_a_seal_and_a_phase_have_their_fields() -> None:
    """The first seal; the movement tells a transhipment's loading from the first one."""
    kind = {"eventTypeCode": "EQUIPMENT", "eventClassifierCode": "ACT"}
    seals = {"equipmentReference": "C", "seals": [{"number": "S1"}, {"number": "S2"}]}
    sealed: Any = event(
        w.three(
            eventClassification={**kind, "equipmentEventTypeCode": "RSEA"}, equipmentDetails=seals
        )
    )
    assert (sealed.event_type, sealed.seal_no) == ("shipment.sealed", "S1")
    moved = {"equipmentReference": "C", "movementType": "TRANSSHIPMENT"}
    loaded: Any = event(w.three(equipmentDetails=moved))
    assert loaded.phase == "TRANSSHIPMENT"


def test_a_gate_without_the_state_of_the_container_is_noted() -> None:
    """Whether it was empty decides what it means: nothing is guessed."""
    kind = {"eventTypeCode": "EQUIPMENT", "eventClassifierCode": "ACT"}
    found = read(
        w.three(
            eventClassification={**kind, "equipmentEventTypeCode": "GTIN"},
            equipmentDetails={"equipmentReference": "C"},
        )
    )
    assert [one.event_type for one in found.events] == ["shipment.noted"]
    assert found.noted == {"EQUIPMENT GATED_IN": 1}


def test_departure_and_arrival_of_a_voyage_are_one_leg() -> None:
    """The leg is vehicle and voyage of the shipment; an estimated arrival is its ETA."""
    voyage = {"vessel": {"vesselIMONumber": "9"}, "exportVoyageNumber": "1E"}
    gone = event(w.two(transportEventTypeCode="DEPA", transportCall=voyage))
    due = event(w.two(
        eventClassifierCode="EST",
        transportCall={"vessel": {"vesselIMONumber": "9"}, "importVoyageNumber": "1E",
                       "exportVoyageNumber": "2W"},
    ))  # fmt: skip
    assert gone.subject_id == due.subject_id == "9 1E/B1"
    assert (due.event_type, due.classifier) == ("shipment.arrived", "ESTIMATED")


@pytest.mark.parametrize("kind", ["TRANSPORT", "SHIPMENT"])
def test_a_container_that_is_only_named_changes_no_subject(kind: str) -> None:
    """A voyage that says which container is aboard is a leg still, a document a consignment's; the
    number is a reference.
    """
    words = {"TRANSPORT": "DEPA", "SHIPMENT": "CONF"}
    said = {"eventTypeCode": kind, "eventClassifierCode": "ACT",
            f"{kind.lower()}EventTypeCode": words[kind]}  # fmt: skip
    call = {"transportCall": {"vesselTransport": {"vesselIMONumber": "9"}}}
    named, bare = (
        event(w.three(eventClassification=said, transportDetails=call, equipmentDetails=box))
        for box in ({"equipmentReference": "APZU4812090"}, None)
    )
    assert (named.event_type, named.subject_type, named.subject_id) == (
        bare.event_type, bare.subject_type, bare.subject_id,
    )  # fmt: skip
    assert set(named.refs) - set(bare.refs) == {"CONTAINER:APZU4812090"}


def test_measurements_and_doors_are_readings() -> None:
    """One reading each of the container; the others stay in the original."""
    found = [
        dcsa.document((w.DATA / f"tnt-300-{name}.json").read_bytes(), Given(chain="C")).events
        for name in ("request-reefer", "request-iot", "response-nextpage")
    ]
    said = [
        (one.metric, one.value, one.unit, one.device_id)
        for events in found for one in events if one.event_type == "shipment.sensor"
    ]  # fmt: skip
    assert said == [
        ("temperature_probe", -18.2, "CEL", "APZU4812090"),
        ("door_open", 1.0, "1", "APZU4812090"),
        ("door_open", 0.0, "1", "APZU4812090"),
        ("temperature_setpoint", -15.0, "CEL", "APZU4812090"),
    ]


# ---- where it belongs


def test_the_chain_is_the_booking_else_the_transport_document_else_the_own_document() -> None:
    """From the event alone, so that it is the same in every page that repeats it."""
    bill = {"documentReferenceType": "TRD", "documentReferenceValue": "T1"}
    booking = {"documentReferenceType": "BKG", "documentReferenceValue": "B2"}
    assert event(w.two(documentReferences=[bill, booking])).chain_id == "BKG:B2"
    assert event(w.two(documentReferences=[booking, bill])).chain_id == "BKG:B2"
    assert event(w.two(documentReferences=[bill])).chain_id == "BL:T1"
    status = w.two(
        eventType="SHIPMENT", shipmentEventTypeCode="ISSU", documentTypeCode="INV",
        documentID="I1", documentReferences=[], transportCall=None,
    )  # fmt: skip
    assert event(status).chain_id == "INVOICE:I1"
    assert event(w.two(), chain="PO-7").chain_id == "PO-7"


def test_a_container_number_alone_is_no_shipment() -> None:
    """Such an event is refused by itself, the others go on; a chain given by hand takes it."""
    lost = w.three(eventID="e2", shipmentDetails=None)
    found = read(w.three(), lost)
    assert [one.event_id for one in found.events] == ["e1"]
    ((body, error, chain),) = found.refused
    assert (error.code, error.field) == (Code.MISSING_FIELD, "shipmentDetails")
    assert chain is None and "event 2" in error.reason and "--chain" in error.reason
    (again,) = dcsa.document(body, Given(chain="PO-7")).events
    assert (again.event_id, again.subject_id) == ("e2", "APZU4812090/chain PO-7")


def test_one_container_on_two_bookings_is_two_trips() -> None:
    """Container numbers come back: the trip is (container, booking)."""
    other = {"documentReference": {"typeCode": "BKG", "reference": "B2"}}
    found = read(w.three(), w.three(eventID="e2", shipmentDetails=other)).events
    assert len({one.subject_id for one in found}) == 2


# ---- identity, revision, correction


def test_time_zones_spelled_three_ways_are_one_identity() -> None:
    """Without an eventID the identity is what happened, at that instant; the zone is no part."""
    times = ("2021-01-09T13:12:56Z", "2021-01-09T14:12:56+01:00", "2021-01-09T08:12:56-05:00")
    made = [event(w.two(eventID=None, eventDateTime=time)) for time in times]
    assert len({one.event_id for one in made}) == 1
    assert {one.event_id for one in made}.isdisjoint(
        {event(w.two(eventID=None, eventDateTime="2021-01-09T13:12:57Z")).event_id}
    )
    same = ("2021-01-09T13:12:56Z", "2021-01-09T13:12:56+00:00", "2021-01-09T13:12:56+0000")
    three = [event(w.three(eventDateTime=time)) for time in same]
    assert three[0] == three[1] == three[2]


def test_a_uuid_is_one_identity_in_either_case() -> None:
    """2.2 says that ids are UUIDs, which have no case."""
    assert event(w.two()).event_id == "3cecb101-7a1a-43a4-9d62-e88a131651e2"


def test_the_source_is_the_party_with_its_code_list() -> None:
    """3.0.0: an id is unique only together with the three fields of its originating party."""
    party = {"partyCode": "X", "codeListProvider": "SMDG", "codeListName": "LCL"}
    assert event(w.three(eventRouting={"originatingParty": party})).source == "dcsa:X:SMDG:LCL"
    assert event(w.three(eventRouting=None, isRetracted=False)).source == "dcsa"


def latest(state: ChainState, event_id: str, source: str = "dcsa:EXCO") -> Any:
    """What counts under an identity."""
    return state.twin.facts.slots[Identity(source, event_id)].effective


@pytest.mark.parametrize("order", range(6))
def test_higher_revision_and_retraction_in_any_order(order: int) -> None:
    """The later revision wins; a retraction beats what is not newer; a later version revives it."""
    first = event(w.three())
    second = event(w.three(eventUpdatedDateTime="2026-01-21T00:00:00Z",
                           eventLocation={"UNLocationCode": "DEHAM"}))  # fmt: skip
    gone = event(w.three(eventUpdatedDateTime="2026-01-22T00:00:00Z", isRetracted=True,
                         equipmentDetails=None))  # fmt: skip
    back = event(w.three(eventUpdatedDateTime="2026-01-23T00:00:00Z"))
    assert gone.correction_action == "RETRACT" and gone.correction_event_id == "e1"
    for some, wanted in (
        ([first, second], second), ([first, second, gone], None),
        ([first, second, gone, back], back),
    ):  # fmt: skip
        random.Random(order).shuffle(some)
        found = latest(folded(some), "e1")
        assert (None if found is None else found.event) == wanted


def test_a_bare_retraction_follows_its_event_in_the_document() -> None:
    """It says nothing but its id: where its event stands beside it, that gives the chain."""
    bare = {"eventRouting": {"originatingParty": {"partyCode": "EXCO"}}, "eventID": "e1",
            "isRetracted": True, "eventUpdatedDateTime": "2026-01-22T00:00:00Z"}  # fmt: skip
    state = folded(list(read(bare, w.three()).events))
    assert latest(state, "e1") is None
    (refused,) = read(bare).refused
    assert "takes back" in refused.error.reason
    assert dcsa.document(refused.body, Given(chain="BKG:B1")).events[0].chain_id == "BKG:B1"


def test_retracted_event_id_takes_back_another_event() -> None:
    """2.2: a message of its own names the event that did not happen."""
    target = "3cecb101-7a1a-43a4-9d62-e88a131651e2"
    gone = {"metadata": {"eventID": "4cecb101-7a1a-43a4-9d62-e88a131651e2",
                         "eventCreatedDateTime": "2021-02-01T00:00:00Z", "eventType": "TRANSPORT",
                         "retractedEventID": target.upper()}}  # fmt: skip
    events = list(read(w.two(), gone).events)
    assert events[1].correction_event_id == target
    assert latest(folded(events), target, "dcsa") is None
    assert latest(folded(events[::-1]), target, "dcsa") is None


def test_the_same_page_again_changes_nothing() -> None:
    """Feeds repeat their history at every poll: the facts are the same."""
    data = (w.DATA / "tnt-300-response.json").read_bytes()
    events = list(dcsa.document(data, Given(chain="C")).events)
    again = list(
        dcsa.document(w.raw(w.in_words(w.sample("tnt-300-response.json"))), Given(chain="C")).events
    )
    once, twice = folded(events), folded(events + again)
    assert once.twin.facts == twice.twin.facts
    assert not any(slot.conflicted for slot in twice.twin.facts.slots.values())


@given(
    made=st.sampled_from((w.two, w.three)),
    name=st.sampled_from(sorted({*w.two(), *w.three(), "isRetracted", "retractedEventID"})),
    value=w.JSON_VALUES,
)
def test_whatever_comes_becomes_events_or_a_refusal(made: Any, name: str, value: Any) -> None:
    """No JSON value in any field ends otherwise; what is an event can be written."""
    found = dcsa.document(w.raw([made(**{name: value})]))
    assert len(found.events) + len(found.refused) == 1
    for one in found.events:
        assert codec.read(SHIPMENTS, codec.encode(SHIPMENTS, one)) == one


@pytest.mark.parametrize(
    "longest",
    [{"eventID": "e" * 480}, {"equipmentDetails": {"equipmentReference": "c" * 100}},
     {"shipmentDetails": {"documentReference": {"typeCode": "BKG", "reference": "b" * 100}}},
     {"eventRouting": {"originatingParty": dict.fromkeys(
         ("partyCode", "codeListProvider", "codeListName"), "p" * 100)}}],
)  # fmt: skip
def test_the_longest_names_of_the_standard_fit_ours(longest: dict[str, Any]) -> None:
    """Each at its longest, and a chain id at its longest: still an event; so is its retraction."""
    for extra in ({}, {"isRetracted": True}):
        assert not read(w.three(**longest, **extra), chain="x" * 255).refused
