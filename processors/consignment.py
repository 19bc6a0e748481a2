"""A consignment stands where its order lines stand: at the least of them, counted as they move."""

from typing import TypeVar

from immutables import Map
from msgspec import Struct

from supplytwin.processors.standing import Accumulator, Reached
from supplytwin.schemas.lifecycles import NONE
from supplytwin.schemas.machines import LINE, MACHINES

CANCELLED = "CANCELLED"
K = TypeVar("K", str, int)
_RANK = {state: rank for rank, state in enumerate((NONE, *MACHINES[LINE].path))}


class Tally(Struct, frozen=True, kw_only=True, gc=False):
    """Its lines by what they say. Cancelled lines are counted among the states only."""

    lines: int = 0
    """How many are not cancelled."""
    states: Map[str, int] = Map()
    codes: Map[str, int] = Map()
    """Milestones reached."""
    delays: Map[int, int] = Map()
    """Delay in days of the lines that are delivered and were scheduled."""
    complete: frozenset[str] = frozenset()
    """Milestones that every line has reached; the same object while they are the same."""

    @property
    def state(self) -> str | None:
        """The least state of its lines, the cancelled ones aside."""
        states = [state for state in self.states if state != CANCELLED]
        if not states:
            return CANCELLED if self.states else None
        return min(states, key=_RANK.__getitem__) or None

    @property
    def partial(self) -> bool:
        """Lines stand in different states, the cancelled ones aside."""
        return len(self.states) - (CANCELLED in self.states) > 1

    @property
    def delay_days(self) -> int | None:
        return max(self.delays, default=None)

    @property
    def late(self) -> bool:
        """Any line is late."""
        return (self.delay_days or 0) > 0


def says_the_same(one: Accumulator, other: Accumulator) -> bool:
    """Whether two values of a line are the same to a tally."""
    return (
        one.milestones is other.milestones
        and one.state == other.state
        and one.planned is other.planned
        and one.delivered is other.delivered
    )


def change(tally: Tally, old: Accumulator | None, new: Accumulator | None) -> Tally:
    """`tally` with one line's value replaced; None = the line is not (or no longer) in it."""
    states, delays = tally.states, tally.delays
    if old is None or new is None or old.state != new.state:
        states = _exchange(states, _state(old), _state(new))
    was, now = _counted(old), _counted(new)
    delay, delayed = _delay(was), _delay(now)
    if delay != delayed:
        delays = _exchange(delays, delay, delayed)
    codes = tally.codes
    gone = _NO_CODES if was is None else was.milestones
    here = _NO_CODES if now is None else now.milestones
    if gone is not here:
        for code in gone:
            if code not in here:
                codes = _exchange(codes, code, None)
        for code in here:
            if code not in gone:
                codes = _exchange(codes, None, code)
    lines = tally.lines + (now is not None) - (was is not None)
    complete = tally.complete
    if codes is not tally.codes or lines != tally.lines:
        found = frozenset([code for code, count in codes.items() if count == lines])
        complete = complete if found == complete else found
    return Tally(lines=lines, states=states, codes=codes, delays=delays, complete=complete)


_NO_CODES: Map[str, Reached] = Map()


def _state(line: Accumulator | None) -> str | None:
    return None if line is None else line.state or NONE


def _counted(line: Accumulator | None) -> Accumulator | None:
    return None if line is None or line.state == CANCELLED else line


def _delay(line: Accumulator | None) -> int | None:
    return None if line is None else line.delay_days


def _exchange(counts: Map[K, int], old: K | None, new: K | None) -> Map[K, int]:
    if old == new:
        return counts
    if old is not None:
        left = counts[old] - 1
        counts = counts.set(old, left) if left else counts.delete(old)
    return counts if new is None else counts.set(new, counts.get(new, 0) + 1)
