"""A statement against the mirror: every difference has its name, and nothing is left over."""

import random

import pytest
from iso20022_world import bank_statement, entry, payment, sent_file
from msgspec.structs import replace

from supplytwin.schemas.ids import settlement_id
from supplytwin.sinks.iso20022_answers import Entry, Statement
from supplytwin.sinks.iso20022_entries import Side
from supplytwin.sinks.iso20022_in import read
from supplytwin.sinks.reconcile import Difference, Posting, Reconciliation, reconcile

A, B, C = (settlement_id("C", "T", one) for one in "abc")


def row(settlement: str | None, minor: int, entry_id: str | None = "1", **changes: object) -> Entry:
    """An entry of the buyer's account: payments are negative."""
    fields: dict[str, object] = {
        "path": f"/{entry_id}", "signed_minor": minor, "currency": "CNY", "entry_id": entry_id,
        "settlement_id": settlement,
    }  # fmt: skip
    return Entry(**{**fields, **changes})  # type: ignore[arg-type]


def day(*entries: Entry, opening: int = 10_000, gap: int = 0, complete: bool = True) -> Statement:
    """A statement whose balances are off by `gap`."""
    closing = opening + sum(one.signed_minor for one in entries) + gap
    return Statement(
        statement_id="S", account="X", currency="CNY", opening_minor=opening,
        closing_minor=closing, entries=entries, complete=complete,
    )  # fmt: skip


def due(settlement: str, minor: int = 100, booked: bool = True, **changes: object) -> Posting:
    """A posting of the mirror."""
    one = Posting(settlement_id=settlement, amount_minor=minor, currency="CNY", booked=booked)
    return replace(one, **changes)


def names(result: Reconciliation) -> list[str]:
    """The differences, in their order."""
    return [one.difference.value for one in result.results]


def test_a_day_that_agrees_is_clean() -> None:
    """Payments, a return and other business: all matched, the balance closes."""
    back, other = row(B, 50, "3", returned=True), row(None, -7, "4")
    statement = day(row(A, -100, "1"), row(B, -250, "2"), back, other)
    result = reconcile(statement, [due(A), due(B, 250), due(B, 50, returned=True)])
    assert result.matched == 3
    assert names(result) == ["NOT_OURS"]
    assert result.clean


@pytest.mark.parametrize(
    ("statement", "postings", "expected"),
    [
        (day(), [due(A)], ["MISSING_AT_BANK"]),
        (day(), [due(A, booked=False)], []),
        (day(row(A, -100)), [due(A, booked=False)], ["MISSING_HERE"]),
        (day(row(A, -101)), [due(A)], ["AMOUNT_DIFFERS"]),
        (day(row(A, -100, currency="USD")), [due(A)], ["AMOUNT_DIFFERS"]),
        (day(row(A, 100)), [due(A)], ["AMOUNT_DIFFERS"]),
        (day(row(A, -100, "1"), row(A, -100, "2")), [due(A)], ["TWICE"]),
        (day(row(A, -100, "1"), row(A, -100, "1")), [due(A)], ["REPEATED"]),
        (day(row(A, -100, None)), [due(A)], ["NO_ENTRY_ID", "MISSING_AT_BANK"]),
        (day(row(A, -100)), [due(B)], ["UNKNOWN_REFERENCE", "MISSING_AT_BANK"]),
        (day(row(A, 100, "1", returned=True)), [due(A)], ["MISSING_HERE", "MISSING_AT_BANK"]),
        (day(row(A, -100), gap=-9), [due(A)], ["BALANCE_OPEN"]),
        (day(row(A, -100), complete=False, gap=-9), [due(A)], ["UNREADABLE"]),
        (day(complete=False), [due(A)], ["UNREADABLE"]),
    ],
)
def test_each_difference_has_its_name(
    statement: Statement, postings: list[Posting], expected: list[str]
) -> None:
    """One wrong thing, one result (and what it leaves open on the other side)."""
    assert names(reconcile(statement, postings)) == expected


def test_a_difference_says_both_amounts() -> None:
    """What the bank has and what the mirror has, signed as on the account, and where it stands."""
    (one,) = reconcile(day(row(A, -101, "7")), [due(A)]).results
    assert (one.bank_minor, one.mirror_minor, one.currency) == (-101, -100, "CNY")
    assert (one.settlement_id, one.entry_id, one.path) == (A, "7", "/7")
    (one,) = reconcile(day(), [due(A, 30, returned=True)]).results
    assert (one.bank_minor, one.mirror_minor) == (None, 30)
    (one,) = reconcile(day(gap=-9), []).results
    assert one.bank_minor == -9


def test_on_the_sellers_account_signs_are_the_other_way_round() -> None:
    """A credit is the payment, a debit its return."""
    statement = day(row(A, 100, "1"), row(A, -40, "2", returned=True))
    postings = [due(A), due(A, 40, returned=True)]
    assert reconcile(statement, postings, Side.CREDITOR).clean
    assert not reconcile(statement, postings, Side.DEBTOR).clean


def test_a_missing_balance_proves_nothing() -> None:
    """Without opening or closing the day is not closed, whatever else agrees."""
    for name in ("opening_minor", "closing_minor"):
        one = replace(day(row(A, -100)), **{name: None})
        assert names(reconcile(one, [due(A)])) == ["UNREADABLE"]


def test_every_entry_and_every_posting_is_accounted_for() -> None:
    """Random days with random damage: entries = matches + results with an entry, booked postings =
    matches + results with a mirror amount; an undamaged day is clean and a damaged one is not.
    """
    rng = random.Random(11)
    for _ in range(300):
        postings = [
            due(settlement_id("C", "T", str(number)), rng.randint(1, 10**6))
            for number in range(rng.randint(0, 8))
        ]
        entries = [
            row(one.settlement_id, -one.amount_minor, f"E{at}") for at, one in enumerate(postings)
        ]
        rng.shuffle(entries)
        assert reconcile(day(*entries), postings).clean
        if not entries:
            continue
        damage = rng.choice(("lose", "change", "again", "foreign"))
        place = rng.randrange(len(entries))
        one = entries[place]
        changed = {
            "lose": [],
            "change": [replace(one, signed_minor=one.signed_minor - 1)],
            "again": [one, replace(one, entry_id="again")],
            "foreign": [replace(one, settlement_id="f" * 32)],
        }[damage]
        damaged = [*entries[:place], *changed, *entries[place + 1 :]]
        result = reconcile(day(*damaged), postings)
        assert not result.clean, damage
        seen = [two for two in result.results if two.bank_minor is not None]
        assert result.matched + len(seen) == len(damaged)
        ours = [two for two in result.results if two.mirror_minor is not None]
        assert result.matched + len(ours) == len(postings)


def test_a_statement_of_a_bank_is_reconciled() -> None:
    """From the bytes of a camt.053: what it leaves out is missing at the bank, and the balance
    stays open by just that.
    """
    sent = [sent_file(payment(settlement_id=one, amount_minor=500)).sent[0] for one in (A, B)]
    postings = [due(one.settlement_id, 500) for one in sent]
    whole = read(bank_statement(5_000, 4_000, entry(sent[0], "1"), entry(sent[1], "2")))
    assert reconcile(whole.statements[0], postings).clean
    gap = read(bank_statement(5_000, 4_000, entry(sent[0], "1")))
    result = reconcile(gap.statements[0], postings)
    assert names(result) == [Difference.MISSING_AT_BANK, Difference.BALANCE_OPEN]
    assert result.results[1].bank_minor == -500
