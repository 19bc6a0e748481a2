"""What banks answer, read strictly: pain.002, camt.029, camt.053, camt.054 and pacs.004.

    pain.002.001.10 - .15   status of a file, a block, a payment
    camt.054.001.08 - .14   booked entries and returns
    camt.053.001.08 - .14   the same with balances: a statement
    camt.029.001.09 - .14   the answer to a recall
    pacs.004.001.09 - .14   a return on its way (.12 is not taken: no copy was at hand to compare)

Of each message the versions are taken in which every path that is read here is the same; any other
document is refused by its name.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec.structs import replace

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.findings import in_order
from supplytwin.schemas.ids import Micros
from supplytwin.sinks.iso20022_answers import (
    Answer,
    Fault,
    Place,
    Reader,
    Reading,
    Scope,
    Statement,
    Unread,
)
from supplytwin.sinks.iso20022_entries import PATHS as ENTRY_PATHS
from supplytwin.sinks.iso20022_entries import Entries, Side, statement
from supplytwin.sinks.iso20022_status import NO_ORIGINAL, status_report
from supplytwin.sinks.iso20022_xml import message_of, parsed

_CANCELLED = {"ACCR": "CNCL", "RJCR": "RJCR", "PDCR": "PDCR"}
_CONFIRMED = {"CNCL": "CNCL", "RJCR": "RJCR", "PDCR": "PDCR"}

_REASON = ("Rsn/Cd", "Rsn/Prtry", "AddtlInf")
VERSIONS: dict[str, tuple[str, ...]] = {
    "pain.002.001": ("10", "11", "12", "13", "14", "15"),
    "camt.029.001": ("09", "10", "11", "12", "13", "14"),
    "camt.053.001": ("08", "09", "10", "11", "12", "13", "14"),
    "camt.054.001": ("08", "09", "10", "11", "12", "13", "14"),
    "pacs.004.001": ("09", "10", "11", "13", "14"),
}
_HEADER = ("GrpHdr/MsgId", "GrpHdr/CreDtTm")
_STATUS_OF = {"GrpSts": "OrgnlGrpInfAndSts", "PmtInfSts": "OrgnlPmtInfAndSts",
              "TxSts": "OrgnlPmtInfAndSts/TxInfAndSts"}  # fmt: skip
PATHS: dict[str, tuple[str, ...]] = {
    "pain.002.001": tuple(
        f"CstmrPmtStsRpt/{path}"
        for path in (
            *_HEADER,
            "OrgnlGrpInfAndSts/OrgnlMsgId",
            "OrgnlPmtInfAndSts/OrgnlPmtInfId",
            *(f"{place}/{name}" for name, place in _STATUS_OF.items()),
            *(f"{at}/StsRsnInf/{name}" for at in _STATUS_OF.values() for name in _REASON),
            *(
                f"OrgnlPmtInfAndSts/TxInfAndSts/{name}"
                for name in ("OrgnlInstrId", "OrgnlEndToEndId", "OrgnlUETR")
            ),
            "OrgnlPmtInfAndSts/TxInfAndSts/OrgnlTxRef/Amt/InstdAmt",
        )
    ),
    "camt.029.001": tuple(
        f"RsltnOfInvstgtn/{path}"
        for path in (
            "Assgnmt/Id", "Assgnmt/CreDtTm", "RslvdCase/Id", "Sts/Conf",
            "CxlDtls/OrgnlGrpInfAndSts/GrpCxlSts", "CxlDtls/OrgnlPmtInfAndSts/PmtInfCxlSts",
            "CxlDtls/OrgnlPmtInfAndSts/OrgnlGrpInf/OrgnlMsgId",
            *(
                f"CxlDtls/OrgnlPmtInfAndSts/TxInfAndSts/{name}"
                for name in (
                    "RslvdCase/Id", "OrgnlInstrId", "OrgnlEndToEndId", "UETR", "TxCxlSts",
                    *(f"CxlStsRsnInf/{one}" for one in _REASON),
                )
            ),
            *(
                f"CxlDtls/TxInfAndSts/{name}"
                for name in (
                    "RslvdCase/Id", "OrgnlGrpInf/OrgnlMsgId", "OrgnlInstrId", "OrgnlEndToEndId",
                    "OrgnlUETR", "TxCxlSts", *(f"CxlStsRsnInf/{one}" for one in _REASON),
                )
            ),
        )
    ),
    "camt.053.001": tuple(
        f"BkToCstmrStmt/{path}"
        for path in (
            *_HEADER, "Stmt/Id", "Stmt/StmtPgntn/PgNb", "Stmt/StmtPgntn/LastPgInd",
            "Stmt/Acct/Id/IBAN", "Stmt/Acct/Id/Othr/Id", "Stmt/Bal/Tp/CdOrPrtry/Cd", "Stmt/Bal/Amt",
            "Stmt/Bal/CdtDbtInd", "Stmt/Bal/Dt/Dt", *(f"Stmt/Ntry/{one}" for one in ENTRY_PATHS),
        )
    ),
    "camt.054.001": tuple(
        f"BkToCstmrDbtCdtNtfctn/{path}"
        for path in (*_HEADER, *(f"Ntfctn/Ntry/{one}" for one in ENTRY_PATHS))
    ),
    "pacs.004.001": tuple(
        f"PmtRtr/{path}"
        for path in (
            *_HEADER,
            *(
                f"TxInf/{name}"
                for name in (
                    "RtrId", "OrgnlInstrId", "OrgnlEndToEndId", "OrgnlUETR", "RtrdIntrBkSttlmAmt",
                    *(f"RtrRsnInf/{one}" for one in _REASON),
                )
            ),
        )
    ),
}  # fmt: skip
"""What is read of each message; the tests look each up in every version that is taken."""


def read(data: bytes, side: Side = Side.DEBTOR) -> Reading:
    """All that one document of a bank says, in its order.

    `side` says whose account entries are of. Raises RecordError when nothing of it can be read:
    no safe XML, no message or version that is taken.
    """
    root = parsed(data)
    message = message_of(root)
    family, _, version = message.rpartition(".")
    if version not in VERSIONS.get(family, ()):
        raise RecordError(
            Code.UNKNOWN_SCHEMA, "Document", f"is a {message[:40]}: no message that is read here"
        )
    reader = Reader(root, message)
    message_id, answers, statements = _READERS[family](reader, side)
    return Reading(
        message=message,
        message_id=message_id,
        answers=tuple(answers),
        findings=in_order(reader.findings),
        statements=tuple(statements),
        unread=tuple(reader.unread),
    )


_Read = tuple[str, list[Answer], list[Statement]]


def _header(reader: Reader, body: str) -> tuple[Place, str, Micros | None]:
    """The body of a document, its MsgId and when it was made."""
    place = reader.need(reader.root, body)
    if place is None:
        raise RecordError(Code.MISSING_FIELD, body, f"is not in this {reader.message}")
    return place, reader.needed(place, "GrpHdr/MsgId") or "", reader.time(place, "GrpHdr/CreDtTm")


def _pain002(reader: Reader, side: Side) -> _Read:
    body, message_id, made = _header(reader, "CstmrPmtStsRpt")
    base = Answer(
        message=reader.message, message_id=message_id, path=body.path, status="", rail_time=made
    )
    found = status_report(reader, body, base)
    if not found and not reader.findings:
        reader.fault(body.path, Fault.MISSING, "no status of anything")
    return message_id, found, []


def _camt029(reader: Reader, side: Side) -> _Read:
    body = reader.need(reader.root, "RsltnOfInvstgtn")
    if body is None:
        raise RecordError(Code.MISSING_FIELD, "RsltnOfInvstgtn", f"is not in this {reader.message}")
    about = Answer(
        message=reader.message,
        message_id=reader.needed(body, "Assgnmt/Id") or "",
        path=body.path,
        status="",
        scope=Scope.CASE,
        case_id=reader.id(body, "RslvdCase/Id"),
        rail_time=reader.time(body, "Assgnmt/CreDtTm"),
    )
    whole = _confirmed(reader, body)
    details = [one for part in reader.all(body, "CxlDtls") for one in _details(reader, part)]
    payments = [one for one in details if one is not None]
    if not details:
        found = [replace(about, status=whole)] if whole else []
        if whole is None and not reader.findings:
            reader.fault(f"{body.path}/Sts/Conf", Fault.MISSING, "the outcome is not said")
        return about.message_id, found, []
    answers = [_cancellation(reader, one, about, whole) for one in payments]
    return about.message_id, [one for one in answers if one is not None], []


class _Recalled(NamedTuple):
    """What is said of one payment: where, in which file, and under which words about the file and
    the block.
    """

    tx: Place
    message_id: str | None
    uetr: str | None
    many: frozenset[str]


def _details(reader: Reader, part: Place) -> Iterator[_Recalled | None]:
    """The payments of one CxlDtls. We recall no file and no block: what is said of one without a
    payment is a finding, and None.
    """
    group = _of_many(reader, part, "OrgnlGrpInfAndSts/GrpCxlSts")
    for block in reader.all(part, "OrgnlPmtInfAndSts"):
        around = group | _of_many(reader, block, "PmtInfCxlSts")
        file = reader.id(block, "OrgnlGrpInf/OrgnlMsgId")
        inside = reader.all(block, "TxInfAndSts")
        for tx in inside:
            yield _Recalled(tx, file, reader.uetr(tx, "UETR"), around)
        if not inside:
            reader.fault(block.path, Fault.UNKNOWN_REFERENCE, _NEVER_RECALLED)
            yield None
    alone = reader.all(part, "TxInfAndSts")
    for tx in alone:
        file = reader.id(tx, "OrgnlGrpInf/OrgnlMsgId")
        yield _Recalled(tx, file, reader.uetr(tx, "OrgnlUETR"), group)
    if reader.one(part, "OrgnlGrpInfAndSts/GrpCxlSts") is not None and not (
        alone or reader.all(part, "OrgnlPmtInfAndSts")
    ):
        reader.fault(part.path, Fault.UNKNOWN_REFERENCE, _NEVER_RECALLED)
        yield None


_NEVER_RECALLED = "answers for a file or a block, which is never recalled as a whole"


def _of_many(reader: Reader, place: Place, path: str) -> frozenset[str]:
    """The outcome for a file or block; that of a part of it (PACR) says nothing of a payment."""
    code = reader.text(place, path)
    if code is None or code == "PACR":
        return frozenset()
    if code not in _CANCELLED:
        says = f"{code[:20]!r} is no outcome that we know"
        reader.fault(f"{place.path}/{path}", Fault.UNKNOWN_CODE, says)
    return frozenset((_CANCELLED.get(code, code),))


def _confirmed(reader: Reader, body: Place) -> str | None:
    """The outcome of the case as a whole, when it is stated by a code that we know."""
    code = reader.text(body, "Sts/Conf")
    if code is not None and code not in _CONFIRMED:
        reader.fault(
            f"{body.path}/Sts/Conf", Fault.UNKNOWN_CODE, f"{code[:20]!r} is no outcome that we know"
        )
    return _CONFIRMED.get(code or "")


def _cancellation(
    reader: Reader, one: _Recalled, about: Answer, whole: str | None
) -> Answer | None:
    """What became of one payment. It must not contradict the outcome of the case, nor that of its
    block or file.
    """
    tx = one.tx
    about = replace(
        about,
        path=tx.path,
        scope=Scope.PAYMENT,
        case_id=reader.id(tx, "RslvdCase/Id") or about.case_id,
        settlement_id=reader.settlement(tx, "OrgnlEndToEndId"),
        uetr=one.uetr,
        instruction_id=reader.id(tx, "OrgnlInstrId"),
        original_message_id=one.message_id,
    )
    code = reader.text(tx, "TxCxlSts")
    status = _CANCELLED.get(code or "") if code else whole
    others = one.many if whole is None else one.many | {whole}
    if status is None:
        fault = Fault.UNKNOWN_CODE if code else Fault.MISSING
        reader.fault(f"{tx.path}/TxCxlSts", fault, f"{code!r} is no outcome that we know")
    elif not others <= {status}:
        wrong = f"is {status}, the case, file or block {', '.join(sorted(others - {status}))}"
        reader.fault(f"{tx.path}/TxCxlSts", Fault.CONTRADICTION, wrong)
        status = None
    if status is None:
        reader.unread.append(Unread(about=about))
        return None
    reason, says = reader.reason(tx, "CxlStsRsnInf")
    status = "NOOR" if status == "RJCR" and reason == NO_ORIGINAL else status
    return replace(about, status=status, reason=reason, says=says)


def _pacs004(reader: Reader, side: Side) -> _Read:
    """Returns between banks. The account shows the same money under an id of its own, so that the
    entry alone counts: a return that were counted by both would be counted twice.
    """
    body, message_id, made = _header(reader, "PmtRtr")
    answers = []
    for tx in reader.all(body, "TxInf"):
        settlement, uetr = reader.settlement(tx, "OrgnlEndToEndId"), reader.uetr(tx, "OrgnlUETR")
        if settlement is None and uetr is None:
            reader.fault(tx.path, Fault.UNKNOWN_REFERENCE, "a return of a payment that is not ours")
            continue
        return_id, money = reader.id(tx, "RtrId"), reader.money(tx, "RtrdIntrBkSttlmAmt")
        if return_id is None:
            reader.fault(f"{tx.path}/RtrId", Fault.MISSING, "is not there, or no id")
        reason, says = reader.reason(tx, "RtrRsnInf")
        if reason is None:
            reader.fault(f"{tx.path}/RtrRsnInf", Fault.MISSING, "why it came back is not said")
        if return_id is None or money is None or reason is None:
            continue
        answers.append(
            Answer(
                message=reader.message,
                message_id=message_id,
                path=tx.path,
                status="ANNOUNCED",
                settlement_id=settlement,
                uetr=uetr,
                instruction_id=reader.id(tx, "OrgnlInstrId"),
                amount_minor=money.minor,
                currency=money.currency,
                return_id=return_id,
                reason=reason,
                says=says,
                rail_time=made,
            )
        )
    if not answers and not reader.findings:
        reader.fault(body.path, Fault.MISSING, "no return of anything")
    return message_id, answers, []


def _camt054(reader: Reader, side: Side) -> _Read:
    body, message_id, made = _header(reader, "BkToCstmrDbtCdtNtfctn")
    entries = Entries(reader, side, message_id)
    for notification in reader.all(body, "Ntfctn"):
        for ntry in reader.all(notification, "Ntry"):
            entries.read(ntry, made)
    return message_id, entries.answers, []


def _camt053(reader: Reader, side: Side) -> _Read:
    body, message_id, made = _header(reader, "BkToCstmrStmt")
    entries = Entries(reader, side, message_id)
    statements = [statement(entries, place, made) for place in reader.all(body, "Stmt")]
    return message_id, entries.answers, statements


_READERS: dict[str, Callable[[Reader, Side], _Read]] = {
    "pain.002.001": _pain002,
    "camt.029.001": _camt029,
    "camt.053.001": _camt053,
    "camt.054.001": _camt054,
    "pacs.004.001": _pacs004,
}
