"""What must hold between a PACT product footprint and the iLEAP object that it carries."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import combinations
from typing import Any

from msgspec import Struct

from supplytwin.processors.carbon_exchange import (
    CPC,
    CPC_URN,
    EXTENSION_VERSION,
    PRODUCT_ID,
    PROFILE,
    Profile,
    product_id,
)
from supplytwin.processors.carbon_parts import CONTEXT, summed
from supplytwin.processors.carbon_rules import Categories, Element, elements
from supplytwin.processors.carbon_values import (
    Object,
    decimal,
    differs,
    gap,
    half_digit,
    micros,
    objects,
    off,
    percent,
    text,
    wrong,
)
from supplytwin.schemas import ileap
from supplytwin.schemas.decimal_text import plain
from supplytwin.schemas.findings import Finding, below, shown
from supplytwin.schemas.rfc3339 import moment

_ONE, _100 = Decimal(1), Decimal(100)
_ID_FIELDS = {"shipment": "shipmentId", "toc": "tocId", "hoc": "hocId"}
_KIND: dict[type[Any], str] = {
    ileap.ShipmentFootprint: "shipment",
    ileap.TOC: "toc",
    ileap.HOC: "hoc",
}
_GEOGRAPHY = ("geographyRegionOrSubregion", "geographyCountry", "geographyCountrySubdivision")
_SHARE_FROM = "2025-01-01"
"""Reference periods that end then or later must state the share of primary data."""
_ODDS = _ONE
"""Percent: how likely a share may be a sum of shares by tkm by chance, to be taken for one."""
_TEU_T = (Decimal(2), Decimal("30.48"))
"""Tonnes that a TEU may have: empty, and the most that a container may weigh."""
_ELEMENTS_MAX = 12


class _Names(Struct, frozen=True, kw_only=True, gc=False):
    unit: str
    amount: str
    pcf: str


_NAMES = {
    "pact2": _Names(unit="declaredUnit", amount="unitaryProductAmount", pcf="pCfExcludingBiogenic"),
    "pact3": _Names(
        unit="declaredUnitOfMeasurement",
        amount="declaredUnitAmount",
        pcf="pcfExcludingBiogenicUptake",
    ),
}


class Carried(Struct, frozen=True, kw_only=True):
    """An iLEAP object in an extension."""

    path: str
    kind: type[Any]
    value: Object


def footprint(
    value: Object,
    path: str,
    form: str,
    carried: Sequence[Carried],
    categories: Categories,
    profile: Profile | None,
) -> Iterator[Finding]:
    """What is wrong in a product footprint, beside what is wrong inside its iLEAP object."""
    pcf = value.get("pcf")
    if not isinstance(pcf, dict):
        return
    at = below(path, "pcf")
    yield from _periods(value, path, pcf, at)
    yield from _geography(pcf, at)
    if len(carried) > 1:
        said = ", ".join(one.kind.__name__ for one in carried)
        do = "give each a footprint of its own"
        yield wrong("ONE_TYPE", below(path, "extensions"), said, "one iLEAP object", do)
    if len(carried) != 1:
        return
    (one,) = carried
    yield from _frame(value, path, one)
    if one.kind in _KIND:
        kind = _KIND[one.kind]
        yield from _identity(value, path, kind, form, one.value)
        yield from _constants(pcf, at, kind, form)
        told = list(elements(one.value, one.path, categories)) if kind == "shipment" else []
        yield from _amounts(pcf, at, kind, form, told, one.value)
        yield from _mass(pcf, at, kind, profile or PROFILE[form], one.value)
        yield from _share(pcf, at, told)


def _periods(value: Object, path: str, pcf: Object, at: str) -> Iterator[Finding]:
    for holder, where, start, end in (
        (pcf, at, "referencePeriodStart", "referencePeriodEnd"),
        (value, path, "validityPeriodStart", "validityPeriodEnd"),
    ):
        first, last = micros(holder, start), micros(holder, end)
        if first is not None and last is not None and last <= first:
            do = "correct one of them"
            said = f"after {start} {holder[start]}"
            yield wrong("TIMES", below(where, end), str(holder[end]), said, do)
    end_us, from_us = micros(pcf, "referencePeriodEnd"), moment(f"{_SHARE_FROM}T00:00:00Z").micros
    if end_us is not None and end_us >= from_us and pcf.get("primaryDataShare") is None:
        do = f"required for periods that end from {_SHARE_FROM} on: state it, by emissions"
        where = below(at, "primaryDataShare")
        yield wrong("PRIMARY_SHARE_MISSING", where, "nothing", "a share in percent", do)


def _geography(pcf: Object, at: str) -> Iterator[Finding]:
    said = [name for name in _GEOGRAPHY if pcf.get(name) is not None]
    if len(said) > 1:
        do = "keep the one that says the scope"
        yield wrong("GEOGRAPHY", below(at, said[1]), ", ".join(said), "at most one of them", do)
    if pcf.get("packagingEmissionsIncluded") is False and pcf.get("packagingGhgEmissions"):
        where = below(at, "packagingGhgEmissions")
        do = "leave it out: packagingEmissionsIncluded is false"
        yield wrong("PACKAGING", where, shown(pcf["packagingGhgEmissions"]), "nothing", do)


def _frame(value: Object, path: str, one: Carried) -> Iterator[Finding]:
    """The extension itself."""
    at, extension = next(
        found for found in objects(value, "extensions", path) if below(found[0], "data") == one.path
    )
    schema = ileap.DATA_SCHEMA.format(ileap.FILES[one.kind])
    for name, expected in (("specVersion", EXTENSION_VERSION), ("dataSchema", schema)):
        said = text(extension, name)
        if said is not None and said != expected:
            yield wrong("EXTENSION", below(at, name), said, expected, f"write {expected}")


def _identity(value: Object, path: str, kind: str, form: str, inner: Object) -> Iterator[Finding]:
    name, said = text(inner, _ID_FIELDS[kind]), value.get("productIds")
    if name is not None and isinstance(said, list):
        right = [
            spelt
            for by in ("vendor", "buyer")
            for spelt in (product_id(kind, name, by), PRODUCT_ID.format(by, kind, name))
        ]
        if not any(one in said for one in right):
            do = f"add it: the footprint is of this {kind}"
            where = below(path, "productIds")
            yield wrong("PRODUCT_ID", where, shown(said), right[0], do)
    if form == "pact2":
        code = text(value, "productCategoryCpc")
        if code is not None and code != CPC:
            do = "logistics services have this code"
            yield wrong("CPC", below(path, "productCategoryCpc"), code, CPC, do)
        return
    classes = value.get("productClassifications")
    if not isinstance(classes, list) or not any(str(one).endswith(f":{CPC}") for one in classes):
        do = "add the class of logistics services"
        where = below(path, "productClassifications")
        yield wrong("CPC", where, shown(classes), CPC_URN, do)


def _constants(pcf: Object, at: str, kind: str, form: str) -> Iterator[Finding]:
    names = _NAMES[form]
    unit = "kilogram" if kind == "hoc" else "ton kilometer"
    said = text(pcf, names.unit)
    if said is not None and said != unit:
        yield wrong("UNIT", below(at, names.unit), said, unit, f"a {kind} is declared in {unit}")
    if pcf.get("packagingEmissionsIncluded") is True:
        where = below(at, "packagingEmissionsIncluded")
        yield wrong("PACKAGING", where, "true", "false", "logistics has no packaging: write false")
    standards = pcf.get("crossSectoralStandards")
    if isinstance(standards, list) and "ISO14083" not in standards:
        where = below(at, "crossSectoralStandards")
        do = "add the standard of transport chains"
        yield wrong("STANDARD", where, shown(standards), "ISO14083 among them", do)


def _amounts(
    pcf: Object, at: str, kind: str, form: str, told: Sequence[Element], inner: Object
) -> Iterator[Finding]:
    names = _NAMES[form]
    amount, kg = decimal(pcf, names.amount), decimal(pcf, names.pcf)
    fossil = decimal(pcf, "fossilGhgEmissions")
    if kg is not None and fossil is not None and off(fossil, kg):
        do = f"iLEAP has one number for both: write {names.pcf}"
        yield differs("FOSSIL", below(at, "fossilGhgEmissions"), fossil, kg, plain(kg), do)
    including = decimal(pcf, "pcfIncludingBiogenicUptake")
    if kg is not None and including is not None and including > kg:
        where, said = below(at, "pcfIncludingBiogenicUptake"), f"at most {names.pcf} {plain(kg)}"
        do = "uptake takes away: correct one of them"
        yield differs("BIOGENIC", where, including, kg, said, do)
    if kind == "shipment":
        do = "correct the sum, or the element that it does not fit"
        for name, said_, parts in (
            (names.amount, amount, [(one.stated_tkm, one.tkm) for one in told]),
            (names.pcf, kg, [(one.stated_kg, one.kg) for one in told]),
        ):
            code = "TKM" if name == names.amount else "CO2E"
            yield from _sum(code, below(at, name), said_, parts, do)
        return
    if amount is not None and kind == "hoc" and amount != 1000:
        where, do = below(at, names.amount), "the intensity is per tonne"
        yield differs("AMOUNT", where, amount, Decimal(1000), "1000", do)
    yield from _intensity(below(at, names.pcf), amount, kg, kind, inner)


def _sum(
    code: str,
    path: str,
    stated: Decimal | None,
    parts: list[tuple[Decimal | None, Decimal | None]],
    do: str,
) -> Iterator[Finding]:
    as_said = [one for one, _ in parts if one is not None]
    corrected = [one for _, one in parts if one is not None]
    if stated is None or not parts or min(len(as_said), len(corrected)) < len(parts):
        return
    added, right = summed(as_said), summed(corrected)
    if not off(stated, right):
        return
    if off(stated, added):
        how = _added(added, as_said)
        yield differs(f"SUM_{code}", path, stated, added, how, do)
    else:
        how = _added(right, corrected)
        do = "the sum of what is stated: it changes with the elements that are named"
        yield differs(f"TOTAL_{code}", path, stated, right, how, do)


def _added(whole: Decimal, parts: list[Decimal]) -> str:
    if len(parts) > _ELEMENTS_MAX:
        return f"{plain(whole)} = the sum of {len(parts)} elements"
    return f"{plain(whole)} = {' + '.join(plain(one) for one in parts)}"


def _intensity(
    path: str, amount: Decimal | None, kg: Decimal | None, kind: str, inner: Object
) -> Iterator[Finding]:
    intensity = decimal(inner, "co2eIntensityWTW")
    if amount is None or kg is None or intensity is None:
        return
    if kind == "hoc":
        expected, how = intensity, "co2eIntensityWTW, per tonne"
    else:
        expected, how = CONTEXT.multiply(intensity, amount), f"co2eIntensityWTW x {plain(amount)}"
    unit = text(inner, "transportActivityUnit") or text(inner, "hubActivityUnit") or ""
    if unit.startswith("TEU"):
        if kg and not _TEU_T[0] <= CONTEXT.divide(expected, kg) <= _TEU_T[1]:
            do = f"divide the intensity per {unit} by the tonnes of a TEU"
            said = f"{plain(expected)} / {plain(_TEU_T[0])} to {plain(_TEU_T[1])} t"
            yield differs("UNIT", path, kg, expected, said, do)
    elif off(kg, expected):
        do = "correct one of them"
        yield differs("INTENSITY", path, kg, expected, f"{plain(expected)} = {how}", do)


def _mass(pcf: Object, at: str, kind: str, profile: Profile, inner: Object) -> Iterator[Finding]:
    said, where = (
        decimal(pcf, "productMassPerDeclaredUnit"),
        below(at, "productMassPerDeclaredUnit"),
    )
    mass = {"toc": _ONE, "hoc": Decimal(1000)}.get(kind, decimal(inner, "mass"))
    expected = Decimal(0) if profile == "pact" and kind != "hoc" else mass
    if said is not None and expected is not None and off(said, expected):
        do = (
            "PACT 3: a service has no mass (--profile ileap: the mass of the shipment)"
            if not expected
            else "iLEAP 1.0: the mass that is carried (--profile pact: 0)"
        )
        yield differs("MASS", where, said, expected, plain(expected), do)


def _share(pcf: Object, at: str, told: Sequence[Element]) -> Iterator[Finding]:
    """A share of primary data that is one by tkm: PACT means the share of the emissions."""
    said = percent(pcf, "primaryDataShare")
    if said is None or not 0 < said < _100 or not 2 <= len(told) <= _ELEMENTS_MAX:
        return
    resolution = CONTEXT.multiply(half_digit(said), Decimal(2))
    if CONTEXT.multiply(resolution, Decimal(2 ** len(told) - 2)) > _ODDS:
        return
    by_kg, by_tkm = _parts(told, "kg"), _parts(told, "tkm")
    near = half_digit(said)
    if any(gap(said, one) <= near for one in by_kg.values()):
        return
    for names, part in by_tkm.items():
        if gap(said, part) <= near and names in by_kg:
            right = by_kg[names].quantize(Decimal("0.01"), context=CONTEXT)
            which = ", ".join(names)
            do = f"{plain(said)} % is the share of {which} by tkm; by emissions it is {right} %"
            where = below(at, "primaryDataShare")
            yield differs("PRIMARY_SHARE_BY_TKM", where, said, right, f"{right} = by emissions", do)
            return


def _parts(told: Sequence[Element], name: str) -> dict[tuple[str, ...], Decimal]:
    """The share in percent of each choice of elements, but for none and all of them."""
    values = {one.tce_id: getattr(one, name) for one in told}
    if len(values) < len(told) or any(one is None for one in values.values()):
        return {}
    whole = summed(values.values())
    if not whole:
        return {}
    return {
        names: CONTEXT.multiply(CONTEXT.divide(summed(values[one] for one in names), whole), _100)
        for size in range(1, len(told))
        for names in combinations(values, size)
    }
