"""What cuts, reviews and explanations know beside the facts: what signatures count for, and the
footprints.
"""

import hashlib
from collections.abc import Iterable, Mapping, Set

import msgspec

from supplytwin.processors import evidence
from supplytwin.processors.carbon import Versions
from supplytwin.processors.facts import Identity
from supplytwin.processors.key_register import NO_KEYS
from supplytwin.processors.keys import Register, Usable, usable
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, Known, Said
from supplytwin.processors.settlement_footprints import footprinted
from supplytwin.processors.settlement_noted import event_of
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.settlement_table import CUT_FIRST
from supplytwin.processors.signed import Counts, Nothing, Reason, best
from supplytwin.processors.signed_facts_counted import by_version, hanging_on
from supplytwin.processors.twin import Taken, Twin
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.flow import Input
from supplytwin.schemas.records import Review

_UNKNOWN = "facts are signed, and nobody says by which keys they count"


def known_of(book: Book, twin: Twin, register: Register | None, footprints: Versions) -> Known:
    """By the keys of a register and the footprints that stand, for each version of the terms of a
    chain, as its claims may be under any of them; nothing where none is of the full form.

    Raises FatalError where facts are signed and nobody says by which keys (None).
    """
    versions = (*book.former.values(), book.terms)
    asked = {one.full.evidence.hmac_allowed for one in versions if one and one.full is not None}
    named = footprinted(book, footprints)
    if not asked or not (named or twin.facts.signed):
        return NOTHING_KNOWN
    said: dict[bool, Said] = {}
    if twin.facts.signed:
        if register is None:
            raise FatalError(_UNKNOWN)
        past, changed = _kept(book, twin, register)
        said = {one: _said(twin, register, one, past.get(one), changed) for one in asked}
    return _same(book.memory.known, Known(signatures=said, footprints=named, register=register))


def _same(before: Known | None, now: Known) -> Known:
    """`before` itself, where nothing of it is another: a cut sees by that that nothing came."""
    if before is None or before.register is not now.register:
        return now
    was, said = before.signatures, now.signatures
    is_same = was.keys() == said.keys() and all(was[one] is said[one] for one in said)
    return before if is_same and before.footprints == now.footprints else now


def _kept(
    book: Book, twin: Twin, register: Register
) -> tuple[Mapping[bool, Said], Set[Identity] | None]:
    """What the last cut knew of signatures, and the identities of which it may be another now; None
    = all of them.
    """
    past = book.memory
    if past.known is None or past.known.register is not register:
        return {}, None
    old, new = past.twin.facts, twin.facts
    signed = {*old.signed, *new.signed} if old is not new else ()
    changed = [one for one in signed if old.slots.get(one) is not new.slots.get(one)]
    return past.known.signatures, hanging_on(old, new, changed)


def _said(
    twin: Twin, register: Register, hmac_allowed: bool, past: Said | None, of: Set[Identity] | None
) -> Said:
    """What is said of the signed facts; of all but `of` it is what was said in the `past`."""
    if past is None or of is None:
        past, of = Said(), None
    elif not of:
        return past
    kept = {one: who for one, who in past.whose.items() if of is not None and who not in of}
    verdicts = {one: past.verdicts[one] for one in kept}
    since = {one: at for one, at in past.since.items() if one in kept}
    bare = {one for one in past.bare if one in kept}
    found = by_version(twin, register, hmac_allowed=hmac_allowed, of=of)
    for name, pairs in found.items():
        for one in twin.facts.slots[name.identity].versions:
            if one.revision != name.revision or len(one.hashes) != 1:
                continue
            (content,) = one.hashes
            verdicts[content] = best(pairs)
            kept[content] = name.identity
            right = [signed.arrival for signed, verdict in pairs if _is_right(verdict)]
            if one.arrival < min(signed.arrival for signed, _ in pairs):
                bare.add(content)
            if right and one.arrival < min(right):
                since[content] = min(right)
    return Said(verdicts=verdicts, since=since, bare=frozenset(bare), whose=kept)


def _is_right(verdict: Counts | Nothing) -> bool:
    """Whether a signature is the key's, who else may have it since."""
    return isinstance(verdict, Counts) or verdict.reason == Reason.COMPROMISED


def judged_by(book: Book, twin: Twin, register: Register | None) -> bytes:
    """By which keys it was decided last whether what is paid may be kept, as JSON: kid -> a digest
    of what the register says of it. Empty where nothing is paid under full terms, or on no
    signature. Raises FatalError where nobody says by which keys (None).
    """
    paid = (one for one in book.claims.values() if one.state in CUT_FIRST)
    if not twin.facts.signed or not any(book.terms_of(one).full is not None for one in paid):
        return b""
    if register is None:
        raise FatalError(_UNKNOWN)
    return _told({kid for kid, _, _ in twin.facts.seqs}, register)


def outdated(judged: bytes, register: Register) -> bool:
    """Whether a register says something else of keys than `judged_by` had found."""
    if not judged:
        return False
    return _told(msgspec.json.decode(judged, type=dict[str, str]), register) != judged


def _told(kids: Iterable[str], register: Register) -> bytes:
    return msgspec.json.encode({kid: _digest(usable(register, kid)) for kid in sorted(kids)})


def _digest(found: Usable | str) -> str:
    return hashlib.sha256(msgspec.json.encode(found, order="sorted")).hexdigest()[:16]


def register_of(item: Input) -> Register:
    """The keys that were known when a contract was taken; without them it is signed by nobody."""
    return item.under if isinstance(item.under, Register) else NO_KEYS


def known_at(book: Book, twin: Twin, item: Input, review: Review, footprints: Versions) -> Known:
    """What is known as a review is taken: only one that releases is held against evidence."""
    if event_of(review) != "ReviewReleased":
        return NOTHING_KNOWN
    register = item.under if isinstance(item.under, Register) else None
    return known_of(book, twin, register, footprints)


def bears(book: Book, taken: Taken) -> bool:
    """Whether a condition may look at what was taken; full terms may ask about anything."""
    full = book.terms is not None and book.terms.full is not None
    return full or evidence.bears(taken.slots)
