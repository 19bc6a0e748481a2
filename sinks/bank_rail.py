"""A rail with a bank behind it: ISO 20022 out and in, whatever carries the messages.

What goes out is drafted here and kept in Kafka by the gateway before it is handed over. Everything
that this rail knows is read from Kafka and from documents that the bank has sent, so that a new
process knows the same. A document is confirmed to its carrier when all that it says is published.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Protocol

import structlog
from msgspec import Struct

from supplytwin.schemas.errors import RecordError, TransientError
from supplytwin.schemas.records import Instruction, Receipt, SentMessage, SettlementEvent
from supplytwin.sinks import bank_rail_statement as statements
from supplytwin.sinks.bank_rail_ledger import Ledger, Understood, answered, identified
from supplytwin.sinks.bank_rail_messages import Desk, drafted
from supplytwin.sinks.bank_rail_terms import Funding, Held, Holds, Parties, Paying
from supplytwin.sinks.iso20022_answers import Reading, Statement
from supplytwin.sinks.iso20022_in import read
from supplytwin.sinks.iso20022_sent import Doubt
from supplytwin.sinks.rail import Answer, Closed, number_of
from supplytwin.sinks.reconcile import Difference

log = structlog.get_logger("supplytwin.rail")
NO_HOLD = "PREFUNDED_HOLD: this bank holds no money on request (docs/rails.md)"
NO_PARTIES = "no accounts are known of the terms under which this was decided"


class Document(Struct, frozen=True, kw_only=True, gc=False):
    """One message of a bank. `name` is the carrier's for it."""

    name: str
    data: bytes


class Asked(Struct, frozen=True, kw_only=True, gc=False):
    """What a bank says when it is asked about a payment."""

    known: bool
    """False: it has never had it (not found = not yet)."""
    data: bytes = b""
    """A document that tells of it."""


class Carrier(Protocol):
    """How messages travel. Every call may raise TransientError: nothing is lost by calling it
    again.
    """

    def deliver(self, kept: SentMessage) -> None:
        """The bank has these bytes when this returns, perhaps not for the first time."""

    def arrivals(self, known: Collection[str]) -> list[Document]:
        """What the bank has sent and nobody has confirmed, oldest first, but for these names."""

    def confirm(self, document: Document) -> None:
        """All that it says is published."""

    def refuse(self, document: Document) -> None:
        """It cannot be read: lay it aside for a person."""

    def ask(self, kept: SentMessage) -> Asked | None:
        """What became of a payment; None = this bank cannot be asked, or says nothing."""

    def received(self) -> Iterator[Document]:
        """Everything that was ever received and is kept, confirmed or not, oldest first."""

    def close(self) -> None: ...


class _Open(Struct, kw_only=True, gc=False):
    """A document that was read and is not confirmed yet."""

    document: Document
    unpublished: dict[str, Receipt]
    statements: tuple[Statement, ...]
    doubts: tuple[Doubt, ...] = ()


class BankRail:
    """See the module, `sinks.rail` and docs/rails.md."""

    keeps = True

    def __init__(
        self, carrier: Carrier, desk: Desk, parties: Parties, holds: Holds | None = None
    ) -> None:
        self.name = desk.rail
        self._carrier, self._desk, self._parties, self._holds = carrier, desk, parties, holds
        self.forget()

    # ---- what Kafka has

    def forget(self) -> None:
        self._ledger = Ledger(self.name)
        self._own: dict[str, Receipt] = {}
        self._open: dict[str, _Open] = {}
        self._findings: list[str] = []

    def remember(self, kept: SentMessage | Receipt) -> None:
        if isinstance(kept, Receipt):
            self._ledger.published(kept)
        elif kept.rail == self.name:
            self._ledger.sent(kept)

    # ---- out

    def draft(self, instruction: Instruction) -> SentMessage | None:
        """The kept message when there is one, else a new one, which is remembered at once: the
        same instruction twice makes one message. None when nothing is to be sent: another kind, or
        a payment about which the bank has said its last word.
        """
        if instruction.kind not in ("PAY", "RECALL"):
            return None
        settlement, attempt = instruction.settlement_id, instruction.attempt
        known = self._ledger.order(instruction.kind, settlement, number_of(instruction))
        if known is not None:
            return known if known.body else None
        paid = self._ledger.order("PAY", settlement, attempt)
        dead = self._ledger.dead(settlement, attempt)
        if dead is not None:
            self._refused(instruction, dead)
            return None
        kept = drafted(self._desk, self._parties, instruction, paid)
        self._ledger.sent(kept)
        return kept

    def submit(self, order: Instruction | SentMessage) -> None:
        """Hand the kept bytes over; one that could not be written is answered as rejected, for
        good. An instruction without a draft has nothing to hand over.
        """
        self._deliver(order)

    def recall(self, order: Instruction | SentMessage) -> None:
        """As `submit`; the recall of what was never handed over is answered as cancelled, and the
        payment never will be.
        """
        self._deliver(order)

    def _deliver(self, order: Instruction | SentMessage) -> None:
        if isinstance(order, Instruction):
            return
        if order.rail != self.name:
            log.error("a message was drafted for another bank", rail=order.rail)
            return
        self._ledger.sent(order)
        if order.refused:
            self._refused(order, order.refused)
            return
        known = self._ledger.order(order.kind, order.settlement_id, number_of(order))
        if known is not None and known.body:
            self._carrier.deliver(known)

    def _refused(self, order: Instruction | SentMessage, why: str) -> None:
        log.error(
            "a message to the bank cannot be written",
            settlement_id=order.settlement_id,
            kind=order.kind,
            why=why,
        )
        status = "RJCT" if order.kind == "PAY" else "CNCL"
        self._say(order, order.kind, status, rail_reason=f"NOT_SENT: {why}")

    def reserve(self, instruction: Instruction) -> None:
        """Answered by what the contract's funding says: docs/rails.md, "Funding"."""
        paying = self._parties.of(instruction)
        if paying is None:
            self._say(instruction, "RESERVE", "REFUSED", rail_reason=NO_PARTIES)
        elif paying.funding is not Funding.PREFUNDED_HOLD:
            self._confirm(instruction, Held(done=True), str(paying.funding))
        elif self._holds is None:
            self._say(instruction, "RESERVE", "REFUSED", rail_reason=NO_HOLD)
        else:
            held = self._holds.reserve(instruction, paying)
            if held.done:
                self._confirm(instruction, held, "PREFUNDED_HOLD")
            else:
                self._say(instruction, "RESERVE", "REFUSED", rail_reason=held.reason)

    def _confirm(self, instruction: Instruction, held: Held, funding: str) -> None:
        self._say(
            instruction,
            "RESERVE",
            "CONFIRMED",
            rail_reason=funding,
            amount_minor=instruction.amount_minor,
            currency=instruction.currency,
            hold_expires=held.expires,
        )

    def release(self, instruction: Instruction) -> None:
        """Where nothing is held there is nothing left to release."""
        paying: Paying | None = self._parties.of(instruction)
        held = Held(done=True, reason="nothing was held")
        if paying is not None and paying.funding is Funding.PREFUNDED_HOLD and self._holds:
            held = self._holds.release(instruction, paying)
        status = "RELEASED" if held.done else "FAILED"
        self._say(instruction, "RELEASE", status, rail_reason=held.reason or None)

    def status(self, instruction: Instruction) -> None:
        """Ask the bank; one that cannot be asked leaves the question open."""
        settlement, attempt = instruction.settlement_id, instruction.attempt
        dead = self._ledger.dead(settlement, attempt)
        if dead is not None:
            self._say(instruction, "QUERY", "RJCT", rail_reason=f"NOT_SENT: {dead}")
            return
        kept = self._ledger.order("PAY", settlement, attempt)
        asked = None if kept is None else self._carrier.ask(kept)
        if asked is None:
            return
        if not asked.known:
            self._say(instruction, "QUERY", "NOT_FOUND")
            return
        document = Document(name=f"status of {settlement} {attempt}", data=asked.data)
        reading = self._read(document)
        if reading is not None:
            for receipt in self._understood(document, reading, instruction).receipts:
                self._own[receipt.input_id] = receipt

    def _say(
        self, order: Instruction | SentMessage, kind: str, status: str, **fields: object
    ) -> None:
        """An answer that is this rail's own, not the bank's."""
        receipt = answered(order, f"{self.name}:own", kind, status, order.taken_at)
        receipt = identified(receipt, "own", **fields)
        self._own[receipt.input_id] = receipt

    # ---- in

    def answers(self, until: int) -> list[Answer]:
        """Everything, at once: a bank's answers wait for no tick. A document that cannot be looked
        at now (its carrier or the bank is away) is left for later.
        """
        try:
            for document in self._carrier.arrivals(self._open.keys()):
                self._take(document)
            self._confirm_what_is_done()
        except TransientError as error:
            log.warning("the bank is away", why=str(error))
        waiting = (one.unpublished.values() for one in self._open.values())
        every = [*self._own.values(), *(receipt for some in waiting for receipt in some)]
        return [Answer(due=0, receipt=receipt) for receipt in every]

    def _take(self, document: Document) -> None:
        reading = self._read(document)
        if reading is None:
            self._carrier.refuse(document)
            return
        found = self._understood(document, reading)
        receipts = [*found.receipts, *self._of_what_is_there(found.there_already)]
        known = {receipt.input_id: receipt for receipt in receipts}
        if not known and not found.statements and not found.doubts:
            self._carrier.confirm(document)
            return
        self._open[document.name] = _Open(
            document=document,
            unpublished=known,
            statements=found.statements,
            doubts=found.doubts,
        )

    def _read(self, document: Document) -> Reading | None:
        try:
            return read(document.data)
        except RecordError as error:
            log.error("a document of the bank cannot be read", name=document.name, why=str(error))
            return None

    def _understood(
        self, document: Document, reading: Reading, ask: Instruction | None = None
    ) -> Understood:
        found = self._ledger.understood(reading, ask)
        for one in found.findings:
            self._findings.append(one.code)
            log.error(
                "a document of the bank is not understood",
                name=document.name,
                path=one.path,
                code=one.code,
                says=one.says,
            )
        return found

    def _of_what_is_there(self, orders: Iterable[SentMessage]) -> Iterator[Receipt]:
        """A bank that has the payment already is asked what became of it."""
        for order in orders:
            asked = self._carrier.ask(order)
            if asked is not None and asked.known:
                document = Document(name=f"status of {order.message_id}", data=asked.data)
                reading = self._read(document)
                if reading is not None:
                    yield from self._understood(document, reading).receipts

    def told(self, settlements: Collection[str], until: int) -> list[Answer]:
        """From the documents that its carrier has kept; the rail's own answers are made again by
        the same instructions.
        """
        found: dict[str, Receipt] = {}
        for document in self._carrier.received():
            reading = self._read(document)
            if reading is not None:
                receipts = self._understood(document, reading).receipts
                found |= {one.input_id: one for one in receipts}
        return [
            Answer(due=one.rail_time, receipt=one)
            for one in sorted(found.values(), key=lambda one: (one.rail_time, one.input_id))
            if one.settlement_id in settlements and one.rail_time <= until
        ]

    def acknowledge(self, receipt_ids: Sequence[str]) -> None:
        for one in receipt_ids:
            for waiting in (self._own, *(some.unpublished for some in self._open.values())):
                receipt = waiting.pop(one, None)
                if receipt is not None:
                    self._ledger.published(receipt)
        self._confirm_what_is_done()

    def _confirm_what_is_done(self) -> None:
        """A doubt is told when all bookings that may be meant by it are."""
        if not any(one.unpublished for one in self._open.values()):
            for waiting in self._open.values():
                breaks = self._ledger.breaks(waiting.doubts)
                waiting.unpublished.update((one.input_id, one) for one in breaks)
                waiting.doubts = ()
        for name, waiting in list(self._open.items()):
            if not waiting.unpublished and not waiting.statements and not waiting.doubts:
                self._carrier.confirm(waiting.document)
                del self._open[name]

    def findings(self) -> tuple[str, ...]:
        found, self._findings = tuple(self._findings), []
        return found

    # ---- the end of a day

    def statements(self) -> int:
        return sum(len(one.statements) for one in self._open.values() if not one.unpublished)

    def close_day(self, events: Sequence[SettlementEvent]) -> list[Closed]:
        """Breaks are answers, published and acknowledged like any other."""
        posted = statements.mirrored(events)
        found = []
        for waiting in self._open.values():
            if waiting.unpublished:
                continue
            for statement in waiting.statements:
                result, breaks = statements.closed(statement, posted, self._ledger, self._desk.zone)
                waiting.unpublished.update((one.input_id, one) for one in breaks)
                found.append(Closed(account=statement.account, result=result))
                _tell(found[-1])
            waiting.statements = ()
        self._confirm_what_is_done()
        return found

    def close(self) -> None:
        self._carrier.close()


def _tell(closed: Closed) -> None:
    for one in closed.result.results:
        if one.difference is not Difference.NOT_OURS:
            log.error(
                "a statement does not reconcile",
                account=closed.account,
                statement=closed.result.statement_id,
                difference=one.difference,
                settlement_id=one.settlement_id,
                entry_id=one.entry_id,
                bank_minor=one.bank_minor,
                mirror_minor=one.mirror_minor,
                currency=one.currency,
            )
