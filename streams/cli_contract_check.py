"""The commands that make contract terms and say what is in them: check, templates, new."""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import contract_check, contract_templates
from supplytwin.processors.contract_check import Report
from supplytwin.processors.contract_words import words
from supplytwin.schemas.contract import ContractTerms, written
from supplytwin.schemas.contract_codes import problem
from supplytwin.schemas.contract_templates import Template, shipped
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.findings import Finding, in_order
from supplytwin.sinks import iso20022_out, iso20022_parties
from supplytwin.sinks.bank_rail_terms import as_bank
from supplytwin.streams.cli_carbon import content
from supplytwin.streams.cli_run import AsJson, emit_json, out

File = Annotated[str, typer.Argument(help="The terms as JSON; - reads standard input.")]
Free = Annotated[
    bool,
    typer.Option("--free-conditions", help="This deployment permits terms without a template."),
]

_TEXT_TYPES = ("moment", "date", "duration", "decimal", "id", "text", "word")
_TEXTS = ("contract_id", "chain_id", "amends", "currency", "purpose_code")
"""Members of every contract that are texts."""


def add(contract_app: typer.Typer) -> None:
    """Add the commands to the group `supplytwin contract`."""
    contract_app.command()(check)
    contract_app.command("templates")(list_templates)
    contract_app.command()(new)


class Told(Struct, frozen=True, kw_only=True):
    """What `contract check` says, as JSON."""

    good: bool
    contract_id: str | None
    version: int | None
    terms_hash: str | None
    findings: tuple[Finding, ...]
    advice: tuple[Finding, ...]
    words: tuple[str, ...]


def check(
    file: File,
    free_conditions: Free = False,
    previous: Annotated[
        Path | None, typer.Option(help="The terms of the version before, for an amendment.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say in words what would be paid, when, on what, to whom; and what is wrong. Exit 1 = faults.

    Advice (credit risk, what a rail must keep) changes no exit code.
    """
    report = checked(content(file), free_conditions=free_conditions)
    if previous is not None:
        report = _amended(report, checked(content(str(previous)), free_conditions=free_conditions))
    terms = report.terms
    said = () if terms is None or not report.good else words(terms)
    if as_json:
        emit_json(
            Told(
                good=report.good,
                contract_id=None if terms is None else terms.contract_id,
                version=None if terms is None else terms.version,
                terms_hash=report.terms_hash,
                findings=report.findings,
                advice=report.advice,
                words=said,
            )
        )
    else:
        _tell(report, said)
    if not report.good:
        raise typer.Exit(1)


def checked(raw: bytes, *, free_conditions: bool = False) -> Report:
    """All findings of a text, those of the bank's messages among them."""
    report = contract_check.check(raw, free_conditions=free_conditions)
    if report.terms is None:
        return report
    return replace(report, findings=in_order((*report.findings, *bank(report.terms))))


def _amended(report: Report, before: Report) -> Report:
    if before.terms is None:
        says = "the version before does not read as terms: check it first"
        return replace(report, findings=(*report.findings, problem("$.amends", "VERSION", says)))
    if report.terms is None:
        return report
    more = contract_check.succession(before.terms, report.terms)
    told = () if more else contract_check.kept_holds(before.terms, report.terms)
    return replace(
        report,
        findings=in_order((*report.findings, *more)),
        advice=in_order((*report.advice, *told)),
    )


def bank(terms: ContractTerms) -> tuple[Finding, ...]:
    """What keeps a payment of these terms from being written as pain.001."""
    found: list[Finding] = []
    for role in (terms.payer, terms.payee):
        party = terms.party(role)
        if party is None or party.agent is None or party.account is None:
            continue  # contract_parties says so
        path = f"$.parties[{terms.parties.index(party)}]"
        try:
            iso20022_parties.check_party(as_bank(party), path)
        except RecordError as error:
            found.append(problem(error.field, "BANK", error.reason))
    if len(str(terms.cap_minor)) > iso20022_out.DIGITS_MAX:
        says = f"has more than {iso20022_out.DIGITS_MAX} digits: no message takes it"
        found.append(problem("$.cap_minor", "BANK", says))
    return tuple(found)


def _tell(report: Report, said: tuple[str, ...]) -> None:
    for line in said:
        out.print(line)
    for one in report.advice:
        out.print(f"advice {one.code} {one.path}", style="yellow")
        out.print(f"  {one.line}")
    for one in report.findings:
        out.print(f"{one.code} {one.path}", style="red")
        out.print(f"  {one.line}")
    if report.good:
        out.print(f"terms hash {report.terms_hash}", style="green")
    else:
        out.print(f"faults: {len(report.findings)}", style="red")


# ---- new


def list_templates(
    name: Annotated[str | None, typer.Argument(help="One of them, with its parameters.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the templates, or the parameters of one."""
    chosen = list(shipped().values()) if name is None else [_template(name)]
    if as_json:
        emit_json(chosen if name is None else chosen[0])
        return
    for one in chosen:
        out.print(f"{one.name} {one.version}: {one.title}")
        for text in one.differs:
            out.print(f"  differs: {text}")
        for parameter in one.parameters if name is not None else ():
            given = "required" if parameter.required else f"default {json.dumps(parameter.default)}"
            out.print(f"  {parameter.name} ({parameter.type}, {given}): {parameter.says}")


def _template(name: str) -> Template:
    found = shipped().get(name)
    if found is None:
        raise UsageError(f"no template {name}: there are {', '.join(shipped())}")
    return found


def new(
    template: Annotated[str, typer.Argument(help="`contract templates` lists them.")],
    parameters: Annotated[
        str | None, typer.Argument(metavar="PARAMS.json", help="- reads standard input.")
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE instead of what the file says.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", help="Where to write the terms.")] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print parameters to begin with, nothing else.")
    ] = False,
) -> None:
    """Make terms from a template; exit 1 and no terms while anything is wrong with them."""
    chosen = _template(template)
    if example:
        _write(None, msgspec.json.encode(chosen.example))
        return
    raw = _with(chosen, content(parameters) if parameters is not None else b"{}", given or [])
    made = contract_templates.make(chosen, raw)
    findings, terms = made.findings, None
    if made.raw is not None:
        report = checked(made.raw)
        findings, terms = report.findings, report.terms
    if findings or terms is None:
        for one in findings:
            out.print(f"{one.code} {one.path}", style="red")
            out.print(f"  {one.line}")
        raise typer.Exit(1)
    _write(to, msgspec.json.encode(written(terms)))


def _with(template: Template, raw: bytes, given: list[str]) -> bytes:
    """Parameters with what was typed: texts as they are, everything else as JSON."""
    if not given:
        return raw
    try:
        values: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the parameters are no JSON: {error}") from None
    if not isinstance(values, dict):
        raise UsageError("the parameters must be a JSON object")
    types = {one.name: one.type for one in template.parameters}
    for one in given:
        name, equals, text = one.partition("=")
        if not name or not equals:
            raise UsageError(f"--set {one!r}: write NAME=VALUE")
        is_text = name in _TEXTS or types.get(name, "share") in _TEXT_TYPES
        values[name] = text if is_text else _typed(text)
    return msgspec.json.encode(values)


def _typed(text: str) -> Any:
    """JSON; what is none stays a text, about which the reader has something to say."""
    try:
        return json.loads(text, parse_float=str)
    except (ValueError, RecursionError):
        return text


def _write(to: Path | None, raw: bytes) -> None:
    text = msgspec.json.format(raw, indent=1).decode()
    if to is None:
        typer.echo(text)
    else:
        to.write_text(text + "\n", encoding="utf-8")
        out.print(f"written: {to}")
