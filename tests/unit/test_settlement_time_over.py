"""A time that is over after the amount was fixed takes nothing back."""

import pytest
from settlement_full_world import CONSIGNMENT, FullWorld, day
from test_settlement_free_conditions import free

FIFTH = "2025-12-06T00:00:00+08:00"
CLEARED = {"milestone": {"type": "EXPORT_CLEARED", "by": {"roles": ["CUSTOMS"], "k": 1}}}


def agreed() -> FullWorld:
    """The share at export is paid when customs have cleared the goods before the fifth day is
    over.
    """
    by_then = {"all": [CLEARED, {"time": {"not_after": FIFTH}}]}
    world = FullWorld(free(**{"tranches.0.condition": by_then}))
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.declared("X-1", "EXPORT", 2, "customs-cn")
    return world


def cleared(world: FullWorld, on: float) -> None:
    world.fact("customs.cleared", "DECLARATION:X-1", "cleared", on, "customs-cn", entry_id="E",
               refs=(CONSIGNMENT,))  # fmt: skip
    world.tick(day(on + 0.5))


@pytest.mark.parametrize("answers", [(), ("ACSP",), ("ACSC",)])
def test_a_payment_stands_when_the_time_of_its_condition_is_over(answers: tuple[str, ...]) -> None:
    """Instructed, accepted or booked: nothing has spoken against it, so it is neither recalled nor
    claimed back.
    """
    world = agreed()
    cleared(world, 3)
    assert world.paid() == [72_000_000]
    for status in answers:
        world.answer("PAY", status, 4)
    before = world.states()[0], len(world.rows())
    for on in (5.1, 6):
        world.tick(day(on))
    assert world.states()[0] in (before[0], "IN_DOUBT")
    assert not {28, 32} & set(world.rows())


def test_nothing_is_paid_when_it_is_over_before() -> None:
    """Cleared on the sixth day: too late."""
    world = agreed()
    cleared(world, 6)
    assert world.paid() == []


@pytest.mark.parametrize(("on", "times"), [(4.5, 2), (5.5, 1)])
def test_a_payment_that_was_rejected_is_released_before_the_time_is_over(
    on: float, times: int
) -> None:
    """Its claim is HELD and would be approved anew: after the time nothing is."""
    world = agreed()
    cleared(world, 3)
    world.answer("PAY", "RJCT", 4, rail_reason="AC04")
    world.tick(day(on))
    assert world.states()[0] == "HELD"
    world.review("RELEASE", 0, on, reviewer="olga", evidence_hash=world.now(0).evidence_hash)
    world.tick(day(on + 0.1))
    assert world.paid() == [72_000_000] * times
    assert world.states()[0] == ("INSTRUCTED" if times == 2 else "HELD")
