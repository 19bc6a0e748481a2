"""Payments as a bank takes them: pain.001.001.09, the same payments always the same bytes.

The schema lets through a creditor that is not there, an amount of zero, yen with two decimals and
an id of any form. Here they are refused, each with the field's name.
"""

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby

from msgspec import Struct

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import DAY_US, SECOND_US, TERM_ID, Micros
from supplytwin.schemas.money import from_minor
from supplytwin.sinks import iso20022_ids as ids
from supplytwin.sinks import iso20022_text as take
from supplytwin.sinks.iso20022_parties import (
    Party,
    check_party,
    countries,
    put_account,
    put_agent,
    put_party,
)
from supplytwin.sinks.iso20022_xml import Element, document, put, written

MESSAGE = "pain.001.001.09"
PAYMENTS_MAX = 1_000
"""In one file, so that every answer about all of it is far below what is read (iso20022_xml)."""
DIGITS_MAX = 18
CHARGES = ("", "DEBT", "SHAR", "SLEV")
"""Who bears the charges; "" leaves it to the agreement with the bank. `CRED` is not written: the
seller would be credited less than was instructed, and no booking would match.
"""
_PURPOSE_ISO = re.compile(r"[A-Z]{4}")
_PURPOSE_OTHER = re.compile(r"[A-Z][A-Z0-9]{4,34}")
_PURPOSE_CNY = re.compile(r"[A-Z]{6}")
_EPOCH = dt.date(1970, 1, 1)


class Payment(Struct, frozen=True, kw_only=True, gc=False):
    """One PAY instruction with what a bank must know, all of it from terms and decision."""

    settlement_id: str
    attempt: int
    """From 1 on."""
    contract_id: str
    tranche_id: str
    amount_minor: int
    currency: str
    execution_date: dt.date
    debtor: Party
    creditor: Party
    purpose_code: str = ""
    """Four letters: an ISO 20022 purpose. Longer: a code of the clearing system (`CGODDR`)."""
    charges: str = ""


class Sent(Struct, frozen=True, kw_only=True, gc=False):
    """How one payment can be recognised in an answer: to be kept before the file is handed over."""

    settlement_id: str
    attempt: int
    message_id: str
    payment_information_id: str
    instruction_id: str
    uetr: str
    amount_minor: int
    currency: str


class File(Struct, frozen=True, kw_only=True, gc=False):
    """A message to hand over, and what it holds."""

    message_id: str
    data: bytes
    sent: tuple[Sent, ...]


def payment_file(payments: Sequence[Payment], initiator: str, created_at: Micros) -> File:
    """One pain.001.001.09 with these payments, in any order the same bytes.

    `created_at` is the tick time of the decision, `initiator` the name of who hands the file over.
    Hand the same file over again, never another with some of its payments: a bank recognises a
    repeated file by its MsgId, which stands for exactly these payments.

    Raises RecordError that names the field; nothing is written then.
    """
    take.text(initiator, "initiator", 140)
    if not 1 <= len(payments) <= PAYMENTS_MAX:
        raise RecordError(
            Code.BAD_VALUE, "payments", f"are {len(payments)}, a file takes 1 to {PAYMENTS_MAX}"
        )
    seen: set[str] = set()
    for place, one in enumerate(payments):
        field = f"payments[{place}]"
        check_payment(one, created_at, field)
        if one.settlement_id in seen:
            raise RecordError(
                Code.BAD_VALUE, f"{field}.settlement_id", "is twice in one file (AM05 at the bank)"
            )
        seen.add(one.settlement_id)
    ordered = sorted(payments, key=lambda one: (_block(one), one.settlement_id))
    message = ids.message_id(_identity(one) for one in ordered)
    root, body = document(MESSAGE, "CstmrCdtTrfInitn")
    header = put(body, "GrpHdr")
    put(header, "MsgId", message)
    put(header, "CreDtTm", date_time(created_at))
    _put_totals(header, ordered)
    put(header, "InitgPty/Nm", initiator)
    sent: list[Sent] = []
    for _, group in groupby(ordered, key=_block):
        sent += _put_block(body, list(group), message)
    return File(message_id=message, data=written(root), sent=tuple(sent))


def check_payment(payment: Payment, created_at: Micros, field: str = "payment") -> None:
    """Raise RecordError, with the path of the field, unless the payment can be written."""
    try:
        ids.uetr(payment.settlement_id, payment.attempt)
    except RecordError as error:
        raise RecordError(error.code, f"{field}.{error.field}", error.reason) from None
    for name in ("contract_id", "tranche_id"):
        if not TERM_ID.fullmatch(getattr(payment, name)):
            raise RecordError(
                Code.BAD_VALUE, f"{field}.{name}", "is not 1 to 35 letters, digits and '-'"
            )
    amount_text(payment.amount_minor, payment.currency, field)
    check_party(payment.debtor, f"{field}.debtor")
    check_party(payment.creditor, f"{field}.creditor")
    if payment.debtor.account == payment.creditor.account:
        raise RecordError(Code.BAD_VALUE, f"{field}.creditor.account", "is the debtor's own")
    if payment.charges not in CHARGES:
        raise RecordError(
            Code.BAD_VALUE, f"{field}.charges", f"{payment.charges!r} is none of DEBT, SHAR, SLEV"
        )
    _check_purpose(payment, field)
    made = _EPOCH + dt.timedelta(days=created_at // DAY_US)
    if payment.execution_date < made - dt.timedelta(days=1):  # a bank may be a zone behind UTC
        raise RecordError(
            Code.BAD_VALUE,
            f"{field}.execution_date",
            f"{payment.execution_date} lies before the file, which is of {made}",
        )


def amount_text(minor: int, currency: str, field: str) -> str:
    """An amount as the message has it, with exactly the decimals of its currency.

    Raises RecordError (amount_minor, currency): zero or less, more than 18 digits, no currency.
    """
    if type(minor) is not int or minor <= 0:
        raise RecordError(
            Code.BAD_VALUE, f"{field}.amount_minor", f"{minor} is no whole number above zero"
        )
    if len(str(minor)) > DIGITS_MAX:
        raise RecordError(
            Code.BAD_VALUE, f"{field}.amount_minor", f"{minor} has more than {DIGITS_MAX} digits"
        )
    try:
        return format(from_minor(minor, currency), "f")
    except RecordError as error:
        raise RecordError(error.code, f"{field}.{error.field}", error.reason) from None


def date_time(micros: Micros) -> str:
    """An instant in UTC, whole seconds."""
    day, rest = divmod(micros, DAY_US)
    seconds = rest // SECOND_US
    date = _EPOCH + dt.timedelta(days=day)
    return f"{date}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"


def _identity(payment: Payment) -> tuple[str, int]:
    return payment.settlement_id, payment.attempt


def _block(payment: Payment) -> tuple[str, ...]:
    """What the payments of one PmtInf share: debtor, day, who bears the charges."""
    debtor = payment.debtor
    return (
        debtor.account.iban,
        debtor.account.other,
        str(payment.execution_date),
        payment.charges,
        debtor.agent.bic,
        debtor.agent.clearing_system,
        debtor.agent.member_id,
        debtor.name,
        debtor.lei,
        *(str(getattr(debtor.address, name)) for name in debtor.address.__struct_fields__),
    )


def _put_totals(element: Element, payments: Sequence[Payment]) -> None:
    """NbOfTxs, and CtrlSum: the plain sum of the amounts, whatever their currencies."""
    total = sum((from_minor(one.amount_minor, one.currency) for one in payments), Decimal(0))
    digits = format(total, "f")
    if len(digits.replace(".", "")) > DIGITS_MAX:
        raise RecordError(
            Code.BAD_VALUE, "payments", f"add up to {digits}: a sum has {DIGITS_MAX} digits"
        )
    put(element, "NbOfTxs", str(len(payments)))
    put(element, "CtrlSum", digits)


def _put_block(body: Element, payments: list[Payment], message: str) -> list[Sent]:
    first = payments[0]
    block_id = ids.payment_information_id(_identity(one) for one in payments)
    block = put(body, "PmtInf")
    put(block, "PmtInfId", block_id)
    put(block, "PmtMtd", "TRF")
    put(block, "BtchBookg", "false")  # one entry per payment: a booked batch proves none of them
    _put_totals(block, payments)
    put(block, "ReqdExctnDt/Dt", str(first.execution_date))
    put_party(block, "Dbtr", first.debtor)
    put_account(block, "DbtrAcct", first.debtor.account)
    put_agent(block, "DbtrAgt", first.debtor.agent)
    if first.charges:
        put(block, "ChrgBr", first.charges)
    return [_put_payment(block, one, message, block_id) for one in payments]


def _put_payment(block: Element, payment: Payment, message: str, block_id: str) -> Sent:
    settlement, attempt = _identity(payment)
    sent = Sent(
        settlement_id=settlement,
        attempt=attempt,
        message_id=message,
        payment_information_id=block_id,
        instruction_id=ids.instruction_id(settlement, attempt),
        uetr=ids.uetr(settlement, attempt),
        amount_minor=payment.amount_minor,
        currency=payment.currency,
    )
    element = put(block, "CdtTrfTxInf")
    names = put(element, "PmtId")
    put(names, "InstrId", sent.instruction_id)
    put(names, "EndToEndId", ids.end_to_end_id(settlement))
    put(names, "UETR", sent.uetr)
    amount = amount_text(payment.amount_minor, payment.currency, "payment")
    put(element, "Amt/InstdAmt", amount, Ccy=payment.currency)
    put_agent(element, "CdtrAgt", payment.creditor.agent)
    put_party(element, "Cdtr", payment.creditor)
    put_account(element, "CdtrAcct", payment.creditor.account)
    if payment.purpose_code:
        form = "Purp/Cd" if _PURPOSE_ISO.fullmatch(payment.purpose_code) else "Purp/Prtry"
        put(element, form, payment.purpose_code)
    put(element, "RmtInf/Ustrd", remittance(payment))
    return sent


def remittance(payment: Payment) -> str:
    """What the seller reads beside the amount (at most 140 characters)."""
    return f"CONTRACT {payment.contract_id} TRANCHE {payment.tranche_id}"


def _check_purpose(payment: Payment, field: str) -> None:
    """CNY that crosses a border has no way without a purpose of six letters (CGODDR, CSTRDR)."""
    code = payment.purpose_code
    known = not code or _PURPOSE_ISO.fullmatch(code) or _PURPOSE_OTHER.fullmatch(code)
    if not known:
        raise RecordError(
            Code.BAD_VALUE, f"{field}.purpose_code", f"{code!r} is not a code of 4 to 35 capitals"
        )
    places = countries(payment.debtor) | countries(payment.creditor)
    if payment.currency == "CNY" and len(places) > 1 and not _PURPOSE_CNY.fullmatch(code):
        raise RecordError(
            Code.BAD_VALUE,
            f"{field}.purpose_code",
            f"CNY between {', '.join(sorted(places))} needs one of six letters, as CGODDR",
        )
