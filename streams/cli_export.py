"""The command that hands a chain on in the form of a foreign standard."""

from pathlib import Path
from typing import Annotated

import typer

from supplytwin.schemas.errors import UsageError
from supplytwin.sinks.query import journal_entries, schema_entries
from supplytwin.streams import exporting
from supplytwin.streams import show as twin_show
from supplytwin.streams.cli_look import Db, database
from supplytwin.streams.cli_run import err


def add(app: typer.Typer) -> None:
    """Register the command of this module."""
    app.command("export")(export)


def export(
    context: typer.Context,
    chain: Annotated[str, typer.Argument(help="Chain id, e.g. BKG:ABC709951.")],
    form: Annotated[
        str,
        typer.Option("--format", help="epcis: its history, 2.0; dcsa: the shipment part, 3.0.0."),
    ],
    db: Db = None,
    journal: Annotated[Path | None, typer.Option(help="An exported journal instead.")] = None,
    output: Annotated[Path | None, typer.Option(help="A file (default: standard output).")] = None,
) -> None:
    """Write a chain as a document of a foreign standard; what has no place there is counted."""
    if db is not None and journal is not None:
        raise UsageError("give --db or --journal, not both")
    if journal is not None:
        entries, damage = twin_show.from_file(journal, chain)
        schemas = twin_show.schemas_from_file(journal)
    else:
        entries, damage = journal_entries(database(context, db), chain)
        schemas = [] if damage is not None else schema_entries(database(context, db))
    if damage is not None:
        raise UsageError(f"not exported: {damage}")
    if not entries:
        raise UsageError(f"no chain {chain!r} in {journal or database(context, db)}")
    made = exporting.export(chain, form, entries, schemas)
    if output is None:
        typer.echo(made.document.decode(), nl=False)
    else:
        output.write_bytes(made.document)
    err.print(f"{made.events} events; left out: {sum(made.left_out.values())}")
    for what, number in sorted(made.left_out.items()):
        err.print(f"  {number:>6}  {what}")
