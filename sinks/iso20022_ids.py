"""The ids that a payment has at a bank: each follows from what is paid and from nothing else.

    settlement id = EndToEndId   32 hex digits, for ever the same (`schemas.ids.settlement_id`)
    UETR                         one per attempt, of the version 4 pattern (`schemas.ids.uetr`)
    MsgId                        one per set of (settlement id, attempt) that a file holds
    PmtInfId, InstrId, case id   likewise, each of its own domain, so that no two are ever alike

A crash between handing over and recording is safe only because asking again makes the same ids.
"""

import hashlib
import re
from collections.abc import Iterable

from supplytwin.schemas import ids
from supplytwin.schemas.errors import Code, RecordError

SETTLEMENT_ID = re.compile(r"[0-9a-f]{32}")
UETR = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
"""As the schemas of pain.001.001.09 and pacs.008.001.08 have it."""
BATCH_ID = re.compile(r"[MP][0-9a-f]{32}")
"""A MsgId or PmtInfId of ours."""
OWN_ID = re.compile(r"[IMP][0-9a-f]{32}")
"""An InstrId, MsgId or PmtInfId of ours."""
ID_MAX = 35
"""Characters of MsgId, PmtInfId, InstrId, EndToEndId and case ids (Max35Text)."""


def end_to_end_id(settlement: str) -> str:
    """The settlement id as EndToEndId: it is one as it stands.

    Raises RecordError (settlement_id) unless it is 32 lower-case hex digits.
    """
    if not SETTLEMENT_ID.fullmatch(settlement):
        raise RecordError(
            Code.BAD_VALUE, "settlement_id", f"{settlement!r} is not 32 lower-case hex digits"
        )
    return settlement


def uetr(settlement: str, attempt: int) -> str:
    """The UETR of one attempt (>= 1). Raises RecordError (settlement_id, attempt)."""
    return ids.uetr(end_to_end_id(settlement), _counted(attempt, "attempt"))


def message_id(payments: Iterable[tuple[str, int]]) -> str:
    """MsgId of a file with these (settlement id, attempt); their order does not matter."""
    return _derived("M", payments)


def payment_information_id(payments: Iterable[tuple[str, int]]) -> str:
    """PmtInfId of the block that holds these (settlement id, attempt)."""
    return _derived("P", payments)


def instruction_id(settlement: str, attempt: int) -> str:
    """InstrId of one attempt: tells attempts apart where a bank does not repeat the UETR."""
    return _derived("I", ((settlement, attempt),))


def recall_id(settlement: str, recall_no: int) -> str:
    """Assignment and case id of the recall of this number: an answer names the case."""
    return _derived("R", ((settlement, recall_no),), number="recall_no")


def _derived(domain: str, payments: Iterable[tuple[str, int]], number: str = "attempt") -> str:
    parts = sorted(
        f"{end_to_end_id(settlement)}\0{_counted(count, number)}" for settlement, count in payments
    )
    if not parts:
        raise RecordError(Code.BAD_VALUE, "payments", "there is none")
    digest = hashlib.sha256("\0".join((domain, *parts)).encode()).hexdigest()
    return domain + digest[:32]


def _counted(number: int, field: str) -> int:
    if number < 1:
        raise RecordError(Code.BAD_VALUE, field, f"{number} is not a count from 1 on")
    return number
