"""`twin_span` and the macros over it: what was true at one time, by what was known at another.

A lifecycle is a fold, which SQL cannot repeat: so the fold itself fills this table from the journal
in the same file, chain by chain, and SQL only picks rows. The facts of a chain that came after its
last turn are told by `twin_span_behind`. For no chain does a macro answer for a moment by which
such a fact had arrived: an answer is what the fold says of this file, or an error.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl
import structlog
from msgspec.structs import asdict

from supplytwin.schemas.errors import FatalError, RecordError
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import key63
from supplytwin.schemas.records import JOURNAL
from supplytwin.schemas.spans import Span
from supplytwin.sinks.duck import DuckSink
from supplytwin.sinks.frames import as_declared
from supplytwin.sinks.tables import CHAIN_KEY, DECIMAL, FOREIGN_SCHEMAS, PARTITION

log = structlog.get_logger("supplytwin.spans")

Fold = Callable[[str, Sequence[Record], Sequence[Record]], list[Span]]
"""(chain id, its journal records, those that are schemas of others) -> its spans."""

SPAN, HEAD, BEHIND = "twin_span", "twin_span_head", "twin_span_behind"
_TIME = pl.Datetime("us")
_COLUMNS: dict[str, Any] = {
    CHAIN_KEY: pl.Int64, "chain_id": pl.String, "subject_type": pl.String, "subject_id": pl.String,
    "lifecycle": pl.String, "milestones": pl.List(pl.String), "flags": pl.List(pl.String),
    "holds_open": pl.Int32, "state_hash": pl.String, "planned_time": _TIME, "eta": _TIME,
    "actual_time": _TIME, "delay_days": pl.Int32, "qty_ordered": DECIMAL, "qty_received": DECIMAL,
    "valid_from": _TIME, "valid_to": _TIME, "known_from": _TIME, "known_to": _TIME,
}  # fmt: skip
_HEADS: dict[str, Any] = {
    CHAIN_KEY: pl.Int64, "chain_id": pl.String, "seq": pl.Int64, "fold_version": pl.String,
}  # fmt: skip
_SQL_TYPES: dict[Any, str] = {
    pl.Int64: "BIGINT", pl.Int32: "INTEGER", pl.String: "VARCHAR", _TIME: "TIMESTAMP",
    pl.List(pl.String): "VARCHAR[]", DECIMAL: "DECIMAL(38,9)",
}  # fmt: skip
_DATE, _CLOCK = r"\d{4}-\d\d-\d\d", r"[T ]\d\d:\d\d(:\d\d(\.\d+)?)?"
_BOUNDS = ("valid_from", "valid_to", "known_from", "known_to")
_TOLD = tuple(name for name in _COLUMNS if name not in _BOUNDS)
_ANSWER = f"""SELECT {", ".join(f"s.{name}" for name in _TOLD)}
    FROM {SPAN} AS s LEFT JOIN {BEHIND} AS b USING (chain_key, chain_id)
    WHERE (s.valid_from IS NULL OR s.valid_from <= twin_moment(t))
      AND (s.valid_to IS NULL OR s.valid_to > twin_moment(t))"""
_NAMED_MAX = 5
_ASKED = f"{BEHIND} WHERE since <= twin_moment(k)"
_WHO = (CHAIN_KEY, "chain_id")
_REFUSED = ", ".join(
    name if name in _WHO else f"refused::{_SQL_TYPES[_COLUMNS[name]]} AS {name}" for name in _TOLD
)
# An error in every column, and in the filter: whatever a query asks of a chain that is behind, it
# comes to one, but for conditions on the chain itself, which DuckDB checks first. It depends on
# `since`, so that it is neither known nor thrown before.
_REFUSAL = f"""SELECT {_REFUSED} FROM (
        SELECT chain_key, chain_id, CASE WHEN since IS NULL THEN '' ELSE error(
            'twin_span does not hold all facts that had arrived by then of '
            || (SELECT array_to_string(list(chain_id ORDER BY since, chain_id)[:{_NAMED_MAX}], ', ')
                || CASE WHEN count(*) > {_NAMED_MAX}
                   THEN ' and ' || (count(*) - {_NAMED_MAX}) || ' more' ELSE '' END FROM {_ASKED})
            || ': ask for other chains (WHERE chain_id = ...), ask for what was known before '
            || (SELECT min(since) FROM {_ASKED})
            || ', wait for the running sink, or run `supplytwin twin spans` (FROM {BEHIND} has all)'
            ) END AS refused FROM {_ASKED})
    WHERE refused IS NOT NULL"""
_COMMENTS = {
    f"TABLE {SPAN}": "How a subject stood from valid_from up to valid_to, by what had arrived from "
    "known_from up to known_to (ends not included, null = without end): ask twin_at(t, k), "
    "twin_as_of(t), twin_known_at(k)",
    f"TABLE {HEAD}": "Up to which journal entry of each chain twin_span goes, by which fold",
    f"VIEW {BEHIND}": "Chains with facts that twin_span does not hold yet, how many, and since "
    "when they had arrived: twin_as_of goes that far for them, twin_known_at refuses what is later",
}
_DECLARED = (
    f"""CREATE OR REPLACE VIEW {BEHIND} AS
    SELECT j.chain_key, j.chain_id, count(*) AS facts, min(j.arrival) AS since
    FROM journal AS j LEFT JOIN {HEAD} AS h USING (chain_key, chain_id)
    WHERE j.kind = 'FACT' AND j.seq > coalesce(h.seq, 0) GROUP BY ALL""",
    # A date is its last moment. Text with an offset loses it when it is cast to TIMESTAMP. What
    # else DuckDB would read is refused: it drops the name of a zone without a word.
    rf"""CREATE OR REPLACE MACRO twin_moment(x) AS coalesce(CASE
    WHEN x IS NULL THEN 'infinity'::TIMESTAMP
    WHEN regexp_full_match(x::VARCHAR, '{_DATE}')
        THEN TRY_CAST(x::VARCHAR AS DATE) + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND
    WHEN regexp_full_match(x::VARCHAR, '{_DATE}{_CLOCK}|-?infinity')
        THEN TRY_CAST(x::VARCHAR AS TIMESTAMP)
    WHEN regexp_full_match(x::VARCHAR, '{_DATE}{_CLOCK}(Z|[+-]\d\d(:?\d\d)?)')
        THEN make_timestamp(epoch_us(TRY_CAST(x::VARCHAR AS TIMESTAMPTZ))) END,
    error('"' || x::VARCHAR || '" is no moment: write a date like 2014-11-05 (its end, UTC) '
        || 'or a time like 2014-11-05T18:30:00Z, 2014-11-05T18:30:00+08:00 or (UTC) '
        || '2014-11-05 18:30:00'))""",
    f"""CREATE OR REPLACE MACRO twin_horizon() AS (
    SELECT coalesce(min(since) - INTERVAL 1 MICROSECOND, 'infinity'::TIMESTAMP) FROM {BEHIND})""",
    f"""CREATE OR REPLACE MACRO twin_at(t, k) AS TABLE {_ANSWER}
      AND s.known_from <= twin_moment(k)
      AND (s.known_to IS NULL OR s.known_to > twin_moment(k))
      AND (b.since IS NULL OR b.since > twin_moment(k))
    UNION ALL {_REFUSAL}""",
    f"""CREATE OR REPLACE MACRO twin_as_of(t) AS TABLE {_ANSWER}
      AND (b.since IS NULL OR s.known_from < b.since)
      AND (s.known_to IS NULL OR s.known_to >= b.since)""",
    "CREATE OR REPLACE MACRO twin_known_at(k) AS TABLE FROM twin_at(NULL, k)",
)
_AT_ONCE = 200
"""Chains whose entries are read by one scan of the journal."""
_BUDGET_S, _SHARE = 0.1, 0.1
"""How long one turn of a running sink may take, and which share of its time all of them."""
_FACTS_MAX = 10_000
"""A chain of more facts would hold up a running sink: only `complete` takes it."""


class SpanWriter:
    """Keeps `twin_span` in the file of a sink, by the sink's own thread.

    `fold` comes from outside: sinks do not know what follows from facts. What a fold of another
    `version` has written is thrown away.
    """

    def __init__(
        self,
        sink: DuckSink,
        fold: Fold,
        version: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sink, self._fold, self._version, self._clock = sink, fold, version, clock
        self._behind: list[tuple[str, int]] = []
        self._seen_rows = -1
        self._next = 0.0
        self._failed: set[str] = set()
        self._create()

    def _create(self) -> None:
        run = self._sink.connection.execute
        run("BEGIN")
        anew = False
        for name, columns in ((SPAN, _COLUMNS), (HEAD, _HEADS)):
            self._sink.connection.register("declared", pl.DataFrame(schema=columns).to_arrow())
            run(f"CREATE TABLE IF NOT EXISTS {name} AS FROM declared LIMIT 0")
            if run(f"DESCRIBE {name}").fetchall() != run("DESCRIBE declared").fetchall():
                anew = True
                run(f"CREATE OR REPLACE TABLE {name} AS FROM declared LIMIT 0")
            self._sink.connection.unregister("declared")
        others = f"SELECT count(*) FROM {HEAD} WHERE fold_version <> '{self._version}'"
        if anew or run(others).fetchall() != [(0,)]:
            run(f"DELETE FROM {SPAN}")
            run(f"DELETE FROM {HEAD}")
        for text in _DECLARED:
            run(text)
        for name, about in _COMMENTS.items():
            run(f"COMMENT ON {name} IS '{about}'")
        run("COMMIT")

    def idle(self) -> None:
        """Bring some chains up to date, if this process has spent little of its time on that."""
        started = self._clock()
        if started < self._next:
            return
        if not self._behind and self._sink.rows != self._seen_rows:
            self._seen_rows = self._sink.rows
            self._behind = self._look(_FACTS_MAX)
        if self._behind:
            self.some(_BUDGET_S)
        self._next = self._clock() + (self._clock() - started) * (1 / _SHARE - 1)

    def complete(self) -> Iterator[int]:
        """Bring all chains up to date; yields how many are still to be done, after each turn."""
        self._behind = self._look(None)
        while self._behind:
            yield len(self._behind)
            self.some(_BUDGET_S)

    def counts(self) -> tuple[int, int, int]:
        """(chains that are up to date, spans, chains that are behind)."""
        ((heads, rows, behind),) = self._sink.connection.execute(
            f"SELECT (SELECT count(*) FROM {HEAD} ANTI JOIN {BEHIND} USING (chain_key, chain_id)), "
            f"(SELECT count(*) FROM {SPAN}), (SELECT count(*) FROM {BEHIND})"
        ).fetchall()
        return heads, rows, behind

    def _look(self, facts_max: int | None) -> list[tuple[str, int]]:
        """(chain id, its last entry) of those that are behind, longest first to be done last."""
        few = "" if facts_max is None else f"HAVING count(*) <= {facts_max}"
        found = self._sink.connection.execute(
            f"SELECT j.chain_id, max(j.seq) FROM journal AS j "
            f"WHERE j.kind = 'FACT' AND (j.chain_key, j.chain_id) IN "
            f"(SELECT (chain_key, chain_id) FROM {BEHIND}) GROUP BY j.chain_id {few} "
            "ORDER BY count(*) DESC, j.chain_id DESC"
        ).fetchall()
        return [(chain, seq) for chain, seq in found if chain not in self._failed]

    def some(self, seconds: float) -> None:
        """Fold chains for about so long, at least one; all of them in one transaction."""
        until = self._clock() + seconds
        chosen = dict(self._behind[-_AT_ONCE:])
        entries, schemas = self._read(chosen)
        rows: list[dict[str, Any]] = []
        heads: list[tuple[int, str, int, str]] = []
        for chain in reversed(chosen):
            self._behind.pop()
            try:
                rows += map(_row, self._fold(chain, entries[chain], schemas))
            except (FatalError, RecordError) as error:
                self._failed.add(chain)
                log.warning("no spans of a chain", chain=chain, why=str(error))
                continue
            heads.append((key63(chain), chain, chosen[chain], self._version))
            if self._clock() >= until:
                break
        self._write(rows, pl.DataFrame(heads, schema=_HEADS, orient="row"))

    def _read(self, chosen: dict[str, int]) -> tuple[dict[str, list[Record]], list[Record]]:
        """(the facts of the chosen chains in their order, the schemas of others)."""
        wanted = pl.DataFrame(
            [(key63(chain), chain, seq) for chain, seq in chosen.items()],
            schema=[CHAIN_KEY, "chain_id", "seq"],
            orient="row",
        )
        self._sink.connection.register("wanted", wanted.to_arrow())
        found = self._sink.connection.execute(
            f"SELECT j.chain_id, j.{PARTITION}, j.raw FROM journal AS j "
            "JOIN wanted AS w USING (chain_key, chain_id) "
            "WHERE j.kind = 'FACT' AND j.seq <= w.seq ORDER BY j.chain_id, j.seq"
        ).fetchall()
        self._sink.connection.unregister("wanted")
        entries: dict[str, list[Record]] = {chain: [] for chain in chosen}
        for chain, partition, raw in found:
            entries[chain].append(_record(chain, partition, raw))
        known = self._sink.connection.execute(
            f"SELECT chain_id, {PARTITION}, raw FROM {FOREIGN_SCHEMAS}"
        ).fetchall()
        return entries, [_record(*one) for one in known]

    def _write(self, rows: list[dict[str, Any]], heads: pl.DataFrame) -> None:
        frame = as_declared(pl.DataFrame(rows, infer_schema_length=None), _COLUMNS)
        run = self._sink.connection.execute
        with self._sink.lock:
            self._sink.connection.register("heads", heads.to_arrow())
            self._sink.connection.register("spans", frame.to_arrow())
            run("BEGIN")
            try:
                for name in (SPAN, HEAD):
                    run(
                        f"DELETE FROM {name} WHERE (chain_key, chain_id) IN "
                        "(SELECT (chain_key, chain_id) FROM heads)"
                    )
                run(f"INSERT INTO {SPAN} BY NAME FROM spans")
                run(f"INSERT INTO {HEAD} BY NAME FROM heads")
                run("COMMIT")
            except BaseException:
                run("ROLLBACK")
                raise
            finally:
                self._sink.connection.unregister("spans")
                self._sink.connection.unregister("heads")


def _record(chain_id: str, partition: int, raw: bytes) -> Record:
    return Record(
        topic=JOURNAL, partition=partition, offset=0, arrival=0, key=chain_id.encode(), value=raw
    )


def _row(span: Span) -> dict[str, Any]:
    found = asdict(span)
    return {CHAIN_KEY: key63(span.chain_id), **found, **asdict(found.pop("standing"))}
