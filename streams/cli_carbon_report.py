"""The command that makes the report of footprints that people read."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from supplytwin.processors import carbon_packs
from supplytwin.processors.carbon_selection import Consignment, Selection, chosen, consignments
from supplytwin.processors.carbon_whole_report import Beside, Report, report
from supplytwin.schemas import codec, factors
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.factor_form import Pack
from supplytwin.schemas.records import CONTROL, Control
from supplytwin.sinks.carbon_records import CarbonRecords, read
from supplytwin.streams import carbon_page
from supplytwin.streams.cli_carbon import spelt
from supplytwin.streams.cli_look import Db, database
from supplytwin.streams.cli_run import AsJson, emit_json, err

_SHOWN = 8


def add(carbon_app: typer.Typer) -> None:
    """Add the command to the group of `supplytwin carbon`."""
    carbon_app.command("report")(report_command)


def report_command(
    context: typer.Context,
    chain: Annotated[str | None, typer.Argument(help="A chain id (default: all).")] = None,
    lane: Annotated[
        str | None, typer.Option(help="FROM-TO: where transport begins and ends.")
    ] = None,
    month: Annotated[str | None, typer.Option(help="YYYY-MM in which transport ended.")] = None,
    year: Annotated[str | None, typer.Option(help="YYYY in which transport ended.")] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="YYYY to compare --year with (default: the year before, if it is there)."
        ),
    ] = None,
    db: Db = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the page there.")] = None,
    as_json: AsJson = False,
) -> None:
    """Report footprints by ISO 14083 as one HTML page: totals, data quality, factors, gaps."""
    _check(month, year, baseline)
    if out is None and not as_json:
        raise UsageError("say --out FILE.html, --json, or both")
    path = database(context, db)
    if out is not None and out.resolve() == path.resolve():
        raise UsageError(f"--out {out} is the database: give another file")
    selection = Selection(chain_id=chain, lane=lane, year=year, month=month)
    made = of_file(path, selection, baseline)
    if out is not None:
        out.write_text(carbon_page.page(made), "utf-8")
        err.print(f"{out}: {made.computed} of {made.consignments} consignments are in the totals")
    if as_json:
        emit_json(spelt(made))


def of_file(path: Path, selection: Selection, baseline: str | None = None) -> Report:
    """The report of a DuckDB file. Raises UsageError when the selection has no footprints."""
    held = read(path, selection.chain_id)
    every = consignments(held.footprints, held.legs)
    if not chosen(every, selection):
        raise UsageError(_why_none(path, held, every, selection))
    beside = Beside(
        without_footprint=held.without_footprint, unreadable=held.unreadable, as_of=held.as_of
    )
    return report(every, selection, baseline, packs_at_hand(held.controls), beside)


def packs_at_hand(controls: Iterable[bytes]) -> list[Pack]:
    """The built-in packs, and those that the journal has whole because they were put in force. Of
    several of one name none is taken: nobody could say which one a footprint means.
    """
    found = {name: [factors.load(file)] for name, file in factors.BUILT_IN.items()}
    for raw in controls:
        control = codec.decode(CONTROL, raw).message
        assert isinstance(control, Control)
        for rule in carbon_packs.rules_of(control) or ():
            for pack in carbon_packs.shelf(rule.packs).chosen:
                same = found.setdefault(pack.name, [])
                same += [] if pack in same else [pack]
    return [same[0] for same in found.values() if len(same) == 1]


def _check(month: str | None, year: str | None, baseline: str | None) -> None:
    if month is not None and year is not None:
        raise UsageError("give --month or --year, not both")
    if month is not None and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month, re.ASCII):
        raise UsageError(f"{month!r} is no month: write YYYY-MM, e.g. 2025-03")
    for name, value in (("--year", year), ("--baseline", baseline)):
        if value is not None and not re.fullmatch(r"\d{4}", value, re.ASCII):
            raise UsageError(f"{name} {value!r} is no year: write YYYY, e.g. 2025")
    if baseline is not None and (year is None or baseline == year):
        raise UsageError("--baseline is compared with --year: say that, and another one")


def _why_none(
    path: Path, held: CarbonRecords, every: tuple[Consignment, ...], selection: Selection
) -> str:
    """What to look for instead."""
    where = carbon_page.title(selection)
    if not held.known and selection.chain_id is not None:
        return f"no chain {selection.chain_id!r} in {path}"
    if not every:
        gone = f", {held.without_footprint} consignments without one"
        return f"no footprints in {path} for {where}{gone if held.without_footprint else ''}"
    if selection.lane is not None:
        of_lane = Selection(chain_id=selection.chain_id, lane=selection.lane)
        if not chosen(every, of_lane):
            lanes = sorted({one.lane for one in every if one.lane is not None})
            some = "; ".join(lanes[:_SHOWN]) or "none is known"
            more = f"; and {len(lanes) - _SHOWN} more" if len(lanes) > _SHOWN else ""
            return f"no lane {selection.lane!r} in {path}: there are {some}{more}"
    ends = sorted(one.footprint.period_last or "" for one in every)
    undated = sum(not end for end in ends)
    span = f"{ends[undated]} to {ends[-1]}" if undated < len(ends) else "none is dated"
    return f"no footprints for {where}: transport ended {span}; {undated} have no dates"
