"""What an amendment may not do: change the form of the terms, leave a claim without its money, or
be silent about a claim that has ended.
"""

import msgspec
from settlement_full_world import FullWorld, day, electronics
from settlement_world import contract, contract_terms
from test_settlement_early_terms import Early, told
from test_settlement_full_review import amend, version

from supplytwin.schemas.contract import encode, terms_hash
from supplytwin.schemas.records import CONTRACTS

# ---- two forms of terms


def older() -> tuple[FullWorld, str]:
    """A contract of the older form, which nobody signs, and the hash of its terms."""
    world = Early()
    thin = contract_terms(chain_id=world.chain, contract_id=world.terms.contract_id, currency="CNY")
    made = msgspec.structs.replace(contract(thin), chain_id=world.chain, source="desk")
    world.put(CONTRACTS, made, day(0.01))
    return world, made.terms_hash


def test_an_older_contract_is_not_amended_by_full_terms() -> None:
    """Its claims would have to be counted by terms that they are not under: the amendment is
    refused, people are told what to do, and the chain goes on being cut.
    """
    world, hashed = older()
    amend(world, electronics(version=2, amends=hashed), 0.02)
    assert version(world) == 1
    (said,) = told(world)
    assert said.startswith("ILLEGAL_PAIR: terms of the older form are amended by such terms only")
    for on in (1, 2, 30):
        world.tick(day(on))
    assert world.states() == ["VOIDED"]  # the long stop of its terms has passed
    assert world.rows()[:2] == [1, 34]
    assert not world.audit().differences


def test_full_terms_over_an_older_contract_do_not_wait() -> None:
    """What they follow could never be amended by them: they are refused at once, and it is said
    why.
    """
    world, _ = older()
    amend(world, electronics(version=3, amends=terms_hash(encode(electronics()))), 0.02)
    book = world.state(world.chain).book
    assert version(world) == 1 and not book.waiting
    (said,) = told(world)
    assert said.startswith("ILLEGAL_PAIR: terms of the older form are amended by such terms only")
