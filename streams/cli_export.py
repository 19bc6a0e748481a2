"""The command that hands a chain on in the form of a foreign standard."""

from pathlib import Path
from typing import Annotated

import typer

from supplytwin.schemas.errors import UsageError
from supplytwin.streams import exporting
from supplytwin.streams.cli_look import Db, entries_of
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
    entries, damage, common = entries_of(context, chain, db, journal)
    if damage is not None:
        raise UsageError(f"not exported: {damage}")
    made = exporting.export(chain, form, entries, common)
    if output is None:
        typer.echo(made.document.decode(), nl=False)
    else:
        output.write_bytes(made.document)
    err.print(f"{made.events} events; left out: {sum(made.left_out.values())}")
    for what, number in sorted(made.left_out.items()):
        err.print(f"  {number:>6}  {what}")
