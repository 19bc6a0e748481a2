"""What is remembered of the conditions of full terms changes nothing, and spares work."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from settlement_recall_world import History

from supplytwin.processors import settlement


@pytest.fixture(autouse=True)
def _as_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The terms count as signed by all, with conditions of their own."""
    monkeypatch.setattr(settlement, "_check_full", lambda *_: None)


def test_at_every_step_what_is_remembered_is_what_is_found_anew(
    required: Callable[[str], Any],
) -> None:
    """Over random histories of facts, readings, signatures, a rail, people and ticks: the same cut
    and the same verdict with a memory, with none and with another one's; and no verdict is another
    before the time that it names.
    """
    number = required("recalled_histories")
    spared, rested, rows, states = 0, 0, set(), set()
    for seed in range(number):
        history = History(random.Random(seed))
        for _ in range(45):
            at = history.random.random()
            if at < 0.5:
                history.fact()
            elif at < 0.6:
                history.rail()
            elif at < 0.68:
                history.person()
            elif at < 0.72:
                history.rejudge()
            else:
                rows.update(history.cut())
                states |= {claim.state for claim in history.book.claims.values()}
        spared += history.spared
        rested += history.rested
    print(sorted(rows), states, spared, rested)
    number.done(number)
