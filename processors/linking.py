"""Which subjects belong together: by facts that count, never by plans; a receipt and a lot by what
is in contradiction, too. And what lines and trips add up to for their consignments.
"""

from msgspec.structs import replace

from supplytwin.processors import consignment, sequence
from supplytwin.processors.facts import Slot
from supplytwin.processors.reach import linked_by
from supplytwin.processors.subjects import NOBODY, Subject, SubjectKey, Subjects, Work
from supplytwin.processors.titles import doubts
from supplytwin.schemas.effect import NONE, Effect
from supplytwin.schemas.lifecycles import (
    LINK_DOUBTED,
    LOT_FREED,
    LOT_PLEDGED,
    TITLE_DOUBTED,
    UNIT_BOUND,
    UNIT_FREED,
)
from supplytwin.schemas.machines import CONSIGNMENT, LINE, LOT, TITLE, TRIP


def link(work: Work, own: SubjectKey, other: SubjectKey, count: int) -> None:
    """Link two subjects, or part them when no fact that counts, of either, links them any more."""
    one, two = work[own], work[other]
    if (other in one.links) == (count > 0):
        return
    if count > 0:
        work[own] = replace(one, links=one.links.set(other, None))
        work[other] = replace(two, links=two.links.set(own, None))
    elif not _links(one, own, other) and not _links(two, other, own):
        work[own] = replace(one, links=one.links.delete(other))
        work[other] = replace(two, links=two.links.delete(own))


def _links(subject: Subject, own: SubjectKey, other: SubjectKey) -> bool:
    """Whether a fact about the one links it with the other. One that a lot has from its
    receipt, or a unit from its lot, is there because they are linked: it links nothing.
    """
    no_link: tuple[Effect, ...] = (LOT_PLEDGED, LOT_FREED, UNIT_BOUND, UNIT_FREED)
    if not _are_receipt_and_lot(own, other):
        no_link = (*no_link, TITLE_DOUBTED, LINK_DOUBTED)
    return other in subject.sensed.named or any(
        other in linked_by(fact.event, own)
        for fact in subject.ordered.facts
        if fact.event.classifier == "ACTUAL" and fact.effect not in no_link
    )


def _are_receipt_and_lot(one: SubjectKey, other: SubjectKey) -> bool:
    return {one.subject_type, other.subject_type} == {LOT, TITLE}


def doubt(work: Work, slot: Slot, count: int) -> None:
    """Add (`count` 1) or take away (-1) what a conflicted identity says of receipts and lots."""
    change = sequence.insert if count > 0 else sequence.remove
    for key, fact in [*doubts(slot)]:
        subject = work[key]
        ordered = change(key.subject_type, subject.ordered, fact)
        work[key] = replace(subject, ordered=ordered)
        for other in linked_by(fact.event, key):
            if _are_receipt_and_lot(key, other):
                link(work, key, other, count)


def recount(subjects: Subjects, work: Work) -> None:
    """Carry what changed on order lines over to the consignments that they belong to."""
    for key in [key for key in work if key.subject_type == LINE]:
        before, after = subjects.get(key, NOBODY), work[key]
        old, new = before.ordered.value, after.ordered.value
        was, links = before.links, after.links
        if was is links and (old is new or consignment.says_the_same(old, new)):
            continue
        for owner in links if was is links else dict.fromkeys((*was, *links)):
            if owner.subject_type != CONSIGNMENT:
                continue
            subject = work.get(owner)
            if subject is None:
                subject = subjects.get(owner, NOBODY)
            tally = consignment.change(
                subject.tally, old if owner in was else None, new if owner in links else None
            )
            work[owner] = replace(subject, tally=tally)


def recount_trips(subjects: Subjects, work: Work) -> None:
    """Carry what changed on trips over to the consignments that they are linked with."""
    for key in [key for key in work if key.subject_type == TRIP]:
        before, after = subjects.get(key, NOBODY), work[key]
        was, is_now = before.value.state or NONE, after.value.state or NONE
        if was == is_now and before.links is after.links:
            continue
        for owner in {**before.links, **after.links}:
            if owner.subject_type == CONSIGNMENT:
                subject = work[owner] if owner in work else subjects.get(owner, NOBODY)
                old = was if owner in before.links else None
                new = is_now if owner in after.links else None
                work[owner] = replace(subject, trips=consignment.exchange(subject.trips, old, new))
