"""What cuts, reviews and explanations know beside the facts: what signatures count for."""

from supplytwin.processors import evidence
from supplytwin.processors.facts import Identity
from supplytwin.processors.key_register import NO_KEYS
from supplytwin.processors.keys import Register
from supplytwin.processors.settlement_asked import NOTHING_KNOWN, Known
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.signed_facts_counted import hanging_on, judgements
from supplytwin.processors.twin import Taken, Twin
from supplytwin.schemas.flow import Input


def known_of(book: Book, twin: Twin, register: Register) -> Known:
    """By the keys of a register, for the contract of a chain; nothing where its terms ask for no
    signature, or no fact has one. What the last cut knew is kept, but for facts that are others
    since and for those that share a seq with them.
    """
    full = None if book.terms is None else book.terms.full
    if full is None or not twin.facts.signed:
        return NOTHING_KNOWN
    past, of = book.memory, None
    before = past.known
    if before is None or before.register is not register or past.terms is not book.terms:
        before = NOTHING_KNOWN
    else:
        old, new = past.twin.facts, twin.facts
        signed = {*old.signed, *new.signed} if old is not new else ()
        changed = [one for one in signed if old.slots.get(one) is not new.slots.get(one)]
        if not changed:
            return before
        of = hanging_on(old, new, changed)
    kept = {one: who for one, who in before.whose.items() if of is not None and who not in of}
    found = {one: before.signatures[one] for one in kept}
    allowed = full.evidence.hmac_allowed
    judged = judgements(twin, register, hmac_allowed=allowed, of=of)
    for (identity, revision), verdict in judged.items():
        slot = twin.facts.slots[Identity(*identity)]
        for version in slot.versions:
            if version.revision == revision and len(version.hashes) == 1:
                found[version.hashes[0]] = verdict
                kept[version.hashes[0]] = slot.identity
    return Known(signatures=found, whose=kept, register=register)


def register_of(item: Input) -> Register:
    """The keys that were known when it was taken."""
    return item.under if isinstance(item.under, Register) else NO_KEYS


def bears(book: Book, taken: Taken) -> bool:
    """Whether a condition may look at what was taken; full terms may ask about anything."""
    full = book.terms is not None and book.terms.full is not None
    return full or evidence.bears(taken.slots)
