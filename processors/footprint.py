"""Footprint of one consignment: one transport chain element from its maker to its receiver.

ISO 14083 / GLEC: emissions = mass (t) x distance (km) x intensity (kg/tkm) x DAF. Decimals of 34
digits; only presentation rounds further. What is missing is named; nothing is estimated, nothing
counts as zero.
"""

import hashlib
from collections.abc import Sequence
from decimal import Context, Decimal

import msgspec
from msgspec import Struct

from supplytwin.processors.consignment import CANCELLED
from supplytwin.processors.subjects import Subject
from supplytwin.processors.twin import Twin, subject
from supplytwin.schemas import factors, places
from supplytwin.schemas.events import ShipmentDelivered
from supplytwin.schemas.machines import CONSIGNMENT, LINE

METHOD = "ISO 14083 / GLEC v3: one TCE, GCD with DAF by mode, default factors"
CONTEXT = Context(prec=34)
"""34 significant digits (IEEE 754 decimal128): the same on every machine."""
_AIR_ALLOWANCE_KM = Decimal(95)
_DAF = {"SEA": Decimal("1.15"), "ROAD": Decimal("1.05")}
"""Distance adjustment where the factor does not contain it (GLEC v3 pp. 51, 150)."""
_UNDELIVERED = "DELIVERY_UNKNOWN:not every line is delivered"
_ONE = Decimal(1)
_KG_PER_T = Decimal(1000)


class Tce(Struct, frozen=True, kw_only=True, gc=False):
    """One transport chain element; names as in iLEAP."""

    tce_id: str
    mode: str
    from_place: str
    to_place: str
    mass_kg: Decimal
    distance_km: Decimal
    daf: Decimal
    factor_id: str
    transport_activity_tkm: Decimal
    co2e_wtw_kg: Decimal
    co2e_wtt_kg: Decimal
    co2e_ttw_kg: Decimal


class FootprintResult(Struct, frozen=True, kw_only=True, gc=False):
    """The footprint as far as it can be computed; `missing` = ``CODE:what`` for each input.

    DELIVERY_UNKNOWN, MASS_UNKNOWN, MODE_UNKNOWN, MULTI_ORIGIN, MULTI_DESTINATION, PLACE_UNKNOWN,
    DISTANCE_UNKNOWN, FACTOR_UNKNOWN.
    """

    consignment_id: str
    tces: tuple[Tce, ...]
    missing: tuple[str, ...]
    input_hash: str
    pack: str
    pack_version: str

    @property
    def complete(self) -> bool:
        return not self.missing

    def total(self, name: str) -> Decimal | None:
        """Sum of one figure over the elements; None when the footprint is incomplete."""
        if self.missing:
            return None
        total = Decimal(0)
        for tce in self.tces:
            total = CONTEXT.add(total, getattr(tce, name))
        return total


def footprint(twin: Twin, consignment_id: str) -> FootprintResult | None:
    """The footprint of a consignment; None when nobody ever said that something of it is delivered.

    It has no value before every line that is not cancelled is delivered, nor when that is taken
    back.
    """
    here = subject(twin, CONSIGNMENT, consignment_id)
    if here is None or not here.stated:
        return None
    found = _deliveries(here)
    pack = factors.load()
    missing: list[str] = []
    tces: tuple[Tce, ...] = ()
    inputs: object = None
    if not _all_delivered(twin, here, found):
        missing.append(_UNDELIVERED)
    else:
        mass = _mass(found, missing)
        mode = _mode(found, missing)
        start, end = _ends(found, missing)
        factor = None if mode is None else pack.default(mode)
        if mode is not None and factor is None:
            missing.append(f"FACTOR_UNKNOWN:{pack.pack} {pack.version} has no default for {mode}")
        if mass is not None and mode and factor and start and end:
            tces = (_tce(consignment_id, mode, start, end, mass, factor),)
        inputs = [_inputs(found), start, end]
    return FootprintResult(
        consignment_id=consignment_id,
        tces=tces,
        missing=tuple(missing),
        input_hash=_input_hash(inputs, pack),
        pack=pack.pack,
        pack_version=pack.version,
    )


def may_differ(old: Subject, new: Subject) -> bool:
    """Whether the footprint of a consignment may differ between two states of it: it rests on the
    deliveries that reach it, on which lines are linked, and on which of them are cancelled.
    """
    if not new.stated:
        return False
    was, now = old.tally.states, new.tally.states
    return (
        old.deliveries is not new.deliveries
        or not old.stated
        or old.links is not new.links
        or (was is not now and (CANCELLED in was or CANCELLED in now))
    )


def _deliveries(here: Subject) -> list[ShipmentDelivered]:
    """The deliveries that count, sorted: those of the lines; only when there are none, those of
    the consignment itself.
    """
    of_lines = [event for event in here.deliveries if event.subject_type == LINE]
    return of_lines or [event for event in here.deliveries if event.subject_type == CONSIGNMENT]


def _all_delivered(twin: Twin, here: Subject, found: Sequence[ShipmentDelivered]) -> bool:
    if not found or found[0].subject_type == CONSIGNMENT:
        return bool(found)
    delivered = {event.subject_id for event in found}
    for key in here.links:
        if key.subject_type == LINE and key.subject_id not in delivered:
            line = subject(twin, *key)
            if line is None or line.value.state != CANCELLED:
                return False
    return True


def _mass(found: Sequence[ShipmentDelivered], missing: list[str]) -> Decimal | None:
    """Sum over the lines, once every line has one mass of its own or is included in one that has.

    Several deliveries of one line with a mass each may be parts or repeats: then it is unknown.
    """
    masses: dict[str, Decimal] = {}
    twice = set[str]()
    for event in found:
        if event.mass_kg is None or event.mass_kg <= 0:
            continue
        if event.subject_id in masses:
            twice.add(event.subject_id)
        masses[event.subject_id] = event.mass_kg
    unknown = sorted(
        {
            event.subject_id
            for event in found
            if event.subject_id in twice
            or (event.subject_id not in masses and event.mass_included_in not in masses)
        }
    )
    missing.extend(f"MASS_UNKNOWN:{found[0].subject_type} {name}" for name in unknown)
    if unknown:
        return None
    total = Decimal(0)
    for _, mass in sorted(masses.items()):
        total = CONTEXT.add(total, mass)
    return total


def _mode(found: Sequence[ShipmentDelivered], missing: list[str]) -> str | None:
    modes = sorted({event.mode or "" for event in found})
    if len(modes) == 1 and modes[0]:
        return modes[0]
    said = ", ".join(mode or "none" for mode in modes)
    missing.append(f"MODE_UNKNOWN:{said}")
    return None


def _ends(
    found: Sequence[ShipmentDelivered], missing: list[str]
) -> tuple[places.Place | None, places.Place | None]:
    """Where it came from and where it went, when each is one known place."""
    known = places.table()
    ends: list[places.Place | None] = []
    for names, code in (
        (sorted({event.from_place or "" for event in found}), "MULTI_ORIGIN"),
        (sorted({event.to_place or "" for event in found}), "MULTI_DESTINATION"),
    ):
        unknown = [name for name in names if name not in known]
        spots = {known[name].geonames_id: known[name] for name in names if name in known}
        one = len(names) == 1 or (not unknown and len(spots) == 1)
        if not one:
            missing.append(f"{code}:{len(names)} places")
        elif unknown:
            missing.append(f"PLACE_UNKNOWN:{unknown[0] or 'none'}")
        ends.append(known[names[0]] if one and not unknown else None)
    start, end = ends
    if start is not None and end is not None and start.geonames_id == end.geonames_id:
        missing.append(f"DISTANCE_UNKNOWN:from and to {start.city}")
        return None, None
    return start, end


def daf(mode: str, distance_km: Decimal, factor: factors.Factor) -> Decimal:
    """The distance adjustment factor; 1 when the factor contains it (never twice).

    `distance_km` is positive. A factor of which it is unknown is taken as one without.
    """
    if factor.daf_included == "yes":
        return _ONE
    if mode == "AIR":
        return CONTEXT.divide(CONTEXT.add(distance_km, _AIR_ALLOWANCE_KM), distance_km)
    return _DAF.get(mode, _ONE)


def _tce(
    consignment_id: str,
    mode: str,
    start: places.Place,
    end: places.Place,
    mass_kg: Decimal,
    factor: factors.Factor,
) -> Tce:
    distance = places.distance_km(start.lat, start.lon, end.lat, end.lon)
    adjustment = daf(mode, distance, factor)
    activity = CONTEXT.multiply(CONTEXT.divide(mass_kg, _KG_PER_T), distance)
    adjusted = CONTEXT.multiply(activity, adjustment)
    wtw, wtt, ttw = factors.whole(factor)
    return Tce(
        tce_id=f"{consignment_id}-1",
        mode=mode,
        from_place=start.name,
        to_place=end.name,
        mass_kg=mass_kg,
        distance_km=distance,
        daf=adjustment,
        factor_id=factor.id,
        transport_activity_tkm=activity,
        co2e_wtw_kg=CONTEXT.multiply(adjusted, wtw),
        co2e_wtt_kg=CONTEXT.multiply(adjusted, wtt),
        co2e_ttw_kg=CONTEXT.multiply(adjusted, ttw),
    )


def _inputs(found: Sequence[ShipmentDelivered]) -> list[list[str | None]]:
    return sorted(
        [
            [
                event.subject_id,
                event.mode or "",
                event.from_place or "",
                event.to_place or "",
                "" if event.mass_kg is None else format(event.mass_kg.normalize(CONTEXT), "f"),
                event.mass_included_in or "",
            ]
            for event in found
        ]
    )


def _input_hash(inputs: object, pack: factors.Pack) -> str:
    """Hex SHA-256 of everything that the result rests on, in canonical form."""
    canonical = msgspec.json.encode([METHOD, pack.pack, pack.version, inputs], order="sorted")
    return hashlib.sha256(canonical).hexdigest()
