"""The outside witness: reads every topic with a plain Kafka client, decodes with fastavro from the
.avsc files, and says what is wrong. It shares no code with the engine.

    found = Witness(kafka(bootstrap))       # raises nothing; `found.problems` says what is wrong
    found.compare(ledger)                   # the ledger of `feed simulate`, chain by chain

Checked without a ledger: every journal hash from its raw bytes, every chain of hashes, every seq;
(chain_id, seq, index) unique and without a gap over all derived topics; every DECISION's body is
its settlement event, byte for byte; every input is taken at most once, as the bytes that it came
in, and what was not taken is counted; instruction numbers without a gap; one PAY for a claim that
is paid, none for another.
"""

import hashlib
import io
import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import fastavro.schema
from confluent_kafka import Consumer, KafkaError, TopicPartition

SCHEMAS = Path(__file__).parents[2] / "schemas"
FACTS = ("supply.orders", "supply.customs", "supply.shipments", "supply.warehouse")
ORDERED = ("settlement.contracts", "settlement.receipts", "settlement.reviews")
DERIVED = (
    "twin.milestones", "twin.exceptions", "twin.state", "carbon.footprints", "carbon.legs",
    "settlement.events", "settlement.instructions",
)  # fmt: skip
_MARKER, _HEADER, _HASH = b"\xc3\x01", 10, 33
"""Single-object encoding: marker and 8 bytes of fingerprint; the hash field with its length."""
_BOOKED_UNORDERED = 48
"""The row of the settlement table by which a claim that nobody was told to pay is found paid."""
_SHOWN, _KEPT = 20, 1000


class Raw(NamedTuple):
    """One record as Kafka gives it; `timestamp` in ms."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


Records = Callable[[str], Iterable[Raw]]
"""Every record of a topic, partition by partition in order."""


def kafka(bootstrap: str, isolation: str = "read_committed") -> Records:
    """A topic's records up to its present ends."""

    def read(topic: str) -> Iterator[Raw]:
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "chaos-witness",
                "isolation.level": isolation,
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "fetch.wait.max.ms": 50,
            }
        )
        try:
            numbers = consumer.list_topics(topic, timeout=30).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, 0) for number in numbers])
            left = set(numbers)
            while left:
                for message in consumer.consume(5000, 0.2):
                    error = message.error()
                    if error is not None:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        left.discard(message.partition())
                        continue
                    yield Raw(
                        message.partition(), message.offset(), message.timestamp()[1],
                        message.key(), message.value(),
                    )  # fmt: skip
        finally:
            consumer.close()

    return read


class Schema:
    """The one schema of a topic, from its file."""

    def __init__(self, topic: str) -> None:
        text = json.loads((SCHEMAS / f"{topic}.avsc").read_text())
        self._parsed = fastavro.parse_schema(text)
        canonical = fastavro.schema.to_parsing_canonical_form(text)
        print_ = fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")
        self.header = _MARKER + bytes.fromhex(print_)

    def decode(self, value: bytes) -> dict[str, Any]:
        assert value[:_HEADER] == self.header, f"header {value[:_HEADER].hex()}"
        stream = io.BytesIO(value[_HEADER:])
        found: dict[str, Any] = fastavro.schemaless_reader(stream, self._parsed)  # type: ignore
        assert not stream.read(1), "bytes behind the record"
        return found


class Chain:
    """What was found of one chain."""

    __slots__ = (
        "bodies", "decisions", "events", "hash", "kinds", "milestones", "numbers", "pays", "placed",
        "seq", "untaken",
    )  # fmt: skip

    def __init__(self) -> None:
        self.seq, self.hash = 0, bytes(32)
        self.kinds: Counter[str] = Counter()
        """Entries by the topic of their input; DECISION for those without one."""
        self.bodies: list[bytes] = []
        """Digests of what was taken as FACT or as contract."""
        self.decisions: dict[int, bytes] = {}
        """seq -> digest of the body."""
        self.placed: defaultdict[int, int] = defaultdict(int)
        """seq -> its indices, as bits."""
        self.milestones: dict[tuple[str, str, str], tuple[int, int, bool]] = {}
        """(subject type, id, code) -> (seq, index, reached) of the newest record."""
        self.events: list[tuple[Any, ...]] = []
        """(settlement, contract_seq, row, from, to, tick, verdict, amount, currency); the tick of a
        cut, None for what an ordered input caused: after a restart that may name an earlier one.
        """
        self.numbers: defaultdict[str, list[int]] = defaultdict(list)
        self.pays: list[tuple[str, int, int, str]] = []
        """(settlement, attempt, amount, currency) of each PAY."""
        self.untaken = 0
        """Inputs without an entry and not in the quarantine: duplicates."""

    @property
    def facts(self) -> int:
        return sum(self.kinds[topic] for topic in FACTS)

    def final(self) -> dict[str, tuple[str, int, str]]:
        """settlement -> (state, amount, currency) after its last transition."""
        ordered = sorted(self.events, key=lambda event: event[:2])
        return {event[0]: (event[4], event[7], event[8]) for event in ordered}

    def reached(self) -> dict[str, int]:
        """TYPE.CODE -> how many subjects have reached it, as the ledger counts."""
        found = Counter(
            f"{kind}.{code}" for (kind, _, code), at in self.milestones.items() if at[2]
        )
        return dict(sorted(found.items()))


class Witness:
    """Everything that stands in the topics, checked while it is read."""

    def __init__(self, records: Records, *, inputs: bool = True) -> None:
        self.problems: list[str] = []
        self.chains: defaultdict[str, Chain] = defaultdict(Chain)
        self.counts: Counter[str] = Counter()
        """Records by topic."""
        self.quarantined: set[tuple[str, int, int]] = set()
        self._records = records
        self._taken: dict[tuple[str, int, int], bytes] = {}
        self._schemas: dict[str, Schema] = {}
        self._journal()
        for topic in DERIVED:
            self._derived(topic)
        self._refused()
        if inputs:
            self._inputs()
        self._taken = {}
        for name, chain in self.chains.items():
            self._whole(name, chain)

    def _wrong(self, text: str) -> None:
        if len(self.problems) < _KEPT:
            self.problems.append(text)

    def _each(self, topic: str) -> Iterator[tuple[Raw, dict[str, Any]]]:
        schema = self._schemas.setdefault(topic, Schema(topic))
        for raw in self._records(topic):
            self.counts[topic] += 1
            if raw.value is None:
                continue
            try:
                yield raw, schema.decode(raw.value)
            except (AssertionError, EOFError, ValueError) as error:
                self._wrong(f"{topic} {raw.partition} {raw.offset} cannot be read: {error}")

    def _journal(self) -> None:
        for raw, entry in self._each("twin.journal"):
            name, value = entry["chain_id"], raw.value or b""
            where = f"journal of {name} seq {entry['seq']} ({raw.partition} {raw.offset})"
            chain = self.chains[name]
            if raw.key != name.encode():
                self._wrong(f"{where} stands under the key {raw.key!r}")
            if hashlib.sha256(value[_HEADER:-_HASH]).digest() != entry["hash"]:
                self._wrong(f"{where} does not have the hash that it carries")
            if (entry["seq"], entry["prev_hash"]) != (chain.seq + 1, chain.hash):
                self._wrong(f"{where} does not follow seq {chain.seq}")
            chain.seq, chain.hash = entry["seq"], entry["hash"]
            topic, digest = entry["source_topic"], hashlib.sha256(entry["body"]).digest()
            if topic is None:
                chain.kinds[entry["kind"]] += 1
                if entry["kind"] != "CLOSED":  # that the chain has left memory is told to nobody
                    chain.decisions[entry["seq"]] = digest
                continue
            chain.kinds[topic] += 1
            if entry["kind"] == "FACT" or topic == "settlement.contracts":
                chain.bodies.append(digest)
            source = (topic, entry["source_partition"], entry["source_offset"])
            if source in self._taken:
                self._wrong(f"{where} takes {source} a second time")
            self._taken[source] = digest

    def _derived(self, topic: str) -> None:
        note = {
            "twin.milestones": self._milestone,
            "settlement.events": self._event,
            "settlement.instructions": self._instruction,
        }.get(topic)
        for raw, record in self._each(topic):
            name, seq, index = record["chain_id"], record["seq"], record["index"]
            where = f"{topic} of {name} at {seq}.{index} ({raw.partition} {raw.offset})"
            chain = self.chains.get(name)
            if chain is None or not 1 <= seq <= chain.seq:
                self._wrong(f"{where} has no journal entry")
                continue
            if chain.placed[seq] & 1 << index:
                self._wrong(f"{where} stands twice")
            chain.placed[seq] |= 1 << index
            if note is not None:
                note(chain, record, raw.value or b"", where)

    def _milestone(self, chain: Chain, record: dict[str, Any], value: bytes, where: str) -> None:
        subject = (record["subject_type"], record["subject_id"], record["code"])
        now = (record["seq"], record["index"], record["reached"])
        before = chain.milestones.get(subject)
        if before is not None and before[:2] >= now[:2]:
            self._wrong(f"{where} stands behind a later one")
        chain.milestones[subject] = now

    def _event(self, chain: Chain, record: dict[str, Any], value: bytes, where: str) -> None:
        if chain.decisions.pop(record["seq"], None) != hashlib.sha256(value).digest():
            self._wrong(f"{where} is not the body of its DECISION")
        tick = record["tick_time"] if record["cause_seq"] is None else None
        chain.events.append(
            (record["settlement_id"], record["contract_seq"], record["row"], record["from_state"],
             record["to_state"], tick, record["verdict"], record["amount_minor"],
             record["currency"])
        )  # fmt: skip

    def _instruction(self, chain: Chain, record: dict[str, Any], value: bytes, where: str) -> None:
        claim = record["settlement_id"]
        chain.numbers[claim].append(record["instruction_no"])
        if record["kind"] == "PAY":
            chain.pays.append(
                (claim, record["attempt"], record["amount_minor"], record["currency"])
            )

    def _refused(self) -> None:
        for raw, record in self._each("quarantine"):
            place = (record["topic"], record["partition"], record["offset"])
            if place in self.quarantined or place in self._taken:
                self._wrong(f"quarantine {raw.partition} {raw.offset}: {place} is there twice")
            self.quarantined.add(place)

    def _inputs(self) -> None:
        left = set(self._taken)
        for topic in (*FACTS, *ORDERED):
            for raw in self._records(topic):
                self.counts[topic] += 1
                place = (topic, raw.partition, raw.offset)
                if place in left:
                    left.discard(place)
                    if self._taken[place] != hashlib.sha256(raw.value or b"").digest():
                        self._wrong(f"{place} was taken with other bytes than it came in")
                elif place not in self.quarantined:
                    self.chains[(raw.key or b"").decode()].untaken += 1
        for place in sorted(place for place in left if place[0] != "control"):
            self._wrong(f"{place} was taken and never sent")

    def _whole(self, name: str, chain: Chain) -> None:
        if chain.decisions:
            self._wrong(f"{name}: DECISION {min(chain.decisions)} has no settlement event")
        for seq, bits in chain.placed.items():
            if bits & (bits + 1):
                self._wrong(f"{name}: derived records of seq {seq} have a gap ({bits:b})")
        for claim, numbers in chain.numbers.items():
            if sorted(numbers) != list(range(1, len(numbers) + 1)):
                self._wrong(f"{name}: instructions of {claim} are numbered {sorted(numbers)}")
        attempts = Counter(pay[:2] for pay in chain.pays)
        for (claim, attempt), times in attempts.items():
            asked = sum(1 for event in chain.events if event[0] == claim and event[2] == 44)
            if times > 1 + asked:
                self._wrong(f"{name}: {claim} is told to pay {times} times at attempt {attempt}")

    # ---- against what must be true

    def compare(self, ledgers: Iterable[Any], forgotten: Collection[str] = ()) -> None:
        """Each chain against its ledger of `feed simulate`: events, milestones, settlements.

        `forgotten`: the claims that the rail had booked when the log lost that they were told to be
        paid. What the rail answers may settle them before they are due; else they are told again.
        """
        known = 0
        for ledger in ledgers:
            known += 1
            name, chain = ledger.chain_id, self.chains.get(ledger.chain_id)
            if chain is None:
                self._wrong(f"{name} is missing")
                continue
            taken = (chain.facts, chain.kinds["settlement.contracts"], chain.untaken)
            repeated = ledger.messages - ledger.versions - 1
            if taken != (ledger.versions, 1, repeated):
                wanted = (ledger.versions, 1, repeated)
                self._wrong(f"{name}: facts, contracts, repeated are {taken}, not {wanted}")
            if chain.reached() != dict(ledger.milestones):
                self._wrong(f"{name}: milestones {chain.reached()}, not {ledger.milestones}")
            self._claims(name, chain, ledger.settlements, forgotten)
        chains = sum(1 for name in self.chains if not name.startswith("@"))
        if chains != known:
            self._wrong(f"{chains} chains, not {known}")

    def _claims(
        self, name: str, chain: Chain, claims: Sequence[Any], forgotten: Collection[str]
    ) -> None:
        wanted = {
            one.settlement_id: (
                "SETTLED" if one.outcome == "PAY" else "EXPIRED", one.amount_minor, one.currency
            )
            for one in claims
        }  # fmt: skip
        if chain.final() != wanted:
            self._wrong(f"{name}: claims are {chain.final()}, not {wanted}")
        answered = {event[0] for event in chain.events if event[2] == _BOOKED_UNORDERED}
        due = sorted(
            (claim, amount, money)
            for claim, (to, amount, money) in wanted.items()
            if to == "SETTLED" and claim not in answered.intersection(forgotten)
        )
        told = sorted((claim, amount, money) for claim, _, amount, money in chain.pays)
        if told != due:
            self._wrong(f"{name}: told to pay {told}, due is {due}")

    def compare_rail(self, ledger: Path) -> None:
        """What the rail has booked is what is SETTLED, once, with its amount."""
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as db:
            booked = db.execute(
                "SELECT settlement_id, amount_minor, currency FROM entry"
            ).fetchall()
        settled = sorted(
            (claim, amount, money)
            for chain in self.chains.values()
            for claim, (state, amount, money) in chain.final().items()
            if state == "SETTLED"
        )
        if sorted(booked) != settled:
            self._wrong(f"the rail has booked {len(booked)} entries, {len(settled)} are SETTLED")

    def digest(self) -> str:
        """Hex SHA-256 over what every order of arrival within a tick must lead to: facts taken,
        milestones reached, and every transition of every claim with its tick.
        """
        found = hashlib.sha256()
        for name, chain in sorted(self.chains.items()):
            if not name.startswith("@"):
                whole = (
                    name,
                    sorted(chain.bodies),
                    chain.reached(),
                    sorted(chain.events, key=repr),
                )
                found.update(repr(whole).encode())
        return found.hexdigest()

    def assert_sound(self) -> None:
        """Raise with the first problems, if there are any."""
        assert not self.problems, "\n".join(self.problems[:_SHOWN])
