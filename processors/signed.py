"""What a signed record counts for, or why for nothing.

A verdict follows from what is remembered of the signed records of one chain and the key register
alone. What the register learns later counts for earlier records, too: a key that was compromised at
T takes back everything with max(signed time, arrival) >= T. Of two contents under one seq of a key
and a source, the one that arrived first counts.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors.keys import Key, Register, Usable, signs_for, usable
from supplytwin.schemas import signature, signing
from supplytwin.schemas.flow import Header
from supplytwin.schemas.signature import Malformed, Signature

Slot = tuple[str, str, int]
"""(kid, source, seq): each is for one content."""


class Reason(StrEnum):
    """Why a record counts for nothing. The first that applies, in this order; the last three are
    said by the terms (`signed_facts_terms`, `settlement_asked`).
    """

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
    FOREIGN_KEY = "FOREIGN_KEY"
    OTHER_SITE = "OTHER_SITE"
    LATE = "LATE"


_REASONS = list(Reason)


class Evidence(Struct, frozen=True, kw_only=True):
    """One record as it came; times in us UTC.

    `signed_at` is the time that stands in the signed content (an event's recorded_time); None where
    it has none: then the arrival counts. With an `original`, `envelope_agrees` says whether the
    event that its reader derives is the one of the envelope; unknown counts as no. `mac` is what
    `checked_mac` has found.
    """

    source: str
    value: bytes
    original: bytes | None = None
    envelope_agrees: bool | None = None
    headers: tuple[Header, ...] = ()
    signed_at: int | None = None
    arrival: int
    mac: "Mac | None" = None


class Mac(Struct, frozen=True, kw_only=True, gc=False):
    """What who took a record found of its HMAC; later nobody needs the secret."""

    of: str
    """SHA-256 of the secret that was at hand, 64 hex digits."""
    right: bool


class Signed(Struct, frozen=True, kw_only=True, gc=False):
    """What is remembered of a signed record: enough to judge it again, without its bytes."""

    source: str
    signature: Signature | Malformed
    content: bytes
    """SHA-256 of what was signed."""
    agrees: bool
    """The envelope says what the signed original says; also where there is no original."""
    signed_at: int | None
    arrival: int
    """The earliest one of this signature over this content, us."""
    mac: Mac | None = None


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


class _Genuine(Struct, frozen=True, kw_only=True):
    """A record whose signature is its key's; what the times say comes later."""

    slot: Slot
    content: bytes
    key: Usable


def checked_mac(one: Evidence, secrets: Mapping[str, bytes]) -> Mac | None:
    """What the shared secret of its key (by kid, 32 bytes or more) says of an HMAC; None = it is
    none, or the secret is not at hand.
    """
    found = signature.read(one.headers)
    if not isinstance(found, Signature) or found.alg != signature.HMAC_SHA256:
        return None
    secret = secrets.get(found.kid, b"")
    if len(secret) < signing.SECRET_BYTES:
        return None
    text = signature.message(one.source, found.seq, signature.digest(one.value, one.original))
    right = signing.verifies_hmac(secret, text, found.sig)
    return Mac(of=hashlib.sha256(secret).hexdigest(), right=right)


def remembered(one: Evidence) -> Signed | None:
    """What is kept of a record; None = it has no signature."""
    found = signature.read(one.headers)
    if found is None:
        return None
    return Signed(
        source=one.source,
        signature=found,
        content=signature.digest(one.value, one.original),
        agrees=not one.original or one.envelope_agrees is True,
        signed_at=one.signed_at,
        arrival=one.arrival,
        mac=one.mac,
    )


def slot_of(one: Signed) -> Slot | None:
    """What its signature would use up; None = it is none."""
    found = one.signature
    return None if isinstance(found, Malformed) else (found.kid, one.source, found.seq)


Place = tuple[str, str, int, bytes, bytes, bool, int]


def place(one: Signed) -> Place:
    """What two remembered signatures differ by, if they are two; all but their arrival."""
    found, at = one.signature, -1 if one.signed_at is None else one.signed_at
    if isinstance(found, Malformed):
        return "", found.says, 0, b"", one.content, one.agrees, at
    return found.alg, found.kid, found.seq, found.sig, one.content, one.agrees, at


def united(known: tuple[Signed, ...], more: tuple[Signed, ...]) -> tuple[Signed, ...]:
    """Both, each signature once with its earliest arrival, sorted; `known` itself when the others
    say nothing new.
    """
    if not more:
        return known
    found = {place(one): one for one in known}
    for one in more:
        at = place(one)
        other = found.get(at, one)
        macs = (mac for mac in (other.mac, one.mac) if mac is not None)
        best = max(macs, key=lambda mac: (mac.right, mac.of), default=None)
        found[at] = replace(one, arrival=min(other.arrival, one.arrival), mac=best)
    made = tuple(found[at] for at in sorted(found))
    return known if made == known else made


def judged(
    records: Sequence[Signed], register: Register, *, hmac_allowed: bool = False
) -> tuple[Counts | Nothing, ...]:
    """The verdict of each record of one chain, whatever their order."""
    checked = [_checked(one, register, hmac_allowed=hmac_allowed) for one in records]
    first: dict[Slot, tuple[int, bytes]] = {}
    for one, found in zip(records, checked, strict=True):
        if isinstance(found, _Genuine):
            claim = one.arrival, one.content
            first[found.slot] = min(first.get(found.slot, claim), claim)
    return tuple(_verdict(one, found, first) for one, found in zip(records, checked, strict=True))


def best(found: Sequence[tuple[Signed, Counts | Nothing]]) -> Counts | Nothing:
    """What a record counts for by several signatures over it: the first that arrived of those that
    count, non-repudiable ones before others. Without one: that its key is lost, as such a record
    may come to count again, whatever else somebody adds to it; else the first of `Reason`.
    """
    return min(found, key=_preference)[1]


def _preference(pair: tuple[Signed, Counts | Nothing]) -> tuple[int, int, Place]:
    one, verdict = pair
    if isinstance(verdict, Counts):
        return -2 - verdict.non_repudiable, one.arrival, place(one)
    rank = _REASONS.index(verdict.reason)
    return -1 if verdict.reason == Reason.COMPROMISED else rank, one.arrival, place(one)


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


def _checked(one: Signed, register: Register, *, hmac_allowed: bool) -> _Genuine | Nothing:
    """Whose signature it is. Nothing here depends on a time or on another record."""
    found = one.signature
    if isinstance(found, Malformed):
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
    wrong = _wrong(one, found, key.key, hmac_allowed=hmac_allowed)
    if wrong is not None:
        return wrong
    if not one.agrees:
        says = "the envelope is not known to say what the signed original says"
        return _nothing(Reason.ENVELOPE_DIFFERS, says)
    return _Genuine(slot=(found.kid, one.source, found.seq), content=one.content, key=key)


@lru_cache(maxsize=16384)
def _verifies(key: str, source: str, found: Signature, content: bytes) -> bool:
    """Kept, so that a signature is checked once, however often it is judged."""
    text = signature.message(source, found.seq, content)
    return signing.verifies(bytes.fromhex(key), text, found.sig)


def _wrong(one: Signed, found: Signature, key: Key, *, hmac_allowed: bool) -> Nothing | None:
    """Why the signature is not the key's; None = it is."""
    bad = _nothing(Reason.BAD_SIGNATURE, f"it is not the signature of key {key.kid} over this")
    if found.alg == signature.ED25519:
        return None if _verifies(key.key, one.source, found, one.content) else bad
    if not hmac_allowed:
        return _nothing(Reason.HMAC_NOT_ALLOWED, "the terms ask for a signature, HMAC is none")
    if one.mac is None or one.mac.of != key.key:
        says = f"the secret of key {key.kid} was not at hand when it was taken"
        return _nothing(Reason.NO_SECRET, says)
    return None if one.mac.right else bad


def _verdict(
    one: Signed, found: _Genuine | Nothing, first: Mapping[Slot, tuple[int, bytes]]
) -> Counts | Nothing:
    if isinstance(found, Nothing):
        return found
    kid, _, seq = found.slot
    if first[found.slot][1] != found.content:
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
