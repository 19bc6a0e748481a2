"""The story of the README is what the program says."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from supplytwin.streams.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
STORY = ROOT / "docs" / "story"


def ran(*words: str) -> str:
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0, found.output
    return found.output


@pytest.mark.parametrize("case", ["cleared", "seized"])
def test_the_story_is_told_by_the_program(case: str, tmp_path: Path) -> None:
    """Every line of it is printed by the commands above it, in that order."""
    block = re.search(rf"```text {case}\n(.*?)\n```", README, re.DOTALL)
    assert block is not None
    terms = str(tmp_path / "terms.json")
    ran("contract", "new", "electronics-dap", str(STORY / "parameters.json"), "--out", terms)
    ran("contract", "check", terms)
    printed = iter(ran("settlement", "simulate", terms, str(STORY / f"{case}.jsonl")).splitlines())
    for line in block[1].splitlines():
        assert line in printed, line


def test_the_seizure_is_all_that_is_different() -> None:
    """One line more, and everything else the same."""
    cleared, seized = (
        (STORY / f"{case}.jsonl").read_text().splitlines() for case in ("cleared", "seized")
    )
    (more,) = [one for one in seized if one not in cleared]
    assert "customs.hold_placed" in more
    assert [one for one in seized if one in cleared] == cleared
