"""The states of one partition number, who of them is due when, and the overlay of one batch."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Generic

import structlog

from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.flow import Asleep, Due, Header, Input, Output, Record, Step
from supplytwin.schemas.ids import control_key
from supplytwin.streams.consume import Item, defect, reraise_unless_defect
from supplytwin.streams.observe import trace
from supplytwin.streams.places import Places
from supplytwin.streams.ports import Fold, State
from supplytwin.streams.quarantine import Limits, Policy, Write, quarantined
from supplytwin.streams.states import States

log = structlog.get_logger("supplytwin.engine")

TRACE = frozenset(("traceparent", "tracestate"))
"""Headers of W3C Trace Context."""
AT_NEXT_CUT = -(1 << 62)
"""Due.NEXT as a time: before every tick."""


class Store(Generic[State]):
    """What is committed: one state for each chain, and a heap of the times at which they are due.

    `now` is the last tick handled; `control_next` is behind the last control record folded, which
    the committed offset is not while an earlier tick is not handled.
    """

    def __init__(self, number: int, fold: Fold[State]) -> None:
        self.number = number
        self.fold = fold
        self.control = control_key(number)
        self.states = States(fold)
        self.asleep = 0
        """How many of them are Asleep."""
        self.places = Places()
        self.now = 0
        self.control_next = 0
        self.resting = set[str]()
        """Whose decisions may rest on what control records say."""
        self.dozing = set[str]()
        """Those of them that are Asleep."""
        self.heard: object = None
        """What these had said at the last cut; None at the first: whose rest on it are due then."""
        self.due_times: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def due_time(self, key: str, state: State) -> int | None:
        """When `state` wants a decision; never when the fold raises: fail closed."""
        try:
            due = self.fold.due(state)
        except BaseException as error:
            reraise_unless_defect(error)
            log.error("due failed, the chain is not decided", chain_id=key, error=repr(error))
            return None
        return AT_NEXT_CUT if due is Due.NEXT else due

    def due(self, tick: int) -> set[str]:
        """Who is due at `tick`; nobody is removed, the heap is walked from its top."""
        found: set[str] = set()  # a time that comes back has two places in the heap
        reach = [0]
        while reach:
            place = reach.pop()
            if place < len(self._heap) and self._heap[place][0] <= tick:
                time, key = self._heap[place]
                if self.due_times.get(key) == time:
                    found.add(key)
                reach += (2 * place + 1, 2 * place + 2)
        return found

    def put(self, states: Mapping[str, State]) -> None:
        """`states` are true from now on, and due when the fold says."""
        for key, state in states.items():
            asleep, rests = isinstance(state, Asleep), self.fold.rests(state)
            self.asleep += asleep - isinstance(self.states.find(key), Asleep)
            self.states[key] = state
            (self.resting.add if rests and not asleep else self.resting.discard)(key)
            (self.dozing.add if rests and asleep else self.dozing.discard)(key)
            self.set_due(key, self.due_time(key, state))
        if len(self._heap) > 2 * len(self.due_times) + 64:
            self._heap = sorted((time, key) for key, time in self.due_times.items())

    def set_due(self, key: str, due: int | None) -> None:
        """`key` wants its decision at `due`."""
        if due == self.due_times.get(key):
            return
        if due is None:
            del self.due_times[key]
        else:
            self.due_times[key] = due
            heapq.heappush(self._heap, (due, key))


class Overlay(Generic[State]):
    """What one batch makes of a store: nothing of it is true before `merge`.

    A record or a decision that raises leaves no trace but its quarantine record, or a count.
    """

    def __init__(
        self, store: Store[State], limits: Limits, quarantine: str, policy: Policy | None = None
    ) -> None:
        self.store = store
        self.fold = store.fold
        self.changed: dict[str, State] = {}
        self.now = store.now
        self.control_next = store.control_next
        self.heard = store.heard
        self.writes: list[Write] = []
        """For the partition of the store's number."""
        self.entries: list[Output] = []
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self._limits = limits
        self._quarantine = quarantine
        self._policy = policy or Policy()

    def state(self, key: str) -> State:
        found = self.changed.get(key)
        if found is None:
            found = self.store.states.find(key)
        return self.fold.new(key) if found is None else found

    def take(self, item: Item) -> bool:
        """Fold one record, or quarantine it: then false."""
        found = item.result
        if isinstance(found, RecordError):
            self.refuse(item.record, found)
            return False
        before = found.before
        if before is not None and not self.take(Item(item.record, before, item.at)):
            return False
        try:
            found = self.fold.admit(self.state(self.store.control), found)
            step = self.fold.step(self.state(found.key), found, self.now)
            self.apply(found.key, step, _traced(item.record))
        except RecordError as error:
            self.refuse(item.record, error)
        except BaseException as error:
            reraise_unless_defect(error)
            log.error("the fold raised", **_place(item), trace=trace(error))
            self.refuse(item.record, defect(error))
        else:
            return True
        return False

    def apply(self, key: str, step: Step[State], headers: tuple[Header, ...] = ()) -> None:
        """What `step` did is part of this batch; its records get these headers, too.

        Raises RecordError(TOO_LARGE), and nothing of it is, when a record cannot be written.
        """
        writes = self._limits.writes((*step.entries, *step.outputs), headers)
        if key in self.changed or step.state is not self.store.states.find(key):
            self.changed[key] = step.state
        self.entries += step.entries
        self.writes += writes
        if step.counts:
            self.counts.update(step.counts)

    def refuse(self, record: Record, error: RecordError) -> None:
        """`record` goes to the quarantine, with its bytes unless they are too large."""
        key, value = quarantined(record, error, self._limits)
        self.writes.append(Write(self._quarantine, key, value, ()))
        self.refusals[error.code] += 1
        self._policy.refused(record, error)
        self._warn(record, error)

    def _warn(self, record: Record, error: RecordError) -> None:
        """The chain under whose key the record came, if there is one, hears of it."""
        key = record.chain
        if key not in self.changed and key not in self.store.states:
            return
        try:
            step = self.fold.refused(self.state(key), record, error, self.now)
            if step is not None:
                self.apply(key, step)
        except BaseException as failure:
            reraise_unless_defect(failure)
            log.error("the fold raised", chain_id=key, trace=trace(failure))

    def due(self, tick: int) -> list[str]:
        """Chains due at `tick`, sorted, so that every run decides in the same order."""
        told = self.fold.told(self.state(self.store.control))
        if told is not self.heard and told != self.heard:
            self.heard = told
            self.changed |= {key: self.fold.rouse(self.state(key)) for key in self.store.resting}
        found = [key for key in self.store.due(tick) if key not in self.changed]
        found += [key for key, state in self.changed.items() if self.is_due(key, state, tick)]
        return sorted(key for key in found if key != self.store.control)

    def is_due(self, key: str, state: State, tick: int) -> bool:
        due = self.store.due_time(key, state)
        return due is not None and due <= tick

    def decision(self, key: str, state: State, tick: int) -> Step[State] | None:
        """What the fold decides; None when it raises: the chain stays as it is, and due."""
        try:
            step = self.fold.decide(state, tick, self.state(self.store.control))
            self._limits.writes((*step.entries, *step.outputs))  # to be applied, or postponed
        except BaseException as error:
            reraise_unless_defect(error)
            log.error("decide failed, the chain is left as it is", chain_id=key, trace=trace(error))
            self.counts["decide_failed"] += 1
            return None
        return step

    def foresee(self, key: str, coming: Iterable[Input]) -> State:
        """The state of `key` as it will be with `coming` folded too; nothing is kept of it."""
        state, control = self.state(key), self.state(self.store.control)
        for item in coming:
            try:
                state = self.fold.step(state, self.fold.admit(control, item), self.now).state
            except BaseException as error:
                reraise_unless_defect(error)
        return state

    def publish(self) -> None:
        """Latest-value records of every chain that this batch changed. Called once, at its end."""
        for key, after in self.changed.items():
            before = self.store.states.find(key)
            try:
                outputs = self.fold.publish(self.fold.new(key) if before is None else before, after)
                self.writes += self._limits.writes(outputs)
            except BaseException as error:
                reraise_unless_defect(error)
                log.error("publish failed, the view is stale", chain_id=key, trace=trace(error))
                self.counts["publish_failed"] += 1

    def merge(self) -> None:
        """The transaction is committed: all of this is true now."""
        self.store.put(self.changed)
        self.store.places.wrote(self.entries)
        self.store.now = self.now
        self.store.control_next = self.control_next
        self.store.heard = self.heard


def _place(item: Item) -> dict[str, object]:
    record = item.record
    key = (record.key or b"").decode(errors="replace")
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset,
            "chain_id": key}  # fmt: skip


def _traced(record: Record) -> tuple[Header, ...]:
    """The W3C trace context of an input, for everything that it leads to."""
    if not record.headers:
        return ()
    return tuple(header for header in record.headers if header[0] in TRACE)
