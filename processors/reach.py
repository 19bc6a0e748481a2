"""Which subjects an event reaches, and with which of them it links its own."""

from functools import lru_cache
from typing import NamedTuple

from supplytwin.processors.subjects import SubjectKey
from supplytwin.schemas.events import SUBJECT_TYPES, Event
from supplytwin.schemas.machines import (
    CONSIGNMENT,
    DECLARATION,
    LEG,
    LINE,
    LOT,
    TITLE,
    TRIP,
    UNIT,
)
from supplytwin.schemas.named import NAMED

LINKS: dict[str, frozenset[str]] = {
    LINE: frozenset((CONSIGNMENT, TRIP, UNIT)),
    DECLARATION: frozenset((CONSIGNMENT,)),
    CONSIGNMENT: frozenset((LEG, TRIP, UNIT)),
    LEG: frozenset((CONSIGNMENT, TRIP)),
    TRIP: frozenset((CONSIGNMENT, LEG, LINE, UNIT)),
    UNIT: frozenset((CONSIGNMENT, LINE, LOT, TRIP, UNIT)),
    LOT: frozenset((TITLE, UNIT)),
    TITLE: frozenset((LOT,)),
}
"""Subject type -> the types with which a fact about such a subject links it."""


ALSO = {"TRIP": TRIP, "SSCC": UNIT, "WR": TITLE}
"""Other names of subjects in refs."""


class Reach(NamedTuple):
    keys: tuple[SubjectKey, ...]
    """Its own subject first."""
    ordered: tuple[SubjectKey, ...]
    linked: tuple[SubjectKey, ...]
    """Those that it links its own subject with."""
    carries: bool
    """Whether there is a receipt or a trip among them: what follows for others hangs on these."""


def packs(found: Reach) -> bool:
    """Whether it may pack goods of a lot: it reaches a handling unit, and a lot or another unit."""
    kinds = [key.subject_type for key in found.keys]
    return UNIT in kinds and (LOT in kinds or kinds.count(UNIT) > 1)


def reached_by(event: Event) -> tuple[SubjectKey, ...]:
    """Its own subject first, then those that its refs and its payload name."""
    return reach(event).keys


def reach(event: Event) -> Reach:
    """The subjects of an event."""
    refs = event.refs
    named = NAMED.get(event.event_type)
    more = () if named is None else named(event)
    if more:
        refs = (*refs, *more)
    ask = _few if len(refs) <= FEW else _reach_of
    return ask(event.subject_type, event.subject_id, refs)


def linked_by(event: Event, own: SubjectKey) -> tuple[SubjectKey, ...]:
    """Those with which `event` links `own`: none when it is another subject's."""
    found = reach(event)
    return found.linked if found.keys[0] == own else ()


def _reach_of(own_type: str, own_id: str, refs: tuple[str, ...]) -> Reach:
    keys = [SubjectKey(own_type, own_id)]
    for ref in refs:
        name, _, subject_id = ref.partition(":")
        subject_type = ALSO.get(name, name)
        if subject_type in SUBJECT_TYPES and subject_id:
            keys.append(SubjectKey(subject_type, subject_id))
    found = tuple(dict.fromkeys(keys))
    types = LINKS.get(own_type, ())
    linked = [key for key in found[1:] if key.subject_type in types]
    carries = any(key.subject_type in (TITLE, TRIP) for key in found)
    return Reach(keys=found, ordered=tuple(sorted(found)), linked=tuple(linked), carries=carries)


FEW = 8
"""Events with more refs than this are rare and may be large: they are not remembered."""
_few = lru_cache(maxsize=8192)(_reach_of)
