"""One Kafka for the chaos suite, and deployments on it, each in an empty cluster."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import QUICK, Cluster
from harness import Deployment
from wall import PARTITIONS, TICK_MS, World

from supplytwin.streams import local_broker
from supplytwin.streams.settings import WorkerSection

Make = Callable[..., Deployment]
_measured: list[str] = []


@pytest.fixture
def measured() -> Callable[[str], None]:
    """Takes a line for the end of the run: what was measured, not only that it was enough."""
    return _measured.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured."""
    for line in _measured:
        terminalreporter.write_line(line)


def in_memory(fallback: Path) -> Path:
    """A new folder in memory where there is such a place: no test here pulls the plug of the
    machine, and thousands of synced commits (the rail's) and files (Kafka's) would be waited for.
    """
    shared = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="chaos-", dir=shared if shared.is_dir() else fallback))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One broker of our own."""
    local_broker.require()
    folder = in_memory(tmp_path_factory.getbasetemp())
    found = Cluster(folder, settings=QUICK)
    yield found
    found.close()
    shutil.rmtree(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a deployment keeps its files."""
    found = in_memory(tmp_path)
    yield found
    shutil.rmtree(found)


@pytest.fixture
def make(cluster: Cluster, folder: Path) -> Iterator[Make]:
    """Builds a deployment in an empty cluster, as often as it is called; the last one stays."""
    made: list[Deployment] = []

    def build(**options: Any) -> Deployment:
        for one in made:
            one.close()
        cluster.wipe()
        made.append(Deployment(cluster.bootstrap, folder / f"run-{len(made)}", **options))
        return made[-1]

    yield build
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A deployment in wall-clock time, for all tests of a module: each starts its own engine."""
    cluster.wipe()
    folder = in_memory(tmp_path_factory.getbasetemp())
    deployed = Deployment(
        cluster.bootstrap,
        folder,
        simulated=False,
        partitions=PARTITIONS,
        tick_ms=TICK_MS,
        worker=WorkerSection(batch=2000),
    )
    deployed.gateway()
    yield World(deployed)
    deployed.close()
    shutil.rmtree(folder)
