"""A real Apache Kafka on this machine: resolved by Maven, one KRaft node, stopped by its pid."""

import base64
import hashlib
import importlib.resources
import ipaddress
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import platformdirs
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from msgspec import Struct

from supplytwin.schemas.errors import FatalError, UsageError
from supplytwin.streams.kafka import Client
from supplytwin.streams.kafka_errors import client_log
from supplytwin.streams.local_security import Security, certify

POM = "kafka_pom.xml"
_START_S = 60.0
_STOP_S = 20.0
_TRY_S = 1.0
_JAVA = (
    "java", "-Xms256m", "-Xmx1g", "-XX:+UseSerialGC",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)  # fmt: skip
_PR_SET_PDEATHSIG = 1
_STARTS = 3
"""Somebody else may take a port between its choice and its use: then others are chosen."""


class LocalBroker(Struct, frozen=True, kw_only=True):
    """A running broker; kept as JSON in its state directory while it runs."""

    bootstrap: str
    pid: int
    started: float
    """Start of the process in clock ticks since boot: tells it from a later owner of its pid."""
    state_dir: str
    log: str


def default_state_dir() -> Path:
    """Where the broker of `supplytwin broker start` lives."""
    return Path(platformdirs.user_state_dir("supplytwin")) / "kafka"


def _pom() -> bytes:
    return importlib.resources.files("supplytwin.streams").joinpath(POM).read_bytes()


def version() -> str:
    """The version of Apache Kafka that the pom names."""
    found = re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*<version>([^<]+)<", _pom().decode())
    if found is None:
        raise FatalError(f"{POM} names no version of Apache Kafka")
    return found.group(1)


def jars() -> Path:
    """The folder of Kafka's jars, resolved once per pom. Raises FatalError with Maven's words."""
    pom = _pom()
    digest = hashlib.sha256(pom).hexdigest()[:16]
    folder = Path(platformdirs.user_cache_dir("supplytwin")) / f"kafka-{digest}"
    if (folder / ".complete").exists():
        return folder
    work = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
    work.mkdir(parents=True)
    try:
        (work / "pom.xml").write_bytes(pom)
        done = subprocess.run(
            [shutil.which("mvn") or "mvn", "-q", "-B", "-f", str(work / "pom.xml"),
             "dependency:copy-dependencies", f"-DoutputDirectory={work / 'lib'}",
             "-DincludeScope=runtime"],
            capture_output=True, text=True, check=False, timeout=900,
        )  # fmt: skip
        if done.returncode:
            said = (done.stdout + done.stderr).strip().splitlines()
            raise FatalError("Maven could not fetch Apache Kafka: " + " ".join(said[-3:]))
        (work / ".complete").touch()
        try:
            work.rename(folder)
        except OSError:  # somebody else was faster
            if not (folder / ".complete").exists():
                raise
    finally:
        if work.exists():
            shutil.rmtree(work)
    return folder


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on right now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def properties(listen: str, advertise: str, controller_port: int) -> dict[str, str]:
    """One KRaft node: it listens at `listen` (host:port), clients reach it at `advertise`."""
    host = listen.partition(":")[0]
    itself = "localhost" if ipaddress.ip_address(host).is_unspecified else host
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{itself}:{controller_port}",
        "listeners": f"CLIENT://{listen},CONTROLLER://{host}:{controller_port}",
        "advertised.listeners": f"CLIENT://{advertise}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "5",
        "offsets.retention.minutes": str(2**31 - 1),  # a missing offset stops a worker
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": "16777216",
    }


def start(
    state_dir: Path, *, with_parent: bool, fresh: bool = False, security: Security | None = None
) -> LocalBroker:
    """Start the broker of `state_dir` (or return the one that runs) and wait until it answers.

    `with_parent`: it ends when the calling thread's process ends. `fresh`: what it held before is
    removed. `security`: who may connect; its users are made when the data directory is. Raises
    FatalError with the place of the log when it does not come up within a minute.
    """
    running = status(state_dir)
    if running is not None:
        return running
    if fresh and state_dir.exists():
        shutil.rmtree(state_dir)
    left = _STARTS
    while True:
        left -= 1
        log = state_dir / "kafka.log"
        known = log.stat().st_size if log.exists() else 0
        broker = launch(state_dir, security, with_parent=with_parent)
        client = security.client(state_dir, security.superuser) if security is not None else None
        if answers(broker.bootstrap, partial(_alive, broker), client=client):
            return broker
        _end(broker)
        _state_file(state_dir).unlink(missing_ok=True)
        said = log.read_bytes()[known:].decode(errors="replace")
        if "UnsupportedVersionException" in said:
            raise FatalError(
                f"the data in {state_dir} are of a newer Apache Kafka than {version()}, see "
                f"{broker.log}; keep what you need of them elsewhere, then `supplytwin broker stop "
                "--remove` takes them away"
            )
        if "already in use" not in said or not left:
            raise FatalError(f"Apache Kafka did not come up in {_START_S:.0f} s; see {broker.log}")


def launch(
    state_dir: Path,
    security: Security | None = None,
    *,
    with_parent: bool,
    overrides: Mapping[str, str] | None = None,
    cluster: str | None = None,
) -> LocalBroker:
    """Start the process and write down whose it is; nobody waits for it here (see `answers`).

    `overrides` of its server properties, and the id of its `cluster`, make it one node of several.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    config, log, data = (state_dir / name for name in ("server.properties", "kafka.log", "data"))
    client_port, inner_port, controller_port = free_ports(3)
    address = f"127.0.0.1:{client_port}"
    lines = {**properties(address, address, controller_port), "log.dirs": str(data)}
    if security is not None:
        certify(state_dir)
        lines |= security.properties(state_dir, client_port, inner_port, controller_port)
    if overrides is not None:
        lines |= overrides
        address = lines["advertised.listeners"].removeprefix("CLIENT://")
    config.touch(mode=0o600)  # it may hold the password of a key
    config.write_text("".join(f"{key}={value}\n" for key, value in lines.items()))
    java = [*_JAVA, "-cp", f"{jars() / 'lib'}/*"]
    if not (data / "meta.properties").exists():
        _format(java, config, cluster or cluster_id(), security.format_words() if security else [])
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*(_bound_to_us() if with_parent else ()), *java, "kafka.Kafka", str(config)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
        )  # fmt: skip
    process.returncode = 0  # it is followed by pid and start time; Popen need not wait for it
    broker = LocalBroker(
        bootstrap=address,
        pid=process.pid,
        started=_start_time(process.pid) or 0.0,
        state_dir=str(state_dir),
        log=str(log),
    )
    _state_file(state_dir).write_bytes(msgspec.json.encode(broker))
    return broker


def _bound_to_us() -> list[str]:
    """Words before a command line, so that it gets SIGTERM when this process is gone.

    A process of its own sets that and becomes the command: code between fork and exec would run
    beside the threads of the Kafka clients, which may hold any lock.
    """
    bind = (
        "import ctypes, os, sys\n"
        f"ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGTERM)})\n"
        f"if os.getppid() == {os.getpid()}: os.execvp(sys.argv[1], sys.argv[1:])\n"
    )
    return [sys.executable, "-S", "-c", bind]


def cluster_id() -> str:
    """A new one, as Kafka writes them."""
    text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    return "A" + text[1:]  # must not look like an option


def _format(java: list[str], config: Path, cluster: str, more: list[str]) -> None:
    done = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config), *more],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode:
        raise FatalError(f"Kafka's storage cannot be formatted: {done.stderr.strip()[-300:]}")


def answers(
    bootstrap: str,
    alive: Callable[[], bool],
    patience_s: float = _START_S,
    client: Client | None = None,
) -> bool:
    """Wait until a Kafka answers at `bootstrap`; false when it is not `alive` or time is over."""
    host, _, port = bootstrap.rpartition(":")
    deadline = time.monotonic() + patience_s
    while alive() and time.monotonic() < deadline:
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex((host, int(port))) == 0 and reachable(bootstrap, 2.0, client):
                return True
        time.sleep(0.05)
    return False


def reachable(bootstrap: str, timeout_s: float, client: Client | None = None) -> bool:
    """Whether a Kafka cluster tells its brokers within `timeout_s`.

    Raises UsageError for client settings that the client refuses, and for a client that Kafka does.
    """
    refusals: list[str] = []

    def note(error: KafkaError) -> None:
        """A connection that is lost in the middle of a handshake is no refusal."""
        said = error.str()
        strange = error.code() == KafkaError._SSL and "certificate" in said
        unknown = error.code() == KafkaError._AUTHENTICATION and "transport failure" not in said
        if strange or unknown:
            refusals.append(said)

    config: dict[str, Any] = {"bootstrap.servers": bootstrap, "log_level": 0, "error_cb": note}
    try:
        admin = AdminClient(config | dict(client or {}), logger=client_log)
    except KafkaException as error:
        raise UsageError(f"settings: [kafka.client]: {error.args[0].str()}") from None
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        try:
            return bool(admin.list_topics(timeout=min(left, _TRY_S)).brokers)
        except KafkaException:
            admin.poll(0)  # hands over what the client has noted
        if refusals:
            raise UsageError(f"Kafka does not let us in, see [kafka.client]: {refusals[0]}")
    return False


def _state_file(state_dir: Path) -> Path:
    return state_dir / "broker.json"


def _start_time(pid: int) -> float | None:
    """Field 22 of /proc/PID/stat, or None when there is no such process or it is a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] == "Z" else float(fields[19])


def _alive(broker: LocalBroker) -> bool:
    return _start_time(broker.pid) == broker.started


def status(state_dir: Path) -> LocalBroker | None:
    """The broker that runs in `state_dir`, if its process is still the one that we started."""
    try:
        broker = msgspec.json.decode(_state_file(state_dir).read_bytes(), type=LocalBroker)
    except (OSError, msgspec.DecodeError):
        return None
    return broker if _alive(broker) else None


def stop(state_dir: Path, *, remove: bool = False) -> bool:
    """Stop it cleanly (SIGTERM, then SIGKILL after 20 s). True = one was running."""
    broker = status(state_dir)
    if broker is not None:
        _end(broker)
        _state_file(state_dir).unlink(missing_ok=True)
    if remove and state_dir.exists():
        shutil.rmtree(state_dir)
    return broker is not None


def _end(broker: LocalBroker) -> None:
    for number, patience_s in ((signal.SIGTERM, _STOP_S), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience_s
        if _alive(broker):
            os.kill(broker.pid, number)
        while _alive(broker) and time.monotonic() < deadline:
            time.sleep(0.05)
    with suppress(ChildProcessError):  # it may be a child of another process
        os.waitpid(broker.pid, os.WNOHANG)


def java_and_maven() -> str | None:
    """Why the local broker cannot run here, or None when it can."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            return f"{tool} is not on the PATH"
    done = subprocess.run(
        [shutil.which("java") or "java", "-version"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = done.stderr
    version = said.partition('"')[2].partition('"')[0]
    major = version.split(".")[0]
    if not major.isdecimal() or int(major) < 17:
        return f"Java is {version or 'of unknown version'}, must be 17 or newer"
    return None


def require() -> None:
    """Raise UsageError when the local broker cannot run here."""
    problem = java_and_maven()
    if problem is not None:
        raise UsageError(f"the local Apache Kafka needs Java 17 and Maven: {problem}")
