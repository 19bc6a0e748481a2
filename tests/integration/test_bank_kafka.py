"""The gateway as a process on a real Kafka, killed at every point of one payment to a bank.

The bank's ledger and the topic `settlement.sent` are the witnesses: one message, one payment.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bank_rail_world as w
import msgspec
import pytest
from bank_world import ABROAD, CLOCK, Bank, opened

from supplytwin.schemas import codec
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.records import INSTRUCTIONS, RECEIPTS, SENT, Receipt, SentMessage
from supplytwin.schemas.rfc3339 import moment
from supplytwin.sinks.bank_rail_terms import Funding, Paying
from supplytwin.streams import broker_choice, local_broker, topics
from supplytwin.streams.audit_run import read
from supplytwin.streams.ports import Broker
from supplytwin.streams.settings import Gateway, Kafka, RailSection, Settings, as_environment

pytestmark = pytest.mark.kafka
PARTITIONS = 2
PATIENCE_S = 60.0
AT = Micros(moment(f"{CLOCK}:00Z").micros)
KILLS = ("drafted", "before_commit", "committed", "submitted", "before_commit", "committed")
"""One after the other: in the transaction with the message, twice; behind it; behind the hand-over;
in the transaction with the bank's answer; behind that.
"""
SIGKILLED = -9


class Deployed:
    """A cluster with topics, a bank, and the gateway between them."""

    def __init__(self, folder: Path, bootstrap: str, bank: Bank) -> None:
        self._folder, self._log = folder, folder / "gateway.log"
        debtor = bank.party("ACME")
        paying = Paying(
            debtor=debtor, creditor=ABROAD, funding=Funding.COMMITMENT_ONLY, purpose_code="GDDS"
        )
        (folder / "parties.json").write_bytes(msgspec.json.encode({w.TERMS: paying}))
        self.settings = Settings(
            kafka=Kafka(bootstrap=bootstrap, partitions=PARTITIONS),
            rail=RailSection(
                kind="iso20022-http", initiator="Desk", agent=debtor.agent.bic,
                parties=str(folder / "parties.json"), folder=str(folder / "kept"),
                payments_url=f"{bank.base}/payments", poll_ms=50,
                mailbox_url=f"{bank.base}/_mock/mailbox?leave",
            ),
        )  # fmt: skip
        self.broker: Broker = broker_choice.client_of(self.settings, bootstrap)
        topics.init(self.broker, self.settings)

    def start(self, fail_at: str = "") -> subprocess.Popen[bytes]:
        """`supplytwin gateway`."""
        settings = msgspec.structs.replace(self.settings, gateway=Gateway(fail_at=fail_at))
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "supplytwin.streams.cli", "gateway"],
                env={**os.environ, **as_environment(settings)},
                stderr=log,
            )

    def killed(self, fail_at: str) -> None:
        """It comes to this point, and ends there."""
        process = self.start(fail_at)
        try:
            assert process.wait(PATIENCE_S) == SIGKILLED, self._log.read_text()[-2000:]
        finally:
            process.kill()
            process.wait()

    def all(self, topic: str) -> list[msgspec.Struct]:
        """Every committed record."""
        return [
            codec.decode(topic, record.value or b"").message
            for at in topics.places((topic,), PARTITIONS)
            for record in read(self.broker, at, None, lambda *_: None)
        ]

    def sent(self) -> list[SentMessage]:
        """What was kept."""
        return [one for one in self.all(SENT) if isinstance(one, SentMessage)]

    def told(self) -> set[tuple[str, str]]:
        """(status, receipt id) of what was told."""
        found = [one for one in self.all(RECEIPTS) if isinstance(one, Receipt)]
        return {(one.rail_status, one.input_id) for one in found}

    def wait(self, done: Callable[[], bool], what: str) -> None:
        """Until it is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not done():
            assert time.monotonic() < deadline, f"{what}: {self._log.read_text()[-2000:]}"
            time.sleep(0.1)


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[tuple[Deployed, Bank]]:
    """A broker of its own, which ends with the test."""
    started = local_broker.start(tmp_path / "kafka", with_parent=True)
    try:
        with opened(CLOCK) as bank:
            one = Deployed(tmp_path, started.bootstrap, bank)
            yield one, bank
            one.broker.close()
    finally:
        local_broker.stop(tmp_path / "kafka", remove=True)


def test_kills_at_every_point_pay_once(deployed: tuple[Deployed, Bank]) -> None:
    """Six kills on the way of one payment: one message is kept, these bytes and no others reach the
    bank, which books once; its answer is told under one id.
    """
    one, bank = deployed
    order = w.instruction(taken_at=AT, currency="EUR")
    producer = one.broker.producer(None)
    producer.produce(INSTRUCTIONS, order.chain_id.encode(), codec.encode(INSTRUCTIONS, order))
    producer.flush()
    for point in KILLS:
        one.killed(point)
        kept = one.sent()
        assert len(kept) <= 1
    running = one.start()
    try:
        one.wait(lambda: bool(one.told()), "no answer is told")
        bank.ask("POST", "/_mock/advance?days=1")
        one.wait(lambda: len(one.told()) == 2, "the booking is not told")
    finally:
        running.terminate()
        running.wait(PATIENCE_S)
    (kept_message,) = one.sent()
    paid = bank.ask("GET", f"/_mock/payments/{w.SETTLEMENT}?all")
    booked = [row for row in paid if row["booked_at"]]
    assert {row["msg_id"] for row in paid} == {kept_message.message_id}
    assert [(row["amount"], row["currency"]) for row in booked] == [(24_000_050, "EUR")]
    assert sorted(status for status, _ in one.told()) == ["ACCP", "BOOKED"]
