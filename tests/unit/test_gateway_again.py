"""What is over, or kept already, does not go out again because something else holds the offset."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import bank_rail_world as w
import pytest
from bank_rail_world import instruction, query, recall
from iso20022_world import resolution
from test_gateway_questions import OTHERS, Desk

from supplytwin.schemas.records import SENT
from supplytwin.sinks import asking
from supplytwin.sinks import iso20022_ids as ids
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.streams import recovery
from supplytwin.streams.audit_run import read
from supplytwin.streams.ports import TopicPartition


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A question about another payment cannot be put; behind it one was paid and recalled."""
    monkeypatch.setattr(asking, "PAUSE_S", 0.0)
    made = Desk()
    made.say(instruction(settlement_id=OTHERS[0]), query(settlement_id=OTHERS[0]))
    made.say(instruction(), recall())
    yield made
    made.gateway.close()
    made.broker.close()


def restarted(desk: Desk) -> list[tuple[str, str]]:
    """What a new process hands over."""
    before = len(desk.delivered())
    desk.gateway.close()
    desk.gateway = desk.start()
    desk.turn()
    return desk.delivered()[before:]


def kept(desk: Desk) -> int:
    return len(list(read(desk.broker, TopicPartition(SENT, 0), None, lambda *_: None)))


@pytest.mark.parametrize("status", ["RJCR", "CNCL"])
def test_a_recall_that_is_over_does_not_go_out_again(desk: Desk, status: str) -> None:
    """The bank has said its last word about it: asked a second time it might take another case."""
    order = sent_of(desk.paper.delivered[1])
    case = ids.recall_id(w.SETTLEMENT, 1)
    desk.paper.bring(resolution(order, case, status=status, reason="CUST"))
    desk.turn()
    for _ in range(2):
        assert ("RECALL", w.SETTLEMENT) not in restarted(desk)


def test_what_is_kept_is_kept_once(desk: Desk) -> None:
    """Instructions are read again behind the question; their messages are in the log already, and
    were handed over from there.
    """
    assert kept(desk) == 3
    for _ in range(2):
        assert restarted(desk) == []
        assert kept(desk) == 3


def test_one_that_was_kept_and_not_handed_over_goes_out(desk: Desk) -> None:
    """The process died in between: the log has it, and from there it goes out, once."""
    desk.paper.away = True
    desk.say(instruction(settlement_id=OTHERS[1]))
    assert (kept(desk), len(desk.delivered())) == (4, 3)
    desk.paper.away = False
    assert restarted(desk) == [("PAY", OTHERS[1])]
    assert kept(desk) == 4


def test_another_instruction_for_the_same_payment_sends_it_again(desk: Desk) -> None:
    """The bank has not found it: not yet. The same bytes go out a second time."""
    desk.say(instruction(instruction_no=9))
    sent = [one for one in desk.paper.delivered if one.settlement_id == w.SETTLEMENT]
    assert [one.kind for one in sent] == ["PAY", "RECALL", "PAY"]
    assert sent[0].body == sent[2].body


def test_after_a_recovery_all_that_is_kept_goes_out_again(desk: Desk) -> None:
    """What was committed as handed over may be of a tail that is lost."""
    desk.gateway.close()
    meta: Any = SimpleNamespace(partitions=1)
    recovery._from_the_start(desk.broker, meta)
    orders = [("PAY", OTHERS[0]), ("PAY", w.SETTLEMENT), ("RECALL", w.SETTLEMENT)]
    assert restarted(desk) == orders
    assert kept(desk) == 3
