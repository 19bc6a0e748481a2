"""A consignment stands where its order lines stand: at the least of them, counted as they move. One
without lines stands where its trips stand: a carrier that stops telling holds no line back.
"""

from collections.abc import Hashable
from typing import TypeVar

from immutables import Map
from msgspec import Struct

from supplytwin.processors.standing import Accumulator, Happened, Reached
from supplytwin.schemas.effect import NONE
from supplytwin.schemas.machines import LINE, MACHINES

CANCELLED = "CANCELLED"
K = TypeVar("K", bound=Hashable)
_RANK = {state: rank for rank, state in enumerate((NONE, *MACHINES[LINE].path, CANCELLED))}


_BY_TRIP = {
    NONE: NONE, "EMPTY_OUT": "CONFIRMED", "STUFFED": "READY", "GATED_IN": "READY",
    "ON_BOARD": "SHIPPED", "DISCHARGED": "SHIPPED", "AVAILABLE": "SHIPPED",
    "UNAVAILABLE": "SHIPPED", "GATED_OUT": "SHIPPED", "STRIPPED": "DELIVERED",
    "EMPTY_RETURNED": "DELIVERED",
}  # fmt: skip
"""State of a trip -> where the goods in it stand."""


def least_of(trips: Map[str, int]) -> str | None:
    """Where a consignment stands of which only the states of its trips are known."""
    return min((_BY_TRIP[state] for state in trips), key=_RANK.__getitem__) or None


class Tally(Struct, frozen=True, kw_only=True, gc=False):
    """Its lines by what they say. Cancelled lines are counted among the states only."""

    lines: int = 0
    """How many are not cancelled."""
    states: Map[str, int] = Map()
    codes: Map[str, int] = Map()
    """Milestones reached."""
    delays: Map[int, int] = Map()
    """Delay in days of the lines that are delivered and were scheduled."""
    deliveries: Map[Happened, int] = Map()
    """When those were that are delivered."""
    complete: frozenset[str] = frozenset()
    """Milestones that every line has reached; the same object while they are the same."""

    @property
    def state(self) -> str | None:
        """The least state of its lines, the cancelled ones aside."""
        if not self.lines:
            return CANCELLED if self.states else None
        return min(self.states, key=_RANK.__getitem__) or None

    @property
    def partial(self) -> bool:
        """Lines stand in different states, the cancelled ones aside."""
        return len(self.states) - (CANCELLED in self.states) > 1

    @property
    def delay_days(self) -> int | None:
        return max(self.delays, default=None)

    @property
    def delivered(self) -> Happened | None:
        """When the last of its lines was delivered, once all are."""
        return max(self.deliveries) if "DELIVERED" in self.complete else None

    @property
    def late(self) -> bool:
        """Any line is late."""
        return (self.delay_days or 0) > 0


def says_the_same(one: Accumulator, other: Accumulator) -> bool:
    """Whether two values of a line are the same to a tally."""
    return (
        one.state == other.state
        and one.milestones == other.milestones
        and one.planned == other.planned
        and one.delivered == other.delivered
    )


def change(tally: Tally, old: Accumulator | None, new: Accumulator | None) -> Tally:
    """`tally` with one line's value replaced; None = the line is not (or no longer) in it."""
    states, delays, deliveries = tally.states, tally.delays, tally.deliveries
    state = None if old is None else old.state or NONE
    stands = None if new is None else new.state or NONE
    if state != stands:
        states = exchange(states, state, stands)
    was = None if state == CANCELLED else old
    now = None if stands == CANCELLED else new
    if was is None or now is None or was.delivered != now.delivered or was.planned != now.planned:
        delay = None if was is None else was.delay_days
        delays = exchange(delays, delay, None if now is None else now.delay_days)
        then = None if was is None else was.delivered
        deliveries = exchange(deliveries, then, None if now is None else now.delivered)
    lines = tally.lines + (now is not None) - (was is not None)
    codes, complete = tally.codes, tally.complete
    gone = _NO_CODES if was is None else was.milestones
    here = _NO_CODES if now is None else now.milestones
    if gone is not here:
        come = only_in(here, gone)
        lost = only_in(gone, here) if len(gone) + len(come) > len(here) else []
        for code in lost:
            codes = exchange(codes, code, None)
        for code in come:
            codes = exchange(codes, None, code)
        if lines == tally.lines:
            complete = _corrected(complete, codes, lines, lost + come)
    if lines != tally.lines:
        complete = _corrected(complete, codes, lines, [*complete, *codes])
    return Tally(
        lines=lines, states=states, codes=codes, delays=delays, deliveries=deliveries,
        complete=complete,
    )  # fmt: skip


def only_in(one: Map[str, Reached], other: Map[str, Reached]) -> list[str]:
    """The codes that only `one` has."""
    return [code for code in one if code not in other]


def _corrected(
    complete: frozenset[str], codes: Map[str, int], lines: int, doubtful: list[str]
) -> frozenset[str]:
    """`complete` once it is looked again whether every line has the `doubtful` codes."""
    for code in doubtful:
        if (codes.get(code) == lines) != (code in complete):
            complete = complete ^ {code}
    return complete


_NO_CODES: Map[str, Reached] = Map()


def exchange(counts: Map[K, int], old: K | None, new: K | None) -> Map[K, int]:
    """`counts` with one of `old` replaced by one of `new`; None = none."""
    if old == new:
        return counts
    if old is not None:
        left = counts[old] - 1
        counts = counts.set(old, left) if left else counts.delete(old)
    return counts if new is None else counts.set(new, counts.get(new, 0) + 1)
