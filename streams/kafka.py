"""Apache Kafka behind the ports of the engine: confluent-kafka (librdkafka).

Every call is bounded by a deadline of its own; errors leave as `kafka_errors` classifies them.
"""

import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, cast

import confluent_kafka as ck
import structlog

from supplytwin.schemas.errors import (
    AbortError,
    FatalError,
    SupplytwinError,
    TransientError,
    UsageError,
)
from supplytwin.schemas.flow import UNREADABLE, Header, Record
from supplytwin.streams.kafka_admin import KafkaAdmin
from supplytwin.streams.kafka_errors import (
    CALL_S,
    RECOVERS,
    Complaints,
    call,
    classify,
    client_log,
    known,
    native,
    ours,
)
from supplytwin.streams.kafka_incremental import Incremental
from supplytwin.streams.ports import (
    Admin,
    Consumer,
    Eof,
    Isolation,
    Offsets,
    OnRebalance,
    Producer,
    TopicPartition,
)

log = structlog.get_logger("supplytwin.kafka")

Client = Mapping[str, str | int | float | bool]
GroupProtocol = Literal["classic", "consumer"]

MESSAGE_MAX_BYTES = 1_310_720
_MS = 1000
_E = ck.KafkaError

RESERVED = frozenset(
    (
        "bootstrap.servers", "group.id", "group.instance.id", "group.protocol", "isolation.level",
        "enable.auto.commit", "enable.auto.offset.store", "auto.offset.reset", "transactional.id",
        "enable.idempotence", "acks", "partitioner", "partition.assignment.strategy",
        "enable.partition.eof", "delivery.report.only.error", "group.remote.assignor",
    )
)  # fmt: skip
"""What correctness rests on: `[kafka.client]` may set everything else."""


class KafkaConsumer:
    """See `ports.Consumer`. Not thread-safe: batch reads with a concurrent seek lose messages."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.native = ck.Consumer(config, logger=client_log)
        in_steps = config.get("group.protocol") == "consumer"
        self._steps = Incremental(self.native) if in_steps else None

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: OnRebalance,
        on_revoke: OnRebalance,
        on_lost: OnRebalance,
    ) -> None:
        if self._steps is not None:
            told = self._steps.callbacks(on_assign, on_revoke, on_lost)
        else:
            told = {
                "on_assign": lambda _, partitions: on_assign(ours(partitions)),
                "on_revoke": lambda _, partitions: on_revoke(ours(partitions)),
                "on_lost": lambda _, partitions: on_lost(ours(partitions)),
            }
        call("subscribe", self.native.subscribe, list(topics), **told)

    def assign(self, offsets: Offsets) -> None:
        if self._steps is not None:
            self._steps.assign(offsets)
        else:
            call("assign", self.native.assign, native(offsets))

    def unassign(self) -> None:
        if self._steps is not None:
            self._steps.unassign()
        else:
            call("unassign", self.native.unassign)

    def consume(self, count: int, timeout_s: float) -> list[Record | Eof]:
        """`consume` of librdkafka waits its whole timeout: wait for one, take what is there."""
        first = call("poll", self.native.poll, timeout_s)
        if first is None:
            return []
        messages = [first]
        if count > 1:
            try:
                messages += call("consume", self.native.consume, count - 1, 0.01)
            except TransientError as error:  # `first` would be lost, and nobody would notice
                raise FatalError(str(error)) from error
        return [item for message in messages if (item := _item(message)) is not None]

    def seek(self, offsets: Offsets) -> None:
        """Right after `assign` the partitions are not being fetched yet: then try again."""
        deadline = time.monotonic() + CALL_S
        for at in native(offsets):
            while True:
                try:
                    self.native.seek(at)
                    break
                except ck.KafkaException as error:
                    if error.args[0].code() != _E._STATE or time.monotonic() > deadline:
                        raise classify(error.args[0], "seek") from error
                    time.sleep(0.005)

    def committed(
        self, partitions: Sequence[TopicPartition], timeout_s: float
    ) -> dict[TopicPartition, int | None]:
        asked = [ck.TopicPartition(at.topic, at.partition) for at in partitions]
        found = call("committed offsets", self.native.committed, asked, timeout_s)
        return known(found, "committed offset")

    def commit(self, offsets: Offsets) -> None:
        done = call("commit", self.native.commit, offsets=native(offsets), asynchronous=False)
        known(done or [], "commit")

    def ends(self, partition: TopicPartition) -> tuple[int, int]:
        at = ck.TopicPartition(partition.topic, partition.partition)
        found = call("ends", self.native.get_watermark_offsets, at, CALL_S)
        if found is None:
            raise TransientError(f"ends of {partition.topic} partition {partition.partition}")
        return found

    def close(self) -> None:
        call("close", self.native.close)


def _item(message: ck.Message) -> Record | Eof | None:
    """What a message stands for; None for a report about a fault that the client gets over."""
    error = message.error()
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if error is not None:
        if error.code() == _E._PARTITION_EOF:
            return Eof(topic or "", -1 if partition is None else partition, offset or 0)
        if not error.fatal() and (error.retriable() or error.code() in RECOVERS):
            log.warning("kafka consumer", code=error.name(), why=error.str(), topic=topic)
            return None
        where = f"{topic} partition {partition}" if topic else "the group"
        raise FatalError(f"cannot read {where}: {error.str()} ({error.name()})")
    return Record(
        topic=topic or "",
        partition=-1 if partition is None else partition,
        offset=-1 if offset is None else offset,
        arrival=message.timestamp()[1] * _MS,
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
    )


def _headers(message: ck.Message) -> tuple[Header, ...]:
    """The headers; UNREADABLE when a name is not UTF-8: Kafka takes any, the client does not.

    It then returns a list with holes and raises nothing, but leaves an exception behind that comes
    up anywhere. A call from C, such as an iterator's, is checked and raises that here.
    """
    try:
        found = next(iter(message.headers, None), None)
    except (SystemError, UnicodeDecodeError):
        return UNREADABLE
    return cast(tuple[Header, ...], tuple(found)) if found else ()


class KafkaProducer:
    """See `ports.Producer`."""

    def __init__(self, config: dict[str, Any], timeout_s: float) -> None:
        self._failed: ck.KafkaError | None = None
        self._timeout_s = timeout_s
        self._open = self._closed = False
        self._native = ck.Producer({**config, "on_delivery": self._delivered}, logger=client_log)

    def _delivered(self, error: ck.KafkaError | None, message: ck.Message) -> None:
        if error is not None and self._failed is None:
            self._failed = error

    def init(self, timeout_s: float) -> None:
        call("init_transactions", self._native.init_transactions, timeout_s)

    def begin(self) -> None:
        call("begin_transaction", self._native.begin_transaction)
        self._open = True
        self._native.poll(0)

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Sequence[Header] = (),
        timestamp_us: int | None = None,
    ) -> None:
        """A full queue is waited for. A time below 1 ms cannot be written: it becomes now."""
        deadline: float | None = None
        while True:
            try:
                self._native.produce(
                    topic,
                    value=value,
                    key=key,
                    partition=-1 if partition is None else partition,
                    timestamp=0 if timestamp_us is None else timestamp_us // _MS,
                    headers=list(headers) if headers else None,
                )
                return
            except BufferError as error:
                deadline = deadline or time.monotonic() + self._timeout_s
                if time.monotonic() > deadline:
                    raise TransientError("produce: the queue stays full") from error
                self._native.poll(0.02)
            except ck.KafkaException as error:
                raise self._refused(error.args[0]) from error

    def _refused(self, error: ck.KafkaError) -> SupplytwinError:
        """Within a transaction `_STATE` says that it has failed already; abort tells if fatally."""
        if self._open and error.code() == _E._STATE:
            return AbortError(f"produce: the transaction has failed: {error.str()}")
        return classify(error, "produce")

    def send_offsets(self, offsets: Offsets, consumer: Consumer) -> None:
        if not isinstance(consumer, KafkaConsumer):
            raise UsageError("send_offsets needs a consumer of the same broker")
        call(
            "send_offsets_to_transaction",
            self._native.send_offsets_to_transaction,
            native(offsets),
            consumer.native.consumer_group_metadata(),
            self._timeout_s,
        )

    def commit(self) -> None:
        call("commit_transaction", self._native.commit_transaction, self._timeout_s)
        self._open = False

    def abort(self) -> None:
        call("abort_transaction", self._native.abort_transaction, self._timeout_s)
        self._open = False
        self._failed = None

    def flush(self) -> None:
        left = self._native.flush(self._timeout_s + CALL_S)
        failed, self._failed = self._failed, None
        if failed is not None:
            kind = AbortError if self._open else FatalError
            raise kind(f"a record was not delivered: {failed.str()} ({failed.name()})")
        if left:
            raise TransientError(f"{left} records are still not acknowledged")

    def close(self) -> None:
        """An open transaction is aborted, else what is queued is delivered; given up in time."""
        if self._closed:
            return
        self._closed = True
        if self._open:
            with suppress(SupplytwinError):
                self.abort()
        else:
            self._native.flush(self._timeout_s)
        self._native.purge()  # without that, close waits for the message time-out of five minutes
        with warnings.catch_warnings():
            # After a fatal error there is nothing left to abort, and the client warns about that.
            warnings.simplefilter("ignore", RuntimeWarning)
            call("close", self._native.close)


class KafkaBroker:
    """A Kafka cluster. Nothing connects before the first client is used."""

    kind = "kafka"

    def __init__(
        self,
        bootstrap: str,
        *,
        client: Client | None = None,
        session_timeout_ms: int = 45_000,
        transaction_timeout_ms: int = 10_000,
        group_protocol: GroupProtocol = "classic",
        version: str = "",
    ) -> None:
        clash = sorted(RESERVED & (client or {}).keys())
        if clash:
            raise UsageError(
                f"[kafka.client] must not set {', '.join(clash)}: correctness rests on our values"
            )
        self.address = bootstrap
        self._client = dict(client or {})
        self._session_timeout_ms = session_timeout_ms
        self._transaction_timeout_ms = transaction_timeout_ms
        self._group_protocol = group_protocol
        self._version = version

    def version(self) -> str:
        """Of the broker, when it was started here; a cluster does not tell its own."""
        return self._version or "Apache Kafka, version not told"

    def _base(self) -> dict[str, Any]:
        return {
            "bootstrap.servers": self.address,
            "client.id": "supplytwin",
            "error_cb": Complaints(),
        }

    def consumer(
        self,
        group: str | None,
        *,
        isolation: Isolation = "read_committed",
        instance_id: str | None = None,
        from_start: bool = False,
    ) -> Consumer:
        config = {
            **self._base(),
            "group.id": group or "supplytwin-unjoined",
            "max.poll.interval.ms": max(300_000, self._session_timeout_ms),
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest" if from_start else "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "fetch.queue.backoff.ms": 5,
            "queued.min.messages": 20_000,
            "queued.max.messages.kbytes": 32_768,
            **self._membership(instance_id, joins=group is not None and not from_start),
            **self._client,
        }
        return KafkaConsumer(config)

    def _membership(self, instance_id: str | None, *, joins: bool) -> dict[str, Any]:
        """Static in the protocol `classic` only: in `consumer` a new process of a slot would have
        to wait for the end of the old one's session; its transactional id fences that at once.
        """
        if joins and self._group_protocol == "consumer":
            return {"group.protocol": "consumer", "group.remote.assignor": "range"}
        session = self._session_timeout_ms
        classic = {
            "session.timeout.ms": session,
            "heartbeat.interval.ms": min(3000, session // 3),
            "partition.assignment.strategy": "range",
        }
        return classic if instance_id is None else {**classic, "group.instance.id": instance_id}

    def producer(self, transactional_id: str | None) -> Producer:
        config = {
            **self._base(),
            "acks": "all",
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "compression.type": "lz4",
            "message.max.bytes": MESSAGE_MAX_BYTES,
            "queue.buffering.max.messages": 1_000_000,
            "retry.backoff.ms": 10,
            "delivery.report.only.error": True,
            **self._client,
        }
        timeout_ms = self._transaction_timeout_ms
        if transactional_id is not None:
            config |= {"transactional.id": transactional_id, "transaction.timeout.ms": timeout_ms}
        return KafkaProducer(config, timeout_ms / _MS)

    def admin(self) -> Admin:
        return KafkaAdmin({**self._base(), **self._client})

    def close(self) -> None:
        """Nothing is held here: each client is closed by who opened it."""
