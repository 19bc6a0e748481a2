"""Entries of an account as its bank reports them: camt.054 notifications, camt.053 statements."""

import datetime as dt
from enum import StrEnum

from msgspec.structs import replace

from supplytwin.schemas.ids import Micros
from supplytwin.sinks.iso20022_answers import (
    Answer,
    Entry,
    Fault,
    Money,
    Place,
    Reader,
    Statement,
)
from supplytwin.sinks.iso20022_ids import BATCH_ID, SETTLEMENT_ID

_SIGN = {"CRDT": 1, "DBIT": -1}
_OPENING = ("OPBD", "PRCD")
_CLOSING = "CLBD"


class Side(StrEnum):
    """Whose account is reported. A payment is a debit of the debtor's and a credit of the
    creditor's; a return is the other way round.
    """

    DEBTOR = "DEBTOR"
    CREDITOR = "CREDITOR"


PATHS = (
    "Amt", "CdtDbtInd", "RvslInd", "Sts/Cd", "AcctSvcrRef",
    "NtryDtls/Btch/MsgId", "NtryDtls/Btch/PmtInfId",
    "NtryDtls/TxDtls/Refs/AcctSvcrRef", "NtryDtls/TxDtls/Refs/EndToEndId",
    "NtryDtls/TxDtls/Refs/InstrId", "NtryDtls/TxDtls/Refs/PmtInfId", "NtryDtls/TxDtls/Refs/MsgId",
    "NtryDtls/TxDtls/Refs/UETR", "NtryDtls/TxDtls/Amt", "NtryDtls/TxDtls/CdtDbtInd",
    "NtryDtls/TxDtls/RtrInf/Rsn/Cd", "NtryDtls/TxDtls/RtrInf/Rsn/Prtry",
    "NtryDtls/TxDtls/RtrInf/AddtlInf",
)  # fmt: skip
"""What is read of an entry (Ntry); the tests look each up in every version that is taken."""


class Entries:
    """The entries of one document, read for one side."""

    def __init__(self, reader: Reader, side: Side, message_id: str) -> None:
        self.reader = reader
        self.side = side
        self.message_id = message_id
        self.answers: list[Answer] = []

    def read(self, ntry: Place, rail_time: Micros | None) -> list[Entry]:
        """The transactions of one Ntry that moved the balance; what is ours is answered too."""
        reader = self.reader
        status = reader.needed(ntry, "Sts/Cd")
        whole = reader.money(ntry, "Amt")
        direction = self._direction(ntry)
        if status is None or whole is None or direction is None:
            return []
        details = [tx for part in reader.all(ntry, "NtryDtls") for tx in reader.all(part, "TxDtls")]
        ours = [tx for tx in details if self._is_ours(tx)]
        if status == "BOOK":
            return self._booked(ntry, details, ours, direction, whole, rail_time)
        if status == "PDNG":
            for tx in ours:
                self._pending(ntry, tx, rail_time)
        elif status not in {"INFO", "FUTR"}:
            says = f"an entry of status {status!r}"
            reader.fault(f"{ntry.path}/Sts/Cd", Fault.UNKNOWN_CODE, says)
        elif ours:
            reader.fault(ntry.path, Fault.NOT_BOOKED, f"an entry of status {status}")
        return []

    def _is_ours(self, tx: Place) -> bool:
        """Whether a transaction bears a reference of our form, or a UETR and no reference. What is
        not ours is nobody's finding.
        """
        reference = self.reader.text(tx, "Refs/EndToEndId")
        if reference is None:
            return self.reader.text(tx, "Refs/UETR") is not None
        return SETTLEMENT_ID.fullmatch(reference) is not None

    def _booked(
        self,
        ntry: Place,
        details: list[Place],
        ours: list[Place],
        direction: str,
        whole: Money,
        rail_time: Micros | None,
    ) -> list[Entry]:
        if not ours:
            self._check_batch(ntry)
            return [self._entry(ntry, None, direction, whole)]
        reversal = self.reader.text(ntry, "RvslInd") in {"true", "1"}
        if reversal:
            self.reader.fault(ntry.path, Fault.REVERSAL, "the bank reverses an entry")
        found = self._transactions(ntry, details, direction, whole)
        if found is None:
            return [self._entry(ntry, None, direction, whole)]
        if not reversal:
            for tx, entry in zip(details, found, strict=True):
                if tx in ours:
                    self._answer(tx, entry, rail_time)
        return found

    def _transactions(
        self, ntry: Place, details: list[Place], direction: str, whole: Money
    ) -> list[Entry] | None:
        """One entry per TxDtls; None, with a finding, when they do not add up to the Ntry."""
        reader, found = self.reader, []
        for tx in details:
            stated = reader.one(tx, "Amt")
            money = reader.money(tx, "Amt") if stated or len(details) > 1 else whole
            turned = self._direction(tx, direction)
            if money is None or turned is None:
                return None
            found.append(self._entry(ntry, tx, turned, money))
        booked = _SIGN[direction] * whole.minor
        alike = {entry.currency for entry in found} == {whole.currency}
        if not alike or sum(entry.signed_minor for entry in found) != booked:
            says = f"its transactions do not add up to the entry's {whole.minor} {whole.currency}"
            reader.fault(ntry.path, Fault.CONTRADICTION, says)
            return None
        return found

    def _direction(self, place: Place, otherwise: str | None = None) -> str | None:
        stated = self.reader.text(place, "CdtDbtInd") or otherwise
        if stated not in _SIGN:
            code = Fault.MISSING if stated is None else Fault.UNKNOWN_CODE
            self.reader.fault(f"{place.path}/CdtDbtInd", code, f"{stated!r} is not CRDT or DBIT")
            return None
        return stated

    def _entry(self, ntry: Place, tx: Place | None, direction: str, money: Money) -> Entry:
        reader = self.reader
        own = reader.id(tx, "Refs/AcctSvcrRef")
        return Entry(
            path=ntry.path if tx is None else tx.path,
            signed_minor=_SIGN[direction] * money.minor,
            currency=money.currency,
            entry_id=own or reader.id(ntry, "AcctSvcrRef"),
            settlement_id=reader.settlement(tx, "Refs/EndToEndId"),
            uetr=reader.uetr(tx, "Refs/UETR"),
            returned=tx is not None and reader.one(tx, "RtrInf") is not None,
        )

    def _answer(self, tx: Place, entry: Entry, rail_time: Micros | None) -> None:
        """BOOKED when it went the way of a payment, RETURNED when it came back as a return."""
        reader = self.reader
        outward = (entry.signed_minor < 0) == (self.side is Side.DEBTOR)
        if outward == entry.returned:
            says = "a payment of ours that goes the other way and is no return"
            if outward:
                says = "a return that goes the way of the payment"
            reader.fault(tx.path, Fault.CONTRADICTION, says)
            return
        if entry.entry_id is None:
            reader.fault(tx.path, Fault.MISSING, "no AcctSvcrRef: it could be counted twice")
            return
        reason, says_why = reader.reason(tx, "RtrInf")
        if entry.returned and reason is None:
            reader.fault(f"{tx.path}/RtrInf/Rsn", Fault.MISSING, "why it came back is not said")
            return
        self.answers.append(
            replace(
                self._about(tx, "RETURNED" if entry.returned else "BOOKED", rail_time),
                amount_minor=abs(entry.signed_minor),
                currency=entry.currency,
                entry_id=None if entry.returned else entry.entry_id,
                return_id=entry.entry_id if entry.returned else None,
                reason=reason,
                says=says_why,
            )
        )

    def _pending(self, ntry: Place, tx: Place, rail_time: Micros | None) -> None:
        """An entry that is not booked yet says of a payment of ours that it is on its way."""
        reader = self.reader
        if reader.one(tx, "RtrInf") is not None:
            reader.fault(ntry.path, Fault.NOT_BOOKED, "a return that is pending")
            return
        self.answers.append(self._about(tx, "PDNG", rail_time))

    def _check_batch(self, ntry: Place) -> None:
        """A batch that is booked as one, without its payments, says of none that it is booked."""
        batches = [self.reader.one(part, "Btch") for part in self.reader.all(ntry, "NtryDtls")]
        for batch in filter(None, batches):
            names = (self.reader.text(batch, "PmtInfId"), self.reader.text(batch, "MsgId"))
            if any(BATCH_ID.fullmatch(name or "") for name in names):
                self.reader.fault(batch.path, Fault.MISSING, "a batch without its payments")

    def _about(self, tx: Place, status: str, rail_time: Micros | None) -> Answer:
        reader = self.reader
        return Answer(
            message=reader.message,
            message_id=self.message_id,
            path=tx.path,
            status=status,
            settlement_id=reader.settlement(tx, "Refs/EndToEndId"),
            uetr=reader.uetr(tx, "Refs/UETR"),
            instruction_id=reader.id(tx, "Refs/InstrId"),
            original_batch_id=reader.id(tx, "Refs/PmtInfId"),
            original_message_id=reader.id(tx, "Refs/MsgId"),
            rail_time=rail_time,
        )


def statement(entries: Entries, place: Place, rail_time: Micros | None) -> Statement:
    """One Stmt: its entries and its booked balances."""
    reader, before = entries.reader, len(entries.reader.findings)
    page = reader.one(place, "StmtPgntn")
    alone = (reader.text(page, "PgNb"), reader.text(page, "LastPgInd")) in {
        ("1", "true"), ("1", "1"),
    }  # fmt: skip
    if page is not None and not alone:
        reader.fault(page.path, Fault.PART_OF_MORE, "is a page of a longer statement")
    opening = _balance(reader, place, _OPENING)
    closing = _balance(reader, place, (_CLOSING,))
    closed_on = _closed_on(reader, place)
    found = [entry for ntry in reader.all(place, "Ntry") for entry in entries.read(ntry, rail_time)]
    account = reader.text(place, "Acct/Id/IBAN") or reader.text(place, "Acct/Id/Othr/Id")
    if account is None:
        reader.fault(f"{place.path}/Acct/Id", Fault.MISSING, "whose statement it is is not said")
    currencies = {one.currency for one in (opening, closing) if one is not None}
    currencies |= {one.currency for one in found}
    if len(currencies) > 1:
        says = f"has amounts in {', '.join(sorted(currencies))}"
        reader.fault(place.path, Fault.CONTRADICTION, says)
    return Statement(
        statement_id=reader.needed(place, "Id") or "",
        account=account or "",
        currency=currencies.pop() if len(currencies) == 1 else None,
        opening_minor=opening.minor if opening else None,
        closing_minor=closing.minor if closing else None,
        entries=tuple(found),
        complete=len(reader.findings) == before,
        closed_on=closed_on,
    )


def _closed_on(reader: Reader, place: Place) -> dt.date | None:
    """The day of the closing balance; that several are stated differently is a finding."""
    days = {
        reader.day(bal, "Dt")
        for bal in reader.all(place, "Bal")
        if reader.text(bal, "Tp/CdOrPrtry/Cd") == _CLOSING
    }
    if len(days) > 1:
        reader.fault(f"{place.path}/Bal", Fault.BALANCE, f"{_CLOSING} is of two days")
        return None
    return days.pop() if days else None


def _balance(reader: Reader, place: Place, codes: tuple[str, ...]) -> Money | None:
    """The booked balance of one of these codes, a debit negative; two must agree."""
    found: set[Money] = set()
    for bal in reader.all(place, "Bal"):
        if reader.text(bal, "Tp/CdOrPrtry/Cd") in codes:
            money, way = reader.money(bal, "Amt", zero=True), reader.text(bal, "CdtDbtInd")
            if money is None or way not in _SIGN:
                reader.fault(bal.path, Fault.BALANCE, "its amount or direction cannot be read")
                return None
            found.add(Money(_SIGN[way] * money.minor, money.currency))
    if len(found) != 1:
        says = "is stated in two ways" if found else "is not there"
        reader.fault(f"{place.path}/Bal", Fault.BALANCE, f"{' or '.join(codes)} {says}")
        return None
    return found.pop()
