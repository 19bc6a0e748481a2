"""A rail with a bank of paper: what is handed over is kept, and the bank says what a test wants."""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any

from iso20022_world import BUYER, NOW, SELLER

from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.ids import Micros, settlement_id, uetr
from supplytwin.schemas.records import Instruction, Receipt, SentMessage, SettlementEvent
from supplytwin.sinks.bank_rail import Asked, BankRail, Document
from supplytwin.sinks.bank_rail_messages import Desk, sent_of
from supplytwin.sinks.bank_rail_terms import Funding, Holds, Paying
from supplytwin.sinks.iso20022_out import Sent
from supplytwin.sinks.rail import Alive, hand_over

CONTRACT = "C-2026-1"
TERMS = "5" * 64
SETTLEMENT = settlement_id(CONTRACT, "T1", "lot-1")
DESK = Desk(initiator="Desk", agent=BUYER.agent, zone="UTC", rail="iso20022-EBILAEAD")
DAY = dt.date(2026, 11, 19)


def instruction(kind: str = "PAY", **changes: Any) -> Instruction:
    """An instruction of 240,000.50 CNY, attempt 1."""
    settlement, attempt = changes.get("settlement_id", SETTLEMENT), changes.get("attempt", 1)
    fields: dict[str, Any] = {
        "chain_id": "PO-1", "seq": 7, "index": 0, "fold_version": "1", "taken_at": NOW,
        "timeline": "wall", "instruction_id": f"{settlement[:28]}-2", "instruction_no": 2,
        "settlement_id": settlement, "contract_id": CONTRACT, "tranche_id": "T1",
        "claim_id": "lot-1", "kind": kind, "attempt": attempt, "hold_no": 1, "recall_no": 0,
        "query_no": 0, "amount_minor": 24_000_050, "currency": "CNY", "exponent": 2,
        "debtor": "B", "creditor": "S", "hold_until": Micros(NOW + 10**12),
        "end_to_end_id": settlement, "uetr": uetr(settlement, attempt), "terms_hash": TERMS,
    }  # fmt: skip
    return Instruction(**{**fields, **changes})


def recall(**changes: Any) -> Instruction:
    """The first recall of the payment."""
    return instruction("RECALL", **{"recall_no": 1, "instruction_no": 3, **changes})


def query(**changes: Any) -> Instruction:
    """The first question about the payment."""
    return instruction("QUERY", **{"query_no": 1, "instruction_no": 4, **changes})


class Known:
    """Parties of some contracts."""

    def __init__(self, funding: Funding = Funding.BANK_UNDERTAKING, **changes: Any) -> None:
        fields = {"debtor": BUYER, "creditor": SELLER, "funding": funding}
        self.paying = Paying(**{**fields, "purpose_code": "CGODDR", **changes})

    def of(self, order: Instruction) -> Paying | None:
        """What it knows."""
        return self.paying if order.contract_id == CONTRACT else None


class Paper:
    """A carrier without a way: lists of what was handed over and what is to be read."""

    def __init__(self) -> None:
        self.alive: Alive = lambda: None
        self.delivered: list[SentMessage] = []
        self.mail: list[Document] = []
        self.confirmed: list[str] = []
        self.refused: list[str] = []
        self.knows: dict[str, Asked] = {}
        self.asked: list[str] = []
        self.away = False

    def bring(self, *documents: bytes) -> None:
        """The bank sends these."""
        for data in documents:
            self.mail.append(Document(name=f"doc-{len(self.mail)}", data=data))

    def _reach(self) -> None:
        if self.away:
            raise TransientError("nobody answers")

    def deliver(self, kept: SentMessage) -> None:
        self._reach()
        self.delivered.append(kept)

    def arrivals(self, known: Collection[str]) -> list[Document]:
        self._reach()
        done = {*self.confirmed, *self.refused, *known}
        return [one for one in self.mail if one.name not in done]

    def confirm(self, document: Document) -> None:
        self.confirmed.append(document.name)

    def refuse(self, document: Document) -> None:
        self.refused.append(document.name)

    def ask(self, kept: SentMessage) -> Asked | None:
        self._reach()
        self.asked.append(kept.message_id)
        return self.knows.get(kept.message_id)

    def received(self) -> Iterator[Document]:
        return iter(self.mail)

    def close(self) -> None:
        """Nothing is open."""


class Desktop:
    """A rail over paper, and what the gateway does with it: keep first, then hand over."""

    def __init__(self, parties: Known | None = None, holds: Holds | None = None) -> None:
        self.paper = Paper()
        self.parties, self.holds = parties or Known(), holds
        self.kept: list[SentMessage | Receipt] = []
        self.rail = self.new()

    def new(self) -> BankRail:
        """The rail of another process: it has the paper, and what was kept."""
        self.rail = BankRail(self.paper, DESK, self.parties, self.holds)
        for kind in (SentMessage, Receipt):
            for one in self.kept:
                if isinstance(one, kind):
                    self.rail.remember(one)
        return self.rail

    def give(self, order: Instruction) -> SentMessage | None:
        """As the gateway does it; the message that was kept for it."""
        draft = self.rail.draft(order)
        if draft is None:
            hand_over(self.rail, order)
            return None
        self.kept.append(draft)
        hand_over(self.rail, draft)
        return draft

    def paid(self) -> Sent:
        """The payment is handed over; its ids."""
        draft = self.give(instruction())
        assert draft is not None
        return sent_of(draft)

    def hear(self, *documents: bytes) -> list[Receipt]:
        """The bank sends these; what is told of them, published and acknowledged."""
        self.paper.bring(*documents)
        return self.publish()

    def publish(self) -> list[Receipt]:
        """All that is to be told, published and acknowledged."""
        told = [one.receipt for one in self.rail.answers(0)]
        self.kept += told
        self.rail.acknowledge([one.input_id for one in told])
        return told

    def statuses(self, *documents: bytes) -> list[tuple[str, str, str | None]]:
        """(kind, status, reason) of what is told."""
        return [(one.kind, one.rail_status, one.rail_reason) for one in self.hear(*documents)]


def posted(row: int, *lines: str, settlement: str = SETTLEMENT, at: int = NOW) -> SettlementEvent:
    """A transition that posts these lines."""
    return SettlementEvent(
        chain_id="PO-1", seq=row, index=0, fold_version="1", taken_at=Micros(at), timeline="wall",
        contract_id=CONTRACT, contract_seq=row, settlement_id=settlement, tranche_id="T1",
        claim_id="lot-1", row=row, from_state="", to_state="", public_state="",
        cause_chain_id=None, cause_seq=None, tick_time=Micros(at), rule_version="1", verdict=None,
        evidence_ids=(), amount_minor=24_000_050, currency="CNY", postings=lines, reason="",
    )  # fmt: skip


def instructed(settlement: str = SETTLEMENT) -> SettlementEvent:
    """Row 21: the money is in flight."""
    return posted(21, "reserved;-24000050", "in_flight;24000050", settlement=settlement)


def settled(settlement: str = SETTLEMENT, at: int = NOW) -> SettlementEvent:
    """Row 23: the money is the seller's."""
    return posted(23, "in_flight;-24000050", "seller;24000050", settlement=settlement, at=at)
