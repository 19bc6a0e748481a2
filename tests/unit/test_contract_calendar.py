"""On which day a bank is asked to pay: dated calendars, and a pure function over them."""

import datetime as dt
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from supplytwin.schemas.calendars import Calendar, calendar, clock_us, execution, shipped
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.rfc3339 import moment

CN, T2 = calendar("CN-WORKDAYS"), calendar("T2")


def at(text: str) -> Micros:
    """An instant, us UTC."""
    return moment(text).micros


def days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    """Every day, both included."""
    for number in range((last - first).days + 1):
        yield first + dt.timedelta(days=number)


@pytest.mark.parametrize(
    ("tick", "day"),
    [
        ("2026-11-27T16:30:00+08:00", "2026-11-27"),  # the cut-off is inclusive, to the us
        ("2026-11-27T16:30:00.000001+08:00", "2026-11-30"),
        ("2026-11-27T08:29:59Z", "2026-11-27"),
        ("2026-11-26T16:00:00Z", "2026-11-27"),  # midnight in Shanghai
        ("2026-11-28T09:00:00+08:00", "2026-11-30"),  # a Saturday
        ("2026-02-13T17:00:00+08:00", "2026-02-14"),  # a Saturday on which people work
        ("2026-02-14T17:00:00+08:00", "2026-02-24"),  # the Spring Festival
        ("2026-09-30T17:00:00+08:00", "2026-10-08"),  # the National Day
        ("2026-12-31T16:00:00+08:00", "2026-12-31"),  # the last day that is known
    ],
)
def test_a_payment_goes_out_on_a_working_day(tick: str, day: str) -> None:
    """The local day until the cut-off, else the next open one, also on a worked weekend."""
    made = execution(at(tick), CN, "Asia/Shanghai", "16:30")
    assert (str(made.date), made.calendar_id, made.calendar_version) == (day, CN.id, CN.version)


@pytest.mark.parametrize(
    ("tick", "day"),
    [
        ("2026-03-29T00:59:59Z", "2026-03-30"),  # the clock goes forward: a Sunday
        ("2026-03-27T16:59:00+01:00", "2026-03-27"),
        ("2026-03-30T15:00:00Z", "2026-03-30"),  # 17:00 in summer time
        ("2026-03-30T15:00:01Z", "2026-03-31"),
        ("2026-10-26T16:00:00Z", "2026-10-26"),  # 17:00 in winter time
        ("2026-10-26T16:00:01Z", "2026-10-27"),
        ("2026-04-02T20:00:00+02:00", "2026-04-07"),  # Easter
        ("2026-12-24T20:00:00+01:00", "2026-12-28"),
    ],
)
def test_the_clock_is_that_of_the_zone(tick: str, day: str) -> None:
    """The cut-off is read from the clock of the zone, in summer and in winter time."""
    assert str(execution(at(tick), T2, "Europe/Berlin", "17:00").date) == day


@pytest.mark.parametrize(
    ("tick", "cut_off"),
    [
        ("2026-12-31T16:30:01+08:00", "16:30"),
        ("2027-01-04T09:00:00+08:00", "16:30"),
        ("2023-12-31T09:00:00+08:00", "16:30"),
        ("2023-12-31T17:00:00+08:00", "16:30"),
    ],
)
def test_no_holiday_is_guessed(tick: str, cut_off: str) -> None:
    """A day outside of the dated range is an error that names calendar, version and range, also
    when only the first day looked at is outside.
    """
    with pytest.raises(RecordError, match="CN-WORKDAYS version 1"):
        execution(at(tick), CN, "Asia/Shanghai", cut_off)


def test_bad_input_is_refused() -> None:
    """A zone or a clock that is none, and a calendar that is not shipped."""
    for tz, clock in (("Mars/Base", "12:00"), ("+08:00", "24:00"), ("+08:00", "9:00")):
        with pytest.raises(RecordError):
            execution(at("2026-11-27T09:00:00Z"), CN, tz, clock)
    with pytest.raises(RecordError, match="CN-WORKDAYS"):
        calendar("CNAPS")
    assert clock_us("23:59") == (23 * 60 + 59) * 60_000_000


def easter(year: int) -> dt.date:
    """Easter Sunday of the Gregorian calendar (Butcher's rule)."""
    a, b, c = year % 19, *divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return dt.date(year, month, day + 1)


def test_t2_is_its_published_rule() -> None:
    """Closed on weekends, 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December."""
    for day in days(T2.first, T2.last):
        sunday = easter(day.year)
        around = (sunday - dt.timedelta(days=2), sunday + dt.timedelta(days=1))
        fixed = (day.month, day.day) in ((1, 1), (5, 1), (12, 25), (12, 26))
        closed = day.isoweekday() > 5 or fixed or day in around
        assert T2.is_open(day) != closed, day


def test_the_working_days_of_china_are_as_many_as_announced() -> None:
    """251 working days in 2024, 248 in 2025, 248 in 2026; worked weekends are 8, 5 and 6."""
    for year, worked, weekend in ((2024, 251, 8), (2025, 248, 5), (2026, 248, 6)):
        every = [one for one in days(dt.date(year, 1, 1), dt.date(year, 12, 31)) if CN.is_open(one)]
        assert len(every) == worked, year
        assert sum(one.isoweekday() > 5 for one in every) == weekend


@pytest.mark.parametrize("name", sorted(shipped()))
def test_a_table_is_whole(name: str) -> None:
    """Dates are in order, in the range and of the right kind of day; the origin is said."""
    one: Calendar = shipped()[name]
    assert list(one.closed) == sorted(one.closed)
    assert list(one.open) == sorted(set(one.open))
    for day in (*one.closed, *one.open):
        assert one.first <= day <= one.last
        assert (day.isoweekday() in one.weekend) == (day in one.open)
    assert len(one.origin) > 100


MINUTES = 60_000_000


@given(
    tick=st.integers(at("2024-01-02T00:00:00Z"), at("2026-12-20T00:00:00Z")),
    later=st.integers(0, 3 * 24 * 60 * MINUTES),
    tz=st.sampled_from(("Asia/Shanghai", "+00:00", "America/New_York", "Europe/Berlin")),
    cut_off=st.sampled_from(("00:00", "16:30", "23:59")),
)
def test_a_later_tick_is_never_paid_earlier(tick: int, later: int, tz: str, cut_off: str) -> None:
    """The date is open, not before the local day, monotone in the tick, and always the same."""
    for days_of in (CN, T2):
        one = execution(Micros(tick), days_of, tz, cut_off)
        assert days_of.is_open(one.date)
        assert one == execution(Micros(tick), days_of, tz, cut_off)
        assert one.date <= execution(Micros(tick + later), days_of, tz, cut_off).date
        newer = replace(days_of, version="2")
        assert execution(Micros(tick), newer, tz, cut_off).calendar_version == "2"
