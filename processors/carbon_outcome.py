"""How one element's emissions come about: by its own energy, its round, its category, a model, or a
factor; primary data before modelled ones before defaults.

Among equals the more specific: energy that was measured for the element or its round can be
computed again from its receipt, what an operator states of the element is a result, a category
is an average.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import carbon_activity as activity
from supplytwin.processors.carbon_categories import Category, Collected, per_unit, worst
from supplytwin.processors.carbon_factors import Book, Found, Trail, parts_of
from supplytwin.processors.carbon_intensity import energy, modelled, refrigerant, uplifted
from supplytwin.processors.carbon_parts import (
    KG_PER_T,
    ONE,
    UNKNOWN,
    ZERO,
    Number,
    Parts,
    completed,
    over,
    summed,
    times,
    together,
)
from supplytwin.processors.carbon_values import off
from supplytwin.schemas.calculated import PerUnit
from supplytwin.schemas.calculation import ElementEnergy, Stop, Tce
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.factor_form import Kind

_OWN = "its own energy: neither DAF nor uplift is due"
_STATED = "as its operator states it: neither DAF nor uplift is due"
_RANK = {"PRIMARY": 0, "MODELLED": 1, "DEFAULT": 2}


class World(Struct, frozen=True, kw_only=True):
    """What elements refer to; without a book only activities are computed."""

    book: Book | None
    tocs: Mapping[str, Category]
    hocs: Mapping[str, Category]
    rounds: Mapping[str, Collected]
    stops: Mapping[tuple[str, str], Stop]


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of an element before anything is emitted."""

    kind: str
    mode: str | None
    mass_kg: Number
    teu: Number
    distance_km: Number
    basis: str | None
    tkm: Number


class Outcome(Struct, frozen=True, kw_only=True):
    """What an element emitted, by which data."""

    parts: Parts = UNKNOWN
    data_type: str | None = None
    primary_share: Number = None
    intensity: PerUnit | None = None
    daf: Number = None
    daf_why: str | None = None
    category: str | None = None
    way: str | None = None
    """Which of `_ways` it was."""


def emissions(one: Tce, facts: Facts, world: World, book: Book, trail: Trail) -> Outcome:
    """By the best data that there are, with the element's own refrigerants on top."""
    ways = _ways(one, facts, world, book)
    (_, _, data_type, name), *rest = sorted(ways)
    for _, _, other, left in rest:
        trail.say(f"{name} ({data_type}) goes before {left} ({other})")
    if name in {"category", "model"} and one.uplifts:
        says = "uplifts are on published intensities: this one is of the operation itself"
        trail.refuse("UPLIFT_NOT_DUE", says, "uplifts")
    if name in {"factor", "pack", "default"} and one.zone is not None:
        trail.refuse("UNKNOWN_ZONE", "a published factor has no zones: leave it out", "zone")
    if name == "energy":
        made = _by_energy(one, facts, book, trail)
    elif name == "round":
        made = _by_round(one, facts, world, trail)
    elif name == "supplied":
        made = _as_supplied(one, facts, data_type, trail)
    else:
        made = _by_intensity(name, one, facts, world, book, trail)
    leaks = [refrigerant(leak, book, trail) for leak in one.refrigerants]
    parts = together((made.parts, *leaks)) if leaks else made.parts
    return replace(made, parts=parts, way=name)


def _ways(one: Tce, facts: Facts, world: World, book: Book) -> list[tuple[int, int, str, str]]:
    """(rank, order among equals, data type, name) of everything that could give the emissions."""
    made: list[tuple[str, str]] = []
    if one.energy:
        made.append((worst([amount.data_type for amount in one.energy]), "energy"))
    if one.round_id is not None:
        made.append((world.rounds[one.round_id].result.data_type, "round"))
    if one.supplied is not None:
        made.append(("PRIMARY" if one.supplied.primary_share else "DEFAULT", "supplied"))
    category = one.toc_id or one.hoc_id
    known = world.tocs if one.toc_id else world.hocs
    if category is not None and category in known:
        made.append((known[category].result.data_type, "category"))
    if one.model is not None:
        made.append(("MODELLED", "model"))
    if one.factor is not None:
        made.append((book.data_type(one.factor), "factor"))
    if category is not None and category not in known:
        made.append((book.data_type(category), "pack"))
    if not made:
        made.append(("DEFAULT", "default" if facts.mode or one.hub_type else "nothing"))
    return [(_RANK[sort], order, sort, name) for order, (sort, name) in enumerate(made)]


def _by_energy(one: Tce, facts: Facts, book: Book, trail: Trail) -> Outcome:
    parts = [
        energy(amount, book, trail).times(_allocated(amount, facts, trail)) for amount in one.energy
    ]
    whole = together(parts)
    sort = worst([amount.data_type for amount in one.energy])
    trail.say(_OWN)
    per, done = _own_activity(facts)
    return Outcome(
        parts=whole,
        data_type=sort,
        primary_share=ONE if sort == "PRIMARY" else ZERO,
        intensity=per_unit(whole.over(done), per),
        daf_why=_OWN,
    )


def _allocated(amount: ElementEnergy, facts: Facts, trail: Trail) -> Number:
    if amount.allocation is None:
        return ONE
    rule = amount.allocation
    if rule.share is not None:
        share: Number = rule.share
        how = "as given"
    elif rule.total_tkm is not None:
        share, how = over(facts.tkm, rule.total_tkm), f"of {plain(rule.total_tkm)} tkm"
    else:
        share = over(facts.mass_kg, rule.total_kg)
        how = f"of {plain(rule.total_kg or ZERO)} kg"
    if share is not None:
        if share > 1:
            trail.refuse("SHARES", f"its share of {amount.carrier} is {share}: more than all of it")
        trail.say(f"allocated: {plain(share)} {how}")
    return share


def _by_round(one: Tce, facts: Facts, world: World, trail: Trail) -> Outcome:
    made = world.rounds[one.round_id or ""]
    parts = made.parts[one.stop_id or ""]
    if parts.wtw is None:
        trail.lack("INTENSITY_UNKNOWN", f"round {one.round_id} has no total")
    trail.say(f"stop {one.stop_id} of round {one.round_id}")
    trail.say(_OWN)
    trail.used.update(made.trail.used)
    sort = made.result.data_type
    return Outcome(
        parts=parts,
        data_type=sort,
        primary_share=ONE if sort == "PRIMARY" else ZERO,
        intensity=per_unit(parts.over(facts.tkm), "kg/tkm"),
        daf_why=_OWN,
        category=f"round:{one.round_id}",
    )


def _as_supplied(one: Tce, facts: Facts, data_type: str, trail: Trail) -> Outcome:
    """As its operator states it; with a warning when that was of another activity."""
    said = one.supplied
    assert said is not None
    trail.say(
        f"stated in {said.source_id} ({said.spec}): {plain(said.co2e_wtw_kg)} kg WTW, "
        f"{plain(said.primary_share)} of it by primary data"
    )
    trail.say(_STATED)
    theirs, ours = said.transport_activity_tkm, ZERO if facts.kind == "HUB" else facts.tkm
    if theirs is not None and ours is not None and off(theirs, ours):
        says = f"{said.source_id} states {plain(theirs)} tkm, here are {plain(ours)}"
        trail.warn("TKM_DIFFERS", says)
    parts = completed(Parts(wtt=None, ttw=said.co2e_ttw_kg, wtw=said.co2e_wtw_kg))
    per, done = _own_activity(facts)
    return Outcome(
        parts=parts,
        data_type=data_type,
        primary_share=said.primary_share,
        intensity=per_unit(parts.over(done), per),
        daf_why=_STATED,
        category=f"supplied:{said.source_id}",
    )


def _own_activity(facts: Facts) -> tuple[str, Number]:
    """(unit of the intensity, activity) of an element by its own emissions."""
    if facts.kind == "HUB":
        return "kg/t", over(facts.mass_kg, KG_PER_T)
    return "kg/tkm", facts.tkm


def _by_intensity(
    name: str, one: Tce, facts: Facts, world: World, book: Book, trail: Trail
) -> Outcome:
    match name:
        case "category":
            return _by_category(one, facts, world, trail)
        case "model":
            assert one.model is not None
            parts, _ = modelled(one.model, book, trail)
            basis = one.model.distance_basis, one.model.daf_included
            return _applied(one, facts, parts, "kg/tkm", basis, "MODELLED", ZERO, trail)
        case "nothing":
            code = "FACTOR_UNKNOWN" if facts.kind == "HUB" else "MODE_UNKNOWN"
            trail.lack(code, f"{one.tce_id}: give mode or hub_type, a factor or energy")
            return Outcome()
        case _:
            found = _found(name, one, facts, book, trail)
            return Outcome() if found is None else _by_factor(one, facts, found, trail)


def _found(name: str, one: Tce, facts: Facts, book: Book, trail: Trail) -> Found | None:
    sort: Kind = "HUB" if facts.kind == "HUB" else "TRANSPORT"
    if name == "default":
        haul = activity.haul(facts.distance_km) if facts.mode == "AIR" else None
        if haul is not None:
            trail.say(f"{haul} haul: {activity.HAUL_LIMIT_KM} km is the limit")
        what = one.hub_type if facts.kind == "HUB" else facts.mode
        return book.default(what or "", haul, one.temperature_control, trail)
    ref = one.factor if name == "factor" else one.toc_id or one.hoc_id
    assert ref is not None
    return book.find(ref, sort, trail)


def _by_factor(one: Tce, facts: Facts, found: Found, trail: Trail) -> Outcome:
    factor = found.factor
    if facts.mode is not None and factor.mode is not None and facts.mode != factor.mode:
        trail.refuse("WRONG_MODE", f"{found.ref} is of {factor.mode}, the element of {facts.mode}")
    if factor.haul is not None and factor.haul != activity.haul(facts.distance_km):
        trail.deviate("HAUL", f"{found.ref} is for {factor.haul} haul, the distance is not")
    parts = uplifted(parts_of(found, None, None, trail), one.uplifts, found, trail)
    basis = factor.distance_basis, factor.daf_included
    share = found.primary_share
    if factor.kind == "HUB":
        done = _hub_activity(one, facts, factor.unit, trail)
        trail.say(f"{_plain(done)} {factor.unit.removeprefix('kg/')} x {found.ref}")
        return Outcome(
            parts=parts.times(done),
            data_type=found.data_type,
            primary_share=share,
            intensity=per_unit(parts, factor.unit),
            category=found.ref,
        )
    trail.say(f"factor {found.ref}: {_plain(parts.wtw)} {factor.unit} WTW")
    return _applied(
        one, facts, parts, factor.unit, basis, found.data_type, share, trail, category=found.ref
    )


def _hub_activity(one: Tce, facts: Facts, unit: str, trail: Trail) -> Number:
    if unit == "kg/t":
        return over(facts.mass_kg, KG_PER_T)
    if unit == "kg/TEU":
        if facts.teu is None:
            trail.lack("TEU_UNKNOWN", f"{one.tce_id}: the factor is per TEU, give containers")
        return facts.teu
    if not one.containers:
        says = f"{one.tce_id}: the factor is per container, give containers"
        trail.lack("CONTAINERS_UNKNOWN", says)
        return None
    return summed(each.count for each in one.containers)


def _by_category(one: Tce, facts: Facts, world: World, trail: Trail) -> Outcome:
    name = one.toc_id or one.hoc_id or ""
    category = (world.tocs if one.toc_id else world.hocs)[name]
    trail.used.update(category.trail.used)
    zone = category.zones.get(one.zone)
    if zone is None:
        listed = ", ".join(sorted(str(each) for each in category.zones)) or "none at all"
        says = f"{name} has no activity of zone {one.zone}, but of: {listed}"
        trail.lack("ACTIVITY_UNKNOWN", says)
        return Outcome()
    if zone.intensity.wtw is None:
        trail.lack("INTENSITY_UNKNOWN", f"{name} has no intensity: energy or activity is missing")
    sort = category.result.data_type
    share = ONE if sort == "PRIMARY" else ZERO
    trail.say(f"intensity of {name}: {_plain(zone.intensity.wtw)} {category.result.intensity.unit}")
    if one.hoc_id is not None:
        return Outcome(
            parts=zone.intensity.times(over(facts.mass_kg, KG_PER_T)),
            data_type=sort,
            primary_share=share,
            intensity=per_unit(zone.intensity, "kg/t"),
        )
    basis = category.distance_basis, category.daf_included
    return _applied(one, facts, zone.intensity, "kg/tkm", basis, sort, share, trail)


def _applied(
    one: Tce,
    facts: Facts,
    parts: Parts,
    unit: str,
    basis: tuple[str | None, str | None],
    data_type: str,
    share: Number,
    trail: Trail,
    category: str | None = None,
) -> Outcome:
    """Intensity x activity x DAF."""
    made = _adjusted(one, facts, basis, trail)
    done = facts.tkm
    if unit == "kg/TEU-km":
        if facts.teu is None:
            trail.lack("TEU_UNKNOWN", f"{one.tce_id}: the factor is per TEU-km, give containers")
        done = times(facts.teu, facts.distance_km)
        trail.say(f"{_plain(facts.teu)} TEU x {_plain(facts.distance_km)} km")
    return Outcome(
        parts=parts.times(times(done, made.value)),
        data_type=data_type,
        primary_share=share,
        intensity=per_unit(parts, unit),
        daf=made.value,
        daf_why=made.why,
        category=category,
    )


def _adjusted(
    one: Tce, facts: Facts, basis: tuple[str | None, str | None], trail: Trail
) -> activity.Adjusted:
    flights: Sequence[Decimal] = one.legs_km
    if not flights and facts.distance_km is not None:
        flights = (facts.distance_km,)
    of_factor, included = basis
    made = activity.daf(
        mode=facts.mode,
        basis=facts.basis,
        flights_km=flights,
        of_factor=of_factor,
        included=included,
        given=one.daf,
    )
    if made.code in {"DAF_TWICE", "DAF_NOT_DUE"}:
        trail.refuse(made.code, made.why, "daf")
    elif made.code == "DAF_UNKNOWN":
        if facts.distance_km is not None:
            trail.lack(made.code, made.why)
    elif made.code == "DAF_ASSUMED":
        trail.assume(made.code, f"DAF {_plain(made.value)}: {made.why}")
    elif made.code is not None:
        trail.deviate(made.code, made.why)
    if made.code != "DAF_ASSUMED":
        trail.say(f"DAF {_plain(made.value)}: {made.why}")
    return made


def _plain(value: Number) -> str:
    return "unknown" if value is None else plain(value)
