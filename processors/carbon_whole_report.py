"""A report of footprints: everything that the page shows and `--json` prints, unrounded."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from supplytwin.processors.carbon_apart import (
    Incomplete,
    Note,
    Spread,
    UnderWay,
    incomplete,
    missing,
    notes,
    packs_of,
    spread,
    under_way,
)
from supplytwin.processors.carbon_factor_list import Listed, listed, named
from supplytwin.processors.carbon_figures import Totals, totals
from supplytwin.processors.carbon_kpi import Kpi, kpi
from supplytwin.processors.carbon_selection import Consignment, Selection, Standing, chosen
from supplytwin.schemas.factor_form import Pack
from supplytwin.schemas.footprints import Footprint, Leg

REFERENCE = "ISO 14083:2023, by the method of the GLEC Framework v3"


class PackUsed(Struct, frozen=True, kw_only=True):
    """A pack that footprints rest on; null = it is neither built in nor in the journal."""

    name: str
    title: str | None
    publisher: str | None
    licence: str | None
    note: str | None


class Version(Struct, frozen=True, kw_only=True):
    """One version of a footprint, short."""

    version: int
    previous_version: int | None
    complete: bool
    planned: bool
    wtw_kg: str | None
    packs: tuple[str, ...]
    input_hash: str
    missing: tuple[str, ...]


class Entry(Struct, frozen=True, kw_only=True):
    """A footprint of the report, by what it can be found and checked."""

    chain_id: str
    consignment_id: str
    standing: Standing
    lane: str | None
    newest: Version
    earlier: tuple[Version, ...]
    """The version before it last."""
    warnings: tuple[str, ...]
    deviations: tuple[str, ...]
    assumptions: tuple[str, ...]
    legs: tuple[Leg, ...] = ()
    """Of a single chain; so are `inputs`."""
    inputs: str | None = None


class Report(Struct, frozen=True, kw_only=True):
    """Numbers are exact; null = not known, never 0."""

    reference: str
    selection: Selection
    period_first: str | None
    period_last: str | None
    undated: int
    """Footprints of the selection without dates, or, where a period was asked for, those outside
    of it because their dates are not known."""
    distance_types: tuple[str, ...]
    """Of the elements that are in the totals."""
    consignments: int
    computed: int
    totals: Totals
    under_way: UnderWay
    incomplete: Incomplete
    without_footprint: int | None
    """Consignments of the twins without any footprint; null where a lane or a period was asked for:
    they have none."""
    unreadable: int
    spread: Spread
    kpi: Kpi | None
    packs: tuple[PackUsed, ...]
    factors: tuple[Listed, ...]
    warnings: tuple[Note, ...]
    deviations: tuple[Note, ...]
    assumptions: tuple[Note, ...]
    uncertainty: tuple[Note, ...]
    methods: tuple[str, ...]
    footprints: tuple[Entry, ...]
    as_of: tuple[str, ...]


class Beside(Struct, frozen=True, kw_only=True):
    """What the file says beside the footprints: see `Report`."""

    without_footprint: int
    unreadable: int
    as_of: tuple[str, ...]


def report(
    every: Sequence[Consignment],
    selection: Selection,
    baseline: str | None,
    packs: Sequence[Pack],
    beside: Beside,
) -> Report:
    """Of all footprints those that are asked for. `packs` = those at hand, `baseline` = the year
    that the selected one is compared with; null = the one before, if it has footprints.
    """
    some = chosen(every, selection)
    computed = _standing(some, "COMPUTED")
    prints = [one.footprint for one in some]
    made = totals(computed)
    period = selection.month or selection.year
    dates = [one.period_first for one in prints if one.period_first is not None]
    ends = [one.period_last for one in prints if one.period_last is not None]
    return Report(
        reference=REFERENCE,
        selection=selection,
        period_first=min(dates, default=None),
        period_last=max(ends, default=None),
        undated=_undated(every, selection),
        distance_types=tuple(sorted(_bases(computed))),
        consignments=len(some),
        computed=len(computed),
        totals=made,
        under_way=under_way(_standing(some, "UNDER_WAY")),
        incomplete=incomplete(_standing(some, "INCOMPLETE")),
        without_footprint=beside.without_footprint if not (period or selection.lane) else None,
        unreadable=beside.unreadable,
        spread=spread(computed, made),
        kpi=_kpi(every, selection, baseline),
        packs=_packs(prints, packs),
        factors=listed(some, packs),
        warnings=notes(some, lambda one: one.warnings),
        deviations=notes(some, lambda one: one.deviations),
        assumptions=notes(some, lambda one: one.assumptions),
        uncertainty=notes(some, _uncertainty),
        methods=tuple(sorted({one.method for one in prints})),
        footprints=tuple(_entry(one, whole=selection.chain_id is not None) for one in some),
        as_of=beside.as_of,
    )


def _standing(some: Iterable[Consignment], standing: Standing) -> list[Consignment]:
    return [one for one in some if one.standing == standing]


def _bases(some: Iterable[Consignment]) -> set[str]:
    of_prints = {basis for one in some for basis in one.footprint.distance_types}
    of_legs = {leg.distance_basis for one in some for leg in one.legs}
    return of_prints | {basis for basis in of_legs if basis is not None}


def _undated(every: Iterable[Consignment], selection: Selection) -> int:
    anytime = Selection(chain_id=selection.chain_id, lane=selection.lane)
    return sum(one.footprint.period_last is None for one in chosen(every, anytime))


def _uncertainty(one: Footprint) -> tuple[str, ...]:
    return () if one.uncertainty is None else (f":{one.uncertainty}",)


def _packs(prints: Iterable[Footprint], at_hand: Sequence[Pack]) -> tuple[PackUsed, ...]:
    used = {name for one in prints for name in packs_of(one)}
    return tuple(
        PackUsed(
            name=name,
            title=None if pack is None else pack.title,
            publisher=None if pack is None else pack.publisher,
            licence=None if pack is None else pack.licence,
            note=None if pack is None else pack.note,
        )
        for name, pack in named(used, at_hand).items()
    )


def _kpi(every: Sequence[Consignment], selection: Selection, baseline: str | None) -> Kpi | None:
    """Null when no year is asked for, or no baseline is and the year before has no footprints."""
    year = selection.year
    if year is None:
        return None
    before = baseline or f"{int(year) - 1:04}"

    def of(which: str) -> tuple[str, tuple[Consignment, ...]]:
        asked = Selection(chain_id=selection.chain_id, lane=selection.lane, year=which)
        return which, chosen(every, asked)

    if baseline is None and not of(before)[1]:
        return None
    return kpi(of(year), of(before))


def _entry(one: Consignment, *, whole: bool) -> Entry:
    newest = one.footprint
    return Entry(
        chain_id=newest.chain_id,
        consignment_id=newest.consignment_id,
        standing=one.standing,
        lane=one.lane,
        newest=_version(newest),
        earlier=tuple(_version(old) for old in one.earlier),
        warnings=newest.warnings,
        deviations=newest.deviations,
        assumptions=newest.assumptions,
        legs=one.legs if whole else (),
        inputs=newest.inputs if whole else None,
    )


def _version(one: Footprint) -> Version:
    return Version(
        version=one.version,
        previous_version=one.previous_version,
        complete=one.complete,
        planned=one.planned,
        wtw_kg=one.co2e_wtw_kg,
        packs=packs_of(one),
        input_hash=one.input_hash,
        missing=missing(one),
    )
