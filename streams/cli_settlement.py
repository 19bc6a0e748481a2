"""Commands about claims and their money: settlement list, show, explain; the acts of people; simulate."""

from pathlib import Path
from typing import Annotated

import typer

from supplytwin.streams import settlement_run, settlement_tell
from supplytwin.streams.cli_run import AsJson, emit_json, err

settlement_app = typer.Typer(
    no_args_is_help=True, help="Claims: where they stand and why, the acts of people, cases."
)


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(settlement_app, name="settlement")


@settlement_app.command("simulate")
def simulate(
    contract: Annotated[Path, typer.Argument(help="The terms, as JSON.")],
    events: Annotated[Path, typer.Argument(help="What happens: JSON lines, in this order.")],
    as_json: AsJson = False,
) -> None:
    """Run a case through the fold that decides, without Kafka: every transition, posting,
    instruction, alarm and refusal. Exit 1 = something was refused, 2 = it cannot be read.
    """
    try:
        ran = settlement_run.run(contract, events)
    except settlement_run.Unreadable as error:
        if as_json:
            emit_json({"error": str(error), "findings": error.findings})
        else:
            for line in error.lines:
                err.print(line)
        raise
    if as_json:
        emit_json(ran)
    else:
        settlement_tell.simulated(ran)
    if ran.refused:
        raise typer.Exit(1)


@settlement_app.callback()
def _settlement() -> None:
    """Claims: where they stand and why, the acts of people, cases."""
