"""Suppliers' footprints as primary data: what the calculator takes over for an element."""

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct

from supplytwin.processors.carbon_exchange import Document
from supplytwin.schemas import ileap, pact
from supplytwin.schemas.errors import Code, RecordError

_SPEC = "iLEAP 1.0"


class Origin(Struct, frozen=True, kw_only=True, gc=False):
    """Who states a document, and what it says of all of its numbers."""

    source_id: str
    """The footprint's id."""
    spec: str
    """What it was written in, e.g. ``iLEAP 1.0 in PACT 2.3.0``."""
    primary_share_percent: Decimal
    """Stated for the whole footprint, by emissions."""
    company: str | None = None
    gwp: str | None = None
    """Assessment reports, e.g. ``AR6``."""


class PrimaryElement(Struct, frozen=True, kw_only=True, gc=False):
    """One TCE as its operator states it, kg CO2e."""

    tce_id: str
    shipment_id: str
    co2e_wtw_kg: Decimal
    co2e_ttw_kg: Decimal
    transport_activity_tkm: Decimal
    origin: Origin


def origin(
    document: Document, *, source_id: str | None = None, share_percent: Decimal | None = None
) -> Origin:
    """What a document says of itself; `source_id` and `share_percent` are for iLEAP alone, which
    says neither. Raises RecordError naming what is missing: it is never estimated.
    """
    spec, stated, value = _SPEC, share_percent, document.value
    company = gwp = None
    if isinstance(value, pact.ProductFootprint2 | pact.ProductFootprint3):
        if value.status != "Active":
            reason = f"is {value.status}: take the footprint that replaces it"
            raise RecordError(Code.BAD_VALUE, f"{document.path}.status", reason)
        source_id, stated = value.id, value.pcf.primary_data_share
        spec, company = f"{_SPEC} in PACT {value.spec_version}", value.company_name
        gwp = ", ".join(
            value.pcf.ipcc_characterization_factors_sources
            if isinstance(value, pact.ProductFootprint2)
            else value.pcf.ipcc_characterization_factors
        )
    for name, one in (("primaryDataShare", stated), ("source_id", source_id)):
        if one is None:
            reason = "is not stated: ask the supplier, or give it beside the document"
            raise RecordError(Code.MISSING_FIELD, f"{document.path}.{name}", reason)
    assert stated is not None
    assert source_id is not None
    if not 0 <= stated <= 100:
        reason = f"{stated} is no share in percent"
        raise RecordError(Code.BAD_VALUE, f"{document.path}.primaryDataShare", reason)
    return Origin(
        source_id=source_id, spec=spec, primary_share_percent=stated, company=company, gwp=gwp
    )


def primary(document: Document, by: Origin) -> tuple[PrimaryElement, ...]:
    """The elements of a supplier's footprint, in its order.

    Whether the numbers agree with each other is for `carbon_check.check`. Raises RecordError naming
    what is missing or contradicts itself.
    """
    inner = document.inner
    if not isinstance(inner, ileap.ShipmentFootprint):
        what = "nothing of iLEAP" if inner is None else f"a {type(inner).__name__}"
        reason = f"has {what}: a ShipmentFootprint is needed, with WTW and TTW of each element"
        raise RecordError(Code.MISSING_FIELD, document.path, reason)
    return tuple(_elements(inner, document.inner_path, by))


def _elements(inner: ileap.ShipmentFootprint, path: str, by: Origin) -> Iterator[PrimaryElement]:
    for at, tce in enumerate(inner.tces):
        if tce.co2e_ttw > tce.co2e_wtw:
            reason = f"{tce.co2e_ttw} kg is more than co2eWTW {tce.co2e_wtw}: ask the supplier"
            raise RecordError(Code.BAD_VALUE, f"{path}.tces[{at}].co2eTTW", reason)
        yield PrimaryElement(
            tce_id=tce.tce_id,
            shipment_id=inner.shipment_id,
            co2e_wtw_kg=tce.co2e_wtw,
            co2e_ttw_kg=tce.co2e_ttw,
            transport_activity_tkm=tce.transport_activity,
            origin=by,
        )
