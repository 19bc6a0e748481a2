"""The fold of one chain: what each input and each cut does to twin, footprints and settlement,
in this order.

FACT → twin → milestones, exceptions → footprints of the consignments it touched. INPUT
(contract, receipt, review) → claims. Facts move no claim: that happens in `decide`, at a cut,
over the whole set.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

import msgspec
from immutables import Map
from msgspec import Struct

from supplytwin.processors import (
    carbon,
    custody,
    refusal,
    remembered,
    restatement,
    settlement,
    settlement_apply,
    settlement_report,
    snapshots,
)
from supplytwin.processors.carbon_packs import NEWEST, Told, rules_in, rules_of
from supplytwin.processors.chain_memory import Remembers
from supplytwin.processors.emit import Emitter, silent
from supplytwin.processors.key_register import NO_KEYS, learned, recorded
from supplytwin.processors.keys import Register
from supplytwin.processors.settlement import signing_of
from supplytwin.processors.settlement_known import bears, judged_by, known_at, known_of
from supplytwin.processors.settlement_state import Book
from supplytwin.processors.signed_facts import under
from supplytwin.processors.signed_facts_counted import told_of
from supplytwin.processors.sources import Sources, admitted, sources_of
from supplytwin.processors.twin import EMPTY, Twin, take
from supplytwin.processors.twin import canonical as canonical_twin
from supplytwin.schemas import codec
from supplytwin.schemas.errors import Code, FatalError, RecordError
from supplytwin.schemas.events import Event
from supplytwin.schemas.flow import Due, Input, Output, Record, Step
from supplytwin.schemas.foreign import WriterSchema
from supplytwin.schemas.ids import partition_of_control
from supplytwin.schemas.records import (
    CONTROL,
    Contract,
    Control,
    JournalEntry,
    Receipt,
    Review,
    SettlementEvent,
)
from supplytwin.schemas.replay import Replayed

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
    """Facts that conditions look at, or inputs, were taken since the last cut."""
    schemas: Map[int, bytes] = Map()
    """Of a control chain: schemas of others that entries of its partition number were written
    with, canonical JSON by fingerprint."""
    packs: Told = ()
    """Of a control chain: which packs of factors are in force, and from which entry on."""
    sources: Sources | None = None
    """Of a control chain: who may speak on which topic; None = everybody."""
    register: Register = NO_KEYS
    """Of a control chain: whose signatures count."""
    claims_of: Map[str, tuple[str, ...]] = Map()
    """Consignment -> the settlement ids of the claims for it."""
    recent: snapshots.Recent = ()
    closed_seq: int = -1
    """The last CLOSED entry; when it is the head, nothing has come since."""
    closed_by: bytes = b""
    """What it says, see `settlement_known.judged_by`."""
    kept_seq: int = -1
    """The head at which a cut found that the chain is not finished: only another one may be."""


class ChainFold(Remembers):
    """What the chains of a deployment do (see `streams.ports.Fold`), all of them kept in memory;
    `processors.closing` lets go of the finished ones. `timeline` names this deployment's time;
    `secrets` are those of HMAC keys, by kid.
    """

    version = FOLD_VERSION

    def __init__(self, timeline: str, secrets: Mapping[str, bytes] | None = None) -> None:
        super().__init__()
        self._timeline, self._secrets = timeline, secrets or {}

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
            case WriterSchema():
                return self._schema(state, item, message, now)
            case Control():
                sources = sources_of(message) or state.sources
                register = learned(state.register, message)
                emit = self._emitter(state, now)
                emit.take("CONTROL", item)
                count = f"control_{message.kind.lower()}"
                return _finish(state, emit, count, sources=sources, register=register)
            case _:
                raise RecordError(Code.BAD_VALUE, "", f"{type(message).__name__} is not an input")

    def _fact(self, state: ChainState, item: Input, now: int) -> Step[ChainState]:
        taken = take(state.twin, item)
        if taken.verdict == "DUPLICATE":
            return Step(state=state, counts=("duplicates",))
        emit = self._emitter(state, now)
        seq = emit.take("FACT", item)
        emit.report(taken)
        counts = (*taken.counts, *told_of(taken.twin, state.book, item, emit.derive))
        rules = self._packs.at(item.record.partition)
        footprints = carbon.follow(state.footprints, taken, rules, emit.derive)
        state = msgspec.structs.replace(
            state,
            head=emit.head,
            index=emit.index,
            twin=taken.twin,
            footprints=footprints,
            taken_at=now,
            touched=state.touched or item.under is not None or bears(state.book, taken),
            recent=snapshots.remember(state.recent, seq, taken),
        )
        return Step(state=state, entries=emit.entries, outputs=emit.outputs, counts=counts)

    def _ordered(
        self, state: ChainState, item: Input, message: Ordered, now: int
    ) -> Step[ChainState]:
        at = max(now, item.record.arrival)
        match message:
            case Contract():
                signed = signing_of(item)
                outcome = settlement.agree(state.book, message, item.content_hash, at, signed)
            case Receipt():
                outcome = settlement.receipt(state.book, message, item.content_hash, at)
            case Review():
                known = known_at(state.book, state.twin, item, message, state.footprints)
                told = (item.content_hash, at, known, item.record.arrival)
                outcome = settlement.review(state.book, state.twin, message, *told)
            case _:
                assert_never(message)
        if outcome.verdict == "DUPLICATE":
            return Step(state=state, counts=("duplicates",))
        emit = self._emitter(state, now)
        seq = emit.take("INPUT", item)
        settlement_report.report(emit, outcome.alarms)
        settlement_report.decided(emit, outcome.transitions, (state.chain_id, seq))
        return _finish(
            state,
            emit,
            f"inputs_{outcome.verdict.lower()}",
            book=outcome.book,
            claims_of=_claims_of(state, outcome.book),
            last_input=Cause(seq=seq, message=message),
        )

    def admit(self, control: ChainState, item: Input) -> Input:
        """`item` as the policy in force takes it, with the register in force if it is signed.
        Raises RecordError when its source may not speak here.
        """
        return under(admitted(control.sources, item), control.register, self._secrets)

    def refused(
        self, state: ChainState, record: Record, error: RecordError, now: int
    ) -> Step[ChainState] | None:
        """A record under this chain's key went to the quarantine: its open claims are held, or
        those of the contract that it is yet to have. None when that changes nothing.
        """
        hears = settlement.live(state.book) or remembered.hears(state.book, record.topic)
        if not hears or state.chain_id.startswith("@"):
            return None
        return self.step(state, refusal.told(state.chain_id, record, error, now), now)

    def _schema(
        self, state: ChainState, item: Input, found: WriterSchema, now: int
    ) -> Step[ChainState]:
        """Journalled once, before the first entry of this partition number that needs it."""
        known = state.schemas.get(found.fingerprint)
        if known is None:
            self._foreign.learn(item.record.partition, found)
            emit = self._emitter(state, now)
            emit.take("CONTROL", item)
            schemas = state.schemas.set(found.fingerprint, found.text)
            return _finish(state, emit, "control_schema", schemas=schemas)
        if known != found.text:
            name = f"{found.fingerprint:016x}"
            raise RecordError(Code.UNKNOWN_SCHEMA, "", f"two schemas have the fingerprint {name}")
        return Step(state=state)

    def due(self, state: ChainState) -> int | Due | None:
        """When a cut may change something here."""
        agenda = Due.NEXT if state.touched else settlement.due(state.book)
        return Due.NEXT if agenda == "NEXT" else agenda

    def rouse(self, state: ChainState) -> ChainState:
        """The same chain, due at the next cut."""
        return state if state.touched else msgspec.structs.replace(state, touched=True)

    def decide(
        self, state: ChainState, tick: int, control: ChainState | None = None
    ) -> Step[ChainState]:
        """What follows at a cut at `tick` from the whole set of facts. `control` is the control
        chain as it stands there: by its register signed facts count (`signed_facts_counted`).
        """
        register = control.register if control else None
        known = known_of(state.book, state.twin, register, state.footprints)
        book, transitions = settlement.cut(state.book, state.twin, tick, known)
        emit = self._emitter(state, tick)
        settlement_report.decided(emit, transitions, None)
        if emit.entries:
            state = msgspec.structs.replace(state, head=emit.head, index=emit.index, taken_at=tick)
        state = msgspec.structs.replace(state, book=book, touched=False)
        return Step(state=state, entries=emit.entries, outputs=emit.outputs)

    def restate(
        self, state: ChainState, said: Control, now: int, control: ChainState
    ) -> Step[ChainState]:
        """Mark what a newer fold, or other packs of factors, say otherwise; `said` names which and
        when (META). `control` is the control chain as it stands there.
        """
        emit = self._emitter(state, now)
        emit.restate(codec.encode(CONTROL, said))
        if restatement.is_of_fold(said):
            known = known_of(state.book, state.twin, control.register, state.footprints)
            alarms = restatement.alarms(state.book, state.twin, now, known, FOLD_VERSION)
            settlement_report.report(emit, alarms)
        partition = partition_of_control(control.chain_id)
        self._packs.learn(partition, NEWEST - 1, rules_of(said))
        rules = self._packs.at(partition)
        changes = restatement.changes(state, said, rules, NEWEST - 1)
        return _finish(state, emit, "restated", **changes)

    def close(
        self, state: ChainState, now: int, control: ChainState | None = None
    ) -> Step[ChainState]:
        """The CLOSED entry; `processors.closing` says when, and what is left in memory."""
        emit = self._emitter(state, now)
        said = judged_by(state.book, state.twin, control.register if control else None)
        closed = {"closed_seq": emit.close(said), "closed_by": said}
        return _finish(state, emit, "closed", touched=False, **closed)

    def publish(self, before: ChainState, after: ChainState) -> Sequence[Output]:
        """Latest-value records of the subjects that changed."""
        return snapshots.records(before, after, fold_version=FOLD_VERSION, timeline=self._timeline)

    def restore(self, state: ChainState, record: Record) -> ChainState:
        """Apply one journal record as recorded; no condition is evaluated, nothing is emitted.

        Raises FatalError when its hash chain is broken.
        """
        if not isinstance(record, Replayed):
            (record,) = self.replay([record])
        entry = record.entry
        head = custody.follow(state.head, state.chain_id, entry, record.value or b"")
        state = msgspec.structs.replace(state, head=head, taken_at=entry.taken_at)
        if entry.kind == "DECISION":
            event = codec.decode("settlement.events", entry.body).message
            if not isinstance(event, SettlementEvent):
                raise FatalError(f"{state.chain_id} seq {entry.seq}: DECISION without its record")
            cause = self._cause(state, event)
            book = settlement_apply.apply(state.book, event, cause, state.twin)
            return msgspec.structs.replace(state, book=book, touched=True)
        item = record.item
        if entry.kind == "CONTROL":
            return self._controlled(state, entry, item, record)
        if entry.kind == "CLOSED":
            closed = {"closed_seq": entry.seq, "closed_by": entry.body}
            return msgspec.structs.replace(state, touched=True, **closed)
        if entry.kind == "FACT" and item is not None:
            taken = take(state.twin, item)
            rules = self._packs.at(record.partition, record.offset, entry.taken_at)
            footprints = carbon.follow(state.footprints, taken, rules, silent)
            return msgspec.structs.replace(
                state, twin=taken.twin, footprints=footprints, recent=(), touched=True
            )
        if item is None or not isinstance(item.message, Contract | Receipt | Review):
            raise FatalError(
                f"{state.chain_id} seq {entry.seq}: {entry.kind} of an unknown message"
            )
        book = settlement_apply.noted(
            state.book, item.message, item.content_hash, item.record.arrival
        )
        return msgspec.structs.replace(
            state,
            book=book,
            claims_of=_claims_of(state, book),
            last_input=Cause(seq=entry.seq, message=item.message),
            touched=True,
        )

    def _controlled(
        self, state: ChainState, entry: JournalEntry, item: Input | None, record: Record
    ) -> ChainState:
        """A control record, or (without one) a restatement."""
        if item is None:
            said = codec.decode(CONTROL, entry.body).message
            assert isinstance(said, Control)
            self._packs.learn(record.partition, record.offset, rules_in(entry))
            rules = self._packs.at(record.partition, record.offset + 1, entry.taken_at)
            changes = restatement.changes(state, said, rules, record.offset)
            return msgspec.structs.replace(state, touched=True, **changes)
        if isinstance(item.message, WriterSchema):
            found = item.message
            schemas = state.schemas.set(found.fingerprint, found.text)
            return msgspec.structs.replace(state, schemas=schemas)
        assert isinstance(item.message, Control)
        sources = sources_of(item.message) or state.sources
        register = recorded(state.register, item.message)
        return msgspec.structs.replace(state, sources=sources, register=register)

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


def canonical(state: ChainState) -> bytes:
    """The canonical state as JSON bytes: the twin without its history (records.md, "Canonical
    state").
    """
    whole = {
        "chain_id": state.chain_id,
        "twin": canonical_twin(state.twin),
        "footprints": carbon.canonical(state.footprints),
        "settlement": settlement_report.canonical(state.book),
    }
    return msgspec.json.encode(whole, order="deterministic")


def canonical_hash(state: ChainState) -> str:
    """Hex SHA-256 of the canonical state."""
    return hashlib.sha256(canonical(state)).hexdigest()


def _finish(state: ChainState, emit: Emitter, count: str, **changes: Any) -> Step[ChainState]:
    changes = {"touched": True, **changes}
    state = msgspec.structs.replace(
        state, head=emit.head, index=emit.index, taken_at=emit.taken_at, **changes
    )
    return Step(state=state, entries=emit.entries, outputs=emit.outputs, counts=(count,))


def _claims_of(state: ChainState, book: Book) -> Map[str, tuple[str, ...]]:
    """The claims by consignment under `book`, which follows that of `state`."""
    return state.claims_of if book.terms is state.book.terms else snapshots.claims_of(book)
