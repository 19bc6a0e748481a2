"""SCMS at the end of 2014-11-05: what had been delivered, and what was known of it, in two ways."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fold_world as world
import pytest

from supplytwin.processors import scms, timetravel
from supplytwin.processors.chain import ChainFold
from supplytwin.processors.spans import of_entries
from supplytwin.processors.twin import EMPTY, Twin, take
from supplytwin.schemas import scms as scms_file
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.records import JOURNAL
from supplytwin.sinks.duck import DuckSink
from supplytwin.sinks.spans import SpanWriter
from supplytwin.streams.moments import moment

README = Path(__file__).resolve().parents[2] / "README.md"
DAY = dt.date(2014, 11, 5)
AT = moment("--as-of", str(DAY))
AHEAD = {"29140", "57447", "72832"}
"""Lines that are recorded a day before their delivery."""


@pytest.fixture(scope="module")
def lines() -> dict[str, scms_file.Row]:
    """The rows of the file by their id."""
    return {row.row_id: row for row in scms_file.read()}


@pytest.fixture(scope="module")
def unknown(lines: dict[str, scms_file.Row]) -> set[str]:
    """Lines delivered by that day and recorded later, by the dates of the file alone."""
    return {name for name, row in lines.items() if row.delivered <= DAY < row.recorded}


@pytest.fixture(scope="module")
def facts() -> dict[str, list[Input]]:
    """What the file itself says, by chain; its complement says nothing of deliveries."""
    found: dict[str, list[Input]] = defaultdict(list)
    for at, message in enumerate(scms.timeline(scms_file.read())):
        if isinstance(message.body, Event) and message.body.source in (scms.SOURCE, scms.INFERRED):
            found[message.key].append(world.decoded(message, at))
    return found


@pytest.fixture(scope="module")
def ask(facts: dict[str, list[Input]], tmp_path_factory: Any) -> Iterator[Any]:
    """SQL over a file that holds the journal of all chains, and their spans."""
    fold, records = ChainFold("scms"), []
    for chain, items in facts.items():
        state = fold.new(chain)
        for item in items:
            step = fold.step(state, item, item.record.arrival)
            state = step.state
            records += [
                Record(topic=JOURNAL, partition=0, offset=len(records) + at, arrival=0,
                       key=chain.encode(), value=entry.value)
                for at, entry in enumerate(step.entries)
            ]  # fmt: skip
    sink = DuckSink(tmp_path_factory.mktemp("scms") / "twin.duckdb", lambda: b"12345678")
    sink.write({JOURNAL: records}, {})
    for _ in SpanWriter(sink, of_entries, "1").complete():
        pass
    yield lambda text: sink.connection.execute(text).fetchall()
    sink.close()


def _known(items: list[Input], at: int) -> Twin:
    twin = EMPTY
    for item in items:
        if item.record.arrival <= at:
            twin = take(twin, item).twin
    return twin


def _delivered(twin: Twin) -> set[str]:
    return {
        key.subject_id
        for key, subject in twin.subjects.items()
        if key.subject_type == "ORDER_LINE" and "DELIVERED" in subject.codes
    }


def test_delivered_and_known_by_the_fold(facts: dict[str, list[Input]], unknown: set[str]) -> None:
    """9,188 lines were delivered by what is known now, 9,073 by what was known then."""
    whole = {chain: _known(items, timetravel.NEVER) for chain, items in facts.items()}
    was = set[str]().union(*(_delivered(timetravel.as_of(one, AT)) for one in whole.values()))
    known = set[str]().union(*(_delivered(_known(items, AT)) for items in facts.values()))
    assert (len(was), len(known)) == (9_188, 9_073)
    assert was - known == unknown
    ahead = {
        key.subject_id
        for twin in whole.values()
        for key, subject in twin.subjects.items()
        if key.subject_type == "ORDER_LINE" and "implausible_time" in subject.flags
    }
    assert ahead == AHEAD


def test_delivered_and_known_by_sql(ask: Any, unknown: set[str]) -> None:
    """The same numbers from the macros, written as a date."""
    count = "SELECT count(*) FROM {} WHERE subject_type = 'ORDER_LINE' AND actual_time IS NOT NULL"
    assert ask(count.format("twin_as_of('2014-11-05')")) == [(9_188,)]
    assert ask(count.format("twin_known_at('2014-11-05')")) == [(9_073,)]
    assert ask(count.format("twin_at('2014-11-05', '2014-11-05')")) == [(9_073,)]
    assert len(unknown) == 115


def asked(page: Path) -> list[str]:
    """The statements of a page."""
    return [block.partition("```")[0] for block in page.read_text().split("```sql\n")[1:]]


def test_the_lines_in_between_are_listed_by_the_documented_query(
    ask: Any, unknown: set[str], lines: dict[str, scms_file.Row]
) -> None:
    """The query of the README: 115 lines delivered by then that nobody knew of, and when."""
    (found,) = asked(README)
    rows = ask(found)
    assert {row[1] for row in rows} == unknown
    for _, line, delivered in rows:
        assert delivered.date() == lines[line].delivered


def test_the_examples_for_analysts_give_what_they_promise(ask: Any) -> None:
    """Both queries of docs/two-times.md: the two counts, and every belief about one line."""
    first, second = asked(README.parent / "docs" / "two-times.md")
    assert ask(first) == [(9_073, 9_188)]
    beliefs = ask(second)
    assert [row[4] for row in beliefs][-1] == "DELIVERED"
    assert all(row[0] is not None for row in beliefs)


def test_three_lines_are_recorded_before_they_happen(ask: Any) -> None:
    """They are flagged implausible_time, and no other line is."""
    found = ask(
        "SELECT subject_id FROM twin_as_of(NULL) "
        "WHERE subject_type = 'ORDER_LINE' AND list_contains(flags, 'implausible_time')"
    )
    assert {name for (name,) in found} == AHEAD
