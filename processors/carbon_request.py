"""What a calculation request may not say: every contradiction at once, each with its JSON path."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from supplytwin.processors.carbon_factors import as_factor
from supplytwin.processors.carbon_graph import cycles
from supplytwin.processors.carbon_parts import summed
from supplytwin.schemas import calculation as form
from supplytwin.schemas import factor_check
from supplytwin.schemas.factor_form import UNITS, Kind
from supplytwin.schemas.findings import Finding

PASSENGERS = "passengers"
"""Name of the zone that a TOC's passengers are."""
_TRANSPORT = ("mode", "toc_id", "model", "round_id")
_HUB = ("hub_type", "hoc_id")


def check(request: form.Request) -> list[Finding]:
    """Everything that is wrong beyond the form; empty when it can be computed."""
    found = [
        *_ids(request),
        *_chain(request.tces),
        *_inline(request),
        *_general(request),
    ]
    tocs = {one.toc_id: one for one in request.tocs}
    stops = {(one.round_id, stop.stop_id) for one in request.rounds for stop in one.stops}
    for at, one in enumerate(request.tces):
        found += _element(one, f"$.tces[{at}]", tocs.get(one.toc_id or ""), stops)
    for at, toc in enumerate(request.tocs):
        found += _toc(toc, f"$.tocs[{at}]")
    for at, hoc in enumerate(request.hocs):
        found += _zones(hoc, [one.zone for one in hoc.outbound], f"$.hocs[{at}]")
    for path, part in walk(request, "$"):
        found += _part(part, path)
    return found


def _of(path: str, code: str, says: str) -> Finding:
    return Finding(path=path, code=code, says=says)


def walk(value: Any, path: str) -> Iterator[tuple[str, Struct]]:
    """Every Struct inside a value, with its JSON path."""
    if isinstance(value, Struct):
        yield path, value
        for name in value.__struct_fields__:
            yield from walk(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, tuple):
        for at, one in enumerate(value):
            yield from walk(one, f"{path}[{at}]")


def _ids(request: form.Request) -> Iterator[Finding]:
    lists: list[tuple[str, Iterable[str | None]]] = [
        ("$.tces[{}].tce_id", (one.tce_id for one in request.tces)),
        ("$.tocs[{}].toc_id", (one.toc_id for one in request.tocs)),
        ("$.hocs[{}].hoc_id", (one.hoc_id for one in request.hocs)),
        ("$.rounds[{}].round_id", (one.round_id for one in request.rounds)),
        ("$.factors[{}].id", (one.id for one in request.factors)),
    ]
    for at, one in enumerate(request.rounds):
        lists.append((f"$.rounds[{at}].stops[{{}}].stop_id", (stop.stop_id for stop in one.stops)))
    for path, names in lists:
        seen = set[str]()
        for at, name in enumerate(names):
            if name is None:
                yield _of(path.format(at), "MISSING_FIELD", "is missing: nothing can name it")
            elif name in seen:
                yield _of(path.format(at), "TWO_IDS", f'"{name}" is there twice')
            else:
                seen.add(name)


def _chain(tces: Sequence[form.Tce]) -> Iterator[Finding]:
    places = {one.tce_id: at for at, one in enumerate(tces)}
    for at, one in enumerate(tces):
        for where, prev in enumerate(one.prev_tce_ids):
            if prev not in places:
                says = f'"{prev}" is no element of this chain'
                yield _of(f"$.tces[{at}].prev_tce_ids[{where}]", "UNKNOWN_TCE", says)
    for way in cycles({one.tce_id: one.prev_tce_ids for one in tces}):
        says = f"a cycle: {' after '.join(way)}: nothing comes before itself"
        yield _of(f"$.tces[{places[way[0]]}].prev_tce_ids", "CYCLE", says)


def _inline(request: form.Request) -> Iterator[Finding]:
    named: dict[str, form.InlineFactor] = {}
    leaks = [one.factor for _, one in walk(request, "$") if isinstance(one, form.Refrigerant)]
    for path, one in walk(request, "$"):
        if not isinstance(one, form.InlineFactor):
            continue
        if one.id is not None and named.setdefault(one.id, one) != one:
            yield _of(f"{path}.id", "TWO_IDS", f'"{one.id}" is the id of another factor, too')
        kind = _kind_of(path, one, leaking=one.id is not None and one.id in leaks)
        if one.unit not in UNITS[kind]:
            says = f"{one.unit} is no unit here: {', '.join(UNITS[kind])}"
            yield _of(f"{path}.unit", "WRONG_UNIT", says)
            continue
        yield from factor_check.of_numbers(as_factor(one, path, kind), path)
        if kind != "TRANSPORT":
            continue
        if one.distance_basis is None:
            says = "say which distance the intensity was divided by: GCD, SFD, ACTUAL or unknown"
            yield _of(f"{path}.distance_basis", "MISSING_FIELD", says)
        elif one.distance_basis in {"ACTUAL", "unknown"} and one.daf_included is None:
            says = "say whether the distance adjustment is inside: yes, no or unknown"
            yield _of(f"{path}.daf_included", "MISSING_FIELD", says)


def _kind_of(path: str, one: form.InlineFactor, *, leaking: bool) -> Kind:
    if leaking or ".refrigerants[" in path:
        return "REFRIGERANT"
    if path.startswith("$.tces[") and path.count(".") == 2:
        return "HUB" if one.unit in UNITS["HUB"] else "TRANSPORT"
    if not path.startswith("$.factors["):
        return "ENERGY"
    kinds: Mapping[str, Kind] = {unit: kind for kind in ("ENERGY", "HUB") for unit in UNITS[kind]}
    return kinds.get(one.unit, "TRANSPORT")


def _general(request: form.Request) -> Iterator[Finding]:
    things = (request.tces, request.tocs, request.hocs, request.rounds, request.missing)
    if not any(things):
        yield _of("$", "EMPTY", "has nothing to compute: give tces, tocs, hocs or rounds")
    if request.period is not None and request.period.last < request.period.first:
        yield _of("$.period.last", "BAD_VALUE", f"is before the first day, {request.period.first}")
    for at, one in enumerate(request.rounds):
        if not one.stops:
            yield _of(f"$.rounds[{at}].stops", "EMPTY", "a round has stops")
    kpi = request.kpi
    if kpi is not None and (kpi.intensity_wtw_kg_per_tkm is None) == (
        kpi.co2e_wtw_kg is None or kpi.transport_activity_tkm is None
    ):
        says = "give intensity_wtw_kg_per_tkm, or co2e_wtw_kg and transport_activity_tkm"
        yield _of("$.kpi", "BAD_VALUE", says)


def kind(one: form.Tce) -> str | None:
    """TRANSPORT or HUB; None when an element does not say which, or says both."""
    transport, hub = _sorts(one)
    if transport == hub:
        return None
    return "TRANSPORT" if transport else "HUB"


def _sorts(one: form.Tce) -> tuple[bool, bool]:
    unit = one.factor.unit if isinstance(one.factor, form.InlineFactor) else ""
    return (
        _said(one, _TRANSPORT) or unit in UNITS["TRANSPORT"],
        _said(one, _HUB) or unit in UNITS["HUB"],
    )


def _said(one: form.Tce, names: Iterable[str]) -> bool:
    return any(getattr(one, name) is not None for name in names)


def _element(
    one: form.Tce, path: str, toc: form.Toc | None, stops: set[tuple[str, str]]
) -> Iterator[Finding]:
    if one.toc_id is not None and one.hoc_id is not None:
        yield _of(path, "TOC_AND_HOC", "names a TOC and a HOC: it is transport or a hub, leave one")
        return
    sort = kind(one)
    if sort is None:
        both = all(_sorts(one))
        says = "is transport and hub at once" if both else "is neither transport nor hub"
        code = "TOC_AND_HOC" if both else "NO_TOC_NO_HOC"
        yield _of(path, code, f"{says}: give mode or toc_id, or else hub_type or hoc_id")
    elif sort == "HUB":
        yield from _hub(one, path)
    else:
        yield from _transport(one, path, toc, stops)
    if one.zone is not None and one.toc_id is None and one.hoc_id is None:
        yield _of(f"{path}.zone", "BAD_VALUE", "is a zone of what? give toc_id or hoc_id")
    if one.teu is not None and one.containers:
        yield _of(f"{path}.teu", "BAD_VALUE", "follows from containers: leave one of the two")


def _hub(one: form.Tce, path: str) -> Iterator[Finding]:
    if one.distance_km or one.legs_km:
        yield _of(f"{path}.distance_km", "HUB_WITH_DISTANCE", "a hub moves nothing: leave it out")
    for name in ("daf", "uplifts"):
        if getattr(one, name):
            yield _of(f"{path}.{name}", "BAD_VALUE", "is of transport, this is a hub")
    for at, amount in enumerate(one.energy):
        if amount.allocation is not None and amount.allocation.total_tkm is not None:
            says = "a hub has no tkm: allocate by total_kg"
            yield _of(f"{path}.energy[{at}].allocation.total_tkm", "BAD_VALUE", says)


def _transport(
    one: form.Tce, path: str, toc: form.Toc | None, stops: set[tuple[str, str]]
) -> Iterator[Finding]:
    if one.round_id is not None:
        if (one.round_id, one.stop_id or "") not in stops:
            says = f'no stop "{one.stop_id}" of a round "{one.round_id}"'
            yield _of(f"{path}.stop_id", "UNKNOWN_STOP", says)
        if one.mass_kg is not None or one.distance_km is not None:
            yield _of(path, "BAD_VALUE", "mass and distance are those of its stop: leave them out")
        return
    if one.mode is None and one.toc_id is None:
        yield _of(f"{path}.mode", "MISSING_FIELD", "is missing: ROAD, RAIL, AIR, SEA or BARGE")
    elif toc is not None and one.mode is not None and one.mode != toc.mode:
        says = f"is {one.mode}, its TOC is {toc.mode}"
        yield _of(f"{path}.mode", "BAD_VALUE", says)
    if (one.distance_km or one.legs_km) and one.distance_basis is None:
        says = "is missing: say whether the distance is GCD, SFD or ACTUAL"
        yield _of(f"{path}.distance_basis", "MISSING_FIELD", says)
    if one.legs_km and (one.mode != "AIR" or one.distance_km is not None):
        says = "are flights of mode AIR, and stand instead of distance_km"
        yield _of(f"{path}.legs_km", "BAD_VALUE", says)
    if one.uplifts and (one.mode or (toc and toc.mode)) != "ROAD":
        yield _of(f"{path}.uplifts", "BAD_VALUE", "are of mode ROAD alone")
    for name, times in Counter(each.rsplit("_", 1)[0] for each in one.uplifts).items():
        if times > 1:
            yield _of(f"{path}.uplifts", "UPLIFT_TWICE", f"{name} is there {times} times")


def _toc(toc: form.Toc, path: str) -> Iterator[Finding]:
    yield from _zones(toc, [one.zone for one in toc.activities], path)
    for at, one in enumerate(toc.activities):
        where = f"{path}.activities[{at}]"
        trip = (one.distance_km, one.mass_kg, one.capacity_kg, one.load_factor, one.passengers,
                one.seats, one.seat_load_factor, one.passenger_kg, one.count)  # fmt: skip
        if (one.tkm is None) == (one.distance_km is None):
            yield _of(where, "BAD_VALUE", "give tkm, or distance_km with what was carried")
        elif one.tkm is not None and any(value is not None for value in trip):
            yield _of(where, "BAD_VALUE", "has tkm: leave out distance, mass and passengers")
        elif one.tkm is None:
            loads = one.mass_kg is not None, one.capacity_kg is not None
            if sum(loads) != 1 or loads[1] != (one.load_factor is not None):
                says = "give mass_kg, or capacity_kg and load_factor"
                yield _of(where, "BAD_VALUE", says)
            seated = one.seats is not None
            if seated != (one.seat_load_factor is not None) or (seated and one.passengers):
                says = "give passengers, or seats and seat_load_factor"
                yield _of(where, "BAD_VALUE", says)
        if toc.equivalents and (one.passengers or one.seats):
            says = "passengers are in equivalents already: they would count twice"
            yield _of(where, "BAD_VALUE", says)


def _zones(one: form.Toc | form.Hoc, active: Sequence[str | None], path: str) -> Iterator[Finding]:
    if PASSENGERS in active:
        yield _of(path, "BAD_VALUE", f'a zone is not called "{PASSENGERS}": that name is taken')
    if None in active and len(set(active)) > 1:
        yield _of(path, "BAD_VALUE", "some activity has a zone, some has none: give all a zone")
    for name in ("energy", "refrigerants"):
        for at, amount in enumerate(getattr(one, name)):
            if amount.zone is not None and amount.zone not in active:
                says = f'"{amount.zone}" has no activity: its emissions would be nobody\'s'
                yield _of(f"{path}.{name}[{at}].zone", "UNKNOWN_ZONE", says)


def _part(one: Struct, path: str) -> Iterator[Finding]:
    match one:
        case form.EnergyAmount():
            if one.blend and (one.factor is not None or one.unit != "l"):
                says = "a blend is by volume: give the amount in l, and no factor beside it"
                yield _of(path, "BAD_VALUE", says)
            if one.blend and summed(part.share for part in one.blend) != 1:
                yield _of(f"{path}.blend", "SHARES", "shares of a blend sum to exactly 1")
        case form.Allocation():
            given = (one.share, one.total_tkm, one.total_kg)
            if sum(value is not None for value in given) != 1:
                yield _of(path, "BAD_VALUE", "give exactly one of share, total_tkm, total_kg")
        case form.Refrigerant():
            charge = one.charge_kg is not None and one.loss_rate is not None
            part = one.charge_kg is not None or one.loss_rate is not None
            if (one.quantity_kg is not None) == charge or (part and not charge):
                yield _of(path, "BAD_VALUE", "give quantity_kg, or charge_kg and loss_rate")
        case form.Model():
            yield from _model(one, path)
        case form.Supplied():
            if one.co2e_ttw_kg is not None and one.co2e_ttw_kg > one.co2e_wtw_kg:
                says = "is more than co2e_wtw_kg, which contains it"
                yield _of(f"{path}.co2e_ttw_kg", "BAD_VALUE", says)
        case _:
            pass


def _model(one: form.Model, path: str) -> Iterator[Finding]:
    if (one.capacity_kg is None) == (one.full_kg_per_tkm is None):
        yield _of(path, "BAD_VALUE", "give capacity_kg or full_kg_per_tkm")
    direct = one.empty_kg_per_km is not None and one.full_kg_per_km is not None
    some = one.empty_kg_per_km is not None or one.full_kg_per_km is not None
    if (one.consumption is not None) == direct or (some and not direct):
        says = "give consumption, or empty_kg_per_km and full_kg_per_km"
        yield _of(path, "BAD_VALUE", says)
    if one.consumption is not None and one.consumption.empty_per_km > one.consumption.full_per_km:
        says = "is more than full_per_km: an empty vehicle needs less"
        yield _of(f"{path}.consumption.empty_per_km", "BAD_VALUE", says)
