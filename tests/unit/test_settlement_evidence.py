"""Signed evidence under full terms: by which version it counts, and what a lost key takes back."""

from settlement_full_world import day, electronics
from settlement_signed_world import SealedWorld, allowing
from test_settlement_full_review import amend, is_sound, later, version

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
