"""Commands that feed: real deliveries, simulated chains; and the demo that does everything at
once.
"""

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from supplytwin.processors import epcis as epcis_facts
from supplytwin.processors import scms as scms_timeline
from supplytwin.processors import simulate as simulated_chains
from supplytwin.schemas import scms as scms_file
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.events import SUPPLY_TOPICS
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, check_chain_id
from supplytwin.streams import demo as demo_run
from supplytwin.streams import epcis_feed, framed, topics
from supplytwin.streams.cli_run import AsJson, connect, emit_json, err, out
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.drawing import bar
from supplytwin.streams.ports import Broker
from supplytwin.streams.show import iso

_UNITS = {"d": DAY_US, "h": HOUR_US, "m": 60 * SECOND_US, "s": SECOND_US}
_SHOWN = 12
"""Names that a line of a summary shows."""
feed_app = typer.Typer(no_args_is_help=True, help="Sources of events.")


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(feed_app, name="feed")
    app.command()(demo)


def interval(text: str) -> int:
    """`7d`, `12h`, `30m`, `10s` in us. Raises UsageError for anything else."""
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or int(number) < 1 or unit not in _UNITS:
        raise UsageError(f"--tick {text!r}: give a number and d, h, m or s, e.g. 7d")
    return int(number) * _UNITS[unit]


def own_timeline(broker: Broker) -> topics.Meta:
    """The META of a deployment in simulated time. Raises UsageError for one in wall-clock time."""
    meta = topics.require_meta(broker)
    if not meta.simulated:
        raise UsageError(
            "this deployment runs on wall-clock time: a feed with its own timeline needs one that "
            "was initialised with `supplytwin init --simulated`"
        )
    return meta


Tick = Annotated[str, typer.Option("--tick", help="Interval of the feed's own ticks, e.g. 7d.")]


@feed_app.command("scms")
def feed_scms(
    context: typer.Context,
    path: Annotated[Path | None, typer.Argument(help="CSV (default: the one shipped).")] = None,
    tick: Tick = "7d",
    chains: Annotated[int | None, typer.Option(help="Only the first N purchase orders.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play the SCMS deliveries on their own, conducted timeline (needs a simulated deployment)."""
    every = interval(tick)
    _, chosen = connect(context)
    try:
        meta = own_timeline(chosen.broker)
        rows = scms_file.read(path)
        messages = scms_timeline.timeline(demo_run.first_chains(rows, chains))
        total = len(messages)
        conductor = Conductor(chosen.broker, partitions=meta.partitions, timeline=meta.timeline)
        with bar(err, as_json) as progress:
            task = progress.add_task("deliveries", total=total)

            def moved(sent: int, at: int) -> None:
                day = (iso(at) or "")[:10]
                progress.update(task, completed=sent, description=f"deliveries until {day}")

            played = conductor.play(messages, every, moved)
    finally:
        chosen.close()
    if as_json:
        emit_json(played)
        return
    out.print(f"{played.records} records in {played.rounds} rounds, until {iso(played.last_tick)}")
    for one in played.open_claims:
        out.print(f"open: {one.chain_id} {one.claim_id} is {one.state}: {one.reason}")


@feed_app.command("simulate")
def feed_simulate(
    context: typer.Context,
    chains: Annotated[int, typer.Option(min=1, help="How many chains.")],
    seed: Annotated[int, typer.Option(help="Same seed, same events.")] = 1,
    facts_per_chain: Annotated[int, typer.Option(min=10)] = 20,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share that arrives late.")] = 0.15,
    duplicates: Annotated[float, typer.Option(min=0, max=1)] = 0.0,
    corrections: Annotated[float, typer.Option(min=0, max=1)] = 0.0,
    revocations: Annotated[float, typer.Option(min=0, max=1)] = 0.0,
    ledger: Annotated[Path, typer.Option(help="Where to write what must be true.")] = Path(
        "ledger.json"
    ),
    tick: Tick = "1d",
    as_json: AsJson = False,
) -> None:
    """Make complete chains whose result is known, and write that result beside the feed."""
    every = interval(tick)
    made = simulated_chains.chains(
        chains,
        seed,
        facts_per_chain=facts_per_chain,
        late=late,
        duplicates=duplicates,
        corrections=corrections,
        revocations=revocations,
    )
    _, chosen = connect(context)
    try:
        meta = own_timeline(chosen.broker)
        expected = made.ledger
        ledger.write_bytes(msgspec.json.format(msgspec.json.encode(expected)))
        conductor = Conductor(chosen.broker, partitions=meta.partitions, timeline=meta.timeline)
        with bar(err, as_json) as progress:
            task = progress.add_task("chains", total=expected.messages)

            def moved(sent: int, at: int) -> None:
                day = (iso(at) or "")[:10]
                progress.update(task, completed=sent, description=f"chains until {day}")

            played = conductor.play(made.messages, every, moved)
    finally:
        chosen.close()
    if as_json:
        emit_json({"records": played.records, "ledger": str(ledger)})
    else:
        out.print(f"{played.records} records; what must be true at the end: {ledger}")


@feed_app.command("epcis")
def feed_epcis(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file, a folder of them, or - (stdin).")],
    chain: Annotated[
        str | None, typer.Option(help="Chain id of all events (default: what each names).")
    ] = None,
    source: Annotated[
        str, typer.Option(help="Who says so: one name for each repository, always the same.")
    ] = epcis_facts.SOURCE,
    look: Annotated[bool, typer.Option("--check", help="Only read; send nothing.")] = False,
    tick: Tick = "1d",
    as_json: AsJson = False,
) -> None:
    """Read EPCIS 2.0 (JSON-LD) and send its facts; what is wrong goes to the quarantine.

    Exit 1 when something was refused. In a simulated deployment the facts are played on their own
    record times, conducted.
    """
    every = interval(tick)
    if chain is not None:
        try:
            check_chain_id(chain)
        except RecordError as error:
            raise UsageError(f"--chain {error.reason}") from None
    reader = epcis_feed.Reader(source, chain)
    found = (
        message for name, raw in epcis_feed.files(path) for message in reader.messages(name, raw)
    )
    if look:
        deque(found, maxlen=0)
    else:
        _, chosen = connect(context)
        try:
            _send_epcis(chosen.broker, reader, found, every)
        finally:
            chosen.close()
    fed = reader.summary(sent=not look)
    if as_json:
        emit_json(fed)
    else:
        _tell_epcis(fed, "read" if look else "sent")
    if fed.refused:
        raise typer.Exit(1)


def _send_epcis(
    broker: Broker, reader: epcis_feed.Reader, found: Iterable[Message], every: int
) -> None:
    """At once; in simulated time what was refused first, then the facts, conducted."""
    meta = topics.require_meta(broker)
    framed.require(broker, SUPPLY_TOPICS)
    producer = broker.producer(None)
    try:
        if meta.simulated:
            found = sorted(found, key=lambda message: message.arrival)
            first = found[0].arrival if found else 0
            epcis_feed.send_refused(producer, reader, first)
        else:
            epcis_feed.send(producer, found)
            epcis_feed.send_refused(producer, reader, None)
        producer.flush()
    finally:
        producer.close()
    if meta.simulated and found:
        conductor = Conductor(broker, partitions=meta.partitions, timeline=meta.timeline)
        conductor.play(found, every)


def _tell_epcis(fed: epcis_feed.Fed, done: str) -> None:
    facts = sum(fed.facts.values())
    out.print(
        f"{fed.documents} documents: {fed.events} events accepted ({fed.corrections} error "
        f"declarations), {facts} facts {done}; {len(fed.refused)} refused"
    )
    for title, counts in (("facts", fed.facts), ("kept, but without a type of ours", fed.unmapped),
                          ("fields kept in the original only", fed.body_only)):  # fmt: skip
        if counts:
            said = [f"{name} {count}" for name, count in counts.items()]
            more = f" and {len(said) - _SHOWN} more (--json)" if len(said) > _SHOWN else ""
            out.print(f"{title}: {', '.join(said[:_SHOWN])}{more}")
    for one in fed.refused:
        where = f"quarantined under {one.key}" if one.sent else "not sent"
        out.print(f"refused: {one.file}: {one.field or 'document'}: {one.reason} ({where})")


def demo(
    context: typer.Context,
    broker: Annotated[str, typer.Option(help="auto | kafka | memory")] = "auto",
    chains: Annotated[int | None, typer.Option(min=1, help="Only the first N chains.")] = None,
    directory: Annotated[Path, typer.Option("--dir", help="Where the results go.")] = Path(
        "supplytwin-demo"
    ),
    keep: Annotated[bool, typer.Option(help="Keep the broker's data.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ten years of real deliveries through a broker: twins, footprints, payments, SQL."""
    settings = context.obj.settings()
    with bar(err, as_json) as progress:
        task = progress.add_task("starting", total=None)

        def moved(what: str, done: int, total: int | None) -> None:
            progress.update(task, description=what, completed=done, total=total)

        summary = demo_run.run(
            settings, want=broker, chains=chains, directory=directory, keep=keep, report=moved
        )
    if as_json:
        emit_json(summary)
    else:
        demo_run.tell(summary, out)
