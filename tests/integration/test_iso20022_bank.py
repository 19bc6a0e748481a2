"""A bank that answers over HTTP: every behaviour that it has is driven once, and every answer read.

mock-bank runs in this process, on a port of the system's choice of 127.0.0.1, and ends with the
test. Its clock stands still unless a test moves it.
"""

import datetime as dt
from collections.abc import Iterator

import pytest
from bank_world import Bank, opened
from iso20022_world import DESK, NOW, SELLER, payment
from msgspec.structs import replace

from supplytwin.schemas.ids import settlement_id
from supplytwin.sinks.iso20022_in import Reading, read
from supplytwin.sinks.iso20022_out import File, payment_file
from supplytwin.sinks.iso20022_parties import Account, Agent, Party
from supplytwin.sinks.iso20022_sent import Told, attribute
from supplytwin.sinks.reconcile import Difference, Posting, Reconciliation, reconcile

DAY = dt.date(2026, 11, 18)


@pytest.fixture
def bank() -> Iterator[Bank]:
    """A bank at nine o'clock of 2026-11-18, a Wednesday."""
    with opened(f"{DAY}T09:00") as one:
        yield one


def collect(bank: Bank, file: File) -> tuple[list[Told], list[Reading]]:
    """All that waits, read; nothing in it may be unclear or without an owner."""
    told: list[Told] = []
    readings = []
    for one in bank.ask("GET", "/_mock/mailbox"):
        reading = read(one["body"].encode())
        got = attribute(reading, file.sent)
        assert not got.findings, got.findings
        told += got.told
        readings.append(reading)
    return told, readings


def pay(
    bank: Bank, debtor: str = "ACME", creditor: str = "", minors: tuple[int, ...] = (10_050,)
) -> File:
    """A file of payments in EUR that settle today, handed over."""
    abroad = replace(
        SELLER, agent=Agent(bic="COBADEFF"), account=Account(iban="DE89370400440532013000")
    )
    paid_to = bank.party(creditor) if creditor else abroad
    payments = [
        payment(
            settlement_id=settlement_id("C", "T", f"{debtor}-{number}"), amount_minor=minor,
            currency="EUR", purpose_code="GDDS", execution_date=DAY,
            debtor=bank.party(debtor), creditor=paid_to,
        )
        for number, minor in enumerate(minors)
    ]  # fmt: skip
    file = payment_file(payments, DESK, NOW)
    checked = bank.text("POST", "/_mock/validate", file.data)
    assert "0 findings" in checked, checked
    bank.ask("POST", "/payments", file.data)
    return file


def next_day(bank: Bank, days: int = 1) -> None:
    """Bank time goes on."""
    bank.ask("POST", f"/_mock/advance?days={days}")


def mirror(file: File) -> list[Posting]:
    """What the mirror has when everything of a file was booked."""
    return [
        Posting(
            settlement_id=one.settlement_id,
            amount_minor=one.amount_minor,
            currency=one.currency,
            booked=True,
        )
        for one in file.sent
    ]


def closed(file: File, readings: list[Reading], debtor: Party) -> Reconciliation:
    """The day of the debtor's account against the mirror."""
    (statement,) = [
        two for one in readings for two in one.statements if two.account == debtor.account.iban
    ]
    return reconcile(statement, mirror(file))


def statuses(told: list[Told]) -> list[tuple[str, str | None]]:
    """Status and reason of each."""
    return [(one.answer.status, one.answer.reason) for one in told]


def test_accept(bank: Bank) -> None:
    """ACCP, then one booking that is told by notification and statement with one entry id, and a
    day that closes clean.
    """
    file = pay(bank, minors=(10_050, 7))
    next_day(bank)
    told, readings = collect(bank, file)
    assert statuses([one for one in told if one.answer.status != "BOOKED"]) == [("ACCP", None)] * 2
    booked = [one for one in told if one.answer.status == "BOOKED"]
    assert len(booked) == 4
    assert len({(one.payment, one.answer.entry_id) for one in booked}) == 2
    assert {one.answer.amount_minor for one in booked} == {10_050, 7}
    result = closed(file, readings, bank.party("ACME"))
    assert (result.matched, result.results) == (2, ())


@pytest.mark.parametrize(
    ("debtor", "creditor", "reason"),
    [("ACME", "INITECH", "AC04"), ("GLOBEX", "", "AM04"), ("ACME", "EURODIS", "RC01")],
    ids=["closed-account", "insufficient-funds", "bad-bank-id"],
)
def test_a_payment_is_rejected(bank: Bank, debtor: str, creditor: str, reason: str) -> None:
    """RJCT with the bank's reason, and nothing is ever booked."""
    file = pay(bank, debtor, creditor)
    next_day(bank)
    told, readings = collect(bank, file)
    assert statuses(told) == [("RJCT", reason)]
    result = closed(file, readings, bank.party(debtor))
    assert [one.difference for one in result.results] == [Difference.MISSING_AT_BANK]


def test_reject_file(bank: Bank) -> None:
    """The whole file is rejected: every payment of it is told."""
    bank.behave("ACME", "reject-file")
    told, _ = collect(bank, pay(bank, minors=(1, 2, 3)))
    assert statuses(told) == [("RJCT", "FF01")] * 3
    assert len({one.payment for one in told}) == 3


def test_duplicate_file(bank: Bank) -> None:
    """The same bytes again are DUPL, never a rejection; asked, the bank has the payment once."""
    bank.behave("ACME", "duplicate-file")
    file = pay(bank)
    assert statuses(collect(bank, file)[0])[0] == ("ACCP", None)
    again = pay(bank)
    assert again == file
    assert statuses(collect(bank, file)[0]) == [("DUPL", "DUPL")]
    known = bank.ask("GET", f"/_mock/payments/{file.sent[0].settlement_id}?all")
    assert len(known) == 1
    assert known[0]["amount"] == 10_050


def test_silent(bank: Bank) -> None:
    """No status ever comes; what was booked is told all the same."""
    bank.behave("ACME", "silent")
    file = pay(bank)
    assert not [one for one in collect(bank, file)[0] if one.answer.status != "BOOKED"]
    next_day(bank)
    told, readings = collect(bank, file)
    assert {one.answer.status for one in told} == {"BOOKED"}
    assert closed(file, readings, bank.party("ACME")).clean


def test_return_later(bank: Bank) -> None:
    """A payment that settled comes back: notification and statement tell one return, which a
    pacs.004 has announced.
    """
    bank.behave("ACME", "return-later", days=1, reason="MD07")
    file = pay(bank)
    next_day(bank, 3)
    told, readings = collect(bank, file)
    back = [one.answer for one in told if one.answer.status == "RETURNED"]
    assert {(one.return_id, one.amount_minor, one.currency, one.reason) for one in back} == {
        (back[0].return_id, 10_050, "EUR", "MD07")
    }
    kinds = {one.message.partition(".001.")[0] for one in readings if any(
        answer.status in {"RETURNED", "ANNOUNCED"} for answer in one.answers)}  # fmt: skip
    assert kinds == {"pacs.004", "camt.054", "camt.053"}


def test_statement_gap(bank: Bank) -> None:
    """An entry that the statement leaves out is named, and so is the balance that it leaves
    open.
    """
    bank.behave("ACME", "statement-gap")
    file = pay(bank, minors=(10_050, 7))
    next_day(bank)
    _, readings = collect(bank, file)
    result = closed(file, readings, bank.party("ACME"))
    missing, gap = result.results
    assert (missing.difference, gap.difference) == (
        Difference.MISSING_AT_BANK,
        Difference.BALANCE_OPEN,
    )
    assert missing.mirror_minor == gap.bank_minor
    assert result.matched == 1


def test_every_behaviour_is_driven(bank: Bank) -> None:
    """The bank has the nine behaviours that are driven here, and no other."""
    known = set(bank.ask("GET", "/_mock/behaviours"))
    assert known == {
        "accept", "closed-account", "insufficient-funds", "bad-bank-id", "return-later",
        "reject-file", "duplicate-file", "silent", "statement-gap",
    }  # fmt: skip
