"""What was known when an amount was fixed: what its goods and releases rest on from then on.

A cut is of a tick, and folds what was appended by the time that it was made: facts, too, that
arrived a moment after the tick. The approval rests on those as well; not on what a broker whose
clock is behind appends after the cut, with an arrival before the tick.
"""

from msgspec import Struct

from supplytwin.processors.facts import Identity
from supplytwin.processors.twin import Twin
from supplytwin.schemas.ids import SECOND_US

_ABOUT_US = 10 * SECOND_US
"""So far apart the clocks of brokers and the tick may be."""


class Fixing(Struct, frozen=True, kw_only=True, gc=False):
    """The latest approval of a claim by its condition."""

    at: int
    """Its tick time, us UTC."""
    late: frozenset[tuple[Identity, int]] = frozenset()
    """(identity, revision) of what was known then and had arrived about the tick, or after it."""

    def knew(self, identity: Identity, revision: int, arrival: int) -> bool:
        """Whether a revision was known at the approval."""
        return arrival < self.at - _ABOUT_US or (identity, revision) in self.late


def fixing(twin: Twin, at: int) -> Fixing:
    """Of an approval at tick time `at` over a twin."""
    late = frozenset(
        (slot.identity, one.revision)
        for slot in twin.facts.slots.values()
        for one in slot.versions
        if one.arrival >= at - _ABOUT_US
    )
    return Fixing(at=at, late=late)
