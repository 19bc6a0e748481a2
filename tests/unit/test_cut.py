"""The cut: what is folded, what waits, when a tick is handled, and who is decided."""

import pytest

from supplytwin.schemas import journal
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import CONTROL, QUARANTINE, Control
from supplytwin.streams.consume import Item
from supplytwin.streams.cut import Cut, Tick, handle, shape, take
from supplytwin.streams.ports import Eof, TopicPartition
from supplytwin.streams.quarantine import Limits
from supplytwin.streams.store import Overlay, Store
from supplytwin.streams.testing import Fact, Gate, GateState

PAPERS, PARCELS = TopicPartition("papers", 0), TopicPartition("parcels", 0)
TICKS = TopicPartition(CONTROL, 0)
PLACES = (PAPERS, PARCELS, TICKS)


def fact(topic: str, offset: int, key: str, says: str, *, at: float = 0.0) -> Item:
    body = f'{{"id":"{topic}{offset}","says":"{says}"}}'.encode()
    record = Record(
        topic=topic, partition=0, offset=offset, arrival=1, key=key.encode(), value=body
    )
    message = Fact(id=f"{topic}{offset}", says=says)
    return Item(
        record,
        Input(record=record, key=key, message=message, fingerprint=0, content_hash=bytes(32)),
        at,
    )


def control(offset: int, time: int, *, kind: str = "TICK", at: float = 0.0) -> Item:
    message = Control(input_id=f"c{offset}", kind=kind, tick_time=Micros(time), timeline="t")
    record = Record(topic=CONTROL, partition=0, offset=offset, arrival=1, key=b"@p0", value=b"c")
    return Item(
        record,
        Input(record=record, key="@p0", message=message, fingerprint=0, content_hash=bytes(32)),
        at,
    )


class Desk:
    """One partition number without a broker: give it records, ends and answers."""

    def __init__(self) -> None:
        self.cut = Cut(dict.fromkeys(PLACES, 0), TICKS)
        self.store: Store[GateState] = Store(0, Gate())
        self.overlay = self.fresh()

    def fresh(self) -> Overlay[GateState]:
        return Overlay(self.store, Limits(), QUARANTINE)

    def consume(self, *items: Item, at: float = 0.0) -> None:
        for item in items:
            self.cut.passed(item.record, at)
        take(self.overlay, self.cut, items, at)

    def end(self, where: TopicPartition, offset: int, at: float = 0.0) -> None:
        self.cut.passed(Eof(where.topic, where.partition, offset), at)

    def answer(self, first: tuple[int, int, int], second: tuple[int, int, int]) -> None:
        assert self.cut.wants_answers
        self.cut.answered(
            dict(zip(PLACES, first, strict=True)), dict(zip(PLACES, second, strict=True))
        )

    def handle(self, at: float = 0.0) -> None:
        assert self.cut.complete
        handle(self.overlay, self.cut, shape, at)

    def said(self, key: str) -> set[str]:
        return self.overlay.state(key).standing

    def decided(self, key: str) -> str:
        return self.overlay.state(key).decided


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_without_a_tick_everything_is_folded_at_once(desk: Desk) -> None:
    """No tick, no cut: nothing waits."""
    desk.consume(fact("papers", 0, "k", "released"), fact("parcels", 0, "k", "received"))
    assert desk.said("k") == {"released", "received"}
    assert not desk.cut.waiting


def test_below_the_first_answers_is_folded_beyond_them_waits(desk: Desk) -> None:
    """After the answers are known, only records below the first answers are folded."""
    desk.consume(control(0, 60))
    desk.answer((1, 2, 1), (2, 2, 1))
    desk.consume(
        fact("papers", 0, "k", "released"),
        fact("papers", 1, "k", "hold"),
        fact("parcels", 1, "k", "received"),
        fact("papers", 2, "k", "unhold"),
    )
    assert desk.said("k") == {"released", "received"}
    assert [item.record.offset for item in desk.cut.waiting] == [1, 2]


@pytest.mark.parametrize("offset", [1, 2])
def test_what_cannot_be_read_may_speak_against_its_chain(desk: Desk, offset: int) -> None:
    """Below the second answers or beyond them: the chain under whose key it came is not decided."""
    desk.consume(control(0, 60))
    desk.answer((1, 1, 1), (2, 1, 1))
    desk.consume(
        fact("papers", 0, "k", "released"), fact("parcels", 0, "k", "received"),
        fact("papers", 0, "other", "released"), fact("parcels", 0, "other", "received"),
    )  # fmt: skip
    garbage = RecordError(Code.MALFORMED, "", "is garbage")
    if offset == 2:
        desk.consume(fact("papers", 1, "third", "note"))
    desk.consume(fact("papers", offset, "k", "hold")._replace(result=garbage))
    assert "k" in desk.cut.undecidable()
    desk.handle()
    assert not desk.decided("k")
    assert desk.decided("other")


def test_what_came_with_the_tick_is_folded_whatever_its_place(desk: Desk) -> None:
    """What was consumed before the question was sent lies below every answer."""
    desk.consume(
        fact("papers", 0, "k", "released"), control(0, 60), fact("parcels", 0, "k", "received")
    )
    assert desk.said("k") == {"released", "received"}


@pytest.mark.parametrize("missing", PLACES)
def test_a_cut_is_complete_when_every_input_was_read_to_its_second_answer(
    desk: Desk, missing: TopicPartition
) -> None:
    """One input that is one offset behind its second answer keeps the cut open."""
    desk.consume(control(0, 60))
    desk.answer((0, 0, 1), (4, 5, 2))
    for where, end in zip(PLACES, (4, 5, 2), strict=True):
        desk.end(where, end - (where == missing))
    assert not desk.cut.complete
    assert desk.cut.behind() == [missing]
    desk.end(missing, desk.cut.second[missing])
    assert desk.cut.complete


def test_an_end_behind_the_last_record_does_not_move_back(desk: Desk) -> None:
    """The own next offset is the later of last delivered + 1 and the offset of the end."""
    desk.consume(fact("papers", 6, "k", "released"))
    desk.end(PAPERS, 3)
    assert desk.cut.next[PAPERS] == 7
    desk.end(PAPERS, 9)
    assert desk.cut.next[PAPERS] == 9


def test_one_cut_handles_the_newest_of_the_ticks_asked_about(desk: Desk) -> None:
    """Of several pending ticks only the newest is handled; a later one is the next question."""
    desk.consume(control(0, 60), control(1, 70))
    desk.answer((0, 0, 2), (0, 0, 2))
    desk.consume(control(2, 80))
    assert not desk.cut.wants_answers, "one question at a time"
    desk.handle()
    assert desk.overlay.now == 70
    assert [tick.time for tick in desk.cut.ticks] == [80]
    assert desk.cut.wants_answers


def test_a_tick_that_is_not_later_than_the_last_has_no_effect(desk: Desk) -> None:
    """It is counted and asks no question; its offset may be committed."""
    desk.overlay.now = 60
    desk.consume(control(0, 60), control(1, 59))
    assert not desk.cut.wants_answers
    assert desk.overlay.counts["stale_ticks"] == 2
    assert desk.cut.offsets()[TICKS] == 2


def test_a_due_chain_is_decided_at_the_cut(desk: Desk) -> None:
    """Everything has been read: the chain is paid, and the tick is journalled before that."""
    desk.consume(
        fact("papers", 0, "k", "released"), fact("parcels", 0, "k", "received"), control(0, 60)
    )
    desk.answer((1, 1, 1), (1, 1, 1))
    desk.handle()
    assert desk.decided("k") == "pay"
    assert [write.key for write in desk.overlay.writes][-3:] == [b"@p0", b"k", b"k"]


def test_a_tick_that_decides_nothing_is_not_journalled(desk: Desk) -> None:
    """A tick leaves an entry only when it led to a decision."""
    desk.consume(fact("papers", 0, "k", "released"), control(0, 60))
    before = len(desk.overlay.writes)
    desk.answer((1, 0, 1), (1, 0, 1))
    desk.handle()
    assert desk.overlay.now == 60
    assert len(desk.overlay.writes) == before


def test_what_is_known_to_be_coming_bars_the_decision(desk: Desk) -> None:
    """Leaders answered apart: a waiting record below a second answer bars its chain."""
    desk.consume(control(0, 60))
    desk.answer((1, 1, 1), (2, 1, 1))
    desk.consume(
        fact("papers", 0, "k", "released"),
        fact("parcels", 0, "k", "received"),
        fact("papers", 1, "k", "note"),
    )
    desk.handle()
    assert desk.decided("k") == ""
    assert "note" in desk.said("k"), "what waited is folded after the tick"
    desk.consume(control(1, 70))
    desk.answer((2, 1, 2), (2, 1, 2))
    desk.handle()
    assert desk.decided("k") == "pay", "at the next cut nothing is coming any more"


def test_nobody_is_paid_with_the_hold_in_hand(desk: Desk) -> None:
    """A hold that waits beyond both answers changes the decision: none is taken."""
    desk.consume(control(0, 60))
    desk.answer((1, 1, 1), (1, 1, 1))
    desk.consume(
        fact("papers", 0, "k", "released"),
        fact("parcels", 0, "k", "received"),
        fact("papers", 1, "k", "hold"),
    )
    desk.handle()
    assert desk.decided("k") == ""
    assert "hold" in desk.said("k")


def test_a_harmless_record_in_hand_holds_nobody_up(desk: Desk) -> None:
    """A waiting record beyond both answers that would not change the decision lets it stand."""
    desk.consume(control(0, 60))
    desk.answer((1, 1, 1), (1, 1, 1))
    desk.consume(
        fact("papers", 0, "k", "released"),
        fact("parcels", 0, "k", "received"),
        fact("papers", 1, "k", "note"),
    )
    desk.handle()
    assert desk.decided("k") == "pay"


def test_a_gist_tells_decisions_of_one_shape_apart(desk: Desk) -> None:
    """Two decisions that write like records differ when the fold's own gist says so."""
    desk.consume(control(0, 60))
    desk.answer((2, 0, 1), (2, 0, 1))
    desk.consume(fact("papers", 0, "k", "by:50"), fact("papers", 1, "k", "released"))
    desk.consume(fact("papers", 2, "k", "note"))
    values = []

    def gist(step: object) -> object:
        values.append(step)
        return len(values)

    handle(desk.overlay, desk.cut, gist, 0.0)
    assert len(values) == 2
    assert desk.decided("k") == ""


def test_other_chains_are_decided_while_one_waits(desk: Desk) -> None:
    """What waits bars its own chain, not its neighbours."""
    desk.consume(control(0, 60))
    desk.answer((2, 2, 1), (3, 2, 1))
    desk.consume(
        fact("papers", 0, "a", "released"),
        fact("papers", 1, "b", "released"),
        fact("parcels", 0, "a", "received"),
        fact("parcels", 1, "b", "received"),
        fact("papers", 2, "b", "hold"),
    )
    desk.handle()
    assert (desk.decided("a"), desk.decided("b")) == ("pay", "")


def test_nothing_waits_longer_than_its_limit_and_the_cut_stays(desk: Desk) -> None:
    """After 1 s what waits is folded; that chain is decided at the next cut, others at this."""
    desk.consume(control(0, 60))
    desk.answer((2, 2, 1), (3, 2, 1))
    desk.consume(
        fact("papers", 0, "a", "released"),
        fact("papers", 1, "b", "released"),
        fact("parcels", 0, "a", "received"),
        fact("papers", 2, "b", "note", at=5.0),
        at=5.0,
    )
    desk.consume(at=6.0)
    assert "note" not in desk.said("b"), "exactly 1 s is not longer than 1 s"
    desk.consume(at=6.1)
    assert "note" in desk.said("b")
    assert desk.cut.asked is not None, "the cut stays"
    desk.consume(fact("parcels", 1, "b", "received"), at=6.2)
    desk.handle()
    assert (desk.decided("a"), desk.decided("b")) == ("pay", "")
    desk.consume(control(1, 70))
    desk.answer((3, 2, 2), (3, 2, 2))
    desk.handle()
    assert desk.decided("b") == "pay"


def test_offsets_stop_at_the_first_record_that_waits(desk: Desk) -> None:
    """Committed is, per input, the first waiting record, else the own next offset."""
    desk.consume(control(0, 60))
    desk.answer((1, 9, 1), (1, 9, 1))
    desk.consume(
        fact("papers", 0, "k", "released"),
        fact("papers", 1, "k", "note"),
        fact("papers", 2, "k", "hold"),
        fact("parcels", 0, "k", "received"),
    )
    assert desk.cut.offsets() == {PAPERS: 1, PARCELS: 1, TICKS: 0}
    desk.end(PARCELS, 9)
    desk.handle()
    assert desk.cut.offsets() == {PAPERS: 3, PARCELS: 9, TICKS: 1}


def test_control_is_committed_up_to_the_first_tick_not_handled(desk: Desk) -> None:
    """Other control records behind it are folded, not committed, and not folded twice."""
    desk.consume(control(0, 60), control(1, 0, kind="BREAKER"), control(2, 70))
    assert desk.cut.offsets()[TICKS] == 0
    assert desk.overlay.state("@p0").seq == 1
    desk.overlay.merge()
    desk.cut = Cut({PAPERS: 0, PARCELS: 0, TICKS: 0}, TICKS)
    desk.overlay = desk.fresh()
    desk.consume(control(0, 60), control(1, 0, kind="BREAKER"), control(2, 70))
    assert desk.overlay.state("@p0").seq == 1


def test_a_tick_that_cannot_be_journalled_decides_nothing(desk: Desk) -> None:
    """The fold refuses the tick: it goes to quarantine, and what it would have led to is left."""

    class Refusing(Gate):
        def step(self, state, item, now):  # type: ignore[no-untyped-def]
            if isinstance(item.message, Control):
                raise ZeroDivisionError
            return super().step(state, item, now)

    desk.store.fold = desk.overlay.fold = Refusing()
    desk.consume(
        fact("papers", 0, "k", "released"), fact("parcels", 0, "k", "received"), control(0, 60)
    )
    desk.answer((1, 1, 1), (1, 1, 1))
    desk.handle()
    assert desk.decided("k") == ""
    assert desk.overlay.refusals == {"FOLD_ERROR": 1}


def test_an_input_that_stands_still_is_named(desk: Desk) -> None:
    """Held up for longer than the limit: the inputs that are behind and do not move."""
    desk.consume(control(0, 60), at=0.0)
    desk.answer((0, 0, 1), (9, 9, 2))
    desk.end(TICKS, 2)
    assert not desk.cut.stalled(30.0, 30.0, ticks_expected=False)
    desk.consume(fact("papers", 0, "k", "released"), at=20.0)
    assert desk.cut.stalled(31.0, 30.0, ticks_expected=False) == [PARCELS]
    assert desk.cut.stalled(51.0, 30.0, ticks_expected=False) == [PAPERS, PARCELS]


def test_a_question_without_answer_is_named_too(desk: Desk) -> None:
    """A tick whose question stays unanswered stalls all inputs of its partition number."""
    desk.consume(control(0, 60), at=1.0)
    assert set(desk.cut.stalled(32.0, 30.0, ticks_expected=False)) == set(PLACES)


def test_ticks_that_stay_away_are_named_where_they_are_expected(desk: Desk) -> None:
    """In wall-clock time a silent control partition is an alarm; in simulated time it is not."""
    assert not desk.cut.stalled(0.0, 30.0, ticks_expected=True)
    assert desk.cut.stalled(31.0, 30.0, ticks_expected=True) == [TICKS]
    assert not desk.cut.stalled(31.0, 30.0, ticks_expected=False)


def test_a_tick_knows_its_place() -> None:
    """A pending tick is named by time and offset, and carries its input for the journal."""
    item = control(4, 60)
    assert not isinstance(item.result, Exception)
    tick = Tick(60, 4, item.result)
    cut = Cut(dict.fromkeys(PLACES, 0), TICKS)
    cut.next[TICKS] = 5
    cut.expect(tick, 0.0)
    assert cut.offsets()[TICKS] == 4


def test_control_records_that_wait_are_folded_before_the_decisions(desk: Desk) -> None:
    """What is in hand of keys or policies is in the journal before the tick and what it decides;
    facts that wait are folded behind it, and nothing twice.
    """
    desk.consume(
        fact("papers", 0, "k", "released"), fact("parcels", 0, "k", "received"), control(0, 60)
    )
    desk.answer((1, 1, 1), (1, 1, 2))
    desk.consume(control(1, 60, kind="KEY"), fact("papers", 1, "j", "released"))
    assert len(desk.cut.waiting) == 2
    before = len(desk.overlay.entries)
    desk.handle()
    told = [(one.key, journal.read(one.value or b"").kind) for one in desk.overlay.entries[before:]]
    assert told == [("@p0", "CONTROL"), ("@p0", "CONTROL"), ("k", "DECISION"), ("j", "FACT")]
    assert desk.overlay.control_next == 2
    assert not desk.cut.waiting
