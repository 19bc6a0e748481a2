"""Where places are: those of the SCMS feed, from GeoNames, and ports (see `schemas/DATA.md`)."""

import csv
import importlib.resources
import math
from collections.abc import Mapping
from decimal import Context, Decimal
from functools import cache, lru_cache

from geographiclib.geodesic import Geodesic
from msgspec import Struct

GEODESIC = "GCD by WGS-84 geodesic (Karney): geographiclib 2.1"
"""How great-circle distances are computed: part of the inputs, and the hash, of footprints."""
_METRE, _CONTEXT = Decimal("0.001"), Context(prec=34)


class Place(Struct, frozen=True, kw_only=True, gc=False):
    """A named place. Two names with one `geonames_id` are one place."""

    name: str
    city: str
    country: str
    """ISO 3166-1 alpha-2."""
    lat: Decimal
    lon: Decimal
    geonames_id: int
    basis: str
    """Why this city stands for the name."""


@cache
def table() -> Mapping[str, Place]:
    """Every place by its name in the feed."""
    text = importlib.resources.files("supplytwin.schemas").joinpath("places.csv").read_text("utf-8")
    return {
        row["name"]: Place(
            name=row["name"],
            city=row["city"],
            country=row["country"],
            lat=Decimal(row["lat"]),
            lon=Decimal(row["lon"]),
            geonames_id=int(row["geonames_id"]),
            basis=row["basis"],
        )
        for row in csv.DictReader(text.splitlines())
    }


@cache
def distance_km(lat1: Decimal, lon1: Decimal, lat2: Decimal, lon2: Decimal) -> Decimal:
    """Great-circle distance between two points in km, rounded to the metre.

    The last bits of a double are not the same on every machine; a metre is.
    """
    return _km(float(lat1), float(lon1), float(lat2), float(lon2))


def _km(lat1: float, lon1: float, lat2: float, lon2: float) -> Decimal:
    line = Geodesic.WGS84.Inverse(lat1, lon1, lat2, lon2)
    return Decimal(line["s12"]).scaleb(-3, _CONTEXT).quantize(_METRE, context=_CONTEXT)


Position = tuple[float, float]
"""Latitude and longitude, WGS-84 degrees."""


@lru_cache(maxsize=65536)
def great_circle_km(one: Position, other: Position) -> Decimal:
    """`distance_km` between two positions."""
    return _km(*one, *other)


_EARTH_RADIUS_M = 6_371_009


@cache
def ports() -> Mapping[str, Position]:
    """Where ports are, by UN/LOCODE."""
    text = importlib.resources.files("supplytwin.schemas").joinpath("ports.csv").read_text("utf-8")
    return {
        row["unlocode"]: (float(row["lat"]), float(row["lon"]))
        for row in csv.DictReader(text.splitlines())
    }


@cache
def positions() -> Mapping[str, Position]:
    """Where something is, by UN/LOCODE of a port or by a name of `table`."""
    named = {one.name: (float(one.lat), float(one.lon)) for one in table().values()}
    return {**ports(), **named}


def sphere_m(one: Position, other: Position) -> int:
    """Distance on a sphere of the mean radius, in whole metres: at most 0.6 % off the geodesic, and
    thirty times as fast, for the many positions of which none comes twice.
    """
    lat1, lat2 = math.radians(one[0]), math.radians(other[0])
    half_lat, half_lon = (lat2 - lat1) / 2, math.radians(other[1] - one[1]) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_lon) ** 2
    return round(2 * _EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord))))
