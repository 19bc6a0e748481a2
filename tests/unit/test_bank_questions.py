"""A rejection as a duplicate asks the bank: what cannot be asked now holds up no other document."""

import bank_rail_world as w
import pytest
from bank_rail_world import Desktop, instruction
from iso20022_world import entry, notification, status_report
from structlog.testing import capture_logs

from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.ids import settlement_id
from supplytwin.schemas.records import SentMessage
from supplytwin.sinks import asking
from supplytwin.sinks.bank_rail import Asked
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.sinks.iso20022_out import Sent

OTHER = settlement_id(w.CONTRACT, "T1", "lot-2")


class Desk(Desktop):
    """Two payments are at a bank whose status address fails for those of `fails`."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: set[str] = set()
        self.one = self.paid()
        draft = self.give(instruction(settlement_id=OTHER))
        assert draft is not None
        self.two: Sent = sent_of(draft)
        for sent in (self.one, self.two):
            self.paper.knows[sent.message_id] = Asked(known=True, data=status_report(sent, "ACCP"))
        self.answer, self.paper.ask = self.paper.ask, self.asked  # type: ignore[method-assign]

    def asked(self, kept: SentMessage) -> Asked | None:
        answer = self.answer(kept)
        if kept.message_id in self.fails:
            raise TransientError("GET status: HTTP 503")
        return answer


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Without pauses."""
    monkeypatch.setattr(asking, "PAUSE_S", 0.0)
    return Desk()


def told(desk: Desk, *documents: bytes) -> list[tuple[str, str]]:
    """(settlement, status) of what is published."""
    return [(one.settlement_id, one.rail_status) for one in desk.hear(*documents)]


def test_documents_behind_a_duplicate_are_told(desk: Desk) -> None:
    """The booking of another payment waits for no question, and the document of the duplicate for
    its answer, also in another process.
    """
    desk.fails = {desk.one.message_id}
    duplicate = status_report(desk.one, "RJCT", "AM05")
    assert told(desk, duplicate, notification(entry(desk.two, "ASR-2"))) == [(OTHER, "BOOKED")]
    assert desk.paper.confirmed == ["doc-1"]
    desk.new()
    assert told(desk) == []
    desk.fails.clear()
    assert told(desk) == [(w.SETTLEMENT, "ACCP")]
    assert desk.paper.confirmed == ["doc-1", "doc-0"]


def test_questions_are_put_in_turn(desk: Desk) -> None:
    """One that always fails holds up no other one, and is not forgotten."""
    desk.fails = {desk.one.message_id, desk.two.message_id}
    documents = [status_report(one, "RJCT", "DUPL") for one in (desk.one, desk.two)]
    with capture_logs() as lines:
        assert told(desk, *documents) == []
    assert {one["event"] for one in lines} == {"a duplicate is asked about again later"}
    desk.fails.discard(desk.two.message_id)
    assert told(desk) == [(OTHER, "ACCP")]
    assert desk.paper.confirmed == ["doc-1"]
    desk.fails.clear()
    assert told(desk) == [(w.SETTLEMENT, "ACCP")]


def test_a_bank_that_has_nothing_to_say_lets_the_document_go(desk: Desk) -> None:
    """It was asked, and that is all there is."""
    desk.paper.knows.clear()
    assert told(desk, status_report(desk.one, "RJCT", "DUPL")) == []
    assert desk.paper.asked == [desk.one.message_id]
    assert desk.paper.confirmed == ["doc-0"]
