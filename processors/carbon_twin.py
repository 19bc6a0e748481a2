"""The transport chain of a consignment, from the facts of its twin, as a request to the calculator.

Its legs are elements, and so are the hubs that its goods entered and left. Without legs the
deliveries say from where, to where and how it went. What is only planned is marked, what is missing
is named; nothing is estimated. The rules stand in docs/carbon.md, "The live twin".
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec.structs import replace

from supplytwin.processors.carbon_consignment import (
    Weight,
    all_delivered,
    delivered_mass,
    deliveries,
    is_chilled,
    mode_of,
)
from supplytwin.processors.carbon_factors import Shelf
from supplytwin.processors.carbon_hubs import Hub, Side, Stop, hub_element, hubs_at, passed, stops
from supplytwin.processors.carbon_legs import chain_of, in_a_row, kept_with, legs_of
from supplytwin.processors.carbon_own import Element, Masses, own
from supplytwin.processors.carbon_places import country_of, one_place, way
from supplytwin.processors.consignment import CANCELLED
from supplytwin.processors.subjects import Subject, SubjectKey, Subjects
from supplytwin.processors.twin import Twin, subject
from supplytwin.schemas.calculation import Missing, Period, Request, Tce
from supplytwin.schemas.localtime import date_of, local_day
from supplytwin.schemas.machines import CONSIGNMENT, LEG, LINE, TRIP

FORM: Literal["1"] = "1"
_UNDELIVERED = Missing(code="DELIVERY_UNKNOWN", says="not every line is delivered")
_NOTHING = Missing(code="TRANSPORT_UNKNOWN", says="what was told of its transport is taken back")


def request_of(
    twin: Twin, consignment_id: str, shelf: Shelf, masses: Masses | None = None
) -> Request | None:
    """What is to be computed for a consignment; None when nothing is told of its transport.
    `masses` = those of the twin that are known already.
    """
    here = subject(twin, CONSIGNMENT, consignment_id)
    if here is None:
        return None
    legs = legs_of(twin, here, consignment_id)
    if legs:
        found = chain_of(twin, here, consignment_id, legs, shelf, masses or Masses(twin))
        request = _request(consignment_id, found.tces, found.missing, found.days)
        return replace(request, assumptions=found.assumptions) if found.assumptions else request
    return _by_deliveries(twin, here, consignment_id, shelf, masses) if here.stated else None


def void(consignment_id: str) -> Request:
    """What is left of a footprint when every fact that it was from is taken back."""
    return _request(consignment_id, (), (_NOTHING,), ())


def is_void(request: Request) -> bool:
    """Whether it is one of `void`."""
    return request.missing == (_NOTHING,)


def _request(
    consignment_id: str, tces: Sequence[Tce], missing: Sequence[Missing], days: Iterable[int]
) -> Request:
    known = sorted(days)
    period = None
    if known:
        period = Period(first=date_of(known[0]).isoformat(), last=date_of(known[-1]).isoformat())
    return Request(
        calculation=FORM,
        chain_id=consignment_id,
        period=period,
        tces=tuple(tces),
        missing=tuple(missing),
    )


def _by_deliveries(
    twin: Twin, here: Subject, consignment_id: str, shelf: Shelf, masses: Masses | None
) -> Request:
    """One element from its maker to its receiver, once every line is delivered."""
    found = deliveries(here)
    if not all_delivered(twin, here, found):
        return _request(consignment_id, (), (_UNDELIVERED,), ())
    weight = delivered_mass(found)
    mode, missing = mode_of(found)
    start, no_start = one_place([event.from_place or "" for event in found], "MULTI_ORIGIN")
    end, no_end = one_place([event.to_place or "" for event in found], "MULTI_DESTINATION")
    missing = [*weight.missing, *missing, *(one for one in (no_start, no_end) if one is not None)]
    distance = None
    if start is not None and end is not None:
        distance = way(mode, start, end, "")
        missing += distance.missing
    halts, unplaced = stops([(start,), (end,)], passed(twin, here))
    days = {local_day(event.event_time, event.event_tz) for event in found}
    days.update(day for halt in halts for day in halt.days)
    tces: tuple[Tce, ...] = ()
    if not missing and start is not None and end is not None and distance is not None:
        key = SubjectKey(CONSIGNMENT, consignment_id)
        element = Element(key=key, leg=None, kg=weight.kg, country=country_of(start))
        told = own(masses or Masses(twin), element, here.measured, shelf)
        carried = Tce(
            tce_id=f"{consignment_id}-1",
            mode=mode,  # type: ignore[arg-type]
            mass_kg=weight.kg,
            distance_km=distance.km,
            distance_basis=distance.basis,
            energy=told.energy,
            supplied=told.supplied,
            assumptions=(f"DISTANCE: {distance.how}", *told.assumptions),
            from_place=start.name,
            to_place=end.name,
        )
        tces = _with_hubs(twin, here, consignment_id, carried, weight, halts)
    return _request(consignment_id, tces, [*missing, *unplaced], days)


def _with_hubs(
    twin: Twin,
    here: Subject,
    consignment_id: str,
    carried: Tce,
    weight: Weight,
    halts: Sequence[Stop],
) -> tuple[Tce, ...]:
    """The one element, and the hubs at both of its ends."""
    trips = [key for key in here.links if key.subject_type == TRIP]
    alone, kept = kept_with(twin, here, (), trips)
    side = Side(name=carried.tce_id, mode=carried.mode, containers=len(trips))
    first = _elements(hubs_at(halts[0], None, side), weight, carried.from_place, alone=alone)
    last = _elements(hubs_at(halts[1], side, None), weight, carried.to_place, alone=alone)
    return in_a_row((*first, carried, *last), consignment_id, kept, is_done=True)


def _elements(
    hubs: Iterable[Hub], weight: Weight, place: str | None, *, alone: bool
) -> Iterator[Tce]:
    return (hub_element(one, weight, place, planned=False, alone=alone) for one in hubs)


# ---- when it may differ


def affected(subjects: Subjects, moved: Iterable[tuple[SubjectKey, Subject, Subject]]) -> list[str]:
    """Consignments whose footprint may differ after what moved, sorted.

    It rests on deliveries, energy, links and limits; on departures, arrivals, bookings and states
    of legs; on what was stuffed into containers, and whose lines are in them; on gates of these
    and warehouses; and on the masses of those with whom it shares a leg or a measurement. Nothing
    else recomputes it.
    """
    found = set[str]()
    for key, old, new in moved:
        if key.subject_type == CONSIGNMENT:
            if _consignment_differs(old, new):
                found.add(key.subject_id)
        elif (key.subject_type == LEG and _leg_differs(old, new)) or (
            key.subject_type == TRIP and _trip_differs(old, new)
        ):
            found.update(_consignments(old))
            found.update(_consignments(new))
        elif key.subject_type == LINE and old.links is not new.links:
            for trip in {*old.links, *new.links}:  # its goods may be those of others
                if trip.subject_type == TRIP:
                    found.update(_consignments(subjects[trip]))
    for name in [*found]:
        here = subjects[SubjectKey(CONSIGNMENT, name)]
        for key in here.links:
            if key.subject_type == LEG:
                found.update(_consignments(subjects[key]))
        found.update(_named_with(here))
    return sorted(name for name in found if SubjectKey(CONSIGNMENT, name) in subjects)


def _named_with(here: Subject) -> Iterator[str]:
    """Consignments that are named together with one where something was measured."""
    for subject_type, subject_id, refs in {
        (event.subject_type, event.subject_id, event.refs) for event in here.measured
    }:
        if subject_type == CONSIGNMENT:
            yield subject_id
        for ref in refs:
            if ref.startswith(f"{CONSIGNMENT}:"):
                yield ref.partition(":")[2]


def _consignments(one: Subject) -> Iterator[str]:
    return (key.subject_id for key in one.links if key.subject_type == CONSIGNMENT)


def _consignment_differs(old: Subject, new: Subject) -> bool:
    was, now = old.tally.states, new.tally.states
    return (
        old.deliveries is not new.deliveries
        or old.measured is not new.measured
        or _passages_differ(old, new)
        or old.stated != new.stated
        or old.links is not new.links
        or old.value.limits != new.value.limits
        or _chill_differs(old, new)
        or (was is not now and (CANCELLED in was or CANCELLED in now))
    )


def _leg_differs(old: Subject, new: Subject) -> bool:
    was, now = old.value, new.value
    return (
        old.measured is not new.measured
        or old.links is not new.links
        or was.route != now.route
        or was.bound != now.bound
        or was.milestones is not now.milestones
        or was.state != now.state
        or _chill_differs(old, new)
    )


def _trip_differs(old: Subject, new: Subject) -> bool:
    return (
        old.links is not new.links
        or _passages_differ(old, new)
        or old.value.milestones.get("STUFFED") is not new.value.milestones.get("STUFFED")
        or _chill_differs(old, new)
    )


def _passages_differ(old: Subject, new: Subject) -> bool:
    return old.passages is not new.passages and {*old.passages} != {*new.passages}


def _chill_differs(old: Subject, new: Subject) -> bool:
    return old.sensed is not new.sensed and is_chilled(old.sensed) != is_chilled(new.sensed)
