"""What the full terms of a contract ask of the facts of its chain, for one claim at one tick."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from supplytwin.processors.condition_facts_asked import (
    Approved,
    Attester,
    ClaimAsked,
    ClaimLine,
    Footprinted,
    Judgements,
)
from supplytwin.processors.condition_facts_words import EACH_UNIT, WTW
from supplytwin.processors.condition_view import Assent, Ordered, Scope
from supplytwin.processors.facts import Identity
from supplytwin.processors.keys import Register
from supplytwin.processors.settlement_answers import Answers
from supplytwin.processors.settlement_replaced import replaced
from supplytwin.processors.settlement_state import LIVE, Book, Claim
from supplytwin.processors.signed import Counts, Nothing, Reason
from supplytwin.processors.twin import Twin
from supplytwin.schemas.amounts import Line
from supplytwin.schemas.condition import Condition
from supplytwin.schemas.contract import Claim as Listed
from supplytwin.schemas.contract import ContractTerms, Tranche

_LATE = Nothing(reason=Reason.LATE, says="its right signature came after the close")


class Said(Struct, frozen=True, kw_only=True):
    """What the signatures of the facts of a chain say, by content hash."""

    verdicts: Judgements = {}
    since: Mapping[bytes, int] = {}
    """When the first right signature came of a record that had come before without one, us."""
    bare: frozenset[bytes] = frozenset()
    """Records that had come without one before: nothing that is none takes that away."""
    whose: Mapping[bytes, Identity] = {}
    """Whose record it is."""

    def differing(self, other: "Said") -> set[Identity]:
        """Whose records are said something else of."""
        if self is other:
            return set()
        return {
            self.whose.get(one) or other.whose[one]
            for one in self.verdicts.keys() | other.verdicts.keys()
            if self._of(one) != other._of(one)
        }

    def _of(self, one: bytes) -> tuple[object, ...]:
        return self.verdicts.get(one), self.since.get(one), one in self.bare


class Known(Struct, frozen=True, kw_only=True):
    """What is known beside the facts of the chain."""

    signatures: Mapping[bool, Said] = {}
    """Whether HMAC is allowed -> what is said then; empty where no fact of the chain is signed."""
    footprints: Mapping[str, Footprinted] = {}
    """By consignment; those of a contract whose terms name none are not looked at."""
    register: Register | None = None
    """By whose keys."""

    def under(self, full: ContractTerms, close: int) -> Judgements:
        """As a version of the terms takes them, for a claim that closes then (us UTC): a record is
        in time when it came with a signature that is right.
        """
        if not self.signatures:
            return {}
        said = self.signatures[full.evidence.hmac_allowed]
        found: dict[bytes, Counts | Nothing] = {}
        for one, verdict in said.verdicts.items():
            is_late = said.since.get(one, close) > close
            if one in said.bare and (is_late or not _is_theirs(full, verdict)):
                continue  # as if it had never been signed
            found[one] = _LATE if is_late else verdict
        return found


def _is_theirs(full: ContractTerms, found: Counts | Nothing) -> bool:
    """Whether a signature is, or was, one of somebody whose word counts by the terms."""
    if isinstance(found, Nothing):
        return found.reason == Reason.COMPROMISED
    pair = (found.organisation, found.role)
    return any((one.org_id, one.role) == pair for one in full.attesters)


NOTHING_KNOWN = Known()
FIXED = ("APPROVED", *LIVE, "CANCEL_PENDING", "SETTLED", "RETURNED")
"""Where the amount of a claim is unconditional: what becomes of other claims does not change it."""


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
    is_still = claim.tolls_since is not None
    lines = own.lines or tuple([one.line for one in full.lines])
    ordered = tuple([_ordered(one) for one in full.lines])
    return ClaimAsked(
        condition=condition,
        scope=Scope(
            tick=on.at,
            deadline=promise.deadline,
            grace_us=promise.grace_us,
            zone=on.zone,
            long_stop=on.book.terms_of(claim).long_stop,
            challenge_end=claim.challenge_end,
            tolling=is_still,
            tolled_us=promise.deadline if is_still else claim.tolled_us,
            fixed=claim.state in FIXED,
            lines=tuple([one for one in ordered if one.line in lines]),
        ),
        fixing=claim.fixing if claim.state in FIXED else None,
        consignment_id=own.consignment_id,
        lots=() if own.lot is None else (own.lot,),
        ordered=ordered,
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
        signatures=_signatures(on, promise.deadline + promise.grace_us),
        hmac_allowed=full.evidence.hmac_allowed,
        settled=_settled(on.book, full),
        unique=_InChain(),
        approvals=tuple(_approvals(on, claim)),
        approves=approves,
        footprints=on.known.footprints,
        adjusts_by=carbon_measure(tranche),
        approvers=tuple([(one.org_id, one.role) for one in full.attesters]),
    )


def _ordered(line: Line) -> Ordered:
    return Ordered(
        line=line.line,
        qty=line.qty,
        unit=line.unit,
        short_bp=line.tolerance.minus_bp,
        lots=tuple([(one.lot, one.qty) for one in line.lots]),
    )


def _signatures(on: Desk, close: int) -> Judgements:
    """Found once for all claims under the same terms that close at the same time."""
    return on.answers.once(
        ("signatures", id(on.full), close), lambda: on.known.under(on.full, close)
    )


def carbon_measure(tranche: Tranche) -> str:
    """The measure of footprints that a tranche's amount depends on; "" = none. What is asked for
    each unit of goods is shared out from the whole.
    """
    carbon = tranche.adjustments.carbon
    if carbon is None:
        return ""
    return WTW if carbon.unit == EACH_UNIT else carbon.measure


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


def _settled(book: Book, full: ContractTerms) -> dict[str, int]:
    """When each tranche was settled (tick time, us), once all its claims are, but those that an
    amendment took out or replaced, or of which nothing was due. Where nothing was due of any, it is
    settled by the last of them that was closed: no payment will come.
    """
    paid: dict[str, list[int | None]] = {}
    closed: dict[str, list[int | None]] = {}
    for claim in book.claims.values():
        if claim.state != "SUPERSEDED" and not replaced(full, book, claim):
            of = closed if claim.state == "CLOSED" else paid
            of.setdefault(claim.tranche_id, []).append(claim.settled_at)
    return {
        name: max(time for time in times if time is not None)
        for name, times in {**closed, **paid}.items()
        if None not in times
    }
