"""Footprints in and out as documents: iLEAP 1.0 alone, or inside PACT product footprints of version
2 or 3 as iLEAP maps them.

What cannot be derived is said by the one who states the footprint (`Statement`); nothing is
invented. One footprint and one statement give one document, byte for byte.
"""

import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from supplytwin.processors.carbon_parts import CONTEXT, summed
from supplytwin.schemas import ileap, json_exact, pact
from supplytwin.schemas.errors import Code, RecordError
from supplytwin.schemas.findings import Finding, below
from supplytwin.schemas.strict import checked, not_read, written

Subject = ileap.ShipmentFootprint | ileap.TOC | ileap.HOC
Value = Subject | ileap.TAD | pact.ProductFootprint2 | pact.ProductFootprint3
Form = Literal["ileap", "pact2", "pact3"]
Profile = Literal["ileap", "pact"]
"""Which of the two standards counts where they differ: see `mass_and_carbon`."""
PROFILE: dict[str, Profile] = {"pact2": "ileap", "pact3": "pact"}
"""By form: iLEAP 1.0 speaks of PACT 2; on PACT 3 there is only PACT's own text."""

CPC = "83117"
"""Logistics services in the Central Product Classification."""
CPC_URN = f"urn:pact:productclassification:un-cpc:{CPC}"
PRODUCT_ID = "urn:pathfinder:product:customcode:{}-assigned:{}:{}"
EXTENSION_VERSION = "2.0.0"
DOCUMENTATION = "https://sine-fdn.github.io/ileap-extension/"
_VERSIONS = {"pact2": "2.3.0", "pact3": "3.0.3"}
_IDS = uuid.UUID("6f3c8d9a-2f0c-5f6e-9f6b-5e0b8c1d4a71")
"""Namespace of the ids that are made here."""
_SAFE = "-._~!$&'()*+,;=:@/"
"""What a URN has as it is (RFC 8141), beside letters and digits."""
_NAMES = {ileap.ShipmentFootprint: "shipment", ileap.TOC: "toc", ileap.HOC: "hoc"}
_SPELT = {"shipment": "shipment with ID {}", "toc": "TOC with ID {}", "hoc": "HOC with ID {}"}
_TYPES: dict[str, type[Any]] = {
    ileap.DATA_SCHEMA.format(name): kind for kind, name in ileap.FILES.items()
}


class Statement(Struct, frozen=True, kw_only=True, gc=False):
    """What the one who states a footprint says beside the calculation. Times: RFC 3339, UTC."""

    company_name: str
    company_ids: tuple[str, ...]
    """URNs; the first is part of the footprint's id."""
    created: str
    reference_period_start: str
    reference_period_end: str
    primary_data_share_percent: Decimal
    """By emissions (WTW), never by tkm."""
    exempted_emissions_percent: Decimal
    exempted_emissions_description: str
    gwp: tuple[str, ...]
    """Assessment reports of the factors, e.g. ("AR6",)."""
    boundary: str
    """What is inside the numbers."""
    factor_sources: tuple[tuple[str, str], ...] = ()
    """(name, version) of packs; none when all data are primary."""
    standards: tuple[str, ...] = ("ISO14083",)
    general_standards: tuple[str, ...] = ()
    """What version 2 requires beside `standards`, from a list that lacks ISO 14083:
    "GHG Protocol Product standard", "ISO Standard 14067", "ISO Standard 14044".
    """
    version: int = 0
    """Of this footprint: each has an id of its own and names the one before it."""
    status: str = "Active"
    comment: str = ""
    assigned_by: Literal["vendor", "buyer"] = "vendor"
    """Who gave the shipment, TOC or HOC its id."""
    tonnes_per_teu: Decimal | None = None
    """For intensities per TEU or TEU-km, which PACT has no unit for."""


class Document(Struct, frozen=True, kw_only=True):
    """One document that was read: `path` in the file; `form` = ``ileap``, ``pact2``, ``pact3``;
    `inner` = what iLEAP has to say, which stands at `inner_path`.
    """

    path: str
    form: Form
    value: Value
    inner: Subject | ileap.TAD | None
    inner_path: str


class Reading(Struct, frozen=True, kw_only=True):
    """What a file has: documents in which nothing was wrong, and what was wrong in the others."""

    documents: tuple[Document, ...]
    findings: tuple[Finding, ...]


def to_document(
    subject: Subject | ileap.TAD,
    by: Statement | None = None,
    *,
    form: Form = "ileap",
    profile: Profile | None = None,
) -> bytes:
    """The document, one line, fields in the order of the standard. `by` may be absent for iLEAP.

    Raises RecordError when it cannot be said: no statement, no tkm, a unit that PACT lacks, numbers
    or texts that the standard does not have.
    """
    made: Struct = subject
    if form != "ileap":
        if by is None:
            raise RecordError(Code.MISSING_FIELD, "by", "PACT needs to know who states it: add it")
        if isinstance(subject, ileap.TAD):
            raise RecordError(Code.BAD_VALUE, "form", "activity data have no footprint: use ileap")
        made = _footprint(subject, by, form, profile or PROFILE[form])
    raw = msgspec.json.encode(written(made))
    for wrong in read(raw).findings:
        raise RecordError(Code.BAD_VALUE, wrong.path, wrong.line)
    return raw + b"\n"


def read(raw: bytes) -> Reading:
    """What a file has: one document, a list of them, or {"data": …}. Never raises."""
    try:
        value = json_exact.parsed(raw)
    except RecordError as error:
        return Reading(documents=(), findings=(not_read(error),))
    documents: list[Document] = []
    findings: list[Finding] = []
    for path, one in parts(value):
        found, wrong_here = _document(one, path)
        findings += wrong_here
        if found is not None:
            documents.append(found)
    return Reading(documents=tuple(documents), findings=tuple(findings))


def parts(value: Any, path: str = "$") -> Iterator[tuple[str, Any]]:
    """(path, value) of each document of a file."""
    if isinstance(value, dict) and "data" in value and "dataSchema" not in value:
        path, value = below(path, "data"), value["data"]
    if isinstance(value, list):
        yield from ((below(path, at), one) for at, one in enumerate(value))
    else:
        yield path, value


def kind_of(value: Any) -> str | None:
    """ShipmentFootprint | TOC | HOC | TAD | pact2 | pact3: what a JSON object is; None = nobody
    knows.
    """
    if not isinstance(value, dict) or "tceId" in value:
        return None
    if "pcf" in value:
        said = value.get("specVersion")
        numbers = value["pcf"]
        three = isinstance(numbers, dict) and "declaredUnitOfMeasurement" in numbers
        if isinstance(said, str) and said[:2] in ("2.", "3."):
            three = said[0] == "3"
        return "pact3" if three else "pact2"
    for name, marks in _MARKS.items():
        if any(mark in value for mark in marks):
            return name
    return None


_MARKS = {
    "ShipmentFootprint": ("tces",),
    "TAD": ("activityId", "consignmentIds"),
    "HOC": ("hocId", "hubType", "hubActivityUnit"),
    "TOC": ("tocId", "transportActivityUnit"),
}
_KINDS: dict[str, type[Any]] = {
    "ShipmentFootprint": ileap.ShipmentFootprint,
    "TOC": ileap.TOC,
    "HOC": ileap.HOC,
    "TAD": ileap.TAD,
    "pact2": pact.ProductFootprint2,
    "pact3": pact.ProductFootprint3,
}


def _document(value: Any, path: str) -> tuple[Document | None, list[Finding]]:
    kind = kind_of(value)
    if kind is None:
        return None, [_unknown(path)]
    made, findings = checked(value, _KINDS[kind], path, plus=kind == "pact3")
    if kind not in ("pact2", "pact3"):
        alone = (
            None
            if made is None
            else Document(path=path, form="ileap", value=made, inner=made, inner_path=path)
        )
        return alone, findings
    read_inside = [
        (where, *checked(data, type_, where)) for where, type_, data in extensions(value, path)
    ]
    inside = [one for *_, wrong in read_inside for one in wrong]
    findings += inside
    if made is None or inside:
        return None, findings
    where, said = read_inside[0][:2] if len(read_inside) == 1 else (path, None)
    form: Form = "pact3" if kind == "pact3" else "pact2"
    return Document(path=path, form=form, value=made, inner=said, inner_path=where), findings


def _unknown(path: str) -> Finding:
    return Finding(
        code="NOT_RECOGNISED",
        path=path,
        stated="another kind of document",
        expected="iLEAP ShipmentFootprint, TOC, HOC or TAD, or a PACT product footprint",
        says="check that it is one of these: tces, tocId, hocId, activityId or pcf tells which",
    )


def extensions(value: dict[str, Any], path: str) -> Iterator[tuple[str, type[Any], Any]]:
    """(path, type, JSON) of each iLEAP object in the extensions of a product footprint."""
    said = value.get("extensions")
    for at, one in enumerate(said if isinstance(said, list) else ()):
        if isinstance(one, dict) and isinstance(one.get("data"), dict):
            named = _TYPES.get(str(one.get("dataSchema")))
            guessed = _KINDS.get(str(kind_of(one["data"])))
            kind = named or (guessed if guessed in ileap.FILES else None)
            if kind is not None:
                yield below(below(below(path, "extensions"), at), "data"), kind, one["data"]


def footprint_id(by: Statement, kind: str, name: str, version: int) -> str:
    """The id of a footprint: the same for the same company, object and version, always."""
    said = msgspec.json.encode([by.company_ids[0], kind, name, version]).decode()
    return str(uuid.uuid5(_IDS, said))


def product_id(kind: str, name: str, assigned_by: str = "vendor") -> str:
    """The URN of a shipment, TOC or HOC, what a URN cannot have as it is percent-encoded."""
    return PRODUCT_ID.format(assigned_by, kind, quote(name, safe=_SAFE))


class Numbers(Struct, frozen=True, kw_only=True, gc=False):
    """What iLEAP derives for PACT: unit, amount, kg CO2e for that amount, kg for that amount."""

    unit: str
    amount: Decimal
    pcf_kg: Decimal
    mass_kg: Decimal


def numbers(subject: Subject, tonnes_per_teu: Decimal | None) -> Numbers:
    """The numbers of a footprint. Raises RecordError for what PACT cannot say."""
    if isinstance(subject, ileap.ShipmentFootprint):
        amount = summed(one.transport_activity for one in subject.tces)
        if not amount:
            reason = "hubs alone have no ton kilometer, which is the declared unit"
            raise RecordError(Code.BAD_VALUE, "tces", reason)
        kg = summed(one.co2e_wtw for one in subject.tces)
        return Numbers(unit="ton kilometer", amount=amount, pcf_kg=kg, mass_kg=subject.mass)
    hub = isinstance(subject, ileap.HOC)
    unit = (
        subject.hub_activity_unit
        if isinstance(subject, ileap.HOC)
        else (subject.transport_activity_unit)
    )
    kg = subject.co2e_intensity_wtw
    if unit.startswith("TEU"):
        if tonnes_per_teu is None or tonnes_per_teu <= 0:
            reason = f"an intensity per {unit} has no unit in PACT: say how many tonnes a TEU has"
            raise RecordError(Code.MISSING_FIELD, "tonnes_per_teu", reason)
        kg = CONTEXT.divide(kg, tonnes_per_teu)
    if hub:
        thousand = Decimal(1000)
        return Numbers(unit="kilogram", amount=thousand, pcf_kg=kg, mass_kg=thousand)
    return Numbers(unit="ton kilometer", amount=Decimal(1), pcf_kg=kg, mass_kg=Decimal(1))


def mass_and_carbon(told: Numbers, profile: Profile) -> tuple[Decimal, Decimal]:
    """(productMassPerDeclaredUnit, fossilCarbonContent).

    iLEAP 1.0: the mass of the shipment, 1 for a TOC; the number of the footprint. PACT 3: 0 for a
    service, and a service has no carbon content.
    """
    if profile == "ileap":
        return told.mass_kg, told.pcf_kg
    return (told.mass_kg if told.unit == "kilogram" else Decimal(0)), Decimal(0)


def _footprint(subject: Subject, by: Statement, form: Form, profile: Profile) -> Struct:
    kind = _NAMES[type(subject)]
    name = named(subject)
    told = numbers(subject, by.tonnes_per_teu)
    if not by.company_ids:
        raise RecordError(Code.MISSING_FIELD, "company_ids", "at least one URN is required: add it")
    both: dict[str, Any] = {
        "id": footprint_id(by, kind, name, by.version),
        "spec_version": _VERSIONS[form],
        "preceding_pf_ids": (
            (footprint_id(by, kind, name, by.version - 1),) if by.version else None
        ),
        "created": by.created,
        "status": by.status,
        "company_name": by.company_name,
        "company_ids": by.company_ids,
        "product_description": f"Logistics emissions related to {_SPELT[kind].format(name)}",
        "product_ids": (product_id(kind, name, by.assigned_by),),
        "product_classifications": (CPC_URN,),
        "product_name_company": _SPELT[kind].format(name),
        "comment": by.comment,
        "extensions": (_extension(subject),),
    }
    shared: dict[str, Any] = {
        "reference_period_start": by.reference_period_start,
        "reference_period_end": by.reference_period_end,
        "boundary_processes_description": by.boundary,
        "cross_sectoral_standards": by.standards,
        "exempted_emissions_percent": by.exempted_emissions_percent,
        "exempted_emissions_description": by.exempted_emissions_description,
        "packaging_emissions_included": False,
        "primary_data_share": by.primary_data_share_percent,
        "secondary_emission_factor_sources": tuple(
            pact.FactorSource(name=name, version=version) for name, version in by.factor_sources
        ) or None,
        "fossil_ghg_emissions": told.pcf_kg,
        "biogenic_carbon_content": Decimal(0),
    }  # fmt: skip
    shared["product_mass_per_declared_unit"], shared["fossil_carbon_content"] = mass_and_carbon(
        told, profile
    )
    if form == "pact2":
        if not by.general_standards:
            reason = "PACT 2 requires a standard of its list: add it"
            raise RecordError(Code.MISSING_FIELD, "general_standards", reason)
        pcf2 = pact.CarbonFootprint2(**shared, **_only_2(told, by))
        return pact.ProductFootprint2(
            **both, version=by.version, product_category_cpc=CPC, pcf=pcf2
        )
    pcf3 = pact.CarbonFootprint3(
        **shared,
        declared_unit_of_measurement=told.unit,
        declared_unit_amount=told.amount,
        pcf_excluding_biogenic_uptake=told.pcf_kg,
        pcf_including_biogenic_uptake=told.pcf_kg,
        ipcc_characterization_factors=by.gwp,
    )
    return pact.ProductFootprint3(**both, pcf=pcf3)


def _only_2(told: Numbers, by: Statement) -> dict[str, Any]:
    return {
        "declared_unit": told.unit,
        "unitary_product_amount": told.amount,
        "p_cf_excluding_biogenic": told.pcf_kg,
        "characterization_factors": "AR5" if "AR5" in by.gwp else "AR6",
        "ipcc_characterization_factors_sources": by.gwp,
        "cross_sectoral_standards_used": by.general_standards,
    }


def _extension(subject: Subject) -> pact.DataModelExtension:
    return pact.DataModelExtension(
        spec_version=EXTENSION_VERSION,
        data_schema=ileap.DATA_SCHEMA.format(ileap.FILES[type(subject)]),
        documentation=DOCUMENTATION,
        data=written(subject),
    )


def named(subject: Subject) -> str:
    """The id of a shipment, TOC or HOC."""
    if isinstance(subject, ileap.ShipmentFootprint):
        return subject.shipment_id
    return subject.toc_id if isinstance(subject, ileap.TOC) else subject.hoc_id
