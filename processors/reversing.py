"""What reversals take from the goods of an order line.

They count whoever tells them, against the lines that they name; where these have nothing of their
lot, or none is named, against every line of which a receipt of the lot is. A lot is known by what
its receipts call it, and by what they once called it, unless that is another lot by now. Who is a
warehouse is for the terms to say: `Lots` is told.

A reversal takes from its own lot. What goes beyond all that warehouses (or whoever tells the
reversal) have told of that lot is gone from the line's other goods, as is what is taken from a lot
that no receipt of the line knows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from supplytwin.processors.evidence import RECEIVED, REVERSED, quantity
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.lots import lines_of
from supplytwin.processors.reach import reached_by
from supplytwin.processors.slots import target_of
from supplytwin.processors.standing import EXACT
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import Twin
from supplytwin.schemas.events import Event
from supplytwin.schemas.machines import LINE, LOT
from supplytwin.schemas.priorities import witness

NOTHING = Decimal(0)
Recorded = Mapping[str, Mapping[str, Decimal]]
"""Lot -> source -> how much of it its receipts, wherever and whenever, say there was."""


def slots_of(twin: Twin, key: SubjectKey) -> list[Slot]:
    """`twin.reaching`, in no order: the few that bear on a claim are put in order afterwards."""
    subject = twin.subjects.get(key)
    return [] if subject is None else list(map(twin.facts.slots.__getitem__, subject.members))


def moves(slot: Slot, line: SubjectKey) -> bool:
    """Whether anything under this identity is a receipt that names the line, or its reversal."""
    return any(
        event.event_type in (RECEIVED, REVERSED) and line in reached_by(event)
        for version in slot.versions
        for event in version.contents
    )


def teller(event: Event) -> str:
    """Whose receipt it is. What supersedes another source's stands in its place: it counts at all
    only when it was taken under a delegation of that source."""
    return event.correction_source or event.source


class Lots:
    """The lots of which a receipt that stands may be the line's, whoever tells it. Lives for one
    evaluation."""

    def __init__(
        self,
        twin: Twin,
        line: SubjectKey,
        moving: Mapping[Identity, Slot],
        close: int,
        is_a_warehouses: Callable[[Slot], bool],
    ) -> None:
        self._twin, self._line, self._moving = twin, line, moving
        self._is_a_warehouses = is_a_warehouses
        self._names: dict[SubjectKey, set[str]] = {}
        self._lines: dict[frozenset[SubjectKey], set[SubjectKey]] = {}
        self.watched = {line}
        """Subjects on whose facts any of this rests."""
        self.recorded: dict[str, dict[str, Decimal]] = {}
        for slot in moving.values():
            receipt = _receipt(slot)
            if receipt is None or line not in lines_of(receipt):
                continue
            for name in self._called(slot, receipt):
                self._names.setdefault(name, set()).add(receipt.lot_id)
            if slot.effective is not None and slot.effective.arrival <= close:
                by_source = self.recorded.setdefault(receipt.lot_id, {})
                known = by_source.get(teller(receipt), NOTHING)
                by_source[teller(receipt)] = EXACT.add(known, receipt.qty)

    def reversals(self) -> Iterator[tuple[Identity, Slot]]:
        """What names any of the lots and may be a reversal that does not name the line."""
        for name in self._names:
            for slot in slots_of(self._twin, name):
                for version in slot.versions:
                    for event in version.contents:
                        if event.event_type == REVERSED and self._line not in reached_by(event):
                            yield slot.identity, slot

    def loses(self, event: Event, warehouses: Sequence[str]) -> bool:
        """Whether it is a reversal that takes from the line in one of these; one that names no
        facility is taken for them.
        """
        if event.event_type != REVERSED:
            return False
        own = frozenset(_lots_in(event))
        self.watched |= own
        if event.facility is not None and event.facility not in warehouses:
            return False
        named = {key for key in reached_by(event) if key.subject_type == LINE}
        if self._line in named:
            return True
        return not own.isdisjoint(self._names) and named.isdisjoint(self._lines_of(own))

    def of(self, reversal: Event) -> str | None:
        """The lot of the line that it takes from; None when it is not known to be one."""
        found = {lot for name in _lots_in(reversal) for lot in self._names.get(name, ())}
        return found.pop() if len(found) == 1 else None

    def _called(self, slot: Slot, receipt: Event) -> set[SubjectKey]:
        """The names of its lot: those of now, and older ones that no other receipt bears now."""
        now = _lots_in(receipt)
        older = self._ever(slot) - now
        self.watched |= now | older
        return now | {name for name in older if not self._is_borne(name, slot)}

    def _ever(self, slot: Slot) -> set[SubjectKey]:
        """All names under an identity, in any revision, and in receipts that it supersedes."""
        found, seen, waiting = set[SubjectKey](), {slot.identity}, [slot]
        while waiting:
            for version in waiting.pop().versions:
                for event in version.contents:
                    found |= _lots_in(event)
                    target = target_of(event)
                    older = None if target is None else self._moving.get(target)
                    if older is not None and older.identity not in seen:
                        seen.add(older.identity)
                        waiting.append(older)
        return found

    def _is_borne(self, name: SubjectKey, by_another_than: Slot) -> bool:
        return any(
            slot is not by_another_than and name in _lots_in(receipt)
            for slot in slots_of(self._twin, name)
            for receipt in self._seen(slot)
        )

    def _lines_of(self, lots: frozenset[SubjectKey]) -> set[SubjectKey]:
        """The lines of which receipts of these lots that stand may be, by who has a say."""
        found = self._lines.get(lots)
        if found is None:
            slots = [slot for lot in lots for slot in slots_of(self._twin, lot)]
            found = {line for slot in slots for one in self._seen(slot) for line in lines_of(one)}
            self._lines[lots] = found
        return found

    def _seen(self, slot: Slot) -> list[Any]:
        """Its receipt, if a warehouse tells it: nobody else turns a reversal away from a line."""
        receipt = _receipt(slot)
        return [receipt] if receipt is not None and self._is_a_warehouses(slot) else []


def _receipt(slot: Slot) -> Any:
    """The receipt that an identity is now, if it is one that is to have happened."""
    event = None if slot.effective is None else slot.effective.event
    if event is None or event.event_type != RECEIVED or event.classifier != "ACTUAL":
        return None
    return event


def _lots_in(event: Any) -> set[SubjectKey]:
    """By subject, by reference, and by what its payload calls it."""
    if event.event_type not in (RECEIVED, REVERSED):
        return set()
    named = {key for key in reached_by(event) if key.subject_type == LOT}
    return named | {SubjectKey(LOT, event.lot_id)}


class Reversals:
    """What is taken back, by lot and by who tells it."""

    def __init__(self) -> None:
        self._back: dict[str | None, dict[str, Decimal]] = {}

    def take(self, lot_id: str | None, reversal: Event) -> None:
        """One more; None = of a lot that is not known."""
        by_source, source = self._back.setdefault(lot_id, {}), teller(reversal)
        by_source[source] = EXACT.add(by_source.get(source, NOTHING), quantity(reversal))

    def net(self, believed: Mapping[str, Decimal], recorded: Recorded) -> Decimal:
        """What is left of all that there is, by lot."""
        net = NOTHING
        for lot_id, qty in believed.items():
            left = qty
            for gone in self._back.get(lot_id, {}).values():
                left = EXACT.subtract(left, gone)
            net = EXACT.add(net, max(left, NOTHING))
        for lot, by_source in self._back.items():
            known = recorded.get(lot, {}) if lot is not None else {}
            seen = max((q for one, q in known.items() if witness(one) is not None), default=NOTHING)
            for source, gone in by_source.items():
                beyond = EXACT.subtract(gone, max(seen, known.get(source, NOTHING)))
                net = EXACT.subtract(net, max(beyond, NOTHING))
        return net
