"""Contract, facts, worker, gateway, rail and a bank that answers over HTTP: the fate of a claim.

All nine behaviours of mock-bank. The worker is the real one over a broker in memory; every answer
of the bank reaches the claim as a receipt.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bank_rail_world import Paper
from bank_world import CLOCK, SETTLEMENT, Bank, Loop, opened, over_http
from iso20022_world import BUYER, status_report

from supplytwin.sinks.bank_rail_messages import sent_of


@pytest.fixture
def bank() -> Iterator[Bank]:
    """A bank at five o'clock of the day on which the claim is proved."""
    with opened(CLOCK) as one:
        yield one


def loop(bank: Bank, folder: Path, debtor: str = "ACME", creditor: str = "", **more: Any) -> Loop:
    """A claim of a debtor of this bank; the creditor banks elsewhere unless it is named."""
    asks = more.pop("asks", True)
    if creditor:
        more["creditor"] = bank.party(creditor)
    return Loop(over_http(bank, folder, asks=asks), bank.party(debtor), **more)


def ledger(bank: Bank) -> list[dict[str, Any]]:
    """What the bank itself has of the claim, the newest payment first."""
    found: Any = bank.ask("GET", f"/_mock/payments/{SETTLEMENT}?all")
    return found if isinstance(found, list) else []


def day_over(bank: Bank, one: Loop, days: int = 1) -> None:
    """The bank's day ends, and so does ours."""
    bank.ask("POST", f"/_mock/advance?days={days}")
    one.later(days)


def test_accept(bank: Bank, tmp_path: Path) -> None:
    """Accepted, booked once, SETTLED; the day reconciles and nothing is alarmed."""
    one = loop(bank, tmp_path).instructed()
    assert one.state == "ACCEPTED"
    day_over(bank, one)
    assert one.state == "SETTLED"
    day_over(bank, one)
    assert not one.alarms()
    assert sum(day.result.matched for day in one.closed) == 1
    assert all(day.result.clean for day in one.closed)
    (paid,) = ledger(bank)
    assert (paid["amount"], paid["currency"], paid["end_to_end_id"]) == (
        100_000, "EUR", SETTLEMENT,
    )  # fmt: skip
    assert ("RESERVE", "CONFIRMED") in one.receipts()
    assert not list((tmp_path / "waiting").iterdir()), "all that the bank sent is dealt with"


@pytest.mark.parametrize(
    ("creditor", "reason"),
    [("INITECH", "AC04"), ("EURODIS", "RC01")],
    ids=["closed-account", "bad-bank-id"],
)
def test_a_final_rejection_is_held(bank: Bank, tmp_path: Path, creditor: str, reason: str) -> None:
    """HELD with the bank's reason, one attempt, nothing booked."""
    one = loop(bank, tmp_path, creditor=creditor).instructed()
    assert one.state == "HELD"
    assert f": {reason}; this reason is final" in one.reasons()[-1]
    day_over(bank, one)
    assert [paid["booked_at"] for paid in ledger(bank)] == [None]


def test_insufficient_funds_are_tried_again_and_then_held(bank: Bank, tmp_path: Path) -> None:
    """Three attempts, each with a UETR and a MsgId of its own and one EndToEndId; then HELD."""
    one = loop(bank, tmp_path, debtor="GLOBEX").instructed()
    for _ in range(4):
        one.later(0) if one.state == "HELD" else day_over(bank, one)
    assert one.state == "HELD"
    tried = ledger(bank)
    assert [paid["reason"] for paid in tried] == ["AM04"] * 3
    assert len({paid["msg_id"] for paid in tried}) == 3
    assert [kept.attempt for kept in one.sent()] == [1, 2, 3]


def test_a_rejected_file_is_held(bank: Bank, tmp_path: Path) -> None:
    """The file is refused as a whole: its one payment is told so."""
    bank.behave("ACME", "reject-file")
    one = loop(bank, tmp_path).instructed()
    assert one.state == "HELD"
    assert ": FF01; this reason is final" in one.reasons()[-1]


def test_a_duplicate_is_asked_about_and_settles(bank: Bank, tmp_path: Path) -> None:
    """The gateway dies between handing over and recording; the bank calls the second time a
    duplicate, is asked, and the claim settles by the one payment that there is.
    """
    bank.behave("ACME", "duplicate-file")
    one = loop(bank, tmp_path).agreed()
    one.proved()
    one.chain.driver.tick(one.now)
    one.chain.driver.settle()
    one.kill_at("submitted")
    one.settle()
    posts = [r for r in bank.ask("GET", "/_mock/requests?path=/payments") if r["method"] == "POST"]
    assert len(posts) == 2
    assert one.state == "ACCEPTED"
    assert len(one.sent()) == 1
    assert "DUPL" not in json.dumps(one.receipts())
    day_over(bank, one)
    assert one.state == "SETTLED"
    assert len([paid for paid in ledger(bank) if paid["booked_at"]]) == 1


def test_a_silent_bank_leaves_the_claim_in_doubt(bank: Bank, tmp_path: Path) -> None:
    """IN_DOUBT, only queries, no second id; what is booked in the end settles it."""
    bank.behave("ACME", "silent")
    one = loop(bank, tmp_path, asks=False, status_sla_us=3_600_000_000).instructed()
    assert one.state == "INSTRUCTED"
    for _ in range(3):
        one.now += 2 * 3_600_000_000
        one.tick(one.now)
    assert one.state == "IN_DOUBT"
    kinds = [order.kind for order in one.chain.instructions()]
    assert kinds[:2] == ["RESERVE", "PAY"]
    assert set(kinds[2:]) == {"QUERY"}
    assert len(one.sent()) == len(ledger(bank)) == 1
    day_over(bank, one)
    assert one.state == "SETTLED"


def test_a_payment_comes_back(bank: Bank, tmp_path: Path) -> None:
    """Settled, returned days later and told three times: RETURNED once."""
    bank.behave("ACME", "return-later", days=1, reason="MD07")
    one = loop(bank, tmp_path).instructed()
    day_over(bank, one)
    assert one.state == "SETTLED"
    day_over(bank, one, 3)
    assert one.state == "RETURNED"
    assert "RECON_BREAK" not in one.alarms()


def test_a_gap_in_a_statement_is_a_break(bank: Bank, tmp_path: Path) -> None:
    """The entry that the bank's statement leaves out is alarmed on its claim, once."""
    bank.behave("ACME", "statement-gap")
    one = loop(bank, tmp_path).instructed()
    day_over(bank, one)
    assert one.state == "SETTLED"
    assert not one.alarms()
    day_over(bank, one)
    assert one.state == "SETTLED"
    assert one.alarms() == {"RECON_BREAK"}
    found = one.gateway.metrics.registry.get_sample_value
    for difference in ("MISSING_AT_BANK", "BALANCE_OPEN"):
        name = "supplytwin_gateway_differences_total"
        assert found(name, {"difference": difference}) == 1
    told = one.receipts().count(("PAY", "NOT_FOUND"))
    assert told == 1
    day_over(bank, one)
    assert one.receipts().count(("PAY", "NOT_FOUND")) == told


def test_what_is_not_understood_is_counted() -> None:
    """A status that nobody knows moves nothing, and the metrics say that there was one."""
    paper = Paper()
    one = Loop(paper, BUYER).instructed()
    paper.bring(status_report(sent_of(one.sent()[0]), "BLCK", group="ACSC"))
    one.settle()
    assert one.state == "INSTRUCTED"
    found = one.gateway.metrics.registry.get_sample_value
    assert found("supplytwin_gateway_findings_total", {"code": "UNKNOWN_CODE"}) == 1


def test_every_behaviour_is_driven(bank: Bank) -> None:
    """The bank has nine behaviours, and they are those of this file."""
    known = set(bank.ask("GET", "/_mock/behaviours"))
    assert known == {
        "accept", "closed-account", "insufficient-funds", "bad-bank-id", "return-later",
        "reject-file", "duplicate-file", "silent", "statement-gap",
    }  # fmt: skip
