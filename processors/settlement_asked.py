"""What the full terms of a contract ask of the facts of its chain, for one claim at one tick."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from supplytwin.processors.condition_facts_asked import (
    Approved,
    Attester,
    ClaimAsked,
    ClaimLine,
    Judgements,
)
from supplytwin.processors.condition_view import Assent, Ordered, Scope
from supplytwin.processors.facts import Identity
from supplytwin.processors.keys import Register
from supplytwin.processors.settlement_answers import Answers
from supplytwin.processors.settlement_state import Book, Claim
from supplytwin.processors.twin import Twin
from supplytwin.schemas.condition import Condition
from supplytwin.schemas.contract import Claim as Listed
from supplytwin.schemas.contract import ContractTerms, Tranche


class Known(Struct, frozen=True, kw_only=True):
    """What is known beside the facts of the chain."""

    signatures: Judgements = {}
    """Content hash -> what the record's signature counts for."""
    whose: Mapping[bytes, Identity] = {}
    """Content hash -> whose record it is."""
    register: Register | None = None
    """By whose keys."""


NOTHING_KNOWN = Known()


class _InChain(Mapping[tuple[str, str], bool]):
    """A document backs no other live contract, as far as one chain can know: a number that stands
    for two things in it is refused before this is asked.
    """

    def __getitem__(self, _: tuple[str, str]) -> bool:
        return True

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Desk(Struct, frozen=True, kw_only=True):
    """All that a claim is judged by, at one tick."""

    book: Book
    full: ContractTerms
    """The terms that the claim is under."""
    zone: str
    twin: Twin
    at: int
    known: Known
    answers: Answers
    """To what has been asked of these facts."""


def desk(book: Book, claim: Claim, twin: Twin, at: int, known: Known, answers: Answers) -> Desk:
    """For a claim of full contract terms; `answers` are over the same twin."""
    terms = book.terms_of(claim)
    assert terms.full is not None
    return Desk(
        book=book, full=terms.full, zone=terms.zone, twin=twin, at=at, known=known, answers=answers
    )


def tranche_of(full: ContractTerms, claim: Claim) -> Tranche:
    """The tranche that a claim is of."""
    return next(one for one in full.tranches if one.tranche_id == claim.tranche_id)


def asked(on: Desk, claim: Claim, condition: Condition, approves: str = "") -> ClaimAsked:
    """The question whether a condition holds for a claim; `approves` = the hash of what stands to
    be approved.
    """
    full, tranche = on.full, tranche_of(on.full, claim)
    promise = on.book.promises[claim.settlement_id]
    own = next(one for one in tranche.claims if one.claim_id == claim.claim_id)
    lines = own.lines or tuple([one.line for one in full.lines])
    return ClaimAsked(
        condition=condition,
        scope=Scope(
            tick=on.at,
            deadline=promise.deadline,
            grace_us=promise.grace_us,
            zone=on.zone,
            long_stop=on.book.terms_of(claim).long_stop,
            challenge_end=claim.challenge_end,
            tolling=claim.tolls_since is not None,
            lines=tuple(
                [
                    Ordered(line=one.line, qty=one.qty, unit=one.unit)
                    for one in full.lines
                    if one.line in lines
                ]
            ),
        ),
        consignment_id=own.consignment_id,
        lots=() if own.lot is None else (own.lot,),
        lines=tuple([ClaimLine(line=line, rivals=_rivals(full, own)) for line in lines]),
        attesters=tuple(
            [
                Attester(source=source, organisation=one.org_id, roles=(one.role,), sites=one.sites)
                for one in full.attesters
                for source in one.sources
            ]
        ),
        warehouses=full.warehouses,
        controllers={one.org_id: one.role for one in full.parties},
        signatures=on.known.signatures,
        settled=_settled(on.book),
        unique=_InChain(),
        approvals=tuple(_approvals(on, claim)),
        approves=approves,
        approvers=tuple([(one.org_id, one.role) for one in full.attesters]),
    )


def _approvals(on: Desk, claim: Claim) -> Iterator[Approved]:
    for one in on.book.approvals.get(claim.settlement_id, ()):
        for who in on.full.attesters:
            if who.role == one.role and one.source in who.sources:
                assent = Assent(
                    review_id=one.review_id, organisation=who.org_id, role=one.role, at=one.at
                )
                yield Approved(assent=assent, of=one.of)


def _rivals(full: ContractTerms, own: Listed) -> tuple[str, ...]:
    """The other consignments that the contract pays for."""
    named = {one.consignment_id for each in full.tranches for one in each.claims}
    return tuple(sorted(one for one in named if one not in (None, own.consignment_id)))


def _settled(book: Book) -> dict[str, int]:
    """When each tranche was settled (tick time, us), once all its claims are, but those that an
    amendment took out or of which nothing was due.
    """
    found: dict[str, list[int | None]] = {}
    for claim in book.claims.values():
        if claim.state not in ("SUPERSEDED", "CLOSED"):
            found.setdefault(claim.tranche_id, []).append(claim.settled_at)
    return {
        name: max(time for time in times if time is not None)
        for name, times in found.items()
        if None not in times
    }
