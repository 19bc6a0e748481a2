"""Contract terms as the settlement fold takes them, in whichever form they were signed.

`contract/1` (`schemas.contract`) is the full form: its conditions and amounts are kept beside what
the state table asks for. The other one is the template "release-and-receipt" 1.0.0
(`schemas.terms`).
"""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from supplytwin.schemas import contract_read, terms
from supplytwin.schemas.amounts import Residual
from supplytwin.schemas.condition import micros
from supplytwin.schemas.contract import FORM, Claim, ContractTerms, Party, Tranche
from supplytwin.schemas.durations import duration_us
from supplytwin.schemas.terms import ClaimLine, ClaimTerms, Disputes, Terms


def decode(canonical: bytes) -> Terms:
    """Terms of either form, checked. Raises RecordError(BAD_TERMS) naming the field."""
    if form_of(canonical) == FORM:
        read = of_contract(contract_read.decode(canonical))
    else:
        read = terms.decode(canonical)
    return replace(read, terms_hash=terms.terms_hash(canonical))


def form_of(raw: bytes) -> Any:
    """What a document calls its form; None = nothing, or it is no object."""
    try:
        found = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        return msgspec.json.decode(found.get("form", b"null"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def of_contract(full: ContractTerms) -> Terms:
    """What the state table asks of full terms: one claim of the table for each that they list."""
    disputes, calendar = full.disputes, full.calendar
    return Terms(
        contract_id=full.contract_id,
        version=full.version,
        template=full.template or FORM,
        template_version=full.template_version or str(full.version),
        chain_id=full.chain_id,
        buyer=_party(full, full.payer),
        seller=_party(full, full.payee),
        currency=full.currency,
        cap_minor=full.cap_minor,
        agreed_at=micros(full.funding.funding_deadline),
        funding_deadline=micros(full.funding.funding_deadline),
        long_stop=micros(full.long_stop),
        zone=calendar.zone,
        warehouses=full.warehouses,
        claims=tuple([_claim(tranche, one) for tranche in full.tranches for one in tranche.claims]),
        attempts_max=full.attempts_max,
        status_sla_us=duration_us(full.status_sla),
        funding_mode=full.funding.mode,
        auto_renew=full.funding.auto_renew,
        hold_tolls_deadline=full.hold_tolls_deadline,
        disputes=None
        if disputes is None
        else Disputes(
            who=disputes.who,
            arbiters=disputes.arbiter.of,
            k=disputes.arbiter.k,
            max_len_us=duration_us(disputes.max_len),
            on_timeout=disputes.on_timeout,
        ),
        full=full,
    )


def _party(full: ContractTerms, role: str) -> terms.Party:
    found: Party | None = full.party(role)
    assert found is not None  # the form asks for both
    account = found.account
    number = "" if account is None else account.iban or account.other
    return terms.Party(org_id=found.org_id, name=found.name, account=number)


def _claim(tranche: Tranche, one: Claim) -> ClaimTerms:
    amount = tranche.amount
    return ClaimTerms(
        claim_id=one.claim_id,
        tranche_id=tranche.tranche_id,
        consignment_id=one.consignment_id or "",
        lines=tuple([ClaimLine(line_id=line, qty=Decimal(0)) for line in one.lines]),
        amount_minor=one.max_minor,
        deadline=tranche.deadline,
        grace_us=tranche.close - tranche.deadline,
        challenge_us=0 if tranche.challenge is None else duration_us(tranche.challenge),
        on_false=tranche.on_false,
        residual_of=amount.of if isinstance(amount, Residual) else (),
    )
