"""What cannot be right in a factor: grams for kilograms, parts that do not add up, ids twice."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from decimal import Context, Decimal

from supplytwin.schemas.factor_form import UNITS, Factor, Pack, is_without_operation
from supplytwin.schemas.findings import Finding

_CONTEXT = Context(prec=40)
_GRAM = Decimal("0.001")
RANGES: Mapping[str, tuple[str, str]] = {
    "kg/tkm": ("0.001", "6"),
    "kg/TEU-km": ("0.005", "60"),
    "kg/t": ("0.01", "500"),
    "kg/TEU": ("0.05", "5000"),
    "kg/container": ("0.05", "5000"),
    "kg/l": ("0", "10"),
    "kg/kg": ("0", "40"),
    "kg/kWh": ("0", "3"),
    "kg/MJ": ("0", "0.8"),
}
"""Least and most that anybody ever published, generously: a thousandth or a thousandfold of any
usual number lies outside. A carrier may be nearly free of emissions."""
_REFRIGERANT_MOST = Decimal(30_000)
_YEARS = range(1990, 2101)


def of_pack(pack: Pack) -> Iterator[Finding]:
    """Everything that is implausible in a pack, with its JSON path."""
    for at, factor in enumerate(pack.factors):
        yield from of_factor(factor, f"$.factors[{at}]")
    ids, defaults = defaultdict[str, list[int]](list), defaultdict[object, list[int]](list)
    for at, factor in enumerate(pack.factors):
        ids[factor.id].append(at)
        if factor.default_for is not None:
            defaults[factor.default_for, factor.haul, factor.temperature_control].append(at)
    for name, places in ids.items():
        for at in places[1:]:
            says = f'"{name}" is the id of factor {places[0]}, too: two factors of one id'
            yield Finding(path=f"$.factors[{at}].id", code="TWO_IDS", says=says)
    for places in defaults.values():
        for at in places[1:]:
            mode = pack.factors[at].default_for
            says = f"factor {places[0]} is it for {mode} already: two defaults for one mode"
            yield Finding(path=f"$.factors[{at}].default_for", code="TWO_DEFAULTS", says=says)


def of_factor(factor: Factor, path: str) -> Iterator[Finding]:
    """Everything that is implausible in one factor of a pack."""
    yield from of_numbers(factor, path)
    if factor.unit not in UNITS[factor.kind]:
        says = f"{factor.unit} is no unit of {factor.kind}: {', '.join(UNITS[factor.kind])}"
        yield Finding(path=f"{path}.unit", code="WRONG_UNIT", says=says)
    needed: Mapping[str, tuple[str, ...]] = {
        "TRANSPORT": ("mode", "distance_basis", "daf_included"),
        "HUB": ("hub_type",),
        "ENERGY": ("carrier",),
        "GRID": ("carrier",),
        "REFRIGERANT": ("carrier",),
    }
    for name in needed[factor.kind]:
        if getattr(factor, name) is None:
            says = f"is missing: a factor of kind {factor.kind} needs it"
            yield Finding(path=f"{path}.{name}", code="MISSING_FIELD", says=says)
    if factor.default_for is not None and factor.default_for != factor.mode:
        says = f"is {factor.default_for}, and the factor's mode is {factor.mode}"
        yield Finding(path=f"{path}.default_for", code="BAD_VALUE", says=says)
    if factor.haul is not None and factor.mode != "AIR":
        says = "hauls are of mode AIR alone"
        yield Finding(path=f"{path}.haul", code="BAD_VALUE", says=says)
    if factor.year not in _YEARS:
        says = f"is {factor.year}: a year from {_YEARS[0]} to {_YEARS[-1]}"
        yield Finding(path=f"{path}.year", code="BAD_VALUE", says=says)
    if factor.valid_from and factor.valid_to and factor.valid_to < factor.valid_from:
        says = f"is before valid_from, {factor.valid_from}"
        yield Finding(path=f"{path}.valid_to", code="BAD_VALUE", says=says)


def of_numbers(factor: Factor, path: str) -> Iterator[Finding]:
    """What is implausible in the numbers of a factor, by its unit."""
    parts = {name: getattr(factor, name) for name in ("wtw", "wtt", "ttw")}
    given = {name: value for name, value in parts.items() if value is not None}
    if not given:
        says = "has none of wtt, ttw, wtw: give what the source publishes"
        yield Finding(path=path, code="NO_NUMBER", says=says)
        return
    name, largest = max(given.items(), key=lambda one: one[1])
    yield from _range(factor, f"{path}.{name}", largest)
    if factor.kind in {"ENERGY", "GRID"} and is_without_operation(factor.carrier) and factor.ttw:
        says = f"{factor.carrier} emits nothing where it is used: TTW is 0, all of it is WTT"
        yield Finding(path=f"{path}.ttw", code="TTW_NOT_ZERO", says=says)
    if factor.wtt is None or factor.ttw is None or factor.wtw is None:
        return
    gap = _CONTEXT.abs(_CONTEXT.subtract(_CONTEXT.add(factor.wtt, factor.ttw), factor.wtw))
    if gap > rounding(factor):
        says = (
            f"WTT + TTW is not WTW: {factor.wtt} + {factor.ttw} is off {factor.wtw} by {gap:f}, "
            f"more than separate rounding explains ({rounding(factor):f})"
        )
        yield Finding(path=f"{path}.wtw", code="PARTS_DIFFER", says=says)


def rounding(factor: Factor) -> Decimal:
    """How far WTT + TTW may be off WTW where each was rounded for itself, as it is written.

    Half of the last place of each; in kg/tkm at most 1 g, which is GLEC's.
    """
    total = Decimal(0)
    for value in (factor.wtt, factor.ttw, factor.wtw):
        exponent = value.as_tuple().exponent if value is not None else 0
        assert isinstance(exponent, int)
        total = _CONTEXT.add(total, Decimal(5).scaleb(exponent - 1))
    return min(total, _GRAM) if factor.unit == "kg/tkm" else total


def _range(factor: Factor, path: str, value: Decimal) -> Iterator[Finding]:
    least, most = map(Decimal, RANGES[factor.unit])
    if factor.kind == "REFRIGERANT":
        most = _REFRIGERANT_MOST
    if value == 0 and least > 0:
        yield Finding(path=path, code="OUT_OF_RANGE", says="not positive: nothing moves for free")
    elif value > most:
        meant = value.scaleb(-3, _CONTEXT)
        says = f"{value} {factor.unit} is above {most}: is it grams? then write {meant:f}"
        yield Finding(path=path, code="OUT_OF_RANGE", says=says)
    elif value < least:
        meant = value.scaleb(3, _CONTEXT)
        says = f"{value} {factor.unit} is below {least}: is it tonnes? then write {meant:f}"
        yield Finding(path=path, code="OUT_OF_RANGE", says=says)
