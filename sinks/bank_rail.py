"""A rail with a bank behind it: ISO 20022 out and in, whatever carries the messages.

What goes out is drafted here and kept in Kafka by the gateway before it is handed over. Everything
that this rail knows is read from Kafka and from documents that the bank has sent, so that a new
process knows the same. A document is confirmed to its carrier when all that it says is published.
"""

from collections.abc import Collection, Iterator, Sequence

import structlog
from msgspec import Struct

from supplytwin.schemas.errors import RecordError, TransientError
from supplytwin.schemas.records import Instruction, Receipt, SentMessage, SettlementEvent
from supplytwin.sinks import bank_rail_statement as statements
from supplytwin.sinks import rail_log
from supplytwin.sinks.asking import Asking
from supplytwin.sinks.bank_rail_announced import Announced
from supplytwin.sinks.bank_rail_balances import Balances
from supplytwin.sinks.bank_rail_carrier import Asked, Carrier, Document
from supplytwin.sinks.bank_rail_doubts import OWN, behind, in_turn, moved
from supplytwin.sinks.bank_rail_ledger import Ledger, Understood, answered, identified
from supplytwin.sinks.bank_rail_messages import Desk, drafted
from supplytwin.sinks.bank_rail_terms import Funding, Held, Holds, Parties, Paying
from supplytwin.sinks.iso20022_answers import Reading, Statement
from supplytwin.sinks.iso20022_in import read
from supplytwin.sinks.iso20022_sent import Doubt
from supplytwin.sinks.rail import Alive, Answer, Closed, number_of

__all__ = ["Asked", "BankRail", "Carrier", "Document"]

log = structlog.get_logger("supplytwin.rail")
NO_HOLD = "PREFUNDED_HOLD: this bank holds no money on request (docs/rails.md)"
NO_PARTIES = "no accounts are known of the terms under which this was decided"


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
        self._duplicates = Asking(self._ask_of_duplicate, rail_log.asked_again)
        self._balances: Balances | None = None
        self._announced = Announced()
        self.watched(lambda: None)
        self.forget()

    def watched(self, alive: Alive) -> None:
        self._alive = self._carrier.alive = alive

    # ---- what Kafka has

    def forget(self) -> None:
        self._ledger = Ledger(self.name)
        self._own: dict[str, Receipt] = {}
        self._own_doubts: tuple[Doubt, ...] = ()
        self._open: dict[str, _Open] = {}
        self._duplicates.clear()
        self._findings: list[str] = []

    def remember(self, kept: SentMessage | Receipt) -> None:
        if isinstance(kept, Receipt):
            self._ledger.published(kept)
        else:
            self._ledger.sent(kept)

    # ---- out

    def draft(self, instruction: Instruction) -> SentMessage | None:
        """The kept message when there is one, else a new one, which is remembered at once: the
        same instruction twice makes one message. None when nothing is to be sent: another kind, or
        a payment about which the bank has said its last word, or that another bank has.
        """
        if instruction.kind not in ("PAY", "RECALL"):
            return None
        settlement, attempt = instruction.settlement_id, instruction.attempt
        known = self._ledger.order(instruction.kind, settlement, number_of(instruction))
        if self._is_past_recall(instruction):
            return None
        if known is not None:
            return known if known.body else None
        if self._is_elsewhere(instruction):
            return None
        paid = self._ledger.order("PAY", settlement, attempt)
        dead = self._ledger.dead(settlement, attempt)
        if dead is not None:
            self._refused(instruction, dead)
            return None
        kept = drafted(self._desk, self._parties, instruction, paid)
        self._ledger.sent(kept)
        return kept

    def _is_past_recall(self, order: Instruction | SentMessage) -> bool:
        """Whether an order recalls what the bank has said its last word about."""
        paid = self._ledger.order("PAY", order.settlement_id, order.attempt)
        if order.kind != "RECALL" or paid is None or paid.body:
            return False
        rail_log.is_over(order)
        return True

    def _is_elsewhere(self, order: Instruction) -> bool:
        """Whether another bank has the payment: nothing is sent or answered here, since only that
        bank can say what became of it.
        """
        other = self._ledger.elsewhere(order.settlement_id, order.attempt)
        if other is None:
            return False
        rail_log.with_another_bank(order, other)
        return True

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
        if known is not None and not self._is_past_recall(order) and known.body:
            self._carrier.deliver(known)

    def _refused(self, order: Instruction | SentMessage, why: str) -> None:
        """Answered only where no bank has the payment: else one of them may pay it."""
        rail_log.not_written(order, why)
        if self._ledger.dead(order.settlement_id, order.attempt) is None:
            return
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
        if self._is_elsewhere(instruction):
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
            found = self._understood(document, reading, instruction)
            self._own.update((one.input_id, one) for one in found.receipts)
            self._own_doubts += found.doubts

    def _say(
        self, order: Instruction | SentMessage, kind: str, status: str, **fields: object
    ) -> None:
        """An answer that is this rail's own, not the bank's."""
        receipt = answered(order, f"{self.name}:{OWN}", kind, status, order.taken_at)
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
        except TransientError as error:
            log.warning("the bank is away", why=str(error))
        self._duplicates.go_on()
        self._confirm_what_is_done()
        every = in_turn(self._unpublished(), {one.settlement_id for one in self._doubts()})
        return [Answer(due=0, receipt=receipt) for receipt in every]

    def _unpublished(self) -> list[Receipt]:
        waiting = (one.unpublished.values() for one in self._open.values())
        return [*self._own.values(), *(receipt for some in waiting for receipt in some)]

    def _doubts(self) -> list[Doubt]:
        """Those of which nothing is told yet."""
        return [*self._own_doubts, *(one for some in self._open.values() for one in some.doubts)]

    def _take(self, document: Document) -> None:
        reading = self._read(document)
        if reading is None:
            self._carrier.refuse(document)
            return
        found = self._understood(document, reading)
        known = {receipt.input_id: receipt for receipt in found.receipts}
        self._open[document.name] = _Open(
            document=document,
            unpublished=known,
            statements=found.statements,
            doubts=found.doubts,
        )
        for order in found.there_already:
            self._duplicates.add((document.name, order))

    def _read(self, document: Document) -> Reading | None:
        try:
            return self._ledger.told_apart(read(document.data))
        except RecordError as error:
            log.error("a document of the bank cannot be read", name=document.name, why=str(error))
            return None

    def _understood(
        self, document: Document, reading: Reading, ask: Instruction | None = None
    ) -> Understood:
        found = self._ledger.understood(reading, ask)
        self._announced.take(found.announced)
        self._findings += [one.code for one in found.findings]
        rail_log.not_understood(document.name, found.findings)
        return found

    def _ask_of_duplicate(self, question: tuple[str, SentMessage]) -> None:
        """A bank that has the payment already is asked what became of it; what it says belongs to
        the document that said so.
        """
        name, order = question
        asked = self._carrier.ask(order)
        if asked is not None and asked.known:
            document = Document(name=f"status of {order.message_id}", data=asked.data)
            reading = self._read(document)
            if reading is not None:
                found = self._understood(document, reading)
                waiting = self._open[name]
                waiting.unpublished.update((one.input_id, one) for one in found.receipts)
                waiting.doubts += found.doubts

    def told(self, settlements: Collection[str], until: int) -> list[Answer]:
        """From the documents that its carrier has kept, whatever time a bank's clock has put into
        them; the rail's own answers are made again by the same instructions.
        """
        found: dict[str, Receipt] = {}
        doubts: list[Doubt] = []
        for document in self._carrier.received():
            reading = self._read(document)
            if reading is not None:
                heard = self._understood(document, reading)
                found |= {one.input_id: one for one in heard.receipts}
                doubts += heard.doubts
        receipts = sorted(found.values(), key=lambda one: (one.rail_time, one.input_id))
        breaks = self._ledger.breaks(doubts, beside=receipts).told
        return [
            Answer(due=one.rail_time, receipt=one)
            for one in behind(receipts, breaks)
            if one.settlement_id in settlements
        ]

    def acknowledge(self, receipt_ids: Sequence[str]) -> None:
        for one in receipt_ids:
            for waiting in (self._own, *(some.unpublished for some in self._open.values())):
                receipt = waiting.pop(one, None)
                if receipt is not None:
                    self._ledger.published(receipt)
        self._confirm_what_is_done()

    def _tell_doubts(self) -> None:
        """A doubt waits for the bookings of its own settlement, and that of an answer to a question
        for nothing: no document of it is kept.
        """
        breaks = self._ledger.breaks(self._own_doubts, self._unpublished())
        self._own.update((one.input_id, one) for one in breaks.told)
        self._own_doubts = breaks.left
        booked = moved(self._unpublished())
        for waiting in self._open.values():
            if waiting.doubts:
                ready = [one for one in waiting.doubts if one.settlement_id not in booked]
                breaks = self._ledger.breaks(ready, self._unpublished())
                waiting.unpublished.update((one.input_id, one) for one in breaks.told)
                later = (one for one in waiting.doubts if one.settlement_id in booked)
                waiting.doubts = (*breaks.left, *later)

    def _confirm_what_is_done(self) -> None:
        self._tell_doubts()
        asking = {name for name, _ in self._duplicates}
        for name, waiting in list(self._open.items()):
            told = not waiting.unpublished and not waiting.statements and not waiting.doubts
            if told and name not in asking:
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
        posted, balances = statements.mirrored(events), self._known_balances()
        found = []
        for waiting in self._open.values():
            if waiting.unpublished:
                continue
            for statement in waiting.statements:
                result, breaks = statements.closed(
                    statement, posted, self._ledger, balances, self._desk.zone
                )
                waiting.unpublished.update((one.input_id, one) for one in breaks)
                waiting.doubts += self._announced.missing(statement, self._ledger, self._desk.zone)
                found.append(Closed(account=statement.account, result=result))
                rail_log.not_reconciled(found[-1])
            waiting.statements = ()
        self._confirm_what_is_done()
        return found

    def _known_balances(self) -> Balances:
        """Of every statement that has ever come: a process reads them once."""
        if self._balances is None:
            self._balances = Balances(self._kept(), self._alive)
        for waiting in self._open.values():
            for statement in waiting.statements:
                self._balances.take(statement)
        return self._balances

    def _kept(self) -> Iterator[bytes]:
        """Every document that is kept; a return that one of them announced is noted."""
        for document in self._carrier.received():
            self._announced.read(document.data, self._ledger)
            yield document.data

    def close(self) -> None:
        self._carrier.close()
