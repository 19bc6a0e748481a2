"""`supplytwin upgrade`: what a new fold says otherwise about old facts, listed, then said again.

Runs while no worker does. What was said is read from the derived topics, what is to be said is
folded from the journal. Each chain that differs gets one CONTROL entry (a restatement), its changed
latest states, milestones, exceptions and footprints, and a review for each claim whose money would
not be paid now. The last entry on every partition number says under which fold it goes on.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from supplytwin.processors import across, carbon, restatement, snapshots
from supplytwin.processors.carbon_packs import Rules, newest
from supplytwin.processors.chain import FOLD_VERSION, ChainFold, ChainState
from supplytwin.processors.emit import Emitter
from supplytwin.processors.milestones import exception_changes, milestone_changes
from supplytwin.processors.settlement_known import known_of
from supplytwin.processors.subjects import NOBODY
from supplytwin.schemas import codec, journal
from supplytwin.schemas.derived import Derived
from supplytwin.schemas.errors import FatalError, UsageError
from supplytwin.schemas.flow import Output
from supplytwin.schemas.footprints import Footprint
from supplytwin.schemas.ids import Micros, control_key
from supplytwin.schemas.records import (
    EXCEPTIONS,
    FOOTPRINTS,
    JOURNAL,
    MILESTONES,
    STATE,
    Control,
    ExceptionRecord,
    Milestone,
)
from supplytwin.streams.audit import UNPLACED
from supplytwin.streams.audit_run import Progress, read
from supplytwin.streams.ports import Broker, Producer, TopicPartition
from supplytwin.streams.topics import INPUTS, WORKER_GROUP, Meta, places

UPGRADE_ID = "supplytwin.upgrade"
RESTATED = "is said otherwise by a newer fold"
INIT_S = 30.0
_KEYS = {
    MILESTONES: ("subject_type", "subject_id", "code"),
    EXCEPTIONS: ("subject_type", "subject_id", "code", "source", "event_id"),
    FOOTPRINTS: ("consignment_id",),
}
_STANDS = {MILESTONES: "reached", EXCEPTIONS: "open"}
Change = tuple[str, Derived]
"""(topic, record without its place)"""


class ChainPlan(Struct, frozen=True, kw_only=True):
    """What a newer fold says otherwise about one chain."""

    chain_id: str
    states: tuple[str, ...]
    """Keys of twin.state records that change."""
    milestones: int
    exceptions: int
    footprints: int
    reviews: tuple[str, ...]
    """Settlement ids of claims whose money would not be paid now."""


class Plan(Struct, frozen=True, kw_only=True):
    """What an upgrade does."""

    to: str
    taken_by: dict[str, int]
    """Fold version -> how many partition numbers it wrote last."""
    chains: tuple[ChainPlan, ...]


class Number:
    """One partition number: its states under this fold, and what was said about them."""

    def __init__(self, broker: Broker, meta: Meta, number: int, progress: Progress) -> None:
        self.number = number
        self.fold = ChainFold(meta.timeline)
        self.timeline = meta.timeline
        self.states: dict[str, ChainState] = {}
        self.version: str | None = None
        self.now = 0
        self.end = journal_end(broker, number)
        """Where the journal ended before it was read."""
        for record in read(broker, TopicPartition(JOURNAL, number), None, progress):
            entry = journal.read(record.value or b"")
            state = self.states.get(entry.chain_id) or self.fold.new(entry.chain_id)
            self.states[entry.chain_id] = self.fold.restore(state, record)
            self.version, self.now = entry.fold_version, max(self.now, entry.taken_at)
        self._latest: dict[str, bytes] = {}
        for record in read(broker, TopicPartition(STATE, number), None, progress):
            key = (record.key or b"").decode()
            self._latest.pop(key, None)
            if record.value is not None:
                self._latest[key] = record.value
        self._said = {topic: self._read_said(broker, topic, progress) for topic in _KEYS}

    def _read_said(
        self, broker: Broker, topic: str, progress: Progress
    ) -> dict[str, dict[tuple[str | None, ...], Derived]]:
        """The last record about each thing, by chain."""
        found: dict[str, dict[tuple[str | None, ...], Derived]] = {}
        for record in read(broker, TopicPartition(topic, self.number), None, progress):
            message = codec.decode(topic, record.value or b"").message
            assert isinstance(message, Derived)
            found.setdefault(message.chain_id, {})[_key(topic, message)] = message
        return found

    def changed(self) -> Iterator["Changed"]:
        """What differs, of each chain of which something does."""
        for chain_id, state in sorted(self.states.items()):
            if chain_id.startswith("@"):
                continue
            one = Changed(
                state=state,
                changes=[change for topic in _STANDS for change in self._changes(topic, state)],
                outputs=self.new_states(state),
                marks=self._marks(state),
                versions=self.renumbered(state, self.rules),
            )
            if one.changes or one.outputs or one.marks or one.versions:
                yield one

    def _marks(self, state: ChainState) -> dict[str, str]:
        """By the keys that stand at the end of the journal."""
        known = known_of(state.book, state.twin, self.control.register, state.footprints)
        return restatement.marks(state.book, state.twin, self.now, known)

    @property
    def control(self) -> ChainState:
        """The state of the control chain."""
        name = control_key(self.number)
        return self.states.get(name) or self.fold.new(name)

    @property
    def rules(self) -> Rules:
        """The packs of factors that are in force."""
        return newest(self.control.packs)

    def renumbered(self, state: ChainState, rules: Rules) -> dict[str, int]:
        """Of the footprints of a chain by these packs, see `carbon.renumbered`."""
        said = self.printed(state.chain_id)
        return carbon.renumbered(state.footprints, state.twin, rules, said)

    def printed(self, chain_id: str) -> dict[str, Footprint]:
        """The newest record of each footprint of a chain, by consignment."""
        found = self._said[FOOTPRINTS].get(chain_id, {}).values()
        return {one.consignment_id: one for one in found if isinstance(one, Footprint)}

    def _changes(self, topic: str, state: ChainState) -> Iterator[Change]:
        said = {
            key: record
            for key, record in self._said[topic].get(state.chain_id, {}).items()
            if _is_of_facts(topic, record)
        }
        to_say = {_key(topic, record): record for record in _derived(topic, state)}
        flag = _STANDS[topic]
        for key, record in sorted(to_say.items(), key=str):
            if key not in said or not getattr(said[key], flag):
                yield topic, record
        for key, record in sorted(said.items(), key=str):
            if key not in to_say and getattr(record, flag):
                gone = {flag: False, "reason": RESTATED}
                yield topic, msgspec.structs.replace(record, **gone)

    def new_states(self, state: ChainState) -> list[Output]:
        """The latest records of its subjects that differ from those that stand."""
        nothing = self.fold.new(state.chain_id)
        found = snapshots.records(nothing, state, fold_version=FOLD_VERSION, timeline=self.timeline)
        return [output for output in found if self._differs(output)]

    def _differs(self, output: Output) -> bool:
        said = self._latest.get(output.key)
        if said is None or output.value is None:
            return said is not output.value
        return _bare(said) != _bare(output.value)

    def restated(self, state: ChainState, found: "Changed | None" = None) -> list[Output]:
        """The records of one restated chain, journal entry first, latest states last."""
        versions, marks = ({}, {}) if found is None else (found.versions, found.marks)
        body = restatement.body(self.version, FOLD_VERSION, versions, marks)
        return self.told(state, body, found)

    def told(self, state: ChainState, body: bytes, found: "Changed | None" = None) -> list[Output]:
        """The same, with what its journal entry says."""
        versions = {} if found is None else found.versions
        said = Control(
            input_id=f"restated:{FOLD_VERSION}",
            kind="META",
            tick_time=Micros(self.now),
            timeline=self.timeline,
            body=body,
        )
        step = self.fold.restate(state, said, self.now, self.control)
        after = step.state
        emit = Emitter(
            after.chain_id, after.head, fold_version=FOLD_VERSION, timeline=self.timeline,
            taken_at=self.now,
        )  # fmt: skip
        emit.index = after.index
        for topic, record in () if found is None else found.changes:
            fields = msgspec.structs.asdict(record)
            own = {k: v for k, v in fields.items() if k not in Derived.__struct_fields__}
            emit.derive(topic, type(record), **own)
        prints, said_before = after.footprints, self.printed(after.chain_id)
        carbon.restate(prints, after.twin, self.rules, versions, said_before, emit.derive)
        after = msgspec.structs.replace(after, index=emit.index)
        latest = [] if after.chain_id.startswith("@") else self.new_states(after)
        return [*step.entries, *step.outputs, *emit.outputs, *latest]


class Changed(Struct, frozen=True, kw_only=True):
    """What a newer fold says otherwise about one chain."""

    state: ChainState
    changes: list[Change]
    outputs: list[Output]
    """Its latest states."""
    marks: dict[str, str]
    """Claims whose money would not be paid now, see `restatement.marks`."""
    versions: dict[str, int]
    """Of footprints, see `carbon.renumbered`."""


def _key(topic: str, record: Derived) -> tuple[str | None, ...]:
    return tuple(getattr(record, name) for name in _KEYS[topic])


def _is_of_facts(topic: str, record: Derived) -> bool:
    """Exceptions of claims and footprints are not said by the fold of facts."""
    return topic != EXCEPTIONS or getattr(record, "source", None) is not None


def _derived(topic: str, state: ChainState) -> Iterator[Derived]:
    """What stands of one kind for a chain, as records without a place."""
    place: dict[str, Any] = {
        "chain_id": state.chain_id, "seq": 0, "index": 0, "fold_version": FOLD_VERSION,
        "taken_at": 0, "timeline": "",
    }  # fmt: skip
    subjects = state.twin.subjects
    moved = [(key, NOBODY, subject) for key, subject in sorted(subjects.items())]
    if topic == MILESTONES:
        for milestone in milestone_changes(type(subjects)(), subjects, moved):
            yield Milestone(**place, **msgspec.structs.asdict(milestone))
        return
    slots = [(None, slot) for slot in state.twin.facts.every()]
    several = across.of_several(state.twin.documents, subjects)
    for exception in exception_changes(moved, slots, ((), several)):
        yield ExceptionRecord(**place, **msgspec.structs.asdict(exception))


def _bare(value: bytes) -> Struct:
    message = codec.decode(STATE, value).message
    return msgspec.structs.replace(message, **dict.fromkeys(UNPLACED, 0), timeline="")


def plan(broker: Broker, meta: Meta, progress: Progress) -> Plan:
    """What would be said otherwise. Nothing is written."""
    taken_by: Counter[str] = Counter()
    chains: list[ChainPlan] = []
    for number in range(meta.partitions):
        found = Number(broker, meta, number, progress)
        if found.version is not None:
            taken_by[found.version] += 1
        for one in found.changed():
            kinds = Counter(topic for topic, _ in one.changes)
            chain_id = one.state.chain_id
            chains.append(
                ChainPlan(
                    chain_id=chain_id,
                    states=tuple(output.key for output in one.outputs),
                    milestones=kinds[MILESTONES],
                    exceptions=kinds[EXCEPTIONS],
                    footprints=len(carbon.unsaid(one.versions, found.printed(chain_id))),
                    reviews=tuple(one.marks),
                )
            )
    return Plan(to=FOLD_VERSION, taken_by=dict(sorted(taken_by.items())), chains=tuple(chains))


def apply(broker: Broker, meta: Meta, progress: Progress) -> int:
    """Say it; how many chains. Raises UsageError while a worker runs.

    Partition numbers whose last entry is this fold's are done already and left alone: after an
    interruption it is called again.
    """
    require_idle(broker, meta)
    producer = broker.producer(UPGRADE_ID)
    producer.init(INIT_S)
    restated = 0
    try:
        for number in range(meta.partitions):
            found = Number(broker, meta, number, progress)
            if found.version not in (None, FOLD_VERSION):
                restated += _apply_number(broker, meta, producer, found)
    finally:
        producer.close()
    return restated


def _apply_number(broker: Broker, meta: Meta, producer: Producer, found: Number) -> int:
    changed = list(found.changed())
    said = [output for one in changed for output in found.restated(one.state, one)]
    said += found.restated(found.control)
    commit_alone(broker, meta, producer, found, said)
    return len(changed)


def commit_alone(
    broker: Broker, meta: Meta, producer: Producer, found: Number, said: Sequence[Output]
) -> None:
    """One transaction: all of a partition number, or nothing of it.

    Raises UsageError, with nothing written, when a worker runs or has written since the journal was
    read: its entries and ours would have the same places in their chains.
    """
    producer.begin()
    try:
        for output in said:
            producer.produce(
                output.topic, output.key.encode(), output.value, partition=found.number
            )
        producer.flush()
        require_idle(broker, meta)
        entries = sum(output.topic == JOURNAL for output in said)
        if journal_end(broker, found.number) != found.end + entries:
            raise UsageError("a worker has written meanwhile: stop every worker, and call again")
    except BaseException:
        producer.abort()
        raise
    producer.commit()


def journal_end(broker: Broker, number: int) -> int:
    """The end of the journal of a partition number, with what is not committed."""
    at = TopicPartition(JOURNAL, number)
    admin = broker.admin()
    try:
        return admin.ends([at], "read_uncommitted")[at]
    finally:
        admin.close()


def require_idle(broker: Broker, meta: Meta) -> None:
    """Setting a group's offsets, even to what they are, is refused while it has a member."""
    admin = broker.admin()
    try:
        committed = admin.committed(WORKER_GROUP, places(INPUTS, meta.partitions))
        known = {at: offset for at, offset in committed.items() if offset is not None}
        admin.commit(WORKER_GROUP, known)
    except FatalError as error:
        says = "a stopped one counts until its session ends (worker.session_timeout_ms)"
        raise UsageError(f"stop every worker first, {says}: {error}") from None
    finally:
        admin.close()
