"""DCSA events that are taken back or sent again in other words: what was taken back stays so, and
what says the same is no contradiction.
"""

import itertools
import random
from typing import Any

import dcsa_world as w
import pytest
from test_dcsa_mapping import event, folded, latest, read

IDS = [f"3cecb101-7a1a-43a4-9d62-e88a131651e{digit}" for digit in range(4)]
SLIM = ("eventRouting", "eventID", "eventUpdatedDateTime", "isRetracted", "shipmentDetails")


def conflicted(*events: Any) -> bool:
    """Whether they contradict each other."""
    state = folded(list(events))
    return any(slot.conflicted for slot in state.twin.facts.every())


# ---- taken back


def test_two_retractions_without_an_id_take_back_two_events() -> None:
    """2.2: neither is a later version of the other, in any order."""
    said = [event(w.two(eventID=one)) for one in IDS[:2]]
    gone = [
        event({"eventCreatedDateTime": at, "retractedEventID": target}, chain=said[0].chain_id)
        for at, target in zip(("2021-02-01T00:00:00Z", "2021-02-02T00:00:00Z"), IDS, strict=False)
    ]
    assert gone[0].event_id != gone[1].event_id
    for order in itertools.permutations([*said, *gone]):
        state = folded(list(order))
        assert [latest(state, one, "dcsa") for one in IDS[:2]] == [None, None]


def retractions(at: str) -> list[Any]:
    """One retraction of 3.0.0 as different senders write it down."""
    full = w.three(isRetracted=True, eventUpdatedDateTime=at)
    slim = {name: full[name] for name in SLIM}
    bare = {name: full[name] for name in SLIM[:-1]}
    return [
        event(full), event(slim), read(w.three(), bare).events[-1],
        event(bare, chain="BKG:B1"), event(w.in_words(full)),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_a_retraction_that_is_repeated_in_other_words_stays(seed: int) -> None:
    """Whatever irrelevant fields it has, in any order and number: retracted stays retracted; a
    later version of the event revives it, and a still later retraction takes it back.
    """
    shuffled = random.Random(seed)
    first = event(w.three())
    back = event(w.three(eventUpdatedDateTime="2026-01-23T00:00:00Z"))
    gone, again = retractions("2026-01-22T00:00:00Z"), retractions("2026-01-24T00:00:00Z")
    for some, wanted in (
        ([first, *gone, *gone], None), ([first, back, *gone], back),
        ([first, back, *gone, *again], None),
    ):  # fmt: skip
        shuffled.shuffle(some)
        found = latest(folded(some), "e1")
        assert (None if found is None else found.event) == wanted
        assert not conflicted(*some)


def test_a_retraction_of_2_2_is_repeated_in_other_words_stays() -> None:
    """Flat, wrapped, and under a chain given by hand: one event is taken back."""
    said = event(w.two(eventID=IDS[0]))
    flat = w.two(eventID=IDS[1], retractedEventID=IDS[0])
    names = ("eventID", "eventCreatedDateTime", "retractedEventID", "eventType")
    meta = {name: flat[name] for name in names}
    wrapped = {"metadata": meta, "payload": {"documentReferences": flat["documentReferences"]}}
    gone = [event(flat), event(wrapped), event({"metadata": meta}, chain="BKG:B1")]
    assert latest(folded([gone[0], said, *gone[1:]]), IDS[0], "dcsa") is None


def test_a_retraction_of_2_2_goes_to_the_shipment_that_it_names() -> None:
    """Its booking, container and own document are read as those of any event."""
    flat = w.two(eventID=IDS[1], retractedEventID=IDS[0], equipmentReference="APZU4812090")
    found = event(flat)
    assert (found.chain_id, found.correction_event_id) == ("BKG:B1", IDS[0])
    assert found.refs == ("BKG:B1", "CONSIGNMENT:B1", "CONTAINER:APZU4812090")
    own = event(w.two(eventID=IDS[1], retractedEventID=IDS[0], documentReferences=None,
                      documentTypeCode="BKG", documentID="B7"))  # fmt: skip
    assert own.chain_id == "BKG:B7"


def test_a_retraction_of_a_documents_status_goes_to_its_chain() -> None:
    """A document of any type that names the chain of an event names that of its retraction."""
    three = {"shipmentDetails": {"documentReference": {"typeCode": "INV", "reference": "I1"}}}
    assert event(w.three(**three, isRetracted=True)).chain_id == "INVOICE:I1"
    two = {"documentReferences": None, "documentTypeCode": "INV", "documentID": "I1"}
    assert event(w.two(**two, retractedEventID=IDS[0])).chain_id == "INVOICE:I1"


def test_a_retraction_goes_where_its_event_went() -> None:
    """It may name less than its event: that stands beside it in the document."""
    bill = {"documentReference": {"typeCode": "TRD", "reference": "T1"}}
    gone = w.three(isRetracted=True, shipmentDetails=bill)
    for events in (read(w.three(), gone).events, read(gone, w.three()).events):
        assert {one.chain_id for one in events} == {"BKG:B1"}


# ---- sent again


@pytest.mark.parametrize(
    "again",
    [
        {"eventDateTime": "2021-01-09T14:12:56+0100"}, {"eventDateTime": "2021-01-09T14:12:56+01"},
        {"eventDateTime": "2021-01-09t14:12:56.000+01:00"},
        {"eventCreatedDateTime": "2021-01-23T12:34:56+00:00"},
        {"eventCreatedDateTime": "2021-01-23T13:34:56.0+01:00"},
        {"eventID": "3cecb101-7A1A-43a4-9d62-e88a131651e2"},
        {"otherDateTime": "2021-01-09T13:12:56+00:00"},
    ],
)  # fmt: skip
def test_an_event_of_2_2_in_another_spelling_is_a_duplicate(again: dict[str, Any]) -> None:
    """Times and UUIDs have many spellings: the fact is the same, the original with it."""
    said = {"otherDateTime": "2021-01-09T13:12:56Z"}
    first, second = event(w.two(**said)), event(w.two(**{**said, **again}))
    assert first == second
    assert first.event_tz == "+01:00"


def test_an_update_time_of_3_0_0_is_an_instant() -> None:
    """In which zone a message was made says nothing about its event."""
    times = ("2026-01-20T14:20:00Z", "2026-01-20T14:20:00.000Z", "2026-01-20T22:20:00+08:00")
    first, *others = [event(w.three(eventUpdatedDateTime=time)) for time in times]
    assert all(one == first for one in others)


def test_a_fraction_of_zero_is_no_precision() -> None:
    """What is kept of the event is read again as the same fact."""
    first = event(w.three(eventDateTime="2026-01-20T14:15:00.000Z"))
    assert first == event(w.three(eventDateTime="2026-01-20T14:15:00Z"))


def test_one_instant_in_two_zones_is_one_identity_whose_zone_is_in_conflict() -> None:
    """The zone says which day it was there, and payments count days: it is not thrown away, so the
    two contradict each other until a later version comes.
    """
    here, there = (
        event(w.three(eventDateTime=time))
        for time in ("2026-01-20T23:15:00-08:00", "2026-01-21T07:15:00Z")
    )
    assert (here.event_id, here.event_time) == (there.event_id, there.event_time)
    assert (here.event_tz, there.event_tz) == ("-08:00", "+00:00")
    assert conflicted(here, there)
    later = event(w.three(eventUpdatedDateTime="2026-02-01T00:00:00Z"))
    assert not conflicted(here, there, later)


def test_a_status_without_its_own_document_confirms_nothing() -> None:
    """The booking that it names beside it is not confirmed: it is noted on its chain."""
    documents = [{"typeCode": "TRD", "reference": "T1"}, {"typeCode": "BKG", "reference": "B1"}]
    kind = {"eventTypeCode": "SHIPMENT", "eventClassifierCode": "ACT",
            "shipmentEventTypeCode": "CONF"}  # fmt: skip
    found = event(w.three(eventClassification=kind, equipmentDetails=None,
                          shipmentDetails={"additionalDocumentReferences": documents}))  # fmt: skip
    assert (found.event_type, found.chain_id) == ("shipment.noted", "BKG:B1")
    own = {"documentReference": documents[1], "additionalDocumentReferences": documents[:1]}
    assert event(w.three(eventClassification=kind, shipmentDetails=own)).event_type == (
        "shipment.booked"
    )
