"""Which handling units have goods of a lot in them: those that the lot is linked with, and those
that these were ever packed into.
"""

from collections.abc import Callable, Iterable

from supplytwin.processors.reach import reach
from supplytwin.processors.subjects import Subject, SubjectKey
from supplytwin.schemas.events import WarehousePacked
from supplytwin.schemas.machines import LOT, UNIT

Look = Callable[[SubjectKey], Subject]
"""A subject as it was, or as it is."""


def units_of(look: Look, lot: SubjectKey) -> dict[SubjectKey, None]:
    """The units that a pledge of this lot keeps."""
    return _all(_units(look(lot).links), lambda unit: _packed(look, unit, outward=True))


def lots_in(look: Look, unit: SubjectKey) -> Iterable[SubjectKey]:
    """The lots of which this unit has goods in it."""
    for inner in _all([unit], lambda one: _packed(look, one, outward=False)):
        yield from (key for key in look(inner).links if key.subject_type == LOT)


def _all(
    first: Iterable[SubjectKey], following: Callable[[SubjectKey], Iterable[SubjectKey]]
) -> dict[SubjectKey, None]:
    """`first` and all that follows from them; units that were packed in a circle come once."""
    found = dict.fromkeys(first)
    waiting = [*found]
    while waiting:
        for key in following(waiting.pop()):
            if key not in found:
                found[key] = None
                waiting.append(key)
    return found


def _packed(look: Look, unit: SubjectKey, *, outward: bool) -> Iterable[SubjectKey]:
    """The units that this one was packed into, or those that were packed into it."""
    for fact in look(unit).ordered.facts:
        event = fact.event
        if not isinstance(event, WarehousePacked) or event.classifier != "ACTUAL":
            continue
        outer = SubjectKey(UNIT, event.hu_id)
        if outward and outer != unit:
            yield outer
        elif not outward and outer == unit:
            yield from _units(reach(event).keys)


def _units(keys: Iterable[SubjectKey]) -> Iterable[SubjectKey]:
    return [key for key in keys if key.subject_type == UNIT]
