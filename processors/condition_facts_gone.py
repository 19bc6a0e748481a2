"""What was taken back of the goods of a line, or lost of them, as far as it is of one claim.

A reversal takes from its own lot first, a loss from its lot alone; what goes beyond all that is
known of its lot is taken from the line's other goods. Of which claims' goods: `Shared`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from supplytwin.processors.condition_facts_look import Look, Roles, Tell
from supplytwin.processors.condition_facts_shared import Shared
from supplytwin.processors.condition_view import Fact
from supplytwin.processors.evidence import REVERSED
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.lifecycle import accumulate
from supplytwin.processors.reach import reached_by
from supplytwin.processors.reversing import Lots, teller
from supplytwin.processors.standing import EXACT
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.events import Event, WarehouseAdjusted, WarehouseCounted
from supplytwin.schemas.machines import LOT

ZERO = Decimal(0)
LOST = "lost of"
"""Part of what a fact is about that takes stock away: not a receipt, but what was kept of it."""
Said = Callable[[Decimal, str], dict[str, Any]]
"""A quantity of a lot as a statement."""
Taken = list[tuple[str | None, Slot]]
"""(the lot, what may be its reversal)."""


class Gone:
    """Reversals and losses of one line. Lives for one call."""

    def __init__(self, look: Look, roles: Roles, lots: Lots, shared: Shared, said: Said) -> None:
        self._look, self._roles, self._lots = look, roles, lots
        self._shared, self._said = shared, said

    def facts(self, taken: Taken, left: dict[str, Decimal]) -> Iterator[Fact]:
        """Each for what it takes of the claim's goods, of which `left` is there, by lot. What
        names deliveries takes before what may be of any, then what was earlier before the rest.
        """
        taken = sorted(taken, key=lambda one: self._turn(one[1]))
        own, whole = dict[Identity, Decimal](), dict[Identity, Decimal]()
        for lot, slot in taken:
            event = _actual(slot)
            if lot is not None and event is not None:
                mine, every = self._shared.take(event, event.qty, lot)
                own[slot.identity], whole[slot.identity] = mine, every
                left[lot] = EXACT.subtract(left.get(lot, ZERO), mine)
        others = self._shared.lots() - set(left) if taken else set[str]()
        yield from self._lost(left | dict.fromkeys(others, ZERO))
        yield from self._reversed(taken, own, whole)

    def _turn(self, slot: Slot) -> tuple[bool, int, int, Identity]:
        event = _actual(slot)
        if event is None:
            return True, 0, 0, slot.identity
        return False, self._shared.breadth(event), event.event_time, slot.identity

    # -- what was taken back

    def _reversed(
        self, taken: Taken, own: Mapping[Identity, Decimal], whole: Mapping[Identity, Decimal]
    ) -> Iterator[Fact]:
        """With what goes beyond the lots, as far as that is of the claim's other goods."""
        beyond = self._beyond(taken)
        for lot, slot in taken:
            event, amount = _actual(slot), None
            if event is not None:
                key, name = (lot, teller(event)), slot.identity
                more = min(EXACT.subtract(event.qty, whole.get(name, ZERO)), beyond[key])
                beyond[key] = EXACT.subtract(beyond[key], more)
                mine, every = self._shared.take(event, more, None)
                if self._shared.concern(event):  # there is nothing more that could be taken
                    mine = EXACT.add(mine, EXACT.subtract(more, every))
                amount = EXACT.add(own.get(name, ZERO), mine)
                if not amount:
                    self._look.ignore(event, "NOTHING_LEFT_TO_TAKE")
                    continue
            yield from self._look.against(slot, self._reversal(amount))

    def _beyond(self, taken: Taken) -> dict[tuple[str | None, str], Decimal]:
        """What is taken back beyond all that is known of a lot, by who tells it."""
        sums: dict[tuple[str | None, str], Decimal] = {}
        for lot, slot in taken:
            event = _actual(slot)
            if event is not None:
                key = lot, teller(event)
                sums[key] = EXACT.add(sums.get(key, ZERO), event.qty)
        found: dict[tuple[str | None, str], Decimal] = {}
        for (lot, source), gone in sums.items():
            known = {} if lot is None else self._lots.recorded.get(lot, {})
            seen = [
                qty
                for one, qty in known.items()
                if one == source or self._look.has_role(one, self._roles)
            ]
            found[lot, source] = max(EXACT.subtract(gone, max(seen, default=ZERO)), ZERO)
        return found

    def _reversal(self, amount: Decimal | None) -> Tell:
        """`amount` None = whatever it says."""

        def tell(event: Any) -> Iterable[dict[str, Any]]:
            if event.event_type != REVERSED:
                return ()
            if not self._lots.loses(event, self._look.asked.warehouses):
                return ()
            if not self._shared.concern(event):
                return ()
            qty = event.qty if amount is None else amount
            return (self._said(-qty, event.lot_id),)

        return tell

    # -- what was lost

    def _lost(self, left: dict[str, Decimal]) -> Iterator[Fact]:
        """What was adjusted away, or not there when it was counted."""
        for lot in sorted(left):
            key = SubjectKey(LOT, lot)
            losses = self._losses(key)
            for slot in self._look.slots(key):
                if not any(
                    isinstance(one, WarehouseAdjusted | WarehouseCounted) for one in said_of(slot)
                ):
                    continue
                lost, event = losses.get(slot.identity), _actual(slot)
                if lost is not None and event is not None:
                    if not self._is_here(event):
                        continue
                    lost, _ = self._shared.take(event, lost, lot)
                    left[lot] = EXACT.subtract(left[lot], lost)
                if lost is None or lost > 0:
                    told = self._losing(key, lost, left[lot])
                    yield from self._look.against(slot, told, f"{LOST} {lot}")

    def _losing(self, key: SubjectKey, amount: Decimal | None, left: Decimal) -> Tell:
        """`amount` None = it is in conflict: whatever any of its contents says."""

        def tell(event: Event) -> Iterable[dict[str, Any]]:
            if not self._is_here(event) or key not in reached_by(event):
                return ()
            if not self._shared.concern(event):
                return ()
            lost = ZERO if amount is None else amount
            if isinstance(event, WarehouseAdjusted) and amount is None:
                lost = -event.delta
            elif isinstance(event, WarehouseCounted) and amount is None:
                lost = EXACT.subtract(left, event.counted)
            if lost <= 0 or not isinstance(event, WarehouseAdjusted | WarehouseCounted):
                return ()
            return (self._said(-lost, key.subject_id),)

        return tell

    def _is_here(self, event: Event) -> bool:
        """At the buyer's, or where nobody says."""
        return event.facility is None or event.facility in self._look.asked.warehouses

    def _losses(self, key: SubjectKey) -> dict[tuple[str, str], Decimal]:
        """How much less there is after each fact of a lot's stock than before it."""
        subject = self._look.twin.subjects.get(key)
        if subject is not None:  # a pledge of its receipt may keep it from leaving
            self._look.concerns |= set(subject.links)
        found: dict[tuple[str, str], Decimal] = {}
        for chunk in subject.ordered.chunks if subject is not None else ():
            value = chunk.before
            for fact in chunk.facts:
                event = fact.event
                if event.classifier == "ACTUAL" and isinstance(event, WarehouseAdjusted):
                    found[event.source, event.event_id] = max(-event.delta, ZERO)
                if event.classifier == "ACTUAL" and isinstance(event, WarehouseCounted):
                    short = EXACT.subtract(value.on_hand, event.counted)
                    found[event.source, event.event_id] = max(short, ZERO)
                value = accumulate(LOT, value, fact)
        return found


def _actual(slot: Slot) -> Any:
    """The content that counts, if it is to have happened."""
    event = None if slot.effective is None else slot.effective.event
    return event if event is not None and event.classifier == "ACTUAL" else None


def said_of(slot: Slot) -> list[Event]:
    """What an identity says now, or may: the content that counts, or all in conflict."""
    versions = slot.disputed or ((slot.effective,) if slot.effective is not None else ())
    return [
        event
        for version in versions
        for event in version.contents
        if event.classifier == "ACTUAL" and event.correction_action != "RETRACT"
    ]
