"""Goods that go in several containers, or by air: nothing is flagged on a guess."""

from decimal import Decimal
from itertools import permutations

import fold_world as world
import pytest
from test_plausibility_fold import MIN, RIGHT, T, of, said, told

from supplytwin.processors import derived
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, HOUR_US
from supplytwin.schemas.trips import check_digit

OTHER = f"TEMU432124{check_digit('TEMU432124')}/B2"


def codes(*events: Event) -> list[tuple[str, str]]:
    """Code and event id of what is flagged, in any order of arrival."""
    found = set[tuple[str, str]]()
    for order in permutations(events):
        twin, opened = told([world.item(event, T + 30 * DAY_US) for event in order])
        assert opened == said(twin)
        found |= {(one[2], one[4]) for one in opened}
    return sorted(found)


def gate_in(trip: str, day: int) -> Event:
    return of("shipment.gate_in", f"EQUIPMENT_TRIP:{trip}", "ORDER_LINE:1", id=f"gate {day}",
              at=day * DAY_US, empty=False, trip_id=trip)  # fmt: skip


def receipt(day: int) -> Event:
    return of("wh.received", "ORDER_LINE:1", id=f"got {day}", at=day * DAY_US, qty=Decimal(5),
              line_id="1", lot_id="L", source="wms:t")  # fmt: skip


def test_a_line_in_two_containers_comes_with_either() -> None:
    """What is received after the first gate-in came with that container; before both it is early;
    one without a gate-in may have brought it.
    """
    second, first = gate_in(OTHER, 10), gate_in(RIGHT, 0)
    assert codes(first, receipt(8), second, receipt(18)) == []
    assert codes(gate_in(RIGHT, 12), receipt(8), second) == [("SEQUENCE", "got 8")]
    left = of("shipment.gate_out", f"EQUIPMENT_TRIP:{RIGHT}", "ORDER_LINE:1", id="out", at=DAY_US,
              empty=False, trip_id=RIGHT)  # fmt: skip
    assert codes(left, receipt(8), second) == []


def position(about: str, at: int, lat: float) -> Event:
    return of("shipment.sensor", about, id=f"{lat}", at=at, lat=lat, lon=121.0, device_id="d",
              metric="temperature", value=lat)  # fmt: skip


@pytest.mark.parametrize("about", ["HANDLING_UNIT:h", "LOT:l", "CONSIGNMENT:c"])
def test_what_may_fly_is_not_in_two_places(about: str) -> None:
    """A tracker 145 km on within 10 minutes, at 870 km/h, may be in an aeroplane."""
    one, other = position(about, 0, 31.0), position(about, 10 * MIN - 2_000_000, 32.3)
    assert codes(one, other) == []


def test_what_goes_by_sea_is_not_in_two_places() -> None:
    """The same tracker on a consignment that is booked by sea, and on a container, is flagged."""
    one, other = (position("CONSIGNMENT:c", at, lat)
                  for at, lat in ((0, 31.0), (9 * MIN, 32.3)))  # fmt: skip
    booked = of("shipment.booked", "CONSIGNMENT:c", id="b", at=-HOUR_US,
                legs=("1;SEA;CNSHA;DEHAM",))  # fmt: skip
    assert codes(booked, one, other) == [("TWO_PLACES", "32.3")]
    one, other = (position(f"EQUIPMENT_TRIP:{RIGHT}", at, lat)
                  for at, lat in ((0, 31.0), (9 * MIN, 32.3)))  # fmt: skip
    assert codes(one, other) == [("TWO_PLACES", "32.3")]


@pytest.mark.parametrize("place", [{}, {"lat": 31.0, "lon": 121.0}, {"alert": "HOT"}])
def test_a_reading_says_nothing_of_trust(place: dict[str, object]) -> None:
    """The grade of a trip is that of its facts, whether or not a reading is kept whole."""
    gate = gate_in(RIGHT, 0)
    about = f"EQUIPMENT_TRIP:{RIGHT}"
    reading = of("shipment.sensor", about, id="s", at=HOUR_US, source="simulated:x", **place)
    found, _ = told([world.item(event, T + DAY_US) for event in (gate, reading)])
    assert derived.trust(found.subjects[SubjectKey("EQUIPMENT_TRIP", RIGHT)]) == "B"


@pytest.mark.parametrize(
    ("metric", "unit", "value"),
    [("vgm", "kg", 1500.0), ("GROSS_MASS", "KGM", 1500.0), ("weight", "tonne", 1.5),
     ("Gross Weight", "lb", 3300.0), ("mass", "LBR", 3300.0), ("weight", "t", 1e300)],
)  # fmt: skip
def test_a_scale_is_held_against_the_document_of_its_own_source(
    metric: str, unit: str, value: float
) -> None:
    """A terminal weighs half as much again as its own document says; the words stay short."""
    paper = of("shipment.stuffed", f"EQUIPMENT_TRIP:{RIGHT}", id="paper", source="terminal:a",
               gross_kg=Decimal(1000), container_no=RIGHT.partition("/")[0], children=(),
               trip_id=RIGHT)  # fmt: skip
    scale = of("shipment.sensor", f"EQUIPMENT_TRIP:{RIGHT}", id="scale", at=HOUR_US, metric=metric,
               unit=unit, value=value, source="terminal:a")  # fmt: skip
    assert codes(paper, scale) == [("WEIGHT_MISMATCH", "scale")]
    found, _ = told([world.item(event, T + DAY_US) for event in (paper, scale)])
    trip = found.subjects[SubjectKey("EQUIPMENT_TRIP", RIGHT)]
    (reason,) = [one.reason for one in trip.value.exceptions]
    assert len(reason) < 120


def test_one_invoice_stands_for_one_consignment() -> None:
    """The second consignment under a seller's number is flagged; another seller has it, too."""
    first, again, other = (
        of("order.invoiced", f"CONSIGNMENT:{name}", id=name, at=hours * HOUR_US, source=source,
           invoice_id=number)
        for name, hours, number, source in (
            ("a", 0, "I-1", "seller:x"), ("b", 1, "i1", "seller:x"), ("c", 2, "I1", "seller:y"),
        )
    )  # fmt: skip
    assert codes(first, again, other) == [("DUPLICATE_DOCUMENT", "b")]


def move(kind: str, about: str, day: int, **place: str) -> Event:
    return of(f"shipment.{kind}", about, id=f"{kind} {day}", at=day * DAY_US, leg_no=None, **place)


@pytest.mark.parametrize(
    "about",
    ["CONSIGNMENT:c", "ORDER_LINE:1", "HANDLING_UNIT:h", "LOT:l", f"EQUIPMENT_TRIP:{RIGHT}"],
)
def test_nothing_leaves_for_the_first_time_after_it_came(about: str) -> None:
    """Its first departure, from elsewhere, after its arrival is flagged. From the place where it
    had come, which may be a terminal of that port, it goes on; and after a first departure, too.
    """
    came = move("arrived", about, 5, unlocode="DEHAM")
    late = move("departed", about, 25, unlocode="CNSHA")
    assert ("SEQUENCE", "departed 25") in codes(came, late)
    assert codes(came, move("departed", about, 25, facility="CTA")) == []
    assert codes(came, move("departed", about, 25, unlocode="DEHAM")) == []
    assert codes(move("departed", about, -30, unlocode="CNSHA"), came, late) == []


@pytest.mark.parametrize(
    ("hours", "stuck"), [((0, 0.1, 7), False), ((0, 2, 4, 6), True), ((0, 2, 4, 7, 8), False)]
)
def test_silence_is_no_standing_still(hours: tuple[float, ...], stuck: bool) -> None:
    """One value for six hours is flagged while it is read again and again; readings more than two
    hours apart say nothing of the time between them.
    """
    readings = [of("shipment.sensor", "LOT:l", id=f"{at}", at=round(at * HOUR_US), device_id="d",
                   metric="Temperature", value=5.0) for at in hours]  # fmt: skip
    found = codes(*readings)
    assert [code for code, _ in found] == ["SENSOR_HEALTH"] * stuck
