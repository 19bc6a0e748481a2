"""Records of schema version 1 other than supply events: inputs, the journal, and everything
derived.

Field order is wire order. Derived records are flat and start with the common fields; (chain_id,
seq, index) is unique over all derived topics and gap-detectable.
"""

import datetime as dt

from msgspec import Struct

from supplytwin.schemas.derived import Derived
from supplytwin.schemas.flow import Header
from supplytwin.schemas.footprints import Footprint, Leg
from supplytwin.schemas.ids import Micros

CONTRACTS, RECEIPTS, REVIEWS = "settlement.contracts", "settlement.receipts", "settlement.reviews"
CONTROL = "control"
JOURNAL, STATE = "twin.journal", "twin.state"
MILESTONES, EXCEPTIONS = "twin.milestones", "twin.exceptions"
FOOTPRINTS, LEGS = "carbon.footprints", "carbon.legs"
SETTLEMENT_EVENTS, INSTRUCTIONS = "settlement.events", "settlement.instructions"
QUARANTINE = "quarantine"
SENT = "settlement.sent"

ORDERED_INPUTS = (CONTRACTS, RECEIPTS, REVIEWS)

# ---- ordered inputs


class Signature(Struct, frozen=True, kw_only=True, gc=False):
    party: str
    kid: str
    alg: str
    sig: bytes


class Contract(Struct, frozen=True, kw_only=True, gc=False):
    """Signed terms. `terms` = canonical JSON (`schemas.terms.encode`), `terms_hash` = its
    SHA-256 in hex.
    """

    input_id: str
    source: str
    chain_id: str
    contract_id: str
    version: int
    terms: bytes
    terms_hash: str
    signatures: tuple[Signature, ...] = ()


class Receipt(Struct, frozen=True, kw_only=True, gc=False):
    """The rail's answer to one instruction. `kind` is the instruction's kind; rail_status per
    kind:

    RESERVE: CONFIRMED | REFUSED | RENEWED (it stands longer) | LOST (it shrank, or ran out) · PAY
    and QUERY: ACTC ACCP ACSP ACWC PDNG | ACSC | RJCT | NOT_FOUND | BOOKED | RETURNED · RELEASE:
    RELEASED | FAILED · RECALL: CNCL | RJCR | NOOR (no original received).
    """

    input_id: str
    source: str
    chain_id: str
    contract_id: str
    settlement_id: str
    kind: str
    instruction_no: int
    attempt: int
    hold_no: int
    recall_no: int
    query_no: int
    rail_status: str
    rail_time: Micros
    amount_minor: int | None = None
    currency: str | None = None
    entry_id: str | None = None
    return_id: str | None = None
    hold_expires: Micros | None = None
    rail_reason: str | None = None


class Review(Struct, frozen=True, kw_only=True, gc=False):
    """An act on a claim: verdict RELEASE | REJECT | HOLD | RECALL | APPROVE (of the evidence that
    was seen, where the condition asks for it) | UNDERTAKING (a bank's word for the amount) |
    DISPUTE | WITHDRAW | DISMISS | RESOLVE_SELLER (an award of the amount) | RESOLVE_BUYER |
    RECON_BREAK | RECON_SETTLED (of the amount) | RECON_HELD | COURT_ORDER.

    Or on the whole contract (its settlement `EVERY`): CANCEL (mutual cancel) | COURT_ORDER |
    TERMINATE; or on all claims of the chain: QUARANTINE (a record of it was refused: written by the
    worker itself) | RELEASE_RECORD | DROP_RECORD (an operator has dealt with that record, which
    `cleared_ids` names: see `refused_record`).
    """

    input_id: str
    source: str
    chain_id: str
    contract_id: str
    settlement_id: str
    verdict: str
    reviewer: str
    role: str
    reason: str
    evidence_hash: str | None = None
    cleared_ids: tuple[str, ...] = ()
    amount_minor: int | None = None
    """Minor units of the contract's currency, where the verdict is about an amount."""
    attempts: int | None = None
    """How many attempts more than agreed a RELEASE allows; null = none."""


QUARANTINE_DESK = "supplytwin:quarantine"
"""The source of the reviews that a worker writes itself."""
EVERY = "*"
"""As contract and settlement of a review: every claim of the chain."""


def refused_record(topic: str, partition: int, offset: int) -> str:
    """The input id under which a refused record holds claims; in `cleared_ids` with its source."""
    return f"{topic}/{partition}/{offset}"


class Control(Struct, frozen=True, kw_only=True, gc=False):
    """kind TICK | BREAKER | POLICY | KEY | META, written to every partition in one transaction."""

    input_id: str
    kind: str
    tick_time: Micros
    timeline: str
    body: bytes = b""


# ---- the journal


class JournalEntry(Struct, frozen=True, kw_only=True, gc=False):
    """One entry of twin.journal. kind FACT | INPUT | DECISION | CONTROL | CLOSED; source_* null
    for a DECISION.

    `body` = the input record's value bytes as they came, wire header included; for a DECISION
    the value bytes of its settlement.events record. `hash` = SHA-256 of the entry's Avro body
    before it (no wire header), 32 bytes.
    """

    chain_id: str
    seq: int
    kind: str
    source_topic: str | None
    source_partition: int | None
    source_offset: int | None
    arrival: Micros | None
    taken_at: Micros
    fold_version: str
    timeline: str
    body_fingerprint: bytes
    """8 bytes, CRC-64-AVRO little-endian as in the single-object header."""
    headers: tuple[Header, ...]
    body: bytes
    prev_hash: bytes
    hash: bytes


# ---- derived


class StateRecord(Derived, frozen=True, kw_only=True, gc=False):
    """Latest state of one subject; key = chain_id|subject_type|subject_id, compacted."""

    subject_type: str
    subject_id: str
    lifecycle: str | None
    milestones: tuple[str, ...]
    flags: tuple[str, ...]
    holds_open: int
    state_hash: str
    """Hex SHA-256 of the canonical state of this subject."""
    planned_time: Micros | None = None
    eta: Micros | None = None
    actual_time: Micros | None = None
    delay_days: int | None = None
    """Local date of delivery minus local date of the schedule; positive = late."""
    qty_ordered: str | None = None
    qty_received: str | None = None
    exposure_minor: int | None = None
    currency: str | None = None
    co2e_kg: str | None = None
    attributes: tuple[str, ...] = ()
    """``name=value`` facts of the subject: what the lanes of a line are cut by (mode, from, to,
    consignment), a leg's vehicle, a receipt's holder and lot, what a handling unit is inside of.
    """
    eta_source: str | None = None
    eta_stated: Micros | None = None
    """The revision of the estimate; its age is now minus this."""
    promised_date: dt.date | None = None
    promise_delay_days: int | None = None
    """Local date of delivery, or while it is not delivered of the ETA, minus the promised date."""
    steps_required: int | None = None
    steps_inferred: int | None = None
    last_actual: Micros | None = None
    visits: tuple[str, ...] = ()
    """``arrived;left;stayed;place``: us UTC, us UTC, us; the last 50. How everything from here on
    follows from the facts stands in docs/derived.md."""
    spread_hours: str | None = None
    """Decimal; the largest over its milestones, null = no two sources differ."""
    reports: tuple[str, ...] = ()
    """``code;event_time;source/event_id`` of the milestones that sources tell differently, the one
    that is reported first; us UTC."""
    trust: str | None = None
    exceptions: tuple[str, ...] = ()
    """``code;since``: open, us UTC; the last 50."""
    arrived: bool | None = None
    """It is delivered, or at the end of its last leg; null in records of before this was told."""


class Milestone(Derived, frozen=True, kw_only=True, gc=False):
    """A milestone of a subject was reached, or is no longer (`reached` false)."""

    subject_type: str
    subject_id: str
    code: str
    reached: bool
    source: str
    event_id: str
    event_time: Micros
    arrival: Micros
    reason: str | None = None
    spread_hours: str | None = None
    """Decimal; how far the reports of several sources are apart, null = not at all."""


class ExceptionRecord(Derived, frozen=True, kw_only=True, gc=False):
    """Something is wrong with a subject (`open` true), or no longer is."""

    subject_type: str
    subject_id: str
    code: str
    open: bool
    reason: str
    source: str | None = None
    event_id: str | None = None
    event_time: Micros | None = None
    arrival: Micros | None = None


class SettlementEvent(Derived, frozen=True, kw_only=True, gc=False):
    """One transition of one claim; the DECISION's body is this record, same bytes.

    `seq` = the DECISION's seq; cause_chain_id/cause_seq = the journal position that caused it
    (null at a cut).
    """

    contract_id: str
    contract_seq: int
    settlement_id: str
    tranche_id: str
    claim_id: str
    row: int
    from_state: str
    to_state: str
    public_state: str
    cause_chain_id: str | None
    cause_seq: int | None
    tick_time: Micros
    rule_version: str
    verdict: str | None
    """TRUE | FALSE | UNKNOWN of the claim's condition when it was evaluated."""
    evidence_ids: tuple[str, ...]
    """``source/event_id`` of each fact that the verdict rests on, sorted."""
    amount_minor: int
    """Minor units: what is due, once the condition is met; before, and when that is taken back,
    the most that may be."""
    currency: str
    postings: tuple[str, ...]
    """``account;signed minor units``: two per movement, sum zero. Accounts: buyer, reserved,
    in_flight, seller.
    """
    reason: str
    gross_minor: int | None = None
    """Minor units: what is due before adjustments, as the condition was evaluated; null = the terms
    have none."""
    adjusted_bp: int | None = None
    """Basis points by which adjustments change it."""
    measure: str | None = None
    """SHIPPED | RECEIVED | ACCEPTED: by which goods are counted, of several (joined by `+`) by the
    one by which they are least; null = no quantity is paid."""


class Instruction(Derived, frozen=True, kw_only=True, gc=False):
    """What the rail is told. kind RESERVE | PAY | RELEASE | RECALL | QUERY; instruction_no
    gap-free per settlement.
    """

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
    """Of a PAY under full terms: the day on which the bank is asked to pay."""
    calendar: str | None = None
    """``id@version`` of the calendar that the day follows from."""
    terms_hash: str | None = None
    """Of the terms under which it was decided; null = written before this field was."""


class SentMessage(Struct, frozen=True, kw_only=True, gc=False):
    """A message to a bank, written by the gateway before it hands it over: `body` is what goes
    out, also after a crash. kind PAY | RECALL. `refused` says why nothing went out, and then
    nothing ever will under these ids; else it is "".
    """

    chain_id: str
    contract_id: str
    settlement_id: str
    instruction_id: str
    instruction_no: int
    kind: str
    attempt: int
    hold_no: int
    recall_no: int
    query_no: int
    amount_minor: int
    currency: str
    taken_at: Micros
    """Of the instruction that was first of these ids."""
    rail: str
    message: str
    """The ISO 20022 message of the body; of a refusal "", as its ids are."""
    message_id: str
    payment_information_id: str
    account: str
    """The debtor's: IBAN, or another number."""
    body: bytes
    refused: str = ""


class Quarantined(Struct, frozen=True, kw_only=True, gc=False):
    """A record that was not taken. Identity (topic, partition, offset); `body` null when too
    large to keep.
    """

    topic: str
    partition: int
    offset: int
    arrival: Micros
    key: bytes | None
    code: str
    field: str
    reason: str
    headers: tuple[Header, ...]
    body: bytes | None
    body_sha256: str
    size: int


SCHEMAS: dict[str, type[Struct]] = {
    CONTRACTS: Contract,
    RECEIPTS: Receipt,
    REVIEWS: Review,
    CONTROL: Control,
    JOURNAL: JournalEntry,
    STATE: StateRecord,
    MILESTONES: Milestone,
    EXCEPTIONS: ExceptionRecord,
    FOOTPRINTS: Footprint,
    LEGS: Leg,
    SETTLEMENT_EVENTS: SettlementEvent,
    INSTRUCTIONS: Instruction,
    SENT: SentMessage,
    QUARANTINE: Quarantined,
}
"""Topic -> the Struct of its one schema (supply topics: `schemas.events`)."""
