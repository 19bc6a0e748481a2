"""The cut of one partition number: how the engine knows that nothing earlier is still coming.

After a tick was consumed the ends of all inputs are asked for twice, the second time when the
first answers are there (leaders do not answer at one instant). Records below the first answers are
folded, those at or beyond them wait. When everything below the second answers has been read, the
tick is handled: what is due is decided over the whole set, and what waited is folded.

This module does no I/O: the worker brings records, ends and answers, and the time.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from supplytwin.schemas.flow import Input, Record, Step
from supplytwin.schemas.records import Control
from supplytwin.streams.consume import Item
from supplytwin.streams.ports import Eof, Offsets, State, TopicPartition
from supplytwin.streams.store import Overlay


class Tick(NamedTuple):
    time: int
    """us"""
    offset: int
    item: Input


class Cut:
    """What has been read of one partition number, which tick is asked about, and what waits for it.

    `next` is the own next offset of each input: last delivered + 1, or the offset of an end of
    partition that came later (transaction markers). Lost with a rebalance or an abort.
    """

    def __init__(self, start: Offsets, control: TopicPartition, *, wait_s: float = 1.0) -> None:
        self.next = dict(start)
        self.control = control
        self.wait_s = wait_s
        self.ticks: list[Tick] = []
        self.asked: Tick | None = None
        self.first: Offsets = {}
        self.second: Offsets = {}
        self.since = 0.0
        """When the present question was first wanted."""
        self.waiting: list[Item] = []
        self.refused: list[Item] = []
        """Control records that are none, behind a tick that is not handled: they are read again
        after a restart, and their quarantine record may be written only once."""
        self.late: set[str] = set()
        """Chains that took a record at or beyond the first answers: it had waited too long."""
        self._moved: dict[TopicPartition, float] = {}
        self._heard: float | None = None

    def passed(self, event: Record | Eof, at: float) -> None:
        """`event` was consumed at `at`."""
        where = TopicPartition(event.topic, event.partition)
        after = event.offset if isinstance(event, Eof) else event.offset + 1
        if after > self.next[where]:
            self.next[where] = after
            self._moved[where] = at

    def expect(self, tick: Tick, at: float) -> None:
        """`tick` is to be handled, later than every one handled so far."""
        if not self.ticks:
            self.since = at
        self._heard = at
        self.ticks.append(tick)

    @property
    def wants_answers(self) -> bool:
        return bool(self.ticks) and self.asked is None

    def answered(self, first: Offsets, second: Offsets) -> None:
        """Both answers came, to a question sent after all that was consumed so far: one cut."""
        self.asked = max(self.ticks, key=lambda tick: tick.time)
        self.first, self.second = first, second

    def sort(self, items: Iterable[Item]) -> list[Item]:
        """Those of `items` that are folded now, in order; the others wait."""
        if self.asked is None:
            return list(items)
        folded = []
        for item in items:
            where = TopicPartition(item.record.topic, item.record.partition)
            if item.record.offset < self.first[where]:
                folded.append(item)
            else:
                self.waiting.append(item)
        return folded

    @property
    def complete(self) -> bool:
        return self.asked is not None and not self.behind()

    def behind(self) -> list[TopicPartition]:
        """The inputs that have not been read up to their second answer."""
        return [where for where, end in self.second.items() if self.next[where] < end]

    def overdue(self, at: float) -> bool:
        """True when a record has waited for too long: then `release`."""
        return bool(self.waiting) and at - self.waiting[0].at > self.wait_s

    def release(self) -> list[Item]:
        """Give up what waits, to be folded. The cut stays, but does not decide these chains."""
        released, self.waiting = self.waiting, []
        self.late.update(map(_key, released))
        return released

    def told(self) -> list[Item]:
        """The control records that wait, to be folded: decisions rest on them, too."""
        waiting, topic = self.waiting, self.control.topic
        self.waiting = [item for item in waiting if item.record.topic != topic]
        return [item for item in waiting if item.record.topic == topic]

    def undecidable(self) -> set[str]:
        """Chains about which something is known to be coming: not decided at this cut."""
        found = set(self.late)
        for item in self.waiting:
            where = TopicPartition(item.record.topic, item.record.partition)
            if isinstance(item.result, Exception) or item.record.offset < self.second[where]:
                found.add(_key(item))
        return found

    def waiting_of(self) -> dict[str, list[Input]]:
        """What waits, by chain."""
        found: dict[str, list[Input]] = {}
        for item in self.waiting:
            if not isinstance(item.result, Exception):
                found.setdefault(item.result.key, []).append(item.result)
        return found

    def close(self, at: float) -> list[Item]:
        """The tick was handled: what waited, to be folded. The ticks up to it are done with."""
        assert self.asked is not None
        handled = self.asked.time
        self.ticks = [tick for tick in self.ticks if tick.time > handled]
        released, self.waiting = self.waiting, []
        self.asked, self.first, self.second, self.late = None, {}, {}, set()
        self.since = at
        refused, self.refused = self.refused, []
        for item in refused:
            (self.refused if self.has_tick_before(item) else released).append(item)
        return released

    def has_tick_before(self, item: Item) -> bool:
        """Whether a control record stands behind a tick that is not handled."""
        return any(tick.offset < item.record.offset for tick in self.ticks)

    def stalled(
        self, at: float, limit_s: float, *, ticks_expected: bool
    ) -> Sequence[TopicPartition]:
        """The inputs that have held up ticks for `limit_s` without moving.

        That includes the control partition itself, where ticks are expected all the time.
        """
        if self._heard is None:
            self._heard = at
        if not self.ticks:
            silent = ticks_expected and at - self._heard > limit_s
            return [self.control] if silent else ()
        if at - self.since <= limit_s:
            return ()
        if self.asked is None:
            return list(self.next)
        moved = self._moved
        return [where for where in self.behind() if at - moved.get(where, self.since) > limit_s]

    def offsets(self) -> dict[TopicPartition, int]:
        """What may be committed: the first record that waits or tick not handled, else `next`."""
        found = dict(self.next)
        for item in self.waiting:
            where = TopicPartition(item.record.topic, item.record.partition)
            found[where] = min(found[where], item.record.offset)
        for tick in self.ticks:
            found[self.control] = min(found[self.control], tick.offset)
        return found


def _key(item: Item) -> str:
    """Its chain; nobody knows whether what cannot be read speaks against it."""
    return item.record.chain if isinstance(item.result, Exception) else item.result.key


Gist = Callable[[Step[State]], object]
"""What a decision says, apart from its place in the journal: equal gists = the same decision."""


def shape(step: Step[State]) -> object:
    """The gist of a fold that offers none: which records, under which keys, and what is counted."""
    records = [(output.topic, output.key) for output in (*step.entries, *step.outputs)]
    return records, sorted(step.counts)


def take(overlay: Overlay[State], cut: Cut, items: Iterable[Item], at: float) -> None:
    """Fold what `items` may be folded now; note the ticks; give up what has waited for too long."""
    for item in cut.sort([item for item in items if not _noted(overlay, cut, item, at)]):
        _fold(overlay, cut, item)
    if cut.overdue(at) and not cut.complete:
        overlay.counts["waited_too_long"] += 1
        for item in cut.release():
            _fold(overlay, cut, item)


def handle(overlay: Overlay[State], cut: Cut, gist: Gist[State], at: float) -> None:
    """The cut is complete: handle its tick, decide what is due, then fold what waited.

    A chain is not decided when a record of it is known to be coming, or when what waits of it would
    change the decision: it is not paid with the hold in hand.
    """
    assert cut.asked is not None
    tick = cut.asked
    for item in cut.told():
        _fold(overlay, cut, item)
    barred, waiting = cut.undecidable(), cut.waiting_of()
    decided = []
    overlay.now = tick.time
    for key in overlay.due(tick.time):
        step = None if key in barred else overlay.decision(key, overlay.state(key), tick.time)
        if step is None or (key in waiting and not _stands(overlay, key, step, waiting[key], gist)):
            overlay.counts["postponed"] += 1
        else:
            decided.append((key, step))
    some = any(step.entries or step.outputs for _, step in decided)
    if some and not overlay.take(Item(tick.item.record, tick.item, at)):
        decided = []  # the tick is journalled before what it led to: it failed, it led to nothing
    for key, step in decided:
        overlay.apply(key, step)
    for item in cut.close(at):
        _fold(overlay, cut, item)


def _stands(
    overlay: Overlay[State], key: str, step: Step[State], coming: Iterable[Input], gist: Gist[State]
) -> bool:
    """True when the decision would be the same with `coming` folded too."""
    foreseen = overlay.foresee(key, coming)
    if not overlay.is_due(key, foreseen, overlay.now):
        return False
    other = overlay.decision(key, foreseen, overlay.now)
    return other is not None and gist(other) == gist(step)


def _noted(overlay: Overlay[State], cut: Cut, item: Item, at: float) -> bool:
    """True when `item` is no record to fold: a tick, or a control record that was folded before.

    (Control records behind a tick that is not handled are folded, but their offsets not committed.)
    """
    if item.record.topic != cut.control.topic:
        return False
    result = item.result
    if isinstance(result, Exception) or not isinstance(result.message, Control):
        if item.record.offset < overlay.control_next:
            return True
        waits = cut.has_tick_before(item)
        if waits:
            cut.refused.append(item)
        return waits
    if result.message.kind != "TICK":
        return item.record.offset < overlay.control_next
    tick = Tick(result.message.tick_time, item.record.offset, result)
    if tick.time <= overlay.now:
        overlay.counts["stale_ticks"] += 1
    else:
        cut.expect(tick, at)
    return True


def _fold(overlay: Overlay[State], cut: Cut, item: Item) -> None:
    overlay.take(item)
    if item.record.topic == cut.control.topic:
        overlay.control_next = max(overlay.control_next, item.record.offset + 1)
