"""Documents of others on their way in: what is right goes to its topics, what is not along with it
as refused (`streams.refused`); from the quarantine a corrected one is read here again.
"""

import codecs
import hashlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import customs, dcsa, epcis, ileap_feed
from supplytwin.processors.feeds import BYTES_MAX, Check, Given, Read, Refused, encoded
from supplytwin.processors.twin import check_arrival
from supplytwin.schemas.errors import Code, RecordError, UsageError
from supplytwin.schemas.events import CUSTOMS, SHIPMENTS, WAREHOUSE, Event
from supplytwin.schemas.flow import Header
from supplytwin.schemas.json_text import malformed
from supplytwin.streams import framed
from supplytwin.streams.observe import trace
from supplytwin.streams.ports import Broker, Producer
from supplytwin.streams.refused import REFUSED, TOPIC, Verdict
from supplytwin.streams.show import iso
from supplytwin.streams.topics import Meta

log = structlog.get_logger("supplytwin.feed")
Reader = Callable[[bytes, Given, Check], Read]
"""(document, what was said about it by hand, a check of each event) -> what becomes of it."""
READERS: Mapping[str, Reader] = {
    "customs": customs.document,
    "dcsa": dcsa.document,
    "epcis": epcis.document,
    "ileap": ileap_feed.document,
}
TOPICS = (CUSTOMS, SHIPMENTS, WAREHOUSE)
"""Where what documents become is written: none of them places an order."""
SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "customs": (".csv",),
    "dcsa": (".json",),
    "epcis": (".json", ".jsonld"),
    "ileap": (".json",),
}
"""Of the files that are read of a folder, in small letters; their own may be large."""
_SAID_MAX = 300
"""Characters of what a defect says: what to do about it must fit behind it."""


class Refusal(Struct, frozen=True, kw_only=True):
    """A document or a part of one that was not taken, as the summary says it."""

    file: str
    code: str
    field: str
    reason: str
    chain: str
    """The key under which it goes to the quarantine."""
    sent: bool
    """False = too large for the quarantine, or only looked at."""


class Fed(Struct, frozen=True, kw_only=True):
    """What a feed did."""

    documents: int
    accepted: int
    """Events or rows as the documents have them."""
    by_type: dict[str, int]
    """What they became: how many of each event type of ours."""
    by_classifier: dict[str, int]
    corrections: int
    """Of what they became: how many correct or take back something else."""
    unmapped: dict[str, int]
    """Of the accepted: those without a place in our model, by what they say."""
    body_only: dict[str, int]
    """Fields that stand only in the `original` of our events: in how many of the accepted."""
    refused: list[Refusal]
    not_read: dict[str, int]
    """Files of the folder that are not of this feed, by suffix."""


class Found(NamedTuple):
    """What a path names."""

    documents: Iterator[tuple[str, bytes]]
    """(name, content); raises UsageError for one that cannot be read."""
    not_read: Counter[str]
    """Files of a folder that are not of this feed, by suffix."""


def files(name: str, path: str) -> Found:
    """A file, all files below a folder that this feed reads, by their names, or standard input (-).

    Raises UsageError when a folder has none, or nothing is named.
    """
    if not path:
        raise UsageError("name a file, a folder (. = this one), or - for standard input")
    if path == "-":
        return Found(_contents([None]), Counter())
    if not Path(path).is_dir():
        return Found(_contents([Path(path)]), Counter())
    every = sorted(one for one in Path(path).rglob("*") if one.is_file())
    found = [one for one in every if one.suffix.lower() in SUFFIXES[name]]
    if not found:
        raise UsageError(f"{path} has no {' or '.join(SUFFIXES[name])} file")
    others = (one.suffix.lower() for one in every if one.suffix.lower() not in SUFFIXES[name])
    return Found(_contents(found), Counter(suffix or "without a suffix" for suffix in others))


def _contents(paths: Iterable[Path | None]) -> Iterator[tuple[str, bytes]]:
    """Of each file, one after the other; None = standard input."""
    for one in paths:
        if one is None:
            yield "standard input", sys.stdin.buffer.read()
            continue
        try:
            content = one.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {one}: {error.strerror}") from None
        yield _text(str(one)), content


def _text(said: str) -> str:
    """What a stranger named or said, as text that can be written: names of files may be any bytes,
    and JSON may have half a character in it.
    """
    return said.encode(errors="backslashreplace").decode()


def _defect(error: Exception) -> RecordError:
    """The refusal of a document on which its reader broke."""
    said = _text(f"{type(error).__name__}: {error}")[:_SAID_MAX]
    reason = (
        f"a defect of ours ({said}): send the document to the maintainers, or release it as it is "
        "after an upgrade"
    )
    return RecordError(Code.READER_ERROR, "", reason)


def _arriving(simulated: bool) -> Check:
    """A Check of what is sent now; in simulated time it arrives when its source recorded it."""
    now = time.time_ns() // 1_000

    def check(event: Event) -> None:
        encoded(event)
        arrival = event.recorded_time if simulated else now
        try:
            check_arrival(event, arrival)
        except RecordError as error:
            said = f"{iso(getattr(event, error.field))} of event {event.event_id!r} {error.reason}"
            reason = f"{said} at {iso(arrival)}: correct it, or feed it when it has happened"
            raise RecordError(error.code, error.field, reason) from None

    return check


def _read(name: str, data: bytes, given: Given, check: Check) -> Read:
    """By the reader of a feed; what no reader can say anything better of is refused here."""
    if data and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return READERS[name](data, given, check)
    error = malformed("is UTF-16: save it as UTF-8" if data else "is empty")
    return Read(refused=(Refused(data, error, given.chain),))


class Feed:
    """Reads documents one after the other, and counts what became of them."""

    def __init__(self, name: str, given: Given) -> None:
        self._name, self._given = name, given
        self._documents = self._accepted = self._corrections = 0
        self._types = Counter[str]()
        self._classifiers = Counter[str]()
        self._unmapped = Counter[str]()
        self._body_only = Counter[str]()
        self._refused: list[tuple[str, Refused]] = []

    def read(self, file: str, data: bytes, *, simulated: bool) -> Read:
        """What one document becomes in a deployment in simulated or in wall-clock time. One on
        which the reader breaks is refused as a whole: it must not keep the others of its folder
        back.
        """
        try:
            found = _read(self._name, data, self._given, _arriving(simulated))
            for one in found.refused:
                self._named(one)
        except Exception as error:  # a defect of ours may raise anything
            log.error("a reader raised", feed=self._name, file=file, trace=trace(error))
            found = Read(refused=(Refused(data, _defect(error), self._given.chain),))
        self._documents += 1
        self._accepted += found.accepted
        self._types.update(one.event_type for one in found.events)
        self._classifiers.update(one.classifier for one in found.events)
        self._corrections += sum(one.correction_action is not None for one in found.events)
        self._unmapped.update(found.noted)
        self._body_only.update(found.body_only)
        self._refused += [(file, one) for one in found.refused]
        return found

    def summary(self, *, sent: bool, not_read: Counter[str]) -> Fed:
        """What was done so far; `sent` = it is in Kafka, too."""
        return Fed(
            documents=self._documents,
            accepted=self._accepted,
            by_type=_sorted(self._types),
            by_classifier=_sorted(self._classifiers),
            corrections=self._corrections,
            unmapped=_sorted(self._unmapped),
            body_only=_sorted(self._body_only),
            refused=[
                Refusal(
                    file=file,
                    code=str(one.error.code),
                    field=one.error.field,
                    reason=one.error.reason,
                    chain=_key(self._name, one),
                    sent=sent and len(one.body) <= BYTES_MAX,
                )
                for file, one in self._refused
            ],
            not_read=_sorted(not_read),
        )

    def send(
        self, broker: Broker, meta: Meta, found: Iterator[tuple[str, bytes]],
        moved: Callable[[int], None] = lambda sent: None,
    ) -> None:  # fmt: skip
        """Read and send every document; all of it is acknowledged when this returns.

        In simulated time an event arrives when its source recorded it. Sent again it changes
        nothing: an event's identity is its own. `moved` hears how many records are on their way.
        """
        framed.require(broker, TOPICS)
        producer = broker.producer(None)
        count = 0
        try:
            for file, data in found:
                read = self.read(file, data, simulated=meta.simulated)
                for event in read.events:
                    send(producer, meta, event)
                arrival = max((one.recorded_time for one in read.events), default=0)
                for one in read.refused:
                    self._refuse(producer, one, arrival if meta.simulated else None)
                count += len(read.events) + len(read.refused)
                moved(count)
            producer.flush()
        finally:
            producer.close()

    def _refuse(self, producer: Producer, one: Refused, arrival: int | None) -> None:
        if len(one.body) <= BYTES_MAX:
            key, verdict = self._named(one)
            headers = ((REFUSED, verdict),)
            producer.produce(TOPIC, key, one.body, headers=headers, timestamp_us=arrival)

    def _named(self, one: Refused) -> tuple[bytes, bytes]:
        """(key, verdict) of its record. Raises UnicodeEncodeError for what is no text."""
        verdict = Verdict(
            feed=self._name,
            code=one.error.code,
            field=one.error.field,
            reason=one.error.reason,
            given=self._given,
        )
        return _key(self._name, one).encode(), msgspec.json.encode(verdict)


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _key(name: str, refused: Refused) -> str:
    """The chain that it seems to be of, else a name of its own."""
    if refused.chain is not None:
        return refused.chain
    return f"{name}:{hashlib.sha256(refused.body).hexdigest()}"


def send(producer: Producer, meta: Meta, event: Event, headers: tuple[Header, ...] = ()) -> None:
    """Queue one event."""
    producer.produce(
        event.TOPIC,
        event.chain_id.encode(),
        encoded(event),
        headers=headers,
        timestamp_us=event.recorded_time if meta.simulated else None,
    )


def corrected(verdict: Verdict, body: bytes, chain: str | None) -> tuple[Event, ...]:
    """The events of a body out of the quarantine, read with what was given when it was fed, `chain`
    before that. Raises UsageError while it is still wrong: nothing of it is sent then.
    """
    if verdict.feed not in READERS:
        raise UsageError(f"the feed {verdict.feed!r} that refused it is none of ours")
    given = verdict.given if chain is None else replace(verdict.given, chain=chain)
    try:
        made = _read(verdict.feed, body, given, encoded)
    except Exception as error:  # a defect of ours may raise anything
        raise UsageError(f"not released: {_defect(error).reason}") from error
    if made.refused:
        first, *rest = made.refused
        more = f", and {len(rest)} more" if rest else ""
        raise UsageError(f"still wrong: {first.error}{more}")
    if not made.events:
        raise UsageError("the corrected body has no event: `quarantine drop` leaves a record out")
    return made.events
