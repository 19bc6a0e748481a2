"""An address that lets nobody in: what goes to another one goes on."""

from collections.abc import Iterator

import bank_rail_world as w
import pytest
from bank_rail_world import Paper, instruction, recall
from iso20022_world import entry, notification
from test_gateway_questions import OTHERS, Desk

from supplytwin.schemas.errors import NotLetInError
from supplytwin.schemas.records import SENT, SentMessage
from supplytwin.sinks import asking
from supplytwin.sinks.bank_rail import BankRail
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.streams import gateway
from supplytwin.streams.gateway import Gateway
from supplytwin.streams.ports import TopicPartition
from supplytwin.streams.topics import GATEWAY_GROUP

AT = TopicPartition(SENT, 0)


class Shut(Paper):
    """A bank whose address for some kinds of message is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.shut = {"RECALL"}
        self.tried = 0

    def deliver(self, kept: SentMessage) -> None:
        if kept.kind in self.shut:
            self.tried += 1
            raise NotLetInError("POST: HTTP 404")
        super().deliver(kept)


class ShutDesk(Desk):
    """A gateway with such a bank."""

    def __init__(self) -> None:
        self.bank = Shut()
        super().__init__()

    def start(self) -> Gateway:
        self.paper = self.bank
        rail = BankRail(self.bank, w.DESK, w.Known())
        return Gateway(self.broker, rail, partitions=1, simulated=False)

    def left(self) -> int:
        """Messages that are not committed as handed over."""
        admin = self.broker.admin()
        committed = admin.committed(GATEWAY_GROUP, [AT])[AT] or 0
        return admin.ends([AT], "read_uncommitted")[AT] - committed


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[ShutDesk]:
    """Without pauses; one payment is at the bank."""
    monkeypatch.setattr(asking, "PAUSE_S", 0.0)
    monkeypatch.setattr(gateway, "_PAUSE_S", 0.0)
    made = ShutDesk()
    made.say(instruction())
    yield made
    made.gateway.close()
    made.broker.close()


def test_a_recall_that_is_not_let_in_stops_no_payment(desk: ShutDesk) -> None:
    """It goes out when its address is mended, also from a new process: it stays uncommitted."""
    desk.say(recall())
    desk.say(*(instruction(settlement_id=one) for one in OTHERS))
    assert desk.delivered() == [("PAY", one) for one in (w.SETTLEMENT, *OTHERS)]
    assert desk.bank.tried > 1
    assert desk.left() > 0
    desk.gateway.close()
    desk.gateway = desk.start()
    desk.turn()
    assert ("RECALL", w.SETTLEMENT) not in desk.delivered()
    desk.bank.shut = set()
    desk.turn()
    assert desk.delivered().count(("RECALL", w.SETTLEMENT)) == 1
    assert desk.left() == 0
    bodies = {one.message_id: one.body for one in desk.bank.delivered}
    assert all(bodies[one.message_id] == one.body for one in desk.bank.delivered)


def test_it_does_not_go_out_when_the_payment_is_over(desk: ShutDesk) -> None:
    """The bank has booked meanwhile: there is nothing to recall, and nothing waits."""
    desk.say(recall())
    assert desk.left() > 0
    desk.bank.bring(notification(entry(sent_of(desk.bank.delivered[0]))))
    desk.turn()
    assert desk.left() == 0
    desk.bank.shut = set()
    desk.turn()
    assert desk.delivered() == [("PAY", w.SETTLEMENT)]


def test_a_payment_that_is_not_let_in_is_waited_for(desk: ShutDesk) -> None:
    """Nothing overtakes it."""
    desk.bank.shut = {"PAY"}
    desk.say(instruction(settlement_id=OTHERS[0]), recall())
    assert desk.delivered() == [("PAY", w.SETTLEMENT)]
    desk.bank.shut = set()
    desk.turn()
    assert desk.delivered()[1:] == [("PAY", OTHERS[0]), ("RECALL", w.SETTLEMENT)]
