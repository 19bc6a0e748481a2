"""A question that the bank does not answer: put aside, asked again, it stops nothing else."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import bank_rail_world as w
import pytest
from bank_rail_world import DESK, Known, Paper, instruction, query, recall
from iso20022_world import status_report

from supplytwin.schemas import codec
from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.ids import settlement_id
from supplytwin.schemas.records import (
    CONTROL,
    INSTRUCTIONS,
    RECEIPTS,
    SENT,
    SETTLEMENT_EVENTS,
    Instruction,
    Receipt,
    SentMessage,
)
from supplytwin.sinks import asking
from supplytwin.sinks.bank_rail import Asked, BankRail
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.streams.audit_run import read
from supplytwin.streams.gateway import Gateway
from supplytwin.streams.gateway_aside import Aside
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import TopicPartition, TopicSpec
from supplytwin.streams.topics import GATEWAY_GROUP

OTHERS = [settlement_id(w.CONTRACT, "T1", f"lot-{number}") for number in (2, 3)]
AT = TopicPartition(INSTRUCTIONS, 0)


class Silent(Paper):
    """A bank whose status address fails for some payments, or for all."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: Callable[[SentMessage], bool] = lambda _: True

    def ask(self, kept: SentMessage) -> Asked | None:
        self.asked.append(kept.settlement_id)
        if self.fails(kept):
            raise TransientError("GET status: HTTP 500")
        return Asked(known=True, data=status_report(sent_of(kept), "ACSP"))


class Desk:
    """A gateway in memory, which is given instructions."""

    def __init__(self) -> None:
        self.paper = Silent()
        self.broker = MemoryBroker()
        topics = (INSTRUCTIONS, CONTROL, SENT, RECEIPTS, SETTLEMENT_EVENTS)
        admin = self.broker.admin()
        admin.create(
            [TopicSpec(name=one, partitions=1, replication=1, config={}) for one in topics]
        )
        places = [TopicPartition(one, 0) for one in topics[:3]]
        admin.commit(GATEWAY_GROUP, dict.fromkeys(places, 0))
        self.worker = self.broker.producer("worker")
        self.worker.init(5)
        self.gateway = self.start()

    def start(self) -> Gateway:
        """As a new process."""
        rail = BankRail(self.paper, DESK, Known())
        return Gateway(self.broker, rail, partitions=1, simulated=False)

    def say(self, *orders: Instruction) -> None:
        """The worker instructs, and the gateway turns."""
        self.worker.begin()
        for order in orders:
            self.worker.produce(INSTRUCTIONS, b"PO-1", codec.encode(INSTRUCTIONS, order))
        self.worker.commit()
        self.turn()

    def turn(self, times: int = 10) -> None:
        for _ in range(times):
            self.gateway.turn(0.0)

    def delivered(self) -> list[tuple[str, str]]:
        return [(one.kind, one.settlement_id) for one in self.paper.delivered]

    def told(self) -> list[tuple[str, str, int]]:
        """(settlement, status, number) of what answers questions."""
        values = [
            codec.decode(RECEIPTS, record.value or b"").message
            for record in read(self.broker, TopicPartition(RECEIPTS, 0), None, lambda *_: None)
        ]
        return [
            (one.settlement_id, one.rail_status, one.query_no)
            for one in values
            if isinstance(one, Receipt) and one.kind == "QUERY"
        ]

    def committed(self) -> int | None:
        return self.broker.admin().committed(GATEWAY_GROUP, [AT])[AT]

    def end(self) -> int:
        return self.broker.admin().ends([AT], "read_uncommitted")[AT]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Without pauses; one payment is at the bank."""
    monkeypatch.setattr(asking, "PAUSE_S", 0.0)
    made = Desk()
    made.say(instruction())
    yield made
    made.gateway.close()
    made.broker.close()


def test_payments_and_recalls_go_on_behind_a_question(desk: Desk) -> None:
    """Whatever its address says, what is behind it goes out in its order; the question is not
    committed as asked before it is, and answered once the bank does.
    """
    desk.say(query(), instruction(settlement_id=OTHERS[0]), recall())
    assert desk.delivered() == [
        ("PAY", w.SETTLEMENT), ("PAY", OTHERS[0]), ("RECALL", w.SETTLEMENT),
    ]  # fmt: skip
    before = desk.committed()
    assert before is not None
    assert before < desk.end()
    assert len(desk.paper.asked) > 1
    assert desk.told() == []
    desk.paper.fails = lambda _: False
    desk.turn()
    assert desk.told() == [(w.SETTLEMENT, "ACSP", 1)]
    assert desk.committed() == desk.end()


def test_one_that_is_never_answered_holds_up_no_other_question(desk: Desk) -> None:
    """They are asked in turn."""
    desk.say(*(instruction(settlement_id=one) for one in OTHERS))
    desk.say(query(), *(query(settlement_id=one) for one in OTHERS))
    assert desk.told() == []
    desk.paper.fails = lambda kept: kept.settlement_id == w.SETTLEMENT
    desk.turn()
    assert sorted(one for one, _, _ in desk.told()) == sorted(OTHERS)
    assert (desk.committed() or 0) < desk.end()


def test_a_new_process_asks_again_and_sends_the_same_bytes(desk: Desk) -> None:
    """What is behind the question is read again, too: same ids, same bytes, no second payment."""
    desk.say(query(), instruction(settlement_id=OTHERS[0]))
    desk.gateway.close()
    desk.gateway = desk.start()
    desk.turn()
    bodies = {one.message_id: one.body for one in desk.paper.delivered}
    assert len(bodies) == 2
    assert all(bodies[one.message_id] == one.body for one in desk.paper.delivered)
    desk.paper.fails = lambda _: False
    desk.turn()
    assert desk.told() == [(w.SETTLEMENT, "ACSP", 1)]
    assert desk.committed() == desk.end()


def test_failures_are_further_and_further_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bank that takes its time to fail is not asked all the time; after an answer all go on."""
    now = [0.0]
    monkeypatch.setattr(asking.time, "monotonic", lambda: now[0])
    tried, good = list[float](), [False]

    def put(order: Instruction) -> None:
        tried.append(now[0])
        if not good[0]:
            raise TransientError("no")

    aside = Aside(put)
    aside.add(AT, 5, query())
    aside.add(AT, 4, query(query_no=2))
    for second in range(200):
        now[0] = float(second)
        aside.go_on()
    gaps = [round(b - a) for a, b in pairwise(tried)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60]
    assert aside.held({AT: 9}) == {AT: 4}
    good[0], now[0] = True, 300.0
    aside.go_on()
    assert tried[-2:] == [300.0, 300.0]
    assert aside.held({AT: 9}) == {AT: 9}
