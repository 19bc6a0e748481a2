"""Commands for contracts: make terms and check them, make keys, sign, publish."""

import os
import secrets
import time
from pathlib import Path
from typing import Annotated, get_args

import msgspec
import typer
from msgspec.structs import replace

from supplytwin.processors import contract_signing
from supplytwin.processors import keys as key_register
from supplytwin.processors.feeds import BYTES_MAX
from supplytwin.schemas import codec, signing
from supplytwin.schemas import contract_signature as signatures
from supplytwin.schemas.contract import ContractTerms, Role, encode
from supplytwin.schemas.contract_signature import KeyFile, SignatureFile
from supplytwin.schemas.errors import RecordError, UsageError
from supplytwin.schemas.ids import DAY_US, Micros
from supplytwin.schemas.records import CONTRACTS, Contract, Control
from supplytwin.streams import cli_contract_check, framed, topics
from supplytwin.streams.cli_carbon import content
from supplytwin.streams.cli_contract_check import Free, checked
from supplytwin.streams.cli_run import connect, out
from supplytwin.streams.moments import moment
from supplytwin.streams.ports import Broker
from supplytwin.streams.topics import Meta

contract_app = typer.Typer(no_args_is_help=True, help="Contract terms: make, check, sign, publish.")

_HASH_DIGITS = 16
"""So many of its hash name the text of an amendment."""
Terms = Annotated[Path, typer.Argument(help="The terms as JSON.")]
Beside = Annotated[
    Path | None,
    typer.Option("--signatures", help=f"The signatures (default: FILE{signatures.SUFFIX})."),
]


def add(app: typer.Typer) -> None:
    """Register the commands of this module."""
    cli_contract_check.add(contract_app)
    app.add_typer(contract_app, name="contract")


@contract_app.command()
def keygen(
    key: Annotated[Path, typer.Argument(help="Where to write the secret key; never overwritten.")],
    kid: Annotated[str, typer.Option(help="The name of the key.")],
    organisation: Annotated[str, typer.Option(help="Its owner, as `org_id` in the terms.")],
    role: Annotated[str, typer.Option(help="The owner's role in contracts, e.g. BUYER.")],
    since: Annotated[
        str | None, typer.Option("--from", help="Valid from then (default: now).")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Valid for so long.")] = 365,
) -> None:
    """Make an Ed25519 key that signs contracts; beside it FILE.public.json for the key register."""
    if role not in get_args(Role):
        raise UsageError(f"--role {role}: a party is one of {', '.join(get_args(Role))}")
    secret = secrets.token_bytes(signing.SECRET_BYTES)
    first = time.time_ns() // 1_000 if since is None else moment("--from", since, "start")
    public = key_register.Key(
        kid=kid,
        alg="Ed25519",
        organisation=organisation,
        role=role,
        site="contract-desk",
        key=signing.public_key(secret).hex(),
        valid_from=Micros(first),
        valid_to=Micros(first + days * DAY_US),
        sources=(CONTRACTS,),
    )
    body = key_register.body_of(key_register.KeyRecord(keys=(public,)))
    _register_of(body, "the key")
    own = KeyFile(kid=kid, organisation=organisation, role=role, secret=secret.hex())
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(own)) + b"\n")
    beside = key.with_name(key.name + ".public.json")
    beside.write_bytes(msgspec.json.format(body) + b"\n")
    out.print(f"secret: {key} (keep it); public: {beside}")


def _register_of(body: bytes, what: str) -> key_register.KeyRecord:
    """A key record. Raises UsageError for what is none."""
    control = Control(input_id="", kind="KEY", tick_time=Micros(0), timeline="", body=body)
    try:
        found = key_register.keys_of(control)
    except RecordError as error:
        raise UsageError(f"{what}: {error.field} {error.reason}") from None
    assert found is not None
    return found


def _good(file: Path, *, free_conditions: bool) -> tuple[ContractTerms, str]:
    """Terms without faults and their hash. Raises UsageError."""
    report = checked(content(str(file)), free_conditions=free_conditions)
    if report.terms is None or report.terms_hash is None or not report.good:
        first = report.findings[0]
        raise UsageError(
            f"{file} has {len(report.findings)} faults, first {first.path}: {first.line}; "
            "see `supplytwin contract check`"
        )
    return report.terms, report.terms_hash


def _signed(path: Path, terms: ContractTerms, hashed: str) -> SignatureFile:
    """The signatures of these terms so far. Raises UsageError for those of others."""
    if not path.exists():
        return SignatureFile(
            form="contract-signatures/1", contract_id=terms.contract_id, terms_hash=hashed
        )
    try:
        found = signatures.read(path.read_bytes())
    except RecordError as error:
        raise UsageError(f"{path}: {error.field} {error.reason}") from None
    if found.terms_hash != hashed:
        raise UsageError(f"{path} is of other terms ({found.terms_hash}): move it away, sign anew")
    return found


@contract_app.command()
def sign(
    file: Terms,
    key: Annotated[Path, typer.Option(help="The secret key, of `contract keygen`.")],
    party: Annotated[str, typer.Option(help="The role; with several of one role ROLE:org_id.")],
    signature_file: Beside = None,
    free_conditions: Free = False,
) -> None:
    """Sign the hash of terms without faults; an earlier signature of the party is replaced."""
    terms, hashed = _good(file, free_conditions=free_conditions)
    if party not in terms.seats:
        raise UsageError(f"--party {party}: there are {', '.join(terms.seats)}")
    try:
        own = msgspec.json.decode(key.read_bytes(), type=KeyFile)
        secret = bytes.fromhex(own.secret)
        made = signatures.signed(secret, kid=own.kid, seat=party, terms_hash=hashed)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
        raise UsageError(f"{key} is no key file: make one with `contract keygen`") from None
    wanted = terms.seats[party]
    if (own.organisation, own.role) != (wanted.org_id, wanted.role):
        raise UsageError(
            f"{key} is of {own.organisation} as {own.role}, {party} is {wanted.org_id}: "
            "its signature would count for nothing"
        )
    path = signature_file or file.with_name(file.name + signatures.SUFFIX)
    before = _signed(path, terms, hashed)
    others = tuple([one for one in before.signatures if one.party != party])
    path.write_bytes(signatures.written(replace(before, signatures=(*others, made))))
    missing = [one for one in terms.seats if one not in {one.party for one in (*others, made)}]
    out.print(f"signed as {party}: {hashed}")
    out.print(f"missing: {', '.join(missing) or 'nobody'}; signatures: {path}")


@contract_app.command()
def publish(
    context: typer.Context,
    file: Terms,
    keys: Annotated[list[Path], typer.Option(help="Key records (JSON) of the parties' keys.")],
    signature_file: Beside = None,
    source: Annotated[str, typer.Option(help="Who publishes it.")] = "contract-desk",
    at: Annotated[
        str | None, typer.Option(help="When it arrives, in a deployment in simulated time.")
    ] = None,
    free_conditions: Free = False,
) -> None:
    """Check terms and every party's signature, then send the contract to settlement.contracts."""
    terms, hashed = _good(file, free_conditions=free_conditions)
    path = signature_file or file.with_name(file.name + signatures.SUFFIX)
    records = [_register_of(one.read_bytes(), str(one)) for one in keys]
    _, chosen = connect(context)
    try:
        meta = topics.require_meta(chosen.broker)
        arrival = _arrival(meta, at)
        contract = signed_contract(
            terms, _signed(path, terms, hashed), key_register.register_of(records), arrival, source
        )
        send(chosen.broker, meta, contract, arrival)
    finally:
        chosen.close()
    out.print(f"published: {contract.input_id} for chain {contract.chain_id}, hash {hashed}")
    out.print(
        f"once a worker agrees it, `supplytwin settlement list --chain {contract.chain_id}` has "
        "its claims; why it does not: `supplytwin quarantine list`, or EARLY_TERMS and "
        "ILLEGAL_PAIR on twin.exceptions"
    )


def _arrival(meta: Meta, at: str | None) -> Micros:
    if meta.simulated == (at is None):
        raise UsageError("--at: give it in simulated time, where a feed plays, and only there")
    return Micros(time.time_ns() // 1_000 if at is None else moment("--at", at))


def signed_contract(
    terms: ContractTerms,
    file: SignatureFile,
    register: key_register.Register,
    at: Micros,
    source: str,
) -> Contract:
    """The record of terms that every party has signed, as its signatures are `at`. Raises
    UsageError that says whose signature is missing or does not count. An amendment is known by its
    text, too: one that is refused leaves its number to another.
    """
    try:
        found = tuple([signatures.record(one) for one in file.signatures])
    except RecordError as error:
        raise UsageError(f"signatures: {error.reason}") from None
    wrong = contract_signing.signed_by_all(terms, found, register, at)
    if wrong:
        raise UsageError(f"not published: {'; '.join(wrong)}")
    text = f":{file.terms_hash[:_HASH_DIGITS]}" if terms.version > 1 else ""
    return Contract(
        input_id=f"contract:{terms.contract_id}:{terms.version}{text}",
        source=source,
        chain_id=terms.chain_id,
        contract_id=terms.contract_id,
        version=terms.version,
        terms=encode(terms),
        terms_hash=file.terms_hash,
        signatures=found,
    )


def send(broker: Broker, meta: Meta, contract: Contract, arrival: Micros) -> None:
    """Send a contract under its chain; it is acknowledged when this returns. Raises UsageError for
    one that is too large.
    """
    framed.require(broker, (CONTRACTS,))
    value = codec.encode(CONTRACTS, contract)
    if len(value) > BYTES_MAX:
        raise UsageError(
            f"the record has {len(value)} bytes, the topic takes {BYTES_MAX}: split it"
        )
    producer = broker.producer(None)
    try:
        stamp = arrival if meta.simulated else None
        producer.produce(CONTRACTS, contract.chain_id.encode(), value, timestamp_us=stamp)
        producer.flush()
    finally:
        producer.close()
