"""What a claim is of: its consignment, or lines and lots, and the containers of that consignment.

Once its amount is fixed it is of no goods that are first heard of later: they are paid by no claim
that is fixed, so they change nothing for it. What was heard of before counts as it is corrected.
"""

from collections.abc import Iterable

from supplytwin.processors.condition_facts_look import Look
from supplytwin.processors.condition_facts_milestones import Claim
from supplytwin.processors.condition_view import Fact
from supplytwin.processors.facts import Identity, Slot
from supplytwin.processors.lots import line_of
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.events import WarehouseReceived
from supplytwin.schemas.machines import CONSIGNMENT, LINE, LOT, TRIP


def claim_of(look: Look) -> Claim:
    """The subjects of a claim."""
    asked = look.asked
    lines = tuple(SubjectKey(LINE, one.line) for one in asked.lines)
    lots, once = _lots(look, lines)
    roots: tuple[SubjectKey, ...] = (*lots, *lines) if asked.lots else lines
    trips: tuple[SubjectKey, ...] = ()
    if asked.consignment_id is not None:
        home = SubjectKey(CONSIGNMENT, asked.consignment_id)
        roots = (home,)
        slots = look.slots(home)
        ever = _trips(look, slots)
        known = _trips(look, [one for one in slots if _is_known(look, one)])
        subject = look.twin.subjects.get(home)
        linked = {key for key in subject.links if key.subject_type == TRIP} if subject else set()
        trips = tuple(sorted(linked - (ever - known)))
        once |= known - linked
    return Claim(
        home=":".join(roots[0]) if len(roots) == 1 else "CLAIM:ALL",
        roots=roots,
        lines=lines,
        lots=lots,
        trips=trips,
        once=frozenset(once),
    )


def heard_first(look: Look, fact: Fact) -> bool:
    """Whether it was heard of before the amount was fixed."""
    fixing, identity = look.asked.fixing, Identity(*fact.identity)
    return fixing is None or any(
        fixing.knew(identity, one.revision, one.arrival) for one in fact.statements
    )


def _is_known(look: Look, slot: Slot) -> bool:
    """Whether it was heard of before the amount was fixed."""
    fixing = look.asked.fixing
    return fixing is None or any(
        fixing.knew(slot.identity, one.revision, one.arrival) for one in slot.versions
    )


def _trips(look: Look, slots: Iterable[Slot]) -> set[SubjectKey]:
    return {
        key
        for slot in slots
        for version in slot.versions
        for event in version.contents
        for key in look.reached_by(event)
        if key.subject_type == TRIP
    }


def _lots(
    look: Look, lines: tuple[SubjectKey, ...]
) -> tuple[tuple[SubjectKey, ...], set[SubjectKey]]:
    """(those of the claim, others that receipts of its lines ever named)."""
    now, ever = set[SubjectKey](), set[SubjectKey]()
    for line in lines:
        for slot in look.slots(line):
            if not _is_known(look, slot):
                continue
            for version in slot.versions:
                for event in version.contents:
                    if isinstance(event, WarehouseReceived) and line_of(event) == line:
                        lot = SubjectKey(LOT, event.lot_id)
                        ever.add(lot)
                        at_buyers = event.facility in look.asked.warehouses
                        if version is slot.effective and at_buyers and look.is_heard(slot):
                            now.add(lot)
    if look.asked.lots:
        now = {SubjectKey(LOT, one) for one in look.asked.lots}
        return tuple(sorted(now)), set()
    return tuple(sorted(now)), ever - now
