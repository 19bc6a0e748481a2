"""A bank that takes its time: the gateway shows that it lives, and goes on telling answers."""

from collections.abc import Callable, Collection, Iterator

import bank_rail_world as w
import pytest
from bank_rail_world import Paper, instruction, query
from iso20022_world import bank_statement, entry, notification, sent_file, status_report
from test_gateway_questions import Desk

from supplytwin.schemas import codec
from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.ids import settlement_id
from supplytwin.schemas.records import INSTRUCTIONS, RECEIPTS, SentMessage
from supplytwin.sinks import asking
from supplytwin.sinks.bank_rail import Asked, BankRail, Document
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.streams.gateway import Gateway
from supplytwin.streams.ports import TopicPartition
from supplytwin.streams.topics import WORKER_GROUP

CALL_S = 30.4
"""Three tries of ten seconds, and the pauses between them."""


class Slow(Paper):
    """Every call takes `takes_s` by the clock of the test; while it `hangs` it fails then."""

    def __init__(self, now: list[float]) -> None:
        super().__init__()
        self.now, self.takes_s, self.hangs = now, 0.0, False
        self.beat: Callable[[], float] = lambda: now[0]
        self.worst = 0.0

    def _reach(self) -> None:
        self.now[0] += self.takes_s
        self.worst = max(self.worst, self.now[0] - self.beat())
        self.alive()
        if self.hangs:
            raise TransientError("no answer")

    def ask(self, kept: SentMessage) -> Asked | None:
        super().ask(kept)
        return Asked(known=True, data=status_report(sent_of(kept), "ACSP"))

    def arrivals(self, known: Collection[str]) -> list[Document]:
        """A look that finds nothing takes no time."""
        if self.hangs or len(self.mail) > len(self.confirmed):
            return super().arrivals(known)
        return []

    def received(self) -> Iterator[Document]:
        for one in self.mail:
            self.now[0] += self.takes_s
            self.worst = max(self.worst, self.now[0] - self.beat())
            yield one


class SlowDesk(Desk):
    """A gateway with such a bank."""

    def __init__(self, now: list[float]) -> None:
        self.slow = Slow(now)
        super().__init__()

    def start(self) -> Gateway:
        self.paper = self.slow
        rail = BankRail(self.slow, w.DESK, w.Known())
        made = Gateway(self.broker, rail, partitions=1, simulated=False)
        self.slow.beat = lambda: made.beat
        return made

    def waiting(self) -> int:
        """Instructions that are not committed as handed over."""
        return self.end() - (self.committed() or 0)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDesk]:
    """One payment is at the bank."""
    now = [1000.0]
    monkeypatch.setattr(asking.time, "monotonic", lambda: now[0])
    made = SlowDesk(now)
    made.say(instruction())
    yield made
    made.gateway.close()
    made.broker.close()


def other(number: int) -> str:
    return settlement_id(w.CONTRACT, "T1", f"lot-{number}")


def test_a_bank_that_hangs_is_no_stuck_gateway(desk: SlowDesk) -> None:
    """A payment, a question and the mailbox fail one after the other, each as late as it can: the
    watch hears of the gateway between any two of them.
    """
    desk.slow.takes_s, desk.slow.hangs = CALL_S, True
    desk.say(query())
    desk.say(instruction(settlement_id=other(2)))
    assert desk.slow.worst == pytest.approx(CALL_S)
    desk.slow.hangs = False
    desk.turn(40)
    assert desk.waiting() == 0
    assert desk.slow.worst == pytest.approx(CALL_S)


def test_many_questions_do_not_hold_up_the_answers(desk: SlowDesk) -> None:
    """They are put a few in each turn, with a beat behind each."""
    desk.slow.hangs = True
    desk.say(*(query(query_no=number + 1) for number in range(40)))
    desk.slow.takes_s, desk.slow.hangs = 2.0, False
    desk.slow.now[0] += asking.PAUSE_MAX_S
    asked = len(desk.slow.asked)
    desk.turn(1)
    put = len(desk.slow.asked) - asked
    assert 1 <= put <= asking.TURN_S / 2.0 + 1
    assert len(desk.told()) == put
    assert desk.slow.worst == pytest.approx(2.0)
    desk.turn(60)
    assert len(desk.told()) == 40


def test_many_payments_do_not_hold_up_the_answers(desk: SlowDesk) -> None:
    """What the bank says is told while it takes its time for what is handed over."""
    desk.slow.takes_s = 20.0
    desk.slow.bring(status_report(sent_of(desk.slow.delivered[0]), "ACSP"))
    desk.worker.begin()
    for number in range(2, 8):
        value = codec.encode(INSTRUCTIONS, instruction(settlement_id=other(number)))
        desk.worker.produce(INSTRUCTIONS, b"PO-1", value)
    desk.worker.commit()
    desk.turn(4)
    assert 1 < len(desk.delivered()) < 7
    assert desk.slow.confirmed == ["doc-0"]
    desk.turn(20)
    assert len(desk.delivered()) == 7
    assert desk.slow.worst == pytest.approx(20.0)


def test_kept_documents_are_read_once_and_with_a_beat(desk: SlowDesk) -> None:
    """The first statement of a process reads all that was ever kept; a rewind does not read it
    again, since it comes from those documents alone.
    """
    (sent,) = sent_file().sent
    desk.slow.bring(*(notification(entry(sent)) for _ in range(30)))
    desk.turn()
    desk.slow.takes_s = 3.0
    desk.slow.worst = 0.0
    desk.slow.bring(bank_statement(0, 0))
    receipts = TopicPartition(RECEIPTS, 0)
    desk.broker.admin().commit(WORKER_GROUP, {receipts: 100})  # the worker has taken all
    desk.turn(20)
    assert "doc-30" in desk.slow.confirmed
    assert desk.slow.worst == pytest.approx(3.0)
    before = desk.slow.now[0]
    desk.gateway._next = {}  # as after a rebalance
    desk.slow.bring(bank_statement(0, 0))
    desk.turn(20)
    assert "doc-31" in desk.slow.confirmed
    assert desk.slow.now[0] - before < 30 * 3.0
