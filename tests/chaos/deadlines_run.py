"""Plays the contracts of `deadlines_world` against a deployment, and reads what came of them."""

import datetime as dt
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence

from deadlines_check import Cuts, Instructions
from deadlines_world import World
from msgspec import Struct
from verifier import Raw, Records, Schema, Witness

from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import partition_of
from supplytwin.streams.conductor import send, write_tick
from supplytwin.streams.ports import Broker, TopicPartition
from supplytwin.streams.topics import INPUTS, TICK_ID, WORKER_GROUP, places

HELD_EVERY = 3
"""In every third round the records stand in an open transaction when their tick is appended."""
PATIENCE_S = 120.0
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Player:
    """Sends rounds: records in any order, their tick, and waits until the tick is handled.

    Nobody waits for the records themselves: that they are read before the tick is handled is the
    cut's own business. `pump` is called all the time while a worker works.
    """

    def __init__(
        self, broker: Broker, world: World, partitions: int, timeline: str, pump: Callable[[], None]
    ) -> None:
        self._world, self._partitions, self._timeline, self._pump = (
            world,
            partitions,
            timeline,
            pump,
        )
        self._admin = broker.admin()
        self._inputs = places(INPUTS, partitions)
        self._plain = broker.producer(None)
        self._held = broker.producer("deadlines-feed")
        self._ticks = broker.producer(TICK_ID)
        self._held.init(30.0)
        self._ticks.init(30.0)
        self.sent = 0

    def append(self, number: int, messages: Sequence[Message]) -> None:
        """One round; returns when records and tick are in Kafka and no transaction is open."""
        held = number % HELD_EVERY == 0 and bool(messages)
        producer = self._held if held else self._plain
        if held:
            producer.begin()
        for message in messages:
            send(producer, message)
        producer.flush()
        write_tick(self._ticks, self._world.tick(number), self._partitions, self._timeline)
        if held:
            self._while_it_is_open()
            producer.commit()
        self.sent += len(messages)

    def _while_it_is_open(self) -> None:
        """Time enough for a worker to read the tick, and nothing of what comes before it."""
        end = time.monotonic() + 0.1
        while time.monotonic() < end:
            self._pump()

    def await_handled(self, numbers: Collection[int]) -> None:
        """Until everything on these partition numbers is read, and its ticks are handled."""
        wanted = [at for at in self._inputs if at.partition in numbers]
        ends = self._admin.ends(wanted, "read_uncommitted")
        deadline = time.monotonic() + PATIENCE_S
        while True:
            behind = self._behind(wanted, ends)
            if not behind:
                return
            assert time.monotonic() < deadline, f"nobody handles {behind}"
            self._pump()

    def _behind(
        self, wanted: Sequence[TopicPartition], ends: dict[TopicPartition, int]
    ) -> list[TopicPartition]:
        done = self._admin.committed(WORKER_GROUP, wanted)
        return [at for at in wanted if (done[at] or 0) < ends[at]]

    def close(self) -> None:
        for producer in (self._plain, self._held, self._ticks):
            producer.close()
        self._admin.close()


class Found(Struct, frozen=True, kw_only=True):
    """What stands in the committed topics."""

    witness: Witness
    cuts: Cuts
    instructions: Instructions
    handled: dict[int, list[int]]
    """Partition number -> the ticks at which something was decided there, ascending."""


def look(records: Records, partitions: int) -> Found:
    """Read it all, as anybody can; raises AssertionError when the records contradict each other."""
    witness = Witness(records)
    witness.assert_sound()
    cuts: Cuts = {}
    handled: defaultdict[int, set[int]] = defaultdict(set)
    for name, chain in witness.chains.items():
        for event in sorted(chain.events, key=lambda one: one[:2]):
            settlement, _, row, _, state, at, verdict = event[:7]
            if at is None:
                continue
            tick = (at - _EPOCH) // dt.timedelta(microseconds=1)
            cuts.setdefault(settlement, []).append((row, state, tick, verdict or ""))
            handled[partition_of(name.encode(), partitions)].add(tick)
    return Found(
        witness=witness,
        cuts=cuts,
        instructions=_instructions(records),
        handled={number: sorted(ticks) for number, ticks in handled.items()},
    )


def _instructions(records: Records) -> Instructions:
    found: Instructions = {}
    for record in _each(records, "settlement.instructions"):
        told = found.setdefault(record["settlement_id"], [])
        told.append((record["kind"], record["amount_minor"]))
    return found


def _each(records: Records, topic: str) -> Iterator[dict[str, object]]:
    schema = Schema(topic)
    for raw in records(topic):
        assert isinstance(raw, Raw)
        yield schema.decode(raw.value or b"")
