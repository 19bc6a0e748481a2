"""What the plausibility rules remember of a subject, from fact to fact in their order.

It is a part of the accumulator: so it follows the set of facts, is folded again only where that
changes, and each fact is held against its neighbours alone. A fact speaks about one body: the trip
that it names, else its own subject. So one jump is one exception.
"""

from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Any, NamedTuple

from immutables import Map
from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import plausibility as rules
from supplytwin.processors.facts import Identity
from supplytwin.processors.plausibility import Arrival, Finding, Fix, Got, Sent, Weighed
from supplytwin.processors.singly import is_placed, kilograms
from supplytwin.schemas import localtime
from supplytwin.schemas.events import Event
from supplytwin.schemas.machines import CONSIGNMENT, LEG, LINE, LOT, TRIP, UNIT
from supplytwin.schemas.places import positions
from supplytwin.schemas.plausibility import Thresholds, shipped

_SUMS = Context(prec=60)


class Track(NamedTuple):
    """Where something was last. When that was found impossible: also where before."""

    last: Fix
    before: Fix | None = None


class Watch(Struct, frozen=True, kw_only=True, gc=False):
    """What the rules know of one subject after some of its facts."""

    tracks: Map[str, Track] = Map()
    """By device; the body's own under the empty name."""
    modes: frozenset[str] = frozenset()
    """Modes of transport that are booked."""
    weights: tuple[Weighed, ...] = ()
    """The last statement, and the last one of another source or by other means."""
    numbers: frozenset[str] = frozenset()
    """Wrong container numbers that were said."""
    arrived: Arrival | None = None
    """The last arrival before any departure."""
    left: bool = False
    """Of what has no milestone for it: it has departed."""
    sent: tuple[Sent, ...] = ()
    """What was dispatched for a line."""
    got: tuple[Got, ...] = ()
    """What was received of a line."""


START = Watch()


class Seen(Struct, kw_only=True):
    """One fact being looked at, and what comes of it."""

    machine: str
    event: Any
    said: Identity
    policy: Thresholds
    watch: Watch
    route: str | None
    """Of a leg, as booked."""
    found: list[Finding]

    def keep(self, **changes: Any) -> None:
        self.watch = replace(self.watch, **changes)

    def hear(self, finding: Finding) -> None:
        if finding.verdict != "PASS":
            self.found.append(finding)


_COUNTED = frozenset(("wh.dispatched", "wh.received", "wh.receipt_reversed"))
"""What a line is sent and what is received of it (`processors.counts`)."""


def concerns(machine: str, event: Event, subject_id: str) -> bool:
    """Whether the rules look at an event as a fact of this subject: it is the body that the event
    speaks about, or a line of which goods are sent or received.
    """
    if event.classifier != "ACTUAL":
        return False
    kind = event.event_type
    if kind not in _RULES and kind not in _ORDERED and machine != TRIP and not is_placed(event):
        return machine == LINE and kind in _COUNTED
    return is_body(machine, event, subject_id) or (machine == LINE and kind in _COUNTED)


def is_body(machine: str, event: Event, subject_id: str) -> bool:
    """Whether an event speaks about this subject: the trip that it names, else its own subject."""
    if event.subject_id == subject_id and event.subject_type == machine:
        return machine == TRIP or getattr(event, "trip_id", None) is None
    if machine != TRIP or event.subject_type == TRIP:
        return False
    return getattr(event, "trip_id", None) == subject_id


def look(
    watch: Watch | None,
    machine: str,
    event: Event,
    *,
    subject_id: str,
    route: str | None,
) -> tuple[Watch | None, list[Finding]]:
    """The watch after an event about this body, and what is wrong with it."""
    if machine != TRIP and event.event_type not in _RULES and not is_placed(event):
        return watch, []
    seen = Seen(
        machine=machine,
        event=event,
        said=Identity(event.source, event.event_id),
        policy=shipped().at(event.event_time),
        watch=watch or START,
        route=route,
        found=[],
    )
    if machine == TRIP:
        _number(seen, subject_id.partition("/")[0])
    rule = _RULES.get(event.event_type)
    if rule is not None:
        rule(seen)
    fix = _fix(seen)
    if fix is not None:
        _locate(seen, fix)
        if event.event_type == "shipment.delivered" and event.lat is not None:
            _deliver(seen, fix)
    return (watch if seen.watch is START else seen.watch), seen.found


def told(findings: list[Finding]) -> Iterator[tuple[str, str]]:
    """Code and reason of what was found about one fact: once for each rule."""
    by_rule: dict[str, list[Finding]] = {}
    for one in findings:
        by_rule.setdefault(one.rule, []).append(one)
    for rule, those in by_rule.items():
        worst = min(those, key=lambda one: one.verdict)
        yield rule, f"{worst.verdict}: {'; '.join(one.reason for one in those)}"


# ---- where it is


def _fix(seen: Seen) -> Fix | None:
    event = seen.event
    earliest, latest = localtime.span(event)
    if event.lat is not None:
        return Fix((event.lat, event.lon), 0, earliest, latest, seen.said)
    known = positions()
    at = known.get(event.unlocode) or known.get(event.facility)
    radius_m = seen.policy.place_radius_m
    return None if at is None else Fix(at, radius_m, earliest, latest, seen.said)


def _deliver(seen: Seen, fix: Fix) -> None:
    event = seen.event
    for name in (event.to_place, event.unlocode, event.facility):
        centre = positions().get(name)
        if centre is not None:
            seen.hear(rules.geofence(fix, centre, name, seen.policy))
            return


def _locate(seen: Seen, fix: Fix) -> None:
    device = ""
    if seen.event.event_type == "shipment.sensor" and seen.machine not in (TRIP, UNIT):
        device = seen.event.device_id
    track = seen.watch.tracks.get(device)
    before = None
    if track is not None:
        found = _between(seen, track.last, fix, device)
        if found is not None and track.before is not None:
            found = found if _between(seen, track.before, fix, device) else None
        if found is not None:
            seen.hear(found)
            before = track.before or track.last
    seen.keep(tracks=seen.watch.tracks.set(device, Track(fix, before)))


def _between(seen: Seen, one: Fix, other: Fix, device: str) -> Finding | None:
    """What is wrong between two fixes; two places at once are not a speed as well."""
    limits = seen.policy.speed_max_kmh
    if rules.is_near(one, other, seen.policy):
        return None
    modes = _modes(seen)
    limit = max(limits[mode] for mode in modes) if modes else max(limits.values())
    fast = rules.speed(one, other, limit, seen.policy)
    surface = modes and "AIR" not in modes
    if surface and (device or seen.machine in (TRIP, UNIT)):
        found = rules.two_places(one, other, seen.policy)
        if found.verdict != "PASS":
            return found
    return None if fast.verdict == "PASS" else fast


def _modes(seen: Seen) -> frozenset[str]:
    """How it may travel; empty = that is not known. Most ways begin or end on a road."""
    if seen.machine == TRIP:
        return _SURFACE
    known = seen.policy.speed_max_kmh
    if seen.machine == LEG and seen.route is not None:
        return frozenset((seen.route.partition(";")[0],)) & known.keys()
    modes = seen.watch.modes
    said: str | None = getattr(seen.event, "mode", None)
    if said is not None and said in known:
        modes |= {said}
    return modes | {"ROAD"} if modes else modes


_SURFACE = frozenset(("ROAD", "RAIL", "SEA", "BARGE"))
"""Containers of ISO 6346 do not fly."""


# ---- event type by event type


def _number(seen: Seen, number: str) -> None:
    found = rules.container_number(number, seen.said)
    if found.verdict != "PASS" and found.reason not in seen.watch.numbers:
        seen.hear(found)
        seen.keep(numbers=seen.watch.numbers | {found.reason})


def _booked(seen: Seen) -> None:
    if seen.machine == LEG:
        return  # its route says how it goes
    modes = {leg.split(";")[1] for leg in seen.event.legs} & seen.policy.speed_max_kmh.keys()
    seen.keep(modes=seen.watch.modes | modes)


def _stuffed(seen: Seen) -> None:
    _number(seen, seen.event.container_no)
    if seen.event.gross_kg is not None:
        _weigh(seen, Weighed(seen.event.gross_kg, scale=False, said=seen.said))


def _weigh(seen: Seen, stated: Weighed) -> None:
    of = stated.said.source, stated.scale
    others = [one for one in seen.watch.weights if (one.said.source, one.scale) != of]
    if others:
        seen.hear(rules.weight(others[0], stated, seen.policy))
    seen.keep(weights=(stated, *others[:1]))


def _sensor(seen: Seen) -> None:
    event = seen.event
    unit = kilograms(event.metric, event.unit)
    if unit is not None:
        kg = _SUMS.multiply(Decimal(str(event.value)), unit)
        _weigh(seen, Weighed(kg, scale=True, said=seen.said))


_RULES = {
    "shipment.booked": _booked,
    "shipment.stuffed": _stuffed,
    "shipment.sensor": _sensor,
}


# ---- what comes first

_ORDERED = frozenset(("shipment.arrived", "shipment.departed"))
_TRAVELS = frozenset((CONSIGNMENT, LINE, LOT, TRIP, UNIT))


def ordered(
    watch: Watch | None, machine: str, event: Any, *, departed: bool
) -> tuple[Watch | None, list[Finding]]:
    """The watch of a body after an arrival or a departure, and what is wrong with its first
    departure, after an arrival. `departed`: by its milestones it is not the first.

    Where a leg is named, the leg's lifecycle watches the order.
    """
    if departed or machine not in _TRAVELS or event.event_type not in _ORDERED:
        return watch, []
    known = watch or START
    leaves = event.event_type == "shipment.departed"
    if known.left or (leaves and machine not in (CONSIGNMENT, LINE)):
        watch = replace(known, left=True)  # it has no milestone that says so
    if known.left or event.leg_no is not None or (leaves and known.arrived is None):
        return watch, []
    earliest, latest = localtime.span(event)
    here = Arrival(event.unlocode, event.facility, earliest, latest, event.source, event.event_id)
    arrived = known.arrived
    if arrived is None or not leaves:
        return replace(known, arrived=here), []
    found = rules.departed_late(arrived, here)
    return watch, [] if found.verdict == "PASS" else [found]
