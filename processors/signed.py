"""What a signed record counts for, or why for nothing.

A verdict follows from the records of one journal and the key register alone. What the register
learns later counts for earlier records, too: a key that was compromised at T takes back everything
with max(signed time, arrival) >= T. The order of the records matters in one place only: of two
contents under one seq of a key and a source, the first in the journal counts.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from supplytwin.processors.keys import Key, Register, Usable, signs_for, usable
from supplytwin.schemas import signature, signing
from supplytwin.schemas.flow import Header

Slot = tuple[str, str, int]
"""(kid, source, seq): each is for one content."""


class Reason(StrEnum):
    """Why a record counts for nothing. The first that applies, in this order."""

    NO_SIGNATURE = "NO_SIGNATURE"
    MALFORMED_SIGNATURE = "MALFORMED_SIGNATURE"
    UNKNOWN_KEY = "UNKNOWN_KEY"
    CONFLICTED_KEY = "CONFLICTED_KEY"
    FOREIGN_SOURCE = "FOREIGN_SOURCE"
    HMAC_NOT_ALLOWED = "HMAC_NOT_ALLOWED"
    NO_SECRET = "NO_SECRET"  # noqa: S105
    BAD_SIGNATURE = "BAD_SIGNATURE"
    ENVELOPE_DIFFERS = "ENVELOPE_DIFFERS"
    REPLAYED_SEQ = "REPLAYED_SEQ"
    COMPROMISED = "COMPROMISED"
    REVOKED = "REVOKED"
    OUT_OF_VALIDITY = "OUT_OF_VALIDITY"


class Evidence(Struct, frozen=True, kw_only=True):
    """One record as it is judged; times in us UTC.

    `signed_at` is the time that stands in the signed content (an event's recorded_time); None where
    it has none: then the arrival counts. With an `original`, `envelope_agrees` says whether the
    event that its reader derives is the one of the envelope; unknown counts as no.
    """

    source: str
    value: bytes
    original: bytes | None = None
    envelope_agrees: bool | None = None
    headers: tuple[Header, ...] = ()
    signed_at: int | None = None
    arrival: int


class Counts(Struct, frozen=True, kw_only=True):
    """It counts for this organisation in this role.

    `non_repudiable` is False for HMAC: who checked it could have made it.
    """

    organisation: str
    role: str
    site: str
    kid: str
    source: str
    seq: int
    signed_at: int
    non_repudiable: bool


class Nothing(Struct, frozen=True, kw_only=True):
    """It counts for nothing, and why, for people."""

    reason: Reason
    says: str


class Secrets(Struct, frozen=True, kw_only=True):
    """HMAC: whether the terms allow it, and the shared secrets by kid (never in a journal)."""

    allowed: bool = False
    by_kid: Mapping[str, bytes] = {}


class _Genuine(Struct, frozen=True, kw_only=True):
    """A record whose signature is its key's; what the times say comes later."""

    slot: Slot
    content: bytes
    key: Usable


NO_HMAC = Secrets()


def judged(
    records: Sequence[Evidence], register: Register, secrets: Secrets = NO_HMAC
) -> tuple[Counts | Nothing, ...]:
    """The verdict of each record; `records` in the order of the journal."""
    checked = [_checked(one, register, secrets) for one in records]
    first: dict[Slot, bytes] = {}
    for found in checked:
        if isinstance(found, _Genuine):
            first.setdefault(found.slot, found.content)
    return tuple(_verdict(one, found, first) for one, found in zip(records, checked, strict=True))


def judge(one: Evidence, register: Register, secrets: Secrets = NO_HMAC) -> Counts | Nothing:
    """The verdict of a record that is alone in its journal."""
    return judged((one,), register, secrets)[0]


def withdrawn(
    records: Sequence[Evidence], before: Register, after: Register, secrets: Secrets = NO_HMAC
) -> tuple[tuple[int, Nothing], ...]:
    """(place in `records`, why) of each that counted under `before` and does not under `after`."""
    was = judged(records, before, secrets)
    now = judged(records, after, secrets)
    return tuple(
        (at, new)
        for at, (old, new) in enumerate(zip(was, now, strict=True))
        if isinstance(old, Counts) and isinstance(new, Nothing)
    )


def quorum(found: Iterable[Counts | Nothing], roles: Collection[str]) -> tuple[Counts, ...]:
    """The largest set of records with distinct organisations *and* distinct roles out of `roles`:
    its size is the k that has been reached. One of each pair is taken, sorted by role.

    An organisation with several keys, sites or roles counts once, and so does a role.
    """
    best: dict[tuple[str, str], Counts] = {}
    for one in found:
        if isinstance(one, Counts) and one.role in roles:
            pair = (one.role, one.organisation)
            best[pair] = min(best.get(pair, one), one, key=_order)
    taken: dict[str, str] = {}
    for role in sorted({role for role, _ in best}):
        _place(role, best, taken, set())
    return tuple(best[role, who] for who, role in sorted(taken.items(), key=lambda one: one[1]))


def _order(one: Counts) -> tuple[bool, int, str, str, int]:
    """What a quorum names of several: non-repudiable before others, then the earliest."""
    return not one.non_repudiable, one.signed_at, one.kid, one.source, one.seq


def _place(
    role: str, best: Mapping[tuple[str, str], Counts], taken: dict[str, str], seen: set[str]
) -> bool:
    """Give a role an organisation, moving others to another one where that helps."""
    for who in sorted(who for one, who in best if one == role):
        if who in seen:
            continue
        seen.add(who)
        if who not in taken or _place(taken[who], best, taken, seen):
            taken[who] = role
            return True
    return False


def _nothing(reason: Reason, says: str) -> Nothing:
    return Nothing(reason=reason, says=says)


def _checked(one: Evidence, register: Register, secrets: Secrets) -> _Genuine | Nothing:
    """Whose signature it is. Nothing here depends on a time or on another record."""
    found = signature.read(one.headers)
    if found is None:
        return _nothing(Reason.NO_SIGNATURE, f"the record has no header {signature.HEADER}")
    if isinstance(found, signature.Malformed):
        return _nothing(Reason.MALFORMED_SIGNATURE, found.says)
    key = usable(register, found.kid)
    if isinstance(key, str):
        reason = Reason.CONFLICTED_KEY if key else Reason.UNKNOWN_KEY
        return _nothing(reason, key or f"the register has no key {found.kid}")
    if key.key.alg != found.alg:
        says = f"key {found.kid} is one of {key.key.alg}, the header says {found.alg}"
        return _nothing(Reason.BAD_SIGNATURE, says)
    if not signs_for(key.key, one.source):
        says = f"key {found.kid} of {key.key.organisation} does not sign for {one.source[:60]!r}"
        return _nothing(Reason.FOREIGN_SOURCE, says)
    content = signature.digest(one.value, one.original)
    wrong = _wrong(found, key.key, signature.message(one.source, found.seq, content), secrets)
    if wrong is not None:
        return wrong
    if one.original and one.envelope_agrees is not True:
        says = "the envelope is not known to say what the signed original says"
        return _nothing(Reason.ENVELOPE_DIFFERS, says)
    return _Genuine(slot=(found.kid, one.source, found.seq), content=content, key=key)


def _wrong(found: signature.Signature, key: Key, text: bytes, secrets: Secrets) -> Nothing | None:
    """Why the signature is not the key's; None = it is."""
    bad = _nothing(Reason.BAD_SIGNATURE, f"it is not the signature of key {key.kid} over this")
    if found.alg == signature.ED25519:
        return None if signing.verifies(bytes.fromhex(key.key), text, found.sig) else bad
    if not secrets.allowed:
        return _nothing(Reason.HMAC_NOT_ALLOWED, "the terms ask for a signature, HMAC is none")
    secret = secrets.by_kid.get(key.kid, b"")
    if hashlib.sha256(secret).hexdigest() != key.key or len(secret) < signing.SECRET_BYTES:
        return _nothing(Reason.NO_SECRET, f"the secret of key {key.kid} is not at hand")
    return None if signing.verifies_hmac(secret, text, found.sig) else bad


def _verdict(
    one: Evidence, found: _Genuine | Nothing, first: Mapping[Slot, bytes]
) -> Counts | Nothing:
    if isinstance(found, Nothing):
        return found
    kid, _, seq = found.slot
    if first[found.slot] != found.content:
        says = f"key {kid} has signed other content for {one.source[:60]!r} as seq {seq} before"
        return _nothing(Reason.REPLAYED_SEQ, says)
    signed_at = one.arrival if one.signed_at is None else one.signed_at
    late = _too_late(found.key, signed_at, max(signed_at, one.arrival))
    if late is not None:
        return late
    key = found.key.key
    return Counts(
        organisation=key.organisation,
        role=key.role,
        site=key.site,
        kid=kid,
        source=one.source,
        seq=seq,
        signed_at=signed_at,
        non_repudiable=key.alg == signature.ED25519,
    )


def _too_late(found: Usable, signed_at: int, moment: int) -> Nothing | None:
    """What the times of the key have against it. `moment` is the later of signed time and arrival:
    nobody gets around an end by writing an earlier time.
    """
    key = found.key
    if found.compromise_at is not None and moment >= found.compromise_at:
        says = f"key {key.kid} was in other hands from {found.compromise_at} us, this is {moment}"
        return _nothing(Reason.COMPROMISED, says)
    if found.revoked_at is not None and moment >= found.revoked_at:
        says = f"key {key.kid} was revoked at {found.revoked_at} us, this is {moment}"
        return _nothing(Reason.REVOKED, says)
    if signed_at < key.valid_from or moment >= key.valid_to:
        says = f"key {key.kid} is valid from {key.valid_from} to {key.valid_to} us, signed at "
        return _nothing(Reason.OUT_OF_VALIDITY, f"{says}{signed_at}, arrived by {moment}")
    return None
