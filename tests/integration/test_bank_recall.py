"""What mock-bank does not do, through the real fold over paper: recalls, holds that are refused."""

import bank_rail_world as paper
import pytest
import settlement_world as w
from bank_world import SETTLEMENT, Loop
from iso20022_world import BUYER, resolution

from supplytwin.schemas.ids import HOUR_US
from supplytwin.sinks.bank_rail import NO_HOLD
from supplytwin.sinks.bank_rail_terms import Funding
from supplytwin.sinks.iso20022_ids import recall_id


@pytest.mark.parametrize(
    ("outcome", "state"), [("CNCL", "VOIDED"), ("RJCR", "IN_DOUBT")], ids=["cancelled", "refused"]
)
def test_contrary_evidence_recalls_the_payment(outcome: str, state: str) -> None:
    """The release is revoked behind the instruction: one camt.056 about that payment, kept as the
    payment was; the bank's camt.029 decides.
    """
    bank = paper.Paper()
    one = Loop(bank, BUYER).instructed()
    assert one.state == "INSTRUCTED"
    one.now += HOUR_US
    one.chain.fact(w.customs("release_revoked", one.now, "D1"))
    one.tick(one.now + 1)
    assert one.state == "CANCEL_PENDING"
    assert [kept.message for kept in bank.delivered] == ["pain.001.001.09", "camt.056.001.12"]
    assert one.sent() == bank.delivered
    assert bank.delivered[0].message_id.encode() in bank.delivered[1].body
    bank.bring(resolution(None, recall_id(SETTLEMENT, 1), outcome))
    one.settle()
    assert one.state == state
    assert len(bank.delivered) == 2


def test_a_hold_that_this_bank_cannot_make_ends_the_claim() -> None:
    """PREFUNDED_HOLD without an interface for it: VOIDED with the reason, nothing goes out."""
    bank = paper.Paper()
    one = Loop(bank, BUYER, funding=Funding.PREFUNDED_HOLD).agreed()
    assert one.state == "VOIDED"
    assert one.reasons()[-1].endswith(NO_HOLD)
    assert not bank.delivered


def test_a_promise_is_confirmed_by_its_name() -> None:
    """COMMITMENT_ONLY: reserved in the mirror on the buyer's word, which the transition says."""
    one = Loop(paper.Paper(), BUYER, funding=Funding.COMMITMENT_ONLY).agreed()
    assert one.state == "RESERVED"
    assert one.reasons()[-1].endswith("COMMITMENT_ONLY")
