"""What must hold inside a ShipmentFootprint and cannot be said by a schema. Works on the JSON as it
came, so that one field that cannot be read hides no other; a rule is silent where it lacks a
number.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.carbon_activity import AIR_ALLOWANCE_KM, DAF_BY_MODE
from supplytwin.processors.carbon_category_rules import DISTANCES, distance, less, location, times
from supplytwin.processors.carbon_graph import cycles
from supplytwin.processors.carbon_parts import CONTEXT, KG_PER_T, ONE, product
from supplytwin.processors.carbon_values import (
    Object,
    decimal,
    differs,
    gap,
    half_digit,
    micros,
    objects,
    off,
    text,
    wrong,
)
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.findings import Finding, below

_TEU = {"Container-TEU": Decimal(1), "Container-FEU": Decimal(2)}
Categories = Mapping[tuple[str, str], Object]
"""By (``tocId`` | ``hocId``, id): the TOCs and HOCs of the file."""


class Element(Struct, frozen=True, kw_only=True, gc=False):
    """What the sums over a shipment need of a TCE; None = not readable. `tkm` is recomputed where
    the stated one is wrong.
    """

    tce_id: str
    stated_tkm: Decimal | None
    tkm: Decimal | None
    stated_kg: Decimal | None
    kg: Decimal | None


def elements(shipment: Object, path: str, categories: Categories) -> Iterator[Element]:
    """The elements of a shipment, in its order."""
    for _, tce in objects(shipment, "tces", path):
        kg = decimal(tce, "co2eWTW")
        odd = None if kg is None else _odd(tce, categories, "co2eWTW", kg)
        yield Element(
            tce_id=str(tce.get("tceId")),
            stated_tkm=decimal(tce, "transportActivity"),
            tkm=next(iter(_tkm(tce)), None),
            stated_kg=kg,
            kg=kg if odd is None or odd.rounded else odd.expected.kg,
        )


def shipment(value: Object, path: str, categories: Categories) -> Iterator[Finding]:
    """What is wrong in a ShipmentFootprint."""
    name = text(value, "shipmentId")
    for where, tce in objects(value, "tces", path):
        said = text(tce, "shipmentId")
        if name is not None and said is not None and said != name:
            do = "elements of another shipment do not belong here"
            yield wrong("SHIPMENT_ID", below(where, "shipmentId"), said, name, do)
        yield from _element(tce, where, categories)
    yield from _order(value, path)


def _element(tce: Object, path: str, categories: Categories) -> Iterator[Finding]:
    toc, hoc = text(tce, "tocId"), text(tce, "hocId")
    if toc is None and hoc is None:
        yield wrong("NO_CATEGORY", path, "neither tocId nor hocId", "one of them", "add one")
    elif toc is not None and hoc is not None:
        yield wrong(
            "TWO_CATEGORIES", path, f"tocId {toc} and hocId {hoc}", "one of them", "leave one out"
        )
    yield from distance(tce.get("distance"), below(path, "distance"))
    yield from _activity(tce, path, hub=toc is None and hoc is not None)
    yield from less(tce, path, "co2eTTW", "co2eWTW")
    if (toc is None) != (hoc is None):
        for name in ("co2eWTW", "co2eTTW"):
            yield from _emissions(tce, path, categories, name)
    for place in ("origin", "destination"):
        yield from location(tce.get(place), below(path, place))
    if toc is not None:  # at a hub, who arrives departs later
        yield from times(tce, path)


def _activities(tce: Object) -> list[tuple[str, Decimal]]:
    """tkm by each distance that is declared."""
    mass, said = decimal(tce, "mass"), tce.get("distance")
    if mass is None:
        return []
    tonnes = CONTEXT.divide(mass, KG_PER_T)
    found = ((name, decimal(said, name)) for name in DISTANCES)
    return [(name, product(tonnes, km)) for name, km in found if km is not None]


def _tkm_off(stated: Decimal, activities: list[Decimal]) -> bool:
    return bool(activities) and all(off(stated, one) for one in activities)


def _tkm(tce: Object) -> list[Decimal]:
    """The activity that was stated, or where that is wrong, what it may have been, the nearest
    first.
    """
    stated, activities = decimal(tce, "transportActivity"), [one for _, one in _activities(tce)]
    if stated is None:
        return []
    if text(tce, "tocId") is None or not _tkm_off(stated, activities):
        return [stated]
    return sorted(activities, key=lambda one: gap(stated, one))


def _activity(tce: Object, path: str, *, hub: bool) -> Iterator[Finding]:
    stated, activities = decimal(tce, "transportActivity"), _activities(tce)
    where = below(path, "transportActivity")
    if hub:
        far = [f"{name} {km}" for name in DISTANCES if (km := decimal(tce.get("distance"), name))]
        if far or stated:
            said = ", ".join([*far, f"{stated} tkm"])
            do = "a hub moves nothing: write 0, or give the element a TOC"
            yield wrong("HUB_DISTANCE", below(path, "distance"), said, "0 km and 0 tkm", do)
        return
    if stated is None or not _tkm_off(stated, [one for _, one in activities]):
        return
    mass = plain(decimal(tce, "mass") or Decimal(0))
    kms = {name: decimal(tce.get("distance"), name) or Decimal(0) for name, _ in activities}
    first, *others = sorted(activities, key=lambda one: gap(stated, one[1]))
    how = f"{plain(first[1])} = {mass} kg / 1000 x {plain(kms[first[0]])} km ({first[0]})"
    how += "".join(f", or {plain(one)} by {name}" for name, one in others)
    do = "correct the activity, the mass or the distance"
    yield differs("TKM", where, stated, first[1], how, do)


class _Expected(Struct, frozen=True, kw_only=True, gc=False):
    kg: Decimal
    activity: Decimal
    intensity: Decimal
    how: str


def _expected(tce: Object, categories: Categories, name: str) -> Iterator[_Expected]:
    """What a TCE should emit by its category, by each activity that may be meant."""
    kind = "tocId" if text(tce, "tocId") is not None else "hocId"
    category = categories.get((kind, str(tce.get(kind))))
    intensity = decimal(category, name.replace("co2e", "co2eIntensity"))
    if category is None or intensity is None:
        return
    unit = text(category, "transportActivityUnit") or text(category, "hubActivityUnit")
    activities: list[Decimal | None] = []
    if unit == "tkm":
        activities = [*_tkm(tce)]
    elif unit == "tonnes":
        mass = decimal(tce, "mass")
        activities = [None if mass is None else CONTEXT.divide(mass, KG_PER_T)]
    else:
        size, amount = (
            _TEU.get(str(tce.get("packagingOrTrEqType"))),
            decimal(tce, "packagingOrTrEqAmount"),
        )
        if size is not None and amount is not None:
            teu = product(size, amount)
            kms = [decimal(tce.get("distance"), one) for one in DISTANCES]
            far = [product(teu, km) for km in kms if km is not None]
            activities = [*far] if unit == "TEUkm" else [teu]
    for activity in activities:
        if activity is not None:
            yield _Expected(
                kg=product(activity, intensity),
                activity=activity,
                intensity=intensity,
                how=f"{plain(activity)} {unit} x {plain(intensity)} kg/{unit}",
            )


class _Odd(Struct, frozen=True, kw_only=True, gc=False):
    expected: _Expected
    rounded: bool
    """Whether the digits that the intensity lacks would explain it."""


def _odd(tce: Object, categories: Categories, name: str, stated: Decimal) -> _Odd | None:
    """How stated emissions differ from what the category gives; None = they do not, or nobody
    knows.
    """
    found = list(_expected(tce, categories, name))
    if not found or any(not off(stated, one.kg) for one in found):
        return None
    nearest = min(found, key=lambda one: gap(stated, one.kg))
    slack = product(nearest.activity, half_digit(nearest.intensity))
    return _Odd(expected=nearest, rounded=not off(stated, nearest.kg, slack))


def _emissions(tce: Object, path: str, categories: Categories, name: str) -> Iterator[Finding]:
    stated = decimal(tce, name)
    odd = None if stated is None else _odd(tce, categories, name, stated)
    if stated is None or odd is None:
        return
    code, do = "EMISSIONS", _guess(stated, odd.expected.kg, tce)
    if odd.rounded:
        code, do = "EMISSIONS_ROUNDED", "write all digits of the intensity, or correct it"
    said = f"{plain(odd.expected.kg)} = {odd.expected.how}"
    yield differs(code, below(path, name), stated, odd.expected.kg, said, do)


def _guess(stated: Decimal, expected: Decimal, tce: Object) -> str:
    """What may have happened."""
    factors = {str(factor): factor for factor, _ in DAF_BY_MODE.values() if factor != ONE}
    gcd = decimal(tce.get("distance"), "gcd")
    if gcd:
        air = CONTEXT.divide(CONTEXT.add(gcd, AIR_ALLOWANCE_KM), gcd)
        factors["(GCD + 95) / GCD"] = air
    for said, factor in factors.items():
        if expected and not off(stated, product(expected, factor)):
            return f"{said} times as much: a distance adjustment belongs into the intensity"
    for said, factor in (("1000", KG_PER_T), ("1/1000", Decimal("0.001"))):
        if expected and not off(stated, product(expected, factor)):
            return f"{said} of it: kg and g, or kg and t, were confused"
    return "correct the emissions or the intensity: digits may be transposed"


def _order(value: Object, path: str) -> Iterator[Finding]:
    """The elements are a DAG: known predecessors, no cycle, no predecessor that ends later."""
    known: dict[str, tuple[str, Object]] = {}
    for where, tce in objects(value, "tces", path):
        name = text(tce, "tceId")
        if name is None:
            continue
        if name in known:
            do = "give each element an id of its own"
            yield wrong("TCE_TWICE", below(where, "tceId"), name, "an id of its own", do)
        known.setdefault(name, (where, tce))
    before: dict[str, list[str]] = {}
    for name, (where, tce) in known.items():
        said = tce.get("prevTceIds")
        named = [one for one in said if isinstance(one, str)] if isinstance(said, list) else []
        before[name] = [one for one in named if one in known]
        for at, one in enumerate(named):
            if one not in known:
                place = below(below(where, "prevTceIds"), at)
                do = "add the element, or leave its id out"
                yield wrong("PREV_UNKNOWN", place, one, "a tceId of this shipment", do)
            elif one != name:
                yield from _after(known[one][1], tce, where)
    for way in cycles(before):
        where = below(known[way[0]][0], "prevTceIds")
        ring = " < ".join(reversed(way))
        do = "nothing happens before itself: correct prevTceIds"
        yield wrong("CYCLE", where, ring, "an order without cycle", do)


def _after(first: Object, then: Object, path: str) -> Iterator[Finding]:
    if text(first, "tocId") is None or text(then, "tocId") is None:
        return
    end, start = micros(first, "arrivalAt"), micros(then, "departureAt")
    if end is not None and start is not None and start < end:
        yield wrong(
            "TIMES",
            below(path, "departureAt"),
            str(then["departureAt"]),
            f"not before {first['tceId']} arrives, {first['arrivalAt']}",
            "correct one of them, or prevTceIds",
        )
