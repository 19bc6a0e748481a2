"""Entries of an account as its bank reports them: camt.054 notifications, camt.053 statements."""

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from msgspec.structs import replace

from supplytwin.schemas.findings import Finding
from supplytwin.schemas.ids import Micros
from supplytwin.sinks.iso20022_answers import (
    Answer,
    Entry,
    Fault,
    Money,
    Place,
    Reader,
    Statement,
    Unread,
)
from supplytwin.sinks.iso20022_ids import BATCH_ID, ID_MAX, OWN_ID, SETTLEMENT_ID, UETR

_SIGN = {"CRDT": 1, "DBIT": -1}
_NOT_BOOKED = frozenset(("PDNG", "INFO", "FUTR"))
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


class _Part(NamedTuple):
    """One TxDtls of an entry, and whose it is: None = other business on the account."""

    tx: Place
    about: Answer | None


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
        findings, unread = len(reader.findings), len(reader.unread)
        details = [tx for part in reader.all(ntry, "NtryDtls") for tx in reader.all(part, "TxDtls")]
        name = reader.text(ntry, "AcctSvcrRef")
        parts = [_Part(tx, self._whose(tx, rail_time, name)) for tx in details]
        ours = [one.about for one in parts if one.about is not None]
        found: list[Entry] = []
        if status is None or whole is None or direction is None:
            self._unread(parts, reader.findings[findings - 1], moved=status != "PDNG")
        elif status == "BOOK":
            found = self._booked(ntry, parts, direction, whole)
        elif ours:
            self._not_booked(ntry, parts, status)
        elif status not in _NOT_BOOKED:
            says = f"an entry of status {status!r}"
            reader.fault(f"{ntry.path}/Sts/Cd", Fault.UNKNOWN_CODE, says)
        if ours and all(one.doubtful for one in ours):
            self._hold_back(ours[0], findings, unread)
        return found

    def _whose(self, tx: Place, rail_time: Micros | None, entry: str | None) -> Answer | None:
        """The ids of a transaction, when it bears any of our form, or a UETR; without any other
        that UETR is ours or nobody's. None: other business, and nobody's finding.
        """
        reader = self.reader
        reference = reader.text(tx, "Refs/EndToEndId")
        by_uetr = UETR.fullmatch(reader.text(tx, "Refs/UETR") or "") is not None
        own = [reader.text(tx, f"Refs/{name}") for name in ("InstrId", "PmtInfId", "MsgId")]
        sure = any(OWN_ID.fullmatch(one or "") for one in own)
        sure = sure or SETTLEMENT_ID.fullmatch(reference or "") is not None
        if reference is None:
            sure = sure or reader.one(tx, "Refs/UETR") is not None
        if not sure and not by_uetr:
            return None
        return Answer(
            message=reader.message,
            message_id=self.message_id,
            path=tx.path,
            status="",
            settlement_id=reader.settlement(tx, "Refs/EndToEndId"),
            uetr=reader.uetr(tx, "Refs/UETR"),
            instruction_id=reader.id(tx, "Refs/InstrId"),
            original_batch_id=reader.id(tx, "Refs/PmtInfId"),
            original_message_id=reader.id(tx, "Refs/MsgId"),
            entry_id=(reader.text(tx, "Refs/AcctSvcrRef") or entry or "")[:ID_MAX] or None,
            rail_time=rail_time,
            doubtful=not sure,
        )

    def _hold_back(self, about: Answer, findings: int, unread: int) -> None:
        """What was found since then are findings only if the payment is ours."""
        held = self.reader.findings[findings:]
        del self.reader.findings[findings:]
        known = {one.why for one in self.reader.unread[unread:]}
        self.reader.unread += [Unread(about=about, why=one) for one in held if one not in known]

    def _unread(self, parts: Iterable[_Part], why: Finding, *, moved: bool) -> None:
        """Something is said of these payments of ours that is not understood."""
        self.reader.unread += [
            Unread(about=one.about, why=why, moved=moved) for one in parts if one.about is not None
        ]

    def _fault(self, part: _Part, path: str, fault: Fault, says: str) -> None:
        """A finding about a transaction that moved the balance."""
        self.reader.fault(path, fault, says)
        self._unread((part,), self.reader.findings[-1], moved=True)

    def _booked(self, ntry: Place, parts: list[_Part], direction: str, whole: Money) -> list[Entry]:
        if all(one.about is None for one in parts):
            self._check_batch(ntry)
            return [self._entry(ntry, None, direction, whole)]
        reversal = self.reader.text(ntry, "RvslInd") in {"true", "1"}
        if reversal:
            self.reader.fault(ntry.path, Fault.REVERSAL, "the bank reverses an entry")
            self._unread(parts, self.reader.findings[-1], moved=True)
        found = self._transactions(ntry, parts, direction, whole)
        if found is None:
            self._unread(parts, self.reader.findings[-1], moved=True)
            return [self._entry(ntry, None, direction, whole)]
        if not reversal:
            for part, entry in zip(parts, found, strict=True):
                if part.about is not None:
                    self._answer(part, part.about, entry)
        return found

    def _transactions(
        self, ntry: Place, parts: list[_Part], direction: str, whole: Money
    ) -> list[Entry] | None:
        """One entry per TxDtls; None, with a finding, when they do not add up to the Ntry."""
        reader, found = self.reader, []
        for part in parts:
            stated = reader.one(part.tx, "Amt")
            money = reader.money(part.tx, "Amt") if stated or len(parts) > 1 else whole
            turned = self._direction(part.tx, direction)
            if money is None or turned is None:
                return None
            found.append(self._entry(ntry, part, turned, money))
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

    def _entry(self, ntry: Place, part: _Part | None, direction: str, money: Money) -> Entry:
        reader = self.reader
        tx, about = (None, None) if part is None else part
        return Entry(
            path=ntry.path if tx is None else tx.path,
            signed_minor=_SIGN[direction] * money.minor,
            currency=money.currency,
            entry_id=reader.id(tx, "Refs/AcctSvcrRef") or reader.id(ntry, "AcctSvcrRef"),
            settlement_id=about.settlement_id if about else None,
            uetr=about.uetr if about else None,
            returned=tx is not None and reader.one(tx, "RtrInf") is not None,
        )

    def _answer(self, part: _Part, about: Answer, entry: Entry) -> None:
        """BOOKED when it went the way of a payment, RETURNED when it came back as a return."""
        tx = part.tx
        outward = (entry.signed_minor < 0) == (self.side is Side.DEBTOR)
        if outward == entry.returned:
            says = "a payment of ours that goes the other way and is no return"
            if outward:
                says = "a return that goes the way of the payment"
            self._fault(part, tx.path, Fault.CONTRADICTION, says)
            return
        if entry.entry_id is None:
            says = "no AcctSvcrRef: it could be counted twice"
            self._fault(part, tx.path, Fault.MISSING, says)
            return
        reason, says_why = self.reader.reason(tx, "RtrInf")
        if entry.returned and reason is None:
            says = "why it came back is not said"
            self._fault(part, f"{tx.path}/RtrInf/Rsn", Fault.MISSING, says)
            return
        self.answers.append(
            replace(
                about,
                status="RETURNED" if entry.returned else "BOOKED",
                amount_minor=abs(entry.signed_minor),
                currency=entry.currency,
                entry_id=None if entry.returned else entry.entry_id,
                return_id=entry.entry_id if entry.returned else None,
                reason=reason,
                says=says_why,
            )
        )

    def _not_booked(self, ntry: Place, parts: list[_Part], status: str) -> None:
        """An entry that is not booked yet says of a payment of ours that it is on its way."""
        reader = self.reader
        if status not in _NOT_BOOKED:
            says = f"an entry of status {status!r}"
            reader.fault(f"{ntry.path}/Sts/Cd", Fault.UNKNOWN_CODE, says)
            self._unread(parts, reader.findings[-1], moved=True)
        elif status != "PDNG":
            reader.fault(ntry.path, Fault.NOT_BOOKED, f"an entry of status {status}")
            self._unread(parts, reader.findings[-1], moved=False)
        for part in parts:
            if status != "PDNG" or part.about is None:
                continue
            if reader.one(part.tx, "RtrInf") is None:
                self.answers.append(replace(part.about, status="PDNG", entry_id=None))
            else:
                reader.fault(ntry.path, Fault.NOT_BOOKED, "a return that is pending")
                self._unread((part,), reader.findings[-1], moved=False)

    def _check_batch(self, ntry: Place) -> None:
        """A batch that is booked as one, without its payments, says of none that it is booked."""
        batches = [self.reader.one(part, "Btch") for part in self.reader.all(ntry, "NtryDtls")]
        for batch in filter(None, batches):
            names = (self.reader.text(batch, "PmtInfId"), self.reader.text(batch, "MsgId"))
            if any(BATCH_ID.fullmatch(name or "") for name in names):
                about = Answer(
                    message=self.reader.message,
                    message_id=self.message_id,
                    path=ntry.path,
                    status="",
                    original_batch_id=self.reader.id(batch, "PmtInfId"),
                    original_message_id=self.reader.id(batch, "MsgId"),
                )
                says = "a batch without its payments"
                self._fault(_Part(ntry, about), batch.path, Fault.MISSING, says)


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
        statement_id=(reader.needed(place, "Id") or "")[:ID_MAX],
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
