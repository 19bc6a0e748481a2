"""The whole pipeline in one process, over the broker in memory: events per CPU-second of the
worker alone, and the fine split of its time. Feed and gateway are not counted.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from measure import answer, peak_rss_mb, rates
from parts import FINE, Parts, cost_of_a_call
from pipeline import LENGTHS, META, Stretch, Tally, check, settings, stretches, write, write_tick

from supplytwin.schemas.ids import control_key
from supplytwin.streams import deployment, heap, topics
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import Broker
from supplytwin.streams.topics import TICK_ID


class World:
    """Worker, gateway and feed, turned by hand."""

    def __init__(self, folder: Path) -> None:
        self.broker: Broker = MemoryBroker()
        own = settings("in memory", str(folder / "rail.sqlite"))
        topics.init(self.broker, own)
        self.worker = deployment.worker(self.broker, own, META)
        heap.take_over()  # as `supplytwin work` does
        self.gateway = deployment.gateway(self.broker, own, META)
        self.feed = self.broker.producer(None)
        self.ticks = self.broker.producer(TICK_ID)
        self.ticks.init(10.0)
        self.wall = self.cpu = 0.0
        self._turn()

    def _turn(self) -> None:
        """The worker until it rests: this is what is measured."""
        wall, cpu = time.perf_counter(), time.process_time()
        idle = 0
        while idle < 3:
            idle = 0 if self.worker.turn(0.0) else idle + 1
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu

    def play(self, made: Stretch) -> dict[str, Any]:
        """One stretch; its figures."""
        self.wall = self.cpu = 0.0
        for one in made.rounds:
            write(self.feed, one.messages)
            write_tick(self.ticks, one.tick)
            self._turn()
            while self.gateway.turn(0.0):
                pass
        self._turn()
        return rates(made.events, self.wall, self.cpu)

    def tally(self) -> Tally:
        """What the worker counts."""
        value = self.worker.metrics.value
        chains = {key for store in self.worker.stores.values() for key in store.states}
        refused = [
            sample.value
            for family in self.worker.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "supplytwin_quarantined_total"
        ]
        return Tally(
            facts=round(value("supplytwin_folded_total", what="facts")),
            quarantined=round(sum(refused)),
            chains=len(chains - {control_key(number) for number in range(META.partitions)}),
        )


def run(split: bool, lengths: list[int]) -> None:
    """Role: one stretch of each of `lengths`, with the fine split when `split`."""
    parts = Parts()
    cost = cost_of_a_call()
    if split:
        parts.install(FINE)
    found: dict[str, Any] = {}
    facts = chains = 0
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for made in stretches(1, {length: LENGTHS[length] for length in lengths}):
            parts.clear()
            figures = world.play(made)
            if split:
                figures["parts_us"] = parts.per_event(made.events, cost)
                figures["calls"] = {k: round(v / made.events, 2) for k, v in parts.calls.items()}
            found[str(made.facts_per_chain)] = figures
            facts, chains = facts + made.facts, chains + made.chains
            check(world.tally(), facts, chains)
    answer({"lengths": found, "missing": parts.missing, "rss_mb": peak_rss_mb()})
