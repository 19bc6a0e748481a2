"""`supplytwin keys`: whose signatures count, since when and until when."""

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from supplytwin.processors.chain import ChainFold
from supplytwin.processors.keys import Act, Compromised, Key, KeyRecord, Register, Revoked, usable
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.signature import SIZES
from supplytwin.sinks.query import common_entries
from supplytwin.streams import journal_file, key_records, topics
from supplytwin.streams import show as twin_show
from supplytwin.streams.cli_check import Reason, Role, Who
from supplytwin.streams.cli_look import Db, database
from supplytwin.streams.cli_run import AsJson, connect, emit_json, out
from supplytwin.streams.drawing import folding
from supplytwin.streams.moments import moment

keys_app = typer.Typer(no_args_is_help=True, help="The key register: whose signatures count.")
Kid = Annotated[str, typer.Argument(help="The key's name in the register.")]
_WHEN = "A date (its first moment, UTC) or an RFC 3339 time."


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.add_typer(keys_app, name="keys")


@keys_app.command("add")
def keys_add(
    context: typer.Context,
    kid: Kid,
    organisation: Annotated[str, typer.Option(help="Whose key it is.")],
    key_role: Annotated[str, typer.Option(help="What it signs as, e.g. WAREHOUSE.")],
    site: Annotated[str, typer.Option(help="Where.")],
    key: Annotated[str, typer.Option(help="64 hex digits: the public key; of HMAC see --alg.")],
    valid_from: Annotated[str, typer.Option(help=_WHEN)],
    valid_to: Annotated[str, typer.Option(help=f"No more from then on. {_WHEN}")],
    source: Annotated[list[str], typer.Option(help="A source that it signs for; again for more.")],
    who: Who,
    reason: Reason,
    role: Role = "OPERATOR",
    alg: Annotated[
        str, typer.Option(help="Or HMAC-SHA-256: then --key is the SHA-256 of the secret.")
    ] = "Ed25519",
) -> None:
    """Register a key. It never changes: a mistake is repaired with another key and kid."""
    if alg not in SIZES:
        raise UsageError(f"--alg {alg[:20]!r} is not one of {', '.join(SIZES)}")
    made = Key(
        kid=kid,
        alg=alg,  # type: ignore[arg-type]
        organisation=organisation,
        role=key_role,
        site=site,
        key=key.lower(),
        valid_from=_moment("--valid-from", valid_from),
        valid_to=_moment("--valid-to", valid_to),
        sources=tuple(source),
    )
    act = Act(who=who, role=role, reason=reason)
    _say(context, KeyRecord(keys=(made,), act=act), f"{kid} signs for {organisation}")


@keys_app.command("load")
def keys_load(
    context: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(help="FILE.public.json of `contract keygen`; several at once.")
    ],
    who: Who,
    reason: Reason,
    role: Role = "OPERATOR",
) -> None:
    """Register the keys of these files, in one record for each."""
    act = Act(who=who, role=role, reason=reason)
    found = [_keys_in(file) for file in files]
    for keys in found:
        told = ", ".join(f"{one.kid} signs for {one.organisation}" for one in keys)
        _say(context, KeyRecord(keys=keys, act=act), told)


def _keys_in(file: Path) -> tuple[Key, ...]:
    """The keys of a file. Raises UsageError for one that is not there, or has none."""
    try:
        made = msgspec.json.decode(file.read_bytes(), type=KeyRecord)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} has no keys of `contract keygen`: {error}") from None
    if not made.keys or made.revoked or made.compromised:
        raise UsageError(f"{file} must have keys, and nothing else")
    return made.keys


@keys_app.command("revoke")
def keys_revoke(
    context: typer.Context,
    kid: Kid,
    at: Annotated[str, typer.Option(help=f"From when on it signs nothing. {_WHEN}")],
    who: Who,
    reason: Reason,
    role: Role = "OPERATOR",
) -> None:
    """A key signs nothing from then on; what it signed before stands."""
    end = Revoked(kid=kid, revoked_at=_moment("--at", at), reason=reason)
    act = Act(who=who, role=role, reason=reason)
    _say(context, KeyRecord(revoked=(end,), act=act), f"{kid} is revoked from {at} on")


@keys_app.command("compromised")
def keys_compromised(
    context: typer.Context,
    kid: Kid,
    since: Annotated[str, typer.Option(help=f"Since when others may have had it. {_WHEN}")],
    who: Who,
    reason: Reason,
    role: Role = "OPERATOR",
) -> None:
    """Others may sign with it since then: what it signed, or what arrived, since is taken back."""
    end = Compromised(kid=kid, compromise_at=_moment("--since", since), reason=reason)
    act = Act(who=who, role=role, reason=reason)
    _say(context, KeyRecord(compromised=(end,), act=act), f"{kid} is compromised since {since}")


@keys_app.command("list")
def keys_list(
    context: typer.Context,
    db: Db = None,
    journal: Annotated[Path | None, typer.Option(help="An exported journal instead.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every key that the journal knows, and every end of one that it does not know."""
    if db is not None and journal is not None:
        raise UsageError("give --db or --journal, not both")
    if journal is not None:
        _whole(journal)
        entries = twin_show.common_from_file(journal)
    else:
        entries = common_entries(database(context, db))
    fold = ChainFold("")
    fold.told_of_all([twin_show.record_of(value) for value in entries])
    rows = listed(fold.register)
    if as_json:
        emit_json(rows)
        return
    drawn = folding("kid", "organisation", "role", "site", "valid", "ends", "sources", "why not")
    for one in rows:
        ends = [f"{word} {one[name]}" for word, name in _ENDS if one[name] is not None]
        valid = "" if one["valid_from"] is None else f"{one['valid_from']} - {one['valid_to']}"
        texts = (one["organisation"], one["role"], one["site"])
        named = ("" if text is None else text for text in texts)
        drawn.add_row(one["kid"], *named, valid, "\n".join(ends), "\n".join(one["sources"]),
                      one["why_not"])  # fmt: skip
    out.print(drawn if rows else "no key is registered")


def _whole(journal: Path) -> None:
    """Raises UsageError for a line that is none: it may have been the end of a key."""
    for line in journal_file.read(journal):
        if line.damage is not None:
            raise UsageError(f"{journal} line {line.number}: {line.damage}")


_ENDS = (("revoked", "revoked_at"), ("compromised", "compromise_at"))


def listed(register: Register) -> list[dict[str, Any]]:
    """A row for each kid, sorted; `why_not` = why it counts for nothing at all, "" = it may count.

    Of a key that contradicts itself nothing else is told. Times are ISO 8601, UTC.
    """
    rows = []
    for kid, known in sorted(register.known.items()):
        found = usable(register, kid)
        key = None if isinstance(found, str) else found.key
        why = found or "no key of that name is registered" if isinstance(found, str) else ""
        rows.append({
            "kid": kid,
            "alg": key and key.alg,
            "organisation": key and key.organisation,
            "role": key and key.role,
            "site": key and key.site,
            "key": key and key.key,
            "valid_from": key and twin_show.iso(key.valid_from),
            "valid_to": key and twin_show.iso(key.valid_to),
            "sources": [] if key is None else list(key.sources),
            "revoked_at": twin_show.iso(known.revoked_at),
            "compromise_at": twin_show.iso(known.compromise_at),
            "why_not": why,
        })  # fmt: skip
    return rows


def _moment(option: str, text: str) -> Micros:
    return Micros(moment(option, text, "start"))


_OPTIONS = {
    "kid": "KID", "role": "--key-role", "sources": "--source", "revoked_at": "--at",
    "compromise_at": "--since",
}  # fmt: skip
"""Of a KEY record's field, where it is not called like it."""


def _option(error: RecordError) -> str:
    name = error.field.rpartition("].")[2].partition("[")[0]
    return _OPTIONS.get(name, f"--{name.replace('_', '-')}")


def _say(context: typer.Context, record: KeyRecord, said: str) -> None:
    _, chosen = connect(context)
    try:
        meta = topics.require_meta(chosen.broker)
        name = key_records.publish(chosen.broker, meta, record, time.time_ns() // 1000)
    except RecordError as error:
        raise UsageError(f"{_option(error)}: {error.reason}") from None
    finally:
        chosen.close()
    out.print(f"written to every partition: {said} ({name})")
