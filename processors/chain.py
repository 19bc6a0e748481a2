"""The fold of one chain: what each input and each cut does to twin, footprints and settlement,
in this order.

FACT → twin → milestones, exceptions → footprints of the consignments it touched. INPUT
(contract, receipt, review) → claims. Facts move no claim: that happens in `decide`, at a cut,
over the whole set.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, assert_never

import msgspec
from immutables import Map
from msgspec import Struct

from supplytwin.processors import (
    carbon,
    custody,
    settlement,
    settlement_apply,
    settlement_report,
    snapshots,
)
from supplytwin.processors.emit import Emitter
from supplytwin.processors.milestones import reported
from supplytwin.processors.settlement_state import Alarm, Book, Outcome, Transition
from supplytwin.processors.twin import EMPTY, Twin, take
from supplytwin.processors.twin import canonical as canonical_twin
from supplytwin.schemas import codec, journal
from supplytwin.schemas.errors import Code, FatalError, RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Due, Input, Output, Record, Step
from supplytwin.schemas.records import (
    EXCEPTIONS,
    INSTRUCTIONS,
    Contract,
    Control,
    ExceptionRecord,
    Instruction,
    JournalEntry,
    Receipt,
    Review,
    SettlementEvent,
)

FOLD_VERSION = "1"
"""Written on every entry: which meaning of the facts took it."""

Ordered = Contract | Receipt | Review


class Cause(Struct, frozen=True, kw_only=True, gc=False):
    """The ordered input taken last: what the decisions that follow it in the journal refer to."""

    seq: int
    message: Ordered


class ChainState(Struct, frozen=True, kw_only=True, gc=False):
    """Everything known about one chain. Immutable: a batch builds on copies until it is
    committed.
    """

    chain_id: str
    head: custody.Head = custody.START
    index: int = 0
    """Derived records caused by the last entry: the index of the next one."""
    twin: Twin = EMPTY
    book: Book = Book()
    footprints: Map[str, carbon.Versioned] = Map()
    """By consignment."""
    last_input: Cause | None = None
    taken_at: int = 0
    """Tick time of the last entry."""
    touched: bool = False
    """Facts or inputs were taken since the last cut."""
    claims_of: Map[str, tuple[str, ...]] = Map()
    """Consignment -> the settlement ids of the claims for it."""
    recent: snapshots.Recent = ()


class ChainFold:
    """The fold that the worker runs (see `streams.ports.Fold`). `timeline` names this
    deployment's time.
    """

    version = FOLD_VERSION

    def __init__(self, timeline: str) -> None:
        self._timeline = timeline

    def new(self, key: str) -> ChainState:
        return ChainState(chain_id=key)

    def _emitter(self, state: ChainState, now: int) -> Emitter:
        return Emitter(
            state.chain_id,
            state.head,
            fold_version=FOLD_VERSION,
            timeline=self._timeline,
            taken_at=now,
        )

    def step(self, state: ChainState, item: Input, now: int) -> Step[ChainState]:
        """Take one input. Raises RecordError for what belongs into the quarantine."""
        message = item.message
        match message:
            case Event():
                return self._fact(state, item, now)
            case Contract() | Receipt() | Review():
                return self._ordered(state, item, message, now)
            case Control():
                emit = self._emitter(state, now)
                emit.take("CONTROL", item)
                return _finish(state, emit, f"control_{message.kind.lower()}")
            case _:
                raise RecordError(Code.BAD_VALUE, "", f"{type(message).__name__} is not an input")

    def _fact(self, state: ChainState, item: Input, now: int) -> Step[ChainState]:
        taken = take(state.twin, item)
        if taken.verdict == "DUPLICATE":
            return Step(state=state, counts=("duplicates",))
        emit = self._emitter(state, now)
        seq = emit.take("FACT", item)
        emit.report(taken)
        footprints = carbon.follow(state.footprints, taken, emit.derive)
        state = msgspec.structs.replace(
            state,
            head=emit.head,
            index=emit.index,
            twin=taken.twin,
            footprints=footprints,
            taken_at=now,
            touched=True,
            recent=snapshots.remember(state.recent, seq, taken),
        )
        return Step(state=state, entries=emit.entries, outputs=emit.outputs, counts=("facts",))

    def _ordered(
        self, state: ChainState, item: Input, message: Ordered, now: int
    ) -> Step[ChainState]:
        outcome: Outcome
        match message:
            case Contract():
                outcome = settlement.agree(state.book, message, item.content_hash, now)
            case Receipt():
                outcome = settlement.receipt(state.book, message, item.content_hash, now)
            case Review():
                outcome = settlement.review(state.book, state.twin, message, item.content_hash, now)
            case _:
                assert_never(message)
        if outcome.verdict == "DUPLICATE":
            return Step(state=state, counts=("duplicates",))
        emit = self._emitter(state, now)
        seq = emit.take("INPUT", item)
        _report_alarms(emit, outcome.alarms)
        _decide(emit, outcome.transitions, (state.chain_id, seq))
        return _finish(
            state,
            emit,
            f"inputs_{outcome.verdict.lower()}",
            book=outcome.book,
            claims_of=_claims_of(state, outcome.book),
            last_input=Cause(seq=seq, message=message),
        )

    def due(self, state: ChainState) -> int | Due | None:
        """When a cut may change something here."""
        agenda = Due.NEXT if state.touched else settlement.due(state.book)
        return Due.NEXT if agenda == "NEXT" else agenda

    def decide(self, state: ChainState, tick: int) -> Step[ChainState]:
        """What follows at a cut at `tick` from the whole set of facts."""
        book, transitions = settlement.cut(state.book, state.twin, tick)
        emit = self._emitter(state, tick)
        _decide(emit, transitions, None)
        if emit.entries:
            state = msgspec.structs.replace(state, head=emit.head, index=emit.index, taken_at=tick)
        state = msgspec.structs.replace(state, book=book, touched=False)
        return Step(state=state, entries=emit.entries, outputs=emit.outputs)

    def publish(self, before: ChainState, after: ChainState) -> Sequence[Output]:
        """Latest-value records of the subjects that changed."""
        return snapshots.records(
            before,
            after,
            fold_version=FOLD_VERSION,
            timeline=self._timeline,
        )

    def restore(self, state: ChainState, record: Record) -> ChainState:
        """Apply one journal record as recorded; no condition is evaluated, nothing is emitted.

        Raises FatalError when its hash chain is broken.
        """
        value = record.value or b""
        entry = journal.read(value)
        head = custody.follow(state.head, state.chain_id, entry, value)
        if entry.kind == "DECISION":
            event = codec.decode("settlement.events", entry.body).message
            if not isinstance(event, SettlementEvent):
                raise FatalError(f"{state.chain_id} seq {entry.seq}: DECISION without its record")
            cause = self._cause(state, event)
            book = settlement_apply.apply(state.book, event, cause)
            return msgspec.structs.replace(state, head=head, book=book, touched=True)
        if entry.kind == "CONTROL":
            return msgspec.structs.replace(state, head=head)
        item = replayed(record, entry)
        if entry.kind == "FACT":
            taken = take(state.twin, item)
            footprints = carbon.follow(state.footprints, taken, _silent)
            return msgspec.structs.replace(
                state, head=head, twin=taken.twin, footprints=footprints, recent=(), touched=True
            )
        message = item.message
        if not isinstance(message, Contract | Receipt | Review):
            raise FatalError(
                f"{state.chain_id} seq {entry.seq}: {entry.kind} of an unknown message"
            )
        book = settlement_apply.noted(state.book, message, item.content_hash)
        return msgspec.structs.replace(
            state,
            head=head,
            book=book,
            claims_of=_claims_of(state, book),
            last_input=Cause(seq=entry.seq, message=message),
            touched=True,
        )

    @staticmethod
    def _cause(state: ChainState, event: SettlementEvent) -> Ordered | None:
        if event.cause_seq is None:
            return None
        last = state.last_input
        if last is None or last.seq != event.cause_seq:
            raise FatalError(
                f"{state.chain_id} seq {event.seq}: its cause is not the input before it"
            )
        return last.message


def replayed(record: Record, entry: JournalEntry) -> Input:
    """The input that a journal entry wraps, as it came: topic, offset, arrival and bytes."""
    if entry.source_topic is None or entry.arrival is None:
        raise FatalError(f"{entry.chain_id} seq {entry.seq}: {entry.kind} without a source")
    decoded = codec.decode(entry.source_topic, entry.body)
    source = Record(
        topic=entry.source_topic,
        partition=entry.source_partition or 0,
        offset=entry.source_offset or 0,
        arrival=entry.arrival,
        key=record.key,
        value=entry.body,
        headers=entry.headers,
    )
    return Input(
        record=source,
        key=entry.chain_id,
        message=decoded.message,
        fingerprint=decoded.fingerprint,
        content_hash=decoded.content_hash,
    )


def canonical(state: ChainState) -> bytes:
    """The canonical state as JSON bytes: the twin without its history (records.md, "Canonical
    state").
    """
    prints = {name: one.canonical() for name, one in sorted(state.footprints.items())}
    whole = {
        "chain_id": state.chain_id,
        "twin": canonical_twin(state.twin),
        "footprints": prints,
        "settlement": settlement_report.canonical(state.book),
    }
    return msgspec.json.encode(whole, order="deterministic")


def canonical_hash(state: ChainState) -> str:
    """Hex SHA-256 of the canonical state."""
    return hashlib.sha256(canonical(state)).hexdigest()


def _finish(state: ChainState, emit: Emitter, count: str, **changes: Any) -> Step[ChainState]:
    state = msgspec.structs.replace(
        state, head=emit.head, index=emit.index, taken_at=emit.taken_at, touched=True, **changes
    )
    return Step(state=state, entries=emit.entries, outputs=emit.outputs, counts=(count,))


def _claims_of(state: ChainState, book: Book) -> Map[str, tuple[str, ...]]:
    """The claims by consignment under `book`, which follows that of `state`."""
    return state.claims_of if book.terms is state.book.terms else snapshots.claims_of(book)


def _silent(topic: str, struct: type[Struct], /, **fields: object) -> None:
    """At restore the records are already in their topics."""


def _report_alarms(emit: Emitter, alarms: Sequence[Alarm]) -> None:
    for alarm in alarms:
        emit.derive(
            EXCEPTIONS,
            ExceptionRecord,
            subject_type="CLAIM",
            subject_id=alarm.settlement_id,
            code=alarm.code,
            open=True,
            reason=alarm.reason,
        )


def _decide(
    emit: Emitter, transitions: Sequence[Transition], cause: tuple[str, int] | None
) -> None:
    """One DECISION for each transition, with its instructions and alarms."""
    for transition in transitions:
        emit.decide(settlement_report.event_fields(transition, cause))
        for order in transition.instructions:
            emit.derive(INSTRUCTIONS, Instruction, **msgspec.structs.asdict(order))
        _report_alarms(emit, transition.alarms)


def gist(step: Step[ChainState]) -> object:
    """What a decision says about money: which claim, by which row, to which state, what is
    instructed.

    Two decisions with one gist are the same decision, wherever they stand in the journal.
    """
    found: list[tuple[object, ...]] = []
    for output in step.outputs:
        message = codec.decode(output.topic, output.value or b"").message
        if isinstance(message, SettlementEvent):
            found.append((message.settlement_id, message.row, message.to_state, message.verdict))
        elif isinstance(message, Instruction):
            found.append((message.settlement_id, message.kind, message.amount_minor))
    return found


def describe_subjects(state: ChainState) -> list[dict[str, Any]]:
    """The subjects as people want to see them, sorted."""
    return [
        {
            "subject_type": key.subject_type,
            "subject_id": key.subject_id,
            "state": subject.state,
            "milestones": list(subject.codes),
            "flags": list(subject.flags),
            "holds": sorted(subject.value.holds),
            "delay_days": subject.delay_days,
        }
        for key, subject in sorted(state.twin.subjects.items(), key=lambda item: item[0])
        if subject.effective or subject.conflicts
    ]


def describe_exceptions(state: ChainState) -> list[dict[str, Any]]:
    """What is wrong now with the facts of this chain, sorted."""
    found = [
        (key, problem)
        for key, subject in state.twin.subjects.items()
        for problem in subject.value.exceptions
    ]
    found += filter(None, map(reported, state.twin.facts.slots.values()))
    return [
        {
            "subject": f"{key.subject_type} {key.subject_id}",
            "code": problem.code,
            "reason": problem.reason,
            "source": problem.source,
            "event_id": problem.event_id,
        }
        for key, problem in sorted(found, key=lambda one: (one[0], one[1].code, one[1].event_id))
    ]
