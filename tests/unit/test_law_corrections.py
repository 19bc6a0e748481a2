"""Nothing lifts what speaks against a payment but who may, and only for what has happened: not a
plan, not a correction in contradiction or without authority, not another topic.
"""

import itertools
from random import Random
from typing import Any

import pytest
import settlement_world as w
from msgspec.structs import replace

from supplytwin.processors import twin as twins
from supplytwin.processors.conditions import evaluate
from supplytwin.schemas import events
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import DELEGATION, Input

TERMS = w.contract_terms()
CLAIM = TERMS.claims[0]
DECLARED, RELEASED, RECEIVED = (event for event, _ in w.proofs(1, 20))
HOLD = w.customs("hold_placed", w.day(22), event_id="h")
AGAINST = {
    "hold": (HOLD,),
    "revocation": (w.customs("release_revoked", w.day(22), event_id="h"),),
    "rejection": (w.customs("rejected", w.day(22), event_id="h"),),
    "cancellation": (w.customs("cancelled", w.day(22), event_id="h"),),
    "reversal": (w.reversed_(w.day(22), event_id="h", source="customs"),),
    "hold of another declaration": (
        w.declared(w.day(21), "D2", event_id="h"),
        w.customs("hold_placed", w.day(22), "D2", event_id="other"),
    ),
    "retraction of the release": (
        w.customs(
            "released", w.day(22), event_id="h", revision=2, correction_action="RETRACT",
            correction_event_id=RELEASED.event_id,
        ),
    ),
}  # fmt: skip
"""What speaks against the claim; that with the id ``h`` is attacked."""
OTHER_TOPIC = w.event("wh.counted", "LOT:9", "h", w.day(23), source="customs", lot_id="9",
                      counted=w.Decimal(1))  # fmt: skip


def taken(*facts: Event, delegated: Event | None = None) -> twins.Twin:
    """The twin of the facts; one of them comes by delegation."""
    found = twins.EMPTY
    for event in facts:
        item: Input = w.item(event, max(event.event_time, event.revision))
        if event is delegated:
            record = replace(item.record, headers=((DELEGATION, b"{}"),))
            item = replace(item, record=record)
        found = twins.take(found, item).twin
    return found


def pays(found: twins.Twin) -> bool:
    verdict = evaluate(TERMS, CLAIM, found, w.day(50))
    return verdict.value == "TRUE" and not verdict.adverse


def attempts(target: Event) -> dict[str, tuple[Event, ...]]:
    """What must not lift `target`."""
    later = {"event_time": w.day(23), "recorded_time": w.day(23)}
    other: dict[str, Any] = {"event_id": "x", "revision": 9, "correction_event_id": "h"}
    empty = {"correction_action": None, "correction_event_id": None}
    stranger: dict[str, Any] = {"correction_source": "stranger", "correction_event_id": "z"}
    elsewhere = replace(HOLD, subject_id="D9", **later)
    back = replace(elsewhere, **{**other, "correction_action": "RETRACT"})
    return {
        "a plan of it": (replace(target, revision=9, classifier="PLANNED"),),
        "a plan in its place": (replace(elsewhere, **empty, revision=9, classifier="ESTIMATED"),),
        "a planned retraction": (replace(back, classifier="PLANNED"),),
        "an estimated replacement": (
            replace(back, classifier="ESTIMATED", correction_action="SUPERSEDE"),
        ),
        "a contradicted retraction": (back, replace(back, correction_reason="INCORRECT_DATA")),
        "a contradicted replacement": (
            replace(back, correction_action="SUPERSEDE"), replace(back, **empty),
        ),
        "a replacement of a stranger's event": (
            replace(target, revision=9, correction_action="SUPERSEDE", **stranger),
        ),
        "a retraction of a stranger's event": (
            replace(target, revision=8, correction_action="SUPERSEDE", **stranger),
            replace(elsewhere, revision=9, correction_action="RETRACT", **stranger),
        ),
        "a stranger's retraction": (
            replace(back, source="stranger", correction_source="customs"),
        ),
        "another topic": (replace(OTHER_TOPIC, revision=9),),
        "another topic, before": (replace(OTHER_TOPIC, revision=0),),
        "a retraction from another topic": (
            replace(OTHER_TOPIC, **{**other, "correction_action": "RETRACT"}),
        ),
    }  # fmt: skip


def other_topic(attempt: tuple[Event, ...], target: Event) -> tuple[Event, ...]:
    """The attempt; where it comes from customs, from the topic of its target, naming no line."""
    if target.TOPIC == events.CUSTOMS or attempt[0].subject_type == "LOT":
        return attempt
    return tuple(
        replace(target, refs=(), **{name: getattr(one, name) for name in (
            "event_id", "revision", "source", "classifier", "correction_action",
            "correction_source", "correction_event_id", "correction_reason")})
        if one.TOPIC == events.CUSTOMS else one
        for one in attempt
    )  # fmt: skip


@pytest.mark.parametrize("attempt", attempts(HOLD))
@pytest.mark.parametrize("against", AGAINST)
def test_nothing_without_power_lifts_what_speaks_against_a_payment(
    against: str, attempt: str
) -> None:
    """In any order: the claim was not paid before, and is not paid afterwards."""
    contrary = AGAINST[against]
    target = contrary[0]
    more = attempts(target)[attempt]
    if target.TOPIC != events.CUSTOMS:
        more = () if "topic" in attempt else other_topic(more, target)
    facts = (DECLARED, RELEASED, RECEIVED, *contrary)
    assert pays(taken(DECLARED, RELEASED, RECEIVED))
    assert not pays(taken(*facts))
    whole = taken(*facts, *more)
    assert not pays(whole)
    orders = list(itertools.permutations((*facts, *more)))
    for order in Random(1).sample(orders, 12):
        assert twins.canonical(taken(*order)) == twins.canonical(whole)


@pytest.mark.parametrize("against", AGAINST)
def test_a_higher_revision_of_what_happened_ends_every_conflict(against: str) -> None:
    """After a plan or a doubt: its source says again that it did, or takes it back for good."""
    contrary = AGAINST[against]
    target = contrary[0]
    back = replace(target, event_id="y", revision=12, correction_action="RETRACT",
                   correction_event_id="h")  # fmt: skip
    for attempt in ("a plan of it", "a planned retraction", "a contradicted retraction"):
        more = other_topic(attempts(target)[attempt], target)
        facts = (DECLARED, RELEASED, RECEIVED, *contrary, *more)
        again = taken(*facts, replace(target, revision=11))
        adverse = {one.event_id for one in evaluate(TERMS, CLAIM, again, w.day(50)).adverse}
        assert "h" not in adverse
        assert not pays(again)
        cleared = [back]
        if (against, attempt) == ("reversal", "a contradicted retraction"):
            # one of its contents may be a reversal, too, until it is told again
            assert not pays(taken(*facts, back))
            cleared.append(replace(more[0], revision=13))
        assert pays(taken(*facts, *cleared))


def test_a_retraction_under_a_delegation_stands_when_its_delegate_loses_it() -> None:
    """The delegate tells it again, or tells it otherwise, without a delegation: nothing revives."""
    back = w.customs("released", w.day(22), "D9", event_id="r", source="clerk", revision=2,
                     correction_action="RETRACT", correction_source="customs",
                     correction_event_id=RELEASED.event_id)  # fmt: skip
    facts = (DECLARED, RELEASED, RECEIVED, back)
    assert not pays(taken(*facts, delegated=back))
    assert pays(taken(*facts))
    for more in (replace(back, revision=3), replace(back, correction_reason="INCORRECT_DATA")):
        for order in itertools.permutations((*facts, more)):
            assert not pays(taken(*order, delegated=back))


@pytest.mark.parametrize("attempt", attempts(HOLD))
def test_no_instruction_goes_out_on_it(attempt: str) -> None:
    """A chain with a hold that a cut has seen instructs nothing after the attempt to lift it."""
    chain = w.Chain()
    chain.agree()
    chain.answer(chain.last("RESERVE"), "CONFIRMED", hold_expires=w.day(300))
    for at, facts in ((40, (DECLARED, RELEASED, RECEIVED, HOLD)), (41, attempts(HOLD)[attempt])):
        chain.facts(*[(event, w.day(at) - 1) for event in facts])
        chain.cut(w.day(at))
    assert chain.pays() == []


def test_a_revision_without_power_hides_no_exception_of_what_counts() -> None:
    """Two exceptions of one identity: the version that counts is ahead of its arrival, and the one
    above it corrects what it may not.
    """
    early = w.item(HOLD, HOLD.event_time - 3_600_000_000)
    above = replace(HOLD, revision=2, correction_action="RETRACT", correction_source="stranger",
                    correction_event_id="z")  # fmt: skip
    for items in itertools.permutations((early, w.item(above, HOLD.event_time))):
        found = twins.EMPTY
        for item in items:
            found = twins.take(found, item).twin
        declaration = twins.subject(found, "DECLARATION", "D1")
        assert declaration is not None
        codes = sorted(code for code, _, _ in declaration.marked)
        assert codes == ["IMPLAUSIBLE_TIME", "UNAUTHORISED_RETRACTION"]
        assert declaration.value.holds == {"A:H1"}
