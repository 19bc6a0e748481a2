"""What `supplytwin carbon calculate` answers. Numbers are unrounded; null = not known, never 0."""

from decimal import Decimal

from msgspec import Struct

from supplytwin.schemas.findings import Finding

Number = Decimal | None


class _Result(Struct, frozen=True, kw_only=True):
    """A part of the answer."""


class Co2e(_Result, frozen=True, kw_only=True):
    """kg CO2e: WTW = WTT (energy provision) + TTW (operation)."""

    co2e_wtw_kg: Number
    co2e_wtt_kg: Number
    co2e_ttw_kg: Number


class PerUnit(_Result, frozen=True, kw_only=True):
    """kg CO2e per unit."""

    unit: str
    wtw: Number
    wtt: Number
    ttw: Number


class Used(_Result, frozen=True, kw_only=True):
    """A factor that something rests on, with what its publisher says of it."""

    ref: str
    pack: str
    what: str
    unit: str
    wtw: Number
    wtt: Number
    ttw: Number
    gwp: str
    region: str
    source: str
    page: str
    licence: str
    distance_basis: str | None
    daf_included: str | None
    data_type: str


class EnergyUse(_Result, frozen=True, kw_only=True):
    """An amount of energy of a category, and how much it is for each unit of activity."""

    carrier: str
    quantity: Decimal
    unit: str
    zone: str | None
    per_activity: Number
    co2e: Co2e


class ZoneResult(_Result, frozen=True, kw_only=True):
    """One temperature zone of a category; zone null = goods without a zone."""

    zone: str | None
    activity: Number
    co2e: Co2e
    intensity: PerUnit


class CategoryResult(_Result, frozen=True, kw_only=True):
    """A TOC or HOC: total, activity (tkm, or t outbound), intensity, by zone."""

    id: str
    kind: str
    mode: str
    activity: Number
    activity_unit: str
    co2e: Co2e
    """Of everything, also of what carried passengers."""
    intensity: PerUnit
    freight_share: Number
    zones: tuple[ZoneResult, ...]
    energy: tuple[EnergyUse, ...]
    data_type: str
    factors: tuple[str, ...]
    trace: tuple[str, ...]


class StopResult(_Result, frozen=True, kw_only=True):
    """A stop's part of its round."""

    stop_id: str
    transport_activity_tkm: Decimal
    share: Decimal
    co2e: Co2e


class RoundResult(_Result, frozen=True, kw_only=True):
    """A round: total, notional activity, parts. Shares sum to exactly 1."""

    round_id: str
    mode: str
    distance_basis: str
    transport_activity_tkm: Decimal
    co2e: Co2e
    stops: tuple[StopResult, ...]
    data_type: str
    factors: tuple[str, ...]
    trace: tuple[str, ...]


class TceResult(_Result, frozen=True, kw_only=True):
    """One element. Exactly one of toc_id and hoc_id is there."""

    tce_id: str
    prev_tce_ids: tuple[str, ...]
    consignment_id: str | None
    kind: str
    mode: str | None
    hub_type: str | None
    toc_id: str | None
    hoc_id: str | None
    mass_kg: Number
    teu: Number
    distance_km: Number
    distance_basis: str | None
    transport_activity_tkm: Number
    hub_activity_t: Number
    daf: Number
    daf_why: str | None
    intensity: PerUnit | None
    co2e: Co2e
    data_type: str | None
    way: str | None
    """By what: energy, round, supplied, category, model, factor, pack or default."""
    primary_share: Number
    factors: tuple[str, ...]
    complete: bool
    trace: tuple[str, ...]


class Group(_Result, frozen=True, kw_only=True):
    """Elements of one mode, hub type, consignment or kind, together."""

    name: str
    elements: int
    transport_activity_tkm: Number
    hub_activity_t: Number
    co2e: Co2e
    intensity_wtw_kg_per_tkm: Number


class DataQuality(_Result, frozen=True, kw_only=True):
    """Shares of WTW by where the data are from; they sum to 1."""

    primary: Number
    modelled: Number
    default: Number


class KpiResult(_Result, frozen=True, kw_only=True):
    """G_now - g_prev x T_now: negative is an improvement, even if emissions rise."""

    relative_change_kg: Number
    previous_intensity_wtw_kg_per_tkm: Number
    improved: bool | None


class Difference(_Result, frozen=True, kw_only=True):
    """Where a stated number is not ours, by more than its own rounding."""

    path: str
    stated: Decimal
    computed: Number
    delta: Number


class Statement(_Result, frozen=True, kw_only=True):
    """The reporting elements of ISO 14083 that are not numbers of the chain."""

    reference: str
    period: str | None
    supporting_information: str | None
    distance_types: tuple[str, ...]
    default_factor_sources: tuple[str, ...]
    optional_included: tuple[str, ...]
    uncertainty: str
    assumptions: tuple[Finding, ...]
    deviations: tuple[Finding, ...]


class Result(_Result, frozen=True, kw_only=True):
    """The answer. `computed` is what could be computed when the whole could not."""

    calculation: str
    chain_id: str
    complete: bool
    missing: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    differences: tuple[Difference, ...]
    co2e: Co2e
    computed: Co2e
    transport_activity_tkm: Number
    intensity_wtw_kg_per_tkm: Number
    intensity_ttw_kg_per_tkm: Number
    primary_share_by_emissions: Number
    primary_share_by_tkm: Number
    data_quality: DataQuality
    kinds: tuple[Group, ...]
    modes: tuple[Group, ...]
    hubs: tuple[Group, ...]
    consignments: tuple[Group, ...]
    tces: tuple[TceResult, ...]
    tocs: tuple[CategoryResult, ...]
    hocs: tuple[CategoryResult, ...]
    rounds: tuple[RoundResult, ...]
    kpi: KpiResult | None
    statement: Statement
    factors: tuple[Used, ...]
    packs: tuple[str, ...]
    method: str
    input_sha256: str


class Refused(_Result, frozen=True, kw_only=True):
    """Nothing was computed: every finding, each with its path."""

    refused: bool
    findings: tuple[Finding, ...]
