"""What a rail knows of its payments: all of it read from Kafka, none of it kept anywhere else.

`settlement.sent` says what went out, `settlement.receipts` what has been told. From both follows
whose an answer is, under which id it is told, and which bookings no statement has shown yet.
"""

import hashlib
from collections.abc import Iterable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.schemas.findings import Finding, in_order
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import Instruction, Receipt, SentMessage
from supplytwin.sinks.bank_rail_doubts import OWN, Breaks, Published, difference_of
from supplytwin.sinks.bank_rail_entries import named, told_apart
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.sinks.iso20022_answers import Fault, Reading, Statement
from supplytwin.sinks.iso20022_out import Sent
from supplytwin.sinks.iso20022_sent import Doubt, Recalled, Told, attribute

MONEY = frozenset(("ACSC", "BOOKED", "RETURNED"))
"""Statuses that say that money has moved, how much and in which currency."""
_NO_RECEIPT = frozenset(("RCVD", "PART", "PDCR", "ANNOUNCED"))
"""They move no claim."""
_LAST_WORD = frozenset((*MONEY, "RJCT", "CNCL"))
"""After these the payment is never handed over again."""
_RECALL_OVER = frozenset(("CNCL", "RJCR"))
"""After these the recall is not."""
STATEMENT = "camt.053"
Key = tuple[str, int]


class Heard(Struct, frozen=True, kw_only=True, gc=False):
    """One booking or return that was told to its claim."""

    receipt: Receipt
    """The first that told it."""
    shown: str | None
    """The first statement that had it (`bank_rail_entries.statement_name`); "" = one that its
    receipt does not name, None = none has yet.
    """


class Understood(Struct, frozen=True, kw_only=True, gc=False):
    """What became of one document."""

    receipts: tuple[Receipt, ...]
    there_already: tuple[SentMessage, ...]
    """Payments whose repetition was rejected as one (DUPL): the bank is to be asked."""
    findings: tuple[Finding, ...]
    statements: tuple[Statement, ...]
    doubts: tuple[Doubt, ...]
    announced: tuple[Told, ...]
    """Returns that the account has to show (pacs.004)."""


class Ledger:
    """See the module. Bodies of what is over are not kept in memory."""

    def __init__(self, rail: str) -> None:
        self._rail = rail
        self._orders: dict[tuple[str, str, int], SentMessage] = {}
        self._dead: dict[Key, str] = {}
        self._elsewhere: dict[Key, str] = {}
        self._by_id: dict[str, list[Key]] = {}
        self._recalls: dict[str, list[SentMessage]] = {}
        self._heard: dict[str, dict[tuple[bool, str], Heard]] = {}
        self._published = Published(rail)

    # ---- what Kafka has

    def sent(self, kept: SentMessage) -> None:
        """Take one message that was kept, of any rail; the first under its ids counts."""
        number = kept.attempt if kept.kind == "PAY" else kept.recall_no
        key = (kept.kind, kept.settlement_id, number)
        paid = (kept.settlement_id, kept.attempt)
        known = ("PAY", *paid) in self._orders
        if kept.refused:
            if not known and paid not in self._elsewhere:
                self._dead.setdefault(paid, kept.refused)
            return
        if kept.rail != self._rail:
            if not known:
                self._elsewhere.setdefault(paid, kept.rail)
            return
        if key in self._orders:
            return
        if paid in self._elsewhere:
            kept = replace(kept, body=b"")  # it is heard, and not said again
        self._orders[key] = kept
        if kept.kind == "RECALL":
            alone = replace(kept, body=b"")
            self._recalls.setdefault(kept.settlement_id, []).append(alone)
            return
        ours = sent_of(kept)
        part = (ours.payment_information_id, ours.instruction_id)
        for name in (kept.settlement_id, kept.message_id, ours.uetr, *part):
            self._by_id.setdefault(name, []).append(paid)

    def published(self, receipt: Receipt) -> None:
        """Take one receipt that was published. Of another rail it says that the payment was there,
        and its last word counts; its bookings are no business of this rail's statements.
        """
        self._published.take(receipt)
        rail, _, document = receipt.source.partition(":")
        message, _, statement = document.partition(":")
        if rail != self._rail:
            self._told_elsewhere(receipt, rail, message)
            return
        if difference_of(receipt) is not None:
            return
        status = receipt.rail_status
        if status in _LAST_WORD:
            self._is_over(receipt)
        if receipt.kind == "RECALL" and status in _RECALL_OVER:
            self._is_said(("RECALL", receipt.settlement_id, receipt.recall_no))
        if status in MONEY and receipt.amount_minor is not None:
            returned = status == "RETURNED"
            name = receipt.return_id if returned else receipt.entry_id
            known = self._heard.setdefault(receipt.settlement_id, {})
            key = (returned, name or f"attempt:{receipt.attempt}")
            before = known.get(key)
            shown = before.shown if before else None
            if shown is None and message == STATEMENT:
                shown = statement
            known[key] = Heard(receipt=before.receipt if before else receipt, shown=shown)

    def _told_elsewhere(self, receipt: Receipt, rail: str, message: str) -> None:
        if receipt.kind not in ("PAY", "QUERY", "RECALL") or message == OWN:
            return  # nothing about a payment, or a rail's own answer, whose ground is in `sent`
        paid = (receipt.settlement_id, receipt.attempt)
        if ("PAY", *paid) not in self._orders:
            self._elsewhere.setdefault(paid, rail)
        elif receipt.rail_status in _LAST_WORD:
            self._is_over(receipt)

    def _is_over(self, receipt: Receipt) -> None:
        self._is_said(("PAY", receipt.settlement_id, receipt.attempt))

    def _is_said(self, key: tuple[str, str, int]) -> None:
        kept = self._orders.get(key)
        if kept is not None and kept.body:
            self._orders[key] = replace(kept, body=b"")

    # ---- what went out

    def order(self, kind: str, settlement: str, number: int) -> SentMessage | None:
        """The message of a PAY (by attempt) or a RECALL (by recall number); its body is empty when
        the bank has said its last word about it.
        """
        return self._orders.get((kind, settlement, number))

    def dead(self, settlement: str, attempt: int) -> str | None:
        """Why a payment was never handed over and never will be; None = it is not so."""
        return self._dead.get((settlement, attempt))

    def elsewhere(self, settlement: str, attempt: int) -> str | None:
        """The other rail that a payment was handed to first; None = there is none."""
        return self._elsewhere.get((settlement, attempt))

    def accounts(self) -> dict[str, str]:
        """The debtor's account of every settlement that was handed over."""
        return {
            settlement: kept.account
            for (kind, settlement, _), kept in self._orders.items()
            if kind == "PAY"
        }

    # ---- whose an answer is

    def told_apart(self, reading: Reading) -> Reading:
        """A document whose every entry has an id that no other payment of ours has."""
        return told_apart(reading, self._owner, self._payment)

    def _owner(self, uetr: str | None) -> str | None:
        keys = self._by_id.get(uetr or "")
        return keys[0][0] if keys else None

    def _payment(self, name: str) -> Key | None:
        keys = self._by_id.get(name, ())
        return keys[0] if len(keys) == 1 else None

    def understood(self, reading: Reading, ask: Instruction | None = None) -> Understood:
        """The receipts of a document, in its order; with `ask` those about the payment that was
        asked about answer that question.
        """
        paid = self._about(reading)
        settlements = {one.settlement_id for one in paid}
        recalled = [
            Recalled(sent=sent_of(order), recall_no=one.recall_no)
            for settlement in settlements
            for one in self._recalls.get(settlement, ())
            if (order := self._orders.get(("PAY", settlement, one.attempt))) is not None
        ]
        found = attribute(reading, paid, recalled)
        shown = named(reading)
        receipts: list[Receipt] = []
        there: list[SentMessage] = []
        for told in found.told:
            order = self._orders["PAY", told.settlement_id, told.attempt]
            if told.answer.status == "DUPL":
                there.append(order)
            elif told.answer.status not in _NO_RECEIPT:
                receipts.append(self._receipt(told, order, ask, shown.get(told.answer.path)))
        announced = tuple(one for one in found.told if one.answer.status == "ANNOUNCED")
        return Understood(
            receipts=tuple(receipts),
            there_already=tuple(there),
            findings=in_order((*found.findings, *map(_not_shown, announced))),
            statements=found.statements,
            doubts=found.doubts,
            announced=announced,
        )

    def _about(self, reading: Reading) -> list[Sent]:
        """All payments that a document can be about: by any id that it names."""
        names: set[str] = set()
        for one in (*reading.answers, *(part.about for part in reading.unread)):
            stated = (one.settlement_id, one.uetr, one.original_message_id,
                      one.original_batch_id, one.instruction_id)  # fmt: skip
            names.update(name for name in stated if name is not None)
            if one.case_id is not None:
                names.update(self._of_case(one.case_id))
        keys = {key for name in names for key in self._by_id.get(name, ())}
        settlements = {settlement for settlement, _ in keys}
        every = {key for settlement in settlements for key in self._by_id[settlement]}
        return [sent_of(self._orders["PAY", *key]) for key in sorted(every)]

    def _of_case(self, case_id: str) -> Iterable[str]:
        return [
            settlement
            for settlement, recalls in self._recalls.items()
            if any(one.message_id == case_id for one in recalls)
        ]

    def _receipt(
        self, told: Told, order: SentMessage, ask: Instruction | None, statement: str | None
    ) -> Receipt:
        answer, kind, query_no = told.answer, "PAY", order.query_no
        if told.recall_no:
            kind = "RECALL"
            order = self._orders["RECALL", told.settlement_id, told.recall_no]
        elif ask is not None and told.payment == (ask.settlement_id, ask.attempt):
            kind, query_no = "QUERY", ask.query_no
        moved = answer.status in MONEY
        family = ".".join(answer.message.split(".")[:2])
        source = ":".join(filter(None, (self._rail, family, statement)))
        return identified(
            answered(order, source, kind, answer.status, answer.rail_time),
            answer.message_id,
            answer.path,
            query_no=query_no,
            amount_minor=answer.amount_minor if moved else None,
            currency=answer.currency if moved else None,
            entry_id=answer.entry_id,
            return_id=answer.return_id,
            rail_reason=answer.reason,
        )

    def breaks(
        self,
        doubts: Iterable[Doubt],
        waiting: Iterable[Receipt] = (),
        beside: Iterable[Receipt] = (),
    ) -> Breaks:
        """What claims are told of money that moved in a way that is not understood: see
        `bank_rail_doubts`.
        """
        return self._published.breaks(doubts, waiting, beside)

    # ---- what statements have shown

    def heard(self, settlement: str) -> dict[tuple[bool, str], Heard]:
        """Bookings and returns of a settlement by (returned, the bank's id)."""
        return self._heard.get(settlement, {})

    def told_break(self, receipt_id: str, difference: str) -> bool:
        """Whether this difference about this booking was published before."""
        return self._published.told_break(receipt_id, difference)


def _not_shown(told: Told) -> Finding:
    says = f"return {told.answer.return_id} is announced: it counts when the account shows it"
    return Finding(path=told.answer.path, code=Fault.NOT_BOOKED, says=says)


def answered(
    order: SentMessage | Instruction, source: str, kind: str, status: str, at: Micros | None
) -> Receipt:
    """A receipt to an order, without an id. A time that is not known is 0."""
    return Receipt(
        input_id="",
        source=source,
        chain_id=order.chain_id,
        contract_id=order.contract_id,
        settlement_id=order.settlement_id,
        kind=kind,
        instruction_no=order.instruction_no,
        attempt=order.attempt,
        hold_no=order.hold_no,
        recall_no=order.recall_no,
        query_no=order.query_no,
        rail_status=status,
        rail_time=Micros(0) if at is None else at,
    )


def identified(receipt: Receipt, *where: str, **fields: object) -> Receipt:
    """The receipt with these fields and an id that follows from all that it says and where it was
    said: the same document makes the same receipts.
    """
    receipt = replace(receipt, **fields)
    said = "\0".join((*where, msgspec.json.encode(receipt).decode()))
    return replace(receipt, input_id=f"bank:{hashlib.sha256(said.encode()).hexdigest()[:32]}")
