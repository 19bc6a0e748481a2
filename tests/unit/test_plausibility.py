"""Every plausibility rule at both sides of its threshold, and the dated thresholds."""

import datetime as dt
from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest
from msgspec.structs import replace

from supplytwin.processors import plausibility as rules
from supplytwin.processors.facts import Identity
from supplytwin.processors.plausibility import Arrival, Finding, Fix, Weighed
from supplytwin.schemas import places, plausibility, trips
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US

POLICY = plausibility.shipped().at(0)
ONE, OTHER = Identity("s", "1"), Identity("t", "2")
T = 20_000 * DAY_US


def fix(
    metres_north: float, at: int, *, radius_m: int = 0, width: int = 0, by: Identity = OTHER
) -> Fix:
    """A fix on one meridian, where distances are exact to the metre."""
    degrees = metres_north / 6_371_009 / 3.141592653589793 * 180
    return Fix((degrees, 0.0), radius_m, T + at, T + at + width, by)


START = fix(0, 0, by=ONE)


def verdict(found: Finding, *, of_many: bool = False) -> str:
    """The verdict; a finding that passed says nothing, any other says why and about which facts,
    unless it is `of_many`.
    """
    assert (found.verdict == "PASS") == (not found.reason)
    assert (found.verdict == "PASS" or of_many) == (not found.facts)
    return found.verdict


@pytest.mark.parametrize(
    ("mode", "km", "expected"),
    [
        ("ROAD", 130.0, "PASS"), ("ROAD", 130.1, "SUSPECT"),
        ("RAIL", 250.0, "PASS"), ("RAIL", 250.1, "SUSPECT"),
        ("SEA", 60.0, "PASS"), ("SEA", 60.1, "SUSPECT"),
        ("BARGE", 60.0, "PASS"), ("BARGE", 60.1, "SUSPECT"),
        ("SEA", 1080.0, "SUSPECT"), ("SEA", 1080.1, "REJECT"),
        ("AIR", 1100.0, "PASS"), ("AIR", 1100.1, "REJECT"),
    ],
)  # fmt: skip
def test_speed_by_mode(mode: str, km: float, expected: str) -> None:
    """Within one hour each mode may cover what its limit says; over 300 m/s nothing passes."""
    limit = POLICY.speed_max_kmh[mode]
    assert verdict(rules.speed(START, fix(km * 1000, HOUR_US), limit, POLICY)) == expected


def test_what_is_not_known_exactly_is_read_in_favour_of_the_fact() -> None:
    """The radius of a place comes off the distance, a span of time goes onto the time."""
    fast = fix(200_000, HOUR_US)
    assert verdict(rules.speed(START, fast, 130, POLICY)) == "SUSPECT"
    near = fix(200_000, HOUR_US, radius_m=70_000)
    assert verdict(rules.speed(START, near, 130, POLICY)) == "PASS"
    slow = fix(200_000, HOUR_US, width=HOUR_US)
    assert verdict(rules.speed(START, slow, 130, POLICY)) == "PASS"
    assert verdict(rules.speed(slow, START, 130, POLICY)) == "PASS"


@pytest.mark.parametrize(
    ("metres", "seconds", "expected"),
    [
        (50_000, 600, "PASS"), (50_001, 600, "SUSPECT"), (50_001, 601, "PASS"),
        (60_000, 200, "SUSPECT"), (60_001, 200, "REJECT"),
    ],
)  # fmt: skip
def test_two_places(metres: int, seconds: int, expected: str) -> None:
    """Over 50 km apart within 10 minutes is in two places; over 300 m/s it cannot be."""
    found = rules.two_places(START, fix(metres, seconds * SECOND_US), POLICY)
    assert verdict(found) == expected
    assert found.facts in ((), (ONE, OTHER))


def test_the_reason_has_the_numbers() -> None:
    """A reason names distance, time, the other fact and the limit."""
    found = rules.speed(START, fix(261_000, HOUR_US), 130, POLICY)
    assert found.reason == "261.0 km in at most 1.00 h since 1, 261 km/h, over 130"


@pytest.mark.parametrize(
    ("metres", "radius_m", "expected"),
    [(50_500, 0, "PASS"), (50_501, 0, "SUSPECT"), (50_510, 20, "PASS")],
)
def test_geofence(metres: int, radius_m: int, expected: str) -> None:
    """A delivery may be as far from its place as the place is wide, and 500 m more."""
    found = rules.geofence(fix(metres, 0, radius_m=radius_m), (0.0, 0.0), "Here", POLICY)
    assert verdict(found) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("10000", "10200", "PASS"), ("10000", "10200.1", "SUSPECT"), ("10000", "9800", "PASS"),
        ("10000", "9799.9", "SUSPECT"), ("0", "9", "PASS"),
    ],
)  # fmt: skip
def test_weight(one: str, other: str, expected: str) -> None:
    """Two sources may differ by 2 % of the first statement; a weight of nothing is no base."""
    found = rules.weight(
        Weighed(Decimal(one), False, ONE), Weighed(Decimal(other), False, OTHER), POLICY
    )
    assert verdict(found) == expected


def test_a_document_is_the_base_for_a_scale() -> None:
    """Whichever came first, the scale is compared with the document."""
    scale, document = Weighed(Decimal(100), True, ONE), Weighed(Decimal(98), False, OTHER)
    assert verdict(rules.weight(scale, document, POLICY)) == "SUSPECT"
    assert verdict(rules.weight(replace_scale(scale, False), document, POLICY)) == "PASS"


def replace_scale(one: Weighed, scale: bool) -> Weighed:
    return one._replace(scale=scale)


@pytest.mark.parametrize(("received", "expected"), [("10.0", "PASS"), ("10.01", "SUSPECT")])
def test_received_over_shipped(received: str, expected: str) -> None:
    """No more may be received of a line than was shipped for it."""
    assert verdict(rules.over_shipped(Decimal(received), Decimal(10), ONE)) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("CSQU3054383", "PASS"), ("csqu 305438-3", "PASS"), ("MSCU1234566", "PASS"),
        ("CSQU3054384", "REJECT"), ("CSQU3054838", "REJECT"), ("MSCU1234565", "REJECT"),
        ("TRUCK-7", "PASS"), ("", "PASS"),
    ],
)  # fmt: skip
def test_container_number(number: str, expected: str) -> None:
    """The check digit of ISO 6346, in any spelling; what is no container number has none."""
    assert verdict(rules.container_number(number, ONE)) == expected


def test_every_single_wrong_digit_is_found() -> None:
    """No serial digit can be mistyped without its check digit, except by 10 for 0."""
    for at in range(4, 10):
        for digit in "0123456789":
            wrong = "CSQU3054383"[:at] + digit + "CSQU3054383"[at + 1 :]
            right = wrong == "CSQU3054383" or trips.check_digit(wrong) == 3
            assert (verdict(rules.container_number(wrong, ONE)) == "PASS") == right


def arrival(place: str | None, at: int, by: Identity) -> Arrival:
    return Arrival(place, None, T + at, T + at + 1, *by)


@pytest.mark.parametrize(
    ("came", "left", "at", "expected"),
    [
        ("A", "B", 2, "SUSPECT"), ("A", "B", 1, "PASS"), ("A", "A", 2, "PASS"),
        (None, None, 2, "SUSPECT"), ("A", None, 2, "SUSPECT"),
    ],
)  # fmt: skip
def test_departed_late(came: str | None, left: str | None, at: int, expected: str) -> None:
    """A first departure that is certainly after an arrival, except from where it had arrived."""
    found = rules.departed_late(arrival(came, 0, ONE), arrival(left, at, OTHER))
    assert verdict(found) == expected


@pytest.mark.parametrize(("early", "expected"), [(DAY_US, "PASS"), (DAY_US + 1, "SUSPECT")])
def test_in_the_warehouse_before_the_gate(early: int, expected: str) -> None:
    """A milestone has no precision: a day is allowed before it is a wrong order."""
    found = rules.in_before_gate(T, T + early, "C/B", (ONE, OTHER), POLICY)
    assert verdict(found) == expected


@pytest.mark.parametrize(
    ("late", "expected"), [(30 * DAY_US, "PASS"), (30 * DAY_US + 1, "SUSPECT")]
)
def test_age(late: int, expected: str) -> None:
    """Recorded over 30 days after it happened."""
    assert verdict(rules.age(T, T + late, ONE, POLICY)) == expected


@pytest.mark.parametrize(
    ("hours", "readings", "expected"), [(6, 3, "SUSPECT"), (5.99, 3, "PASS"), (6, 2, "PASS")]
)
def test_flat(hours: float, readings: int, expected: str) -> None:
    """One value for 6 hours, in three readings at least."""
    found = rules.flat(T, T + int(hours * HOUR_US), readings, 4.0, POLICY)
    assert verdict(found, of_many=True) == expected


@pytest.mark.parametrize(
    ("covered", "expected"), [(DAY_US * 95 // 100, "PASS"), (DAY_US * 95 // 100 - 1, "SUSPECT")]
)
def test_coverage(covered: int, expected: str) -> None:
    """Readings must cover 95 % of a whole day."""
    assert verdict(rules.coverage(covered, 20_000, POLICY), of_many=True) == expected


@pytest.mark.parametrize(("ahead", "expected"), [(120 * SECOND_US, False), (120_000_001, True)])
def test_clock(ahead: int, expected: bool) -> None:
    """A device may be 120 s ahead of the system that records it."""
    assert rules.is_ahead(T + ahead, T, POLICY) is expected
    assert verdict(rules.clock(0, 20_000, POLICY), of_many=True) == "PASS"
    found = rules.clock(1, 20_000, POLICY)
    assert verdict(found, of_many=True) == "SUSPECT"
    assert found.reason == "clock over 120 s ahead of the record from 2024-10-04 on"


def test_a_second_subject_under_one_document_is_rejected() -> None:
    """A duplicate names the document and who had it first."""
    found = rules.duplicate("lot", "L1", "WMS", "LOT L-1", (ONE, OTHER))
    assert (found.verdict, found.facts) == ("REJECT", (ONE, OTHER))
    assert found.reason == "lot L1 of WMS already stands for LOT L-1"


# ---- the policy


def test_the_entry_of_the_events_own_time_counts() -> None:
    """A new entry is valid from the start of its day, UTC, and changes nothing before."""
    later = replace(POLICY, valid_from=dt.date(2026, 7, 1), old_s=40 * 86_400)
    dated = plausibility.policy((POLICY, later))
    start = (dt.date(2026, 7, 1) - dt.date(1970, 1, 1)).days * DAY_US
    assert dated.at(start - 1) is POLICY
    assert dated.at(start) is later
    assert dated.at(-(10**16)) is POLICY


@pytest.mark.parametrize("days", [(), (1,), (None, None), (None, 2, 1), (None, 1, 1)], ids=str)
def test_a_policy_without_an_entry_for_every_time_is_refused(days: tuple[int | None, ...]) -> None:
    """Entries must begin from ever and ascend: no event may be without thresholds."""
    dates = [None if day is None else dt.date(2026, 1, day) for day in days]
    raw = msgspec.json.encode([replace(POLICY, valid_from=date) for date in dates])
    with pytest.raises(FatalError):
        plausibility.parse(raw, "p")


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("flat_s", 3_599), ("reading_stands_s", 3_599), ("reading_stands_s", 86_401)],
)
def test_thresholds_that_hours_cannot_answer_are_refused(name: str, seconds: int) -> None:
    """Packed hours know no stretch within an hour, and a day only its neighbours."""
    raw = msgspec.json.decode(msgspec.json.encode([POLICY]))
    plausibility.parse(msgspec.json.encode(raw), "p")
    raw[0][name] = seconds
    with pytest.raises(FatalError):
        plausibility.parse(msgspec.json.encode(raw), "p")


def test_the_shipped_policy_covers_every_mode_and_metric_spelling() -> None:
    """Limits stand for all modes of transport; metrics are spelled as they are looked up."""
    for entry in plausibility.shipped().entries:
        assert all(m == "".join(filter(str.isalnum, m)).lower() for m in entry.watched_metrics)
        assert entry.speed_max_kmh["AIR"] == max(entry.speed_max_kmh.values())


# ---- places


def test_ports_are_where_they_are() -> None:
    """Some ports stand within their radius; those with doubtful coordinates are left out."""
    known = places.positions()
    for code, at in (
        ("CNSHA", (31.23, 121.47)),
        ("DEHAM", (53.55, 9.99)),
        ("USLAX", (33.74, -118.27)),
    ):
        assert places.sphere_m(known[code], at) < 50_000
    assert not known.keys() & {"BRITQ", "BMSOU", "CLCAP", "VEGUB"}
    assert all(-90 <= lat <= 90 and -180 <= lon <= 180 for lat, lon in known.values())


def test_the_sphere_is_near_the_ellipsoid() -> None:
    """The fast distance is within 0.6 % of the geodesic, and symmetric."""
    some = sorted(places.positions().items())[::40]
    for (_, one), (_, other) in pairwise(some):
        exact = places.distance_km(*(Decimal(str(x)) for x in (*one, *other)))
        assert abs(places.sphere_m(one, other) - float(exact) * 1000) <= 1 + float(exact) * 6
        assert places.sphere_m(one, other) == places.sphere_m(other, one)
