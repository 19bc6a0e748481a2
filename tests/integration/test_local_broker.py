"""A real Apache Kafka, started and stopped by us: here, and in Docker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.flow import Record
from supplytwin.streams import broker_choice, local_broker
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.ports import Broker, TopicPartition, TopicSpec
from supplytwin.streams.settings import Kafka, Settings

AT = TopicPartition("kept", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A state directory; whatever still runs in it is stopped at the end."""
    yield tmp_path / "broker"
    local_broker.stop(tmp_path / "broker")


def gone(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def write(broker: Broker, value: bytes) -> None:
    producer = broker.producer("local-test")
    producer.init(20.0)
    producer.begin()
    producer.produce(AT.topic, b"k", value)
    producer.commit()
    producer.close()


def read(broker: Broker) -> list[bytes | None]:
    consumer = broker.consumer(None)
    consumer.assign({AT: 0})
    deadline = time.monotonic() + 20.0
    found: list[Record] = []
    while not found and time.monotonic() < deadline:
        found = [item for item in consumer.consume(100, 0.1) if isinstance(item, Record)]
    consumer.close()
    return [record.value for record in found]


@pytest.mark.kafka
def test_it_starts_once_keeps_its_data_and_stops_cleanly(folder: Path) -> None:
    """The whole life of `supplytwin broker start | status | stop`."""
    assert local_broker.status(folder) is None
    first = local_broker.start(folder, with_parent=False)
    assert local_broker.status(folder) == first == local_broker.start(folder, with_parent=False)
    chosen = broker_choice.running(Settings(kafka=Kafka(state_dir=str(folder))))
    assert chosen.broker.address == first.bootstrap
    assert chosen.broker.version() == f"Apache Kafka {local_broker.version()}"
    admin = chosen.broker.admin()
    admin.create([TopicSpec(name=AT.topic, partitions=1, replication=1, config={})])
    # The first question about a group: a broker that has just started coordinates nobody yet.
    assert admin.committed("nobody", [AT]) == {AT: None}
    admin.close()
    write(chosen.broker, b"kept")
    chosen.close()
    assert local_broker.status(folder) == first  # a look does not stop it
    assert local_broker.stop(folder)
    assert gone(first.pid, 0.5)
    assert local_broker.status(folder) is None
    assert not local_broker.stop(folder)
    assert "ERROR" not in Path(first.log).read_text()

    second = local_broker.start(folder, with_parent=True)
    assert second.pid != first.pid
    assert read(KafkaBroker(second.bootstrap)) == [b"kept"]
    assert local_broker.stop(folder, remove=True)
    assert not folder.exists()


PARENT = """
import sys, time
from pathlib import Path
from supplytwin.streams import broker_choice
from supplytwin.streams.settings import Settings
chosen = broker_choice.choose(Settings(), "kafka", state_dir=Path(sys.argv[1]))
sys.stdout.write("ready\\n"); sys.stdout.flush()
time.sleep(600)
"""


@pytest.mark.kafka
def test_it_does_not_outlive_who_started_it(folder: Path) -> None:
    """kill -9 of the process that chose it: the broker ends by itself."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SUPPLYTWIN_")}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder)], stdout=subprocess.PIPE, env=environ
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        broker = local_broker.status(folder)
        assert broker is not None
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
        assert gone(broker.pid, 15.0)
        assert local_broker.status(folder) is None
    finally:
        parent.kill()
        parent.communicate()


def test_a_pid_that_belongs_to_somebody_else_is_left_alone(folder: Path) -> None:
    """After a crash the pid may be another process: neither running for us, nor killed."""
    folder.mkdir()
    (folder / "broker.json").write_text(
        f'{{"bootstrap":"127.0.0.1:1","pid":{os.getpid()},"started":1.0,'
        f'"state_dir":"{folder}","log":"x"}}'
    )
    assert local_broker.status(folder) is None
    assert not local_broker.stop(folder)
    (folder / "broker.json").write_text("half a fi")
    assert local_broker.status(folder) is None


def test_the_pom_beside_the_readme_is_the_one_in_the_package() -> None:
    """infra/kafka/pom.xml and the package data are one file, and name the version."""
    root = Path(__file__).resolve().parents[2]
    pom = (root / "infra" / "kafka" / "pom.xml").read_text()
    assert pom == (root / "streams" / local_broker.POM).read_text()
    assert f"<version>{local_broker.version()}</version>" in pom
    assert "<repositor" not in pom


def fake(folder: Path, name: str, says: str) -> None:
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 3\n")
    script.chmod(0o755)


@pytest.mark.parametrize(
    ("java", "said"),
    [
        ('openjdk version "11.0.2"', "Java is 11.0.2, must be 17 or newer"),
        ('java version "1.8.0_401"', "Java is 1.8.0_401, must be 17 or newer"),
        ("garbage", "Java is of unknown version, must be 17 or newer"),
        (None, "java is not on the PATH"),
    ],
)
def test_what_is_missing_for_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, java: str | None, said: str
) -> None:
    """An old Java, no Java: the reason in words."""
    if java is not None:
        fake(tmp_path / "bin", "java", java)
    fake(tmp_path / "bin", "mvn", "")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}")
    if java is not None:
        (tmp_path / "bin" / "sh").symlink_to("/bin/sh")
    assert local_broker.java_and_maven() == said
    with pytest.raises(UsageError, match="Java 17 and Maven"):
        local_broker.require()


def test_mavens_own_words_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download that fails says why, and leaves nothing half done."""
    fake(tmp_path / "bin", "mvn", "Could not transfer artifact")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(local_broker.FatalError, match="Could not transfer artifact"):
        local_broker.jars()
    assert list((tmp_path / "cache" / "supplytwin").iterdir()) == []


@pytest.mark.kafka
def test_data_of_a_newer_kafka_are_told_from_a_broken_start(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a Kafka says that finds data of a newer one; nothing of them is touched."""
    local_broker.jars()
    fake(tmp_path / "bin", "java", "UnsupportedVersionException: Can not read version 4")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "meta.properties").touch()
    with pytest.raises(
        local_broker.FatalError, match=r"of a newer Apache Kafka.*broker stop --rem"
    ):
        local_broker.start(folder, with_parent=False)
    assert (folder / "data" / "meta.properties").exists()
    fake(tmp_path / "bin", "java", "no space left on device")
    with pytest.raises(local_broker.FatalError, match="did not come up"):  # what it said before
        local_broker.start(folder, with_parent=False)


@pytest.mark.docker
def test_docker_serves_when_there_is_no_java() -> None:
    """Apache Kafka in a container, through testcontainers: written, read, removed."""
    problem = broker_choice.docker_problem()
    if problem is not None:
        pytest.skip(f"testcontainers path not taken: {problem}")
    probes = broker_choice.Probes(local_problem=lambda: "left out by this test")
    chosen = broker_choice.choose(Settings(), "kafka", probes=probes)
    try:
        admin = chosen.broker.admin()
        admin.create([TopicSpec(name=AT.topic, partitions=1, replication=1, config={})])
        write(chosen.broker, b"in a container")
        assert read(chosen.broker) == [b"in a container"]
    finally:
        chosen.close()
