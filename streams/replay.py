"""The journal of one partition number, folded into its store."""

from collections.abc import Sequence
from typing import Generic

from supplytwin.schemas.flow import Asleep, Record
from supplytwin.streams.history import History
from supplytwin.streams.ports import State
from supplytwin.streams.rousing import outdated
from supplytwin.streams.store import Store


class Replay(Generic[State]):
    """Folds journal records into `store`, which is whole again after `finish`.

    `position`: behind the last record folded, or behind what is known to be none. What the store
    held before stands for everything before the first position.
    """

    def __init__(self, store: Store[State], position: int, control_topic: str) -> None:
        self.store, self.position = store, position
        self.entries = 0
        self.version: str | None = None
        """The fold that took the last entry read."""
        self._control = control_topic
        self._changed: dict[str, State] = {}
        store.states.find(store.control)  # unpacked: its fold may need it to read what comes

    def take(self, records: Sequence[Record]) -> None:
        """Apply the next records, in order. FatalError when one does not fit what came before."""
        store, changed = self.store, self._changed
        fold = store.fold
        touched = set[str]()
        for record in fold.replay(records):
            entry = record.entry
            key = entry.chain_id
            state = changed.get(key)
            if state is None:
                state = store.states.find(key)
            changed[key] = fold.restore(fold.new(key) if state is None else state, record)
            touched.add(key)
            store.places.note(key, record.offset, entry.hash)
            self.version = entry.fold_version
            store.now = max(store.now, entry.taken_at)
            if entry.source_topic == self._control and entry.source_offset is not None:
                store.control_next = max(store.control_next, entry.source_offset + 1)
        for key in touched:
            changed[key] = fold.rest(changed[key])
        self.entries += len(records)
        if records:
            self.position = records[-1].offset + 1

    def put(self) -> None:
        """What was taken so far is in the store, but for chains that have to wake."""
        self._changed, changed = {}, self._changed
        self.store.put(changed)

    def finish(self, history: History) -> None:
        """Everything has been taken: the store is what it was when the last entry was written.

        Chains that were told something after they had been closed are read again, from their first
        entry on. Raises TransientError when that cannot be done now.
        """
        self.put()
        store, fold = self.store, self.store.fold
        store.places.next = max(store.places.next, self.position)
        restless = [
            key
            for key, state in store.states.raw.items()
            if isinstance(state, Asleep) and not state.resting
        ]
        restless += outdated(store, store.states.find(store.control) or fold.new(store.control))
        store.put(wake(store, history, restless))


def wake(store: Store[State], history: History, keys: Sequence[str]) -> dict[str, State]:
    """What these Asleep states of the store were, read from the journal; the store is unchanged."""
    if not keys:
        return {}
    found = history.entries(store.number, {key: store.places.offsets(key) for key in keys})
    return {key: store.fold.wake(store.states[key], store.fold.replay(found[key])) for key in keys}
