"""What was refused of a chain that has no contract yet: it holds the claims of the one that comes.

Whichever of the two is first, the claims are held alike. Remembered is what the journal says, so
both are bounded: beyond PLACES_MAX records the chain only knows that there were more.
"""

from msgspec.structs import replace

from supplytwin.processors.settlement_state import Book
from supplytwin.schemas.records import CONTRACTS, EVERY, QUARANTINE_DESK, Review

PLACES_MAX = 32
"""Refused records of one chain that are remembered each by its place."""
MORE = f"{QUARANTINE_DESK}/more"
"""Stands for all others; only a review that names it, or releases the claim, clears it."""


def hears(book: Book, topic: str) -> bool:
    """Whether one more refused record of a topic would be remembered: there is no contract yet. A
    contract that was refused says nothing about the one that takes its place.
    """
    return topic != CONTRACTS and _has_room(book)


def _has_room(book: Book) -> bool:
    return book.terms is None and not (MORE in book.refused and len(book.refused) > PLACES_MAX)


def refused(book: Book, told: Review) -> Book:
    """The book of a chain without a contract after the worker's review about a refused record."""
    if told.source != QUARANTINE_DESK or told.settlement_id != EVERY or not _has_room(book):
        return book
    places = len(book.refused) - (MORE in book.refused)
    key = f"{told.source}/{told.input_id}" if places < PLACES_MAX else MORE
    return replace(book, refused=(*book.refused, key))


def resolved(book: Book, told: Review) -> Book:
    """The book of a chain without a contract after an operator has dealt with refused records."""
    if told.source == QUARANTINE_DESK or told.settlement_id != EVERY:
        return book
    left = (key for key in book.refused if key not in told.cleared_ids)
    return replace(book, refused=tuple(left))
