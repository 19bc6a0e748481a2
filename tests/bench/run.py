"""`make bench`: the canonical work and the whole pipeline, measured on a real Kafka.

Prints tables and writes JSON to bench-results/. BENCH_ROUNDS (5) sets how often everything is
repeated; BENCH_PEERS=1 installs the peers that are missing, 0 runs none. `run.py PART...` runs only
some of the parts: canonical, memory, carbon, sensors, pipeline, latency, settlement, decisions.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from os import environ
from pathlib import Path
from typing import Any

import canonical_bench
import carbon_recompute
import pipeline_kafka
import pipeline_latency
import sensor_fold
import settlement_cuts
import settlement_latency
from measure import median, once, say
from pipeline import LENGTHS
from report import Aim, conclude, machine, save, table

from supplytwin.schemas.records import JOURNAL
from supplytwin.streams import local_broker
from supplytwin.streams.observe import configure_logging

ROUNDS = int(environ.get("BENCH_ROUNDS", "5"))
AT_MOST_S = 3_600
"""Nothing here takes that long, unless something hangs."""
Results = dict[str, Any]


def on_a_broker(work: Callable[[str, Path], Results]) -> Results:
    """`work(address, folder)` on a Kafka of its own."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "kafka"
        try:
            address = local_broker.start(state, with_parent=True).bootstrap
            return work(address, Path(folder))
        finally:
            local_broker.stop(state)


# ---- the parts


def canonical(address: str, folder: Path) -> Results:
    """Ours, floor and peers in turn; restore; latency at half load."""
    bench = canonical_bench.Bench(address, folder)
    for number in range(ROUNDS):
        bench.round(number, ROUNDS)
    bench.restore(min(3, ROUNDS))
    half = bench.half_load()
    canonical_bench.show(bench, half)
    aims = canonical_bench.aims(bench.runs)
    return {
        "aims": aims,
        "events": canonical_bench.COUNT,
        "bytes_mean": bench.bytes_mean,
        "runs": bench.runs,
        "latency_at_half_load": half,
    }


def memory() -> Results:
    """The worker alone over the broker in memory: the fine split of its time."""
    say("whole pipeline in memory, worker only")
    lengths = list(LENGTHS)
    plain = once("pipeline_memory", split=False, lengths=lengths)
    split = once("pipeline_memory", split=True, lengths=lengths)
    found = {name: one["parts_us"] for name, one in split["lengths"].items()}
    order = sorted(found["20"], key=lambda part: -found["20"][part])
    rows = [(part, *(found[str(length)].get(part) for length in lengths)) for part in order]
    rows.append(("all parts", *(round(sum(found[str(one)].values()), 1) for one in lengths)))
    rates = [plain["lengths"][str(length)]["events_per_cpu_s"] for length in lengths]
    rows.append(("us, measured without the split", *(round(1e6 / rate, 1) for rate in rates)))
    rows.append(("events per CPU-s, without the split", *rates))
    head = ("in memory: us per event", *(f"{length:,} facts" for length in lengths))
    table("Where the time goes (CPU of the worker's thread, cost of measuring removed)", head, rows)
    for place in split["missing"]:
        say(f"  not measured: {place} is not where the bench looks for it")
    return {"plain": plain, "split": split}


def pipeline(address: str, folder: Path) -> Results:
    """Stretches of each length in turn; then restore against a bare read."""
    say("whole pipeline on Kafka")
    runs: dict[int, list[Results]] = {}
    for length, found in pipeline_kafka.bench(address, ROUNDS):
        runs.setdefault(length, []).append(found)
        if length:
            say(f"  {length:>5,} facts {found['events_per_cpu_s']:>7,} per CPU-s")
    (totals,) = runs.pop(0)
    restored = []
    for _ in range(min(3, ROUNDS)):
        bare = once("bare_read", address=address, topic=JOURNAL)
        own = once("pipeline_restore", address=address, snapshots=False)
        quick = once("pipeline_restore", address=address, snapshots=True)
        assert own["events"] == quick["events"] <= bare["events"], (own, quick, bare)
        restored.append({"bare": bare, "restore": own, "with_snapshots": quick})
        say(f"  restore {own['events_per_cpu_s']:,}, with snapshots {quick['events_per_cpu_s']:,},"
            f" bare read {bare['events_per_cpu_s']:,} per CPU-s")  # fmt: skip
    middle = {n: median(one["events_per_cpu_s"] for one in found) for n, found in runs.items()}
    _show_pipeline(runs, middle, totals)
    ratio = median(
        one["restore"]["events_per_cpu_s"] / one["bare"]["events_per_cpu_s"] for one in restored
    )
    return {
        "aims": [
            Aim("whole pipeline, 20 facts: events per CPU-s", middle[20], 10_000, 15_000),
            Aim("200 facts / 20 facts", round(middle[200] / middle[20], 2), 0.5),
            Aim("5,000 facts / 20 facts", round(middle[5_000] / middle[20], 2), 0.5),
            Aim("restore / bare read, twin.journal", ratio, 0.4),
        ],
        "runs": runs,
        "totals": totals,
        "restore": restored,
    }


def _show_pipeline(
    runs: dict[int, list[Results]], middle: dict[int, float], totals: Results
) -> None:
    parts = list(runs[20][0]["parts_us"])
    rows: list[tuple[Any, ...]] = [
        (part, *(median(one["parts_us"].get(part, 0.0) for one in runs[n]) for n in runs))
        for part in parts
    ]
    rows.append(("us per event", *(round(1e6 / middle[n], 1) for n in runs)))
    rows.append(("events per CPU-s", *middle.values()))
    head = ("on Kafka: us per event", *(f"{n:,} facts" for n in runs))
    table(f"Whole pipeline, medians of {len(runs[20])} stretches each", head, rows)
    say(f"  RSS {totals['rss_mb']} MB, {totals['records_per_batch']:,} records per batch,"
        f" {totals['transactions']:,} transactions, {totals['ticks']:,} ticks")  # fmt: skip


def latency() -> Results:
    """A quarter of the wanted rate, then all of it, through the whole pipeline."""
    at = {rate: on_a_broker(partial(_latency, rate)) for rate in pipeline_latency.RATES}
    wanted = at[pipeline_latency.RATES[-1]]
    facts, orders = wanted["fact_to_milestone"], wanted["last_fact_to_instruction"]
    aims = [
        Aim("fact -> derived record, p50 ms", facts.get("p50_ms"), 40, smaller=True),
        Aim("fact -> derived record, p95 ms", facts.get("p95_ms"), 80, smaller=True),
        Aim("last fact -> instruction, p50 ms", orders.get("p50_ms"), 150, smaller=True),
        Aim("last fact -> instruction, p99 ms", orders.get("p99_ms"), 400, smaller=True),
    ]
    return {"aims": aims, "at": at}


def _latency(rate: int, address: str, folder: Path) -> Results:
    say(f"whole pipeline, latency at {rate:,} events/s")
    found = pipeline_latency.bench(address, rate)
    facts, orders = found["fact_to_milestone"], found["last_fact_to_instruction"]
    table(
        f"Latency at {found['rate']:,} events/s, ticks of 200 ms",
        ("", "samples", "p50 ms", "p95 ms", "p99 ms"),
        [
            (name, one["samples"], *(one.get(f"p{n}_ms") for n in (50, 95, 99)))
            for name, one in (("fact -> milestone", facts), ("last fact -> instruction", orders))
        ],
    )
    say(f"  {found['records_per_batch']:,} records per batch")
    if found["taken_share"] < 1.0:
        say(f"  too slow: only {found['taken_share']:.0%} of what was sent had been taken in time")
    return found


PARTS: dict[str, Callable[[], Results]] = {
    "canonical": lambda: on_a_broker(canonical),
    "memory": memory,
    "carbon": lambda: carbon_recompute.bench(ROUNDS),
    "sensors": lambda: sensor_fold.bench(ROUNDS),
    "pipeline": lambda: on_a_broker(pipeline),
    "latency": latency,
    "settlement": lambda: settlement_cuts.bench(ROUNDS),
    "decisions": lambda: settlement_latency.bench(on_a_broker),
}


def _end(number: int, frame: Any) -> None:
    """Leave through every `finally`, so that no broker and no folder stays behind."""
    sys.exit(f"ended by {signal.Signals(number).name}")


def main(wanted: list[str]) -> int:
    """Run the parts; a broken one is an error, a missed aim is not."""
    unknown = set(wanted) - PARTS.keys()
    if unknown:
        say(f"no part is called {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
        return 2
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, _end)
    signal.alarm(AT_MOST_S)
    configure_logging("error")
    local_broker.require()
    began = time.monotonic()
    results: Results = {"rounds": ROUNDS, "before": machine()}
    aims: list[Aim] = []
    for name in wanted or list(PARTS):
        results[name] = PARTS[name]()
        aims += results[name].pop("aims", [])
    results["after"] = machine()
    results["aims"] = conclude(aims)
    loads = " -> ".join(str(results[when]["load"][0]) for when in ("before", "after"))
    speeds = " -> ".join(str(results[when]["calibration_ms"]) for when in ("before", "after"))
    say(f"  load {loads} on {results['before']['cores']} cores, calibration loop {speeds} ms")
    path = save(results, time.monotonic() - began)
    say(f"  written to {path.parent.name}/{path.name} after {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
