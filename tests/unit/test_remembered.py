"""What is refused before a contract holds its claims as what is refused after it does."""

import fold_world as fw
import pytest
import settlement_world as w

from supplytwin.processors.chain import ChainFold, ChainState, canonical
from supplytwin.processors.closing import Closed, ClosingFold
from supplytwin.processors.remembered import MORE, PLACES_MAX
from supplytwin.schemas import codec
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import CUSTOMS
from supplytwin.schemas.flow import Input, Message, Output, Record
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import (
    CONTRACTS,
    EVERY,
    INSTRUCTIONS,
    JOURNAL,
    QUARANTINE_DESK,
    RECEIPTS,
    REVIEWS,
    Instruction,
    Review,
    refused_record,
)

GARBAGE = RecordError(Code.FUTURE, "event_time", "is ahead")
PROOFS = tuple(pair[0] for pair in w.proofs())


def item(topic: str, message, offset: int = 0) -> Input:
    sent = Message(topic=topic, key=w.CHAIN, arrival=w.day(30), body=message)
    found: Input = fw.decoded(sent, offset)
    return found


def garbage(offset: int) -> Record:
    return Record(topic=CUSTOMS, partition=0, offset=offset, arrival=w.day(30),
                  key=w.CHAIN.encode(), value=b"?")  # fmt: skip


class Desk:
    """One chain, live, with its journal."""

    def __init__(self, fold=None):
        self.fold = ChainFold("t") if fold is None else fold
        self.state = self.fold.new(w.CHAIN)
        self.now = w.day(30)
        self.entries: list[Output] = []
        self.kinds: list[str] = []
        self.open: list[Instruction] = []

    def _did(self, step):
        if step is None:
            return
        self.state = step.state
        self.entries += step.entries
        orders = [codec.decode(INSTRUCTIONS, one.value).message for one in step.outputs
                  if one.topic == INSTRUCTIONS]  # fmt: skip
        self.kinds += [order.kind for order in orders]
        self.open = [order for order in orders if order.kind != "RESERVE"] or self.open
        for order in orders:
            if order.kind == "RESERVE":
                self.answer(order)

    def answer(self, order):
        """As a rail that agrees."""
        for answer in fw._answers(order, self.now):
            self.take(RECEIPTS, answer)

    def take(self, topic, message):
        self._did(self.fold.step(self.state, item(topic, message), self.now))

    def refuse(self, offset=0):
        self._did(self.fold.refused(self.state, garbage(offset), GARBAGE, self.now))

    def agree(self):
        self.take(CONTRACTS, w.contract(w.contract_terms(funding_deadline=w.day(40))))

    def prove(self):
        for proof in PROOFS:
            self.take(proof.TOPIC, proof)

    def cut(self, number):
        self.now = w.day(number)
        self._did(self.fold.decide(self.state, self.now))

    def act(self, *offsets, verdict="DROP_RECORD", more=()):
        cleared = tuple(f"{QUARANTINE_DESK}/{refused_record(CUSTOMS, 0, at)}" for at in offsets)
        self.take(REVIEWS, Review(
            input_id=f"{verdict} {offsets}", source="supplytwin:operator", chain_id=w.CHAIN,
            contract_id=EVERY, settlement_id=EVERY, verdict=verdict, reviewer="olga",
            role="OPERATOR", reason="seen", cleared_ids=(*cleared, *more)))  # fmt: skip

    def restored(self):
        """The chain that its journal gives."""
        state = self.fold.new(w.CHAIN)
        for at, entry in enumerate(self.entries):
            record = Record(topic=JOURNAL, partition=0, offset=at, arrival=0,
                            key=w.CHAIN.encode(), value=entry.value)  # fmt: skip
            state = self.fold.rest(self.fold.restore(state, record)) if isinstance(
                self.fold, ClosingFold) else self.fold.restore(state, record)  # fmt: skip
        return state

    @property
    def claim(self):
        (claim,) = self.state.book.claims.values()
        return claim


@pytest.mark.parametrize("order", ["agree refuse prove", "refuse agree prove", "refuse prove agree",
                                   "prove refuse agree", "prove agree refuse"])  # fmt: skip
def test_the_order_of_a_refusal_and_the_contract_moves_no_money(order: str) -> None:
    """HELD, with its deadlines standing still, and nothing is paid, in every order."""
    desk = Desk()
    for what in order.split():
        getattr(desk, what)()
    desk.cut(31)
    desk.cut(34)
    key = f"{QUARANTINE_DESK}/{CUSTOMS}/0/0"
    assert (desk.claim.state, dict(desk.claim.standing)) == ("HELD", {key: ""})
    assert desk.claim.tolls_since == w.day(30)
    assert desk.claim.noted >= {key}
    assert desk.kinds == ["RESERVE"]
    assert desk.state.book.promises == desk_of("agree refuse prove").state.book.promises
    assert canonical(desk.restored()) == canonical(desk.state)
    assert desk.restored().book.claims == desk.state.book.claims


def desk_of(order: str) -> Desk:
    desk = Desk()
    for what in order.split():
        getattr(desk, what)()
    return desk


@pytest.mark.parametrize("order", ["refuse act agree prove", "refuse agree act prove",
                                   "refuse agree prove act"])  # fmt: skip
def test_an_act_of_an_operator_lets_it_go_on(order: str) -> None:
    """Before the contract or after it: the claim is instructed."""
    desk = Desk()
    for what in order.split():
        desk.act(0) if what == "act" else getattr(desk, what)()
    for number in range(31, 37):
        desk.cut(number)
    assert desk.claim.state == "INSTRUCTED"
    assert desk.claim.tolls_since is None
    assert desk.restored().book.claims == desk.state.book.claims


def test_each_refused_record_needs_its_act() -> None:
    """One of two is dealt with before the contract: the other one holds."""
    desk = Desk()
    desk.refuse(0)
    desk.refuse(1)
    desk.act(0)
    desk.agree()
    assert set(desk.claim.standing) == {f"{QUARANTINE_DESK}/{CUSTOMS}/0/1"}


def test_it_is_part_of_the_canonical_state_and_of_the_snapshot() -> None:
    """The number of refused records that wait; with the contract its claims say it."""
    desk, fold = Desk(), ClosingFold(ChainFold("t"))
    without = canonical(desk.state)
    desk.refuse()
    assert b'"settlement":{"refused":1}' in canonical(desk.state) != without
    assert canonical(desk.restored()) == canonical(desk.state)
    thawed = fold.thaw(fold.freeze(desk.state))
    assert isinstance(thawed, ChainState)
    assert thawed.book.refused == desk.state.book.refused
    desk.act(0)
    assert b'"settlement":null' in canonical(desk.state)


def test_a_flood_is_bounded_in_memory_and_in_the_journal() -> None:
    """PLACES_MAX places and a mark that there were more; then nothing is written any more. The mark
    holds, too, until a review names it.
    """
    desk = Desk()
    for at in range(PLACES_MAX + 50):
        desk.refuse(at)
    assert len(desk.entries) == PLACES_MAX + 1 == len(desk.state.book.refused)
    assert desk.restored().book.refused == desk.state.book.refused
    desk.act(*range(PLACES_MAX))
    assert desk.state.book.refused == {MORE}
    desk.refuse(1000)
    assert desk.state.book.refused == {MORE, f"{QUARANTINE_DESK}/{CUSTOMS}/0/1000"}
    desk.act(1000)
    desk.agree()
    desk.prove()
    desk.cut(31)
    assert desk.claim.state == "HELD"
    desk.act(more=(MORE,))
    for number in range(32, 38):
        desk.cut(number)
    assert desk.claim.state == "INSTRUCTED"


def test_nobody_else_makes_or_clears_such_a_mark() -> None:
    """A review QUARANTINE of a person, and an act of the desk itself, are no such thing."""
    desk = Desk()
    desk.act(0, verdict="QUARANTINE")
    assert not desk.state.book.refused


def test_a_contract_that_is_over_is_told_nothing() -> None:
    """Instructed: a refusal stands against another attempt. Paid: as ever, nothing is written about
    garbage.
    """
    desk = desk_of("agree prove")
    for number in range(31, 37):
        desk.cut(number)
    assert desk.claim.state == "INSTRUCTED"
    before = len(desk.entries)
    desk.refuse()
    assert len(desk.entries) == before + 1
    (order,) = desk.open
    desk.answer(order)
    assert desk.claim.state == "SETTLED"
    before = len(desk.entries)
    desk.refuse(1)
    assert len(desk.entries) == before


def test_a_chain_that_has_left_memory_remembers_it_in_its_journal() -> None:
    """Closed without a contract: told, bounded, a duplicate is still one, and whoever wakes it
    finds what was refused.
    """
    fold = ClosingFold(ChainFold("t"), DAY_US)
    desk = Desk(fold)
    desk.refuse(7)
    for number in (31, 32, 33):
        desk.cut(number)
    assert isinstance(desk.state, Closed)
    for at in range(PLACES_MAX + 50):
        desk.refuse(at + 100)
    assert isinstance(desk.state, Closed)
    assert desk.state.refused == PLACES_MAX + 1
    assert desk.restored() == desk.state
    again = item(CONTRACTS, w.contract(w.contract_terms()))
    assert fold.late(desk.state, again)
    records = [Record(topic=JOURNAL, partition=0, offset=at, arrival=0, key=w.CHAIN.encode(),
                      value=entry.value) for at, entry in enumerate(desk.entries)]  # fmt: skip
    woken = fold.wake(desk.state, fold.replay(records))
    assert isinstance(woken, ChainState)
    assert len(woken.book.refused) == PLACES_MAX + 1
    desk.state = woken
    desk.agree()
    assert len(desk.claim.standing) == PLACES_MAX + 1


def test_a_partition_of_control_records_is_no_chain() -> None:
    """Garbage under its key is nobody's: a journal entry about it could not be read again."""
    fold = ClosingFold(ChainFold("t"))
    assert fold.refused(fold.new("@p0"), garbage(0), GARBAGE, w.day(30)) is None


def test_a_refused_contract_does_not_hold_the_one_that_takes_its_place() -> None:
    """A buyer's mistake is corrected by publishing again."""
    desk = Desk()
    wrong = Record(topic=CONTRACTS, partition=0, offset=1, arrival=w.day(30),
                   key=w.CHAIN.encode(), value=b"?")  # fmt: skip
    assert desk.fold.refused(desk.state, wrong, GARBAGE, w.day(30)) is None
    assert desk.fold.refused(desk.state, garbage(1), GARBAGE, w.day(30)) is not None


def test_under_a_contract_the_journal_gives_what_is_open() -> None:
    """Refused before the contract and after it, dealt with or not: a restore and a snapshot know,
    and so does the claim that an amendment adds afterwards.
    """
    fold = ClosingFold(ChainFold("t"))
    desk = Desk(fold)
    desk.refuse(0)
    desk.refuse(1)
    desk.agree()
    desk.refuse(2)
    desk.refuse(3)
    desk.act(1, 3)
    assert desk.restored().book.refused == desk.state.book.refused
    thawed = fold.thaw(fold.freeze(desk.state))
    assert isinstance(thawed, ChainState)
    assert thawed.book.refused == desk.state.book.refused
    terms = w.contract_terms((w.claim_terms(1), w.claim_terms(2)), version=2,
                             funding_deadline=w.day(40))  # fmt: skip
    desk.take(CONTRACTS, w.with_(w.contract(terms), input_id="amended"))
    open_ = {f"{QUARANTINE_DESK}/{CUSTOMS}/0/{at}" for at in (0, 2)}
    for claim in desk.state.book.claims.values():
        assert set(claim.standing) - claim.cleared == open_
    assert len(desk.state.book.claims) == 2
    assert desk.restored().book.refused == desk.state.book.refused == open_
    assert desk.restored().book.claims == desk.state.book.claims
