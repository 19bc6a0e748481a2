"""What cuts, reviews and explanations know beside the facts: what signatures count for."""

from supplytwin.processors import evidence
from supplytwin.processors.condition_facts_asked import Judgements
from supplytwin.processors.facts import Identity
from supplytwin.processors.key_register import NO_KEYS
from supplytwin.processors.keys import Register
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, Known
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.signed import Counts, Nothing
from supplytwin.processors.signed_facts_counted import judgements
from supplytwin.processors.twin import Taken, Twin
from supplytwin.schemas.flow import Input


def known_of(book: Book, twin: Twin, register: Register) -> Known:
    """By the keys of a register, for each version of the terms of a chain, as its claims may be
    under any of them; nothing where none asks for signatures, or no fact has one.
    """
    versions = (*book.former.values(), book.terms)
    asked = {one.full.evidence.hmac_allowed for one in versions if one and one.full is not None}
    if not twin.facts.signed:
        return NOTHING_KNOWN
    return Known(signatures={allowed: _judged(twin, register, allowed) for allowed in asked})


def _judged(twin: Twin, register: Register, allowed: bool) -> Judgements:
    found: dict[bytes, Counts | Nothing] = {}
    for (identity, revision), verdict in judgements(twin, register, hmac_allowed=allowed).items():
        slot = twin.facts.slots[Identity(*identity)]
        for version in slot.versions:
            if version.revision == revision and len(version.hashes) == 1:
                found[version.hashes[0]] = verdict
    return found


def register_of(item: Input) -> Register:
    """The keys that were known when it was taken."""
    return item.under if isinstance(item.under, Register) else NO_KEYS


def bears(book: Book, taken: Taken) -> bool:
    """Whether a condition may look at what was taken; full terms may ask about anything."""
    full = book.terms is not None and book.terms.full is not None
    return full or evidence.bears(taken.slots)
