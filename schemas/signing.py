"""Sign records, and check signatures: Ed25519 (RFC 8032) and HMAC-SHA-256. Deterministic."""

import hmac
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from supplytwin.schemas import signature
from supplytwin.schemas.flow import Header

SECRET_BYTES = 32
"""Of an Ed25519 secret key, and the least of an HMAC secret."""


def public_key(secret: bytes) -> bytes:
    """The 32 bytes of the public key. Raises ValueError unless `secret` has 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def sign(
    secret: bytes, *, kid: str, source: str, seq: int, value: bytes, original: bytes | None = None
) -> Header:
    """The header that `source` sends with a record of this value, or of this original document.

    Each seq of a key and a source is for one content. Raises ValueError for a bad secret, kid or
    seq.
    """
    key = Ed25519PrivateKey.from_private_bytes(secret)
    return _header(signature.ED25519, kid, source, seq, value, original, key.sign)


def sign_hmac(
    secret: bytes, *, kid: str, source: str, seq: int, value: bytes, original: bytes | None = None
) -> Header:
    """The same with a shared secret of at least 32 bytes: who can check it could have made it."""
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"the secret has {len(secret)} bytes, needs {SECRET_BYTES}")

    def mac(text: bytes) -> bytes:
        return hmac.digest(secret, text, "sha256")

    return _header(signature.HMAC_SHA256, kid, source, seq, value, original, mac)


def _header(
    alg: str,
    kid: str,
    source: str,
    seq: int,
    value: bytes,
    original: bytes | None,
    made: Callable[[bytes], bytes],
) -> Header:
    if not 1 <= seq <= signature.SEQ_MAX:
        raise ValueError(f"seq {seq} is not from 1 to {signature.SEQ_MAX}")
    text = signature.message(source, seq, signature.digest(value, original))
    return signature.written(signature.Signature(alg=alg, kid=kid, seq=seq, sig=made(text)))


def verifies(public: bytes, text: bytes, sig: bytes) -> bool:
    """Whether `sig` is the Ed25519 signature of `text` under a public key of 32 bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(sig, text)
    except InvalidSignature:
        return False
    return True


def verifies_hmac(secret: bytes, text: bytes, sig: bytes) -> bool:
    """Whether `sig` is the HMAC-SHA-256 of `text` under a shared secret."""
    return hmac.compare_digest(hmac.digest(secret, text, "sha256"), sig)
