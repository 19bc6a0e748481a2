"""docs/carbon.md is run: its three examples give what it says, and what it names is there."""

import importlib.resources
import re
from pathlib import Path

import pytest
from carbon_world import at, calculate

from supplytwin.schemas import factors

TEXT = (Path(__file__).parents[2] / "docs" / "carbon.md").read_text()
EXAMPLES = re.findall(r"```json\n(.*?)```.*?```text\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["chain", "round", "fleet"])
def test_an_example_gives_what_the_page_says(example: tuple[str, str]) -> None:
    """Each line under an example is a path of the answer and what stands there."""
    asked, said = example
    code, answer = calculate(asked)
    assert code == (1 if answer["differences"] else 0)
    for line in said.splitlines():
        path, value = line.split(" = ", 1)
        found = at(answer, path)
        assert (str(found).lower() if isinstance(found, bool) else found) == value, path


def test_the_page_has_three_examples_and_every_pack() -> None:
    """No example is passed over, and no built-in pack is missing."""
    assert len(EXAMPLES) == 3
    for name in factors.BUILT_IN:
        assert f"| `{name}` |" in TEXT


def test_every_hole_is_documented() -> None:
    """Each code of something missing stands on the page."""
    folder = Path(__file__).parents[2] / "processors"
    code = "".join(path.read_text() for path in folder.glob("carbon_*.py"))
    for name in set(re.findall(r'lack\(\s*"([A-Z_]+)"', code)):
        assert f"`{name}`" in TEXT, name


def test_every_reason_to_stay_is_documented() -> None:
    """Each code with which an export is refused, or a category left out, stands on its page."""
    folder = Path(__file__).parents[2]
    page = (folder / "docs" / "carbon-exchange.md").read_text()
    processors = importlib.resources.files("supplytwin.processors")
    code = "".join(
        processors.joinpath(f"{name}.py").read_text()
        for name in ("carbon_export", "carbon_export_categories", "carbon_statement")
    )
    found = set(re.findall(r'code="([A-Z_]+)"|"([A-Z_]{5,}): ', code))
    names = {one or other for one, other in found}
    assert len(names) > 10
    for name in names:
        assert f"`{name}`" in page, name
