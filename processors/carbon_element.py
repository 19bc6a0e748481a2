"""One transport chain element: mass, distance and activity, what it emits, and the trace of why.

`G = T x g x DAF` for transport, `G = tonnes x g` for hubs (GLEC v3 p. 26).
"""

from msgspec import Struct

from supplytwin.processors import carbon_activity as activity
from supplytwin.processors.carbon_categories import co2e
from supplytwin.processors.carbon_factors import Trail
from supplytwin.processors.carbon_outcome import Facts, Outcome, World, emissions
from supplytwin.processors.carbon_parts import KG_PER_T, ZERO, Parts, over
from supplytwin.processors.carbon_request import kind
from supplytwin.schemas.calculated import TceResult
from supplytwin.schemas.calculation import Tce
from supplytwin.schemas.decimal_text import plain


class Element(Struct, frozen=True, kw_only=True):
    """One element, computed."""

    result: TceResult
    parts: Parts
    trail: Trail


def element(one: Tce, path: str, world: World) -> Element:
    """An element with its numbers, or with what is missing for them."""
    trail = Trail(path)
    for text in one.assumptions:
        code, _, says = text.partition(": ")
        trail.assume(code, says)
    facts = _facts(one, world, trail)
    made = Outcome()
    if world.book is not None:
        made = emissions(one, facts, world, world.book, trail)
        if made.parts.wtw is None and not trail.missing and not trail.refused:
            trail.lack("FACTOR_PART_UNKNOWN", f"{one.tce_id}: WTW follows from none of its factors")
    hub = facts.kind == "HUB"
    category = made.category or f"inline:{one.tce_id}"
    result = TceResult(
        tce_id=one.tce_id,
        prev_tce_ids=tuple(sorted(one.prev_tce_ids)),
        consignment_id=one.consignment_id,
        kind=facts.kind,
        mode=facts.mode,
        hub_type=one.hub_type or _hub_type(one, world),
        toc_id=None if hub else one.toc_id or category,
        hoc_id=(one.hoc_id or category) if hub else None,
        mass_kg=facts.mass_kg,
        teu=facts.teu,
        distance_km=facts.distance_km,
        distance_basis=facts.basis,
        transport_activity_tkm=ZERO if hub else facts.tkm,
        hub_activity_t=over(facts.mass_kg, KG_PER_T) if hub else None,
        daf=made.daf,
        daf_why=made.daf_why,
        intensity=made.intensity,
        co2e=co2e(made.parts),
        data_type=made.data_type,
        way=made.way,
        primary_share=made.primary_share,
        factors=tuple(sorted(trail.used)),
        complete=not trail.missing,
        trace=tuple(trail.said),
    )
    return Element(result=result, parts=made.parts, trail=trail)


def _hub_type(one: Tce, world: World) -> str | None:
    category = world.hocs.get(one.hoc_id or "")
    return None if category is None else category.result.mode


def _facts(one: Tce, world: World, trail: Trail) -> Facts:
    sort = kind(one) or "TRANSPORT"
    stop = world.stops.get((one.round_id or "", one.stop_id or ""))
    if stop is not None and one.round_id is not None:
        result = world.rounds[one.round_id].result
        return Facts(
            kind=sort,
            mode=one.mode or result.mode,
            mass_kg=stop.mass_kg,
            teu=None,
            distance_km=stop.distance_km,
            basis=result.distance_basis,
            tkm=activity.tkm(stop.mass_kg, stop.distance_km),
        )
    mass, assumed = activity.mass_kg(one)
    if assumed is not None:
        trail.assume("MASS_BY_TEU", assumed)
    if mass is None:
        trail.lack("MASS_UNKNOWN", f"{one.tce_id} has no mass: give mass_kg, containers or teu")
    distance = None
    if sort == "TRANSPORT":
        distance = activity.distance_km(one)
        if distance is None:
            trail.lack("DISTANCE_UNKNOWN", f"{one.tce_id} has no distance: give distance_km")
    if sort == "TRANSPORT" and one.distance_basis == "ACTUAL":
        trail.deviate("ACTUAL_DISTANCE", "the distance is actual: ISO 14083 asks for SFD or GCD")
    category = world.tocs.get(one.toc_id or "")
    mode = one.mode or (category.result.mode if category is not None else None)
    done = activity.tkm(mass, distance)
    if done is not None and mass is not None and distance is not None:
        trail.say(f"{plain(mass)} kg x {plain(distance)} km = {plain(done)} tkm")
    return Facts(
        kind=sort,
        mode=mode,
        mass_kg=mass,
        teu=activity.teu_of(one),
        distance_km=distance,
        basis=one.distance_basis,
        tkm=done,
    )
