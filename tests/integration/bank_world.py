"""mock-bank in this process, and a chain with a real worker whose gateway leads to it."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mockbank
import settlement_world as w
from chain_world import ChainDriver
from iso20022_world import SELLER, status_report
from msgspec.structs import replace

from supplytwin.schemas.errors import TransientError
from supplytwin.schemas.ids import DAY_US, HOUR_US, settlement_id
from supplytwin.schemas.records import (
    CONTRACTS,
    CONTROL,
    EXCEPTIONS,
    INSTRUCTIONS,
    RECEIPTS,
    SENT,
    SETTLEMENT_EVENTS,
    Instruction,
    SentMessage,
    SettlementEvent,
)
from supplytwin.sinks.bank_rail import BankRail, Carrier
from supplytwin.sinks.bank_rail_messages import Desk, sent_of
from supplytwin.sinks.bank_rail_terms import Funding, Paying
from supplytwin.sinks.file_rail import Inbox
from supplytwin.sinks.http_rail import Addresses, HttpBank
from supplytwin.sinks.iso20022_parties import Account, Address, Agent, Party
from supplytwin.sinks.rail import Closed
from supplytwin.streams.gateway import Gateway
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import TopicPartition, TopicSpec
from supplytwin.streams.topics import GATEWAY_GROUP

WAIT_S = 10
PROVED = 33
"""The day of the proofs, a Monday: 2025-02-03."""
CLOCK = "2025-02-03T17:00"
"""Behind the cut-off: what comes in now is booked on the next day."""
SETTLEMENT = settlement_id(w.CONTRACT, "T1", "A-1")
ABROAD = replace(
    SELLER, agent=Agent(bic="COBADEFF"), account=Account(iban="DE89370400440532013000")
)


class Bank:
    """The client's side of one mock bank."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        accounts = self.ask("GET", "/_mock/accounts")
        self.accounts = {one["id"]: one for one in accounts}

    def text(self, method: str, path: str, body: bytes | None = None) -> str:
        """One request; a refusal with a body is an answer too."""
        request = urllib.request.Request(self.base + path, data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S) as response:
                return response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.read().decode()

    def ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """One request that is answered in JSON."""
        return json.loads(self.text(method, path, body))

    def behave(self, account: str, behaviour: str, **parameters: object) -> None:
        """From now on this account behaves so."""
        body = json.dumps({"behaviour": behaviour, "parameters": parameters}).encode()
        assert self.ask("PATCH", f"/_mock/accounts/{account}", body)["behaviour"] == behaviour

    def party(self, account: str) -> Party:
        """The holder of an account, as terms would have it."""
        one = self.accounts[account]
        return Party(
            name=one["name"],
            address=Address(town="Utrecht", country="NL"),
            agent=Agent(bic=one["bic"]),
            account=Account(iban=one["iban"]),
        )


@contextmanager
def opened(clock: str, **options: Any) -> Iterator[Bank]:
    """A bank at this moment (`2026-11-18T09:00`, UTC), until the block is left."""
    server = mockbank.make_server(mockbank.Config(port=0, quiet=True, clock=clock, **options))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield Bank(server.server_address[1])
    finally:
        server.shutdown()
        thread.join(WAIT_S)
        server.server_close()


# ---- a chain whose gateway leads to a bank


class Known:
    """Parties of the one contract there is, written by hand."""

    def __init__(self, debtor: Party, creditor: Party, funding: Funding) -> None:
        self._paying = Paying(
            debtor=debtor, creditor=creditor, funding=funding, purpose_code="GDDS"
        )

    def of(self, order: Instruction) -> Paying | None:
        """What it knows."""
        return self._paying if order.contract_id == w.CONTRACT else None


def mock_status(data: bytes, kept: SentMessage) -> bytes | None:
    """A pain.002 from what mock-bank says of a payment in its own words."""
    for row in json.loads(data):
        if row["msg_id"] == kept.message_id:
            status = "RJCT" if row["status"] == "rejected" else "ACSP"
            return status_report(sent_of(kept), status, row["reason"] or "")
    return None


def over_http(bank: Bank, folder: Path, *, asks: bool = True) -> HttpBank:
    """The carrier to mock-bank; its mailbox keeps what it has given."""
    addresses = Addresses(
        payments=f"{bank.base}/payments",
        recalls=f"{bank.base}/payments",
        mailbox=f"{bank.base}/_mock/mailbox?leave",
        status=f"{bank.base}/_mock/payments/{{end_to_end_id}}?all" if asks else "",
        poll_s=0,
        timeout_s=WAIT_S,
    )
    return HttpBank(addresses, Inbox(folder / "waiting", folder, settle_s=0), status=mock_status)


class Killed(Exception):
    """The process ends here."""


class Watched(BankRail):
    """A rail that also tells the test how each statement was closed."""

    def __init__(self, closed: list[Closed], *given: Any) -> None:
        super().__init__(*given)
        self._closed = closed

    def close_day(self, events: Sequence[SettlementEvent]) -> list[Closed]:
        """As it is, and kept."""
        found = super().close_day(events)
        self._closed += found
        return found


class Loop:
    """One contract of one claim of 1,000.00 EUR, a real worker, a gateway to a bank; by hand."""

    def __init__(
        self,
        carrier: Carrier,
        debtor: Party,
        creditor: Party = ABROAD,
        funding: Funding = Funding.BANK_UNDERTAKING,
        **terms: Any,
    ) -> None:
        self.now = w.day(0)
        self.broker = MemoryBroker(clock=lambda: self.now)
        self.chain = ChainDriver(broker=self.broker)
        self._open_gateway_topics()
        self.carrier = carrier
        self.desk = Desk(initiator="Desk", agent=debtor.agent, zone="UTC", rail="iso20022-bank")
        self.parties = Known(debtor, creditor, funding)
        self.dies_at = ""
        self.closed: list[Closed] = []
        self.gateway = self.start()
        self.contract = w.contract(w.contract_terms(currency="EUR", **terms))

    def _open_gateway_topics(self) -> None:
        admin = self.broker.admin()
        admin.create([TopicSpec(name=SENT, partitions=1, replication=1, config={})])
        places = [TopicPartition(topic, 0) for topic in (INSTRUCTIONS, CONTROL, SENT)]
        admin.commit(GATEWAY_GROUP, dict.fromkeys(places, 0))

    # -- processes

    def start(self) -> Gateway:
        """A gateway as a new process starts it: with nothing but Kafka and its carrier."""
        rail = Watched(self.closed, self.carrier, self.desk, self.parties)
        return Gateway(self.broker, rail, partitions=1, simulated=False, at=self._at)

    def _at(self, point: str) -> None:
        if point == self.dies_at:
            raise Killed

    def kill_at(self, point: str) -> None:
        """Let the gateway die there, without a word, and start another one."""
        self.dies_at = point
        try:
            self.settle()
        except Killed:
            self.dies_at = ""
            self.gateway = self.start()
            return
        raise AssertionError(f"it has not come to {point}")

    def settle(self) -> None:
        """Turn worker and gateway until neither has anything to do."""
        idle = 0
        while idle < 4:
            busy = self.gateway.turn(0.0)
            self.chain.driver.settle()
            idle = 0 if busy else idle + 1

    # -- time and facts

    def tick(self, at: int) -> None:
        """A tick, and all that follows."""
        self.now = at
        self.chain.driver.tick(at)
        self.settle()

    def agreed(self) -> "Loop":
        """The contract is there and funded."""
        self.chain.send(CONTRACTS, self.contract, w.day(0))
        self.tick(w.day(1))
        self.tick(w.day(2))
        return self

    def proved(self) -> None:
        """All that the claim needs arrives on Monday the 3rd of February 2025."""
        self.now = w.day(PROVED) + 17 * HOUR_US
        for message, _ in w.proofs(at=PROVED):
            self.chain.fact(message)

    def instructed(self) -> "Loop":
        """Agreed, proved, and paid for at five o'clock; the bank's first answers are in."""
        self.agreed().proved()
        self.tick(self.now)
        return self

    def later(self, days: int = 1) -> None:
        """The same hour, days later."""
        self.tick(self.now + days * DAY_US)

    # -- what came of it

    @property
    def state(self) -> str:
        """Where the claim stands."""
        return str(self.chain.claim.state)

    def reasons(self) -> list[str]:
        """What the transitions say."""
        return [one.reason for one in self.chain.read(SETTLEMENT_EVENTS)]

    def alarms(self) -> set[str]:
        """Codes of the alarms."""
        return {one.code for one in self.chain.read(EXCEPTIONS) if one.subject_id == SETTLEMENT}

    def receipts(self) -> list[tuple[str, str]]:
        """(kind, status) of each receipt."""
        return [(one.kind, one.rail_status) for one in self.chain.read(RECEIPTS)]

    def sent(self) -> list[SentMessage]:
        """The gateway's own record."""
        return [one for one in self.chain.read(SENT) if isinstance(one, SentMessage)]


class Unreachable:
    """A carrier whose deliveries fail as long as `away`; else the one that it wraps."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier, self.away = carrier, True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._carrier, name)

    def deliver(self, kept: SentMessage) -> None:
        """Hand over, or not."""
        if self.away:
            raise TransientError("nobody answers")
        self._carrier.deliver(kept)
