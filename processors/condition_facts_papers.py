"""Documents and titles of a claim: what was said last of each.

An invoice, a declaration and a warehouse receipt are told by events; any other document is known by
being attached to one (``kind;sha256;uri``), in the state PRESENTED, by whoever attached it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec.structs import replace

from supplytwin.processors.condition_facts_customs import Declarations, Declared, is_about
from supplytwin.processors.condition_facts_look import Look, Tell, demoted, silenced
from supplytwin.processors.condition_facts_milestones import Claim
from supplytwin.processors.condition_facts_words import REGIMES, TITLE_KIND
from supplytwin.processors.condition_view import Fact
from supplytwin.processors.documents import Document as Paper
from supplytwin.processors.documents import document_of, normalised
from supplytwin.processors.reach import reached_by
from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.condition import Asset, Document, walked
from supplytwin.schemas.events import (
    Event,
    OrderInvoiced,
    OrderInvoiceReversed,
    WarehouseReceipt,
)
from supplytwin.schemas.lifecycles import effect_on
from supplytwin.schemas.machines import DECLARATION, TITLE

INVOICE, PRESENTED = "INVOICE", "PRESENTED"
_ACTIONS = {
    "ISSUE": "ISSUED", "PLEDGE": "PLEDGED", "UNPLEDGE": "ISSUED", "TRANSFER": "TRANSFERRED",
    "CANCEL": "CANCELLED",
}  # fmt: skip
LOCKED = "LOCKED"
"""What a condition may call PLEDGED."""


class Papers:
    """The documents and titles of one claim. Lives for one call."""

    def __init__(self, look: Look, claim: Claim, declarations: Declarations) -> None:
        self._look, self._claim, self._declarations = look, claim, declarations
        self._states = {
            leaf.state for _, leaf in walked(look.asked.condition) if isinstance(leaf, Asset)
        }

    def documents(self, type_: str) -> Iterator[Fact]:
        """All that is told of documents of a type."""
        regime, _, rest = type_.partition("_")
        if type_ == INVOICE:
            yield from self._of(self._claim.every, self._invoice)
        elif type_ == DECLARATION or (regime in REGIMES and rest == DECLARATION):
            for one in self._declarations.every:
                yield from self._declaration(one, type_, None if type_ == DECLARATION else regime)
        elif type_ == TITLE_KIND:
            yield from self._of(self._titles(), self._title_document)
        else:
            keys = (*self._claim.every, *(one.key for one in self._declarations.every))
            yield from self._of(keys, self._attached(type_))

    def attached_to(self, key: SubjectKey, type_: str) -> Iterator[Fact]:
        """All that is told of documents of a type that were attached to events about a subject."""
        yield from self._of((key,), self._attached(type_))

    def assets(self, kind: str) -> Iterator[Fact]:
        """All that is told of titles; what nobody has a role to tell speaks against them alone."""
        if kind == TITLE_KIND:
            yield from self._of(self._titles(), self._title, may_deny=True)

    def _of(
        self, keys: Iterable[SubjectKey], tell: Tell, *, may_deny: bool = False
    ) -> Iterator[Fact]:
        """Each identity once, by whichever subjects it is reached."""
        found = {slot.identity: slot for key in keys for slot in self._look.slots(key)}
        for identity in sorted(found):
            yield from self._look.support(found[identity], tell, may_deny=may_deny)

    # -- what events say

    def _unique(self, type_: str, number: str, event: Event) -> bool | None:
        """None = nobody has answered; in one chain a number of two subjects is none."""
        brought = document_of(event)
        paper: Paper | None = None if brought is None else brought[0]
        others = self._look.twin.documents.get(paper) if paper is not None else None
        subjects = set[SubjectKey]()
        for version in others.values() if others is not None else ():
            told = document_of(version.event)
            if told is not None:
                subjects.add(told[1])
        if len(subjects) > 1:
            return False
        return self._look.asked.unique.get((type_, normalised(number)))

    def _invoice(self, event: Event) -> Iterable[dict[str, Any]]:
        if not isinstance(event, OrderInvoiced | OrderInvoiceReversed):
            return ()
        number = event.invoice_id
        state = "ISSUED" if isinstance(event, OrderInvoiced) else "REVERSED"
        return (self._paper(INVOICE, number, state, event),)

    def _paper(self, type_: str, number: str, state: str, event: Event) -> dict[str, Any]:
        return {
            "kind": "DOCUMENT", "type": type_, "subject": f"{type_}:{normalised(number)}",
            "state": state, "unique": self._unique(type_, number, event),
        }  # fmt: skip

    def _declaration(self, one: Declared, type_: str, regime: str | None) -> Iterator[Fact]:
        if regime is not None and regime not in one.regimes:
            return
        is_its = one.linked and regime in (None, one.regime)

        def tell(event: Event) -> Iterable[dict[str, Any]]:
            effect = effect_on(event, DECLARATION, is_subject=True)
            if not is_about(event, one.key) or effect is None or effect.to is None:
                return ()
            return (self._paper(type_, one.key.subject_id, effect.to, event),)

        for known in self._of((one.key,), tell):
            fact = replace(known, about=f"{known.about} of {one.key.subject_id}")
            if is_its or fact.current is None:
                yield fact
            elif one.link_doubted or one.linked:
                yield demoted(fact, silenced(fact.current))

    def _title_document(self, event: Event) -> Iterable[dict[str, Any]]:
        if not isinstance(event, WarehouseReceipt):
            return ()
        return (self._paper(TITLE_KIND, event.wr_id, _ACTIONS[event.action], event),)

    def _attached(self, type_: str) -> Tell:
        def tell(event: Event) -> Iterable[dict[str, Any]]:
            found = []
            for one in event.evidence:
                kind, digest, *_ = (*one.split(";"), "")
                if kind.upper().replace("-", "_") == type_ and digest:
                    unique = self._look.asked.unique.get((type_, digest))
                    subject = f"{type_}:{digest}"
                    found.append(
                        {"kind": "DOCUMENT", "type": type_, "subject": subject,
                         "state": PRESENTED, "unique": unique}
                    )  # fmt: skip
            return found

        return tell

    def _title(self, event: Event) -> Iterable[dict[str, Any]]:
        if not isinstance(event, WarehouseReceipt):
            return ()
        state = _ACTIONS[event.action]
        if state == "PLEDGED" and LOCKED in self._states and "PLEDGED" not in self._states:
            state = LOCKED
        controller = self._look.asked.controllers.get(event.holder)
        subject = f"{TITLE}:{event.wr_id}"
        return (
            {"kind": "ASSET", "type": TITLE_KIND, "subject": subject, "state": state,
             "controller": controller},
        )  # fmt: skip

    def _titles(self) -> list[SubjectKey]:
        """The warehouse receipts that anything ever linked with the claim's goods."""
        found = set[SubjectKey]()
        for key in self._claim.every:
            for slot in self._look.slots(key):
                for version in slot.versions:
                    for event in version.contents:
                        found |= {one for one in reached_by(event) if one.subject_type == TITLE}
        return sorted(found)


def types_in(look: Look) -> tuple[set[str], set[str]]:
    """(types of documents, kinds of titles) that a condition names."""
    leaves = [leaf for _, leaf in walked(look.asked.condition)]
    return (
        {leaf.type for leaf in leaves if isinstance(leaf, Document)},
        {leaf.kind for leaf in leaves if isinstance(leaf, Asset)},
    )
