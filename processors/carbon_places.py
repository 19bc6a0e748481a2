"""Where transport begins and ends, and how far that is: as booked, by sea, or great circle."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from supplytwin.schemas import places, sea
from supplytwin.schemas.calculation import Missing

Basis = Literal["GCD", "SFD", "ACTUAL"]
_LOCODE = re.compile(r"[A-Z]{2}[A-Z2-9]{3}", re.ASCII)


class Spot(Struct, frozen=True, kw_only=True, gc=False):
    """A place as it is named, and where it is if that is known."""

    name: str
    position: places.Position | None


class Way(Struct, frozen=True, kw_only=True, gc=False):
    """A distance, its kind and how it is known; or what is missing for it."""

    km: Decimal | None = None
    basis: Basis | None = None
    how: str | None = None
    missing: tuple[Missing, ...] = ()


def spot_of(name: str) -> Spot | None:
    """A place by its name in the table of places, or by the UN/LOCODE of a port; None = no name."""
    return Spot(name=name, position=places.positions().get(name)) if name else None


def told_spot(
    unlocode: str | None, facility: str | None, at: places.Position | None
) -> Spot | None:
    """Where a fact says that it happened: by its UN/LOCODE, else its facility; where no table knows
    that, at the position that it tells.
    """
    name = unlocode or facility
    if name is not None and (name in places.positions() or at is None):
        return spot_of(name)
    return None if at is None else Spot(name=name or f"{at[0]},{at[1]}", position=at)


def is_same(one: Spot, other: Spot) -> bool:
    """Whether two names are one place."""
    if one.position is not None and other.position is not None:
        return one.position == other.position
    return one.name == other.name


def country_of(spot: Spot | None) -> str | None:
    """The country of a place of the table, or of a UN/LOCODE: where electricity was drawn."""
    if spot is None:
        return None
    known = places.table().get(spot.name)
    if known is not None:
        return known.country
    return spot.name[:2] if _LOCODE.fullmatch(spot.name) else None


def way(mode: str | None, start: Spot, end: Spot, about: str) -> Way:
    """By sea from port to port along the lanes, else great circle. `about` = what it is of."""
    lacks = [
        Missing(code="PLACE_UNKNOWN", says=f"{about}{what} {spot.name or 'none'}")
        for spot, what in ((start, "start"), (end, "end"))
        if spot.position is None
    ]
    if start.position is None or end.position is None:
        return Way(missing=tuple(lacks))
    if start.position == end.position:
        says = f"{about}from and to {start.name}"
        return Way(missing=(Missing(code="DISTANCE_UNKNOWN", says=says),))
    by_sea = sea.sea_km(start.name, end.name) if mode == "SEA" else None
    if by_sea is not None:
        return Way(km=by_sea, basis="SFD", how=sea.SEA)
    km = places.great_circle_km(start.position, end.position)
    return Way(km=km, basis="GCD", how=places.GEODESIC)


def one_place(names: Sequence[str], code: str) -> tuple[Spot | None, Missing | None]:
    """The one known place that these names are, or what is wrong: `code` = they are several."""
    spots = [spot_of(name) for name in sorted(set(names))]
    known = {spot.position for spot in spots if spot is not None and spot.position is not None}
    unknown = [spot for spot in spots if spot is None or spot.position is None]
    if len(spots) > 1 and (unknown or len(known) > 1):
        return None, Missing(code=code, says=f"{len(spots)} places")
    if unknown:
        name = "none" if unknown[0] is None else unknown[0].name
        return None, Missing(code="PLACE_UNKNOWN", says=name)
    return spots[0], None
