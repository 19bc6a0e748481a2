"""Published calculations, computed through `supplytwin carbon calculate`: tests/data/carbon."""

import importlib.resources
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from carbon_world import at, calculate, number

SCHEMAS = importlib.resources.files("supplytwin.schemas")
GOLDEN = Path(__file__).parents[1] / "data" / "carbon" / "golden.json"
CASES = json.loads(GOLDEN.read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_published_calculation_is_reproduced_or_caught(case: dict[str, Any]) -> None:
    """Every number of the publication within what its rounding needs; every trap as it is."""
    code, answer = calculate(case["request"], *case.get("pack", ()))
    assert code == case.get("exit", 0), answer
    for path, published in case["expect"].items():
        tolerance = Decimal(case.get("tolerances", {}).get(path, case["tolerance"]))
        assert abs(number(answer, path) - Decimal(published)) <= tolerance, (
            path, published, at(answer, path),
        )  # fmt: skip
    if "sum_is_one" in case:
        before, after = case["sum_is_one"].split(".*.")
        assert sum(Decimal(one[after]) for one in at(answer, before)) == 1
    found = {one["path"]: one["code"] for one in answer.get("findings", ())}
    assert found == case.get("findings", {})
    assert sorted({one["code"] for one in answer.get("missing", ())}) == case.get("missing", [])
    for name, said in case.get("trace", {}).items():
        assert any(said in line for line in at(answer, f"tces.{name}.trace"))


def test_published_calculations_fit_the_schema() -> None:
    """Every request that is not refused is valid against the JSON Schema that ships."""
    schema = json.loads((SCHEMAS / "calculation_request.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for case in CASES:
        if not case.get("findings"):
            assert not list(validator.iter_errors(case["request"])), case["id"]
    comma = next(case for case in CASES if case["id"] == "N2-decimal-comma")
    assert list(validator.iter_errors(comma["request"]))


def test_every_case_says_where_it_was_published() -> None:
    """Each case has a source; the golden numbers and traps that the issue names are all there."""
    assert all(case["source"] and case["what"] for case in CASES)
    names = {case["id"].split("-")[0] for case in CASES}
    golden = {f"G{n}" for n in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 13, 14, 17, 18, 20)}
    assert names == golden | {"N2", "N4", "N5", "N6", "N7"}
