"""A whole calculation: its categories, rounds and elements in order, totals, hash, or a refusal.

Pure: the same request and packs give the same answer, byte for byte; another order of its elements
gives the same numbers and the same hash.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from supplytwin.processors import carbon_report as report
from supplytwin.processors.carbon_categories import Category, Collected, collected, hoc, toc
from supplytwin.processors.carbon_element import Element, element
from supplytwin.processors.carbon_factors import Book, Found, Shelf, Trail, used
from supplytwin.processors.carbon_graph import ordered
from supplytwin.processors.carbon_outcome import World
from supplytwin.processors.carbon_parts import Number, digest_of, over, relative_change
from supplytwin.processors.carbon_request import check
from supplytwin.schemas.calculated import KpiResult, Refused, Result, Statement
from supplytwin.schemas.calculation import Request
from supplytwin.schemas.factor_form import Pack
from supplytwin.schemas.findings import Finding, in_order

METHOD = "ISO 14083:2023 / GLEC v3, supplytwin 1"
"""Part of every hash: another method is another number."""
UNCERTAINTY = (
    "not quantified: no source of these factors publishes one; default data may be far off a "
    "single transport, see the shares of data types"
)


def calculate(
    request: Request, chosen: Sequence[Pack], at_hand: Sequence[Pack] = ()
) -> Result | Refused:
    """The answer; Refused, with every finding, when the request contradicts itself or the method.

    Factors are looked for in the request, in the chosen packs, and as PACK/ID in those at hand.
    """
    wrong = check(request)
    if wrong:
        return Refused(refused=True, findings=in_order(wrong))
    shelf = Shelf(chosen, at_hand)
    book = None if request.only == "ACTIVITY" else Book(request, shelf)
    world = _world(request, book)
    order, _ = ordered({one.tce_id: one.prev_tce_ids for one in request.tces})
    elements = [element(request.tces[at], f"$.tces[{at}]", world) for at in order]
    trails = [*_trails(world), *(one.trail for one in elements)]
    refused = [finding for trail in trails for finding in trail.refused]
    if refused:
        return Refused(refused=True, findings=in_order(refused))
    return _result(request, shelf, world, elements, trails)


def _world(request: Request, book: Book | None) -> World:
    return World(
        book=book,
        tocs={one.toc_id: toc(one, book, f"$.tocs[{at}]") for at, one in enumerate(request.tocs)},
        hocs={one.hoc_id: hoc(one, book, f"$.hocs[{at}]") for at, one in enumerate(request.hocs)},
        rounds={
            one.round_id: collected(one, book, f"$.rounds[{at}]")
            for at, one in enumerate(request.rounds)
        },
        stops={(one.round_id, stop.stop_id): stop for one in request.rounds for stop in one.stops},
    )


def _trails(world: World) -> list[Trail]:
    categories: list[Category | Collected] = [
        *world.tocs.values(), *world.hocs.values(), *world.rounds.values(),
    ]  # fmt: skip
    return [one.trail for one in categories]


def _result(
    request: Request,
    shelf: Shelf,
    world: World,
    elements: Sequence[Element],
    trails: Sequence[Trail],
) -> Result:
    factors = {ref: found for trail in trails for ref, found in trail.used.items()}
    whole = report.group("chain", elements)
    counted = {ref: found for one in elements for ref, found in one.trail.used.items()}
    packs = sorted({found.pack for found in (counted or factors).values()})
    missing = [finding for trail in trails for finding in trail.missing]
    missing += [Finding(path="$", code=one.code, says=one.says) for one in request.missing]
    kpi, against = _kpi(request, whole.co2e.co2e_wtw_kg, whole.transport_activity_tkm, packs)
    missing += against
    quality = report.quality(elements)
    by_emissions, by_tkm = report.primary_shares(elements)
    differences = report.differences(request, elements, whole, by_emissions, by_tkm)
    return Result(
        calculation="1",
        chain_id=request.chain_id,
        complete=not missing,
        missing=in_order(missing),
        warnings=(
            *report.warnings(counted or factors, request.period),
            *in_order(one for trail in trails for one in trail.warned),
        ),
        differences=differences,
        co2e=whole.co2e,
        computed=report.computed(elements),
        transport_activity_tkm=whole.transport_activity_tkm,
        intensity_wtw_kg_per_tkm=whole.intensity_wtw_kg_per_tkm,
        intensity_ttw_kg_per_tkm=over(whole.co2e.co2e_ttw_kg, whole.transport_activity_tkm),
        primary_share_by_emissions=by_emissions,
        primary_share_by_tkm=by_tkm,
        data_quality=quality,
        kinds=report.grouped(elements, lambda one: one.kind),
        modes=report.grouped(elements, lambda one: one.mode if one.kind == "TRANSPORT" else None),
        hubs=report.grouped(
            elements, lambda one: (one.hub_type or one.hoc_id) if one.kind == "HUB" else None
        ),
        consignments=report.grouped(elements, lambda one: one.consignment_id),
        tces=tuple(one.result for one in elements),
        tocs=tuple(one.result for _, one in sorted(world.tocs.items())),
        hocs=tuple(one.result for _, one in sorted(world.hocs.items())),
        rounds=tuple(one.result for _, one in sorted(world.rounds.items())),
        kpi=kpi,
        statement=_statement(request, elements, trails, factors),
        factors=used(factors),
        packs=tuple(packs),
        method=METHOD,
        input_sha256=input_sha256(request, shelf, factors),
    )


def _kpi(
    request: Request, wtw: Number, tkm: Number, packs: Sequence[str]
) -> tuple[KpiResult | None, list[Finding]]:
    """The relative change, on the same packs as the year before."""
    kpi = request.kpi
    if kpi is None:
        return None, []
    if sorted(set(kpi.packs)) != list(packs):
        says = (
            f"the year before is on {', '.join(sorted(set(kpi.packs))) or 'no pack'}, this one on "
            f"{', '.join(packs) or 'none'}: compute both on the same packs"
        )
        return None, [Finding(path="$.kpi.packs", code="KPI_PACKS_DIFFER", says=says)]
    before = kpi.intensity_wtw_kg_per_tkm
    if before is None:
        before = over(kpi.co2e_wtw_kg, kpi.transport_activity_tkm)
    change = relative_change(wtw, before, tkm)
    made = KpiResult(
        relative_change_kg=change,
        previous_intensity_wtw_kg_per_tkm=before,
        improved=None if change is None else change < 0,
    )
    return made, []


def _statement(
    request: Request,
    elements: Sequence[Element],
    trails: Sequence[Trail],
    factors: Mapping[str, Found],
) -> Statement:
    deviations = [finding for trail in trails for finding in trail.deviates]
    period = request.period
    for value, code, says in (
        (period, "NO_PERIOD", "no period is stated: ISO 14083 asks for one, at least annual"),
        (
            request.supporting_information,
            "NO_SUPPORTING_INFORMATION",
            "where the supporting information is, is not stated",
        ),
    ):
        if value is None:
            deviations.append(Finding(path="$", code=code, says=says))
    default = {
        f"{one.factor.source}, {one.factor.page}"
        for one in factors.values()
        if one.data_type == "DEFAULT"
    }
    bases = {one.result.distance_basis for one in elements}
    return Statement(
        reference="ISO 14083:2023",
        period=None if period is None else f"{period.first} to {period.last}",
        supporting_information=request.supporting_information,
        distance_types=tuple(sorted(basis for basis in bases if basis is not None)),
        default_factor_sources=tuple(sorted(default)),
        optional_included=tuple(sorted(request.optional_included)),
        uncertainty=UNCERTAINTY,
        assumptions=in_order(
            (*_of_sender(request), *(one for trail in trails for one in trail.assumed))
        ),
        deviations=in_order(deviations),
    )


def _of_sender(request: Request) -> Iterator[Finding]:
    """What the sender took for granted for the chain as a whole."""
    for text in request.assumptions:
        code, _, says = text.partition(": ")
        yield Finding(path="$", code=code, says=says)


def input_sha256(request: Request, shelf: Shelf, factors: Mapping[str, Found]) -> str:
    """Hex SHA-256 of everything that the answer rests on, whatever the order it was given in."""
    rest = replace(request, tces=()) if request.tces else request
    inputs = [
        METHOD,
        [pack.name for pack in shelf.chosen],
        digest_of(rest),
        sorted(map(digest_of, request.tces)),
        sorted((ref, digest_of(found.factor)) for ref, found in factors.items()),
    ]
    return hashlib.sha256(msgspec.json.encode(inputs)).hexdigest()
