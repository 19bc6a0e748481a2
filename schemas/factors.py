"""Emission factor packs: open data, each factor with its source; never a number without one."""

import importlib.resources
from functools import cache

from supplytwin.schemas import factor_check
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.factor_form import Factor, Pack
from supplytwin.schemas.strict import Read, read

BUILT_IN = {
    "desnz-2025": "factors_desnz2025.json",
    "epa-hub-2025": "factors_epa2025.json",
    "grids-2023": "factors_grids2023.json",
    "grids-china-2023": "factors_grids_china2023.json",
}
"""File of each built-in pack, by its name. The first one is the default."""


@cache
def load(name: str = "factors_desnz2025.json") -> Pack:
    """A built-in pack, by its file, checked."""
    return parse(importlib.resources.files("supplytwin.schemas").joinpath(name).read_bytes(), name)


def parse(raw: bytes, name: str) -> Pack:
    """A pack from its JSON. Raises FatalError when it is not one, or contradicts itself."""
    found = check(raw)
    if found.value is None or found.findings:
        says = "; ".join(f"{one.path}: {one.line}" for one in found.findings)
        raise FatalError(f"factor pack {name}: {says}")
    return found.value


def check(raw: bytes) -> Read[Pack]:
    """A pack from its JSON, with everything that is wrong with it."""
    found = read(raw, Pack)
    return found if found.value is None else found.joined(factor_check.of_pack(found.value))


__all__ = ["BUILT_IN", "Factor", "Pack", "check", "load", "parse"]
