"""Quantities of a claim's lines: what was shipped, received and accepted, each of it once.

Receipts of a lot and line by one source add up; those by several are reports of the same goods: the
best kind of source is believed, of two of a kind the one that has less. What is reversed is taken
from its own lot, and beyond what is known of that from the line's other goods; a stock adjustment
below, or a count under what is on hand, from its lot alone. A gain of stock gives nothing back: the
retraction of the loss does. Of what was shipped or accepted a source's reports add up, and of
several sources the one that has least is believed.

A quantity that states no unit is in the one that the receipts of its lot state, or in that of the
terms, unless an order says otherwise.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, Inexact
from typing import Any

from msgspec.structs import replace

from supplytwin.processors.condition_facts_look import Look, Tell, demoted, silenced
from supplytwin.processors.condition_facts_milestones import is_the_claims
from supplytwin.processors.condition_view import Fact
from supplytwin.processors.evidence import RECEIVED, REVERSED
from supplytwin.processors.facts import Slot
from supplytwin.processors.lifecycle import accumulate
from supplytwin.processors.lots import line_of, lot_named
from supplytwin.processors.reach import reached_by
from supplytwin.processors.reversing import Lots, moves, teller
from supplytwin.processors.standing import EXACT
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.dimensions import factor
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import (
    Event,
    OrderAccepted,
    OrderPlaced,
    WarehouseAdjusted,
    WarehouseCounted,
    WarehouseDispatched,
    WarehouseReceived,
)
from supplytwin.schemas.machines import LINE, LOT
from supplytwin.schemas.priorities import RECEIPTS, witness
from supplytwin.schemas.units import code_of

ZERO = Decimal(0)
LOST = "lost of"
"""Part of what a fact is about that takes stock away: not a receipt, but what was kept of it."""
_QUANTITY = {"SHIPPED": "qty", "ACCEPTED": "accepted_qty"}


def in_unit(value: Decimal, unit: str | None, wanted: str | None) -> tuple[Decimal, str | None]:
    """A quantity in the unit of its line where it can be had exactly; else as it was stated."""
    if unit is None or wanted is None or unit == wanted:
        return value, unit
    try:
        up, down = factor(unit, wanted)
        return _scaled(value, up, down), wanted
    except (RecordError, Inexact):
        return value, unit


def _scaled(value: Decimal, up: int, down: int) -> Decimal:
    """value x up / down. Raises Inexact where that is no decimal number that can be had."""
    scaled = EXACT.multiply(value, Decimal(up))
    while down % 10 == 0:
        scaled, down = EXACT.scaleb(scaled, -1), down // 10
    return EXACT.divide(scaled, Decimal(down))


class Goods:
    """The quantities of one line of a claim. Lives for one call."""

    def __init__(self, look: Look, line: SubjectKey, measure: str) -> None:
        self._look, self._line = look, line
        self._measure, self._roles = measure, look.asked.measured_by.get(measure, ("",))
        ordered = [one for one in look.asked.scope.lines if one.line == line.subject_id]
        self._wanted = code_of(ordered[0].unit) or ordered[0].unit if ordered else None
        self._stated = ordered[0].unit if ordered else None
        self._slots = look.slots(line)
        self._own = self._unit_of_line()
        self._by_lot: dict[str, str | None] = {}

    def facts(self) -> Iterable[Fact]:
        """All that is told of a measure."""
        if self._measure == "RECEIVED":
            return self._received()
        return self._reported(OrderAccepted if self._measure == "ACCEPTED" else WarehouseDispatched)

    # -- units

    def _unit_of_line(self) -> str | None:
        """What the terms say, unless an order says otherwise: then nobody knows."""
        found = {
            code_of(one.uom) or one.uom
            for slot in self._slots
            if slot.effective is not None and isinstance(slot.effective.event, OrderPlaced)
            for one in slot.effective.event.order_lines
            if one.line_id == self._line.subject_id
        }
        return self._wanted if found <= {self._wanted} else None

    def _amount(self, value: Decimal, unit: str | None) -> dict[str, Any]:
        known = None if unit is None else code_of(unit) or unit
        amount, found = in_unit(value, known, self._wanted)
        return {"value": amount, "unit": self._stated if found == self._wanted else found}

    def _said(self, value: Decimal, unit: str | None) -> dict[str, Any]:
        subject = self._line.subject_id
        amount = self._amount(value, unit)
        return {"kind": "QUANTITY", "type": self._measure, "subject": subject, **amount}

    # -- what was received

    def _received(self) -> Iterator[Fact]:
        look, close = self._look, self._look.due.close
        moving = {one.identity: one for one in self._slots if moves(one, self._line)}
        lots = Lots(look.twin, self._line, moving, close)
        moving.update(lots.reversals())
        look.concerns |= lots.watched
        slots = [moving[name] for name in sorted(moving)]
        self._units(slots)
        told: dict[str, dict[str, Decimal]] = {}
        taken: list[tuple[str | None, Slot]] = []
        for slot in slots:
            look.note_conflict(slot)
            event: Any = None if slot.effective is None else slot.effective.event
            if any(lots.loses(one, look.asked.warehouses) for one in _said_of(slot)):
                taken.append((lots.of(event) if event is not None else None, slot))
            if event is not None and self._is_witnessed(event):
                counts = look.counts(slot, self._is_receipt, self._roles)
                assert slot.effective is not None
                if counts or (slot.effective.arrival <= close and look.is_heard(slot, self._roles)):
                    by_source = told.setdefault(event.lot_id, {})
                    qty = event.qty if counts else ZERO
                    known = by_source.get(teller(event), ZERO)
                    by_source[teller(event)] = EXACT.add(known, qty)
        believed = {lot: _believed(by, self._best(slots, lot)) for lot, by in told.items()}
        for slot in slots:
            yield from self._receipt(slot, believed)
        left = {lot: told[lot][who] for lot, who in believed.items() if who is not None}
        yield from self._taken(taken, left, lots)
        yield from self._lost(left)

    def _units(self, slots: Iterable[Slot]) -> None:
        """The unit of each lot, by its receipts; None = they state several."""
        found: dict[str, set[str]] = {}
        for slot in slots:
            for version in slot.versions:
                for content_hash, event in zip(version.hashes, version.contents, strict=True):
                    if isinstance(event, WarehouseReceived) and not (
                        self._look.voice(event, content_hash, self._roles).reason
                    ):
                        unit = code_of(event.uom) or event.uom
                        found.setdefault(event.lot_id, set()).add(unit)
        self._by_lot = {
            lot: next(iter(units)) if len(units) == 1 else None for lot, units in found.items()
        }

    def _is_witnessed(self, event: Event) -> bool:
        """A receipt of the line at the buyer's, of whatever delivery."""
        is_here = event.classifier == "ACTUAL" and event.event_type == RECEIVED
        return is_here and self._is_there(event)

    def _is_there(self, event: Event) -> bool:
        if not isinstance(event, WarehouseReceived) or line_of(event) != self._line:
            return False
        return event.facility in self._look.asked.warehouses

    def _is_receipt(self, event: Event) -> bool:
        """One that may count for the claim."""
        if not isinstance(event, WarehouseReceived) or not self._is_there(event):
            return False
        lots = self._look.asked.lots
        if lots and event.lot_id not in lots:
            return False
        return is_the_claims(self._look.asked, event, self._line.subject_id)

    def _best(self, slots: Iterable[Slot], lot: str) -> int:
        """The best kind of listed source that ever told of a lot in time."""
        ranks = [len(RECEIPTS)]
        for slot in slots:
            for version in slot.versions:
                if version.arrival > self._look.due.close or version.revision in slot.powerless:
                    continue
                for content_hash, event in zip(version.hashes, version.contents, strict=True):
                    if not isinstance(event, WarehouseReceived) or event.lot_id != lot:
                        continue
                    is_said = event.classifier == "ACTUAL" and line_of(event) == self._line
                    if is_said and not self._look.voice(event, content_hash, self._roles).reason:
                        ranks.append(_rank(teller(event)))
        return min(ranks)

    def _receipt(self, slot: Slot, believed: dict[str, str | None]) -> Iterator[Fact]:
        def tell(event: Event) -> Iterable[dict[str, Any]]:
            if isinstance(event, WarehouseReceived) and self._is_receipt(event):
                return (self._said(event.qty, event.uom),)
            if isinstance(event, WarehouseReceived) and line_of(event) == self._line:
                self._look.ignore(event, "NOT_OF_THIS_CLAIM")
            return ()

        for fact in self._look.support(slot, tell, self._roles):
            event: Any = None if slot.effective is None else slot.effective.event
            if (
                fact.current is None
                or fact.current.type != "RECEIVED"
                or believed.get(event.lot_id, teller(event)) == teller(event)
            ):
                yield fact
            else:
                self._look.ignore(event, "SAME_GOODS")
                others = [
                    one for one in fact.others if (one.value or 0) > (fact.current.value or 0)
                ]
                if others:
                    yield replace(demoted(fact, silenced(fact.current)), others=tuple(others))

    # -- what was taken back

    def _taken(
        self, taken: list[tuple[str | None, Slot]], left: dict[str, Decimal], lots: Lots
    ) -> Iterator[Fact]:
        """Reversals, each for what it takes from its lot and from the line's other goods."""
        sums: dict[tuple[str | None, str], Decimal] = {}
        beyond: dict[tuple[str | None, str], Decimal] = {}
        for lot, slot in taken:
            event: Any = None if slot.effective is None else slot.effective.event
            if event is not None and event.classifier == "ACTUAL":
                key = lot, teller(event)
                sums[key] = EXACT.add(sums.get(key, ZERO), event.qty)
        for (lot, source), gone in sums.items():
            known = {} if lot is None else lots.recorded.get(lot, {})
            seen = [
                qty
                for one, qty in known.items()
                if one == source or self._look.has_role(one, self._roles)
            ]
            beyond[lot, source] = max(EXACT.subtract(gone, max(seen, default=ZERO)), ZERO)
        for lot, slot in taken:
            event = None if slot.effective is None else slot.effective.event
            amount: Decimal | None = None
            if event is not None and event.classifier == "ACTUAL":
                own = min(event.qty, left.get(lot or "", ZERO)) if lot is not None else ZERO
                if lot is not None:
                    left[lot] = EXACT.subtract(left.get(lot, ZERO), own)
                more = min(EXACT.subtract(event.qty, own), beyond[lot, teller(event)])
                beyond[lot, teller(event)] -= more
                amount = EXACT.add(own, more)
                if not amount:
                    self._look.ignore(event, "NOTHING_LEFT_TO_TAKE")
                    continue
            yield from self._look.against(slot, self._reversal(lots, amount))

    def _reversal(self, lots: Lots, amount: Decimal | None) -> Tell:
        """`amount` None = whatever it says."""

        def tell(event: Any) -> Iterable[dict[str, Any]]:
            if event.event_type != REVERSED or not lots.loses(event, self._look.asked.warehouses):
                return ()
            unit = self._by_lot.get(event.lot_id, self._own)
            qty = event.qty if amount is None else amount
            return (self._said(-qty, unit),)

        return tell

    def _lost(self, left: dict[str, Decimal]) -> Iterator[Fact]:
        """What was adjusted away, or not there when it was counted."""
        for lot in sorted(left):
            key = SubjectKey(LOT, lot)
            losses = self._losses(key)
            for slot in self._look.slots(key):
                if not any(
                    isinstance(one, WarehouseAdjusted | WarehouseCounted) for one in _said_of(slot)
                ):
                    continue
                lost = losses.get(slot.identity)
                if lost is not None:
                    lost = min(lost, left[lot])
                    left[lot] = EXACT.subtract(left[lot], lost)
                if lost is None or lost > 0:
                    told = self._losing(key, lost, left[lot])
                    yield from self._look.against(slot, told, f"{LOST} {lot}")

    def _losing(self, key: SubjectKey, amount: Decimal | None, left: Decimal) -> Tell:
        """`amount` None = it is in conflict: whatever any of its contents says."""

        def tell(event: Event) -> Iterable[dict[str, Any]]:
            if event.facility is not None and event.facility not in self._look.asked.warehouses:
                return ()
            if key not in reached_by(event):
                return ()
            lost = ZERO if amount is None else amount
            if isinstance(event, WarehouseAdjusted) and amount is None:
                lost = -event.delta
            elif isinstance(event, WarehouseCounted) and amount is None:
                lost = EXACT.subtract(left, event.counted)
            if lost <= 0 or not isinstance(event, WarehouseAdjusted | WarehouseCounted):
                return ()
            return (self._said(-lost, self._by_lot.get(key.subject_id, self._own)),)

        return tell

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

    # -- what was shipped or accepted

    def _reported(self, kind: type[Event]) -> Iterator[Fact]:
        def quantity(event: Any) -> Decimal | None:
            if not isinstance(event, kind) or self._line not in reached_by(event):
                return None
            lines = [key for key in reached_by(event) if key.subject_type == LINE]
            qty: Decimal | None = getattr(event, _QUANTITY[self._measure])
            if len(lines) != 1 or qty is None:
                self._look.ignore(event, "QUANTITY_OF_SEVERAL_LINES" if qty else "NO_QUANTITY")
                return None
            return qty if self._is_own(event) else None

        def tell(event: Event) -> Iterable[dict[str, Any]]:
            qty = quantity(event)
            if qty is None:
                return ()
            lot = getattr(event, "lot_id", None)
            return (self._said(qty, self._by_lot.get(lot or "", self._own)),)

        yield from self._least(tell, quantity)

    def _is_own(self, event: Any) -> bool:
        """Whether it is of the claim's lots and delivery."""
        lots = self._look.asked.lots
        if lots and lot_named(event) not in lots:
            return False
        home = self._look.asked.consignment_id
        if isinstance(event, WarehouseDispatched) and home not in (None, event.consignment_id):
            return False
        return is_the_claims(self._look.asked, event, self._line.subject_id)

    def _least(self, tell: Tell, quantity: Callable[[Event], Decimal | None]) -> Iterator[Fact]:
        """What the source tells that has the least of those that have told anything in time."""
        sums: dict[str, Decimal] = {}
        found: list[tuple[str, Fact]] = []
        for slot in self._slots:
            for fact in self._look.support(slot, tell, self._roles):
                found.append((slot.identity.source, fact))
            if self._look.counts(slot, lambda event: quantity(event) is not None, self._roles):
                assert slot.effective is not None
                source = slot.identity.source
                more = quantity(slot.effective.event) or ZERO
                sums[source] = EXACT.add(sums.get(source, ZERO), more)
        believed = min(sums, key=lambda one: (sums[one], one), default=None)
        for source, fact in found:
            stands = fact.current is not None and bool(fact.current.type)
            if not stands or believed in (None, source):
                yield fact
            else:
                self._look.leave(fact, "SAME_GOODS")


def _said_of(slot: Slot) -> list[Event]:
    """What an identity says now, or may: the content that counts, or all in conflict."""
    versions = slot.disputed or ((slot.effective,) if slot.effective is not None else ())
    return [
        event
        for version in versions
        for event in version.contents
        if event.classifier == "ACTUAL" and event.correction_action != "RETRACT"
    ]


def _rank(source: str) -> int:
    """Of two sources the one with the smaller rank is believed."""
    found = witness(source)
    return len(RECEIPTS) if found is None else found


def _believed(by_source: dict[str, Decimal], best: int) -> str | None:
    """Whose word of a lot is taken; None = nobody's, when one of a better kind has told of it."""
    rank = min([best, *map(_rank, by_source)])
    heard = [one for one in by_source if _rank(one) == rank]
    return min(heard, key=lambda one: (by_source[one], one), default=None)
