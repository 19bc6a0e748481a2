"""Whose an answer is: one payment, all of a file, a recall, or nobody."""

import pytest
from iso20022_world import (
    DESK,
    NOW,
    entry,
    notification,
    payment,
    payment_return,
    resolution,
    sent_file,
    status_report,
)
from msgspec.structs import replace

from supplytwin.schemas.ids import settlement_id
from supplytwin.sinks.iso20022_answers import Fault
from supplytwin.sinks.iso20022_in import read
from supplytwin.sinks.iso20022_out import Sent, payment_file
from supplytwin.sinks.iso20022_sent import Attributed, Recalled, attribute

FIRST = sent_file().sent[0]
SECOND = sent_file(payment(attempt=2)).sent[0]
FILE = payment_file(
    [payment(settlement_id=settlement_id("C", "T", str(n)), amount_minor=n) for n in (1, 2, 3)],
    DESK,
    NOW,
)
ALL = (FIRST, SECOND, *FILE.sent)


def told(data: bytes, sent: tuple[Sent, ...] = ALL, *recalled: Recalled) -> Attributed:
    """What a document tells whom."""
    return attribute(read(data), sent, recalled)


def test_the_uetr_says_which_attempt() -> None:
    """A status with a UETR is that attempt's, though both have one EndToEndId."""
    for one in (FIRST, SECOND):
        (got,) = told(status_report(one, "RJCT", "AM04")).told
        assert (got.settlement_id, got.attempt) == (one.settlement_id, one.attempt)


def test_the_uetr_alone_is_enough() -> None:
    """Where a bank does not repeat the EndToEndId the UETR names the attempt; an unknown one names
    nobody.
    """
    for data in (status_report(SECOND), notification(entry(SECOND)), payment_return(SECOND)):
        for tag in ("EndToEndId", "OrgnlEndToEndId"):
            data = data.replace(f"<{tag}>{SECOND.settlement_id}</{tag}>".encode(), b"")
        (got,) = told(data).told
        assert got.payment == (SECOND.settlement_id, 2)
        nobody = told(data, (FIRST,))
        assert not nobody.told
        assert [one.code for one in nobody.findings] == [Fault.UNKNOWN_REFERENCE]


def test_without_a_uetr_instruction_and_file_say_which_attempt() -> None:
    """A bank that does not repeat the UETR is understood by InstrId, or by the file's MsgId."""
    data = status_report(SECOND).replace(f"<OrgnlUETR>{SECOND.uetr}</OrgnlUETR>".encode(), b"")
    assert [one.attempt for one in told(data).told] == [2]
    instr = f"<OrgnlInstrId>{SECOND.instruction_id}</OrgnlInstrId>".encode()
    assert [one.attempt for one in told(data.replace(instr, b"")).told] == [2]


def test_an_attempt_is_not_guessed_but_money_is_never_left_over() -> None:
    """With the EndToEndId alone a status is nobody's; money that moved is the claim's all the
    same, told to the last attempt.
    """
    for data, owner in (
        (notification(entry(FIRST, status="PDNG")), 0), (notification(entry(FIRST)), 2),
        (payment_return(FIRST), 2),
    ):  # fmt: skip
        for name in ("UETR", "InstrId", "MsgId", "PmtInfId"):
            for value in (FIRST.uetr, FIRST.instruction_id, FIRST.message_id,
                          FIRST.payment_information_id):  # fmt: skip
                for tag in (name, f"Orgnl{name}"):
                    data = data.replace(f"<{tag}>{value}</{tag}>".encode(), b"")
        got = told(data)
        assert [one.attempt for one in got.told] == ([owner] if owner else [])
        assert [one.code for one in got.findings] == ([] if owner else [Fault.UNKNOWN_REFERENCE])


def test_ids_of_different_payments_name_nobody() -> None:
    """The EndToEndId of one and the UETR, or the file, of another: a finding, nobody is told."""
    data = status_report(FIRST)
    for own, other in ((FIRST.uetr, FILE.sent[0].uetr), (FIRST.message_id, FILE.message_id)):
        got = told(data.replace(own.encode(), other.encode()))
        assert not got.told
        assert [one.code for one in got.findings] == [Fault.UNKNOWN_REFERENCE]


def test_what_was_never_sent_is_named() -> None:
    """An answer about a payment, a file or a recall that is not ours becomes a finding."""
    nobody = sent_file(payment(settlement_id="0" * 32)).sent[0]
    for data in (
        status_report(nobody), notification(entry(nobody)), payment_return(nobody),
        status_report(None, group="RJCT", reason="FF01", message_id="NOTPROVIDED"),
        resolution(None, "R" * 10, "CNCL"), resolution(FIRST, "", "CNCL"),
    ):  # fmt: skip
        got = told(data)
        assert not got.told
        assert [one.code for one in got.findings] == [Fault.UNKNOWN_REFERENCE]


def test_a_file_that_is_rejected_rejects_each_of_its_payments() -> None:
    """A group status is told to every payment of the file, and to no other."""
    got = told(status_report(None, group="RJCT", reason="FF01", message_id=FILE.message_id))
    assert sorted(one.payment for one in got.told) == sorted(
        (one.settlement_id, 1) for one in FILE.sent
    )
    assert {(one.answer.status, one.answer.reason) for one in got.told} == {("RJCT", "FF01")}


def test_a_nearer_status_hides_that_of_the_file() -> None:
    """A payment with a status of its own is not told that of its block or file."""
    one = FILE.sent[1]
    data = status_report(one, "RJCT", "AC04", group="ACCP")
    block = data.replace(b"</OrgnlPmtInfId>", b"</OrgnlPmtInfId><PmtInfSts>ACSP</PmtInfSts>")
    for document, other in ((data, "ACCP"), (block, "ACSP")):
        all_told = told(document).told
        assert len(all_told) == len(FILE.sent)
        got = {two.settlement_id: two.answer.status for two in all_told}
        expected = {two.settlement_id: other for two in FILE.sent}
        assert got == expected | {one.settlement_id: "RJCT"}


def test_part_is_told_to_nobody() -> None:
    """PART says that the parts say it: only those that are named are told something."""
    got = told(status_report(FILE.sent[0], "RJCT", "AC04", group="PART"))
    assert [(one.settlement_id, one.answer.status) for one in got.told] == [
        (FILE.sent[0].settlement_id, "RJCT")
    ]
    assert not got.findings


def test_settled_as_instructed_has_the_amount_as_instructed() -> None:
    """An ACSC without an amount gets that of what was sent; one that is stated stays."""
    (got,) = told(status_report(FIRST, "ACSC")).told
    assert (got.answer.amount_minor, got.answer.currency) == (FIRST.amount_minor, "CNY")
    stated = status_report(FIRST, "ACSC").replace(
        b"</TxSts>",
        b'</TxSts><OrgnlTxRef><Amt><InstdAmt Ccy="CNY">1.00</InstdAmt></Amt></OrgnlTxRef>',
    )
    (got,) = told(stated).told
    assert got.answer.amount_minor == 100


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("status", ["CNCL", "RJCR"])
def test_an_answer_to_a_recall_has_its_number(named: bool, status: str) -> None:
    """By the case, with or without the payment, the recall and its attempt are found."""
    recalls = (Recalled(sent=SECOND, recall_no=1), Recalled(sent=SECOND, recall_no=2))
    data = resolution(SECOND if named else None, recalls[1].case_id, status)
    (got,) = told(data, ALL, *recalls).told
    assert (got.payment, got.recall_no) == ((SECOND.settlement_id, 2), 2)
    assert got.answer.status == status


def test_a_recall_without_a_case_must_be_the_only_one() -> None:
    """An answer that names the payment alone is taken when there is one recall of it, and else
    not.
    """
    one, two = (Recalled(sent=FIRST, recall_no=number) for number in (1, 2))
    data = resolution(FIRST, "", "CNCL", "ACCR")
    assert [got.recall_no for got in told(data, ALL, one).told] == [1]
    assert not told(data, ALL, one, two).told
    assert not told(resolution(FIRST, "R0", "CNCL", "ACCR"), ALL, one).told
    assert not told(data, ALL, replace(one, sent=SECOND)).told


def test_findings_of_the_reading_stay() -> None:
    """What could not be read is still there after the owners are known."""
    got = told(status_report(FIRST, "BLCK"))
    assert [one.code for one in got.findings] == [Fault.UNKNOWN_CODE]
