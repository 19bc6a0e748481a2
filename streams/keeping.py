"""The part of a fold that bounds memory, for a fold that keeps every state in memory."""

from collections.abc import Sequence

from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.flow import Input, Record, Step
from supplytwin.schemas.replay import Replayed, read
from supplytwin.streams.ports import Lenient, State


class KeepsAll(Lenient[State]):
    """To inherit from: no state ever sleeps, and there are no snapshots (see `ports.Fold`)."""

    form = ""

    def replay(self, records: Sequence[Record]) -> Sequence[Replayed]:
        return read(records)

    def close(self, state: State, now: int, control: State | None = None) -> Step[State] | None:
        return None

    def rest(self, state: State) -> State:
        return state

    def late(self, state: State, item: Input) -> bool:
        return False

    def outdated(self, state: State, control: State) -> bool:
        return False

    def wake(self, state: State, entries: Sequence[Replayed]) -> State:
        raise FatalError("no state of this fold sleeps")

    def freeze(self, state: State) -> bytes:
        raise ValueError("this fold cannot freeze")

    def thaw(self, data: bytes) -> State:
        raise ValueError("this fold cannot freeze")
