"""The place table, and distances on the ellipsoid."""

from decimal import Decimal

from supplytwin.schemas import places, scms


def test_every_country_of_the_feed_has_a_place() -> None:
    """Every destination is its country's capital: an assumption that each row states."""
    countries = {row.country for row in scms.read()}
    found = places.table()
    assert len(countries) == 43
    assert countries <= found.keys()
    assert all(found[name].basis.startswith("capital, assumed") for name in countries)


def test_only_names_of_the_feed_have_a_place() -> None:
    """The table holds nothing that the feed does not name; what cannot be placed is left out."""
    rows = scms.read()
    sites = {row.site for row in rows}
    placed = places.table().keys()
    assert placed <= sites | {row.country for row in rows}
    assert len(sites) == 88
    assert len(sites & placed) == 51
    for name in ("INVERNESS ANY", "Not Applicable", "ABBSP", "Inverness Japan"):
        assert name in sites - placed


def test_coordinates_are_degrees_and_ids_are_places() -> None:
    """Latitude and longitude are in range, and one GeoNames id has one position and one country."""
    seen: dict[int, tuple[Decimal, Decimal, str]] = {}
    for place in places.table().values():
        assert -90 <= place.lat <= 90
        assert -180 <= place.lon <= 180
        assert len(place.country) == 2
        at = (place.lat, place.lon, place.country)
        assert seen.setdefault(place.geonames_id, at) == at


def test_distance_is_the_wgs84_geodesic_to_the_metre() -> None:
    """New York JFK to San Francisco: 4,151.85 km on a sphere, 4,161.92 km on the ellipsoid."""
    ends = (Decimal("40.6413"), Decimal("-73.7781"), Decimal("37.6213"), Decimal("-122.3790"))
    found = places.distance_km(*ends)
    assert abs(found - Decimal("4161.92")) < Decimal("1")
    assert found.as_tuple().exponent == -3


def test_one_degree_of_the_equator() -> None:
    """A degree of the equator is 111.319 km (2 pi a / 360 with a = 6,378.137 km)."""
    zero, one = Decimal(0), Decimal(1)
    assert places.distance_km(zero, zero, zero, one) == Decimal("111.319")
    assert places.distance_km(zero, zero, zero, zero) == 0
