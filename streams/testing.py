"""A test kit: run a fold of your own over a broker in this process, step by step, without a clock.

    driver = Driver(Gate())
    driver.fact("papers", "order-1", "a", "released")
    driver.fact("parcels", "order-1", "b", "received")
    driver.tick(60)
    driver.settle()
    assert [record.value for record in driver.read("payments")] == [b"pay"]

`Gate` is a small complete fold: what a Fold must do, and what the engine's own tests run.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Generic

import msgspec
from msgspec import Struct

from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import Code, FatalError, RecordError
from supplytwin.schemas.flow import Due, Header, Input, Output, Record, Step
from supplytwin.schemas.ids import Micros, control_key, partition_of
from supplytwin.schemas.records import CONTROL, JOURNAL, QUARANTINE, STATE, Control, Quarantined
from supplytwin.streams.checkpoint import At, insist, nowhere
from supplytwin.streams.cut import Gist, shape
from supplytwin.streams.keeping import KeepsAll
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.ports import (
    Broker,
    Decode,
    Eof,
    Fold,
    State,
    TopicPartition,
    TopicSpec,
)
from supplytwin.streams.worker import Worker, WorkerSettings, WorkerTopics

PATIENCE_S = 30.0
LARGE = {"max.message.bytes": "1310720"}


class Fact(Struct, frozen=True, kw_only=True):
    """`says`: released, received, hold, note, by:<tick>; refuse, boom and large:<n> fail."""

    id: str
    says: str


class GateState(Struct, frozen=True, kw_only=True):
    """One gate. `decided` is pay or expire, once; `touched` = something came since the last cut."""

    key: str
    seq: int = 0
    hash: bytes = bytes(32)
    said: tuple[tuple[str, str], ...] = ()
    decided: str = ""
    touched: bool = False

    @property
    def standing(self) -> set[str]:
        return {says for _, says in self.said}

    @property
    def open(self) -> bool:
        standing = self.standing
        return {"released", "received"} <= standing and "hold" not in standing

    @property
    def deadline(self) -> int | None:
        times = [int(says[3:]) for says in self.standing if says.startswith("by:")]
        return min(times, default=None)


class Gate(KeepsAll[GateState]):
    """Pays once, at a cut, when released and received and not held; expires at its deadline."""

    version = form = "1"

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix

    def new(self, key: str) -> GateState:
        return GateState(key=key)

    def step(self, state: GateState, item: Input, now: int) -> Step[GateState]:
        if isinstance(item.message, Control):
            return self._entry(state, "CONTROL", item.record, now)
        assert isinstance(item.message, Fact)
        fact = item.message
        if fact.id in {known for known, _ in state.said}:
            return Step(state=state, counts=("duplicates",))
        if fact.says == "refuse":
            raise RecordError(Code.BAD_VALUE, "says", "is refused by the fold")
        if fact.says == "boom":
            raise ZeroDivisionError("a defect of the fold")
        step = self._entry(state, "FACT", item.record, now)
        taken = msgspec.structs.replace(
            step.state, said=tuple(sorted((*state.said, (fact.id, fact.says)))), touched=True
        )
        size = int(fact.says[6:]) if fact.says.startswith("large:") else 0
        extra = (self._output("payments", state.key, bytes(size)),) if size else ()
        return Step(state=taken, entries=step.entries, outputs=extra, counts=("facts",))

    def due(self, state: GateState) -> int | Due | None:
        if state.decided:
            return None
        return Due.NEXT if state.touched else state.deadline

    def decide(
        self, state: GateState, tick: int, control: GateState | None = None
    ) -> Step[GateState]:
        late = state.deadline is not None and tick >= state.deadline
        verdict = "pay" if state.open else "expire" if late else ""
        if state.decided or not verdict:
            return Step(state=msgspec.structs.replace(state, touched=False))
        step = self._entry(state, "DECISION", None, tick, verdict.encode())
        decided = msgspec.structs.replace(step.state, decided=verdict, touched=False)
        paid = self._output("payments", state.key, verdict.encode())
        return Step(state=decided, entries=step.entries, outputs=(paid,), counts=(verdict,))

    def publish(self, before: GateState, after: GateState) -> Sequence[Output]:
        if before.said == after.said and before.decided == after.decided:
            return ()
        return (self._output(STATE, after.key, msgspec.json.encode(after.said)),)

    def restore(self, state: GateState, entry: Record) -> GateState:
        value = entry.value or b""
        read = journal.read(value)
        follows = (read.seq, read.prev_hash) == (state.seq + 1, state.hash)
        if not follows or not journal.verify(value):
            raise FatalError(f"the hash chain of {read.chain_id} is broken at {read.seq}")
        state = msgspec.structs.replace(state, seq=read.seq, hash=read.hash, touched=True)
        if read.kind == "DECISION":
            return msgspec.structs.replace(state, decided=read.body.decode())
        if read.kind == "CONTROL":
            return state
        fact = msgspec.json.decode(read.body, type=Fact)
        said = tuple(sorted((*state.said, (fact.id, fact.says))))
        return msgspec.structs.replace(state, said=said)

    def freeze(self, state: GateState) -> bytes:
        return msgspec.msgpack.encode(state)

    def thaw(self, data: bytes) -> GateState:
        return msgspec.msgpack.decode(data, type=GateState)

    def _output(self, topic: str, key: str, value: bytes) -> Output:
        return Output(topic=self._prefix + topic, key=key, value=value)

    def _entry(
        self, state: GateState, kind: str, record: Record | None, now: int, body: bytes = b""
    ) -> Step[GateState]:
        source = (record.topic, record.partition, record.offset, record.arrival) if record else None
        value, digest = journal.encode(
            chain_id=state.key,
            seq=state.seq + 1,
            kind=kind,
            source=source,
            taken_at=now,
            fold_version=self.version,
            timeline="test",
            body_fingerprint=bytes(8),
            headers=record.headers if record else (),
            body=(record.value or b"") if record else body,
            prev_hash=state.hash,
        )
        state = msgspec.structs.replace(state, seq=state.seq + 1, hash=digest)
        return Step(state=state, entries=(self._output(JOURNAL, state.key, value),))


def decode_facts(records: Sequence[Record], partitions: int) -> list[Input | RecordError]:
    """A Decode for `Gate`: facts are JSON, control records what they always are."""
    return [_decode(record, partitions) for record in records]


def _decode(record: Record, partitions: int) -> Input | RecordError:
    key, value = record.key or b"", record.value or b""
    is_control = record.topic.endswith(CONTROL)
    if not is_control and record.partition != partition_of(key, partitions):
        return RecordError(Code.MISPLACED, "partition", "is another one's")
    try:
        message: Struct = (
            codec.decode(CONTROL, value).message
            if is_control
            else msgspec.json.decode(value, type=Fact)
        )
    except RecordError as error:
        return error
    except msgspec.DecodeError as error:
        return RecordError(Code.MALFORMED, "", str(error))
    content = hashlib.sha256(value).digest()
    return Input(
        record=record, key=key.decode(), message=message, fingerprint=0, content_hash=content
    )


def topics_of(
    inputs: Sequence[str] = ("papers", "parcels"),
    outputs: Sequence[str] = ("payments",),
    prefix: str = "",
) -> WorkerTopics:
    """The topics of a kit worker; with a prefix several kits share one cluster."""
    return WorkerTopics(
        inputs=tuple(prefix + name for name in inputs),
        control=prefix + CONTROL,
        journal=prefix + JOURNAL,
        state=prefix + STATE,
        quarantine=prefix + QUARANTINE,
        derived=tuple(prefix + name for name in outputs),
    )


class Driver(Generic[State]):
    """One worker over a broker (in memory unless given), turned by hand.

    `seconds` is its clock unless `clock` is given; `idle` turns without work are taken for rest.
    """

    def __init__(
        self,
        fold: Fold[State],
        decode: Decode = decode_facts,
        *,
        topics: WorkerTopics | None = None,
        prefix: str = "",
        partitions: int = 1,
        settings: WorkerSettings | None = None,
        broker: Broker | None = None,
        clock: Callable[[], float] | None = None,
        idle: int = 3,
        worker: type[Worker[State]] = Worker,
        gist: Gist[State] = shape,
        at: At = nowhere,
    ) -> None:
        self.broker: Broker = MemoryBroker() if broker is None else broker
        self.partitions = partitions
        self.settings = settings or WorkerSettings(simulated=True, poll_s=0.0)
        self.topics = topics or topics_of(prefix=prefix)
        self.seconds = 0.0
        self.worker_type = worker
        self._clock = clock or (lambda: self.seconds)
        self._fold, self._decode = fold, decode
        self._prefix, self._idle, self._at = prefix, idle, at
        self._gist = gist
        self._create()
        self._feed = self.broker.producer(None)
        self._ticks = self.broker.producer(f"{prefix}supplytwin.tick")
        self._ticks.init(PATIENCE_S)
        self.worker = self.start()

    def _create(self) -> None:
        topics = self.topics
        written = (topics.journal, topics.state, topics.quarantine, *topics.derived)
        admin = self.broker.admin()
        known = admin.topics()
        admin.create(
            [
                TopicSpec(name=name, partitions=self.partitions, replication=1, config=LARGE)
                for name in dict.fromkeys((*topics.inputs, topics.control, *written))
                if name not in known
            ]
        )
        places, group = self.inputs(), self.settings.group
        deadline = time.monotonic() + PATIENCE_S  # a new cluster's coordinators come up slowly
        committed = insist(lambda: admin.committed(group, places), deadline, time.monotonic)
        if all(offset is None for offset in committed.values()):
            first = dict.fromkeys(places, 0)
            insist(lambda: admin.commit(group, first), deadline, time.monotonic)
        admin.close()

    def inputs(self) -> list[TopicPartition]:
        """Every partition that the worker reads."""
        topics = (*self.topics.inputs, self.topics.control)
        return [TopicPartition(name, n) for name in topics for n in range(self.partitions)]

    def start(self, slot: int = 0) -> Worker[State]:
        """A worker as another process would start it."""
        return self.worker_type(
            self.broker,
            self._fold,
            self._decode,
            self.topics,
            settings=self.settings,
            slot=slot,
            gist=self._gist,
            clock=self._clock,
            at=self._at,
        )

    def restart(self) -> None:
        """The worker is dead, without a word; another one takes its slot."""
        self.worker = self.start()

    def fact(self, topic: str, key: str, id: str, says: str) -> None:
        """Append one Fact for `Gate`."""
        self.send(topic, key, msgspec.json.encode(Fact(id=id, says=says)))

    def send(
        self,
        topic: str,
        key: str | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Sequence[Header] = (),
        timestamp_us: int | None = None,
    ) -> None:
        """Append one record to an input."""
        encoded = None if key is None else key.encode()
        self._feed.produce(
            self._prefix + topic,
            encoded,
            value,
            partition=partition,
            headers=headers,
            timestamp_us=timestamp_us,
        )
        self._feed.flush()

    def tick(self, time: int, kind: str = "TICK") -> None:
        """Append one control record to every partition, in one transaction."""
        control = Control(
            input_id=f"{kind.lower()}:{time}", kind=kind, tick_time=Micros(time), timeline="test"
        )
        value = codec.encode(CONTROL, control)
        self._ticks.begin()
        for number in range(self.partitions):
            key = control_key(number).encode()
            self._ticks.produce(self.topics.control, key, value, partition=number)
        self._ticks.commit()

    def turn(self, times: int = 1) -> bool:
        """Turn the worker; true when the last turn did something."""
        return [self.worker.turn(self.settings.poll_s) for _ in range(times)][-1]

    def settle(self, limit: int = 1000) -> None:
        """Turn until nothing happens any more."""
        idle = 0
        for _ in range(limit):
            idle = 0 if self.turn() else idle + 1
            if idle == self._idle:
                return
        raise AssertionError(f"still busy after {limit} turns")

    def read(self, topic: str) -> list[Record]:
        """Every committed record of `topic`, partition by partition."""
        admin = self.broker.admin()
        name = self._prefix + topic
        places = [TopicPartition(name, number) for number in range(self.partitions)]
        ends = {w: end for w, end in admin.ends(places, "read_committed").items() if end > 0}
        admin.close()
        consumer = self.broker.consumer(None, from_start=True)
        consumer.assign(dict.fromkeys(ends, 0))
        found: list[Record] = []
        done: set[TopicPartition] = set()
        while len(done) < len(ends):
            for event in consumer.consume(1000, 0.1):
                if isinstance(event, Eof):
                    done.add(TopicPartition(event.topic, event.partition))
                else:
                    found.append(event)
        consumer.close()
        return sorted(found, key=lambda record: (record.partition, record.offset))

    def values(self, topic: str) -> list[tuple[str, bytes]]:
        """(key, value) of every committed record of `topic`."""
        return [((r.key or b"").decode(), r.value or b"") for r in self.read(topic)]

    def quarantine(self) -> list[Quarantined]:
        """What was not taken."""
        found = [codec.decode(QUARANTINE, r.value or b"").message for r in self.read(QUARANTINE)]
        return [message for message in found if isinstance(message, Quarantined)]

    def committed(self) -> dict[TopicPartition, int | None]:
        """The offsets of the worker's group."""
        admin = self.broker.admin()
        found = admin.committed(self.settings.group, self.inputs())
        admin.close()
        return found

    def state(self, key: str) -> State | None:
        """The committed state of one chain."""
        for store in self.worker.stores.values():
            found = store.states.find(key)
            if found is not None:
                return found
        return None
