"""The command that hands footprints on as documents of iLEAP and PACT."""

import hashlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, NoReturn
from urllib.parse import quote

import typer
from msgspec.structs import replace

from supplytwin.processors.carbon_chain import calculate
from supplytwin.processors.carbon_exchange import Form
from supplytwin.processors.carbon_export import export as leaving
from supplytwin.processors.carbon_export import shipments
from supplytwin.processors.carbon_factors import Shelf
from supplytwin.processors.carbon_statement import Paper, Told, papers
from supplytwin.schemas.calculated import Refused
from supplytwin.schemas.calculation import Period, Request
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.findings import Finding, shortened
from supplytwin.schemas.strict import read
from supplytwin.schemas.text_formats import FORMATS
from supplytwin.streams.carbon_live import Live, footprints
from supplytwin.streams.cli_carbon import (
    Packs,
    Sent,
    Suppliers,
    SupplierShare,
    at_hand,
    content,
    packs_of,
    sent_by,
    tell_findings,
    typed_number,
)
from supplytwin.streams.cli_look import Db, entries_of
from supplytwin.streams.cli_run import err

_FORMS: dict[str, Form] = {"ileap": "ileap", "pact2": "pact2", "pact3": "pact3"}
_ASSIGNED: dict[str, Literal["vendor", "buyer"]] = {"vendor": "vendor", "buyer": "buyer"}
_NAME_CHARACTERS = 80

_Source = Annotated[
    str, typer.Argument(help="A chain, or a calculation request as JSON (a file, or -).")
]
_Form = Annotated[str, typer.Option("--format", help="ileap, pact2 or pact3.")]
_Out = Annotated[Path | None, typer.Option(help="A folder (default: lines on standard output).")]
_Consignment = Annotated[str | None, typer.Option(help="This one alone (default: each).")]
_Mass = Annotated[str | None, typer.Option(help="The shipment's, where elements differ.")]
_Company = Annotated[str | None, typer.Option(help="PACT: who states it.")]
_CompanyIds = Annotated[list[str] | None, typer.Option("--company-id", help="PACT: a URN; again.")]
_Created = Annotated[str | None, typer.Option(help="PACT: when, e.g. 2026-01-31T12:00:00Z.")]
_Period = Annotated[
    str | None, typer.Option(help="PACT: 2025-01-01..2025-12-31, where the request has none.")
]
_Exempted = Annotated[str | None, typer.Option(help="PACT: percent of emissions left out, e.g. 0.")]
_Why = Annotated[str | None, typer.Option(help='PACT: which and why; "" = none.')]
_Boundary = Annotated[str | None, typer.Option(help="PACT: what is inside the numbers.")]
_Gwp = Annotated[
    list[str] | None, typer.Option(help="PACT: AR5 or AR6, where factors do not say; again.")
]
_Standards = Annotated[
    list[str] | None,
    typer.Option("--standard", help='PACT 2: "GHG Protocol Product standard", …; again.'),
]
_Version = Annotated[
    int | None, typer.Option(min=0, help="PACT: version of the footprint (a chain's own; else 0).")
]
_Comment = Annotated[str, typer.Option(help="PACT: a comment.")]
_AssignedBy = Annotated[str, typer.Option(help="PACT: vendor or buyer: who gave the ids.")]
_Tonnes = Annotated[str | None, typer.Option(help="PACT: of intensities per TEU.")]


def add(carbon_app: typer.Typer) -> None:
    """Add the command to the group of `supplytwin carbon`."""
    carbon_app.command()(export)


def export(
    context: typer.Context,
    source: _Source,
    form: _Form,
    out: _Out = None,
    consignment: _Consignment = None,
    mass_kg: _Mass = None,
    db: Db = None,
    journal: Annotated[Path | None, typer.Option(help="An exported journal instead.")] = None,
    pack: Packs = None,
    supplier: Suppliers = None,
    supplier_share: SupplierShare = None,
    company: _Company = None,
    company_id: _CompanyIds = None,
    created: _Created = None,
    period: _Period = None,
    exempted_percent: _Exempted = None,
    exempted_description: _Why = None,
    boundary: _Boundary = None,
    gwp: _Gwp = None,
    standard: _Standards = None,
    version: _Version = None,
    comment: _Comment = "",
    assigned_by: _AssignedBy = "vendor",
    tonnes_per_teu: _Tonnes = None,
) -> None:
    """Write a footprint, its categories and its activity data as documents; exit 1 = refused."""
    if form not in _FORMS:
        raise UsageError(f"--format {form}: must be one of {', '.join(_FORMS)}")
    if assigned_by not in _ASSIGNED:
        raise UsageError(f"--assigned-by {assigned_by}: must be vendor or buyer")
    told = None
    if form != "ileap":
        needed = {
            "--company": company,
            "--company-id": company_id,
            "--created": created,
            "--exempted-percent": exempted_percent,
            "--exempted-description": exempted_description,
            "--boundary": boundary,
        } | ({"--standard": standard} if form == "pact2" else {})
        _demand(form, needed)
        told = Told(
            company_name=company or "",
            company_ids=tuple(company_id or ()),
            created=created or "",
            exempted_percent=typed_number(exempted_percent, "--exempted-percent") or Decimal(0),
            exempted_description=exempted_description or "",
            boundary=boundary or "",
            period=_days(period),
            gwp=tuple(gwp or ()),
            general_standards=tuple(standard or ()),
            version=version or 0,
            comment=comment,
            assigned_by=_ASSIGNED[assigned_by],
            tonnes_per_teu=typed_number(tonnes_per_teu, "--tonnes-per-teu"),
        )
    mass = typed_number(mass_kg, "--mass-kg")
    sent = sent_by(supplier, supplier_share)
    made = list[Paper]()
    for live in _sources(context, source, db, journal, pack or [], consignment):
        own = told
        if told is not None and version is None:
            own = replace(told, version=live.version)
        request = _with(sent, live.request)
        made += _made(request, live.shelf, _FORMS[form], own, consignment, mass)
    _write(made, out)


def _sources(
    context: typer.Context,
    source: str,
    db: Path | None,
    journal: Path | None,
    packs: Sequence[str],
    consignment: str | None,
) -> list[Live]:
    """What a source stands for: the footprints of a chain by the packs in force, or a calculation.
    Exit 1, with its findings, when it is none.
    """
    if source == "-" or Path(source).exists():
        asked = read(content(source), Request)
        if asked.value is None or asked.findings:
            _refuse(asked.findings)
        chosen, wrong = packs_of(packs)
        if wrong:
            _refuse(wrong)
        return [Live(request=asked.value, shelf=Shelf(chosen, at_hand()), version=0)]
    if packs:
        raise UsageError(f"{source} is no file: a chain has its own packs, see carbon restate")
    entries, damage, common = entries_of(context, source, db, journal)
    if damage is not None:
        raise UsageError(f"not exported: {damage}")
    found = footprints(source, entries, common)
    named = [one for one in found if consignment in (None, one.request.chain_id)]
    if not named:
        has = ", ".join(one.request.chain_id for one in found) or "none"
        raise UsageError(f"{source} has no footprint of {consignment or 'anything'}, but of: {has}")
    return named


def _refuse(findings: Sequence[Finding]) -> NoReturn:
    tell_findings(shortened(findings))
    raise typer.Exit(1)


def _with(sent: Sent, request: Request) -> Request:
    joined = sent.joined(request)
    if isinstance(joined, Refused):
        _refuse(joined.findings)
    return joined


def _made(
    request: Request,
    shelf: Shelf,
    form: Form,
    told: Told | None,
    consignment: str | None,
    mass_kg: Decimal | None,
) -> list[Paper]:
    """The documents of a calculation: none of them, when one is refused."""
    result = calculate(request, shelf.chosen, at_hand())
    if isinstance(result, Refused):
        _refuse(result.findings)
    each = shipments(request) if consignment is None else (consignment,)
    if mass_kg is not None and len(each) > 1:
        raise UsageError(f"--mass-kg is of one shipment, here are {len(each)}: say --consignment")
    made = list[Paper]()
    for one in each:
        leaves = leaving(request, result, shelf, one, mass_kg)
        if isinstance(leaves, Refused):
            _refuse(leaves.findings)
        done = papers(request, result, leaves, shelf.packs, form, told)
        if isinstance(done, Refused):
            _refuse(done.findings)
        for note in done.left_out:
            err.print(f"{note.path}: {note.code}: {note.says}")
        made += [paper for paper in done.papers if paper not in made]
    return made


def _write(made: Sequence[Paper], out: Path | None) -> None:
    if out is None:
        for one in made:
            typer.echo(one.raw.decode(), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for one in made:
        (out / f"{one.kind}-{_file_name(one.id)}.json").write_bytes(one.raw)
    err.print(f"{len(made)} documents in {out}")


def _file_name(name: str) -> str:
    """A name that every file system takes, one for each id."""
    spelt = quote(name, safe="")
    if len(spelt) <= _NAME_CHARACTERS and spelt == spelt.lower():
        return spelt
    return f"{spelt[:_NAME_CHARACTERS]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _demand(form: str, needed: Mapping[str, object]) -> None:
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        raise UsageError(f"{form} needs to know who states what: give {', '.join(missing)}")


def _days(text: str | None) -> Period | None:
    """FIRST..LAST, both included."""
    if text is None:
        return None
    first, dots, last = text.partition("..")
    is_date, expected = FORMATS["date"]
    if not (dots and is_date(first) and is_date(last) and first <= last):
        raise UsageError(f"--period {text}: write FIRST..LAST, each {expected}")
    return Period(first=first, last=last)
