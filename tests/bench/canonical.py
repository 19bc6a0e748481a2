"""The canonical work: what every engine of the comparison does, and the fold that makes ours do it.

An event has 20 fields (155 bytes on average, 5 of them a wire header). For each chain {count, last
event time, sum of mass, bitmap of types} is kept; 2 of the 12 event types, one event in seven, give
an output record of 6 fields. Ours also writes a hash-chained journal entry for every event, which
is its changelog.
"""

import json
import random
import secrets
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import custody
from supplytwin.schemas import binary
from supplytwin.schemas.binary import long, text
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.flow import Due, Input, Output, Record, Step
from supplytwin.schemas.ids import partition_of
from supplytwin.schemas.replay import Replayed, read
from supplytwin.streams.keeping import KeepsAll
from supplytwin.streams.worker import WorkerTopics

PARTITIONS = 4
CHAINS = 20_000
TYPES = (
    "PLACED", "CONFIRMED", "READY", "COLLECTED", "ON_BOARD", "DEPARTED", "ARRIVED", "DISCHARGED",
    "CLEARED", "GATE_OUT", "DELIVERED", "ACCEPTED",
)  # fmt: skip
WANTED = frozenset(("CLEARED", "DELIVERED"))
_WEIGHTS = (9, 9, 9, 8, 9, 9, 9, 8, 7.5, 9, 7, 8)
"""CLEARED and DELIVERED are 14.3 % together."""
BITS = {name: 1 << place for place, name in enumerate(TYPES)}
HEAD_IN, HEAD_OUT = b"\0\0\0\0\1", b"\0\0\0\0\2"
"""A registry's wire header: 0 and the schema's id."""

_NULLABLE = ["null", "double"]
_IN_TYPES: dict[str, Any] = {
    "event_id": "string", "source": "string", "event_type": "string", "classifier": "string",
    "event_time": "long", "recorded_time": "long", "revision": "long", "event_tz": "string",
    "time_precision": "string", "chain_id": "string", "subject_type": "string",
    "subject_id": "string", "unlocode": "string", "facility": "string", "lat": _NULLABLE,
    "lon": _NULLABLE, "mass_kg": _NULLABLE, "ref_type": "string", "ref_value": "string",
    "seq": "long",
}  # fmt: skip
_OUT_TYPES: dict[str, Any] = {
    "event_id": "string", "chain_id": "string", "event_type": "string", "event_time": "long",
    "count": "long", "mass_kg": "double",
}  # fmt: skip


def _schema(name: str, types: dict[str, Any]) -> dict[str, Any]:
    fields = [{"name": field, "type": kind} for field, kind in types.items()]
    return {"type": "record", "name": name, "namespace": "bench", "fields": fields}


IN, OUT = _schema("Handled", _IN_TYPES), _schema("Tallied", _OUT_TYPES)


# ---- events


class Made(NamedTuple):
    """One event: what is sent, and what the canonical work needs of it."""

    key: str
    value: bytes
    event_id: str
    event_type: str
    event_time: int
    mass_kg: float | None


def _double(value: float | None) -> bytes:
    return binary.NULL if value is None else binary.PRESENT + binary.double(value)


def events(count: int, seed: int = 7) -> Iterator[Made]:
    """`count` events of 20,000 chains; the same arguments give the same events."""
    draw = random.Random(seed)
    kinds = draw.choices(TYPES, _WEIGHTS, k=count)
    for kind in kinds:
        key = f"CH-{draw.randrange(CHAINS):08d}"
        at = 1_700_000_000_000_000 + draw.randrange(10**13)
        event_id = f"{draw.getrandbits(64):016x}"
        mass = draw.uniform(1, 25_000) if draw.random() < 0.7 else None
        placed = draw.random() < 0.5
        value = b"".join(
            (HEAD_IN, text(event_id), text(f"erp-{draw.randrange(40):02d}"), text(kind),
             text(draw.choice(("ACTUAL", "ACTUAL", "PLANNED", "ESTIMATED"))), long(at),
             long(at + draw.randrange(10**9)), long(at + 1), text("+08:00"), text("S"), text(key),
             text("CONTAINER"), text(f"MSKU{draw.randrange(10**7):07d}"),
             text(draw.choice(("CNSHA", "NLRTM", "DEHAM", "SGSIN"))),
             text(f"T{draw.randrange(30):02d}"),
             _double(draw.uniform(-60, 60) if placed else None),
             _double(draw.uniform(-180, 180) if placed else None),
             _double(mass), text("PO"), text(f"PO{draw.randrange(10**8):08d}"),
             long(draw.randrange(1000)))
        )  # fmt: skip
        yield Made(key, value, event_id, kind, at, mass)


_PACK = struct.Struct("<d").pack


def encode_out(event_id: str, key: str, kind: str, at: int, count: int, mass_kg: float) -> bytes:
    """An output record with its header."""
    return b"".join(
        (HEAD_OUT, text(event_id), text(key), text(kind), long(at), long(count), _PACK(mass_kg))
    )


def expected(made: Sequence[Made], repeats: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of every output record, by the shortest way to compute it."""
    tallies: dict[str, list[float]] = {}
    for _ in range(repeats):
        for one in made:
            tally = tallies.setdefault(one.key, [0, 0.0])
            tally[0] += 1
            tally[1] += one.mass_kg or 0.0
            if one.event_type in WANTED:
                yield (
                    one.key.encode(),
                    encode_out(
                        one.event_id, one.key, one.event_type, one.event_time, int(tally[0]),
                        tally[1],
                    ),
                )  # fmt: skip


# ---- decoding in blocks


def _container(schema: dict[str, Any], sync: bytes) -> bytes:
    text_of = json.dumps(schema).encode()
    return b"".join(
        (b"Obj\x01", long(2), text("avro.schema"), binary.blob(text_of), text("avro.codec"),
         text("null"), b"\0", sync)
    )  # fmt: skip


class Blocks:
    """Decodes many values as one Avro block with a random guard before each, like schemas.batch.

    The 5 bytes of the wire header are decoded with the guard: one fixed field of 13 bytes.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = ["_front", *columns]
        self._sync = secrets.token_bytes(16)
        front = {"name": "_front", "type": {"type": "fixed", "name": "Front", "size": 13}}
        guarded = {**IN, "fields": [front, *IN["fields"]]}
        self._head = _container(guarded, self._sync)

    def __call__(self, values: Sequence[bytes]) -> pl.DataFrame:
        """The columns. Raises ValueError when a record does not end where it should."""
        guard = secrets.token_bytes(8)
        data = guard + guard.join(values)
        parts = (self._head, long(len(values)), long(len(data)), data, self._sync)
        try:
            frame = pl.read_avro(BytesIO(b"".join(parts)), columns=self._columns)
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:
            raise ValueError(f"block refused: {type(error).__name__}") from None
        right = pl.col("_front") == pl.lit(guard + HEAD_IN)
        if frame.height != len(values) or not frame.select(right.all()).item():
            raise ValueError("a record does not end where it should")
        return frame


class Handled(Struct, frozen=True, gc=False):
    """What the fold reads of an event."""

    event_id: str
    event_type: str
    event_time: int
    mass_kg: float | None


NEEDED = ("chain_id", "event_id", "event_type", "event_time", "mass_kg")


def _reader(names: Sequence[str]) -> binary.Read:
    wanted = {**IN, "fields": [one for one in IN["fields"] if one["name"] in names]}
    return binary.row_reader(IN, {}, wanted)


_placed = lru_cache(maxsize=1 << 16)(partition_of)
_NO_HASH = bytes(32)


class Decoder:
    """The worker's `Decode` of this work; `fallbacks` = batches that were decoded one by one."""

    def __init__(self) -> None:
        self._blocks = Blocks(NEEDED)
        self._strict = _reader(NEEDED)
        self.fallbacks = 0

    def __call__(self, records: Sequence[Record], partitions: int) -> list[Input | RecordError]:
        """One result for each record, in order."""
        try:
            frame = self._blocks([record.value or b"" for record in records])
        except ValueError:
            self.fallbacks += 1
            return [self._one(record, partitions) for record in records]
        columns = [frame[name].to_list() for name in NEEDED]
        return [
            self._input(record, partitions, chain, Handled(event_id, kind, at, mass))
            for record, chain, event_id, kind, at, mass in zip(records, *columns, strict=True)
        ]

    @staticmethod
    def _input(
        record: Record, partitions: int, chain: str, handled: Handled
    ) -> Input | RecordError:
        key = record.key or b""
        if chain.encode() != key or _placed(key, partitions) != record.partition:
            return RecordError(Code.MISPLACED, "key", "is not this chain's")
        return _input(record, chain, handled)

    def _one(self, record: Record, partitions: int) -> Input | RecordError:
        value = record.value or b""
        if not value.startswith(HEAD_IN):
            return RecordError(Code.UNKNOWN_SCHEMA, "", "has another header")
        try:
            row = binary.read_whole(self._strict, value, len(HEAD_IN))
        except RecordError as error:
            return error
        return self._input(record, partitions, row["chain_id"], _handled(row))


def _input(record: Record, chain: str, handled: Handled) -> Input:
    return Input(record=record, key=chain, message=handled, fingerprint=0, content_hash=_NO_HASH)


def _handled(row: dict[str, Any]) -> Handled:
    return Handled(row["event_id"], row["event_type"], row["event_time"], row.get("mass_kg"))


# ---- the fold


class Tally(Struct, frozen=True, gc=False):
    """One chain."""

    key: str
    head: custody.Head
    count: int
    last: int
    mass_kg: float
    bits: int


class TallyFold(KeepsAll[Tally]):
    """The canonical work as a fold of the engine (see `streams.ports.Fold`)."""

    version = "1"

    def __init__(self, prefix: str) -> None:
        self._journal, self._out = prefix + "journal", prefix + "out"
        self._blocks = Blocks(NEEDED)

    def new(self, key: str) -> Tally:
        return Tally(key, custody.START, 0, 0, 0.0, 0)

    def step(self, state: Tally, item: Input, now: int) -> Step[Tally]:
        seen = item.message
        assert isinstance(seen, Handled)
        head, value = custody.append(
            state.head,
            chain_id=state.key,
            kind="FACT",
            record=item.record,
            fingerprint=0,
            taken_at=now,
            fold_version="1",
            timeline="bench",
            body=item.record.value or b"",
        )
        after = self._after(state, head, seen)
        entry = Output(topic=self._journal, key=state.key, value=value)
        if seen.event_type not in WANTED:
            return Step(state=after, entries=(entry,))
        out = encode_out(
            seen.event_id, state.key, seen.event_type, seen.event_time, after.count, after.mass_kg
        )
        record = Output(topic=self._out, key=state.key, value=out)
        return Step(state=after, entries=(entry,), outputs=(record,))

    @staticmethod
    def _after(state: Tally, head: custody.Head, seen: Handled) -> Tally:
        last = seen.event_time if seen.event_time > state.last else state.last
        mass = state.mass_kg if seen.mass_kg is None else state.mass_kg + seen.mass_kg
        bits = state.bits | BITS[seen.event_type]
        return Tally(state.key, head, state.count + 1, last, mass, bits)

    def due(self, state: Tally) -> int | Due | None:
        return None

    def decide(self, state: Tally, tick: int, control: Tally | None = None) -> Step[Tally]:
        return Step(state=state)

    def publish(self, before: Tally, after: Tally) -> Sequence[Output]:
        return ()

    def replay(self, records: Sequence[Record]) -> Sequence[Replayed]:
        """The bodies are decoded together, as they were when they came."""
        past = read(records)
        if not past:
            return past
        frame = self._blocks([one.entry.body for one in past])
        columns = [frame[name].to_list() for name in NEEDED]
        return [
            replace(one, item=_input(one, chain, Handled(event_id, kind, at, mass)))
            for one, chain, event_id, kind, at, mass in zip(past, *columns, strict=True)
        ]

    def restore(self, state: Tally, record: Record) -> Tally:
        assert isinstance(record, Replayed)
        assert record.item is not None
        assert isinstance(record.item.message, Handled)
        head = custody.follow(state.head, state.key, record.entry, record.value or b"")
        return self._after(state, head, record.item.message)


def topics(prefix: str, source: str) -> WorkerTopics:
    """The topics of one run over the input topic `source`; what it writes is its own."""
    return WorkerTopics(
        inputs=(source,),
        control=prefix + "control",
        journal=prefix + "journal",
        state=prefix + "state",
        quarantine=prefix + "quarantine",
        derived=(prefix + "out",),
    )
