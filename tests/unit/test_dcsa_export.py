"""A chain's shipment part as DCSA: read again it gives the same facts, and nothing goes missing."""

import json
from pathlib import Path
from typing import Any

import dcsa_world as w
import fold_world as fold
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from typer.testing import CliRunner

from supplytwin.processors import dcsa
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.dcsa_export import Exported, exported
from supplytwin.processors.feeds import Given
from supplytwin.schemas import dcsa as reader
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.events import EVENT_TYPES, Event
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, Micros
from supplytwin.schemas.records import JOURNAL
from supplytwin.schemas.rfc3339 import moment_in
from supplytwin.streams import cli, exporting, journal_file

T = 20_500 * DAY_US


def folded(events: list[Event]) -> tuple[ChainState, list[bytes]]:
    """The chain, and its journal entries."""
    chain = ChainFold("t")
    state = chain.new(events[0].chain_id)
    entries: list[bytes] = []
    for at, one in enumerate(events):
        arrival = max(one.recorded_time, one.event_time)
        message = Message(topic=one.TOPIC, key=one.chain_id, arrival=arrival, body=one)
        step = chain.step(state, fold.decoded(message, at), 0)
        state = step.state
        entries += [out.value or b"" for out in step.entries if out.topic == JOURNAL]
    return state, entries


def out(events: list[Event]) -> Exported:
    """What the chain of these events is exported as."""
    return exported(folded(events)[0].twin.facts)


def ours(kind: str, **given: Any) -> Event:
    """A shipment event that did not come as DCSA."""
    fields: dict[str, Any] = {
        "event_type": kind, "event_id": "e", "source": "tms:x", "revision": T + 5,
        "classifier": "ACTUAL", "event_time": T, "event_tz": "Asia/Shanghai",
        "time_precision": "S", "recorded_time": T + 5, "chain_id": "C",
        "subject_type": "EQUIPMENT_TRIP", "subject_id": "t1",
        "refs": ("BKG:B1", "BL:L1", "CONTAINER:MSKU1"),
    }  # fmt: skip
    return EVENT_TYPES[kind](**{**fields, **given})


SAMPLES = ["tnt-220-response.json", *w.THREE]


@pytest.mark.parametrize("name", SAMPLES)
def test_what_came_as_dcsa_goes_out_and_comes_in_again_the_same(name: str) -> None:
    """3.0.0 with every field; 2.2 in the form of 3.0.0, the same but for its original, and for the
    reason of a document's status: 3.0.0 has no field for that.
    """
    first = list(dcsa.document((w.DATA / name).read_bytes(), Given(chain="C")).events)
    made = out(first)
    assert (made.events, sum(made.left_out.values())) == (len(first), 0)
    again = dcsa.document(made.document, Given(chain="C"))
    assert not again.refused

    def known(events: Any) -> dict[str, Event]:
        found = {one.event_id: one for one in events}
        if "300" in name:
            return found
        for key, one in found.items():
            said = (
                {"text": one.text.split(": The")[0]} if one.event_type == "shipment.noted" else {}
            )
            found[key] = replace(one, original=None, original_media_type=None, **said)
        return found

    assert known(again.events) == known(first)


def test_the_document_is_of_3_0_0_in_words() -> None:
    """No short code and no old field name is written."""
    events = list(
        dcsa.document((w.DATA / "tnt-220-response.json").read_bytes(), Given(chain="C")).events
    )
    text = out(events).document.decode()
    assert '"eventClassifier": "ESTIMATED"' in text and '"equipmentEventType": "LOADED"' in text
    for old in ("TypeCode", '"ACT"', '"LOAD"', "eventCreatedDateTime"):
        assert old not in text


def test_what_was_taken_back_is_written_as_retracted() -> None:
    """Once, with the shipment that it belongs to, and it takes the event back at the reader's."""
    gone = w.three(isRetracted=True, eventUpdatedDateTime="2026-01-22T00:00:00Z")
    first, back = dcsa.document(w.raw({"events": [w.three(), gone]})).events
    for events in ([first, back], [back, first], [back]):
        made = out(events)
        assert made.events == 1
        ((said,),) = json.loads(made.document).values()
        assert said["isRetracted"] is True and said["eventID"] == "e1"
        (again,) = dcsa.document(made.document).events
        state, _ = folded([first, again])
        assert all(slot.effective is None for slot in state.twin.facts.slots.values())


def test_a_conflict_is_left_out_and_counted() -> None:
    """Two contents of one revision: neither is handed on."""
    first = dcsa.document(w.raw({"events": [w.three()]})).events[0]
    other = replace(first, facility="elsewhere")
    made = out([first, other])
    assert (made.events, made.left_out) == (0, {"conflicted": 1})


OURS = {
    "shipment.loaded": ({"vehicle_id": "9321483"}, "EQUIPMENT", "LOADED"),
    "shipment.discharged": ({"trip_id": "t1"}, "EQUIPMENT", "DISCHARGED"),
    "shipment.gate_in": ({"trip_id": "t1", "empty": False}, "EQUIPMENT", "GATED_IN"),
    "shipment.gate_out": ({"trip_id": "t1", "empty": True}, "EQUIPMENT", "GATED_OUT"),
    "shipment.empty_returned": ({"trip_id": "t1"}, "EQUIPMENT", "GATED_IN"),
    "shipment.stripped": ({"trip_id": "t1", "children": ()}, "EQUIPMENT", "STRIPPED"),
    "shipment.available": ({"trip_id": "t1"}, "EQUIPMENT", "AVAILABLE_FOR_PICKUP"),
    "shipment.sealed": ({"trip_id": "t1", "seal_no": "S"}, "EQUIPMENT", "RESEALED"),
    "shipment.stuffed": (
        {"trip_id": "t1", "container_no": "MSKU1", "children": ()}, "EQUIPMENT", "STUFFED",
    ),
    "shipment.departed": ({"vehicle_id": "truck 7"}, "TRANSPORT", "DEPARTED"),
    "shipment.arrived": ({"classifier": "ESTIMATED"}, "TRANSPORT", "ARRIVED"),
    "shipment.booked": ({"booking_ref": "B1", "carrier": "c", "legs": ()}, "SHIPMENT", "CONFIRMED"),
    "shipment.sensor": (
        {"device_id": "d", "metric": "door_open", "value": 1.0, "unit": "1"}, "IOT", "DOOR_OPENED",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", OURS)
def test_our_own_events_have_their_place(kind: str) -> None:
    """Kind, word, instant, documents, container and revision are read again from the document."""
    fields, of, word = OURS[kind]
    event = ours(kind, unlocode="CNSZX", facility="SMDG:YTN", lat=22.5, lon=114.25, **fields)
    made = out([event])
    (one,) = reader.read(made.document)
    assert (one.kind, one.word, one.classifier) == (of, word, event.classifier)
    assert one.happened is not None
    assert (one.happened.micros, one.happened.tz) == (T, "+08:00")
    assert (one.updated.micros, one.event_id) == (T + 5, "e")
    assert dcsa.source_of(one) == "dcsa:tms:x" or one.party == ("tms:x",)
    assert {each.reference for each in (one.document, *one.documents) if each} == {"B1", "L1"}
    assert one.place == (("CNSZX", "SMDG:YTN", 22.5, 114.25))
    if of == "EQUIPMENT":
        assert one.container == "MSKU1"
        empty = {"shipment.gate_out": True, "shipment.empty_returned": True}
        assert one.empty == empty.get(kind, False if kind == "shipment.gate_in" else None)


def test_what_has_no_place_is_counted_by_its_type() -> None:
    """Deliveries, energy, exceptions; a container event that names no container."""
    receiver = {"consignment_id": "c", "receiver": "r"}
    found = out([
        ours("shipment.delivered", event_id="1", **receiver),
        ours("shipment.exception", event_id="2", exception_code="DELAY", text=""),
        ours("shipment.loaded", event_id="3", refs=("BKG:B1",)),
        ours("shipment.noted", event_id="4", text="x"),
        ours("shipment.gate_in", event_id="5", source="x" * 101, trip_id="t", empty=True),
    ])  # fmt: skip
    assert found.events == 0 and json.loads(found.document) == {"events": []}
    assert found.left_out == {
        "shipment.delivered": 1, "shipment.exception": 1, "shipment.loaded": 1,
        "shipment.noted": 1, "not right in DCSA: eventRouting.originatingParty.partyCode": 1,
    }  # fmt: skip


def test_a_trip_knows_its_container_from_what_was_stuffed() -> None:
    """Later events of the trip need not repeat the number."""
    stuffed = ours("shipment.stuffed", event_id="1", trip_id="t1", container_no="MSKU7",
                   children=(), refs=())  # fmt: skip
    later = ours("shipment.discharged", event_id="2", trip_id="t1", refs=())
    found = reader.read(out([stuffed, later]).document)
    assert [one.container for one in found] == ["MSKU7", "MSKU7"]


@given(
    st.integers(min_value=0, max_value=2_400_000_000_000_000),
    st.sampled_from(["+05:30", "-09:30", "unknown", "Asia/Shanghai", "America/New_York"]),
    st.sampled_from(["S", "MS", "MIN", "DAY"]),
)
def test_an_instant_is_written_with_the_offset_of_its_zone(at: int, tz: str, precise: str) -> None:
    """The same instant at its precision; a day begins at its local midnight."""
    found = moment_in(Micros(at), tz, precise)
    if precise == "DAY":
        assert found.text[11:19] == "00:00:00"
        assert 0 <= at - found.micros < 25 * 3_600_000_000
    else:
        assert found.micros == at


# ---- the command


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """An exported journal of the sample's chain."""
    events = list(
        dcsa.document((w.DATA / "tnt-300-response.json").read_bytes(), Given(chain="C")).events
    )
    path = tmp_path / "journal.jsonl"
    journal_file.write(path, iter(folded(events)[1]))
    return path


def run(*words: str) -> Any:
    return CliRunner().invoke(cli.app, ["twin", "export", *words])


def test_the_command_writes_the_document(journal: Path, tmp_path: Path) -> None:
    """To standard output, or to a file; how much was left out goes to standard error."""
    done = run("C", "--format", "dcsa", "--journal", str(journal))
    assert done.exit_code == 0, done.output
    events = json.loads(done.stdout)["events"]
    assert len(events) == 5 and "5 events; left out: 0" in done.stderr
    file = tmp_path / "out.json"
    run("C", "--format", "dcsa", "--journal", str(journal), "--output", str(file))
    assert json.loads(file.read_bytes())["events"] == events


def test_what_cannot_be_exported_is_said(journal: Path) -> None:
    """Another format, another chain, a broken hash chain: one line each."""
    assert "must be one of" in str(
        run("C", "--format", "edifact", "--journal", str(journal)).exception
    )
    assert "no entry of chain" in str(
        run("D", "--format", "dcsa", "--journal", str(journal)).exception
    )
    entries = [line.entry for line in journal_file.read(journal)]
    with pytest.raises(UsageError, match="not exported"):
        exporting.export("C", "dcsa", [entries[0], *entries[2:]])
