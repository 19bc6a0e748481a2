"""Energy carriers of which a fact says no factor: what the built-in packs have for them."""

from collections.abc import Mapping

from msgspec import Struct

_CO2_ONLY = (
    "CO2 of the vehicle stands for its CO2e: no open pack has CH4 and N2O, about one percent of it"
)


class Carrier(Struct, frozen=True, kw_only=True, gc=False):
    """Factors as PACK/ID: one that has all of its parts, or operation (TTW), then provision (WTT).

    No `refs` = none is known. `accept_partial` = why factors that their pack calls partial do.
    """

    refs: tuple[str, ...] = ()
    accept_partial: str | None = None


def _fuel(operation: str, provision: str) -> Carrier:
    refs = f"epa-hub-2025/mobile-{operation}", f"desnz-2025/wtt-{provision}-l"
    return Carrier(refs=refs, accept_partial=_CO2_ONLY)


_DIESEL = _fuel("diesel-fuel", "diesel-100-percent-mineral-diesel")
_PETROL = _fuel("motor-gasoline", "petrol-100-percent-mineral-petrol")
_JET = _fuel("kerosene-type-jet-fuel", "aviation-turbine-fuel")
_HFO = _fuel("residual-fuel-oil", "marine-fuel-oil")
CARRIERS: Mapping[str, Carrier] = {
    "diesel": _DIESEL,
    "petrol": _PETROL,
    "gasoline": _PETROL,
    "jet": _JET,
    "jet a1": _JET,
    "kerosene": _JET,
    "hfo": _HFO,
    "heavy fuel oil": _HFO,
    "lpg": _fuel("liquefied-petroleum-gases-lpg", "lpg"),
}
"""By the name in lower case; electricity is found by its country instead."""
ELECTRICITY = "electricity"
