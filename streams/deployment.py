"""Puts the parts together: a worker, a gateway, a sink over one broker. The one composition
root.
"""

import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import platformdirs

from supplytwin.processors.chain import FOLD_VERSION, ChainFold, ChainState
from supplytwin.processors.closing import Chain, ClosingFold, gist
from supplytwin.processors.spans import of_entries
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.events import SUPPLY_TOPICS
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import (
    CONTROL,
    INSTRUCTIONS,
    JOURNAL,
    ORDERED_INPUTS,
    QUARANTINE,
    RECEIPTS,
    SENT,
    STATE,
)
from supplytwin.sinks.duck import DuckSink
from supplytwin.sinks.rail import Rail
from supplytwin.sinks.simulated_rail import INSTANT, Behaviour, Delays, SimulatedRail
from supplytwin.sinks.spans import SpanWriter
from supplytwin.streams import framed
from supplytwin.streams.checkpoint import At, nowhere
from supplytwin.streams.gateway import Gateway
from supplytwin.streams.gateway_rail import bank_rail
from supplytwin.streams.gauges import Gauges
from supplytwin.streams.intake import Intake, guard
from supplytwin.streams.key_records import secrets_of
from supplytwin.streams.observe import GatewayMetrics, Metrics, SinkMetrics
from supplytwin.streams.ports import Broker
from supplytwin.streams.process import IN_FLIGHT_S
from supplytwin.streams.quarantine import Policy
from supplytwin.streams.settings import Settings
from supplytwin.streams.subscriber import Subscriber
from supplytwin.streams.topics import DERIVED, INPUTS, WORKER_GROUP, Meta
from supplytwin.streams.upkeep import UpkeepSettings
from supplytwin.streams.worker import Worker, WorkerSettings, WorkerTopics

TOPICS = WorkerTopics(
    inputs=(*SUPPLY_TOPICS, *ORDERED_INPUTS),
    control=CONTROL,
    journal=JOURNAL,
    state=STATE,
    quarantine=QUARANTINE,
    derived=DERIVED,
)


def worker(
    broker: Broker,
    settings: Settings,
    meta: Meta,
    *,
    slot: int = 0,
    metrics: Metrics | None = None,
    at: At = nowhere,
) -> Worker[Chain]:
    """The worker of a slot, on the timeline of its deployment."""
    own = WorkerSettings(
        partitions=meta.partitions,
        simulated=meta.simulated,
        batch=settings.worker.batch,
        transaction_timeout_s=settings.worker.transaction_timeout_ms / 1000,
        upkeep=UpkeepSettings(
            snapshots=snapshot_folder(broker, settings, meta),
            every_s=settings.snapshot.every,
            timeline=meta.timeline,
            memory_max_bytes=settings.worker.memory_max_mb << 20,
        ),
    )
    framed.require(broker, DERIVED, INPUTS)
    chains = ChainFold(meta.timeline, secrets_of(settings.keys.hmac_secrets))
    fold = ClosingFold(chains, settings.worker.close_after_days * DAY_US)
    return Worker(
        broker,
        fold,
        Intake(framed.registry_of(broker)),
        TOPICS,
        settings=own,
        slot=slot,
        gist=gist,
        metrics=metrics,
        policy=Policy(settings.quarantine.stop, settings.quarantine.rate_percent),
        at=at,
    )


def snapshot_folder(broker: Broker, settings: Settings, meta: Meta) -> Path | None:
    """Where workers keep their snapshots; None = they keep none: `[snapshot] every` is 0, or what
    the broker holds ends with this process.
    """
    if not settings.snapshot.every or broker.kind == "memory":
        return None
    if settings.snapshot.dir:
        return Path(settings.snapshot.dir).expanduser()
    cluster = hashlib.sha256(f"{broker.address} {meta.timeline}".encode()).hexdigest()[:12]
    return platformdirs.user_state_path("supplytwin") / "snapshots" / cluster


def behaviour(settings: Settings) -> Behaviour:
    """The simulated rail's shares. Raises UsageError naming what is wrong."""
    try:
        return msgspec.convert(settings.gateway.behaviour, Behaviour, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"settings: [gateway] behaviour: {error}") from None


def simulated_rail(settings: Settings, meta: Meta, ledger: Path | None = None) -> SimulatedRail:
    """The rail without a bank."""
    return SimulatedRail(
        ledger or Path(settings.gateway.ledger),
        seed=settings.gateway.seed,
        behaviour=behaviour(settings),
        delays=Delays() if meta.simulated else INSTANT,
    )


def rail(broker: Broker, settings: Settings, meta: Meta, ledger: Path | None = None) -> Rail:
    """The rail of `[rail] kind`. Raises UsageError naming the key that is wrong."""
    if settings.rail.kind == "simulated":
        return simulated_rail(settings, meta, ledger)
    return bank_rail(settings, broker, meta.partitions)


def gateway(
    broker: Broker,
    settings: Settings,
    meta: Meta,
    *,
    ledger: Path | None = None,
    at: Callable[[str], None] = nowhere,
    metrics: GatewayMetrics | None = None,
) -> Gateway:
    """The gateway to the rail of the settings."""
    framed.require(broker, (RECEIPTS, SENT), (INSTRUCTIONS, CONTROL))
    chosen = rail(broker, settings, meta, ledger)
    return Gateway(
        broker, chosen, partitions=meta.partitions, simulated=meta.simulated, at=at,
        metrics=metrics,
    )  # fmt: skip


def duck(
    broker: Broker,
    path: Path,
    meta: Meta,
    *,
    at: Callable[[str], None] = nowhere,
    metrics: SinkMetrics | None = None,
) -> tuple[Subscriber, DuckSink]:
    """The DuckDB sink and what feeds it."""
    sink, spanned = spanning(path, at)
    feeder = Subscriber(broker, sink, meta.partitions, metrics=metrics, idle=spanned.idle)
    return feeder, sink


def spanning(path: Path, at: Callable[[str], None] = nowhere) -> tuple[DuckSink, SpanWriter]:
    """A DuckDB file to write, and what fills `twin_span` in it."""
    sink = DuckSink(path, guard, at)
    return sink, SpanWriter(sink, of_entries, FOLD_VERSION)


def gauges(broker: Broker, running: Worker[Chain]) -> None:
    """Keep the worker's lag and size on its registry, from a thread that ends with the process."""

    def facts() -> int:
        stores = list(running.stores.values())
        states = [state for store in stores for state in list(store.states.raw.values())]
        return sum(one.twin.facts.count for one in states if isinstance(one, ChainState))

    found = Gauges(
        broker,
        running.metrics.registry,
        WORKER_GROUP,
        INPUTS,
        numbers=lambda: list(running.stores),
        facts=facts,
    )
    threading.Thread(target=found.run, args=(threading.Event(),), daemon=True).start()


def stop_at(point: str) -> Callable[[str], None]:
    """For tests: a callable that ends this process by SIGKILL at `NAME`, or `NAME:nth`.

    "" = never. What was produced before it has reached the broker by then.
    """
    if not point:
        return nowhere
    name, _, times = point.partition(":")
    left = int(times or "1")

    def at(reached: str) -> None:
        nonlocal left
        left -= reached == name
        if reached == name and left == 0:
            time.sleep(IN_FLIGHT_S)
            os.kill(os.getpid(), signal.SIGKILL)

    return at
