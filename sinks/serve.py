"""The sink's read-only SQL endpoint: 127.0.0.1, and a token in a file that only its owner can read.

    POST /sql            {"sql": ..., "rows": ..., "seconds": ...}, Authorization: Bearer TOKEN
    GET /alive?NONCE     HMAC-SHA256 of the nonce under the token: it is this sink that answers

The answer is JSON, or what Accept asks for: text/csv, application/vnd.apache.arrow.stream. These
two say in headers as of which offsets (X-Offsets), and whether there are more rows (X-Truncated).
"""

import contextlib
import csv
import hmac
import io
import json
import math
import os
import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import structlog
from msgspec import Struct

from supplytwin.schemas.errors import UsageError
from supplytwin.sinks.query import Endpoint, Offsets, Result, endpoint_file, execute, proof, reading

log = structlog.get_logger("supplytwin.serve")
JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
_BODY_MAX = 1_000_000
_IDLE_S = 30.0
_AT_ONCE = 4
"""Questions answered at the same time; the writer wants its share of the machine."""


class Question(Struct, frozen=True, kw_only=True):
    """One statement with its limits, and the media type of the answer."""

    sql: str
    rows: int
    seconds: float
    accept: str


class Answer(Struct, frozen=True, kw_only=True):
    """A body of a media type, with headers of its own."""

    media: str
    body: bytes
    headers: dict[str, str] = {}


class SqlServer:
    """Answers while the sink goes on writing: every statement sees one committed state."""

    def __init__(
        self,
        database: Path,
        connection: duckdb.DuckDBPyConnection,
        rows_max: int,
        seconds_max: float,
    ) -> None:
        self._file = endpoint_file(database)
        self.token = secrets.token_urlsafe(32)
        free = threading.BoundedSemaphore(_AT_ONCE)

        def ask(question: Question) -> Answer:
            seconds = min(question.seconds, seconds_max)
            if not free.acquire(timeout=seconds):
                raise UsageError("too many questions at once: try again")
            try:
                rows = min(question.rows, rows_max)
                limited = msgspec.structs.replace(question, rows=rows, seconds=seconds)
                return answer(connection, limited)
            finally:
                free.release()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.token, ask))
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> None:
        """Listen, then announce: pid, port and token in a file of mode 0600 beside the database."""
        self._thread.start()
        endpoint = Endpoint(pid=os.getpid(), port=self.port, token=self.token)
        fresh = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(endpoint))
        fresh.replace(self._file)

    def stop(self) -> None:
        """Stop listening and take the announcement back, if it is still ours."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found = msgspec.json.decode(self._file.read_bytes(), type=Endpoint)
            if hmac.compare_digest(found.token.encode(), self.token.encode()):
                self._file.unlink()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


def answer(connection: duckdb.DuckDBPyConnection, question: Question) -> Answer:
    """The answer in the form asked for. Raises UsageError in DuckDB's own words."""
    if ARROW in question.accept:
        return _arrow(connection, question)
    found = execute(connection, question.sql, question.rows, question.seconds)
    if CSV in question.accept:
        return _csv(found)
    return Answer(media=JSON, body=msgspec.json.encode(found))


def _csv(found: Result) -> Answer:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(found.columns)
    for row in found.rows:
        writer.writerow([json.dumps(v) if isinstance(v, list | dict) else v for v in row])
    body = text.getvalue().encode()
    return Answer(media=CSV, body=body, headers=_as_of(found.offsets, more=found.truncated))


def _arrow(connection: duckdb.DuckDBPyConnection, question: Question) -> Answer:
    buffer = io.BytesIO()
    left = question.rows
    truncated = False
    with reading(connection, question.sql, question.seconds) as (cursor, offsets):
        reader = cursor.sql(question.sql).to_arrow_reader(10_000)
        if reader is None:
            raise UsageError("this statement gives no rows")
        with pa.ipc.new_stream(buffer, reader.schema) as stream:
            for batch in reader:
                truncated = batch.num_rows > left
                stream.write_batch(batch.slice(0, left))
                left -= min(left, batch.num_rows)
                if truncated:
                    break
    return Answer(media=ARROW, body=buffer.getvalue(), headers=_as_of(offsets, more=truncated))


def _as_of(offsets: Offsets, *, more: bool) -> dict[str, str]:
    """Topic -> next offsets in the order of the partitions, in one header."""
    topics: dict[str, list[int]] = {}
    for topic, _, offset in offsets:
        topics.setdefault(topic, []).append(offset)
    return {"X-Offsets": json.dumps(topics), "X-Truncated": str(more).lower()}


def _question(body: bytes, accept: str) -> Question:
    """Raises UsageError unless the body is {sql, rows, seconds} with limits above zero."""
    try:
        asked = json.loads(body)
        found = Question(
            sql=str(asked["sql"]),
            rows=int(asked["rows"]),
            seconds=float(asked["seconds"]),
            accept=accept,
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise UsageError("send {sql, rows, seconds} as JSON") from None
    if found.rows <= 0 or not (math.isfinite(found.seconds) and found.seconds > 0):
        raise UsageError("rows and seconds must be above zero")
    return found


def _handler(token: str, ask: Callable[[Question], Answer]) -> type[BaseHTTPRequestHandler]:
    wanted = f"Bearer {token}".encode()

    class Handler(BaseHTTPRequestHandler):
        server_version, sys_version = "supplytwin", ""
        timeout = _IDLE_S

        def do_GET(self) -> None:
            path, _, nonce = self.path.partition("?")
            if path == "/alive" and 0 < len(nonce) <= 64:
                shown = proof(token, nonce).encode()
                self._send(HTTPStatus.OK, Answer(media="text/plain", body=shown))
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "there is only POST /sql")

        def do_POST(self) -> None:
            given = self.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(errors="replace"), wanted):
                self._refuse(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong")
            elif self.path != "/sql":
                self._refuse(HTTPStatus.NOT_FOUND, "there is only POST /sql")
            else:
                self._ask()

        def _ask(self) -> None:
            try:
                found = ask(_question(self._body(), self.headers.get("Accept", "")))
            except UsageError as error:
                self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            except Exception as error:  # a defect of ours is ours to see, not the client's
                log.error("question failed", why=f"{type(error).__name__}: {error}")
                self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "the sink failed: see its log")
            else:
                self._send(HTTPStatus.OK, found)

        def _body(self) -> bytes:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or not 0 < int(length) <= _BODY_MAX:
                raise UsageError("the request has no body, or one that is too large")
            return self.rfile.read(int(length))

        def _refuse(self, status: HTTPStatus, error: str) -> None:
            body = msgspec.json.encode({"error": error})
            self._send(status, Answer(media=JSON, body=body))

        def _send(self, status: HTTPStatus, found: Answer) -> None:
            with contextlib.suppress(ConnectionError):  # the asker has gone
                self.send_response(status)
                self.send_header("Content-Type", found.media)
                self.send_header("Content-Length", str(len(found.body)))
                for name, value in found.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(found.body)

        def log_message(self, format: str, *_: Any) -> None:
            """Questions are nobody's business but the asker's."""

    return Handler
