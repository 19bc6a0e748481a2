"""The ranges that were booked for goods, and which readings they hold for."""

from itertools import permutations
from typing import Any

import pytest
import test_sensors as sensors
from msgspec.structs import replace

from supplytwin.processors import excursions, twin
from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError

TRIP = f"EQUIPMENT_TRIP:{sensors.TRIP.subject_id}"


def booked(*limits: str) -> list[Any]:
    """Bookings of so many consignments in one trip, each with its range."""
    return [
        sensors.booking(f"b{at}", (one,), subject_id=f"A{at}", refs=(TRIP,))
        for at, one in enumerate(limits)
    ]


def outside(value: float, limits: tuple[str, ...], **given: Any) -> list[str]:
    """Why a reading without bounds of its own is outside, whatever comes first."""
    reading = sensors.reading("r", 0, value, lower=None, upper=None, **given)
    found = set[tuple[str, ...]]()
    for order in permutations([*booked(*limits), reading]):
        made = twin.EMPTY
        for event in order:
            made = twin.take(made, sensors.world.item(event, sensors.T + 1)).twin
        sensed = made.subjects[sensors.TRIP].sensed
        found.add(tuple(one.reason for one in excursions.problems(sensed)))
    (reasons,) = found
    return list(reasons)


def test_a_metric_is_one_however_it_is_spelt() -> None:
    """A range that was booked for `temperature` holds for `TEMPERATURE` and `Tempera-ture`, of one
    unit.
    """
    for metric in ("TEMPERATURE", "Tempera-ture", "temperature"):
        assert len(outside(50.0, ("temperature;CEL;2;8",), metric=metric)) == 1
    assert outside(50.0, ("temperature;FAH;2;8",)) == []
    assert outside(50.0, ("humidity;CEL;2;8",)) == []


@pytest.mark.parametrize(
    ("value", "limits", "why"),
    [
        (5.0, ("TEMPERATURE;CEL;2;8", "TEMPERATURE;CEL;6;9"), ["below 6.0"]),
        (5.0, ("TEMPERATURE;CEL;2;8", "TEMPERATURE;CEL;15;25"), []),
        (1.0, ("TEMPERATURE;CEL;2;8", "TEMPERATURE;CEL;15;25"), ["below 2.0"]),
        (26.0, ("TEMPERATURE;CEL;2;8", "TEMPERATURE;CEL;15;25"), ["above 25.0"]),
        (5.0, ("TEMPERATURE;CEL;2;8", "TEMPERATURE;CEL;8;25"), ["below 8.0"]),
        (-90.0, ("TEMPERATURE;CEL;;8", "TEMPERATURE;CEL;15;"), []),
    ],
)
def test_ranges_that_exclude_each_other_blame_no_reading_for_one(
    value: float, limits: tuple[str, ...], why: list[str]
) -> None:
    """What all allow counts; where that is nothing, only what is beyond all of them is outside."""
    found = outside(value, limits)
    assert [one.partition(" is ")[2] for one in found] == why


@pytest.mark.parametrize("limit", ["t;C;9;1", "t;C;-1;-1.5", "t;C;1.0000001;1"])
def test_a_range_the_wrong_way_round_is_refused(limit: str) -> None:
    """Of a booking, naming the range; the same numbers in order are taken."""
    event = sensors.booking("b", ("t;C;1;2", limit))
    with pytest.raises(RecordError) as caught:
        codec.decode(event.TOPIC, codec.encode(event.TOPIC, event))
    assert caught.value.field == "limits[1]"
    metric, unit, lower, upper = limit.split(";")
    event = replace(event, limits=(f"{metric};{unit};{upper};{lower}", "t;C;1;1"))
    assert codec.decode(event.TOPIC, codec.encode(event.TOPIC, event)).message == event


def test_bounds_the_wrong_way_round_are_refused() -> None:
    """Of a reading, naming the field; equal bounds are taken."""
    wrong = sensors.reading("r", 0, 5.0, lower=9.0, upper=1.0)
    with pytest.raises(RecordError) as caught:
        codec.decode(wrong.TOPIC, codec.encode(wrong.TOPIC, wrong))
    assert caught.value.field == "lower"
    for given in ({"lower": 5.0, "upper": 5.0}, {"lower": 5.0, "upper": None}):
        right = replace(wrong, **given)
        assert codec.decode(right.TOPIC, codec.encode(right.TOPIC, right)).message == right
