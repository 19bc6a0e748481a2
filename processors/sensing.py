"""What a sensor reading does to the subjects that it reaches: it is measured on its own one; if it
is plain, it counts as a fact of each and links them as any other does, without being kept there.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from supplytwin.processors.facts import Version
from supplytwin.processors.health import is_ahead
from supplytwin.processors.readings import is_plain
from supplytwin.processors.sensed import hasty, measured, told
from supplytwin.processors.standing import is_implausible
from supplytwin.processors.subjects import SubjectKey, Work
from supplytwin.schemas.events import ShipmentSensor
from supplytwin.schemas.machines import MACHINES


def sense(
    work: Work,
    keys: tuple[SubjectKey, ...],
    linked: Iterable[SubjectKey],
    version: Version,
    count: int,
) -> bool:
    """Measure (`count` 1) a version, or take its measurement away (-1), on its own subject, the
    first of `keys`. Returns whether that, and counting it on every subject, is all that it does.
    """  # fmt: skip
    event = version.contents[0]
    if not isinstance(event, ShipmentSensor):
        return False
    own = work[keys[0]]
    sensed = measured(own.sensed, event, count)
    if event.event_time > event.recorded_time and is_ahead(event, version.arrival):
        sensed = hasty(sensed, event, count)
    plain = is_plain(event)
    if not plain:
        work[keys[0]] = replace(own, sensed=sensed)
        return False
    flagged = keys[0].subject_type in MACHINES and is_implausible(event, version.arrival)
    sensed = told(sensed, linked, count, implausible=flagged)
    work[keys[0]] = replace(
        own, sensed=sensed, told=own.told + count, effective=own.effective + count
    )
    for key in keys[1:]:
        work[key] = replace(work[key], effective=work[key].effective + count)
    return True
