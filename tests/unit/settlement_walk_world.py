"""One random life of a contract, given to both readings of the state table at once.

The second reading (`settlement_machine_*`) takes its own inputs; the fold takes the same as
contracts, receipts, reviews and cuts. What a cut is to find is put in where the fold asks for its
condition. After every input both have to say the same: rows, instructions, refusals, claims.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec
from settlement_machine_claim import Claim as Second
from settlement_machine_words import (
    ABSORBING,
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
    Refused,
    Rejected,
    Released,
    ReleaseFailed,
    Returned,
    ReviewRejected,
    ReviewReleased,
    RiskHold,
    Taken,
    Terms,
    Verdict,
)
from settlement_machine_world import World
from settlement_walk_told import CHAIN, Told

from supplytwin.processors import settlement
from supplytwin.processors import twin as twins
from supplytwin.processors.settlement_state import Book, Claim, Order, Outcome, Transition
from supplytwin.schemas import terms
from supplytwin.schemas.ids import Micros, settlement_id
from supplytwin.schemas.records import EVERY, Contract, Receipt, Review

T0 = 1_735_689_600_000_000
"""2025-01-01T00:00:00Z: tick 0 of a walk; a tick is a microsecond."""
CONTRACT, TRANCHE, OTHER = "C-1", "T1", "Z"
BUYER = terms.Party(org_id="B", name="Buyer", account="B-1")
SELLER = terms.Party(org_id="S", name="Seller", account="S-1")
ORIGINS = {
    **dict.fromkeys(("RISK", "ADVERSE", "RECON", "FREEZE"), "RISK"),
    "FALSE": "FALSE", "REVIVABLE": "REVIVABLE", "RAIL": "RAIL", "": None,
}  # fmt: skip
"""The second reading tells why row 12 holds a claim, the fold that it does."""
OF_THE_RAIL = {"REJECTED": "RAIL", "RECON": "RAIL"}
REFUSALS = {"ILLEGAL": "illegal", "STALE": "stale", "DUPLICATE": "stale", "NOTED": "counted"}
ONCE = ("CREATED", "RESERVED", "MATCHED", "HELD", "DISPUTED")
AS_CONFIRMED = ("RESERVED", "MATCHED", "APPROVED", "INSTRUCTED", "ACCEPTED", "IN_DOUBT",
                "CANCEL_PENDING", "HELD", "DISPUTED")  # fmt: skip


ABOUT_HOLDS = (HoldConfirmed, HoldRefused, HoldRenewed, HoldLost, Released, ReleaseFailed)


def named(claim: str) -> str:
    """The settlement id of a claim of the walk."""
    return settlement_id(CONTRACT, TRANCHE, claim)


class Life(World):
    """Terms as the fold accepts them: it wants the cap to be the sum, and no close after the long
    stop.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        own = self.machine.terms
        self.machine.terms = replace(own, cap=10_000, long_stop=max(own.long_stop, 200))


class Both:
    """A contract in both readings. `step` gives the differences after one more input."""

    def __init__(self, seed: int, told: Told) -> None:
        self.world = Life(seed)
        self.told, told.of = told, {}
        self.book = Book()
        self.version = 0
        self.count = 0
        self.used: set[str] = set()
        self.rows: Counter[tuple[int, str, str]] = Counter()
        self.cases: dict[str, str] = {}

    @property
    def now(self) -> int:
        """The last tick handled."""
        return T0 + self.world.machine.tick

    def step(self) -> tuple[Input, list[str]]:
        """Gives the next input to both; returns it and every difference, in words."""
        machine = self.world.machine
        said = self.world.next_input()
        inputs = self._of_version(said) if isinstance(said, AmendmentAccepted) else [said]
        ready = [self._record(one) for one in inputs[:1]][0] if inputs else []
        older = isinstance(said, Cut) and said.tick <= machine.tick
        claim = machine.claims.get(getattr(said, "claim", ""))
        if claim is not None and claim.hold_no == 0 and isinstance(said, ABOUT_HOLDS):
            return said, []
        answer = [one for given in inputs for one in machine.take(given)]
        if not inputs or older:
            return said, []
        if isinstance(said, Cut):
            found = self._cut(said)
        else:
            found = self._taken(said, ready, inputs)
        outcome, moved = found
        for one in moved:
            self.rows[one.row, one.from_state, one.to_state] += 1
        return said, [*self._differing(said, answer, outcome, moved), *self._apart()]

    # -- to the fold -------------------------------------------------------------------------

    def _of_version(self, said: AmendmentAccepted) -> list[Input]:
        """The fold amends by versions: every claim that may be replaced is, by itself if it is not
        the one in question. None: the claim may not be.
        """
        machine = self.world.machine
        open_ = [
            name
            for name, claim in machine.claims.items()
            if claim.state in ONCE and not claim.attempts_sent and claim.basis == "CONDITION"
        ]
        if said.replaces not in open_ or said.successor.id != said.replaces:
            return []
        rest = [AmendmentAccepted(one, machine.claims[one].terms) for one in open_]
        return [said if one.replaces == said.replaces else one for one in rest]

    def _cut(self, said: Cut) -> tuple[str, tuple[Transition, ...]]:
        self.told.of = {name: said.verdicts.get(name, Verdict()) for name in self.cases_of()}
        self.book, moved = settlement.cut(self.book, twins.EMPTY, self.now)
        return "TAKEN", moved

    def cases_of(self) -> list[str]:
        """The claims of the contract."""
        return list(self.world.machine.claims)

    def _taken(
        self, said: Input, ready: list[Any], inputs: list[Input]
    ) -> tuple[str, tuple[Transition, ...]]:
        if isinstance(said, ContractAgreed):
            ready = [self._contract([claim.terms for claim in self._claims()])]
        elif isinstance(said, AmendmentAccepted):
            self.version += 1
            ready = [self._contract([claim.terms for claim in self._claims()])]
        moved: list[Transition] = []
        outcome = "TAKEN"
        for record in ready:
            got = self._give(record)
            self.book = got.book
            moved += got.transitions
            outcome = got.verdict
        return outcome, tuple(moved)

    def _claims(self) -> list[Second]:
        return list(self.world.machine.claims.values())

    def _give(self, record: Contract | Receipt | Review) -> Outcome:
        content = hashlib.sha256(msgspec.json.encode(record)).digest()
        match record:
            case Contract():
                return settlement.agree(self.book, record, content, self.now)
            case Receipt():
                return settlement.receipt(self.book, record, content, self.now)
            case Review():
                return settlement.review(self.book, twins.EMPTY, record, content, self.now)

    def _contract(self, claims: list[ClaimTerms] | list[Any]) -> Contract:
        signed = signed_terms(self.world.machine.terms, claims, self.version or 1)
        self.version = signed.version
        body = terms.encode(signed)
        return Contract(
            input_id=f"contract-{signed.version}", source="buyer", chain_id=CHAIN,
            contract_id=CONTRACT, version=signed.version, terms=body,
            terms_hash=terms.terms_hash(body),
        )  # fmt: skip

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

    # -- what both say -----------------------------------------------------------------------

    def _differing(
        self,
        said: Input,
        answer: list[Taken | Refused],
        outcome: str,
        moved: tuple[Transition, ...],
    ) -> list[str]:
        taken = [one for one in answer if isinstance(one, Taken)]
        refused = sorted({one.kind for one in answer if isinstance(one, Refused)})
        found: list[str] = []
        for name in self.cases_of():
            here = [(one.row, one.source or "NONE", one.target) for one in taken
                    if one.claim == name]  # fmt: skip
            there = [(one.row, one.from_state, one.to_state) for one in moved
                     if one.claim_id == name]  # fmt: skip
            if here != there:
                found.append(f"rows {here} {there}")
            sent = [(order.kind, order.no, order.minor) for one in taken if one.claim == name
                    for order in one.instructions]  # fmt: skip
            gone = [spelled(order) for one in moved if one.claim_id == name
                    for order in one.instructions]  # fmt: skip
            if sent != gone:
                found.append(f"instructions {sent} {gone}")
        told = [REFUSALS[outcome]] if not moved and outcome in REFUSALS else []
        if (
            not taken
            and not moved
            and refused != told
            and not self._alike(said, refused, told, outcome)
        ):
            found.append(f"refusal {refused or ['nothing']} {told or ['nothing']}")
        return found

    def _alike(self, said: Input, refused: list[str], told: list[str], outcome: str) -> bool:
        """Whether both have refused, and the reasons differ only by what LEFT_OUT names."""
        if outcome == "DUPLICATE" or isinstance(said, MutualCancel | CourtOrder):
            return "taken" not in told
        return False

    def _apart(self) -> list[str]:
        """Where the claims are not alike."""
        found = []
        machine = self.world.machine
        for name, second in machine.claims.items():
            claim = self.book.claims.get(named(name))
            if claim is None:
                found.append("claim unknown to the fold")
                continue
            own, other = second_view(second), view(claim, self.book)
            found += [f"{key} {own[key]} {other[key]}" for key in own if own[key] != other[key]]
        states = (machine.status, self.book.contract_state or "DRAFT")
        if states[0] != states[1]:
            found.append(f"contract {states[0]} {states[1]}")
        return found


def spelled(order: Order) -> tuple[str, int, int]:
    """(kind, number, minor units of a PAY) of an instruction."""
    number = {
        "RESERVE": order.hold_no, "RELEASE": order.hold_no, "PAY": order.attempt,
        "RECALL": order.recall_no, "QUERY": order.query_no,
    }[order.kind]  # fmt: skip
    return order.kind, number, order.amount_minor if order.kind == "PAY" else 0


def second_view(claim: Second) -> dict[str, object]:
    """What is compared, of the second reading."""
    over, live = claim.state in ABSORBING, claim.hold == "live"
    expires = claim.hold_expires if live and not over and claim.hold_no else None
    return {
        "state": claim.state,
        "accounts": (claim.buyer, claim.reserved, claim.in_flight, claim.seller),
        "attempt": claim.attempt,
        "hold": None if over or not claim.hold_no else (claim.hold_no, live, expires),
        "releases": sorted(claim.releasing),
        "recall": (claim.recall_no, claim.recall_refused) if not over else claim.recall_no,
        "basis": (claim.basis, claim.award),
        "origin": ORIGINS[claim.origin],
        "window": claim.window_end if claim.state in ("MATCHED", "APPROVED") else None,
        "disputed": claim.dispute_since if disputed(claim.state, claim.basis) else None,
    }


def view(claim: Claim, book: Book) -> dict[str, object]:
    """What is compared, of the fold."""
    terms_ = book.terms_of(claim)
    over, money = claim.state in ABSORBING, claim.accounts
    live, expires = claim.hold_live, claim.hold_expires
    expires = None if over or not live or expires is None else expires - T0
    origin = OF_THE_RAIL.get(claim.origin or "", claim.origin)
    end = claim.window_end
    refused = claim.refused_no > 0 and claim.recall is not None
    refused = refused and claim.recall.attempt == claim.attempt
    return {
        "state": claim.state,
        "accounts": (money.buyer, money.reserved, money.in_flight, money.seller),
        "attempt": claim.attempt,
        "hold": None
        if over or terms_.funding_mode == terms.COMMITMENT
        else (claim.hold_no, live, expires),
        "releases": sorted(no for no, one in claim.releases.items() if one.open),
        "recall": (claim.recall_no, refused) if not over else claim.recall_no,
        "basis": (claim.basis, claim.due_minor if claim.basis == "AWARD" else 0),
        "origin": origin if claim.state == "HELD" else None,
        "window": end - T0 if end and claim.state in ("MATCHED", "APPROVED") else None,
        "disputed": claim.disputed_at - T0 if disputed(claim.state, claim.basis) else None,
    }


def disputed(state: str, basis: str) -> bool:
    """Whether a dispute is open that nobody has decided."""
    return state == "DISPUTED" and basis == "CONDITION"


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
        claim_id=claim.id, tranche_id=TRANCHE, consignment_id=f"ASN-{claim.id}",
        lines=(terms.ClaimLine(line_id=f"L-{claim.id}", qty=Decimal(1)),),
        amount_minor=claim.max_minor, deadline=Micros(T0 + claim.deadline),
        grace_us=claim.grace, challenge_us=claim.challenge, on_false=claim.on_false,
    )  # fmt: skip
