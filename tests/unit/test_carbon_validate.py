"""The command `supplytwin carbon validate`, and the worked example of its documentation."""

import json
import re
from pathlib import Path

import carbon_document_world as w
import msgspec
import pytest
from typer.testing import CliRunner

from supplytwin.processors import carbon_check
from supplytwin.processors.carbon_exchange import read
from supplytwin.schemas import pact, strict
from supplytwin.schemas.strict import written
from supplytwin.streams.cli import app

DOC = Path(__file__).resolve().parents[2] / "docs" / "carbon-exchange.md"


def run(*words: str, text: bytes | None = None) -> tuple[int, str]:
    """(exit code, standard output)."""
    done = CliRunner().invoke(app, ["carbon", "validate", *words], input=text)
    return done.exit_code, done.stdout


def test_exit_code_and_words() -> None:
    """0 without a finding, 1 with one, which is named with path, numbers and delta."""
    assert run(str(w.CARBON / "g20-two-elements.json"))[0] == 0
    code, said = run(str(w.CARBON / "n1-transposed.json"))
    assert code == 1
    assert "EMISSIONS $.data[0].extensions[0].data.tces[2].co2eWTW" in said
    assert "stated 1692.62, expected 1962.72 = 16920 tkm x 0.116 kg/tkm, delta -270.1" in said


def test_standard_input_json_and_profile() -> None:
    """One JSON object on standard output; the profile decides where the standards differ."""
    text = w.fixture("g20-two-elements.json")
    assert run("-", text=text)[0] == 0
    code, said = run("-", "--profile", "pact", "--json", text=text)
    (one,) = json.loads(said)["findings"]
    assert (code, one["code"], one["expected"], one["delta"]) == (1, "MASS", "0", "87")


def test_an_unknown_profile_is_a_slip_of_the_user() -> None:
    """It is refused before anything is read."""
    done = CliRunner().invoke(app, ["carbon", "validate", "-", "--profile", "gs1"], input=b"{}")
    assert done.exit_code != 0
    assert "no profile gs1" in str(done.exception)


def test_the_worked_example_says_what_it_says() -> None:
    """The file of docs/carbon-exchange.md gives the output that is printed below it."""
    file, said = re.findall(r"```(?:json|text)\n(.*?)```", DOC.read_text(), re.DOTALL)
    code, out = run("-", text=file.encode())
    assert (code, out) == (1, said)


def test_every_code_is_documented() -> None:
    """Each code of a finding has a line in docs/carbon-exchange.md, and no other is there."""
    schemas = Path(strict.__file__).parent
    names = ("check", "rules", "category_rules", "pact_rules", "values", "exchange")
    modules = [Path(carbon_check.__file__).with_name(f"carbon_{name}.py") for name in names]
    modules += [schemas / name for name in ("strict.py", "decimal_text.py")]
    text = "".join(path.read_text() for path in modules)
    made = set(re.findall(r'"([A-Z]{2,}(?:_[A-Z0-9]+)*)"', text)) - {"HOC", "TOC", "TAD", "TEU"}
    checker = DOC.read_text().split("## The checker")[1]
    rows = [line.split("|")[1] for line in checker.splitlines() if line.startswith("| `")]
    known = {code for row in rows for code in re.findall(r"`([A-Z_0-9]+)`", row)}
    assert known - made <= {"SUM_TKM", "SUM_CO2E", "TOTAL_TKM", "TOTAL_CO2E"}
    assert made - known <= {"CO2E", "ISO14083", "AR5", "AR6", "JSON"}


FAULTS: dict[str, tuple[str, str]] = {
    "a comma": ('"mass": "1,5"', "DECIMAL_COMMA"),
    "an exponent": ('"mass": "1e3"', "DECIMAL_EXPONENT"),
    "no number": ('"mass": true', "TYPE"),
    "no digits": ('"mass": ".5"', "DECIMAL"),
    "no mass": ('"mass": "-1"', "RANGE"),
    "a word of nobody": ('"mass": "1", "mode": "Donkey"', "WORD"),
    "a stranger": ('"mass": "1", "colour": "red"', "FOREIGN_FIELD"),
    "two of a name": ('"mass": "1", "mass": "2"', "TWICE"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_all_commands_call_a_fault_alike(name: str) -> None:
    """One list of codes: a request of the calculator and a supplier's file get the same ones."""
    text, code = FAULTS[name]
    tce = text.replace("mass", "mass_kg")
    asked = f'{{"calculation": "1", "chain_id": "c", "tces": [{{"tce_id": "a", {tce}}}]}}'
    refused = CliRunner().invoke(app, ["carbon", "calculate", "-", "--json"], input=asked)
    shipped = f'{{"shipmentId": "s", "tces": [], "tocId": "t", {text}}}'
    if name == "a word of nobody":
        shipped = f'{{"tocId": "t", {text}}}'
    _, checked = run("-", "--json", text=shipped.encode())
    for said in (refused.stdout, checked):
        assert code in {one["code"] for one in json.loads(said)["findings"]}


def test_every_cycle_is_a_finding() -> None:
    """Two knots of elements are two findings, each at its first element."""
    value = json.loads(w.fixture("n1-transposed.json"))
    first, hub, last = value["data"][0]["extensions"][0]["data"]["tces"]
    first["prevTceIds"], last["prevTceIds"] = [hub["tceId"]], [last["tceId"]]
    hub["prevTceIds"] = [first["tceId"]]
    found = [one.path for one in carbon_check.check(w.raw(value)).findings if one.code == "CYCLE"]
    assert [path.rsplit(".", 2)[1] for path in found] == ["tces[0]", "tces[2]"]


def test_numbers_of_a_foreign_object_stay_numbers() -> None:
    """What another standard says in an extension goes out as it came in: 3 is no text."""
    value = json.loads(w.fixture("g20-two-elements.json"))
    value["extensions"].append({
        "specVersion": "1.0.0", "dataSchema": "https://example.com/other.json",
        "data": {"whole": 3, "deep": [{"minus": -4, "part": 0.125, "text": "0.10"}]},
    })  # fmt: skip
    (document,) = read(w.raw(value)).documents
    assert isinstance(document.value, pact.ProductFootprint2)
    assert (
        json.loads(msgspec.json.encode(written(document.value)))["extensions"][1]
        == (value["extensions"][1])
    )
