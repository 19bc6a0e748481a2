"""Columns: one block of many records, and that a bad one harms no other."""

from typing import Any

import codec_world as w
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin.schemas import batch, codec
from supplytwin.schemas.errors import Code
from supplytwin.schemas.events import EVENT_TYPES, ORDERS, SHIPMENTS
from supplytwin.schemas.records import SCHEMAS


def order(number: int) -> bytes:
    """The wire value of one of many orders."""
    return codec.encode(ORDERS, w.least("order.closed", event_id=f"event {number}"))


def ids(found: batch.Columns) -> list[str]:
    """The event ids of the frame."""
    return found.frame["event_id"].to_list()


DAMAGES = {
    "last 8 bytes cut": lambda value, after: value[:-8],
    "2 extra bytes": lambda value, after: value + b"\0\0",
    "second valid record smuggled in": lambda value, after: value + after[codec.HEADER_LEN :],
    "its end in the next record": lambda value, after: value[:-8] + after[codec.HEADER_LEN :][:8],
    "garbage": lambda value, after: value[: codec.HEADER_LEN] + b"\xff" * 50,
}


@pytest.mark.parametrize("place", [0, 3, 9])
@pytest.mark.parametrize("case", DAMAGES)
def test_one_damaged_record_changes_no_other(case: str, place: int) -> None:
    """Of ten records one is damaged, be it the last: it is named, the others are what they are."""
    values = [order(number) for number in range(10)]
    values[place] = DAMAGES[case](values[place], order(10))
    found = batch.columns(ORDERS, values, w.guard)
    places = [at for at in range(10) if at != place]
    assert (found.places, ids(found)) == (places, [f"event {number}" for number in places])
    assert {at: error.code for at, error in found.bad.items()} == {place: Code.MALFORMED}
    assert found.fallbacks == 1


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_record_is_named_when_it_is_alone(case: str) -> None:
    """A block of one record has a guard behind it too."""
    found = batch.columns(ORDERS, [DAMAGES[case](order(0), order(1))], w.guard)
    assert (found.places, found.frame.height, found.fallbacks) == ([], 0, 1)
    assert found.bad[0].code == Code.MALFORMED


@settings(max_examples=60, deadline=None)
@given(st.lists(w.any_event, min_size=1, max_size=6))
def test_a_frame_holds_what_the_messages_hold(events: list[Any]) -> None:
    """Good records of one topic need no fallback, and each row says what its event says."""
    topic = events[0].TOPIC
    events = [event for event in events if topic == event.TOPIC]
    found = batch.columns(topic, [codec.encode(topic, event) for event in events], w.guard)
    assert (found.bad, found.fallbacks) == ({}, 0)
    assert found.places == list(range(len(events)))
    assert dict(found.frame.schema) == batch.dtypes(topic)
    physical = found.frame.with_columns(pl.selectors.temporal().to_physical())
    for row, event in zip(physical.to_dicts(), events, strict=True):
        plain = w.deep_plain(event)
        assert {name: row[name] for name in plain} == plain
        assert {name for name, value in row.items() if value is not None} <= plain.keys()


def test_every_topic_has_columns() -> None:
    """A sample of each event type and of each record, in columns as they are declared."""
    for topic, message in w.samples():
        found = batch.columns(topic, [codec.encode(topic, message)], w.guard)
        assert found.frame.height == 1 and not found.bad, topic
        assert dict(found.frame.schema) == batch.dtypes(topic)
    assert {topic for topic, _ in w.samples()} == {
        *SCHEMAS, *(kind.TOPIC for kind in EVENT_TYPES.values())
    }  # fmt: skip


def test_what_polars_misreads_is_refused_before_anything_is_decided() -> None:
    """A boolean byte 2 is a row for the analysts, and no event for the worker."""
    value = codec.encode(SHIPMENTS, w.least("shipment.gate_in", empty=True))
    value = value.replace(b"\x02\x01\x00", b"\x02\x02\x00")
    assert batch.columns(SHIPMENTS, [value], w.guard).frame["empty"].to_list() == [False]
    with pytest.raises(Exception, match="boolean byte 2"):
        codec.decode(SHIPMENTS, value)
