"""Cleared, then seized: what becomes of a claim at each state in which the seizure may find it."""

import pytest
import settlement_world as w

from supplytwin.processors.settlement_state import Accounts

day, Chain = w.day, w.Chain
CHALLENGE = 5 * w.DAY_US


def _reserved(chain):
    """The goods are released and not received yet."""
    chain.facts(*w.proofs(at=20)[:2])
    chain.cut(day(21))


def _matched(chain):
    """All is there, and the challenge window is open."""
    chain.facts(*w.proofs(at=20))
    chain.cut(day(21))


def _approved(chain):
    """A first attempt was rejected by the rail for now: nothing is under way."""
    _instructed(chain)
    chain.answer(chain.last("PAY"), "RJCT", rail_reason="AM04")


def _instructed(chain):
    _matched(chain)
    chain.cut(day(26))


def _accepted(chain):
    _instructed(chain)
    chain.answer(chain.last("PAY"), "ACSP")


def _settled(chain):
    _accepted(chain)
    chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1")


BEFORE = {
    "RESERVED": (_reserved, [], "RESERVED"),
    "MATCHED": (_matched, [10], "RESERVED"),
    "APPROVED": (_approved, [10], "RESERVED"),
}
AFTER = {
    "INSTRUCTED": (_instructed, [28], "CANCEL_PENDING"),
    "ACCEPTED": (_accepted, [28], "CANCEL_PENDING"),
    "SETTLED": (_settled, [32], "SETTLED"),
}


def _seized(state, way):
    chain = Chain(w.contract_terms((w.claim_terms(challenge_us=CHALLENGE),))).reserved()
    way(chain)
    assert chain.state() == state
    sent = len(chain.sent)
    chain.facts((w.customs("hold_placed", day(27)), day(27)))
    return chain, sent


def _money_sent(chain, since=0):
    return sum(o.amount_minor for o in chain.sent[since:] if o.kind == "PAY")


@pytest.mark.parametrize("state", BEFORE)
def test_goods_seized_before_the_instruction_are_not_paid(state):
    """Rows 10 and none: back to RESERVED, and at the end of time the buyer has all back."""
    way, rows, then = BEFORE[state]
    chain, sent = _seized(state, way)
    assert chain.cut(day(28)) == rows
    assert chain.state() == then
    for tick in (29, 40, 60, 91, 120, 271):
        chain.cut(day(tick))
    assert _money_sent(chain, sent) == 0
    assert chain.claim().accounts == Accounts()
    assert chain.state() == "EXPIRED"


@pytest.mark.parametrize("state", ["INSTRUCTED", "ACCEPTED"])
def test_goods_seized_after_the_instruction_are_recalled(state):
    """Row 28: the rail says whether the money comes back (29) or was booked (23, then 32)."""
    way, rows, then = AFTER[state]
    chain, sent = _seized(state, way)
    assert chain.cut(day(28)) == rows
    assert chain.state() == then
    assert [o.kind for o in chain.sent[sent:]] == ["RECALL"]
    chain.answer(chain.last("RECALL"), "CNCL")
    assert chain.state() == "VOIDED"
    assert chain.claim().accounts.buyer == 0
    chain, _ = _seized(state, way)
    chain.cut(day(28))
    chain.answer(chain.last("PAY"), "BOOKED", entry_id="E1")
    assert chain.state() == "SETTLED"
    assert chain.cut(day(29)) == [32]


def test_goods_seized_after_the_payment_give_a_claim_and_freeze_the_rest():
    """Row 32: money is final; a record to claim it back, and no other claim is paid."""
    two = (w.claim_terms(1, challenge_us=CHALLENGE), w.claim_terms(2))
    chain = Chain(w.contract_terms(two)).reserved(0).reserved(1)
    _settled(chain)
    chain.facts((w.customs("hold_placed", day(27)), day(27)), *w.proofs(2, at=27))
    assert chain.cut(day(28)) == [32, 12]
    assert (chain.state(0), chain.state(1)) == ("SETTLED", "HELD")
    assert "CLAIM_RECORD" in {alarm.code for alarm in chain.alarms}
    assert chain.claim().accounts.seller == 100_000
    assert chain.pays(1) == []
