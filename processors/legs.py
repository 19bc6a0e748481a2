"""Goods that travel over several legs: which of them a fact speaks of.

The highest leg number is the last leg. A fact that names none speaks of the whole way, so of the
last leg. Of a leg, a trip or a unit a fact speaks as it is.
"""

from supplytwin.processors.effects import Changes
from supplytwin.processors.standing import Accumulator, Fact
from supplytwin.schemas.events import Event
from supplytwin.schemas.machines import CONSIGNMENT, LINE

GOODS = frozenset((CONSIGNMENT, LINE))
WHOLE_WAY = 2**62
"""The leg of a fact that names none; no leg has so high a number."""


def leg_of(machine: str, event: Event) -> int:
    """The leg that a fact of `machine` speaks of."""
    number: int | None = getattr(event, "leg_no", None) if machine in GOODS else None
    return WHOLE_WAY if number is None else number


def note(machine: str, acc: Accumulator, fact: Fact, changes: Changes, *, allowed: bool) -> None:
    """Note the highest leg that an actual fact of goods names, and the highest one at whose end
    they are. What plans name stands in the schedule.
    """
    event = fact.event
    if event.classifier != "ACTUAL":
        return
    named, ended = acc.legs
    if event.event_type == "shipment.booked":
        booked: tuple[str, ...] = event.legs  # type: ignore[attr-defined]
        named = max(named, *(int(leg.partition(";")[0]) for leg in booked), 0)
    else:
        leg = leg_of(machine, event)
        named = named if leg == WHOLE_WAY else max(named, leg)
        if allowed and event.event_type == "shipment.arrived":
            ended = max(ended, leg)
    if (named, ended) != acc.legs:
        changes["legs"] = named, ended


def at_the_end(acc: Accumulator) -> bool:
    """Whether goods that have arrived somewhere are at the end of the last leg that is known."""
    named, ended = acc.legs
    for one in (acc.planned, acc.eta):
        if one is not None and one.latest[0] != WHOLE_WAY:
            named = max(named, one.latest[0])
    return ended < 0 or ended >= named


NAMES = frozenset(
    (
        "shipment.booked",
        "shipment.loaded",
        "shipment.departed",
        "shipment.arrived",
        "shipment.discharged",
    )
)
"""Event types that name legs."""
