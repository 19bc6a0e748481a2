"""Contract terms: who pays whom how much, when, on what, and whose word counts.

One contract has one chain. `contract_read` reads the JSON that authors write (the same in
`contract.schema.json`; docs/contracts.md says what each field means); `encode` gives the canonical
bytes, whose SHA-256 every party signs. Money is integer minor units of `currency`.
"""

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from supplytwin.schemas.amounts import (
    Adjustments,
    Amount,
    AmountTerms,
    Id,
    Line,
    Minor,
    Rounding,
)
from supplytwin.schemas.amounts import Tranche as TrancheAmount
from supplytwin.schemas.condition import Condition, Duration, Instant, Name, micros, plain
from supplytwin.schemas.durations import duration_text, duration_us
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.rfc3339 import moment

if TYPE_CHECKING:
    Tree = Condition
else:
    Tree = Any  # a union of untagged Structs, which msgspec does not take: contract_read reads it

FORM = "contract/1"
LATER = {
    "approvals": "approvals of a tranche: write an `approval` into its condition",
    "asset_lock": "title locks: write an `asset` into the condition, nothing is transferred",
    "risk": "risk profiles and limits",
}
"""Parts of a contract that this version knows and does not keep, and what there is instead."""
LATER_RULES = {"BORROWING_BASE": "borrowing bases: a PER_UNIT with a share `bp` pays an advance"}

Role = Literal[
    "BUYER", "SELLER", "FINANCIER", "CARRIER", "INSPECTOR", "CUSTOMS", "WAREHOUSE", "ARBITER"
]
SINGLE = ("BUYER", "SELLER", "FINANCIER")
"""Roles that one party has at most."""
Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"\S", extra={"line": True})]
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Semver = Annotated[str, Meta(pattern=r"^\d{1,4}\.\d{1,4}\.\d{1,4}$")]
Names = Annotated[tuple[Text, ...], Meta(extra={"unique": True})]
Some = Annotated[tuple[Text, ...], Meta(min_length=1, extra={"filled": True, "unique": True})]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$", extra={"format": "country"})]
Count = Annotated[int, Meta(ge=1, le=100)]


class Form(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unknown fields are refused."""


class Address(Form, frozen=True, kw_only=True):
    """A structured postal address. What a country does not have stays empty."""

    street: Annotated[str, Meta(max_length=70)] = ""
    building: Annotated[str, Meta(max_length=16)] = ""
    post_code: Annotated[str, Meta(max_length=16)] = ""
    town: Annotated[str, Meta(min_length=1, max_length=35)]
    subdivision: Annotated[str, Meta(max_length=35)] = ""
    country: Country


class Agent(Form, frozen=True, kw_only=True):
    """A bank: its BIC, or its number in a national clearing system (`CNAPS`, `USABA`)."""

    bic: Annotated[str, Meta(max_length=11)] = ""
    clearing_system: Annotated[str, Meta(max_length=5)] = ""
    member_id: Annotated[str, Meta(max_length=35)] = ""


class Account(Form, frozen=True, kw_only=True):
    """An account: its IBAN, or its other number where a country has none."""

    iban: Annotated[str, Meta(max_length=34)] = ""
    other: Annotated[str, Meta(max_length=34)] = ""


class Party(Form, frozen=True, kw_only=True):
    """Who signs these terms, in one role. What a payment needs of it has the names of
    `sinks.iso20022_parties`: bank and account are required of who pays and who is paid.
    """

    role: Role
    org_id: Text
    """LEI, or a name of the deployment; the organisation of its keys."""
    name: Annotated[str, Meta(min_length=1, max_length=140)]
    """The legal name, as its bank knows it."""
    address: Address
    agent: Agent | None = None
    account: Account | None = None
    lei: Annotated[str, Meta(max_length=20)] = ""

    @property
    def countries(self) -> frozenset[str]:
        """Where it is: by its address, its IBAN and its bank's BIC."""
        bic = self.agent.bic[4:6] if self.agent is not None else ""
        iban = self.account.iban[:2] if self.account is not None else ""
        return frozenset(one for one in (self.address.country, bic, iban) if one)


class Attester(Form, frozen=True, kw_only=True):
    """Whose facts count for conditions, in which role. No wildcards: each source by its name."""

    org_id: Text
    role: Name
    sources: Some
    sites: Names = ()
    """Only what is told of these sites counts; empty = of every site of these sources."""


class References(Form, frozen=True, kw_only=True):
    """What the papers call it: evidence is recognised by it."""

    order_no: Text
    incoterm: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    place: Text
    """Of the Incoterm."""
    hs_codes: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^\d{6,10}$")], ...], Meta(extra={"unique": True})
    ] = ()
    containers: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[A-Z]{4}\d{7}$")], ...], Meta(extra={"unique": True})
    ] = ()
    declaration_no: Text | None = None


class Funding(Form, frozen=True, kw_only=True):
    """Where the money is before it is paid. COMMITMENT_ONLY reserves nothing: credit risk."""

    mode: Literal["PREFUNDED_HOLD", "BANK_UNDERTAKING", "COMMITMENT_ONLY"]
    funding_deadline: Instant
    hold_len: Duration
    """How long a hold lasts from its confirmation, as an interval: clocks may differ."""
    auto_renew: bool


class Window(Form, frozen=True, kw_only=True):
    """Before `not_before` nothing is paid. What is asked for may happen until `deadline`
    (inclusive) and arrive `grace` later.
    """

    not_before: Instant | None = None
    deadline: Instant
    grace: Duration = "PT0S"


class Claim(Form, frozen=True, kw_only=True):
    """What is paid by one decision, with a hold of its own: of a consignment, of a lot, of some
    lines, or (nothing of it named) of the tranche as a whole.
    """

    claim_id: Id
    consignment_id: Text | None = None
    lot: Id | None = None
    lines: Annotated[tuple[Id, ...], Meta(extra={"unique": True})] = ()
    max_minor: Minor
    """What is held for it: the most that it can pay."""


class Tranche(Form, frozen=True, kw_only=True):
    """One part of the price: how much, on which condition, until when, in which claims."""

    tranche_id: Id
    amount: Amount
    adjustments: Adjustments = Adjustments()
    condition: Tree
    window: Window
    challenge: Duration | None = None
    """How long an `absent` during CHALLENGE has to hold before it is paid."""
    on_false: Literal["EXPIRE", "HOLD"]
    claims: Annotated[tuple[Claim, ...], Meta(min_length=1, extra={"filled": True})]

    @property
    def deadline(self) -> Micros:
        """us UTC, inclusive."""
        return micros(self.window.deadline)

    @property
    def close(self) -> Micros:
        """The last instant at which evidence may arrive, us UTC."""
        return Micros(self.deadline + duration_us(self.window.grace))


class Arbiter(Form, frozen=True, kw_only=True):
    """k of these organisations decide; each is a party with the role ARBITER."""

    k: Count
    of: Some


class Disputes(Form, frozen=True, kw_only=True):
    """Who may stop a payment before it is instructed, who decides, and what if nobody does."""

    who: Annotated[tuple[Role, ...], Meta(min_length=1, extra={"filled": True, "unique": True})]
    until: Literal["INSTRUCTED"]
    arbiter: Arbiter
    max_len: Duration
    on_timeout: Literal["BUYER", "SELLER"]


class CalendarTerms(Form, frozen=True, kw_only=True):
    """Which days are working days (`schemas.calendars`), whose clock counts, until when a payment
    goes out on the same day. The zone also decides on which day a deadline is.
    """

    id: Text
    zone: Text
    cut_off: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class EvidenceTerms(Form, frozen=True, kw_only=True):
    """What else counts beside signatures by keys of one owner."""

    hmac_allowed: bool = False
    """Shared keys count, too: nobody is bound by them (no non-repudiation)."""


class ContractTerms(Form, frozen=True, kw_only=True):
    """The terms of one contract in one version. Only `encode` and `written` spell them right:
    msgspec alone knows nothing of the operators of conditions.
    """

    form: Literal["contract/1"]
    contract_id: Id
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    """From 1 on without a gap."""
    amends: Hash | None = None
    """The terms hash of the version before; required from version 2 on."""
    chain_id: Annotated[str, Meta(min_length=1, max_length=255)]
    template: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,63}$")] | None = None
    """Left out: free conditions, where the deployment permits them."""
    template_version: Semver | None = None
    parameters: dict[str, Any] = {}
    """What the template was filled in with."""
    parties: Annotated[
        tuple[Party, ...], Meta(min_length=2, max_length=100, extra={"filled": True})
    ]
    payer: Role = "BUYER"
    payee: Role = "SELLER"
    attesters: Annotated[tuple[Attester, ...], Meta(max_length=100)]
    warehouses: Names = ()
    """Facilities that are the buyer's: a receipt elsewhere counts for nothing."""
    references: References
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    cap_minor: Minor
    total_minor: Minor
    rounding: Rounding
    purpose_code: Annotated[str, Meta(pattern=r"^([A-Z]{4}|[A-Z][A-Z0-9]{4,34})$")] | None = None
    lines: tuple[Line, ...] = ()
    funding: Funding
    tranches: Annotated[tuple[Tranche, ...], Meta(min_length=1, extra={"filled": True})]
    disputes: Disputes | None = None
    hold_tolls_deadline: bool = False
    long_stop: Instant
    attempts_max: Count
    status_sla: Duration
    """How long an instruction may stay without a status before it is IN_DOUBT."""
    calendar: CalendarTerms
    evidence: EvidenceTerms = EvidenceTerms()

    @property
    def amounts(self) -> AmountTerms:
        """What the contract pays, for `processors.amounts`."""
        return AmountTerms(
            currency=self.currency,
            cap_minor=self.cap_minor,
            total_minor=self.total_minor,
            rounding=self.rounding,
            lines=self.lines,
            tranches=tuple(
                [
                    TrancheAmount(
                        tranche_id=one.tranche_id, amount=one.amount, adjustments=one.adjustments
                    )
                    for one in self.tranches
                ]
            ),
        )

    def party(self, role: str) -> Party | None:
        """The first party in that role."""
        return next((one for one in self.parties if one.role == role), None)

    @property
    def seats(self) -> dict[str, Party]:
        """Who signs, by the name that its signature has: the role, with several of one role
        `ROLE:org_id`.
        """
        roles = [one.role for one in self.parties]
        return {
            one.role if roles.count(one.role) == 1 else f"{one.role}:{one.org_id}": one
            for one in self.parties
        }


def spelled(terms: ContractTerms) -> ContractTerms:
    """The same terms with every time and duration in its one spelling."""
    funding = replace(
        terms.funding,
        funding_deadline=moment(terms.funding.funding_deadline).text,
        hold_len=_length(terms.funding.hold_len),
    )
    disputes = terms.disputes
    if disputes is not None:
        disputes = replace(disputes, max_len=_length(disputes.max_len))
    return replace(
        terms,
        funding=funding,
        disputes=disputes,
        long_stop=moment(terms.long_stop).text,
        status_sla=_length(terms.status_sla),
        tranches=tuple([_spelled(one) for one in terms.tranches]),
    )


def _spelled(tranche: Tranche) -> Tranche:
    window, challenge = tranche.window, tranche.challenge
    first = window.not_before
    window = replace(
        window,
        not_before=None if first is None else moment(first).text,
        deadline=moment(window.deadline).text,
        grace=_length(window.grace),
    )
    length = None if challenge is None else _length(challenge)
    return replace(tranche, window=window, challenge=length)


def _length(text: Duration) -> Duration:
    return duration_text(duration_us(text))


def written(terms: ContractTerms) -> dict[str, Any]:
    """The JSON object of terms, with every default written out; conditions as `condition.plain`
    has them. Raises RecordError for a number of a condition that has no plain spelling.
    """
    tranches = [
        msgspec.to_builtins(replace(one, condition=plain(one.condition))) for one in terms.tranches
    ]
    made: dict[str, Any] = msgspec.to_builtins(replace(terms, tranches=()))
    return made | {"tranches": tranches}


def encode(terms: ContractTerms) -> bytes:
    """Canonical JSON: members sorted by name, no white space, decimals as texts, UTF-8. What was
    read and says the same in another spelling gives the same bytes; the order of lists stays.
    """
    return msgspec.json.encode(written(terms), order="sorted")


def terms_hash(canonical: bytes) -> str:
    """Hex SHA-256 of canonical terms: what every party signs."""
    return hashlib.sha256(canonical).hexdigest()
