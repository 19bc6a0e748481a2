"""The whole pipeline on the real broker: stretches of 20, 200 and 5,000 facts per chain in turn.

One worker process takes all of them, so that the lengths are compared within one run. The feed is
never more than one round ahead of what the worker has committed; the gateway answers beside it. CPU
is that of the worker's process, with librdkafka's threads.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from canonical import PARTITIONS
from kafka_tools import patiently, places
from measure import Child, Clock, answer, cpu_of, peak_rss_mb, rates, until, word
from msgspec.structs import replace
from parts import COARSE, Parts
from pipeline import (
    META,
    Stretch,
    Tally,
    check,
    settings,
    stretches,
    write,
    write_tick,
)

from supplytwin.schemas.records import CONTROL, INSTRUCTIONS
from supplytwin.streams import deployment, heap, topics
from supplytwin.streams.kafka import KafkaBroker
from supplytwin.streams.settings import Snapshot
from supplytwin.streams.topics import GATEWAY_GROUP, INPUTS, TICK_ID, WORKER_GROUP

# ---- the worker's process


def worker(address: str, split: bool) -> None:
    """Role: the worker of the deployment. Answers each "mark" with what happened since the last."""
    own = settings(address, "")
    parts = Parts()
    if split:
        parts.install(COARSE)
    ours = deployment.worker(KafkaBroker(address), own, META)
    heap.take_over()  # as `supplytwin work` does
    while len(ours.cuts) < PARTITIONS:
        ours.turn()
    answer({"ready": True})
    cpu, thread = time.process_time(), time.thread_time()
    value = ours.metrics.value
    while (said := word()) != "":
        if said is None:
            ours.turn()
            continue
        now, mine = time.process_time(), time.thread_time()
        answer(
            {
                "cpu_s": now - cpu,
                "thread_s": mine - thread,
                "parts_s": dict(parts.seconds),
                "missing": parts.missing,
                "facts": value("supplytwin_folded_total", what="facts"),
                "batches": value("supplytwin_batch_records_count"),
                "records": value("supplytwin_batch_records_sum"),
                "transactions": value("supplytwin_commit_seconds_count"),
                "ticks": value("supplytwin_cuts_total"),
                "chains": value("supplytwin_chains"),
                "rss_mb": peak_rss_mb(),
            }
        )
        parts.clear()
        cpu, thread = now, mine
    ours.close()


def gateway(address: str, ledger: str) -> None:
    """Role: the gateway with its simulated rail, until the parent closes."""
    ours = deployment.gateway(KafkaBroker(address), settings(address, ledger), META)
    answer({"ready": True})
    while word() != "":
        ours.turn(0.02)
    ours.close()


def restore(address: str, snapshots: bool) -> None:
    """Role: a new worker process of the deployment, until everything is restored: from the whole
    journal, or from the snapshots that the first worker has left and what follows them.
    """
    own = settings(address, "")
    if not snapshots:
        own = replace(own, snapshot=Snapshot(every=0))
    ours = deployment.worker(KafkaBroker(address), own, META)
    heap.take_over()  # as `supplytwin work` does
    clock = Clock()
    clock.start()
    while len(ours.stores) < PARTITIONS:
        ours.turn()
    entries = sum(
        state.head.seq for store in ours.stores.values() for state in store.states.values()
    )
    answer({**clock.read(entries), "rss_mb": peak_rss_mb()})
    ours.close()


# ---- the feed


class Feed:
    """Appends rounds; knows how far worker and gateway are."""

    def __init__(self, address: str, folder: Path, *, split: bool = True) -> None:
        self.broker = KafkaBroker(address)
        patiently(lambda: topics.init(self.broker, settings(address, "")))
        self.worker = Child("pipeline_worker", address=address, split=split)
        self.gateway = Child(
            "pipeline_gateway", address=address, ledger=str(folder / "rail.sqlite")
        )
        for child in (self.worker, self.gateway):
            child.hear()
        self.records = self.broker.producer(None)
        self.ticks = self.broker.producer(TICK_ID)
        self.ticks.init(10.0)
        self._admin = self.broker.admin()
        self._inputs = places(*INPUTS)
        self._told = places(INSTRUCTIONS, CONTROL)

    def _reached(self, group: str, wanted: dict[Any, int]) -> bool:
        committed = self._admin.committed(group, list(wanted))
        return all((committed[at] or 0) >= end for at, end in wanted.items())

    def ends(self) -> dict[Any, int]:
        """Where the inputs end now."""
        return self._admin.ends(self._inputs, "read_uncommitted")

    def quiet(self) -> None:
        """Wait until worker and gateway have taken everything, and nothing new came of it."""
        before: dict[Any, int] = {}
        while True:
            ends = self._admin.ends([*self._inputs, *self._told], "read_uncommitted")
            if ends == before:
                return
            before = ends
            inputs = {at: ends[at] for at in self._inputs}
            told = {at: ends[at] for at in self._told}
            until(lambda: self._reached(WORKER_GROUP, inputs), "the worker")  # noqa: B023
            until(lambda: self._reached(GATEWAY_GROUP, told), "the gateway")  # noqa: B023

    def play(self, made: Stretch) -> dict[str, Any]:
        """One stretch; what the worker says about it."""
        began = time.monotonic()
        behind: dict[Any, int] = {}
        for one in made.rounds:
            write(self.records, one.messages)
            write_tick(self.ticks, one.tick)
            until(lambda: self._reached(WORKER_GROUP, behind), "the worker")  # noqa: B023
            behind = self.ends()
            if not one.messages:
                self.quiet()
        found = self.worker.ask("mark")
        return {**found, "wall_s": time.monotonic() - began}

    def close(self) -> None:
        """The children end; a clean end of the worker leaves its offsets behind."""
        for child in (self.worker, self.gateway):
            child.end()
        self.records.close()
        self.ticks.close()
        self._admin.close()


def figures(made: Stretch, said: dict[str, Any]) -> dict[str, Any]:
    """The figures of one stretch."""
    spent: dict[str, float] = dict(said["parts_s"])
    spent["other Python"] = max(0.0, said["thread_s"] - sum(spent.values()))
    spent["librdkafka and other threads"] = max(0.0, said["cpu_s"] - said["thread_s"])
    ranked = sorted(spent.items(), key=lambda pair: -pair[1])
    return {
        **rates(made.events, said["wall_s"], said["cpu_s"]),
        "parts_us": {part: round(s / made.events * 1e6, 1) for part, s in ranked},
    }


def bench(address: str, turns: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """(facts per chain, figures) of each stretch, the lengths in turn; then (0, the totals)."""
    with tempfile.TemporaryDirectory() as folder:
        feed = Feed(address, Path(folder))
        facts = chains = 0
        said: dict[str, Any] = {}
        try:
            for number, made in enumerate(stretches(turns + 1)):
                if number % 3 and number < 3:
                    continue  # the first stretch only warms up
                said = feed.play(made)
                facts, chains = facts + made.facts, chains + made.chains
                found = Tally(
                    facts=round(said["facts"]),
                    quarantined=0,
                    chains=round(said["chains"]) - PARTITIONS,
                )
                check(found, facts, chains)
                if number:
                    yield made.facts_per_chain, figures(made, said)
            yield (
                0,
                {
                    "rss_mb": said["rss_mb"],
                    "records_per_batch": round(said["records"] / said["batches"]),
                    "transactions": round(said["transactions"]),
                    "ticks": round(said["ticks"]),
                    "missing": said["missing"],
                    "feed_and_gateway_cpu_s": round(
                        time.process_time() + cpu_of(feed.gateway.pid), 1
                    ),
                },
            )
        finally:
            feed.close()
