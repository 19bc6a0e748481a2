"""What every rail keeps, so that nobody is paid twice: one suite, every implementation.

The gateway's part is done as the gateway does it: what a rail wants kept is kept before it is
handed over, and a new process is given all of it. The witness is what the other side has booked.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import bank_rail_world as w
import pytest
from bank_rail_world import instruction, query, recall
from iso20022_world import entry, notification, status_report

from supplytwin.schemas.records import Instruction, Receipt, SentMessage
from supplytwin.sinks.bank_rail import BankRail
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.sinks.rail import Rail, hand_over
from supplytwin.sinks.simulated_rail import INSTANT, Behaviour, SimulatedRail, booked

LATE = w.NOW + 10**15
NOBODY = dict.fromkeys(Behaviour.__struct_fields__, 0)


class Other(Protocol):
    """The other side, and a rail that leads to it."""

    def opened(self) -> Rail:
        """The rail of a new process."""

    def paid(self) -> int:
        """How often the settlement was booked."""


class Simulated:
    """The rail without a bank."""

    def __init__(self, folder: Path, *, rejects: bool) -> None:
        self._path = folder / "rail.sqlite"
        self._behaviour = Behaviour(**{**NOBODY, "reject": 1000 if rejects else 0})

    def opened(self) -> Rail:
        return SimulatedRail(self._path, behaviour=self._behaviour, delays=INSTANT)

    def paid(self) -> int:
        return len(booked(self._path).get(w.SETTLEMENT, []))


class Bank(w.Paper):
    """A bank that books, or rejects, each message once, by its MsgId, and says so."""

    def __init__(self, *, rejects: bool) -> None:
        super().__init__()
        self._rejects, self._taken = rejects, set[str]()

    def opened(self) -> Rail:
        return BankRail(self, w.DESK, w.Known())

    def deliver(self, kept: SentMessage) -> None:
        if kept.kind != "PAY" or kept.message_id in self._taken:
            return
        self._taken.add(kept.message_id)
        sent = sent_of(kept)
        if self._rejects:
            self.bring(status_report(sent, "RJCT", "AC04"))
        else:
            self.bring(status_report(sent, "ACCP"), notification(entry(sent)))

    def paid(self) -> int:
        return 0 if self._rejects else len(self._taken)


class Hands:
    """What the gateway does."""

    def __init__(self, other: Other) -> None:
        self._other = other
        self.kept: list[SentMessage | Receipt] = []
        self.rail = other.opened()

    def give(self, *orders: Instruction) -> None:
        """Keep, then hand over."""
        for order in orders:
            draft = self.rail.draft(order)
            if draft is not None:
                self.kept.append(draft)
            hand_over(self.rail, order if draft is None else draft)

    def restart(self) -> None:
        """Another process."""
        self.rail.close()
        self.rail = self._other.opened()
        for kind in (SentMessage, Receipt):
            for one in self.kept:
                if isinstance(one, kind):
                    self.rail.remember(one)

    def told(self) -> list[Receipt]:
        """All that is due, published and acknowledged."""
        found = [one.receipt for one in self.rail.answers(LATE)]
        self.kept += found
        self.rail.acknowledge([one.input_id for one in found])
        return found


@pytest.fixture(params=["simulated", "bank"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which implementation."""
    return str(request.param)


def other(kind: str, folder: Path, *, rejects: bool = False) -> Other:
    """The other side of this kind."""
    return Simulated(folder, rejects=rejects) if kind == "simulated" else Bank(rejects=rejects)


@pytest.fixture
def side(kind: str, tmp_path: Path) -> Other:
    """One that books everything."""
    return other(kind, tmp_path)


@pytest.fixture
def hands(side: Other) -> Iterator[Hands]:
    """Hands on a rail to it."""
    one = Hands(side)
    yield one
    one.rail.close()


def test_the_same_instruction_is_one_act(side: Other, hands: Hands) -> None:
    """Given three times, with a new process in between, a payment is booked once, and every answer
    has the id that it had.
    """
    hands.give(instruction(), instruction())
    first = hands.told()
    hands.restart()
    hands.give(instruction())
    again = hands.told()
    assert side.paid() == 1
    assert {one.input_id for one in again} <= {one.input_id for one in first}
    assert {"BOOKED", "ACSC"} & {one.rail_status for one in first}


def test_an_answer_stays_until_it_is_acknowledged(hands: Hands) -> None:
    """Asked twice, and by a new process: the same receipts; acknowledged, no more."""
    hands.give(instruction())
    first = hands.rail.answers(LATE)
    assert first == hands.rail.answers(LATE)
    hands.restart()
    assert hands.rail.answers(LATE) == first
    assert len(hands.told()) == len(first)
    assert hands.rail.answers(LATE) == []


def test_what_was_told_can_be_asked_for_again(hands: Hands) -> None:
    """About these settlements, the same receipts, acknowledged or not."""
    hands.give(instruction())
    told = hands.told()
    hands.restart()
    again = [one.receipt for one in hands.rail.told({w.SETTLEMENT}, LATE)]
    assert sorted(again, key=str) == sorted(told, key=str)
    assert hands.rail.told({"0" * 32}, LATE) == []


def test_a_hold_is_asked_for_once(hands: Hands) -> None:
    """The same RESERVE has the same answer, whatever becomes of holds there."""
    hands.give(instruction("RESERVE"))
    (first,) = hands.told()
    hands.restart()
    hands.give(instruction("RESERVE"))
    assert hands.told() in ([], [first])
    assert first.rail_status == "CONFIRMED"
    hands.give(instruction("RELEASE"))
    assert [one.rail_status for one in hands.told()] == ["RELEASED"]


def test_a_recall_of_what_was_never_sent_kills_it(side: Other, hands: Hands) -> None:
    """CNCL, and the payment that comes after it is never booked."""
    hands.give(recall())
    assert [one.rail_status for one in hands.told()] == ["CNCL"]
    hands.restart()
    hands.give(instruction(), instruction())
    assert "BOOKED" not in {one.rail_status for one in hands.told()}
    assert side.paid() == 0


def test_a_rejection_is_final(kind: str, tmp_path: Path) -> None:
    """Given again, nothing is booked and nothing else is said."""
    side = other(kind, tmp_path, rejects=True)
    hands = Hands(side)
    hands.give(instruction())
    assert {one.rail_status for one in hands.told()} == {"RJCT"}
    hands.restart()
    hands.give(instruction())
    assert {one.rail_status for one in hands.told()} <= {"RJCT"}
    assert side.paid() == 0
    hands.rail.close()


def test_a_question_moves_no_money(side: Other, hands: Hands) -> None:
    """Asked about before and after it is paid: one booking."""
    hands.give(query(), instruction(), query(query_no=2), query(query_no=3))
    hands.told()
    assert side.paid() == 1


def test_a_kind_that_is_none_is_refused(hands: Hands) -> None:
    """Nothing is guessed about an instruction of another kind."""
    with pytest.raises(KeyError):
        hand_over(hands.rail, instruction("REFUND"))


def test_forgetting_and_remembering_changes_nothing(hands: Hands) -> None:
    """What Kafka has is all that a rail needs."""
    hands.give(instruction())
    told = hands.told()
    hands.rail.forget()
    for one in hands.kept:
        hands.rail.remember(one)
    hands.give(instruction())
    assert set(hands.told()) <= set(told)
    assert hands.rail.statements() == 0
    assert hands.rail.close_day(()) == []
