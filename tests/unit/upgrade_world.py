"""A deployment in memory with its workers stopped, for those who say old facts anew."""

from collections.abc import Iterator
from pathlib import Path

from supplytwin.processors import (
    simulate,
)
from supplytwin.processors.settlement_state import Claim
from supplytwin.schemas import codec
from supplytwin.schemas.flow import Message
from supplytwin.schemas.footprints import Footprint
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import (
    FOOTPRINTS,
    STATE,
    StateRecord,
)
from supplytwin.streams import deployment, topics, upgrade
from supplytwin.streams.conductor import Conductor, intervals, send
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time
from supplytwin.streams.summary import read_all

QUIET = dict.fromkeys(("refuse_hold", "reject_once", "reject", "give_back", "silent", "lose"), 0)
CHAINS = 8


class World:
    """A few chains in memory, some paid, some under way, some waiting."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            kafka=Kafka(partitions=2),
            time=Time(simulated=True, timeline="t"),
            gateway=Gateway(ledger=str(folder / "rail"), behaviour=QUIET),
        )
        self.broker = MemoryBroker()
        topics.init(self.broker, self.settings)
        self.meta = topics.require_meta(self.broker)
        self.gateway = deployment.gateway(self.broker, self.settings, self.meta)
        self.conductor = Conductor(self.broker, partitions=2, timeline="t", pump=self.pump)
        self.records = self.broker.producer(None)
        self.ticks = self.broker.producer(topics.TICK_ID)
        self.ticks.init(5.0)
        made = simulate.chains(CHAINS, 11, spacing_us=4 * DAY_US)
        self.rounds, self.now = intervals(made.messages, DAY_US), 0
        self.start()

    def start(self) -> None:
        self.worker = deployment.worker(self.broker, self.settings, self.meta)

    def pump(self) -> None:
        self.worker.turn(0.0)
        self.gateway.turn(0.0)

    def days(self, number: int) -> None:
        for _ in range(number):
            self.now, batch = next(self.rounds, (self.now + DAY_US, list[Message]()))
            for message in batch:
                send(self.records, message)
            self.conductor._round(self.records, self.ticks, self.now)

    def claims(self) -> dict[str, Claim]:
        for _ in range(50):
            self.worker.turn(0.0)
        return {
            claim.settlement_id: claim
            for store in self.worker.stores.values()
            for _, state in store.states.items()
            for claim in state.book.claims.values()
        }

    def values(self, topic: str) -> list[bytes]:
        return [record.value or b"" for record in read_all(self.broker, topic, 2)]

    def delays(self) -> dict[bytes | None, int | None]:
        """Of each subject, in the newest record of its state."""
        found: dict[bytes | None, int | None] = {}
        for record in read_all(self.broker, STATE, 2):
            message = codec.decode(STATE, record.value or b"").message
            if isinstance(message, StateRecord):
                found[record.key] = message.delay_days
        return found

    def plan(self) -> upgrade.Plan:
        return upgrade.plan(self.broker, self.meta, lambda *_: None)


def at_day_35(folder: Path) -> Iterator[World]:
    """The first chains are paid, the last have hardly begun; no worker runs."""
    found = World(folder)
    found.days(35)
    states = {claim.state for claim in found.claims().values()}
    assert {"SETTLED", "RESERVED"} <= states
    found.worker.close()
    yield found
    found.broker.close()


def footprints(world: World) -> dict[tuple[str, str], list[Footprint]]:
    """All versions of each, in the order of the log."""
    found: dict[tuple[str, str], list[Footprint]] = {}
    for value in world.values(FOOTPRINTS):
        message = codec.decode(FOOTPRINTS, value).message
        assert isinstance(message, Footprint)
        found.setdefault((message.chain_id, message.consignment_id), []).append(message)
    return found


def assert_linked(world: World) -> None:
    """Versions count from 1 without a gap, and each names the one before it."""
    for versions in footprints(world).values():
        numbers = [one.version for one in versions]
        assert numbers == list(range(1, len(numbers) + 1))
        assert [one.previous_version for one in versions] == [None, *numbers[:-1]]
