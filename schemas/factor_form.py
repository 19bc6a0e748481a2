"""The form of a factor pack, and of one factor in it; `factor_pack.schema.json` says the same."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta, Struct

from supplytwin.schemas.decimal_text import Bounds

Text = Annotated[str, Meta(min_length=1, max_length=2000, pattern=r"\S", extra={"line": True})]
Name = Annotated[str, Meta(extra={"format": "pack-name"})]
"""Of a pack: results name a factor as PACK-VERSION/ID."""
Country = Annotated[str, Meta(extra={"format": "country"})]
Date = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$", extra={"format": "date"})]
_ZERO, _ONE, _MOST = Decimal(0), Decimal(1), Decimal(10**15)


def within(bounds: Bounds) -> Meta:
    """Of a decimal that people write as JSON text or number."""
    return Meta(extra={"spelt": "either", "bounds": bounds})


Amount = Annotated[Decimal, within(Bounds(low=_ZERO, high=_MOST))]
Positive = Annotated[Decimal, within(Bounds(low=_ZERO, high=_MOST, above=True))]
Share = Annotated[Decimal, within(Bounds(low=_ZERO, high=_ONE))]
Kind = Literal["TRANSPORT", "HUB", "ENERGY", "GRID", "REFRIGERANT"]
Mode = Literal["ROAD", "RAIL", "AIR", "SEA", "BARGE"]
Unit = Literal[
    "kg/tkm", "kg/TEU-km", "kg/t", "kg/TEU", "kg/container", "kg/l", "kg/kg", "kg/kWh", "kg/MJ"
]
Basis = Literal["GCD", "SFD", "ACTUAL", "unknown"]
Included = Literal["yes", "no", "unknown"]
Temperature = Literal["ambient", "refrigerated", "mixed"]
UNITS: Mapping[str, tuple[str, ...]] = {
    "TRANSPORT": ("kg/tkm", "kg/TEU-km"),
    "HUB": ("kg/t", "kg/TEU", "kg/container"),
    "ENERGY": ("kg/l", "kg/kg", "kg/kWh", "kg/MJ"),
    "GRID": ("kg/kWh", "kg/MJ"),
    "REFRIGERANT": ("kg/kg",),
}
"""Units of each kind of factor."""
_CARRIERS = frozenset(("electricity", "electric", "hydrogen"))


class Factor(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """kg CO2e per unit: WTT = energy provision, TTW = operation, WTW = both, as published.

    What the source does not publish is null, never 0.
    """

    id: Text
    what: Text
    kind: Kind
    mode: Mode | None = None
    """Of TRANSPORT: the means of transport."""
    hub_type: Text | None = None
    """Of HUB, as in iLEAP: Transshipment, StorageAndTransshipment, Warehouse, ..."""
    carrier: Text | None = None
    """The energy carrier, where it is one: diesel, electricity, hydrogen, R-134a, ..."""
    unit: Unit
    wtt: Amount | None = None
    ttw: Amount | None = None
    wtw: Amount | None = None
    gwp: Text
    """Basis of the global warming potentials, or that only CO2 is in it."""
    region: Text
    country: Country | None = None
    """Of GRID: ISO 3166-1 alpha-2, where the region is one: its electricity's default."""
    year: int
    """The year that the number is about."""
    valid_from: Date | None = None
    valid_to: Date | None = None
    """Both included; the factor is not taken outside of them."""
    source: Text
    page: Text
    """Page, table, sheet, row: where in the source a reader finds the number."""
    licence: Text
    distance_basis: Basis | None = None
    """Of TRANSPORT: the distance that the intensity was divided by."""
    daf_included: Included | None = None
    """Of TRANSPORT: whether the distance adjustment is inside; if so, it is never applied again."""
    load_factor: Share | None = None
    empty_running: Share | None = None
    """As published: not every source says what it is a share of."""
    temperature_control: Temperature | None = None
    haul: Literal["short", "long"] | None = None
    """Of AIR: flights of at most 1,500 km, or longer ones."""
    default_for: Mode | None = None
    """The mode for which this is the pack's default (of its haul and its temperature control, where
    it has one)."""
    density_kg_per_l: Positive | None = None
    lhv_mj_per_kg: Positive | None = None
    partial: Text | None = None
    """What the number lacks to be the whole of its part; null = nothing."""
    note: Text | None = None


class Pack(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Factors of one publisher and one version."""

    pack: Name
    version: Name
    title: Text
    publisher: Text
    licence: Text
    origin: Text
    """Where the numbers were read."""
    note: Text | None = None
    factors: tuple[Factor, ...]

    @property
    def name(self) -> str:
        """Pack and version, as commands and results name it."""
        return f"{self.pack}-{self.version}"


def is_without_operation(carrier: str | None) -> bool:
    """Whether a carrier emits nothing where it is used: electricity and hydrogen, TTW = 0."""
    return carrier is not None and carrier.lower() in _CARRIERS
