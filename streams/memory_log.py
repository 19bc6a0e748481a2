"""One partition in memory: offsets, transaction markers, the last stable offset, compaction."""

from bisect import bisect_left
from collections.abc import Iterable

from supplytwin.schemas.flow import Header, Record
from supplytwin.streams.ports import Isolation

_BATCH_BYTES = 61
"""Header of a Kafka record batch."""


class Log:
    """Records in order of offset. A marker takes an offset and leaves no record."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic, self.partition = topic, partition
        self.begin = self.end = 0
        self._records: list[Record] = []
        self._offsets: list[int] = []
        self._open: dict[int, int] = {}
        """First offset by the number of a transaction that is still open here."""
        self._aborted: set[int] = set()

    @property
    def stable(self) -> int:
        """The last stable offset: what lies before it is committed or aborted for good."""
        return min(self._open.values(), default=self.end)

    def readable(self, isolation: Isolation) -> int:
        """Where a reader of this isolation has reached the end."""
        return self.end if isolation == "read_uncommitted" else self.stable

    def append(
        self,
        key: bytes | None,
        value: bytes | None,
        headers: tuple[Header, ...],
        arrival: int,
        transaction: int | None,
    ) -> int:
        """The offset of the new record, part of an open transaction unless that is None."""
        offset = self.end
        self._records.append(
            Record(
                topic=self.topic,
                partition=self.partition,
                offset=offset,
                arrival=arrival,
                key=key,
                value=value,
                headers=headers,
            )
        )
        self._offsets.append(offset)
        self.end = offset + 1
        if transaction is not None:
            self._open.setdefault(transaction, offset)
        return offset

    def finish(self, transaction: int, aborted: Iterable[int]) -> None:
        """Write the marker that ends `transaction`; `aborted` are its records if it failed."""
        if self._open.pop(transaction, None) is not None:
            self._aborted.update(aborted)
            self.end += 1

    def fetch(self, position: int, count: int, isolation: Isolation) -> tuple[list[Record], int]:
        """At most `count` records from `position` on, and the position behind them and markers."""
        limit = self.readable(isolation)
        if position >= limit:
            return [], position
        index = bisect_left(self._offsets, position)
        stop = bisect_left(self._offsets, limit)
        if not self._aborted or isolation == "read_uncommitted":
            found = self._records[index : min(stop, index + count)]
            index += len(found)
        else:
            found = []
            while index < stop and len(found) < count:
                if self._offsets[index] not in self._aborted:
                    found.append(self._records[index])
                index += 1
        return found, limit if index >= stop else self._offsets[index]

    def compact(self, *, drop_tombstones: bool) -> None:
        """Below the last stable offset only the newest record of each key is left, none aborted."""
        stop = bisect_left(self._offsets, self.stable)
        newest = {
            record.key: record.offset
            for record in self._records[:stop]
            if record.offset not in self._aborted
        }
        kept = [
            record
            for record in self._records[:stop]
            if newest.get(record.key) == record.offset
            and not (drop_tombstones and record.value is None)
        ]
        self._records = kept + self._records[stop:]
        self._offsets = [record.offset for record in self._records]
        self._aborted.clear()


def batch_bytes(
    key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
) -> int:
    """Size of one record as a Kafka record batch of its own, uncompressed (record format 2)."""
    names = [(name.encode(), content) for name, content in headers]
    inner = 3 + _field(key) + _field(value) + _varint(len(names))
    inner += sum(_field(name) + _field(content) for name, content in names)
    return _BATCH_BYTES + _varint(inner) + inner


def _field(content: bytes | None) -> int:
    return 1 if content is None else _varint(len(content)) + len(content)


def _varint(length: int) -> int:
    """Bytes of a zig-zag varint of a length."""
    if length < 64:
        return 1
    return 2 if length < 8192 else 3 if length < 1 << 20 else 4
