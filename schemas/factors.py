"""Emission factor packs: open data, each factor with its source; never a number without one."""

import importlib.resources
from decimal import Decimal
from functools import cache

import msgspec
from msgspec import Struct

from supplytwin.schemas.errors import FatalError

_ROUNDING = Decimal("0.001")
"""Published parts are rounded separately: 1 g/tkm."""


class Factor(Struct, frozen=True, kw_only=True, gc=False):
    """kg CO2e per tonne-kilometre: WTT = energy provision, TTW = operation, WTW = both."""

    id: str
    what: str
    ttw: Decimal
    wtt: Decimal
    wtw: Decimal
    source: str
    default_for: str | None = None
    """The mode of transport for which this is the pack's default."""


class Pack(Struct, frozen=True, kw_only=True, gc=False):
    pack: str
    version: str
    title: str
    publisher: str
    licence: str
    region: str
    year: int
    unit: str
    gwp: str
    distance_basis: str
    daf_included: bool
    """Whether the distance adjustment is inside: then it must not be applied again."""
    daf_note: str
    factors: tuple[Factor, ...]

    def default(self, mode: str) -> Factor | None:
        """The factor for a mode of which nothing more is known."""
        return next((one for one in self.factors if one.default_for == mode), None)


@cache
def load(name: str = "factors_desnz2025.json") -> Pack:
    """A built-in pack. Raises FatalError when WTT + TTW is not WTW."""
    raw = importlib.resources.files("supplytwin.schemas").joinpath(name).read_bytes()
    pack = msgspec.json.decode(raw, type=Pack)
    for factor in pack.factors:
        if abs(factor.wtt + factor.ttw - factor.wtw) > _ROUNDING:
            raise FatalError(f"factor {factor.id} of {name}: WTT + TTW is not WTW")
    return pack
