"""Which footprints a report is about: the newest of each consignment, its lane, when it ended."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from supplytwin.schemas.footprints import Footprint, Leg

Standing = Literal["COMPUTED", "UNDER_WAY", "INCOMPLETE"]
_BETWEEN = " – "


class Selection(Struct, frozen=True, kw_only=True):
    """What was asked for; null = of all. A lane is ``FROM-TO``, a year YYYY, a month YYYY-MM."""

    chain_id: str | None = None
    lane: str | None = None
    year: str | None = None
    month: str | None = None


class Consignment(Struct, frozen=True, kw_only=True):
    """The newest footprint of a consignment, its elements, and the versions before it."""

    footprint: Footprint
    legs: tuple[Leg, ...]
    earlier: tuple[Footprint, ...]
    """Newest last."""
    lane: str | None
    """``FROM – TO``: where its transport begins and ends; null = that is not known."""

    @property
    def standing(self) -> Standing:
        """COMPUTED = it is in the totals; UNDER_WAY = an element of it is a plan."""
        if not self.footprint.complete or self.footprint.co2e_wtw_kg is None:
            return "INCOMPLETE"
        return "UNDER_WAY" if self.footprint.planned else "COMPUTED"


def consignments(footprints: Iterable[Footprint], legs: Iterable[Leg]) -> tuple[Consignment, ...]:
    """Each consignment once, by chain and name. Elements of other versions are left out."""
    versions: dict[tuple[str, str], list[Footprint]] = {}
    for one in footprints:
        versions.setdefault((one.chain_id, one.consignment_id), []).append(one)
    elements: dict[tuple[str, str, int], list[Leg]] = {}
    for leg in legs:
        elements.setdefault((leg.chain_id, leg.consignment_id, leg.version), []).append(leg)
    made = []
    for (chain, name), known in sorted(versions.items()):
        *earlier, newest = sorted(known, key=lambda one: (one.version, one.seq, one.index))
        mine = sorted(
            elements.get((chain, name, newest.version), ()), key=lambda leg: (leg.seq, leg.index)
        )
        made.append(
            Consignment(
                footprint=newest,
                legs=tuple(mine),
                earlier=tuple(one for one in earlier if one.version != newest.version),
                lane=lane(mine),
            )
        )
    return tuple(made)


def lane(legs: Sequence[Leg]) -> str | None:
    """Where the transport of a consignment begins and ends; null = a place of these is unknown.

    First and last by the order of the elements; where they have none, the places that it only
    leaves and only reaches. Several of them are all named.
    """
    transport = [leg for leg in legs if leg.kind == "TRANSPORT"]
    before = {leg.tce_id: set(leg.prev_tce_ids) for leg in legs}
    moving = {leg.tce_id for leg in transport}
    upstream = {leg.tce_id: _upstream(leg.tce_id, before, moving) for leg in transport}
    followed = set[str]().union(*upstream.values())
    starts = {leg.from_place for leg in transport if not upstream[leg.tce_id]}
    ends = {leg.to_place for leg in transport if leg.tce_id not in followed}
    known_starts = {place for place in starts if place}
    known_ends = {place for place in ends if place}
    if not starts or not ends or known_starts != starts or known_ends != ends:
        return None
    first = known_starts - known_ends or known_starts
    last = known_ends - known_starts or known_ends
    return f"{' + '.join(sorted(first))}{_BETWEEN}{' + '.join(sorted(last))}"


def _upstream(name: str, before: Mapping[str, set[str]], moving: set[str]) -> set[str]:
    """The nearest transport elements before an element, over whatever hubs are between."""
    found, todo, seen = set[str](), list(before[name]), set[str]()
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        if one in moving:
            found.add(one)
        else:
            todo += before.get(one, ())
    return found


def chosen(all_of_them: Iterable[Consignment], by: Selection) -> tuple[Consignment, ...]:
    """Those that the selection means: a consignment is of the period in which its transport ended,
    so one whose dates are unknown is of none.
    """
    period = by.month or by.year
    return tuple(
        one
        for one in all_of_them
        if (by.chain_id is None or one.footprint.chain_id == by.chain_id)
        and (by.lane is None or is_lane(by.lane, one.lane))
        and (period is None or (one.footprint.period_last or "").startswith(period))
    )


def is_lane(asked: str, known: str | None) -> bool:
    """Whether a lane is the one asked for, however the dash and capitals are written."""
    if known is None:
        return False
    spellings = {known.replace(_BETWEEN, dash) for dash in (_BETWEEN, "–", " - ", "-")}
    return asked.casefold() in {one.casefold() for one in spellings}
