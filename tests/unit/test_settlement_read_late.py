"""Inputs that are read long after the last tick that was journalled: behind a restart of a worker
whose chains were quiet, or by one that was away. They count from when they arrived.
"""

from typing import Any

import pytest
import signed_fold_world as keys
from settlement_full_world import FullWorld, day

from supplytwin.processors.settlement_state import Claim

RESTARTED = pytest.mark.parametrize("restarted", [False, True])


def exported() -> FullWorld:
    """The first part is paid; the goods are at sea from day 4 on."""
    world = FullWorld()
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.export()
    world.tick(day(3))
    world.answer("PAY", "ACSC", 3.1)
    world.answer("RELEASE", "RELEASED", 3.2)
    world.tick(day(4))
    return world


def second(world: FullWorld) -> Claim:
    """The claim of the arrival."""
    book = world.state(world.chain).book
    return book.claims[book.order[1]]


def quiet(world: FullWorld, since: int, until: int, *, restarted: bool) -> None:
    """Ticks that decide nothing, and leave no entry; then another process, perhaps."""
    for at in range(since, until):
        world.tick(day(at))
    if restarted:
        world.driver.restart()
        world.driver.settle()


@RESTARTED
def test_a_dispute_lasts_from_when_it_was_raised(restarted: bool) -> None:
    """It is not over at the first cut after a restart."""
    world = exported()
    quiet(world, 5, 63, restarted=restarted)
    world.review("DISPUTE", 1, 62.01, reviewer="bea", role="BUYER")
    for at in (62.02, 62.03, 63):
        world.tick(day(at))
    assert second(world).state == "DISPUTED"
    assert second(world).disputed_at >= day(62)
    assert not world.audit().differences


def test_a_dispute_that_a_worker_reads_late_lasts_from_when_it_was_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker was away for longer than a dispute may last; the ticks and the buyer were not."""
    world = exported()
    quiet(world, 5, 20, restarted=False)
    with monkeypatch.context() as away:
        away.setattr(world.driver, "settle", lambda: None)
        for at in range(20, 51):
            world.driver.tick(day(at))
        world.review("DISPUTE", 1, 49.9, reviewer="bea", role="BUYER")
    world.driver.settle()
    world.tick(day(51))
    assert second(world).state == "DISPUTED"
    assert not world.audit().differences


@RESTARTED
def test_a_challenge_window_begins_with_the_release(restarted: bool) -> None:
    """A claim that people release has its whole window before it is paid."""
    world = exported()
    world.tick(day(60))
    world.review("HOLD", 1, 60.1, reviewer="risk", role="RISK")
    world.cleared()
    world.received()
    quiet(world, 63, 68, restarted=restarted)
    told = tuple(second(world).standing)
    world.review("RELEASE", 1, 67.01, reviewer="olga", role="OPERATOR", cleared_ids=told,
                 evidence_hash=world.now(1).evidence_hash)  # fmt: skip
    assert second(world).state == "MATCHED"
    window_end = second(world).window_end
    assert window_end is not None
    challenge = world.state(world.chain).book.promises[second(world).settlement_id].challenge_us
    assert window_end >= day(67) + challenge
    world.tick(day(67.02))
    assert second(world).state == "MATCHED"
    assert not world.audit().differences


@RESTARTED
def test_time_in_the_quarantine_is_counted_to_the_end_of_it(restarted: bool) -> None:
    """From when the record arrived until the act on it did."""
    world = exported()
    world.tick(day(60))
    world.driver.send("supply.warehouse", world.chain, b"garbage", timestamp_us=day(61))
    world.driver.settle()
    quiet(world, 62, 75, restarted=restarted)
    world.review("DROP_RECORD", 1, 74.5, settlement_id="*", reviewer="olga",
                 cleared_ids=tuple(second(world).standing))  # fmt: skip
    assert second(world).tolled_us == day(74.5) - day(61)
    assert not world.audit().differences


def test_the_same_contract_again_is_a_duplicate_whatever_became_of_its_keys() -> None:
    """A producer's repetition holds nothing: the terms were agreed with keys that were good."""
    world = FullWorld()
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.tick(day(5))
    world.tell(keys.record(revoked=(("BUYER-1", day(6)),)))
    world.tick(day(10))
    before, put = world.states(), world.put

    def now(topic: Any, message: Any, at: Any) -> Any:
        return put(topic, message, day(10.1))

    world.put = now  # type: ignore[method-assign]
    world.agree(world.signatures())
    world.put = put  # type: ignore[method-assign]
    assert world.states() == before
    assert not world.driver.quarantine()
