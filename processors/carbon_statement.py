"""What leaves of a chain, in the form that was asked for: what the sender has to say about it, what
its factors say, and the documents, which the checker has seen.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from supplytwin.processors import carbon_check
from supplytwin.processors.carbon_exchange import Form, Statement, Subject, named, to_document
from supplytwin.processors.carbon_export import Export, Leaving
from supplytwin.processors.carbon_factors import GIVEN
from supplytwin.processors.carbon_parts import CONTEXT, over, product, summed, times, total
from supplytwin.schemas import ileap
from supplytwin.schemas.calculated import Refused, Result, TceResult, Used
from supplytwin.schemas.calculation import Period, Request
from supplytwin.schemas.factor_form import Pack
from supplytwin.schemas.findings import Finding, in_order

_HUNDRED, _PERCENT = Decimal(100), Decimal("1e-6")
_REPORT = re.compile(r"AR\d+")
_VERSIONED = re.compile(r"(\S.*)-(\d[\w.]*)")
_UNSTATED = "not stated"


class Told(Struct, frozen=True, kw_only=True):
    """What no calculation knows. Times: RFC 3339, UTC."""

    company_name: str
    company_ids: tuple[str, ...]
    created: str
    exempted_percent: Decimal
    exempted_description: str
    boundary: str
    period: Period | None = None
    """Where the request has none."""
    gwp: tuple[str, ...] = ()
    """Where a factor does not say it."""
    general_standards: tuple[str, ...] = ()
    version: int = 0
    comment: str = ""
    assigned_by: Literal["vendor", "buyer"] = "vendor"
    tonnes_per_teu: Decimal | None = None


class Paper(Struct, frozen=True, kw_only=True):
    """A document: ``shipment``, ``toc``, ``hoc`` or ``tad`` of this id, as bytes of one line."""

    kind: str
    id: str
    raw: bytes


class Papers(Struct, frozen=True, kw_only=True):
    """The documents, and what they name without a document of its own."""

    papers: tuple[Paper, ...]
    left_out: tuple[Finding, ...]


def papers(
    request: Request,
    result: Result,
    leaves: Export,
    packs: Mapping[str, Pack],
    form: Form = "ileap",
    told: Told | None = None,
) -> Papers | Refused:
    """The documents. Refused when something is not known that the form demands, or the checker of
    `supplytwin carbon validate` would find something. `told` may be None for iLEAP alone.

    Raises RecordError for what was told in a spelling that the standard does not have.
    """
    made, left_out, wrong = list[Paper](), list(leaves.left_out), list[Finding]()
    for one in leaves.leaving:
        subject = one.subject
        if isinstance(subject, ileap.TAD):
            if form == "ileap":
                raw = to_document(subject)
                made.append(Paper(kind="tad", id=subject.activity_id, raw=raw))
            continue
        by: Statement | Finding | None = None
        if form != "ileap" and told is not None:
            by = _without_unit(subject, told) or _statement(one, request, result, packs, told)
        kind = ileap.FILES[type(subject)].removesuffix("-footprint")
        if not isinstance(by, Finding):
            raw = to_document(subject, by, form=form)
            made.append(Paper(kind=kind, id=named(subject), raw=raw))
        elif isinstance(subject, ileap.ShipmentFootprint):
            wrong.append(by)
        else:
            says = f"{kind.upper()} {named(subject)} is left out: {by.says}"
            left_out.append(Finding(path=by.path, code=by.code, says=says))
    everything = b"[" + b",".join(one.raw for one in made) + b"]"
    if not wrong and made:
        wrong += carbon_check.check(everything).findings
    if wrong:
        return Refused(refused=True, findings=in_order(wrong))
    return Papers(papers=tuple(made), left_out=in_order(left_out))


def _without_unit(subject: Subject, told: Told) -> Finding | None:
    """What PACT has no unit for."""
    if isinstance(subject, ileap.ShipmentFootprint):
        if summed(tce.transport_activity for tce in subject.tces):
            return None
        says = "hubs alone have no ton kilometer, PACT's unit of a shipment: export it as ileap"
        return Finding(path="$.tces", code="NO_TKM", says=says)
    unit = (
        subject.hub_activity_unit
        if isinstance(subject, ileap.HOC)
        else subject.transport_activity_unit
    )
    if not unit.startswith("TEU") or told.tonnes_per_teu is not None:
        return None
    says = f"its intensity is per {unit}, PACT has no TEU: say how many tonnes one has"
    return Finding(path="$.tces", code="TEU_UNKNOWN", says=says)


def _statement(
    one: Leaving, request: Request, result: Result, packs: Mapping[str, Pack], told: Told
) -> Statement | Finding:
    """What is stated of a document, or what nobody knows of it."""
    period = request.period or told.period
    if period is None:
        says = "neither the request nor the sender says a period: say it (--period)"
        return Finding(path="$.period", code="PERIOD_UNKNOWN", says=says)
    share = _share_percent(one.elements)
    if share is None:
        says = "nothing is emitted: there is no share of primary data, which PACT demands"
        return Finding(path="$.tces", code="SHARE_UNKNOWN", says=says)
    rests = {ref for element in one.elements for ref in element.factors}
    used = [factor for factor in result.factors if factor.ref in rests]
    bases = [(factor.ref, factor.gwp) for factor in used]
    own = {element.tce_id for element in one.elements if element.way == "supplied"}
    for asked in request.tces:
        if asked.tce_id in own and asked.supplied is not None:
            bases.append((asked.supplied.source_id, asked.supplied.gwp or _UNSTATED))
    gwp = _gwp(bases, told)
    if isinstance(gwp, Finding):
        return gwp
    return Statement(
        company_name=told.company_name,
        company_ids=told.company_ids,
        created=told.created,
        reference_period_start=f"{period.first}T00:00:00Z",
        reference_period_end=f"{_day_after(period.last)}T00:00:00Z",
        primary_data_share_percent=share,
        exempted_emissions_percent=told.exempted_percent,
        exempted_emissions_description=told.exempted_description,
        gwp=gwp,
        boundary=told.boundary,
        factor_sources=_sources(used, packs),
        general_standards=told.general_standards,
        version=told.version,
        comment=told.comment,
        assigned_by=told.assigned_by,
        tonnes_per_teu=told.tonnes_per_teu,
    )


def _day_after(day: str) -> str:
    """PACT's periods end where the next one begins."""
    return (dt.date.fromisoformat(day) + dt.timedelta(days=1)).isoformat()


def _share_percent(elements: Sequence[TceResult]) -> Decimal | None:
    """Share of primary data by emissions, in percent with six decimals; None = nothing is emitted.

    Fewer digits could be a share by tkm by chance, more would be those of the division.
    """
    whole = total(one.co2e.co2e_wtw_kg for one in elements)
    primary = total(times(one.primary_share, one.co2e.co2e_wtw_kg) for one in elements)
    share = over(primary, whole)
    return None if share is None else product(share, _HUNDRED).quantize(_PERCENT, context=CONTEXT)


def _gwp(bases: Sequence[tuple[str, str]], told: Told) -> tuple[str, ...] | Finding:
    """The assessment reports of what the numbers rest on, (name, what it says of its GWP); where
    one does not say its own, as was told.
    """
    said = {report for _, text in bases for report in _REPORT.findall(text)}
    silent = [name for name, text in bases if not _REPORT.search(text) and "CO2 only" not in text]
    if told.gwp and not said <= set(told.gwp):
        says = f"factors are by {', '.join(sorted(said))}, the sender says {', '.join(told.gwp)}"
        return Finding(path="$.factors", code="GWP_DIFFERS", says=says)
    if not told.gwp and (silent or not said):
        who = ", ".join(sorted(silent)[:3]) or "no factor"
        says = f"the report of the GWP is not known ({who}): say it (--gwp AR6)"
        return Finding(path="$.factors", code="GWP_UNKNOWN", says=says)
    return tuple(sorted(said | set(told.gwp)))


def _sources(used: Sequence[Used], packs: Mapping[str, Pack]) -> tuple[tuple[str, str], ...]:
    """Name and version of the sources of what is no primary intensity."""
    return tuple(sorted({_source(one, packs) for one in used if one.data_type != "PRIMARY"}))


def _source(one: Used, packs: Mapping[str, Pack]) -> tuple[str, str]:
    if one.pack in packs:
        return packs[one.pack].pack, packs[one.pack].version
    if one.pack == GIVEN:
        return one.source, _UNSTATED
    found = _VERSIONED.fullmatch(one.pack)
    return (one.pack, _UNSTATED) if found is None else (found[1], found[2])
