"""Cleared, then seized, under full contract terms: at each state in which the seizure may find the
claim that the buyer's warehouse proves. Before the instruction no money goes out.
"""

from collections.abc import Callable

import pytest
from settlement_full_world import FullWorld, day
from test_settlement_full_review import funded, is_sound

from supplytwin.schemas.records import INSTRUCTIONS

ARRIVAL = 1
Way = Callable[[FullWorld], None]
LATER = (66, 66.5, 68, 80, 101, 105, 150, 215)
"""Past the close, and past the long stop."""


def _reserved(world: FullWorld) -> None:
    """Cleared, and not received yet."""
    world.cleared()
    world.tick(day(64))


def _matched(world: FullWorld) -> None:
    world.cleared()
    world.received()
    world.tick(day(64))


def _instructed(world: FullWorld) -> None:
    _matched(world)
    world.tick(day(65))


def _approved(world: FullWorld) -> None:
    """The rail has rejected the first attempt for now."""
    _instructed(world)
    world.answer("PAY", "RJCT", 65.1, rail_reason="AM04", attempt=1)


def _accepted(world: FullWorld) -> None:
    _instructed(world)
    world.answer("PAY", "ACSP", 65.1)


def _settled(world: FullWorld) -> None:
    _instructed(world)
    world.answer("PAY", "ACSC", 65.1)


BEFORE: dict[str, tuple[Way, float, list[int], str]] = {
    "RESERVED": (_reserved, 64.5, [], "RESERVED"),
    "MATCHED": (_matched, 64.5, [10], "RESERVED"),
    "APPROVED": (_approved, 65.5, [12], "HELD"),
}


def seized(way: Way, state: str, on: float) -> tuple[FullWorld, int, int]:
    """The seizure is told, and a cut looks at it: the world, and how many rows and instructions
    there were before.
    """
    world = funded()
    world.export()
    world.tick(day(3))
    world.answer("PAY", "ACSC", 4)
    way(world)
    assert world.states()[ARRIVAL] == state
    rows, sent = len(world.rows()), len(world.read(INSTRUCTIONS))
    world.seized(on)
    world.tick(day(on + 0.1))
    return world, rows, sent


def sent_since(world: FullWorld, number: int) -> list[str]:
    return [one.kind for one in world.read(INSTRUCTIONS)[number:]]


@pytest.mark.parametrize("state", BEFORE)
def test_before_the_instruction_nothing_is_sent(state: str) -> None:
    """Nor later, however much proof still comes; in the end the buyer has his money back."""
    way, on, rows, then = BEFORE[state]
    world, before, sent = seized(way, state, on)
    assert world.rows()[before:] == rows
    assert world.states()[ARRIVAL] == then
    if state == "RESERVED":
        world.received()
    for later in LATER:
        world.tick(day(later))
    assert "PAY" not in sent_since(world, sent)
    book = world.state(world.chain).book
    claim = book.claims[book.order[ARRIVAL]]
    assert claim.state == "VOIDED"
    assert (claim.accounts.buyer, claim.accounts.seller) == (0, 0)
    assert is_sound(world)


@pytest.mark.parametrize("way", [_instructed, _accepted])
@pytest.mark.parametrize("comes_back", [True, False])
def test_after_the_instruction_it_is_recalled(way: Way, comes_back: bool) -> None:
    """Once. The rail decides: the money comes back, or it was booked and a claim for it stands."""
    world, before, sent = seized(way, way.__name__.strip("_").upper(), 65.5)
    assert world.rows()[before:] == [28]
    assert sent_since(world, sent) == ["RECALL"]
    world.answer("RECALL", "CNCL", 65.7) if comes_back else world.answer("PAY", "ACSC", 65.7)
    world.tick(day(66))
    told = world.rows()[before:]
    assert told[:2] == ([28, 29] if comes_back else [28, 23])
    assert (32 in told) != comes_back
    assert world.states()[ARRIVAL] == ("VOIDED" if comes_back else "SETTLED")
    assert "PAY" not in sent_since(world, sent)
    assert is_sound(world)


def test_after_the_payment_money_is_final() -> None:
    """A claim on record, every later tranche frozen, nothing taken back by itself."""
    world, before, sent = seized(_settled, "SETTLED", 65.5)
    assert 32 in world.rows()[before:]
    assert world.states() == ["SETTLED", "SETTLED", "HELD"]
    for later in LATER[:4]:
        world.tick(day(later))
    assert sent_since(world, sent) == []
    assert is_sound(world)
