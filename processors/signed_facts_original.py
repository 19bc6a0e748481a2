"""Whether the envelope of an event says what its original document says.

A signature over the original says nothing of the envelope around it. So the reader of its media
type derives the event again, from the document alone: chain, subject, times, all of it. What was
said by hand where the document came in (`feeds.Given`), but for the name of the source, which is
signed, does not count: an original that does not name its chain agrees with no envelope.
"""

import csv
import io
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from supplytwin.processors import customs, dcsa, epcis
from supplytwin.processors.feeds import Given, Read
from supplytwin.schemas.epcis_words import MEDIA_TYPE
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.events import Event

_NAMELESS = Given()
JSON = "application/json"


def agrees(event: Event) -> bool:
    """Whether the reader of its original derives this very event. False where there is no reader,
    or where it refuses the document: then it is not known.
    """
    read = _READERS.get(event.original_media_type or "")
    if read is None or not event.original:
        return False
    try:
        found = read(event.original, event.source)
    except RecordError:
        return False
    bare = _bare(event)
    return any(_bare(one) == bare for one in found.events)


def _bare(event: Event) -> Event:
    """The event without its original, which a reader writes its own way."""
    return replace(event, original=None, original_media_type=None)


def _dcsa(data: bytes, source: str) -> Read:
    return dcsa.document(data, _given(source, dcsa.SOURCE))


def _epcis(data: bytes, source: str) -> Read:
    return epcis.document(data, Given(source=source))


def _customs(data: bytes, source: str) -> Read:
    """The original of a declaration is one row as JSON: column -> cell."""
    inferred = source.removeprefix("inferred:")
    if not inferred.startswith(f"{customs.KIND_OF_SOURCE}:"):
        return Read()
    try:
        cells = msgspec.json.decode(data, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Read()
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows((cells.keys(), cells.values()))
    return customs.document(file.getvalue().encode(), _given(inferred, customs.KIND_OF_SOURCE))


def _given(source: str, kind: str) -> Given:
    """With the name of the source behind its kind."""
    name = source.removeprefix(kind).removeprefix(":")
    return Given(source=name) if name else _NAMELESS


_READERS: dict[str, Callable[[bytes, str], Read]] = {
    dcsa.BODY_2: _dcsa,
    dcsa.BODY_3: _dcsa,
    MEDIA_TYPE: _epcis,
    JSON: _customs,
}
