"""The state table of a claim: which event moves it from where to where, if what, and with what
effect. The rows are data (`settlement_rows`).

Guards are functions of `settlement_guards`, effects of `settlement_effects`, both by name. For an
input's event the rows are tried from top to bottom, and the first whose guards all hold is taken;
at a cut they are tried in CUT_ORDER. A pair of state and event for which no row fits is illegal: it
is recorded and alarmed, and changes nothing.
"""

from collections.abc import Iterator

from supplytwin.processors.settlement_rows import (
    CUT,
    FLYING,
    OPEN,
    ROWS,
    SAME,
    STALE,
    Row,
)

__all__ = [
    "AGREED_FOLLOWS", "AS_IN_DOUBT", "CUT", "CUT_FIRST", "CUT_FOLLOWS", "CUT_ORDER", "EVENTS",
    "FLYING", "INPUT_EVENTS", "OPEN", "ROWS", "SAME", "STALE", "VOTES", "Row", "row_of", "rows",
]  # fmt: skip

INPUT_EVENTS = (
    "ContractAgreed", "AmendmentAccepted", "HoldConfirmed", "HoldRefused", "HoldRenewed",
    "HoldLost", "UndertakingRecorded", "Pending", "Booked", "Rejected", "NotFound", "Returned",
    "Released", "ReleaseFailed", "RecallDone", "RecallRefused", "NoOriginal", "ReviewReleased",
    "ReviewRejected", "RiskHold", "RecallOrdered", "MutualCancel", "CourtOrder", "Terminated",
    "ReconBreak", "ReconFound", "ReconSettled", "ReconHeld", "RecordRefused", "RecordResolved",
    "DisputeRaised", "DisputeWithdrawn", "DisputeDismissed", "ResolvedForSeller",
    "ResolvedForBuyer",
)  # fmt: skip
EVENTS = (*INPUT_EVENTS, CUT)

CUT_ORDER = (
    34, 19, 18, 4, 8, 9, 15, 28, 32, 54, 10, 12, 37, 6, 41, 20, 7, 43, 11, 21, 26, 46, 42,
)  # fmt: skip
"""The first applicable row is taken. Row 10 gives way to row 12: its guard `nothing_adverse`. The
end of a dispute that nobody decided, rows 19 and 18, is one question with two answers. That a hold
has run out, rows 6 and 41, comes after all that ends or stops a claim, since no other hold is asked
for where nobody needs one (so 37 stands before it), and before all that leads to a payment."""
CUT_FOLLOWS: dict[int, tuple[int, ...]] = {7: (11,), 11: (21,), 43: (21,)}
"""Rows that may follow a row on the same claim at the same cut."""
AGREED_FOLLOWS: dict[int, tuple[int, ...]] = {1: (2,), 52: (2,)}
"""Rows that may follow a row by the same contract: a commitment funds a claim at once."""
CUT_FIRST = ("SETTLED",)
"""Claims in these states go first at a cut: row 32 freezes the others before they are decided."""

AS_IN_DOUBT = {27: (22, 23, 24, 25, 29, 44, 47)}
"""Row 27 stands for these rows when the claim is IN_DOUBT."""
VOTES = frozenset(("reviewers_enough", "arbiters_enough", "two_persons"))
"""Guards that more of the same reviews make true: an input that only they stop is noted."""


def _index() -> dict[tuple[str, str], tuple[Row, ...]]:
    pairs: dict[tuple[str, str], list[Row]] = {}
    for row in ROWS:
        for origin in row.origins:
            pairs.setdefault((origin, row.event), []).append(row)
    for tried in (tried for (_, event), tried in pairs.items() if event == CUT):
        tried.sort(key=lambda row: CUT_ORDER.index(row.number))
    return {pair: tuple(tried) for pair, tried in pairs.items()}


_BY_PAIR = _index()


def rows(state: str, event: str) -> tuple[Row, ...]:
    """The rows to try for a claim in `state`, in order."""
    return _BY_PAIR.get((state, event), ())


def row_of(number: int, origin: str, target: str, event: str) -> Row | None:
    """The row that a record of (number, from, to) under `event` stands for; None = no such row.

    Where two rows have all of these in common they have the same effects.
    """
    for row in rows(origin, event):
        if row.number == number and target in _reachable(row, origin):
            return row
    return None


def _reachable(row: Row, origin: str) -> Iterator[str]:
    for state, _ in row.targets:
        yield origin if state == SAME else state
