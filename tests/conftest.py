"""Shared by all tests: one real Kafka for the session, names of one's own, and required counts.

    def test_something(kafka: KafkaBroker, fresh_prefix: str, required: Callable[[str], Required]):

The real Kafka is the one that SUPPLYTWIN_KAFKA__BOOTSTRAP names; otherwise one is started when the
first test asks for it, in a directory of its own, and stopped with the session (it also ends when
the session is killed). Without Java 17 and Maven such tests fail; `-m "not kafka"` leaves them out.
"""

import os
import tomllib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings

from supplytwin.sinks.duck import DuckSink
from supplytwin.streams import local_broker
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import TopicSpec

settings.register_profile("shared", deadline=None)
settings.register_profile("wheel", deadline=None, max_examples=10)
settings.load_profile("shared")
"""Machines are shared: how long one example took says nothing."""
BOOTSTRAP = "SUPPLYTWIN_KAFKA__BOOTSTRAP"
_COUNTS = Path(__file__).with_name("counts.toml")
_asked: dict[str, "Required"] = {}


class Required(int):
    """How often a check must run in this tier; `done` says how often it has."""

    unit: str
    made: int

    def done(self, number: int) -> None:
        """Report; raises when it is less than required."""
        self.made += number
        assert number >= self, f"{number} of {int(self)} {self.unit}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--tier`: reduced counts, the full acceptance counts, or `wheel`: what is counted was shown
    of the source tree, and is not shown of the wheel again.
    """
    tiers = ("wheel", "test", "verify")
    parser.addoption("--tier", choices=tiers, default="test", help="which counts")


def pytest_configure(config: pytest.Config) -> None:
    """How many examples a law is tried with, where it does not say so itself."""
    if config.getoption("--tier") == "wheel":
        settings.load_profile("wheel")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is not in the cut that `make test` runs is skipped there, and says so."""
    if config.getoption("--tier") == "wheel":
        items[:] = [item for item in items if "required" not in getattr(item, "fixturenames", ())]
    if config.getoption("--tier") != "verify":
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="runs with --tier=verify (make verify)"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Each counted check: done against required."""
    for name, count in sorted(_asked.items()):
        terminalreporter.write_line(f"{name}: {count.made} of {int(count)} {count.unit}")


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command that a test runs sets up logging, perhaps to a stream that ends with the test."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def required(request: pytest.FixtureRequest) -> Callable[[str], Required]:
    """Gives the count of a name in tests/counts.toml for this tier."""

    def ask(name: str) -> Required:
        entry = tomllib.loads(_COUNTS.read_text())[name]
        count = Required(entry[request.config.getoption("--tier")])
        count.unit, count.made = entry["unit"], 0
        return _asked.setdefault(name, count)

    return ask


@pytest.fixture(scope="session")
def kafka_address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a real Kafka that lives as long as the session."""
    given = os.environ.get(BOOTSTRAP)
    if given:
        yield given
        return
    local_broker.require()
    folder = tmp_path_factory.mktemp("kafka")
    try:
        yield local_broker.start(folder, with_parent=True).bootstrap
    finally:
        local_broker.stop(folder, remove=True)


@pytest.fixture(scope="session")
def kafka(kafka_address: str) -> KafkaBroker:
    """Clients of the session's real Kafka."""
    return KafkaBroker(kafka_address, version="Apache Kafka")


@pytest.fixture
def memory() -> MemoryBroker:
    """A new broker in memory."""
    return MemoryBroker()


@pytest.fixture
def fresh_prefix() -> str:
    """A prefix for topics, groups and transactional ids that nobody else uses."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def topic_spec(fresh_prefix: str) -> Callable[..., TopicSpec]:
    """Builds specs of topics that nobody else uses: `topic_spec("a", partitions=2, **config)`."""

    def build(name: str = "topic", *, partitions: int = 1, **config: str) -> TopicSpec:
        dotted = {key.replace("__", "."): value for key, value in config.items()}
        return TopicSpec(
            name=fresh_prefix + name, partitions=partitions, replication=1, config=dotted
        )

    return build


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[DuckSink]:
    """An empty DuckDB file."""
    made = DuckSink(tmp_path / "twin.duckdb", lambda: b"12345678")
    yield made
    made.close()


@pytest.fixture
def ask(sink: DuckSink) -> Callable[[str], list[tuple[Any, ...]]]:
    """Rows of a statement on it."""
    return lambda text: sink.connection.execute(text).fetchall()
