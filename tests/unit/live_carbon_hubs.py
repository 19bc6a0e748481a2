"""A second reading of docs/carbon.md, "Hubs entered and left": from what is told at places to the
hubs before, between and behind the legs of a way. Places are opaque here, they are only compared.
"""

from collections.abc import Hashable, Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

GATE_IN, GATE_OUT = "shipment.gate_in", "shipment.gate_out"
RECEIVED, DISPATCHED = "wh.received", "wh.dispatched"
TERMINAL, TRANSSHIPMENT, WAREHOUSE = "MaritimeContainerTerminal", "Transshipment", "Warehouse"


class Passage(NamedTuple):
    """A gate, receipt or dispatch that is told of goods at a place."""

    kind: str
    place: Hashable
    day: date


class Stretch(NamedTuple):
    """A leg, or the one way of a consignment without legs; None = not known."""

    mode: str | None
    start: Hashable
    end: Hashable


class Slot(NamedTuple):
    """The hubs before the first leg, between two legs, or behind the last, in their order."""

    hubs: tuple[str, ...]
    told: bool
    """Whether a passage is told there: it is no plan."""


class Hubs(NamedTuple):
    slots: tuple[Slot, ...]
    """One more than there are legs."""
    unplaced: bool
    days: frozenset[date]
    """Of what is told at hubs."""


def hubs(told: Sequence[Passage], way: Sequence[Stretch], *, boxed: bool) -> Hubs:
    """The hubs of a way of at least one leg; `boxed`: there are containers."""
    said: dict[Hashable, set[str]] = {}
    for one in told:
        said.setdefault(one.place, set()).add(one.kind)
    met = {place for one, other in pairwise(way) for place in (one.end, other.start)}
    first, last = way[0].start, way[-1].end
    round_ = first is not None and first == last
    begun = set[str]() if round_ or first in met else said.get(first, set())
    ended = set[str]() if round_ or last in met else said.get(last, set())
    slots = [
        _slot(_ahead(begun, way[0], boxed=boxed)),
        *(_between(said, one, other, boxed=boxed) for one, other in pairwise(way)),
        _slot(tuple(reversed(_behind(ended, way[-1], boxed=boxed)))),
    ]
    places = set(met)
    places |= {first} if slots[0].hubs else set()
    places |= {last} if slots[-1].hubs else set()
    elsewhere = [kinds for place, kinds in said.items() if place not in met | {first, last}]
    unplaced = any({GATE_IN, GATE_OUT} <= kinds or {RECEIVED, DISPATCHED} <= kinds
                   for kinds in elsewhere)  # fmt: skip
    of_either = round_ and first not in met and first in said
    days = frozenset(one.day for one in told if one.place in places)
    return Hubs(tuple(slots), unplaced or of_either, days)


def _slot(hubs_: tuple[str, ...]) -> Slot:
    return Slot(hubs_, told=bool(hubs_))


def _ahead(kinds: set[str], leg: Stretch, *, boxed: bool) -> tuple[str, ...]:
    return _at_end(leg, boxed=boxed, stored=RECEIVED in kinds, gated=GATE_IN in kinds)


def _behind(kinds: set[str], leg: Stretch, *, boxed: bool) -> tuple[str, ...]:
    """The hub that is nearest to the receiver first."""
    return _at_end(leg, boxed=boxed, stored=DISPATCHED in kinds, gated=GATE_OUT in kinds)


def _at_end(leg: Stretch, *, boxed: bool, stored: bool, gated: bool) -> tuple[str, ...]:
    """From the outside to the leg."""
    warehouse = (WAREHOUSE,) if stored else ()
    if not gated:
        return warehouse
    if leg.mode == "SEA" and boxed:
        return (*warehouse, TERMINAL)
    return warehouse or (TRANSSHIPMENT,)


def _between(
    said: Mapping[Hashable, set[str]], one: Stretch, other: Stretch, *, boxed: bool
) -> Slot:
    """Between two legs there is a hub, whatever is told."""
    kinds = said.get(one.end, set()) | said.get(other.start, set())
    terminal = boxed and "SEA" in (one.mode, other.mode)
    if not kinds & {RECEIVED, DISPATCHED}:
        return Slot((TERMINAL if terminal else TRANSSHIPMENT,), told=bool(kinds))
    if not terminal:
        return Slot((WAREHOUSE,), told=True)
    to_sea = one.mode != "SEA"
    return Slot((WAREHOUSE, TERMINAL) if to_sea else (TERMINAL, WAREHOUSE), told=True)
