"""Packs of factors: the built-in ones say what their sources say; of a wrong one all is told."""

import importlib.resources
import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from carbon_world import run

from supplytwin.schemas import factors
from supplytwin.schemas.calculation import Request
from supplytwin.schemas.factor_form import Pack
from supplytwin.schemas.strict_schema import json_schema

SCHEMAS = importlib.resources.files("supplytwin.schemas")
PACKS = {name: factors.load(file) for name, file in factors.BUILT_IN.items()}
# Written out by hand from the sources: desnz by row of the workbook, EPA and grids as printed.
PUBLISHED = {
    "desnz-2025/road-van-class-i-up-to-1-305-tonnes-diesel": ("0.20817", "0.87423", "1.0824"),
    "desnz-2025/wtt-diesel-average-biofuel-blend-l": ("0.61101", None, None),
    "desnz-2025/wtt-marine-gas-oil-l": ("0.62665", None, None),
    "desnz-2025/wtt-aviation-turbine-fuel-l": ("0.52817", None, None),
    "desnz-2025/wtt-butane-kg": ("0.34430947", None, None),
    "desnz-2025/electricity-uk-wtt-generation": ("0.0459", None, None),
    "desnz-2025/electricity-uk-losses": ("0.01853", None, None),
    "desnz-2025/electricity-uk-wtt-losses": ("0.00397", None, None),
    "epa-hub-2025/hfc-134a": ("0", "1300", "1300"),
    "epa-hub-2025/r-404a": ("0", "3943", "3943"),
    "grids-2023/grid-chn": (None, None, "0.5823"),
    "grids-2023/grid-deu": (None, None, "0.381"),
    "grids-2023/grid-fra": (None, None, "0.056"),
    "grids-2023/grid-pol": (None, None, "0.6619"),
    "grids-china-2023/grid-cn-bj": ("0.5554", None, None),
    "grids-china-2023/grid-cn-yn": ("0.1333", None, None),
}
ROUNDED = {
    # grams per tkm or kWh, as reference texts quote them after conversion
    "epa-hub-2025/road-truck": "128.4",
    "epa-hub-2025/rail": "14.5",
    "epa-hub-2025/waterborne": "53.7",
    "epa-hub-2025/air": "749.9",
    "epa-hub-2025/egrid-us-average": "351.6",
}


def named(ref: str) -> factors.Factor:
    """The factor of a name PACK/ID."""
    pack, name = ref.split("/", 1)
    return next(one for one in PACKS[pack].factors if one.id == name)


@pytest.mark.parametrize("ref", PUBLISHED)
def test_numbers_are_those_of_the_source(ref: str) -> None:
    """WTT, TTW and WTW as published; what is not published is not there."""
    factor = named(ref)
    expected = tuple(None if one is None else Decimal(one) for one in PUBLISHED[ref])
    rounding = Decimal("0.00005") if ref.startswith("grids-2023") else Decimal(0)
    for found, published in zip((factor.wtt, factor.ttw, factor.wtw), expected, strict=True):
        assert (found is None) == (published is None)
        assert found is None or published is None or abs(found - published) <= rounding


@pytest.mark.parametrize("ref", ROUNDED)
def test_converted_numbers_are_right(ref: str) -> None:
    """Short ton-miles and pounds per MWh are converted; the note of each says how."""
    factor = named(ref)
    value = factor.ttw if factor.ttw is not None else factor.wtt
    assert value is not None
    assert round(value * 1000, 1) == Decimal(ROUNDED[ref])
    assert factor.note is not None and "Published" in factor.note


def test_a_short_ton_mile_is_converted_exactly() -> None:
    """0.1874758 kg CO2e over 0.90718474 t x 1.609344 km, to 12 digits."""
    exact = Decimal("0.1874758") / (Decimal("0.90718474") * Decimal("1.609344"))
    found = named("epa-hub-2025/road-truck").ttw
    assert found is not None and abs(found - exact) < Decimal("1e-12")


def test_every_factor_has_source_page_and_licence() -> None:
    """Nobody can ask where a built-in number is from and get no answer."""
    counted = {name: len(pack.factors) for name, pack in PACKS.items()}
    assert counted == {
        "desnz-2025": 242, "epa-hub-2025": 75, "grids-2023": 212, "grids-china-2023": 30,
    }  # fmt: skip
    for pack in PACKS.values():
        assert pack.publisher and pack.licence and pack.origin
        for factor in pack.factors:
            for text in (factor.source, factor.page, factor.licence, factor.gwp, factor.region):
                assert text.strip(), factor.id


def test_all_freight_rows_of_desnz_have_both_parts() -> None:
    """127 rows per tonne-kilometre of all modes, each with TTW, WTT, and their sum."""
    rows = [one for one in PACKS["desnz-2025"].factors if one.unit == "kg/tkm"]
    assert len(rows) == 127
    assert {one.mode for one in rows} == {"ROAD", "RAIL", "AIR", "SEA"}
    for one in rows:
        assert one.wtt is not None
        assert one.ttw is not None
        assert one.wtt + one.ttw == one.wtw


def test_no_glec_number_is_in_the_repository_as_a_pack() -> None:
    """GLEC is a template: every number of it is null, and filling them in makes it a pack."""
    template = json.loads((SCHEMAS / "factor_pack_template.json").read_text())
    for one in template["factors"]:
        assert (one["wtt"], one["ttw"], one["wtw"]) == (None, None, None)
    found = factors.check(json.dumps(template).encode()).findings
    assert {one.code for one in found} == {"NO_NUMBER"}
    assert len(found) == len(template["factors"])
    for one in template["factors"]:
        one["wtw"] = "1"
    assert factors.check(json.dumps(template).encode()).findings == ()


def test_schemas_ship_as_they_are() -> None:
    """The JSON Schemas of packs and requests say what the code reads: write them anew by
    `strict_schema.json_schema` when this fails.
    """
    for file, kind, title, address in (
        ("factor_pack", Pack, "supplytwin factor pack", "urn:supplytwin:factor-pack:1"),
        ("calculation_request", Request, "supplytwin carbon calculation",
         "urn:supplytwin:carbon-calculation:1"),
    ):  # fmt: skip
        shipped = json.loads((SCHEMAS / f"{file}.schema.json").read_text())
        assert shipped == json.loads(json.dumps(json_schema(kind, title, address)))


def test_built_in_packs_are_valid_against_the_schema() -> None:
    """A general validator accepts every built-in pack, and refuses a unit that is none."""
    schema = json.loads((SCHEMAS / "factor_pack.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for file in factors.BUILT_IN.values():
        assert not list(validator.iter_errors(json.loads((SCHEMAS / file).read_text())))
    assert list(validator.iter_errors(pack(factor(unit="g/tkm"))))


def factor(**changes: Any) -> dict[str, Any]:
    """A right factor, changed; None leaves a field out."""
    made = {
        "id": "a", "what": "a lorry", "kind": "TRANSPORT", "mode": "ROAD", "unit": "kg/tkm",
        "wtt": "0.022", "ttw": "0.073", "wtw": "0.095", "gwp": "AR6", "region": "EU",
        "year": 2024, "source": "a book", "page": "p. 1", "licence": "free",
        "distance_basis": "SFD", "daf_included": "no",
    }  # fmt: skip
    return {name: one for name, one in {**made, **changes}.items() if one is not None}


def pack(*many: dict[str, Any]) -> dict[str, Any]:
    """A pack of these factors."""
    made = {"pack": "test", "version": "1", "title": "t", "publisher": "p", "licence": "l"}
    return {**made, "origin": "o", "factors": list(many)}


def findings(*many: dict[str, Any]) -> dict[str, str]:
    """Code of each finding by its path, of `carbon pack check`."""
    code, said = run("pack", "check", "-", "--json", text=json.dumps(pack(*many)))
    answer = json.loads(said)
    assert code == bool(answer["findings"])
    return {one["path"].removeprefix("$.factors"): one["code"] for one in answer["findings"]}


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"wtt": "22", "ttw": "73", "wtw": "95"}, "[0].wtw", "OUT_OF_RANGE"),
        ({"wtt": None, "ttw": None, "wtw": "6.001"}, "[0].wtw", "OUT_OF_RANGE"),
        ({"wtt": None, "ttw": None, "wtw": "0.0009"}, "[0].wtw", "OUT_OF_RANGE"),
        ({"wtt": "0", "ttw": "0", "wtw": "0"}, "[0].wtw", "OUT_OF_RANGE"),
        ({"wtw": "0.097"}, "[0].wtw", "PARTS_DIFFER"),
        ({"wtt": "0.0009", "ttw": "0.0054", "wtw": "0.0068"}, "[0].wtw", "PARTS_DIFFER"),
        ({"wtt": None, "ttw": None, "wtw": None}, "[0]", "NO_NUMBER"),
        ({"wtw": "-0.095"}, "[0].wtw", "RANGE"),
        ({"wtw": "0,095"}, "[0].wtw", "DECIMAL_COMMA"),
        ({"source": None}, "[0].source", "MISSING_FIELD"),
        ({"page": None}, "[0].page", "MISSING_FIELD"),
        ({"licence": " "}, "[0].licence", "EMPTY"),
        ({"mode": None}, "[0].mode", "MISSING_FIELD"),
        ({"distance_basis": None}, "[0].distance_basis", "MISSING_FIELD"),
        ({"daf_included": None}, "[0].daf_included", "MISSING_FIELD"),
        ({"daf_included": "maybe"}, "[0].daf_included", "WORD"),
        ({"unit": "g/tkm"}, "[0].unit", "WORD"),
        ({"unit": "kg/l"}, "[0].unit", "WRONG_UNIT"),
        ({"year": 24}, "[0].year", "BAD_VALUE"),
        ({"year": "2024"}, "[0].year", "TYPE"),
        ({"default_for": "SEA"}, "[0].default_for", "BAD_VALUE"),
        ({"haul": "long"}, "[0].haul", "BAD_VALUE"),
        ({"valid_from": "2024-13-01"}, "[0].valid_from", "PATTERN"),
        ({"valid_from": "2025-01-01", "valid_to": "2024-01-01"}, "[0].valid_to", "BAD_VALUE"),
        ({"colour": "red"}, "[0].colour", "FOREIGN_FIELD"),
    ],
)  # fmt: skip
def test_an_implausible_factor_is_found(changes: dict[str, Any], path: str, code: str) -> None:
    """Grams for kilograms, parts that do not add up, what is missing: by path, exit 1."""
    assert findings(factor(**changes)) == {path: code}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"wtw": "0.096"},
        {"wtt": "0.042", "ttw": "0.138", "wtw": "0.179"},
        {"wtt": None, "ttw": None, "wtw": "6"},
        {"wtt": None, "ttw": None, "wtw": "0.001"},
        {"wtt": None, "ttw": None, "wtw": 0.095},
        {"kind": "ENERGY", "unit": "kg/kg", "carrier": "diesel", "wtt": "0.96", "ttw": "3.17",
         "wtw": "4.13"},
    ],
)  # fmt: skip
def test_what_separate_rounding_explains_is_no_finding(changes: dict[str, Any]) -> None:
    """42 + 138 is 180 where 179 is printed; the bounds themselves are within."""
    assert findings(factor(**changes)) == {}


def test_all_findings_are_told_at_once() -> None:
    """A pack with many faults says them all, each with its path, not only the first."""
    found = findings(
        factor(page=None, wtt="22", ttw="73", wtw="95"),
        factor(licence=None, default_for="ROAD", extra=1),
        factor(id="b", wtw="0.1", default_for="ROAD"),
        factor(id="c", kind="GRID", unit="kg/kWh", mode=None, carrier="electricity"),
    )
    assert found == {
        "[0].page": "MISSING_FIELD",
        "[0].wtw": "OUT_OF_RANGE",
        "[1].extra": "FOREIGN_FIELD",
        "[1].id": "TWO_IDS",
        "[1].licence": "MISSING_FIELD",
        "[2].default_for": "TWO_DEFAULTS",
        "[2].wtw": "PARTS_DIFFER",
        "[3].ttw": "TTW_NOT_ZERO",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not JSON"), ("[]", "write an object"), ("{", "is not JSON"),
        ('{"pack": "a", "pack": "b"}', "twice"), ("[" * 100_000, "nested too deeply"),
        ('{"pack": NaN}', "write a text"), ("\ud800", "is not"),
    ],
)  # fmt: skip
def test_what_is_no_pack_says_why(text: str, says: str) -> None:
    """No text makes the command raise."""
    found = factors.check(text.encode("utf-8", "surrogatepass")).findings
    assert any(says in one.line for one in found)


def test_lists_name_packs_and_factors() -> None:
    """`carbon pack list` names the built-in packs, and with a name its factors."""
    code, said = run("pack", "list", "--json")
    assert code == 0
    assert {one["name"] for one in json.loads(said)["packs"]} == set(factors.BUILT_IN)
    code, said = run("pack", "list", "desnz-2025", "--json")
    listed = {one["id"]: one for one in json.loads(said)["factors"]}
    assert (code, listed["rail-freight-train"]["wtw"]) == (0, "0.0347")
    code, said = run("pack", "list", "grids-china-2023")
    assert code == 0 and "grid-cn-bj" in said
    code, said = run("pack", "list")
    assert code == 0 and "epa-hub" in said
