"""What must have happened to the claims of `deadlines_world`, against what has."""

from collections.abc import Callable, Sequence

from deadlines_world import Plan, Step, World
from msgspec import Struct

Cuts = dict[str, list[tuple[int, str, int, str]]]
"""settlement -> (row, state, tick, verdict) of every transition that a cut made, in order."""
Instructions = dict[str, list[tuple[str, int]]]
"""settlement -> (kind, amount) of every instruction, in order."""


class Outage(Struct, frozen=True, kw_only=True):
    """While a worker was away these ticks were appended, on these partition numbers; the last of
    them when it was back. It may pass over ticks, and handles a later one in their place.
    """

    numbers: frozenset[int]
    ticks: tuple[int, ...]


class Check:
    """Compares what was found with the plans, tick by tick. `problems` says what is wrong."""

    def __init__(
        self,
        world: World,
        partition: Callable[[str], int],
        handled: dict[int, Sequence[int]],
        outage: Outage | None = None,
    ) -> None:
        self.world, self.partition, self.handled = world, partition, handled
        self.outage = outage
        self.problems: list[str] = []
        self.fired = self.moved = 0
        """Deadlines that were right; of all, decided at another tick because of the outage."""

    def compare(self, plans: Sequence[Plan], cuts: Cuts, sent: Instructions) -> None:
        for plan in plans:
            found = cuts.get(plan.settlement_id, [])
            wanted, told, steps = self._wanted(plan, found)
            orders = sent.get(plan.settlement_id, [])
            if found != wanted or orders != told:
                self.problems.append(
                    f"{plan.chain_id} {plan.claim_id} ({plan.kind}, {plan.role}): {found} {orders},"
                    f" and must be {wanted} {told}"
                )
            else:
                self.fired += steps
        for settlement in cuts.keys() - {plan.settlement_id for plan in plans}:
            self.problems.append(f"{settlement} is no claim")

    def _wanted(
        self, plan: Plan, found: list[tuple[int, str, int, str]]
    ) -> tuple[list[tuple[int, str, int, str]], list[tuple[str, int]], int]:
        """Transitions, instructions, and how many steps of the plan these are."""
        number = self.partition(plan.chain_id)
        last = self.world.tick(self.world.ticks - 1)
        wanted: list[tuple[int, str, int, str]] = []
        orders = [("RESERVE", plan.amount_minor)]
        tick = steps = 0
        for step in plan.steps:
            moment = step.moment if step.after is None else tick + step.after + 1
            at = found[len(wanted)][2] if len(wanted) < len(found) else 0
            tick = self._tick(number, step, moment, at)
            if tick > last:
                break
            wanted += [(row, STATES.get(row, step.state), tick, step.verdict)
                       for row in step.rows]  # fmt: skip
            orders += [(ORDERS[row], plan.amount_minor) for row in step.rows if row in ORDERS]
            steps += 1
        return wanted, orders, steps

    def _tick(self, number: int, step: Step, moment: int, found: int) -> int:
        """The tick that must decide; after an outage the first one that was handled."""
        right = self.world.first_tick(moment)
        if self.outage is None or number not in self.outage.numbers:
            return right
        if right not in self.outage.ticks:
            return right
        known = self.world.first_tick(max(step.known or moment, self.outage.ticks[0]))
        for tick in self.handled.get(number, ()):
            if tick in self.outage.ticks and tick >= known and (tick >= right or tick == found):
                self.moved += tick != right
                return tick
        return right


STATES = {7: "MATCHED", 11: "APPROVED"}
"""Rows on the way of a step."""
ORDERS = {4: "RELEASE", 8: "RELEASE", 34: "RELEASE", 21: "PAY", 26: "QUERY", 46: "QUERY"}
