"""One record that our own code cannot take, among others in one batch of a whole deployment: it is
quarantined, and all that is written about the others is bit for bit that of a run without it.
"""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import carbon, chain, simulate
from supplytwin.processors.carbon_packs import Rules
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.schemas import avro, batch, binary, codec, terms
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import ORDERS, Event, ShipmentDelivered
from supplytwin.schemas.flow import Input, Message, Record, Step
from supplytwin.schemas.ids import DAY_US
from supplytwin.schemas.records import (
    INSTRUCTIONS,
    QUARANTINE,
    Contract,
    Instruction,
    Quarantined,
)
from supplytwin.streams import deployment, topics
from supplytwin.streams.conductor import Conductor, intervals, send
from supplytwin.streams.intake import Intake
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time
from supplytwin.streams.summary import read_all

POISON = "poison"
LONELY = "SIM-99-00000000"
"""A chain whose contract promises nothing: nothing of it is held, or remembered to be."""
QUIET = dict.fromkeys(("refuse_hold", "reject_once", "reject", "give_back", "silent", "lose"), 0)
PANIC = pl.exceptions.PanicException("index out of bounds")
"""What a Rust extension raises: no Exception."""


def bad_message() -> Message:
    """A delivery of the lonely chain: it moves a lifecycle, milestones and a footprint."""
    told = simulate.chains(1, 99).messages
    return next(one for one in told if isinstance(one.body, ShipmentDelivered))


def promising_nothing(message: Message) -> Message:
    """The message; a contract with claims of nothing, which are over when it is agreed."""
    body = message.body
    if not isinstance(body, Contract):
        return message
    agreed = terms.decode(body.terms)
    claims = tuple(replace(claim, amount_minor=0) for claim in agreed.claims)
    text = terms.encode(replace(agreed, claims=claims, cap_minor=0))
    return replace(message, body=replace(body, terms=text, terms_hash=terms.terms_hash(text)))


class Played(Struct, frozen=True, kw_only=True):
    """All that a deployment wrote, by topic, and what it refused."""

    written: dict[str, list[tuple[int, bytes | None, bytes | None, object]]]
    refused: list[Quarantined]
    paid: int


def play(folder: Path, value: bytes | None) -> Played:
    """The same 45 days with `value` behind that delivery, or the delivery once more in its place:
    a duplicate, which leaves no trace, and all offsets are the same."""
    settings = Settings(
        kafka=Kafka(partitions=1),
        time=Time(simulated=True, timeline="t"),
        gateway=Gateway(ledger=str(folder / "rail"), behaviour=QUIET),
    )
    broker, source = MemoryBroker(), bad_message()
    topics.init(broker, settings)
    meta = topics.require_meta(broker)
    worker = deployment.worker(broker, settings, meta)
    gateway = deployment.gateway(broker, settings, meta)

    def pump() -> None:
        worker.turn(0.0)
        gateway.turn(0.0)

    conductor = Conductor(broker, partitions=1, timeline="t", pump=pump)
    records, ticks = broker.producer(None), broker.producer(topics.TICK_ID)
    ticks.init(5.0)
    lonely = [promising_nothing(one) for one in simulate.chains(1, 99).messages]
    told = [*simulate.chains(4, 11, spacing_us=DAY_US // 4).messages, *lonely]
    rounds, now = intervals(sorted(told, key=lambda one: one.arrival), DAY_US), 0
    for _ in range(45):
        now, messages = next(rounds, (now + DAY_US, list[Message]()))
        for message in messages:
            send(records, message)
            if message == source:
                again = codec.encode(source.topic, source.body) if value is None else value
                records.produce(source.topic, LONELY.encode(), again, timestamp_us=source.arrival)
        conductor._round(records, ticks, now)
    found = {topic: list(read_all(broker, topic, 1)) for topic in topics.ALL}
    bodies = [codec.decode(QUARANTINE, one.value or b"").message for one in found[QUARANTINE]]
    orders = [codec.decode(INSTRUCTIONS, one.value or b"").message for one in found[INSTRUCTIONS]]
    broker.close()
    return Played(
        written={
            topic: [(one.offset, one.key, one.value, one.headers) for one in found[topic]]
            for topic in (*topics.DERIVED, "settlement.receipts")
            if topic != QUARANTINE
        },
        refused=[one for one in bodies if isinstance(one, Quarantined)],
        paid=sum(isinstance(one, Instruction) and one.kind == "PAY" for one in orders),
    )


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The run without the poison."""
    found = play(tmp_path_factory.mktemp("clean"), None)
    assert found.refused == []
    assert found.paid > 1
    return found


def poison() -> bytes:
    """A delivery that nothing is wrong with, under an id that the code below trips over."""
    message = bad_message()
    return codec.encode(message.topic, replace(message.body, event_id=POISON))


def is_poison(item: Input) -> bool:
    return isinstance(item.message, Event) and item.message.event_id == POISON


def raise_behind_the_step(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    """The fold has made its new state, its entries and its outputs when it raises."""
    step = ChainFold.step

    def raising(self: ChainFold, state: ChainState, item: Input, now: int) -> Step[ChainState]:
        done = step(self, state, item, now)
        if is_poison(item):
            assert done.state != state and done.entries and done.outputs
            raise error
        return done

    patch.setattr(ChainFold, "step", raising)


def raise_halfway(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    """The twin has the fact, milestones are written, the footprint is begun when it raises."""
    compute, take = carbon.of, chain.take
    taking: list[bool] = []

    def noting(twin: chain.Twin, item: Input) -> object:
        taking.append(is_poison(item))
        return take(twin, item)

    def raising(twin: chain.Twin, consignment_id: str, rules: Rules, *more: Any) -> object:
        if taking[-1]:
            raise error
        return compute(twin, consignment_id, rules, *more)

    patch.setattr(chain, "take", noting)
    patch.setattr(carbon, "of", raising)


def raise_in_the_decoder(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    """The decoder raises on every call with the poison in it, be it in a batch or alone."""
    decode = Intake.__call__
    sizes: list[int] = []

    def raising(self: Intake, records: Sequence[Record], partitions: int) -> object:
        if any(POISON.encode() in (one.value or b"") for one in records):
            sizes.append(len(records))
            assert sizes[0] > 3, "it has no neighbours"
            raise error
        return decode(self, records, partitions)

    patch.setattr(Intake, "__call__", raising)


Poisoning = Callable[[pytest.MonkeyPatch, BaseException], None]


@pytest.mark.parametrize("error", [ZeroDivisionError("a defect"), PANIC], ids=["defect", "panic"])
@pytest.mark.parametrize("where", [raise_behind_the_step, raise_halfway, raise_in_the_decoder])
def test_a_defect_of_ours_harms_no_neighbour(
    clean: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Poisoning,
    error: BaseException,
) -> None:  # fmt: skip
    """Fold or decoder, exception or panic, with half of its work done: FOLD_ERROR, once."""
    where(monkeypatch, error)
    found = play(tmp_path, poison())
    assert [(one.code, one.body) for one in found.refused] == [("FOLD_ERROR", poison())]
    assert type(error).__name__ in found.refused[0].reason
    assert found.written == clean.written


@pytest.mark.parametrize("cut", [1, 8, 40])
def test_a_record_that_ends_too_early_harms_no_neighbour(
    clean: Played, tmp_path: Path, cut: int
) -> None:
    """What would be completed by the bytes of the record behind it is refused instead."""
    found = play(tmp_path, poison()[:-cut])
    assert [one.code for one in found.refused] == ["MALFORMED"]
    assert found.written == clean.written


# ---- the table side


def orders() -> list[bytes]:
    """Ten records of a topic, all alike but for their ids."""
    made = [
        one.body for one in simulate.chains(12, 5).messages
        if one.topic == ORDERS and isinstance(one.body, Event)
    ][:1]  # fmt: skip
    return [codec.encode(ORDERS, replace(made[0], event_id=f"event {n}")) for n in range(10)]


def guard() -> bytes:
    return b"8 random"


def unguarded(bodies: Sequence[bytes], fingerprint: int) -> pl.DataFrame:
    """The same block as `batch.block` writes, without guards."""
    schema = json.dumps(avro.known()[ORDERS, fingerprint]).encode()
    sync, data = bytes(16), b"".join(bodies)
    parts = (
        b"Obj\x01", binary.long(2), binary.text("avro.schema"), binary.blob(schema),
        binary.text("avro.codec"), binary.text("null"), b"\0", sync,
        binary.long(len(bodies)), binary.long(len(data)), data, sync,
    )  # fmt: skip
    return pl.read_avro(io.BytesIO(b"".join(parts)))


def test_a_record_that_decodes_into_its_neighbour_is_named_by_the_guard() -> None:
    """The danger is real: without guards the rest of a cut record is read from the next one, and
    nobody notices. With them both are named, and the other rows are what they were."""
    values = orders()
    head, clean = values[0][: codec.HEADER_LEN], batch.columns(ORDERS, values, guard)
    bodies = [one[codec.HEADER_LEN :] for one in values]
    cut = bodies[4].index(b"event 4") + len("event ")
    bodies[4], rest = bodies[4][:cut], bodies[4][cut + 1 :]
    bodies[5] = b"9" + rest + bodies[5]
    taken = unguarded(bodies, int.from_bytes(head[2:], "little"))["event_id"].to_list()
    assert taken == [f"event {n}" for n in (0, 1, 2, 3, 9, 5, 6, 7, 8, 9)]
    found = batch.columns(ORDERS, [head + one for one in bodies], guard)
    good = [at for at in range(10) if at not in (4, 5)]
    assert (found.places, set(found.bad), found.fallbacks) == (good, {4, 5}, 1)
    assert found.frame.equals(clean.frame[good])


def test_a_panic_of_the_columnar_decoder_harms_no_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each record is then read by itself: the same rows, the bad one named, one fallback."""
    values = orders()
    clean = batch.columns(ORDERS, values, guard)
    assert (clean.fallbacks, clean.bad) == (0, {})

    def panic(*_: object) -> pl.DataFrame:
        raise PANIC

    monkeypatch.setattr(pl, "read_avro", panic)
    values[3] = values[3][:-2]
    found = batch.columns(ORDERS, values, guard)
    good = [at for at in range(10) if at != 3]
    assert (found.places, found.fallbacks) == (good, 1)
    assert isinstance(found.bad[3], RecordError)
    assert found.frame.equals(clean.frame[good])
