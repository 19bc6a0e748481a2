"""The year-on-year figure of a report: the relative change, on the same packs or not at all."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.carbon_apart import packs_of
from supplytwin.processors.carbon_figures import Sum, added
from supplytwin.processors.carbon_parts import Number, minus, over, relative_change
from supplytwin.processors.carbon_selection import Consignment

COVERAGE = Decimal("0.9")
"""A year is complete enough when so much of its consignments is computed; those under way do not
count."""


class Year(Struct, frozen=True, kw_only=True):
    """One of the two years."""

    year: str
    computed: int
    consignments: int
    coverage: Number
    wtw_kg: Number
    tkm: Number
    wtw_kg_per_tkm: Number
    packs: tuple[str, ...]


class Kpi(Struct, frozen=True, kw_only=True):
    """G_now - g_before x T_now: negative is an improvement. `refused` = why there is none."""

    now: Year
    before: Year
    relative_change_kg: Number
    relative_change_share: Number
    """Of what this year's transport would have emitted by the intensity of the year before."""
    improved: bool | None
    refused: tuple[str, ...]


def kpi(now: tuple[str, Sequence[Consignment]], before: tuple[str, Sequence[Consignment]]) -> Kpi:
    """Of two years and the consignments of each."""
    one, other = _year(*now), _year(*before)
    refused = tuple(_against(one, other, now[1], before[1]))
    change = None
    if not refused:
        change = relative_change(one.wtw_kg, other.wtw_kg_per_tkm, one.tkm)
    return Kpi(
        now=one,
        before=other,
        relative_change_kg=change,
        relative_change_share=over(change, minus(one.wtw_kg, change)),
        improved=None if change is None else change < 0,
        refused=refused,
    )


def _year(year: str, some: Sequence[Consignment]) -> Year:
    computed = [one.footprint for one in some if one.standing == "COMPUTED"]
    due = sum(one.standing != "UNDER_WAY" for one in some)
    whole: Sum = added(year, computed, ())
    return Year(
        year=year,
        computed=len(computed),
        consignments=due,
        coverage=over(Decimal(len(computed)), Decimal(due)),
        wtw_kg=whole.wtw_kg,
        tkm=whole.tkm,
        wtw_kg_per_tkm=whole.wtw_kg_per_tkm,
        packs=tuple(sorted({pack for one in computed for pack in packs_of(one)})),
    )


def _against(
    now: Year, before: Year, of_now: Sequence[Consignment], of_before: Sequence[Consignment]
) -> Iterable[str]:
    """Why the two years cannot be compared, each in a sentence."""
    for year in (now, before):
        if not year.consignments:
            yield f"{year.year} has no footprints in this selection"
        elif year.coverage is None or year.coverage < COVERAGE:
            yield (
                f"{year.computed} of {year.consignments} consignments of {year.year} are computed: "
                f"it takes {COVERAGE:.0%}"
            )
        elif year.tkm is None or not year.tkm:
            yield f"the transport activity of {year.year} is not known"
    if not now.computed or not before.computed:
        return
    if now.packs != before.packs:
        yield (
            f"{now.year} is on {', '.join(now.packs)}; {before.year} on {', '.join(before.packs)}: "
            "`supplytwin carbon restate` puts both on the same packs"
        )
    for year, some in ((now, of_now), (before, of_before)):
        first = {f"{one.footprint.pack}-{one.footprint.pack_version}" for one in _computed(some)}
        if len(first) > 1:
            yield (
                f"footprints of {year.year} take their defaults from different packs, "
                f"{', '.join(sorted(first))}: `supplytwin carbon restate` makes it one"
            )
    methods = [{one.footprint.method for one in _computed(some)} for some in (of_now, of_before)]
    if methods[0] != methods[1]:
        said = "; ".join(sorted(methods[0] | methods[1]))
        yield f"the two years are not by the same method: {said}"


def _computed(some: Iterable[Consignment]) -> Iterable[Consignment]:
    return (one for one in some if one.standing == "COMPUTED")
