"""A dispute that nobody decides, where the terms say that the seller is right then: awarded is what
is due, as far as anybody knows it.
"""

from settlement_full_world import FullWorld, day, electronics
from test_settlement_full_review import ARRIVAL, funded, is_sound

SHARE = 144_000_000
"""Minor units of the second tranche; each day late takes off ten basis points."""


def disputed(on: float) -> FullWorld:
    """The second tranche, disputed by the buyer; silence speaks for the seller."""
    world = funded(electronics(on_timeout="SELLER"))
    world.tick(day(on - 0.1))
    world.review("DISPUTE", ARRIVAL, on, role="BUYER", reviewer="bob")
    assert world.states()[ARRIVAL] == "DISPUTED"
    return world


def test_silence_awards_what_is_due_before_anybody_knows_how_late_it_is() -> None:
    """Nothing has come that could be late: the award is the share before what it might take off."""
    world = disputed(2)
    world.tick(day(31.9))
    assert world.rows().count(18) == 0
    world.tick(day(32.1))
    world.tick(day(33))
    assert world.states()[ARRIVAL] == "INSTRUCTED"
    assert world.paid() == [SHARE]
    assert is_sound(world)


def test_silence_takes_off_what_is_known_to_be_late() -> None:
    """A delivery came eight days late, and nobody decides the dispute: less eighty basis points."""
    world = disputed(50)
    world.cleared()
    world.received(on=79)
    world.tick(day(80.1))
    world.tick(day(81))
    assert world.paid() == [SHARE * 9_920 // 10_000]
    assert is_sound(world)
