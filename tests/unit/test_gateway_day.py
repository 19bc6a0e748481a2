"""When a day is closed: behind everything that its statements have told."""

from collections.abc import Sequence
from typing import Any

import pytest

from supplytwin.schemas.records import SettlementEvent
from supplytwin.sinks.rail import Closed
from supplytwin.streams import gateway_record
from supplytwin.streams.gateway_record import DayClose
from supplytwin.streams.observe import GatewayMetrics
from supplytwin.streams.ports import TopicPartition


class Kafka:
    """Where the receipts end, and how far the worker has read them."""

    def __init__(self) -> None:
        self.end = self.worker = 10

    def admin(self) -> "Kafka":
        return self

    def ends(self, places: Sequence[TopicPartition], isolation: str) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.end)

    def committed(
        self, group: str, places: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int | None]:
        return dict.fromkeys(places, self.worker)

    def close(self) -> None: ...


class Waiting:
    """A rail with statements that wait."""

    def __init__(self) -> None:
        self.waiting, self.closed = 0, 0

    def statements(self) -> int:
        return self.waiting

    def findings(self) -> tuple[str, ...]:
        return ()

    def close_day(self, events: Sequence[SettlementEvent]) -> list[Closed]:
        self.closed += self.waiting
        self.waiting = 0
        return []


def test_each_statement_waits_for_its_own_receipts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second statement that comes while the first is closed is not laid against the mirror before
    the worker has taken what the second one has told.
    """
    nothing: list[Any] = []
    monkeypatch.setattr(gateway_record, "_messages", lambda *_: nothing)
    kafka, rail = Kafka(), Waiting()
    day = DayClose(kafka, rail, 1, lambda: None)  # type: ignore[arg-type]
    rail.waiting = 1
    assert day.close(GatewayMetrics())
    kafka.end, rail.waiting = 12, 1
    assert not day.close(GatewayMetrics())
    assert rail.closed == 1
    kafka.worker = 12
    assert day.close(GatewayMetrics())
    assert rail.closed == 2
