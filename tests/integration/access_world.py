"""A deployment on a broker that enforces the printed rights: each process under its own name."""

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from supplytwin.processors import scms as scms_timeline
from supplytwin.schemas import scms as scms_file
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, partition_of
from supplytwin.streams import acl, demo, deployment, local_broker, summary, topics
from supplytwin.streams.broker_choice import client_of
from supplytwin.streams.children import Child, command
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.kafka_errors import client_log
from supplytwin.streams.local_security import Security, certify
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Consumer, TopicPartition
from supplytwin.streams.settings import (
    Duck,
    Gateway,
    Kafka,
    Settings,
    Time,
    WorkerSection,
    as_environment,
)

__all__ = ["certify", "local_broker"]
DATA = Path(__file__).resolve().parents[1] / "data"
SUPERUSER = "root"
PARTITIONS = 2
TICK_DAYS = 56
PATIENCE_S = 60.0
TIME = Time(simulated=True, timeline="scms")
AUTHORIZER_LOG = "-Dorg.slf4j.simpleLogger.log.kafka.authorizer.logger=debug"
OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}
RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}


def bindings(role: acl.Role) -> list[AclBinding]:
    """The rules of a role as the broker takes them: from the data that is printed."""
    return [
        AclBinding(
            RESOURCES[rule.resource],
            rule.name,
            ResourcePatternType.PREFIXED if rule.prefix else ResourcePatternType.LITERAL,
            f"User:{acl.principal(role)}",
            "*",
            OPERATIONS[operation],
            AclPermissionType.ALLOW,
        )
        for rule in role.rules
        for operation in rule.operations
    ]


class World:
    """A broker with TLS, SCRAM and ACLs, and what runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        users = {acl.principal(role): f"secret of {role.name}" for role in acl.roles()}
        self.security = Security(superuser=SUPERUSER, users={SUPERUSER: "all", **users})
        self.kafka = local_broker.start(folder / "kafka", with_parent=True, security=self.security)
        self.root = AdminClient(
            {"bootstrap.servers": self.kafka.bootstrap, **self.client(SUPERUSER)}, logger=client_log
        )
        self.children: list[Child] = []
        every = [binding for role in acl.roles() for binding in bindings(role)]
        for future in self.root.create_acls(every, request_timeout=20).values():
            future.result(20)

    def client(self, user: str) -> dict[str, str | int | float | bool]:
        return dict(self.security.client(self.folder / "kafka", user))

    def revoke(self, role: str, topic: str, operation: str) -> None:
        """Take one right back."""
        right = AclBindingFilter(
            ResourceType.TOPIC,
            topic,
            ResourcePatternType.LITERAL,
            f"User:{acl.PREFIX}{role}",
            None,
            OPERATIONS[operation],
            AclPermissionType.ANY,
        )
        (future,) = self.root.delete_acls([right], request_timeout=20).values()
        assert len(future.result(20)) == 1

    def wait_for_groups(self, *groups: str) -> None:
        """Until the sessions of the members that have left are over."""
        deadline = time.monotonic() + PATIENCE_S
        for group in groups:
            while self.root.describe_consumer_groups([group])[group].result(20).members:
                assert time.monotonic() < deadline, f"{group} keeps its members"
                time.sleep(0.5)

    def forget(self, *groups: str) -> None:
        """Remove groups, whose members are gone, with their offsets."""
        for future in self.root.delete_consumer_groups(list(groups)).values():
            future.result(20)

    # ---- as a role

    def settings(self, role: str, **client: str) -> Settings:
        """What a process of this role is started with."""
        user = {**self.client(acl.PREFIX + role), **client}
        return Settings(
            kafka=Kafka(bootstrap=self.kafka.bootstrap, partitions=PARTITIONS, client=user),
            time=TIME,
            worker=WorkerSection(session_timeout_ms=6000),
            duck=Duck(path=str(self.folder / "twin.duckdb")),
            gateway=Gateway(ledger=str(self.folder / "rail.sqlite")),
        )

    def broker(self, role: str, **client: str) -> KafkaBroker:
        return client_of(self.settings(role, **client), self.kafka.bootstrap)

    def run(self, role: str, *words: str, **client: str) -> subprocess.CompletedProcess[str]:
        """One command, as a principal would run it, while the services are looked after."""
        process = subprocess.Popen(
            command(*words),
            cwd=self.folder,
            env=as_environment(self.settings(role, **client)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 2 * PATIENCE_S
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

    def wait(self, enough: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not enough():
            assert time.monotonic() < deadline, what
            self.tend()
            time.sleep(0.1)

    def caught_up(self, group: str, names: Sequence[str]) -> Callable[[], bool]:
        """Whether a group has committed the ends of some topics (asked as the super user)."""
        wanted = topics.places(names, PARTITIONS)
        root = KafkaBroker(self.kafka.bootstrap, client=self.client(SUPERUSER)).admin()

        def reached() -> bool:
            ends = root.ends(wanted, "read_committed")
            done = root.committed(group, wanted)
            return all((done[at] or 0) >= end for at, end in ends.items())

        return reached

    def stop_services(self) -> None:
        """Clean: each drains and leaves with 0."""
        codes = [child.stop() for child in self.children]
        assert set(codes) <= {0}, codes
        self.children.clear()

    def rights_used(self) -> set[tuple[str, str, str, str]]:
        """(principal, resource type, name, operation) of everything that was asked and allowed."""
        lines = (self.folder / "kafka" / "kafka.log").read_text(errors="replace")
        found = re.findall(
            r"Principal = User:(\S+) is Allowed operation = (\S+) from host = \S+ "
            r"on resource = (\w+):\w+:(\S+) for request",
            lines,
        )
        return {(who, kind, name, operation) for who, operation, kind, name in found}

    def stop(self) -> None:
        for child in self.children:
            child.stop()
        local_broker.stop(self.folder / "kafka", remove=True)


# ---- attempts: each is made over the port, as a process of that role would


def write(broker: KafkaBroker, topic: str, transactional_id: str | None = None) -> None:
    """One record that says nothing, where its key belongs; in a transaction if there is an id."""
    producer = broker.producer(transactional_id)
    try:
        if transactional_id is not None:
            producer.init(10.0)
            producer.begin()
        key = b"a chain of nobody"
        producer.produce(topic, key, b"\x01", partition=partition_of(key, PARTITIONS))
        producer.flush() if transactional_id is None else producer.commit()
    finally:
        producer.close()


def join(broker: KafkaBroker, group: str, topic: str) -> None:
    """Become a member, and read what is assigned."""
    consumer = broker.consumer(group)

    def take(partitions: Sequence[TopicPartition]) -> None:
        consumer.assign(dict.fromkeys(partitions, 0))

    def nothing(partitions: Sequence[TopicPartition]) -> None:
        """It never has them for so long."""

    try:
        consumer.subscribe([topic], take, nothing, nothing)
        _read_something(consumer)
    finally:
        consumer.close()


def browse(broker: KafkaBroker, topic: str) -> None:
    """Read one partition, without a group."""
    consumer = broker.consumer(None, from_start=True)
    try:
        consumer.assign({TopicPartition(topic, 0): 0})
        _read_something(consumer)
    finally:
        consumer.close()


def _read_something(consumer: Consumer) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not consumer.consume(10, 0.1):
        assert time.monotonic() < deadline, "neither read nor refused"


def create(broker: KafkaBroker, topic: str) -> None:
    """A topic of another name than ours."""
    admin = broker.admin()
    try:
        admin.create([topics.TopicSpec(name=topic, partitions=1, replication=1, config={})])
    finally:
        admin.close()


def set_offset(broker: KafkaBroker, group: str, topic: str) -> None:
    """Have a group read everything again."""
    admin = broker.admin()
    try:
        admin.commit(group, {TopicPartition(topic, 0): 0})
    finally:
        admin.close()


# ---- what must come out


def deliveries(chains: int) -> list[Message]:
    return scms_timeline.timeline(demo.first_chains(scms_file.read(), chains))


def documents(folder: Path) -> dict[str, Path]:
    """One right document for each feed that reads some."""
    declarations = (DATA / "customs" / "df_syn_test_eng.csv").read_text().splitlines(keepends=True)
    some = folder / "declarations.csv"
    some.write_text("".join(declarations[:4]))
    return {
        "customs": some,
        "dcsa": DATA / "dcsa" / "tnt-220-response.json",
        "epcis": DATA / "epcis" / "Documents" / "SensorData_with_combined_events.json",
    }


def in_memory(folder: Path, chains: int) -> summary.Hashes:
    """The same deliveries on the broker in memory, in this process."""
    gateway_section = Gateway(ledger=str(folder / "memory.sqlite"))
    settings = Settings(kafka=Kafka(partitions=PARTITIONS), time=TIME, gateway=gateway_section)
    broker = MemoryBroker()
    topics.init(broker, settings)
    meta = topics.require_meta(broker)
    worker = deployment.worker(broker, settings, meta)
    gateway = deployment.gateway(broker, settings, meta)

    def pump() -> None:
        worker.turn(0.0)
        gateway.turn(0.0)

    conductor = Conductor(broker, partitions=PARTITIONS, timeline=TIME.timeline, pump=pump)
    conductor.play(deliveries(chains), TICK_DAYS * DAY_US)
    worker.close()
    gateway.close()
    return summary.fold_journal(broker, PARTITIONS)
