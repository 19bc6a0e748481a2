"""What the deployments under attack are fed with, and the same without any fault.

Simulated time: chains of `feed simulate` with their ledger, conducted; many chains are under way at
once, so that a round is thousands of events. The undisturbed run is one of the broker in memory.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from harness import HONEST, TIMELINE, Deployment
from msgspec import Struct
from verifier import Raw, Records, Witness

from supplytwin.processors import simulate
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, SECOND_US
from supplytwin.streams import deployment, summary, topics
from supplytwin.streams.conductor import Conductor, Played
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Broker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time

FACTS_PER_CHAIN = 20
TICK_US = 2 * DAY_US


class Load(Struct, frozen=True, kw_only=True):
    """Chains with everything that can go wrong with a chain, and a seed.

    Half of them are corrected, the other half revoked: of a claim whose release is revoked and
    whose mistaken hold is retracted the ledger says EXPIRED, and it is held for review instead.
    """

    chains: int
    seed: int = 1
    spacing_s: int = 120

    @property
    def made(self) -> tuple[simulate.Made, simulate.Made]:
        half = self.chains // 2
        return (
            self._family(2 * self.seed, half, corrections=0.3),
            self._family(2 * self.seed + 1, self.chains - half, revocations=0.3),
        )

    def _family(self, seed: int, chains: int, **shares: float) -> simulate.Made:
        return simulate.chains(
            chains,
            seed,
            facts_per_chain=FACTS_PER_CHAIN,
            late=0.1,
            duplicates=0.05,
            spacing_us=self.spacing_s * SECOND_US,
            **shares,
        )

    @property
    def messages(self) -> Iterator[Message]:
        """In the order of arrival."""
        return heapq.merge(*(one.messages for one in self.made), key=lambda one: one.arrival)


def of_events(events: int, seed: int = 1) -> Load:
    """At least so many events."""
    return Load(chains=-(-events // (FACTS_PER_CHAIN + 1)), seed=seed)


def conduct(deployed: Deployment, load: Load, pump: Callable[[], None]) -> Played:
    """Play the load on its own timeline; `pump` is called all the time while somebody works."""
    conductor = Conductor(
        deployed.broker,
        partitions=deployed.partitions,
        timeline=TIMELINE,
        pump=pump,
        patience_s=600.0,
    )
    try:
        return conductor.play(load.messages, TICK_US)
    except FatalError as error:
        raise AssertionError(f"{error}\n{deployed.tells()}") from error


class Truth(Struct, frozen=True, kw_only=True):
    """What a run has led to: canonical states and payments, and the witness's own digest."""

    hashes: summary.Hashes
    digest: str

    def says(self) -> tuple[str, str, int, str]:
        """What must be equal, whatever happened on the way."""
        return self.hashes.states, self.hashes.settlements, self.hashes.chains, self.digest


def truth(broker: Broker, partitions: int, witness: Witness) -> Truth:
    """Of what stands in the topics now."""
    return Truth(hashes=summary.fold_journal(broker, partitions), digest=witness.digest())


def played_in_memory(load: Load, folder: Path, partitions: int) -> MemoryBroker:
    """The load without Kafka, children and faults: the broker that holds what came of it."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        kafka=Kafka(partitions=partitions),
        time=Time(simulated=True, timeline=TIMELINE),
        gateway=Gateway(ledger=str(folder / "rail.sqlite"), behaviour=HONEST),
    )
    broker = MemoryBroker()
    topics.init(broker, settings)
    meta = topics.require_meta(broker)
    worker = deployment.worker(broker, settings, meta)
    gateway = deployment.gateway(broker, settings, meta)

    def pump() -> None:
        worker.turn(0.0)
        gateway.turn(0.0)

    try:
        conductor = Conductor(broker, partitions=partitions, timeline=TIMELINE, pump=pump)
        conductor.play(load.messages, TICK_US)
    finally:
        worker.close()
        gateway.close()
    return broker


def undisturbed(load: Load, folder: Path, partitions: int) -> Truth:
    """What the load leads to when nothing happens to it."""
    broker = played_in_memory(load, folder, partitions)
    witness = Witness(in_memory(broker, partitions))
    witness.compare(ledgers(load))
    witness.assert_sound()
    return truth(broker, partitions, witness)


def in_memory(broker: Broker, partitions: int) -> Records:
    """The topics of a broker in memory as the witness reads them."""

    def read(topic: str) -> Iterable[Raw]:
        for one in summary.read_all(broker, topic, partitions):
            yield Raw(one.partition, one.offset, one.arrival // 1000, one.key, one.value)

    return read


def ledgers(load: Load) -> Iterable[simulate.ChainLedger]:
    """What must be true, chain by chain."""
    return (made.chain(number) for made in load.made for number in range(made.plan.chains))
