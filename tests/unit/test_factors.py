"""Factor packs: published numbers, each with its source; a contradictory pack is refused."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from supplytwin.processors.carbon_factors import Shelf
from supplytwin.schemas import factors
from supplytwin.schemas.errors import FatalError
from supplytwin.schemas.events import MODES

PUBLISHED = {
    # g CO2e per tkm: WTT, TTW, WTW
    "road-rigid-average-laden": ("43.32", "197.48", "240.80"),
    "road-artic-half-laden": ("22.57", "96.75", "119.32"),
    "road-artic-fully-laden": ("14.09", "60.21", "74.30"),
    "road-artic-average-laden": ("18.23", "78.00", "96.23"),
    "rail-freight-train": ("6.91", "27.79", "34.70"),
    "air-long-haul-without-rf": ("135.16", "531.30", "666.46"),
    "air-long-haul-with-rf": ("135.16", "899.39", "1034.55"),
    "sea-container-average": ("3.65", "16.12", "19.77"),
    "sea-container-8000-teu": ("2.87", "12.66", "15.53"),
}


def parts(factor: factors.Factor) -> tuple[Decimal, Decimal, Decimal]:
    """WTW, WTT and TTW of a factor that has all of them."""
    assert factor.wtw is not None
    assert factor.wtt is not None
    assert factor.ttw is not None
    return factor.wtw, factor.wtt, factor.ttw


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers(name: str) -> None:
    """The pack says what the UK government published for 2025."""
    factor = next(one for one in factors.load().factors if one.id == name)
    wtw, wtt, ttw = parts(factor)
    assert (wtt * 1000, ttw * 1000, wtw * 1000) == tuple(map(Decimal, PUBLISHED[name]))


def test_every_factor_says_where_it_is_from() -> None:
    """Unit, GWP basis, region, year, sheets and rows, licence, distance basis and adjustment."""
    for factor in factors.load().factors:
        assert (factor.region, factor.year, factor.gwp) == ("GB", 2025, "GWP100, IPCC AR5")
        if factor.kind != "TRANSPORT":
            continue
        assert factor.unit == "kg/tkm"
        assert "sheet Freighting goods" in factor.page
        assert "sheet WTT" in factor.page
        assert factor.licence == "Open Government Licence v3.0"
        assert (factor.distance_basis, factor.daf_included) == ("unknown", "unknown")
        wtw, wtt, ttw = parts(factor)
        assert wtt + ttw == wtw


def test_defaults_by_mode() -> None:
    """Air without radiative forcing, average lorry, train and container ship; none for barges."""
    shelf = Shelf([factors.load()], ())
    found = {mode: shelf.default(mode, None, None) for mode in sorted(MODES)}
    assert {mode: one[1].id if one else None for mode, one in found.items()} == {
        "AIR": "air-international-without-rf",
        "BARGE": None,
        "RAIL": "rail-freight-train",
        "ROAD": "road-artic-average-laden",
        "SEA": "sea-container-average",
    }


def one_pack(*changes: dict[str, Any]) -> bytes:
    """JSON of the shipped pack with only its first factor, once for each dict of changes."""
    pack = msgspec.to_builtins(factors.load(), builtin_types=(Decimal,))
    first = pack["factors"][0]
    pack["factors"] = [{**first, **change} for change in changes]
    return msgspec.json.encode(pack)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (({"wtw": "0.099"},), "WTT \\+ TTW is not WTW"),
        (({"wtw": "0", "wtt": "0", "ttw": "0"},), "not positive"),
        (({"wtt": "-0.01", "ttw": "0.10623"},), "negative"),
        (({}, {}), "two factors of one id"),
        (({}, {"id": "other"}), "two defaults for one mode"),
        (({"daf_included": "perhaps"},), "perhaps"),
        (({"source": None},), "source"),
    ],
)
def test_a_pack_that_is_wrong_is_refused(changes: tuple[dict[str, Any], ...], says: str) -> None:
    """Nothing is computed from a pack that contradicts itself or lacks a source."""
    with pytest.raises(FatalError, match=says):
        factors.parse(one_pack(*changes), "test")


def test_parts_that_are_rounded_separately_are_accepted() -> None:
    """42 + 138 is 180 where 179 is printed: a difference of 1 g/tkm is rounding."""
    change = {"wtt": "0.042", "ttw": "0.138", "wtw": "0.179"}
    assert factors.parse(one_pack(change), "test").factors[0].wtw == Decimal("0.179")
