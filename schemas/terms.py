"""Contract terms of version 1: the one template "release-and-receipt", as canonical JSON.

Pay each claim 100 % when a live declaration that refers to the claim's consignment is released
(or cleared), none that refers to it has an open hold or is revoked, and for every line named in
the claim received minus reversed >= quantity in one of the buyer's warehouses; happened <=
deadline and arrived <= deadline + grace.
"""

import hashlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, fields

from supplytwin.schemas.contract import ContractTerms
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import TERM_ID, Micros
from supplytwin.schemas.localtime import check_time, zone
from supplytwin.schemas.money import MINOR_MAX, exponent
from supplytwin.schemas.validate import decimal, identifier

TEMPLATE, TEMPLATE_VERSION = "release-and-receipt", "1.0.0"
PREFUNDED, UNDERTAKING, COMMITMENT = "PREFUNDED_HOLD", "BANK_UNDERTAKING", "COMMITMENT_ONLY"
FUNDING_MODES = (PREFUNDED, UNDERTAKING, COMMITMENT)
"""COMMITMENT_ONLY: nothing is held for the seller, who bears the buyer's credit risk."""
ON_FALSE = ("EXPIRE", "HOLD")
VERSION_MAX = 2**31 - 1


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
    challenge_us: int = 0
    """How long after the match nobody may have objected before the amount is unconditional."""
    on_false: str | None = None
    """EXPIRE | HOLD; None = as the contract says."""
    residual_of: tuple[str, ...] = ()
    """Tranches: paid is what they leave of the cap, once they have ended; `amount_minor` is the
    most. Empty = the amount is fixed."""


class Disputes(Struct, frozen=True, kw_only=True, gc=False):
    """Who may stop a claim before it is instructed, and who decides."""

    who: tuple[str, ...]
    """Roles."""
    arbiters: tuple[str, ...]
    """Persons."""
    k: int
    """How many of them decide, by the same words."""
    max_len_us: int
    on_timeout: str
    """BUYER | SELLER: for whom it ends when nobody has decided by then."""


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
    funding_mode: str = PREFUNDED
    auto_renew: bool = False
    """A hold may run out before the close: the rail renews it."""
    hold_tolls_deadline: bool = False
    """Deadlines stand still while a claim is HELD."""
    disputes: Disputes | None = None
    """None: nobody may dispute."""
    release_reviewers: int = 1
    """How many persons release a claim that is HELD."""
    full: ContractTerms | None = None
    """Those of the full form (`terms_read`), which these are taken from: conditions and amounts are
    there."""
    needs: tuple[str, ...] = ()
    """Rules that somebody else has to grant: limits, a breaker, screening, approvals, a lock."""
    terms_hash: str | None = None
    """Of the canonical bytes that they were read from (`terms_read`), of which it is no part."""

    def close(self, claim: ClaimTerms) -> int:
        """The last instant at which evidence for `claim` may arrive."""
        return claim.deadline + claim.grace_us


_CLAIM_LATER = ("challenge_us", "on_false", "residual_of")
_LATER = (
    "funding_mode", "auto_renew", "hold_tolls_deadline", "disputes", "release_reviewers", "needs",
    "full",
)  # fmt: skip
"""Members that came later: left out when they have their default, so that hashes stay."""


def encode(terms: Terms) -> bytes:
    """Canonical JSON: members sorted by name, no white space, decimals as strings, UTF-8; members
    that came later are left out when they say what is so without them."""
    told: dict[str, Any] = msgspec.to_builtins(terms)
    del told["terms_hash"]
    _leave_out(told, terms, _LATER)
    for claim, form in zip(terms.claims, told["claims"], strict=True):
        _leave_out(form, claim, _CLAIM_LATER)
    return msgspec.json.encode(told, order="sorted")


def _leave_out(told: dict[str, Any], form: Struct, later: tuple[str, ...]) -> None:
    defaults = {one.name: one.default for one in fields(form)}
    for name in later:
        if getattr(form, name) == defaults[name]:
            del told[name]


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
    except UnicodeDecodeError:
        raise RecordError(Code.BAD_TERMS, "terms", "is not UTF-8") from None
    except RecursionError:
        raise RecordError(Code.BAD_TERMS, "terms", "is nested too deep") from None
    check(terms)
    if encode(terms) != canonical:
        raise RecordError(
            Code.BAD_TERMS, "terms", "not in canonical form (sorted members, no white space)"
        )
    return terms


def _need(good: bool, field: str, reason: str) -> None:
    if not good:
        raise RecordError(Code.BAD_TERMS, field, reason)


def _need_each(checked: Callable[[Any, str], object], values: Mapping[str, Any]) -> None:
    """What `checked` has to say about the values by field is said about the terms."""
    for field, value in values.items():
        try:
            checked(value, field)
        except RecordError as error:
            raise RecordError(Code.BAD_TERMS, field, error.reason) from None


def check(terms: Terms) -> None:
    """Raise RecordError(BAD_TERMS) unless the terms are complete, add up, and can be decided on:
    what raised at a cut would keep its claims where they are for ever.
    """
    template = (terms.template, terms.template_version)
    _need(template == (TEMPLATE, TEMPLATE_VERSION), "terms.template", "is unknown")
    _need(1 <= terms.version <= VERSION_MAX, "terms.version", f"must be 1 to {VERSION_MAX}")
    _need_id(terms.contract_id, "terms.contract_id")
    _need(terms.on_false == "EXPIRE", "terms.on_false", "must be EXPIRE in this version")
    _need(terms.attempts_max >= 1, "terms.attempts_max", "must be at least 1")
    _need(terms.funding_mode in FUNDING_MODES, "terms.funding_mode", "is unknown")
    _need(terms.release_reviewers >= 1, "terms.release_reviewers", "must be at least 1")
    _need(terms.status_sla_us > 0, "terms.status_sla_us", "must be positive")
    _need(bool(terms.claims), "terms.claims", "must not be empty")
    _need(bool(terms.warehouses), "terms.warehouses", "must name a warehouse of the buyer")
    _need_each(
        check_time,
        {
            "terms.agreed_at": terms.agreed_at,
            "terms.funding_deadline": terms.funding_deadline,
            "terms.long_stop": terms.long_stop,
            "terms.status_sla_us": terms.long_stop + terms.status_sla_us,
        },
    )
    if terms.disputes is not None:
        _check_disputes(terms.disputes, terms.long_stop)
    order = terms.agreed_at <= terms.funding_deadline
    _need(order, "terms.funding_deadline", "is before agreed_at")
    _need_each(lambda tz, _: zone(tz), {"terms.zone": terms.zone})
    _need_each(lambda currency, _: exponent(currency), {"terms.currency": terms.currency})
    _need_each(identifier, {f"terms.warehouses[{n}]": w for n, w in enumerate(terms.warehouses)})
    for name, party in (("buyer", terms.buyer), ("seller", terms.seller)):
        _need_each(identifier, {f"terms.{name}.{k}": v for k, v in asdict(party).items()})
    seen: set[tuple[str, str]] = set()
    for at, claim in enumerate(terms.claims):
        path = f"terms.claims[{at}]"
        _check_claim(claim, path)
        close = terms.close(claim)
        last = close + claim.challenge_us
        _need(last <= terms.long_stop, "terms.long_stop", f"is before the close of {path}")
        _need((claim.tranche_id, claim.claim_id) not in seen, f"{path}.claim_id", "stands twice")
        seen.add((claim.tranche_id, claim.claim_id))
    tranches = {claim.tranche_id for claim in terms.claims if not claim.residual_of}
    for at, claim in enumerate(terms.claims):
        rest = set(claim.residual_of)
        why = "must name tranches whose amount is fixed"
        _need(rest <= tranches - {claim.tranche_id}, f"terms.claims[{at}].residual_of", why)
    total = sum(claim.amount_minor for claim in terms.claims)
    wrong = f"is {terms.cap_minor}, the claims add up to {total}"
    _need(total == terms.cap_minor, "terms.cap_minor", wrong)
    _need(total <= MINOR_MAX, "terms.cap_minor", "is more than 64 bits hold")


def _need_id(value: str, field: str) -> None:
    _need(TERM_ID.fullmatch(value) is not None, field, f"must match {TERM_ID.pattern}")


def _check_disputes(rule: Disputes, long_stop: int) -> None:
    path = "terms.disputes"
    _need(bool(rule.who), f"{path}.who", "must name a role")
    _need(len({*rule.arbiters}) == len(rule.arbiters), f"{path}.arbiters", "name a person twice")
    _need(all(rule.arbiters), f"{path}.arbiters", "must not be empty")
    _need(1 <= rule.k <= len(rule.arbiters), f"{path}.k", "must be 1 to the number of arbiters")
    _need(rule.max_len_us > 0, f"{path}.max_len_us", "must be positive")
    _need_each(check_time, {f"{path}.max_len_us": long_stop + rule.max_len_us})
    _need(rule.on_timeout in ("BUYER", "SELLER"), f"{path}.on_timeout", "must be BUYER or SELLER")


def _check_claim(claim: ClaimTerms, path: str) -> None:
    _need_id(claim.claim_id, f"{path}.claim_id")
    _need_id(claim.tranche_id, f"{path}.tranche_id")
    _need(claim.amount_minor >= 0, f"{path}.amount_minor", "must not be negative")
    _need(claim.grace_us >= 0, f"{path}.grace_us", "must not be negative")
    _need(claim.challenge_us >= 0, f"{path}.challenge_us", "must not be negative")
    known = claim.on_false is None or claim.on_false in ON_FALSE
    _need(known, f"{path}.on_false", "must be EXPIRE or HOLD")
    _need(bool(claim.lines), f"{path}.lines", "must name a line")
    _need_each(check_time, {f"{path}.deadline": claim.deadline})
    _need_each(identifier, {f"{path}.consignment_id": claim.consignment_id})
    for at, line in enumerate(claim.lines):
        _need_each(identifier, {f"{path}.lines[{at}].line_id": line.line_id})
        _need_each(decimal, {f"{path}.lines[{at}].qty": str(line.qty)})
    _need(all(line.qty > 0 for line in claim.lines), f"{path}.lines", "quantities must be positive")
    once = len({line.line_id for line in claim.lines}) == len(claim.lines)
    _need(once, f"{path}.lines", "name a line twice")
