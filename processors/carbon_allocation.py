"""Who carries how much of what was emitted for several: shares that sum to exactly 1."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal

from supplytwin.processors.carbon_activity import tkm
from supplytwin.processors.carbon_parts import CONTEXT, Number, over, summed
from supplytwin.schemas.calculation import Activity, Equivalents, Stop

_DIGITS = 24
_WHOLE = 10**_DIGITS
_PASSENGER_KG = Decimal(100)
"""A passenger with luggage (ISO 14083; GLEC v3 p. 38)."""


def shares(weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Each name's share; together exactly 1, whatever the order of names.

    They have 24 decimals, few enough for any decimal arithmetic to check the sum. What the division
    leaves over goes, one unit each, to the largest remainders. No weight may be negative; at least
    one is above 0 (ValueError).
    """
    ratios = {name: weight.as_integer_ratio() for name, weight in weights.items()}
    scale = math.lcm(*(below for _, below in ratios.values()))
    whole = {name: above * (scale // below) for name, (above, below) in ratios.items()}
    everything = sum(whole.values())
    if everything <= 0:
        raise ValueError("nothing to allocate by: every weight is zero")
    made, rests = {}, []
    for name, weight in whole.items():
        made[name], rest = divmod(weight * _WHOLE, everything)
        rests.append((-rest, name))
    left = _WHOLE - sum(made.values())
    for _, name in sorted(rests)[:left]:
        made[name] += 1
    return {name: Decimal(units).scaleb(-_DIGITS, CONTEXT) for name, units in made.items()}


def notional_tkm(stops: Iterable[Stop]) -> dict[str, Decimal]:
    """Mass times the straight distance of each stop (GLEC v3 pp. 48, 107): not as driven."""
    made = {}
    for stop in stops:
        activity = tkm(stop.mass_kg, stop.distance_km)
        assert activity is not None
        made[stop.stop_id] = activity
    return made


def trip_masses(trip: Activity) -> tuple[Number, Number]:
    """(freight, passengers) in kg of one trip; freight unknown where the entry does not say it."""
    freight = trip.mass_kg
    if freight is None and trip.capacity_kg is not None and trip.load_factor is not None:
        freight = CONTEXT.multiply(trip.capacity_kg, trip.load_factor)
    persons = trip.passengers
    if persons is None and trip.seats is not None and trip.seat_load_factor is not None:
        persons = CONTEXT.multiply(trip.seats, trip.seat_load_factor)
    if persons is None:
        return freight, Decimal(0)
    return freight, CONTEXT.multiply(persons, trip.passenger_kg or _PASSENGER_KG)


def freight_share(carried: Iterable[Equivalents]) -> Number:
    """The part of a RoPax ferry that freight has, by passenger equivalents (GLEC v3 p. 51)."""
    weights = [(one.use, CONTEXT.multiply(one.count, one.equivalents)) for one in carried]
    freight = summed(weight for use, weight in weights if use == "FREIGHT")
    return over(freight, summed(weight for _, weight in weights))
