"""The gateway after a failover that may have lost a tail: first ask the rail, then submit.

What the log has lost the rail may have done. So before one instruction goes out, everything that
the rail has ever answered about each settlement that is newer than the recovery point, or not
over, is fetched again; what the log does not have is published as receipts, under the ids and with
the bytes that they had. The state table does the rest: a booking without a payment under way makes
the claim SETTLED (row 48), and a payment that is instructed again has the ids that the rail knows.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator

import structlog
from msgspec import Struct

from supplytwin.processors.settlement_state import ABSORBING
from supplytwin.schemas import codec
from supplytwin.schemas.errors import FatalError, RecordError
from supplytwin.schemas.ids import settlement_id
from supplytwin.schemas.records import (
    CONTRACTS,
    CONTROL,
    INSTRUCTIONS,
    RECEIPTS,
    SENT,
    SETTLEMENT_EVENTS,
    Contract,
    Control,
    Receipt,
    SettlementEvent,
)
from supplytwin.schemas.terms_read import decode
from supplytwin.sinks.rail import Answer, Rail
from supplytwin.streams.audit_run import Progress, read
from supplytwin.streams.gateway_record import remember
from supplytwin.streams.ports import Broker, TopicPartition
from supplytwin.streams.topics import GATEWAY_GROUP, GATEWAY_ID, INPUTS, WORKER_GROUP, Meta, places

log = structlog.get_logger("supplytwin.gateway")
_INIT_S = 30.0
_WORKER_S = 300.0
Pump = Callable[[], None]
"""Called while the worker is waited for: sleeps a little, or turns one that lives here."""


class Lost(Struct, frozen=True, kw_only=True):
    """Something that the rail has answered, and the log did not have."""

    chain_id: str
    settlement_id: str
    kind: str
    rail_status: str
    amount_minor: int | None
    currency: str | None
    state: str
    """Where the log says that the claim stands; "" = it does not know the claim."""


class Recovered(Struct, frozen=True, kw_only=True):
    """What was queried, and what was found."""

    queried: int
    answers: int
    found: dict[str, int]
    """Answers by ``KIND STATUS``."""
    lost: tuple[Lost, ...]


def recover(
    broker: Broker, rail: Rail, meta: Meta, since: int, progress: Progress, pump: Pump
) -> Recovered:
    """Publish what the log has lost, and return when the worker has taken it.

    `since` (us, tick time) = the recovery point: settlements that moved at or after it are queried,
    and all that are not over. Whoever else was the gateway is fenced. Raises FatalError when the
    worker does not take the receipts within five minutes.
    """
    states = {
        one: (event.to_state if event else "")
        for one, event in _latest(broker, meta, progress).items()
        if event is None or event.tick_time >= since or event.to_state not in ABSORBING
    }
    if rail.keeps:
        remember(broker, rail, meta.partitions)
    answers = rail.told(states, _last_tick(broker, meta, progress))
    known = {codec.encode(RECEIPTS, receipt) for receipt in _receipts(broker, meta, progress)}
    missing = [one for one in answers if codec.encode(RECEIPTS, one.receipt) not in known]
    _publish(broker, meta, missing)
    _from_the_start(broker, meta)
    _await_worker(broker, meta, pump)
    found = Counter(f"{one.receipt.kind} {one.receipt.rail_status}" for one in answers)
    return Recovered(
        queried=len(states),
        answers=len(answers),
        found=dict(sorted(found.items())),
        lost=tuple(_lost(one.receipt, states) for one in missing),
    )


def tell(recovered: Recovered) -> None:
    """Say what was queried and found, one log line each."""
    log.warning(
        "recovered",
        queried=recovered.queried,
        answers=recovered.answers,
        found=recovered.found,
        lost=len(recovered.lost),
    )
    for one in recovered.lost:
        log.warning(
            "the rail had answered what the log has lost",
            chain_id=one.chain_id,
            settlement_id=one.settlement_id,
            answer=f"{one.kind} {one.rail_status}",
            amount_minor=one.amount_minor,
            currency=one.currency,
            claim_was=one.state,
        )


def _lost(receipt: Receipt, states: dict[str, str]) -> Lost:
    return Lost(
        chain_id=receipt.chain_id,
        settlement_id=receipt.settlement_id,
        kind=receipt.kind,
        rail_status=receipt.rail_status,
        amount_minor=receipt.amount_minor,
        currency=receipt.currency,
        state=states[receipt.settlement_id],
    )


def _messages(broker: Broker, meta: Meta, topic: str, progress: Progress) -> Iterator[Struct]:
    """What can be read; what cannot be was refused by the worker, and has moved nothing."""
    for at in places((topic,), meta.partitions):
        for record in read(broker, at, None, progress):
            try:
                message = codec.decode(topic, record.value or b"").message
            except RecordError:
                if topic not in INPUTS:
                    raise
            else:
                yield message


def _latest(broker: Broker, meta: Meta, progress: Progress) -> dict[str, SettlementEvent | None]:
    """The last transition of every settlement; None = a contract has it, and nothing has moved."""
    found: dict[str, SettlementEvent | None] = {}
    for contract in _messages(broker, meta, CONTRACTS, progress):
        assert isinstance(contract, Contract)
        try:
            terms = decode(contract.terms)
        except RecordError:
            continue  # refused, too
        for claim in terms.claims:
            found[settlement_id(terms.contract_id, claim.tranche_id, claim.claim_id)] = None
    for event in _messages(broker, meta, SETTLEMENT_EVENTS, progress):
        assert isinstance(event, SettlementEvent)
        found[event.settlement_id] = event
    return found


def _receipts(broker: Broker, meta: Meta, progress: Progress) -> Iterator[Receipt]:
    for receipt in _messages(broker, meta, RECEIPTS, progress):
        assert isinstance(receipt, Receipt)
        yield receipt


def _last_tick(broker: Broker, meta: Meta, progress: Progress) -> int:
    """The newest tick; in wall-clock time the rail's answers of this moment count, too."""
    ticks = [
        control.tick_time
        for control in _messages(broker, meta, CONTROL, progress)
        if isinstance(control, Control) and control.kind == "TICK"
    ]
    return max(ticks, default=0) if meta.simulated else time.time_ns() // 1000


def _publish(broker: Broker, meta: Meta, missing: list[Answer]) -> None:
    producer = broker.producer(GATEWAY_ID)
    try:
        producer.init(_INIT_S)
        if not missing:
            return
        producer.begin()
        for answer in missing:
            producer.produce(
                RECEIPTS,
                answer.receipt.chain_id.encode(),
                codec.encode(RECEIPTS, answer.receipt),
                timestamp_us=answer.due if meta.simulated else None,
            )
        producer.commit()
    finally:
        producer.close()


def _from_the_start(broker: Broker, meta: Meta) -> None:
    """Every instruction goes out again, with what was kept of it: what was committed may have been
    read from the lost tail, and the worker may have written on since.
    """
    orders = places((INSTRUCTIONS, SENT), meta.partitions)
    others = places((CONTROL,), meta.partitions)
    admin = broker.admin()
    try:
        committed = admin.committed(GATEWAY_GROUP, others)
        ends = admin.ends(others, "read_uncommitted")
        offsets = {at: min(committed[at] or 0, ends[at]) for at in others}
        admin.commit(GATEWAY_GROUP, {**admin.begins(orders), **offsets})
    finally:
        admin.close()


def _await_worker(broker: Broker, meta: Meta, pump: Pump) -> None:
    """Until the worker has committed the ends of the receipts."""
    wanted = places((RECEIPTS,), meta.partitions)
    admin = broker.admin()
    deadline = time.monotonic() + _WORKER_S
    try:
        ends = admin.ends(wanted, "read_uncommitted")
        while True:
            committed = admin.committed(WORKER_GROUP, wanted)
            behind = [at for at in wanted if (committed[at] or 0) < ends[at]]
            if not behind:
                return
            if time.monotonic() > deadline:
                raise FatalError(f"the worker does not take the receipts of {_name(behind[0])}")
            pump()
    finally:
        admin.close()


def _name(at: TopicPartition) -> str:
    return f"{at.topic} partition {at.partition}"
