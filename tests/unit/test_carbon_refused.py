"""What `supplytwin carbon calculate` refuses: all at once, each with its path and a way out."""

import importlib.resources
import json
from pathlib import Path
from typing import Any

import pytest
from carbon_world import Json, calculate, done, factor, leg, refused, request, run
from typer.testing import CliRunner

from supplytwin.processors.carbon_graph import ordered
from supplytwin.processors.carbon_request import check
from supplytwin.schemas.calculation import Request
from supplytwin.schemas.errors import UsageError
from supplytwin.schemas.strict import read
from supplytwin.streams.cli import app


@pytest.mark.parametrize(
    ("value", "wrong", "says"),
    [
        ('"1,5"', "DECIMAL_COMMA", "write 1.5"), ('"-1"', "RANGE", "negative"),
        ("-1", "RANGE", "negative"), ("NaN", "DECIMAL", "finite"),
        ("Infinity", "DECIMAL", "finite"), ("-Infinity", "DECIMAL", "finite"),
        ('"nan"', "DECIMAL", "finite"), ("1e3", "DECIMAL_EXPONENT", "1e3"),
        ('"1E3"', "DECIMAL_EXPONENT", "exponent"), ('"1 000"', "DECIMAL", "plain digits"),
        ('"1,000.5"', "DECIMAL", "plain digits"), ('"+1"', "DECIMAL", "write 1"),
        ('""', "DECIMAL", "plain digits"), ('".5"', "DECIMAL", "plain digits"),
        ('"5."', "DECIMAL", "plain digits"), ('"٣"', "DECIMAL", "plain digits"),
        ("true", "TYPE", "write a number"), ("[1]", "TYPE", "write a number"),
        ("{}", "TYPE", "write a number"), ('"0"', "RANGE", "more than 0"),
        ('"1000000000000001"', "RANGE", "at most 1000000000000000"),
        ('"1.' + "1" * 40 + '"', "RANGE", "34 digits"), ("null", None, ""),
        ('"5.50"', None, ""), ("5.5", None, ""),
    ],
)  # fmt: skip
def test_a_number_is_plain_digits(value: str, wrong: str | None, says: str) -> None:
    """No float, comma, exponent, sign or foreign digit is guessed at; each says what to write."""
    text = json.dumps(request(leg(factor=factor(), mass="MASS"))).replace('"MASS"', value)
    if wrong is None:
        code, answer = calculate(text)
        assert code == (1 if value == "null" else 0)
        assert not answer.get("refused")
        return
    assert refused(text) == {"$.tces[0].mass_kg": wrong}
    assert says in " ".join(calculate(text)[1]["findings"][0].values())


def test_json_numbers_are_read_from_their_text() -> None:
    """0.1 x 3 is 0.3: no binary float comes between."""
    text = json.dumps(request(leg(factor=factor()))).replace('"0.1"', "0.1")
    assert done(text)["co2e"]["co2e_wtw_kg"] == "10"


SCHEMAS = importlib.resources.files("supplytwin.schemas")
TOC = {"toc_id": "T", "mode": "ROAD", "distance_basis": "SFD"}
ROUND = {"round_id": "R", "mode": "ROAD", "distance_basis": "SFD",
         "stops": [{"stop_id": "1", "mass_kg": "1", "distance_km": "1"}]}  # fmt: skip
BOX = {"size": "20", "count": 1}


def model(**more: Any) -> Json:
    """A modelled vehicle in kg per km."""
    made = {"load_factor": "0.5", "empty_distance_factor": "0", "capacity_kg": "20000",
            "empty_kg_per_km": {"wtw": "0.5"}, "full_kg_per_km": {"wtw": "1"},
            "distance_basis": "SFD"}  # fmt: skip
    return {**made, **more}


def refill(**more: Any) -> Json:
    """A refrigerant of which the amount is to be said."""
    return {"refrigerant": "R", "factor": {"unit": "kg/kg", "ttw": "1", "source": "t"}, **more}


@pytest.mark.parametrize(
    ("asked", "path", "code"),
    [
        (request(leg(toc_id="a", hoc_id="b")), "$.tces[0]", "TOC_AND_HOC"),
        (request({"tce_id": "1", "mass_kg": "1"}), "$.tces[0]", "NO_TOC_NO_HOC"),
        (request(leg(hub_type="Warehouse")), "$.tces[0]", "TOC_AND_HOC"),
        (request(leg(factor=factor("1", "kg/t"))), "$.tces[0]", "TOC_AND_HOC"),
        (request(leg(prev_tce_ids=["1"])), "$.tces[0].prev_tce_ids", "CYCLE"),
        (request(leg(prev_tce_ids=["x"])), "$.tces[0].prev_tce_ids[0]", "UNKNOWN_TCE"),
        (request(leg(), leg()), "$.tces[1].tce_id", "TWO_IDS"),
        (request(tocs=[TOC, TOC]), "$.tocs[1].toc_id", "TWO_IDS"),
        (request(), "$", "EMPTY"),
        (request(leg(distance_basis=None)), "$.tces[0].distance_basis", "MISSING_FIELD"),
        (request(leg(mode=None, factor=factor())), "$.tces[0].mode", "MISSING_FIELD"),
        (request(leg(legs_km=["1"])), "$.tces[0].legs_km", "BAD_VALUE"),
        (request(leg(teu="1", containers=[BOX])), "$.tces[0].teu", "BAD_VALUE"),
        (request(leg(zone="cool")), "$.tces[0].zone", "BAD_VALUE"),
        (request(leg(toc_id="rail-freight-train", mode="RAIL", zone="cool")),
         "$.tces[0].zone", "UNKNOWN_ZONE"),
        (request(leg(mode="RAIL", uplifts=["TEMPERATURE_VAN"])), "$.tces[0].uplifts",
         "BAD_VALUE"),
        (request({"tce_id": "1", "hub_type": "W", "mass_kg": "1", "distance_km": "5"}),
         "$.tces[0].distance_km", "HUB_WITH_DISTANCE"),
        (request({"tce_id": "1", "hub_type": "W", "daf": {"value": "1", "why": "w"}}),
         "$.tces[0].daf", "BAD_VALUE"),
        (request({"tce_id": "1", "hub_type": "W", "energy": [
            {"carrier": "d", "quantity": "1", "unit": "l", "allocation": {"total_tkm": "1"}}]}),
         "$.tces[0].energy[0].allocation.total_tkm", "BAD_VALUE"),
        (request(leg(factor=factor("0.1", "kg/l"))), "$.tces[0].factor.unit", "WRONG_UNIT"),
        (request(leg(factor=factor("95"))), "$.tces[0].factor.wtw", "OUT_OF_RANGE"),
        (request(leg(factor=factor("0.1", wtt="0.01", ttw="0.05"))), "$.tces[0].factor.wtw",
         "PARTS_DIFFER"),
        (request(leg(factor=factor(wtw=None))), "$.tces[0].factor", "NO_NUMBER"),
        (request(leg(factor=factor(distance_basis=None))), "$.tces[0].factor.distance_basis",
         "MISSING_FIELD"),
        (request(leg(factor=factor(distance_basis="ACTUAL"))), "$.tces[0].factor.daf_included",
         "MISSING_FIELD"),
        (request(leg(), factors=[factor()]), "$.factors[0].id", "MISSING_FIELD"),
        (request(leg(factor=factor(id="a")), factors=[factor("0.2", id="a")]),
         "$.tces[0].factor.id", "TWO_IDS"),
        (request(leg(round_id="R", stop_id="1"), rounds=[ROUND]), "$.tces[0]", "BAD_VALUE"),
        (request({"tce_id": "1", "round_id": "R", "stop_id": "1"}), "$.tces[0].stop_id",
         "UNKNOWN_STOP"),
        (request(rounds=[{"round_id": "R", "mode": "ROAD", "distance_basis": "SFD",
                          "stops": []}]), "$.rounds[0].stops", "EMPTY"),
        (request(leg(mode="RAIL", toc_id="T"), tocs=[TOC]), "$.tces[0].mode", "BAD_VALUE"),
        (request(tocs=[{**TOC, "activities": [{}]}]), "$.tocs[0].activities[0]", "BAD_VALUE"),
        (request(tocs=[{**TOC, "activities": [{"tkm": "1", "count": "2"}]}]),
         "$.tocs[0].activities[0]", "BAD_VALUE"),
        (request(tocs=[{**TOC, "activities": [{"distance_km": "1", "capacity_kg": "2"}]}]),
         "$.tocs[0].activities[0]", "BAD_VALUE"),
        (request(tocs=[{**TOC, "activities": [
            {"distance_km": "1", "mass_kg": "2", "seats": "9"}]}]),
         "$.tocs[0].activities[0]", "BAD_VALUE"),
        (request(tocs=[{**TOC, "activities": [{"tkm": "1", "zone": "passengers"}]}]),
         "$.tocs[0]", "BAD_VALUE"),
        (request(tocs=[{**TOC, "activities": [{"tkm": "1", "zone": "a"}, {"tkm": "1"}]}]),
         "$.tocs[0]", "BAD_VALUE"),
        (request(tocs=[{**TOC, "energy": [
            {"carrier": "B5", "quantity": "1", "unit": "kg",
             "blend": [{"share": "1", "factor": factor("3", "kg/l")}]}]}]),
         "$.tocs[0].energy[0]", "BAD_VALUE"),
        (request(tocs=[{**TOC, "energy": [
            {"carrier": "B5", "quantity": "1", "unit": "l",
             "blend": [{"share": "0.9", "factor": factor("3", "kg/l")}]}]}]),
         "$.tocs[0].energy[0].blend", "SHARES"),
        (request(leg(factor=factor(), refrigerants=[refill()])), "$.tces[0].refrigerants[0]",
         "BAD_VALUE"),
        (request(leg(factor=factor(), refrigerants=[refill(quantity_kg="1", loss_rate="0.1")])),
         "$.tces[0].refrigerants[0]", "BAD_VALUE"),
        (request(leg(model=model(capacity_kg=None))), "$.tces[0].model", "BAD_VALUE"),
        (request(leg(model=model(full_kg_per_km=None))), "$.tces[0].model", "BAD_VALUE"),
        (request(leg(model=model(empty_distance_factor="1"))),
         "$.tces[0].model.empty_distance_factor", "RANGE"),
        (request(leg(model=model(load_factor="1.1"))), "$.tces[0].model.load_factor",
         "RANGE"),
        (request(leg(), kpi={"packs": []}), "$.kpi", "BAD_VALUE"),
        (request(leg(), period={"first": "2025-02-30", "last": "2025-12-31"}),
         "$.period.first", "PATTERN"),
        (request(leg(), period={"first": "2025-02-01", "last": "2025-01-31"}),
         "$.period.last", "BAD_VALUE"),
        (request(leg(mode="Road")), "$.tces[0].mode", "WORD"),
        (request(leg(weight="1")), "$.tces[0].weight", "FOREIGN_FIELD"),
        (request(leg(factor=factor("0.1", "g/tkm"))), "$.tces[0].factor.unit", "WORD"),
        (request(leg(name="")), "$.tces[0].tce_id", "EMPTY"),
        (request(leg(name="a\x1b[2J")), "$.tces[0].tce_id", "PATTERN"),
        ({**request(leg()), "calculation": "2"}, "$.calculation", "WORD"),
        ({**request(leg()), "chain_id": 7}, "$.chain_id", "TYPE"),
        ({**request(leg()), "tces": {}}, "$.tces", "TYPE"),
        ({**request(leg()), "tces": [1]}, "$.tces[0]", "TYPE"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_with_its_path(asked: Json, path: str, code: str) -> None:
    """Nothing is computed from a request that says two things, or what the method has no room
    for.
    """
    assert refused(asked) == {path: code}


def test_all_findings_are_told_at_once() -> None:
    """Faults of form, of the graph, of units and of the method stand in one answer."""
    asked = request(
        leg("1", mass="1,5", factor=factor()),
        leg("2", factor=factor("62")),
        leg("3", colour="red", factor=factor()),
        leg("4", toc_id="a", hoc_id="b"),
        {"tce_id": "5", "hub_type": "W", "distance_km": "-3"},
        leg("6", prev_tce_ids=["7"]),
        leg("7", prev_tce_ids=["6"]),
        period={"first": "soon", "last": "2025-12-31"},
    )
    assert refused(asked) == {
        "$.period.first": "PATTERN",
        "$.tces[0].mass_kg": "DECIMAL_COMMA",
        "$.tces[1].factor.wtw": "OUT_OF_RANGE",
        "$.tces[2].colour": "FOREIGN_FIELD",
        "$.tces[3]": "TOC_AND_HOC",
        "$.tces[4].distance_km": "RANGE",
        "$.tces[5].prev_tce_ids": "CYCLE",
    }


def test_a_cycle_names_its_way_once() -> None:
    """Two cycles are two findings; what lies behind a cycle is not one itself."""
    before = {"a": ["c"], "b": ["a"], "c": ["b"], "d": ["c"], "x": ["y", "d"], "y": ["x"]}
    asked = request(*(leg(name, prev_tce_ids=prev) for name, prev in before.items()))
    assert refused(asked) == {"$.tces[0].prev_tce_ids": "CYCLE", "$.tces[4].prev_tce_ids": "CYCLE"}
    says = [one["says"] for one in calculate(asked)[1]["findings"]]
    assert "a after c after b after a" in says[0] and "x after y after x" in says[1]


def test_a_long_chain_is_no_deep_recursion() -> None:
    """Ten thousand elements in a row are computed in order."""
    many = [leg(str(n), prev_tce_ids=[str(n - 1)] if n else []) for n in range(10_000)]
    found = read(json.dumps(request(*many)).encode(), Request)
    assert found.value is not None and not found.findings
    assert check(found.value) == []
    order, stuck = ordered({one.tce_id: one.prev_tce_ids for one in found.value.tces})
    assert (order, stuck) == (list(range(10_000)), set())


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"tces": [', '"' * 3, "[" * 9999])
def test_what_is_no_request_is_refused(text: str) -> None:
    """Any text ends with findings and exit 1, never with a trace."""
    code, answer = calculate(text)
    assert code == 1 and answer["refused"] and answer["findings"]


def test_a_wrong_pack_refuses_with_its_name(tmp_path: Path) -> None:
    """Findings of a pack stand beside those of the request."""
    file = tmp_path / "bad.json"
    file.write_text("{}")
    found = refused(request(leg(mass="x")), str(file))
    assert found["$.tces[0].mass_kg"] == "DECIMAL"
    assert any(path.startswith(f"{file}: $.") for path in found)


def test_a_pack_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    """Answers name packs: two of one name would be taken for each other; the same one twice is
    one.
    """
    pack = json.loads((SCHEMAS / "factors_grids_china2023.json").read_text())
    file = tmp_path / "china.json"
    file.write_text(json.dumps(pack))
    assert done(request(leg(factor=factor())), "grids-china-2023", str(file))["complete"]
    pack["factors"] = pack["factors"][:1]
    file.write_text(json.dumps(pack))
    assert set(refused(request(leg(factor=factor())), str(file)).values()) == {"TWO_IDS"}


def test_many_findings_are_cut() -> None:
    """A thousand are told, and how many more there are; odd names are escaped."""
    many = {f"x{n}": 1 for n in range(2000)} | {"\ud800\x1b": 1}
    code, answer = calculate(request(leg(), **many))
    assert (code, len(answer["findings"])) == (1, 1001)
    assert "1001 more" in answer["findings"][-1]["says"]
    twice = refused('{"\\ud800": 1, "\\ud800": 2}')
    assert twice['$["\\ud800"]'] in {"TWICE", "FOREIGN_FIELD"}
    (path,) = refused(request(leg(), **{"\ud800\x1b": 1}))
    assert path == '$["\\ud800\\u001b"]'


def test_a_number_of_any_size_can_be_shown(tmp_path: Path) -> None:
    """The table rounds for people, whatever comes out."""
    file = tmp_path / "large.json"
    large = leg(mass="999999999999999", km="999999999999999", factor=factor("6"))
    file.write_text(json.dumps(request(large)))
    code, said = run("calculate", str(file))
    assert code == 0 and "999999999999998000000000000.001 tkm" in said


def test_no_such_pack_or_file_is_exit_2() -> None:
    """What is not there cannot be asked: one line that names the built-in packs."""
    result = CliRunner().invoke(app, ["carbon", "calculate", "-", "--pack", "none"], input="{}")
    assert isinstance(result.exception, UsageError)
    assert "desnz-2025" in str(result.exception)
    result = CliRunner().invoke(app, ["carbon", "calculate", "no-such-file.json"])
    assert isinstance(result.exception, FileNotFoundError)
