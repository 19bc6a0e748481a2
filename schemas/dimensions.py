"""Units of one dimension, by exact factors: what may be converted into what, and what may not.

The codes are those of UN/ECE Recommendation 20; the factors are exact by definition. Units of count
(piece, each, dozen, pair, box) are no dimension: what one of them is, two parties may see
differently. A unit that is not listed is equal to itself and to nothing else.
"""

from collections.abc import Mapping

from supplytwin.schemas.errors import Code, RecordError

_MASS = {
    "MGM": (1, 1_000_000),
    "GRM": (1, 1_000),
    "KGM": (1, 1),
    "DTN": (100, 1),
    "TNE": (1_000, 1),
    "ONZ": (28_349_523_125, 10**12),
    "LBR": (45_359_237, 10**8),
}
_VOLUME = {
    "CMQ": (1, 1_000),
    "MLT": (1, 1_000),
    "DMQ": (1, 1),
    "LTR": (1, 1),
    "HLT": (100, 1),
    "MTQ": (1_000, 1),
}
_LENGTH = {
    "MMT": (1, 1_000),
    "CMT": (1, 100),
    "MTR": (1, 1),
    "KMT": (1_000, 1),
    "INH": (254, 10_000),
    "FOT": (3_048, 10_000),
    "YRD": (9_144, 10_000),
}
_AREA = {
    "CMK": (1, 10_000),
    "MTK": (1, 1),
    "HAR": (10_000, 1),
    "FTK": (9_290_304, 10**8),
}
DIMENSIONS: Mapping[str, Mapping[str, tuple[int, int]]] = {
    "mass": _MASS,
    "volume": _VOLUME,
    "length": _LENGTH,
    "area": _AREA,
}
"""Dimension -> unit -> (numerator, denominator): how many kg, l, m or m2 one of it is."""
_DIMENSION = {unit: name for name, units in DIMENSIONS.items() for unit in units}


def factor(unit: str, wanted: str) -> tuple[int, int]:
    """(numerator, denominator) by which a number of `unit` becomes one of `wanted`, exactly.

    Raises RecordError(BAD_VALUE) unless they are the same unit or two units of one dimension.
    """
    if unit == wanted:
        return 1, 1
    dimension = _DIMENSION.get(unit)
    if dimension is None or dimension != _DIMENSION.get(wanted):
        reason = f"{unit[:20]!r} is not {wanted!r} and cannot be converted into it"
        raise RecordError(Code.BAD_VALUE, "unit", reason)
    (up, down), (other_up, other_down) = DIMENSIONS[dimension][unit], DIMENSIONS[dimension][wanted]
    return up * other_down, down * other_up
