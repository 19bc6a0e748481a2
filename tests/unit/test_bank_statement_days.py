"""Statements one after the other: an entry is of one statement, a page and a currency miss nothing
that is elsewhere, and each opens with what the last one closed with.
"""

import bank_rail_world as w
import pytest
from bank_rail_world import Desktop, instruction
from iso20022_world import amount, bank_statement, entry, notification
from msgspec.structs import replace
from settlement_world import Chain
from test_bank_rail_statement import (
    BOTH,
    CLOSING,
    OPENING,
    booked,
    breaks,
    closed,
    names,
    statement,
)

from supplytwin.schemas.records import Receipt
from supplytwin.sinks.bank_rail_messages import sent_of
from supplytwin.sinks.iso20022_out import Sent

PAID = OPENING - CLOSING


def of(data: bytes, number: int, day: int = 19) -> bytes:
    """The same statement, as another one with its own Id and day."""
    return (
        data.replace(b"STMT-324", b"STMT-%d" % (324 + number))
        .replace(b"BANK-D-1", b"BANK-D-%d" % (1 + number))
        .replace(b"<Dt>2026-11-19</Dt>", b"<Dt>2026-11-%d</Dt>" % day)
    )


def again(desk: Desktop, number: int = 1) -> bytes:
    """The statement of the 20th, with another debit under the reference of the 19th."""
    day = bank_statement(CLOSING, CLOSING - PAID, entry(desk.sent))  # type: ignore[attr-defined]
    return of(day, number, 20)


def both_attempts(desk: Desktop) -> tuple[Sent, list[tuple[str, ...]]]:
    """The second attempt, and one Ntry that debits both under the one reference that it has."""
    one = desk.sent  # type: ignore[attr-defined]
    draft = desk.give(instruction(attempt=2))
    assert draft is not None
    two = sent_of(draft)
    first = [
        (path, amount(2 * PAID, "CNY"), "CNY") if path == "Ntry/Amt" else (path, *rest)
        for path, *rest in entry(one)
    ]
    second = [
        ("Ntry/NtryDtls/TxDtls+/Refs/EndToEndId", two.settlement_id),
        ("Ntry/NtryDtls/TxDtls/Refs/UETR", two.uetr),
        ("Ntry/NtryDtls/TxDtls/Amt", amount(PAID, "CNY"), "CNY"),
        ("Ntry/NtryDtls/TxDtls/CdtDbtInd", "DBIT"),
    ]
    return two, [*first, *second]


# ---- one entry, one statement


def test_a_reference_in_another_statement_is_another_debit() -> None:
    """What the 19th had the 20th has again under the same reference: REPEATED, on the claim, once,
    and by any process; the first statement is as clean as it was.
    """
    desk = booked()
    desk.paper.bring(statement(desk, entry(desk.sent)))  # type: ignore[attr-defined]
    assert names(closed(desk, *BOTH)) == []
    desk.new()
    desk.paper.bring(again(desk))
    (day,) = closed(desk, *BOTH)
    assert ([str(one.difference) for one in day.result.results], day.result.matched) == (
        ["REPEATED"], 0,
    )  # fmt: skip
    assert breaks(desk) == [("BOOKED", "REPEATED")]
    desk.new()
    desk.paper.bring(statement(desk, entry(desk.sent)), of(again(desk), 1))  # type: ignore[attr-defined]
    assert names(closed(desk, *BOTH)) == ["REPEATED"]
    assert breaks(desk) == []


def test_the_claim_hears_of_the_second_debit() -> None:
    """Two words of the rail about one thing: a RECON_BREAK."""
    desk = booked()
    told = [one for one in desk.kept if isinstance(one, Receipt)]
    desk.paper.bring(statement(desk, entry(desk.sent)), again(desk))  # type: ignore[attr-defined]
    told += desk.publish()
    desk.rail.close_day(BOTH)
    told += desk.publish()
    chain = Chain().instructed()
    pay = chain.pays()[0]
    alarms = [
        alarm.code
        for one in told
        for alarm in chain.answer(
            pay, one.rail_status, entry_id=one.entry_id, input_id=one.input_id,
            rail_reason=one.rail_reason,
        ).alarms
    ]  # fmt: skip
    assert alarms == ["RECON_BREAK"]


def test_one_entry_that_debits_two_attempts_is_two_bookings() -> None:
    """Without ids of their own its transactions are told apart by their UETR, alike in notification
    and statement.
    """
    desk = booked()
    desk.kept = [one for one in desk.kept if not isinstance(one, Receipt)]
    desk.new()
    two, debits = both_attempts(desk)
    told = desk.hear(notification(debits))
    assert [(one.attempt, one.entry_id) for one in told] == [
        (1, f"ASR-1/{desk.sent.uetr}"), (2, f"ASR-1/{two.uetr}"),  # type: ignore[attr-defined]
    ]  # fmt: skip
    desk.paper.bring(bank_statement(OPENING, OPENING - 2 * PAID, debits))
    over = w.posted(32, "seller;24000050")
    (day,) = closed(desk, *BOTH, over)
    assert (day.result.matched, day.result.clean) == (2, True)


def test_a_payment_twice_in_one_entry_stays_one_id() -> None:
    """The same UETR twice is no second payment of ours: REPEATED, on the claim."""
    desk = booked()
    two, debits = both_attempts(desk)
    debits = [
        (path, desk.sent.uetr if text == two.uetr else text, *rest)  # type: ignore[attr-defined]
        for path, text, *rest in debits
    ]
    desk.paper.bring(bank_statement(OPENING, OPENING - 2 * PAID, debits))
    assert "REPEATED" in names(closed(desk, *BOTH))
    assert [name for _, name in breaks(desk)] == ["REPEATED"]


@pytest.mark.parametrize("name", ["UETR", "InstrId", ""])
@pytest.mark.parametrize("returned", ["", "AC04"])
def test_parts_of_one_payment_keep_the_banks_id(name: str, returned: str) -> None:
    """What a notification told whole, a statement may show as an amount and a charge: it is one
    booking, or one return, under one id.
    """
    desk = booked()
    sent = desk.sent  # type: ignore[attr-defined]
    way = "CRDT" if returned else "DBIT"
    part, ours = 500, {"UETR": sent.uetr, "InstrId": sent.instruction_id}
    first = [
        (path, amount(PAID - part, "CNY"), *rest)
        if path.endswith("TxDtls/Amt")
        else (path, text, *rest)
        for path, text, *rest in entry(sent, "ASR-2", way, returned=returned)
    ]
    second = [
        ("Ntry/NtryDtls/TxDtls+/Refs/EndToEndId", sent.settlement_id),
        *([(f"Ntry/NtryDtls/TxDtls/Refs/{name}", ours[name])] if name else []),
        ("Ntry/NtryDtls/TxDtls/Amt", amount(part, "CNY"), "CNY"),
        ("Ntry/NtryDtls/TxDtls/CdtDbtInd", way),
        *([("Ntry/NtryDtls/TxDtls/RtrInf/Rsn/Cd", returned)] if returned else []),
    ]
    told = desk.hear(notification([*first, *second]))
    assert [one.amount_minor for one in told] == [PAID - part, part]
    assert {one.entry_id or one.return_id for one in told} == {"ASR-2"}


def test_one_of_several_attempts_that_nothing_names_is_told_apart() -> None:
    """An entry of two attempts that has the UETR of one: the other transaction keeps the id."""
    desk = booked()
    two, debits = both_attempts(desk)
    names = ("UETR", "InstrId")
    first = [one for one in debits if one[1] == two.uetr or one[0].rpartition("/")[2] not in names]
    told = desk.hear(notification(first))
    assert [one.entry_id for one in told] == ["ASR-1", f"ASR-1/{two.uetr}"]


def test_strangers_in_one_entry_keep_its_reference() -> None:
    """One transaction of each settlement needs no telling apart."""
    desk = booked()
    other = replace(desk.sent, settlement_id="0" * 32, uetr=desk.sent.uetr[::-1])  # type: ignore[attr-defined]
    first = [
        (path, amount(2 * PAID, "CNY"), "CNY") if path == "Ntry/Amt" else (path, *rest)
        for path, *rest in entry(desk.sent)  # type: ignore[attr-defined]
    ]
    second = [
        ("Ntry/NtryDtls/TxDtls+/Refs/EndToEndId", other.settlement_id),
        ("Ntry/NtryDtls/TxDtls/Amt", amount(PAID, "CNY"), "CNY"),
    ]
    (told,) = desk.hear(notification([*first, *second]).replace(b"BANK-N-1", b"BANK-N-2"))
    assert told.entry_id == "ASR-1"


def test_an_entry_that_has_our_uetr_alone_is_laid_against_its_posting() -> None:
    """A bank that gives no EndToEndId: by the UETR it is the payment's entry."""
    desk = booked()
    bare = [one for one in entry(desk.sent) if not one[0].endswith("EndToEndId")]  # type: ignore[attr-defined]
    desk.paper.bring(statement(desk, bare))
    (day,) = closed(desk, *BOTH)
    assert (day.result.matched, day.result.clean) == (1, True)


# ---- what a statement can miss


def test_another_currency_of_the_account_misses_nothing() -> None:
    """An account with a balance in each of two currencies: its USD statement is no word about CNY,
    and the CNY statement where the entry really is missing tells the claim.
    """
    desk = booked()
    desk.paper.bring(of(bank_statement(5, 5, currency="USD"), 1))
    assert names(closed(desk, *BOTH)) == []
    assert breaks(desk) == []
    desk.paper.bring(statement(desk))
    assert names(closed(desk, *BOTH)) == ["MISSING_AT_BANK"]
    assert breaks(desk) == [("NOT_FOUND", "MISSING_AT_BANK")]


def test_an_entry_in_another_currency_still_differs() -> None:
    """Booked in USD, which nobody has instructed: AMOUNT_DIFFERS, on the claim."""
    desk = Desktop()
    sent = desk.paid()
    desk.paper.bring(bank_statement(OPENING, CLOSING, entry(sent, currency="USD"), currency="USD"))
    assert names(closed(desk, *BOTH)) == ["AMOUNT_DIFFERS"]
    assert breaks(desk) == [("BOOKED", "AMOUNT_DIFFERS")]


def test_a_page_misses_nothing_that_is_on_another_one() -> None:
    """Page 1 of 2 is UNREADABLE by itself, and so is page 2, which has the entry."""
    desk = booked()
    one = bank_statement(OPENING, CLOSING, page=("1", "false"))
    two = bank_statement(OPENING, CLOSING, entry(desk.sent), page=("2", "true"))  # type: ignore[attr-defined]
    for page in (one, two):
        desk.paper.bring(page)
        assert names(closed(desk, *BOTH)) == ["UNREADABLE"]
        assert breaks(desk) == []
    desk.paper.bring(of(bank_statement(CLOSING, CLOSING), 1, 20))
    assert names(closed(desk, *BOTH)) == []


def test_the_first_page_keeps_what_it_had() -> None:
    """The second page has the same Id: what the first one had is neither missing nor repeated."""
    desk = booked()
    for page in (
        bank_statement(OPENING, CLOSING, entry(desk.sent), page=("1", "false")),  # type: ignore[attr-defined]
        bank_statement(OPENING, CLOSING, page=("2", "true")),
    ):
        desk.paper.bring(page)
        assert names(closed(desk, *BOTH)) == ["UNREADABLE"]
    assert breaks(desk) == []


def test_what_is_missing_is_named_by_the_next_whole_statement() -> None:
    """One that cannot be read whole is no proof that an entry is missing; the next one is."""
    desk = booked()
    desk.paper.bring(bank_statement(OPENING, OPENING, page=("1", "false")))
    closed(desk, *BOTH)
    desk.paper.bring(of(bank_statement(OPENING, OPENING), 1, 20))
    assert names(closed(desk, *BOTH)) == ["MISSING_AT_BANK"]
    assert breaks(desk) == [("NOT_FOUND", "MISSING_AT_BANK")]


# ---- one opens with what the last one closed with


def test_a_statement_that_never_came_is_noticed() -> None:
    """The 21st opens 500,000.00 lower than the 19th closed: named, with both balances, also by a
    process that has seen none of them; told to no claim.
    """
    desk = booked()
    desk.paper.bring(statement(desk, entry(desk.sent)))  # type: ignore[attr-defined]
    assert names(closed(desk, *BOTH)) == []
    desk.new()
    low = CLOSING - 50_000_000
    desk.paper.bring(of(bank_statement(low, low), 2, 21))
    (day,) = closed(desk, *BOTH)
    (one,) = day.result.results
    assert (one.difference, one.bank_minor, one.mirror_minor, one.currency) == (
        "OPENING_DIFFERS", low, CLOSING, "CNY",
    )  # fmt: skip
    assert not day.result.clean
    assert breaks(desk) == []
    desk.paper.bring(of(bank_statement(low, low), 3, 22))
    assert names(closed(desk, *BOTH)) == []


def test_balances_go_on_by_account_and_currency() -> None:
    """Another account, or another currency of it, has a balance of its own."""
    desk = booked()
    desk.paper.bring(
        statement(desk, entry(desk.sent)),  # type: ignore[attr-defined]
        of(bank_statement(7, 7, currency="USD"), 1, 20),
        of(bank_statement(7, 7), 2, 20).replace(
            w.Known().paying.debtor.account.iban.encode(), b"AE070331234567890123457"
        ),
        of(bank_statement(CLOSING, CLOSING), 3, 20),
    )
    assert names(closed(desk, *BOTH)) == []


def test_several_statements_of_one_day_go_on_from_each_other() -> None:
    """Half days in any order, the same one twice: no gap; what comes behind goes on from one."""
    desk = booked()
    first, second = bank_statement(OPENING, OPENING), statement(desk, entry(desk.sent))  # type: ignore[attr-defined]
    before = of(bank_statement(OPENING, OPENING), 5, 18)
    desk.paper.bring(
        before, of(second, 1), first, first, of(bank_statement(CLOSING, CLOSING), 2, 20)
    )
    assert names(closed(desk, *BOTH)) == []


def test_a_balance_that_cannot_be_read_is_no_link() -> None:
    """Without an opening balance there is nothing to compare, which is UNREADABLE already."""
    desk = booked()
    desk.paper.bring(statement(desk, entry(desk.sent)))  # type: ignore[attr-defined]
    closed(desk, *BOTH)
    desk.paper.bring(of(bank_statement(5, 5), 1, 20).replace(b"OPBD", b"ITBD"))
    assert names(closed(desk, *BOTH)) == ["UNREADABLE"]


def test_an_entry_whose_receipt_names_no_statement_repeats_nothing() -> None:
    """It was in some statement: the next one neither misses it nor has it again."""
    desk = booked()
    desk.paper.bring(statement(desk, entry(desk.sent)))  # type: ignore[attr-defined]
    closed(desk, *BOTH)
    plain = "iso20022-EBILAEAD:camt.053"
    desk.kept = [
        replace(one, source=plain)
        if isinstance(one, Receipt) and one.source.startswith(plain)
        else one
        for one in desk.kept
    ]
    desk.new()
    desk.paper.bring(statement(desk, entry(desk.sent)))  # type: ignore[attr-defined]
    assert names(closed(desk, *BOTH)) == []
    desk.paper.bring(of(bank_statement(CLOSING, CLOSING), 1, 20))
    assert names(closed(desk, *BOTH)) == []
