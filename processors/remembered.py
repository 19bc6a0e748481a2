"""What was refused of a chain and not dealt with yet: it holds the claims that are open, and every
one that comes, by the first contract or by an amendment.

Whichever of the two is first, the claims are held alike. Remembered is what the journal says.
Without a contract both are bounded: beyond PLACES_MAX records the chain only knows that there were
more. Under one, each open claim has every record by its place, and so has the chain.
"""

from msgspec.structs import replace

from supplytwin.processors.settlement_state import Book
from supplytwin.schemas.records import CONTRACTS, EVERY, QUARANTINE_DESK, Review

PLACES_MAX = 32
"""Refused records of a chain without a contract that are remembered each by its place."""
MORE = f"{QUARANTINE_DESK}/more"
"""Stands for all others; only a review that names it, or releases the claim, clears it."""


def hears(book: Book, topic: str) -> bool:
    """Whether one more refused record of a topic would be remembered though there is no contract. A
    contract that was refused says nothing about the one that takes its place.
    """
    return topic != CONTRACTS and book.terms is None and _has_room(book)


def _has_room(book: Book) -> bool:
    bounded = book.terms is None and MORE in book.refused
    return not (bounded and len(book.refused) > PLACES_MAX)


def refused(book: Book, told: Review) -> Book:
    """The book of a chain after the worker's review about a refused record."""
    if told.source != QUARANTINE_DESK or told.settlement_id != EVERY or not _has_room(book):
        return book
    places = len(book.refused) - (MORE in book.refused)
    by_place = book.terms is not None or places < PLACES_MAX
    key = f"{told.source}/{told.input_id}" if by_place else MORE
    return replace(book, refused=book.refused | {key})


def resolved(book: Book, told: Review) -> Book:
    """The book of a chain after an operator has dealt with refused records."""
    if told.source == QUARANTINE_DESK or told.settlement_id != EVERY:
        return book
    return replace(book, refused=book.refused - frozenset(told.cleared_ids))
