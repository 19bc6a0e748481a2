"""A bank over HTTP in this process that answers as a test wants, and a carrier to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import bank_rail_world as w

from supplytwin.schemas.records import SentMessage
from supplytwin.sinks.file_rail import Inbox
from supplytwin.sinks.http_rail import Addresses, HttpBank


class Server:
    """A server on 127.0.0.1 that answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes, str]] = []
        self.answers: list[tuple[int, bytes] | tuple[int, bytes, int] | None] = []
        """Status, body, and how long the body is said to be; None = the connection breaks."""
        self.mail: list[dict[str, Any]] = []
        self.forgets = False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                authorization = self.headers.get("Authorization") or ""
                outer.seen.append((self.command, self.path, body, authorization))
                found = outer.answer(self.command, self.path)
                if found is None:
                    self.close_connection = True
                    return
                status, data, *length = found
                self.send_response(status)
                self.send_header("Content-Length", str(*(length or [len(data)])))
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                with suppress(ConnectionError):  # nobody wants the rest
                    self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _any

            def log_message(self, *_: object) -> None:
                """Not here."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, method: str, path: str) -> tuple[int, bytes] | tuple[int, bytes, int] | None:
        """The next of `answers`, else the mailbox, else 202."""
        if self.answers:
            return self.answers.pop(0)
        if path == "/mail":
            data = json.dumps(self.mail).encode()
            if self.forgets:
                self.mail = []
            return 200, data
        if method == "DELETE":
            name = path.rpartition("/")[2]
            self.mail = [one for one in self.mail if str(one["id"]) != name]
            return 204, b""
        return 202, b""


@contextmanager
def serving() -> Iterator[Server]:
    """It ends with the block."""
    one = Server()
    thread = threading.Thread(target=one.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield one
    finally:
        one.server.shutdown()
        thread.join(10)
        one.server.server_close()


def bank(server: Server, folder: Path, **changes: Any) -> HttpBank:
    """A carrier to this server."""
    fields: dict[str, Any] = {
        "payments": f"{server.base}/pay", "recalls": f"{server.base}/recall",
        "mailbox": f"{server.base}/mail", "status": f"{server.base}/status/{{uetr}}",
        "confirms": True, "poll_s": 0, "timeout_s": 5, "headers": {"Authorization": "Bearer t"},
    }  # fmt: skip
    addresses = Addresses(**{**fields, **changes})
    return HttpBank(addresses, Inbox(folder / "waiting", folder, settle_s=0))


def kept(kind: str = "PAY") -> SentMessage:
    """A message that was drafted."""
    desk = w.Desktop()
    desk.paid()
    draft = desk.rail.draft(w.instruction() if kind == "PAY" else w.recall())
    assert draft is not None
    return draft
