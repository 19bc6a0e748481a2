"""`twin show --as-of --known-at` and `twin spans`: how moments are written, and what is shown."""

import json
import re
from pathlib import Path
from typing import Any

import chain_world as c
import pytest
import sink_world as sinks
from typer.testing import CliRunner

from supplytwin.schemas import journal
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.ids import DAY_US, HOUR_US
from supplytwin.schemas.records import JOURNAL
from supplytwin.sinks.duck import DuckSink
from supplytwin.streams import cli, cli_times, journal_file
from supplytwin.streams.moments import moment
from supplytwin.streams.show import Shown, Times, show

day = c.day


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("1970-01-02T00:00:00Z", 24),
        ("1970-01-02T08:00:00+08:00", 24),
        ("1970-01-01 06:30-05:30", 12),
    ],
)
def test_a_time_is_what_it_says(text: str, hours: int) -> None:
    """RFC 3339 with any offset."""
    assert moment("--as-of", text) == hours * HOUR_US


def test_a_date_is_its_end() -> None:
    """The last microsecond of the date, UTC."""
    assert moment("--as-of", "1970-01-02") == 2 * DAY_US - 1


def test_a_date_since_which_something_is_wanted_is_its_start() -> None:
    """Else a recovery since a day would leave that day out."""
    assert moment("--since", "1970-01-02", of_date="start") == DAY_US
    assert moment("--since", "1970-01-02T00:00:00Z", of_date="start") == DAY_US


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("yesterday", "is no date and no time with its offset"),
        ("2014-13-05", "is no date and no time with its offset"),
        ("2014-11-05T10:00:00", "is no date and no time with its offset"),
        ("2014-W45-3", "is no date and no time with its offset"),
        ("20141105T100000Z", "is no date and no time with its offset"),
        ("2014-02-30", "is no date and no time with its offset"),
        ("1415181600", "is no date and no time with its offset"),
        ("9999-12-31", "is outside the years 5 to 9987"),
        ("0001-01-01", "is outside the years 5 to 9987"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_write(text: str, why: str) -> None:
    """The option, what is wrong, and an example."""
    with pytest.raises(UsageError, match=f"--known-at '{text}' ({why}): write a date like 2014"):
        moment("--known-at", text)


# ---- a chain


@pytest.fixture(scope="module")
def entries() -> list[bytes]:
    """The journal of a chain: agreed on day 0, proved on day 30, paid by day 33."""
    world = c.ChainDriver().paid()
    return [
        record.value or b""
        for record in world.driver.read(JOURNAL)
        if journal.read(record.value or b"").chain_id == c.CHAIN
    ]


def at(entries: list[bytes], **times: int) -> Shown:
    return show(c.CHAIN, entries, seen=Times(**times))


def states(shown: Shown) -> dict[str, Any]:
    return {f"{one['subject_type']} {one['subject_id']}": one["state"] for one in shown.subjects}


def test_the_claim_stands_where_it_stood_when_that_was_known(entries: list[bytes]) -> None:
    """Decisions and inputs up to K, in their own order; the goods by what had arrived."""
    known = {k: at(entries, known_at=day(k)).settlement for k in (1, 2, 31, 32, 33)}
    assert {k: one[0].state for k, one in known.items()} == {
        1: "CREATED", 2: "RESERVED", 31: "INSTRUCTED", 32: "SETTLED", 33: "SETTLED",
    }  # fmt: skip
    assert at(entries, known_at=day(0) - 1).settlement == []
    assert at(entries, known_at=day(0) - 1).subjects == []


def test_as_of_bounds_the_goods_and_not_the_money(entries: list[bytes]) -> None:
    """Before day 30 nothing is delivered; the claim is paid by what is known, and that is said."""
    before, after = at(entries, as_of=day(1)), at(entries, as_of=day(40))
    assert "DELIVERED" not in str(states(before))
    assert states(after) == states(at(entries))
    assert before.settlement[0].state == after.settlement[0].state == "SETTLED"
    assert any("settlement is not of that time" in note for note in before.notes)
    assert before.footprints == []
    assert at(entries).notes == []


def test_both_times_leave_the_hash_chain_whole(entries: list[bytes]) -> None:
    """However little is shown, every link is checked, and the head is that of the journal."""
    shown = at(entries, as_of=day(1), known_at=day(1))
    assert (shown.entries, shown.broken) == (len(entries), None)
    assert shown.head_hash == at(entries).head_hash
    assert shown.canonical_hash != at(entries).canonical_hash
    assert len(shown.timeline) < len(at(entries).timeline)
    assert (shown.as_of, shown.known_at) == ("2025-01-02T00:00:00Z", "2025-01-02T00:00:00Z")


def test_the_command_shows_a_past_time(entries: list[bytes], tmp_path: Path) -> None:
    """`twin show CHAIN --as-of DATE --known-at DATE`, for people and as JSON."""
    exported = tmp_path / "journal.jsonl"
    journal_file.write(exported, entries)
    words = ["twin", "show", c.CHAIN, "--journal", str(exported)]
    times = ["--as-of", "2025-02-15", "--known-at", "2025-01-05"]
    done = CliRunner().invoke(cli.app, [*words, *times, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["known_at"] == "2025-01-05T23:59:59Z"
    assert found["settlement"][0]["state"] == "RESERVED"
    told = CliRunner().invoke(cli.app, [*words, *times]).stdout
    assert "known at 2025-01-05T23:59:59Z" in told
    assert "as of 2025-02-15T23:59:59Z" in told
    refused = CliRunner().invoke(cli.app, [*words, "--as-of", "5 Nov"])
    assert isinstance(refused.exception, UsageError)


def test_money_is_told_in_units_of_its_currency(entries: list[bytes], tmp_path: Path) -> None:
    """What is unpaid and what is claimed, to the last decimal that the currency has."""
    exported = tmp_path / "journal.jsonl"
    journal_file.write(exported, entries)
    words = ["twin", "show", c.CHAIN, "--journal", str(exported), "--known-at", "2025-01-31"]
    found = json.loads(CliRunner().invoke(cli.app, [*words, "--json"]).stdout)
    assert found["settlement"][0]["amount_minor"] == 100_000
    told = CliRunner().invoke(cli.app, words).stdout
    assert told.count("1000.00 USD") == 2
    assert "100000" not in told


# ---- the table


def test_the_command_brings_the_table_up_to_date(
    entries: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`twin spans --db FILE` fills it; a file that is not there, or in use, is refused."""
    path = tmp_path / "twin.duckdb"
    words = ["twin", "spans", "--db", str(path), "--json"]
    missing = CliRunner().invoke(cli.app, words)
    assert "there is no database" in str(missing.exception)
    assert not path.exists()
    sink, log = DuckSink(path, lambda: b"12345678"), sinks.Log()
    sink.write({JOURNAL: [log.put(JOURNAL, c.CHAIN.encode(), one) for one in entries]}, {})
    sink.close()
    for _ in range(2):
        done = CliRunner().invoke(cli.app, words)
        assert done.exit_code == 0, done.output
        found = json.loads(done.stdout)
        assert (found["chains"], found["behind"]) == (1, 0)
        assert found["spans"] > 0
    asked = ["sql", "SELECT count(*) FROM twin_as_of('2025-01-10')", "--db", str(path), "--csv"]
    assert re.search(r"\d+", CliRunner().invoke(cli.app, asked).stdout)
    monkeypatch.setattr(cli_times, "live_endpoint", lambda database: object())
    running = CliRunner().invoke(cli.app, words)
    assert "running sink" in str(running.exception)
