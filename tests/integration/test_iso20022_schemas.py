"""Our messages, and the answers of the unit tests, against the genuine schemas of ISO 20022."""

import datetime as dt
import io
import random
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from iso20022_schemas import FILES, STUBS, dataclass_paths, is_genuine, schema, schema_paths
from iso20022_world import (
    BUYER,
    DECIMALS,
    DESK,
    NOW,
    bank_statement,
    entry,
    notification,
    payment,
    resolution,
    sent_file,
    some_payment,
    some_text,
    status_report,
)
from mockbank.validate import render, validate
from msgspec.structs import replace

from supplytwin.sinks.iso20022_in import PATHS, VERSIONS
from supplytwin.sinks.iso20022_out import Payment, payment_file
from supplytwin.sinks.iso20022_recall import REASONS, Recall, recall_message

UETR = re.compile(r"[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}")
SENT = sent_file().sent[0]


def tree(data: bytes) -> ElementTree.Element:
    """A document without its namespace."""
    return ElementTree.fromstring(re.sub(rb' xmlns="[^"]*"', b"", data))


def check(message: str, data: bytes) -> None:
    """Valid against every genuine schema of the message."""
    for path in FILES[message]:
        schema(path).validate(io.BytesIO(data))


@pytest.mark.parametrize("path", [one for paths in FILES.values() for one in paths])
def test_a_schema_that_we_check_with_is_no_stub(path: str) -> None:
    """Each file is the standard's own, whole."""
    assert is_genuine(path)


@pytest.mark.parametrize("path", STUBS)
def test_a_stub_is_recognised(path: str) -> None:
    """A part of a schema under the whole one's name is not taken for it."""
    assert not is_genuine(path)


def test_two_projects_have_the_same_schema_of_payments() -> None:
    """pain.001.001.09 comes from two packages, and they agree element by element."""
    first, second = FILES["pain.001.001.09"]
    assert first.split("/")[0] != second.split("/")[0]
    assert schema_paths(first) == schema_paths(second)
    assert len(schema_paths(first)) > 1000


@pytest.mark.parametrize(
    "message", [f"{family}.{one}" for family, versions in VERSIONS.items() for one in versions]
)
def test_what_is_read_exists_in_every_version_that_is_taken(message: str) -> None:
    """Each path that a reader follows is in the genuine schema, or where none is at hand in the
    classes that others generated from it; where both are, in both.
    """
    wanted = set(PATHS[message.rpartition(".")[0]])
    known = [schema_paths(path) for path in FILES.get(message, ())]
    if message not in {"pain.002.001.15", "camt.029.001.14"} and not re.fullmatch(
        r"camt\.05[34]\.001\.1[34]", message
    ):
        known.append(dataclass_paths(message))
    assert known
    for paths in known:
        assert wanted <= paths, wanted - paths


@pytest.mark.parametrize("message", ["pain.002.001.09", "camt.053.001.07", "camt.029.001.08"])
def test_an_older_version_lacks_what_is_read(message: str) -> None:
    """The versions before those that are taken have other paths: the comparison can fail."""
    assert not set(PATHS[message.rpartition(".")[0]]) <= dataclass_paths(message)


def _some_recall(rng: random.Random) -> bytes:
    paid = some_payment(rng)
    (sent,) = payment_file([paid], DESK, NOW).sent
    recall = Recall(
        sent=sent, recall_no=rng.randint(1, 4), reason=rng.choice(sorted(REASONS)),
        requested_by=some_text(rng, 140), bank=paid.debtor.agent,
        says=rng.choice(("", some_text(rng, 105))),
    )  # fmt: skip
    data = recall_message(recall, NOW)
    assert data == recall_message(recall, NOW)
    assert UETR.fullmatch(tree(data).findtext("*/Undrlyg/TxInf/OrgnlUETR") or "")
    return data


def _check_file(rng: random.Random, payments: list[Payment]) -> None:
    """One file: valid, the same again, and right in what no schema checks."""
    file = payment_file(payments, DESK, NOW)
    assert payment_file(rng.sample(payments, len(payments)), DESK, NOW).data == file.data
    check("pain.001.001.09", file.data)
    root = tree(file.data)
    by_id = {one.settlement_id: one for one in payments}
    amounts = []
    for tx in root.iter("CdtTrfTxInf"):
        paid = by_id.pop(tx.findtext("PmtId/EndToEndId") or "")
        instructed = tx.find("Amt/InstdAmt")
        assert instructed is not None
        assert UETR.fullmatch(tx.findtext("PmtId/UETR") or "")
        value = Decimal(instructed.text or "")
        assert value > 0
        assert -int(value.as_tuple().exponent) == DECIMALS[instructed.attrib["Ccy"]]
        assert value.scaleb(DECIMALS[paid.currency]) == paid.amount_minor
        assert instructed.attrib["Ccy"] == paid.currency
        assert tx.findtext("Cdtr/Nm") == paid.creditor.name
        amounts.append(value)
    assert not by_id
    assert root.findtext("*/GrpHdr/NbOfTxs") == str(len(amounts))
    assert Decimal(root.findtext("*/GrpHdr/CtrlSum") or "") == sum(amounts)
    for place in ("PmtInf/PmtInfId", "GrpHdr/MsgId"):
        assert all(len(one.text or "") <= 35 for one in root.findall(f"*/{place}"))


def test_generated_messages_are_valid(required: Callable[[str], Any]) -> None:
    """Payments alone, several in one file, and recalls: valid against every genuine schema, right
    decimals, no zero, UETRs of their pattern, the same input the same bytes.
    """
    count, rng = required("iso20022_messages"), random.Random(20022)
    for number in range(count):
        if number % 5 == 4:
            check("camt.056.001.12", _some_recall(rng))
        else:
            many = rng.randint(2, 5) if number % 5 == 3 else 1
            _check_file(rng, [some_payment(rng) for _ in range(many)])
    count.done(count)


def test_the_checker_of_a_bank_has_no_findings(required: Callable[[str], Any]) -> None:
    """mock-bank's own dictionary finds nothing in files of ours, and does in a spoilt one."""
    count, rng = required("iso20022_checked_files"), random.Random(9)
    for _ in range(count):
        payments = [some_payment(rng) for _ in range(rng.randint(1, 4))]
        # It takes a currency that it does not know, like CLF, to have two decimals.
        payments = [replace(p, currency="JPY") if p.currency == "CLF" else p for p in payments]
        data = payment_file(payments, DESK, NOW).data
        found = validate(data, today=dt.date(2026, 11, 18))
        assert not found, [render(one) for one in found]
    spoilt = sent_file().data.replace(b"<NbOfTxs>1", b"<NbOfTxs>2")
    assert [one.code for one in validate(spoilt, today=dt.date(2026, 11, 18))] == ["AM18", "AM18"]
    count.done(count)


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ("pain.002.001.12", status_report(SENT)),
        ("pain.002.001.12", status_report(SENT, "RJCT", "AC04", group="PART")),
        ("pain.002.001.12", status_report(None, group="RJCT", reason="FF01")),
        ("camt.054.001.08", notification(entry(SENT), entry(SENT, "B", "CRDT", returned="AC04"))),
        ("camt.054.001.08", notification(entry(SENT, status="PDNG"))),
        ("camt.053.001.08", bank_statement(5, -5, entry(SENT, minor=10))),
        ("camt.053.001.08", bank_statement(0, 0, page=("1", "false"))),
        ("camt.029.001.14", resolution(SENT, "R1", "CNCL", "ACCR")),
        ("camt.029.001.14", resolution(SENT, "R1", "", "RJCR", "NOOR")),
        ("camt.029.001.14", resolution(None, "R1", "RJCR")),
    ],
)
def test_the_answers_that_the_readers_are_tested_with_are_valid(message: str, data: bytes) -> None:
    """What the unit tests let a bank say is what the genuine schemas let it say."""
    check(message, data)


def test_a_schema_lets_through_what_we_refuse() -> None:
    """Zero, yen with decimals, and a payment to nobody are valid there: those rules are ours."""
    data = payment_file([payment(currency="JPY", amount_minor=7)], DESK, NOW).data
    for stated in (b">0<", b">0.57<"):
        check("pain.001.001.09", data.replace(b'Ccy="JPY">7<', b'Ccy="JPY"' + stated))
    check("pain.001.001.09", re.sub(rb"<Cdtr>.*?</Cdtr>", b"", data))
    with pytest.raises(Exception, match="pattern"):
        check("pain.001.001.09", data.replace(BUYER.account.iban.encode(), b"no iban"))
