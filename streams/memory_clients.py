"""Consumer and producer of the broker in memory."""

import time
from collections.abc import Sequence
from itertools import count

from supplytwin.schemas.errors import AbortError, FatalError, FencedError, TransientError
from supplytwin.schemas.flow import Header, Record
from supplytwin.schemas.ids import partition_of
from supplytwin.streams.memory_group import Group, Member
from supplytwin.streams.memory_log import Log, batch_bytes
from supplytwin.streams.memory_state import Memory, Topic, Transaction
from supplytwin.streams.ports import (
    Consumer,
    Eof,
    Isolation,
    Offsets,
    OnRebalance,
    TopicPartition,
)

PRODUCER_MAX_BYTES = 1_310_720


class MemoryConsumer:
    """See `ports.Consumer`."""

    def __init__(
        self,
        memory: Memory,
        group: str | None,
        isolation: Isolation,
        instance_id: str | None,
        *,
        from_start: bool,
    ) -> None:
        self._memory, self._from_start = memory, from_start
        self._isolation: Isolation = isolation
        self.group = None if group is None else memory.group(group)
        self._instance = instance_id
        self.member: Member | None = None
        self._callbacks: dict[str, OnRebalance] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._ended: dict[TopicPartition, int] = {}
        """The end that was told last, by partition."""
        self._order: list[TopicPartition] = []
        self._assigned_by_hand = False

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: OnRebalance,
        on_revoke: OnRebalance,
        on_lost: OnRebalance,
    ) -> None:
        if self.group is None:
            raise FatalError("subscribe needs a group")
        self._callbacks = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost}
        with self._memory.changed:
            name = f"{next(self._memory.numbers):09}"
            self.member = Member(name, self._instance, topics)
            self.group.join(self.member)
            self._memory.changed.notify_all()

    def assign(self, offsets: Offsets) -> None:
        with self._memory.changed:
            for at in offsets:
                self._memory.log(at)
            self._positions = dict(offsets)
            self._order = list(offsets)
            self._ended = {}
            self._assigned_by_hand = True

    def unassign(self) -> None:
        self.assign({})

    def consume(self, count: int, timeout_s: float) -> list[Record | Eof]:
        deadline = time.monotonic() + timeout_s
        while True:
            if self._rebalance():
                return []
            with self._memory.changed:
                found = self._fetch(count)
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self._memory.changed.wait(left)

    def _rebalance(self) -> bool:
        """Run the callbacks that are due, outside the lock; true when there was one."""
        group, member = self.group, self.member
        if group is None or member is None:
            return False
        ran = False
        while True:
            with self._memory.changed:
                if member.fenced:
                    raise FencedError(f"another consumer took over the instance {member.instance}")
                counts = {name: len(topic.logs) for name, topic in self._memory.topics.items()}
                event = group.turn(member, counts)
                self._memory.changed.notify_all()
            if event is None:
                return ran
            ran = True
            self._tell(*event)

    def _tell(self, what: str, partitions: tuple[TopicPartition, ...]) -> None:
        """Like librdkafka: what a callback does not assign by itself is assigned for it."""
        self._assigned_by_hand = False
        self._callbacks[what](partitions)
        if self._assigned_by_hand:
            return
        if what != "assign":
            self.unassign()
            return
        assert self.group is not None
        self.assign({at: self.group.offsets.get(at, -1) for at in partitions})

    def _fetch(self, count: int) -> list[Record | Eof]:
        found: list[Record | Eof] = []
        for at in list(self._order):
            log = self._memory.log(at)
            position = self._valid(at, log)
            records, position = log.fetch(position, count - len(found), self._isolation)
            found += records
            self._positions[at] = position
            # Kafka tells an end also where an open transaction begins, if that is as far as one can
            # read: once, as for every other end.
            at_end = position >= log.readable(self._isolation)
            if at_end and self._ended.get(at) != position and len(found) < count:
                self._ended[at] = position
                found.append(Eof(at.topic, at.partition, position))
            if len(found) >= count:
                self._order.remove(at)
                self._order.append(at)
                break
        return found

    def _valid(self, at: TopicPartition, log: Log) -> int:
        position = self._positions[at]
        if log.begin <= position <= log.end:
            return position
        if not self._from_start:
            raise FatalError(
                f"cannot read {at.topic} partition {at.partition}: no offset {position}, it has "
                f"{log.begin} to {log.end}"
            )
        return log.begin

    def seek(self, offsets: Offsets) -> None:
        with self._memory.changed:
            for at, offset in offsets.items():
                if at not in self._positions:
                    raise FatalError(f"seek: {at.topic} partition {at.partition} is not assigned")
                self._positions[at] = offset
                self._ended.pop(at, None)

    def committed(
        self, partitions: Sequence[TopicPartition], timeout_s: float
    ) -> dict[TopicPartition, int | None]:
        group = self._group()
        with self._memory.changed:
            if not self._memory.changed.wait_for(
                lambda: not any(group.pending.get(at) for at in partitions), timeout_s
            ):
                raise TransientError(f"offsets of {group.name} wait for an open transaction")
            return {at: group.offsets.get(at) for at in partitions}

    def commit(self, offsets: Offsets) -> None:
        group = self._group()
        with self._memory.changed:
            if self.member is None and group.members:
                raise AbortError(f"the group {group.name} has members, this is none of them")
            self.check_current()
            group.offsets.update(offsets)
            self._memory.changed.notify_all()

    def check_current(self) -> None:
        """Raises AbortError when the group has gone on without this consumer."""
        group, member = self.group, self.member
        if group is not None and member is not None and not group.current(member):
            raise AbortError(f"the group {group.name} has a newer generation")

    def _group(self) -> Group:
        if self.group is None:
            raise FatalError("this consumer has no group")
        return self.group

    def ends(self, partition: TopicPartition) -> tuple[int, int]:
        with self._memory.changed:
            log = self._memory.log(partition)
            return log.begin, log.readable(self._isolation)

    def close(self) -> None:
        """Leaves the group; the revoke callback runs."""
        group, member = self.group, self.member
        if group is not None and member is not None:
            revoked, member.assigned = member.assigned, ()
            if revoked and not member.fenced:
                self._callbacks["revoke"](revoked)
            with self._memory.changed:
                group.leave(member)
                self._memory.changed.notify_all()
        self.member = None
        self._positions, self._order = {}, []


class MemoryProducer:
    """See `ports.Producer`. Records are in the log when `produce` returns."""

    def __init__(self, memory: Memory, transactional_id: str | None) -> None:
        self._memory, self._id = memory, transactional_id
        self._transaction: Transaction | None = None
        self._fenced = self._ready = False
        self._failed = ""
        self._turn = count()

    def init(self, timeout_s: float) -> None:
        if self._id is None:
            raise FatalError("init needs a transactional id")
        with self._memory.changed:
            self._check()
            before = self._memory.owners.get(self._id)
            if before is not None and before is not self:
                before.fence()
            self._memory.owners[self._id] = self
            self._ready = True

    def fence(self) -> None:
        if self._transaction is not None:
            self._memory.finish(self._transaction, commit=False)
            self._transaction = None
        self._fenced = True

    def _check(self) -> None:
        if self._fenced:
            raise FencedError(f"a newer producer holds the transactional id {self._id}")

    def _open(self) -> Transaction:
        self._check()
        if self._transaction is None:
            raise FatalError("no transaction is open")
        return self._transaction

    def begin(self) -> None:
        with self._memory.changed:
            self._check()
            if not self._ready or self._transaction is not None:
                raise FatalError("begin comes after init, and once for each transaction")
            self._transaction = Transaction(next(self._memory.numbers))

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
        with self._memory.changed:
            transaction = None if self._id is None else self._open()
            found = self._memory.topics.get(topic)
            if found is None:
                raise FatalError(f"there is no topic {topic}")
            if partition is None:
                count = len(found.logs)
                partition = next(self._turn) % count if key is None else partition_of(key, count)
            log = self._memory.log(TopicPartition(topic, partition))
            size = batch_bytes(key, value, headers)
            if size > PRODUCER_MAX_BYTES:
                raise FatalError(f"{size} bytes are more than a producer may send")
            now = self._memory.clock()
            given = now if timestamp_us is None else timestamp_us // 1000 * 1000
            failed = self._refused(found, size, given - now)
            if failed:
                if transaction is not None:
                    transaction.failed = transaction.failed or failed
                self._failed = self._failed or failed
                return
            arrival = now // 1000 * 1000 if found.append_time else given
            number = None if transaction is None else transaction.number
            offset = log.append(key, value, tuple(headers), arrival, number)
            if transaction is not None:
                transaction.written.setdefault(log, []).append(offset)
            self._memory.changed.notify_all()

    def _refused(self, topic: Topic, size: int, ahead_us: int) -> str:
        """Why the broker refuses a record ("" = it takes it): it comes as a failed delivery."""
        if size > topic.max_bytes:
            return f"{topic.spec.name}: {size} bytes, the topic takes {topic.max_bytes}"
        if not topic.append_time and not -topic.behind_us <= ahead_us <= topic.ahead_us:
            return f"{topic.spec.name}: a timestamp {ahead_us // 1_000_000} s ahead of the broker"
        return ""

    def send_offsets(self, offsets: Offsets, consumer: Consumer) -> None:
        if not isinstance(consumer, MemoryConsumer) or consumer.group is None:
            raise FatalError("send_offsets needs a consumer with a group, of the same broker")
        with self._memory.changed:
            transaction = self._open()
            if transaction.failed:
                raise AbortError(f"a record was not delivered: {transaction.failed}")
            consumer.check_current()
            group = consumer.group
            transaction.offsets.append((group, dict(offsets)))
            for at in offsets:
                group.pending[at] = group.pending.get(at, 0) + 1

    def commit(self) -> None:
        with self._memory.changed:
            transaction = self._open()
            if transaction.failed:
                raise AbortError(f"a record was not delivered: {transaction.failed}")
            self._memory.finish(transaction, commit=True)
            self._transaction = None

    def abort(self) -> None:
        with self._memory.changed:
            self._memory.finish(self._open(), commit=False)
            self._transaction = None
            self._failed = ""

    def flush(self) -> None:
        with self._memory.changed:
            self._check()
            failed, self._failed = self._failed, ""
            if failed:
                kind = FatalError if self._transaction is None else AbortError
                raise kind(f"a record was not delivered: {failed}")

    def close(self) -> None:
        """An open transaction is aborted."""
        with self._memory.changed:
            if self._transaction is not None:
                self._memory.finish(self._transaction, commit=False)
                self._transaction = None
