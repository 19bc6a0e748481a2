"""Local time: known zones, unknown ones, days without a clock, days of 23 and 25 hours, and the
spellings of an offset.
"""

import datetime as dt
import itertools
import json
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import law_world as w
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from supplytwin.processors import twin
from supplytwin.processors.chain import ChainFold, ChainState, canonical_hash
from supplytwin.processors.closing import Chain, ClosingFold, gist
from supplytwin.processors.standing import make_fact
from supplytwin.schemas import codec, localtime
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, Micros
from supplytwin.streams import deployment
from supplytwin.streams.intake import Intake
from supplytwin.streams.testing import Driver
from supplytwin.streams.worker import WorkerSettings


def utc(text: str) -> Micros:
    """Microseconds of an ISO date-time; UTC where it has no offset."""
    moment = dt.datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return Micros((moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1))


def customs(kind: str, when: str, tz: str, precision: str = "S", **given: Any) -> Event:
    """A customs event of declaration D at a time in UTC, with an id of its own."""
    made: Event = w.make(
        f"customs.{kind}", "DECLARATION:D", event_id=f"{kind} {when} {precision} {tz}",
        event_time=utc(when), event_tz=tz, time_precision=precision, **given,
    )  # fmt: skip
    return made


def declaration(*events: Event) -> Any:
    """The declaration after these events, which give the same in every order."""
    found = [
        twin.subject(_twin(order), "DECLARATION", "D")
        for order in itertools.islice(itertools.permutations(events), 120)
    ]
    assert all(one is not None and one.value == found[0].value for one in found)  # type: ignore[union-attr]
    return found[0]


def _twin(events: Any) -> twin.Twin:
    found = twin.EMPTY
    for event in events:
        found = twin.take(found, w.item(event, event.event_time + 3 * DAY_US)).twin
    return found


def codes(subject: Any) -> list[str]:
    return [problem.code for problem in subject.value.exceptions]


# ---- zones known and unknown


@pytest.mark.parametrize(
    ("tz", "flagged", "late"),
    [("unknown", True, False), ("+00:00", False, False), ("-07:00", False, True),
     ("America/Los_Angeles", False, True), ("Asia/Shanghai", False, False)],
)  # fmt: skip
def test_a_time_is_local_where_its_zone_is_known(tz: str, flagged: bool, late: bool) -> None:
    """Planned for the 4th in its own zone, there at 03:00 UTC of the 5th, which is the 4th still in
    Los Angeles; an unknown zone is read as UTC, and flagged.
    """
    planned = w.make("shipment.arrived", "ORDER_LINE:1", event_id="plan", classifier="PLANNED",
                     event_time=utc("2024-10-05T12:00"))  # fmt: skip
    there = w.make("shipment.delivered", "ORDER_LINE:1", event_time=utc("2024-10-06T03:00"),
                   event_tz=tz)  # fmt: skip
    line = twin.subject(_twin((planned, there)), "ORDER_LINE", "1")
    assert line is not None
    assert ("no_tz" in line.flags) == flagged
    assert line.delay_days == (0 if late else 1)


# ---- days without a clock


def test_a_hold_of_the_day_after_is_not_lifted_by_what_came_the_evening_before() -> None:
    """West of Greenwich a local date begins hours after 00:00 UTC: a hold dated by that day is
    later than a removal in the evening before, and keeps the goods.
    """
    found = declaration(
        customs("released", "2024-10-01T12:00", "-07:00"),
        customs("hold_placed", "2024-10-02T12:00", "-07:00", hold_id="H"),
        customs("hold_removed", "2024-10-05T03:00", "-07:00", hold_id="H"),
        customs("hold_placed", "2024-10-05T18:00", "-07:00", "DAY", hold_id="H"),
    )
    assert found.value.holds == {"x:H"}
    assert "FREE_TO_DELIVER" not in found.codes
    assert codes(found) == []


def test_a_release_of_the_day_after_follows_the_revocation_of_the_evening_before() -> None:
    """Released, revoked in the evening, released again on the next local date: released."""
    found = declaration(
        customs("released", "2024-10-01T12:00", "America/New_York"),
        customs("release_revoked", "2024-10-05T02:00", "America/New_York"),
        customs("released", "2024-10-05T16:00", "America/New_York", "DAY"),
    )
    assert (found.state, codes(found)) == ("RELEASED", [])


_ZONES = ("+00:00", "-07:00", "-12:00", "+08:00", "+14:00", "unknown", "America/New_York",
          "Europe/Berlin", "Asia/Kolkata")  # fmt: skip
_GRAINS = {"MS": 1_000, "S": SECOND_US, "MIN": 60 * SECOND_US}
_NEAR = st.integers(utc("2024-10-26T00:00"), utc("2024-11-05T00:00")).map(Micros)


@st.composite
def moments(draw: st.DrawFn) -> Event:
    event: Event = w.make(
        draw(st.sampled_from(("customs.accepted", "customs.released", "shipment.arrived"))),
        "DECLARATION:D", event_time=draw(_NEAR), event_tz=draw(st.sampled_from(_ZONES)),
        time_precision=draw(st.sampled_from(("MS", "S", "MIN", "DAY", "DAY"))),
        source=draw(st.sampled_from(("s", "terminal:t"))),
    )  # fmt: skip
    return event


def span(event: Event) -> tuple[int, int]:
    """When it may have happened: from the first instant on, before the second, us."""
    if event.time_precision != "DAY":
        begin = event.event_time // _GRAINS[event.time_precision] * _GRAINS[event.time_precision]
        return begin, begin + _GRAINS[event.time_precision]
    tz = dt.UTC if event.event_tz == "unknown" else _zone(event.event_tz)
    moment = dt.datetime.fromtimestamp(event.event_time // 1_000_000, tz)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    after = (day + dt.timedelta(days=1)).replace(fold=0)
    return int(day.timestamp()) * SECOND_US, int(after.timestamp()) * SECOND_US


def _zone(tz: str) -> dt.tzinfo:
    if tz[0] not in "+-":
        return ZoneInfo(tz)
    hours, minutes = int(tz[1:3]), int(tz[4:])
    size = dt.timedelta(hours=hours, minutes=minutes)
    return dt.timezone(-size if tz[0] == "-" else size)


@given(moments(), moments())
def test_what_surely_happened_before_stands_before(one: Event, other: Event) -> None:
    """Whatever zones and precisions: an event that ended before another began is read first."""
    if span(one)[1] > span(other)[0]:
        one, other = other, one
    if span(one)[1] > span(other)[0]:
        return
    first, second = (make_fact(event, 0, None, "D").order for event in (one, other))
    assert first < second


@given(
    st.lists(st.integers(0, 24 * 3600 - 1), min_size=4, max_size=4),
    st.sampled_from(("+00:00", "-07:00", "+08:00", "unknown", "Asia/Shanghai")),
)
def test_days_have_no_clock(seconds: list[int], tz: str) -> None:
    """Facts of one local date and DAY precision say the same whatever time of day they carry: they
    are read in the order of the lifecycle, without an exception.
    """
    start = localtime.day_start(20_000, tz)
    kinds = ("cleared", "released", "declared", "accepted")
    events = []
    for kind, at in zip(kinds, seconds, strict=True):
        dated = customs(kind, "2024-10-05T12:00", tz, "DAY")
        events.append(replace(dated, event_time=Micros(start + at * SECOND_US)))
    found = declaration(*events)
    assert (found.state, codes(found), found.value.inferred) == ("CLEARED", [], frozenset())
    assert "day_precision" in found.flags
    assert "no_tz" in found.flags or tz != "unknown"


# ---- daylight saving

DAYS = [
    ("America/New_York", "2024-03-10", 23), ("America/New_York", "2024-11-03", 25),
    ("Europe/Berlin", "2024-03-31", 23), ("Europe/Berlin", "2024-10-27", 25),
    ("America/Havana", "2024-03-10", 23), ("America/Havana", "2024-11-03", 25),
    ("Africa/Cairo", "2024-04-26", 23), ("Africa/Cairo", "2024-10-31", 25),
    ("Australia/Lord_Howe", "2024-04-07", 24.5), ("Asia/Shanghai", "2024-03-10", 24),
]  # fmt: skip
"""Zone, local date, hours. In Havana and Cairo clocks change at midnight: a day begins at 01:00."""


@pytest.mark.parametrize(("tz", "date", "hours"), DAYS)
def test_days_of_23_and_25_hours(tz: str, date: str, hours: float) -> None:
    """Every instant of such a day has its date, the instants around it have not, and a fact dated
    by it stands at one place wherever in the day its clock was.
    """
    day = dt.date.fromisoformat(date).toordinal() - dt.date(1970, 1, 1).toordinal()
    begin, end = localtime.day_start(day, tz), localtime.day_start(day + 1, tz)
    assert end - begin == hours * HOUR_US
    inside = [*range(begin, end, HOUR_US // 2), end - 1]
    assert {localtime.local_day(at, tz) for at in inside} == {day}
    assert (localtime.local_day(begin - 1, tz), localtime.local_day(end, tz)) == (day - 1, day + 1)
    facts = [
        make_fact(w.make("customs.released", "DECLARATION:D", event_time=Micros(at), event_tz=tz,
                         time_precision="DAY"), at, None, "D")
        for at in inside
    ]  # fmt: skip
    assert len({fact.order for fact in facts}) == 1
    assert all(localtime.happened_by(facts[-1].event, at) for at in (*inside, end))
    assert not localtime.happened_by(facts[0].event, begin - 1)


@pytest.mark.parametrize(
    ("tz", "first", "second"),
    [
        ("America/New_York", "2024-11-03T01:50:00-04:00", "2024-11-03T01:10:00-05:00"),
        ("Europe/Berlin", "2024-10-27T02:50:00+02:00", "2024-10-27T02:10:00+01:00"),
        ("America/New_York", "2024-03-10T01:59:59-05:00", "2024-03-10T03:00:00-04:00"),
        ("Europe/Berlin", "2024-03-31T01:59:59+01:00", "2024-03-31T03:00:00+02:00"),
    ],
)
def test_exact_times_of_a_long_night_are_read_as_they_were(
    tz: str, first: str, second: str
) -> None:
    """Where the clock shows an hour twice, or leaves one out, instants keep their order: released,
    then revoked, and not the other way round.
    """
    found = declaration(
        customs("released", first, tz), customs("release_revoked", second, tz),
    )  # fmt: skip
    assert (found.state, codes(found)) == ("REVOKED", [])
    turned = declaration(customs("release_revoked", first, tz), customs("released", second, tz))
    assert (turned.state, codes(turned)) == ("RELEASED", ["ILLEGAL_TRANSITION"])


@pytest.mark.parametrize(("tz", "date", "hours"), DAYS)
def test_a_delivery_late_in_a_long_day_is_not_late(tz: str, date: str, hours: float) -> None:
    """Planned for that date, delivered in its last second: in time; a second later: late."""
    day = dt.date.fromisoformat(date).toordinal() - dt.date(1970, 1, 1).toordinal()
    planned = w.make("shipment.arrived", "ORDER_LINE:1", event_id="plan", classifier="PLANNED",
                     event_time=localtime.day_start(day, tz), event_tz=tz,
                     time_precision="DAY")  # fmt: skip
    for after, delay in ((-1, 0), (0, 1)):
        at = Micros(localtime.day_start(day + 1, tz) + after * SECOND_US)
        done = w.make("shipment.delivered", "ORDER_LINE:1", event_time=at, event_tz=tz)
        line = twin.subject(_twin((planned, done)), "ORDER_LINE", "1")
        assert line is not None
        assert line.delay_days == delay


# ---- spellings

SPELLINGS = [
    ("+00:00", ("Z", "z", "+00:00", "-00:00", "+0000", "-0000", "+00")),
    ("+08:00", ("+08:00", "+0800", "+08")),
    ("-03:30", ("-03:30", "-0330")),
]


@pytest.mark.parametrize(("tz", "spellings"), SPELLINGS)
def test_an_offset_has_one_meaning_in_every_spelling(tz: str, spellings: tuple[str, ...]) -> None:
    """One event whose offset is spelled otherwise is the same event, no contradiction: the same
    content hash, and a duplicate.
    """
    event = w.make("customs.released", "DECLARATION:D", event_tz=tz)
    found = _taken(event)
    for spelling in spellings:
        again = _read(replace(event, event_tz=spelling))
        assert again.message == event
        assert again.content_hash == codec.content_hash(event.TOPIC, event)
        assert twin.take(found, again).verdict == "DUPLICATE"


def _taken(event: Event) -> twin.Twin:
    return twin.take(twin.EMPTY, _read(event)).twin


def _read(event: Event) -> Input:
    """As the intake reads it, whatever its producer wrote."""
    value = codec.encode(event.TOPIC, event)
    record = Record(topic=event.TOPIC, partition=0, offset=0, arrival=w.T, key=b"C", value=value)
    (found,) = Intake()([record], 1)
    assert isinstance(found, Input)
    return found


@pytest.mark.parametrize("tz", ["+8:00", "8", "+19:00", "+08:60", "+8", "UTC+8", "+080000", "EST5"])
def test_what_is_no_spelling_is_refused(tz: str) -> None:
    """By the name of its field, and with what is expected there."""
    event = w.make("customs.released", "DECLARATION:D", event_tz=tz)
    with pytest.raises(RecordError) as caught:
        codec.decode(event.TOPIC, codec.encode(event.TOPIC, event))
    assert (caught.value.code, caught.value.field) == (Code.BAD_VALUE, "event_tz")


def test_a_journal_keeps_the_spelling_and_its_restore_the_meaning() -> None:
    """Through a worker and after a restart: one fact, one duplicate, one hash, without a flag."""
    driver: Driver[Chain] = Driver(
        ClosingFold(ChainFold("test"), 90 * DAY_US), Intake(), topics=deployment.TOPICS,
        settings=WorkerSettings(simulated=True, poll_s=0.0), gist=gist,
    )  # fmt: skip
    event = w.make("customs.released", "DECLARATION:D", event_tz="Z", qty=Decimal(1))
    for spelling in ("Z", "-00:00", "+00:00"):
        value = codec.encode(event.TOPIC, replace(event, event_tz=spelling))
        driver.send(event.TOPIC, "C", value, timestamp_us=event.event_time)
    driver.settle()
    before = driver.state("C")
    assert isinstance(before, ChainState)
    assert before.head.seq == 1
    driver.worker.close()
    driver.restart()
    driver.settle()
    after = driver.state("C")
    assert isinstance(after, ChainState)
    assert canonical_hash(after) == canonical_hash(before)
    assert json.dumps(twin.canonical(after.twin)).count("CONFLICTED") == 0
    assert driver.quarantine() == []
