"""Questions that a bank could not be asked when they came: asked again, while all else goes on.

A question moves no money and has no place in the order of payments and recalls. Its offset is not
committed before it was put, so that a new process reads it again, and with it what is behind it,
which goes out under the same ids with the same bytes.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from supplytwin.schemas.errors import AbortError, TransientError
from supplytwin.schemas.records import Instruction
from supplytwin.streams.ports import TopicPartition

log = structlog.get_logger("supplytwin.gateway")
PAUSE_S = 1.0
"""After the first failure; after each further one twice as long."""
PAUSE_MAX_S = 60.0
Put = Callable[[Instruction], None]


class Aside:
    """See the module. Those that wait are put in turn: one that always fails holds up no other."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """All are read again."""
        self._waiting: deque[tuple[TopicPartition, int, Instruction]] = deque()
        self._pause_s, self._again_at = PAUSE_S, 0.0

    def put(self, put: Put, at: TopicPartition, offset: int, order: Instruction) -> None:
        """Now, or behind those that wait."""
        if self._waiting or not self._is_put(put, order):
            self._waiting.append((at, offset, order))

    def put_again(self, put: Put) -> None:
        """The first of those that wait, when it is time; as long as that succeeds, the others."""
        for _ in range(len(self._waiting)):
            if time.monotonic() < self._again_at:
                return
            first = self._waiting.popleft()
            if not self._is_put(put, first[2]):
                self._waiting.append(first)

    def _is_put(self, put: Put, order: Instruction) -> bool:
        try:
            put(order)
        except AbortError:
            raise
        except TransientError as error:
            self._again_at = time.monotonic() + self._pause_s
            self._pause_s = min(2 * self._pause_s, PAUSE_MAX_S)
            log.warning(
                "a question is put to the bank again later",
                settlement_id=order.settlement_id,
                why=str(error),
                waiting=len(self._waiting) + 1,
            )
            return False
        self._pause_s = PAUSE_S
        return True

    def held(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The offsets, where a question waits no further than that."""
        found = dict(offsets)
        for at, offset, _ in self._waiting:
            if at in found:
                found[at] = min(found[at], offset)
        return found
