"""What an amendment may not do: change the form of the terms, leave a claim without its money, or
be silent about a claim that has ended.
"""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from settlement_full_world import FullWorld, day, electronics
from settlement_world import contract, contract_terms
from test_settlement_early_terms import Early, told
from test_settlement_full_review import amend, is_sound, later, version
from test_settlement_owed import (
    REST,
    claim,
    free_conditions,
    funded,
    measured,
    pieces,
    receive,
)

from supplytwin.processors import contract_check
from supplytwin.processors.closing import Closed, ClosingFold
from supplytwin.schemas.amounts import Fixed, OfTotal
from supplytwin.schemas.contract import ContractTerms, encode, terms_hash
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import CONTRACTS, INSTRUCTIONS, RECEIPTS, Receipt

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


# ---- claims that are listed again


def shares() -> FullWorld:
    """Three tenths for the first consignment, which has not come by its close, six for the second,
    which are paid, and the tenth at the end.
    """

    def share(bp: int, *claims: Any) -> dict[str, Any]:
        return {"amount": {"rule": "SHARE", "bp": bp}, "condition": measured("RECEIVED"),
                "on_false": "EXPIRE", "claims": claims}  # fmt: skip

    world = funded(pieces({
        "T1": share(3_000, claim("K1", "ASN-1", 36_000)),
        "T1-B": share(6_000, claim("K2", "ASN-2", 72_000)),
        "T2": {"amount": {"rule": "RESIDUAL", "of": ["T1", "T1-B"]}},
    }))  # fmt: skip
    receive(world, 2, 40, 5)
    world.tick(day(6))
    world.answer("PAY", "ACSC", 6.1)
    world.tick(day(CLOSE + 0.1))
    assert world.states() == ["EXPIRED", "SETTLED", "RESERVED"]
    return world


def again(world: FullWorld, tranche: str = "T1", name: str = "K1-again") -> ContractTerms:
    """The first claim under a new id, a week later, and its hold with it."""
    first, *others, rest = world.terms.tranches
    amount = replace(rest.amount, of=(tranche, *[one.tranche_id for one in others]))
    first = replace(
        first,
        tranche_id=tranche,
        window=replace(first.window, deadline="2026-03-17T23:59:59+08:00"),
        claims=(replace(first.claims[0], claim_id=name), *first.claims[1:]),
    )
    funding = replace(world.terms.funding, funding_deadline="2026-03-16T00:00:00+08:00")
    rest = replace(rest, amount=amount)
    return later(world, tranches=(first, *others, rest), funding=funding)


def come(world: FullWorld, terms: ContractTerms, qty: int = 70) -> None:
    """The amendment is signed, the first consignment comes and is paid."""
    amend(world, terms, CLOSE + 0.5)
    world.answer("RESERVE", "CONFIRMED", CLOSE + 0.6)
    receive(world, 1, qty, CLOSE + 1)
    world.tick(day(CLOSE + 2))
    world.answer("PAY", "ACSC", CLOSE + 2.1)
    world.tick(day(110))


@pytest.mark.parametrize("tranche", ["T1", "T0"])
def test_what_is_listed_again_and_paid_leaves_the_rest_whole(tranche: str) -> None:
    """In its tranche or in one of another name: the expired claim is taken off no more beside the
    one that was paid in its place, and the RESIDUAL does not wait for it.
    """
    world = shares()
    come(world, again(world, tranche))
    assert world.paid() == [72_000, 36_000, 12_000]
    assert world.states() == ["SETTLED", "SETTLED", "INSTRUCTED", "EXPIRED"]
    assert is_sound(world)


def test_goods_that_are_listed_again_are_counted_once() -> None:
    """Likewise where a claim is paid for its goods."""
    world = expired()
    come(world, again(world))
    assert world.paid() == [36_000, 63_000, 11_000]
    assert world.states() == ["SETTLED", "SETTLED", "INSTRUCTED", "EXPIRED"]
    assert is_sound(world)


def test_what_expired_again_breaks_the_rest() -> None:
    """The claim that stands in its place has ended unpaid, too, and the terms still list it."""
    world = shares()
    amend(world, again(world), CLOSE + 0.5)
    world.answer("RESERVE", "CONFIRMED", CLOSE + 0.6)
    world.tick(day(110))
    assert world.states() == ["EXPIRED", "SETTLED", "RESERVED", "EXPIRED"]
    world.tick(day(200))
    assert world.states()[REST] == "HELD"
    assert world.paid() == [72_000]


def test_what_ended_unpaid_does_not_come_back_through_the_rest() -> None:
    """Its tranche is dropped and the money left to the RESIDUAL: it pays its own tenth alone."""
    world = shares()
    _, second, rest = world.terms.tranches
    rest = replace(rest, amount=replace(rest.amount, of=("T1-B",)),
                   claims=(replace(rest.claims[0], max_minor=48_000),))  # fmt: skip
    terms = later(world, tranches=(second, rest))
    come(world, replace(terms, funding=again(world).funding))
    assert world.paid() == [72_000, 12_000]


def test_what_ended_unpaid_does_not_come_back_through_a_larger_hold() -> None:
    """Its tranche is dropped and its part of the price is said to be that of a claim which is paid
    already: a higher cap would hold it for the RESIDUAL.
    """
    world = shares()
    _, second, rest = world.terms.tranches
    rest = replace(rest, amount=replace(rest.amount, of=("T1-B",)),
                   claims=(replace(rest.claims[0], max_minor=48_000),))  # fmt: skip
    second = replace(second, amount=OfTotal(bp=9_000),
                     claims=(replace(second.claims[0], max_minor=108_000),))  # fmt: skip
    terms = later(world, tranches=(second, rest), cap_minor=156_000)
    come(world, replace(terms, funding=again(world).funding))
    assert world.paid() == [72_000, 12_000]


def test_what_ended_unpaid_is_given_up_with_its_part_of_the_price() -> None:
    """The tranche is dropped and what is owed in all is less by it: the rest is not taken off."""
    world = shares()
    _, second, rest = world.terms.tranches
    rest = replace(rest, amount=replace(rest.amount, of=("T1-B",)))
    second = replace(second, amount=Fixed(amount_minor=72_000))
    line = replace(world.terms.lines[0], qty=world.terms.lines[0].qty - 36)
    come(world, later(world, tranches=(second, rest), lines=(line,), cap_minor=84_000,
                      total_minor=84_000))  # fmt: skip
    assert world.paid() == [72_000, 12_000]


def test_what_the_bank_booked_of_an_expired_claim_counts_beside_its_successor() -> None:
    """The seller has that money (row 49): nothing is paid on top, and the rest is for people."""
    world = shares()
    order = next(one for one in world.read(INSTRUCTIONS) if one.claim_id == "K1")
    world.put(
        RECEIPTS,
        Receipt(input_id="booked", source="rail", chain_id=world.chain, kind="PAY",
                contract_id=order.contract_id, settlement_id=order.settlement_id, attempt=1,
                instruction_no=order.instruction_no, hold_no=0, recall_no=0, query_no=0,
                amount_minor=36_000, currency="CNY", rail_status="ACSC",
                rail_time=day(CLOSE + 0.2), entry_id="booked"),
        day(CLOSE + 0.2),
    )  # fmt: skip
    come(world, again(world))
    assert world.paid() == [72_000, 36_000]
    world.tick(day(200))
    assert world.states()[REST] == "HELD"
    assert is_sound(world)


# ---- a lower price after a payment


def cheaper(
    world: FullWorld, second: int = 32_400, cap: int = 108_000, rest: int = 10_800
) -> ContractTerms:
    """Nine tenths of the price; so much for the second claim, as the most of all, for the rest."""
    first, last = world.terms.tranches
    k1, k2 = first.claims
    return later(
        world,
        cap_minor=cap,
        total_minor=108_000,
        lines=(replace(world.terms.lines[0], unit_price=Decimal(9)),),
        tranches=(
            replace(
                first,
                amount=replace(first.amount, cap_minor=64_800 + second),
                claims=(replace(k1, max_minor=64_800), replace(k2, max_minor=second)),
            ),
            replace(last, claims=(replace(last.claims[0], max_minor=rest),)),
        ),
    )


def part_paid() -> FullWorld:
    """The second consignment is paid at ten."""
    world = funded()
    receive(world, 2, 40, 5)
    world.tick(day(6))
    world.answer("PAY", "ACSC", 6.1)
    assert world.paid() == [36_000]
    return world


def test_a_price_cut_that_forgets_what_was_paid_is_refused_with_a_way_out() -> None:
    """360.00 were paid of a claim that has 324.00 now: all that is listed and what was paid are
    more than the cap. It is said which claim that is, and what to write.
    """
    world = part_paid()
    amend(world, cheaper(world), 7)
    assert version(world) == 1
    (said,) = told(world)
    assert "1116.00 CNY could be paid, more than the cap of 1080.00 CNY" in said
    assert "claim K2 of tranche T1 is SETTLED and keeps its 360.00 CNY, here it has 324.00" in said
    assert "write its hold as it was" in said


def test_a_price_cut_that_keeps_the_hold_of_what_was_paid_is_paid_to_the_unit() -> None:
    """40 at 10.00 and 70 at 9.00 are 1030.00: that is what is paid in all."""
    world = part_paid()
    amend(world, cheaper(world, 36_000, 111_600), 7)
    assert version(world) == 2
    world.answer("RESERVE", "CONFIRMED", 7.1)
    receive(world, 1, 70, 8)
    world.tick(day(9))
    world.answer("PAY", "ACSC", 9.1)
    world.tick(day(110))
    assert world.paid() == [36_000, 56_700, 10_300]
    assert is_sound(world)


def test_the_check_says_what_an_amendment_has_to_keep() -> None:
    """It knows the terms and not what was paid: advice, no fault, and none where the holds stay."""
    world = part_paid()
    (found,) = contract_check.kept_holds(world.terms, cheaper(world))
    assert (found.path, found.code) == ("$.cap_minor", "KEPT_HOLDS")
    assert "claim K2 of tranche T1 has 360.00 CNY there and 324.00 here" in found.says
    assert "terms do not tell" in found.says
    (found,) = contract_check.kept_holds(world.terms, cheaper(world, 36_000, 111_600))
    assert "K2" not in found.says
    assert not contract_check.kept_holds(world.terms, later(world))


# ---- contracts of which every claim has ended


def completed(close_after_us: int = 0) -> FullWorld:
    """Two consignments, and no rest; neither has come by its close, and the holds are released."""
    terms = pieces({"T1": {"on_false": "EXPIRE"}})
    world = Closing(replace(terms, tranches=terms.tranches[:1]), close_after_us)
    world.tick(day(0.1))
    world.answer("RESERVE", "CONFIRMED", 0.2)
    world.tick(day(CLOSE + 0.1))
    world.answer("RELEASE", "RELEASED", CLOSE + 0.2)
    assert world.states() == ["EXPIRED", "EXPIRED"]
    assert world.state(world.chain).book.contract_state == "COMPLETED"
    return world


class Closing(FullWorld):
    """A world whose worker forgets chains that are finished."""

    def __init__(self, terms: ContractTerms, close_after_us: int) -> None:
        self.close_after_us = close_after_us
        super().__init__(terms)

    def _fold(self) -> ClosingFold:
        return ClosingFold(super()._fold()._chains, self.close_after_us)


def alone(world: FullWorld) -> ContractTerms:
    """The first claim of `completed` under a new id, a week later."""
    (first,) = world.terms.tranches
    first = replace(
        first,
        window=replace(first.window, deadline="2026-03-17T23:59:59+08:00"),
        claims=(replace(first.claims[0], claim_id="K1-again"), *first.claims[1:]),
    )
    funding = replace(world.terms.funding, funding_deadline="2026-03-16T00:00:00+08:00")
    return later(world, tranches=(first,), funding=funding)


@pytest.mark.parametrize("close_after_us", [0, DAY_US // 100])
def test_a_completed_contract_goes_on_with_a_claim_that_is_new(close_after_us: int) -> None:
    """A chain has one contract: what is to be paid after all has no other way. Also where the chain
    has left memory.
    """
    world = completed(close_after_us)
    world.tick(day(CLOSE + 0.3))
    world.tick(day(CLOSE + 0.4))
    assert isinstance(world.state(world.chain), Closed) == bool(close_after_us)
    amend(world, alone(world), CLOSE + 0.5)
    assert world.state(world.chain).book.contract_state == "ACTIVE"
    world.answer("RESERVE", "CONFIRMED", CLOSE + 0.6)
    receive(world, 1, 70, CLOSE + 1)
    world.tick(day(CLOSE + 2))
    assert world.states() == ["INSTRUCTED", "EXPIRED", "EXPIRED"]
    world.answer("PAY", "ACSC", CLOSE + 2.1)
    assert world.paid() == [63_000]
    assert world.state(world.chain).book.contract_state == "COMPLETED"
    assert is_sound(world)


def test_an_amendment_of_a_completed_contract_that_adds_nothing_revives_nothing() -> None:
    """The same ids with a later deadline: it is refused, both are named, nothing moves. Another
    text of that version may list one of them under another id.
    """
    world = completed()
    (first,) = world.terms.tranches
    window = replace(first.window, deadline="2026-03-17T23:59:59+08:00")
    amend(world, later(world, tranches=(replace(first, window=window),)), CLOSE + 0.5)
    receive(world, 1, 70, CLOSE + 1)
    world.tick(day(CLOSE + 2))
    assert version(world) == 1
    assert [one.partition(":")[0] for one in told(world)] == [
        "ILLEGAL_PAIR", "ENDED_CLAIM", "ENDED_CLAIM",
    ]  # fmt: skip
    assert "the contract is COMPLETED: it goes on only with a claim under a new" in told(world)[0]
    assert "claim K1 of tranche T1 is EXPIRED" in "".join(told(world))
    assert world.states() == ["EXPIRED", "EXPIRED"]
    assert world.paid() == []
    amend(world, alone(world), CLOSE + 2.5, input_id="another text")
    world.answer("RESERVE", "CONFIRMED", CLOSE + 2.6)
    world.tick(day(CLOSE + 3))
    assert world.paid() == [63_000]
    assert is_sound(world)


def test_a_terminated_contract_is_not_amended() -> None:
    """Buyer and seller have cancelled it: that is no end of its claims alone."""
    world = completed()
    amend(world, alone(world), CLOSE + 0.5)
    for role in ("BUYER", "SELLER"):
        world.review("CANCEL", 0, CLOSE + 0.6, role=role, reviewer=role, settlement_id="")
    assert world.states() == ["VOIDED", "EXPIRED", "EXPIRED"]
    third = replace(alone(world), version=3, amends=terms_hash(encode(alone(world))))
    (first,) = third.tranches
    first = replace(first, claims=(replace(first.claims[0], claim_id="K1-more"), first.claims[1]))
    amend(world, replace(third, tranches=(first,)), CLOSE + 0.7)
    assert version(world) == 2
    assert "ILLEGAL_PAIR: the contract is TERMINATED" in told(world)[-1]


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
