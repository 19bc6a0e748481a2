"""Emission factor packs: open data, each factor with its source; never a number without one."""

import importlib.resources
from decimal import Decimal
from functools import cache
from typing import Literal

import msgspec
from msgspec import Struct

from supplytwin.schemas.errors import FatalError

_ROUNDING = Decimal("0.001")
"""Published parts are rounded separately: 1 g/tkm."""


class Factor(Struct, frozen=True, kw_only=True, gc=False):
    """kg CO2e per tonne-kilometre: WTT = energy provision, TTW = operation, WTW = both."""

    id: str
    what: str
    unit: str
    ttw: Decimal
    wtt: Decimal
    wtw: Decimal
    gwp: str
    region: str
    year: int
    source: str
    licence: str
    distance_basis: Literal["GCD", "SFD", "ACTUAL", "unknown"]
    """The distance that the intensity was divided by."""
    daf_included: Literal["yes", "no", "unknown"]
    """Whether the distance adjustment is inside; when it is, it is never applied again."""
    default_for: str | None = None
    """The mode of transport for which this is the pack's default."""


class Pack(Struct, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Factors of one publisher and one version."""

    pack: str
    version: str
    title: str
    publisher: str
    daf_note: str
    """What is done where `daf_included` is unknown."""
    factors: tuple[Factor, ...]

    def default(self, mode: str) -> Factor | None:
        """The factor for a mode of which nothing more is known."""
        return next((one for one in self.factors if one.default_for == mode), None)


@cache
def load(name: str = "factors_desnz2025.json") -> Pack:
    """A built-in pack, checked."""
    return parse(importlib.resources.files("supplytwin.schemas").joinpath(name).read_bytes(), name)


def parse(raw: bytes, name: str) -> Pack:
    """A pack from its JSON. Raises FatalError when it is not one, or contradicts itself."""
    try:
        pack = msgspec.json.decode(raw, type=Pack)
    except msgspec.DecodeError as error:
        raise FatalError(f"factor pack {name}: {error}") from None
    for kind, values in (
        ("factors of one id", [factor.id for factor in pack.factors]),
        ("defaults for one mode", [one.default_for for one in pack.factors if one.default_for]),
    ):
        if len(set(values)) < len(values):
            raise FatalError(f"factor pack {name} has two {kind}")
    for factor in pack.factors:
        if min(factor.wtt, factor.ttw) < 0 or factor.wtw <= 0:
            raise FatalError(f"factor {factor.id} of {name}: not positive")
        if abs(factor.wtt + factor.ttw - factor.wtw) > _ROUNDING:
            raise FatalError(f"factor {factor.id} of {name}: WTT + TTW is not WTW")
    return pack
