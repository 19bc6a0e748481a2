"""The command `supplytwin carbon validate`, and the worked example of its documentation."""

import json
import re
from pathlib import Path

import carbon_document_world as w
from typer.testing import CliRunner

from supplytwin.processors import carbon_check
from supplytwin.schemas import strict
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
    rows = [line.split("|")[1] for line in DOC.read_text().splitlines() if line.startswith("| `")]
    known = {code for row in rows for code in re.findall(r"`([A-Z_0-9]+)`", row)}
    assert known - made <= {"SUM_TKM", "SUM_CO2E", "TOTAL_TKM", "TOTAL_CO2E"}
    assert made - known <= {"CO2E", "ISO14083", "AR5", "AR6", "JSON"}
