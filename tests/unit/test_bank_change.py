"""Another bank, or another name of the same one: what one rail has sent no other one sends."""

import bank_rail_world as w
import pytest
from bank_rail_world import DESK, Desktop, Known, Paper, instruction, query, recall
from iso20022_world import BUYER, entry, notification, status_report
from msgspec.structs import replace
from structlog.testing import capture_logs

from supplytwin.schemas.records import Receipt, SentMessage
from supplytwin.sinks.bank_rail import BankRail
from supplytwin.sinks.iso20022_parties import Agent
from supplytwin.sinks.rail import hand_over

ELSEWHERE = "a payment is with another bank"


class Moved:
    """The rail of another bank over what the first one has left in Kafka."""

    def __init__(self, desk: Desktop, bic: str = "NBADAEAA") -> None:
        agent = Agent(bic=bic)
        self.paper = Paper()
        parties = Known(debtor=replace(BUYER, agent=agent))
        self.rail = BankRail(
            self.paper, replace(DESK, agent=agent, rail=f"iso20022-{bic}"), parties
        )
        for kind in (SentMessage, Receipt):
            for one in desk.kept:
                if isinstance(one, kind):
                    self.rail.remember(one)

    def give(self, *orders: w.Instruction) -> list[str]:
        """As the gateway does it; the errors that are logged."""
        with capture_logs() as lines:
            for order in orders:
                hand_over(self.rail, self.rail.draft(order) or order)
        return [one["event"] for one in lines if one["log_level"] == "error"]

    def told(self) -> list[tuple[str, str]]:
        """(kind, status) of what is answered."""
        return [(one.receipt.kind, one.receipt.rail_status) for one in self.rail.answers(0)]


@pytest.mark.parametrize("word", ["nothing", "booked", "rejected"])
@pytest.mark.parametrize("bic", ["NBADAEAA", "EBILAEADXXX"])
def test_what_one_bank_has_no_other_one_is_given(word: str, bic: str) -> None:
    """Read again at another bank, a payment is neither sent nor answered, a recall neither; the
    question about it stays open; each is logged.
    """
    desk = Desktop()
    sent = desk.paid()
    if word == "booked":
        desk.hear(notification(entry(sent)))
    if word == "rejected":
        desk.hear(status_report(sent, "RJCT", "AC04"))
    moved = Moved(desk, bic)
    assert moved.give(instruction(), recall(), query()) == [ELSEWHERE] * 3
    assert moved.paper.delivered == []
    assert moved.paper.asked == []
    assert moved.told() == []


def test_the_next_attempt_is_paid_at_the_new_bank() -> None:
    """The old one has rejected the first for good."""
    desk = Desktop()
    desk.hear(status_report(desk.paid(), "RJCT", "AC04"))
    moved = Moved(desk)
    assert moved.give(instruction(attempt=2)) == []
    assert [one.attempt for one in moved.paper.delivered] == [2]


def test_the_simulated_rail_leaves_its_receipts() -> None:
    """What they are about was with it: nothing of it is sent to a bank."""
    desk = Desktop()
    (told,) = desk.hear(notification(entry(desk.paid())))
    for status in ("ACSC", "RJCT", "ACCP", "NOT_FOUND"):
        desk.kept = [replace(told, source="simulated:rail", rail_status=status)]
        moved = Moved(desk)
        assert moved.give(instruction(), recall()) == [ELSEWHERE] * 2
        assert (moved.paper.delivered, moved.told()) == ([], [])


def test_what_any_bank_could_not_be_told_is_dead_for_all() -> None:
    """A refusal is of the payment, not of the bank: RJCT again, and a recall is cancelled."""
    desk = Desktop(Known(purpose_code=""))
    desk.give(instruction())
    desk.publish()
    moved = Moved(desk)
    moved.give(instruction(), recall())
    assert moved.told() == [("PAY", "RJCT"), ("RECALL", "CNCL")]
    assert moved.paper.delivered == []


def test_a_refusal_after_it_was_sent_kills_nothing() -> None:
    """Another bank could not be told of a payment that this one has: the question is put to it."""
    desk = Desktop()
    draft = desk.give(instruction())
    assert draft is not None
    for order in (draft, desk.rail.draft(recall())):
        assert order is not None
        desk.kept.append(
            replace(order, rail="iso20022-NBADAEAA", refused="debtor.agent: x", body=b"")
        )
    desk.new()
    desk.give(query())
    assert desk.publish() == []
    assert len(desk.paper.asked) == 1


def test_a_message_that_two_banks_have_goes_out_no_more() -> None:
    """The first record counts: what this bank was told behind it is not told again."""
    desk = Desktop()
    draft = desk.give(instruction())
    assert draft is not None
    desk.kept = [replace(draft, rail="iso20022-NBADAEAA"), draft]
    desk.new()
    desk.give(instruction())
    hand_over(desk.rail, draft)
    assert desk.paper.delivered == [draft]
