"""`supplytwin twin spans`: the table behind the macros twin_at, twin_as_of and twin_known_at."""

import typer

from supplytwin.schemas.errors import UsageError
from supplytwin.sinks.query import live_endpoint, open_read_only
from supplytwin.streams import deployment
from supplytwin.streams.cli_look import Db, database, twin_app
from supplytwin.streams.cli_run import AsJson, emit_json, err, out
from supplytwin.streams.drawing import bar


def add() -> None:
    """Register the command of this module."""
    twin_app.command()(spans)


def spans(context: typer.Context, db: Db = None, as_json: AsJson = False) -> None:
    """Bring table twin_span of a file up to date: then SQL can ask for any two times.

    A running sink does that by itself, in a tenth of its time.
    """
    path = database(context, db)
    if live_endpoint(path) is not None:
        raise UsageError(
            f"{path} is open in the running sink, which brings it up to date by itself; ask "
            "`FROM twin_span_behind` how far it is"
        )
    open_read_only(path).close()  # nothing is written into what is no file of the sink
    sink, spanned = deployment.spanning(path)
    try:
        with bar(err, quiet=as_json) as progress:
            *_, behind = spanned.counts()
            task = progress.add_task("chains", total=behind)
            for left in spanned.complete():
                progress.update(task, completed=behind - left)
            progress.update(task, completed=behind)
        chains, rows, behind = spanned.counts()
    finally:
        sink.close()
    if as_json:
        emit_json({"chains": chains, "spans": rows, "behind": behind})
    else:
        out.print(f"{rows} spans of {chains} chains; {behind} chains are behind")
    if behind:
        raise typer.Exit(1)
