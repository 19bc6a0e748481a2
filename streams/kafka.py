"""Apache Kafka behind the ports of the engine: confluent-kafka (librdkafka).

Every call is bounded by a deadline of its own; errors leave as `kafka_errors` classifies them.
"""

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import confluent_kafka as ck

from supplytwin.schemas.errors import (
    AbortError,
    FatalError,
    SupplytwinError,
    TransientError,
    UsageError,
)
from supplytwin.schemas.flow import Header, Record
from supplytwin.streams.kafka_admin import KafkaAdmin
from supplytwin.streams.kafka_errors import (
    CALL_S,
    Complaints,
    call,
    classify,
    client_log,
    known,
    native,
    ours,
)
from supplytwin.streams.kafka_group import GroupProtocol, Incremental, leave, membership
from supplytwin.streams.kafka_records import item_of
from supplytwin.streams.kafka_rights import Lacking, lacking
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

Client = Mapping[str, str | int | float | bool]

MESSAGE_MAX_BYTES = 1_310_720
UNJOINED = "supplytwin-unjoined"
"""The group that readers name who join none: the client wants one, and asks for its coordinator."""
_MS = 1000
_E = ck.KafkaError
_LATER = frozenset((_E(_E._STATE).name(), _E(_E._INCONSISTENT).name()))
"""Names of errors that come from an earlier one."""

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

    def __init__(self, config: dict[str, Any], lacking: Lacking) -> None:
        self.native = ck.Consumer(config, logger=client_log)
        self._group = config["group.id"]
        self._lacking = lacking
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
        items = (item_of(message, self._group) for message in messages)
        return [item for item in items if item is not None]

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
        try:
            done = call("commit", self.native.commit, offsets=native(offsets), asynchronous=False)
            known(done or [], "commit")
        except UsageError as error:
            raise self._lacking((at.topic for at in offsets), "Read") or error from error

    def ends(self, partition: TopicPartition) -> tuple[int, int]:
        at = ck.TopicPartition(partition.topic, partition.partition)
        found = call("ends", self.native.get_watermark_offsets, at, CALL_S)
        if found is None:
            raise TransientError(f"ends of {partition.topic} partition {partition.partition}")
        return found

    def close(self) -> None:
        leave(self.native)


class KafkaProducer:
    """See `ports.Producer`."""

    def __init__(self, config: dict[str, Any], timeout_s: float, lacking: Lacking) -> None:
        self._lacking = lacking
        self._topics: set[str] = set()
        """What was written to since the last begin."""
        self._failed: tuple[ck.KafkaError, ck.Message] | None = None
        """The first record that was not delivered, and why."""
        self._timeout_s = timeout_s
        self._id = config.get("transactional.id", "")
        self._open = self._closed = False
        self._native = ck.Producer({**config, "on_delivery": self._delivered}, logger=client_log)

    def _delivered(self, error: ck.KafkaError | None, message: ck.Message) -> None:
        if error is not None and self._failed is None:
            self._failed = error, message

    def init(self, timeout_s: float) -> None:
        what = f"init_transactions of {self._id}"
        call(what, self._native.init_transactions, timeout_s)

    def begin(self) -> None:
        call("begin_transaction", self._native.begin_transaction)
        self._open = True
        self._topics.clear()
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
        self._topics.add(topic)
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
            found: SupplytwinError = AbortError(
                f"produce: the transaction has failed: {error.str()}", error.name()
            )
            return self._explained(found)
        return classify(error, "produce")

    def _explained(self, error: SupplytwinError) -> SupplytwinError:
        """A refusal that names its topic, if that is what `error` comes from; else `error`."""
        undelivered = self._undelivered()
        if isinstance(undelivered, UsageError):
            return undelivered
        failed_before = isinstance(error, AbortError) and error.name in _LATER
        if isinstance(error, UsageError) or failed_before:
            return self._lacking(self._topics, "Write") or error
        return error

    def send_offsets(self, offsets: Offsets, consumer: Consumer) -> None:
        if not isinstance(consumer, KafkaConsumer):
            raise UsageError("send_offsets needs a consumer of the same broker")
        try:
            call(
                "send_offsets_to_transaction",
                self._native.send_offsets_to_transaction,
                native(offsets),
                consumer.native.consumer_group_metadata(),
                self._timeout_s,
            )
        except SupplytwinError as error:
            raise self._explained(error) from error

    def commit(self) -> None:
        try:
            call("commit_transaction", self._native.commit_transaction, self._timeout_s)
        except SupplytwinError as error:
            raise self._explained(error) from error
        self._open = False

    def abort(self) -> None:
        call("abort_transaction", self._native.abort_transaction, self._timeout_s)
        self._open = False
        self._failed = None

    def flush(self) -> None:
        try:
            left = call("flush", self._native.flush, self._timeout_s + CALL_S)
        except SupplytwinError as error:
            raise self._explained(error) from error
        failed = self._undelivered()
        self._failed = None
        if failed is not None and not isinstance(failed, UsageError):
            failed = (AbortError if self._open else FatalError)(str(failed))
        if failed is not None:
            raise failed
        if left:
            raise TransientError(f"{left} records are still not acknowledged")

    def _undelivered(self) -> SupplytwinError | None:
        if self._failed is None:
            return None
        error, message = self._failed
        return classify(error, f"a record for {message.topic()} was not delivered")

    def close(self) -> None:
        """An open transaction is aborted, else what is queued is delivered; given up in time."""
        if self._closed:
            return
        self._closed = True
        if self._open:
            with suppress(SupplytwinError):
                self.abort()
        else:
            with suppress(SupplytwinError):  # after a fatal error nothing is delivered any more
                call("flush", self._native.flush, self._timeout_s)
        self._native.purge()  # without that, close waits for the message time-out of five minutes
        try:
            with warnings.catch_warnings():
                # After a fatal error there is nothing left to abort; the client warns about that.
                warnings.simplefilter("ignore", RuntimeWarning)
                call("close", self._native.close)
        except SupplytwinError:
            if not self._open:  # else why the transaction failed is what counts
                raise


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
        self._group_protocol: GroupProtocol = group_protocol
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
        joins = group is not None and not from_start
        joined = self._group_protocol if joins else "classic"
        config = {
            **self._base(),
            "group.id": group or UNJOINED,
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
            **membership(joined, self._session_timeout_ms, instance_id),
            **self._client,
        }
        return KafkaConsumer(config, self._lacking)

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
        return KafkaProducer(config, timeout_ms / _MS, self._lacking)

    def admin(self) -> Admin:
        return KafkaAdmin({**self._base(), **self._client})

    def _lacking(self, topics: Iterable[str], right: str) -> UsageError | None:
        return lacking({**self._base(), **self._client}, topics, right)

    def close(self) -> None:
        """Nothing is held here: each client is closed by who opened it."""
