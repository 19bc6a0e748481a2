"""EPCIS documents on their way to Kafka: read, mapped, sent; what is wrong goes along as refused.

A refused event is sent as it was (JSON), under the chain that it seems to be of, with a header that
says what is wrong: so the worker quarantines it like any bad record, with path and reason, and
holds the open claims of that chain. Released with a corrected body it is read here again.
"""

import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from supplytwin.processors.epcis import SOURCE, mapped
from supplytwin.processors.epcis_about import chain_of
from supplytwin.schemas import codec, epcis
from supplytwin.schemas.epcis_words import MEDIA_TYPE
from supplytwin.schemas.errors import Code, RecordError, UsageError
from supplytwin.schemas.events import SHIPMENTS
from supplytwin.schemas.flow import Header, Message, Record
from supplytwin.schemas.records import Quarantined
from supplytwin.streams.ports import Producer

REFUSED = "st-refused"
"""Header of a record that its own sender found wrong: JSON of a `Verdict`."""
SUFFIXES = (".json", ".jsonld")
BODY_MAX = 900_000
"""Bytes that a record may have here: with its journal entry it must fit 1 MiB."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What a feed found wrong, and how it reads: with the same source and chain again."""

    code: Code
    field: str
    reason: str
    media_type: str = MEDIA_TYPE
    source: str = SOURCE
    chain: str | None = None


class Refusal(Struct, frozen=True, kw_only=True):
    """An event, or a whole document, that was not taken, as the summary says it."""

    file: str
    field: str
    reason: str
    key: str
    """The chain under which it is quarantined."""
    sent: bool
    """False = too large for the quarantine, or only looked at."""


class Fed(Struct, frozen=True, kw_only=True):
    """What a feed of EPCIS did."""

    documents: int
    events: int
    """Accepted ones."""
    corrections: int
    """Of these, error declarations."""
    facts: dict[str, int]
    """By event type."""
    unmapped: dict[str, int]
    """Events that no event type of ours says, by what they are."""
    body_only: dict[str, int]
    """Fields that stand only in the facts' `original`: in how many events."""
    refused: list[Refusal]


def files(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of a file, of all *.json and *.jsonld below a folder by name, of stdin (-).

    Raises UsageError when there is nothing to read.
    """
    if str(path) == "-":
        yield "standard input", sys.stdin.buffer.read()
        return
    found = [path]
    if path.is_dir():
        found = sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES and one.is_file())
        if not found:
            raise UsageError(f"{path} has no {' or '.join(SUFFIXES)} file")
    for one in found:
        try:
            content = one.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {one}: {error.strerror}") from None
        yield str(one), content


class Reader:
    """Reads documents, one after the other, and counts."""

    def __init__(self, source: str = SOURCE, chain: str | None = None) -> None:
        self._source, self._chain = source, chain
        self._documents = self._events = self._corrections = 0
        self._facts = Counter[str]()
        self._unmapped = Counter[str]()
        self._body_only = Counter[str]()
        self.refused: list[tuple[str, str, epcis.Refused]] = []
        """(file, key, what)"""

    def messages(self, name: str, raw: bytes) -> list[Message]:
        """The facts of one document, ready to be sent."""
        self._documents += 1
        reading = epcis.read(raw)
        for one in reading.refused:
            self._refuse(name, one)
        return [message for event in reading.events for message in self._facts_of(name, event)]

    def _refuse(self, name: str, one: epcis.Refused) -> None:
        digest = hashlib.sha256(one.body).hexdigest()
        self.refused.append((name, self._chain or chain_of(one.fields, f"epcis:{digest}"), one))

    def _facts_of(self, name: str, event: epcis.EpcisEvent) -> list[Message]:
        found = mapped(event, source=self._source, chain=self._chain)
        try:
            for fact in found.facts:
                value = codec.encode(fact.TOPIC, fact)
                if len(value) > BODY_MAX:
                    reason = f"its fact has {len(value)} bytes, {BODY_MAX} fit: send several events"
                    raise RecordError(Code.TOO_LARGE, event.place, reason)
                codec.decode(fact.TOPIC, value)  # what is sent is taken
        except RecordError as error:
            wrong = epcis.Refused(
                number=0, code=error.code, field=event.place or error.field,
                reason=error.reason, body=event.original, fields=event.fields,
            )  # fmt: skip
            self._refuse(name, wrong)
            return []
        self._events += 1
        self._corrections += event.declared is not None
        self._facts.update(fact.event_type for fact in found.facts)
        self._body_only.update(found.body_only)
        if found.unmapped is not None:
            self._unmapped[found.unmapped] += 1
        return [
            Message(topic=fact.TOPIC, key=fact.chain_id, arrival=fact.recorded_time, body=fact)
            for fact in found.facts
        ]

    def records(self) -> Iterator[tuple[str, bytes, tuple[Header, ...]]]:
        """(key, value, headers) of every refused event that fits, for SHIPMENTS."""
        for _, key, one in self.refused:
            if len(one.body) <= BODY_MAX:
                verdict = Verdict(
                    code=one.code, field=one.field, reason=one.reason, source=self._source,
                    chain=self._chain,
                )  # fmt: skip
                yield key, one.body, ((REFUSED, msgspec.json.encode(verdict)),)

    def summary(self, *, sent: bool) -> Fed:
        """What was done so far; `sent` = the refused ones are in Kafka, too."""
        return Fed(
            documents=self._documents,
            events=self._events,
            corrections=self._corrections,
            facts=dict(self._facts.most_common()),
            unmapped=dict(self._unmapped.most_common()),
            body_only=dict(self._body_only.most_common()),
            refused=[
                Refusal(
                    file=name, field=one.field, reason=one.reason, key=key,
                    sent=sent and len(one.body) <= BODY_MAX,
                )
                for name, key, one in self.refused
            ],
        )  # fmt: skip


def send(producer: Producer, messages: Iterable[Message]) -> None:
    """Queue facts; the broker says when they came."""
    for message in messages:
        value = codec.encode(message.topic, message.body)
        producer.produce(message.topic, message.key.encode(), value)


def send_refused(producer: Producer, reader: Reader, arrival: int | None) -> None:
    """Queue what the reader has refused so far. `arrival` in us, None = the broker says it."""
    for key, body, headers in reader.records():
        producer.produce(SHIPMENTS, key.encode(), body, headers=headers, timestamp_us=arrival)


# ---- on the other side


def verdict_of(record: Record | Quarantined) -> Verdict | None:
    """What the sender of a record found wrong with it; None = nothing. Feeds send that on one
    topic, on no other it means anything.

    Raises RecordError when the header itself cannot be read.
    """
    said = next((value for name, value in record.headers if name == REFUSED), None)
    if said is None or record.topic != SHIPMENTS:
        return None
    try:
        return msgspec.json.decode(said, type=Verdict)
    except msgspec.DecodeError as error:
        reason = f"the header {REFUSED} is not what a feed writes: {error}"
        raise RecordError(Code.MALFORMED, "headers", reason) from None


def check_sender(record: Record) -> None:
    """Raise RecordError with the words of its sender, when that one found the record wrong."""
    verdict = verdict_of(record) if record.headers else None
    if verdict is not None:
        raise RecordError(verdict.code, verdict.field, verdict.reason)


def corrected(verdict: Verdict, body: bytes, chain: str | None) -> list[tuple[str, bytes, bytes]]:
    """(topic, key, value) of the facts of a corrected body, on `chain` if one is given.

    Raises UsageError naming the first thing that is still wrong; then nothing may be sent.
    """
    if verdict.media_type != MEDIA_TYPE:
        raise UsageError(f"the record is {verdict.media_type}, which no reader here understands")
    reader = Reader(verdict.source, chain or verdict.chain)
    messages = reader.messages("the corrected body", body)
    if reader.refused:
        _, _, one = reader.refused[0]
        raise UsageError(f"still wrong: {one.field or 'document'}: {one.reason}")
    if not messages:
        raise UsageError("the corrected body has no event: `quarantine drop` leaves a record out")
    return [
        (message.topic, message.key.encode(), codec.encode(message.topic, message.body))
        for message in messages
    ]
