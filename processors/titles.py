"""A lot under a pledged warehouse receipt: what the facts of the receipt say to the lot, and to the
handling units that have goods of the lot.

A pledge names its receipt, seldom the lots. So wherever a receipt begins or ends to be pledged,
its fact stands among those of every lot that it is linked with, at its own place in time, whichever
of pledge, link and dispatch came first. What is said of a receipt in contradiction is believed as
far as it keeps goods where they are: a lot that any of the contents names is linked, and a receipt
that any of them pledges is pledged, until a higher revision says which is true.
"""

from collections.abc import Container, Iterable, Iterator

from msgspec.structs import replace

from supplytwin.processors import sequence
from supplytwin.processors.facts import Slot
from supplytwin.processors.lifecycle import accumulate
from supplytwin.processors.packing import lots_in, units_of
from supplytwin.processors.reach import reach
from supplytwin.processors.sequence import Ordered
from supplytwin.processors.standing import Accumulator, Fact, Order, make_fact
from supplytwin.processors.subjects import NOBODY, Subject, SubjectKey, Subjects, Work
from supplytwin.schemas.events import WarehouseReceipt
from supplytwin.schemas.lifecycles import (
    LINK_DOUBTED,
    LOT_FREED,
    LOT_PLEDGED,
    TITLE_DOUBTED,
    UNIT_BOUND,
    UNIT_FREED,
)
from supplytwin.schemas.machines import LOT, TITLE, UNIT

PLEDGED = "PLEDGED"


def is_pledged(receipt: Accumulator) -> bool:
    """Whether a warehouse receipt is pledged, or is said to be by one of two contents."""
    return receipt.state == PLEDGED or receipt.pledges > 0


def doubts(slot: Slot) -> Iterator[tuple[SubjectKey, Fact]]:
    """What the contents of a conflicted identity say of receipts, as facts of those subjects that
    it could hold or link.
    """
    contents = (
        (version.arrival, content_hash, event)
        for version in slot.disputed
        for content_hash, event in zip(version.hashes, version.contents, strict=True)
    )
    for arrival, content_hash, event in contents:
        if event.classifier != "ACTUAL" or event.correction_action == "RETRACT":
            continue
        keys, _, linked, _ = reach(event)
        is_link = any({keys[0].subject_type, key.subject_type} == {LOT, TITLE} for key in linked)
        pledges = isinstance(event, WarehouseReceipt) and event.action == "PLEDGE"
        for key in keys:
            held = pledges and key.subject_type == TITLE
            if not held and not (is_link and key is keys[0]):
                continue
            effect = TITLE_DOUBTED if held else LINK_DOUBTED
            fact = make_fact(event, arrival, effect, key.subject_id)
            order = (*fact.order[:4], f"{fact.order[4]}\0{content_hash.hex()}")
            yield key, replace(fact, order=order, flags=frozenset(), watched=False)


def carry(subjects: Subjects, work: Work) -> None:
    """Make the lots in `work`, and those linked with its receipts, follow these; and handling units
    the lots that they have goods of.
    """
    for key in [key for key in work if key.subject_type == TITLE]:
        before, after = subjects.get(key, NOBODY), work[key]
        old, new = before.ordered, after.ordered
        if old is not new:
            same = {id(chunk) for chunk in old.chunks} & {id(chunk) for chunk in new.chunks}
            stay = [lot for lot in before.links if lot in after.links]
            _exchange(subjects, work, stay, turns(key, old, same), turns(key, new, same))
        if before.links is not after.links:
            left = [lot for lot in before.links if lot not in after.links]
            come = [lot for lot in after.links if lot not in before.links]
            _exchange(subjects, work, left, turns(key, old), {})
            _exchange(subjects, work, come, {}, turns(key, new))
    _keep(subjects, work)


def _keep(subjects: Subjects, work: Work) -> None:
    """Make handling units follow the lots that they have goods of."""

    def before(key: SubjectKey) -> Subject:
        return subjects.get(key, NOBODY)

    def after(key: SubjectKey) -> Subject:
        return work[key] if key in work else subjects.get(key, NOBODY)

    lots = dict.fromkeys(key for key in work if key.subject_type == LOT)
    for unit in [key for key in work if key.subject_type == UNIT]:
        if after(unit).ordered is not before(unit).ordered:
            lots |= dict.fromkeys((*lots_in(before, unit), *lots_in(after, unit)))
    for lot in lots:
        was, now = bonds(lot, before(lot)), bonds(lot, after(lot))
        if not was and not now:
            continue
        old, new = units_of(before, lot), units_of(after, lot)
        _exchange(subjects, work, [unit for unit in old if unit in new], was, now, UNIT)
        _exchange(subjects, work, [unit for unit in old if unit not in new], was, {}, UNIT)
        _exchange(subjects, work, [unit for unit in new if unit not in old], {}, now, UNIT)


def bonds(key: SubjectKey, lot: Subject) -> dict[Order, Fact]:
    """What the receipts of a lot do to it, as it reaches its handling units."""
    if not any(other.subject_type == TITLE for other in lot.links):
        return {}
    found = {}
    for fact in lot.ordered.facts:
        if fact.effect is not None and fact.effect.kind in ("PLEDGE", "FREE"):
            effect = UNIT_BOUND if fact.effect.kind == "PLEDGE" else UNIT_FREED
            order = (*fact.order[:4], f"{fact.order[4]}\0{key.subject_id}")
            found[order] = replace(fact, order=order, effect=effect)
    return found


def turns(
    key: SubjectKey, ordered: Ordered, but: Container[int] = frozenset()
) -> dict[Order, Fact]:
    """The facts with which a receipt becomes pledged, or no longer is, as they reach a lot; without
    those of the chunks whose id is in `but`.
    """
    found = {}
    for chunk in ordered.chunks:
        if id(chunk) in but:
            continue
        value = chunk.before
        for fact in chunk.facts:
            was = is_pledged(value)
            value = accumulate(TITLE, value, fact)
            if was != is_pledged(value):
                effect = LOT_FREED if was else LOT_PLEDGED
                order = (*fact.order[:4], f"{fact.order[4]}\0{key.subject_id}")
                found[order] = replace(
                    fact,
                    order=order,
                    effect=effect,
                    subject_id=key.subject_id,
                    flags=frozenset(),
                    watched=False,
                )
    return found


def _exchange(
    subjects: Subjects,
    work: Work,
    linked: Iterable[SubjectKey],
    gone: dict[Order, Fact],
    come: dict[Order, Fact],
    machine: str = LOT,
) -> None:
    """Put the facts that come in the place of those that go, on every linked lot or unit."""
    if gone == come:
        return
    for key in linked:
        if key.subject_type == machine:
            subject = work[key] if key in work else subjects.get(key, NOBODY)
            ordered = sequence.exchanged(machine, subject.ordered, gone, come)
            work[key] = replace(subject, ordered=ordered)
