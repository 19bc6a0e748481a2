"""Which sensor readings the plausibility rules look at one by one: by what a reading says alone.

Positions are held against the fix before, weights against other sources, container numbers against
their check digit. All that is to be seen in readings together is in `processors.health`.
"""

from decimal import Decimal
from functools import lru_cache

from supplytwin.schemas.events import Event, ShipmentSensor
from supplytwin.schemas.machines import TRIP
from supplytwin.schemas.places import positions
from supplytwin.schemas.trips import check_digit, iso6346

_KG = {
    **dict.fromkeys(("kg", "kgm", "kgs"), Decimal(1)),
    **dict.fromkeys(("t", "tne", "tonne", "tonnes"), Decimal(1000)),
    **dict.fromkeys(("lb", "lbs", "lbr"), Decimal("0.45359237")),
}
_WEIGHTS = frozenset(("weight", "grossweight", "mass", "grossmass", "vgm"))


def is_singly(event: ShipmentSensor) -> bool:
    """Whether a rule looks at a reading by itself: it has a position, is a weight, or is about a
    trip of which the container number is wrong.
    """
    if is_placed(event) or kilograms(event.metric, event.unit) is not None:
        return True
    return event.subject_type == TRIP and bool(misspelt(event.subject_id.partition("/")[0]))


def is_placed(event: Event) -> bool:
    """Whether it is known where on Earth an event says that it happened."""
    if event.lat is not None:
        return True
    if event.unlocode is None and event.facility is None:
        return False
    return event.unlocode in positions() or event.facility in positions()


@lru_cache(maxsize=1024)
def kilograms(metric: str, unit: str) -> Decimal | None:
    """What one `unit` of a weight is in kg; None = this is no weight."""
    return _KG.get(unit.lower()) if spelt(metric) in _WEIGHTS else None


@lru_cache(maxsize=1024)
def spelt(metric: str) -> str:
    """The name of a metric as policies spell it: lower case, letters and digits only."""
    return "".join(filter(str.isalnum, metric.lower()))


@lru_cache(maxsize=8192)
def misspelt(number: str) -> str:
    """What is wrong with a container number; "" = nothing, or it is none by its form. Cached:
    every fact of a trip asks.
    """
    found = iso6346(number)
    if found is None or int(found[-1]) == check_digit(found):
        return ""
    return f"{found} must end in {check_digit(found)} by ISO 6346"
