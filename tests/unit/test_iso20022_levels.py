"""File, block and payment in one status report: which word counts, and what nobody is told."""

import random
from typing import NamedTuple

import pytest
from iso20022_world import grown, payment, resolution, sent_file, status_report

from supplytwin.sinks.iso20022_answers import Fault
from supplytwin.sinks.iso20022_in import read
from supplytwin.sinks.iso20022_sent import Recalled, attribute

SENT = sent_file().sent[0]
LATER = sent_file(payment(attempt=2)).sent[0]
WHERE = {"file": b"</GrpSts>", "block": b"</OrgnlPmtInfId>", "payment": b"</TxSts>"}


def because(*codes: str) -> bytes:
    """Reasons, as a report has them."""
    return b"".join(b"<StsRsnInf><Rsn><Cd>%s</Cd></Rsn></StsRsnInf>" % c.encode() for c in codes)


def behind(data: bytes, where: str, more: bytes) -> bytes:
    """The report with more behind the status (or id) of its file, block or payment."""
    assert data.count(WHERE[where]) == 1
    return data.replace(WHERE[where], WHERE[where] + more)


def instructed(amount: str) -> bytes:
    """The amount that a report repeats."""
    form = '<OrgnlTxRef><Amt><InstdAmt Ccy="CNY">{}</InstdAmt></Amt></OrgnlTxRef>'
    return form.format(amount).encode()


def told(data: bytes) -> list[tuple[int, str, str | None]]:
    """(attempt, status, reason) of all that is told."""
    got = attribute(read(data), (SENT, LATER))
    return [(one.attempt, one.answer.status, one.answer.reason) for one in got.told]


def faults(data: bytes) -> list[str]:
    """What nobody is told, by its code."""
    return [one.code for one in attribute(read(data), (SENT, LATER)).findings]


@pytest.mark.parametrize("where", ["file", "block", "payment"])
def test_a_duplicate_at_any_level_is_one_of_the_whole(where: str) -> None:
    """The bank says once that it has this already: no rejection beside it may raise an attempt."""
    bare = status_report(SENT, "RJCT", group="RJCT")
    data = behind(bare, where, because("AM05"))
    assert told(data) == [(1, "DUPL", "AM05")]
    block = behind(bare, "block", b"<PmtInfSts>RJCT</PmtInfSts>" + because("AM05"))
    assert told(block) == [(1, "DUPL", "AM05")]
    for other in WHERE:
        if other != where:
            assert [one[1] for one in told(behind(data, other, because("TM01")))] == ["DUPL"]


def test_a_file_whose_part_is_a_duplicate_is_not_rejected() -> None:
    """What a duplicate is said of nobody knows: the file's own rejection is not told either."""
    data = status_report(SENT, "RJCT", group="RJCT").replace(SENT.uetr.encode(), b"")
    data = data.replace(SENT.settlement_id.encode(), b"NOTPROVIDED")
    data = behind(behind(data, "file", because("TM01")), "payment", because("AM05"))
    assert [one.status for one in read(data).answers] == ["DUPL", "DUPL"]


def test_a_rejection_without_a_reason_has_that_of_what_it_stands_in() -> None:
    """The nearest one above it that is a rejection, too; its own goes before."""
    bare = status_report(SENT, "RJCT", group="RJCT")
    file = behind(bare, "file", because("FF01"))
    assert told(file) == [(1, "RJCT", "FF01")]
    assert told(behind(file, "payment", because("AC04"))) == [(1, "RJCT", "AC04")]
    block = behind(file, "block", b"<PmtInfSts>RJCT</PmtInfSts>" + because("AM04"))
    assert told(block) == [(1, "RJCT", "AM04")]
    assert told(behind(bare, "file", because("NOOR"))) == [(1, "NOT_FOUND", "NOOR")]
    part = behind(status_report(SENT, "RJCT", group="PART"), "file", because("TM01"))
    assert told(part) == [(1, "RJCT", None)]


@pytest.mark.parametrize("group", ["RJCT", "ACSC", "ACCP"])
@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (b">ACSP<", b">BLCK<", Fault.UNKNOWN_CODE),
        (b"<TxSts>ACSP</TxSts>", b"", Fault.MISSING),
        (b"<TxSts>", b"<TxSts>ACSP</TxSts><TxSts>", Fault.REPEATED),
        (SENT.settlement_id.encode(), b"0" * 32, Fault.UNKNOWN_REFERENCE),
        (SENT.uetr.encode(), LATER.uetr.encode(), Fault.UNKNOWN_REFERENCE),
    ],
    ids=["unknown", "missing", "twice", "a stranger", "two attempts"],
)
def test_a_payment_that_is_not_understood_is_not_told_of_its_file(
    group: str, old: bytes, new: bytes, fault: Fault
) -> None:
    """Whatever the file or the block says: of this payment the bank has said something else."""
    data = status_report(SENT, "ACSP", group=group)
    block = behind(data, "block", b"<PmtInfSts>ACSC</PmtInfSts>")
    for one in (data, block):
        assert old in one
        assert told(one.replace(old, new)) == []
        assert fault in faults(one.replace(old, new))


def test_a_payment_that_is_named_by_nothing_silences_its_file() -> None:
    """Its ids are all gone, and the file has no payment but ours: nothing is told."""
    data = status_report(SENT, "ACSP", group="RJCT").replace(SENT.settlement_id.encode(), b"x" * 36)
    data = data.replace(SENT.uetr.encode(), b"?").replace(SENT.instruction_id.encode(), b"?")
    assert told(data) == []
    assert Fault.UNKNOWN_REFERENCE in faults(data)


@pytest.mark.parametrize("group", ["RJCT", "ACSC"])
def test_a_block_of_parts_is_not_told_of_its_file(group: str) -> None:
    """PART of the block: its payments say it, and where none does nothing is told."""
    whole = status_report(SENT, "ACSP", group=group)
    start, end = (whole.index(one) for one in (b"<TxInfAndSts>", b"</OrgnlPmtInfAndSts>"))
    bare = behind(whole[:start] + whole[end:], "block", b"<PmtInfSts>PART</PmtInfSts>")
    assert told(bare) == []
    assert told(behind(whole, "block", b"<PmtInfSts>PART</PmtInfSts>")) == [(1, "ACSP", None)]


def test_a_block_that_is_not_understood_is_not_told_of_its_file() -> None:
    """BLCK of the block behind ACSC of the file."""
    whole = status_report(None, group="ACSC", message_id=SENT.message_id)
    name = SENT.payment_information_id.encode()
    part = b"<OrgnlPmtInfAndSts><OrgnlPmtInfId>%s</OrgnlPmtInfId><PmtInfSts>%s</PmtInfSts>"
    end = b"</CstmrPmtStsRpt>"
    for block, status in ((name, b"BLCK"), (b"P?", b"RJCT"), (b"P?", b"BLCK")):
        data = whole.replace(end, part % (block, status) + b"</OrgnlPmtInfAndSts>" + end)
        assert told(data) == []
        assert len(faults(data)) == 1


@pytest.mark.parametrize("status", ["RJCT", "ACCP", "ACSC"])
def test_an_amount_that_cannot_be_read_drops_no_status(status: str) -> None:
    """But of ACSC: what was settled would then be a guess."""
    data = behind(status_report(SENT, status, group="RJCT"), "payment", instructed("240000.5"))
    data = behind(data, "file", because("TM01"))
    stands = {"RJCT": [(1, "RJCT", "TM01")], "ACCP": [(1, "ACCP", None)], "ACSC": []}
    assert told(data) == stands[status]
    assert faults(data) == [Fault.BAD_AMOUNT]
    again = status_report(SENT, "RJCT", "AM05", group="RJCT")
    assert told(behind(again, "payment", instructed("240000.5"))) == [(1, "DUPL", "AM05")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("RJCT", "TM01"), ("ACSP", "")), (("ACSC", ""), ("RJCT", "TM01")),
        (("RJCT", "TM01"), ("RJCT", "AC04")), (("RJCT", "TM01"), ("BLCK", "")),
    ],
)  # fmt: skip
def test_two_words_about_one_payment_are_a_contradiction(
    first: tuple[str, str], second: tuple[str, str]
) -> None:
    """In either order, and the file's own word does not stand in for them; the same word twice
    is one.
    """
    start, end = b"<TxInfAndSts>", b"</TxInfAndSts>"
    for one, two in ((first, second), (second, first)):
        data, other = (status_report(SENT, *each, group="RJCT") for each in (one, two))
        more = other[other.index(start) : other.index(end) + len(end)]
        both = data.replace(end, end + more)
        assert told(both) == []
        assert Fault.CONTRADICTION in faults(both)
        own = data[data.index(start) : data.index(end) + len(end)]
        assert set(told(data.replace(end, end + own))) == set(told(data))


@pytest.mark.parametrize("other", ["RJCR", "XXXX", "PDCR", ""])
def test_two_outcomes_of_one_recall_cancel_nothing(other: str) -> None:
    """Cancelled, and something else of the same payment, be it understood or not."""
    recall = Recalled(sent=SENT, recall_no=1)
    start, end = b"<TxInfAndSts>", b"</TxInfAndSts>"
    data, more = (resolution(SENT, recall.case_id, "", one) for one in ("ACCR", other))
    more = more[more.index(start) : more.index(end) + len(end)]
    for both in (data.replace(end, end + more), data.replace(start, more + start)):
        got = attribute(read(both), (SENT, LATER), (recall,))
        assert got.told == ()
        assert Fault.CONTRADICTION in [one.code for one in got.findings]
    assert len(attribute(read(data), (SENT, LATER), (recall,)).told) == 1


# ---- a second reading of the rule, on reports of every kind


class Said(NamedTuple):
    """One level as a report has it: its status, or none, and its reasons."""

    status: str
    codes: tuple[str, ...]


def some(rng: random.Random, *statuses: str) -> Said:
    """A status and at most two reasons."""
    codes = rng.sample(("AM05", "TM01", "NOOR", "FF01"), rng.choice((0, 0, 1, 1, 2)))
    return Said(rng.choice(statuses), tuple(codes))


def word(own: Said, around: list[Said], inside: list[Said]) -> tuple[str, str | None]:
    """A status that counts, by the text of docs/iso20022.md."""
    if own.status != "RJCT":
        return own.status, "+".join(sorted(own.codes)) or None
    codes = own.codes
    for one in around:
        if not codes and one.status in {"RJCT", ""}:
            codes = one.codes
    if any("AM05" in one.codes for one in (own, *around, *inside)):
        return "DUPL", "+".join(sorted(codes)) or None
    return "NOT_FOUND" if codes == ("NOOR",) else "RJCT", "+".join(sorted(codes)) or None


def reading(file: Said, block: Said, txs: list[Said]) -> tuple[str, str | None] | None:
    """What the one payment of the file is told, or nothing."""
    if txs:
        words = {word(one, [block, file], []) for one in txs}
        known = all(one.status not in {"", "BLCK"} for one in txs)
        return words.pop() if known and len(words) == 1 else None
    if block.status:
        return None if block.status in {"PART", "BLCK"} else word(block, [file], [])
    return None if file.status in {"", "PART", "BLCK"} else word(file, [], [block])


def report(file: Said, block: Said, txs: list[Said]) -> bytes:
    """A pain.002 that says so."""
    parts: list[tuple[str, str]] = [
        ("GrpHdr/MsgId", "B-1"),
        ("GrpHdr/CreDtTm", "2026-11-18T12:00:00Z"),
    ]

    def level(place: str, name: str, said: Said) -> None:
        if said.status:
            parts.append((f"{place}/{name}", said.status))
        parts.extend((f"{place}/StsRsnInf+/Rsn/Cd", code) for code in said.codes)

    parts.append(("OrgnlGrpInfAndSts/OrgnlMsgId", SENT.message_id))
    level("OrgnlGrpInfAndSts", "GrpSts", file)
    parts.append(("OrgnlPmtInfAndSts/OrgnlPmtInfId", SENT.payment_information_id))
    level("OrgnlPmtInfAndSts", "PmtInfSts", block)
    for one in txs:
        parts.append(("OrgnlPmtInfAndSts/TxInfAndSts+/OrgnlUETR", SENT.uetr))
        level("OrgnlPmtInfAndSts/TxInfAndSts", "TxSts", one)
    return grown("pain.002.001.12", *((f"CstmrPmtStsRpt/{path}", text) for path, text in parts))


def test_reports_of_every_kind_are_told_as_the_rule_says() -> None:
    """4,000 reports with any status and reasons at each level, and up to two words of the payment:
    what is told is what the rule says when it is read a second time.
    """
    rng = random.Random(2)
    outcomes = set()
    for _ in range(4_000):
        many = ("", "RJCT", "RJCT", "ACSC", "ACCP", "PART", "BLCK")
        file, block = some(rng, *many), some(rng, "", *many)
        txs = [
            some(rng, "RJCT", "RJCT", "ACSP", "ACSC", "BLCK", "")
            for _ in range(rng.choice((0, 1, 1, 2)))
        ]
        expected = reading(file, block, txs)
        got = set(told(report(file, block, txs)))
        assert got == ({(1, *expected)} if expected else set()), (file, block, txs)
        outcomes.add(expected)
    assert {one[0] for one in outcomes if one} == {
        "RJCT",
        "DUPL",
        "NOT_FOUND",
        "ACSP",
        "ACSC",
        "ACCP",
    }
    assert None in outcomes
