"""The inputs of a walk as the fold reads them: contracts, receipts and reviews."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec.structs import replace
from settlement_machine_words import (
    AmendmentAccepted,
    Booked,
    ClaimTerms,
    ContractAgreed,
    CourtOrder,
    Cut,
    DisputeRaised,
    DisputeResolved,
    DisputeWithdrawn,
    HoldConfirmed,
    HoldLost,
    HoldRefused,
    HoldRenewed,
    Input,
    MutualCancel,
    NoOriginal,
    NotFound,
    Pending,
    RecallDone,
    RecallOrdered,
    RecallRefused,
    ReconBreak,
    ReconResolved,
    Rejected,
    Released,
    ReleaseFailed,
    Returned,
    ReviewRejected,
    ReviewReleased,
    RiskHold,
    Terms,
)
from settlement_machine_world import REST, TWO_CONTENTS, World
from settlement_walk_told import CHAIN

from supplytwin.processors.settlement_state import Book
from supplytwin.schemas import terms
from supplytwin.schemas.ids import Micros, settlement_id
from supplytwin.schemas.records import EVERY, Contract, Receipt, Review

T0 = 1_735_689_600_000_000
"""2025-01-01T00:00:00Z: tick 0 of a walk; a tick is a microsecond."""
CONTRACT, TRANCHE, THE_REST = "C-1", "T1", "T2"
BUYER = terms.Party(org_id="B", name="Buyer", account="B-1")
SELLER = terms.Party(org_id="S", name="Seller", account="S-1")


def named(claim: str) -> str:
    """The settlement id of a claim of the walk."""
    return settlement_id(CONTRACT, THE_REST if claim == REST else TRANCHE, claim)


class Records:
    """Makes records; numbers them, and knows what has been said."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.book = Book()
        self.count = 0
        self.used: set[str] = set()
        self.twice: dict[str, list[Any]] = {}

    @property
    def now(self) -> int:
        """The last tick handled."""
        return T0 + self.world.machine.tick

    def _record(self, said: Input) -> list[Any]:
        match said:
            case ContractAgreed() | AmendmentAccepted() | Cut():
                return []
            case MutualCancel():
                return [
                    self._review("CANCEL", EVERY, by, role=role)
                    for by, role in (("bea", "BUYER"), ("sol", "SELLER"))
                ]
            case CourtOrder():
                return [self._review("COURT_ORDER", EVERY, "judge", role="COURT")]
        return self._receipt_of(said) or self._review_of(said)

    def _receipt_of(self, said: Input) -> list[Any]:
        match said:
            case HoldConfirmed(claim, hold_no, amount, ccy, expires):
                return [
                    self._receipt(
                        claim,
                        "RESERVE",
                        "CONFIRMED",
                        hold_no=hold_no,
                        amount_minor=amount,
                        currency=ccy,
                        hold_expires=T0 + expires,
                    )
                ]
            case HoldRefused(claim, hold_no):
                return [self._receipt(claim, "RESERVE", "REFUSED", hold_no=hold_no)]
            case HoldRenewed(claim, hold_no, expires):
                return [
                    self._receipt(
                        claim, "RESERVE", "RENEWED", hold_no=hold_no, hold_expires=T0 + expires
                    )
                ]
            case HoldLost(claim, hold_no):
                return [self._receipt(claim, "RESERVE", "LOST", hold_no=hold_no)]
            case Released(claim, hold_no):
                return [self._receipt(claim, "RELEASE", "RELEASED", hold_no=hold_no)]
            case ReleaseFailed(claim, hold_no):
                return [self._receipt(claim, "RELEASE", "FAILED", hold_no=hold_no)]
            case Pending(claim, attempt):
                return [self._receipt(claim, "PAY", "ACSP", attempt=attempt)]
            case Booked(claim, attempt, entry_id, amount, ccy):
                return [
                    self._receipt(
                        claim,
                        "PAY",
                        "BOOKED",
                        input_id=entry_id,
                        attempt=attempt,
                        entry_id=entry_id,
                        amount_minor=amount,
                        currency=ccy,
                    )
                ]
            case Rejected(claim, attempt, retryable):
                return [
                    self._receipt(
                        claim,
                        "PAY",
                        "RJCT",
                        attempt=attempt,
                        rail_reason="AM04" if retryable else "AC04",
                    )
                ]
            case NotFound(claim, attempt):
                return [self._receipt(claim, "QUERY", "NOT_FOUND", attempt=attempt)]
            case Returned(claim, return_id, amount, ccy):
                return [
                    self._receipt(
                        claim,
                        "PAY",
                        "RETURNED",
                        input_id=return_id,
                        return_id=return_id,
                        amount_minor=amount,
                        currency=ccy,
                    )
                ]
            case RecallDone(claim, attempt, recall_no):
                return [
                    self._receipt(claim, "RECALL", "CNCL", attempt=attempt, recall_no=recall_no)
                ]
            case RecallRefused(claim, recall_no):
                return [self._receipt(claim, "RECALL", "RJCR", recall_no=recall_no)]
            case NoOriginal(claim, recall_no):
                return [self._receipt(claim, "RECALL", "NOOR", recall_no=recall_no)]
        return []

    def _receipt(self, claim: str, kind: str, status: str, **said: Any) -> Receipt:
        self.count += 1
        now = self.world.machine.claims.get(claim)
        if said.get("input_id") in self.used:
            del said["input_id"]
        self.used.add(said.get("input_id", ""))
        known = {
            "input_id": f"receipt-{self.count}",
            "attempt": 1 if now is None else now.attempt,
            "hold_no": 0 if now is None else now.hold_no,
            "recall_no": 0 if now is None else now.recall_no,
        }
        return Receipt(
            **{**known, **said}, source="rail", chain_id=CHAIN, contract_id=CONTRACT,
            settlement_id=named(claim), kind=kind, instruction_no=1, query_no=0,
            rail_status=status, rail_time=Micros(self.now),
        )  # fmt: skip

    def _review_of(self, said: Input) -> list[Any]:
        match said:
            case RiskHold(claim, id_, by):
                return [self._review("HOLD", claim, by, input_id=id_)]
            case ReconBreak(claim, id_) if id_.startswith(TWO_CONTENTS):
                return self._twice(claim, id_)
            case ReconBreak(claim, id_):
                return [self._review("RECON_BREAK", claim, "recon", input_id=id_)]
            case ReviewReleased(claim, by, seen, cleared):
                return [
                    self._review(
                        "RELEASE",
                        claim,
                        by,
                        evidence_hash=seen,
                        cleared_ids=self._cleared(claim, cleared),
                    )
                ]
            case ReviewRejected(claim, by):
                return [self._review("REJECT", claim, by)]
            case RecallOrdered(claim, by):
                return [self._review("RECALL", claim, by)]
            case DisputeRaised(claim, by, role):
                return [self._review("DISPUTE", claim, by, role=role)]
            case DisputeWithdrawn(claim):
                found = self.book.claims.get(named(claim))
                role = found.disputed_by if found is not None and found.disputed_by else "BUYER"
                return [self._review("WITHDRAW", claim, "ann", role=role)]
            case DisputeResolved(claim, "SELLER", amount, arbiter):
                return [
                    self._review(
                        "RESOLVE_SELLER", claim, arbiter, role="ARBITER", amount_minor=amount
                    )
                ]
            case DisputeResolved(claim, _, _, arbiter):
                return [self._review("RESOLVE_BUYER", claim, arbiter, role="ARBITER")]
            case ReconResolved(claim, by, amount, to):
                return [
                    self._review(f"RECON_{to}", claim, who, amount_minor=amount)
                    for who in (by, "fay")
                ]
        raise AssertionError(said)

    def _twice(self, claim: str, id_: str) -> list[Any]:
        """Two receipts of one id that say nothing by themselves; told again, the same two."""
        if id_ not in self.twice:
            first = self._receipt(claim, "PAY", "WHAT")
            first = replace(first, input_id=id_.removeprefix(TWO_CONTENTS))
            self.twice[id_] = [first, replace(first, rail_status="ELSE")]
        return self.twice[id_]

    def _review(self, verdict: str, claim: str, by: str, **said: Any) -> Review:
        self.count += 1
        known = {"input_id": f"review-{self.count}", "role": "OPERATOR"}
        return Review(
            **{**known, **said}, source="desk", chain_id=CHAIN, contract_id=CONTRACT,
            settlement_id=EVERY if claim == EVERY else named(claim), verdict=verdict,
            reviewer=by, reason="looked at it",
        )  # fmt: skip

    def _cleared(self, claim: str, cleared: tuple[str, ...]) -> tuple[str, ...]:
        """The ids that a review names, as the fold calls them."""
        found = self.world.machine.claims.get(claim)
        standing = {} if found is None else found.standing
        ids = set()
        for one in cleared:
            kind = standing.get(one, ("", ""))[0]
            if kind == "FREEZE":
                ids.add(f"settlement/{named(one.partition(' ')[2])}")
            elif kind and " " in one:
                ids.add(f"rail/{one.partition(' ')[2]}")
            else:
                ids.add(f"desk/{one}" if kind else f"x/{one}~0")
        return tuple(sorted(ids))

    def _contract(self, claims: list[ClaimTerms], version: int) -> Contract:
        """The first version is the same record whenever it comes."""
        self.count += version > 1
        own = self.world.terms if version == 1 else self.world.machine.terms
        signed = signed_terms(own, claims, version)
        body = terms.encode(signed)
        return Contract(
            input_id=f"contract-{self.count if version > 1 else 0}", source="buyer", chain_id=CHAIN,
            contract_id=CONTRACT, version=signed.version, terms=body,
            terms_hash=terms.terms_hash(body),
        )  # fmt: skip


def signed_terms(own: Terms, claims: list[Any], version: int) -> terms.Terms:
    """The terms of a walk, in the form that the fold reads."""
    rule = own.disputes
    return terms.Terms(
        contract_id=CONTRACT, version=version, template=terms.TEMPLATE,
        template_version=terms.TEMPLATE_VERSION, chain_id=CHAIN, buyer=BUYER, seller=SELLER,
        currency=own.currency, cap_minor=sum(claim.max_minor for claim in claims),
        agreed_at=Micros(T0), funding_deadline=Micros(T0 + own.funding_deadline),
        long_stop=Micros(T0 + own.long_stop), zone="UTC", warehouses=("WH-1",),
        claims=tuple(signed_claim(claim) for claim in claims), attempts_max=own.attempts_max,
        status_sla_us=own.sla, funding_mode=own.funding, auto_renew=own.auto_renew,
        hold_tolls_deadline=own.tolls,
        disputes=None if rule is None else terms.Disputes(
            who=rule.who, arbiters=rule.arbiters, k=rule.k, max_len_us=rule.max_len,
            on_timeout=rule.on_timeout,
        ),
    )  # fmt: skip


def signed_claim(claim: ClaimTerms) -> terms.ClaimTerms:
    """One claim of them."""
    return terms.ClaimTerms(
        claim_id=claim.id, tranche_id=THE_REST if claim.rest else TRANCHE,
        residual_of=(TRANCHE,) if claim.rest else (), consignment_id=f"ASN-{claim.id}",
        lines=(terms.ClaimLine(line_id=f"L-{claim.id}", qty=Decimal(1)),),
        amount_minor=claim.max_minor, deadline=Micros(T0 + claim.deadline),
        grace_us=claim.grace, challenge_us=claim.challenge, on_false=claim.on_false,
    )  # fmt: skip
