"""A whole deployment that is sent bad records among good ones, and what it made of them."""

import random
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import bad_input_cases as c
import msgspec
from confluent_kafka import Producer as Client
from msgspec import Struct

from supplytwin.processors import chain
from supplytwin.schemas import codec, journal
from supplytwin.schemas.binary import blob, long
from supplytwin.schemas.events import SHIPMENTS
from supplytwin.schemas.flow import Record
from supplytwin.schemas.ids import DAY_US, partition_of
from supplytwin.schemas.localtime import TIME_MAX, TIME_MIN
from supplytwin.schemas.records import (
    INSTRUCTIONS,
    JOURNAL,
    QUARANTINE,
    REVIEWS,
    JournalEntry,
    Quarantined,
    Review,
)
from supplytwin.streams import deployment, topics
from supplytwin.streams.conductor import Conductor
from supplytwin.streams.memory_log import batch_bytes
from supplytwin.streams.ports import Broker, Producer
from supplytwin.streams.settings import Gateway, Kafka, Settings, Time
from supplytwin.streams.summary import read_all
from supplytwin.streams.topics import INPUT_BYTES

# ---- sizes


def sized(event: Any, name: str, size: int = INPUT_BYTES, **changes: Any) -> bytes:
    """The event with so much of its original, which nothing compresses, that its Kafka batch has
    `size` bytes, key and the header with its name included.
    """
    key, headers = event.chain_id.encode(), ((c.CASE, name.encode()),)
    noise = random.Random(name).randbytes(size)
    length = size - 500
    while True:
        value = c.spoilt(event, original=noise[:length], **changes)
        over = batch_bytes(key, value, headers) - size
        if over == 0:
            return value
        length -= over


def largest() -> Iterator[c.Bad]:
    """As large as the broker takes, and wrong."""
    event = c.told(c.SHIPMENTS, "shipment.delivered")
    for name, changes, code, field, says in (
        ("largest, wrong enum", {"mode": "TELEPORT"}, "BAD_VALUE", "mode", "AIR, BARGE"),
        ("largest, foreign field", {"device_id": "D-1"}, "FOREIGN_FIELD", "device_id", "no such"),
    ):
        yield c.Bad(
            name=name, topic=c.SHIPMENTS, key=event.chain_id.encode(),
            value=sized(event, name, event_id=name, **changes), code=code, field=field, says=says,
        )  # fmt: skip


# ---- odd, and to be taken

ODD_TEXT = "\0\x07\x1b[31m[/red]:bomb:\u202e\ufffe'\";--"
ODD_CHAIN = "ODD-" + ODD_TEXT[1:]
"""Without NUL: no command line has one."""


def odd() -> Iterator[c.Sent]:
    """Records that look wrong and are right."""
    delivered, arrived = c.told(*c.EVENTS["delivered"]), c.told(*c.EVENTS["arrived"])
    strange = {"chain_id": ODD_CHAIN, "subject_id": ODD_TEXT, "facility": ODD_TEXT,
               "consignment_id": ODD_TEXT, "refs": [f"CONSIGNMENT:{ODD_TEXT}"]}  # fmt: skip
    headers = (("", None), ("a", None), ("a", b""), ("st-signature", b"\0\xff"))
    plan = {"classifier": "PLANNED", "event_tz": "Asia/Shanghai", "time_precision": "DAY"}
    for name, event, changes, extra in (
        ("headers without name or value", delivered, {"chain_id": "ODD-1"}, headers),
        ("control characters", delivered, strange, ()),
        ("planned for the last day", arrived, {**plan, "event_time": TIME_MAX}, ()),
        ("planned for the first day", arrived, {**plan, "event_time": TIME_MIN}, ()),
        ("zone not known", delivered, {"event_tz": "unknown"}, ()),
        ("27 digits", c.told(c.WAREHOUSE), {"qty": "9" * 18 + "." + "9" * 9}, ()),
        ("facility of 1 MB", delivered, {"facility": "x" * 1_000_000}, ()),
        ("original of 1 MB", delivered, {"original": bytes(1_000_000)}, ()),
        ("ahead by a day", delivered, {"event_time": c.AT + DAY_US}, ()),
    ):
        fields = {"event_id": name, "chain_id": "ODD-2", **changes}
        yield c.Sent(
            name=name, topic=event.TOPIC, key=fields["chain_id"].encode(),
            value=c.spoilt(event, **fields), headers=extra,
        )  # fmt: skip
    biggest = msgspec.structs.replace(delivered, chain_id="ODD-3")
    yield c.Sent(
        name=LARGEST, topic=c.SHIPMENTS, key=b"ODD-3", value=sized(biggest, LARGEST, event_id="e")
    )
    for kind, topic in ((c.w.records.Receipt, c.RECEIPTS), (c.w.records.Review, c.REVIEWS)):
        message = c.w.sample(kind, chain_id="ODD-4", contract_id="nobody's", settlement_id="none")
        yield c.Sent(
            name=f"{kind.__name__.lower()} of no contract", topic=topic, key=b"ODD-4",
            value=codec.encode(topic, message),
        )  # fmt: skip


LARGEST = "largest"


def bad() -> list[c.Bad]:
    """All of them, so mixed that neighbours are of one topic but of several kinds of fault."""
    found = [*c.unreadable(), *c.meaningless(), *c.misplaced(), *c.contracts(), *c.answers()]
    found += largest()
    random.Random(1).shuffle(found)
    return found


BAD, ODD = bad(), list(odd())


# ---- a deployment


class Mixer:
    """A producer that sends some of the others before each record that it is given."""

    def __init__(self, real: Producer, others: Iterator[c.Sent], share: float) -> None:
        self._real, self._others, self._share, self._due = real, others, share, 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def produce(self, topic: str, key: bytes | None, value: bytes | None, **given: Any) -> None:
        self._due += self._share
        for other in islice(self._others, int(self._due)):
            self._due -= 1
            send(self._real, other)
        self._real.produce(topic, key, value, **given)


def send(producer: Producer, one: c.Sent) -> None:
    """One record; a large one in a batch of its own, or the batch would be refused."""
    alone = len(one.value or b"") > INPUT_BYTES // 2
    if alone:
        producer.flush()
    producer.produce(
        one.topic, one.key, one.value, partition=one.partition, headers=one.all_headers,
        timestamp_us=c.AT,
    )  # fmt: skip
    if alone:
        producer.flush()


class Feed:
    """The broker as the conductor sees it: what it sends comes in bad company."""

    def __init__(self, broker: Broker, others: Sequence[c.Sent]) -> None:
        self._broker, self._others = broker, others

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def producer(self, transactional_id: str | None) -> Any:
        real = self._broker.producer(transactional_id)
        if transactional_id is not None:
            return real
        return Mixer(real, iter(self._others), len(self._others) / len(c.good()) + 0.001)


class Parts:
    """Worker, gateway and sink of a deployment in simulated time, turned by hand."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker, self.folder, self.path = broker, folder, folder / "twin.duckdb"
        self.settings = Settings(
            kafka=Kafka(partitions=c.PARTITIONS),
            time=Time(simulated=True, timeline="bad"),
            gateway=Gateway(ledger=str(folder / "rail.sqlite")),
        )
        self.wait_s = 0.0 if broker.kind == "memory" else 0.01

    def open(self) -> None:
        meta = topics.require_meta(self.broker)
        self.worker = deployment.worker(self.broker, self.settings, meta)
        self.gateway = deployment.gateway(self.broker, self.settings, meta)
        self.subscriber, self.sink = deployment.duck(self.broker, self.path, meta)

    def pump(self) -> None:
        for part in (self.worker, self.gateway, self.subscriber):
            part.turn(self.wait_s)

    def conductor(self, broker: Any) -> Conductor:
        return Conductor(
            broker, partitions=c.PARTITIONS, timeline="bad", pump=self.pump, patience_s=30
        )

    def catch_up(self) -> None:
        """Until the sink holds everything."""
        admin, deadline = self.broker.admin(), time.monotonic() + 30
        while not self.subscriber.caught_up(admin):
            assert time.monotonic() < deadline, "the sink is behind"
            self.pump()
        admin.close()

    def close(self) -> None:
        for part in (self.worker, self.gateway, self.subscriber):
            part.close()


Place = tuple[str, int, int]
"""(topic, partition, offset)"""


class Played(Struct, frozen=True, kw_only=True):
    """What became of everything that was sent."""

    parts: Parts
    cases: dict[str, c.Bad]
    places: dict[str, Place]
    """Where each named record stands in its input topic."""
    quarantine: list[tuple[Record, Quarantined]]
    entries: dict[Place, JournalEntry]
    held: dict[Place, str]
    """Refused records that a worker has told the chain of their key about."""
    twins: dict[str, object]
    """What the facts of each chain say."""
    hashes: dict[str, str]
    """Canonical hash by chain, folded again from the journal."""
    paid: list[tuple[Any, ...]]
    counts: dict[str, dict[str, float]]
    """The worker's counters by metric, then by label."""
    fallbacks: int

    def refused(self, name: str) -> list[tuple[Record, Quarantined]]:
        return [
            (record, one)
            for record, one in self.quarantine
            if (one.topic, one.partition, one.offset) == self.places[name]
        ]


def play(broker: Broker, folder: Path, others: Sequence[c.Sent], address: str = "") -> Played:
    """Play the good messages among `others`, on a new broker; `address` = also the strangers'."""
    parts = Parts(broker, folder)
    topics.init(broker, parts.settings)
    foreign, places = strangers(address) if address else ([], {})
    parts.open()
    try:
        played = parts.conductor(Feed(broker, others)).play(c.good(), 7 * DAY_US)
        assert not played.open_claims
        parts.catch_up()
    finally:
        parts.close()
    return told_by(parts, [*foreign, *others], places)


def told_by(parts: Parts, others: Sequence[c.Sent], places: dict[str, Place]) -> Played:
    """Read every topic, and fold the journal again."""
    broker, fold = parts.broker, chain.ChainFold("")
    for topic in topics.INPUTS:
        for record in read_all(broker, topic, c.PARTITIONS):
            name = (dict(record.headers).get(c.CASE) or b"").decode()
            if name:
                places[name] = (topic, record.partition, record.offset)
    states: dict[str, chain.ChainState] = {}
    entries: dict[Place, JournalEntry] = {}
    held: dict[Place, str] = {}
    for record in read_all(broker, JOURNAL, c.PARTITIONS):
        key, entry = (record.key or b"").decode(), journal.read(record.value or b"")
        states[key] = fold.restore(states.get(key) or fold.new(key), record)
        if entry.source_topic is not None:
            place = (entry.source_topic, entry.source_partition or 0, entry.source_offset or 0)
            assert place not in entries and place not in held, f"{place} was taken twice"
            if _is_about_a_refusal(entry):
                held[place] = entry.chain_id
            else:
                entries[place] = entry
    quarantine = [
        (record, codec.decode(QUARANTINE, record.value or b"").message)
        for record in read_all(broker, QUARANTINE, c.PARTITIONS)
    ]
    orders = [
        codec.decode(INSTRUCTIONS, record.value or b"").message
        for record in read_all(broker, INSTRUCTIONS, c.PARTITIONS)
    ]
    counts: dict[str, dict[str, float]] = {}
    for metric in parts.worker.metrics.registry.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                label = next(iter(sample.labels.values()), "")
                counts.setdefault(metric.name, {})[label] = sample.value
    return Played(
        parts=parts,
        cases={one.name: one for one in others if isinstance(one, c.Bad)},
        places=places,
        quarantine=quarantine,  # type: ignore[arg-type]
        entries=entries,
        held=held,
        twins={key: _twin_of(one) for key, one in states.items() if key[0] != "@"},
        hashes={key: chain.canonical_hash(one) for key, one in states.items() if key[0] != "@"},
        paid=sorted(
            (one.settlement_id, one.instruction_no, one.kind, one.amount_minor, one.currency)  # type: ignore[attr-defined]
            for one in orders
        ),
        counts=counts,
        fallbacks=int(parts.worker.metrics.value("supplytwin_decode_fallbacks")),
    )


def _is_about_a_refusal(entry: JournalEntry) -> bool:
    """Whether a worker wrote this itself, under the place of a record that it has refused."""
    if journal.topic_of(entry) != REVIEWS:
        return False
    message = codec.decode(REVIEWS, entry.body).message
    return isinstance(message, Review) and message.verdict == "QUARANTINE"


def _twin_of(state: chain.ChainState) -> object:
    """What the facts say, without what was decided about money."""
    prints = {name: one.canonical() for name, one in sorted(state.footprints.items())}
    return chain.canonical_twin(state.twin), prints


# ---- what no client of ours would send


def _crc32c(data: bytes) -> int:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    value = 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 255] ^ value >> 8
    return value ^ 0xFFFFFFFF


def produce_raw(
    address: str, topic: str, partition: int, key: bytes, value: bytes,
    headers: Sequence[tuple[bytes, bytes]], time_ms: int,
) -> Place:  # fmt: skip
    """Append one record by Kafka's wire protocol: any header name, any time. Returns its place."""
    named = b"".join(blob(name) + blob(content) for name, content in headers)
    record = b"\0\0\0" + blob(key) + blob(value) + long(len(headers)) + named
    head = struct.pack(">hiqqqhii", 0, 0, time_ms, time_ms, -1, -1, -1, 1)
    body = head + blob(record)
    batch = struct.pack(">qiibI", 0, 9 + len(body), -1, 2, _crc32c(body)) + body
    name = topic.encode()
    request = struct.pack(">hhihhhiih", 0, 7, 1, -1, -1, -1, 10_000, 1, len(name)) + name
    request += struct.pack(">iii", 1, partition, len(batch)) + batch
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))
        answer = connection.recv(size, socket.MSG_WAITALL)
    error, offset = struct.unpack_from(">hq", answer, 4 + 4 + 2 + len(name) + 4 + 4)
    assert error == 0, f"the broker says {error}"
    return topic, partition, offset


def strangers(address: str) -> tuple[list[c.Bad], dict[str, Place]]:
    """Send what only other clients send: bytes in header names, any time, and, compressed, keys,
    headers and bodies larger than the topic's largest batch. (what they are, where they stand).
    """
    event = c.told(*c.EVENTS["delivered"])
    key, big = event.chain_id.encode(), bytes(2_000_000)
    value, large = (c.spoilt(event, event_id="x", original=o) for o in (b"", big))
    found, places, number = [], {}, partition_of(key, c.PARTITIONS)
    for name, headers, time_ms, code, field, says in (
        ("header of other bytes", [(b"\xff\xfe", b"1")], c.AT // 1000, "MALFORMED", "headers", ""),
        ("arrival max", [], 2**62, "BAD_VALUE", "arrival", "9987"),
        ("arrival min", [], -(2**62), "BAD_VALUE", "arrival", "years 5"),
    ):
        places[name] = produce_raw(address, SHIPMENTS, number, key, value, headers, time_ms)
        found.append(c.Bad(name=name, topic=SHIPMENTS, key=key, value=value, code=code,
                           field=field, says=says))  # fmt: skip
    for name, given, body, headers, code, field, says, kept in (
        ("key of 2 MB", big, value, [], "MISPLACED", "key", "at most 255", False),
        ("20 MB of zeros", key, big * 10, [], "UNKNOWN_SCHEMA", "", "registry", False),
        ("event of 2 MB", key, large, [], "TOO_LARGE", "", "1309696 fit", False),
        ("2 MB of headers", key, value, [("h", big)], "TOO_LARGE", "", "1309696 fit", False),
    ):
        producer = Client({"bootstrap.servers": address, "compression.type": "zstd",
                           "message.max.bytes": 100_000_000})  # fmt: skip
        stood: list[Any] = []
        producer.produce(
            SHIPMENTS, body, given, number, headers=headers,
            timestamp=c.AT // 1000, on_delivery=lambda error, message, to=stood: to.append(message),
        )  # fmt: skip
        assert producer.flush(20) == 0
        places[name] = (SHIPMENTS, stood[0].partition(), stood[0].offset())
        found.append(c.Bad(name=name, topic=SHIPMENTS, key=given, value=body, code=code,
                           field=field, says=says, kept=kept))  # fmt: skip
    return found, places
