"""Commands that run something: broker, init, work, tick, gateway, sink, up, watch."""

import importlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct
from prometheus_client import CollectorRegistry

from supplytwin.schemas.errors import UsageError
from supplytwin.sinks.serve import SqlServer
from supplytwin.streams import (
    broker_choice,
    deployment,
    framed,
    health,
    heap,
    local_broker,
    observe,
    process,
    recovery,
    topics,
)
from supplytwin.streams.children import Children
from supplytwin.streams.drawing import Plain
from supplytwin.streams.moments import moment
from supplytwin.streams.settings import Settings, Time, as_environment, load
from supplytwin.streams.ticker import Ticker

out = Plain()
err = Plain(stderr=True)

MetricsPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Serve /metrics, /live and /ready there.")
]
_STUCK_S = 60.0
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


class Context(Struct, frozen=True, kw_only=True):
    """What the options before the command say."""

    config: Path | None
    debug: bool

    def settings(self) -> Settings:
        return load(self.config)


def emit_json(value: Any) -> None:
    """One JSON object and nothing else on standard output."""
    typer.echo(msgspec.json.encode(value).decode())


def connect(context: typer.Context, *, say: bool = True) -> tuple[Settings, broker_choice.Chosen]:
    """Settings, and the broker that a long-running command or a look needs: never one in memory."""
    settings = context.obj.settings()
    chosen = broker_choice.running(settings)
    if say:
        err.print(f"broker: {chosen.how}", style="dim")
    return settings, chosen


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(broker_app, name="broker")
    app.add_typer(sink_app, name="sink")
    app.command()(init)
    app.command()(work)
    app.command()(tick)
    app.command()(gateway)
    app.command()(up)
    app.command()(watch)


broker_app = typer.Typer(no_args_is_help=True, help="The local Apache Kafka (Java 17 and Maven).")
sink_app = typer.Typer(no_args_is_help=True, help="Consumers that put results somewhere.")


@broker_app.command("start")
def broker_start(context: typer.Context, as_json: AsJson = False) -> None:
    """Start it in the background (or say that it runs) and print its address."""
    local_broker.require()
    folder = broker_choice.background_dir(context.obj.settings())
    broker = local_broker.start(folder, with_parent=False)
    if as_json:
        emit_json(broker)
    else:
        out.print(f"Apache Kafka {local_broker.version()} at {broker.bootstrap}, pid {broker.pid}")
        out.print(f"data and log: {folder}")


@broker_app.command("stop")
def broker_stop(
    context: typer.Context,
    remove: Annotated[bool, typer.Option(help="Remove its data, too.")] = False,
) -> None:
    """Stop it cleanly."""
    folder = broker_choice.background_dir(context.obj.settings())
    stopped = local_broker.stop(folder, remove=remove)
    out.print("stopped" if stopped else "it was not running")


@broker_app.command("status")
def broker_status(context: typer.Context, as_json: AsJson = False) -> None:
    """Say whether it runs; exit 1 when it does not."""
    broker = local_broker.status(broker_choice.background_dir(context.obj.settings()))
    if as_json:
        emit_json({"running": broker is not None, "broker": broker})
    elif broker is None:
        out.print("not running")
    else:
        out.print(f"running at {broker.bootstrap}, pid {broker.pid}, log {broker.log}")
    if broker is None:
        raise typer.Exit(1)


def init(
    context: typer.Context,
    simulated: Annotated[
        bool, typer.Option(help="Time comes from a feed's own timeline, not from the clock.")
    ] = False,
    timeline: Annotated[str | None, typer.Option(help="Its name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Create the topics and commit the first offsets; once in the life of a deployment."""
    settings, chosen = connect(context)
    if simulated:
        own = Time(simulated=True, timeline=timeline or "simulated")
        settings = msgspec.structs.replace(settings, time=own)
    try:
        created = topics.init(chosen.broker, settings)
    finally:
        chosen.close()
    if as_json:
        emit_json({"created": created})
    else:
        kind = "simulated" if settings.time.simulated else "wall-clock"
        out.print(f"{len(created)} topics created, {kind} time; next: `supplytwin up`")


def work(
    context: typer.Context,
    slot: Annotated[int, typer.Option(min=0, help="Which worker this is; one process a slot.")] = 0,
    metrics_port: MetricsPort = None,
) -> None:
    """Run one worker until SIGTERM."""
    settings, chosen = connect(context)
    observe.configure_logging()
    meta = topics.require_meta(chosen.broker)
    metrics = observe.Metrics()
    at = process.killer(settings.worker.fail_at)
    worker = deployment.worker(chosen.broker, settings, meta, slot=slot, metrics=metrics, at=at)
    stuck = 2 * settings.worker.transaction_timeout_ms / 1000
    with _watched(metrics.registry, metrics_port, worker, stuck, ready=lambda: worker.waits_for):
        if metrics_port is not None:
            deployment.gauges(chosen.broker, worker)
        heap.take_over()
        code = process.serve(worker.run, beat=lambda: worker.beat, stuck_s=stuck)
    raise typer.Exit(code)


def tick(context: typer.Context) -> None:
    """Be the clock of a wall-clock deployment until SIGTERM; a second one fences the first."""
    settings, chosen = connect(context)
    observe.configure_logging()
    ticker = Ticker(chosen.broker, settings.time.tick_ms / 1000)
    raise typer.Exit(process.serve(ticker.run, beat=lambda: ticker.beat, stuck_s=60))


def gateway(
    context: typer.Context,
    recover_since: Annotated[
        str | None,
        typer.Option(
            help="After a failover: ask the rail about all since then: a date (its start, "
            "UTC) or an RFC 3339 time."
        ),
    ] = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Hand instructions to the rail ([rail] kind: SIMULATED, or a bank) until SIGTERM."""
    since = None
    if recover_since is not None:
        since = moment("--recover-since", recover_since, of_date="start")
    settings, chosen = connect(context)
    observe.configure_logging()
    meta = topics.require_meta(chosen.broker)
    if since is not None:
        rail = deployment.rail(chosen.broker, settings, meta)
        found = recovery.recover(
            chosen.broker, rail, meta, since, lambda *_: None, lambda: time.sleep(0.05)
        )
        rail.close()
        recovery.tell(found)
    metrics = observe.GatewayMetrics()
    at = deployment.stop_at(settings.gateway.fail_at)
    running = deployment.gateway(chosen.broker, settings, meta, at=at, metrics=metrics)
    with _watched(metrics.registry, metrics_port, running, _STUCK_S):
        code = process.serve(running.run, beat=lambda: running.beat, stuck_s=_STUCK_S)
    raise typer.Exit(code)


@sink_app.command("duck")
def sink_duck(
    context: typer.Context,
    db: Annotated[Path | None, typer.Option("--db", help="Default: [duck] path.")] = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Write everything into a DuckDB file, and answer SQL about it, until SIGTERM."""
    settings, chosen = connect(context)
    observe.configure_logging()
    meta = topics.require_meta(chosen.broker)
    path = db or Path(settings.duck.path)
    at = deployment.stop_at(settings.duck.fail_at)
    metrics = observe.SinkMetrics()
    subscriber, sink = deployment.duck(chosen.broker, path, meta, at=at, metrics=metrics)
    server = SqlServer(path, sink.connection, settings.duck.rows_max, settings.duck.seconds_max)
    server.start()
    try:
        with _watched(metrics.registry, metrics_port, subscriber, 2 * _STUCK_S):
            code = process.serve(subscriber.run, beat=lambda: subscriber.beat, stuck_s=2 * _STUCK_S)
    finally:
        server.stop()
    raise typer.Exit(code)


@sink_app.callback()
def sinks() -> None:
    """Consumers that put results somewhere."""


def up(
    context: typer.Context,
    workers: Annotated[int, typer.Option(min=1, help="How many workers.")] = 1,
    logs: Annotated[Path, typer.Option(help="Where their logs go.")] = Path("supplytwin-logs"),
    metrics_port: MetricsPort = None,
) -> None:
    """Run workers, gateway, sink and (in wall-clock time) the ticker as supervised processes."""
    settings, chosen = connect(context)
    meta = topics.require_meta(chosen.broker)
    kafka = msgspec.structs.replace(settings.kafka, bootstrap=chosen.broker.address)
    metrics = observe.UpMetrics()
    environment = as_environment(msgspec.structs.replace(settings, kafka=kafka))
    children = Children(environment, logs, restarted=metrics.restarted)

    def run(stop: threading.Event) -> None:
        for slot in range(workers):
            children.start(
                f"worker-{slot}", "work", "--slot", str(slot), *_port(metrics_port, slot + 1)
            )
        children.start("gateway", "gateway", *_port(metrics_port, workers + 1))
        children.start("sink", "sink", "duck", *_port(metrics_port, workers + 2))
        if not meta.simulated:
            children.start("ticker", "tick")
        out.print(f"running: {', '.join(c.name for c in children.members)}; logs in {logs}")
        try:
            while not stop.wait(0.2):
                children.tend()
        finally:
            children.stop()

    with _watched(metrics.registry, metrics_port, None, _STUCK_S):
        code = process.serve(run, drain_s=60)
    raise typer.Exit(code)


def _port(first: int | None, place: int) -> tuple[str, ...]:
    """Each process of `up` has its own port, counted from the one given."""
    return () if not first else ("--metrics-port", str(first + place))


@contextmanager
def _watched(
    registry: CollectorRegistry,
    port: int | None,
    running: health.Beating | None,
    stuck_s: float,
    *,
    ready: health.Look = lambda: "",
) -> Iterator[None]:
    """Metrics and health on `port`, if one is given, while the body runs."""
    if port is None:
        yield
        return
    live = health.beating(running, stuck_s) if running is not None else lambda: ""
    served = health.Health(registry, port, live=live, ready=ready)
    err.print(f"http://127.0.0.1:{served.port}/metrics, /live, /ready", style="dim")
    try:
        yield
    finally:
        served.stop()


def watch(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Default: [watch] port.")] = None,
) -> None:
    """Alerts over HTTP (extra: pip install 'supplytwin[watch]')."""
    settings, chosen = connect(context)
    try:
        module = importlib.import_module("supplytwin.streams.watch")
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("supplytwin"):
            raise
        raise UsageError("watch needs an extra: pip install 'supplytwin[watch]'") from None
    registry = framed.registry_of(chosen.broker)
    module.main(
        chosen.broker.address,
        port or settings.watch.port,
        settings.watch.alerts,
        settings.kafka.client,
        module.as_it_is if registry is None else registry.single,
    )
