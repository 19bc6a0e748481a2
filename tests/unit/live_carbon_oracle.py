"""A second reading of docs/carbon.md, "The live twin": from a plain list of facts to the elements
of a consignment and their emissions, in fractions. It shares tables and distances with the twin,
no rule and no arithmetic.
"""

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple

import live_carbon_hubs as hubs

from supplytwin.schemas import places, sea
from supplytwin.schemas.events import Event
from supplytwin.schemas.ids import DAY_US

Leg = str
"""Subject id of a leg."""


class Energy(NamedTuple):
    """A measured amount; of `total_kg` aboard the element's mass is its part."""

    carrier: str
    quantity: Fraction
    unit: str
    total_kg: Fraction | None


class Element(NamedTuple):
    """One element; None = not known, or not of its kind."""

    kind: str
    what: str | None
    """Mode, or type of hub."""
    mass_kg: Fraction | None
    distance_km: Fraction | None
    basis: str | None
    energy: tuple[Energy, ...]
    planned: bool
    temperature: str | None
    from_place: str | None
    to_place: str | None
    wtw_kg: Fraction | None


class Footprint(NamedTuple):
    """`codes`: what is missing, without any there is a total; `told`: what is said of energy and
    of hubs; `days`: those of what is told at hubs.
    """

    elements: tuple[Element, ...]
    codes: frozenset[str]
    told: frozenset[str]
    days: frozenset[date]
    total_kg: Fraction | None


# ---- which facts count


def counting(told: Iterable[Event]) -> list[Any]:
    """The facts that count: of each identity its highest revision, unless a correction beats it.

    For corrections by the same source, never in a ring, of which no revision takes another aim.
    """
    latest: dict[tuple[str, str], Any] = {}
    for event in told:
        known = latest.get((event.source, event.event_id))
        if known is None or event.revision > known.revision:
            latest[event.source, event.event_id] = event
    against: dict[tuple[str, str], list[Any]] = {}
    for event in latest.values():
        if event.correction_action is not None:
            aim = event.correction_source or event.source, event.correction_event_id
            against.setdefault(aim, []).append(event)

    def over(event: Any, *actions: str) -> bool:
        """Whether one of these corrections of the event stands."""
        return any(
            one.correction_action in actions
            and one.revision >= event.revision
            and not over(one, "RETRACT")
            for one in against.get((event.source, event.event_id), ())
        )

    return [
        event
        for event in latest.values()
        if event.correction_action != "RETRACT" and not over(event, "RETRACT", "SUPERSEDE")
    ]


def _names(event: Any, kind: str) -> set[str]:
    """Subjects of a type that an event is about or refers to."""
    found = {ref.partition(":")[2] for ref in event.refs if ref.startswith(f"{kind}:")}
    return found | ({event.subject_id} if event.subject_type == kind else set())


def _trips(event: Any) -> set[str]:
    named = getattr(event, "trip_id", None)
    found = _names(event, "EQUIPMENT_TRIP") | _names(event, "TRIP")
    return found | ({named} if named else set())


def _legs(event: Any) -> dict[Leg, int | None]:
    """The legs that an event speaks of, with the number that it gives them."""
    own = _names(event, "LEG")
    booked = [int(one.split(";")[0]) for one in getattr(event, "legs", ())]
    number = getattr(event, "leg_no", None)
    numbers = booked if booked else [] if number is None else [number]
    if own:
        return dict.fromkeys(own, numbers[0] if len(numbers) == 1 else None)
    return {f"{one}/{each}": each for one in _names(event, "CONSIGNMENT") for each in numbers}


# ---- one leg

_PATH = ("PLANNED", "LOADING", "DEPARTED", "ARRIVED")
_LEADS = {
    "shipment.booked": "PLANNED", "shipment.loaded": "LOADING", "shipment.departed": "DEPARTED",
    "shipment.arrived": "ARRIVED", "order.cancelled": "CANCELLED",
}  # fmt: skip
_BELIEVED = ("terminal", "carrier", "aggregator", "manual", "wms", "inferred")
"""The best source first; a source of no listed kind stands with the carriers."""


def believed(source: str) -> int:
    """The place of a source; the smallest is believed."""
    kind = source.partition(":")[0]
    return _BELIEVED.index(kind if kind in _BELIEVED else "carrier")


class Course(NamedTuple):
    """What the facts of one leg add up to."""

    state: str
    route: tuple[str, ...] | None
    vehicle: str | None
    reports: Mapping[str, Any]
    """DEPARTED and ARRIVED: the event that is reported."""
    number: int | None

    @property
    def time(self) -> int:
        return min((one.event_time for one in self.reports.values()), default=0)


def course(name: Leg, facts: Iterable[Any]) -> Course:
    """The lifecycle of a leg, fact by fact in the order of their times, which differ."""
    state, route, vehicle = "", None, None
    told: dict[str, list[Any]] = {"DEPARTED": [], "ARRIVED": []}
    numbers = set()
    for event in sorted(facts, key=lambda one: one.event_time):
        omitted = getattr(event, "exception_code", None) == "REROUTED"
        to = "OMITTED" if omitted else _LEADS.get(event.event_type)
        if to is None:
            continue
        closed = state in ("CANCELLED", "OMITTED")
        if to in ("CANCELLED", "OMITTED"):
            state = to if state in ("", "PLANNED") else state
            continue
        here = _PATH.index(state) if state in _PATH else -1
        allowed = not closed and here <= _PATH.index(to)
        known = told.get(to)
        if known is not None and (known or allowed):
            _report(known, event)
        if not allowed:
            continue
        numbers.add(_legs(event).get(name))
        state = to
        if to == "PLANNED":
            route = _own_part(name, event) or route
        elif vehicle is None:
            vehicle = event.vehicle_id
    reports = {code: min(found, key=_preferred) for code, found in told.items() if found}
    tail = name.rpartition("/")[2]
    known_numbers = {one for one in numbers if one is not None}
    number = int(tail) if "/" in name and tail.isdigit() else max(known_numbers, default=None)
    return Course(state, route, vehicle, reports, number)


def _preferred(event: Any) -> tuple[int, int, str, str]:
    return believed(event.source), event.event_time, event.source, event.event_id


def _report(known: list[Any], event: Any) -> None:
    """The first word of each source counts, unless it is of another place."""
    places_ = {one.unlocode for one in (*known, event)} - {None}
    if all(one.source != event.source for one in known) and len(places_) < 2:
        known.append(event)


def _own_part(name: Leg, event: Any) -> tuple[str, ...] | None:
    for leg in event.legs:
        number, *route = leg.split(";")
        if len(event.legs) == 1 or name.endswith(f"/{int(number)}"):
            return tuple(route)
    return None


# ---- one consignment


class World:
    """The facts of a chain that count, and what has happened."""

    def __init__(self, told: Sequence[Event], packs: Sequence[Mapping[str, Any]]) -> None:
        self.facts = [one for one in counting(told) if one.classifier == "ACTUAL"]
        self.every = [one for one in told if one.classifier == "ACTUAL"]
        self.packs = packs

    def about(self, name: str, *kinds: str) -> list[Any]:
        """Facts of these types that speak of a consignment."""
        return [one for one in self.facts
                if one.event_type in kinds and name in _names(one, "CONSIGNMENT")]  # fmt: skip

    def course(self, leg: Leg) -> Course:
        return course(leg, [one for one in self.facts if leg in _legs(one)])

    def legs(self, name: str) -> list[Leg]:
        """The legs of a consignment that are elements, in order."""
        found = set()
        for event in self.about(name, "shipment.booked", "shipment.departed", "shipment.arrived"):
            if event.subject_type in ("CONSIGNMENT", "LEG"):
                found |= _legs(event).keys()
        if any(self.course(one).route or self.course(one).reports for one in found):
            linked, loaded = set[Leg](), set[Leg]()
            for event in self.facts:
                if event.event_type in ("shipment.loaded", "shipment.discharged"):
                    loaded |= _legs(event).keys()
                about = event.subject_type in ("CONSIGNMENT", "LEG")
                if about and name in _names(event, "CONSIGNMENT"):
                    linked |= _legs(event).keys()
            found |= linked & loaded
        else:
            return []
        every = {one for each in self.facts for one in _names(each, "CONSIGNMENT")} - {name}
        foreign = {leg for leg in found if leg.rpartition("/")[0] in every}
        known = {one: self.course(one) for one in found - foreign}
        left = [one for one, way in known.items()
                if way.state not in ("CANCELLED", "OMITTED")]  # fmt: skip
        return sorted(left, key=lambda one: (known[one].number or 0, known[one].time, one))

    def carried(self, leg: Leg) -> set[str]:
        """The consignments of a leg."""
        named = {name for one in self.facts for name in _names(one, "CONSIGNMENT")}
        return {name for name in named if leg in self.legs(name)}


def footprint(
    told: Sequence[Event], name: str, packs: Sequence[Mapping[str, Any]]
) -> Footprint | None:
    """The footprint of a consignment; None while no leg and no delivery of it was told."""
    world = World(told, packs)
    codes: set[str] = set()
    notes: set[str] = set()
    days: set[date] = set()
    legs = world.legs(name)
    if legs:
        elements = _travelled(world, name, legs, codes, notes, days)
    else:
        stated = [one for one in world.every if one.event_type == "shipment.delivered"
                  and name in _names(one, "CONSIGNMENT")]  # fmt: skip
        if not stated:
            return None
        elements = _delivered(world, name, codes, notes, days)
    whole = sum((one.wtw_kg or Fraction(0) for one in elements), Fraction(0))
    return Footprint(tuple(elements), frozenset(codes), frozenset(notes), frozenset(days),
                     None if codes else whole)  # fmt: skip


def is_open(told: Sequence[Event], name: str) -> bool:
    """Whether the rules and the twin are known to differ, or the rules say nothing: such
    consignments are left out.
    """
    world = World(told, ())
    others = {one for each in world.facts for one in _names(each, "CONSIGNMENT")}
    return any(_is_beside_cooled(world, one) for one in others | {name})


def _is_beside_cooled(world: World, name: str) -> bool:
    """Not cooled itself, and told together with a consignment that is."""
    beside = {one for each in world.facts for one in _names(each, "CONSIGNMENT")
              if name in _names(each, "CONSIGNMENT")}  # fmt: skip
    return not _is_cooled(world, name) and any(_is_cooled(world, one) for one in beside)


# ---- mass


def _lines(world: World, name: str) -> tuple[list[Any], bool]:
    """(deliveries of the lines of a consignment, whether every line that is left has one)."""
    facts = [one for one in world.facts if name in _names(one, "CONSIGNMENT")]
    lines = {one.subject_id for one in facts if one.subject_type == "ORDER_LINE"}
    cancelled = {
        one.subject_id
        for one in facts
        if (one.event_type, one.subject_type) == ("order.cancelled", "ORDER_LINE")
    }
    all_ = [one for one in facts if one.event_type == "shipment.delivered"]
    own = [one for one in all_ if one.subject_type == "ORDER_LINE"]
    done = {one.subject_id for one in own}
    if not own:
        return all_, bool(all_) and not lines - cancelled
    return own, lines - cancelled <= done


def _is_delivered(world: World, name: str) -> bool:
    """Whether every line is."""
    deliveries, whole = _lines(world, name)
    return bool(deliveries) and whole


def _delivered_kg(deliveries: Sequence[Any]) -> Fraction | None:
    by_line: dict[str, list[Any]] = {}
    for one in deliveries:
        by_line.setdefault(one.subject_id, []).append(one)
    masses = {
        line: [Fraction(one.mass_kg) for one in told if one.mass_kg]
        for line, told in by_line.items()
    }
    total = Fraction(0)
    for line, told in by_line.items():
        hosts = [one.mass_included_in for one in told]
        if len(masses[line]) > 1:
            return None
        if not masses[line] and not all(masses.get(host) for host in hosts):
            return None
        total += sum(masses[line])
    return total or None


def _stuffed(world: World, name: str) -> dict[str, Fraction | None]:
    """By trip: gross mass of what is in it; None where nobody says it, or others' goods are in it,
    too.
    """
    found: dict[str, Fraction | None] = {}
    others: set[str] = set()
    for one in world.facts:
        named = _names(one, "CONSIGNMENT")
        if named - {name}:
            others |= _trips(one)
        if name not in named:
            continue
        for trip in _trips(one):
            known = Fraction(one.gross_kg) if getattr(one, "gross_kg", None) else None
            found[trip] = known or found.get(trip)
    return {trip: None if trip in others else gross for trip, gross in found.items()}


def mass_kg(world: World, name: str, leg: Leg) -> Fraction | None:
    """What a consignment weighs on a leg of it: what is in the containers that the leg names, where
    these are not all; else what its deliveries say, else what was stuffed for it.
    """
    boxes = _stuffed(world, name)
    named: set[str] = set()
    for one in world.facts:
        if leg in _legs(one) and one.subject_type in ("LEG", "EQUIPMENT_TRIP"):
            named |= _trips(one)
    some = named & boxes.keys()
    if not some or some == boxes.keys():
        deliveries, whole = _lines(world, name)
        known = _delivered_kg(deliveries) if whole else None
        if known is not None:
            return known
        some = set(boxes)
    masses = [boxes[one] for one in some]
    known_masses = [one for one in masses if one is not None]
    complete = masses and len(known_masses) == len(masses)
    return sum(known_masses, Fraction(0)) if complete else None


# ---- places, distances


def _position(place: str | None) -> tuple[Decimal, Decimal] | None:
    ports = places.ports()
    if place in ports:
        lat, lon = ports[place]
        return Decimal(repr(lat)), Decimal(repr(lon))
    named = places.table().get(place or "")
    return None if named is None else (named.lat, named.lon)


def _country(place: str | None) -> str | None:
    if place in places.ports():
        return place[:2] if place else None
    named = places.table().get(place or "")
    return None if named is None else named.country


def _distance(
    mode: str | None, route: Sequence[str], start: str | None, end: str | None, codes: set[str]
) -> tuple[Fraction | None, str | None]:
    if len(route) == 5:
        return Fraction(route[3]), route[4]
    one, other = _position(start), _position(end)
    if one is None or other is None:
        codes |= {"PLACE_UNKNOWN", "DISTANCE_UNKNOWN"}
        return None, None
    if one == other:
        codes.add("DISTANCE_UNKNOWN")
        return None, None
    if mode == "SEA" and start and end:
        by_sea = sea.sea_km(start, end)
        if by_sea is not None:
            return Fraction(by_sea), "SFD"
    return Fraction(places.distance_km(*one, *other)), "GCD"


# ---- temperature


def _is_cooled(world: World, name: str) -> bool:
    booked = [one for one in world.about(name, "shipment.booked")
              if one.subject_type == "CONSIGNMENT" and one.limits]  # fmt: skip
    last = max(booked, key=lambda one: one.event_time, default=None)
    if last is not None and any(limit.startswith("temperature;") for limit in last.limits):
        return True
    return any(
        one.subject_type == "CONSIGNMENT"
        and one.metric == "temperature"
        and (one.lower is not None or one.upper is not None)
        for one in world.about(name, "shipment.sensor")
    )


# ---- legs


def _travelled(
    world: World, name: str, legs: Sequence[Leg], codes: set[str], notes: set[str],
    days: set[date],
) -> list[Element]:  # fmt: skip
    cooled = "refrigerated" if _is_cooled(world, name) else None
    energy = _measured(world, name, legs, notes)
    ways = [world.course(leg) for leg in legs]
    gone = [
        _leg(world, name, leg, way, energy.get(leg, []), cooled, codes, notes)
        for leg, way in zip(legs, ways, strict=True)
    ]
    if any(_apart(one.to_place, other.from_place) for one, other in pairwise(gone)):
        codes.add("GAP")
    return _with_hubs(world, name, gone, [way.reports for way in ways], codes, days)


def _apart(one: str | None, other: str | None) -> bool:
    known = one is not None and other is not None
    return known and _where(one) != _where(other)


def _where(place: str | None) -> Hashable:
    return _position(place) or place


def _leg(
    world: World, name: str, leg: Leg, way: Course, facts: Sequence[Any], cooled: str | None,
    codes: set[str], notes: set[str],
) -> Element:  # fmt: skip
    route = way.route or ()
    mode = route[0] if route else "SEA" if _is_ship(way.vehicle) else None
    begun, ended = way.reports.get("DEPARTED"), way.reports.get("ARRIVED")
    start = (begun.unlocode if begun else None) or (route[1] if route else None)
    end = (ended.unlocode if ended else None) or (route[2] if route else None)
    mass = mass_kg(world, name, leg)
    if mode is None:
        codes |= {"MODE_UNKNOWN"} | ({"MASS_UNKNOWN"} if mass is None else set())
        return Element("TRANSPORT", None, mass, None, None, (), False, cooled, start, end, None)
    if mass is None:
        codes.add("MASS_UNKNOWN")
    strayed = route and (_apart(start, route[1]) or _apart(end, route[2]))
    km, basis = _distance(mode, route[:3] if strayed else route, start, end, codes)
    planned = not way.reports and not _is_delivered(world, name)
    used, wtw = _own_energy(world, name, leg, mass, start, facts, notes)
    if not used:
        wtw = _by_default(world, mode, mass, km, basis, cooled, codes)
    return Element("TRANSPORT", mode, mass, km, basis, used, planned, cooled, start, end,
                   wtw)  # fmt: skip


def _is_ship(vehicle: str | None) -> bool:
    digits = (vehicle or "").removeprefix("IMO").strip()
    if len(digits) != 7 or not digits.isdigit():
        return False
    return sum(int(one) * by for one, by in zip(digits, range(7, 1, -1), strict=False)) % 10 == int(
        digits[6]
    )


# ---- energy

_JOULES = Fraction("3.6")
_NAMES = {
    "diesel": ("mobile-diesel-fuel", "wtt-diesel-100-percent-mineral-diesel-l"),
    "petrol": ("mobile-motor-gasoline", "wtt-petrol-100-percent-mineral-petrol-l"),
    "hfo": ("mobile-residual-fuel-oil", "wtt-marine-fuel-oil-l"),
    "jet a1": ("mobile-kerosene-type-jet-fuel", "wtt-aviation-turbine-fuel-l"),
}


@cache
def built_in(name: str) -> Any:
    """A pack that is shipped, as its file has it."""
    return json.loads(files("supplytwin.schemas").joinpath(f"factors_{name}.json").read_text())


def _one(pack: Any, wanted: str) -> Any:
    return next(one for one in pack["factors"] if one["id"] == wanted)


def per_unit(carrier: str, unit: str, country: str | None) -> Fraction | None:
    """kg CO2e (WTW) of one unit; None where no pack has it."""
    name = carrier.lower()
    if name == "electricity":
        grids = [one for one in built_in("grids2023")["factors"] if one.get("country") == country]
        if not grids or unit not in ("kWh", "MJ"):
            return None
        per_kwh = Fraction(grids[0]["wtw"])
        return per_kwh if unit == "kWh" else per_kwh / _JOULES
    if name not in _NAMES or unit != "l":
        return None
    operation, provision = _NAMES[name]
    return Fraction(_one(built_in("epa2025"), operation)["ttw"]) + Fraction(
        _one(built_in("desnz2025"), provision)["wtt"]
    )


def _measured(
    world: World, name: str, legs: Sequence[Leg], notes: set[str]
) -> dict[Leg, list[Any]]:
    """Energy facts by the leg that they are of."""
    found: dict[Leg, list[Any]] = {leg: [] for leg in legs}
    for one in world.facts:
        if one.event_type != "shipment.energy":
            continue
        named = _legs(one)
        if named.keys() & found.keys():
            for leg in named.keys() & found.keys():
                found[leg].append(one)
        elif named and name in _names(one, "CONSIGNMENT"):
            notes.add("UNPLACED")
        elif name in _names(one, "CONSIGNMENT"):
            of = [
                leg
                for leg in legs
                if one.vehicle_id and world.course(leg).vehicle == one.vehicle_id
            ]
            of = of if one.vehicle_id else list(legs)
            if len(of) == 1:
                found[of[0]].append(one)
            else:
                notes.add("UNPLACED")
    return found


def _sharers(world: World, name: str, leg: Leg, event: Any) -> set[str]:
    """The consignments that energy is of: those that it names, of a leg all that it carried."""
    named = _names(event, "CONSIGNMENT")
    if event.subject_type == "LEG" and leg:
        named = named | world.carried(leg)
    return named or {name}


def _own_energy(
    world: World, name: str, leg: Leg, mass: Fraction | None, start: str | None,
    facts: Sequence[Any], notes: set[str],
) -> tuple[tuple[Energy, ...], Fraction | None]:  # fmt: skip
    """The amounts that count and what they emit for this consignment; nothing where none count."""
    facts = [one for one in facts if name in _sharers(world, name, leg, one)]
    sources = sorted({(believed(one.source), one.source) for one in facts})
    for at, (_, source) in enumerate(sources):
        used, emitted = [], Fraction(0)
        for one in facts:
            if one.source == source:
                amount = _amount(world, name, leg, mass, start, one)
                if amount is None:
                    notes.add("ENERGY_UNUSED")
                    break
                used.append(amount[0])
                emitted += amount[1]
        else:
            if sources[at + 1 :]:
                notes.add("ENERGY_SOURCE")
            alike: dict[Any, Fraction] = {}
            for use in used:
                key = use.carrier, use.unit, use.total_kg
                alike[key] = alike.get(key, Fraction(0)) + use.quantity
            whole = [Energy(key[0].lower(), sum_, *key[1:]) for key, sum_ in alike.items()]
            return tuple(sorted(whole, key=lambda use: (*use[:3], use[3] or 0))), emitted
    return (), None


def _amount(
    world: World, name: str, leg: Leg, mass: Fraction | None, start: str | None, one: Any
) -> tuple[Energy, Fraction] | None:
    """An amount and what this consignment emits of it; None where it cannot be used."""
    rate = per_unit(one.energy_carrier, one.energy_unit, _country(start))
    quantity, total, part = Fraction(one.energy_qty), None, Fraction(1)
    sharers = _sharers(world, name, leg, one)
    if rate is None or quantity <= 0:
        return None
    if len(sharers) > 1:
        masses = [mass_kg(world, each, "") for each in sharers]
        known = [each for each in masses if each is not None]
        if len(known) < len(masses) or mass is None or mass != mass_kg(world, name, ""):
            return None
        total = sum(known, Fraction(0))
        part = mass / total
    return Energy(one.energy_carrier, quantity, one.energy_unit, total), (quantity * rate * part)


# ---- defaults


def _default(
    packs: Sequence[Mapping[str, Any]], what: str | None, cooled: str | None, km: Fraction | None
) -> Any:
    """The default of the first pack that has one: the refrigerated one for refrigerated goods."""
    haul = None if what != "AIR" or km is None else "short" if km <= 1500 else "long"
    for pack in packs:
        found = [
            one
            for one in pack["factors"]
            if what in (one.get("default_for"), one.get("hub_type"))
            and one.get("haul") in (None, haul)
            and one.get("temperature_control") in (None, "ambient", cooled)
        ]
        if found:
            return max(found, key=lambda one: (one.get("temperature_control") == cooled,
                                               one.get("haul") is not None))  # fmt: skip
    return None


def _adjustment(mode: str, km: Fraction, basis: str | None, factor: Any) -> Fraction | None:
    if factor["daf_included"] == "yes" or factor["distance_basis"] in (basis, "GCD", "SFD"):
        return Fraction(1)
    if basis == "ACTUAL":
        return Fraction(1)
    if mode == "AIR":
        return (km + 95) / km if basis == "GCD" else None
    return {"SEA": Fraction("1.15"), "ROAD": Fraction("1.05")}.get(mode, Fraction(1))


def _by_default(
    world: World, mode: str | None, mass: Fraction | None, km: Fraction | None, basis: str | None,
    cooled: str | None, codes: set[str],
) -> Fraction | None:  # fmt: skip
    if mode is None:
        return None
    factor = _default(world.packs, mode, cooled, km)
    if factor is None:
        codes.add("FACTOR_UNKNOWN")
        return None
    if km is None:
        return None
    by = _adjustment(mode, km, basis, factor)
    if by is None:
        codes.add("DAF_UNKNOWN")
    if by is None or mass is None:
        return None
    return mass / 1000 * km * by * Fraction(factor["wtw"])


# ---- hubs


def _passages(world: World, name: str) -> list[hubs.Passage]:
    """What is told of the goods at places that are known; all zones of the world are UTC."""
    boxes = _stuffed(world, name).keys()
    made = []
    for one in world.facts:
        if one.event_type in (hubs.GATE_IN, hubs.GATE_OUT):
            counts = not one.empty and bool(_trips(one) & boxes)
        else:
            stored = one.event_type in (hubs.RECEIVED, hubs.DISPATCHED)
            counts = stored and name in _names(one, "CONSIGNMENT")
        place = _where(one.unlocode or one.facility or None)  # an empty text names none
        if place is None and None not in (one.lat, one.lon):
            place = Decimal(repr(one.lat)), Decimal(repr(one.lon))
        if counts and place is not None:
            day = date.fromordinal(date(1970, 1, 1).toordinal() + one.event_time // DAY_US)
            made.append(hubs.Passage(one.event_type, place, day))
    return made


def _with_hubs(
    world: World, name: str, gone: Sequence[Element], been: Sequence[Mapping[str, Any]],
    codes: set[str], days: set[date],
) -> list[Element]:  # fmt: skip
    """Legs that are elements, with the hubs before, between and behind them."""
    way = [hubs.Stretch(one.what, _where(one.from_place), _where(one.to_place)) for one in gone]
    found = hubs.hubs(_passages(world, name), way, boxed=bool(_stuffed(world, name)))
    codes |= {"HUB_UNPLACED"} if found.unplaced else set()
    days |= found.days
    made: list[Element] = []
    for at, slot in enumerate(found.slots):
        before = gone[at - 1] if at else gone[0]
        behind = gone[at] if at < len(gone) else gone[-1]
        where = before.to_place or behind.from_place if at else behind.from_place
        happened = slot.told or (0 < at < len(gone) and (
            "ARRIVED" in been[at - 1] or "DEPARTED" in been[at]))  # fmt: skip
        planned = not happened and not _is_delivered(world, name)
        for what in slot.hubs:
            hub = Element("HUB", what, behind.mass_kg, None, None, (), planned,
                          behind.temperature, where, where, None)  # fmt: skip
            made.append(_hub(world, hub, codes))
        if at < len(gone) and behind.what is not None:
            made.append(behind)
    return made


def _hub(world: World, hub: Element, codes: set[str]) -> Element:
    factor = _default(world.packs, hub.what, hub.temperature, None)
    if factor is None:
        codes.add("FACTOR_UNKNOWN")
    if hub.mass_kg is None:
        codes.add("MASS_UNKNOWN")
    if factor is None or hub.mass_kg is None:
        return hub
    assert factor["unit"] == "kg/t"
    return hub._replace(wtw_kg=hub.mass_kg / 1000 * Fraction(factor["wtw"]))


# ---- deliveries


def _delivered(
    world: World, name: str, codes: set[str], notes: set[str], days: set[date]
) -> list[Element]:
    deliveries, whole = _lines(world, name)
    if not deliveries or not whole:
        codes.add("DELIVERY_UNKNOWN")
        return []
    mass = _delivered_kg(deliveries)
    modes = {one.mode for one in deliveries}
    mode = next(iter(modes)) if len(modes) == 1 else None
    start = _common([one.from_place for one in deliveries], "MULTI_ORIGIN", codes)
    end = _common([one.to_place for one in deliveries], "MULTI_DESTINATION", codes)
    km, basis, wtw = None, None, None
    if mass is None:
        codes.add("MASS_UNKNOWN")
    if mode is None:
        codes.add("MODE_UNKNOWN")
    if start is not None and end is not None:
        km, basis = _distance(mode, (), start, end, codes)
    cooled = "refrigerated" if _is_cooled(world, name) else None
    if codes:
        way_ = [hubs.Stretch(mode, _where(start), _where(end))]
        if hubs.hubs(_passages(world, name), way_, boxed=False).unplaced:
            codes.add("HUB_UNPLACED")
        return []
    facts = world.about(name, "shipment.energy")
    used, wtw = _own_energy(world, name, "", mass, start, facts, notes)
    if not used:
        wtw = _by_default(world, mode, mass, km, basis, cooled, codes)
    way = Element("TRANSPORT", mode, mass, km, basis, used, False, cooled, start, end, wtw)
    return _with_hubs(world, name, [way], [{}], codes, days)


def _common(names: Sequence[str | None], several: str, codes: set[str]) -> str | None:
    """The one place that all names mean; the smallest name of it."""
    if len({_position(one) or one for one in names}) > 1:
        codes.add(several)
        return None
    if _position(names[0]) is None:
        codes.add("PLACE_UNKNOWN")
        return None
    return min(one for one in names if one is not None)
