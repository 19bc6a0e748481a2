"""What `supplytwin carbon calculate` reads: a transport chain, as published calculations give it.

Names as in iLEAP 1.0 (tce, toc, hoc, prev_tce_ids) in our spelling: units stand last. Numbers are
JSON strings or numbers in plain digits. `calculation_request.schema.json` says the same.
"""

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Struct

from supplytwin.schemas.decimal_text import Bounds
from supplytwin.schemas.factor_form import (
    Amount,
    Basis,
    Country,
    Date,
    Included,
    Mode,
    Positive,
    Share,
    Temperature,
    Text,
    Unit,
    within,
)
from supplytwin.schemas.ileap import Time

DataType = Literal["PRIMARY", "MODELLED", "DEFAULT"]
Distance = Literal["GCD", "SFD", "ACTUAL"]
NotOne = Annotated[Decimal, within(Bounds(low=Decimal(0), high=Decimal(1), under=True))]
Load = Annotated[Decimal, within(Bounds(low=Decimal(0), high=Decimal(1), above=True))]
EnergyUnit = Literal["l", "kg", "t", "kWh", "MJ"]


class _Form(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Unknown fields are refused. What is not said is not written: a field more in this form
    changes no record that was written without it.
    """


class InlineFactor(_Form, frozen=True, kw_only=True):
    """A factor that stands in the request; what the source does not publish is left out."""

    id: Text | None = None
    unit: Unit
    wtt: Amount | None = None
    ttw: Amount | None = None
    wtw: Amount | None = None
    what: Text | None = None
    carrier: Text | None = None
    pack: Text | None = None
    """Which publication and version it is of, e.g. GLEC-3.1: mixtures are warned of."""
    gwp: Text | None = None
    region: Text | None = None
    source: Text | None = None
    page: Text | None = None
    distance_basis: Basis | None = None
    """Needed for kg/tkm and kg/TEU-km."""
    daf_included: Included | None = None
    """Needed where `distance_basis` is ACTUAL or unknown."""
    temperature_control: Temperature | None = None
    data_type: DataType = "DEFAULT"
    primary_share: Share | None = None
    """Of a PRIMARY intensity of a supplier: the share that it states; else 1."""
    density_kg_per_l: Positive | None = None
    lhv_mj_per_kg: Positive | None = None
    partial: Text | None = None


Ref = InlineFactor | Text
"""A factor, or the id of one: of `factors`, or of a pack (`PACK/ID`, or ID of a chosen pack)."""


class BlendPart(_Form, frozen=True, kw_only=True):
    """A part of a blended fuel, by volume."""

    share: Share
    factor: Ref


class EnergyAmount(_Form, frozen=True, kw_only=True):
    """A measured or assumed amount of energy; `factor` or `blend` says what it emits."""

    carrier: Text
    quantity: Amount
    unit: EnergyUnit
    factor: Ref | None = None
    """Left out: the carrier's factor of the chosen packs, else of `schemas.carriers`."""
    country: Country | None = None
    """Of electricity without a factor: where it was drawn, ISO 3166-1 alpha-2."""
    wtt_factor: Ref | None = None
    """Where `factor` publishes operation (TTW) alone: another one for the provision (WTT)."""
    blend: tuple[BlendPart, ...] = ()
    data_type: DataType = "PRIMARY"
    activity_share: Share | None = None
    """Which part of the activity this energy moved: an iLEAP category of several energies says it.
    """
    accept_partial: Text | None = None
    """Why a factor that its pack calls partial is good enough: a deviation in the result."""


class ZonedEnergy(EnergyAmount, frozen=True, kw_only=True):
    """An amount of a TOC or HOC; with a zone it is that zone's alone, else it is common."""

    zone: Text | None = None


class Allocation(_Form, frozen=True, kw_only=True):
    """Which part of an amount is this element's: exactly one of the three."""

    share: Share | None = None
    total_tkm: Positive | None = None
    """Activity of all that moved: the share is this element's tkm over it."""
    total_kg: Positive | None = None


class ElementEnergy(EnergyAmount, frozen=True, kw_only=True):
    """An amount of one TCE; without `allocation` all of it."""

    allocation: Allocation | None = None


class Refrigerant(_Form, frozen=True, kw_only=True):
    """What was refilled, or what leaks from a charge; it is added on top, as operation (TTW)."""

    refrigerant: Text
    quantity_kg: Amount | None = None
    charge_kg: Positive | None = None
    loss_rate: Share | None = None
    factor: Ref
    zone: Text | None = None


class Activity(_Form, frozen=True, kw_only=True):
    """A part of the transport activity of a TOC: `tkm`, or trips of one kind.

    Freight of a trip is `mass_kg`, or `capacity_kg` x `load_factor`; a ballast trip has 0.
    """

    tkm: Amount | None = None
    count: Positive | None = None
    distance_km: Positive | None = None
    mass_kg: Amount | None = None
    capacity_kg: Positive | None = None
    load_factor: Share | None = None
    passengers: Amount | None = None
    seats: Amount | None = None
    seat_load_factor: Share | None = None
    passenger_kg: Positive | None = None
    """Mass of a passenger with luggage; 100 where it is not given (ISO 14083)."""
    zone: Text | None = None


class Equivalents(_Form, frozen=True, kw_only=True):
    """Vehicles or persons of one kind on a RoPax ferry, each worth so many passengers."""

    what: Text
    count: Amount
    equivalents: Positive
    use: Literal["PASSENGER", "FREIGHT"]


class Toc(_Form, frozen=True, kw_only=True):
    """A transport operation category: operations with similar characteristics over a period."""

    toc_id: Text
    mode: Mode
    distance_basis: Distance
    """Which distance its activity was computed with."""
    daf_included: Included = "no"
    energy: tuple[ZonedEnergy, ...] = ()
    refrigerants: tuple[Refrigerant, ...] = ()
    activities: tuple[Activity, ...] = ()
    equivalents: tuple[Equivalents, ...] = ()
    what: Text | None = None


class Outbound(_Form, frozen=True, kw_only=True):
    """What left a hub, of all goods or of one zone."""

    mass_kg: Positive
    zone: Text | None = None


class Hoc(_Form, frozen=True, kw_only=True):
    """A hub operation category."""

    hoc_id: Text
    hub_type: Text
    energy: tuple[ZonedEnergy, ...] = ()
    refrigerants: tuple[Refrigerant, ...] = ()
    outbound: tuple[Outbound, ...] = ()
    what: Text | None = None


class Stop(_Form, frozen=True, kw_only=True):
    """A stop of a round: what is brought there or fetched, and how far it is from the hub."""

    stop_id: Text
    mass_kg: Positive
    distance_km: Positive
    """Straight from the hub to the stop, not as driven."""


class Round(_Form, frozen=True, kw_only=True):
    """A collection or delivery round; its total is allocated by notional tkm."""

    round_id: Text
    mode: Mode
    distance_basis: Literal["GCD", "SFD"]
    energy: tuple[EnergyAmount, ...] = ()
    refrigerants: tuple[Refrigerant, ...] = ()
    stops: tuple[Stop, ...]


class PerKm(_Form, frozen=True, kw_only=True):
    """What a vehicle uses, or emits, for each km."""

    wtt: Amount | None = None
    ttw: Amount | None = None
    wtw: Amount | None = None


class Consumption(_Form, frozen=True, kw_only=True):
    """Energy per km, empty and full."""

    carrier: Text
    unit: EnergyUnit
    empty_per_km: Amount
    full_per_km: Positive
    factor: Ref


class Model(_Form, frozen=True, kw_only=True):
    """An intensity modelled from the vehicle: use is linear in the load, empty km come on top."""

    load_factor: Load
    empty_distance_factor: NotOne
    """Empty km over all km, as in iLEAP."""
    capacity_kg: Positive | None = None
    full_kg_per_tkm: Positive | None = None
    """Instead of the capacity: the TTW intensity that is published for the full vehicle."""
    consumption: Consumption | None = None
    empty_kg_per_km: PerKm | None = None
    full_kg_per_km: PerKm | None = None
    distance_basis: Basis
    daf_included: Included = "no"
    source: Text | None = None


class Container(_Form, frozen=True, kw_only=True):
    """Containers of one size: 20 = 1 TEU, 40 = 2, 40HC = 2.25."""

    size: Literal["20", "40", "40HC"] | None = None
    """None = not known: it counts as a container, never as TEU."""
    count: Positive
    weight: Literal["LIGHT", "AVERAGE", "HEAVY", "EMPTY"] | None = None
    """Of the cargo where `mass_kg` is not known: 6, 10, 14.5 t per TEU; EMPTY: 2 t per TEU."""


class Daf(_Form, frozen=True, kw_only=True):
    """A distance adjustment factor that the sender knows, and why it is right."""

    value: Positive
    why: Text


class Stated(_Form, frozen=True, kw_only=True):
    """Numbers that somebody published; the result says where ours differ."""

    transport_activity_tkm: Amount | None = None
    co2e_wtw_kg: Amount | None = None
    co2e_wtt_kg: Amount | None = None
    co2e_ttw_kg: Amount | None = None
    primary_share_by_emissions: Share | None = None
    primary_share_by_tkm: Share | None = None


class Supplied(_Form, frozen=True, kw_only=True):
    """What the operator of an element states of it, in a footprint of its own."""

    co2e_wtw_kg: Amount
    co2e_ttw_kg: Amount | None = None
    primary_share: Share
    """Of the whole footprint, by emissions, as it states it; 0 = nothing of it is primary."""
    source_id: Text
    """The footprint."""
    spec: Text
    """What it is written in, e.g. iLEAP 1.0 in PACT 3.0.3."""
    transport_activity_tkm: Amount | None = None
    gwp: Text | None = None


Uplift = Literal["TEMPERATURE_VAN", "TEMPERATURE_TRUCK", "ASIA_AFRICA_VAN", "ASIA_AFRICA_TRUCK"]


class Tce(_Form, frozen=True, kw_only=True):
    """A transport chain element: goods in one vehicle, or through one hub (which has no km)."""

    tce_id: Text
    prev_tce_ids: tuple[Text, ...] = ()
    consignment_id: Text | None = None
    mode: Mode | None = None
    hub_type: Text | None = None
    toc_id: Text | None = None
    hoc_id: Text | None = None
    zone: Text | None = None
    """Temperature zone of the TOC or HOC."""
    factor: Ref | None = None
    model: Model | None = None
    energy: tuple[ElementEnergy, ...] = ()
    supplied: Supplied | None = None
    refrigerants: tuple[Refrigerant, ...] = ()
    round_id: Text | None = None
    stop_id: Text | None = None
    mass_kg: Positive | None = None
    containers: tuple[Container, ...] = ()
    teu: Positive | None = None
    distance_km: Amount | None = None
    distance_basis: Distance | None = None
    legs_km: tuple[Positive, ...] = ()
    """Of AIR, instead of `distance_km`: GCD of each flight of one aircraft."""
    daf: Daf | None = None
    uplifts: tuple[Uplift, ...] = ()
    temperature_control: Temperature | None = None
    """Of the goods: the default of a mode or hub is taken for it, where the packs have one."""
    planned: bool = False
    """Nobody has said yet that it happened."""
    assumptions: tuple[Text, ...] = ()
    """What the sender took for granted, as ``CODE: what``."""
    from_place: Text | None = None
    to_place: Text | None = None
    """A name of the table of places, or ``City, CC`` with the country in two letters."""
    departure_at: Time | None = None
    arrival_at: Time | None = None
    """RFC 3339, UTC."""
    flight_no: Text | None = None
    voyage_no: Text | None = None
    stated: Stated | None = None


class Period(_Form, frozen=True, kw_only=True):
    """First and last day."""

    first: Date
    last: Date


class Kpi(_Form, frozen=True, kw_only=True):
    """The year before: its intensity, or its total and activity; and on which packs."""

    intensity_wtw_kg_per_tkm: Amount | None = None
    co2e_wtw_kg: Amount | None = None
    transport_activity_tkm: Positive | None = None
    packs: tuple[Text, ...]


class Missing(_Form, frozen=True, kw_only=True):
    """What the sender knows to be missing for the chain as a whole: it is not complete."""

    code: Text
    says: Text


class Request(_Form, frozen=True, kw_only=True):
    """One calculation. `only` = ACTIVITY: tkm and shares, no emissions."""

    calculation: Literal["1"]
    """Version of this form."""
    chain_id: Text
    only: Literal["ACTIVITY"] | None = None
    period: Period | None = None
    supporting_information: Text | None = None
    optional_included: tuple[Text, ...] = ()
    """Storage and repacking at hubs, ICT, black carbon: what is in although it need not be."""
    factors: tuple[InlineFactor, ...] = ()
    tocs: tuple[Toc, ...] = ()
    hocs: tuple[Hoc, ...] = ()
    rounds: tuple[Round, ...] = ()
    tces: tuple[Tce, ...] = ()
    missing: tuple[Missing, ...] = ()
    assumptions: tuple[Text, ...] = ()
    """What the sender took for granted for the chain as a whole, as ``CODE: what``."""
    kpi: Kpi | None = None
    stated: Stated | None = None
