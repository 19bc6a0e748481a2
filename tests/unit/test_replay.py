"""Journal records read again: many at once, the same as one by one."""

from typing import Any

import chain_world as c
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from supplytwin.processors.chain import ChainFold
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.flow import Record
from supplytwin.schemas.records import JOURNAL
from supplytwin.schemas.replay import Replayed, read, replay
from supplytwin.streams.observe import Metrics
from supplytwin.streams.progress import Progress
from supplytwin.streams.show import show


@pytest.fixture(scope="module")
def closed() -> Any:
    """A chain that was paid, closed, and woken by a revocation."""
    chain = c.ChainDriver().closed()
    chain.fact(c.w.customs("release_revoked", c.day(140)))
    chain.tick(c.day(141))
    return chain


@pytest.fixture(scope="module")
def records(closed: Any) -> list[Record]:
    return [r for r in closed.driver.read(JOURNAL) if r.key == c.CHAIN.encode()]


def test_entries_and_what_they_wrap_come_in_order(records: list[Record]) -> None:
    """Entries and inputs of every kind; CLOSED and DECISION wrap no input."""
    single = replay(records)
    assert [one.entry for one in read(records)] == [one.entry for one in single]
    kinds = {one.entry.kind: one.item is not None for one in single}
    assert kinds == {"INPUT": True, "DECISION": False, "FACT": True, "CLOSED": False}
    for one in single:
        assert (one.offset, one.value) == (records[single.index(one)].offset, one.value)


def test_a_fold_takes_records_as_they_are_and_as_they_were_read(records: list[Record]) -> None:
    """`restore` reads what was not read before; the CLOSED entry changes nothing of the twin."""
    fold = ChainFold("test")
    plain = together = fold.new(c.CHAIN)
    for record, past in zip(records, fold.replay(records), strict=True):
        assert isinstance(past, Replayed)
        plain, together = fold.restore(plain, record), fold.restore(together, past)
    assert plain == together
    kinds = [one.entry.kind for one in read(records)]
    assert plain.closed_seq == kinds.index("CLOSED") + 1
    assert plain.taken_at == c.day(141)


def test_a_record_that_cannot_be_read_is_named(records: list[Record]) -> None:
    """Garbage, and an entry that wraps garbage: topic, partition and offset."""
    garbage = replace(records[3], value=b"\xff", offset=77)
    with pytest.raises(FatalError, match=f"{JOURNAL} partition 0 offset 77 cannot be read"):
        replay([*records[:2], garbage])


def test_twin_show_tells_a_closed_chain_whole(closed: Any, records: list[Record]) -> None:
    """Every link, the state, the claim and the timeline, through CLOSED and what woke it."""
    shown = show(c.CHAIN, [record.value or b"" for record in records])
    assert shown.broken is None
    assert shown.entries == len(records)
    assert shown.canonical_hash == c.hash_of(closed.state)
    assert [one.kind for one in shown.timeline].count("CLOSED") == 1
    assert any(one.what.startswith("closed") for one in shown.timeline)
    assert shown.settlement[0].state == "SETTLED"


# ---- progress


def test_a_restore_says_how_far_it_is_and_how_long_it_takes() -> None:
    """Every five seconds a line; metrics for what is left and until when, none when it is over."""
    metrics, seconds = Metrics(), [0.0]
    progress = Progress(metrics.upkeep, lambda: seconds[0])
    with capture_logs() as logs:
        progress.moved(3, 0, 1000, 0)
        for step in range(1, 7):
            seconds[0] = 2.0 * step
            progress.moved(3, 100 * step, 1000, 90)
    assert metrics.value("supplytwin_restore_entries_total") == 540
    assert metrics.value("supplytwin_restore_left") == 400
    assert metrics.value("supplytwin_restore_eta_seconds") == 8.0
    assert [(line["partition"], line["offset"], line["eta_s"]) for line in logs] == [
        (3, 300, 14.0),
        (3, 600, 8.0),
    ]
    progress.moved(4, 10, 20, 0)
    progress.done(3)
    assert metrics.value("supplytwin_restore_left") == 10
    progress.done(4)
    assert metrics.value("supplytwin_restore_left") == 0
    assert metrics.value("supplytwin_restore_eta_seconds") == 0


def test_a_restore_that_stands_still_says_so() -> None:
    """No rate and no time are made up for one that waits for a transaction of somebody."""
    metrics, seconds = Metrics(), [0.0]
    progress = Progress(metrics.upkeep, lambda: seconds[0])
    with capture_logs() as logs:
        for at, offset in ((0, 0), (4, 58), (6, 58), (12, 58), (18, 59)):
            seconds[0] = at
            progress.moved(0, offset, 259, 1)
    assert [(line["event"], line["log_level"], line["offset"]) for line in logs] == [
        ("restoring", "info", 58),
        ("restoring stands still", "warning", 58),
        ("restoring", "info", 59),
    ]
    assert "doctor" in logs[1]["why"] and "eta_s" not in logs[1]
