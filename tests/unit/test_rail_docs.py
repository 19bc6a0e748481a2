"""docs/rails.md says what the code has: settings, statuses, points of a crash, names."""

import re
import tomllib
from pathlib import Path

import msgspec
from bank_rail_world import instruction

from supplytwin import sinks
from supplytwin.sinks.bank_rail import NO_HOLD
from supplytwin.sinks.bank_rail_terms import Funding, ListedParties
from supplytwin.sinks.file_rail import _UNFINISHED
from supplytwin.sinks.http_rail import _AGAIN, _NOT_NOW, TRIES
from supplytwin.streams.settings import RailSection

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "rails.md").read_text()
FLAT = " ".join(TEXT.split())


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


def test_every_setting_is_documented() -> None:
    """The example has every key of the section, but for the two folders, and it can be read."""
    example = tomllib.loads(_block("toml"))["rail"]
    msgspec.convert(example, RailSection)
    assert {*example, "to_bank", "from_bank"} == set(RailSection.__struct_fields__)


def test_the_parties_of_the_page_can_be_paid() -> None:
    """The example passes the check that a file has to pass."""
    block = _block("json")
    (hashed,) = msgspec.json.decode(block, type=dict[str, msgspec.Raw])
    listed = ListedParties(block.encode(), "docs/rails.md")
    assert listed.of(instruction(terms_hash=hashed)) is not None


def test_numbers_and_names_are_those_of_the_code() -> None:
    """Tries, statuses that are tried again, names that are left alone, funding modes."""
    assert f"tried {TRIES} times" in FLAT
    for statuses in (_AGAIN, _NOT_NOW):
        assert ", ".join(map(str, sorted(statuses))) in FLAT
    assert all(f"`{name}`" in TEXT for name in _UNFINISHED)
    assert all(f"| {one} |" in TEXT for one in Funding)
    assert NO_HOLD.partition(": ")[2].partition(" (")[0] in TEXT


def test_every_alarm_of_a_rail_is_documented() -> None:
    """Each log line of level error of a sink's rail has a line that says what to do."""
    operations = (ROOT / "docs" / "operations.md").read_text()
    found = 0
    for path in sorted(Path(sinks.__file__).parent.glob("*rail*.py")):
        for line in re.findall(r"log\.error\(\s*\"([^\"]+)\"", path.read_text()):
            assert f"`{line}`" in operations, f"{path.name}: {line}"
            found += 1
    assert found > 5
