"""What tells just what a claim waits for, and reaches nothing that counts for it: for people alone.

No cut looks at it, and nothing follows from it: a condition is evaluated over what reaches its
claim, and all else is none of its evidence.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from msgspec.structs import replace

from supplytwin.processors.condition_facts import Built
from supplytwin.processors.condition_facts_customs import is_about
from supplytwin.processors.condition_facts_goods import in_unit
from supplytwin.processors.condition_facts_words import FREE, RELEASES, words_of
from supplytwin.processors.reach import reached_by
from supplytwin.processors.settlement_answers import Answers, concerns_of
from supplytwin.processors.settlement_asked import Known, asked, desk, tranche_of
from supplytwin.processors.settlement_report import Explanation
from supplytwin.processors.settlement_rows import PAID
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.subjects import SubjectKey
from supplytwin.processors.twin import Twin
from supplytwin.schemas.condition import Condition, Milestone, Quantity, operator, walked
from supplytwin.schemas.events import Event
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.machines import LINE
from supplytwin.schemas.units import code_of

NOT_LINKED, OTHER_PLACE, OTHER_UNIT = "NOT_LINKED", "OTHER_PLACE", "OTHER_UNIT"
_TOLD_BY = {"RECEIVED": "wh.received", "SHIPPED": "wh.dispatched", "ACCEPTED": "order.accepted"}


def with_overlooked(
    book: Book, twin: Twin, at: int, known: Known, told: Sequence[Explanation]
) -> tuple[Explanation, ...]:
    """The explanations of claims, as of tick time `at`; each that waits, or waited in vain, with
    what was told of what it asks for and counts for no claim.
    """
    answers, made = Answers(twin), dict[str, Built]()
    for one in told:
        claim = book.claims[one.settlement_id]
        if book.terms_of(claim).full is not None:
            on = desk(book, claim, twin, at, known, answers)
            question = asked(on, claim, tranche_of(on.full, claim).condition)
            made[one.settlement_id] = answers.built(question)
    every = concerns_of(made.values())
    slots = twin.facts.slots.values() if made else ()
    events = [one.effective.event for one in slots if one.effective is not None]
    events = [one for one in events if one.classifier == "ACTUAL"]
    return tuple(
        one
        if one.settlement_id not in made or one.state in PAID or one.verdict == "TRUE"
        else _explained(one, made[one.settlement_id], events, every)
        for one in told
    )


def _explained(
    one: Explanation, made: Built, events: Sequence[Event], every: frozenset[SubjectKey]
) -> Explanation:
    named = {*one.evidence_ids, *(each.partition(": ")[0] for each in one.ignored)}
    missing = {leaf.name for leaf in one.leaves if leaf.value != "TRUE"}
    found = {
        f"{event.source}/{event.event_id}: {reason}"
        for path, leaf in walked(made.asked.condition)
        if f"{path} {operator(leaf)}" in missing
        for event, reason in _overlooked(leaf, made, events, every)
        if f"{event.source}/{event.event_id}" not in named
    }
    return replace(one, ignored=tuple(sorted({*one.ignored, *found})))


def _overlooked(
    leaf: Condition, made: Built, events: Sequence[Event], every: frozenset[SubjectKey]
) -> Iterator[tuple[Event, str]]:
    match leaf:
        case Milestone():
            words = {word.code for word in words_of(leaf.type)}
            codes = words | (set(RELEASES) if FREE in words else set())
            for event in events:
                for key in _told(event, codes):
                    if key not in every:
                        yield event, NOT_LINKED
                    elif key in made.concerns and not _is_at(leaf, event):
                        yield event, OTHER_PLACE
        case Quantity():
            line = SubjectKey(LINE, leaf.line)
            unit = next((one.unit for one in made.asked.ordered if one.line == leaf.line), None)
            for event in events:
                is_told = event.event_type == _TOLD_BY[leaf.measure] and line in reached_by(event)
                if is_told and not _converts(getattr(event, "uom", None), unit):
                    yield event, OTHER_UNIT


def _told(event: Event, codes: set[str]) -> Iterator[SubjectKey]:
    """The subjects of which an event tells one of these milestones."""
    for key in reached_by(event):
        effect = effect_on(event, key.subject_type, is_subject=is_about(event, key))
        if effect is not None and effect.milestone in codes:
            yield key


def _is_at(leaf: Milestone, event: Event) -> bool:
    return leaf.place in (None, event.facility, event.unlocode)


def _converts(unit: str | None, wanted: str | None) -> bool:
    if unit is None or wanted is None:
        return True
    goal = code_of(wanted) or wanted
    return in_unit(Decimal(1), code_of(unit) or unit, goal)[1] == goal
