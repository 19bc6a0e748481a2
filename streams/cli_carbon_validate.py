"""The command that checks anyone's footprints."""

from typing import Annotated

import typer

from supplytwin.processors import carbon_check
from supplytwin.processors.carbon_exchange import Profile
from supplytwin.schemas.errors import UsageError
from supplytwin.streams.cli_carbon import content
from supplytwin.streams.cli_run import AsJson, emit_json, out

_PROFILES: dict[str, Profile] = {"ileap": "ileap", "pact": "pact"}


def add(carbon_app: typer.Typer) -> None:
    """Add the command to the group of `supplytwin carbon`."""
    carbon_app.command()(validate)


def validate(
    file: Annotated[str, typer.Argument(help="JSON of iLEAP or PACT; - reads standard input.")],
    profile: Annotated[
        str | None,
        typer.Option(help="Which standard counts where they differ: ileap or pact."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check shape and numbers of a footprint; exit 1 when there is a finding."""
    if profile is not None and profile not in _PROFILES:
        raise UsageError(f"no profile {profile}: say --profile ileap or --profile pact")
    report = carbon_check.check(content(file), None if profile is None else _PROFILES[profile])
    if as_json:
        emit_json(report)
    else:
        _tell(report)
    if report.findings:
        raise typer.Exit(1)


def _tell(report: carbon_check.Report) -> None:
    for one in report.documents:
        out.print(f"{one.path}: {one.kind}")
    for found in report.findings:
        out.print(f"{found.code} {found.path}", style="red")
        if found.stated is not None:
            delta = "" if found.delta is None else f", delta {found.delta}"
            out.print(f"  stated {found.stated}, expected {found.expected}{delta}")
        out.print(f"  {found.says}")
    for text in report.unchecked:
        out.print(f"not checked: {text}", style="dim")
    out.print(f"findings: {len(report.findings)}", style="red" if report.findings else "green")
