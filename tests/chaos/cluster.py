"""A Kafka of the chaos suite's own: one broker or three, that can be stopped, killed and started
again at the same address, and emptied between tests.
"""

import os
import signal
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from confluent_kafka import Consumer, ConsumerGroupType, KafkaException
from confluent_kafka.admin import AdminClient

from supplytwin.streams import local_broker
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.kafka_errors import client_log

PATIENCE_S = 60.0
SESSION_MS = 6_000
"""Also of the group protocol `consumer`, where it is the broker's setting."""
QUICK = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "500"}
"""A timed-out transaction is aborted soon, not up to 10 s later."""
COMMON = {
    "group.consumer.session.timeout.ms": str(SESSION_MS),
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.heartbeat.interval.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "500",
}
REPLICATED = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "controlled.shutdown.enable": "true",
}


class Cluster:
    """Brokers under `folder`, numbered from 0. Started by `__init__`, gone after `close`."""

    def __init__(
        self, folder: Path, brokers: int = 1, settings: Mapping[str, str] | None = None
    ) -> None:
        ports = local_broker.free_ports(2 * brokers)
        clients, controllers = ports[:brokers], ports[brokers:]
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(controllers, start=1))
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in clients)
        self.folders = [folder / f"kafka-{number}" for number in range(brokers)]
        self._cluster = local_broker.cluster_id()
        self._own = [
            {
                "node.id": str(number + 1),
                "controller.quorum.voters": voters,
                "listeners": f"CLIENT://127.0.0.1:{clients[number]},"
                f"CONTROLLER://127.0.0.1:{controllers[number]}",
                "advertised.listeners": f"CLIENT://127.0.0.1:{clients[number]}",
                **COMMON,
                **(settings or {}),
                **(REPLICATED if brokers > 1 else {}),
            }
            for number in range(brokers)
        ]
        for number in range(brokers):
            self.launch(number)
        for number in range(brokers):
            self.wait(number)
        self.broker = KafkaBroker(self.bootstrap, version="Apache Kafka")

    def data(self, number: int = 0) -> Path:
        """Where a broker keeps its log."""
        return self.folders[number] / "data"

    def launch(self, number: int = 0) -> None:
        """Start the process of one broker; see `wait`."""
        local_broker.launch(
            self.folders[number],
            with_parent=True,
            overrides=self._own[number],
            cluster=self._cluster,
        )

    def wait(self, number: int = 0) -> None:
        """Until one broker answers."""
        found = local_broker.status(self.folders[number])
        assert found is not None, f"broker {number} is not there: see {self.folders[number]}"
        alive = local_broker.answers(
            found.bootstrap, lambda: local_broker.status(self.folders[number]) is not None
        )
        assert alive, f"broker {number} does not answer: see {found.log}"

    def stop(self, number: int = 0) -> None:
        """Stop one broker cleanly."""
        assert local_broker.stop(self.folders[number]), f"broker {number} was not running"

    def kill(self, number: int = 0) -> None:
        """kill -9 of one broker."""
        found = local_broker.status(self.folders[number])
        assert found is not None
        os.kill(found.pid, signal.SIGKILL)
        local_broker.stop(self.folders[number])

    def close(self) -> None:
        """All of them end, side by side, and their data are removed."""
        for folder in self.folders:
            found = local_broker.status(folder)
            if found is not None:
                os.kill(found.pid, signal.SIGTERM)
        for folder in self.folders:
            local_broker.stop(folder, remove=True)

    def wipe(self) -> None:
        """No topic and no group is left: the next deployment finds what a new cluster has."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap}, logger=client_log)
        names = _topics(admin)
        if not names:
            return
        _delete_groups(self.bootstrap, admin)
        for future in admin.delete_topics(names, operation_timeout=PATIENCE_S).values():
            future.result(PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while _topics(admin):
            assert time.monotonic() < deadline, "topics stay behind"
            time.sleep(0.05)


def _topics(admin: AdminClient) -> list[str]:
    return [name for name in admin.list_topics(timeout=PATIENCE_S).topics if name[:2] != "__"]


def _delete_groups(bootstrap: str, admin: AdminClient) -> None:
    """Every group, once its last member is gone. Static members do not leave: somebody with a short
    session takes their place, and leaves no trace after a second.
    """
    deadline = time.monotonic() + PATIENCE_S
    left = [found.group_id for found in admin.list_consumer_groups().result(PATIENCE_S).valid]
    _evict(bootstrap, admin, left)
    while left:
        answers = admin.delete_consumer_groups(left, request_timeout=PATIENCE_S)
        left = [name for name, future in answers.items() if not _done(future)]
        assert time.monotonic() < deadline, f"groups stay behind: {left}"
        time.sleep(0.2 if left else 0)


def _evict(bootstrap: str, admin: AdminClient, groups: list[str]) -> None:
    described = admin.describe_consumer_groups(groups) if groups else {}
    found = [
        (group, member.group_instance_id)
        for group, future in described.items()
        for member in future.result(PATIENCE_S).members
        if member.group_instance_id and future.result(PATIENCE_S).type == ConsumerGroupType.CLASSIC
    ]
    stand_ins = [
        Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": group,
                "group.instance.id": instance,
                "partition.assignment.strategy": "range",
                "session.timeout.ms": 1000,
                "heartbeat.interval.ms": 300,
            },
            logger=client_log,
        )
        for group, instance in found
    ]
    for one in stand_ins:
        one.subscribe(["control"])
    end = time.monotonic() + 1.5
    while stand_ins and time.monotonic() < end:
        for one in stand_ins:
            one.poll(0.02)
    for one in stand_ins:
        one.close()


def forget_groups(bootstrap: str, names: Iterable[str]) -> None:
    """These groups and all others have no offset any more. A broker that has just started tells of
    no group before it has read them.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap}, logger=client_log)
    deadline = time.monotonic() + PATIENCE_S
    while set(names) - {one.group_id for one in admin.list_consumer_groups().result().valid}:
        assert time.monotonic() < deadline, "the groups are not there"
        time.sleep(0.2)
    _delete_groups(bootstrap, admin)


def _done(future: object) -> bool:
    try:
        future.result(PATIENCE_S)  # type: ignore[attr-defined]
    except KafkaException as error:
        return error.args[0].name() == "GROUP_ID_NOT_FOUND"
    return True
