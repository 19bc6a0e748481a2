"""Distances by sea: against published ones, against the library's own routing, and as laws."""

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supplytwin.schemas import places, sea

DATA = Path(__file__).resolve().parents[1] / "data" / "carbon" / "sea_distances.json"
PUBLISHED = json.loads(DATA.read_text("utf-8"))
KM = {"nm": Decimal("1.852"), "mi": Decimal("1.609344"), "km": Decimal(1)}
PORTS = sorted(places.ports())
AT_SEA = st.sampled_from(PORTS)


@pytest.fixture
def fresh() -> Iterator[None]:
    """What a test has answered with other lanes is forgotten before and after it."""
    sea.sea_km.cache_clear()
    yield
    sea.sea_km.cache_clear()


def great_circle_km(one: str, other: str) -> Decimal:
    (lat1, lon1), (lat2, lon2) = places.ports()[one], places.ports()[other]
    return places.distance_km(*(Decimal(str(part)) for part in (lat1, lon1, lat2, lon2)))


# ---- published distances


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row['origin']}-{row['destination']}")
def test_published_distances_are_met(row: dict[str, str]) -> None:
    """Each published distance is met within the tolerance that stands beside it."""
    found = sea.sea_km(row["origin"], row["destination"])
    published = Decimal(row["published"]) * KM[row["unit"]]
    assert found is not None
    assert abs(found / published - 1) * 100 <= Decimal(row["within_percent"])


def test_published_distances_have_sources_and_few_wide_tolerances() -> None:
    """Every row names its source, at least 80 rows; four in five are held to five percent."""
    assert len(PUBLISHED) >= 80
    assert all(row["source"] for row in PUBLISHED)
    narrow = [row for row in PUBLISHED if row["within_percent"] <= 5]
    assert len(narrow) >= 0.8 * len(PUBLISHED)
    assert max(row["within_percent"] for row in PUBLISHED) <= 15


# ---- laws


def test_some_ports_with_each_other() -> None:
    """Of 465 pairs at least 300 have a distance: to the metre, the same in both directions, not
    shorter than the great circle.
    """
    some = [code for code in PORTS if sea.approach(code)][::41][:31]
    pairs = list(combinations(some, 2))
    found = [(one, other, sea.sea_km(one, other)) for one, other in pairs]
    known = [(one, other, km) for one, other, km in found if km is not None]
    assert len(pairs) == 465
    assert len(known) >= 300
    for one, other, km in known:
        assert km.as_tuple().exponent == -3
        assert sea.sea_km(other, one) == km
        assert km >= great_circle_km(one, other)


@settings(max_examples=60, deadline=None)
@given(AT_SEA, AT_SEA)
def test_a_way_is_as_long_back_and_not_shorter_than_the_great_circle(one: str, other: str) -> None:
    """For any two ports both directions say the same, and a distance is at least the straight."""
    found = sea.sea_km(one, other)
    assert sea.sea_km(other, one) == found
    if found is not None:
        assert found >= great_circle_km(one, other)
        assert found * 1000 >= sea.WAY_MIN_M


@settings(max_examples=40, deadline=None)
@given(AT_SEA, AT_SEA, AT_SEA)
def test_no_detour_is_shorter(one: str, through: str, other: str) -> None:
    """The way by a third port is not shorter than the way without it."""
    direct, first, then = (
        sea.sea_km(one, other),
        sea.sea_km(one, through),
        sea.sea_km(through, other),
    )
    if direct is not None and first is not None and then is not None:
        assert first + then >= direct


def test_our_ways_are_those_of_the_library() -> None:
    """Between points of the network ours is the library's own way, within the 0.6 % between the
    ellipsoid and its sphere: the graph is read as it reads it, with the same passage closed.
    """
    searoute = importlib.import_module("searoute")
    points = sea.network().points
    some = range(0, len(points), len(points) // 12)
    compared = 0
    for one, other in combinations(some, 2):
        ends = [(lon, lat) for lat, lon in (points[one], points[other])]
        theirs = searoute.searoute(*ends).properties["length"]
        assert sea.from_point(one)[other] / 1000 == pytest.approx(theirs, rel=0.006)
        compared += 1
    assert compared >= 60


# ---- what is closed, and what has no distance


@pytest.mark.parametrize(
    ("one", "other", "at_least_km"),
    [
        ("USANC", "ISREY", 17_000),  # by the Northwest Passage 10,400
        ("RUMMK", "RUVVO", 22_000),  # along Siberia 11,200
        ("DEHAM", "PLGDY", 1_400),  # by the canal of Kiel 700
    ],
)
def test_no_way_through_ice_or_kiel(one: str, other: str, at_least_km: int) -> None:
    """No way goes from ocean to ocean through the Arctic, or through the canal of Kiel."""
    found = sea.sea_km(one, other)
    assert found is not None
    assert found >= at_least_km


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CNSHA", "CNSHA"),  # one port
        ("CNSHA", "XXXXX"),
        ("", "NLRTM"),
        ("CNSHA", "Zambia"),  # a place, no port
        ("cnsha", "NLRTM"),
        ("CNSHA", "USDEN"),  # Denver is 1,480 km from every lane
        ("USLAX", "USLGB"),  # too short
        ("AEAJM", "AERUW"),  # too much of it is not on lanes
    ],
)
def test_what_the_lanes_do_not_tell_is_none(one: str, other: str) -> None:
    """Unknown, the same, far from every lane, too short, mostly beside the lanes: no distance."""
    assert sea.sea_km(one, other) is None
    assert sea.sea_km(other, one) is None


def test_an_approach_is_the_nearest_point_of_all_and_at_most_the_limit() -> None:
    """For ports of all coasts the quick search finds what looking at every point finds."""
    points, kept = sea.network().points, 0
    for code in PORTS[::60]:
        port = places.ports()[code]
        nearest = min(places.sphere_m(port, point) for point in points)
        found = sea.approach(code)
        if found is None:
            assert nearest > sea.APPROACH_MAX_M * 0.99
        else:
            kept += 1
            assert places.sphere_m(port, points[found.point]) == nearest
            assert 0 <= found.metres <= sea.APPROACH_MAX_M
    assert kept >= 15


def test_points_without_a_way_are_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dijkstra takes the shorter of two ways, and says of what it cannot reach that it cannot."""
    lanes = [[(1, 5), (2, 20)], [(0, 5), (2, 7)], [(0, 20), (1, 7)], []]
    island = sea.Network(points=[(0.0, 0.0)] * 4, latitudes=[0.0] * 4, lanes_m=lanes)
    monkeypatch.setattr(sea, "network", lambda: island)
    assert list(sea.from_point.__wrapped__(0)) == [0, 5, 12, 2**32 - 1]


@pytest.mark.parametrize("metres", [2**32 - 1, 1_000_000])
@pytest.mark.usefixtures("fresh")
def test_no_way_or_one_below_the_great_circle_is_none(
    monkeypatch: pytest.MonkeyPatch, metres: int
) -> None:
    """Where the network had no way, or one shorter than the great circle, there is no distance."""

    def lanes(_origin: int) -> Sequence[int]:
        return [metres] * len(sea.network().points)

    assert sea.sea_km("CNSHA", "NLRTM") is not None
    sea.sea_km.cache_clear()
    monkeypatch.setattr(sea, "from_point", lanes)
    assert sea.sea_km("CNSHA", "NLRTM") is None


# ---- the machinery


def test_the_method_names_the_version_that_is_installed() -> None:
    """The name of the method, which footprints hash, has the version of the installed lanes."""
    assert importlib.metadata.version("searoute") == sea.SEAROUTE
    assert f"searoute {sea.SEAROUTE}" in sea.SEA


def test_nothing_is_loaded_before_it_is_asked_for_and_nothing_asks_the_network() -> None:
    """Importing reads no lanes; a distance opens no socket and imports neither library."""
    script = (
        "import socket, sys\n"
        "def refuse(*_args, **_kwargs): raise SystemExit('a socket')\n"
        "socket.socket = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from supplytwin.schemas import sea\n"
        "assert sea.network.cache_info().currsize == 0\n"
        "assert sea.sea_km('CNSHA', 'XXXXX') is None\n"
        "assert sea.network.cache_info().currsize == 0\n"
        "print(sea.sea_km('CNSHA', 'NLRTM'))\n"
        "assert not {'searoute', 'networkx', 'geojson'} & sys.modules.keys()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert Decimal(done.stdout.strip()) == sea.sea_km("CNSHA", "NLRTM")


def test_what_is_remembered_is_bounded() -> None:
    """Pairs and origins are kept up to a number, also where every name is a new one."""
    limit = sea.sea_km.cache_info().maxsize
    assert limit is not None
    assert sea.from_point.cache_info().maxsize == 256
    known = sea.approach.cache_info().currsize
    for number in range(limit + 10):
        assert sea.sea_km("CNSHA", f"no port {number}") is None
    assert sea.sea_km.cache_info().currsize == limit
    assert sea.approach.cache_info().currsize == known
