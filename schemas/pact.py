"""PACT product footprints of version 2 (2.1 and later) and version 3 (3.0), with the JSON names of
the standard. Emissions in kg CO2e per declared unit, which is amount x unit of measurement; carbon
contents in kg C; shares in percent.
"""

from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta, Struct, field

from supplytwin.schemas.decimal_text import Bounds
from supplytwin.schemas.ileap import ZERO, Amount, Country, Mass, Name, Time

_100 = Decimal(100)
Percent = Annotated[Decimal, Meta(extra={"spelt": "number", "bounds": Bounds(low=ZERO, high=_100)})]
"""A JSON number, as version 2 has them."""
Share = Annotated[Decimal, Meta(extra={"bounds": Bounds(low=ZERO, high=_100)})]
Removal = Annotated[Decimal, Meta(extra={"bounds": Bounds(high=ZERO)})]
"""0 or less."""
Rating = Annotated[
    Decimal,
    Meta(extra={"spelt": "number", "bounds": Bounds(low=Decimal(1), high=Decimal(3))}),
]
Rating3 = Annotated[Decimal, Meta(extra={"bounds": Bounds(low=Decimal(1), high=Decimal(5))})]
Urn = Annotated[str, Meta(extra={"format": "urn"})]
Uri = Annotated[str, Meta(extra={"format": "uri"})]
Uuid = Annotated[str, Meta(extra={"format": "uuid"})]
_SET = Meta(extra={"filled": True, "unique": True})
Urns = Annotated[tuple[Urn, ...], _SET]
Uuids = Annotated[tuple[Uuid, ...], _SET]
Version = Annotated[str, Meta(pattern=r"\d+\.\d+\.\d+(-\d{8})?")]
Status = Annotated[str, Meta(extra={"words": ("Active", "Deprecated")})]
Reports = Annotated[tuple[Annotated[str, Meta(pattern=r"AR\d+")], ...], _SET]
Subdivision = Annotated[str, Meta(pattern="[A-Z]{2}-[A-Z0-9]{1,3}")]


def _words(*words: str) -> Meta:
    return Meta(extra={"words": words})


_UNITS_2 = (
    "liter",
    "kilogram",
    "cubic meter",
    "kilowatt hour",
    "megajoule",
    "ton kilometer",
    "square meter",
)
Region = Annotated[
    str,
    _words(
        "Africa",
        "Americas",
        "Asia",
        "Europe",
        "Oceania",
        "Australia and New Zealand",
        "Central Asia",
        "Eastern Asia",
        "Eastern Europe",
        "Latin America and the Caribbean",
        "Melanesia",
        "Micronesia",
        "Northern Africa",
        "Northern America",
        "Northern Europe",
        "Polynesia",
        "South-eastern Asia",
        "Southern Asia",
        "Southern Europe",
        "Sub-Saharan Africa",
        "Western Asia",
        "Western Europe",
    ),
]
_STANDARDS_2 = (
    "ISO14067",
    "ISO14083",
    "ISO14040-44",
    "GHGP-Product",
    "PEF",
    "PACT-1.0",
    "PACT-2.0",
    "PACT-3.0",
)


class _Type(Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, rename="camel"):
    """One JSON object of the standard."""


class DataModelExtension(_Type, frozen=True, kw_only=True):
    """What another standard has to say; `data` = its JSON object."""

    spec_version: Version
    data_schema: Uri
    documentation: Uri | None = None
    data: dict[str, Any]


class SectorRule(_Type, frozen=True, kw_only=True, gc=False):
    """Rules for products or sectors that were followed."""

    operator: Annotated[str, _words("PEF", "EPD International", "Other")]
    rule_names: Annotated[tuple[Name, ...], _SET]
    other_operator_name: Name | None = None


class FactorSource(_Type, frozen=True, kw_only=True, gc=False):
    """A source of factors that were no measurements."""

    name: Name
    version: Name


class Quality2(_Type, frozen=True, kw_only=True, gc=False):
    """Data quality ratings, version 2."""

    coverage_percent: Percent
    technological_dqr: Rating = field(name="technologicalDQR")
    temporal_dqr: Rating = field(name="temporalDQR")
    geographical_dqr: Rating = field(name="geographicalDQR")
    completeness_dqr: Rating = field(name="completenessDQR")
    reliability_dqr: Rating = field(name="reliabilityDQR")


class Quality3(_Type, frozen=True, kw_only=True, gc=False):
    """Data quality ratings, version 3."""

    technological_dqr: Rating3 = field(name="technologicalDQR")
    temporal_dqr: Rating3 = field(name="temporalDQR")
    geographical_dqr: Rating3 = field(name="geographicalDQR")


class Assurance(_Type, frozen=True, kw_only=True, gc=False):
    """Who has verified it, version 2."""

    assurance: bool
    coverage: (
        Annotated[str, _words("corporate level", "product line", "PCF system", "product level")]
        | None
    ) = None
    level: Annotated[str, _words("limited", "reasonable")] | None = None
    boundary: Annotated[str, _words("Gate-to-Gate", "Cradle-to-Gate")] | None = None
    provider_name: str
    completed_at: Time | None = None
    standard_name: str | None = None
    comments: str | None = None


class Verification(_Type, frozen=True, kw_only=True, gc=False):
    """Who has verified it, version 3."""

    coverage: (
        Annotated[str, _words("PCF calculation model", "PCF program", "product level")] | None
    ) = None
    provider_name: str | None = None
    completed_at: Time | None = None
    standard_name: str | None = None
    comments: str | None = None


class CarbonFootprint2(_Type, frozen=True, kw_only=True, gc=False):
    """The numbers of a footprint, version 2."""

    declared_unit: Annotated[str, _words(*_UNITS_2)]
    unitary_product_amount: Mass
    product_mass_per_declared_unit: Amount | None = None
    p_cf_excluding_biogenic: Amount = field(name="pCfExcludingBiogenic")
    p_cf_including_biogenic: Decimal | None = field(name="pCfIncludingBiogenic", default=None)
    fossil_ghg_emissions: Amount
    fossil_carbon_content: Amount
    biogenic_carbon_content: Amount
    d_luc_ghg_emissions: Amount | None = None
    land_management_ghg_emissions: Amount | None = None
    other_biogenic_ghg_emissions: Amount | None = None
    i_luc_ghg_emissions: Amount | None = None
    biogenic_carbon_withdrawal: Removal | None = None
    aircraft_ghg_emissions: Amount | None = None
    characterization_factors: Annotated[str, _words("AR5", "AR6")]
    ipcc_characterization_factors_sources: Reports
    cross_sectoral_standards_used: Annotated[
        tuple[
            Annotated[
                str,
                _words("GHG Protocol Product standard", "ISO Standard 14067", "ISO Standard 14044"),
            ],
            ...,
        ],
        _SET,
    ]
    cross_sectoral_standards: (
        Annotated[tuple[Annotated[str, _words(*_STANDARDS_2)], ...], _SET] | None
    ) = None
    product_or_sector_specific_rules: tuple[SectorRule, ...] | None = None
    biogenic_accounting_methodology: (
        Annotated[str, _words("PEF", "ISO", "GHGP", "Quantis")] | None
    ) = None
    boundary_processes_description: str
    reference_period_start: Time
    reference_period_end: Time
    geography_region_or_subregion: Region | None = None
    geography_country: Country | None = None
    geography_country_subdivision: Subdivision | None = None
    secondary_emission_factor_sources: Annotated[tuple[FactorSource, ...], _SET] | None = None
    exempted_emissions_percent: Percent
    exempted_emissions_description: str
    packaging_emissions_included: bool
    packaging_ghg_emissions: Amount | None = None
    allocation_rules_description: str | None = None
    uncertainty_assessment_description: str | None = None
    primary_data_share: Percent | None = None
    dqi: Quality2 | None = None
    assurance: Assurance | None = None


class CarbonFootprint3(_Type, frozen=True, kw_only=True, gc=False):
    """The numbers of a footprint, version 3."""

    declared_unit_of_measurement: Annotated[
        str, _words(*_UNITS_2, "piece", "hour", "megabit second")
    ]
    declared_unit_amount: Mass
    product_mass_per_declared_unit: Amount
    reference_period_start: Time
    reference_period_end: Time
    geography_region_or_subregion: Region | None = None
    geography_country: Country | None = None
    geography_country_subdivision: Subdivision | None = None
    boundary_processes_description: str | None = None
    pcf_excluding_biogenic_uptake: Decimal
    pcf_including_biogenic_uptake: Decimal
    fossil_carbon_content: Amount
    biogenic_carbon_content: Amount | None = None
    recycled_carbon_content: Amount | None = None
    fossil_ghg_emissions: Amount
    land_use_change_ghg_emissions: Amount | None = None
    land_carbon_leakage: Amount | None = None
    land_management_fossil_ghg_emissions: Amount | None = None
    land_management_biogenic_co2_emissions: Amount | None = field(
        name="landManagementBiogenicCO2Emissions", default=None
    )
    land_management_biogenic_co2_removals: Removal | None = field(
        name="landManagementBiogenicCO2Removals", default=None
    )
    biogenic_co2_uptake: Removal | None = field(name="biogenicCO2Uptake", default=None)
    biogenic_non_co2_emissions: Amount | None = field(name="biogenicNonCO2Emissions", default=None)
    land_area_occupation: Amount | None = None
    aircraft_ghg_emissions: Amount | None = None
    packaging_emissions_included: bool | None = None
    packaging_ghg_emissions: Amount | None = None
    packaging_biogenic_carbon_content: Amount | None = None
    outbound_logistics_ghg_emissions: Amount | None = None
    ccs_technological_co2_capture_included: bool | None = field(
        name="ccsTechnologicalCO2CaptureIncluded", default=None
    )
    ccs_technological_co2_capture: Removal | None = field(
        name="ccsTechnologicalCO2Capture", default=None
    )
    technological_co2_capture_origin: str | None = field(
        name="technologicalCO2CaptureOrigin", default=None
    )
    technological_co2_removals: Removal | None = field(
        name="technologicalCO2Removals", default=None
    )
    ccu_carbon_content: Amount | None = None
    ccu_calculation_approach: Annotated[str, _words("Cut-off", "Credit")] | None = None
    ccu_credit_certification: Uri | None = None
    ipcc_characterization_factors: Reports
    cross_sectoral_standards: Annotated[tuple[str, ...], _SET]
    product_or_sector_specific_rules: Annotated[tuple[SectorRule, ...], _SET] | None = None
    exempted_emissions_percent: Share
    exempted_emissions_description: str | None = None
    allocation_rules_description: str | None = None
    secondary_emission_factor_sources: (
        Annotated[tuple[FactorSource, ...], Meta(extra={"filled": True})] | None
    ) = None
    primary_data_share: Share | None = None
    dqi: Quality3 | None = None
    verification: Verification | None = None


class ProductFootprint2(_Type, frozen=True, kw_only=True):
    """A product footprint, version 2."""

    id: Uuid
    spec_version: Version
    preceding_pf_ids: Uuids | None = None
    version: int
    created: Time
    updated: Time | None = None
    status: Status
    status_comment: str | None = None
    validity_period_start: Time | None = None
    validity_period_end: Time | None = None
    company_name: Name
    company_ids: Urns
    product_description: str
    product_ids: Urns
    product_classifications: Urns | None = None
    product_category_cpc: Name
    product_name_company: Name
    comment: str
    pcf: CarbonFootprint2
    extensions: tuple[DataModelExtension, ...] | None = None


class ProductFootprint3(_Type, frozen=True, kw_only=True):
    """A product footprint, version 3."""

    id: Uuid
    spec_version: Version
    preceding_pf_ids: Uuids | None = None
    created: Time
    status: Status
    validity_period_start: Time | None = None
    validity_period_end: Time | None = None
    company_name: Name
    company_ids: Urns
    product_description: str
    product_ids: Urns
    product_classifications: Urns | None = None
    product_name_company: Name
    comment: str | None = None
    pcf: CarbonFootprint3
    extensions: tuple[DataModelExtension, ...] | None = None
