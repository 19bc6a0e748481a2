"""Metrics and health of a process over HTTP: /metrics, /live, /ready, on a thread of its own.

/live answers 200 while the loop comes round; 503 = start it again. /ready answers 200 when the
process does its work; 503 = it is still on its way (restoring, or without an assignment).
"""

import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from supplytwin.schemas.errors import UsageError

Look = Callable[[], str]
"""Why not; "" = all is well."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not worth a line each."""


class Health:
    """Serves one process; `stop` ends it. Raises UsageError when the port is taken."""

    def __init__(
        self,
        registry: CollectorRegistry,
        port: int,
        *,
        live: Look,
        ready: Look,
        host: str = "127.0.0.1",
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._looks = {"/live": live, "/ready": ready}
        try:
            self._server = make_server(
                host, port, self._answer, server_class=_Server, handler_class=_Silent
            )
        except OSError as error:
            raise UsageError(f"--metrics-port {port}: {error.strerror}") from None
        self.port: int = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            scraped: Iterable[bytes] = self._metrics(environ, start_response)
            return scraped
        look = self._looks.get(path)
        if look is None:
            status, text = HTTPStatus.NOT_FOUND, "there are /metrics, /live and /ready"
        else:
            text = look()
            status = HTTPStatus.SERVICE_UNAVAILABLE if text else HTTPStatus.OK
        headers = [("Content-Type", "text/plain; charset=utf-8")]
        start_response(f"{status.value} {status.phrase}", headers)
        return [f"{text or 'ok'}\n".encode()]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Beating(Protocol):
    """`beat` = when the loop last came round, on time.monotonic."""

    beat: float


def beating(running: Beating, stuck_s: float) -> Look:
    """Says so when the loop has not come round for `stuck_s`."""

    def look() -> str:
        silent = time.monotonic() - running.beat
        return f"the loop has not come round for {silent:.0f} s" if silent > stuck_s else ""

    return look
