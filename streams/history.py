"""The journal asked again: all entries of some chains, or the one before an offset.

Chains are read at their places, in one pass over the partition that leaves out what lies between
them, by a consumer of its own, committed records only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.flow import Record
from supplytwin.streams.ports import Broker, Consumer, Eof, TopicPartition

RECORDS = 1_000
GAP = 2_000
"""Offsets that are rather read than jumped over: a jump costs a request."""
PATIENCE_S = 10.0
POLL_S = 0.2


class History:
    """Reads `topic`, the journal. `alive` is called at least every POLL_S while it reads."""

    def __init__(
        self,
        broker: Broker,
        topic: str,
        *,
        clock: Callable[[], float],
        alive: Callable[[], None],
    ) -> None:
        self._broker, self._topic = broker, topic
        self._clock, self._alive = clock, alive

    def entries(self, number: int, wanted: Mapping[str, Sequence[int]]) -> dict[str, list[Record]]:
        """Every journal record of the chains in `wanted`, which gives the lower bounds of their
        offsets. Raises TransientError when they do not all come within PATIENCE_S of each other.
        """
        found: dict[str, list[Record]] = {key: [] for key in wanted}
        bounds = sorted((at, key, turn) for key in wanted for turn, at in enumerate(wanted[key]))
        missing, first = len(bounds), 0
        consumer = self._broker.consumer(None)
        try:
            while missing:
                start = bounds[first][0]
                for record in self._from(consumer, number, start):
                    mine = found.get((record.key or b"").decode())
                    if mine is not None and len(mine) < len(wanted[(record.key or b"").decode()]):
                        mine.append(record)
                        missing -= 1
                    while first < len(bounds) and len(found[bounds[first][1]]) > bounds[first][2]:
                        first += 1
                    if not missing or bounds[first][0] > record.offset + GAP:
                        break
        finally:
            consumer.close()
        return found

    def last_before(self, number: int, bound: int, end: int) -> Record | None:
        """The last record at or behind `bound`, before `end`; None = there is none.

        Raises TransientError when `end` is not reached within PATIENCE_S.
        """
        last = None
        consumer = self._broker.consumer(None)
        try:
            for record in self._from(consumer, number, bound, end):
                last = record
        finally:
            consumer.close()
        return last

    def _from(
        self, consumer: Consumer, number: int, start: int, end: int | None = None
    ) -> Iterator[Record]:
        """Records from `start` on, before `end` if there is one; else more are waited for."""
        consumer.assign({TopicPartition(self._topic, number): start})
        heard = self._clock()
        while True:
            events = consumer.consume(RECORDS, POLL_S)
            self._alive()
            for event in events:
                heard = self._clock()
                if end is not None and event.offset >= end:
                    return
                if not isinstance(event, Eof):
                    yield event
            if self._clock() - heard > PATIENCE_S:
                raise TransientError(
                    f"{self._topic} partition {number} cannot be read on from offset {start}"
                )
