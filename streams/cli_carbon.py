"""`supplytwin carbon`: footprints of chains given as files, and packs of emission factors.

Exit 0 = computed, or nothing found · 1 = incomplete, refused, or something found · 2 = no file.
"""

import sys
from collections.abc import Sequence
from decimal import Context, Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from msgspec import Struct

from supplytwin.processors.carbon_chain import calculate as computed
from supplytwin.processors.carbon_supplied import Sent as SupplierFile
from supplytwin.processors.carbon_supplied import with_supplied
from supplytwin.schemas import factors
from supplytwin.schemas.calculated import Refused, Result
from supplytwin.schemas.calculation import Request
from supplytwin.schemas.decimal_text import plain, spelling
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.factor_form import Pack
from supplytwin.schemas.findings import Finding, shortened
from supplytwin.schemas.strict import Read, read
from supplytwin.streams.cli_run import AsJson, emit_json, err, out
from supplytwin.streams.drawing import folding

carbon_app = typer.Typer(no_args_is_help=True, help="Footprints by ISO 14083, iLEAP and PACT.")
pack_app = typer.Typer(no_args_is_help=True, help="Packs of emission factors.")
_WIDE = Context(prec=100)
Packs = Annotated[
    list[str] | None,
    typer.Option("--pack", help="A built-in pack or a file; again for more (default: desnz-2025)."),
]
Suppliers = Annotated[
    list[str] | None,
    typer.Option(help="iLEAP or PACT of a supplier: primary data; again for more."),
]
SupplierShare = Annotated[
    str | None,
    typer.Option(help="Percent of primary data of documents that cannot say it: iLEAP alone."),
]


class Sent(Struct, frozen=True, kw_only=True):
    """What suppliers sent."""

    files: tuple[SupplierFile, ...] = ()
    share_percent: Decimal | None = None

    def joined(self, request: Request) -> Request | Refused:
        """A request with it."""
        return with_supplied(request, self.files, self.share_percent)


NOTHING = Sent()


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(carbon_app, name="carbon")
    carbon_app.add_typer(pack_app, name="pack")


@carbon_app.command()
def calculate(
    file: Annotated[str, typer.Argument(help="The request as JSON, or - for standard input.")],
    pack: Packs = None,
    supplier: Suppliers = None,
    supplier_share: SupplierShare = None,
    as_json: AsJson = False,
) -> None:
    """Compute a transport chain from a file: docs/carbon.md says its form. Exit 1 = not whole."""
    sent = sent_by(supplier, supplier_share)
    answer = answered(content(file), [] if pack is None else pack, sent)
    if as_json:
        emit_json(spelt(answer))
    elif isinstance(answer, Result):
        _tell(answer)
    if isinstance(answer, Refused):
        if not as_json:
            tell_findings(answer.findings)
        raise typer.Exit(1)
    if not answer.complete or answer.differences:
        raise typer.Exit(1)


def answered(raw: bytes, names: Sequence[str], sent: Sent = NOTHING) -> Result | Refused:
    """The answer to a request, by the packs of these names; UsageError when there is no such."""
    chosen, wrong = packs_of(names)
    asked = read(raw, Request)
    if not wrong and asked.value is not None and not asked.findings:
        request = sent.joined(asked.value)
        if isinstance(request, Refused):
            return Refused(refused=True, findings=shortened(request.findings))
        answer = computed(request, chosen, at_hand())
        if isinstance(answer, Refused):
            return Refused(refused=True, findings=shortened(answer.findings))
        return answer
    if asked.value is not None:
        more = computed(asked.value, chosen)
        asked = asked.joined(more.findings if isinstance(more, Refused) else ())
    return Refused(refused=True, findings=shortened((*wrong, *asked.findings)))


def sent_by(names: Sequence[str] | None, share: str | None) -> Sent:
    """The documents of these files; `share` as it was typed."""
    return Sent(
        files=tuple(
            SupplierFile(name=name, raw=content(name)) for name in dict.fromkeys(names or ())
        ),
        share_percent=typed_number(share, "--supplier-share"),
    )


def typed_number(text: str | None, option: str) -> Decimal | None:
    """What was typed as a number; UsageError that says how to write it."""
    if text is None:
        return None
    wrong = spelling(text, option)
    if wrong is not None:
        raise UsageError(f"{option} {text}: {wrong.says}")
    return Decimal(text)


def packs_of(names: Sequence[str]) -> tuple[list[Pack], list[Finding]]:
    """The packs of these names, or the default one, and what is wrong with them."""
    chosen, wrong = list[Pack](), list[Finding]()
    for name in dict.fromkeys(names) or [next(iter(factors.BUILT_IN))]:
        found = pack_of(name)
        if found.value is not None and not found.findings:
            wrong += taken(found.value, chosen)
            chosen.append(found.value)
        wrong += (
            msgspec.structs.replace(one, path=f"{name}: {one.path}") for one in found.findings
        )
    return chosen, wrong


def at_hand() -> list[Pack]:
    """The built-in packs."""
    return [factors.load(name) for name in factors.BUILT_IN.values()]


def taken(pack: Pack, others: Sequence[Pack]) -> list[Finding]:
    """What is wrong with a pack that has the name of another one: results name packs."""
    same = [one for one in others if one.name == pack.name]
    if pack.name in factors.BUILT_IN:
        same.append(factors.load(factors.BUILT_IN[pack.name]))
    if all(one == pack for one in same):
        return []
    says = f"another pack is called {pack.name}, too: change pack or version"
    return [Finding(path=f"{pack.name}: $.version", code="TWO_IDS", says=says)]


def pack_of(name: str) -> Read[Pack]:
    """A built-in pack, or that of a file; UsageError when there is no such."""
    if name in factors.BUILT_IN:
        return Read(value=factors.load(factors.BUILT_IN[name]), findings=())
    if not Path(name).is_file():
        built_in = ", ".join(factors.BUILT_IN)
        raise UsageError(f"no pack {name}: give a file, or one of {built_in}")
    return factors.check(Path(name).read_bytes())


def content(file: str) -> bytes:
    """What a file has; - = standard input."""
    return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()


def spelt(value: Any) -> Any:
    """An answer with its numbers as texts in plain digits."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {name: spelt(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [spelt(one) for one in value]
    return spelt(msgspec.to_builtins(value, builtin_types=(Decimal,))) if _packed(value) else value


def _packed(value: Any) -> bool:
    return isinstance(value, msgspec.Struct)


def tell_findings(findings: Sequence[Finding]) -> None:
    """One line for each."""
    for one in findings:
        out.print(f"{one.path}: {one.code}: {one.line}")
    err.print(f"{len(findings)} findings")


def _shown(value: Decimal | None, digits: int = 3) -> str:
    """A number rounded for people; - = not known."""
    return "-" if value is None else plain(value.quantize(Decimal(1).scaleb(-digits), None, _WIDE))


def _tell(answer: Result) -> None:
    drawn = folding("element", "by", "tkm", "WTW kg", "WTT kg", "TTW kg", "data")
    for one in answer.tces:
        drawn.add_row(
            one.tce_id,
            one.mode or one.hub_type or one.kind,
            _shown(one.transport_activity_tkm),
            _shown(one.co2e.co2e_wtw_kg),
            _shown(one.co2e.co2e_wtt_kg),
            _shown(one.co2e.co2e_ttw_kg),
            one.data_type or "-",
        )
    whole = answer.co2e
    drawn.add_row(
        answer.chain_id,
        "all" if answer.complete else "INCOMPLETE",
        _shown(answer.transport_activity_tkm),
        _shown(whole.co2e_wtw_kg),
        _shown(whole.co2e_wtt_kg),
        _shown(whole.co2e_ttw_kg),
        "",
    )
    out.print(drawn)
    for name, lines in (
        *((one.tce_id, one.trace) for one in answer.tces),
        *((one.id, one.trace) for one in (*answer.tocs, *answer.hocs)),
        *((one.round_id, one.trace) for one in answer.rounds),
    ):
        for line in lines:
            out.print(f"  {name}: {line}")
    distances = ", ".join(answer.statement.distance_types) or "no distance"
    out.print(
        f"intensity {_shown(answer.intensity_wtw_kg_per_tkm, 6)} kg/tkm WTW ({distances}); primary "
        f"share {_shown(answer.primary_share_by_emissions)} by emissions, "
        f"{_shown(answer.primary_share_by_tkm)} by tkm"
    )
    if not answer.complete:
        out.print(f"computed part: {_shown(answer.computed.co2e_wtw_kg)} kg WTW")
    _notes(answer)
    out.print(f"input sha256 {answer.input_sha256}")


def _notes(answer: Result) -> None:
    if answer.kpi is not None:
        out.print(f"relative change: {_shown(answer.kpi.relative_change_kg)} kg")
    for name, notes in (
        ("missing", answer.missing),
        ("warning", answer.warnings),
        ("deviation", answer.statement.deviations),
    ):
        for one in notes:
            out.print(f"{name}: {one.path}: {one.code}: {one.line}")
    for other in answer.differences:
        ours, delta = _shown(other.computed, 6), _shown(other.delta, 6)
        out.print(f"differs: {other.path}: stated {other.stated}, computed {ours}, delta {delta}")


@pack_app.command("check")
def pack_check(
    file: Annotated[str, typer.Argument(help="A pack as JSON, or - for standard input.")],
    as_json: AsJson = False,
) -> None:
    """Say everything that is wrong or implausible in a pack of factors. Exit 1 = something is."""
    found = factors.check(content(file))
    if as_json:
        counted = 0 if found.value is None else len(found.value.factors)
        emit_json({"factors": counted, "findings": shortened(found.findings)})
    elif found.findings:
        tell_findings(shortened(found.findings))
    elif found.value is not None:
        out.print(f"{found.value.name}: {len(found.value.factors)} factors, nothing found")
    if found.findings:
        raise typer.Exit(1)


@pack_app.command("list")
def pack_list(
    name: Annotated[str | None, typer.Argument(help="Show the factors of this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the built-in packs, or the factors of one of them (or of a file)."""
    if name is not None:
        found = pack_of(name)
        if found.value is None or found.findings:
            tell_findings(found.findings)
            raise typer.Exit(1)
        _factors(found.value, as_json)
        return
    packs = at_hand()
    if as_json:
        emit_json({"packs": [_summary(one) for one in packs]})
        return
    drawn = folding("pack", "factors", "title", "publisher", "licence")
    for one in packs:
        row = (one.name, str(len(one.factors)), one.title, one.publisher, one.licence)
        drawn.add_row(*row)
    out.print(drawn)


def _summary(pack: Pack) -> dict[str, Any]:
    return {
        "name": pack.name,
        "factors": len(pack.factors),
        "title": pack.title,
        "publisher": pack.publisher,
        "licence": pack.licence,
        "note": pack.note,
    }


def _factors(pack: Pack, as_json: bool) -> None:
    if as_json:
        emit_json({"pack": pack.name, "factors": spelt(list(pack.factors))})
        return
    drawn = folding("id", "unit", "WTT", "TTW", "WTW", "what")
    for one in pack.factors:
        parts = (_shown(value, 9) for value in (one.wtt, one.ttw, one.wtw))
        drawn.add_row(one.id, one.unit, *parts, one.what)
    out.print(drawn)
