"""docs/contracts.md is run, and names every field, code, template and calendar there is."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from contract_world import NAMES
from typer.testing import CliRunner

from supplytwin.schemas import amounts, contract
from supplytwin.schemas.calendars import shipped
from supplytwin.schemas.contract import LATER, LATER_RULES
from supplytwin.schemas.contract_codes import ADVICE, FAULTS
from supplytwin.schemas.contract_templates import DETAILS
from supplytwin.streams import cli_contract, topics
from supplytwin.streams.broker_choice import Chosen
from supplytwin.streams.cli import app
from supplytwin.streams.memory import MemoryBroker
from supplytwin.streams.settings import Settings

TEXT = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text()
SECTIONS = {part.partition("\n")[0]: part.partition("\n")[2] for part in re.split(r"\n###? ", TEXT)}


def rows(section: str) -> list[str]:
    """Every code word of the first column of a section's tables."""
    lines = re.findall(r"^\| (`.*?) \|", SECTIONS[section], re.MULTILINE)
    return [word for line in lines for word in re.findall(r"`([\w/-]+)`", line)]


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the page gives the output below it: whole, a line of it, or its beginning
    (@); the last one sends a contract.
    """
    broker = MemoryBroker()
    topics.init(broker, Settings())
    chosen = Chosen(broker=broker, how="in memory", close=lambda: None)
    monkeypatch.setattr(cli_contract, "connect", lambda context: (Settings(), chosen))
    monkeypatch.chdir(tmp_path)
    ran = 0
    for block in re.findall(r"```console\n(.*?)```", TEXT, re.DOTALL):
        for part in block.split("$ supplytwin ")[1:]:
            command, _, expected = part.partition("\n")
            words, _, target = command.partition(" > ")
            done = CliRunner().invoke(app, shlex.split(words))
            assert done.exit_code == 0, (command, done.output, done.exception)
            if target:
                Path(target).write_text(done.output)
            for line in expected.splitlines():
                said = done.output.splitlines()
                start = line.removeprefix("@")
                assert any(one == line or one.startswith(start) for one in said), (line, said)
            ran += 1
    assert ran == 10
    assert json.loads(Path("terms.json").read_text())["tranches"][0]["window"]["grace"] == "P3D"


@pytest.mark.parametrize(
    ("section", "kinds"),
    [
        ("ContractTerms", [contract.ContractTerms]),
        ("Party, Address, Agent, Account", [contract.Party]),
        ("Attester, References, EvidenceTerms",
         [contract.Attester, contract.References, contract.EvidenceTerms]),
        ("Funding", [contract.Funding]),
        ("Tranche, Window, Claim", [contract.Tranche]),
        ("Disputes, Arbiter, CalendarTerms", [contract.Disputes, contract.CalendarTerms]),
    ],
)  # fmt: skip
def test_every_field_has_its_row(section: str, kinds: list[Any]) -> None:
    """The tables have every field of the terms, and none that there is not."""
    assert sorted(set(rows(section))) == sorted(
        {name for kind in kinds for name in kind.__struct_fields__}
    )


def test_inner_fields_are_named() -> None:
    """What stands inside of a field is named in its row; so is what is refused by name."""
    for kind, section in (
        (contract.Address, "Party, Address, Agent, Account"),
        (contract.Agent, "Party, Address, Agent, Account"),
        (contract.Account, "Party, Address, Agent, Account"),
        (contract.Window, "Tranche, Window, Claim"),
        (contract.Claim, "Tranche, Window, Claim"),
        (contract.Arbiter, "Disputes, Arbiter, CalendarTerms"),
        (amounts.Line, "ContractTerms"),
        (amounts.Tolerance, "ContractTerms"),
        *((kind, "Tranche, Window, Claim") for kind in (
            amounts.Fixed, amounts.OfTotal, amounts.PerUnit, amounts.Residual,
            amounts.Adjustments, amounts.Late, amounts.Band, amounts.Carbon,
        )),
    ):  # fmt: skip
        for name in kind.__struct_fields__:
            assert re.search(rf"\b{name}\b", SECTIONS[section]), (kind, name)
    for name in (*LATER, *LATER_RULES):
        assert f"`{name}`" in SECTIONS["ContractTerms"]
    for name in DETAILS:
        assert f"`{name}`" in SECTIONS["Templates"]


def test_every_code_has_its_row() -> None:
    """Each code of `contract check` is there once, and no other is."""
    said = rows("What the check says")
    assert len(said) == len(set(said))
    form = {
        "MALFORMED", "MISSING_FIELD", "FOREIGN_FIELD", "TWICE", "TYPE", "WORD", "PATTERN", "RANGE",
        "EMPTY", "EXCLUSIVE", "DECIMAL", "DECIMAL_NUMBER", "DECIMAL_COMMA", "DECIMAL_EXPONENT",
        "LATER", "MORE",
    }  # fmt: skip
    assert set(said) == {*form, *FAULTS, *ADVICE}


def test_templates_and_calendars_are_listed() -> None:
    """Each with its row; of a calendar its range."""
    assert rows("Templates") == list(NAMES)
    assert rows("The day of payment") == list(shipped())
    for one in shipped().values():
        assert f"| {one.first} | {one.last} |" in SECTIONS["The day of payment"]
