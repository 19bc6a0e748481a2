"""Chains in a real worker over a broker in memory: contract, facts, receipts, ticks, restarts."""

import importlib.util
import sys
from pathlib import Path

from msgspec.structs import replace

from supplytwin.processors.chain import ChainFold, canonical_hash
from supplytwin.processors.closing import Closed, ClosingFold, gist
from supplytwin.schemas import codec, journal
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import (
    CONTRACTS,
    INSTRUCTIONS,
    JOURNAL,
    RECEIPTS,
    SETTLEMENT_EVENTS,
    Receipt,
)
from supplytwin.streams import deployment
from supplytwin.streams.intake import Intake
from supplytwin.streams.summary import fold_journal
from supplytwin.streams.testing import Driver
from supplytwin.streams.upkeep import UpkeepSettings
from supplytwin.streams.worker import WorkerSettings


def load(name):
    """A helper module that stands beside this one."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


w = load("settlement_world")
day, CHAIN = w.day, w.CHAIN
QUIET_DAYS = 90


class ChainDriver:
    """A worker of chains on one partition, one chain PO-1 with one claim, and its rail."""

    def __init__(self, close_after_days=QUIET_DAYS, upkeep=None, **options):
        settings = WorkerSettings(
            simulated=True, poll_s=0.0, upkeep=UpkeepSettings() if upkeep is None else upkeep
        )
        fold = ClosingFold(ChainFold("test"), close_after_days * DAY_US)
        self.driver = Driver(
            fold, Intake(), topics=deployment.TOPICS, settings=settings, gist=gist, **options
        )
        self.ids = 0

    # -- what is sent

    def send(self, topic, message, at):
        """Append one message that arrives at `at`, and let the worker take it."""
        self.driver.send(
            topic, message.chain_id, codec.encode(topic, message), timestamp_us=at // 1000 * 1000
        )
        self.driver.settle()

    def fact(self, event, at=None):
        self.send(event.TOPIC, event, event.event_time if at is None else at)

    def tick(self, at):
        self.driver.tick(at)
        self.driver.settle()

    def receipt(self, kind, status, at, *, input_id=None, **fields):
        """The rail's answer to the last instruction of a kind."""
        self.ids += 1
        order = [one for one in self.instructions() if one.kind == kind][-1]
        base = {
            "input_id": input_id or f"receipt-{self.ids}", "source": "rail", "chain_id": CHAIN,
            "contract_id": order.contract_id, "settlement_id": order.settlement_id, "kind": kind,
            "instruction_no": order.instruction_no, "attempt": order.attempt,
            "hold_no": order.hold_no, "recall_no": order.recall_no, "query_no": order.query_no,
            "rail_status": status, "rail_time": at,
        }  # fmt: skip
        if status in ("CONFIRMED", "ACSC", "BOOKED"):
            base["amount_minor"], base["currency"] = order.amount_minor, order.currency
        message = Receipt(**{**base, **fields})
        self.send(RECEIPTS, message, at)
        return message

    # -- ways to a state

    def paid(self):
        """Agreed, reserved, proved on day 30, instructed on day 31, booked on day 32, cut."""
        self.contract = w.contract(w.contract_terms())
        self.send(CONTRACTS, self.contract, day(0))
        self.tick(day(1))
        self.receipt("RESERVE", "CONFIRMED", day(2), hold_expires=day(300))
        self.proofs = [message for message, _ in w.proofs()]
        for message in self.proofs:
            self.fact(message)
        self.tick(day(31))
        self.booked = self.receipt("PAY", "ACSC", day(32), entry_id="E-1")
        self.tick(day(33))
        return self

    def closed(self):
        """Paid, and closed at the first tick that is QUIET_DAYS later than the last entry."""
        self.paid()
        self.tick(day(34 + QUIET_DAYS))
        assert isinstance(self.state, Closed)
        return self

    def restart(self):
        self.driver.worker.close()
        self.driver.restart()
        self.driver.settle()

    # -- what came of it

    @property
    def state(self):
        return self.driver.state(CHAIN)

    @property
    def claim(self):
        (claim,) = self.state.book.claims.values()
        return claim

    def read(self, topic):
        return [codec.decode(topic, r.value or b"").message for r in self.driver.read(topic)]

    def instructions(self):
        return self.read(INSTRUCTIONS)

    def pays(self):
        return [one for one in self.instructions() if one.kind == "PAY"]

    def rows(self):
        return [one.row for one in self.read(SETTLEMENT_EVENTS)]

    def kinds(self):
        """Kinds of the chain's journal entries, in order."""
        entries = [journal.read(r.value or b"") for r in self.driver.read(JOURNAL)]
        return [entry.kind for entry in entries if entry.chain_id == CHAIN]

    def counted(self, what):
        return self.driver.worker.metrics.value("supplytwin_folded_total", what=what)

    def hashes(self):
        return fold_journal(self.driver.broker, self.driver.partitions)


def settled_memory(states):
    """States without the hints that a cut refines and a restore does not know."""
    return {
        key: state
        if isinstance(state, Closed)
        else replace(
            state,
            touched=True,
            kept_seq=-1,
            index=0,
            book=replace(state.book, agenda=None),
        )
        for key, state in states.items()
    }


def hash_of(state):
    return canonical_hash(state)
