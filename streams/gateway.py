"""The gateway: instructions to the rail, the rail's answers back as receipts.

A rail that records what it is given takes the instruction itself. For a rail with a bank behind it
(`Rail.keeps`) the message is drafted first and written to `settlement.sent` in the transaction that
commits the instruction; it is read from there, handed over, and only then is its offset committed.
A crash between writing and handing over, or between handing over and committing, hands the same
bytes over again: no message without its record, no second id.

What is due goes out in one Kafka transaction of receipts and offsets; then the rail is told. A
crash in between publishes the same receipts again, with the same ids and bytes, which the worker
counts as duplicates.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from msgspec import Struct

from supplytwin.schemas import codec
from supplytwin.schemas.errors import (
    AbortError,
    FatalError,
    NotLetInError,
    RecordError,
    TransientError,
    UsageError,
)
from supplytwin.schemas.flow import Record
from supplytwin.schemas.records import (
    CONTROL,
    INSTRUCTIONS,
    RECEIPTS,
    SENT,
    Control,
    Instruction,
    Receipt,
    SentMessage,
)
from supplytwin.sinks.rail import Answer, Rail, hand_over
from supplytwin.streams.checkpoint import abort, insist
from supplytwin.streams.gateway_aside import Aside
from supplytwin.streams.gateway_record import DayClose, Kept, remember
from supplytwin.streams.observe import GatewayMetrics
from supplytwin.streams.ports import Broker, Eof, TopicPartition
from supplytwin.streams.restore import initialised
from supplytwin.streams.topics import GATEWAY_GROUP, GATEWAY_ID, WORKER_GROUP, places

log = structlog.get_logger("supplytwin.gateway")
_BATCH = 2000
_INIT_S = 30.0
_TRANSACTION_S = 60.0
"""How long one call of a transaction is made again before its outcome is unknown."""
_PAUSE_S = 1.0
"""Before a bank that could not be reached is tried again."""
_HAND_OVER_S = 5.0
"""So long is handed over in one turn, however slow a bank takes it: answers go out, too."""


POINTS = (
    "assigned",
    "after_read",
    "handing_over",
    "submitted",
    "drafted",
    "answered",
    "before_commit",
    "committed",
)


class _Tick(Struct, frozen=True, kw_only=True):
    time: int
    after: int
    """The offset behind it."""


class Gateway:
    """One gateway per deployment: a second one fences the first.

    `at(name)` is called at each of POINTS, so that a test can stop it exactly there.
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
        self._partitions, self._broker = partitions, broker
        self._backlog: deque[Record | Eof] = deque()
        self._drafts: list[SentMessage] = []
        self._kept = set[Kept]()
        self._aside = Aside(self._hand, self._live)
        self._shut_out = Aside(self._hand, self._live)
        self._again_at = 0.0
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
        self._day = DayClose(broker, rail, partitions, self._live)
        if rail.keeps:
            rail.watched(self._live)
        topics = (INSTRUCTIONS, CONTROL, SENT) if rail.keeps else (INSTRUCTIONS, CONTROL)
        self._consumer.subscribe(topics, self._on_assign, self._on_revoke, self._on_revoke)
        log.info("hands instructions over", rail=rail.name)

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
            if not self._next:
                return bool(items)  # a rail that knows nothing yet would understand no answer
            self._backlog.extend(items)
            if items:
                self._at("after_read")
            self._work_off()
            self._aside.go_on()
            self._shut_out.go_on()
            self._live()
            return self._publish() or self._day.close(self.metrics) or bool(items)
        except AbortError as error:
            log.warning("aborted", why=str(error))
            abort(self._producer, _TRANSACTION_S, time.monotonic)
            self._next = {}  # the next turn rewinds
            return True
        except TransientError as error:
            log.warning("trying again", why=str(error))
            time.sleep(0.1)
            return False

    def _rewind(self) -> None:
        """Read on from what is committed; what the rail has recorded since is recorded for
        good.
        """
        self._ticks = {number: [] for number in range(self._partitions)}
        self._next, self._committed = {}, {}
        self._backlog.clear()
        self._drafts.clear()
        self._aside.clear()
        self._shut_out.clear()
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
        if self._rail.keeps:
            self._kept = remember(self._broker, self._rail, self._partitions, self._live)
        self._at("assigned")
        self._consumer.assign(found)
        self._next = dict(found)  # last: a rewind that fails on the way is made again
        self._committed = dict(found)

    def _live(self) -> None:
        self.beat = time.monotonic()

    def _work_off(self) -> None:
        """Take what was read, in order. A bank that cannot be reached is waited for: nothing is
        passed over, and answers go out meanwhile. A question is put aside, and a recall whose
        address lets nothing in.
        """
        if self._backlog and time.monotonic() < self._again_at:
            return
        until = time.monotonic() + _HAND_OVER_S
        try:
            while self._backlog and time.monotonic() <= until:
                self._take(self._backlog[0])
                self._backlog.popleft()
                self._live()  # a bank may take its time for each
        except AbortError:
            raise
        except TransientError as error:
            self._again_at = time.monotonic() + _PAUSE_S
            log.warning("the bank cannot be reached", why=str(error), waiting=len(self._backlog))
            self._live()  # it may have taken its time to fail

    def _take(self, item: Record | Eof) -> None:
        at = TopicPartition(item.topic, item.partition)
        if at not in self._next:
            return
        if isinstance(item, Eof):
            self._next[at] = max(self._next[at], item.offset)
            return
        if item.topic == CONTROL:
            self._note_tick(item)
        else:
            order = self._order(item)
            draft = self._rail.draft(order) if isinstance(order, Instruction) else None
            if draft is not None:
                self._keep(order, draft)
            elif isinstance(order, Instruction) and order.kind == "QUERY":
                self._aside.add(at, item.offset, order)
            else:
                self._hand_now(at, item.offset, order)
        self._next[at] = item.offset + 1

    def _keep(self, order: Instruction | SentMessage, draft: SentMessage) -> None:
        """Unless this instruction is only read again: its message is kept, and is handed over from
        there. Another one for the same payment wants it to go out again.
        """
        key = (order.settlement_id, order.instruction_no)
        if key not in self._kept:
            self._kept.add(key)
            self._drafts.append(draft)

    def _hand_now(self, at: TopicPartition, offset: int, order: Instruction | SentMessage) -> None:
        """A recall whose address lets nothing in stops no payment; a payment stops all."""
        try:
            self._hand(order)
        except NotLetInError:
            if order.kind != "RECALL":
                raise
            self._shut_out.later(at, offset, order)

    def _hand(self, order: Instruction | SentMessage) -> None:
        self._at("handing_over")
        hand_over(self._rail, order)
        self.metrics.submitted(order.kind)
        self._at("submitted")

    @staticmethod
    def _order(record: Record) -> Instruction | SentMessage:
        """Our own record: one that cannot be read must stop us, money may not be skipped."""
        try:
            message = codec.decode(record.topic, record.value or b"").message
        except RecordError as error:
            place = f"{record.topic} {record.partition} {record.offset}"
            raise FatalError(f"instruction at {place} cannot be read: {error}") from None
        if not isinstance(message, Instruction | SentMessage):
            raise FatalError(f"the topic {record.topic} holds something else")
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
        at_once = self._rail.keeps  # a bank's answers wait for no tick
        answers = [] if reached is None and not at_once else self._rail.answers(reached or 0)
        if reached is not None:
            for number, ticks in self._ticks.items():
                self._ticks[number] = [tick for tick in ticks if tick.time > reached]
        moved = {at: o for at, o in self._offsets().items() if o != self._committed[at]}
        wrote = bool(answers or self._drafts)
        if wrote:
            self._commit_records(answers, self._offsets())
        elif moved:
            self._consumer.commit(moved)
        self._committed.update(moved)
        return bool(wrote or moved)

    def _offsets(self) -> dict[TopicPartition, int]:
        """Next offsets; of a control partition only up to its first tick that is not handled, of
        instructions up to the first question that is not put, of messages up to the first recall
        that is not let in.
        """
        found = self._shut_out.held(self._aside.held(self._next))
        for number, ticks in self._ticks.items():
            at = TopicPartition(CONTROL, number)
            if ticks and at in found:
                found[at] = min(found[at], ticks[0].after - 1)
        return found

    def _commit_records(self, answers: list[Answer], offsets: dict[TopicPartition, int]) -> None:
        self._insist(self._producer.begin)
        for draft in self._drafts:
            self._produce(SENT, draft)
        if self._drafts:
            self._at("drafted")
        for answer in answers:
            self._produce(RECEIPTS, answer.receipt, answer.due if self._simulated else None)
        if answers:
            self._at("answered")
        self._insist(partial(self._producer.send_offsets, offsets, self._consumer))
        self._at("before_commit")
        self._insist(self._producer.commit)
        self._at("committed")
        self._drafts.clear()
        for answer in answers:
            self.metrics.published(answer.receipt.kind, answer.receipt.rail_status)
        self._rail.acknowledge([answer.receipt.input_id for answer in answers])

    def _produce(
        self, topic: str, message: SentMessage | Receipt, timestamp_us: int | None = None
    ) -> None:
        key, value = message.chain_id.encode(), codec.encode(topic, message)
        self._insist(partial(self._producer.produce, topic, key, value, timestamp_us=timestamp_us))

    @staticmethod
    def _insist(call: Callable[[], None]) -> None:
        insist(call, time.monotonic() + _TRANSACTION_S, time.monotonic)

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
