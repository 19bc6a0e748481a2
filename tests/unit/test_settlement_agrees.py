"""The state table and its second reading, from the words of the reference alone, live the same
random lives: rows, states, money, holds and instructions are the same after every step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from settlement_walk_told import telling
from settlement_walk_world import Both

from supplytwin.processors.settlement_table import ROWS

STEPS = (8, 15)
NEVER = {36: "stale: recorded, no row", 27: "is the rows it names"}


def test_the_table_agrees_with_its_second_reading(required: Callable[..., Any]) -> None:
    """Whatever happens to a contract, both say the same of it."""
    walks = required("machine_walks")
    rows: Counter[int] = Counter()
    with telling() as told:
        for seed in range(walks):
            both = Both(seed, told)
            for step in range(STEPS[0] + seed % (STEPS[1] - STEPS[0] + 1)):
                said, differing = both.step()
                assert not differing, f"seed {seed}, step {step}: {said}: {differing}"
            for (row, _, _), times in both.rows.items():
                rows[row] += times
    walks.done(seed + 1)
    if walks >= 20_000:
        assert {row.number for row in ROWS} - NEVER.keys() <= set(rows)
