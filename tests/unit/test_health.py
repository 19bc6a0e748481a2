"""What is seen from outside a process: health, metrics, lag, and the trace of an input."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import msgspec
import pytest

from supplytwin.schemas.errors import UsageError
from supplytwin.streams.gauges import Gauges
from supplytwin.streams.health import Health, beating
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.observe import Metrics
from supplytwin.streams.ports import TopicPartition, TopicSpec
from supplytwin.streams.testing import JOURNAL, Driver, Fact, Gate

GROUP, TOPIC = "g", "t"
AT = TopicPartition(TOPIC, 0)


class Loop:
    """Something that beats, or does not."""

    beat = 0.0


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and text of a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def served() -> Iterator[tuple[Health, Loop, list[str], Metrics]]:
    """A process whose beat and readiness the test sets."""
    metrics, loop, waits = Metrics(), Loop(), [""]
    loop.beat = time.monotonic()
    health = Health(metrics.registry, 0, live=beating(loop, 5.0), ready=lambda: waits[0])
    yield health, loop, waits, metrics
    health.stop()


def test_a_loop_that_does_not_come_round_is_not_live(
    served: tuple[Health, Loop, list[str], Metrics],
) -> None:
    """/live is 200 while the loop beats, and 503 with the reason when it is stuck."""
    health, loop, _, _ = served
    assert ask(health.port, "/live") == (200, "ok\n")
    loop.beat -= 6.0
    status, text = ask(health.port, "/live")
    assert status == 503 and "not come round for 6 s" in text


def test_who_still_waits_is_not_ready(served: tuple[Health, Loop, list[str], Metrics]) -> None:
    """/ready is 503 with the reason until the process does its work."""
    health, _, waits, _ = served
    waits[0] = "the journal is being read"
    assert ask(health.port, "/ready") == (503, "the journal is being read\n")
    waits[0] = ""
    assert ask(health.port, "/ready") == (200, "ok\n")


def test_metrics_are_scraped_and_nothing_else_is_there(
    served: tuple[Health, Loop, list[str], Metrics],
) -> None:
    """/metrics is in Prometheus' format; an unknown path says which there are."""
    health, _, _, metrics = served
    metrics.count("facts", 3)
    assert 'supplytwin_folded_total{what="facts"} 3.0' in ask(health.port, "/metrics")[1]
    assert ask(health.port, "/") == (404, "there are /metrics, /live and /ready\n")


def test_a_port_that_is_taken_is_said(served: tuple[Health, Loop, list[str], Metrics]) -> None:
    """One line with the option's name instead of a traceback."""
    health, _, _, metrics = served
    with pytest.raises(UsageError, match="--metrics-port"):
        Health(metrics.registry, health.port, live=lambda: "", ready=lambda: "")


def test_lag_and_stall_are_measured() -> None:
    """Lag to the end and to the last stable offset; a stall grows while the latter stands still."""
    broker, metrics, at = MemoryBroker(), Metrics(), [100.0]
    admin = broker.admin()
    admin.create([TopicSpec(name=TOPIC, partitions=1, replication=1, config={})])
    admin.commit(GROUP, {AT: 1})
    plain = broker.producer(None)
    for _ in range(3):
        plain.produce(TOPIC, b"k", b"v", partition=0)
    plain.flush()
    gauges = Gauges(
        broker, metrics.registry, GROUP, [TOPIC],
        numbers=lambda: [0], facts=lambda: 7, clock=lambda: at[0],
    )  # fmt: skip

    def seen(name: str) -> float:
        return metrics.value(f"supplytwin_{name}", topic=TOPIC, partition="0")

    gauges.look()
    assert (seen("lag_records"), seen("lag_stable_records"), seen("stall_seconds")) == (2, 2, 0)
    assert metrics.value("supplytwin_facts") == 7
    stranger = broker.producer("stranger")
    stranger.init(5.0)
    stranger.begin()
    stranger.produce(TOPIC, b"k", b"v", partition=0)
    stranger.flush()
    gauges.look()
    at[0] += 30.0
    gauges.look()
    assert seen("lag_records") > seen("lag_stable_records") == 2
    assert seen("stall_seconds") == 30.0
    stranger.abort()
    gauges.look()
    assert seen("stall_seconds") == 0


def test_the_workers_readiness_follows_its_assignment() -> None:
    """Before the first assignment, and while the journal is read, a worker says what it lacks."""
    driver = Driver(Gate())
    assert "assigned" in driver.worker.waits_for
    driver.settle()
    assert driver.worker.waits_for == ""
    assert driver.worker.metrics.value("supplytwin_rebalances_total") == 1


def test_the_trace_of_an_input_goes_on_in_all_that_it_leads_to() -> None:
    """traceparent and tracestate are headers of what an input leads to; other headers are not."""
    driver = Driver(Gate())
    trace = [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]
    value = msgspec.json.encode(Fact(id="p", says="released"))
    driver.send("papers", "k", value, headers=[*trace, ("other", b"x")])
    driver.settle()
    (entry,) = driver.read(JOURNAL)
    assert list(entry.headers) == trace
