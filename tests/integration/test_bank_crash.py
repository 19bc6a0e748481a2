"""A gateway that dies between drafting, keeping, handing over and recording; a bank that is away.

The bank's own ledger is the witness: one payment of one id, whatever point was met.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bank_world import CLOCK, SETTLEMENT, Bank, Loop, Unreachable, opened, over_http

from supplytwin.schemas.errors import TransientError
from supplytwin.sinks.file_rail import FolderBank, Inbox
from supplytwin.streams import gateway

POINTS = [one for one in gateway.POINTS if one not in ("assigned", "answered")]
"""Where a gateway comes that has partitions, whether or not the bank answers."""


@pytest.fixture
def bank() -> Iterator[Bank]:
    """A bank at five o'clock of the day on which the claim is proved."""
    with opened(CLOCK) as one:
        yield one


def finished(bank: Bank, one: Loop) -> None:
    """Two days go by, so that the booking and its statement are in; one payment is booked."""
    for _ in range(2):
        bank.ask("POST", "/_mock/advance?days=1")
        one.later()
    assert one.state == "SETTLED"
    assert not one.alarms()
    booked = [p for p in bank.ask("GET", f"/_mock/payments/{SETTLEMENT}?all") if p["booked_at"]]
    assert [(paid["amount"], paid["currency"]) for paid in booked] == [(100_000, "EUR")]


def about_to_pay(one: Loop) -> Loop:
    """The PAY instruction is in Kafka; the gateway has not turned yet."""
    one.agreed().proved()
    one.chain.driver.tick(one.now)
    one.chain.driver.settle()
    assert not one.sent()
    return one


@pytest.mark.parametrize("point", [*POINTS, "answered"])
def test_a_kill_anywhere_pays_once(bank: Bank, tmp_path: Path, point: str) -> None:
    """One message is kept, the bank gets these bytes and no others, and books them once."""
    one = about_to_pay(Loop(over_http(bank, tmp_path), bank.party("ACME")))
    one.kill_at(point)
    one.settle()
    (kept,) = one.sent()
    paid = bank.ask("GET", f"/_mock/payments/{SETTLEMENT}?all")
    assert {row["msg_id"] for row in paid} == {kept.message_id}
    finished(bank, one)


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_anywhere_puts_one_file(tmp_path: Path, point: str) -> None:
    """Over folders the bank finds one file of one name, whose bytes are those that were kept."""
    to_bank, from_bank = tmp_path / "to", tmp_path / "from"
    with opened(CLOCK) as bank:
        carrier = FolderBank(to_bank, Inbox(from_bank, tmp_path / "kept", settle_s=0))
        one = about_to_pay(Loop(carrier, bank.party("ACME")))
        one.kill_at(point)
        one.settle()
    (kept,) = one.sent()
    (file,) = to_bank.iterdir()
    assert (file.name, file.read_bytes()) == (f"{kept.message_id}.pain.001.001.09.xml", kept.body)


def test_the_kept_bytes_go_out_after_a_crash_whatever_the_terms_say_now(
    bank: Bank, tmp_path: Path
) -> None:
    """Once kept, the message is what goes out: a new process does not write it again."""
    one = about_to_pay(Loop(over_http(bank, tmp_path), bank.party("ACME")))
    one.kill_at("committed")
    before = one.sent()
    one.parties.of = lambda order: None  # type: ignore[method-assign]
    one.settle()
    assert one.sent() == before
    assert one.state == "ACCEPTED"
    finished(bank, one)


def test_answers_are_told_once_after_a_crash(bank: Bank, tmp_path: Path) -> None:
    """A gateway that dies behind the transaction with the bank's answers tells them again, byte for
    byte, and the claim hears each once.
    """
    one = Loop(over_http(bank, tmp_path), bank.party("ACME")).instructed()
    bank.ask("POST", "/_mock/advance?days=1")
    one.now += 86_400_000_000
    one.kill_at("committed")
    one.settle()
    told = [value for _, value in one.chain.driver.values("settlement.receipts")]
    assert len(told) - len(set(told)) == one.receipts().count(("PAY", "BOOKED")) - 1 == 1
    assert one.state == "SETTLED"
    finished(bank, one)


def test_a_bank_that_is_away_is_waited_for(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be handed over stays first in line; it is paid once when the bank is back."""
    monkeypatch.setattr("supplytwin.streams.gateway._PAUSE_S", 0.0)
    carrier = Unreachable(over_http(bank, tmp_path))
    one = Loop(carrier, bank.party("ACME")).instructed()  # type: ignore[arg-type]
    assert one.state == "INSTRUCTED"
    assert len(one.sent()) == 1
    assert bank.ask("GET", "/_mock/payments") == []
    carrier.away = False
    one.settle()
    assert one.state == "ACCEPTED"
    finished(bank, one)


def test_over_folders(tmp_path: Path) -> None:
    """The whole way by files: the bank takes one, puts its own, and the claim settles; every file
    of the bank is kept.
    """
    to_bank, from_bank = tmp_path / "to", tmp_path / "from"
    with opened(CLOCK, drop_dir=str(to_bank), pickup_dir=str(from_bank), drop_settle_ms=0) as bank:
        carrier = FolderBank(to_bank, Inbox(from_bank, tmp_path / "kept", settle_s=0))
        one = Loop(carrier, bank.party("ACME")).instructed()
        bank.ask("POST", "/_mock/drop/scan")
        one.settle()
        assert one.state == "ACCEPTED"
        finished(bank, one)
        assert list(from_bank.iterdir()) == []
        assert len(list((tmp_path / "kept" / "received").iterdir())) >= 3
        assert [day.result.clean for day in one.closed] == [True] * len(one.closed)


class SlowGroup:
    """The broker, whose group takes three turns until it gives a consumer its partitions."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def consumer(self, group: str | None, **options: Any) -> Any:
        """One that waits, if it joins a group."""
        found = self._broker.consumer(group, **options)
        if group is None:
            return found
        consume, left = found.consume, [None] * 3

        def late(count: int, timeout_s: float) -> Any:
            return left.pop() or [] if left else consume(count, timeout_s)

        found.consume = late
        return found


def test_no_document_is_looked_at_before_the_record_is_read(bank: Bank, tmp_path: Path) -> None:
    """A new process that has no partitions yet does not know what was sent: what the bank has said
    meanwhile waits for it.
    """
    one = Loop(over_http(bank, tmp_path), bank.party("ACME")).instructed()
    bank.ask("POST", "/_mock/advance?days=1")
    one.broker = SlowGroup(one.broker)  # type: ignore[assignment]
    one.gateway = one.start()
    one.now += 86_400_000_000
    one.settle()
    assert one.state == "SETTLED"
    finished(bank, one)


def test_a_record_that_cannot_be_read_is_read_again(
    bank: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that is away while the record is read: nothing is taken for known before it is."""
    one = Loop(over_http(bank, tmp_path), bank.party("ACME")).instructed()
    bank.ask("POST", "/_mock/advance?days=1")
    real, failures = gateway.remember, [TransientError("away")] * 3

    def away(*given: Any) -> None:
        if failures:
            raise failures.pop()
        real(*given)

    monkeypatch.setattr(gateway, "remember", away)
    one.gateway = one.start()
    one.now += 86_400_000_000
    for _ in range(4):
        one.settle()
    assert not failures
    assert one.state == "SETTLED"
    finished(bank, one)
