"""Signatures of contract terms: the bytes that a party signs, and the file beside the terms.

What is signed are three fields, each after its own length in bytes (4 bytes, big-endian):
``supplytwin/contract/v1``, the seat in which the party signs (UTF-8, `ContractTerms.seats`), and
the 32 bytes of the terms hash. No other signature of ours starts like this, so that none of them
can stand for a contract's.
"""

import base64
import binascii
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta, Struct

from supplytwin.schemas import strict
from supplytwin.schemas.amounts import Id
from supplytwin.schemas.contract import Form, Hash
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.records import Signature
from supplytwin.schemas.signature import ED25519, SIZES

DOMAIN = b"supplytwin/contract/v1"
FORM = "contract-signatures/1"
SUFFIX = ".signatures.json"
"""Behind the name of the terms' file."""

Seat = Annotated[str, Meta(min_length=1, max_length=300, pattern=r"\S", extra={"line": True})]


class Signed(Form, frozen=True, kw_only=True):
    """One signature: who, with which key, and its 64 bytes in base64url without padding."""

    party: Seat
    kid: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    alg: Literal["Ed25519"] = "Ed25519"
    sig: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{86}$")]


class SignatureFile(Form, frozen=True, kw_only=True):
    """The signatures of one terms hash."""

    form: Literal["contract-signatures/1"]
    contract_id: Id
    terms_hash: Hash
    signatures: tuple[Signed, ...] = ()


class KeyFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret key: 64 hex digits. It must stay with its owner."""

    kid: str
    organisation: str
    role: str
    secret: str


def message(seat: str, terms_hash: str) -> bytes:
    """The bytes that are signed. Raises ValueError for a hash that is not 64 hex digits."""
    content = bytes.fromhex(terms_hash)
    if len(content) != 32:
        raise ValueError(f"{terms_hash!r} is no SHA-256")
    fields = (DOMAIN, seat.encode(), content)
    return b"".join(len(one).to_bytes(4, "big") + one for one in fields)


def signed(secret: bytes, *, kid: str, seat: str, terms_hash: str) -> Signed:
    """The signature of a seat. Raises ValueError for a bad secret or hash."""
    key = Ed25519PrivateKey.from_private_bytes(secret)
    return Signed(party=seat, kid=kid, sig=text(key.sign(message(seat, terms_hash))))


def read(raw: bytes) -> SignatureFile:
    """A file of signatures. Raises RecordError with the path of the first thing that is wrong."""
    found = strict.read(raw, SignatureFile)
    if found.value is None or found.findings:
        first = found.findings[0]
        raise RecordError(Code.BAD_VALUE, first.path, first.line)
    return found.value


def written(file: SignatureFile) -> bytes:
    """The file, for people, too."""
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def text(sig: bytes) -> str:
    """The one spelling of a signature."""
    return base64.urlsafe_b64encode(sig).decode().rstrip("=")


def record(one: Signed) -> Signature:
    """The signature as the Contract record has it. Raises RecordError for another spelling."""
    try:
        sig = base64.b64decode(one.sig + "=" * (-len(one.sig) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        sig = b""
    if len(sig) != SIZES[ED25519] or text(sig) != one.sig:
        reason = f"of {one.party} is not the base64url of 64 bytes"
        raise RecordError(Code.BAD_VALUE, "sig", reason)
    return Signature(party=one.party, kid=one.kid, alg=one.alg, sig=sig)
