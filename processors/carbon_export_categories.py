"""The category that an element is said by, and that category as an iLEAP TOC or HOC.

iLEAP has no field for a distance adjustment or an uplift: they are inside the intensity that
leaves, so that activity x intensity is the emissions. Each such variant has an id of its own.
"""

from collections.abc import Sequence
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.carbon_factors import Book, Trail
from supplytwin.processors.carbon_intensity import energy
from supplytwin.processors.carbon_parts import (
    KG_PER_T,
    ONE,
    Number,
    Parts,
    over,
    summed,
    times,
    total,
)
from supplytwin.schemas import ileap
from supplytwin.schemas.calculated import Result, TceResult
from supplytwin.schemas.calculation import EnergyAmount, Hoc, Request, Tce, Toc
from supplytwin.schemas.decimal_text import plain

MODES = {"ROAD": "Road", "RAIL": "Rail", "AIR": "Air", "SEA": "Sea", "BARGE": "InlandWaterway"}
_HUB_TYPES = (
    "Transshipment",
    "StorageAndTransshipment",
    "Warehouse",
    "LiquidBulkTerminal",
    "MaritimeContainerTerminal",
)
_UNITS = {"kg/tkm": "tkm", "kg/TEU-km": "TEUkm", "kg/t": "tonnes", "kg/TEU": "TEU"}
_SHARED = frozenset(("category", "factor", "pack", "default"))
"""Ways by which several elements have one intensity."""
_ANY_MODE = ("tkm", "tonnes", "TEU")
CARRIERS = {
    "diesel": "Diesel",
    "hvo": "HVO",
    "petrol": "Petrol",
    "gasoline": "Petrol",
    "cng": "CNG",
    "lng": "LNG",
    "lpg": "LPG",
    "hfo": "HFO",
    "heavy fuel oil": "HFO",
    "mgo": "MGO",
    "marine gas oil": "MGO",
    "aviation fuel": "Aviation fuel",
    "jet": "Aviation fuel",
    "jet a1": "Aviation fuel",
    "kerosene": "Aviation fuel",
    "hydrogen": "Hydrogen",
    "methanol": "Methanol",
    "electricity": "Electric",
    "electric": "Electric",
}
"""Our names in lower case, and what iLEAP calls them."""


class Operation(Struct, frozen=True, kw_only=True, gc=False):
    """What stands between an element's activity and its emissions: kg CO2e per `unit`."""

    id: str
    unit: str
    wtw: Number
    ttw: Number


def own_name(shipment_id: str, tce_id: str) -> str:
    """The id of what one element alone has."""
    return f"{shipment_id};tce={tce_id}"


def operation(one: Tce, made: TceResult, shipment_id: str, *, own: bool = False) -> Operation:
    """The operation of a computed element: that of its category or factor, as far as iLEAP has the
    unit; else (or with `own`) what the element itself emitted for each tkm or tonne.
    """
    hub = made.kind == "HUB"
    given = made.intensity
    unit = None if given is None else _UNITS.get(given.unit)
    shared = made.way in _SHARED and not one.refrigerants and not own
    water = made.mode in ("SEA", "BARGE")
    if shared and given is not None and unit is not None and (unit in _ANY_MODE or water):
        return Operation(
            id=_name(one, made),
            unit=unit,
            wtw=times(given.wtw, _adjusted(made)),
            ttw=times(given.ttw, _adjusted(made)),
        )
    done = made.hub_activity_t if hub else made.transport_activity_tkm
    return Operation(
        id=own_name(shipment_id, made.tce_id),
        unit="tonnes" if hub else "tkm",
        wtw=over(made.co2e.co2e_wtw_kg, done),
        ttw=over(made.co2e.co2e_ttw_kg, done),
    )


def _name(one: Tce, made: TceResult) -> str:
    """The id of a category or factor, with everything that makes its intensity another one."""
    name = str(made.hoc_id if made.kind == "HUB" else made.toc_id)
    marks = [f"zone={one.zone}"] if one.zone is not None else []
    marks += [f"uplift={uplift}" for uplift in sorted(one.uplifts)]
    if _adjusted(made) != 1:
        marks.append(f"daf={plain(_adjusted(made))}")
    return ";".join([name, *marks])


def _adjusted(made: TceResult) -> Decimal:
    return ONE if made.daf is None else made.daf


def category(
    one: Tce, made: TceResult, by: Operation, request: Request, result: Result, book: Book
) -> ileap.TOC | ileap.HOC | str:
    """The category as iLEAP has it, or why it cannot be said: ``CODE: reason``."""
    carriers = energy_carriers(one, made, request, result, book)
    if isinstance(carriers, str):
        return carriers
    assert by.wtw is not None
    assert by.ttw is not None
    what = _what(one, made, request)
    if made.kind == "HUB":
        if made.hub_type not in _HUB_TYPES:
            listed = ", ".join(_HUB_TYPES)
            return f"HUB_TYPE: {made.hub_type or 'no type'} is not one of {listed}"
        return ileap.HOC(
            hoc_id=by.id,
            description=what,
            hub_type=made.hub_type,
            energy_carriers=carriers,
            co2e_intensity_wtw=by.wtw,
            co2e_intensity_ttw=by.ttw,
            hub_activity_unit=by.unit,
        )
    if made.mode is None:
        return "MODE_UNKNOWN: iLEAP demands the mode of transport"
    model = one.model if made.way == "model" else None
    return ileap.TOC(
        toc_id=by.id,
        description=what,
        mode=MODES[made.mode],
        load_factor=None if model is None else model.load_factor,
        empty_distance_factor=None if model is None else model.empty_distance_factor,
        energy_carriers=carriers,
        co2e_intensity_wtw=by.wtw,
        co2e_intensity_ttw=by.ttw,
        transport_activity_unit=by.unit,
    )


def _what(one: Tce, made: TceResult, request: Request) -> str | None:
    """What the sender says of a category."""
    if made.way != "category":
        return None
    named = [toc.what for toc in request.tocs if toc.toc_id == one.toc_id]
    named += [hoc.what for hoc in request.hocs if hoc.hoc_id == one.hoc_id]
    return next(iter(named), None)


class _Used(Struct, frozen=True, kw_only=True):
    """An amount of energy with its emissions; `per_activity` where a category states it."""

    amount: EnergyAmount
    parts: Parts
    per_activity: Number


def energy_carriers(
    one: Tce, made: TceResult, request: Request, result: Result, book: Book
) -> tuple[ileap.EnergyCarrier, ...] | str:
    """The energy carriers of what an element rests on, or ``CODE: why`` nobody can say them."""
    amounts = _amounts(one, made, request, result, book)
    if not amounts:
        return "ENERGY_CARRIERS: iLEAP demands energy carriers, nobody states any for it"
    found: dict[tuple[object, ...], list[_Used]] = {}
    for used in amounts:
        if not used.amount.quantity:
            continue
        word = CARRIERS.get(used.amount.carrier.lower())
        per = used.parts.over(used.amount.quantity)
        if word is None:
            return f"ENERGY_CARRIERS: iLEAP has no word for {used.amount.carrier}"
        if per.wtw is None or per.ttw is None:
            return f"ENERGY_CARRIERS: WTW or TTW of {used.amount.carrier} is not known"
        found.setdefault((word, used.amount.unit, per.wtw, per.ttw), []).append(used)
    if not found:
        return "ENERGY_CARRIERS: iLEAP demands energy carriers, all amounts are 0"
    shares = [_share(those) for those in found.values()] if len(found) > 1 else [ONE]
    known = [share for share in shares if share]
    if len(known) < len(shares) or summed(known) != 1:
        named = ", ".join(sorted({str(key[0]) for key in found}))
        return (
            f"ENERGY_SHARES: which part of the activity is by each of {named} is not known: "
            "give activity_share"
        )
    return tuple(
        _carrier(str(word), those, share)
        for (word, *_), those, share in zip(found, found.values(), known, strict=True)
    )


def _share(those: Sequence[_Used]) -> Number:
    return total(used.amount.activity_share for used in those)


def _carrier(word: str, those: Sequence[_Used], share: Decimal) -> ileap.EnergyCarrier:
    first = those[0]
    per = first.parts.over(first.amount.quantity)
    consumed = total(used.per_activity for used in those)
    unit = str(first.amount.unit)
    if unit == "t":
        unit, per, consumed = "kg", per.over(KG_PER_T), times(consumed, KG_PER_T)
    assert per.wtw is not None
    assert per.ttw is not None
    return ileap.EnergyCarrier(
        energy_carrier=word,
        relative_share=share,
        energy_consumption=consumed,
        energy_consumption_unit=unit,
        emission_factor_wtw=per.wtw,
        emission_factor_ttw=per.ttw,
    )


def _amounts(
    one: Tce, made: TceResult, request: Request, result: Result, book: Book
) -> list[_Used]:
    """The amounts of energy that an element's intensity rests on."""
    match made.way:
        case "energy":
            amounts: Sequence[EnergyAmount] = one.energy
        case "round":
            amounts = next(each.energy for each in request.rounds if each.round_id == one.round_id)
        case "category":
            return _of_category(one, made, request, result, book)
        case "model" if one.model is not None and one.model.consumption is not None:
            use = one.model.consumption
            amounts = (
                EnergyAmount(carrier=use.carrier, quantity=ONE, unit=use.unit, factor=use.factor),
            )
        case _:
            return []
    return [
        _Used(amount=amount, parts=energy(amount, book, Trail("$")), per_activity=None)
        for amount in amounts
    ]


def _of_category(
    one: Tce, made: TceResult, request: Request, result: Result, book: Book
) -> list[_Used]:
    """Of its zone and of what is common. A DAF makes more of each km that was counted; consumption
    that carried passengers, too, is not stated.
    """
    categories: tuple[Toc | Hoc, ...] = (
        *(each for each in request.tocs if each.toc_id == one.toc_id),
        *(each for each in request.hocs if each.hoc_id == one.hoc_id),
    )
    computed = result.hocs if made.kind == "HUB" else result.tocs
    by_name = {each.id: each for each in computed}
    found = []
    for asked in categories:
        done = by_name[asked.toc_id if isinstance(asked, Toc) else asked.hoc_id]
        only = done.freight_share == 1
        found += [
            _Used(
                amount=amount,
                parts=energy(amount, book, Trail("$")),
                per_activity=times(use.per_activity, _adjusted(made)) if only else None,
            )
            for amount, use in zip(asked.energy, done.energy, strict=True)
            if amount.zone in (None, one.zone)
        ]
    return found
