"""Quantities of a claim's lines: what was shipped, received and accepted, each of it once.

Receipts of a lot and line by one source add up; those by several are reports of the same goods: a
warehouse of the terms is believed first, of two of a kind the one that has less. What is reversed
is taken from its own lot, and beyond what is known of that from the line's other goods; a stock
adjustment below, or a count under what is on hand, from its lot alone. A gain of stock gives
nothing back: the retraction of the loss does. Of what was shipped or accepted a source's reports
add up, and of several sources the one that has least is believed.

A quantity that states no unit is in the one that the receipts of its lot state, or in that of the
terms, unless an order says otherwise.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal, Inexact
from typing import Any

from msgspec.structs import replace

from supplytwin.processors.condition_facts_gone import ZERO, Gone, said_of
from supplytwin.processors.condition_facts_look import Look, Tell, demoted, silenced
from supplytwin.processors.condition_facts_milestones import is_the_claims
from supplytwin.processors.condition_facts_shared import (
    LAST,
    WAREHOUSE,
    Homes,
    Share,
    Shared,
    Who,
    believed,
    rank,
)
from supplytwin.processors.condition_view import Fact
from supplytwin.processors.evidence import RECEIVED
from supplytwin.processors.facts import Slot
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
    WarehouseDispatched,
    WarehouseReceived,
)
from supplytwin.schemas.machines import LINE
from supplytwin.schemas.units import code_of

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
        self._homes = Homes(look.asked, line.subject_id)

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

    def _said_of_lot(self, value: Decimal, lot: str) -> dict[str, Any]:
        return self._said(value, self._by_lot.get(lot, self._own))

    # -- what was received

    def _received(self) -> Iterator[Fact]:
        look, close = self._look, self._look.due.close
        moving = {one.identity: one for one in self._slots if moves(one, self._line)}
        lots = Lots(look.twin, self._line, moving, close, self._is_a_warehouses)
        moving.update(lots.reversals())
        look.concerns |= lots.watched
        slots = [moving[name] for name in sorted(moving)]
        self._units(slots)
        told: dict[str, dict[Who, Decimal]] = {}
        taken: list[tuple[str | None, Slot]] = []
        for slot in slots:
            look.note_conflict(slot)
            event: Any = None if slot.effective is None else slot.effective.event
            if any(lots.loses(one, look.asked.warehouses) for one in said_of(slot)):
                taken.append((lots.of(event) if event is not None else None, slot))
            if event is not None and self._is_witnessed(event):
                counts = look.counts(slot, self._is_receipt, self._roles)
                if counts or self._is_heard(slot):
                    by_source, who = told.setdefault(event.lot_id, {}), self._who(slot)
                    qty = event.qty if counts else ZERO
                    by_source[who] = EXACT.add(by_source.get(who, ZERO), qty)
        best = {lot: self._best(slots, lot) for lot in told}
        trusted = {lot: believed(by, best[lot]) for lot, by in told.items()}
        for slot in slots:
            yield from self._receipt(slot, trusted)
        left = {lot: told[lot][who] for lot, who in trusted.items() if who is not None}
        shared = Shared(self._homes, lambda: self._shares(slots, best, trusted))
        yield from Gone(look, self._roles, lots, shared, self._said_of_lot).facts(taken, left)

    def _shares(
        self, slots: list[Slot], best: dict[str, int], trusted: Mapping[str, Who | None]
    ) -> Iterator[Share]:
        """What counts of the line for any claim that shares it, of each lot of a delivery as the
        source says that is believed; `trusted` is whose word of the claim's own lots is taken.
        """
        told: dict[tuple[str, str], dict[Who, Decimal]] = {}
        heard: dict[str, dict[Who, Decimal]] = {}
        found: list[tuple[Who, Share]] = []
        for slot in slots:
            event: Any = None if slot.effective is None else slot.effective.event
            if event is None or not self._is_witnessed(event):
                continue
            lot, who = event.lot_id, self._who(slot)
            counts = self._look.counts(slot, self._is_anybodys, self._roles, any_lot=True)
            if counts or self._is_heard(slot):
                heard.setdefault(lot, {})[who] = ZERO
            if counts:
                home = self._homes.of(event) or ""
                own = home == self._homes.own and self._is_of_own_lot(event)
                name = "/".join(slot.identity)
                share = Share(
                    home=home, lot=lot, at=event.event_time, name=name, left=event.qty, own=own
                )
                found.append((who, share))
                by_source = told.setdefault((home, lot), {})
                by_source[who] = EXACT.add(by_source.get(who, ZERO), event.qty)
        rival = dict[tuple[str, str], Who | None]()
        for (home, lot), by in told.items():
            if lot not in best:
                best[lot] = self._best(slots, lot)
            rival[home, lot] = believed(heard[lot] | by, best[lot])
        for who, one in found:
            if who == (trusted.get(one.lot) if one.own else rival[one.home, one.lot]):
                yield one

    def _who(self, slot: Slot) -> Who:
        """Who tells what counts of an identity: a warehouse is who speaks as one by the terms."""
        now = slot.effective
        assert now is not None
        return self._placed(now.event, now.hashes[0])

    def _placed(self, event: Event, content_hash: bytes) -> Who:
        roles = self._look.voice(event, content_hash, self._roles).roles
        return rank(roles, teller(event)), teller(event)

    def _is_a_warehouses(self, slot: Slot) -> bool:
        """Whether a warehouse tells what counts of it."""
        return self._look.is_heard(slot, (WAREHOUSE,))

    def _is_heard(self, slot: Slot) -> bool:
        """Whether what counts of it came in time, in a name that counts."""
        now = slot.effective
        is_in_time = now is not None and now.arrival <= self._look.due.close
        return is_in_time and self._look.is_heard(slot, self._roles)

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
        if not self._is_of_own_lot(event):
            return False
        return is_the_claims(self._look.asked, event, self._line.subject_id)

    def _is_of_own_lot(self, receipt: WarehouseReceived) -> bool:
        lots = self._look.asked.lots
        return not lots or receipt.lot_id in lots

    def _is_anybodys(self, event: Event) -> bool:
        """A receipt that may count for a claim of the line."""
        return self._is_there(event) and self._homes.of(event) is not None

    def _best(self, slots: Iterable[Slot], lot: str) -> int:
        """The best kind of listed source that ever told of a lot in time."""
        ranks = [LAST]
        for slot in slots:
            for version in slot.versions:
                if version.arrival > self._look.due.close or version.revision in slot.powerless:
                    continue
                for content_hash, event in zip(version.hashes, version.contents, strict=True):
                    if not isinstance(event, WarehouseReceived) or event.lot_id != lot:
                        continue
                    is_said = event.classifier == "ACTUAL" and line_of(event) == self._line
                    if is_said and not self._look.voice(event, content_hash, self._roles).reason:
                        ranks.append(self._placed(event, content_hash)[0])
        return min(ranks)

    def _receipt(self, slot: Slot, trusted: dict[str, Who | None]) -> Iterator[Fact]:
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
                or trusted.get(event.lot_id, self._who(slot)) == self._who(slot)
            ):
                yield fact
            else:
                self._look.ignore(event, "SAME_GOODS")
                others = [
                    one for one in fact.others if (one.value or 0) > (fact.current.value or 0)
                ]
                if others:
                    yield replace(demoted(fact, silenced(fact.current)), others=tuple(others))

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
