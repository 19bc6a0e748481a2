"""How messages travel between a rail and its bank: a small protocol."""

from collections.abc import Collection, Iterator
from typing import Protocol

from msgspec import Struct

from supplytwin.schemas.records import SentMessage
from supplytwin.sinks.rail import Alive


class Document(Struct, frozen=True, kw_only=True, gc=False):
    """One message of a bank. `name` is the carrier's for it."""

    name: str
    data: bytes


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """What a bank says when it is asked about a payment."""

    known: bool
    """False: it has never had it (not found = not yet)."""
    data: bytes = b""
    """A document that tells of it."""


class Carrier(Protocol):
    """How messages travel. Every call may raise TransientError: nothing is lost by calling it
    again.
    """

    alive: Alive
    """It is called behind each call of the bank: see `Rail.watched`."""

    def deliver(self, kept: SentMessage) -> None:
        """The bank has these bytes when this returns, perhaps not for the first time."""

    def arrivals(self, known: Collection[str]) -> list[Document]:
        """What the bank has sent and nobody has confirmed, oldest first, but for these names."""

    def confirm(self, document: Document) -> None:
        """All that it says is published."""

    def refuse(self, document: Document) -> None:
        """It cannot be read: lay it aside for a person."""

    def ask(self, kept: SentMessage) -> Asked | None:
        """What became of a payment; None = this bank cannot be asked, or says nothing."""

    def received(self) -> Iterator[Document]:
        """Everything that was ever received and is kept, confirmed or not, oldest first."""

    def close(self) -> None: ...
