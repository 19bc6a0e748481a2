"""Totals of many footprints: by mode, hub, lane and month, data quality, what is not in them.

Only computed footprints without a planned element are in a total. Sums are exact; what one member
of a sum does not know the sum does not know, and how much of it is known stands beside it.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct

from supplytwin.processors.carbon_parts import (
    ZERO,
    Number,
    minus,
    over,
    summed,
    times,
    total,
)
from supplytwin.processors.carbon_selection import Consignment
from supplytwin.schemas.footprints import Footprint, Leg

M = TypeVar("M", Footprint, Leg)
_PLACE = Decimal("1e-9")
"""The last place that a file of the sink keeps."""
NO_LANE, NO_MONTH, NO_MODE, NO_HUB = (
    "lane not known", "month not known", "mode not known", "type not stated",
)  # fmt: skip


class Known(Struct, frozen=True, kw_only=True):
    """The part of a sum that is known, and of how many members."""

    kg: Number
    members: int


class Sum(Struct, frozen=True, kw_only=True):
    """Members of a group together. kg CO2e, tkm, t; null = a member does not say it."""

    name: str
    members: int
    wtw_kg: Number
    wtt_kg: Number
    ttw_kg: Number
    tkm: Number
    hub_t: Number
    """Tonnes that left hubs; null also where there is no hub."""
    wtw_kg_per_tkm: Number
    ttw_kg_per_tkm: Number
    wtw_kg_per_t: Number
    share: Number = None
    """Of the WTW of everything that is computed."""


class Quality(Struct, frozen=True, kw_only=True):
    """WTW by where the data are from: kg, and as shares, which sum to 1."""

    primary_kg: Decimal
    modelled_kg: Decimal
    default_kg: Decimal
    not_stated_kg: Decimal
    """Of footprints that do not say it."""
    primary: Number
    modelled: Number
    default: Number
    not_stated: Number
    primary_by_tkm: Number
    """Null when a footprint with transport does not say it."""


class Flow(Struct, frozen=True, kw_only=True):
    """What goes along a lane by a mode or through a type of hub."""

    lane: str
    by: str
    wtw_kg: Decimal


class Totals(Struct, frozen=True, kw_only=True):
    """Everything that is computed and has happened."""

    whole: Sum
    wtt_known: Known
    ttw_known: Known
    transport: Sum
    modes: tuple[Sum, ...]
    hubs: tuple[Sum, ...]
    lanes: tuple[Sum, ...]
    months: tuple[Sum, ...]
    flows: tuple[Flow, ...]
    quality: Quality
    energy: tuple[tuple[str, str, Decimal], ...]
    """(carrier, unit, quantity) that was measured."""
    unlike_elements: tuple[str, ...]
    """``CHAIN CONSIGNMENT`` whose elements, as the file has them, do not sum to the total."""


def number(text: str | None) -> Number:
    """A decimal of a record."""
    return None if text is None else Decimal(text)


def totals(counted: Sequence[Consignment]) -> Totals:
    """The totals of footprints that are computed: see `Consignment.standing`."""
    prints = [one.footprint for one in counted]
    legs = [leg for one in counted for leg in one.legs]
    whole = added("all", prints, [leg for leg in legs if leg.kind == "HUB"])
    of = whole.wtw_kg
    lane_of = {id(leg): one.lane or NO_LANE for one in counted for leg in one.legs}
    lanes = {id(one.footprint): one.lane or NO_LANE for one in counted}
    moved = [leg for leg in legs if leg.kind == "TRANSPORT"]
    stood = [leg for leg in legs if leg.kind == "HUB"]
    return Totals(
        whole=whole,
        wtt_known=_known(number(one.co2e_wtt_kg) for one in prints),
        ttw_known=_known(number(one.co2e_ttw_kg) for one in prints),
        transport=added("transport", moved),
        modes=_largest(moved, lambda leg: leg.mode or NO_MODE, of),
        hubs=_largest(stood, hub_name, of),
        lanes=_largest(prints, lambda one: lanes[id(one)], of),
        months=tuple(sorted(_largest(prints, month, of), key=lambda one: one.name)),
        flows=_flows(legs, lambda leg: lane_of[id(leg)]),
        quality=_quality(prints, whole),
        energy=_energy(legs),
        unlike_elements=tuple(_unlike(counted)),
    )


def hub_name(leg: Leg) -> str:
    """The type of a hub, or the category where none is stated."""
    return leg.hub_type or leg.hoc_id or NO_HUB


def month(one: Footprint) -> str:
    """The month in which the transport of a footprint ended, as YYYY-MM."""
    return NO_MONTH if one.period_last is None else one.period_last[:7]


def added(
    name: str,
    members: Sequence[Footprint | Leg],
    hubs: Sequence[Leg] | None = None,
    of: Number = None,
) -> Sum:
    """Members together; of none at all nothing is known. `hubs` = whose tonnes count, `of` = what
    the share is of.
    """
    hubs = [one for one in members if isinstance(one, Leg)] if hubs is None else hubs
    wtw = _all(one.co2e_wtw_kg for one in members)
    ttw = _all(one.co2e_ttw_kg for one in members)
    tkm = _all(one.activity_tkm for one in members)
    hub_t = _all(one.hub_activity_t for one in hubs)
    return Sum(
        name=name,
        members=len(members),
        wtw_kg=wtw,
        wtt_kg=_all(one.co2e_wtt_kg for one in members),
        ttw_kg=ttw,
        tkm=tkm,
        hub_t=hub_t,
        wtw_kg_per_tkm=over(wtw, tkm),
        ttw_kg_per_tkm=over(ttw, tkm),
        wtw_kg_per_t=over(wtw, hub_t),
        share=over(wtw, of),
    )


def _all(texts: Iterable[str | None]) -> Number:
    """The sum; unknown when a member is, or when there is none."""
    given = [number(text) for text in texts]
    return total(given) if given else None


def _known(values: Iterable[Number]) -> Known:
    given = [value for value in values if value is not None]
    return Known(kg=summed(given) if given else None, members=len(given))


def _largest(members: Sequence[M], by: Callable[[M], str], of: Number) -> tuple[Sum, ...]:
    """A sum for each name that `by` gives, the largest first."""
    groups: dict[str, list[M]] = {}
    for one in members:
        groups.setdefault(by(one), []).append(one)
    made = [added(name, some, of=of) for name, some in groups.items()]
    return tuple(sorted(made, key=lambda one: (-(one.wtw_kg or ZERO), one.name)))


def _flows(legs: Iterable[Leg], lane_of: Callable[[Leg], str]) -> tuple[Flow, ...]:
    found: dict[tuple[str, str], list[Decimal]] = {}
    for leg in legs:
        kg = number(leg.co2e_wtw_kg)
        by = hub_name(leg) if leg.kind == "HUB" else leg.mode or NO_MODE
        if kg is not None:
            found.setdefault((lane_of(leg), by), []).append(kg)
    made = [Flow(lane=lane, by=by, wtw_kg=summed(some)) for (lane, by), some in found.items()]
    return tuple(sorted(made, key=lambda one: (-one.wtw_kg, one.lane, one.by)))


def _quality(prints: Sequence[Footprint], whole: Sum) -> Quality:
    parts: list[tuple[Number, Number, Number, Number]] = []
    for one in prints:
        kg = number(one.co2e_wtw_kg)
        own, model = times(kg, number(one.primary_share)), times(kg, number(one.modelled_share))
        rest = minus(minus(kg, own or ZERO), model or ZERO)
        stated = own is not None and model is not None
        parts.append((own, model, rest if stated else None, None if stated else rest))
    sums = [summed(kg for kg in some if kg is not None) for some in zip(*parts, strict=True)]
    sums = sums or [ZERO] * 4
    shares = [over(one, whole.wtw_kg) for one in sums]
    moved = [one for one in prints if number(one.activity_tkm) != 0]
    by_tkm = total(
        times(number(one.primary_share_by_tkm), number(one.activity_tkm)) for one in moved
    )
    return Quality(
        primary_kg=sums[0], modelled_kg=sums[1], default_kg=sums[2], not_stated_kg=sums[3],
        primary=shares[0], modelled=shares[1], default=shares[2], not_stated=shares[3],
        primary_by_tkm=over(by_tkm, whole.tkm),
    )  # fmt: skip


def _energy(legs: Iterable[Leg]) -> tuple[tuple[str, str, Decimal], ...]:
    found: dict[tuple[str, str], list[Decimal]] = {}
    for leg in legs:
        for text in leg.energy:
            carrier, quantity, unit = text.rsplit(";", 2)
            found.setdefault((carrier, unit), []).append(Decimal(quantity))
    return tuple((*name, summed(some)) for name, some in sorted(found.items()))


def _unlike(counted: Iterable[Consignment]) -> Iterable[str]:
    """A file may have a footprint before it has the elements of it."""
    for one in counted:
        own = _all(leg.co2e_wtw_kg for leg in one.legs)
        apart = minus(number(one.footprint.co2e_wtw_kg), own)
        if apart is None or apart.copy_abs() > _PLACE * (len(one.legs) + 1):
            yield f"{one.footprint.chain_id} {one.footprint.consignment_id}"
