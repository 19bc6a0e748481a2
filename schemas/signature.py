"""The record header `st-signature`, and the bytes that a signature is over.

The header's value is ASCII, ``alg;kid;seq;sig``: `alg` is ``Ed25519`` or ``HMAC-SHA-256``, `kid` 1
to 64 of ``A-Z a-z 0-9 . _ -``, `seq` a decimal from 1 to 2^63 - 1 without leading zeros, `sig` the
64 (HMAC: 32) bytes in base64url without padding. One signature has one spelling.

What is signed are four fields, each after its own length in bytes (4 bytes, big-endian), so that no
byte can move from one field into the next: ``supplytwin/v1``, the source (UTF-8), the seq (8 bytes,
big-endian), and the SHA-256 of the original document, or of the record's value where there is none.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence

from msgspec import Struct

from supplytwin.schemas.flow import Header

HEADER = "st-signature"
ED25519, HMAC_SHA256 = "Ed25519", "HMAC-SHA-256"
SIZES = {ED25519: 64, HMAC_SHA256: 32}
"""Bytes of a signature by algorithm."""
DOMAIN = b"supplytwin/v1"
SEQ_MAX = 2**63 - 1
KID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SEQ = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)


class Signature(Struct, frozen=True, kw_only=True, gc=False):
    """A header that was read. `seq` counts what one key signs for one source, from 1 on."""

    alg: str
    kid: str
    seq: int
    sig: bytes


class Malformed(Struct, frozen=True, kw_only=True, gc=False):
    """A header that is no signature, and what is wrong with it."""

    says: str


def written(signature: Signature) -> Header:
    """The header of a signature. Raises ValueError for one that `read` would refuse."""
    text = base64.urlsafe_b64encode(signature.sig).decode().rstrip("=")
    value = f"{signature.alg};{signature.kid};{signature.seq};{text}".encode()
    found = read(((HEADER, value),))
    if found != signature:
        raise ValueError(found.says if isinstance(found, Malformed) else "is no signature")
    return HEADER, value


def read(headers: Sequence[Header]) -> Signature | Malformed | None:
    """The signature among a record's headers; None = it has none. Never raises."""
    values = [value for name, value in headers if name == HEADER]
    if not values:
        return None
    if len(values) > 1:
        return Malformed(says=f"{len(values)} headers {HEADER}: nobody knows which one counts")
    value = values[0]
    if not value:
        return Malformed(says="the header is empty")
    try:
        parts = value.decode("ascii").split(";")
    except UnicodeDecodeError:
        return Malformed(says="the header is not ASCII")
    if len(parts) != 4:
        return Malformed(says=f"has {len(parts)} parts, not alg;kid;seq;sig")
    return _of_parts(*parts)


def _of_parts(alg: str, kid: str, seq: str, sig: str) -> Signature | Malformed:
    if alg not in SIZES:
        return Malformed(says=f"alg {alg[:20]!r} is not one of {', '.join(SIZES)}")
    if KID.fullmatch(kid) is None:
        return Malformed(says=f"kid {kid[:20]!r} is not {KID.pattern}")
    if _SEQ.fullmatch(seq) is None or int(seq) > SEQ_MAX:
        return Malformed(says=f"seq {seq[:20]!r} is no number from 1 to {SEQ_MAX}")
    try:
        raw = base64.b64decode(sig + "=" * (-len(sig) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return Malformed(says="sig is not base64url")
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != sig:
        return Malformed(says="sig is not the one base64url spelling of its bytes")
    if len(raw) != SIZES[alg]:
        return Malformed(says=f"sig has {len(raw)} bytes, {alg} has {SIZES[alg]}")
    return Signature(alg=alg, kid=kid, seq=int(seq), sig=raw)


def digest(value: bytes, original: bytes | None) -> bytes:
    """SHA-256 of what a record's source signs: the original document, else (none, or no bytes) the
    value as it stands in Kafka.
    """
    return hashlib.sha256(original or value).digest()


def message(source: str, seq: int, content: bytes) -> bytes:
    """The bytes that are signed, of a `digest`. Raises OverflowError for a seq beyond 64 bits."""
    fields = (DOMAIN, source.encode(), seq.to_bytes(8, "big"), content)
    return b"".join(len(one).to_bytes(4, "big") + one for one in fields)
