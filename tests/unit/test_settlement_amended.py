"""What an amendment may not do: change the form of the terms, leave a claim without its money, or
be silent about a claim that has ended.
"""

from typing import Any

import pytest
from msgspec.structs import replace
from settlement_full_world import FullWorld, day, electronics
from settlement_world import contract, contract_terms
from test_settlement_early_terms import Early, told
from test_settlement_full_review import amend, is_sound, later, version
from test_settlement_owed import free_conditions, funded, pieces, receive

from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.records import CONTRACTS, INSTRUCTIONS

pytestmark = pytest.mark.usefixtures(free_conditions.__name__)

# ---- two forms of terms


def older() -> tuple[FullWorld, str]:
    """A contract of the older form, which nobody signs, and the hash of its terms."""
    world = Early()
    thin = contract_terms(chain_id=world.chain, contract_id=world.terms.contract_id, currency="CNY")
    made = replace(contract(thin), chain_id=world.chain, source="desk")
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


# ---- the time to fund a successor

K2 = 1
FUNDING_DEADLINE, CLOSE = 9.75, 102
"""Days: of `pieces`, the deadline by which holds come, and the first close."""


def larger(world: FullWorld) -> ContractTerms:
    """Ten pieces more, of the second consignment: its hold and that of the rest are too small."""
    first, rest = world.terms.tranches
    k1, k2 = first.claims
    more = {"cap_minor": 117_000}
    first = replace(
        first, amount=replace(first.amount, **more), claims=(k1, replace(k2, max_minor=45_000))
    )
    rest = replace(rest, claims=(replace(rest.claims[0], max_minor=13_000),))
    line = replace(world.terms.lines[0], qty=world.terms.lines[0].qty + 10)
    return later(
        world, tranches=(first, rest), lines=(line,), cap_minor=130_000, total_minor=130_000
    )


def longer(world: FullWorld, **changes: Any) -> ContractTerms:
    """All deadlines a week later."""
    first, rest = world.terms.tranches
    window, last = first.window, rest.window
    first = replace(first, window=replace(window, deadline="2026-03-17T23:59:59+08:00"))
    rest = replace(rest, window=replace(last, deadline="2026-06-07T23:59:59+08:00"))
    return later(world, tranches=(first, rest), **changes)


def test_a_larger_claim_after_the_funding_deadline_has_time_for_its_hold() -> None:
    """The hold that stood is given up because it is too small: a larger one may come until the
    close, and then the claim is paid.
    """
    world = funded()
    world.tick(day(5))
    amend(world, larger(world), 20)
    world.tick(day(20.5))
    assert world.states() == ["RESERVED", "CREATED", "CREATED"]
    world.answer("RESERVE", "CONFIRMED", 21)
    receive(world, 2, 45, 22)
    world.tick(day(23))
    assert world.states() == ["RESERVED", "INSTRUCTED", "RESERVED"]
    assert world.paid() == [40_500]
    assert is_sound(world)


def test_a_successor_that_nobody_funds_by_the_close_expires() -> None:
    """The time ends with the close."""
    world = funded()
    amend(world, larger(world), 20)
    world.tick(day(CLOSE - 0.1))
    assert world.states()[K2] == "CREATED"
    world.tick(day(CLOSE + 0.1))
    assert world.states()[K2] == "EXPIRED"
    assert is_sound(world)


def test_shortly_before_the_funding_deadline_it_is_the_same() -> None:
    """That date is of the first funding: nobody has to find another hold within minutes."""
    world = funded()
    world.tick(day(FUNDING_DEADLINE - 0.02))
    amend(world, larger(world), FUNDING_DEADLINE - 0.01)
    world.tick(day(FUNDING_DEADLINE + 0.1))
    assert world.states() == ["RESERVED", "CREATED", "CREATED"]


def test_who_was_never_funded_has_until_the_date_of_the_terms() -> None:
    """An amendment is no reason to wait longer for the first hold."""
    world = FullWorld(pieces())
    world.tick(day(0.1))
    amend(world, larger(world), 6)
    world.tick(day(FUNDING_DEADLINE - 0.1))
    assert world.states() == ["CREATED"] * 3
    world.tick(day(FUNDING_DEADLINE + 0.1))
    assert world.states() == ["EXPIRED"] * 3


def test_a_deadline_beyond_the_end_of_a_hold_leaves_time_for_another() -> None:
    """A hold that ends before the new close does not do any more; the next one has time."""
    terms = pieces()
    terms = replace(terms, funding=replace(terms.funding, auto_renew=False, hold_len="P300D"))
    world = FullWorld(terms)
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2, hold_expires=day(188))
    amend(world, longer(world), 20)
    world.tick(day(20.5))
    assert world.states() == ["RESERVED", "RESERVED", "CREATED"]
    world.answer("RESERVE", "CONFIRMED", 21)
    world.tick(day(22))
    assert world.states() == ["RESERVED"] * 3
    assert is_sound(world)


def test_who_waits_for_another_hold_keeps_its_time() -> None:
    """After a lost hold a claim has until its close, and so has what takes its place; so has the
    successor of a successor.
    """
    world = funded()
    world.tick(day(12))
    world.answer("RESERVE", "LOST", 13)
    amend(world, larger(world), 20)
    world.terms = larger(world)
    world.tick(day(20.5))
    assert world.states() == ["CREATED"] * 3
    amend(world, replace(larger(world), version=3, attempts_max=9), 21)
    world.tick(day(21.5))
    assert world.states() == ["CREATED"] * 3
    assert is_sound(world)


# ---- another way of funding


def test_a_bank_s_word_is_no_hold_after_an_amendment_that_asks_for_one() -> None:
    """Nothing of it lies at the rail: the word is given back, a hold is asked for, and nothing is
    paid before it stands.
    """
    terms = pieces()
    world = FullWorld(replace(terms, funding=replace(terms.funding, mode="BANK_UNDERTAKING")))
    world.tick(day(0.1))
    for number, minor in enumerate((72_000, 36_000, 12_000)):
        world.review("UNDERTAKING", number, 0.2, role="FINANCIER", reviewer="bank",
                     amount_minor=minor)  # fmt: skip
    assert world.states() == ["RESERVED"] * 3
    world.tick(day(19.99))
    before = len(world.read(INSTRUCTIONS))
    amend(world, later(world, funding=terms.funding), 20)
    world.tick(day(20.1))
    assert world.states() == ["CREATED"] * 3
    sent = [(one.kind, one.hold_no) for one in world.read(INSTRUCTIONS)[before:]]
    assert sorted(sent) == [("RELEASE", 1)] * 3 + [("RESERVE", 2)] * 3
    receive(world, 1, 70, 21)
    world.tick(day(22))
    assert world.paid() == []
    world.answer("RESERVE", "CONFIRMED", 23)
    world.tick(day(24))
    assert world.paid() == [63_000]
    assert is_sound(world)


def test_a_hold_is_no_bank_s_word() -> None:
    """The other way round likewise: what was agreed is asked for."""
    world = funded()
    funding = replace(world.terms.funding, mode="BANK_UNDERTAKING")
    amend(world, later(world, funding=funding), 20)
    assert world.states() == ["CREATED"] * 3
    newest = {one.settlement_id: one.kind for one in world.read(INSTRUCTIONS)}
    assert set(newest.values()) == {"RESERVE"}
    assert is_sound(world)


def test_a_hold_goes_on_where_the_way_of_funding_is_the_same() -> None:
    """An amendment of something else moves it, without a word to the rail."""
    world = funded()
    before = len(world.read(INSTRUCTIONS))
    amend(world, later(world, attempts_max=9), 20)
    assert world.states() == ["RESERVED"] * 3
    assert len(world.read(INSTRUCTIONS)) == before


# ---- claims that have ended


def expired() -> FullWorld:
    """The first consignment has not come by its close; the second one is paid."""
    world = funded(pieces({"T1": {"on_false": "EXPIRE"}}))
    receive(world, 2, 40, 5)
    world.tick(day(6))
    world.answer("PAY", "ACSC", 6.1)
    world.tick(day(CLOSE + 0.1))
    assert world.states() == ["EXPIRED", "SETTLED", "RESERVED"]
    return world


def test_an_amendment_of_a_claim_that_has_ended_says_that_it_revives_nothing() -> None:
    """Its deadline is extended by all, and nobody would notice that it is not paid for that: the
    claim is named, with how it ended and what to do instead. What was paid is none of that.
    """
    world = expired()
    amend(world, longer(world), CLOSE + 0.5)
    assert version(world) == 2
    assert world.states() == ["EXPIRED", "SETTLED", "RESERVED"]
    (said,) = [one for one in told(world) if one.startswith("ENDED_CLAIM")]
    assert "claim K1 of tranche T1 is EXPIRED" in said
    assert "new claim id" in said
    receive(world, 1, 70, CLOSE + 1)
    world.tick(day(CLOSE + 2))
    assert world.paid() == [36_000]
    assert is_sound(world)


def test_an_amendment_of_something_else_says_nothing_of_what_has_ended() -> None:
    """Every version lists all claims: one that is listed as before is no surprise; one that was
    changed is told once, by the version that changes it.
    """
    world = expired()
    amend(world, later(world, attempts_max=9), CLOSE + 0.5)
    assert not [one for one in told(world) if one.startswith("ENDED_CLAIM")]
    world.terms = later(world, attempts_max=9)
    third = replace(longer(world), version=3)
    amend(world, third, CLOSE + 0.6)
    world.terms = third
    amend(world, replace(later(world, attempts_max=8), version=4), CLOSE + 0.7)
    assert version(world) == 4
    assert len([one for one in told(world) if one.startswith("ENDED_CLAIM")]) == 1


def test_what_waited_tells_of_claims_that_ended_meanwhile() -> None:
    """A version that came too early and follows later is one of those that change a claim."""
    world = expired()
    second = later(world, attempts_max=9)
    first = world.terms
    world.terms = second
    amend(world, replace(longer(world), version=3), CLOSE + 0.5)
    world.terms = first
    amend(world, second, CLOSE + 0.6)
    assert version(world) == 3
    assert len([one for one in told(world) if one.startswith("ENDED_CLAIM")]) == 1
    assert is_sound(world)


def test_full_terms_that_waited_for_an_older_contract_are_told() -> None:
    """They came before it, and what they waited for turns out to be of the other form: they wait no
    longer, and it is said why. The other way round likewise.
    """
    world = Early()
    amend(world, electronics(version=2, amends="0" * 64), 0.005)
    thin = contract_terms(chain_id=world.chain, contract_id=world.terms.contract_id, currency="CNY")
    world.put(CONTRACTS, replace(contract(thin), chain_id=world.chain, source="desk"), day(0.01))
    assert version(world) == 1 and not world.state(world.chain).book.waiting
    assert [one.partition(":")[0] for one in told(world)] == ["EARLY_TERMS", "ILLEGAL_PAIR"]
    assert (
        "version 2 waited: terms of the older form are amended by such terms only" in told(world)[1]
    )

    world = Early()
    second = replace(thin, version=2)
    world.put(CONTRACTS, replace(contract(second), chain_id=world.chain, source="desk"), day(0.005))
    amend(world, world.terms, 0.01)
    assert version(world) == 1 and not world.state(world.chain).book.waiting
    assert "version 2 waited: signed terms are amended by terms that all" in told(world)[1]
    assert not world.audit().differences
