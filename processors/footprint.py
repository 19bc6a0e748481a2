"""Footprint of one consignment: one transport chain element from where it was made to where it went.

ISO 14083 / GLEC: emissions = mass (t) x distance (km) x intensity (kg/tkm) x DAF. Decimal, rounded by
nobody: presentation rounds. What is missing is named; nothing is estimated and nothing counts as zero.
"""

import hashlib
from collections.abc import Sequence
from decimal import Context, Decimal
from typing import Any

import msgspec
from msgspec import Struct

from supplytwin.processors.twin import Twin, reaching
from supplytwin.schemas import factors, places
from supplytwin.schemas.events import ShipmentDelivered

METHOD = "ISO 14083 / GLEC v3: one TCE, GCD with DAF by mode, default factors"
CONTEXT = Context(prec=34)
"""34 significant digits (IEEE 754 decimal128): the same on every machine."""
_AIR_ALLOWANCE_KM = Decimal(95)
_DAF = {"SEA": Decimal("1.15"), "ROAD": Decimal("1.05")}
"""Distance adjustment where the factor does not contain it (GLEC v3 pp. 51, 98, 150)."""
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
    """The footprint as far as it can be computed; `missing` = ``CODE:what`` for each input that is not there."""

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


def deliveries(twin: Twin, consignment_id: str) -> list[ShipmentDelivered]:
    """What the deliveries of the consignment's lines say, in the order of their lines."""
    found = []
    for slot in reaching(twin, "CONSIGNMENT", consignment_id):
        version = slot.effective
        if version is None or version.event.classifier != "ACTUAL":
            continue
        if isinstance(version.event, ShipmentDelivered):
            found.append(version.event)
    return sorted(found, key=lambda event: (event.subject_id, event.source, event.event_id))


def footprint(twin: Twin, consignment_id: str) -> FootprintResult | None:
    """The footprint of a consignment; None before anything of it is delivered."""
    found = deliveries(twin, consignment_id)
    if not found:
        return None
    pack = factors.load()
    missing: list[str] = []
    mass = _mass(found, missing)
    mode = _mode(found, missing)
    start, end = _ends(found, missing)
    factor = None if mode is None else pack.default(mode)
    if mode is not None and factor is None:
        missing.append(f"FACTOR_UNKNOWN:{pack.pack} has no default for {mode}")
    tces: tuple[Tce, ...] = ()
    if mass is not None and mode and factor and start and end:
        tces = (_tce(consignment_id, mode, start, end, mass, factor, pack),)
    return FootprintResult(
        consignment_id=consignment_id,
        tces=tces,
        missing=tuple(missing),
        input_hash=_input_hash(found, pack),
        pack=pack.pack,
        pack_version=pack.version,
    )


def _mass(found: Sequence[ShipmentDelivered], missing: list[str]) -> Decimal | None:
    """Sum over the lines, once every line has a mass of its own or is included in one that has."""
    masses: dict[str, Decimal] = {}
    for event in found:
        if event.mass_kg is not None:
            masses.setdefault(event.subject_id, event.mass_kg)
    for event in found:
        if event.subject_id in masses or event.mass_included_in in masses:
            continue
        missing.append(f"MASS_UNKNOWN:{event.subject_type} {event.subject_id}")
    total = sum(masses.values(), Decimal(0))
    if not missing and total <= 0:
        missing.append("MASS_UNKNOWN:the lines weigh nothing")
    return None if missing else total


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
        ends.append(next(iter(spots.values())) if one and not unknown else None)
    return ends[0], ends[1]


def daf(mode: str, distance_km: Decimal, pack: factors.Pack) -> Decimal:
    """The distance adjustment factor; 1 when the factor contains it (never twice)."""
    if pack.daf_included:
        return _ONE
    if mode == "AIR" and distance_km > 0:
        return CONTEXT.divide(distance_km + _AIR_ALLOWANCE_KM, distance_km)
    return _DAF.get(mode, _ONE)


def _tce(
    consignment_id: str,
    mode: str,
    start: places.Place,
    end: places.Place,
    mass_kg: Decimal,
    factor: factors.Factor,
    pack: factors.Pack,
) -> Tce:
    distance = places.distance_km(start.lat, start.lon, end.lat, end.lon)
    adjustment = daf(mode, distance, pack)
    activity = CONTEXT.multiply(CONTEXT.divide(mass_kg, _KG_PER_T), distance)
    adjusted = CONTEXT.multiply(activity, adjustment)
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
        co2e_wtw_kg=CONTEXT.multiply(adjusted, factor.wtw),
        co2e_wtt_kg=CONTEXT.multiply(adjusted, factor.wtt),
        co2e_ttw_kg=CONTEXT.multiply(adjusted, factor.ttw),
    )


def _input_hash(found: Sequence[ShipmentDelivered], pack: factors.Pack) -> str:
    """Hex SHA-256 of everything that the result rests on, in canonical form."""
    inputs: list[list[Any]] = sorted(
        [
            [event.subject_id, event.mode or "", event.from_place or "", event.to_place or "",
             "" if event.mass_kg is None else str(event.mass_kg.normalize()),
             event.mass_included_in or ""]
            for event in found
        ]
    )  # fmt: skip
    canonical = msgspec.json.encode([METHOD, pack.pack, pack.version, inputs])
    return hashlib.sha256(canonical).hexdigest()
