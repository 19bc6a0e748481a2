"""The words of the second reading of the claim state machine: terms, inputs, answers, and READINGS.

Times are whole microseconds, amounts whole minor units. Receipts and reviews name their claim;
mutual cancel and court order speak of the whole contract. Where the reference is silent or two of
its rules collide, READINGS says what was read and how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PRE = ("RESERVED", "MATCHED", "APPROVED")
BEFORE = ("CREATED", *PRE, "HELD", "DISPUTED")
LIVE = ("INSTRUCTED", "ACCEPTED", "IN_DOUBT")
PAYING = (*LIVE, "CANCEL_PENDING")
ENDED_UNPAID = ("EXPIRED", "VOIDED", "SUPERSEDED", "CLOSED")
PAID = ("SETTLED", "RETURNED")
ABSORBING = (*PAID, *ENDED_UNPAID)
STATES = (*BEFORE, *PAYING, *ABSORBING)


@dataclass(frozen=True, slots=True)
class ClaimTerms:
    """What the signed terms say about one claim."""

    id: str
    max_minor: int
    deadline: int
    grace: int = 0
    challenge: int = 0
    on_false: str = "EXPIRE"  # or HOLD
    rest: bool = False  # a RESIDUAL: what all the other claims leave


@dataclass(frozen=True, slots=True)
class Disputes:
    """Which roles may raise a dispute, how many of which arbiters decide it, and until when."""

    who: tuple[str, ...]
    k: int
    arbiters: tuple[str, ...]
    max_len: int
    on_timeout: str  # SELLER or BUYER


@dataclass(frozen=True, slots=True)
class Terms:
    """What the signed terms say about the whole contract."""

    claims: tuple[ClaimTerms, ...]
    currency: str
    cap: int
    funding: str  # PREFUNDED_HOLD, BANK_UNDERTAKING or COMMITMENT_ONLY
    auto_renew: bool
    funding_deadline: int
    long_stop: int
    tolls: bool
    attempts_max: int
    sla: int
    disputes: Disputes | None = None


@dataclass(frozen=True, slots=True)
class ContractAgreed:
    """All parties have signed the same hash."""


@dataclass(frozen=True, slots=True)
class HoldConfirmed:
    claim: str
    hold_no: int
    amount: int
    ccy: str
    expires: int


@dataclass(frozen=True, slots=True)
class HoldRefused:
    claim: str
    hold_no: int


@dataclass(frozen=True, slots=True)
class HoldRenewed:
    claim: str
    hold_no: int
    expires: int


@dataclass(frozen=True, slots=True)
class HoldLost:
    claim: str
    hold_no: int


@dataclass(frozen=True, slots=True)
class Released:
    claim: str
    hold_no: int


@dataclass(frozen=True, slots=True)
class ReleaseFailed:
    claim: str
    hold_no: int


@dataclass(frozen=True, slots=True)
class Pending:
    """ACTC, ACCP, ACSP, ACWC or PDNG."""

    claim: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Booked:
    """ACSC or a booked credit."""

    claim: str
    attempt: int
    entry_id: str
    amount: int
    ccy: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """RJCT."""

    claim: str
    attempt: int
    retryable: bool


@dataclass(frozen=True, slots=True)
class NotFound:
    claim: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Returned:
    """pacs.004 or a return entry."""

    claim: str
    return_id: str
    amount: int
    ccy: str


@dataclass(frozen=True, slots=True)
class RecallDone:
    """camt.029 CNCL."""

    claim: str
    attempt: int
    recall_no: int


@dataclass(frozen=True, slots=True)
class RecallRefused:
    """camt.029 RJCR."""

    claim: str
    recall_no: int


@dataclass(frozen=True, slots=True)
class NoOriginal:
    """camt.029: no original received."""

    claim: str
    recall_no: int


@dataclass(frozen=True, slots=True)
class ReviewReleased:
    claim: str
    reviewer: str
    evidence_hash: str
    cleared_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewRejected:
    claim: str
    reviewer: str


@dataclass(frozen=True, slots=True)
class RiskHold:
    claim: str
    id: str
    by: str


@dataclass(frozen=True, slots=True)
class RecallOrdered:
    claim: str
    by: str


@dataclass(frozen=True, slots=True)
class MutualCancel:
    """Both parties end the contract."""


@dataclass(frozen=True, slots=True)
class CourtOrder:
    """An authority ends the contract."""


@dataclass(frozen=True, slots=True)
class DisputeRaised:
    claim: str
    by: str
    role: str


@dataclass(frozen=True, slots=True)
class DisputeWithdrawn:
    claim: str


@dataclass(frozen=True, slots=True)
class DisputeResolved:
    """The vote of one arbiter; amount counts only for the SELLER."""

    claim: str
    for_: str
    amount: int
    arbiter: str


@dataclass(frozen=True, slots=True)
class AmendmentAccepted:
    """All parties have signed new terms for one claim; the successor keeps its id. `funding` =
    another way of funding, of the whole contract; "" = the same.
    """

    replaces: str
    successor: ClaimTerms
    funding: str = ""


@dataclass(frozen=True, slots=True)
class ReconBreak:
    claim: str
    id: str


@dataclass(frozen=True, slots=True)
class ReconResolved:
    claim: str
    by: str
    amount: int
    to: str  # SETTLED or HELD


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the whole set of facts says of one claim at a cut.

    `whole` is False while a leaf `absent during CHALLENGE` was taken as open. `revivable`: UNKNOWN
    also because of something that was withdrawn, contradicts itself, or is not known for sure; else
    it only waits for leaves whose own time is not over. `known_minor` is what
    would be due by what is known, while nothing is because an adjustment is not.
    """

    value: str = "UNKNOWN"
    due_minor: int = 0
    evidence_hash: str = ""
    adverse_ids: tuple[str, ...] = ()
    revivable: bool = False
    whole: bool = True
    known_minor: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    tick: int
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)


Input = (
    ContractAgreed | HoldConfirmed | HoldRefused | HoldRenewed | HoldLost | Released
    | ReleaseFailed | Pending | Booked | Rejected | NotFound | Returned | RecallDone
    | RecallRefused | NoOriginal | ReviewReleased | ReviewRejected | RiskHold | RecallOrdered
    | MutualCancel | CourtOrder | DisputeRaised | DisputeWithdrawn | DisputeResolved
    | AmendmentAccepted | ReconBreak | ReconResolved | Cut
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Posting:
    """One double entry of the mirror."""

    source: str
    target: str
    minor: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """RESERVE(hold_no), RELEASE(hold_no), PAY(attempt, minor), RECALL(recall_no), QUERY(no)."""

    kind: str
    no: int
    minor: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """One row of the table that was taken for one claim."""

    claim: str
    row: int
    source: str
    target: str
    postings: tuple[Posting, ...] = ()
    instructions: tuple[Instruction, ...] = ()
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """No row was taken: `illegal` (no such pair, or a guard failed), `stale` (row 36), or `counted`
    (the vote of an arbiter that decides nothing yet).
    """

    claim: str
    kind: str
    reason: str
