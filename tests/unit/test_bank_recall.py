"""Recalls of payments that are over, and of those whose recall cannot be written."""

import bank_rail_world as w
import pytest
from bank_rail_world import Desktop, instruction, recall
from iso20022_world import entry, notification, resolution, status_report
from structlog.testing import capture_logs

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.sinks import iso20022_recall
from supplytwin.sinks.iso20022_ids import recall_id
from supplytwin.sinks.rail import hand_over

OVER = "a payment is over: its recall does not go out"


@pytest.mark.parametrize("word", ["booked", "rejected", "returned", "cancelled"])
def test_no_recall_goes_out_once_the_payment_is_over(word: str) -> None:
    """Neither the one that was sent again, nor a first one; by any process, whoever asks."""
    desk = Desktop()
    sent = desk.paid()
    kept = desk.give(recall())
    assert kept is not None
    says = {
        "booked": notification(entry(sent)),
        "rejected": status_report(sent, "RJCT", "AC04"),
        "returned": notification(entry(sent, "ASR-2", "CRDT", returned="AC04")),
        "cancelled": resolution(None, recall_id(w.SETTLEMENT, 1), "CNCL"),
    }
    assert len(desk.hear(says[word])) == 1
    for _ in range(2):
        with capture_logs() as lines:
            for order in (recall(), recall(recall_no=2)):
                assert desk.give(order) is None
            hand_over(desk.rail, kept)
        assert [one["event"] for one in lines] == [OVER] * 3
        assert desk.publish() == []
        assert [one.kind for one in desk.paper.delivered] == ["PAY", "RECALL"]
        desk.new()


def test_a_recall_that_cannot_be_written_cancels_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bank has the payment: that its recall did not go out is logged, and never told as
    cancelled, by no process.
    """

    def refuse(*_: object) -> bytes:
        raise RecordError(Code.BAD_VALUE, "reason", "is no code")

    monkeypatch.setattr(iso20022_recall, "recall_message", refuse)
    desk = Desktop()
    desk.paid()
    kept = desk.give(recall())
    assert kept is not None
    assert kept.refused
    assert desk.publish() == []
    desk.new()
    hand_over(desk.rail, kept)
    desk.give(recall())
    assert desk.publish() == []
    assert desk.give(instruction()) == desk.kept[0]
