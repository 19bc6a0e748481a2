"""Signed evidence under full terms: by which version it counts, and what a lost key takes back."""

from functools import partial

import pytest
from settlement_full_world import day, electronics
from settlement_signed_world import SealedWorld, allowing, demanding
from signed_fold_world import TIMELINE
from test_settlement_full_review import amend, is_sound, later, version
from test_upgrade import install

from supplytwin.processors import contract_check, settlement_judged
from supplytwin.processors.evidence import Leaf
from supplytwin.streams import topics, upgrade

EXPORT, ARRIVAL, WARRANTY = 0, 1, 2


def sent(world: SealedWorld) -> SealedWorld:
    """Funded, exported by signed evidence, and the first payment is under way."""
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    world.tick(day(3))
    return world


# ---- the version of the terms that a claim is under


def test_an_amendment_that_forbids_hmac_takes_nothing_away_that_was_decided() -> None:
    """What is under way and what is paid goes on being judged by the version that it is under."""
    world = sent(SealedWorld(allowing(electronics(), allowed=True), hmac=("customs-cn-1",)))
    assert world.states() == ["INSTRUCTED", "RESERVED", "RESERVED"]
    amend(world, allowing(later(world), allowed=False), 3.1)
    assert version(world) == 2
    world.tick(day(3.12))
    assert world.states()[EXPORT] == "INSTRUCTED"
    world.answer("PAY", "ACSC", 3.2)
    world.tick(day(4))
    assert world.states() == ["SETTLED", "RESERVED", "RESERVED"]
    assert 32 not in world.rows()
    assert is_sound(world)


def test_an_amendment_that_allows_hmac_does_not_make_it_count_for_older_claims() -> None:
    """A payment whose signature is lost is recalled, though its fact came with an HMAC, too, that
    the version of its terms does not take.
    """
    world = sent(SealedWorld(allowing(electronics(), allowed=False), hmac=("customs-cn-2",)))
    amend(world, allowing(later(world), allowed=True), 3.1)
    world.again(world.exported, 3.11, "customs-cn-2")
    world.tick(day(3.12))
    assert world.states()[EXPORT] == "INSTRUCTED"
    world.lost("customs-cn-1", 2)
    world.tick(day(3.13))
    assert world.states()[EXPORT] == "CANCEL_PENDING"
    assert is_sound(world)


def test_a_claim_that_an_amendment_replaces_is_judged_by_the_new_version() -> None:
    """An HMAC that counted for nothing counts for what the amendment puts in its place."""
    world = sent(SealedWorld(allowing(electronics(), allowed=False), hmac=("customs-cn-1",)))
    assert world.states()[EXPORT] == "RESERVED"
    amend(world, allowing(later(world), allowed=True), 3.1)
    world.tick(day(3.12))
    assert world.states()[EXPORT] == "INSTRUCTED"
    assert is_sound(world)


# ---- a newer fold judges by the keys that the journal has


def _upgraded(world: SealedWorld) -> upgrade.Plan:
    """Every worker stopped, the newer fold's restatement applied, a worker started again."""
    meta = topics.Meta(simulated=True, timeline=TIMELINE, partitions=1)
    broker = world.driver.broker
    world.driver.worker.close()
    plan = upgrade.plan(broker, meta, lambda *_: None)
    upgrade.apply(broker, meta, lambda *_: None)
    world.restart()
    return plan


def test_a_restatement_judges_signatures_by_the_keys_of_the_journal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A payment that rests on signatures is no disagreement when the newer fold finds the same."""
    free = partial(contract_check.sense, free_conditions=True)
    monkeypatch.setattr(contract_check, "sense", free)
    world = sent(SealedWorld(demanding("SIGNED")))
    assert world.states()[EXPORT] == "INSTRUCTED"
    install(monkeypatch, "2")
    assert [one.reviews for one in _upgraded(world).chains] == []
    world.tick(day(3.1))
    assert world.states()[EXPORT] == "INSTRUCTED"


def test_a_restatement_moves_no_money_that_rests_on_signatures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The evidence that the newer fold has seen is the one that a cut sees: nothing is recalled
    over it, also by who starts from the journal under keys that were told later.
    """
    world = sent(SealedWorld())
    claim = world.state(world.chain).book.order[EXPORT]
    install(monkeypatch, "2")
    doubts = Leaf(name="amount", value="UNKNOWN", why="doubted by a newer fold")
    monkeypatch.setattr(settlement_judged, "_amount", lambda *_: [doubts])
    (told,) = _upgraded(world).chains
    assert told.reviews == (claim,)
    world.tick(day(3.1))
    assert world.states()[EXPORT] == "INSTRUCTED"
    marked = world.state(world.chain).book.claims[claim].restated
    assert marked == world.now(EXPORT).evidence_hash
    world.lost("customs-ae-1", 2)
    world.restart()
    assert world.state(world.chain).book.claims[claim].restated == marked
    world.tick(day(3.11))
    assert world.states()[EXPORT] == "INSTRUCTED"
    world.lost("customs-cn-1", 2)
    world.tick(day(3.12))
    assert world.states()[EXPORT] == "CANCEL_PENDING"
