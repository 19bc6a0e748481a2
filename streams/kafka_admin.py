"""The administrative port over confluent-kafka: topics, ends of partitions, offsets of groups."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import confluent_kafka as ck
import confluent_kafka.admin

from supplytwin.schemas.errors import AbortError, FatalError, TransientError, UsageError
from supplytwin.streams.kafka_errors import (
    CALL_S,
    call,
    classify,
    client_log,
    known,
    native,
    result,
)
from supplytwin.streams.ports import Isolation, Offsets, TopicPartition, TopicSpec

T = TypeVar("T")
_TRY_S = 1.5
_PAUSE_S = 0.05
_LED_S, _LED_PAUSE_S = 60.0, 0.5
"""How long new topics may be without leaders: a broker with much else to do takes its time, and who
asks it all the time makes that longer.
"""
ckadmin: Any = confluent_kafka.admin  # its names are re-exported without types


class KafkaAdmin:
    """See `ports.Admin`."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._native = ckadmin.AdminClient(config, logger=client_log)
        self._members: dict[str, ck.Consumer] = {}
        """One that never joins, by group: whom `committed` asks."""

    def names(self) -> frozenset[str]:
        return frozenset(self._listed())

    def _listed(self) -> dict[str, Any]:
        found = call("list_topics", self._native.list_topics, timeout=CALL_S).topics
        return {name: found[name] for name in sorted(found) if not name.startswith("__")}

    def topics(self) -> dict[str, TopicSpec]:
        listed = self._listed()
        if not listed:
            return {}
        kind = ckadmin.ResourceType.TOPIC
        asked = [ckadmin.ConfigResource(kind, name) for name in listed]
        answers = self._native.describe_configs(asked, request_timeout=CALL_S)
        configs = {
            at.name: result(f"describe_configs of {at.name}", future)
            for at, future in answers.items()
        }
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
            for name in listed
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
        deadline = time.monotonic() + _LED_S
        pause_s = 0.02
        while not self._led(specs):
            if time.monotonic() > deadline:
                raise TransientError(f"the new topics have no leaders after {_LED_S:.0f} s")
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LED_PAUSE_S)

    def _led(self, specs: Sequence[TopicSpec]) -> bool:
        """Whether everybody knows of the leaders, and so do they themselves."""
        listed = self._listed()
        for spec in specs:
            numbers = listed[spec.name].partitions if spec.name in listed else {}
            if len(numbers) != spec.partitions or any(n.leader < 0 for n in numbers.values()):
                return False
        try:
            self.ends(
                [TopicPartition(spec.name, n) for spec in specs for n in range(spec.partitions)],
                "read_committed",
            )
        except TransientError:
            return False
        return True

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
        try:
            answers = call(
                "list_offsets",
                self._native.list_offsets,
                asked,
                isolation_level=level,
                request_timeout=CALL_S,
            )
            return {
                TopicPartition(at.topic, at.partition): result(
                    f"list_offsets of {at.topic}", future
                ).offset
                for at, future in answers.items()
            }
        except TransientError:
            self._look_for_leaders()
            raise

    def _look_for_leaders(self) -> None:
        """The client asks whom it knows to lead, with the epoch that it knows: after a restart of
        the broker that is refused until it looks again, by itself only every five minutes.
        """
        with suppress(ck.KafkaException):
            self._native.list_topics(timeout=_TRY_S)

    def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int | None]:
        """The admin client's own request for this ends the process (librdkafka issue 5040: a null
        pointer when the broker answers NOT_COORDINATOR, as one does that has just started): a
        consumer of the group is asked instead, one that does not wait for pending transactions.
        """
        if not partitions:
            return {}
        if group not in self._members:
            own = {"group.id": group, "isolation.level": "read_uncommitted"}
            config = {**self._config, **own, "enable.auto.commit": False}
            self._members[group] = ck.Consumer(config, logger=client_log)
        asked = [ck.TopicPartition(at.topic, at.partition) for at in partitions]
        what = f"offsets of {group}"
        found = _again(lambda: _committed(self._members[group], asked, what))
        return known(found, what)

    def commit(self, group: str, offsets: Offsets) -> None:
        if not offsets:
            return

        def ask() -> ck.ConsumerGroupTopicPartitions:
            answers = self._native.alter_consumer_group_offsets(
                [ck.ConsumerGroupTopicPartitions(group, native(offsets))], request_timeout=_TRY_S
            )
            answer: ck.ConsumerGroupTopicPartitions
            answer = result(f"set offsets of {group}", answers[group])
            return answer

        done = _again(ask)
        try:
            known(done.topic_partitions or [], f"set offset of {group}")
        except AbortError as error:
            raise FatalError(f"{error}: it has live members, stop them first") from error

    def close(self) -> None:
        """The admin client has no close of its own: it ends with its last reference."""
        for member in self._members.values():
            call("close", member.close)
        self._members.clear()
        del self._native


def _committed(
    member: ck.Consumer, asked: list[ck.TopicPartition], what: str
) -> list[ck.TopicPartition]:
    """Who may not ask about a group waits in vain: only the member's own queue says why."""
    try:
        return call(what, member.committed, asked, _TRY_S)
    except TransientError:
        complaint = member.poll(0)
        error = complaint.error() if complaint is not None else None
        if error is not None and isinstance(found := classify(error, what), UsageError):
            raise found from None
        raise


def _again(ask: Callable[[], T]) -> T:
    """The answer to a question for a group's coordinator, asked again for CALL_S.

    A broker that has just started says for a while that it coordinates nobody.
    """
    deadline = time.monotonic() + CALL_S
    while True:
        try:
            return ask()
        except AbortError:
            raise
        except TransientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
