"""What is exported as DCSA can be read, and says no more than was known."""

import json
from typing import Any

import dcsa_world as w
import pytest
from test_dcsa_export import T, folded, ours, out

from supplytwin.processors import dcsa
from supplytwin.processors.feeds import Given
from supplytwin.schemas.ids import DAY_US

REFUSED: dict[str, dict[str, Any]] = {
    "facility": {"facility": "F" * 150},
    "vehicle": {"vehicle_id": "V" * 150},
    "booking": {"refs": ("BKG:" + "B" * 150, "CONTAINER:MSKU1")},
    "container": {"refs": ("CONTAINER:" + "C" * 150,)},
    "blank container": {"refs": ("BKG:B1", "CONTAINER:-")},
    "country": {"unlocode": "XYABC"},
    "early": {"event_time": T - 9_700 * DAY_US},
    "late": {"event_time": T + 9_000 * DAY_US},
    "phase": {"phase": "whatever"},
    "long id": {"event_id": "e" * 500},
    "empty part of a source": {"source": "dcsa::x"},
    "source that reads as another": {"source": "dcsa:"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_reader_refuses_is_left_out_and_counted(name: str) -> None:
    """One strange event does not spoil the document."""
    strange = ours("shipment.loaded", **{"trip_id": "t1", "event_id": "a", **REFUSED[name]})
    made = out([strange, ours("shipment.loaded", trip_id="t1", event_id="b")])
    assert (made.events, sum(made.left_out.values())) == (1, 1)
    again = dcsa.document(made.document, Given(chain="C"))
    assert [one.event_id for one in again.events] == ["b"] and not again.refused


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [("time_precision", "DAY", "day precision"), ("event_tz", "unknown", "unknown time zone")],
)
def test_precision_is_not_invented(field: str, value: str, why: str) -> None:
    """DCSA writes a time with an offset: an event that knows only its day, or no zone, has none."""
    made = out([ours("shipment.loaded", **{"trip_id": "t1", field: value})])
    assert (made.events, made.left_out) == (0, {why: 1})


@pytest.mark.parametrize("source", ["dcsa", "dcsa:a", "dcsa:a:b", "dcsa:a:b:c:d", "dcsa:a:b:c:d:"])
def test_a_source_of_dcsa_is_read_again_as_itself(source: str) -> None:
    """Only the same source can take something back."""
    made = out([ours("shipment.loaded", trip_id="t1", source=source)])
    (again,) = dcsa.document(made.document, Given(chain="C")).events
    assert again.source == source


def test_who_said_it_by_hand_is_written() -> None:
    """`--source` is part of the identity: an event without a party goes out with it."""
    for said in (w.two(), w.three(eventRouting=None, isRetracted=False)):
        (first,) = dcsa.document(w.raw([said]), Given(source="msk")).events
        (again,) = dcsa.document(out([first]).document).events
        assert (again.source, again.event_id) == ("dcsa:msk", first.event_id)


def test_an_original_that_is_no_dcsa_is_not_handed_on() -> None:
    """Whoever produces to Kafka himself may claim anything: what his event says is written."""
    event = ours("shipment.loaded", trip_id="t1", original=b"{", original_media_type=dcsa.BODY_3)
    (again,) = dcsa.document(out([event]).document, Given(chain="C")).events
    assert (again.event_type, again.event_id) == ("shipment.loaded", "e")


def test_many_retractions_of_an_unknown_event_are_written_once() -> None:
    """The latest of them says it for all."""
    gone = [
        w.three(isRetracted=True, eventUpdatedDateTime=f"2026-01-2{day}T00:00:00Z") for day in "324"
    ]
    made = out(list(dcsa.document(w.raw({"events": gone})).events))
    ((said,),) = json.loads(made.document).values()
    assert (made.events, said["eventUpdatedDateTime"]) == (1, "2026-01-24T00:00:00+00:00")


def test_a_retraction_that_cannot_be_read_is_left_out_and_counted() -> None:
    """An id that is too long for DCSA was never exported under it."""
    back = ours("shipment.noted", event_id="r", text="", correction_action="RETRACT",
                correction_source="tms:x", correction_event_id="e" * 490)  # fmt: skip
    assert folded([back])[0].twin.facts.count == 1
    made = out([back])
    assert (made.events, sum(made.left_out.values())) == (0, 1)
