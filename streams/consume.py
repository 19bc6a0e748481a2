"""What this worker reads: the group, its rebalances, and batches of decoded records."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from supplytwin.schemas.errors import Code, FatalError, RecordError, TransientError, UsageError
from supplytwin.schemas.flow import Input, Record
from supplytwin.streams.ports import Admin, Consumer, Decode, Eof, Offsets, TopicPartition

log = structlog.get_logger("supplytwin.engine")

RETRY_S = 0.2


class Item(NamedTuple):
    """A consumed record, what decoding made of it, and when (seconds of the engine's own clock)."""

    record: Record
    result: Input | RecordError
    at: float


class Reader:
    """The consumer of the worker's group. Never reads what has not been restored (`resume`).

    `numbers` are the partition numbers assigned. `dropped` is called inside `read` when they go.
    Revoked and lost are one: librdkafka forgets that a partition is lost when it is assigned by
    hand before the callback ran, as `resume` does. Another may always have taken over.
    """

    def __init__(
        self,
        consumer: Consumer,
        topics: Sequence[str],
        dropped: Callable[[], None],
    ) -> None:
        self.consumer = consumer
        self.numbers: tuple[int, ...] = ()
        self._topics = tuple(topics)
        self._dropped = dropped
        self._rebalanced = False
        consumer.subscribe(self._topics, self._on_assign, self._on_revoke, self._on_revoke)

    def read(self, count: int, timeout_s: float) -> list[Record | Eof] | None:
        """At most `count` records and ends; None = a rebalance ran, what came is dropped."""
        self._rebalanced = False
        events: list[Record | Eof] = []
        try:
            events = self.consumer.consume(count, timeout_s)
        except TransientError:
            if not self._rebalanced:
                raise
        return None if self._rebalanced else events

    def resume(self, offsets: Offsets) -> None:
        """Read exactly these from now on."""
        self.consumer.assign(offsets)

    def places(self, number: int) -> list[TopicPartition]:
        """The inputs of one partition number."""
        return [TopicPartition(topic, number) for topic in self._topics]

    def _on_assign(self, partitions: Sequence[TopicPartition]) -> None:
        if self.numbers:  # replaced without a revocation
            self._dropped()
        self.consumer.unassign()
        self._rebalanced = True
        self.numbers = tuple(sorted({where.partition for where in partitions}))
        for number in self.numbers:
            missing = set(self.places(number)) - set(partitions)
            if missing:
                raise FatalError(
                    f"partition number {number} was assigned without {sorted(missing)}: every "
                    "worker of the group must subscribe to the same topics, assignor range"
                )

    def _on_revoke(self, partitions: Sequence[TopicPartition]) -> None:
        self._rebalanced = True
        self.numbers = ()
        self._dropped()
        self.consumer.unassign()


Wanted = dict[int, Sequence[TopicPartition]]
"""The inputs of partition numbers."""


class Ends:
    """Asks where inputs end, of everything appended, twice: the second when the first is known.

    A question that fails is asked again, from then on for each partition number by itself and less
    often the longer it took: an input that cannot be reached holds up its own number only.
    """

    def __init__(self, admin: Admin, clock: Callable[[], float]) -> None:
        self._admin, self._clock = admin, clock
        self._alone: dict[int, float] = {}
        """Partition numbers whose last question failed, and when they are asked again."""

    def ask(self, wanted: Wanted) -> dict[int, tuple[Offsets, Offsets]]:
        """(first, second) answers by partition number; those that failed are absent."""
        began = self._clock()
        ready = [number for number in wanted if self._alone.get(number, began) <= began]
        asked = [number for number in ready if number in self._alone][:1] or ready
        places = [where for number in asked for where in wanted[number]]
        if not places:
            return {}
        try:
            first = self._admin.ends(places, "read_uncommitted")
            second = self._admin.ends(places, "read_uncommitted")
        except TransientError as error:
            log.warning("the ends are not known, asking again", partitions=asked, why=str(error))
            now = self._clock()
            pause = 0.0 if len(asked) > 1 else max(RETRY_S, 3 * (now - began))
            self._alone.update(dict.fromkeys(asked, now + pause))
            return {}
        for number in asked:
            self._alone.pop(number, None)
        return {
            number: (
                {where: first[where] for where in wanted[number]},
                {where: second[where] for where in wanted[number]},
            )
            for number in asked
        }


def examined(
    admin: Admin, needed: Sequence[str], partitions: int | None
) -> tuple[int, dict[str, int]]:
    """(partition count, largest record by topic) of the topics that a worker needs.

    Raises UsageError when one is missing, or when their counts are not all the same (`partitions`).
    """
    topics = admin.topics()
    missing = sorted(set(needed) - topics.keys())
    if missing:
        hint = "run `supplytwin init`, or see `supplytwin topics acl`"
        raise UsageError(f"topics are missing, or hidden from us: {', '.join(missing)}; {hint}")
    counts = {name: topics[name].partitions for name in needed}
    right = counts[needed[0]] if partitions is None else partitions
    if set(counts.values()) != {right}:
        listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        raise UsageError(
            f"every topic must have {right} partitions, but they have: {listed}. A count cannot be "
            "changed in place, keys would move: to rescale, `supplytwin init` a cluster with the "
            "new count and produce all inputs again"
        )
    sizes = {name: topics[name].config.get("max.message.bytes") for name in topics}
    return right, {name: int(size) for name, size in sizes.items() if size}


def decoded(records: Sequence[Record], decode: Decode, partitions: int, at: float) -> list[Item]:
    """One Item for each record, in order. A decoder that raises is asked again record by record."""
    try:
        results = decode(records, partitions)
    except BaseException as error:
        reraise_unless_defect(error)
        results = [_decode_one(record, decode, partitions) for record in records]
    return [Item(record, result, at) for record, result in zip(records, results, strict=True)]


def _decode_one(record: Record, decode: Decode, partitions: int) -> Input | RecordError:
    try:
        return decode([record], partitions)[0]
    except BaseException as error:
        reraise_unless_defect(error)
        return defect(error)


def reraise_unless_defect(error: BaseException) -> None:
    """Raise what must end the process; return for a defect that is one record's fate.

    A panic of a Rust extension is a BaseException, but no Exception.
    """
    if isinstance(error, FatalError | MemoryError | KeyboardInterrupt | SystemExit):
        raise error


def defect(error: BaseException) -> RecordError:
    """What the quarantine says about a record that our own code cannot take."""
    text = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
    return RecordError(Code.FOLD_ERROR, "", text)
