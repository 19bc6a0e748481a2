"""The administrative port where no broker is needed: how long it waits, and how often it asks."""

import time
from concurrent.futures import Future
from typing import Any

import pytest

from supplytwin.schemas.errors import TransientError
from supplytwin.streams import kafka_admin
from supplytwin.streams.kafka_admin import KafkaAdmin
from supplytwin.streams.ports import TopicSpec

SPEC = TopicSpec(name="t", partitions=1, replication=1, config={})


class Slow(KafkaAdmin):
    """A cluster that takes `slow_s` until its new topics have leaders, on a clock of its own."""

    def __init__(self, patch: pytest.MonkeyPatch, slow_s: float) -> None:
        self.now, self.asked, self._slow_s = 0.0, 0, slow_s
        self._native = self
        patch.setattr(kafka_admin.time, "monotonic", lambda: self.now)
        patch.setattr(kafka_admin.time, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def create_topics(self, topics: Any, **given: Any) -> dict[str, Future[None]]:
        done: Future[None] = Future()
        done.set_result(None)
        return {one.topic: done for one in topics}

    def _led(self, specs: Any) -> bool:
        self.asked += 1
        return self.now >= self._slow_s


def test_a_slow_broker_is_waited_for_and_not_pestered(monkeypatch: pytest.MonkeyPatch) -> None:
    """45 s without leaders are no failure; it is asked about twice a second."""
    slow = Slow(monkeypatch, 45.0)
    slow.create([SPEC])
    assert slow.now >= 45.0
    assert slow.asked < 100


def test_a_broker_that_never_has_leaders_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends by itself, and says how long it waited."""
    with pytest.raises(TransientError, match="no leaders after 60 s"):
        Slow(monkeypatch, 1e9).create([SPEC])
    assert time.monotonic() < 62.0
