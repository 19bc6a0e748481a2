"""Commands that look: sql, twin show, journal export, quarantine, topics, doctor."""

import csv
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from supplytwin.schemas import codec
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.records import JOURNAL
from supplytwin.sinks.query import Result, common_entries, journal_entries, query
from supplytwin.streams import acl, journal_file, topics
from supplytwin.streams import doctor as doctor_checks
from supplytwin.streams import show as twin_show
from supplytwin.streams.cli_run import AsJson, connect, emit_json, err, out
from supplytwin.streams.drawing import folding
from supplytwin.streams.moments import moment
from supplytwin.streams.summary import read_all
from supplytwin.streams.telling import tell, text_of

twin_app = typer.Typer(no_args_is_help=True)
journal_app = typer.Typer(no_args_is_help=True, help="The journal of all twins.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Records that were not taken, and why.")
topics_app = typer.Typer(no_args_is_help=True, help="Topics: what they are, and must be.")

Db = Annotated[Path | None, typer.Option("--db", help="DuckDB file (default: [duck] path).")]
_AS_OF = "What was true then: a date (its end, UTC) or an RFC 3339 time."
_KNOWN_AT = "By what had arrived then; the same forms."
_NOW = "Up to when ages and open visits go (default: the time asked for); the same forms."


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(twin_app, name="twin")
    app.add_typer(journal_app, name="journal")
    app.add_typer(quarantine_app, name="quarantine")
    app.add_typer(topics_app, name="topics")
    app.command()(sql)
    app.command()(doctor)


def database(context: typer.Context, db: Path | None) -> Path:
    """The DuckDB file asked for, the configured one, or the demo's."""
    if db is not None:
        return db
    configured = Path(context.obj.settings().duck.path)
    demo = Path("supplytwin-demo/twin.duckdb")
    return demo if not configured.exists() and demo.exists() else configured


def entries_of(
    context: typer.Context, chain: str, db: Path | None, journal: Path | None
) -> tuple[list[bytes], str | None, list[bytes]]:
    """(entries of one chain, what is wrong with the first damaged one or None, schemas of others)
    from a database or an exported journal. UsageError when both are given, or it is in neither.
    """
    if db is not None and journal is not None:
        raise UsageError("give --db or --journal, not both")
    if journal is not None:
        entries, damage = twin_show.from_file(journal, chain)
        return entries, damage, twin_show.common_from_file(journal)
    path = database(context, db)
    entries, damage = journal_entries(path, chain)
    if damage is not None:
        return entries, damage, []
    if not entries:
        raise UsageError(f"no chain {chain!r} in {path}")
    return entries, None, common_entries(path)


def sql(
    context: typer.Context,
    statement: Annotated[
        str, typer.Argument(help="One SELECT or EXPLAIN; - = from standard input.")
    ],
    db: Db = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on standard output.")] = False,
    rows: Annotated[int | None, typer.Option(min=1, help="At most so many rows.")] = None,
) -> None:
    """Ask the DuckDB file, or the running sink when one has it open."""
    if as_json and as_csv:
        raise UsageError("give --json or --csv, not both")
    settings = context.obj.settings().duck
    path = database(context, db)
    if statement == "-":
        statement = sys.stdin.read()
    found = query(path, statement, rows or settings.rows_max, settings.seconds_max)
    if as_json:
        emit_json({"columns": found.columns, "rows": found.rows, "offsets": found.offsets,
                   "truncated": found.truncated})  # fmt: skip
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(found.columns)
        writer.writerows(found.rows)
    else:
        out.print(table(found))
        more = " (cut: more rows than asked for)" if found.truncated else ""
        err.print(f"{len(found.rows)} rows, {as_of(found)}, via {found.via}{more}", style="dim")


def as_of(found: Result) -> str:
    """How far the file was when it answered."""
    total = sum(offset for _, _, offset in found.offsets)
    return f"as of {total} records of {len(found.offsets)} partitions"


def table(found: Result) -> Table:
    """A result for the eyes."""
    drawn = folding(*[str(name) for name in found.columns])
    for row in found.rows:
        drawn.add_row(*["" if value is None else str(value) for value in row])
    return drawn


@twin_app.callback()
def twins() -> None:
    """One twin, and all of them over time."""


@twin_app.command("show")
def show(
    context: typer.Context,
    chain: Annotated[str, typer.Argument(help="Chain id, e.g. SCMS-4.")],
    db: Db = None,
    journal: Annotated[Path | None, typer.Option(help="An exported journal instead.")] = None,
    as_of: Annotated[str | None, typer.Option(help=_AS_OF)] = None,
    known_at: Annotated[str | None, typer.Option(help=_KNOWN_AT)] = None,
    now: Annotated[str | None, typer.Option(help=_NOW)] = None,
    as_json: AsJson = False,
) -> None:
    """State, what is derived from it, timeline, footprint, settlement with the reason why it waits,
    and the hash check.
    """
    times = twin_show.times(as_of, known_at)
    if now is None:
        clock = time.time_ns() // 1_000
        asked = min(filter(None, (times.as_of, times.known_at)), default=clock)
    else:
        asked = moment("--now", now)
    entries, damage, common = entries_of(context, chain, db, journal)
    shown = twin_show.show(chain, entries, damage, common, times, asked)
    if as_json:
        emit_json(shown)
    else:
        tell(shown)
    if shown.broken is not None:
        raise typer.Exit(1)


@journal_app.command("export")
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="JSON lines, one entry each.")],
    db: Annotated[
        Path | None, typer.Option("--db", help="From this DuckDB file instead of Kafka.")
    ] = None,
    chain: Annotated[str | None, typer.Option(help="Only this chain.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the journal to a file that anyone can check.

    With one chain go the schemas of others: it may have facts that cannot be read without them.
    """
    if db is not None:
        common: list[bytes] = []
        if chain is None:
            entries, damage = journal_entries(db, None)
        else:
            entries, damage, common = entries_of(context, chain, db, None)
        if damage is not None:
            raise UsageError(f"{db}: {damage}")
        count = journal_file.write(file, (*common, *entries))
    else:
        try:
            _, chosen = connect(context)
        except UsageError as error:
            raise UsageError(f"{error}; or export from a DuckDB file: --db FILE") from None
        try:
            meta = topics.require_meta(chosen.broker)
            wanted = None if chain is None else chain.encode()
            count = journal_file.write(
                file,
                (
                    record.value or b""
                    for record in read_all(chosen.broker, JOURNAL, meta.partitions)
                    if wanted in (None, record.key) or twin_show.is_common(record)
                ),
            )
        finally:
            chosen.close()
    if as_json:
        emit_json({"entries": count, "file": str(file)})
    else:
        out.print(f"{count} entries written to {file}")


@quarantine_app.command("list")
def quarantine_list(
    context: typer.Context,
    db: Db = None,
    limit: Annotated[int, typer.Option(min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """Newest first: where, what was wrong, and what to do."""
    newest = "ORDER BY arrival DESC, kafka_offset DESC, kafka_partition"
    found = _quarantined(context, db, newest, rows=limit)
    if found.truncated:
        err.print(f"the newest {limit}; there are more: see --limit", style="dim")
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    if as_json:
        emit_json(rows)
        return
    drawn = folding(*[str(name) for name in found.columns])
    for row in rows:
        drawn.add_row(*[_readable(name, value) for name, value in row.items()])
    out.print(drawn)


@quarantine_app.command("show")
def quarantine_show(
    context: typer.Context,
    topic: Annotated[str, typer.Argument()],
    partition: Annotated[int, typer.Argument()],
    offset: Annotated[int, typer.Argument()],
    body: Annotated[Path | None, typer.Option(help="Write its body here, to correct it.")] = None,
    db: Db = None,
    as_json: AsJson = False,
) -> None:
    """One refused record with all that is known about it."""
    quoted = topic.replace("'", "''")
    where = (
        f"WHERE source_topic = '{quoted}' AND source_partition = {partition} "
        f"AND source_offset = {offset}"
    )
    found = _quarantined(context, db, where, columns="*")
    if not found.rows:
        raise UsageError(f"nothing was quarantined from {topic} {partition} {offset}")
    one = dict(zip(found.columns, found.rows[0], strict=True))
    if body is not None:
        if one["body"] is None:
            raise UsageError("the quarantine has no body of this record: it was too large")
        body.write_bytes(bytes.fromhex(one["body"]))
    if as_json:
        emit_json(one)
        return
    fields = _fields(topic, one["body"])
    for name, value in one.items():
        if name != "body" or not fields:
            out.print(f"{name}: {_readable(name, value)}")
            continue
        out.print("body:")
        for field, part in fields.items():
            is_bytes = isinstance(part, bytes)
            out.print(f"  {field}: {_text(part.hex()) if is_bytes else text_of(part)}")


def _fields(topic: str, body: str | None) -> dict[str, Any]:
    """A body of one of our schemas, field by field; empty for any other."""
    if body is None:
        return {}
    try:
        message = codec.decode(topic, bytes.fromhex(body)).message
    except (RecordError, LookupError):
        return {}
    return {name: getattr(message, name) for name in message.__struct_fields__}


_BYTES = ("record_key", "body")


def _readable(name: str, value: Any) -> str:
    return text_of(value) if name not in _BYTES or value is None else _text(value)


def _text(in_hex: str) -> str:
    """Bytes, which come in hex, as the text that they are, if they are one."""
    with suppress(UnicodeDecodeError):
        text = bytes.fromhex(in_hex).decode()
        if all(one.isprintable() or one == "\n" for one in text):
            return text
    return in_hex


_SHORT = (
    "source_topic, source_partition, source_offset, arrival, code, field, reason, record_key, size"
)


def _quarantined(
    context: typer.Context, db: Path | None, tail: str, columns: str = _SHORT, rows: int = 1
) -> Result:
    statement = f"SELECT {columns} FROM quarantine {tail}"
    return query(database(context, db), statement, rows, 30)


@topics_app.command("check")
def topics_check(context: typer.Context, as_json: AsJson = False) -> None:
    """Compare the cluster with what the topics must be; exit 1 when it differs."""
    settings, chosen = connect(context)
    try:
        admin = chosen.broker.admin()
        problems = topics.check(admin, settings)
        admin.close()
    finally:
        chosen.close()
    if as_json:
        emit_json({"ok": not problems, "problems": problems})
    else:
        for problem in problems:
            out.print(problem)
        if not problems:
            out.print(f"all {len(topics.ALL)} topics are as they must be")
    if problems:
        raise typer.Exit(1)


@topics_app.command("describe")
def topics_describe(context: typer.Context, as_json: AsJson = False) -> None:
    """What every topic must be under the settings in force."""
    specs = topics.specs(context.obj.settings())
    if as_json:
        emit_json(specs)
        return
    drawn = folding("topic", "partitions", "replicas", "settings")
    for spec in specs:
        config = "\n".join(f"{key}={value}" for key, value in sorted(spec.config.items()))
        drawn.add_row(spec.name, str(spec.partitions), str(spec.replication), config)
    out.print(drawn)


@topics_app.command("acl")
def topics_acl(
    role: Annotated[str | None, typer.Option(help="Only this role (default: all).")] = None,
    form: Annotated[
        str, typer.Option("--format", help="commands (kafka-acls.sh) | strimzi (KafkaUser) | json")
    ] = "commands",
    principal_prefix: Annotated[
        str, typer.Option(help="Before the name of each role.")
    ] = acl.PREFIX,
    cluster: Annotated[
        str, typer.Option(help="Of the Strimzi users: the name of their Kafka resource.")
    ] = "kafka",
) -> None:
    """The least rights of each role, as commands or as YAML; nothing is changed."""
    chosen = [one for one in acl.roles() if role in (None, one.name)]
    if not chosen:
        known = ", ".join(one.name for one in acl.roles())
        raise UsageError(f"there is no role {role!r}: {known}")
    match form:
        case "commands":
            typer.echo(acl.commands(chosen, principal_prefix), nl=False)
        case "strimzi":
            typer.echo(acl.strimzi(chosen, principal_prefix, cluster), nl=False)
        case "json":
            emit_json(chosen)
        case _:
            raise UsageError(f"--format {form}: must be commands, strimzi or json")


def doctor(context: typer.Context, as_json: AsJson = False) -> None:
    """Look at everything; each line says ok or what to do. Exit 1 when something is not ok."""
    findings = doctor_checks.examine(context.obj.config)
    if as_json:
        emit_json(findings)
    else:
        for one in findings:
            mark = "ok  " if one.ok else "FAIL"
            out.print(f"{mark} {one.what}: {one.says}", style=None if one.ok else "red")
    if not all(one.ok for one in findings):
        raise typer.Exit(1)
