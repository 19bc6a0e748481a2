"""Money through whole histories: it sums to zero, nothing is negative, instructed <= reserved <=
cap, and every claim ends once.
"""

from collections import Counter

import settlement_walker as walker
import settlement_world as w

from supplytwin.processors import settlement_table

STEPS = 80
"""Of one history."""


def test_money_is_conserved_in_every_history(required, monkeypatch):
    """At every step, with every row of the table met when there are enough of them; and the
    journal alone gives the same book.
    """
    count, rows, steps, seed = required("machine_steps"), Counter(), 0, 0
    told = walker.Told(monkeypatch)
    while steps < count:
        walk = walker.Walk(seed, told)
        for _ in range(STEPS):
            walk.step()
        assert w.history(walk.chain.restored()) == w.history(walk.chain.book)
        rows.update(number for number, _ in walk.rows)
        steps, seed = steps + STEPS, seed + 1
    if steps >= 500_000:
        numbers = {row.number for row in settlement_table.ROWS} - {settlement_table.STALE}
        assert rows.keys() >= numbers
    count.done(steps)


def test_a_restored_history_goes_on_as_the_live_one_would(monkeypatch):
    """The same cut over the book of the journal takes the same rows and sends the same."""
    told = walker.Told(monkeypatch)
    for seed in range(30):
        walk = walker.Walk(seed, told)
        for _ in range(45):
            walk.step()
        tick = walk.tick + 20 * walker.DAY_US
        live = w.settlement.cut(walk.chain.book, walk.chain.twin, tick)
        again = w.settlement.cut(walk.chain.restored(), walk.chain.twin, tick)
        assert live[1] == again[1]
        assert w.history(live[0]) == w.history(again[0])
