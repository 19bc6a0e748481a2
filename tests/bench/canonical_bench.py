"""The first bench: the canonical work on ours, the bare floor and the peers, interleaved."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import latency
import peers
from canonical import events, expected
from kafka_tools import create, digest, digest_of, drop, fill, fresh, prepare
from measure import median, once, say
from report import Aim, table

COUNT = 200_000
"""Events of one run of ours and of the floor."""
BATCH = 5_000
OTHER_BATCHES = (500, 1_000)
SOURCE, LONG_SOURCE = "bench-in", "bench-in-long"
NOT_COMPARED = {"bare read", "restore"}
Runs = dict[str, list[dict[str, Any]]]


class Bench:
    """One broker with the input; runs of every engine collect in `runs`."""

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.runs: Runs = {}
        self._made = list(events(COUNT))
        records = [(one.key, one.value) for one in self._made]
        create(address, (SOURCE,))
        fill(address, SOURCE, records)
        self.bytes_mean = round(sum(len(value) for _, value in records) / COUNT, 1)
        self.peers = peers.available()
        if "kstreams" in self.peers:
            create(address, (LONG_SOURCE,))
            fill(address, LONG_SOURCE, records, -(-peers.STRETCHES[-1] // COUNT))
        self.task = peers.Task(address, SOURCE, LONG_SOURCE, folder)
        self._last = ""

    def round(self, number: int, rounds: int) -> None:
        """Every engine once."""
        say(f"canonical work, round {number + 1} of {rounds}")
        self._floor()
        self._ours(BATCH, check=number == 0, keep=True)
        if number < 3:
            for batch in OTHER_BATCHES:
                self._ours(batch)
        for name in self.peers:
            found, out = self.task.run(name)
            if name == "kstreams" and number == 0:
                repeats = -(-peers.STRETCHES[-1] // COUNT)
                self._compare(name, out, repeats)
            self._note(name, found)
            drop(self.address, out.removesuffix("out"))

    def _note(self, name: str, found: dict[str, Any]) -> None:
        self.runs.setdefault(name, []).append(found)
        say(f"  {name:12} {found['events_per_cpu_s']:>9,} per CPU-s"
            f" {found['events_per_s']:>9,} per s")  # fmt: skip

    def _compare(self, name: str, out: str, repeats: int = 1) -> None:
        """The same answers, or the comparison says nothing."""
        found, wanted = digest_of(self.address, out), digest(expected(self._made, repeats))
        assert found == wanted, f"{name}: its outputs are wrong: {found}, must be {wanted}"

    def _floor(self) -> None:
        prefix = fresh("floor")
        create(self.address, (prefix + "out",))
        found = once(
            "floor", address=self.address, source=SOURCE, out=prefix + "out", count=COUNT,
            batch=BATCH,
        )  # fmt: skip
        self._note("floor", found)
        drop(self.address, prefix)

    def _ours(self, batch: int, *, check: bool = False, keep: bool = False) -> None:
        prefix = fresh("ours")
        prepare(self.address, prefix, SOURCE)
        found = once(
            "worker", address=self.address, prefix=prefix, source=SOURCE, count=COUNT, batch=batch
        )
        assert not found["fallbacks"], "good batches were decoded one by one"
        if check:
            self._compare("ours", prefix + "out")
        self._note("ours" if batch == BATCH else f"ours/{batch}", found)
        if keep and self._last:
            drop(self.address, self._last)
        if keep:
            self._last = prefix
        else:
            drop(self.address, prefix)

    def restore(self, rounds: int) -> None:
        """Bare read and restore of the last journal, interleaved."""
        for _ in range(rounds):
            bare = once("bare_read", address=self.address, topic=self._last + "journal")
            assert bare["events"] == COUNT, bare
            self._note("bare read", bare)
            own = once("restore", address=self.address, prefix=self._last, source=SOURCE)
            assert own["events"] == COUNT, own
            self._note("restore", own)

    def half_load(self) -> dict[str, Any]:
        """Latency at half of what ours does per second of wall time here."""
        rate = self.middle("ours", "events_per_s") / 2
        say(f"canonical work, latency at {rate:,.0f} events/s")
        return latency.canonical(self.address, rate, BATCH)

    def middle(self, name: str, figure: str = "events_per_cpu_s") -> float:
        """Median of one figure of an engine."""
        return median(run[figure] for run in self.runs[name])


def ratio(one: list[float], other: list[float]) -> float | None:
    """Median of the ratios round by round: both were measured one after the other."""
    pairs = list(zip(one, other, strict=False))
    return median(a / b for a, b in pairs) if pairs else None


def _values(runs: Iterable[dict[str, Any]], *path: str) -> list[float]:
    found = []
    for run in runs:
        value: Any = run
        for step in path:
            value = value[step]
        found.append(float(value))
    return found


def aims(runs: Runs) -> list[Aim]:
    """What the canonical work has to reach."""
    ours = _values(runs["ours"], "events_per_cpu_s")
    found = []
    for name, what, path, least, good in (
        ("kstreams", "ours / warm Kafka Streams", ("events_per_cpu_s",), 0.5, 0.8),
        ("kstreams", "ours / cold Kafka Streams", ("cold", "events_per_cpu_s"), 1.5, None),
        ("quix", "ours / Quix", ("events_per_cpu_s",), 3.0, None),
        ("faust", "ours / Faust", ("events_per_cpu_s",), 20.0, None),
    ):
        value = ratio(ours, _values(runs.get(name, ()), *path))
        found.append(Aim(what, value, least, good))
    restored = ratio(
        _values(runs["restore"], "events_per_cpu_s"), _values(runs["bare read"], "events_per_cpu_s")
    )
    found.append(Aim("restore / bare read, canonical journal", restored, 0.4))
    return found


def show(bench: Bench, half: dict[str, Any]) -> None:
    """The table of the canonical work."""
    ours = _values(bench.runs["ours"], "events_per_cpu_s")
    rows: list[tuple[Any, ...]] = []
    for name, runs in bench.runs.items():
        own = _values(runs, "events_per_cpu_s")
        rows.append(
            (
                name, bench.middle(name), bench.middle(name, "events_per_s"),
                None if name in NOT_COMPARED else ratio(ours, own),
                runs[-1].get("records_per_batch"), runs[-1].get("rss_mb"),
            )
        )  # fmt: skip
    colds = [run["cold"]["events_per_cpu_s"] for run in bench.runs.get("kstreams", ())]
    if colds:
        walls = [run["cold"]["events_per_s"] for run in bench.runs["kstreams"]]
        rows.append(("kstreams cold", median(colds), median(walls), ratio(ours, colds), None, None))
    head = ("canonical work", "per CPU-s", "per s", "ours / it", "batch", "RSS MB")
    table(f"Medians of {len(ours)} interleaved rounds; {COUNT:,} events a round", head, rows)
    table(
        "Latency at half load (produce() -> visible, read_committed)",
        ("", "events/s", "p50 ms", "p95 ms", "p99 ms"),
        [("ours", half["rate"], *(half.get(f"p{n}_ms") for n in (50, 95, 99)))],
    )
