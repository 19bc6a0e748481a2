"""What every derived record begins with."""

from msgspec import Struct

from supplytwin.schemas.ids import Micros


class Derived(Struct, frozen=True, kw_only=True, gc=False):
    """The common fields: of which chain, caused by which journal entry, the how-manieth record
    of it.
    """

    chain_id: str
    seq: int
    index: int
    fold_version: str
    taken_at: Micros
    timeline: str
