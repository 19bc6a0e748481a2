"""The two ports of the engine: a broker (Kafka, or the one in memory), and a fold (what follows
from the records).

Every implementation of Broker passes the one contract suite in `tests/contract`. Errors cross this
port only as TransientError, AbortError or FatalError of `schemas.errors`, classified by the flags
of the client's error, and as UsageError for what the broker does not allow this client to do.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

from msgspec import Struct

from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.flow import Due, Header, Input, Output, Record, Step
from supplytwin.schemas.replay import Replayed


class TopicPartition(NamedTuple):
    topic: str
    partition: int


Offsets = Mapping[TopicPartition, int]
Isolation = Literal["read_committed", "read_uncommitted"]


class Eof(NamedTuple):
    """Nothing more can be read: `offset` is behind every readable record and transaction marker.

    Not: nothing more was appended. An open transaction may begin at `offset`.
    """

    topic: str
    partition: int
    offset: int


class OnRebalance(Protocol):
    def __call__(self, partitions: Sequence[TopicPartition]) -> None: ...


class Consumer(Protocol):
    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: OnRebalance,
        on_revoke: OnRebalance,
        on_lost: OnRebalance,
    ) -> None:
        """Join the group. Callbacks run inside `consume`; the engine calls `assign` itself."""

    def assign(self, offsets: Offsets) -> None:
        """Read exactly these partitions from these offsets; replaces what was assigned."""

    def unassign(self) -> None: ...

    def consume(self, count: int, timeout_s: float) -> list[Record | Eof]:
        """At most `count` records and ends of partitions; returns as soon as there is something
        (see DESIGN §8).
        """

    def seek(self, offsets: Offsets) -> None: ...

    def committed(
        self, partitions: Sequence[TopicPartition], timeout_s: float
    ) -> dict[TopicPartition, int | None]:
        """Stable committed offsets of the group (waits for a pending transaction); None = never
        committed.
        """

    def commit(self, offsets: Offsets) -> None:
        """Commit synchronously, outside any transaction."""

    def ends(self, partition: TopicPartition) -> tuple[int, int]:
        """(earliest offset, last stable offset), asked of the broker."""

    def close(self) -> None: ...


class Producer(Protocol):
    """Transactional unless opened without an id; then only `produce` and `flush` may be used."""

    def init(self, timeout_s: float) -> None:
        """Fence and abort whatever held this transactional id before."""

    def begin(self) -> None: ...

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Sequence[Header] = (),
        timestamp_us: int | None = None,
    ) -> None:
        """Queue one record. partition None = murmur2 of the key. The timestamp has millisecond
        resolution in Kafka.
        """

    def send_offsets(self, offsets: Offsets, consumer: Consumer) -> None:
        """Add the next offsets of `consumer`'s group, with fresh group metadata."""

    def commit(self) -> None: ...

    def abort(self) -> None: ...

    def flush(self) -> None:
        """Wait until everything queued is acknowledged; raises if a delivery failed."""

    def close(self) -> None: ...


class TopicSpec(Struct, frozen=True, kw_only=True):
    """What a topic must be; see `streams.topics`."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str]


class Admin(Protocol):
    def names(self) -> frozenset[str]:
        """Of every topic that this client may know of."""

    def topics(self) -> dict[str, TopicSpec]:
        """Every topic of the cluster with its effective configuration."""

    def create(self, specs: Sequence[TopicSpec]) -> None: ...

    def ends(
        self, partitions: Sequence[TopicPartition], isolation: Isolation
    ) -> dict[TopicPartition, int]:
        """End offsets: of the log (read_uncommitted), or the last stable ones (read_committed)."""

    def begins(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]: ...

    def committed(
        self, group: str, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, int | None]:
        """Committed offsets of any group."""

    def commit(self, group: str, offsets: Offsets) -> None:
        """Set the offsets of a group that has no live member (`init`, `offsets restore`)."""

    def close(self) -> None: ...


class Broker(Protocol):
    kind: str
    """kafka | memory"""
    address: str
    """host:port, or "in this process"."""

    def version(self) -> str: ...

    def consumer(
        self,
        group: str | None,
        *,
        isolation: Isolation = "read_committed",
        instance_id: str | None = None,
        from_start: bool = False,
    ) -> Consumer:
        """group None = only assign(). A missing offset is an error unless `from_start`."""

    def producer(self, transactional_id: str | None) -> Producer: ...

    def admin(self) -> Admin: ...

    def close(self) -> None: ...


State = TypeVar("State")


class Fold(Protocol[State]):
    """A pure function over the records of one key. `now` = the last tick time handled on this
    partition number.
    """

    version: str

    def new(self, key: str) -> State: ...

    def step(self, state: State, item: Input, now: int) -> Step[State]:
        """Take one input. Raises RecordError for a refusal that belongs into the quarantine."""

    def admit(self, control: State, item: Input) -> Input:
        """`item` as it is taken under the control records so far. RecordError: it is not."""

    def refused(
        self, state: State, record: Record, error: RecordError, now: int
    ) -> Step[State] | None:
        """What follows for a known key from a record under it that was refused; None = nothing."""

    def due(self, state: State) -> int | Due | None:
        """The tick time at which this state wants a decision (pure, rebuilt at restore)."""

    def told(self, control: State) -> object:
        """What control records have said so far on which decisions about other states rest."""

    def rests(self, state: State) -> bool:
        """Whether a decision about this state may rest on that."""

    def rouse(self, state: State) -> State:
        """The same state, due at the next cut: what is told is another than it was."""

    def decide(self, state: State, tick: int, control: State | None = None) -> Step[State]:
        """What follows at a cut at `tick` from everything taken so far, under the control records
        so far.
        """

    def publish(self, before: State, after: State) -> Sequence[Output]:
        """Latest-value records of what changed between two commits."""

    def replay(self, records: Sequence[Record]) -> Sequence[Replayed]:
        """Journal records as `restore` takes them, decoded together. FatalError when unreadable."""

    def restore(self, state: State, entry: Record, /) -> State:
        """Apply one journal record as recorded. Raises FatalError when its hash chain is broken."""

    # What follows bounds memory and restart time. `keeping.KeepsAll` has all of it for a fold whose
    # states stay in memory.

    def close(self, state: State, now: int, control: State | None = None) -> Step[State] | None:
        """End this state early because memory is short, if it can be ended; else None. It has been
        decided under the control records of `control`.
        """

    def rest(self, state: State) -> State:
        """As little as memory has to hold of it: an Asleep, or `state`."""

    def late(self, state: State, item: Input) -> bool:
        """Whether an Asleep state has to wake for `item`: false when `step` can take it."""

    def outdated(self, state: State, control: State) -> bool:
        """Whether an Asleep state has to wake for what control records say by now."""

    def wake(self, state: State, entries: Sequence[Replayed]) -> State:
        """What an Asleep state was, from all its journal entries. FatalError: not from these."""

    @property
    def form(self) -> str:
        """Names what `freeze` writes: bytes of another form are not thawed. "" = cannot freeze."""

    def freeze(self, state: State) -> bytes:
        """A state as bytes. Raises ValueError for one that cannot be frozen."""

    def thaw(self, data: bytes) -> State:
        """The state that was frozen. Raises ValueError when that is not what `data` is."""


class Lenient(Generic[State]):
    """For folds that admit every input, and to which neither refused records nor control records
    mean anything.
    """

    def admit(self, control: State, item: Input) -> Input:
        """See Fold."""
        return item

    def refused(
        self, state: State, record: Record, error: RecordError, now: int
    ) -> Step[State] | None:
        """See Fold."""
        return None

    def told(self, control: State) -> object:
        """See Fold."""
        return None

    def rests(self, state: State) -> bool:
        """See Fold."""
        return False

    def rouse(self, state: State) -> State:
        """See Fold."""
        return state


Decode = Callable[[Sequence[Record], int], "list[Input | RecordError]"]
"""Decode a batch (in order, one result each); the second argument is the partition count, for the
placement check.
"""
