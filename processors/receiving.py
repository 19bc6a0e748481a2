"""What of an order line is in the buyer's warehouse, as far as a claim may rest on it.

Received minus reversed. Receipts count when a warehouse tells them (`priorities.RECEIPTS`), for the
one line of which they are (`lots.line_of`). Where several deliveries of the contract share a line,
one counts for the only one that it names. Receipts of a lot and line by one source add up: those
are partial deliveries. Those by several are reports of the same goods: the best kind of source is
believed, of two of a kind the one that has less. A source that had it come too late has nothing of
it in time; what one of a better kind ever told of a lot leaves a lesser one without a say.

Reversals count whoever tells them, against the lines that they name; where these have nothing of
their lot, or none is named, against every line of which a receipt of the lot is. They take from
their own lot, by any name that it ever had, and from other goods only when nobody knows the lot.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from supplytwin.processors.evidence import RECEIVED, REVERSED, Concern, Part, Scope, Test, quantity
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.lots import line_of, lines_of
from supplytwin.processors.reach import reached_by
from supplytwin.processors.slots import target_of
from supplytwin.processors.standing import EXACT
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import Twin
from supplytwin.schemas.events import Event
from supplytwin.schemas.localtime import local_date
from supplytwin.schemas.machines import CONSIGNMENT, LINE, LOT
from supplytwin.schemas.priorities import RECEIPTS, witness
from supplytwin.schemas.terms import ClaimLine

Told = dict[str, dict[str, Decimal]]
"""Lot -> source -> how much it says that there came of it."""
Names = dict[SubjectKey, set[str]]
"""What a lot is or was called -> the `lot_id` by which its receipts tell it now."""


def slots_of(twin: Twin, key: SubjectKey) -> list[Slot]:
    """`twin.reaching`, in no order: the few that bear on a claim are put in order afterwards."""
    subject = twin.subjects.get(key)
    return [] if subject is None else list(map(twin.facts.slots.__getitem__, subject.members))


def in_order(slot: Slot) -> Identity:
    """Slots stand in the order of their identities."""
    return slot.identity


def received(scope: Scope, twin: Twin, line: ClaimLine) -> Part:
    """Received minus reversed >= quantity, in the buyer's warehouses."""
    line_id, may_return = line.line_id, False
    key = SubjectKey(LINE, line_id)
    warehouses, rivals = scope.terms.warehouses, _rivals(scope, line_id)
    moving = {one.identity: one for one in slots_of(twin, key) if _moves(one, key)}
    lots = _lots(twin, moving.values(), key)
    for lot in lots:
        moving.update((one.identity, one) for one in slots_of(twin, lot) if _takes_back(one, key))

    def at_buyer(event: Event) -> bool:
        return event.facility in warehouses

    def witnessed(event: Event) -> bool:
        if event.event_type != RECEIVED or witness(_teller(event)) is None:
            return False
        return line_of(event) == key and _is_of(event, scope.claim.consignment_id, rivals)

    def counting(event: Event) -> bool:
        return event.event_type == RECEIVED and at_buyer(event) and witnessed(event)

    def reversed_(event: Event) -> bool:
        """A reversal that names no facility is taken for the buyer's."""
        if event.event_type != REVERSED or not (event.facility is None or at_buyer(event)):
            return False
        return _is_back_from(twin, event, key, lots)

    watched = {key, *lots}
    told, back = Told(), dict[str | None, Decimal]()
    for slot in sorted(moving.values(), key=in_order):
        version = slot.effective
        if version is None:
            scope.look_for_conflict(slot)
            may_return |= scope.revivable(slot, None, counting)
            continue
        if not scope.is_settled(slot, version):
            may_return |= scope.revivable(slot, version, counting)
        event = version.event
        if event.event_type == REVERSED:
            watched |= _lots_in(event)
        if reversed_(event):
            if scope.contradicts(slot, version):
                lot_id = _taken_from(event, lots)
                back[lot_id] = EXACT.add(back.get(lot_id, _NOTHING), quantity(event))
        elif scope.supports(slot, version, counting):
            _tell(told, event, quantity(event))
            if len(slot.versions) > 1:
                may_return |= scope.most(slot, counting) > quantity(event)
        elif event.classifier == "ACTUAL" and version.arrival <= scope.close and counting(event):
            _tell(told, event, _NOTHING)
    best = _best(moving.values(), scope.close, witnessed)
    net = _net(told, best, back)
    true = net >= line.qty
    where = "is in" if true else "to be in"
    by = _date(scope.claim.deadline, scope.terms.zone)
    why = (
        f"{line.qty} of line {line_id} {where} the buyer's warehouse by {by}"
        f" (received {net} of {line.qty})"
    )
    leaf = scope.leaf(f"received:{line_id}", why, true=true, revivable=may_return)
    concerns: list[Concern] = [("GOODS", one) for one in watched]
    return scope.part((leaf,), frozenset(concerns))


_NOTHING = Decimal(0)
_date = lru_cache(maxsize=4096)(local_date)


def _moves(slot: Slot, line: SubjectKey) -> bool:
    """Whether anything under this identity is a receipt that names the line, or its reversal."""
    for version in slot.versions:
        for event in version.contents:
            if event.event_type in (RECEIVED, REVERSED) and line in reached_by(event):
                return True
    return False


def _takes_back(slot: Slot, line: SubjectKey) -> bool:
    """Whether anything under this identity is a reversal that does not name the line."""
    for version in slot.versions:
        for event in version.contents:
            if event.event_type == REVERSED and line not in reached_by(event):
                return True
    return False


def _best(slots: Iterable[Slot], close: int, witnessed: Test) -> dict[str, int]:
    """Lot -> the best kind of source that ever told of it until then, whatever came of that."""
    found = dict[str, int]()
    for slot in slots:
        for version in slot.versions:
            if version.arrival > close or version.revision in slot.powerless:
                continue
            for event in version.contents:
                if event.classifier == "ACTUAL" and witnessed(event):
                    _note(found, event)
    return found


def _note(best: dict[str, int], receipt: Any) -> None:
    rank = witness(_teller(receipt)) or 0
    best[receipt.lot_id] = min(rank, best.get(receipt.lot_id, rank))


def _rivals(scope: Scope, line_id: str) -> set[str]:
    """The other consignments that the contract pays for the same line."""
    own = scope.claim.consignment_id
    return {
        claim.consignment_id
        for claim in scope.terms.claims
        if claim.consignment_id != own and any(one.line_id == line_id for one in claim.lines)
    }


def _is_of(receipt: Any, consignment: str, rivals: set[str]) -> bool:
    """Whether a receipt is the consignment's, where others have goods of the same line."""
    if not rivals:
        return True
    named = {key.subject_id for key in reached_by(receipt) if key.subject_type == CONSIGNMENT}
    named.add(receipt.asn)
    return consignment in named and rivals.isdisjoint(named)


def _lots(twin: Twin, slots: Iterable[Slot], line: SubjectKey) -> Names:
    """The lots of which a receipt that stands may be the line's, whoever tells it."""
    found = Names()
    for slot in slots:
        version = slot.effective
        event: Any = None if version is None else version.event
        if event is None or event.event_type != RECEIVED or event.classifier != "ACTUAL":
            continue
        if line in lines_of(event):
            for name in _called(twin, slot):
                found.setdefault(name, set()).add(event.lot_id)
    return found


def _called(twin: Twin, slot: Slot) -> set[SubjectKey]:
    """All names of the lot under this identity, in any revision and in what they supersede."""
    found, seen, waiting = set[SubjectKey](), set[Identity](), [slot]
    while waiting:
        one = waiting.pop()
        seen.add(one.identity)
        for version in one.versions:
            for event in version.contents:
                found.update(_lots_in(event))
                target = target_of(event)
                older = None if target is None else twin.facts.slots.get(target)
                if older is not None and older.identity not in seen:
                    waiting.append(older)
    return found


def _lots_in(event: Any) -> set[SubjectKey]:
    """By subject, by reference, and by what its payload calls it."""
    if event.event_type not in (RECEIVED, REVERSED):
        return set()
    found = {key for key in reached_by(event) if key.subject_type == LOT}
    return found if event.lot_id is None else found | {SubjectKey(LOT, event.lot_id)}


def _is_back_from(twin: Twin, reversal: Event, line: SubjectKey, lots: Names) -> bool:
    """Whether a reversal takes from the line: it names it, or it names its lot and no line that has
    anything of it.
    """
    named = {key for key in reached_by(reversal) if key.subject_type == LINE}
    if line in named:
        return True
    own = _lots_in(reversal)
    if own.isdisjoint(lots):
        return False
    return not named or named.isdisjoint(_lines_of_lots(twin, own))


def _lines_of_lots(twin: Twin, lots: set[SubjectKey]) -> Iterator[SubjectKey]:
    """The lines of which receipts of these lots that stand may be."""
    for lot in lots:
        for slot in slots_of(twin, lot):
            event = None if slot.effective is None else slot.effective.event
            if event is not None and event.event_type == RECEIVED and event.classifier == "ACTUAL":
                yield from lines_of(event)


def _taken_from(reversal: Event, lots: Names) -> str | None:
    """The lot of the line that a reversal takes from; None when it is not known to be one."""
    found = {lot_id for name in _lots_in(reversal) for lot_id in lots.get(name, ())}
    return found.pop() if len(found) == 1 else None


def _teller(receipt: Event) -> str:
    """Whose receipt it is. What supersedes another source's stands in its place: it counts at all
    only when it was taken under a delegation of that source."""
    return receipt.correction_source or receipt.source


def _tell(told: Told, receipt: Any, qty: Decimal) -> None:
    by_source, source = told.setdefault(receipt.lot_id, {}), _teller(receipt)
    by_source[source] = EXACT.add(by_source.get(source, _NOTHING), qty)


def _net(told: Told, best: Mapping[str, int], back: Mapping[str | None, Decimal]) -> Decimal:
    """What there is of all lots: no less than nothing of one whose receipts are known."""
    net = EXACT.minus(back.get(None, _NOTHING))
    for lot_id, by_source in told.items():
        ranks = {one: witness(one) or 0 for one in by_source}
        rank = min(best.get(lot_id, len(RECEIPTS)), *ranks.values())
        of_best = [qty for one, qty in by_source.items() if ranks[one] == rank]
        left = EXACT.subtract(min(of_best, default=_NOTHING), back.get(lot_id, _NOTHING))
        net = EXACT.add(net, max(left, _NOTHING))
    return net
