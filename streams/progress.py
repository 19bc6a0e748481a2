"""How far restores have come: log lines and metrics, so that nobody has to guess."""

from collections.abc import Callable
from typing import NamedTuple

import structlog

from supplytwin.streams.observe_upkeep import UpkeepMetrics

log = structlog.get_logger("supplytwin.engine")

EVERY_S = 5.0
STANDS = "a transaction is open there, or Kafka does not answer: `supplytwin doctor` tells"


class _Run(NamedTuple):
    at: float
    position: int


class Progress:
    """Follows the partition numbers that are being restored, by offsets of their journals."""

    def __init__(self, metrics: UpkeepMetrics, clock: Callable[[], float]) -> None:
        self._metrics, self._clock = metrics, clock
        self._began: dict[int, _Run] = {}
        self._told: dict[int, _Run] = {}
        self._left: dict[int, int] = {}
        self._eta: dict[int, float] = {}

    def moved(self, number: int, position: int, end: int, entries: int) -> None:
        """`entries` more were read: up to offset `position`, of `end`."""
        now = self._clock()
        began = self._began.setdefault(number, _Run(now, position))
        told = self._told.setdefault(number, began)
        self._metrics.restored(entries)
        self._left[number] = max(0, end - position)
        rate = (position - began.position) / (now - began.at) if now > began.at else 0.0
        if rate:
            self._eta[number] = self._left[number] / rate
        self._show()
        if now - told.at < EVERY_S:
            return
        self._told[number] = _Run(now, position)
        if position == told.position:
            log.warning(
                "restoring stands still", partition=number, offset=position, end=end, why=STANDS
            )
            return
        log.info(
            "restoring",
            partition=number,
            offset=position,
            end=end,
            offsets_per_s=round(rate),
            eta_s=round(self._eta.get(number, 0.0), 1),
        )

    def done(self, number: int) -> None:
        """Nothing is left to read, or it is no longer our business."""
        for known in (self._began, self._told, self._left, self._eta):
            known.pop(number, None)
        self._show()

    def _show(self) -> None:
        eta = max(self._eta.values(), default=0.0)
        self._metrics.restoring(sum(self._left.values()), eta)
