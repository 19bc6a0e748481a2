"""The metrics of restores, snapshots and memory."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PAUSES: Final = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class UpkeepMetrics:
    """A part of `observe.Metrics`, on its registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, about: str) -> Gauge:
            return Gauge(f"supplytwin_{name}", about, registry=registry)

        def counter(name: str, about: str) -> Counter:
            return Counter(f"supplytwin_{name}", about, registry=registry)

        self._closed = gauge("chains_closed", "Chains of which only identities are in memory")
        self._packed = gauge("chains_packed", "Chains in memory as packed bytes")
        self._restored = counter("restore_entries", "Journal entries read to restore partitions")
        self._left = gauge("restore_left", "Journal offsets still to be read")
        self._eta = gauge("restore_eta_seconds", "Until the last partition number is restored")
        self._snapshots = counter("snapshots", "Snapshots written")
        self._refused = counter("snapshots_refused", "Snapshots that were not trusted")
        self._pause = Histogram(
            "supplytwin_snapshot_pause_seconds",
            "How long a snapshot held up the loop in one turn",
            buckets=PAUSES,
            registry=registry,
        )
        self._memory = gauge("memory_bytes", "Resident memory of the process")
        self._limit = gauge("memory_limit_bytes", "[worker] memory_max_mb; 0 = none")
        self._alarm = gauge(
            "memory_alarm", "0 = below 80 % of the limit, 1 = above, 2 = at it: no input is read"
        )

    def chains(self, closed: int, packed: int) -> None:
        self._closed.set(closed)
        self._packed.set(packed)

    def restored(self, entries: int) -> None:
        self._restored.inc(entries)

    def restoring(self, left: int, eta_s: float) -> None:
        self._left.set(left)
        self._eta.set(eta_s)

    def snapshot_written(self) -> None:
        self._snapshots.inc()

    def snapshot_refused(self) -> None:
        self._refused.inc()

    def snapshot_pause(self, seconds: float) -> None:
        self._pause.observe(seconds)

    def memory(self, resident: int, limit: int, alarm: int) -> None:
        self._memory.set(resident)
        self._limit.set(limit)
        self._alarm.set(alarm)
