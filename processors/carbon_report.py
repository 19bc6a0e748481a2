"""Totals of a chain: by kind, mode, hub and consignment, shares of data types, what differs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from supplytwin.processors.carbon_categories import co2e
from supplytwin.processors.carbon_element import Element
from supplytwin.processors.carbon_factors import GIVEN, Found
from supplytwin.processors.carbon_parts import (
    UNKNOWN,
    ZERO,
    Number,
    Parts,
    minus,
    over,
    summed,
    times,
    together,
    total,
)
from supplytwin.schemas.calculated import Co2e, DataQuality, Difference, Group, TceResult
from supplytwin.schemas.calculation import Period, Request, Stated
from supplytwin.schemas.findings import Finding

YEARS_APART = 2
"""Factors of a year further from the transport than this are warned of: fleets and fuels change."""


def group(name: str, elements: Sequence[Element]) -> Group:
    """Elements together; what one of them does not know, the sum does not know."""
    parts = together(one.parts for one in elements) if elements else UNKNOWN
    done = total(one.result.transport_activity_tkm for one in elements)
    hub = [one.result.hub_activity_t for one in elements if one.result.kind == "HUB"]
    return Group(
        name=name,
        elements=len(elements),
        transport_activity_tkm=done,
        hub_activity_t=total(hub) if hub else None,
        co2e=co2e(parts),
        intensity_wtw_kg_per_tkm=over(parts.wtw, done),
    )


def grouped(
    elements: Sequence[Element], by: Callable[[TceResult], str | None]
) -> tuple[Group, ...]:
    """A group for each name that `by` gives, by name."""
    found: dict[str, list[Element]] = {}
    for one in elements:
        name = by(one.result)
        if name is not None:
            found.setdefault(name, []).append(one)
    return tuple(group(name, members) for name, members in sorted(found.items()))


def computed(elements: Sequence[Element]) -> Co2e:
    """The sum of what is known, part by part: less than the total when something is missing."""
    parts = [one.parts for one in elements]
    return co2e(
        Parts(
            wtt=summed(one.wtt for one in parts if one.wtt is not None),
            ttw=summed(one.ttw for one in parts if one.ttw is not None),
            wtw=summed(one.wtw for one in parts if one.wtw is not None),
        )
    )


def primary_shares(elements: Sequence[Element]) -> tuple[Number, Number]:
    """Share of primary data by emissions (as PACT defines it), and by tkm."""
    made = []
    for weight in (_wtw, _tkm):
        counted = [one for one in elements if weight(one) != 0]
        primary = total(times(one.result.primary_share, weight(one)) for one in counted)
        made.append(over(primary, total(weight(one) for one in counted)))
    return made[0], made[1]


def _wtw(one: Element) -> Number:
    return one.parts.wtw


def _tkm(one: Element) -> Number:
    return one.result.transport_activity_tkm


def quality(elements: Sequence[Element]) -> DataQuality:
    """Shares of WTW by data type; a stated share of a supplier's number counts as primary, the
    rest of it as default.
    """
    sums: dict[str, list[Number]] = {"PRIMARY": [], "MODELLED": [], "DEFAULT": []}
    for one in elements:
        wtw, share = one.parts.wtw, one.result.primary_share
        sort = one.result.data_type or "DEFAULT"
        if sort == "PRIMARY":
            sums["PRIMARY"].append(times(wtw, share))
            sums["DEFAULT"].append(minus(wtw, times(wtw, share)))
        else:
            sums[sort].append(wtw)
    whole = total(_wtw(one) for one in elements)
    return DataQuality(
        primary=over(total(sums["PRIMARY"]), whole),
        modelled=over(total(sums["MODELLED"]), whole),
        default=over(total(sums["DEFAULT"]), whole),
    )


def warnings(factors: Mapping[str, Found], period: Period | None) -> tuple[Finding, ...]:
    """What a reader has to know before comparing the total with another one."""
    made = [*_of_other_years(factors, period)]
    packs = sorted({found.pack for found in factors.values()})
    if len(packs) > 1:
        named = ", ".join("given without a pack" if name == GIVEN else name for name in packs)
        says = f"factors of {len(packs)} packs are in one total: {named}"
        made.append(Finding(path="$", code="MIXED_PACKS", says=says))
    bases = sorted({found.factor.gwp for found in factors.values()} - {"not stated"})
    if len(bases) > 1:
        says = f"factors of different GWP are in one total: {'; '.join(bases)}"
        made.append(Finding(path="$", code="MIXED_GWP", says=says))
    return tuple(made)


def _of_other_years(factors: Mapping[str, Found], period: Period | None) -> Iterator[Finding]:
    if period is None:
        return
    first, last = int(period.first[:4]) - YEARS_APART, int(period.last[:4]) + YEARS_APART
    years = {found.factor.year for found in factors.values() if found.factor.year}
    others = sorted(year for year in years if not first <= year <= last)
    if others:
        told = ", ".join(map(str, others))
        says = f"factors of {told} for transport from {period.first} to {period.last}"
        yield Finding(path="$", code="FACTOR_YEAR", says=says)


def differences(
    request: Request,
    elements: Sequence[Element],
    whole: Group,
    by_emissions: Number,
    by_tkm: Number,
) -> tuple[Difference, ...]:
    """Stated numbers that are not ours, by more than half of their own last place."""
    found = list(
        _differing("$.stated", request.stated, whole.co2e, whole.transport_activity_tkm,
                   by_emissions, by_tkm)
    )  # fmt: skip
    stated = {one.tce_id: (at, one.stated) for at, one in enumerate(request.tces)}
    for one in elements:
        at, said = stated[one.result.tce_id]
        share, tkm = one.result.primary_share, one.result.transport_activity_tkm
        path = f"$.tces[{at}].stated"
        found += _differing(path, said, one.result.co2e, tkm, share, share)
    return tuple(sorted(found, key=lambda one: one.path))


def _differing(
    path: str,
    said: Stated | None,
    emitted: Co2e,
    tkm: Number,
    by_emissions: Number,
    by_tkm: Number,
) -> Iterator[Difference]:
    if said is None:
        return
    for name, ours in (
        ("transport_activity_tkm", tkm),
        ("co2e_wtw_kg", emitted.co2e_wtw_kg),
        ("co2e_wtt_kg", emitted.co2e_wtt_kg),
        ("co2e_ttw_kg", emitted.co2e_ttw_kg),
        ("primary_share_by_emissions", by_emissions),
        ("primary_share_by_tkm", by_tkm),
    ):
        theirs: Decimal | None = getattr(said, name)
        if theirs is None:
            continue
        delta = minus(theirs, ours)
        if delta is None or delta.copy_abs() > _half_place(theirs):
            yield Difference(path=f"{path}.{name}", stated=theirs, computed=ours, delta=delta)


def _half_place(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal(5).scaleb(exponent - 1) if exponent <= 0 else ZERO
