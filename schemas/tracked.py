"""One event of container tracking, as a carrier says it: what `schemas/dcsa.py` reads."""

from typing import NamedTuple

from msgspec import Struct

from supplytwin.schemas.rfc3339 import Moment


class Document(NamedTuple):
    """A document that an event is about or refers to: type in words, and number."""

    type: str
    reference: str


class Call(NamedTuple):
    """The call of a vehicle at a place."""

    call_id: str | None
    vehicle_id: str | None
    """IMO number or the name of the vessel; else what names the vehicle."""
    voyage_out: str | None
    voyage_in: str | None


class Place(NamedTuple):
    """Where; as far as the event says."""

    unlocode: str | None = None
    facility: str | None = None
    lat: float | None = None
    lon: float | None = None


class Reading(NamedTuple):
    """What a sensor measured."""

    metric: str
    value: float
    unit: str


class Tracked(Struct, frozen=True, kw_only=True, gc=False):
    """One event as it says itself, in the words of 3.0.0 whichever version it is from."""

    number: int
    """Its place in the document, from 1."""
    version: str
    """2.2 | 3.0.0"""
    body: bytes
    """All of it as canonical JSON, one text for each way to write it down (see `dcsa_spelling`)."""
    party: tuple[str, ...]
    """Who says it: party code, code list provider, code list name."""
    event_id: str | None
    updated: Moment
    retracted: bool = False
    """It takes back every version of its own event_id up to now."""
    retracts: str | None = None
    """The event_id of another event that it takes back."""
    kind: str | None = None
    """One of KINDS; None = a retraction that says nothing else."""
    word: str = ""
    """What happened, e.g. LOADED."""
    classifier: str = "ACTUAL"
    happened: Moment | None = None
    document: Document | None = None
    """Whose status this is (SHIPMENT)."""
    documents: tuple[Document, ...] = ()
    """The others that it refers to."""
    container: str | None = None
    empty: bool | None = None
    movement: str | None = None
    """EXPORT | IMPORT | TRANSSHIPMENT: tells apart what happens to a container several times."""
    seal_no: str | None = None
    place: Place = Place()
    call: Call | None = None
    reading: Reading | None = None
    reason: str | None = None
    unread: tuple[str, ...] = ()
    """Fields that stand in `body` only."""

    @property
    def takes_back(self) -> str | None:
        """The event_id of what it takes back; None = it states something itself."""
        return self.retracts or (self.event_id if self.retracted else None)
