"""Full contract terms where a mistake would cost money: amendments, several claims, late evidence,
awards, approvals, dates.
"""

from decimal import Decimal
from typing import Any

import contract_world
from msgspec.structs import replace
from settlement_full_world import CONSIGNMENT, LINE, FullWorld, a_year_ago, day, electronics
from settlement_world import contract, contract_terms
from test_contract_signing import secret

from supplytwin.schemas import contract_signature as signatures
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.records import CONTRACTS, INSTRUCTIONS, REVIEWS, Contract

EXPORT, ARRIVAL, WARRANTY = 0, 1, 2


def funded(terms: ContractTerms | None = None) -> FullWorld:
    """Agreed, every claim with its hold."""
    world = FullWorld(terms)
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    return world


def amend(world: FullWorld, terms: ContractTerms, on: float) -> None:
    """Terms take the place of those in force, signed by all that they name."""
    body = encode(terms)
    hashed = terms_hash(body)
    signed = tuple(
        [
            signatures.record(
                signatures.signed(secret(seat), kid=f"{seat}-1", seat=seat, terms_hash=hashed)
            )
            for seat in terms.seats
        ]
    )
    world.put(
        CONTRACTS,
        Contract(input_id=f"contract {terms.version}", source="desk", chain_id=terms.chain_id,
                 contract_id=terms.contract_id, version=terms.version, terms=body,
                 terms_hash=hashed, signatures=signed),
        day(on),
    )  # fmt: skip


def later(world: FullWorld, **changes: Any) -> ContractTerms:
    """The second version of the terms in force."""
    now = world.terms
    return replace(now, version=2, amends=terms_hash(encode(now)), **changes)


def version(world: FullWorld) -> int:
    terms = world.state(world.chain).book.terms
    assert terms is not None
    return terms.version


def is_sound(world: FullWorld) -> bool:
    """An audit computes the same; so does who starts again; a snapshot comes back whole."""
    found, state = world.audit(), world.state(world.chain)
    assert world.fold.thaw(world.fold.freeze(state)) == state
    claims = range(len(world.states()))
    before = [world.now(one) for one in claims]
    world.restart()
    return not found.differences and before == [world.now(one) for one in claims]


# ---- amendments


def test_signed_terms_are_not_amended_by_terms_that_nobody_signs() -> None:
    """The older form asks for no signature: it takes the place of no full terms."""
    world = funded()
    thin = contract_terms(
        chain_id=world.chain, contract_id=world.terms.contract_id, version=2, currency="CNY"
    )
    world.put(CONTRACTS, replace(contract(thin), chain_id=world.chain, source="desk"), day(1))
    assert version(world) == 1


def test_an_amendment_is_signed_by_those_who_signed_before() -> None:
    """Other parties, all of which have signed what they want, amend nothing."""
    world = funded()
    parties = [
        replace(one, org_id="mallory") if one.role == "BUYER" else one for one in world.terms.parties
    ]
    world.terms, before = later(world, parties=tuple(parties)), world.terms
    world.keys()
    amend(world, world.terms, 1)
    assert version(world) == 1
    world.terms = before
    world.keys()


def test_an_amendment_names_what_it_amends() -> None:
    """What was signed over another first version is none of this one; the right hash is taken."""
    world = funded()
    amend(world, replace(later(world), amends="0" * 64), 1)
    assert version(world) == 1
    amend(world, replace(later(world), attempts_max=world.terms.attempts_max + 1), 2)
    assert is_sound(world)
