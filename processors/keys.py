"""The key register: whose key is whose, for which sources, since when and until when.

It is control data: a KEY record's body is JSON with ``keys``, ``revoked`` and ``compromised``, at
least one of them not empty (docs/evidence.md). The register is a fold of such records, and any
order of one set of them gives the same: a key's record never changes (another one for the same kid
makes it count for nothing), and of several revocations or compromises of a key the earliest time
counts.
"""

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from typing import Annotated, Literal

import msgspec
from immutables import Map
from msgspec import Meta, Struct
from msgspec.structs import replace

from supplytwin.schemas.edwards import is_sound
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.localtime import check_time
from supplytwin.schemas.records import Control
from supplytwin.schemas.signature import ED25519, KID
from supplytwin.schemas.validate import identifier

Algorithm = Literal["Ed25519", "HMAC-SHA-256"]
_ROLE = re.compile(r"[A-Z][A-Z0-9_]{0,34}", re.ASCII)
_HEX = re.compile(r"[0-9a-f]{64}", re.ASCII)
Few = Annotated[tuple[str, ...], Meta(min_length=1, max_length=100)]


class Key(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key, in one role of one organisation. Valid while valid_from <= time < valid_to."""

    kid: str
    alg: Algorithm
    organisation: str
    role: str
    site: str
    key: str
    """64 hex digits: the public key; of HMAC the SHA-256 of the shared secret."""
    valid_from: Micros
    valid_to: Micros
    sources: Few
    """Names of the sources that it signs for; shell wildcards over the whole name."""


class Revoked(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From then on the key signs nothing."""

    kid: str
    revoked_at: Micros
    reason: str


class Compromised(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Since then others may have signed with the key."""

    kid: str
    compromise_at: Micros
    reason: str


class Act(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who says it, in which role, and why."""

    who: str
    role: str
    reason: str


class KeyRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of one KEY record."""

    keys: tuple[Key, ...] = ()
    revoked: tuple[Revoked, ...] = ()
    compromised: tuple[Compromised, ...] = ()
    act: Act | None = None


class Known(Struct, frozen=True, kw_only=True):
    """What all records together say of one kid. More than one of `said`: a contradiction."""

    said: frozenset[Key] = frozenset()
    revoked_at: Micros | None = None
    compromise_at: Micros | None = None


class Register(Struct, frozen=True, kw_only=True):
    """All that is known, by kid."""

    known: Map[str, Known] = Map()
    kids: Map[str, frozenset[str]] = Map()
    """Under which kids each `Key.key` is registered."""


class Usable(Struct, frozen=True, kw_only=True):
    """A key about which the register says one thing."""

    key: Key
    revoked_at: Micros | None
    compromise_at: Micros | None


def body_of(record: KeyRecord) -> bytes:
    """The body of the KEY record: JSON with sorted members and without white space."""
    said = msgspec.to_builtins(record)
    return msgspec.json.encode({name: one for name, one in said.items() if one}, order="sorted")


_decoder = msgspec.json.Decoder(KeyRecord)


def keys_of(control: Control) -> KeyRecord | None:
    """What a control record says about keys; None = it is no KEY record.

    Raises RecordError(BAD_VALUE) that names the field of a body that is not a right one.
    """
    if control.kind != "KEY":
        return None
    try:
        found = _decoder.decode(control.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad("body", f"is no key record: {error}") from None
    if not (found.keys or found.revoked or found.compromised):
        raise _bad("body", "says nothing: needs keys, revoked or compromised")
    for at, key in enumerate(found.keys):
        _check_key(key, f"body.keys[{at}]")
    for at, revoked in enumerate(found.revoked):
        check_time(revoked.revoked_at, f"body.revoked[{at}].revoked_at")
        _check_end(revoked, f"body.revoked[{at}]")
    for at, one in enumerate(found.compromised):
        check_time(one.compromise_at, f"body.compromised[{at}].compromise_at")
        _check_end(one, f"body.compromised[{at}]")
    return found


def _bad(field: str, reason: str) -> RecordError:
    return RecordError(Code.BAD_VALUE, field, reason)


def _matches(pattern: re.Pattern[str], value: str, field: str) -> None:
    if pattern.fullmatch(value) is None:
        raise _bad(field, f"{value[:40]!r} is not {pattern.pattern}")


def _check_key(key: Key, field: str) -> None:
    _matches(KID, key.kid, f"{field}.kid")
    _matches(_ROLE, key.role, f"{field}.role")
    _matches(_HEX, key.key, f"{field}.key")
    identifier(key.organisation, f"{field}.organisation")
    identifier(key.site, f"{field}.site")
    for at, source in enumerate(key.sources):
        identifier(source, f"{field}.sources[{at}]")
    check_time(key.valid_from, f"{field}.valid_from")
    check_time(key.valid_to, f"{field}.valid_to")
    if key.valid_from >= key.valid_to:
        raise _bad(f"{field}.valid_to", "is not after valid_from")
    if key.alg == ED25519 and not is_sound(bytes.fromhex(key.key)):
        raise _bad(f"{field}.key", "is no public key, or one under which anybody can sign")


def _check_end(end: Revoked | Compromised, field: str) -> None:
    _matches(KID, end.kid, f"{field}.kid")
    identifier(end.reason, f"{field}.reason")


def learn(register: Register, record: KeyRecord) -> Register:
    """The register with what one record says; `register` itself when that is nothing new."""
    known, kids = register.known, register.kids
    for key in record.keys:
        one = known.get(key.kid, Known())
        known = known.set(key.kid, replace(one, said=one.said | {key}))
        kids = kids.set(key.key, kids.get(key.key, frozenset()) | {key.kid})
    for revoked in record.revoked:
        one = known.get(revoked.kid, Known())
        at = _earlier(one.revoked_at, revoked.revoked_at)
        known = known.set(revoked.kid, replace(one, revoked_at=at))
    for lost in record.compromised:
        one = known.get(lost.kid, Known())
        at = _earlier(one.compromise_at, lost.compromise_at)
        known = known.set(lost.kid, replace(one, compromise_at=at))
    made = Register(known=known, kids=kids)
    return register if made == register else made


def _earlier(one: Micros | None, other: Micros) -> Micros:
    return other if one is None else min(one, other)


def register_of(records: Iterable[KeyRecord]) -> Register:
    """The register that these records make, in any order."""
    register = Register()
    for record in records:
        register = learn(register, record)
    return register


def usable(register: Register, kid: str) -> Usable | str:
    """The key of that kid, or in words why there is none. An unknown kid is "".

    Two records that differ, or one public key under two kids, make a key that counts for nothing: a
    signature does not name its kid, so it would count under both.
    """
    one = register.known.get(kid)
    if one is None or not one.said:
        return ""
    if len(one.said) > 1:
        return f"{len(one.said)} records of key {kid} contradict each other"
    (key,) = one.said
    others = register.kids[key.key] - {kid}
    if others:
        return f"the key of {kid} is registered as {', '.join(sorted(others))}, too"
    return Usable(key=key, revoked_at=one.revoked_at, compromise_at=one.compromise_at)


@lru_cache(maxsize=4096)
def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(translate(source))


def signs_for(key: Key, source: str) -> bool:
    """Whether a key is one of that source."""
    return any(_pattern(one).match(source) for one in key.sources)
