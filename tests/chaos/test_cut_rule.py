"""The cut rule at scale, in wall-clock time on a real Kafka: nobody is paid while something earlier
may still be coming, and nobody waits for ever because of that.

One deployment for all tests; each has chains of its own, and starts the engine that it wants.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from harness import until
from verifier import Witness, kafka
from wall import PARTITIONS, TICK_MS, Payable, World, chain_on, eta, numbers

from supplytwin.schemas.events import CUSTOMS, WAREHOUSE
from supplytwin.streams.ticker import Ticker

pytestmark = pytest.mark.kafka

GROUPS = 12


def groups(chains: Sequence[Payable], size: int) -> list[Sequence[Payable]]:
    return [chains[at : at + size] for at in range(0, len(chains), size)]


def held_by_strangers(world: World, held: Sequence[Payable], free: Sequence[Payable]) -> set[str]:
    """Hold in a stranger's open transaction, then the receipt, group by group, the transactions
    overlapping; who of `held` was paid. Those in `free` have no hold, and must be.
    """
    strangers = [world.stranger(0), world.stranger(1)]
    for number, group in enumerate(groups(held, GROUPS)):
        mine = strangers[number % 2]
        mine.begin()
        mine.send(one.hold for one in group)
        world.feed.send(message for one in group for message in one.receipts)
        assert world.deployed.open((CUSTOMS,)), "the hold must not be readable yet"
        time.sleep(0.15)
        if number:
            strangers[1 - number % 2].commit()
        time.sleep(0.1)
    mine.commit()
    world.feed.send(message for one in free for message in one.receipts)
    world.outcome.await_calm()
    until(lambda: len(world.paid(free)) == len(free), "those without a hold are paid", 60.0, 0.25)
    return world.paid(held)


def test_a_hold_in_an_open_transaction_before_the_receipt(
    world: World, required: Callable[[str], Any]
) -> None:
    """Ticks every 50 ms: no chain is instructed whose hold was appended just before its receipt."""
    chains = required("chaos_held_chains")
    with world.engine():
        held = world.reserved(chains, "OPEN")
        assert held_by_strangers(world, held, world.reserved(GROUPS, "FREE")) == set()
    chains.done(len(held))


def test_an_engine_that_folds_beyond_the_answers_pays_them(world: World) -> None:
    """The test above can fail."""
    with world.engine("folds_beyond"):
        held = world.reserved(5 * GROUPS, "BEYOND")
        assert held_by_strangers(world, held, []) != set()


def held_between_leaders(world: World, held: Sequence[Payable], size: int) -> set[str]:
    """Hold in a stranger's transaction, then the receipt, at random moments between two ticks while
    no transaction is open; who was paid.
    """
    at_random = random.Random(1)
    stranger = world.stranger()
    for group in groups(held, size):
        stranger.begin()
        stranger.send(one.hold for one in group)
        world.feed.send(message for one in group for message in one.receipts)
        time.sleep(2 * TICK_MS / 1000)
        stranger.commit()
        time.sleep(at_random.uniform(1.0, 2.0) * TICK_MS / 1000)
    world.outcome.await_calm()
    return world.paid(held)


def test_leaders_that_do_not_answer_at_one_instant(
    world: World, required: Callable[[str], Any]
) -> None:
    """The second answers are asked for when the first are there: nobody is paid with a hold."""
    chains = required("chaos_held_chains")
    with world.engine("leaders_apart"):
        held = world.reserved(chains, "APART")
        assert held_between_leaders(world, held, GROUPS) == set()
    chains.done(len(held))


@pytest.mark.full
def test_an_engine_that_asks_once_pays_them(world: World) -> None:
    """The test above can fail."""
    with world.engine("leaders_apart,asks_once"):
        assert held_between_leaders(world, world.reserved(120, "ONCE"), 3) != set()


def held_in_hand(world: World, held: Sequence[Payable]) -> set[str]:
    """The receipts lie below the answers, the holds beyond them, consumed and waiting, while a
    stranger holds up the cut; who was paid.
    """
    world.deployed.stop("ticker")
    ticker = Ticker(world.deployed.broker)
    world.outcome.await_calm(1)
    time.sleep(1.0)  # whatever ticks there were are handled
    world.feed.send(message for one in held for message in one.receipts)
    stranger = world.stranger()
    stranger.begin()
    stranger.send(eta(chain_on(number, PARTITIONS), next(numbers)) for number in range(PARTITIONS))
    ticker.tick()
    time.sleep(0.3)
    world.feed.send(one.hold for one in held)
    time.sleep(0.3)
    stranger.commit()
    time.sleep(0.5)
    ticker.tick()
    ticker.close()
    world.outcome.await_calm()
    return world.paid(held)


@pytest.mark.full
def test_a_hold_that_is_consumed_and_waits(world: World, required: Callable[[str], Any]) -> None:
    """What waits is looked at: nobody is paid with the hold in hand."""
    with world.engine():
        held = world.reserved(required("chaos_held_chains"), "HAND")
        assert held_in_hand(world, held) == set()


@pytest.mark.full
def test_an_engine_that_ignores_what_waits_pays_them(world: World) -> None:
    """The test above can fail."""
    with world.engine("ignores_waiting"):
        held = world.reserved(2 * GROUPS, "IGNORE")
        assert held_in_hand(world, held) == {one.chain_id for one in held}


def test_the_journal_is_sound_after_all_of_that(world: World) -> None:
    """Even what the wrong engines did stands there once, in one chain, without a gap."""
    witness = Witness(kafka(world.bootstrap))
    witness.assert_sound()
    assert witness.counts[WAREHOUSE] > 100
