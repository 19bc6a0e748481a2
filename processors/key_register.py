"""The key register of one partition number: part of the state of its control chain.

So what is in force for an entry of the journal are the KEY records before it, whoever reads: a
worker, one that starts again, or an audit.
"""

from supplytwin.processors.keys import Register, keys_of, learn
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.records import Control, JournalEntry

NO_KEYS = Register()


def learned(register: Register, control: Control) -> Register:
    """The register with what a control record says; itself when that is nothing new.

    Raises RecordError(BAD_VALUE) for a KEY record that is none.
    """
    record = keys_of(control)
    return register if record is None else learn(register, record)


def recorded(register: Register, control: Control) -> Register:
    """The same of a record that is in the journal: one that is none (older code took any) says
    nothing.
    """
    try:
        return learned(register, control)
    except RecordError:
        return register


def may_tell(entry: JournalEntry) -> bool:
    """Whether a journal entry can be a KEY record; a tick cannot."""
    return entry.kind == "CONTROL" and b"KEY" in entry.body
