"""Commands that check and repair a deployment: audit, offsets."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.records import Quarantined
from supplytwin.streams import audit_run, offsets, redrive, topics
from supplytwin.streams import upgrade as restatements
from supplytwin.streams.audit import Audited
from supplytwin.streams.cli_look import quarantine_app
from supplytwin.streams.cli_run import AsJson, connect, emit_json, err, out
from supplytwin.streams.drawing import bar, folding
from supplytwin.streams.moments import moment
from supplytwin.streams.ports import Broker

Who = Annotated[str, typer.Option(help="Who does this: stands in the journal.")]
Role = Annotated[str, typer.Option(help="In which role.")]
Reason = Annotated[str, typer.Option(help="Why.")]
policy_app = typer.Typer(no_args_is_help=True, help="Control data: who may speak on which topic.")
offsets_app = typer.Typer(no_args_is_help=True, help="Where worker and gateway read on.")


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(offsets_app, name="offsets")
    app.add_typer(policy_app, name="policy")
    quarantine_app.command("release")(quarantine_release)
    quarantine_app.command("drop")(quarantine_drop)
    app.command()(audit)
    app.command()(upgrade)


@contextmanager
def reading(quiet: bool) -> Iterator[audit_run.Progress]:
    """A progress bar for each partition that is read."""
    with bar(err, quiet) as progress:
        task = progress.add_task("reading", total=None)

        def moved(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        yield moved


def audit(
    context: typer.Context,
    since: Annotated[
        str | None,
        typer.Option(
            help="Recompute only what was taken since then: a date (its start, UTC) or an "
            "RFC 3339 time."
        ),
    ] = None,
    chain: Annotated[str | None, typer.Option(help="Only this chain.")] = None,
    db: Annotated[Path | None, typer.Option("--db", help="Compare this DuckDB file, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fold the journal again, recompute every decision, compare every output. Exit 1 = differs."""
    start = 0 if since is None else moment("--since", since, of_date="start")
    try:
        _, chosen = connect(context)
    except UsageError as error:
        raise UsageError(f"an audit needs the Kafka that has the journal: {error}") from None
    try:
        meta = topics.require_meta(chosen.broker)
        with reading(as_json) as progress:
            found = audit_run.run(
                chosen.broker, meta, progress, since=start, only=chain, database=db
            )
    finally:
        chosen.close()
    if as_json:
        emit_json(found)
    else:
        _tell(found)
    if found.differences:
        raise typer.Exit(1)


def _tell(found: Audited) -> None:
    drawn = folding("", "", show_header=False)
    drawn.add_row("journal entries", str(found.entries))
    drawn.add_row("chains", str(found.chains))
    drawn.add_row("decisions recomputed", str(found.decisions))
    for version, entries in sorted(found.other_versions.items()):
        drawn.add_row(f"taken by fold {version}", f"{entries} entries: hashes and postings checked")
    for name, number in (*sorted(found.derived.items()), *sorted(found.tables.items())):
        drawn.add_row(name, f"{number} compared")
    out.print(drawn)
    for one in found.differences:
        out.print(f"{one.place}: {one.says}", style="red")
    if found.suppressed:
        out.print(f"and {found.suppressed} more differences", style="red")
    if not found.differences:
        out.print("equal", style="green")


@offsets_app.command("restore")
def offsets_restore(
    context: typer.Context,
    from_journal: Annotated[
        bool, typer.Option("--from-journal", help="Behind the last input that had an effect.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Give worker and gateway back the offsets that they have lost; what they have stays."""
    if not from_journal:
        raise typer.BadParameter("say --from-journal: there is no other source")
    _, chosen = connect(context)
    try:
        meta = topics.require_meta(chosen.broker)
        with reading(as_json) as progress:
            given = offsets.restore(chosen.broker, meta, progress)
    finally:
        chosen.close()
    if as_json:
        emit_json({"given": given})
        return
    for one in given:
        out.print(f"{one.group} {one.topic} {one.partition}: {one.offset}")
    out.print(f"{len(given)} offsets given back" if given else "no offset is missing")


@offsets_app.callback()
def _offsets() -> None:
    """Where worker and gateway read on."""


@contextmanager
def _found(
    context: typer.Context, topic: str, partition: int, offset: int
) -> Iterator[tuple[Broker, topics.Meta, Quarantined]]:
    """(broker, deployment, the record that was refused at that place) while the body runs."""
    _, chosen = connect(context)
    try:
        meta = topics.require_meta(chosen.broker)
        with reading(quiet=False) as progress:
            found = redrive.find(chosen.broker, meta, topic, partition, offset, progress)
        yield chosen.broker, meta, found
    finally:
        chosen.close()


def quarantine_release(
    context: typer.Context,
    topic: Annotated[str, typer.Argument()],
    partition: Annotated[int, typer.Argument()],
    offset: Annotated[int, typer.Argument()],
    who: Who,
    reason: Reason,
    role: Role = "OPERATOR",
    body: Annotated[
        Path | None, typer.Option(help="A corrected body (the bytes of this file) instead.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="A corrected key: the chain_id.")] = None,
) -> None:
    """Send a refused record again, as it was or corrected; its chain's claims go on."""
    with _found(context, topic, partition, offset) as (broker, meta, found):
        act = redrive.Act(who=who, role=role, reason=reason)
        value = None if body is None else body.read_bytes()
        redrive.release(broker, meta, found, act, body=value, key=key)
    out.print(f"released: sent to {topic} again; a record that is still wrong comes back")


def quarantine_drop(
    context: typer.Context,
    topic: Annotated[str, typer.Argument()],
    partition: Annotated[int, typer.Argument()],
    offset: Annotated[int, typer.Argument()],
    who: Who,
    reason: Reason,
    role: Role = "OPERATOR",
) -> None:
    """Leave a refused record out for good; its chain's claims go on."""
    with _found(context, topic, partition, offset) as (broker, meta, found):
        redrive.drop(broker, meta, found, redrive.Act(who=who, role=role, reason=reason))
    out.print("dropped")


@policy_app.command("publish")
def policy_publish(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help='JSON: {"sources": [{topic, source, ...}]}.')],
    who: Who,
    reason: Reason,
    role: Role = "OPERATOR",
) -> None:
    """Put a policy in force on every partition: it replaces the one before it."""
    _, chosen = connect(context)
    try:
        meta = topics.require_meta(chosen.broker)
        act = redrive.Act(who=who, role=role, reason=reason)
        name = redrive.publish_policy(chosen.broker, meta, file, act, time.time_ns() // 1000)
    finally:
        chosen.close()
    out.print(f"in force: {name}")


def upgrade(
    context: typer.Context,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would change.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Say it again, marked.")] = False,
    as_json: AsJson = False,
) -> None:
    """After an installation whose fold says old facts otherwise: list the chains, or restate them.

    No payment is recalled by it: where the new fold disagrees with money, a review is raised.
    """
    if plan == apply:
        raise UsageError("say --plan or --apply")
    restated = 0
    found: restatements.Plan | None = None
    _, chosen = connect(context)
    try:
        meta = topics.require_meta(chosen.broker)
        with reading(as_json) as progress:
            if apply:
                restated = restatements.apply(chosen.broker, meta, progress)
            else:
                found = restatements.plan(chosen.broker, meta, progress)
    finally:
        chosen.close()
    if found is not None and as_json:
        emit_json(found)
    elif found is not None:
        _tell_plan(found)
    elif as_json:
        emit_json({"restated": restated})
    else:
        out.print(f"{restated} chains restated")


def _tell_plan(found: restatements.Plan) -> None:
    wrote = ", ".join(f"{n} by fold {version}" for version, n in found.taken_by.items())
    out.print(f"this is fold {found.to}; partition numbers last written: {wrote or 'none'}")
    drawn = folding(
        "chain", "states", "milestones", "exceptions", "footprints", "payments to review"
    )
    for one in found.chains:
        drawn.add_row(
            one.chain_id, str(len(one.states)), str(one.milestones), str(one.exceptions),
            str(one.footprints), ", ".join(one.reviews),
        )  # fmt: skip
    out.print(drawn if found.chains else "nothing is said otherwise")


@policy_app.callback()
def _policy() -> None:
    """Control data: who may speak on which topic."""
