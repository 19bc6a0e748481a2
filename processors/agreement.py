"""The contract of a chain as a feed's desk signs it: first version, one template, times in UTC."""

from collections.abc import Iterable

from supplytwin.schemas import terms as contract_terms
from supplytwin.schemas.flow import Message
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import CONTRACTS, Contract
from supplytwin.schemas.terms import ClaimTerms, Party, Terms

DESK = "simulated:contract-desk"


def agreement(
    chain_id: str,
    agreed_at: int,
    *,
    buyer: Party,
    seller: Party,
    currency: str,
    claims: tuple[ClaimTerms, ...],
    warehouses: Iterable[str],
    funding_us: int,
    long_stop: int,
    status_sla_us: int,
) -> Message:
    """The message, sent when it is agreed; the contract has the chain's id, and its cap is the sum
    of the claims."""
    terms = Terms(
        contract_id=chain_id,
        version=1,
        template=contract_terms.TEMPLATE,
        template_version=contract_terms.TEMPLATE_VERSION,
        chain_id=chain_id,
        buyer=buyer,
        seller=seller,
        currency=currency,
        cap_minor=sum(claim.amount_minor for claim in claims),
        agreed_at=Micros(agreed_at),
        funding_deadline=Micros(agreed_at + funding_us),
        long_stop=Micros(long_stop),
        zone="+00:00",
        warehouses=tuple(sorted(set(warehouses))),
        claims=claims,
        status_sla_us=status_sla_us,
    )
    canonical = contract_terms.encode(terms)
    body = Contract(
        input_id=f"contract:{chain_id}:1",
        source=DESK,
        chain_id=chain_id,
        contract_id=chain_id,
        version=1,
        terms=canonical,
        terms_hash=contract_terms.terms_hash(canonical),
    )
    return Message(topic=CONTRACTS, key=chain_id, arrival=agreed_at, body=body)
