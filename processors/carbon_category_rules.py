"""What must hold inside a TOC, HOC or TAD and cannot be said by a schema, and what these share with
the elements of a shipment: distances, places, times, TTW within WTW.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from supplytwin.processors.carbon_parts import summed
from supplytwin.processors.carbon_values import (
    Object,
    decimal,
    differs,
    micros,
    objects,
    text,
    wrong,
)
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.factor_form import is_without_operation
from supplytwin.schemas.findings import Finding, below

DISTANCES = ("actual", "sfd", "gcd")
_WATER = ("Sea", "InlandWaterway")
_ONE = Decimal(1)
_ONLY = {"truckLoadingSequence": "Road", "airShippingOption": "Air", "flightLength": "Air"}


def less(holder: Object, path: str, ttw: str, wtw: str) -> Iterator[Finding]:
    """WTW contains TTW."""
    low, high = decimal(holder, ttw), decimal(holder, wtw)
    if low is not None and high is not None and low > high:
        do = "well to wheel contains tank to wheel: correct one of them"
        said = f"at most {wtw} {plain(high)}"
        yield differs("TTW_OVER_WTW", below(path, ttw), low, high, said, do)


def distance(value: Any, path: str) -> Iterator[Finding]:
    """A distance has at least one of its three kinds."""
    if isinstance(value, dict) and all(value.get(name) is None for name in DISTANCES):
        yield wrong("NO_DISTANCE", path, "none", "actual, sfd or gcd", "add one, in km")


def location(value: Any, path: str) -> Iterator[Finding]:
    """A position has both of its coordinates."""
    if isinstance(value, dict):
        there = [name for name in ("lat", "lng") if value.get(name) is not None]
        if len(there) == 1:
            yield wrong("HALF_POSITION", path, f"{there[0]} alone", "lat and lng", "add the other")


def times(holder: Object, path: str) -> Iterator[Finding]:
    """Who arrives has departed."""
    start, end = micros(holder, "departureAt"), micros(holder, "arrivalAt")
    if start is not None and end is not None and end < start:
        yield wrong(
            "TIMES",
            below(path, "arrivalAt"),
            str(holder["arrivalAt"]),
            f"not before departureAt {holder['departureAt']}",
            "correct one of them",
        )


def category(value: Object, path: str) -> Iterator[Finding]:
    """What is wrong in a TOC or HOC."""
    yield from carriers(value, path)
    yield from less(value, path, "co2eIntensityTTW", "co2eIntensityWTW")
    yield from location(value.get("hubLocation"), below(path, "hubLocation"))
    mode = text(value, "mode")
    for name, right in _ONLY.items():
        if mode is not None and value.get(name) is not None and mode != right:
            do = f"leave it out, or correct the mode {mode}"
            yield wrong("MODE", below(path, name), str(value[name]), f"only for {right}", do)
    for name, carried in (
        ("transportActivityUnit", mode),
        ("hubActivityUnit", text(value, "outboundTransportMode")),
    ):
        unit = text(value, name)
        if unit is not None and unit[:3] == "TEU" and carried not in (None, *_WATER):
            do = f"a TEU measures ships, not {carried}: state it per tonne"
            yield wrong("UNIT", below(path, name), unit, "tkm or tonnes", do)


def activity_data(value: Object, path: str) -> Iterator[Finding]:
    """What is wrong in a TAD."""
    yield from distance(value.get("distance"), below(path, "distance"))
    yield from carriers(value, path)
    yield from times(value, path)
    for place in ("origin", "destination"):
        yield from location(value.get(place), below(path, place))


def carriers(value: Object, path: str) -> Iterator[Finding]:
    """Shares that are not 1 together, factors that contradict each other."""
    shares = []
    for where, one in objects(value, "energyCarriers", path):
        shares.append(decimal(one, "relativeShare"))
        yield from less(one, where, "emissionFactorTTW", "emissionFactorWTW")
        if is_without_operation(text(one, "energyCarrier")) and decimal(one, "emissionFactorTTW"):
            said, at = str(one["emissionFactorTTW"]), below(where, "emissionFactorTTW")
            do = "it emits where it is made: that is WTT, a part of WTW"
            yield wrong("TTW_OF_ELECTRICITY", at, said, "0", do)
        if one.get("energyConsumption") is not None and one.get("energyConsumptionUnit") is None:
            said = str(one["energyConsumption"])
            at, do = below(where, "energyConsumptionUnit"), "add the unit"
            yield wrong("NO_UNIT", at, f"{said} of what?", "l, kg, kWh or MJ", do)
        yield from _sum_is_one(
            [decimal(stock, "feedstockShare") for _, stock in objects(one, "feedstocks", where)],
            below(where, "feedstocks"),
            "FEEDSTOCK_SUM",
        )
    yield from _sum_is_one(shares, below(path, "energyCarriers"), "SHARE_SUM")


def _sum_is_one(shares: list[Decimal | None], path: str, code: str) -> Iterator[Finding]:
    known = [one for one in shares if one is not None]
    found = summed(known)
    if known and (found > _ONE or (found < _ONE and len(known) == len(shares))):
        how = " + ".join(plain(one) for one in known)
        yield differs(code, path, found, _ONE, "1", f"correct the shares: {how}")
