"""Commands that feed: real deliveries, documents of others, simulated chains; and the demo that
does everything at once.
"""

import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from msgspec.structs import replace

from supplytwin.processors import customs
from supplytwin.processors import scms as scms_timeline
from supplytwin.processors import simulate as simulated_chains
from supplytwin.processors.feeds import Given
from supplytwin.processors.twin import FUTURE_US
from supplytwin.schemas import scms as scms_file
from supplytwin.schemas.dcsa_fields import TEXT_MAX
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.ids import DAY_US, HOUR_US, SECOND_US, Micros, check_chain_id
from supplytwin.schemas.money import exponent
from supplytwin.schemas.rfc3339 import moment
from supplytwin.streams import demo as demo_run
from supplytwin.streams import feeding, topics
from supplytwin.streams.cli_carbon import typed_number
from supplytwin.streams.cli_run import AsJson, connect, emit_json, err, out
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.drawing import bar
from supplytwin.streams.ports import Broker
from supplytwin.streams.show import iso

SHOWN_MAX = 20
"""So many refusals are shown one by one; all of them are in the quarantine."""
_UNITS = {"d": DAY_US, "h": HOUR_US, "m": 60 * SECOND_US, "s": SECOND_US}
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


Documents = Annotated[
    str, typer.Argument(metavar="PATH|-", help="A file, a folder of them; - = standard input.")
]
Chain = Annotated[
    str | None, typer.Option(help="The chain of everything in it (default: as it says itself).")
]
Source = Annotated[
    str | None, typer.Option(help="Who it is from, where it does not say so itself.")
]
Check = Annotated[bool, typer.Option("--check", help="Only read and count; send nothing.")]


@feed_app.command("dcsa")
def feed_dcsa(
    context: typer.Context,
    path: Documents,
    chain: Chain = None,
    source: Source = None,
    look: Check = False,
    as_json: AsJson = False,
) -> None:
    """Take DCSA Track & Trace documents (2.2, or 3.0.0 in either spelling). Exit 1 = refused."""
    _feed_documents(context, "dcsa", path, _given(chain, source), look, as_json)


@feed_app.command("epcis")
def feed_epcis(
    context: typer.Context,
    path: Documents,
    chain: Chain = None,
    source: Source = None,
    look: Check = False,
    as_json: AsJson = False,
) -> None:
    """Take EPCIS 2.0 (JSON-LD): documents or bare events. Exit 1 = something was refused."""
    _feed_documents(context, "epcis", path, _given(chain, source), look, as_json)


@feed_app.command("customs")
def feed_customs(
    context: typer.Context,
    path: Documents,
    chain: Chain = None,
    source: Source = None,
    currency: Annotated[str, typer.Option(help="Of the prices: the file has none.")] = "USD",
    recorded: Annotated[
        str | None, typer.Option(help="When the file was made, e.g. 2021-07-01T09:00:00+09:00.")
    ] = None,
    look: Check = False,
    as_json: AsJson = False,
) -> None:
    """Take import declarations in the form of the Korean set (CSV). Exit 1 = a row was refused."""
    try:
        exponent(currency)
    except RecordError as error:
        raise UsageError(f"--currency: {error.reason}") from None
    given = replace(_given(chain, source), currency=currency, recorded=_recorded(recorded))
    _feed_documents(context, "customs", path, given, look, as_json)


@feed_app.command("ileap")
def feed_ileap(
    context: typer.Context,
    path: Documents,
    chain: Chain = None,
    source: Source = None,
    recorded: Annotated[
        str | None, typer.Option(help="When it was stated, where it does not say so: iLEAP alone.")
    ] = None,
    share: Annotated[
        str | None, typer.Option(help="Percent of primary data by emissions, of iLEAP alone.")
    ] = None,
    look: Check = False,
    as_json: AsJson = False,
) -> None:
    """Take operators' footprints (iLEAP 1.0, alone or in PACT 2 or 3). Exit 1 = refused."""
    given = replace(
        _given(chain, source),
        recorded=_recorded(recorded),
        share_percent=typed_number(share, "--share"),
    )
    _feed_documents(context, "ileap", path, given, look, as_json)


def _recorded(text: str | None) -> Micros | None:
    """When a file was made, as it was typed."""
    try:
        made = None if text is None else moment(text).micros
        if made is not None:
            customs.check_recorded(made)
    except ValueError as error:
        raise UsageError(f"--recorded: {error}") from None
    except RecordError as error:
        raise UsageError(f"{error.field}: {error.reason}") from None
    return made


def _given(chain: str | None, source: str | None) -> Given:
    for option, value in (("--chain", chain), ("--source", source)):
        try:
            (value or "").encode()
        except UnicodeEncodeError:
            raise UsageError(f"{option}: must be UTF-8") from None
    try:
        if chain is not None:
            check_chain_id(chain)
    except RecordError as error:
        raise UsageError(f"--chain: {error.reason}") from None
    if source is not None and not 1 <= len(source) <= TEXT_MAX:
        raise UsageError(f"--source: must have 1 to {TEXT_MAX} characters")
    return Given(chain=chain, source=source)


def _feed_documents(
    context: typer.Context, name: str, path: str, given: Given, look: bool, as_json: bool
) -> None:
    """Read, send, and say what became of it."""
    feed, found = feeding.Feed(name, given), feeding.files(name, path)
    if look:
        simulated = context.obj.settings().time.simulated
        for file, data in found.documents:
            feed.read(file, data, simulated=simulated)
    else:
        _, chosen = connect(context)
        try:
            meta = topics.require_meta(chosen.broker)
            _check_clock(given, meta)
            with bar(err, as_json) as progress:
                task = progress.add_task("records", total=None)
                feed.send(
                    chosen.broker, meta, found.documents,
                    moved=lambda sent: progress.update(task, completed=sent),
                )  # fmt: skip
        finally:
            chosen.close()
    fed = feed.summary(sent=not look, not_read=found.not_read)
    if as_json:
        emit_json(fed)
    else:
        _tell_fed(fed)
    if fed.refused:
        raise typer.Exit(1)


def _check_clock(given: Given, meta: topics.Meta) -> None:
    """Raise UsageError when the worker would refuse each event as one of the future."""
    latest = time.time_ns() // 1_000 + FUTURE_US
    if not meta.simulated and given.recorded is not None and given.recorded > latest:
        raise UsageError(f"{customs.RECORDED}: is more than {FUTURE_US // HOUR_US} h ahead of now")


def _tell_fed(fed: feeding.Fed) -> None:
    kinds = ", ".join(f"{number} {kind}" for kind, number in fed.by_classifier.items())
    out.print(f"documents: {fed.documents}; accepted: {fed.accepted}")
    said = f" ({kinds})" if kinds else ""
    out.print(f"facts: {sum(fed.by_type.values())}{said}, corrections: {fed.corrections}")
    _tell_counts(fed.by_type)
    out.print(f"of the accepted without a place in our model: {sum(fed.unmapped.values())}")
    _tell_counts(fed.unmapped)
    if fed.body_only:
        out.print("fields that only the original keeps, in how many of the accepted:")
        _tell_counts(fed.body_only)
    out.print(f"refused: {len(fed.refused)}")
    for one in fed.refused[:SHOWN_MAX]:
        where = f"quarantined under {one.chain}" if one.sent else "not sent"
        said = f"{one.code} {one.field or 'document'}: {one.reason} ({where})"
        out.print(f"  {one.file}: {said}", style="red")
    if len(fed.refused) > SHOWN_MAX:
        out.print(f"  and {len(fed.refused) - SHOWN_MAX} more: give --json")
    if fed.not_read:
        out.print(f"files of the folder that were not read: {sum(fed.not_read.values())}")
        _tell_counts(fed.not_read)


def _tell_counts(counts: dict[str, int]) -> None:
    for name, number in counts.items():
        out.print(f"  {number:>6}  {name}")


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
