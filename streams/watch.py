"""The watch side-car: a Faust app that shows alerts and chains over HTTP on 127.0.0.1.

    GET /alerts?limit=N    the newest alerts, newest first (default 100)
    GET /chains/CHAIN-ID   where its claims stand, and what is wrong with it; percent-encoded
    GET /health            how much was read, how much there is still to read, how old the newest is

It reads committed records only, keeps everything in memory, and writes nothing to Kafka: no
records, no topics, no offsets. So every start reads both topics from their beginning, and each
process is a group of its own: any number of them may run, and each shows everything.
"""

import asyncio
import errno
import logging
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, cast
from urllib.parse import unquote

import faust
import msgspec
import structlog
from faust.auth import Credentials
from faust.web import Request, Response, View

from supplytwin.schemas.errors import FatalError, RecordError, UsageError
from supplytwin.schemas.flow import Record
from supplytwin.streams import observe, process
from supplytwin.streams.kafka import Client, KafkaBroker
from supplytwin.streams.local_broker import free_ports
from supplytwin.streams.ports import Broker
from supplytwin.streams.topics import WATCH_GROUP
from supplytwin.streams.watch_kafka import (
    CommittedConsumer,
    CommittedTransport,
    ReadOnly,
    credentials_of,
)
from supplytwin.streams.watch_views import TOPICS, Views

log = structlog.get_logger("supplytwin.watch")
HOST, JSON = "127.0.0.1", "application/json"
LOCAL = (HOST, "localhost", "[::1]")
CHAINS = "/chains/"
TIMER_S = 10.0
_ALERTS = 100
_POLL_S = 0.1
_STUCK_S = 60.0
_STOP_S = 5.0


# ---- the app


class WatchApp(faust.App):
    """Views that are fed by one agent, told about by one timer, and shown on three pages."""

    BootStrategy = ReadOnly
    views: Views

    def _create_directories(self) -> None:
        """None are needed without tables."""

    def behind(self) -> int | None:
        """How many offsets there are still to read; None = that is not known (now)."""
        return cast(CommittedConsumer, self.consumer).behind(self.views.next_of)

    def counts(self) -> dict[str, Any]:
        """What /health and the timer tell."""
        return {"behind": self.behind(), **self.views.counts(time.time())}


def build(
    bootstrap: str, port: int, views: Views, *, credentials: Credentials | None = None
) -> WatchApp:
    """The app over `views`. Must be called in the event loop that it will run in."""
    app = WatchApp(
        f"{WATCH_GROUP}-{uuid.uuid4().hex[:12]}",
        broker=[f"kafka://{address.strip()}" for address in bootstrap.split(",")],
        broker_credentials=credentials,
        consumer_auto_offset_reset="earliest",
        stream_wait_empty=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_bind=HOST,
        web_host=HOST,
        web_port=port,
        web_router_enabled=False,
        web_tables_enabled=False,
    )
    app.views = views
    app.transport = CommittedTransport(app.conf.broker_consumer, app)
    topic = app.topic(
        *TOPICS,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,
        acks=False,  # so that no offsets are committed
    )
    app.agent(topic)(partial(follow, views, time.time_ns() // 1000))
    app.timer(interval=TIMER_S)(partial(tell, app))
    for path, page in PAGES.items():
        app.page(path)(page)
    return app


async def follow(views: Views, started_us: int, stream: Any) -> None:
    """The alert agent: every record goes into the views, a new alert into the log.

    What was written before this process started is on view only: its predecessor has logged it.
    """
    async for event in stream.events():
        found = event.message
        record = Record(
            topic=found.topic,
            partition=found.partition,
            offset=found.offset,
            arrival=round((found.timestamp or 0.0) * 1e6),
            key=found.key,
            value=found.value,
        )
        try:
            alert = views.take(record)
        except Exception as error:  # a defect of ours must not stop the others from being shown
            where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
            more = {} if isinstance(error, RecordError) else {"trace": observe.trace(error)}
            log.error("undecodable", **where, why=str(error), **more)
            continue
        if alert is not None and record.arrival >= started_us:
            log.warning("alert", **msgspec.structs.asdict(alert))


async def tell(app: WatchApp) -> None:
    """The timer: one log line."""
    log.info("watching", **app.counts())


# ---- the pages


class Page(View):
    """Answers in JSON, and only requests that name this machine as their host."""

    app: WatchApp

    async def dispatch(self, request: Any) -> Any:
        """A web page that points a name of its own at 127.0.0.1 gets nothing."""
        host = request.headers.get("Host", HOST)
        if host not in LOCAL and host.rpartition(":")[0] not in LOCAL:
            return self.answer({"error": f"ask for {HOST} or localhost"}, 403)
        return await super().dispatch(request)

    def answer(self, value: Any, status: int = 200) -> Response:
        """A JSON response."""
        return self.bytes(msgspec.json.encode(value), content_type=JSON, status=status)


class Health(Page):
    """How much was read, and how much there is still to read."""

    async def get(self, request: Request, **_: str) -> Response:
        return self.answer(self.app.counts())


class Alerts(Page):
    """The newest alerts."""

    async def get(self, request: Request, **_: str) -> Response:
        text = request.query.get("limit", str(_ALERTS))
        if not (text.isascii() and text.isdecimal() and len(text) < 10):
            return self.answer({"error": "limit must be a whole number"}, 400)
        found = self.app.views.alerts(int(text))
        return self.answer({"behind": self.app.behind(), "alerts": found})


class Chain(Page):
    """One chain. Its id is taken from the path as it was sent: it may contain any character."""

    async def get(self, request: Request, **_: str) -> Response:
        raw = request.rel_url.raw_path.removeprefix(CHAINS)
        try:
            chain_id = unquote(raw, errors="strict")
        except UnicodeDecodeError:
            return self.answer({"error": "the chain id is not percent-encoded UTF-8"}, 400)
        behind, found = self.app.behind(), self.app.views.chain(chain_id)
        if found is None:
            why = "nothing settled or wrong was seen of this chain, or it was quiet for too long"
            return self.answer({"error": why, "chain_id": chain_id, "behind": behind}, 404)
        return self.answer({**found, "behind": behind})


PAGES: dict[str, type[Page]] = {
    "/health": Health,
    "/alerts": Alerts,
    CHAINS + "{chain_id:.+}": Chain,
}


# ---- the process


class Watch:
    """The app in an event loop of its own. `beat` = when the loop last came round (monotonic)."""

    def __init__(self, make: Callable[[], WatchApp]) -> None:
        self._make = make
        self.beat = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Run until `stop`. Raises UsageError for a taken port, FatalError when Faust crashes."""
        asyncio.run(self._run(stop))

    async def _run(self, stop: threading.Event) -> None:
        app = self._make()
        starting = asyncio.ensure_future(app.start())
        try:
            while not stop.is_set() and not app.should_stop:
                self.beat = time.monotonic()
                if starting.done():
                    starting.result()
                await asyncio.sleep(_POLL_S)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise UsageError(f"{error.strerror}: choose another port by --port") from None
        finally:
            starting.cancel()
            with suppress(Exception):  # nothing that it holds is worth waiting for, or a failure
                await asyncio.wait_for(app.stop(), _STOP_S)
        if app.crash_reason is not None and not stop.is_set():
            raise FatalError(f"Faust crashed: {app.crash_reason!r}") from app.crash_reason


class Forward(logging.Handler):
    """Log lines of Faust and aiokafka become JSON lines like ours."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        more = {} if error is None else {"trace": observe.trace(error)}
        log.log(record.levelno, record.getMessage(), logger=record.name, **more)


def require_topics(broker: Broker) -> None:
    """Raises UsageError unless both topics exist: asking for a missing one could create it."""
    admin = broker.admin()
    try:
        missing = sorted(set(TOPICS) - admin.names())
    finally:
        admin.close()
    if missing:
        raise UsageError(f"there is no topic {', '.join(missing)}: run `supplytwin init`")


def main(bootstrap: str, port: int, alerts: int, client: Client | None = None) -> NoReturn:
    """Run until SIGTERM, then exit with 0; with 75 when Faust or Kafka fails. `port` 0 = any.

    Raises UsageError when the topics do not exist or the port is taken.
    """
    observe.configure_logging()
    credentials = credentials_of(client or {})
    require_topics(KafkaBroker(bootstrap, client=client))
    for name in ("faust", "mode", "aiokafka", "aiohttp", "asyncio"):
        logging.getLogger(name).addHandler(Forward(logging.WARNING))
    views, chosen = Views(alerts), port or free_ports(1)[0]
    watch = Watch(lambda: build(bootstrap, chosen, views, credentials=credentials))
    log.info("starting", url=f"http://{HOST}:{chosen}/alerts")
    code = process.serve(watch.run, beat=lambda: watch.beat, stuck_s=_STUCK_S)
    sys.stderr.flush()
    os._exit(code)  # a thread of Faust may wait for Kafka for more than a minute
