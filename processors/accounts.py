"""How often something was placed and taken away, by who told it.

Each source that places has an account of its own: two that tell of one hold do not make it two.
It is settled when one source, whichever, has taken away as often as the account was placed; two
that tell of one removal do not make it two, either. Where that cannot be told apart from two holds,
the account stays open: goods wait, and a further removal frees them.
"""

from immutables import Map

Rows = Map[str, Map[str, int]]
"""Source that placed -> source that took away -> how often it has yet to; `_ANYBODY` = one that has
not begun. Settled accounts are left out."""
NOBODY: Rows = Map()
_ANYBODY = ""


def opened(rows: Rows, source: str) -> Rows:
    """`rows` after `source` has placed once more."""
    due = rows.get(source) or Map({_ANYBODY: 0})
    return rows.set(source, Map({one: left + 1 for one, left in due.items()}))


def settled(rows: Rows, source: str) -> Rows:
    """`rows` after `source` has taken away once more; empty = nothing is open."""
    for owner, due in rows.items():
        left = due.get(source, due[_ANYBODY]) - 1
        rows = rows.set(owner, due.set(source, left)) if left else rows.delete(owner)
    return rows


def put(accounts: Map[str, Rows], key: str, rows: Rows) -> Map[str, Rows]:
    """`accounts` with these rows of one of them; without it when nothing is open."""
    if rows:
        return accounts.set(key, rows)
    return accounts.delete(key) if key in accounts else accounts
