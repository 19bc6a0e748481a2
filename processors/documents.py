"""Documents of a chain: one number of one issuer must not stand for two subjects.

An index beside the subjects, over the facts that count: document -> the facts that bring it. Other
chains are not in it: over all of them looks the view `duplicate_document` of the DuckDB sink.
"""

from collections.abc import Iterable, Iterator, Set
from functools import lru_cache
from typing import Any, NamedTuple

from immutables import Map

from supplytwin.processors.facts import Identity, Slot, Version
from supplytwin.processors.plausibility import duplicate
from supplytwin.processors.standing import Problem, make_fact
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.events import Event
from supplytwin.schemas.machines import CONSIGNMENT, DECLARATION, LOT, TITLE


class Document(NamedTuple):
    kind: str
    number: str
    issuer: str


Documents = Map[Document, Map[Identity, Version]]
NO_DOCUMENTS: Set[Document] = frozenset()
Problems = Iterator[tuple[SubjectKey, Problem]]


@lru_cache(maxsize=8192)
def normalised(number: str) -> str:
    """Letters and digits alone, in capitals: the spelling is nobody's second document."""
    return "".join(filter(str.isalnum, number)).upper()


def document_of(event: Event) -> tuple[Document, SubjectKey] | None:
    """The document that an event brings, and for what; None = none.

    Who issued it: of a declaration the office, else the source that tells of it.
    """
    names = BROUGHT.get(event.event_type)
    if names is None or event.classifier != "ACTUAL":
        return None
    kind, number_field, issuer_field, subject_type = names
    number = getattr(event, number_field)
    if subject_type == TITLE:
        subject_id: str = number
        if event.action != "ISSUE":  # type: ignore[attr-defined]
            return None
    elif event.subject_type == subject_type:
        subject_id = event.subject_id
    else:
        return None
    known = normalised(number)
    if not known:
        return None
    issuer = normalised(getattr(event, issuer_field))
    return Document(kind, known, issuer), SubjectKey(subject_type, subject_id)


BROUGHT = {
    "customs.declared": ("declaration", "declaration_id", "office", DECLARATION),
    "customs.accepted": ("MRN", "mrn", "source", DECLARATION),
    "wh.received": ("lot", "lot_id", "source", LOT),
    "order.invoiced": ("invoice", "invoice_id", "source", CONSIGNMENT),
    "wh.warehouse_receipt": ("warehouse receipt", "wr_id", "source", TITLE),
}
"""Event type -> kind, field of the number, field of the issuer, and what it is a document of."""


def follow(
    documents: Documents, slots: Iterable[tuple[Slot | None, Slot]]
) -> tuple[Documents, Set[Document]]:
    """The index after some identities have changed, and what they touch of the documents that have
    several facts, before or after.
    """
    touched = set[Document]()
    for before, after in slots:
        old, new = None if before is None else before.effective, after.effective
        if old is new:
            continue
        was = None if old is None else document_of(old.event)
        brought = None if new is None else document_of(new.event)
        if was is not None:
            left = documents[was[0]].delete(after.identity)
            documents = documents.set(was[0], left) if left else documents.delete(was[0])
            if left:
                touched.add(was[0])
        if brought is not None and new is not None:
            claims = documents.get(brought[0], _NONE)
            documents = documents.set(brought[0], claims.set(after.identity, new))
            if claims:
                touched.add(brought[0])
    return documents, touched


_NONE: Map[Identity, Version] = Map()


def problems(documents: Documents, document: Document) -> Problems:
    """The first fact of each subject under a document that stood for another one before."""
    claims = documents.get(document, _NONE)
    if len(claims) < 2:
        return
    ordered = sorted(
        claims.items(), key=lambda one: make_fact(one[1].event, one[1].arrival, None, "").order
    )
    seen: dict[SubjectKey, Identity] = {}
    for identity, version in ordered:
        found: Any = document_of(version.event)
        subject: SubjectKey = found[1]
        if subject in seen:
            continue
        if seen:
            first = next(iter(seen))
            yield subject, _problem(document, first, seen[first], version)
        seen[subject] = identity


def _problem(document: Document, first: SubjectKey, by: Identity, version: Version) -> Problem:
    event = version.event
    facts = (by, Identity(event.source, event.event_id))
    found = duplicate(*document, f"{first.subject_type} {first.subject_id}", facts)
    return Problem(
        code=found.rule,
        reason=f"{found.verdict}: {found.reason}",
        source=event.source,
        event_id=event.event_id,
        event_time=event.event_time,
        arrival=version.arrival,
    )
