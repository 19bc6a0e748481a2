"""Where a subject was, from when to when: its arrivals, each with the next departure.

A visit begins with the first of arrival, gate-in and discharge at a place, and ends with the first
departure or gate-out after that. An arrival elsewhere leaves the visit before without an end:
nobody has told it. A delivery ends the visit at its place; at another one it is a visit of no
length. Places are compared as the view `place` names them.
"""

from msgspec.structs import replace

from supplytwin.processors.standing import Fact, Visit
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US

ARRIVES = frozenset(("shipment.arrived", "shipment.gate_in", "shipment.discharged"))
LEAVES = frozenset(("shipment.departed", "shipment.gate_out"))
DELIVERED = "shipment.delivered"
MOVES = ARRIVES | LEAVES | {DELIVERED}

Visits = tuple[Visit, ...]


def place_of(event: Event) -> str:
    """UN/LOCODE, else facility, else position; "" = not told."""
    if event.unlocode is not None or event.facility is not None:
        return event.unlocode or event.facility or ""
    return "" if event.lat is None or event.lon is None else f"{event.lat},{event.lon}"


def follow(visits: Visits, fact: Fact) -> Visits:
    """`visits` after an actual fact of `MOVES`, which sorts behind all in them."""
    event, place = fact.event, place_of(fact.event)
    last = visits[-1] if visits and visits[-1].left is None else None
    if event.event_type in ARRIVES:
        if last is not None and place in ("", last.place):
            return visits
        begun = Visit(place=place, arrived=event.event_time, day=fact.day, coarse=fact.coarse)
        return (*visits, begun)
    if last is None:
        return visits
    if "" not in (place, last.place) and place != last.place:
        if event.event_type != DELIVERED:
            return visits
        handed_over = Visit(place=place, arrived=event.event_time, day=fact.day, coarse=fact.coarse,
                            left=event.event_time, stayed_us=0)  # fmt: skip
        return (*visits, handed_over)
    if last.coarse or fact.coarse:
        stayed = (fact.day - last.day) * DAY_US
    else:
        stayed = event.event_time - last.arrived
    stayed = max(0, stayed)  # local dates of two zones may be the other way round
    return (*visits[:-1], replace(last, left=event.event_time, stayed_us=stayed))
