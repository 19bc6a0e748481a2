"""Chains that `twin_span` does not hold yet: they are named, and hide nothing of the others."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import duckdb
import pytest
import test_spans as known
import times_oracle as oracle
from sink_world import Ask

from supplytwin.processors.spans import of_entries
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.ids import DAY_US, HOUR_US, key63
from supplytwin.sinks.duck import DuckSink

T0 = known.T0


def _fold(chain: str, entries: Any, schemas: Any) -> Any:
    """Chains BAD1 to BAD9 cannot be folded."""
    if chain.startswith("BAD"):
        raise FatalError("cannot be read")
    return of_entries(chain, entries, schemas)


def _filled(sink: DuckSink, chains: Sequence[str]) -> known.Folded:
    """A line delivered in each of the chains, which arrived within the hour; spans of the good."""
    work = known.Folded()
    told = known.delivery("1", T0, T0 + HOUR_US)
    sink.write(work.take([oracle.message(told, chain) for chain in chains]), {})
    list(known.writer(sink, fold=_fold).complete())
    return work


@pytest.fixture(autouse=True)
def _two_chains(sink: DuckSink) -> None:
    """GOOD is told, BAD1 is not."""
    _filled(sink, ("GOOD", "BAD1"))


MACROS = ("twin_as_of('2050-01-01')", "twin_known_at('2050-01-01')", "twin_at(NULL, NULL)")


@pytest.mark.parametrize("macro", MACROS)
def test_a_chain_that_is_behind_hides_no_other(ask: Ask, macro: str) -> None:
    """Who asks for another chain has its rows, by its name, its key, or a list of names."""
    for chosen in (
        "chain_id = 'GOOD'",
        "chain_id IN ('GOOD', 'ELSE')",
        f"chain_key = {key63('GOOD')}",
        "chain_id = 'GOOD' AND actual_time IS NOT NULL AND subject_id LIKE '%'",
    ):
        text = f"SELECT chain_id FROM {macro} WHERE subject_type = 'ORDER_LINE' AND {chosen}"
        assert ask(text) == [("GOOD",)]


def test_as_of_leaves_out_what_is_not_told_and_the_view_names_it(ask: Ask) -> None:
    """twin_as_of takes each chain's own last moment; which chains stand back is in the view."""
    assert ask("SELECT DISTINCT chain_id FROM twin_as_of(NULL)") == [("GOOD",)]
    assert ask("SELECT chain_id, facts FROM twin_span_behind") == [("BAD1", 1)]


@pytest.mark.parametrize(
    "query",
    [
        "FROM twin_known_at(NULL)",
        "FROM twin_known_at(NULL) LIMIT 1",
        "SELECT count(*) FROM twin_known_at('2050-01-01')",
        "FROM twin_at('2000-01-01', NULL)",
        "FROM twin_known_at(NULL) WHERE chain_id = 'BAD1'",
        "FROM twin_known_at(NULL) WHERE subject_id = 'no such line'",
        "FROM twin_known_at(NULL) WHERE actual_time IS NULL",
        "FROM twin_known_at(NULL) WHERE actual_time IS NOT NULL AND list_contains(flags, 'late')",
        "SELECT count(*) FROM twin_known_at(NULL) WHERE chain_id = 'GOOD' OR holds_open = 7",
        "SELECT 1 WHERE EXISTS (FROM twin_known_at(NULL) WHERE qty_ordered > 1)",
        "FROM twin_span WHERE (chain_id, subject_id) NOT IN "
        "(SELECT (chain_id, subject_id) FROM twin_known_at(NULL))",
        "SELECT DISTINCT lifecycle FROM twin_known_at(NULL) ORDER BY 1 LIMIT 1",
        "SELECT max(eta) FROM twin_known_at(NULL) JOIN twin_span_head USING (chain_id)",
    ],
)
def test_no_question_gets_around_a_chain_that_is_behind(ask: Ask, query: str) -> None:
    """Whatever columns, conditions or limits: the error names the chain and says what to do."""
    with pytest.raises(duckdb.Error, match=r"by then of BAD1: .*WHERE chain_id.*twin spans"):
        ask(query)


def test_what_was_known_before_is_answered(ask: Ask) -> None:
    """Before the first fact that is not told of, all chains answer: the error says that time."""
    assert ask("FROM twin_known_at('2000-01-01')") == []
    since = dt.timedelta(microseconds=T0 + HOUR_US)
    with pytest.raises(duckdb.Error, match=f"known before {known.EPOCH + since}"):
        ask("FROM twin_known_at(NULL)")


def test_many_chains_are_counted(sink: DuckSink, ask: Ask) -> None:
    """The error names five of them, those that have been behind longest, and how many more."""
    _filled(sink, [f"BAD{number}" for number in range(2, 9)])
    named = "BAD1, BAD2, BAD3, BAD4, BAD5 and 3 more: "
    with pytest.raises(duckdb.Error, match=named):
        ask("FROM twin_known_at(NULL)")


def test_each_chain_has_its_own_last_moment(sink: DuckSink, ask: Ask) -> None:
    """Of a chain with more facts than are told, as of is by what is told, until that changes."""
    work = known.Folded()
    first = known.delivery("1", T0, T0 + HOUR_US)
    sink.write(work.take([oracle.message(first, "LATE")]), {})
    list(known.writer(sink, fold=_fold).complete())
    second = known.delivery("2", T0, T0 + DAY_US, "f1s")
    sink.write(work.take([oracle.message(second, "LATE")]), {})
    lines = "SELECT chain_id, subject_id FROM twin_as_of(NULL) WHERE subject_type = 'ORDER_LINE'"
    assert ask(f"{lines} ORDER BY ALL") == [("GOOD", "1"), ("LATE", "1")]
    list(known.writer(sink, fold=_fold).complete())
    assert ask(f"{lines} ORDER BY ALL") == [("GOOD", "1"), ("LATE", "1"), ("LATE", "2")]
