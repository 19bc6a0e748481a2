"""Contract terms of version 1: the one template "release-and-receipt", as canonical JSON.

Pay each claim 100 % when a live declaration that refers to the claim's consignment is released
(or cleared), none that refers to it has an open hold or is revoked, and for every line named in
the claim received minus reversed >= quantity in one of the buyer's warehouses; happened <=
deadline and arrived <= deadline + grace.
"""

import hashlib
from decimal import Decimal

import msgspec
from msgspec import Struct

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import TERM_ID, Micros
from supplytwin.schemas.money import exponent

TEMPLATE, TEMPLATE_VERSION = "release-and-receipt", "1.0.0"


class Party(Struct, frozen=True, kw_only=True, gc=False):
    org_id: str
    name: str
    account: str


class ClaimLine(Struct, frozen=True, kw_only=True, gc=False):
    line_id: str
    qty: Decimal


class ClaimTerms(Struct, frozen=True, kw_only=True, gc=False):
    """What is paid by one decision: one consignment of this chain."""

    claim_id: str
    tranche_id: str
    consignment_id: str
    lines: tuple[ClaimLine, ...]
    amount_minor: int
    deadline: Micros
    """Inclusive. Against an event of DAY precision the local dates are compared, in
    `Terms.zone`.
    """
    grace_us: int


class Terms(Struct, frozen=True, kw_only=True, gc=False):
    contract_id: str
    version: int
    template: str
    template_version: str
    chain_id: str
    buyer: Party
    seller: Party
    currency: str
    cap_minor: int
    agreed_at: Micros
    funding_deadline: Micros
    long_stop: Micros
    zone: str
    warehouses: tuple[str, ...]
    """Facilities that are the buyer's: a receipt elsewhere counts for nothing."""
    claims: tuple[ClaimTerms, ...]
    attempts_max: int = 3
    status_sla_us: int = 0
    """How long an instruction may stay without a status before it is IN_DOUBT."""
    on_false: str = "EXPIRE"

    def close(self, claim: ClaimTerms) -> int:
        """The last instant at which evidence for `claim` may arrive."""
        return claim.deadline + claim.grace_us


def encode(terms: Terms) -> bytes:
    """Canonical JSON: members sorted by name, no white space, decimals as strings, UTF-8."""
    return msgspec.json.encode(terms, order="sorted")


def terms_hash(canonical: bytes) -> str:
    """Hex SHA-256 of canonical terms: what every party signs."""
    return hashlib.sha256(canonical).hexdigest()


_decoder = msgspec.json.Decoder(Terms)


def decode(canonical: bytes) -> Terms:
    """Terms from canonical JSON, checked. Raises RecordError(BAD_TERMS) naming the field."""
    try:
        terms = _decoder.decode(canonical)
    except msgspec.DecodeError as error:
        raise RecordError(Code.BAD_TERMS, "terms", str(error)) from None
    check(terms)
    if encode(terms) != canonical:
        raise RecordError(
            Code.BAD_TERMS, "terms", "not in canonical form (sorted members, no white space)"
        )
    return terms


def check(terms: Terms) -> None:
    """Raise RecordError(BAD_TERMS) unless the terms are complete and add up."""

    def need(good: bool, field: str, reason: str) -> None:
        if not good:
            raise RecordError(Code.BAD_TERMS, field, reason)

    need(
        (terms.template, terms.template_version) == (TEMPLATE, TEMPLATE_VERSION),
        "terms.template",
        "is unknown",
    )
    need(terms.version == 1, "terms.version", "amendments are not supported: must be 1")
    need(
        TERM_ID.fullmatch(terms.contract_id) is not None,
        "terms.contract_id",
        f"must match {TERM_ID.pattern}",
    )
    need(terms.on_false == "EXPIRE", "terms.on_false", "must be EXPIRE in this version")
    need(terms.attempts_max >= 1, "terms.attempts_max", "must be at least 1")
    need(terms.status_sla_us > 0, "terms.status_sla_us", "must be positive")
    need(bool(terms.claims), "terms.claims", "must not be empty")
    need(bool(terms.warehouses), "terms.warehouses", "must name a warehouse of the buyer")
    need(terms.agreed_at <= terms.funding_deadline, "terms.funding_deadline", "is before agreed_at")
    exponent(terms.currency)
    seen: set[tuple[str, str]] = set()
    for at, claim in enumerate(terms.claims):
        path = f"terms.claims[{at}]"
        for name, value in (("claim_id", claim.claim_id), ("tranche_id", claim.tranche_id)):
            need(
                TERM_ID.fullmatch(value) is not None,
                f"{path}.{name}",
                f"must match {TERM_ID.pattern}",
            )
        need((claim.tranche_id, claim.claim_id) not in seen, f"{path}.claim_id", "stands twice")
        seen.add((claim.tranche_id, claim.claim_id))
        need(claim.amount_minor >= 0, f"{path}.amount_minor", "must not be negative")
        need(claim.grace_us >= 0, f"{path}.grace_us", "must not be negative")
        need(bool(claim.lines), f"{path}.lines", "must name a line")
        need(
            all(line.qty > 0 for line in claim.lines),
            f"{path}.lines",
            "quantities must be positive",
        )
        need(
            len({line.line_id for line in claim.lines}) == len(claim.lines),
            f"{path}.lines",
            "name a line twice",
        )
        need(
            terms.close(claim) <= terms.long_stop,
            "terms.long_stop",
            f"is before the close of {path}",
        )
    total = sum(claim.amount_minor for claim in terms.claims)
    need(
        total == terms.cap_minor,
        "terms.cap_minor",
        f"is {terms.cap_minor}, the claims add up to {total}",
    )
