"""Refused records beside what else becomes of a claim: amendments, evidence against it, people.

A refused record stands against every claim of its chain from the refusal until somebody has dealt
with it, whenever the claim comes to be; and it needs no review but that, as long as nothing else
stands against the claim.
"""

import pytest
import settlement_world as w
from msgspec.structs import replace

from supplytwin.processors import settlement
from supplytwin.processors.remembered import MORE, PLACES_MAX
from supplytwin.schemas import terms
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import EVERY, QUARANTINE_DESK

day, Chain = w.day, w.Chain
DISPUTES = terms.Disputes(
    who=("BUYER",), arbiters=("ann",), k=1, max_len_us=30 * DAY_US, on_timeout="BUYER",
)  # fmt: skip


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
    assert [named(chain, one).origin for one in (1, 2)] == ["QUARANTINED", "QUARANTINED"]
    assert not [one for one in chain.sent if one.kind == "PAY"]
    checked(chain)
    assert sorted(rows_of(deal(chain, 7))) == [(13, "HELD", "RESERVED")] * 2
    chain.cut(day(40))
    assert [named(chain, one).state for one in (1, 2)] == ["INSTRUCTED", "INSTRUCTED"]
    checked(chain)


def goes_on(chain, number):
    """The time of the claim does not stand still, and with its hold and its proofs it is paid."""
    assert named(chain, number).tolls_since is None
    fund(chain, number)
    chain.facts(*w.proofs(number))
    chain.cut(day(31))
    assert named(chain, number).state == "INSTRUCTED"
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
    goes_on(chain, 3)


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
    goes_on(chain, 2)


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


def test_a_successor_that_is_held_by_a_record_goes_on_by_itself():
    """Rows 33, 52, 12 at the cut, 13: the amendment made it no claim for reviewers."""
    chain = chain_of(1, release_reviewers=2)
    chain.now = day(1)
    chain.reserved()
    assert rows_of(refuse(chain)) == [(12, "RESERVED", "HELD")]
    amend(chain, 2, 1, release_reviewers=2)
    assert named(chain, 1).state == "RESERVED"
    assert chain.cut(day(2)) == [12]
    assert named(chain, 1).origin == "QUARANTINED"
    assert rows_of(deal(chain, 7)) == [(13, "HELD", "RESERVED")]
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


# ---- evidence against a claim that is held for a record, and the other way round

AT = day(30, 2_000_000)


def contradict(chain, at, revision=1):
    """The receipt contradicts itself; the cut sees it."""
    said = w.with_(w.received(AT, qty=39 + revision), revision=revision)
    other = w.with_(w.received(AT, qty=60 + revision), revision=revision)
    chain.facts((said, day(at)), (other, day(at)))
    return chain.cut(day(at))


def correct(chain, at, revision=2):
    """Its source says which it was."""
    chain.facts((w.with_(w.received(AT, qty=40), revision=revision), day(at)))
    return chain.cut(day(at))


def proved():
    """A chain that two reviewers release, with its hold, and all proofs but the receipt."""
    chain = chain_of(release_reviewers=2, disputes=DISPUTES)
    chain.now = day(1)
    chain.reserved()
    chain.facts(*w.proofs()[:2])
    return chain


def needs_its_review(chain, at):
    """Nothing stands any more, and all the same it goes on by two persons alone."""
    assert chain.state() == "HELD"
    assert chain.claim().origin == "RISK"
    assert not open_on(chain, 1)
    chain.cut(day(at))
    assert chain.state() == "HELD"
    checked(chain)
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    asked = {"evidence_hash": told.evidence_hash, "cleared_ids": told.adverse_ids}
    assert chain.review("RELEASE", reviewer="rosa", **asked).verdict == "NOTED"
    chain.review("RELEASE", reviewer="tim", **asked)
    chain.cut(day(at))
    assert chain.state() == "INSTRUCTED"
    checked(chain)


def test_evidence_first_then_a_record():
    """Held for what contradicts itself; a record is refused and dropped by one operator."""
    chain = proved()
    assert contradict(chain, 31) == [12]
    assert chain.claim().origin == "RISK"
    assert rows_of(refuse(chain)) == [(54, "HELD", "HELD")]
    assert correct(chain, 32) == []
    assert rows_of(deal(chain, 7)) == [(54, "HELD", "HELD")]
    needs_its_review(chain, 33)


def test_a_record_first_then_evidence():
    """Held for a record; the cut finds evidence against it, and tells that a review is needed."""
    chain = proved()
    assert rows_of(refuse(chain)) == [(12, "RESERVED", "HELD")]
    assert chain.claim().origin == "QUARANTINED"
    chain.alarms.clear()
    assert contradict(chain, 31) == [54]
    assert [one.code for one in chain.alarms] == ["HELD_FOR_REVIEW"]
    assert correct(chain, 32) == []
    assert rows_of(deal(chain, 7)) == [(54, "HELD", "HELD")]
    needs_its_review(chain, 33)


@pytest.mark.parametrize("dealt", ["before the correction", "after it"])
def test_both_at_one_cut(dealt):
    """A claim that waits for its hold has a record and evidence against it when that comes."""
    chain = chain_of(release_reviewers=2)
    chain.agree()
    chain.facts(*w.proofs()[:2])
    refuse(chain)
    assert contradict(chain, 31) == [54]
    fund(chain, 1)
    assert chain.cut(day(32)) == [12]
    if dealt == "before the correction":
        assert rows_of(deal(chain, 7)) == [(54, "HELD", "HELD")]
    correct(chain, 33)
    if dealt == "after it":
        assert rows_of(deal(chain, 7)) == [(54, "HELD", "HELD")]
    needs_its_review(chain, 34)


def test_evidence_that_was_known_before_the_record():
    """It was noted while the claim was held for it; an amendment came, then the record. That it is
    not new makes it no less a matter of review.
    """
    chain = proved()
    assert contradict(chain, 31) == [12]
    amend(chain, 2, 1, release_reviewers=2)
    assert rows_of(refuse(chain)) == [(12, "RESERVED", "HELD")]
    assert chain.claim().origin == "QUARANTINED"
    assert chain.cut(day(32)) == [54]
    assert chain.claim().origin == "RISK"
    assert chain.cut(day(33)) == []
    assert correct(chain, 34) == []
    assert rows_of(deal(chain, 7)) == [(54, "HELD", "HELD")]
    needs_its_review(chain, 35)


def test_what_a_person_holds_is_no_record():
    """Whichever is first, it is a claim held by row 12 for more than records: for a review, and to
    expire where the condition is FALSE (row 15).
    """
    held = []
    for first in ("hold", "record"):
        chain = chain_of(release_reviewers=1).reserved()
        chain.now = day(2)
        acts = [lambda c=chain: c.review("HOLD", reviewer="hal"), lambda c=chain: refuse(c)]
        for act in acts if first == "hold" else reversed(acts):
            act()
        held.append((chain.state(), chain.claim().origin))
        assert rows_of(deal(chain, 7)) == [(54, "HELD", "HELD")]
        assert chain.cut(day(91)) == [15]
        checked(chain)
    assert held == [("HELD", "RISK")] * 2


def test_a_record_over_what_a_person_holds_is_for_a_review_at_once():
    """The hold went on to the successor (row 52), and before any cut a record is refused."""
    chain = chain_of().reserved()
    chain.review("HOLD", reviewer="hal")
    amend(chain, 2, 1)
    assert rows_of(refuse(chain)) == [(12, "RESERVED", "HELD")]
    assert chain.claim().origin == "RISK"
    assert rows_of(deal(chain, 7)) == [(54, "HELD", "HELD")]
    checked(chain)


def test_a_review_that_leaves_a_record_open_leaves_the_claim_to_it():
    """Row 13 by review, row 12 at the cut for the record alone, row 13 when that is dealt with."""
    chain = proved()
    contradict(chain, 31)
    refuse(chain)
    correct(chain, 32)
    told = settlement.explain(chain.book, chain.twin, chain.now)[0]
    asked = {"evidence_hash": told.evidence_hash}
    chain.review("RELEASE", reviewer="rosa", **asked)
    assert rows_of(chain.review("RELEASE", reviewer="tim", **asked)) == [(13, "HELD", "MATCHED")]
    assert chain.cut(day(33)) == [12]
    assert chain.claim().origin == "QUARANTINED"
    assert rows_of(deal(chain, 7)) == [(13, "HELD", "RESERVED")]
    assert chain.cut(day(34)) == [7, 11, 21]
    checked(chain)


def test_two_records_and_nothing_else_need_two_acts_and_no_review():
    """As often as they come, and by whatever row it was held."""
    chain = proved()
    chain.facts((w.received(AT), day(30)))
    refuse(chain, 7)
    refuse(chain, 8)
    assert chain.cut(day(31)) == []
    assert rows_of(deal(chain, 7)) == [(54, "HELD", "HELD")]
    refuse(chain, 9)
    assert rows_of(deal(chain, 8)) == [(54, "HELD", "HELD")]
    assert rows_of(deal(chain, 9)) == [(13, "HELD", "RESERVED")]
    assert chain.cut(day(32)) == [7, 11, 21]
    checked(chain)


def test_a_rejected_payment_over_an_open_record_goes_on_with_it():
    """Rows 24 and 12: what comes back is held for the record that came meanwhile, and for no
    reviewers.
    """
    chain = chain_of(release_reviewers=2).instructed()
    refuse(chain)
    order = chain.last("PAY")
    assert rows_of(chain.answer(order, "RJCT", rail_reason="AM04")) == [
        (24, "INSTRUCTED", "APPROVED")
    ]
    assert chain.cut(day(32)) == [12]
    assert chain.claim().origin == "QUARANTINED"
    assert rows_of(deal(chain, 7)) == [(13, "HELD", "RESERVED")]
    checked(chain)


def test_a_dispute_that_is_over_leaves_a_claim_to_its_record():
    """Row 17 with a record that came meanwhile."""
    chain = proved()
    chain.review("DISPUTE", role="BUYER")
    refuse(chain)
    chain.review("WITHDRAW", role="BUYER")
    assert chain.cut(day(2)) == [12]
    assert chain.claim().origin == "QUARANTINED"
    assert rows_of(deal(chain, 7)) == [(13, "HELD", "RESERVED")]
    checked(chain)


def test_a_claim_that_another_one_freezes_needs_its_review():
    """A paid claim is contradicted while this one is held for a record."""
    chain = chain_of(1, 2).instructed(0)
    chain.answer(chain.last("PAY", 0), "BOOKED", entry_id="E1")
    chain.reserved(1)
    refuse(chain)
    assert named(chain, 2).origin == "QUARANTINED"
    release = w.proofs(1)[1][0]
    undo = w.with_(
        release, event_id="undo", correction_action="RETRACT",
        correction_source=release.source, correction_event_id=release.event_id,
    )  # fmt: skip
    chain.facts((undo, day(33)))
    assert chain.cut(day(33)) == [32, 54]
    assert named(chain, 2).origin == "RISK"
    assert rows_of(deal(chain, 7)) == [(54, "HELD", "HELD")]
    assert named(chain, 2).state == "HELD"
    checked(chain)


def test_an_award_that_is_held_for_a_record_goes_on_with_it():
    """Row 13: to DISPUTED, where the award stands."""
    chain = proved()
    chain.review("DISPUTE", role="BUYER")
    chain.review("RESOLVE_SELLER", role="ARBITER", reviewer="ann", amount_minor=100_000)
    claim = replace(chain.claim(), state="APPROVED")
    chain.book = replace(chain.book, claims=chain.book.claims.set(chain.ids[0], claim))
    assert rows_of(refuse(chain)) == [(12, "APPROVED", "HELD")]
    assert rows_of(deal(chain, 7)) == [(13, "HELD", "DISPUTED")]
