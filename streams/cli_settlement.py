"""Commands about claims and their money: where they stand, the acts of people, cases."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from supplytwin.processors.settlement_report import Explanation
from supplytwin.schemas.errors import UsageError
from supplytwin.streams import settlement_act as acts
from supplytwin.streams import settlement_read as read
from supplytwin.streams import settlement_run, settlement_show, topics
from supplytwin.streams import settlement_tell as tell
from supplytwin.streams.cli_check import Reason, Role, reading
from supplytwin.streams.cli_contract_check import Free
from supplytwin.streams.cli_run import AsJson, connect, emit_json, err
from supplytwin.streams.moments import moment
from supplytwin.streams.redrive import Act

settlement_app = typer.Typer(
    no_args_is_help=True, help="Claims: where they stand and why, the acts of people, cases."
)


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(settlement_app, name="settlement")


@settlement_app.callback()
def _settlement() -> None:
    """Claims: where they stand and why, the acts of people, cases."""


# ---- looking

Named = Annotated[
    str, typer.Argument(help="Settlement id, claim id, contract/claim or contract/tranche/claim.")
]
Chain = Annotated[str | None, typer.Option(help="Its chain: then one partition is read.")]
Journal = Annotated[Path | None, typer.Option(help="From an exported journal instead of Kafka.")]
FromDb = Annotated[
    Path | None, typer.Option("--db", help="From this DuckDB file instead of Kafka.")
]


@contextmanager
def _source(
    context: typer.Context, db: Path | None, journal: Path | None, quiet: bool
) -> Iterator[read.Source]:
    """Where claims are read, while the body runs."""
    if db is not None and journal is not None:
        raise UsageError("give --db or --journal, not both")
    if db is not None:
        yield read.Database(db, context.obj.settings().duck.seconds_max)
        return
    if journal is not None:
        yield read.Exported(journal)
        return
    try:
        _, chosen = connect(context)
    except UsageError as error:
        raise UsageError(f"{error}; or read from a file: --db FILE, --journal FILE") from None
    try:
        meta = topics.require_meta(chosen.broker)
        with reading(quiet) as progress:
            yield read.Topics(chosen.broker, meta, progress)
    finally:
        chosen.close()


@settlement_app.command("list")
def list_claims(
    context: typer.Context,
    state: Annotated[
        list[str] | None, typer.Option(help="HELD, or 'held for review'; several times.")
    ] = None,
    contract: Annotated[str | None, typer.Option(help="Only this contract.")] = None,
    chain: Annotated[str | None, typer.Option(help="Only this chain.")] = None,
    db: FromDb = None,
    journal: Journal = None,
    as_json: AsJson = False,
) -> None:
    """Where each claim stands."""
    wanted = read.Wanted(states=read.states(state or ()), contract=contract, chain=chain)
    with _source(context, db, journal, as_json) as source:
        found = source.claims(wanted)
    if as_json:
        emit_json(found)
    else:
        tell.listed(found)


@settlement_app.command("show")
def show(
    context: typer.Context,
    claim: Named,
    chain: Chain = None,
    db: FromDb = None,
    journal: Journal = None,
    as_json: AsJson = False,
) -> None:
    """One claim with its money and its whole history.

    Everything that was said and decided about it. Exit 1 = the hash chain of its journal is broken.
    """
    with _source(context, db, journal, as_json) as source:
        one = read.one_claim(source, claim, chain)
        folded = read.fold(one.chain_id, source.entries(one.chain_id))
        shown = settlement_show.show(folded, one, source.sent(one))
    if as_json:
        emit_json(shown)
    else:
        tell.shown(shown)
    if shown.broken is not None:
        raise typer.Exit(1)


@settlement_app.command("explain")
def explain(
    context: typer.Context,
    named: Annotated[str, typer.Argument(help="A chain, a contract, or one claim.")],
    chain: Chain = None,
    at: Annotated[
        str | None,
        typer.Option(help="At another tick time: a date (its end, UTC) or an RFC 3339 time."),
    ] = None,
    db: FromDb = None,
    journal: Journal = None,
    as_json: AsJson = False,
) -> None:
    """Why claims are where they are, leaf by leaf.

    Which part of each condition is TRUE, FALSE or UNKNOWN, on which evidence, and what would make
    it true until when. Exit 1 = the hash chain of its journal is broken.
    """
    moment_at = None if at is None else moment("--at", at)
    with _source(context, db, journal, as_json) as source:
        wanted = source.claims(read.Wanted(named=named, chain=chain))
        chains = sorted({one.chain_id for one in wanted})
        if not chains:
            raise UsageError(f"no claim, contract or chain {named!r} in {source.name}")
        if len(chains) > 1:
            which = f"say which, e.g. --chain {chains[0]}"
            raise UsageError(f"{named!r} is in {len(chains)} chains: {which}")
        folded = read.fold(chains[0], source.entries(chains[0]))
    found = settlement_show.explain(chains[0], folded, wanted, moment_at)
    if as_json:
        emit_json(found)
    else:
        tell.explained(found)
    if found.broken is not None:
        raise typer.Exit(1)


# ---- acting

As = Annotated[str, typer.Option("--as", help="Who does this: stands in the journal.")]
Wait = Annotated[
    float, typer.Option(min=0, max=3600, help="For how many seconds to wait for the decision.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


class _Doing(Struct, frozen=True, kw_only=True):
    """What the commands that act have in common."""

    claim: str
    chain: str | None
    act: Act
    wait_s: float
    as_json: bool


def _doing(claim: str, chain: str | None, who: str, role: str, reason: str, wait_s: float,
           as_json: bool) -> _Doing:  # fmt: skip
    for option, value in (("--as", who), ("--role", role), ("--reason", reason)):
        if not value.strip():
            raise UsageError(f"{option} is empty: whoever reads the journal has to know")
    act = Act(who=who.strip(), role=role.strip(), reason=reason.strip())
    return _Doing(claim=claim, chain=chain, act=act, wait_s=wait_s, as_json=as_json)


def _act(
    context: typer.Context,
    verdict: str,
    doing: _Doing,
    asking: Callable[[read.Listed, Explanation, Mapping[str, str]], Sequence[str]] | None = None,
) -> None:
    """Read the claim, send the act, tell what the worker made of it. Exit 1 = it was refused.

    `asking` shows what the act would clear, asks, and returns that.
    """
    _, chosen = connect(context)
    try:
        meta = topics.require_meta(chosen.broker)
        with reading(doing.as_json) as progress:
            source = read.Topics(chosen.broker, meta, progress)
            one = read.one_claim(source, doing.claim, doing.chain)
            folded = read.fold(one.chain_id, source.entries(one.chain_id))
        if folded.broken is not None:
            raise UsageError(f"nothing was sent: the journal of {one.chain_id} is broken: "
                             f"{folded.broken}")  # fmt: skip
        told = settlement_show.told(folded, one.settlement_id)
        raised = folded.state.book.claims[one.settlement_id].standing
        cleared = () if asking is None else asking(one, told, raised)
        review = acts.review_of(one, folded, told, verdict, doing.act, cleared)
        acted = acts.publish(chosen.broker, meta, review, folded, wait_s=doing.wait_s)
    finally:
        chosen.close()
    if doing.as_json:
        emit_json(acted)
    else:
        tell.acted(acted)
    if acted.refused is not None:
        raise typer.Exit(1)


@settlement_app.command("hold")
def hold(
    context: typer.Context, claim: Named, who: As, reason: Reason, role: Role = "OPERATOR",
    chain: Chain = None, wait: Wait = acts.WAIT_S, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Hold a claim.

    Nothing is paid until another person releases or rejects it.
    """
    _act(context, "HOLD", _doing(claim, chain, who, role, reason, wait, as_json))


@settlement_app.command("release")
def release(
    context: typer.Context, claim: Named, who: As, reason: Reason, role: Role = "OPERATOR",
    chain: Chain = None, wait: Wait = acts.WAIT_S, yes: Yes = False, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Release a held claim; asks first.

    Over the evidence as it is now; what stands against the claim is cleared, and shown before.
    """
    if as_json and not yes:
        raise UsageError("--json asks nobody: give --yes, too")

    def asking(one: read.Listed, told: Explanation, raised: Mapping[str, str]) -> Sequence[str]:
        if not as_json:
            tell.to_release(one, told, raised)
        if not yes:
            _confirm(f"Release it as {who} ({role})?")
        return told.adverse_ids

    _act(context, "RELEASE", _doing(claim, chain, who, role, reason, wait, as_json), asking)


@settlement_app.command("dispute")
def dispute(
    context: typer.Context, claim: Named, who: As, reason: Reason,
    role: Annotated[str, typer.Option(help="For which party: BUYER or SELLER.")],
    chain: Chain = None, wait: Wait = acts.WAIT_S, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Dispute a claim before it is paid.

    For a party that the terms entitle to it.
    """
    _act(context, "DISPUTE", _doing(claim, chain, who, role, reason, wait, as_json))


@settlement_app.command("recall")
def recall(
    context: typer.Context, claim: Named, who: As, reason: Reason, role: Role = "OPERATOR",
    chain: Chain = None, wait: Wait = acts.WAIT_S, as_json: AsJson = False,
) -> None:  # fmt: skip
    """Recall a payment that is on its way.

    The rail is asked; what comes of it the rail decides.
    """
    _act(context, "RECALL", _doing(claim, chain, who, role, reason, wait, as_json))


def _confirm(question: str) -> None:
    try:
        if typer.confirm(question):
            return
        why = "not confirmed"
    except typer.Abort:
        why = "nobody answered (in a script give --yes)"
    raise UsageError(f"{why}: nothing was sent")


# ---- cases


@settlement_app.command("simulate")
def simulate(
    contract: Annotated[Path, typer.Argument(help="The terms as JSON; - reads standard input.")],
    events: Annotated[
        Path,
        typer.Argument(help="What happens: JSON lines, in this order; - reads standard input."),
    ],
    free_conditions: Free = False,
    as_json: AsJson = False,
) -> None:
    """Run a case in two files through the fold, without Kafka.

    Tells every transition, posting, instruction, alarm and refusal. Exit 1 = something was refused,
    2 = the case cannot be read.
    """
    try:
        ran = settlement_run.run(contract, events, free_conditions=free_conditions)
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
        tell.simulated(ran)
        for line in settlement_run.warnings(ran, events):
            err.print(line)
    if ran.refused:
        raise typer.Exit(1)
