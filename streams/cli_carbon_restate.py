"""`supplytwin carbon restate`: which packs of factors are in force from a day on."""

import datetime as dt
from typing import Annotated

import msgspec
import typer

from supplytwin.processors.carbon_packs import Rule
from supplytwin.schemas import factors
from supplytwin.schemas.errors import UsageError
from supplytwin.streams import carbon_restate as restating
from supplytwin.streams import topics
from supplytwin.streams.cli_carbon import content, pack_of, taken
from supplytwin.streams.cli_check import reading
from supplytwin.streams.cli_run import AsJson, connect, emit_json, out
from supplytwin.streams.drawing import folding

_SHOWN = 50


def add(app: typer.Typer) -> None:
    """Register the command of this module."""
    app.command("restate")(restate)


def restate(
    context: typer.Context,
    pack: Annotated[
        list[str], typer.Option(help="A built-in pack or a file; again for more, the first first.")
    ],
    since: Annotated[str, typer.Option(help="From which day of transport on, YYYY-MM-DD.")],
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would change.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Say it, marked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compute footprints by other packs of factors: new versions that link the old ones.

    Stop the workers first. No claim is looked at by it.
    """
    if plan == apply:
        raise UsageError("say --plan or --apply")
    rule, names = _rule(pack, since)
    restated = 0
    found: restating.Plan | None = None
    _, chosen = connect(context)
    try:
        meta = topics.require_meta(chosen.broker)
        with reading(as_json) as progress:
            if apply:
                restated = restating.apply(chosen.broker, meta, rule, progress)
            else:
                found = restating.plan(chosen.broker, meta, rule, names, progress)
    finally:
        chosen.close()
    if found is not None and as_json:
        emit_json(found)
    elif found is not None:
        _tell(found)
    elif as_json:
        emit_json({"since": since, "packs": names, "restated": restated})
    else:
        out.print(f"{restated} footprints restated by {', '.join(names)} since {since}")


def _rule(packs: list[str], since: str) -> tuple[Rule, tuple[str, ...]]:
    try:
        day = dt.date.fromisoformat(since).isoformat()
    except ValueError:
        raise UsageError(f"--since {since} is no day: write YYYY-MM-DD") from None
    texts, names = [], []
    for name in dict.fromkeys(packs):
        found = pack_of(name)
        wrong = list(found.findings)
        if found.value is not None:
            wrong += taken(found.value, ())
        if found.value is None or wrong:
            raise UsageError(f"{name}: {wrong[0].path}: {wrong[0].line}; see carbon pack check")
        if found.value.name in names:
            raise UsageError(f"{name}: another pack is called {found.value.name}, too")
        names.append(found.value.name)
        texts.append(name if name in factors.BUILT_IN else compact(content(name)))
    return Rule(since=day, packs=tuple(texts)), tuple(names)


def compact(raw: bytes) -> str:
    """A pack in the least of bytes that say the same."""
    return msgspec.json.format(raw, indent=-1).decode()


def _tell(found: restating.Plan) -> None:
    if found.in_force:
        out.print(f"in force already for {found.in_force} partition numbers")
    drawn = folding("chain", "consignment", "next version", "kg CO2e WTW", "by these packs")
    for one in found.footprints[:_SHOWN]:
        drawn.add_row(
            one.chain_id,
            one.consignment_id,
            str(one.version),
            one.was_wtw_kg or "incomplete",
            one.is_wtw_kg or "incomplete",
        )
    out.print(drawn if found.footprints else "no footprint differs")
    if len(found.footprints) > _SHOWN:
        out.print(f"and {len(found.footprints) - _SHOWN} more: --json has them all")
