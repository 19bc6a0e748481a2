"""What an operator sees: Prometheus metrics of the engine, and JSON lines on stderr."""

import logging
import sys
import time
import traceback
from typing import Final

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)

from supplytwin.schemas.errors import TransientError
from supplytwin.streams.observe_upkeep import UpkeepMetrics

BATCH_SIZES: Final = (1, 10, 100, 1000, 5000, 20000)
SECONDS: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Registry:
    """A registry of one process: what the process itself uses is always on it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)

    def value(self, name: str, **labels: str) -> float:
        """One sample, 0 when it was never touched (tests and `doctor`)."""
        return self.registry.get_sample_value(name, labels) or 0.0


class Metrics(Registry):
    """The metrics of one worker."""

    def __init__(self) -> None:
        super().__init__()
        self._named = Counter(
            "supplytwin_folded",
            "Things that the fold and the engine count: duplicates, stale ticks, postponed chains",
            ["what"],
            registry=self.registry,
        )
        self._quarantined = Counter(
            "supplytwin_quarantined", "Records not taken", ["code"], registry=self.registry
        )
        self._aborts = Counter(
            "supplytwin_aborts",
            "Aborted transactions, by the client's name of the error",
            ["error"],
            registry=self.registry,
        )
        self._rebalances = Counter(
            "supplytwin_rebalances",
            "Assignments of partition numbers, the first one included",
            registry=self.registry,
        )
        self._tick_delay = Gauge(
            "supplytwin_tick_delay_seconds",
            "How old the newest tick was when it was handled (wall-clock time only)",
            registry=self.registry,
        )
        self._cuts = Counter("supplytwin_cuts", "Ticks handled", registry=self.registry)
        self._cut_wait = Histogram(
            "supplytwin_cut_wait_seconds",
            "From the question to the handling of its tick",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._stalled = Gauge(
            "supplytwin_cut_stalled",
            "Partition numbers without approvals and expiry, because an input cannot be read",
            registry=self.registry,
        )
        self._fallbacks = Gauge(
            "supplytwin_decode_fallbacks",
            "Batches with a record for the strict decoder, since the start",
            registry=self.registry,
        )
        self._batch = Histogram(
            "supplytwin_batch_records",
            "Records of one batch",
            buckets=BATCH_SIZES,
            registry=self.registry,
        )
        self._commit = Histogram(
            "supplytwin_commit_seconds",
            "From the begin of a transaction to its commit",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._chains = Gauge("supplytwin_chains", "Chains in memory", registry=self.registry)
        self.upkeep = UpkeepMetrics(self.registry)

    def count(self, what: str, times: int = 1) -> None:
        self._named.labels(what).inc(times)

    def quarantined(self, code: str, times: int = 1) -> None:
        self._quarantined.labels(code).inc(times)

    def aborted(self, error: TransientError) -> None:
        self._aborts.labels(error.name or type(error).__name__).inc()

    def rebalanced(self) -> None:
        self._rebalances.inc()

    def ticked(self, tick_us: int) -> None:
        """A tick of wall-clock time is being handled."""
        self._tick_delay.set(time.time() - tick_us / 1e6)

    def cut(self, wait_s: float) -> None:
        self._cuts.inc()
        self._cut_wait.observe(wait_s)

    def stalled(self, numbers: int) -> None:
        self._stalled.set(numbers)

    def decode_fallbacks(self, total: int) -> None:
        self._fallbacks.set(total)

    def batch(self, records: int) -> None:
        self._batch.observe(records)

    def committed(self, seconds: float) -> None:
        self._commit.observe(seconds)

    def chains(self, number: int) -> None:
        self._chains.set(number)


class GatewayMetrics(Registry):
    """The metrics of the gateway."""

    def __init__(self) -> None:
        super().__init__()
        self._submitted = Counter(
            "supplytwin_gateway_instructions",
            "Instructions handed to the rail, repetitions included",
            ["kind"],
            registry=self.registry,
        )
        self._published = Counter(
            "supplytwin_gateway_receipts",
            "Answers of the rail published, repetitions included",
            ["kind", "rail_status"],
            registry=self.registry,
        )

        self._differences = Counter(
            "supplytwin_gateway_differences",
            "Differences between a bank's statements and the mirror",
            ["difference"],
            registry=self.registry,
        )

        self._findings = Counter(
            "supplytwin_gateway_findings",
            "What was not understood of a bank's documents",
            ["code"],
            registry=self.registry,
        )

    def finds(self, code: str) -> None:
        self._findings.labels(code).inc()

    def differs(self, difference: str) -> None:
        self._differences.labels(difference).inc()

    def submitted(self, kind: str) -> None:
        self._submitted.labels(kind).inc()

    def published(self, kind: str, rail_status: str) -> None:
        self._published.labels(kind, rail_status).inc()


class SinkMetrics(Registry):
    """The metrics of a sink."""

    def __init__(self) -> None:
        super().__init__()
        self._records = Counter(
            "supplytwin_sink_records", "Records written", ["topic"], registry=self.registry
        )
        self._write = Histogram(
            "supplytwin_sink_write_seconds",
            "One transaction of the sink",
            buckets=SECONDS,
            registry=self.registry,
        )

    def written(self, topic: str, records: int) -> None:
        self._records.labels(topic).inc(records)

    def wrote(self, seconds: float) -> None:
        self._write.observe(seconds)


class UpMetrics(Registry):
    """The metrics of `supplytwin up`."""

    def __init__(self) -> None:
        super().__init__()
        self._restarts = Counter(
            "supplytwin_restarts",
            "Processes started again, by why: fenced, stuck, failed (75) or killed",
            ["process", "why"],
            registry=self.registry,
        )

    def restarted(self, process: str, why: str) -> None:
        self._restarts.labels(process, why).inc()


def configure_logging(level: str = "info") -> None:
    """Log lines are JSON objects on stderr from now on."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def trace(error: BaseException) -> str:
    """The end of the traceback of a defect, as text for a log line."""
    return "".join(traceback.format_exception(error))[-4000:]
