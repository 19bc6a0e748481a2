"""Which broker: the one that is given, Apache Kafka started here, one in Docker, one in memory."""

import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs
from msgspec import Struct

from supplytwin.schemas.errors import FatalError, TransientError, UsageError
from supplytwin.streams import local_broker
from supplytwin.streams.framed import FramedBroker
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Broker
from supplytwin.streams.registry import Registry
from supplytwin.streams.settings import Settings
from supplytwin.streams.topics import WORKER_GROUP

WANTS = ("auto", "kafka", "memory")
_ANSWER_S = 10.0


class Started(NamedTuple):
    """A Kafka that was started for us."""

    bootstrap: str
    stop: Callable[[], None]


class Chosen(Struct, frozen=True, kw_only=True):
    """A broker, how it came to be chosen (for people), and what ends it if we started it."""

    broker: Broker
    how: str
    close: Callable[[], None]


class Probes(Struct, frozen=True, kw_only=True):
    """What looks around and starts things; a test replaces it."""

    reachable: Callable[[str, float, Any], bool] = local_broker.reachable
    local_problem: Callable[[], str | None] = local_broker.java_and_maven
    start_local: Callable[[Path, bool], Started] | None = None
    docker_problem: Callable[[], str | None] | None = None
    start_docker: Callable[[], Started] | None = None


def choose(
    settings: Settings,
    want: str = "auto",
    *,
    state_dir: Path | None = None,
    keep: bool = False,
    probes: Probes | None = None,
) -> Chosen:
    """The first that works of: the bootstrap given, Java and Maven, Docker, this process's memory.

    `want`: auto, kafka (never memory) or memory (nothing else). A Kafka that is started here lives
    in `state_dir` (default: a new one), ends with this process, and leaves its data only if `keep`.
    Raises UsageError when nothing of what is wanted can be had, TransientError when the bootstrap
    given does not answer: nobody's data go quietly elsewhere.
    """
    if want not in WANTS:
        raise UsageError(f"--broker {want}: must be one of {', '.join(WANTS)}")
    return _framed(settings, _chosen(settings, want, state_dir, probes or Probes(), keep=keep))


def _chosen(
    settings: Settings, want: str, state_dir: Path | None, look: Probes, *, keep: bool
) -> Chosen:
    if want == "memory":
        return _memory("as asked")
    if settings.kafka.bootstrap:
        return _given(settings, look)
    reasons = []
    problem = look.local_problem()
    if problem is None:
        folder = state_dir or _new_folder()
        started = (look.start_local or start_local)(folder, keep)
        how = f"Apache Kafka {local_broker.version()}, started here, data in {folder}"
        return _started(settings, started, how)
    reasons.append(f"no local Apache Kafka ({problem})")
    problem = (look.docker_problem or docker_problem)()
    if problem is None:
        started = (look.start_docker or start_docker)()
        return _started(settings, started, f"Apache Kafka {local_broker.version()} in Docker")
    reasons.append(f"no Docker ({problem})")
    why = ", ".join(reasons)
    if want == "kafka":
        raise UsageError(f"no Kafka to be had: {why}; install Java 17 and Maven, or give one by "
                         "SUPPLYTWIN_KAFKA__BOOTSTRAP=host:port")  # fmt: skip
    return _memory(why)


def running(settings: Settings, *, probes: Probes | None = None) -> Chosen:
    """The broker that runs already: the one given, else the one of `supplytwin broker start`.

    Raises UsageError when there is none, TransientError when the one given does not answer.
    """
    if settings.kafka.bootstrap:
        return _framed(settings, _given(settings, probes or Probes()))
    folder = background_dir(settings)
    found = local_broker.status(folder)
    if found is None:
        raise UsageError(
            "no broker: run `supplytwin broker start` (Java 17 and Maven), or give one by "
            "SUPPLYTWIN_KAFKA__BOOTSTRAP=host:port"
        )
    started = Started(found.bootstrap, lambda: None)
    how = f"Apache Kafka {local_broker.version()} of `supplytwin broker start`, {found.bootstrap}"
    return _framed(settings, _started(settings, started, how))


def _framed(settings: Settings, chosen: Chosen) -> Chosen:
    """The same, with the ids of the schema registry, if there is one."""
    if not settings.schema_registry.url:
        return chosen
    try:
        registry = Registry(settings.schema_registry)
    except BaseException:
        chosen.close()
        raise
    broker = FramedBroker(chosen.broker, registry, as_it_came=WORKER_GROUP)
    how = f"{chosen.how}; schema registry at {registry.address}"
    return Chosen(broker=broker, how=how, close=chosen.close)


def background_dir(settings: Settings) -> Path:
    """Where `supplytwin broker start` keeps its broker."""
    given = settings.kafka.state_dir
    return Path(given).expanduser() if given else local_broker.default_state_dir()


def client_of(settings: Settings, bootstrap: str, version: str = "") -> KafkaBroker:
    """Clients of the Kafka at `bootstrap` under these settings."""
    return KafkaBroker(
        bootstrap,
        client=settings.kafka.client,
        session_timeout_ms=settings.worker.session_timeout_ms,
        transaction_timeout_ms=settings.worker.transaction_timeout_ms,
        group_protocol=settings.worker.group_protocol,
        version=version,
    )


def _given(settings: Settings, look: Probes) -> Chosen:
    bootstrap = settings.kafka.bootstrap
    broker = client_of(settings, bootstrap)
    if not look.reachable(bootstrap, _ANSWER_S, settings.kafka.client):
        raise TransientError(
            f"no Kafka answers at {bootstrap} ([kafka] bootstrap) as [kafka.client] speaks to it"
        )
    return Chosen(broker=broker, how=f"Kafka at {bootstrap}, as given", close=broker.close)


def _started(settings: Settings, started: Started, how: str) -> Chosen:
    version = f"Apache Kafka {local_broker.version()}"
    try:
        broker = client_of(settings, started.bootstrap, version)
    except BaseException:
        started.stop()
        raise
    return Chosen(broker=broker, how=how, close=started.stop)


def _memory(why: str) -> Chosen:
    broker = MemoryBroker()
    how = f"a broker in the memory of this process ({why}): nothing outlives it"
    return Chosen(broker=broker, how=how, close=broker.close)


def _new_folder() -> Path:
    name = f"run-{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}"
    return Path(platformdirs.user_state_dir("supplytwin")) / name


def start_local(folder: Path, keep: bool) -> Started:
    """A fresh local Kafka that ends with this process."""
    broker = local_broker.start(folder, with_parent=True, fresh=True)

    def stop() -> None:
        local_broker.stop(folder, remove=not keep)

    return Started(broker.bootstrap, stop)


# ---- Docker, through testcontainers


def docker_problem() -> str | None:
    """Why Docker cannot be used, or None when it can."""
    try:
        importlib.import_module("testcontainers.core.container")
        docker: Any = importlib.import_module("docker")
    except ImportError:
        return "testcontainers is not installed: pip install 'supplytwin[docker]'"
    try:
        client = docker.from_env(timeout=5)
        try:
            client.ping()
        finally:
            client.close()
    except docker.errors.DockerException as error:
        return f"no Docker engine answers: {str(error).splitlines()[0][:120]}"
    return None


def start_docker() -> Started:
    """Apache Kafka in a container that testcontainers removes, also when this process is killed."""
    containers: Any = importlib.import_module("testcontainers.core.container")
    clients: Any = importlib.import_module("testcontainers.core.docker_client")
    host = clients.DockerClient().host()
    (port,) = local_broker.free_ports(1)
    container = containers.DockerContainer(f"apache/kafka:{local_broker.version()}")
    container.with_bind_ports(9092, port)
    inside = "0.0.0.0:9092"
    for key, value in local_broker.properties(inside, f"{host}:{port}", 9093).items():
        container.with_env(f"KAFKA_{key.upper().replace('.', '_')}", value)
    container.start()
    bootstrap = f"{host}:{port}"
    if not local_broker.answers(bootstrap, lambda: True):
        container.stop()
        raise FatalError("Apache Kafka in Docker did not come up within a minute")
    return Started(bootstrap, container.stop)
