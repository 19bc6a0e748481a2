"""What a feed refused, on its way to the quarantine: the worker is told by the record's header.

So there is one quarantine and one way out of it, and the open claims of the chain that a refused
part seems to be of are held: what it would have said may matter.
"""

import msgspec
from msgspec import Struct

from supplytwin.processors.feeds import Given
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.events import SHIPMENTS
from supplytwin.schemas.flow import Record
from supplytwin.schemas.records import Quarantined

REFUSED = "st-refused"
"""Header of a record that its own sender found wrong: JSON of a `Verdict`."""
TOPIC = SHIPMENTS
"""Where feeds send what they refuse; on no other topic the header means anything."""


class Verdict(Struct, frozen=True, kw_only=True):
    """What a feed found wrong, and how it reads: the same way again, once it is corrected."""

    feed: str
    code: Code
    field: str
    reason: str
    given: Given = Given()


def verdict_of(record: Record | Quarantined) -> Verdict | None:
    """What the sender of a record found wrong with it; None = nothing.

    Raises RecordError when the header itself cannot be read.
    """
    said = next((value for name, value in record.headers if name == REFUSED), None)
    if said is None or record.topic != TOPIC:
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
