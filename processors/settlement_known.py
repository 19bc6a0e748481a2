"""What cuts, reviews and explanations know beside the facts: what signatures count for, and the
footprints.
"""

from supplytwin.processors import evidence
from supplytwin.processors.carbon import Versions
from supplytwin.processors.facts import Identity
from supplytwin.processors.key_register import NO_KEYS
from supplytwin.processors.keys import Register
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, Known
from supplytwin.processors.settlement_footprints import footprinted
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.signed import Counts, Nothing
from supplytwin.processors.signed_facts_counted import judgements
from supplytwin.processors.twin import Taken, Twin
from supplytwin.schemas.flow import Input


def known_of(book: Book, twin: Twin, register: Register, footprints: Versions) -> Known:
    """By the keys of a register and the footprints that stand, for the contract of a chain."""
    full = None if book.terms is None else book.terms.full
    if full is None:
        return NOTHING_KNOWN
    named = footprinted(book, footprints)
    if not twin.facts.signed:
        return Known(footprints=named)
    found: dict[bytes, Counts | Nothing] = {}
    allowed = full.evidence.hmac_allowed
    for (identity, revision), verdict in judgements(twin, register, hmac_allowed=allowed).items():
        slot = twin.facts.slots[Identity(*identity)]
        for version in slot.versions:
            if version.revision == revision and len(version.hashes) == 1:
                found[version.hashes[0]] = verdict
    return Known(signatures=found, footprints=named)


def register_of(item: Input) -> Register:
    """The keys that were known when it was taken."""
    return item.under if isinstance(item.under, Register) else NO_KEYS


def bears(book: Book, taken: Taken) -> bool:
    """Whether a condition may look at what was taken; full terms may ask about anything."""
    full = book.terms is not None and book.terms.full is not None
    return full or evidence.bears(taken.slots)
