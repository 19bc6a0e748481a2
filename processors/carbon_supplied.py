"""Suppliers' documents in a calculation: what they state of an element goes to that element, what
they state of a TOC or HOC is a factor by that id. Nothing is taken of a document that is wrong.
"""

from collections.abc import Iterator, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from supplytwin.processors import carbon_check
from supplytwin.processors.carbon_exchange import Document, named, read
from supplytwin.processors.carbon_export_categories import MODES
from supplytwin.processors.carbon_parts import ZERO, over
from supplytwin.processors.carbon_primary import Origin, origin, primary
from supplytwin.schemas import ileap
from supplytwin.schemas.calculated import Refused
from supplytwin.schemas.calculation import InlineFactor, Request, Supplied, Tce
from supplytwin.schemas.errors import RecordError
from supplytwin.schemas.factor_form import Temperature, Unit
from supplytwin.schemas.findings import Finding, in_order

_MODES = {theirs: ours for ours, theirs in MODES.items()}
_UNITS: dict[str, Unit] = {
    "tkm": "kg/tkm",
    "TEUkm": "kg/TEU-km",
    "tonnes": "kg/t",
    "TEU": "kg/TEU",
}
_KEPT: dict[str, Temperature] = {
    "ambient": "ambient",
    "refrigerated": "refrigerated",
    "mixed": "mixed",
}


class Sent(Struct, frozen=True, kw_only=True):
    """A file of a supplier, by its name."""

    name: str
    raw: bytes


class _Taken(Struct, frozen=True, kw_only=True):
    """What a document states of one id: of an element, or of a category."""

    path: str
    value: Supplied | InlineFactor
    of: str
    """Its shipment, or the mode or hub type of the category."""


class _Told:
    """Everything that the documents state, by kind and id."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], list[_Taken]] = {}
        self.wrong: list[Finding] = []

    def put(self, kind: str, name: str, taken: _Taken) -> None:
        self.found.setdefault((kind, name), []).append(taken)

    def refuse(self, path: str, code: str, says: str) -> None:
        self.wrong.append(Finding(path=path, code=code, says=says))


def with_supplied(
    request: Request, files: Sequence[Sent], share_percent: Decimal | None = None
) -> Request | Refused:
    """The request with what suppliers state; `share_percent` is the primary share of documents that
    have no field for it, iLEAP alone. Refused with every reason, each with file and path.
    """
    told = _Told()
    for file in files:
        _sort(file, share_percent, told)
    tces = tuple(_joined(one, request, told) for one in request.tces)
    used = {name for one in request.tces for name in _names(one)}
    factors = tuple(
        taken[0].value
        for key, taken in sorted(told.found.items())
        if key in used and isinstance(taken[0].value, InlineFactor)
    )
    for file in files:
        if any(one.path.startswith(f"{file.name}: ") for one in told.wrong):
            continue
        mine = {key for key, taken in told.found.items()
                if any(one.path.startswith(f"{file.name}: ") for one in taken)}  # fmt: skip
        if not mine & used:
            says = "has no element, TOC or HOC that the request names: correct tce_id or toc_id"
            told.refuse(f"{file.name}: $", "NOTHING_TAKEN", says)
    if told.wrong:
        return Refused(refused=True, findings=in_order(told.wrong))
    return replace(request, tces=tces, factors=(*request.factors, *factors))


def _names(one: Tce) -> Iterator[tuple[str, str]]:
    """What a document may state of an element: itself, its TOC, its HOC."""
    yield "tce", one.tce_id
    if one.toc_id is not None:
        yield "toc", one.toc_id
    if one.hoc_id is not None:
        yield "hoc", one.hoc_id


def _sort(file: Sent, share_percent: Decimal | None, told: _Told) -> None:
    """What a file states, or what is wrong with it: then nothing of it counts."""
    wrong = carbon_check.check(file.raw).findings
    told.wrong += (replace(one, path=f"{file.name}: {one.path}") for one in wrong)
    if wrong:
        return
    for document in read(file.raw).documents:
        if isinstance(document.inner, ileap.TAD):
            continue  # it has no emissions
        try:
            by = origin(document, source_id=file.name, share_percent=share_percent)
            if isinstance(document.inner, ileap.TOC | ileap.HOC):
                _put_category(document, document.inner, by, file, told)
                continue
            elements = primary(document, by)
        except RecordError as error:
            told.refuse(f"{file.name}: {error.field}", error.code, error.reason)
            continue
        for one in elements:
            value = Supplied(
                co2e_wtw_kg=one.co2e_wtw_kg,
                co2e_ttw_kg=one.co2e_ttw_kg,
                primary_share=_part(by),
                source_id=by.source_id,
                spec=by.spec,
                transport_activity_tkm=one.transport_activity_tkm,
                gwp=by.gwp,
            )
            path = f"{file.name}: {document.inner_path}"
            told.put("tce", one.tce_id, _Taken(path=path, value=value, of=one.shipment_id))


def _part(by: Origin) -> Decimal:
    return over(by.primary_share_percent, Decimal(100)) or ZERO


def _put_category(
    document: Document, inner: ileap.TOC | ileap.HOC, by: Origin, file: Sent, told: _Told
) -> None:
    """An intensity as a factor. iLEAP has no place for a distance adjustment: it is inside."""
    hub = isinstance(inner, ileap.HOC)
    unit, of = (
        (inner.hub_activity_unit, inner.hub_type)
        if isinstance(inner, ileap.HOC)
        else (inner.transport_activity_unit, inner.mode)
    )
    name = named(inner)
    value = InlineFactor(
        id=name,
        unit=_UNITS[unit],
        wtw=inner.co2e_intensity_wtw,
        ttw=inner.co2e_intensity_ttw,
        what=inner.description or None,
        gwp=by.gwp,
        source=by.source_id if by.company is None else f"{by.company}, footprint {by.source_id}",
        page=f"{by.spec}, {document.inner_path}",
        distance_basis=None if hub else "unknown",
        daf_included=None if hub else "yes",
        temperature_control=_KEPT.get(inner.temperature_control or ""),
        data_type="PRIMARY" if by.primary_share_percent else "DEFAULT",
        primary_share=_part(by),
    )
    path = f"{file.name}: {document.inner_path}"
    told.put("hoc" if hub else "toc", name, _Taken(path=path, value=value, of=of))


def _numbers(value: Supplied | InlineFactor) -> tuple[object, ...]:
    """What must be the same in two documents of one thing."""
    if isinstance(value, Supplied):
        return value.co2e_wtw_kg, value.co2e_ttw_kg, value.primary_share
    return value.unit, value.wtw, value.ttw, value.primary_share


def _joined(one: Tce, request: Request, told: _Told) -> Tce:
    """An element with what is stated of it; mode and hub type are those of its category."""
    own = {("toc", each.toc_id) for each in request.tocs}
    own |= {("hoc", each.hoc_id) for each in request.hocs}
    named_here = {each.id for each in request.factors}
    for kind, name in _names(one):
        taken = told.found.get((kind, name), [])
        if kind == "tce":
            mine = [each for each in taken if each.of in (one.consignment_id, request.chain_id)]
            taken = mine or taken
        if not taken:
            continue
        first = taken[0]
        if (kind, name) in own or (kind != "tce" and name in named_here):
            told.refuse(first.path, "TWO_IDS", f"{name} is in the request, too: rename one")
        for other in taken[1:]:
            if _numbers(other.value) != _numbers(first.value):
                says = f"{name} is in {first.path}, too, with other numbers: leave one out"
                told.refuse(other.path, "TWO_IDS", says)
        if isinstance(first.value, Supplied):
            if one.supplied is not None and _numbers(one.supplied) != _numbers(first.value):
                says = f"the request states {name} itself, with other numbers: leave one out"
                told.refuse(first.path, "TWO_IDS", says)
            one = replace(one, supplied=first.value)
        elif kind == "hoc":
            one = replace(one, hub_type=one.hub_type or first.of)
        else:
            if one.mode not in (None, _MODES[first.of]):
                says = f"{name} is of {first.of}, the element {one.tce_id} of {one.mode}"
                told.refuse(first.path, "WRONG_MODE", says)
            one = replace(one, mode=_MODES[first.of])
    return one
