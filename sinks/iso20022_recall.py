"""Asking a payment back: camt.056.001.12, one recall per message, the same recall the same bytes.

The bank answers with camt.029. There is no message here that asks for a status: see
docs/iso20022.md.
"""

from msgspec import Struct

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import Micros
from supplytwin.sinks import iso20022_ids as ids
from supplytwin.sinks import iso20022_text as take
from supplytwin.sinks.iso20022_out import MESSAGE as PAID_WITH
from supplytwin.sinks.iso20022_out import Sent, amount_text, date_time
from supplytwin.sinks.iso20022_parties import Agent, check_agent, put_agent
from supplytwin.sinks.iso20022_xml import document, put, written

MESSAGE = "camt.056.001.12"
REASONS = frozenset(("AGNT", "AM09", "CURR", "CUST", "CUTA", "DUPL", "FRAD", "TECH", "UPAY"))
"""Why a payment is asked back, of ISO 20022's external list of cancellation reasons."""


class Recall(Struct, frozen=True, kw_only=True, gc=False):
    """One RECALL instruction: which payment of those sent, and why."""

    sent: Sent
    recall_no: int
    """From 1 on; the same number again is the same recall."""
    reason: str
    requested_by: str
    """The name of who asks, as in the file with the payment."""
    bank: Agent
    """The debtor's bank, to which the payment was handed over."""
    says: str = ""
    """At most 105 characters for the people who decide about it."""


def recall_message(recall: Recall, created_at: Micros) -> bytes:
    """The camt.056.001.12 of one recall. Raises RecordError that names the field."""
    sent = recall.sent
    _check(recall)
    case = ids.recall_id(sent.settlement_id, recall.recall_no)
    root, body = document(MESSAGE, "FIToFIPmtCxlReq")
    assignment = put(body, "Assgnmt")
    put(assignment, "Id", case)
    put(assignment, "Assgnr/Pty/Nm", recall.requested_by)
    put_agent(put(assignment, "Assgne"), "Agt", recall.bank)
    put(assignment, "CreDtTm", date_time(created_at))
    opened = put(body, "Case")
    put(opened, "Id", case)
    put(opened, "Cretr/Pty/Nm", recall.requested_by)
    put(body, "CtrlData/NbOfTxs", "1")
    one = put(body, "Undrlyg/TxInf")
    put(one, "CxlId", case)
    group = put(one, "OrgnlGrpInf")
    put(group, "OrgnlMsgId", sent.message_id)
    put(group, "OrgnlMsgNmId", PAID_WITH)
    put(one, "OrgnlInstrId", sent.instruction_id)
    put(one, "OrgnlEndToEndId", sent.settlement_id)
    put(one, "OrgnlUETR", sent.uetr)
    amount = amount_text(sent.amount_minor, sent.currency, "sent")
    put(one, "OrgnlIntrBkSttlmAmt", amount, Ccy=sent.currency)
    why = put(one, "CxlRsnInf")
    put(why, "Orgtr/Nm", recall.requested_by)
    put(why, "Rsn/Cd", recall.reason)
    if recall.says:
        put(why, "AddtlInf", recall.says)
    return written(root)


def _check(recall: Recall) -> None:
    sent = recall.sent
    if sent.uetr != ids.uetr(sent.settlement_id, sent.attempt):
        raise RecordError(Code.BAD_VALUE, "sent.uetr", "is not that of its settlement and attempt")
    if sent.instruction_id != ids.instruction_id(sent.settlement_id, sent.attempt):
        raise RecordError(Code.BAD_VALUE, "sent.instruction_id", "is not that of its attempt")
    take.reference(sent.message_id, "sent.message_id", ids.ID_MAX)
    if recall.reason not in REASONS:
        raise RecordError(
            Code.BAD_VALUE, "reason", f"{recall.reason!r} is none of {', '.join(sorted(REASONS))}"
        )
    take.text(recall.requested_by, "requested_by", 140)
    check_agent(recall.bank, "bank")
    if recall.says:
        take.text(recall.says, "says", 105)
