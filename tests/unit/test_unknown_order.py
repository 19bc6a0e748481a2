"""What a fact without a time of day may let follow, and what it may not: only what it makes
possible itself, only what may have happened at the same time, and never because of a plan.
"""

from itertools import permutations
from typing import Any

import law_world as w
import pytest

from supplytwin.processors import twin
from supplytwin.processors.standing import Accumulator
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US, HOUR_US, Micros

MIDNIGHT = 20_000 * DAY_US
SEOUL = "Asia/Seoul"
DAY = {"time_precision": "DAY"}


def told(kind: str, hour: float, subject: str = "DECLARATION:1", **given: Any) -> Event:
    """What happened at this hour of day 20,000 in Seoul, or in the zone that is given as UTC."""
    shift = 9 if given.setdefault("event_tz", SEOUL) == SEOUL else 0
    when = Micros(MIDNIGHT + int((hour - shift) * HOUR_US))
    same = {"hold_id": "h", "authority": "a"} if "hold" in kind else {}
    name = f"{kind} {hour}"
    return w.make(kind, subject, **{"event_id": name, "event_time": when, **same, **given})


def after(subject: str, *events: Event) -> Accumulator:
    """The subject after these events, the same in every order of arrival."""
    found = set[str]()
    value = None
    for order in permutations(events):
        state = twin.EMPTY
        for event in order:
            state = twin.take(state, w.item(event, event.event_time + 60 * DAY_US)).twin
        found.add(str(twin.canonical(state)))
        subject_type, _, subject_id = subject.partition(":")
        one = twin.subject(state, subject_type, subject_id)
        assert one is not None
        value = one.value
    assert len(found) == 1
    assert value is not None
    return value


def codes(value: Accumulator) -> list[str]:
    return [problem.code for problem in value.exceptions]


REMOVED = told("customs.hold_removed", 7)
HELD = told("customs.hold_placed", 8)
REVOKED = told("customs.release_revoked", 7)
RELEASED = told("customs.released", 8)
BESIDE = [
    told("customs.duty_paid", 12, basis="PAYMENT", **DAY),
    told("customs.cleared", 12, classifier="PLANNED", **DAY),
    told("customs.cleared", 12, classifier="ESTIMATED", **DAY),
]
"""Facts of the same date that have nothing to do with it, and plans."""


@pytest.mark.parametrize("beside", BESIDE, ids=lambda event: event.classifier)
def test_what_is_beside_lifts_no_hold(beside: Event) -> None:
    """Removed at 7:00 (nothing was open), held at 8:00: the hold is open, whatever else the date
    brings or is to bring.
    """
    for events in ((REMOVED, HELD), (REMOVED, HELD, beside)):
        value = after("DECLARATION:1", *events)
        assert value.holds
        assert codes(value) == ["HOLD_NOT_OPEN"]


@pytest.mark.parametrize("beside", BESIDE, ids=lambda event: event.classifier)
def test_what_is_beside_revokes_no_release(beside: Event) -> None:
    """Revoked at 7:00 (nothing was released), released at 8:00: it is released."""
    for events in ((REVOKED, RELEASED), (REVOKED, RELEASED, beside)):
        value = after("DECLARATION:1", *events)
        assert (value.state, codes(value)) == ("RELEASED", ["ILLEGAL_TRANSITION"])


LOT = "LOT:1"
RECEIVED = told("wh.received", -40, LOT, lot_id="1")
ISSUED = told("wh.warehouse_receipt", -30, "WAREHOUSE_RECEIPT:R", wr_id="R", action="ISSUE",
              refs=(LOT,))  # fmt: skip


def receipt(hour: float, action: str, **given: Any) -> Event:
    return told("wh.warehouse_receipt", hour, "WAREHOUSE_RECEIPT:R", wr_id="R", action=action,
                **given)  # fmt: skip


def out(hour: float, **given: Any) -> Event:
    return told("wh.dispatched", hour, LOT, lot_id="1", **given)


@pytest.mark.parametrize("classifier", ["ACTUAL", "PLANNED"])
def test_a_count_lets_no_refused_dispatch_follow(classifier: str) -> None:
    """Refused at 8:00, the pledge released at 8:30: a count of that date moves no lot."""
    counted = told("wh.counted", 12, LOT, lot_id="1", counted=RECEIVED.qty, **DAY,  # type: ignore[attr-defined]
                   classifier=classifier)  # fmt: skip
    value = after(LOT, RECEIVED, ISSUED, receipt(-10, "PLEDGE"), out(8), receipt(8.5, "UNPLEDGE"),
                  counted)  # fmt: skip
    assert (value.state, codes(value)) == ("RECEIVED", ["LOT_PLEDGED"])


NEW_YORK = {"event_tz": "America/New_York"}


def test_a_date_of_one_zone_is_no_date_of_another() -> None:
    """A hold of a date in New York begins at 4:00 UTC: a removal at 3:00 UTC was before it, in
    whatever zone it is told; one at 5:00 UTC may have been after it.
    """
    held = told("customs.hold_placed", 18, **NEW_YORK, **DAY)
    for tz in ("+00:00", "America/New_York"):
        early = told("customs.hold_removed", 3, event_tz=tz)
        assert after("DECLARATION:1", held, early).holds
        assert not after("DECLARATION:1", held, told("customs.hold_removed", 5, event_tz=tz)).holds


def test_a_step_back_is_tolerated_only_where_times_overlap() -> None:
    """Received on a date in Seoul, delivered on the same date of UTC after that date had ended."""
    line = "ORDER_LINE:1"
    received = told("wh.received", 12, line, **DAY)
    for hour, wrong in ((14, []), (16, ["ILLEGAL_TRANSITION"])):
        delivered = told("shipment.delivered", hour, line, event_tz="+00:00")
        assert codes(after(line, received, delivered)) == wrong


def test_contrary_evidence_of_an_unknown_zone_stands_as_late_as_it_may_have_begun() -> None:
    """A date in an unknown zone may begin 12 h after it does in UTC: a removal of its morning is of
    the hold before it, and never of the one that it may precede.
    """
    first = told("customs.hold_placed", -40)
    again = told("customs.hold_placed", 12, event_tz="unknown", **DAY)
    early = told("customs.hold_removed", 10, event_tz="+00:00")
    assert after("DECLARATION:1", first, again, early).holds
    assert after("DECLARATION:1", again, early).holds
    late = told("customs.hold_removed", 13, event_tz="+00:00")
    assert not after("DECLARATION:1", again, late).holds
    both = told("customs.hold_removed", 12, event_tz="unknown", **DAY)
    assert not after("DECLARATION:1", again, both).holds
    revoked = told("customs.release_revoked", 12, event_tz="unknown", **DAY)
    value = after("DECLARATION:1", revoked, told("customs.released", 10, event_tz="+00:00"))
    assert value.state == "REVOKED"


def test_what_was_refused_is_remembered_as_long_as_a_date_may_include_it() -> None:
    """A revocation is not forgotten because of what is refused on the next date, told in another
    zone, which it may yet belong to.
    """
    revoked = told("customs.release_revoked", 22, event_tz="+00:00")
    removed = told("customs.hold_removed", 24 + 8)
    released = told("customs.released", 24 + 12, **DAY)
    value = after("DECLARATION:1", revoked, removed, released)
    assert value.state == "REVOKED"
    assert not value.free_to_deliver


@pytest.mark.parametrize("hour", [8, 10])
def test_a_pledge_of_a_date_holds_what_leaves_on_that_date(hour: float) -> None:
    """East of Greenwich, too, where the morning comes before 00:00 UTC."""
    value = after(LOT, RECEIVED, ISSUED, receipt(12, "PLEDGE", **DAY), out(hour))
    assert (value.state, codes(value)) == ("RECEIVED", ["LOT_PLEDGED"])
