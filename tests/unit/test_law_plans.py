"""No PLANNED or ESTIMATED event ever moves a lifecycle or a payment: whoever takes all of them out
of a stream finds the same lifecycles, quantities and claims.

Plans mostly have identities of their own here and correct only plans. A plan that restates or
corrects what has happened puts it in conflict: shown at the end, it pays nothing and frees nothing.
"""

import itertools
from random import Random
from typing import Any

import chain_world as c
import law_world as w
import pytest
import settlement_world as s
from msgspec.structs import replace

from supplytwin.processors import conditions, twin
from supplytwin.processors.standing import EMPTY, Accumulator
from supplytwin.processors.subjects import NOBODY, Subject
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import Micros

PLANS = ("PLANNED", "ESTIMATED")
SCHEDULES = ("planned", "eta", "flags")
"""What plans are for, and what is known of their time."""


def apart(event: Event) -> Event:
    """The event, a plan under an identity of its own, correcting plans only."""
    if event.classifier not in PLANS:
        return event
    aim = event.correction_event_id
    return replace(
        event, event_id=f"plan-{event.event_id}",
        correction_event_id=None if aim is None else f"plan-{aim}",
    )  # fmt: skip


def moved(value: Accumulator) -> Accumulator:
    """All that a lifecycle is, without schedules."""
    return replace(value, **{name: getattr(EMPTY, name) for name in SCHEDULES})


def stands(subject: Subject) -> tuple[Any, ...]:
    return subject.state, subject.codes, "partial" in subject.flags, moved(subject.value)


def taken(told: list[Any]) -> twin.Twin:
    found = twin.EMPTY
    for one in told:
        found = twin.take(found, w.item(one.event, one.arrival)).twin
    return found


@pytest.mark.parametrize("first", range(0, 400, 20))
def test_lifecycles_are_the_same_without_plans(first: int) -> None:
    """State, milestones, quantities, holds and exceptions of every subject of random streams."""
    for seed in range(first, first + 20):
        random = Random(seed)
        told = [replace(one, event=apart(one.event)) for one in w.stream(random, "C")]
        actual = [one for one in told if one.event.classifier not in PLANS]
        random.shuffle(told)
        whole, bare = taken(told), taken(actual)
        for key, subject in whole.subjects.items():
            assert stands(subject) == stands(bare.subjects.get(key, NOBODY)), (seed, key)
        for key, subject in bare.subjects.items():
            assert set(subject.links) == set(whole.subjects[key].links), (seed, key)


# ---- payments


CONTRARY = (
    s.customs("hold_placed", s.day(35)),
    s.customs("hold_removed", s.day(36)),
    s.customs("release_revoked", s.day(37)),
    s.customs("released", s.day(38), event_id="again"),
    s.customs("cancelled", s.day(39)),
    s.reversed_(s.day(35), 10),
    s.received(s.day(36), 10, event_id="more"),
    s.declared(s.day(37), "D2"),
    s.customs("hold_placed", s.day(37), "D2"),
)


def plans(random: Random) -> list[tuple[Event, int]]:
    """Plans of all that bears on the claim, some told twice in contradiction, or taken back."""
    made = []
    for event in (*(message for message, _ in s.proofs()), *CONTRARY):
        plan = replace(event, classifier=random.choice(PLANS), event_id=f"plan-{event.event_id}")
        if random.random() < 0.5:
            made.append(plan)
        if random.random() < 0.5:
            made.append(replace(plan, event_time=Micros(plan.event_time + 1)))
        if random.random() < 0.2:
            back = {"correction_action": "RETRACT", "correction_event_id": plan.event_id}
            made.append(replace(plan, event_id=f"back-{event.event_id}", revision=3, **back))
    return [(event, s.day(34)) for event in made]


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_the_verdict_on_a_claim_is_the_same_without_plans(first: int) -> None:
    """At every tick: value, evidence and what is adverse to it."""
    terms = s.contract_terms()
    for seed in range(first, first + 30):
        random = Random(seed)
        told = [(event, event.event_time) for event in CONTRARY if random.random() < 0.3]
        facts = [*(one for one in s.proofs() if random.random() < 0.9), *told]
        mixed = [*facts, *plans(random)]
        random.shuffle(mixed)
        whole, bare = s.twin_of(*mixed), s.twin_of(*facts)
        for tick in map(s.day, (20, 31, 36, 40, 91)):
            one, other = (
                conditions.evaluate(terms, terms.claims[0], found, tick) for found in (whole, bare)
            )
            assert (one.value, one.evidence, one.adverse, one.against, one.wakes_at) == (
                other.value, other.evidence, other.adverse, other.against, other.wakes_at,
            ), seed  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_a_payment_goes_its_way_through_plans(seed: int) -> None:
    """Instructions and rows of a claim that is paid in a worker, with plans before and after."""
    runs = []
    for told in ([], plans(Random(seed))):
        chain = c.ChainDriver()
        for event, at in told[::2]:
            chain.fact(replace(event, event_time=Micros(s.day(1))), min(at, s.day(1)))
        chain.paid()
        for event, at in told:
            chain.fact(event, at)
        chain.tick(s.day(40))
        orders = [(o.kind, o.amount_minor, o.instruction_no) for o in chain.instructions()]
        runs.append((orders, chain.rows(), chain.claim.state))
    assert runs[0] == runs[1]
    assert [kind for kind, _, _ in runs[0][0]] == ["RESERVE", "PAY"]


# ---- plans of what has happened


def attacks(random: Random, facts: list[tuple[Event, int]]) -> list[tuple[Event, int]]:
    """Plans under the identities of facts, and plans that correct them."""
    made = []
    for event, _ in facts:
        plan = replace(event, classifier=random.choice(PLANS), revision=random.choice((0, 1, 2, 3)))
        if random.random() < 0.3:
            made.append(plan)
        if random.random() < 0.3:
            action = random.choice(("RETRACT", "SUPERSEDE"))
            aim = {"correction_action": action, "correction_event_id": event.event_id}
            made.append(replace(plan, event_id=f"back-{event.event_id}", **aim))
    return [(event, s.day(34)) for event in made]


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_a_plan_of_what_has_happened_never_pays(first: int) -> None:
    """Whoever restates facts as plans, or corrects them by plans, gets no claim paid that would not
    be paid without; whatever the order.
    """
    terms = s.contract_terms()
    for seed in range(first, first + 30):
        random = Random(seed)
        told = [(event, event.event_time) for event in CONTRARY if random.random() < 0.3]
        facts = [*(one for one in s.proofs() if random.random() < 0.95), *told]
        retracted = [(replace(event, event_id=f"undo-{event.event_id}", revision=2,
                              correction_action="RETRACT", correction_event_id=event.event_id), at)
                     for event, at in facts if random.random() < 0.1]  # fmt: skip
        facts += retracted
        mixed = [*facts, *attacks(random, facts)]
        random.shuffle(mixed)
        whole, bare = s.twin_of(*mixed), s.twin_of(*facts)
        for tick in map(s.day, (31, 36, 40, 91)):
            one, other = (
                conditions.evaluate(terms, terms.claims[0], found, tick) for found in (whole, bare)
            )
            pays = one.value == "TRUE" and not one.adverse
            assert not pays or (other.value == "TRUE" and not other.adverse), (seed, tick)


def test_a_fact_that_its_source_restates_as_a_plan_is_withdrawn() -> None:
    """It supports nothing, and is in conflict until a higher revision says what happened."""
    done = w.make("shipment.delivered", "ORDER_LINE:1")
    plan = replace(done, revision=2, classifier="PLANNED")
    for order in itertools.permutations((done, plan)):
        found = twin.EMPTY
        for event in order:
            found = twin.take(found, w.item(event)).twin
        line = twin.subject(found, "ORDER_LINE", "1")
        assert line is not None
        assert (line.state, line.codes, line.flags) == (None, (), ("conflict",))
        found = twin.take(found, w.item(replace(done, revision=3))).twin
        line = twin.subject(found, "ORDER_LINE", "1")
        assert line is not None
        assert (line.state, "conflict" in line.flags) == ("DELIVERED", False)
