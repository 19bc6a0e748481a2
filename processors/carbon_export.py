"""A computed chain as iLEAP 1.0 says it: a shipment footprint, the categories that its elements
name, and activity data.

What is not whole does not leave; what iLEAP demands and nobody knows is named and left out, never
invented.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.carbon_export_categories import (
    MODES,
    Operation,
    category,
    energy_carriers,
    operation,
    own_name,
)
from supplytwin.processors.carbon_factors import Book, Shelf
from supplytwin.processors.carbon_parts import ZERO
from supplytwin.schemas import ileap, places
from supplytwin.schemas.calculated import Refused, Result, TceResult
from supplytwin.schemas.calculation import Request, Tce
from supplytwin.schemas.findings import Finding, in_order

_CITY = re.compile(r"(\S.*), ([A-Z]{2})")
_DISTANCES = {"SFD": "sfd", "GCD": "gcd", "ACTUAL": "actual"}


class Leaving(Struct, frozen=True, kw_only=True):
    """A document to be, and the elements that it rests on."""

    subject: ileap.ShipmentFootprint | ileap.TOC | ileap.HOC | ileap.TAD
    elements: tuple[TceResult, ...]


class Export(Struct, frozen=True, kw_only=True):
    """Of one shipment: its footprint first; `left_out` = what it names and no document says."""

    leaving: tuple[Leaving, ...]
    left_out: tuple[Finding, ...]


class _Step(Struct, frozen=True, kw_only=True):
    """An element as it was asked, computed, and by which operations it is said."""

    path: str
    asked: Tce
    made: TceResult
    by: Operation


def shipments(request: Request) -> tuple[str | None, ...]:
    """The consignments of a chain that leave one by one; (None,) = the chain is one shipment."""
    named = sorted({one.consignment_id for one in request.tces if one.consignment_id is not None})
    return tuple(named) if len(named) > 1 else (None,)


def export(
    request: Request,
    result: Result,
    shelf: Shelf,
    consignment_id: str | None = None,
    mass_kg: Decimal | None = None,
) -> Export | Refused:
    """What leaves of a chain, of one of its consignments where `consignment_id` says which.

    `mass_kg` is the shipment's, where its elements do not agree on one. Refused, with every reason,
    when the footprint has a hole or iLEAP cannot say it.
    """
    places_of = {one.tce_id: at for at, one in enumerate(request.tces)}
    members = [one for one in result.tces if consignment_id in (None, one.consignment_id)]
    name = _shipment_id(request, consignment_id)
    wrong = [*_holes(request, result, members, places_of), *_whose(request, consignment_id)]
    masses = {one.mass_kg for one in members if one.mass_kg is not None}
    mass = mass_kg if mass_kg is not None else next(iter(masses), None)
    if mass_kg is None and len(masses) > 1:
        says = "its elements have different masses: say what the shipment has (--mass-kg)"
        wrong.append(Finding(path="$.tces", code="SHIPMENT_MASS", says=says))
    if wrong or mass is None:
        return Refused(refused=True, findings=in_order(wrong))
    steps = _steps(request, members, name, places_of)
    before = _before(result.tces, {one.tce_id for one in members})
    footprint = ileap.ShipmentFootprint(
        mass=mass,
        shipment_id=name,
        tces=tuple(_tce(one, name, before) for one in steps),
    )
    book = Book(request, shelf)
    said, left_out = _categories(request, result, steps, book)
    return Export(
        leaving=(
            Leaving(subject=footprint, elements=tuple(members)),
            *said,
            *_activity_data(request, result, steps, name, book),
        ),
        left_out=in_order(left_out),
    )


def _shipment_id(request: Request, consignment_id: str | None) -> str:
    """The consignment's, where one is named; else the chain's."""
    named = {one.consignment_id for one in request.tces} - {None}
    if consignment_id is None and len(named) == 1:
        (consignment_id,) = named
    return consignment_id or request.chain_id


def _whose(request: Request, consignment_id: str | None) -> Iterator[Finding]:
    """Elements of which nobody knows whether they are of this shipment."""
    named = {one.consignment_id for one in request.tces} - {None}
    if consignment_id is not None and consignment_id not in named:
        says = f"no element of consignment {consignment_id}: {', '.join(sorted(map(str, named)))}"
        yield Finding(path="$.tces", code="CONSIGNMENT_UNKNOWN", says=says)
    elif len(named) > 1:
        for at, one in enumerate(request.tces):
            if one.consignment_id is None:
                says = "others have a consignment_id, this one has none: say whose it is"
                yield Finding(path=f"$.tces[{at}]", code="CONSIGNMENT_UNKNOWN", says=says)
        if consignment_id is None:
            says = f"has {len(named)} consignments: say which one leaves"
            yield Finding(path="$.tces", code="CONSIGNMENT_UNKNOWN", says=says)


def _holes(
    request: Request,
    result: Result,
    members: Sequence[TceResult],
    places_of: Mapping[str, int],
) -> Iterator[Finding]:
    """Why this is no whole footprint of something that happened."""
    if not members:
        yield Finding(path="$.tces", code="EMPTY", says="has no element: there is no shipment")
    paths = {f"$.tces[{places_of[one.tce_id]}]" for one in members}
    for lack in result.missing:
        if lack.path in paths or not lack.path.startswith(("$.tces[", "$.kpi")):
            yield lack
    for one in members:
        at = places_of[one.tce_id]
        path = f"$.tces[{at}]"
        if request.tces[at].planned:
            says = "is planned, which iLEAP has no word for: it can leave when it happened"
            yield Finding(path=path, code="PLANNED", says=says)
        if not one.complete:
            continue
        if one.co2e.co2e_wtw_kg is None:
            says = "emissions were not computed: leave out only ACTIVITY"
            yield Finding(path=path, code="NO_EMISSIONS", says=says)
        elif one.co2e.co2e_ttw_kg is None:
            says = "TTW is not known, iLEAP demands it: give a factor with its TTW"
            yield Finding(path=path, code="TTW_UNKNOWN", says=says)


def _steps(
    request: Request, members: Sequence[TceResult], name: str, places_of: Mapping[str, int]
) -> list[_Step]:
    """The elements, each id of a category with one meaning: who would give it another one has a
    category of its own.
    """
    known: dict[str, Operation] = {}
    steps = []
    for made in members:
        at = places_of[made.tce_id]
        asked = request.tces[at]
        by = operation(asked, made, name)
        first = known.setdefault(by.id, by)
        if (first.unit, first.wtw, first.ttw) != (by.unit, by.wtw, by.ttw):
            by = operation(asked, made, name, own=True)
        steps.append(_Step(path=f"$.tces[{at}]", asked=asked, made=made, by=by))
    return steps


def _before(tces: Sequence[TceResult], inside: set[str]) -> dict[str, tuple[str, ...]] | None:
    """The nearest predecessors of each element that are of the shipment; None = no order is said.

    `tces` are in an order in which predecessors come first.
    """
    nearest: dict[str, set[str]] = {}
    for one in tces:
        nearest[one.tce_id] = set()
        for prev in one.prev_tce_ids:
            nearest[one.tce_id] |= {prev} if prev in inside else nearest[prev]
    found = {name: tuple(sorted(nearest[name])) for name in inside}
    return found if len(inside) == 1 or any(found.values()) else None


def _tce(step: _Step, shipment_id: str, before: Mapping[str, tuple[str, ...]] | None) -> ileap.TCE:
    asked, made, hub = step.asked, step.made, step.made.kind == "HUB"
    wtw, ttw = made.co2e.co2e_wtw_kg, made.co2e.co2e_ttw_kg
    assert made.mass_kg is not None
    assert made.transport_activity_tkm is not None
    assert wtw is not None
    assert ttw is not None
    return ileap.TCE(
        tce_id=made.tce_id,
        prev_tce_ids=None if before is None else before[made.tce_id],
        toc_id=None if hub else step.by.id,
        hoc_id=step.by.id if hub else None,
        shipment_id=shipment_id,
        consignment_id=made.consignment_id,
        mass=made.mass_kg,
        packaging_or_tr_eq_type=None if made.teu is None else "Container-TEU",
        packaging_or_tr_eq_amount=made.teu,
        distance=_distance(made),
        origin=_location(asked.from_place),
        destination=_location(asked.to_place),
        transport_activity=made.transport_activity_tkm,
        departure_at=asked.departure_at,
        arrival_at=asked.arrival_at,
        flight_no=asked.flight_no,
        voyage_no=asked.voyage_no,
        co2e_wtw=wtw,
        co2e_ttw=ttw,
    )


def _distance(made: TceResult) -> ileap.GLECDistance:
    """By the kind of distance that the activity was computed with; a hub moves nothing."""
    if made.distance_km is None:
        return ileap.GLECDistance(actual=ZERO)
    return ileap.GLECDistance(**{_DISTANCES[str(made.distance_basis)]: made.distance_km})


def _location(name: str | None) -> ileap.Location | None:
    """City and country, of the table of places or as ``City, CC``; None = not both are known."""
    if name is None:
        return None
    place = places.table().get(name)
    if place is not None:
        return ileap.Location(city=place.city, country=place.country)
    said = _CITY.fullmatch(name)
    return None if said is None else ileap.Location(city=said[1], country=said[2])


def _categories(
    request: Request, result: Result, steps: Sequence[_Step], book: Book
) -> tuple[list[Leaving], list[Finding]]:
    """The TOCs and HOCs that the elements name, each once, and what is not known of the others."""
    users: dict[str, list[_Step]] = {}
    for step in steps:
        users.setdefault(step.by.id, []).append(step)
    said, left_out = list[Leaving](), list[Finding]()
    for name, those in users.items():
        first = those[0]
        found = category(first.asked, first.made, first.by, request, result, book)
        if isinstance(found, str):
            code, _, why = found.partition(": ")
            says = f"{'HOC' if first.made.kind == 'HUB' else 'TOC'} {name} is left out: {why}"
            left_out.append(Finding(path=first.path, code=code, says=says))
        else:
            elements = tuple(one.made for one in those)
            said.append(Leaving(subject=found, elements=elements))
    return said, left_out


def _activity_data(
    request: Request, result: Result, steps: Sequence[_Step], shipment_id: str, book: Book
) -> Iterator[Leaving]:
    """What was carried, where both places and both times are known."""
    for step in steps:
        asked, made = step.asked, step.made
        origin, destination = _location(asked.from_place), _location(asked.to_place)
        if made.kind == "HUB" or origin is None or destination is None or made.mode is None:
            continue
        if asked.departure_at is None or asked.arrival_at is None:
            continue
        carriers = energy_carriers(asked, made, request, result, book)
        model = asked.model if made.way == "model" else None
        kept = asked.temperature_control
        yield Leaving(
            subject=ileap.TAD(
                activity_id=own_name(shipment_id, made.tce_id),
                consignment_ids=(made.consignment_id or shipment_id,),
                distance=_distance(made),
                mass=made.mass_kg,
                load_factor=None if model is None else model.load_factor,
                empty_distance_factor=None if model is None else model.empty_distance_factor,
                origin=origin,
                destination=destination,
                departure_at=asked.departure_at,
                arrival_at=asked.arrival_at,
                mode=MODES[made.mode],
                energy_carriers=None if isinstance(carriers, str) else carriers,
                temperature_control=None if kept == "mixed" else kept,
            ),
            elements=(made,),
        )
