"""`supplytwin demo`: everything at once, on real deliveries, from an empty broker to SQL."""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from supplytwin.processors import scms as scms_timeline
from supplytwin.schemas import scms as scms_file
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.scms import Row, by_order
from supplytwin.streams import deployment, topics
from supplytwin.streams.broker_choice import Chosen, choose
from supplytwin.streams.children import Children
from supplytwin.streams.conductor import Conductor, Played
from supplytwin.streams.drawing import folding
from supplytwin.streams.settings import Settings, Time, as_environment
from supplytwin.streams.summary import Summary, summarise
from supplytwin.streams.topics import Meta

TIMELINE = "scms"
TICK_US = 7 * DAY_US
_SINK_S = 300.0
Report = Callable[[str, int, int | None], None]
"""(what goes on, done, of how many)."""


def first_chains(rows: Sequence[Row], chains: int | None) -> list[Row]:
    """The rows of the first `chains` purchase orders of the file; None = all."""
    if chains is None:
        return list(rows)
    wanted = {order for order, _ in list(by_order(rows))[:chains]}
    return [row for row in rows if row.order in wanted]


def settings_for(settings: Settings, directory: Path) -> Settings:
    """The settings of a demo: simulated time, results in `directory`."""
    return msgspec.structs.replace(
        settings,
        time=Time(simulated=True, timeline=TIMELINE),
        duck=msgspec.structs.replace(settings.duck, path=str(directory / "twin.duckdb")),
        gateway=msgspec.structs.replace(
            settings.gateway, ledger=str(directory / "simulated-rail.sqlite")
        ),
        snapshot=msgspec.structs.replace(settings.snapshot, dir=str(directory / "snapshots")),
    )


def prepare(directory: Path) -> None:
    """An empty place for the results; what an earlier demo left there goes."""
    directory.mkdir(parents=True, exist_ok=True)
    for pattern in ("twin.duckdb*", "simulated-rail.sqlite*"):
        for left in directory.glob(pattern):
            left.unlink()
    for folder in ("logs", "snapshots"):
        shutil.rmtree(directory / folder, ignore_errors=True)


def run(
    settings: Settings,
    *,
    want: str,
    chains: int | None,
    directory: Path,
    keep: bool,
    report: Report,
    arrange: Callable[[list[Message]], list[Message]] = list,
) -> Summary:
    """Play the deliveries and sum up. The broker that was started for it is stopped in any case."""
    prepare(directory)
    report("starting a broker", 0, None)
    started = time.monotonic()
    chosen = choose(settings, want, keep=keep)
    try:
        own = settings_for(settings, directory)
        topics.init(chosen.broker, own)
        meta = topics.require_meta(chosen.broker)
        rows = first_chains(scms_file.read(), chains)
        messages = arrange(scms_timeline.timeline(rows))
        play = _in_this_process if chosen.broker.kind == "memory" else _in_children
        played = play(chosen, own, meta, messages, directory, report)
        report("summing up", played.records, played.records)
        return summarise(
            chosen.broker,
            how=chosen.how,
            partitions=meta.partitions,
            database=Path(own.duck.path),
            played=played,
            seconds=time.monotonic() - started,
        )
    finally:
        chosen.close()


def _bar(report: Report, total: int) -> Callable[[int, int], None]:
    def moved(sent: int, at: int) -> None:
        day = time.strftime("%Y-%m-%d", time.gmtime(at // 1_000_000))
        report(f"deliveries until {day}", sent, total)

    return moved


def _in_children(
    chosen: Chosen,
    settings: Settings,
    meta: Meta,
    messages: list[Message],
    directory: Path,
    report: Report,
) -> Played:
    """Worker, gateway and sink as supervised processes; the feed is ours."""
    kafka = msgspec.structs.replace(settings.kafka, bootstrap=chosen.broker.address)
    environment = as_environment(msgspec.structs.replace(settings, kafka=kafka))
    children = Children(environment, directory / "logs")
    children.start("worker", "work", "--slot", "0")
    children.start("gateway", "gateway")
    children.start("sink", "sink", "duck")
    try:
        return _conduct(chosen, meta, messages, report, lambda: _rest(children))
    finally:
        children.stop()


def _rest(children: Children) -> None:
    children.tend()
    time.sleep(0.01)


def _in_this_process(
    chosen: Chosen,
    settings: Settings,
    meta: Meta,
    messages: list[Message],
    directory: Path,
    report: Report,
) -> Played:
    """The same parts, turned one after the other while the conductor waits for quiet."""
    broker = chosen.broker
    worker = deployment.worker(broker, settings, meta)
    gateway = deployment.gateway(broker, settings, meta)
    subscriber, _ = deployment.duck(broker, Path(settings.duck.path), meta)

    def pump() -> None:
        worker.turn(0.0)
        gateway.turn(0.0)
        subscriber.turn(0.0)

    try:
        return _conduct(chosen, meta, messages, report, pump)
    finally:
        worker.close()
        gateway.close()
        subscriber.close()


def _conduct(
    chosen: Chosen,
    meta: Meta,
    messages: list[Message],
    report: Report,
    pump: Callable[[], None],
) -> Played:
    conductor = Conductor(
        chosen.broker, partitions=meta.partitions, timeline=meta.timeline, pump=pump
    )
    played = conductor.play(messages, TICK_US, _bar(report, len(messages)))
    report("waiting for the sink", played.records, played.records)
    _await_sink(chosen, meta, pump)
    return played


def _await_sink(chosen: Chosen, meta: Meta, pump: Callable[[], None]) -> None:
    """Until the sink has committed the ends of all derived topics."""
    admin = chosen.broker.admin()
    wanted = topics.places(topics.DERIVED, meta.partitions)
    ends = admin.ends(wanted, "read_committed")
    deadline = time.monotonic() + _SINK_S
    while True:
        committed = admin.committed(topics.SINK_GROUP, wanted)
        behind = [at for at in wanted if (committed[at] or 0) < ends[at]]
        if not behind:
            break
        if time.monotonic() > deadline:
            at = behind[0]
            raise FatalError(f"the sink is behind in {at.topic} {at.partition}: see its log")
        pump()
    admin.close()


def tell(summary: Summary, out: Console) -> None:
    """The summary for people."""
    plain: dict[str, Any] = msgspec.structs.asdict(summary)
    drawn = folding("", "", show_header=False)
    for name in (
        "broker", "chains", "consignments", "lines", "events_in", "journal_entries", "quarantined",
        "duration_s",
    ):  # fmt: skip
        drawn.add_row(name.replace("_", " "), f"{plain[name]}")
    carbon = summary.carbon
    drawn.add_row("t CO2e (well to wheel)", f"{carbon.tonnes_co2e}")
    not_computed = ", ".join(f"{code} {n}" for code, n in carbon.why_not.items())
    drawn.add_row(
        "footprints not computed",
        f"{carbon.not_computed} of {carbon.consignments} ({carbon.share_not_computed}): "
        f"{not_computed}",
    )
    for one in (*summary.instructed, *summary.settlements):
        drawn.add_row(
            f"settlements {one.state}", f"{one.claims} claims, {one.amount} {one.currency}"
        )
    drawn.add_row("hash of all states", summary.hash_states)
    drawn.add_row("hash of all payments", summary.hash_settlements)
    drawn.add_row("database", summary.database)
    out.print(drawn)
    for claim in summary.open_claims[:20]:
        out.print(f"open: {claim.chain_id} {claim.claim_id} is {claim.state}: {claim.reason}")
    out.print("Try:")
    for query in summary.queries:
        out.print(f"  {query}")
