"""Commands that check and repair a deployment: audit, offsets."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from supplytwin.streams import audit_run, offsets, topics
from supplytwin.streams.audit import Audited
from supplytwin.streams.cli_run import AsJson, connect, emit_json, err, out
from supplytwin.streams.drawing import bar, folding

offsets_app = typer.Typer(no_args_is_help=True, help="Where worker and gateway read on.")


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(offsets_app, name="offsets")
    app.command()(audit)


@contextmanager
def _reading(quiet: bool) -> Iterator[audit_run.Progress]:
    """A progress bar for each partition that is read."""
    with bar(err, quiet) as progress:
        task = progress.add_task("reading", total=None)

        def moved(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        yield moved


def audit(
    context: typer.Context,
    since: Annotated[
        dt.datetime | None, typer.Option(help="Recompute only what was taken since then (UTC).")
    ] = None,
    chain: Annotated[str | None, typer.Option(help="Only this chain.")] = None,
    db: Annotated[Path | None, typer.Option("--db", help="Compare this DuckDB file, too.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fold the journal again, recompute every decision, compare every output. Exit 1 = differs."""
    _, chosen = connect(context)
    start = 0 if since is None else int(since.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
    try:
        meta = topics.require_meta(chosen.broker)
        with _reading(as_json) as progress:
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
        with _reading(as_json) as progress:
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
