"""Categories and rounds: what they emitted, what they did, and what that is per unit."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct

from supplytwin.processors.carbon_activity import tkm
from supplytwin.processors.carbon_allocation import (
    freight_share,
    notional_tkm,
    shares,
    trip_masses,
)
from supplytwin.processors.carbon_factors import Book, Trail
from supplytwin.processors.carbon_intensity import Zone, energy, refrigerant, zones
from supplytwin.processors.carbon_parts import (
    KG_PER_T,
    ONE,
    UNKNOWN,
    Number,
    Parts,
    minus,
    over,
    summed,
    times,
    together,
    total,
)
from supplytwin.processors.carbon_request import PASSENGERS
from supplytwin.schemas.calculated import (
    CategoryResult,
    Co2e,
    EnergyUse,
    PerUnit,
    RoundResult,
    StopResult,
    ZoneResult,
)
from supplytwin.schemas.calculation import EnergyAmount, Hoc, Round, Toc, ZonedEnergy
from supplytwin.schemas.decimal_text import plain

_RANK = ("PRIMARY", "MODELLED", "DEFAULT")


class Category(Struct, frozen=True, kw_only=True):
    """A TOC or HOC, computed."""

    result: CategoryResult
    zones: Mapping[str | None, Zone]
    trail: Trail
    distance_basis: str | None
    daf_included: str | None


class Collected(Struct, frozen=True, kw_only=True):
    """A round, computed: emissions of each stop."""

    result: RoundResult
    parts: Mapping[str, Parts]
    trail: Trail


def worst(types: Sequence[str]) -> str:
    """The data type of something that rests on several: the least of them."""
    return max(types, key=_RANK.index, default="PRIMARY")


def co2e(parts: Parts) -> Co2e:
    """Parts in kg, in the form of the answer."""
    return Co2e(co2e_wtw_kg=parts.wtw, co2e_wtt_kg=parts.wtt, co2e_ttw_kg=parts.ttw)


def per_unit(parts: Parts, unit: str) -> PerUnit:
    """Parts per unit, in the form of the answer."""
    return PerUnit(unit=unit, wtw=parts.wtw, wtt=parts.wtt, ttw=parts.ttw)


def toc(one: Toc, book: Book | None, path: str) -> Category:
    """A transport operation category. Without a book its activity alone."""
    trail = Trail(path)
    activity = _activity(one, trail)
    share: Number = ONE
    if one.equivalents:
        share = freight_share(one.equivalents)
        trail.say(f"freight has {_said(share)} of it by passenger equivalents")
    elif PASSENGERS in activity:
        freight = total(done for zone, done in activity.items() if zone != PASSENGERS)
        share = over(freight, total(activity.values()))
        trail.say(f"freight has {_said(share)} of the tkm, passengers the rest")
    only = share if one.equivalents else ONE
    return _category(one, one.toc_id, activity, "tkm", only, share, book, trail)


def hoc(one: Hoc, book: Book | None, path: str) -> Category:
    """A hub operation category: by the tonnes that left it. Without a book its activity alone."""
    trail = Trail(path)
    activity: dict[str | None, Number] = {}
    for left in one.outbound:
        activity[left.zone] = total((activity.get(left.zone, _ZERO), over(left.mass_kg, KG_PER_T)))
    return _category(one, one.hoc_id, activity, "t", ONE, ONE, book, trail)


_ZERO = minus(ONE, ONE)


def _activity(one: Toc, trail: Trail) -> dict[str | None, Number]:
    """tkm of each zone; passengers are a zone of their own."""
    done = defaultdict[str | None, list[Number]](list)
    for part in one.activities:
        if part.tkm is not None:
            done[part.zone].append(part.tkm)
            continue
        freight, passengers = trip_masses(part)
        count = ONE if part.count is None else part.count
        done[part.zone].append(times(count, tkm(freight, part.distance_km)))
        if passengers:
            done[PASSENGERS].append(times(count, tkm(passengers, part.distance_km)))
            trail.say(f"passengers: {plain(passengers)} kg on each of {plain(count)} trips")
    return {zone: total(parts) for zone, parts in done.items()}


def _category(
    one: Toc | Hoc,
    name: str,
    activity: Mapping[str | None, Number],
    unit: str,
    of_freight: Number,
    share: Number,
    book: Book | None,
    trail: Trail,
) -> Category:
    """`of_freight` is the part of the emissions that its zones bear, `share` what freight has."""
    amounts: list[tuple[str | None, Parts]] = []
    uses: list[EnergyUse] = []
    if book is not None:
        if not one.energy:
            trail.lack("ENERGY_UNKNOWN", f"{name} has no energy: nothing follows from nothing")
            amounts.append((None, UNKNOWN))
        for amount in one.energy:
            parts = energy(amount, book, trail)
            amounts.append((amount.zone, parts))
            uses.append(_use(amount, parts, activity))
        amounts += [(leak.zone, refrigerant(leak, book, trail)) for leak in one.refrigerants]
    else:
        amounts.append((None, UNKNOWN))
    whole = together(parts for _, parts in amounts)
    zoned = zones([(zone, parts.times(of_freight)) for zone, parts in amounts], activity)
    everything = total(activity.values()) if activity else None
    result = CategoryResult(
        id=name,
        kind="TOC" if isinstance(one, Toc) else "HOC",
        mode=one.mode if isinstance(one, Toc) else one.hub_type,
        activity=everything,
        activity_unit=unit,
        co2e=co2e(whole),
        intensity=per_unit(whole.times(of_freight).over(everything), f"kg/{unit}"),
        freight_share=share,
        zones=tuple(
            ZoneResult(
                zone=zone,
                activity=made.activity,
                co2e=co2e(made.parts),
                intensity=per_unit(made.intensity, f"kg/{unit}"),
            )
            for zone, made in sorted(zoned.items(), key=lambda pair: pair[0] or "")
        ),
        energy=tuple(uses),
        data_type=worst([amount.data_type for amount in one.energy]),
        factors=tuple(sorted(trail.used)),
        trace=tuple(trail.said),
    )
    return Category(
        result=result,
        zones=zoned,
        trail=trail,
        distance_basis=one.distance_basis if isinstance(one, Toc) else None,
        daf_included=one.daf_included if isinstance(one, Toc) else None,
    )


def _use(amount: ZonedEnergy, parts: Parts, activity: Mapping[str | None, Number]) -> EnergyUse:
    done = activity.get(amount.zone) if amount.zone is not None else total(activity.values())
    return EnergyUse(
        carrier=amount.carrier,
        quantity=amount.quantity,
        unit=amount.unit,
        zone=amount.zone,
        per_activity=over(amount.quantity, done),
        co2e=co2e(parts),
    )


def collected(one: Round, book: Book | None, path: str) -> Collected:
    """A round, its total shared out by notional tkm. Without a book its activity alone."""
    trail = Trail(path)
    notional = notional_tkm(one.stops)
    each = shares(notional)
    whole = UNKNOWN
    if book is not None:
        if not one.energy:
            trail.lack("ENERGY_UNKNOWN", f"round {one.round_id} has no energy")
        else:
            whole = _emitted(one.energy, one, book, trail)
    done = summed(notional.values())
    trail.say(f"shared out by notional tkm, {plain(done)} in all (GLEC v3 pp. 48, 107)")
    parts = {name: whole.times(share) for name, share in each.items()}
    result = RoundResult(
        round_id=one.round_id,
        mode=one.mode,
        distance_basis=one.distance_basis,
        transport_activity_tkm=done,
        co2e=co2e(whole),
        stops=tuple(
            StopResult(
                stop_id=name,
                transport_activity_tkm=notional[name],
                share=each[name],
                co2e=co2e(parts[name]),
            )
            for name in sorted(notional)
        ),
        data_type=worst([amount.data_type for amount in one.energy]),
        factors=tuple(sorted(trail.used)),
        trace=tuple(trail.said),
    )
    return Collected(result=result, parts=parts, trail=trail)


def _emitted(amounts: Sequence[EnergyAmount], one: Round, book: Book, trail: Trail) -> Parts:
    parts = [energy(amount, book, trail) for amount in amounts]
    return together([*parts, *(refrigerant(leak, book, trail) for leak in one.refrigerants)])


def _said(value: Number) -> str:
    return "an unknown part" if value is None else plain(value)
