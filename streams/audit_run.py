"""Reads what an audit compares: the journal and the derived topics of a cluster, a DuckDB file.

Only assigned readers of committed records: no group, no offset, nothing that a live cluster notices
but the fetches.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb

from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.flow import Record
from supplytwin.schemas.records import JOURNAL, QUARANTINE, STATE
from supplytwin.sinks.duck import DuckSink
from supplytwin.sinks.query import open_read_only
from supplytwin.sinks.tables import EVENT_TABLE, TABLES
from supplytwin.streams.audit import Audited, Recount
from supplytwin.streams.intake import guard
from supplytwin.streams.ports import Broker, Eof, TopicPartition
from supplytwin.streams.topics import DERIVED, Meta

Progress = Callable[[str, int, int], None]
"""(what is read, records of it so far, the offset where it ends)"""
_BATCH = 10_000
_RESULTS = tuple(topic for topic in DERIVED if topic not in (JOURNAL, QUARANTINE))


def read(
    broker: Broker, at: TopicPartition, end: int | None, progress: Progress, start: int = 0
) -> Iterator[Record]:
    """Every committed record of one partition from `start` up to `end`; None = all that is appended
    by now.

    An open transaction before the end is waited for.
    """
    admin = broker.admin()
    try:
        begin = max(start, admin.begins([at])[at])
        last = admin.ends([at], "read_uncommitted")[at] if end is None else end
    finally:
        admin.close()
    position = begin
    if position >= last:
        return
    consumer = broker.consumer(None, from_start=True)
    try:
        consumer.assign({at: begin})
        while position < last:
            for item in consumer.consume(_BATCH, 0.5):
                if isinstance(item, Eof):
                    position = max(position, item.offset)
                elif item.offset < last:
                    yield item
                    position = item.offset + 1
            progress(f"{at.topic} {at.partition}", position - begin, last - begin)
    finally:
        consumer.close()


def run(
    broker: Broker,
    meta: Meta,
    progress: Progress,
    *,
    since: int = 0,
    only: str | None = None,
    database: Path | None = None,
) -> Audited:
    """Audit a cluster, partition number by partition number, and then a DuckDB file of it."""
    found = Audited()
    if database is not None:
        open_read_only(database).close()  # what keeps it from being read is told before the rest
    for number in range(meta.partitions):
        settled = _stable(broker, number)
        recount = Recount(number, meta.timeline, found, since=since, only=only)
        for record in read(broker, TopicPartition(JOURNAL, number), None, progress):
            recount.take(record)
        recount.close()
        for topic in _RESULTS:
            at = TopicPartition(topic, number)
            compare = recount.compare_states if topic == STATE else recount.compare
            compare(topic, read(broker, at, None, progress), settled[at])
    if database is not None:
        compare_file(broker, meta, database, found, progress)
    return found


def _stable(broker: Broker, number: int) -> dict[TopicPartition, int]:
    """Below these offsets of the derived topics every transaction is over."""
    admin = broker.admin()
    try:
        return dict(
            admin.ends([TopicPartition(topic, number) for topic in _RESULTS], "read_committed")
        )
    finally:
        admin.close()


def compare_file(
    broker: Broker, meta: Meta, database: Path, found: Audited, progress: Progress
) -> None:
    """Every table of the file, row for row, with one that is filled anew up to its offsets."""
    held = _offsets(database)
    with tempfile.TemporaryDirectory(prefix="supplytwin-audit-") as folder:
        path = Path(folder) / "again.duckdb"
        sink = DuckSink(path, guard)
        try:
            for topic in DuckSink.topics:
                for number in range(meta.partitions):
                    end = held.get((topic, number), 0)
                    rows: list[Record] = []
                    for record in read(broker, TopicPartition(topic, number), end, progress):
                        rows.append(record)
                        if len(rows) == _BATCH:
                            sink.write({topic: rows}, {})
                            rows = []
                    sink.write({topic: rows}, {})
        finally:
            sink.close()
        _compare_tables(path, database, found)


def _offsets(database: Path) -> dict[tuple[str, int], int]:
    connection = open_read_only(database)
    try:
        rows = connection.execute('SELECT topic, "partition", next_offset FROM sink_offset')
        return {(topic, number): offset for topic, number, offset in rows.fetchall()}
    finally:
        connection.close()


def _compare_tables(right: Path, asked: Path, found: Audited) -> None:
    """Rows that only one of the two files has."""
    with duckdb.connect(":memory:") as connection:
        for name, path in (("again", right), ("asked", asked)):
            quoted = str(path).replace("'", "''")
            try:
                connection.execute(f"ATTACH '{quoted}' AS {name} (READ_ONLY)")
            except duckdb.Error as error:
                raise UsageError(f"{path}: {str(error).splitlines()[0]}") from None
        for table in (*(spec.table for spec in TABLES), EVENT_TABLE):
            columns = [row[0] for row in connection.execute(f"DESCRIBE again.{table}").fetchall()]
            listed = ", ".join(f'"{column}"' for column in columns)
            ((rows,),) = connection.execute(f"SELECT count(*) FROM again.{table}").fetchall()
            found.tables = {**found.tables, table: rows}
            for one, other, says in (
                ("again", "asked", "is missing in the file, or has other values there"),
                ("asked", "again", "is in the file, and not in Kafka"),
            ):
                place = '"kafka_partition", "kafka_offset"'
                differing = connection.execute(
                    f"SELECT {place} FROM (SELECT {listed} FROM {one}.{table} EXCEPT ALL "
                    f"SELECT {listed} FROM {other}.{table}) ORDER BY ALL LIMIT 10"
                ).fetchall()
                for partition, offset in differing:
                    found.differs(f"table {table}", f"the row of {partition} {offset} {says}")
