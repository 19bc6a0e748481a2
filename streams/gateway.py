"""The gateway: instructions to the rail, the rail's answers back as receipts.

Instruction -> rail, which records it before it returns. At a tick, what is due goes out:
receipts and offsets in one Kafka transaction, then the rail is told. A crash in between
publishes the same receipts again, with the same ids and bytes, which the worker counts as
duplicates.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from msgspec import Struct

from supplytwin.schemas import codec
from supplytwin.schemas.errors import (
    AbortError,
    FatalError,
    RecordError,
    TransientError,
    UsageError,
)
from supplytwin.schemas.flow import Record
from supplytwin.schemas.records import CONTROL, INSTRUCTIONS, RECEIPTS, Control, Instruction
from supplytwin.sinks.rail import Answer, Rail
from supplytwin.streams.observe import GatewayMetrics
from supplytwin.streams.ports import Broker, Eof, TopicPartition
from supplytwin.streams.restore import initialised
from supplytwin.streams.topics import GATEWAY_GROUP, GATEWAY_ID, WORKER_GROUP, places

log = structlog.get_logger("supplytwin.gateway")
_BATCH = 2000
_INIT_S = 30.0


class _Tick(Struct, frozen=True, kw_only=True):
    time: int
    after: int
    """The offset behind it."""


class Gateway:
    """One gateway per deployment: a second one fences the first.

    `at(name)` is called where a test may want to stop: "submitted", "before_commit",
    "committed".
    """

    def __init__(
        self,
        broker: Broker,
        rail: Rail,
        *,
        partitions: int,
        simulated: bool,
        at: Callable[[str], None] = lambda _: None,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self.metrics = metrics or GatewayMetrics()
        self._rail, self._simulated, self._at = rail, simulated, at
        self._partitions = partitions
        self._admin = broker.admin()
        self._producer = broker.producer(GATEWAY_ID)
        self._producer.init(_INIT_S)
        self._consumer = broker.consumer(GATEWAY_GROUP, instance_id=GATEWAY_GROUP)
        self._next: dict[TopicPartition, int] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._ticks: dict[int, list[_Tick]] = {}
        self._rebalanced = False
        self._assigned: Sequence[TopicPartition] = ()
        self.beat = time.monotonic()
        self._consumer.subscribe(
            (INSTRUCTIONS, CONTROL), self._on_assign, self._on_revoke, self._on_revoke
        )

    def _on_assign(self, partitions: Sequence[TopicPartition]) -> None:
        self._consumer.unassign()
        self._assigned = partitions
        self._rebalanced = True

    def _on_revoke(self, partitions: Sequence[TopicPartition]) -> None:
        self._assigned = ()
        self._rebalanced = True

    # ---- the loop

    def turn(self, timeout_s: float = 0.05) -> bool:
        """Once round; true when something was done. Raises FatalError when this process must
        end.
        """
        self.beat = time.monotonic()
        self._rebalanced = False
        try:
            items = self._consumer.consume(_BATCH, timeout_s)
            if self._rebalanced or (self._assigned and not self._next):
                self._rewind()
                return True
            for item in items:
                self._take(item)
            return self._publish() or bool(items)
        except AbortError as error:
            log.warning("aborted", why=str(error))
            self._producer.abort()
            self._rewind()
            return True
        except TransientError as error:
            log.warning("trying again", why=str(error))
            self._next = {}  # read on from what is committed: nothing is passed over
            time.sleep(0.1)
            return False

    def _rewind(self) -> None:
        """Read on from what is committed; what the rail has recorded since is recorded for
        good.
        """
        self._ticks = {number: [] for number in range(self._partitions)}
        self._next, self._committed = {}, {}
        if not self._assigned:
            return
        if {at.partition for at in self._assigned} != set(range(self._partitions)):
            raise FatalError("another gateway runs in this group: there must be exactly one")
        found = initialised(self._consumer.committed(self._assigned, 10.0))
        ends = self._admin.ends(list(found), "read_uncommitted")
        for at, offset in sorted(found.items()):
            if offset > ends[at]:
                raise UsageError(
                    f"{at.topic} partition {at.partition} ends at {ends[at]}, and this gateway has "
                    f"read up to {offset}: the cluster has lost a tail. Start the gateway with "
                    "--recover-since (see docs/operations.md): it asks the rail first"
                )
        self._consumer.assign(found)
        self._next = dict(found)  # last: a rewind that fails on the way is made again
        self._committed = dict(found)

    def _take(self, item: Record | Eof) -> None:
        at = TopicPartition(item.topic, item.partition)
        if at not in self._next:
            return
        if isinstance(item, Eof):
            self._next[at] = max(self._next[at], item.offset)
            return
        if item.topic == INSTRUCTIONS:
            instruction = self._instruction(item)
            self._rail.submit(instruction)
            self.metrics.submitted(instruction.kind)
            self._at("submitted")
        else:
            self._note_tick(item)
        self._next[at] = item.offset + 1

    @staticmethod
    def _instruction(record: Record) -> Instruction:
        """Our own record: one that cannot be read must stop us, money may not be skipped."""
        try:
            message = codec.decode(INSTRUCTIONS, record.value or b"").message
        except RecordError as error:
            place = f"{record.topic} {record.partition} {record.offset}"
            raise FatalError(f"instruction at {place} cannot be read: {error}") from None
        if not isinstance(message, Instruction):
            raise FatalError("the instructions topic holds something else")
        return message

    def _note_tick(self, record: Record) -> None:
        try:
            message = codec.decode(CONTROL, record.value or b"").message
        except RecordError:
            return  # the worker quarantines it
        if isinstance(message, Control) and message.kind == "TICK":
            tick = _Tick(time=message.tick_time, after=record.offset + 1)
            self._ticks[record.partition].append(tick)

    # ---- answers

    def _ready(self) -> int | None:
        """The newest tick time that every partition has reached, if what is due at it may go
        out.
        """
        if not self._ticks or not all(self._ticks.values()):
            return None
        reached = min(ticks[-1].time for ticks in self._ticks.values())
        if self._simulated and not self._worker_passed(reached):
            return None
        return reached

    def _worker_passed(self, reached: int) -> bool:
        """Whether the worker has committed this tick everywhere: receipts are taken after it."""
        control = places((CONTROL,), self._partitions)
        committed = self._admin.committed(WORKER_GROUP, control)
        for number, ticks in self._ticks.items():
            after = max((t.after for t in ticks if t.time <= reached), default=0)
            if (committed[TopicPartition(CONTROL, number)] or 0) < after:
                return False
        return True

    def _publish(self) -> bool:
        reached = self._ready()
        answers = [] if reached is None else self._rail.answers(reached)
        if reached is not None:
            for number, ticks in self._ticks.items():
                self._ticks[number] = [tick for tick in ticks if tick.time > reached]
        moved = {at: o for at, o in self._offsets().items() if o != self._committed[at]}
        if answers:
            self._commit_answers(answers, self._offsets())
        elif moved:
            self._consumer.commit(moved)
        self._committed.update(moved)
        return bool(answers or moved)

    def _offsets(self) -> dict[TopicPartition, int]:
        """Next offsets; of a control partition only up to its first tick that is not handled."""
        found = dict(self._next)
        for number, ticks in self._ticks.items():
            at = TopicPartition(CONTROL, number)
            if ticks and at in found:
                found[at] = min(found[at], ticks[0].after - 1)
        return found

    def _commit_answers(self, answers: list[Answer], offsets: dict[TopicPartition, int]) -> None:
        self._producer.begin()
        for answer in answers:
            receipt = answer.receipt
            self._producer.produce(
                RECEIPTS,
                receipt.chain_id.encode(),
                codec.encode(RECEIPTS, receipt),
                timestamp_us=answer.due if self._simulated else None,
            )
        self._producer.send_offsets(offsets, self._consumer)
        self._at("before_commit")
        self._insist_on_commit()
        self._at("committed")
        for answer in answers:
            self.metrics.published(answer.receipt.kind, answer.receipt.rail_status)
        self._rail.acknowledge([answer.receipt.input_id for answer in answers])

    def _insist_on_commit(self) -> None:
        """The same call again while it may still succeed, for a minute."""
        deadline = time.monotonic() + 60.0
        while True:
            try:
                self._producer.commit()
            except AbortError:
                raise
            except TransientError:
                if time.monotonic() > deadline:
                    raise FatalError("the transaction's outcome is unknown") from None
            else:
                return

    def run(self, stop: threading.Event) -> None:
        """Turn until `stop`, then leave; nothing is half done between two turns."""
        while not stop.is_set():
            self.turn()
        self.close()

    def close(self) -> None:
        self._consumer.close()
        self._producer.close()
        self._admin.close()
        self._rail.close()
