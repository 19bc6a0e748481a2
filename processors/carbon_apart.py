"""What stands beside the totals of a report, never in them: plans, what could not be computed, how
far the total could be another one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.carbon_figures import Totals, added, number
from supplytwin.processors.carbon_parts import ONE, Number, minus, over, summed
from supplytwin.processors.carbon_selection import Consignment
from supplytwin.schemas.footprints import Footprint, Leg

NO_TOTAL = "NO_TOTAL:the footprint is said to be complete and has no total"


class Text(Struct, frozen=True, kw_only=True):
    """One wording of a note, and how many footprints have it."""

    says: str
    footprints: int


class Note(Struct, frozen=True, kw_only=True):
    """Notes of one code, the most frequent wording first."""

    code: str
    footprints: int
    texts: tuple[Text, ...]


class UnderWay(Struct, frozen=True, kw_only=True):
    """Complete footprints with an element that is known by a plan alone."""

    consignments: int
    happened_kg: Number
    planned_kg: Number


class Incomplete(Struct, frozen=True, kw_only=True):
    """Footprints that could not be computed whole."""

    consignments: int
    computed_kg: Number
    """Their computed part, plans included: it is in no total."""
    planned_kg: Number
    """How much of that is a plan."""
    without_part: int
    """Those of which nothing could be computed."""
    reasons: tuple[Note, ...]


class Unadjusted(Struct, frozen=True, kw_only=True):
    """The total with every distance adjustment (DAF) taken as 1."""

    total_kg: Number
    elements: int
    """Those whose DAF is not 1."""
    bases: tuple[tuple[str, int], ...]
    """(distance basis, elements) of these."""


class OtherPacks(Struct, frozen=True, kw_only=True):
    """The same consignments, of the same inputs, as a version on other packs had them."""

    now: tuple[str, ...]
    then: tuple[str, ...]
    consignments: int
    now_kg: Decimal
    then_kg: Decimal


class ByPacks(Struct, frozen=True, kw_only=True):
    """The part of a total that rests on one set of packs."""

    packs: tuple[str, ...]
    consignments: int
    wtw_kg: Number


class Spread(Struct, frozen=True, kw_only=True):
    """Why the total could be another one, and which, as far as stored numbers show it."""

    low_kg: Number
    high_kg: Number
    """Of the total as it is and without adjustment; null where that is not known."""
    unadjusted: Unadjusted
    by_packs: tuple[ByPacks, ...]
    other_packs: tuple[OtherPacks, ...]


def notes(
    some: Iterable[Consignment], of: Callable[[Footprint], Iterable[str]]
) -> tuple[Note, ...]:
    """``CODE:what`` texts by code, each counted once for a footprint; most footprints first. The
    name of an element before a text is left out: what is said of many is one wording.
    """
    footprints, wordings = Counter[str](), dict[str, Counter[str]]()
    for one in some:
        before = [f"{leg.tce_id}: " for leg in one.legs]
        said = set[tuple[str, str]]()
        for text in of(one.footprint):
            code, _, what = text.partition(":")
            named = max((name for name in before if what.startswith(name)), key=len, default="")
            said.add((code, what[len(named) :]))
        footprints.update({code for code, _ in said})
        for code, what in said:
            wordings.setdefault(code, Counter())[what] += 1
    return tuple(
        Note(
            code=code,
            footprints=count,
            texts=tuple(
                Text(says=says, footprints=times)
                for says, times in sorted(wordings[code].items(), key=lambda one: (-one[1], one[0]))
            ),
        )
        for code, count in sorted(footprints.items(), key=lambda one: (-one[1], one[0]))
    )


def missing(one: Footprint) -> tuple[str, ...]:
    """Why a footprint has no total."""
    return one.missing or ((NO_TOTAL,) if one.co2e_wtw_kg is None else ())


def packs_of(one: Footprint) -> tuple[str, ...]:
    """The packs that a footprint rests on; where it names none, that of its defaults."""
    return tuple(sorted(one.packs)) or (f"{one.pack}-{one.pack_version}",)


def under_way(some: Sequence[Consignment]) -> UnderWay:
    """Of footprints that stand so."""
    legs = [leg for one in some for leg in one.legs]
    return UnderWay(
        consignments=len(some),
        happened_kg=_kg(leg for leg in legs if not leg.planned),
        planned_kg=_kg(leg for leg in legs if leg.planned),
    )


def incomplete(some: Sequence[Consignment]) -> Incomplete:
    """Of footprints that stand so."""
    texts = [one.footprint.computed_wtw_kg for one in some]
    parts = [Decimal(text) for text in texts if text is not None]
    with_part = [kg for kg in parts if kg]
    return Incomplete(
        consignments=len(some),
        computed_kg=summed(with_part) if with_part else None,
        planned_kg=_planned(some),
        without_part=len(some) - len(with_part),
        reasons=notes(some, missing),
    )


def _planned(some: Sequence[Consignment]) -> Number:
    known = [
        Decimal(leg.co2e_wtw_kg)
        for one in some
        for leg in one.legs
        if leg.planned and leg.co2e_wtw_kg is not None
    ]
    return summed(known) if known else None


def _kg(legs: Iterable[Leg]) -> Number:
    """Their WTW; 0 where there is none of them, null where one of them has none."""
    members = tuple(legs)
    return added("", members).wtw_kg if members else Decimal(0)


def spread(counted: Sequence[Consignment], totals: Totals) -> Spread:
    """Of footprints that are computed, and their totals."""
    total_kg = totals.whole.wtw_kg
    without = _unadjusted(counted, None if totals.unlike_elements else total_kg)
    known = [kg for kg in (total_kg, without.total_kg) if kg is not None]
    sets: dict[tuple[str, ...], list[Footprint]] = {}
    for one in counted:
        sets.setdefault(packs_of(one.footprint), []).append(one.footprint)
    return Spread(
        low_kg=min(known) if len(known) == 2 else None,
        high_kg=max(known) if len(known) == 2 else None,
        unadjusted=without,
        by_packs=tuple(
            ByPacks(packs=packs, consignments=len(some), wtw_kg=added("", some).wtw_kg)
            for packs, some in sorted(sets.items())
        ),
        other_packs=_other_packs(counted),
    )


def _unadjusted(counted: Sequence[Consignment], total_kg: Number) -> Unadjusted:
    """The total less what the adjustment of each element adds: kg - kg / DAF. `total_kg` null =
    it is not known, or the elements of it are not all there.
    """
    bases, less = Counter[str](), list[Number]()
    for one in counted:
        for leg in one.legs:
            factor = number(leg.daf)
            if factor is not None and factor != ONE:
                kg = number(leg.co2e_wtw_kg)
                bases[leg.distance_basis or "not stated"] += 1
                less.append(minus(kg, over(kg, factor)))
    known = [kg for kg in less if kg is not None]
    return Unadjusted(
        total_kg=minus(total_kg, summed(known)) if len(known) == len(less) else None,
        elements=len(less),
        bases=tuple(sorted(bases.items())),
    )


def _other_packs(counted: Sequence[Consignment]) -> tuple[OtherPacks, ...]:
    """Newest earlier version on each other set of packs, where the inputs are the same ones."""
    found: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[Decimal, Decimal]]] = {}
    for one in counted:
        now = one.footprint
        then: dict[tuple[str, ...], Decimal] = {}
        for old in one.earlier:
            alike = old.inputs == now.inputs is not None and old.complete and not old.planned
            if alike and old.co2e_wtw_kg is not None and packs_of(old) != packs_of(now):
                then[packs_of(old)] = Decimal(old.co2e_wtw_kg)
        for packs, kg in then.items():
            pair = (Decimal(now.co2e_wtw_kg or 0), kg)
            found.setdefault((packs_of(now), packs), []).append(pair)
    return tuple(
        OtherPacks(
            now=now,
            then=then,
            consignments=len(pairs),
            now_kg=summed(kg for kg, _ in pairs),
            then_kg=summed(kg for _, kg in pairs),
        )
        for (now, then), pairs in sorted(found.items())
    )
