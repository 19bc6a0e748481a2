"""Sensor readings: packed, measured by hours that merge, and right whatever comes in what order."""

import datetime as dt
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fold_world as world
import pytest
import sink_world
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from supplytwin.processors import describe, excursions, readings, sensed, twin
from supplytwin.processors.chain import ChainFold, ChainState, canonical
from supplytwin.processors.closing import ClosingFold, shrunk
from supplytwin.processors.sensed import GAP_MAX_US, Sample, SeriesKey
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas import codec
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import Event, ShipmentBooked, ShipmentException, ShipmentSensor
from supplytwin.schemas.flow import Message, Record
from supplytwin.schemas.ids import HOUR_US, SECOND_US, Micros
from supplytwin.schemas.records import EXCEPTIONS, JOURNAL, STATE, ExceptionRecord, StateRecord
from supplytwin.sinks.duck import DuckSink
from supplytwin.streams import show, telling

MINUTE = 60 * SECOND_US
T = 20_000 * 24 * HOUR_US + 9 * HOUR_US
"""09:00 UTC."""
TRIP = SubjectKey("EQUIPMENT_TRIP", "MSKU1234565/BL-1")
KEY = SeriesKey("R-1", "TEMPERATURE", "CEL")


def reading(name: str, minute: float, value: float, **given: Any) -> ShipmentSensor:
    """A reading of TRIP between 2 and 8 degrees."""
    fields: dict[str, Any] = {
        "event_id": name, "source": "carrier:x", "revision": 1, "event_type": "shipment.sensor",
        "classifier": "ACTUAL", "event_time": round(T + minute * MINUTE), "event_tz": "+00:00",
        "time_precision": "S", "recorded_time": round(T + minute * MINUTE), "chain_id": "C",
        "subject_type": TRIP.subject_type, "subject_id": TRIP.subject_id,
        "refs": ("CONSIGNMENT:A",), "device_id": "R-1", "metric": "TEMPERATURE", "value": value,
        "unit": "CEL", "lower": 2.0, "upper": 8.0,
    }  # fmt: skip
    return ShipmentSensor(**fields | given)


def booking(name: str, limits: tuple[str, ...], **given: Any) -> ShipmentBooked:
    """A booking of consignment A; names no trip."""
    base = reading(name, -60, 0.0)
    fields = {field: getattr(base, field) for field in Event.__struct_fields__}
    fields |= {
        "event_type": "shipment.booked", "subject_type": "CONSIGNMENT", "subject_id": "A",
        "refs": (), "booking_ref": "b", "carrier": "c", "legs": (), "limits": limits,
    }  # fmt: skip
    return ShipmentBooked(**fields | given)


def retraction(name: str, target: str, **given: Any) -> ShipmentSensor:
    """Takes back the reading `target`."""
    action = {"correction_action": "RETRACT", "correction_event_id": target}
    return reading(name, 0, 0.0, **action | given)


def take(*events: Event, into: twin.Twin = twin.EMPTY) -> twin.Twin:
    for event in events:
        into = twin.take(into, world.item(event, event.event_time)).twin
    return into


def total(found: twin.Twin, key: SeriesKey = KEY) -> Any:
    """What the readings of a series of TRIP come to, in minutes."""
    block = dict(sensed.totals(found.subjects[TRIP].sensed))[key]
    return (
        block.count, block.least, block.most, block.last.value, block.outside / MINUTE,
        block.longest / MINUTE, excursions.coverage(block), block.since is not None,
    )  # fmt: skip


# ---- the definition, case by case


@pytest.mark.parametrize(
    ("readings_", "outside", "longest", "open_"),
    [
        ([(0, 5)], 0, 0, False),
        ([(0, 9)], 0, 0, True),
        ([(0, 9), (10, 5)], 10, 10, False),
        ([(0, 9), (10, 1), (30, 5)], 30, 30, False),
        ([(0, 9), (10, 5), (20, 9), (25, 9), (50, 5)], 40, 30, False),
        ([(0, 8), (10, 2), (20, 5)], 0, 0, False),
        ([(50, 9), (70, 9), (80, 5)], 30, 30, False),
        ([(0, 9), (120, 5)], 120, 120, False),
        ([(0, 9), (120.1, 9), (130, 5)], 9.9, 9.9, False),
        ([(0, 9), (30, 9), (200, 9), (210, 9)], 40, 30, True),
        ([(0, 9), (0, 5), (10, 5)], 10, 10, False),
    ],
)
def test_what_an_excursion_is(
    readings_: list[tuple[float, float]], outside: float, longest: float, open_: bool
) -> None:
    """A value holds until the next reading; bounds are inside; over two hours nothing is known; of
    one instant the highest value holds.
    """
    events = [reading(str(at), *one) for at, one in enumerate(readings_)]
    for order in (events, events[::-1]):
        found = total(take(*order))
        assert found[0] == len(events)
        assert (found[4], found[5], found[7]) == (pytest.approx(outside), pytest.approx(longest),
                                                  open_)  # fmt: skip


def test_coverage_is_the_share_of_time_between_near_readings() -> None:
    """Of 1 h + 3 h + 1 h the middle is not covered; one reading has no time to cover."""
    events = [reading(str(at), minute, 5) for at, minute in enumerate((0, 60, 240, 300))]
    assert total(take(*events))[6] == pytest.approx(0.4)
    assert total(take(events[0]))[6] is None


def test_without_bounds_nothing_is_outside() -> None:
    """Bounds come with each reading; one alone is enough."""
    hot = reading("1", 0, 99, lower=None, upper=None)
    assert total(take(hot, reading("2", 10, 5)))[4] == 0
    assert total(take(replace(hot, upper=50.0), reading("2", 10, 5)))[4] == 10


def test_readings_without_bounds_have_those_of_the_booking() -> None:
    """Of every consignment that their subject is linked with the narrowest; whichever comes first;
    bounds of the reading itself go before; without the booking or the link there are none.
    """
    bare: dict[str, Any] = {"lower": None, "upper": None}
    events = [
        booking("b1", ("TEMPERATURE;CEL;2;8", "HUMIDITY;PCT;;60")),
        booking("b2", ("TEMPERATURE;CEL;-5;6.5",), subject_id="B"),
        reading("1", 0, 7, refs=("CONSIGNMENT:A", "CONSIGNMENT:B"), **bare),
        reading("2", 10, 7, lower=6.9),
        reading("3", 40, 5, **bare),
    ]
    narrow = sum(total(take(*order))[4] for order in itertools.permutations(events)) / 120
    assert narrow == 10
    gone = {name: {"correction_action": "RETRACT", "correction_event_id": name}
            for name in ("b1", "b2")}  # fmt: skip
    assert total(take(*events, booking("x", (), **gone["b2"])))[4] == 0
    assert total(take(*events, booking("x", (), **gone["b1"])))[4] == 10
    assert total(take(*events, retraction("x", "1")))[4] == 0


@pytest.mark.parametrize(
    "limit",
    ["T;CEL;;", "T;CEL;2", ";CEL;2;8", "T;;2;8", "T;CEL;x;8", "T;CEL;1e9;", "T;CEL;2;8;9",
     "T;CEL;nan;8"],
)  # fmt: skip
def test_a_range_that_cannot_be_read_is_refused(limit: str) -> None:
    """With the field, before anything is folded; one bound may be missing."""
    for good in ("T;CEL;2;8", "T;CEL;;8", "T;CEL;-2.5;"):
        made = booking("b", (good,))
        assert codec.decode(made.TOPIC, codec.encode(made.TOPIC, made)).message == made
    many = codec.encode("supply.shipments", booking("b", ("T;CEL;2;8",) * 51))
    with pytest.raises(RecordError, match="at most 50"):
        codec.decode("supply.shipments", many)
    value = codec.encode("supply.shipments", booking("b", ("T;CEL;2;8", limit)))
    with pytest.raises(RecordError) as caught:
        codec.decode("supply.shipments", value)
    assert (caught.value.code, caught.value.field) == (Code.BAD_VALUE, "limits[1]")


def test_a_later_booking_takes_the_place_of_its_ranges() -> None:
    """All readings so far are judged anew, and one exception closes; a booking without ranges
    changes none.
    """
    bare: dict[str, Any] = {"lower": None, "upper": None}
    start = take(booking("b", ("TEMPERATURE;CEL;2;8",)), reading("1", 0, 9, **bare),
                 reading("2", 10, 9, **bare))  # fmt: skip
    assert total(start)[4] == 10
    wider = booking("c", ("TEMPERATURE;CEL;2;10",), event_time=T - 30 * MINUTE)
    taken = twin.take(start, world.item(wider, T))
    assert [(one.code, one.open) for one in taken.exceptions] == [("EXCURSION", False)]
    assert TRIP in taken.dirty
    assert total(taken.twin)[4] == 0
    none = booking("d", (), event_time=T - 20 * MINUTE)
    assert total(take(none, into=taken.twin))[4] == 0


def test_series_do_not_mix() -> None:
    """Another device, metric or unit is another series; so is another subject."""
    other = [
        reading("2", 5, 9, device_id="R-2"), reading("3", 5, 9, metric="HUMIDITY"),
        reading("4", 5, 9, unit="FAH"), reading("5", 5, 9, subject_id="other"),
    ]  # fmt: skip
    found = take(reading("1", 0, 5), *other, reading("6", 10, 5))
    assert total(found)[:5] == (2, 5, 5, 5, 0)
    assert len(found.subjects[TRIP].sensed.series) == 4


def test_what_is_no_measurement_is_not_measured() -> None:
    """Planned readings and those known to the day only are facts, but no samples."""
    found = take(
        reading("1", 0, 5),
        reading("2", 10, 9, classifier="PLANNED"),
        reading("3", 20, 9, time_precision="DAY"),
    )
    assert total(found)[0] == 1
    assert found.facts.count == 3


def test_minus_zero_is_zero() -> None:
    """Two spellings of one number, in either order, are told in one way."""
    events = [reading("1", 0, 0.0), reading("2", 0, -0.0), reading("3", 5, -0.0, lower=-0.0)]
    lines = {excursions.lines(take(*order).subjects[TRIP].sensed)
             for order in itertools.permutations(events)}  # fmt: skip
    assert len(lines) == 1
    assert "-0" not in lines.pop()[0]


# ---- against a second implementation


def booked(found: twin.Twin) -> tuple[float, float]:
    """The range of consignment A, if a standing fact of TRIP or of A names the other."""
    versions = [slot.effective for slot in found.facts.every()]
    events = [version.event for version in versions if version is not None]
    ends = {TRIP, SubjectKey("CONSIGNMENT", "A")}
    linked = any(
        {(one.subject_type, one.subject_id), tuple(ref.split(":"))} == ends
        for one in events for ref in one.refs
    )  # fmt: skip
    ranges = sorted(
        ((one.event_time, one.event_id, one.limits[0]) for one in events
         if isinstance(one, ShipmentBooked) and one.limits),
        key=lambda one: one[:2],
    )  # fmt: skip
    if not linked or not ranges:
        return -math.inf, math.inf
    lower, upper = ranges[-1][2].split(";")[2:]
    return float(lower or "-inf"), float(upper or "inf")


def oracle(
    standing: list[ShipmentSensor], agreed: tuple[float, float]
) -> dict[SeriesKey, tuple[Any, ...]]:
    """Minute by minute is not fine enough: interval by interval, each series by itself."""
    found = {}
    for key in {SeriesKey(one.device_id, one.metric, one.unit) for one in standing}:
        own = sorted(
            (one.event_time, one.value, -math.inf if one.lower is None else one.lower,
             math.inf if one.upper is None else one.upper)
            for one in standing if (one.device_id, one.metric, one.unit) == key
        )  # fmt: skip
        bare = (-math.inf, math.inf)
        own = [(*one[:2], *(agreed if one[2:] == bare else one[2:])) for one in own]
        bad = [value < lower or value > upper for _, value, lower, upper in own]
        steps = [
            (b[0] - a[0], out)
            for (a, b), out in zip(itertools.pairwise(own), bad[:-1], strict=True)
        ]
        near = [(time, out and time <= GAP_MAX_US) for time, out in steps]
        runs = [
            sum(time for time, _ in run)
            for out, run in itertools.groupby(near, key=lambda step: step[1]) if out
        ]  # fmt: skip
        values = [value for _, value, _, _ in own]
        found[key] = (
            len(own), min(values), max(values), own[-1], sum(t for t, out in near if out),
            max(runs, default=0), sum(t for t, _ in near if t <= GAP_MAX_US), own[0][0], bad[-1],
        )  # fmt: skip
    return found


def measured(found: twin.Twin, key: SubjectKey = TRIP) -> dict[SeriesKey, tuple[Any, ...]]:
    """The same of the twin."""
    subject = found.subjects.get(key)
    totals = [] if subject is None else sensed.totals(subject.sensed)
    return {
        name: (
            one.count, one.least, one.most, tuple(one.last), one.outside, one.longest,
            one.covered, one.first.time, one.since is not None,
        )
        for name, one in totals
    }  # fmt: skip


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Readings of two days with revisions, conflicts and retractions of one another."""
    found: list[Event] = []
    for _ in range(draw(st.integers(1, 25))):
        name = str(draw(st.integers(0, 9)))
        given: dict[str, Any] = {
            "revision": draw(st.integers(1, 3)),
            "device_id": draw(st.sampled_from(("R-1", "R-1", "R-1", "R-2"))),
            "lower": draw(st.sampled_from((2.0, 2.0, None))),
            "upper": draw(st.sampled_from((8.0, 8.0, 4.0, None))),
            "alert": draw(st.sampled_from((None, None, None, None, "HOT"))),
            "subject_id": draw(st.sampled_from((TRIP.subject_id,) * 4 + ("other",))),
            "source": draw(st.sampled_from(("carrier:x", "carrier:x", "carrier:y"))),
        }
        if not draw(st.integers(0, 7)):
            limits = draw(st.sampled_from((("TEMPERATURE;CEL;2;8",), ("TEMPERATURE;CEL;;4",), ())))
            refs = draw(st.sampled_from(((), (), (":".join(TRIP),))))
            found.append(booking(draw(st.sampled_from("xyz")), limits, refs=refs,
                                 revision=given["revision"]))  # fmt: skip
            continue
        given["refs"] = draw(st.sampled_from((("CONSIGNMENT:A",), ())))
        minute = draw(st.one_of(st.integers(0, 30).map(lambda n: n * 20), st.integers(0, 2880)))
        value = draw(st.sampled_from((1.0, 3.0, 5.0, 9.0, -0.0, 0.0)))
        if draw(st.integers(0, 4)):
            found.append(reading(name, minute, value, **given))
        else:
            target = draw(st.sampled_from("01234xyz"))
            name = str(draw(st.integers(0, 2)))
            action = draw(st.sampled_from(("RETRACT", "RETRACT", "SUPERSEDE")))
            given["correction_action"], given["correction_event_id"] = action, target
            found.append(reading(f"{name}r", minute, value, **given))
    return found


def standing(found: twin.Twin) -> list[ShipmentSensor]:
    """The readings of TRIP that count, as the rules of identities leave them."""
    versions = [slot.effective for slot in found.facts.every()]
    events = [version.event for version in versions if version is not None]
    return [one for one in events if isinstance(one, ShipmentSensor)
            and one.subject_id == TRIP.subject_id]  # fmt: skip


def plainly(events: list[Event]) -> Any:
    """The identities of the same events where no reading is ever packed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("supplytwin.processors.facts.is_plain", lambda event: False)
        found = take(*events)
    return {slot.identity: slot for slot in found.facts.every()}


@settings(max_examples=150, deadline=None)
@given(streams(), st.randoms(use_true_random=False))
def test_every_order_measures_what_brute_force_does(events: list[Event], random: Any) -> None:
    """Late, doubled, revised, retracted, in conflict, over hour borders: always the oracle's."""
    one = take(*events)
    assert measured(one) == oracle(standing(one), booked(one))
    shuffled = [*events, *events[::3]]
    random.shuffle(shuffled)
    other = twin.EMPTY
    for event in shuffled:
        other = take(event, into=other)
        assert measured(other) == oracle(standing(other), booked(other))
    assert one.facts == other.facts
    assert twin.canonical(one) == twin.canonical(other)
    for key, subject in one.subjects.items():
        again = other.subjects[key]
        assert replace(subject, ordered=again.ordered) == again
        assert subject.ordered.facts == again.ordered.facts


@settings(max_examples=100, deadline=None)
@given(streams())
def test_packing_changes_no_identity(events: list[Event]) -> None:
    """Slot by slot, with every version, content, hash, arrival and mark, as if nothing were packed;
    and what is packed is what stands plain and alone.
    """
    found = take(*events)
    whole = plainly(events)
    assert {slot.identity: slot for slot in found.facts.every()} == whole
    packed = whole.keys() - set(found.facts.slots)
    assert packed == {
        name for name, slot in whole.items()
        if name not in found.facts.aims and len(slot.versions) == 1
        and len(slot.latest.contents) == 1 and readings.is_plain(slot.latest.event)
    }  # fmt: skip


@given(
    st.lists(
        st.tuples(st.integers(0, 600), st.sampled_from((1.0, 5.0, 9.0))), min_size=1, max_size=30
    ),
    st.lists(st.integers(1, 29), max_size=5),
)
def test_blocks_merge_to_what_one_pass_gives(
    pairs: list[tuple[int, float]], cuts: list[int]
) -> None:
    """However sorted readings are cut into blocks, and in whatever order these are merged."""
    samples = [sensed.alone(Sample(minute * MINUTE, value, 2.0, 8.0))
               for minute, value in sorted(pairs)]  # fmt: skip
    whole = samples[0]
    for one in samples[1:]:
        whole = sensed.merge(whole, one)
    edges = sorted({0, len(samples), *(cut for cut in cuts if cut < len(samples))})
    parts = []
    for start, end in itertools.pairwise(edges):
        part = samples[end - 1]
        for one in reversed(samples[start : end - 1]):
            part = sensed.merge(one, part)
        parts.append(part)
    merged = parts[-1]
    for part in reversed(parts[:-1]):
        merged = sensed.merge(part, merged)
    assert merged == whole


# ---- what is kept, and what a correction does


def test_a_long_trip_keeps_no_facts_one_by_one() -> None:
    """A thousand plain readings are no slots, no members and no facts of any subject; the subjects
    and their link are there all the same.
    """
    found = take(*(reading(f"reading-{at}", 10 * at, 5) for at in range(1_000)))
    consignment = SubjectKey("CONSIGNMENT", "A")
    assert (len(found.facts.slots), found.facts.count) == (0, 1_000)
    for key in (TRIP, consignment):
        subject = found.subjects[key]
        assert (len(subject.members), len(subject.ordered.chunks)) == (0, 0)
        assert subject.effective == 1_000
    assert (found.subjects[TRIP].told, found.subjects[consignment].told) == (1_000, 0)
    assert consignment in found.subjects[TRIP].links
    assert len(found.facts.readings.forms) == 1


def test_a_link_ends_with_the_last_reading_that_named_it() -> None:
    """Retractions of all readings but one keep it."""
    start = take(reading("1", 0, 5), reading("2", 10, 5))
    consignment = SubjectKey("CONSIGNMENT", "A")
    one_left = take(retraction("r1", "1"), into=start)
    assert consignment in one_left.subjects[TRIP].links
    none_left = take(retraction("r2", "2"), into=one_left)
    assert not none_left.subjects[TRIP].links
    assert not none_left.subjects[TRIP].effective
    assert not none_left.subjects[TRIP].sensed.series


def test_a_reading_may_turn_into_something_else() -> None:
    """A revision of another type takes the measurement away and is that type's fact."""
    start = take(reading("1", 0, 9), reading("2", 10, 9))
    fields = {name: getattr(reading("1", 0, 9), name) for name in Event.__struct_fields__}
    broken = ShipmentException(
        **fields | {"event_type": "shipment.exception", "revision": Micros(2)},
        exception_code="DAMAGED", text="",
    )  # fmt: skip
    found = take(broken, into=start)
    assert total(found)[0] == 1
    assert [one.code for one in found.subjects[TRIP].value.exceptions] == ["SHIPMENT_DAMAGED"]


def test_a_reading_ahead_of_its_arrival_is_flagged_as_ever() -> None:
    """It is packed and measured, and its subject and the exceptions tell."""
    early = reading("1", 10, 5)
    taken = twin.take(twin.EMPTY, world.item(early, early.event_time - 5 * MINUTE))
    assert [one.code for one in taken.exceptions] == ["IMPLAUSIBLE_TIME"]
    assert taken.twin.subjects[TRIP].flags == ("implausible_time",)
    gone = take(retraction("r", "1"), into=taken.twin)
    assert gone.subjects[TRIP].flags == ()


def test_readings_of_one_digest_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest only finds candidates: the identity itself decides."""
    monkeypatch.setattr(readings, "_digest", lambda source, event_id: b"samesame")
    found = take(reading("1", 0, 5), reading("2", 10, 6), reading("3", 20, 7))
    gone = take(retraction("r", "2"), into=found)
    assert total(gone)[:4] == (2, 5, 7, 7)
    assert take(reading("3", 20, 7), into=gone) is gone


# ---- the chain


def folded(events: Sequence[Event]) -> tuple[ChainState, list[Any]]:
    """A chain that took them, and the records that came of it."""
    fold = ChainFold("t")
    state, found = fold.new("C"), []
    for at, event in enumerate(events):
        message = Message(topic=event.TOPIC, key="C", arrival=event.event_time, body=event)
        step = fold.step(state, world.decoded(message, at), T)
        found += [*step.entries, *step.outputs, *fold.publish(state, step.state)]
        state = step.state
    return state, found


def said(outputs: list[Any], topic: str) -> list[Any]:
    return [codec.decode(topic, one.value).message for one in outputs if one.topic == topic]


def test_an_excursion_opens_and_closes() -> None:
    """One exception while the last reading is outside, told once, however many follow."""
    minutes = [(0, 5), (10, 9), (20, 9.5), (30, 5), (40, 1)]
    state, outputs = folded([reading(str(at), *one) for at, one in enumerate(minutes)])
    records: list[ExceptionRecord] = said(outputs, EXCEPTIONS)
    assert [(one.code, one.open, one.event_time) for one in records] == [
        ("EXCURSION", True, T + 10 * MINUTE),
        ("EXCURSION", False, T + 10 * MINUTE),
        ("EXCURSION", True, T + 40 * MINUTE),
    ]
    assert records[0].reason == "TEMPERATURE 9.0 CEL is above 8.0"
    assert (records[0].source, records[0].event_id) == ("device:R-1", "TEMPERATURE;CEL")
    assert records[0].arrival is None
    assert [one["reason"] for one in describe.exceptions(state)] == [
        "TEMPERATURE 1.0 CEL is below 2.0"
    ]


def test_a_late_reading_corrects_what_was_told() -> None:
    """The excursion that began before is told again with its begin; a later one ends it."""
    start = [reading("1", 0, 5), reading("2", 30, 9)]
    _, outputs = folded([*start, reading("3", 20, 9), reading("4", 40, 5), reading("5", 35, 9)])
    records: list[ExceptionRecord] = said(outputs, EXCEPTIONS)
    assert [(one.open, (one.event_time - T) // MINUTE) for one in records] == [
        (True, 30), (True, 20), (False, 20),
    ]  # fmt: skip


def test_people_and_analysts_are_told_what_was_measured() -> None:
    """`twin show`, the latest record and the canonical state hold the same figures."""
    minutes = [(0, 5), (10, 9), (25, 5), (325, 6)]
    state, outputs = folded(
        [reading(str(at), *one, device_id="R;1%") for at, one in enumerate(minutes)]
    )
    trip = next(one for one in describe.subjects(state, 0) if one["subject_id"] == TRIP.subject_id)
    assert trip["sensors"] == [
        {
            "device_id": "R;1%", "metric": "TEMPERATURE", "unit": "CEL", "readings": 4, "min": 5.0,
            "max": 9.0, "last": 6.0, "last_time": "2024-10-04T14:25:00Z", "excursion_min": 15.0,
            "longest_excursion_min": 15.0, "outside_since": None, "coverage": 0.0769,
        }
    ]  # fmt: skip
    records: list[StateRecord] = said(outputs, STATE)
    line = f"R%3B1%25;TEMPERATURE;CEL;4;5.0;9.0;6.0;{T};{T + 325 * MINUTE};{15 * MINUTE};" \
           f"{15 * MINUTE};{25 * MINUTE};;2.0;8.0"  # fmt: skip
    last = [one for one in records if one.subject_id == TRIP.subject_id][-1]
    assert f"sensor={line}" in last.attributes
    assert line.encode() in canonical(state)


@settings(max_examples=40, deadline=None)
@given(streams())
def test_snapshots_and_the_journal_give_the_chain_back(events: list[Event]) -> None:
    """Frozen and thawed, restored from its entries, and closed: nothing is lost or forgotten."""
    state, outputs = folded(events)
    fold = ClosingFold(ChainFold("t"))
    assert fold.thaw(fold.freeze(state)) == state
    again = fold.new("C")
    for at, entry in enumerate(one for one in outputs if one.topic == JOURNAL):
        record = Record(topic=JOURNAL, partition=0, offset=at, arrival=0, key=b"C",
                        value=entry.value)  # fmt: skip
        again = fold.restore(again, record)
    assert isinstance(again, ChainState)
    assert again.twin == state.twin
    closed = shrunk(state)
    for at, event in enumerate(events):
        message = Message(topic=event.TOPIC, key="C", arrival=T + 10**12, body=event)
        assert not fold.late(closed, world.decoded(message, at))
    first = min(one.event_time for one in events) - 1_000
    early = Message(topic=events[0].TOPIC, key="C", arrival=first, body=events[0])
    assert fold.late(closed, world.decoded(early, 0))
    new = Message(topic=events[0].TOPIC, key="C", arrival=T, body=reading("new", 0, 5))
    assert fold.late(closed, world.decoded(new, 0))


# ---- analysts


def test_each_series_is_a_row_of_a_view(tmp_path: Path) -> None:
    """Device, metric and unit as they were named, figures as numbers, minutes and shares counted;
    what is unknown is null.
    """
    state, _ = folded([
        reading("1", 0, 5, device_id="R;1%3B"), reading("2", 10, 9, device_id="R;1%3B"),
        reading("3", 25, 8.5, device_id="R;1%3B"), reading("4", 0, -1.5, upper=None, lower=None),
    ])  # fmt: skip
    lines = excursions.lines(state.twin.subjects[TRIP].sensed)
    chain = sink_world.Chain(sink_world.Log(), "C")
    record = chain.state(*TRIP, attributes=tuple(f"sensor={line}" for line in lines))
    sink = DuckSink(tmp_path / "twin.duckdb", lambda: b"12345678")
    sink.write({STATE: [record]}, {})
    ask = sink.connection.execute
    assert ask(
        "SELECT subject_id, device_id, metric, unit, readings, lowest_value, highest_value, "
        "last_value, excursion_min, longest_excursion_min, coverage, lower, upper "
        "FROM twin_sensor ORDER BY 2"
    ).fetchall() == [
        (TRIP[1], "R-1", "TEMPERATURE", "CEL", 1, -1.5, -1.5, -1.5, 0.0, 0.0, None, None, None),
        (TRIP[1], "R;1%3B", "TEMPERATURE", "CEL", 3, 5.0, 9.0, 8.5, 15.0, 15.0, 1.0, 2.0, 8.0),
    ]
    times = ask("SELECT first_time, last_time, outside_since FROM twin_sensor ORDER BY device_id")
    start = dt.datetime(2024, 10, 4, 9)
    later = [start + dt.timedelta(minutes=minutes) for minutes in (25, 10)]
    assert times.fetchall() == [(start, start, None), (start, *later)]
    sink.close()


def test_a_person_is_shown_a_table_of_the_sensors(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`twin show` prints each series; a chain without sensors has no such table."""
    monkeypatch.setenv("COLUMNS", "200")
    _, outputs = folded([reading("1", 0, 5), reading("2", 10, 9), reading("3", 25, 5)])
    entries = [one.value or b"" for one in outputs if one.topic == JOURNAL]
    telling.tell(show.show("C", entries))
    told = capsys.readouterr().out
    assert "R-1 TEMPERATURE (CEL)" in told
    assert "5.0 to 9.0" in told
    assert "15.0 (longest 15.0)" in told
    telling.tell(show.show("C", []))
    assert "sensors" not in capsys.readouterr().out
