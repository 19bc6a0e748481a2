"""A debit of a payment that is not understood, and a rejection that could be tried again: through
the real fold no second payment leaves, whichever way the debit is told and whoever dies in between.
"""

import bank_world as bw
import pytest
import settlement_world as sw
from bank_rail_world import Paper
from iso20022_world import (
    BUYER,
    bank_statement,
    entry,
    notification,
    payment_return,
    status_report,
)
from msgspec.structs import replace

from supplytwin.processors import settlement
from supplytwin.schemas.ids import HOUR_US
from supplytwin.schemas.records import REVIEWS, Review
from supplytwin.sinks.bank_rail import Asked
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.sinks.iso20022_out import Sent


def start() -> tuple[Paper, bw.Loop, Sent]:
    """One payment is at the bank."""
    paper = Paper()
    loop = bw.Loop(paper, BUYER).instructed()
    return paper, loop, sent_of(loop.sent()[0])


def odd(sent: Sent) -> bytes:
    """A debit that could be counted twice."""
    return notification(entry(sent, ""))


def rejected(sent: Sent) -> bytes:
    """For a reason after which a payment is tried again."""
    return status_report(sent, "RJCT", "AM04")


def attempts(paper: Paper) -> list[int]:
    """Of the payments that were handed over."""
    return [one.attempt for one in paper.delivered if one.kind == "PAY"]


def is_held(paper: Paper, loop: bw.Loop) -> bool:
    """For a person, and nothing more has gone out two days later."""
    loop.later()
    loop.later()
    return attempts(paper) == [1] and loop.state == "HELD" and "RECON_BREAK" in loop.alarms()


@pytest.mark.parametrize("way", ["mailbox", "question", "duplicate"])
def test_no_second_payment_whichever_way_it_is_told(way: str) -> None:
    """As a notification, as the answer to a question, as the answer about a duplicate."""
    paper, loop, sent = start()
    if way == "mailbox":
        paper.bring(odd(sent))
    else:
        paper.knows[sent.message_id] = Asked(known=True, data=odd(sent))
    if way == "duplicate":
        paper.bring(status_report(sent, "RJCT", "DUPL"))
    for _ in range(40):
        if way != "question" or paper.asked:
            break
        loop.later()
    loop.settle()
    paper.bring(rejected(sent))
    loop.settle()
    assert is_held(paper, loop)


def test_no_second_payment_when_the_gateway_dies_behind_a_transaction() -> None:
    """Both came in one look: the rejection is in no transaction before the debit's."""
    paper, loop, sent = start()
    paper.bring(odd(sent), rejected(sent))
    loop.kill_at("committed")
    loop.settle()
    assert is_held(paper, loop)


def test_no_second_payment_when_a_tick_comes_between() -> None:
    """The worker takes what there is after one turn of the gateway."""
    paper, loop, sent = start()
    paper.bring(odd(sent), rejected(sent))
    loop.gateway.turn(0.0)
    loop.now += HOUR_US
    loop.chain.driver.tick(loop.now)
    loop.chain.driver.settle()
    loop.settle()
    assert is_held(paper, loop)


def test_no_third_payment_after_a_person_has_released_the_second() -> None:
    """What was cleared of the first attempt clears nothing of the second."""
    paper, loop, sent = start()
    paper.bring(odd(sent))
    loop.settle()
    paper.bring(rejected(sent))
    loop.settle()
    loop.later()
    shown = settlement.explain(loop.chain.state.book, loop.chain.state.twin, loop.now)[0]
    review = Review(
        input_id="r1", source="desk", chain_id=sw.CHAIN, contract_id=sw.CONTRACT,
        settlement_id=bw.SETTLEMENT, verdict="RELEASE", reviewer="rosa", role="OPERATOR",
        reason="the bank has undone attempt 1", evidence_hash=shown.evidence_hash,
        cleared_ids=shown.adverse_ids, attempts=2,
    )  # fmt: skip
    loop.chain.send(REVIEWS, review, loop.now)
    loop.settle()
    loop.later()
    second = sent_of(loop.sent()[-1])
    assert (attempts(paper), second.attempt) == ([1, 2], 2)
    paper.bring(odd(second))
    loop.settle()
    paper.bring(rejected(second))
    loop.settle()
    loop.later()
    assert (attempts(paper), loop.state) == ([1, 2], "HELD")


def test_no_second_payment_after_a_change_of_bank() -> None:
    """The hold was told by the rail of the former one."""
    paper = Paper()
    loop = bw.Loop(paper, BUYER).agreed()
    loop.desk = replace(loop.desk, rail="iso20022-new")
    loop.gateway = loop.start()
    loop.proved()
    loop.tick(loop.now)
    sent = sent_of(loop.sent()[0])
    paper.bring(odd(sent))
    loop.settle()
    paper.bring(rejected(sent))
    loop.settle()
    assert is_held(paper, loop)


def test_a_return_that_is_only_announced_is_alarmed() -> None:
    """The account's next statement does not have it: the claim is told, and nothing is moved."""
    paper, loop, sent = start()
    paper.bring(notification(entry(sent, "ASR-1")))
    loop.settle()
    assert loop.state == "SETTLED"
    paper.bring(payment_return(sent))
    loop.settle()
    assert not loop.alarms()
    day = bank_statement(0, -sent.amount_minor, entry(sent, "ASR-1"), currency=sent.currency)
    paper.bring(day.replace(b"2026-11-19", b"2026-11-24"))
    loop.settle()
    loop.settle()
    assert (loop.state, "RECON_BREAK" in loop.alarms()) == ("SETTLED", True)
