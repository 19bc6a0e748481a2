"""The factors of a report, each with what is known of it: from its pack, or from the records."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from supplytwin.processors.carbon_figures import number
from supplytwin.processors.carbon_parts import Number
from supplytwin.processors.carbon_selection import Consignment
from supplytwin.schemas.factor_form import Factor, Pack
from supplytwin.schemas.footprints import Leg


class Listed(Struct, frozen=True, kw_only=True):
    """One factor. Null = not known here. `applied` = the numbers are those of an element, which may
    hold an uplift, not the publisher's.
    """

    ref: str
    pack: str
    consignments: int
    applied: bool
    what: str | None = None
    unit: str | None = None
    wtw: Number = None
    wtt: Number = None
    ttw: Number = None
    gwp: str | None = None
    region: str | None = None
    year: int | None = None
    source: str | None = None
    page: str | None = None
    licence: str | None = None
    distance_basis: str | None = None
    daf_included: str | None = None


def listed(some: Iterable[Consignment], packs: Sequence[Pack]) -> tuple[Listed, ...]:
    """Every factor of these footprints once, by name. `packs` = those that are at hand."""
    counted, alone = Counter[str](), dict[str, list[Leg]]()
    for one in some:
        refs = set(one.footprint.factors)
        for leg in one.legs:
            mine = refs_of(leg)
            refs.update(mine)
            if len(mine) == 1:
                alone.setdefault(mine[0], []).append(leg)
        counted.update(refs)
    known = {f"{pack.name}/{one.id}": (pack, one) for pack in packs for one in pack.factors}
    return tuple(
        _of_pack(ref, count, *known[ref])
        if ref in known
        else _of_records(ref, count, alone.get(ref, ()))
        for ref, count in sorted(counted.items())
    )


def refs_of(leg: Leg) -> tuple[str, ...]:
    """``PACK/ID`` of the factors of an element; older records name one, without its pack."""
    if leg.factors or leg.factor_id is None:
        return leg.factors
    pack = f"{leg.pack}-{leg.pack_version}/"
    return (leg.factor_id if leg.factor_id.startswith(pack) else pack + leg.factor_id,)


def named(packs: Iterable[str], at_hand: Sequence[Pack]) -> Mapping[str, Pack | None]:
    """Each pack of a report, null where it is not at hand."""
    known = {pack.name: pack for pack in at_hand}
    return {name: known.get(name) for name in sorted(set(packs))}


def _of_pack(ref: str, count: int, pack: Pack, one: Factor) -> Listed:
    return Listed(
        ref=ref,
        pack=pack.name,
        consignments=count,
        applied=False,
        what=one.what,
        unit=one.unit,
        wtw=one.wtw,
        wtt=one.wtt,
        ttw=one.ttw,
        gwp=one.gwp,
        region=one.region,
        year=one.year,
        source=one.source,
        page=one.page,
        licence=one.licence,
        distance_basis=one.distance_basis,
        daf_included=one.daf_included,
    )


def _of_records(ref: str, count: int, legs: Sequence[Leg]) -> Listed:
    """What the elements that rest on it alone say, where they all say the same."""
    said = {
        (leg.intensity_unit, leg.intensity_wtw, leg.intensity_wtt, leg.intensity_ttw)
        for leg in legs
        if leg.intensity_unit is not None
    }
    unit, wtw, wtt, ttw = said.pop() if len(said) == 1 else (None, None, None, None)
    return Listed(
        ref=ref,
        pack=ref.partition("/")[0] if "/" in ref else "",
        consignments=count,
        applied=unit is not None,
        unit=unit,
        wtw=number(wtw),
        wtt=number(wtt),
        ttw=number(ttw),
    )
