"""Footprints for tests: random chains whose numbers agree, published schemas as judges."""

import json
import re
from datetime import datetime, timedelta
from decimal import Context, Decimal
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import jsonschema
import yaml
from hypothesis import strategies as st

from supplytwin.processors.carbon_exchange import Statement
from supplytwin.schemas import ileap

DATA = Path(__file__).resolve().parents[1] / "data"
CARBON = DATA / "carbon"
EXACT = Context(prec=60)
_formats = jsonschema.FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def is_time(text: object) -> bool:
    """RFC 3339: with a zone."""
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


@_formats.checks("uuid", raises=ValueError)
def is_uuid(text: object) -> bool:
    """As RFC 4122 writes it."""
    return not isinstance(text, str) or str(UUID(text)) == text.lower()


@_formats.checks("uri")
def is_uri(text: object) -> bool:
    """A scheme, a colon, no blanks."""
    return not isinstance(text, str) or bool(re.fullmatch(r"[A-Za-z][\w+.-]*:\S+", text))


@cache
def published(name: str) -> Any:
    """The judge of ``toc``, ``pcf-toc``, … as shipped, or ``pact2`` / ``pact3``."""
    if not name.startswith("pact"):
        return jsonschema.Draft7Validator(ileap.published(name), format_checker=_formats)
    text = (DATA / "pact" / f"openapi-v{name[-1]}.yaml").read_text()
    schemas = yaml.load(text, yaml.CSafeLoader)["components"]["schemas"]
    schema = {"$ref": "#/components/schemas/ProductFootprint", "components": {"schemas": schemas}}
    return jsonschema.Draft202012Validator(schema, format_checker=_formats)


def by(**changes: Any) -> Statement:
    """Who states a footprint."""
    said: dict[str, Any] = {
        "company_name": "Carrier",
        "company_ids": ("urn:epc:id:sgln:4063973.00000.8",),
        "created": "2026-02-01T10:00:00Z",
        "reference_period_start": "2025-01-01T00:00:00Z",
        "reference_period_end": "2026-01-01T00:00:00Z",
        "primary_data_share_percent": Decimal("100"),
        "exempted_emissions_percent": Decimal(0),
        "exempted_emissions_description": "",
        "gwp": ("AR6",),
        "boundary": "ISO 14083:2023, WTW, without refrigerants",
        "factor_sources": (("DESNZ", "2025"),),
        "general_standards": ("GHG Protocol Product standard",),
    }
    return Statement(**(said | changes))


def fixture(name: str) -> bytes:
    """A file of tests/data/carbon."""
    return (CARBON / name).read_bytes()


def raw(value: Any) -> bytes:
    """JSON."""
    return json.dumps(value).encode()


def decimals(low: int, high: int, places: int) -> st.SearchStrategy[Decimal]:
    """Decimals from low to high with so many decimal places."""
    unit = 10**places
    return st.integers(low * unit, high * unit).map(lambda one: Decimal(one).scaleb(-places))


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1)
names = st.text("abcXYZ019-_. /:", min_size=1, max_size=8)


@st.composite
def locations(draw: st.DrawFn) -> ileap.Location:
    """A place."""
    at = draw(st.none() | st.tuples(decimals(-90, 90, 3), decimals(-180, 180, 3)))
    return ileap.Location(
        city=draw(words),
        country=draw(st.sampled_from(("DE", "CN", "NL"))),
        locode=draw(st.none() | st.just("NLRTM")),
        lat=at and at[0],
        lng=at and at[1],
    )


@st.composite
def carriers(draw: st.DrawFn) -> tuple[ileap.EnergyCarrier, ...]:
    """Energy carriers whose shares are 1 together."""
    cuts = sorted(draw(st.sets(st.integers(1, 99), max_size=2)))
    made = []
    for low, high in zip([0, *cuts], [*cuts, 100], strict=True):
        kind = draw(st.sampled_from(("Diesel", "Electric", "LNG")))
        wtw = draw(decimals(1, 4, 2))
        consumption = draw(st.none() | decimals(0, 2, 3))
        made.append(
            ileap.EnergyCarrier(
                energy_carrier=kind,
                relative_share=Decimal(high - low).scaleb(-2),
                feedstocks=draw(
                    st.none()
                    | st.just((ileap.Feedstock(feedstock="Fossil", feedstock_share=Decimal(1)),))
                ),
                energy_consumption=consumption,
                energy_consumption_unit=None if consumption is None else "l",
                emission_factor_wtw=wtw,
                emission_factor_ttw=Decimal(0) if kind == "Electric" else wtw - 1,
            )
        )
    return tuple(made)


@st.composite
def tocs(draw: st.DrawFn, name: str = "toc") -> ileap.TOC:
    """A TOC per tkm."""
    ttw = draw(decimals(0, 1, 5))
    return ileap.TOC(
        toc_id=name,
        certifications=draw(st.none() | st.just(("GLECv3",))),
        description=draw(st.none() | words),
        mode=draw(st.sampled_from(("Road", "Rail", "Sea"))),
        load_factor=draw(st.none() | decimals(0, 1, 2).filter(bool)),
        empty_distance_factor=draw(st.none() | decimals(0, 1, 2).filter(lambda one: one < 1)),
        energy_carriers=draw(carriers()),
        co2e_intensity_wtw=ttw + draw(decimals(0, 1, 5)),
        co2e_intensity_ttw=ttw,
        transport_activity_unit="tkm",
    )


@st.composite
def hocs(draw: st.DrawFn, name: str = "hoc") -> ileap.HOC:
    """An HOC per tonne."""
    ttw = draw(decimals(0, 20, 3))
    return ileap.HOC(
        hoc_id=name,
        hub_type=draw(st.sampled_from(("Transshipment", "Warehouse"))),
        hub_location=draw(st.none() | locations()),
        packaging_or_tr_eq_amount=draw(st.none() | st.integers(0, 9)),
        energy_carriers=draw(carriers()),
        co2e_intensity_wtw=ttw + draw(decimals(0, 20, 3)),
        co2e_intensity_ttw=ttw,
        hub_activity_unit="tonnes",
    )


START = datetime(2025, 3, 1)


def _time(hours: int) -> str:
    return (START + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


@st.composite
def chains(
    draw: st.DrawFn,
) -> tuple[ileap.ShipmentFootprint, tuple[ileap.TOC, ...], tuple[ileap.HOC, ...]]:
    """A shipment through vehicles and hubs, with the categories that it was computed from."""
    categories = tuple(draw(tocs(f"toc {at}")) for at in range(draw(st.integers(1, 2))))
    hubs = (draw(hocs()),)
    name, mass = draw(names), draw(decimals(1, 30000, draw(st.integers(0, 2))))
    ids = draw(st.lists(names, min_size=1, max_size=6, unique=True))
    tces: list[ileap.TCE] = []
    for at, one in enumerate(ids):
        toc = draw(st.sampled_from(categories)) if not at or draw(st.booleans()) else None
        km = Decimal(0) if toc is None else draw(decimals(1, 20000, 1))
        tkm = EXACT.multiply(mass, km).scaleb(-3)
        activity = tkm if toc else mass.scaleb(-3)
        category: Any = toc or hubs[0]
        timed = draw(st.booleans())
        tces.append(
            ileap.TCE(
                tce_id=one,
                prev_tce_ids=draw(
                    st.none() | st.lists(st.sampled_from(ids[:at]), unique=True).map(tuple)
                    if at
                    else st.sampled_from((None, ()))
                ),
                toc_id=toc and toc.toc_id,
                hoc_id=None if toc else hubs[0].hoc_id,
                shipment_id=name,
                consignment_id=draw(st.none() | words),
                mass=mass,
                distance=ileap.GLECDistance(
                    actual=EXACT.multiply(km, Decimal("1.07")) if draw(st.booleans()) else None,
                    sfd=km,
                ),
                origin=draw(st.none() | locations()),
                transport_activity=tkm,
                departure_at=_time(10 * at) if timed else None,
                arrival_at=_time(10 * at + 7) if timed else None,
                co2e_wtw=EXACT.multiply(activity, category.co2e_intensity_wtw),
                co2e_ttw=EXACT.multiply(activity, category.co2e_intensity_ttw),
                pm_ttw=draw(st.none() | decimals(0, 1, 4)),
            )
        )
    made = ileap.ShipmentFootprint(
        mass=mass,
        volume=draw(st.none() | decimals(0, 60, 2)),
        shipment_id=name,
        tces=tuple(tces),
    )
    return made, categories, hubs
