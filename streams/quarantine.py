"""Records that were not taken, and the sizes that decide what can be written at all.

A broker refuses a record that is too large only when the transaction is under way, which would be
an endless abort: so sizes are checked before anything is produced.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from supplytwin.schemas.codec import encode
from supplytwin.schemas.errors import Code, RecordError, UsageError
from supplytwin.schemas.flow import Header, Output, Record
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.localtime import TIME_MAX, TIME_MIN
from supplytwin.schemas.records import QUARANTINE, Quarantined

LARGEST = 1_310_720
"""max.message.bytes of the journal, the quarantine and our producer: 1.25 MiB."""
MARGIN = 1_024
"""What a record batch of one record adds: headers of batch and record, lengths."""
REASON_CHARS = 2_000
RATE_MIN = 100
_MINUTE_S = 60.0
KEY_BYTES = 1_000
"""What is kept of a key too large to keep: one that compresses well may have megabytes."""


class Write(NamedTuple):
    """One record of a transaction."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]


class Limits:
    """The largest record of each topic, in bytes; `LARGEST` where nothing else is known."""

    def __init__(self, by_topic: Mapping[str, int] | None = None) -> None:
        self._by_topic = dict(by_topic or {})
        self._least = min(map(self.of, self._by_topic), default=self.of(""))
        """What fits everywhere."""

    def of(self, topic: str) -> int:
        """What key, value and headers together may have in `topic`."""
        return min(self._by_topic.get(topic, LARGEST), LARGEST) - MARGIN

    def writes(self, outputs: Iterable[Output], headers: tuple[Header, ...] = ()) -> list[Write]:
        """`outputs` as they are written, with these headers behind their own.

        Raises RecordError(TOO_LARGE) when the broker would refuse one.
        """
        found = []
        for output in outputs:
            topic, value = output.topic, output.value
            own = output.headers + headers if headers else output.headers
            write = Write(topic, output.key.encode(), value, own)
            size = size_of(write.key, value, own)
            if size > self._least and size > self.of(topic):
                reason = f"its record in {topic} would have {size} bytes, {self.of(topic)} fit"
                raise RecordError(Code.TOO_LARGE, "", reason)
            found.append(write)
        return found


class Policy:
    """What a refused record means for the worker: go on (skip), or stop.

    `stop` = input topics of which not one record may be refused. `rate_percent` = the share of
    refused records among those of a minute (of at least RATE_MIN) above which the worker stops; 0 =
    never. Counted per process.
    """

    def __init__(self, stop: Collection[str] = (), rate_percent: int = 0) -> None:
        self._stop = frozenset(stop)
        self._percent = rate_percent
        self._seen = self._bad = 0
        self._since = 0.0

    def seen(self, records: int, at: float) -> None:
        """So many records were consumed at `at` (s)."""
        if at - self._since > _MINUTE_S:
            self._since, self._seen, self._bad = at, 0, 0
        self._seen += records

    def refused(self, record: Record, error: RecordError) -> None:
        """Raise UsageError when the worker must stop: nothing of the batch is committed."""
        self._bad += 1
        where = f"{record.topic} partition {record.partition} offset {record.offset}"
        if record.topic in self._stop:
            raise UsageError(
                f"stopped at {where}: {error}. [quarantine] stop has this topic: correct the "
                "record's producer and take the topic from the list to go on, the record is then "
                "quarantined"
            )
        many = self._bad * 100 > self._percent * self._seen
        if self._percent and self._seen >= RATE_MIN and many:
            raise UsageError(
                f"stopped at {where}: {self._bad} of {self._seen} records of this minute were "
                f"refused, more than [quarantine] rate_percent = {self._percent}; the last one: "
                f"{error}"
            )


def size_of(key: bytes | None, value: bytes | None, headers: Iterable[Header]) -> int:
    """Bytes of key, value and headers, with 16 for the lengths of each header."""
    size = len(key or b"") + len(value or b"")
    for name, text in headers:
        size += 16 + len(name.encode()) + len(text or b"")
    return size


def quarantined(record: Record, error: RecordError, limits: Limits) -> tuple[bytes | None, bytes]:
    """(key, value) of the quarantine record of `record`: whole, or without what does not fit.

    Given up in this order: the body (its hash and size stay), the headers, the Kafka key, the end
    of the key inside. An arrival that is no time of ours becomes the nearest that is one.
    """
    value = record.value or b""
    entry = Quarantined(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        arrival=Micros(min(max(record.arrival, TIME_MIN), TIME_MAX)),
        key=record.key,
        code=str(error.code),
        field=error.field[:REASON_CHARS],
        reason=error.reason[:REASON_CHARS].encode(errors="backslashreplace").decode(),
        headers=record.headers,
        body=None if error.code is Code.TOO_LARGE else record.value,
        body_sha256=hashlib.sha256(value).hexdigest(),
        size=len(value),
    )
    limit = limits.of(QUARANTINE)
    key, text = record.key, encode(QUARANTINE, entry)
    if size_of(key, text, ()) > limit:
        entry = replace(entry, body=None)
        text = encode(QUARANTINE, entry)
    if size_of(key, text, ()) > limit:
        entry = replace(entry, headers=())
        text = encode(QUARANTINE, entry)
    if size_of(None, text, ()) > limit:
        entry = replace(entry, key=(key or b"")[:KEY_BYTES])
        text = encode(QUARANTINE, entry)
    return (key if size_of(key, text, ()) <= limit else None), text
