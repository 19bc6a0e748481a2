"""Every error that this project raises on purpose.

    SupplytwinError
    ├── RecordError      one record is bad: quarantined with its place, the field and the reason
    ├── TransientError   try the same call again, within one deadline
    │   ├── AbortError   abort the transaction, drop the overlay, rewind, try again
    │   └── NotLetInError  a bank's address lets us not in: a person mends it, others go on
    ├── FatalError       abort and leave the process (exit code 75): the supervisor starts a new one
    │   └── FencedError  because the broker knows a newer owner of this process's id
    └── UsageError       what was asked cannot be done: one line and the way out (exit code 2)

A business refusal (a condition that is not met, a rejected payment) is an event, never an
exception.
"""

from enum import StrEnum


class Code(StrEnum):
    """Why a record went to quarantine."""

    UNKNOWN_SCHEMA = "UNKNOWN_SCHEMA"
    """The wire header names no schema that we have, or there is none."""
    MALFORMED = "MALFORMED"
    """The bytes do not fit the schema: truncated, trailing bytes, garbage."""
    MISPLACED = "MISPLACED"
    """No key, a key that differs from the body's chain_id, or the wrong partition for the key."""
    MISSING_FIELD = "MISSING_FIELD"
    FOREIGN_FIELD = "FOREIGN_FIELD"
    """A field that this event type does not have."""
    BAD_VALUE = "BAD_VALUE"
    """A value outside its list, range or pattern."""
    FUTURE = "FUTURE"
    """An ACTUAL event, or a revision, more than 48 h ahead of its arrival."""
    FORBIDDEN_SOURCE = "FORBIDDEN_SOURCE"
    """The policy in force does not let this source speak on this topic."""
    TOO_LARGE = "TOO_LARGE"
    """The journal entry that wraps it would not fit the journal's largest record."""
    BAD_TERMS = "BAD_TERMS"
    """A contract whose terms are not valid or do not add up."""
    FOLD_ERROR = "FOLD_ERROR"
    """The fold raised: a defect of ours. The record left no trace in the state."""
    READER_ERROR = "READER_ERROR"
    """The reader of a feed raised: a defect of ours. Nothing of the document was taken."""


class SupplytwinError(Exception):
    """Base of all errors raised on purpose."""


TEXT_MAX = 500
"""Characters that a refusal may have for its field and for its reason: both quote strangers."""


class RecordError(SupplytwinError):
    """One record is bad. `field` is a dotted path ("" = the whole record); `reason` says what
    to do. Both are shortened to TEXT_MAX, so that a refusal is never larger than what it refuses.
    """

    def __init__(self, code: Code, field: str, reason: str) -> None:
        field, reason = _short(field), _short(reason)
        super().__init__(f"{code}: {field or 'record'}: {reason}")
        self.code = code
        self.field = field
        self.reason = reason


def _short(text: str) -> str:
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


class TransientError(SupplytwinError):
    """May succeed when the same call is made again. `name` is the client's of it, for metrics."""

    def __init__(self, text: str, name: str = "") -> None:
        super().__init__(text)
        self.name = name


class AbortError(TransientError):
    """The transaction cannot commit; abort it, drop what it stood for and read again."""


class NotLetInError(TransientError):
    """An address of a bank lets nothing of ours in: it may last until a person has mended it."""


class FatalError(SupplytwinError):
    """This process cannot go on: exit 75."""


class FencedError(FatalError):
    """The broker takes nothing from this process any more: another one has its transactional or
    member id, or its transaction was ended from outside (Kafka tells the two in one code).
    """


class UsageError(SupplytwinError):
    """What was asked cannot be done; the message says what to do instead."""
