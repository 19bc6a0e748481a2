"""An instruction as a message to a bank: a pain.001 with one payment, a camt.056 with one recall.

One payment per file: a MsgId then stands for one payment for ever, and nothing that may have been
handed over is ever put into another file.
"""

from msgspec import Struct

from supplytwin.schemas import ids as hashes
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.localtime import local_date
from supplytwin.schemas.money import exponent
from supplytwin.schemas.records import Instruction, SentMessage
from supplytwin.sinks import iso20022_ids as ids
from supplytwin.sinks import iso20022_out as out
from supplytwin.sinks import iso20022_recall as recalls
from supplytwin.sinks.bank_rail_terms import Parties, Paying
from supplytwin.sinks.iso20022_parties import Agent

RECALL_REASON = "CUST"
"""Requested by the customer: an instruction says that a payment is recalled, not in a code why."""


class Desk(Struct, frozen=True, kw_only=True, gc=False):
    """Who hands over, and to which bank."""

    initiator: str
    """The name in InitgPty and in recalls."""
    agent: Agent
    """The bank that this rail leads to: every debtor's."""
    zone: str
    """The time zone of its days: `+08:00` or an IANA name."""
    rail: str


def drafted(
    desk: Desk, parties: Parties, order: Instruction, paid: SentMessage | None
) -> SentMessage:
    """What goes out for a PAY or a RECALL; a refusal (`refused`, no body) when it cannot be
    written. `paid` = what was sent of the payment that is recalled.
    """
    try:
        if order.kind == "PAY":
            return _payment(desk, _paying(desk, parties, order), order)
        if paid is None or paid.refused:
            raise RecordError(Code.BAD_VALUE, "attempt", "was never handed to the bank")
        return _recall(desk, order, paid, parties)
    except RecordError as error:
        return _kept(desk, order, refused=f"{error.field}: {error.reason}")


def _paying(desk: Desk, parties: Parties, order: Instruction) -> Paying:
    found = parties.of(order)
    if found is None:
        raise RecordError(Code.MISSING_FIELD, "terms_hash", "names no terms with known accounts")
    if found.debtor.agent != desk.agent:
        raise RecordError(Code.BAD_VALUE, "debtor.agent", "is not the bank that this rail leads to")
    return found


def _payment(desk: Desk, paying: Paying, order: Instruction) -> SentMessage:
    if order.end_to_end_id != order.settlement_id:
        raise RecordError(Code.BAD_VALUE, "end_to_end_id", "is not the settlement id")
    if order.uetr != hashes.uetr(order.settlement_id, order.attempt):
        raise RecordError(Code.BAD_VALUE, "uetr", "is not that of its settlement and attempt")
    decimals = exponent(order.currency)
    if order.exponent != decimals:
        says = f"is {order.exponent}, {order.currency} has {decimals} decimals here"
        raise RecordError(Code.BAD_VALUE, "exponent", says)
    payment = out.Payment(
        settlement_id=order.settlement_id,
        attempt=order.attempt,
        contract_id=order.contract_id,
        tranche_id=order.tranche_id,
        amount_minor=order.amount_minor,
        currency=order.currency,
        execution_date=order.execution_date or local_date(order.taken_at, desk.zone),
        debtor=paying.debtor,
        creditor=paying.creditor,
        purpose_code=paying.purpose_code,
        charges=paying.charges,
    )
    file = out.payment_file((payment,), desk.initiator, order.taken_at)
    (sent,) = file.sent
    account = paying.debtor.account
    return _kept(
        desk,
        order,
        message=out.MESSAGE,
        message_id=file.message_id,
        payment_information_id=sent.payment_information_id,
        account=account.iban or account.other,
        body=file.data,
    )


def _recall(desk: Desk, order: Instruction, paid: SentMessage, parties: Parties) -> SentMessage:
    recall = recalls.Recall(
        sent=sent_of(paid),
        recall_no=order.recall_no,
        reason=RECALL_REASON,
        requested_by=desk.initiator,
        bank=desk.agent,
    )
    return _kept(
        desk,
        order,
        message=recalls.MESSAGE,
        message_id=ids.recall_id(order.settlement_id, order.recall_no),
        payment_information_id=paid.payment_information_id,
        account=paid.account,
        body=recalls.recall_message(recall, order.taken_at),
    )


def sent_of(kept: SentMessage) -> out.Sent:
    """The ids by which the payment of a kept PAY is recognised in an answer."""
    return out.Sent(
        settlement_id=kept.settlement_id,
        attempt=kept.attempt,
        message_id=kept.message_id,
        payment_information_id=kept.payment_information_id,
        instruction_id=ids.instruction_id(kept.settlement_id, kept.attempt),
        uetr=ids.uetr(kept.settlement_id, kept.attempt),
        amount_minor=kept.amount_minor,
        currency=kept.currency,
    )


def _kept(desk: Desk, order: Instruction, **fields: object) -> SentMessage:
    """The record of an order; without other fields its message is empty."""
    empty = {"message": "", "message_id": "", "payment_information_id": "", "account": ""}
    return SentMessage(
        chain_id=order.chain_id,
        contract_id=order.contract_id,
        settlement_id=order.settlement_id,
        instruction_id=order.instruction_id,
        instruction_no=order.instruction_no,
        kind=order.kind,
        attempt=order.attempt,
        hold_no=order.hold_no,
        recall_no=order.recall_no,
        query_no=order.query_no,
        amount_minor=order.amount_minor,
        currency=order.currency,
        taken_at=order.taken_at,
        rail=desk.rail,
        **{**empty, "body": b"", **fields},  # type: ignore[arg-type]
    )
