"""Refused records beside what else becomes of a claim: amendments.

A refused record stands against every claim of its chain from the refusal until somebody has dealt
with it, whenever the claim comes to be.
"""

import pytest
import settlement_world as w

from supplytwin.processors import settlement
from supplytwin.processors.remembered import MORE, PLACES_MAX
from supplytwin.schemas.records import EVERY, QUARANTINE_DESK

day, Chain = w.day, w.Chain


def chain_of(*numbers, **changes):
    """A chain under a contract of these claims (A-1 when none is given)."""
    claims = tuple(w.claim_terms(number) for number in numbers or (1,))
    return Chain(w.contract_terms(claims, funding_deadline=day(60), **changes))


def key(number):
    """The id under which a refused record stands."""
    return f"{QUARANTINE_DESK}/supply.customs/0/{number}"


def refuse(chain, number=7):
    """The worker says that a record of the chain was refused."""
    return chain.review(
        "QUARANTINE", source=QUARANTINE_DESK, input_id=f"supply.customs/0/{number}",
        settlement_id=EVERY, contract_id=EVERY, reviewer="", role="SYSTEM", reason="MALFORMED",
    ) if chain.book.order else _early(chain, number)  # fmt: skip


def _early(chain, number):
    """The same, of a chain that has no contract yet."""
    return chain.act(_record("QUARANTINE", chain, source=QUARANTINE_DESK,
                             input_id=f"supply.customs/0/{number}", reviewer=""))  # fmt: skip


def deal(chain, *numbers, **fields):
    """An operator drops refused records."""
    cleared = {"cleared_ids": tuple(map(key, numbers))}
    return chain.act(_record("DROP_RECORD", chain, **{**cleared, **fields}))


def _record(verdict, chain, **fields):
    chain._ids += 1
    base = {
        "input_id": f"act-{chain._ids}", "source": "desk", "chain_id": w.CHAIN,
        "contract_id": EVERY, "settlement_id": EVERY, "verdict": verdict, "reviewer": "olga",
        "role": "OPERATOR", "reason": "seen",
    }  # fmt: skip
    return w.Review(**{**base, **fields})


def amend(chain, version, *numbers, **changes):
    """A version with these claims follows."""
    claims = tuple(w.claim_terms(number) for number in numbers)
    agreed = {"version": version, "funding_deadline": day(60), **changes}
    return chain.amend(w.contract_terms(claims, **agreed))


def named(chain, number):
    """The claim A-n."""
    (found,) = (c for c in chain.book.claims.values() if c.claim_id == f"A-{number}")
    return found


def open_on(chain, number):
    """The refused records that stand against A-n."""
    claim = named(chain, number)
    return {one for one in claim.standing if one.startswith(QUARANTINE_DESK)} - claim.cleared


def fund(chain, number):
    """The rail confirms the hold of A-n."""
    at = chain.ids.index(named(chain, number).settlement_id)
    chain.answer(chain.last("RESERVE", at), "CONFIRMED", hold_expires=day(300))


def rows_of(outcome):
    return [(t.row, t.from_state, t.to_state) for t in outcome.transitions]


def checked(chain):
    """The journal gives the same book."""
    assert w.history(chain.restored()) == w.history(chain.book)


# ---- claims that come later


@pytest.mark.parametrize("first", ["refuse", "amend"])
def test_a_claim_that_an_amendment_adds_is_held_by_what_was_refused_before_it(first):
    """Refused, then amended, or the other way round: held alike, and by the same record; dealt
    with, both are paid.
    """
    chain = chain_of()
    chain.now = day(1)
    chain.reserved()
    chain.cut(day(2))
    acts = [lambda: refuse(chain), lambda: amend(chain, 2, 1, 2)]
    for act in acts if first == "refuse" else reversed(acts):
        act()
    assert open_on(chain, 1) == open_on(chain, 2) == {key(7)}
    assert key(7) in named(chain, 2).noted
    assert named(chain, 2).tolls_since == day(2)
    fund(chain, 2)
    chain.facts(*w.proofs(1), *w.proofs(2))
    chain.cut(day(31))
    assert [named(chain, one).state for one in (1, 2)] == ["HELD", "HELD"]
    assert not [one for one in chain.sent if one.kind == "PAY"]
    checked(chain)
    assert sorted(rows_of(deal(chain, 7))) == [(13, "HELD", "RESERVED")] * 2
    chain.cut(day(40))
    assert [named(chain, one).state for one in (1, 2)] == ["INSTRUCTED", "INSTRUCTED"]
    checked(chain)


@pytest.mark.parametrize("when", ["before the contract", "after it"])
def test_what_was_dealt_with_holds_no_claim_that_comes_later(when):
    """Refused before the contract or after it, and dealt with before the amendment."""
    chain = chain_of()
    chain.now = day(1)
    if when == "before the contract":
        refuse(chain, 6)
        refuse(chain, 7)
    chain.agree()
    chain.reserved()
    if when == "after it":
        refuse(chain, 6)
        refuse(chain, 7)
    chain.cut(day(2))
    deal(chain, 7)
    amend(chain, 2, 1, 2)
    assert open_on(chain, 1) == open_on(chain, 2) == set(named(chain, 2).standing) == {key(6)}
    deal(chain, 6)
    amend(chain, 3, 1, 2, 3)
    assert not open_on(chain, 1) | open_on(chain, 2)
    assert not named(chain, 3).standing
    assert named(chain, 3).tolls_since is None
    fund(chain, 3)
    chain.facts(*w.proofs(3))
    chain.cut(day(31))
    assert named(chain, 3).state == "INSTRUCTED"
    checked(chain)


def test_a_claim_that_is_listed_again_has_what_is_open_by_then():
    """Version 2 drops A-2, version 3 lists it again: what was dealt with meanwhile is on it no
    more, what was refused meanwhile is, and what nobody looked at still is.
    """
    chain = chain_of(1, 2)
    chain.now = day(1)
    chain.reserved(0).reserved(1)
    refuse(chain, 6)
    refuse(chain, 7)
    amend(chain, 2, 1)
    assert named(chain, 2).state == "SUPERSEDED"
    deal(chain, 7)
    refuse(chain, 8)
    refuse(chain, 9)
    deal(chain, 9)
    checked(chain)
    amend(chain, 3, 1, 2)
    assert open_on(chain, 1) == open_on(chain, 2) == {key(6), key(8)}
    assert key(8) in named(chain, 2).noted
    checked(chain)
    deal(chain, 6, 8)
    amend(chain, 4, 1, 2)
    assert not open_on(chain, 2)
    assert named(chain, 2).tolls_since is None
    fund(chain, 2)
    chain.facts(*w.proofs(2))
    chain.cut(day(31))
    assert named(chain, 2).state == "INSTRUCTED"
    checked(chain)


def test_what_a_review_has_cleared_of_one_claim_holds_its_successor_no_more():
    """But the claim that is new has had no review: the record is as unread for it as before."""
    chain = chain_of()
    chain.now = day(1)
    chain.reserved()
    refuse(chain)
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    asked = {"evidence_hash": told.evidence_hash, "cleared_ids": told.adverse_ids}
    assert rows_of(chain.review("RELEASE", **asked)) == [(13, "HELD", "RESERVED")]
    amend(chain, 2, 1, 2)
    assert open_on(chain, 1) == set()
    assert open_on(chain, 2) == {key(7)}
    checked(chain)


def test_a_record_refused_while_a_payment_is_under_way_holds_what_is_added():
    """Against the payment it only stands; the claim that comes is not under way."""
    chain = chain_of().instructed()
    assert rows_of(refuse(chain)) == []
    amend(chain, 2, 1, 2)
    assert named(chain, 1).state == "INSTRUCTED"
    assert open_on(chain, 2) == {key(7)}
    deal(chain, 7)
    assert not open_on(chain, 1) | open_on(chain, 2)
    amend(chain, 3, 1, 2, 3)
    assert not named(chain, 3).standing
    checked(chain)


def test_under_a_contract_each_record_is_known_by_its_place():
    """However many: the claims that are open have each of them, and the claim that is added, too.
    The mark of a flood before the contract stays on the chain until somebody clears it.
    """
    chain = chain_of()
    chain.now = day(1)
    for number in range(PLACES_MAX + 2):
        refuse(chain, number)
    chain.agree()
    for number in range(100, 100 + 2 * PLACES_MAX):
        refuse(chain, number)
    amend(chain, 2, 1, 2)
    assert open_on(chain, 1) == open_on(chain, 2) == chain.book.refused
    assert len(chain.book.refused) == 3 * PLACES_MAX + 1
    deal(chain, *range(PLACES_MAX), *range(100, 100 + 2 * PLACES_MAX))
    amend(chain, 3, 1, 2, 3)
    assert open_on(chain, 1) == open_on(chain, 2) == open_on(chain, 3) == {MORE}
    deal(chain, cleared_ids=(MORE,))
    amend(chain, 4, 1, 2, 3, 4)
    assert not named(chain, 4).standing
    checked(chain)


def test_nobody_but_the_worker_refuses_and_nobody_but_a_desk_deals():
    """A review of another source adds nothing to what is open, and takes nothing away."""
    chain = chain_of()
    chain.agree()
    refuse(chain)
    chain.act(_record("QUARANTINE", chain))
    deal(chain, 7, source=QUARANTINE_DESK)
    assert chain.book.refused == {key(7)}
