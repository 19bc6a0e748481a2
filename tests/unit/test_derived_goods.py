"""What is derived of a consignment from its legs, its lines and its trips."""

import itertools
from typing import Any

import fold_world as world
import pytest
from msgspec.structs import replace
from test_plausibility_fold import T, of

from supplytwin.processors import derived, twin
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros

GOODS = SubjectKey("CONSIGNMENT", "c")


def any_order(*events: Event) -> twin.Twin:
    """The twin of these events, after checking that orders of them, up to 24, give it."""
    found = _taken(events)
    for order in itertools.islice(itertools.permutations(events), 24):
        assert _taken(order).subjects == found.subjects
    return found


def _taken(events: tuple[Event, ...]) -> twin.Twin:
    found = twin.EMPTY
    for event in events:
        found = twin.take(found, world.item(event, T + 90 * DAY_US)).twin
    return found


def arrival(day: int, leg: int | None, classifier: str, revision: int = 1, **given: Any) -> Event:
    about = given.pop("about", "CONSIGNMENT:c")
    return of(
        "shipment.arrived", about, id=f"{classifier} {leg} {revision} {about}", at=day * DAY_US,
        leg_no=leg, classifier=classifier, revision=Micros(revision), **given,
    )  # fmt: skip


def delivery(day: int, about: str = "CONSIGNMENT:c", *refs: str) -> Event:
    return of("shipment.delivered", about, *refs, id=f"delivered {about}", at=day * DAY_US)


def derive(found: twin.Twin, key: SubjectKey = GOODS) -> tuple[Subject, dict[str, Any]]:
    return found.subjects[key], derived.fields(key, found.subjects[key])


# ---- legs


@pytest.mark.parametrize("about", ["CONSIGNMENT:c", "ORDER_LINE:1"])
def test_the_schedule_of_goods_is_that_of_their_last_leg(about: str) -> None:
    """Leg 1 is planned to end on day 10, leg 2 on day 30: delivered on day 30 is not late, whoever
    spoke last.
    """
    key = SubjectKey(*about.split(":"))
    plans = [
        arrival(day, leg, kind, revision, about=about)
        for kind in ("PLANNED", "ESTIMATED")
        for day, leg, revision in ((10, 1, 9), (30, 2, 5))
    ]
    subject, said = derive(any_order(*plans), key)
    assert subject.value.eta is not None
    assert subject.value.eta.time == T + 30 * DAY_US
    assert (said["eta_stated"], said["promise_delay_days"]) == (5, 0)
    subject, _ = derive(any_order(*plans[:2], delivery(30, about)), key)
    assert (subject.delay_days, subject.late) == (0, False)


def test_what_names_no_leg_speaks_of_the_whole_way() -> None:
    """An estimate without a leg counts before one of any leg, of a later revision, too."""
    subject, _ = derive(any_order(arrival(40, None, "ESTIMATED"), arrival(9, 3, "ESTIMATED", 9)))
    assert subject.value.eta is not None
    assert subject.value.eta.time == T + 40 * DAY_US


def test_a_leg_has_the_schedule_that_it_is_told() -> None:
    """Its own facts are of it, whether or not they repeat its number."""
    facts = [arrival(day, leg, "ESTIMATED", revision, about="LEG:c/1")
             for day, leg, revision in ((5, None, 1), (7, 1, 2))]  # fmt: skip
    subject, _ = derive(any_order(*facts), SubjectKey("LEG", "c/1"))
    assert subject.value.eta is not None
    assert subject.value.eta.time == T + 7 * DAY_US


def test_goods_arrive_at_the_end_of_their_last_leg() -> None:
    """Neither the port where they change ships nor a planned arrival is where they go; a delivery
    is, whatever was told of legs.
    """
    booked = of("shipment.booked", "CONSIGNMENT:c", id="b",
                legs=("1;SEA;CNSHA;SGSIN", "2;SEA;SGSIN;DEHAM"))  # fmt: skip
    first, second = arrival(10, 1, "ACTUAL"), arrival(30, 2, "ACTUAL")
    plan = arrival(30, 2, "PLANNED")
    assert [
        derive(any_order(*facts))[1]["arrived"]
        for facts in (
            (booked,), (first,), (booked, first), (plan, first), (booked, first, second),
            (booked, arrival(30, None, "ACTUAL")), (booked, first, delivery(31)),
        )
    ] == [False, True, False, False, True, True, True]  # fmt: skip


# ---- lines


def _two_lines(last: int) -> list[Event]:
    """A consignment that is promised for day 10, and lines that come on day 9 and later."""
    return [
        arrival(10, None, "PLANNED"),
        arrival(30, None, "ESTIMATED", 2),
        delivery(9, "ORDER_LINE:1", "CONSIGNMENT:c"),
        delivery(last, "ORDER_LINE:2", "CONSIGNMENT:c"),
    ]


def test_a_consignment_is_delivered_with_its_last_line() -> None:
    """Its lines came on day 9 and 11 and it was promised for day 10: a day late. While one of them
    is on its way the ETA counts.
    """
    subject, said = derive(any_order(*_two_lines(11)))
    assert subject.delivered is not None
    assert subject.delivered.time == T + 11 * DAY_US
    assert (said["promise_delay_days"], said["arrived"]) == (1, True)
    waits = of("order.placed", "ORDER_LINE:3", "CONSIGNMENT:c", id="placed")
    subject, said = derive(any_order(*_two_lines(11)[1:], arrival(10, None, "PLANNED"), waits))
    assert subject.delivered is None
    assert (said["promise_delay_days"], said["arrived"]) == (20, False)


def test_the_delay_of_a_consignment_is_the_largest_of_all() -> None:
    """It came as it was planned, and a line of it five days late."""
    facts = [arrival(10, None, "PLANNED"), delivery(10),
             arrival(10, None, "PLANNED", about="ORDER_LINE:1", refs=("CONSIGNMENT:c",)),
             delivery(15, "ORDER_LINE:1", "CONSIGNMENT:c")]  # fmt: skip
    subject, _ = derive(any_order(*facts))
    assert (subject.delay_days, subject.late) == (5, True)
    assert subject.delivered is not None
    assert subject.delivered.time == T + 15 * DAY_US


# ---- stays


def _stays(*events: Event) -> list[dict[str, Any]]:
    return derived.dwell(any_order(*events).subjects[GOODS].value, T + 300 * DAY_US)


def _port(day: float, **given: Any) -> Event:
    more = {"leg_no": None, "unlocode": "DEHAM", **given}
    return of("shipment.arrived", "CONSIGNMENT:c", id="port", at=round(day * DAY_US), **more)


def test_goods_that_are_delivered_stay_nowhere() -> None:
    """A delivery at the place of a stay ends it; one elsewhere leaves it without an end, and is a
    stay of no length itself. No stay is open afterwards.
    """
    at_port = replace(delivery(2), unlocode="DEHAM")
    (stay,) = _stays(_port(1), at_port)
    assert (stay["open"], stay["hours"], stay["left"]) == (False, 24, T + 2 * DAY_US)
    port, end = _stays(_port(1), replace(delivery(2), facility="WH"))
    assert (port["open"], port["hours"], port["left"]) == (False, None, None)
    assert (end["place"], end["open"], end["hours"]) == ("WH", False, 0)
    (stay,) = _stays(_port(1), delivery(4))
    assert (stay["open"], stay["hours"]) == (False, 72)


def test_no_stay_is_shorter_than_nothing() -> None:
    """Arrived on a date of Shanghai and left on the date before in California: 0 h."""
    left = of("shipment.departed", "CONSIGNMENT:c", id="left", at=-8 * HOUR_US, leg_no=None,
              unlocode="DEHAM", event_tz="-07:00")  # fmt: skip
    (stay,) = _stays(_port(0, time_precision="DAY", event_tz="Asia/Shanghai"), left)
    assert stay["hours"] == 0


def test_reports_of_two_places_do_not_compete() -> None:
    """Nor when the first one of all names no place: the second is held against every other."""
    reports = [
        of("shipment.departed", "CONSIGNMENT:c", id=source, at=hours * HOUR_US, source=source,
           leg_no=None, unlocode=place)
        for hours, source, place in (
            (0, "carrier:a", None), (1, "terminal:b", "CNSHA"), (480, "terminal:c", "SGSIN"),
        )
    ]  # fmt: skip
    _, said = derive(any_order(*reports))
    assert said["spread_hours"] == "1"
