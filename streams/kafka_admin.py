"""The administrative port over confluent-kafka: topics, ends of partitions, offsets of groups."""

import time
from collections.abc import Sequence
from typing import Any

import confluent_kafka as ck
import confluent_kafka.admin

from supplytwin.schemas.errors import TransientError
from supplytwin.streams.kafka_errors import CALL_S, call, client_log, known, native, result
from supplytwin.streams.ports import Isolation, Offsets, TopicPartition, TopicSpec

ckadmin: Any = confluent_kafka.admin  # its names are re-exported without types


class KafkaAdmin:
    """See `ports.Admin`."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._native = ckadmin.AdminClient(config, logger=client_log)

    def topics(self) -> dict[str, TopicSpec]:
        listed = call("list_topics", self._native.list_topics, timeout=CALL_S).topics
        names = sorted(name for name in listed if not name.startswith("__"))
        if not names:
            return {}
        kind = ckadmin.ResourceType.TOPIC
        asked = [ckadmin.ConfigResource(kind, name) for name in names]
        answers = self._native.describe_configs(asked, request_timeout=CALL_S)
        configs = {at.name: result("describe_configs", future) for at, future in answers.items()}
        return {
            name: TopicSpec(
                name=name,
                partitions=len(listed[name].partitions),
                replication=min(
                    (len(number.replicas) for number in listed[name].partitions.values()), default=0
                ),
                config={
                    key: entry.value
                    for key, entry in configs[name].items()
                    if entry.value is not None
                },
            )
            for name in names
        }

    def create(self, specs: Sequence[TopicSpec]) -> None:
        """Every topic exists, with a leader for every partition."""
        topics = [
            ckadmin.NewTopic(
                spec.name,
                num_partitions=spec.partitions,
                replication_factor=spec.replication,
                config=spec.config,
            )
            for spec in specs
        ]
        if not topics:
            return
        answers = self._native.create_topics(
            topics, request_timeout=CALL_S, operation_timeout=CALL_S
        )
        for name, future in answers.items():
            result(f"create topic {name}", future)
        deadline = time.monotonic() + CALL_S
        while not self._led(specs):
            if time.monotonic() > deadline:
                raise TransientError("the new topics have no leaders yet")
            time.sleep(0.02)

    def _led(self, specs: Sequence[TopicSpec]) -> bool:
        listed = call("list_topics", self._native.list_topics, timeout=CALL_S).topics
        return all(
            spec.name in listed
            and len(listed[spec.name].partitions) == spec.partitions
            and all(number.leader >= 0 for number in listed[spec.name].partitions.values())
            for spec in specs
        )

    def ends(
        self, partitions: Sequence[TopicPartition], isolation: Isolation
    ) -> dict[TopicPartition, int]:
        level = ck.IsolationLevel
        wanted = level.READ_UNCOMMITTED if isolation == "read_uncommitted" else level.READ_COMMITTED
        return self._offsets(partitions, ckadmin.OffsetSpec.latest(), wanted)

    def begins(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        level = ck.IsolationLevel.READ_UNCOMMITTED
        return self._offsets(partitions, ckadmin.OffsetSpec.earliest(), level)

    def _offsets(
        self, partitions: Sequence[TopicPartition], spec: Any, level: ck.IsolationLevel
    ) -> dict[TopicPartition, int]:
        if not partitions:
            return {}
        asked = {ck.TopicPartition(at.topic, at.partition): spec for at in partitions}
        answers = call(
            "list_offsets",
            self._native.list_offsets,
            asked,
            isolation_level=level,
            request_timeout=CALL_S,
        )
        return {
            TopicPartition(at.topic, at.partition): result("list_offsets", future).offset
            for at, future in answers.items()
        }

    def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int | None]:
        if not partitions:
            return {}
        asked = [ck.TopicPartition(at.topic, at.partition) for at in partitions]
        answers = self._native.list_consumer_group_offsets(
            [ck.ConsumerGroupTopicPartitions(group, asked)], request_timeout=CALL_S
        )
        found = result(f"offsets of {group}", answers[group])
        return known(found.topic_partitions, f"offset of {group}")

    def commit(self, group: str, offsets: Offsets) -> None:
        if not offsets:
            return
        answers = self._native.alter_consumer_group_offsets(
            [ck.ConsumerGroupTopicPartitions(group, native(offsets))], request_timeout=CALL_S
        )
        done = result(f"set offsets of {group}", answers[group])
        known(done.topic_partitions, f"set offset of {group}")

    def close(self) -> None:
        """The client has no close of its own: it ends with its last reference."""
        del self._native
