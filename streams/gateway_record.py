"""What the gateway reads back from Kafka: what it has sent and told, and the worker's postings.

A rail with a bank behind it keeps nothing of its own: a new process is given all of that again.
"""

from collections.abc import Iterator

from msgspec import Struct

from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.records import (
    RECEIPTS,
    SENT,
    SETTLEMENT_EVENTS,
    Receipt,
    SentMessage,
    SettlementEvent,
)
from supplytwin.sinks.rail import Alive, Rail
from supplytwin.streams.audit_run import read
from supplytwin.streams.observe import GatewayMetrics
from supplytwin.streams.ports import Broker, TopicPartition
from supplytwin.streams.topics import WORKER_GROUP, places

Kept = tuple[str, int]
"""An instruction (settlement, its number) of which the first message under its ids was kept."""


def remember(broker: Broker, rail: Rail, partitions: int, alive: Alive = lambda: None) -> set[Kept]:
    """The rail knows everything that Kafka has of it, and nothing else: messages, then receipts.
    What is kept.
    """
    kept = set[Kept]()
    rail.forget()
    for topic in (SENT, RECEIPTS):
        for message in _messages(broker, topic, partitions, alive):
            if isinstance(message, SentMessage | Receipt):
                rail.remember(message)
            if isinstance(message, SentMessage):
                kept.add((message.settlement_id, message.instruction_no))
    return kept


def _messages(broker: Broker, topic: str, partitions: int, alive: Alive) -> Iterator[Struct]:
    """What can be read: of our own topics everything, of receipts what the worker takes, too."""
    for at in places((topic,), partitions):
        for record in read(broker, at, None, lambda *_: alive()):
            try:
                message = codec.decode(topic, record.value or b"").message
            except RecordError:
                if topic != RECEIPTS:
                    raise
            else:
                yield message


class DayClose:
    """Lays a bank's statements against the mirror when the worker has taken what they tell."""

    def __init__(self, broker: Broker, rail: Rail, partitions: int, alive: Alive) -> None:
        self._broker, self._rail, self._alive = broker, rail, alive
        self._places = places((RECEIPTS,), partitions)
        self._partitions = partitions
        self._waited_for: tuple[int, dict[TopicPartition, int]] | None = None

    def close(self, metrics: GatewayMetrics) -> bool:
        """True when a statement was closed. Its differences are counted, logged by the rail, and
        told to the claims with the next receipts.
        """
        for code in self._rail.findings():
            metrics.finds(code)
        waiting = self._rail.statements()
        if not waiting:
            self._waited_for = None
            return False
        if not self._worker_has_taken(waiting):
            return False
        self._waited_for = None  # what comes meanwhile has receipts of its own
        events = [
            message
            for message in _messages(self._broker, SETTLEMENT_EVENTS, self._partitions, self._alive)
            if isinstance(message, SettlementEvent)
        ]
        for closed in self._rail.close_day(events):
            for one in closed.result.results:
                metrics.differs(one.difference)
        return True

    def _worker_has_taken(self, waiting: int) -> bool:
        """Whether the receipts that were there when the last statement was told are behind it."""
        admin = self._broker.admin()
        try:
            if self._waited_for is None or self._waited_for[0] != waiting:
                self._waited_for = (waiting, admin.ends(self._places, "read_uncommitted"))
            ends = self._waited_for[1]
            committed = admin.committed(WORKER_GROUP, self._places)
        finally:
            admin.close()
        return all((committed[at] or 0) >= ends[at] for at in self._places)
