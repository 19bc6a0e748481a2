"""A lot under a pledged warehouse receipt: what the facts of the receipt say to the lot.

A pledge names its receipt, seldom the lots. So wherever a receipt begins or ends to be pledged,
its fact stands among those of every lot that it is linked with, at its own place in time, whichever
of pledge, link and dispatch came first.
"""

from msgspec.structs import replace

from supplytwin.processors import sequence
from supplytwin.processors.lifecycle import accumulate
from supplytwin.processors.sequence import Ordered
from supplytwin.processors.standing import EMPTY, Fact, Order
from supplytwin.processors.subjects import NOBODY, SubjectKey, Subjects, Work
from supplytwin.schemas.lifecycles import FREED, PLEDGED
from supplytwin.schemas.machines import LOT, TITLE


def carry(subjects: Subjects, work: Work) -> None:
    """Make the lots in `work`, and those linked with its receipts, follow these."""
    for key in [key for key in work if key.subject_type == TITLE]:
        before, after = subjects.get(key, NOBODY), work[key]
        if before.ordered is after.ordered and before.links is after.links:
            continue
        old, new = turns(key, before.ordered), turns(key, after.ordered)
        lots = [one for one in {**before.links, **after.links} if one.subject_type == LOT]
        for lot in lots:
            subject = work[lot] if lot in work else subjects.get(lot, NOBODY)
            gone = old if lot in before.links else {}
            come = new if lot in after.links else {}
            work[lot] = replace(subject, ordered=_exchanged(subject.ordered, gone, come))


def turns(key: SubjectKey, ordered: Ordered) -> dict[Order, Fact]:
    """The facts with which a receipt becomes pledged, or no longer is, as they reach a lot."""
    found = {}
    value = EMPTY
    for fact in ordered.facts:
        was = value.state
        value = accumulate(TITLE, value, fact)
        if (was == "PLEDGED") != (value.state == "PLEDGED"):
            effect = FREED if was == "PLEDGED" else PLEDGED
            order = (*fact.order[:4], f"{fact.order[4]}\0{key.subject_id}")
            found[order] = replace(
                fact, order=order, effect=effect, subject_id=key.subject_id, flags=frozenset()
            )
    return found


def _exchanged(ordered: Ordered, gone: dict[Order, Fact], come: dict[Order, Fact]) -> Ordered:
    for order, fact in gone.items():
        if come.get(order) != fact:
            ordered = sequence.remove(LOT, ordered, fact)
    for order, fact in come.items():
        if gone.get(order) != fact:
            ordered = sequence.insert(LOT, ordered, fact)
    return ordered
