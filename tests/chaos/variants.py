"""Engines that are wrong on purpose, and circumstances that Kafka does not bring about by itself.

usage: variants.py NAME[,NAME…] COMMAND…     the command of `supplytwin`, with these changes

Each wrong engine shows that the test which the right one passes can fail.
"""

import sys
import time
from collections.abc import Callable, Sequence

from supplytwin.schemas.events import CUSTOMS
from supplytwin.schemas.records import JOURNAL, Instruction, SentMessage
from supplytwin.sinks.rail import Rail
from supplytwin.streams import cli, gateway
from supplytwin.streams.consume import Ends, Item
from supplytwin.streams.cut import Cut
from supplytwin.streams.kafka_admin import KafkaAdmin
from supplytwin.streams.ports import Isolation, Offsets, TopicPartition
from supplytwin.streams.worker import Worker

APART_S = 0.02
Ends_ = Callable[[KafkaAdmin, Sequence[TopicPartition], Isolation], dict[TopicPartition, int]]


class FoldsBeyond(Cut):
    """Wrong: folds what lies at or beyond the answers."""

    def sort(self, items: Sequence[Item]) -> list[Item]:  # type: ignore[override]
        return list(items)


class IgnoresWaiting(Cut):
    """Wrong: decides without a look at what it holds in its hands."""

    def undecidable(self) -> set[str]:
        return set(self.late)

    def waiting_of(self) -> dict[str, list[object]]:  # type: ignore[override]
        return {}


class DoesNotWait(Cut):
    """Wrong: handles a tick as soon as it has the answers, whatever it has read."""

    @property
    def complete(self) -> bool:
        return self.asked is not None


def folds_beyond() -> None:
    Worker.cut_type = FoldsBeyond


def ignores_waiting() -> None:
    Worker.cut_type = IgnoresWaiting


def does_not_wait() -> None:
    Worker.cut_type = DoesNotWait


def leaders_apart() -> None:
    """The leader of the customs topic answers before the others."""
    ends: Ends_ = KafkaAdmin.ends

    def apart(
        admin: KafkaAdmin, partitions: Sequence[TopicPartition], isolation: Isolation
    ) -> dict[TopicPartition, int]:
        first = [at for at in partitions if at.topic == CUSTOMS]
        others = [at for at in partitions if at.topic != CUSTOMS]
        if isolation != "read_uncommitted" or not first or not others:
            return ends(admin, partitions, isolation)
        found = ends(admin, first, isolation)
        time.sleep(APART_S)
        return found | ends(admin, others, isolation)

    KafkaAdmin.ends = apart  # type: ignore[method-assign]


def asks_once() -> None:
    """Wrong: takes the first answers for the second."""
    ask = Ends.ask

    def once(
        self: Ends, wanted: dict[int, Sequence[TopicPartition]]
    ) -> dict[int, tuple[Offsets, Offsets]]:
        return {number: (first, first) for number, (first, _) in ask(self, wanted).items()}

    Ends.ask = once  # type: ignore[method-assign]


def restores_to_stable() -> None:
    """Wrong: the last stable offset of the journal is taken for its end."""
    ends: Ends_ = KafkaAdmin.ends

    def stable(
        admin: KafkaAdmin, partitions: Sequence[TopicPartition], isolation: Isolation
    ) -> dict[TopicPartition, int]:
        journal = all(at.topic == JOURNAL for at in partitions)
        return ends(admin, partitions, "read_committed" if journal else isolation)

    KafkaAdmin.ends = stable  # type: ignore[method-assign]


def hands_over_later() -> None:
    """Wrong: takes a kept message for done, and gives it to the bank with the next order."""
    at_once, late = gateway.hand_over, list[SentMessage]()

    def later(rail: Rail, order: Instruction | SentMessage) -> None:
        while late:
            at_once(rail, late.pop())
        if isinstance(order, SentMessage):
            late.append(order)
        else:
            at_once(rail, order)

    gateway.hand_over = later  # type: ignore[attr-defined]


NAMED = {
    change.__name__: change
    for change in (
        folds_beyond,
        ignores_waiting,
        does_not_wait,
        leaders_apart,
        asks_once,
        restores_to_stable,
        hands_over_later,
    )
}


if __name__ == "__main__":
    for name in sys.argv.pop(1).split(","):
        NAMED[name]()
    cli.main()
