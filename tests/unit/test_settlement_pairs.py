"""Every pair of a state and an input event, through the whole fold of a chain: a row fires, with a
DECISION and its record; or nothing has moved, and the journal and an exception say what came.
"""

import pytest
import settlement_world as w
from msgspec.structs import replace
from test_settlement_table import ACTS, chain_in

from supplytwin.processors import settlement_table
from supplytwin.processors.chain import ChainFold
from supplytwin.processors.settlement_state import STATES
from supplytwin.schemas import codec, journal
from supplytwin.schemas.flow import Input, Record
from supplytwin.schemas.records import (
    CONTRACTS,
    EXCEPTIONS,
    INSTRUCTIONS,
    RECEIPTS,
    REVIEWS,
    SETTLEMENT_EVENTS,
    Contract,
    Receipt,
)

ALONE = ("ContractAgreed", "AmendmentAccepted")
"""Of terms: no act of the rail or of people."""
UNNUMBERED = ("ReconBreak", "RecordRefused", "RecordResolved", "MutualCancel", "Terminated")
"""Told of the contract or of a record: the answer names no event of the claim."""


class Folded(w.Chain):
    """Its last input goes through a fold of its own as well: `step` is what that made of it."""

    step = None

    def _ordered(self, message, outcome):
        topic = {Contract: CONTRACTS, Receipt: RECEIPTS}.get(type(message), REVIEWS)
        body = codec.encode(topic, message)
        record = Record(topic=topic, partition=0, offset=0, arrival=self.now, key=None, value=body)
        item = Input(record=record, key=w.CHAIN, message=message, fingerprint=0,
                     content_hash=w._hash(message))  # fmt: skip
        fold = ChainFold("test")
        state = replace(fold.new(w.CHAIN), book=self.book, twin=self.twin)
        self.step, self.after = None, state.book
        if outcome.verdict != "DUPLICATE":
            self.step = fold.step(state, item, self.now)
            self.after = self.step.state.book
        return super()._ordered(message, outcome)

    @property
    def entries(self):
        return [journal.read(one.value) for one in self.step.entries]

    def told(self, topic):
        """The records of the step on one topic."""
        return [codec.decode(topic, one.value).message for one in self.step.outputs
                if one.topic == topic]  # fmt: skip


def folded_in(state):
    made = chain_in(state)
    chain = Folded(made.terms)
    chain.__dict__ |= made.__dict__
    return chain


def _agreed_again(chain):
    message = replace(w.contract(chain.terms), input_id="contract-2")
    outcome = w.settlement.agree(chain.book, message, w._hash(message), chain.now)
    return chain._ordered(message, outcome)


def _amended(chain):
    return chain.amend(replace(chain.terms, version=2))


EVERY_ACT = {**ACTS, "ContractAgreed": _agreed_again, "AmendmentAccepted": _amended}


def test_every_event_of_an_input_has_an_act():
    """The list of events and the list of acts are one."""
    named = {act.split(" ")[0] for act in EVERY_ACT if act[0].isupper()}
    assert named == set(settlement_table.INPUT_EVENTS)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("act", EVERY_ACT)
def test_a_row_fires_or_the_reason_is_on_record(act, state):
    """Never nothing: of every pair the journal has the input, and either its decision, or the
    reason, or that it was one of an older hold, attempt or release.
    """
    chain = folded_in(state)
    outcome = EVERY_ACT[act](chain)
    event = act.split(" ")[0]
    assert chain.after == chain.book, "the fold of the chain takes what the table takes"
    entries = chain.entries
    assert entries[0].kind == "INPUT"
    decisions, found = chain.told(SETTLEMENT_EVENTS), chain.told(EXCEPTIONS)
    assert [one.kind for one in entries[1:]] == ["DECISION"] * len(decisions)
    assert [one.row for one in decisions] == [one.row for one in outcome.transitions]
    if decisions:
        assert [one.contract_seq for one in decisions] == list(
            range(decisions[0].contract_seq, decisions[0].contract_seq + len(decisions))
        )
        assert all(one.reason for one in decisions)
        if act[0].isupper():
            rows = {row.number for row in settlement_table.rows(state, event)} | {52}
            assert {one.row for one in decisions} <= rows
        return
    assert not chain.told(INSTRUCTIONS)
    assert chain.book.claims[chain.ids[0]].state == state
    if outcome.verdict in ("STALE", "NOTED"):
        assert chain.step.counts == (f"inputs_{outcome.verdict.lower()}",)
        assert not found
        return
    (told,) = found
    assert told.open and told.reason
    assert told.code == ("RECON_BREAK" if outcome.verdict == "CONFLICT" else "ILLEGAL_PAIR")
    if act[0].isupper() and event not in (*ALONE, *UNNUMBERED) and "on all" not in act:
        assert told.subject_id == chain.ids[0]
        assert told.reason.startswith(f"{event} in {state}")


@pytest.mark.parametrize("state", STATES)
def test_a_cut_of_every_state_records_what_it_decides(state):
    """At a cut past every deadline: each decision of a claim is an entry and a record, in order."""
    chain = folded_in(state)
    fold = ChainFold("test")
    before = replace(fold.new(w.CHAIN), book=chain.book, twin=chain.twin, touched=True)
    step = fold.decide(before, w.day(271))
    chain.step = step
    decisions = chain.told(SETTLEMENT_EVENTS)
    assert [one.kind for one in chain.entries] == ["DECISION"] * len(decisions)
    assert all(one.cause_seq is None and one.reason for one in decisions)
    rows = {row.number for row in settlement_table.rows(state, settlement_table.CUT)}
    assert {one.row for one in decisions[:1]} <= rows
    assert bool(decisions) == (step.state.book != before.book)
