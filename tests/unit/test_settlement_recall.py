"""What is remembered of the conditions of full terms changes nothing, and spares work."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import fold_world
import pytest
import settlement_full_world as full
import settlement_world as w
import test_signed_fold as signed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from immutables import Map
from msgspec.structs import replace
from settlement_recall_world import AMENDED, HASHES, TERMS, History, contract_of
from settlement_signed_world import SealedWorld
from signed_fold_world import a_key, day, record

from supplytwin.processors import keys, settlement, settlement_agreement, settlement_answers
from supplytwin.processors import twin as twins
from supplytwin.processors.chain import ChainFold
from supplytwin.processors.condition_facts import built
from supplytwin.processors.condition_facts_asked import Footprinted
from supplytwin.processors.settlement_answers import Answers, stirred
from supplytwin.processors.settlement_asked import asked, desk, tranche_of
from supplytwin.processors.settlement_known import known_of
from supplytwin.processors.settlement_memory import Memory, is_still
from supplytwin.processors.settlement_noted import noted
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.flow import Input


def delivered(consignment: str) -> Input:
    """A fact about a consignment."""
    made = w.event("shipment.delivered", f"CONSIGNMENT:{consignment}", f"d {consignment}", day(1),
                   chain_id="C", consignment_id=consignment, receiver="r")  # fmt: skip
    return fold_world.item(made, day(2))


def a_reading(arrival: int) -> Input:
    """One plain reading."""
    made = w.event("shipment.sensor", "CONSIGNMENT:1", "r", day(0), chain_id="C", device_id="d",
                   metric="X", value=1.0, unit="x")  # fmt: skip
    return fold_world.item(made, arrival)


@pytest.fixture(autouse=True)
def _as_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terms count as signed by all, with conditions of their own."""
    monkeypatch.setattr(settlement, "_check_full", lambda *_: None)


def test_at_every_step_what_is_remembered_is_what_is_found_anew(
    required: Callable[[str], Any],
) -> None:
    """Over random histories of facts, readings, signatures, footprints, amendments, a rail, people
    and ticks: the same cut and the same verdict with a memory, with none and with another one's;
    and no verdict is another before the time that it names.
    """
    number = required("recalled_histories")
    spared, rested, rows, states = 0, 0, set(), set()
    for seed in range(number):
        history = History(random.Random(seed))
        for _ in range(45):
            at = history.random.random()
            if at < 0.45:
                history.fact()
            elif at < 0.6:
                history.rail()
            elif at < 0.68:
                history.person()
            elif at < 0.76:
                pick = (history.rejudge, history.footprint, history.footprint, history.delay)
                rows.update(history.alone(history.random.choice(pick)))
            elif at < 0.77:
                history.agreed(AMENDED)
            else:
                rows.update(history.cut())
                states |= {claim.state for claim in history.book.claims.values()}
        spared += history.spared
        rested += history.rested
    assert rows >= {4, 7, 8, 11, 12, 21, 42, 46, 54}
    assert states >= {"MATCHED", "INSTRUCTED", "HELD", "EXPIRED"}
    assert spared > 5 * number, "no answer was ever kept"
    assert rested > 2 * number, "no claim ever rested"
    number.done(number)


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(signed.histories, st.randoms(use_true_random=False))
def test_what_signatures_count_for_is_kept_as_it_would_be_judged_anew(
    drawn: list[Any], rng: random.Random
) -> None:
    """Facts and key records in any order; what the last cut knew, and what any cut knew of any
    moment, is brought up to date as if every signature were judged again.
    """
    said = [record(a_key(), a_key("wh-2")), record(revoked=[("wh-2", day(13))]),
            record(compromised=[("wh-1", day(12))])]  # fmt: skip
    told: list[Any] = [*said, *signed._history(drawn)]
    rng.shuffle(told)
    book = noted(Book(), contract_of(TERMS), b"contract")
    assert book.terms is not None
    memories, seen = [Memory()], []
    fold = ChainFold("test")
    chain, control = fold.new("PO-1"), fold.new("@p0")
    for one in told:
        if isinstance(one, keys.KeyRecord):
            message = signed._item_of(signed.control(keys.body_of(one)))
            control = fold.step(control, message, day(0)).state
        else:
            chain = fold.step(chain, fold.admit(control, one), day(0)).state
        seen.append((chain.twin, control.register))
        for memory, (twin, register) in (
            (memories[-1], seen[-1]),
            (rng.choice(memories), rng.choice(seen)),
        ):
            found = known_of(replace(book, memory=memory), twin, register, Map())
            assert found.signatures == known_of(book, twin, register, Map()).signatures
            memories.insert(-1, Memory(terms=book.terms, twin=twin, known=found))
        known = known_of(replace(book, memory=memories[-1]), chain.twin, control.register, Map())
        memories.append(Memory(terms=book.terms, twin=chain.twin, known=known))


def test_a_claim_that_waits_for_others_is_judged_when_these_move() -> None:
    """The rest is due so many days after the arrival is settled: that time is known with the next
    cut, though no fact has come.
    """
    world = full.FullWorld()
    world.tick(full.day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    world.tick(full.day(3))
    world.answer("PAY", "ACSC", 4)
    world.cleared()
    world.received()
    for at in (64.0, 65.0, 65.5):
        world.tick(full.day(at))
    world.answer("PAY", "ACSC", 66)
    for at in (66.5, 80.0):
        world.tick(full.day(at))
    assert world.states() == ["SETTLED", "SETTLED", "RESERVED"]
    assert settlement.due(world.state(world.chain).book) == full.day(96)


def test_nothing_is_asked_of_the_facts_while_nothing_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cut in which nothing came, one with a fact of another consignment, and one with a fact of
    the claim: no question, none, and one for each claim that the fact bears on.
    """
    asked: list[Any] = []
    monkeypatch.setattr(
        settlement_answers,
        "built",
        lambda twin, question, sight: asked.append(question) or built(twin, question, sight),
    )
    history = History(random.Random(1))
    history.waiting = []

    def cut(*facts: Any) -> int:
        asked.clear()
        for one in facts:
            history.twin = twins.take(history.twin, one).twin
        history.now += 1
        history.book, _ = settlement.cut(history.book, history.twin, history.now, history.known)
        return len(asked)

    for _ in range(4):
        cut()
    assert cut() == 0
    assert cut(delivered("9")) == 0
    assert 0 < cut(delivered("2")) < len(history.ids)
    assert cut() == 0


def test_a_footprint_is_looked_at_again_though_no_fact_has_come() -> None:
    """Other packs of factors make it the one that was verified: the claim that waited for it rests
    no longer.
    """
    history = History(random.Random(1))
    history.waiting = []
    verified = w.event("shipment.noted", "CONSIGNMENT:1", "it is verified", day(1), chain_id="C",
                       source="v", text="ok",
                       evidence=(f"VERIFIED_FOOTPRINT;{HASHES[0]};",))  # fmt: skip
    history.twin = twins.take(history.twin, fold_world.item(verified, day(1))).twin
    while history.cut(history.now):
        pass
    assert (history.cut(history.now), history.state(3)) == ([], "RESERVED")
    made = Footprinted(input_hash=HASHES[0], co2e_wtw_kg=Decimal(4), activity_tkm=Decimal(7))
    history.known = replace(history.known, footprints={"1": made})
    history.cut(history.now)
    assert history.state(3) != "RESERVED"


def test_a_question_is_another_one_when_anything_in_it_is() -> None:
    """What differs only in what `condition_eval` alone looks at has the same evidence."""
    history = History(random.Random(2))
    claim = history.claim(5)
    answers = Answers(history.twin)
    on = desk(history.book, claim, history.twin, history.now, history.known, answers)
    question = asked(on, claim, tranche_of(on.full, claim).condition)
    first = answers.built(question)
    later = replace(question.scope, tolling=True, challenge_end=5)
    assert answers.built(replace(question, scope=later)) is first
    kept = Answers(history.twin, [first])
    assert kept.built(question) is first
    others: dict[str, Any] = {
        "settled": {"T1": 5}, "attesters": (), "min_assurance": "ACCEPTED", "warehouses": (),
        "measured_by": {}, "customs_roles": (), "controllers": {}, "unique": {("a", "b"): True},
        "approvers": (), "footprints": (1,), "measures_open": True, "lots": ("L",),
    }  # fmt: skip
    for name, value in others.items():
        changed = replace(question, **{name: value})
        assert not first.holds(changed, frozenset()), name
    assert kept.built(replace(question, settled={"T1": 5})) is not first
    assert not first.holds(question, {SubjectKey("ORDER_LINE", "1")})


def test_a_packed_reading_that_came_earlier_concerns_its_subject() -> None:
    """Only its arrival is another, nothing that follows for the subject; it may be in time now."""
    late, early = (a_reading(arrival) for arrival in (day(3), day(1)))
    before = twins.take(twins.EMPTY, late).twin
    after = twins.take(before, early).twin
    assert before.facts.slots == after.facts.slots
    assert SubjectKey("CONSIGNMENT", "1") in stirred(before, after, ())
    assert stirred(after, after, ()) == set()


def test_a_day_that_the_calendar_does_not_know_is_looked_for_at_every_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No time is known from which on the bank can be asked to pay; it is asked when it can be."""

    def unknown(*_: Any) -> None:
        raise RecordError(Code.BAD_VALUE, "calendar", "does not know the day")

    world = full.FullWorld()
    world.tick(full.day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    with monkeypatch.context() as patch:
        patch.setattr(settlement_agreement, "execution", unknown)
        for at in (3.0, 3.1):
            world.tick(full.day(at))
    assert world.states()[0] == "APPROVED"
    world.tick(full.day(3.2))
    assert world.states()[0] == "INSTRUCTED"


@pytest.mark.parametrize("signed", [False, True])
def test_where_nothing_came_the_same_is_known_and_the_cut_does_nothing(signed: bool) -> None:
    """Signatures or none: what is known is the very object of the cut before, so it returns at
    once.
    """
    world = SealedWorld(full.electronics()) if signed else full.FullWorld()
    world.tick(full.day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    world.tick(full.day(3))
    state, register = world.state(world.chain), world.register()
    assert bool(state.twin.facts.signed) == signed
    book = state.book
    for at in range(full.day(3), full.day(3) + 3):
        known = known_of(book, state.twin, register, state.footprints)
        book, _ = settlement.cut(book, state.twin, at, known)
    again = known_of(book, state.twin, register, state.footprints)
    assert again is book.memory.known
    assert is_still(book, state.twin, at + 1, again)
