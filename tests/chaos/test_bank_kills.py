"""SIGKILL at every labelled point between a decision and the money, on a real Kafka with a bank.

One deployment in wall-clock time: chains come in all the time, a worker decides, a gateway pays
them at mock-bank over HTTP, and each of the two dies again and again at a point of `crash_points`.
The bank's own ledger is the witness: every claim is paid once, with its amount, and nothing else.
"""

import datetime as dt
import random
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from bank_world import ABROAD, Bank, opened
from conftest import Make
from crash_points import CRASH_POINTS, GATEWAY, KNOWN, WORKER, Point
from harness import Deployment, until
from msgspec import Struct
from wall import Feed, Outcome, Payable, payable

from supplytwin.schemas.ids import settlement_id
from supplytwin.schemas.records import CONTRACTS, EXCEPTIONS, SENT, Contract
from supplytwin.schemas.terms import decode
from supplytwin.sinks.bank_rail_terms import Funding, Paying
from supplytwin.streams import audit_run, topics
from supplytwin.streams.settings import RailSection, WorkerSection
from supplytwin.streams.topics import GATEWAY_GROUP

pytestmark = pytest.mark.kafka

PARTITIONS, TICK_MS = 2, 100
SEEDS_A_RUN = 5
"""Then a new deployment: whoever comes back reads its whole record."""
PROCESSES = (WORKER, GATEWAY)
IDLE_S, UNDER_WAY = 0.5, 3
"""Nobody has died for so long, and no more are on their way to the money: one more chain comes."""
PATIENCE_S = 120.0


class Kill(Struct, frozen=True, kw_only=True):
    """One planned death."""

    seed: int
    point: Point
    nth: int


def plan(kills: int) -> list[Kill]:
    """Every point once for each seed, in an order and at a passage that follow from the seed."""
    found: list[Kill] = []
    for seed in range(-(-kills // len(CRASH_POINTS))):
        chance = random.Random(seed)
        points = chance.sample(CRASH_POINTS, len(CRASH_POINTS))
        found += [Kill(seed=seed, point=one, nth=chance.randint(1, one.times)) for one in points]
    return found[:kills]


def owed(chain: Payable) -> tuple[str, int]:
    """(settlement id, minor units) of the one claim of a chain."""
    terms = decode(agreement(chain).terms)
    (claim,) = terms.claims
    settlement = settlement_id(terms.contract_id, claim.tranche_id, claim.claim_id)
    return settlement, claim.amount_minor


def agreement(chain: Payable) -> Contract:
    """The contract of a chain."""
    (found,) = [one.body for one in chain.before if one.topic == CONTRACTS]
    assert isinstance(found, Contract)
    return found


def business_morning() -> str:
    """Nine o'clock of the next day on which a bank works: what comes in is booked at once."""
    day = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=1)
    while day.weekday() >= 5:
        day += dt.timedelta(days=1)
    return f"{day}T09:00"


def rail(bank: Bank, folder: Path, chains: Sequence[Payable]) -> RailSection:
    """A bank over HTTP that pays each of these chains."""
    debtor = bank.party("ACME")
    paying = Paying(
        debtor=debtor, creditor=ABROAD, funding=Funding.BANK_UNDERTAKING, purpose_code="GDDS"
    )
    listed = folder / "parties.json"
    listed.write_bytes(msgspec.json.encode({agreement(one).terms_hash: paying for one in chains}))
    return RailSection(
        kind="iso20022-http", initiator="Desk", agent=debtor.agent.bic, parties=str(listed),
        folder=str(folder / "bank"), payments_url=f"{bank.base}/payments", poll_ms=50,
        mailbox_url=f"{bank.base}/_mock/mailbox?leave",
    )  # fmt: skip


def with_bank(make: Make, bank: Bank, folder: Path, chains: Sequence[Payable]) -> Deployment:
    """A deployment whose rail leads to the bank; its ticker runs."""
    deployed = make(
        simulated=False, partitions=PARTITIONS, tick_ms=TICK_MS,
        worker=WorkerSection(transaction_timeout_ms=60_000), rail=rail(bank, folder, chains),
    )  # fmt: skip
    deployed.ticker()
    return deployed


class Matrix:
    """Worker and gateway, each of which dies as planned and comes back with its next death."""

    def __init__(
        self, deployed: Deployment, bank: Bank, chains: Sequence[Payable], kills: list[Kill]
    ) -> None:
        self.deployed, self.bank = deployed, bank
        self.feed = Feed(deployed.settings.kafka.bootstrap)
        self.waiting = deque(chains)
        self.sent: list[Payable] = []
        self.left = {
            name: deque([one for one in kills if one.point.process == name]) for name in PROCESSES
        }
        self.armed: dict[str, Kill | None] = {}
        self.dead: list[Kill] = []
        self.moved_at = time.monotonic()
        for name in PROCESSES:
            self.start(name)

    def start(self, name: str) -> None:
        """The next life of a process."""
        kill = self.armed[name] = self.left[name].popleft() if self.left[name] else None
        fail_at = "" if kill is None else f"{kill.point.name}:{kill.nth}"
        if name == GATEWAY:
            self.deployed.gateway(fail_at)
        else:
            self.deployed.worker(0, fail_at=fail_at)

    def chain(self) -> None:
        """Another chain comes in, with all that it is paid for."""
        assert self.waiting, f"no chain is left, and these wait to die: {self.armed}"
        one = self.waiting.popleft()
        self.feed.send((*one.before, *one.receipts))
        self.sent.append(one)
        self.moved_at = time.monotonic()

    def done(self) -> bool:
        """Look after everybody once; whether all planned deaths were died."""
        for name in PROCESSES:
            code = self.deployed.children[name].process.poll()
            if code is None:
                continue
            kill = self.armed[name]
            assert code == -signal.SIGKILL, f"{code}: {self.deployed.log(name)[-3000:]}"
            assert kill is not None
            self.dead.append(kill)
            self.start(name)
            self.chain()
        if time.monotonic() - self.moved_at > IDLE_S:
            self.moved_at = time.monotonic()
            if len(self.sent) - booked(self.bank).total() < UNDER_WAY:
                self.chain()
        return not any(self.armed.values())


def booked(bank: Bank) -> Counter[tuple[str, int, str]]:
    """By the bank's ledger: how often each (EndToEndId, minor units, currency) was debited."""
    return Counter(
        (one["end_to_end_id"], one["amount"], one["currency"])
        for one in bank.ask("GET", "/_mock/payments?all")
        if one["booked_at"]
    )


def settled(matrix: Matrix) -> Outcome:
    """Every chain that came in is settled."""
    found = Outcome(matrix.deployed)
    found.await_states(matrix.sent, "SETTLED", PATIENCE_S)
    return found


def paid_once(bank: Bank, chains: Sequence[Payable]) -> None:
    """By the bank's own ledger: each claim once and with its amount, nothing else, none missing."""
    wanted = Counter((*owed(one), "EUR") for one in chains)
    assert set(wanted.values()) == {1}
    assert booked(bank) == wanted


def kept_once(matrix: Matrix) -> None:
    """One message was kept for each payment, whatever was killed on the way."""
    found = Counter(one["settlement_id"] for _, one in Outcome(matrix.deployed).records(SENT))
    assert found == Counter(dict.fromkeys((owed(one)[0] for one in matrix.sent), 1))


def audited(deployed: Deployment) -> None:
    """An audit computes every decision and every output again, and finds what is there."""
    meta = topics.require_meta(deployed.broker)
    found = audit_run.run(deployed.broker, meta, lambda *_: None)
    assert found.decisions
    assert not found.differences


def reconciled(bank: Bank, matrix: Matrix) -> None:
    """The bank's statement of the day agrees with what the claims have posted."""
    deployed = matrix.deployed
    bank.ask("POST", "/_mock/advance?days=1")
    folder = Path(deployed.settings.rail.folder) / "received"
    until(
        lambda: any(b"camt.053" in one.read_bytes() for one in folder.iterdir() if one.is_file()),
        "the statement of the day is closed", PATIENCE_S,
    )  # fmt: skip
    assert not [one for one in deployed.said("gateway") if "reconcile" in str(one.get("event"))]
    codes = {one["code"] for _, one in Outcome(deployed).records(EXCEPTIONS)}
    assert not codes & {"RECON_BREAK", "RAIL_SILENT", "CLAIM_RECORD", "HELD_FOR_REVIEW"}


def test_the_table_names_places_of_the_loops() -> None:
    """Every place of both loops is a point at which they die, at least twelve in all."""
    named = Counter((one.process, one.name) for one in CRASH_POINTS)
    assert named == Counter((process, name) for process in KNOWN for name in KNOWN[process])
    assert len(named) >= 12


def run(make: Make, folder: Path, kills: list[Kill]) -> tuple[int, float]:
    """One deployment that dies as planned, and everything that must be true then; how many were
    paid, and how long the deaths took, s.
    """
    folder.mkdir()
    chains = [payable(number, "CRASH") for number in range(1, 50 + 4 * len(kills))]
    with opened(business_morning()) as bank:
        deployed = with_bank(make, bank, folder, chains)
        matrix = Matrix(deployed, bank, chains, kills)
        took = until(matrix.done, "all planned deaths", 60.0 + 15.0 * len(kills))
        settled(matrix)
        paid_once(bank, matrix.sent)
        reconciled(bank, matrix)
        assert set(deployed.stop().values()) == {0}
        paid_once(bank, matrix.sent)
    kept_once(matrix)
    assert set(Outcome(deployed).states().values()) == {"SETTLED"}
    audited(deployed)
    assert Counter(matrix.dead) == Counter(kills)
    return len(matrix.sent), took


def test_killed_between_decision_and_money_everyone_is_paid_once(
    make: Make,
    folder: Path,
    required: Callable[[str], Any],
    measured: Callable[[str], None],
) -> None:
    """Worker and gateway die by SIGKILL at each point of the table, once for each seed: every claim
    is paid exactly once, none is lost or left in doubt, and an audit finds nothing.
    """
    kills = plan(int(required("crash_matrix")))
    a_run = SEEDS_A_RUN * len(CRASH_POINTS)
    payments, seconds = 0, 0.0
    for first in range(0, len(kills), a_run):
        paid, took = run(make, folder / f"bank-{first}", kills[first : first + a_run])
        payments, seconds = payments + paid, seconds + took
    measured(f"crash matrix: {len(kills)} kills, {payments} payments, {seconds:.0f} s of deaths")
    required("crash_matrix").done(len(kills))


@pytest.mark.full
def test_a_payment_that_is_lost_is_seen(make: Make, folder: Path) -> None:
    """A wrong gateway takes a message for done that the bank does not have, and dies: by the bank's
    ledger one claim is not paid. What the matrix asks can fail.
    """
    lost, paid = [payable(number, "LOST") for number in (1, 2)]
    with opened(business_morning()) as bank:
        deployed = with_bank(make, bank, folder, (lost, paid))
        feed, outcome = Feed(deployed.settings.kafka.bootstrap), Outcome(deployed)
        deployed.worker(0)
        # its third order: behind the hold and the payment of the one, the hold of the other
        wrong = deployed.gateway("handing_over:3", variant="hands_over_later")
        feed.send((*lost.before, *lost.receipts))
        until(lambda: taken_for_done(deployed), "the message is taken for done")
        feed.send((*paid.before, *paid.receipts))
        assert wrong.process.wait(PATIENCE_S) == -signal.SIGKILL
        deployed.gateway()
        outcome.await_states([paid], "SETTLED", PATIENCE_S)
        assert outcome.states()[lost.chain_id] == "INSTRUCTED"
        paid_once(bank, [paid])
        with pytest.raises(AssertionError):
            paid_once(bank, [lost, paid])


def taken_for_done(deployed: Deployment) -> bool:
    """Whether the gateway has committed what it keeps of what it sent."""
    ends = deployed.ends((SENT,))
    done = deployed.admin.committed(GATEWAY_GROUP, list(ends))
    return any(ends.values()) and all((done[at] or 0) >= end for at, end in ends.items())
