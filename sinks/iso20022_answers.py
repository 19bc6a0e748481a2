"""What a bank has said, and what of it could not be understood: the shapes, and how they are read.

An answer is complete: its status, whose it is, and for money the amount, the currency and the
bank's own id. What is not complete, or says something that we do not know, becomes a finding with
its place, never an answer with a guess in it. A document with findings wants a person.
"""

import datetime as dt
import re
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.findings import Finding
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.localtime import check_time
from supplytwin.schemas.money import exponent, to_minor
from supplytwin.schemas.rfc3339 import moment
from supplytwin.sinks.iso20022_ids import ID_MAX, SETTLEMENT_ID, UETR
from supplytwin.sinks.iso20022_xml import Element

_AMOUNT = re.compile(r"\+?([0-9]{1,18})(?:\.([0-9]{0,17}))?")
_BLANK = " \t\r\n"
_SHOWN = 60
_SAYS_MAX = 300
_CODE_MAX, _OWN_MAX, _WORDS_MAX = 4, 35, 105
"""Characters of a reason, of a bank's own, and of one line of words about it."""
_REASONS_MAX = 20
"""So many of them are told; the schema has no bound."""


class Fault(StrEnum):
    """Why something in a bank's message became a finding."""

    MISSING = "MISSING"
    """What the schema, or we, cannot do without."""
    REPEATED = "REPEATED"
    """Twice what may be there once."""
    BAD_ID = "BAD_ID"
    """An id that is longer than 35 characters, or a UETR not of its pattern."""
    BAD_AMOUNT = "BAD_AMOUNT"
    """No number, zero, other decimals than the currency has, or no currency."""
    BAD_TIME = "BAD_TIME"
    """A date-time without an offset from UTC, or out of range: the answer stands, its time is
    unknown.
    """
    UNKNOWN_CODE = "UNKNOWN_CODE"
    """A status that our table does not have."""
    CONTRADICTION = "CONTRADICTION"
    """Two parts of one message say what cannot both be."""
    NOT_BOOKED = "NOT_BOOKED"
    """An entry that is announced or for information: nothing has been booked by it."""
    REVERSAL = "REVERSAL"
    """The bank takes back a booking of its own: a person decides what that means for the claim."""
    PART_OF_MORE = "PART_OF_MORE"
    """A page of a longer statement: its balances close only with the others."""
    BALANCE = "BALANCE"
    """Opening or closing balance missing, or stated in two ways."""
    UNKNOWN_REFERENCE = "UNKNOWN_REFERENCE"
    """It names nothing that was sent, or two things at once."""


class Scope(StrEnum):
    """What an answer is about: one payment, all of a block or of a file, or a recall's case."""

    PAYMENT = "PAYMENT"
    BATCH = "BATCH"
    MESSAGE = "MESSAGE"
    CASE = "CASE"


class Answer(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One thing that a bank has said; `status` is that of a receipt (`schemas.records.Receipt`):

    ACTC ACCP ACSP ACWC PDNG | ACSC | RJCT | NOT_FOUND | BOOKED | RETURNED | CNCL RJCR NOOR, and
    RCVD, PART, DUPL, PDCR, ANNOUNCED, which move no claim: received; look at the parts; the file is
    there already, ask what became of it; a recall that is being looked at; a return between banks,
    which counts when the account shows it.
    """

    message: str
    message_id: str
    path: str
    status: str
    scope: Scope = Scope.PAYMENT
    settlement_id: str | None = None
    """The EndToEndId, when it has the form of ours."""
    uetr: str | None = None
    instruction_id: str | None = None
    original_batch_id: str | None = None
    original_message_id: str | None = None
    case_id: str | None = None
    amount_minor: int | None = None
    """Always with a currency."""
    currency: str | None = None
    entry_id: str | None = None
    """Account servicer reference: one booking has one, however often it is reported."""
    return_id: str | None = None
    reason: str | None = None
    """The code; several are joined by '+', one of a bank's own list begins with `PRTRY:`."""
    says: str | None = None
    rail_time: Micros | None = None
    doubtful: bool = False
    """Its reference is not of our form: it is ours only if the UETR is, else nobody's matter."""


class Unread(Struct, frozen=True, kw_only=True, gc=False):
    """Something that is said of a payment and is not understood, so that nothing else of the same
    document may be told in its place.
    """

    about: Answer
    """The ids that stand there; the status is empty."""
    why: Finding | None = None
    """What is wrong, where that is a finding only if the payment is ours."""
    moved: bool = False
    """Money may have moved."""


class Entry(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One transaction of a statement that moved the balance; credits are positive."""

    path: str
    signed_minor: int
    currency: str
    entry_id: str | None
    settlement_id: str | None
    """None when it is other business on the account."""
    uetr: str | None = None
    returned: bool = False


class Statement(Struct, frozen=True, kw_only=True, gc=False):
    """One camt.053 statement of one account: what it opened with, what happened, what it closed
    with. A balance is None when it could not be read.
    """

    statement_id: str
    account: str
    currency: str | None
    opening_minor: int | None
    closing_minor: int | None
    entries: tuple[Entry, ...]
    complete: bool
    """No finding is about this statement, so that its sum can be trusted."""
    closed_on: dt.date | None = None
    """The bank's day of the closing balance: what is booked later is in a later statement."""


class Reading(Struct, frozen=True, kw_only=True, gc=False):
    """All that one document said."""

    message: str
    message_id: str
    answers: tuple[Answer, ...]
    findings: tuple[Finding, ...]
    statements: tuple[Statement, ...] = ()
    unread: tuple[Unread, ...] = ()


class Place(NamedTuple):
    """An element and where it stands."""

    element: Element
    path: str


class Money(NamedTuple):
    """An amount above zero in minor units of its currency."""

    minor: int
    currency: str


class Reader:
    """Reads the parts of one document of one namespace and keeps what is wrong with them."""

    def __init__(self, root: Element, message: str) -> None:
        self.message = message
        self.root = Place(root, "/Document")
        self.findings: list[Finding] = []
        self.unread: list[Unread] = []
        self._space = root.tag.rpartition("}")[0] + "}"

    def fault(self, path: str, fault: Fault, says: str) -> None:
        """Keep a finding."""
        self.findings.append(Finding(path=path, code=fault, says=says[:_SAYS_MAX]))

    def all(self, place: Place, name: str) -> list[Place]:
        """The children of this name, in order."""
        found = place.element.findall(self._space + name)
        if len(found) == 1:
            return [Place(found[0], f"{place.path}/{name}")]
        return [Place(one, f"{place.path}/{name}[{at}]") for at, one in enumerate(found, 1)]

    def one(self, place: Place | None, path: str) -> Place | None:
        """The one descendant at `path`; None when there is none, or (with a finding) several."""
        for name in path.split("/"):
            found = [] if place is None else self.all(place, name)
            if len(found) > 1:
                self.fault(found[1].path, Fault.REPEATED, f"{name} is there {len(found)} times")
                return None
            place = found[0] if found else None
        return place

    def need(self, place: Place, path: str) -> Place | None:
        """As `one`; that there is none is a finding."""
        before = len(self.findings)
        found = self.one(place, path)
        if found is None and len(self.findings) == before:
            self.fault(f"{place.path}/{path}", Fault.MISSING, "is not there")
        return found

    def text(self, place: Place | None, path: str) -> str | None:
        """The text at `path` without white space around it; None when there is none."""
        found = self.one(place, path)
        if found is None or len(found.element):
            return None
        return (found.element.text or "").strip(_BLANK) or None

    def needed(self, place: Place, path: str) -> str | None:
        """As `text`; that there is none is a finding."""
        before = len(self.findings)
        value = self.text(place, path)
        if value is None and len(self.findings) == before:
            self.fault(f"{place.path}/{path}", Fault.MISSING, "is not there, or empty")
        return value

    def id(self, place: Place | None, path: str) -> str | None:
        """An id of at most 35 characters; a longer one is a finding."""
        value = self.text(place, path)
        if place is not None and value is not None and len(value) > ID_MAX:
            self.fault(
                f"{place.path}/{path}", Fault.BAD_ID, f"{value[:_SHOWN]!r} is longer than an id is"
            )
            return None
        return value

    def settlement(self, place: Place | None, path: str) -> str | None:
        """An EndToEndId when it has the form of ours; any other is somebody else's."""
        value = self.id(place, path)
        return value if value is not None and SETTLEMENT_ID.fullmatch(value) else None

    def uetr(self, place: Place | None, path: str) -> str | None:
        """A UETR; what is not one is a finding."""
        value = self.text(place, path)
        if place is not None and value is not None and not UETR.fullmatch(value):
            self.fault(f"{place.path}/{path}", Fault.BAD_ID, f"{value[:_SHOWN]!r} is no UETR")
            return None
        return value

    def time(self, place: Place | None, path: str) -> Micros | None:
        """An instant; one without an offset, or one that no record can have, is a finding, and
        unknown.
        """
        value = self.text(place, path)
        if place is None or value is None:
            return None
        try:
            micros = moment(value).micros
            check_time(micros)
        except (ValueError, RecordError) as error:
            self.fault(f"{place.path}/{path}", Fault.BAD_TIME, str(error))
            return None
        return micros

    def day(self, place: Place, path: str) -> dt.date | None:
        """The date at `path`, given as one (Dt) or as the local date of an instant (DtTm); None
        with a finding when there is none.
        """
        value = self.text(place, f"{path}/Dt") or self.text(place, f"{path}/DtTm")
        if value is None:
            self.fault(f"{place.path}/{path}", Fault.MISSING, "is not there")
            return None
        try:
            return dt.date.fromisoformat(value[:10])
        except ValueError as error:
            self.fault(f"{place.path}/{path}", Fault.BAD_TIME, str(error))
            return None

    def reason(self, place: Place, name: str) -> tuple[str | None, str | None]:
        """(codes in one text, words) of all `name` (StsRsnInf, RtrRsnInf)."""
        codes, words = self.reasons(place, name)
        return joined(codes), words

    def reasons(self, place: Place, name: str) -> tuple[frozenset[str], str | None]:
        """The codes of all `name`, one of a bank's own marked as that, and the words; cut to the
        lengths of the schema. A code that is longer than those of ISO is none of them.
        """
        codes: set[str] = set()
        words: list[str] = []
        for one in self.all(place, name):
            code, own = self.text(one, "Rsn/Cd"), self.text(one, "Rsn/Prtry")
            if code and len(code) > _CODE_MAX:
                code, own = None, code
            codes |= {code} if code else {f"PRTRY:{own[:_OWN_MAX]}"} if own else set()
            words += [(more.element.text or "").strip(_BLANK) for more in self.all(one, "AddtlInf")]
        told = [line[:_WORDS_MAX] for line in words if line]
        return frozenset(codes), " ".join(told[:_REASONS_MAX]) or None

    def money(self, place: Place, path: str, *, zero: bool = False) -> Money | None:
        """The amount at `path`; None with a finding when it is none, or is not there.

        It has exactly the decimals of its currency: with others, one of the two is wrong. Only
        a balance may be `zero`.
        """
        found = self.need(place, path)
        if found is None:
            return None
        value = (found.element.text or "").strip(_BLANK)
        currency = found.element.get("Ccy", "")
        form = _AMOUNT.fullmatch(value)
        if form is None:
            self.fault(found.path, Fault.BAD_AMOUNT, f"{value[:_SHOWN]!r} is not an amount")
            return None
        try:
            decimals = exponent(currency)
            if len(form[2] or "") != decimals:
                says = f"{value} has other than the {decimals} decimals of {currency}"
                self.fault(found.path, Fault.BAD_AMOUNT, says)
                return None
            minor = to_minor(Decimal(f"{form[1]}.{form[2] or 0}"), currency)
        except RecordError as error:
            self.fault(found.path, Fault.BAD_AMOUNT, error.reason)
            return None
        if minor == 0 and not zero:
            self.fault(found.path, Fault.BAD_AMOUNT, "is zero")
            return None
        return Money(int(minor), currency)


def joined(codes: Iterable[str]) -> str | None:
    """Reasons as one text, sorted; None when there is none. Many are told as `PRTRY:MORE`."""
    found = sorted(codes)
    more = ["PRTRY:MORE"] if len(found) > _REASONS_MAX else []
    return "+".join(found[:_REASONS_MAX] + more) or None
