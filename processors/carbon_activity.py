"""Transport activity: mass, TEU, distance, and the adjustment between two kinds of distance.

ISO 14083 / GLEC v3: T = m x d for each consignment (p. 22); distances are the shortest feasible
(SFD) or great circle (GCD). Where the intensity was built on actual distance, DAF stands between.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.carbon_parts import (
    CONTEXT,
    KG_PER_T,
    ONE,
    Number,
    over,
    summed,
    times,
    total,
)
from supplytwin.schemas.calculation import Container, Daf, Tce
from supplytwin.schemas.decimal_text import plain

HAUL_LIMIT_KM = Decimal(1500)
_TEU: Mapping[str | None, Decimal] = {"20": Decimal(1), "40": Decimal(2), "40HC": Decimal("2.25")}
_T_PER_TEU = {
    "LIGHT": Decimal(6),
    "AVERAGE": Decimal(10),
    "HEAVY": Decimal("14.5"),
    "EMPTY": Decimal(2),
}
"""GLEC v3 p. 21; an empty container is 2 t for each TEU (our reading of "empty container 2 t")."""
AIR_ALLOWANCE_KM = Decimal(95)
DAF_BY_MODE = {
    "SEA": (Decimal("1.15"), "SEA: 1.15 where actual distance was used (GLEC v3 p. 51)"),
    "ROAD": (Decimal("1.05"), "ROAD: 1.05 where actual distance was used (GLEC v3 p. 150)"),
    "RAIL": (ONE, "RAIL: none by default (GLEC v3 p. 46)"),
    "BARGE": (ONE, "BARGE: not applied (GLEC v3 p. 43)"),
}


class Adjusted(Struct, frozen=True, kw_only=True, gc=False):
    """A DAF and why; `code` where the request is refused (DAF_*) or something is assumed."""

    value: Decimal | None
    why: str
    code: str | None = None


def tkm(mass_kg: Number, distance_km: Number) -> Number:
    """Tonne-kilometres; unknown when one of the two is."""
    return times(over(mass_kg, KG_PER_T), distance_km)


def teu_of(element: Tce) -> Number:
    """TEU of an element: as given, or by its containers; None when it says neither."""
    if element.teu is not None:
        return element.teu
    if not element.containers:
        return None
    return total(times(_TEU.get(one.size), one.count) for one in element.containers)


def mass_kg(element: Tce) -> tuple[Number, str | None]:
    """(mass, how it was assumed, or None where it was given or nobody knows it)."""
    if element.mass_kg is not None:
        return element.mass_kg, None
    if element.containers:
        mass = total(_container_kg(one) for one in element.containers)
        if mass is None:
            return None, None
        weights = sorted({one.weight or "AVERAGE" for one in element.containers})
        named = ", ".join(f"{name} {plain(_T_PER_TEU[name])} t per TEU" for name in weights)
        return mass, f"mass by TEU: {named} (GLEC v3 p. 21)"
    if element.teu is not None:
        mass = CONTEXT.multiply(CONTEXT.multiply(element.teu, _T_PER_TEU["AVERAGE"]), KG_PER_T)
        return mass, "mass by TEU: AVERAGE 10 t per TEU (GLEC v3 p. 21)"
    return None, None


def _container_kg(one: Container) -> Number:
    per_teu = CONTEXT.multiply(_T_PER_TEU[one.weight or "AVERAGE"], KG_PER_T)
    return times(_TEU.get(one.size), one.count, per_teu)


def distance_km(element: Tce) -> Number:
    """Transport distance: as given, or the sum of the flights; zero counts as not given."""
    if element.legs_km:
        return summed(element.legs_km)
    return element.distance_km or None


def haul(distance: Number) -> str | None:
    """Short up to 1,500 km, long beyond (GLEC v3 pp. 36, 85); None without a distance."""
    if distance is None:
        return None
    return "short" if distance <= HAUL_LIMIT_KM else "long"


def daf(
    *,
    mode: str | None,
    basis: str | None,
    flights_km: Sequence[Decimal],
    of_factor: str | None,
    included: str | None,
    given: Daf | None,
) -> Adjusted:
    """The distance adjustment of an element whose distance is of `basis`, for an intensity that was
    built on distances of kind `of_factor` and has the adjustment inside or not (`included`).

    It is applied once or not at all: where it is inside, or both distances are of one kind, a DAF
    that the sender gives is refused (DAF_TWICE, DAF_NOT_DUE).
    """
    if included == "yes":
        if given is not None and given.value != 1:
            says = f"the factor includes the adjustment: a DAF of {given.value} would count twice"
            return Adjusted(value=None, why=says, code="DAF_TWICE")
        return Adjusted(value=ONE, why="the factor includes the adjustment: not applied again")
    if basis is not None and of_factor == basis:
        if given is not None and given.value != 1:
            says = f"factor and distance are both {basis}: a DAF of {given.value} is not due"
            return Adjusted(value=None, why=says, code="DAF_NOT_DUE")
        return Adjusted(value=ONE, why=f"factor and distance are both {basis}: no adjustment")
    if given is not None:
        return Adjusted(value=given.value, why=f"given: {given.why}")
    if basis == "ACTUAL":
        says = (
            f"the distance is actual, the factor by {of_factor or 'unknown'} distance: no "
            "adjustment downwards"
        )
        return Adjusted(value=ONE, why=says, code="OTHER_DISTANCE")
    if of_factor in {"GCD", "SFD"}:
        says = f"the factor is by {of_factor}, the distance {basis}: nothing stands between them"
        return Adjusted(value=ONE, why=says, code="OTHER_DISTANCE")
    taken = []
    if of_factor != "ACTUAL":
        taken.append("its distance is unknown, taken as actual")
    if included != "no":
        taken.append("whether the adjustment is inside is unknown, taken as not")
    return _default(mode, basis, flights_km, "; ".join(taken))


def _default(
    mode: str | None, basis: str | None, flights_km: Sequence[Decimal], taken: str
) -> Adjusted:
    note = f" ({taken})" if taken else ""
    code = "DAF_ASSUMED" if taken else None
    if mode == "AIR":
        if basis != "GCD" or not flights_km:
            says = "(GCD + 95) / GCD needs the great-circle distance of each flight"
            return Adjusted(value=None, why=says, code="DAF_UNKNOWN")
        gcd = summed(flights_km)
        longer = CONTEXT.add(gcd, CONTEXT.multiply(AIR_ALLOWANCE_KM, Decimal(len(flights_km))))
        flown = "one flight" if len(flights_km) == 1 else f"{len(flights_km)} flights"
        why = f"AIR: (GCD + 95 km) / GCD over {flown} (GLEC v3 p. 38){note}"
        return Adjusted(value=CONTEXT.divide(longer, gcd), why=why, code=code)
    if mode not in DAF_BY_MODE:
        says = "no mode: say it, or give the DAF with its reason"
        return Adjusted(value=None, why=says, code="DAF_UNKNOWN")
    value, why = DAF_BY_MODE[mode]
    return Adjusted(value=value, why=why + note, code=code)
