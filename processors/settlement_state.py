"""What is known about one chain's contract: claims, their money, holds, attempts and inputs seen.

Everything here is immutable. Money is integer minor units in the contract's one currency; a
claim's four balances (buyer, reserved, in_flight, seller) always add up to zero.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Literal

from immutables import Map
from msgspec import Struct

from supplytwin.processors.fixing import Fixing
from supplytwin.processors.settlement_memory import Memory
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import Contract, Receipt, Review
from supplytwin.schemas.terms import COMMITMENT, ClaimTerms, Terms

NONE = "NONE"
"""The from-state of a claim that does not exist yet (∅ in the state table)."""

PRE = ("RESERVED", "MATCHED", "APPROVED")
LIVE = ("INSTRUCTED", "ACCEPTED", "IN_DOUBT")
ABSORBING = ("SETTLED", "RETURNED", "VOIDED", "EXPIRED", "SUPERSEDED", "CLOSED")
STATES = ("CREATED", *PRE, *LIVE, "CANCEL_PENDING", "HELD", "DISPUTED", *ABSORBING)

PUBLIC: dict[str, str] = {
    "CREATED": "awaiting funds",
    "RESERVED": "funds reserved",
    "MATCHED": "conditions met",
    "APPROVED": "approved",
    "INSTRUCTED": "payment instructed",
    "ACCEPTED": "payment accepted",
    "IN_DOUBT": "payment in doubt",
    "CANCEL_PENDING": "recall pending",
    "HELD": "held for review",
    "DISPUTED": "disputed",
    "SETTLED": "paid",
    "RETURNED": "returned",
    "VOIDED": "cancelled",
    "EXPIRED": "expired",
    "SUPERSEDED": "replaced by an amendment",
    "CLOSED": "closed without payment",
}
"""What outsiders read for each state."""
CREDIT_RISK = "credit risk: nothing is held"
"""Stands in every public state of a claim that only the buyer's word funds."""
COMMITTED = "committed"


def public(state: str, funding_mode: str) -> str:
    """What outsiders read for a claim in `state`."""
    if funding_mode != COMMITMENT:
        return PUBLIC[state]
    return f"{COMMITTED if state == 'RESERVED' else PUBLIC[state]} ({CREDIT_RISK})"


Cause = Contract | Receipt | Review
NEXT: Literal["NEXT"] = "NEXT"
Agenda = int | Literal["NEXT"] | None
"""When a cut can change something by time alone: a tick time, NEXT = at the next cut, None = never.
"""


class Accounts(Struct, frozen=True, kw_only=True, gc=False):
    """The mirror of one claim: minor units per account, sum zero; only `buyer` may be negative."""

    buyer: int = 0
    reserved: int = 0
    in_flight: int = 0
    seller: int = 0


class Booking(Struct, frozen=True, kw_only=True, gc=False):
    """A credit that the rail has booked."""

    attempt: int
    amount_minor: int
    currency: str


class Order(Struct, frozen=True, kw_only=True, gc=False):
    """One instruction to the rail: `schemas.records.Instruction` without the common fields."""

    instruction_id: str
    instruction_no: int
    settlement_id: str
    contract_id: str
    tranche_id: str
    claim_id: str
    kind: str
    attempt: int
    hold_no: int
    recall_no: int
    query_no: int
    amount_minor: int
    currency: str
    exponent: int
    debtor: str
    creditor: str
    hold_until: Micros
    end_to_end_id: str
    uetr: str
    execution_date: dt.date | None = None
    calendar: str | None = None
    terms_hash: str | None = None


class Release(Struct, frozen=True, kw_only=True, gc=False):
    """A hold that was given back to the buyer; `order` is sent again until the rail confirms it."""

    order: Order
    open: bool
    at: int
    """Tick time of the last sending: the status SLA runs from here."""


class Alarm(Struct, frozen=True, kw_only=True, gc=False):
    """Something that a person should see; becomes a twin.exceptions record."""

    code: str
    settlement_id: str
    reason: str


class Claim(Struct, frozen=True, kw_only=True, gc=False):
    """One claim. Counters never go back; `attempt` is that of the current or next PAY."""

    settlement_id: str
    claim_id: str
    tranche_id: str
    state: str
    amount_minor: int
    """What is reserved: the most that may be paid."""
    currency: str
    funding_due: int | None
    """None = a hold was lost since: another one has time until the close."""
    version: int = 1
    """Of the terms that it is under."""
    due_minor: int | None = None
    """What is to be paid: found at the match, fixed by the approval or by an award."""
    gross_minor: int | None = None
    """What was due before adjustments, found with it; None = the terms have none."""
    adjusted_bp: int = 0
    """Basis points by which adjustments changed it."""
    measure: str | None = None
    """SHIPPED | RECEIVED | ACCEPTED: by which its goods were counted for it, of several, joined by
    `+`, by the least; None = it pays for no quantity."""
    ordered_gross_minor: int | None = None
    ordered_bp: int = 0
    ordered_measure: str | None = None
    """Those three as the last PAY was for: they stay when the claim is held after it."""
    fixing: Fixing | None = None
    """Its latest approval by its condition."""
    settled_at: int | None = None
    """Tick time at which it became SETTLED, or CLOSED."""
    basis: str = "CONDITION"
    """AWARD: an arbiter has decided, whatever the condition says."""
    attempts_added: int = 0
    """Attempts that reviews have allowed beyond the agreed ones."""
    attempt: int = 1
    issued: int = 0
    """The highest attempt for which a PAY was issued."""
    hold_no: int = 1
    hold_answered: bool = False
    hold_live: bool = False
    hold_expires: int | None = None
    """None = the rail named no expiry: the hold stands until it is released."""
    held_minor: int = 0
    """What the rail holds under the current hold, as confirmed."""
    hold_lost_no: int = 0
    """The highest hold that the rail has told is lost; 0 = none was."""
    origin: str | None = None
    """Why it is HELD: RISK (row 12), QUARANTINED (row 12: for refused records of the chain alone),
    REVIVABLE (rows 9, 10), FALSE (row 9), REJECTED (rows 25, 45), RECON (row 51).
    """
    tolls_since: int | None = None
    """Since when its deadlines stand still (`settlement_clock`)."""
    tolled_us: int = 0
    """For how long they stood still before."""
    window_end: int | None = None
    """End of the challenge window; None = it is not open."""
    challenge_end: int | None = None
    """End of the latest window, whether or not it is open still."""
    disputed_by: str | None = None
    """Role of who has raised the dispute."""
    disputed_at: int = 0
    cancelled: bool = False
    """A court has ordered that it is not paid."""
    recall_no: int = 0
    refused_no: int = 0
    """The highest recall that the rail has refused."""
    refused_attempt: int = 0
    """The attempt that it was for: that one is not recalled again, nor followed by another."""
    query_no: int = 0
    status_at: int = 0
    """Tick time of the last sign of life, or of the last query: the status SLA runs from here."""
    recon_break: bool = False
    """The rail booked another amount or currency: nothing moves until people resolve it."""
    overpaid_minor: int = 0
    """What the rail has booked beyond the one payment."""
    unbooked: bool = False
    """A return came before its booking: the booking, when it comes, is already accounted for."""
    bookings: Map[str, Booking] = Map()
    returns: Map[str, int] = Map()
    standing: Map[str, str] = Map()
    """Adverse ids that people or a break in reconciliation have raised -> by whom ("" = us)."""
    cleared: frozenset[str] = frozenset()
    noted: frozenset[str] = frozenset()
    """Adverse ids that rows 12, 28 and 54 have recorded."""
    claimed: frozenset[str] = frozenset()
    """Contrary ids that row 32 has recorded."""
    restated: str | None = None
    """Evidence hash of a restatement: over that evidence no money moves without a person."""
    instruction_no: int = 0
    pay: Order | None = None
    recall: Order | None = None
    releases: Map[int, Release] = Map()
    """By hold_no."""
    accounts: Accounts = Accounts()

    @property
    def release_open(self) -> bool:
        """Whether the rail has yet to confirm that a hold is released."""
        return any(one.open for one in self.releases.values())

    @property
    def reserve_minor(self) -> int:
        """What the next hold has to be for: after an award no more than that."""
        return self.owed_minor if self.basis == "AWARD" else self.amount_minor

    @property
    def owed_minor(self) -> int:
        """What is to be paid as far as it is known; before, the most that may be."""
        return self.amount_minor if self.due_minor is None else self.due_minor

    @property
    def instructed_minor(self) -> int:
        """What the last PAY was for; before the first, what is owed."""
        return self.owed_minor if self.pay is None else self.pay.amount_minor

    @property
    def paid_minor(self) -> int:
        """What the one payment brought the seller, whether or not he has returned it."""
        return self.accounts.seller + sum(self.returns.values()) - self.overpaid_minor


class Assented(Struct, frozen=True, kw_only=True, gc=False):
    """Somebody approves a claim, as it stood when he saw it."""

    review_id: str
    """``source/input_id``."""
    source: str
    role: str
    at: int
    """Its arrival, us UTC."""
    of: str
    """The evidence hash that was seen."""


class Book(Struct, frozen=True, kw_only=True, gc=False):
    """A chain's contract and claims. `Book()` is a chain without a contract."""

    terms: Terms | None = None
    """The version that was agreed last."""
    former: Map[int, Terms] = Map()
    """By version: the ones before it."""
    waiting: Map[str, Terms] = Map()
    """``signed|unsigned/contract_id/version`` -> terms that follow a version which is still to come
    (`processors.settlement_versions`)."""
    contract_seq: int = 0
    claims: Map[str, Claim] = Map()
    """By settlement id."""
    promises: Map[str, ClaimTerms] = Map()
    """The terms of each claim, by settlement id, with the deadline that is in force."""
    order: tuple[str, ...] = ()
    """Settlement ids in the order of the terms; at the end those that only former terms name."""
    inputs: Map[str, tuple[bytes, ...]] = Map()
    """``kind:input_id`` -> the content hashes seen under it, sorted; more than one is a break."""
    freezes: frozenset[str] = frozenset()
    """Settlement ids of paid claims whose evidence was contradicted (row 32): they freeze the
    others."""
    cancels: Map[str, str] = Map()
    """Who has ended the contract: role -> reviewer of each half of a mutual cancel, COURT -> who
    brought its order."""
    votes: Map[str, Map[str, frozenset[str]]] = Map()
    """Settlement id -> what is asked for -> the persons who ask for it, since the claim moved last.
    """
    approvals: Map[str, tuple[Assented, ...]] = Map()
    """Settlement id -> who has approved it, since the claim was matched, held or disputed last."""
    refused: frozenset[str] = frozenset()
    """The records of the chain that were refused and that nobody has dealt with, as adverse ids
    (`processors.remembered`). They stand against every claim that is made meanwhile."""
    agenda: Agenda = None
    """A hint, not history: NEXT after every input and after a restore, refined by each cut."""
    memory: Memory = Memory()
    """What the last cut found: saves the next one work and changes nothing that it decides."""

    @property
    def terminated(self) -> bool:
        """Buyer and seller, two different persons, have both cancelled, or a court has."""
        buyer, seller = self.cancels.get("BUYER"), self.cancels.get("SELLER")
        return "COURT" in self.cancels or (buyer is not None and seller is not None)

    @property
    def contract_state(self) -> str | None:
        """None (no contract; a DRAFT has no record) | ACTIVE | COMPLETED | TERMINATED.

        A contract counts once it is AGREED (`settlement.check_contract`), and then it is ACTIVE at
        once: terms for which something would have to be granted before are refused.
        """
        if self.terms is None:
            return None
        if self.terminated:
            return "TERMINATED"
        done = all(claim.state in ABSORBING for claim in self.claims.values())
        return "COMPLETED" if self.claims and done else "ACTIVE"

    def terms_of(self, claim: Claim) -> Terms:
        """The terms that the claim is under: an amendment does not touch what is approved."""
        assert self.terms is not None
        return self.terms if claim.version == self.terms.version else self.former[claim.version]


class Transition(Struct, frozen=True, kw_only=True, gc=False):
    """One transition of one claim, and what goes out with it."""

    contract_id: str
    contract_seq: int
    settlement_id: str
    tranche_id: str
    claim_id: str
    row: int
    from_state: str
    to_state: str
    public_state: str
    tick_time: Micros
    rule_version: str
    verdict: str | None
    evidence_ids: tuple[str, ...]
    amount_minor: int
    currency: str
    postings: tuple[str, ...]
    reason: str
    gross_minor: int | None = None
    adjusted_bp: int | None = None
    measure: str | None = None
    evidence_hash: str | None = None
    instructions: tuple[Order, ...] = ()
    alarms: tuple[Alarm, ...] = ()


Taken = Literal["TAKEN", "NOTED", "STALE", "ILLEGAL", "CONFLICT", "DUPLICATE"]


class Outcome(Struct, frozen=True, kw_only=True, gc=False):
    """What one ordered input did.

    DUPLICATE: same id, same content: the book is unchanged, write nothing, count it. Every other
    verdict asks for an INPUT entry, then one DECISION per transition: TAKEN has at least one
    (CONFLICT may have); NOTED = recorded, waiting for others to say the same; STALE = row 36;
    ILLEGAL = no row of the table fits, see the alarm's reason.
    """

    book: Book
    verdict: Taken
    transitions: tuple[Transition, ...] = ()
    alarms: tuple[Alarm, ...] = ()


def total(accounts: Iterable[Accounts]) -> Accounts:
    """The sum over claims."""
    every, names = tuple(accounts), Accounts.__struct_fields__
    return Accounts(**{name: sum(getattr(one, name) for one in every) for name in names})
