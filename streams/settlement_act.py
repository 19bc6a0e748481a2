"""An act of a person on a claim: one record on settlement.reviews, and what the worker made of it.

The record names the evidence that was seen and what it clears; the worker refuses it when either is
no longer so. Sent once: the same act over the same journal has the same id, so that a command that
is given again adds nothing.
"""

import hashlib
import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from supplytwin.processors.settlement_report import Explanation
from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import RecordError, TransientError, UsageError
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import partition_of
from supplytwin.schemas.records import (
    EXCEPTIONS,
    JOURNAL,
    QUARANTINE,
    REVIEWS,
    SETTLEMENT_EVENTS,
    ExceptionRecord,
    Quarantined,
    Review,
    SettlementEvent,
)
from supplytwin.streams.ports import Broker, Consumer, Eof, TopicPartition
from supplytwin.streams.redrive import Act
from supplytwin.streams.settlement_read import Folded, Listed
from supplytwin.streams.topics import Meta

SOURCE = "supplytwin:operator"
WAIT_S = 30.0
_POLL_S = 0.2
_WATCHED = (JOURNAL, EXCEPTIONS, QUARANTINE)


class Acted(Struct, frozen=True, kw_only=True):
    """An act, and the worker's answer to it."""

    review: Review
    seq: int | None
    """Its journal entry; None = it went to the quarantine."""
    transitions: tuple[SettlementEvent, ...]
    alarms: tuple[ExceptionRecord, ...]
    refused: str | None
    """Why nothing came of it; None = it was taken."""


def review_of(
    one: Listed, seen: Folded, told: Explanation, verdict: str, act: Act, cleared: Sequence[str]
) -> Review:
    """The record of an act over the chain as it was seen.

    Raises UsageError when no worker of this version can read it: it would only hold the claims of
    its chain from the quarantine.
    """
    digest = hashlib.sha256(msgspec.json.encode((act, told.evidence_hash, cleared))).hexdigest()
    head = seen.state.head.seq
    found = Review(
        input_id=f"{verdict}:{one.settlement_id}:{head}:{digest[:8]}",
        source=SOURCE,
        chain_id=one.chain_id,
        contract_id=one.contract_id,
        settlement_id=one.settlement_id,
        verdict=verdict,
        reviewer=act.who,
        role=act.role,
        reason=act.reason,
        evidence_hash=told.evidence_hash,
        cleared_ids=tuple(cleared),
    )
    try:
        codec.decode(REVIEWS, codec.encode(REVIEWS, found))
    except RecordError as error:
        raise UsageError(f"nothing was sent: {error.field} {error.reason}") from None
    return found


def publish(
    broker: Broker,
    meta: Meta,
    review: Review,
    seen: Folded,
    *,
    wait_s: float = WAIT_S,
    clock: Callable[[], float] = time.monotonic,
) -> Acted:
    """Send `review`, and wait for what the worker makes of it.

    Raises TransientError when that does not come within `wait_s`: the record stands all the same.
    """
    number = partition_of(review.chain_id.encode(), meta.partitions)
    places = [TopicPartition(topic, number) for topic in _WATCHED]
    admin, consumer = broker.admin(), broker.consumer(None, from_start=True)
    try:
        ends = admin.ends(places, "read_committed")
        consumer.assign(ends)
        _send(broker, meta, review, seen.state.taken_at)
        waiting = _Waiting(review, ends)
        deadline = clock() + wait_s
        while clock() < deadline:
            waiting.take(consumer)
            if waiting.until is None and waiting.found:
                waiting.until = admin.ends(places, "read_committed")
            if waiting.complete:
                return waiting.answer()
    finally:
        consumer.close()
        admin.close()
    raise TransientError(
        f"{review.input_id} is sent, and no worker has taken it within {wait_s:g} s: it stands, "
        "and will be taken when one runs; `supplytwin settlement show` will have what came of it"
    )


def _send(broker: Broker, meta: Meta, review: Review, now: int) -> None:
    """One record needs no transaction: it is there, or the call raises."""
    producer = broker.producer(None)
    try:
        producer.produce(
            REVIEWS,
            review.chain_id.encode(),
            codec.encode(REVIEWS, review),
            timestamp_us=now // 1000 * 1000 if meta.simulated else None,
        )
        producer.flush()
    finally:
        producer.close()


class _Waiting:
    """What has been read so far. An entry, its decisions and its alarms come in one transaction:
    what is committed when the entry is seen has all of them."""

    def __init__(self, review: Review, start: dict[TopicPartition, int]) -> None:
        self._review = review
        self._own = review.input_id.encode()  # stands so in the body, whatever frames it
        self.until: dict[TopicPartition, int] | None = None
        self._next = dict(start)
        self._seq: int | None = None
        self._quarantined: Quarantined | None = None
        self._decided: list[SettlementEvent] = []
        self._problems: list[ExceptionRecord] = []

    @property
    def found(self) -> bool:
        """Whether the worker has met it."""
        return self._seq is not None or self._quarantined is not None

    @property
    def complete(self) -> bool:
        """Whether all that goes with it has been read."""
        ends = self.until
        return ends is not None and all(self._next[at] >= end for at, end in ends.items())

    def take(self, consumer: Consumer) -> None:
        for item in consumer.consume(1000, _POLL_S):
            at = TopicPartition(item.topic, item.partition)
            if isinstance(item, Eof):
                self._next[at] = max(self._next[at], item.offset)
                continue
            self._next[at] = item.offset + 1
            self._take(item)

    def _take(self, record: Record) -> None:
        if record.key != self._review.chain_id.encode():
            return
        if record.topic == JOURNAL:
            entry = journal.read(record.value or b"")
            if entry.source_topic == REVIEWS and self._own in entry.body:
                self._seq = entry.seq
            elif entry.kind == "DECISION":
                event = codec.decode(SETTLEMENT_EVENTS, entry.body).message
                assert isinstance(event, SettlementEvent)
                self._decided.append(event)
            return
        message = codec.decode(record.topic, record.value or b"").message
        if isinstance(message, ExceptionRecord):
            self._problems.append(message)
        elif isinstance(message, Quarantined) and self._own in (message.body or b""):
            self._quarantined = message

    def answer(self) -> Acted:
        """What came of it: its own decisions, its own alarms."""
        own = [one for one in self._decided if one.cause_seq == self._seq is not None]
        places = {self._seq, *(one.seq for one in own)}
        alarms = [
            one for one in self._problems if one.subject_type == "CLAIM" and one.seq in places
        ]
        refused = None
        if self._quarantined is not None:
            q = self._quarantined
            refused = f"quarantined, {q.code} {q.field}: {q.reason}"
        elif not own and alarms:
            refused = "; ".join(one.reason for one in alarms)
        return Acted(
            review=self._review,
            seq=self._seq,
            transitions=tuple(own),
            alarms=tuple(alarms),
            refused=refused,
        )
