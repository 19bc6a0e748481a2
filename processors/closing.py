"""Chains that are finished leave memory: a CLOSED entry ends them until something new is told.

A chain is finished when every claim has ended and has no open release, every lifecycle stands where
goods stay, no hold is open, and neither time nor a fact that is ahead can change anything. It is
closed at the first cut that is N days of tick time later than its last entry. What is left of it,
`Closed`, knows what a duplicate is; whatever else comes, the chain is opened again from its journal
first. So a closed chain decides exactly as if it had never left: the same contract, contradicted or
repeated, meets the claims that it made, and no settlement can be minted twice.

Closing is a matter of memory, never of meaning: the canonical state does not know it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from supplytwin.processors import custody, refusal, settlement, settlement_known
from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.freezing import Form
from supplytwin.processors.remembered import PLACES_MAX
from supplytwin.processors.settlement_apply import input_key
from supplytwin.processors.settlement_known import judged_by
from supplytwin.processors.settlement_memory import Memory
from supplytwin.processors.settlement_state import ABSORBING
from supplytwin.processors.signed import Signed, place
from supplytwin.processors.signed_facts import signatures
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.schemas import codec
from supplytwin.schemas.condition import CONDITIONS
from supplytwin.schemas.errors import FatalError, RecordError
from supplytwin.schemas.events import EVENT_TYPES, Event
from supplytwin.schemas.flow import Asleep, Due, Input, Output, Record, Step
from supplytwin.schemas.machines import CONSIGNMENT, MACHINES
from supplytwin.schemas.records import Contract, Instruction, Receipt, Review, SettlementEvent
from supplytwin.schemas.replay import Replayed

DIGEST_LEN = 16
"""Bytes by which a closed chain knows what it has taken: none can be forged to pass for it."""


class Closed(Asleep, frozen=True, kw_only=True, gc=False):
    """What is left in memory of a chain that is closed."""

    chain_id: str
    head: custody.Head
    known: bytes = b""
    """Digests, sorted: of each fact identity, revision and content, and of each ordered input."""
    latest: int = 0
    """No fact has arrived later, us: a copy that arrived before may have something to tell."""
    settlements: tuple[str, ...] = ()
    """Settlement ids, sorted."""
    judged: bytes = b""
    """By which keys it was decided last, see `settlement_known.judged_by`."""
    refused: int = 0
    """How often it was told of a refused record since it was closed, or since somebody acted."""


Chain = ChainState | Closed
_FORM = Form((ChainState, Closed, *EVENT_TYPES.values(), *CONDITIONS), blank=(Memory,))


# ---- when a chain is finished


def finished(state: ChainState) -> bool:
    """Whether nothing is open here: as the last cut left it, nobody waits for anything."""
    if state.touched or state.chain_id.startswith("@") or settlement.due(state.book) is not None:
        return False
    claims = state.book.claims.values()
    if any(claim.state not in ABSORBING or claim.release_open for claim in claims):
        return False
    return all(_stays(key, subject) for key, subject in state.twin.subjects.items())


def _stays(key: SubjectKey, subject: Subject) -> bool:
    machine = MACHINES.get(key.subject_type)
    if machine is None:
        return True
    of_lines = key.subject_type == CONSIGNMENT
    state = subject.tally.state if of_lines else subject.value.state
    return not subject.value.holds and (state is None or state in machine.final)


# ---- what is left of it


def _digest(parts: Iterable[str], content: bytes) -> bytes:
    text = "".join(f"{len(part)}:{part}" for part in parts).encode()
    return hashlib.blake2b(text + content, digest_size=DIGEST_LEN).digest()


def _digest_of(item: Input) -> bytes | None:
    """By what an input is known again; None for what is no fact and no ordered input."""
    message = item.message
    match message:
        case Event():
            parts = (message.source, message.event_id, str(message.revision))
            signed = signatures(item, message) if item.record.headers else ()
            return _digest((*parts, *map(_signature, signed)), item.content_hash)
        case Contract() | Receipt() | Review():
            return _digest((input_key(message),), item.content_hash)
        case _:
            return None


def _signature(one: Signed) -> str:
    """A fact is another one when it is signed otherwise."""
    return repr(place(one))


def _digests(state: ChainState) -> Iterator[bytes]:
    for slot in state.twin.facts.every():
        for version in slot.versions:
            parts = (*slot.identity, str(version.revision))
            kinds = ((), *((_signature(one),) for one in version.signed))
            yield from (_digest((*parts, *k), one) for one in version.hashes for k in kinds)
    for key, contents in state.book.inputs.items():
        yield from (_digest((key,), content) for content in contents)


def shrunk(state: ChainState) -> Closed:
    """What stays in memory of a chain whose last entry is CLOSED."""
    slots = state.twin.facts.every()
    return Closed(
        chain_id=state.chain_id,
        head=state.head,
        known=b"".join(sorted(_digests(state))),
        latest=max((version.arrival for slot in slots for version in slot.versions), default=0),
        settlements=tuple(sorted(state.book.claims)),
        judged=state.closed_by,
    )


def _parts(known: bytes) -> set[bytes]:
    return {known[at : at + DIGEST_LEN] for at in range(0, len(known), DIGEST_LEN)}


def _refused_after(state: Closed, record: Replayed) -> int:
    item = record.item
    if item is not None and refusal.is_told(item):
        return state.refused + 1
    acted = item is not None and isinstance(item.message, Review)
    return 0 if acted or record.entry.kind == "CLOSED" else state.refused


def _followed(state: Closed, record: Replayed) -> Closed:
    """A closed chain after one more entry of its journal: it rests again when that is CLOSED."""
    entry, item = record.entry, record.item
    head = custody.follow(state.head, state.chain_id, entry, record.value or b"")
    known, latest, settlements = _parts(state.known), state.latest, set(state.settlements)
    digest = None if item is None else _digest_of(item)
    is_told = item is not None and refusal.is_told(item)
    if item is not None and digest is not None:
        known.add(digest)
        if isinstance(item.message, Event):
            latest = max(latest, item.record.arrival)
    elif entry.kind == "DECISION":
        event = codec.decode("settlement.events", entry.body).message
        if isinstance(event, SettlementEvent):
            settlements.add(event.settlement_id)
    return Closed(
        chain_id=state.chain_id,
        head=head,
        known=b"".join(sorted(known)),
        latest=latest,
        settlements=tuple(sorted(settlements)),
        judged=entry.body if entry.kind == "CLOSED" else state.judged,
        refused=_refused_after(state, record),
        resting=entry.kind == "CLOSED" or (state.resting and is_told),
    )


# ---- the fold


class ClosingFold:
    """`ChainFold` for workers: finished chains leave memory after `close_after_us` of tick time
    without an entry (0 = they never do). See `streams.ports.Fold`.
    """

    version = ChainFold.version
    form = _FORM.name

    def __init__(self, chains: ChainFold, close_after_us: int = 0) -> None:
        self._chains, self._close_after_us = chains, close_after_us

    def new(self, key: str) -> Chain:
        return self._chains.new(key)

    def step(self, state: Chain, item: Input, now: int) -> Step[Chain]:
        if isinstance(state, Closed):
            if not self.late(state, item):
                return Step(state=state, counts=("duplicates",))
            raise FatalError(f"{state.chain_id} is closed: its journal has to be read first")
        return self._chains.step(state, item, now)

    def admit(self, control: Chain, item: Input) -> Input:
        """See `ChainFold.admit`."""
        return self._chains.admit(control, item) if isinstance(control, ChainState) else item

    def refused(
        self, state: Chain, record: Record, error: RecordError, now: int
    ) -> Step[Chain] | None:
        """Open claims are held; a closed chain has none, but may have a contract yet to come."""
        if not isinstance(state, Closed):
            return self._chains.refused(state, record, error, now)
        if state.settlements or state.refused > PLACES_MAX:
            return None
        opened = ChainState(chain_id=state.chain_id, head=state.head)
        step = self._chains.refused(opened, record, error, now)
        if step is None:
            return None
        after = step.state
        known = _parts(state.known).union(_digests(after))
        closed = replace(
            state,
            head=after.head,
            known=b"".join(sorted(known)),
            refused=state.refused + 1,
        )
        return Step(state=closed, entries=step.entries, outputs=step.outputs, counts=step.counts)

    def due(self, state: Chain) -> int | Due | None:
        """When a cut may change something here, or close it."""
        if isinstance(state, Closed):
            return None
        due = self._chains.due(state)
        if due is not None:
            return due
        if state.closed_seq == state.head.seq:
            return Due.NEXT
        return self._close_at(state)

    def _close_at(self, state: ChainState) -> int | None:
        """None: not by age, or not yet known: no tick was handled before its last entry."""
        if not self._close_after_us or not state.taken_at or state.kept_seq == state.head.seq:
            return None
        return state.taken_at + self._close_after_us

    def told(self, control: Chain) -> object:
        """See `ChainFold.told`."""
        return self._chains.told(control) if isinstance(control, ChainState) else None

    def rests(self, state: Chain) -> bool:
        """See `ChainFold.rests`; of what is closed, whether what is paid may be kept."""
        return self._chains.rests(state) if isinstance(state, ChainState) else bool(state.judged)

    def outdated(self, state: Chain, control: Chain) -> bool:
        """Whether a closed chain has to be opened: keys on which its payments rest are others."""
        if not isinstance(state, Closed) or not isinstance(control, ChainState):
            return False
        return settlement_known.outdated(state.judged, control.register)

    def rouse(self, state: Chain) -> Chain:
        """See `ChainFold.rouse`."""
        return self._chains.rouse(state) if isinstance(state, ChainState) else state

    def decide(self, state: Chain, tick: int, control: Chain | None = None) -> Step[Chain]:
        """What follows at a cut, and whether the chain leaves memory now."""
        if isinstance(state, Closed):
            return Step(state=state)
        known = control if isinstance(control, ChainState) else None
        step = self._chains.decide(state, tick, known)
        after = step.state
        if step.entries or step.outputs:
            return step
        if after.closed_seq == after.head.seq:
            by = judged_by(after.book, after.twin, known.register if known else None)
            return (
                Step(state=shrunk(after))
                if by == after.closed_by
                else self._shut(after, tick, known)
            )
        close_at = self._close_at(after)
        if close_at is None or close_at > tick:
            return step
        return self.close(after, tick, known) or Step(state=replace(after, kept_seq=after.head.seq))

    def close(self, state: Chain, now: int, control: Chain | None = None) -> Step[Chain] | None:
        """The CLOSED entry, if the chain is finished, however short a time ago; else None."""
        if isinstance(state, Closed) or not finished(state):
            return None
        return self._shut(state, now, control if isinstance(control, ChainState) else None)

    def _shut(self, state: ChainState, now: int, control: ChainState | None) -> Step[Chain]:
        step = self._chains.close(state, now, control)
        return Step(state=shrunk(step.state), entries=step.entries, counts=step.counts)

    def publish(self, before: Chain, after: Chain) -> Sequence[Output]:
        """Latest-value records of what changed; closing changes none."""
        if isinstance(before, Closed) or isinstance(after, Closed):
            return ()
        return self._chains.publish(before, after)

    # ---- from the journal

    def replay(self, records: Sequence[Record]) -> list[Replayed]:
        return self._chains.replay(records)

    def restore(self, state: Chain, record: Record) -> Chain:
        """Apply one journal record as recorded. Raises FatalError when its hash chain is broken."""
        if not isinstance(record, Replayed):
            (record,) = self.replay([record])
        if isinstance(state, Closed):
            return _followed(state, record)
        return self._chains.restore(state, record)

    def rest(self, state: Chain) -> Chain:
        """As little as memory has to hold of it."""
        if isinstance(state, Closed) or state.closed_seq != state.head.seq:
            return state
        return shrunk(state)

    def late(self, state: Chain, item: Input) -> bool:
        """Whether a closed chain has to be opened for `item`: it is no mere duplicate."""
        if not isinstance(state, Closed):
            return False
        digest = _digest_of(item)
        if not state.resting or digest is None or digest not in _parts(state.known):
            return True
        return isinstance(item.message, Event) and item.record.arrival < state.latest

    def wake(self, state: Chain, entries: Sequence[Replayed]) -> Chain:
        """The chain that `entries`, all that its journal has, give. FatalError when that is not the
        one that was closed.
        """
        assert isinstance(state, Closed)
        opened = self._chains.new(state.chain_id)
        for record in entries:
            opened = self._chains.restore(opened, record)
        if opened.head != state.head or not {*state.settlements} <= {*opened.book.claims}:
            raise FatalError(
                f"{state.chain_id}: its journal does not give the chain that it closed"
            )
        return opened

    # ---- snapshots

    def freeze(self, state: Chain) -> bytes:
        return _FORM.freeze(state)

    def thaw(self, data: bytes) -> Chain:
        """What was frozen. Raises ValueError when that is not what `data` is."""
        found = _FORM.thaw(data)
        if not isinstance(found, ChainState | Closed):
            raise ValueError(f"a {type(found).__name__} is no chain")
        if isinstance(found, ChainState):
            self._chains.remember(found)
        return found


def gist(step: Step[Chain]) -> object:
    """What a decision says about money: which claim, by which row, to which state, what is
    instructed; and whether it closes the chain.

    Two decisions with one gist are the same decision, wherever they stand in the journal.
    """
    found: list[tuple[object, ...]] = []
    for output in step.outputs:
        message = codec.decode(output.topic, output.value or b"").message
        if isinstance(message, SettlementEvent):
            found.append((message.settlement_id, message.row, message.to_state, message.verdict))
        elif isinstance(message, Instruction):
            found.append((message.settlement_id, message.kind, message.amount_minor))
    return found, isinstance(step.state, Closed)
