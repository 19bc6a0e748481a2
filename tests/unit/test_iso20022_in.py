"""What banks answer: statuses by the table, findings for everything else, hostile XML refused."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso20022_world import (
    BUYER,
    DECIMALS,
    bank_statement,
    entry,
    grown,
    notification,
    payment,
    payment_return,
    resolution,
    sent_file,
    status_report,
)
from msgspec.structs import replace

from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.ids import settlement_id
from supplytwin.schemas.rfc3339 import moment
from supplytwin.schemas.validate import RAIL_STATUSES
from supplytwin.sinks.iso20022_answers import Fault, Scope
from supplytwin.sinks.iso20022_entries import Side
from supplytwin.sinks.iso20022_in import VERSIONS, read
from supplytwin.sinks.iso20022_sent import attribute
from supplytwin.sinks.iso20022_status import ALREADY_THERE
from supplytwin.sinks.iso20022_xml import BYTES_MAX, document, parsed, put, written

SENT = sent_file().sent[0]
FOREIGN_UETR = "0c0ffee0-0000-4000-8000-000000000000"


def faults(data: bytes, side: Side = Side.DEBTOR) -> list[str]:
    """The codes of what a document has wrong."""
    return [one.code for one in read(data, side).findings]


# ---- pain.002


@pytest.mark.parametrize("status", ["RCVD", "ACTC", "ACCP", "ACSP", "ACSC", "ACWC", "PDNG", "RJCT"])
def test_a_status_of_a_payment_is_told_with_its_ids(status: str) -> None:
    """Each status of our table comes out as itself, with settlement, UETR and file."""
    reading = read(status_report(SENT, status))
    assert not reading.findings
    (answer,) = reading.answers
    assert answer.status == status
    assert (answer.settlement_id, answer.uetr) == (SENT.settlement_id, SENT.uetr)
    assert (answer.original_message_id, answer.scope) == (SENT.message_id, Scope.PAYMENT)
    assert answer.instruction_id == SENT.instruction_id
    assert answer.rail_time == moment("2026-11-18T11:00:00Z").micros
    assert answer.reason is None


@pytest.mark.parametrize("reason", ["AC04", "RC01", "AM04", "FF01"])
def test_a_rejection_tells_its_reason(reason: str) -> None:
    """A rejection of a payment is RJCT with the bank's code."""
    (answer,) = read(status_report(SENT, "RJCT", reason)).answers
    assert (answer.status, answer.reason) == ("RJCT", reason)


@pytest.mark.parametrize("reason", sorted(ALREADY_THERE))
def test_a_rejected_repetition_rejects_no_payment(reason: str) -> None:
    """What the bank has already is no rejection: for a payment, a file, and beside another
    reason.
    """
    data = status_report(SENT, "RJCT", reason)
    whole = status_report(None, reason=reason, group="RJCT", message_id=SENT.message_id)
    both = data.replace(
        b"</StsRsnInf>", b"</StsRsnInf><StsRsnInf><Rsn><Cd>AC04</Cd></Rsn></StsRsnInf>"
    )
    for one in (data, whole, both):
        (answer,) = read(one).answers
        assert answer.status == "DUPL"


def test_no_original_means_not_yet() -> None:
    """A bank that does not know a payment has not rejected it."""
    (answer,) = read(status_report(SENT, "RJCT", "NOOR")).answers
    assert answer.status == "NOT_FOUND"


def test_several_reasons_are_all_told_and_a_banks_own_is_marked() -> None:
    """Two codes are joined, so that neither is taken for the only one; a proprietary code never
    looks like one of ISO's.
    """
    data = status_report(SENT, "RJCT", "AM04")
    more = data.replace(
        b"</StsRsnInf>", b"</StsRsnInf><StsRsnInf><Rsn><Prtry>AM04</Prtry></Rsn></StsRsnInf>"
    )
    (answer,) = read(more).answers
    assert answer.reason == "AM04+PRTRY:AM04"


def test_text_of_a_bank_is_cut_to_the_lengths_of_the_schema() -> None:
    """Two million characters where 4, 35 or 105 may stand, or 50,000 reasons: what is told stays
    small, a code that is too long is none of ISO's, and a duplicate among many is found.
    """
    data = status_report(SENT, "RJCT", "AM04")
    code, long = b"<Cd>AM04</Cd>", b"x" * 2_000_000
    for new, told in (
        (b"<Prtry>" + long + b"</Prtry>", "PRTRY:" + "x" * 35),
        (b"<Cd>AM05" + long + b"</Cd>", "PRTRY:AM05" + "x" * 31),
        (b"<Cd>TM010</Cd>", "PRTRY:TM010"),
    ):
        (answer,) = read(data.replace(code, new)).answers
        assert (answer.status, answer.reason) == ("RJCT", told)
    words = b"</Rsn>" + b"<AddtlInf>%s</AddtlInf>" % long[:1000] * 1000
    assert len(read(data.replace(b"</Rsn>", words)).answers[0].says or "") < 3000
    form = b"<StsRsnInf><Rsn><Prtry>%d</Prtry></Rsn></StsRsnInf>"
    many = b"</StsRsnInf>" + b"".join(form % one for one in range(50_000))
    (answer,) = read(data.replace(b"</StsRsnInf>", many)).answers
    assert answer.status == "RJCT"
    assert len(answer.reason or "") < 1000
    assert (answer.reason or "").endswith("+PRTRY:MORE")
    (answer,) = read(data.replace(code, b"<Cd>DUPL</Cd>").replace(b"</StsRsnInf>", many)).answers
    assert answer.status == "DUPL"
    for place, new in ((b"ACCP", b">" + long + b"<"), (b'Ccy="CNY"', b'Ccy="' + long + b'"')):
        document = status_report(SENT) if place == b"ACCP" else payment_return(SENT)
        found = read(document.replace(b">ACCP<", new).replace(place, new)).findings
        assert found
        assert max(len(one.says) for one in found) < 500


def test_a_file_is_answered_as_a_whole() -> None:
    """A group status is one answer about the file, with its reason; PART points at the parts."""
    (answer,) = read(
        status_report(None, reason="FF01", group="RJCT", message_id=SENT.message_id)
    ).answers
    assert (answer.scope, answer.status, answer.reason) == (Scope.MESSAGE, "RJCT", "FF01")
    assert (answer.settlement_id, answer.original_message_id) == (None, SENT.message_id)
    part, single = read(status_report(SENT, "RJCT", "AC04", group="PART")).answers
    assert (part.status, single.status) == ("PART", "RJCT")


@pytest.mark.parametrize("code", ["ACCC", "BLCK", "acsc", "PART", "RJCT?"])
def test_an_unknown_status_is_named_and_moves_nothing(code: str) -> None:
    """A status that is not in the table becomes a finding with its place, and no answer."""
    reading = read(status_report(SENT, code))
    assert not reading.answers
    (finding,) = reading.findings
    assert (finding.code, finding.path) == (
        Fault.UNKNOWN_CODE,
        "/Document/CstmrPmtStsRpt/OrgnlPmtInfAndSts/TxInfAndSts/TxSts",
    )


def test_two_statuses_of_one_payment_are_none() -> None:
    """An element that may be there once and is there twice counts for nothing."""
    data = status_report(SENT, "ACSC")
    twice = data.replace(b"<TxSts>ACSC</TxSts>", b"<TxSts>ACSC</TxSts><TxSts>RJCT</TxSts>")
    reading = read(twice)
    assert not reading.answers
    assert {one.code for one in reading.findings} == {Fault.REPEATED}


def test_a_report_of_nothing_is_named() -> None:
    """A status report that states no status says so."""
    assert faults(status_report(None)) == [Fault.MISSING]


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0004-12-31T00:00:00+08:00"]
)
def test_a_time_that_no_record_can_have_is_unknown(time: str) -> None:
    """The schema takes every year, a receipt those that have a date in every zone."""
    data = notification(entry(SENT)).replace(b"2026-11-19T06:00:00Z", time.encode())
    reading = read(data)
    assert [one.code for one in reading.findings] == [Fault.BAD_TIME]
    (answer,) = reading.answers
    assert (answer.status, answer.rail_time) == ("BOOKED", None)


def test_a_time_without_an_offset_is_unknown() -> None:
    """The answer stands, its time is not guessed."""
    data = status_report(SENT).replace(b"2026-11-18T12:00:00+01:00", b"2026-11-18T12:00:00")
    reading = read(data)
    assert [one.code for one in reading.findings] == [Fault.BAD_TIME]
    assert reading.answers[0].rail_time is None


def test_ids_of_wrong_form_are_named() -> None:
    """A UETR that is none, and an id that is too long, are findings; a foreign EndToEndId is
    somebody else's.
    """
    data = status_report(SENT)
    broken = data.replace(SENT.uetr.encode(), SENT.uetr.upper().encode())
    assert faults(broken) == [Fault.BAD_ID]
    longer = data.replace(SENT.settlement_id.encode(), b"x" * 36)
    assert faults(longer) == [Fault.BAD_ID]
    (answer,) = read(data.replace(SENT.settlement_id.encode(), b"NOTPROVIDED")).answers
    assert answer.settlement_id is None
    (answer,) = read(data.replace(SENT.instruction_id.encode(), b"i" * 35)).answers
    assert answer.instruction_id == "i" * 35


# ---- camt.054 and pacs.004


def test_a_booking_is_told_with_amount_and_entry_id() -> None:
    """A booked debit of the buyer's account is BOOKED, keyed by the bank's own reference."""
    reading = read(notification(entry(SENT, "ASR-7")))
    assert not reading.findings
    (answer,) = reading.answers
    assert (answer.status, answer.entry_id, answer.return_id) == ("BOOKED", "ASR-7", None)
    assert (answer.amount_minor, answer.currency) == (SENT.amount_minor, "CNY")
    assert (answer.settlement_id, answer.uetr) == (SENT.settlement_id, SENT.uetr)


def test_a_booking_told_twice_has_one_entry_id() -> None:
    """The same entry in two notifications, and in the statement, is the same booking."""
    told = [
        read(notification(entry(SENT))),
        read(notification(entry(SENT))),
        read(bank_statement(0, -SENT.amount_minor, entry(SENT))),
    ]
    assert {(one.answers[0].entry_id, one.answers[0].settlement_id) for one in told} == {
        ("ASR-1", SENT.settlement_id)
    }


def test_a_return_is_told_by_its_own_id() -> None:
    """A credit with return information is RETURNED, a pacs.004 announces it; with id, amount,
    reason.
    """
    back = entry(SENT, "ASR-8", "CRDT", returned="AC04", minor=500)
    announced = payment_return(SENT, "ASR-8", minor=500)
    for data, status in ((notification(back), "RETURNED"), (announced, "ANNOUNCED")):
        reading = read(data)
        assert not reading.findings
        (answer,) = reading.answers
        assert (answer.status, answer.return_id, answer.reason) == (status, "ASR-8", "AC04")
        assert (answer.amount_minor, answer.currency, answer.entry_id) == (500, "CNY", None)


def test_the_sellers_account_shows_the_same_the_other_way_round() -> None:
    """On the creditor's account a credit is the booking and a debit with a reason the return."""
    data = notification(
        entry(SENT, "A", "CRDT"), entry(SENT, "B", "DBIT", returned="MD07", minor=1)
    )
    reading = read(data, Side.CREDITOR)
    assert not reading.findings
    assert [one.status for one in reading.answers] == ["BOOKED", "RETURNED"]


@pytest.mark.parametrize(
    ("one", "fault"),
    [
        (entry(SENT, direction="CRDT"), Fault.CONTRADICTION),
        (entry(SENT, returned="AC04"), Fault.CONTRADICTION),
        (entry(SENT, entry_id=""), Fault.MISSING),
        (entry(SENT, status="INFO"), Fault.NOT_BOOKED),
        (entry(SENT, status="FUTR"), Fault.NOT_BOOKED),
        (entry(SENT, status="XXXX"), Fault.UNKNOWN_CODE),
        (entry(SENT, direction="NONE"), Fault.UNKNOWN_CODE),
    ],
)
def test_an_entry_that_says_something_else_moves_nothing(
    one: list[tuple[str, ...]], fault: Fault
) -> None:
    """Wrong way, no id, not booked, unknown: a finding and no answer."""
    reading = read(notification(one))
    assert not reading.answers
    assert {finding.code for finding in reading.findings} == {fault}


def test_a_pending_entry_is_a_status_and_no_booking() -> None:
    """PDNG of an entry tells that the payment is on its way; it has no entry id."""
    (answer,) = read(notification(entry(SENT, status="PDNG"))).answers
    assert (answer.status, answer.entry_id, answer.amount_minor) == ("PDNG", None, None)


def test_a_reversal_is_for_people() -> None:
    """An entry by which the bank takes back its own booking is named and answers nothing."""
    data = notification(entry(SENT, direction="CRDT"))
    data = data.replace(b"<Sts>", b"<RvslInd>true</RvslInd><Sts>")
    reading = read(data)
    assert not reading.answers
    assert [one.code for one in reading.findings] == [Fault.REVERSAL]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"x", b"x"), (b"DBIT", b"CRDT"), (b"BOOK", b"INFO"), (b"BOOK", b"PDNG"),
        (b"<Sts>", b"<RvslInd>true</RvslInd><Sts>"), (SENT.uetr.encode(), b"NO-UETR"),
        (b"240000.50</Amt><CdtDbtInd>DBIT</CdtDbtInd></TxDtls>",
         b"1.234</Amt><CdtDbtInd>DBIT</CdtDbtInd></TxDtls>"),
        (SENT.message_id.encode(), b"PAYROLL"),
    ],
)  # fmt: skip
def test_other_business_on_the_account_is_nobodys_finding(old: bytes, new: bytes) -> None:
    """An entry without any id of ours tells nobody anything and is no fault, whatever else it says;
    when booked it counts for the balance.
    """
    data = bank_statement(0, -SENT.amount_minor, entry(SENT))
    for ours, theirs in (
        (SENT.settlement_id, "INVOICE 17"), (SENT.uetr, FOREIGN_UETR), (SENT.message_id, "M1"),
        (SENT.instruction_id, "I1"), (SENT.payment_information_id, "P1"),
    ):  # fmt: skip
        data = data.replace(ours.encode(), theirs.encode())
    reading = attribute(read(data.replace(old, new)), (SENT,))
    assert reading.told == ()
    assert reading.findings == ()
    booked = [one.signed_minor for one in reading.statements[0].entries]
    sign = 1 if new == b"CRDT" else -1
    assert booked == ([sign * SENT.amount_minor] if new not in {b"INFO", b"PDNG"} else [])
    assert {one.settlement_id for one in reading.statements[0].entries} <= {None}
    assert reading.statements[0].complete


def turned(**changes: str | None) -> list[tuple[str, ...]]:
    """The booking of our payment with other references; None leaves one out."""
    parts: list[tuple[str, ...]] = []
    for path, *rest in entry(SENT):
        name = path.rpartition("/")[2]
        value = changes.get(name, rest[0])
        if value is not None:
            parts.append((path, value, *rest[1:]))
    return parts


@pytest.mark.parametrize(
    "reference", [SENT.settlement_id.upper(), "NOTPROVIDED", "INVOICE 17", None, "x" * 36]
)
def test_a_booking_with_our_uetr_is_ours_whatever_its_reference(reference: str | None) -> None:
    """With and without our other ids beside it: booked, and so in the statement."""
    foreign: dict[str, str | None] = {"InstrId": "1", "PmtInfId": None, "MsgId": None}
    for more in ({}, foreign):
        one = turned(EndToEndId=reference, **more)
        got = attribute(read(bank_statement(0, -SENT.amount_minor, one)), (SENT,))
        (told,) = got.told
        assert (told.settlement_id, told.answer.status) == (SENT.settlement_id, "BOOKED")
        (shown,) = got.statements[0].entries
        assert shown.settlement_id == SENT.settlement_id


@pytest.mark.parametrize("name", ["InstrId", "PmtInfId", "MsgId"])
@pytest.mark.parametrize("reference", ["NOTPROVIDED", None])
@pytest.mark.parametrize("uetr", [None, "5b0c1e2a-0000-4000-8000-000000000000"])
def test_a_booking_with_any_id_of_ours_is_not_other_business(
    name: str, reference: str | None, uetr: str | None
) -> None:
    """Neither EndToEndId nor UETR, but an id of the file, the block or the payment: a finding,
    nobody is told, and the statement has it as an entry of that payment.
    """
    others = {one: None for one in ("InstrId", "PmtInfId", "MsgId") if one != name}
    one = turned(EndToEndId=reference, UETR=uetr, **others)
    got = attribute(read(bank_statement(0, -SENT.amount_minor, one)), (SENT,))
    assert got.told == ()
    assert [found.code for found in got.findings] == [Fault.UNKNOWN_REFERENCE]
    (shown,) = got.statements[0].entries
    assert shown.settlement_id == SENT.settlement_id


def test_what_is_wrong_with_a_booking_is_a_finding_only_if_its_uetr_is_ours() -> None:
    """Its own amount cannot be read; the reference is not of our form."""
    for uetr, expected in ((SENT.uetr, [Fault.BAD_AMOUNT]), (FOREIGN_UETR, [])):
        one = turned(EndToEndId="INVOICE 17", UETR=uetr, InstrId=None, PmtInfId=None, MsgId=None)
        data = bank_statement(0, -SENT.amount_minor, one)
        data = data.replace(b'</Refs><Amt Ccy="CNY">240000.50', b'</Refs><Amt Ccy="CNY">1.234')
        got = attribute(read(data), (SENT,))
        assert got.told == ()
        assert [found.code for found in got.findings] == expected
        assert got.statements[0].complete == (not expected)


def test_a_reference_may_be_missing_when_there_is_a_uetr() -> None:
    """Without an EndToEndId the UETR alone says whose a booking is."""
    data = notification(entry(SENT))
    data = data.replace(f"<EndToEndId>{SENT.settlement_id}</EndToEndId>".encode(), b"")
    (answer,) = read(data).answers
    assert (answer.settlement_id, answer.uetr, answer.status) == (None, SENT.uetr, "BOOKED")


def test_transactions_of_one_entry_must_add_up() -> None:
    """Each transaction of a booked batch is answered when they add up; else none is."""
    one, two = SENT, replace(SENT, settlement_id=settlement_id("C", "T", "2"), uetr="")
    parts = entry(one, minor=300)
    details = [part for part in entry(two, minor=200) if part[0].startswith("Ntry/NtryDtls")]
    (first, *rest), *others = [part for part in details if not part[0].endswith("UETR")]
    batch = [*parts, (first.replace("TxDtls", "TxDtls+"), *rest), *others]
    good = [("Ntry/Amt", "5.00", "CNY") if part[0] == "Ntry/Amt" else part for part in batch]
    reading = read(notification(good))
    assert not reading.findings
    assert [one.amount_minor for one in reading.answers] == [300, 200]
    assert faults(notification(batch)) == [Fault.CONTRADICTION]
    assert not read(notification(batch)).answers


def test_a_batch_of_many_payments_is_read_once() -> None:
    """40,000 transactions of one entry: each is looked at once."""
    form = '<TxDtls><Refs><EndToEndId>{}</EndToEndId></Refs><Amt Ccy="CNY">1.00</Amt></TxDtls>'
    many = "".join(form.format(settlement_id("C", "T", str(one))) for one in range(40_000))
    plain = [part for part in entry(SENT, minor=4_000_000) if "TxDtls" not in part[0]]
    data = notification([*plain, ("Ntry/NtryDtls/Btch/MsgId", "x")])
    data = data.replace(b"</NtryDtls>", many.encode() + b"</NtryDtls>")
    before = time.process_time()
    reading = read(data)
    assert time.process_time() - before < 8
    assert len(reading.answers) == 40_000
    assert not reading.findings


def test_a_batch_without_its_payments_is_named() -> None:
    """One entry for a whole file proves none of its payments."""
    plain = [part for part in entry(SENT) if "TxDtls" not in part[0]]
    batch = [*plain, ("Ntry/NtryDtls/Btch/PmtInfId", SENT.payment_information_id)]
    assert faults(notification(batch)) == [Fault.MISSING]
    day = attribute(read(bank_statement(0, -SENT.amount_minor, batch)), (SENT,)).statements[0]
    assert [one.settlement_id for one in day.entries] == [SENT.settlement_id]
    assert faults(notification(plain)) == []
    salaries = [*plain, ("Ntry/NtryDtls/Btch/PmtInfId", "SALARIES 11/2026")]
    assert faults(notification(salaries)) == []


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("1.5", "CNY"), ("1.500", "CNY"), ("100.00", "JPY"), ("1.00", "KWD"), ("0.00", "CNY"),
        ("-1.00", "CNY"), ("1e2", "JPY"), ("", "CNY"), ("١٠٠", "JPY"), ("1,00", "CNY"),
        ("1.00", "XYZ"), ("1.00", ""), ("NaN", "CNY"), ("9" * 40, "JPY"),
    ],
)  # fmt: skip
def test_an_amount_that_cannot_be_right_is_named(text: str, currency: str) -> None:
    """Other decimals than the currency has, zero, a sign, no number, no currency: a finding, and
    no money moves, whether it is booked or comes back.
    """
    stated = f'Ccy="{currency}">{text}<'.encode()
    for data in (notification(entry(SENT)), payment_return(SENT)):
        changed = re.sub(rb'Ccy="CNY">[^<]*<|Ccy="CNY" ?/>', stated, data)
        reading = read(changed)
        assert not reading.answers
        assert {one.code for one in reading.findings} == {Fault.BAD_AMOUNT}


@given(st.integers(1, 10**14), st.sampled_from(sorted(DECIMALS)))
def test_what_was_instructed_comes_back_as_it_went(minor: int, currency: str) -> None:
    """Amount, currency and ids of a file are those that a booking of it is read with."""
    sent = sent_file(payment(amount_minor=minor, currency=currency)).sent[0]
    (answer,) = read(notification(entry(sent))).answers
    assert (answer.settlement_id, answer.uetr) == (sent.settlement_id, sent.uetr)
    assert (answer.amount_minor, answer.currency) == (minor, currency)


def test_a_return_needs_owner_amount_and_reason() -> None:
    """A pacs.004 leaves all of them optional; without them no money comes back here."""
    assert faults(payment_return(SENT, reason="")) == [Fault.MISSING]
    assert faults(payment_return(SENT, return_id="")) == [Fault.MISSING]
    assert Fault.BAD_ID in faults(payment_return(SENT, return_id="x" * 36))
    foreign = payment_return(SENT).replace(SENT.settlement_id.encode(), b"NOTPROVIDED")
    assert read(foreign).answers[0].uetr == SENT.uetr
    foreign = foreign.replace(SENT.uetr.encode(), b"")
    assert faults(foreign) == [Fault.UNKNOWN_REFERENCE]


# ---- camt.029


@pytest.mark.parametrize(
    ("confirmed", "status", "reason", "expected"),
    [
        ("CNCL", "ACCR", "", "CNCL"), ("", "ACCR", "", "CNCL"), ("CNCL", "", "", "CNCL"),
        ("RJCR", "RJCR", "LEGL", "RJCR"), ("", "RJCR", "ARDT", "RJCR"),
        ("RJCR", "RJCR", "NOOR", "NOOR"), ("", "RJCR", "NOOR", "NOOR"),
        ("PDCR", "PDCR", "", "PDCR"),
    ],
)  # fmt: skip
def test_a_recall_is_answered(confirmed: str, status: str, reason: str, expected: str) -> None:
    """Cancelled, refused, no original, still looked at: by the case, the payment, or both."""
    reading = read(resolution(SENT, "R1", confirmed, status, reason))
    assert not reading.findings
    (answer,) = reading.answers
    assert (answer.status, answer.case_id, answer.reason) == (expected, "R1", reason or None)
    assert (answer.settlement_id, answer.scope) == (SENT.settlement_id, Scope.PAYMENT)


def test_a_recall_is_answered_by_its_case_alone() -> None:
    """Without the payment the case says which recall is meant."""
    (answer,) = read(resolution(None, "R1", "CNCL")).answers
    assert (answer.status, answer.scope, answer.case_id) == ("CNCL", Scope.CASE, "R1")


@pytest.mark.parametrize(
    ("confirmed", "status", "fault"),
    [
        ("CNCL", "RJCR", Fault.CONTRADICTION),
        ("RJCR", "ACCR", Fault.CONTRADICTION),
        ("", "XXXX", Fault.UNKNOWN_CODE),
        ("", "", Fault.MISSING),
        ("MODI", "", Fault.UNKNOWN_CODE),
    ],
)
def test_an_unclear_answer_to_a_recall_cancels_nothing(
    confirmed: str, status: str, fault: Fault
) -> None:
    """Contradicting, unknown or no outcomes are findings and no answer."""
    reading = read(resolution(SENT, "R1", confirmed, status))
    assert not reading.answers
    assert fault in {one.code for one in reading.findings}


GROUP = (
    "<CxlDtls><OrgnlGrpInfAndSts><OrgnlMsgId>x</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09"
    "</OrgnlMsgNmId><GrpCxlSts>{}</GrpCxlSts></OrgnlGrpInfAndSts>"
)
BLOCK = (
    f"<CxlDtls><OrgnlPmtInfAndSts><OrgnlPmtInfId>{SENT.payment_information_id}</OrgnlPmtInfId>"
    f"<OrgnlGrpInf><OrgnlMsgId>{SENT.message_id}</OrgnlMsgId></OrgnlGrpInf>"
    "<PmtInfCxlSts>{}</PmtInfCxlSts>"
)


def of_many(data: bytes, form: str, status: str, *, alone: bool = False) -> bytes:
    """The answer beside that for a file, or in that for a block; `alone`: without the payment."""
    text = data.decode()
    own = text[text.index("<CxlDtls>") + 9 : text.index("</CxlDtls>")]
    if form == BLOCK:
        inside = own.replace("OrgnlUETR", "UETR")
        inside = re.sub("<OrgnlGrpInf>.*</OrgnlGrpInf>", "", inside)
        end = "</OrgnlPmtInfAndSts>"
    else:
        inside, end = own, ""
    new = form.format(status) + ("" if alone else inside) + end
    return text.replace("<CxlDtls>" + own, new).encode()


@pytest.mark.parametrize("form", [GROUP, BLOCK])
def test_an_answer_for_a_whole_file_is_not_ours(form: str) -> None:
    """A file or a block is never recalled: an answer about one alone is named and cancels
    nothing, whatever the case says.
    """
    reading = read(of_many(resolution(SENT, "R1", "CNCL", "ACCR"), form, "ACCR", alone=True))
    assert not reading.answers
    assert [one.code for one in reading.findings] == [Fault.UNKNOWN_REFERENCE]


@pytest.mark.parametrize("form", [GROUP, BLOCK])
@pytest.mark.parametrize(
    ("many", "status", "expected"),
    [
        ("ACCR", "ACCR", "CNCL"), ("PACR", "ACCR", "CNCL"), ("PACR", "RJCR", "RJCR"),
        ("RJCR", "RJCR", "RJCR"), ("RJCR", "ACCR", None), ("ACCR", "RJCR", None),
        ("PDCR", "ACCR", None), ("ACCR", "", None),
    ],
)  # fmt: skip
def test_a_payment_is_answered_beside_its_file_and_in_its_block(
    form: str, many: str, status: str, expected: str | None
) -> None:
    """As when it stands alone, with the ids that stand there; it must not contradict what is said
    of the file or block, and what is said of those is no outcome of its own.
    """
    reading = read(of_many(resolution(SENT, "R1", "", status), form, many))
    if expected is None:
        assert not reading.answers
        code = Fault.CONTRADICTION if status else Fault.MISSING
        assert [one.code for one in reading.findings] == [code]
        return
    assert not reading.findings
    (answer,) = reading.answers
    assert (answer.status, answer.scope, answer.case_id) == (expected, Scope.PAYMENT, "R1")
    assert (answer.settlement_id, answer.uetr) == (SENT.settlement_id, SENT.uetr)
    assert answer.original_message_id == SENT.message_id


# ---- camt.053


def test_a_statement_has_balances_and_entries() -> None:
    """Opening, closing and every entry, signed; a return counts as a credit."""
    data = bank_statement(
        1_000_000_00,
        76_000_000,
        entry(SENT, "A", minor=24_000_050),
        entry(SENT, "B", "CRDT", returned="AC04", minor=50),
    )
    reading = read(data)
    (one,) = reading.statements
    assert one.complete
    assert (one.account, one.currency) == (BUYER.account.iban, "CNY")
    assert (one.opening_minor, one.closing_minor) == (100_000_000, 76_000_000)
    assert [entry.signed_minor for entry in one.entries] == [-24_000_050, 50]
    assert [answer.status for answer in reading.answers] == ["BOOKED", "RETURNED"]


def test_a_balance_may_be_zero_or_overdrawn() -> None:
    """An account can be empty, and below."""
    (one,) = read(bank_statement(0, -5, entry(SENT, minor=5))).statements
    assert (one.opening_minor, one.closing_minor, one.complete) == (0, -5, True)


def test_a_statement_that_is_not_whole_says_so() -> None:
    """A page of several, a missing or doubled balance, two currencies: not complete."""
    first = bank_statement(0, 0, page=("1", "false"))
    assert faults(first) == [Fault.PART_OF_MORE]
    assert not read(first).statements[0].complete
    assert read(bank_statement(0, 0, page=("1", "true"))).statements[0].complete
    missing = bank_statement(0, 0).replace(b"CLBD", b"ITBD")
    assert faults(missing) == [Fault.BALANCE]
    assert read(missing).statements[0].closing_minor is None
    for old, new in ((b">CRDT<", b">CRED<"), (b">0.00<", b">0.0<")):
        unclear = bank_statement(0, 0).replace(old, new)
        assert Fault.BALANCE in faults(unclear)
        assert read(unclear).statements[0].opening_minor is None
    mixed = bank_statement(0, 0, entry(SENT, currency="KWD", minor=1))
    assert Fault.CONTRADICTION in faults(mixed)
    two = bank_statement(0, 0).replace(b"</Bal><Ntry>", b"</Bal><Ntry>")
    opening = two[two.index(b"<Bal>") : two.index(b"</Bal>") + 6].replace(b"0.00", b"7.00")
    assert faults(two.replace(b"<Bal>", opening + b"<Bal>", 1)) == [Fault.BALANCE]


# ---- messages and versions


def test_every_version_that_is_taken_is_read_alike() -> None:
    """The same content under each accepted name gives the same answers."""
    made = {
        "pain.002.001": status_report(SENT, "RJCT", "AC04"),
        "camt.029.001": resolution(SENT, "R1", "CNCL", "ACCR"),
        "camt.053.001": bank_statement(0, -9, entry(SENT, minor=9)),
        "camt.054.001": notification(entry(SENT)),
        "pacs.004.001": payment_return(SENT),
    }
    assert made.keys() == VERSIONS.keys()
    for family, versions in VERSIONS.items():
        told = set()
        for version in versions:
            name = f"{family}.{version}".encode()
            data = re.sub(family.encode() + rb"\.\d\d", name, made[family], count=1)
            reading = read(data)
            assert reading.message == name.decode()
            told.add(replace(reading.answers[0], message=""))
        assert len(told) == 1, family


@pytest.mark.parametrize(
    "message",
    ["pain.002.001.03", "pain.002.001.99", "camt.053.001.02", "pacs.004.001.12", "camt.052.001.08",
     "pain.001.001.09", "pacs.008.001.08"],
)  # fmt: skip
def test_other_messages_are_refused_by_name(message: str) -> None:
    """A version whose paths differ, and a message that is not for us, are named."""
    with pytest.raises(RecordError, match=re.escape(message)) as caught:
        read(grown(message, ("GrpHdr/MsgId", "x")))
    assert caught.value.code is Code.UNKNOWN_SCHEMA


def test_a_document_without_its_body_is_refused() -> None:
    """The right name around something else is nothing that can be read."""
    with pytest.raises(RecordError, match="CstmrPmtStsRpt"):
        read(grown("pain.002.001.12", ("Other", "x")))
    with pytest.raises(RecordError, match="Document"):
        read(b"<BizMsg/>")


def test_a_status_is_one_that_a_receipt_can_have_or_moves_nothing() -> None:
    """Every status that is read is one of a receipt's, but for the five that move no claim."""
    codes = ["RCVD", "ACTC", "ACCP", "ACSP", "ACSC", "ACWC", "PDNG", "RJCT"]
    told = {read(status_report(SENT, code)).answers[0].status for code in codes}
    told |= {read(status_report(SENT, "RJCT", one)).answers[0].status for one in ("DUPL", "NOOR")}
    told |= {read(status_report(SENT, group="PART")).answers[0].status}
    told |= {read(resolution(SENT, "R", "", one)).answers[0].status for one in ("ACCR", "PDCR")}
    told |= {read(payment_return(SENT)).answers[0].status}
    assert told - RAIL_STATUSES == {"RCVD", "PART", "DUPL", "PDCR", "ANNOUNCED"}


# ---- hostile XML

BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.12">&c;</Document>"""
OUTSIDE = b"""<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.002.001.12">&x;</Document>"""
DTD = b'<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d.dtd"><Document/>'
SHEET = b'<?xml-stylesheet href="a"?><Document/>'


@pytest.mark.parametrize("data", [BOMB, OUTSIDE, DTD, SHEET], ids=["bomb", "file", "dtd", "pi"])
def test_what_could_expand_or_fetch_is_refused(data: bytes) -> None:
    """Document types, entities and processing instructions are refused before they act."""
    with pytest.raises(RecordError, match=r"document type|processing instruction"):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<Document", b"<a></b>", b"\xff\xfe<\x00a\x00/\x00>\x00", b"<a>\xe9</a>",
        b"<?xml version='1.0' encoding='ISO-8859-1'?><Document/>", b"<a>&undefined;</a>",
        b"<a>\x00</a>", b"<a/><b/>", b"<a x='1' x='2'/>",
    ],
)  # fmt: skip
def test_what_is_not_xml_in_utf_8_is_refused(data: bytes) -> None:
    """Garbage, other encodings and unknown entities are malformed."""
    with pytest.raises(RecordError) as caught:
        read(data)
    assert caught.value.code is Code.MALFORMED


def test_what_is_too_large_is_refused() -> None:
    """50 MB, a thousand levels, and a million elements end early."""
    with pytest.raises(RecordError) as caught:
        read(b"<Document>" + b" " * 50_000_000 + b"</Document>")
    assert caught.value.code is Code.TOO_LARGE
    assert BYTES_MAX < 50_000_000
    with pytest.raises(RecordError, match="levels"):
        parsed(b"<a>" * 1000 + b"</a>" * 1000)
    with pytest.raises(RecordError, match="elements"):
        parsed(b"<a>" + b"<b/>" * 1_000_000 + b"</a>")


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    """Nothing but RecordError ever leaves the reader."""
    good = status_report(SENT)
    for one in (data, good[: len(data)], good.replace(b"ACCP", data)):
        try:
            read(one)
        except RecordError:
            continue


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), min_size=1))
def test_text_is_escaped(text: str) -> None:
    """Whatever stands in an element or an attribute comes back as it was."""
    root, body = document("pain.001.001.09", "Body")
    put(body, "A/B", text, Ccy=text)
    (leaf,) = parsed(written(root)).iter("{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}B")
    assert (leaf.text, leaf.get("Ccy")) == (text, text)
