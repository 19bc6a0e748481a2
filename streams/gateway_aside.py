"""What a bank could not be told when it came, and need not wait for: again, while all else goes on.

A question moves no money and has no place in the order of payments and recalls. A recall has one
behind its payment only: where its address lets nothing in, no payment waits for it. The offset of
either is not committed before it was put, so that a new process reads it again, and with it what is
behind it: what goes out again then has the same ids and the same bytes.
"""

from collections.abc import Callable, Mapping

import structlog
from msgspec import Struct

from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.records import Instruction, SentMessage
from supplytwin.sinks.asking import Asking
from supplytwin.streams.ports import TopicPartition

log = structlog.get_logger("supplytwin.gateway")


class _Waiting(Struct, frozen=True):
    at: TopicPartition
    offset: int
    order: Instruction | SentMessage


class Aside:
    """See the module. `put` hands one over, `alive` is called behind each."""

    def __init__(
        self,
        put: Callable[[Instruction | SentMessage], None],
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._asking = Asking[_Waiting](lambda one: put(one.order), _failed, alive)

    def clear(self) -> None:
        """All are read again."""
        self._asking.clear()

    def add(self, at: TopicPartition, offset: int, order: Instruction) -> None:
        """Put it now, or behind those that wait."""
        self._asking.add(_Waiting(at, offset, order))

    def later(self, at: TopicPartition, offset: int, order: Instruction | SentMessage) -> None:
        """It could not be put just now."""
        self._asking.later(_Waiting(at, offset, order))

    def go_on(self) -> None:
        """Put what waits, when it is time."""
        self._asking.go_on()

    def held(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The offsets, where something waits no further than that."""
        found = dict(offsets)
        for one in self._asking:
            if one.at in found:
                found[one.at] = min(found[one.at], one.offset)
        return found


def _failed(one: _Waiting, error: TransientError) -> None:
    what = "a question" if one.order.kind == "QUERY" else "a recall"
    log.warning(
        f"{what} is put to the bank again later",
        settlement_id=one.order.settlement_id,
        why=str(error),
    )
