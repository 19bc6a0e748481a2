"""Questions that a bank could not be asked when they came: asked again, while all else goes on.

A question moves no money and has no place in the order of payments and recalls. Its offset is not
committed before it was put, so that a new process reads it again, and with it what is behind it,
which goes out under the same ids with the same bytes.
"""

from collections.abc import Callable, Mapping

import structlog
from msgspec import Struct

from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.records import Instruction
from supplytwin.sinks.asking import Asking
from supplytwin.streams.ports import TopicPartition

log = structlog.get_logger("supplytwin.gateway")


class _Question(Struct, frozen=True):
    at: TopicPartition
    offset: int
    order: Instruction


class Aside:
    """See the module. `put` hands a question over, `alive` is called behind each."""

    def __init__(
        self, put: Callable[[Instruction], None], alive: Callable[[], None] = lambda: None
    ) -> None:
        self._asking = Asking[_Question](lambda one: put(one.order), _failed, alive)

    def clear(self) -> None:
        """All are read again."""
        self._asking.clear()

    def add(self, at: TopicPartition, offset: int, order: Instruction) -> None:
        """Put it now, or behind those that wait."""
        self._asking.add(_Question(at, offset, order))

    def go_on(self) -> None:
        """Put what waits, when it is time."""
        self._asking.go_on()

    def held(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The offsets, where a question waits no further than that."""
        found = dict(offsets)
        for one in self._asking:
            if one.at in found:
                found[one.at] = min(found[one.at], one.offset)
        return found


def _failed(one: _Question, error: TransientError) -> None:
    log.warning(
        "a question is put to the bank again later",
        settlement_id=one.order.settlement_id,
        why=str(error),
    )
