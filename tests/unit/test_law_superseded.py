"""What a correction took back stays so when another one replaces the correction; only a retraction
of the correction undoes it. Otherwise goods are counted twice, and a claim is paid too early.
"""

import itertools
from random import Random
from typing import Any

import pytest
import settlement_world as w
from msgspec.structs import replace
from test_facts import FACT, RETRACTION, Rec, load, standing

from supplytwin.processors import twin as twins
from supplytwin.processors.conditions import evaluate
from supplytwin.schemas.events import Event

TERMS = w.contract_terms()
DECLARED, RELEASED, RECEIVED = (event for event, _ in w.proofs(1, 20))
REPLACEMENT = RETRACTION._replace(action="SUPERSEDE")
AGAIN = Rec("a", "3", 3, action="SUPERSEDE", target=REPLACEMENT.identity)


def correction(of: Event, target: Event, event_id: str, action: str, **fields: Any) -> Event:
    """A correction of `target` that says what `of` says, but for some fields."""
    return replace(
        of, event_id=event_id, revision=target.revision + 1, correction_action=action,
        correction_event_id=target.event_id, **fields,
    )  # fmt: skip


def replaced_twice(first: Event, one: dict[str, Any], other: dict[str, Any]) -> tuple[Event, ...]:
    """An event, what stands in its place, and what stands in the place of that."""
    second = correction(first, first, "b", "SUPERSEDE", **one)
    return first, second, correction(second, second, "c", "SUPERSEDE", **other)


def quantities(first: int, second: int, third: int) -> tuple[Event, ...]:
    receipt = w.received(w.day(21), first, event_id="a")
    return replaced_twice(receipt, {"qty": w.Decimal(second)}, {"qty": w.Decimal(third)})


def retraction_replaced(qty: int) -> tuple[Event, ...]:
    """A receipt, its retraction, and a receipt in the place of the retraction."""
    receipt = w.received(w.day(21), qty, event_id="a")
    back = correction(receipt, receipt, "b", "RETRACT")
    return receipt, back, correction(receipt, back, "c", "SUPERSEDE")


HOLD = w.customs("hold_placed", w.day(21))
CORRECTED = {
    "receipt of 40, no: 5, no: 4": ((DECLARED, RELEASED), quantities(40, 5, 4)),
    "receipt of 20, retracted, no: 20": ((DECLARED, RELEASED), retraction_replaced(20)),
    "removal of H1, no: of H2, no: of H3": (
        (DECLARED, RELEASED, RECEIVED, HOLD),
        replaced_twice(w.customs("hold_removed", w.day(22)), {"hold_id": "H2"}, {"hold_id": "H3"}),
    ),
    "release of D1, no: of D7, no: of D8": (
        (DECLARED, RECEIVED),
        replaced_twice(
            w.customs("released", w.day(20)), {"subject_id": "D7"}, {"subject_id": "D8"}
        ),
    ),
}
"""What else is told, and three of which each but the first corrects the one before."""


def taken(*facts: Event) -> twins.Twin:
    return w.twin_of(*((event, event.event_time) for event in facts))  # type: ignore[no-any-return]


def pays(found: twins.Twin) -> bool:
    verdict = evaluate(TERMS, TERMS.claims[0], found, w.day(50))
    return verdict.value == "TRUE" and not verdict.adverse


@pytest.mark.parametrize("name", CORRECTED)
def test_a_replaced_correction_revives_nothing_that_pays(name: str) -> None:
    """In any order of arrival; the first of the three alone would pay, or, with the last, would."""
    others, chain = CORRECTED[name]
    whole = taken(*others, *chain)
    assert not pays(whole)
    assert pays(taken(*others, chain[0], *((chain[2],) if "retracted" in name else ())))
    orders = [(*others, *some) for some in itertools.permutations(chain)]
    orders += Random(1).sample(list(itertools.permutations((*others, *chain))), 12)
    for order in orders:
        assert twins.canonical(taken(*order)) == twins.canonical(whole)


@pytest.mark.parametrize("name", CORRECTED)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_no_instruction_goes_out_on_it(name: str, order: tuple[int, ...]) -> None:
    """Nor when a cut comes before the last of the three, as long as the first is corrected."""
    others, chain = CORRECTED[name]
    driven = w.Chain()
    driven.reserved()
    driven.facts(*[(event, w.day(30)) for event in (*others, *(chain[at] for at in order[:2]))])
    if set(order[:2]) == {0, 1}:
        driven.cut(w.day(31))
    driven.facts((chain[order[2]], w.day(32)))
    driven.cut(w.day(33))
    assert driven.pays() == []


def test_what_stands_last_pays() -> None:
    """A receipt of 4, no: of 5, no: of 40; and one of 40 whose retraction was replaced by it."""
    for chain in (quantities(4, 5, 40), retraction_replaced(40)):
        for order in itertools.permutations(chain):
            assert pays(taken(DECLARED, RELEASED, *order))


# ---- identities


@pytest.mark.parametrize("first", [REPLACEMENT, RETRACTION], ids=["replacement", "retraction"])
def test_a_replaced_correction_keeps_its_target_down(first: Rec) -> None:
    """Of a chain of corrections only its end counts, however long it is."""
    longer = Rec("a", "4", 4, action="SUPERSEDE", target=AGAIN.identity)
    for recs in ([FACT, first, AGAIN], [FACT, first, AGAIN, longer]):
        *others, last = [standing(recs, rec.event_id) for rec in recs]
        assert set(others) == {"RETRACTED"}
        assert last == "COUNTS"


def test_a_revision_above_a_replaced_correction_counts() -> None:
    """It beats up to its own revision, as it did before; that of its replacement is no matter."""
    assert standing([FACT, REPLACEMENT, AGAIN, FACT._replace(revision=2)], "1") == "RETRACTED"
    assert standing([FACT, REPLACEMENT, AGAIN, FACT._replace(revision=3)], "1") == "COUNTS"


def test_a_retraction_undoes_what_a_correction_said_of_others() -> None:
    """That of the last revives the one before, and no more; that of one in the middle what this
    one took back, whether or not it is replaced, too.
    """
    last = Rec("a", "4", 4, action="RETRACT", target=AGAIN.identity)
    recs = [FACT, REPLACEMENT, AGAIN, last]
    assert standing(recs, "2") == "COUNTS"
    assert standing(recs, "1") == standing(recs, "3") == "RETRACTED"
    middle = last._replace(target=REPLACEMENT.identity)
    recs = [FACT, REPLACEMENT, AGAIN, middle]
    assert standing(recs, "1") == standing(recs, "3") == "COUNTS"
    assert standing(recs, "2") == "RETRACTED"
    replaced = Rec("a", "5", 5, action="SUPERSEDE", target=middle.identity)
    assert load([*recs, replaced]).slots[FACT.identity].effective is not None


@pytest.mark.parametrize("action", ["RETRACT", "SUPERSEDE"])
@pytest.mark.parametrize("doubt", ["plan", "contradiction"])
def test_only_a_doubtful_retraction_goes_on_to_the_next(action: str, doubt: str) -> None:
    """The target of a replacement in doubt is in doubt; what that target took back is not: it is
    beaten whether or not it is replaced.
    """
    third = AGAIN._replace(action=action, plan=doubt == "plan")
    recs = [FACT, REPLACEMENT, third]
    if doubt == "contradiction":
        recs.append(third._replace(content=1))
    assert standing(recs, "2") == "CONFLICTED"
    assert standing(recs, "1") == ("CONFLICTED" if action == "RETRACT" else "RETRACTED")


def test_a_correction_that_may_be_a_retraction_goes_on_to_the_next() -> None:
    """One of its contents replaces, the other retracts."""
    recs = [FACT, REPLACEMENT, AGAIN, AGAIN._replace(action="RETRACT")]
    assert standing(recs, "2") == standing(recs, "1") == "CONFLICTED"


def test_what_a_replaced_correction_left_in_doubt_stays_in_doubt() -> None:
    """It says the same of its target, in contradiction or not; its retraction ends the doubt. One
    that is replaced and may be retracted, too, leaves it in doubt.
    """
    recs = [FACT, REPLACEMENT, REPLACEMENT._replace(content=1)]
    assert standing([*recs, AGAIN], "1") == "CONFLICTED"
    assert standing([*recs, AGAIN._replace(action="RETRACT")], "1") == "COUNTS"
    back = Rec("a", "4", 3, action="RETRACT", target=REPLACEMENT.identity)
    twice = [back, back._replace(content=1)]
    assert standing([FACT, REPLACEMENT, AGAIN, *twice], "1") == "CONFLICTED"
    assert standing([FACT, REPLACEMENT, AGAIN, *twice], "2") == "RETRACTED"


@pytest.mark.parametrize("actions", list(itertools.product(("SUPERSEDE", "RETRACT"), repeat=3)))
def test_a_ring_has_one_state_in_any_order(actions: tuple[str, str, str]) -> None:
    """Each corrects the one below it, the lowest the highest: that one stands. Of those that only
    replace each other it alone counts.
    """
    low, middle, high = (
        Rec("a", event_id, 2, action=action, target=("a", target))
        for event_id, target, action in zip("123", "312", actions, strict=True)
    )
    ring = [low, middle, high]
    assert standing(ring, "3") == ("COUNTS" if high.action == "SUPERSEDE" else "BARE")
    assert standing(ring, "2") == "RETRACTED"
    undone = high.action == "RETRACT"
    expected = "RETRACTED" if not undone else "COUNTS" if low.action == "SUPERSEDE" else "BARE"
    assert standing(ring, "1") == expected
    for one in ring:
        standing([*ring, one._replace(content=1)], "1")
