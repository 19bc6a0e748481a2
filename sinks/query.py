"""Ask the file: through the sink that has it open, or directly when none has.

Either way: exactly one statement of type SELECT or EXPLAIN, in a read-only transaction, without
access to anything but this file, with a limit of rows and of time.
"""

import contextlib
import datetime as dt
import hashlib
import hmac
import http.client
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import msgspec
from msgspec import Struct

from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.ids import key63
from supplytwin.sinks.tables import CHAIN_KEY, COMMON, OFFSET, OFFSET_TABLE, PARTITION

LOCKED: dict[str, str] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
}
"""No statement of anybody reaches another file, the network, or a variable of this process."""
_READS = frozenset(("SELECT", "EXPLAIN"))
_CONNECT_S = 2.0
_GRACE_S = 5.0
_INTEGERS = range(-(2**63), 2**64)
"""Integers that JSON readers take; larger ones go as text."""
_PAGE = 2000
_WHOLE_S = 600.0
T = TypeVar("T")
Offsets = list[tuple[str, int, int]]
"""(topic, partition, next offset) of everything that the file held when it answered."""


class Result(Struct, frozen=True, kw_only=True):
    """An answer, and as of which offsets. `truncated` = there are more rows than asked for."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool
    offsets: Offsets
    via: str = "the file"


class Endpoint(Struct, frozen=True, kw_only=True):
    """What the sink writes beside the database, readable by its owner only."""

    pid: int
    port: int
    token: str


def endpoint_file(database: Path) -> Path:
    """Where the endpoint of a database is announced."""
    return database.with_name(database.name + ".endpoint.json")


def proof(token: str, nonce: str) -> str:
    """How an endpoint shows that it knows the token without being told it."""
    return hmac.new(token.encode(), nonce.encode(), hashlib.sha256).hexdigest()


# ---- one statement on an open file


def check_statement(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """Raise UsageError unless `text` is exactly one SELECT or EXPLAIN."""
    try:
        statements = connection.extract_statements(text)
    except duckdb.Error as error:
        raise UsageError(_said(error)) from None
    if len(statements) != 1:
        raise UsageError(f"give exactly one statement, not {len(statements)}")
    kind = statements[0].type.name
    if kind not in _READS:
        raise UsageError(f"only SELECT and EXPLAIN are allowed here, not {kind}")


@contextlib.contextmanager
def reading(
    connection: duckdb.DuckDBPyConnection, text: str, seconds: float
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Offsets]]:
    """(a cursor that may run this one statement and fetch from it, as of which offsets).

    It is interrupted after `seconds`. Raises UsageError in DuckDB's own words.
    """
    cursor: duckdb.DuckDBPyConnection | None = None
    timer: threading.Timer | None = None
    try:
        cursor = connection.cursor()
        check_statement(cursor, text)
        # A SELECT may hide a DELETE in a WITH: the transaction refuses what the type does not show.
        # That it has read something already also refuses it a forced checkpoint.
        cursor.execute("BEGIN TRANSACTION READ ONLY")
        offsets = cursor.execute(
            f'SELECT topic, "partition", next_offset FROM {OFFSET_TABLE} ORDER BY ALL'
        ).fetchall()
        timer = threading.Timer(seconds, _interrupt, [cursor])
        timer.daemon = True
        timer.start()
        yield cursor, offsets
    except duckdb.InterruptException:
        raise UsageError(f"took longer than {seconds:g} s: narrow it, or raise the limit") from None
    except duckdb.Error as error:
        raise UsageError(_said(error)) from None
    finally:
        if timer is not None:
            timer.cancel()
        if cursor is not None:
            cursor.close()


def execute(
    connection: duckdb.DuckDBPyConnection, text: str, row_limit: int, seconds: float
) -> Result:
    """The answer to one SELECT or EXPLAIN: at most `row_limit` rows, as JSON has them."""
    with reading(connection, text, seconds) as (cursor, offsets):
        done = cursor.execute(text)
        columns = [str(one[0]) for one in done.description or ()]
        rows = done.fetchmany(row_limit + 1)
    return Result(
        columns=columns,
        rows=[[plain(value) for value in row] for row in rows[:row_limit]],
        truncated=len(rows) > row_limit,
        offsets=offsets,
    )


def _interrupt(cursor: duckdb.DuckDBPyConnection) -> None:
    with contextlib.suppress(duckdb.Error):  # it may have been closed a moment before
        cursor.interrupt()


def _said(error: BaseException) -> str:
    """Candidates, LINE and all; where DuckDB itself broke, without its stack."""
    return str(error).partition("\n\nStack Trace")[0].strip() or type(error).__name__


_PLAIN: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (bool | str | float | None, lambda value: value),
    (int, lambda value: value if value in _INTEGERS else str(value)),
    (dt.datetime | dt.date | dt.time, lambda value: value.isoformat()),
    (Decimal, str),
    (bytes | bytearray | memoryview, lambda value: bytes(value).hex()),
    (dict, lambda value: {str(key): plain(one) for key, one in value.items()}),
    (list | tuple, lambda value: [plain(one) for one in value]),
)


def plain(value: Any) -> Any:
    """A value as JSON has it: times in ISO 8601, decimals as text, bytes in hex."""
    for kind, made in _PLAIN:
        if isinstance(value, kind):
            return made(value)
    return str(value)


# ---- the file, or who has it open


def query(database: Path, text: str, row_limit: int = 10_000, seconds: float = 30.0) -> Result:
    """The answer to one SELECT or EXPLAIN. Raises UsageError with the way out."""
    endpoint = live_endpoint(database)
    if endpoint is not None:
        return _ask(endpoint, text, row_limit, seconds)
    connection = open_read_only(database)
    try:
        return execute(connection, text, row_limit, seconds)
    finally:
        connection.close()


def live_endpoint(database: Path) -> Endpoint | None:
    """The running sink's endpoint, or None: no file, a stale one, or somebody else has its port."""
    if not database.is_file():
        return None
    try:
        found = msgspec.json.decode(endpoint_file(database).read_bytes(), type=Endpoint)
        os.kill(found.pid, 0)
    except (OSError, OverflowError, msgspec.MsgspecError):
        return None
    nonce = secrets.token_hex(16)
    try:
        status, content = _request(found.port, "GET", f"/alive?{nonce}", timeout=_CONNECT_S)
    except (OSError, http.client.HTTPException):
        return None
    known = hmac.compare_digest(content, proof(found.token, nonce).encode())
    return found if status == http.client.OK and known else None


def _request(
    port: int, method: str, path: str, body: str | None = None, *, timeout: float, token: str = ""
) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, body, headers if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _ask(endpoint: Endpoint, text: str, row_limit: int, seconds: float) -> Result:
    body = json.dumps({"sql": text, "rows": row_limit, "seconds": seconds})
    wait = seconds + _GRACE_S
    try:
        status, content = _request(
            endpoint.port, "POST", "/sql", body, timeout=wait, token=endpoint.token
        )
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise UsageError(f"the running sink does not answer: {reason}") from None
    try:
        if status != http.client.OK:
            raise UsageError(str(json.loads(content)["error"]))
        found = msgspec.json.decode(content, type=Result)
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"the running sink gave no answer that can be read ({status})") from None
    return msgspec.structs.replace(found, via=f"the running sink (pid {endpoint.pid})")


def open_read_only(database: Path) -> duckdb.DuckDBPyConnection:
    """A file of the sink, for reading only. Raises UsageError when it cannot be had."""
    if not database.is_file():
        raise UsageError(f"there is no database {database}: run `supplytwin sink duck` or the demo")
    connection: duckdb.DuckDBPyConnection | None = None
    try:
        connection = duckdb.connect(str(database), read_only=True, config=dict[str, Any](LOCKED))
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute("SET lock_configuration = true")
        connection.execute(f"FROM {OFFSET_TABLE} LIMIT 0")
    except duckdb.Error as error:
        reason = _said(error)
        if connection is not None:
            connection.close()
        if "lock on file" in reason or "already attached" in reason:
            reason = _who_has(database)
        elif "launch in-memory database" in reason:
            reason = "this is no DuckDB database"
        elif f"name {OFFSET_TABLE} " in reason:
            reason = f"this is no file of the sink: it has no table {OFFSET_TABLE}"
        raise UsageError(f"{database}: {reason}") from None
    return connection


def _who_has(database: Path) -> str:
    sink = live_endpoint(database)
    if sink is None:
        return "another process has it open for writing, and no endpoint of it answers"
    return (
        f"the running sink (pid {sink.pid}) has it open, and this needs the file itself: stop the "
        "sink for so long, or name a copy that was made while it was stopped"
    )


# ---- the raw journal


def journal_entries(database: Path, chain_id: str | None) -> tuple[list[bytes], str | None]:
    """(raw journal entries of a chain (None = of all) in order, what damage stopped the reading).

    A damaged file is read entry by entry up to the first that DuckDB cannot read.
    """
    try:
        if live_endpoint(database) is None:
            return _entries_of_file(database, chain_id), None
        return _entries_by_page(database, chain_id), None
    except UsageError as error:
        if chain_id is None or not _is_damage(error):
            raise
        return _entry_by_entry(database, chain_id, str(error))


def common_entries(database: Path) -> list[bytes]:
    """Raw journal entries that every chain may need, all of them, see `tables.COMMON`: without
    schemas no fact of others is read, without keys no signature counts.
    """
    entries: list[bytes] = []
    place = f"{PARTITION}, {OFFSET}"
    behind = "-1, -1"
    while True:
        text = f"SELECT raw, {place} FROM {COMMON} AND ({place}) > ({behind}) ORDER BY {place}"
        found = query(database, f"{text} LIMIT {_PAGE}", _PAGE)
        entries += [bytes.fromhex(row[0]) for row in found.rows]
        if not found.truncated and len(found.rows) < _PAGE:
            return entries
        behind = f"{found.rows[-1][1]}, {found.rows[-1][2]}"


def _entries_of_file(database: Path, chain_id: str | None) -> list[bytes]:
    connection = open_read_only(database)
    text = _entries(chain_id, None)
    try:
        with reading(connection, text, _WHOLE_S) as (cursor, _):
            return [row[0] for row in cursor.execute(text).fetchall()]
    finally:
        connection.close()


def _entries_by_page(database: Path, chain_id: str | None) -> list[bytes]:
    """Page by page: an endpoint allows fewer rows than a journal has."""
    entries: list[bytes] = []
    last: list[Any] | None = None
    while True:
        found = query(database, f"{_entries(chain_id, last)} LIMIT {_PAGE}", _PAGE)
        entries += [bytes.fromhex(row[0]) for row in found.rows]
        if not found.truncated and len(found.rows) < _PAGE:
            return entries
        last = found.rows[-1]


def _entries(chain_id: str | None, after: list[Any] | None) -> str:
    """SQL for the entries of a chain (None = of all) behind a row of the same statement."""
    where = [] if chain_id is None else [of_chain(chain_id)]
    if after is not None:
        _, chain, seq, partition, offset = after
        where.append(
            f"(chain_id, seq, kafka_partition, kafka_offset) > "
            f"({_quoted(chain)}, {seq}, {partition}, {offset})"
        )
    return (
        "SELECT raw, chain_id, seq, kafka_partition, kafka_offset FROM journal "
        + (f"WHERE {' AND '.join(where)} " if where else "")
        + "ORDER BY chain_id, seq, kafka_partition, kafka_offset"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def of_chain(chain_id: str) -> str:
    """SQL that is true for the rows of a chain, in every table."""
    return f"{CHAIN_KEY} = {key63(chain_id)} AND chain_id = {_quoted(chain_id)}"


def _is_damage(error: UsageError) -> bool:
    said = str(error).lower()
    return "checksum" in said or "corrupt" in said


def _entry_by_entry(database: Path, chain_id: str, said: str) -> tuple[list[bytes], str]:
    entries: list[bytes] = []
    while True:
        number = len(entries) + 1
        text = f"SELECT raw FROM journal WHERE {of_chain(chain_id)} AND seq = {number}"
        try:
            found = query(database, text, row_limit=1)
        except UsageError:
            return entries, f"entry {number} cannot be read: {said}"
        if not found.rows:
            return entries, f"the file is damaged: {said}"
        entries.append(bytes.fromhex(found.rows[0][0]))
