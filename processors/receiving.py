"""What of an order line is in the buyer's warehouse, as far as a claim may rest on it.

Received minus reversed. Receipts count when a warehouse tells them (`priorities.RECEIPTS`), for the
one line of which they are (`lots.line_of`). Receipts of a lot and line by one source add up: those
are partial deliveries. Those by several are reports of the same goods: the best kind of source is
believed, of two of a kind the one that has less. Reversals count whoever tells them, against the
lines that they name, and else against every line that a receipt of their lot names.
"""

from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any

from supplytwin.processors.evidence import RECEIVED, REVERSED, Concern, Part, Scope, quantity
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.lots import is_bare, line_of, lines_of
from supplytwin.processors.reach import reached_by
from supplytwin.processors.standing import EXACT
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import Twin
from supplytwin.schemas.events import Event
from supplytwin.schemas.localtime import local_date
from supplytwin.schemas.machines import LINE, LOT
from supplytwin.schemas.priorities import witness
from supplytwin.schemas.terms import ClaimLine

Told = dict[str, dict[str, Decimal]]
"""Lot -> source -> how much it says that there came of it."""


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
    warehouses = scope.terms.warehouses
    moving = {one.identity: one for one in slots_of(twin, key) if _moves(one, key)}
    lots = _lots(moving.values(), key)
    for lot in lots:
        moving.update((one.identity, one) for one in slots_of(twin, lot) if _takes_back(one))

    def at_buyer(event: Event) -> bool:
        return event.facility in warehouses

    def counting(event: Event) -> bool:
        if event.event_type != RECEIVED or not at_buyer(event):
            return False
        return witness(_teller(event)) is not None and line_of(event) == key

    def reversed_(event: Event) -> bool:
        """A reversal that names no facility is taken for the buyer's."""
        if event.event_type != REVERSED or not (event.facility is None or at_buyer(event)):
            return False
        keys = reached_by(event)
        return key in keys or (is_bare(event) and not lots.isdisjoint(keys))

    told, back = Told(), Decimal(0)
    for slot in sorted(moving.values(), key=in_order):
        version = slot.effective
        if version is None:
            scope.look_for_conflict(slot)
            may_return |= scope.revivable(slot, None, counting)
            continue
        if not scope.is_settled(slot, version):
            may_return |= scope.revivable(slot, version, counting)
        if reversed_(version.event):
            if scope.contradicts(slot, version):
                back = EXACT.add(back, quantity(version.event))
        elif scope.supports(slot, version, counting):
            _tell(told, version.event)
            if len(slot.versions) > 1:
                may_return |= scope.most(slot, counting) > quantity(version.event)
    net = EXACT.subtract(_believed(told), back)
    true = net >= line.qty
    where = "is in" if true else "to be in"
    by = _date(scope.claim.deadline, scope.terms.zone)
    why = (
        f"{line.qty} of line {line_id} {where} the buyer's warehouse by {by}"
        f" (received {net} of {line.qty})"
    )
    leaf = scope.leaf(f"received:{line_id}", why, true=true, revivable=may_return)
    concerns: list[Concern] = [("GOODS", one) for one in (key, *lots)]
    return scope.part((leaf,), frozenset(concerns))


_date = lru_cache(maxsize=4096)(local_date)


def _moves(slot: Slot, line: SubjectKey) -> bool:
    """Whether anything under this identity is a receipt that names the line, or its reversal."""
    for version in slot.versions:
        for event in version.contents:
            if event.event_type in (RECEIVED, REVERSED) and line in reached_by(event):
                return True
    return False


def _takes_back(slot: Slot) -> bool:
    """Whether anything under this identity is a reversal that names no line."""
    return any(is_bare(event) for version in slot.versions for event in version.contents)


def _lots(slots: Iterable[Slot], line: SubjectKey) -> set[SubjectKey]:
    """The lots of which a receipt that stands may be the line's, whoever tells it."""
    found = set[SubjectKey]()
    for slot in slots:
        version = slot.effective
        event = None if version is None else version.event
        if event is None or event.event_type != RECEIVED or event.classifier != "ACTUAL":
            continue
        if line in lines_of(event):
            found.update(key for key in reached_by(event) if key.subject_type == LOT)
    return found


def _teller(receipt: Event) -> str:
    """Whose receipt it is. What supersedes another source's stands in its place: it counts at all
    only when it was taken under a delegation of that source."""
    return receipt.correction_source or receipt.source


def _tell(told: Told, receipt: Any) -> None:
    by_source, source = told.setdefault(receipt.lot_id, {}), _teller(receipt)
    by_source[source] = EXACT.add(by_source.get(source, Decimal(0)), quantity(receipt))


def _believed(told: Told) -> Decimal:
    """What there is of all lots: of each what the best source says, of two equals the less."""
    net = Decimal(0)
    for by_source in told.values():
        ranks = {source: witness(source) or 0 for source in by_source}
        best = min(ranks.values())
        less = min(qty for source, qty in by_source.items() if ranks[source] == best)
        net = EXACT.add(net, less)
    return net
