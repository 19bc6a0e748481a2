"""`supplytwin audit`: the journal folded once more from its start, and everything compared.

Each entry is taken again by the fold that took it: the same input at the same tick must give the
same bytes, and each recorded decision must be what the fold decides there over the facts before it.
What the entries lead to must be in the derived topics, all of it and nothing else. Entries of
another fold version are checked (hash, number, postings) and applied, but not taken again.
"""

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from supplytwin.processors import snapshots
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.sources import is_permitted, permits_free
from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import FatalError, RecordError
from supplytwin.schemas.flow import MAC, Header, Output, Record, Step
from supplytwin.schemas.ids import control_key
from supplytwin.schemas.records import STATE, Control, JournalEntry, StateRecord

UNPLACED = ("seq", "index", "taken_at", "fold_version")
"""A latest-value record says in which batch it was written, which no replay can know."""
DIFFERENCES_MAX = 100


class Difference(Struct, frozen=True, kw_only=True):
    """Something that is not what it must be. `place` = where to look."""

    place: str
    says: str


class Audited(Struct, kw_only=True):
    """What an audit found. `other_versions`: entries by the fold version that took them."""

    entries: int = 0
    chains: int = 0
    decisions: int = 0
    """Decisions that were recomputed."""
    other_versions: Counter[str] = msgspec.field(default_factory=Counter)
    derived: Counter[str] = msgspec.field(default_factory=Counter)
    """Records compared, by topic."""
    tables: dict[str, int] = {}
    """Rows compared, by DuckDB table."""
    differences: list[Difference] = []
    suppressed: int = 0
    """Differences beyond the first DIFFERENCES_MAX."""

    def differs(self, place: str, says: str) -> None:
        """Note a difference."""
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences = [*self.differences, Difference(place=place, says=says)]
        else:
            self.suppressed += 1


def body_of(value: bytes) -> bytes:
    """The Avro body of a wire value, whichever header it has."""
    if value[:2] == codec.MAGIC:
        return value[codec.HEADER_LEN :]
    return value[codec.CONFLUENT_LEN :]


class Recount:
    """Takes the journal of one partition number in order, and then what was derived from it.

    `since` (us): entries taken before it are applied, not taken again. `only` = one chain.
    """

    def __init__(
        self, number: int, timeline: str, found: Audited, *, since: int = 0, only: str | None = None
    ) -> None:
        self._fold = ChainFold(timeline)
        self._found, self._since, self._only = found, since, only
        self._control = control_key(number)
        self._states: dict[str, ChainState] = {}
        self._due: dict[str, deque[Output]] = {}
        self._lost: set[str] = set()
        self._expected: dict[str, Counter[bytes]] = {}
        self._unknown: set[str] = set()
        """Chains of which not everything that must be derived is known."""
        self._where: dict[bytes, str] = {}
        self._tick = 0

    # ---- the journal

    def take(self, record: Record) -> None:
        """The next entry."""
        key = (record.key or b"").decode(errors="replace")
        if key in self._lost or (self._only not in (None, key) and key != self._control):
            return
        self._found.entries += 1
        where = f"{record.topic} partition {record.partition} offset {record.offset}"
        try:
            self._entry(key, record, where)
        except (FatalError, RecordError) as error:
            self._lose(key, where, str(error))

    def _entry(self, key: str, record: Record, where: str) -> None:
        entry = journal.read(record.value or b"")
        state = self._states.get(key) or self._fold.new(key)
        if entry.chain_id != key:
            raise FatalError(f"stands under key {key!r} and belongs to chain {entry.chain_id!r}")
        if entry.kind == "CONTROL":
            self._note_tick(record)
        restated = entry.kind == "CONTROL" and entry.source_topic is None
        if entry.fold_version != self._fold.version or entry.taken_at < self._since or restated:
            if entry.fold_version != self._fold.version:
                self._found.other_versions[entry.fold_version] += 1
            self._unknown.add(key)
            self._states[key] = self._fold.restore(state, record)
            return
        due = self._due.get(key)
        if not due:
            step = self._again(state, record, entry)
            due = self._due[key] = deque(step.entries)
            self._states[key] = step.state
            self._expect(step.outputs, f"{key} seq {entry.seq}")
        if not due:
            raise FatalError(f"{key} seq {entry.seq}: the fold does nothing here")
        if entry.kind == "DECISION":
            self._found.decisions += 1
        right = due.popleft().value or b""
        if body_of(right) != body_of(record.value or b""):
            raise FatalError(f"{key} seq {entry.seq}: {_unlike(journal.read(right), entry)}")

    def _note_tick(self, record: Record) -> None:
        (past,) = self._fold.replay([record])
        message = None if past.item is None else past.item.message
        if isinstance(message, Control) and message.kind == "TICK":
            self._tick = max(self._tick, message.tick_time)

    def _again(self, state: ChainState, record: Record, entry: JournalEntry) -> Step[ChainState]:
        if entry.kind == "DECISION":  # at a cut: those that an input caused came with the input
            if entry.taken_at != self._tick:
                raise FatalError(f"seq {entry.seq}: decided at a tick that is not in the journal")
            return self._fold.decide(state, entry.taken_at, self._told())
        if entry.kind == "CLOSED":
            return self._fold.close(state, entry.taken_at, self._told())
        (past,) = self._fold.replay([record])
        if past.item is None:
            raise FatalError(f"seq {entry.seq}: {entry.kind} wraps no input")
        item = past.item
        if entry.kind == "FACT":
            again = self._fold.admit(self._told(), item)
            if _but_macs(again.record.headers) != _but_macs(entry.headers):
                raise FatalError(f"seq {entry.seq}: its delegation is not in force here")
            item = msgspec.structs.replace(item, under=again.under)
        elif entry.kind == "INPUT":
            if is_permitted(item.record) and not permits_free(self._told().sources):
                raise FatalError(f"seq {entry.seq}: no policy permits free conditions here")
            item = msgspec.structs.replace(item, under=self._told().register)
        return self._fold.step(state, item, entry.taken_at)

    def _told(self) -> ChainState:
        """The control chain as it stands here."""
        return self._states.get(self._control) or self._fold.new(self._control)

    def _lose(self, key: str, where: str, says: str) -> None:
        """A chain that differs once differs ever after: only the first difference is told."""
        self._found.differs(where, says)
        self._lost.add(key)
        self._due.pop(key, None)

    def _expect(self, outputs: Iterable[Output], where: str) -> None:
        for output in outputs:
            digest = _digest(output.key.encode(), output.value or b"")
            self._expected.setdefault(output.topic, Counter())[digest] += 1
            self._where[digest] = where

    def close(self) -> None:
        """The end of the journal: what must still have come is missing."""
        for key, due in self._due.items():
            if due:
                seq = journal.read(due[0].value or b"").seq
                self._found.differs(f"chain {key}", f"entry {seq} is missing at its end")
        self._found.chains += sum(not key.startswith("@") for key in self._states)

    # ---- what is derived from it

    def compare(self, topic: str, records: Iterable[Record], settled: int) -> None:
        """Every record of a derived topic on this partition number, against what must be there.

        `settled` = its last stable offset before the journal's end was asked for: what follows
        from no entry below it follows from none; behind it a live cluster has written on.
        """
        left = Counter(self._expected.get(topic, Counter()))
        for record in records:
            key = (record.key or b"").decode(errors="replace")
            self._found.derived[topic] += 1
            if self._skips(key):
                continue
            digest = _digest(record.key or b"", record.value or b"")
            if left[digest] > 0:
                left[digest] -= 1
            elif record.offset < settled and key not in self._unknown:
                where = f"{topic} partition {record.partition} offset {record.offset}"
                self._found.differs(where, f"{key}: follows from no entry of the journal")
        for digest, times in left.items():
            where = self._where[digest]
            if times > 0 and where.rpartition(" seq ")[0] not in self._lost:
                self._found.differs(topic, f"a record of {where} is missing")

    def _skips(self, key: str) -> bool:
        """Not asked about, or told of already."""
        return key in self._lost or self._only not in (None, key)

    def compare_states(self, topic: str, records: Iterable[Record], settled: int) -> None:
        """The latest record of every subject, against the state that the journal folds to.

        `settled` as in `compare`: subjects with a record behind it have gone on.
        """
        latest: dict[str, bytes] = {}
        gone_on: set[str] = set()
        for record in records:
            key = (record.key or b"").decode(errors="replace")
            self._found.derived[topic] += 1
            if record.offset >= settled:
                gone_on.add(key)
            if record.value is None:
                latest.pop(key, None)
            else:
                latest[key] = record.value
        for chain_id, state in sorted(self._states.items()):
            if chain_id in self._lost or chain_id.startswith("@"):
                continue
            nothing = self._fold.new(chain_id)
            for output in snapshots.records(nothing, state, fold_version="", timeline=""):
                says = _unlike_state(output.value, latest.pop(output.key, None))
                if says and output.key not in gone_on:
                    self._found.differs(f"{topic} key {output.key}", says)
        for key in sorted(latest.keys() - gone_on):
            chain_id = key.rsplit("|", 2)[0]
            if not self._skips(chain_id):
                self._found.differs(f"{topic} key {key}", "is a state of no subject of its chain")


def _but_macs(headers: Sequence[Header]) -> list[Header]:
    """What does not follow from a secret, which an audit has not."""
    return [header for header in headers if header[0] != MAC]


def _digest(key: bytes, value: bytes) -> bytes:
    return hashlib.sha256(key + b"\0" + body_of(value)).digest()[:16]


def _unlike(right: Struct, recorded: Struct) -> str:
    names = [
        name
        for name in right.__struct_fields__
        if getattr(right, name) != getattr(recorded, name)
    ]  # fmt: skip
    first = names[0] if names else "bytes"
    if first == "body" and isinstance(right, JournalEntry) and right.kind == "DECISION":
        assert isinstance(recorded, JournalEntry)
        if recorded.kind == "DECISION":
            inner = [codec.decode("settlement.events", e.body).message for e in (right, recorded)]
            return f"decided otherwise now: {_unlike(*inner)}"
    now, was = (_short(getattr(one, first, b"")) for one in (right, recorded))
    return f"{first} is {was}, and must be {now}"


def _short(value: Any) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _unlike_state(right: bytes | None, recorded: bytes | None) -> str:
    """How the newest record of a subject differs from what it must say; "" = it does not."""
    if right is None or recorded is None:
        return "" if right is recorded else "is missing" if recorded is None else "must be gone"
    pair: list[StateRecord] = []
    for value in (right, recorded):
        message = codec.decode(STATE, value).message
        assert isinstance(message, StateRecord)
        pair.append(msgspec.structs.replace(message, **dict.fromkeys(UNPLACED, 0), timeline=""))
    return "" if pair[0] == pair[1] else _unlike(*pair)
