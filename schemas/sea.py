"""Distances between ports by sea, along the shipping lanes that the library searoute ships.

Of the library only its two files of lanes are read: importing it would load networkx, of which
nothing is needed (see `DATA.md`). They are read at the first distance that is asked for.
"""

import json
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache, lru_cache
from heapq import heappop, heappush
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from geographiclib.geodesic import Geodesic
from msgspec import Struct

from supplytwin.schemas import places
from supplytwin.schemas.places import Position

SEAROUTE = "1.6.0"
"""Version of the lanes: whoever changes it changes the inputs, and so the hash, of footprints."""
SEA = f"SFD by sea: searoute {SEAROUTE} network"
"""How distances by sea are computed."""

CLOSED = frozenset({"northwest"})
"""Passages that no way takes, as by default in the library. By this name it has the lanes through
the Canadian archipelago and those from both arctic coasts to the Bering Strait: no way goes from
ocean to ocean through ice. The canals of Kiel and Corinth are not among the lanes.
"""
APPROACH_MAX_M = 100_000
"""A port further than this from the nearest point of a lane has no distance by sea."""
WAY_MIN_M = 200_000
"""Shorter ways are not told: ships keep closer to the coast there than the lanes do."""
APPROACHES_MAX = 5
"""The two approaches are at most the fifth part of a way: else the lanes say little about it."""

_FILES = ("marnet_searoute.geojson", "segment.geojson")
_NOWHERE = 2**32 - 1
_ORIGINS, _PAIRS = 256, 16_384


class Network(Struct, frozen=True, kw_only=True):
    """The lanes: points from south to north, and of each point where it leads and how far."""

    points: Sequence[Position]
    latitudes: Sequence[float]
    lanes_m: Sequence[Sequence[tuple[int, int]]]
    """By place of a point: places of its neighbours, and metres to them."""


class Approach(Struct, frozen=True, kw_only=True):
    """The straight way from a port to the nearest point of a lane."""

    point: int
    metres: int


def _metres(one: Position, other: Position) -> int:
    """The geodesic in whole metres: the last bits of a double are not the same everywhere."""
    metres: float = Geodesic.WGS84.Inverse(*one, *other, Geodesic.DISTANCE)["s12"]
    return round(metres)


def _lanes(text: str) -> Iterator[tuple[Position, Position]]:
    """Every piece of an open lane, its ends in order."""
    for feature in json.loads(text)["features"]:
        if feature["properties"].get("passage") in CLOSED:
            continue
        shape = feature["geometry"]
        lines = shape["coordinates"]
        for line in [lines] if shape["type"] == "LineString" else lines:
            for one, other in pairwise((round(lat, 6), round(lon, 6)) for lon, lat in line):
                if one != other:
                    yield min(one, other), max(one, other)


@cache
def network() -> Network:
    """The lanes, read once: 0.85 s of CPU and 12 MB. Who cannot wait later calls it before."""
    spec = find_spec("searoute")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "data"
    pieces = {piece for name in _FILES for piece in _lanes((folder / name).read_text("utf-8"))}
    points = sorted({end for piece in pieces for end in piece})
    place = {point: index for index, point in enumerate(points)}
    lanes: list[list[tuple[int, int]]] = [[] for _ in points]
    for one, other in sorted(pieces):
        metres = _metres(one, other)
        lanes[place[one]].append((place[other], metres))
        lanes[place[other]].append((place[one], metres))
    latitudes = array("d", (latitude for latitude, _ in points))
    return Network(points=points, latitudes=latitudes, lanes_m=lanes)


@lru_cache(maxsize=_ORIGINS)
def from_point(origin: int) -> Sequence[int]:
    """Metres from a point of the network to each other one (Dijkstra), in about 8 ms.

    What cannot be reached is as far as the largest number of 32 bits. Whole numbers make the
    sums exact, so a way is as long in one direction as in the other.
    """
    lanes = network().lanes_m
    found = array("I", [_NOWHERE]) * len(lanes)
    found[origin] = 0
    reached = [(0, origin)]
    while reached:
        metres, here = heappop(reached)
        if metres > found[here]:
            continue
        for there, further in lanes[here]:
            total = metres + further
            if total < found[there]:
                found[there] = total
                heappush(reached, (total, there))
    return found


@cache
def approach(unlocode: str) -> Approach | None:
    """The nearest point of a lane to a port of `places.ports`; None where none is near enough."""
    port, lanes = places.ports()[unlocode], network()
    degrees = APPROACH_MAX_M / 110_000
    near = range(
        bisect_left(lanes.latitudes, port[0] - degrees),
        bisect_right(lanes.latitudes, port[0] + degrees),
    )
    if not near:
        return None
    point = min(near, key=lambda index: (places.sphere_m(port, lanes.points[index]), index))
    metres = _metres(port, lanes.points[point])
    return Approach(point=point, metres=metres) if metres <= APPROACH_MAX_M else None


@lru_cache(maxsize=_PAIRS)
def sea_km(origin_unlocode: str, destination_unlocode: str) -> Decimal | None:
    """The shortest way by sea between two ports in km, to the metre; the same in both directions.

    It is the sum of geodesics, each in whole metres: straight to the nearest point of a lane,
    along the lanes, and straight to the other port. None where the lanes do not tell: a port is
    unknown, they are one port, a port is too far from every lane, the way is too short or too much
    of it is not on lanes, there is none, or it would be shorter than the great circle.
    """
    ports = places.ports()
    if origin_unlocode == destination_unlocode:
        return None
    if origin_unlocode not in ports or destination_unlocode not in ports:
        return None
    first, last = approach(origin_unlocode), approach(destination_unlocode)
    if first is None or last is None:
        return None
    lanes_m = from_point(first.point)[last.point]
    straight_m = first.metres + last.metres
    way_m = lanes_m + straight_m
    if lanes_m == _NOWHERE or way_m < WAY_MIN_M or straight_m * APPROACHES_MAX > way_m:
        return None
    if way_m < _metres(ports[origin_unlocode], ports[destination_unlocode]):
        return None
    return Decimal(f"{way_m}E-3")
