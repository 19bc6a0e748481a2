"""Where the entries of each chain stand in their journal partition, 6 bytes for each.

The offsets of what a worker writes are not told to it before it reads them. But it is the only
writer of the partition: what it writes next stands behind what it wrote last and the marker of
that. After an abort it reads what lies behind. So a place is a lower bound, exact unless something
of another was aborted in between, and an entry is found by reading on from there.
"""

from collections.abc import Sequence

from supplytwin.schemas.flow import Output
from supplytwin.schemas.journal import HASH_LEN

WIDTH = 6
MARKER = 1
"""A committed transaction leaves a marker, which takes an offset, in each partition it wrote to."""


class Places:
    """`next`: no entry that is still to be written stands before it.

    `last` and `last_hash`: the place and the hash of the newest entry; b"" = there is none.
    """

    def __init__(self) -> None:
        self.of: dict[str, bytes] = {}
        """By chain; values are replaced, never changed, so that a copy of the dict stays true."""
        self.next = 0
        self.last = 0
        self.last_hash = b""

    def note(self, key: str, offset: int, entry_hash: bytes) -> None:
        """The next entry of `key` was read at `offset`."""
        self.of[key] = self.of.get(key, b"") + offset.to_bytes(WIDTH, "little")
        self.next = offset + 1
        self.last, self.last_hash = offset, entry_hash

    def wrote(self, entries: Sequence[Output]) -> None:
        """These were written in this order, in one transaction that is committed."""
        if not entries:
            return
        of = self.of
        for offset, entry in enumerate(entries, start=self.next):
            of[entry.key] = of.get(entry.key, b"") + offset.to_bytes(WIDTH, "little")
        self.last = self.next + len(entries) - 1
        self.last_hash = (entries[-1].value or b"")[-HASH_LEN:]
        self.next = self.last + 1 + MARKER

    def offsets(self, key: str) -> list[int]:
        """Lower bounds of the offsets of all entries of a chain, in order."""
        return unpacked(self.of.get(key, b""))


def unpacked(places: bytes) -> list[int]:
    """The offsets in a value of `Places.of`."""
    return [
        int.from_bytes(places[at : at + WIDTH], "little") for at in range(0, len(places), WIDTH)
    ]
