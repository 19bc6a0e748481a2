"""How a subject stood, and over which times: the rows of the analysts' table `twin_span`."""

from msgspec import Struct

from supplytwin.schemas.ids import Micros


class Standing(Struct, frozen=True, kw_only=True, gc=False):
    """What is told of one subject; the fields mean what they mean in `twin.state`."""

    lifecycle: str | None
    milestones: tuple[str, ...]
    flags: tuple[str, ...]
    holds_open: int
    state_hash: str
    planned_time: Micros | None
    eta: Micros | None
    actual_time: Micros | None
    delay_days: int | None
    qty_ordered: str | None
    qty_received: str | None


class Span(Struct, frozen=True, kw_only=True, gc=False):
    """So a subject stood at every moment from `valid_from` up to `valid_to`, by what had arrived at
    every moment from `known_from` up to `known_to`; us UTC, the ends not included, None = no end.

    The spans of one subject never overlap; where there is none, there was no such subject.
    """

    chain_id: str
    subject_type: str
    subject_id: str
    valid_from: int | None
    valid_to: int | None
    known_from: int
    known_to: int | None
    standing: Standing
