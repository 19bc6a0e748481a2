"""A real Apache Kafka on this machine: resolved by Maven, one KRaft node, stopped by our own pid."""

import base64
import hashlib
import importlib.resources
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import msgspec
import platformdirs
from msgspec import Struct

from supplytwin.schemas.errors import FatalError, UsageError
from supplytwin.streams.children import die_with_parent

POM = "kafka_pom.xml"
_START_S = 60.0
_STOP_S = 20.0
_HEAP = ("-Xms256m", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=4")


class LocalBroker(Struct, frozen=True, kw_only=True):
    """A running broker; kept as JSON in its state directory while it runs."""

    bootstrap: str
    pid: int
    started: float
    """Start time of the process in clock ticks since boot: tells it from a later owner of its pid."""
    state_dir: str
    log: str


def default_state_dir() -> Path:
    """Where the broker of `supplytwin broker start` lives."""
    return Path(platformdirs.user_state_dir("supplytwin")) / "kafka"


def jars() -> Path:
    """The folder of Kafka's jars, resolved once per pom. Raises FatalError with Maven's own words."""
    pom = importlib.resources.files("supplytwin.streams").joinpath(POM).read_bytes()
    digest = hashlib.sha256(pom).hexdigest()[:16]
    folder = Path(platformdirs.user_cache_dir("supplytwin")) / f"kafka-{digest}"
    if (folder / ".complete").exists():
        return folder
    work = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")
    work.mkdir(parents=True)
    try:
        (work / "pom.xml").write_bytes(pom)
        done = subprocess.run(
            ["mvn", "-q", "-B", "-f", str(work / "pom.xml"), "dependency:copy-dependencies",
             f"-DoutputDirectory={work / 'lib'}", "-DincludeScope=runtime"],
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


def _properties(data: Path, client_port: int, controller_port: int) -> str:
    listeners = f"CLIENT://127.0.0.1:{client_port},CONTROLLER://127.0.0.1:{controller_port}"
    lines = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": listeners,
        "advertised.listeners": f"CLIENT://127.0.0.1:{client_port}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(data),
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "5",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "5",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": "16777216",
        "group.min.session.timeout.ms": "1000",
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def start(state_dir: Path, *, with_parent: bool, fresh: bool = False) -> LocalBroker:
    """Start the broker of `state_dir` (or return the one that runs) and wait until it answers.

    `with_parent`: it ends when this process ends. `fresh`: what it held before is removed.
    Raises FatalError with the place of the log when it does not come up within a minute.
    """
    running = status(state_dir)
    if running is not None:
        return running
    if fresh and state_dir.exists():
        shutil.rmtree(state_dir)
    state_dir.mkdir(parents=True, exist_ok=True)
    classpath = f"{jars() / 'lib'}/*"
    config, log = state_dir / "server.properties", state_dir / "kafka.log"
    client_port, controller_port = free_ports(2)
    data = state_dir / "data"
    config.write_text(_properties(data, client_port, controller_port))
    java = ["java", *_HEAP, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classpath]
    if not (data / "meta.properties").exists():
        _format(java, config)
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*java, "kafka.Kafka", str(config)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            preexec_fn=die_with_parent if with_parent else None,
        )  # fmt: skip
    broker = LocalBroker(
        bootstrap=f"127.0.0.1:{client_port}",
        pid=process.pid,
        started=_start_time(process.pid) or 0.0,
        state_dir=str(state_dir),
        log=str(log),
    )
    _await(process, client_port, log)
    _state_file(state_dir).write_bytes(msgspec.json.encode(broker))
    return broker


def _format(java: list[str], config: Path) -> None:
    cluster = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    cluster = "A" + cluster[1:]  # must not look like an option
    done = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(config)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode:
        raise FatalError(f"Kafka's storage cannot be formatted: {done.stderr.strip()[-300:]}")


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415  (only when a broker starts)

    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise FatalError(f"Apache Kafka ended with exit code {process.returncode}; see {log}")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    client = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
    while time.monotonic() < deadline:
        try:
            if client.list_topics(timeout=2).brokers:
                return
        except Exception:  # not up yet, whatever it says
            time.sleep(0.1)
    process.kill()
    raise FatalError(f"Apache Kafka did not come up within {_START_S:.0f} s; see {log}")


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


def status(state_dir: Path) -> LocalBroker | None:
    """The broker that runs in `state_dir`, if its process is still the one that we started."""
    try:
        broker = msgspec.json.decode(_state_file(state_dir).read_bytes(), type=LocalBroker)
    except (OSError, msgspec.DecodeError):
        return None
    return broker if _start_time(broker.pid) == broker.started else None


def stop(state_dir: Path, *, remove: bool = False) -> bool:
    """Stop it cleanly (SIGTERM, then SIGKILL after 20 s). True = one was running."""
    broker = status(state_dir)
    if broker is not None:
        os.kill(broker.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        while _start_time(broker.pid) == broker.started and time.monotonic() < deadline:
            _reap(broker.pid)
            time.sleep(0.05)
        if _start_time(broker.pid) == broker.started:
            os.kill(broker.pid, signal.SIGKILL)
            time.sleep(0.2)
            _reap(broker.pid)
        _state_file(state_dir).unlink(missing_ok=True)
    if remove and state_dir.exists():
        shutil.rmtree(state_dir)
    return broker is not None


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def java_and_maven() -> str | None:
    """Why the local broker cannot run here, or None when it can."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            return f"{tool} is not on the PATH"
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
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
