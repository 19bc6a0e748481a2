"""Records that were not taken, and the sizes that decide what can be written at all.

A broker refuses a record that is too large only when the transaction is under way, which would be
an endless abort: so sizes are checked before anything is produced.
"""

import hashlib
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from supplytwin.schemas.codec import encode
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.flow import Header, Output, Record
from supplytwin.schemas.ids import Micros
from supplytwin.schemas.localtime import TIME_MAX, TIME_MIN
from supplytwin.schemas.records import QUARANTINE, Quarantined

LARGEST = 1_310_720
"""max.message.bytes of the journal, the quarantine and our producer: 1.25 MiB."""
MARGIN = 1_024
"""What a record batch of one record adds: headers of batch and record, lengths."""
REASON_CHARS = 2_000
KEY_BYTES = 1_000
"""What is kept of a key too large to keep: one that compresses well may have megabytes."""


class Limits:
    """The largest record of each topic, in bytes; `LARGEST` where nothing else is known."""

    def __init__(self, by_topic: Mapping[str, int] | None = None) -> None:
        self._by_topic = dict(by_topic or {})

    def of(self, topic: str) -> int:
        """What key, value and headers together may have in `topic`."""
        return min(self._by_topic.get(topic, LARGEST), LARGEST) - MARGIN

    def check(self, outputs: Iterable[Output]) -> None:
        """Raise RecordError(TOO_LARGE) when one of `outputs` would be refused."""
        for output in outputs:
            key, limit = output.key.encode(), self.of(output.topic)
            size = size_of(key, output.value, output.headers)
            if size > limit:
                reason = f"its record in {output.topic} would have {size} bytes, {limit} fit"
                raise RecordError(Code.TOO_LARGE, "", reason)


def size_of(key: bytes | None, value: bytes | None, headers: Iterable[Header]) -> int:
    """Bytes of key, value and headers, with 16 for the lengths of each header."""
    extra = 0
    for name, text in headers:
        extra += 16 + len(name.encode()) + len(text or b"")
    return len(key or b"") + len(value or b"") + extra


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
