"""iLEAP 1.0: shipment footprints, operation categories and transport activity data, with the JSON
names of the standard. Masses in kg, distances in km, activity in tkm, emissions in kg CO2e.

Enumerations are open (a Struct holds any word); what the published schema of 1.0 does not have is a
finding of the reader. Fields that are None are left out when it is written.
"""

import importlib.resources
import json
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from supplytwin.schemas.decimal_text import Bounds

ZERO, ONE = Decimal(0), Decimal(1)
Share = Annotated[Decimal, Meta(extra={"bounds": Bounds(low=ZERO, high=ONE, above=True)})]
"""More than 0, at most 1."""
Part = Annotated[Decimal, Meta(extra={"bounds": Bounds(low=ZERO, high=ONE)})]
Less = Annotated[Decimal, Meta(extra={"bounds": Bounds(low=ZERO, high=ONE, under=True)})]
Amount = Annotated[Decimal, Meta(extra={"bounds": Bounds(low=ZERO)})]
"""0 or more."""
Mass = Annotated[Decimal, Meta(extra={"bounds": Bounds(low=ZERO, above=True)})]
Time = Annotated[str, Meta(extra={"format": "date-time"})]
Country = Annotated[str, Meta(pattern="[A-Z]{2}")]
Name = Annotated[str, Meta(extra={"filled": True})]


def _words(*words: str) -> Meta:
    return Meta(extra={"words": words})


Mode = Annotated[str, _words("Road", "Rail", "Air", "Sea", "InlandWaterway")]
HubType = Annotated[
    str,
    _words(
        "Transshipment",
        "StorageAndTransshipment",
        "Warehouse",
        "LiquidBulkTerminal",
        "MaritimeContainerTerminal",
    ),
]
Equipment = Annotated[str, _words("Box", "Pallet", "Container-TEU", "Container-FEU", "Container")]
Incoterms = Annotated[
    str,
    _words("EXW", "FCA", "CPT", "CIP", "DAP", "DPU", "DDP", "FAS", "FOB", "CFR", "CIF"),
]
Carrier = Annotated[
    str,
    _words(
        "Diesel",
        "HVO",
        "Petrol",
        "CNG",
        "LNG",
        "LPG",
        "HFO",
        "MGO",
        "Aviation fuel",
        "Hydrogen",
        "Methanol",
        "Electric",
    ),
]
FeedstockType = Annotated[
    str, _words("Fossil", "Natural gas", "Grid", "Renewable electricity", "Cooking oil")
]
Certifications = Annotated[
    tuple[Annotated[str, _words("ISO14083:2023", "GLECv2", "GLECv3", "GLECv3.1")], ...],
    Meta(extra={"filled": True, "unique": True}),
]
Temperature = Annotated[str, _words("ambient", "refrigerated", "mixed")]


class _Type(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename="camel"):
    """One JSON object of the standard."""


class GLECDistance(_Type, frozen=True, kw_only=True, gc=False):
    """km between origin and destination, at least one of the three."""

    actual: Amount | None = None
    gcd: Amount | None = None
    sfd: Amount | None = None


class Location(_Type, frozen=True, kw_only=True, gc=False):
    """A place; `lat` and `lng` in degrees, both or none."""

    street: str | None = None
    zip: str | None = None
    city: str
    country: Country
    iata: str | None = None
    locode: str | None = None
    uic: str | None = None
    lat: (
        Annotated[Decimal, Meta(extra={"bounds": Bounds(low=Decimal(-90), high=Decimal(90))})]
        | None
    ) = None
    lng: (
        Annotated[Decimal, Meta(extra={"bounds": Bounds(low=Decimal(-180), high=Decimal(180))})]
        | None
    ) = None


class Feedstock(_Type, frozen=True, kw_only=True, gc=False):
    """What an energy carrier was made of."""

    feedstock: FeedstockType
    feedstock_share: Part | None = None
    region_provenance: str | None = None


class EnergyCarrier(_Type, frozen=True, kw_only=True, gc=False):
    """A fuel or electricity; `relative_share` of the activity; factors in kg CO2e per unit."""

    energy_carrier: Carrier
    relative_share: Share
    feedstocks: Annotated[tuple[Feedstock, ...], Meta(extra={"filled": True})] | None = None
    energy_consumption: Amount | None = None
    energy_consumption_unit: Annotated[str, _words("l", "kg", "kWh", "MJ")] | None = None
    emission_factor_wtw: Decimal = field(name="emissionFactorWTW")
    emission_factor_ttw: Decimal = field(name="emissionFactorTTW")


Carriers = Annotated[tuple[EnergyCarrier, ...], Meta(extra={"filled": True})]


class TCE(_Type, frozen=True, kw_only=True, gc=False):
    """Freight in one vehicle (`toc_id`) or through one hub (`hoc_id`, no distance)."""

    tce_id: Name
    prev_tce_ids: Annotated[tuple[str, ...], Meta(extra={"unique": True})] | None = None
    toc_id: Name | None = None
    hoc_id: Name | None = None
    shipment_id: Name
    consignment_id: str | None = None
    mass: Mass
    packaging_or_tr_eq_type: Equipment | None = None
    packaging_or_tr_eq_amount: Amount | None = None
    distance: GLECDistance
    origin: Location | None = None
    destination: Location | None = None
    transport_activity: Amount
    departure_at: Time | None = None
    arrival_at: Time | None = None
    flight_no: str | None = None
    voyage_no: str | None = None
    incoterms: Incoterms | None = None
    co2e_wtw: Decimal = field(name="co2eWTW")
    co2e_ttw: Amount = field(name="co2eTTW")
    nox_ttw: Amount | None = field(name="noxTTW", default=None)
    sox_ttw: Amount | None = field(name="soxTTW", default=None)
    ch4_ttw: Amount | None = field(name="ch4TTW", default=None)
    pm_ttw: Amount | None = field(name="pmTTW", default=None)


class ShipmentFootprint(_Type, frozen=True, kw_only=True, gc=False):
    """The chain of one shipment as one party knows it; `volume` in m3."""

    mass: Mass
    volume: Amount | None = None
    shipment_id: Name
    tces: Annotated[tuple[TCE, ...], Meta(extra={"filled": True})]


class TOC(_Type, frozen=True, kw_only=True, gc=False):
    """Transport operations of one kind; intensities in kg CO2e per `transport_activity_unit`."""

    toc_id: Name
    certifications: Certifications | None = None
    description: str | None = None
    mode: Mode
    load_factor: Share | None = None
    empty_distance_factor: Less | None = None
    temperature_control: Temperature | None = None
    truck_loading_sequence: Annotated[str, _words("LTL", "FTL")] | None = None
    air_shipping_option: Annotated[str, _words("belly freight", "freighter")] | None = None
    flight_length: Annotated[str, _words("short-haul", "long-haul")] | None = None
    energy_carriers: Carriers
    co2e_intensity_wtw: Decimal = field(name="co2eIntensityWTW")
    co2e_intensity_ttw: Amount = field(name="co2eIntensityTTW")
    transport_activity_unit: Annotated[str, _words("tkm", "TEUkm")]


class HOC(_Type, frozen=True, kw_only=True, gc=False):
    """Hub operations of one kind; intensities in kg CO2e per `hub_activity_unit` that leaves."""

    hoc_id: Name
    description: str | None = None
    certifications: Certifications | None = None
    hub_type: HubType
    temperature_control: Temperature | None = None
    hub_location: Location | None = None
    inbound_transport_mode: Mode | None = None
    outbound_transport_mode: Mode | None = None
    packaging_or_tr_eq_type: Equipment | None = None
    packaging_or_tr_eq_amount: int | None = None
    energy_carriers: Carriers
    co2e_intensity_wtw: Decimal = field(name="co2eIntensityWTW")
    co2e_intensity_ttw: Amount = field(name="co2eIntensityTTW")
    hub_activity_unit: Annotated[str, _words("tonnes", "TEU")]


class TAD(_Type, frozen=True, kw_only=True, gc=False):
    """What was carried, where and how far, from a party that computes no emissions."""

    activity_id: Name
    consignment_ids: Annotated[tuple[str, ...], Meta(extra={"filled": True})]
    distance: GLECDistance
    mass: Mass | None = None
    load_factor: Share | None = None
    empty_distance_factor: Less | None = None
    origin: Location
    destination: Location
    departure_at: Time
    arrival_at: Time
    mode: Mode
    packaging_or_tr_eq_type: Equipment | None = None
    packaging_or_tr_eq_amount: int | None = None
    energy_carriers: Carriers | None = None
    temperature_control: Annotated[str, _words("ambient", "refrigerated")] | None = None


DATA_SCHEMA = "https://api.ileap.sine.dev/{}.json"
"""Where iLEAP says that the schema of an extension is."""
FILES: dict[type[Any], str] = {
    ShipmentFootprint: "shipment-footprint",
    TOC: "toc",
    HOC: "hoc",
    TAD: "tad",
}
"""The published schema of each type."""


@cache
def published(name: str) -> dict[str, Any]:
    """The published JSON schema (draft-07) of this name, e.g. ``toc``, ``pcf-toc``, as shipped."""
    file = importlib.resources.files("supplytwin.schemas").joinpath(f"ileap.{name}.json")
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found
