"""The DuckDB file: owned by one process, written in transactions of rows and offsets together.

The file holds exactly the records before the offsets in `sink_offset`. A record that is handed over
again is known by (topic, partition, offset) and changes nothing.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from supplytwin.schemas import batch
from supplytwin.schemas.codec import CONFLUENT
from supplytwin.schemas.errors import FatalError, RecordError, UsageError
from supplytwin.schemas.events import SUPPLY_TOPICS
from supplytwin.schemas.flow import Record
from supplytwin.schemas.foreign import Foreign, WriterSchema
from supplytwin.schemas.records import CONTROL, JOURNAL, QUARANTINE
from supplytwin.sinks import frames, tables, views
from supplytwin.sinks.frames import Refusals
from supplytwin.sinks.query import LOCKED
from supplytwin.sinks.tables import CHAIN_KEY, KEY, OFFSET_TABLE, PARTITION, RECORD_KEY, TableSpec

STORAGE_VERSION = "v1.5.0"
"""Written so that command lines and BI tools of DuckDB 1.5 can open the file."""
_CONFIG = {
    **LOCKED,
    "storage_compatibility_version": STORAGE_VERSION,
    # Each checkpoint stops the writer: at 16 MiB of log, the default, that halves the speed.
    "checkpoint_threshold": "256MB",
}
Place = tuple[str, int]
"""(topic, partition)."""
_ABOUT = frozenset((
    "seq", "source_topic", "source_partition", "source_offset", "arrival", "taken_at", CHAIN_KEY,
    *tables.PLACED,
))  # fmt: skip
"""Columns of `event` that stand in the journal entry around the fact."""
_BODY = (PARTITION, "body_fingerprint", "body")


class DuckSink:
    """Rows and offsets in one transaction: what is in the file has been read, and only that.

    `at(name)` is called at points where a test may want to stop: "before_commit", "after_commit".
    Used by one thread; others read through cursors of `connection`.
    """

    topics = tuple(spec.topic for spec in tables.TABLES)

    def __init__(
        self, path: Path, guard: batch.Guard, at: Callable[[str], None] = lambda _: None
    ) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.rows, self.refused, self.fallbacks = 0, 0, 0
        """Rows written, records that could not be decoded, batches decoded one by one."""
        self._guard = guard
        self._at = at
        self._specs = {spec.topic: spec for spec in tables.TABLES}
        self._foreign = Foreign()
        self.connection = _open(path)
        self._create()
        known = f"SELECT {', '.join(_BODY)} FROM {tables.FOREIGN_SCHEMAS}"
        self._learn(self.connection.execute(known).fetchall())

    # ---- the file

    def _create(self) -> None:
        """Tables and views as declared. Raises UsageError for a file that another version wrote."""
        self.connection.execute("BEGIN")
        for spec in tables.TABLES:
            self._create_table(spec.table, spec.about, tables.table_columns(spec))
        self._create_table(tables.EVENT_TABLE, tables.EVENT_ABOUT, tables.event_columns())
        offset_columns = {"topic": pl.String, "partition": pl.Int32, "next_offset": pl.Int64}
        self._create_table(OFFSET_TABLE, tables.OFFSET_ABOUT, offset_columns)
        for view in views.VIEWS:
            self.connection.execute(f"CREATE OR REPLACE VIEW {view.name} AS {view.sql}")
            self._comment("VIEW", view.name, view.about)
        self.connection.execute("COMMIT")

    def _create_table(self, name: str, about: str, columns: Mapping[str, Any]) -> None:
        self.connection.register("declared", pl.DataFrame(schema=dict(columns)).to_arrow())
        self.connection.execute(f"CREATE TABLE IF NOT EXISTS {name} AS FROM declared LIMIT 0")
        wanted = self._columns("declared")
        self.connection.unregister("declared")
        have = self._columns(name)
        for column, kind in wanted.items():
            if column not in have:
                self.connection.execute(f'ALTER TABLE {name} ADD COLUMN "{column}" {kind}')
            elif have[column] != kind:
                raise UsageError(
                    f"{self.path}: {name}.{column} is {have[column]} and must be {kind}: another "
                    "version wrote this file; give a new one, it is filled again from Kafka"
                )
        self._comment("TABLE", name, about)

    def _columns(self, name: str) -> dict[str, str]:
        found = self.connection.execute(f"DESCRIBE FROM {name}").fetchall()
        return {str(row[0]): str(row[1]) for row in found}

    def _comment(self, kind: str, name: str, about: str) -> None:
        quoted = about.replace("'", "''")
        self.connection.execute(f"COMMENT ON {kind} {name} IS '{quoted}'")

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        with self.lock:
            try:
                self.connection.execute("CHECKPOINT")
            except duckdb.TransactionException:
                pass  # a reader is still there: the log beside the file is as good
            finally:
                self.connection.close()

    # ---- writing

    def offsets(self) -> dict[Place, int]:
        """Next offset to read, by topic and partition: what the file holds ends before it."""
        found = self.connection.execute(
            f'SELECT topic, "partition", next_offset FROM {OFFSET_TABLE}'
        )
        return {(topic, number): offset for topic, number, offset in found.fetchall()}

    def write(self, records: Mapping[str, Sequence[Record]], offsets: Mapping[Place, int]) -> None:
        """Write records by topic and the offsets behind them, all or nothing.

        Records that the file holds already are left out; an offset never goes back.
        """
        with self.lock:
            before = (self.rows, self.refused, self.fallbacks)
            self.connection.execute("BEGIN")
            try:
                held = self.offsets()
                for topic, members in records.items():
                    fresh = [one for one in members if one.offset >= _held(held, one)]
                    self._write_topic(self._specs[topic], fresh)
                self._write_offsets(offsets, held)
                self._at("before_commit")
                self.connection.execute("COMMIT")
            except BaseException:
                self.rows, self.refused, self.fallbacks = before
                self._roll_back()
                raise
        self._at("after_commit")

    def _roll_back(self) -> None:
        # When the commit itself failed, DuckDB has rolled back: the first error is what counts.
        with contextlib.suppress(duckdb.Error):
            self.connection.execute("ROLLBACK")

    def _write_offsets(self, offsets: Mapping[Place, int], held: Mapping[Place, int]) -> None:
        moved = [
            (topic, number, offset)
            for (topic, number), offset in offsets.items()
            if offset > held.get((topic, number), -1)
        ]
        if not moved:
            return
        frame = pl.DataFrame(
            moved,
            schema={"topic": pl.String, "partition": pl.Int32, "next_offset": pl.Int64},
            orient="row",
        )
        self.connection.register("moved", frame.to_arrow())
        self.connection.execute(
            f'DELETE FROM {OFFSET_TABLE} WHERE (topic, "partition") IN '
            '(SELECT (topic, "partition") FROM moved)'
        )
        self.connection.execute(f"INSERT INTO {OFFSET_TABLE} BY NAME FROM moved")
        self.connection.unregister("moved")

    def _write_topic(self, spec: TableSpec, records: Sequence[Record]) -> None:
        """Decode, keep what fits, replace what it replaces, insert; the rest is quarantined."""
        living = [one for one in records if spec.mode == "append" or one.value is not None]
        found = batch.columns(spec.topic, [one.value or b"" for one in living], self._guard)
        self.fallbacks += found.fallbacks
        refused = [(living[at], error) for at, error in sorted(found.bad.items())]
        good = [living[at] for at in found.places]
        frame = pl.DataFrame()
        if good:
            frame = frames.placed(found.frame.rename(dict(spec.renamed), strict=False), good)
            if spec.topic == JOURNAL:
                raw = pl.Series("raw", [one.value for one in good], pl.Binary)
                frame = frame.with_columns(raw)
            if spec.topic != QUARANTINE:
                frame = frames.chain_keyed(frame)
            columns = tables.table_columns(spec)
            frame, kept = frames.fitting(frame, columns, good.__getitem__, refused)
            good = good if kept is None else [good[at] for at in kept]
        if spec.mode == "latest":
            frame = self._replace(spec, records, frame, good, refused)
        self._insert(spec.table, frame)
        if spec.topic == JOURNAL and frame.height:
            self._write_events(frame, refused)
        self._quarantine(refused)

    def _replace(
        self,
        spec: TableSpec,
        records: Sequence[Record],
        frame: pl.DataFrame,
        good: Sequence[Record],
        refused: Refusals,
    ) -> pl.DataFrame:
        """The newest row of each key, after what it replaces is gone.

        `good` are the records of the frame's rows. One that could not be read replaces nothing.
        """
        row_of = {id(record): row for row, record in enumerate(good)}
        newest: dict[str, Record] = {}
        for record in records:
            if record.value is not None and id(record) not in row_of:
                continue
            try:
                newest[frames.text_key(record)] = record
            except RecordError as error:
                refused.append((record, error))
        if not newest:
            return pl.DataFrame()
        self.connection.register("gone", frames.row_keys(list(newest), "k", "t").to_arrow())
        self.connection.execute(
            f"DELETE FROM {spec.table} WHERE {KEY} IN (SELECT k FROM gone) "
            f"AND {RECORD_KEY} IN (SELECT t FROM gone)"
        )
        self.connection.unregister("gone")
        living = {key: row_of[id(one)] for key, one in newest.items() if one.value is not None}
        if not living:
            return pl.DataFrame()
        return frame[list(living.values())].with_columns(frames.row_keys(list(living)))

    def _insert(self, table: str, frame: pl.DataFrame) -> None:
        if frame.height == 0:
            return
        self.connection.register("arriving", frame.to_arrow())
        self.connection.execute(f"INSERT INTO {table} BY NAME FROM arriving")
        self.connection.unregister("arriving")
        self.rows += frame.height

    def _learn(self, rows: Iterable[tuple[int, bytes, bytes]]) -> None:
        """Schemas that are not ours: (partition, fingerprint, text)."""
        for partition, fingerprint, text in rows:
            found = WriterSchema(fingerprint=int.from_bytes(fingerprint, "little"), text=text)
            self._foreign.learn(partition, found)

    def _bodies(self, topic: str, facts: pl.DataFrame) -> list[bytes]:
        """Bodies as `batch` reads them: a registry's id says nothing here."""
        if not facts["body"].bin.starts_with(CONFLUENT).any():
            return facts["body"].to_list()
        return [
            self._foreign.value(partition, topic, int.from_bytes(fingerprint, "little"), body)
            for partition, fingerprint, body in facts.select(_BODY).iter_rows()
        ]

    def _write_events(self, entries: pl.DataFrame, refused: Refusals) -> None:
        """The facts among journal entries, each decoded by its own writer's schema."""
        schemas = (pl.col("kind") == "CONTROL") & (pl.col("source_topic") != CONTROL)
        self._learn(entries.filter(schemas).select(_BODY).iter_rows())
        facts = entries.filter(pl.col("kind") == "FACT")
        columns = tables.event_columns()
        for topic in SUPPLY_TOPICS:
            own = facts.filter(pl.col("source_topic") == topic)
            if own.height == 0:
                continue
            bodies = self._bodies(topic, own)
            found = batch.columns(topic, bodies, self._guard, self._foreign.schema_of)
            self.fallbacks += found.fallbacks
            for at, error in sorted(found.bad.items()):
                refused.append((frames.entry_record(own, at), error))
            if not found.places:
                continue
            own = own[found.places]
            about = own.select(name for name in columns if name in _ABOUT)
            frame = pl.concat([about, found.frame], how="horizontal")
            record_of = functools.partial(frames.entry_record, own)
            frame, _ = frames.fitting(frame, columns, record_of, refused)
            self._insert(tables.EVENT_TABLE, frame)

    def _quarantine(self, refused: Refusals) -> None:
        """A record that cannot be decoded becomes a row of `quarantine`; the others go on."""
        if refused:
            columns = tables.table_columns(self._specs[QUARANTINE])
            self._insert("quarantine", frames.as_declared(frames.refusals(refused), columns))
            self.refused += len(refused)


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(str(path), config=dict[str, Any](_CONFIG))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        if "lock" in reason.lower():
            # It may let go of it: whoever supervises this process tries again.
            raise FatalError(f"{path} is open in another process: {reason}") from None
        raise UsageError(f"{path} cannot be opened: {reason}") from None
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute("SET lock_configuration = true")
    held = connection.execute("SELECT table_name FROM information_schema.tables").fetchall()
    if held and (OFFSET_TABLE,) not in held:
        connection.close()
        raise UsageError(f"{path} is no file of the sink: it has tables, and no {OFFSET_TABLE}")
    return connection


def _held(offsets: Mapping[Place, int], record: Record) -> int:
    return offsets.get((record.topic, record.partition), 0)
