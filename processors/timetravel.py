"""A twin as it was true at one time, by what was known at another.

*Known at K*: the facts whose record arrived by K. Arrival is the Kafka timestamp of the record in
its supply topic: it is the only time that the sources cannot choose and that no run of ours can
change. `taken_at`, the tick at which a worker took it, would say how busy the worker was: a restart
or another partition count moves it, and a decision was taken on what had arrived.

*As of T*: of these facts the ACTUAL ones that had happened by T (`since`). What is PLANNED or
ESTIMATED speaks of later and moves nothing; it counts when it is known, whatever T. So does every
correction: that something was wrong is true at all times. It is shown as soon as one of the
contents of an identity had happened, also when they are in conflict.

Decisions about money are no facts about the goods: T does not bound them, K does (`known`).
"""

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from supplytwin.processors.chain import ChainFold, ChainState
from supplytwin.processors.custody import Head
from supplytwin.processors.facts import Slot
from supplytwin.processors.twin import Twin, without
from supplytwin.schemas import localtime
from supplytwin.schemas.events import Event
from supplytwin.schemas.replay import Replayed

ALWAYS = -(1 << 62)
"""Before all times."""
NEVER = 1 << 62
"""After all times."""


def happened_from(event: Event) -> int:
    """From when on an ACTUAL event has happened, us UTC: a DAY event from the start of its local
    date.
    """
    if event.time_precision == "DAY":
        day = localtime.local_day(event.event_time, event.event_tz)
        return localtime.day_start(day, event.event_tz)
    return event.event_time


def since(slot: Slot) -> int:
    """From which T on the slot counts; ALWAYS when it speaks of what is to come."""
    return min(
        happened_from(event) if event.classifier == "ACTUAL" else ALWAYS for event in slot.contents
    )


def as_of(twin: Twin, moment: int) -> Twin:
    """The twin of what had happened by `moment`, us UTC."""
    later = [slot for slot in twin.facts.every() if since(slot) > moment]
    return without(twin, later)[0]


def known(entries: Iterable[Replayed], moment: int) -> Iterator[Replayed]:
    """The journal entries of one chain, in order, that were known at `moment`, us UTC.

    Facts by their arrival. All others are what this system has decided, in its own order: they end
    before the first input that arrived later, or decision of a later tick.
    """
    later = False
    for one in entries:
        entry = one.entry
        if entry.kind == "FACT":
            if entry.arrival is not None and entry.arrival <= moment:
                yield one
            continue
        at = entry.arrival if entry.kind == "INPUT" else entry.taken_at
        later = later or (at or 0) > moment
        if not later:
            yield one


def restored(fold: ChainFold, chain_id: str, entries: Iterable[Replayed]) -> ChainState:
    """The state after these entries of a chain, however many between them are left out.

    Each must be sound in itself: FatalError otherwise.
    """
    state = fold.new(chain_id)
    for one in entries:
        before = Head(seq=one.entry.seq - 1, hash=one.entry.prev_hash)
        state = fold.restore(replace(state, head=before), one)
    return state
