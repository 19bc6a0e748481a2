"""Taking over a partition whose journal a stranger's open transaction stands on: the last committed
entries cannot be read yet, and a worker that begins without them writes their numbers again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from harness import until
from verifier import Witness, kafka
from wall import PARTITIONS, World, chain_on, eta, numbers

from supplytwin.schemas.records import JOURNAL

pytestmark = pytest.mark.kafka


@contextmanager
def take_over(world: World, variant: str) -> Iterator[list[str]]:
    """Entries are committed behind a stranger's open transaction, the worker goes, and `variant`
    takes over while it is still open: the body runs then; the chains that have such entries.
    """
    chains = [chain_on(number, PARTITIONS, f"OVER-{variant}") for number in range(PARTITIONS)]
    stranger = world.stranger()
    with world.engine():
        world.feed.send(eta(chain, next(numbers)) for chain in chains)
        world.outcome.await_calm(1)
        stranger.begin()
        stranger.raw(JOURNAL, b"zzz", b"never", range(PARTITIONS))
        world.feed.send(eta(chain, next(numbers)) for chain in chains)
        world.outcome.await_calm(1)
    open_now = world.deployed.open((JOURNAL,))
    assert {at.where.partition for at in open_now} == set(range(PARTITIONS))
    assert all(at.end - at.start > 1 for at in open_now), "entries stand behind the stranger's"
    world.deployed.worker(0, variant=variant)
    yield chains
    stranger.abort()
    until(lambda: world.deployed.up(0), "the worker is up")
    world.outcome.await_calm()
    assert world.deployed.stop("worker-0") == {"worker-0": 0}
    stranger.close()


def taken(world: World) -> int:
    """How many records the journal has, of whatever fate."""
    return world.deployed.written((JOURNAL,))


def test_the_end_of_everything_appended_is_waited_for(world: World) -> None:
    """Nothing is written before the stranger is gone; then the chains go on where they were."""
    with take_over(world, "") as chains:
        world.feed.send(eta(chain, next(numbers)) for chain in chains)
        before = taken(world)
        time.sleep(5.0)
        assert taken(world) == before
        assert "restored" not in world.deployed.log("worker-0")
    witness = Witness(kafka(world.bootstrap))
    witness.assert_sound()
    assert all(witness.chains[chain].seq == 3 for chain in chains)


def test_an_engine_that_restores_to_the_last_stable_offset_breaks_its_chains(world: World) -> None:
    """The test above can fail: the same numbers are written twice."""
    with take_over(world, "restores_to_stable") as chains:
        world.feed.send(eta(chain, next(numbers)) for chain in chains)
        until(lambda: "restored" in world.deployed.log("worker-0"), "it takes over")
        world.outcome.await_calm(1)
    problems = Witness(kafka(world.bootstrap)).problems
    assert all(any(f"journal of {chain} seq" in one for one in problems) for chain in chains)
