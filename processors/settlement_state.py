"""What is known about one chain's contract: claims, their mirrored money, holds, attempts and
inputs seen.

Everything here is immutable. Money is integer minor units in the contract's one currency; the
mirror's accounts are buyer, reserved, in_flight and seller, and a claim's four balances always add
up to zero.
"""

from collections.abc import Iterable
from typing import Literal, Protocol

from immutables import Map
from msgspec import Struct

from supplytwin.processors.settlement_memory import Memory
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import Contract, Receipt, Review
from supplytwin.schemas.terms import ClaimTerms, Terms

NONE = "NONE"
"""The from-state of a claim that does not exist yet (∅ in the state table)."""

PRE = ("RESERVED", "MATCHED", "APPROVED")
LIVE = ("INSTRUCTED", "ACCEPTED", "IN_DOUBT")
ABSORBING = ("SETTLED", "RETURNED", "VOIDED", "EXPIRED", "CLOSED")
STATES = ("CREATED", *PRE, *LIVE, "CANCEL_PENDING", "HELD", *ABSORBING)

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
    "SETTLED": "paid",
    "RETURNED": "returned",
    "VOIDED": "cancelled",
    "EXPIRED": "expired",
    "CLOSED": "closed without payment",
}
"""What outsiders read for each state."""

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


class Alarm(Struct, frozen=True, kw_only=True, gc=False):
    """Something that a person should see; becomes a twin.exceptions record."""

    code: str
    settlement_id: str
    reason: str


class Claim(Struct, frozen=True, kw_only=True, gc=False):
    """One claim. Counters never go back; `attempt` is the number that the current or next PAY
    carries."""

    settlement_id: str
    claim_id: str
    tranche_id: str
    state: str
    amount_minor: int
    currency: str
    funding_due: int
    basis: str = "CONDITION"
    attempt: int = 1
    issued: int = 0
    """The highest attempt for which a PAY was issued."""
    hold_no: int = 1
    hold_answered: bool = False
    hold_live: bool = False
    hold_expires: int | None = None
    """None = the rail named no expiry: the hold stands until it is released."""
    origin: str | None = None
    """Why it is HELD: RISK (row 12), QUARANTINED (row 12: a record of the chain was refused),
    REVIVABLE (rows 9, 10), FALSE (row 9), REJECTED (rows 25, 45).
    """
    tolls_since: int | None = None
    """Since when its deadlines stand still: a record of the chain is in the quarantine."""
    tolled_us: int = 0
    """For how long they stood still before."""
    window_end: int | None = None
    recall_no: int = 0
    refused_no: int = 0
    """The highest recall that the rail has refused."""
    query_no: int = 0
    status_at: int = 0
    """Tick time of the last sign of life, or of the last query: the status SLA runs from here."""
    recon_break: bool = False
    """The rail booked another amount or currency: nothing moves until people resolve it."""
    unbooked: bool = False
    """A return came before its booking: the booking, when it comes, is already accounted for."""
    bookings: Map[str, Booking] = Map()
    returns: Map[str, int] = Map()
    standing: Map[str, str] = Map()
    """Adverse ids raised by people or by a break in reconciliation -> who raised it ("" = this
    system)."""
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
    release: Order | None = None
    release_open: bool = False
    release_at: int = 0
    accounts: Accounts = Accounts()


class Book(Struct, frozen=True, kw_only=True, gc=False):
    """A chain's contract and claims. `Book()` is a chain without a contract."""

    terms: Terms | None = None
    contract_seq: int = 0
    claims: Map[str, Claim] = Map()
    """By settlement id."""
    promises: Map[str, ClaimTerms] = Map()
    """The terms of each claim, by settlement id, with the deadline that is in force."""
    order: tuple[str, ...] = ()
    """Settlement ids in the order of the terms."""
    inputs: Map[str, tuple[bytes, ...]] = Map()
    """``kind:input_id`` -> the content hashes seen under it, sorted; more than one is a break."""
    freezes: frozenset[str] = frozenset()
    """Settlement ids of paid claims whose evidence was contradicted (row 32): they freeze the
    others."""
    cancels: Map[str, str] = Map()
    """Role -> reviewer of each half of a mutual cancel."""
    refused: tuple[str, ...] = ()
    """Without a contract: the records of the chain that are in the quarantine, as adverse ids; at
    most a few (`processors.remembered`). They stand against the claims as these are made."""
    agenda: Agenda = None
    """A hint, not history: NEXT after every input and after a restore, refined by each cut."""
    memory: Memory = Memory()
    """What the last cut found: saves the next one work and changes nothing that it decides."""

    @property
    def terminated(self) -> bool:
        """Buyer and seller, two different persons, have both cancelled."""
        buyer, seller = self.cancels.get("BUYER"), self.cancels.get("SELLER")
        return buyer is not None and seller is not None

    @property
    def contract_state(self) -> str | None:
        """None (no contract) | ACTIVE | COMPLETED | TERMINATED.

        AGREED and ACTIVE are one here: this version of the terms needs no signature, screening or
        limit.
        """
        if self.terms is None:
            return None
        if self.terminated:
            return "TERMINATED"
        done = all(claim.state in ABSORBING for claim in self.claims.values())
        return "COMPLETED" if done else "ACTIVE"


class Recorded(Protocol):
    """What a transition's record says, live (Transition) or in the journal (SettlementEvent)."""

    @property
    def settlement_id(self) -> str: ...
    @property
    def row(self) -> int: ...
    @property
    def from_state(self) -> str: ...
    @property
    def to_state(self) -> str: ...
    @property
    def contract_seq(self) -> int: ...
    @property
    def tick_time(self) -> int: ...
    @property
    def evidence_ids(self) -> tuple[str, ...]: ...
    @property
    def postings(self) -> tuple[str, ...]: ...


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
    evidence_hash: str | None = None
    instructions: tuple[Order, ...] = ()
    alarms: tuple[Alarm, ...] = ()


Taken = Literal["TAKEN", "NOTED", "STALE", "ILLEGAL", "CONFLICT", "DUPLICATE"]


class Outcome(Struct, frozen=True, kw_only=True, gc=False):
    """What one ordered input did.

    DUPLICATE: same id, same content: the book is unchanged, write nothing, count it. Every other
    verdict asks for an INPUT entry, then one DECISION per transition: TAKEN has at least one
    (CONFLICT may have); NOTED = recorded and waiting for its other half; STALE = row 36; ILLEGAL =
    no row of the table fits, see the alarm's reason.
    """

    book: Book
    verdict: Taken
    transitions: tuple[Transition, ...] = ()
    alarms: tuple[Alarm, ...] = ()


def total(accounts: Iterable[Accounts]) -> Accounts:
    """The sum over claims."""
    buyer = reserved = in_flight = seller = 0
    for one in accounts:
        buyer += one.buyer
        reserved += one.reserved
        in_flight += one.in_flight
        seller += one.seller
    return Accounts(buyer=buyer, reserved=reserved, in_flight=in_flight, seller=seller)
