"""The states of one partition number: in work as values, quiet as packed bytes.

Who asks for a packed state gets it unpacked, and it stays so until somebody packs it again: a chain
that is in work costs what its values cost, and one that is not a tenth of that (docs/operations.md
has the table).
"""

import zlib
from collections.abc import Iterator
from typing import Generic

from msgspec import Struct

from supplytwin.schemas.errors import FatalError
from supplytwin.streams.ports import Fold, State

LEVEL = 1
"""Of compression: more takes twice the time for a tenth of the bytes."""


class Packed(Struct, frozen=True, gc=False):
    """A state as its fold freezes it, compressed."""

    data: bytes


class States(Generic[State]):
    """States by chain. `raw` has each as it lies in memory; `packed` counts the packed.

    Values of `raw` are replaced, never changed: a copy of it is what it was.
    """

    def __init__(self, fold: Fold[State]) -> None:
        self._fold = fold
        self.raw: dict[str, State | Packed] = {}
        self.packed = 0

    def find(self, key: str) -> State | None:
        """The state of `key`; None = there is none."""
        found = self.raw.get(key)
        return self._unpacked(key, found) if isinstance(found, Packed) else found

    def peek(self, key: str) -> State:
        """The same; one that is packed stays so."""
        found = self.raw[key]
        return self._thawed(key, found) if isinstance(found, Packed) else found

    def __getitem__(self, key: str) -> State:
        found = self.raw[key]
        return self._unpacked(key, found) if isinstance(found, Packed) else found

    def __setitem__(self, key: str, state: State) -> None:
        self.packed -= isinstance(self.raw.get(key), Packed)
        self.raw[key] = state

    def __delitem__(self, key: str) -> None:
        self.packed -= isinstance(self.raw.pop(key), Packed)

    def __contains__(self, key: object) -> bool:
        return key in self.raw

    def __iter__(self) -> Iterator[str]:
        return iter(self.raw)

    def __len__(self) -> int:
        return len(self.raw)

    def items(self) -> list[tuple[str, State]]:
        """Every state, unpacked: for those who look at a worker that has come to rest."""
        return [(key, self[key]) for key in self.raw]

    def values(self) -> list[State]:
        """As `items`, without the chain ids."""
        return [self[key] for key in self.raw]

    def load(self, key: str, data: bytes) -> None:
        """`key` has this state, frozen and compressed as `pack` does it."""
        self.packed += not isinstance(self.raw.get(key), Packed)
        self.raw[key] = Packed(data)

    def frozen(self, value: State | Packed) -> bytes:
        """A value of `raw` as packed bytes."""
        if isinstance(value, Packed):
            return value.data
        return zlib.compress(self._fold.freeze(value), LEVEL)

    def _unpacked(self, key: str, found: Packed) -> State:
        state = self._thawed(key, found)
        self[key] = state
        return state

    def _thawed(self, key: str, found: Packed) -> State:
        try:
            return self._fold.thaw(zlib.decompress(found.data))
        except (ValueError, zlib.error) as error:
            raise FatalError(
                f"the packed state of {key} cannot be read: {error}; remove the snapshots, so that "
                "the journal is read"
            ) from error
