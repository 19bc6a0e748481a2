"""Which broker is taken: the order, and what is said about it."""

from pathlib import Path
from typing import Any

import pytest

from supplytwin.schemas.errors import TransientError, UsageError
from supplytwin.streams import local_broker
from supplytwin.streams.broker_choice import Probes, Started, choose, running
from supplytwin.streams.settings import Kafka, Settings

NOTHING = Settings()
GIVEN = Settings(kafka=Kafka(bootstrap="far:9092", client={"security.protocol": "SSL"}))


class World:
    """A machine that has what it is told to have; writes down what was started and stopped."""

    def __init__(self, *, java: bool = False, docker: bool = False, cluster: bool = True) -> None:
        self.did: list[str] = []
        self.probes = Probes(
            reachable=self._reach if cluster else lambda *_: False,
            local_problem=lambda: None if java else "java is not on the PATH",
            start_local=self._start_local,
            docker_problem=lambda: None if docker else "no Docker engine answers",
            start_docker=lambda: self._start("docker", "docker:1"),
        )

    def _reach(self, bootstrap: str, timeout_s: float, client: Any) -> bool:
        self.did.append(f"asked {bootstrap} {dict(client)}")
        return True

    def _start_local(self, folder: Path, keep: bool) -> Started:
        return self._start(f"local {folder.name} {keep}", "local:1")

    def _start(self, what: str, bootstrap: str) -> Started:
        self.did.append(f"start {what}")
        return Started(bootstrap, lambda: self.did.append(f"stop {what}"))


def test_a_bootstrap_that_is_given_wins() -> None:
    """Nothing else is tried or started, and the client's settings count."""
    world = World(java=True, docker=True)
    chosen = choose(GIVEN, probes=world.probes)
    assert (chosen.broker.kind, chosen.broker.address) == ("kafka", "far:9092")
    assert "far:9092" in chosen.how
    chosen.close()
    assert world.did == ["asked far:9092 {'security.protocol': 'SSL'}"]


def test_a_bootstrap_that_does_not_answer_is_never_replaced() -> None:
    """Whoever names a cluster does not want the data elsewhere."""
    world = World(java=True, docker=True, cluster=False)
    with pytest.raises(TransientError, match="far:9092"):
        choose(GIVEN, probes=world.probes)
    assert world.did == []


def test_then_java_and_maven() -> None:
    """A Kafka is started in the folder that was named, and stopped by close."""
    world = World(java=True, docker=True)
    chosen = choose(NOTHING, state_dir=Path("here/x"), keep=True, probes=world.probes)
    assert (chosen.broker.kind, chosen.broker.address) == ("kafka", "local:1")
    assert chosen.broker.version() == f"Apache Kafka {local_broker.version()}"
    assert "started here" in chosen.how
    chosen.close()
    assert world.did == ["start local x True", "stop local x True"]


def test_each_run_has_a_folder_of_its_own_by_default() -> None:
    """Two runs on one machine do not meet, and leave nothing."""
    world = World(java=True)
    choose(NOTHING, probes=world.probes)
    assert world.did[0].startswith("start local run-")
    assert world.did[0].endswith(" False")


def test_then_docker() -> None:
    """Without Java the container is taken."""
    world = World(docker=True)
    chosen = choose(NOTHING, probes=world.probes)
    assert (chosen.broker.address, "Docker" in chosen.how) == ("docker:1", True)
    chosen.close()
    assert world.did == ["start docker", "stop docker"]


def test_then_memory_and_it_says_why() -> None:
    """The last resort names what is missing for a better one."""
    world = World()
    chosen = choose(NOTHING, probes=world.probes)
    assert chosen.broker.kind == "memory"
    assert "java is not on the PATH" in chosen.how
    assert "no Docker engine answers" in chosen.how
    assert world.did == []


def test_kafka_wanted_is_never_memory() -> None:
    """Without any Kafka that is an error with the way out."""
    with pytest.raises(UsageError, match="SUPPLYTWIN_KAFKA__BOOTSTRAP"):
        choose(NOTHING, "kafka", probes=World().probes)
    assert choose(NOTHING, "kafka", probes=World(docker=True).probes).broker.kind == "kafka"


def test_memory_wanted_is_memory() -> None:
    """Whatever else there is."""
    world = World(java=True, docker=True)
    assert choose(GIVEN, "memory", probes=world.probes).broker.kind == "memory"
    assert world.did == []


def test_only_three_wishes() -> None:
    """Anything else is a usage error that lists them."""
    with pytest.raises(UsageError, match="auto, kafka, memory"):
        choose(NOTHING, "cassette", probes=World().probes)


def test_client_settings_must_not_touch_what_correctness_rests_on() -> None:
    """A started broker is stopped again when its clients are refused."""
    settings = Settings(kafka=Kafka(client={"isolation.level": "read_uncommitted"}))
    world = World(java=True)
    with pytest.raises(UsageError, match=r"isolation\.level"):
        choose(settings, state_dir=Path("x"), probes=world.probes)
    assert world.did == ["start local x False", "stop local x False"]


def test_client_settings_that_the_client_refuses_are_one_line() -> None:
    """A value that librdkafka does not know ends with its words, not with a traceback."""
    with pytest.raises(UsageError, match=r"\[kafka.client\].*security.protocol"):
        local_broker.reachable("127.0.0.1:1", 0.1, {"security.protocol": "PERHAPS"})


def test_a_command_that_looks_never_starts_anything(tmp_path: Path) -> None:
    """Without a bootstrap and without a background broker it says how to get one."""
    settings = Settings(kafka=Kafka(state_dir=str(tmp_path)))
    world = World(java=True, docker=True)
    with pytest.raises(UsageError, match="supplytwin broker start"):
        running(settings, probes=world.probes)
    assert running(GIVEN, probes=world.probes).broker.address == "far:9092"
    assert world.did == ["asked far:9092 {'security.protocol': 'SSL'}"]
