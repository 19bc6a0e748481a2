"""A deployment on a broker that enforces the printed rights: each process under its own name."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from supplytwin.processors import scms as scms_timeline
from supplytwin.schemas import scms as scms_file
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US
from supplytwin.streams import acl, demo, deployment, local_broker, summary, topics
from supplytwin.streams.broker_choice import client_of
from supplytwin.streams.children import Child
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.local_security import Security
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import (
    Duck,
    Gateway,
    Kafka,
    Settings,
    Time,
    WorkerSection,
    as_environment,
)

SUPERUSER = "root"
PARTITIONS = 2
TICK_DAYS = 56
PATIENCE_S = 60.0
_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}


def bindings(role: acl.Role, only: Sequence[acl.Rule] | None = None) -> list[AclBinding]:
    """The rules of a role as the broker takes them: from the data that is printed."""
    return [
        AclBinding(
            _RESOURCES[rule.resource],
            rule.name,
            ResourcePatternType.PREFIXED if rule.prefix else ResourcePatternType.LITERAL,
            f"User:{acl.principal(role)}",
            "*",
            _OPERATIONS[operation],
            AclPermissionType.ALLOW,
        )
        for rule in (role.rules if only is None else only)
        for operation in rule.operations
    ]


class World:
    """A broker with TLS, SCRAM and ACLs, and what runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        users = {acl.principal(role): f"secret of {role.name}" for role in acl.roles()}
        self.security = Security(superuser=SUPERUSER, users={SUPERUSER: "all", **users})
        self.kafka = local_broker.start(folder / "kafka", with_parent=True, security=self.security)
        self.address = self.kafka.bootstrap
        self.root = AdminClient({"bootstrap.servers": self.address, **self.client(SUPERUSER)})
        self.children: list[Child] = []
        for role in acl.roles():
            self.allow(bindings(role))

    def client(self, user: str) -> dict[str, str | int | float | bool]:
        return dict(self.security.client(self.folder / "kafka", user))

    def allow(self, wanted: list[AclBinding]) -> None:
        for future in self.root.create_acls(wanted, request_timeout=20).values():
            future.result(20)

    def settings(self, role: str, **client: str) -> Settings:
        """What a process of this role is started with."""
        user = acl.PREFIX + role
        kafka = Kafka(
            bootstrap=self.address, partitions=PARTITIONS, client={**self.client(user), **client}
        )
        return Settings(
            kafka=kafka,
            time=Time(simulated=True, timeline="scms"),
            duck=Duck(path=str(self.folder / "twin.duckdb")),
            gateway=Gateway(ledger=str(self.folder / "rail.sqlite")),
            worker=WorkerSection(session_timeout_ms=6000),
        )

    def broker(self, role: str, **client: str) -> KafkaBroker:
        return client_of(self.settings(role, **client), self.address)

    def run(self, role: str, *words: str, **client: str) -> subprocess.CompletedProcess[str]:
        """One command, as a principal would run it, while the services are looked after."""
        process = subprocess.Popen(
            [sys.executable, "-m", "supplytwin.streams.cli", *words],
            cwd=self.folder,
            env=as_environment(self.settings(role, **client)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + PATIENCE_S * 2
        while True:
            try:
                said, complained = process.communicate(timeout=0.2)
                return subprocess.CompletedProcess(words, process.returncode, said, complained)
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    process.kill()
                    raise
                self.tend()

    def start(self, role: str, *words: str) -> Child:
        """A service of this role, supervised by the test."""
        environment = as_environment(self.settings(role))
        child = Child(role, words, environment, self.folder / f"{role}.log")
        self.children.append(child)
        return child

    def tend(self) -> None:
        for child in self.children:
            child.tend()

    def await_sink(self) -> None:
        admin = self.broker("operator").admin()
        wanted = topics.places(topics.DERIVED, PARTITIONS)
        root = client_of(
            msgspec.structs.replace(
                self.settings("sink"),
                kafka=Kafka(bootstrap=self.address, client=self.client(SUPERUSER)),
            ),
            self.address,
        ).admin()
        ends = admin.ends(wanted, "read_committed")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            done = root.committed(topics.SINK_GROUP, wanted)
            if all((done[at] or 0) >= end for at, end in ends.items()):
                break
            assert time.monotonic() < deadline, "the sink stays behind"
            self.tend()
            time.sleep(0.1)
        admin.close()
        root.close()

    def hashes(self) -> summary.Hashes:
        return summary.fold_journal(self.broker("operator"), PARTITIONS)

    def stop(self) -> None:
        for child in self.children:
            child.stop()
        local_broker.stop(self.folder / "kafka", remove=True)


def deliveries(chains: int) -> list[Message]:
    return scms_timeline.timeline(demo.first_chains(scms_file.read(), chains))


def in_memory(folder: Path, chains: int) -> summary.Hashes:
    """The same deliveries on the broker in memory, in this process."""
    settings = Settings(
        kafka=Kafka(partitions=PARTITIONS),
        time=Time(simulated=True, timeline="scms"),
        gateway=Gateway(ledger=str(folder / "memory.sqlite")),
    )
    broker = MemoryBroker()
    topics.init(broker, settings)
    meta = topics.require_meta(broker)
    worker = deployment.worker(broker, settings, meta)
    gateway = deployment.gateway(broker, settings, meta)

    def pump() -> None:
        worker.turn(0.0)
        gateway.turn(0.0)

    conductor = Conductor(broker, partitions=PARTITIONS, timeline=meta.timeline, pump=pump)
    conductor.play(deliveries(chains), TICK_DAYS * DAY_US)
    worker.close()
    gateway.close()
    return summary.fold_journal(broker, PARTITIONS)
