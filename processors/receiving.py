"""What of an order line is in the buyer's warehouse, as far as a claim may rest on it.

Received minus reversed (`reversing`). Receipts count when a warehouse tells them
(`priorities.RECEIPTS`), for the one line of which they are (`lots.line_of`). Where several
deliveries of the contract share a line, one counts for the only one that it names. Receipts of a
lot and line by one source add up: those are partial deliveries. Those by several are reports of the
same goods: the best kind of source is believed, of two of a kind the one that has less. A source
that had it come too late, or for another delivery, has nothing of it; what one of a better kind
ever told of a lot leaves a lesser one without a say.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from supplytwin.processors.evidence import RECEIVED, Concern, Part, Scope, Test, quantity
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.lots import line_of
from supplytwin.processors.reach import reached_by
from supplytwin.processors.reversing import NOTHING, Lots, Reversals, moves, slots_of, teller
from supplytwin.processors.standing import EXACT
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import Twin
from supplytwin.schemas.events import Event
from supplytwin.schemas.localtime import local_date
from supplytwin.schemas.machines import CONSIGNMENT, LINE
from supplytwin.schemas.priorities import RECEIPTS, witness
from supplytwin.schemas.terms import ClaimLine, ClaimTerms

Told = dict[str, dict[str, Decimal]]
"""Lot -> source -> how much it says that there came of it."""


def in_order(slot: Slot) -> Identity:
    """Slots stand in the order of their identities."""
    return slot.identity


def received(scope: Scope, twin: Twin, line: ClaimLine) -> Part:
    """Received minus reversed >= quantity, in the buyer's warehouses."""
    line_id, may_return = line.line_id, False
    key = SubjectKey(LINE, line_id)
    warehouses, own = scope.terms.warehouses, scope.claim.consignment_id
    rivals = _consignments(_Same(scope.terms.claims)).get(line_id, frozenset()) - {own}
    moving = {one.identity: one for one in slots_of(twin, key) if moves(one, key)}
    lots = Lots(twin, key, moving, scope.close, _is_witnessed)
    moving.update(lots.reversals())

    def witnessed(event: Event) -> bool:
        if event.event_type != RECEIVED or witness(teller(event)) is None:
            return False
        return line_of(event) == key

    def counting(event: Event) -> bool:
        return event.facility in warehouses and witnessed(event) and _is_of(event, own, rivals)

    def denies(event: Event) -> bool:
        """Asked of what does not count: there, but not in time, or not of this delivery."""
        return event.classifier == "ACTUAL" and event.facility in warehouses and witnessed(event)

    told, back = Told(), Reversals()
    for slot in sorted(moving.values(), key=in_order):
        version = slot.effective
        if version is None:
            scope.look_for_conflict(slot)
            may_return |= scope.revivable(slot, None, counting)
            continue
        if not scope.is_settled(slot, version):
            may_return |= scope.revivable(slot, version, counting)
        event = version.event
        if lots.loses(event, warehouses):
            if scope.contradicts(slot, version):
                back.take(lots.of(event), event)
        elif scope.supports(slot, version, counting):
            _tell(told, event, quantity(event))
            if len(slot.versions) > 1:
                may_return |= scope.most(slot, counting) > quantity(event)
        elif version.arrival <= scope.close and denies(event):
            _tell(told, event, NOTHING)
    best = _best(moving.values(), scope.close, witnessed)
    net = back.net({lot: _believed(by, best.get(lot)) for lot, by in told.items()}, lots.recorded)
    true = net >= line.qty
    where = "is in" if true else "to be in"
    by = _date(scope.claim.deadline, scope.terms.zone)
    why = (
        f"{line.qty} of line {line_id} {where} the buyer's warehouse by {by}"
        f" (received {net} of {line.qty})"
    )
    leaf = scope.leaf(f"received:{line_id}", why, true=true, revivable=may_return)
    concerns: list[Concern] = [("GOODS", one) for one in lots.watched]
    return scope.part((leaf,), frozenset(concerns))


_date = lru_cache(maxsize=4096)(local_date)


class _Same:
    """The claims of one contract, told from others by what object they are."""

    __slots__ = ("claims",)

    def __init__(self, claims: tuple[ClaimTerms, ...]) -> None:
        self.claims = claims

    def __hash__(self) -> int:
        return id(self.claims)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.claims is self.claims


@lru_cache(maxsize=1024)
def _consignments(of: _Same) -> Mapping[str, frozenset[str]]:
    """Line -> the consignments that the contract pays for it, where there are several."""
    found = dict[str, set[str]]()
    for claim in of.claims:
        for line in claim.lines:
            found.setdefault(line.line_id, set()).add(claim.consignment_id)
    return {line: frozenset(names) for line, names in found.items() if len(names) > 1}


def _is_of(receipt: Any, consignment: str, rivals: frozenset[str]) -> bool:
    """Whether a receipt is the consignment's, where others have goods of the same line."""
    if not rivals:
        return True
    named = {key.subject_id for key in reached_by(receipt) if key.subject_type == CONSIGNMENT}
    named.add(receipt.asn)
    return consignment in named and rivals.isdisjoint(named)


def _is_witnessed(slot: Slot) -> bool:
    """Whether what counts of it is told by one whose receipts count."""
    now = slot.effective
    return now is not None and witness(teller(now.event)) is not None


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
    rank = witness(teller(receipt)) or 0
    best[receipt.lot_id] = min(rank, best.get(receipt.lot_id, rank))


def _tell(told: Told, receipt: Any, qty: Decimal) -> None:
    by_source, source = told.setdefault(receipt.lot_id, {}), teller(receipt)
    by_source[source] = EXACT.add(by_source.get(source, NOTHING), qty)


def _believed(by_source: Mapping[str, Decimal], best: int | None) -> Decimal:
    """What there is of a lot; `best` = the best kind of source that ever told of it."""
    ranks = {one: witness(one) or 0 for one in by_source}
    rank = min(len(RECEIPTS) if best is None else best, *ranks.values())
    return min((qty for one, qty in by_source.items() if ranks[one] == rank), default=NOTHING)
