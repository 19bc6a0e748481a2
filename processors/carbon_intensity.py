"""Emissions of energy and refrigerants, and intensities: measured over a category, or modelled.

`G = sum(Q x EF) + refrigerant losses`, `g = G / T` for transport, `G / tonnes outbound` for hubs
(GLEC v3 pp. 31-34, 106); each temperature zone bears its own energy and its part of the common one.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.carbon_factors import Book, Found, Shelf, Trail, parts_of
from supplytwin.processors.carbon_parts import (
    CONTEXT,
    KG_PER_T,
    ONE,
    UNKNOWN,
    Number,
    Parts,
    completed,
    minus,
    over,
    times,
    together,
    total,
)
from supplytwin.schemas.calculation import (
    EnergyAmount,
    EnergyUnit,
    Model,
    PerKm,
    Ref,
    Refrigerant,
)
from supplytwin.schemas.carriers import Carrier
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.factor_form import Factor

_MJ_PER_KWH = Decimal("3.6")
UPLIFTS: Mapping[str, tuple[Decimal, str]] = {
    "TEMPERATURE_VAN": (Decimal("1.15"), "temperature-controlled van"),
    "TEMPERATURE_TRUCK": (Decimal("1.12"), "temperature-controlled, above 3.5 t"),
    "ASIA_AFRICA_VAN": (Decimal("1.13"), "van in Asia or Africa"),
    "ASIA_AFRICA_TRUCK": (Decimal("1.22"), "above 3.5 t in Asia or Africa"),
}
"""On intensities of Europe and South America (GLEC v3 p. 94)."""


def energy(amount: EnergyAmount, book: Book, trail: Trail) -> Parts:
    """Emissions of an amount of energy; unknown, with the reason in the trail, where they are."""
    if amount.blend:
        shares = [part.share for part in amount.blend]
        each = [
            _of(amount, part.factor, CONTEXT.multiply(amount.quantity, part.share), book, trail)
            for part in amount.blend
        ]
        listed = " + ".join(plain(share) for share in shares)
        trail.say(f"{amount.carrier} is a blend by volume: {listed}")
        return together(each)
    if amount.factor is None:
        return _default(amount, book, trail)
    made = _of(amount, amount.factor, amount.quantity, book, trail)
    if made.wtt is None and made.ttw is not None and amount.wtt_factor is not None:
        upstream = _of(amount, amount.wtt_factor, amount.quantity, book, trail)
        made = completed(Parts(wtt=upstream.wtt, ttw=made.ttw, wtw=None))
    return made


def default_factors(amount: EnergyAmount, shelf: Shelf) -> Carrier:
    """The factors of an amount that names none; no `refs` where none is known for its unit."""
    found = shelf.energy(amount.carrier, amount.country)
    for ref in found.refs:
        known = shelf.find(ref)
        if len(known) != 1 or converted(amount.quantity, amount.unit, known[0][1]) is None:
            return Carrier()
    return found


def _default(amount: EnergyAmount, book: Book, trail: Trail) -> Parts:
    found = default_factors(amount, book.shelf)
    if not found.refs:
        where = f" of {amount.country}" if amount.country is not None else ""
        says = f"no factor for {amount.unit} of {amount.carrier}{where} in {book.shelf.named}"
        trail.lack("FACTOR_UNKNOWN", f"{says}: give one")
        return UNKNOWN
    whole = replace(amount, accept_partial=amount.accept_partial or found.accept_partial)
    parts = [_of(whole, ref, amount.quantity, book, trail) for ref in found.refs]
    if len(parts) == 1:
        return parts[0]
    operation, provision = parts
    return completed(Parts(wtt=provision.wtt, ttw=operation.ttw, wtw=None))


def _of(amount: EnergyAmount, ref: Ref, quantity: Decimal, book: Book, trail: Trail) -> Parts:
    found = book.find(ref, "ENERGY", trail)
    if found is None:
        return UNKNOWN
    known = converted(quantity, amount.unit, found.factor)
    if known is None:
        says = (
            f"{amount.carrier} is in {amount.unit}, {found.ref} in {found.factor.unit}: "
            "give density_kg_per_l or lhv_mj_per_kg with the factor"
        )
        trail.lack("UNIT_DIFFERS", says)
        return UNKNOWN
    trail.say(f"{plain(quantity)} {amount.unit} {amount.carrier} x {found.ref}")
    return parts_of(found, amount.carrier, amount.accept_partial, trail).times(known)


def converted(quantity: Decimal, unit: EnergyUnit, factor: Factor) -> Number:
    """A quantity in the unit that a factor is per; None where its density or heat is not known."""
    wanted = factor.unit.removeprefix("kg/")
    if unit == "t":
        quantity, here = CONTEXT.multiply(quantity, KG_PER_T), "kg"
    else:
        here = str(unit)
    ways = {
        ("kWh", "MJ"): _MJ_PER_KWH,
        ("MJ", "kWh"): over(ONE, _MJ_PER_KWH),
        ("l", "kg"): factor.density_kg_per_l,
        ("kg", "l"): over(ONE, factor.density_kg_per_l),
        ("kg", "MJ"): factor.lhv_mj_per_kg,
        ("MJ", "kg"): over(ONE, factor.lhv_mj_per_kg),
        ("l", "MJ"): times(factor.density_kg_per_l, factor.lhv_mj_per_kg),
        ("MJ", "l"): over(ONE, times(factor.density_kg_per_l, factor.lhv_mj_per_kg)),
        ("kWh", "kg"): over(_MJ_PER_KWH, factor.lhv_mj_per_kg),
        ("kg", "kWh"): over(factor.lhv_mj_per_kg, _MJ_PER_KWH),
    }
    return quantity if here == wanted else times(quantity, ways.get((here, wanted)))


def refrigerant(one: Refrigerant, book: Book, trail: Trail) -> Parts:
    """Emissions of what leaked: as much as was refilled, or a share of the charge in a year."""
    lost = one.quantity_kg if one.quantity_kg is not None else times(one.charge_kg, one.loss_rate)
    found = book.find(one.factor, "REFRIGERANT", trail)
    if found is None or lost is None:
        return UNKNOWN
    trail.say(f"{plain(lost)} kg {one.refrigerant} x {found.ref}, counted as operation (TTW)")
    return parts_of(found, None, None, trail).times(lost)


class Zone(Struct, frozen=True, kw_only=True, gc=False):
    """Activity, emissions and intensity of one temperature zone of a category."""

    activity: Number
    parts: Parts
    intensity: Parts


def zones(
    amounts: Sequence[tuple[str | None, Parts]], activity: Mapping[str | None, Number]
) -> dict[str | None, Zone]:
    """Zone by zone: what is its own, and of what is common the part by activity.

    `amounts` are (zone, emissions), zone None = common; `activity` is in tkm or t. A zone without
    emissions of its own has the intensity of the common ones alone.
    """
    common = together(parts for zone, parts in amounts if zone is None)
    everything = total(activity.values())
    shared = common.over(everything)
    made: dict[str | None, Zone] = {}
    for zone, done in activity.items():
        own = together(parts for of, parts in amounts if of == zone and of is not None)
        intensity = together((shared, own.over(done)))
        made[zone] = Zone(activity=done, parts=intensity.times(done), intensity=intensity)
    return made


def modelled(model: Model, book: Book, trail: Trail) -> tuple[Parts, Number]:
    """(kg per tkm, capacity in t) of a modelled vehicle.

    g = [F(load) + F(0) x e / (1 - e)] / (capacity x load), F linear between empty and full; e =
    empty km over all km.
    """
    load, empty_km = model.load_factor, model.empty_distance_factor
    empty, full = _per_km(model, book, trail)
    loaded = together((empty, _less(full, empty).times(load)))
    extra = empty.times(over(empty_km, minus(ONE, empty_km)))
    capacity_t = over(model.capacity_kg, KG_PER_T)
    if capacity_t is None:
        capacity_t = over(full.ttw if full.ttw is not None else full.wtw, model.full_kg_per_tkm)
        trail.say(f"capacity {_said(capacity_t)} t = full per km / full per tkm")
    trail.say(
        f"modelled: at load {plain(load)} {_said_parts(loaded)} kg/km, empty running "
        f"{plain(empty_km)} of all km adds {_said_parts(extra)} kg/km"
    )
    if model.source is None:
        trail.deviate("SOURCE_UNKNOWN", "the model names no source of its parameters")
    return together((loaded, extra)).over(times(capacity_t, load)), capacity_t


def _per_km(model: Model, book: Book, trail: Trail) -> tuple[Parts, Parts]:
    if model.consumption is not None:
        use = model.consumption
        found = book.find(use.factor, "ENERGY", trail)
        if found is None:
            return UNKNOWN, UNKNOWN
        parts = parts_of(found, use.carrier, None, trail)
        empty = parts.times(converted(use.empty_per_km, use.unit, found.factor))
        full = parts.times(converted(use.full_per_km, use.unit, found.factor))
        if converted(use.full_per_km, use.unit, found.factor) is None:
            says = f"{use.carrier} is in {use.unit}, {found.ref} in {found.factor.unit}"
            trail.lack("UNIT_DIFFERS", says)
        return empty, full
    return _completed(model.empty_kg_per_km), _completed(model.full_kg_per_km)


def _completed(given: PerKm | None) -> Parts:
    if given is None:
        return UNKNOWN
    return completed(Parts(wtt=given.wtt, ttw=given.ttw, wtw=given.wtw))


def _less(parts: Parts, other: Parts) -> Parts:
    return Parts(
        wtt=minus(parts.wtt, other.wtt),
        ttw=minus(parts.ttw, other.ttw),
        wtw=minus(parts.wtw, other.wtw),
    )


def _said(value: Number) -> str:
    return "unknown" if value is None else plain(value)


def _said_parts(parts: Parts) -> str:
    return _said(parts.wtw if parts.wtw is not None else parts.ttw)


def uplifted(parts: Parts, names: Sequence[str], found: Found, trail: Trail) -> Parts:
    """An intensity with the uplifts of its region and temperature control, each once."""
    for name in sorted(names):
        value, what = UPLIFTS[name]
        if name.startswith("TEMPERATURE") and found.factor.temperature_control == "refrigerated":
            says = f"{found.ref} is a temperature-controlled intensity: {name} would count twice"
            trail.refuse("UPLIFT_TWICE", says, "uplifts")
            return UNKNOWN
        parts = parts.times(value)
        trail.assume("UPLIFT", f"{name}: x {value}, {what} (GLEC v3 p. 94)")
    return parts
