"""The goods of a line that several claims share: what is gone of them is gone once.

What takes goods away and names consignments that the contract pays for takes from these alone;
else from all goods of the line, wherever they belong: what came last before it first, then what
came after it. So every claim of the line finds the same goods gone, and none of them twice.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from sys import maxsize
from typing import Any

from msgspec import Struct

from supplytwin.processors.condition_facts_asked import ClaimAsked
from supplytwin.processors.reach import reached_by
from supplytwin.processors.standing import EXACT
from supplytwin.schemas.events import Event
from supplytwin.schemas.machines import CONSIGNMENT
from supplytwin.schemas.priorities import is_simulated

WAREHOUSE = "WAREHOUSE"
LAST = 3
"""The rank of one that nobody is believed after."""
Who = tuple[int, str]
"""(how well it is believed, a source)."""
_ZERO = Decimal(0)
_OWN = ""
"""Where no others share the line all goods are the claim's, whatever they name."""


class Share(Struct, kw_only=True):
    """What one receipt brought, and what is left of it."""

    home: str
    lot: str
    at: int
    name: str
    left: Decimal
    own: bool
    """Whether it is the claim's."""


class Homes:
    """Which deliveries share a line of the claim."""

    def __init__(self, asked: ClaimAsked, line: str) -> None:
        rivals = {one for each in asked.lines if each.line == line for one in each.rivals}
        self.own: str | None = asked.consignment_id if rivals else _OWN
        self._every = frozenset(rivals) | ({asked.consignment_id} - {None}) if rivals else None

    def of(self, event: Event) -> str | None:
        """Whose goods a receipt is; None = nobody knows."""
        if self._every is None:
            return _OWN
        found = self._named(event)
        return found.pop() if len(found) == 1 else None

    def hit_by(self, event: Event) -> set[str] | None:
        """Whose goods something takes that names them; None = anybody's."""
        return self._named(event) or None

    def concern(self, event: Event) -> bool:
        """Whether it may take goods of the claim."""
        hit = self.hit_by(event)
        return hit is None or self.own in hit

    def _named(self, event: Any) -> set[str]:
        if self._every is None:
            return set()
        named = {key.subject_id for key in reached_by(event) if key.subject_type == CONSIGNMENT}
        named |= {getattr(event, "asn", None) or "", getattr(event, "consignment_id", None) or ""}
        return named & self._every


class Shared:
    """All goods of a line that count for any claim of it. Lives for one call."""

    def __init__(self, homes: Homes, find: Callable[[], Iterable[Share]]) -> None:
        self._homes, self._find = homes, find
        self._found: list[Share] | None = None

    def concern(self, event: Event) -> bool:
        """Whether an event may take goods of the claim."""
        return self._homes.concern(event)

    def lots(self) -> set[str]:
        """All lots of the line that any of it is of."""
        return {one.lot for one in self._shares()}

    def breadth(self, event: Event) -> int:
        """How many deliveries it names that its goods may be of; of any is more than of some."""
        hit = self._homes.hit_by(event)
        return len(hit) if hit is not None else maxsize

    def take(self, event: Event, qty: Decimal, lot: str | None) -> tuple[Decimal, Decimal]:
        """Take so much of a lot, or of whatever lot; (what of it was the claim's, all of it)."""
        hit = self._homes.hit_by(event)
        own, rest = _ZERO, qty
        for one in sorted(self._shares(), key=lambda one: _turn(one, event.event_time)):
            if lot not in (None, one.lot) or not (hit is None or one.home in hit):
                continue
            off = min(rest, one.left)
            one.left, rest = EXACT.subtract(one.left, off), EXACT.subtract(rest, off)
            own = EXACT.add(own, off if one.own else _ZERO)
        return own, EXACT.subtract(qty, rest)

    def _shares(self) -> list[Share]:
        if self._found is None:
            self._found = list(self._find())
        return self._found


def _turn(one: Share, moment: int) -> tuple[bool, int, str]:
    """What came last before a moment is the first to go."""
    return one.at > moment, abs(moment - one.at), one.name


def rank(roles: Iterable[str], source: str) -> int:
    """Of two sources the one with the smaller rank is believed: whoever only simulates comes last,
    else a warehouse before anybody else. `roles` = what the terms say that it is.
    """
    return 2 * is_simulated(source) + (WAREHOUSE not in roles)


def believed(told: Mapping[Who, Decimal], best: int) -> Who | None:
    """Whose word of a lot is taken; None = nobody's, when one of a better kind has told of it."""
    least = min([best, *(place for place, _ in told)])
    heard = [one for one in told if one[0] == least]
    return min(heard, key=lambda one: (told[one], one), default=None)
