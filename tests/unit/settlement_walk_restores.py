"""The ways in which a book comes back: from its journal, and from the bytes of a snapshot."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec.structs import replace
from settlement_world import recorded

from supplytwin.processors import settlement
from supplytwin.processors.freezing import Form
from supplytwin.processors.settlement_memory import Memory
from supplytwin.processors.settlement_recorded import Recorded
from supplytwin.processors.settlement_state import NEXT, Book, Cause, Transition
from supplytwin.schemas import codec
from supplytwin.schemas.records import SETTLEMENT_EVENTS, SettlementEvent

FORM = Form((Book,), blank=(Memory,))


def content_hash(record: Cause) -> bytes:
    """By which an input is known again."""
    return hashlib.sha256(msgspec.json.encode(record)).digest()


def thawed(book: Book) -> Book:
    """The book after a snapshot: bytes, and back."""
    found = FORM.thaw(FORM.freeze(book))
    assert isinstance(found, Book)
    return found


class Journal:
    """Inputs and decisions in the order in which they were written."""

    def __init__(self) -> None:
        self.entries: list[tuple[Cause | Recorded, Cause | None]] = []

    def add(self, cause: Cause | None, moved: tuple[Transition, ...]) -> None:
        """An input with what it caused; None = a cut."""
        if cause is not None:
            self.entries.append((cause, None))
        self.entries += [(_written(one), cause) for one in moved]

    def book(self) -> Book:
        """What the entries alone give."""
        book = Book()
        for entry, cause in self.entries:
            if isinstance(entry, SettlementEvent):
                book = settlement.apply(book, entry, cause)
            else:
                book = settlement.noted(book, entry, content_hash(entry))
        return book


def _written(moved: Transition) -> Recorded:
    """As it stands in the topic."""
    body = codec.encode(SETTLEMENT_EVENTS, recorded(moved))
    found = codec.decode(SETTLEMENT_EVENTS, body).message
    assert isinstance(found, SettlementEvent)
    return found


def history(book: Book) -> Book:
    """A book without what is only a hint of the last cut."""
    return replace(book, agenda=NEXT, memory=Memory())
